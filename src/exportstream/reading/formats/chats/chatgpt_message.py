"""The row of a message of ChatGPT, made of a JSON value. `chatgpt_usual` makes the same rows of structs.

Takes: a JSON value. Returns: a `Message` without its links to others. Raises: `InvalidMessageError` for a known key of
another type. Holds: nothing.
"""

from __future__ import annotations

from typing import Any

from exportstream.models.structs import Message
from exportstream.reading.formats.chats.chatgpt_content import Content, read_content
from exportstream.reading.formats.chats.values import (
    expected,
    kept,
    list_of,
    object_of,
    required_text,
    text_of,
    time_of,
    usual_first,
)

_MESSAGE_KEYS = frozenset({"id", "author", "create_time", "update_time", "content", "metadata"})
_USUAL_KEYS = ("status", "end_turn", "weight", "recipient", "channel")
_AUTHOR_KEYS = frozenset({"role"})
_USUAL_KEYS_OF_AUTHOR = ("name", "metadata")
_METADATA_KEYS = frozenset({"model_slug", "finish_details", "attachments"})
_ATTACHMENT_KEYS = frozenset({"name", "mime_type", "size"})
_FINISH_KEYS = frozenset({"type"})
ASSISTANT = "assistant"
MODEL_FROM = {"model_from": "default_model_slug"}


def read_message(message: Any, key: str, default_model: str | None) -> Message:
    """Make the row of a message.

    Args:
        message: the value.
        key: of its node.
        default_model: of the conversation.
    """
    if type(message) is not dict:
        raise expected("object", message, "$.message")
    author = object_of(message.get("author"), "$.author")
    role = required_text(author.get("role"), "$.author.role")
    metadata = object_of(message.get("metadata"), "$.metadata")
    content = read_content(message.get("content"))
    extra = usual_first(kept(message, _MESSAGE_KEYS), _USUAL_KEYS)
    if more := usual_first(kept(author, _AUTHOR_KEYS), _USUAL_KEYS_OF_AUTHOR):
        extra["author"] = more
    row = Message(
        id=id_of(message, key),
        role=role,
        content=content.text,
        created_at=time_of(message.get("create_time"), "$.create_time"),
        updated_at=time_of(message.get("update_time"), "$.update_time"),
    )
    row.model = text_of(metadata.get("model_slug"), "$.metadata.model_slug")
    more = kept(metadata, _METADATA_KEYS)
    row.finish_reason = add_finish(metadata.get("finish_details"), more)
    if more:
        extra["metadata"] = more
    add_content(row, content, metadata.get("attachments"), extra)
    if row.model is None and role == ASSISTANT and default_model is not None:
        row.model = default_model
        extra |= MODEL_FROM
    row.extra = extra or None
    return row


def id_of(message: Any, key: str) -> str:
    """The id of a message, or else the key of its node."""
    found = message.get("id") if type(message) is dict else None
    return found if type(found) is str and found else key


def add_finish(finish: Any, more: dict[str, Any]) -> str | None:
    """Return the reason why a message ended, and add to `more` what else is said of its end."""
    if type(finish) is not dict:
        if finish is not None:
            more["finish_details"] = finish
        return None
    reason = finish.get("type")
    if type(reason) is not str:
        more["finish_details"] = kept(finish, ())
        return None
    if len(finish) > 1:
        more["finish_details"] = kept(finish, _FINISH_KEYS)
    return reason


def add_content(row: Message, content: Content, files: Any, extra: dict[str, Any]) -> None:
    """Add what a content holds beside its text, and attached files; and to `extra` what has no column."""
    if content.extra:
        extra["content"] = content.extra
    if content.thoughts:
        row.reasoning = "\n\n".join(content.thoughts)
        row.thinking_blocks = content.thoughts
    if files is not None or content.attachments:
        given = list_of(files, "$.metadata.attachments")
        row.attachments = [*map(_describe, given), *content.attachments] or None


def _describe(given: Any) -> dict[str, Any]:
    """Describe an attached file with the names that all producers have."""
    if type(given) is not dict:
        return {"type": "unknown", "value": given}
    known = {"name": given.get("name"), "type": given.get("mime_type"), "size": given.get("size")}
    return {key: item for key, item in known.items() if item is not None} | kept(given, _ATTACHMENT_KEYS)
