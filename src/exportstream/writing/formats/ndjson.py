"""Rows as NDJSON: one JSON object a line.

Takes: the rows of `tables`. Returns: bytes, each row ended by a line feed. Raises: nothing. Holds: one batch of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from exportstream.storage.transaction import Transaction
from exportstream.writing.formats.json import ENCODER
from exportstream.writing.options import WriteOptions
from exportstream.writing.outputs import Output
from exportstream.writing.tables import PlaceRow, Rows
from exportstream.writing.writers import EncodedWriter, Origin, Writer


def open_writer(output: Output, options: WriteOptions, transaction: Transaction, origin: Origin) -> Writer:
    """Open an NDJSON output; see `writers.Writer`."""
    return EncodedWriter(lambda _: NDJSON(), output, options, transaction, origin)


class NDJSON:
    """One JSON object a line; absent fields are left out."""

    def header(self) -> bytes:
        """Nothing: each line names its fields."""
        return b""

    def finish(self) -> bytes:
        """Nothing: the last line is like the others."""
        return b""

    def encode(self, rows: Rows) -> bytes:
        """The lines of some rows; their places and running totals are joined to their row's object."""
        if len(rows) == 1:
            return ENCODER.encode_lines(rows[0])
        if len(rows) == 2 and isinstance(rows[1][0], PlaceRow):
            return b"".join(_placed(*rows))
        encode = ENCODER.encode
        return b"".join(b"{%b}\n" % b",".join([encode(part)[1:-1] for part in row]) for row in zip(*rows, strict=True))


def _placed(rows: list[Any], places: list[Any]) -> Iterator[bytes]:
    """Add its place to each row, for all rows of a session at once: only at the end of a line is a } before a line feed."""
    at = 0
    for place, same in groupby(places):
        end = at + sum(1 for _ in same)
        yield ENCODER.encode_lines(rows[at:end]).replace(b"}\n", b",%b\n" % ENCODER.encode(place)[1:])
        at = end
