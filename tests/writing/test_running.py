"""Running totals of rows: those of `Totals` that gets the messages and sessions one by one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exportstream import Message, Session, ToolCall, Totals
from exportstream.totals.batch import Batch, SessionEnd
from exportstream.writing.formats.json import ENCODER
from exportstream.writing.formats.ndjson import NDJSON
from exportstream.writing.running import Running, RunningRow
from exportstream.writing.selection import TABLES
from tests.kit.columns import new_table

CALL = ToolCall(id="c", name="n", type="t", finished=True, input="")
COSTS = (["0.1", "0.30", "1e-60", "7e40", "0"], ["1e12000", "0", "0.0"])  # the sums of the second need another way
COUNTS = st.none() | st.integers(0, 2**70)


def messages(costs: st.SearchStrategy[Decimal | None]) -> st.SearchStrategy[Message]:
    return st.builds(
        Message,
        id=st.just("m"),
        role=st.just("user"),
        content=st.just(""),
        created_at=st.none(),
        updated_at=st.none(),
        tool_calls=st.sampled_from([None, [], [CALL], [CALL] * 3]),
        input_tokens=COUNTS,
        output_tokens=COUNTS,
        cost=costs,
        usage_state=st.sampled_from([None, None, None, "final", "repeated", "replayed"]),
    )


@st.composite
def batches(draw: st.DrawFn) -> list[Batch]:
    """Batches with some sessions that end in them; some of those came before."""
    costs = st.none() | st.sampled_from(draw(st.sampled_from(COSTS))).map(Decimal)
    sessions = st.builds(
        Session, id=st.just("s"), title=st.just(""), prompt_tokens=COUNTS, completion_tokens=COUNTS, cost=costs
    )
    made = []
    for some in draw(st.lists(st.lists(messages(costs), max_size=5), max_size=3)):
        ends = sorted(draw(st.lists(st.integers(0, len(some)), max_size=2)))
        made.append(Batch(some, [SessionEnd(draw(sessions), end, repeated=draw(st.booleans())) for end in ends]))
    return made


def one_by_one(made: list[Batch], table: str) -> list[RunningRow]:
    """The rows, from totals to which one thing after the other is added."""
    totals, rows = Totals(), []

    def take(calls: int) -> None:
        counted, declared = totals.counted, totals.declared
        rows.append(
            RunningRow(
                running_messages=counted.messages,
                running_tool_calls=calls,
                running_input_tokens=counted.input_tokens.sum or 0,
                running_output_tokens=counted.output_tokens.sum or 0,
                running_cost=counted.cost.sum,
                running_prompt_tokens=declared.prompt_tokens.sum or 0,
                running_completion_tokens=declared.completion_tokens.sum or 0,
                running_declared_cost=declared.cost.sum,
            )
        )

    for batch in made:
        for messages, end in batch.by_session():
            for message in messages:
                before = totals.counted.tool_calls
                totals.add(message)
                counts = totals.counted.tool_calls > before
                for number, _ in enumerate(message.tool_calls or () if table == "tool-calls" else (), 1):
                    take(before + number if counts else before)
                if table == "messages":
                    take(totals.counted.tool_calls)
            if end is not None and not end.repeated:
                totals.add(end.session)
                if table == "sessions":
                    take(totals.counted.tool_calls)
    return rows


@pytest.mark.parametrize("table", TABLES)
@settings(max_examples=60, deadline=None)
@given(made=batches())
def test_running_totals_are_those_of_adding_one_by_one(table: str, made: list[Batch]) -> None:
    """However messages come in batches, each row has the totals of all that came up to it, digit for digit."""
    running = Running()
    rows = [row for batch in made for row in running.rows(batch, table, RunningRow)]
    wanted = one_by_one(made, table)
    assert ENCODER.encode_lines(rows) == ENCODER.encode_lines(wanted)


@settings(max_examples=30, deadline=None)
@given(made=batches(), priced=st.booleans(), place=st.booleans())
def test_rows_of_several_objects_are_joined_key_by_key(made: list[Batch], priced: bool, place: bool) -> None:
    """A line has the keys of all its objects, in their order; some objects are empty."""
    table = new_table("messages", running=True, priced=priced, place=place)
    for batch in made:
        batch.prices = [None] * len(batch.messages)
        rows = table.rows(batch)
        if rows is None:
            continue
        wanted = [b",".join(filter(None, [ENCODER.encode(part)[1:-1] for part in row])) for row in zip(*rows, strict=True)]
        assert NDJSON().encode(rows) == b"".join([b"{%b}\n" % line for line in wanted])
