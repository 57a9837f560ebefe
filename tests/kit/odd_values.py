"""Values that are wrong somewhere in a line of a log."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from tests.kit.documents import dump

ODD: list[Any] = [
    *(None, True, 7, 2**70, 12.0, "x", [], {}, [[1]]),
    *({"type": {}}, {"type": []}, [{"type": "text", "text": 5}], [{"type": "tool_use", "id": "t"}]),
]
HIDDEN = [  # as bytes of JSON: what is refused, and what is not
    b"[" * 600 + b"]" * 600,
    b'"\xff"',
    b"9" * 5000,
    b"1e5000",
    b"1e99999999999999999999",
    b'"\\ud800"',
    b"[" * 200 + b"]" * 200,
    '"\u00e9\U0001f642"'.encode(),
]


def spoil(lines: list[bytes], key: str, seed: int, first: int = 0, times: int = 60) -> None:
    """Put odd values into lines, so many times: anywhere within the value of a key, or in the record if it has no such key."""
    random = Random(seed)
    for _ in range(times):
        number = random.randrange(first, len(lines))
        record = json.loads(lines[number])
        holder = record.get(key) or record
        while True:
            at = random.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            if not (isinstance(holder[at], (dict, list)) and holder[at] and random.random() < 0.8):
                break
            holder = holder[at]
        holder[at] = random.choice(ODD)
        lines[number] = dump(record)
