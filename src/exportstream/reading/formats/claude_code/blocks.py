"""Parts of contents: calls of tools, and their results.

Takes: JSON values. Returns: a `ToolCall`, a `Result`. Raises: `InvalidMessageError` for a known field of another type.
Holds: nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from exportstream.errors import InvalidMessageError, json_kind
from exportstream.models.structs import ToolCall
from exportstream.reading.formats.claude_code.attachments import attachment, without_base64
from exportstream.reading.formats.content import Content, as_text, leftover, read_content, text_of

_BLOCK = "$.message.content"
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
    """Read the result of a tool.

    Args:
        block: the part of the content.
        structured: the same result as the tool gave it, None if it is not known.

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
