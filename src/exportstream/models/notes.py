"""Notes of what reading noticed, and messages that it refused: `Notes` and `Reject`."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Notes(Struct, rename="camel"):
    """Counts of things that reading noticed and that are not errors.

    Attributes:
        null_dates: messages whose createdAt or updatedAt is null.
        replaced_surrogates: halves of surrogate pairs that became U+FFFD.
        repeated_ids: messages whose id was seen before in their session (at least: the last few thousand are remembered).
        rejected: messages that were refused and skipped.
        damaged: stretches of bytes that are not JSON, or where the input is cut; they were skipped.
        damaged_bytes: how many bytes they have.
    """

    null_dates: int = 0
    replaced_surrogates: int = 0
    repeated_ids: int = 0
    rejected: int = 0
    damaged: int = 0
    damaged_bytes: int = 0

    def merge(self, other: Notes) -> None:
        """Add the counts of other inputs."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Reject(Struct):
    """A message that was refused, or bytes that are damaged: where it stood, why, and what it was.

    Attributes:
        source, session_id, index: its place; `position` its first byte in the decompressed input, if known.
        path: JSON path of the offending value within the message.
        reason: what was expected and what was found.
        message: the JSON value (numbers int or Decimal); `raw` its bytes, if known.
        damaged: whether it is `raw` that is damaged, and there is no message. A long stretch comes in pieces of 64 KiB.
    """

    source: str | None
    session_id: str | None
    index: int | None
    position: int | None
    path: str | None
    reason: str
    message: Any
    raw: bytes | None = None
    damaged: bool = False
