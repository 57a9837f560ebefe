"""The part of a log reader that knows the records of a program: it turns those of one session into rows."""

from __future__ import annotations

from typing import Protocol

from exportstream.errors import LimitError
from exportstream.models.structs import Message, Session


class LogSession(Protocol):
    """One session of a log, whose records become rows.

    Attributes:
        session: what is known of it.
        rows: its complete rows that were not taken yet.
        positions: where each of them begins: the first byte of its first line; None where that is not known.
        line: the position of the line that is being read.
        held: bytes of what is not complete.
        index: how many rows it has so far.
    """

    session: Session
    rows: list[Message]
    positions: list[int | None]
    line: int | None
    held: int
    index: int

    def finish(self) -> Session:
        """Complete the session."""


def require_room(session: LogSession | None, limit: int) -> None:
    """Raise `LimitError` if what is not complete of a session, which is a response, has more bytes than `limit`."""
    if session is not None and session.held > limit:
        raise LimitError(
            f"expected responses of at most {limit:,} bytes, got a longer one",
            hint="allow more with `max_message_size` (memory grows with the largest response)",
        )
