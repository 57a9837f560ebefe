"""Archives of small sessions: whole sessions taken from blocks give exactly what ijson alone gives."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exportstream import JSONSyntaxError, LimitError, iter_messages, open_export
from exportstream.models.structs import Session
from exportstream.reading.json.session_lines import split
from exportstream.reading.json.sessions import Sessions
from tests.kit.documents import DATE, dump, message, session, session_fields_last, sessions, tool_call
from tests.kit.readings import blocks, read, small_blocks
from tests.properties.oracle import snake

GAPS = ["\n", "\n\n", "\r\n", " ", "", "\t \n"]
LAYOUTS: list[dict[str, Any]] = [{}, {"separators": (", ", ": ")}, {"indent": 1}, {"ensure_ascii": True}]
FAKE = tool_call(inputJson={"id": "s", "title": "t", "messages": [{"id": "m"}, {"messages": []}]})


def archive(made: list[Any], gap: str = "\n", *, in_array: bool = False, layouts: Any = ({},)) -> bytes:
    """Sessions in one input, each in the next of the layouts."""
    parts = [dump(one, **layouts[number % len(layouts)]).decode() for number, one in enumerate(made)]
    return f"[{(gap + ',' + gap).join(parts)}]".encode() if in_array else gap.join(parts).encode()


def in_snake(value: Any) -> Any:
    """The keys of a session, its messages and calls in snake_case."""
    if isinstance(value, dict):
        return {snake(key): in_snake(item) if key in ("messages", "toolCalls") else item for key, item in value.items()}
    return [in_snake(item) for item in value] if isinstance(value, list) else value


def agree(data: bytes, block: int = 256 * 1024, **options: Any) -> Any:
    """Read an archive in blocks of this size, and by ijson alone; both have to give the same."""
    with small_blocks(block, 64 * 1024):
        found = read(data, **options)
    assert found == read(data, on=False, **options)
    return found


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the runs of sessions that were taken whole, in bytes."""
    sizes: list[int] = []
    take = Sessions.take

    def counted(self: Sessions, data: bytearray, start: int, *rest: Any, **options: Any) -> int | None:
        end = take(self, data, start, *rest, **options)
        if end is not None:
            sizes.append(end - start)
        return end

    monkeypatch.setattr(Sessions, "take", counted)
    return sizes


@st.composite
def archives(draw: st.DrawFn) -> tuple[bytes, int]:
    """An archive of any sessions, spelled in any way, and the size of a block."""
    made = draw(st.lists(sessions(max_messages=3), min_size=1, max_size=6))
    changes: list[Callable[[Any], Any]] = [
        lambda one: one,
        in_snake,
        lambda one: {"messages": one["messages"], **one},
        lambda one: {"id": one["id"], "messages": one["messages"], **one},
        lambda one: {**one, "later": {"messages": [1]}, "messages": one["messages"]},
        lambda one: {**one, "earlier": [{"id": "s"}]},
    ]
    varied = draw(st.booleans())
    change = draw(st.sampled_from(changes))
    made = [(draw(st.sampled_from(changes)) if varied else change)(one) for one in made]
    layouts = draw(st.lists(st.sampled_from(LAYOUTS), min_size=1, max_size=2))
    data = archive(made, draw(st.sampled_from(GAPS)), in_array=draw(st.booleans()), layouts=layouts)
    return data, draw(st.integers(64, 4096))


@given(archives())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_archive(made: tuple[bytes, int]) -> None:
    """Any sessions, in any form of collection, layout, spelling and order of keys."""
    agree(*made)


@given(archives(), st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_byte_of_any_error(made: tuple[bytes, int], choice: st.DataObject) -> None:
    """A byte that is not JSON, anywhere between strings, is named exactly, with its line if there are some."""
    data, block = made
    outside = [index for found in re.finditer(rb'"(?:[^"\\]|\\.)*"|([,:{}\[\]])', data) if (index := found.start(1)) >= 0]
    index = choice.draw(st.sampled_from(outside))
    data = data[:index] + b"!" + data[index:]
    with small_blocks(block, 64 * 1024), pytest.raises(JSONSyntaxError) as caught:
        list(iter_messages(data))
    assert (caught.value.position, caught.value.exact) == (index, True)
    lines = data[:index].split(b"\n")
    assert (caught.value.line, caught.value.column) == (
        (len(lines), len(lines[-1].decode()) + 1) if lines[1:] else (None, None)
    )


@pytest.mark.parametrize("count", [0, 1, 2])
def test_messages_after_damage_in_a_header(count: int) -> None:
    """They may be none, which is no further damage."""
    made = [session(*(message(n) for n in range(number)), id=f"s{number}") for number in (count, count, 3)]
    found = agree(archive(made).replace(b'"title":"t"', b'"title":t"', 1), on_error="skip")
    assert len(found.rejects) == 1
    assert len(found.messages) == 2 * count + 3


def test_damage_again_after_damage_in_a_header() -> None:
    """The second error is named at its own byte, and what comes between the two is read once."""
    made = [session(*(message(n) for n in range(number)), id=f"s{number}") for number in range(3)]
    data = archive(made).replace(b'"title":"t"', b'"title":t"', 1).replace(b"}]}", b"},]}", 1)
    found = agree(data, on_error="skip")
    assert [one["id"] for one in found.messages] == ["m0", "m0", "m1"]
    assert len(found.rejects) == 2


@pytest.mark.parametrize(("cut", "joined"), [("[[1", "2]]"), ('"a', 'b"')])
@pytest.mark.parametrize("in_array", [False, True])
def test_damage_that_seems_to_even_out(cut: str, joined: str, in_array: bool) -> None:
    """One session goes on in the next, and another has two arrays: as many as sessions, and an error all the same."""
    made = [session(message(id=f"m{n}", later=0), id=f"s{n}") for n in range(6)]
    between = ",\n" if in_array else "\n"
    lines = [dump(one).decode() for one in made]
    lines[0] = lines[0].replace('"later":0', f'"later":{cut}')
    lines[1] = re.sub(r'"messages":\[.*"later":0', lambda _: f'"messages":[{joined}', lines[1])
    lines[2] = re.sub(r'"messages":\[(.*)\]', lambda found: f'"messages":[{found[1]}],[{found[1]}]', lines[2])
    text = between.join(lines)
    position = agree((f"[{text}]" if in_array else text).encode())
    assert "not JSON" in str(position)


@pytest.mark.parametrize("in_array", [False, True])
def test_usual_sessions_are_split_in_two_lines_each(in_array: bool) -> None:
    """Up to the first that is another way, and without the last; the keys and the messages of each are lines of their own."""
    made = [session(message(id=f"m{n}"), message(id="x"), id=f"s{n}") for n in range(4)]
    data = archive([*made, {"title": "odd", **made[0]}, *made], "" if in_array else "\n", in_array=in_array)[in_array:]
    for count in range(1, 5):
        end = re.search(rb'(?:.*?"messages":){%d}' % (count + 1), data, re.DOTALL).end()
        found = split(data[: end + 1], b'{"id":', b'"messages":[', in_array=in_array, is_last=True)
        assert found is not None
        assert found.sessions == min(count, 3)
        assert list(map(json.loads, found.keys.splitlines())) == [
            {key: value for key, value in one.items() if key != "messages"} for one in made[: found.sessions]
        ]
        assert list(map(json.loads, found.messages.splitlines())) == [one["messages"] for one in made[: found.sessions]]
        assert data[found.size :].startswith(b'{"id":"s%d"' % found.sessions)
    assert split(data[: data.index(b"]")], b'{"id":', b'"messages":[', in_array=in_array, is_last=True) is None


@pytest.mark.parametrize("after", ["", "\n", " \r\n\t\n"])
@pytest.mark.parametrize("count", [1, 3])
def test_the_last_session_is_split_off_where_the_input_ends(count: int, after: str) -> None:
    """With the white space after it; not if more may come, if it is cut, or if something follows."""
    made = [session(message(id=f"m{n}"), message(id="x"), id=f"s{n}") for n in range(count)]
    data = archive(made, "\n", in_array=False).rstrip() + after.encode()
    how: dict[str, Any] = {"opening": b'{"id":', "messages": b'"messages":[', "in_array": False}
    found = split(data, **how, is_last=True)
    assert found is not None
    assert (found.sessions, found.size) == (count, len(data))
    assert list(map(json.loads, found.messages.splitlines())) == [one["messages"] for one in made]
    assert [json.loads(line)["id"] for line in found.keys.splitlines()] == [one["id"] for one in made]
    for other in (split(data, **how, is_last=False), split(data.rstrip()[:-1], **how, is_last=True)):
        assert (0 if other is None else other.sessions) == count - 1
    followed = split(data + b"1", **how, is_last=True)
    assert (0 if followed is None else followed.sessions) == count - 1


@given(archives(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example((archive([session(message(), id=str(n)) for n in range(4)]), 200), random.Random(1))
def test_any_damage(made: tuple[bytes, int], rng: random.Random) -> None:
    """A few bytes that are changed, lost, doubled or added give the same rows, rejects and error."""
    data, block = made
    for _ in range(rng.randint(1, 2)):
        at, count = rng.randrange(len(data)), rng.randint(1, 12)
        new = rng.choice(
            [
                b"",
                b"{",
                b"}",
                b"]",
                b"[",
                b",",
                b'"',
                b"1",
                b"null",
                b"\n",
                b'"id":1,',
                b'"messages":[',
                data[at : at + count],
            ]
        )
        data = data[:at] + new + data[at + rng.choice([0, 1, count]) :]
    agree(data, block)
    agree(data, block, on_error="skip")


SMALL = [
    session(message(0), message(1, toolCalls=[FAKE]), id="a"),
    session(id="b"),
    session(message(2), id="c", x=[{"id": 1}]),
]


@pytest.mark.parametrize("in_array", [False, True])
def test_a_block_may_end_at_every_byte(in_array: bool, taken: list[int]) -> None:
    """The boundary of a block at each byte of a small archive changes nothing."""
    data = archive(SMALL * 2, in_array=in_array)
    whole = agree(data)
    assert len(whole.messages) == 6
    for block in range(16, len(data) + 1):
        with small_blocks(block, 7):
            assert read(data) == whole
    assert len(taken) > len(data)


@pytest.mark.parametrize("in_array", [False, True])
def test_a_cut_at_every_byte(in_array: bool) -> None:
    """An archive that ends at any byte has the messages and sessions before it, and the same error."""
    data = archive(SMALL, in_array=in_array)
    for end in range(1, len(data)):
        agree(data[:end], 400)
        agree(data[:end], 400, on_error="skip")


PLAIN = [session(message(0), message(1), id=f"s{number}") for number in range(40)]


@pytest.mark.parametrize("in_array", [False, True])
@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("change", [None, in_snake, lambda one: session_fields_last(*one["messages"], id=one["id"])])
def test_whole_sessions_are_taken_in_every_form(
    in_array: bool, gap: str, layout: Any, change: Any, taken: list[int]
) -> None:
    """Lines, arrays and concatenated documents, compact or not, in both spellings, with keys before or after the messages."""
    data = archive([change(one) for one in PLAIN] if change else PLAIN, gap, in_array=in_array, layouts=[layout])
    assert len(agree(data).messages) == 80
    assert sum(taken) > len(data) * 0.9


@pytest.mark.parametrize(
    ("key", "where"), [("x", "session"), ("x", "message"), ("x", "call"), ("result", "message"), ("id ", "session")]
)
def test_unknown_keys_are_taken_fast_and_kept(key: str, where: str, taken: list[int]) -> None:
    """An unknown key in every session, message or call is kept, and the sessions are taken whole."""
    extra = {key: {"a": [1.0, "messages", {"id": 1}]}}
    call = tool_call(**(extra if where == "call" else {}))
    one = message(0, toolCalls=[call], **(extra if where == "message" else {}))
    data = archive([session(one, id=str(number), **(extra if where == "session" else {})) for number in range(40)])
    found = agree(data)
    assert sum(taken) > len(data) * 0.9
    holders = {"session": found.sessions[1][0], "message": found.messages[1], "call": found.messages[1]["tool_calls"][0]}
    assert list(holders[where]["extra"]) == [key]


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize("in_array", [False, True])
@pytest.mark.parametrize(
    "bad",
    [
        session({"id": "m"}, message(1), id="bad"),
        session(message(0), id=None),
        session(message(0), title=5),
        session(message(0), promptTokens=1.5),
        {"id": "bad", "title": "t"},
        {"result": session(message(0), id="inner"), "headers": {}},
        [],
        session(message(0, content="\ud800"), id="bad"),
        session(message(0), id="bad", cost="1"),
    ],
    ids=range(9),
)
def test_an_odd_session_in_the_middle(bad: Any, in_array: bool, on_error: str) -> None:
    """Whatever is refused or odd is so for the same reason, at the same message; sessions before and after it are read."""
    for block in (256 * 1024, 500):
        found = agree(archive([*PLAIN[:5], bad, *PLAIN[5:9]], in_array=in_array), block, on_error=on_error)
        assert len(found.messages) >= 10


def test_keys_twice(taken: list[int]) -> None:
    """A key of a session that comes twice is refused in every session, whichever it is and wherever it stands."""
    good = dump(PLAIN[0]).decode()
    for key in ("id", "title", "messages", "x", "createdAt"):
        one = good.replace('"title"', f'"{key}":2,"title"') if key in ("x", "createdAt") else good
        for text in (f'{{"{key}":[],{one[1:]}', f'{one[:-1]},"{key}":[]}}', one.replace('"title"', f'"{key}":1,"title"')):
            found = agree(f"{good}\n{good}\n{text}\n{good}\n{good}".encode())
            assert found.error is not None, text
    assert taken


@pytest.mark.parametrize("in_array", [False, True])
@pytest.mark.parametrize("levels", [505, 506, 507, 508])
def test_depth(levels: int, in_array: bool) -> None:
    """Nesting has the same limit in a session that is taken whole."""
    deep = dump(session(message(0, toolCalls=[tool_call(inputJson="@@")]))).replace(b'"@@"', b"[" * levels + b"]" * levels)
    lines = [deep, *map(dump, PLAIN[:3])]
    data = b"[" + b",".join(lines) + b"]" if in_array else b"\n".join(lines)
    for on in (True, False):
        with blocks(on):
            if levels + 5 + in_array <= 512:
                assert sum(1 for _ in iter_messages(data)) == 7
            else:
                with pytest.raises(LimitError, match="512 levels"):
                    list(iter_messages(data))


def test_no_session_is_made_of_what_is_nested() -> None:
    """An object that has no `messages` but holds something with them is no session."""
    nested = f'{{"id":"a","title":"t","e":{{"messages":[{dump(message()).decode()}],"k":1}}}}'
    good = dump(PLAIN[0]).decode()
    for text in (f"{good}\n{nested}\n{good}", f"[{good},{nested},{good}]", "\n".join([nested] * 3)):
        assert agree(text.encode()).error is not None


def test_sessions_have_their_own_class(taken: list[int]) -> None:
    """Sessions that were taken whole are plain ones, with dates and costs as usual."""
    data = archive([session(message(), id=str(n), cost=1, createdAt=DATE) for n in range(5)])
    with open_export(data) as export:
        found = [end.session for batch in export.batches() for end in batch.ends]
    assert {type(one) for one in found} == {Session}
    assert len({str(one.cost) for one in found}) == 1
    assert taken
