"""Codex rollouts: what becomes a row, whose tokens count, and each trap of the format."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import zstandard

from exportstream import InputError, LimitError, check, iter_messages, open_export
from exportstream.models.notes import Reject
from exportstream.models.structs import Message
from exportstream.reading.export import Export
from exportstream.reading.formats.codex.reader import RolloutReader
from exportstream.reading.options import ReadOptions
from tests.kit.documents import dump
from tests.kit.odd_values import HIDDEN, spoil
from tests.kit.readings import assert_figures, read
from tests.kit.rollouts import OWN, PARENT, TIME, Rollout, drawn, expected, turn_id


def rows(data: bytes | Rollout, **options: Any) -> list[Message]:
    data = data.data if isinstance(data, Rollout) else data
    assert_figures(data)
    return list(iter_messages(data, **options))


def begun() -> Rollout:
    """A rollout with a turn and a user's message."""
    return Rollout().meta().turn().user()


def figures(data: bytes | Rollout) -> tuple[int | None, int | None, int | None, int | None]:
    """The counted input and output tokens, and the declared ones."""
    with open_export(data.data if isinstance(data, Rollout) else data) as export:
        list(export)
        totals = export.totals
    counted, declared = totals.counted, totals.declared
    return counted.input_tokens.sum, counted.output_tokens.sum, declared.prompt_tokens.sum, declared.completion_tokens.sum


def test_a_message_that_is_refused_leaves_nothing_in_a_row() -> None:
    """What is in the rejects is not in the row of its response as well."""
    rejects: list[Reject] = []
    rollout = begun().say("Lost.", id=5).say("Kept.").used()
    found = list(iter_messages(rollout.data, on_error="skip", rejects=rejects))
    assert [row.content for row in found] == ["Run it.", "Kept."]
    assert [(one.path, one.reason) for one in rejects] == [("$.payload.id", "expected string, got number")]


def test_a_response_is_one_row() -> None:
    """Reasoning, text and calls up to the token count are one row, with the results, the model and the tokens."""
    rollout = begun().think("First.").say("I look.").call("c1").call("c2").used().output("c2", "two").output("c1", "one")
    user, response = rows(rollout.turn().say("Done.").used())[:2]
    assert (user.role, user.content, user.index, user.session_id) == ("user", "Run it.", 0, OWN)
    assert (response.role, response.content, response.reasoning) == ("assistant", "I look.", "First.")
    assert (response.model, response.producer, response.usage_state) == ("gpt-5", "codex", "final")
    assert [(call.id, call.name, call.result, call.finished) for call in response.tool_calls or ()] == [
        ("c1", "exec", "one", True),
        ("c2", "exec", "two", True),
    ]
    assert response.tool_calls is not None
    assert response.tool_calls[0].input_json == {"cmd": "ls"}
    assert (response.input_tokens, response.cache_read_tokens, response.output_tokens) == (100, 60, 10)
    assert (response.total_input_tokens, response.reasoning_tokens, response.cost) == (100, 4, None)
    assert response.extra == {"turn_id": turn_id(), "encrypted_content": "gAAA"}


def test_the_session(tmp_path: Path) -> None:
    """The session has the id, the folder and the dates of its first record, and the rest in `extra`."""
    path = tmp_path / "rollout.jsonl"
    path.write_bytes(begun().say().used().data)
    with open_export(path) as export:
        assert export.producer == "codex"
        list(export)
        session = export.session
    assert session is not None
    assert (session.id, session.producer, session.project, session.created_at) == (OWN, "codex", "/work", TIME)
    assert (session.prompt_tokens, session.completion_tokens, session.title) == (100, 10, None)
    assert session.extra == {"cli_version": "1"}


@pytest.mark.parametrize("seed", range(20))
def test_rows_are_those_of_a_plain_reader(seed: int) -> None:
    """Rows, joined results and tokens are those that a plain loop over the lines finds, and the declared figures agree."""
    data = drawn(seed).data
    found = [
        {
            "role": row.role,
            "content": row.content.replace("\n\n", ""),
            "calls": [[call.id, call.result] for call in row.tool_calls or ()],
            "tokens": None
            if row.usage_state is None
            else [row.input_tokens, row.cache_read_tokens, row.output_tokens, row.reasoning_tokens],
        }
        for row in rows(data)
    ]
    assert sorted(found, key=str) == sorted(expected(data), key=str)
    counted_input, counted_output, declared_input, declared_output = figures(data)
    assert (counted_input, counted_output) == (declared_input, declared_output)
    assert counted_input


def test_repeated_counts_are_added_once() -> None:
    """A token count that comes again with the same total is not added, also in a later turn."""
    rollout = begun().say().used(100, 60, 10, 4, times=3).turn().count().say().used(200, 100, 20, 8).count().count()
    assert figures(rollout) == (300, 30, 300, 30)


def test_a_total_that_moves_alone_after_a_compaction() -> None:
    """After a compaction `total_tokens` moves while the four figures don't: that is no usage."""
    rollout = begun().say().used().compact()
    zeros = dict.fromkeys(rollout.total, 0)
    rollout.count(total_token_usage=rollout.total | {"total_tokens": 940_499}, last_token_usage=zeros | {"total_tokens": 9})
    assert figures(rollout) == (100, 10, 100, 10)
    assert len(rows(rollout)) == 2


def test_counts_without_figures_or_total() -> None:
    """A count without info adds nothing. Without a total, the last usage counts when it changes."""
    rollout = (
        begun().event("token_count", info=None).say().event("token_count", info={"last_token_usage": {"input_tokens": 5}})
    )
    rollout.event("token_count", info={"last_token_usage": {"input_tokens": 5}})
    assert figures(rollout)[0] == 5


def test_a_total_without_last_usage() -> None:
    """Where only the running total is written, its growth is the usage."""
    rollout = begun()
    for total in (5, 12):
        rollout.say().event("token_count", info={"total_token_usage": {"input_tokens": total}})
    assert [row.input_tokens for row in rows(rollout)[1:]] == [5, 7]


@pytest.mark.parametrize("count_first", [False, True])
def test_usage_records_replace_counts(count_first: bool) -> None:
    """Tokens come from the usage record where there is one, never from both, whichever is written first."""
    rollout = begun()
    for number in range(3):
        rollout.turn().say()
        if count_first:
            rollout.used().record(f"r{number}")
        else:
            rollout.record(f"r{number}").used()
    assert figures(rollout) == (300, 30, 300, 30)
    assert [row.id for row in rows(rollout)[1:]] == ["r0", "r1", "r2"]


def test_a_usage_record_without_items_is_a_row() -> None:
    """The tokens of a response without items, such as a compaction, are a row of their own."""
    rollout = begun().say().record("r1").compact().record("r2", 700, 0, 70, 0)
    assert [(row.id, row.content, row.input_tokens) for row in rows(rollout)[1:]] == [("r1", "Done.", 100), ("r2", "", 700)]
    assert figures(rollout)[:2] == (800, 80)


def fork(**fields: Any) -> Rollout:
    """A fork: its own first record, the parent's lines with the parent's record and turns, and a turn of its own."""
    rollout = Rollout().meta(OWN, **fields).meta(PARENT).turn(turn_id(5, PARENT), "gpt-old").user("Old.")
    rollout.say("Old answer.").used(1000, 0, 100, 0).turn(turn_id(9, PARENT)).say("Older.").used(2000, 0, 200, 0)
    return rollout.turn(turn_id(3), "gpt-new").count().user("New.").say("New answer.").used(10, 0, 1, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"forked_from_id": PARENT},
        {"source": {"subagent": {"thread_spawn": {"parent_thread_id": PARENT, "depth": 1}}}},
        {"parent_thread_id": PARENT},
    ],
    ids=["fork", "sub-agent", "parent"],
)
def test_replayed_lines_are_not_counted(fields: dict[str, Any]) -> None:
    """The parent's lines in a fork or sub-agent's file are rows marked as replayed, which no total counts."""
    rollout = fork(**fields)
    found = rows(rollout)
    assert [(row.content, row.usage_state) for row in found] == [
        ("Old.", "replayed"),
        ("Old answer.", "replayed"),
        ("Older.", "replayed"),
        ("New.", None),
        ("New answer.", "final"),
    ]
    assert {row.session_id for row in found} == {OWN}
    assert found[-1].agent_id == (OWN if "source" in fields else None)
    assert figures(rollout) == (10, 1, 10, 1)
    with open_export(rollout.data) as export:
        list(export)
        assert export.session is not None
        assert export.session.parent_session_id == PARENT
        assert (export.totals.counted.messages, export.accepted) == (2, 5)
    (found_by_check,) = check(rollout.data)
    assert found_by_check.clean


def test_a_fork_whose_total_begins_at_zero() -> None:
    """A fork that counts from zero declares its own total only."""
    rollout = Rollout().meta(OWN, forked_from_id=PARENT).meta(PARENT).turn(turn_id(5, PARENT)).say("Old.").used(1000)
    rollout.total = dict.fromkeys(rollout.total, 0)
    assert figures(rollout.turn().say("New.").used(10, 0, 1, 0)) == (10, 1, 10, 1)


def test_replayed_lines_by_ordinal() -> None:
    """Where the first own ordinal is written, the lines below it are the parent's."""
    rollout = Rollout(ordinals=True).meta(OWN, subagent_history_start_ordinal="3", source={"subagent": "review"})
    rollout.user("Old.").user("New.")
    assert [(row.content, row.usage_state) for row in rows(rollout)] == [("Old.", "replayed"), ("New.", None)]


def test_a_sub_agent_without_replayed_lines() -> None:
    """A sub-agent's file without the parent's record has only its own lines."""
    rollout = (
        Rollout().meta(OWN, source={"subagent": {"thread_spawn": {"parent_thread_id": PARENT}}}).user().turn().say().used()
    )
    assert [row.usage_state for row in rows(rollout)] == [None, "final"]


def test_rollouts_one_after_another_are_sessions() -> None:
    """Rollouts that were joined are a session each."""
    with open_export(begun().say().used().data + begun().data.replace(OWN.encode(), turn_id().encode())) as export:
        assert [row.session_id for row in export] == [OWN, OWN, turn_id()]
        assert export.totals.sessions == 2


@pytest.mark.parametrize("mode", ["legacy", "paginated"])
def test_event_mirrors_are_counted_and_no_rows(mode: str) -> None:
    """Events that mirror an item become no row in either schema; they are counted with their bytes."""
    rollout = Rollout().meta(history_mode=mode).turn()
    if mode == "legacy":
        rollout.user().say().call().event("exec_command_end", call_id="c1", exit_code=1).output().used(times=1)
        kinds = {"event_msg/user_message", "event_msg/agent_message", "event_msg/exec_command_end"}
    else:
        rollout.item("message", role="user", content=[{"type": "input_text", "text": "Run it."}])
        rollout.event("item_completed", item={"type": "UserMessage", "content": []})
        rollout.item("message", role="assistant", content=[{"type": "output_text", "text": "Done."}]).call()
        item = {"type": "CommandExecution", "id": "c1", "exit_code": 1, "aggregated_output": "x"}
        rollout.event("item_completed", item=item).output().used(times=1)
        kinds = {"event_msg/item_completed"}
    with open_export(rollout.data) as export:
        _, response = export
        records = export.notes.records
    assert response.tool_calls is not None
    assert (response.tool_calls[0].is_error, response.tool_calls[0].result) == (True, "ok")
    assert records.keys() == {"session_meta", "turn_context", "event_msg/token_count", *kinds}
    size = sum(len(line) + 1 for line in rollout.lines if b"response_item" not in line)
    assert sum(one.bytes for one in records.values()) == size


def test_unknown_records_are_counted() -> None:
    """Records and items of unknown types, and a history that was compacted, become no row and are listed by check."""
    rollout = begun().line("world_state", {"x": 1}).line("later", {}).item("ghost_snapshot").compact(5000).compact()
    (found,) = check(rollout.data)
    assert found.messages == 1
    assert {kind: one.count for kind, one in found.records.items()} == {
        "session_meta": 1,
        "turn_context": 1,
        "event_msg/user_message": 1,
        "world_state": 1,
        "later": 1,
        "response_item/ghost_snapshot": 1,
        "compacted": 2,
    }
    assert found.records["compacted"].bytes == sum(len(line) + 1 for line in rollout.lines if b"compacted" in line)
    assert found.clean


def test_messages_between_a_call_and_its_result() -> None:
    """What a user says while a call runs follows the response, and the result still joins its call."""
    found = rows(begun().call().used().user("Stop!").output("c1", "late but here").turn().say().used())
    assert [(row.role, row.content) for row in found] == [
        ("user", "Run it."),
        ("assistant", ""),
        ("user", "Stop!"),
        ("assistant", "Done."),
    ]
    assert found[1].tool_calls is not None
    assert found[1].tool_calls[0].result == "late but here"


def test_late_results_are_messages_of_a_tool() -> None:
    """A result whose response is over, or whose call is nowhere, is a row of role tool; its call stays unfinished."""
    found = rows(begun().call("c1").used().turn().say().used().output("c1", "late").output("c9", "lost"))
    assert [(row.role, row.content, (row.extra or {}).get("call_id")) for row in found if row.role == "tool"] == [
        ("tool", "late", "c1"),
        ("tool", "lost", "c9"),
    ]
    calls = [call for row in found for call in row.tool_calls or ()]
    assert [(call.finished, call.result) for call in calls] == [(False, None)]


def test_responses_without_any_count() -> None:
    """Without token counts, what follows the results of all calls is the next response."""
    found = rows(begun().think().call("c1").output("c1").say("Next.").call("c2").output("c2").say("Last."))
    assert [(row.content, len(row.tool_calls or ())) for row in found[1:]] == [("", 1), ("Next.", 1), ("Last.", 0)]
    assert {row.usage_state for row in found} == {None}


def test_thousands_of_interleaved_calls() -> None:
    """Thousands of calls whose results come in another order are joined, in linear time."""
    rollout = begun()
    for number in range(5000):
        rollout.call(f"c{number}")
    rollout.used()
    for number in reversed(range(5000)):
        rollout.output(f"c{number}", str(number))
    calls = rows(rollout)[1].tool_calls
    assert calls is not None
    assert [call.result for call in calls] == [str(number) for number in range(5000)]


OUTPUTS: list[tuple[Any, str, bool | None]] = [
    ("plain", "plain", None),
    ('{"output":"x","metadata":{"exit_code":2,"duration_seconds":0.1}}', None, True),  # type: ignore[list-item]
    ('{"output":"x","metadata":{"exit_code":0}}', None, False),  # type: ignore[list-item]
    ('{"output":"x', None, None),  # type: ignore[list-item]
    ({"content": "inner", "success": False}, "inner", True),
    ([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}], "a\nb", None),
]


@pytest.mark.parametrize(("output", "result", "is_error"), OUTPUTS)
def test_shapes_of_outputs(output: Any, result: str | None, is_error: bool | None) -> None:
    """An output is text, parts or an object; whether the call failed is known where the output says it."""
    calls = rows(begun().call().used().output("c1", output))[1].tool_calls
    assert calls is not None
    assert (calls[0].result, calls[0].is_error) == (output if result is None else result, is_error)


def test_attachments_without_their_data() -> None:
    """Images become attachments with type and size; base64 data is left out, unknown parts stay in `extra`."""
    parts = [
        {"type": "input_text", "text": "See:"},
        {"type": "input_image", "image_url": "data:image/png;base64,aGVsbG8="},
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "high"},
        {"type": "input_file", "filename": "a.txt", "file_data": "aGVsbG8="},
        {"type": "hologram", "depth": 3},
    ]
    row = rows(Rollout().meta().item("message", role="user", content=parts))[0]
    assert row.content == "See:"
    assert row.attachments == [
        {"type": "image/png", "size": 5},
        {"type": "input_image", "url": "https://example.com/a.png", "detail": "high"},
        {"name": "a.txt", "type": "input_file", "size": 5},
    ]
    assert row.extra == {"content": [{"type": "hologram", "depth": 3}]}


def test_kinds_of_calls() -> None:
    """Functions, custom tools and tools of the server are told apart; arguments may be an object."""
    rollout = (
        begun().call("c1", arguments={"a": 1}).item("custom_tool_call", call_id="c2", name="patch", input="***", status="ok")
    )
    rollout.item("web_search_call", status="completed", action={"query": "q"}, id="w1").used()
    calls = rows(rollout)[1].tool_calls
    assert calls is not None
    assert [(call.id, call.name, call.type, call.finished, call.input) for call in calls] == [
        ("c1", "exec", "function", False, '{"a":1}'),
        ("c2", "patch", "custom", False, "***"),
        ("w1", "web_search", "server", True, '{"query":"q"}'),
    ]


def test_bare_items_of_old_versions() -> None:
    """Items without an envelope, which have no time, are read as well."""
    lines = [
        {"id": OWN, "timestamp": TIME, "instructions": None, "git": {}},
        {"record_type": "state"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi."}]},
        {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "c"},
        {"type": "function_call_output", "call_id": "c", "output": "ok"},
    ]
    found = rows(b"".join(dump(line) + b"\n" for line in lines))
    assert [(row.role, row.session_id, row.created_at) for row in found] == [("user", OWN, None), ("assistant", OWN, None)]


def test_numbers_keep_their_digits() -> None:
    """Numbers in `extra` and in parsed inputs keep their digits; a figure of 12.0 is 12."""
    rollout = begun().call(arguments='{"x":0.10}').item("message", role="assistant", content=[], weight=Decimal("1.50"))
    rollout.event("token_count", info={"total_token_usage": {"input_tokens": Decimal("12.0")}})
    row = rows(rollout)[1]
    assert row.tool_calls is not None
    assert str(row.tool_calls[0].input_json["x"]) == "0.10"
    assert str((row.extra or {})["weight"]) == "1.50"
    assert row.input_tokens == 12


# Lines that are refused, with what the error says.
BROKEN: dict[str, tuple[bytes, str]] = {
    "cut": (b'{"timestamp":"x","type":"response_item","payload":{"typ', "the line ends before its object is complete"),
    "garbage": (b"\xff\xfe garbage", "expected UTF-8"),
    "escape": (b'{"type":"\\q"}', "not JSON: invalid escape"),
    "trailing": (b'{"type":"x"} {}', "not JSON: trailing characters"),
    "a number": (b"17", "expected object, got number"),
    "wrong type of type": (b'{"type":1,"payload":{}}', "expected string, got number"),
    "payload": (b'{"type":"response_item","payload":[]}', "expected object, got array"),
    "no UTF-8": (
        b'{"type":"response_item","payload":{"type":"message","role":"user","content":"\xff"}}',
        "expected UTF-8",
    ),
    "call_id": (b'{"type":"response_item","payload":{"type":"function_call","call_id":7}}', "expected string, got number"),
    "tokens": (
        b'{"type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"input_tokens":"x"}}}}',
        "integer",
    ),
    "depth": (b'{"type":"response_item","payload":{"type":"message","x":%b%b}}' % (b"[" * 600, b"]" * 600), "512 levels"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_lines_in_the_middle(name: str) -> None:
    """A line that is refused stops the reading at its wrong byte, or goes to the rejects while all others are read."""
    line, words = BROKEN[name]
    before, after = begun().data, Rollout().say().used().data
    data = before + line + b"\n" + after
    with pytest.raises(InputError, match=words) as caught:
        rows(data, on_error="stop")
    wrong = line.rindex({"trailing": b"{", "escape": b"q"}.get(name, line))
    assert (caught.value.position, caught.value.exact) == (len(before) + wrong, True)
    rejects: list[Any] = []
    found = rows(data, on_error="skip", rejects=rejects)
    assert [row.content for row in found] == ["Run it.", "Done."]
    assert [(reject.position, reject.session_id) for reject in rejects] == [(len(before), OWN)]
    assert words.split(",")[0] in rejects[0].reason


def test_nuls_around_lines() -> None:
    """NULs that a crash left before a line, or in place of one, are counted and the lines are read."""
    data = begun().data + b"\0" * 10 + Rollout().say().data + b"\0" * 500 + b"\n" + Rollout().used().data
    with open_export(data) as export:
        assert [row.content for row in export] == ["Run it.", "Done."]
        assert export.notes.records["NUL bytes"].bytes == 510


def test_halves_of_surrogate_pairs() -> None:
    """Half of a surrogate pair becomes U+FFFD, is counted, and check tells the message."""
    data = begun().say("a\ud83db").used().data
    with open_export(data) as export:
        assert [row.content for row in export][1] == "a\ufffdb"
        assert export.notes.replaced_surrogates == 1
    (found,) = check(data)
    assert found.findings["replaced-surrogate"].count == 1


@pytest.mark.parametrize("pack", [bytes, zstandard.compress, gzip.compress], ids=["plain", "zstd", "gzip"])
def test_a_torn_last_line_is_left(pack: Any) -> None:
    """A last line that is not complete is left for the next time and noted; one without its line feed is read."""
    data = begun().say().used(times=1).data
    for cut in range(1, len(data.splitlines()[-1])):
        with open_export(pack(data[: -1 - cut])) as export:
            assert len(list(export)) == 2
            assert export.notes.torn == len(data.splitlines()[-1]) - cut
            assert export.notes.rejected == 0
    assert figures(data[:-1])[0] == 100


@pytest.mark.parametrize("cut", [1, 50, 400])
def test_a_cut_frame_is_an_error(cut: int) -> None:
    """A compressed rollout that is cut is an error, or the rows of its complete lines, and the rest is damage."""
    packed = zstandard.ZstdCompressor(level=1).compress(b"".join(drawn(seed).data for seed in range(40)))[:-cut]
    with pytest.raises(InputError, match="cut after"):
        list(iter_messages(packed))
    there = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    end = there.rindex(b"\n") + 1
    rejects: list[Any] = []
    with open_export(packed, rejects=rejects) as export:
        assert [one.to_dict() for one in export] == [one.to_dict() for one in rows(there[:end])]
        assert (export.partial, export.notes.damaged, export.notes.rejected) == (True, 1, 0)
    assert b"".join(reject.raw for reject in rejects) == there[end:]
    assert {reject.position for reject in rejects[:1]} == {end}


def test_long_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of many blocks is read; one beyond the limit is an error, unless it is a history that is passed over."""
    monkeypatch.setattr("exportstream.reading.lines.runs.BLOCK", 1000)
    rollout = begun().compact(100_000).say("z" * 50_000).used()
    assert len(rows(rollout)[1].content) == 50_000
    assert len(rows(rollout, max_message_size=60_000)) == 2
    with pytest.raises(LimitError, match="lines of at most 40,000 bytes") as caught:
        rows(rollout, max_message_size=40_000)
    assert caught.value.position is not None
    assert caught.value.position > 100_000


def test_a_response_beyond_the_limit() -> None:
    """A response that grows beyond the limit, item by item, is an error rather than memory without end."""
    rollout = begun()
    for _ in range(100):
        rollout.say("z" * 1000)
    with pytest.raises(LimitError, match="responses of at most 50,000 bytes"):
        rows(rollout, max_message_size=50_000)


def test_columns_of_ours_in_a_session_export() -> None:
    """A key of a session export that has the name of a column of ours is data: it ends in `extra`."""
    message = {"id": "m", "role": "user", "content": "x", "createdAt": None, "updatedAt": None}
    keys = {"producer": "me", "usageState": "replayed", "reasoningTokens": 7, "attachments": [1], "agentId": None}
    session = {"id": "s", "title": "t", "producer": "me", "project": "p", "messages": [message | keys]}
    with open_export(dump(session)) as export:
        (row,) = export
        assert export.producer == "mix"
        assert export.session is not None
        assert export.session.extra == {"producer": "me", "project": "p"}
    assert row.extra == keys
    assert (row.producer, row.usage_state, row.reasoning_tokens, row.attachments) == (None, None, None, None)


NOT_ROLLOUTS = [
    b'{"id":"s","timestamp":"x","title":"t","messages":[]}\n',
    b'{"type":"session_meta","id":"s","title":"t","messages":[]}',
    b'{"id":"s","title":"t","payload":{},"type":"x","messages":[]}',
]


@pytest.mark.parametrize("data", NOT_ROLLOUTS)
def test_session_exports_are_not_taken_for_rollouts(data: bytes) -> None:
    """A session export with keys that a rollout has is still a session export."""
    with open_export(data) as export:
        assert export.producer == "mix"
        assert list(export) == []


@pytest.mark.parametrize("first", [b"", b"\n\n", b"\0\0", b"\xef\xbb\xbf"])
def test_recognised_by_content(first: bytes, tmp_path: Path) -> None:
    """A rollout is recognised by its first line, also a very long one, under any name and compression."""
    rollout = Rollout().meta(base_instructions={"text": "i" * 100_000}).user()
    path = tmp_path / "anything"
    path.write_bytes(zstandard.compress(first + rollout.data))
    with open_export(path) as export:
        assert export.producer == "codex"
        assert [row.content for row in export] == ["Run it."]


def test_the_id_in_the_name(tmp_path: Path) -> None:
    """Without a first record the session's id is that in the file's name."""
    path = tmp_path / f"rollout-2026-02-23T12-40-23-{OWN}.jsonl"
    path.write_bytes(Rollout().turn().user().data)
    assert [row.session_id for row in iter_messages(path)] == [OWN]


def test_a_log_that_grows_while_it_is_read(tmp_path: Path) -> None:
    """What is added to a log while it is read is left for the next time; a log that is replaced or cut is an error."""
    path = tmp_path / "rollout.jsonl"
    data = begun().say().used().data
    path.write_bytes(data)
    with open_export(path) as export:
        first = next(export)
        with path.open("ab") as file:
            file.write(b'{"timestamp":"x","type":"resp')
        assert [first.content, *(row.content for row in export)] == ["Run it.", "Done."]
        assert (export.notes.grown, export.notes.torn, export.bytes_read) == (1, 0, len(data))
        export.require_unchanged()
        path.write_bytes(data[:-9])
        with pytest.raises(OSError, match="changed"):
            export.require_unchanged()


def test_rejects_are_json(tmp_path: Path) -> None:
    """A line that is not JSON is rejected as damaged bytes, and one that is JSON as its value."""
    rejects: list[Any] = []
    rows(begun().data + b"broken \xff\n[1]\n" + begun().data, on_error="skip", rejects=rejects)
    assert [(reject.damaged, reject.raw, reject.message) for reject in rejects] == [
        (True, b"broken \xff\n", None),
        (False, None, [1]),
    ]


def test_dedupe_drops_copies() -> None:
    """With `dedupe` the parent's lines in a fork are no rows, and are counted as dropped."""
    with open_export(fork(forked_from_id=PARENT).data, dedupe=True) as export:
        assert [row.content for row in export] == ["New.", "New answer."]
        assert (export.duplicates.messages, export.totals.counted.messages) == (3, 2)


def test_prices_of_input_with_cache_reads(tmp_path: Path) -> None:
    """Input that includes cache reads is priced without them, and copies are not priced."""
    path = tmp_path / "prices.toml"
    path.write_text('[[price]]\nmodel = "gpt-*"\ninput = 10\noutput = 20\ncache-read = 1\n')
    rollout = fork(forked_from_id=PARENT).say("More.").used(1_000_000, 600_000, 100_000, 0)
    with open_export(rollout.data, prices=path) as export:
        list(export)
        priced = export.totals.priced
    assert priced is not None
    assert priced.cost.sum == Decimal("6.60012")


@pytest.mark.parametrize("value", HIDDEN, ids=range(len(HIDDEN)))
@pytest.mark.parametrize("number", range(3, 9))
def test_values_that_no_figure_needs(value: bytes, number: int) -> None:
    """Where only figures are wanted, a line is refused for values that are passed over as it is in full."""
    rollout = begun().think().say().call().output().used()
    line = rollout.lines[number]
    rollout.lines[number] = line.replace(b'"payload":{', b'"payload":{"other":' + value + b",")
    assert rollout.lines[number] != line
    assert_figures(rollout.data)


@pytest.mark.parametrize("line", [0, 1, 2, 3])
def test_a_number_beyond_decimal_is_kept_as_text(line: int) -> None:
    """A number with so large an exponent that no Decimal can hold it is no reason to refuse a line, also the first one."""
    rollout = begun().say().call(arguments='{"a":1e99999999999999999999}').output().used()
    rollout.lines[line] = rollout.lines[line].replace(b'"payload":{', b'"payload":{"other":1e99999999999999999999,')
    with open_export(rollout.data) as export:
        found = [row.to_dict() for row in export]
        assert (export.producer, export.notes.rejected, export.notes.damaged) == ("codex", 0, 0)
    assert len(found) == 2
    assert found[1]["toolCalls"][0]["inputJson"] == {"a": "1e99999999999999999999"}
    others = [row["extra"]["other"] for row in found if "other" in row.get("extra", {})]
    assert others == ["1e99999999999999999999"] * (line == 2)


@pytest.mark.parametrize("text", ["x" * 5000, "\n" * 5000, ""])
def test_depth_beside_a_long_text(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest text of an item does not hide what is nested too deeply beside it, in lines taken at once or one by one."""
    rollout = begun().item("reasoning", summary=[], encrypted_content=text).call(arguments=text).output(output=text).used()
    usual = [*rollout.lines]
    for number in [number for number, line in enumerate(usual) if b"response_item" in line][-3:]:
        deep = b'"payload":{"other":' + b"[" * 600 + b"]" * 600 + b","
        rollout.lines[:] = usual
        rollout.lines[number] = usual[number].replace(b'"payload":{', deep)
        assert_figures(rollout.data)
        with monkeypatch.context() as patch:
            patch.setattr("exportstream.reading.lines.reader.decode_whole_run", lambda *_: None)
            wanted = read(rollout.data, on_error="skip")
        assert read(rollout.data, on_error="skip") == wanted
        assert len(wanted.rejects) == 1


@pytest.mark.parametrize("seed", range(20))
def test_other_values_anywhere(seed: int) -> None:
    """With any value in any place of a record, each record becomes rows or one of our errors, and totals are those of rows."""
    rollout = drawn(seed, turns=2)
    spoil(rollout.lines, "payload", seed, first=1)
    assert_figures(rollout.data)
    with open_export(rollout.data, on_error="skip") as export:
        found = list(export)
        assert export.totals.counted.messages == len(found)


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize("seed", range(30))
def test_runs_of_lines_are_read_as_line_by_line(seed: int, on_error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that are decoded and taken many at once give the same rows, rejects and errors as each by itself."""
    rollout = drawn(seed, turns=2)
    spoil(rollout.lines, "payload", seed, first=1, times=seed % 4)
    at_once = read(rollout.data, on_error=on_error)
    monkeypatch.setattr("exportstream.reading.lines.reader.decode_whole_run", lambda *_: None)
    assert at_once == read(rollout.data, on_error=on_error)


def test_calls_without_a_result_are_not_finished() -> None:
    """A call that has no result is a call that is not finished, whatever follows."""
    found = rows(begun().call("a").call("b").output("b").used().user("Next.").say().used())
    assert [call.finished for call in found[1].tool_calls or []] == [False, True]


ENDS = [
    '{"output":"ok","metadata":{"exit_code":0,"duration_seconds":0.1}}',
    '{"output":"ok","metadata":{"exit_code":1}}',
    '{"output":"ok","metadata":{"exit_code":-1,"duration_seconds":2}}',
    '{"output":"say \\\\","metadata":{"exit_code":1}}',
    '{"output":"say \\",\\"metadata\\":{\\"exit_code\\":1}}","metadata":{"exit_code":0}}',
    '{"output":"say \\",\\"metadata\\":{\\"exit_code\\":1}}"}',
    '{"output":"a","metadata":{"exit_code":1},"more":{"metadata":{"exit_code":0}}}',
    '{"output":"a","more":{"b":"","metadata":{"exit_code":1}}}',
    '{"output":"a","metadata":{"exit_code":0},"x":"","metadata":{"exit_code":1}}',
    '{"output":"a","metadata":{"exit_code":true}}',
    '{"output":"\\ud800","metadata":{"exit_code":1}}',
    '{"output":"","metadata":{"exit_code":1e0}}',
    '{"output":"","metadata":null}',
    '{"output": "ok", "metadata": {"exit_code": 2, "duration_seconds": 0.1}}',
    '{"output":1',
]


@pytest.mark.parametrize("output", ENDS)
def test_how_a_call_ended(output: str) -> None:
    """Outputs of older versions say how their call ended; where only figures are wanted it is read without the text."""
    assert_figures(begun().call().output(output=output).used().data)
    try:
        value = json.loads(output)
        code = (value["metadata"] or {}).get("exit_code") if "metadata" in value else None
    except json.JSONDecodeError:
        code = None
    (call,) = rows(begun().call().output(output=output).used())[1].tool_calls or []
    assert call.is_error == (code != 0 if type(code) is int else None)


def test_usual_lines_are_read_at_once() -> None:
    """Where only figures are wanted, no line of a usual rollout has to be read in full first, whatever events it has."""
    rollout = drawn(1).event("collab_close_end", status={"completed": "x"}, name=[1], role=7).record("r")
    assert len(RolloutReader.short_decoder.decode_lines(rollout.data)) == len(rollout.lines)
    assert_figures(rollout.data)


def test_usual_lines_are_taken_in_one_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only figures are wanted, few kinds of lines are looked at by themselves."""
    looked_at = set()
    read_line = RolloutReader._read_line

    def watch(self: RolloutReader, line: Any, raw: bytes) -> None:
        looked_at.add((line.type, getattr(line.payload, "type", None), getattr(line.payload, "role", None)))
        read_line(self, line, raw)

    rollout = begun().event("task_started", turn_id=turn_id(2)).turn().think().say().call().used()
    rollout.output().event("exec_command_end", call_id="c1", exit_code=1).record("r")
    monkeypatch.setattr(RolloutReader, "_read_line", watch)
    with Export(rollout.data, ReadOptions(), figures_only=True) as export:
        assert sum(len(batch.messages) for batch in export.batches()) == 2
    meta, usage = ("session_meta", "without a type", None), ("token_usage_record", "without a type", None)
    assert looked_at == {meta, usage}
