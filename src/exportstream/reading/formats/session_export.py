"""Turns the events of a reading into `Session` and `Message` structs, and knows where one session ends and the next begins.

Takes: the events of `json.stream`. Returns: what was read since the last time, as a `Batch`.
Raises: `InvalidMessageError` for a message that is not one (or passes it to `reject`), `NotAnExportError`.
Holds: what one read brought, and the last few thousand ids of the session.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from typing import Any

from msgspec import Struct, field

from exportstream.errors import CutInputError, ExportstreamError, InvalidMessageError, NotAnExportError
from exportstream.models.notes import Notes, Reject
from exportstream.models.structs import Message, Session
from exportstream.reading.formats.known import another_export, server_error
from exportstream.reading.formats.message import FIELDS, build_message, convert_field
from exportstream.reading.formats.session_ids import missing_keys
from exportstream.totals.batch import Batch, SessionEnd
from exportstream.totals.seen import Seen

_REMEMBERED_IDS = 4096


class SessionReader(Struct):
    """Takes events (see `json.events.Events`); its attributes say how far it is.

    Attributes:
        session: the session being read, or the last one; None before the first.
        index: how many messages of it have been seen (written or rejected).
        last_id: id of the last complete message.
        number: how many sessions have begun.
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
    within: bool = False
    accepted: int = 0
    notes: Notes = field(default_factory=Notes)
    _messages: list[Message] = field(default_factory=list)
    _ends: list[SessionEnd] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)  # where the next messages begin, as far as it is known
    _positions: list[int | None] = field(default_factory=list)  # of the messages
    _noted: int = 0  # how many of the messages were looked at
    _replaced: int = 0  # halves of surrogate pairs in a value that is not complete
    _wire_names: dict[str, str] = field(default_factory=dict)
    # The keys of an object, as they are, until its `messages` begin: only then is it known to be a session.
    _pending: dict[str, Any] | None = None
    # The keys of the object around a `result`, which is an SDK response if the result turns out to be a session.
    _around: dict[str, Any] | None = None
    _in_result: bool = False
    _ids: Seen = field(default_factory=lambda: Seen(_REMEMBERED_IDS))

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
        self.session = Session()
        self.within = True
        self.number += 1
        self.index = 0
        self.last_id = None
        self._wire_names = {}
        self._pending, self._around, self._in_result = {}, None, False
        if self.watch_repeats:
            self._ids = Seen(_REMEMBERED_IDS)

    def key(self, name: str, value: Any) -> None:
        """Take a key of the session, or of the SDK response around it."""
        if self._replaced:
            self._tell_replaced(None)
        if self._pending is not None:
            self._pending[name] = value
        elif self._around is not None and not self._in_result:
            self._around[name] = value
        else:
            self._set(name, value)

    def begin_result(self) -> None:
        """Keep the keys so far: they may be those of an SDK response around the session."""
        self._around, self._pending, self._in_result = self._pending, {}, True

    def end_result(self, *, is_session: bool) -> None:
        """It was the session of an SDK response, or else just an unknown key of a session."""
        self._in_result = False
        if not is_session:
            result, self._pending, self._around = self._pending, self._around or {}, None
            self._pending["result"] = result

    def begin_messages(self) -> None:
        """Set the keys that came before the messages: the object is a session."""
        pending, self._pending = self._pending or {}, None
        known = FIELDS[Session]
        extra = {key: value for key, value in pending.items() if key not in known}
        if extra and self.session is not None:
            self.session.extra = extra
        for key, value in pending.items():
            if key in known:
                self._set(key, value)

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
        self.index = _number(messages, self._session_id(), self.index)
        self.last_id = messages[-1].id if messages else self.last_id
        self._messages += messages
        self._take_starts(len(messages))

    def sessions(self, sessions: list[Session], messages: list[Message], ends: list[int]) -> None:
        """Take whole sessions; see `Events`."""
        self._note()
        before, start, index = len(self._messages), 0, 0
        for session, end in zip(sessions, ends, strict=True):
            index = _number(messages[start:end], session.id or "", 0)
            self._ends.append(SessionEnd(session, before + end))
            start = end
        if self.watch_repeats:
            self._count_repeats_of_sessions(messages, ends)
        self.session, self.index, self.within = sessions[-1], index, False
        self.number += len(sessions)
        self.last_id = messages[-1].id if index else None
        self._messages += messages
        self._take_starts(len(messages))
        self._note(repeats=False)

    def end_session(self) -> None:
        """Complete a session."""
        self._note()
        session = self.session
        assert session is not None
        if missing := [name for name in ("id", "title") if getattr(session, name) is None]:
            raise missing_keys(missing)
        self._keep_response()
        self.within = False
        self._ends.append(SessionEnd(session, len(self._messages)))

    def replaced(self, count: int) -> None:
        """Note halves of surrogate pairs; which value they are in is known when it is complete."""
        self.notes.replaced_surrogates += count
        self._replaced += count

    def explain(self, error: ExportstreamError) -> ExportstreamError:
        """Add to an error what is known of the session; return the error that the reader of this input should get."""
        if isinstance(error, CutInputError) and self.within:  # what is complete may be kept
            with suppress(NotAnExportError):
                self.begin_messages()
            self._keep_response()
        self._locate(error)
        if not isinstance(error, NotAnExportError):
            return error
        if self._id is None and (answer := server_error(self._pending or {}, self.source)) is not None:
            return answer
        first = self.number == 0 or (self.number == 1 and self.within)
        foreign = error.foreign and first
        error = self._another_export() or error
        error.foreign = foreign
        return error

    def _tell_replaced(self, index: int | None) -> None:
        """Tell the number of the message that had halves of surrogate pairs, None for a key or value of the session."""
        if self.on_replaced is not None:
            self.on_replaced(index, self._replaced)
        self._replaced = 0

    @property
    def _id(self) -> str | None:
        found = (self._pending or {}).get("id") or (self.session.id if self.session is not None else None)
        return found if isinstance(found, str) else None

    def _locate(self, error: ExportstreamError) -> None:
        if isinstance(error, CutInputError) and self.session is not None:
            if error.inside_message:
                error.what += f", inside message {self.index}"
            else:
                error.what += f", after message {self.index - 1}" if self.index else ", before its first message"
            error.hint = error.hint or "keep_partial=True keeps the complete messages"
        error.locate(
            source=self.source,
            session_id=self._id,
            message_index=self.index if self.session is not None else None,
            last_id=self.last_id,
        )

    def _another_export(self) -> NotAnExportError | None:
        """The error for the first object of another program's export; None for everything else."""
        keys = self._pending if self._pending is not None else (self.session.extra if self.session is not None else None)
        if self._in_result:
            keys = self._around
        return another_export(keys, self.source) if keys and self.number == 1 else None

    def _set(self, key: str, value: Any) -> None:
        """Set a field of the session; the same one in both spellings is refused."""
        session = self.session
        assert session is not None
        name = FIELDS[Session].get(key)
        if name is None:
            if session.extra is None:
                session.extra = {}
            session.extra[key] = value
            return
        if name in self._wire_names:
            raise NotAnExportError(f"expected each key of a session once, got {self._wire_names[name]!r} and {key!r}")
        self._wire_names[name] = key
        if value is None and name in ("id", "title"):
            raise NotAnExportError(f"expected a string, got null for the session's {key!r}", path=f"$.{key}")
        if value is not None:
            try:
                setattr(session, name, convert_field(name, value))
            except ValueError as error:
                raise NotAnExportError(f"the session's {key!r}: {error}", path=f"$.{key}") from None

    def _keep_response(self) -> None:
        """Keep the keys of an SDK response under a key of their own, so that none of the session is replaced."""
        around, self._around = self._around, None
        if around and self.session is not None:
            self.session.extra = extra = self.session.extra or {}
            name = "response"
            while name in extra:
                name += "_"
            extra[name] = around

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
        if repeats and self.watch_repeats:
            self._count_repeats(messages)

    def _count_repeats(self, messages: list[Message]) -> None:
        """Count ids that came before in the session, as far back as is remembered."""
        self.notes.repeated_ids += len(self._ids.find_repeats([message.id for message in messages]))

    def _count_repeats_of_sessions(self, messages: list[Message], ends: list[int]) -> None:
        """The same for whole sessions."""
        ids = [message.id for message in messages]
        if len(set(ids)) < len(ids):
            for start, end in zip(chain((0,), ends), ends, strict=False):
                self.notes.repeated_ids += end - start - len(set(ids[start:end]))


def _number(messages: list[Message], session_id: str, index: int) -> int:
    for message in messages:
        message.session_id = session_id
        message.index = index
        index += 1
    return index
