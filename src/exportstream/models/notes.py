"""Notes of what reading noticed, dropped and refused: `Notes`, `Duplicates` and `Reject`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from msgspec import Struct, field

from exportstream.models.sums import Sums

MAX_KINDS = 100
OTHER_KINDS = "other"


class Records(Sums):
    """Records of one kind that become no row.

    Attributes:
        count: how many there are.
        bytes: their size in the input.
    """

    count: int = 0
    bytes: int = 0


def add_sizes(counted: dict[str | None, Records], sizes_of: Mapping[str | None, list[int]]) -> None:
    """Add records to those that were counted, by the sizes of each kind."""
    for kind, sizes in sizes_of.items():
        counted.setdefault(kind, Records()).merge(Records(len(sizes), sum(sizes)))


class Notes(Sums):
    """Counts of things that reading noticed and that are not errors.

    Attributes:
        null_dates: messages whose createdAt or updatedAt is null.
        replaced_surrogates: halves of surrogate pairs that became U+FFFD.
        repeated_ids: messages whose id was seen before in their session (at least: the last few thousand are remembered);
            0 with `dedupe`, which counts them in `Duplicates`.
        rejected: messages that were refused and skipped.
        damaged: stretches of bytes that are not JSON, or where the input is cut; they were skipped.
        damaged_bytes: how many bytes they have.
        doubtful: inputs (of a log each of its files) whose compressed data is damaged, or checksum differs: any of their
            messages may be wrong.
        grown: logs that grew while they were read; they were read up to the size they had when they were opened.
        torn: bytes of last lines that were not complete, in logs that a program may still write to.
        without_usage: messages of producers that state neither tokens nor costs, such as ChatGPT.
        records: records of logs that become no row, by kind.
    """

    null_dates: int = 0
    replaced_surrogates: int = 0
    repeated_ids: int = 0
    rejected: int = 0
    damaged: int = 0
    damaged_bytes: int = 0
    doubtful: int = 0
    grown: int = 0
    torn: int = 0
    without_usage: int = 0
    records: dict[str, Records] = field(default_factory=dict)

    def add_records(self, kind: str, records: Records) -> None:
        """Add records that become no row; of more than 100 kinds the rest is counted as ``other``."""
        if kind not in self.records and len(self.records) >= MAX_KINDS:
            kind = OTHER_KINDS
        self.records.setdefault(kind, Records()).merge(records)

    def merge(self, other: Self) -> None:
        """Add the counts of other inputs."""
        super().merge(other)
        for kind, records in other.records.items():
            self.add_records(kind, records)


class Duplicates(Sums):
    """Counts of what `dedupe` dropped, since it had come before.

    Attributes:
        messages: messages whose session id and message id came before.
        sessions: sessions whose id came before. Those of their messages that are new are not dropped.
    """

    messages: int = 0
    sessions: int = 0


class Reject(Struct):
    """A message that was refused, or bytes that are damaged: where it stood, why, and what it was.

    Attributes:
        source, session_id, index: its place; `position` its first byte in the decompressed input, if known.
        conversation_position: of a message of a chat: the first byte of its conversation.
        path: JSON path of the offending value within the message.
        reason: what was expected and what was found.
        message: the JSON value (numbers int or Decimal); `raw` its bytes, if known.
        damaged: whether it is `raw` that is damaged, and there is no message. A long stretch comes in pieces of 64 KiB.
        producer: the program whose log it is a line of; None for exports.
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
    producer: str | None = None
    conversation_position: int | None = None
