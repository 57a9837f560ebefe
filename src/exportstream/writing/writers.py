"""Write: the rows of one reading go to every output that was asked for.

Takes: batches, as `Export.batches` gives them. Raises: what `formats` and
`storage.sink` raise. Holds: what those hold, for each output.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Protocol, Self

from msgspec import Struct

from exportstream.storage.sink import Sink, open_sink
from exportstream.totals.batch import Batch
from exportstream.writing.formats import new_encoder
from exportstream.writing.options import WriteOptions
from exportstream.writing.outputs import Output
from exportstream.writing.tables import Table


class Origin(Struct, frozen=True):
    """The input, as far as it matters to outputs: its path, which is never overwritten, and its size, where known."""

    path: str | None = None
    size: int | None = None


_NOWHERE = Origin()


class Written(Struct, frozen=True):
    """What went to one output: `rows`, `bytes_encoded` before compression (0 for SQLite), `bytes_written` as stored."""

    target: str
    tables: tuple[str, ...]
    format: str
    compression: str
    rows: int
    bytes_encoded: int
    bytes_written: int


class Writer(Protocol):
    """Takes the parts of a reading to one output."""

    def begin(self) -> None:
        """Write what comes before the first row."""

    def add(self, batch: Batch) -> None:
        """Write the rows of one batch."""

    def finish(self) -> None:
        """Write what comes after the last row."""

    def commit(self) -> None:
        """Give the output its name."""

    def undo_commit(self) -> None:
        """Take back what `commit` did, where nothing stood under the name before. Never raises."""

    def abort(self) -> None:
        """Give up what is not committed. Never raises."""

    def written(self) -> Written:
        """What was written."""


class Writers:
    """All outputs of one conversion; in a ``with`` they are committed together, or none is."""

    def __init__(self, outputs: Sequence[Output], options: WriteOptions, origin: Origin = _NOWHERE) -> None:
        self._writers: list[Writer] = []
        self._finished = False
        with ExitStack() as undo:
            for output in outputs:
                writer: Writer = (
                    _DatabaseWriter(output, options, origin)
                    if output.format == "sqlite"
                    else _RowsWriter(output, options, origin)
                )
                undo.callback(writer.abort)
                self._writers.append(writer)
            undo.pop_all()

    def begin(self) -> None:
        """Write what comes before the first row."""
        for writer in self._writers:
            writer.begin()

    def add(self, batch: Batch) -> None:
        """Write one batch to all outputs."""
        for writer in self._writers:
            writer.add(batch)

    def finish(self) -> None:
        """Write what comes after the last row; only their names are missing then."""
        if not self._finished:
            for writer in self._writers:
                writer.finish()
            self._finished = True

    @property
    def written(self) -> list[Written]:
        """What went to each output."""
        return [writer.written() for writer in self._writers]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with ExitStack() as undo:
            for writer in self._writers:
                undo.callback(writer.abort)
            if kind is None:
                self.finish()
                for writer in self._writers:
                    writer.commit()
                    undo.callback(writer.undo_commit)
                undo.pop_all()


class _RowsWriter:
    """One table, as the bytes of its format, into one sink."""

    def __init__(self, output: Output, options: WriteOptions, origin: Origin) -> None:
        self._output = output
        self._table = Table(output.tables[0], keys=options.keys, running=options.running_totals)
        inside = output.format == "parquet"  # it compresses by itself
        self._encoder = new_encoder(
            output.format, self._table, level=options.level if inside else None, safe=options.csv_safe
        )
        self._sink: Sink = open_sink(
            output.target,
            compression="none" if inside else output.compression,
            level=None if inside else options.level,
            force=options.force,
            source_path=origin.path,
            source_size=origin.size,
        )
        self._rows = 0

    def begin(self) -> None:
        self._sink.write(self._encoder.header())

    def add(self, batch: Batch) -> None:
        for rows in self._table.rows(batch):
            self._sink.write(self._encoder.encode(rows))
            self._rows += len(rows[0])

    def finish(self) -> None:
        self._sink.write(self._encoder.finish())
        self._sink.finish()

    def commit(self) -> None:
        self._sink.commit()

    def undo_commit(self) -> None:
        self._sink.undo_commit()

    def abort(self) -> None:
        self._sink.abort()

    def written(self) -> Written:
        output, sink = self._output, self._sink
        return Written(
            sink.name, output.tables, output.format, output.compression, self._rows, sink.bytes_in, sink.bytes_out
        )


class _DatabaseWriter:
    """Several tables into one SQLite file."""

    def __init__(self, output: Output, options: WriteOptions, origin: Origin) -> None:
        from exportstream.writing.formats.sqlite import Database  # noqa: PLC0415 - few write SQLite, and it slows the command's start

        self._output = output
        self._tables = [Table(name, keys=options.keys, running=options.running_totals) for name in output.tables]
        self._database: Any = Database(output.target, self._tables, force=options.force, source_path=origin.path)
        self._rows = 0

    def begin(self) -> None:
        pass

    def add(self, batch: Batch) -> None:
        for messages, end in batch.by_session():
            for table in self._tables:
                for rows in table.rows(Batch(messages, [end] if end is not None else [])):
                    self._database.write(table, rows)
                    self._rows += len(rows[0])
            if end is not None:
                self._database.end_session()

    def finish(self) -> None:
        self._database.finish()

    def commit(self) -> None:
        self._database.commit()

    def undo_commit(self) -> None:
        self._database.undo_commit()

    def abort(self) -> None:
        self._database.abort()

    def written(self) -> Written:
        output = self._output
        return Written(self._database.name, output.tables, "sqlite", "none", self._rows, 0, self._database.bytes_out)
