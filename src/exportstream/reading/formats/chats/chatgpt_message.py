"""The row of a message of ChatGPT, made of a JSON value. `chatgpt_usual` makes the same rows of structs.

Takes: a JSON value. Returns: a `Message` without its links to others. Raises: `InvalidMessageError` for a known key of
another type. Holds: nothing.

A content is of one of about a dozen types, each with keys of its own; one that is not known keeps all its keys in `extra`.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from exportstream.models.structs import Message
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
# The key of each type that holds its text. Types that are not here have `parts`, or else `text`.
_TEXT_KEYS = {"tether_browsing_display": "result", "reasoning_recap": "content"}
_POINTER_KEYS = frozenset({"content_type", "asset_pointer", "size_bytes"})
_THOUGHT_KEYS = frozenset({"content"})
ASSISTANT = "assistant"
MODEL_FROM = {"model_from": "default_model_slug"}


def read_message(message: Any, key: str, default_model: str | None) -> Message:
    """Make the row of a message, which is at a node with a key, in a conversation with a default model."""
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


class Content(Struct):
    """What a content holds.

    Attributes:
        kind: its type.
        text: its texts.
        thoughts: the texts of thoughts.
        attachments: what it points to.
        extra: everything else; the type is in it, unless it is text and nothing else is left.
    """

    kind: str = "text"
    text: str = ""
    thoughts: list[str] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


def plain_texts(values: list[Any]) -> list[str | None]:
    """The texts of contents that hold nothing else, as nearly all do; None for each other content."""
    return [
        parts[0]
        if value.__class__ is dict
        and len(value) == 2
        and value.get("content_type") == "text"
        and (parts := value.get("parts")).__class__ is list
        and len(parts) == 1
        and parts[0].__class__ is str
        else None
        for value in values
    ]


def read_content(value: Any) -> Content:
    """Read the content of a message."""
    if value is None or type(value) is str:
        return Content(text=value or "")
    if type(value) is not dict:
        raise expected("object or string", value, "$.content")
    kind, parts = value.get("content_type"), value.get("parts")
    found = Content(kind=kind if type(kind) is str else "")
    known = ["content_type"]
    if kind == "thoughts":
        _read_thoughts(value, found, known)
    elif type(parts) is list:
        known.append("parts")
        _read_parts(parts, found)
    elif type(text := value.get(key := _TEXT_KEYS.get(found.kind, "text"))) is str:
        known.append(key)
        found.text = text
    if kind == "user_editable_context" and not found.text:
        texts = [value[key] for key in ("user_profile", "user_instructions") if type(value.get(key)) is str]
        found.text = "\n\n".join(texts)
    more = kept(value, known) | found.extra if found.extra else kept(value, known)
    if more or kind != "text":
        found.extra = more if kind is None else {"content_type": kind, **more}
    return found


def _read_thoughts(value: dict[str, Any], found: Content, known: list[str]) -> None:
    """Read thoughts, which have a summary each; older exports have them as parts."""
    for key in ("thoughts", "parts"):
        items = value.get(key)
        if type(items) is not list:
            continue
        known.append(key)
        rest = []
        for item in items:
            thought = item.get("content") if type(item) is dict else item
            if type(thought) is str:
                found.thoughts += [thought] if thought else []
                rest.append(kept(item, _THOUGHT_KEYS) if type(item) is dict else {})
            elif item is not None:
                rest.append(item)
        if any(rest):
            found.extra[key] = rest


def _read_parts(parts: list[Any], found: Content) -> None:
    """Read parts: texts, transcripts of speech, and pointers to files."""
    texts: list[str] = []
    rest: list[Any] = []
    for part in parts:
        if type(part) is str:
            texts.append(part)
        elif type(part) is dict and type(part.get("asset_pointer")) is str:
            found.attachments.append(_describe_pointer(part))
        elif type(part) is dict and type(part.get("text")) is str:
            texts.append(part["text"])
            rest.append(kept(part, ("text",)))
        elif part is not None:
            rest.append(part)
    found.text = "\n".join(texts)
    if rest:
        found.extra["parts"] = rest


def _describe_pointer(part: dict[str, Any]) -> dict[str, Any]:
    described = {"type": part.get("content_type"), "url": part["asset_pointer"], "size": part.get("size_bytes")}
    return {key: item for key, item in described.items() if item is not None} | kept(part, _POINTER_KEYS)
