"""Reads a URL through fsspec, and stores nothing: from its start to its end, or a zip archive from any position.

Takes: a URL, ``scheme://…``. Returns: a `RemoteFile` or `RemoteArchive`, and what changes if one is replaced.
Raises: what `urls` raises, and `ReadError` if the input is cut or changes meanwhile, and for the archive of a server that
sends files only from their start to their end.
Holds: up to 128 KiB that a web server sent ahead, or a read-ahead of 8 MiB from another backend (1 MiB of an archive).

One thing here is no documented part of fsspec: `r`, the response of aiohttp, on the file of a web address. There is no other
way to its status and its headers.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from exportstream.errors import ReadError, changed_while, mask, shown
from exportstream.storage.remote.urls import CHECK, WEB, connect, explain, scheme_of, translate_errors

_READ_AHEAD = 8 << 20
_READ_AHEAD_OF_ARCHIVE = 1 << 20
_PLAIN_ENCODINGS = ("", "identity", "gzip", "x-gzip", "zstd")  # those that `decompress` recognises by itself
_VERSION = (
    *("size", "ETag", "etag", "md5Hash", "generation", "LastModified", "Last-Modified"),
    *("last_modified", "updated", "mtime", "created"),
)


class RemoteFile:
    """The bytes of a URL, from the start to the end. Input that ends early is a `ReadError`.

    There is one exception: a web server's answer without a length that is not chunked. Its end can't be told from a cut.

    Attributes:
        name: the URL, without secrets.
        size: bytes as stored, None if the backend can't tell.
        version: differs if the content under the URL differs, as far as the backend can tell.
    """

    def __init__(self, url: str) -> None:
        self.name = shown(url)
        self._web = scheme_of(url) in WEB
        self._url = url
        self._position = 0
        with translate_errors(ReadError, url):
            self._system, self._path = connect(url)
            if self._web:
                # A block_size of 0 streams one answer. With a size, whichever, fsspec sends no request for it, which some
                # servers refuse.
                self._file = self._system.open(self._path, "rb", block_size=0, size=1)
                self.size, self.version = self._read_head()
            else:
                self._system.invalidate_cache()
                self._file = self._system.open(self._path, "rb", block_size=_READ_AHEAD)
                # The details of the moment it was opened: S3 and others refuse to continue with another version.
                self.version = version_of(getattr(self._file, "details", None) or self._system.info(self._path))
                self.size = self.version[0]

    @property
    def state(self) -> dict[str, Any] | None:
        """The version, as texts; None if the backend tells no more than the size, which says too little."""
        return state_of_version(self.version)

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, ``b""`` at the end.

        Raises:
            ReadError: the backend fails, the input is cut, or changed meanwhile. Bytes that a web server sent ahead
                before the connection broke are lost, and not counted in the position.
        """
        try:
            if self._file.tell() != self._position:  # readers of one memory:// object share its position
                self._file.seek(self._position)
            data: bytes = self._file.read(size)
        except Exception as error:
            what, hint = explain(error, self._url)
            if self._web:
                reason = "" if type(error).__name__ == "ClientPayloadError" else f": {what}"  # it says the same, at length
                what, hint = f"the connection broke, {self._so_far()} were read{reason}", "try again"
            raise ReadError(what, hint=hint, source=self.name) from error
        self._position += len(data)
        if not data:
            self._require_whole()
        return data

    def close(self) -> None:
        """Close it, and its connection even if that is not at its end."""
        with suppress(Exception):  # everything was read, or the reading has failed already
            self._file.close()

    def require_unchanged(self, done: str) -> None:
        """Raise an error that it changed while it was `done` if the URL names another version; no web server is asked."""
        if self._web:
            return
        changed = changed_while(done, self.name)
        with translate_errors(ReadError, self._url):
            self._system.invalidate_cache()
            try:
                now = self._system.info(self._path)
            except FileNotFoundError as error:
                raise changed from error
            if version_of(now) != self.version:
                raise changed

    def _read_head(self) -> tuple[int | None, tuple[Any, ...]]:
        answer = self._file.r  # see above
        if answer.status != 200:
            self.close()
            raise ReadError(
                f"the server answers {answer.status} {mask(str(answer.reason), self._url)}", hint=CHECK, source=self.name
            )
        encoding = answer.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _PLAIN_ENCODINGS:
            self.close()
            hint = f"download it first, with a program that decodes {encoding}"
            raise ReadError(f"the server sends it encoded as {encoding}", hint=hint, source=self.name)
        length = answer.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() and not answer.headers.get("Transfer-Encoding") else None
        return size, (size, answer.headers.get("ETag"), answer.headers.get("Last-Modified"))

    def _require_whole(self) -> None:
        if self.size is not None and self._position < self.size:
            raise ReadError(f"it ends after {self._so_far()}", hint="try again", source=self.name)
        self.require_unchanged("read")  # it came in several pieces, which may be of different versions

    def _so_far(self) -> str:
        return f"{self._position:,} bytes" if self.size is None else f"{self._position:,} of {self.size:,} bytes"


def state_of_version(version: tuple[Any, ...]) -> dict[str, Any] | None:
    """Return a version as texts; None if it is no more than the size, which says too little."""
    known = [None if value is None else str(value) for value in version]
    return {"version": known} if any(known[1:]) else None


def version_of(info: dict[str, Any]) -> tuple[Any, ...]:
    """Return what differs if the content of a file differs, of what a backend tells of it; the size comes first."""
    return tuple(info.get(key) for key in _VERSION)


class RemoteArchive:
    """The bytes of an archive."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._position = 0
        with translate_errors(ReadError, url):
            system, path = connect(url)
            self._file = system.open(path, "rb", block_size=_READ_AHEAD_OF_ARCHIVE)
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
