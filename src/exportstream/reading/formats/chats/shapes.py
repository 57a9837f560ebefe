"""Decodes usual conversations to structs, in about half of the time that JSON values take.

Takes: the bytes of a conversation. Returns: an `Opened`, or None for a conversation that is not usual, which is decoded to a
JSON value then. Raises: nothing.
Holds: the bytes of the conversation; of the messages of a large one, one is decoded at a time.

What a struct does not name, it passes over or refuses. Where it passes over, values that may have too many levels are not
decoded to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct
from msgspec.structs import astuple

from exportstream.errors import InvalidMessageError
from exportstream.models.structs import Message
from exportstream.reading.formats.chats import Refused
from exportstream.reading.formats.chats.reader import held_by
from exportstream.reading.formats.chats.values import usual_first
from exportstream.reading.json.beyond_msgspec import is_usual, may_be_deep
from exportstream.reading.json.decoder import REFUSALS, decode_any
from exportstream.reading.limits import MAX_DEPTH

_SMALL = 1 << 20  # bytes of a conversation whose messages are decoded all at once
_KEYS = msgspec.json.Decoder(dict[str, Raw])
_PARTS = msgspec.json.Decoder(dict[str, Raw] | list[Raw])
_NULL = Raw(b"null")


class Shape:
    """What the messages of a conversation are decoded to.

    Args:
        key: of a conversation, whose value has the messages.
        names: of the other keys of a usual conversation. One that has no others is decoded in one call.
        all_of: the type of that value, with a struct for each message.
        each_of: the same, with the bytes of each message.
        one: the type of a message.
        passes_over: whether the structs pass over what they don't name.
        reads_all: whether no byte of a conversation is passed over unseen: msgspec decodes every value, and who opens
            conversations looks at those that it does not decode.
    """

    def __init__(
        self,
        key: str,
        names: Sequence[str],
        all_of: Any,
        each_of: Any,
        one: Any,
        *,
        passes_over: bool = False,
        reads_all: bool = False,
    ) -> None:
        self.key = key
        self.passes_over = passes_over
        self.names = names
        self._reads_all = reads_all
        fields: list[Any] = [(key, all_of), *((name, Any, UNSET) for name in names)]
        whole = msgspec.defstruct("Whole", fields, gc=False, forbid_unknown_fields=True)
        self._whole: Any = msgspec.json.Decoder(whole, float_hook=Decimal)
        self._all: Any = msgspec.json.Decoder(all_of, float_hook=Decimal)
        self._each: Any = msgspec.json.Decoder(each_of)
        self._one: Any = msgspec.json.Decoder(one, float_hook=Decimal)

    def open(self, data: memoryview | bytes) -> Opened | None:
        """Decode a conversation, a JSON object; None if it is not usual."""
        held = bytes(data)
        if not self._reads_all and not is_usual(held):
            return None
        if len(held) <= _SMALL and not (self.passes_over and may_be_deep(held)):
            with suppress(*REFUSALS):
                found = self._whole.decode(held)
                messages, *others = astuple(found)
                keys = {name: value for name, value in zip(self.names, others, strict=True) if value is not UNSET}
                return Opened(held, keys, messages, self)
        if self._reads_all and not is_usual(held):
            return None
        try:
            given = _KEYS.decode(held)
            messages = self._decode_messages(given.pop(self.key, _NULL), held)
        except REFUSALS:
            return None
        values = decode_any(b"[%b]" % b",".join(given.values()))  # all in one call
        keys = usual_first(dict(zip(given, values, strict=True)), self.names)
        return Opened(held, keys, messages, self)

    def _decode_messages(self, messages: Raw, held: bytes) -> Any:
        if len(held) <= _SMALL and not (self.passes_over and may_be_deep(held) and _any_may_be_deep(messages)):
            with suppress(*REFUSALS):
                return self._all.decode(messages)
        return self._each.decode(messages)

    def decode_message(self, data: Raw) -> Any:
        """Decode a message: to a struct, or to a value if it is not usual."""
        if self.passes_over and _may_be_deep(data):
            return decode_any(data)
        try:
            return self._one.decode(data)
        except REFUSALS:
            return decode_any(data)


ReadsStruct = Callable[[Any, list[Any]], Message | None]
ReadsValue = Callable[[Any], Message]


class Opened(Struct, gc=False):
    """A conversation that is usual.

    Attributes:
        data: its bytes.
        keys: its keys without the messages; those with a name in the shape come first, in its order.
        messages: they are structs, or still bytes.
        shape: of the messages.
        values: the messages as JSON values, where they were needed.
        deep: values of rows that may have many levels, as of a `Conversation`.
    """

    data: bytes
    keys: dict[str, Any]
    messages: Any
    shape: Shape
    values: Any = None
    deep: list[Any] = []

    def value(self, key: Any) -> Any:
        """The JSON value of what `messages` has at a key or index."""
        found = self.messages[key]
        if found.__class__ is Raw:
            return decode_any(found)
        if self.values is None:
            self.values = decode_any(self.data)[self.shape.key]
        return self.values[key]

    def rows(self, read: ReadsStruct, read_value: ReadsValue) -> Iterator[Message | Refused]:
        """Make the rows of an array of messages.

        Args:
            read: makes the row of a struct, and adds to `deep`; None if it has to be read as a value.
            read_value: makes the row of a JSON value; raises `InvalidMessageError`.
        """
        shape, deep = self.shape, self.deep
        for index, message in enumerate(self.messages):
            found = shape.decode_message(message) if message.__class__ is Raw else message
            if isinstance(found, Struct):
                if (row := read(found, deep)) is not None:
                    yield row
                    continue
                found = self.value(index)
            try:
                row = read_value(found)
            except InvalidMessageError as error:
                yield Refused(error, found)
            else:
                deep += held_by(row)
                yield row


def _any_may_be_deep(messages: Raw) -> bool:
    parts = _PARTS.decode(messages)
    return any(map(_may_be_deep, parts.values() if isinstance(parts, dict) else parts))


def _may_be_deep(data: Raw) -> bool:
    return len(data) > 2 * MAX_DEPTH and may_be_deep(bytes(data))


def rows_of(messages: list[Any], read_value: ReadsValue) -> Iterator[Message | Refused]:
    """Make the rows of messages that are JSON values."""
    for message in messages:
        try:
            yield read_value(message)
        except InvalidMessageError as error:
            yield Refused(error, message)
