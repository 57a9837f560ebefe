"""What is odd about a session: the kinds of findings, and how they are collected from its messages.

Takes: messages, and the session when it has ended. Returns: a `SessionCheck`. Raises: nothing.
Holds: the ids of the session's messages, and the first few message numbers of each kind of finding.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct, field

from exportstream.models.dates import all_have_zones, parse_instant
from exportstream.models.notes import Records
from exportstream.models.structs import Message, Session
from exportstream.totals.batch import SessionEnd
from exportstream.totals.copies import counted
from exportstream.totals.figures import Difference
from exportstream.totals.seen import Seen
from exportstream.totals.sums import Totals

SHOWN = 5
MAX_UNKNOWN_KEYS = 100

KINDS = {
    "invalid-message": "invalid messages",
    "damage": "damaged stretches: not JSON, or cut off",
    "null-date": "messages whose createdAt or updatedAt is null",
    "unparsed-date": "messages with a date-time that can't be parsed",
    "date-without-zone": "messages with a date-time that has no zone",
    "repeated-id": "messages whose id came before in the session",
    "replaced-surrogate": "messages with half of a surrogate pair (became U+FFFD)",
}

OF_SESSION = {
    "damage": "damaged stretches outside sessions, or in a session whose id is lost",
    "unparsed-date": "createdAt or updatedAt of the session itself that can't be parsed",
    "date-without-zone": "createdAt or updatedAt of the session itself that has no zone",
    "replaced-surrogate": "halves of surrogate pairs outside messages (became U+FFFD)",
}


class Finding(Struct, rename="camel"):
    """One kind of finding in one session.

    Attributes:
        count: how often it was found in messages.
        messages: the numbers of the first messages it was found in.
        reason: why the first one was refused, for invalid messages.
        session: how often it was found outside messages, in the session's own fields (kinds: the keys of `OF_SESSION`).
    """

    count: int = 0
    messages: list[int] = field(default_factory=list)
    reason: str | None = None
    session: int = 0


class SessionCheck(Struct, rename="camel"):
    """The findings of one session.

    Attributes:
        session_id, title: the session's own. No id: the damage that is in no session, after all others.
        messages: how many valid messages it has.
        findings: by kind, in the order of `KINDS`.
        differences: the figures whose declared and counted sums differ.
        records: records of a log that become no row, by kind, with their bytes.
        unknown_keys: how often each came, as ``message.KEY`` and so on; beyond 100 different ones ``…`` counts the rest.
    """

    session_id: str | None
    title: str | None
    messages: int
    findings: dict[str, Finding]
    differences: dict[str, Difference]
    unknown_keys: dict[str, int]
    records: dict[str, Records] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nothing was found; a difference by rounding is no finding."""
        differs = any(difference.kind == "differs" for difference in self.differences.values())
        return not (self.findings or differs or self.unknown_keys)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain values under the names of the JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self, builtin_types=(Decimal,))
        return plain


class Findings:
    """Collects the findings of one session, or of a part of it."""

    def __init__(self) -> None:
        self.findings: dict[str, Finding] = {}
        self.unknown: dict[str, int] = {}
        self.ids = Seen()

    def add(self, kind: str, index: int | None, reason: str | None = None, *, count: int = 1) -> None:
        """Count a finding in a message; with None for `index`, in the session itself."""
        found = self.findings.setdefault(kind, Finding(reason=reason))
        if index is None:
            found.session += count
            return
        found.count += count
        if len(found.messages) < SHOWN and index not in found.messages:
            found.messages.append(index)

    def add_unknown(self, owner: str, keys: Iterable[str]) -> None:
        """Count unknown keys of a session, message or tool call."""
        for key in keys:
            name = f"{owner}.{key}"
            if name not in self.unknown and len(self.unknown) >= MAX_UNKNOWN_KEYS:
                name = "…"
            self.unknown[name] = self.unknown.get(name, 0) + 1

    def add_messages(self, messages: list[Message]) -> None:
        """Add messages that come next."""
        originals = counted(messages)  # a known copy is no finding
        for at in self.ids.find_repeats([message.id for message in originals]):
            self.add("repeated-id", originals[at].index)
        self.add_fields(messages)

    def add_fields(self, messages: list[Message]) -> None:
        """Add them, but look for no ids that came before."""
        if not all_have_zones([message.created_at for message in messages] + [message.updated_at for message in messages]):
            for message in messages:
                dates = (message.created_at, message.updated_at)
                if None in dates and message.producer is None:  # other producers leave out what they don't know
                    self.add("null-date", message.index)
                self._add_dates(dates, message.index)
        extras = [message.extra for message in messages]
        extras += [call.extra for message in messages if message.tool_calls for call in message.tool_calls]
        for message in messages if any(extras) else ():
            if message.producer is not None:  # what a log has no column for is in `extra`
                continue
            if message.extra:
                self.add_unknown("message", message.extra)
            for call in message.tool_calls or ():
                if call.extra:
                    self.add_unknown("toolCall", call.extra)

    def merge(self, other: Findings, first: int, ids: list[str | bytes]) -> None:
        """Add what was found in the fields of messages that come next, which were numbered from 0 instead of `first`."""
        for at in self.ids.find_short(ids):
            self.add("repeated-id", first + at)
        for kind, more in other.findings.items():
            found = self.findings.setdefault(kind, Finding())
            found.count += more.count
            found.messages += [first + index for index in more.messages][: SHOWN - len(found.messages)]
        for name, count in other.unknown.items():
            shown = name if name in self.unknown or len(self.unknown) < MAX_UNKNOWN_KEYS else "…"
            self.unknown[shown] = self.unknown.get(shown, 0) + count

    def _add_dates(self, dates: tuple[str | None, str | None], index: int | None) -> None:
        instants = [parse_instant(text) for text in dates if text is not None]
        if None in instants:
            self.add("unparsed-date", index)
        if any(instant is not None and instant.tzinfo is None for instant in instants):
            self.add("date-without-zone", index)

    def finish(self, end: SessionEnd, totals: Totals) -> SessionCheck:
        """Return the findings of a session that has ended, with the totals of its messages, to which it is added."""
        session = end.session
        self._add_dates((session.created_at, session.updated_at), None)
        if session.producer is None:
            self.add_unknown("session", _unknown_of(session))
        totals.add(session)
        findings = {kind: self.findings[kind] for kind in KINDS if kind in self.findings}
        return SessionCheck(
            session.id,
            session.title,
            totals.counted.messages,
            findings,
            totals.differences(),
            self.unknown,
            end.records or {},
        )


def _unknown_of(session: Session) -> list[str]:
    """Return the unknown keys of a session. What surrounds an SDK response's `result` is known: reading adds it last."""
    keys = list(session.extra or ())
    if keys and keys[-1].rstrip("_") == "response" and isinstance((session.extra or {})[keys[-1]], dict):
        keys.pop()
    return keys
