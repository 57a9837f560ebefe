"""Drives the reading of one input: which of four ways takes the next bytes.

Takes: a `Reader` of decompressed bytes. Reports: `Events`. Yields: None after each step, so that what was reported can be
passed on. Raises: the parser's errors, `LimitError`, each with its byte position.
Holds: one block and what it decodes to, or as many bytes as the largest message that msgspec refused.

The ways, in the order in which `_attempt` tries them: whole sessions (`sessions`); runs of messages within a session, and
one JSON value for each message where the structs don't fit (`blocks`); what is left goes to ijson (`parser`), which
decides what is valid. Nothing that a faster way refuses is an error before ijson has seen it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

from exportstream.errors import CutInputError, ExportstreamError, InputError, LimitError
from exportstream.errors.patterns import late_pattern
from exportstream.reading.json.blocks import BLOCK, LARGEST_BLOCK, Blocks, starts_of_elements
from exportstream.reading.json.buffer import CHUNK, Buffer, Reader
from exportstream.reading.json.decoder import MessageDecoder
from exportstream.reading.json.events import Events
from exportstream.reading.json.messages_key import MessagesKeys
from exportstream.reading.json.parser import Parser
from exportstream.reading.json.sessions import Sessions
from exportstream.reading.limits import DEFAULT_MAX_MESSAGE_SIZE, MAX_DEPTH

_BEFORE_ARRAY = late_pattern(rb"[ \t\r\n]{0,64}:[ \t\r\n]{0,64}(?=\[)")
_SEAM = late_pattern(rb"[}\[][ \t\r\n]*+,?[ \t\r\n]*+(?=\{)")  # a session may begin after it
_LONGEST_SKIP = 4096  # bytes
_LONGEST_SKIP_OF_KEYS = 256  # less, since a session whose `messages` are not seen goes to ijson as a whole


class Next(Enum):
    """The kind of thing that begins at the next byte, which the parser has not seen."""

    SESSION = auto()
    MESSAGE = auto()


class Stream:
    """One reading of one input; without `use_blocks` nothing but ijson is tried."""

    def __init__(
        self, reader: Reader, events: Events, *, use_blocks: bool = True, max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE
    ) -> None:
        self.damage: InputError | None = None  # the first one after which the reading went on; see `RecoveringStream`
        self.is_cut = False
        self._events = events
        self._buffer = Buffer(reader)
        self._parser = Parser(events)
        self._envelope = self._parser.envelope
        # A block is not looked at message by message, so a small limit is for ijson to keep.
        decoder = MessageDecoder() if use_blocks and max_message_size >= 2 * LARGEST_BLOCK else None
        self._blocks = Blocks(decoder) if decoder is not None else None
        self._sessions = Sessions(decoder) if decoder is not None else None
        self._wants_starts = events.wants_starts is True
        if self._sessions is not None and self._wants_starts:
            self._sessions.position_of = self._buffer.position_of
        self._next: Next | None = None
        self._false_begins = self._false_keys = 0  # in a row that looked like a message or session, or like its `messages`
        self._limit = max_message_size
        # A message is measured in pieces, so they are small compared to the limit. They grow inside of one string, since
        # yajl scans it from its beginning for every piece: 200 MB in pieces of 64 KiB would take minutes.
        self._smallest = max(1, min(CHUNK, max_message_size // 16))
        self._largest = max(1, max_message_size // 16)
        self._piece = self._smallest
        self._since_token = self._since_value = 0  # bytes
        self._begins = False  # a `messages` array has just been opened
        self._first = True  # no message of this array has been seen
        self._parser_has_message = False  # … by the parser
        self._keys = MessagesKeys(self._buffer)
        self._awaited = b""  # what makes the string "messages" before it a key (a colon), and its value an array (a bracket)

    @property
    def position(self) -> int:
        """Bytes of the input that have been dealt with."""
        return self._buffer.position

    def __iter__(self) -> Iterator[None]:
        buffer = self._buffer
        try:
            buffer.skip_space()
            if self._sessions is not None and buffer.data.startswith(b"{", buffer.start):
                self._next = Next.SESSION
            yield from self._go_on()
        except ExportstreamError as error:
            self._locate(error)
            if isinstance(error, CutInputError):
                error.inside_message = self._envelope.in_messages and self._envelope.building
            raise

    def _locate(self, error: ExportstreamError) -> None:
        if self._parser.unread is not None:
            error.locate(position=self.position - self._parser.unread)
            error.exact = True
        error.locate(position=self.position)

    def _go_on(self) -> Iterator[None]:
        buffer = self._buffer
        while True:
            yield from self._attempt()
            self._parse()
            yield
            if self._next is None and buffer.at_end and not buffer.left:
                if (error := buffer.end_error()) is not None:
                    raise error
                self._push(b"", last=True)
                yield
                return

    def _attempt(self) -> Iterator[None]:
        """Take what the fast ways can take from here; ijson goes on after that."""
        while self._next is Next.SESSION:
            self._take_sessions()
            yield
        while self._next is Next.MESSAGE:
            self._take_messages()
            yield

    def _take_sessions(self) -> None:
        """Take a run of whole sessions."""
        assert self._sessions is not None
        buffer = self._buffer
        buffer.fill(BLOCK)
        how = {"in_array": self._envelope.in_array}
        end = self._sessions.take(buffer.data, buffer.start, self._events, at_end=buffer.at_end, **how)
        if end is None and self._sessions.wants_more and not buffer.at_end:
            buffer.fill(LARGEST_BLOCK)
            end = self._sessions.take(buffer.data, buffer.start, self._events, at_end=buffer.at_end, **how)
        if end is None:
            self._next = None
        else:
            buffer.start = end

    def _take_messages(self) -> None:
        """Take a run of whole messages of one session."""
        blocks, buffer = self._blocks, self._buffer
        assert blocks is not None
        if not self._at_a_message():
            self._next = None
            return
        buffer.fill(BLOCK)
        if self._begins:
            blocks.begin(buffer.data, buffer.start, MAX_DEPTH - self._envelope.depth)
            self._begins = False
        taken = blocks.take(buffer.data, buffer.start)
        if taken is None and blocks.wants_more and not buffer.at_end:
            buffer.fill(LARGEST_BLOCK)
            taken = blocks.take(buffer.data, buffer.start)
        if taken is None:
            self._next = None
            if self._wants_starts:
                self._events.starts([buffer.position])
            if self._parser_has_message:
                self._push(b",")
            return
        self._first = False
        for value in taken.values:
            if value.replaced:
                self._events.replaced(value.replaced)
            self._events.message(value.value, value.raw, buffer.position_of(value.start))
        begin, buffer.start = buffer.start, taken.end
        if taken.messages is not None:
            if self._wants_starts:
                starts = starts_of_elements(buffer.data, begin, taken.end if taken.closed else taken.end - 1)
                self._events.starts(list(map(buffer.position_of, starts)))
            self._events.messages(taken.messages)
        if taken.closed:
            self._next = None
            self._push_until(buffer.start + 1)  # the bracket

    def _at_a_message(self) -> bool:
        """Whether a message follows; after a comma there has to be one, and ijson may not have seen that comma."""
        buffer = self._buffer
        buffer.skip_space()
        if self._first:
            return buffer.data.startswith(b"{", buffer.start)
        buffer.require_more("a message after a comma")
        return True

    def _parse(self) -> None:
        """Give ijson what comes next, up to where a faster way may go on: `_next` tells which one."""
        buffer = self._buffer
        if buffer.left < self._piece and not buffer.at_end:
            buffer.read(self._piece)
        if self._blocks is None:
            self._push_until(len(buffer.data))
            return
        before = self.position
        self._parse_to_next()
        if self.position == before and self._next is None and not buffer.at_end:
            buffer.read(self._piece)  # all of it may be the beginning of a `messages` key

    def _parse_to_next(self) -> None:
        buffer, search = self._buffer, self._buffer.start
        key = None
        while True:
            if self._awaited:
                self._parse_awaited()
                if self._awaited or self._next is not None:
                    return
                search, key = buffer.start, None
            # After false matches the search skips bytes, or the parser would get the input in pieces of a few bytes.
            if key is None or key[0] < search:
                key = self._keys.find(search + min(2**self._false_keys, _LONGEST_SKIP_OF_KEYS) - 1)
            if (begin := self._find_begin(search + min(2**self._false_begins, _LONGEST_SKIP) - 1, key[0])) is not None:
                self._push_until(begin)
                if self._begins_at(begin):
                    self._false_begins = 0
                    return
                self._false_begins += 1
                search = begin + 1
            elif key[0] < key[1]:
                bracket = _BEFORE_ARRAY.match(buffer.data, key[1])
                self._push_until(bracket.end() if bracket is not None else key[1])
                self._awaited = b"[" if bracket is not None else b":"
            else:
                self._push_until(self._keys.safe_end())
                return

    def _find_begin(self, start: int, end: int) -> int | None:
        """Index where a message (of its comma) or a session may begin, so that a faster way may go on."""
        assert self._blocks is not None
        if self._envelope.in_messages:
            return self._blocks.find_separator(self._buffer.data, start, end)
        return found.end() if (found := _SEAM.search(self._buffer.data, start, end)) is not None else None

    def _begins_at(self, index: int) -> bool:
        """Whether a message or session really begins there, now that the parser has come to it."""
        buffer = self._buffer
        if self._envelope.between_sessions:
            self._next = Next.SESSION
        elif (
            self._envelope.in_messages
            and not self._envelope.building
            and buffer.data[max(0, index - CHUNK) : index].rstrip(b" \t\r\n").endswith(b"}")
        ):
            buffer.start += 1
            self._first, self._parser_has_message = False, True
            self._next = Next.MESSAGE
        return self._next is not None

    def _parse_awaited(self) -> None:
        """After a string "messages": parse a colon and a bracket, and stop if that is what they are."""
        buffer = self._buffer
        while self._awaited:
            self._push_until(buffer.after_space())
            if not buffer.left:
                return
            as_awaited = buffer.data.startswith(self._awaited, buffer.start)
            self._awaited, before = b"[" if as_awaited and self._awaited == b":" else b"", self._awaited
            if as_awaited:
                self._push_until(buffer.start + 1)
            if not self._awaited:
                self._false_keys += 1
            if as_awaited and before == b"[" and self._envelope.at_first_message:
                self._false_begins = self._false_keys = 0
                self._first, self._parser_has_message, self._begins = True, False, True
                self._next = Next.MESSAGE

    def _push_until(self, end: int) -> None:
        buffer = self._buffer
        while buffer.start < end:
            piece = bytes(memoryview(buffer.data)[buffer.start : min(end, buffer.start + self._piece)])
            buffer.start += len(piece)
            self._push(piece)

    def _push(self, piece: bytes, *, last: bool = False) -> None:
        """Give bytes to the parser; measure what is not complete."""
        parser = self._parser
        tokens, values = parser.tokens, self._envelope.values
        parser.feed(piece, last=last)
        if parser.tokens != tokens:
            self._since_token, self._piece = 0, self._smallest
        else:
            self._since_token += len(piece)
            self._piece = max(self._piece, min(self._since_token // 5, self._largest))
        if self._envelope.values != values or not (self._envelope.building or parser.in_string):
            self._since_value = 0
        else:
            self._since_value += len(piece)
            if self._since_value > self._limit:
                raise LimitError(
                    f"expected a message of at most {self._limit:,} bytes, got a larger one",
                    hint="allow more with `max_message_size` (memory grows with the largest message)",
                )
