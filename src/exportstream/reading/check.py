"""Reads everything, writes nothing, and says what is odd about each session.

Takes: a source. Yields: a `SessionCheck` for each session. Raises: `InputError`, `ReadError`.
Holds: for the session being read 8 bytes and a set entry for each message (its id's hash), and the first few places of
each kind of finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct, field

from exportstream.models.dates import parse_instant
from exportstream.models.notes import Reject
from exportstream.models.structs import Message, Session
from exportstream.reading.export import Export
from exportstream.reading.json.stream import DEFAULT_MAX_MESSAGE_SIZE
from exportstream.reading.options import ReadOptions
from exportstream.totals.figures import Difference
from exportstream.totals.sums import Totals

SHOWN = 5
MAX_UNKNOWN_KEYS = 100

KINDS = {
    "invalid-message": "messages that are not valid",
    "null-date": "messages whose createdAt or updatedAt is null",
    "unparsed-date": "messages with a date-time that can't be parsed",
    "date-without-zone": "messages with a date-time that has no zone",
    "repeated-id": "messages whose id came before in the session",
    "replaced-surrogate": "messages with half of a surrogate pair (became U+FFFD)",
}

OF_SESSION = {
    "unparsed-date": "createdAt or updatedAt of the session itself that can't be parsed",
    "date-without-zone": "createdAt or updatedAt of the session itself that has no zone",
    "replaced-surrogate": "halves of surrogate pairs outside messages (became U+FFFD)",
}


class Finding(Struct, rename="camel"):
    """How often something was found in messages, and how often in the session itself.

    Attributes:
        count: how often in messages.
        messages: the numbers of the first messages it was found in.
        reason: why the first one was refused, for messages that are not valid.
        session: how often in the session's own fields, outside its messages (kinds: the keys of `OF_SESSION`).
    """

    count: int = 0
    messages: list[int] = field(default_factory=list)
    reason: str | None = None
    session: int = 0


class SessionCheck(Struct, rename="camel"):
    """What was found in one session.

    Attributes:
        session_id, title, messages: which session, and how many valid messages it has.
        findings: by kind (the keys of `KINDS`).
        differences: by figure, what is declared and what was counted, where the two differ.
        unknown_keys: ``message.KEY`` and so on, with how often; beyond 100 different ones ``…`` counts the rest.
    """

    session_id: str | None
    title: str | None
    messages: int
    findings: dict[str, Finding]
    differences: dict[str, Difference]
    unknown_keys: dict[str, int]

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.findings or self.differences or self.unknown_keys)

    def as_dict(self) -> dict[str, Any]:
        """Return the same as plain values under the names of the JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self, builtin_types=(Decimal,))
        return plain


class _Notebook:
    """Collects the findings of one session."""

    def __init__(self) -> None:
        self.findings: dict[str, Finding] = {}
        self.unknown: dict[str, int] = {}
        self.ids: set[int] = set()

    def note(self, kind: str, index: int | None, reason: str | None = None, *, count: int = 1) -> None:
        """Count a finding in a message; without `index` in the session itself."""
        found = self.findings.setdefault(kind, Finding(reason=reason))
        if index is None:
            found.session += count
            return
        found.count += count
        if len(found.messages) < SHOWN and index not in found.messages:
            found.messages.append(index)

    def unknown_keys(self, where: str, keys: Iterable[str]) -> None:
        for key in keys:
            name = f"{where}.{key}"
            if name not in self.unknown and len(self.unknown) >= MAX_UNKNOWN_KEYS:
                name = "…"
            self.unknown[name] = self.unknown.get(name, 0) + 1

    def message(self, message: Message) -> None:
        dates = (message.created_at, message.updated_at)
        if None in dates:
            self.note("null-date", message.index)
        self.dates(dates, message.index)
        key = hash(message.id)
        if key in self.ids:
            self.note("repeated-id", message.index)
        self.ids.add(key)
        if message.extra:
            self.unknown_keys("message", message.extra)
        for call in message.tool_calls or ():
            if call.extra:
                self.unknown_keys("toolCall", call.extra)

    def dates(self, dates: tuple[str | None, str | None], index: int | None) -> None:
        instants = [parse_instant(text) for text in dates if text is not None]
        if None in instants:
            self.note("unparsed-date", index)
        if any(instant is not None and instant.tzinfo is None for instant in instants):
            self.note("date-without-zone", index)

    def finish(self, session: Session, counted: Totals) -> SessionCheck:
        self.dates((session.created_at, session.updated_at), None)
        if session.extra:
            self.unknown_keys("session", session.extra)
        of_session = Totals()
        of_session.merge(counted)
        of_session.add(session)
        return SessionCheck(
            session.id, session.title, counted.counted.messages, self.findings, of_session.differences(), self.unknown
        )


def check(
    source: Any,
    *,
    keep_partial: bool = False,
    max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
    max_window: int | None = None,
) -> Iterator[SessionCheck]:
    """Read an export and yield what is odd about each of its sessions.

    Memory grows with the number of messages of the largest session, for their repeated ids.

    Args:
        source: as of `open_export`.
        keep_partial: see `open_export`.
        max_message_size: see `open_export`.
        max_window: see `open_export`.

    Raises:
        InputError, ReadError: as `open_export`.
    """
    notebook = _Notebook()  # of the session being read

    def reject(rejected: Reject) -> None:
        where = f" at {rejected.path}" if rejected.path else ""
        notebook.note("invalid-message", rejected.index, rejected.reason + where)

    options = ReadOptions(
        on_error="skip", keep_partial=keep_partial, max_message_size=max_message_size, max_window=max_window
    )
    with Export(source, options, rejects=reject) as export:
        export.watch_replaced(lambda index, count: notebook.note("replaced-surrogate", index, count=count))
        for part in export.batches():
            if isinstance(part, list):
                for message in part:
                    notebook.message(message)
            else:
                yield notebook.finish(*part)
                notebook = _Notebook()
