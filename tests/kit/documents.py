"""Documents: the smallest valid message, tool call and session, exports made of them, and strategies that draw them."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import fields as struct_fields

from exportstream.models.structs import Message, Session, ToolCall

DATE = "2025-10-03T10:00:01+05:30"


def dump(value: Any, **options: Any) -> bytes:
    """JSON as the server writes it, Decimal digit for digit; half a surrogate pair as the escape that alone can write it."""
    options = {"separators": (",", ":"), "ensure_ascii": False, **options}
    marks: list[str] = []

    def mark(item: Any) -> str:
        if not isinstance(item, Decimal):
            raise TypeError(f"{type(item).__name__} is no value of JSON")
        marks.append(str(item))
        return f"\x01{len(marks) - 1}\x01"

    text = json.dumps(value, default=mark, **options)
    try:
        text.encode()
    except UnicodeEncodeError:
        marks.clear()
        text = json.dumps(value, default=mark, **{**options, "ensure_ascii": True})
    for number, digits in enumerate(marks):
        text = text.replace(f'"\\u0001{number}\\u0001"', digits, 1)
    return text.encode()


def tool_call(number: int = 0, **fields: Any) -> dict[str, Any]:
    """A valid tool call."""
    call = {"id": f"c{number}", "name": "Bash", "input": "{}", "type": "tool_use", "finished": True}
    return {**call, **fields}


def message(number: int = 0, **fields: Any) -> dict[str, Any]:
    """A valid message."""
    made = {"id": f"m{number}", "role": "user", "content": "x", "createdAt": DATE, "updatedAt": DATE}
    return {**made, **fields}


def session(*messages: Any, **fields: Any) -> dict[str, Any]:
    """A valid session, its fields before the messages, as the server writes it."""
    return {"id": "s", "title": "t", **fields, "messages": list(messages)}


def session_fields_last(*messages: Any, **fields: Any) -> dict[str, Any]:
    """A valid session that says the rest about itself after its messages."""
    return {"id": "s", "title": "t", "messages": list(messages), **fields}


def variant(data: bytes, change: Callable[[Any], Any]) -> bytes:
    """`data` (one document, numbers kept) with `change` applied and written again."""
    return dump(change(json.loads(data, parse_float=Decimal)))


def export(name: str, messages: int = 3) -> bytes:
    """An export of one session; the same name and number give the same bytes."""
    dice = Random(name)
    made = [
        message(
            number,
            id=f"{name}-{number}",
            role=dice.choice(["user", "assistant", "tool"]),
            content=" ".join(str(dice.random()) for _ in range(dice.randrange(20))),
            createdAt=f"2025-01-{dice.randrange(10, 29)}T03:04:{dice.randrange(10, 60)}Z",
            cost=dice.randrange(1000) / 1000,
            inputTokens=dice.randrange(1000),
            toolCalls=[tool_call(id=f"{name}-{number}-{which}") for which in range(dice.randrange(3))] or None,
        )
        for number in range(messages)
    ]
    return dump(session_fields_last(*made, id=name, cost=dice.randrange(1000) / 100, promptTokens=dice.randrange(1000)))


def cut(name: str, messages: int = 3) -> bytes:
    """An export that ends within its last message."""
    data = export(name, messages)
    return data[: data.index(f'"{name}-{messages - 1}"'.encode()) + 9]


def invalid(name: str) -> bytes:
    """An export of three messages, of which the second is not valid."""
    return dump(session(message(0), {"id": "bad"}, message(2), id=name))


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
    return session(*draw(st.lists(messages(), max_size=max_messages)), **{**fields, "id": draw(TEXTS), "title": draw(TEXTS)})
