"""claude.ai: blocks of content, files, tool calls, and bad input."""

from __future__ import annotations

from typing import Any

import pytest

from exportstream import InvalidMessageError, iter_messages, open_export
from exportstream.models.structs import Message
from exportstream.reading.formats.chats.recognise import is_claude_ai
from tests.kit.chats import claude_ai
from tests.kit.documents import dump
from tests.kit.files import cuts
from tests.kit.readings import read, small_blocks


def rows(*messages: dict[str, Any], **keys: Any) -> list[Message]:
    return list(iter_messages(dump([claude_ai(*messages, **keys)])))


def test_a_conversation() -> None:
    """A conversation is a session, its messages are rows in the order of the export, and no figure is stated."""
    data = dump([claude_ai({"text": "Hi"}, {"sender": "assistant", "text": "Ho", "parent_message_uuid": "m0"}, summary="s")])
    with open_export(data) as reading:
        first, second = reading
        session, counted = reading.session, reading.totals.counted
        assert reading.producer == "claude-ai"
    assert session is not None
    assert (session.id, session.title, session.created_at) == ("u1", "A chat", "2024-10-17T03:28:33.480257Z")
    assert session.extra == {"account": {"uuid": "a"}, "summary": "s"}
    assert (first.role, first.content, first.index, first.created_at) == ("user", "Hi", 0, "2024-10-17T03:28:33.480257Z")
    assert (second.role, second.content, second.parent_id, second.active, second.model) == (
        "assistant",
        "Ho",
        "m0",
        None,
        None,
    )
    assert (counted.output_tokens.sum, counted.cost.sum, first.extra) == (None, None, None)
    with small_blocks(64, 5):
        pieces = read(cuts(data, [5]))
    assert pieces == read(data)


def test_a_text_that_differs_from_its_blocks() -> None:
    """Blocks are the content, a text that only repeats them is left out, and another one is kept."""
    block = {"type": "text", "text": "One.", "citations": [], "start_timestamp": "t"}
    same, other, empty = rows(
        {"text": " One. ", "content": [block]},
        {"text": "Not supported", "content": [block, block]},
        {"text": "x", "content": []},
    )
    rest = {"type": "text", "start_timestamp": "t"}
    assert (same.content, same.extra) == ("One.", {"content": [rest]})
    assert (other.content, other.extra) == ("One.\n\nOne.", {"content": [rest, rest], "text": "Not supported"})
    assert (empty.content, empty.extra) == ("x", None)


def test_results_of_calls_with_the_same_id_or_none() -> None:
    """A result without an id is of the first call that has none; of calls with one id, the first takes the first result."""
    use = [{"type": "tool_use", "id": name, "name": "t"} for name in ("a", "b", "a", "c")]
    given = [("a", "1"), (None, "2"), ("b", "lost"), ("a", "3"), ("a", "lost"), (None, "4"), (None, "lost"), (7, "lost")]
    results = [{"type": "tool_result", "tool_use_id": name, "content": text} for name, text in given]
    (row,) = rows({"sender": "assistant", "content": [*use, *results]})
    assert [(call.id, call.result) for call in row.tool_calls or []] == [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")]
    assert [block["content"] for block in (row.extra or {})["content"]] == ["lost"] * 4


def test_thoughts_and_calls() -> None:
    """Thoughts are the reasoning, calls get the result of their id, and blocks that are not known are kept."""
    budget = {"type": "token_budget", "remaining": 5}
    (row,) = rows(
        {
            "sender": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "cut_off": False},
                {"type": "tool_use", "id": "t1", "name": "search", "input": {"q": "x"}, "message": "m"},
                {"type": "tool_use", "id": None, "name": "repl", "input": None},
                {"type": "tool_use", "id": "t3", "name": "open", "input": "raw"},
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                },
                {"type": "tool_result", "tool_use_id": None, "content": [{"type": "image"}], "is_error": True, "icon": "i"},
                {"type": "tool_result", "tool_use_id": "gone", "content": "lost"},
                budget,
                "odd",
            ],
        }
    )
    assert (row.reasoning, row.thinking_blocks) == ("Hm.", ["Hm."])
    calls = row.tool_calls or []
    assert [(call.id, call.name, call.input, call.result, call.finished, call.is_error) for call in calls] == [
        ("t1", "search", '{"q":"x"}', "a\nb", True, None),
        ("m0:2", "repl", "", '[{"type":"image"}]', True, True),
        ("t3", "open", "raw", None, False, None),
    ]
    assert [(call.input_json, call.extra) for call in calls] == [
        ({"q": "x"}, {"message": "m"}),
        (None, {"result": {"icon": "i"}}),
        (None, None),
    ]
    assert (row.extra or {})["content"] == [
        {"type": "thinking", "cut_off": False},
        {"type": "tool_result", "tool_use_id": "gone", "content": "lost"},
        budget,
        "odd",
    ]


def test_files_and_parents() -> None:
    """Attachments keep the text that was extracted from them; a parent that is no message is kept in `extra`."""
    file = {"file_name": "a.txt", "file_size": 9, "file_type": "txt", "extracted_content": "words"}
    (row,) = rows({"attachments": [file], "files": [{"file_name": "b.png"}, 5], "parent_message_uuid": "0000"})
    assert row.attachments == [
        {"name": "a.txt", "type": "txt", "size": 9, "text": "words"},
        {"name": "b.png", "type": "file"},
        {"type": "unknown", "value": 5},
    ]
    assert (row.parent_id, row.extra) == (None, {"parent_message_uuid": "0000"})


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"uuid": None}, r"string, got null .*\$.uuid"),
        ({"sender": 5}, r"string, got number .*\$.sender"),
        ({"content": {}}, r"array, got object .*\$.content"),
        ({"files": "x"}, r"array, got string .*\$.files"),
    ],
)
def test_messages_that_are_none(message: dict[str, Any], words: str) -> None:
    """A message of another shape stops the reading, or is rejected with its number while the others go on."""
    data = dump([claude_ai({}, message), claude_ai({}, uuid="u2")])
    with pytest.raises(InvalidMessageError, match=words):
        list(iter_messages(data))
    outcome = read(data, on_error="skip")
    assert [(row["session_id"], row["index"]) for row in outcome.messages] == [("u1", "#0"), ("u2", "#0")]
    assert [reject[:2] for reject in outcome.rejects] == [("u1", 1)]


def test_conversations() -> None:
    """A conversation without messages is a session without rows, and one without an id is none."""
    assert read(dump([claude_ai(chat_messages=None)])).messages == []
    assert len(read(dump([claude_ai(chat_messages=None)])).sessions) == 1
    for keys in ({"uuid": 5}, {"chat_messages": {}}):
        with pytest.raises(InvalidMessageError, match="expected"):
            rows({}, **keys)
    assert is_claude_ai(dump(dict(reversed(claude_ai({}).items()))))
    assert not is_claude_ai(dump({"id": "s", "x": {"chat_messages": []}}))
