"""The parts of a message of opencode: texts, reasoning, calls and files. `opencode_usual_parts` makes the same of structs.

Takes: JSON values. Returns: fields of a row, and what has no column. Raises: nothing; a part that is not known is kept.
Holds: nothing.
"""

from __future__ import annotations

import re
from typing import Any

from exportstream.models.structs import ToolCall
from exportstream.reading.formats.chats.opencode_figures import ENDED
from exportstream.reading.formats.chats.values import kept, usual_first
from exportstream.reading.formats.content import as_text, size_of_base64

_CALL_KEYS = frozenset({"type", "tool", "callID", "state", "messageID", "sessionID"})
_TEXT_KEYS = frozenset({"type", "text", "id", "messageID", "sessionID"})
_FAILED_KEYS, _COMPLETED_KEYS = ("status", "input", "error"), ("status", "input", "output")  # of states, with a column
_UNFINISHED_KEYS = ("input", "output")
_FILE_KEYS = frozenset({"type", "mime", "filename", "url", "id", "messageID", "sessionID"})
MORE_OF_TEXT = ("time", "synthetic", "ignored", "metadata")  # the usual keys without a column, in their order
MORE_OF_CALL = ("id", "metadata")
MORE_OF_STATE = ("title", "metadata", "time", "raw", "attachments", "output", "error", "status")
KEPT_PARTS = {  # parts that are kept as they are: the keys that come after the type, in their order
    "step-start": ("snapshot",),
    "step-finish": ("reason", "snapshot", "cost", "tokens"),
    "patch": ("hash", "files"),
    "snapshot": ("snapshot",),
    "agent": ("name", "source"),
    "retry": ("attempt", "error", "time"),
    "compaction": ("auto", "overflow"),
    "subtask": ("prompt", "description", "agent", "model", "command"),
}
_IDS_AND_TYPE = ("id", "sessionID", "messageID", "type")
_DATA_URL = re.compile(r"data:[^,]{0,300};base64,")


# Texts, thoughts, calls of tools, files, and what has no column.
Parts = tuple[list[str], list[str], list[ToolCall], list[Any], list[Any]]


def read_values(parts: list[Any], row_id: str) -> Parts:
    """Read the parts of a message; a part that is not known is kept."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    files: list[Any] = []
    rest: list[Any] = []
    for part in parts:
        kind = part.get("type") if type(part) is dict else None
        if kind in ("text", "reasoning") and type(part.get("text")) is str:
            if part["text"]:
                (texts if kind == "text" else thoughts).append(part["text"])
            more = usual_first(kept(part, _TEXT_KEYS), MORE_OF_TEXT)
            rest += [{"type": kind} | more] if more else []
        elif kind == "tool" and type(part.get("tool")) is str:
            calls.append(_call(part, f"{row_id}:{len(calls)}"))
        elif kind == "file" and type(part.get("url")) is str:
            files.append(describe_file(part))
        elif part is not None:
            keys = KEPT_PARTS.get(kind) if type(kind) is str else None
            rest.append(part if keys is None else usual_first(part, _IDS_AND_TYPE + keys))
    return texts, thoughts, calls, files, rest


def _call(part: dict[str, Any], otherwise: str) -> ToolCall:
    found = part.get("state")
    state: dict[str, Any] = found if type(found) is dict else {}
    status, given, call_id = state.get("status"), state.get("input"), part.get("callID")
    result = state.get("error") if status == "error" else state.get("output")
    known = _FAILED_KEYS if status == "error" else _COMPLETED_KEYS if status in ENDED else _UNFINISHED_KEYS
    more = usual_first(kept(part, _CALL_KEYS), MORE_OF_CALL)
    if "attachments" in state:
        state = state | {"attachments": describe_files(state["attachments"])}
    if of_state := usual_first(kept(state, known), MORE_OF_STATE):
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


def describe_file(part: dict[str, Any]) -> dict[str, Any]:
    """Describe a file: data is left out, and its size is told instead."""
    url = part["url"]
    found = _DATA_URL.match(url)
    place = {"url": url} if found is None else {"size": size_of_base64(url, found.end())}
    described = {"name": part.get("filename"), "type": part.get("mime") or "file"} | place
    return {key: item for key, item in described.items() if item is not None} | kept(part, _FILE_KEYS)


def describe_files(files: Any) -> Any:
    """Describe the files that a call returned; anything that is none stays as it is."""
    if type(files) is not list:
        return files
    return [describe_file(file) if type(file) is dict and type(file.get("url")) is str else file for file in files]
