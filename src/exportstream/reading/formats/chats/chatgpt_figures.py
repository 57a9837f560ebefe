"""Messages of ChatGPT of which only figures are wanted, as structs with what a sum needs.

Takes: the bytes of a message. Returns: a struct, then its row. What the structs refuse is read as a JSON value, by
`chatgpt_message`. Raises: what that raises. Holds: nothing.
"""

from __future__ import annotations

from gc import is_tracked
from typing import Any

import msgspec
from msgspec import Raw, Struct

from exportstream.models.structs import Message
from exportstream.reading.formats.chats.chatgpt_content import plain_text, read_content
from exportstream.reading.formats.chats.chatgpt_message import ASSISTANT
from exportstream.reading.formats.chats.chatgpt_structs import Shape
from exportstream.reading.formats.chats.tree import NULL
from exportstream.reading.formats.chats.values import time_of_raw
from exportstream.reading.json.beyond_msgspec import may_be_deep
from exportstream.reading.json.decoder import REFUSALS
from exportstream.reading.limits import MAX_DEPTH

_EMPTY = len("null")  # an object of so many bytes has no keys


class _Author(Struct, gc=False, forbid_unknown_fields=True):
    role: str
    name: str | None = None
    metadata: dict[str, str | float | bool | None] | None = None


class FigureMessage(Struct, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A message. Its metadata is looked into by itself, since it may go as deep as any value."""

    id: str | None = None
    author: _Author
    create_time: Raw = NULL
    update_time: str | float | None = None
    content: Any = None
    status: str | None = None
    end_turn: bool | None = None
    weight: float | None = None
    metadata: Raw = NULL
    recipient: str | None = None
    channel: str | None = None


class _Finish(Struct, gc=False):
    type: str | None = None


class _Metadata(Struct, gc=False):
    model_slug: str | None = None
    finish_details: _Finish | None = None
    attachments: list[Raw] | None = None


_METADATA = msgspec.json.Decoder(_Metadata)


def read_figures(message: FigureMessage, key: str, default_model: str | None, deep: list[Any]) -> Message | None:
    """Make the row of a message as `read_usual` does, with its figures, names and content only.

    Returns:
        None if the metadata is odd: then the message has to be read as a value.
    """
    model = reason = None
    if len(metadata := message.metadata) > _EMPTY:
        try:
            found = None if _may_be_deep(metadata) else _METADATA.decode(metadata)
        except REFUSALS:
            return None
        if found is None:
            return None
        model = found.model_slug
        reason = None if found.finish_details is None else found.finish_details.type
    text, role = plain_text(message.content), message.author.role
    if text is None:
        text = read_content(message.content).text
        if is_tracked(message.content):
            deep.append([message.content])
    return Message(
        session_id="",
        id=message.id or key,
        role=role,
        content=text,
        model=default_model if model is None and role == ASSISTANT else model,
        finish_reason=reason,
        created_at=time_of_raw(message.create_time, "$.create_time"),
        updated_at=None,
    )


def _may_be_deep(data: Raw) -> bool:
    return len(data) > 2 * MAX_DEPTH and may_be_deep(bytes(data))


FIGURES = Shape(FigureMessage, read_figures)
