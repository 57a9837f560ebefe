"""Cuts an input into runs of whole lines, and passes over lines that nobody needs.

Takes: a `Reader` of decompressed bytes. Yields: a `Run` of lines, or None where lines were skipped meanwhile.
Raises: `LimitError` for a line that is too long; an error of the reader comes when all whole lines before it were yielded.
Holds: one block, or the longest line that is not skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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
    """The lines of one input; one of more than `max_line` bytes is refused.

    Attributes:
        skipped: how many lines were passed over, and their bytes.
    """

    def __init__(self, reader: Reader, *, skip: Skip | None = None, max_line: int) -> None:
        self.skipped = Records()
        self._buffer = Buffer(reader)
        self._skip = skip
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
                if self._begins_skipped():
                    yield from self._pass_over()
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
        for start, stop in self._spans(end):
            if start > buffer.start:
                yield self._take(start)
            self._count(stop - start)
            buffer.start = stop
            yield None
        if end > buffer.start:
            yield self._take(end)

    def _last_line(self) -> Iterator[Run | None]:
        buffer = self._buffer
        if self._begins_skipped():
            self._count(buffer.left)
            buffer.start = len(buffer.data)
            yield None
        elif buffer.left:
            yield self._take(len(buffer.data), is_torn=True)

    def _take(self, end: int, *, is_torn: bool = False) -> Run:
        buffer = self._buffer
        run = Run(bytes(memoryview(buffer.data)[buffer.start : end]), buffer.position, is_torn)
        buffer.start = end
        return run

    def _spans(self, end: int) -> list[tuple[int, int]]:
        """The lines to pass over among whole lines: where each begins and ends, in order."""
        data, start, skip, spans = self._buffer.data, self._buffer.start, self._skip, []
        at = data.find(skip.needle, start, end) if skip is not None else -1
        while skip is not None and at >= 0:
            begin = data.rfind(b"\n", max(start, at - _LONGEST_BEGIN), at) + 1 or start
            if skip.before.fullmatch(data, begin, at):
                at = data.find(b"\n", at) + 1
                spans.append((begin, at))
            else:
                at += len(skip.needle)
            at = data.find(skip.needle, at, end)
        return spans

    def _begins_skipped(self) -> bool:
        """Whether the next line is one to pass over."""
        data, skip = self._buffer.data, self._skip
        before = skip.before.match(data, self._buffer.start) if skip is not None else None
        return skip is not None and before is not None and data.startswith(skip.needle, before.end())

    def _pass_over(self) -> Iterator[None]:
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
        self._count(size)
        yield None

    def _count(self, size: int) -> None:
        self.skipped.merge(Records(1, size))


def too_long(limit: int, position: int) -> LimitError:
    """The error for a line of more than `limit` bytes."""
    return LimitError(
        f"expected lines of at most {limit:,} bytes, got a longer one",
        hint="allow more with `max_message_size` (memory grows with the longest line)",
        position=position,
        exact=True,
    )
