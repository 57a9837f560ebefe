"""SQLite tables: the statements that make a table, and the values of its rows.

Takes: a table, and its rows. Returns: statements and tuples. Raises: nothing. Holds: one batch of rows.

The first column of each table is the computed `sessionNumber`: ids may repeat, numbers do not, so keys are made of
numbers. After each date-time there is a column with its offset. Text is TEXT, an integer INTEGER, a boolean 0 or 1, any
other value compact JSON as TEXT, absent NULL. Columns of decimals and of sums have no type, since SQLite would round digits
in a typed one: a decimal is REAL if that is the same number, otherwise TEXT with its digits; a sum of tokens is INTEGER, or
TEXT beyond 64 bits. A table more, `exportstream_info`, describes the file: a key and a value in each row, JSON if it is no
text.

SQLite keeps a NUL character in a text and everything after it; its function `length` and its shell stop at the NUL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from math import nan
from typing import Any

from exportstream.models.dates import offsets_of
from exportstream.writing.columns import Column, ColumnType, transposed
from exportstream.writing.formats.json import json_texts, to_json
from exportstream.writing.tables import Rows, Table

INFO = "exportstream_info"
CREATE_INFO = f'CREATE TABLE {INFO} (\n  "key" TEXT NOT NULL PRIMARY KEY,\n  "value" TEXT NOT NULL\n)'
INSERT_INFO = f"INSERT INTO {INFO} VALUES (?, ?)"  # noqa: S608 - a name of ours

KEYS = {
    "sessions": ["session_number"],
    "messages": ["session_number", "index"],
    "tool-calls": ["session_number", "message_index", "tool_call_index"],
}
_INDEXES = {
    "sessions": ["id", "created_at"],
    "messages": ["session_id", "role", "model", "created_at"],
    "tool-calls": ["session_id", "name", "message_id"],
}
_PARENTS: dict[str, list[str]] = {"sessions": [], "messages": ["sessions"], "tool-calls": ["sessions", "messages"]}
_NUMBER_NOTE = "computed: position of the session in this file, from 0"
_DECIMAL_NOTE = "REAL if that is the same number, otherwise TEXT with its digits"
_SUM_NOTE = "INTEGER, or TEXT beyond 64 bits"
_NULL = nan
_MANY = 64  # rows; a new statement costs as much as a text of each of 200 rows
_SHORT = 64  # characters
_DIGITS = 15  # so many digits are the same after they were a double


class SQLTable:
    """One table: its SQL statements, and the values of its rows. Keys refer only to the tables that are `present`.

    Attributes:
        create, indexes: statements.
    """

    def __init__(self, table: Table, present: set[str]) -> None:
        self._parts = table.columns
        columns = [column for part in table.columns for column in part]
        names = {column.attribute: column.name for column in columns}
        self._is_snake = table.is_snake
        names["session_number"] = "session_number" if table.is_snake else "sessionNumber"
        keys = [names[attribute] for attribute in KEYS[table.name]]
        self._key = keys[0]
        self._name = name = sql_name(table.name)
        lines = [
            (f'"{keys[0]}" INTEGER NOT NULL', _NUMBER_NOTE),
            *(line for column in columns for line in _column(column, is_snake=table.is_snake)),
            (f"PRIMARY KEY {_listed(keys)}", ""),
        ]
        for parent in _PARENTS[table.name]:
            if parent in present:
                shared = _listed(keys[: len(KEYS[parent])])
                lines.append((f"FOREIGN KEY {shared} REFERENCES {sql_name(parent)} {shared}", ""))
        last = len(lines) - 1
        text = "".join(
            f"  {line}{',' if number < last else ''}{note and f' -- {note}'}\n" for number, (line, note) in enumerate(lines)
        )
        self.create = f"CREATE TABLE {name} (\n{text})"
        self.indexes = [
            f'CREATE INDEX "{name}_{names[attribute]}" ON {name} ("{names[attribute]}")'
            for attribute in _INDEXES[table.name]
            if attribute in names
        ]

    def insertions(
        self, session_numbers: Sequence[int], rows: Rows, *, together: int = 16
    ) -> Iterator[tuple[str, Iterator[tuple[Any, ...]]]]:
        """Yield two statements that insert some rows, and for each run of a statement its values, made by column.

        Columns that no row has a value for are left out. A text that all rows share is part of the statement. A run of the
        first statement inserts several rows together, which costs less than as many runs; the second one inserts those
        that are left, one by one.
        """
        made: dict[str, Sequence[Any]] = {self._key: session_numbers}
        shared: dict[str, str] = {}
        for part, columns in zip(rows, self._parts, strict=True):
            for values, column in zip(transposed(part, columns), columns, strict=True):
                if not column.required and values[0] is None and values.count(None) == len(values):
                    continue
                for name, cells in self._cells(values, column):
                    if (text := _shared_text(cells)) is not None:
                        shared[name] = text
                    else:
                        made[name] = cells if column.required else _nulls(cells)
        insert = f"INSERT INTO {self._name} {_listed([*made, *shared])} VALUES "  # noqa: S608 - names of ours
        row = f"({', '.join([*'?' * len(made), *shared.values()])})"
        placed = list(made.values())
        end = len(session_numbers) // together * together
        together_cells = (column[start:end:together] for start in range(together) for column in placed)
        yield insert + ", ".join([row] * together), zip(*together_cells, strict=True)
        yield insert + row, zip(*(column[end:] for column in placed), strict=True)

    def _cells(self, values: Sequence[Any], column: Column) -> Iterator[tuple[str, Sequence[Any]]]:
        """Yield what is stored in a column, and in that of its offsets, each with its name."""
        yield column.name, _converted(values, column)
        if column.type is ColumnType.DATE_TIME:
            yield _offset_name(column, is_snake=self._is_snake), offsets_of(values)


def info_values(about: dict[str, Any]) -> list[tuple[str, str]]:
    """The rows of the table that describes the file."""
    return [(key, value if isinstance(value, str) else to_json(value).decode()) for key, value in about.items()]


def sql_name(table: str) -> str:
    """The name of a table in SQLite."""
    return table.replace("-", "_")


def _listed(names: Iterable[str]) -> str:
    return "(" + ", ".join(f'"{name}"' for name in names) + ")"


_SQL_TYPES = {ColumnType.INTEGER: "INTEGER", ColumnType.BOOLEAN: "INTEGER"}


def _column(column: Column, *, is_snake: bool) -> list[tuple[str, str]]:
    """The column's definition and a comment for readers of the schema; a second one for the offset of a date-time."""
    line, note = f'"{column.name}"', "JSON" if column.is_nested else ""
    if column.type is ColumnType.DECIMAL:
        note = f"{column.unit}: {_DECIMAL_NOTE}"
    elif column.is_sum:
        note = _SUM_NOTE
    else:
        line += " " + _SQL_TYPES.get(column.type, "TEXT")
    lines = [(line + (" NOT NULL" if column.required else ""), note)]
    if column.type is ColumnType.DATE_TIME:
        lines.append((f'"{_offset_name(column, is_snake=is_snake)}" TEXT', "Z, or hours and minutes from UTC"))
    return lines


def _offset_name(column: Column, *, is_snake: bool) -> str:
    return f"{column.name}_offset" if is_snake else f"{column.name}Offset"


def _shared_text(cells: Sequence[Any]) -> str | None:
    """The text that many rows share, as SQL; None if they differ. To bind a text takes ten times as long as a literal."""
    first = cells[0]
    if len(cells) < _MANY or type(first) is not str or first != cells[-1] or len(first) > _SHORT or "\0" in first:
        return None
    return "'" + first.replace("'", "''") + "'" if cells.count(first) == len(cells) else None


def _nulls(values: Iterable[Any]) -> list[Any]:
    """NaN for None, which SQLite stores as NULL too. For a None sqlite3 first looks for an adapter, five times as long."""
    return [_NULL if value is None else value for value in values]


def _converted(values: Sequence[Any], column: Column) -> Sequence[Any]:
    if column.is_nested:
        return json_texts(values)
    if column.type is ColumnType.DECIMAL:
        return [None if value is None else _real(value) for value in values]
    if column.type is ColumnType.BOOLEAN:  # sqlite3 looks for an adapter of a bool as well
        return [value if value is None else 1 if value else 0 for value in values]
    if column.is_sum:
        return [value if value is None or -(2**63) <= value < 2**63 else str(value) for value in values]
    return values


def _real(value: Decimal | int) -> float | str:
    """A float if it is the same number, else text; never an integer, which SQLite would divide without remainder."""
    text = str(value)
    if len(text) <= _DIGITS and "E" not in text:
        return float(text)
    try:
        real = float(value)
    except OverflowError:
        return text
    return real if Decimal(repr(real)) == value else text
