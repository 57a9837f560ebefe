"""Opens files, and tells whether an open file is still what it was when it was opened.

Takes: a path or URL, or an open file. Raises: `ReadError` if it can't be opened or has changed.
Holds: what the system said of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Protocol

from exportstream.errors import ReadError, changed_while
from exportstream.storage.file_state import identity, stat_regular, state_of_file
from exportstream.storage.names import is_url
from exportstream.storage.remote.urls import local_path
from exportstream.storage.zip import split_member
from exportstream.storage.zip_member import MemberFile


class Readable(Protocol):
    """A binary file object, such as an open file, a pipe or the body of a response."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""


ByteSource = (
    str
    | os.PathLike[str]
    | os.PathLike[bytes]
    | bytes
    | bytearray
    | memoryview
    | Readable
    | Iterable[bytes | bytearray | memoryview]
)  # see `open_source`


def open_path(path: str) -> Any:
    """Open a path, a member of a zip archive, or a URL for reading, without a buffer."""
    path = local_path(path)
    if (found := split_member(path)) is not None:
        return MemberFile(*found)
    if is_url(path):
        from exportstream.storage.remote.reader import RemoteFile  # noqa: PLC0415 - only for URLs

        return RemoteFile(path)
    try:
        return open(path, "rb", buffering=0)
    except OSError as error:
        raise ReadError.of(error, path) from error


class InputFile:
    """A file that was opened: under a path, or None by the caller.

    Attributes:
        stat: what the system said of it; None for anything but a regular file.
        version: what changes if its content does; empty if that is not known.
        state: see `names.state_of`; empty if it is not known.
        may_grow: whether it is still the same if something was added at its end.
    """

    def __init__(self, file: Any, path: str | None) -> None:
        self.stat = stat_regular(file)
        self.may_grow = False
        self._file = file
        self._path = path
        # A URL or a member of an archive knows all of this by itself.
        self._has_version = path is not None and hasattr(file, "version")
        self.version: tuple[Any, ...] = file.version if self._has_version else identity(self.stat)
        self.state: dict[str, Any] = (file.state if self._has_version else self.stat and state_of_file(self.stat)) or {}

    def size_from(self, start: int) -> int | None:
        """Return how many bytes it has from the position on where it is read from; None if that is not known.

        A `gzip.GzipFile`, which is no regular file, decompresses all of it to tell: don't ask where an input waits.
        """
        if self._has_version:
            size: int | None = self._file.size
            return size
        if self.stat is not None:
            return max(self.stat.st_size - start, 0)
        end: int = self._file.seek(0, os.SEEK_END)
        self._file.seek(start)
        return max(end - start, 0)

    @property
    def has_grown(self) -> bool:
        """Whether it is larger now."""
        now = self._now()
        return now is not None and self.stat is not None and now.st_size > self.stat.st_size

    @property
    def is_other(self) -> bool:
        """Whether the open file has changed, whatever is under its path now."""
        return self.stat is not None and self._differs(stat_regular(self._file))

    def require_unchanged(self, name: str) -> None:
        """Raise `ReadError` if what is under its path is something else, or has changed; also after it was closed."""
        if self._has_version:
            self._file.require_unchanged("converted")
        if self.stat is None:
            return
        try:
            now = self._now()
        except ValueError:  # the caller has closed the file object
            return
        except OSError as error:
            raise ReadError.of(error, name) from error
        if self._differs(now):
            raise changed_while("converted", name)

    def _now(self) -> os.stat_result | None:
        try:
            return os.stat(local_path(self._path)) if self._path is not None else stat_regular(self._file)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _differs(self, now: os.stat_result | None) -> bool:
        if not self.may_grow or now is None or self.stat is None:
            return identity(now) != identity(self.stat)
        return (now.st_dev, now.st_ino) != (self.stat.st_dev, self.stat.st_ino) or now.st_size < self.stat.st_size


class Chunks:
    """An iterable of bytes as a file object, which returns its chunks as they come."""

    def __init__(self, chunks: Iterable[bytes | bytearray | memoryview]) -> None:
        self._chunks = filter(lambda chunk: chunk != b"", chunks)

    def read(self, _size: int) -> bytes | bytearray | memoryview:
        """Return the next chunk, whatever its size; nothing at the end."""
        return next(self._chunks, b"")


def start_of(file: Any) -> int | None:
    """Return where a file is read from; None if it can't be read from there again."""
    with suppress(AttributeError, OSError):
        return file.tell() if file.seekable() else None
    return None
