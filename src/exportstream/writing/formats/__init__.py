"""Encode: rows become the bytes of an output, in one module for each format.

An `Encoder` takes the rows of one table and returns bytes: `header` before the first, `encode` for each batch, `finish`
after the last. Raises and holds: what the module of the format says.
"""

from __future__ import annotations

from typing import Protocol

from exportstream.storage.memory import import_error
from exportstream.writing.formats.csv import CSV
from exportstream.writing.formats.json import to_json, to_printable_json
from exportstream.writing.formats.ndjson import NDJSON
from exportstream.writing.tables import Rows, Table

__all__ = ["CSV", "NDJSON", "Encoder", "new_encoder", "to_json", "to_printable_json"]


class Encoder(Protocol):
    """Rows of one table, as bytes."""

    def header(self) -> bytes:
        """What comes before the first row."""

    def encode(self, rows: Rows) -> bytes:
        """Some rows; may hold them back until there are more."""

    def finish(self) -> bytes:
        """What comes after the last row."""


def new_encoder(format: str, table: Table, *, level: int | None = None, safe: bool = False) -> Encoder:  # noqa: A002
    """An encoder for the rows of a table.

    Args:
        format: one of `outputs.FORMATS` that is made of bytes.
        table: whose rows.
        level: compression level, where the format compresses by itself.
        safe: `CSV` only: prefix cells a spreadsheet would run.

    Raises:
        MissingExtraError: the format needs a library that is not installed.
    """
    if format == "csv":
        return CSV(table, safe=safe)
    if format == "parquet":
        try:
            from exportstream.writing.formats.parquet import Parquet  # noqa: PLC0415 - an extra, and slow to import
        except ImportError as error:
            raise import_error("Parquet", "pyarrow", "parquet", error) from error
        return Parquet(table, level=level)
    return NDJSON()
