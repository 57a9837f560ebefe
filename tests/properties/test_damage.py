"""Damage of one stretch, at every byte of small exports: nothing is invented, and what is away from it is all there.

The oracle knows where each message lies in the undamaged bytes, by the standard library alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from exportstream import ExportstreamError, Reject
from exportstream.reading.export import Export
from exportstream.reading.json import recovery
from exportstream.reading.json.parser import Parser
from exportstream.reading.options import ReadOptions
from tests.kit.chats import claude_ai
from tests.kit.documents import DATE, dump, message, session, session_fields_last, tool_call
from tests.kit.readings import blocks, plain

# What must never be taken for a message: whole messages and a session inside the values of a message.
NESTED = {"a": [message(90, id="nested"), message(91, id="nested"), message(92, id="nested")], "b": {"c": message(93)}}
WHOLE = [session_fields_last(message(94, id="nested"), message(95, id="nested"), id="nested")]


def made(number: int) -> dict[str, Any]:
    """A session of five messages, which hold what looks like messages and sessions."""
    inputs = [{"x": 1}, NESTED, WHOLE, [NESTED, WHOLE, "],"], {}]
    return {
        "id": f"s{number}",
        "createdAt": DATE,
        "title": 't "q" [',
        "messages": [
            message(
                which,
                id=f"s{number}m{which}",
                content=f'{which}: ,{{"id":"x","role":"user"}}',
                toolCalls=[tool_call(inputJson=inputs[which], name="é")],
            )
            for which in range(5)
        ],
        "cost": 1,
    }


PRETTY: dict[str, Any] = {"indent": 1, "separators": None}
SHAPES = {
    "one": dump(made(0)),
    "indented": dump(made(0), **PRETTY),
    "response": dump({"headers": {}, "result": made(0), "after": 1}),
    "lines": b"".join(dump(made(number)) + b"\n" for number in range(3)),
    "array": dump([made(number) for number in range(3)]),
    "indented-array": dump([made(number) for number in range(2)], **PRETTY),
}
DAMAGES = {
    "byte": lambda data, at: data[:at] + b"\xff" + data[at + 1 :],
    "bit": lambda data, at: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :],
    "quote": lambda data, at: data[:at] + b'"' + data[at:],
    "lost": lambda data, at: data[:at] + data[at + 1 :],
    "lost-9": lambda data, at: data[:at] + data[at + 9 :],
    "nul": lambda data, at: data[:at] + bytes(5) + data[at:],
}


def places(data: bytes) -> dict[str, tuple[int, int]]:
    """Where each message lies, by its id."""
    text, found = data.decode(), {}
    decoder = json.JSONDecoder()
    for number in range(3):
        for which in range(5):
            mark = text.find(f'"s{number}m{which}"')
            if mark >= 0:
                begin = text.rindex("{", 0, mark)
                end = decoder.raw_decode(text, begin)[1]
                found[f"s{number}m{which}"] = len(text[:begin].encode()), len(text[:end].encode())
    return found


def read(data: Any) -> tuple[list[Any], list[Reject], Any, Any]:
    """The messages, the rejects, the notes and the error of a reading that skips."""
    rejects: list[Reject] = []
    messages: list[Any] = []
    error = None
    with Export(data, ReadOptions(on_error="skip"), rejects=rejects) as export:
        try:
            for batch in export.batches():
                messages += map(plain, batch.messages)
        except ExportstreamError as caught:
            error = caught
        return messages, rejects, export.notes, error


def spots(data: bytes, step: int) -> Iterator[int]:
    """Every byte around the ends of messages and in the header, and some of all others."""
    ends = {at + near for span in places(data).values() for at in span for near in range(-2, 3)}
    yield from sorted(at for at in {*range(0, len(data), step), *range(60), *ends} if 0 <= at < len(data))


@pytest.mark.parametrize("shape", SHAPES)
def test_damage_anywhere(shape: str) -> None:
    """Nothing inside a value becomes a message, whole messages keep values and order, and no byte is lost or comes twice."""
    ways = cycle(product(DAMAGES, (True, False)))  # 12, so that the next spot is seldom damaged in the same way
    check_damage(shape, ((at, damage, on) for at, (damage, on) in zip(spots(SHAPES[shape], 97), ways, strict=False)))


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES)
def test_any_damage_anywhere(shape: str) -> None:
    """The same for each kind of damage at each of these bytes."""
    check_damage(shape, product(spots(SHAPES[shape], 11), DAMAGES, (True, False)))


def check_damage(shape: str, cases: Iterable[tuple[int, str, bool]]) -> None:
    """Damage a shape at some bytes, each in one way, with the fast ways of reading on or off."""
    data = SHAPES[shape]
    whole, _, _, error = read(data)
    assert error is None
    known = {one["id"]: one for one in whole}
    where = places(data)
    assert known.keys() == where.keys()
    for at, damage, on in cases:
        hurt = DAMAGES[damage](data, at)
        with blocks(on):
            messages, rejects, notes, error = read(hurt)
        if error is not None or not notes.damaged_bytes:  # it is JSON, and not a session; or it is other text
            continue
        # The id of a session may be what is damaged, and then it is read as it is.
        header = next((name for name, (begin, _) in where.items() if begin >= at), "").endswith("m0")
        indexes: dict[str, int] = {}
        got = set()
        for one in messages:
            near = at - 9 <= where.get(one["id"], (at, at))[1] and where.get(one["id"], (at, at))[0] <= at + 9
            assert one["id"] in known or near, (at, one["id"])
            assert one["id"] != "nested", at
            if not near:
                same = ("index", "session_id") if header else ("index",)
                assert one == known[one["id"]] | {key: one[key] for key in same}, at
            assert int(one["index"][1:]) > indexes.get(one["session_id"], -1), at
            indexes[one["session_id"]] = int(one["index"][1:])
            got.add(one["id"])
        bytes_ = b"".join(one.raw or b"" for one in rejects if one.damaged)
        assert len(bytes_) == notes.damaged_bytes
        order = list(where)
        # Without a bracket, what follows can be valid JSON that ends the messages early.
        closes = damage.startswith("lost") and not set(b"[]{}").isdisjoint(data[at : at + 9])
        for number, (begin, end) in enumerate(where.values()):
            if begin < at and at + 9 < end and not closes:  # inside a message: it is lost, at most with the next one
                assert {*order} - got <= {*order[number : number + 2]}, at
        for name, (begin, end) in where.items():
            gone = name not in got
            if gone and end <= at:
                assert data[begin:end] in bytes_ or not messages, (at, name)
            if gone and begin > at + 9:
                assert data[begin:end] in bytes_, (at, name)
            assert not (name in got and end <= at and data[begin:end] in bytes_), (at, name)


@pytest.mark.parametrize("before", [1, 7, 23])
@pytest.mark.parametrize(
    ("make", "unit"),
    [(made, b"\xff"), (lambda number: claude_ai({"text": "x" * 4000}, uuid=f"u{number}"), b'\xff{"uuid":1,')],
    ids=["sessions", "chats"],
)
def test_where_pieces_of_damage_end(tmp_path: Path, make: Callable[[int], Any], unit: bytes, before: int) -> None:
    """A long damaged stretch comes in pieces of 64 KiB, wherever in it a read ends."""
    path, hurt = tmp_path / "in.json", unit * (400_000 // len(unit))
    whole = [dump(make(number)) for number in range(before + 1)]
    path.write_bytes(b"[" + b",".join([*whole[1:], whole[0][:-500] + hurt, whole[1]]) + b"]")
    *pieces, last = (one.raw or b"" for one in read(path)[1])
    assert list(map(len, pieces)) == [64 << 10] * 6
    assert hurt in b"".join([*pieces, last])


@pytest.mark.parametrize("shape", ["lines", "array"])
def test_two_damaged_sessions(shape: str) -> None:
    """Messages after damage in a session are not taken for those of the damaged session before it."""
    data = SHAPES[shape]
    where = places(data)
    for first in ("s0m1", "s0m4"):
        for begin, end in (where[name] for name in ("s1m0", "s1m2", "s1m4")):
            for at in (begin - 40, begin + 2, (begin + end) // 2, end + 1):
                hurt = bytearray(data)
                hurt[sum(where[first]) // 2] = hurt[at] = 0xFF
                messages, rejects, _, error = read(bytes(hurt))
                assert error is None
                assert [one["id"] for one in messages if not one["id"].startswith(one["session_id"])] == []
                assert {f"s2m{number}" for number in range(5)} <= {one["id"] for one in messages}
                assert any(one.damaged for one in rejects)


@pytest.mark.parametrize(
    "unit", [b'{"id":', b'{"id":"x","messages":[{', b'{"id":' * 500 + b"}" * 500], ids=["ids", "sessions", "deep"]
)
def test_false_starts_take_linear_time(unit: bytes) -> None:
    """Garbage that looks like the beginning of messages is parsed for a part of its size only, and is rejected as a whole."""
    data = SHAPES["lines"]
    middle = places(data)["s1m2"][0] + 5
    garbage = b"\xff" + unit * (1_500_000 // len(unit)) + b"\n"
    tried: list[int] = []

    class Counting(Parser):
        def feed(self, data: bytes, *, last: bool = False) -> None:
            tried.append(len(data))
            super().feed(data, last=last)

    with patch.object(recovery, "Parser", Counting):  # of trials
        messages, rejects, notes, error = read(data[:middle] + garbage + data[middle:])
    assert error is None
    assert sum(tried) < 2 * len(garbage)
    assert len(tried) < len(garbage) / 100
    assert {"s0m4", "s1m1"} <= {one["id"] for one in messages} <= places(data).keys()
    assert garbage in b"".join(one.raw or b"" for one in rejects)
    assert notes.damaged_bytes == sum(len(one.raw or b"") for one in rejects if one.damaged)


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("garbage", [b"-", b"tru", b"1e", b'"a', b"nul"])
@pytest.mark.parametrize("before", [b"", b"\n"])
def test_garbage_at_the_end_is_rejected_as_it_is(before: bytes, garbage: bytes, on: bool) -> None:
    """A number or word that the end of the input cuts is in the rejects, with its bytes and position."""
    data = dump(session(message(0))) + before
    for source in (data + garbage, [bytes((one,)) for one in data + garbage]):
        rejects: list[Reject] = []
        with blocks(on), Export(source, ReadOptions(on_error="skip"), rejects=rejects) as export:
            assert len(list(export)) == 1
        assert [(one.position, one.raw) for one in rejects] == [(len(data), garbage)]
        assert export.notes.damaged_bytes == len(garbage)


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("lost", [b"[oops\n", b"{oops\n", b'{"x":[{"y"\n', b"[{oops\n", b'[{"x":1\n'])
def test_lines_go_on_after_a_bracket_that_is_damage(lost: bytes, on: bool) -> None:
    """A line that begins like an array or a session is rejected with its bracket, and the lines after it are read."""
    made = [dump(session(message(0, id=f"m{number}"), id=f"s{number}")) + b"\n" for number in range(4)]
    with blocks(on):
        messages, rejects, notes, error = read(made[0] + lost + b"".join(made[1:]))
    assert error is None
    assert [one["id"] for one in messages] == ["m0", "m1", "m2", "m3"]
    assert [(one.position, one.session_id, one.raw) for one in rejects] == [(len(made[0]), None, lost)]
    assert notes.damaged_bytes == len(lost)


@pytest.mark.parametrize("on", [True, False])
def test_lines_go_on_after_an_array_that_is_none(on: bool) -> None:
    """A line of a bracket alone begins an array; the lines after it are no elements of it, but sessions."""
    made = [dump(session(message(0, id=f"m{number}"), id=f"s{number}")) + b"\n" for number in range(6)]
    with blocks(on):
        messages, rejects, _, error = read(b"".join([*made[:2], b"[\n", *made[2:]]))
    assert ([one["id"] for one in messages], error) == ([f"m{number}" for number in range(6)], None)
    assert b"".join(one.raw or b"" for one in rejects) == b""


@pytest.mark.parametrize("on", [True, False])
def test_an_array_goes_on_after_damage_before_its_first_session(on: bool) -> None:
    """Where a comma comes before the next session, the array goes on."""
    made = [dump(session(message(0, id=f"m{number}"), id=f"s{number}")) for number in range(4)]
    for first in (b"oops", b"\noops", b"{oops}"):
        with blocks(on):
            messages, rejects, _, error = read(b"[" + first + b",\n" + b",\n".join(made) + b"]")
        assert error is None
        assert [one["id"] for one in messages] == ["m0", "m1", "m2", "m3"]
        assert [one.raw for one in rejects] == [b"[" + first + b",\n"]


@pytest.mark.parametrize("on", [True, False])
def test_an_error_after_damage_is_not_before_the_input(on: bool) -> None:
    """What is wrong with the session's keys shows only after a damaged byte: the error says about where reading is then."""
    data = b'{"id":"s","title":"t","x":1,"cost":"id":"s"0.5,' + dump({"messages": [message(0)]})[1:]
    with (
        blocks(on),
        pytest.raises(ExportstreamError, match="cost") as error,
        Export(data, ReadOptions(on_error="skip")) as export,
    ):
        list(export)
    assert error.value.position is not None
    assert 0 < error.value.position < len(data)
