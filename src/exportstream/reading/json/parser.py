"""Feeds bytes to ijson, and its tokens to the `Envelope`.

Takes: JSON bytes, pushed in pieces of any size. Raises: `JSONSyntaxError`, `CutInputError`, `OutOfMemoryError`, and what
`guard` and `envelope` raise. Holds: the tokens of one piece, and the bytes of what is not known to be a session.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import ijson

from exportstream.errors import CutInputError, JSONSyntaxError, LimitError, NotAnExportError, OutOfMemoryError
from exportstream.reading.json.envelope import Envelope
from exportstream.reading.json.events import Events
from exportstream.reading.json.guard import Guard
from exportstream.reading.json.no_session import find_value
from exportstream.reading.json.wrong_byte import TAIL, first_wrong_byte

_ENDS = tuple(bytes((one,)) for one in b' \t\r\n{}[],:"')  # after these bytes no number or word goes on
LONGEST_NO_SESSION = 1024 * 1024  # bytes; of what is longer the beginning is forgotten
_REFUSALS = (ijson.JSONError, ValueError, ArithmeticError)


class Parser:
    """One ijson parser for the whole input, or for what comes after damage: then `envelope` says where that is.

    Args:
        after_element: whether an element of the innermost array comes before the first byte.

    Attributes:
        envelope: what it has come to.
        tokens: how many tokens ijson has given.
        unread: after an error, how many of the bytes fed come after the first one that is wrong; None where not known. A
            value that is no session is wrong as a whole.
    """

    def __init__(self, events: Events, envelope: Envelope | None = None, *, after_element: bool = False) -> None:
        self.envelope = envelope or Envelope(events)
        self.tokens = 0
        self.unread: int | None = None
        self._events = events
        self._tokens: list[tuple[str, Any]] = ijson.utils.sendable_list()
        self._send: Any = None  # ijson's parser, made for the first bytes
        opening = b"".join(b'{"":' if kind == b"{" else kind for kind in self.envelope.open)
        opening += b'""' * after_element
        if opening:
            self._send = _new_parser(self._tokens)
            self._send(opening)
            self._tokens.clear()
        self._guard = Guard()
        # To find the byte of an error: how the piece began that ijson refused.
        self._starts_in_string = False
        self._tail = opening[-TAIL:]  # the last bytes before it
        self._wrong: int | None = 0  # index in the piece that was refused
        self._kept = bytearray()  # what was fed last, or since what may be no session has begun
        # Before that: sessions begun, brackets open, whether it is in a string; None for what is too long.
        self._before_kept: tuple[int, list[bytes], bool] | None = None

    @property
    def in_string(self) -> bool:
        """Whether the parser is inside a string, which yajl reads again from its beginning with every piece."""
        return self._guard.in_string

    @property
    def in_scalar(self) -> bool:
        """Whether a number or a word may go on: nobody has seen it yet."""
        return bool(self._tail) and self._tail[-1:] not in _ENDS

    @property
    def held(self) -> int:
        """How many bytes are held back, since they are part of an escape sequence."""
        return len(self._guard.held)

    def feed(self, data: bytes, *, last: bool = False) -> None:
        """Parse more bytes; with `last` these are all there are. What became complete is reported, also before an error."""
        left = self.held + len(data)
        self._keep(data)
        try:
            for piece, replaced in self._guard.pieces(data, last=last):
                self._push(piece)
                left -= len(piece)
                self._starts_in_string = replaced > 0 or self._guard.in_string
                if replaced:
                    self._events.replaced(replaced)
            if last:
                if self._send is not None:  # otherwise everything was read in a faster way
                    self._push(b"")
                self.envelope.finish()
        except (JSONSyntaxError, LimitError):
            self.unread = None if self._wrong is None else left - self._wrong
            raise
        except NotAnExportError:
            self.unread = self._since_no_session()
            raise

    def _keep(self, data: bytes) -> None:
        """Keep bytes as long as they may be part of what is no session."""
        envelope = self.envelope
        has_begun = not envelope.between_sessions or self.in_string or self.in_scalar or envelope.at_first_session
        if not (envelope.undecided and has_begun):
            self._before_kept = envelope.begun, envelope.open, self.in_string
            self._kept = bytearray(self._guard.held)
        if len(self._kept) + len(data) > LONGEST_NO_SESSION:
            self._before_kept, self._kept = None, bytearray()
        if self._before_kept is not None:
            self._kept += data

    def _since_no_session(self) -> int | None:
        """How many bytes were fed since the beginning of what is no session; None if it is a session with a fault."""
        if not self.envelope.undecided or self._before_kept is None:
            return None
        begun, brackets, in_string = self._before_kept
        number = self.envelope.begun - begun + self.envelope.between_sessions
        begin = find_value(self._kept, number, brackets, in_string=in_string)
        return None if begin is None else len(self._kept) - begin

    def _push(self, piece: bytes) -> None:
        self._wrong = None
        if self._send is None:
            self._send = _new_parser(self._tokens)
        try:
            self._send(piece)
        except StopIteration:
            if self._guard.in_string:  # ijson is at its start again after a document, and takes this for white space
                raise JSONSyntaxError("not JSON: a string that does not end") from None
        except _REFUSALS as error:
            if piece:
                starts = {"in_string": self._starts_in_string, "after_key": self.envelope.after_key}
                self._wrong = first_wrong_byte(_refuses, self.envelope.open, self._tail, piece, **starts)
            self._report()  # what came before the error
            if not piece:
                raise CutInputError("the input ends before the document is complete") from error
            raise JSONSyntaxError(f"not JSON: {_reason(error)}") from error
        except MemoryError as error:
            raise OutOfMemoryError from error
        if len(piece) >= TAIL:
            self._tail = piece[-TAIL:]
        elif piece:
            self._tail = (self._tail + piece)[-TAIL:]
        self._report()
        self._wrong = 0

    def _report(self) -> None:
        self.tokens += len(self._tokens)
        try:
            self.envelope.follow(self._tokens)
        finally:
            self._tokens.clear()


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "a string is not valid UTF-8"
    if not isinstance(error, ijson.JSONError):
        return "a number is out of range"
    raw = error.args[0] if error.args else ""
    text = (raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)).split("\n", 1)[0]
    for prefix in ("parse error: ", "lexical error: "):
        text = text.removeprefix(prefix)
    return text.rstrip(". ") or "syntax error"


def _refuses(text: bytes) -> bool:
    try:
        _new_parser(ijson.utils.sendable_list())(text)
    except _REFUSALS:
        return True
    return False


def _new_parser(tokens: list[Any]) -> Any:
    return _backend().basic_parse_coro(tokens, multiple_values=True).send


@cache
def _backend() -> Any:
    try:
        return ijson.get_backend("yajl2_c")
    except ImportError:
        if os.environ.get("EXPORTSTREAM_SLOW_BACKEND") == "1":
            return ijson.get_backend("python")
        raise ImportError(
            "ijson's C backend (yajl2_c) is missing here; install an ijson wheel for this platform, "
            "or set EXPORTSTREAM_SLOW_BACKEND=1 to go on 8 to 50 times slower"
        ) from None
