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
