"""ChatGPT: conversations, whose messages are a tree.

Takes: a conversation, as `decode` returns it. Returns: a `Conversation`: the messages of the branch that is
shown, then all others. Raises: `InvalidMessageError` for a conversation with a known key of another type. Holds: nothing.

A call is a message of the assistant to another recipient than all. Its result is a message of role tool below it, which is a
row of its own, too; the call has the id of that message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from exportstream.errors import InvalidMessageError
from exportstream.models.structs import Message, Session, ToolCall
from exportstream.reading.formats.chats.chat_format import ChatFormat, Conversation, Refused
from exportstream.reading.formats.chats.chatgpt_content import Content, read_content
from exportstream.reading.formats.chats.chatgpt_figures import FIGURES, FigureMessage, read_figures
from exportstream.reading.formats.chats.chatgpt_message import ASSISTANT, id_of, read_message
from exportstream.reading.formats.chats.chatgpt_usual import USUAL, UsualMessage, read_usual
from exportstream.reading.formats.chats.reader import held_by
from exportstream.reading.formats.chats.recognise import CHATGPT, is_chatgpt_conversation
from exportstream.reading.formats.chats.shapes import Opened
from exportstream.reading.formats.chats.tree import NAMES, Node, Tree, are_linked, as_node, is_empty, more_of
from exportstream.reading.formats.chats.values import (
    expected,
    kept,
    object_of,
    required_text,
    text_of,
    time_of,
    usual_first,
)
from exportstream.reading.json.any_value import decode_any
from exportstream.reading.json.decoder import REFUSALS
from exportstream.reading.limits import MAX_DEPTH

_CONVERSATION_KEYS = frozenset({"id", "conversation_id", "title", "create_time", "update_time", "mapping"})
_JSON = msgspec.json.Decoder(float_hook=Decimal)
_STRUCTS = (UsualMessage, FigureMessage)
_WITHOUT_MESSAGE = "nodes without a message"


def decode(data: bytes | memoryview, *, figures_only: bool) -> Any:
    """Decode a conversation; return its JSON value if it is not usual."""
    found = (FIGURES if figures_only else USUAL).open(data)
    if found is not None and are_linked(found.messages):
        with suppress(InvalidMessageError):
            return _Messages(found.keys, found.messages, found).conversation({})
    return decode_any(data)


def read_conversation(value: dict[str, Any]) -> Conversation:
    """Read one conversation."""
    nodes = object_of(value.get("mapping"), "$.mapping")
    records = {"conversations without a mapping": 1} if value.get("mapping") is None else {}
    if empty := sum(is_empty(node) for node in nodes.values()):
        records[_WITHOUT_MESSAGE] = empty
    more = {key: found for key, node in nodes.items() if (found := more_of(key, node, nodes))}
    return _Messages(value, {key: as_node(node) for key, node in nodes.items()}, more=more).conversation(records)


def _read_session(value: dict[str, Any]) -> Session:
    session_id = value.get("conversation_id") or value.get("id")
    if type(session_id) is not str:
        raise expected("string", session_id, "$.conversation_id")
    other_id = {"id": value["id"]} if value.get("id") not in (None, session_id) else {}
    return Session(
        id=session_id,
        title=text_of(value.get("title"), "$.title"),
        created_at=time_of(value.get("create_time"), "$.create_time"),
        updated_at=time_of(value.get("update_time"), "$.update_time"),
        extra=other_id | usual_first(kept(value, _CONVERSATION_KEYS), NAMES) or None,
    )


class _Messages:
    """The messages of a conversation, in the order of their rows.

    Args:
        value: the conversation.
        nodes: by their keys.
        usual: the same as structs; None if the nodes hold values.
        more: what nodes say of themselves that has no column, by their keys.
    """

    def __init__(
        self,
        value: dict[str, Any],
        nodes: dict[str, Node],
        usual: Opened | None = None,
        more: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        self._session = _read_session(value)
        self._default_model = text_of(value.get("default_model_slug"), "$.default_model_slug")
        self._tree = Tree(nodes, value.get("current_node"))
        self._nodes = nodes
        self._usual = usual
        self._is_full = usual is None or usual.shape is USUAL  # and not only figures are wanted
        self._more = more or {}
        self._ahead: tuple[str, Any] = "", None  # the key of a message that is decoded already, and what came of it
        self._deep: list[Any] = []

    def conversation(self, records: dict[str, int]) -> Conversation:
        """Return the conversation; to the records are added nodes whose messages are null."""
        return Conversation(self._session, self._rows(records), records, self._deep)

    def _rows(self, records: dict[str, int]) -> Iterator[Message | Refused]:
        nodes, tree, model, deep = self._nodes, self._tree, self._default_model, self._deep
        shown, parents, rows = tree.shown, tree.parents, tree.rows
        read: Callable[[Any, str, str | None, list[Any]], Message] = read_usual if self._is_full else read_figures
        for key in tree:
            message = nodes[key].message
            if message.__class__ is Raw:
                message = self._open(key)
            if message is None:
                if self._usual is not None and nodes[key].parent is not None:
                    records[_WITHOUT_MESSAGE] = records.get(_WITHOUT_MESSAGE, 0) + 1
                continue
            checked = len(deep)
            try:
                if message.__class__ in _STRUCTS:
                    row, recipient = read(message, key, model, deep), message.recipient
                else:
                    row, recipient = read_message(message, key, model), message.get("recipient")
                    if key in self._more:
                        row.extra = (row.extra or {}) | {"node": self._more[key]}
                    deep += held_by(row)
                if recipient is not None and recipient != "all" and row.role == ASSISTANT:
                    self._add_call(row, recipient, key)
            except InvalidMessageError as error:
                del deep[checked:]
                yield Refused(error, self._value(key))
                continue
            if self._is_full:
                above = parents[key]
                row.parent_id = rows[above] if above in rows else tree.row_above(key, self._id_of)
                row.active = key in shown if shown else None
                rows[key] = row.id
            yield row

    def _open(self, key: str) -> Any:
        """The message of a node as a struct or value; None if it has none."""
        message = self._nodes[key].message
        if message.__class__ is Raw:
            assert self._usual is not None
            message = self._ahead[1] if key == self._ahead[0] else self._usual.shape.decode_message(message)
        return message

    def _value(self, key: str) -> Any:
        """The message of a node as a JSON value."""
        message = self._nodes[key].message
        if message.__class__ is Raw:
            return decode_any(message)
        if self._usual is None:
            return message
        return self._usual.value(key)["message"]  # a usual node is an object

    def _id_of(self, key: str) -> str | None:
        message = self._open(key)
        return None if message is None else _facts_of(message).id or key

    def _add_call(self, row: Message, recipient: Any, key: str) -> None:
        """Make a message to a tool a call: its text is the input, and the message of the tool below it the result."""
        name = required_text(recipient, "$.recipient")
        answer: tuple[str, _Facts] | None = None
        for child in self._tree.children(key):
            message = self._open(child)
            facts = _facts_of(message)
            if facts.role == "tool" and (answer is None or child in self._tree.shown):
                answer, self._ahead = (child, facts), (child, message)
                if child in self._tree.shown:
                    break
        call = ToolCall(id=f"{row.id}:call", name=name, type="function", finished=answer is not None, input=row.content)
        if answer is not None:
            child, facts = answer
            result = _content_of(facts.content)
            call.id = facts.id or child
            call.result = result.text
            call.is_error = True if result.kind == "system_error" else None
        if row.content[:1] in ("{", "[") and (self._is_full or len(row.content) > 2 * MAX_DEPTH):
            try:
                call.input_json = _JSON.decode(row.content)
                self._deep.append(call.input_json)
            except REFUSALS:
                call.input_json = None
        row.content = ""
        row.tool_calls = [call]


class _Facts(NamedTuple):
    """What a message says of itself."""

    role: Any = None
    id: str | None = None
    content: Any = None


def _facts_of(message: Any) -> _Facts:
    if message.__class__ in _STRUCTS:
        return _Facts(message.author.role, message.id, message.content)
    if message.__class__ is not dict:
        return _Facts()
    author = message.get("author")
    return _Facts(author.get("role") if type(author) is dict else None, id_of(message, ""), message.get("content"))


def _content_of(content: Any) -> Content:
    try:
        return read_content(content)
    except InvalidMessageError:  # its own row says it
        return Content()


FORMAT = ChatFormat(CHATGPT, _CONVERSATION_KEYS, is_chatgpt_conversation, read_conversation, decode=decode)
