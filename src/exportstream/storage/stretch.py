"""A stretch of a file, which is read beside the others: of a plain file, or bytes that were decompressed.

Takes: a path, what the file was when it was first opened, and positions. Returns: bytes.
Raises: `ReadError` if the file is another one by now, or can't be read. Holds: an open file.
"""

from __future__ import annotations

import os
import stat
from contextlib import closing

from exportstream.errors import ExportstreamError, ReadError, changed_while
from exportstream.storage.decompress import decompress, peek
from exportstream.storage.file_state import identity
from exportstream.storage.first_bytes import is_like_json
from exportstream.storage.input_file import open_path
from exportstream.storage.source import DEFAULT_MAX_WINDOW
from exportstream.storage.zip import zip_file_of
from exportstream.storage.zip_member import MemberFile


class Stretch:
    """The bytes of `before`, those from `start` to `end`, and those of `after`. Close it when they were read.

    Args:
        path: of a regular file.
        expected: its `identity`.
        start: position of the first byte.
        end: the position after the last one.
        before, after: bytes that are not in the file.
    """

    def __init__(
        self, path: str, expected: tuple[int, ...], start: int = 0, end: int = 0, *, before: bytes = b"", after: bytes = b""
    ) -> None:
        self._path = path
        self._position, self._end, self._before, self._after = start, end, before, after
        self._file = open_path(path)
        if identity(os.fstat(self._file.fileno())) != expected:
            self._file.close()
            raise self._changed()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read_at(self, position: int, size: int) -> bytes:
        """Return up to `size` bytes from a position of the file on."""
        try:
            self._file.seek(position)
            data: bytes = self._file.read(size)
        except OSError as error:
            raise ReadError.of(error, self._path) from error
        return data

    def read_into(self, buffer: bytearray, size: int) -> int:
        """Append up to `size` bytes, none at the end; return how many."""
        if self._before:
            data, self._before = self._before, b""
            buffer += data
            return len(data)
        data = self.read_at(self._position, min(size, self._end - self._position))
        if not data and self._position < self._end:
            raise self._changed()
        self._position += len(data)
        if not data:
            data, self._after = self._after, b""
        buffer += data
        return len(data)

    def _changed(self) -> ReadError:
        return changed_while("read", self._path)


class HeldStretch:
    """A stretch whose bytes are all in memory."""

    def __init__(self, data: bytes) -> None:
        self._left = memoryview(data)

    def read_into(self, buffer: bytearray, size: int) -> int:
        """Append up to `size` bytes, none at the end; return how many."""
        part, self._left = self._left[:size], self._left[size:]
        buffer += part
        return len(part)


def head_of_large_json(path: str, smallest: int, smallest_packed: int, size: int) -> bytes:
    """Return the first `size` bytes of a large file, or member of one, that seems to be JSON, decompressed; else none.

    Args:
        path: of the file, or the name of the member of a zip archive.
        smallest: bytes of a plain one; of a member when it is inflated.
        smallest_packed: bytes of a compressed one.
        size: how many are returned.
    """
    try:
        found = os.stat(zip_file_of(path))
        if not stat.S_ISREG(found.st_mode):
            return b""
        with closing(open_path(path)) as file:
            length = file.size if isinstance(file, MemberFile) else found.st_size
            if length < min(smallest, smallest_packed):
                return b""
            kind, pieces = decompress(iter(lambda: file.read(size), b""), DEFAULT_MAX_WINDOW)
            if length < (smallest if kind == "none" else smallest_packed):
                return b""
            head = peek(pieces, size)[0][:size]
    except (OSError, ValueError, ExportstreamError):  # reading meets it again
        return b""
    return head if is_like_json(head) else b""
