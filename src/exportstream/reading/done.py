"""What came of a run that was read apart from the rest of its input; see `reading.run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from exportstream.models.notes import Notes
from exportstream.models.structs import Session
from exportstream.totals.batch import Worked
from exportstream.totals.sums import Totals

if TYPE_CHECKING:
    from exportstream.reading.json.next_element import KnownElements


class Done(Struct):
    """What was read of a run.

    Attributes:
        end: the position at which reading goes on: the beginning of the run if nothing was taken.
        worked: what came of it.
        messages: how many there are.
        last_id: id of the last message.
        last_index: how many messages the last session has; only for whole sessions.
        session: the last of them.
        elements: what is known of its objects, if chats are searched for after damage.
        notes: what was noticed, without repeated ids of messages of one session.
    """

    end: int
    worked: Worked = field(default_factory=lambda: Worked(Totals()))
    messages: int = 0
    last_id: str | None = None
    last_index: int = 0
    session: Session | None = None
    elements: KnownElements | None = None
    notes: Notes = field(default_factory=Notes)
