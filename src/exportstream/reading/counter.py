"""Keeps the totals of a reading: of all of it, and of each session if they are asked for."""

from __future__ import annotations

from decimal import Decimal

from exportstream.errors import LimitError
from exportstream.totals.batch import Batch, SessionEnd, Worked
from exportstream.totals.copies import counted
from exportstream.totals.figures import add_costs
from exportstream.totals.priced import Priced
from exportstream.totals.prices import Prices
from exportstream.totals.sums import Totals


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

    @property
    def is_extreme(self) -> bool:
        """Whether a sum of costs is so large or small that a further one may need too many digits with it."""
        return self._complete.is_extreme or (self._of_session is not None and self._of_session.is_extreme)

    def add(self, batch: Batch) -> None:
        """Add a batch; its ends get the totals of their sessions if they are asked for.

        Raises:
            LimitError: a sum of costs needs too many digits; it names the session whose cost was one too many.
        """
        whole, declared = self._complete.counted.cost.sum, self._complete.declared.cost.sum
        of_session = None if self._of_session is None else self._of_session.counted.cost.sum
        try:
            self._add(batch)
        except LimitError as error:
            error.locate(session_id=self._one_too_many(batch, whole, of_session, declared))
            raise

    def _one_too_many(
        self, batch: Batch, whole: Decimal | None, of_session: Decimal | None, declared: Decimal | None
    ) -> str | None:
        """Return the session with the first cost that can't be added, however messages and sessions come in batches.

        The sums are those before the batch: of all, of the session being read, and the one that sessions declare.
        """
        for messages, end in batch.by_session():
            try:
                for message in counted(messages):
                    if self._of_session is None:
                        whole = add_costs(whole, message.cost)
                    else:
                        of_session = add_costs(of_session, message.cost)
                if end is not None:
                    whole, of_session = add_costs(whole, of_session), None
                    declared = declared if end.repeated else add_costs(declared, end.session.cost)
            except LimitError:
                return None if end is None else end.session.id  # otherwise the one that is being read
        return None

    def _add(self, batch: Batch) -> None:
        if batch.worked is not None:
            self._merge(batch.worked)
            return
        if self._prices is not None:
            assert self._complete.priced is not None
            self._prices.add_to(self._complete.priced, batch.messages)
        ends = batch.ends
        if self._of_session is None and not [end for end in ends if end.repeated]:
            self._complete.add_sessions(batch.messages, [end.session for end in ends], [end.end for end in ends])
            return
        for number, (messages, end) in enumerate(batch.by_session()):
            (self._complete if self._of_session is None else self._of_session).add_batch(messages)
            if end is None:
                continue
            if self._of_session is not None:
                batch.ends[number] = SessionEnd(end.session, end.end, self._of_session, end.repeated, end.records)
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
