"""Rows as CSV.

Takes: the rows of `tables`. Returns: bytes, each row ended by a line feed. Raises: nothing. Holds: one batch of rows.

It is RFC 4180 with line feeds: every text cell is quoted, a quote in it doubled; absent is an empty cell without quotes,
an empty text is ``""``; numbers and booleans are bare; objects and arrays are compact JSON in a text cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from msgspec.structs import astuple

from exportstream.storage.transaction import Transaction
from exportstream.writing.columns import Column, getter
from exportstream.writing.formats.json import json_cells
from exportstream.writing.options import WriteOptions
from exportstream.writing.outputs import Output
from exportstream.writing.tables import Rows, Table
from exportstream.writing.writers import EncodedWriter, Origin, Writer

_RISKY = re.compile(r"[=+\-@\t\r]")
_LONG = 256  # bytes; longer texts on average are looked at one by one, shorter ones by column


def open_writer(output: Output, options: WriteOptions, transaction: Transaction, origin: Origin) -> Writer:
    """Open a CSV output; see `writers.Writer`."""
    return EncodedWriter(lambda table: CSV(table, safe=options.csv_safe), output, options, transaction, origin)


class CSV:
    """Every column in every row.

    The work is done by column, a batch at a time, so that the loops run in C, and in bytes, so that one wide character
    does not make every text of the batch wide. A column becomes a list of cells, or of bare texts with the quotes in the
    constant pieces between the columns; all pieces of all rows are joined once.

    Args:
        table: the table whose columns these are.
        safe: prefix cells that a spreadsheet would run (``= + - @``, tab, CR first) with an apostrophe; changes data.
    """

    def __init__(self, table: Table, *, safe: bool = False) -> None:
        self._parts = [(getter(part), part) for part in table.columns]
        self._safe = safe
        self._is_alone = sum(map(len, table.columns)) == 1  # absent is "" then: readers pass over an empty line

    def header(self) -> bytes:
        """The column names."""
        return (",".join(f'"{column.name}"' for _, part in self._parts for column in part) + "\n").encode()

    def finish(self) -> bytes:
        """Nothing: the last line is like the others."""
        return b""

    def encode(self, rows: Rows) -> bytes:
        """The lines of some rows."""
        count = len(rows[0])
        constants: list[bytes] = []  # before, between and after the columns that have cells
        varying: list[list[bytes]] = []
        constant = b""
        for part, (get, columns) in zip(rows, self._parts, strict=True):
            for values, column in zip(_transposed(part, get, len(columns)), columns, strict=True):
                cells, quote = self._cells(values, column)
                if self._is_alone and not quote:
                    cells = [cell or b'""' for cell in cells]
                if len(cells) == 1:  # the same in all rows
                    constant += quote + cells[0] + quote + b","
                else:
                    constants.append(constant + quote)
                    varying.append(cells)
                    constant = quote + b","
        constants.append(constant[:-1] + b"\n")
        width = len(constants) + len(varying)
        pieces = [b""] * (width * count)
        for number, text in enumerate(constants):
            pieces[2 * number :: width] = [text] * count
        for number, cells in enumerate(varying):
            pieces[2 * number + 1 :: width] = cells
        return b"".join(pieces)

    def _cells(self, values: list[Any], column: Column) -> tuple[list[bytes], bytes]:
        """The cells of one column, or just one if all are the same; and the quote that belongs around each of them."""
        first, text = values[0], column.is_text
        if (first is None or text) and first == values[-1] and values.count(first) == len(values):
            return (self._texts([first]), b'"') if first is not None else ([b""], b"")
        if not text:
            return self._others(values, bare=not column.is_nested), b""
        given = values if column.required else [value for value in values if value is not None]
        cells = self._texts(given)
        if len(given) == len(values):
            return cells, b'"'
        quoted = iter([b'"' + cell + b'"' for cell in cells])
        return [b"" if value is None else next(quoted) for value in values], b""

    def _texts(self, values: Sequence[str]) -> list[bytes]:
        """Texts with their quotes doubled; most columns have none, and are looked through at once."""
        if self._safe:
            values = ["'" + value if _RISKY.match(value) else value for value in values]
        texts = list(map(str.encode, values))
        if sum(map(len, texts)) > _LONG * len(texts):
            return [text.replace(b'"', b'""') for text in texts]
        joined = b"\0".join(texts)
        if b'"' not in joined:
            return texts
        if joined.count(b"\0") == len(texts) - 1:
            return joined.replace(b'"', b'""').split(b"\0")
        return [text.replace(b'"', b'""') for text in texts]

    def _others(self, values: Sequence[Any], *, bare: bool) -> list[bytes]:
        """Numbers and booleans bare, other values as quoted JSON. A spreadsheet would run JSON that begins with -."""
        cells = json_cells(values)
        if bare:
            return [cell or b"" for cell in cells] if None in cells else cells
        if self._safe:
            cells = [b"'" + cell if cell and cell.startswith(b"-") else cell for cell in cells]
        return [b'"' + cell.replace(b'"', b'""') + b'"' if cell else b"" for cell in cells]


def _transposed(rows: Sequence[Any], get: Callable[[Any], tuple[Any, ...]], width: int) -> list[list[Any]]:
    """The values of rows, column by column: slices of one flat list, twice as fast as zip."""
    flat = list(chain.from_iterable(map(astuple, rows)))
    if len(flat) != width * len(rows):  # structs that have more fields after the columns
        flat = list(chain.from_iterable(map(get, rows)))
    return [flat[number::width] for number in range(width)]
