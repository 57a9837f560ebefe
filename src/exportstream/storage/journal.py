"""Journal: a file of lines that several processes append to at once.

Takes: lines without line feeds. Yields: complete lines, each with its position. Raises: `WriteError`, `ReadError`.
Holds: one line; `compact` a position for each line that stays.

A line is appended whole, under a lock (`flock`). If a process dies meanwhile, the line is cut: readers leave out a last line
without a line feed, and the next line begins on a line of its own. A system without locks just appends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from exportstream.errors import ReadError, WriteError
from exportstream.storage.temporary import Temporary


class Journal:
    """A file of lines; it appears with its first line."""

    def __init__(self, path: str) -> None:
        self.path = path

    def append(self, lines: Iterable[bytes]) -> None:
        """Append lines, all or none."""
        data = b"".join(line + b"\n" for line in lines)
        try:
            with self._locked() as fd:
                size = os.fstat(fd).st_size
                if size and os.pread(fd, 1, size - 1) != b"\n":
                    data = b"\n" + data
                try:
                    view = memoryview(data)
                    while view:
                        view = view[os.write(fd, view) :]
                except BaseException:
                    with suppress(OSError):
                        os.ftruncate(fd, size)
                    raise
        except OSError as error:
            raise WriteError.of(error, self.path) from error

    @contextmanager
    def open(self) -> Iterator[BinaryIO | None]:
        """Open the file to read it; None if there is none. It stays the same file while others append to or compact it."""
        try:
            file = open(self.path, "rb")  # noqa: SIM115 - it is closed below
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            raise ReadError.of(error, self.path) from error
        with file:
            yield file

    def compact(self, choose: Callable[[BinaryIO], Iterable[int]]) -> None:
        """Write the file anew with the lines whose positions `choose` returns of it; if that fails, it is as it was."""
        try:
            with self._locked() as fd, open(self.path, "rb") as old:
                new = Temporary(os.path.realpath(self.path), os.fstat(fd).st_mode & 0o777)
                try:
                    with open(new.fd, "wb") as file:
                        for position in choose(old):
                            old.seek(position)
                            file.write(old.readline())
                        file.flush()
                        os.fsync(file.fileno())
                    os.replace(new.name, os.path.realpath(self.path))
                finally:
                    new.remove()
        except OSError as error:
            raise WriteError.of(error, self.path) from error

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Open the file, which is made if it is missing, and lock it."""
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            try:
                with suppress(OSError):  # a file system without locks
                    fcntl.flock(fd, fcntl.LOCK_EX)
                if self._is_at_path(fd):  # otherwise it was written anew meanwhile
                    yield fd
                    return
            finally:
                os.close(fd)

    def _is_at_path(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self.path))
        except FileNotFoundError:
            return False


def complete_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield the complete lines of a file from its start, each with its position."""
    file.seek(0)
    position = 0
    for line in file:
        if line.endswith(b"\n"):
            yield position, line
        position += len(line)
