"""What comes out of the parser."""

from __future__ import annotations

from typing import Any

Event = tuple[Any, ...]
