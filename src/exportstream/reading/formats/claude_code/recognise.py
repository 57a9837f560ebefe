"""Recognises a Claude Code transcript by its first bytes."""

from __future__ import annotations

from typing import Any

from exportstream.errors.patterns import late_pattern
from exportstream.reading.lines.records import as_object, first_line

PRODUCER = "claude-code"

_OWN_KEYS = frozenset({"parentUuid", "leafUuid", "isSidechain", "isSnapshotUpdate"})
_MARKS = tuple(f'"{key}"'.encode() for key in (*_OWN_KEYS, "sessionId"))
_LONG_LINE = late_pattern(
    rb'\{"(?:parentUuid|logicalParentUuid|isSidechain|leafUuid)":'
    rb'|\{"type":"(?:user|assistant|system|progress|summary|attachment|file-history-snapshot|queue-operation)",'
    rb'"(?:uuid|parentUuid|messageId|sessionId|operation|summary|snapshot)":'
)


def is_transcript(head: bytes) -> bool:
    """Whether an input of these first bytes is a transcript: its first line, or what is there of it, is a record of one."""
    line, is_whole = first_line(head)
    if not is_whole and _LONG_LINE.match(line):
        return True
    if not any(mark in line for mark in _MARKS):  # usual for sessions, and faster
        return False
    first = as_object(line)
    return first is not None and is_record(first)


def is_record(keys: dict[str, Any]) -> bool:
    """Whether an object with these keys is a record of a transcript."""
    if not {"messages", "messageIndex", "projectHash", "payload"}.isdisjoint(keys):
        return False
    if not _OWN_KEYS.isdisjoint(keys):
        return True
    return "sessionId" in keys and ("type" in keys or isinstance(keys.get("message"), dict))
