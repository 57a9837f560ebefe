"""The order of the rows of a table.

Takes: dimensions, and the word that they are sorted by. Returns: a sort key. Raises: nothing. Holds: nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from exportstream.totals.figures import Cost, Count, rough_cost
from exportstream.totals.group_figures import Figures
from exportstream.totals.group_keys import FIELD, TOOL, Key
from exportstream.totals.periods import PERIODS


def order_of(by: tuple[str, ...], sort: str | None, *, by_size: bool) -> Callable[[tuple[Key, Figures]], Any]:
    """Return the sort key of groups. Equal ones come in the order of their keys, and absent values last."""
    if sort in by:
        at = by.index(str(sort))
        return lambda item: _absent_last((item[0][at], *item[0]))
    if sort is None and by and by[0] in PERIODS and not by_size:
        return lambda item: _absent_last(item[0])
    usual = ["bytes"] if FIELD in by else ["tool_calls"] if TOOL in by else ["total_cost", "messages"]
    names = usual if sort is None else [sort.replace("-", "_")]
    return lambda item: (*(_largest_first(_value(item[1], name)) for name in names), _absent_last(item[0]))


def _value(figures: Figures, name: str) -> Any:
    """Return a figure; in the place of a total cost of too many digits, which nobody writes down, about what it is."""
    found = getattr(figures, name)
    return rough_cost(figures.cost.sum, figures.priced_cost.sum) if name == "total_cost" and found is None else found


def _absent_last(key: Key) -> tuple[tuple[bool, str], ...]:
    return tuple((text is None, text or "") for text in key)


def _largest_first(value: Any) -> tuple[bool, Any]:
    value = value.sum if isinstance(value, (Count, Cost)) else value
    return (value is None, 0 if value is None else value.copy_negate() if isinstance(value, Decimal) else -value)
