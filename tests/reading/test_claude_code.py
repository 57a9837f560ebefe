"""Claude Code transcripts: what becomes a row, whose tokens count, and each trap of the format."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from exportstream import InputError, LimitError, ReadOptions, check, iter_messages, open_export
from exportstream.models.structs import Message
from exportstream.reading.export import Export
from exportstream.reading.formats.claude_code.reader import TranscriptReader
from tests.kit.documents import dump
from tests.kit.odd_values import HIDDEN, spoil
from tests.kit.readings import assert_figures
from tests.kit.transcripts import MODEL, OTHER, SESSION, TIME, Transcript, drawn, expected


def rows(data: bytes | Transcript, **options: Any) -> list[Message]:
    data = data.data if isinstance(data, Transcript) else data
    assert_figures(data)
    return list(iter_messages(data, **options))


def begun() -> Transcript:
    """A transcript with a user's message."""
    return Transcript().user()


def tokens(data: bytes | Transcript) -> tuple[int | None, int | None]:
    """The counted output and cache read tokens."""
    with open_export(data.data if isinstance(data, Transcript) else data) as export:
        list(export)
        counted = export.totals.counted
    return counted.output_tokens.sum, counted.cache_read_tokens.sum


def test_a_response_is_one_row() -> None:
    """All records of a message id are one row, with the thoughts, the results, the model and the last tokens."""
    transcript = (
        begun().think("m1", "First.", 3, 1).say("m1", "I look.", 3, 1).call("m1", "t1", 3, 9).call("m1", "t2", 3, 40)
    )
    user, response, last = rows(transcript.result("t2", "two").result("t1", "one", is_error=True).say("m2", "Done."))
    assert (user.role, user.content, user.index, user.session_id) == ("user", "Run it.", 0, SESSION)
    assert (response.id, response.role, response.content, response.reasoning) == ("m1", "assistant", "I look.", "First.")
    assert (response.model, response.producer, response.usage_state) == (MODEL, "claude-code", "partial")
    assert [(call.id, call.name, call.result, call.is_error, call.finished) for call in response.tool_calls or ()] == [
        ("t1", "Bash", "one", True, True),
        ("t2", "Bash", "two", None, True),
    ]
    assert response.tool_calls is not None
    assert response.tool_calls[0].input_json == {"command": "ls"}
    assert response.tool_calls[0].extra == {"toolUseResult": "one"}
    assert (response.input_tokens, response.output_tokens, response.total_input_tokens) == (3, 40, 3)
    assert (response.created_at, response.cost) == (TIME, None)
    assert response.extra == {
        "uuid": [f"u-0001-{number}" for number in (1, 2, 3, 4)],
        "signature": "EqQB",
        "isSidechain": False,
        "cwd": "/work",
        "version": "2.1.38",
        "requestId": "req_m1",
        "usage": {"service_tier": "standard"},
    }
    assert (last.content, last.index) == ("Done.", 2)


def test_the_session(tmp_path: Path) -> None:
    """The session has the id of its file, its folder and dates, and the last title of the best kind."""
    transcript = Transcript().line(type="summary", summary="Old", leafUuid="x").user(time="2026-01-01T00:00:00Z")
    transcript.line(type="ai-title", aiTitle="One", sessionId=SESSION).line(
        type="ai-title", aiTitle="Two", sessionId=SESSION
    )
    transcript.line(type="summary", summary="Older", leafUuid="x")
    path = tmp_path / f"{SESSION}.jsonl"
    path.write_bytes(transcript.say("m1").data)
    with open_export(path) as export:
        assert export.producer == "claude-code"
        list(export)
        session = export.session
    assert session is not None
    assert (session.id, session.producer, session.project, session.title) == (SESSION, "claude-code", "/work", "Two")
    assert (session.created_at, session.updated_at) == ("2026-01-01T00:00:00Z", TIME)
    assert (session.prompt_tokens, session.parent_session_id, session.extra) == (None, None, None)


@pytest.mark.parametrize("seed", range(10))
def test_rows_are_those_of_a_plain_reader(seed: int) -> None:
    """Rows, joined results and tokens are those that a plain loop over the lines finds."""
    data = drawn(seed).data
    found = [
        {
            "role": row.role,
            "content": row.content.replace("\n\n", ""),
            "calls": [[call.id, call.result] for call in row.tool_calls or ()],
            "tokens": None
            if row.usage_state is None
            else [row.input_tokens, row.output_tokens, row.cache_creation_tokens, row.cache_read_tokens],
        }
        for row in rows(data)
    ]
    assert found == expected(data)
    assert tokens(data)[0] == sum(row["tokens"][1] for row in expected(data) if row["tokens"])


def test_usage_grows_between_other_records() -> None:
    """The last usage of an id counts, though results, progress and words of the user stand between its records."""
    transcript = begun().think("m1", "Hm.", 3, 1, 5, 7).call("m1", "t1", 3, 2, 5, 7).result("t1").progress()
    transcript.user("Wait.").call("m1", "t2", 3, 500, 5, 7).result("t2").say("m2", "Done.", 1, 10, 0, 20)
    found = rows(transcript)
    assert [(row.id, row.content, row.output_tokens) for row in found if row.role != "user"] == [
        ("m1", "", 500),
        ("m2", "Done.", 10),
    ]
    assert [row.content for row in found] == ["Run it.", "", "Wait.", "Done."]
    assert tokens(transcript) == (510, 27)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "partial"),
        ({"stop": "end_turn"}, "final"),
        ({"usage": {"iterations": [{"input_tokens": 3}]}}, "final"),
        ({"costUSD": Decimal("0.10")}, "final"),
    ],
)
def test_usage_that_is_final(fields: dict[str, Any], state: str) -> None:
    """Tokens are final where a record says how the response ended or what it cost; otherwise they may be partial."""
    row = rows(begun().say("m1", "x").say("m1", "y", **fields))[1]
    assert (row.usage_state, row.finish_reason, row.content) == (state, fields.get("stop"), "x\n\ny")
    assert str(row.cost) == str(fields.get("costUSD"))


def test_ids_without_a_request() -> None:
    """Responses of other providers have no request id: the message id alone is the key. Without any, a record is a row."""
    transcript = begun().say("m1", "a", request=None).say("m1", "b", request=None)
    transcript.say(None, "c", request=None).say(None, "d", request=None)
    assert [(row.id, row.content) for row in rows(transcript)[1:]] == [
        ("m1", "a\n\nb"),
        ("u-0001-3", "c"),
        ("u-0001-4", "d"),
    ]


def test_copies_are_repeated() -> None:
    """Records that come again are rows marked as repeated, also results that were joined; no total counts them."""
    transcript = begun().say("m1", "Hi.").call("m1", "t1").result("t1").say("m2", "Done.")
    transcript.lines += transcript.lines
    found = rows(transcript)
    assert [row.usage_state for row in found] == [None, "partial", "partial", "repeated", "repeated", "repeated"]
    with open_export(transcript.data) as export:
        list(export)
        assert (export.totals.counted.messages, export.totals.counted.output_tokens.sum) == (3, 18)
        assert export.notes.repeated_ids == 0
    with open_export(transcript.data, dedupe=True) as export:
        assert len(list(export)) == 3
        assert export.duplicates.messages == 3
    (one,) = check(transcript.data)
    assert one.clean


def test_a_record_that_is_written_twice_at_once() -> None:
    """A record of a response that is written twice adds nothing to its row."""
    transcript = begun().say("m1", "Hi.").call("m1")
    transcript.lines = [line for line in transcript.lines for _ in range(2)]
    found = rows(transcript)
    assert [(row.content, row.usage_state, len(row.tool_calls or ())) for row in found] == [
        ("Run it.", None, 0),
        ("Run it.", "repeated", 0),
        ("Hi.", "partial", 1),
    ]


def test_a_side_question_with_another_request() -> None:
    """A copy with another request id is a copy."""
    assert tokens(begun().say("m1").user("By the way?").say("m2").say("m1", request="req_other")) == (18, 100)


def test_embedded_messages_are_rows() -> None:
    """Messages of sub-agents in progress records are rows of their own, though several agents work at once."""
    one = Transcript(SESSION, "a1").user("Look.").call("s1", "q1", 1, 5).result("q1", "found").say("s2", "Here.", 1, 6)
    two = Transcript(SESSION, "a2").user("Find.").call("s3", "q1", 1, 7).result("q1", "other").say("s3", "There.", 1, 70)
    transcript = begun().call("m1", "t1", name="Task")
    mixed = Transcript()
    for first, second in zip(one.lines, two.lines, strict=True):
        mixed.lines = [first]
        transcript.embed("a1", mixed)
        mixed.lines = [second]
        transcript.embed("a2", mixed)
    found = rows(transcript.result("t1", "both").say("m2", "Done.", 1, 1))
    assert sorted((row.agent_id or "", row.role, row.content, row.output_tokens) for row in found) == [
        ("", "assistant", "", 9),
        ("", "assistant", "Done.", 1),
        ("", "user", "Run it.", None),
        ("a1", "assistant", "", 5),
        ("a1", "assistant", "Here.", 6),
        ("a1", "user", "Look.", None),
        ("a2", "assistant", "There.", 70),
        ("a2", "user", "Find.", None),
    ]
    results = [call.result for row in found for call in row.tool_calls or ()]
    assert sorted(results, key=str) == ["both", "found", "other"]
    parents = {row.id: row.parent_id for row in found}
    assert (parents["s1"], parents["u-0001a1-0"], parents["m2"]) == ("u-0001a1-0", "m1", "m1")


def test_many_agents_at_once() -> None:
    """Of more agents than are held open, the one that waited longest is complete; no row is lost."""
    transcript = begun()
    for number in range(200):
        transcript.embed(f"a{number}", Transcript(SESSION, f"a{number}").say(f"s{number}", "x", 1, 1))
    assert tokens(transcript)[0] == 200


def test_a_sub_agents_file(tmp_path: Path) -> None:
    """The file of a sub-agent has its id in each row, also where its records have none."""
    path = tmp_path / "agent-a1f.jsonl"
    path.write_bytes(Transcript(SESSION, isSidechain=True).user().say("m1").data)
    assert [(row.agent_id, row.session_id) for row in iter_messages(path)] == [("a1f", SESSION)] * 2


def test_side_chains_of_old_versions() -> None:
    """A sub-agent in the main file without an id does not end the response of the main one."""
    transcript = begun().call("m1", "t1").say("s1", "Side.", isSidechain=True).call("m1", "t2", 3, 99)
    assert [(row.id, row.output_tokens) for row in rows(transcript)[1:]] == [("m1", 99), ("s1", 9)]


def test_parents() -> None:
    """The parent of a row is a row, over records that are none; a parent that is unknown stays in `extra`."""
    transcript = Transcript()
    transcript.last = "elsewhere"
    transcript.user().progress().say("m1").call("m1").result().record("system", subtype="x").say("m2").user("Next.")
    found = rows(transcript)
    assert [row.parent_id for row in found] == [None, "u-0001-0", "m1", "m2"]
    assert (found[0].extra or {})["parentUuid"] == "elsewhere"
    assert "parentUuid" not in (found[1].extra or {})


def test_a_fork(tmp_path: Path) -> None:
    """A fork names the session that it comes from; records with that session's id are its rows."""
    transcript = Transcript(OTHER).user("Old.").say("m1")
    forked = Transcript(SESSION, forkedFrom={"sessionId": OTHER, "messageUuid": "x"}).user("New.").say("m2")
    path = tmp_path / f"{SESSION}.jsonl"
    path.write_bytes(transcript.data + forked.data)
    with open_export(path) as export:
        found = list(export)
        assert export.session is not None
        assert (export.session.id, export.session.parent_session_id, export.sessions) == (SESSION, OTHER, 1)
    assert {row.session_id for row in found} == {SESSION}
    assert [(row.extra or {}).get("sessionId") for row in found] == [OTHER, OTHER, None, None]


def test_sessions_one_after_another() -> None:
    """Where no file name tells the session, records of another session begin one."""
    with open_export(begun().data + Transcript(OTHER).user().data) as export:
        assert [(row.session_id, row.index) for row in export] == [(SESSION, 0), (OTHER, 0)]
        assert export.totals.sessions == 2


def test_records_that_are_no_rows() -> None:
    """Progress, snapshots and unknown records become no row; they are counted with their bytes and listed by check."""
    transcript = (
        begun().progress().progress("bash_progress", output="x").progress("agent_progress", message={"type": "user"})
    )
    transcript.record("system", subtype="turn_duration").record("later").line(type="mode", mode="plan", sessionId=SESSION)
    transcript.line(x=1).record("user", message=None).lines.pop()
    (found,) = check(transcript.data)
    assert found.messages == 1
    assert {kind: one.count for kind, one in found.records.items()} == {
        "progress/hook_progress": 1,
        "progress/bash_progress": 1,
        "progress/agent_progress": 1,
        "system/turn_duration": 1,
        "later": 1,
        "mode": 1,
        "without a type": 1,
    }
    assert sum(one.bytes for one in found.records.values()) == len(transcript.data) - len(transcript.lines[0]) - 1
    assert found.clean


def test_messages_of_the_program() -> None:
    """A system record with a text is a row of role system."""
    row = rows(begun().record("system", subtype="compact_boundary", content="Compacted", logicalParentUuid="u"))[1]
    assert (row.role, row.content, row.parent_id) == ("system", "Compacted", "u-0001-0")
    assert (row.extra or {}).items() >= {"subtype": "compact_boundary", "logicalParentUuid": "u"}.items()


def test_late_results_are_messages_of_a_tool() -> None:
    """A result whose response is over, or whose call is nowhere, is a row of role tool; its call stays unfinished."""
    found = rows(begun().call("m1", "t1").say("m2").result("t1", "late", is_error=True).result("t9", "lost"))
    assert [(row.content, row.extra) for row in found if row.role == "tool"] == [
        ("late", {"tool_use_id": "t1", "is_error": True} | (found[0].extra or {}) | {"toolUseResult": "late"}),
        ("lost", {"tool_use_id": "t9"} | (found[0].extra or {}) | {"toolUseResult": "lost"}),
    ]
    assert [(call.finished, call.result) for row in found for call in row.tool_calls or ()] == [(False, None)]


def test_words_beside_results() -> None:
    """A record with results and words joins the results, and the words are a message of the user."""
    blocks = [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "a"}]}] * 2
    found = rows(begun().call("m1", "t1").user([*blocks, {"type": "text", "text": "Stop."}]))
    assert [(row.role, row.content, row.id) for row in found[1:]] == [
        ("assistant", "", "m1"),
        ("tool", "a", "u-0001-2"),
        ("user", "Stop.", "u-0001-2:1"),
    ]
    assert [call.result for call in found[1].tool_calls or ()] == ["a"]


def test_thousands_of_interleaved_calls() -> None:
    """Thousands of calls whose results come in another order are joined, in linear time."""
    transcript = begun()
    for number in range(3000):
        transcript.call("m1", f"t{number}")
    for number in reversed(range(3000)):
        transcript.result(f"t{number}", str(number))
    calls = rows(transcript)[1].tool_calls
    assert [call.result for call in calls or ()] == [str(number) for number in range(3000)]


def test_attachments_without_their_data() -> None:
    """Images and documents become attachments with name, type and size; base64 data is left out, also of results."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}}
    text = {"type": "document", "title": "a.txt", "source": {"type": "text", "media_type": "text/plain", "data": "hé"}}
    link = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    transcript = Transcript().user([{"type": "text", "text": "See:"}, image, text, link, {"type": "hologram", "depth": 3}])
    transcript.call("m1").user(
        [{"type": "tool_result", "tool_use_id": "t1", "content": [image]}],
        toolUseResult={"type": "image", "file": {"base64": "aGVsbG8=", "type": "image/png"}},
    )
    user, response = rows(transcript)
    assert user.content == "See:"
    assert user.attachments == [
        {"type": "image/png", "size": 5},
        {"name": "a.txt", "type": "text/plain", "size": 3, "text": "hé"},
        {"type": "image", "url": "https://example.com/a.png"},
    ]
    assert (user.extra or {})["content"] == [{"type": "hologram", "depth": 3}]
    assert response.attachments == [{"type": "image/png", "size": 5}]
    assert response.tool_calls is not None
    assert response.tool_calls[0].extra == {"toolUseResult": {"type": "image", "file": {"size": 5, "type": "image/png"}}}


@pytest.mark.parametrize("begin", ["[", '{"a":'])
def test_data_deep_in_a_result(begin: str) -> None:
    """As deep as JSON may be here: base64 data is found, and Python's own limit is not met."""
    end = "]" if begin == "[" else "}"
    deep = [json.loads(begin * 500 + text + end * 500) for text in ('{"base64":"aGVsbG8="}', '{"size":5}')]
    transcript = begun().call("m1").user([{"type": "tool_result", "tool_use_id": "t1"}], toolUseResult=7)
    data = transcript.data.replace(b'"toolUseResult":7', b'"toolUseResult":' + json.dumps(deep[0]).encode())
    (call,) = rows(data)[1].tool_calls or ()
    assert json.dumps(call.extra) == json.dumps({"toolUseResult": deep[1]})


def test_kinds_of_blocks() -> None:
    """Tools of the server, redacted thoughts and keys of blocks that have no column are kept."""
    transcript = begun().block(
        "m1",
        [
            {"type": "redacted_thinking", "data": "EmwK"},
            {"type": "server_tool_use", "id": "w1", "name": "web_search", "input": {"query": "q"}, "caller": "x"},
            {"type": "web_search_tool_result", "tool_use_id": "w1", "content": [{"type": "web_search_result", "url": "u"}]},
            {"type": "text", "text": "Found.", "citations": [{"url": "u"}]},
        ],
    )
    row = rows(transcript)[1]
    assert (row.content, row.redacted_thinking_blocks) == ("Found.", ["EmwK"])
    assert row.tool_calls is not None
    (call,) = row.tool_calls
    assert (call.type, call.finished, call.input) == ("server", True, '{"query":"q"}')
    assert call.extra == {"caller": "x", "content": [{"type": "web_search_result", "url": "u"}]}
    assert (row.extra or {})["content"] == [{"citations": [{"url": "u"}]}]


def test_values_that_differ_within_a_response() -> None:
    """A key that has different values in the records of a response has a list of them in `extra`."""
    row = rows(begun().say("m1", gitBranch="a").say("m1", gitBranch="a").say("m1", gitBranch="b"))[1]
    assert (row.extra or {})["gitBranch"] == ["a", "b"]


def test_numbers_keep_their_digits() -> None:
    """Numbers in `extra` and in inputs keep their digits; a figure of 12.0 is 12."""
    block = {"type": "tool_use", "id": "t1", "name": "x", "input": {"x": Decimal("0.10")}}
    row = rows(begun().block("m1", block, usage={"output_tokens": Decimal("12.0")}, weight=Decimal("1.50")))[1]
    assert row.tool_calls is not None
    assert (row.tool_calls[0].input, str(row.tool_calls[0].input_json["x"])) == ('{"x":0.10}', "0.10")
    assert (str((row.extra or {})["weight"]), row.output_tokens) == ("1.50", 12)


def message(**fields: Any) -> bytes:
    return dump({"type": "assistant", "sessionId": SESSION, "uuid": "u", "message": {"id": "m0", "content": [], **fields}})


# Records that are refused, with what the error says.
BROKEN: dict[str, tuple[bytes, str]] = {
    "cut": (b'{"type":"user","sessionId":"x","mess', "the line ends before its object is complete"),
    "garbage": (b"\xff\xfe garbage", "expected UTF-8"),
    "escape": (b'{"type":"\\q"}', "not JSON: invalid escape"),
    "trailing": (b'{"type":"x"} {}', "not JSON: trailing characters"),
    "a number": (b"17", "expected object, got number"),
    "type": (b'{"type":1}', "expected string, got number"),
    "uuid": (b'{"type":"user","uuid":7,"message":{}}', "expected string, got number"),
    "message": (b'{"type":"user","message":[]}', "expected object, got array"),
    "no UTF-8": (b'{"type":"user","message":{"content":"\xff"}}', "expected UTF-8"),
    "id": (message(id=7), "expected string, got number"),
    "content": (message(content=7), "expected string or array, got number"),
    "usage": (message(usage=[]), "expected object, got array"),
    "tokens": (message(usage={"output_tokens": "x"}), "expected integer, got string"),
    "call": (message(content=[{"type": "tool_use", "id": 7}]), "expected string, got number"),
    "is_error": (message(content=[{"type": "tool_result", "is_error": "no"}]), "expected boolean, got string"),
    "depth": (b'{"type":"user","message":{"content":%b%b}}' % (b"[" * 600, b"]" * 600), "512 levels"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_lines_in_the_middle(name: str) -> None:
    """A line that is refused stops the reading at its wrong byte, or goes to the rejects while all others are read."""
    line, words = BROKEN[name]
    before, after = begun().data, Transcript().say("m1", usage={"output_tokens": 5}).data
    data = before + line + b"\n" + after
    with pytest.raises(InputError, match=words) as caught:
        rows(data, on_error="stop")
    wrong = line.rindex({"trailing": b"{", "escape": b"q"}.get(name, line))
    assert (caught.value.position, caught.value.exact) == (len(before) + wrong, True)
    rejects: list[Any] = []
    found = rows(data, on_error="skip", rejects=rejects)
    assert [(row.content, row.output_tokens) for row in found] == [("Run it.", None), ("Done.", 5)]
    assert [(reject.position, reject.session_id) for reject in rejects] == [(len(before), SESSION)]
    assert words.split(",")[0] in rejects[0].reason


@pytest.mark.parametrize(
    "data",
    [
        {"type": "agent_progress", "message": {"type": "assistant", "uuid": [], "message": {"id": {}}}},
        "text",
        [1],
        {"type": {}},
    ],
)
def test_odd_progress_records(data: Any) -> None:
    """A progress record with other types in it is counted, and no row."""
    with open_export(begun().record("progress", data=data).data) as export:
        assert len(list(export)) == 1
        assert export.notes.records.keys() == {"progress"}


def test_nuls_and_halves_of_surrogate_pairs() -> None:
    """NULs around lines are counted and the lines are read; half of a surrogate pair becomes U+FFFD and is counted."""
    data = begun().data + b"\0" * 10 + Transcript().say("m1", "a\ud83db").data + b"\0" * 500 + b"\n"
    with open_export(data) as export:
        assert [row.content for row in export] == ["Run it.", "a\ufffdb"]
        assert (export.notes.records["NUL bytes"].bytes, export.notes.replaced_surrogates) == (510, 1)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of many blocks is read; one beyond the limit, or a response that grows beyond it, is an error."""
    monkeypatch.setattr("exportstream.reading.lines.runs.BLOCK", 1000)
    transcript = begun().say("m1", "z" * 50_000)
    assert len(rows(transcript)[1].content) == 50_000
    with pytest.raises(LimitError, match="lines of at most 40,000 bytes"):
        rows(transcript, max_message_size=40_000)
    for _ in range(3):
        transcript.say("m1", "z" * 20_000)
    assert_figures(transcript.data, 60_000)
    with pytest.raises(LimitError, match="responses of at most 60,000 bytes"):
        rows(transcript, max_message_size=60_000)


def test_the_limit_holds_where_only_figures_are_wanted() -> None:
    """A record with results of several calls counts once, in the thread that it belongs to."""
    for agent in (None, "a1"):
        transcript = begun()
        for number in range(3):
            transcript.call("m1", f"t{number}")
        results = [{"tool_use_id": f"t{number}", "type": "tool_result", "content": "x" * 400} for number in range(3)]
        transcript.user(results).user("Go on.")
        if agent is not None:
            transcript.say("m2", "w" * 3000, agentId=agent).call("m1", "t4").say("m2", "w" * 3000, agentId=agent)
        for limit in range(1_200, 9_000, 150):
            assert_figures(transcript.data, limit)
        assert len(rows(transcript, max_message_size=len(transcript.data))) >= 3


def test_half_a_surrogate_pair_in_the_first_line() -> None:
    """An emoji that was cut in two is no reason to take a transcript for something else."""
    transcript = Transcript().user("cut@").say("m1")
    with open_export(transcript.data.replace(b"cut@", b"cut\\ud83d", 1)) as export:
        assert [message.content for message in export] == ["cut\ufffd", "Done."]
        assert (export.producer, export.notes.replaced_surrogates) == ("claude-code", 1)


def test_a_record_of_an_empty_type() -> None:
    """It is counted like all others that become no row."""
    transcript = begun().say("m1").record("").say("m2")
    assert_figures(transcript.data)
    with open_export(transcript.data) as export:
        assert len(list(export)) == 3
        assert export.notes.records[""].count == 1


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"\n\n",
        b"\0\0",
        b'{"type":"summary","summary":"x","leafUuid":"y"}\n',
        b'{"type":"file-history-snapshot","messageId":"x","snapshot":{},"isSnapshotUpdate":false}\n',
        b'{"type":"queue-operation","operation":"enqueue","timestamp":"x","sessionId":"y"}\n'.replace(b'"y"', dump(SESSION)),
        dump({"type": "user", "sessionId": SESSION, "message": {"content": "z" * 100_000}}) + b"\n",
        dump({"parentUuid": None, "type": "user", "sessionId": SESSION, "message": {"content": "z" * 100_000}}) + b"\n",
    ],
)
def test_recognised_by_content(first: bytes, tmp_path: Path) -> None:
    """A transcript is recognised by its first line, also a very long one, under any name and compression."""
    path = tmp_path / "anything"
    path.write_bytes(zstandard.compress(first + begun().data))
    with open_export(path) as export:
        assert export.producer == "claude-code"
        assert [row.content for row in export][-1] == "Run it."


@pytest.mark.parametrize(
    "data",
    [
        b'{"id":"s","sessionId":"x","type":"y","title":"t","messages":[]}\n',
        b'{"sessionId":"s","messageIndex":0,"id":"m","role":"user","content":"x","type":"y"}\n',
    ],
)
def test_session_exports_are_not_taken_for_transcripts(data: bytes) -> None:
    """A session export, and our own rows, are no transcripts."""
    with open_export(data) as export:
        assert export.producer == "mix"


def test_records_of_old_versions() -> None:
    """Records without a type, with what they cost, are responses."""
    record = {
        "timestamp": TIME,
        "sessionId": "s",
        "message": {"role": "assistant", "id": "m1", "usage": {"input_tokens": 5}},
    }
    (row,) = rows(dump({**record, "costUSD": Decimal("0.120"), "requestId": "r"}) + b"\n")
    assert (row.role, str(row.cost), row.input_tokens, row.total_input_tokens, row.usage_state) == (
        "assistant",
        "0.120",
        5,
        5,
        "final",
    )


def test_prices(tmp_path: Path) -> None:
    """Input, cache writes and cache reads are apart in a transcript, and each is priced once; copies are not priced."""
    path = tmp_path / "prices.toml"
    path.write_text('[[price]]\nmodel = "claude-*"\ninput = 10\noutput = 20\ncache-read = 1\ncache-write = 12\n')
    transcript = begun().say("m1", "x", 1_000_000, 100_000, 2_000_000, 3_000_000).user("Again.").say("m2").say("m1")
    with open_export(transcript.data, prices=path) as export:
        list(export)
        priced = export.totals.priced
    assert priced is not None
    assert priced.cost.sum == Decimal("39.00146")
    path.write_text(path.read_text() + "cache-write-1h = 20\n")
    usage = {"cache_creation": {"ephemeral_5m_input_tokens": 500_000, "ephemeral_1h_input_tokens": 1_500_000}}
    hour = begun().say("m1", "x", 1_000_000, 100_000, 2_000_000, 3_000_000, usage=usage)
    with open_export(hour.data, prices=path) as export:
        row = list(export)[1]
        priced = export.totals.priced
    assert priced is not None
    assert (row.cache_creation_1h_tokens, priced.cost.sum) == (1_500_000, 10 + 2 + 6 + 30 + 3)


def test_partial_tokens_are_counted() -> None:
    """Totals tell how many messages have tokens that may be partial; copies are none of them."""
    transcript = begun().say("m1").say("m2", stop="end_turn").say("m3").user("Again.").say("m1")
    with open_export(transcript.data) as export:
        list(export)
        assert (export.totals.counted.partial_tokens, export.totals.counted.with_tokens) == (2, 3)


@pytest.mark.parametrize("seed", range(20))
def test_other_values_anywhere(seed: int) -> None:
    """With any value in any place of a record, each record becomes rows or one of our errors, and totals are those of rows."""
    transcript = drawn(seed, turns=2)
    transcript.embed("a1", Transcript(SESSION, "a1").user().say("s1"))
    spoil(transcript.lines, "message", seed)
    with open_export(transcript.data, on_error="skip") as export:
        found = list(export)
        assert export.totals.counted.messages == sum(row.usage_state != "repeated" for row in found)
    with suppress(InputError):
        rows(transcript)


@pytest.mark.parametrize("value", HIDDEN, ids=range(len(HIDDEN)))
@pytest.mark.parametrize("number", [1, 2, 3])
def test_values_that_no_figure_needs(value: bytes, number: int) -> None:
    """Where only figures are wanted, a line is refused for values that are passed over as it is in full."""
    transcript = begun().say("m").call("m").result().say("m2")
    line = transcript.lines[number]
    transcript.lines[number] = line.replace(b'"cwd":"/work"', b'"cwd":"/work","other":' + value)
    assert transcript.lines[number] != line
    assert_figures(transcript.data)
    read = rows(transcript, on_error="skip")
    assert read[0].role == "user"


@pytest.mark.parametrize("number", [0, 1])
def test_a_number_beyond_decimal_is_kept_as_text(number: int) -> None:
    """A number with so large an exponent that no Decimal can hold it is no reason to refuse a record, also the first one."""
    transcript = begun().say("m")
    line = transcript.lines[number]
    transcript.lines[number] = line.replace(b'"cwd":"/work"', b'"cwd":"/work","other":1e99999999999999999999')
    found = rows(transcript)
    kept = [row.extra.get("other") if row.extra else None for row in found]
    assert kept == [None] * number + ["1e99999999999999999999"] + [None] * (1 - number)


def test_a_usage_that_comes_again_after_another() -> None:
    """The last usage counts where records that are read whole and records that are read in short take turns."""
    transcript = Transcript()
    for output, fields in ((1, {"costUSD": 1}), (9, {}), (1, {"costUSD": 1})):
        transcript.say("m1", "x", 3, output, **fields)
    assert_figures(transcript.data)
    assert rows(transcript)[-1].output_tokens == 1


def test_usual_lines_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only figures are wanted, no line of a usual transcript has to be read in full first."""
    transcript = drawn(1).say("m", usage={"iterations": [{"type": "message", "input_tokens": 3}]}).progress()
    agent = Transcript(SESSION, "a1").user().call("s1", "q1").result("q1").say("s2").user([{"type": "text", "text": "Ä."}])
    transcript.embed("a1", agent).user("Next.").say("m2").user(None)
    assert len(TranscriptReader.short_decoder.decode_lines(transcript.data)) == len(transcript.lines)
    assert_figures(transcript.data)
    in_full = []

    def watch(_: TranscriptReader, line: bytes) -> Any:
        in_full.append(line)
        return msgspec.json.decode(line)

    monkeypatch.setattr(TranscriptReader, "_decode", watch)
    with Export(transcript.data, ReadOptions(), figures_only=True) as export:
        assert len(list(export)) > 8
    assert in_full == transcript.data.splitlines(keepends=True)[1:2]  # the session begins with it
