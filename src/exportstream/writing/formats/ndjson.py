"""Rows as NDJSON: one JSON object a line.

Takes: the rows of `tables`. Returns: bytes, each row ended by a line feed. Raises: nothing. Holds: one batch of rows.
"""

from __future__ import annotations

from exportstream.storage.transaction import Transaction
from exportstream.writing.formats.json import ENCODER
from exportstream.writing.options import WriteOptions
from exportstream.writing.outputs import Output
from exportstream.writing.tables import Rows
from exportstream.writing.writers import EncodedWriter, Origin, Writer


def open_writer(output: Output, options: WriteOptions, transaction: Transaction, origin: Origin) -> Writer:
    """Open an NDJSON output; see `writers.Writer`."""
    return EncodedWriter(lambda _: NDJSON(), output, options, transaction, origin)


class NDJSON:
    """One JSON object a line; absent fields are left out."""

    def header(self) -> bytes:
        """Nothing: each line names its fields."""
        return b""

    def finish(self, about: bytes | None = None) -> bytes:  # noqa: ARG002 - there is no place for it
        """Nothing: the last line is like the others."""
        return b""

    def encode(self, rows: Rows) -> bytes:
        """The lines of some rows; running totals are joined to their row's object."""
        if len(rows) == 1:
            return ENCODER.encode_lines(rows[0])
        encode = ENCODER.encode
        return b"".join(b"%b,%b\n" % (encode(row)[:-1], encode(running)[1:]) for row, running in zip(*rows, strict=True))
