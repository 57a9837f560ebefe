"""Values as JSON, for whoever writes some: numbers keep their digits."""

from __future__ import annotations

from typing import Any

import msgspec

ENCODER = msgspec.json.Encoder(decimal_format="number")


def to_json(value: Any, *, indent: int = -1) -> bytes:
    """A value as JSON with its numbers as they are; `indent` below 0 is compact."""
    return msgspec.json.format(ENCODER.encode(value), indent=indent)
