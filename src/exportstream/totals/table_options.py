"""The options of tables of groups: which groups are made, and how their rows are sorted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import fields as struct_fields
from msgspec.structs import force_setattr

from exportstream.errors import OptionError, did_you_mean
from exportstream.totals.group_figures import Figures
from exportstream.totals.group_keys import DECLARING, FIELD, MESSAGE, TOOL, check_words
from exportstream.totals.periods import Range

_SPAN = re.compile(r"([0-9]{1,9})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_CAPITAL = re.compile("[A-Z]")
NAMES = {f.name: f.encode_name for f in struct_fields(Figures)} | {
    "total_cost": "totalCost",
    "message_index": "messageIndex",
    "position": "position",
}
HEADINGS = {  # in the order of the columns in a text
    "sessions": "sessions",
    "messages": "messages",
    "tool_calls": "calls",
    "failed": "failed",
    "unfinished": "unfinished",
    "input_tokens": "input",
    "total_input_tokens": "all input",
    "output_tokens": "output",
    "cache_read_tokens": "cache read",
    "cost": "cost",
    "priced_cost": "priced",
    "total_cost": "all cost",
    "unpriced_messages": "unpriced",
    "declared_cost": "declared",
    "message_index": "index",
    "position": "position",
    "values": "values",
    "bytes": "bytes",
}
_WORDS = {"cache-write": "cache-creation-tokens"} | {
    heading.replace(" ", "-"): name.replace("_", "-") for name, heading in HEADINGS.items()
}
OF_FIELDS = ("values", "bytes")
OF_MESSAGE = ("message_index", "position", "bytes")
OF_CALLS = ("tool_calls", "failed", "unfinished")
_PRICED = ("priced_cost", "unpriced_messages", "total_cost")
_DECLARED = ("declared_prompt_tokens", "declared_completion_tokens", "declared_cost")


class GroupOptions(Struct, frozen=True, kw_only=True):
    """Which groups are made, and how their tables are sorted.

    Attributes:
        by: the dimensions of each table, of `groups.DIMENSIONS`.
        range: which messages are counted.
        sort: a dimension, from the first to the last, or a figure, by its name or its heading, from the largest; None for
            dates in their order, and other groups by cost, recorded and priced together.
        priced: whether prices are given, so that the tables have columns of them.
        top: how many groups have a row of their own; the others share one. None for all.
        whole: those of `by` that have a row for each group, whatever `top` says.

    Raises:
        OptionError: a word is none of these.
    """

    by: tuple[tuple[str, ...], ...] = ()
    range: Range = Range()
    sort: str | None = None
    top: int | None = None
    priced: bool = False
    whole: tuple[tuple[str, ...], ...] = ()

    @property
    def is_by_size(self) -> bool:
        """Whether a table counts the bytes of fields of messages, or of whole messages."""
        return any({FIELD, MESSAGE} & {*names} for names in self.by)

    def __post_init__(self) -> None:
        """Check the words."""
        for names in self.by:
            check_words(names)
        if self.top is not None and (type(self.top) is not int or self.top < 1):
            raise OptionError(f"expected `top` to be a positive number, got {self.top!r}")
        if (MESSAGE,) in self.by and self.top is None:
            raise OptionError("expected `top` with by='message', got none", hint="say how many, such as top=10")
        if not any(self.by):
            given = {"sort": self.sort, "top": self.top, "tz": None if self.range.is_bounded else self.range.tz}
            for name in [name for name, value in given.items() if value is not None]:
                raise OptionError(f"expected `{name}` with groups, got none", hint="it goes with `by`, such as by='day'")
        sort = self.sort
        if sort is not None:  # outputTokens, output_tokens and output as output-tokens
            words = _CAPITAL.sub(lambda found: "-" + found[0].lower(), str(sort)).replace("_", "-").replace(" ", "-")
            force_setattr(self, "sort", _WORDS.get(words, words))
        possible = [
            word
            for names in self.by
            for word in (("bytes",) if MESSAGE in names else (*names, *words_of(names, priced=self.priced)))
        ]
        if self.sort is not None and self.sort not in possible:
            of_prices = not self.priced and any(self.sort in words_of(names, priced=True) for names in self.by)
            hint = "it goes with `prices`" if of_prices else did_you_mean(self.sort, possible)
            words = "" if hint else f" ({', '.join(dict.fromkeys(possible))})"
            raise OptionError(f"expected `sort` to be a column of a table{words}, got {sort!r}", hint=hint)


def words_of(by: tuple[str, ...], *, priced: bool) -> list[str]:
    """Return the figures that a table has, as words of options."""
    without = (*(() if {*by} <= DECLARING else _DECLARED), *(() if priced else _PRICED))
    names: tuple[str, ...]
    if MESSAGE in by or FIELD in by:
        names = OF_MESSAGE if MESSAGE in by else OF_FIELDS
    elif TOOL in by:
        names = OF_CALLS
    else:
        names = tuple(name for name in NAMES if name not in (*without, *OF_FIELDS, *OF_MESSAGE))
    return [name.replace("_", "-") for name in names]


def split_words(by: str | Iterable[str | Iterable[str]]) -> tuple[tuple[str, ...], ...]:
    """Return the dimensions of each table: a text with commas, or several texts or lists of words."""
    return tuple(
        tuple(map(str.strip, one.split(",")) if isinstance(one, str) else _each(one))
        for one in ([by] if isinstance(by, str) else _each(by))
    )


def as_bound(bound: str | date | None) -> str | None:
    """Return a bound of a range as text; a span before now, such as ``7d``, as the instant in UTC."""
    if isinstance(bound, date):
        return bound.isoformat()
    span = _SPAN.fullmatch(bound) if isinstance(bound, str) else None
    if span is None:
        return bound
    try:
        return (datetime.now(UTC) - timedelta(**{_UNITS[span[2]]: int(span[1])})).isoformat(timespec="seconds")
    except OverflowError:
        raise OptionError(f"expected a time after the year 0, got {bound} before now") from None


def _each(by: Iterable[Any]) -> Iterable[Any]:
    if not isinstance(by, Iterable):
        raise OptionError(f"expected `by` to be a word or several, got {by!r}", hint="give one such as 'day'")
    return by
