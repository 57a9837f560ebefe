"""SQLite: rows become a database with keys and indexes, in a file that appears whole or not at all.

Takes: batches. Raises: `UsageError` for an output that may not be written, `WriteError` if SQLite or the system fails,
`LimitError` for a row beyond SQLite's 1,000,000,000 bytes, `OutOfMemoryError`.
Holds: the rows of one batch and 1 MiB of pages, 4 MiB more while indexes are made; they are sorted in temporary files.

See `sqlite_tables` for how values are stored.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import Any
from urllib.parse import quote

from exportstream.errors import LimitError, NotAnExportError, OutOfMemoryError, UsageError, WriteError
from exportstream.storage.files import open_file
from exportstream.storage.memory import is_out_of_memory
from exportstream.storage.names import has_name
from exportstream.storage.transaction import StagedOutput, Transaction
from exportstream.totals.batch import Batch
from exportstream.writing.formats.json import read_json
from exportstream.writing.formats.recount import TOOL_CALLS, Recount, count_calls, either_spelling
from exportstream.writing.formats.sqlite_tables import CREATE_INFO, INFO, INSERT_INFO, KEYS, SQLTable, info_values, sql_name
from exportstream.writing.options import WriteOptions
from exportstream.writing.outputs import Output
from exportstream.writing.tables import Rows, Table
from exportstream.writing.writers import UNKNOWN, Origin, Writer

try:
    import sqlite3
except ImportError as error:
    if is_out_of_memory(error):
        raise OutOfMemoryError("SQLite output needs sqlite3, which does not fit into memory") from error
    raise UsageError("SQLite output needs sqlite3, which this Python was built without", hint="use another one") from error


_ROWS = 1024  # read at once to count them again
_SETTINGS = (
    "journal_mode = OFF",  # a file that fails is removed: there is nothing to go back to
    "locking_mode = EXCLUSIVE",  # nobody else knows its name
    "synchronous = FULL",  # without a journal: one fsync, at the end of the transaction
    "foreign_keys = OFF",  # a session's row comes after its messages
    "temp_store = FILE",
    "page_size = 16384",  # bytes; with pages of 4096 inserting takes 8 % longer, and making the indexes half as long again
    "cache_size = -1024",  # negative: KiB; while indexes are made 250 pages more
)


def open_writer(output: Output, options: WriteOptions, transaction: Transaction, origin: Origin) -> Writer:
    """Open a SQLite output; see `writers.Writer`."""
    tables = [Table(name, options, KEYS[name]) for name in output.tables]
    return transaction.add(Database(output.target, tables, force=options.force, origin=origin))


def recount(path: str, tables: tuple[str, ...]) -> Recount:
    """Count the rows and figures of a finished output; see `recount.Recount`."""
    found = Recount(tables)
    with _reading(path) as connection:
        (damage,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if damage != "ok":
            raise NotAnExportError(f"SQLite says: {damage}")
        for table in tables:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({sql_name(table)})")]
            figures = either_spelling(columns) if table == "messages" else {}
            selected = ", ".join(f'"{name}"' for name in figures) or "1"
            rows = connection.execute(f"SELECT {selected} FROM {sql_name(table)}")  # noqa: S608 - names of ours
            while batch := rows.fetchmany(_ROWS):
                found.rows[table] += len(batch)
                for values, figure in zip(zip(*batch, strict=True), figures.values(), strict=False):
                    found.add(figure, map(count_calls, values) if figure == TOOL_CALLS else values)
    return found


def read_about(path: str) -> dict[str, Any] | None:
    """Return the description in a file; None if there is none."""
    with _reading(path) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (INFO,)).fetchone():
            return None
        found = dict(connection.execute(f'SELECT "key", "value" FROM {INFO}'))  # noqa: S608 - a name of ours
    return {key: value if key == "version" else read_json(value) for key, value in found.items()}


@contextmanager
def _reading(path: str) -> Iterator[sqlite3.Connection]:
    """Open a finished database to read it; nothing is written beside it."""
    try:
        with closing(sqlite3.connect(f"file:{quote(os.path.abspath(path))}?immutable=1", uri=True)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise NotAnExportError(f"SQLite says: {error}") from error


class Database(StagedOutput):
    """Writes a SQLite database; see `writers.Writer`.

    With `dedupe` there are no foreign keys to sessions: those that come again have no row. For its SHA-256 the finished file
    is read once more.

    Raises:
        UsageError: the output exists, is not a file or is the input, or the journal of an old database is next to it.
        WriteError: it can't be created.
    """

    bytes_in = 0  # there are none before those of the file

    def __init__(
        self, path: str | os.PathLike[str], tables: Sequence[Table], *, force: bool = False, origin: Origin = UNKNOWN
    ) -> None:
        if not has_name(path):
            raise UsageError("a SQLite database can't be written to a stream", hint="name a file, such as out.db")
        self._file = open_file(os.fsdecode(path), origin.path, force=force)
        super().__init__(self._file)
        self.bytes_out = 0
        self.large_columns: set[str] = set()
        self.rows = {table.name: 0 for table in tables}
        self.sha256: str | None = None
        self._digest = origin.digest
        self._about: dict[str, Any] | None = None
        self._connection: sqlite3.Connection | None = None
        present = {table.name for table in tables} - ({"sessions"} if origin.dedupe else set())
        self._tables = [(table, SQLTable(table, present)) for table in tables]
        with self._abort_on_error():
            self._refuse_journals()
            self._connection = sqlite3.connect(self._file.temporary, isolation_level=None, check_same_thread=False)
            for setting in _SETTINGS:
                self._connection.execute(f"PRAGMA {setting}")
            self._connection.execute("BEGIN")
            for _, sql in self._tables:
                self._connection.execute(sql.create)

    def add(self, batch: Batch) -> None:
        """Write the rows of a batch; if that fails, the whole output is aborted."""
        self._require_open()
        for table, sql in self._tables:
            numbers = list(table.session_numbers(batch))
            rows = table.rows(batch)
            if rows is not None:
                with self._abort_on_error():
                    self._insert(sql, numbers, rows)
                self.rows[table.name] += len(rows[0])

    def _insert(self, sql: SQLTable, numbers: Sequence[int], rows: Rows) -> None:
        assert self._connection is not None
        try:
            for statement, values in sql.insertions(numbers, rows):
                self._connection.executemany(statement, values)
        except (sqlite3.DataError, OverflowError) as error:
            row = self._first_refused(sql, numbers, rows)
            raise LimitError(
                f"a row that SQLite can't hold: {error}",
                hint="choose another format",
                source=self.name,
                session_id=getattr(row, "session_id", getattr(row, "id", None)),
                message_index=getattr(row, "index", getattr(row, "message_index", None)),
            ) from error

    def _first_refused(self, sql: SQLTable, numbers: Sequence[int], rows: Rows) -> Any:
        """Return the first row that SQLite refuses, of rows that are partly in the table; None if it takes each alone."""
        assert self._connection is not None
        for statement, values in sql.insertions(numbers, rows, together=1):
            with suppress(sqlite3.DataError, OverflowError):
                self._connection.executemany(statement.replace("INSERT", "INSERT OR REPLACE", 1), values)
                continue
            return rows[0][-1 - sum(1 for _ in values)]
        return None

    def finish(self, about: dict[str, Any] | None = None) -> None:
        """Write the rest with the description, see `writers.Writer.finish`, and bring it to the disk. It may be repeated."""
        self._about = about
        super().finish()

    def commit(self) -> None:
        """Finish, and give the file its name. It may be repeated."""
        if self._state != "committed":
            self.finish()
            with self._abort_on_error():
                self._refuse_journals()
            super().commit()

    def _complete(self) -> None:
        """Make the indexes, describe the file, and bring everything to the disk."""
        connection = self._connection
        assert connection is not None
        if self._about is not None:
            connection.execute(CREATE_INFO)
            connection.executemany(INSERT_INFO, info_values(self._about | {"rows": self.rows}))
        try:
            _execute(connection, [index for _, sql in self._tables for index in sql.indexes])
        except sqlite3.Error as error:
            hint = "indexes are sorted in temporary files too: SQLITE_TMPDIR names a folder for those"
            raise self._explain(error, hint) or error from error
        connection.execute("COMMIT")
        connection.close()
        self.bytes_out = os.stat(self._file.temporary).st_size
        if self._digest:
            with open(self._file.temporary, "rb") as file:
                self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()

    def _explain(self, error: BaseException, hint: str | None = None) -> Exception | None:
        if is_out_of_memory(error):
            return OutOfMemoryError(source=self.name)
        if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
            return WriteError(f"SQLite says: {error}", source=self.name, hint=hint)
        return super()._explain(error)

    def _refuse_journals(self) -> None:
        """SQLite would play an old database's journal into the new one, which damages it."""
        for suffix in ("-journal", "-wal"):
            if os.path.lexists(journal := self._file.path + suffix):
                raise UsageError(
                    f"the journal of an old database is beside the output: {journal}",
                    hint="close the program that uses it, or remove it",
                    source=self.name,
                )


def _execute(connection: sqlite3.Connection, statements: Iterable[str]) -> None:
    """Run statements on a thread of their own: they may take minutes, and a signal should not wait for them."""
    with ThreadPoolExecutor(1) as worker:
        done = worker.submit(lambda: deque(map(connection.execute, statements), 0))
        try:
            done.result()
        except BaseException:
            connection.interrupt()
            raise
