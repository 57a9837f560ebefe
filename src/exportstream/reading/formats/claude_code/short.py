"""Records of which only figures are wanted: what totals need, and texts of the model.

Takes: lines. Returns: structs with the few fields that a sum needs, of the usual types; every other line is refused, and has
to be read in full. Raises: msgspec's errors. Holds: nothing.

A short record gives the same figures as the whole one, in half the time. The tests compare both ways.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from exportstream.reading.formats.content import Block

Figure = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Caches(Struct, gc=False):
    """Tokens that caches keep for a time."""

    ephemeral_1h_input_tokens: Figure | None = None


class ShortUsage(Struct, gc=False):
    """The tokens of a response so far."""

    input_tokens: Figure | None = None
    output_tokens: Figure | None = None
    cache_creation_input_tokens: Figure | None = None
    cache_read_input_tokens: Figure | None = None
    cache_creation: Caches | None = None
    iterations: Any = None


class ShortMessage(Struct, gc=False):
    """A message, or a part of a response."""

    id: str | None = None
    role: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    content: str | list[Block] | None = None
    usage: ShortUsage | None = None


class ShortLine(Struct, gc=False):
    """A record, and what tells that it has no other figures. Fields in the order of the file are found faster."""

    parent: str | None = field(default=None, name="parentUuid")
    is_side: bool | None = field(default=None, name="isSidechain")
    agent: str | None = field(default=None, name="agentId")
    cwd: Any = None
    session: str | None = field(default=None, name="sessionId")
    type: str | None = None
    message: ShortMessage | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    uuid: str | None = None
    timestamp: str | None = None
    subtype: Any = None
    content: Raw | UnsetType = UNSET
    cost: Raw | UnsetType = field(default=UNSET, name="costUSD")
    fork: Raw | UnsetType = field(default=UNSET, name="forkedFrom")


class ShortEmbedded(Struct, gc=False):
    """A message of a sub-agent that a progress record embeds."""

    type: str | None = None
    message: ShortMessage | None = None
    uuid: str | None = None
    timestamp: str | None = None
    cost: Raw | UnsetType = field(default=UNSET, name="costUSD")


class ShortProgress(Struct, gc=False):
    """The data of a progress record."""

    message: ShortEmbedded | None = None
    type: str | None = None
    agent: str | None = field(default=None, name="agentId")
