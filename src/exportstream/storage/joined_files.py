"""A file and the files that belong to it, such as those of a session's sub-agents: they are read as one input.

Takes: a source, and the names of its parts. Returns: a `Source` for each, one after the other.
Raises: what `open_source` raises. Holds: one open part, and a few numbers for each one that was read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from exportstream.errors import CompressionError
from exportstream.storage.names import state_of
from exportstream.storage.source import Source, open_source
from exportstream.storage.zip import split_member


class FileWithParts(os.PathLike[str]):
    """The path of a file, which knows its parts."""

    def __init__(self, path: str, parts: tuple[str, ...]) -> None:
        self.path = path
        self.parts = parts

    def __fspath__(self) -> str:
        return self.path


class Sources:
    """What an input consists of: a source as of `open_source`, or a `FileWithParts`. Close it when it was read.

    Attributes:
        main: the file itself, which is open from the start.
        current: what is being read.
        parts: names of the others.
    """

    def __init__(self, source: Any, *, max_window: int | None) -> None:
        self.parts = source.parts if isinstance(source, FileWithParts) else ()
        self.main = self.current = open_source(source, max_window=max_window)
        self._max_window = max_window
        self._read: list[Source] = []  # parts that were read, or are being read
        in_archive = any(split_member(name) is not None for name in self.parts)
        total = None if in_archive else self.main.bytes_total
        sizes = [] if total is None else [(state_of(name) or {}).get("size", 0) for name in self.parts]
        self.bytes_total = None if total is None else total + sum(sizes)

    @property
    def bytes_read(self) -> int:
        """Bytes read so far, as stored."""
        return self.main.bytes_read + sum(part.bytes_read for part in self._read)

    @property
    def position(self) -> int:
        """Decompressed bytes read so far."""
        return self.main.position + sum(part.position for part in self._read)

    @property
    def state(self) -> dict[str, Any]:
        """The state of the file as of `names.state_of`, with that of its parts."""
        return with_parts(self.main.state, [part.state for part in self._read])

    @property
    def grown(self) -> int:
        """How many have grown since they were opened, where that is allowed."""
        return sum(source.has_grown for source in (self.main, *self._read))

    @property
    def doubtful(self) -> int:
        """How many have compressed data that is damaged, or a checksum that differs: what they gave before may be wrong."""
        errors = [source.error for source in (self.main, *self._read)]
        return sum(isinstance(error, CompressionError) and error.is_doubtful for error in errors)

    def look(self) -> Iterator[Source]:
        """Open each part to look at it, before it is read."""
        for name in self.parts:
            with open_source(name, max_window=self._max_window) as part:
                yield part

    def rest(self) -> Iterator[Source]:
        """Open each part to read it. They are logs, so they may grow meanwhile."""
        for name in self.parts:
            with open_source(name, max_window=self._max_window) as self.current:
                self._read.append(self.current)
                self.current.peek(1)
                self.current.stop_at_opening_size()
                yield self.current
        self.current = self.main

    def require_unchanged(self) -> None:
        """Raise `ReadError` if one of them is no longer what was read; also after `close`."""
        for source in (self.main, *self._read):
            source.require_unchanged()

    def close(self) -> None:
        """Close what is open."""
        self.current.close()
        self.main.close()


def with_parts(state: dict[str, Any], parts: Iterable[dict[str, Any] | None]) -> dict[str, Any]:
    """Return the state of a file with that of its parts: how many there are, their size, and when the last one changed."""
    known = [part for part in parts if part]
    if not (state and known):
        return state
    size, modified = sum(part["size"] for part in known), max(part["modified"] for part in known)
    return state | {"parts": {"count": len(known), "size": size, "modified": modified}}
