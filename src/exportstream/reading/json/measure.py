"""Finds the end of the JSON object that begins here: `LikelyEnd` guesses it, `measure` passes over the object.

Takes: a `Buffer` at an object. Returns: its size. Raises: `CutInputError`, `JSONSyntaxError` with a position near the wrong
byte, `LimitError`, and the errors of the `Reader`. Holds: the object and a half more, in the buffer.

How `LikelyEnd` works: it looks for where the next object seems to begin, after the same bytes as this one. Who decodes so
many bytes as an object knows that the guess is right: no object is the beginning of another.

How `measure` works: msgspec passes over the object, in bytes that go beyond it, and tells at which byte something follows.
If the bytes end within the object, more are read, half as many again each time, so that they are passed over three times at
most; of a huge object a quarter, and five times.
"""

from __future__ import annotations

import re

import msgspec

from exportstream.errors import CutInputError, InputError, JSONSyntaxError, LimitError
from exportstream.errors.patterns import late_pattern
from exportstream.reading.json.buffer import Buffer
from exportstream.reading.json.decoder import REFUSALS
from exportstream.reading.json.guard import replace_surrogates
from exportstream.reading.limits import too_deep, too_many_digits

BLOCK = 256 * 1024
_SPACE = b" \t\r\n"
_TAIL = 4096
_PLACE = re.compile(r"\(byte (\d+)\)\Z")
_MARGIN = 16  # bytes at the end of what was read that may be refused because the rest is not there
_HUGE = 16 * 1024 * 1024  # bytes of an object from which on memory is dearer than time
_SKIP = msgspec.json.Decoder(msgspec.Raw)

_FEW_WRONG = 8
_LONGEST_BETWEEN = 64
_END = late_pattern(rb'([]}"]{1,4})([ \t\r\n]*)\Z')
_BEGIN = late_pattern(rb'\{[ \t\r\n]*"[^"\\]{1,64}"[ \t\r\n]*:')


def measure(buffer: Buffer, limit: int) -> tuple[int, bool]:
    """Measure the object at the start of a buffer.

    Returns:
        Its bytes, and whether it has halves of surrogate pairs, which msgspec refuses.
    """
    window, is_odd = BLOCK, False
    if buffer.left < BLOCK // 4:  # usually enough; each read moves what is left
        buffer.fill(BLOCK)
    while True:
        size = min(window, buffer.left)
        is_all = buffer.at_end and size == buffer.left
        with memoryview(buffer.data)[buffer.start : buffer.start + size] as view:
            try:
                _SKIP.decode(replace_surrogates(bytes(view))[0] if is_odd else view)
                return _within(_without_space(view), limit), is_odd
            except REFUSALS as refusal:  # if it were kept, it would keep this frame, and all that the callers hold
                words, is_deep = str(refusal), isinstance(refusal, RecursionError)
                wrong = None if "trailing" in words else refusal_of(refusal, buffer.position)
        place = int(found[1]) if (found := _PLACE.search(words)) is not None else size
        if wrong is None:
            return _within(place - 1, limit), is_odd  # msgspec counts this one from 1
        if is_deep:
            raise wrong
        if not is_all and place >= size - _MARGIN:
            if size > limit:
                raise _too_large(limit)
            window = max(BLOCK, size + size // (2 if size < _HUGE else 4))
            buffer.fill(window)
        elif not is_odd:
            is_odd = True
        elif is_all and (error := buffer.end_error()) is not None:
            raise error
        elif "truncated" in words or (is_all and place >= size):
            raise CutInputError("the input ends before the document is complete")
        else:
            raise wrong


def _without_space(view: memoryview) -> int:
    """How many bytes there are without the white space at the end; the object may be large, so it is not copied."""
    size = len(view)
    while size and not (tail := bytes(view[max(0, size - _TAIL) : size]).rstrip(_SPACE)):
        size -= min(size, _TAIL)
    return max(0, size - _TAIL) + len(tail) if size else 0


def _within(size: int, limit: int) -> int:
    if size > limit:
        raise _too_large(limit)
    return size


def _too_large(limit: int) -> LimitError:
    return LimitError(
        f"expected conversations of at most {limit:,} bytes, got a larger one",
        hint="allow more with `max_message_size` (memory grows with the largest conversation)",
    )


def refusal_of(error: Exception, position: int | None) -> InputError:
    """Return our error for one of msgspec; `position` is that of the first byte, if it is known."""
    words = str(error)
    if isinstance(error, RecursionError):
        return too_deep()
    if "out of range" in words:
        return too_many_digits()
    if isinstance(error, UnicodeDecodeError):
        return JSONSyntaxError("not JSON: a string is not valid UTF-8")
    found = _PLACE.search(words)
    reason = words.removeprefix("JSON is malformed: ").partition(" (byte")[0]
    if position is not None and found is not None:
        position += int(found[1]) - ("trailing" in words)  # msgspec counts that one from 1
    return JSONSyntaxError(f"not JSON: {reason}", position=position)


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
