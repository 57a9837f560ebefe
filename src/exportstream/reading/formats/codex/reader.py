"""Reads a rollout: one row for each response of the model, one for each message of a user or developer.

Takes: a `Reader` of decompressed bytes. Returns: what was read since the last time, as a `Batch`.
Raises: the errors of a line that is refused (or passes it to `reject`), `LimitError`, and those of the `Reader`.
Holds: one block of lines, one response, and the last few thousand ids.

Records that become no row, such as the events that mirror an item, are counted with their bytes. Compacted histories are
passed over without being held.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from exportstream.errors import ExportstreamError, InputError, InvalidMessageError, JSONSyntaxError, LimitError
from exportstream.models.notes import Notes, Records, Reject
from exportstream.models.structs import Message, Session
from exportstream.reading.formats.codex.recognise import is_bare_meta
from exportstream.reading.formats.codex.session import PRODUCER, Event, RolloutSession, TurnContext
from exportstream.reading.formats.codex.usage import read_info
from exportstream.reading.json.buffer import Reader
from exportstream.reading.json.decoder import REFUSALS
from exportstream.reading.lines.records import Record, decode_run, decode_value, decode_whole_run
from exportstream.reading.lines.runs import Lines, Run, Skip
from exportstream.totals.batch import Batch, SessionEnd
from exportstream.totals.seen import Seen

_REMEMBERED_IDS = 4096
_COMPACTED = Skip("compacted", b'"type":"compacted"', re.compile(rb'\{"timestamp":"[^"\\]{0,40}",(?:"ordinal":\d{1,20},)?'))
_ID_IN_NAME = re.compile(r"rollout-.*([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.jsonl")


class _Line(Struct, gc=False):
    """A record; older versions wrote items without an envelope, which have no payload."""

    type: str | None = None
    timestamp: str | None = None
    ordinal: Any = None
    payload: Raw | UnsetType = UNSET


_LINE = msgspec.json.Decoder(_Line)
_EVENT = msgspec.json.Decoder(Event)
_TURN = msgspec.json.Decoder(TurnContext, float_hook=Decimal)


class RolloutReader:
    """Reads one rollout.

    Args:
        source: name of the input.
        reject: takes lines that are refused; None stops at the first one.
        watch_repeats: whether ids that came before are counted.
        max_line: bytes of the longest line taken, and of the largest response.

    Attributes:
        number: how many sessions have begun.
        within: whether the last of them is not complete yet.
        accepted: how many rows there were.
        notes: what was noticed.
        on_replaced: called where halves of surrogate pairs were replaced.
    """

    producer = PRODUCER

    def __init__(self, source: str, reject: Callable[[Reject], None] | None, *, watch_repeats: bool, max_line: int) -> None:
        self.number = 0
        self.within = False
        self.accepted = 0
        self.notes = Notes()
        self.on_replaced: Callable[[int | None, int], None] | None = None
        self._source = source
        self._reject = reject
        self._watch_repeats = watch_repeats
        self._ids = Seen(_REMEMBERED_IDS)
        self._limit = max_line
        self._current: RolloutSession | None = None
        self._counted: dict[str | None, Records] = {}  # records that become no row, since the last `take`
        self._replaced = 0  # halves of surrogate pairs in the line that is being read
        self._messages: list[Message] = []
        self._positions: list[int | None] = []  # of the messages
        self._position = 0  # of the line that is being read
        self._ends: list[SessionEnd] = []

    @property
    def session(self) -> Session | None:
        """The session being read, or the last one; None before the first."""
        return self._current.session if self._current is not None else None

    def read(self, reader: Reader) -> Iterator[None]:
        """Read the input; after each step `take` has what it brought."""
        lines = Lines(reader, skips=(_COMPACTED,), max_line=self._limit)
        try:
            for run in lines:
                if run is not None:
                    yield from self._read_run(run)
                yield
        except ExportstreamError as error:
            error.locate(position=lines.position)
            if self._current is not None:
                self._current.finish()
            raise
        finally:
            for kind, records in lines.skipped.items():
                self.notes.add_records(kind, records)
        self._end_session()
        yield

    def take(self) -> Batch | None:
        """Return what was read since the last time; None if that is nothing."""
        self._collect()
        for kind, records in self._counted.items():
            self.notes.add_records(kind if kind is not None else "without a type", records)
        self._counted = {}
        if not (self._messages or self._ends):
            return None
        batch = Batch(self._messages, self._ends, positions=self._positions)
        self._messages, self._ends, self._positions = [], [], []
        return batch

    def explain(self, error: ExportstreamError) -> ExportstreamError:
        """Add to an error what is known of the session."""
        error.locate(source=self._source, session_id=self.session.id if self.session is not None else None)
        return error

    def _read_run(self, run: Run) -> Iterator[None]:
        position = run.position
        for value, line in decode_whole_run(run, _LINE, self._limit) or ():
            self._position = position
            try:
                self._read_line(value, line)
            except InputError as error:
                self._refuse(error, Record(value, line, position))
            position += len(line) + 1
            if self._ends:
                yield
        if position == run.position:
            yield from self._read_one_by_one(run)

    def _read_one_by_one(self, run: Run) -> Iterator[None]:
        for record in decode_run(run, _LINE, self._limit):
            if record.nuls:
                self.notes.add_records("NUL bytes", Records(1, record.nuls))
            self._replaced = record.replaced
            self._position = record.position
            try:
                if record.error is not None:
                    raise record.error
                if record.value is not None:
                    self._read_line(record.value, record.line)
            except InputError as error:
                if run.is_torn and isinstance(error, JSONSyntaxError):
                    self.notes.torn += len(record.line)
                else:
                    self._refuse(error, record)
            self._replaced = 0
            if self._ends:
                yield

    def _refuse(self, error: InputError, record: Record) -> None:
        """Pass on a line that is refused, or stop."""
        index = self._current.index if self._current is not None else 0
        error.locate(message_index=index, position=record.position)
        error.exact = True
        if self._current is not None and self._current.held > self._limit:
            raise error
        if self._reject is None:
            error.hint = error.hint or 'on_error="skip" goes on without the line'
            raise error
        self.notes.rejected += 1
        try:
            value = decode_value(record.line)[0]
        except InputError:
            value = record.line.decode("utf-8", "replace")
        session_id = self.session.id if self.session is not None else None
        self._reject(Reject(self._source, session_id, index, record.position, error.path, error.what, value))

    def _read_line(self, line: _Line, raw: bytes) -> None:
        kind, time, payload = line.type, line.timestamp, line.payload
        if payload is UNSET:
            self._read_bare(line, raw)
            return
        if kind == "session_meta":
            self._read_meta(self._decode(payload), line, raw)
            return
        session = self._current if self.within and self._current is not None else self._begin()
        session.last_time, session.line = time, self._position
        if session.has_ordinals:
            session.see_ordinal(line.ordinal)
        if kind == "response_item":
            item = self._decode(payload)
            if session.add_item(item, time, len(raw)):
                if session.held > self._limit:
                    raise LimitError(
                        f"expected responses of at most {self._limit:,} bytes, got a longer one",
                        hint="allow more with `max_message_size` (memory grows with the largest response)",
                    )
                return
            kind = f"response_item/{item['type']}"
        elif kind == "event_msg":
            event = _decode_event(payload)
            session.add_event(event, time)
            kind = f"event_msg/{event.type}"
        elif kind == "turn_context":
            session.add_turn(decode_value(payload, _TURN)[0])
        elif kind == "token_usage_record":
            session.add_usage_record(self._decode(payload), time)
        self._count(kind, raw)

    def _read_bare(self, line: _Line, raw: bytes) -> None:
        """Read a record without an envelope: an item, or the description of the session."""
        item = self._decode(raw)
        if line.type is None and is_bare_meta(item):
            self._read_meta(item, line, raw)
        elif line.type is None or not self._begin().add_item(item, line.timestamp, len(raw)):
            self._count(line.type, raw)

    def _read_meta(self, meta: dict[str, Any], line: _Line, raw: bytes) -> None:
        session = self._begin()
        if not session.add_meta(meta, line.timestamp):
            self._end_session()
            session = self._begin()
            session.add_meta(meta, line.timestamp)
        session.last_time = line.timestamp
        self._count("session_meta", raw)

    def _decode(self, data: bytes | Raw) -> dict[str, Any]:
        value, more = decode_value(data)
        replaced = self._replaced + more
        if not isinstance(value, dict):
            raise InvalidMessageError(f"expected object, got {type(value).__name__}", path="$.payload")
        if replaced:
            self.notes.replaced_surrogates += replaced
            if self.on_replaced is not None:
                self.on_replaced(self._current.index if self._current is not None else None, replaced)
        return value

    def _count(self, kind: str | None, raw: bytes) -> None:
        counted = self._counted.get(kind)
        if counted is None:
            counted = self._counted[kind] = Records()
        counted.count += 1
        counted.bytes += len(raw) + 1

    def _begin(self) -> RolloutSession:
        """Return the session being read, and begin one if there is none."""
        if self._current is None or not self.within:
            self._current = RolloutSession(_id_of(self._source))
            self._ids = Seen(_REMEMBERED_IDS)
            self.within = True
            self.number += 1
        self._current.line = self._position
        return self._current

    def _end_session(self) -> None:
        if self._current is not None and self.within:
            session = self._current.finish()
            self._collect()
            self._ends.append(SessionEnd(session, len(self._messages)))
            self.within = False

    def _collect(self) -> None:
        """Take the complete rows of the session."""
        if self._current is not None and self._current.rows:
            rows, self._current.rows = self._current.rows, []
            self._positions += self._current.positions
            self._current.positions = []
            self.accepted += len(rows)
            if self._watch_repeats:
                self.notes.repeated_ids += len(self._ids.find_repeats([row.id for row in rows]))
            self._messages += rows


def _id_of(source: str) -> str:
    """The id in the name of a rollout; of another file its name, without suffixes."""
    found = _ID_IN_NAME.search(source)
    name = source.replace("\\", "/").rpartition("/")[2].partition(".")[0]
    return found[1] if found is not None else "" if source.startswith("<") else name


def _decode_event(payload: Raw) -> Event:
    """Decode what is needed of an event; one with values of other types has only its type, and what it counts."""
    try:
        return _EVENT.decode(payload)
    except REFUSALS:
        value = decode_value(payload)[0]
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str):
        return Event()
    return Event(type=kind, info=read_info(value.get("info")) if kind == "token_count" else None)
