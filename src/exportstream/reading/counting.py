"""Keeps the totals of a reading: of all of it, and of each session if they are asked for."""

from __future__ import annotations

from exportstream.models.structs import Message
from exportstream.totals.batch import Batch, SessionEnd
from exportstream.totals.priced import Priced
from exportstream.totals.prices import Prices
from exportstream.totals.seen import Dedupe
from exportstream.totals.sums import Totals


class Counter:
    """Adds batches to totals.

    Args:
        dedupe: what has come before, to count messages and sessions only once; None counts all.
        by_session: whether to give each `SessionEnd` the totals of its session, which takes time for each of them.
        prices: of messages without a cost; None prices none.
    """

    def __init__(self, dedupe: Dedupe | None, *, by_session: bool, prices: Prices | None = None) -> None:
        self._dedupe = dedupe
        self._prices = prices
        self._complete = Totals(priced=None if prices is None else Priced([prices.list]))
        self._of_session = Totals() if by_session else None  # of the one being read

    @property
    def totals(self) -> Totals:
        """Totals of all that was added so far."""
        totals = Totals()
        totals.merge(self._complete)
        if self._of_session is not None:
            totals.merge(self._of_session)
        return totals

    def add(self, batch: Batch) -> None:
        """Add a batch; its ends get the totals of their sessions if they are asked for."""
        if self._dedupe is None and self._of_session is None:
            self._price(batch.messages)
            self._complete.add_sessions(batch.messages, [(end.session, end.end) for end in batch.ends])
            return
        for number, (messages, end) in enumerate(batch.by_session()):
            new = messages if self._dedupe is None else self._dedupe.new_messages(messages)
            self._price(new)
            (self._complete if self._of_session is None else self._of_session).add_batch(new)
            if end is None:
                continue
            if self._of_session is not None:
                batch.ends[number] = SessionEnd(end.session, end.end, self._of_session)
                self._complete.merge(self._of_session)
                self._of_session = Totals()
            if self._dedupe is None or self._dedupe.is_new(end.session):
                self._complete.add(end.session)

    def _price(self, messages: list[Message]) -> None:
        if self._prices is not None:
            assert self._complete.priced is not None
            self._prices.add_to(self._complete.priced, messages)
