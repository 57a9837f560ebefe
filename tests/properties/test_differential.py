"""Whole documents, also with wrong types, against strictly typed msgspec: both take it, or both refuse it.

Where we are meant to take more, a rule below says why and rewrites the document into the strict form.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exportstream import InputError
from tests.kit.documents import DATE, dump, message, session, tool_call
from tests.kit.readings import exact, read
from tests.properties.oracle import snake

Count = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None  # deliberate: counts have 64 bits


class Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Nothing but what the format's description says."""


class Call(Strict, kw_only=True):
    id: str
    name: str
    type: str
    finished: bool
    is_error: bool | None = None
    input: str
    input_json: Any = None
    result: str | None = None
    metadata: str | None = None
    screenshot_urls: list[str] | None = None


class Turn(Strict, kw_only=True):
    id: str
    role: str
    content: str
    model: str | None = None
    finish_reason: str | None = None
    reasoning: str | None = None
    reasoning_duration: Count = None
    tool_calls: list[Call] | None = None
    created_at: str | None
    updated_at: str | None
    input_tokens: Count = None
    output_tokens: Count = None
    cache_creation_tokens: Count = None
    cache_read_tokens: Count = None
    cost: Any = None
    thinking_blocks: list[str] | None = None
    redacted_thinking_blocks: list[str] | None = None


class Whole(Strict, kw_only=True):
    id: str
    title: str
    messages: list[Turn]
    user_message_count: Count = None
    assistant_message_count: Count = None
    tool_call_count: Count = None
    prompt_tokens: Count = None
    completion_tokens: Count = None
    cost: Any = None
    created_at: str | None = None
    updated_at: str | None = None


STRICT = msgspec.json.Decoder(Whole, float_hook=Decimal)
WIRE = {kind: {field.encode_name: field for field in msgspec.structs.fields(kind)} for kind in (Whole, Turn, Call)}


COUNTS = ("Tokens", "Count", "Duration")


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The strict form does not take it."""


def strictly(document: Any) -> Whole:
    """What strictly typed msgspec makes of the document."""
    try:
        made = STRICT.decode(dump(document))
    except msgspec.DecodeError as error:
        raise Refused(str(error)) from None
    for item in (made, *made.messages):
        if type(item.cost) not in (type(None), int, Decimal):
            raise Refused("cost is no number")
    return made


# The rules: each rewrites one object of the document.


def whole_fractions(kind: Any, item: dict[str, Any]) -> dict[str, Any]:
    """12.0 as a count is 12: nothing is lost by reading it so."""
    counts = {name for name in WIRE[kind] if name.endswith(COUNTS)}
    counts |= {snake(name) for name in counts}
    return {
        key: int(value) if key in counts and type(value) is Decimal and value == value.to_integral_value() else value
        for key, value in item.items()
    }


def both_spellings(kind: Any, item: dict[str, Any]) -> dict[str, Any]:
    """snake_case is what older SDKs wrote; the same field in both spellings stays refused."""
    camel = {snake(name): name for name in WIRE[kind]}
    if any(key in item and camel.get(key, key) != key and camel[key] in item for key in item):
        raise Refused("both spellings")
    return {camel.get(key, key): value for key, value in item.items()}


def unknown_keys(kind: Any, item: dict[str, Any]) -> dict[str, Any]:
    """A key nobody knows is kept (in `extra`, which the test compares), and is no reason to refuse the rest."""
    return {key: value for key, value in item.items() if key in WIRE[kind]}


RULES: list[Callable[[Any, dict[str, Any]], dict[str, Any]]] = [whole_fractions, both_spellings, unknown_keys]


def rewrite(kind: Any, item: Any, rules: list[Any]) -> Any:
    """The strict form of an object and of those in it."""
    if not isinstance(item, dict):
        return item
    for rule in rules:
        item = rule(kind, item)
    inner = {Whole: ("messages", Turn), Turn: ("toolCalls", Call)}.get(kind)
    if inner is not None and isinstance(item.get(inner[0]), list):
        item = {**item, inner[0]: [rewrite(inner[1], one, rules) for one in item[inner[0]]]}
    return item


def with_extra(made: Any, item: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The fields of a struct as our rows have them, and under `extra` the keys of the document that are not among them."""
    fields = {name: getattr(made, name) for name in made.__struct_fields__}
    known = {
        spelling for name in fields for spelling in (name, *(key for key, f in WIRE[type(made)].items() if f.name == name))
    }
    return {**more, **fields, "extra": {key: value for key, value in item.items() if key not in known} or None}


# Fields that only the readers of logs set: a key of that name in a session export is an unknown one.
OF_LOGS: dict[Any, dict[str, Any]] = {
    Turn: dict.fromkeys(
        (
            "producer",
            "agent_id",
            "usage_state",
            "attachments",
            "total_input_tokens",
            "reasoning_tokens",
            "parent_id",
            "active",
            "cache_creation_1h_tokens",
        )
    ),
    Whole: dict.fromkeys(("producer", "parent_session_id", "project")),
}


def get(item: dict[str, Any], name: str) -> Any:
    return item.get(name, item.get(snake(name)))


def expected(document: Any) -> tuple[list[Any], Any]:
    """Rows and session as the strict form has them."""
    made = strictly(rewrite(Whole, document, RULES))
    rows = []
    for index, (turn, item) in enumerate(zip(made.messages, document["messages"], strict=True)):
        row = with_extra(turn, item, session_id=made.id, index=index)
        if row["tool_calls"]:
            row["tool_calls"] = [
                exact(with_extra(*pair)) for pair in zip(turn.tool_calls, get(item, "toolCalls"), strict=True)
            ]
        rows.append(row)
    whole = with_extra(made, document)
    del whole["messages"]
    return exact([OF_LOGS[Turn] | row for row in rows]), exact(OF_LOGS[Whole] | whole)


def compare(document: Any) -> None:
    """We take the document if and only if its strict form is taken, with equal rows."""
    data = dump(document)
    for on in (True, False):
        found = read(data, on=on)
        try:
            rows, whole = expected(document)
        except Refused as reason:
            assert found.error is not None, f"taken, but {reason}"  # noqa: PT017
            assert issubclass(found.error[0], InputError)
        else:
            assert found.error is None
            assert found.messages == rows
            assert [made for made, _ in found.sessions] == [whole]


TEXT = st.sampled_from(["", "x", "12", "é🙂", 'q"\\', "\x00\n"])
ODD = st.one_of(
    st.sampled_from(
        [None, True, False, 0, 12, -1, Decimal("12.0"), Decimal("12.5"), Decimal("1E+3"), Decimal("0.10"), "12"]
    ),
    st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, Decimal("1E+30"), Decimal("-0.0"), Decimal("1E+400")]),
    st.sampled_from([[], {}, [""], [None], ["a", 1], [[]], {"id": "x"}, [{}], [{"id": "x"}], DATE, "", "\ud7ff"]),
)
UNKNOWN = st.sampled_from(["extra", "sessionId", "session_id", "messageIndex", "message_index", "index", "ID", "futureKey"])


@st.composite
def objects(draw: st.DrawFn, kind: Any, **given: Any) -> Any:
    """An object of this kind: valid fields, then some spelled, left out, doubled, unknown or of a wrong type."""
    item: dict[str, Any] = dict(given)
    for name, field in WIRE[kind].items():
        if name in item or draw(st.integers(0, 3)):
            continue
        plain = {str | None: TEXT, bool | None: st.booleans(), list[str] | None: st.lists(TEXT, max_size=2)}
        count = st.one_of(st.integers(-9, 10**9), st.just(Decimal("3.0")))
        values = count if name.endswith(COUNTS) else plain.get(field.type, ODD)
        item[name] = draw(st.none() | values if name != "toolCalls" else st.none())
    item = {snake(name) if draw(st.integers(0, 5)) == 5 else name: value for name, value in item.items()}
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1]))):
        names = [name for name in WIRE[kind] if name != "messages"]
        name = draw(st.sampled_from(names + [snake(name) for name in names]))
        change = draw(st.sampled_from(["odd", "drop", "odd"]))
        if change == "odd":
            item[name] = draw(ODD)
        else:
            item.pop(name, None)
    for _ in range(draw(st.sampled_from([0, 0, 1]))):
        item[draw(UNKNOWN)] = draw(ODD)
    return {key: item[key] for key in draw(st.permutations(sorted(item)))}


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """A document that is mostly right."""
    turns = []
    for number in range(draw(st.integers(0, 3))):
        fields = message(number)
        if draw(st.booleans()):
            fields["toolCalls"] = [draw(objects(Call, **tool_call(n))) for n in range(draw(st.integers(0, 2)))]
        turns.append(draw(objects(Turn, **fields)))
    if not draw(st.integers(0, 9)):
        turns.insert(draw(st.integers(0, len(turns))), draw(ODD))
    return draw(objects(Whole, **session(*turns)))


@given(documents())
@example(session(message(reasoningDuration=Decimal("12.0"), input_tokens=5, inputJson=1), extra={"a": [1]}))
@example(session(message(inputTokens=1, input_tokens=None)))
@settings(max_examples=120, deadline=None)
def test_we_take_what_the_strict_form_takes(document: Any) -> None:
    """Rows equal those of strictly typed msgspec; what it refuses, even after the rules, we refuse."""
    compare(document)


VALUES = [None, True, 12, Decimal("12.0"), Decimal("12.5"), "12", "", [], ["x"], [1], {}, 2**63 - 1, 2**63, Decimal("1E+30")]
FIELDS = [(kind, spelled) for kind in WIRE for name in WIRE[kind] for spelled in dict.fromkeys((name, snake(name)))]


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=[f"{kind.__name__}.{name}" for kind, name in FIELDS])
def test_every_field_with_every_kind_of_value(kind: Any, name: str) -> None:
    """Each field takes exactly the types that the strict form takes, under both of its names, and may be missing if so there."""
    for value in (..., *VALUES):
        call, turn, whole = tool_call(), message(), session()
        item = {Call: call, Turn: turn, Whole: whole}[kind]
        if snake(name) == name:
            item.pop(next(wire for wire in WIRE[kind] if snake(wire) == name), None)
        item.pop(name, None)
        if value is not ...:
            item[name] = value
        if kind is Call:
            turn["toolCalls"] = [call]
        if kind is not Whole:
            whole["messages"] = [message(7), turn]
        compare(whole)


EXAMPLES = {
    "whole_fractions": session(message(inputTokens=Decimal("12.0"))),
    "both_spellings": session({snake(key): value for key, value in message().items()}),
    "unknown_keys": session(message(futureKey=1)),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_is_needed(rule: Any) -> None:
    """Without the rule strictly typed msgspec refuses a document that we take."""
    document = EXAMPLES[rule.__name__]
    with pytest.raises(Refused, match=r"at `|spellings|missing"):
        strictly(rewrite(Whole, document, [other for other in RULES if other is not rule]))
    assert read(dump(document)).error is None
    compare(document)
