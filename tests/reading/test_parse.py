"""The parser's events against the standard library's json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exportstream import iter_messages
from exportstream.errors import CutInputError, JSONSyntaxError, LimitError, NotAnExportError
from exportstream.reading.json.events import Events
from exportstream.reading.json.parser import Parser
from tests.kit.documents import KEYS, VALUES, dump, messages, session
from tests.kit.files import cuts
from tests.kit.readings import exact

LAYOUTS = st.sampled_from(
    [{}, {"ensure_ascii": True}, {"indent": 1}, {"separators": (" , ", " : ")}, {"indent": "\t", "ensure_ascii": True}]
)
SHAPES = st.sampled_from(["one", "array", "concatenated", "wrapper", "wrapper with keys behind"])
SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=4)


Event = tuple[Any, ...]


class Recorder(Events):
    """Keeps the events of a reading as tuples."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def begin_session(self) -> None:
        self.events.append(("session",))

    def key(self, name: str, value: Any) -> None:
        self.events.append(("key", name, value))

    def begin_result(self) -> None:
        self.events.append(("result",))

    def end_result(self, *, is_session: bool) -> None:
        self.events.append(("end of result", is_session))

    def begin_messages(self) -> None:
        self.events.append(("messages",))

    def message(self, value: Any, raw: bytes | None = None, position: int | None = None) -> None:
        assert (raw, position) == (None, None)
        self.events.append(("message", value))

    def messages(self, messages: list[Any]) -> None:
        raise AssertionError

    def sessions(self, sessions: list[Any], messages: list[Any], ends: list[int]) -> None:
        raise AssertionError

    def end_session(self) -> None:
        self.events.append(("end",))

    def replaced(self, count: int) -> None:
        self.events.append(("replaced", count))


def events(data: bytes, sizes: list[int]) -> list[Event]:
    """What the parser reports when it is fed in pieces of these sizes."""
    recorder = Recorder()
    parser = Parser(recorder)
    for piece in [*cuts(data, sizes), b""]:
        parser.feed(piece, last=not piece)
    assert parser.envelope.between_sessions
    assert not parser.envelope.building
    return recorder.events


def of_session(item: dict[str, Any]) -> Iterator[Event]:
    """The events of a session's keys, as plain reading gives them."""
    for key, value in item.items():
        if key == "messages":
            yield ("messages",)
            yield from (("message", one) for one in value)
        else:
            yield ("key", key, value)


def reference(data: bytes) -> Iterator[Event]:
    """All events, from the standard library's json."""
    text, at = data.decode(), 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        document, at = json.JSONDecoder(parse_float=Decimal).raw_decode(text, at)
        for item in document if isinstance(document, list) else [document]:
            yield ("session",)
            for key, value in item.items():
                if "messages" not in item and key == "result":
                    yield ("result",)
                    yield from of_session(value)
                    yield ("end of result", True)
                else:
                    yield from of_session({key: value})
            yield ("end",)


@st.composite
def made_sessions(draw: st.DrawFn) -> Any:
    """A session with any keys in any order, its messages any JSON values."""
    item = session(*draw(st.lists(messages() | VALUES, max_size=3)))
    keys = KEYS.filter(lambda key: key not in ("", "messages", "result"))
    item = {**draw(st.dictionaries(keys, VALUES, max_size=3)), **item}
    return {key: item[key] for key in draw(st.permutations(list(item)))}


def written(made: list[Any], shape: str, layout: Any) -> bytes:
    """The sessions as one input."""
    if shape == "array":
        return dump(made, **layout)
    if "wrapper" in shape:
        made = [{"headers": {"x": "1", "messages": []}, "result": item} for item in made]
        if "behind" in shape:
            made = [{"result": item["result"], "headers": item["headers"]} for item in made]
    return (b" " if shape == "concatenated" else b"\n").join(
        dump(item, **layout) for item in (made if shape != "one" else made[:1])
    )


@given(st.lists(made_sessions(), min_size=1, max_size=3), SHAPES, LAYOUTS, SIZES)
@example([session(), session([]), session({}, [], None, 1, "x")], "array", {}, [1])
@example([{"messages": [], "id": "s", "item": {"messages": [1]}, "a.b": 1, "messages.item": [2]}], "one", {}, [2])
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_events_are_those_of_a_plain_reading(made: list[Any], shape: str, layout: Any, sizes: list[int]) -> None:
    """For every shape, layout, order of keys and chunking the events are the values json reads, in the order of the file."""
    data = written(made, shape, layout)
    expected = list(reference(data))
    assert exact(events(data, sizes)) == exact(expected)
    assert exact(events(data, [len(data)])) == exact(expected)


@given(made_sessions(), LAYOUTS, st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_cut_input(made: Any, layout: Any, data: st.DataObject) -> None:
    """An input that ends anywhere gives the first of the events and then says that it is cut."""
    whole = written([made], "one", layout)
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    recorder = Recorder()
    parser = Parser(recorder)
    with pytest.raises(CutInputError, match="the input ends before the document is complete"):
        parser.feed(cut, last=True)
    found = recorder.events
    assert exact(found) == exact(list(reference(whole)))[: len(found)]


def test_a_key_result_that_holds_no_session() -> None:
    """An object `result` without messages was a key like any other: this is told, at its end."""
    data = dump({"result": {"a": [1]}, "id": "s", "messages": [2]})
    assert events(data, [3]) == [
        *[("session",), ("result",), ("key", "a", [1]), ("end of result", False)],
        *[("key", "id", "s"), ("messages",), ("message", 2), ("end",)],
    ]
    data = dump({"id": "s", "result": {"messages": [1]}, "messages": []})
    assert events(data, [3]) == [
        *[("session",), ("key", "id", "s"), ("key", "result", {"messages": [1]}), ("messages",), ("end",)],
    ]


def test_a_replaced_surrogate_comes_before_its_message() -> None:
    """Each replaced half is counted before the message it is in."""
    data = rb'{"messages":["a",' + rb'"\ud800\udbff",' + rb'"\ud83d\ude42","b"]}'
    before = [("session",), ("messages",), ("message", "a")]
    after = [("message", "\ufffd\ufffd"), ("message", "🙂"), ("message", "b"), ("end",)]
    for size in range(1, len(data) + 1):
        found = events(data, [size])
        assert [event for event in found if event[0] != "replaced"] == before + after
        assert sum(event[1] for event in found[3 : -len(after)]) == 2


FAULTS = [
    (b'{"messages":[1,2', CutInputError, "the input ends"),
    (b'{"messages":[1,2]', CutInputError, "the input ends"),
    (b'{"messages":[1,2]}}', JSONSyntaxError, "not JSON"),
    (b'{"messages":[1,2]}x', JSONSyntaxError, "not JSON"),
    (b'{"messages":[1,2]}\n"x', JSONSyntaxError, "a string that does not end"),
    (b'{"messages":[1,2,]}', JSONSyntaxError, "not JSON"),
    (b'{"messages":[1,2 3]}', JSONSyntaxError, "not JSON"),
    (b'{"messages":[1,2,"\xff"]}', JSONSyntaxError, "not JSON"),
    (b'{"messages":[1,2,1e99999999999999999999]}', JSONSyntaxError, "not JSON: a number is out of range"),
    (b'{"messages":[1,2,' + b"[" * 600, LimitError, "512 levels"),
    (b'{"messages":[1,2,' + b"7" * 4301 + b"]}", LimitError, "4,300 digits"),
    (b'{"messages":[1,2],"messages":[3]}', NotAnExportError, "each key of a session once, got 'messages' twice"),
    (b'{"messages":[1,2]}[]', NotAnExportError, "expected a session object"),
    (b'{"messages":[1,2]}{"id":1}', NotAnExportError, "got an object with the keys 'id'"),
    (b'[{"messages":[1,2]},3]', NotAnExportError, "expected a session object"),
]


@pytest.mark.parametrize("size", [1, 5, 10_000])
@pytest.mark.parametrize(("data", "kind", "text"), FAULTS, ids=range(len(FAULTS)))
def test_events_before_a_fault_come_out(data: bytes, kind: Any, text: str, size: int) -> None:
    """Whatever is wrong is told with its own error, after the messages before it."""
    recorder = Recorder()
    parser = Parser(recorder)
    with pytest.raises(kind, match=text):  # noqa: PT012 - the pieces are fed one by one
        for piece in [*cuts(data, [size]), b""]:
            parser.feed(piece, last=not piece)
    assert [event[1] for event in recorder.events if event[0] == "message"] == [1, 2]


@pytest.mark.parametrize("value", ["null", "1", '"x"', "true", "{}", '{"a":[1]}', '{"item":1}'])
def test_messages_that_are_no_array(value: str) -> None:
    """`messages` that is no array is refused, whatever follows."""
    with pytest.raises(NotAnExportError, match="expected `messages` to be an array"):
        events(b'{"id":"s","messages":%b,"title":"t"}' % value.encode(), [4])


def test_where_the_parser_is() -> None:
    """`depth` counts what is open around messages; the other attributes say what comes next."""
    parser = Parser(Recorder())
    assert parser.envelope.between_sessions
    parser.feed(b'{"id":"s","messages":[')
    assert (
        parser.envelope.depth,
        parser.envelope.in_messages,
        parser.envelope.building,
        parser.envelope.at_first_message,
    ) == (2, True, False, True)
    parser.feed(b'{"a":')
    assert (parser.envelope.in_messages, parser.envelope.building, parser.envelope.at_first_message) == (True, True, False)
    parser.feed(b"[{")
    assert parser.envelope.depth == 2
    parser.feed(b"}]}")
    assert (parser.envelope.in_messages, parser.envelope.building, parser.envelope.at_first_message) == (True, False, False)
    parser.feed(b'],"extra":[')
    assert (parser.envelope.depth, parser.envelope.in_messages, parser.envelope.building) == (1, False, True)
    parser.feed(b"]}\n[")
    assert (parser.envelope.depth, parser.envelope.between_sessions, parser.envelope.in_array) == (1, True, True)


WRONG = [
    *[
        (b'{"messages":[1,2 3]}', 17),
        (b'{"messages":[1,2,]}', 17),
        (b'{"messages":[1,2]}}', 18),
        (b'{"messages":[1,2]}x', 18),
    ],
    *[(b'{"id":tru}', 9), (b'{"id":01}', 7), (b'{"id" 1}', 6), (b'{"id":1 "a":2}', 8), (b'{"id":1,}', 8), (b"{1:2}", 1)],
    *[(b'{"messages":[{"a":[1,{"b":2}}]}', 28), (b'{"messages":["a\nb"]}', 15), (b'{"messages":["a\\x"]}', 16)],
    *[(b'{"a":"\xe2\x82\xac\xff"}', 9), (b'{"a":1}{"b":"x', 0), (b'{"a":-}', 6), (b'{"a":"b":1}', 8)],
    *[(b'{"messages":[' + b"7" * 4301 + b"]}", 13 + 4300), (b'{"messages":[1,\x0c2]}', 15)],
]


@pytest.mark.parametrize(("data", "position"), WRONG)
def test_the_byte_of_an_error(data: bytes, position: int | None) -> None:
    """However the input is cut, `unread` tells the first byte that is wrong; unless that is a string that goes over a cut."""
    for size in range(1, len(data) + 1) if len(data) < 100 else (1, 1000, 10_000):
        parser = Parser(Recorder())
        fed = 0
        with pytest.raises((JSONSyntaxError, LimitError, CutInputError, NotAnExportError)):  # noqa: PT012
            for piece in [*cuts(data, [size]), b""]:
                fed += len(piece)
                parser.feed(piece, last=not piece)
        found = None if parser.unread is None else fed - parser.unread
        assert found == position or (found is None and b'"a"' in data), size


def test_a_long_string_comes_in_few_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser begins an unfinished string anew with every piece, so their number grows with the logarithm of its size."""
    pieces: list[int] = []
    push = Parser._push

    def counted(parser: Parser, piece: bytes) -> None:
        pieces.append(len(piece))
        push(parser, piece)

    monkeypatch.setattr(Parser, "_push", counted)
    text = r"a log line, quoted \"so\"\n" * 1_000_000
    message = f'{{"id":"m","role":"user","content":"{text}","createdAt":null,"updatedAt":null}}'
    found = list(iter_messages(f'{{"id":"s","title":"t","messages":[{message}]}}'.encode()))
    assert len(found[0].content) == len(text) - 3_000_000
    assert len(pieces) < 80
