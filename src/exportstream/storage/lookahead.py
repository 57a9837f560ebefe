"""Pieces of a decompressed input that can be looked at before they are taken, and for a while after.

Takes: pieces, and the source that counts what they take. Yields: the same pieces. Raises: what their reading raises,
when all pieces before it were taken. Holds: the pieces that were looked at, and a few megabytes of those taken last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import NamedTuple, Protocol

from exportstream.errors import ExportstreamError

_KEPT = 2 << 20  # bytes that stay after they were taken: a reading may have taken some of what it has not dealt with


class Counting(Protocol):
    """A source whose `bytes_read` grows while pieces of it are read."""

    bytes_read: int


class _Piece(NamedTuple):
    end: int  # the position after it
    data: bytes
    bytes_read: int  # of the input, as it is stored, to get it


class Lookahead:
    """The pieces of one input.

    Args:
        first: bytes that were read already, and come first.
        pieces: the pieces after them.
        position: of the first byte.
        source: its `bytes_read` stays that of the pieces taken.
    """

    def __init__(
        self, first: bytes | memoryview, pieces: Generator[bytes, None, None], position: int, source: Counting
    ) -> None:
        self._pieces = pieces
        self._source = source
        self._taken: deque[_Piece] = deque()
        self._next: deque[_Piece] = deque()
        self._taken_size = 0
        self._end = position + len(first)
        self._bytes_read = source.bytes_read
        if first:
            self._next.append(_Piece(self._end, bytes(first), self._bytes_read))
        self._error: ExportstreamError | None = None

    def __iter__(self) -> Lookahead:
        return self

    def __next__(self) -> bytes:
        if not self._next and not self._read():
            if self._error is not None:
                raise self._error
            raise StopIteration
        piece = self._next.popleft()
        self._source.bytes_read = piece.bytes_read
        self._taken.append(piece)
        self._taken_size += len(piece.data)
        while self._taken_size > _KEPT + len(piece.data):
            self._taken_size -= len(self._taken.popleft().data)
        return piece.data

    def close(self) -> None:
        """Close the pieces, and let go of those that are held."""
        self._pieces.close()
        self._taken.clear()
        self._next.clear()

    def read_at(self, position: int, size: int) -> bytes:
        """Return up to `size` bytes from a position on; none at the end, and where they are no longer held."""
        while self._end < position + size and self._read():
            pass
        parts = []
        at = position
        for end, data, _ in (*self._taken, *self._next):
            start = end - len(data)
            if start > at:
                return b""
            if end > at:
                part = memoryview(data)[at - start : position + size - start]
                parts.append(part)
                at += len(part)
            if at == position + size:
                break
        return b"".join(parts)

    def hold(self, start: int, end: int) -> bytes:
        """Return the bytes from one position to another, and hold them only once from now on; none as `read_at`."""
        data = self.read_at(start, end - start)
        if len(data) < end - start:
            return b""
        low = max(start, self._end - sum(len(piece.data) for piece in self._next))
        pieces, self._next = self._next, deque()
        for last, piece, bytes_read in pieces:
            first = last - len(piece)
            if first < low:
                self._next.append(_Piece(min(low, last), piece[: low - first], bytes_read))
            if max(first, low) < end <= last:
                self._next.append(_Piece(end, data if low == start else data[low - start :], bytes_read))
            if last > end:
                self._next.append(_Piece(last, piece[max(end - first, 0) :], bytes_read))
        return data

    def skip(self, pending: int, size: int) -> bytes | memoryview:
        """Take pieces up to a position; return the rest of the last one, which begins there. What is before it is let go.

        Args:
            pending: bytes of the piece taken last that come first.
            size: bytes to skip.
        """
        data: bytes = b""
        left = size - pending
        while left > 0:
            data = next(self)
            left -= len(data)
        while len(self._taken) > (left < 0):
            self._taken_size -= len(self._taken.popleft().data)
        return memoryview(data)[len(data) + left :]

    def _read(self) -> bool:
        """Read a piece; return whether there was one."""
        if self._error is not None:
            return False
        shown, self._source.bytes_read = self._source.bytes_read, self._bytes_read
        try:
            data = next(self._pieces, b"")
        except ExportstreamError as error:  # what came before it comes first
            self._error = error
            return False
        finally:
            self._bytes_read, self._source.bytes_read = self._source.bytes_read, shown
        if data:
            self._end += len(data)
            self._next.append(_Piece(self._end, data, self._bytes_read))
        return bool(data)
