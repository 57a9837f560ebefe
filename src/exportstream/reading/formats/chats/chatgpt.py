"""ChatGPT: conversations, whose messages are a tree.

Takes: a conversation, as `decode` returns it. Returns: a `Conversation`: the messages of the branch that is
shown, then all others. Raises: `InvalidMessageError` for a conversation with a known key of another type. Holds: nothing.

A call is a message of the assistant to another recipient than all. Its result is a message of role tool below it, which is a
row of its own, too; the call has the id of that message.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from typing import Any, NamedTuple

from msgspec import Raw

from exportstream.errors import InvalidMessageError
from exportstream.models.structs import Message, Session, ToolCall
from exportstream.reading.formats.chats import ChatFormat, Conversation, Refused
from exportstream.reading.formats.chats.chatgpt_message import ASSISTANT, Content, id_of, read_content, read_message
from exportstream.reading.formats.chats.chatgpt_usual import (
    FIGURES,
    USUAL,
    FigureMessage,
    Places,
    UsualMessage,
    read_figures,
    read_usual,
)
from exportstream.reading.formats.chats.reader import held_by
from exportstream.reading.formats.chats.recognise import CHATGPT, is_chatgpt_conversation
from exportstream.reading.formats.chats.shapes import Opened
from exportstream.reading.formats.chats.tree import (
    NAMES,
    Node,
    Tree,
    are_linked,
    as_node,
    has_usual_times,
    is_empty,
    more_of,
    without_null,
)
from exportstream.reading.formats.chats.values import expected, kept, object_of, required_text, text_of, time_of, usual_first
from exportstream.reading.json.decoder import ANY_VALUE, REFUSALS, decode_any
from exportstream.reading.limits import MAX_DEPTH

_CONVERSATION_KEYS = frozenset({"id", "conversation_id", "title", "create_time", "update_time", "mapping"})
_STRUCTS = {UsualMessage, FigureMessage}
_RUN = 250  # messages
_NO_TOOLS = (None, "all")  # recipients
_WITHOUT_MESSAGE = "nodes without a message"


def decode(data: bytes | memoryview, *, figures_only: bool) -> Any:
    """Decode a conversation; return its JSON value if it is not usual."""
    found = (FIGURES if figures_only else USUAL).open(data)
    if found is not None and are_linked(found.messages) and has_usual_times(found.messages):
        without_null(found.messages)
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
    linked = {key: as_node(node, nodes) for key, node in nodes.items()}
    return _Messages(usual_first(value, NAMES), linked, more=more).conversation(records)


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
        extra=other_id | kept(value, _CONVERSATION_KEYS) or None,
    )


class _Messages:
    """The messages of a conversation, in the order of their rows.

    Args:
        value: the conversation; its usual keys come first, in the order of `NAMES`.
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
        self._usual = usual
        self._is_full = usual is None or usual.shape is USUAL  # and not only figures are wanted
        self._more = more or {}
        self._opened: dict[str, Any] = {}  # messages of the run that is read, by their keys
        self._deep: list[Any] = []

    def conversation(self, records: dict[str, int]) -> Conversation:
        """Return the conversation; to the records are added nodes whose messages are null."""
        return Conversation(self._session, self._rows(records), records, self._deep)

    def _rows(self, records: dict[str, int]) -> Iterator[list[Message] | Message | Refused]:
        """Make the rows, run by run: of a large conversation the messages of one run are held as structs."""
        nodes, tree, number = self._tree.nodes, self._tree, 0
        empty = {key for key, node in nodes.items() if node.message is None}
        below = [key for key in empty if nodes[key].parent is not None]
        if self._usual is not None and below:
            records[_WITHOUT_MESSAGE] = len(below)
        tree.rows.update(dict.fromkeys(empty.difference(below)))  # what is below a root follows no message
        keys = [key for key in tree.order() if key not in empty]
        for start in range(0, len(keys), _RUN):
            run = keys[start : start + _RUN]
            messages = [nodes[key].message for key in run]
            if messages[0].__class__ is Raw:
                messages = [self._open(key) for key in run]
                self._opened = dict(zip(run, messages, strict=True))
            for size in _sizes_of_stretches(messages):  # of structs, or of values
                stretch, run = run[:size], run[size:]
                alike, messages = messages[:size], messages[size:]
                rows = self._read_usual(stretch, alike, number) if alike[0].__class__ in _STRUCTS else None
                number += size
                if rows is not None:
                    yield rows
                else:
                    yield from map(self._read_value, stretch)

    def _read_usual(self, keys: list[str], messages: list[Any], first: int) -> list[Message] | None:
        """Make the rows of messages that are structs; None if one of them is refused: each is then read as a value."""
        tree, deep, checked = self._tree, self._deep, len(self._deep)
        assert self._session.id is not None
        numbers, nothing = range(first, first + len(keys)), [None] * len(keys)
        ids = [message.id or key for message, key in zip(messages, keys, strict=True)]
        try:
            if self._is_full:
                tree.rows.update(zip(keys, ids, strict=True))
                active = [key in tree.shown for key in keys] if tree.shown else nothing
                places = Places(self._session.id, numbers, ids, tree.rows_above(keys, self._id_of), active)
                rows = read_usual(messages, places, self._default_model, deep)
            else:
                rows = read_figures(messages, Places(self._session.id, numbers, ids, nothing, nothing), self._default_model)
        except InvalidMessageError:
            del deep[checked:]
            return None
        for number in [number for number, message in enumerate(messages) if message.recipient not in _NO_TOOLS]:
            if rows[number].role == ASSISTANT:
                self._add_call(rows[number], messages[number].recipient, keys[number])
        return rows

    def _read_value(self, key: str) -> Message | Refused:
        """Make the row of a message of its JSON value."""
        message, tree, checked = self._value(key), self._tree, len(self._deep)
        try:
            row, recipient = read_message(message, key, self._default_model), message.get("recipient")
            if key in self._more:
                row.extra = (row.extra or {}) | {"node": self._more[key]}
            self._deep += held_by(row)
            if recipient is not None and recipient != "all" and row.role == ASSISTANT:
                self._add_call(row, recipient, key)
        except InvalidMessageError as error:
            del self._deep[checked:]
            return Refused(error, message)
        if self._is_full:
            (row.parent_id,) = tree.rows_above([key], self._id_of)
            row.active = key in tree.shown if tree.shown else None
            tree.rows[key] = row.id
        return row

    def _open(self, key: str) -> Any:
        """The message of a node as a struct or value; None if it has none."""
        message = self._tree.nodes[key].message
        if message.__class__ is Raw:
            assert self._usual is not None
            message = self._opened[key] if key in self._opened else self._usual.shape.decode_message(message)
        return message

    def _value(self, key: str) -> Any:
        """The message of a node as a JSON value."""
        message = self._open(key)
        if message.__class__ not in _STRUCTS:
            return message
        assert self._usual is not None
        given = self._tree.nodes[key].message
        return decode_any(given) if given.__class__ is Raw else self._usual.value(key)["message"]  # the node is an object

    def _id_of(self, key: str) -> str | None:
        message = self._open(key)
        return None if message is None else _facts_of(message).id or key

    def _add_call(self, row: Message, recipient: Any, key: str) -> None:
        """Make a message to a tool a call: its text is the input, and the message of the tool below it the result."""
        name = required_text(recipient, "$.recipient")
        answer: tuple[str, _Facts] | None = None
        for child in self._tree.nodes[key].children or ():
            facts = _facts_of(self._open(child))
            if facts.role == "tool" and (answer is None or child in self._tree.shown):
                answer = child, facts
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
                call.input_json = ANY_VALUE.decode(row.content)
                self._deep.append(call.input_json)
            except REFUSALS:
                call.input_json = None
        row.content = ""
        row.tool_calls = [call]


def _sizes_of_stretches(messages: list[Any]) -> list[int]:
    """How many messages one after the other are structs, or none; usually all are."""
    if {*map(type, messages)} <= _STRUCTS:
        return [len(messages)]
    return [len(list(alike)) for _, alike in groupby(messages, lambda message: message.__class__ in _STRUCTS)]


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


FORMAT = ChatFormat(CHATGPT, _CONVERSATION_KEYS, is_chatgpt_conversation, decode, read_conversation)
