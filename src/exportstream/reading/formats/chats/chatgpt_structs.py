"""Usual conversations of ChatGPT as structs, in about half of the time that JSON values take.

Takes: the bytes of a conversation, and a `Shape`. Returns: a `StructConversation`, or None for a conversation that is not
usual, which is decoded to a JSON value then. Raises: nothing.
Holds: the bytes of the conversation; of the messages of a large one, one is decoded at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw, Struct

from exportstream.models.structs import Message
from exportstream.reading.formats.chats.tree import NULL, Node
from exportstream.reading.json.beyond_msgspec import is_usual
from exportstream.reading.json.decoder import REFUSALS
from exportstream.reading.json.elements import decode_any

_SMALL = 1 << 20  # bytes of a conversation whose messages are decoded all at once
_KEYS = msgspec.json.Decoder(dict[str, Raw])
_NODES = msgspec.json.Decoder(dict[str, Node])


class Shape:
    """What messages are decoded to.

    Args:
        message: a struct; it has the fields ``id``, ``author.role``, ``content`` and ``recipient``.
        read: makes the row of one. It takes the struct, the key of its node, the model of the conversation, and a list, to
            which it adds values that may have many levels. It returns None where the message has to be read as a JSON value.
    """

    def __init__(self, message: Any, read: Callable[[Any, str, str | None, list[Any]], Message | None]) -> None:
        self.message = message
        self.read = read
        node: Any = msgspec.defstruct(
            "Node",
            [
                ("id", str | None, None),
                ("message", message | None, None),
                ("parent", str | None, None),
                ("children", list[str] | None, None),
            ],
            gc=False,
            forbid_unknown_fields=True,
        )
        self._nodes: Any = msgspec.json.Decoder(dict[str, node], float_hook=Decimal)
        self._message: Any = msgspec.json.Decoder(message | None, float_hook=Decimal)

    def decode_nodes(self, mapping: Raw, *, at_once: bool) -> dict[str, Any]:
        """Decode nodes; their messages are structs if they are decoded at once and none is refused, else they are bytes."""
        if at_once:
            with suppress(*REFUSALS):
                return self._nodes.decode(mapping)  # type: ignore[no-any-return]
        return _NODES.decode(mapping)

    def decode_message(self, data: Raw) -> Any:
        """Decode a message: to a struct, or to a value if it is not usual; None for null."""
        try:
            return self._message.decode(data)
        except REFUSALS:
            return decode_any(data)


class StructConversation(Struct, gc=False):
    """A conversation whose nodes are usual.

    Attributes:
        data: its bytes.
        keys: its keys without the nodes.
        nodes: by their keys; the messages are structs, or still bytes.
        shape: of the messages.
    """

    data: bytes
    keys: dict[str, Any]
    nodes: dict[str, Any]
    shape: Shape


def decode_usual(data: memoryview | bytes, shape: Shape) -> StructConversation | None:
    """Decode a conversation, a JSON object; None if it is not usual."""
    held = bytes(data)
    if not is_usual(held):
        return None
    try:
        given = _KEYS.decode(held)
        nodes = shape.decode_nodes(given.pop("mapping", NULL), at_once=len(held) <= _SMALL)
    except REFUSALS:
        return None
    if not _are_linked(nodes):
        return None
    values = decode_any(b"[%b]" % b",".join(given.values()))  # all in one call
    return StructConversation(held, dict(zip(given, values, strict=True)), nodes, shape)


def _are_linked(nodes: dict[str, Any]) -> bool:
    """Whether all links of nodes lead to others, and their ids are their keys."""
    for key, node in nodes.items():
        if node.id != key and node.id is not None:
            return False
        if node.parent is not None and node.parent not in nodes:
            return False
        for child in node.children or ():
            if child not in nodes:
                return False
    return True
