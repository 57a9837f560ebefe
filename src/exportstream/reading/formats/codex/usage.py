"""Counts the tokens of responses, each once.

Takes: the payloads of `token_count` events and of token usage records. Returns: the `Usage` to add.
Raises: `InvalidMessageError` for figures that are no integers. Holds: a few figures.

A `token_count` is written several times for one response, so its last usage counts only where the running total moved. It
is the four figures that count: after a compaction ``total_tokens`` moves alone. A newer Codex writes a usage record for each
response beside it. As soon as there is one, `token_count` is not added any more.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

from exportstream.errors import InvalidMessageError
from exportstream.models.structs import Count
from exportstream.reading.formats.message import to_integer

_WIRE_NAMES = {
    "input": "input_tokens",
    "cached": "cached_input_tokens",
    "cache_write": "cache_write_input_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_output_tokens",
}


class Usage(Struct, frozen=True, gc=False, rename=_WIRE_NAMES.get):
    """Tokens of one response, or of all so far; None where a figure is not stated.

    Attributes:
        input: all of the prompt, what was read from the cache or written to it included.
        cached: read from the cache.
        cache_write: written to it.
        output: all of the answer, its reasoning included.
        reasoning: of the reasoning.
    """

    input: Count | None = None
    cached: Count | None = None
    cache_write: Count | None = None
    output: Count | None = None
    reasoning: Count | None = None

    def minus(self, other: Usage) -> Usage:
        """What came since another running total."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Usage(*(None if mine is None else mine - (theirs or 0) for mine, theirs in pairs))

    def plus(self, other: Usage) -> Usage:
        """The sum of both."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Usage(*(None if mine is theirs is None else (mine or 0) + (theirs or 0) for mine, theirs in pairs))


_NO_USAGE = Usage()


class Info(Struct, gc=False):
    """What a `token_count` holds."""

    total_token_usage: Usage | None = None
    last_token_usage: Usage | None = None
    model: str | None = None


class Usages:
    """The usages of one session.

    Attributes:
        inherits: whether the running total may begin with that of the session it was forked from.
        replaying: whether the lines of that session are being read.
    """

    def __init__(self) -> None:
        self.inherits = False
        self.replaying = False
        self._total: Usage | None = None  # the last one
        self._last: Usage | None = None
        self._record_total: Usage | None = None
        self._before = Usage()  # of the session it was forked from
        self._has_own = False  # whether a running total of the session itself was seen
        self._from_records = False

    @property
    def declared(self) -> Usage:
        """The running total at the end, without that of the session it was forked from."""
        if self._has_own and self._total is not None:
            return self._total.minus(self._before)
        return self._record_total or Usage()

    def count(self, info: Info) -> Usage | None:
        """Take a `token_count`; return the usage to add, None where the total did not move or records are added."""
        total, last = info.total_token_usage, info.last_token_usage
        before = self._total
        if total is not None and total == before:
            self._last = last
            return None
        moved = _moved(before, total) if total is not None else _moved(self._last, last)
        self._total, self._last = total if total is not None else before, last
        if total is not None and moved and not self.replaying and not self._has_own:
            self._has_own = True
            if self.inherits:
                self._find_before(before if before is not None else total.minus(last or Usage()), total)
        if not moved or self._from_records:
            return None
        return last if last is not None or total is None else total.minus(before or Usage())

    def _find_before(self, before: Usage, total: Usage) -> None:
        """The first own running total tells whether it goes on from that of the other session, or began at zero."""
        if (total.input or 0) >= (before.input or 0) and (total.output or 0) >= (before.output or 0):
            self._before = before

    def record(self, payload: dict[str, Any]) -> Usage | None:
        """Take a token usage record; return the usage to add."""
        usage = read_usage(payload.get("usage"))
        self._record_total = read_usage(payload.get("thread_token_usage")) or self._record_total
        self._from_records = self._from_records or usage is not None
        return usage


def read_info(value: Any) -> Info:
    """Read the figures of a `token_count` that are not written as usual, such as 12.0.

    Raises:
        InvalidMessageError: a figure is no integer.
    """
    if not isinstance(value, dict):
        return Info()
    model = value.get("model")
    total, last = read_usage(value.get("total_token_usage")), read_usage(value.get("last_token_usage"))
    return Info(total, last, model if isinstance(model, str) else None)


def read_usage(value: Any) -> Usage | None:
    """Read the figures of a usage; None if it is no object.

    Raises:
        InvalidMessageError: a figure is no integer.
    """
    if not isinstance(value, dict):
        return None
    figures = []
    for key in _WIRE_NAMES.values():
        figure = value.get(key)
        try:
            figures.append(None if figure is None else to_integer(figure))
        except ValueError as error:
            raise InvalidMessageError(str(error), path=f"$.{key}") from None
    return Usage(*figures)


def _moved(before: Usage | None, now: Usage | None) -> bool:
    """Whether a figure differs; one that is not stated is as good as zero."""
    if before == now:
        return False
    one, other = before or _NO_USAGE, now or _NO_USAGE
    return (
        (one.input or 0) != (other.input or 0)
        or (one.output or 0) != (other.output or 0)
        or (one.cached or 0) != (other.cached or 0)
        or (one.reasoning or 0) != (other.reasoning or 0)
        or (one.cache_write or 0) != (other.cache_write or 0)
    )
