"""Reads a member of a zip archive where it is, without unpacking it to the disk.

Takes: the names of an archive and of a member. Returns: the bytes of the member.
Raises: what `zip` raises, `CutInputError` and `CompressionError` for a member that is cut or damaged, `ReadError`.
Holds: one piece of the member, and at most 64 KiB of the archive.

Members are inflated here, and not by zipfile: an archive may have thousands of them, and zipfile would read the whole list
again for each.
"""

from __future__ import annotations

import os
import re
import zlib
from struct import Struct as Layout
from typing import Any

from exportstream.errors import (
    CompressionError,
    CutInputError,
    ExportstreamError,
    NotAnExportError,
    ReadError,
    changed_while,
    shown,
)
from exportstream.errors.patterns import late_pattern
from exportstream.storage.zip import (
    AGAIN,
    DEFLATED,
    HEADER,
    MAGIC,
    SEPARATOR,
    find_member,
    identity_of,
    is_zip,
    list_members,
    open_archive,
    state_of_archive,
)

_HEADER = Layout("<4s22xHH")  # its magic number, and the lengths of the name and the extra field after it
_JSON = late_pattern(r"\.(json|ndjson|jsonl)\b", re.IGNORECASE)
_CHUNK = 64 << 10  # bytes per read, as stored and as inflated


class MemberFile:
    """The bytes of a member, from its start to its end.

    Attributes:
        name: ``ARCHIVE::MEMBER``.
        size: bytes of the member.
        version: differs if the archive differs.
        state: see `names.state_of`, of the archive.
    """

    def __init__(self, path: str, member: str) -> None:
        self.name = f"{shown(path)}{SEPARATOR}{member}"
        self.version = identity_of(path)
        self.state = state_of_archive(path, self.version)
        self._path = path
        self._count = self._crc = 0
        try:
            self._member = find_member(path, self.version, member)
            self.size = self._member.size
            self._left = self._member.stored
            self._file = _open_at(path, self._member.offset)
        except ExportstreamError as error:
            error.source = self.name
            raise
        self._inflate: Any = zlib.decompressobj(-zlib.MAX_WBITS) if self._member.method == DEFLATED else None

    def read(self, size: int) -> bytes:
        """Return some bytes, ``b""`` at the end; `size` is a wish."""
        data = self._read_stored(size) if self._inflate is None else self._read_deflated()
        self._count += len(data)
        self._crc = zlib.crc32(data, self._crc)
        if self._count > self.size:
            raise _damaged(f"expected {self.size:,} bytes, got more")
        if not data:
            self._require_whole()
        return data

    def require_unchanged(self, done: str) -> None:
        """Raise an error that it changed while it was `done` if the archive is no longer what was opened."""
        if identity_of(self._path) != self.version:
            raise changed_while(done, self.name)

    def close(self) -> None:
        """Close the archive."""
        self._file.close()

    def _read_stored(self, size: int) -> bytes:
        data = self._file.read(min(size, self._left)) if self._left else b""
        if self._left and not data:
            raise self._cut()
        self._left -= len(data)
        return data

    def _read_deflated(self) -> bytes:
        while not self._inflate.eof:
            stored = self._inflate.unconsumed_tail
            if not stored:
                stored = self._file.read(min(_CHUNK, self._left))
                self._left -= len(stored)
            try:
                data: bytes = self._inflate.decompress(stored, _CHUNK)
            except zlib.error as error:
                raise _damaged(str(error)) from error
            if data:
                return data
            if not stored and not self._inflate.eof:
                raise self._cut()
        return b""

    def _cut(self) -> CutInputError:
        return CutInputError(f"the member is cut after {self._count:,} bytes of {self.size:,}", hint=AGAIN)

    def _require_whole(self) -> None:
        self.require_unchanged("read")
        if self._count < self.size:
            raise self._cut()
        if self._crc != self._member.crc:
            raise _damaged("its checksum is not the one in the archive")


def _damaged(what: str) -> CompressionError:
    error = CompressionError(f"the member is damaged: {what}", hint=AGAIN)
    error.is_doubtful = True
    return error


def _open_at(path: str, offset: int) -> Any:
    """Open an archive at the bytes after the header of a member."""
    try:
        file = open_archive(path)
    except ExportstreamError:
        raise
    except OSError as error:
        raise ReadError.of(error) from error
    magic = b""
    try:
        file.seek(offset)
        magic, *lengths = _HEADER.unpack(file.read(HEADER).ljust(HEADER, b"\0"))
        file.seek(sum(lengths), os.SEEK_CUR)
    except ExportstreamError:
        file.close()
        raise
    except OSError:  # a place that can't be
        pass
    if magic != MAGIC[0]:
        file.close()
        raise CompressionError("the zip archive is damaged: a member is not where it should be", hint=AGAIN)
    return file


def zip_error(file: Any, path: str | None, compression: str) -> NotAnExportError:
    """Return the error for a file that begins like a zip archive, where one input is expected.

    There is a path if it is a regular file or a URL; then an archive that can't be read raises its own error. The
    compression is that of the bytes around the archive.
    """
    error = NotAnExportError("expected JSON, got a zip archive")
    if isinstance(file, MemberFile):
        error = NotAnExportError("expected JSON, got a zip archive in a zip archive", hint="unpack the outer one first")
        error.foreign = True
    elif compression != "none":
        error.hint = "decompress it first"
    elif path is None or not is_zip(path):
        verb = "save it" if path is None else "download it"
        error.hint = f"{verb} to a file, and give that: a zip archive can't be read from its start to its end"
    else:
        has_json = any(_JSON.search(name) for name, _ in list_members(path))
        error.hint = f"name a member (FILE.zip{SEPARATOR}NAME)" if has_json else "it has no JSON in it"
        error.foreign = True
    return error
