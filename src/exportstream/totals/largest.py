"""The largest messages.

Takes: batches. Returns: where each of them is, and how large. Raises: nothing. Holds: as many messages as are asked for, by
their places alone.
"""

from __future__ import annotations

from heapq import nsmallest

from msgspec import Struct, field

from exportstream.totals.fields import size_of
from exportstream.totals.figures import Cost
from exportstream.totals.group_keys import Columns


class Place(Struct, frozen=True, order=True):
    """A message: the largest comes first, then they are ordered by their place.

    Attributes:
        less_bytes: its size in bytes, negative.
        source: name of the input.
        session_id: of its session.
        index: its `messageIndex`.
        position: byte of the input, decompressed, where it begins; -1 where that is not known.
    """

    less_bytes: int
    source: str
    session_id: str
    index: int
    position: int


class Largest(Struct):
    """The largest messages, and how many there are in all: a table beside those of `groups`, with the same methods.

    Attributes:
        top: how many to keep.
        places: those, the largest first.
        messages: all of them.
        bytes: of all of them.
    """

    top: int
    places: list[Place] = field(default_factory=list)
    messages: int = 0
    bytes: int = 0

    def add(self, columns: Columns) -> None:
        """Add messages of an input."""
        batch, source = columns.batch, columns.source
        sizes = [size_of(message) for message in batch.messages]
        self.messages += len(sizes)
        self.bytes += sum(sizes)
        least = -self.places[-1].less_bytes if len(self.places) == self.top else 0
        positions = batch.positions or [None] * len(sizes)
        more = [
            Place(-size, source, one.session_id, one.index, -1 if position is None else position)
            for size, one, position in zip(sizes, batch.messages, positions, strict=True)
            if size >= least
        ]
        self._keep(more)

    def merge(self, other: Largest) -> None:
        """Add those of another input."""
        self.messages += other.messages
        self.bytes += other.bytes
        self._keep(other.places)

    def merge_part(self, other: Largest) -> None:
        """Add those of messages that come next."""
        self.merge(other)

    def costs(self) -> list[list[Cost]]:
        """Return nothing: sizes can always be added."""
        return []

    def close(self, project: str | None) -> None:
        """End the input; no message waits for its project."""

    def _keep(self, more: list[Place]) -> None:
        if more:
            self.places = nsmallest(self.top, [*self.places, *more])
