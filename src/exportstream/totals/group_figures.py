"""The figures of a group of messages.

Takes: messages, calls and sessions. Returns: sums. Raises: `LimitError` where a sum of costs would need more than 10,000
digits. Holds: about twenty numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from msgspec import field

from exportstream.models.structs import Message, Session, ToolCall
from exportstream.models.sums import Sums
from exportstream.totals.figures import Cost, Count, add_tokens, total_cost
from exportstream.totals.priced import Priced, tidy
from exportstream.totals.prices import Prices
from exportstream.totals.sizes import Part, utf8_size

COSTS = ("cost", "priced_cost", "declared_cost")  # in `Figures`


class Figures(Sums):
    """The figures of a group.

    Attributes:
        sessions: how many have a message in it (by session, file and producer also those without any message).
        messages: how many there are.
        tool_calls: how many calls there are.
        failed: those whose ``isError`` is true.
        unfinished: those whose ``finished`` is false.
        input_tokens, output_tokens, cache_creation_tokens, cache_read_tokens: sums over the messages.
        cost: recorded cost in USD.
        priced_cost: price of the messages without a recorded cost in USD, where prices are given.
        unpriced_messages: those with tokens but neither a cost nor a price, where prices are given.
        content_bytes: bytes of ``content`` as UTF-8.
        reasoning_duration: sum of the server's integers; the format states no unit.
        declared_prompt_tokens, declared_completion_tokens, declared_cost: only by session, file and producer.
        values, bytes: how many values a field has, and their bytes; only by field.
        total_input_tokens: all tokens of the prompts, by one rule for all producers; see `figures`.
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
    values: int = 0
    bytes: int = 0
    total_input_tokens: Count = field(default_factory=Count)

    @property
    def total_cost(self) -> Decimal | None:
        """Recorded and priced cost together, which are of different messages."""
        priced = self.priced_cost.sum
        return total_cost(self.cost.sum, None if priced is None else tidy(priced))

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
        add_tokens(self, messages)
        self.reasoning_duration.add([m.reasoning_duration for m in messages if m.reasoning_duration is not None])
        self.content_bytes += sum([utf8_size(m.content) for m in messages])

    def add_calls(self, calls: list[ToolCall]) -> None:
        """Add calls."""
        if calls:
            self.tool_calls += len(calls)
            self.failed += len([True for call in calls if call.is_error])
            self.unfinished += len([True for call in calls if not call.finished])

    def add_parts(self, parts: Iterable[Part]) -> None:
        """Add fields of messages."""
        for part in parts:
            self.values += 1
            self.bytes += part.bytes

    def add_declared(self, session: Session) -> None:
        """Add what a session declares."""
        self.declared_prompt_tokens.add([session.prompt_tokens] if session.prompt_tokens is not None else [])
        self.declared_completion_tokens.add([session.completion_tokens] if session.completion_tokens is not None else [])
        self.declared_cost.add([session.cost] if session.cost is not None else [])
