"""How rows are written: `WriteOptions`, made and checked once, and passed on unchanged, also to workers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from msgspec import Struct

from exportstream.errors import OptionError, check_flags, check_numbers
from exportstream.writing.formats import FormatName
from exportstream.writing.selection import TABLES

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
        columns: names of columns to write, in this order; None for the usual ones.
        without: names of columns to leave out, and of fields in them.
        flat: whether NDJSON has every column in every row, and any JSON as text.
        place: whether rows have the columns `file` and `sessionNumber`, as those of merged inputs do.
        priced: whether messages without a cost get their price, and all messages the column `costSource`.
        csv_safe: whether CSV cells that a spreadsheet would run begin with an apostrophe.
        force: whether outputs that exist are replaced.

    Raises:
        OptionError: a value is not one of these.
    """

    format: FormatName | None = None
    tables: tuple[str, ...] = ()
    level: int | None = None
    keys: Keys = "camel"
    running_totals: bool = False
    columns: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    flat: bool = False
    place: bool = False
    priced: bool = False
    csv_safe: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        for name, value, known in (("format", self.format, FORMAT_NAMES), ("keys", self.keys, ("camel", "snake"))):
            if value is not None and value not in known:
                raise OptionError(f"expected {name} to be one of {', '.join(known)}, got {value!r}")
        check_flags(running_totals=self.running_totals, flat=self.flat, place=self.place)
        check_flags(csv_safe=self.csv_safe, force=self.force)
        check_numbers(level=self.level)
        for table in self.tables:
            if table not in TABLES:
                raise OptionError(f"expected table to be one of {', '.join(TABLES)} or all, got {table!r}")


def split_names(names: str | Iterable[str] | None, option: str) -> tuple[str, ...] | None:
    """The names in a text with commas, or in several, each once; None if nothing was said. Anything else is an error."""
    if names is None:
        return None
    texts = (names,) if isinstance(names, str) else tuple(names) if isinstance(names, Iterable) else (names,)
    if not all(isinstance(text, str) for text in texts):
        raise OptionError(f"expected {option} to be a name or several, got {names!r}")
    return tuple(dict.fromkeys(name.strip() for text in texts for name in text.split(",")))


def tables_of(table: str | Iterable[str] | None) -> tuple[str, ...]:
    """The names of tables that were asked for: one, several, with commas or apart, ``all``, or none for the default."""
    names = split_names(table, "table") or ()
    return TABLES if "all" in names else names
