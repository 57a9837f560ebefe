"""SQLite: rows become a database with keys and indexes, in a file that appears whole or not at all.

Takes the rows of `tables`, session after session. Raises: `UsageError` for an output that may not be written,
`WriteError` where SQLite or the system fails, `LimitError` for a row beyond SQLite's 1,000,000,000 bytes,
`OutOfMemoryError`.
Holds: one batch of rows and 1 MiB of pages, as much again while indexes are made; they are sorted in temporary files.

See `sql` for how values are stored.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Self

from exportstream.errors import LimitError, OutOfMemoryError, UsageError, WriteError
from exportstream.storage.files import open_file, write_error
from exportstream.storage.memory import is_out_of_memory
from exportstream.writing.formats.sql import Definition
from exportstream.writing.tables import Rows, Table

try:
    import sqlite3
except ImportError as error:
    if is_out_of_memory(error):
        raise OutOfMemoryError("SQLite output needs sqlite3, which does not fit into memory") from error
    raise UsageError("SQLite output needs sqlite3, which this Python was built without", hint="use another one") from error


__all__ = ["Database"]

_SETTINGS = (
    "journal_mode = OFF",  # a file that fails is removed: there is nothing to go back to
    "locking_mode = EXCLUSIVE",  # nobody else knows its name
    "synchronous = FULL",  # without a journal: one fsync, at the end of the transaction
    "foreign_keys = OFF",  # a session's row comes after its messages
    "temp_store = FILE",
    "cache_size = -1024",  # negative: KiB; while indexes are made as much again
)


class Database:
    """A writer of SQLite databases.

    As a context manager it commits at the end of the block, and aborts when the block raises anything at all.

    Args:
        path: of the file; a device, a FIFO, a folder and ``-`` are refused.
        tables: which tables there will be.
        force: replace a file that exists.
        source_path: the path of the input, which is never overwritten.

    Attributes:
        name: the path as given.
        bytes_out: size of the finished file.

    Raises:
        UsageError: the output exists, is not a file or is the input, or an old database's journal is beside it.
        WriteError: it can't be created.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        tables: Sequence[Table],
        *,
        force: bool = False,
        source_path: str | None = None,
    ) -> None:
        if not isinstance(path, (str, os.PathLike)) or os.fspath(path) == "-":
            raise UsageError("a SQLite database can't be written to a stream", hint="name a file, such as out.db")
        self.name = os.fsdecode(path)
        self.bytes_out = 0
        self._state = "open"
        self._session = 0
        self._connection: sqlite3.Connection | None = None
        self._tables = {table.name: Definition(table, {table.name for table in tables}) for table in tables}
        self._place = open_file(self.name, source_path, force=force)
        with self._giving_up():
            self._refuse_journals()
            self._connection = sqlite3.connect(self._place.temporary, isolation_level=None, check_same_thread=False)
            for setting in _SETTINGS:
                self._connection.execute(f"PRAGMA {setting}")
            self._connection.execute("BEGIN")
            for definition in self._tables.values():
                self._connection.execute(definition.create)

    def write(self, table: Table, rows: Rows) -> None:
        """Take rows of the session being written; when that fails, the whole output is given up."""
        definition, connection = self._tables[table.name], self._require_open()
        with self._giving_up():
            values = definition.values(self._session, rows)
            try:
                connection.executemany(definition.insert, values)
            except (sqlite3.DataError, OverflowError) as error:
                row = rows[0][-1 - sum(1 for _ in values)]
                raise LimitError(
                    f"a row that SQLite can't hold: {error}",
                    hint="choose another format",
                    source=self.name,
                    session_id=getattr(row, "session_id", row.id),
                    message_index=getattr(row, "index", getattr(row, "message_index", None)),
                ) from error

    def end_session(self) -> None:
        """Say that the rows of a session are complete; what comes next is of another one."""
        self._session += 1

    def finish(self) -> None:
        """Make the indexes and bring everything to the disk; the file has its temporary name still."""
        if self._state == "finished":
            return
        connection = self._require_open()
        with self._giving_up("indexes are sorted in temporary files too: SQLITE_TMPDIR names a folder for those"):
            _execute(connection, [index for definition in self._tables.values() for index in definition.indexes])
        with self._giving_up():
            connection.execute("COMMIT")
            connection.close()
            self.bytes_out = os.stat(self._place.temporary).st_size
        self._state = "finished"

    def commit(self) -> None:
        """Finish, and give the file its name."""
        if self._state == "committed":
            return
        self.finish()
        with self._giving_up():
            self._refuse_journals()
            self._place.commit()
        self._state = "committed"

    def withdraw(self) -> None:
        """Take back a file that was committed, where none stood under its name before. Never raises."""
        if self._state == "committed":
            self._place.withdraw()

    def abort(self) -> None:
        """Remove what was written. Never raises."""
        if self._state in ("open", "finished"):
            self._state = "given up"
            if self._connection is not None:
                with suppress(sqlite3.Error):
                    self._connection.close()
            self._place.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()

    def _require_open(self) -> sqlite3.Connection:
        if self._state != "open" or self._connection is None:
            raise WriteError(f"the output is {self._state}", source=self.name)
        return self._connection

    @contextmanager
    def _giving_up(self, hint: str | None = None) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.abort()
            if is_out_of_memory(error):
                raise OutOfMemoryError(source=self.name) from error
            if isinstance(error, OSError):
                raise write_error(error, self.name) from error
            if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
                raise WriteError(f"SQLite says: {error}", source=self.name, hint=hint) from error
            raise

    def _refuse_journals(self) -> None:
        """SQLite would play an old database's journal into the new one, which damages it."""
        for suffix in ("-journal", "-wal"):
            if os.path.lexists(journal := self._place.path + suffix):
                raise UsageError(
                    f"the journal of an old database is beside the output: {journal}",
                    hint="close the program that uses it, or remove it",
                    source=self.name,
                )


def _execute(connection: sqlite3.Connection, statements: Iterable[str]) -> None:
    """Run what may take minutes on a thread of its own, so that a signal does not wait for its end."""
    with ThreadPoolExecutor(1) as worker:
        done = worker.submit(lambda: deque(map(connection.execute, statements), 0))
        try:
            done.result()
        except BaseException:
            connection.interrupt()
            raise
