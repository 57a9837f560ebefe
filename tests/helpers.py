"""What the property tests share: documents, ways of reading them, and results as plain values that compare exactly."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from hypothesis import strategies as st
from msgspec.structs import fields as struct_fields

from exportstream import ExportstreamError, Reject, convert, open_export
from exportstream.models.structs import Message, Session, ToolCall

DATA = Path(__file__).parent / "data"
SAMPLES = sorted(path.name for path in DATA.iterdir() if path.name.endswith((".json", ".ndjson")))

NOTES = ("null_dates", "replaced_surrogates", "repeated_ids", "rejected")
DATE = "2025-10-03T10:00:01+05:30"


class Outcome(NamedTuple):
    """Everything a reading gave, as plain values."""

    messages: list[Any]
    sessions: list[Any]
    totals: Any
    notes: Any
    rejects: list[Any]
    error: tuple[type[ExportstreamError], str] | None


class Shreds(io.RawIOBase):
    """A file object whose reads are short: the sizes come round and round."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        super().__init__()
        self._data, self._sizes, self._at, self._turn = data, sizes, 0, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        want = self._sizes[self._turn % len(self._sizes)]
        self._turn += 1
        want = want if size < 0 else min(want, size)
        piece = self._data[self._at : self._at + want]
        self._at += len(piece)
        return piece


def cuts(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """`data` in pieces of these sizes, round and round."""
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        yield data[at : at + size]
        at, turn = at + size, turn + 1


@contextmanager
def blocks(on: bool) -> Iterator[None]:
    """Whether blocks are taken out in front of ijson."""
    with patch.dict(os.environ, {} if on else {"EXPORTSTREAM_BLOCKS": "0"}):
        if on:
            os.environ.pop("EXPORTSTREAM_BLOCKS", None)
        yield


@contextmanager
def small_blocks(block: int, chunk: int) -> Iterator[None]:
    """Blocks and reads of a few bytes, so that their edges come everywhere."""
    with (
        patch("exportstream.reading.json.blocks.BLOCK", block),
        patch("exportstream.reading.json.stream.BLOCK", block),
        patch("exportstream.reading.json.blocks.SMALLEST_BLOCK", max(16, block // 8)),
        patch("exportstream.reading.json.stream.CHUNK", chunk),
    ):
        yield


def exact(value: Any) -> Any:
    """The value with each number as its text, so that 1, 1.0 and true differ; one Python frame for each level."""
    if isinstance(value, dict):
        return dict(zip(value, map(exact, value.values()), strict=True))
    if isinstance(value, (list, tuple)):
        return list(map(exact, value))
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return f"#{value}"
    return ["bool", value] if isinstance(value, bool) else value


def plain(item: Message | Session | ToolCall) -> Any:
    """A struct as a dict of its public fields."""
    for kind in (Message, Session, ToolCall):
        if isinstance(item, kind):
            fields = {name: getattr(item, name) for name in kind.__struct_fields__}
    if fields.get("tool_calls"):
        fields["tool_calls"] = [plain(call) for call in fields["tool_calls"]]
    return exact(fields)


def read(source: Any, *, on: bool = True, on_error: str = "stop", **options: Any) -> Outcome:
    """Read a source to its end or its error."""
    messages: list[Any] = []
    sessions: list[Any] = []
    rejects: list[Reject] = []
    error = None
    with blocks(on), open_export(source, on_error=on_error, rejects=rejects, **options) as export:
        try:
            for part in export.batches():
                if isinstance(part, list):
                    messages += map(plain, part)
                else:
                    sessions.append((plain(part[0]), exact(part[1].as_dict())))
        except ExportstreamError as caught:
            error = type(caught), caught.what
        totals, notes = exact(export.totals.as_dict()), {name: getattr(export.notes, name) for name in NOTES}
    refused = [(r.session_id, r.index, r.path, r.reason, exact(r.message)) for r in rejects]
    return Outcome(messages, sessions, totals, notes, refused, error)


def converted(source: Any, **options: Any) -> bytes:
    """What `convert` writes."""
    target = io.BytesIO()
    convert(source, target, **options)
    return target.getvalue()


def dump(value: Any, **options: Any) -> bytes:
    """JSON as the server writes it, Decimal digit for digit."""
    options.setdefault("separators", (",", ":"))
    options.setdefault("ensure_ascii", False)
    marks: list[str] = []

    def mark(item: Any) -> Any:
        if isinstance(item, Decimal):
            marks.append(str(item))
            return f"\x01{len(marks) - 1}\x01"
        if isinstance(item, dict):
            return {key: mark(inner) for key, inner in item.items()}
        if isinstance(item, list):
            return [mark(inner) for inner in item]
        return item

    text = json.dumps(mark(value), **options)
    for number, digits in enumerate(marks):
        text = text.replace(f'"\\u0001{number}\\u0001"', digits)
    return text.encode()


def tool_call(number: int = 0, **fields: Any) -> dict[str, Any]:
    """A valid tool call."""
    call = {"id": f"c{number}", "name": "Bash", "input": "{}", "type": "tool_use", "finished": True}
    return {**call, **fields}


def message(number: int = 0, **fields: Any) -> dict[str, Any]:
    """A valid message."""
    made = {"id": f"m{number}", "role": "user", "content": "x", "createdAt": DATE, "updatedAt": DATE}
    return {**made, **fields}


def session(messages: list[Any], **fields: Any) -> dict[str, Any]:
    """A valid session, totals before messages."""
    return {"id": "s", "title": "t", **fields, "messages": messages}


def variant(data: bytes, change: Callable[[Any], Any]) -> bytes:
    """`data` (one document, numbers kept) with `change` applied and written again."""
    return dump(change(json.loads(data, parse_float=Decimal)))


SPECIAL = st.sampled_from(
    [
        ',{"id":"x","role":"',
        ',{"id":"x","role":"user","content":"',
        '"messages":[',
        '{"messages":[{"id":"',
        "\\",
        '"',
        "\\u",
        "\\ud800",
        "]}",
        "[{",
        "\x00",
        "\u2028",
        "🙂",
        "é",
        "\n",
        "\x7f",
        ",",
    ]
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12), st.lists(SPECIAL, min_size=1, max_size=3).map("".join)
)
KEYS = st.one_of(
    st.sampled_from(
        ["id", "role", "messages", "item", "content", "", "a.b", "result", "extra", "sessionId", "messageIndex"]
    ),
    TEXTS,
)
NUMBERS = st.one_of(
    st.integers(-10, 10),
    st.integers(-(10**25), 10**25),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9),
    st.sampled_from([Decimal("0.10"), Decimal("1E+400"), Decimal("1E-7"), Decimal("-0.0"), 2**63, 2**64, -(2**63) - 1]),
)
LOOKALIKES = st.sampled_from(
    [
        {"messages": [{"id": "n", "role": "user", "content": "nested"}, {"id": "o", "role": "tool", "content": ""}]},
        [{"id": "n", "role": "user"}, {"id": "o", "role": "user"}],
        [message(0), message(1), message(2)],
        {"id": "s", "title": "t", "messages": [message(0), message(1)]},
        {"messages": []},
        [],
        {},
    ]
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.recursive(
    st.one_of(SCALARS, LOOKALIKES),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)
UNKNOWN_KEYS = st.one_of(st.sampled_from(["futureKey", "x", "sessionIdx", "unknown_0", "é", "extra"]), TEXTS).filter(
    lambda key: key not in _KNOWN
)
_KNOWN = {  # in both spellings: the texts that hypothesis draws hold words of our own sources
    name
    for kind in (Message, ToolCall, Session)
    for field in struct_fields(kind)
    for name in (field.name, field.encode_name)
} - {"extra"} | {"messages", "result", "error"}


@st.composite
def tool_calls(draw: st.DrawFn) -> Any:
    """A valid tool call with any fields."""
    fields: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "inputJson": VALUES,
                "result": st.none() | TEXTS,
                "isError": st.none() | st.booleans(),
                "metadata": st.none() | TEXTS,
                "screenshotUrls": st.none() | st.lists(TEXTS, max_size=2),
            },
        )
    )
    fields.update(draw(st.dictionaries(UNKNOWN_KEYS, VALUES, max_size=1)))
    return tool_call(draw(st.integers(0, 9)), input=draw(TEXTS), finished=draw(st.booleans()), **fields)


@st.composite
def messages(draw: st.DrawFn) -> Any:
    """A valid message with any fields."""
    tokens = st.none() | st.integers(0, 10**6)
    fields: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "toolCalls": st.none() | st.lists(tool_calls(), max_size=2),
                "model": st.none() | TEXTS,
                "finishReason": st.none() | st.sampled_from(["end_turn", "tool_use"]),
                "reasoning": TEXTS,
                "reasoningDuration": tokens,
                "inputTokens": tokens,
                "outputTokens": tokens,
                "cacheCreationTokens": tokens,
                "cacheReadTokens": tokens,
                "cost": st.none() | st.decimals(0, 100, places=4) | st.integers(0, 5),
                "thinkingBlocks": st.lists(TEXTS, max_size=2),
                "redactedThinkingBlocks": st.none() | st.lists(TEXTS, max_size=1),
            },
        )
    )
    fields.update(draw(st.dictionaries(UNKNOWN_KEYS, VALUES, max_size=1)))
    role = draw(st.sampled_from(["user", "assistant", "tool", "system", "critic"]))
    return message(draw(st.integers(0, 9)), role=role, content=draw(TEXTS), **fields)


@st.composite
def sessions(draw: st.DrawFn, max_messages: int = 5) -> Any:
    """A valid session whose messages begin alike, as producers write them."""
    fields: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "promptTokens": st.none() | st.integers(0, 10**6),
                "completionTokens": st.integers(0, 10**6),
                "cost": st.none() | st.decimals(0, 100, places=3),
                "toolCallCount": st.integers(0, 9),
                "createdAt": st.just(DATE) | st.none(),
            },
        )
    )
    fields.update(draw(st.dictionaries(UNKNOWN_KEYS.filter(lambda key: key != ""), VALUES, max_size=1)))
    return session(draw(st.lists(messages(), max_size=max_messages)), **{**fields, "id": draw(TEXTS), "title": draw(TEXTS)})
