"""Drives the reading of an input that may be damaged: `Stream`, which goes on after an error.

Takes, yields: as `Stream`. Reports: also `Events.damage` and what follows from it. Raises: what can't be passed over.
Holds: as `Stream`, and the bytes of the message that is being read, or of a session up to its id; see `recovery`.
"""

from __future__ import annotations

from collections.abc import Iterator

from exportstream.errors import CompressionError, CutInputError, InputError, JSONSyntaxError
from exportstream.reading.json.ahead import AheadStream
from exportstream.reading.json.buffer import Reader
from exportstream.reading.json.events import Events
from exportstream.reading.json.parser import Parser
from exportstream.reading.json.recovery import Recovery
from exportstream.reading.json.recovery_trial import CheckMessage
from exportstream.reading.json.stream import Next
from exportstream.reading.limits import DEFAULT_MAX_MESSAGE_SIZE

_ENDS = tuple(bytes((one,)) for one in b' \t\r\n{}[],:"')  # after these bytes no number or word goes on


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

    def _go_on(self) -> Iterator[None]:
        while True:
            try:
                yield from super()._go_on()
            except (JSONSyntaxError, CutInputError, CompressionError) as error:
                self._locate(error)
                if not self._recover(error):
                    yield
                    return
                yield
            else:
                return

    def _recover(self, error: InputError) -> bool:
        """Go on after an error; False if the input is over."""
        cut = isinstance(error, (CutInputError, CompressionError))
        self._parser.unread = None  # it says where this error is, not one that comes now
        envelope = self._recovery.go_on(self._envelope, error, cut=cut)
        self.damage = error
        if envelope is None:
            return False
        self._parser = Parser(self._events, envelope)
        self._envelope = envelope
        self._awaited = b""
        self._since_token = self._since_value = 0
        self._piece = self._smallest
        self._first, self._parser_has_message = True, False  # a `messages` array that begins here may be empty
        self._next = None
        if self._blocks is not None:
            self._begins = envelope.in_messages
            self._next = Next.MESSAGE if envelope.in_messages else Next.SESSION
        return True

    def _take_sessions(self) -> None:
        super()._take_sessions()
        if self._next is not None:
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
        if not (envelope.keeps_session or envelope.depth == envelope.depth_between):
            return  # if it is damaged no row has what was read of this session
        in_scalar = piece[-1:] not in _ENDS  # a number or a word may go on: nobody has seen it yet
        if not (envelope.building or parser.in_string or envelope.after_key or parser.held or in_scalar):
            self._recovery.hold(self.position, envelope.depth, in_string=False)
        elif envelope.values != values:
            self._recovery.hold(before[0], before[1], in_string=before[2])
