"""Tables of groups, as plain values, CSV, Markdown and aligned text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from decimal import Decimal
from itertools import takewhile
from typing import Any

from msgspec import Struct

from exportstream.errors import printable, shown
from exportstream.models.names import camel
from exportstream.totals.group_keys import Key
from exportstream.totals.periods import PERIODS
from exportstream.totals.table_options import HEADINGS, NAMES, OF_CALLS
from exportstream.totals.text import WIDTH, aligned, beside, exact, tell_apart, texts_of, width_of, widths_of

Value = int | Decimal | None

_LABEL, _SHORT_LABEL = 48, 4  # columns of a label that stay: figures are left out before labels get shorter
_RISKY = "=+-@\t\r"  # a spreadsheet runs a cell that begins so
_LONG_NAME = 4096  # characters
_LEFT_OUT_FIRST = (
    "unfinished",
    "declared_cost",
    "input_tokens",  # only beside all input, where producers mean different things by it
    "cache_read_tokens",
    "sessions",
    "failed",
    "tool_calls",
    "messages",
)


class GroupRow(Struct, frozen=True):
    """The figures of one group.

    Attributes:
        key: what its messages have in common, one for each dimension; None where they don't state it.
        figures: by name, such as ``inputTokens``; None for a figure that nobody stated.
        title: by session its title, the first 200 characters; None where it is not known.
    """

    key: Key
    figures: dict[str, Value]
    title: str | None = None


class GroupTable(Struct, frozen=True):
    """Totals by group.

    Attributes:
        by: the dimensions; none for the total alone.
        keys: the names of the keys: the dimensions, and ``file`` and ``session`` for messages; also ``producer``, where two
            have sessions of one id.
        columns: names of the figures.
        rows: the groups, sorted.
        others: the groups after the first `top`, as one row; sessions can't be added up, so they are None. None without.
        other_groups: how many they are.
        total: all groups together.
        undated: with a range, messages whose createdAt is absent or can't be parsed; they are in no other row.
        sort: the figure that was asked for to sort by, None without; a text of any width shows it.
    """

    by: tuple[str, ...]
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    rows: list[GroupRow]
    others: GroupRow | None
    other_groups: int
    total: GroupRow
    undated: GroupRow | None
    sort: str | None = None

    @property
    def rest(self) -> list[tuple[str, GroupRow]]:
        """The rows that are no groups, by name: ``others``, ``total`` and ``undated``, as far as there are such."""
        rows = (("others", self.others), ("total", self.total), ("undated", self.undated))
        return [(name, row) for name, row in rows if row is not None]

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

    def to_csv(self, *, safe: bool = False) -> str:
        """Return the rows as CSV, with every figure.

        Args:
            safe: prefix names that a spreadsheet would run (``= + - @``, tab, CR first) with an apostrophe.

        The column ``row`` says what a row is: ``group``, ``others`` (those after the first `top`) or ``undated``. The last
        two have no key. There is a ``total`` only without `by`, so that groups and others can be added up.
        """
        import csv  # noqa: PLC0415 - slow to import, and only for this

        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        titled = self._has_titles
        writer.writerow(["row", *self.keys, *self.columns, *(["title"] if titled else [])])
        rest = [(kind, row) for kind, row in self.rest if kind != "total" or not self.by]
        for kind, row in [*(("group", row) for row in self.rows), *rest]:
            key = self._labels(row) if row.key else [None] * len(self.keys)
            title = [row.title] if titled else []
            names = [f"'{text}" if safe and text and text[0] in _RISKY else text or "" for text in (*key, *title)]
            writer.writerow([kind, *names[: len(key)], *row.figures.values(), *names[len(key) :]])
        return text.getvalue()

    def to_markdown(self) -> str:
        """Return the rows and the total in Markdown, with every figure and all digits of costs."""
        titled = self._has_titles
        headings = [*self._key_headings, *self.columns, *(["title"] if titled else [])]
        lines = [
            [*self._cells(label, row), *map(exact, row.figures.values()), *([printable(row.title or "")] if titled else [])]
            for label, row in self._labelled()
        ]
        rule = ["---" if at < len(self._key_headings) else "---:" for at in range(len(headings))]
        return "".join(f"| {' | '.join(map(_escaped, cells))} |\n" for cells in (headings, rule, *lines))

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return f"GroupTable(by={self.by}, rows={len(self.rows)})"

    def to_text(self, width: int = WIDTH) -> str:
        """Return the rows and the total, aligned, with the figures that fit so many columns."""
        columns, labels = self._shown_columns(), len(self._key_headings)
        dates = [at for at, name in enumerate(self.keys) if name in PERIODS]
        for name, least in _attempts(columns):
            headings, lines = self._chosen(columns)
            widths = widths_of(headings, lines, labels, width, least, whole=dates)
            text = aligned(headings, lines, labels, widths)
            if max(map(width_of, text)) <= width and tell_apart(lines, labels, widths):
                break
            if name in columns and len(columns) > 1 and NAMES[name] != self.sort:
                columns.remove(name)
        if any(row.title for row in self.rows):
            titles = [printable(row.title or "", _LONG_NAME) for _, row in self._labelled()]
            text = beside(text, ["title", *titles], width)
        return "\n".join(text)

    @property
    def _key_headings(self) -> tuple[str, ...]:
        return self.keys or ("",)

    def _plain(self, row: GroupRow) -> dict[str, Any]:
        names = [camel(key.replace("-", "_")) for key in self.keys]
        titled = {"title": row.title} if self._has_titles else {}
        return dict(zip(names, self._labels(row), strict=True)) | row.figures | titled

    @property
    def _has_titles(self) -> bool:
        return "session" in self.by

    def _labelled(self) -> list[tuple[str, GroupRow]]:
        others = f"others ({self.other_groups:,})"
        return [*(("", row) for row in self.rows), *((others if kind == "others" else kind, row) for kind, row in self.rest)]

    def _labels(self, row: GroupRow) -> list[str | None]:
        keys = zip(self.keys, row.key, strict=True)
        return [shown(value) if name == "file" and value is not None else value for name, value in keys]

    def _common_folder(self) -> str:
        """Return the folder of all files of a table (or of its one file), with its slash, or nothing."""
        files = [row.key[self.keys.index("file")] or "" for row in self.rows] if "file" in self.keys else []
        if not files:
            return ""
        first, last = shown(min(files)), shown(max(files))  # all others begin as these two do
        same = list(takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
        return first[: first.rfind("/", 0, len(same)) + 1]

    def _cells(self, label: str, row: GroupRow, folder: str = "") -> list[str]:
        """Return the cells of the key, those of files without their common folder."""
        if label:
            return [label, *("" for _ in self.keys[1:])]
        return [
            "-" if text is None else printable(text.removeprefix(folder) if name == "file" else text, _LONG_NAME)
            for name, text in zip(self.keys, self._labels(row), strict=True)
        ]

    def _shown_columns(self) -> list[str]:
        """Return the figures of a text: few, and only those that somebody stated and that say something new."""
        rows = [row.figures for _, row in self._labelled()]
        empty: dict[str, tuple[Value, ...]] = dict.fromkeys(("sessions", "unpriced_messages", *OF_CALLS), (None, 0))
        names = [name for name in HEADINGS if any(row.get(NAMES[name]) not in empty.get(name, (None,)) for row in rows)]
        if not {"cost", "priced_cost"} <= {*names} and "total_cost" in names:
            names.remove("total_cost")  # it is the same
        if all(map(says_no_more, rows)):
            names = [name for name in names if name != "total_input_tokens"]
        return names

    def _chosen(self, columns: list[str]) -> tuple[list[str], list[list[str]]]:
        rows = self._labelled()
        folder = self._common_folder()
        figures = [texts_of([row.figures.get(NAMES[name]) for _, row in rows], name) for name in columns]
        cells = [
            [*self._cells(label, row, folder), *(column[at] for column in figures)] for at, (label, row) in enumerate(rows)
        ]
        return [*self._key_headings, *(HEADINGS[name] for name in columns)], cells


def _attempts(columns: Sequence[str]) -> list[tuple[str, int]]:
    """Return what makes a table fit and its names differ: the figure that is left out next, and how short labels get."""
    all_input = "total_input_tokens" in columns
    first = [name for name in _LEFT_OUT_FIRST if all_input or name != "input_tokens"]
    last = ["output_tokens", "total_input_tokens" if all_input else "input_tokens", ""]
    return [*((name, _LABEL) for name in first), *((name, _SHORT_LABEL) for name in last)]


def says_no_more(figures: dict[str, Value]) -> bool:
    """Return whether all input is but the sum of the figures beside it."""
    parts = (figures.get("inputTokens") or 0) + (figures.get("cacheReadTokens") or 0)
    return parts == (figures.get("totalInputTokens") or 0)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
