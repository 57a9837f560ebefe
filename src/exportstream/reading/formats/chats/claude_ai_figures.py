"""Messages of claude.ai of which only figures are wanted, as structs with what a sum needs.

Takes: structs that were decoded. Returns: rows. A message that the structs refuse is read as a JSON value, by `claude_ai`.
Raises: nothing. Holds: nothing.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from exportstream.models.structs import Message, ToolCall
from exportstream.reading.formats.chats.claude_ai_calls import Calls
from exportstream.reading.formats.chats.shapes import Shape
from exportstream.reading.formats.content import Block

NAMES = ("uuid", "name", "summary", "created_at", "updated_at", "account")
ROLES = {"human": "user"}


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


FIGURES = Shape("chat_messages", NAMES, list[FigureMessage], list[Raw], FigureMessage, passes_over=True)


def read_figures(message: FigureMessage, deep: list[Any]) -> Message:
    """Make the row of a message with its figures, names and content only."""
    del deep  # no struct holds such values
    texts: list[str] = []
    calls: Calls | None = None
    for number, block in enumerate(message.content or ()):
        if block is None:
            continue
        if block.type == "text":
            if block.text:
                texts.append(block.text)
        elif block.type == "tool_use" and block.name is not None:
            calls = calls or Calls()
            call_id = block.id or f"{message.uuid}:{number}"
            calls.add(ToolCall(id=call_id, name=block.name, type="function", finished=False, input=""), number)
        elif block.type == "tool_result" and calls is not None and (call := calls.take(block.tool_use_id)) is not None:
            call.finished = True
            call.is_error = block.is_error or None
    content = texts[0] if len(texts) == 1 else "\n\n".join(texts)
    return Message(
        session_id="",  # without it, msgspec calls what makes the default
        id=message.uuid,
        role=ROLES.get(message.sender, message.sender),
        content=content or message.text or "",
        created_at=message.created_at,
        updated_at=None,
        tool_calls=None if calls is None else calls.all,
    )
