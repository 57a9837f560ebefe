"""ChatGPT: conversations, whose messages are a tree.

Takes: a conversation as a JSON value. Returns: a `Conversation`: the messages of the branch that is shown, then all others.
Raises: `InvalidMessageError` for a conversation with a known key of another type. Holds: nothing.

A call is a message of the assistant to another recipient than all. Its result is a message of role tool below it, which is a
row of its own, too; the call has the id of that message.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from exportstream.errors import InvalidMessageError
from exportstream.models.structs import Message, Session, ToolCall
from exportstream.reading.formats.chats.chatgpt_content import Content, read_content
from exportstream.reading.formats.chats.reader import ChatFormat, Conversation, Refused
from exportstream.reading.formats.chats.recognise import CHATGPT, is_chatgpt_conversation
from exportstream.reading.formats.chats.tree import Tree, id_of, message_of
from exportstream.reading.formats.chats.values import expected, kept, list_of, object_of, required_text, text_of, time_of
from exportstream.reading.json.decoder import REFUSALS

_CONVERSATION_KEYS = frozenset({"id", "conversation_id", "title", "create_time", "update_time", "mapping"})
_MESSAGE_KEYS = frozenset({"id", "author", "create_time", "update_time", "content", "metadata"})
_AUTHOR_KEYS = frozenset({"role"})
# Nearly all authors.
_BARE_AUTHORS: list[dict[str, Any]] = [
    {"role": role, "name": None, "metadata": {}} for role in ("user", "assistant", "system")
]
_METADATA_KEYS = frozenset({"model_slug", "finish_details", "attachments"})
_ATTACHMENT_KEYS = frozenset({"name", "mime_type", "size"})
_FINISH_KEYS = frozenset({"type"})
_JSON = msgspec.json.Decoder(float_hook=Decimal)
_EVERYONE = ("all", None)


def read_conversation(value: dict[str, Any]) -> Conversation:
    """Read one conversation."""
    session_id = value.get("conversation_id") or value.get("id")
    if type(session_id) is not str:
        raise expected("string", session_id, "$.conversation_id")
    other_id = {"id": value["id"]} if value.get("id") not in (None, session_id) else {}
    session = Session(
        id=session_id,
        title=text_of(value.get("title"), "$.title"),
        created_at=time_of(value.get("create_time"), "$.create_time"),
        updated_at=time_of(value.get("update_time"), "$.update_time"),
        extra=other_id | kept(value, _CONVERSATION_KEYS) or None,
    )
    nodes = object_of(value.get("mapping"), "$.mapping")
    empty = sum(message_of(node) is None and not _is_root(node) for node in nodes.values())
    records = {"nodes without a message": empty} if empty else {}
    if value.get("mapping") is None:
        records["conversations without a mapping"] = 1
    default_model = text_of(value.get("default_model_slug"), "$.default_model_slug")
    return Conversation(session, _read_messages(nodes, Tree(nodes, value.get("current_node")), default_model), records)


def _is_root(node: Any) -> bool:
    """Whether a node without a message is just the root of a tree."""
    return type(node) is dict and node.get("parent") is None


def _read_messages(nodes: dict[str, Any], tree: Tree, default_model: str | None) -> Iterator[Message | Refused]:
    shown = tree.shown
    for key in tree:
        message = message_of(nodes[key])
        if message is None:
            continue
        try:
            row = _read_message(message, key, default_model)
            if row.role == "assistant" and message.get("recipient") not in _EVERYONE:
                _add_call(row, message["recipient"], nodes, tree, key)
        except InvalidMessageError as error:
            yield Refused(error, message)
            continue
        row.parent_id = tree.row_above(key)
        row.active = key in shown if shown else None
        tree.rows[key] = row.id
        yield row


def _read_message(message: Any, key: str, default_model: str | None) -> Message:
    """Make the row of a message, without what other nodes say of it."""
    if type(message) is not dict:
        raise expected("object", message, "$.message")
    author = object_of(message.get("author"), "$.author")
    role = required_text(author.get("role"), "$.author.role")
    metadata = object_of(message.get("metadata"), "$.metadata")
    content = read_content(message.get("content"))
    finish = metadata.get("finish_details")
    finish_reason = finish.get("type") if type(finish) is dict else None
    extra = kept(message, _MESSAGE_KEYS)
    if author not in _BARE_AUTHORS and (more := kept(author, _AUTHOR_KEYS)):
        extra["author"] = more
    more = kept(metadata, _METADATA_KEYS)
    if finish is not None and (type(finish_reason) is not str or len(finish) > 1):
        more["finish_details"] = (
            kept(finish, _FINISH_KEYS if type(finish_reason) is str else ()) if type(finish) is dict else finish
        )
    if more:
        extra["metadata"] = more
    if content.extra:
        extra["content"] = content.extra
    model = text_of(metadata.get("model_slug"), "$.metadata.model_slug")
    if model is None and role == "assistant" and default_model is not None:
        model = default_model
        extra["model_from"] = "default_model_slug"
    given = list_of(metadata.get("attachments"), "$.metadata.attachments")
    attachments = [*map(_describe, given), *content.attachments]
    return Message(
        id=id_of(message, key),
        role=role,
        content=content.text,
        model=model,
        finish_reason=finish_reason if type(finish_reason) is str else None,
        reasoning="\n\n".join(content.thoughts) or None,
        thinking_blocks=content.thoughts or None,
        created_at=time_of(message.get("create_time"), "$.create_time"),
        updated_at=time_of(message.get("update_time"), "$.update_time"),
        attachments=attachments or None,
        extra=extra or None,
    )


def _describe(given: Any) -> dict[str, Any]:
    """Describe an attached file with the names that all producers have."""
    if type(given) is not dict:
        return {"type": "unknown", "value": given}
    known = {"name": given.get("name"), "type": given.get("mime_type"), "size": given.get("size")}
    return {key: item for key, item in known.items() if item is not None} | kept(given, _ATTACHMENT_KEYS)


def _add_call(row: Message, recipient: Any, nodes: dict[str, Any], tree: Tree, key: str) -> None:
    """Make a message to a tool a call: its text is the input, and the message of the tool below it the result."""
    name = required_text(recipient, "$.recipient")
    below = [(child, message_of(nodes[child])) for child in tree.children(key)]
    results = [one for one in below if _is_of_tool(one[1])]
    answer = next((one for one in results if one[0] in tree.shown), results[0] if results else None)
    call = ToolCall(id=f"{row.id}:call", name=name, type="function", finished=answer is not None, input=row.content)
    if answer is not None:
        result = _content_of(answer[1])
        call.id = id_of(answer[1], answer[0])
        call.result = result.text
        call.is_error = True if result.kind == "system_error" else None
    if row.content[:1] in ("{", "["):
        try:
            call.input_json = _JSON.decode(row.content)
        except REFUSALS:
            call.input_json = None
    row.content = ""
    row.tool_calls = [call]


def _content_of(message: dict[str, Any]) -> Content:
    try:
        return read_content(message.get("content"))
    except InvalidMessageError:  # its own row says it
        return Content()


def _is_of_tool(message: Any) -> bool:
    author = message.get("author") if type(message) is dict else None
    return type(author) is dict and author.get("role") == "tool"


FORMAT = ChatFormat(CHATGPT, _CONVERSATION_KEYS, is_chatgpt_conversation, read_conversation)
