"""Prices: what a model cost at a time, and what messages without a recorded cost come to.

Takes: messages. Returns: `Priced`, or the cost of each message. Raises: nothing. Holds: the prices of a few thousand models
and days that were looked up, and sums of whole numbers for each rate that was met.

A message is priced if it has tokens and a model, but no cost. Its rates depend on the model, on the time of `createdAt`, and
on all of its input tokens where a list has tiers. Messages of the same rates are added up first, and each sum is multiplied
once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import add, gt

from msgspec import Struct

from exportstream.models.dates import parse_instant
from exportstream.models.structs import Message
from exportstream.totals.copies import COPIES
from exportstream.totals.priced import Priced, PriceList, Rates, Reason

_CACHED = 4096  # models and days; a message of a hundred thousand models takes no more memory


class Price(Struct, frozen=True, eq=False):
    """The price of a model in one period.

    Attributes:
        starts: all input tokens of a message, ascending, above which the next rates hold for the whole message.
        rates: one more than `starts`.
    """

    starts: tuple[int, ...]
    rates: tuple[Rates, ...]

    def rates_for(self, total_input: int) -> Rates:
        """Return the rates for a message with so many input tokens, all caches included."""
        return self.rates[bisect_left(self.starts, total_input)]


class History(Struct, frozen=True):
    """The prices of a model over time.

    Attributes:
        at: returns the price at a time in UTC, None if there was none yet.
        always: the price, if there is only one for all times.
        by_time: whether a price may begin or end within a day in UTC.
    """

    at: Callable[[datetime], Price | None]
    always: Price | None = None
    by_time: bool = False


_Found = Price | Reason | None  # of a day; None where it is not the same for all of its messages
_Columns = tuple[list[int], list[int], list[int], list[int], list[int]]


class Prices:
    """Prices messages by a list; `find` returns the history of a model, None if the list does not have it."""

    def __init__(self, of: PriceList, find: Callable[[str], History | None]) -> None:
        self.list = of
        self._find = find
        self._histories: dict[str, History | None] = {}
        self._days: dict[tuple[str | None, str | None], _Found] = {}

    def add_to(self, priced: Priced, messages: Iterable[Message]) -> None:
        """Add the messages that have tokens but no cost."""
        some = _without_cost(messages)
        for model, part in _by_model(some):
            days = {m.created_at and m.created_at[:10] for m in part}
            found = {self._on(model, day) for day in days}
            columns = _columns(part)
            rates = _common_rates(found.pop(), columns) if len(found) == 1 else None
            if isinstance(rates, Rates):
                priced.add(rates, len(part), *map(sum, columns))
            elif rates is not None:
                priced.add_unpriced(model, rates, len(part), *map(sum, columns))
            else:
                self._add_each(priced, part)

    def costs(self, messages: Iterable[Message]) -> list[Decimal | None]:
        """Return the price of each message, None for those with a cost, and for those that can't be priced."""
        costs: list[Decimal | None] = []
        for m in messages:
            found = self._rates_of(m) if _without_cost([m]) else None
            costs.append(found.cost(1, *_tokens(m)) if isinstance(found, Rates) else None)
        return costs

    def _add_each(self, priced: Priced, messages: list[Message]) -> None:
        parts: defaultdict[Rates | Reason, list[Message]] = defaultdict(list)
        for m in messages:
            parts[self._rates_of(m)].append(m)
        for found, part in parts.items():
            sums = map(sum, _columns(part))
            if isinstance(found, Rates):
                priced.add(found, len(part), *sums)
            else:
                priced.add_unpriced(part[0].model, found, len(part), *sums)

    def _rates_of(self, m: Message) -> Rates | Reason:
        """Return the rates of one message, or why it has none."""
        found = self._on(m.model, m.created_at and m.created_at[:10])
        if found is None:
            found = self._at(m)
        if isinstance(found, Reason):
            return found
        given, _, written, read, hour = tokens = _tokens(m)
        if min(tokens) < 0 or written > given or hour > written:
            return Reason.ODD_TOKENS
        rates = found.rates_for(given + read)
        return rates if rates.cover(*tokens) else Reason.NO_PRICE

    def _at(self, m: Message) -> Price | Reason:
        """Return the price at the time of a message whose day alone does not decide."""
        assert m.model is not None
        assert m.created_at is not None
        history = self._history(m.model)
        assert history is not None
        instant = parse_instant(m.created_at) or _midnight(m.created_at[:10])  # a text may begin with a day and be no more
        assert instant is not None
        return history.at(instant.replace(tzinfo=UTC) if instant.tzinfo is None else _in_utc(instant)) or Reason.NO_PRICE

    def _on(self, model: str | None, day: str | None) -> _Found:
        key = (model, day)
        try:
            return self._days[key]
        except KeyError:  # no second look: another thread may have cleared it meanwhile
            if len(self._days) >= _CACHED:
                self._days.clear()
            found = self._days[key] = self._look_up(model, day)
            return found

    def _look_up(self, model: str | None, day: str | None) -> _Found:
        """Return the price that all messages of a day have, whatever their offset; None if some have another."""
        if model is None:
            return Reason.NO_MODEL
        history = self._history(model)
        if history is None:
            return Reason.UNKNOWN_MODEL
        if history.always is not None:
            return history.always
        start = None if day is None else _midnight(day)
        if start is None:
            return Reason.NO_DATE
        # An offset moves a time by less than a day.
        near = {history.at(_in_utc(start, days)) for days in (-1, 0, 1)}
        return None if history.by_time or len(near) > 1 else near.pop() or Reason.NO_PRICE

    def _history(self, model: str) -> History | None:
        try:
            return self._histories[model]
        except KeyError:  # likewise
            if len(self._histories) >= _CACHED:
                self._histories.clear()
            found = self._histories[model] = self._find(model)
            return found


def _without_cost(messages: Iterable[Message]) -> list[Message]:
    """Return the messages that are to be priced: they have tokens and no cost, and are no copies."""
    return [
        m
        for m in messages
        if m.cost is None
        and m.usage_state not in COPIES
        and (
            m.output_tokens is not None
            or m.input_tokens is not None
            or m.cache_read_tokens is not None
            or m.cache_creation_tokens is not None
        )
    ]


def _by_model(messages: list[Message]) -> Iterable[tuple[str | None, list[Message]]]:
    parts: defaultdict[str | None, list[Message]] = defaultdict(list)
    for m in messages:
        parts[m.model].append(m)
    return parts.items()


def _input(m: Message) -> int:
    """Return the input tokens that were not read from a cache; some producers count cache reads as input too."""
    return m.input_tokens or 0 if m.total_input_tokens is None else m.total_input_tokens - (m.cache_read_tokens or 0)


def _tokens(m: Message) -> tuple[int, int, int, int, int]:
    """Return input without cache reads, output, cache creation, cache read tokens, and cache creation of an hour.

    What is not stated is left out.
    """
    return (
        _input(m),
        m.output_tokens or 0,
        m.cache_creation_tokens or 0,
        m.cache_read_tokens or 0,
        m.cache_creation_1h_tokens or 0,
    )


def _columns(messages: list[Message]) -> _Columns:
    """Return the same as `_tokens`, of many messages."""
    return (
        [m.input_tokens or 0 if m.total_input_tokens is None else _input(m) for m in messages],
        [m.output_tokens or 0 for m in messages],
        [m.cache_creation_tokens or 0 for m in messages],
        [m.cache_read_tokens or 0 for m in messages],
        [m.cache_creation_1h_tokens or 0 for m in messages],
    )


def _common_rates(price: _Found, columns: _Columns) -> Rates | Reason | None:
    """Return the rates of all of the messages, or why none has any; None if they have to be looked at one by one."""
    if not isinstance(price, Price):
        return price
    given, _, written, read, hour = columns
    if min(map(min, columns)) < 0 or any(map(gt, written, given)) or any(map(gt, hour, written)):
        return None
    rates = price.rates[0]
    if price.starts:
        totals = list(map(add, given, read))
        rates = price.rates_for(min(totals))
        if rates is not price.rates_for(max(totals)):
            return None
    return rates if rates.cover(*map(sum, columns)) else None


def _midnight(day: str) -> datetime | None:
    return parse_instant(f"{day}T00:00:00Z")


def _in_utc(instant: datetime, days: int = 0) -> datetime:
    """Return a time in UTC, some days later; the first and the last time of the calendar have nothing beyond them."""
    try:
        return instant.astimezone(UTC) + timedelta(days=days)
    except OverflowError:
        return instant.replace(tzinfo=UTC)
