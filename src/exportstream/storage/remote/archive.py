"""Reads a zip archive under a URL from any position, as far as its server can.

Takes: a URL, ``scheme://…``. Returns: a `RemoteArchive`, and what changes if it is replaced.
Raises: what `urls` raises, and `ReadError` for a server that sends files only from their start to their end.
Holds: a read-ahead of 1 MiB.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from exportstream.errors import ReadError
from exportstream.storage.remote.reader import version_of
from exportstream.storage.remote.urls import connect, translate_errors

_READ_AHEAD = 1 << 20


class RemoteArchive:
    """The bytes of an archive."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._position = 0
        with translate_errors(ReadError, url):
            system, path = connect(url)
            self._file = system.open(path, "rb", block_size=_READ_AHEAD)
            try:
                self._end: int = self._file.seek(0, os.SEEK_END)
            except ValueError as error:
                self.close()
                raise _no_parts() from error

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        if base + offset < 0:
            raise OSError("a position before the start")
        self._position = base + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, fewer only at the end."""
        size = max(min(size if size >= 0 else self._end, self._end - self._position), 0)
        with translate_errors(ReadError, self._url):
            try:
                if self._file.tell() != self._position:  # readers of one memory:// object share its position
                    self._file.seek(self._position)
                data: bytes = self._file.read(size)
            except ValueError as error:
                raise _no_parts() from error
        self._position += len(data)
        return data

    def close(self) -> None:
        """Close it."""
        with suppress(Exception):  # everything was read, or the reading has failed already
            self._file.close()


def version_at(url: str) -> tuple[Any, ...]:
    """Return what differs if the content under a URL differs, as far as the server can tell; the size comes first."""
    with translate_errors(ReadError, url):
        system, path = connect(url)
        system.invalidate_cache()
        return version_of(system.info(path))


def _no_parts() -> ReadError:
    what = "the server sends it only from its start to its end, and the list of a zip archive's members is at its end"
    return ReadError(what, hint="download it to a file, and give that")
