"""Overlapping inputs without their repeats: rows, sessions and totals are those of an oracle, however files are split."""

from __future__ import annotations

import csv
import io
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir, closing, contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exportstream import ManyReport, iter_messages, merge_many, open_export
from tests.kit.documents import dump, message, session, tool_call
from tests.kit.files import rows
from tests.kit.readings import blocks, exact, small_blocks
from tests.properties import oracle

FIGURES = ("inputTokens", "outputTokens", "cacheCreationTokens", "cacheReadTokens", "cost")


@st.composite
def overlapping(draw: st.DrawFn) -> Any:
    """A session with one of a few ids, and messages with a few ids each, so that both come again."""
    made = []
    for number in draw(st.lists(st.integers(0, 3), max_size=5)):
        figures = {name: draw(st.integers(0, 9)) for name in draw(st.sets(st.sampled_from(FIGURES), max_size=2))}
        calls = [tool_call(each, isError=draw(st.booleans())) for each in range(draw(st.integers(0, 2)))]
        role = draw(st.sampled_from(["user", "assistant"]))
        made.append(message(number, role=role, toolCalls=calls or None, **figures))
    declared = draw(st.dictionaries(st.sampled_from(["promptTokens", "cost"]), st.integers(0, 9)))
    return session(*made, **declared, id=draw(st.sampled_from(["s", "s1", "1", "", "x" * 60])))


FILES = st.lists(st.lists(overlapping(), min_size=1, max_size=4), min_size=1, max_size=4)


@contextmanager
def written(files: list[list[Any]]) -> Iterator[tuple[list[str], list[bytes]]]:
    """A folder with a file of each list of sessions; their names and contents."""
    data = [b"\n".join(map(dump, made)) for made in files]
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for number, text in enumerate(data):
            Path(f"{number}.json").write_bytes(text)
        yield [f"{number}.json" for number in range(len(data))], data


def check_totals(done: ManyReport, data: list[bytes]) -> None:
    """The totals are sums over the rows that the oracle gives."""
    messages, sessions = oracle.distinct_rows(data, "messages"), oracle.distinct_rows(data, "sessions")
    counted, declared = done.totals.counted, done.totals.declared
    assert (counted.messages, done.totals.sessions) == (len(messages), len(sessions))
    assert counted.roles == Counter(row["role"] for row in messages)
    assert counted.tool_calls == len(oracle.distinct_rows(data, "tool-calls"))
    figures = (counted.input_tokens, counted.output_tokens, counted.cache_creation_tokens, counted.cache_read_tokens)
    for name, figure in zip(FIGURES, (*figures, counted.cost), strict=True):
        stated = [row[name] for row in messages if name in row]
        assert (figure.sum, figure.count) == (sum(stated) if stated else None, len(stated)), name
    for name, figure in (("promptTokens", declared.prompt_tokens), ("cost", declared.cost)):
        stated = [row[name] for row in sessions if name in row]
        assert (figure.sum, figure.count) == (sum(stated) if stated else None, len(stated)), name


PLACES = "file,sessionNumber"  # columns of a merge that the oracle does not know


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(FILES, st.sampled_from([64, 400, 1 << 18]), st.booleans())
def test_a_merge_has_the_rows_and_totals_of_the_oracle(files: list[list[Any]], block: int, on: bool) -> None:
    """The first of each key wins in every table, format and total; what was dropped is counted, by input and in all."""
    with written(files) as (names, data), small_blocks(block, 100), blocks(on):
        done = merge_many(names, "all.ndjson", table="all", dedupe=True, without=PLACES)
        for table in oracle.COLUMNS:
            assert exact(rows(Path(f"all.{table}.ndjson"))) == exact(oracle.distinct_rows(data, table))
        merge_many(names, "all.csv", table="all", dedupe=True, without=PLACES)
        for table, columns in oracle.COLUMNS.items():
            _, *found = csv.reader(io.StringIO(Path(f"all.{table}.csv").read_text(encoding="utf-8"), newline=""))
            assert len(found) == len(wanted := oracle.distinct_rows(data, table))
            ids = columns.index("id")
            assert [cells[ids] for cells in found] == [row["id"] for row in wanted]
    check_totals(done, data)
    written_rows = {output.tables[0]: output.rows for output in done.outputs}
    read = [len(list(oracle.sessions(text))) for text in data]
    assert done.sessions == sum(read) == written_rows["sessions"] + done.duplicates.sessions
    assert done.messages == written_rows["messages"] + done.duplicates.messages
    parts = [one.duplicates for one in done.outcomes if one.duplicates is not None]
    assert len(parts) == len(files)
    assert sum(part.messages for part in parts) == done.duplicates.messages
    assert sum(part.sessions for part in parts) == done.duplicates.sessions


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(FILES)
def test_any_split_over_files_gives_the_same(files: list[list[Any]]) -> None:
    """Sessions in one file, in many, or read one message at a time give the same rows and totals."""
    with written(files) as (names, data):
        whole = b"\n".join(data)
        Path("whole.json").write_bytes(whole)
        split = merge_many(names, "split.ndjson", table="all", dedupe=True, without=PLACES)
        one = merge_many(["whole.json"], "one.ndjson", table="all", dedupe=True, without=PLACES)
        for table in oracle.COLUMNS:
            assert Path(f"split.{table}.ndjson").read_bytes() == Path(f"one.{table}.ndjson").read_bytes()
    assert (split.totals, split.duplicates) == (one.totals, one.duplicates)
    kept = [(row["sessionId"], row["messageIndex"]) for row in oracle.distinct_rows([whole], "messages")]
    assert [(found.session_id, found.index) for found in iter_messages(whole, dedupe=True)] == kept
    with open_export(whole, dedupe=True) as export:
        assert [(found.session_id, found.index) for found in export] == kept
        assert (export.totals, export.duplicates) == (one.totals, one.duplicates)


def test_databases_keep_their_keys() -> None:
    """In SQLite new messages of a repeated session have no row of sessions, and no foreign key says they have."""
    again = session(message(0), message(1, toolCalls=[tool_call()]))
    with written([[session(message(0))], [again, session(id="t")]]) as (names, _):
        merge_many(names, "all.db", dedupe=True)
        with closing(sqlite3.connect("all.db")) as database:
            assert database.execute("PRAGMA foreign_key_check").fetchall() == []
            assert database.execute("SELECT sessionNumber, id FROM sessions").fetchall() == [(0, "s"), (2, "t")]
            wanted = [(0, 0, "m0"), (1, 1, "m1")]
            assert database.execute("SELECT sessionNumber, messageIndex, id FROM messages").fetchall() == wanted
            joined = "SELECT messages.id FROM tool_calls JOIN messages USING (sessionNumber, messageIndex)"
            assert database.execute(joined).fetchall() == [("m1",)]


def test_running_totals_leave_repeats_out() -> None:
    """The last row's running totals are the totals, also where a repeated session ended before."""
    twice = session(message(0, cost=1), message(1, cost=2), promptTokens=5)
    files = [[twice], [session(message(2, cost=4), promptTokens=9), session(message(0, cost=8), id="t", promptTokens=3)]]
    with written(files) as (names, _):
        done = merge_many(names, "all.ndjson", table="messages", running_totals=True, dedupe=True)
        found = rows(Path("all.ndjson"))
    assert [(row["runningMessages"], row["runningCost"], row["runningPromptTokens"]) for row in found] == [
        (1, 1, 0),
        (2, 3, 0),
        (3, 7, 5),
        (4, 15, 5),
    ]
    assert done.totals.counted.cost.sum == 15
    assert done.totals.declared.prompt_tokens.sum == 8
    assert done.totals.carrying.cost == 2
