"""SQLite: what stands in the database, compared with the NDJSON of the same rows; its file, whole or not there at all."""

from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.generate import generate
from exportstream import CutInputError, LimitError, UsageError, WriteError
from exportstream.cli.process import exit_code
from exportstream.models.dates import offsets_of
from exportstream.reading.export import Export
from exportstream.reading.options import ReadOptions
from exportstream.totals.batch import Batch
from exportstream.writing.columns import ColumnType
from exportstream.writing.formats.ndjson import NDJSON
from exportstream.writing.formats.sqlite import Database
from exportstream.writing.selection import TABLES
from exportstream.writing.tables import Table
from exportstream.writing.writers import Origin
from tests.kit.columns import new_table
from tests.kit.command import peak
from tests.kit.documents import dump, message, session, sessions, tool_call
from tests.kit.files import DATA, SAMPLES, names, repeat, small_disk
from tests.kit.readings import exact
from tests.properties.oracle import snake

SQL_NAMES = {table: table.replace("-", "_") for table in TABLES}
NESTED = {
    "toolCalls",
    "inputJson",
    "screenshotUrls",
    "thinkingBlocks",
    "redactedThinkingBlocks",
    "extra",
}


NESTED |= {snake(name) for name in NESTED}


def batches(source: Any, **options: Any) -> Iterator[Batch]:
    with Export(source, ReadOptions(**options), session_totals=True) as export:
        yield from export.batches()


def fill(database: Database, source: Any, **options: Any) -> None:
    for batch in batches(source, **options):
        database.add(batch)


def load(
    source: Any, target: Path, names: tuple[str, ...] = TABLES, *, keys: str = "camel", running: bool = False, **options: Any
) -> Database:
    """Write a database."""
    tables = [new_table(name, keys=keys, running=running) for name in names]
    force = options.pop("force", False)
    with Database(target, tables, force=force) as database:
        fill(database, source, **options)
    return database


def ndjson(source: Any, name: str, *, keys: str = "camel", running: bool = False, **options: Any) -> list[dict[str, Any]]:
    """The rows as the NDJSON output has them."""
    table, encoder = new_table(name, keys=keys, running=running), NDJSON()
    made = map(table.rows, batches(source, **options))
    lines = b"".join(encoder.encode(rows) for rows in made if rows is not None)
    return [json.loads(line, parse_float=Decimal) for line in lines.decode().split("\n")[:-1]]


def ask(path: Path, question: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(question).fetchall()


def same(name: str, found: Any, expected: Any) -> bool:
    """Whether SQLite's value is the NDJSON's."""
    if expected is None:
        return found is None
    if name in NESTED:
        return isinstance(found, str) and exact(json.loads(found, parse_float=Decimal)) == exact(expected)
    if name.lower().endswith("cost"):
        if isinstance(found, float):
            return Decimal(repr(found)) == expected
        return found == str(expected) and Decimal(repr(float(Decimal(expected)))) != expected
    if isinstance(expected, bool):
        return type(found) is int and found == expected
    return type(found) is type(expected) and found == expected


def assert_same(path: Path, source: Any, names: tuple[str, ...] = TABLES, *, keys: str = "camel", **options: Any) -> None:
    """The database is sound, and holds the NDJSON's rows in their order, with the number of their session."""
    number = "sessionNumber" if keys == "camel" else "session_number"
    assert ask(path, "PRAGMA integrity_check") == [("ok",)]
    assert ask(path, "PRAGMA foreign_key_check") == []
    with closing(sqlite3.connect(path)) as connection:
        for name in names:
            cursor = connection.execute(f"SELECT * FROM {SQL_NAMES[name]} ORDER BY rowid")  # noqa: S608
            columns = [column[0] for column in cursor.description]
            made = new_table(name, keys=keys, running=options.get("running", False)).columns
            word = "Offset" if keys == "camel" else "_offset"
            dates = [column.name for part in made for column in part if column.type is ColumnType.DATE_TIME]
            plain = [column.name for part in made for column in part]
            assert columns == [
                number,
                *(n for name in plain for n in ([name, f"{name}{word}"] if name in dates else [name])),
            ]
            rows = cursor.fetchall()
            expected = ndjson(source, name, keys=keys, **options)
            assert len(rows) == len(expected)
            for row, wanted in zip(rows, expected, strict=True):
                assert wanted.keys() <= set(columns)
                values = dict(zip(columns, row, strict=True))
                assert [values[f"{date}{word}"] for date in dates] == offsets_of([values[date] for date in dates])
                different = [
                    (column, value, wanted.get(column))
                    for column, value in zip(columns[1:], row[1:], strict=True)
                    if not column.endswith(word) and not same(column, value, wanted.get(column))
                ]
                assert different == []
    if "sessions" in names:
        session_id = "sessionId" if keys == "camel" else "session_id"
        numbers = ask(path, f"SELECT {number} FROM sessions ORDER BY {number}")  # noqa: S608
        assert numbers == [(place,) for place in range(len(ask(path, "SELECT id FROM sessions")))]
        for name in set(names) - {"sessions"}:
            wrong = f"SELECT * FROM {SQL_NAMES[name]} JOIN sessions s USING ({number}) WHERE {session_id} <> s.id"  # noqa: S608
            assert ask(path, wrong) == []


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out.db"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions, 1 MB in all."""
    folder = tmp_path_factory.mktemp("large")
    parts = []
    for shape in ("dense", "long"):
        generate(shape, 500_000, folder / "part.json")
        parts.append((folder / "part.json").read_bytes())
    (folder / "large.json").write_bytes(b"\n".join(parts))
    return folder / "large.json"


# What stands in it --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("keys", ["camel", "snake"])
@pytest.mark.parametrize("sample", SAMPLES)
def test_samples_hold_what_their_ndjson_holds(target: Path, sample: str, keys: str, running: bool) -> None:
    """Every sample gives the three tables with the values of the NDJSON, under either names, with running totals or not."""
    database = load(DATA / sample, target, keys=keys, running=running)
    assert_same(target, DATA / sample, keys=keys, running=running)
    assert (database.name, database.bytes_out) == (str(target), target.stat().st_size)
    assert names(target.parent) == ["out.db"]


@pytest.mark.parametrize("keys", ["camel", "snake"])
def test_many_batches_and_sessions(target: Path, large: Path, keys: str) -> None:
    """Sessions of many batches each keep their own number."""
    load(large, target, keys=keys, running=True)
    assert_same(target, large, keys=keys, running=True)
    assert len(ask(target, "SELECT * FROM sessions")) == 2
    assert len(ask(target, "SELECT * FROM messages")) > 1000


@pytest.mark.parametrize("names", [(name,) for name in TABLES] + [TABLES[:2], TABLES[::2], TABLES[1:], TABLES[::-1]])
def test_only_the_tables_that_were_asked_for(target: Path, names: tuple[str, ...]) -> None:
    """Tables that were not asked for are neither there nor referred to."""
    load(DATA / "sessions-array.json", target, names)
    assert_same(target, DATA / "sessions-array.json", names)
    there = {SQL_NAMES[name] for name in names}
    assert {name for (name,) in ask(target, "SELECT name FROM sqlite_master WHERE type = 'table'")} == there
    for name in there:
        assert {row[2] for row in ask(target, f"PRAGMA foreign_key_list({name})")} <= there


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(sessions(), min_size=1, max_size=3), st.sampled_from(["camel", "snake"]), st.booleans())
def test_any_session_holds_what_its_ndjson_holds(
    tmp_path_factory: pytest.TempPathFactory, made: list[Any], keys: str, running: bool
) -> None:
    """Whatever is in a session stands in the database as it stands in the NDJSON."""
    target = tmp_path_factory.mktemp("any") / "out.db"
    source = b"\n".join(map(dump, made))
    load(source, target, keys=keys, running=running)
    assert_same(target, source, keys=keys, running=running)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 33])
def test_any_number_of_rows(target: Path, count: int) -> None:
    """Rows are written some at a time, and those that are left one by one."""
    source = dump(session(*(message(number, toolCalls=[tool_call(number)]) for number in range(count))))
    load(source, target)
    assert_same(target, source)


def test_keys_and_indexes(target: Path) -> None:
    """Each table has its primary key, refers to its parents, and has the indexes of what is searched for."""
    load(DATA / "session.json", target)
    found = {}
    with closing(sqlite3.connect(target)) as connection:
        for name in SQL_NAMES.values():
            columns = connection.execute(f"PRAGMA table_info({name})").fetchall()
            key = [row[1] for row in sorted(columns, key=lambda row: row[5]) if row[5]]
            parents: dict[int, tuple[str, list[str]]] = {}
            for row in connection.execute(f"PRAGMA foreign_key_list({name})").fetchall():
                assert row[3] == row[4]
                parents.setdefault(row[0], (row[2], []))[1].append(row[3])
            indexes = [row[1] for row in connection.execute(f"PRAGMA index_list({name})") if row[3] == "c"]
            indexed = [[row[2] for row in connection.execute(f'PRAGMA index_info("{index}")')] for index in indexes]
            found[name] = key, sorted(parents.values()), sorted(indexed)
    number, index = "sessionNumber", "messageIndex"
    assert found == {
        "sessions": ([number], [], [["createdAt"], ["id"]]),
        "messages": (
            [number, index],
            [("sessions", [number])],
            [["createdAt"], ["model"], ["role"], ["sessionId"]],
        ),
        "tool_calls": (
            [number, index, "toolCallIndex"],
            [("messages", [number, index]), ("sessions", [number])],
            [["messageId"], ["name"], ["sessionId"]],
        ),
    }


def test_an_index_is_used(target: Path) -> None:
    """A search by an indexed column goes through its index."""
    load(DATA / "session.json", target)
    assert "messages_role" in ask(target, "EXPLAIN QUERY PLAN SELECT * FROM messages WHERE role = 'user'")[0][3]


def test_the_schema_says_what_is_computed(target: Path) -> None:
    """The schema labels the number of the session as computed, and says how costs and sums are kept."""
    load(DATA / "session.json", target, running=True)
    for name in SQL_NAMES.values():
        ((text,),) = ask(target, f"SELECT sql FROM sqlite_master WHERE name = '{name}'")  # noqa: S608
        assert '"sessionNumber" INTEGER NOT NULL, -- computed' in text
        assert '"runningCost", -- USD: REAL' in text
        assert '"runningInputTokens" NOT NULL, -- INTEGER, or TEXT' in text
        assert '"extra" TEXT, -- JSON' in text


def test_ids_that_come_again(target: Path) -> None:
    """The same session twice, and the same message and tool call twice in it, are all there."""
    twice = message(1, toolCalls=[tool_call(1), tool_call(1)])
    source = dump([session(twice, twice), session(twice)])
    load(source, target)
    assert_same(target, source)
    assert ask(target, "SELECT sessionNumber, messageIndex, id FROM messages") == [(0, 0, "m1"), (0, 1, "m1"), (1, 0, "m1")]
    places = [(0, 0), (0, 1), (1, 0)]
    wanted = [(*place, number) for place in places for number in (0, 1)]
    assert ask(target, "SELECT sessionNumber, messageIndex, toolCallIndex FROM tool_calls") == wanted


def test_several_inputs_in_one_database(target: Path) -> None:
    """Sessions are numbered through all inputs."""
    tables = [Table(name) for name in TABLES]
    with Database(target, tables) as database:
        fill(database, DATA / "sessions-array.json")
        fill(database, DATA / "session.json")
    found = ask(target, "SELECT sessionNumber, id FROM sessions ORDER BY sessionNumber")
    ids = [row["id"] for name in ("sessions-array.json", "session.json") for row in ndjson(DATA / name, "sessions")]
    assert found == list(enumerate(ids))
    assert ask(target, "PRAGMA foreign_key_check") == []


def test_rejected_messages_keep_their_number(target: Path) -> None:
    """A message that was skipped leaves a gap in the numbers, and the keys hold."""
    source = dump(session(message(0), {"id": "bad"}, message(2, toolCalls=[tool_call()])))
    load(source, target, on_error="skip")
    assert_same(target, source, on_error="skip")
    assert ask(target, "SELECT messageIndex FROM messages") == [(0,), (2,)]


@pytest.mark.parametrize("layout", [0, 1])
def test_a_cut_input_leaves_no_row_without_its_session(tmp_path: Path, layout: int) -> None:
    """Wherever an input is cut, what is kept of it has its session's row; the last one may lack its title."""
    calls = [message(number, toolCalls=[tool_call(number)]) for number in range(3)]
    made = [session(*calls, cost=Decimal("0.1")), session(*calls, id="second")]
    if layout:  # as the SDK writes it: title and totals behind the messages
        made = [{"id": item["id"], "messages": item["messages"], **item} for item in made]
    whole = b"\n".join(map(dump, made))
    written = set()
    for end in (*range(whole.index(b"[") + 1, len(whole), 7), len(whole)):  # before that nothing is complete
        source, target = whole[:end], tmp_path / f"{end}.db"
        load(source, target, on_error="skip")
        assert_same(target, source, on_error="skip")
        written.add(len(ask(target, "SELECT * FROM messages")))
    assert written == set(range(7))


def test_a_cut_input_leaves_nothing_unless_asked(target: Path) -> None:
    """An input that is cut gives no database."""
    with pytest.raises(CutInputError):
        load(dump(session(message(0), message(1)))[:-50], target)
    assert names(target.parent) == []


@pytest.mark.parametrize(
    ("cost", "stored"),
    [
        ("0.1", 0.1),
        ("0.10", 0.1),
        ("3", 3.0),
        ("0", 0.0),
        ("-0.0", -0.0),
        ("1e-7", 1e-7),
        ("123456.789", 123456.789),
        ("9007199254740993", "9007199254740993"),
        ("1e22", 1e22),
        ("1000000000000000000000000000001", "1000000000000000000000000000001"),
        ("0.1234567890123456789", "0.1234567890123456789"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("1e400", "1E+400"),
        ("1e-400", "1E-400"),
        ("5e-324", 5e-324),
        ("1" + "0" * 400, "1" + "0" * 400),
    ],
)
def test_costs_are_never_rounded(target: Path, cost: str, stored: float | str) -> None:
    """A cost is a REAL where that is the same number, otherwise a text of its digits, declared and counted ones alike."""
    source = dump(session(message())).replace(b'"id":"m0"', b'"id":"m0","cost":' + cost.encode())
    source = source.replace(b'"id":"s"', b'"id":"s","cost":' + cost.encode())
    load(source, target)
    assert_same(target, source)
    kind = "real" if isinstance(stored, float) else "text"
    assert ask(target, "SELECT cost, typeof(cost) FROM messages") == [(stored, kind)]
    ((declared, counted),) = ask(target, "SELECT cost, countedCost FROM sessions")
    assert (type(declared), Decimal(str(declared))) == (type(stored), Decimal(cost))
    assert (type(counted), Decimal(str(counted))) == (type(stored), Decimal(cost))


def test_whole_costs_divide_as_numbers(target: Path) -> None:
    """A cost without decimals is not an integer, which SQLite would divide without remainder."""
    load(dump(session(message(cost=3))), target)
    assert ask(target, "SELECT cost / 2 FROM messages") == [(1.5,)]


def test_sums_beyond_64_bits(target: Path) -> None:
    """A token count of 64 bits is an INTEGER; a sum of such beyond 64 bits is the text of all its digits."""
    most = 2**63 - 1
    source = dump(session(message(0, inputTokens=most), message(1, inputTokens=most), promptTokens=-(2**63)))
    load(source, target, running=True)
    assert ask(target, "SELECT inputTokens, typeof(inputTokens) FROM messages") == [(most, "integer")] * 2
    assert ask(target, "SELECT runningInputTokens FROM messages") == [(most,), (str(2 * most),)]
    assert ask(target, "SELECT countedInputTokens, promptTokens, runningInputTokens FROM sessions") == [
        (str(2 * most), -(2**63), str(2 * most))
    ]


@pytest.mark.parametrize(
    "text", ["", "\0", "a\0b\0", "'\"`;--", "\r\n\t\x1b[31m", "\u2028é🙂\U0010ffff", "123", "1e5", "null"]
)
def test_texts_come_back_as_they_are(target: Path, text: str) -> None:
    """Every text comes back whole and as a text, also an empty one, one that holds NULs, and one that looks like a number."""
    call = tool_call(0, input=text, result=text, metadata=text, inputJson=text, screenshotUrls=[text])
    source = dump(session(message(0, role=text, content=text, model=text, reasoning=text, toolCalls=[call]), id=text))
    load(source, target)
    assert_same(target, source)
    row = ask(target, "SELECT sessionId, role, content, model, reasoning, typeof(content) FROM messages")
    assert row == [(text, text, text, text, text, "text")]
    ((given, result, value),) = ask(target, "SELECT input, result, inputJson FROM tool_calls")
    assert (given, result, json.loads(value)) == (text, text, text)


@pytest.mark.parametrize(
    "text", ["", "\0", "a\0b", "'", "''\"`;--", "\r\n", "\u2028é🙂\U0010ffff", "123", "?1 :a", "x" * 65]
)
@pytest.mark.parametrize("keys", ["camel", "snake"])
def test_texts_that_all_rows_share_come_back_as_they_are(target: Path, text: str, keys: str) -> None:
    """A text of all rows of a batch is in each of them, also where a later batch has others."""
    calls = [tool_call(number, id=text, name=text, type=text, inputJson=text) for number in range(2)]
    many = [message(number, role=text, model=text, toolCalls=calls) for number in range(100)]
    source = dump(session(*many, id=text)) + b"\n" + dump(session(*[message(number) for number in range(100)]))
    load(source, target, keys=keys, running=True)
    assert_same(target, source, keys=keys, running=True)
    rows = ask(target, "SELECT role, model, count(*), typeof(role) FROM messages WHERE rowid <= 100 GROUP BY 1, 2")
    assert rows == [(text, text, 100, "text")]


def test_absent_is_null_and_empty_is_empty(target: Path) -> None:
    """What is absent is NULL, and an empty text is an empty text."""
    load(dump(session(message(0, model="", reasoning=None, toolCalls=[]))), target)
    assert ask(target, "SELECT model, reasoning, toolCalls, cost FROM messages") == [("", None, "[]", None)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            b'{"b": 1.10, "a": [1e400, 123456789012345678901234567890]}',
            '{"b":1.10,"a":[1E+400,123456789012345678901234567890]}',
        ),
        (b'"text"', '"text"'),
        (b"5", "5"),
        (b"1.50", "1.50"),
        (b"false", "false"),
        (b"[]", "[]"),
        (b'"a\\nb\\u0000"', '"a\\nb\\u0000"'),
        (b"null", None),
    ],
)
def test_any_json_is_compact_text(target: Path, value: bytes, text: str | None) -> None:
    """A value of any kind is compact JSON with its digits, as a text; null is absent, as in every other output."""
    source = dump(session(message(0, toolCalls=[tool_call(0, inputJson="HERE")]))).replace(b'"HERE"', value)
    load(source, target)
    assert ask(target, "SELECT inputJson, typeof(inputJson) FROM tool_calls") == [(text, "null" if text is None else "text")]


def test_booleans_are_0_and_1(target: Path) -> None:
    """A boolean is 0 or 1, and NULL where the producer does not say."""
    calls = [tool_call(0, finished=False, isError=True), tool_call(1, finished=True)]
    load(dump(session(message(0, toolCalls=calls))), target)
    question = "SELECT finished, typeof(finished), isError, typeof(isError) FROM tool_calls"
    assert ask(target, question) == [(0, "integer", 1, "integer"), (1, "integer", None, "null")]


def test_a_session_without_messages(target: Path) -> None:
    """A session without messages has its row, and the other tables are there and empty."""
    load(dump([session(), session(message())]), target)
    assert ask(target, "SELECT sessionNumber, countedMessages FROM sessions") == [(0, 0), (1, 1)]
    assert ask(target, "SELECT sessionNumber FROM messages") == [(1,)]
    assert ask(target, "SELECT * FROM tool_calls") == []


# Its file -----------------------------------------------------------------------------------------------------------------


def test_it_appears_at_the_commit_alone(target: Path) -> None:
    """Until the commit there is one hidden file; finish makes it whole, commit gives it its name, and both can be repeated."""
    tables = [Table(name) for name in TABLES]
    database = Database(target, tables)
    fill(database, DATA / "session.json")
    (hidden,) = names(target.parent)
    assert hidden.startswith(".out.db.")
    assert database.bytes_out == 0
    database.finish()
    database.finish()
    assert names(target.parent) == [hidden]
    assert ask(target.parent / hidden, "PRAGMA integrity_check") == [("ok",)]
    assert database.bytes_out == (target.parent / hidden).stat().st_size
    database.commit()
    database.commit()
    assert names(target.parent) == ["out.db"]
    database.abort()
    assert_same(target, DATA / "session.json")
    with pytest.raises(WriteError, match="the output is committed"):
        database.add(Batch([], []))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("finished", [False, True])
def test_an_exception_leaves_nothing(target: Path, large: Path, error: type[BaseException], finished: bool) -> None:
    """Whatever ends the block early, nothing is left, and an abort can be repeated."""
    tables = [Table(name) for name in TABLES]
    with pytest.raises(error), Database(target, tables) as database:  # noqa: PT012
        fill(database, large)
        if finished:
            database.finish()
        raise error
    database.abort()
    assert names(target.parent) == []
    with pytest.raises(WriteError, match="the output is aborted"):
        database.commit()


def test_a_signal_does_not_wait_for_an_index(target: Path) -> None:
    """A signal that comes while SQLite is at work for long ends that work at once, and nothing is left."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt), Database(target, [Table("sessions")]) as database:  # noqa: PT012
            minutes = (
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100000000) SELECT max(x) FROM n"
            )
            database._tables[0][1].indexes.append(minutes)
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            started = time.monotonic()
            database.finish()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert 0.1 < time.monotonic() - started < 8
    assert names(target.parent) == []


def test_an_abort_removes_only_what_it_wrote(target: Path) -> None:
    """After an abort the old file is still there."""
    target.write_bytes(b"old")
    Database(target, [Table("messages")], force=True).abort()
    assert (names(target.parent), target.read_bytes()) == (["out.db"], b"old")


def test_an_output_that_exists(target: Path) -> None:
    """A file that exists is refused, and replaced with force, with its permissions kept."""
    target.write_bytes(b"old")
    target.chmod(0o640)
    with pytest.raises(UsageError, match="the output exists"):
        load(DATA / "session.json", target)
    assert (names(target.parent), target.read_bytes()) == (["out.db"], b"old")
    load(DATA / "session.json", target, force=True)
    assert_same(target, DATA / "session.json")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert names(target.parent) == ["out.db"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_of_a_new_file(target: Path, mask: int) -> None:
    """A new file has the permissions of every other new file."""
    before = os.umask(mask)
    try:
        load(DATA / "session.json", target)
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask


def test_a_file_that_appears_meanwhile_stays(target: Path) -> None:
    """Without force a file that somebody else wrote meanwhile is not replaced."""
    with pytest.raises(UsageError, match="the output exists"), Database(target, [Table("messages")]):
        target.write_bytes(b"theirs")
    assert (names(target.parent), target.read_bytes()) == (["out.db"], b"theirs")


def test_of_a_link_the_target_is_replaced(tmp_path: Path) -> None:
    """Through a link the file it names is written, and the link stays."""
    (tmp_path / "real.db").write_bytes(b"old")
    (tmp_path / "link.db").symlink_to("real.db")
    load(DATA / "session.json", tmp_path / "link.db", force=True)
    assert (tmp_path / "link.db").is_symlink()
    assert_same(tmp_path / "real.db", DATA / "session.json")
    assert names(tmp_path) == ["link.db", "real.db"]


def test_what_was_committed_can_be_taken_back(target: Path) -> None:
    """A file whose commit is undone is gone, but where an old one was replaced the new one stays; before the commit nothing happens."""
    for old in (False, True):
        tables = [Table(name) for name in TABLES]
        database = Database(target, tables, force=old)
        fill(database, DATA / "session.json")
        database.undo_commit()
        database.commit()
        assert_same(target, DATA / "session.json")
        database.undo_commit()
        database.undo_commit()
        assert names(target.parent) == ["out.db"] * old
        if not old:
            target.write_bytes(b"old")


@pytest.mark.parametrize("given", ["-", io.BytesIO()])
def test_a_stream_is_refused(given: Any) -> None:
    """Standard output and file objects are refused, with what to do instead."""
    with pytest.raises(UsageError, match="can't be written to a stream; name a file"):
        Database(given, [Table("messages")])


def test_a_url_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite needs a file it can seek in, so a URL is refused with what to do instead."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="can't be written to a URL; write a file, and copy it there"):
        Database("s3://bucket/out.db", [Table("messages")])
    assert names(tmp_path) == []


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    """A device, a pipe and a folder are refused at once, even with force, and stay what they are."""
    os.mkfifo(tmp_path / "pipe.db")
    for path, text in [
        ("/dev/full", "a device or a pipe"),
        (tmp_path / "pipe.db", "a device or a pipe"),
        (tmp_path, "folder"),
    ]:
        with pytest.raises(UsageError, match=text):
            Database(path, [Table("messages")], force=True)
    assert stat.S_ISFIFO((tmp_path / "pipe.db").stat().st_mode)
    assert names(tmp_path) == ["pipe.db"]


def test_the_input_is_refused(tmp_path: Path) -> None:
    """The input is never overwritten."""
    (tmp_path / "in.json").write_bytes(b"{}")
    with pytest.raises(UsageError, match="the output is the input"):
        Database(tmp_path / "in.json", [Table("messages")], force=True, origin=Origin(str(tmp_path / "in.json")))
    assert (tmp_path / "in.json").read_bytes() == b"{}"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A folder that is not there is an error of the system."""
    with pytest.raises(WriteError, match="its folder does not exist"):
        Database(tmp_path / "none" / "out.db", [Table("messages")])


@pytest.mark.parametrize("suffix", ["-journal", "-wal"])
def test_an_old_databases_journal_is_refused(target: Path, suffix: str) -> None:
    """A journal beside the output is refused at the start and at the end, since SQLite would play it into the new one."""
    journal = Path(f"{target}{suffix}")
    journal.write_bytes(b"old")
    with pytest.raises(UsageError, match=r"journal of an old database is beside the output: .*; close the program"):
        Database(target, [Table("messages")])
    assert names(target.parent) == [journal.name]
    with pytest.raises(UsageError, match="journal of an old database"):
        Database(f"file://{target}", [Table("messages")])
    journal.unlink()
    with pytest.raises(UsageError, match="journal of an old database"), Database(target, [Table("messages")]):
        journal.write_bytes(b"old")
    assert names(target.parent) == [journal.name]


@pytest.mark.parametrize("name", ["file:out.db?mode=memory", "a?b#c%41 é.db", os.fsdecode(b"\xff.db"), "x" * 250 + ".db"])
def test_any_file_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A name is a name, whatever SQLite, URLs or UTF-8 make of it."""
    monkeypatch.chdir(tmp_path)
    load(DATA / "session.json", Path(name))
    assert names(tmp_path) == [name]
    assert (tmp_path / name).read_bytes().startswith(b"SQLite format 3\0")


def test_an_ordinary_database(target: Path) -> None:
    """Whoever opens it finds a database with the usual journal, UTF-8, and nothing to check or to recover."""
    load(DATA / "session.json", target)
    target.chmod(0o444)
    assert ask(target, "PRAGMA journal_mode") == [("delete",)]
    assert ask(target, "PRAGMA encoding") == [("UTF-8",)]
    assert names(target.parent) == ["out.db"]


# Where the system fails ---------------------------------------------------------------------------------------------------

LOAD = """
import resource, signal, sys
from pathlib import Path
from exportstream import WriteError
from tests.writing.test_database import load
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})) if {limit} else None
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    load(sys.argv[1], Path(sys.argv[2]), force=True)
except WriteError as error:
    sys.exit(f"{{error}}")
"""


def run(source: Path, target: Path, *, limit: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    code = LOAD.format(limit=limit)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, source, target],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("kilobytes", [4, 64, 1024, 1300])
def test_disk_full(tmp_path: Path, large: Path, kilobytes: int) -> None:
    """Where the disk is full, at the first page or at the last, nothing is left, and an old file stays as it was."""
    load(large, tmp_path / "whole.db")
    assert (tmp_path / "whole.db").stat().st_size > 1300 * 1024
    with small_disk(tmp_path / "small", f"{kilobytes}k") as disk:
        with pytest.raises(WriteError, match=r"out\.db: SQLite says: database or disk is full") as caught:
            load(large, disk / "out.db")
        assert exit_code(caught.value) == 4
        assert isinstance(caught.value.__cause__, sqlite3.Error)
        assert names(disk) == []
        (disk / "out.db").write_bytes(b"old")
        with pytest.raises(WriteError):
            load(large, disk / "out.db", force=True)
        assert (names(disk), (disk / "out.db").read_bytes()) == (["out.db"], b"old")


def test_a_write_that_fails_anywhere(tmp_path: Path, large: Path) -> None:
    """Wherever the limit on file size cuts a write, there is an error of ours, and nothing is left but the old file."""
    target = tmp_path / "out" / "out.db"
    target.parent.mkdir()
    load(large, target)
    whole = target.read_bytes()
    for limit in (1, 5000, *(len(whole) * eighth // 8 for eighth in range(1, 8)), len(whole) - 1):
        done = run(large, target, limit=limit)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"{target}: SQLite says: disk I/O error")
        assert (names(target.parent), target.read_bytes()) == (["out.db"], whole)
    assert run(large, target, limit=len(whole)).returncode == 0


def test_no_room_for_temporary_files(tmp_path: Path) -> None:
    """Where the indexes can't be sorted for lack of room, the error says which folder that is about."""
    messages = ",".join(dump(message(number)).decode() for number in range(30_000))
    (tmp_path / "in.json").write_text(f'{{"id":"{"s" * 200}","title":"t","messages":[{messages}]}}')  # an index of 6 MB
    (tmp_path / "out").mkdir()
    with small_disk(tmp_path / "small", "64k") as disk:
        done = run(tmp_path / "in.json", tmp_path / "out" / "out.db", SQLITE_TMPDIR=str(disk))
        assert done.returncode == 1
        assert (
            "disk is full; indexes are sorted in temporary files too: SQLITE_TMPDIR names a folder for those\n"
            in done.stderr
        )
        assert (names(disk), names(tmp_path / "out")) == ([], [])


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the limit can't be set")
@pytest.mark.parametrize("before", [1, 15, 16, 19])  # those of one statement, and those that follow one by one
@pytest.mark.parametrize("name", TABLES)
def test_a_row_that_is_too_large_for_sqlite(target: Path, name: str, before: int) -> None:
    """A row beyond SQLite's limit is named in the error, and nothing is left."""
    earlier = [message(number, toolCalls=[tool_call(number)]) for number in range(before)]
    calls = [tool_call(before), tool_call(before + 1, result="x" * 5000)]
    source = dump(session(*earlier, message(before, toolCalls=calls), message(before + 1), extraKey="x" * 5000))
    tables = [Table(name)]
    with pytest.raises(LimitError, match=r"string or blob too big.*choose another format") as caught:  # noqa: PT012, SIM117
        with Database(target, tables) as database:
            assert database._connection is not None
            database._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 5000)
            fill(database, source)
    assert caught.value.where == ("session s" if name == "sessions" else f"session s, message {before}")
    assert names(target.parent) == []


def test_a_python_without_sqlite() -> None:
    """A Python that was built without SQLite gets an error for people."""
    code = "import sys; sys.modules['sqlite3'] = None; import exportstream.writing.formats.sqlite"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "UsageError: SQLite output needs sqlite3, which this Python was built without" in done.stderr


MEASURED = """
import sys
from exportstream.writing.formats.sqlite import Database
from exportstream.reading.export import Export
from exportstream.writing.tables import Table
from exportstream.writing.writers import Origin
from exportstream.writing.selection import TABLES
tables = [Table(name) for name in TABLES]
with Export(sys.argv[1], session_totals=True) as export, Database(sys.argv[2], tables) as database:
    for batch in export.batches():
        database.add(batch)
"""


@pytest.mark.parametrize("shape", ["long", "dense"])
def test_peak_memory_does_not_grow_with_the_input(tmp_path: Path, shape: str) -> None:
    """Five times the input takes at most a tenth more memory, and the 2 MB in which indexes are sorted are full only then."""
    generate(shape, 6_000_000, tmp_path / "small.json")
    repeat(tmp_path / "small.json", tmp_path / "large.json", 5)
    small, large = (peak(MEASURED, tmp_path / f"{name}.json", tmp_path / f"{name}.db") for name in ("small", "large"))
    assert large <= 1.1 * small + 2_000_000
