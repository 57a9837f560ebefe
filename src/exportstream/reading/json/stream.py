"""Drives the parser: bytes in, events out, whole blocks of messages taken out in between.

Takes: a `Reader` of decompressed bytes, a `Parser`, and `Blocks` or None (ijson alone).
Yields: the parser's events, and two of its own: ``("block", messages)`` for structs that were decoded together, and
``("value", value, raw, place)`` for one message as a JSON value with its bytes and its exact place in the input.
``("flush",)`` ends what one read brought. Raises: the parser's errors, `LimitError`, each with the byte position.
Holds: one block and what it decodes to, or as many bytes as the largest message that msgspec refused.

Where no block can be taken, ijson gets the bytes, and reads grow while nothing comes out: yajl scans an unfinished string
from its beginning for every piece, so 200 MB in one string would take minutes in pieces of 64 KiB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Protocol

from exportstream.errors import CutInputError, ExportstreamError, JSONSyntaxError, LimitError, NotAnExportError
from exportstream.reading.json.blocks import BLOCK, LARGEST_BLOCK, Blocks
from exportstream.reading.json.events import Event
from exportstream.reading.json.guard import MAX_DEPTH
from exportstream.reading.json.parser import Parser

CHUNK = 64 * 1024
_PIECE = 8 * 1024**2
DEFAULT_MAX_MESSAGE_SIZE = 1024**3

_KEY = b'"messages"'
_ANY_ESCAPE = b"\\u00"
_ESCAPED_KEY = re.compile(rb'"%b"' % b"".join(rb"(?:%c|\\u00(?i:%x))" % (char, char) for char in b"messages"))
_MAYBE_KEY = re.compile(rb'"[\\\w]{0,48}\Z')  # of a key that has one more byte, its quote
_LONGEST_KEY = 50
_BEFORE_ARRAY = re.compile(rb"[ \t\r\n]{0,64}:[ \t\r\n]{0,64}(?=\[)")
_SPACE = re.compile(rb"[ \t\r\n]*")


@cache
def _keep_freed_memory() -> None:
    """Let glibc keep the memory of a block that was dealt with for the next one; once in a process.

    It gives the free top of its memory back to the system at once, and takes it again page by page. Once a larger piece was
    freed it keeps up to twice as much (mallopt(3), M_TRIM_THRESHOLD). The piece is never touched, so it takes no memory; to
    other allocators it says nothing.
    """
    bytes(_PIECE)


class Reader(Protocol):
    """What bytes are read from."""

    def read_into(self, buffer: bytearray, size: int, /) -> int:
        """Append up to `size` bytes, none at the end; return how many."""


class Feed:
    """One reading of one input."""

    def __init__(self, reader: Reader, parser: Parser, blocks: Blocks | None, *, max_message_size: int) -> None:
        _keep_freed_memory()
        self._reader = reader
        self._parser = parser
        # A block is not looked at message by message, so a small limit is ijson's to keep.
        self._blocks = blocks if max_message_size >= 2 * LARGEST_BLOCK else None
        self._limit = max_message_size
        self._buffer = bytearray()
        self._start = 0  # what is before it in the buffer has been dealt with
        self._dropped = 0  # bytes of the input that are no longer in the buffer
        self._at_end = False
        # A message is measured in pieces between two events, so pieces are small beside the limit.
        self._smallest = max(1, min(CHUNK, max_message_size // 16))
        self._largest = max(1, max_message_size // 16)
        self._chunk = self._smallest
        self._since_event = 0
        self._nothing_yet = True
        self._read_error: ExportstreamError | None = None
        self._first = True  # no message of this array has been seen
        self._parser_has_message = False  # … by the parser
        self._no_key_before = 0  # bytes of the input: from there on a string "messages" is searched for
        self._awaited = b""  # what makes the string "messages" before it a key (a colon), and its value an array (a bracket)

    @property
    def position(self) -> int:
        """Bytes of the input that have been dealt with."""
        return self._dropped + self._start

    def __iter__(self) -> Iterator[Event]:
        try:
            yield from self._envelope()
        except ExportstreamError as error:
            error.locate(position=self.position)
            if isinstance(error, CutInputError):
                error.inside_message = self._parser.in_messages and self._parser.building
            raise

    def _read(self, size: int) -> None:
        keep = max(0, self._start - 1)  # a block needs the byte before it
        if keep:
            del self._buffer[:keep]
            self._dropped += keep
            self._start -= keep
        before = len(self._buffer)
        try:
            self._at_end = self._reader.read_into(self._buffer, size) == 0
        except ExportstreamError as error:  # what came before it is still good, and comes first
            self._read_error = error
            self._at_end = True
        if self._nothing_yet:
            self._look_at_first_byte(self._buffer[before:])

    def _look_at_first_byte(self, data: bytearray) -> None:
        first = data.lstrip(b" \t\r\n")[:1]
        self._nothing_yet = not first
        if first == b"<":
            raise NotAnExportError("expected JSON, found HTML or XML", hint="it may be an error page: export again")

    def _end_of_input(self) -> ExportstreamError | None:
        """What is wrong with the end, as far as it is not the parser's to say."""
        if self._read_error is not None:
            return self._read_error
        if self._nothing_yet:
            return NotAnExportError(
                "empty input", hint="the server sends an empty body when its encoding fails: export again"
            )
        return None

    def _envelope(self) -> Iterator[Event]:
        """Feed ijson; stop where `messages` begin, and where a message begins that blocks can go on from."""
        while True:
            if len(self._buffer) - self._start < self._chunk and not self._at_end:
                self._read(self._chunk)
            before = self.position
            yield from self._feed_buffer()
            yield ("flush",)
            if self.position == before and not self._at_end:  # all of it may be the beginning of a `messages` key
                self._read(self._chunk)
            if self._at_end and self._start == len(self._buffer):
                if (error := self._end_of_input()) is not None:
                    raise error
                yield from self._push(b"", last=True)
                return

    def _feed_buffer(self) -> Iterator[Event]:
        """Feed what is in the buffer, but for a tail that may be the beginning of a `messages` key."""
        search = self._start
        key = None
        while True:
            if self._awaited:
                yield from self._feed_awaited()
                if self._awaited:
                    return
                search, key = self._start, None
            if key is None or key[0] < search:
                key = self._find_key(search)
            begin = None
            if self._blocks is not None and self._blocks.separator is not None and self._parser.in_messages:
                begin = self._blocks.separator.search(self._buffer, search, key[0])
            if begin is not None:
                search = begin.start() + 1
                yield from self._push_until(begin.start())
                if self._message_complete(begin.start()):
                    yield ("flush",)
                    self._start += 1
                    self._first, self._parser_has_message = False, True
                    yield from self._take_blocks()
                    search, key = self._start, None
            elif key[0] < key[1]:
                bracket = _BEFORE_ARRAY.match(self._buffer, key[1])
                yield from self._push_until(bracket.end() if bracket is not None else key[1])
                self._awaited = b"[" if bracket is not None else b":"
            else:
                yield from self._push_until(self._safe_end())
                return

    def _find_key(self, start: int) -> tuple[int, int]:
        """Where the next string "messages" begins and ends; the end of the buffer twice where there is none."""
        end = len(self._buffer)
        start = max(start, self._no_key_before - self._dropped)
        place = self._buffer.find(_KEY, start)
        found = (place, place + len(_KEY)) if place >= 0 else (end, end)
        if self._buffer.find(_ANY_ESCAPE, start, found[0]) >= 0:  # it may be spelled with escapes
            escaped = _ESCAPED_KEY.search(self._buffer, start, found[1])
            found = escaped.span() if escaped is not None else found
        self._no_key_before = self._dropped + (found[0] if found[0] < end else max(start, end - _LONGEST_KEY))
        return found

    def _feed_awaited(self) -> Iterator[Event]:
        """After a string "messages": feed a colon and a bracket, and begin the messages if that is what they are."""
        while self._awaited:
            yield from self._push_until(self._after_space())
            if self._start == len(self._buffer):
                return
            as_awaited = self._buffer.startswith(self._awaited, self._start)
            self._awaited, before = b"[" if as_awaited and self._awaited == b":" else b"", self._awaited
            if as_awaited:
                yield from self._push_until(self._start + 1)
            if as_awaited and before == b"[" and self._parser.enter_messages():
                yield from self._take_events()
                self._first, self._parser_has_message = True, False
                if self._blocks is not None:
                    yield from self._take_blocks()

    def _after_space(self) -> int:
        found = _SPACE.match(self._buffer, self._start)
        return found.end() if found is not None else self._start

    def _safe_end(self) -> int:
        """The end of the buffer, or the place where a `messages` key may begin whose rest has not been read."""
        end = len(self._buffer)
        found = None if self._at_end else _MAYBE_KEY.search(self._buffer, max(self._start, end - _LONGEST_KEY))
        return found.start() if found is not None else end

    def _push_until(self, end: int) -> Iterator[Event]:
        if end > self._start:
            step = self._chunk if self._chunk < CHUNK else end - self._start
            while self._start < end:
                data = bytes(memoryview(self._buffer)[self._start : min(end, self._start + step)])
                self._start += len(data)
                yield from self._push(data)

    def _push(self, data: bytes, *, last: bool = False) -> Iterator[Event]:
        """Give bytes to the parser and pass its events on, also those before an error."""
        try:
            self._parser.feed(data, last=last)
        except ExportstreamError:
            yield from self._take_events()
            raise
        if any(event[0] != "replaced" for event in self._parser.events):
            self._since_event = 0
            self._chunk = self._smallest
        elif data and (self._parser.building or self._parser.in_string):
            self._since_event += len(data)
            self._chunk = max(self._chunk, min(self._since_event // 5, self._largest))
            if self._since_event > self._limit:
                raise LimitError(
                    f"a message is larger than {self._limit:,} bytes",
                    hint="allow more with `max_message_size` (memory grows with the largest message)",
                )
        yield from self._take_events()

    def _take_events(self) -> Iterator[Event]:
        events, self._parser.events = self._parser.events, []
        yield from events

    def _message_complete(self, end: int) -> bool:
        """Whether the parser stands right behind a message, before the comma at `end`."""
        before = self._buffer[max(0, end - CHUNK) : end].rstrip(b" \t\r\n")
        return self._parser.in_messages and not self._parser.building and before.endswith(b"}")

    def _take_blocks(self) -> Iterator[Event]:
        """Take blocks out as long as msgspec accepts them; what comes then is ijson's."""
        blocks = self._blocks
        assert blocks is not None
        begins = self._first
        while True:
            if not self._at_a_message():
                return
            self._fill(BLOCK)
            if begins:
                blocks.begin(self._buffer, self._start, MAX_DEPTH - self._parser.depth)
                begins = False
            taken = blocks.take(self._buffer, self._start)
            if taken is None and blocks.wants_more and not self._at_end:
                self._fill(LARGEST_BLOCK)
                taken = blocks.take(self._buffer, self._start)
            if taken is None:
                break
            place = self._dropped
            self._first = False
            self._start = taken.end
            if taken.messages is not None:
                yield ("block", taken.messages)
            else:
                for value, raw, found, replaced in taken.values:
                    if replaced:
                        yield ("replaced", replaced)
                    yield ("value", value, raw, place + found)
            yield ("flush",)
            if taken.closed:
                return
        if self._parser_has_message:
            yield from self._push(b",")

    def _at_a_message(self) -> bool:
        """Whether a message follows; after a comma there has to be one, and ijson may not have seen that comma."""
        while True:
            self._start = self._after_space()
            if self._start < len(self._buffer) or self._at_end:
                break
            self._read(CHUNK)
        following = self._buffer[self._start : self._start + 1]
        if self._first:
            return following == b"{"
        if not following:
            raise self._end_of_input() or CutInputError("the input ends before the document is complete")
        if following in b"],}:":
            raise JSONSyntaxError("not JSON: expected a message after a comma")
        return True

    def _fill(self, size: int) -> None:
        while len(self._buffer) - self._start < size and not self._at_end:
            self._read(max(CHUNK, size - len(self._buffer) + self._start))
