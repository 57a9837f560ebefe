"""Recognises a Codex rollout by its first bytes."""

from __future__ import annotations

from typing import Any

from exportstream.errors.patterns import late_pattern
from exportstream.reading.lines.records import as_object, first_line

PRODUCER = "codex"
RECORD_TYPES = frozenset(
    ["session_meta", "turn_context", "response_item", "event_msg", "compacted", "token_usage_record", "world_state"]
)
_LONG_LINE = late_pattern(
    rb'\{"timestamp":"[^"\\]{1,40}",(?:"ordinal":\d{1,20},)?"type":"(?:session_meta|turn_context|response_item|event_msg'
    rb'|compacted|token_usage_record|world_state)","payload":\{'
)
_LONG_BARE_LINE = late_pattern(rb'\{"id":"[^"\\]{1,80}","timestamp":"[^"\\]{1,40}","instructions":')


def is_rollout(head: bytes) -> bool:
    """Whether an input of these first bytes is a rollout: its first line, or what is there of it, is one of its records."""
    line, is_whole = first_line(head)
    if not is_whole and (_LONG_LINE.match(line) or _LONG_BARE_LINE.match(line)):
        return True
    if b'"payload"' not in line and b'"timestamp"' not in line:  # usual for sessions, and faster
        return False
    first = as_object(line)
    if first is None:
        return False
    if "payload" in first:
        kind: Any = first.get("type")
        known = isinstance(kind, str) and (kind in RECORD_TYPES or "timestamp" in first)
        return known and isinstance(first["payload"], dict)
    return is_bare_meta(first)


def is_bare_meta(record: dict[str, Any]) -> bool:
    """Whether a record without a payload describes the session, as the first line of rollouts of mid-2025 does."""
    return (
        {"id", "timestamp"} <= record.keys() and bool({"instructions", "git"} & record.keys()) and "messages" not in record
    )
