"""Running totals: exact, of constant size, and the same however the messages were split.

Takes: messages and sessions, one by one, in batches, or as an iterator to watch. Declared figures (the session's own word)
and per-message figures (sums of what the messages say) are separate fields and never mixed. Counts are int, costs Decimal.
Raises: `LimitError` where a sum of costs would need more than 10,000 digits. Holds: about thirty numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Context, Decimal, Inexact, Rounded
from functools import reduce
from typing import Any

from msgspec import Struct, field

from exportstream.errors import LimitError
from exportstream.models.dates import earliest_and_latest
from exportstream.models.structs import Message, Session

MAX_ROLES = 64
KNOWN_ROLES = frozenset({"user", "assistant", "tool", "system"})

_EXACT = Context(prec=10_000, Emax=999_999_999, Emin=-999_999_999, traps=[Inexact, Rounded])
_PADDED = Context(prec=10_000, Emax=999_999_999, Emin=-999_999_999, traps=[Inexact])  # may add zeros up to its precision
_ZERO = Decimal(0)
_COMPARED = ("input_tokens", "output_tokens", "cost")


class Totals(Struct):
    """Sums over messages and sessions.

    Attributes:
        sessions, messages, tool_calls, tool_errors: how many were read; an error is a call with ``isError`` true.
        roles: messages by role: the four known ones, and the first 64 others in alphabetical order.
        other_roles: messages of all other roles.
        declared_user_messages, declared_assistant_messages, declared_tool_calls: sums of the sessions' declared counts.
        declared_prompt_tokens, declared_completion_tokens: sums of the sessions' declared tokens.
        declared_cost: sum of the sessions' declared cost in USD.
        sessions_with_user_messages, …, sessions_with_cost: how many sessions declared that figure.
        input_tokens, output_tokens, cache_creation_tokens, cache_read_tokens: sums over messages.
        messages_with_input_tokens, …: how many messages carried that figure; `messages_with_tokens` any of the four.
        cost: sum of the messages' cost in USD; `messages_with_cost` of them carried one. Without any it is 0, which
            then means unknown, not free.
        first_date, last_date: the earliest and latest createdAt of a message, as written; a date-time without a zone
            is compared as UTC. All digits of a second are compared.
        unparsed_dates: messages whose createdAt is no date-time that can be parsed.
        sessions_carrying_input_tokens, sessions_carrying_output_tokens, sessions_carrying_cost: sessions with a message
            that carried that figure; a session is added behind its messages.
    """

    sessions: int = 0
    messages: int = 0
    roles: dict[str, int] = field(default_factory=dict)
    other_roles: int = 0
    tool_calls: int = 0
    tool_errors: int = 0
    declared_user_messages: int = 0
    declared_assistant_messages: int = 0
    declared_tool_calls: int = 0
    declared_prompt_tokens: int = 0
    declared_completion_tokens: int = 0
    declared_cost: Decimal = _ZERO
    sessions_with_user_messages: int = 0
    sessions_with_assistant_messages: int = 0
    sessions_with_tool_calls: int = 0
    sessions_with_prompt_tokens: int = 0
    sessions_with_completion_tokens: int = 0
    sessions_with_cost: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_tokens: int = 0
    cache_read_tokens: int = 0
    messages_with_tokens: int = 0
    messages_with_input_tokens: int = 0
    messages_with_output_tokens: int = 0
    messages_with_cache_creation_tokens: int = 0
    messages_with_cache_read_tokens: int = 0
    cost: Decimal = _ZERO
    messages_with_cost: int = 0
    first_date: str | None = None
    last_date: str | None = None
    unparsed_dates: int = 0
    sessions_carrying_input_tokens: int = 0
    sessions_carrying_output_tokens: int = 0
    sessions_carrying_cost: int = 0
    # How many messages carried them when the last session ended.
    _input_tokens_before: int = 0
    _output_tokens_before: int = 0
    _cost_before: int = 0

    def add(self, item: Message | Session) -> None:
        """Add one message, or the declared figures of one session."""
        if isinstance(item, Session):
            self._add_session(item)
        else:
            self.add_batch([item])

    def watch(self, items: Iterable[Any]) -> Iterator[Any]:
        """Pass messages (or sessions) through, each added before it is handed on."""
        for item in items:
            self.add(item)
            yield item

    def add_batch(self, messages: list[Message]) -> None:
        """Add many messages at once. It is done for every message of an export; comprehensions are the fastest loops."""
        self.messages += len(messages)
        self._add_roles(Counter([m.role for m in messages]))
        calls = [call for m in messages if m.tool_calls for call in m.tool_calls]
        if calls:
            self.tool_calls += len(calls)
            self.tool_errors += len([True for call in calls if call.is_error])
        costs = [m.cost for m in messages if m.cost is not None]
        if costs:
            self.cost = _sum([self.cost, *costs] if self.messages_with_cost else costs)
            self.messages_with_cost += len(costs)
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
        self.messages_with_tokens += len(used)
        for name, given in (
            ("input_tokens", [m.input_tokens for m in used if m.input_tokens is not None]),
            ("output_tokens", [m.output_tokens for m in used if m.output_tokens is not None]),
            ("cache_creation_tokens", [m.cache_creation_tokens for m in used if m.cache_creation_tokens is not None]),
            ("cache_read_tokens", [m.cache_read_tokens for m in used if m.cache_read_tokens is not None]),
        ):
            setattr(self, name, getattr(self, name) + sum(given))
            setattr(self, f"messages_with_{name}", getattr(self, f"messages_with_{name}") + len(given))

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

    def _add_session(self, session: Session) -> None:
        self.sessions += 1
        for name, count in (
            ("user_messages", session.user_message_count),
            ("assistant_messages", session.assistant_message_count),
            ("tool_calls", session.tool_call_count),
            ("prompt_tokens", session.prompt_tokens),
            ("completion_tokens", session.completion_tokens),
        ):
            if count is not None:
                setattr(self, f"declared_{name}", getattr(self, f"declared_{name}") + count)
                setattr(self, f"sessions_with_{name}", getattr(self, f"sessions_with_{name}") + 1)
        for name in _COMPARED:
            carried = getattr(self, f"messages_with_{name}")
            if carried > getattr(self, f"_{name}_before"):
                setattr(self, f"sessions_carrying_{name}", getattr(self, f"sessions_carrying_{name}") + 1)
                setattr(self, f"_{name}_before", carried)
        if session.cost is not None:
            self.declared_cost = _sum([self.declared_cost, session.cost] if self.sessions_with_cost else [session.cost])
            self.sessions_with_cost += 1

    def merge(self, other: Totals) -> None:
        """Add what another one counted: parts that were read apart give the same totals as the whole."""
        self._add_roles(other.roles)
        if costs := [part.cost for part in (self, other) if part.messages_with_cost]:
            self.cost = _sum(costs)
        if costs := [part.declared_cost for part in (self, other) if part.sessions_with_cost]:
            self.declared_cost = _sum(costs)
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, int):
                setattr(self, name, value + getattr(other, name))
        self._add_dates([date for date in (other.first_date, other.last_date) if date is not None])

    def counted(self, name: str) -> Any:
        """The sum of a per-message figure (such as ``input_tokens`` or ``cost``), or None where no message carried it."""
        return getattr(self, name) if getattr(self, f"messages_with_{name}") else None

    def differences(self) -> dict[str, tuple[Any, Any]]:
        """Where declared and counted figures can be compared and differ: ``(declared, counted)`` by figure.

        A figure that some session does not declare can't be compared, nor one that none of its messages carries.
        """
        inputs, outputs, costs = (getattr(self, f"sessions_carrying_{name}") == self.sessions for name in _COMPARED)
        pairs: tuple[tuple[str, int, bool, Any, Any], ...] = (
            ("userMessages", self.sessions_with_user_messages, True, self.declared_user_messages, self.roles.get("user", 0)),
            (
                "assistantMessages",
                self.sessions_with_assistant_messages,
                True,
                self.declared_assistant_messages,
                self.roles.get("assistant", 0),
            ),
            ("toolCalls", self.sessions_with_tool_calls, True, self.declared_tool_calls, self.tool_calls),
            ("promptTokens", self.sessions_with_prompt_tokens, inputs, self.declared_prompt_tokens, self.input_tokens),
            (
                "completionTokens",
                self.sessions_with_completion_tokens,
                outputs,
                self.declared_completion_tokens,
                self.output_tokens,
            ),
            ("cost", self.sessions_with_cost, costs, self.declared_cost, self.cost),
        )
        return {
            name: (declared, counted)
            for name, sessions, carried, declared, counted in pairs
            if sessions == self.sessions > 0 and carried and declared != counted
        }

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain values, declared and per-message ones apart; a cost nobody carried is None."""
        return {
            "sessions": self.sessions,
            "messages": self.messages,
            "messagesByRole": dict(sorted(self.roles.items())),
            "messagesOfOtherRoles": self.other_roles,
            "toolCalls": self.tool_calls,
            "toolErrors": self.tool_errors,
            "declared": {
                "userMessages": self.declared_user_messages if self.sessions_with_user_messages else None,
                "assistantMessages": self.declared_assistant_messages if self.sessions_with_assistant_messages else None,
                "toolCalls": self.declared_tool_calls if self.sessions_with_tool_calls else None,
                "promptTokens": self.declared_prompt_tokens if self.sessions_with_prompt_tokens else None,
                "completionTokens": self.declared_completion_tokens if self.sessions_with_completion_tokens else None,
                "cost": self.declared_cost if self.sessions_with_cost else None,
                "sessionsWithTokens": self.sessions_with_prompt_tokens,
                "sessionsWithCost": self.sessions_with_cost,
            },
            "perMessage": {
                "inputTokens": self.counted("input_tokens"),
                "outputTokens": self.counted("output_tokens"),
                "cacheCreationTokens": self.counted("cache_creation_tokens"),
                "cacheReadTokens": self.counted("cache_read_tokens"),
                "cost": self.counted("cost"),
                "messagesWithTokens": self.messages_with_tokens,
                "messagesWithCost": self.messages_with_cost,
            },
            "differences": {
                name: {"declared": declared, "counted": counted} for name, (declared, counted) in self.differences().items()
            },
            "firstDate": self.first_date,
            "lastDate": self.last_date,
            "unparsedDates": self.unparsed_dates,
        }


def _sum(costs: list[Decimal]) -> Decimal:
    """Add exactly; a single cost stays as it is, and what would be filled up with zeros to all digits is written short."""
    try:
        return reduce(_EXACT.add, costs[1:], _EXACT.plus(costs[0]))
    except (Inexact, Rounded):  # 1e9999999 + 0 is exact, but Decimal would write it with all its zeros
        pass
    try:
        return _PADDED.normalize(reduce(_PADDED.add, costs[1:], _PADDED.plus(costs[0])))
    except Inexact:
        raise LimitError("the exact sum of the costs needs more than 10,000 digits") from None


def difference(declared: Any, counted: Any) -> Decimal | None:
    """Subtract two figures exactly; None where the result needs more than 10,000 digits."""
    try:
        return _PADDED.subtract(counted, declared)
    except Inexact:
        return None
