"""One response of the model: its records become one message, and its tool calls get their results.

Takes: records, decoded. Returns: a `Message`. Raises: `InvalidMessageError` for a record with a known field of another type.
Holds: the records of one response.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from exportstream.errors import InvalidMessageError, json_kind
from exportstream.models.structs import Message, ToolCall
from exportstream.reading.formats.claude_code.blocks import (
    Result,
    attachment,
    call_of,
    cost_of,
    is_call,
    is_result,
    read_result,
)
from exportstream.reading.formats.claude_code.short import ShortEmbedded, ShortLine, ShortMessage
from exportstream.reading.formats.claude_code.usage import Usage
from exportstream.reading.formats.content import TEXT_TYPES, Block, leftover, read_content, text_of

_BLOCK = "$.message.content"
RECORD_KEYS = frozenset({"type", "uuid", "timestamp", "message", "agentId", "costUSD", "toolUseResult"})
_MESSAGE_KEYS = frozenset({"id", "type", "role", "model", "content", "stop_reason", "usage"})
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
            raise InvalidMessageError(f"expected object, got {json_kind(message)}", path="$.message")
        self.record, self.message, self.time, self.parent, self._known = record, message, time, parent, known
        role = message.get("role")
        self.role = role if role and type(role) is str else text_of(message, "role", "$.message") or _role_of(record)
        found, uuid = message.get("id"), record.get("uuid")
        self.id = (found if type(found) is str else text_of(message, "id", "$.message")) or None
        self.uuid = uuid if type(uuid) is str else text_of(record, "uuid", "$")
        content = message.get("content")
        if isinstance(content, list):
            self.blocks = content
        elif content is None or isinstance(content, str):
            self.blocks = [{"type": "text", "text": content}] if content else []
        else:
            raise InvalidMessageError(f"expected string or array, got {json_kind(content)}", path=_BLOCK)

    @property
    def extra(self) -> dict[str, Any]:
        """Keys of the record and the message that have no column."""
        extra = self.record.copy()  # most keys have no column
        for key in self._known:
            extra.pop(key, None)
        values = extra.values()
        if None in values or [] in values:
            extra = {key: value for key, value in extra.items() if value is not None and value != []}
        if more := leftover(self.message, _MESSAGE_KEYS):
            extra["message"] = more
        return extra


class Response:
    """A response that is being read.

    Args:
        response_id: its id; that of its first record if it has none.
        role: who wrote it.
        time: when its first record was written.
        parent: id of the row that it follows.

    Attributes:
        held: bytes of its records.
        is_short: whether only figures are wanted.
    """

    def __init__(self, response_id: str, role: str, time: str | None, parent: str | None = None) -> None:
        self.id = response_id
        self.held = 0
        self.is_short = False
        self._parent = parent
        self._role = role
        self._first = self._last = time
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
        model, reason = message.get("model"), message.get("stop_reason")
        if not (type(model) is str and (reason is None or type(reason) is str)):
            model, reason = text_of(message, "model", "$.message"), text_of(message, "stop_reason", "$.message")
        cost = cost_of(entry.record)
        calls, results, others = [], [], []
        for block in entry.blocks:
            kind = block.get("type") if isinstance(block, dict) else None
            if is_call(kind):
                calls.append(call_of(block))
            elif is_result(kind):
                results.append(read_result(block))
            else:
                others.append((kind, block))
        self._usage.add(message.get("usage"), is_final=reason is not None or cost is not None)
        self._model, self._reason = model or self._model, reason or self._reason
        self._cost = cost if cost is not None else self._cost
        self._last = entry.time or self._last
        if uuid is not None:
            self._uuids[uuid] = None
        for kind, block in others:
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

    def add_short(self, line: ShortLine | ShortEmbedded, message: ShortMessage, blocks: list[Block]) -> None:
        """Add a record of which only figures are wanted. It has no results of tools."""
        uuid = line.uuid
        if uuid is not None:
            if uuid in self._uuids:
                return
            self._uuids[uuid] = None
        reason = message.stop_reason
        self._usage.add_short(message.usage, is_final=reason is not None)
        self._model = message.model or self._model
        self._reason = reason or self._reason
        self._last = line.timestamp or self._last
        number = 0
        for block in blocks:
            kind = block.type
            if kind is None or kind == "thinking":
                continue
            if kind in TEXT_TYPES:
                self._texts += [block.text] if block.text is not None else []
            elif kind.endswith("tool_use"):
                key = block.id or f":{len(self._calls)}:{number}"
                number += 1
                if key not in self._calls:
                    call = ToolCall(id=block.id or "", name=block.name or "", type="", finished=False, input="")
                    self._calls[key] = self._open[key] = call

    def end_calls(self, results: list[Block], time: str | None) -> bool:
        """Note that calls have their results, where only figures are wanted; return False if one of them does not wait."""
        waiting = self._open
        if len(results) > 1:
            ids = {result.tool_use_id or "" for result in results}
            if len(ids) < len(results) or not waiting.keys() >= ids:
                return False
        for result in results:
            call = waiting.pop(result.tool_use_id or "", None)
            if call is None:
                return False
            call.finished, call.is_error = True, result.is_error
        self._last = time or self._last
        return True

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
        if self.is_short:
            self._usage.set_on(row)
            return row
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
