"""Usual messages of opencode as structs: the same rows in less time.

Takes: structs that were decoded. Returns: rows. A message that the structs refuse is read as a JSON value, by `opencode`.
Raises: nothing. Holds: nothing.
"""

from __future__ import annotations

from gc import is_tracked
from typing import Any

from msgspec import Raw, Struct

from exportstream.models.structs import Count, Message
from exportstream.reading.formats.chats.opencode_figures import NAMES, is_cost, make_row
from exportstream.reading.formats.chats.opencode_usual_parts import UsualPart, read_parts
from exportstream.reading.formats.chats.shapes import Shape
from exportstream.reading.formats.chats.values import PLAIN, time_of_millis

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
    """A message with all its keys."""

    info: _Info
    parts: list[UsualPart] | None = None


USUAL = Shape("messages", NAMES, list[UsualMessage], list[Raw], UsualMessage, reads_all=True)


def read_usual(message: UsualMessage, deep: list[Any]) -> Message | None:
    """Make the row of a message; None if it has to be read as a value.

    Args:
        message: the struct.
        deep: gets values of the row that may have many levels, within as many lists as they are below it.
    """
    info = message.info
    if not is_cost(info.cost):
        return None  # before values of it are noted
    texts, thoughts, calls, files, rest = read_parts(message.parts or (), info.id, deep)
    extra: dict[str, Any] = {}
    if info.provider_id is not None:
        extra["providerID"] = info.provider_id
    if info.mode is not None:
        extra["mode"] = info.mode
    if (summary := info.summary) or summary.__class__ in PLAIN:
        extra["summary"] = summary
    if info.agent is not None:
        extra["agent"] = info.agent
    if (model := info.model) or model.__class__ in PLAIN:
        extra["model"] = model
    if (path := info.path) or path.__class__ in PLAIN:
        extra["path"] = path
    if is_tracked(summary) or is_tracked(model) or is_tracked(path):
        deep.append([summary, model, path])
    if info.tokens is not None and info.tokens.total is not None:
        extra["tokens"] = {"total": info.tokens.total}
    if rest:
        extra["parts"] = rest
    row = make_row(
        info,
        texts[0] if len(texts) == 1 else "\n\n".join(texts),
        calls or None,
        updated_at=None if info.time is None else time_of_millis(info.time.completed, "$.info.time.completed"),
        parent_id=info.parent_id,
        extra=extra or None,
    )
    if thoughts:
        row.reasoning, row.thinking_blocks = "\n\n".join(thoughts), thoughts
    if files:
        row.attachments = files
    return row
