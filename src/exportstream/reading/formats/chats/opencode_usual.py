"""Usual messages of opencode as structs: the same rows in less time, or rows of which only figures are wanted.

Takes: structs that were decoded. Returns: rows. A message that the structs refuse is read as a JSON value, by `opencode`.
Raises: nothing. Holds: nothing.
"""

from __future__ import annotations

from decimal import Decimal
from gc import is_tracked
from typing import Any

from msgspec import Raw, Struct

from exportstream.models.structs import Count, Message, ToolCall
from exportstream.reading.formats.chats.opencode_parts import ENDED, UsualPart, read_structs
from exportstream.reading.formats.chats.shapes import Shape
from exportstream.reading.formats.chats.values import PLAIN, time_of_millis

USUAL_KEYS = ("providerID", "mode", "summary", "agent", "model", "path")  # those without a column
_NAMES = {"model_id": "modelID", "parent_id": "parentID", "provider_id": "providerID", "session_id": "sessionID"}


class _FigureTimes(Struct, gc=False):
    created: int | str | None = None
    completed: int | str | None = None


class _FigureCache(Struct, gc=False):
    read: Count | None = None
    write: Count | None = None


class _FigureTokens(Struct, gc=False):
    input: Count | None = None
    output: Count | None = None
    reasoning: Count | None = None
    total: int | None = None
    cache: _FigureCache | None = None


class _FigureInfo(Struct, gc=False, rename={"model_id": "modelID", "parent_id": "parentID"}):
    id: str
    role: str
    model_id: str | None = None
    parent_id: str | None = None
    finish: str | None = None
    time: _FigureTimes | None = None
    cost: Any = None
    tokens: _FigureTokens | None = None


class _FigureState(Struct, gc=False):
    status: str | None = None


class _FigurePart(Struct, gc=False):
    type: str | None = None
    text: str | None = None
    tool: str | None = None
    state: _FigureState | None = None


class FigureMessage(Struct, gc=False):
    """A message with what a sum needs; nothing is said of keys that have no name here."""

    info: _FigureInfo
    parts: list[_FigurePart | None] | None = None


class _Times(_FigureTimes, gc=False, forbid_unknown_fields=True):
    """The same fields."""


class _Cache(_FigureCache, gc=False, forbid_unknown_fields=True):
    """The same fields."""


class _Tokens(_FigureTokens, gc=False, forbid_unknown_fields=True):
    cache: _Cache | None = None


class _Info(Struct, gc=False, forbid_unknown_fields=True, rename=_NAMES):
    id: str
    role: str
    session_id: str | None = None
    time: _Times | None = None
    parent_id: str | None = None
    model_id: str | None = None
    provider_id: str | None = None
    mode: str | None = None
    summary: Any = None
    agent: str | None = None
    model: Any = None
    path: Any = None
    cost: Any = None
    tokens: _Tokens | None = None
    finish: str | None = None


class UsualMessage(Struct, gc=False, forbid_unknown_fields=True):
    """A message with all its keys."""

    info: _Info
    parts: list[UsualPart] | None = None


USUAL = Shape("messages", ("info",), list[UsualMessage], list[Raw], UsualMessage, reads_all=True)
FIGURES = Shape("messages", ("info",), list[FigureMessage], list[Raw], FigureMessage, passes_over=True)
_NO_TIMES, _NO_CACHE = _FigureTimes(), _FigureCache()


def read_usual(message: UsualMessage, deep: list[Any]) -> Message | None:
    """Make the row of a message; None if it has to be read as a value.

    Args:
        message: the struct.
        deep: gets values of the row that may have many levels, within as many lists as they are below it.
    """
    info = message.info
    if not _is_cost(info.cost):
        return None  # before values of it are noted
    texts, thoughts, calls, files, rest = read_structs(message.parts or (), info.id, deep)
    extra: dict[str, Any] = {}
    if info.provider_id is not None:
        extra["providerID"] = info.provider_id
    if info.mode is not None:
        extra["mode"] = info.mode
    if (summary := info.summary) or summary.__class__ in PLAIN:
        extra["summary"] = summary
    if info.agent is not None:
        extra["agent"] = info.agent
    if (model := info.model) or model.__class__ in PLAIN:
        extra["model"] = model
    if (path := info.path) or path.__class__ in PLAIN:
        extra["path"] = path
    if is_tracked(summary) or is_tracked(model) or is_tracked(path):
        deep.append([summary, model, path])
    if info.tokens is not None and info.tokens.total is not None:
        extra["tokens"] = {"total": info.tokens.total}
    if rest:
        extra["parts"] = rest
    row = _make_row(
        info,
        texts[0] if len(texts) == 1 else "\n\n".join(texts),
        calls or None,
        updated_at=None if info.time is None else time_of_millis(info.time.completed, "$.info.time.completed"),
        parent_id=info.parent_id,
        extra=extra or None,
    )
    if thoughts:
        row.reasoning, row.thinking_blocks = "\n\n".join(thoughts), thoughts
    if files:
        row.attachments = files
    return row


def read_figures(message: FigureMessage, deep: list[Any]) -> Message | None:
    """Make the row of a message with its figures, names and content only; None if it has to be read as a value."""
    del deep  # no struct holds such values
    if not _is_cost(message.info.cost):
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
    return _make_row(message.info, texts[0] if len(texts) == 1 else "\n\n".join(texts), calls or None)


def _is_cost(value: Any) -> bool:
    """Whether a value is a number, or null."""
    return value is None or value.__class__ in (int, Decimal)


def _make_row(
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
