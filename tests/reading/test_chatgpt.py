"""ChatGPT: what becomes a row, the tree, each kind of content, and bad input."""

from __future__ import annotations

import time
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from exportstream import (
    CutInputError,
    InputError,
    InvalidMessageError,
    JSONSyntaxError,
    LimitError,
    NotAnExportError,
    Reject,
    check,
    iter_messages,
    open_export,
)
from exportstream.models.structs import Message
from exportstream.reading.formats import HEAD
from exportstream.reading.formats.chats.recognise import is_chatgpt
from tests.kit.chats import Tree, drawn, expected
from tests.kit.documents import dump, export
from tests.kit.files import Shreds, cuts
from tests.kit.readings import read, small_blocks


def rows(data: Any, **options: Any) -> list[Message]:
    return list(iter_messages(data.data if isinstance(data, Tree) else data, **options))


def one(**fields: Any) -> Message:
    """The row of an assistant's message."""
    (row,) = rows(Tree().say("assistant", **fields))
    return row


def plain(message: Message) -> dict[str, Any]:
    """A row as the oracle says it."""
    (call,) = message.tool_calls or [None]
    return {
        "session": message.session_id,
        "id": message.id,
        "role": message.role,
        "text": message.content,
        "parent": message.parent_id,
        "active": message.active,
        "created": message.created_at,
        "model": message.model,
        "call": call and [call.id, call.input, call.result],
    }


@pytest.mark.parametrize("seed", range(12))
def test_the_rows_are_those_of_the_oracle(seed: int) -> None:
    """Every message is one row, the branch that is shown first, with its parent, model, time, call and result."""
    data = dump(drawn(seed))
    assert [plain(message) for message in rows(data)] == expected(data)


@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_keys_and_any_chunks(seed: int) -> None:
    """The order of keys, white space, and how the bytes arrive change no row."""
    made = drawn(seed)

    def shuffled(value: Any) -> Any:
        if isinstance(value, list):
            return list(map(shuffled, value))
        if not isinstance(value, dict):
            return value
        items = [(key, shuffled(item)) for key, item in value.items()]
        if "mapping" in value or "author" in value:
            Random(seed).shuffle(items)
        return dict(items)

    outcome = read(dump(made))
    assert outcome.error is None
    other = read(dump(shuffled(made), indent=1))
    assert (other.sessions, other.totals) == (outcome.sessions, outcome.totals)
    assert [{**message, "extra": None} for message in other.messages] == [{**m, "extra": None} for m in outcome.messages]
    data = dump(made)
    with small_blocks(200, 13):
        assert read(Shreds(data, [1, 7, 900])) == read(cuts(data, [13])) == outcome
    lines = b"\n".join(map(dump, made))
    assert read(lines) == outcome


def test_a_session() -> None:
    """A conversation is a session with title, dates and its other keys; none of its figures is declared."""
    with open_export(Tree(gizmo_id="g", is_archived=False, plugin_ids=None).say().data) as reading:
        (message,) = reading
        assert (reading.producer, message.producer) == ("chatgpt", "chatgpt")
        session, totals = reading.session, reading.totals
    assert session is not None
    assert (session.id, session.title, session.created_at) == ("c1", "About c1", "2024-01-07T12:18:35.775304Z")
    assert session.extra == {"current_node": "c1-1", "gizmo_id": "g", "is_archived": False}
    assert (totals.counted.input_tokens.sum, totals.counted.cost.sum, totals.declared.prompt_tokens.sum) == (
        None,
        None,
        None,
    )


CONTENTS: dict[str, tuple[dict[str, Any], str, dict[str, Any] | None]] = {
    "text": ({"parts": ["a", "b"]}, "a\nb", None),
    "code": ({"language": "python", "text": "x = 1"}, "x = 1", {"language": "python"}),
    "execution_output": ({"text": "1"}, "1", {}),
    "reasoning_recap": ({"content": "Thought for 3s"}, "Thought for 3s", {}),
    "tether_quote": ({"url": "u", "text": "q"}, "q", {"url": "u"}),
    "tether_browsing_display": ({"result": "r", "summary": "s"}, "r", {"summary": "s"}),
    "user_editable_context": (
        {"user_profile": "p", "user_instructions": "i"},
        "p\n\ni",
        {"user_profile": "p", "user_instructions": "i"},
    ),
    "system_error": ({"name": "E", "text": "failed"}, "failed", {"name": "E"}),
    "sonic_webpage": ({"url": "u", "title": "t", "text": "w"}, "w", {"url": "u", "title": "t"}),
    "of next year": ({"deep": {"x": [1, None]}}, "", {"deep": {"x": [1, None]}}),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_contents(kind: str) -> None:
    """Each type of content gives its text, and keeps what has no column; an unknown one keeps all."""
    value, text, rest = CONTENTS[kind]
    row = one(text={"content_type": kind, **value})
    assert (row.content, (row.extra or {}).get("content")) == (
        text,
        None if rest is None else {"content_type": kind, **rest},
    )


def test_parts_thoughts_and_attachments() -> None:
    """Texts and transcripts of parts are the content, pointers and files attachments, and thoughts the reasoning."""
    pointer = {
        "content_type": "image_asset_pointer",
        "asset_pointer": "file-service://f",
        "size_bytes": 9,
        "width": 2,
        "x": None,
    }
    parts = ["see", pointer, {"content_type": "audio_transcription", "text": "heard"}, {"content_type": "odd"}, None]
    files = [{"id": "f1", "name": "a.txt", "mime_type": "text/plain", "size": 42}, "odd"]
    row = one(text={"content_type": "multimodal_text", "parts": parts}, metadata={"attachments": files})
    assert row.content == "see\nheard"
    assert row.attachments == [
        {"name": "a.txt", "type": "text/plain", "size": 42, "id": "f1"},
        {"type": "unknown", "value": "odd"},
        {"type": "image_asset_pointer", "url": "file-service://f", "size": 9, "width": 2},
    ]
    assert (row.extra or {})["content"]["parts"] == [{"content_type": "audio_transcription"}, {"content_type": "odd"}]
    thoughts = [{"summary": "s", "content": "First."}, {"content": "Then.", "finished": True}, 5]
    row = one(text={"content_type": "thoughts", "thoughts": thoughts, "source_analysis_msg_id": "m"})
    assert (row.content, row.reasoning, row.thinking_blocks) == ("", "First.\n\nThen.", ["First.", "Then."])
    assert (row.extra or {})["content"] == {
        "content_type": "thoughts",
        "source_analysis_msg_id": "m",
        "thoughts": [{"summary": "s"}, {"finished": True}, 5],
    }


def test_models_and_finish_reasons() -> None:
    """A model that only the conversation names is the model of the assistant's messages, and `extra` says so."""
    finish = {"type": "max_tokens", "stop_tokens": [1]}
    data = (
        Tree(default_model_slug="gpt-4o").say().say("assistant", metadata={"finish_details": finish}).say("assistant").data
    )
    user, first, second = rows(data)
    assert (user.model, first.model, second.model) == (None, "gpt-4o", "gpt-5")
    assert (first.finish_reason, second.finish_reason) == ("max_tokens", None)
    assert (first.extra or {})["model_from"] == "default_model_slug"
    assert (first.extra or {})["metadata"] == {"finish_details": {"stop_tokens": [1]}}
    assert "model_from" not in (second.extra or {})


def test_calls() -> None:
    """A call has the text as its input and the shown result below it; a failed one says so, one without a result is open."""
    tree = Tree().say().say("assistant", '{"q": 1.50}', recipient="browser.search")
    call, error = tree.last, {"content_type": "system_error", "name": "E", "text": "no"}
    tree.say("tool", "old").say("tool", error, at=call).say("assistant", "print(1)", recipient="python")
    _, first, tool, second, other = rows(tree)
    (made,) = first.tool_calls or ()
    assert (made.id, made.name, made.type, made.input, made.input_json) == (
        tool.id,
        "browser.search",
        "function",
        '{"q": 1.50}',
        {"q": Decimal("1.50")},
    )
    assert (made.result, made.finished, made.is_error, first.content) == ("no", True, True, "")
    assert (tool.content, tool.active, other.content, other.active) == ("no", True, "old", False)
    (made,) = second.tool_calls or ()
    assert (made.id, made.finished, made.result, made.input_json) == (f"{second.id}:call", False, None, None)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (Decimal("1704629915.775304000"), "2024-01-07T12:18:35.775304000Z"),
        (1704629915, "2024-01-07T12:18:35Z"),
        (Decimal("1.7E+9"), "2023-11-14T22:13:20Z"),
        (0, "1970-01-01T00:00:00Z"),
        (Decimal("1e40"), "1E+40"),
        (-5, "-5"),
        ("2024-01-07", "2024-01-07"),
        (None, None),
    ],
)
def test_times(seconds: Any, text: str | None) -> None:
    """A number of seconds becomes a date-time with all its digits; one that can't be a date stays as it is."""
    assert rows(Tree().say(create_time=seconds))[0].created_at == text


def links(*pairs: tuple[str, Any, list[Any]], current: Any = None) -> dict[str, Any]:
    """A conversation of nodes with these keys, parents and children."""
    message = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["x"]}}
    mapping = {key: {"message": message, "parent": parent, "children": children} for key, parent, children in pairs}
    return Tree("t").conversation(mapping=mapping, current_node=current)


TREES: dict[str, tuple[dict[str, Any], str]] = {
    "two roots": (links(("a", None, ["b"]), ("b", "a", []), ("c", None, []), current="c"), "c+ a- b-a"),
    "orphan": (links(("a", None, []), ("b", "gone", ["gone", 5, None]), current="a"), "a+ b-"),
    "cycle": (links(("a", "b", ["b"]), ("b", "a", ["a"]), current="b"), "a+b b+a"),
    "own parent": (links(("a", "a", ["a"]), ("b", None, []), current="b"), "b+ a-a"),
    "cycle that is not shown": (links(("a", "b", ["b"]), ("b", "a", ["a"]), ("c", None, []), current="c"), "c+ a-b b-a"),
    "no child named": (links(("b", "a", []), ("a", None, []), current="a"), "a+ b-a"),
    "no current node": (links(("b", "a", []), ("a", None, ["b"])), "a? b?a"),
    "unknown current node": (links(("a", None, []), current="gone"), "a?"),
    "odd current node": (links(("a", None, []), current=["a"]), "a?"),
    "odd parent and children": (links(("a", 5, {"b": 1}), ("b", ["a"], []), current="b"), "b+ a-"),  # type: ignore[arg-type]
    "no mapping": (Tree("t").conversation(mapping=None), ""),
}


@pytest.mark.parametrize("case", TREES)
def test_bad_trees(case: str) -> None:
    """Every message of a tree with bad links is one row; +, - and ? say whether it is shown, and its parent follows."""
    value, words = TREES[case]
    marks = {True: "+", False: "-", None: "?"}
    assert [f"{row.id}{marks[row.active]}{row.parent_id or ''}" for row in rows(dump([value]))] == words.split()


def test_a_long_chain_and_nodes_without_messages() -> None:
    """A chain of 10,000 nodes is no recursion, and a message follows the nearest one above it."""
    mapping = {
        str(n): {"message": None, "parent": str(n - 1) if n else None, "children": [str(n + 1)]} for n in range(10_000)
    }
    for number in (0, 9_998, 9_999):
        mapping[str(number)]["message"] = {"author": {"role": "user"}}
    data = dump([Tree().conversation(mapping=mapping, current_node="9999")])
    assert [(m.id, m.parent_id, m.active) for m in rows(data)] == [
        ("0", None, True),
        ("9998", "0", True),
        ("9999", "9998", True),
    ]
    (found,) = check(data)
    assert (found.clean, {kind: one.count for kind, one in found.records.items()}) == (
        True,
        {"nodes without a message": 9_997},
    )


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "message": (Tree().say().say(key="x").conversation(), r"expected object, got array .*message 1,.* at \$.message"),
    "author": (Tree().say().say(author=None).conversation(), r"string, got null .*\$.author.role"),
    "content": (Tree().say().say(text=[]).conversation(), r"object or string, got array .*\$.content"),
    "create_time": (Tree().say().say(create_time=True).conversation(), r"number or string, got boolean .*\$.create_time"),
    "metadata": (Tree().say().say(metadata=5).conversation(), r"object, got number .*\$.metadata"),
    "recipient": (Tree().say().say("assistant", recipient=5).conversation(), r"string, got number .*\$.recipient"),
}
REFUSED["message"][0]["mapping"]["x"]["message"] = []


@pytest.mark.parametrize("case", REFUSED)
def test_messages_that_are_none(case: str) -> None:
    """A message of another shape stops the reading, or is rejected with its number while the others go on."""
    value, words = REFUSED[case]
    data = dump([value, Tree("c2").say().conversation()])
    with pytest.raises(InvalidMessageError, match=words):
        rows(data)
    outcome = read(data, on_error="skip")
    assert [(message["session_id"], message["index"]) for message in outcome.messages] == [("c1", "#0"), ("c2", "#0")]
    assert [reject[:2] for reject in outcome.rejects] == [("c1", 1)]
    rejects: list[Reject] = []
    with open_export(b"  " + data, on_error="skip", rejects=rejects) as export:
        assert len(list(export)) == 2
    assert [(one.position, one.conversation_position) for one in rejects] == [(None, 3)]


@pytest.mark.parametrize("keys", [{"id": None, "conversation_id": None}, {"mapping": []}, {"title": 5}, {"create_time": []}])
def test_conversations_that_are_none(keys: dict[str, Any]) -> None:
    """A conversation of another shape stops the reading, or is rejected as a whole while the others go on."""
    data = dump([Tree().say().conversation(**keys), Tree("c2").say().conversation()])
    with pytest.raises(InvalidMessageError, match=r"expected .*, got .* at \$\."):
        rows(data)
    outcome = read(data, on_error="skip")
    assert [message["session_id"] for message in outcome.messages] == ["c2"]
    assert len(outcome.rejects) == 1


GOOD = dump([Tree().say().conversation(), Tree("c2").say("assistant", "x" * 50).conversation()])
BAD: dict[str, tuple[bytes, type[InputError], str]] = {
    "trailing": (GOOD + b"]", NotAnExportError, "begins with ']'"),
    "no comma": (GOOD.replace(b'},{"title"', b'}{"title"'), JSONSyntaxError, "expected a comma or a bracket"),
    "two commas": (GOOD.replace(b'},{"title"', b'},,{"title"'), NotAnExportError, "begins with ','"),
    "a number": (GOOD[:-1] + b",5]", NotAnExportError, "expected an object for each conversation.* '5'"),
    "not JSON": (GOOD.replace(b'"x', b'x"x'), JSONSyntaxError, r"not JSON: invalid .*\(byte 840\)"),
    "not UTF-8": (GOOD.replace(b"xx", b"\xff\xff"), JSONSyntaxError, r"UTF8 .*\(byte 841\)"),
    "deep": (GOOD.replace(b'"weight"', b'"y":' + b"[" * 600 + b"]" * 600 + b',"weight"'), LimitError, "512 levels"),
    "deeper": (GOOD.replace(b'"weight"', b'"y":' + b"[" * 60_000 + b"]" * 60_000 + b',"weight"'), LimitError, "512 levels"),
    "digits": (GOOD.replace(b'"weight":1.0', b'"weight":' + b"1" * 5_000), LimitError, "4,300 digits"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case: str) -> None:
    """Everything that is no export is an error of ours, after the conversations before it."""
    data, kind, words = BAD[case]
    with pytest.raises(kind, match=words):
        rows(data)
    with small_blocks(1000, 300), pytest.raises(kind, match=words):
        rows(cuts(data, [300]))


def test_the_byte_of_an_error() -> None:
    """The error of bytes that are not JSON has the first wrong byte, with its line and column."""
    data = GOOD.replace(b',"', b',\n"').replace(b"xxx", b"\xc3\xa9xx", 1)
    large = dump([Tree().say(text=r"\"é" * 100_000).conversation()]) + b"\n" + data
    for whole, step in ((data, 23), (large, len(large) // 9)):
        for at in range(2, len(whole) - 1, step):
            while whole[at - 1] == ord("\\") or whole[at - 1] >= 0xC0:  # a wrong escape or character begins before it
                at += 1  # noqa: PLW2901
            for wrong in (b"\x01", b"\xff"):
                hurt = whole[:at] + wrong + whole[at:]
                with pytest.raises(JSONSyntaxError) as caught:
                    rows(hurt)
                assert (caught.value.position, caught.value.exact) == (at, True)
                line, column = hurt.count(b"\n", 0, at) + 1, len(hurt[hurt.rfind(b"\n", 0, at) + 1 : at].decode()) + 1
                assert (caught.value.line, caught.value.column) == ((line, column) if line > 1 else (None, None))


def test_every_cut_is_an_error() -> None:
    """An export that ends anywhere is a cut input, and what was complete before is kept on request."""
    whole = rows(GOOD)
    seam = GOOD.index(b'},{"title"') + 1
    for end in (*range(1, 30), seam - 1, seam, seam + 1, *range(seam + 40, len(GOOD), 17)):
        cut = read(GOOD[:end], on_error="skip")
        assert (len(cut.messages), cut.error is None) == ((0, False) if end < seam else (1, True))
    with pytest.raises(CutInputError, match=r'inside conversation 1 .*; on_error="skip" keeps the complete conversations'):
        rows(GOOD[:-5])
    assert len(whole) == 2


def test_halves_of_surrogate_pairs() -> None:
    """Half of a surrogate pair becomes U+FFFD and is counted, wherever in the export; whole pairs stay."""
    data = GOOD.replace(b"Hello", rb"\ud800 \ud83d\ude00 \udc00").replace(b"xxx", rb"\udfff", 1)
    with open_export(data) as reading:
        first, second = reading
        assert (first.content, second.content[:2], reading.notes.replaced_surrogates) == (
            "\ufffd \N{GRINNING FACE} \ufffd",
            "\ufffdx",
            3,
        )
    with small_blocks(64, 1):
        pieces = read(cuts(data, [1]))
    assert pieces == read(data)
    first_check, second_check = check(data)
    assert first_check.findings["replaced-surrogate"].messages == second_check.findings["replaced-surrogate"].messages == [0]


def test_large_conversations() -> None:
    """A conversation larger than a block is read in one piece, and one beyond the limit is refused."""
    data = dump([Tree().say(text="é" * 500_000).conversation(), Tree("c2").say().conversation()])
    assert [len(message.content) for message in rows(data)] == [500_000, 5]
    with pytest.raises(LimitError, match=r"expected conversations of at most 900,000 bytes.*`max_message_size`"):
        rows(data, max_message_size=900_000)
    with pytest.raises(LimitError, match="at most 100 bytes"):
        rows(GOOD, max_message_size=100)


def test_what_is_taken_for_chatgpt() -> None:
    """An export is recognised by the keys of its first object in any order, and a session export is not taken for one."""
    value = Tree().say().conversation()
    for first, second in pairwise(["mapping", "current_node", "title", "mapping"]):
        head = {first: value[first], second: value[second], **value}
        assert is_chatgpt(dump([head])) == is_chatgpt(dump(head)) is True
    assert is_chatgpt(dump([value])[:200])
    nested = {"id": "s", "title": '"mapping"', "x": {"mapping": {}}, "messages": [{"mapping": {}}]}
    for other in (
        export("s"),
        dump(nested),
        dump({"mapping": {}, "messages": []}),
        b'"mapping"',
        b'["mapping"]',
        b'}"mapping"',
    ):
        assert not is_chatgpt(other)


@pytest.mark.parametrize("size", [60_000, 70_000])
def test_a_file_and_a_pipe_are_of_one_format(tmp_path: Path, size: int) -> None:
    """What comes after the first 64 KiB says nothing, although a file has more of it ready than a pipe."""
    data = dump({"about": "x" * size} | Tree().say().conversation())
    path = tmp_path / "conversations.json"
    path.write_bytes(data)
    with open_export(path) as file, open_export(cuts(data, [HEAD])) as pipe:
        assert file.producer == pipe.producer == ("chatgpt" if size < HEAD else "mix")


def test_a_long_text_at_the_beginning_takes_no_time() -> None:
    """The first bytes are looked at in linear time, also where they end inside a text full of quotes."""
    began = time.process_time()
    assert is_chatgpt(dump([Tree().conversation(mapping={"n": {"message": '"' * 32_000}})])[: 64 * 1024])
    assert is_chatgpt(b'[{"mapping":{},"' + rb"\"" * 32_000)
    assert time.process_time() - began < 0.5  # usually milliseconds; a pattern that goes back takes minutes


def test_repeated_ids(tmp_path: Path) -> None:
    """Repeated ids within a conversation are counted, and dropped with dedupe also across files."""
    data = Tree().say().say(id="c1-1").data
    with open_export(data) as reading:
        assert len(list(reading)) == 2
        assert reading.notes.repeated_ids == 1
    assert len(rows(data, dedupe=True)) == 1
