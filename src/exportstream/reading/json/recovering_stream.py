"""Drives the reading of an input that may be damaged: `Stream`, which goes on after an error, and after what is no session.

Takes, yields: as `Stream`. Reports: also `Events.damage` and what follows from it. Raises: what can't be passed over.
Holds: as `Stream`, and the bytes of the message that is being read, or of a session up to its messages; see `recovery`.
"""

from __future__ import annotations

from collections.abc import Iterator

from exportstream.errors import CompressionError, CutInputError, InputError, JSONSyntaxError, LimitError, NotAnExportError
from exportstream.reading.json.ahead import AheadStream
from exportstream.reading.json.buffer import Reader
from exportstream.reading.json.envelope import Envelope
from exportstream.reading.json.events import Events
from exportstream.reading.json.parser import Parser
from exportstream.reading.json.recovery import Recovery
from exportstream.reading.json.recovery_trial import CheckMessage
from exportstream.reading.json.stream import Next
from exportstream.reading.limits import DEFAULT_MAX_MESSAGE_SIZE

# An input is no export if its first session does not come so soon: values that are none, and bytes before the last of them.
_VALUES_BEFORE, _BYTES_BEFORE = 100, 64 * 1024

# Bytes after what is no session that go to ijson alone, in pieces that grow: the next such value may be near, and then the
# faster ways would look at a block in vain, and ijson at a large piece.
_FIRST_PIECE, _LAST_PIECE = 512, 8192


class RecoveringStream(AheadStream):
    """An `AheadStream` that goes on after bytes that are not JSON, and ends where the input is cut.

    Args:
        check_message: raises InvalidMessageError for a JSON value that is no message.
        reader, events, use_blocks, max_message_size: as of `AheadStream`.
    """

    def __init__(
        self,
        reader: Reader,
        events: Events,
        check_message: CheckMessage,
        *,
        use_blocks: bool = True,
        max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
    ) -> None:
        super().__init__(reader, events, use_blocks=use_blocks, max_message_size=max_message_size)
        self._recovery = Recovery(self._buffer, self._events, check_message, self._limit)
        self._passed = 0  # values that are no sessions
        self._small_piece = _LAST_PIECE * 2  # the next one after what is no session; it is over then

    def _go_on(self) -> Iterator[None]:
        while True:
            try:
                yield from super()._go_on()
            except (JSONSyntaxError, CutInputError, CompressionError, NotAnExportError) as error:
                self._locate(error)
                goes_on = self._pass_over(error) if isinstance(error, NotAnExportError) else self._recover(error)
                yield
                if not goes_on:
                    return
            else:
                return

    def _recover(self, error: InputError) -> bool:
        """Go on after an error; False if the input is over."""
        self.is_cut = isinstance(error, (CutInputError, CompressionError))
        self._parser.unread = None  # it says where this error is, not one that comes now
        envelope = self._recovery.go_on(self._envelope, error, cut=self.is_cut)
        self.damage = self.damage or error
        if envelope is not None:
            self._resume(envelope)
        return envelope is not None

    def _pass_over(self, error: NotAnExportError) -> bool:
        """Go on after a value that is no session; False if the input is over.

        Raises:
            NotAnExportError: it is a session with a fault, or none is found in this input.
        """
        position = error.position
        if self._parser.unread is None or position is None:
            raise error
        error = self._events.no_session(error)
        self._passed += 1
        if not self._envelope.is_export and (position > _BYTES_BEFORE or self._passed > _VALUES_BEFORE):
            raise self.damage or error
        envelope = self._envelope = self._envelope.resumed(self._events, in_messages=False)
        self._recovery.hold(position, envelope.depth, in_string=False)
        try:
            self._recovery.pass_over(error, position)
        except (JSONSyntaxError, CutInputError, CompressionError) as damage:  # in the rest of the value
            return self._recover(damage)
        except LimitError:
            error.hint = error.hint or "it is too long to be left out: remove it"
            raise error from None
        self.damage = self.damage or error
        self._resume(envelope, after_element=envelope.in_array)
        self._next, self._small_piece = None, _FIRST_PIECE
        return True

    def _resume(self, envelope: Envelope, *, after_element: bool = False) -> None:
        """Read on with a new parser."""
        self._parser = Parser(self._events, envelope, after_element=after_element)
        self._envelope = envelope
        self._awaited = b""
        self._since_token = self._since_value = 0
        self._piece = self._smallest
        self._first, self._parser_has_message = True, False  # a `messages` array that begins here may be empty
        self._next = None
        if self._blocks is not None:
            self._begins = envelope.in_messages
            self._next = Next.MESSAGE if envelope.in_messages else Next.SESSION

    def _parse(self) -> None:
        size, buffer = self._small_piece, self._buffer
        if size > _LAST_PIECE:
            super()._parse()
            return
        self._small_piece *= 2
        if buffer.left < size and not buffer.at_end:
            buffer.read()
        self._push_until(min(len(buffer.data), buffer.start + size))

    def _take_sessions(self) -> None:
        super()._take_sessions()
        if self._next is not None:
            self._envelope.is_export = True
            self._recovery.hold(self.position, self._envelope.depth, in_string=False)

    def _take_messages(self) -> None:
        super()._take_messages()
        if self._next is not None:
            self._recovery.hold(self.position, self._envelope.depth, in_string=False)

    def _push(self, piece: bytes, *, last: bool = False) -> None:
        parser, envelope = self._parser, self._envelope
        before = self.position - len(piece) - parser.held, len(envelope.open), parser.in_string
        values = envelope.values
        super()._push(piece, last=last)
        is_kept = self._events.keeps_session and not envelope.undecided
        if not (is_kept or envelope.depth == envelope.depth_between):
            return  # if it is damaged no row has what was read of this session
        if not (envelope.building or parser.in_string or envelope.after_key or parser.held or parser.in_scalar):
            self._recovery.hold(self.position, envelope.depth, in_string=False)
        elif envelope.values != values:
            self._recovery.hold(before[0], before[1], in_string=before[2])
