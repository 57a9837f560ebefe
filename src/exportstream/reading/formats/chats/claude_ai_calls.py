"""The calls of tools in one message of claude.ai, and which of them a result is of.

Takes: calls, then ids of results. Returns: the calls. Raises: nothing. Holds: the calls.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

from exportstream.models.structs import ToolCall


class Calls:
    """The calls of one message.

    Attributes:
        all: they, in their order.
    """

    def __init__(self) -> None:
        self.all: list[ToolCall] = []
        self._waiting: dict[int, ToolCall] = {}  # calls without a result, by their number
        self._order: deque[int] = deque()  # numbers of calls; those that have a result are passed over
        self._numbers: defaultdict[str, deque[int]] = defaultdict(deque)  # the same of each id

    def add(self, call: ToolCall, number: int) -> None:
        """Add a call; `number` is that of its block."""
        self._waiting[number] = call
        self._order.append(number)
        self._numbers[call.id].append(number)
        self.all.append(call)

    def take(self, given: Any) -> ToolCall | None:
        """The call that a result is of: the one with its id, or without an id the first that has no result yet."""
        if given is None:
            numbers = self._order
        else:
            numbers = self._numbers[given] if type(given) is str and given in self._numbers else deque()
        while numbers:
            if (call := self._waiting.pop(numbers.popleft(), None)) is not None:
                return call
        return None
