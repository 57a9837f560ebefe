"""What recovery tries with, before it takes a position: `Trial` sees what would be read.

Takes: the events of a trial. Raises: `InvalidMessageError` for a first message that is not one.
Holds: nothing that grows.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from json import JSONDecoder
from typing import Any

from exportstream.errors import InvalidMessageError
from exportstream.reading.json.events import Events

_LOOK = 4096  # bytes of an object that are decoded to see whether a trial is worth its time
COST_OF_TRIAL = 512  # bytes that a parser reads in the same time

CheckMessage = Callable[[Any], object]  # raises InvalidMessageError for a JSON value that is no message

_decode = JSONDecoder(parse_float=Decimal).raw_decode


class Trial(Events):
    """Takes the events of a trial, and keeps whether it came to the messages of a session, and to a valid one.

    Args:
        check_message: looks at the first message.
        in_messages: whether a message is expected, not a session.
    """

    def __init__(self, check_message: CheckMessage, *, in_messages: bool) -> None:
        self._check_message = check_message
        self.has_message = False
        self.has_messages = in_messages
        self.within = in_messages  # a session has begun and not ended
        self.has_ended = False  # a session
        self.ended = False  # … and another one has begun
        self._in_messages = in_messages

    @property
    def held(self) -> bool:
        """Whether what was expected has come."""
        return self.has_message if self._in_messages else self.has_messages or self.has_ended

    def begin_session(self) -> None:
        """Note that the session before it is whole."""
        self.within, self.has_messages = True, False
        self.ended = self.has_ended

    def end_result(self, *, is_session: bool) -> None:
        """Note that its messages are over."""
        self.within = not is_session

    def end_session(self) -> None:
        """Note that it is whole."""
        self.within, self.has_ended = False, True

    def message(self, value: Any, raw: bytes | None = None, position: int | None = None) -> None:
        """Look at the first message; if it is not valid the trial is over."""
        del raw, position
        if self._in_messages and not self.has_message:
            self._check_message(value)
            self.has_message = True

    def begin_messages(self) -> None:
        """Note that it is a session."""
        self.has_messages = True


def is_other(data: bytes | bytearray, index: int, check_message: CheckMessage, *, in_messages: bool) -> bool:
    """Whether a small object is whole, and is not the message or session that is looked for."""
    try:
        value, _ = _decode(bytes(memoryview(data)[index : index + _LOOK]).decode("utf-8", "replace"))
        if in_messages:
            check_message(value)
            return False
    except InvalidMessageError:
        return True
    except (ValueError, ArithmeticError, RecursionError):  # it may be longer
        return False
    return not {"messages", "result"} & value.keys()
