"""A batch: the messages that reading passes on, and the sessions that end among them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import accumulate, compress
from typing import Any

from msgspec import Struct

from exportstream.models.notes import Records
from exportstream.models.structs import Message, Session
from exportstream.totals.sums import Totals


class SessionEnd(Struct, frozen=True, gc=False):
    """A session that is complete.

    Attributes:
        session: its keys.
        end: how many messages of the batch belong to it and to the sessions before it.
        counted: totals of all its messages, where they were asked for.
        repeated: with `dedupe`, whether a session with its id came before; it has no row and is in no total then.
        records: of a chat: what becomes no row, by kind; None for others.
    """

    session: Session
    end: int
    counted: Totals | None = None
    repeated: bool = False
    records: dict[str, Records] | None = None


class Worked(Struct):
    """What came of messages that another process read.

    Attributes:
        totals: of the messages, and of the sessions if they are whole.
        made: what was made of them there.
        sessions: how many sessions they are; 0 for messages of the session that is being read.
        first: the number of the first of those messages in their session.
        ids: of those messages, as of `seen.short_keys`, if they were asked for.
    """

    totals: Totals
    made: Any = None
    sessions: int = 0
    first: int = 0
    ids: list[str | bytes] = []


class Batch(Struct):
    """Messages in the order of the file.

    Attributes:
        messages: of one or more sessions; those after the last end belong to a session that goes on.
        ends: the sessions that end here.
        source: name of the input.
        positions: where each message begins: the byte of the input, decompressed, and None where that is not known; None if
            they were not asked for.
        prices: the price of each message, None for those with a cost and for those that have none; None without prices.
        worked: instead of messages and ends, what another process made of them; only where that was asked for.
    """

    messages: list[Message]
    ends: list[SessionEnd]
    source: str = ""
    positions: list[int | None] | None = None
    prices: list[Decimal | None] | None = None
    worked: Worked | None = None

    def only(self, flags: list[bool]) -> Batch:
        """Return a batch of the messages whose flag is true, and of all the ends, without what was made of them so far."""
        before = list(accumulate(flags, initial=0))
        ends = [SessionEnd(end.session, before[end.end], repeated=end.repeated) for end in self.ends]
        positions = self.positions and list(compress(self.positions, flags))
        return Batch(list(compress(self.messages, flags)), ends, positions=positions)

    def by_session(self) -> Iterator[tuple[list[Message], SessionEnd | None]]:
        """Split the batch: the messages of each session, and its end; None for a session that goes on."""
        start = 0
        for end in self.ends:
            yield self.messages[start : end.end], end
            start = end.end
        if start < len(self.messages):
            yield self.messages[start:], None
