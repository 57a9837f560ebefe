"""Images and files that are attached to the items of a rollout.

Takes: a part of a content. Returns: its description without the data, None for every other part. Raises, holds: nothing.
"""

from __future__ import annotations

import re
from typing import Any

from exportstream.reading.formats.content import size_of_base64

_DATA_URL = re.compile(r"data:([^;,]{0,100})[^,]{0,200};base64,")


def attachment(part: dict[str, Any]) -> dict[str, Any] | None:
    """Describe what is attached: base64 data is left out, and its size is told instead."""
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
        described |= {"type": kind or str(part.get("type")), "size": size_of_base64(given, start)}
    known = {"type", "filename", key}
    return described | {name: value for name, value in part.items() if name not in known and value is not None}
