"""The events of a reading: what `stream` and `parser` report, in the order of the file."""

from __future__ import annotations

from typing import Any

from exportstream.errors import InputError, NotAnExportError
from exportstream.models.structs import Message, Session


class Events:
    """Takes the events; what a class does not define does nothing. Numbers in values are int or Decimal.

    Each method may raise `InputError` to stop the reading.

    Attributes:
        wants_starts: whether `starts` is called, which takes time.
    """

    wants_starts = False

    @property
    def keeps_session(self) -> bool:
        """Whether the session that is being read has an id, so that what was read of it stays if its rest is lost."""
        return True

    def starts(self, positions: list[int]) -> None:
        """Where the messages that come next begin, in bytes of the input."""

    def begin_session(self) -> None:
        """A session object begins."""

    def key(self, name: str, value: Any) -> None:
        """One of its keys other than `messages`."""

    def begin_result(self) -> None:
        """The object under a key `result` begins; it may be the session of an SDK response."""

    def end_result(self, *, is_session: bool) -> None:
        """That object is complete; `is_session`: it had `messages`."""

    def begin_messages(self) -> None:
        """The session's `messages` begin."""

    def message(self, value: Any, raw: bytes | None = None, position: int | None = None) -> None:
        """One message as a JSON value, with its bytes and the position of the first one in the input, if they are known."""

    def messages(self, messages: list[Message]) -> None:
        """Some messages as structs, which the caller gives away."""

    def sessions(self, sessions: list[Session], messages: list[Message], ends: list[int]) -> None:
        """Some whole sessions; `ends` says for each how many of the messages belong to it and to those before it."""

    def end_session(self) -> None:
        """The session is complete."""

    def no_session(self, error: NotAnExportError, *, again: bool = False) -> NotAnExportError:
        """What comes next, or has begun as a session, turned out to be none; return the error that tells what it is.

        With `again` it is read again, and begins anew.
        """
        del again
        return error

    def damage(self, data: bytes, position: int, error: InputError, *, begins: bool) -> None:
        """Some bytes that are damaged, and their position; `begins`: the first ones of a damaged stretch."""

    def lose_message(self, count: int = 1) -> None:
        """Some messages of the session are not there, and others follow."""

    def break_session(self) -> None:
        """The rest of the session, if one has begun, is lost; all of it, if `keeps_session` is false."""

    def replaced(self, count: int) -> None:
        """Halves of surrogate pairs were replaced in the value that comes next."""
