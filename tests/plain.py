"""The smallest valid documents, for the tests of cases."""

from __future__ import annotations

import json
from typing import Any

DATE = "2025-01-02T03:04:05Z"


def message(number: int = 0, **fields: Any) -> dict[str, Any]:
    return {"id": f"m{number}", "role": "user", "content": "c", "createdAt": DATE, "updatedAt": DATE, **fields}


def call(**fields: Any) -> dict[str, Any]:
    return {"id": "c", "name": "Bash", "type": "tool_use", "finished": True, "input": "", **fields}


def session(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"id": "s", "title": "t", "messages": list(messages), **fields}


def dump(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: JSON can only write it as an escape
        return json.dumps(value, separators=(",", ":")).encode()
