r"""Goes on after damage: bytes that are not JSON, or an input that is cut.

Takes: the `Buffer` at an error, with the bytes since the last value that was complete. Reports: `Events.damage`, in pieces.
Returns: the `Envelope` to go on with, at the buffer's start; None if the input is over.
Raises: `ReadError`. Holds: the bytes since the last complete value, those of a session up to its id, and `WINDOW` of what
comes after a place that is tried.

How it works: an object with an unescaped key, ``{"id":``, can't begin inside a string. Whether it is at the level of the
messages, or inside a value of one, can be told by what follows only. So a place is tried before it is taken: a parser of
its own reads on from there as if it were in `messages`. The first value must be a valid message. A value inside a message is
followed by that message's own brackets, which contradict; then the place is passed over. If nothing contradicts up to
the next document, the end, or for `WINDOW` bytes, the reading goes on there. A contradiction that comes later is an error.
Whatever is doubtful stays in the damaged stretch. A `Budget` keeps the time linear: where too much was tried in vain, the
next bytes are passed over; if a `messages` key is among them, the messages after it are not taken for this session's.
"""

from __future__ import annotations

import re

from exportstream.errors import InputError, JSONSyntaxError, LimitError, NotAnExportError
from exportstream.models.names import CAMEL_NAMES
from exportstream.models.structs import Message
from exportstream.reading.json.buffer import CHUNK, Buffer
from exportstream.reading.json.damage import COST_OF_LOOK, OBJECT, SPACE, WINDOW, DamageSearch
from exportstream.reading.json.envelope import Envelope
from exportstream.reading.json.events import Events
from exportstream.reading.json.guard import STRING_GOES_ON
from exportstream.reading.json.measure import measure
from exportstream.reading.json.parser import LONGEST_NO_SESSION, Parser
from exportstream.reading.json.recovery_trial import COST_OF_TRIAL, CheckMessage, Trial, is_other

_SMALLEST = 512  # bytes of a place that are tried first
_LONGEST = 4 * 1024 * 1024  # bytes of a message that is tried, and of a session before its messages; memory grows with it
_COST_OF_KEY = 10  # bytes that are read in the time in which a key of the session is copied
_BEFORE = 256  # bytes before a place that are looked at

_TOKEN = re.compile(rb'"(?:[^"\\]*+(?:\\.[^"\\]*+)*+")?|[{}\[\],]', re.DOTALL)
_PLACE = re.compile(rb'(messages"%b:%b\[%b)|%b' % (SPACE, SPACE, SPACE, OBJECT))
_MESSAGE_KEYS = {name.encode() for pair in CAMEL_NAMES[Message].items() for name in pair}
_QUOTE = ord('"')


class Recovery(DamageSearch):
    """The recovery of one input.

    Args:
        check_message: raises InvalidMessageError for a JSON value that is no message.
        limit: bytes of the largest message taken.

    Attributes:
        error: of the last damage.
    """

    def __init__(self, buffer: Buffer, events: Events, check_message: CheckMessage, limit: int) -> None:
        super().__init__(buffer, _PLACE, _BEFORE)
        self.error: InputError | None = None
        self._events = events
        self._check_message = check_message
        self._longest = min(limit, _LONGEST)
        self._depth, self._in_string = 0, False  # where the bytes begin that are held
        self._unproven = -1  # the session whose place was taken because nothing contradicted for a while
        self._contradicted = False  # the last try ended with bytes that can't be there
        self._in_other = False  # … among messages, so it may have been a session with damage of its own
        self.hold(0, 0, in_string=False)

    def hold(self, position: int, depth: int, *, in_string: bool) -> None:
        """Keep the bytes from a position on: it is `depth` levels deep, and perhaps inside a string."""
        self._buffer.hold, self._depth, self._in_string = position, depth, in_string

    def go_on(self, envelope: Envelope, error: InputError, *, cut: bool) -> Envelope | None:
        """Find where to go on after an error; report what is before it as damage, and what is lost of the session.

        Raises:
            InputError: the same error, if an earlier place turns out to have been inside a value.
        """
        buffer = self._buffer
        if envelope.begun == self._unproven and not (envelope.in_messages or cut):
            raise error
        held = (buffer.hold or 0) - buffer.position_of(0)
        known = error.exact and error.position is not None and not cut
        wrong = (error.position or 0) - buffer.position_of(0) if known else buffer.start
        wrong = min(max(wrong, held), len(buffer.data))
        wanted = envelope.depth if self._events.keeps_session else envelope.depth_between  # no row has its keys
        buffer.start, wrong = self._last_boundary(held, wrong, wanted)
        buffer.start = max(buffer.start, min(buffer.after_space(), wrong))  # however far it was read before
        self.error, self._reported = error, 0
        buffer.hold = None
        found = None if cut else self._search(envelope, buffer.position_of(wrong))
        if found is None:
            self._report_rest()
        self._report(buffer.start, always=not self._reported)
        if found is None or found.between_sessions:
            self._events.break_session()
        elif envelope.in_messages:
            self._events.lose_message()
        else:
            self._events.begin_messages()
        if found is not None:
            found = found.resumed(self._events, in_messages=found.in_messages)
            self.hold(buffer.position, found.depth, in_string=False)
        return found

    def pass_over(self, error: NotAnExportError, position: int) -> None:
        """Report a whole value that is no session, from a position on, and go to what comes after it.

        Raises:
            CompressionError, CutInputError, JSONSyntaxError: it is not whole.
            LimitError: it is too long.
        """
        buffer = self._buffer
        buffer.start = position - buffer.position_of(0)
        size, _ = measure(buffer, LONGEST_NO_SESSION)
        value = buffer.data[buffer.start : buffer.start + size].rstrip(b" \t\r\n")
        self.error, self._reported = error, 0
        self._report(buffer.start + len(value))
        buffer.skip_space()  # a new parser would take white space alone for an input that is cut
        buffer.hold = buffer.position

    def _last_boundary(self, start: int, end: int, wanted: int) -> tuple[int, int]:
        """Index after what was last complete at a depth of `wanted` levels, before a wrong byte, and index of that byte.

        A string that can't be there may have been noticed at its end only.
        """
        data, depth, found = self._buffer.data, self._depth, start
        if self._in_string:
            string = STRING_GOES_ON.match(data, start, end)
            if string is None or string.group(1) is not None:
                return found, end
            start = string.end()
        wrong = end
        for token in _TOKEN.finditer(data, start, end):
            text = token.group()
            if text == b'"':  # a string that does not end
                break
            wrong = token.start() if text[0] == _QUOTE and not data[token.end() : end].strip() else end
            if text in b"{[":
                depth += 1
            elif text in b"}]":
                depth -= 1
            elif text != b",":
                continue
            if depth == wanted:
                found = token.end()
        return found, wrong

    def _search(self, envelope: Envelope, position: int) -> Envelope | None:
        """Find the first place from a position on where it can go on."""
        buffer = self._buffer
        messages, header = envelope.may_resume, not envelope.has_messages
        no_message_before = no_session_before = 0
        while True:
            place = self._next_place(position)
            if place is None:
                return None
            begin = buffer.position_of(place.start())
            position = begin + 1
            if not self._budget.allows(begin):
                # A session may begin here, and the messages after it would be taken for those of the session before it.
                messages = messages and not header and place.group(1) is None
                continue
            if place.group(1) is not None:
                after = buffer.position_of(place.end())
                if messages and after >= no_message_before:
                    found, no_message_before = self._try(after, envelope, in_messages=True)
                    if header and found is not None:
                        return self._take(after, found)
                    # These messages are in a value, or of another session whose beginning is lost.
                    messages = (header or self._contradicted) and not self._in_other
                continue
            around = self._around_session(place.start(), envelope) if begin >= no_session_before else None
            if around is not None:
                found, no_session_before = self._try(begin, around, in_messages=False)
                if found is not None:
                    return self._take(begin, found)
                messages = messages and not self._in_other
                place = _PLACE.match(buffer.data, begin - buffer.position_of(0))
                assert place is not None
            is_message = messages and not header and place.group(2) in _MESSAGE_KEYS
            if is_message and begin >= no_message_before:
                found, no_message_before = self._try(begin, envelope, in_messages=True)
                if found is not None:
                    return self._take(begin, found)

    def _take(self, position: int, found: Envelope) -> Envelope:
        """Go on at a place."""
        self._report(position - self._buffer.position_of(0))
        return found

    def _around_session(self, index: int, envelope: Envelope) -> Envelope | None:
        """Return the envelope of a session that may begin at an object, by what comes before it; None if none may."""
        data = self._buffer.data
        before = bytes(data[max(0, index - _BEFORE) : index])
        text = before.rstrip(b" \t\r\n")
        if text.endswith(b",") if envelope.in_array else before.endswith(b"\n") or text.endswith(b"}"):
            return envelope
        # Perhaps the bracket is a part of the damage, and lines go on after it.
        is_line = before.endswith(b"\n") and (envelope.at_first_session or text.endswith(b"}"))
        return envelope.outside_array() if is_line and envelope.in_array else None

    def _try(self, position: int, envelope: Envelope, *, in_messages: bool) -> tuple[Envelope | None, int]:
        """Read on from a place: the envelope to go on with, or None and a position before which no such place is."""
        begin, buffer = position, self._buffer
        self._contradicted = self._in_other = False
        self._budget.spend(COST_OF_LOOK)
        if is_other(buffer.data, begin - buffer.position_of(0), self._check_message, in_messages=in_messages):
            return None, begin
        events, proved, size = Trial(self._check_message, in_messages=in_messages), False, _SMALLEST
        parser = Parser(events, envelope.resumed(events, in_messages=in_messages))
        self._budget.spend(COST_OF_TRIAL + _COST_OF_KEY * envelope.keys)
        while not (proved or (events.held and position - begin >= WINDOW)):
            index = position - buffer.position_of(0)
            if len(buffer.data) - index < size and not buffer.at_end:
                buffer.read(max(CHUNK, size))
                continue
            piece = bytes(memoryview(buffer.data)[index : index + size])
            proved = not piece and buffer.end_error() is None
            self._budget.spend(len(piece))
            try:
                parser.feed(piece, last=proved)
            except InputError as error:
                is_over = events.ended or (events.has_ended and isinstance(error, NotAnExportError))
                if not (events.held and is_over) or envelope.in_array:
                    self._contradicted = isinstance(error, (JSONSyntaxError, LimitError))
                    self._in_other = self._contradicted and events.within and events.has_messages
                    read = len(piece) - (len(piece) if parser.unread is None else parser.unread)
                    return None, position + (read if self._contradicted else 0)
            proved = proved or (events.ended and not envelope.in_array)
            if not (piece or proved) or not (events.held or position - begin <= self._longest):
                return None, position
            position += len(piece)
            size *= 2
        if not events.held:
            return None, position
        self._unproven = -1 if proved else envelope.begun + (not in_messages)
        return envelope.resumed(events, in_messages=in_messages), position

    def _tell(self, data: bytes, position: int, *, begins: bool) -> None:
        assert self.error is not None
        self._events.damage(data, position, self.error, begins=begins)
