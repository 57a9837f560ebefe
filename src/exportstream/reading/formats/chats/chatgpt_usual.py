"""Usual conversations and messages of ChatGPT, as structs: the same rows in half the time.

Takes: the bytes of a conversation, then those of each of its messages. Returns: structs, and rows. A conversation or message
that the structs refuse is decoded to a JSON value, and read by `chatgpt_message`. Raises: what that raises.
Holds: the bytes of the conversation; of the messages of a large one, one is decoded at a time.

Where only figures are wanted, rows are made without what no sum needs.
"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from gc import is_tracked
from typing import Any

import msgspec
from msgspec import Raw, Struct

from exportstream.models.structs import Message
from exportstream.reading.formats.chats.chatgpt_content import Content, plain_text, read_content
from exportstream.reading.formats.chats.chatgpt_message import ASSISTANT, MODEL_FROM, add_content, add_finish
from exportstream.reading.formats.chats.tree import NULL, Node
from exportstream.reading.formats.chats.values import PLAIN, expected, kept, list_of, time_of, time_of_raw
from exportstream.reading.json.beyond_msgspec import is_usual
from exportstream.reading.json.decoder import REFUSALS
from exportstream.reading.json.elements import decode_any


class _Author(Struct, gc=False, forbid_unknown_fields=True):
    role: str
    name: str | None = None
    metadata: Any = None


class UsualMessage(Struct, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A message with all its keys."""

    id: str | None = None
    author: _Author
    create_time: Raw = NULL
    update_time: Any = None
    content: Any = None
    status: str | None = None
    end_turn: bool | None = None
    weight: Any = None
    metadata: dict[str, Any] | None = None
    recipient: str | None = None
    channel: str | None = None


class _UsualNode(Struct, gc=False, forbid_unknown_fields=True):
    id: str | None = None
    message: UsualMessage | None = None
    parent: str | None = None
    children: list[str] | None = None


_SMALL = 1 << 20  # bytes of a conversation whose messages are decoded all at once
_HOLDERS = (dict, list)
_KEYS = msgspec.json.Decoder(dict[str, Raw])
_NODES = msgspec.json.Decoder(dict[str, Node])
_USUAL_NODES = msgspec.json.Decoder(dict[str, _UsualNode], float_hook=Decimal)
_USUAL = msgspec.json.Decoder(UsualMessage | None, float_hook=Decimal)


class UsualConversation(Struct, gc=False):
    """A conversation whose nodes are usual.

    Attributes:
        data: its bytes.
        keys: its keys without the nodes.
        nodes: by their keys; the messages are structs, or still bytes.
    """

    data: bytes
    keys: dict[str, Any]
    nodes: dict[str, Any]


def decode_usual(data: memoryview | bytes) -> UsualConversation | None:
    """Decode a conversation, a JSON object; None if it is not usual."""
    held = bytes(data)
    if not is_usual(held):
        return None
    try:
        given = _KEYS.decode(held)
        nodes = _decode_nodes(given.pop("mapping", NULL), at_once=len(held) <= _SMALL)
    except REFUSALS:
        return None
    if not _are_linked(nodes):
        return None
    return UsualConversation(held, {key: decode_any(value) for key, value in given.items()}, nodes)


def _decode_nodes(mapping: Raw, *, at_once: bool) -> dict[str, Any]:
    if at_once:
        with suppress(*REFUSALS):
            return _USUAL_NODES.decode(mapping)
    return _NODES.decode(mapping)


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


def decode_message(data: Raw) -> Any:
    """Decode a message: to a struct, or to a value if it is not usual; None for null."""
    try:
        return _USUAL.decode(data)
    except REFUSALS:
        return decode_any(data)


def read_usual(message: UsualMessage, key: str, default_model: str | None, deep: list[Any]) -> Message:
    """Make the row of a message.

    Args:
        message: the struct; its metadata loses what has a column.
        key: of its node.
        default_model: of the conversation.
        deep: gets values of the row that may have many levels, within as many lists as they are below it.
    """
    text, found = plain_text(message.content), None
    if text is None:
        found = read_content(message.content)
        text = found.text
    extra: dict[str, Any] = {}
    if message.status is not None:
        extra["status"] = message.status
    if message.end_turn is not None:
        extra["end_turn"] = message.end_turn
    if (weight := message.weight) or weight.__class__ in PLAIN:
        extra["weight"] = weight
    if message.recipient is not None:
        extra["recipient"] = message.recipient
    if message.channel is not None:
        extra["channel"] = message.channel
    author, more = message.author, None
    if author.name is not None or author.metadata or author.metadata.__class__ in PLAIN:
        extra["author"] = more = kept({"name": author.name, "metadata": author.metadata}, ())
    model = files = None
    if more or weight.__class__ in _HOLDERS:
        deep.append(extra)
    row = Message(
        session_id="",  # without it, msgspec calls what makes the default
        id=message.id or key,
        role=author.role,
        content=text,
        created_at=time_of_raw(message.create_time, "$.create_time"),
        updated_at=None if message.update_time is None else time_of(message.update_time, "$.update_time"),
        extra=extra,
    )
    if metadata := message.metadata:
        model = metadata.pop("model_slug", None)
        finish = metadata.pop("finish_details", None)
        files = metadata.pop("attachments", None)
        if model.__class__ is not str and model is not None:
            raise expected("string", model, "$.metadata.model_slug")
        more = {name: item for name, item in metadata.items() if item or item.__class__ in PLAIN}
        if is_tracked(more):
            deep.append([more])
        if finish is not None:
            add_finish(row, finish, more)
            deep.append([[finish]])
        if more:
            extra["metadata"] = more
    if found is not None or files is not None:
        add_content(row, found or Content(), files, extra)
        deep += [[extra.get("content")], row.attachments]
    if model is None and author.role == ASSISTANT and default_model is not None:
        model = default_model
        extra |= MODEL_FROM
    row.model = model
    if not extra:
        row.extra = None
    return row


def read_figures(message: UsualMessage, key: str, default_model: str | None, deep: list[Any]) -> Message:
    """Make the row of a message as `read_usual` does, with its figures, names and content only."""
    text, role = plain_text(message.content), message.author.role
    if text is None:
        text = read_content(message.content).text
        deep.append([message.content])
    created = time_of_raw(message.create_time, "$.create_time")
    updated = None if message.update_time is None else time_of(message.update_time, "$.update_time")
    model = reason = None
    if metadata := message.metadata:
        model, finish = metadata.get("model_slug"), metadata.get("finish_details")
        if model.__class__ is not str and model is not None:
            raise expected("string", model, "$.metadata.model_slug")
        if finish.__class__ is dict:
            reason = finish.get("type")
        list_of(metadata.get("attachments"), "$.metadata.attachments")
        if is_tracked(metadata):
            deep.append([metadata])
    if message.author.metadata or message.weight.__class__ in _HOLDERS:
        deep.append([[message.author.metadata], message.weight])
    return Message(
        session_id="",
        id=message.id or key,
        role=role,
        content=text,
        model=default_model if model is None and role == ASSISTANT else model,
        finish_reason=reason if reason.__class__ is str else None,
        created_at=created,
        updated_at=updated,
    )
