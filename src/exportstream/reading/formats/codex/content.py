"""Texts, attachments and what is left over of the content of an item.

Takes: JSON values. Returns: text, attachments without their data, and the parts that are neither.
Raises: nothing: a value that is none of what is expected is left over. Holds: nothing.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

_DATA_URL = re.compile(r"data:([^;,]{0,100})[^,]{0,200};base64,")
_TEXT_TYPES = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})
_JSON = msgspec.json.Encoder(decimal_format="number")


class Content(NamedTuple):
    """What a list of parts holds.

    Attributes:
        texts: the texts of its parts.
        attachments: what is attached, each with its type and size, or its address; without the data.
        rest: parts that are neither, and keys of texts that are not their text.
    """

    texts: list[str]
    attachments: list[dict[str, Any]]
    rest: list[Any]


def read_content(value: Any) -> Content:
    """Read the content of a message, a reasoning or a tool's output: a text, or a list of parts."""
    content = Content([], [], [])
    if isinstance(value, str):
        content.texts.append(value)
    elif isinstance(value, list):
        for part in value:
            _read_part(part, content)
    elif value is not None:
        content.rest.append(value)
    return content


def _read_part(part: Any, content: Content) -> None:
    if isinstance(part, dict) and part.get("type") in _TEXT_TYPES and isinstance(part.get("text"), str):
        content.texts.append(part["text"])
        if len(part) > 2:
            more = {key: value for key, value in part.items() if key not in ("type", "text") and value not in (None, [], {})}
            content.rest.extend([more] if more else [])
        return
    attached = _attachment(part) if isinstance(part, dict) else None
    if attached is not None:
        content.attachments.append(attached)
    elif part is not None:
        content.rest.append(part)


def _attachment(part: dict[str, Any]) -> dict[str, Any] | None:
    """What is attached: base64 data is left out, and its size is told instead."""
    for key in ("image_url", "file_data", "audio_url", "file_url"):
        given = part.get(key)
        if isinstance(given, str):
            break
    else:
        return None
    described = {"name": part["filename"]} if isinstance(part.get("filename"), str) else {}
    found = _DATA_URL.match(given)
    if found is None and key != "file_data":
        described |= {"type": str(part.get("type")), "url": given}
    else:
        kind, start = (found[1], found.end()) if found is not None else ("", 0)
        size = (len(given) - start) * 3 // 4 - given.endswith("=") - given.endswith("==")
        described |= {"type": kind or str(part.get("type")), "size": size}
    known = {"type", "filename", key}
    return described | {name: value for name, value in part.items() if name not in known and value is not None}


def as_text(value: Any) -> str:
    """A value as text: a text as it is, everything else as JSON."""
    return value if isinstance(value, str) else _JSON.encode(value).decode()
