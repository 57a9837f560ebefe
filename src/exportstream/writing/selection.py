"""Selections: the columns that were asked for, and rows that have no others.

Takes: the columns of a table, and names as a user writes them. Returns: columns, and rows as structs. Raises: `UsageError`
for a name that no table has, and for a table that would have no columns. Holds: the rows of one batch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain, islice
from operator import attrgetter
from typing import Any

from msgspec import UNSET, Struct, defstruct

from exportstream.errors import UsageError, did_you_mean
from exportstream.writing.columns import Column, ColumnType
from exportstream.writing.formats.json import json_texts

TABLES = ("messages", "tool-calls", "sessions")


class _Name(Struct, frozen=True):
    """The name of a column as it was given: ``[TABLE.]COLUMN[.FIELD]``."""

    table: str | None
    column: str
    field: str

    def is_of(self, table: str) -> bool:
        """Whether it may be a column of a table."""
        return self.table in (None, table)


def _parse(name: str) -> _Name:
    first, _, rest = name.partition(".")
    if first in TABLES and rest:
        return _Name(first, *rest.partition(".")[::2])
    return _Name(None, first, rest)


def _matching(columns: Sequence[Column], name: str) -> list[Column]:
    """The column of that name, in camelCase or snake_case whatever the output has: no two differ in this alone."""
    return [column for column in columns if _plain(column.name) == _plain(name)]


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def refuse_unknown(tables: Mapping[str, Sequence[Column]], columns: Sequence[str] | None, without: Sequence[str]) -> None:
    """Refuse names to write and to leave out, `without` also of fields, that are of no table; `tables` has all columns."""
    for option, names in (("columns", columns or ()), ("without", without)):
        for text in names:
            name = _parse(text)
            found = [one for table, known in tables.items() if name.is_of(table) for one in _matching(known, name.column)]
            if option == "columns" and name.field:
                hint = "`without` takes fields" if found else None
                raise UsageError(f"expected `columns` to name whole columns, got {text!r}", hint=hint)
            if name.column == "*" and option == "columns" and (name.table is None or name.table in tables):
                continue
            if name.field and any(column.fields for column in found):
                fields = [field for column in found for field in column.fields]
                if not _matching(fields, name.field):
                    listed = ", ".join(field.name for field in fields)
                    raise UsageError(f"expected a field of {name.column}, got {text!r}", hint=f"its fields are {listed}")
            elif name.field or not found:
                listed = "; ".join(f"{table}: {', '.join(one.name for one in known)}" for table, known in tables.items())
                what = f"expected `{option}` to name columns that are written, got {text!r}"
                near = _missing_option(name.column)
                near = near or did_you_mean(name.column, [one.name for known in tables.values() for one in known])
                raise UsageError(what, hint=near or listed)


def _missing_option(column: str) -> str | None:
    """Return a hint at the option that a column goes with; None for any other name."""
    plain = _plain(column)
    option = "prices" if plain == "costsource" else "running_totals" if plain.startswith("running") else None
    return f"it goes with `{option}`" if option else None


def choose(
    table: str,
    known: Sequence[Column],
    usual: Sequence[Column],
    *,
    columns: Sequence[str] | None,
    without: Sequence[str],
    key: Sequence[str],
) -> list[Column]:
    """Choose the columns of a table, of those it can have.

    Args:
        table: its name.
        known: the columns it can have.
        usual: those it has unless told otherwise; ``*`` among the names.
        columns: names to write in this order, None for the usual ones. Names of other tables are passed over.
        without: names to leave out; of tool calls also ``toolCalls.result`` and the like.
        key: attributes that stay, first.
    """
    chosen: dict[str, Column] = {}
    for name in (_parse(text) for text in (("*",) if columns is None else columns)):
        if name.is_of(table):
            found = usual if name.column == "*" else _matching(known, name.column)
            chosen |= {column.attribute: column for column in found}
    for name in (_parse(text) for text in without):
        for column in _matching(list(chosen.values()), name.column) if name.is_of(table) else ():
            if not name.field:
                del chosen[column.attribute]
                continue
            out = _matching(column.fields, name.field)
            fields = tuple(field for field in column.fields if field not in out)
            if not fields:
                raise UsageError(f"`without` leaves no field of {column.name}", hint=f"leave {column.name} itself out")
            chosen[column.attribute] = column._replace(fields=fields)
    if not chosen:
        what = "columns" if columns is not None else "without"
        raise UsageError(
            f"`{what}` leaves no column of {table}", hint=f"name one, such as {table}.*, or choose other tables with `table`"
        )
    kept = [column for column in known if column.attribute in key and column.attribute not in chosen]
    return [*kept, *chosen.values()]


class Selection:
    """Makes rows of some columns: structs that have these fields, in this order.

    Args:
        parts: for each of the lists that rows are made of, the attributes that its items have.
        flat: whether absent values are written as null, and any JSON as text.
    """

    def __init__(self, columns: Sequence[Column], parts: Sequence[Collection[str]], *, flat: bool) -> None:
        self.columns = list(columns)
        self._flat = flat
        self._parts = [next(n for n, part in enumerate(parts) if one.attribute in part) for one in columns]
        self._calls = [
            Selection(one.fields, [[field.attribute for field in one.fields]], flat=flat) if one.fields else None
            for one in columns
        ]
        # Every field has a default, so that values can be given by position; UNSET is the default of those always written.
        fields = [(one.attribute, Any, None if one.left_out and not flat else UNSET) for one in columns]
        names = {one.attribute: one.name for one in columns}
        self._kind = defstruct("Row", fields, rename=names, omit_defaults=True, gc=False)

    def rows(self, parts: Sequence[Sequence[Any]]) -> list[Any]:
        """Make the rows of one list for each part."""
        return list(map(self._kind, *map(self._values, self.columns, (parts[n] for n in self._parts), self._calls)))

    def _values(self, column: Column, items: Sequence[Any], calls: Selection | None) -> Any:
        values = map(attrgetter(column.attribute), items)
        if calls is not None:
            return calls.nested(list(values))
        if self._flat and column.type is ColumnType.JSON:
            return json_texts(list(values))
        return values

    def nested(self, values: Sequence[Sequence[Any] | None]) -> list[list[Any] | None]:
        """Make rows of the items of lists, and lists of them again."""
        made = iter(self.rows([list(chain.from_iterable(filter(None, values)))]))
        return [None if value is None else list(islice(made, len(value))) for value in values]
