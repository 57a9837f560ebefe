"""Writers: the rows of one reading go to every output that was asked for.

Takes: batches, as `Export.batches` yields them. Raises, Holds: as `formats` and `storage.sink`, for each output.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from exportstream.storage.sink import open_sink
from exportstream.storage.transaction import Transaction
from exportstream.totals.batch import Batch
from exportstream.writing.formats import FORMATS
from exportstream.writing.formats.json import to_json
from exportstream.writing.options import WriteOptions
from exportstream.writing.outputs import Output
from exportstream.writing.tables import Rows, Table


class Origin(Struct, frozen=True):
    """A conversion as its writers see it.

    Attributes:
        path: of the input, which is never overwritten; None if it is not known.
        size: of the input in bytes, None if it is not known.
        dedupe: whether sessions that come again have no row; new messages of theirs do.
        digest: whether the SHA-256 of each output is computed.
        outputs: how many are written at the same time.
    """

    path: str | None = None
    size: int | None = None
    dedupe: bool = False
    digest: bool = False
    outputs: int = 1


UNKNOWN = Origin()


class Written(Struct, frozen=True):
    """One output in figures.

    Attributes:
        target: its name.
        tables: those in it.
        format, compression: as words.
        rows: how many there are, of all tables.
        table_rows: rows of each table.
        bytes_encoded: bytes before compression; 0 for SQLite.
        bytes_written: bytes as stored.
        sha256: of those bytes, if the output was recorded in a manifest.
        large_columns: with `csv_safe`, columns with cells that a spreadsheet can't hold: of more than 32,767 characters.
    """

    target: str
    tables: tuple[str, ...]
    format: str
    compression: str
    rows: int
    table_rows: dict[str, int]
    bytes_encoded: int
    bytes_written: int
    sha256: str | None = None
    large_columns: tuple[str, ...] = ()


class Writer(Protocol):
    """Writes the rows of batches to one output, whose destination is part of a transaction.

    Attributes:
        name: of the output.
        rows: how many were written, of each table.
        large_columns: those with cells that a spreadsheet can't hold, as far as they are looked for.
        bytes_in: bytes of rows before compression, after `finish`; 0 if they have no form but that of the output.
        bytes_out: bytes of the output as stored, after `finish`.
        sha256: of those, after `finish`; None if it was not asked for.
    """

    name: str
    rows: dict[str, int]
    large_columns: set[str]
    bytes_in: int
    bytes_out: int
    sha256: str | None

    def add(self, batch: Batch) -> None:
        """Write the rows of a batch."""

    def finish(self, about: dict[str, Any] | None = None) -> None:
        """Write what comes after the last row; only the output's name is missing then.

        Args:
            about: a description of the output, which a format that has a place for it keeps, with the rows of each table.
        """


class Writers:
    """The writers of all outputs of a conversion.

    Raises:
        UsageError, WriteError: an output can't be opened.
    """

    def __init__(
        self, outputs: Sequence[Output], options: WriteOptions, transaction: Transaction, origin: Origin = UNKNOWN
    ) -> None:
        self._outputs = outputs
        self._writers = [_open_writer(output, options, transaction, origin) for output in outputs]

    def add(self, batch: Batch) -> None:
        """Write a batch to all outputs."""
        if batch.worked is not None:
            for one, encoded in zip(self._writers, batch.worked.made, strict=True):
                assert isinstance(one, EncodedWriter)
                one.add_encoded(encoded)
            return
        for writer in self._writers:
            writer.add(batch)

    def finish(self, describe: Callable[[Output], dict[str, Any] | None] = lambda _: None) -> None:
        """Write what comes after the last row, and the description of an output in a format that keeps one."""
        for output, writer in zip(self._outputs, self._writers, strict=True):
            writer.finish(describe(output) if FORMATS[output.format].described else None)

    @property
    def written(self) -> list[Written]:
        """Each output in figures, complete after `finish`."""
        return [
            Written(
                one.name,
                output.tables,
                output.format,
                output.compression,
                sum(one.rows.values()),
                one.rows,
                one.bytes_in,
                one.bytes_out,
                one.sha256,
                tuple(sorted(one.large_columns)),
            )
            for output, one in zip(self._outputs, self._writers, strict=True)
        ]


class Encoded(Struct):
    """Rows of one output that were encoded elsewhere.

    Attributes:
        data: their bytes, compressed as the output is: whole frames.
        rows: how many there are.
        size: bytes before compression.
        large_columns: see `Writer`.
    """

    data: bytes
    rows: int
    size: int
    large_columns: set[str]


class Encoder(ABC):
    """Turns the rows of one table into bytes.

    Attributes:
        large_columns: see `Writer`.
    """

    def __init__(self) -> None:
        self.large_columns: set[str] = set()

    def header(self) -> bytes:
        """Return what comes before the first row."""
        return b""

    @abstractmethod
    def encode(self, rows: Rows) -> bytes:
        """Return some rows; it may keep them back until there are more."""

    def finish(self, about: bytes | None = None) -> bytes:  # noqa: ARG002 - for formats that are described
        """Return what comes after the last row; `about` describes the file, as JSON."""
        return b""


class EncodedWriter:
    """Writes one table as the bytes of an encoder; see `Writer`."""

    def __init__(self, output: Output, options: WriteOptions, transaction: Transaction, origin: Origin) -> None:
        format_ = FORMATS[output.format]
        self._table = Table(output.tables[0], options)
        self._encoder: Encoder = format_.load().new_encoder(self._table, options)
        outside = format_.compression is None
        self._sink = transaction.add(
            open_sink(
                output.target,
                compression=output.compression if outside else "none",
                level=options.level if outside else None,
                force=options.force,
                source_path=origin.path,
                source_size=origin.size,
                digest=origin.digest,
                beside_others=origin.outputs > 1,
            )
        )
        # The sink keeps it, even one of no bytes, until there are rows. Before rows that others compressed it is a frame of
        # its own: a reader that takes only the first frame then gets no rows, rather than some of them.
        self._sink.write(self._encoder.header())
        self.name = self._sink.name
        self.rows = {self._table.name: 0}
        self.large_columns = self._encoder.large_columns
        self.bytes_in = self.bytes_out = 0
        self.sha256: str | None = None

    def add(self, batch: Batch) -> None:
        """Write the rows of a batch."""
        rows = self._table.rows(batch)
        if rows is not None:
            self._sink.write(self._encoder.encode(rows))
            self.rows[self._table.name] += len(rows[0])

    def add_encoded(self, encoded: Encoded) -> None:
        """Write rows that were encoded elsewhere."""
        if encoded.rows:
            self._sink.write_compressed(encoded.data, encoded.size)
            self.rows[self._table.name] += encoded.rows
            self.large_columns |= encoded.large_columns

    def finish(self, about: dict[str, Any] | None = None) -> None:
        """Write what comes after the last row; only the output's name is missing then."""
        self._sink.write(self._encoder.finish(None if about is None else to_json(about | {"rows": self.rows})))
        self._sink.finish()
        self.bytes_in, self.bytes_out, self.sha256 = self._sink.bytes_in, self._sink.bytes_out, self._sink.sha256


def _open_writer(output: Output, options: WriteOptions, transaction: Transaction, origin: Origin) -> Writer:
    format_ = FORMATS[output.format]
    if not format_.all_tables:
        return EncodedWriter(output, options, transaction, origin)
    writer: Writer = format_.load().open_writer(output, options, transaction, origin)
    return writer
