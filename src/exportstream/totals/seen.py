"""Keys that came before: repeated ids, and messages and sessions that totals count only once.

Takes: ids, messages, sessions. Returns: which are new, or which are not. Raises: nothing.
Holds: the keys: short ones as they are, of longer ones a digest of 16 bytes, whose collisions nobody can find.
"""

from __future__ import annotations

from collections.abc import Sequence

from exportstream.models.structs import Message, Session

_LONGEST = 36  # characters, as in a UUID; memory does not grow with the length of longer ones


class Seen:
    """Remembers keys. Memory grows with their number, about 100 bytes each.

    Args:
        limit: how many of the latest keys to remember at least (at most twice as many); None remembers all.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._keys: set[str | bytes] = set()
        self._latest: list[str | bytes] = []

    def find_repeats(self, keys: Sequence[str]) -> list[int]:
        """Remember keys, and return the positions of those that had come before, also earlier in `keys`."""
        short = [key if len(key) <= _LONGEST else _digest(key) for key in keys]
        repeats = []
        if len(set(short)) == len(short) and self._keys.isdisjoint(short):  # as usual
            self._keys.update(short)
        else:
            for at, key in enumerate(short):
                if key in self._keys:
                    repeats.append(at)
                else:
                    self._keys.add(key)
        if self._limit is not None:
            self._latest += short
            if len(self._latest) > 2 * self._limit:
                self._latest = self._latest[-self._limit :]
                self._keys = set(self._latest)
        return repeats


class Dedupe:
    """Remembers which messages and sessions have been counted. Memory grows with their number, about 100 bytes each."""

    def __init__(self) -> None:
        self._messages, self._sessions = Seen(), Seen()

    def new_messages(self, messages: list[Message]) -> list[Message]:
        """Return the messages whose session id and message id had not come before together."""
        keys = [f"{len(one.session_id)}:{one.session_id}{one.id}" for one in messages]
        repeats = set(self._messages.find_repeats(keys))
        return [one for at, one in enumerate(messages) if at not in repeats]

    def is_new(self, session: Session) -> bool:
        """Return whether no session with this id had come before."""
        return not self._sessions.find_repeats([session.id or ""])


def _digest(key: str) -> bytes:
    from hashlib import blake2b  # noqa: PLC0415 - few need it, and it slows the command's start

    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
