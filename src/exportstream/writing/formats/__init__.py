"""Output formats: one record for each, and a module of the same name that writes it.

A module has a function ``new_encoder(table, options)`` that returns a `writers.Encoder`; if its files hold `all_tables`,
``open_writer(output, options, transaction, origin)`` instead, which returns a `writers.Writer`. Its function
``recount(path, tables)`` reads a finished output again and returns a `recount.Recount`. A format that is `described` has a
function ``read_about(path)`` too, another ``names_in(line)`` for a first line. It is imported only for such an output.
A new format takes its module, its record here, and its suffixes in `FormatName`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal

from msgspec import Struct

from exportstream.storage.memory import explain_memory

FormatName = Literal[
    "ndjson",
    "ndjson.zst",
    "ndjson.gz",
    "jsonl",
    "jsonl.zst",
    "jsonl.gz",
    "csv",
    "csv.zst",
    "csv.gz",
    "parquet",
    "db",
    "sqlite",
    "sqlite3",
]  # what a file's name ends in: format and compression


class OutputFormat(Struct, frozen=True, kw_only=True):
    """One output format, as the other modules see it.

    Attributes:
        name: its name in reports and errors, and that of its module.
        title: its name in sentences.
        suffixes: of its files.
        compression: of a format that compresses inside, or not at all; its levels are those of this compression. None for a
            format that is compressed from outside.
        all_tables: whether one file holds all tables. Such a file is no stream.
        described: whether its files hold a description of themselves.
        csv_safe: whether it takes the option `csv_safe`.
        flat: whether it takes the option `flat`.
        apart: whether the bytes of a row don't depend on other rows.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    compression: str | None = None
    all_tables: bool = False
    described: bool = False
    csv_safe: bool = False
    flat: bool = False
    apart: bool = False

    def load(self) -> Any:
        """Import its module.

        Raises:
            MissingExtraError: it needs a library that is not installed.
            OutOfMemoryError, UsageError: that library can't be loaded.
        """
        with explain_memory():
            return import_module(f"{__name__}.{self.name}")


FORMATS: dict[str, OutputFormat] = {
    record.name: record
    for record in (
        OutputFormat(name="ndjson", title="NDJSON", suffixes=(".ndjson", ".jsonl"), flat=True, apart=True),
        OutputFormat(name="csv", title="CSV", suffixes=(".csv",), csv_safe=True, apart=True),
        OutputFormat(name="parquet", title="Parquet", suffixes=(".parquet",), compression="zstd", described=True),
        OutputFormat(
            name="sqlite",
            title="SQLite",
            suffixes=(".db", ".sqlite", ".sqlite3"),
            compression="none",
            all_tables=True,
            described=True,
        ),
    )
}
