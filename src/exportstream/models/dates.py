"""A date-time text as an instant."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec


def parse_instant(text: str | None) -> datetime | None:
    """The instant a date-time text names, or None where it can't be parsed (RFC 3339; beyond microseconds rounded)."""
    if text is None:
        return None
    try:
        return msgspec.convert(text, datetime)
    except (msgspec.ValidationError, ValueError, OverflowError):
        return None


def exact_instant(text: str | None) -> tuple[datetime, str] | None:
    """Parse a date-time without rounding: its whole second, and the digits of the fraction without zeros at the end.

    Pairs compare like the instants. A date-time without a zone is taken as UTC.
    """
    fraction = ""
    if text is not None and text[19:20] == ".":
        rest = text[20:].lstrip("0123456789")
        fraction = text[20 : len(text) - len(rest)]
        if fraction and not rest.startswith("."):  # otherwise there is something wrong with it
            text = text[:19] + rest
    instant = parse_instant(text)
    if instant is None:
        return None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC), fraction.rstrip("0")


def of_one_form(dates: list[str]) -> bool:
    """Whether all have one length, one character between date and time, and the same text after the seconds.

    They are looked at as one text, a place at a time, since slices run in C.
    """
    joined = "\n".join(dates)
    count, width = len(dates), len(dates[0]) + 1
    if width <= 19 or len(joined) != count * width - 1 or joined.count("\n") != count - 1:
        return False
    columns = [joined[place::width] for place in (10, *range(19, width))]  # the last is that of the line feeds
    return all(column.count(column[0]) == len(column) for column in columns)
