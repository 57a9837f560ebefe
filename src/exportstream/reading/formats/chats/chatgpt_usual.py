"""Usual messages of ChatGPT as structs: the same rows in half the time.

Takes: structs that were decoded. Returns: rows. A message that the structs refuse is read by `chatgpt_message`.
Raises: what that raises. Holds: nothing.
"""

from __future__ import annotations

from gc import is_tracked
from typing import Any

from msgspec import Raw, Struct

from exportstream.models.structs import Message
from exportstream.reading.formats.chats.chatgpt_content import Content, plain_text, read_content
from exportstream.reading.formats.chats.chatgpt_message import ASSISTANT, MODEL_FROM, add_content, add_finish
from exportstream.reading.formats.chats.tree import NULL, shape_of
from exportstream.reading.formats.chats.values import PLAIN, expected, kept, time_of, time_of_raw

_HOLDERS = (dict, list)


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


USUAL = shape_of(UsualMessage)


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
