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
from exportstream.reading.formats.chats.values import time_of_millis

NAMES = ("info",)
ENDED = ("completed", "error")


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


def read_figures(message: FigureMessage, deep: list[Any]) -> Message | None:
    """Make the row of a message with its figures, names and content only; None if it has to be read as a value."""
    del deep  # no struct holds such values
    if not is_cost(message.info.cost):
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
    return make_row(message.info, texts[0] if len(texts) == 1 else "\n\n".join(texts), calls or None)


def is_cost(value: Any) -> bool:
    """Whether a value is a number, or null."""
    return value is None or value.__class__ in (int, Decimal)


def make_row(
    info: Any,
    content: str,
    calls: list[ToolCall] | None,
    *,
    updated_at: str | None = None,
    parent_id: str | None = None,
    extra: dict[str, Any] | None = None,
) -> Message:
    """Make a row of a struct whose cost is one; with at most 15 keywords: Python passes more of them by a dict."""
    times, cost = info.time or _NO_TIMES, info.cost
    row = Message(
        session_id="",  # without it, msgspec calls what makes the default
        id=info.id,
        role=info.role,
        content=content,
        model=info.model_id,
        finish_reason=info.finish,
        tool_calls=calls,
        created_at=time_of_millis(times.created, "$.info.time.created"),
        updated_at=updated_at,
        cost=None if cost is None else Decimal(cost),
        extra=extra,
        parent_id=parent_id,
    )
    if (tokens := info.tokens) is not None:
        cache = tokens.cache or _NO_CACHE
        row.input_tokens = given = tokens.input
        row.reasoning_tokens = reasoning = tokens.reasoning
        row.cache_read_tokens, row.cache_creation_tokens = read, written = cache.read, cache.write
        row.total_input_tokens, row.output_tokens = sums_of(given, tokens.output, reasoning, read, written, tokens.total)
        row.usage_state = "partial" if times.completed is None else "final"
    return row


def sums_of(
    given: int | None, output: int | None, reasoning: int | None, read: int | None, written: int | None, total: Any
) -> tuple[int | None, int | None]:
    """All tokens of the input and of the output.

    Neither cache is in the input, and reasoning is not in the output, until it is added here. In some older versions
    reasoning is in the output; there the total tells.
    """
    whole = None if given is None else given + (read or 0) + (written or 0)
    if output is not None and reasoning and (whole is None or total != whole + output):
        output += reasoning
    return whole, output
