"""Keys that came before: repeated ids, messages and sessions that `dedupe` drops, and the distinct sessions of groups.

Takes: ids, batches. Returns: which came before, or a batch without them. Raises: nothing.
Holds: the keys: short ones as they are, of longer ones a digest of 16 bytes, whose collisions nobody can find.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence

from msgspec.structs import replace

from exportstream.models.notes import Duplicates
from exportstream.totals.batch import Batch
from exportstream.totals.copies import COPIES, counted

_ALL_GROUPS = None  # the key of all groups together; no group has it
_LONGEST = 48  # characters, as in a UUID after a number; memory does not grow with the length of longer ones


class Seen:
    """Remembers keys. Memory grows with their number, about 100 bytes each.

    Args:
        limit: how many of the latest keys to remember at least (at most twice as many); None remembers all. What is found
            does not depend on how many keys are given at once.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._keys: set[str | bytes] = set()
        self._earlier: set[str | bytes] = set()  # with a limit: up to as many keys, which came before, and not again since
        self._number = 0  # of the keys since then, repeats included

    def find_repeats(self, keys: Sequence[str]) -> list[int]:
        """Remember keys, and return the positions of those that had come before, also earlier in `keys`."""
        return self.find_short(short_keys(keys))

    def find_short(self, short: list[str | bytes]) -> list[int]:
        """The same for what `short_keys` returned."""
        return [at for start, part in self._parts(short) for at in self._find(part, start)]

    def _parts(self, keys: list[str | bytes]) -> Iterator[tuple[int, list[str | bytes]]]:
        """Yield keys in as many parts as the limit demands, each with its position."""
        start = 0
        while start < len(keys):
            part = keys if self._limit is None else keys[start : start + self._limit - self._number]
            yield start, part
            start += len(part)
            self._number += len(part)
            if self._number == self._limit:
                self._earlier, self._keys, self._number = self._keys, set(), 0

    def _find(self, keys: list[str | bytes], start: int) -> list[int]:
        """Remember keys, the first of which has the position `start`."""
        if self._keys.isdisjoint(keys) and self._earlier.isdisjoint(keys):  # as usual
            before = len(self._keys)
            self._keys.update(keys)
            if len(self._keys) - before == len(keys):
                return []
            known: set[str | bytes] = set()
        else:
            known = self._keys
        repeats = []
        for at, key in enumerate(keys, start):
            if key in known or key in self._earlier:
                repeats.append(at)
            known.add(key)
            self._earlier.discard(key)
        return repeats


class Dedupe:
    """Remembers messages and sessions, to drop those that come again. Memory grows by 90 to 180 bytes each, as measured."""

    def __init__(self) -> None:
        self._seen = Seen()
        self._numbers: dict[str | bytes, int] = {}  # of session ids; shorter than they are, in front of a message's id

    def drop_repeats(self, batch: Batch, dropped: Duplicates) -> Batch:
        """Return the batch without messages that came before or are copies; sessions that came before are marked in it."""
        keys: list[str] = []
        for messages, _ in batch.by_session():
            if messages:
                prefix = f"{self._number(messages[0].session_id)}:"
                keys += [prefix + one.id for one in messages]
        repeats = self._seen.find_repeats(keys)
        if counted(batch.messages) is not batch.messages:
            repeats = list({*repeats, *(at for at, one in enumerate(batch.messages) if one.usage_state in COPIES)})
        repeated = self._seen.find_repeats([str(self._number(end.session.id or "")) for end in batch.ends])
        if not repeats and not repeated:
            return batch
        dropped.messages += len(repeats)
        dropped.sessions += len(repeated)
        without = set(repeats)
        batch = batch.only([at not in without for at in range(len(batch.messages))])
        for at in repeated:
            batch.ends[at] = replace(batch.ends[at], repeated=True)
        return batch

    def _number(self, session_id: str) -> int:
        return self._numbers.setdefault(short_key(session_id), len(self._numbers))


class Members:
    """The ids of sessions by group."""

    def __init__(self) -> None:
        self._ids: defaultdict[Hashable, set[str | bytes]] = defaultdict(set)

    def add(self, keys: set[tuple[str | None, ...]], session_id: str | None) -> None:
        """Add a session to groups."""
        for key in (*keys, *([_ALL_GROUPS] if keys else [])):
            self._ids[key].add(short_key(session_id or ""))

    def merge(self, other: Members) -> None:
        """Add those of another input."""
        for key, ids in other._ids.items():
            self._ids[key] |= ids

    def move(self, key: tuple[str | None, ...], other: tuple[str | None, ...]) -> None:
        """Add the sessions of a group to another one, and forget the group."""
        self._ids[other] |= self._ids.pop(key, set())

    def count(self, key: tuple[str | None, ...] | None = _ALL_GROUPS) -> int:
        """Return how many sessions a group has, or all groups together."""
        return len(self._ids[key])


def short_keys(keys: Sequence[str]) -> list[str | bytes]:
    """Return what is remembered of each key."""
    return [key if len(key) <= _LONGEST else _digest(key) for key in keys]  # a call for each is slow


def short_key(key: str) -> str | bytes:
    """Return a key, or the digest of a long one."""
    return key if len(key) <= _LONGEST else _digest(key)


def _digest(key: str) -> bytes:
    from hashlib import blake2b  # noqa: PLC0415 - few need it, and it slows the command's start

    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
