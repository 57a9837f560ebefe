"""Conversations of claude.ai as its export has them, made of the text of `corpus`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.corpus import Text

KEY = b'"sender":"'  # once in each message
_TIME = "2025-03-17T03:28:33.{:06}Z"
_ROOT = "00000000-0000-4000-8000-000000000000"


def conversation(text: Text, number: int) -> dict[str, Any]:
    """Make a conversation; one in three answers calls a tool."""
    name = f"{number:08x}-5f9a-4d10-9c3e-1b2f7a6c8d90"
    messages = [_message(text, name, index) for index in range(text.between(4, 40))]
    return {
        "uuid": name,
        "name": text.code(10, 40),
        "summary": "",
        "created_at": _TIME.format(1),
        "updated_at": _TIME.format(2),
        "account": {"uuid": "8a1b5e0c-1111-4d10-9c3e-1b2f7a6c8d90"},
        "chat_messages": messages,
    }


def _message(text: Text, name: str, index: int) -> dict[str, Any]:
    is_answer = index % 2 == 1
    said = text.code(20, 1200)
    content = [_block("text", text=said, citations=[])]
    if is_answer and text.between(0, 2) == 0:
        call_id = f"toolu_{name[:8]}{index:06}"
        called = _block("tool_use", id=call_id, name="repl", input={"code": text.code(50, 400)}, message=None)
        shown = [{"type": "text", "text": text.code(10, 400), "uuid": f"{index:08x}-{name[9:]}"}]
        answered = _block("tool_result", tool_use_id=call_id, name="repl", content=shown, is_error=False, message=None)
        content += [called, answered]
    return {
        "uuid": f"{name}-{index}",
        "text": said,
        "content": content,
        "sender": "assistant" if is_answer else "human",
        "created_at": _TIME.format(index),
        "updated_at": _TIME.format(index),
        "attachments": [],
        "files": [],
        "parent_message_uuid": f"{name}-{index - 1}" if index else _ROOT,
    }


def _block(kind: str, **fields: Any) -> dict[str, Any]:
    times = {"start_timestamp": _TIME.format(3), "stop_timestamp": _TIME.format(4), "flags": None}
    return times | {"type": kind} | fields
