"""Which messages and sessions have come before, for totals that count each of them once.

Takes: messages and sessions. Returns: those that are new. Raises: nothing. Holds: 16 bytes of digest for each.
"""

from __future__ import annotations

from exportstream.models.structs import Message, Session


class Dedupe:
    """Remembers which messages and sessions have been counted. Memory grows with their number: 16 bytes of digest each."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def new_messages(self, messages: list[Message]) -> list[Message]:
        """Those whose session and message id have not come before."""
        return [message for message in messages if self._is_new("message", message.session_id, message.id)]

    def is_new(self, session: Session) -> bool:
        """Whether no session of this id has come before."""
        return self._is_new("session", session.id or "")

    def _is_new(self, *parts: str) -> bool:
        from hashlib import blake2b  # noqa: PLC0415 - few ask for it, and it slows the command's start

        digest = blake2b("\0".join(f"{len(part)}:{part}" for part in parts).encode(), digest_size=16).digest()
        if digest in self._seen:
            return False
        self._seen.add(digest)
        return True
