"""Reads documents whose objects are held one at a time: the elements of an array, or objects one after another.

Takes: a `Reader` of decompressed bytes. Yields: an `Element` for each object.
Raises: `CutInputError`, `JSONSyntaxError`, `NotAnExportError`, `LimitError`, and the errors of the `Reader`.
Holds: one object: its bytes and a half more, and what it decodes to.

How it works: msgspec passes over the object that begins here, in bytes that go beyond it, and tells at which byte something
follows. Then it decodes the object. If the bytes end within the object, more are read, half as many again each time, so that
they are passed over three times at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum, auto
from typing import Any, NamedTuple

import msgspec

from exportstream.errors import CutInputError, InputError, JSONSyntaxError, LimitError, NotAnExportError
from exportstream.reading.json.buffer import Buffer, Reader
from exportstream.reading.json.decoder import REFUSALS
from exportstream.reading.json.guard import replace_surrogates

_BLOCK = 256 * 1024
_SPACE = b" \t\r\n"
_PLACE = re.compile(r"\(byte (\d+)\)\Z")
_MARGIN = 16  # bytes at the end of what was read that may be refused because the rest is not there
_LARGE = 1 << 20  # bytes of objects that are let go as soon as they are decoded
_SKIP = msgspec.json.Decoder(msgspec.Raw)
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class _At(Enum):
    TOP = auto()  # before or after an array or object
    FIRST = auto()  # after the bracket of an array
    AFTER = auto()  # after an element of an array
    NEXT = auto()  # after its comma


class Element(NamedTuple):
    """One object.

    Attributes:
        value: its numbers are int or Decimal.
        position: of its first byte in the input.
        size: its bytes.
        replaced: how many halves of surrogate pairs were replaced in it.
    """

    value: dict[str, Any]
    position: int
    size: int
    replaced: int


class Elements:
    """One reading of one input.

    Args:
        reader: where bytes come from.
        limit: bytes of the largest object taken.
        skip: whether lines before the first object are passed over.

    Attributes:
        skipped: bytes of those lines.
        within: whether an object has begun that is not complete.
    """

    def __init__(self, reader: Reader, *, limit: int, skip: bool = False) -> None:
        self.skipped = 0
        self.within = False
        self._buffer = Buffer(reader)
        self._limit = limit
        self._skip = skip
        self._at = _At.TOP

    @property
    def position(self) -> int:
        """Bytes of the input that have been dealt with."""
        return self._buffer.position

    @property
    def rest(self) -> bytes:
        """The bytes that were read and not dealt with."""
        return bytes(memoryview(self._buffer.data)[self._buffer.start :])

    def __iter__(self) -> Iterator[Element]:
        buffer = self._buffer
        if self._skip:
            self._skip_lines()
        while True:
            buffer.skip_space()
            if not buffer.left:
                if (error := buffer.end_error()) is not None:
                    raise error
                if self._at is not _At.TOP:
                    raise CutInputError("the input ends before the document is complete")
                return
            first = bytes(buffer.data[buffer.start : buffer.start + 1])
            if first == b"{" and self._at is not _At.AFTER:
                yield self._take()
                self._at = _At.TOP if self._at is _At.TOP else _At.AFTER
            else:
                self._at = self._enter(first)
                buffer.start += 1

    def _skip_lines(self) -> None:
        buffer = self._buffer
        buffer.fill(_BLOCK)
        while buffer.left and buffer.data[buffer.start] not in b"{[":
            end = buffer.data.find(b"\n", buffer.start) + 1
            self.skipped += (end or len(buffer.data)) - buffer.start
            buffer.start = end or len(buffer.data)

    def _enter(self, first: bytes) -> _At:
        """Go on after a byte that begins no object."""
        if self._at is _At.TOP and first == b"[":
            return _At.FIRST
        if self._at is _At.AFTER and first == b",":
            return _At.NEXT
        if self._at in (_At.FIRST, _At.AFTER) and first == b"]":
            return _At.TOP
        got = repr(first.decode("ascii", "backslashreplace"))
        if self._at is _At.AFTER:
            what = f"not JSON: expected a comma or a bracket after a conversation, got {got}"
            raise JSONSyntaxError(what, position=self.position, exact=True)
        what = f"expected an object for each conversation, got a value that begins with {got}"
        raise NotAnExportError(what, position=self.position, exact=True)

    def _take(self) -> Element:
        """Decode the object that begins here."""
        buffer = self._buffer
        self.within = True
        position = buffer.position
        size, is_odd = self._measure()
        if size > self._limit:
            raise self._too_large()
        replaced = 0
        with memoryview(buffer.data)[buffer.start : buffer.start + size] as view:
            try:
                if is_odd:
                    data, replaced = replace_surrogates(bytes(view))
                    value = _DECODER.decode(data)
                else:
                    value = _DECODER.decode(view)
            except REFUSALS as error:
                raise self._refusal(error) from None
        buffer.start += size
        if size > _LARGE:
            buffer.drop()
        self.within = False
        return Element(value, position, size, replaced)

    def _measure(self) -> tuple[int, bool]:
        """Find the end of the object: its size, and whether it has halves of surrogate pairs, which msgspec refuses."""
        buffer, window, is_odd = self._buffer, _BLOCK, False
        while True:
            buffer.fill(window)
            size = min(window, buffer.left)
            is_all = buffer.at_end and size == buffer.left
            with memoryview(buffer.data)[buffer.start : buffer.start + size] as view:
                try:
                    _SKIP.decode(replace_surrogates(bytes(view))[0] if is_odd else view)
                    return len(bytes(view).rstrip(_SPACE)), is_odd
                except REFUSALS as found_wrong:
                    refusal: Exception = found_wrong
            words = str(refusal)
            place = int(found[1]) if (found := _PLACE.search(words)) is not None else size
            if "trailing" in words:
                return place - 1, is_odd  # msgspec counts this one from 1
            if isinstance(refusal, RecursionError):
                raise self._refusal(refusal)
            if not is_all and place >= size - _MARGIN:
                if size > self._limit:
                    raise self._too_large()
                window = size + size // 2
            elif not is_odd:
                is_odd = True
            elif is_all and (error := buffer.end_error()) is not None:
                raise error
            elif "truncated" in words or (is_all and place >= size):
                raise CutInputError("the input ends before the document is complete")
            else:
                raise self._refusal(refusal)

    def _too_large(self) -> LimitError:
        return LimitError(
            f"expected conversations of at most {self._limit:,} bytes, got a larger one",
            hint="allow more with `max_message_size` (memory grows with the largest conversation)",
        )

    def _refusal(self, error: Exception) -> InputError:
        words = str(error)
        if isinstance(error, RecursionError):
            return LimitError("expected at most 512 levels of objects and arrays, got more")
        if "out of range" in words:
            return LimitError("expected integers of at most 4,300 digits, got a longer one")
        if isinstance(error, UnicodeDecodeError):
            return JSONSyntaxError("not JSON: a string is not valid UTF-8")
        found = _PLACE.search(words)
        reason = words.removeprefix("JSON is malformed: ").partition(" (byte")[0]
        return JSONSyntaxError(f"not JSON: {reason}", position=self.position + (int(found[1]) if found is not None else 0))
