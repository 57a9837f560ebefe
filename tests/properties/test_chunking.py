"""However the bytes are split, and whether blocks are taken out before ijson or not: the result is the same."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exportstream import InputError, LimitError, open_export
from exportstream.reading.json.blocks import Blocks
from exportstream.reading.json.decoder import MessageDecoder
from tests.kit.documents import dump, message, messages, session, sessions, tool_call
from tests.kit.files import DATA, SAMPLES, Shreds, cuts
from tests.kit.readings import Outcome, read, small_blocks
from tests.properties import oracle

FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=5)
BLOCK_SIZES = st.tuples(st.sampled_from([64, 150, 400, 1000, 4000]), st.sampled_from([32, 50, 200, 3000]))


def assert_equal(found: Outcome, wanted: Outcome) -> None:
    for name in ("error", "messages", "rejects", "sessions", "notes", "totals"):
        assert getattr(without_hint(found), name) == getattr(without_hint(wanted), name)


def assert_same(data: bytes, sizes: list[int], *, on_error: str = "stop", block: tuple[int, int] | None = None) -> Outcome:
    """Whole, shredded and in chunks, with blocks and without: one result."""
    wanted = read(data, on=False, on_error=on_error)
    for on in (True, False):
        for source in (data, Shreds(data, sizes), cuts(data, sizes)):
            assert_equal(read(source, on=on, on_error=on_error), wanted)
        if block is not None and on:
            for source in (data, Shreds(data, sizes)):
                with small_blocks(*block):
                    assert_equal(read(source, on=on, on_error=on_error), wanted)
    return wanted


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("sizes", [[1], [2, 3], [64], [1000, 1]], ids=str)
def test_samples_in_any_split(name: str, sizes: list[int]) -> None:
    """A sample read in pieces of one byte or more is the sample read at once."""
    wanted = assert_same((DATA / name).read_bytes(), sizes, block=(500, 64))
    assert wanted.messages
    assert wanted.error is None


@FEW
@given(st.sampled_from(SAMPLES), SIZES, st.sampled_from([gzip.compress, zstandard.compress]))
def test_compressed_samples_in_any_split(name: str, sizes: list[int], pack: Any) -> None:
    """A compressed sample in pieces of any size is the plain sample."""
    data = (DATA / name).read_bytes()
    assert read(Shreds(pack(data), sizes)) == read(data, on=False)


@FEW
@given(st.lists(sessions(), min_size=1, max_size=3), SIZES, BLOCK_SIZES, st.sampled_from([None, 0, 1]), st.booleans())
def test_generated_sessions_in_any_split(
    made: list[Any], sizes: list[int], block: tuple[int, int], indent: int | None, array: bool
) -> None:
    """Nested look-alikes of messages, unknown keys and odd texts: nothing depends on where a read or a block ends."""
    parts = [dump(item, indent=indent, separators=(",", ":")) for item in made]
    data = b"[" + b" ,".join(parts) + b"]" if array else b"\n".join(parts)
    outcome = assert_same(data, sizes, block=block)
    assert outcome.error is None
    assert len(outcome.messages) == sum(len(item["messages"]) for item in made)


SPOILED = st.sampled_from(
    [None, 1, [], {}, "x", [message(7)], {"id": "x"}, {**message(8), "cost": "1"}, {**message(8), "inputTokens": 1.5}]
)


@FEW
@given(st.lists(messages() | SPOILED, min_size=1, max_size=8), SIZES, BLOCK_SIZES, st.sampled_from(["stop", "skip"]))
def test_messages_that_are_not_valid(made: list[Any], sizes: list[int], block: tuple[int, int], on_error: str) -> None:
    """The same messages are refused, with the same reason and number, however they were reached."""
    assert_same(dump(session(*made)), sizes, on_error=on_error, block=block)


def without_hint(outcome: Outcome) -> Outcome:
    """A pipe can't be read once more for an id: what it says then is its own."""
    if outcome.error is not None and re.search("session's `id` before|session with `id`", outcome.error[1]):
        return outcome._replace(error=(outcome.error[0], "expected a session with `id`"))
    return outcome


EDITS = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.sampled_from(
            [
                "",
                ",",
                "}",
                "]",
                "[",
                "{",
                '"',
                ":",
                " ",
                "\n",
                "0",
                "\\",
                "\\ud83d",
                "\x01",
                "null",
                ",,",
                "]}",
                '"messages":[',
            ],
        ),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=2,
)


def edited(data: bytes, edits: list[tuple[int, str, int]]) -> bytes:
    for place, text, removed in edits:
        at = place % (len(data) + 1)
        data = data[:at] + text.encode() + data[at + removed :]
    return data


@settings(FEW, max_examples=60)
@given(sessions(max_messages=4), EDITS, SIZES, BLOCK_SIZES)
def test_damaged_documents(made: Any, edits: list[tuple[int, str, int]], sizes: list[int], block: tuple[int, int]) -> None:
    """What is damaged is refused with the same kind of error after the same messages, with blocks and without."""
    assert_same(edited(dump(made), edits), sizes, block=block)


STRUCTURE = {
    "no messages": "[]",
    "white space for messages": "[ \n\t ]",
    "one": f"[{dump(message()).decode()}]",
    "white space around each": "[ {0} ,\r\n {0} , {0} ]",
    "trailing comma": "[{0},{0},]",
    "trailing comma and space": "[{0},{0}, \n ]",
    "leading comma": "[,{0}]",
    "two commas": "[{0},,{0}]",
    "missing comma": "[{0} {0}]",
    "missing comma without space": "[{0}{0}]",
    "closed twice": "[{0}]]",
    "closed by a brace": "[{0}}}",
    "colon for a comma": "[{0}:{0}]",
    "a number between": "[{0},1,{0}]",
    "null between": "[{0},null,{0}]",
    "an array between": "[{0},[{0}],{0}]",
    "an array first": "[[{0},{0}],{0}]",
    "an empty object between": "[{0},{{}},{0}]",
    "an object in place of the array": "{{}}",
    "null in place of the array": "null",
}


def structure(name: str, rest: str = "") -> bytes:
    array = STRUCTURE[name] if name in ("no messages", "white space for messages", "one") else STRUCTURE[name].format(CELL)
    return f'{{"id":"s","title":"t","messages":{array}{rest}}}'.encode()


CELL = dump(message(1, toolCalls=[tool_call(inputJson={"messages": [message(2), message(3)]})])).decode()


@pytest.mark.parametrize("name", STRUCTURE)
@pytest.mark.parametrize("rest", ["", ',"cost":1'], ids=["last key", "more keys"])
@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_shapes_of_the_array(name: str, rest: str, on_error: str) -> None:
    """Commas, white space and brackets of the array itself: blocks and ijson accept and refuse the same."""
    for block in ((64, 32), (200, 40), (900, 64)):
        assert_same(structure(name, rest), [1, 3], on_error=on_error, block=block)


@pytest.mark.parametrize("name", STRUCTURE)
def test_shapes_are_accepted_if_they_are_json(name: str) -> None:
    """What Python's json refuses is refused or damage, whatever stands around it."""
    outcome = read(structure(name), on_error="skip")
    try:
        found = json.loads(structure(name))["messages"]
    except ValueError:
        assert outcome.error is not None or any(what.startswith("not JSON") for _, _, _, what, _ in outcome.rejects)
    else:
        assert (outcome.error is None) is isinstance(found, list)
        if isinstance(found, list):
            assert len(outcome.messages) + len(outcome.rejects) == len(found)


@pytest.mark.parametrize("cut", range(0, 700, 7))
def test_a_cut_is_found_with_the_same_messages(cut: int) -> None:
    """Cut anywhere, the complete messages come out before the error, by blocks and by ijson alike."""
    data = dump(session(*[message(n, toolCalls=[tool_call(inputJson=[message(9), message(9)])]) for n in range(3)]))
    outcome = assert_same(data[:cut] if cut < len(data) else data, [5], block=(200, 32))
    assert (outcome.error is None) is (cut >= len(data))


@pytest.mark.parametrize("block", range(64, 360, 9))
def test_the_array_ends_at_every_place_of_a_block(block: int) -> None:
    """Wherever a block's edge falls, on the closing bracket, beside it, or in the next session."""
    made = [message(n) for n in range(3)]
    parts = [session(*made, id="a"), session(id="b"), session(*made[:1], id="c", cost=1), session(*made, id="d")]
    data = b"\n".join(map(dump, parts))
    with small_blocks(block, block):
        outcome = read(data)
    assert outcome == read(data, on=False)
    assert len(outcome.messages) == 7
    assert len(outcome.sessions) == 4


FAULTS = {
    "too many digits": b'{"id":"m","zz":' + b"1" * 4301 + b"}",
    "too many digits behind a point": b'{"id":"m","zz":0.' + b"1" * 4301 + b"}",
    "too deep": b'{"id":"m","zz":' + b"[" * 512 + b"]" * 512 + b"}",
    "form feed": b'{"id":\x0c"m"}',
    "vertical tab": b'{"id":"m"\x0b}',
    "control character": b'{"id":"\x01"}',
    "not UTF-8": b'{"id":"\xff"}',
    "bare word": b'{"id":nope}',
    "huge exponent": b'{"id":1e99999999999999999999999}',
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("sizes", [[1], [100], [10**6]], ids=str)
@pytest.mark.parametrize("on", [True, False], ids=["blocks", "ijson"])
def test_messages_before_a_fault_come_out(fault: str, sizes: list[int], on: bool) -> None:
    """The messages before a fault come out, and the error names the message it is in, for any split."""
    before = b",".join(dump(message(n)) for n in range(3))
    data = b'{"id":"s","title":"t","messages":[' + before + b"," + FAULTS[fault] + b"]}"
    seen = []
    source = Shreds(data, sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPORTSTREAM_BLOCKS", "1" if on else "0")
        with open_export(source) as export, pytest.raises(InputError) as caught:  # noqa: PT012
            for found in export:
                seen.append(found.id)  # noqa: PERF401 - those before the error are wanted
    assert seen == ["m0", "m1", "m2"]
    assert caught.value.message_index == 3
    assert caught.value.last_id == "m2"


@pytest.mark.parametrize("sizes", [[1], [100], [700], [10**6]], ids=str)
@pytest.mark.parametrize("on", [True, False], ids=["blocks", "ijson"])
def test_the_size_limit_does_not_depend_on_the_split(sizes: list[int], on: bool) -> None:
    """A message beyond max_message_size is refused and one within it is not, however the bytes come."""
    data = dump(session(message(0), message(1, content="x" * 5000), message(2)))
    fits = read(Shreds(data, sizes), on=on, max_message_size=6000)
    assert fits.error is None
    assert len(fits.messages) == 3
    refused = read(Shreds(data, sizes), on=on, max_message_size=4000)
    assert refused.error is not None
    assert refused.error[0] is LimitError


@pytest.mark.parametrize("space", [0, 10, 70, 70_000])
@pytest.mark.parametrize("key", ['"messages"', '"mess\\u0061ges"', '"\\u006dessages"'])
@pytest.mark.parametrize("array", ["[]", "[ ]", f"[{dump(message()).decode()}]"])
def test_the_messages_key_in_any_spelling(space: int, key: str, array: str) -> None:
    """An escaped key or any amount of white space before the array changes nothing."""
    gap = " " * space
    data = f'{{"id":"s","title":"t",{key}{gap}:{gap}{array}}}'.encode()
    wanted = read(f'{{"id":"s","title":"t","messages":{array}}}'.encode(), on=False)
    assert wanted.error is None
    for on in (True, False):
        for sizes in ([len(data)], [40_000]) if space > 1000 else ([len(data)], [3, 50], [1], [49]):
            assert read(cuts(data, sizes), on=on) == wanted


@example(["x", "y", "x"])
@FEW
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=50))
def test_many_unknown_keys(keys: list[str]) -> None:
    """More unknown keys than are learned, in any order and any spelling, are all kept, by blocks and by ijson."""
    made = [message(n, **{f"u{key}": n}, toolCalls=[tool_call(**{f"v{key}": n})]) for n, key in enumerate(keys)]
    outcome = assert_same(dump(session(*made)), [50])
    assert [list(found["extra"]) for found in outcome.messages] == [[f"u{key}"] for key in keys]
    assert [list(found["tool_calls"][0]["extra"]) for found in outcome.messages] == [[f"v{key}"] for key in keys]


SNAKE = {"createdAt": "created_at", "updatedAt": "updated_at", "toolCalls": "tool_calls", "inputTokens": "input_tokens"}


@FEW
@given(st.lists(st.tuples(messages(), st.sets(st.sampled_from(list(SNAKE)))), min_size=1, max_size=6), BLOCK_SIZES)
def test_mixed_spellings(made: list[tuple[Any, set[str]]], block: tuple[int, int]) -> None:
    """Each object may have its own mixture of the two spellings; the structs are the same for all."""
    spelled = [{(SNAKE[key] if key in names else key): value for key, value in item.items()} for item, names in made]
    outcome = assert_same(dump(session(*spelled)), [60], block=block)
    assert outcome.messages == read(dump(session(*[item for item, _ in made])), on=False).messages


def test_the_end_of_a_read_within_white_space_behind_the_messages_key() -> None:
    """White space between `messages` and its colon that fills a whole read is read on, not waited for."""
    made = dump(session(message(), x="a" * (65536 - len('{"id":"s","title":"t","x":"",'))))
    data = made.replace(b'"messages":', b'"messages"' + b" " * 70_000 + b":")
    assert data.index(b'"messages"') == 65536
    code = "import sys; from exportstream import iter_messages; print(sum(1 for _ in iter_messages('-')))"
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, timeout=20, check=True)
    assert done.stdout == b"1\n"


@pytest.mark.parametrize("key", ["toolCalls", "tool_calls", "unknown"])
def test_blocks_take_every_spelling_and_unknown_keys_fast(key: str) -> None:
    """Snake case and unknown keys are decoded into structs at once, not message by message."""
    one = {"id": "m", "role": "user", "content": "", "createdAt": None, "updatedAt": None, key: []}
    if key == "tool_calls":
        one = {oracle.snake(name): value for name, value in one.items()}
    buffer = bytearray(dump([one] * 50))
    taker = Blocks(MessageDecoder())
    taker.begin(buffer, 1, 500)
    taken = taker.take(buffer, 1)
    assert taken is not None
    assert taken.messages is not None
    assert len(taken.messages) == 49  # up to the last place where a message is seen to begin
    assert taken.messages[0].extra == ({"unknown": []} if key == "unknown" else None)
