"""Guesses where the object ends that begins here: where the next one seems to begin, after the same bytes as this one.

Takes: a `Buffer` at an object. Returns: a size, which may be wrong. Raises: the errors of the `Reader`. Holds: a few bytes.

Who decodes so many bytes as an object knows that the guess is right: no object is the beginning of another. This leaves out
`measure`, which passes over each byte before it is decoded.
"""

from __future__ import annotations

from exportstream.errors.patterns import late_pattern
from exportstream.reading.json.buffer import Buffer
from exportstream.reading.json.measure import BLOCK

_FEW_WRONG = 8
_LONGEST_BETWEEN = 64
_END = late_pattern(rb'([]}"]{1,4})([ \t\r\n]*)\Z')
_BEGIN = late_pattern(rb'\{[ \t\r\n]*"[^"\\]{1,64}"[ \t\r\n]*:')


class LikelyEnd:
    """Knows the bytes between the last two objects, from the closing brackets of one to the first key of the other."""

    def __init__(self) -> None:
        self._between = b""
        self._end = b""  # of the object that was taken last
        self._after = 0  # position after it
        self._looked_at = 0  # bytes in which an end was guessed, or there was none
        self._right = self._wrong = 0

    def guess(self, buffer: Buffer) -> int:
        """Guess the size of the object at the start of a buffer; 0 if that is not known."""
        self._looked_at = 0
        if buffer.left < BLOCK // 4:  # as `measure` does
            buffer.fill(BLOCK)
        if not self._between:
            self._learn(buffer)
        if not self._between or self._wrong > _FEW_WRONG + self._right // 4:
            return 0
        self._looked_at = min(buffer.left, BLOCK)
        found = buffer.data.find(self._between, buffer.start, buffer.start + self._looked_at)
        return 0 if found < 0 else found - buffer.start + len(self._end)

    def know(self, buffer: Buffer, size: int, *, guessed: bool) -> None:
        """Know the size of the object at the start of a buffer, and whether it was guessed."""
        end = buffer.start + size
        if guessed:
            self._right += 1
            return
        if size < self._looked_at:
            self._wrong += 1
        self._between = b""
        found = _END.search(buffer.data, max(buffer.start, end - _LONGEST_BETWEEN), end)
        self._end = b"" if found is None else found[1]
        self._after = buffer.position + size - (0 if found is None else len(found[2]))  # spaces may count as measured

    def _learn(self, buffer: Buffer) -> None:
        """Learn what is between the last object and the one at the start of a buffer."""
        gap = buffer.position - self._after
        begin = _BEGIN.match(buffer.data, buffer.start)
        if self._end and begin is not None and 0 < gap <= min(buffer.start, _LONGEST_BETWEEN):
            self._between = self._end + bytes(buffer.data[buffer.start - gap : begin.end()])
