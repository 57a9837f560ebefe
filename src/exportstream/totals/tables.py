"""Tables of groups: sorted, with the smaller groups as one row if asked for, as plain values and as text.

Takes: `Groups`. Returns: `GroupTable`. Raises: `OptionError` for a word that is no column. Holds: a row for each group.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import fields as struct_fields

from exportstream.errors import OptionError, printable, shown
from exportstream.totals.figures import Cost, Count
from exportstream.totals.groups import TOOL, Figures, Grouping, Groups, Key
from exportstream.totals.periods import PERIODS, Range
from exportstream.totals.priced import tidy
from exportstream.totals.text import aligned, figure, width_of

Value = int | Decimal | None

WIDTH = 80  # columns of a terminal
_LABEL, _SHORT_LABEL = 16, 4  # columns of a label that stay: figures are left out before labels get shorter
_LONG_NAME = 4096  # characters
_MICRO = -6  # the exponent of a micro-dollar
_LONG_COST = 30  # digits
_NAMES = {f.name: f.encode_name for f in struct_fields(Figures)}
_OF_CALLS = ("tool_calls", "failed", "unfinished")
_PRICED = ("priced_cost", "unpriced_messages")
_DECLARED = ("declared_prompt_tokens", "declared_completion_tokens", "declared_cost")
_HEADINGS = {  # in the order of the columns in a text
    "sessions": "sessions",
    "messages": "messages",
    "tool_calls": "calls",
    "failed": "failed",
    "unfinished": "unfinished",
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_tokens": "cache read",
    "cost": "cost",
    "priced_cost": "priced",
    "unpriced_messages": "unpriced",
    "declared_cost": "declared",
}
_LEFT_OUT_FIRST = ("unfinished", "declared_cost", "cache_read_tokens", "sessions", "failed", "tool_calls", "messages")
SORTS = tuple(name.replace("_", "-") for name in _NAMES)


class GroupOptions(Struct, frozen=True, kw_only=True):
    """Which groups are made, and how their tables are sorted.

    Attributes:
        by: the dimensions of each table, of `groups.DIMENSIONS`.
        range: which messages are counted.
        sort: a dimension, from the first to the last, or a figure of `SORTS`, from the largest; None for dates in their
            order, and other groups by cost (recorded or priced, the larger one).
        priced: whether prices are given, so that the tables have columns of them.
        top: how many groups have a row of their own; the others share one. None for all.

    Raises:
        OptionError: a word is none of these.
    """

    by: tuple[tuple[str, ...], ...] = ()
    range: Range = Range()
    sort: str | None = None
    top: int | None = None
    priced: bool = False

    def __post_init__(self) -> None:
        """Check the words."""
        Grouping(self.by, self.range)
        if self.top is not None and self.top < 1:
            raise OptionError(f"expected `top` to be a positive number, got {self.top}")
        possible = [word for names in self.by for word in (*names, *_words(names, priced=self.priced))]
        if self.sort is not None and self.sort not in possible:
            words = ", ".join(dict.fromkeys(possible))
            raise OptionError(f"expected `sort` to be a column of a table ({words}), got {self.sort!r}")


class GroupRow(Struct, frozen=True):
    """The figures of one group.

    Attributes:
        key: what its messages have in common, one for each dimension; None where they don't state it.
        figures: by name, such as ``inputTokens``; None for a figure that nobody stated.
    """

    key: Key
    figures: dict[str, Value]


class GroupTable(Struct, frozen=True):
    """Totals by group.

    Attributes:
        by: the dimensions; none for the total alone.
        columns: names of the figures.
        rows: the groups, sorted.
        others: the groups after the first `top`, as one row; sessions can't be added up, so they are None. None without.
        other_groups: how many they are.
        total: all groups together.
        undated: with a range, messages whose createdAt is absent or can't be parsed; they are in no other row.
    """

    by: tuple[str, ...]
    columns: tuple[str, ...]
    rows: list[GroupRow]
    others: GroupRow | None
    other_groups: int
    total: GroupRow
    undated: GroupRow | None

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain values; a row is an object of its key and its figures."""
        rest = {"others": self.others, "total": self.total, "undated": self.undated}
        return {
            "by": list(self.by),
            "columns": list(self.columns),
            "rows": [self._plain(row) for row in self.rows],
            "otherGroups": self.other_groups,
            **{name: None if row is None else dict(row.figures) for name, row in rest.items()},
        }

    def to_csv(self) -> str:
        """Return the rows as CSV, with every figure and without the total; the groups left out by `top` are ``others``."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*self.by, *self.columns])
        for label, row in self._labelled():
            if label != "total":
                writer.writerow([*self._cells(label, row, raw=True), *row.figures.values()])
        return text.getvalue()

    def to_markdown(self) -> str:
        """Return the table of `str` in Markdown."""
        headings, lines = self._chosen(self._shown_columns())
        rule = ["---" if at < len(self._key_headings) else "---:" for at in range(len(headings))]
        return "".join(f"| {' | '.join(map(_escaped, cells))} |\n" for cells in (headings, rule, *lines))

    def __str__(self) -> str:
        columns, labels = self._shown_columns(), len(self._key_headings)
        for name in _LEFT_OUT_FIRST:
            text = aligned(*self._chosen(columns), labels, WIDTH, _LABEL)
            if max(map(width_of, text)) <= WIDTH:
                break
            if name in columns and len(columns) > 1:
                columns.remove(name)
        else:
            text = aligned(*self._chosen(columns), labels, WIDTH, _SHORT_LABEL)
        return "\n".join(text)

    @property
    def _key_headings(self) -> tuple[str, ...]:
        return self.by or ("",)

    def _plain(self, row: GroupRow) -> dict[str, Any]:
        names = (_camel(name) for name in self.by)
        return {name: _label(name, value) for name, value in zip(names, row.key, strict=True)} | row.figures

    def _labelled(self) -> list[tuple[str, GroupRow]]:
        labelled = [("", row) for row in self.rows]
        for label, row in (
            (f"others ({self.other_groups:,})", self.others),
            ("total", self.total),
            ("undated", self.undated),
        ):
            if row is not None:
                labelled.append((label, row))
        return labelled

    def _cells(self, label: str, row: GroupRow, *, raw: bool = False) -> list[str]:
        """Return the cells of the key."""
        if label:
            return [label, *("" for _ in self.by[1:])]
        labels = (_label(name, value) for name, value in zip(self.by, row.key, strict=True))
        return [text or "" if raw else "-" if text is None else printable(text, _LONG_NAME) for text in labels]

    def _shown_columns(self) -> list[str]:
        """Return the figures of a text: few, and only those that somebody stated."""
        rows = [row for _, row in self._labelled()]
        empty: dict[str, tuple[Value, ...]] = dict.fromkeys(("sessions", *_OF_CALLS), (None, 0))
        return [
            name for name in _HEADINGS if any(row.figures.get(_NAMES[name]) not in empty.get(name, (None,)) for row in rows)
        ]

    def _chosen(self, columns: list[str]) -> tuple[list[str], list[list[str]]]:
        rows = self._labelled()
        figures = [_written([row.figures.get(_NAMES[name]) for _, row in rows], name) for name in columns]
        cells = [[*self._cells(label, row), *(column[at] for column in figures)] for at, (label, row) in enumerate(rows)]
        return [*self._key_headings, *(_HEADINGS[name] for name in columns)], cells


def make_tables(grouping: Grouping, options: GroupOptions) -> list[GroupTable]:
    """Return the table of each of the groups."""
    undated = grouping.undated.figures.get(()) if options.range.is_bounded else None
    return [_make_table(groups, undated, options) for groups in grouping.tables]


def _make_table(groups: Groups, undated: Figures | None, options: GroupOptions) -> GroupTable:
    words = _words(groups.by, priced=options.priced)
    names = [word.replace("-", "_") for word in words]
    applies = options.sort is not None and options.sort in (*groups.by, *words)
    order = _order(groups.by, options.sort if applies else None, by_size=options.top is not None)
    found = sorted(groups.figures.items(), key=order) if groups.by else []  # one group of all is the total
    top = len(found) if options.top is None else options.top
    others = None
    if found[top:]:
        figures = Figures()
        for _, one in found[top:]:
            figures.merge(one)
        others = _row((), figures, names, without={"sessions"})
    return GroupTable(
        by=groups.by,
        columns=tuple(_NAMES[name] for name in names),
        rows=[_row(key, figures, names) for key, figures in found[:top]],
        others=others,
        other_groups=len(found[top:]),
        total=_row((), groups.total(), names),
        undated=None if undated is None else _row((), undated, names),
    )


def _row(key: Key, figures: Figures, names: Sequence[str], without: set[str] | None = None) -> GroupRow:
    values: dict[str, Value] = {}
    for name in names:
        value = getattr(figures, name)
        value = value.sum if isinstance(value, (Count, Cost)) else value
        if name == "priced_cost" and isinstance(value, Decimal):
            value = tidy(value)  # however the input was split
        values[_NAMES[name]] = None if name in (without or ()) else value
    return GroupRow(key, values)


def _words(by: tuple[str, ...], *, priced: bool) -> list[str]:
    """Return the figures that a table has, as words of options."""
    without = (*(() if {*by} <= {"session", "file"} else _DECLARED), *(() if priced else _PRICED))
    names = _OF_CALLS if TOOL in by else [name for name in _NAMES if name not in without]
    return [name.replace("_", "-") for name in names]


def _order(by: tuple[str, ...], sort: str | None, *, by_size: bool) -> Callable[[tuple[Key, Figures]], Any]:
    """Return the sort key of groups. Equal ones come in the order of their keys, and absent values last."""
    if sort in by:
        at = by.index(str(sort))
        return lambda item: _absent_last((item[0][at], *item[0]))
    if sort is None and by and by[0] in PERIODS and not by_size:
        return lambda item: _absent_last(item[0])
    names = [sort.replace("-", "_")] if sort is not None else ["tool_calls"] if TOOL in by else ["cost", "messages"]
    return lambda item: (*(_size(item[1], name, by_price=sort is None) for name in names), _absent_last(item[0]))


def _size(figures: Figures, name: str, *, by_price: bool) -> tuple[bool, Any]:
    """Return the sort key of a figure, the largest first; of a cost, that of its price where it is larger."""
    found = _largest_first(getattr(figures, name))
    return min(found, _largest_first(figures.priced_cost)) if by_price and name == "cost" else found


def _absent_last(key: Key) -> tuple[tuple[bool, str], ...]:
    return tuple((text is None, text or "") for text in key)


def _largest_first(value: Any) -> tuple[bool, Any]:
    value = value.sum if isinstance(value, (Count, Cost)) else value
    return (value is None, 0 if value is None else value.copy_negate() if isinstance(value, Decimal) else -value)


def _written(values: list[Value], name: str) -> list[str]:
    """Write the figures of a column; costs with as many decimals as the longest has, but 6 at most."""
    if not name.endswith("cost"):
        return [figure(value) for value in values]
    short = [v for v in values if isinstance(v, Decimal) and abs(v.adjusted()) < _LONG_COST]
    decimals = min(max([2, *(-int(v.as_tuple().exponent) for v in short)]), -_MICRO)
    return [f"{v:,.{decimals}f}" if any(v is one for one in short) else figure(v) for v in values]


def _label(name: str, value: str | None) -> str | None:
    return shown(value) if name == "file" and value is not None else value


def _camel(word: str) -> str:
    first, *rest = word.split("-")
    return first + "".join(map(str.capitalize, rest))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
