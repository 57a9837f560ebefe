"""Messages of opencode of which only figures are wanted, as structs with what a sum needs.

Takes: structs that were decoded. Returns: rows. A message that the structs refuse is read as a JSON value, by `opencode`.
Raises: nothing. Holds: nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec import Raw, Struct

from exportstream.models.structs import Count, Message, ToolCall
from exportstream.reading.formats.chats.shapes import Shape
from exportstream.reading.formats.chats.values import time_of

NAMES = ("info",)
ENDED = ("completed", "error")
MILLI = 1000


class _Times(Struct, gc=False):
    created: int | str | None = None
    completed: int | str | None = None


class _Cache(Struct, gc=False):
    read: Count | None = None
    write: Count | None = None


class _Tokens(Struct, gc=False):
    input: Count | None = None
    output: Count | None = None
    reasoning: Count | None = None
    total: int | None = None
    cache: _Cache | None = None


class _Info(Struct, gc=False, rename={"model_id": "modelID", "parent_id": "parentID"}):
    id: str
    role: str
    model_id: str | None = None
    parent_id: str | None = None
    finish: str | None = None
    time: _Times | None = None
    cost: Any = None
    tokens: _Tokens | None = None


class _State(Struct, gc=False):
    status: str | None = None


class _Part(Struct, gc=False):
    type: str | None = None
    text: str | None = None
    tool: str | None = None
    state: _State | None = None


class FigureMessage(Struct, gc=False):
    """A message; nothing is said of keys that have no name here."""

    info: _Info
    parts: list[_Part | None] | None = None


FIGURES = Shape("messages", NAMES, list[FigureMessage], list[Raw], FigureMessage, passes_over=True)
_NO_TIMES, _NO_CACHE = _Times(), _Cache()


def read_figures(message: FigureMessage) -> Message | None:
    """Make the row of a message with its figures, names and content only; None if it has to be read as a value."""
    row = begin_row(message.info)
    if row is None:
        return None
    texts: list[str] = []
    calls: list[ToolCall] = []
    for part in message.parts or ():
        if part is None:
            continue
        if part.type == "text":
            if part.text:
                texts.append(part.text)
        elif part.type == "tool" and part.tool is not None:
            status = None if part.state is None else part.state.status
            is_error = True if status == "error" else None
            call = ToolCall(id="", name=part.tool, type="function", finished=status in ENDED, is_error=is_error, input="")
            calls.append(call)
    row.content = texts[0] if len(texts) == 1 else "\n\n".join(texts)
    row.tool_calls = calls or None
    return row


def begin_row(info: Any) -> Message | None:
    """Make a row of a struct with what all rows have, its tokens among them; None if it has to be read as a value."""
    times, cost = info.time or _NO_TIMES, info.cost
    if cost is not None:
        if cost.__class__ not in (int, Decimal):
            return None
        cost = Decimal(cost)
    row = Message(
        session_id="",  # without it, msgspec calls what makes the default
        id=info.id,
        role=info.role,
        content="",
        model=info.model_id,
        finish_reason=info.finish,
        created_at=time_of(times.created, "$.info.time.created", MILLI),
        updated_at=None,
        cost=cost,
    )
    if (tokens := info.tokens) is not None:
        cache = tokens.cache or _NO_CACHE
        row.input_tokens, row.reasoning_tokens = tokens.input, tokens.reasoning
        row.cache_read_tokens, row.cache_creation_tokens = cache.read, cache.write
        add_sums(row, tokens.output, tokens.total)
        row.usage_state = "partial" if times.completed is None else "final"
    return row


def add_sums(row: Message, output: int | None, total: Any) -> None:
    """Add the sums of tokens. Neither cache is in the input, and reasoning is not in the output, until it is added here.

    In some older versions reasoning is in the output; there the total tells.
    """
    if row.input_tokens is not None:
        row.total_input_tokens = row.input_tokens + (row.cache_read_tokens or 0) + (row.cache_creation_tokens or 0)
    if output is not None:
        is_within = row.total_input_tokens is not None and total == row.total_input_tokens + output
        row.output_tokens = output if is_within else output + (row.reasoning_tokens or 0)
