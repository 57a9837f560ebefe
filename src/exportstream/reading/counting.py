"""Keeps the totals of a reading: of all of it, and of each session if they are asked for."""

from __future__ import annotations

from operator import attrgetter

from exportstream.totals.batch import Batch, SessionEnd, Worked
from exportstream.totals.priced import Priced
from exportstream.totals.prices import Prices
from exportstream.totals.sums import Totals

_IS_REPEATED = attrgetter("repeated")


class Counter:
    """Adds batches to totals.

    Args:
        by_session: whether to give each `SessionEnd` the totals of its session, which takes time for each of them.
        prices: of messages without a cost; None prices none.
    """

    def __init__(self, *, by_session: bool, prices: Prices | None = None) -> None:
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
        if batch.worked is not None:
            self._merge(batch.worked)
            return
        if self._prices is not None:
            assert self._complete.priced is not None
            self._prices.add_to(self._complete.priced, batch.messages)
        if self._of_session is None and not any(map(_IS_REPEATED, batch.ends)):
            self._complete.add_sessions(batch.messages, [(end.session, end.end) for end in batch.ends])
            return
        for number, (messages, end) in enumerate(batch.by_session()):
            (self._complete if self._of_session is None else self._of_session).add_batch(messages)
            if end is None:
                continue
            if self._of_session is not None:
                batch.ends[number] = SessionEnd(end.session, end.end, self._of_session, end.repeated)
                self._complete.merge(self._of_session)
                self._of_session = Totals()
            if end.repeated:
                self._complete.end_repeated()
            else:
                self._complete.add(end.session)

    def _merge(self, worked: Worked) -> None:
        """Add what was counted elsewhere: whole sessions, or messages of the session that is being read."""
        if worked.sessions:
            self._complete.merge(worked.totals)
            return
        (self._complete if self._of_session is None else self._of_session).counted.merge(worked.totals.counted)
        if worked.totals.priced is not None and self._complete.priced is not None:
            self._complete.priced.merge(worked.totals.priced)
