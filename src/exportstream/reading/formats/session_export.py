"""Turns parser events into `Session` and `Message` structs, and knows where one session ends and the next begins.

Takes: the events of `json.stream`, or of `json.parser` alone.
Yields: lists of messages of one session, and each `Session` when it is complete.
Raises: `InvalidMessageError` for a message that is not one (or passes it to `reject`), `NotAnExportError`.
Holds: what one read brought, and the last few thousand ids of the session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from msgspec import Struct, field

from exportstream.errors import CutInputError, ExportstreamError, InvalidMessageError, NotAnExportError, printable
from exportstream.models.notes import Notes, Reject
from exportstream.models.structs import Message, Session
from exportstream.reading.formats.message import FIELDS, build_message, convert_field

_REMEMBERED_IDS = 4096
_LONGEST_WORDS = 200  # characters of a server's error


class Sessions(Struct):
    """Reads events; its attributes say how far it is.

    Attributes:
        session: the session being read, or the last one; None before the first.
        index: how many messages of it have been seen (written or rejected).
        last_id: id of the last complete message.
        number: how many sessions have begun.
        within: whether the session is not complete yet.
        accepted: how many messages were yielded, of all sessions.
        notes: what was noticed.
    """

    source: str | None = None
    reject: Callable[[Reject], None] | None = None
    find_id: Callable[[int], str] | None = None
    watch_repeats: bool = False
    on_replaced: Callable[[int | None, int], None] | None = None
    session: Session | None = None
    index: int = 0
    last_id: str | None = None
    number: int = 0
    within: bool = False
    accepted: int = 0
    notes: Notes = field(default_factory=Notes)
    _replaced: int = 0  # halves of surrogate pairs in a value that is not complete
    _wire_names: dict[str, str] = field(default_factory=dict)
    # The keys of an object, as they are, until its `messages` begin: only then is it known to be a session.
    _pending: dict[str, Any] | None = None
    # The keys of the object around a `result`, which is an SDK response if the result turns out to be a session.
    _around: dict[str, Any] | None = None
    _in_result: bool = False
    _seen: set[str] = field(default_factory=set)
    _last_ids: list[str] = field(default_factory=list)

    def read(self, events: Iterable[tuple[Any, ...]]) -> Iterator[list[Message] | Session]:
        """Yield batches of messages, and each session after its last batch."""
        gathered: list[Message] = []
        try:
            for event in events:
                kind = event[0]
                if self._replaced and kind in ("key", "message", "value"):
                    self._tell_replaced(None if kind == "key" else self.index)
                if kind == "key":
                    if self._pending is not None:
                        self._pending[event[1]] = event[2]
                    else:
                        self._key(event[1], event[2])
                elif kind == "block":
                    yield self._number(event[1])
                elif kind == "message":
                    self._one(event[1], None, None, gathered)
                elif kind == "value":
                    self._one(event[1], event[2], event[3], gathered)
                elif kind == "session":
                    self._begin()
                elif kind == "messages":
                    self._set_pending()
                elif kind == "wrapper":
                    self._around, self._pending, self._in_result = self._pending, {}, True
                elif kind == "unwrap":
                    self._unwrap(complete=event[1])
                elif kind == "replaced":
                    self.notes.replaced_surrogates += event[1]
                    self._replaced += event[1]
                elif gathered and kind in ("flush", "end"):
                    yield gathered
                    gathered = []
                if kind == "end":
                    yield self._complete()
        except ExportstreamError as error:
            if gathered:
                yield gathered
            if isinstance(error, CutInputError) and self.within:  # what is complete may be kept
                with suppress(NotAnExportError):
                    self._set_pending()
                self._keep_response()
            self._locate(error)
            if isinstance(error, NotAnExportError) and (answer := self._server_error()) is not None:
                raise answer from error
            raise

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
                error.what += f", behind message {self.index - 1}" if self.index else ", before its first message"
            error.hint = error.hint or "keep_partial=True keeps the complete messages"
        error.locate(
            source=self.source,
            session_id=self._id,
            message_index=self.index if self.session is not None else None,
            last_id=self.last_id,
        )

    def _server_error(self) -> NotAnExportError | None:
        """The error that a saved error body deserves; None for everything else."""
        keys = self._pending or {}
        inner = keys.get("result")
        value = keys.get("error", inner.get("error") if isinstance(inner, dict) else None)
        if not isinstance(value, dict) or self._id is not None:
            return None
        words = [printable(str(value[key]), _LONGEST_WORDS) for key in ("code", "message", "type") if key in value]
        return NotAnExportError(
            f"a server error response, not an export: {' '.join(words)}", source=self.source, hint="export again"
        )

    def _begin(self) -> None:
        self.session = Session()
        self.within = True
        self.number += 1
        self.index = 0
        self.last_id = None
        self._wire_names = {}
        self._pending, self._around, self._in_result = {}, None, False
        if self.watch_repeats:
            self._seen, self._last_ids = set(), []

    def _key(self, key: str, value: Any) -> None:
        """Take a key of the session, or of the SDK response around it."""
        if self._around is not None and not self._in_result:
            self._around[key] = value
        else:
            self._set(key, value)

    def _set_pending(self) -> None:
        """Set the keys that came before the messages: the object is a session."""
        pending, self._pending = self._pending or {}, None
        known = FIELDS[Session]
        extra = {key: value for key, value in pending.items() if key not in known}
        if extra and self.session is not None:
            self.session.extra = extra
        for key, value in pending.items():
            if key in known:
                self._set(key, value)

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
            raise NotAnExportError(f"expected each key of a session once, found {self._wire_names[name]!r} and {key!r}")
        self._wire_names[name] = key
        if value is None and name in ("id", "title"):
            raise NotAnExportError(f"expected a string, found null for the session's {key!r}", path=f"$.{key}")
        if value is not None:
            try:
                setattr(session, name, convert_field(name, value))
            except ValueError as error:
                raise NotAnExportError(f"the session's {key!r}: {error}", path=f"$.{key}") from None

    def _unwrap(self, *, complete: bool) -> None:
        """End a `result`: it was the session of an SDK response, or else just an unknown key of a session."""
        self._in_result = False
        if not complete:
            result, self._pending, self._around = self._pending, self._around or {}, None
            self._pending["result"] = result

    def _keep_response(self) -> None:
        """Keep what an SDK response says beside its `result`, under a key of its own: nothing of the session is replaced."""
        around, self._around = self._around, None
        if around and self.session is not None:
            self.session.extra = extra = self.session.extra or {}
            name = "response"
            while name in extra:
                name += "_"
            extra[name] = around

    def _complete(self) -> Session:
        session = self.session
        assert session is not None
        for name in ("id", "title"):
            if getattr(session, name) is None:
                raise NotAnExportError(f"expected a session with `{name}`, found none", path=f"$.{name}")
        self._keep_response()
        self.within = False
        return session

    def _session_id(self) -> str:
        """The id that rows need; where the file has it behind the messages, a second reading finds it."""
        session = self.session
        assert session is not None
        if session.id is None:
            if self.find_id is None:
                raise NotAnExportError("the session's id comes after its messages")
            session.id = self.find_id(self.number - 1)
        return session.id

    def _one(self, value: Any, raw: bytes | None, position: int | None, gathered: list[Message]) -> None:
        """Build one message from its JSON value, or reject it."""
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
            self.index += 1
            return
        gathered.append(message)
        self._number([message])

    def _number(self, messages: list[Message]) -> list[Message]:
        """Give each message its session and its place in it."""
        session_id, index = self._session_id(), self.index
        for message in messages:
            message.session_id = session_id
            message.index = index
            index += 1
        self.index = index
        self.accepted += len(messages)
        self.last_id = messages[-1].id
        self.notes.null_dates += len([True for m in messages if m.created_at is None or m.updated_at is None])
        if self.watch_repeats:
            self._count_repeats(messages)
        return messages

    def _count_repeats(self, messages: list[Message]) -> None:
        """Count ids that came before, as far back as is remembered."""
        ids = [message.id for message in messages]
        before = len(self._seen)
        self._seen.update(ids)
        self.notes.repeated_ids += before + len(ids) - len(self._seen)
        self._last_ids += ids
        if len(self._last_ids) > 2 * _REMEMBERED_IDS:
            del self._last_ids[:-_REMEMBERED_IDS]
            self._seen = set(self._last_ids)
