"""One session of a transcript: its records become rows.

Takes: records, decoded. Returns: rows, and at the end the `Session`.
Raises: `InvalidMessageError` for a record with a known field of another type.
Holds: a response for each of the last few agents, which rows the last few thousand records belong to, and the keys of all
rows, to know copies: about 100 bytes each.
"""

from __future__ import annotations

from collections.abc import Collection, Container
from itertools import islice
from typing import Any

from exportstream.models.structs import Message, Session
from exportstream.reading.formats.claude_code.recognise import PRODUCER
from exportstream.reading.formats.claude_code.response import RECORD_KEYS, Entry
from exportstream.reading.formats.claude_code.thread import Thread
from exportstream.reading.formats.content import leftover, text_of
from exportstream.reading.lines.session import LogSession
from exportstream.totals.seen import short_key

_MAX_THREADS = 64  # agents whose responses are open
_REMEMBERED = 4096  # records, at least
_SIDE = object()  # a sub-agent of older versions, which wrote no id of it
_TITLES = {"summary": "summary", "ai-title": "aiTitle", "custom-title": "customTitle"}  # the later ones are better
_SYSTEM_KEYS = frozenset({"type", "uuid", "timestamp", "content", "agentId"})
_KNOWN = {
    (followed, same): RECORD_KEYS.union(["parentUuid"] if followed else [], ["sessionId"] if same else [])
    for followed in (False, True)
    for same in (False, True)
}
_AROUND = ("sessionId", "cwd", "version", "gitBranch", "parentToolUseID")  # of a progress record


class TranscriptSession(LogSession):
    """The session of a transcript; see `LogSession`. Rows in the file of a sub-agent have no position.

    Args:
        known: keys of rows in inputs that were read before.
        seen: takes the keys of all rows.
        session_id: its id, if the file's name says it.
        agent: the sub-agent that the file is of, None for the main one.
        elsewhere: keys of rows in other files of the session; records in progress lines that have them are no rows.

    Attributes:
        is_named: whether the file's name says its id, so that records with other ids belong to it too.
        is_begun: whether its id, folder and first time are known.
        last_id, last_time: of the last record that has them.
    """

    def __init__(
        self,
        known: Container[str | bytes],
        seen: set[str | bytes],
        session_id: str | None = None,
        agent: str | None = None,
        elsewhere: Collection[str | None] = frozenset(),
    ) -> None:
        super().__init__(Session(id=session_id, producer=PRODUCER))
        self.is_named = session_id is not None or bool(elsewhere)
        self.is_begun = False
        self.last_id: str | None = None
        self.last_time: str | None = None
        self._agent = agent
        self._elsewhere = elsewhere
        self._known = known
        self._seen = seen
        self._in_part = False
        self._threads: dict[Any, Thread] = {}
        self._row_of: dict[str, str | None] = {}  # by the uuid of a record
        self._title_rank = -1

    def finish(self) -> Session:
        """Complete the session."""
        self.flush()
        if not self._in_part:
            self.session.updated_at = self.last_time
        return self.session

    def begin_part(self, agent: str | None) -> None:
        """Begin the file of a sub-agent. Its records say nothing of the session."""
        self.finish()
        self._agent = agent
        self._in_part = True

    def flush(self) -> None:
        """Complete all rows."""
        for thread in self._threads.values():
            thread.flush()
        self._threads = {}
        self.held = 0

    def begin(self, session_id: str | None, time: str | None, cwd: Any) -> None:
        """Take what a record says of the session: one of the first, or one with another id than the one before."""
        session = self.session
        if session_id is not None and session_id != session.id:
            if session.id is None:
                session.id = session_id
            elif session.parent_session_id is None:  # it begins with a copy of that one
                session.parent_session_id = session_id
        self.last_id = session_id
        session.created_at = session.created_at or time
        session.project = session.project or (cwd if isinstance(cwd, str) else None)
        self.is_begun = None not in (session.id, session.created_at, session.project)

    def see_title(self, kind: str, record: dict[str, Any]) -> None:
        """Take a title: the last one of the best kind counts."""
        rank = list(_TITLES).index(kind)
        title = record.get(_TITLES[kind])
        if isinstance(title, str) and rank >= self._title_rank and not self._in_part:
            self._title_rank, self.session.title = rank, title

    def see_record(self, uuid: str, parent: str | None) -> None:
        """Take a record that becomes no row: what follows it follows the row before it."""
        self._remember(uuid, self._row_of.get(parent) if parent is not None else None)

    def add(self, record: dict[str, Any], time: str | None, size: int) -> None:
        """Take a record with a message."""
        followed = self._row_before(record)
        entry = Entry(record, time, followed, self._left_out(record, followed))
        if "forkedFrom" in record:
            self._see_fork(record["forkedFrom"])
        thread = self.thread_of(record.get("agentId"), is_side=record.get("isSidechain") is True)
        row_id = thread.add(entry, size)
        self.held = thread.held
        if entry.uuid is not None:
            self._remember(entry.uuid, row_id)

    def _see_fork(self, fork: Any) -> None:
        if isinstance(fork, dict) and isinstance(fork.get("sessionId"), str):
            self.session.parent_session_id = fork["sessionId"]

    def add_embedded(self, record: dict[str, Any], around: dict[str, Any], agent: Any, size: int) -> None:
        """Take a message of a sub-agent that the progress record around it embeds, with the bytes of that."""
        thread = self.thread_of(agent, is_side=True)
        followed = thread.last_id or self._row_before(around)
        time = text_of(record, "timestamp", "$.data.message") or around.get("timestamp")
        kept = {key: around[key] for key in _AROUND if key in around}
        entry = Entry({**kept, **record}, time, followed, self._left_out(around, followed))
        thread.add(entry, size)
        self.held = thread.held

    def is_elsewhere(self, message_id: str | None, uuid: str | None) -> bool:
        """Whether another file of the session has a message."""
        return message_id in self._elsewhere or uuid in self._elsewhere

    def add_system(self, record: dict[str, Any], time: str | None, size: int) -> None:
        """Take a message of the program itself."""
        followed = self._row_before(record)
        extra = leftover(record, _SYSTEM_KEYS | (self._left_out(record, followed) - RECORD_KEYS))
        row = Message(
            id=text_of(record, "uuid", "$") or "",
            role="system",
            content=record["content"],
            created_at=time,
            updated_at=time,
            extra=extra or None,
            parent_id=followed,
        )
        self.thread_of(record.get("agentId"), is_side=record.get("isSidechain") is True).add_row(row, size)
        if row.id:
            self._remember(row.id, row.id)

    def _row_before(self, record: dict[str, Any]) -> str | None:
        """Return the id of the row that a record follows, None where that is not known (any more)."""
        parent = record.get("parentUuid")
        return self._row_of.get(parent) if isinstance(parent, str) else None

    def _left_out(self, record: dict[str, Any], followed: str | None) -> frozenset[str]:
        """Return the keys of a record that its row says in other words."""
        return _KNOWN[followed is not None, record.get("sessionId") == self.session.id]

    def thread_of(self, agent: Any, *, is_side: bool) -> Thread:
        """Return the thread of an agent, for the line being read. One that waited while many others began is complete."""
        agent = agent if isinstance(agent, str) else self._agent
        key = agent if agent is not None else _SIDE if is_side else None
        thread = self._threads.get(key)
        if thread is None:
            if len(self._threads) >= _MAX_THREADS:
                self._threads.pop(next(iter(self._threads))).flush()
            thread = self._threads[key] = Thread(agent, self._emit, self._join)
        thread.line = self.line
        return thread

    def _join(self, uuid: str) -> None:
        self._seen.add(short_key(uuid))

    def _remember(self, uuid: str, row_id: str | None) -> None:
        self._row_of[uuid] = row_id
        if len(self._row_of) > 2 * _REMEMBERED:
            for key in list(islice(self._row_of, _REMEMBERED)):
                del self._row_of[key]

    def _emit(self, row: Message, line: int | None) -> None:
        """Add a row, with what no record says of itself."""
        self.add_row(row, None if self._in_part else line)
        if row.id:
            key = short_key(row.id)
            if key in self._seen or key in self._known:
                row.usage_state = "repeated"
            self._seen.add(key)
        else:
            row.id = f"{row.session_id}:{row.index}"
