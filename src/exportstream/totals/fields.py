"""Fields: how many bytes each part of a message takes.

Takes: a `Message`. Yields: names and sizes. Raises: nothing. Holds: one value as JSON.

A text has the bytes of its UTF-8, any other value those of its compact JSON, as in the rows of `convert`. Ids, dates and
numbers are small, and left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from exportstream.models.names import CAMEL_NAMES
from exportstream.models.structs import Message, ToolCall

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
