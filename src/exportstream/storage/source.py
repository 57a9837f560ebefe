"""Source: a path, URL, ``-``, file object, bytes or chunks becomes a counted, decompressed byte reader.

Takes: anything that gives bytes. Returns: the bytes of the document, decompressed and without a UTF-8 byte order mark.
Raises: `ReadError` if the system fails or the file changes meanwhile, `JSONSyntaxError` for UTF-16 and UTF-32,
`NotAnExportError` for some other kinds of files, what `decompress` raises, and `UsageError` or `TypeError` for no source.
Holds: one piece of stored or decompressed bytes, and what `decompress` holds.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Generator
from contextlib import suppress
from itertools import chain
from typing import Any, Self

from exportstream.errors import ExportstreamError, OptionError, ReadError, UsageError, changed_while
from exportstream.storage.decompress import decompress, peek
from exportstream.storage.first_bytes import LONGEST_HEAD, is_like_json, require_utf8_json
from exportstream.storage.input_file import ByteSource, Chunks, InputFile, open_path, start_of
from exportstream.storage.lookahead import Lookahead
from exportstream.storage.names import STDIN, is_stream, refuse_misuse
from exportstream.storage.zip import MAGIC
from exportstream.storage.zip_member import MemberFile, zip_error

DEFAULT_MAX_WINDOW = 128 << 20

_CHUNK = 256 << 10  # compressed bytes per read
_BLANK = memoryview(bytes(256 << 10))  # extends a buffer before a file is read into it


def open_source(source: ByteSource, *, max_window: int | None = None) -> Source:
    """Open anything that gives bytes.

    Args:
        source: a path or URL; ``-`` for standard input; bytes, bytearray or memoryview; a binary file object; or any
            iterable of bytes, such as the body of an HTTP response. A string is always a path, a URL or ``-``.
        max_window: the memory in bytes that compressed data may ask for; 128 MiB by default.

    Raises:
        ReadError: the file or URL can't be opened.
        TypeError: `source` is none of these, or is open as text.
        UsageError: `source` is JSON as a string or several paths, or `max_window` is not positive.
    """
    if max_window is not None and max_window < 1:
        raise OptionError(f"expected max_window to be a positive number of bytes, got {max_window}")
    refuse_misuse(source)
    window = min(max(max_window or DEFAULT_MAX_WINDOW, 1 << 10), 1 << 31)  # the limits of zstd itself
    if is_stream(source):
        if sys.stdin is None:
            raise ReadError("standard input is closed", source=STDIN)
        return Source(sys.stdin.buffer, STDIN, window)
    if isinstance(source, (str, os.PathLike)):
        path = os.fsdecode(source)
        file = open_path(path)
        return Source(file, file.name, window, path=path)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return Source(io.BytesIO(source), "<bytes>", window)
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        return Source(source, name if isinstance(name, str) else "<stream>", window)
    return Source(Chunks(source), "<chunks>", window)


class Source:
    """A byte reader that counts. Get one from `open_source`, and close it or use it in a ``with`` block.

    Attributes:
        name: the path as given, or a stand-in such as ``<stdin>``.
        bytes_read: bytes of the input consumed so far, as they are stored.
        bytes_total: bytes in the input, None if that is not known.
        position: decompressed bytes returned so far, a byte order mark included.
        compression: ``none``, ``gzip``, ``zstd``, ``bzip2`` or ``xz``; known after the first read.
        state: see `names.state_of`; empty if it is not known.
        reopenable: whether `reopen` works.
        error: what ended it, and is raised by each further read; None as long as there is none.
    """

    def __init__(self, file: Any, name: str, max_window: int, *, path: str | None = None, start: int | None = None) -> None:
        self.name = name
        self.bytes_read = 0
        self.position = 0
        self.compression = "none"
        self._file = file
        self._path = path
        self._max_window = max_window
        self._read = getattr(file, "read1", file.read)  # read1 returns the bytes that are there, and does not wait for more
        self._opened = opened = InputFile(file, path)
        self._regular = opened.stat is not None and path is not None
        self.state = opened.state
        self._waits = not (opened.version or isinstance(file, io.BytesIO))
        if start is None:
            start = start_of(file) if path is None else None if self._waits else 0
        self._start = start
        self.reopenable = self._start is not None
        self.bytes_total = None if start is None or self._waits else opened.size_from(start)
        self._ask = _CHUNK
        self._rest: bytes | memoryview = b""
        self._pieces: Generator[bytes, None, None] | Lookahead = self._iter_pieces()
        self._complete = False
        self.error: ExportstreamError | None = None
        self._end: int | None = None  # where to stop, in bytes of the input

    def read(self, size: int) -> bytes:
        """Return up to `size` decompressed bytes, ``b""`` at the end.

        A regular file or URL returns all of `size` until it ends. A pipe returns the bytes that are there.
        """
        parts: list[bytes | memoryview] = []
        while size > 0 and (piece := self._rest or self._next_piece(size, pending=bool(parts))):
            self._rest = b""
            if len(piece) > size:
                view = memoryview(piece)
                piece, self._rest = view[:size], view[size:]
            parts.append(piece)
            size -= len(piece)
            self.position += len(piece)
            if self._waits:
                break
        return b"".join(parts)

    def peek(self, size: int) -> bytes:
        """Return the next bytes without taking them: at least `size` if there are as many."""
        while len(self._rest) < size and (piece := self._next_piece(_CHUNK, pending=bool(self._rest))):
            self._rest = bytes(self._rest) + piece
        return bytes(self._rest)

    def stop_at_opening_size(self) -> None:
        """Read only what was there when the input was opened: a program may still be adding to it.

        It may then grow, but not shrink or be replaced. A compressed file may not change at all.
        """
        if self._opened.stat is not None and self.compression == "none" and self.bytes_total is not None:
            self._opened.may_grow = True
            self._end = max(self.bytes_total, self.bytes_read)

    @property
    def has_grown(self) -> bool:
        """Whether something was added since the opening, where that is allowed."""
        return self._opened.may_grow and self._opened.has_grown

    def read_into(self, buffer: bytearray, size: int) -> int:
        """Append the bytes that `read` would return to `buffer`, and return how many there are.

        A file that is not compressed is read directly into the buffer, without a copy.
        """
        count = 0
        nothing_between = self.position == self.bytes_read > 0
        if self._regular and self.compression == "none" and nothing_between and self.error is None:
            end = len(buffer)
            room_size = size if self._end is None else min(size, self._end - self.bytes_read)
            buffer += _BLANK[:room_size] if room_size <= len(_BLANK) else bytes(room_size)
            try:
                with memoryview(buffer) as whole, whole[end:] as room:
                    count = self._file.readinto(room)
            except OSError:  # the read below meets it again, and reports it
                pass
            except BaseException:  # such as KeyboardInterrupt: the bytes are lost, so further reads must fail
                self.error = self._broken_off()
                raise
            finally:
                del buffer[end + count :]
            self.bytes_read += count
            self.position += count
        if count == 0:
            data = self.read(size)
            buffer += data
            count = len(data)
        return count

    @property
    def plain(self) -> tuple[str, tuple[int, ...]] | None:
        """Path and `identity` of a regular file whose bytes are given as they are; None for all else, and before a read."""
        is_plain = self._regular and self.compression == "none" and self.bytes_read > 0 and self._end is None
        return (str(self._path), self._opened.version) if is_plain and self.error is None else None

    def look_ahead(self) -> Lookahead | None:
        """Return the pieces of what is not `plain`, to be looked at before they are read; None after an error."""
        if self.error is not None or isinstance(self._pieces, Lookahead):
            return None
        self._pieces = Lookahead(self._rest, self._pieces, self.position, self)
        self._rest = b""
        return self._pieces

    def jump(self, position: int) -> None:
        """Read on at a later position of a `plain` file, or one looked ahead in, after a read: all before it was read."""
        size, self.position = position - self.position, position
        if len(self._rest) > size:
            self._rest = self._rest[size:]  # what was read ahead stays read
        elif isinstance(self._pieces, Lookahead):
            self._rest = self._pieces.skip(len(self._rest), size)
        else:
            self._rest = b""
            self._file.seek(position)
            self.bytes_read = position

    @property
    def is_file(self) -> bool:
        """Whether the input is a regular file that was opened here, a member of one, or bytes."""
        return self._regular or self.name == "<bytes>" or isinstance(self._file, MemberFile)

    def reopen(self) -> Source:
        """Return a second, independent reader of the same input, at its start."""
        if not self.reopenable:
            raise UsageError("the input can't be read a second time", source=self.name)
        if self._path is None:
            return Source(self._file, self.name, self._max_window, start=self._start)
        second = Source(open_path(self._path), self.name, self._max_window, path=self._path)
        if second._opened.version != self._opened.version:
            second.close()
            raise changed_while("read", self.name)
        return second

    def require_unchanged(self) -> None:
        """Raise `ReadError` if the input has changed since it was read; also after `close`.

        A pipe, and an answer of a web server, can't be looked at a second time.
        """
        self._opened.require_unchanged(self.name)

    def close(self) -> None:
        """Close the file if `open_source` opened it; a file object of the caller stays open."""
        with suppress(ValueError):  # a signal may come while it runs
            self._pieces.close()  # it refers back to this object
        if self._path is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _next_piece(self, size: int, *, pending: bool) -> bytes:
        """Return one piece, ``b""`` at the end. An error waits until the bytes before it have been returned."""
        self._ask = _CHUNK if isinstance(self._pieces, Lookahead) else size
        if self.error is None:
            try:
                piece = next(self._pieces, b"")
            except ExportstreamError as error:
                error.locate(source=self.name, position=self.position)
                self.error = error
            else:
                if piece or self._complete:
                    return piece
                raise self._broken_off()  # such as KeyboardInterrupt ended the generator: that must not look like the end
        if pending:
            return b""
        raise self.error

    def _broken_off(self) -> ReadError:
        return ReadError("an earlier read of it was broken off", source=self.name, position=self.position)

    def _iter_pieces(self) -> Generator[bytes, None, None]:
        stored = iter(lambda: self._fetch(self._ask if self.compression == "none" else _CHUNK), b"")
        self.compression, pieces = decompress(stored, self._max_window)
        head, pieces = peek(pieces, 4)
        if not is_like_json(head):
            head, pieces = peek(pieces, LONGEST_HEAD)
            if head.startswith(MAGIC):
                raise zip_error(self._file, None if self._waits else self._path, self.compression)
        require_utf8_json(head)
        if head.startswith(b"\xef\xbb\xbf"):
            self.position += 3
            pieces = chain((next(pieces)[3:],), pieces)
        yield from filter(None, pieces)
        self._complete = True

    def _fetch(self, size: int) -> bytes:
        try:
            if self._path is None and self._start is not None:
                self._file.seek(self._start + self.bytes_read)  # a second reader may have moved it
            data = self._read(size if self._end is None else min(size, self._end - self.bytes_read))
            if not data and self._opened.is_other:
                raise changed_while("read")
        except ExportstreamError:
            raise
        except OSError as error:
            raise ReadError.of(error) from error
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"expected bytes from {self.name}, got {type(data).__name__}")
        self.bytes_read += len(data)
        return bytes(data)
