"""The parts of usual messages of opencode as structs: the same as `opencode_parts` makes of values, in less time.

Takes: structs that were decoded. Returns: fields of a row. Raises: nothing. Holds: nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import reduce
from gc import is_tracked
from operator import or_
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from exportstream.models.structs import ToolCall
from exportstream.reading.formats.chats.opencode_figures import ENDED
from exportstream.reading.formats.chats.opencode_parts import (
    KEPT_PARTS,
    MORE_OF_CALL,
    MORE_OF_STATE,
    MORE_OF_TEXT,
    Parts,
    describe_file,
    describe_files,
)
from exportstream.reading.formats.chats.values import PLAIN
from exportstream.reading.formats.content import as_text

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
    for kind, keys in KEPT_PARTS.items()
}
UsualPart: Any = reduce(or_, [_Text, _Thought, _File, _Call, *_KEPT, None])


def read_parts(parts: Iterable[Any], row_id: str, deep: list[Any]) -> Parts:
    """Read the parts of a message.

    Args:
        parts: structs.
        row_id: of the message.
        deep: gets values that may have many levels, within as many lists as they are below a value of the row.
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
            files.append(describe_file(given))
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
    return {"type": kind} | _held(MORE_OF_TEXT, given)


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
        extra = _held(MORE_OF_CALL, (part.id, part.metadata))
        if is_tracked(part.metadata):
            deep.append([part.metadata])
    raw, files = state.raw, state.attachments
    if title and time and metadata and raw is files is output is error is unfinished is None:  # nearly always
        of_state = {"title": title, "metadata": metadata, "time": time}
    else:
        more = (title, metadata, time, raw, describe_files(files), output, error, unfinished)
        of_state = _held(MORE_OF_STATE, more)
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
