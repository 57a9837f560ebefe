"""Parts of contents: calls of tools, their results, and attachments, without base64 data.

Takes: JSON values. Returns: a `ToolCall`, a `Result`, a description of what is attached, and values in which the size of
base64 data stands in its place. Raises: `InvalidMessageError` for a known field of another type. Holds: nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from exportstream.errors import InvalidMessageError, json_kind
from exportstream.models.structs import ToolCall
from exportstream.reading.formats.content import Content, as_text, leftover, read_content, size_of_base64, text_of

_BLOCK = "$.message.content"
_ATTACHED = frozenset({"image", "document", "file"})
_CALL_KEYS = frozenset({"type", "id", "name", "input"})
_RESULT_KEYS = frozenset({"type", "tool_use_id", "content", "is_error"})


class Result(NamedTuple):
    """The result of a tool.

    Attributes:
        call_id: id of its call.
        content: texts and attachments.
        is_error: whether the call failed, None where it is not said.
        extra: keys that have no column.
    """

    call_id: str | None
    content: Content
    is_error: bool | None
    extra: dict[str, Any]


def is_result(kind: Any) -> bool:
    """Whether a part of a content is the result of a tool."""
    return isinstance(kind, str) and kind.endswith("tool_result")


def is_call(kind: Any) -> bool:
    """Whether a part of a content is a call of a tool."""
    return isinstance(kind, str) and kind.endswith("tool_use")


def read_result(block: dict[str, Any], structured: Any = None) -> Result:
    """Read the result of a tool; `structured` is the same as the tool gave it, None if it is not known.

    Raises:
        InvalidMessageError: a known field has another type.
    """
    is_error = block.get("is_error")
    if is_error is not None and not isinstance(is_error, bool):
        raise InvalidMessageError(f"expected boolean, got {json_kind(is_error)}", path=f"{_BLOCK}.is_error")
    content = read_content(block.get("content"), attachment)
    extra = leftover(block, _RESULT_KEYS)
    if content.rest:
        extra["content"] = content.rest
    if structured is not None:
        extra["toolUseResult"] = without_base64(structured)
    return Result(text_of(block, "tool_use_id", _BLOCK), content, is_error, extra)


def call_of(block: dict[str, Any]) -> ToolCall:
    """Make a call of a part of a content."""
    given = block.get("input")
    return ToolCall(
        id=text_of(block, "id", _BLOCK) or "",
        name=text_of(block, "name", _BLOCK) or "",
        type="function" if block["type"] == "tool_use" else "server",
        finished=False,
        input="" if given is None else as_text(given),
        input_json=given,
        extra=leftover(block, _CALL_KEYS) or None,
    )


def cost_of(record: dict[str, Any]) -> Decimal | None:
    """Read the cost of a record, None if it is not stated."""
    cost = record.get("costUSD")
    if cost is None:
        return None
    if isinstance(cost, bool) or not isinstance(cost, (int, Decimal)):
        raise InvalidMessageError(f"expected number, got {json_kind(cost)}", path="$.costUSD")
    return Decimal(cost)


def attachment(part: dict[str, Any]) -> dict[str, Any] | None:
    """Describe an image or a document; None for every other part. A text that was extracted of it stays."""
    source = part.get("source")
    if not isinstance(source, dict) or not isinstance(part.get("type"), str) or part["type"] not in _ATTACHED:
        return None
    title = part.get("title")
    described: dict[str, Any] = {"name": title} if isinstance(title, str) else {}
    data = source.get("data")
    kind = source.get("media_type")
    described["type"] = kind if isinstance(kind, str) else str(part["type"])
    known = {"type", "media_type"}
    if source.get("type") == "base64" and isinstance(data, str):
        described["size"] = size_of_base64(data)
        known.add("data")
    elif source.get("type") == "text" and isinstance(data, str):
        described |= {"size": len(data.encode("utf-8", "replace")), "text": data}
        known.add("data")
    described |= {key: value for key, value in source.items() if key not in known and value is not None}
    more = {key: value for key, value in part.items() if key not in ("type", "source", "title") and value is not None}
    return described | {key: value for key, value in more.items() if key not in described}


def without_base64(value: Any) -> Any:
    """Put the size of base64 data in its place, as of images that a tool returned, and return the same value.

    It may be as deep as JSON may be here, which is deeper than functions can call themselves.
    """
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            _shorten(one)
            waiting += [item for item in one.values() if isinstance(item, (dict, list))]
        elif isinstance(one, list) and one and not isinstance(one[0], str):
            waiting += [item for item in one if isinstance(item, (dict, list))]
    return value


def _shorten(value: dict[str, Any]) -> None:
    """Put a size in the place of base64 data."""
    data = {"base64", "data"} if value.get("type") == "base64" else {"base64"}
    if any(isinstance(value.get(key), str) for key in data):
        items = list(value.items())
        value.clear()
        for key, item in items:
            is_data = key in data and isinstance(item, str)
            value["size" if is_data else key] = size_of_base64(item) if is_data else item
