"""opencode: a session, whose messages have parts, tokens and costs.

Takes: a session as a JSON value. Returns: a `Conversation`. Raises: `InvalidMessageError` for a known key of another type.
Holds: nothing.
"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

from exportstream.errors import InvalidMessageError
from exportstream.models.structs import Message, Session
from exportstream.reading.formats.chats import ChatFormat, Conversation
from exportstream.reading.formats.chats.opencode_parts import read_values
from exportstream.reading.formats.chats.opencode_usual import FIGURES, USUAL, USUAL_KEYS, read_figures, read_usual, sums_of
from exportstream.reading.formats.chats.recognise import OPENCODE, is_opencode_session
from exportstream.reading.formats.chats.shapes import rows_of
from exportstream.reading.formats.chats.values import (
    expected,
    kept,
    list_of,
    object_of,
    required_text,
    text_of,
    time_of_millis,
    usual_first,
)
from exportstream.reading.formats.message import to_integer
from exportstream.reading.json.decoder import decode_any

_SESSION_KEYS = frozenset({"id", "title", "directory", "parentID", "time"})
_MESSAGE_KEYS = frozenset({"id", "role", "modelID", "cost", "tokens", "finish", "time", "parentID", "sessionID"})
_SESSION_TIMES, _MESSAGE_TIMES = frozenset({"created", "updated"}), frozenset({"created", "completed"})
_TOKEN_KEYS = frozenset({"input", "output", "reasoning", "cache"})
_CACHE_KEYS = frozenset({"read", "write"})


def decode(data: bytes | memoryview, *, figures_only: bool) -> Any:
    """Decode a session; return its JSON value if it is not usual."""
    found = (FIGURES if figures_only else USUAL).open(data)
    if found is not None:
        read = read_figures if figures_only else read_usual
        with suppress(InvalidMessageError):
            return Conversation(_session(found.keys), found.rows(read, _read_message), {}, found.deep)
    return decode_any(data)


def read_session(value: dict[str, Any]) -> Conversation:
    """Read one session."""
    return Conversation(_session(value), rows_of(list_of(value.get("messages"), "$.messages"), _read_message), {})


def _session(value: dict[str, Any]) -> Session:
    info = object_of(value.get("info"), "$.info")
    times = object_of(info.get("time"), "$.info.time")
    extra = kept(info, _SESSION_KEYS) | kept(value, ("info", "messages"))
    if more := kept(times, _SESSION_TIMES):
        extra["time"] = more
    cost = extra.pop("cost") if type(extra.get("cost")) in (int, Decimal) else None  # of newer versions
    return Session(
        id=required_text(info.get("id"), "$.info.id"),
        title=text_of(info.get("title"), "$.info.title"),
        created_at=time_of_millis(times.get("created"), "$.info.time.created"),
        updated_at=time_of_millis(times.get("updated"), "$.info.time.updated"),
        parent_session_id=text_of(info.get("parentID"), "$.info.parentID"),
        project=text_of(info.get("directory"), "$.info.directory"),
        cost=None if cost is None else Decimal(cost),
        extra=extra or None,
    )


def _read_message(message: Any) -> Message:
    if type(message) is not dict:
        raise expected("object", message, "$")
    info = object_of(message.get("info"), "$.info")
    times = object_of(info.get("time"), "$.info.time")
    row = Message(
        id=required_text(info.get("id"), "$.info.id"),
        role=required_text(info.get("role"), "$.info.role"),
        content="",
        model=text_of(info.get("modelID"), "$.info.modelID"),
        finish_reason=text_of(info.get("finish"), "$.info.finish"),
        created_at=time_of_millis(times.get("created"), "$.info.time.created"),
        updated_at=time_of_millis(times.get("completed"), "$.info.time.completed"),
        parent_id=text_of(info.get("parentID"), "$.info.parentID"),
    )
    extra = usual_first(kept(info, _MESSAGE_KEYS), USUAL_KEYS)
    if more := kept(times, _MESSAGE_TIMES):
        extra["time"] = more
    _add_usage(row, info, extra)
    texts, thoughts, calls, files, rest = read_values(list_of(message.get("parts"), "$.parts"), row.id)
    row.content = "\n\n".join(texts)
    row.reasoning, row.thinking_blocks = "\n\n".join(thoughts) or None, thoughts or None
    row.tool_calls, row.attachments = calls or None, files or None
    if rest:
        extra["parts"] = rest
    row.extra = extra | kept(message, ("info", "parts")) or None
    return row


def _add_usage(row: Message, info: dict[str, Any], extra: dict[str, Any]) -> None:
    """Add tokens and cost."""
    cost = info.get("cost")
    if cost is not None:
        if type(cost) not in (int, Decimal):
            raise expected("number", cost, "$.info.cost")
        row.cost = Decimal(cost)
    if info.get("tokens") is None:
        return
    tokens = object_of(info["tokens"], "$.info.tokens")
    cache = object_of(tokens.get("cache"), "$.info.tokens.cache")
    more = kept(tokens, _TOKEN_KEYS)
    if more_of_cache := kept(cache, _CACHE_KEYS):
        more["cache"] = more_of_cache
    if more:
        extra["tokens"] = more
    row.input_tokens = given = _count(tokens, "input")
    row.reasoning_tokens = reasoning = _count(tokens, "reasoning")
    row.cache_read_tokens = read = _count(cache, "read")
    row.cache_creation_tokens = written = _count(cache, "write")
    sums = sums_of(given, _count(tokens, "output"), reasoning, read, written, tokens.get("total"))
    row.total_input_tokens, row.output_tokens = sums
    row.usage_state = "final" if row.updated_at is not None else "partial"


def _count(tokens: dict[str, Any], key: str) -> int | None:
    value = tokens.get(key)
    if value.__class__ is int and 0 <= value < 2**63:  # nearly always
        return value
    try:
        return None if value is None else to_integer(value)
    except ValueError as error:
        raise InvalidMessageError(str(error), path=f"$.info.tokens.{key}") from None


FORMAT = ChatFormat(
    OPENCODE,
    frozenset({"info", "messages"}),
    is_opencode_session,
    decode,
    read_session,
    begins_with_lines=True,
    states_usage=True,
    cut_hint="opencode cuts what it writes to a pipe at 64 KiB: let it write to a file",
)
