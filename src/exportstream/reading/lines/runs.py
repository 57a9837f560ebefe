"""Cuts an input into runs of whole lines, and passes over lines that nobody needs.

Takes: a `Reader` of decompressed bytes. Yields: a `Run` of lines, or None where lines were skipped meanwhile.
Raises: `LimitError` for a line that is too long; an error of the reader comes when all whole lines before it were yielded.
Holds: one block, or the longest line that is not skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from exportstream.errors import LimitError
from exportstream.models.notes import Records
from exportstream.reading.json.buffer import Buffer, Reader

BLOCK = 256 * 1024  # bytes
_LONGEST_BEGIN = 256  # bytes of a line before the needle of a `Skip`


class Run(NamedTuple):
    """Whole lines.

    Attributes:
        data: their bytes, line feeds included.
        position: the input's position of the first byte.
        is_torn: whether it is the last line of the input and has no line feed.
    """

    data: bytes
    position: int
    is_torn: bool = False


class Skip(NamedTuple):
    """A kind of lines that are passed over without being held.

    Attributes:
        kind: the name they are counted under.
        needle: bytes near the beginning of each such line; they are searched for, so the rarer and longer the faster.
        before: matches everything on the line before the needle.
    """

    kind: str
    needle: bytes
    before: re.Pattern[bytes]


class Lines:
    """The lines of one input.

    Args:
        reader: where bytes come from.
        skips: kinds of lines that are passed over.
        max_line: bytes of the longest line taken.

    Attributes:
        skipped: how many lines of each kind were passed over, and their bytes.
    """

    def __init__(self, reader: Reader, *, skips: Sequence[Skip] = (), max_line: int) -> None:
        self.skipped: dict[str, Records] = {}
        self._buffer = Buffer(reader)
        self._skips = skips
        self._limit = max_line
        self._searched = 0  # bytes of an incomplete line that have no line feed

    @property
    def position(self) -> int:
        """Bytes of the input that have been dealt with."""
        return self._buffer.position

    def take_rest(self) -> bytes:
        """Return the bytes that came before an error of the reader and are no whole line."""
        return self._take(len(self._buffer.data)).data

    def __iter__(self) -> Iterator[Run | None]:
        buffer = self._buffer
        while True:
            buffer.fill(BLOCK)
            end = self._find_end()
            if end > buffer.start:
                yield from self._whole_lines(end)
            elif not buffer.at_end:
                if (skip := self._skip_of(buffer.start, len(buffer.data))) is not None:
                    yield from self._pass_over(skip)
                else:
                    self._grow()
            elif (error := buffer.end_error()) is not None:
                raise error
            else:
                yield from self._last_line()
                return

    def _find_end(self) -> int:
        """Index after the last line feed; that of the first byte if there is none."""
        buffer = self._buffer
        end = buffer.data.rfind(b"\n", buffer.start + self._searched) + 1
        self._searched = 0 if end else buffer.left
        return max(end, buffer.start)

    def _grow(self) -> None:
        """Read as much again: a long line takes time in proportion to its length."""
        buffer = self._buffer
        if buffer.left > self._limit:
            raise too_long(self._limit, buffer.position)
        buffer.read(max(BLOCK, min(buffer.left, self._limit - buffer.left + 1)))

    def _whole_lines(self, end: int) -> Iterator[Run | None]:
        buffer = self._buffer
        for start, stop, skip in self._spans(end):
            if start > buffer.start:
                yield self._take(start)
            self._count(skip, stop - start)
            buffer.start = stop
            yield None
        if end > buffer.start:
            yield self._take(end)

    def _last_line(self) -> Iterator[Run | None]:
        buffer = self._buffer
        if (skip := self._skip_of(buffer.start, len(buffer.data))) is not None:
            self._count(skip, buffer.left)
            buffer.start = len(buffer.data)
            yield None
        elif buffer.left:
            yield self._take(len(buffer.data), is_torn=True)

    def _take(self, end: int, *, is_torn: bool = False) -> Run:
        buffer = self._buffer
        run = Run(bytes(memoryview(buffer.data)[buffer.start : end]), buffer.position, is_torn)
        buffer.start = end
        return run

    def _spans(self, end: int) -> list[tuple[int, int, Skip]]:
        """The lines to pass over among whole lines: where each begins and ends, in order."""
        data, spans = self._buffer.data, []
        for skip in self._skips:
            at = data.find(skip.needle, self._buffer.start, end)
            while at >= 0:
                begin = self._begin_of_line(at)
                if begin is not None and skip.before.fullmatch(data, begin, at):
                    at = data.find(b"\n", at) + 1
                    spans.append((begin, at, skip))
                else:
                    at += len(skip.needle)
                at = data.find(skip.needle, at, end)
        return sorted(spans)

    def _begin_of_line(self, at: int) -> int | None:
        """Index of the first byte of the line, None if that is too far away."""
        first = self._buffer.start
        low = max(first, at - _LONGEST_BEGIN)
        begin = self._buffer.data.rfind(b"\n", low, at) + 1
        return begin or (first if low == first else None)

    def _skip_of(self, start: int, end: int) -> Skip | None:
        """The kind of skipped lines that the line which begins at `start` is of."""
        data = self._buffer.data
        for skip in self._skips:
            at = data.find(skip.needle, start, min(end, start + _LONGEST_BEGIN + len(skip.needle)))
            if at >= 0 and skip.before.fullmatch(data, start, at):
                return skip
        return None

    def _pass_over(self, skip: Skip) -> Iterator[None]:
        """Pass over a line that is longer than what was read of it."""
        buffer, size = self._buffer, 0
        while True:
            end = buffer.data.find(b"\n", buffer.start) + 1 or len(buffer.data)
            size += end - buffer.start
            buffer.start = end
            if buffer.at_end or buffer.data[end - 1 : end] == b"\n":
                break
            yield None
            buffer.read(BLOCK)
        self._searched = 0
        self._count(skip, size)
        yield None

    def _count(self, skip: Skip, size: int) -> None:
        self.skipped.setdefault(skip.kind, Records()).merge(Records(1, size))


def too_long(limit: int, position: int) -> LimitError:
    """The error for a line of more than `limit` bytes."""
    return LimitError(
        f"expected lines of at most {limit:,} bytes, got a longer one",
        hint="allow more with `max_message_size` (memory grows with the longest line)",
        position=position,
        exact=True,
    )
