"""Feeds bytes to ijson, and its tokens to the `Envelope`.

Takes: JSON bytes, pushed in pieces of any size. Raises: `JSONSyntaxError`, `CutInputError`, `OutOfMemoryError`, and what
`guard` and `envelope` raise. Holds: the tokens of one piece, and the bytes of what is not known to be a session.

ijson gives no positions. To find the byte at which JSON goes wrong, a new parser is brought to where the old one was before
the piece that it refused, by the shortest text that does it, and is given more and more of the piece.
"""

from __future__ import annotations

import os
import re
from functools import cache
from typing import Any

import ijson

from exportstream.errors import CutInputError, JSONSyntaxError, LimitError, NotAnExportError, OutOfMemoryError
from exportstream.errors.patterns import late_pattern
from exportstream.reading.json.envelope import Envelope
from exportstream.reading.json.events import Events
from exportstream.reading.json.guard import Guard
from exportstream.reading.json.no_session import find_value

_ENDS = tuple(bytes((one,)) for one in b' \t\r\n{}[],:"')  # after these bytes no number or word goes on
LONGEST_NO_SESSION = 1024 * 1024  # bytes; of what is longer the beginning is forgotten
_REFUSALS = (ijson.JSONError, ValueError, ArithmeticError)
_TAIL = 64  # bytes before a piece that have to be known
_SPACE = b" \t\r\n"
_WORD = late_pattern(rb"[-+.\w]*\Z")  # a number or literal that goes on in the piece
_CUT_CHARACTER = late_pattern(rb"(?:[\xc0-\xff][\x80-\xbf]{0,2})?\Z")
_STRING = late_pattern(rb'(?<!\\)"(?:[^"\\]|\\.)*+"\Z', re.DOTALL)
_NUMBER = late_pattern(rb"[-+.\deE]{1,64}\Z")


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
        self._tail = opening[-_TAIL:]  # the last bytes before it
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
                self._wrong = _first_wrong_byte(self.envelope.open, self._tail, piece, **starts)
            self._report()  # what came before the error
            if not piece:
                raise CutInputError("the input ends before the document is complete") from error
            raise JSONSyntaxError(f"not JSON: {_reason(error)}") from error
        except MemoryError as error:
            raise OutOfMemoryError from error
        if len(piece) >= _TAIL:
            self._tail = piece[-_TAIL:]
        elif piece:
            self._tail = (self._tail + piece)[-_TAIL:]
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


def _first_wrong_byte(kinds: list[bytes], tail: bytes, piece: bytes, *, in_string: bool, after_key: bool) -> int | None:
    """Find the first byte that can't be there.

    Args:
        kinds: ``{`` or ``[`` for each object and array that is open before the piece.
        tail: the last bytes before it.
        piece: the bytes that were refused.
        in_string: whether it begins inside a string.
        after_key: whether the last complete string, number or bracket before it was the key of an object.

    Returns:
        The index in the piece, negative for a byte before it; None if it can't be found.
    """
    known = _end_of(_CUT_CHARACTER if in_string else _WORD, tail)
    before = tail[: len(tail) - len(known)].rstrip(_SPACE)
    opening = _opening(kinds, before, in_string=in_string, after_key=after_key)
    text = known + piece
    good, bad = 0, len(text) + 1
    while bad - good > 1:
        middle = (good + bad) // 2
        if _refuses(opening + text[:middle]):
            bad = middle
        else:
            good = middle
    if bad > len(text):
        return None
    # A string is refused at its end and a number after it, where they can't be as well.
    string = _STRING.search(text, 0, bad)
    if string is not None and _refuses(opening + text[: string.start()] + b'""'):
        return string.start() - len(known)
    number = _end_of(_NUMBER, text[: bad - 1])
    for end in range(bad - len(number), bad):
        if text[end - 1 : end].isdigit() and _refuses(opening + text[:end] + b" "):
            return end - 1 - len(known)
    return bad - 1 - len(known)


def _opening(kinds: list[bytes], before: bytes, *, in_string: bool, after_key: bool) -> bytes:
    """The shortest text after which a parser is where it has to be: in these objects and arrays, after these bytes."""
    if not kinds:
        return b'"' if in_string else b""
    outer = b"".join(b'{"":' if kind == b"{" else kind for kind in kinds[:-1])
    kind = kinds[-1]
    if in_string:
        return outer + kind + (b'"":"' if kind == b"{" and after_key else b'"')
    if before.endswith(kind):
        return outer + kind
    if kind == b"[":
        return outer + (b"[0," if not before or before.endswith(b",") else b"[0 ")
    if not before or before.endswith(b":"):
        return outer + b'{"":'
    return outer + (b'{"":0,' if before.endswith(b",") else b'{"" ' if after_key else b'{"":0 ')


def _end_of(pattern: re.Pattern[bytes], text: bytes) -> bytes:
    found = pattern.search(text, max(0, len(text) - _TAIL))
    return found[0] if found is not None else b""


def _refuses(text: bytes) -> bool:
    """Whether a new parser refuses a text, at its end or before."""
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
