"""Turns the events of a reading into `Session` and `Message` structs, and knows where one session ends and the next begins.

Takes: the events of `json.stream`. Returns: what was read since the last time, as a `Batch`.
Raises: `InvalidMessageError` for a message that is not one (or passes it to `reject`), `NotAnExportError`.
Holds: what one read brought, and the last few thousand ids of the session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from exportstream.errors import (
    CutInputError,
    ExportstreamError,
    InputError,
    InvalidMessageError,
    JSONSyntaxError,
    NotAnExportError,
)
from exportstream.models.notes import Notes, Reject
from exportstream.models.structs import Message, Session
from exportstream.reading.formats.message import build_message
from exportstream.reading.formats.not_exports import WHAT_IS_READ, locate_among_sessions
from exportstream.reading.formats.session_ids import missing_keys
from exportstream.reading.formats.session_keys import SessionKeys
from exportstream.reading.formats.whole_sessions import count_repeats, number_messages
from exportstream.reading.json.events import Events
from exportstream.totals.batch import Batch, SessionEnd
from exportstream.totals.seen import Seen

_REMEMBERED_IDS = 4096


class SessionReader(Struct, Events):
    """Takes events (see `json.events.Events`); its attributes say how far it is.

    Attributes:
        session: the session being read, or the last one; None before the first.
        index: how many messages of it have been seen (written or rejected).
        last_id: id of the last complete message.
        number: how many sessions have begun.
        complete: how many have ended; a damaged one only if its messages had begun.
        within: whether the session is not complete yet.
        accepted: how many messages were accepted, of all sessions.
        notes: what was noticed.
        wants_starts: whether batches tell where messages begin.
    """

    source: str | None = None
    reject: Callable[[Reject], None] | None = None
    find_id: Callable[[int], str] | None = None
    watch_repeats: bool = False
    wants_starts: bool = False
    on_replaced: Callable[[int | None, int], None] | None = None
    session: Session | None = None
    index: int = 0
    last_id: str | None = None
    number: int = 0
    complete: int = 0
    within: bool = False
    accepted: int = 0
    notes: Notes = field(default_factory=Notes)
    _messages: list[Message] = field(default_factory=list)
    _ends: list[SessionEnd] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)  # where the next messages begin, as far as it is known
    _positions: list[int | None] = field(default_factory=list)  # of the messages
    _noted: int = 0  # how many of the messages were looked at
    _replaced: int = 0  # halves of surrogate pairs in a value that is not complete
    _keys: SessionKeys = field(default_factory=SessionKeys)  # of the session
    _damaged: bool = False  # bytes of the session were lost
    _ids: Seen = field(default_factory=lambda: Seen(_REMEMBERED_IDS))

    @property
    def keeps_session(self) -> bool:
        """See `Events`."""
        return self.within and self._keys.id is not None

    def take(self) -> Batch | None:
        """Return what was read since the last time; None if that is nothing."""
        if not (self._messages or self._ends):
            return None
        self._note()
        batch = Batch(self._messages, self._ends, positions=self._positions if self.wants_starts else None)
        self._messages, self._ends, self._positions, self._noted = [], [], [], 0
        return batch

    def begin_session(self) -> None:
        """Begin a session."""
        self._keys = SessionKeys()
        self.session = self._keys.session
        self.within = True
        self.number += 1
        self.index = 0
        self._damaged = False
        self.last_id = None
        if self.watch_repeats:
            self._ids = Seen(_REMEMBERED_IDS)

    def key(self, name: str, value: Any) -> None:
        """Take a key of the session, or of the SDK response around it."""
        if self._replaced:
            self._tell_replaced(None)
        self._keys.take(name, value)

    def begin_result(self) -> None:
        """See `SessionKeys`."""
        self._keys.begin_result()

    def end_result(self, *, is_session: bool) -> None:
        """See `SessionKeys`."""
        self._keys.end_result(is_session=is_session)

    def begin_messages(self) -> None:
        """See `SessionKeys`."""
        self._keys.begin_messages()

    def starts(self, positions: list[int]) -> None:
        """Keep them for the messages that come next."""
        self._starts = positions

    def _take_starts(self, count: int) -> None:
        if self.wants_starts:
            self._positions += self._starts if len(self._starts) == count else [None] * count
            self._starts = []

    def message(self, value: Any, raw: bytes | None = None, position: int | None = None) -> None:
        """Build one message from its JSON value, or reject it."""
        if self._replaced:
            self._tell_replaced(self.index)
        session_id = self._session_id()
        try:
            message = build_message(value)
        except InvalidMessageError as error:
            error.locate(session_id=session_id, message_index=self.index, position=position)
            error.exact = position is not None
            if self.reject is None:
                error.hint = 'on_error="skip" goes on without it' if error.hint is None else error.hint
                raise
            self.notes.rejected += 1
            self.reject(Reject(self.source, session_id, self.index, position, error.path, error.what, value, raw))
            self._starts = []
            self.index += 1
            return
        message.session_id = session_id
        message.index = self.index
        self.index += 1
        self.last_id = message.id
        self._messages.append(message)
        if position is not None:
            self._starts = [position]
        self._take_starts(1)

    def messages(self, messages: list[Message]) -> None:
        """Give each message its session and its index in it."""
        session_id = self._session_id()
        for index, message in enumerate(messages, self.index):
            message.session_id = session_id
            message.index = index
        self.index += len(messages)
        self.last_id = messages[-1].id if messages else self.last_id
        self._messages += messages
        self._take_starts(len(messages))

    def sessions(self, sessions: list[Session], messages: list[Message], ends: list[int]) -> None:
        """Take whole sessions; see `Events`."""
        self._note()
        before = len(self._messages)
        number_messages(sessions, messages, ends)
        self._ends += map(SessionEnd, sessions, [before + end for end in ends] if before else ends)
        if self.watch_repeats:
            self.notes.repeated_ids += count_repeats(messages, ends)
        self.session, self.within = sessions[-1], False
        self.index = ends[-1] - (ends[-2] if len(ends) > 1 else 0)
        self._keys = SessionKeys(self.session)
        self.number += len(sessions)
        self.complete += len(sessions)
        self.last_id = messages[-1].id if self.index else None
        self._messages += messages
        self._take_starts(len(messages))
        self._note(repeats=False)

    def end_session(self) -> None:
        """Complete a session."""
        self._note()
        session = self.session
        assert session is not None
        if (missing := [name for name in ("id", "title") if getattr(session, name) is None]) and not self._damaged:
            raise missing_keys(missing)
        self._keys.keep_response()
        self.within = False
        self.complete += 1
        self._ends.append(SessionEnd(session, len(self._messages)))

    def no_session(self, error: NotAnExportError, *, again: bool = False) -> NotAnExportError:
        """Forget what has begun as a session; return the error that tells what it is."""
        self._locate(error)
        explained = self._explained(error)
        if self.within:
            self.number -= again or not self._keys.has_messages  # as in the second reading, which knows of no other fault
            self.session, self._keys, self.within = None, SessionKeys(), False
        return explained

    def damage(self, data: bytes, position: int, error: InputError, *, begins: bool) -> None:
        """Pass damaged bytes to `reject`."""
        self._damaged, self._starts = True, []
        self.notes.replaced_surrogates -= self._replaced  # in these bytes, which become no row
        self._replaced = 0
        self.notes.damaged += begins
        self.notes.damaged_bytes += len(data)
        session_id, index = (self._keys.id, self.index) if self.within else (None, None)
        if self.reject is not None:
            self.reject(Reject(self.source, session_id, index, position, None, error.what, None, data, damaged=True))

    def lose_message(self, count: int = 1) -> None:
        """Leave out the numbers of messages that are not there."""
        self.index += count

    def break_session(self) -> None:
        """Complete a session with what there is of it; without an id it has no rows."""
        if not self.within:
            return
        keeps, self.within = self.keeps_session, False
        self.complete += self._keys.has_messages
        if keeps:
            self._keys.keep_broken()
            self._note()
            self._ends.append(SessionEnd(self._keys.session, len(self._messages)))

    def replaced(self, count: int) -> None:
        """Note halves of surrogate pairs; which value they are in is known when it is complete."""
        self.notes.replaced_surrogates += count
        self._replaced += count

    def explain(self, error: ExportstreamError) -> ExportstreamError:
        """Add to an error what is known of the session; return the error that the reader of this input should get."""
        self._locate(error)
        if not isinstance(error, NotAnExportError):
            return error
        explained = self._explained(error)
        if error.exact and self.complete and self.reject is None:
            locate_among_sessions(explained, error, self.complete)
        return explained

    def _explained(self, error: NotAnExportError) -> NotAnExportError:
        """Return the error that tells what the JSON is that is no session."""
        if (answer := self._keys.server_error(self.source)) is not None:
            return answer
        first = self.number == 0 or (self.number == 1 and self.within)
        foreign = error.foreign and first
        error = (self._keys.another_export(self.source) if self.number == 1 else None) or error
        error.foreign = foreign
        if foreign:
            error.hint = error.hint or WHAT_IS_READ
        return error

    def _tell_replaced(self, index: int | None) -> None:
        """Tell the number of the message that had halves of surrogate pairs, None for a key or value of the session."""
        if self.on_replaced is not None:
            self.on_replaced(index, self._replaced)
        self._replaced = 0

    def _locate(self, error: ExportstreamError) -> None:
        if isinstance(error, CutInputError) and self.session is not None:
            if error.inside_message:
                error.what += ", inside a message"
            else:
                error.what += f", after message {self.index - 1}" if self.index else ", before its first message"
            if self.reject is None:
                error.hint = error.hint or 'on_error="skip" keeps the complete messages'
        elif isinstance(error, JSONSyntaxError) and self.reject is None and (self.accepted or self._keys.id is not None):
            error.hint = error.hint or 'on_error="skip" goes on after the damage'
        is_json = isinstance(error, NotAnExportError)
        error.locate(
            source=self.source,
            session_id=self._keys.id if self.within or not is_json else None,  # else it comes after the session
            message_index=self.index if self.within and not is_json else None,
            last_id=self.last_id,
        )

    def _session_id(self) -> str:
        """The id that rows need. If it comes after the messages, a second reading finds it."""
        session = self.session
        assert session is not None
        if session.id is None:
            if self.find_id is None:
                raise missing_keys(["id"])
            session.id = self.find_id(self.number - 1)
        return session.id

    def _note(self, *, repeats: bool = True) -> None:
        """Note what the messages that came since the last time hold; all of them are of one session if `repeats` count."""
        messages = self._messages[self._noted :]
        self._noted = len(self._messages)
        self.accepted += len(messages)
        self.notes.null_dates += len([True for m in messages if m.created_at is None or m.updated_at is None])
        if repeats and self.watch_repeats:  # as far back as ids are remembered
            self.notes.repeated_ids += len(self._ids.find_repeats([message.id for message in messages]))
