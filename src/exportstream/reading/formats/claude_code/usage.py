"""The tokens of a response, of which each of its records has a copy.

The copies grow while the response is written, so the last figure counts: adding them up, or taking the first one, is wrong
by a factor.
"""

from __future__ import annotations

from typing import Any

from exportstream.errors import InvalidMessageError, json_kind
from exportstream.models.structs import Message
from exportstream.reading.formats.claude_code.short import ShortUsage
from exportstream.reading.formats.content import leftover
from exportstream.reading.formats.message import to_integer

_FIELDS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_creation_input_tokens": "cache_creation_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
}
_KNOWN = frozenset(_FIELDS)
_INTEGER = frozenset({int})
_ONE_HOUR = "ephemeral_1h_input_tokens"


class Usage:
    """The usage of one response.

    Attributes:
        is_final: whether a record says that it will not change.
    """

    def __init__(self) -> None:
        self.is_final = False
        self._figures: dict[str, int] = {}
        self._extra: dict[str, Any] = {}
        self._last: dict[str, Any] | None = None

    def add(self, usage: Any, *, is_final: bool) -> None:
        """Take the usage of a record; `is_final`: it says that the response is complete.

        Raises:
            InvalidMessageError: it is no object, or a figure is no integer.
        """
        if usage is not None and usage != self._last:
            if not isinstance(usage, dict):
                raise InvalidMessageError(f"expected object, got {json_kind(usage)}", path="$.message.usage")
            found = {name: figure for key, name in _FIELDS.items() if (figure := usage.get(key)) is not None}
            figures = found.values()
            if figures and not (_INTEGER.issuperset(map(type, figures)) and 0 <= min(figures) <= max(figures) < 2**63):
                found = {name: _figure(usage, key) for key, name in _FIELDS.items() if name in found}
            caches = usage.get("cache_creation")
            if isinstance(caches, dict) and caches.get(_ONE_HOUR) is not None:
                found["cache_creation_1h_tokens"] = _figure(caches, _ONE_HOUR)
            self._figures |= found
            self._extra |= leftover(usage, _KNOWN)
            self._last = usage
            is_final = is_final or usage.get("iterations") is not None
        self.is_final = self.is_final or is_final

    def add_short(self, usage: ShortUsage | None, *, is_final: bool) -> None:
        """Take the usage of a record of which only figures are wanted; for the rest see `add`."""
        if usage is not None:
            figures = self._figures
            if usage.input_tokens is not None:
                figures["input_tokens"] = usage.input_tokens
            if usage.output_tokens is not None:
                figures["output_tokens"] = usage.output_tokens
            if usage.cache_creation_input_tokens is not None:
                figures["cache_creation_tokens"] = usage.cache_creation_input_tokens
            if usage.cache_read_input_tokens is not None:
                figures["cache_read_tokens"] = usage.cache_read_input_tokens
            caches = usage.cache_creation
            if caches is not None and caches.ephemeral_1h_input_tokens is not None:
                figures["cache_creation_1h_tokens"] = caches.ephemeral_1h_input_tokens
            self._last = None  # a later record may have the usage of an earlier one again
            is_final = is_final or usage.iterations is not None
        self.is_final = self.is_final or is_final

    def set_on(self, row: Message) -> dict[str, Any]:
        """Set the tokens of a row, and return the keys that have no column."""
        if self._figures:
            for name, figure in self._figures.items():
                setattr(row, name, figure)
            parts = (row.input_tokens, row.cache_creation_tokens, row.cache_read_tokens)
            stated = [figure for figure in parts if figure is not None]
            row.total_input_tokens = sum(stated) if stated else None
            row.usage_state = "final" if self.is_final else "partial"
        return self._extra


def _figure(usage: dict[str, Any], key: str) -> int:
    try:
        return to_integer(usage[key])
    except ValueError as error:
        raise InvalidMessageError(str(error), path=f"$.message.usage.{key}") from None
