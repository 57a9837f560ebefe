"""Damage of one stretch in exports of chats: nothing is invented, and conversations away from it are all there.

The oracle knows where each conversation lies in the undamaged bytes, by the standard library alone.
"""

from __future__ import annotations

import json
from itertools import cycle
from typing import Any
from unittest.mock import Mock, patch

import msgspec
import pytest

from exportstream import ExportstreamError, Reject
from exportstream.reading.export import Export
from exportstream.reading.json import measure
from exportstream.reading.options import ReadOptions
from tests.kit.chats import Tree, claude_ai
from tests.kit.documents import dump
from tests.kit.files import cuts
from tests.kit.readings import plain, small_blocks
from tests.properties.test_damage import DAMAGES, PRETTY

NESTED = [Tree("nested").say().conversation(), Tree("nested").say().conversation()]
NESTED_AI = [claude_ai({"text": "no"}, uuid="nested"), claude_ai({"text": "no"}, uuid="nested")]


def chatgpt(name: str) -> dict[str, Any]:
    """A conversation whose values hold conversations."""
    tree = Tree(name, more=NESTED)
    return tree.say(text=f'[{{"title":"{name}"}},').say("assistant", key=f"{name}-x").say(value=NESTED[0]).conversation()


def claude(name: str) -> dict[str, Any]:
    """The same of claude.ai."""
    use = {"type": "tool_use", "id": "t", "name": "search", "input": {"found": NESTED_AI, "one": NESTED_AI[0]}}
    return claude_ai({"text": ',{"uuid":"x"},'}, {"sender": "assistant", "content": [use]}, {"text": "é"}, uuid=name)


NAMES = ["c0", "c1", "c2", "c3"]
SHAPES = {
    "chatgpt": dump([chatgpt(name) for name in NAMES]),
    "chatgpt-indented": dump([chatgpt(name) for name in NAMES], **PRETTY),
    "chatgpt-sorted": json.dumps(json.loads(dump([chatgpt(name) for name in NAMES])), sort_keys=True).encode(),
    "claude": dump([claude(name) for name in NAMES]),
    "claude-lines": b"\n".join(dump(claude(name)) for name in NAMES),
}


def places(data: bytes) -> dict[str, tuple[int, int]]:
    """Where each conversation lies, by its id."""
    text, found = data.decode(), {}
    at = text.index("{")
    for name in NAMES:
        end = json.JSONDecoder().raw_decode(text, at)[1]
        found[name] = len(text[:at].encode()), len(text[:end].encode())
        at = text.find("{", end)
    return found


def read(source: Any) -> tuple[dict[str, list[Any]], list[Reject], Any, Any]:
    """The messages of each session, the rejects, the notes and the error of a reading that skips."""
    rejects: list[Reject] = []
    sessions: dict[str, list[Any]] = {}
    error = None
    with Export(source, ReadOptions(on_error="skip"), rejects=rejects) as export:
        try:
            for batch in export.batches():
                for message in map(plain, batch.messages):
                    sessions.setdefault(message["session_id"], []).append(message)
        except ExportstreamError as caught:
            error = caught
        return sessions, rejects, export.notes, error


@pytest.mark.parametrize("shape", SHAPES)
def test_damage_anywhere(shape: str) -> None:
    """Only conversations that the damage touches are lost, values of others never become rows, and no byte is lost."""
    data = SHAPES[shape]
    where = places(data)
    whole, _, _, error = read(data)
    assert (list(whole), error) == (NAMES, None)
    ends = {at + near for span in where.values() for at in span for near in range(-12, 4)}
    spots = sorted(at for at in {*range(0, len(data), 61), *ends} if 0 <= at < len(data))
    skipped = 0
    for at, kind in zip(spots, cycle([*DAMAGES, "quote", "lost"]), strict=False):
        hurt = DAMAGES[kind](data, at)
        sessions, rejects, notes, error = read(hurt)
        damaged = [one for one in rejects if one.damaged]
        for one in damaged:
            assert one.raw is not None
            assert one.position is not None
            assert hurt.startswith(one.raw, one.position), (at, kind)
        bytes_ = b"".join(one.raw or b"" for one in damaged)
        assert (len(bytes_), bool(damaged)) == (notes.damaged_bytes, notes.damaged > 0)
        assert "nested" not in sessions, (at, kind)
        skipped += error is None and notes.damaged > 0
        for name, (begin, end) in where.items():
            touched = begin - 9 <= at <= end + 9
            if name in sessions and not touched:
                assert sessions[name] == whole[name], (at, kind)
                assert data[begin:end] not in bytes_, (at, kind)
            if name not in sessions and not touched and error is None:
                assert data[begin:end] in bytes_, (at, kind, name)
            if end + 9 < at and error is None:
                assert name in sessions, (at, kind)
        lost = [name for name, (begin, end) in where.items() if not begin - 9 <= at <= end + 9 and name not in sessions]
        assert error is not None or len(lost) == 0, (at, kind, lost)
    assert skipped > len(spots) // 4


def test_several_damages() -> None:
    """Two damaged conversations are two stretches; with one that is more than 64 KiB long between them, that is kept."""
    between = dump(Tree("between").say(text="y" * 70_000).conversation())
    parts = [dump(chatgpt(name)) for name in NAMES]
    parts[0] = parts[0].replace(b"nested", b"\0ested")
    parts[2:2] = [between]
    parts[3] = parts[3].replace(b"nested", b'nest"d', 1)
    sessions, rejects, notes, error = read(b"[" + b",".join(parts) + b"]")
    assert (list(sessions), error, notes.damaged) == (["c1", "between", "c3"], None, 2)
    assert b"".join(one.raw or b"" for one in rejects) == parts[0] + b"," + parts[3] + b","


@pytest.mark.parametrize("lost", [b"[", b"[oops", b"[7", b'[{"title":"x"', b'[{"uuid":"x","oops', b"[]]", b'["x"', b"[[{}]"])
def test_lines_go_on_after_a_bracket_that_is_damage(lost: bytes) -> None:
    """A line that begins like an array is rejected with its bracket, unless that may be one, and lines after it are read."""
    made = [dump(claude(name)) for name in NAMES]
    data = b"\n".join([made[0], lost, *made[1:]])
    for source in (data, cuts(data, [1]), cuts(data, [50])):
        sessions, rejects, _, error = read(source)
        assert (list(sessions), error) == (NAMES, None)
        raw = {one.position: one.raw or b"" for one in rejects}
        assert all(data.startswith(one, position) for position, one in raw.items())
        got = b"".join(raw[at] for at in sorted(raw)).strip()
        assert got == {b"[": b"", b"[]]": b"]"}.get(lost, lost)


@pytest.mark.parametrize("lost", [b"oops", b"7", b'"x",', b'{"uuid":"x', b"[1]"])
def test_an_array_goes_on_after_damage_before_its_first_element(lost: bytes) -> None:
    """Where a comma comes after the next conversation, the array goes on."""
    made = [dump(claude(name)) for name in NAMES]
    sessions, rejects, _, error = read(made[0] + b"[" + lost + b"," + b",".join(made[1:]) + b"]")
    assert (list(sessions), error) == (NAMES, None)
    assert b"".join(one.raw or b"" for one in rejects) == lost + b","


@pytest.mark.parametrize("shape", SHAPES)
def test_the_split_of_the_input_does_not_matter(shape: str) -> None:
    """Damage is found in the same way wherever a read ends: here conversations are larger than reads and blocks."""
    data = SHAPES[shape]
    for begin, end in places(data).values():
        hurt = data[: (begin + end) // 2] + b"\0\xff" + data[(begin + end) // 2 :]
        sessions, rejects, _, _ = read(hurt)
        for block, chunk in ((64, 16), (400, 100), (1500, 700)):
            with small_blocks(block, chunk):
                others, more, _, _ = read(cuts(hurt, [chunk]))
            assert others == sessions
            assert b"".join(one.raw or b"" for one in more) == b"".join(one.raw or b"" for one in rejects)


@pytest.mark.parametrize("unit", [b'{"title":', b'{"title":"x","mapping":{', b'{"title":' * 500 + b"}" * 500, b'{"id":1},'])
def test_false_starts_take_linear_time(unit: bytes) -> None:
    """Garbage that looks like the beginning of conversations is rejected as a whole, and little of it is read again."""
    good, garbage = dump(chatgpt("c0")), unit * (2_000_000 // len(unit))
    passed, decode = [], measure._SKIP.decode

    def pass_over(data: bytes | memoryview) -> None:
        try:
            decode(data)
        except msgspec.DecodeError as error:
            passed.append(int(str(error).rpartition("(byte ")[2].rstrip(")") or len(data)))
            raise
        passed.append(len(data))

    with patch.object(measure, "_SKIP", Mock(decode=pass_over)):
        sessions, rejects, _, error = read(b"[" + good + b",X" + garbage + b"," + good + b"]")
    assert (list(sessions), error) == (["c0"], None)
    assert garbage[:-1000] in b"".join(one.raw or b"" for one in rejects)
    assert sum(passed) < 3 * len(garbage)
    assert len(passed) < len(garbage) / 40  # each of them takes time, however few bytes it passes over


def test_a_conversation_after_large_damage() -> None:
    """Conversations before and after damage of several megabytes are kept, and the damage comes in pieces."""
    big = dump(Tree("big").say(text="x" * 3_000_000).conversation())
    hurt = big[:2_900_000] + bytes(500_000) + big[2_900_000:]
    data = b"[" + dump(chatgpt("c0")) + b"," + hurt + b"," + dump(chatgpt("c1")) + b"," + big + b"]"
    sessions, rejects, notes, error = read(data)
    assert (list(sessions), error, notes.damaged) == (["c0", "c1", "big"], None, 1)
    assert b"".join(one.raw or b"" for one in rejects) == hurt + b","
    assert max(len(one.raw or b"") for one in rejects) <= 64 * 1024
