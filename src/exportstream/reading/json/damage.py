r"""The base of both searches after damage: for the next message or session (`recovery`), and for the next element of a list.

Takes: the `Buffer` at the damage. Passes on: the damaged bytes, in pieces, as far as the search has come.
Raises: `ReadError`. Holds: one read, and what a search holds.

Both look for places: an object with an unescaped key, ``{"id":``, can't begin inside a string. A place is tried before it is
taken. A `Budget` keeps the time linear.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from exportstream.reading.json.buffer import Buffer

WINDOW = 64 * 1024  # bytes after a place that must not contradict
PIECE = 64 * 1024  # bytes of a damaged stretch that are reported at once
SPACE = rb"[ \t\r\n]{0,200}"
OBJECT = rb'\{%b"(\w{1,64})"%b:' % (SPACE, SPACE)

COST_OF_LOOK = 128  # bytes that a parser reads in the time that a look at an object takes
_LONGEST_PLACE = 1024
_PRICE = 2  # bytes of the input for one that is tried
_CREDIT = 2 * 1024 * 1024  # bytes of the input that may be saved up
_IN_CHARACTER, _CONTINUATION = 0xC0, 0x80


class Budget:
    """Lets half as many bytes be tried as the input has, and a few more: each of its bytes might begin a trial."""

    def __init__(self) -> None:
        self._credit = _CREDIT
        self._position = 0

    def allows(self, position: int) -> bool:
        """Whether there may be a trial at a position; later ones are greater."""
        self._credit = min(_CREDIT, self._credit + position - self._position)
        self._position = position
        return self._credit > 0

    def spend(self, size: int) -> None:
        """Count bytes that were tried."""
        self._credit -= _PRICE * size


class DamageSearch(ABC):
    """A search for places in one input.

    Args:
        buffer: the input. If it holds bytes from a position on, these are the ones that were not reported yet.
        place: matches what is looked for.
        before: bytes before a place that are kept.
    """

    def __init__(self, buffer: Buffer, place: re.Pattern[bytes], before: int = 0) -> None:
        self._buffer = buffer
        self._place = place
        self._before = before
        self._budget = Budget()
        self._reported = 0  # pieces of this stretch

    @abstractmethod
    def _tell(self, data: bytes, position: int, *, begins: bool) -> None:
        """Pass on damaged bytes; `begins`: they are the first ones of a stretch."""

    def _next_place(self, position: int) -> re.Match[bytes] | None:
        """Find the first place from a position on; None if there is none up to the end."""
        buffer = self._buffer
        while True:
            place = self._place.search(buffer.data, position - buffer.position_of(0))
            if place is not None and (buffer.at_end or place.end() + _LONGEST_PLACE < len(buffer.data)):
                return place
            if buffer.at_end:
                return None
            tail = place.start() if place is not None else len(buffer.data) - _LONGEST_PLACE
            position = max(position, buffer.position_of(tail))
            self._report(position - buffer.position_of(0) - self._before, whole=True)
            buffer.read()

    def _report(self, end: int, *, whole: bool = False, always: bool = False) -> None:
        """Report the bytes up to an index as damage, and go on after them.

        Args:
            end: the index.
            whole: leave what is no whole piece yet for the next time: where pieces end must not depend on the reads.
            always: report a piece even if it has no bytes.
        """
        buffer = self._buffer
        if buffer.hold is not None:
            buffer.start = buffer.hold - buffer.position_of(0)
        while end - buffer.start > (PIECE if whole else 0) or always:
            at = end_of_piece(buffer.data, buffer.start, end)
            self._tell(bytes(buffer.data[buffer.start : at]), buffer.position, begins=not self._reported)
            buffer.start = at
            self._reported += 1
            always = False
        if buffer.hold is not None:
            buffer.hold = buffer.position

    def _report_rest(self) -> None:
        """Report everything up to the end as damage."""
        while True:
            is_last = self._buffer.at_end
            self._report(len(self._buffer.data), whole=not is_last)
            if is_last:
                return
            self._buffer.read()


def end_of_piece(data: bytes | bytearray, start: int, end: int) -> int:
    """Index where the next piece of damaged bytes ends: it is not within a character, so that the piece stays text."""
    cut = at = min(end, start + PIECE)
    while cut < len(data) and start < cut - 3 < at and data[at] & _IN_CHARACTER == _CONTINUATION:
        at -= 1
    return at
