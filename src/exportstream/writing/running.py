"""Running totals: the totals after each row, as a row of their own.

Takes: batches, in order. Returns: a list of structs. Raises: `LimitError` for a sum of costs that needs more than 10,000
digits. Holds: the sums so far.

The sums are made by column, many messages at once: a set of totals for each message would take three times as long as all
the rest of a conversion.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import accumulate, islice, repeat
from typing import Any

from msgspec import Struct, field

from exportstream.models.structs import Message
from exportstream.totals.batch import Batch
from exportstream.totals.copies import COPIES, counted
from exportstream.totals.figures import running_costs
from exportstream.totals.sums import Totals
from exportstream.writing.columns import Sum


class RunningRow(Struct, omit_defaults=True, gc=False, rename="camel"):
    """The totals after a row; the declared ones are of the sessions that were complete before it."""

    running_messages: int
    running_tool_calls: int
    running_input_tokens: Sum
    running_output_tokens: Sum
    running_cost: Decimal | None = None
    running_prompt_tokens: Sum = field(default_factory=int)  # see `ToolCallRow`
    running_completion_tokens: Sum = field(default_factory=int)
    running_declared_cost: Decimal | None = None


_Sums = tuple[int, int, int, int, Decimal | None]  # messages, tool calls, input and output tokens, cost
_NOTHING = Message(id="", role="", content="", created_at=None, updated_at=None)  # in the place of a copy


class Running:
    """The sums so far, of one table."""

    def __init__(self) -> None:
        self._counted: _Sums = 0, 0, 0, 0, None  # over the messages so far
        self._declared = Totals()

    def rows(self, batch: Batch, table: str, kind: Any) -> list[Any]:
        """Return the totals after each row that the next batch has in a table, as `RunningRow` or the same in snake_case.

        Those of a session are added after its messages.
        """
        messages = batch.messages
        columns = self._after_each(messages)
        counts: list[int]
        if table == "sessions":
            counts = []
            columns = [[column[end.end] for end in batch.ends if not end.repeated] for column in columns]
        elif table == "messages":
            counts = [1] * len(messages)
            columns = [column[1:] for column in columns]
        else:
            counts = [len(message.tool_calls or ()) for message in messages]
            columns = _after_each_call(counts, columns)
        sums = list(map(iter, columns))
        rows = []
        start = 0
        for end in batch.ends:
            rows += self._rows(kind, sums, sum(counts[start : end.end]))
            start = end.end
            if not end.repeated:
                self._declared.add(end.session)
                if table == "sessions":
                    rows += self._rows(kind, sums, 1)
        rows += self._rows(kind, sums, sum(counts[start:]))
        return rows

    def _rows(self, kind: Any, sums: list[Iterator[Any]], count: int) -> list[Any]:
        """Rows with the next sums over messages, while those over sessions stay the same.

        Made without the names of fields, and by `map`, they take a fraction of the time.
        """
        declared = self._declared.declared
        prompt, completion = declared.prompt_tokens.sum or 0, declared.completion_tokens.sum or 0
        cost = declared.cost.sum
        return list(islice(map(kind, *sums, repeat(prompt), repeat(completion), repeat(cost)), count))

    def _after_each(self, messages: list[Message]) -> list[list[Any]]:
        """Return the sums so far and those after each message, by column; a copy adds nothing."""
        count, tool_calls, input_tokens, output_tokens, cost = self._counted
        own = messages
        numbers = list(range(count, count + len(messages) + 1))
        if len(counted(messages)) < len(messages):
            own = [_NOTHING if message.usage_state in COPIES else message for message in messages]
            numbers = list(accumulate([message is not _NOTHING for message in own], initial=count))
        columns: list[list[Any]] = [
            numbers,
            list(accumulate([len(m.tool_calls) if m.tool_calls else 0 for m in own], initial=tool_calls)),
            list(accumulate([m.input_tokens or 0 for m in own], initial=input_tokens)),
            list(accumulate([m.output_tokens or 0 for m in own], initial=output_tokens)),
            running_costs(cost, [m.cost for m in own]),
        ]
        (self._counted,) = zip(*(column[-1:] for column in columns), strict=True)
        return columns


def _after_each_call(counts: list[int], columns: list[list[Any]]) -> list[list[Any]]:
    """Return the sums after each tool call, given the calls of each message, and the sums before and after each message.

    All of its message is in them, and the message's calls so far.
    """
    after = [number for number, count in enumerate(counts, 1) for _ in range(count)]
    messages, calls, *others = columns
    numbers = [
        calls[number] if messages[number - 1] == messages[number] else calls[number - 1] + call  # no call of a copy counts
        for number, count in enumerate(counts, 1)
        for call in range(1, count + 1)
    ]
    return [[messages[number] for number in after], numbers, *([column[number] for number in after] for column in others)]
