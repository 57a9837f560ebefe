"""Sizes of chats: memory goes by the largest conversation, time by the bytes, whatever the tree looks like."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exportstream import iter_messages
from tests.kit.chats import Tree, claude_ai, opencode
from tests.kit.command import peak
from tests.kit.documents import dump
from tests.kit.growth import seconds

BASE = 64_000_000
LARGE = 20_000_000
CONVERT = "import exportstream; exportstream.convert({!r}, 'out.ndjson', force=True)"


def peak_of(data: bytes, folder: Path) -> int:
    """The peak memory of a process that converts an export."""
    (folder / "in.json").write_bytes(data)
    return peak(CONVERT.format(str(folder / "in.json")), cwd=folder)


def chain(count: int, text: str = "", empty: int = 0) -> dict[str, Any]:
    """A conversation of one branch; of the nodes before each message `empty` have none."""
    nodes: dict[str, Any] = {}
    for number in range(count):
        message = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": [text]}}
        has_message = number % (empty + 1) == empty
        parent = f"n{number - 1}" if number else None
        nodes[f"n{number}"] = {
            "message": message if has_message else None,
            "parent": parent,
            "children": [f"n{number + 1}"] if number + 1 < count else [],
        }
    return Tree("long").conversation(mapping=nodes, current_node=f"n{count - 1}")


@pytest.mark.parametrize(
    "make",
    [
        lambda name: Tree(name).say().say("assistant").conversation(),
        lambda name: Tree(name).say(new=1).conversation(new=[]),
        lambda name: claude_ai({}, uuid=name),
        lambda name: opencode({}, id=name),
    ],
    ids=["chatgpt", "odd", "claude.ai", "opencode"],
)
def test_conversations_are_let_go(make: Callable[[str], Any]) -> None:
    """No conversation that was read waits for the garbage collector, which would take time and memory."""
    count = 200
    data = dump([make(f"c{number}") for number in range(count)])
    gc.collect()
    gc.disable()
    try:
        assert len({row.session_id for row in iter_messages(data)}) == count
        assert gc.collect() < count
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("make", "times"),
    [
        (lambda: Tree("big").say(text="lorem ipsum " * (LARGE // 12)).conversation(), 4),
        (lambda: chain(LARGE // 700, "x" * 600), 4),
        (lambda: Tree("big").say(text="lorem \N{ROCKET} " * (LARGE // 11)).conversation(), 8),
    ],
    ids=["text", "messages", "emoji"],
)
def test_memory_goes_by_the_largest_conversation(tmp_path: Path, make: Callable[[], Any], times: int) -> None:
    """A large conversation takes 64 MB and four times its bytes, eight times where they are not ASCII."""
    small = Tree().say().conversation()
    data = dump([small, make(), small])
    assert peak_of(data, tmp_path) < BASE + times * len(data)


def test_memory_does_not_grow_with_the_export(tmp_path: Path) -> None:
    """Ten times as many conversations take at most a tenth more memory."""
    one = dump(chain(200, "x" * 300))
    peaks = [peak_of(b"[" + b",".join([one] * count) + b"]", tmp_path) for count in (60, 600)]
    assert peaks[1] < BASE
    assert peaks[1] < 1.1 * peaks[0]


def cycles(count: int) -> dict[str, Any]:
    """A conversation of cycles of two nodes, half of them without messages, and one that is a long cycle."""
    value = chain(count, empty=1)
    for number in range(0, count // 2, 2):
        first, second = value["mapping"][f"n{number}"], value["mapping"][f"n{number + 1}"]
        first["parent"], second["children"] = f"n{number + 1}", [f"n{number}"]
    value["mapping"][f"n{count // 2}"]["parent"] = f"n{count - 1}"
    value["mapping"][f"n{count - 1}"]["children"] = [f"n{count // 2}"]
    return value


def orphans(count: int) -> dict[str, Any]:
    """A conversation whose nodes have parents that are not there, and children that are not."""
    value = chain(count)
    for number, node in enumerate(value["mapping"].values()):
        node |= {"parent": f"gone{number}", "children": [f"gone{number}"]}
    return value


def roots(count: int) -> dict[str, Any]:
    """A conversation in which each node is a root that names the same children."""
    value = chain(count)
    for node in value["mapping"].values():
        node |= {"parent": None, "children": ["n0", "n1", "n2"]}
    return value


def star(count: int) -> dict[str, Any]:
    """A conversation in which all nodes are below the first one, as calls and their results."""
    value = chain(count)
    first, *others = value["mapping"].values()
    first["children"] = list(value["mapping"])[1:]
    first["message"] |= {"author": {"role": "assistant"}, "recipient": "python"}
    for node in others:
        node |= {"parent": "n0", "children": []}
        node["message"]["author"] = {"role": "tool"}
    return value


@pytest.mark.parametrize("make", [chain, lambda count: chain(count, empty=9), cycles, orphans, roots, star])
def test_trees_take_linear_time(make: Callable[[int], dict[str, Any]]) -> None:
    """Trees of 40,000 nodes are read in linear time, and each message is one row."""
    took = []
    for count in (5_000, 40_000):
        value = make(count)
        data = dump([value])
        wanted = sorted(key for key, node in value["mapping"].items() if node["message"] is not None)
        assert sorted(row.id for row in iter_messages(data)) == wanted
        took.append(seconds(lambda data=data: deque(iter_messages(data), maxlen=0)))
    assert took[1] < 20 * took[0] + 0.2  # eight times as many; quadratic is 64
