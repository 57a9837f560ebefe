"""Groups: totals by one or more of `DIMENSIONS`, such as session, model and day.

Takes: batches of one input. Returns: figures by key. Raises: `OptionError` for words that are none of these, `LimitError`
where a sum of costs would need more than 10,000 digits. Holds: about twenty numbers for each group.

Groups of parts merge to the groups of the whole. They add up to the whole for all figures but `sessions`: a session is
counted in each group that it has a message in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct, field

from exportstream.models.structs import MIX, Message, Session, ToolCall
from exportstream.totals.batch import Batch
from exportstream.totals.copies import COPIES, counted
from exportstream.totals.figures import Cost, require_addable
from exportstream.totals.group_figures import COSTS, Figures
from exportstream.totals.group_keys import DECLARING, FIELD, MESSAGE, OPEN, PROJECT, TOOL, Columns, Key, apart, check_words
from exportstream.totals.periods import Range
from exportstream.totals.prices import Prices
from exportstream.totals.seen import Members
from exportstream.totals.sizes import RESULT, Largest, parts_of

_LONGEST_TITLE = 200  # characters

_ALL = Range()


class Groups(Struct):
    """The groups of one table.

    Attributes:
        by: names of `DIMENSIONS`, in the order of the keys; none for one group of all.
        declaring: whether the groups have declared figures.
        figures: by key.
        sessions: how many are in any group.
        members: counts the sessions by their id, None to count each time that one comes.
        titles: the beginnings of the titles of sessions, if that is a dimension, by its key without other dimensions.
    """

    by: tuple[str, ...]
    declaring: bool
    members: Members | None = None
    figures: dict[Key, Figures] = field(default_factory=lambda: defaultdict(Figures))
    sessions: int = 0
    titles: dict[Key, str] = field(default_factory=dict)
    _touched: set[Key] = field(default_factory=set)  # groups that have a message of the session being read
    _open: dict[Key, Figures] = field(default_factory=lambda: defaultdict(Figures))  # its groups, until its project is known

    def add(self, columns: Columns) -> None:
        """Add messages, and the sessions that end among them."""
        ends = columns.batch.ends
        if ends and self._open:
            self.close(ends[0].session.project)
        if "session" in self.by:
            self._add_titles([end.session for end in ends if end.session.title])
        if FIELD in self.by:
            self._add_fields(columns)
            return
        if TOOL in self.by:
            self._add_calls(columns)
            return
        keys = columns.keys(self.by)
        parts: defaultdict[Key, list[Message]] = defaultdict(list)
        for key, message in zip(keys, columns.batch.messages, strict=True):
            parts[key].append(message)
        for key, messages in parts.items():
            self._at(key).add_messages(messages, columns.prices)
        self._add_sessions(columns, keys, set(parts))

    def _at(self, key: Key) -> Figures:
        return (self._open if OPEN in key else self.figures)[key]

    def close(self, project: str | None) -> None:
        """Move what was counted of a session to its project, which is known for sure when the session ends."""
        at = self.by.index(PROJECT) if self._open else 0
        for key, figures in self._open.items():
            known = (*key[:at], project, *key[at + 1 :])
            self.figures[known].merge(figures)
            if self.members is not None:
                self.members.move(key, known)
                self._count_members([known])
            if key in self._touched:
                self._touched = {*self._touched - {key}, known}
        self._open.clear()

    def _add_titles(self, sessions: Iterable[Session]) -> None:
        """Keep titles. Of several the alphabet decides, not the order in which inputs were read."""
        for session in sessions:
            found = (session.title or "")[:_LONGEST_TITLE]
            of_session = {"session": session.id, "producer": session.producer or MIX}
            key = tuple(of_session.get(name) for name in self.by)
            self.titles[key] = min(found, self.titles.get(key, found))

    def title_of(self, key: Key) -> str | None:
        """Return the title of the session of a group."""
        if not self.titles:
            return None
        known = [text if name in ("session", "producer") else None for name, text in zip(self.by, key, strict=True)]
        return self.titles.get(tuple(known))

    def _add_calls(self, columns: Columns) -> None:
        at = self.by.index(TOOL)
        keys = columns.keys(self.by[:at] + self.by[at + 1 :])
        parts: defaultdict[Key, list[ToolCall]] = defaultdict(list)
        for key, message in zip(keys, columns.batch.messages, strict=True):
            for call in message.tool_calls or ():
                parts[(*key[:at], call.name, *key[at:])].append(call)
        for key, calls in parts.items():
            self._at(key).add_calls(calls)

    def _add_fields(self, columns: Columns) -> None:
        """Add the bytes of each field. A result is named by its tool, unless that is a dimension of its own."""
        by_tool = TOOL in self.by
        parts = columns.keys(tuple(name for name in self.by if name not in (FIELD, TOOL)))
        for rest, message in zip(parts, columns.batch.messages, strict=True):
            for part in parts_of(message):
                name = f"{part.name}.{part.tool}" if part.name == RESULT and not by_tool else part.name
                others = iter(rest)
                key = tuple(name if one == FIELD else part.tool if one == TOOL else next(others) for one in self.by)
                self._at(key).add_parts([part])

    def _add_sessions(self, columns: Columns, keys: list[Key], all_keys: set[Key]) -> None:
        """Count each session once in each group that it touches."""
        start, messages = 0, columns.batch.messages
        for end in columns.batch.ends:
            if start < end.end:
                some = all_keys if (start, end.end) == (0, len(keys)) else set(keys[start : end.end])
                self._touch(some, messages[start].session_id)
            if self.declaring and not end.repeated:
                declares = {"session": end.session.id, "producer": end.session.producer or MIX, "file": columns.source}
                key = tuple(declares[name] for name in self.by)
                self._touch({key}, end.session.id)  # also without any message
                self._at(key).add_declared(end.session)
            self._touched = set()
            start = end.end
        if start < len(keys):
            self._touch(all_keys if start == 0 else set(keys[start:]), messages[start].session_id)

    def _touch(self, keys: set[Key], session_id: str | None) -> None:
        if self.members is not None:
            self.members.add(keys, session_id)
            self._count_members(keys)
            return
        if keys and not self._touched:
            self.sessions += 1
        for key in keys - self._touched:
            self._at(key).sessions += 1
        self._touched |= keys

    def _count_members(self, keys: Iterable[Key]) -> None:
        if self.members is not None:
            self.sessions = self.members.count()
            for key in keys:
                self._at(key).sessions = self.members.count(key)

    def costs(self) -> list[list[Cost]]:
        """Return the costs of all groups, those of each kind in a list of its own."""
        return [[getattr(one, kind) for one in self.figures.values()] for kind in COSTS]

    def merge(self, other: Groups) -> None:
        """Add the groups of another input."""
        for key, figures in other.figures.items():
            self.figures[key].merge(figures)
        self.sessions += other.sessions
        for of_session, title in other.titles.items():
            self.titles[of_session] = min(title, self.titles.get(of_session, title))
        if self.members is not None and other.members is not None:
            self.members.merge(other.members)
            self._count_members(other.figures)

    def merge_part(self, other: Groups) -> None:
        """Add the groups of messages that come next, all of the session that is being read."""
        for key, figures in [*other.figures.items(), *other._open.items()]:
            figures.sessions = 0  # it is counted once, here
            self._at(key).merge(figures)
        self._touch(other._touched, None)

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
        distinct: whether a session that comes again is counted once; memory grows with the number of sessions in each group.
        top: how many of the largest messages are kept, by message.

    Attributes:
        tables: the groups of each table, or the largest messages.
        undated: with a bounded range, the messages whose createdAt is absent or can't be parsed; they are in no table.
    """

    def __init__(
        self,
        by: Sequence[tuple[str, ...]],
        range: Range = _ALL,  # noqa: A002
        source: str = "",
        *,
        distinct: bool = False,
        top: int | None = None,
    ) -> None:
        for names in by:
            check_words(names)
        self._range = range
        self._source = source
        self._by_size = any({FIELD, MESSAGE} & {*names} for names in by)
        self.tables: list[Groups | Largest] = [
            Largest(top or 0)
            if MESSAGE in names
            else Groups(apart(names), not range.is_bounded and {*names} <= DECLARING, Members() if distinct else None)
            for names in by
        ]
        self.undated = Groups((), declaring=False, members=Members() if distinct else None)

    def add(self, batch: Batch, prices: Prices | None = None) -> None:
        """Add messages, and the sessions that end among them. The prices are no part of this, which a worker may send."""
        if counted(batch.messages) is not batch.messages:
            batch = batch.only([message.usage_state not in COPIES for message in batch.messages])
        if self._range.is_bounded:
            inside = self._range.contains([message.created_at for message in batch.messages])
            undated = batch.only([one is None for one in inside])
            self.undated.add(Columns(undated, self._range, self._source, prices))
            if self._by_size:
                self.undated.figures[()].add_parts(part for message in undated.messages for part in parts_of(message))
            batch = batch.only([one is True for one in inside])
        columns = Columns(batch, self._range, self._source, prices)
        for table in self.tables:
            table.add(columns)

    def _pairs(self, other: Grouping) -> Iterable[tuple[Any, Any]]:
        """Return each table, and the one of the same kind in another grouping."""
        return zip([*self.tables, self.undated], [*other.tables, other.undated], strict=True)

    def _costs(self) -> list[list[Cost]]:
        return [costs for table in [*self.tables, self.undated] for costs in table.costs()]

    @property
    def is_extreme(self) -> bool:
        """Whether a cost of a group is, as of `Totals`; all costs together may cancel out and not be."""
        return any(cost.is_extreme for costs in self._costs() for cost in costs)

    def require_addable(self, other: Grouping) -> None:
        """Raise `LimitError` if what was counted of another input can't be added, also to totals of several groups."""
        for mine, theirs in zip(self._costs(), other._costs(), strict=True):
            require_addable([*mine, *theirs] if mine else ())

    def merge(self, other: Grouping) -> None:
        """Add what was counted of another input."""
        for table, more in self._pairs(other):
            table.merge(more)

    def merge_part(self, other: Grouping) -> None:
        """Add what was counted of messages that come next in the same input, all of the session that is being read."""
        for table, more in self._pairs(other):
            table.merge_part(more)

    def close(self) -> None:
        """End the input: a session whose end did not come has no project."""
        for table in self.tables:
            table.close(None)
