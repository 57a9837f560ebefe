"""Sessions without their messages are decoded many in one call, and only if each of them has each key once."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exportstream.models.structs import Session
from exportstream.reading.json.session_lines import SessionLines

FIRST = b'{"id":"a","title":"A","cost":1,"promptTokens":5}\n'
A = Session(id="a", title="A", cost=Decimal(1), prompt_tokens=5)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (b'{"id":"b","title":"B","cost":0.50,"promptTokens":6}', Session(id="b", title="B", cost=Decimal("0.50"), prompt_tokens=6)),
        (b'{"cost":null,"promptTokens":6,"title":"B","id":"b"}', Session(id="b", title="B", prompt_tokens=6)),
        (b'{"id":"b","title":"B"}', Session(id="b", title="B")),
        (b'{"id":"b","title":"B","toolCallCount":0}', Session(id="b", title="B", tool_call_count=0)),
        (b'{ "id" : "b",\r\n\t"title"\t:\n"B" }', Session(id="b", title="B")),
        (rb'{"id":"b","title":"\"cost\": \"x\" :1, \\"}', Session(id="b", title='"cost": "x" :1, \\')),
        (rb'{"id":"b","title":"\"cost\": x","cost":1,"promptTokens":5}', Session(id="b", title='"cost": x', cost=Decimal(1), prompt_tokens=5)),
        (rb'{"\u0069d":"b","title":"B"}', Session(id="b", title="B")),
    ],
)  # fmt: skip
def test_keys_may_differ_from_line_to_line(line: bytes, wanted: Session) -> None:
    """Lines are decoded whatever keys of sessions they have, in any order and spelling; absent ones and null are None."""
    for text, sessions in (
        (FIRST + line, [A, wanted]),
        (line + b"\n" + FIRST, [wanted, A]),
        (line + b"\n" + line, [wanted] * 2),
    ):
        lines = SessionLines()
        for _ in range(2):  # the second time it is known what a line has
            found = lines.decode(text, 2)
            assert found == sessions
            assert [type(session) for session in found or ()] == [Session, Session]
    lines = SessionLines()
    assert lines.decode(FIRST, 1) == [A]
    assert lines.decode(line, 1) == [wanted]
    assert lines.decode(FIRST, 1) == [A]


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":"b","title":"B","cost":1,"cost":1}',
        b'{"id":"b","title":"B","cost":1,"promptTokens":6,"id":"b"}',
        b'{"id":"b","title":"B","cost":1,"promptTokens":6,"cost"\t:1}',
        b'{"id" :"b","title":"B","cost":1,"promptTokens":6,"promptTokens"\n:null}',
        rb'{"id":"b","title":"B","cost":1,"promptTokens":6,"c\u006fst":1}',
        rb'{"id":"b","title":"\"cost\":","cost":1,"promptTokens":6,"cost":1}',
        b'{"id":"b","title":"B","other":1}',
        rb'{"id":"b","title":"B","other\\":1}',
        b'{"id":"b","title":"B","extra":{}}',
        b'{"id":"b","title":"B","producer":null}',
        b'{"id":"b","title":"B","prompt_tokens":1}',
        b'{"id":"b","title":null}',
        b'{"id":"b"}',
        b'{"id":"b","title":"B","cost":"1"}',
        b'{"id":"b","title":"B","cost":{"a":1}}',
        b'{"id":"b","title":"B","promptTokens":1.5}',
        b'{"id":"b","title":"B"}{"id":"c","title":"C"}',
        b"null",
        b"{",
        b"",
    ],
)
def test_what_is_odd_is_not_taken(line: bytes) -> None:
    """A key twice, however it is spelled, an unknown key, another type, or another number of lines is left to another way."""
    lines = SessionLines()
    for _ in range(2):
        assert lines.decode(FIRST + line, 2) is None
        assert lines.decode(line + b"\n" + FIRST, 2) is None
        assert lines.decode(FIRST, 1) == [A]


def test_snake_case_is_one_set_of_names() -> None:
    """Lines in snake_case are taken, and go before and after others; one line has one set of names."""
    snake = b'{"id":"a","title":"A","cost":1,"prompt_tokens":5}\n'
    lines = SessionLines()
    for text in (snake, FIRST, snake):
        assert lines.decode(text * 3, 3) == [A] * 3
    assert lines.decode(FIRST + snake, 2) is None
