"""Finds the end of the JSON object that begins here, without decoding it.

Takes: a `Buffer` at an object. Returns: its size. Raises: `CutInputError`, `JSONSyntaxError` with a position near the wrong
byte, `LimitError`, and the errors of the `Reader`. Holds: the object and a half more, in the buffer.

How it works: msgspec passes over the object, in bytes that go beyond it, and tells at which byte something follows. If the
bytes end within the object, more are read, half as many again each time, so that they are passed over three times at most;
of a huge object a quarter, and five times.
"""

from __future__ import annotations

import re

import msgspec

from exportstream.errors import CutInputError, InputError, JSONSyntaxError, LimitError
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
