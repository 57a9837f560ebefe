"""Reads a rollout: one row for each response of the model, one for each message of a user or developer.

Takes, returns, raises: as `lines.reader`. Holds: one block of lines, one response, the last few thousand ids,
and the keys of all rows if there are other inputs, to know copies: about 100 bytes each.

Events that mirror an item become no row. Compacted histories are passed over without being held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from exportstream.reading.formats.codex.recognise import PRODUCER, is_bare_meta
from exportstream.reading.formats.codex.records import Event, ShortItem, TurnContext
from exportstream.reading.formats.codex.session import RolloutSession
from exportstream.reading.formats.codex.usage import read_info
from exportstream.reading.formats.codex.usual import may_be_deep_item, take_usual
from exportstream.reading.json.beyond_msgspec import refuse_deep
from exportstream.reading.json.decoder import REFUSALS
from exportstream.reading.limits import MAX_DEPTH
from exportstream.reading.lines.reader import LineReader
from exportstream.reading.lines.records import decode_value
from exportstream.reading.lines.runs import Skip

_BEFORE_COMPACTED = re.compile(rb'\{"timestamp":"[^"\\]{0,40}"(?:,"ordinal":\d{1,20})?')
_ID_IN_NAME = re.compile(r"rollout-.*([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.jsonl")


class _Record(Struct, gc=False):
    """A record; older versions wrote items without an envelope, which have no payload."""

    timestamp: str | None = None
    type: str | None = None
    ordinal: Any = None


class _Line(_Record, gc=False):
    """A record of which nothing is known."""

    payload: Raw | UnsetType = UNSET


class _UsualLine(_Record, gc=False):
    """A record of which all is known that events and turns need, if its values are of the usual types."""

    payload: Event | UnsetType = UNSET


class _ShortLine(_Record, gc=False):
    """A record of which only figures are wanted."""

    payload: ShortItem | UnsetType = UNSET


def _known_line(kind: str, payload: Any) -> Any:
    """Return a record of a known type, as usual. Its type tells how its payload is decoded, in the same pass."""
    fields: list[Any] = [("payload", payload), ("timestamp", str | None, None), ("ordinal", Any, None)]
    return msgspec.defstruct("_KnownLine", fields, tag_field="type", tag=kind, namespace={"type": kind}, gc=False)


_KNOWN_LINE = (
    _known_line("response_item", dict[str, Any])
    | _known_line("event_msg", Event)
    | _known_line("turn_context", Event)
    | _known_line("session_meta", Raw)
    | _known_line("token_usage_record", Raw)
    | _known_line("world_state", Raw)
)
_EVENT = msgspec.json.Decoder(Event)
_TURN = msgspec.json.Decoder(TurnContext, float_hook=Decimal)


class RolloutReader(LineReader[RolloutSession]):
    """Reads one rollout; see `LineReader`."""

    producer = PRODUCER
    decoder = msgspec.json.Decoder(_Line)
    run_decoders = (
        msgspec.json.Decoder(_KNOWN_LINE, float_hook=Decimal),
        msgspec.json.Decoder(_UsualLine),  # events and turns need no second look at their line
    )
    short_decoder = msgspec.json.Decoder(_ShortLine)
    skip = Skip("compacted", b',"type":"compacted","payload":', _BEFORE_COMPACTED)
    payload = "$.payload"

    def _new_session(self) -> RolloutSession:
        return RolloutSession(_id_of(self._source), self.known, self.keys)

    def _read_line(self, line: _Line | _UsualLine | _ShortLine, raw: bytes) -> None:
        kind, time, given = line.type, line.timestamp, line.payload
        if given is UNSET:
            self._read_bare(line, raw)
            return
        if kind == "session_meta":
            self._read_meta(self._payload_of(given, raw), line, raw)
            return
        session = self._current if self.within and self._current is not None else self._begin()
        session.last_time, session.line = time, self._position
        if session.has_ordinals:
            session.see_ordinal(line.ordinal)
        if kind == "response_item":
            if isinstance(given, ShortItem) and not may_be_deep_item(given, raw) and session.add_short(given, raw, time):
                return
            item = self._payload_of(given, raw)
            if session.add_item(item, time, len(raw)):
                return
            kind = f"response_item/{item['type']}"
        elif kind == "event_msg":
            event = given if isinstance(given, Event) else _decode_event(given)
            session.add_event(event, time)
            kind = f"event_msg/{event.type}"
        elif kind == "turn_context":
            session.add_turn(given if isinstance(given, Event) else decode_value(given, _TURN)[0])
        elif kind == "token_usage_record":
            session.add_usage_record(self._payload_of(given, raw), time)
        self._count(kind, raw)

    def _take_usual(self, lines: Iterator[tuple[Any, bytes, int]]) -> Iterator[tuple[Any, bytes, int]]:
        for found in lines:
            yield found
            while self._current is not None and self.within and not self._current.has_ordinals:
                unusual = take_usual(self._current, lines, self._counted, self._refuse, self._limit)
                if unusual is None:
                    return
                yield unusual

    def _payload_of(self, given: dict[str, Any] | Event | Raw, raw: bytes) -> dict[str, Any]:
        """Decode all of the payload of a line."""
        if isinstance(given, dict):
            if len(raw) > 2 * MAX_DEPTH:
                refuse_deep(given)
            return given
        return self._decode(self.decoder.decode(raw).payload if isinstance(given, Event) else given)

    def _read_bare(self, line: _Record, raw: bytes) -> None:
        """Read a record without an envelope: an item, or the description of the session."""
        item = self._decode(raw)
        if line.type is None and is_bare_meta(item):
            self._read_meta(item, line, raw)
        elif line.type is None or not self._begin().add_item(item, line.timestamp, len(raw)):
            self._count(line.type, raw)

    def _read_meta(self, meta: dict[str, Any], line: _Record, raw: bytes) -> None:
        session = self._begin()
        if not session.add_meta(meta, line.timestamp):
            self._end_session()
            session = self._begin()
            session.add_meta(meta, line.timestamp)
        session.last_time = line.timestamp
        self._count("session_meta", raw)


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
