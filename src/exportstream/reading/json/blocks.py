"""Takes runs of whole messages out of the bytes before they reach ijson: one msgspec call for a hundred to a thousand.

Takes: a buffer, and the index of a message in it (right after ``[`` or ``,`` of a `messages` array).
Returns: a `Run` of messages and the index after it, or None: then ijson has to read from there.
Raises: nothing for bad input; what is refused here is refused, or accepted, by ijson.
Holds: one block of the buffer as Python objects.

How it works: every next message of an array begins like the first one did, ``,{"id":"…","role":`` from the server and
``,{"content":`` from the SDK. Those bytes can't occur inside a JSON string, where a quote is escaped. The last such bytes
in a piece of the buffer end a block; the commas at its two ends are overwritten with brackets while msgspec decodes it,
so nothing is copied. If msgspec accepts it, the block *is* an array of whole messages: nothing is guessed. If the bytes
were inside a nested value, brackets don't match, and msgspec refuses the block.

What doesn't fit the structs of `decoder` becomes one JSON value for each message, which `formats.message` checks key by key.
Only what that refuses as well goes to ijson.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from exportstream.errors.patterns import late_pattern
from exportstream.reading.json.beyond_msgspec import value_is_deeper
from exportstream.reading.json.decoder import ANY_VALUE, REFUSALS, MessageDecoder
from exportstream.reading.json.guard import has_long_number, replace_surrogates

BLOCK = 256 * 1024  # bytes whose messages still fit into a core's own cache: 512 KiB are slower on dense messages
LARGEST_BLOCK = 1024 * 1024  # for messages that are larger than a block; beyond it is ijson's
SMALLEST_BLOCK = 8 * 1024

_FIRST_KEYS = late_pattern(rb'\s*\{\s*"([^"\\]{1,40})"\s*:\s*(?:"[^"\\]{0,200}"\s*,\s*"([^"\\]{1,40})"\s*:)?')
_BETWEEN = late_pattern(rb"[ \t\r\n,]*")
_TRAILING = late_pattern(r"trailing characters \(byte (\d+)\)\Z")
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_OPEN, _CLOSE = ord("["), ord("]")


def _keys(found: re.Match[bytes]) -> tuple[bytes, ...]:
    return tuple(key for key in found.groups() if key is not None)


def _beginning(keys: tuple[bytes, ...]) -> bytes:
    """How an object with these keys begins, as a pattern; the value of the first of two is a text."""
    pattern = rb'(\s*\{\s*"' + re.escape(keys[0]) + rb'")\s*:'
    if len(keys) > 1:
        pattern += rb'\s*"[^"\\]{0,200}"\s*,\s*"' + re.escape(keys[1]) + rb'"\s*:'
    return pattern


def separator_like(data: bytearray, start: int) -> re.Pattern[bytes] | None:
    """What comes before an element that begins as the one at `start` does; None if that is not known.

    Where the first value is an object with two keys, they tell as well: sessions of opencode and their messages both begin
    with `info`, of which the keys differ.
    """
    found = _FIRST_KEYS.match(data, start)
    if found is None:
        return None
    pattern = b"," + _beginning(_keys(found))
    within = _FIRST_KEYS.match(data, found.end())
    if within is not None and within[2] is not None:  # a single key may be a name that no other element has
        pattern += _beginning(_keys(within))
    return re.compile(pattern)


class Value(msgspec.Struct, frozen=True):
    """A message as a JSON value.

    Attributes:
        value: its numbers are int or Decimal.
        raw: its bytes, as they came.
        start: index of the first one in the buffer.
        replaced: how many halves of surrogate pairs were replaced in it.
    """

    value: Any
    raw: bytes
    start: int
    replaced: int


class Run(msgspec.Struct, frozen=True):
    """A run of whole messages.

    Attributes:
        messages: structs, when the fast ways took it; else None.
        values: of each message otherwise.
        end: index after the run: where the next message begins, or that of the array's closing bracket.
        closed: whether the array ends there.
        partial: whether the message after the run was refused.
    """

    messages: list[Any] | None
    values: list[Value]
    end: int
    closed: bool
    partial: bool = False


class Blocks:
    """Decodes blocks, and remembers what it learned about this input: where messages begin, names, unknown keys."""

    def __init__(self, decoder: MessageDecoder) -> None:
        self._decoder = decoder
        self._first_keys: tuple[bytes, ...] = ()
        self.separator: re.Pattern[bytes] | None = None
        self._spelled: bytes | None = None  # how a separator began that was found: most likely the others do as well
        self.size = BLOCK
        self.max_depth = 0
        self.wants_more = False
        self._found_none = False  # no message after the first one begins in the block

    def begin(self, buffer: bytearray, start: int, max_depth: int) -> None:
        """A `messages` array begins, its first message at `start`; a message may be `max_depth` levels deep.

        The keys it begins with are remembered: every further message begins like it.
        """
        self.max_depth = max_depth
        found = _FIRST_KEYS.match(buffer, start)
        if found is None:
            return
        keys = _keys(found)
        if keys[0] != b"id":  # a tool call begins with its id as well, so there the second key has to tell
            keys = keys[:1]
        if keys != self._first_keys:
            self._first_keys, self.separator, self._spelled = keys, re.compile(b"," + _beginning(keys)), None

    def take(self, buffer: bytearray, start: int) -> Run | None:
        """Decode as many messages from `start` on as one block holds.

        Where None is returned, `wants_more` says that no message may end in the buffer.
        """
        self.wants_more = self._found_none = False
        limit, largest = (min(len(buffer), start + size) for size in (self.size, LARGEST_BLOCK))
        run = self._take(buffer, start, limit)
        if run is None and self._found_none and limit < largest:
            run = self._take(buffer, start, largest)
        # After a refusal blocks are small, so that what msgspec refuses is not decoded again and again.
        self.size = SMALLEST_BLOCK if run is None or run.partial else min(BLOCK, self.size * 2)
        return run

    def _take(self, buffer: bytearray, start: int, limit: int) -> Run | None:
        comma = self._last_separator(buffer, start, limit)
        self._found_none = comma is None
        if comma is None and limit < len(buffer):
            return None
        return self._take_run(buffer, start, limit, comma)

    def _take_run(self, buffer: bytearray, start: int, limit: int, comma: int | None) -> Run | None:
        """Decode up to a comma that separates messages, or the array to its end, if that is before `limit`."""
        if has_long_number(buffer, start, limit):
            return None
        for _ in range(3):
            stop = limit if comma is None else comma + 1
            opening, closing = buffer[start - 1], buffer[stop - 1]
            buffer[start - 1] = _OPEN
            if comma is not None:
                buffer[comma] = _CLOSE
            try:
                run, array_end = self._decode(buffer, start, stop, at_comma=comma is not None)
            finally:
                buffer[start - 1] = opening
                buffer[stop - 1] = closing
            if run is not None:
                return run
            if array_end is not None:
                limit, comma = array_end, None
            elif comma is None:
                self.wants_more = True
                return None
            elif (comma := self._last_separator(buffer, start, comma)) is None:
                return None
        return None

    def find_separator(self, buffer: bytearray, start: int, end: int) -> int | None:
        """Index of the comma before a message that begins as the last ones did."""
        found = self.separator.search(buffer, start, end) if self.separator is not None else None
        return found.start() if found is not None else None

    def _last_separator(self, buffer: bytearray, start: int, limit: int) -> int | None:
        if self.separator is None:
            return None
        if self._spelled is not None:
            place = buffer.rfind(self._spelled, start, limit)
            while place >= 0:
                if self.separator.match(buffer, place, limit):
                    return place
                place = buffer.rfind(self._spelled, start, place)
        window = 2 * 1024  # a few messages of a dense export; the search tries every place that begins like one
        while True:
            found = list(self.separator.finditer(buffer, max(start, limit - window), limit))
            if found:
                self._spelled = b"," + found[-1].group(1)
                return found[-1].start()
            if limit - window <= start:
                return None
            window *= 8

    def _decode(self, buffer: bytearray, start: int, stop: int, *, at_comma: bool) -> tuple[Run | None, int | None]:
        """Decode from the bracket before `start` to the one before `stop`; instead of a run, say where the array ends."""
        with memoryview(buffer)[start - 1 : stop] as view:
            try:
                messages = self._decoder.decode(view, self.max_depth)
            except msgspec.DecodeError as error:
                if array_end := _array_end(error, start):
                    return None, array_end
                messages = None
            text, raws = b"", list[msgspec.Raw]()
            if messages is None:
                try:
                    text, raws = self._split(bytes(view))
                except REFUSALS as error:
                    return None, _array_end(error, start)
        end, closed = (stop, False) if at_comma else (buffer.rindex(b"]", start - 1, stop), True)
        if messages is None:
            return self._take_values(buffer, start, text, raws, end, closed), None
        return Run(messages, [], end, closed), None

    def _split(self, text: bytes) -> tuple[bytes, list[msgspec.Raw]]:
        """The bytes of a block and of each message in it; msgspec refuses lone surrogates, so they are replaced."""
        try:
            return text, _RAWS.decode(text)
        except msgspec.DecodeError:
            fixed, replaced = replace_surrogates(text)
            if not replaced:
                raise
            return fixed, _RAWS.decode(fixed)

    def _take_values(
        self, buffer: bytearray, start: int, text: bytes, raws: list[msgspec.Raw], end: int, closed: bool
    ) -> Run | None:
        values: list[Value] = []
        place = start
        for view in raws:
            raw = bytes(view)
            try:
                value = ANY_VALUE.decode(raw)
            except REFUSALS:
                value = None
            if value is None or value_is_deeper(value, self.max_depth):
                if not values:
                    return None
                return Run(None, values, buffer.index(b",", place) + 1, closed=False, partial=True)
            found = text.index(raw, place - start + 1) + start - 1
            place = found + len(raw)
            as_it_came = bytes(buffer[found:place])  # a replacement is as long as what it replaces
            replaced = replace_surrogates(as_it_came)[1] if as_it_came != raw else 0
            values.append(Value(value, as_it_came, found, replaced))
        return Run(None, values, end, closed)


def _array_end(error: Exception, start: int) -> int | None:
    """Index of the end of an array that more bytes follow. msgspec counts the first of them from 1."""
    found = _TRAILING.search(str(error))
    return start - 2 + int(found.group(1)) if found else None


def starts_of_elements(data: bytearray, begin: int, end: int) -> list[int]:
    """Return the indexes where the elements of an array begin; its first byte after the bracket is at `begin`."""
    starts, text = [], b"".join((b"[", memoryview(data)[begin:end], b"]"))
    at = 1
    for element in _RAWS.decode(text):
        found = _BETWEEN.match(text, at)
        at = at if found is None else found.end()
        starts.append(begin + at - 1)
        at += memoryview(element).nbytes
    return starts
