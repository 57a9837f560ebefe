"""Recognises a Claude Code transcript by its first bytes."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from exportstream.reading.json.decoder import REFUSALS

_OWN_KEYS = frozenset({"parentUuid", "leafUuid", "isSidechain", "isSnapshotUpdate"})
_LONG_LINE = re.compile(
    rb'\{"(?:parentUuid|logicalParentUuid|isSidechain|leafUuid)":'
    rb'|\{"type":"(?:user|assistant|system|progress|summary|attachment|file-history-snapshot|queue-operation)",'
    rb'"(?:uuid|parentUuid|messageId|sessionId|operation|summary|snapshot)":'
)


def is_transcript(head: bytes) -> bool:
    """Whether an input of these first bytes is a transcript: its first line, or what is there of it, is a record of one."""
    head = head.lstrip(b" \t\r\n\0")
    line, ended, _ = head.partition(b"\n")
    if not ended and _LONG_LINE.match(line):
        return True
    if not line.startswith(b"{"):
        return False
    try:
        first = msgspec.json.decode(line)
    except REFUSALS:
        return False
    return isinstance(first, dict) and is_record(first)


def is_record(keys: dict[str, Any]) -> bool:
    """Whether an object with these keys is a record of a transcript."""
    if not {"messages", "messageIndex", "projectHash", "payload"}.isdisjoint(keys):
        return False
    if not _OWN_KEYS.isdisjoint(keys):
        return True
    return "sessionId" in keys and ("type" in keys or isinstance(keys.get("message"), dict))
