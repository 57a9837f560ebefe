"""ChatGPT: structs of usual messages give the same rows, rejects, notes and errors as JSON values, and the same figures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from random import Random
from typing import Any
from unittest.mock import patch

import pytest

from exportstream import iter_messages
from exportstream.models.structs import Message
from exportstream.reading.formats.chats import chatgpt_usual, shapes
from exportstream.reading.formats.chats.chatgpt import decode
from exportstream.reading.formats.chats.shapes import Shape
from tests.kit.chats import Tree, drawn
from tests.kit.documents import dump
from tests.kit.odd_values import HIDDEN, spoil
from tests.kit.readings import assert_figures, read

CONTENTS: list[Any] = [
    {"content_type": "text", "parts": ["a", "b"]},
    {"content_type": "text", "parts": [""], "more": None},
    {"content_type": "thoughts", "thoughts": [{"summary": "s", "content": "First."}, 5]},
    {"content_type": "multimodal_text", "parts": ["x", {"asset_pointer": "f", "size_bytes": 2, "y": [1]}, {"text": "t"}]},
    {"content_type": "of next year", "deep": {"x": [1, None]}},
    *(None, "text", {}, {"content_type": None, "parts": ["x"]}),
]
METADATA: list[Any] = [
    {
        "finish_details": {"type": "stop", "stop_tokens": [1]},
        "citations": [],
        "a": 0,
        "b": "",
        "c": None,
        "model_slug": None,
    },
    {
        "finish_details": {"type": 5},
        "attachments": [{"name": "n", "size": 2, "id": "f"}, "odd", None],
        "nested": {"x": [{}]},
    },
    {"finish_details": "odd", "attachments": None},
    *({"finish_details": {}}, {"attachments": []}, None, {}),
]
FIELDS: dict[str, list[Any]] = {
    "id": [None, ""],
    "author": [
        {"role": "tool", "name": "python", "metadata": {"x": {"y": 1}}},
        {"role": "user", "name": "", "z": 1},
        {"role": "user", "metadata": 0},
    ],
    "create_time": [
        None,
        5,
        1704629915,
        Decimal("1.7E+9"),
        Decimal("-1704629915.5"),
        "2024-01-07",
        "17046299.5",
        Decimal("1E-30000000"),
    ],
    "update_time": [None, Decimal("1704629915.50"), "2024-01-07"],
    "content": CONTENTS,
    "status": [None, "", 5, []],
    "end_turn": [None, True, False, "no"],
    "weight": [None, 0, Decimal("0.0"), Decimal("1.50"), "", [], [[1]]],
    "metadata": METADATA,
    "recipient": ["python", None, "all", 5],
    "channel": [None, "final", {}],
    "new": [1, None, {"x": []}],
}


@contextmanager
def no_structs() -> Iterator[None]:
    """Every conversation is read as a JSON value."""
    with patch.object(Shape, "open", lambda *_: None):
        yield


def assert_same(data: bytes) -> None:
    """All ways give the same."""
    for on_error in ("stop", "skip"):
        with no_structs():
            outcome = read(data, on_error=on_error)
        assert read(data, on_error=on_error) == outcome
        with patch.object(shapes, "_SMALL", 0):  # each message by itself, as in large conversations
            assert read(data, on_error=on_error) == outcome
    assert_figures(data)


def varied(seed: int) -> dict[str, Any]:
    """A conversation whose messages have all kinds of fields."""
    random = Random(seed)
    tree = Tree(f"v{seed}", default_model_slug=random.choice([None, "gpt-4o"]))
    for _ in range(8):
        names = random.sample(list(FIELDS), random.choice([0, 1, 1, 2, 5]))
        at = random.choice(list(tree.nodes)) if random.random() < 0.2 else None
        fields = {name: random.choice(FIELDS[name]) for name in names if name != "content"}
        text = random.choice(CONTENTS) if "content" in names else "Hello"
        tree.say(random.choice(["user", "assistant", "tool"]), "Hello" if text is None else text, at, **fields)
    return tree.conversation()


def test_usual_conversations_are_read_as_structs() -> None:
    """What the tests compare are two ways indeed: usual messages are structs, and odd ones are not."""
    tree = Tree().say().say("assistant").say(new=1)
    usual, odd = decode(tree.data[1:-1], figures_only=False).messages
    assert (len(usual), type(odd)) == (2, Message)
    found = chatgpt_usual.USUAL.open(tree.data[1:-1])
    assert found is not None
    kinds = [type(chatgpt_usual.USUAL.decode_message(node.message)) for node in found.messages.values()]
    assert kinds == [dict, chatgpt_usual.UsualMessage, chatgpt_usual.UsualMessage, type(None)]
    tree = Tree().say()
    found = chatgpt_usual.USUAL.open(tree.data[1:-1])
    assert found is not None
    assert isinstance(found.messages["c1-1"].message, chatgpt_usual.UsualMessage)


@pytest.mark.parametrize("seed", range(40))
def test_both_ways_give_the_same(seed: int) -> None:
    """Messages with all kinds of fields, usual and odd, give the same rows, rejects, notes, errors and figures."""
    assert_same(dump([*drawn(seed, 2), varied(seed), *drawn(seed + 100, 1)]))


@pytest.mark.parametrize("seed", range(20))
def test_odd_values_anywhere(seed: int) -> None:
    """Values of any kind in any place of nodes and messages make no difference between the ways."""
    lines = [dump(one) for one in (*drawn(seed, 12), *map(varied, range(seed, seed + 4)))]
    spoil(lines, "mapping", seed)
    assert_same(b"\n".join(lines))


@pytest.mark.parametrize("value", HIDDEN, ids=range(len(HIDDEN)))
@pytest.mark.parametrize(
    "place",
    [
        b'"weight":1.0',
        b'"request_id":"r"',
        b'"safe_urls":[]',
        b'"stop_tokens":[1]',
        b'"text":"x"',
        b'"create_time":1704629915.000001',
    ],
)
def test_hidden_values(value: bytes, place: bytes) -> None:
    """What msgspec does not look for in values that it passes over is found: depth, long numbers, and wrong UTF-8."""
    metadata = {"finish_details": {"type": "stop", "stop_tokens": [1]}, "request_id": "r"}
    tree = Tree("h", safe_urls=[]).say().say("assistant", metadata=metadata)
    tree.say("tool", {"content_type": "code", "text": "x"}).say("assistant", "y" * 2000)
    data = dump([Tree().say().conversation(), tree.conversation(), Tree("c2").say().conversation()])
    assert data.count(place) > 0
    key = place.partition(b":")[0]
    assert_same(data.replace(place, key + b":" + value))


def test_keys_that_come_twice() -> None:
    """Of a key that comes twice in an object the last one is taken, as in every JSON reader."""
    data = Tree().say().say("assistant").data
    for key, value in (
        ("weight", "[5]"),
        ("status", '"first"'),
        ("metadata", "5"),
        ("recipient", '"python"'),
        ("author", "{}"),
    ):
        assert_same(data.replace(f'"{key}":'.encode(), f'"{key}":{value},"{key}":'.encode()))
    assert_same(data.replace(b'"mapping":', b'"mapping":5,"mapping":'))


@pytest.mark.parametrize("time", [None, 1704629916, "x", "1704629916.5", Decimal("1.7E+9"), Decimal("9999999999.5")])
def test_times_of_a_conversation(time: Any) -> None:
    """Usual times, which are changed together, and others among them are what each is by itself."""
    tree = Tree()
    for at in (Decimal("1704629915.100"), time, Decimal("1000000000.0"), Decimal("1704629915.775304")):
        tree.say(create_time=at)
    assert_same(tree.data)
    first, _, third, fourth = (row.created_at for row in iter_messages(tree.data))
    assert (first, third) == ("2024-01-07T12:18:35.100Z", "2001-09-09T01:46:40.0Z")
    assert fourth == "2024-01-07T12:18:35.775304Z"


@pytest.mark.parametrize("current", [None, "a", "b"])
def test_cycles_and_calls(current: str | None) -> None:
    """A call whose result was read before it, and links in cycles, are the same in both ways."""
    tree = (
        Tree("t").say("assistant", "{}", key="a", recipient="python").say("tool", {"content_type": "system_error"}, key="b")
    )
    nodes = json.loads(dump(tree.nodes))
    nodes["a"]["parent"], nodes["b"]["children"] = "b", ["a", "b"]
    assert_same(dump([Tree("t").conversation(mapping=nodes, current_node=current)]))


def test_keys_of_extra_have_one_order() -> None:
    """A new key, which makes a message unusual, changes nothing of the order of the others, nor of the error that comes first."""
    fields = {"recipient": "python", "channel": "final", "weight": 1, "status": "done", "metadata": {"b": 1, "a": 2}}
    author = {"metadata": {"x": 1}, "name": "n", "role": "user"}
    rows = [next(iter_messages(Tree().say(author=author, **fields, **new).data)) for new in ({}, {"new": 1})]
    usual, odd = (list(row.extra or {}) for row in rows)
    assert usual == ["status", "weight", "recipient", "channel", "author", "metadata"]
    assert odd == [*usual[:4], "new", *usual[4:]]
    assert list((rows[0].extra or {})["author"]) == list((rows[1].extra or {})["author"]) == ["name", "metadata"]
    assert_same(Tree().say(create_time=[], metadata={"model_slug": 5}).data)


def test_a_refused_message_holds_nothing_against_the_others() -> None:
    """A message that is refused may go as deep as any: the others are read, in all ways."""
    deep = b'{"x":' * 511 + b"1" + b"}" * 511
    data = Tree().say().say(metadata={"attachments": 5, "deep": "HERE"}).say().data.replace(b'"HERE"', deep)
    assert_same(data)
    assert [row.id for row in iter_messages(data, on_error="skip")] == ["c1-1", "c1-3"]


def test_numbers_beyond_decimals_are_texts() -> None:
    """A time whose exponent no Decimal has is kept as it is, and one that would have a billion zeros, too."""
    for number in (b"1e99999999999999999999", b"1E-30000000"):
        data = Tree().say().data.replace(b"1704629915.000001", number)
        assert_same(data)
        (row,) = iter_messages(data)
        assert row.created_at == number.decode()


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"k": "new", "nothing": None}, {"k": "new"}),
        ({"id": "another"}, {"id": "another"}),
        ({"parent": "nobody"}, {"parent": "nobody"}),
        ({"parent": 5, "children": 6}, {"parent": 5, "children": 6}),
        ({"children": ["c1-2", "nobody", 5]}, {"children": ["nobody", 5]}),
    ],
    ids=str,
)
def test_what_nodes_say_of_themselves(change: dict[str, Any], kept: dict[str, Any]) -> None:
    """Unknown keys of a node, another id and links that lead nowhere are in `extra.node`; usual ones are not."""
    tree = Tree().say().say()
    tree.nodes["c1-1"] |= change
    first, second = sorted(iter_messages(tree.data), key=lambda row: row.id)
    assert ((first.extra or {})["node"], "node" in (second.extra or {})) == (kept, False)
    assert_same(tree.data)
