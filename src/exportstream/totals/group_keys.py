"""What groups have in common: the dimensions, and the key of each message.

Takes: batches of one input. Returns: keys, columns of them. Raises: `OptionError` for words that are no dimensions.
Holds: a column for each dimension that was asked for.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from exportstream.errors import OptionError, did_you_mean
from exportstream.models.structs import MIX
from exportstream.totals.batch import Batch
from exportstream.totals.periods import PERIODS, Range
from exportstream.totals.prices import Prices

PROJECT, TOOL, FIELD, MESSAGE = "project", "tool", "field", "message"
DIMENSIONS = ("session", "file", PROJECT, "producer", "model", "role", TOOL, *PERIODS, "finish-reason", FIELD, MESSAGE)
# A session declares figures for all of itself: only what it is in as a whole has a part of them.
DECLARING = frozenset(("session", "file", "producer"))
_MEANT = {"date": "day", "folder": "project", "conversation": "session", "provider": "producer"}
OPEN = "\ud800"  # the project of a session that has not ended: no text of an input has half of a surrogate pair

Key = tuple[str | None, ...]


class Columns:
    """The keys of a batch's messages, one column for each dimension, made when they are first asked for."""

    def __init__(self, batch: Batch, range: Range, source: str, prices: Prices | None) -> None:  # noqa: A002
        self.batch = batch
        self.prices = prices
        self.source = source
        self._range = range
        self._made: dict[str, list[str | None]] = {}

    def keys(self, by: tuple[str, ...]) -> list[Key]:
        """Return the key of each message."""
        return list(zip(*map(self._column, by), strict=True)) if by else [()] * len(self.batch.messages)

    def _column(self, name: str) -> list[str | None]:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> list[str | None]:
        messages = self.batch.messages
        if name == "file":
            return [self.source] * len(messages)
        if name == PROJECT:
            found: list[str | None] = [OPEN] * len(messages)
            start = 0
            for end in self.batch.ends:
                found[start : end.end] = [end.session.project] * (end.end - start)
                start = end.end
            return found
        if name in PERIODS:
            return self._range.periods(name, [message.created_at for message in messages])
        return list(map(_OF_MESSAGE[name], messages))


_OF_MESSAGE: dict[str, Any] = {
    "session": attrgetter("session_id"),
    "producer": lambda message: message.producer or MIX,
    "model": attrgetter("model"),
    "role": attrgetter("role"),
    "finish-reason": attrgetter("finish_reason"),
}


def apart(by: tuple[str, ...]) -> tuple[str, ...]:
    """Return the dimensions of groups by these words: sessions of two producers may have one id, and are two."""
    return (*by, "producer") if "session" in by and "producer" not in by else by


def check_words(names: tuple[str, ...]) -> None:
    """Refuse words that are no dimensions, and those that come twice."""
    for name in names:
        if name not in DIMENSIONS:
            near = did_you_mean(_MEANT.get(name, name), DIMENSIONS)
            what = "expected a word of `by`" if near else f"expected `by` to be of {', '.join(DIMENSIONS)}"
            raise OptionError(f"{what}, got {name!r}", hint=near)
    if len({*names}) < len(names):
        raise OptionError(f"expected each word of `by` once, got {','.join(names)}")
    if MESSAGE in names and len(names) > 1:
        raise OptionError(f"expected `message` alone in `by`, got {','.join(names)}", hint="ask for two tables")
