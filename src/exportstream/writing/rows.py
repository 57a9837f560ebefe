"""Rows that are no structs of an export: of tool calls, of sessions, and what stands beside a row. Fields are columns."""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

from exportstream.models.structs import DateTime, LongText, Message
from exportstream.totals.batch import Batch
from exportstream.writing.columns import Sum

RECORDED, PRICED = "recorded", "priced"


class ToolCallRow(Struct, omit_defaults=True, gc=False, rename="camel"):
    """One tool call, with the message it belongs to.

    Rows are made without the names of fields, in a quarter of the time. So fields after an optional one have a factory
    instead of no default: a value that a factory made is written, whatever it is.
    """

    session_id: str
    message_id: str
    message_index: int
    tool_call_index: int
    id: str
    name: str
    type: str
    finished: bool
    is_error: bool | None = None
    input: LongText = field(default_factory=str)
    input_json: Any = None
    result: LongText | None = None
    metadata: LongText | None = None
    screenshot_urls: list[str] | None = None
    created_at: DateTime | None = field(default_factory=lambda: None)
    extra: dict[str, Any] | None = None
    producer: str | None = None


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
    producer: str | None = None
    parent_session_id: str | None = None
    project: str | None = None


class PlaceRow(Struct, kw_only=True, gc=False, rename="camel"):
    """Where a row is from: sessions of several inputs may have one id."""

    file: str
    session_number: int


class PriceRow(Struct, kw_only=True, omit_defaults=True, gc=False, rename="camel"):
    """Where the cost of a row is from."""

    cost_source: str | None = None


def price_rows(batch: Batch, kind: Any) -> list[Any]:
    """Return a `PriceRow` for each message; rows with the same value share one."""
    rows = {source: kind(cost_source=source) for source in (RECORDED, PRICED, None)}
    prices = batch.prices or [None] * len(batch.messages)
    return [
        rows[RECORDED if message.cost is not None else None if price is None else PRICED]
        for message, price in zip(batch.messages, prices, strict=True)
    ]


def with_prices(batch: Batch) -> list[Message]:
    """Return the messages, with their price where they have no cost: a copy, since totals count recorded costs only."""
    if batch.prices is None:
        return batch.messages
    return [
        message if price is None else _priced(message, price)
        for message, price in zip(batch.messages, batch.prices, strict=True)
    ]


def _priced(message: Message, price: Decimal) -> Message:
    row = copy(message)
    row.cost = price
    return row
