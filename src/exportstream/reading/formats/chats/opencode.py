"""opencode: a session, whose messages have parts, tokens and costs.

Takes: a session as a JSON value. Returns: a `Conversation`. Raises: `InvalidMessageError` for a known key of another type.
Holds: nothing.
"""

from __future__ import annotations

import re
from contextlib import suppress
from decimal import Decimal
from typing import Any

from msgspec import Raw

from exportstream.errors import InvalidMessageError
from exportstream.models.structs import Message, Session, ToolCall
from exportstream.reading.formats.chats.chat_format import ChatFormat, Conversation
from exportstream.reading.formats.chats.opencode_figures import ENDED, FIGURES, MILLI, add_sums, read_figures
from exportstream.reading.formats.chats.recognise import OPENCODE, is_opencode_session
from exportstream.reading.formats.chats.shapes import Shape, rows_of
from exportstream.reading.formats.chats.values import expected, kept, list_of, object_of, required_text, text_of, time_of
from exportstream.reading.formats.content import as_text, size_of_base64
from exportstream.reading.formats.message import to_integer
from exportstream.reading.json.elements import decode_any

_SESSION_KEYS = frozenset({"id", "title", "directory", "parentID", "time"})
_MESSAGE_KEYS = frozenset({"id", "role", "modelID", "cost", "tokens", "finish", "time", "parentID", "sessionID"})
_TIME_KEYS = frozenset({"created", "updated", "completed"})
_TOKEN_KEYS = frozenset({"input", "output", "reasoning", "cache"})
_CALL_KEYS = frozenset({"type", "tool", "callID", "state", "messageID", "sessionID"})
_TEXT_KEYS = frozenset({"type", "text", "id", "messageID", "sessionID"})
_STATE_KEYS = frozenset({"status", "input", "output", "error"})
_FILE_KEYS = frozenset({"type", "mime", "filename", "url", "id", "messageID", "sessionID"})
_DATA_URL = re.compile(r"data:[^,]{0,300};base64,")


_VALUES = Shape("messages", list[Any], list[Raw], Any)  # of a large session, one is decoded at a time


def decode(data: bytes | memoryview, *, figures_only: bool) -> Any:
    """Decode a session; return its JSON value if it is not usual."""
    found = (FIGURES if figures_only else _VALUES).open(data)
    if found is not None:
        with suppress(InvalidMessageError):
            return Conversation(_session(found.keys), found.rows(read_figures, _read_message), {})
    return decode_any(data)


def read_session(value: dict[str, Any]) -> Conversation:
    """Read one session."""
    return Conversation(_session(value), rows_of(list_of(value.get("messages"), "$.messages"), _read_message), {})


def _session(value: dict[str, Any]) -> Session:
    info = object_of(value.get("info"), "$.info")
    times = object_of(info.get("time"), "$.info.time")
    extra = kept(info, _SESSION_KEYS) | kept(value, ("info", "messages"))
    if more := kept(times, _TIME_KEYS):
        extra["time"] = more
    cost = extra.pop("cost") if type(extra.get("cost")) in (int, Decimal) else None  # of newer versions
    return Session(
        id=required_text(info.get("id"), "$.info.id"),
        title=text_of(info.get("title"), "$.info.title"),
        created_at=time_of(times.get("created"), "$.info.time.created", MILLI),
        updated_at=time_of(times.get("updated"), "$.info.time.updated", MILLI),
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
        created_at=time_of(times.get("created"), "$.info.time.created", MILLI),
        updated_at=time_of(times.get("completed"), "$.info.time.completed", MILLI),
        parent_id=text_of(info.get("parentID"), "$.info.parentID"),
    )
    extra = kept(info, _MESSAGE_KEYS)
    if more := kept(times, _TIME_KEYS):
        extra["time"] = more
    _add_usage(row, info, extra)
    _add_parts(row, list_of(message.get("parts"), "$.parts"), extra)
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
    if more := kept(tokens, _TOKEN_KEYS):
        extra["tokens"] = more
    row.input_tokens = _count(tokens, "input")
    row.reasoning_tokens = _count(tokens, "reasoning")
    row.cache_read_tokens = _count(cache, "read")
    row.cache_creation_tokens = _count(cache, "write")
    add_sums(row, _count(tokens, "output"), tokens.get("total"))
    row.usage_state = "final" if row.updated_at is not None else "partial"


def _count(tokens: dict[str, Any], key: str) -> int | None:
    value = tokens.get(key)
    if value.__class__ is int and 0 <= value < 2**63:  # nearly always
        return value
    try:
        return None if value is None else to_integer(value)
    except ValueError as error:
        raise InvalidMessageError(str(error), path=f"$.info.tokens.{key}") from None


def _add_parts(row: Message, parts: list[Any], extra: dict[str, Any]) -> None:
    """Add texts, reasoning, calls and files; a part that is none of these is kept as it is."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    files: list[dict[str, Any]] = []
    rest: list[Any] = []
    for part in parts:
        kind = part.get("type") if type(part) is dict else None
        if kind in ("text", "reasoning") and type(part.get("text")) is str:
            (texts if kind == "text" else thoughts).append(part["text"])
            more = kept(part, _TEXT_KEYS)
            rest += [{"type": kind} | more] if more else []
        elif kind == "tool" and type(part.get("tool")) is str:
            calls.append(_call(part, f"{row.id}:{len(calls)}"))
        elif kind == "file" and type(part.get("url")) is str:
            files.append(_file(part))
        elif part is not None:
            rest.append(part)
    row.content = "\n\n".join(filter(None, texts))
    row.thinking_blocks = [text for text in thoughts if text] or None
    row.reasoning = "\n\n".join(row.thinking_blocks or ()) or None
    row.tool_calls, row.attachments = calls or None, files or None
    if rest:
        extra["parts"] = rest


def _call(part: dict[str, Any], otherwise: str) -> ToolCall:
    found = part.get("state")
    state: dict[str, Any] = found if type(found) is dict else {}
    status, given, call_id = state.get("status"), state.get("input"), part.get("callID")
    result = state.get("error") if status == "error" else state.get("output")
    more = kept(part, _CALL_KEYS)
    if type(files := state.get("attachments")) is list:
        described = [_file(file) if type(file) is dict and type(file.get("url")) is str else file for file in files]
        state = state | {"attachments": described}
    if of_state := kept(state, _STATE_KEYS):
        more["state"] = of_state
    return ToolCall(
        id=call_id if type(call_id) is str and call_id else otherwise,
        name=part["tool"],
        type="function",
        finished=status in ENDED,
        is_error=True if status == "error" else None,
        input="" if given is None else as_text(given),
        input_json=None if type(given) is str else given,
        result=None if result is None else as_text(result),
        extra=more or None,
    )


def _file(part: dict[str, Any]) -> dict[str, Any]:
    """Describe a file: data is left out, and its size is told instead."""
    url = part["url"]
    found = _DATA_URL.match(url)
    place = {"url": url} if found is None else {"size": size_of_base64(url, found.end())}
    described = {"name": part.get("filename"), "type": part.get("mime") or "file"} | place
    return {key: item for key, item in described.items() if item is not None} | kept(part, _FILE_KEYS)


FORMAT = ChatFormat(
    OPENCODE,
    frozenset({"info", "messages"}),
    is_opencode_session,
    read_session,
    begins_with_lines=True,
    states_usage=True,
    decode=decode,
    cut_hint="opencode cuts what it writes to a pipe at 64 KiB: let it write to a file",
)
