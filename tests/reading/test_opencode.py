"""opencode: parts, tokens and costs, the line before the JSON, and bad input."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from exportstream import CutInputError, InvalidMessageError, LimitError, iter_messages, open_export
from exportstream.models.structs import Message
from exportstream.reading.formats.chats.recognise import is_opencode
from tests.kit.chats import opencode
from tests.kit.documents import dump, export
from tests.kit.files import cuts
from tests.kit.readings import blocks, read, small_blocks

TOKENS = {"input": 10, "output": 20, "reasoning": 5, "cache": {"read": 300, "write": 40}}
ANSWER = {
    "role": "assistant",
    "modelID": "claude-sonnet-4",
    "providerID": "anthropic",
    "cost": Decimal("0.0120"),
    "tokens": TOKENS,
    "finish": "stop",
    "time": {"created": 1704629916001, "completed": 1704629917000},
    "parentID": "msg_0",
    "parts": [{"type": "text", "text": "Done.", "id": "p"}],
}


def rows(*messages: dict[str, Any], **keys: Any) -> list[Message]:
    return list(iter_messages(dump(opencode(*messages, **keys))))


def test_a_session() -> None:
    """A session has its folder, parent and dates in milliseconds, and its messages tokens and costs."""
    data = dump(opencode({"parts": [{"type": "text", "text": "Do"}]}, ANSWER, parentID="ses_0", version="1.0"))
    with open_export(data) as reading:
        first, second = reading
        session, counted = reading.session, reading.totals.counted
        assert reading.producer == "opencode"
    assert session is not None
    assert (session.id, session.title, session.project, session.parent_session_id) == ("ses_1", "Work", "/work", "ses_0")
    assert (session.created_at, session.updated_at) == ("2024-01-07T12:18:35.775Z", "2024-01-07T12:18:35.776Z")
    assert session.extra == {"version": "1.0"}
    assert (first.content, first.role, first.input_tokens, first.cost, first.usage_state) == ("Do", "user", None, None, None)
    assert (second.content, second.model, second.finish_reason, second.parent_id) == (
        "Done.",
        "claude-sonnet-4",
        "stop",
        "msg_0",
    )
    assert (second.created_at, second.updated_at) == ("2024-01-07T12:18:36.001Z", "2024-01-07T12:18:37Z")
    assert second.extra == {"providerID": "anthropic"}
    assert (counted.cost.sum, counted.input_tokens.sum, counted.output_tokens.sum) == (Decimal("0.0120"), 10, 25)


@pytest.mark.parametrize("value", [0, 1, 10, 999, 1000, 999_993_600_000, 1704629915770, 1704629915000, 253_402_300_799_999])
def test_times_keep_their_digits(value: int) -> None:
    """Milliseconds become seconds with the digits of a decimal number."""
    whole, point, fraction = f"{Decimal(value) / 1000:f}".partition(".")
    date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(whole))
    (row,) = rows({"time": {"created": value}})
    assert row.created_at == f"{date:%Y-%m-%dT%H:%M:%S}{point}{fraction}Z"


@pytest.mark.parametrize("value", [-5, 253_402_300_800_000, 2**70])
def test_times_that_are_none(value: int) -> None:
    """A number that can't be a date stays as it is, in seconds."""
    assert rows({"time": {"created": value}})[0].created_at == str(Decimal(value) / 1000)


def test_tokens() -> None:
    """The input has neither cache, the total has both, and reasoning is added to the output, which the column includes."""
    (row,) = rows(ANSWER)
    assert (row.input_tokens, row.cache_read_tokens, row.cache_creation_tokens, row.total_input_tokens) == (10, 300, 40, 350)
    assert (row.output_tokens, row.reasoning_tokens, row.usage_state) == (25, 5, "final")
    whole = {"input": 10, "output": 20, "reasoning": 5, "cache": {"read": 300, "write": 40}}
    for total, output in ((375, 25), (370, 20), (None, 25), (1, 25)):  # in older versions reasoning is part of the output
        (row,) = rows({"role": "assistant", "tokens": {**whole, "total": total}})
        assert (row.output_tokens, row.reasoning_tokens) == (output, 5)
    (row,) = rows({"role": "assistant", "tokens": {"input": 1, "total": 9}, "cost": 0})
    assert (row.total_input_tokens, row.output_tokens, row.reasoning_tokens, row.cost) == (1, None, None, Decimal(0))
    assert (row.usage_state, row.extra) == ("partial", {"tokens": {"total": 9}})


def test_times_and_tokens_without_a_column_are_kept() -> None:
    """Another time of a message or session, and other keys of the cache, are in `extra`."""
    message = {"time": {"created": 1, "updated": 2}, "tokens": {"cache": {"read": 1, "new": 3}}}
    with open_export(dump(opencode(message, time={"created": 1, "completed": 4}))) as reading:
        (row,) = reading
        assert row.extra == {"time": {"updated": 2}, "tokens": {"cache": {"new": 3}}}
        assert reading.session is not None
        assert reading.session.extra == {"time": {"completed": 4}}


def test_the_cost_of_a_session() -> None:
    """The cost that newer versions state of a session is its declared cost; anything but a number stays in `extra`."""
    for cost, declared, extra in (
        (Decimal("0.25"), Decimal("0.25"), None),
        (0, Decimal(0), None),
        ("x", None, {"cost": "x"}),
    ):
        with open_export(dump(opencode(ANSWER, cost=cost))) as reading:
            list(reading)
            assert reading.session is not None
            assert (reading.session.cost, reading.session.extra) == (declared, extra)
            assert reading.totals.declared.cost.sum == declared


def test_files_of_calls() -> None:
    """Data of files that a call returned is left out."""
    file = {"type": "file", "mime": "image/png", "url": "data:image/png;base64,QUJD", "id": "p"}
    state = {"status": "completed", "input": {}, "output": "", "attachments": [file, 5]}
    (row,) = rows({"role": "assistant", "parts": [{"type": "tool", "tool": "read", "callID": "c", "state": state}]})
    (call,) = row.tool_calls or ()
    assert call.extra == {"state": {"attachments": [{"type": "image/png", "size": 3}, 5]}}


def test_parts() -> None:
    """Reasoning, calls and files get their columns; data is left out, and all other parts are kept."""
    done = {"status": "completed", "input": {"cmd": "ls"}, "output": "a", "title": "t", "metadata": {}, "time": {"start": 1}}
    failed = done | {"status": "error", "input": {}, "output": "half", "error": "no"}
    step = {"type": "step-finish", "reason": "stop", "cost": 1}
    (row,) = rows(
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "text": "Hm.", "time": {"start": 1}},
                {"type": "text", "text": "A"},
                {"type": "text", "text": "B", "synthetic": True},
                {"type": "tool", "tool": "bash", "callID": "c1", "state": done, "messageID": "m"},
                {"type": "tool", "tool": "read", "state": {"status": "error", "input": "x", "error": "no"}},
                {"type": "tool", "tool": "edit", "callID": "c3", "state": {"status": "running"}},
                {"type": "tool", "tool": "glob", "callID": "c4", "state": failed},
                {"type": "tool", "tool": "glob", "callID": "c5", "state": failed | {"status": "completed"}},
                {"type": "file", "mime": "image/png", "filename": "p.png", "url": "data:image/png;base64,QUJD"},
                {"type": "file", "url": "file:///x", "source": {"path": "x"}},
                step,
                5,
            ],
        }
    )
    assert (row.content, row.reasoning, row.thinking_blocks) == ("A\n\nB", "Hm.", ["Hm."])
    assert [
        (c.id, c.name, c.input, c.input_json, c.result, c.finished, c.is_error, c.extra) for c in row.tool_calls or ()
    ] == [
        ("c1", "bash", '{"cmd":"ls"}', {"cmd": "ls"}, "a", True, None, {"state": {"title": "t", "time": {"start": 1}}}),
        ("msg_0:1", "read", "x", None, "no", True, True, None),
        ("c3", "edit", "", None, None, False, None, {"state": {"status": "running"}}),
        ("c4", "glob", "{}", {}, "no", True, True, {"state": {"title": "t", "time": {"start": 1}, "output": "half"}}),
        ("c5", "glob", "{}", {}, "half", True, None, {"state": {"title": "t", "time": {"start": 1}, "error": "no"}}),
    ]
    assert row.attachments == [
        {"name": "p.png", "type": "image/png", "size": 3},
        {"type": "file", "url": "file:///x", "source": {"path": "x"}},
    ]
    assert row.extra == {
        "parts": [{"type": "reasoning", "time": {"start": 1}}, {"type": "text", "synthetic": True}, step, 5]
    }


def test_a_line_before_the_json() -> None:
    """Lines of text before the JSON are passed over and counted, also in small pieces."""
    data = b"Exporting session: ses_1\n\n" + dump(opencode(ANSWER), indent=1)
    assert read(data).messages == read(dump(opencode(ANSWER))).messages
    with small_blocks(16, 3):
        pieces = read(cuts(data, [3]))
    assert pieces.messages == read(data).messages
    with open_export(data) as reading:
        list(reading)
        assert reading.notes.records["lines before the JSON"].bytes == 26
    indented = b" [\n" + dump(opencode(ANSWER)) + b"\n]"
    assert read(indented).messages == read(dump(opencode(ANSWER))).messages
    assert read(b"Exporting\n" + indented).messages == read(indented).messages


def test_a_cut_export() -> None:
    """An export that a pipe has cut is a cut input, whose hint says why."""
    with pytest.raises(CutInputError, match=r"inside conversation 0 .*; opencode cuts what it writes to a pipe at 64 KiB"):
        list(iter_messages(dump(opencode(*[ANSWER] * 200))[: 64 << 10]))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"id": None}, r"string, got null .*\$.info.id"),
        ({"tokens": {"input": "1"}}, r"integer, got string .*\$.info.tokens.input"),
        ({"tokens": {"cache": 5}}, r"object, got number .*\$.info.tokens.cache"),
        ({"cost": "1"}, r"number, got string .*\$.info.cost"),
        ({"parts": {}}, r"array, got object .*\$.parts"),
    ],
)
def test_messages_that_are_none(message: dict[str, Any], words: str) -> None:
    """A message of another shape stops the reading, or is rejected with its number while the others go on."""
    data = dump(opencode({}, message, {}))
    with pytest.raises(InvalidMessageError, match=words):
        list(iter_messages(data))
    outcome = read(data, on_error="skip")
    assert [row["index"] for row in outcome.messages] == ["#0", "#2"]
    assert [reject[:2] for reject in outcome.rejects] == [("ses_1", 1)]


def test_what_is_taken_for_opencode() -> None:
    """A session is recognised in any order of its keys, and other exports are not taken for one."""
    value = opencode(ANSWER)
    for made in (value, dict(reversed(value.items())), {"info": value["info"]}, [value]):
        assert is_opencode(dump(made))
    assert is_opencode(b"Exporting\r\n" + dump(value))
    for other in (export("s"), dump({"id": "s", "title": "t", "info": {}, "messages": []}), b'x {"info":{}}', b"<p>\n{}"):
        assert not is_opencode(other)


@pytest.mark.parametrize("count", [0, 1, 4095, 4096, 4097, 10_000])
def test_space_after_the_session(count: int) -> None:
    """White space at the end is no part of the session, however long it is."""
    data = dump(opencode({}, ANSWER))
    assert read(data + b" " * (count % 2) + b"\n" * count) == read(data)
    size = len(data)
    assert len(list(iter_messages(data + b"\n" * count, max_message_size=size))) == 2
    with pytest.raises(LimitError):
        list(iter_messages(data + b"\n" * count, max_message_size=size - 1))


@pytest.mark.parametrize("on", [True, False])
def test_metadata_of_a_call_that_is_too_deep(on: bool) -> None:
    """What a call holds in `extra` may have no more levels than other values."""
    state = {"status": "completed", "input": {}, "output": "", "metadata": "deep"}
    call = {"type": "tool", "tool": "read", "callID": "c", "state": state}
    data = dump(opencode({}, ANSWER | {"parts": [call]})).replace(b'"deep"', b"[" * 520 + b"]" * 520)
    with blocks(on), pytest.raises(LimitError, match="512 levels"):
        list(iter_messages(data))
