"""Rows as Parquet, with typed columns (the extra `parquet`, pyarrow).

Takes: the rows of `tables`. Returns: bytes; those before the footer are of no use without it. Raises: `LimitError` for a
sum beyond 64 bits and for a message with 2 GiB of text in a column.
Holds: one row group (`ROW_GROUP` bytes, or one row if that is larger) as columns and as encoded pages while it is written,
the next one, and one batch of rows. Measured: a process of 230 MB at most, 70 MB of them pyarrow itself, or 5 times the
largest message (6 times, if it can't be compressed). Only the footer grows: by 4 KB for each row group.

The schema is the same for every input. Nothing is rounded: if a column's type can't hold a value, the column is null
and the text column after it, such as ``costText`` or ``created_at_text``, holds the value as it was written.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from exportstream.errors import LimitError, NotAnExportError
from exportstream.storage.compress import check_level
from exportstream.storage.memory import import_error
from exportstream.writing.formats.json import ENCODER, read_json
from exportstream.writing.formats.recount import TOOL_CALLS, Recount, either_spelling
from exportstream.writing.options import WriteOptions
from exportstream.writing.tables import Rows, Table
from exportstream.writing.writers import Encoder

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import parquet

    from exportstream.writing.formats.arrow import Columns
except ImportError as error:
    raise import_error("Parquet", "pyarrow", "parquet", error) from error

ABOUT = b"exportstream"  # the key of the file's description among its metadata
ROW_GROUP = 12 << 20  # bytes of columns in memory
_ROWS = 1024  # read at once to count them again
_FEW = 64  # rows; fewer are gathered before they become columns, which costs as much for one row as for a hundred
_GATHERED = 1 << 20  # bytes of JSON
_PIECE = 1 << 20  # bytes


def new_encoder(table: Table, options: WriteOptions) -> Encoder:
    """Return an encoder of the rows of a table."""
    return Parquet(table, level=options.level)


def recount(path: str, tables: tuple[str, ...]) -> Recount:
    """Count the rows and figures of a finished output, with the checksums of its pages; see `recount.Recount`."""
    found = Recount(tables)
    (table,) = tables
    with _open(path) as file:
        names = [field.name for field in file.schema_arrow]
        figures = either_spelling(names) if table == "messages" else {}
        for batch in file.iter_batches(batch_size=_ROWS):
            found.rows[table] += batch.num_rows
            for name, figure in figures.items():
                column = batch.column(names.index(name))
                if figure == TOOL_CALLS:
                    found.add(figure, [pc.sum(pc.list_value_length(column)).as_py() or 0])
                    continue
                values = column.to_pylist()
                if (text := _text_of(name, names)) is not None:  # numbers that the type can't hold
                    values += batch.column(names.index(text)).to_pylist()
                found.add(figure, values)
    return found


def read_about(path: str) -> dict[str, Any] | None:
    """Return the description in a file; None if there is none."""
    with _open(path) as file:
        about = (file.metadata.metadata or {}).get(ABOUT)
    return None if about is None else read_json(about)


@contextmanager
def _open(path: str) -> Iterator[Any]:
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise NotAnExportError(f"expected a Parquet file, got one that can't be read: {error}") from error


def _text_of(name: str, names: list[str]) -> str | None:
    return next((text for text in (f"{name}Text", f"{name}_text") if text in names), None)


class Parquet(Encoder):
    """One file: zstd inside, with a checksum on each page, and statistics of all but long texts and lists.

    Dictionaries are for short texts that repeat: others take longer with them, and a tenth more space.
    Statistics keep copies of the least and the greatest value, so they would double the memory for a huge message.

    Args:
        table: the table whose columns these are.
        level: of zstd, 3 unless told.

    Raises:
        UsageError: zstd has no such level.
    """

    def __init__(self, table: Table, *, level: int | None = None) -> None:
        check_level("zstd", level)
        super().__init__()
        self._parts = [Columns(part, is_snake=table.is_snake) for part in table.columns]
        self._schema = pa.schema([field for part in self._parts for field in part.fields])
        self._few: Rows = tuple([] for _ in self._parts)
        self._few_size = 0
        self._held: list[Any] = []
        self._held_size = 0
        self._out = _Pieces()
        # The worker holds the GIL while it passes bytes on, and waits for it: the fewer pieces the better.
        self._stream = pa.BufferedOutputStream(pa.PythonFile(self._out, mode="w"), _PIECE)
        self._worker = ThreadPoolExecutor(1)
        self._pending: Future[None] | None = None
        self._written = b""
        self._writer = parquet.ParquetWriter(
            self._stream,
            self._schema,
            version="2.6",
            compression="zstd",
            compression_level=level or 3,
            use_dictionary=[name for part in self._parts for name in part.repetitive],
            write_statistics=[name for part in self._parts for name in part.short],
            write_page_checksum=True,
        )

    def header(self) -> bytes:
        """The magic bytes."""
        self._stream.flush()
        return self._out.take()

    def encode(self, rows: Rows) -> bytes:
        """The row groups that these rows fill; the others wait for more, a few of them as the structs they are."""
        for gathered, part in zip(self._few, rows, strict=True):
            gathered.extend(part)
        self._few_size += len(ENCODER.encode(rows[0])) if len(rows[0]) < _FEW else _GATHERED
        if self._few_size >= _GATHERED:
            self._convert()
        if self._pending is not None and self._pending.done():
            self._wait()
        written, self._written = self._written, b""
        return written

    def finish(self, about: bytes | None = None) -> bytes:
        """The last row group and the footer, which holds the description of the file."""
        self._convert()
        self._write()
        self._wait()
        self._worker.shutdown()
        if about is not None:
            self._writer.add_key_value_metadata({ABOUT: about})
        self._writer.close()
        self._stream.flush()
        return self._written + self._out.take()

    def _convert(self) -> None:
        """Turn the rows that were gathered into columns."""
        rows, self._few, self._few_size = self._few, tuple([] for _ in self._parts), 0
        if rows[0]:
            try:
                arrays = [array for part, columns in zip(rows, self._parts, strict=True) for array in columns.arrays(part)]
            except pa.ArrowCapacityError as error:
                raise _too_large() from error
            self._hold(pa.RecordBatch.from_arrays(arrays, schema=self._schema))

    def _hold(self, batch: Any) -> None:
        """Keep columns until there are enough for a row group; more than enough are divided."""
        size = batch.get_total_buffer_size()
        if size > ROW_GROUP:
            size = batch.nbytes  # of a part just its own bytes; that takes 20 times as long
        if size > ROW_GROUP and batch.num_rows > 1:
            half = batch.num_rows // 2
            self._hold(batch.slice(0, half))
            self._hold(batch.slice(half))
            return
        if self._held_size + size > ROW_GROUP:
            self._write()
        self._held.append(batch)
        self._held_size += size

    def _write(self) -> None:
        """Write the columns that are kept as one row group, while the next one is gathered."""
        self._wait()
        if self._held:
            self._pending = self._worker.submit(self._write_group, self._held)
            is_large, self._held, self._held_size = self._held_size > ROW_GROUP, [], 0
            if is_large:  # one row; nothing is gathered beside it
                self._wait()

    def _write_group(self, batches: list[Any]) -> None:
        table = pa.Table.from_batches(batches)
        batches.clear()
        try:
            self._writer.write_table(table, row_group_size=table.num_rows)
            self._stream.flush()
        except MemoryError:
            raise
        except (
            pa.ArrowException,
            OSError,
        ) as error:  # nothing is written to a file here: only the sizes of pages can be wrong
            raise _too_large() from error
        del table
        pa.default_memory_pool().release_unused()  # or the pool keeps 35 MB more than it needs

    def _wait(self) -> None:
        """Wait until the row group before is written, and take its bytes; or raise its error."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()
            self._written += self._out.take()


def _too_large() -> LimitError:
    """Return the error for a message that is too large; batches of several messages never are."""
    return LimitError("a message has 2 GiB of text, too much for a column of a Parquet file", hint="write NDJSON or CSV")


class _Pieces(io.RawIOBase):
    """A file that keeps the bytes written to it until they are taken."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: Any, /) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._size += len(piece)
        return len(piece)

    def take(self) -> bytes:
        """Return and forget the bytes that were written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
