"""Follows the tokens of a JSON input: what surrounds the messages, and each message as a JSON value.

Takes: tokens as ijson gives them, a name and a value. Reports: `Events`, in the order of the file.
Raises: `NotAnExportError`, `LimitError`. Holds: the value that is being built (one message, or one value of the session).
"""

from __future__ import annotations

from copy import copy
from enum import Enum, auto
from typing import Any

from exportstream.errors import NotAnExportError
from exportstream.reading.json.events import Events
from exportstream.reading.json.no_session import kind_of, no_messages, no_messages_among, no_session
from exportstream.reading.limits import MAX_DEPTH, too_deep

_NOT_OF_A_RESPONSE = frozenset({"id", "title", "messages", "result"})


class _At(Enum):
    """The part of the document that is being read, outside of the values that are built."""

    TOP = auto()  # before or after a document
    ARRAY = auto()  # in an array of sessions
    OBJECT = auto()  # in a session, or in an SDK response around it: a key or the end comes next
    VALUE = auto()  # after a key
    RESULT = auto()  # after the key `result` of what may be an SDK response
    BEFORE_MESSAGES = auto()  # after the key `messages`
    MESSAGES = auto()  # in the array of messages


_NONE_YET = ("none yet", None)

_TOP, _ARRAY, _OBJECT, _VALUE, _RESULT, _BEFORE_MESSAGES, _MESSAGES = _At  # a global is found faster


class Envelope:
    """The objects and arrays around the messages, and the value that is being built.

    Attributes:
        values: how many messages and other values of sessions have become complete.
        begun: how many sessions have begun.
        in_array: whether the sessions are the elements of an array.
        is_export: whether messages of any session have begun.
    """

    def __init__(self, events: Events) -> None:
        self.is_export = False
        self.values = self.begun = 0
        self.in_array = False
        self._to = events
        self._at = _TOP
        self._in_result = self._was_response = False
        self._new_array = False  # no session of it has ended
        self._keys: set[str] = set()  # of the session
        self._outer_keys: set[str] = set()  # of the SDK response around it
        self._name = ""  # of the value being read
        self._container: Any = None  # the innermost object or array of the value being built
        self._around: list[Any] = []  # the containers that it is in
        self._item_key = ""
        self._after_key = False
        self._levels = MAX_DEPTH  # that a value may have
        self._first = False  # no message of the array has begun

    @property
    def depth(self) -> int:
        """How many objects and arrays are open around a value that is built here."""
        return self.in_array + self._in_result + (self._at not in (_TOP, _ARRAY)) + (self._at is _MESSAGES)

    @property
    def depth_between(self) -> int:
        """How many arrays are open around the session that is read or comes next: none before the first has ended."""
        return self.in_array and not self._new_array

    @property
    def in_messages(self) -> bool:
        """Whether it is in a session's `messages` array, perhaps inside a message."""
        return self._at is _MESSAGES

    @property
    def at_first_message(self) -> bool:
        """Whether the `messages` array has just been opened."""
        return self._first and not self.building

    @property
    def between_sessions(self) -> bool:
        """Whether the next thing to come is a session, or the end."""
        return self._at in (_TOP, _ARRAY)

    @property
    def at_first_session(self) -> bool:
        """Whether an array of sessions has been opened, and no `messages` in it."""
        return self._new_array and (self._at is _ARRAY or not self.has_messages)

    @property
    def undecided(self) -> bool:
        """Whether what is read may turn out to be no session: no messages of it have begun."""
        return self.between_sessions or not self.has_messages or self._at is _BEFORE_MESSAGES

    @property
    def building(self) -> bool:
        """Whether a value has begun and is not complete."""
        return self._container is not None or self._at is _VALUE

    @property
    def after_key(self) -> bool:
        """Whether the last token was the key of an object."""
        return self._after_key

    @property
    def open(self) -> list[bytes]:
        """The bracket of each object and array that is open."""
        in_object = not self.between_sessions
        brackets = [b"["] * self.in_array + [b"{"] * (in_object + self._in_result) + [b"["] * self.in_messages
        if self._container is not None:
            built = [*self._around[1:], self._container]
            brackets += [b"{" if item.__class__ is dict else b"[" for item in built]
        return brackets

    @property
    def keys(self) -> int:
        """How many keys of the session have come."""
        return len(self._keys)

    @property
    def has_messages(self) -> bool:
        """Whether the key `messages` of the session has come."""
        return "messages" in self._keys

    @property
    def may_resume(self) -> bool:
        """Whether messages that come after damage can belong to this session: it has an id, and its messages don't end."""
        if self._at in (_MESSAGES, _BEFORE_MESSAGES) or (self._at in (_OBJECT, _VALUE) and not self.has_messages):
            return self._at is _MESSAGES or ("id" in self._keys and not (self._at is _VALUE and self._name == "id"))
        return False

    def resumed(self, events: Events, *, in_messages: bool) -> Envelope:
        """The envelope for reading on after damage: at a message of this session, or else at the next session."""
        new = copy(self)
        new._resume(events, in_messages=in_messages)  # noqa: SLF001 - it is of this class
        return new

    def outside_array(self) -> Envelope:
        """The envelope without the array that sessions are in."""
        new = copy(self)
        new.in_array = False
        return new

    def _resume(self, events: Events, *, in_messages: bool) -> None:
        self._to = events
        self._keys, self._outer_keys = set(self._keys), set(self._outer_keys)
        self._container, self._around, self._after_key, self._first = None, [], False, False
        if in_messages:
            self._at = _MESSAGES
            self._keys.add("messages")
        else:
            self._at = _ARRAY if self.in_array else _TOP
            self._in_result = self._was_response = self._new_array = False

    def follow(self, tokens: list[tuple[str, Any]]) -> None:
        """Follow some tokens. It is done for every token that no block took, so it is one plain loop."""
        container, around, key = self._container, self._around, self._item_key
        at = self._at
        try:
            following = iter(tokens)
            for kind, value in following:
                if container is not None:
                    if kind == "map_key":
                        key = value
                        # Its value usually is in the same piece, and a plain one: that takes no further step of the loop.
                        kind, value = next(following, _NONE_YET)  # noqa: PLW2901
                        if kind == "string" or kind == "number":  # noqa: PLR1714 - faster than a set
                            container[key] = value
                            continue
                        if kind == _NONE_YET[0]:
                            break
                    if kind == "end_map" or kind == "end_array":  # noqa: PLR1714
                        whole, container = container, around.pop()
                        if container is None:
                            at = self._take(whole)
                        continue
                    begins = kind == "start_map" or kind == "start_array"  # noqa: PLR1714
                    item: Any = value if not begins else {} if kind == "start_map" else []
                    if container.__class__ is dict:
                        container[key] = item
                    else:
                        container.append(item)
                    if begins:
                        around.append(container)
                        container = item
                        if len(around) > self._levels:
                            raise too_deep(hint="write the inner values as JSON text")
                    continue
                if at is _RESULT and kind != "start_map":  # a key like any other
                    at = self._at = self._begin_key("result")
                if at is _OBJECT:
                    keys = self._keys
                    if kind != "map_key":
                        at = self._end_object()
                    elif not keys or value in keys or value == "messages" or value == "result":  # noqa: PLR1714
                        at = self._begin_value(value)
                    else:  # as in `_begin_key`: a session may have many keys
                        keys.add(value)
                        self._name = value
                        at = _VALUE
                    self._at = at
                elif at is _MESSAGES and kind == "end_array":
                    at = self._at = _OBJECT
                    self._first = False
                elif at is _MESSAGES or at is _VALUE:
                    if kind == "start_map" or kind == "start_array":  # noqa: PLR1714
                        container = {} if kind == "start_map" else []
                        around.append(None)
                        self._levels = MAX_DEPTH - self.depth
                    else:
                        at = self._take(value)
                else:
                    at = self._at = self._enter(kind)
        finally:
            self._container, self._item_key = container, key
            if tokens:
                self._after_key = tokens[-1][0] == "map_key"

    def finish(self) -> None:
        """The input has ended."""
        if self._at is not _TOP:
            raise no_session("nothing")

    def _enter(self, kind: str) -> _At:
        """Go on where one kind of value is expected."""
        if self._at is _BEFORE_MESSAGES:
            if kind != "start_array":
                raise no_messages(kind, self._keys)
            self._first = True
            self._to.begin_messages()
            self.is_export = True
            return _MESSAGES
        if self._at is _RESULT and kind == "start_map":
            self._in_result, self._outer_keys, self._keys = True, self._keys, set()
            self._to.begin_result()
            return _OBJECT
        if self._at is _ARRAY and kind == "end_array":
            self.in_array = False
            if self._new_array:
                raise no_session("an empty array", foreign=True)
            return _TOP
        if self._at is _TOP and kind == "start_array":
            self.in_array = self._new_array = True
            return _ARRAY
        if kind != "start_map":
            raise no_session(kind_of(kind), foreign=True)
        self._keys = set()
        self._was_response = False
        self.begun += 1
        return _OBJECT

    def _begin_value(self, name: str) -> _At:
        """A key of a session, or of an SDK response around it."""
        keys = self._keys
        if not keys and not self._in_result:
            self._to.begin_session()
        if name in keys or (name == "result" and self._was_response):
            raise NotAnExportError(f"expected each key of a session once, got {name!r} twice")
        if name == "result" and not (self._in_result or self.in_array) and keys.isdisjoint(_NOT_OF_A_RESPONSE):
            return _RESULT
        return self._begin_key(name)

    def _begin_key(self, name: str) -> _At:
        self._keys.add(name)
        self._name = name
        return _BEFORE_MESSAGES if name == "messages" else _VALUE

    def _take(self, value: Any) -> _At:
        """A value is complete."""
        self.values += 1
        if self._at is _MESSAGES:
            self._first = False
            self._to.message(value)
            return _MESSAGES
        self._at = _OBJECT
        self._to.key(self._name, value)
        return _OBJECT

    def _end_object(self) -> _At:
        """The end of a session, or of an SDK response around it, or of its `result`."""
        if self._in_result:
            self._in_result = False
            self._was_response = "messages" in self._keys
            self._keys = self._outer_keys | {"messages" if self._was_response else "result"}
            self._to.end_result(is_session=self._was_response)
            return _OBJECT
        if "messages" not in self._keys:
            raise no_messages_among(self._keys)
        self._to.end_session()
        self._new_array = False
        return _ARRAY if self.in_array else _TOP
