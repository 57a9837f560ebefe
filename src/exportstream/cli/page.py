"""The page of totals: one HTML file that loads nothing, with charts, and the same numbers as tables.

Takes: a `TotalsReport` with the tables of `page_groups`. Returns: HTML. Raises: `MissingExtraError` without Jinja2.
Holds: the rows of the tables as text.

Names come from the input and may be hostile: they are made printable here, and escaped by the template.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Context, Decimal
from functools import reduce
from importlib.resources import files
from typing import Any, NamedTuple

from exportstream.cli.figures import amount, rows_of_totals
from exportstream.cli.terminal import in_options
from exportstream.conversion.totals import TotalsReport
from exportstream.errors import printable, shown
from exportstream.storage.memory import import_error
from exportstream.totals.periods import Range
from exportstream.totals.sums import Totals
from exportstream.totals.table_options import GroupOptions
from exportstream.totals.tables import GroupRow, GroupTable, Value
from exportstream.totals.text import figure, texts_of

_DAY = ("day",)
_TITLES = {_DAY: "By day", ("model",): "By model", ("tool",): "By tool", ("session",): "Largest sessions"}
_TOP = 20  # rows of a table, but of days all
_LONGEST_AXIS = 1000  # days; if the dates span more, they are drawn side by side
_FEWEST_SLOTS = 14  # of a chart: a few days are not drawn as wide blocks
_LONG_NAME = 200  # characters
_HEADINGS = {  # of the figures, in the order of the columns
    "sessions": "sessions",
    "messages": "messages",
    "toolCalls": "calls",
    "failed": "failed",
    "unfinished": "unfinished",
    "inputTokens": "input",
    "outputTokens": "output",
    "cacheReadTokens": "cache read",
    "cost": "cost",
    "pricedCost": "priced",
    "unpricedMessages": "unpriced",
    "declaredCost": "declared",
}
_COSTS = {"cost": "recorded cost", "pricedCost": "priced cost"}
_TOKENS = {"outputTokens": "output tokens", "inputTokens": "input tokens", "cacheReadTokens": "cache read tokens"}
_CALLS = {"failed": "failed", "toolCalls": "other calls"}
_ROUGH = Context(prec=9, Emax=999_999_999, Emin=-999_999_999, traps=[])


class Cell(NamedTuple):
    """A figure: its column's name, its text, and all its digits (empty where nobody stated it)."""

    name: str
    text: str
    value: str


class Part(NamedTuple):
    """A part of a bar: which series it is of, where it begins and how long it is, of 100."""

    series: int
    start: float
    size: float


class Line(NamedTuple):
    """A row: ``group``, ``others``, ``total`` or ``undated``; its label, its figures, and the parts of its bar."""

    kind: str
    label: str
    cells: list[Cell]
    bar: list[Part]


class Section(NamedTuple):
    """A table with a bar in each row; `series` are the words of the bar's parts."""

    name: str
    title: str
    headings: list[tuple[str, str]]
    lines: list[Line]
    series: list[str]


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


def page_groups(range: Range, *, top: int | None, priced: bool) -> GroupOptions:  # noqa: A002
    """Return the tables that a page needs."""
    return GroupOptions(by=tuple(_TITLES), range=range, top=top or _TOP, priced=priced, whole=(_DAY,))


def load_page() -> Callable[[TotalsReport], str]:
    """Return a function that makes the page, before any work.

    Raises:
        MissingExtraError: Jinja2 is missing.
    """
    try:
        from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise import_error("an HTML page", "jinja2", "page", error) from error
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("exportstream.cli").joinpath("page.html.jinja").read_text("utf-8"))
    return lambda done: template.render(_contents(done)) + "\n"


def _contents(done: TotalsReport) -> dict[str, Any]:
    days = done.tables[0]
    counted = done.totals.counted
    stated = [f"{name} {value}" for name in ("since", "until", "tz") if (value := getattr(done.range, name)) is not None]
    span = [one for one in (counted.first_date, counted.last_date) if one is not None]
    return {
        "inputs": amount(len(done.outcomes), "inputs"),
        "range": ", ".join(map(_name, stated or [" to ".join(dict.fromkeys(one[:10] for one in span))])),
        "tiles": _tiles(done),
        "charts": [one for one in (_chart("Cost in USD", days, _COSTS), _chart("Tokens", days, _TOKENS)) if one is not None],
        "sections": [_section(table) for table in done.tables],
        "reconciled": [] if done.range.is_bounded else _reconciled(done.totals),
        "prices": [] if done.totals.priced is None else [_name(str(one)) for one in done.totals.priced.lists],
        "notes": [
            *(in_options(str(one.error)) for one in [*done.failed, *done.ignored]),
            *(
                f"{_name(name)}: the input is cut; {messages:,} complete messages are counted"
                for name, messages in done.cut.items()
            ),
        ],
    }


def _name(text: str) -> str:
    return printable(shown(text), _LONG_NAME)


def _tiles(done: TotalsReport) -> list[tuple[str, Cell]]:
    """Return the figures at the top, those of the messages in the range."""
    total = done.tables[0].total.figures
    names = {
        "recorded cost": "cost",
        "priced cost": "pricedCost",
        "input tokens": "inputTokens",
        "output tokens": "outputTokens",
        "cache read tokens": "cacheReadTokens",
        "sessions": "sessions",
        "messages": "messages",
        "tool calls": "toolCalls",
        "failed calls": "failed",
    }
    return [(words, _cells([name], [total])[0][0]) for words, name in names.items() if total.get(name) is not None]


def _labelled(table: GroupTable) -> list[tuple[str, str, GroupRow]]:
    """Return the rows with their kinds and labels."""
    rest = (
        ("others", f"{table.other_groups:,} others", table.others),
        ("total", "total", table.total),
        ("undated", "without a date", table.undated),
    )
    rows = [("group", "none" if row.key[0] is None else _name(row.key[0]), row) for row in table.rows]
    return [*rows, *((kind, label, row) for kind, label, row in rest if row is not None)]


def _section(table: GroupTable) -> Section:
    rows = _labelled(table)
    names = [name for name in _HEADINGS if any(row.figures.get(name) is not None for _, _, row in rows)]
    cells = _cells(names, [row.figures for _, _, row in rows])
    series = _series_of(table)
    stacks = [_stack(row, series) if kind in ("group", "others") else [] for kind, _, row in rows]
    most = max(map(_sum, stacks), default=Decimal(0))
    return Section(
        table.by[0],
        _TITLES[table.by],
        [(name, _HEADINGS[name]) for name in names],
        [
            Line(kind, label, cells[at], _parts(stack, most))
            for at, ((kind, label, _), stack) in enumerate(zip(rows, stacks, strict=True))
        ],
        list(series.values()) if most > 0 else [],
    )


def _series_of(table: GroupTable) -> dict[str, str]:
    """Return what the bars of a table show: failed and other calls; costs, or else tokens, or else messages."""
    if table.by == ("tool",):
        return _CALLS
    for series in (_COSTS, _TOKENS):
        if used := {name: words for name, words in series.items() if table.total.figures.get(name)}:
            return used
    return {"messages": "messages"}


def _stack(row: GroupRow, series: dict[str, str]) -> list[Decimal]:
    """Return the parts of a bar; a figure below zero has none."""
    values = [Decimal(row.figures.get(name) or 0) for name in series]
    if series is _CALLS:
        values[1] -= values[0]
    return [max(value, Decimal(0)) for value in values]


def _sum(stack: Sequence[Decimal]) -> Decimal:
    """Add roughly, whatever the exponents."""
    return reduce(_ROUGH.add, stack, Decimal(0))


def _parts(stack: Sequence[Decimal], most: Decimal) -> list[Part]:
    parts, start = [], 0.0
    for number, value in enumerate(stack):
        if value > 0 and most > 0:
            size = round(float(_ROUGH.divide(_ROUGH.multiply(value, 100), most)), 2)
            parts.append(Part(number, round(start, 2), size))
            start += size
    return parts


def _cells(names: Sequence[str], rows: Sequence[dict[str, Value]]) -> list[list[Cell]]:
    """Return the cells of rows: costs of a column with the same decimals, all digits beside them."""
    columns = []
    for name in names:
        values = [row.get(name) for row in rows]
        texts = texts_of(values, name.lower())
        columns.append(
            [Cell(name, text, "" if value is None else str(value)) for text, value in zip(texts, values, strict=True)]
        )
    return [list(cells) for cells in zip(*columns, strict=True)] if columns else [[] for _ in rows]


def _chart(title: str, table: GroupTable, series: dict[str, str]) -> Chart | None:
    """Return the figures of each day as a chart; None if there are none."""
    series = {name: words for name, words in series.items() if table.total.figures.get(name)}
    days = [(row.key[0], row) for row in table.rows if row.key[0] is not None]
    stacks = [_stack(row, series) for _, row in days]
    most = max(map(_sum, stacks), default=Decimal(0))
    if not series or most <= 0:
        return None
    places = _places([day for day, _ in days])
    is_cost = series.keys() <= _COSTS.keys()
    (most_text,) = texts_of([most if is_cost else int(most)], "cost" if is_cost else "tokens")
    bars = [
        Bar(
            place,
            f"{day}: " + ", ".join(f"{figure(row.figures.get(name))} {words}" for name, words in series.items()),
            _parts(stack, most),
        )
        for place, (day, row), stack in zip(places, days, stacks, strict=True)
    ]
    used = places[-1] + 1
    return Chart(
        title, list(series.values()), max(used, _FEWEST_SLOTS), used, bars, most_text, str(days[0][0]), str(days[-1][0])
    )


def _places(days: list[str]) -> list[int]:
    """Return the slot of each day: by the calendar, unless they are too far apart."""
    try:
        dates = [date.fromisoformat(day) for day in days]
    except ValueError:
        return list(range(len(days)))
    if dates[-1] - dates[0] > timedelta(_LONGEST_AXIS):
        return list(range(len(days)))
    return [(day - dates[0]).days for day in dates]


def _reconciled(totals: Totals) -> list[tuple[str, str, str, str, str]]:
    """Return declared and counted figures: what they are of, both, their difference, and whether it is a finding."""
    differences = totals.differences()
    rows = []
    for words, declared, counted, name in rows_of_totals(totals):
        if declared is None:
            continue
        found = differences.get(name)
        gap = None if found is None else found.exact
        differs = "" if found is None else "differs" if gap is None else figure(gap, "+")
        rows.append((words.strip(), figure(declared), figure(counted), differs, found.kind if found else ""))
    return rows
