"""One response of the model: its records become one message, and its tool calls get their results.

Takes: records, decoded. Returns: a `Message`. Raises: `InvalidMessageError` for a record with a known field of another type.
Holds: the records of one response.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from msgspec import Struct

from exportstream.errors import InvalidMessageError
from exportstream.models.structs import Message, ToolCall
from exportstream.reading.formats.claude_code.content import attachment, without_base64
from exportstream.reading.formats.claude_code.usage import Usage
from exportstream.reading.formats.content import Content, as_text, leftover, read_content, text_of

_BLOCK = "$.message.content"
_RECORD_KEYS = frozenset(
    ["type", "uuid", "parentUuid", "sessionId", "timestamp", "message", "agentId", "costUSD", "toolUseResult"]
)
_MESSAGE_KEYS = frozenset({"id", "type", "role", "model", "content", "stop_reason", "usage"})
_CALL_KEYS = frozenset({"type", "id", "name", "input"})
_RESULT_KEYS = frozenset({"type", "tool_use_id", "content", "is_error"})
_THINKING_KEYS = frozenset({"type", "thinking", "signature"})


class Entry(Struct, frozen=True, gc=False):
    """A record with a message.

    Attributes:
        record, message: the objects; `role` is that of the message, or else the type of the record.
        id: of the message.
        uuid: of the record.
        time: when it was written.
        parent: id of the row that it follows.
        extra: keys of the record and the message that have no column.
    """

    record: dict[str, Any]
    message: dict[str, Any]
    role: str
    id: str | None
    uuid: str | None
    time: str | None
    parent: str | None
    extra: dict[str, Any]

    @property
    def blocks(self) -> list[Any]:
        """The parts of the content; a text is one part."""
        content = self.message.get("content")
        if isinstance(content, list):
            return content
        if content is None or isinstance(content, str):
            return [{"type": "text", "text": content}] if content else []
        raise InvalidMessageError(f"expected string or array, got {type(content).__name__}", path=_BLOCK)


class Result(NamedTuple):
    """The result of a tool.

    Attributes:
        call_id: id of its call.
        content: texts and attachments.
        is_error: whether the call failed, None where it is not said.
        extra: keys that have no column.
    """

    call_id: str | None
    content: Content
    is_error: bool | None
    extra: dict[str, Any]


class Response:
    """A response that is being read.

    Args:
        entry: its first record.

    Attributes:
        id: of the response; of its first record if it has none.
        held: bytes of its records.
    """

    def __init__(self, entry: Entry) -> None:
        self.id = entry.id or entry.uuid or ""
        self.held = 0
        self._parent = entry.parent
        self._role = entry.role
        self._first = self._last = entry.time
        self._model: str | None = None
        self._reason: str | None = None
        self._cost: Decimal | None = None
        self._usage = Usage()
        self._uuids: dict[str, None] = {}
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._redacted: list[str] = []
        self._signatures: list[Any] = []
        self._attachments: list[dict[str, Any]] = []
        self._rest: list[Any] = []
        self._calls: dict[str, ToolCall] = {}
        self._open: dict[str, ToolCall] = {}  # calls without a result
        self._extra: dict[str, list[Any]] = {}  # different values of each key

    def add(self, entry: Entry) -> None:
        """Add a record; one that was added before adds nothing."""
        if entry.uuid is not None and entry.uuid in self._uuids:
            return
        message = entry.message
        model, reason = (text_of(message, key, "$.message") for key in ("model", "stop_reason"))
        cost = _cost_of(entry.record)
        blocks = entry.blocks
        calls = [_call_of(block) for block in blocks if _is_call(block)]
        results = [read_result(block) for block in blocks if is_result(block)]
        self._usage.add(message.get("usage"))
        self._usage.is_final = self._usage.is_final or reason is not None or cost is not None
        self._model, self._reason = model or self._model, reason or self._reason
        self._cost = cost if cost is not None else self._cost
        self._last = entry.time or self._last
        if entry.uuid is not None:
            self._uuids[entry.uuid] = None
        for block in blocks:
            if not (_is_call(block) or is_result(block)):
                self._add_block(block)
        for number, call in enumerate(calls):
            key = call.id or f":{len(self._calls)}:{number}"
            if key not in self._calls:
                self._calls[key] = self._open[key] = call
        for result in results:
            if not self.add_result(result, entry.time):
                self._rest.append(
                    {"tool_use_id": result.call_id, "content": "\n".join(result.content.texts), **result.extra}
                )
        for key, value in entry.extra.items():
            values = self._extra.setdefault(key, [])
            if not values or values[-1] != value:
                values.append(value)

    def add_result(self, result: Result, time: str | None) -> bool:
        """Add the result of a tool; return whether one of the calls waits for it."""
        call = self._open.pop(result.call_id or "", None)
        if call is None:
            return False
        call.finished = True
        call.result = "\n".join(result.content.texts)
        call.is_error = result.is_error
        if result.extra:
            call.extra = (call.extra or {}) | result.extra
        self._attachments += result.content.attachments
        self._last = time or self._last
        return True

    def message(self) -> Message:
        """Return the row."""
        row = Message(
            id=self.id,
            role=self._role,
            content="\n\n".join(self._texts),
            model=self._model,
            finish_reason=self._reason,
            reasoning="\n\n".join(self._thoughts) or None,
            tool_calls=list(self._calls.values()) or None,
            created_at=self._first,
            updated_at=self._last,
            cost=self._cost,
            thinking_blocks=self._thoughts or None,
            redacted_thinking_blocks=self._redacted or None,
            attachments=self._attachments or None,
            parent_id=self._parent,
        )
        lists = {
            "uuid": [uuid for uuid in self._uuids if uuid != self.id],
            "signature": self._signatures,
            **self._extra,
        }
        extra: dict[str, Any] = {key: found[0] if len(found) == 1 else found for key, found in lists.items() if found}
        if usage := self._usage.set_on(row):
            extra["usage"] = usage
        if self._rest:
            extra["content"] = self._rest
        row.extra = extra or None
        return row

    def _add_block(self, block: Any) -> None:
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "thinking" and isinstance(block.get("thinking"), str):
            if block["thinking"]:
                self._thoughts.append(block["thinking"])
            if block.get("signature") is not None:
                self._signatures.append(block["signature"])
            if more := leftover(block, _THINKING_KEYS):
                self._rest.append(more)
        elif kind == "redacted_thinking" and isinstance(block.get("data"), str):
            self._redacted.append(block["data"])
        else:
            content = read_content([block], attachment)
            self._texts += content.texts
            self._attachments += content.attachments
            self._rest += content.rest


def entry_of(record: dict[str, Any], time: str | None, parent: str | None, known: frozenset[str]) -> Entry:
    """Take apart a record with a message.

    Args:
        record: the object.
        time: when it was written.
        parent: id of the row that it follows.
        known: more keys of the record that need no place in `extra`.

    Raises:
        InvalidMessageError: a known field has another type.
    """
    message = record.get("message")
    if not isinstance(message, dict):
        raise InvalidMessageError(f"expected object, got {type(message).__name__}", path="$.message")
    role = text_of(message, "role", "$.message") or text_of(record, "type", "$") or "user"
    extra = {
        key: value
        for key, value in record.items()
        if value is not None and key not in _RECORD_KEYS and key not in known and value != []
    }
    for key in ("parentUuid", "sessionId"):
        if key not in known and record.get(key) is not None:
            extra[key] = record[key]
    if more := leftover(message, _MESSAGE_KEYS):
        extra["message"] = more
    return Entry(
        record, message, role, text_of(message, "id", "$.message") or None, text_of(record, "uuid", "$"), time, parent, extra
    )


def is_result(block: Any) -> bool:
    """Whether a part of a content is the result of a tool."""
    return isinstance(block, dict) and str(block.get("type")).endswith("tool_result")


def read_result(block: dict[str, Any], structured: Any = None) -> Result:
    """Read the result of a tool.

    Args:
        block: the part of the content.
        structured: the same result as the tool gave it, None if it is not known.

    Raises:
        InvalidMessageError: a known field has another type.
    """
    is_error = block.get("is_error")
    if is_error is not None and not isinstance(is_error, bool):
        raise InvalidMessageError(f"expected boolean, got {type(is_error).__name__}", path=f"{_BLOCK}.is_error")
    content = read_content(block.get("content"), attachment)
    extra = leftover(block, _RESULT_KEYS)
    if content.rest:
        extra["content"] = content.rest
    if structured is not None:
        extra["toolUseResult"] = without_base64(structured)
    return Result(text_of(block, "tool_use_id", _BLOCK), content, is_error, extra)


def _is_call(block: Any) -> bool:
    return isinstance(block, dict) and str(block.get("type")).endswith("tool_use")


def _call_of(block: dict[str, Any]) -> ToolCall:
    given = block.get("input")
    return ToolCall(
        id=text_of(block, "id", _BLOCK) or "",
        name=text_of(block, "name", _BLOCK) or "",
        type="function" if block["type"] == "tool_use" else "server",
        finished=False,
        input="" if given is None else as_text(given),
        input_json=given,
        extra=leftover(block, _CALL_KEYS) or None,
    )


def _cost_of(record: dict[str, Any]) -> Decimal | None:
    cost = record.get("costUSD")
    if cost is None:
        return None
    if isinstance(cost, bool) or not isinstance(cost, (int, Decimal)):
        raise InvalidMessageError(f"expected number, got {type(cost).__name__}", path="$.costUSD")
    return Decimal(cost)
