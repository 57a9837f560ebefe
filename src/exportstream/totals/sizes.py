"""Sizes: how many bytes each field of a message takes, and which messages are the largest.

Takes: messages, and batches of them. Yields: names and sizes; the largest are known by their places alone. Raises: nothing.
Holds: one value as JSON, and as many places as are asked for.

A text has the bytes of its UTF-8, any other value those of its compact JSON, as in the rows of `convert`. Ids, dates and
numbers are small, and left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nsmallest
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct, field

from exportstream.models.names import CAMEL_NAMES
from exportstream.models.structs import Message, ToolCall
from exportstream.totals.figures import Cost
from exportstream.totals.group_keys import Columns

_TEXTS = ("content", "reasoning")
_VALUES = ("thinking_blocks", "redacted_thinking_blocks", "attachments")
_TEXTS_OF_CALL = ("input", "metadata")
_VALUES_OF_CALL = ("input_json", "screenshot_urls")
_CALLS = "toolCalls."
RESULT = f"{_CALLS}result"
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Part(NamedTuple):
    """A field of a message.

    Attributes:
        name: as in rows; ``toolCalls.NAME`` for one of a call, and ``extra.KEY`` for an unknown key.
        tool: the name of the tool, for one of a call.
        bytes: its size.
    """

    name: str
    tool: str | None
    bytes: int


def parts_of(message: Message) -> Iterator[Part]:
    """Yield the fields that a message has."""
    yield from _parts(message, _TEXTS, _VALUES, CAMEL_NAMES[Message], "", None)
    for call in message.tool_calls or ():
        yield from _parts(call, _TEXTS_OF_CALL, _VALUES_OF_CALL, CAMEL_NAMES[ToolCall], _CALLS, call.name)
        if call.result is not None:
            yield Part(RESULT, call.name, utf8_size(call.result))


def size_of(message: Message) -> int:
    """Return the bytes of all of its fields."""
    return sum([part.bytes for part in parts_of(message)])


def utf8_size(text: str) -> int:
    """Return the bytes of a text."""
    return len(text) if text.isascii() else len(text.encode())


def _parts(
    item: Any, texts: tuple[str, ...], values: tuple[str, ...], names: dict[str, str], prefix: str, tool: str | None
) -> Iterator[Part]:
    for name in texts:
        if (text := getattr(item, name)) is not None:
            yield Part(prefix + names[name], tool, utf8_size(text))
    for name in values:
        if (value := getattr(item, name)) is not None:
            yield Part(prefix + names[name], tool, len(_ENCODER.encode(value)))
    for key, value in (item.extra or {}).items():
        yield Part(f"{prefix}extra.{key}", tool, len(_ENCODER.encode(value)))


class Place(Struct, frozen=True, order=True):
    """A message: the largest comes first, then they are ordered by their place.

    Attributes:
        less_bytes: its size in bytes, negative.
        source: name of the input.
        session_id: of its session.
        index: its `messageIndex`.
        position: byte of the input, decompressed, where it begins; -1 where that is not known.
    """

    less_bytes: int
    source: str
    session_id: str
    index: int
    position: int


class Largest(Struct):
    """The largest messages, and how many there are in all: a table beside those of `groups`, with the same methods.

    Attributes:
        top: how many to keep.
        places: those, the largest first.
        messages: all of them.
        bytes: of all of them.
    """

    top: int
    places: list[Place] = field(default_factory=list)
    messages: int = 0
    bytes: int = 0

    def add(self, columns: Columns) -> None:
        """Add messages of an input."""
        batch, source = columns.batch, columns.source
        sizes = [size_of(message) for message in batch.messages]
        self.messages += len(sizes)
        self.bytes += sum(sizes)
        least = -self.places[-1].less_bytes if len(self.places) == self.top else 0
        positions = batch.positions or [None] * len(sizes)
        more = [
            Place(-size, source, one.session_id, one.index, -1 if position is None else position)
            for size, one, position in zip(sizes, batch.messages, positions, strict=True)
            if size >= least
        ]
        self._keep(more)

    def merge(self, other: Largest) -> None:
        """Add those of another input."""
        self.messages += other.messages
        self.bytes += other.bytes
        self._keep(other.places)

    def merge_part(self, other: Largest) -> None:
        """Add those of messages that come next."""
        self.merge(other)

    def costs(self) -> list[list[Cost]]:
        """Return nothing: sizes can always be added."""
        return []

    def close(self, project: str | None) -> None:
        """End the input; no message waits for its project."""

    def _keep(self, more: list[Place]) -> None:
        if more:
            self.places = nsmallest(self.top, [*self.places, *more])
