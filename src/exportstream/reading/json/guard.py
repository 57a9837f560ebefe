r"""Looks at the bytes before the parser does, and keeps from it what would hurt it.

Takes: chunks of JSON bytes, cut anywhere. Yields: the same bytes in pieces that never end inside an escape sequence.
Raises: `LimitError` for a number of more than `MAX_DIGITS` digits, `JSONSyntaxError` for the form feeds and vertical tabs
that yajl takes as white space.
Holds: at most 12 bytes between two chunks.

Why each is needed (measured with ijson 3.6.0, yajl2_c): an integer beyond CPython's limit of 4,300 digits is a segmentation
fault; half a surrogate pair (``\ud800``) becomes ``?`` or, worse, a wrong character. Such a half is replaced by U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from exportstream.errors import JSONSyntaxError, LimitError
from exportstream.errors.patterns import late_pattern
from exportstream.reading.limits import MAX_DIGITS, too_many_digits

# A string up to its closing quote (group 1 unset), or to the end of the chunk (group 1: the start of an escape, or empty).
_STRING = late_pattern(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|(\\?\Z))', re.DOTALL)
STRING_GOES_ON = late_pattern(rb'[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|(\\?\Z))', re.DOTALL)
LONG_NUMBER = late_pattern(rb"(?<!\d)\d{%d}" % (MAX_DIGITS + 1))  # tried at the first digit of a run, not at each
_DIGITS = b"0123456789"
_STRIDE = 512
_ZEROS = bytes.maketrans(b"123456789", b"000000000")  # so that a run of digits is found without a pattern, which is slow
_ESCAPE_AT_END = late_pattern(rb"\\(?:u(?:[0-9a-fA-F]{0,3}|[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?))?\Z")
_HIGH, _LOW = rb"u[dD][89abAB][0-9a-fA-F]{2}", rb"u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF = late_pattern(rb"\\u[dD]")
_PAIR = late_pattern(rb"\\%b\\%b" % (_HIGH, _LOW))
# An escape or a quote, from left to right. Group 1 is a run of halves without their other half: whole pairs come first,
# a first half before another first half has none, and neither has a second half that is no part of a pair.
_ESCAPE_OR_QUOTE = late_pattern(
    rb"\\(?:%(high)b\\%(low)b|((?:%(high)b\\(?=u[dD][89abAB])){0,998}%(high)b(?!\\%(low)b)|%(low)b(?:\\%(low)b){0,998})|.)|(\")"
    % {b"high": _HIGH, b"low": _LOW},
    re.DOTALL,
)
_QUOTE = 2  # its group
_SLICE = 64 * 1024
_BACKSLASH = ord("\\")
REPLACEMENT = rb"\ufffd"


class Guard:
    """Follows strings and nesting through the chunks of one input.

    Attributes:
        in_string: whether the next byte is inside a string.
        held: bytes that are held back until the next chunk.
    """

    def __init__(self) -> None:
        self.in_string = False
        self._digits = 0
        self.held = b""

    def pieces(self, chunk: bytes, *, last: bool = False) -> Iterator[tuple[bytes, int]]:
        """Yield ``(bytes, replaced)``: a piece, and how many surrogates were replaced in the string that it ends in.

        With `last`, what was held back comes out as well: the input has ended.
        """
        data = self.held + chunk if self.held else chunk
        self.held = b""
        if not last:
            end = _safe_cut(data, 0, len(data))
            data, self.held = data[:end], data[end:]
        if not data:
            return
        error = None
        begin = good = 0
        while good < len(data) and error is None:
            # In slices, since a pattern that repeats a group takes memory for every repetition.
            end = min(len(data), good + _SLICE)
            end = _safe_cut(data, good, end) if end < len(data) else end
            try:
                self._checked(data[good:end])
            except (JSONSyntaxError, LimitError) as found:
                error = found
                end = good + self._good(data[good:end])
                self._checked(data[good:end])
            good = end
            if (
                begin < good and not self.in_string
            ):  # yajl reads an unfinished string again from its beginning with every piece
                yield from _replace_surrogates(data[begin:good])
                begin = good
        if begin < good:
            yield from _replace_surrogates(data[begin:good])
        if error is not None:
            raise error

    def _checked(self, data: bytes) -> None:
        """Check a slice; after an error the state is that before it."""
        before = self.in_string, self._digits
        try:
            self._check(data)
        except (JSONSyntaxError, LimitError):
            self.in_string, self._digits = before
            raise

    def _good(self, data: bytes) -> int:
        """How many bytes of a refused slice are good, so that the messages in them are not lost."""
        good, bad = 0, len(data)
        before = self.in_string, self._digits
        while bad - good > 1:
            middle = (good + bad) // 2
            try:
                self._checked(data[:middle])
                good = middle
            except (JSONSyntaxError, LimitError):
                bad = middle
            self.in_string, self._digits = before
        return good

    def _check(self, data: bytes) -> None:
        """Look over a slice; what may be wrong with it is looked at exactly."""
        if self._digits or b"\x0c" in data or b"\x0b" in data or has_long_number(data, 0, len(data)):
            self._check_exactly(data)
            return
        # A string begins or ends at a quote without an escape; a backslash left after this escapes the byte after it.
        simple = data.replace(rb"\\", b"") if rb'\\"' in data else data
        self.in_string ^= bool((simple.count(b'"') - simple.count(rb"\"")) & 1)
        self._digits = 0 if self.in_string or not data[-1:].isdigit() else len(data) - len(data.rstrip(_DIGITS))

    def _check_exactly(self, data: bytes) -> None:
        start = 0
        if self.in_string:
            found = STRING_GOES_ON.match(data)
            assert found is not None
            start = found.end()
            self.in_string = found.group(1) is not None
            if self.in_string:
                return
        parts = _STRING.split(data[start:] if start else data)
        if len(parts) > 1 and parts[-2] is not None:
            self.in_string = True
        outside = b"".join(parts[::2])
        if self._digits or len(outside) > MAX_DIGITS:
            self._check_digits(outside)
        length = len(outside) - len(outside.rstrip(_DIGITS)) if parts[-1] and not self.in_string else 0
        self._digits = length + (self._digits if length == len(data) else 0)
        if self._digits > MAX_DIGITS:
            raise too_many_digits()
        if b"\x0c" in outside or b"\x0b" in outside:
            raise JSONSyntaxError("not JSON: expected white space, got a form feed or vertical tab")

    def _check_digits(self, outside: bytes) -> None:
        if LONG_NUMBER.search(outside):
            raise too_many_digits()
        leading = len(outside) - len(outside.lstrip(_DIGITS))
        if leading and self._digits + leading > MAX_DIGITS:
            raise too_many_digits()


def has_long_number(data: bytes | bytearray, start: int, end: int) -> bool:
    """Whether there is a run of more than `MAX_DIGITS` digits: it holds eight of the bytes looked at, side by side."""
    return b"00000000" in data[start:end:_STRIDE].translate(_ZEROS) and bool(LONG_NUMBER.search(data, start, end))


def _safe_cut(data: bytes, start: int, end: int) -> int:
    """The last index up to `end` that is not inside an escape sequence, in data that does not begin inside one."""
    search = max(start, end - 12)
    while (found := _ESCAPE_AT_END.search(data, search, end)) is not None:
        if not _is_escaped(data, found.start()):
            return found.start()
        search = found.start() + 1
    return end


def replace_surrogates(data: bytes) -> tuple[bytes, int]:
    """Replace halves of surrogate pairs in whole strings; return how many there were."""
    pieces = list(_replace_surrogates(data))
    return b"".join(piece for piece, _ in pieces), sum(replaced for _, replaced in pieces)


def _only_pairs(data: bytes) -> bool:
    """Whether there are no halves but those of whole pairs."""
    end = 0
    for found in _HALF.finditer(data):
        start = found.start()
        if start >= end and not _is_escaped(data, start):
            pair = _PAIR.match(data, start)
            if pair is None:
                return False
            end = pair.end()
    return True


def _is_escaped(data: bytes, index: int) -> bool:
    """Whether an odd number of backslashes comes before the one at `index`."""
    run = index
    while run and data[run - 1] == _BACKSLASH:
        run -= 1
    return bool((index - run) & 1)


def _replace_surrogates(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Replace surrogates; a piece ends only after the last one of a string, since the parser begins the string anew then."""
    if _only_pairs(data):
        yield data, 0
        return
    done = replaced = 0
    string_ended = False
    parts: list[bytes] = []
    for found in _ESCAPE_OR_QUOTE.finditer(data):
        kind = found.lastindex
        if kind is None:  # some other escape, or a whole pair
            continue
        if kind == _QUOTE:
            string_ended = True
            continue
        if string_ended and replaced:
            yield b"".join(parts), replaced
            parts, replaced = [], 0
        string_ended = False
        start, end = found.span()
        if start > done:
            parts.append(data[done:start])
        count = (end - start) // len(REPLACEMENT)
        parts.append(REPLACEMENT * count)
        replaced += count
        done = end
    if replaced:
        yield b"".join(parts), replaced
    if done < len(data):
        yield data[done:], 0
