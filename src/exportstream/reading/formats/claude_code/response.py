"""One response of the model: its records become one message, and its tool calls get their results.

Takes: records, decoded. Returns: a `Message`. Raises: `InvalidMessageError` for a record with a known field of another type.
Holds: the records of one response.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from exportstream.errors import InvalidMessageError
from exportstream.models.structs import Message, ToolCall
from exportstream.reading.formats.claude_code.content import attachment, without_base64
from exportstream.reading.formats.claude_code.usage import Usage
from exportstream.reading.formats.content import Content, as_text, leftover, read_content, text_of

_BLOCK = "$.message.content"
RECORD_KEYS = frozenset({"type", "uuid", "timestamp", "message", "agentId", "costUSD", "toolUseResult"})
_MESSAGE_KEYS = frozenset({"id", "type", "role", "model", "content", "stop_reason", "usage"})
_CALL_KEYS = frozenset({"type", "id", "name", "input"})
_RESULT_KEYS = frozenset({"type", "tool_use_id", "content", "is_error"})
_THINKING_KEYS = frozenset({"type", "thinking", "signature"})


class Entry:
    """A record with a message, taken apart.

    Args:
        record: the object.
        time: when it was written.
        parent: id of the row that it follows.
        known: keys of the record that need no place in `extra`, `RECORD_KEYS` among them.

    Attributes:
        record, time, parent: as given.
        message: the object in it.
        role: that of the message, or else the type of the record.
        id: of the message.
        uuid: of the record.
        blocks: the parts of the content; a text is one part.

    Raises:
        InvalidMessageError: a known field has another type.
    """

    __slots__ = ("_known", "blocks", "id", "message", "parent", "record", "role", "time", "uuid")

    def __init__(self, record: dict[str, Any], time: str | None, parent: str | None, known: frozenset[str]) -> None:
        message = record.get("message")
        if not isinstance(message, dict):
            raise InvalidMessageError(f"expected object, got {type(message).__name__}", path="$.message")
        self.record, self.message, self.time, self.parent, self._known = record, message, time, parent, known
        role = message.get("role")
        self.role = role if role and type(role) is str else text_of(message, "role", "$.message") or _role_of(record)
        self.id = text_of(message, "id", "$.message") or None
        self.uuid = text_of(record, "uuid", "$")
        content = message.get("content")
        if isinstance(content, list):
            self.blocks = content
        elif content is None or isinstance(content, str):
            self.blocks = [{"type": "text", "text": content}] if content else []
        else:
            raise InvalidMessageError(f"expected string or array, got {type(content).__name__}", path=_BLOCK)

    @property
    def extra(self) -> dict[str, Any]:
        """Keys of the record and the message that have no column."""
        left_out = self._known
        extra = {
            key: value for key, value in self.record.items() if key not in left_out and value is not None and value != []
        }
        if more := leftover(self.message, _MESSAGE_KEYS):
            extra["message"] = more
        return extra


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
        self._last_extra: dict[str, Any] = {}

    def add(self, entry: Entry) -> None:
        """Add a record; one that was added before adds nothing."""
        uuid, message = entry.uuid, entry.message
        if uuid is not None and uuid in self._uuids:
            return
        model, reason = text_of(message, "model", "$.message"), text_of(message, "stop_reason", "$.message")
        cost = _cost_of(entry.record)
        kinds = [block.get("type") if isinstance(block, dict) else None for block in entry.blocks]
        pairs = list(zip(kinds, entry.blocks, strict=True))
        calls = [_call_of(block) for kind, block in pairs if is_call(kind)]
        results = [read_result(block) for kind, block in pairs if is_result(kind)]
        self._usage.add(message.get("usage"), is_final=reason is not None or cost is not None)
        self._model, self._reason = model or self._model, reason or self._reason
        self._cost = cost if cost is not None else self._cost
        self._last = entry.time or self._last
        if uuid is not None:
            self._uuids[uuid] = None
        for kind, block in pairs:
            if not (is_call(kind) or is_result(kind)):
                self._add_block(kind, block)
        for number, call in enumerate(calls):
            key = call.id or f":{len(self._calls)}:{number}"
            if key not in self._calls:
                self._calls[key] = self._open[key] = call
        for result in results:
            if not self.add_result(result, entry.time):
                texts = "\n".join(result.content.texts)
                self._rest.append({"tool_use_id": result.call_id, "content": texts, **result.extra})
        if (extra := entry.extra) != self._last_extra:
            self._last_extra = extra
            for key, value in extra.items():
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

    def _add_block(self, kind: Any, block: Any) -> None:
        if kind == "text" and len(block) == 2 and isinstance(block.get("text"), str):
            self._texts.append(block["text"])
        elif kind == "thinking" and isinstance(block.get("thinking"), str):
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


def _role_of(record: dict[str, Any]) -> str:
    return text_of(record, "type", "$") or "user"


def is_result(kind: Any) -> bool:
    """Whether a part of a content is the result of a tool."""
    return isinstance(kind, str) and kind.endswith("tool_result")


def is_call(kind: Any) -> bool:
    """Whether a part of a content is a call of a tool."""
    return isinstance(kind, str) and kind.endswith("tool_use")


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
