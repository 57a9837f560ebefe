"""No shape of input takes time or memory that grows faster than the input (invariants 3 and 5 of the design).

Only growth is looked at: eight times the input may take up to 20 times the processor time. Linear is eight,
quadratic is 64. Seconds per megabyte of the same shapes are printed by ``python -m benchmarks --shape hostile``.
"""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from exportstream import convert, open_export
from exportstream.totals.text import texts_of
from tests.kit.chats import claude_ai
from tests.kit.documents import dump, message, session
from tests.kit.growth import seconds
from tests.kit.rollouts import Rollout

MARK = "@@"


def with_text(document: Any, text: str, times: int) -> bytes:
    """The document, its mark replaced by a text that is repeated."""
    return dump(document).replace(MARK.encode(), text.encode() * times)


def results_without_calls(count: int) -> bytes:
    """A conversation of claude.ai with calls, and results of others."""
    calls = [{"type": "tool_use", "id": f"c{number}", "name": "t"} for number in range(count)]
    results = [{"type": "tool_result", "tool_use_id": "gone"}, {"type": "tool_result", "tool_use_id": None}] * (count // 2)
    return dump([claude_ai({"sender": "assistant", "content": calls + results})])


def ends_of_commands(count: int) -> bytes:
    """A rollout of Codex with many calls in one response, and the events of their ends."""
    rollout = Rollout().meta()
    for number in range(count):
        rollout.call(f"c{number}")
    for number in range(count):
        rollout.event("exec_command_end", call_id=f"c{number}", exit_code=0)
    return rollout.data


SHAPES: dict[str, tuple[int, Callable[[int], bytes]]] = {
    "lone surrogates in one message": (6_000, lambda n: with_text(session(message(content=MARK)), r"\ud800", n)),
    "lone surrogates with quotes": (6_000, lambda n: with_text(session(message(content=MARK)), r"\ud800\"", n)),
    "a lone surrogate in each message": (
        500,
        lambda n: dump(session(*[message(i) for i in range(n)])).replace(b'"x"', rb'"\ud800"'),
    ),
    "white space before the first message": (
        4_000_000,
        lambda n: dump(session(message())).replace(b'"messages":[', b'"messages":[' + b" " * n),
    ),
    "white space before the messages": (
        1_000_000,
        lambda n: dump(session(message())).replace(b'"messages":', b'"messages"' + b"\n" * n + b":" + b" " * n),
    ),
    "unknown keys of a session": (4_000, lambda n: dump(session(message(), **{f"k{i}": 1 for i in range(n)}))),
    "unknown keys after the messages": (4_000, lambda n: dump({**session(message()), **{f"k{i}": 1 for i in range(n)}})),
    "long numbers": (100, lambda n: dump(session(*[message(i, x=10**4299) for i in range(n)]))),
    "one long escaped key": (300_000, lambda n: with_text(session(message(), **{MARK: 1}), r"\n", n)),
    "small sessions": (300, lambda n: b"\n".join(dump(session(message(i), id=str(i))) for i in range(n))),
    "small sessions in an array": (300, lambda n: dump([session(message(i), id=str(i)) for i in range(n)])),
    "an id after the messages": (
        200,
        lambda n: b"\n".join(dump({"title": "t", "messages": [message(i)], "id": str(i)}) for i in range(n)),
    ),
    "results of calls that are not there": (1_500, results_without_calls),
    "ends of commands of one response": (1_500, ends_of_commands),
}


@pytest.mark.parametrize("name", SHAPES)
def test_time_grows_with_the_input(name: str) -> None:
    """Eight times as much takes about eight times as long."""
    count, make = SHAPES[name]
    few, many = make(count // 2), make(4 * count)
    small, large = seconds(lambda: convert(few, io.BytesIO())), seconds(lambda: convert(many, io.BytesIO()))
    assert large < 20 * max(small, 0.003)


def test_time_grows_with_the_rows_of_a_table() -> None:
    """Costs of eight times as many groups take about eight times as long to write."""
    costs = [Decimal(number) for number in range(16_000)]
    small, large = seconds(lambda: texts_of(costs[:2_000], "cost")), seconds(lambda: texts_of(costs, "cost"))
    assert large < 20 * max(small, 0.003)


@pytest.mark.parametrize("before", [b'"messages":[', b'"messages":', b'"messages"', b"}", b"{"])
def test_white_space_is_not_kept(before: bytes) -> None:
    """Any amount of white space from a pipe takes the memory of a few reads, wherever it stands."""
    data = dump(session(message()))
    at = data.index(before) + len(before)
    blank = b" " * 65_536

    def pieces() -> Any:
        yield data[:at]
        for _ in range(256):
            yield blank
        yield data[at:]

    tracemalloc.start()
    try:
        with open_export(pieces()) as export:
            assert len(list(export)) == 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
