"""Finds the ids of sessions that come after their messages, in a reading of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from exportstream.errors import ExportstreamError, NotAnExportError
from exportstream.models.structs import Message, Session
from exportstream.reading.json.events import Events
from exportstream.storage.source import Source

_REQUIRED = ("id", "title")


class SessionIds(Events):
    """Takes the events of a reading (see `json.events.Events`) and keeps only numbers and ids of sessions.

    In an SDK response the id is that of its `result`. A session without an id has the names of its missing keys instead.
    """

    def __init__(self) -> None:
        self._found: list[tuple[int, str | list[str]]] = []
        self._number = -1
        self._within = self._has_messages = False  # of the session
        self._in_result = self._was_response = False
        self._inner: str | None = None
        self._seen: set[str] = set()  # of the keys that a session must have
        self._outside: set[str] = set()  # the same of the object around a `result`

    def found_by(self, reading: Iterable[None]) -> Iterator[tuple[int, str | list[str]]]:
        """Yield the number and the id of each session as the reading comes to them."""
        try:
            for _ in reading:
                found, self._found = self._found, []
                yield from found
        except ExportstreamError:
            yield from self._found
            raise

    def begin_session(self) -> None:
        """Begin a session."""
        self._number += 1
        self._within, self._has_messages = True, False
        self._was_response = False
        self._seen = set()

    def begin_messages(self) -> None:
        """Keep ids from here on: nobody asks for one that has come before."""
        self._has_messages = True

    def no_session(self, error: NotAnExportError, *, again: bool = False) -> NotAnExportError:
        """Forget what has begun as a session."""
        del again
        self._number -= self._within
        self._within = self._in_result = False
        return error

    def key(self, name: str, value: Any) -> None:
        """Keep an id."""
        if name not in _REQUIRED or not isinstance(value, str):
            return
        if self._was_response and not self._in_result:
            return
        self._seen.add(name)
        if name == "id" and self._in_result:
            self._inner = value
        elif name == "id" and self._has_messages:
            self._found.append((self._number, value))

    def begin_result(self) -> None:
        """Begin what may be the session of an SDK response."""
        self._in_result, self._inner = True, None
        self._outside, self._seen = self._seen, set()

    def end_result(self, *, is_session: bool) -> None:
        """End it."""
        self._in_result, self._was_response = False, is_session
        if not is_session:
            self._seen = self._outside
        elif self._inner is not None:
            self._found.append((self._number, self._inner))

    def sessions(self, sessions: list[Session], messages: list[Message], ends: list[int]) -> None:
        """Keep the ids of whole sessions."""
        del messages, ends
        self._found += [(self._number + number, session.id or "") for number, session in enumerate(sessions, 1)]
        self._number += len(sessions)

    def end_session(self) -> None:
        """Keep what is missing."""
        self._within = False
        if "id" not in self._seen:
            self._found.append((self._number, [name for name in _REQUIRED if name not in self._seen]))

    def break_session(self) -> None:
        """Go on outside of it."""
        self._within = self._in_result = self._was_response = False


class LaterIds:
    """A second reading of an input, which runs one session ahead of the first and finds the ids that it needs.

    Args:
        source: the input of the first reading.
        read: reads a source, and reports what it read.

    Raises:
        NotAnExportError: the input can't be read a second time.
    """

    def __init__(self, source: Source, read: Callable[[Source, Events], Iterable[None]]) -> None:
        if not source.reopenable:
            raise NotAnExportError(
                "expected the session's `id` before its messages in a pipe, got the messages first",
                hint="give a file: it is read once more for the id",
            )
        self._source, ids = source.reopen(), SessionIds()
        self._found = ids.found_by(read(self._source, ids))

    def find(self, number: int) -> str:
        """Return the id of a session, counted from 0.

        Raises:
            NotAnExportError: it has none.
        """
        for found, session_id in self._found:
            if found == number:
                if isinstance(session_id, str):
                    return session_id
                raise missing_keys(session_id)
        raise missing_keys(["id"])

    def close(self) -> None:
        """Close the second reading."""
        self._source.close()


def missing_keys(names: list[str]) -> NotAnExportError:
    """Return the error for a session without keys that are required."""
    got = "none" if len(names) == 1 else "neither"
    return NotAnExportError(f"expected a session with {' and '.join(f'`{name}`' for name in names)}, got {got}", path="$")
