"""A `SessionReader` that also takes what other processes have read.

Takes: the events of `json.ahead`. Returns, raises: as `SessionReader`. Holds: as it, and what came of one run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from exportstream.models.notes import Notes
from exportstream.models.structs import Session
from exportstream.reading.formats.session_export import SessionReader
from exportstream.reading.formats.session_keys import SessionKeys
from exportstream.reading.json.ahead import AheadEvents
from exportstream.totals.batch import Batch, Worked
from exportstream.totals.sums import Totals

if TYPE_CHECKING:
    from exportstream.reading.json.next_element import KnownElements


class Done(Struct):
    """What came of a run that was read apart from the rest of its input; see `reading.run`.

    Attributes:
        end: the position at which reading goes on: the beginning of the run if nothing was taken.
        worked: what came of it.
        messages: how many there are.
        last_id: id of the last message.
        last_index: how many messages the last session has; only for whole sessions.
        session: the last of them.
        elements: what is known of its objects, if chats are searched for after damage.
        notes: what was noticed, without repeated ids of messages of one session.
        later: how many messages a later run seems to have, if that was asked for.
    """

    end: int
    worked: Worked = field(default_factory=lambda: Worked(Totals()))
    messages: int = 0
    last_id: str | None = None
    last_index: int = 0
    session: Session | None = None
    elements: KnownElements | None = None
    notes: Notes = field(default_factory=Notes)
    later: int = 0


class RunReader(SessionReader, AheadEvents):
    """A `SessionReader` that takes events of `json.ahead.AheadStream`, too."""

    _worked: Worked | None = None

    def take(self) -> Batch | None:
        """Return what was read since the last time; None if that is nothing."""
        if self._worked is None:
            return super().take()
        batch, self._worked = Batch([], [], worked=self._worked), None
        return batch

    def known_id(self) -> str | None:
        """Return the id of the session being read; None before it was read, or looked for by the first message."""
        return None if self.session is None else self.session.id

    def done(self, run: Done) -> None:
        """Take messages or sessions that were read elsewhere; all that came before them has been taken."""
        worked = self._worked = run.worked
        worked.first = self.index
        self.accepted += run.messages
        self.notes.merge(run.notes)
        self.last_id = run.last_id
        if run.session is None:
            self.index += run.messages
            if self.watch_repeats:
                self.notes.repeated_ids += len(self._ids.find_short(worked.ids))
        else:
            self.session, self.index, self.within = run.session, run.last_index, False
            self._keys = SessionKeys(self.session)
            self.number += worked.sessions
            self.complete += worked.sessions
