"""Reads a transcript: one row for each response of the model, one for each message of a user or of the program.

Takes, returns, raises: as `lines.reader`. Holds: one block of lines, and what `TranscriptSession` holds.

A response is several records with the same id; tool results stand between them. A sub-agent has a file of its own, or
progress records embed its messages.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from exportstream.reading.formats.claude_code.session import TranscriptSession
from exportstream.reading.json.decoder import REFUSALS
from exportstream.reading.lines.reader import LineReader

_NAMED_BY_SESSION = re.compile(r"(?:^|[/\\])([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.jsonl")
_NAMED_BY_AGENT = re.compile(r"(?:^|[/\\])agent-([^/\\]+?)\.jsonl")


class _Embedded(Struct, gc=False):
    """What tells whether another file has an embedded message."""

    uuid: Any = None
    message: _Id | None = None


class _Id(Struct, gc=False):
    """The id of a message."""

    id: Any = None


class _Progress(Struct, gc=False):
    """What is needed of the data of a progress record."""

    type: Any = None
    agent_id: Any = msgspec.field(default=None, name="agentId")
    message: Raw | UnsetType = UNSET


class _Line(Struct, gc=False):
    """What is needed of a record to know what to do with it."""

    type: str | None = None
    timestamp: str | None = None
    subtype: Any = None
    uuid: Any = None
    parent: Any = msgspec.field(default=None, name="parentUuid")
    session: Any = msgspec.field(default=None, name="sessionId")
    cwd: Any = None
    content: Raw | UnsetType = UNSET
    message: Raw | UnsetType = UNSET
    data: Raw | UnsetType = UNSET


_PROGRESS = msgspec.json.Decoder(_Progress)
_EMBEDDED = msgspec.json.Decoder(_Embedded)


class TranscriptReader(LineReader[TranscriptSession]):
    """Reads one transcript; see `LineReader`."""

    decoder = msgspec.json.Decoder(_Line)

    def _new_session(self) -> TranscriptSession:
        found = _NAMED_BY_SESSION.search(self._source)
        session = TranscriptSession(found[1] if found is not None else None)
        agent = _NAMED_BY_AGENT.search(self._source)
        session.agent = agent[1] if agent is not None else None
        return session

    def _read_line(self, line: _Line, raw: bytes) -> None:
        session = self._session_of(line)
        session.see(line.session, line.timestamp, line.cwd)
        kind = line.type
        if line.message is not UNSET and kind in ("assistant", "user", None):
            session.add(self._decode(raw), line.timestamp, len(raw))
            self._require_room(session.held)
            return
        if kind == "progress" and line.data is not UNSET:
            found = self._read_progress(session, line, line.data, raw)
            if found is None:
                return
            kind = found
        elif kind == "system":
            if line.content is not UNSET and _is_text(line.content):
                session.add_system(self._decode(raw), line.timestamp, len(raw))
                return
            kind = f"system/{line.subtype}" if isinstance(line.subtype, str) else kind
        elif kind in ("summary", "ai-title", "custom-title"):
            session.see_title(kind, self._decode(raw))
        session.see_record(line.uuid, line.parent)
        self._count(kind, raw)

    def _session_of(self, line: _Line) -> TranscriptSession:
        """Return the session of a record. In a file that is not named by its session, each session has its records."""
        session = self._begin()
        if isinstance(line.session, str) and session.session.id not in (None, line.session) and self._may_end:
            self._end_session()
            session = self._begin()
        return session

    @property
    def _may_end(self) -> bool:
        return _NAMED_BY_SESSION.search(self._source) is None

    def _read_progress(self, session: TranscriptSession, line: _Line, data: Raw, raw: bytes) -> str | None:
        """Take a progress record; return the kind that it is counted as, None if it became a row."""
        try:
            progress = _PROGRESS.decode(data)
        except REFUSALS:
            return "progress"
        kind = f"progress/{progress.type}" if isinstance(progress.type, str) else "progress"
        if progress.type != "agent_progress" or progress.message is UNSET:
            return kind
        embedded = _EMBEDDED.decode(progress.message)
        if session.is_elsewhere(embedded.message.id if embedded.message is not None else None, embedded.uuid):
            return kind
        around = self._decode(raw)
        record = around["data"]["message"]
        if record.get("type") not in ("assistant", "user"):
            return kind
        session.add_embedded(record, around, progress.agent_id, len(raw))
        self._require_room(session.held)
        session.see_record(line.uuid, line.parent)
        return None


def _is_text(value: Raw) -> bool:
    """Whether a value is a text that is not empty."""
    data = bytes(memoryview(value)[:2])
    return data[:1] == b'"' and data != b'""'
