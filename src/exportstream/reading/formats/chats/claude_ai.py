"""claude.ai: conversations, whose messages have blocks of content.

Takes: the bytes of a conversation, or its JSON value. Returns: a `Conversation`: its messages in the order of the export.
Raises: `InvalidMessageError` for a conversation with a known key of another type. Holds: nothing.

Where only figures are wanted, messages are structs with what a sum needs; one that these refuse is read as a JSON value.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Container
from contextlib import suppress
from functools import partial
from typing import Any

from msgspec import Raw, Struct

from exportstream.errors import InvalidMessageError
from exportstream.models.structs import Message, Session, ToolCall
from exportstream.reading.formats.chats import ChatFormat, Conversation
from exportstream.reading.formats.chats.recognise import CLAUDE_AI, is_claude_ai_conversation
from exportstream.reading.formats.chats.shapes import Shape, rows_of
from exportstream.reading.formats.chats.values import expected, kept, list_of, required_text, text_of, time_of, usual_first
from exportstream.reading.formats.content import Block, as_text
from exportstream.reading.json.decoder import decode_any

_NAMES = ("uuid", "name", "summary", "created_at", "updated_at", "account")  # of the keys of a usual conversation
_ROLES = {"human": "user"}
_CONVERSATION_KEYS = frozenset({"uuid", "name", "created_at", "updated_at", "chat_messages"})
_MESSAGE_KEYS = frozenset(
    ["uuid", "text", "content", "sender", "created_at", "updated_at", "attachments", "files", "parent_message_uuid"]
)
_FILE_KEYS = frozenset({"file_name", "file_type", "file_size", "extracted_content"})
_USE_KEYS = frozenset({"type", "id", "name", "input"})
_RESULT_KEYS = frozenset({"type", "tool_use_id", "name", "content", "is_error"})


class FigureMessage(Struct, gc=False):
    """A message; nothing is said of keys that have no name here."""

    uuid: str
    sender: str
    text: str | None = None
    content: list[Block | None] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    attachments: list[Raw] | None = None
    files: list[Raw] | None = None
    parent_message_uuid: str | None = None


FIGURES = Shape("chat_messages", _NAMES, list[FigureMessage], list[Raw], FigureMessage, passes_over=True)


def decode(data: bytes | memoryview, *, figures_only: bool) -> Any:
    """Decode a conversation; return its JSON value if it is not usual."""
    if figures_only and (found := FIGURES.open(data)) is not None:
        with suppress(InvalidMessageError):
            return Conversation(_session(found.keys), found.rows(_read_figures, _read_message), {}, found.deep)
    return decode_any(data)


def read_conversation(value: dict[str, Any]) -> Conversation:
    """Read one conversation."""
    session = _session(value)
    messages = list_of(value.get("chat_messages"), "$.chat_messages")
    records = {"conversations without messages": 1} if value.get("chat_messages") is None else {}
    ids = {message.get("uuid") for message in messages if type(message) is dict and type(message.get("uuid")) is str}
    return Conversation(session, rows_of(messages, partial(_read_message, ids=ids)), records)


def _session(value: dict[str, Any]) -> Session:
    return Session(
        id=required_text(value.get("uuid"), "$.uuid"),
        title=text_of(value.get("name"), "$.name"),
        created_at=time_of(value.get("created_at"), "$.created_at"),
        updated_at=time_of(value.get("updated_at"), "$.updated_at"),
        extra=usual_first(kept(value, _CONVERSATION_KEYS), _NAMES) or None,
    )


def _read_message(message: Any, ids: Container[Any] = ()) -> Message:
    if type(message) is not dict:
        raise expected("object", message, "$")
    message_id = required_text(message.get("uuid"), "$.uuid")
    sender = required_text(message.get("sender"), "$.sender")
    text = text_of(message.get("text"), "$.text") or ""
    blocks = _Blocks(message_id)
    for number, block in enumerate(list_of(message.get("content"), "$.content")):
        blocks.add(block, number)
    content = "\n\n".join(blocks.texts)
    extra = kept(message, _MESSAGE_KEYS)
    if blocks.rest:
        extra["content"] = blocks.rest
    if content and text.strip() != content.strip():
        extra |= {"text": text} if text else {}
    parent = text_of(message.get("parent_message_uuid"), "$.parent_message_uuid")
    if parent is not None and parent not in ids:  # the root of all, which is no message
        extra["parent_message_uuid"], parent = parent, None
    files = [
        *list_of(message.get("attachments"), "$.attachments"),
        *list_of(message.get("files"), "$.files"),
    ]
    return Message(
        id=message_id,
        role=_ROLES.get(sender, sender),
        content=content or text,
        reasoning="\n\n".join(blocks.thoughts) or None,
        thinking_blocks=blocks.thoughts or None,
        tool_calls=blocks.calls.all or None,
        created_at=time_of(message.get("created_at"), "$.created_at"),
        updated_at=time_of(message.get("updated_at"), "$.updated_at"),
        attachments=[_describe(file) for file in files] or None,
        parent_id=parent,
        extra=extra or None,
    )


def _describe(file: Any) -> dict[str, Any]:
    """Describe a file with the names that all producers have; the text that was extracted from it stays."""
    if type(file) is not dict:
        return {"type": "unknown", "value": file}
    given = {
        "name": file.get("file_name"),
        "type": file.get("file_type") or "file",
        "size": file.get("file_size"),
        "text": file.get("extracted_content") or None,
    }
    return {key: item for key, item in given.items() if item is not None} | kept(file, _FILE_KEYS)


class _Blocks:
    """The blocks of a message.

    Attributes:
        texts, thoughts: their texts.
        calls: of tools, with their results.
        rest: what has no column.
    """

    def __init__(self, message_id: str) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.calls = _Calls()
        self.rest: list[Any] = []
        self._message_id = message_id

    def add(self, block: Any, number: int) -> None:
        """Add a block; one that is not known is kept as it is."""
        kind = block.get("type") if type(block) is dict else None
        if kind == "text" and type(block.get("text")) is str:
            self.texts += [block["text"]] if block["text"] else []
            self._keep(kind, kept(block, ("type", "text")))
        elif kind == "thinking" and type(block.get("thinking")) is str:
            self.thoughts += [block["thinking"]] if block["thinking"] else []
            self._keep(kind, kept(block, ("type", "thinking")))
        elif kind == "tool_use" and type(block.get("name")) is str:
            self._add_call(block, number)
        elif kind == "tool_result" and (call := self.calls.take(block.get("tool_use_id"))) is not None:
            _add_result(call, block)
        elif block is not None:
            self.rest.append(block)

    def _keep(self, kind: str, more: dict[str, Any]) -> None:
        if more:
            self.rest.append({"type": kind} | more)

    def _add_call(self, block: dict[str, Any], number: int) -> None:
        given = block.get("id")
        call = ToolCall(
            id=given if type(given) is str and given else f"{self._message_id}:{number}",
            name=block["name"],
            type="function",
            finished=False,
            input="" if block.get("input") is None else as_text(block["input"]),
            extra=kept(block, _USE_KEYS) or None,
        )
        call.input_json = None if type(block.get("input")) is str else block.get("input")
        self.calls.add(call, number)


def _add_result(call: ToolCall, block: dict[str, Any]) -> None:
    content = block.get("content")
    parts = content if type(content) is list else []
    if parts and all(type(part) is dict and part.get("type") == "text" and type(part.get("text")) is str for part in parts):
        call.result = "\n".join(part["text"] for part in parts)
    else:
        call.result = None if content is None else as_text(content)
    call.finished = True
    call.is_error = True if block.get("is_error") is True else None
    if more := kept(block, _RESULT_KEYS):
        call.extra = (call.extra or {}) | {"result": more}


class _Calls:
    """The calls of one message, and which of them a result is of.

    Attributes:
        all: they, in their order.
    """

    def __init__(self) -> None:
        self.all: list[ToolCall] = []
        self._waiting: dict[int, ToolCall] = {}  # calls without a result, by their number
        self._order: deque[int] = deque()  # numbers of calls; those that have a result are passed over
        self._numbers: defaultdict[str, deque[int]] = defaultdict(deque)  # the same of each id

    def add(self, call: ToolCall, number: int) -> None:
        """Add a call; `number` is that of its block."""
        self._waiting[number] = call
        self._order.append(number)
        self._numbers[call.id].append(number)
        self.all.append(call)

    def take(self, given: Any) -> ToolCall | None:
        """The call that a result is of: the one with its id, or without an id the first that has no result yet."""
        if given is None:
            numbers = self._order
        else:
            numbers = self._numbers[given] if type(given) is str and given in self._numbers else deque()
        while numbers:
            if (call := self._waiting.pop(numbers.popleft(), None)) is not None:
                return call
        return None


def _read_figures(message: FigureMessage, deep: list[Any]) -> Message:
    """Make the row of a message with its figures, names and content only."""
    del deep  # no struct holds such values
    texts: list[str] = []
    calls: _Calls | None = None
    for number, block in enumerate(message.content or ()):
        if block is None:
            continue
        if block.type == "text":
            if block.text:
                texts.append(block.text)
        elif block.type == "tool_use" and block.name is not None:
            calls = calls or _Calls()
            call_id = block.id or f"{message.uuid}:{number}"
            calls.add(ToolCall(id=call_id, name=block.name, type="function", finished=False, input=""), number)
        elif block.type == "tool_result" and calls is not None and (call := calls.take(block.tool_use_id)) is not None:
            call.finished = True
            call.is_error = block.is_error or None
    content = texts[0] if len(texts) == 1 else "\n\n".join(texts)
    return Message(
        session_id="",  # without it, msgspec calls what makes the default
        id=message.uuid,
        role=_ROLES.get(message.sender, message.sender),
        content=content or message.text or "",
        created_at=message.created_at,
        updated_at=None,
        tool_calls=None if calls is None else calls.all,
    )


FORMAT = ChatFormat(CLAUDE_AI, _CONVERSATION_KEYS, is_claude_ai_conversation, decode, read_conversation)
