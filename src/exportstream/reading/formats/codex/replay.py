"""Tells the lines that a fork or a sub-agent copied from another session from its own.

Such a file begins with its own `session_meta`, and then has the lines of the other session with new timestamps, its
`session_meta` included. Ids of turns keep the time they were made at, so the first turn that is not older than the fork is
the first own one. Newer files say it with the ordinal of the first own line.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from exportstream.models.dates import parse_instant

_VERSION = 7  # of UUIDs that begin with the milliseconds since 1970


class Replay:
    """Follows the lines of a session.

    Args:
        meta: the payload of the session's own `session_meta`.

    Attributes:
        parent: id of the session that it was forked from or spawned by.
        is_sub_agent: whether it was spawned by another session.
        first_ordinal: ordinal of the first own line, if it is written.
        running: whether the lines that are being read are those of the other session.
    """

    def __init__(self, meta: dict[str, Any]) -> None:
        source = meta.get("source")
        sub_agent = source.get("subagent") if isinstance(source, dict) else None
        spawn = sub_agent.get("thread_spawn") if isinstance(sub_agent, dict) else None
        forked = _text(meta.get("forked_from_id"))
        spawned_by = _text(spawn.get("parent_thread_id")) if isinstance(spawn, dict) else None
        self.parent = forked or spawned_by or _text(meta.get("parent_thread_id"))
        self.is_sub_agent = sub_agent is not None
        self._id = _text(meta.get("id"))
        self._time = milliseconds(self._id)
        if self._time is None and (instant := parse_instant(_text(meta.get("timestamp")))) is not None:
            self._time = int(instant.timestamp() * 1000)
        self.first_ordinal = _integer(meta.get("subagent_history_start_ordinal"))
        self.running = forked is not None or self.first_ordinal is not None

    def see_meta(self, meta: dict[str, Any]) -> bool:
        """Take another `session_meta`: False if it begins another session, because it is newer and nobody's parent."""
        other = _text(meta.get("id"))
        if other is None or other == self._id:
            return True
        made = milliseconds(other)
        if other != self.parent and made is not None and self._time is not None and made > self._time:
            return False
        self.running = True
        return True

    def see_line(self, ordinal: int | None) -> None:
        """Take the ordinal of a line."""
        if self.first_ordinal is not None and ordinal is not None and ordinal >= self.first_ordinal:
            self.running = False

    def see_turn(self, turn_id: Any) -> None:
        """Take the id of a turn that begins."""
        made = milliseconds(turn_id)
        if made is not None and self._time is not None and made >= self._time:
            self.running = False


def milliseconds(given: Any) -> int | None:
    """The time in a UUID of version 7, in milliseconds since 1970; None for everything else."""
    if not isinstance(given, str) or len(given) != 36:
        return None
    try:
        found = UUID(given)
    except ValueError:
        return None
    return found.int >> 80 if found.version == _VERSION else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return value if type(value) is int else None
