"""claude.ai and opencode: structs give the same rows, rejects, notes, errors and figures as JSON values."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any
from unittest.mock import Mock, patch

import pytest

from exportstream import iter_messages, open_export
from exportstream.reading.formats.chats import chatgpt_usual, opencode_usual, shapes
from exportstream.reading.formats.chats import claude_ai as claude_format
from exportstream.reading.formats.chats import opencode as opencode_format
from exportstream.reading.formats.chats.shapes import Shape
from tests.kit.chats import Tree, claude_ai, opencode
from tests.kit.documents import dump
from tests.kit.odd_values import HIDDEN, spoil
from tests.kit.readings import assert_figures, read

TEXT, MORE = {"type": "text", "text": "Hello"}, {"type": "text", "text": "", "citations": [{"x": 1}]}
BLOCKS: list[Any] = [
    *(TEXT, TEXT, MORE, None, {"type": "thinking", "thinking": "Hm."}, {"type": "token_budget"}),
    {"type": "tool_use", "id": "t1", "name": "search", "input": {"q": [1]}, "message": None},
    {"type": "tool_use", "id": None, "name": "repl", "input": None},
    {"type": "tool_result", "tool_use_id": "t1", "content": [TEXT], "is_error": False},
    {"type": "tool_result", "tool_use_id": None, "content": "no", "is_error": True},
    {"type": "tool_result", "tool_use_id": "gone"},
]
IDS = {"id": "p", "sessionID": "s", "messageID": "m"}
FILE = {"type": "file", "url": "data:image/png;base64,AAAA", "mime": "image/png", "source": {"path": [{"x": 1}]}}
DONE = {"status": "completed", "input": {"a": 1}, "output": "x", "time": {"start": 1}, "title": "t", "metadata": {"m": [1]}}
USUAL_PARTS: list[Any] = [
    *(TEXT, {"type": "text", "text": "More.", "id": "p", "time": {"start": 1}}, None, IDS | {"type": "step-start"}),
    *({"type": "reasoning", "text": "Hm.", "metadata": {"x": {"y": 1}}, "ignored": False, "time": {}}, FILE, IDS | FILE),
    {"type": "step-finish", "tokens": {"cache": {"read": [1]}}, "reason": "stop", "snapshot": None} | IDS,
    {"type": "patch", "files": ["a"]} | IDS,
    {"type": "tool", "tool": "bash", "callID": "c", "state": DONE} | IDS,
    {"type": "tool", "tool": "bash", "callID": "c", "state": DONE | {"attachments": [FILE, 5], "title": ""}},
    {
        "type": "tool",
        "tool": "edit",
        "state": {"status": "error", "error": "bad", "metadata": {"m": [1]}},
        "metadata": [[1]],
    },
    {"type": "tool", "tool": "edit", "callID": "", "state": None, "id": ""},
    {"type": "tool", "tool": "edit", "state": {"status": "running", "error": "late", "time": {"start": 1}}},
]
PARTS = [*USUAL_PARTS, {"type": "step-start", "id": "s"}, {"type": "text"}, {"type": "of next year"}]
INFOS: dict[str, list[Any]] = {
    "role": ["assistant", "user"],
    "modelID": ["m", None],
    "providerID": ["p"],
    "cost": [0, Decimal("0.010"), None],
    "tokens": [
        {"input": 3, "output": 4, "reasoning": 1, "cache": {"read": 2, "write": 0}},
        {"input": 3, "output": 4, "reasoning": 1, "total": 7, "cache": {}},
        {"input": 3, "total": 0, "cache": {"read": 2, "new": 1}},
        {"output": Decimal("4.0")},
        None,
    ],
    "finish": ["stop", None],
    "time": [{"created": 1704629915775, "completed": 1704629915776}, {"created": Decimal("1704629915775.5")}, {}],
    "parentID": ["msg_0"],
    "path": [{"cwd": "/", "root": "/"}, {}],
    "mode": ["build", ""],
    "agent": ["plan", None],
    "model": [{"providerID": "p", "modelID": "m"}],
    "summary": [{"diffs": []}, False, 0],
    "error": [{"name": "Aborted"}, None],
}


def claude_export(seed: int) -> list[dict[str, Any]]:
    """Conversations with all kinds of blocks."""
    random = Random(seed)
    fields: dict[str, list[Any]] = {
        "sender": ["human", "assistant", "tool"],
        "text": ["", "Hello", "Else", None],
        "attachments": [[{"file_name": "a", "extracted_content": "x"}], None],
        "parent_message_uuid": ["m0", "0000", None],
        "created_at": [None, "no date"],
    }

    def message() -> dict[str, Any]:
        names = random.sample(list(fields), 2)
        return {name: random.choice(fields[name]) for name in names} | {
            "content": random.choices(BLOCKS, k=random.randrange(7))
        }

    return [claude_ai(*(message() for _ in range(4)), uuid=f"u{number}", more=number) for number in range(3)]


def opencode_export(seed: int) -> list[dict[str, Any]]:
    """Sessions with all kinds of parts."""
    random = Random(seed)

    def message() -> dict[str, Any]:
        names = random.sample(list(INFOS), 6)
        return {name: random.choice(INFOS[name]) for name in names} | {"parts": random.choices(PARTS, k=random.randrange(7))}

    return [opencode(*(message() for _ in range(4)), id=f"s{number}", version="1") for number in range(3)]


def assert_same(data: bytes) -> None:
    """All ways give the same."""
    for on_error in ("stop", "skip"):
        with patch.object(Shape, "open", lambda *_: None):
            outcome = read(data, on_error=on_error)
        assert read(data, on_error=on_error) == outcome
        with patch.object(shapes, "_SMALL", 0):  # each message by itself, as in large conversations
            assert read(data, on_error=on_error) == outcome
    assert_figures(data)
    with patch.object(shapes, "_SMALL", 0):
        assert_figures(data)


@pytest.mark.parametrize("make", [claude_export, opencode_export])
@pytest.mark.parametrize("seed", range(20))
def test_all_ways_give_the_same(make: Any, seed: int) -> None:
    """Messages of all kinds give the same, and so do odd values anywhere in them."""
    made = make(seed)
    assert_same(dump(made))
    lines = [dump(one) for one in made]
    spoil(lines, "chat_messages" if make is claude_export else "messages", seed, times=3)
    assert_same(b"\n".join(lines))
    spoil(lines, "nothing", seed)
    assert_same(b"\n".join(lines))


@pytest.mark.parametrize("make", [claude_export, opencode_export])
@pytest.mark.parametrize("value", HIDDEN, ids=range(len(HIDDEN)))
def test_hidden_values(make: Any, value: bytes) -> None:
    """Depth, long numbers and wrong UTF-8 are found where only figures are wanted, too, and in keys of the conversation."""
    usual = [opencode({"parts": USUAL_PARTS}, id="usual")] if make is opencode_export else []
    data = dump([*usual, *make(2)])
    wanted = [b'"text":"Hello"', b'"more":0', b'"version":"1"', b'"input":{', b'"output":"x"', b'"title":"t"', b'"x":1']
    places = [place for place in [*wanted, b'"reason":"stop"'] if place in data]
    assert len(places) > 1
    for place in places:
        key, _, old = place.partition(b":")
        new = key + b":" + (b'{"new":' + value + b"," if old == b"{" else value)
        assert_same(data.replace(place, new))


def test_figures_are_read_as_structs() -> None:
    """What the tests compare are two ways indeed: usual messages are structs."""
    data = dump(claude_ai({"content": BLOCKS}, {"sender": "assistant"}))
    found = claude_format.FIGURES.open(data)
    assert found is not None
    assert [type(one) for one in found.messages] == [claude_format.FigureMessage] * 2
    found = opencode_usual.FIGURES.open(dump(opencode({"parts": PARTS}, {"cost": 1})))
    assert found is not None
    assert [type(one) for one in found.messages] == [opencode_usual.FigureMessage] * 2
    for format_, one in ((claude_format, claude_ai({})), (opencode_format, opencode({}))):
        assert list(format_.decode(dump(one), figures_only=True).messages)


def test_messages_of_opencode_are_read_as_structs() -> None:
    """Rows that are compared with those of JSON values are made of structs indeed, but for messages with other keys."""
    usual = {name: values[0] for name, values in INFOS.items() if name != "error"}
    data = dump(opencode({"parts": USUAL_PARTS}, usual))
    found = opencode_usual.USUAL.open(data)
    assert found is not None
    assert [type(one) for one in found.messages] == [opencode_usual.UsualMessage] * 2
    assert all(opencode_usual.read_usual(one, []) is not None for one in found.messages)
    found = opencode_usual.USUAL.open(dump(opencode(usual, usual | {"error": {"name": "Aborted"}})))
    assert found is not None
    decoded = [type(found.shape.decode_message(one)) for one in found.messages]
    assert decoded == [opencode_usual.UsualMessage, dict]


@pytest.mark.parametrize("seed", range(10))
def test_keys_without_a_column_keep_one_order(seed: int) -> None:
    """The keys in `extra` have the same order where structs and where JSON values are read: the usual ones first."""
    data = dump(opencode_export(seed))
    ways = [read_extra(data)]
    with patch.object(Shape, "open", lambda *_: None):
        ways.append(read_extra(data))
    assert ways[0] == ways[1]


def read_extra(data: bytes) -> list[str]:
    """What `extra` of each row and of its calls is, with the order of its keys."""
    return [repr([row.extra, *(call.extra for call in row.tool_calls or ())]) for row in iter_messages(data)]


SHAPES: list[tuple[Shape, dict[str, Any]]] = [
    (chatgpt_usual.USUAL, Tree().say().conversation()),
    (claude_format.FIGURES, claude_ai({})),
    (opencode_usual.USUAL, opencode({})),
]


@pytest.mark.parametrize(("shape", "given"), SHAPES, ids=["chatgpt", "claude.ai", "opencode"])
def test_usual_conversations_are_decoded_in_one_call(shape: Shape, given: dict[str, Any]) -> None:
    """No value is passed over first to find out which keys there are, unless some have no name."""
    with patch.object(shapes, "_KEYS", Mock(wraps=shapes._KEYS)) as keys:
        assert shape.open(dump(given)) is not None
        assert not keys.decode.called
        assert shape.open(dump(given | {"a_new_key": 1})) is not None
        assert keys.decode.called


def test_bytes_that_are_all_decoded_are_looked_at_once() -> None:
    """Structs that pass over nothing decode every value, so nobody else looks for wrong UTF-8."""
    for shape, given in SHAPES:
        with patch.object(shapes, "is_usual", return_value=False):
            assert (shape.open(dump(given)) is not None) == (not shape.passes_over)
            assert shape.open(dump(given | {"a_new_key": 1})) is None


@pytest.mark.parametrize(("shape", "given"), SHAPES, ids=["chatgpt", "claude.ai", "opencode"])
@pytest.mark.parametrize("seed", range(3))
def test_keys_of_conversations_come_in_any_order(shape: Shape, given: dict[str, Any], seed: int) -> None:
    """Whatever the order of usual keys, those in `extra` have one order, for structs and JSON values."""
    usual = given | {name: "x" for name in shape.names if name not in given}
    random = Random(seed)
    orders: list[list[str]] = []
    for more in ({}, {"a_new_key": 1, "another": [2]}):
        items = list((usual | more).items())
        random.shuffle(items)
        data = dump(dict(items))
        for opened in (Shape.open, lambda *_: None):
            with patch.object(Shape, "open", opened), open_export(data) as export:
                assert list(export)
                assert export.session is not None
                orders.append([name for name in export.session.extra or () if name not in more])
    assert all(order == orders[0] for order in orders)
