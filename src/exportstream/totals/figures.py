"""Figures: exact sums of what some stated and others did not, and which of them can be compared.

Takes: counts as int, costs as Decimal. Returns: `Count`, `Cost`, `Difference`, `Carrying`.
Raises: `LimitError` where a sum of costs would need more than 10,000 digits. Holds: two numbers each.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact, Rounded, localcontext
from functools import reduce
from itertools import accumulate
from operator import attrgetter
from typing import Any, Literal, Protocol

from msgspec import Struct

from exportstream.errors import LimitError
from exportstream.models.structs import Message
from exportstream.models.sums import Sums

HUGE = Decimal("1e1000")
_SMALLEST_EXPONENT = -1000
_DIGITS = 10_000
_EXACT = Context(prec=_DIGITS, Emax=999_999_999, Emin=-999_999_999, traps=[Inexact, Rounded])
_PADDED = Context(prec=_DIGITS, Emax=999_999_999, Emin=-999_999_999, traps=[Inexact])  # may add zeros up to its precision
_ROUGH = Context(prec=28, Emax=999_999_999, Emin=-999_999_999, traps=[])
_EPSILON = Decimal(2) ** -52  # of a double: adding one may change the sum by half of this part of it
_TOO_LONG = "the exact sum of the costs needs more than 10,000 digits"
_MICRO_DOLLAR = Decimal("0.000001")


class Count(Sums, gc=False):
    """A sum of whole numbers.

    Attributes:
        sum: the sum, None where nobody stated the figure.
        count: how many stated it.
    """

    sum: int | None = None
    count: int = 0

    def add(self, values: list[int]) -> None:
        """Add what was stated."""
        if values:
            self.sum = sum(values, self.sum or 0)
            self.count += len(values)

    def merge(self, other: Count) -> None:
        """Add another sum."""
        if other.sum is not None:
            self.sum = other.sum + (self.sum or 0)
            self.count += other.count


class Cost(Sums, gc=False):
    """An exact sum of costs in USD; a single cost is its own sum, digit for digit.

    Attributes:
        sum: the sum, None where nobody stated a cost: it is unknown then, not free.
        count: how many stated one.
    """

    sum: Decimal | None = None
    count: int = 0

    def add(self, values: list[Decimal]) -> None:
        """Add what was stated."""
        if values:
            self.sum = _sum(values if self.sum is None else [self.sum, *values])
            self.count += len(values)

    def merge(self, other: Cost) -> None:
        """Add another sum."""
        if other.sum is not None:
            self.sum = add_costs(self.sum, other.sum)
            self.count += other.count

    @property
    def is_extreme(self) -> bool:
        """Whether the sum is so large or small that another one may need too many digits with it."""
        cost = self.sum
        return cost is not None and (cost.copy_abs() >= HUGE or int(cost.as_tuple().exponent) < _SMALLEST_EXPONENT)


class Difference(Struct, frozen=True):
    """A figure that was declared otherwise than it was counted.

    Attributes:
        declared: the sum of what sessions declare.
        counted: the sum over their messages.
        kind: ``rounding`` for a cost that is within a micro-dollar for each message that has one, else ``differs``.
    """

    declared: Any
    counted: Any
    kind: Literal["rounding", "differs"] = "differs"

    @property
    def exact(self) -> Decimal | None:
        """Counted minus declared; None where the result needs more than 10,000 digits."""
        try:
            return _PADDED.subtract(self.counted, self.declared)
        except Inexact:
            return None


def compare(declared: Any, counted: Any) -> Difference | None:
    """Return how two numbers differ, None if they are equal."""
    return None if declared == counted else Difference(declared, counted)


def compare_costs(declared: Decimal, counted: Decimal, count: int) -> Difference | None:
    """Return how two sums of costs differ, None if they are equal or differ by less than sums of doubles do.

    Args:
        declared: what sessions declare. Their server may have added up doubles: 0.1 + 0.2 is 0.30000000000000004.
        counted: the exact sum over messages.
        count: how many messages were added.
    """
    difference = compare(declared, counted)
    gap = None if difference is None else difference.exact
    if difference is None or gap is None:
        return difference
    largest = max(Decimal(declared).copy_abs(), Decimal(counted).copy_abs())
    if gap.copy_abs() <= _ROUGH.multiply(_ROUGH.multiply(_EPSILON, count), largest):
        return None
    rounding = gap.copy_abs() <= _ROUGH.multiply(_MICRO_DOLLAR, count)
    return Difference(declared, counted, "rounding") if rounding else difference


def add_costs(before: Decimal | None, cost: Decimal | None) -> Decimal | None:
    """Add a cost to a sum as `Cost` does; None where nobody stated one."""
    if cost is None:
        return before
    return _sum([cost] if before is None else [before, cost])


def require_addable(costs: Iterable[Cost]) -> None:
    """Raise `LimitError` unless all sums of some costs, in any order, have at most 10,000 digits."""
    given = [_PADDED.normalize(cost.sum) for cost in costs if cost.sum]
    if given:
        first = max(cost.adjusted() for cost in given) + len(str(len(given)))
        if first - min(int(cost.as_tuple().exponent) for cost in given) >= _DIGITS:
            raise LimitError(_TOO_LONG)


def total_cost(recorded: Decimal | None, priced: Decimal | None) -> Decimal | None:
    """Return what messages cost in all: they have a recorded cost or a price. None where nobody knows any of the two.

    It is None too where the exact sum needs more than 10,000 digits: each of the two is known then.
    """
    try:
        return add_costs(recorded, priced)
    except LimitError:
        return None


def rough_cost(recorded: Decimal | None, priced: Decimal | None) -> Decimal | None:
    """Return the same sum to 28 digits, which is always known if one of the two is: to compare it with others."""
    known = [cost for cost in (recorded, priced) if cost is not None]
    return reduce(_ROUGH.add, known) if known else None


def running_costs(before: Decimal | None, costs: list[Decimal | None]) -> list[Decimal | None]:
    """Return the sum before some costs, and the sum after each of them, as `add_costs` does one by one."""
    given: list[Any] = [cost for cost in costs if cost is not None]
    sums: list[Any] = [before]
    if given:
        given[0] = add_costs(before, given[0])
        try:
            sums += accumulate(given, _EXACT.add)
        except (Inexact, Rounded):
            sums[1:] = accumulate(given, add_costs)
    return [sums[number] for number in accumulate([cost is not None for cost in costs], initial=0)]


class Tokens(Protocol):
    """Sums of tokens of messages."""

    input_tokens: Count
    output_tokens: Count
    cache_creation_tokens: Count
    cache_read_tokens: Count
    total_input_tokens: Count


def add_tokens(sums: Tokens, messages: list[Message]) -> None:
    """Add the tokens of messages."""
    sums.input_tokens.add([m.input_tokens for m in messages if m.input_tokens is not None])
    sums.output_tokens.add([m.output_tokens for m in messages if m.output_tokens is not None])
    sums.cache_creation_tokens.add([m.cache_creation_tokens for m in messages if m.cache_creation_tokens is not None])
    sums.cache_read_tokens.add([m.cache_read_tokens for m in messages if m.cache_read_tokens is not None])
    sums.total_input_tokens.add(_total_inputs(messages))


def _total_inputs(messages: list[Message]) -> list[int]:
    """Return all tokens of each prompt: as the producer's format gives them, else input and cache reads if any is stated.

    It is one rule for all producers: `input_tokens` include those of caches in one, and not in another.
    """
    return [
        (m.input_tokens or 0) + (m.cache_read_tokens or 0) if m.total_input_tokens is None else m.total_input_tokens
        for m in messages
        if m.total_input_tokens is not None or m.input_tokens is not None or m.cache_read_tokens is not None
    ]


def _sum(costs: list[Decimal]) -> Decimal:
    """Add exactly. A single cost stays as it is; a sum that would be padded with zeros to all digits is written short."""
    try:
        with localcontext(_EXACT):  # `+` is faster than a method of the context
            return sum(costs[1:], _EXACT.plus(costs[0]))
    except (Inexact, Rounded):  # 1e9999999 + 0 is exact, but Decimal would write it with all its zeros
        pass
    try:
        return _PADDED.normalize(reduce(_PADDED.add, costs[1:], _PADDED.plus(costs[0])))
    except Inexact:
        raise LimitError(_TOO_LONG) from None


class Carrying(Sums):
    """How many sessions have a message that carries a figure: only such figures can be compared with declared ones.

    Attributes:
        input_tokens, output_tokens, cost: sessions with a message that carries them.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0


COMPARED = Carrying.__struct_fields__


def carried(ends: list[int], messages: list[Message], counts: list[int], pending: list[int]) -> list[tuple[int, int]]:
    """Return for each of the compared figures how many sessions have a message that carries it, and how many messages do.

    Args:
        ends: as of `Totals.add_sessions`; only messages before the last one count.
        messages: likewise.
        counts: how many of `messages` carry each figure. All or none is usual, and needs no look at the messages.
        pending: how many earlier messages of the first session carry it; they count, too.
    """
    if len(set(counts)) == len(set(pending)) == 1 and 0 < counts[0] < len(messages):  # most carry all figures or none
        flags = [m.cost is not None and m.input_tokens is not None and m.output_tokens is not None for m in messages]
        if flags.count(True) == counts[0]:
            return [_at_ends(ends, flags, pending[0])] * len(counts)
    return [
        (int(earlier > 0), earlier)
        if count == 0
        else _at_ends(ends, [value is not None for value in map(attrgetter(name), messages)], earlier)
        for name, count, earlier in zip(COMPARED, counts, pending, strict=True)
    ]


def _at_ends(ends: list[int], flags: list[bool], pending: int) -> tuple[int, int]:
    before = list(accumulate(flags, initial=pending))
    at_ends = [before[end] for end in ends]
    return len({0, *at_ends}) - 1, at_ends[-1]  # each session with one brings a number of its own, as they only grow
