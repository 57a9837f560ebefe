"""Usual messages of opencode as structs: the same rows in less time.

Takes: structs that were decoded. Returns: rows. A message that the structs refuse is read as a JSON value, by `opencode`.
Raises: nothing. Holds: nothing.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from exportstream.models.structs import Count, Message
from exportstream.reading.formats.chats.opencode_figures import MILLI, NAMES, begin_row
from exportstream.reading.formats.chats.opencode_parts import add_parts
from exportstream.reading.formats.chats.shapes import Shape
from exportstream.reading.formats.chats.values import PLAIN, time_of

USUAL_KEYS = ("providerID", "mode", "summary", "agent", "model", "path")  # those without a column
_NAMES = {"model_id": "modelID", "parent_id": "parentID", "provider_id": "providerID", "session_id": "sessionID"}


class _Times(Struct, gc=False, forbid_unknown_fields=True):
    created: int | str | None = None
    completed: int | str | None = None


class _Cache(Struct, gc=False, forbid_unknown_fields=True):
    read: Count | None = None
    write: Count | None = None


class _Tokens(Struct, gc=False, forbid_unknown_fields=True):
    input: Count | None = None
    output: Count | None = None
    reasoning: Count | None = None
    total: int | None = None
    cache: _Cache | None = None


class _Info(Struct, gc=False, forbid_unknown_fields=True, rename=_NAMES):
    id: str
    role: str
    session_id: str | None = None
    time: _Times | None = None
    parent_id: str | None = None
    model_id: str | None = None
    provider_id: str | None = None
    mode: str | None = None
    summary: Any = None
    agent: str | None = None
    model: Any = None
    path: Any = None
    cost: Any = None
    tokens: _Tokens | None = None
    finish: str | None = None


class UsualMessage(Struct, gc=False, forbid_unknown_fields=True):
    """A message with all its keys; its parts are values, as some of them are kept as they are."""

    info: _Info
    parts: list[Any] | None = None


USUAL = Shape("messages", NAMES, list[UsualMessage], list[Raw], UsualMessage, reads_all=True)


def read_usual(message: UsualMessage) -> Message | None:
    """Make the row of a message; None if it has to be read as a value."""
    info = message.info
    row = begin_row(info)
    if row is None:
        return None
    row.parent_id = info.parent_id
    if info.time is not None:
        row.updated_at = time_of(info.time.completed, "$.info.time.completed", MILLI)
    given = (info.provider_id, info.mode, info.summary, info.agent, info.model, info.path)
    extra = {key: item for key, item in zip(USUAL_KEYS, given, strict=True) if item or item.__class__ in PLAIN}
    if info.tokens is not None and info.tokens.total is not None:
        extra["tokens"] = {"total": info.tokens.total}
    add_parts(row, message.parts or [], extra)
    row.extra = extra or None
    return row
