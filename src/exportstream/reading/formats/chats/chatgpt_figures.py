"""Messages of ChatGPT of which only figures are wanted, as structs with what a sum needs.

Takes: structs that were decoded. Returns: rows. A message that the structs refuse is read by `chatgpt_message`.
Raises: what that raises. Holds: nothing.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from exportstream.models.structs import Message
from exportstream.reading.formats.chats.chatgpt_content import plain_text, read_content
from exportstream.reading.formats.chats.chatgpt_message import ASSISTANT
from exportstream.reading.formats.chats.tree import NULL, shape_of
from exportstream.reading.formats.chats.values import time_of_raw


class _Author(Struct, gc=False):
    role: str


class _Finish(Struct, gc=False):
    type: str | None = None


class _Metadata(Struct, gc=False):
    model_slug: str | None = None
    finish_details: _Finish | None = None
    attachments: list[Raw] | None = None


class FigureMessage(Struct, gc=False, kw_only=True):
    """A message; nothing is said of keys that have no name here."""

    id: str | None = None
    author: _Author
    create_time: Raw = NULL
    update_time: str | float | None = None
    content: Any = None
    metadata: _Metadata | None = None
    recipient: str | None = None


FIGURES = shape_of(FigureMessage, passes_over=True)


def read_figures(message: FigureMessage, key: str, default_model: str | None, deep: list[Any]) -> Message:
    """Make the row of a message as `read_usual` does, with its figures, names and content only."""
    del deep  # no struct holds such values
    text, role, metadata = plain_text(message.content), message.author.role, message.metadata
    if text is None:
        text = read_content(message.content).text
    model = reason = None
    if metadata is not None:
        model, finish = metadata.model_slug, metadata.finish_details
        reason = None if finish is None else finish.type
    return Message(
        session_id="",  # without it, msgspec calls what makes the default
        id=message.id or key,
        role=role,
        content=text,
        model=default_model if model is None and role == ASSISTANT else model,
        finish_reason=reason,
        created_at=time_of_raw(message.create_time, "$.create_time"),
        updated_at=None,
    )
