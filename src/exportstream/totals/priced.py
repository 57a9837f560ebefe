"""Priced messages, in sums: their tokens by rate, and those that have no price.

Takes: sums of tokens. Returns: `Priced`. Raises: nothing. Holds: six numbers for each rate of a price list that was met,
and for each of the first 64 models without a price.
"""

from __future__ import annotations

from decimal import Context, Decimal, Inexact
from enum import StrEnum
from typing import Any, TypeVar

from msgspec import Struct, field, to_builtins

from exportstream.totals.figures import Cost

MAX_UNPRICED = 64
_EXACT = Context(prec=1000, traps=[Inexact])  # far more digits than a product of a rate and a sum has
_ONE = Decimal(1)

Sum = list[int]  # messages; input, output, cache creation, cache read tokens, and cache creation of an hour
_Key = TypeVar("_Key")


class Reason(StrEnum):
    """Why a message with tokens and without a cost has no price."""

    NO_MODEL = "no-model"  # it names none
    UNKNOWN_MODEL = "unknown-model"  # the list does not have it
    NO_DATE = "no-date"  # and the price of its model changed
    NO_PRICE = "no-price"  # at its time, or for a kind of its tokens
    ODD_TOKENS = "odd-tokens"  # a negative count, or more cache creation than input
    OTHERS = "others"  # more than `MAX_UNPRICED` models


class PriceList(Struct, frozen=True, order=True, rename="camel"):
    """A price list.

    Attributes:
        name: of the package or the file.
        version: of the package; of a file, the first digits of its SHA-256.
        last_change: the last day on which a price of the list begins, None if no price has a date. It may lie ahead.
    """

    name: str
    version: str
    last_change: str | None = None

    def __str__(self) -> str:
        dated = "no price has a date" if self.last_change is None else f"last change {self.last_change}"
        return f"{self.name} {self.version}, {dated}"


class Unpriced(Struct, frozen=True, rename="camel"):
    """Messages without a price.

    Attributes:
        model: as written, None if they name none, and for ``others``.
        reason: a `Reason`.
        messages: how many there are.
        input_tokens: sum of their input tokens that were not read from a cache.
        output_tokens, cache_creation_tokens, cache_read_tokens: sums of their tokens.
    """

    model: str | None
    reason: str
    messages: int
    input_tokens: int
    output_tokens: int
    cache_creation_tokens: int
    cache_read_tokens: int

    @property
    def all_input_tokens(self) -> int:
        """All tokens of the prompts, as `totalInputTokens` of groups."""
        return self.input_tokens + self.cache_read_tokens


class Rates(Struct, frozen=True):
    """Prices in USD per million tokens, None for kinds of tokens without a price.

    Attributes:
        input: of input tokens that are neither written to a cache nor read from it.
        output: of output tokens.
        cache_write: of cache creation tokens.
        cache_read: of cache read tokens.
        cache_write_1h: of those cache creation tokens that are kept for an hour; None for the same as `cache_write`.
        request: USD for each message.
    """

    input: Decimal | None
    output: Decimal | None
    cache_write: Decimal | None
    cache_read: Decimal | None
    cache_write_1h: Decimal | None = None
    request: Decimal = Decimal(0)

    def cover(self, given: int, made: int, written: int, read: int, hour: int) -> bool:
        """Return whether each kind of these tokens has a price; input includes cache creation, and that the last kind."""
        return (
            (self.input is not None or given == written)
            and (self.output is not None or not made)
            and (self.cache_write is not None or not written - (hour if self.cache_write_1h is not None else 0))
            and (self.cache_read is not None or not read)
        )

    def cost(self, messages: int, given: int, made: int, written: int, read: int, hour: int) -> Decimal:
        """Return the exact price in USD of messages with these tokens, which are covered."""
        total = _EXACT.multiply(self.request, messages)
        kinds = (
            (self.input, given - written),
            (self.output, made),
            (self.cache_write, written - hour),
            (self.cache_read, read),
            (self.cache_write if self.cache_write_1h is None else self.cache_write_1h, hour),
        )
        for rate, tokens in kinds:
            if rate is not None:
                total = _EXACT.add(total, _EXACT.multiply(rate, tokens).scaleb(-6, _EXACT))
        return tidy(total)


class Priced(Struct):
    """Prices of messages that have tokens and no recorded cost, as sums.

    Attributes:
        lists: the price lists, usually one.
    """

    lists: list[PriceList] = field(default_factory=list)
    _priced: dict[Rates, Sum] = field(default_factory=dict)
    _unpriced: dict[tuple[str | None, str], Sum] = field(default_factory=dict)

    @property
    def cost(self) -> Cost:
        """The exact sum in USD, None if nothing could be priced, and how many messages were priced."""
        cost = Cost()
        cost.add([rates.cost(*of) for rates, of in self._priced.items()])
        if cost.sum is not None:
            cost.sum = tidy(cost.sum)
        cost.count = sum(of[0] for of in self._priced.values())
        return cost

    @property
    def unpriced(self) -> list[Unpriced]:
        """Messages without a price, by model and reason: the first 64 in alphabetical order, then all others as one."""
        return [Unpriced(*key, *self._unpriced[key][:5]) for key in sorted(self._unpriced, key=_order)]

    def add(self, rates: Rates, messages: int, *tokens: int) -> None:
        """Add messages of the same rates, with the sums of their tokens."""
        _add(self._priced, rates, [messages, *tokens])

    def add_unpriced(self, model: str | None, reason: str, messages: int, *tokens: int) -> None:
        """Add messages without a price, with the sums of their tokens."""
        _add(self._unpriced, (model, reason), [messages, *tokens])
        if len(self._unpriced) > MAX_UNPRICED:
            self._limit()

    def merge(self, other: Priced) -> None:
        """Add what another one priced."""
        self.lists = sorted({*self.lists, *other.lists})
        for rates, one in other._priced.items():
            _add(self._priced, rates, one)
        for (model, reason), one in other._unpriced.items():
            self.add_unpriced(model, reason, *one)

    def _limit(self) -> None:
        """Keep the first. The alphabet decides which, not the order in the input, so any split gives the same."""
        others = (None, str(Reason.OTHERS))
        for key in sorted(self._unpriced.keys() - {others}, key=_order)[MAX_UNPRICED:]:
            _add(self._unpriced, others, self._unpriced.pop(key))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values under the names of the JSON."""
        return {
            "lists": to_builtins(self.lists),
            "cost": to_builtins(self.cost, builtin_types=(Decimal,)),
            "unpriced": to_builtins(self.unpriced),
        }


def _add(sums: dict[_Key, Sum], key: _Key, one: Sum) -> None:
    before = sums.get(key)
    sums[key] = list(one) if before is None else [a + b for a, b in zip(before, one, strict=True)]


def _order(key: tuple[str | None, str]) -> tuple[bool, str, str]:
    model, reason = key
    return reason == Reason.OTHERS, model or "", reason


def tidy(cost: Decimal) -> Decimal:
    """Leave out zeros at the end of the fraction, and write no exponent for a large number."""
    short = _EXACT.normalize(cost)
    return _EXACT.quantize(short, _ONE) if short == short.to_integral_value() else short
