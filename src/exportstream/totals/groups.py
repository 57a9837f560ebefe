"""Groups: totals by session, file, model, role, tool, period or finish reason, single or combined.

Takes: batches of one input. Returns: figures by key. Raises: `OptionError` for words that are none of these, `LimitError`
where a sum of costs would need more than 10,000 digits. Holds: about twenty numbers for each group.

Groups of parts merge to the groups of the whole. They add up to the whole for all figures but `sessions`: a session is
counted in each group that it has a message in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate, compress
from operator import attrgetter
from typing import Any

from msgspec import Struct, field

from exportstream.errors import OptionError
from exportstream.models.structs import MIX, Message, Session, ToolCall
from exportstream.totals.batch import Batch, SessionEnd
from exportstream.totals.copies import COPIES, counted
from exportstream.totals.figures import Cost, Count, Sums
from exportstream.totals.periods import PERIODS, Range
from exportstream.totals.priced import Priced
from exportstream.totals.prices import Prices

TOOL = "tool"
DIMENSIONS = ("session", "file", "producer", "model", "role", TOOL, *PERIODS, "finish-reason")
_DECLARING = {"session", "file"}  # a session declares figures for all of itself: they can't be split by anything else

_ALL = Range()

Key = tuple[str | None, ...]


class Figures(Sums):
    """The figures of a group.

    Attributes:
        sessions: how many have a message in it (by session and file also those without any message).
        messages: how many there are.
        tool_calls: how many calls there are.
        failed: those whose ``isError`` is true.
        unfinished: those whose ``finished`` is false.
        input_tokens: sum over the messages; so are all others up to `cost`.
        output_tokens: see `input_tokens`.
        cache_creation_tokens: see `input_tokens`.
        cache_read_tokens: see `input_tokens`.
        cost: recorded cost in USD.
        priced_cost: price of the messages without a recorded cost in USD, where prices are given.
        unpriced_messages: those with tokens but neither a cost nor a price, where prices are given.
        content_bytes: bytes of ``content`` as UTF-8.
        reasoning_duration: sum of the server's integers; the format states no unit.
        declared_prompt_tokens: declared by the sessions; only by session and file.
        declared_completion_tokens: see `declared_prompt_tokens`.
        declared_cost: see `declared_prompt_tokens`.
    """

    sessions: int = 0
    messages: int = 0
    tool_calls: int = 0
    failed: int = 0
    unfinished: int = 0
    input_tokens: Count = field(default_factory=Count)
    output_tokens: Count = field(default_factory=Count)
    cache_creation_tokens: Count = field(default_factory=Count)
    cache_read_tokens: Count = field(default_factory=Count)
    cost: Cost = field(default_factory=Cost)
    priced_cost: Cost = field(default_factory=Cost)
    unpriced_messages: int = 0
    content_bytes: int = 0
    reasoning_duration: Count = field(default_factory=Count)
    declared_prompt_tokens: Count = field(default_factory=Count)
    declared_completion_tokens: Count = field(default_factory=Count)
    declared_cost: Cost = field(default_factory=Cost)

    def add_messages(self, messages: list[Message], prices: Prices | None) -> None:
        """Add messages and their calls."""
        if prices is not None:
            priced = Priced()
            prices.add_to(priced, messages)
            self.priced_cost.merge(priced.cost)
            self.unpriced_messages += sum(one.messages for one in priced.unpriced)
        self.messages += len(messages)
        self.add_calls([call for m in messages if m.tool_calls for call in m.tool_calls])
        self.cost.add([m.cost for m in messages if m.cost is not None])
        self.input_tokens.add([m.input_tokens for m in messages if m.input_tokens is not None])
        self.output_tokens.add([m.output_tokens for m in messages if m.output_tokens is not None])
        self.cache_creation_tokens.add([m.cache_creation_tokens for m in messages if m.cache_creation_tokens is not None])
        self.cache_read_tokens.add([m.cache_read_tokens for m in messages if m.cache_read_tokens is not None])
        self.reasoning_duration.add([m.reasoning_duration for m in messages if m.reasoning_duration is not None])
        self.content_bytes += _utf8_size([m.content for m in messages])

    def add_calls(self, calls: list[ToolCall]) -> None:
        """Add calls."""
        if calls:
            self.tool_calls += len(calls)
            self.failed += len([True for call in calls if call.is_error])
            self.unfinished += len([True for call in calls if not call.finished])

    def add_declared(self, session: Session) -> None:
        """Add what a session declares."""
        self.declared_prompt_tokens.add([session.prompt_tokens] if session.prompt_tokens is not None else [])
        self.declared_completion_tokens.add([session.completion_tokens] if session.completion_tokens is not None else [])
        self.declared_cost.add([session.cost] if session.cost is not None else [])


class Groups(Struct):
    """The groups of one table.

    Attributes:
        by: names of `DIMENSIONS`, in the order of the keys; none for one group of all.
        declaring: whether the groups have declared figures.
        figures: by key.
        sessions: how many are in any group.
    """

    by: tuple[str, ...]
    declaring: bool
    figures: dict[Key, Figures] = field(default_factory=lambda: defaultdict(Figures))
    sessions: int = 0
    _touched: set[Key] = field(default_factory=set)  # groups that have a message of the session being read

    def add(self, columns: _Columns) -> None:
        """Add messages, and the sessions that end among them."""
        if TOOL in self.by:
            self._add_calls(columns)
            return
        keys = columns.keys(self.by)
        parts: defaultdict[Key, list[Message]] = defaultdict(list)
        for key, message in zip(keys, columns.batch.messages, strict=True):
            parts[key].append(message)
        for key, messages in parts.items():
            self.figures[key].add_messages(messages, columns.prices)
        self._add_sessions(columns, keys, set(parts))

    def _add_calls(self, columns: _Columns) -> None:
        at = self.by.index(TOOL)
        keys = columns.keys(self.by[:at] + self.by[at + 1 :])
        parts: defaultdict[Key, list[ToolCall]] = defaultdict(list)
        for key, message in zip(keys, columns.batch.messages, strict=True):
            for call in message.tool_calls or ():
                parts[(*key[:at], call.name, *key[at:])].append(call)
        for key, calls in parts.items():
            self.figures[key].add_calls(calls)

    def _add_sessions(self, columns: _Columns, keys: list[Key], all_keys: set[Key]) -> None:
        """Count each session once in each group that it touches."""
        start = 0
        for end in columns.batch.ends:
            self._touch(all_keys if (start, end.end) == (0, len(keys)) else set(keys[start : end.end]))
            if self.declaring and not end.repeated:
                key = tuple(end.session.id if name == "session" else columns.source for name in self.by)
                self._touch({key})  # also without any message
                self.figures[key].add_declared(end.session)
            self._touched = set()
            start = end.end
        if start < len(keys):
            self._touch(all_keys if start == 0 else set(keys[start:]))

    def _touch(self, keys: set[Key]) -> None:
        if keys and not self._touched:
            self.sessions += 1
        for key in keys - self._touched:
            self.figures[key].sessions += 1
        self._touched |= keys

    def merge(self, other: Groups) -> None:
        """Add the groups of another input."""
        for key, figures in other.figures.items():
            self.figures[key].merge(figures)
        self.sessions += other.sessions

    def total(self) -> Figures:
        """Return the figures of all groups together."""
        total = Figures()
        for figures in self.figures.values():
            total.merge(figures)
        total.sessions = self.sessions
        return total


class Grouping:
    """Adds the batches of one input to the groups of several tables. Memory grows with the number of groups.

    Args:
        by: the dimensions of each table.
        range: which messages are counted, by their createdAt, and the zone of days.
        source: name of the input, for groups by file.

    Attributes:
        tables: the groups of each table.
        undated: with a bounded range, the messages whose createdAt is absent or can't be parsed; they are in no table.
    """

    def __init__(self, by: Sequence[tuple[str, ...]], range: Range = _ALL, source: str = "") -> None:  # noqa: A002
        for names in by:
            _check(names)
        self._range = range
        self._source = source
        self.tables = [Groups(names, not range.is_bounded and {*names} <= _DECLARING) for names in by]
        self.undated = Groups((), declaring=False)

    def add(self, batch: Batch, prices: Prices | None = None) -> None:
        """Add messages, and the sessions that end among them.

        Args:
            batch: of one input.
            prices: of messages without a cost, None for none. They are no part of this, which may come from a worker.

        Raises:
            LimitError: an exact sum of costs would need more than 10,000 digits.
        """
        if counted(batch.messages) is not batch.messages:
            batch = _pick(batch, [message.usage_state not in COPIES for message in batch.messages])
        if self._range.is_bounded:
            inside = self._range.contains([message.created_at for message in batch.messages])
            self.undated.add(_Columns(_pick(batch, [one is None for one in inside]), self._range, self._source, prices))
            batch = _pick(batch, [one is True for one in inside])
        columns = _Columns(batch, self._range, self._source, prices)
        for table in self.tables:
            table.add(columns)

    def merge(self, other: Grouping) -> None:
        """Add what was counted of another input."""
        for table, more in zip(self.tables, other.tables, strict=True):
            table.merge(more)
        self.undated.merge(other.undated)


class _Columns:
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


def _check(names: tuple[str, ...]) -> None:
    """Refuse words that are no dimensions, and those that come twice."""
    for name in names:
        if name not in DIMENSIONS:
            raise OptionError(f"expected `by` to be of {', '.join(DIMENSIONS)}, got {name!r}")
    if len({*names}) < len(names):
        raise OptionError(f"expected each word of `by` once, got {','.join(names)}")


def _pick(batch: Batch, flags: list[bool]) -> Batch:
    """Return a batch of some of the messages, and of all the ends."""
    before = list(accumulate(flags, initial=0))
    ends = [SessionEnd(end.session, before[end.end], repeated=end.repeated) for end in batch.ends]
    return Batch(list(compress(batch.messages, flags)), ends)


def _utf8_size(texts: list[str]) -> int:
    if all(map(str.isascii, texts)):
        return sum(map(len, texts))
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts)
