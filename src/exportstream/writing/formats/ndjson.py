"""Rows as NDJSON: one JSON object a line.

Takes: the rows of `tables`. Returns: bytes, each row ended by a line feed. Raises: nothing; reading again see `recount`.
Holds: one batch of rows.
"""

from __future__ import annotations

from decimal import Decimal
from io import BytesIO
from typing import Any

import msgspec

from exportstream.errors import NotAnExportError
from exportstream.errors.patterns import late_pattern
from exportstream.writing.formats.json import ENCODER
from exportstream.writing.formats.recount import COST, SPELLINGS, TOOL_CALLS, Nothing, Recount, blocks_of_lines
from exportstream.writing.options import WriteOptions
from exportstream.writing.tables import Rows, Table
from exportstream.writing.writers import Encoder

_FIRST_NAME = late_pattern(rb'\{"(\w+)":')


def new_encoder(table: Table, options: WriteOptions) -> Encoder:
    """Return an encoder of the rows of a table."""
    del table, options  # each row has its names and values
    return NDJSON()


def recount(path: str, tables: tuple[str, ...]) -> Recount:
    """Count the rows and figures of a finished output; see `recount.Recount`."""
    found = Recount(tables)
    (table,) = tables
    # A figure that no row has stays unknown: its column may have been left out.
    decoder: Any = msgspec.json.Decoder(_figures() if table == "messages" else Nothing)
    for block in blocks_of_lines(path):
        try:
            rows = decoder.decode_lines(block)
        except msgspec.MsgspecError as error:
            raise NotAnExportError(f"a row after the first {found.rows[table]:,} is no row: {error}") from error
        found.rows[table] += len(rows)
        if table == "messages":
            for name, figure in SPELLINGS.items():
                if values := [value for row in rows if (value := getattr(row, name)) is not None]:
                    found.add(figure, map(len, values) if figure == TOOL_CALLS else values)
    return found


def names_in(line: bytes) -> list[str]:
    """Return the names in the first line of a file; of a line that goes on, or is no JSON, its first one."""
    try:
        return list(msgspec.json.decode(line, type=dict[str, msgspec.Raw]))
    except msgspec.MsgspecError:
        first = _FIRST_NAME.match(line)
        return ["" if first is None else first[1].decode()]


def _figures() -> Any:
    """Return a struct of the fields of messages that hold figures, in camelCase and in snake_case."""
    types: dict[str, Any] = {COST: Decimal, TOOL_CALLS: list[Nothing]}
    return msgspec.defstruct("Figures", [(name, types.get(figure, int) | None, None) for name, figure in SPELLINGS.items()])


class NDJSON(Encoder):
    """One JSON object a line; absent fields are left out."""

    def encode(self, rows: Rows) -> bytes:
        """The lines of some rows; their places, prices and running totals are joined to their row's object."""
        if len(rows) == 1:
            return ENCODER.encode_lines(rows[0])
        return b"".join(_joined(rows))


def _joined(rows: Rows) -> list[bytes]:
    """The pieces of each line: an object without its last brace, a comma and what is in another object, and so on."""
    width = 2 * len(rows)
    pieces = [b"}\n"] * (width * len(rows[0]))
    for number, part in enumerate(rows):
        lines = BytesIO(ENCODER.encode_lines(part))  # only at the end of a line is a line feed
        if number == 0:
            pieces[::width] = [line[:-2] for line in lines]
        else:
            inner = [line[1:-2] for line in lines]
            pieces[2 * number :: width] = inner
            pieces[2 * number - 1 :: width] = [b"," if text else b"" for text in inner]  # an object may be empty
    return pieces
