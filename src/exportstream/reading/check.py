"""Checks an export: reads everything, writes nothing, and lists the oddities of each session.

Takes: a source. Yields: a `SessionCheck` for each session. Raises: `InputError`, `ReadError`.
Holds: the message ids of the session being read, and the first few message numbers of each kind of finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from exportstream.errors import LimitError
from exportstream.models.notes import Reject
from exportstream.models.structs import Session
from exportstream.reading.export import Export
from exportstream.reading.findings import MAX_UNKNOWN_KEYS, Findings, SessionCheck
from exportstream.reading.options import ReadOptions
from exportstream.totals.batch import Batch
from exportstream.totals.prices import Prices

if TYPE_CHECKING:
    from exportstream.reading.runs_ahead import RunsAhead


class _OpenSessions:
    """The findings of the sessions that have begun and were not yielded yet, and those outside of sessions."""

    def __init__(self) -> None:
        self.outside = Findings()
        self._found: dict[int, tuple[Session, Findings]] = {}

    def of(self, session: Session | None) -> Findings:
        """Return the findings of a session, None for those outside."""
        if session is None:
            return self.outside
        if id(session) not in self._found:
            # The one before it was lost to damage if it has no id: it does not end.
            self._found = {number: open_ for number, open_ in self._found.items() if open_[0].id is not None}
            self._found[id(session)] = session, Findings()
        return self._found[id(session)][1]

    def take(self, session: Session) -> Findings:
        """Return the findings of a session that has ended."""
        return self._found.pop(id(session))[1]


def check_export(source: Any, options: ReadOptions, helpers: RunsAhead | None = None) -> Iterator[SessionCheck]:
    """Read an export and yield the oddities of each of its sessions; helpers do `CheckFields` and `CheckSessions`."""
    found = _OpenSessions()
    damaged = 0

    def reject(rejected: Reject) -> None:
        nonlocal damaged
        path = f" at {rejected.path}" if rejected.path else ""
        if not rejected.damaged:
            found.of(export.session).add("invalid-message", rejected.index, rejected.reason + path)
        elif export.notes.damaged > damaged:  # the first piece of a stretch
            damaged = export.notes.damaged
            outside = rejected.session_id is None
            index = None if outside else rejected.index
            found.of(None if outside else export.session).add("damage", index, rejected.reason)

    def replaced(index: int | None, count: int) -> None:
        found.of(export.session).add("replaced-surrogate", index, count=count)

    with Export(source, options, rejects=reject, session_totals=True, helpers=helpers) as export:
        export.watch_replaced(replaced)
        for batch in export.batches():
            if (worked := batch.worked) is not None:
                if worked.sessions:
                    yield from worked.made
                else:
                    found.of(export.session).merge(worked.made, worked.first, worked.ids)
            for messages, end in batch.by_session():
                session = end.session if end is not None else export.session
                found.of(session).add_messages(messages)
                del messages
                if end is not None and end.counted is not None:
                    one = found.take(end.session).finish(end, end.counted)
                    if end.records is None:  # of a log, which has few sessions
                        one.records, export.notes.records = export.notes.records, {}
                    yield one
            del batch  # its memory is taken by the next one
        if found.outside.findings:
            yield SessionCheck(None, None, 0, found.outside.findings, {}, {})


class CheckFields:
    """The findings in the fields of a run of messages; see `run.Work`. Ids that come again are looked for elsewhere."""

    by_session = True
    skips_replaced = False

    def __init__(self) -> None:
        self._found = Findings()

    def add(self, batch: Batch, _prices: Prices | None) -> None:
        """Add messages of one session."""
        self._found.add_fields(batch.messages)

    def finish(self) -> Findings:
        """Return what was found.

        Raises:
            LimitError: there are so many unknown keys that only the whole session tells which are counted by name.
        """
        if len(self._found.unknown) >= MAX_UNKNOWN_KEYS:
            raise LimitError("there are more unknown keys than are counted by name")
        return self._found


class CheckSessions:
    """The findings of a run of whole sessions; see `run.Work`."""

    by_session = True
    skips_replaced = False

    def __init__(self) -> None:
        self._open = Findings()
        self._checks: list[SessionCheck] = []

    def add(self, batch: Batch, _prices: Prices | None) -> None:
        """Add messages, and the sessions that end among them."""
        for messages, end in batch.by_session():
            self._open.add_messages(messages)
            if end is not None and end.counted is not None:
                self._checks.append(self._open.finish(end, end.counted))
                self._open = Findings()

    def finish(self) -> list[SessionCheck]:
        """Return the findings of each session."""
        return self._checks
