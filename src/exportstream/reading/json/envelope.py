"""Follows the paths that ijson asks about: what surrounds the messages.

Takes: the paths, in the order of the file. Logs: events, without their values. Raises: `NotAnExportError`.
Holds: the keys of one session.

How it works: ijson matches a prefix with ``==``, and only outside of an item that it is building. `Envelope` is a str
whose ``__eq__`` follows the paths it is asked about and is true for every value we want. It is asked once for each event
of the envelope and twice for none inside a message, so the C loop does all the work. A path alone tells no types, but
the order of the questions does, since every object asks its own path before each key. Only `[]` and `{}` look alike:
whoever feeds the bytes says with `enter_messages` that it was a bracket. And an empty key of a top-level session has that
object's own path; it is refused. All this relies on ijson's yajl2_c backend asking
in that order; `tests/reading/test_parse.py` compares it with the standard library's json.
"""

from __future__ import annotations

from exportstream.errors import NotAnExportError
from exportstream.reading.json.events import Event

_NOT_OF_A_WRAPPER = frozenset({"id", "title", "messages", "result"})
_OF_A_ROW = frozenset({"messageIndex", "message_index", "countedMessages", "counted_messages"})
_NO_SESSION = "expected a session object with `messages`"
_EMPTY = f"{_NO_SESSION}, found an empty object, an empty array or a single value"
# What the next question must be. Each state says what the last one was.
_BEFORE, _STARTED, _FIRST, _KEY, _VALUE, _WRAPPER, MESSAGES, _MESSAGES_TWICE, INSIDE = range(9)


class Envelope(str):
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
        if state == INSIDE:
            if path == self.is_message:
                self.log.append(("message",))
                return True
            self.state = _VALUE  # the end of the array
            return False
        if state == _VALUE and path == self.base:  # the most frequent of all, as in `_own_path`
            self.state = _KEY
            return False
        if not isinstance(path, str):
            return False
        if state in (MESSAGES, _MESSAGES_TWICE):
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
            self.state = MESSAGES
            return False
        self.state = _VALUE
        self.log.append(("key", key))
        return True

    def _in_messages(self, path: str) -> bool:
        if path == self.is_message and self.state == MESSAGES:
            self.begin_messages()
            return self == path
        if path == self.messages and self.state == MESSAGES:
            self.state = _MESSAGES_TWICE
            return False
        found = "null or a single value" if self.state == MESSAGES else "an object"
        raise NotAnExportError(f"expected `messages` to be an array, found {found}")

    def begin_messages(self) -> None:
        """The value of `messages` is known to be an array."""
        self.log.append(("messages",))
        self.state = INSIDE

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
