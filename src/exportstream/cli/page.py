"""The page of totals: one HTML file that loads nothing, with charts, and the same numbers as tables.

Takes: a `TotalsReport` with the tables of `page_groups`. Returns: HTML. Raises: `MissingExtraError` without Jinja2.
Holds: the rows of the tables as text.

Names come from the input and may be hostile: they are made printable here, and escaped by the template.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from importlib.resources import files
from typing import Any, NamedTuple

from exportstream.cli.charts import COSTS, TOKENS, Part, chart_of, parts_of, series_of, stack_of, sum_of
from exportstream.cli.figures import amount, copies, partial_tokens, rows_of_totals, without_usage, words_of_differences
from exportstream.cli.terminal import in_options
from exportstream.conversion.totals import TotalsReport
from exportstream.errors import printable, shown
from exportstream.storage.memory import import_error
from exportstream.totals.periods import Range
from exportstream.totals.sums import Counted, Totals
from exportstream.totals.table_options import HEADINGS, NAMES, GroupOptions
from exportstream.totals.tables import GroupRow, GroupTable, Value, says_no_more
from exportstream.totals.text import figure, texts_of

_DAY = ("day",)
_SESSION = ("session", "producer")  # producers may share an id
_PROJECT = ("project",)  # shown where any is known
_TITLES: dict[tuple[str, ...], str] = {
    _DAY: "By day",
    ("model",): "By model",
    ("tool",): "By tool",
    _PROJECT: "By project",
    _SESSION: "Largest sessions",
}
_TOP = 20  # rows of a table, but of days all
_FEW = 3  # names in a line
_LONG_NAME = 200  # characters
_COLUMNS = (
    *("cost", "priced_cost", "total_cost", "declared_cost", "input_tokens", "total_input_tokens", "output_tokens"),
    *("cache_read_tokens", "cache_creation_tokens", "messages", "unpriced_messages"),
    *("tool_calls", "failed", "unfinished", "sessions"),
)
_HEADINGS = {NAMES[name]: HEADINGS.get(name, "cache write") for name in _COLUMNS}
_IF_ANY = frozenset({"unfinished", "unpricedMessages"})  # columns that are left out if they have nothing but zeros


class Cell(NamedTuple):
    """A figure: its column's name, its text, and all its digits (empty where nobody stated it)."""

    name: str
    text: str
    value: str


class Line(NamedTuple):
    """A row: ``group``, ``others``, ``total`` or ``undated``; label, title, figures, and the parts of its bar."""

    kind: str
    label: str
    title: str
    cells: list[Cell]
    bar: list[Part]


class Section(NamedTuple):
    """A table with a bar in each row; `series` are the words of the bar's parts."""

    name: str
    title: str
    headings: list[tuple[str, str]]
    lines: list[Line]
    series: list[str]


def page_groups(range: Range, *, top: int | None, priced: bool) -> GroupOptions:  # noqa: A002
    """Return the tables that a page needs."""
    return GroupOptions(by=tuple(_TITLES), range=range, top=top or _TOP, priced=priced, whole=(_DAY,))


def load_page() -> Callable[[TotalsReport], str]:
    """Return a function that makes the page, before any work; Jinja2 may be missing."""
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
        "inputs": amount(len(done.outcomes) - len(done.ignored), "inputs"),
        "range": ", ".join(map(_name, stated or [" to ".join(dict.fromkeys(one[:10] for one in span))])),
        "tiles": _tiles(done),
        "charts": [
            one for one in (chart_of("Cost in USD", days, COSTS), chart_of("Tokens", days, TOKENS)) if one is not None
        ],
        "sections": [
            _section(table) for table in done.tables if table.by != _PROJECT or any(row.key[0] for row in table.rows)
        ],
        "reconciled": [] if done.range.is_bounded else _reconciled(done.totals),
        "prices": [] if done.totals.priced is None else [_name(str(one)) for one in done.totals.priced.lists],
        "notes": [
            *(in_options(str(one.error)) for one in done.failed),
            *_ignored(done),
            *(
                f"{_name(name)}: the input is cut; {amount(kept, 'complete messages')} counted"
                for name, kept in done.cut.items()
            ),
            *(words for count, words in _of_messages(done) if count),
            *_unpriced(done),
        ],
    }


def _of_messages(done: TotalsReport) -> list[tuple[int, str]]:
    """Return what is to be known of the figures, and of how many messages; that is counted without a range only."""
    counted = Counted() if done.range.is_bounded else done.totals.counted
    unstated = done.notes.without_usage
    return [
        (counted.partial_tokens, partial_tokens(counted.partial_tokens)),
        (counted.copies, copies(counted.copies)),
        (unstated, without_usage(unstated)),
    ]


def _ignored(done: TotalsReport) -> list[str]:
    """Return a line that says what was ignored, with the first few names; none if there is nothing."""
    names = [_name(one.source) for one in done.ignored]
    more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
    return [f"{amount(len(names), 'inputs')} of other JSON ignored: {', '.join(names[:_FEW])}{more}"] if names else []


def _unpriced(done: TotalsReport) -> list[str]:
    """Return a line for each model and reason without a price, which are known of all messages; of a range the count."""
    if done.totals.priced is None:
        return []
    if done.range.is_bounded:
        count = done.tables[0].total.figures["unpricedMessages"]
        return [amount(int(count), "messages have no price")] if count else []
    return [
        f"{_name(one.model or 'no model')}: {amount(one.messages, 'messages have no price')} ({one.reason}), "
        f"with {figure(one.all_input_tokens)} tokens of all input and {figure(one.output_tokens)} of output"
        for one in done.totals.priced.unpriced
    ]


def _name(text: str) -> str:
    return printable(shown(text), _LONG_NAME)


def _tiles(done: TotalsReport) -> list[tuple[str, Cell, str]]:
    """Return the figures at the top, those of the messages in the range, and what is missing in them."""
    total = done.tables[0].total.figures
    names = {
        "recorded cost": "cost",
        "priced cost": "pricedCost",
        "all cost, recorded + priced": "totalCost",
        "all input tokens": "totalInputTokens",
        "output tokens": "outputTokens",
        "cache read tokens": "cacheReadTokens",
        "cache creation tokens": "cacheCreationTokens",
        "sessions": "sessions",
        "messages": "messages",
        "tool calls": "toolCalls",
        "failed calls": "failed",
    }
    unpriced = int(total.get("unpricedMessages") or 0)
    missing = dict.fromkeys(("pricedCost", "totalCost"), amount(unpriced, "messages have no price")) if unpriced else {}
    return [
        (words, _cells([name], [total])[0][0], missing.get(name, ""))
        for words, name in names.items()
        if (total.get(name) is not None or name in missing) and (name != "totalCost" or _has_both(total))
    ]


def _has_both(figures: dict[str, Value]) -> bool:
    return figures.get("cost") is not None and figures.get("pricedCost") is not None


def _labelled(table: GroupTable) -> list[tuple[str, str, GroupRow]]:
    """Return the rows with their kinds and labels."""
    labels = {"others": amount(table.other_groups, "others"), "total": "total", "undated": "without a date"}
    several = len({row.key[-1] for row in table.rows}) > 1 and table.by == _SESSION
    rows = [("group", ", ".join(_label(row.key if several else row.key[:1])), row) for row in table.rows]
    return [*rows, *((kind, labels[kind], row) for kind, row in table.rest)]


def _label(key: Sequence[str | None]) -> list[str]:
    return ["none" if part is None else _name(part) for part in key]


def _section(table: GroupTable) -> Section:
    rows = _labelled(table)
    nothing = {name: (None, 0) if name in _IF_ANY else (None,) for name in _HEADINGS}
    names = [name for name in _HEADINGS if any(row.figures.get(name) not in nothing[name] for _, _, row in rows)]
    if table.by == _SESSION:
        names.remove("sessions")
    if "totalCost" in names and not {"cost", "pricedCost"} <= {*names}:
        names.remove("totalCost")
    if "totalInputTokens" in names and all(says_no_more(row.figures) for _, _, row in rows):
        names.remove("totalInputTokens")
    cells = _cells(names, [row.figures for _, _, row in rows])
    series = series_of(table)
    stacks = [stack_of(row, series) if kind == "group" else [] for kind, _, row in rows]
    most = max(map(sum_of, stacks), default=Decimal(0))
    return Section(
        table.by[0],
        _TITLES[table.by],
        [(name, _HEADINGS[name]) for name in names],
        [
            Line(kind, label, _name(row.title or ""), cells[at], parts_of(stack, most))
            for at, ((kind, label, row), stack) in enumerate(zip(rows, stacks, strict=True))
        ],
        list(series.values()) if most > 0 else [],
    )


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


def _reconciled(totals: Totals) -> list[tuple[str, str, str, str, str]]:
    """Return declared and counted figures: what they are of, both, their difference, and whether it is a finding."""
    differences = words_of_differences(totals)
    rows: list[tuple[str, str, str, str, str]] = []
    for words, declared, counted, name in rows_of_totals(totals):
        if declared is None:
            continue
        rows.append((words.strip(), figure(declared), figure(counted), *differences.get(name, ("", ""))))
    return rows
