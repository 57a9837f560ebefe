"""Feeds bytes to ijson and tells what came out: one pass for the envelope and for the messages.

Takes: JSON bytes, pushed in pieces of any size. Returns: a list of events, in the order of the file.
Raises: `JSONSyntaxError`, `CutInputError`, `NotAnExportError`, `LimitError`, `OutOfMemoryError`.
Holds: the value that is being built (one message, or one value of the envelope).

Events are tuples, their first item says which:

- ``("session",)`` a session object begins; ``("end",)`` it is complete;
- ``("key", name, value)`` one of its fields other than ``messages``;
- ``("wrapper",)`` the value of a key `result` begins, which may be the session of an SDK response; ``("unwrap", whether)``
  it ended, and held messages or not;
- ``("messages",)`` its messages begin; ``("message", value)`` one of them, as ijson built it (numbers int or Decimal).

How it works: ijson matches a prefix with ``==``, and only outside of an item that it is building. `_Envelope` is a str
whose ``__eq__`` follows the paths it is asked about and is true for every value we want. It is asked once for each event
of the envelope and twice for none inside a message, so the C loop does all the work. A path alone tells no types, but
the order of the questions does, since every object asks its own path before each key. Only `[]` and `{}` look alike:
whoever feeds the bytes says with `enter_messages` that it was a bracket. And an empty key of a top-level session has that
object's own path; it is refused. All this relies on ijson's yajl2_c backend asking
in that order; `tests/test_parse.py` compares it with the standard library's json.
"""

from __future__ import annotations

import os
from decimal import InvalidOperation
from typing import Any

import ijson

from exportstream.errors import CutInputError, JSONSyntaxError, NotAnExportError, OutOfMemoryError
from exportstream.guard import Guard

Event = tuple[Any, ...]

_NOT_OF_A_WRAPPER = frozenset({"id", "title", "messages", "result"})
_OF_A_ROW = frozenset({"messageIndex", "message_index", "countedMessages", "counted_messages"})
_NO_SESSION = "expected a session object with `messages`"
_EMPTY = f"{_NO_SESSION}, found an empty object, an empty array or a single value"

# What the next question must be. Each state says what the last one was.
_BEFORE, _STARTED, _FIRST, _KEY, _VALUE, _WRAPPER, _MESSAGES, _MESSAGES_TWICE, _INSIDE = range(9)


class _Envelope(str):
    """Equal to the path of every value that is wanted; keeps the log of what happened in between."""

    __slots__ = ("base", "is_message", "keys", "log", "messages", "opened", "outer_keys", "state", "wrapped")
    __hash__ = str.__hash__

    def __init__(self, _text: str) -> None:
        self.log: list[Event] = []
        self.base = ""
        self.state = _BEFORE
        self.keys: set[str] = set()
        self.outer_keys: set[str] = set()
        self.messages = self.is_message = ""
        self.opened = self.wrapped = False

    def __ne__(self, path: object) -> bool:
        return not self == path

    def __eq__(self, path: object) -> bool:
        state = self.state
        if state == _INSIDE:
            if path == self.is_message:
                self.log.append(("message",))
                return True
            self.state = _VALUE  # the end of the array
            return False
        if not isinstance(path, str):
            return False
        if state in (_MESSAGES, _MESSAGES_TWICE):
            return self._in_messages(path)
        if path == self.base:
            return self._own_path()
        if state in (_FIRST, _KEY) and (not self.base or path.startswith(self.base + ".")):
            return self._begin_value(path)
        if state == _STARTED and not self.base and path == "item":
            self.base = "item"
            return False
        if state == _WRAPPER and path == "result":
            self.base, self.state, self.outer_keys, self.keys = "result", _FIRST, self.keys, set()
            self.log.append(("wrapper",))
            return False
        if state == _KEY and path == "":
            return self._left_base()
        if state == _WRAPPER:
            raise NotAnExportError(f"{_NO_SESSION}, found `result` that is not an object")
        raise NotAnExportError(f"{_NO_SESSION}, found something else in its place (an array or a single value)")

    def _own_path(self) -> bool:
        if self.state == _BEFORE:
            self.state = _STARTED
        elif self.state == _STARTED:
            self.state = _FIRST
        elif self.state == _VALUE:
            self.state = _KEY
        elif self.state == _KEY:  # the path twice in a row: the session ended and another value begins
            self._end()
            self.state = _STARTED
        else:
            raise NotAnExportError(_EMPTY)
        return False

    def _left_base(self) -> bool:
        """The root's own path while reading in an array of sessions or in an SDK response."""
        if self.base == "item":
            self._end()
            self.state = _BEFORE
        elif "messages" in self.keys:  # an SDK response: its session is complete, but it may have more keys
            self.wrapped = True
            self.keys = self.outer_keys | {"messages"}
            self.log.append(("unwrap", True))
        else:  # no response, but a session with an unknown key of that name
            self.keys = self.outer_keys | {"result"}
            self.log.append(("unwrap", False))
        self.base = ""
        return False

    def _begin_value(self, path: str) -> bool:
        if not self.opened:
            self.opened = True
            self.log.append(("session",))
        key = path[len(self.base) + 1 :] if self.base else path
        if key == "result" and not self.base and not self.wrapped and not self.keys & _NOT_OF_A_WRAPPER:
            self.state = _WRAPPER
            return False
        if key in self.keys or (key == "result" and self.wrapped):
            raise NotAnExportError(f"expected each key of a session once, found {key!r} twice")
        self.keys.add(key)
        if key == "messages":
            self.messages, self.is_message = path, path + ".item"
            self.state = _MESSAGES
            return False
        self.state = _VALUE
        self.log.append(("key", key))
        return True

    def _in_messages(self, path: str) -> bool:
        if path == self.is_message and self.state == _MESSAGES:
            self.begin_messages()
            return self == path
        if path == self.messages and self.state == _MESSAGES:
            self.state = _MESSAGES_TWICE
            return False
        found = "null or a single value" if self.state == _MESSAGES else "an object"
        raise NotAnExportError(f"expected `messages` to be an array, found {found}")

    def begin_messages(self) -> None:
        """The value of `messages` is known to be an array."""
        self.log.append(("messages",))
        self.state = _INSIDE

    def _end(self) -> None:
        if "messages" not in self.keys:
            ours = not _OF_A_ROW.isdisjoint(self.keys)
            hint = "it looks like an output of exportstream: give it the export" if ours else None
            raise NotAnExportError(f"{_NO_SESSION}, found an object with {_listed(self.keys)}", hint=hint)
        self.keys.clear()
        self.opened = self.wrapped = False
        self.log.append(("end",))

    def finish(self) -> None:
        """The input has ended and ijson found its last document complete."""
        if self.state == _KEY:
            self._end()
        elif self.state != _BEFORE:
            raise NotAnExportError(_EMPTY)


def _listed(keys: set[str]) -> str:
    names = sorted(keys)
    text = ", ".join(repr(name[:40]) for name in names[:6])
    return f"the keys {text}" + (f" and {len(names) - 6} more" if len(names) > 6 else "")


class Parser:
    """One ijson parser for the whole input; `feed` returns what became complete."""

    def __init__(self) -> None:
        backend = _backend()
        self._values = ijson.utils.sendable_list()
        self._envelope = _Envelope("exportstream")
        self._send = backend.items_coro(self._values, self._envelope, multiple_values=True).send
        self._guard = Guard()
        self.events: list[Event] = []

    @property
    def depth(self) -> int:
        """How many objects and arrays are open."""
        return self._guard.depth

    @property
    def in_messages(self) -> bool:
        """Whether the parser stands in a session's `messages` array (perhaps inside a message)."""
        return self._envelope.state == _INSIDE

    @property
    def building(self) -> bool:
        """Whether a value that is wanted has begun and is not complete."""
        return bool(self._envelope.log)

    @property
    def in_string(self) -> bool:
        """Whether the parser stands inside a string, which it reads anew with every piece."""
        return self._guard.in_string

    def enter_messages(self) -> bool:
        """After a ``[`` was fed: say whether it opened a session's `messages`, and begin them."""
        if self._envelope.state != _MESSAGES:
            return False
        self._envelope.begin_messages()
        self._drain()
        return True

    def feed(self, data: bytes, *, last: bool = False) -> None:
        """Parse more bytes (with `last`: all there are); what became complete stands in `events`, also after an error.

        ``("replaced", count)`` says how many surrogates were replaced in a string, before the message it is in.
        """
        try:
            for piece, replaced in self._guard.pieces(data, last=last):
                self._push(piece)
                if replaced:
                    self._drain()
                    self.events.append(("replaced", replaced))
            if last:
                self._push(b"")
        finally:
            self._drain()

    def _push(self, piece: bytes) -> None:
        try:
            self._send(piece)
        except StopIteration:
            if self._guard.in_string:  # ijson is at its start again after a document, and takes this for white space
                raise JSONSyntaxError("not JSON: a string that does not end") from None
            self._envelope.finish()
        except ijson.IncompleteJSONError as error:
            if not piece:
                raise CutInputError("the input ends before the document is complete") from error
            raise JSONSyntaxError(f"not JSON: {_reason(error)}") from error
        except ijson.JSONError as error:
            raise JSONSyntaxError(f"not JSON: {_reason(error)}") from error
        except UnicodeDecodeError as error:
            raise JSONSyntaxError("not JSON: a string is not valid UTF-8") from error
        except (InvalidOperation, ValueError, OverflowError) as error:
            raise JSONSyntaxError("not JSON: a number is out of range") from error
        except MemoryError as error:
            raise OutOfMemoryError from error

    def _drain(self) -> None:
        """Join the log with the values that are complete; what is being built stays in the log."""
        log, values = self._envelope.log, self._values
        taken = used = 0
        for event in log:
            kind = event[0]
            if kind in {"key", "message"}:
                if used == len(values):
                    break
                self.events.append((*event, values[used]))
                used += 1
            else:
                self.events.append(event)
            taken += 1
        del log[:taken]
        values.clear()


def _reason(error: Exception) -> str:
    raw = error.args[0] if error.args else ""
    text = (raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)).split("\n", 1)[0]
    for prefix in ("parse error: ", "lexical error: "):
        text = text.removeprefix(prefix)
    return text.rstrip(". ") or "syntax error"


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
