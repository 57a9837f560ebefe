"""Messages of ChatGPT of which only figures are wanted, as structs with what a sum needs.

Takes: structs that were decoded. Returns: rows. A message that the structs refuse is read by `chatgpt_message`.
Raises: what that raises. Holds: nothing.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from exportstream.models.structs import Message
from exportstream.reading.formats.chats.chatgpt_content import plain_texts, read_content
from exportstream.reading.formats.chats.chatgpt_message import ASSISTANT
from exportstream.reading.formats.chats.chatgpt_usual import Places
from exportstream.reading.formats.chats.recognise import CHATGPT
from exportstream.reading.formats.chats.tree import NULL, shape_of
from exportstream.reading.formats.chats.values import times_of_raw


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


_NOTHING = _Metadata()
FIGURES = shape_of(FigureMessage, passes_over=True)


def read_figures(messages: list[FigureMessage], places: Places, default_model: str | None) -> list[Message]:
    """Make the rows of messages as `read_usual` does, with their figures, names and content only."""
    contents = [message.content for message in messages]
    metadata = [message.metadata or _NOTHING for message in messages]
    return [
        Message(
            session_id=places.session_id,
            index=number,
            id=id_,
            role=role,
            content=read_content(content).text if text is None else text,
            model=default_model if more.model_slug is None and role == ASSISTANT else more.model_slug,
            finish_reason=None if more.finish_details is None else more.finish_details.type,
            created_at=created,
            updated_at=None,
            producer=CHATGPT,
        )
        for number, id_, role, content, text, more, created in zip(
            places.numbers,
            places.ids,
            [message.author.role for message in messages],
            contents,
            plain_texts(contents),
            metadata,
            times_of_raw([message.create_time for message in messages], "$.create_time"),
            strict=True,
        )
    ]
