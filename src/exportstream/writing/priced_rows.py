"""Rows of messages with prices: `cost` is filled where none was recorded, and `costSource` says so."""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from typing import Any

from msgspec import Struct

from exportstream.models.structs import Message
from exportstream.totals.batch import Batch

RECORDED, PRICED = "recorded", "priced"


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
