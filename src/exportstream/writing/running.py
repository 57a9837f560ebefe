"""Running totals: the totals after each row, as a row of their own.

Takes: batches, in order. Returns: a list of structs. Raises: `LimitError` for a sum of costs that needs more than 10,000
digits. Holds: the sums so far.

The sums are made by column, many messages at once: a set of totals for each message would take three times as long as all
the rest of a conversion.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import accumulate, chain, islice, starmap
from typing import Any, NamedTuple

from msgspec import Struct

from exportstream.models.structs import Message
from exportstream.totals.batch import Batch
from exportstream.totals.copies import blank_copies
from exportstream.totals.figures import add_costs
from exportstream.totals.sums import Totals
from exportstream.writing.columns import Sum


class RunningRow(Struct, kw_only=True, omit_defaults=True, gc=False, rename="camel"):
    """The totals after a row; the declared ones are of the sessions that were complete before it."""

    running_messages: int
    running_tool_calls: int
    running_input_tokens: Sum
    running_output_tokens: Sum
    running_cost: Decimal | None = None
    running_prompt_tokens: Sum
    running_completion_tokens: Sum
    running_declared_cost: Decimal | None = None


class _Counted(NamedTuple):
    """Sums over the messages so far."""

    messages: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cost: Decimal | None


class _Declared(NamedTuple):
    """Sums over the sessions so far."""

    prompt_tokens: int
    completion_tokens: int
    cost: Decimal | None


class Running:
    """The sums so far, of one table."""

    def __init__(self) -> None:
        self._counted = _Counted(0, 0, 0, 0, None)
        self._declared = Totals()

    def rows(self, batch: Batch, table: str, kind: Any) -> list[Any]:
        """Return the totals after each row that a batch has in a table. Those of a session are added after its messages.

        Args:
            batch: the next one.
            table: the table's name.
            kind: `RunningRow`, or the same in snake_case.
        """
        messages = batch.messages
        sums = self._after_each(messages)
        counts: list[int]
        if table == "sessions":
            counts = []
            before: Iterator[_Counted] = iter([sums[end.end] for end in batch.ends if not end.repeated])
        elif table == "messages":
            counts = [1] * len(messages)
            before = iter(sums[1:])
        else:
            counts = [len(message.tool_calls or ()) for message in messages]
            before = chain.from_iterable(map(_after_each_call, messages, sums, sums[1:]))
        rows = []
        start = 0
        for end in batch.ends:
            rows += self._rows(kind, before, sum(counts[start : end.end]))
            start = end.end
            if not end.repeated:
                self._declared.add(end.session)
                if table == "sessions":
                    rows += self._rows(kind, before, 1)
        rows += self._rows(kind, before, sum(counts[start:]))
        return rows

    def _rows(self, kind: Any, counted_sums: Iterator[_Counted], count: int) -> list[Any]:
        """Rows with the next sums over messages, while those over sessions stay the same."""
        declared = self._declared.declared
        prompt, completion = declared.prompt_tokens.sum or 0, declared.completion_tokens.sum or 0
        cost = declared.cost.sum
        return [
            kind(
                running_messages=one.messages,
                running_tool_calls=one.tool_calls,
                running_input_tokens=one.input_tokens,
                running_output_tokens=one.output_tokens,
                running_cost=one.cost,
                running_prompt_tokens=prompt,
                running_completion_tokens=completion,
                running_declared_cost=cost,
            )
            for one in islice(counted_sums, count)
        ]

    def _after_each(self, messages: list[Message]) -> list[_Counted]:
        """Return the sums so far, and those after each message; a copy adds nothing."""
        now = self._counted
        own = blank_copies(messages)
        costs = chain([now.cost], [m.cost if m is not None else None for m in own])  # None is no initial value
        columns = (
            accumulate([m is not None for m in own], initial=now.messages),
            accumulate([len(m.tool_calls) if m is not None and m.tool_calls else 0 for m in own], initial=now.tool_calls),
            accumulate([m.input_tokens or 0 if m is not None else 0 for m in own], initial=now.input_tokens),
            accumulate([m.output_tokens or 0 if m is not None else 0 for m in own], initial=now.output_tokens),
            accumulate(costs, add_costs),
        )
        sums = list(starmap(_Counted, zip(*columns, strict=True)))
        self._counted = sums[-1]
        return sums


def _after_each_call(message: Message, before: _Counted, after: _Counted) -> list[_Counted]:
    """The sums after each tool call of a message: all of the message is in them, and its calls so far."""
    calls = len(message.tool_calls or ())
    if before.messages == after.messages:  # a copy
        return [after] * calls
    return [after._replace(tool_calls=before.tool_calls + number) for number in range(1, calls + 1)]
