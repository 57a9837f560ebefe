"""Attachments of messages, and results of tools, without base64 data.

Takes: JSON values. Returns: descriptions, and values in which the size of the data stands in its place.
Raises, holds: nothing.
"""

from __future__ import annotations

from typing import Any

from exportstream.reading.formats.content import size_of_base64

_ATTACHED = frozenset({"image", "document", "file"})


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
    """A value in which the size of base64 data stands in its place, as of images that a tool returned."""
    if isinstance(value, list):
        return [without_base64(item) for item in value] if value and not isinstance(value[0], str) else value
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    is_source = value.get("type") == "base64"
    for key, item in value.items():
        if isinstance(item, str):
            if key == "base64" or (is_source and key == "data"):
                found["size"] = size_of_base64(item)
            else:
                found[key] = item
        else:
            found[key] = without_base64(item) if isinstance(item, (dict, list)) else item
    return found
