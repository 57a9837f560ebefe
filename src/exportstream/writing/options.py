"""How rows are written: `WriteOptions`, made and checked once, and passed on unchanged, also to workers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from msgspec import Struct

from exportstream.errors import UsageError
from exportstream.writing.formats import FormatName
from exportstream.writing.tables import TABLES

__all__ = ["FORMAT_NAMES", "FormatName", "Keys", "TableName", "WriteOptions", "tables_of"]

FORMAT_NAMES: tuple[str, ...] = get_args(FormatName)
TableName = Literal["messages", "tool-calls", "sessions", "all"]
Keys = Literal["camel", "snake"]


class WriteOptions(Struct, frozen=True, kw_only=True):
    """How rows are written.

    Attributes:
        format: of the outputs with its compression, or None: their suffixes decide.
        tables: names of tables; none for the default: messages, or all tables in a format whose files hold all.
        level: of the compression, or None for its default.
        keys: ``camel``, the export's own names, or ``snake``.
        running_totals: whether each row gets the totals after it.
        csv_safe: whether CSV cells that a spreadsheet would run begin with an apostrophe.
        force: whether outputs that exist are replaced.

    Raises:
        UsageError: a word is not one of these.
    """

    format: FormatName | None = None
    tables: tuple[str, ...] = ()
    level: int | None = None
    keys: Keys = "camel"
    running_totals: bool = False
    csv_safe: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        """Check the words."""
        for name, value, known in (
            ("format", self.format, FORMAT_NAMES),
            ("keys", self.keys, ("camel", "snake")),
        ):
            if value is not None and value not in known:
                raise UsageError(f"expected {name} to be one of {', '.join(known)}, got {value!r}")
        for table in self.tables:
            if table not in TABLES:
                raise UsageError(f"expected table to be one of {', '.join(TABLES)} or all, got {table!r}")


def tables_of(table: str | Iterable[str] | None) -> tuple[str, ...]:
    """The names of tables that were asked for: one, several, ``all``, or none for the default."""
    names = (table,) if isinstance(table, str) else tuple(dict.fromkeys(table or ()))
    return TABLES if "all" in names else names
