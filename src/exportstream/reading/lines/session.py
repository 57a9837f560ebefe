"""The part of a log reader that knows the records of a program: it turns those of one session into rows."""

from __future__ import annotations

from abc import ABC, abstractmethod

from exportstream.errors import LimitError
from exportstream.models.structs import Message, Session


class LogSession(ABC):
    """One session of a log, whose records become rows.

    Attributes:
        session: what is known of it.
        rows: its complete rows that were not taken yet.
        positions: where each of them begins: the first byte of its first line; None where that is not known.
        line: the position of the line that is being read.
        held: bytes of what is not complete.
        index: how many rows it has so far.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.rows: list[Message] = []
        self.positions: list[int | None] = []
        self.line: int | None = None
        self.held = self.index = 0

    @abstractmethod
    def finish(self) -> Session:
        """Complete the session."""

    def add_row(self, row: Message, line: int | None) -> None:
        """Add a complete row, with what no record says of itself."""
        row.session_id = self.session.id or ""
        row.index = self.index
        row.producer = self.session.producer
        self.index += 1
        self.rows.append(row)
        self.positions.append(line)


def require_room(session: LogSession | None, limit: int) -> None:
    """Raise `LimitError` if what is not complete of a session, which is a response, has more bytes than `limit`."""
    if session is not None and session.held > limit:
        raise LimitError(
            f"expected responses of at most {limit:,} bytes, got a longer one",
            hint="allow more with `max_message_size` (memory grows with the largest response)",
        )
