"""The parts of a message of opencode: texts, reasoning, calls and files.

Takes: JSON values, or the structs of usual parts, which take less time. Returns: fields of a row, and what has no column.
Raises: nothing; a part that is not known is kept. Holds: nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from functools import reduce
from gc import is_tracked
from operator import or_
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from exportstream.models.structs import ToolCall
from exportstream.reading.formats.chats.values import PLAIN, kept, usual_first
from exportstream.reading.formats.content import as_text, size_of_base64

ENDED = ("completed", "error")  # states of calls
_CALL_KEYS = frozenset({"type", "tool", "callID", "state", "messageID", "sessionID"})
_TEXT_KEYS = frozenset({"type", "text", "id", "messageID", "sessionID"})
_FAILED_KEYS, _COMPLETED_KEYS = ("status", "input", "error"), ("status", "input", "output")  # of states, with a column
_UNFINISHED_KEYS = ("input", "output")
_FILE_KEYS = frozenset({"type", "mime", "filename", "url", "id", "messageID", "sessionID"})
_MORE_OF_TEXT = ("time", "synthetic", "ignored", "metadata")  # the usual keys without a column, in their order
_MORE_OF_CALL = ("id", "metadata")
_MORE_OF_STATE = ("title", "metadata", "time", "raw", "attachments", "output", "error", "status")
_KEPT_PARTS = {  # parts that are kept as they are: the keys that come after the type, in their order
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
            more = usual_first(kept(part, _TEXT_KEYS), _MORE_OF_TEXT)
            rest += [{"type": kind} | more] if more else []
        elif kind == "tool" and type(part.get("tool")) is str:
            calls.append(_call_of_value(part, f"{row_id}:{len(calls)}"))
        elif kind == "file" and type(part.get("url")) is str:
            files.append(_describe_file(part))
        elif part is not None:
            keys = _KEPT_PARTS.get(kind) if type(kind) is str else None
            rest.append(part if keys is None else usual_first(part, _IDS_AND_TYPE + keys))
    return texts, thoughts, calls, files, rest


def _call_of_value(part: dict[str, Any], otherwise: str) -> ToolCall:
    found = part.get("state")
    state: dict[str, Any] = found if type(found) is dict else {}
    status, given, call_id = state.get("status"), state.get("input"), part.get("callID")
    result = state.get("error") if status == "error" else state.get("output")
    known = _FAILED_KEYS if status == "error" else _COMPLETED_KEYS if status in ENDED else _UNFINISHED_KEYS
    more = usual_first(kept(part, _CALL_KEYS), _MORE_OF_CALL)
    if "attachments" in state:
        state = state | {"attachments": _describe_files(state["attachments"])}
    if of_state := usual_first(kept(state, known), _MORE_OF_STATE):
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


def _describe_file(part: dict[str, Any]) -> dict[str, Any]:
    """Describe a file: data is left out, and its size is told instead."""
    url = part["url"]
    found = _DATA_URL.match(url)
    place = {"url": url} if found is None else {"size": size_of_base64(url, found.end())}
    described = {"name": part.get("filename"), "type": part.get("mime") or "file"} | place
    return {key: item for key, item in described.items() if item is not None} | kept(part, _FILE_KEYS)


def _describe_files(files: Any) -> Any:
    """Describe the files that a call returned; anything that is none stays as it is."""
    if type(files) is not list:
        return files
    return [_describe_file(file) if type(file) is dict and type(file.get("url")) is str else file for file in files]


_CONFIG: dict[str, Any] = {"gc": False, "forbid_unknown_fields": True, "tag_field": "type"}
_NAMES = {"session_id": "sessionID", "message_id": "messageID", "call_id": "callID"}


class _Part(Struct, kw_only=True, gc=False, forbid_unknown_fields=True, tag_field="type", rename=_NAMES):
    id: Any = None
    session_id: Any = None
    message_id: Any = None


class _Text(_Part, kw_only=True, tag="text"):
    text: str
    time: Any = None
    synthetic: Any = None
    ignored: Any = None
    metadata: Any = None


class _Thought(_Text, kw_only=True, tag="reasoning"):
    """The same fields."""


class _File(_Part, kw_only=True, tag="file"):
    mime: Any = None
    filename: Any = None
    url: str
    source: Any = None


class _State(Struct, gc=False, forbid_unknown_fields=True):
    status: str | None = None
    input: Any = None
    output: Any = None
    error: Any = None
    title: Any = None
    metadata: Any = None
    time: Any = None
    raw: Any = None
    attachments: Any = None


class _Call(_Part, kw_only=True, tag="tool"):
    call_id: Any = None
    tool: str
    state: _State | None = None
    metadata: Any = None


_NO_STATE = _State()
_IDS = [("id", str), ("sessionID", str), ("messageID", str)]
_KEPT: dict[Any, tuple[str, tuple[str, ...]]] = {
    msgspec.defstruct("Kept", [*_IDS, *((key, Any, UNSET) for key in keys)], tag=kind, **_CONFIG): (kind, keys)
    for kind, keys in _KEPT_PARTS.items()
}
UsualPart: Any = reduce(or_, [_Text, _Thought, _File, _Call, *_KEPT, None])


def read_structs(parts: Iterable[Any], row_id: str, deep: list[Any]) -> Parts:
    """Read the parts of a usual message, which are structs.

    `deep` gets values that may have many levels, within as many lists as they are below a value of the row.
    """
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    files: list[Any] = []
    rest: list[Any] = []
    for part in parts:
        kind = part.__class__
        if kind is _Text or kind is _Thought:
            if part.text:
                (texts if kind is _Text else thoughts).append(part.text)
            if not (part.time is None is part.synthetic is part.ignored is part.metadata):
                _keep(_more_of(part), rest, deep)
        elif kind is _Call:
            calls.append(_call(part, row_id, len(calls), deep))
        elif kind is _File:
            given = {"mime": part.mime, "filename": part.filename, "url": part.url, "source": part.source}
            files.append(_describe_file(given))
            if is_tracked(part.source):
                deep.append([[part.source]])
        elif part is not None:
            _keep(_as_it_was(part), rest, deep)
    return texts, thoughts, calls, files, rest


def _keep(found: dict[str, Any], rest: list[Any], deep: list[Any]) -> None:
    """Keep what has no column, if there is more than a type, and note values with more than two levels."""
    if len(found) > 1:
        rest.append(found)
        if is_tracked(found):
            deep += [
                [[[item]]]
                for item in filter(is_tracked, found.values())
                if item.__class__ is not Decimal  # which Python tracks since 3.13
                and any(map(is_tracked, item.values() if item.__class__ is dict else item))
            ]


def _more_of(part: _Text) -> dict[str, Any]:
    kind = "text" if part.__class__ is _Text else "reasoning"
    if part.time and part.synthetic is part.ignored is part.metadata is None:  # nearly always
        return {"type": kind, "time": part.time}
    given = (part.time, part.synthetic, part.ignored, part.metadata)
    return {"type": kind} | _held(_MORE_OF_TEXT, given)


def _as_it_was(part: Any) -> dict[str, Any]:
    kind, keys = _KEPT[part.__class__]
    found = {"id": part.id, "sessionID": part.sessionID, "messageID": part.messageID, "type": kind}
    for key in keys:
        if (item := getattr(part, key)) is not UNSET:
            found[key] = item
    return found


def _held(keys: tuple[str, ...], given: tuple[Any, ...]) -> dict[str, Any]:
    """The keys that hold something."""
    return {key: item for key, item in zip(keys, given, strict=True) if item or item.__class__ in PLAIN}


def _call(part: _Call, row_id: str, number: int, deep: list[Any]) -> ToolCall:
    state, call_id, extra = part.state or _NO_STATE, part.call_id, {"id": part.id}
    status, given, title, time, metadata = state.status, state.input, state.title, state.time, state.metadata
    # The one of the two that is not the result, and the status of a call that has not ended, have no column.
    result, output, error = (state.error, state.output, None) if status == "error" else (state.output, None, state.error)
    unfinished = None if status in ENDED else status
    if not part.id or part.metadata is not None:
        extra = _held(_MORE_OF_CALL, (part.id, part.metadata))
        if is_tracked(part.metadata):
            deep.append([part.metadata])
    raw, files = state.raw, state.attachments
    if title and time and metadata and raw is files is output is error is unfinished is None:  # nearly always
        of_state = {"title": title, "metadata": metadata, "time": time}
    else:
        more = (title, metadata, time, raw, _describe_files(files), output, error, unfinished)
        of_state = _held(_MORE_OF_STATE, more)
    if of_state:
        extra["state"] = of_state
        if is_tracked(of_state):
            deep += [[[item]] for item in filter(is_tracked, of_state.values())]
    if is_tracked(given):
        deep.append(given)
    return ToolCall(
        id=call_id if call_id.__class__ is str and call_id else f"{row_id}:{number}",
        name=part.tool,
        type="function",
        finished=status in ENDED,
        is_error=True if status == "error" else None,
        input="" if given is None else as_text(given),
        input_json=None if given.__class__ is str else given,
        result=None if result is None else as_text(result),
        extra=extra or None,
    )
