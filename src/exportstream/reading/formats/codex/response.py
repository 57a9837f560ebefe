"""One response of the model: its items become one message, and its tool calls get their results.

Takes: payloads of response items, outputs of tools, a usage. Returns: a `Message`.
Raises: `InvalidMessageError` for an item with a known field of another type. Holds: the items of one response.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from exportstream.errors import InputError
from exportstream.models.structs import Message, ToolCall
from exportstream.reading.formats.codex.outputs import attachment, has_failed_raw, read_output
from exportstream.reading.formats.codex.records import ShortItem
from exportstream.reading.formats.codex.usage import Usage
from exportstream.reading.formats.content import Content, as_text, leftover, read_content, text_of
from exportstream.reading.lines.records import decode_value

_CUSTOM = "custom_tool_call"
_FUNCTIONS = frozenset({"function_call", "local_shell_call"})
_INPUT_KEYS = ("arguments", "input", "action")
_CALL_KEYS = frozenset({"type", "id", "call_id", "name", "status", *_INPUT_KEYS})
_MESSAGE_KEYS = frozenset({"type", "id", "role", "content"})
_REASONING_KEYS = frozenset({"type", "id", "summary", "content"})


class Turn(msgspec.Struct, frozen=True):
    """What is the same for the messages of a turn.

    Attributes:
        id: its id, None before the first one.
        model: the model that answers.
        effort: the reasoning effort that was asked for.
    """

    id: str | None = None
    model: str | None = None
    effort: str | None = None


class Response:
    """A response that is being read.

    Args:
        turn: the turn it belongs to.
        replayed: whether it is a copy of one of another session.

    Attributes:
        turn, replayed: as given.
        model: the model that wrote it.
        takes_items: whether another item can belong to it: after the results of its tools a model goes on with the next one.
        usage: its tokens, once they are known.
        is_recorded: whether a usage record of it was read.
        id: the provider's id of it, if it is written.
    """

    def __init__(self, turn: Turn, *, replayed: bool) -> None:
        self.turn = turn
        self.replayed = replayed
        self.model = turn.model
        self.takes_items = True
        self.is_recorded = False
        self.usage: Usage | None = None
        self.id: str | None = None
        self._first: str | None = None
        self._last: str | None = None
        self._message_id: str | None = None
        self._texts: list[str] = []
        self._reasoning: list[str] = []
        self._thoughts: list[str] = []
        self._attachments: list[dict[str, Any]] = []
        self._calls: list[ToolCall] = []
        self._open: dict[str, ToolCall] = {}  # calls without a result
        self._by_id: dict[str, ToolCall] = {}  # the last call of each id
        self._is_short = False  # whether only figures are wanted
        self._extra: dict[str, Any] = {}
        self._found: dict[str, int] = {}  # how many items had each of its keys

    @property
    def is_waiting(self) -> bool:
        """Whether one of its calls has no result."""
        return bool(self._open)

    def add_item(self, item: dict[str, Any], time: str | None) -> None:
        """Add a message, a reasoning or a call."""
        kind = item.get("type", "message")
        if kind == "message":
            self._message_id = self._message_id or text_of(item, "id")
            content = read_content(item.get("content"), attachment)
            self._texts += content.texts
            self._keep(content, leftover(item, _MESSAGE_KEYS))
        elif kind == "reasoning":
            summary, thoughts = read_content(item.get("summary"), attachment), read_content(item.get("content"), attachment)
            self._reasoning += summary.texts
            self._thoughts += thoughts.texts
            self._keep(summary, {})
            self._keep(thoughts, leftover(item, _REASONING_KEYS))
        else:
            self._add_call(item, kind)
        self._first = self._first if self._first is not None else time
        self._last = time

    def _add_call(self, item: dict[str, Any], kind: str) -> None:
        given = next((item[key] for key in _INPUT_KEYS if item.get(key) is not None), None)
        extra = leftover(item, _CALL_KEYS)
        item_id, call_id, status = text_of(item, "id"), text_of(item, "call_id"), text_of(item, "status")
        if item_id is not None and call_id is not None:
            extra["item_id"] = item_id
        by_client = kind in _FUNCTIONS or kind == _CUSTOM or call_id is not None
        if status is not None and by_client:
            extra["status"] = status
        call = ToolCall(
            id=call_id or item_id or "",
            name=text_of(item, "name") or kind.removesuffix("_call"),
            type="custom" if kind == _CUSTOM else "function" if kind in _FUNCTIONS else "server",
            finished=not by_client and status == "completed",
            is_error=True if status == "failed" else None,
            input="" if given is None else as_text(given),
            input_json=_parsed(given) if isinstance(given, str) else given,
            extra=extra or None,
        )
        self._keep_call(call, call_id)

    def _keep_call(self, call: ToolCall, call_id: str | None) -> None:
        self._calls.append(call)
        self._by_id[call.id] = call
        if call_id is not None:
            self._open[call_id] = call

    def add_output(self, output: dict[str, Any], time: str | None) -> bool:
        """Add the output of a tool; return whether one of the calls waits for it."""
        call = self._open.pop(text_of(output, "call_id") or "", None)
        if call is None:
            return False
        content, extra, failed = read_output(output)
        call.finished = True
        call.result = "\n".join(content.texts)
        call.is_error = failed if failed is not None else call.is_error
        if extra:
            call.extra = (call.extra or {}) | {"output": extra}
        self._attachments += content.attachments
        self._end_call(time)
        return True

    def add_short(self, item: ShortItem, time: str | None) -> None:
        """Add a message, a reasoning or a call, of which only figures are wanted."""
        kind = item.type
        self._is_short = True
        if self._first is None:
            self._first = time
        self._last = time
        if kind == "message":
            self._message_id = self._message_id or item.id
            self._texts += item.texts
        elif kind != "reasoning":
            call_id = item.call_id
            by_client = kind in _FUNCTIONS or kind == _CUSTOM or call_id is not None
            call = ToolCall(
                id=call_id or item.id or "",
                name=item.name or kind.removesuffix("_call"),
                type="",
                finished=not by_client and item.status == "completed",
                is_error=True if item.status == "failed" else None,
                input="",
            )
            self._keep_call(call, call_id)

    def end_call(self, output: ShortItem, line: bytes, time: str | None) -> bool:
        """Add the output of a tool, of which only figures are wanted; return False if it has to be read in full."""
        if output.output is UNSET or output.call_id not in self._open:
            return False
        failed = has_failed_raw(output.output, line)
        if failed is UNSET:
            return False
        call = self._open.pop(output.call_id)
        call.finished = True
        if failed is not None:
            call.is_error = failed
        self._end_call(time)
        return True

    def _end_call(self, time: str | None) -> None:
        """Take note that a call has its result."""
        self._last = time
        if not self._open:
            self.takes_items = False

    def set_exit(self, call_ids: tuple[Any, ...], *, failed: bool) -> None:
        """Note whether a call failed, as an event says."""
        for call_id in call_ids:
            call = self._by_id.get(call_id) if type(call_id) is str else None
            if call is not None:
                call.is_error = failed

    def end(self, usage: Usage, time: str | None) -> None:
        """Complete the items."""
        self.takes_items = False
        self.usage = usage
        self._first = self._first if self._first is not None else time
        self._last = self._last if self._last is not None else time

    def message(self) -> Message:
        """Return the row; its id is empty if no item has one."""
        extra = None
        if not self._is_short:
            turn = {"turn_id": self.turn.id, "effort": self.turn.effort}
            extra = {key: value for key, value in (turn | self._extra).items() if value is not None} or None
        message = Message(
            id=self.id or self._message_id or "",
            role="assistant",
            content="\n\n".join(self._texts),
            model=self.model,
            reasoning="\n\n".join(self._reasoning) or None,
            thinking_blocks=self._thoughts or None,
            tool_calls=self._calls or None,
            created_at=self._first,
            updated_at=self._last,
            attachments=self._attachments or None,
            extra=extra,
        )
        if self.usage is not None:
            message.input_tokens = self.usage.input
            message.output_tokens = self.usage.output
            message.cache_creation_tokens = self.usage.cache_write
            message.cache_read_tokens = self.usage.cached
            message.reasoning_tokens = self.usage.reasoning
            message.total_input_tokens = self.usage.input
            message.usage_state = "final"
        return message

    def _keep(self, content: Content, extra: dict[str, Any]) -> None:
        self._attachments += content.attachments
        if content.rest:
            extra["content"] = content.rest
        for key, value in extra.items():  # a list where more than one item has the key
            self._found[key] = count = self._found.get(key, 0) + 1
            if count == 1:
                self._extra[key] = value
            elif count == 2:
                self._extra[key] = [self._extra[key], value]
            else:
                self._extra[key].append(value)


def user_message(item: dict[str, Any], time: str | None, turn: Turn) -> Message:
    """Return the row of a message that no model wrote."""
    content = read_content(item.get("content"), attachment)
    extra: dict[str, Any] = {} if turn.id is None else {"turn_id": turn.id}
    extra |= leftover(item, _MESSAGE_KEYS)
    if content.rest:
        extra["content"] = content.rest
    return _row(text_of(item, "id"), text_of(item, "role") or "user", content, extra, time)


def short_user_message(item: ShortItem, time: str | None) -> Message:
    """Return the row of such a message, of which only figures are wanted."""
    return Message(
        id=item.id or "", role=item.role or "user", content="\n".join(item.texts), created_at=time, updated_at=time
    )


def late_output(output: dict[str, Any], time: str | None, turn: Turn) -> Message:
    """Return the row of a tool's output whose call is not waiting any more, or was never there."""
    content, extra, _ = read_output(output)
    known = {"turn_id": turn.id, "call_id": text_of(output, "call_id")}
    return _row(None, "tool", content, {key: value for key, value in known.items() if value is not None} | extra, time)


def _row(row_id: str | None, role: str, content: Content, extra: dict[str, Any], time: str | None) -> Message:
    return Message(
        id=row_id or "",
        role=role,
        content="\n".join(content.texts),
        created_at=time,
        updated_at=time,
        attachments=content.attachments or None,
        extra=extra or None,
    )


def _parsed(text: str) -> Any:
    """The JSON value that a text holds, None if it holds none."""
    if not text.startswith(("{", "[")):
        return None
    try:
        return decode_value(text)[0]
    except InputError:
        return None
