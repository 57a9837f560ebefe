"""Follows ijson's events: what surrounds the messages, and each message as a JSON value.

Takes: JSON bytes, pushed in pieces of any size. Reports: `Events`, in the order of the file.
Raises: `JSONSyntaxError`, `CutInputError`, `NotAnExportError`, `LimitError`, `OutOfMemoryError`.
Holds: the value that is being built (one message, or one value of the session), and the events of one piece.
"""

from __future__ import annotations

import os
from enum import Enum, auto
from functools import cache
from typing import Any

import ijson

from exportstream.errors import CutInputError, JSONSyntaxError, LimitError, NotAnExportError, OutOfMemoryError
from exportstream.reading.json.events import Events
from exportstream.reading.json.guard import Guard
from exportstream.reading.json.wrong_byte import TAIL, first_wrong_byte

MAX_DEPTH = 512

_NOT_OF_A_RESPONSE = frozenset({"id", "title", "messages", "result"})
_OF_A_ROW = frozenset({"messageIndex", "message_index", "countedMessages", "counted_messages"})
_NO_SESSION = "expected a session object with `messages`"
_REFUSALS = (ijson.JSONError, ValueError, ArithmeticError)
_KINDS = {"start_map": "an object", "start_array": "an array", "string": "a string", "number": "a number", "null": "null"}


class _At(Enum):
    """Where the parser stands, outside of the values that it builds."""

    TOP = auto()  # before or after a document
    ARRAY = auto()  # in an array of sessions
    OBJECT = auto()  # in a session, or in an SDK response around it: a key or the end comes next
    VALUE = auto()  # after a key
    RESULT = auto()  # after the key `result` of what may be an SDK response
    BEFORE_MESSAGES = auto()  # after the key `messages`
    MESSAGES = auto()  # in the array of messages


class Parser:
    """One ijson parser for the whole input.

    Attributes:
        values: how many messages and other values of sessions have become complete.
        tokens: grows whenever ijson reports anything at all.
        unread: after an error, how many of the bytes fed come after the first one that is wrong; None where not known.
    """

    def __init__(self, events: Events) -> None:
        self._to = events
        self._tokens: list[tuple[str, Any]] = ijson.utils.sendable_list()
        self._send = _new_parser(self._tokens)
        self._guard = Guard()
        self._at = _At.TOP
        self._in_array = self._in_result = self._was_response = self._empty = False
        self._keys: set[str] = set()
        self._outer_keys: set[str] = set()  # of the SDK response
        self._name = ""  # of the value being read
        self._container: Any = None  # the innermost object or array of the value being built
        self._around: list[Any] = []  # the containers that it is in
        self._item_key = ""
        self._no_message = False
        self._levels = MAX_DEPTH
        self.values = self.tokens = 0
        # To find the byte of an error: how the piece began that ijson refused.
        self._starts_in_string = self._after_key = False
        self._tail = b""  # the last bytes before it
        self._wrong: int | None = None
        self.unread: int | None = None

    @property
    def depth(self) -> int:
        """How many objects and arrays are open around a value that is built here."""
        return self._in_array + self._in_result + (self._at not in (_At.TOP, _At.ARRAY)) + (self._at is _At.MESSAGES)

    @property
    def in_messages(self) -> bool:
        """Whether the parser is in a session's `messages` array, perhaps inside a message."""
        return self._at is _At.MESSAGES

    @property
    def at_first_message(self) -> bool:
        """Whether the `messages` array has just been opened."""
        return self._no_message and not self.building

    @property
    def between_sessions(self) -> bool:
        """Whether the next thing to come is a session, or the end."""
        return self._at in (_At.TOP, _At.ARRAY)

    @property
    def in_array(self) -> bool:
        """Whether the sessions are the elements of an array."""
        return self._in_array

    @property
    def building(self) -> bool:
        """Whether a value has begun and is not complete."""
        return self._container is not None or self._at is _At.VALUE

    @property
    def in_string(self) -> bool:
        """Whether the parser is inside a string, which yajl reads again from its beginning with every piece."""
        return self._guard.in_string

    def feed(self, data: bytes, *, last: bool = False) -> None:
        """Parse more bytes; with `last` these are all there are. What became complete is reported, also before an error."""
        left = self._guard.held + len(data)
        piece = b""
        try:
            for piece, replaced in self._guard.pieces(data, last=last):
                self._push(piece)
                left, piece = left - len(piece), b""
                self._starts_in_string = replaced > 0 or self._guard.in_string
                if replaced:
                    self._to.replaced(replaced)
            if last:
                self._push(b"")
        except (JSONSyntaxError, LimitError):
            self.unread = left if not piece else None if self._wrong is None else left - self._wrong
            raise

    def _push(self, piece: bytes) -> None:
        self._wrong = None
        try:
            self._send(piece)
        except StopIteration:
            if self._guard.in_string:  # ijson is at its start again after a document, and takes this for white space
                raise JSONSyntaxError("not JSON: a string that does not end") from None
            self._report()
        except _REFUSALS as error:
            if piece:
                self._wrong = self._first_wrong(piece)
            self._report()  # what came before the error
            if not piece:
                raise CutInputError("the input ends before the document is complete") from error
            raise JSONSyntaxError(f"not JSON: {_reason(error)}") from error
        except MemoryError as error:
            raise OutOfMemoryError from error
        else:
            if piece:
                self._tail = (self._tail + piece)[-TAIL:] if len(piece) < TAIL else piece[-TAIL:]
            self._report()

    def _report(self) -> None:
        """Follow the tokens of a piece. It is done for every token that no block took, so it is one plain loop."""
        container, around, key = self._container, self._around, self._item_key
        at = self._at
        try:
            for token, value in self._tokens:
                if container is not None:
                    if token == "map_key":
                        key = value
                        continue
                    if token == "start_map" or token == "start_array":  # noqa: PLR1714 - faster than a set
                        value = {} if token == "start_map" else []
                    elif token == "end_map" or token == "end_array":  # noqa: PLR1714
                        value, container = container, around.pop()
                        if container is None:
                            at = self._take(value)
                        continue
                    if container.__class__ is dict:
                        container[key] = value
                    else:
                        container.append(value)
                    if token == "start_map" or token == "start_array":  # noqa: PLR1714
                        around.append(container)
                        container = value
                        if len(around) > self._levels:
                            raise too_deep()
                    continue
                if at is _At.RESULT and token != "start_map":  # a key like any other
                    at = self._at = self._begin_key("result")
                if at is _At.OBJECT:
                    at = self._at = self._begin_value(value) if token == "map_key" else self._end_object()
                elif at is _At.MESSAGES and token == "end_array":
                    at = self._at = _At.OBJECT
                    self._no_message = False
                elif at is _At.MESSAGES or at is _At.VALUE:
                    if token == "start_map" or token == "start_array":  # noqa: PLR1714
                        container = {} if token == "start_map" else []
                        around.append(None)
                        self._levels = MAX_DEPTH - self.depth
                    else:
                        at = self._take(value)
                else:
                    at = self._at = self._enter(token)
        finally:
            self.tokens += len(self._tokens)
            self._after_key = self._tokens[-1][0] == "map_key" if self._tokens else self._after_key
            self._tokens.clear()
            self._container, self._item_key = container, key

    def _enter(self, token: str) -> _At:
        """Go on where one kind of value is expected."""
        if self._at is _At.BEFORE_MESSAGES:
            if token != "start_array":
                raise NotAnExportError(f"expected `messages` to be an array, got {_KINDS.get(token, 'a boolean')}")
            self._no_message = True
            self._to.begin_messages()
            return _At.MESSAGES
        if self._at is _At.RESULT and token == "start_map":
            self._in_result, self._outer_keys, self._keys = True, self._keys, set()
            self._to.begin_result()
            return _At.OBJECT
        if self._at is _At.ARRAY and token == "end_array":
            if self._empty:
                raise NotAnExportError(f"{_NO_SESSION}, got an empty array")
            self._in_array = False
            return _At.TOP
        if self._at is _At.TOP and token == "start_array":
            self._in_array = self._empty = True
            return _At.ARRAY
        if token != "start_map":
            raise NotAnExportError(f"{_NO_SESSION}, got {_KINDS.get(token, 'a boolean')}")
        self._keys = set()
        self._was_response = self._empty = False
        return _At.OBJECT

    def _begin_value(self, name: str) -> _At:
        """A key of a session, or of an SDK response around it."""
        keys = self._keys
        if not keys and not self._in_result:
            self._to.begin_session()
        if name in keys or (name == "result" and self._was_response):
            raise NotAnExportError(f"expected each key of a session once, got {name!r} twice")
        if name == "result" and not (self._in_result or self._in_array) and keys.isdisjoint(_NOT_OF_A_RESPONSE):
            return _At.RESULT
        return self._begin_key(name)

    def _begin_key(self, name: str) -> _At:
        self._keys.add(name)
        self._name = name
        return _At.BEFORE_MESSAGES if name == "messages" else _At.VALUE

    def _take(self, value: Any) -> _At:
        """A value is complete."""
        self.values += 1
        if self._at is _At.MESSAGES:
            self._no_message = False
            self._to.message(value)
            return _At.MESSAGES
        self._at = _At.OBJECT
        self._to.key(self._name, value)
        return _At.OBJECT

    def _end_object(self) -> _At:
        """The end of a session, or of an SDK response around it, or of its `result`."""
        if self._in_result:
            self._in_result = False
            self._was_response = "messages" in self._keys
            self._keys = self._outer_keys | {"messages" if self._was_response else "result"}
            self._to.end_result(is_session=self._was_response)
            return _At.OBJECT
        if "messages" not in self._keys:
            ours = not _OF_A_ROW.isdisjoint(self._keys)
            hint = "it looks like an output of exportstream: give it the export" if ours else None
            raise NotAnExportError(f"{_NO_SESSION}, got {_listed(self._keys)}", hint=hint)
        self._to.end_session()
        return _At.ARRAY if self._in_array else _At.TOP

    def _first_wrong(self, piece: bytes) -> int | None:
        """Index of the byte for which ijson refused a piece."""
        in_object = self._at not in (_At.TOP, _At.ARRAY)
        kinds = [b"["] * self._in_array + [b"{"] * (in_object + self._in_result) + [b"["] * self.in_messages
        if self._container is not None:
            built = [*self._around[1:], self._container]
            kinds += [b"{" if item.__class__ is dict else b"[" for item in built]
        return first_wrong_byte(
            _refuses, kinds, self._tail, piece, in_string=self._starts_in_string, after_key=self._after_key
        )


def _listed(keys: set[str]) -> str:
    if not keys:
        return "an empty object"
    names = sorted(keys)
    text = ", ".join(repr(name[:40]) for name in names[:6])
    return f"an object with the keys {text}" + (f" and {len(names) - 6} more" if len(names) > 6 else "")


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


def too_deep() -> LimitError:
    """The error for nesting beyond `MAX_DEPTH`."""
    return LimitError(f"expected at most {MAX_DEPTH} levels of nesting, got more", hint="no server writes such a file")
