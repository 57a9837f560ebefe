"""The parts of a message of opencode: texts, reasoning, calls and files.

Takes: JSON values. Returns: fields of a row, and what has no column. Raises: nothing; a part that is not known is kept.
Holds: nothing.
"""

from __future__ import annotations

import re
from typing import Any

from exportstream.models.structs import Message, ToolCall
from exportstream.reading.formats.chats.opencode_figures import ENDED
from exportstream.reading.formats.chats.values import kept
from exportstream.reading.formats.content import as_text, size_of_base64

_CALL_KEYS = frozenset({"type", "tool", "callID", "state", "messageID", "sessionID"})
_TEXT_KEYS = frozenset({"type", "text", "id", "messageID", "sessionID"})
_STATE_KEYS = frozenset({"status", "input", "output", "error"})
_FILE_KEYS = frozenset({"type", "mime", "filename", "url", "id", "messageID", "sessionID"})
_DATA_URL = re.compile(r"data:[^,]{0,300};base64,")


def add_parts(row: Message, parts: list[Any], extra: dict[str, Any]) -> None:
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
