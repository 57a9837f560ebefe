"""Usual messages of ChatGPT as structs: the same rows in half the time, or rows of which only figures are wanted.

Takes: structs that were decoded. Returns: rows. Raises: `InvalidMessageError` where one of the messages is none;
`chatgpt_message` then reads them one by one, as it does those that the structs refuse. Holds: nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from gc import is_tracked
from typing import Any, NamedTuple

from msgspec import Raw, Struct

from exportstream.models.structs import Message
from exportstream.reading.formats.chats.chatgpt_message import (
    ASSISTANT,
    MODEL_FROM,
    add_content,
    add_finish,
    plain_texts,
    read_content,
)
from exportstream.reading.formats.chats.recognise import CHATGPT
from exportstream.reading.formats.chats.tree import NULL, shape_of
from exportstream.reading.formats.chats.values import PLAIN, expected, kept, time_of, times_of_raw

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


class _Role(Struct, gc=False):
    role: str


class _Finish(Struct, gc=False):
    type: str | None = None


class _Metadata(Struct, gc=False):
    model_slug: str | None = None
    finish_details: _Finish | None = None
    attachments: list[Raw] | None = None


class FigureMessage(Struct, gc=False, kw_only=True):
    """A message with what a sum needs; nothing is said of keys that have no name here."""

    id: str | None = None
    author: _Role
    create_time: Raw = NULL
    update_time: str | float | None = None
    content: Any = None
    metadata: _Metadata | None = None
    recipient: str | None = None


USUAL = shape_of(UsualMessage)
FIGURES = shape_of(FigureMessage, passes_over=True)
_NOTHING = _Metadata()


class Places(NamedTuple):
    """Where messages are: each attribute but the first has a value for each of them.

    Attributes:
        session_id: of their session.
        numbers: of the messages in it.
        ids: of the messages.
        parents: the ids of the messages that they follow.
        active: whether they are shown.
    """

    session_id: str
    numbers: Sequence[int]
    ids: list[str]
    parents: Sequence[str | None]
    active: Sequence[bool | None]


def read_usual(messages: list[UsualMessage], places: Places, default_model: str | None, deep: list[Any]) -> list[Message]:
    """Make the rows of messages. The loop calls as little as it can: it takes a fifth of the time of a conversion.

    Args:
        messages: the structs; their metadata loses what has a column.
        places: of the messages.
        default_model: of the conversation.
        deep: gets values of the rows that may have many levels, within as many lists as they are below it.
    """
    rows: list[Message] = []
    deep_metadata: list[Any] = []
    finishes: list[Any] = []
    session_id = places.session_id
    texts = plain_texts([message.content for message in messages])
    times = times_of_raw([message.create_time for message in messages], "$.create_time")
    columns = (places.numbers, places.ids, places.parents, places.active, texts, times)
    for message, number, id_, parent, active, text, created in zip(messages, *columns, strict=True):
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
        if more or weight.__class__ in _HOLDERS:
            deep.append(extra)
        row = Message(
            session_id=session_id,
            index=number,
            id=id_,
            role=author.role,
            content=text or "",
            created_at=created,
            updated_at=None if message.update_time is None else time_of(message.update_time, "$.update_time"),
            extra=extra,
            producer=CHATGPT,
            parent_id=parent,
            active=active,
        )
        files = None
        if metadata := message.metadata:
            row.model = model = metadata.pop("model_slug", None)
            finish = metadata.pop("finish_details", None)
            files = metadata.pop("attachments", None)
            if model.__class__ is not str and model is not None:
                raise expected("string", model, "$.metadata.model_slug")
            more = {name: item for name, item in metadata.items() if item or item.__class__ in PLAIN}
            if is_tracked(more):
                deep_metadata.append(more)
            if finish is not None:
                row.finish_reason = add_finish(finish, more)
                finishes.append(finish)
            if more:
                extra["metadata"] = more
        if text is None or files is not None:
            content = read_content(message.content)
            row.content = content.text
            add_content(row, content, files, extra)
            deep += [[content.extra], row.attachments]
        if row.model is None and default_model is not None and author.role == ASSISTANT:
            row.model = default_model
            extra |= MODEL_FROM
        if not extra:
            row.extra = None
        rows.append(row)
    deep += [deep_metadata, [finishes]]
    return rows


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
