"""Date-time texts as instants: the only module that parses them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from operator import itemgetter
from typing import Annotated, Any

import msgspec

_BY_INSTANT = itemgetter(0)
_Zoned = Annotated[datetime, msgspec.Meta(tz=True)]


def parse_instant(text: str | None) -> datetime | None:
    """Parse a date-time (RFC 3339), rounded to microseconds; None if it can't be parsed, or is None."""
    if text is None:
        return None
    try:
        return msgspec.convert(text, datetime)
    except (msgspec.ValidationError, ValueError, OverflowError):
        return None


def all_have_zones(texts: Sequence[str | None]) -> bool:
    """Whether all are date-times with a zone that can be parsed; it takes one call for all."""
    try:
        msgspec.convert(texts, list[_Zoned])
    except (msgspec.ValidationError, ValueError, OverflowError):
        return False
    return True


def offsets_of(texts: Sequence[str | None]) -> list[str | None]:
    """The offset that each date-time is written with: ``Z``, or hours and minutes such as ``+05:30``.

    None for a text without one, for one that can't be parsed, and for None.
    """
    given: Any = texts
    if len(texts) > 2 and all(texts) and are_alike(given):
        with suppress(msgspec.ValidationError, ValueError, OverflowError):
            first = msgspec.convert(given, list[datetime])[0]
            return [None if first.tzinfo is None else _offset(given[0][-6:])] * len(given)
    try:
        instants = msgspec.convert(texts, list[datetime | None])  # all at once, which is the usual case
    except (msgspec.ValidationError, ValueError, OverflowError):
        instants = [parse_instant(text) for text in texts]
    ends = [
        None if text is None or instant is None or instant.tzinfo is None else text[-6:]
        for text, instant in zip(texts, instants, strict=True)
    ]
    offsets = {end: None if end is None else _offset(end) for end in set(ends)}  # a few, usually
    return list(map(offsets.__getitem__, ends))


def _offset(text: str) -> str:
    """The offset at the end of a date-time that has one; msgspec also takes a small z, and no colon."""
    if text[-1] in "Zz":
        return "Z"
    return text[-6:] if text[-3] == ":" else f"{text[-5:-2]}:{text[-2:]}"


def exact_instant(text: str | None) -> tuple[datetime, str] | None:
    """Parse a date-time without rounding: its whole second, and the digits of the fraction without zeros at the end.

    Pairs compare like the instants. A date-time without a zone is taken as UTC. None if it can't be parsed.
    """
    fraction = ""
    if text is not None and text[19:20] == ".":
        rest = text[20:].lstrip("0123456789")
        fraction = text[20 : len(text) - len(rest)]
        if fraction and not rest.startswith("."):  # otherwise the fraction is malformed
            text = text[:19] + rest
    instant = parse_instant(text)
    if instant is None:
        return None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC), fraction.rstrip("0")


def truncated_instants(dates: list[str | None]) -> list[datetime | None]:
    """Parse date-times; digits of a second after the sixth are cut off, not rounded, so that no day changes.

    Returns:
        A datetime for each, with a zone if the text has one; None where there is none, or where it can't be parsed.
    """
    given = [text for text in dates if text is not None]
    if not any(text[26:27].isdigit() for text in given):  # usually no text has that many digits
        with suppress(msgspec.ValidationError):
            each = iter(msgspec.convert(given, list[datetime]))
            return [None if text is None else next(each) for text in dates]
    return [None if text is None else parse_instant(_without_nanoseconds(text)) for text in dates]


def _without_nanoseconds(text: str) -> str:
    if text[19:20] == "." and text[20:27].isascii() and text[20:27].isdigit():
        return text[:26] + text[26:].lstrip("0123456789")
    return text


def earliest_and_latest(
    dates: list[str], first: str | None = None, last: str | None = None
) -> tuple[str | None, str | None, int]:
    """Find the earliest and the latest of date-times, as written; all digits of a second are compared.

    Args:
        dates: texts, date-times or not.
        first: the earliest of those before, if any; it stays where another is equal.
        last: the latest of those before.

    Returns:
        The earliest and the latest, None without any, and how many of `dates` can't be parsed.
    """
    count = len(dates)
    if count > 2 and are_alike(dates):
        with suppress(msgspec.ValidationError):
            msgspec.convert(dates, list[datetime])  # all can be parsed
            in_order = sorted(dates)  # takes less time than min and max, since most are in order
            low, high = in_order[0], in_order[-1]
            if first is not None and last is not None and are_alike([first, last, low, high]):
                return min(first, low), max(last, high), 0
            dates, count = [low, high], 2
    elif count > 2 and _are_of_utc(dates):
        with suppress(msgspec.ValidationError):
            msgspec.convert(dates, list[datetime])
            dates, count = [min(dates, key=_without_zeros), max(dates, key=_without_zeros)], 2
    found = [(instant, date) for date in dates if (instant := exact_instant(date)) is not None]
    if not found:
        return first, last, count
    first = min([*_dated(first), *found], key=_BY_INSTANT)[1]
    last = max([*_dated(last), *found], key=_BY_INSTANT)[1]
    return first, last, count - len(found)


def _dated(date: str | None) -> list[tuple[Any, str]]:
    return [] if date is None else [(exact_instant(date), date)]


def are_alike(dates: Sequence[str]) -> bool:
    """Whether all texts have one length, one character between date and time, and the same text after the seconds.

    Such texts compare like their instants. They are joined and looked at one column at a time, since slices run in C.
    """
    joined = "\n".join([*dates, ""])
    count, width = len(dates), len(dates[0]) + 1
    if width <= 19 or len(joined) != count * width or joined.count("\n") != count:
        return False
    # The last column is that of the line feeds.
    return all(joined[at::width] == joined[at] * count for at in (10, *range(19, width)))


def _are_of_utc(dates: list[str]) -> bool:
    """Whether all date-times, if they are some, have a T and end in Z, so that they compare like texts without zeros."""
    joined, count = "\n".join(dates), len(dates)
    return joined.endswith("Z") and joined.count("Z\n") == count - 1 and joined.count("T") == joined.count("Z") == count


def _without_zeros(text: str) -> str:
    """A date-time that ends in Z, without that and without zeros at the end: of two, the longer one is later."""
    return text[:-1].rstrip("0.")
