"""The tokens of a response, of which each of its records has a copy.

The copies grow while the response is written, so the last figure counts: adding them up, or taking the first one, is wrong
by a factor.
"""

from __future__ import annotations

from typing import Any

from exportstream.errors import InvalidMessageError
from exportstream.models.structs import Message
from exportstream.reading.formats.content import leftover
from exportstream.reading.formats.message import to_integer

_FIELDS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_creation_input_tokens": "cache_creation_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
}
_KNOWN = frozenset(_FIELDS)


class Usage:
    """The usage of one response.

    Attributes:
        is_final: whether a record says that it will not change.
    """

    def __init__(self) -> None:
        self.is_final = False
        self._figures: dict[str, int] = {}
        self._extra: dict[str, Any] = {}

    def __bool__(self) -> bool:
        return bool(self._figures)

    def add(self, usage: Any) -> None:
        """Take the usage of a record.

        Raises:
            InvalidMessageError: it is no object, or a figure is no integer.
        """
        if usage is None:
            return
        if not isinstance(usage, dict):
            raise InvalidMessageError(f"expected object, got {type(usage).__name__}", path="$.message.usage")
        found = {}
        for key, name in _FIELDS.items():
            figure = usage.get(key)
            if type(figure) is int and -(2**63) <= figure < 2**63:
                found[name] = figure
            elif figure is not None:
                try:
                    found[name] = to_integer(figure)
                except ValueError as error:
                    raise InvalidMessageError(str(error), path=f"$.message.usage.{key}") from None
        self._figures |= found
        self._extra |= leftover(usage, _KNOWN)
        self.is_final = self.is_final or usage.get("iterations") is not None

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
