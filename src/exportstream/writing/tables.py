"""Rows and columns of the tables: `messages`, `tool-calls`, `sessions`.

Takes: batches of messages and of complete sessions. Returns: a list of structs, one for each row, whose fields are the
columns in their order; with running totals a second list has the totals after each row. Raises: `LimitError` for a sum of
costs that needs more than 10,000 digits. Holds: the rows of one batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import repeat
from typing import Annotated, Any

from msgspec import Meta, Struct

from exportstream.models.names import CAMEL, SNAKE, derive, respell, snake
from exportstream.models.structs import DateTime, LongText, Message, Session, ToolCall
from exportstream.totals.batch import Batch, SessionEnd
from exportstream.totals.sums import Totals
from exportstream.writing.columns import Column, columns_of

TABLES = ("messages", "tool-calls", "sessions")

Rows = tuple[list[Any], ...]
Sum = Annotated[int, Meta(extra={"is_sum": True})]  # it may need more than 64 bits


class ToolCallRow(Struct, kw_only=True, omit_defaults=True, gc=False, rename="camel"):
    """One tool call, with the message it belongs to."""

    session_id: str
    message_id: str
    message_index: int
    tool_call_index: int
    id: str
    name: str
    type: str
    finished: bool
    is_error: bool | None = None
    input: LongText
    input_json: Any = None
    result: LongText | None = None
    metadata: LongText | None = None
    screenshot_urls: list[str] | None = None
    created_at: DateTime | None
    extra: dict[str, Any] | None = None


class SessionRow(Struct, kw_only=True, omit_defaults=True, gc=False, rename="camel"):
    """One session: the figures it declares, and those counted in its messages, whose names begin with counted."""

    id: str
    title: str | None
    user_message_count: int | None = None
    assistant_message_count: int | None = None
    tool_call_count: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: Decimal | None = None
    created_at: DateTime | None = None
    updated_at: DateTime | None = None
    counted_messages: int
    counted_user_messages: int
    counted_assistant_messages: int
    counted_tool_calls: int
    counted_tool_errors: int
    counted_input_tokens: Sum | None = None
    counted_output_tokens: Sum | None = None
    counted_cache_creation_tokens: Sum | None = None
    counted_cache_read_tokens: Sum | None = None
    counted_cost: Decimal | None = None
    counted_first_date: DateTime | None = None
    counted_last_date: DateTime | None = None
    extra: dict[str, Any] | None = None


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


class Table:
    """Makes the rows of one table.

    Args:
        name: one of `TABLES`.
        keys: ``camel`` (the wire's names) or ``snake``.
        running: whether each row gets the totals after it.
    """

    def __init__(self, name: str, *, keys: str = "camel", running: bool = False) -> None:
        self.name = name
        self.is_snake = keys == "snake"
        self._types = SNAKE if self.is_snake else CAMEL
        self._running = Totals() if running else None
        row: Any = {"messages": Message, "tool-calls": ToolCallRow, "sessions": SessionRow}[name]
        kinds = [row, RunningRow] if running else [row]
        if self.is_snake:
            kinds = [SNAKE.message if kind is Message else derive(kind, kind.__name__, snake, {}) for kind in kinds]
        self._kinds = kinds

    @property
    def columns(self) -> list[list[Column]]:
        """For each list of rows its columns, in order."""
        return [columns_of(kind, name) for kind, name in zip(self._kinds, (self.name, "running totals"), strict=False)]

    def rows(self, batch: Batch) -> Rows | None:
        """The rows of a batch, or None if there are none. The messages may be renamed in place."""
        running = None if self._running is None else self._running_rows(batch)
        rows = self._rows(batch)
        if not rows:
            return None
        return (rows,) if running is None else (rows, running)

    def session_numbers(self, batch: Batch) -> Iterator[int]:
        """For each row of a batch, the number of its session in this batch, from 0."""
        if self.name == "sessions":
            yield from (number for number, end in enumerate(batch.ends) if not end.repeated)
            return
        for number, (messages, _) in enumerate(batch.by_session()):
            calls = self.name == "tool-calls"
            yield from repeat(number, sum(len(one.tool_calls or ()) for one in messages) if calls else len(messages))

    def _rows(self, batch: Batch) -> list[Any]:
        if self.name == "sessions":
            return [self._session_row(end) for end in batch.ends if not end.repeated]
        if self.name == "messages":
            return batch.messages if self._types is CAMEL else respell(batch.messages, self._types)
        kind = self._kinds[0]
        return [
            kind(
                session_id=message.session_id,
                message_id=message.id,
                message_index=message.index,
                tool_call_index=number,
                created_at=message.created_at,
                **{name: getattr(call, name) for name in _CALL_FIELDS},
            )
            for message in batch.messages
            for number, call in enumerate(message.tool_calls or ())
        ]

    def _session_row(self, end: SessionEnd) -> Any:
        assert end.counted is not None
        counted = end.counted.counted
        return self._kinds[0](
            **{name: getattr(end.session, name) for name in Session.__struct_fields__},
            counted_messages=counted.messages,
            counted_user_messages=counted.roles.get("user", 0),
            counted_assistant_messages=counted.roles.get("assistant", 0),
            counted_tool_calls=counted.tool_calls,
            counted_tool_errors=counted.tool_errors,
            counted_input_tokens=counted.input_tokens.sum,
            counted_output_tokens=counted.output_tokens.sum,
            counted_cache_creation_tokens=counted.cache_creation_tokens.sum,
            counted_cache_read_tokens=counted.cache_read_tokens.sum,
            counted_cost=counted.cost.sum,
            counted_first_date=counted.first_date,
            counted_last_date=counted.last_date,
        )

    def _running_rows(self, batch: Batch) -> list[Any]:
        """The totals after each row. Those of a session are added after its messages."""
        totals, rows = self._running, []
        assert totals is not None
        for messages, end in batch.by_session():
            if self.name == "sessions":
                totals.add_batch(messages)
            else:
                for message in messages:
                    totals.add(message)
                    if self.name == "messages":
                        rows.append(self._running_row())
                        continue
                    calls = len(message.tool_calls or ())
                    for number in range(calls):
                        after = self._running_row()
                        after.running_tool_calls -= calls - 1 - number
                        rows.append(after)
            if end is not None and not end.repeated:
                totals.add(end.session)
                if self.name == "sessions":
                    rows.append(self._running_row())
        return rows

    def _running_row(self) -> Any:
        assert self._running is not None
        counted, declared = self._running.counted, self._running.declared
        return self._kinds[-1](
            running_messages=counted.messages,
            running_tool_calls=counted.tool_calls,
            running_input_tokens=counted.input_tokens.sum or 0,
            running_output_tokens=counted.output_tokens.sum or 0,
            running_cost=counted.cost.sum,
            running_prompt_tokens=declared.prompt_tokens.sum or 0,
            running_completion_tokens=declared.completion_tokens.sum or 0,
            running_declared_cost=declared.cost.sum,
        )


_CALL_FIELDS = ToolCall.__struct_fields__
