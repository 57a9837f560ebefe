"""Reads a transcript: one row for each response of the model, one for each message of a user or of the program.

Takes, returns, raises: as `lines.reader`. Holds: one block of lines, and what `TranscriptSession` holds.

A response is several records with the same id; tool results stand between them. A sub-agent has a file of its own, or
progress records embed its messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from exportstream.errors import ExportstreamError
from exportstream.reading.formats.claude_code.recognise import PRODUCER
from exportstream.reading.formats.claude_code.session import TranscriptSession
from exportstream.reading.formats.claude_code.short import ShortLine
from exportstream.reading.formats.claude_code.usual import MESSAGES, simple_progress, take_usual
from exportstream.reading.json.decoder import REFUSALS
from exportstream.reading.lines.reader import LineReader
from exportstream.reading.lines.runs import Lines, Run
from exportstream.storage.source import Source

_NAMED_BY_SESSION = re.compile(r"(?:^|[/\\])([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.jsonl")
_IS_ROW: Any = object()  # no kind that a record can have
_NAMED_BY_AGENT = re.compile(r"(?:^|[/\\])agent-([^/\\]+?)\.jsonl")


class _Id(Struct, gc=False):
    """The id of a message."""

    id: str | None = None


class _Embedded(Struct, gc=False):
    """What tells whether another file has an embedded message."""

    type: str | None = None
    uuid: str | None = None
    message: _Id | None = None


class _Progress(Struct, gc=False):
    """What is needed of the data of a progress record."""

    type: str | None = None
    agent_id: str | None = msgspec.field(default=None, name="agentId")
    message: _Embedded | None = None


class Line(Struct, gc=False):
    """What is needed of a record to know what to do with it."""

    type: str | None = None
    timestamp: str | None = None
    uuid: str | None = None
    parent: str | None = msgspec.field(default=None, name="parentUuid")
    session: str | None = msgspec.field(default=None, name="sessionId")
    subtype: Any = None
    cwd: Any = None
    content: Raw | UnsetType = UNSET
    message: Raw | UnsetType = UNSET
    data: Raw | UnsetType = UNSET


_PROGRESS = msgspec.json.Decoder(_Progress)
_EMBEDDED = msgspec.json.Decoder(_Embedded)


class TranscriptReader(LineReader[TranscriptSession]):
    """Reads one transcript; see `LineReader`."""

    producer = PRODUCER
    decoder = msgspec.json.Decoder(Line)
    short_decoder = msgspec.json.Decoder(ShortLine)

    def look(self, part: Source) -> Iterator[None]:
        """Take note of the messages in the file of a sub-agent: where progress records embed them, they are no rows."""
        with suppress(ExportstreamError):  # reading meets it again
            for run in Lines(part, max_line=self._limit):
                yield
                for found in _embedded(run) if run is not None else ():
                    key = found.message.id if found.type == "assistant" and found.message is not None else None
                    self._in_parts.add(key or found.uuid)
                self._in_parts.discard(None)

    def _new_session(self) -> TranscriptSession:
        found = _NAMED_BY_SESSION.search(self._source)
        session_id = found[1] if found is not None else None
        return TranscriptSession(self.known or (), self.keys, session_id, _agent_of(self._source), self._in_parts)

    def _begin_part(self) -> None:
        self._begin().begin_part(_agent_of(self._source))

    def _read_line(self, line: Line | ShortLine, raw: bytes) -> None:
        session = self._current
        if session is None or not self.within or not session.is_begun or line.session != session.last_id:
            session = self._session_of(line)
        session.line = self._position
        if line.timestamp is not None:
            session.last_time = line.timestamp
        kind = line.type
        if line.message is not UNSET and kind in MESSAGES:
            session.add(self._decode(raw), line.timestamp, len(raw))
            return
        if kind == "progress" and line.data is not UNSET:
            kind = simple_progress(line.data) or self._read_progress(session, line.data, raw)
        elif kind == "system":
            if line.content is not UNSET and _is_text(line.content):
                session.add_system(self._decode(raw), line.timestamp, len(raw))
                return
            kind = f"system/{line.subtype}" if isinstance(line.subtype, str) else kind
        elif kind in ("summary", "ai-title", "custom-title"):
            session.see_title(kind, self._decode(raw))
        if line.uuid is not None and not self.figures_only:
            session.see_record(line.uuid, line.parent)
        if kind is not _IS_ROW:
            self._count(kind, raw)

    def _take_usual(self, lines: Iterator[tuple[Any, bytes, int]]) -> Iterator[tuple[Any, bytes, int]]:
        return self._take_figures(lines) if self.figures_only else lines

    def _take_figures(self, lines: Iterator[tuple[Any, bytes, int]]) -> Iterator[tuple[Any, bytes, int]]:
        for found in lines:
            yield found
            while self._current is not None and self.within and self._current.is_begun:
                unusual = take_usual(self._current, lines, self._counted, self._limit)
                if unusual is None:
                    return
                yield unusual

    def _session_of(self, line: Line | ShortLine) -> TranscriptSession:
        """Return the session of a record. In a file that is not named by its session, each session has its records."""
        session = self._begin()
        if line.session is not None and session.session.id not in (None, line.session) and not session.is_named:
            self._end_session()
            session = self._begin()
        session.begin(line.session, line.timestamp, line.cwd)
        return session

    def _read_progress(self, session: TranscriptSession, data: Raw, raw: bytes) -> Any:
        """Take a progress record; return the kind that it is counted as, `_IS_ROW` if it became one."""
        try:
            progress = _PROGRESS.decode(data)
        except REFUSALS:
            return "progress"
        kind = f"progress/{progress.type}" if progress.type is not None else "progress"
        embedded = progress.message
        if progress.type != "agent_progress" or embedded is None or embedded.message is None:
            return kind
        if embedded.type not in ("assistant", "user") or session.is_elsewhere(embedded.message.id, embedded.uuid):
            return kind
        around = self._decode(raw)
        session.add_embedded(around["data"]["message"], around, progress.agent_id, len(raw))
        return _IS_ROW


def _embedded(run: Run) -> list[_Embedded]:
    """Decode the lines of a run, without those that are refused."""
    try:
        return _EMBEDDED.decode_lines(run.data)
    except REFUSALS:
        found = []
        for line in run.data.splitlines():
            with suppress(*REFUSALS):
                found.append(_EMBEDDED.decode(line))
        return found


def _agent_of(source: str) -> str | None:
    """The sub-agent that a file is named by; None for every other file."""
    found = _NAMED_BY_AGENT.search(source)
    return found[1] if found is not None else None


def _is_text(value: Raw) -> bool:
    """Whether a value is a text that is not empty."""
    data = bytes(memoryview(value)[:2])
    return data[:1] == b'"' and data != b'""'
