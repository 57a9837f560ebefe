"""Running totals: exact, of constant size, and the same however the messages were split.

Takes: messages and sessions, one by one, in batches, or as an iterator to watch.
Returns: `Totals`, with declared figures (what the sessions state) and counted ones (sums over messages) apart.
Raises: `LimitError` where a sum of costs would need more than 10,000 digits.
Holds: about forty numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Self, TypeVar

import msgspec
from msgspec import field

from exportstream.models.dates import earliest_and_latest
from exportstream.models.structs import Message, Session
from exportstream.models.sums import Sums
from exportstream.totals.copies import counted, counted_ends
from exportstream.totals.figures import (
    COMPARED,
    Carrying,
    Cost,
    Count,
    Difference,
    add_tokens,
    carried,
    compare,
    compare_costs,
    total_cost,
)
from exportstream.totals.priced import Priced
from exportstream.totals.text import brief

MAX_ROLES = 64
KNOWN_ROLES = frozenset({"assistant", "tool", "user", "system"})

_Item = TypeVar("_Item", bound=Message | Session)


class Declared(Sums):
    """Sums of what sessions declare; the ``count`` of a figure says how many sessions declare it.

    Attributes:
        user_messages, assistant_messages, tool_calls: their counts.
        prompt_tokens, completion_tokens: their tokens.
        cost: their cost in USD.
    """

    user_messages: Count = field(default_factory=Count)
    assistant_messages: Count = field(default_factory=Count)
    tool_calls: Count = field(default_factory=Count)
    prompt_tokens: Count = field(default_factory=Count)
    completion_tokens: Count = field(default_factory=Count)
    cost: Cost = field(default_factory=Cost)

    def add(self, sessions: list[Session]) -> None:
        """Add the declared figures of sessions."""
        self.user_messages.add([s.user_message_count for s in sessions if s.user_message_count is not None])
        self.assistant_messages.add([s.assistant_message_count for s in sessions if s.assistant_message_count is not None])
        self.tool_calls.add([s.tool_call_count for s in sessions if s.tool_call_count is not None])
        self.prompt_tokens.add([s.prompt_tokens for s in sessions if s.prompt_tokens is not None])
        self.completion_tokens.add([s.completion_tokens for s in sessions if s.completion_tokens is not None])
        self.cost.add([s.cost for s in sessions if s.cost is not None])


class Counted(Sums):
    """Sums over messages; the ``count`` of a figure says how many messages carry it.

    Attributes:
        messages, tool_calls, tool_errors: how many there are; an error is a call with ``isError`` true.
        roles: messages by role: the four known ones, and the first 64 others in alphabetical order.
        other_roles: messages of all other roles.
        input_tokens, output_tokens, cache_creation_tokens, cache_read_tokens: sums of tokens.
        total_input_tokens: all tokens of the prompts, computed by one rule for all producers; see `figures`.
        with_tokens: messages that carry any of the four before.
        partial_tokens: those of them whose tokens may have grown after they were written (`usage_state` ``partial``).
        copies: messages of logs that are copies (`usage_state` ``repeated`` or ``replayed``): rows, but in no other figure.
        cost: sum of costs in USD.
        first_date, last_date: the earliest and latest createdAt, as written; all digits count, one without a zone is of UTC.
        unparsed_dates: messages whose createdAt is no date-time that can be parsed.
    """

    messages: int = 0
    roles: dict[str, int] = field(default_factory=dict)
    other_roles: int = 0
    tool_calls: int = 0
    tool_errors: int = 0
    input_tokens: Count = field(default_factory=Count)
    output_tokens: Count = field(default_factory=Count)
    cache_creation_tokens: Count = field(default_factory=Count)
    cache_read_tokens: Count = field(default_factory=Count)
    total_input_tokens: Count = field(default_factory=Count)
    with_tokens: int = 0
    partial_tokens: int = 0
    copies: int = 0
    cost: Cost = field(default_factory=Cost)
    first_date: str | None = None
    last_date: str | None = None
    unparsed_dates: int = 0

    def add_batch(self, messages: list[Message]) -> None:
        """Add many messages at once, without copies."""
        kept = counted(messages)
        self.copies += len(messages) - len(kept)
        self.add_originals(kept)

    def add_originals(self, messages: list[Message]) -> None:
        """Add messages that are no copies. Every message comes here; comprehensions are the fastest loops."""
        self.messages += len(messages)
        self._add_roles(Counter([m.role for m in messages]))
        calls = [call for m in messages if m.tool_calls for call in m.tool_calls]
        self.tool_calls += len(calls)
        self.tool_errors += len([True for call in calls if call.is_error])
        self.cost.add([m.cost for m in messages if m.cost is not None])
        self._add_tokens(messages)
        self._add_dates([m.created_at for m in messages if m.created_at is not None])

    def _add_tokens(self, messages: list[Message]) -> None:
        used = [
            m
            for m in messages
            if m.input_tokens is not None
            or m.output_tokens is not None
            or m.cache_creation_tokens is not None
            or m.cache_read_tokens is not None
        ]
        if not used:
            return
        self.with_tokens += len(used)
        states = [m.usage_state for m in used]
        if any(states):  # comparing None with a text takes longer
            self.partial_tokens += states.count("partial")
        add_tokens(self, used)

    def _add_roles(self, roles: dict[str, int]) -> None:
        """Count each role. The alphabet decides which are kept, not the order in the input, so any split gives the same."""
        for role, count in roles.items():
            self.roles[role] = self.roles.get(role, 0) + count
        if len(self.roles) > MAX_ROLES:
            for role in sorted(self.roles.keys() - KNOWN_ROLES)[MAX_ROLES:]:
                self.other_roles += self.roles.pop(role)

    def _add_dates(self, dates: list[str]) -> None:
        self.first_date, self.last_date, unparsed = earliest_and_latest(dates, self.first_date, self.last_date)
        self.unparsed_dates += unparsed

    def merge(self, other: Self) -> None:
        """Add what another one counted."""
        super().merge(other)
        self._add_roles(other.roles)
        if self.first_date is None:
            self.first_date, self.last_date = other.first_date, other.last_date
        else:
            self._add_dates([date for date in (other.first_date, other.last_date) if date is not None])


class Totals(Sums):
    """Sums over messages and sessions.

    Attributes:
        sessions: how many sessions are complete; a session is added after its messages.
        declared: sums of what the sessions declare.
        counted: sums over messages.
        carrying: how many sessions have a message that carries a figure.
        priced: prices of messages without a recorded cost, None where they were not asked for.
    """

    sessions: int = 0
    declared: Declared = field(default_factory=Declared)
    counted: Counted = field(default_factory=Counted)
    carrying: Carrying = field(default_factory=Carrying)
    priced: Priced | None = None
    _carried: Carrying = field(default_factory=Carrying)  # messages that carried a figure when the last session ended

    def __repr__(self) -> str:
        counted, cost = self.counted, brief(self.counted.cost.sum)
        return f"Totals(sessions={self.sessions}, messages={counted.messages}, tool_calls={counted.tool_calls}, cost={cost})"

    def add(self, item: Message | Session) -> None:
        """Add one message, or one session after its messages."""
        if isinstance(item, Session):
            self.add_sessions([], [item], [0])
        else:
            self.counted.add_batch([item])

    def watch(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Pass messages (or sessions) through, each added before it is yielded."""
        for item in items:
            self.add(item)
            yield item

    def add_batch(self, messages: list[Message]) -> None:
        """Add messages of the session that is added next."""
        self.counted.add_batch(messages)

    def add_sessions(self, messages: list[Message], sessions: list[Session], ends: list[int]) -> None:
        """Add messages of several sessions at once, and those sessions.

        Args:
            messages: in the order of the sessions. Messages of the first session may have been added before, and those
                after the last end belong to a session that is added later.
            sessions: those that are complete.
            ends: for each of them, how many of `messages` belong to it and to those before it.
        """
        sums, before = self.counted, self._carried
        if (kept := counted(messages)) is not messages:
            sums.copies += len(messages) - len(kept)
            messages, ends = kept, counted_ends(messages, ends)
        known = [getattr(sums, name).count for name in COMPARED]
        if messages:
            sums.add_originals(messages)
        if not ends:
            return
        self.sessions += len(sessions)
        self.declared.add(sessions)
        pending = [count - getattr(before, name) for name, count in zip(COMPARED, known, strict=True)]
        new = [getattr(sums, name).count - count for name, count in zip(COMPARED, known, strict=True)]
        for name, (carry, count) in zip(COMPARED, carried(ends, messages, new, pending), strict=True):
            setattr(self.carrying, name, getattr(self.carrying, name) + carry)
            setattr(before, name, getattr(before, name) + count)

    def end_repeated(self) -> None:
        """End a session that was added before: the messages added since are not those of the session added next."""
        for name in COMPARED:
            setattr(self._carried, name, getattr(self.counted, name).count)

    def merge(self, other: Self) -> None:
        """Add what another one counted."""
        super().merge(other)
        if other.priced is not None:
            self.priced = self.priced or Priced()
            self.priced.merge(other.priced)

    @property
    def total_cost(self) -> Decimal | None:
        """Recorded and priced cost of messages together; None without prices."""
        return None if self.priced is None else total_cost(self.counted.cost.sum, self.priced.cost.sum)

    @property
    def is_extreme(self) -> bool:
        """Whether a sum of costs is so large or small that another one may need too many digits with it."""
        return self.counted.cost.is_extreme or self.declared.cost.is_extreme

    def require_addable(self, other: Self) -> None:
        """Raise `LimitError` if what another one counted can't be added: `merge` would have added some of it by then."""
        for mine, theirs in ((self.counted.cost, other.counted.cost), (self.declared.cost, other.declared.cost)):
            Cost(mine.sum).merge(theirs)

    def differences(self) -> dict[str, Difference]:
        """Compare declared and counted figures, and return those that differ, by name.

        A figure that some session does not declare can't be compared, nor one that none of its messages carries. Costs that
        differ by less than the error of adding up doubles are equal.
        """
        found = {
            name: compare_costs(figure.sum, counted_sum, self.counted.cost.count)
            if isinstance(figure, Cost) and figure.sum is not None
            else compare(figure.sum, counted_sum)
            for name, figure, sessions, counted_sum in self._pairs()
            if figure.count == sessions == self.sessions > 0
        }
        return {name: difference for name, difference in found.items() if difference is not None}

    def incomparable(self) -> dict[str, tuple[int, int]]:
        """Return how many sessions declare a figure, and how many have it in messages, where these are not all sessions.

        The two sums are of other sessions then, as where one producer declares what another does not.
        """
        return {
            name: (figure.count, sessions)
            for name, figure, sessions, counted_sum in self._pairs()
            if figure.count and counted_sum and not figure.count == sessions == self.sessions
        }

    def _pairs(self) -> tuple[tuple[str, Count | Cost, int, Any], ...]:
        """Return what can be compared: a name, declared, how many sessions have it in messages, and counted."""
        declared, counted, carrying = self.declared, self.counted, self.carrying
        return (
            ("userMessages", declared.user_messages, self.sessions, counted.roles.get("user", 0)),
            ("assistantMessages", declared.assistant_messages, self.sessions, counted.roles.get("assistant", 0)),
            ("toolCalls", declared.tool_calls, self.sessions, counted.tool_calls),
            ("promptTokens", declared.prompt_tokens, carrying.input_tokens, counted.input_tokens.sum),
            ("completionTokens", declared.completion_tokens, carrying.output_tokens, counted.output_tokens.sum),
            ("cost", declared.cost, carrying.cost, counted.cost.sum),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values under the names of the JSON, with the differences."""
        plain: dict[str, Any] = {
            name: msgspec.to_builtins(getattr(self, name), builtin_types=(Decimal,), order="deterministic")
            for name in ("sessions", "declared", "counted", "carrying")
        }
        if self.priced is not None:
            plain["priced"] = self.priced.to_dict()
            plain["totalCost"] = self.total_cost
        return plain | {"differences": msgspec.to_builtins(self.differences(), builtin_types=(Decimal,))}
