"""Charts of totals: bars of parts, each of 100, for a template to draw.

Takes: tables of groups. Returns: `Chart`, and the `Part`s of a row's bar. Raises: nothing. Holds: a bar for each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Context, Decimal
from functools import reduce
from typing import NamedTuple

from exportstream.totals.tables import GroupRow, GroupTable, Value
from exportstream.totals.text import figure, texts_of

_LONGEST_AXIS = 1000  # days; if the dates span more, they are drawn side by side
_FEWEST_SLOTS = 14  # of a chart: a few days are not drawn as wide blocks
COSTS = {"cost": "recorded cost", "pricedCost": "priced cost"}
TOKENS = {  # those of input are parts of all input, by `_values_of`
    "outputTokens": "output tokens",
    "outsideCaches": "input outside caches",
    "writtenToCaches": "input written to caches",
    "readFromCaches": "input read from caches",
}
_CALLS = {"failed": "failed", "toolCalls": "other calls"}
_ROUGH = Context(prec=9, Emax=999_999_999, Emin=-999_999_999, traps=[])


class Part(NamedTuple):
    """A part of a bar: which series it is of, where it begins and how long it is, of 100."""

    series: int
    start: float
    size: float


class Bar(NamedTuple):
    """A day in a chart: its slot, its words, and its parts."""

    slot: int
    words: str
    parts: list[Part]


class Chart(NamedTuple):
    """Figures over time: bars in slots, of which `used` have a day, from the first to the last."""

    title: str
    series: list[str]
    slots: int
    used: int
    bars: list[Bar]
    most: str
    first: str
    last: str


def _values_of(row: GroupRow) -> dict[str, Value]:
    """Return the figures of a row, with all input in three parts that add up to it, however its producers count input."""
    figures = row.figures
    whole = figures.get("totalInputTokens")
    if whole is None:
        return figures
    read = max(0, min(figures.get("cacheReadTokens") or 0, whole))
    written = max(0, min(figures.get("cacheCreationTokens") or 0, whole - read))
    return figures | {"outsideCaches": whole - read - written, "writtenToCaches": written, "readFromCaches": read}


def _used(table: GroupTable, series: dict[str, str]) -> dict[str, str]:
    values = _values_of(table.total)
    return {name: words for name, words in series.items() if values.get(name)}


def series_of(table: GroupTable) -> dict[str, str]:
    """Return what the bars of a table show: failed and other calls; costs, or else tokens, or else messages."""
    if table.by == ("tool",):
        return _CALLS
    for series in (COSTS, TOKENS):
        if used := _used(table, series):
            return used
    return {"messages": "messages"}


def stack_of(row: GroupRow, series: dict[str, str]) -> list[Decimal]:
    """Return the parts of a bar; a figure below zero has none."""
    figures = _values_of(row)
    values = [Decimal(figures.get(name) or 0) for name in series]
    if series is _CALLS:
        values[1] -= values[0]
    return [max(value, Decimal(0)) for value in values]


def sum_of(stack: Sequence[Decimal]) -> Decimal:
    """Add roughly, whatever the exponents."""
    return reduce(_ROUGH.add, stack, Decimal(0))


def parts_of(stack: Sequence[Decimal], most: Decimal) -> list[Part]:
    """Return the parts of a bar, where the longest one is `most`."""
    parts, start = [], 0.0
    for number, value in enumerate(stack):
        if value > 0 and most > 0:
            size = round(float(_ROUGH.divide(_ROUGH.multiply(value, 100), most)), 2)
            parts.append(Part(number, round(start, 2), size))
            start += size
    return parts


def chart_of(title: str, table: GroupTable, series: dict[str, str]) -> Chart | None:
    """Return the figures of each day as a chart; None if there are none."""
    series = _used(table, series)
    days = [(row.key[0], row) for row in table.rows if row.key[0] is not None]
    stacks = [stack_of(row, series) for _, row in days]
    most = max(map(sum_of, stacks), default=Decimal(0))
    if not series or most <= 0:
        return None
    places = _places([day for day, _ in days])
    is_cost = series.keys() <= COSTS.keys()
    (most_text,) = texts_of([most if is_cost else int(most)], "cost" if is_cost else "tokens")
    bars = [
        Bar(
            place,
            f"{day}: " + ", ".join(f"{figure(_values_of(row).get(name))} {words}" for name, words in series.items()),
            parts_of(stack, most),
        )
        for place, (day, row), stack in zip(places, days, stacks, strict=True)
    ]
    used = places[-1] + 1
    first, last = (str(days[at][0]) for at in (0, -1))
    return Chart(title, list(series.values()), max(used, _FEWEST_SLOTS), used, bars, most_text, first, last)


def _places(days: list[str]) -> list[int]:
    """Return the slot of each day: by the calendar, unless they are too far apart."""
    try:
        dates = [date.fromisoformat(day) for day in days]
    except ValueError:
        return list(range(len(days)))
    if dates[-1] - dates[0] > timedelta(_LONGEST_AXIS):
        return list(range(len(days)))
    return [(day - dates[0]).days for day in dates]
