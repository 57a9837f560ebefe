"""Members: the distinct sessions of each group, where the same session may come again.

Takes: keys of groups and ids of sessions. Returns: how many there are. Raises: nothing.
Holds: each id once for each group that has it, and once for all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable

from exportstream.totals.seen import short_key

_ALL = None  # the key of all groups together; no group has it


class Members:
    """The ids of sessions by group."""

    def __init__(self) -> None:
        self._ids: defaultdict[Hashable, set[str | bytes]] = defaultdict(set)

    def add(self, keys: set[tuple[str | None, ...]], session_id: str | None) -> None:
        """Add a session to groups."""
        for key in (*keys, *([_ALL] if keys else [])):
            self._ids[key].add(short_key(session_id or ""))

    def merge(self, other: Members) -> None:
        """Add those of another input."""
        for key, ids in other._ids.items():
            self._ids[key] |= ids

    def move(self, key: tuple[str | None, ...], other: tuple[str | None, ...]) -> None:
        """Add the sessions of a group to another one, and forget the group."""
        self._ids[other] |= self._ids.pop(key, set())

    def count(self, key: tuple[str | None, ...] | None = _ALL) -> int:
        """Return how many sessions a group has, or all groups together."""
        return len(self._ids[key])
