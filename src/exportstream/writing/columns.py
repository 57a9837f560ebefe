"""Columns: their names, types, units and meanings, said once for all formats and for the documentation.

Types come from the annotations of the structs; units and meanings are listed here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from functools import cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from msgspec import Meta, Struct
from msgspec.structs import FieldInfo, astuple
from msgspec.structs import fields as struct_fields

Sum = Annotated[int, Meta(extra={"is_sum": True})]  # it may need more than 64 bits


class ColumnType(StrEnum):
    """What a column holds."""

    TEXT = "text"
    DATE_TIME = "date-time"  # as text
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    TEXTS = "list of text"
    TOOL_CALLS = "list of tool calls"
    JSON = "JSON"  # any value


_TYPES: dict[Any, ColumnType] = {
    str: ColumnType.TEXT,
    int: ColumnType.INTEGER,
    Decimal: ColumnType.DECIMAL,
    bool: ColumnType.BOOLEAN,
    list[str]: ColumnType.TEXTS,
}


class Column(NamedTuple):
    """One column.

    Attributes:
        attribute: the field of the row's struct.
        name: the column's name in the output.
        type: what it holds.
        required: whether every row has a value.
        left_out: whether NDJSON leaves out the key of an absent value.
        is_long: whether its texts may be long.
        is_sum: whether it adds up integers of 64 bits, so that it may need more bits.
        unit: of its numbers.
        meaning: one line for readers.
        fields: of the objects in it, as columns: of tool calls.
    """

    attribute: str
    name: str
    type: ColumnType
    required: bool
    left_out: bool
    is_long: bool
    is_sum: bool
    unit: str
    meaning: str
    fields: tuple[Column, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether its values are texts."""
        return self.type in (ColumnType.TEXT, ColumnType.DATE_TIME)

    @property
    def is_nested(self) -> bool:
        """Whether its values are lists, objects, or any JSON."""
        return self.type in (ColumnType.TEXTS, ColumnType.TOOL_CALLS, ColumnType.JSON)


@cache
def columns_of(kind: type[Struct], table: str) -> tuple[Column, ...]:
    """Return the columns of a row's struct; `table` is a table's name, ``place``, ``prices`` or ``running totals``."""
    return tuple(_column(field, *_UNITS_AND_MEANINGS[table][field.name]) for field in struct_fields(kind))


def transposed(rows: Sequence[Any], columns: Sequence[Column]) -> list[list[Any]]:
    """Return the values of rows, column by column: slices of one flat list, to which whole rows are added at a time."""
    flat: list[Any] = []
    deque(map(flat.extend, map(astuple, rows)), 0)
    width = len(columns)
    if len(flat) == width * len(rows):
        return [flat[number::width] for number in range(width)]
    return [list(map(attrgetter(column.attribute), rows)) for column in columns]  # structs with more fields


def _column(field: FieldInfo, unit: str, meaning: str) -> Column:
    parts = get_args(field.type) if get_origin(field.type) in (Union, UnionType) else (field.type,)
    (kind,) = (part for part in parts if part is not NoneType)
    said: dict[str, Any] = {}
    if get_origin(kind) is Annotated:
        kind, meta = get_args(kind)
        said = meta.extra or {}
    type_ = said.get("type") or _TYPES.get(kind)
    calls = None if type_ or get_origin(kind) is not list else get_args(kind)[0]
    return Column(
        attribute=field.name,
        name=field.encode_name,
        type=ColumnType(type_ or (ColumnType.TOOL_CALLS if calls else ColumnType.JSON)),
        required=NoneType not in parts and kind is not Any and field.default is not None,
        left_out=field.default is None,
        is_long=said.get("is_long", False),
        is_sum=said.get("is_sum", False),
        unit=unit,
        meaning=meaning,
        fields=columns_of(calls, "tool-calls") if calls else (),
    )


_COUNTED = "sum over its messages; absent if no message has it"
_DECLARED = "declared by the session"
_STATES = "tokens that are `final`, or may be `partial`; `repeated` and `replayed` copies are never counted"
_PRODUCER = "program that the export came from, such as `codex` or `chatgpt`; absent for session exports"

_UNITS_AND_MEANINGS: dict[str, dict[str, tuple[str, str]]] = {
    "messages": {
        "session_id": ("", "id of the session"),
        "index": ("", "position of the message in its session, from 0; a rejected message keeps its number"),
        "id": ("", "id of the message"),
        "role": ("", "`user`, `assistant`, `tool`, `system` or another"),
        "content": ("", "text of the message"),
        "model": ("", "model that wrote it"),
        "finish_reason": ("", "reason it ended, such as `end_turn` or `tool_use`"),
        "reasoning": ("", "reasoning text"),
        "reasoning_duration": ("as exported", "the server's integer; the format states no unit"),
        "tool_calls": ("", "each with the columns of `tool-calls` from `id` to `extra`, without `createdAt`"),
        "created_at": ("", "creation, as written, with the producer's offset; empty where the producer wrote null"),
        "updated_at": ("", "last change, as written"),
        "input_tokens": ("tokens", "input tokens of this message, cache creation included (Claude Code: without caches)"),
        "output_tokens": ("tokens", "output tokens of this message"),
        "cache_creation_tokens": ("tokens", "tokens written to the prompt cache"),
        "cache_read_tokens": ("tokens", "tokens read from the prompt cache"),
        "cost": ("USD", "recorded cost of this message, with its digits"),
        "thinking_blocks": ("", "list of thinking texts"),
        "redacted_thinking_blocks": ("", "list of redacted thinking texts"),
        "extra": ("", "keys that are not in this table, with their values"),
        "producer": ("", _PRODUCER),
        "agent_id": ("", "sub-agent that the message belongs to; absent for the main agent"),
        "usage_state": ("", _STATES),
        "attachments": ("", "list of attached files, each with `type` and `size`, or `url`; the data is left out"),
        "total_input_tokens": ("tokens", "all tokens of the prompt, those of the cache included"),
        "reasoning_tokens": ("tokens", "output tokens spent on reasoning, part of `outputTokens`"),
        "parent_id": ("", "id of the message that it follows, where messages are a tree"),
        "active": ("", "whether it is on the branch that is shown; absent where there is no tree"),
        "cache_creation_1h_tokens": ("tokens", "those of `cacheCreationTokens` that are kept for an hour"),
    },
    "tool-calls": {
        "session_id": ("", "id of the session"),
        "message_id": ("", "id of the message with the call"),
        "message_index": ("", "position of that message in its session, from 0"),
        "tool_call_index": ("", "position of the call in its message, from 0"),
        "id": ("", "id of the call"),
        "name": ("", "name of the tool"),
        "type": ("", "type of the call, such as `tool_use`"),
        "finished": ("", "true or false, as written"),
        "is_error": ("", "true for a failed call; most producers leave it out for a success, so it is rarely false"),
        "input": ("", "input of the tool as the text that was sent; it may be empty or not JSON"),
        "input_json": ("", "the parsed input; its keys are data and are never renamed"),
        "result": ("", "text that the tool returned"),
        "metadata": ("", "text with details, as written"),
        "screenshot_urls": ("", "list of URLs"),
        "created_at": ("", "`createdAt` of the message"),
        "extra": ("", "keys of the call that are not in this table"),
        "producer": ("", _PRODUCER),
    },
    "sessions": {
        "id": ("", "id of the session"),
        "title": ("", "title of the session"),
        "user_message_count": ("messages", _DECLARED),
        "assistant_message_count": ("messages", _DECLARED),
        "tool_call_count": ("tool calls", _DECLARED),
        "prompt_tokens": ("tokens", _DECLARED),
        "completion_tokens": ("tokens", _DECLARED),
        "cost": ("USD", _DECLARED),
        "created_at": ("", "creation of the session, as written"),
        "updated_at": ("", "last change of the session, as written"),
        "counted_messages": ("messages", "counted in its messages"),
        "counted_user_messages": ("messages", "those of role `user`"),
        "counted_assistant_messages": ("messages", "those of role `assistant`"),
        "counted_tool_calls": ("tool calls", "counted in its messages"),
        "counted_tool_errors": ("tool calls", "those whose `isError` is true"),
        "counted_input_tokens": ("tokens", _COUNTED),
        "counted_output_tokens": ("tokens", _COUNTED),
        "counted_cache_creation_tokens": ("tokens", _COUNTED),
        "counted_cache_read_tokens": ("tokens", _COUNTED),
        "counted_cost": ("USD", _COUNTED),
        "counted_first_date": ("", "earliest `createdAt` of a message, as written"),
        "counted_last_date": ("", "latest `createdAt` of a message, as written"),
        "extra": ("", "unknown keys of the session; `response` in it has the keys of an SDK response around it"),
        "producer": ("", _PRODUCER),
        "parent_session_id": ("", "session that it was forked from or spawned by"),
        "project": ("", "folder that the session worked in"),
    },
    "place": {
        "file": ("", "name of the input as it was given; secrets of a URL are masked"),
        "session_number": ("", "position of the session among all that were read, from 0; with `--dedupe` there are gaps"),
    },
    "prices": {"cost_source": ("", "`recorded`: `cost` is in the export; `priced`: computed; absent without a cost")},
    "running totals": {
        "running_messages": ("messages", "messages so far"),
        "running_tool_calls": ("tool calls", "tool calls so far"),
        "running_input_tokens": ("tokens", "input tokens so far"),
        "running_output_tokens": ("tokens", "output tokens so far"),
        "running_cost": ("USD", "recorded cost so far; absent until a message has one"),
        "running_prompt_tokens": ("tokens", "declared, of the sessions complete so far"),
        "running_completion_tokens": ("tokens", "declared, of the sessions complete so far"),
        "running_declared_cost": ("USD", "declared cost of the sessions complete so far; absent until one declares it"),
    },
}
