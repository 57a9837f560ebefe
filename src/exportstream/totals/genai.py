"""Prices of the package genai-prices, without its network. Holds those of the models that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from exportstream.totals.priced import PriceList, Rates
from exportstream.totals.prices import History, Price, Prices

_KINDS = ("input_mtok", "output_mtok", "cache_write_mtok", "cache_read_mtok", "cache_write_1h_mtok")


def genai_prices(providers: Iterable[Any], version: str, find: Callable[[str], Any]) -> Prices:
    """Make prices of the package's `Provider` objects; its version is its only date.

    `find` returns the `ModelInfo` for a name, or raises LookupError.
    """
    starts = [
        str(one.constraint.start_date)
        for provider in providers
        for model in provider.models
        for one in (model.prices if isinstance(model.prices, list) else ())
        if hasattr(one.constraint, "start_date")
    ]

    def history(model: str) -> History | None:
        try:
            return _history(find(model))
        except LookupError:
            return None

    return Prices(PriceList("genai-prices", version, max(starts, default=None)), history)


def _history(model: Any) -> History | None:
    """Return the history of a `ModelInfo`."""
    if not isinstance(model.prices, list):
        price = _price(model.prices)
        return History(lambda _: price, price)
    known: dict[int, Price] = {}

    def at(instant: datetime) -> Price:
        found = model.get_prices(instant)
        if id(found) not in known:  # the model keeps its prices, so no other one gets this id
            known[id(found)] = _price(found)
        return known[id(found)]

    by_time = any(one.constraint is not None and not hasattr(one.constraint, "start_date") for one in model.prices)
    return History(at, by_time=by_time) if model.prices else None


def _price(prices: Any) -> Price:
    """Turn a `ModelPrice` into our own. Tokens of a cache that has no price of its own cost what other input costs."""
    given, made, written, read, hour = (getattr(prices, kind, None) for kind in _KINDS)
    written = given if written is None else written
    kinds = (given, made, written, given if read is None else read, written if hour is None else hour)
    starts = sorted({tier.start for kind in kinds for tier in getattr(kind, "tiers", ())})
    request = (prices.requests_kcount or Decimal(0)) / 1000
    return Price(tuple(starts), tuple(Rates(*_above(kinds, start), request=request) for start in (-1, *starts)))


def _above(kinds: tuple[Any, ...], start: int) -> tuple[Any, Any, Any, Any, Any]:
    """Return the rates of messages with more than `start` input tokens."""
    given, made, written, read, hour = (
        next((tier.price for tier in reversed(kind.tiers) if tier.start <= start), kind.base)
        if hasattr(kind, "tiers")
        else kind
        for kind in kinds
    )
    return given, made, written, read, hour
