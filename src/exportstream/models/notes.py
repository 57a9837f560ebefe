"""Notes of what reading noticed, dropped and refused: `Notes`, `Duplicates` and `Reject`."""

from __future__ import annotations

from typing import Any, Self

from msgspec import Struct


class _Counters(Struct, rename="camel"):
    """Numbers, which can be added to those of another struct of the same kind."""

    def merge(self, other: Self) -> None:
        """Add the counts of other inputs."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Notes(_Counters):
    """Counts of things that reading noticed and that are not errors.

    Attributes:
        null_dates: messages whose createdAt or updatedAt is null.
        replaced_surrogates: halves of surrogate pairs that became U+FFFD.
        repeated_ids: messages whose id was seen before in their session (at least: the last few thousand are remembered);
            0 with `dedupe`, which counts them in `Duplicates`.
        rejected: messages that were refused and skipped.
    """

    null_dates: int = 0
    replaced_surrogates: int = 0
    repeated_ids: int = 0
    rejected: int = 0


class Duplicates(_Counters):
    """Counts of what `dedupe` dropped, since it had come before.

    Attributes:
        messages: messages whose session id and message id came before.
        sessions: sessions whose id came before. Those of their messages that are new are not dropped.
    """

    messages: int = 0
    sessions: int = 0


class Reject(Struct):
    """A message that was refused: where it stood, why, and what it was.

    Attributes:
        source, session_id, index: its place; `position` its first byte in the decompressed input, if known.
        path: JSON path of the offending value within the message.
        reason: what was expected and what was found.
        message: the JSON value (numbers int or Decimal); `raw` its bytes, if known.
    """

    source: str | None
    session_id: str | None
    index: int
    position: int | None
    path: str | None
    reason: str
    message: Any
    raw: bytes | None = None
