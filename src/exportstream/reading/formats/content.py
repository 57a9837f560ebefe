"""Texts, attachments and what is left over of the content of a message, as the records of logs have it.

Takes: JSON values. Returns: text, attachments without their data, and the parts that are neither.
Raises: `InvalidMessageError` for a field that is no text; a part that is none of what is expected is left over.
Holds: nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from exportstream.errors import InvalidMessageError, json_kind

TEXT_TYPES = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})
_JSON = msgspec.json.Encoder(decimal_format="number")


class Block(Struct, gc=False):
    """A part of a content, with what figures need; the logs and the exports of Claude have the same."""

    type: str | None = None
    text: str | None = None
    id: str | None = None
    name: str | None = None
    tool_use_id: str | None = None
    is_error: bool | None = None


class Content(Struct, gc=False):
    """What a list of parts holds.

    Attributes:
        texts: the texts of its parts.
        attachments: what is attached, each with its type and size, or its address; without the data.
        rest: parts that are neither, and keys of texts that are not their text.
    """

    texts: list[str] = []
    attachments: list[dict[str, Any]] = []
    rest: list[Any] = []


def read_content(value: Any, attachment: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Content:
    """Read the content of a message, a reasoning or a tool's output: a text, or a list of parts.

    `attachment` describes a part that is one, without its data, and returns None for every other part.
    """
    content = Content()
    if isinstance(value, str):
        content.texts.append(value)
    elif isinstance(value, list):
        for part in value:
            _read_part(part, content, attachment)
    elif value is not None:
        content.rest.append(value)
    return content


def _read_part(part: Any, content: Content, attachment: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    is_object = isinstance(part, dict)
    text = part.get("text") if is_object else None
    if text.__class__ is str and part.get("type").__class__ is str and part["type"] in TEXT_TYPES:
        content.texts.append(text)
        if len(part) > 2:
            more = {key: value for key, value in part.items() if key not in ("type", "text") and value not in (None, [], {})}
            content.rest.extend([more] if more else [])
        return
    attached = attachment(part) if is_object else None
    if attached is not None:
        content.attachments.append(attached)
    elif part is not None:
        content.rest.append(part)


def size_of_base64(text: str, start: int = 0) -> int:
    """The bytes that a text in base64 stands for, from a position on."""
    return max((len(text) - start) * 3 // 4 - text.endswith("=") - text.endswith("=="), 0)


def as_text(value: Any) -> str:
    """A value as text: a text as it is, everything else as JSON."""
    return value if isinstance(value, str) else _JSON.encode(value).decode()


def leftover(item: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """The keys that have no column."""
    if known.issuperset(item):  # as usual
        return {}
    unknown = item.keys() - known
    if len(unknown) < 2:
        return {key: item[key] for key in unknown if item[key] is not None}
    return {key: value for key, value in item.items() if key not in known and value is not None}


def text_of(item: dict[str, Any], key: str, path: str = "$.payload") -> str | None:
    """A text, None if it is absent; raises `InvalidMessageError` for anything else."""
    value = item.get(key)
    if value is not None and not isinstance(value, str):
        raise InvalidMessageError(f"expected string, got {json_kind(value)}", path=f"{path}.{key}")
    return value
