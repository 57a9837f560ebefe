"""What several processes make of one export of chats is what one process makes of it; see `test_helpers`."""

from __future__ import annotations

import gzip
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import pytest

from exportstream import check, convert
from exportstream.reading.json.blocks import separator_like
from exportstream.reading.json.next_element import KnownElements
from exportstream.reading.options import ReadOptions
from exportstream.reading.runs_ahead import suits_helpers
from tests.kit.chats import Tree, claude_ai, drawn, opencode
from tests.kit.documents import dump
from tests.kit.odd_values import HIDDEN, spoil
from tests.kit.sharing import assert_same, assert_same_stored

FORMS = [(b"[", b",", b"]"), (b" [\n", b" ,\n\t", b"\n]\n"), (b"", b"\n", b"\n")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "conversations.json"


def chats(count: int, seed: int = 0) -> list[bytes]:
    """Conversations of ChatGPT."""
    return [dump(one) for one in drawn(seed, count)]


@pytest.mark.parametrize("run", [100, 1500, 8000])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_whole_conversations(path: Path, run: int, form: tuple[bytes, bytes, bytes]) -> None:
    """Runs of conversations give the same in an array, whatever is between them, and in lines."""
    first, between, last = form
    assert assert_same(path, first + between.join(chats(30)) + last, run).in_full > 3


@pytest.mark.parametrize("run", [300, 3000])
def test_claude_ai(path: Path, run: int) -> None:
    """Conversations of claude.ai are shared, too."""
    made = [claude_ai({"text": "Hello" * number}, {"sender": "assistant"}, uuid=f"u{number}") for number in range(40)]
    assert assert_same(path, dump(made), run).in_full > 3


def test_findings_of_each_conversation(path: Path) -> None:
    """Records that are no rows are said of their conversation, whichever process read it; halves of surrogates are for this one."""
    without = {"chat_messages": None}
    made = [
        claude_ai({"text": "\ud83d" if number == 21 else "x"}, uuid=f"u{number}", **(without if number % 3 else {}))
        for number in range(40)
    ]
    assert assert_same(path, dump(made), 900).in_full > 3
    path.write_bytes(dump(made))
    found = list(check(path))
    assert [len(one.records) for one in found] == [int(number % 3 > 0) for number in range(40)]
    assert [one.session_id for one in found if not one.clean] == ["u21"]


@pytest.mark.parametrize("at", [0, 12, 39])
def test_findings_of_a_conversation_that_is_refused(path: Path, at: int) -> None:
    """They are in no session, and not lost with the one before it."""
    made = [claude_ai({}, uuid=f"u{number}") for number in range(40)]
    made[at] = claude_ai({}, uuid=5, name="\ud83d")
    assert_same(path, dump(made), 900, "skip")
    path.write_bytes(dump(made))
    *found, outside = check(path)
    assert [one.session_id for one in found] == [f"u{number}" for number in range(40) if number != at]
    assert (outside.session_id, set(outside.findings)) == (None, {"invalid-message", "replaced-surrogate"})
    assert all(one.clean for one in found)


def test_separators_of_elements() -> None:
    """The keys of an object that comes first tell where elements begin, but not a key that is a name of its own."""

    def separated(first: bytes, second: bytes) -> bool:
        separator = separator_like(bytearray(first), 0)
        return separator is not None and separator.search(b"," + second) is not None

    assert separated(b'{"info":{"id":"s","title":1}}', b' { "info": {"id" : "t","title":1}}')
    assert not separated(b'{"info":{"id":"s","title":1}}', b'{"info":{"id":"m","role":1}}')
    assert separated(b'{"mapping":{"a":{"id":"a"}}}', b'{"mapping":{"b":{"id":"b"}}}')
    assert not separated(b'{"a":1}', b'{"b":1}')


def sessions(count: int) -> list[dict[str, Any]]:
    """Sessions of opencode, with costs and calls; their messages begin with the same key as they do."""
    call = {"type": "tool", "callID": "c", "tool": "bash", "state": {"status": "completed", "input": {"info": {}}}}
    tokens = {"input": 9, "output": 2, "reasoning": 1, "cache": {"read": 5, "write": 0}}
    answer = {"role": "assistant", "cost": 0.25, "tokens": tokens, "parts": [{"type": "text", "text": "\n{"}, call]}
    return [opencode({}, *[answer] * (number % 4), id=f"s{number}", cost=number) for number in range(count)]


@pytest.mark.parametrize("run", [300, 3000])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_opencode(path: Path, run: int, indent: int | None, form: tuple[bytes, bytes, bytes]) -> None:
    """Sessions of opencode are cut between sessions and not between messages, as exported one after the other, too."""
    first, between, last = form
    data = first + between.join(dump(one, indent=indent) for one in sessions(40)) + last
    here = assert_same(path, data, run)
    assert here.in_full == here.given > 3
    turn = FORMS.index(form) + len(FORMS) * (indent is None)
    assert assert_same(path, b"Exporting session\n" + data, run, turn=turn).in_full > 3


def test_what_only_looks_like_a_session(path: Path) -> None:
    """Sessions inside a call, and messages that begin lines of their own, make runs that are refused."""
    within = {"type": "tool", "callID": "c", "tool": "x", "state": {"input": {"info": sessions(9)}}}
    made = sessions(30)
    made[9] = opencode({"parts": [within]}, id="outer")
    assert assert_same(path, dump(made), 900).taken > 0
    assert assert_same(path, b"\n".join(dump(one, indent=0) for one in made), 900).taken > 0
    assert assert_same(path, dump(made[9], indent=2), 900).given == 0


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_odd_values_anywhere(path: Path, seed: int, on_error: str) -> None:
    """Rows, errors and rejects are the same, whatever is odd, and nested conversations are no runs."""
    name, lines = "mapping", chats(20, seed)
    lines[9] = dump(Tree("outer", nested=drawn(seed, 6)).say().conversation())
    if seed % 4 == 0:
        name, lines = "messages", list(map(dump, sessions(40)))
    spoil(lines, name, seed, first=10, times=4)
    first, between, last = FORMS[seed % 3]
    data = first + between.join(lines) + last
    given = [assert_same(path, data, 1500, on_error, turn=turn).given for turn in (seed, seed + 2, seed + 4)]
    assert min(given) > 0


@pytest.mark.parametrize(("number", "fault"), list(enumerate([*HIDDEN, b"1}", b"]"])), ids=range(len(HIDDEN) + 2))
@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_faults_among_conversations(path: Path, number: int, fault: bytes, on_error: str) -> None:
    """What is no JSON, is too deep or has halves of surrogate pairs gives the same errors, at the same places."""
    lines = chats(20)
    lines[12] = Tree("x").say(new="HERE").data[1:-1].replace(b'"HERE"', fault)
    for turn in range(number, number + 6, 2):  # all readings, of the file as it is or compressed
        assert_same(path, b"[" + b",".join(lines) + b"]", 1500, on_error, turn=turn)
    lines = list(map(dump, sessions(30)))
    lines[22] = dump(opencode({"new": "HERE"}, id="x")).replace(b'"HERE"', fault)
    assert_same(path, b"\n".join(lines), 1500, on_error)


def test_a_search_after_damage_knows_what_others_have_read(path: Path) -> None:
    """A first key that only a conversation of a run has is one that is looked for; of sizes the largest counts."""
    lines = [dump(Tree(f"c{n}").say().conversation()) for n in range(24)]
    for n in (6, 20, 21, 22, 23):
        lines[n] = b'{"early":1,' + lines[n][1:]
    lines.insert(20, b'{"broken":')
    assert assert_same(path, b"[" + b",".join(lines) + b"]", 1500, "skip").in_full > 4
    done = convert(path, path.with_name("out.csv"), on_error="skip")
    assert (done.notes.damaged, done.totals.sessions) == (1, 24)
    known = KnownElements({b"a"}, 5)
    for other in (KnownElements({b"b"}, 9), KnownElements({b"a"}, 7)):
        known.merge(other)
    assert known == KnownElements({b"a", b"b"}, 9)


@pytest.mark.parametrize("at", [0.0, 0.3, 0.7, 0.999])
@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize("lines", [chats(20), [*map(dump, sessions(30))]], ids=["chatgpt", "opencode"])
def test_cut_inputs(path: Path, at: float, on_error: str, lines: list[bytes]) -> None:
    """A cut input has the same rows and the same error."""
    for data in (b"[" + b",".join(lines) + b"]", b"\n".join(lines)):
        assert_same(path, data[: max(200, int(len(data) * at))], 1500, on_error)


def test_what_follows_the_array(path: Path) -> None:
    """A byte order mark, a second array, and values that are no conversations."""
    lines, random = chats(20), Random(1)
    data = b"[" + b",".join(lines) + b"]"
    assert_same(path, b"\xef\xbb\xbf" + data, 1500)
    assert_same(path, data + b"\n" + data, 1500)
    for value in (b"5", b"{}", b'{"title":"x"}', b"[]"):
        lines.insert(random.randrange(5, 20), value)
        assert_same(path, b"[" + b",".join(lines) + b"]", 1500)


def test_processes_are_started_for_chats(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are for chats of every program, and not for logs."""
    monkeypatch.setattr("exportstream.reading.runs_ahead.SMALLEST_INPUT", 0)

    def suits(data: bytes) -> bool:
        path.write_bytes(data)
        return suits_helpers(str(path), ReadOptions())

    data = b",".join(chats(3))
    for made in (b"[" + data + b"]", b"\n[" + data + b"]", data, dump([claude_ai({})]), dump(opencode({}))):
        assert suits(made)
    assert not suits(dump({"type": "user", "sessionId": "s", "uuid": "u", "message": {"role": "user", "content": "x"}}))


@pytest.mark.parametrize("run", [20_000, 60_000])
def test_runs_whose_bytes_were_let_go(path: Path, run: int) -> None:
    """Where more of a compressed file was read already than is kept of it, as after a long conversation, nothing is lost."""
    sizes = [100_000 + 1000 * number if number % 20 == 0 else 900 for number in range(400)]
    lines = [dump(Tree(f"c{number}").say("x" * size).conversation()) for number, size in enumerate(sizes)]
    with patch("exportstream.storage.lookahead._KEPT", 0):
        assert_same_stored(path, gzip.compress(b"[" + b",".join(lines) + b"]", 1), run)
