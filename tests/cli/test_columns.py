"""Columns through the command: --columns, --without, --flat, and the place of the rows of a merge."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import polars as pl
import pytest

from tests.kit.command import run, said
from tests.kit.documents import dump, message, session, tool_call
from tests.kit.files import DATA, cells, lines, names, rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds an export of six messages."""
    shutil.copy(DATA / "session-with-usage.json", tmp_path / "session.json")
    return tmp_path


def test_columns_and_without(folder: Path) -> None:
    """--columns takes names with commas, more than once, in the order of the output; --without leaves out of them."""
    done = run("convert", "session.json", "-o", "a.csv", "--columns", "role,id", "--columns", "*", cwd=folder)
    assert done.returncode == 0
    assert list(cells((folder / "a.csv").read_bytes())[0])[:4] == ["role", "id", "sessionId", "messageIndex"]
    arguments = ["--columns", "id,role,toolCalls", "--without", "role,toolCalls.result", "--without", "toolCalls.input"]
    done = run("convert", "session.json", "-o", "-", "--quiet", *arguments, cwd=folder)
    assert done.returncode == 0
    found = lines(done.stdout)
    assert {key for row in found for key in row} == {"id", "toolCalls"}
    assert {"result", "input"}.isdisjoint(key for row in found for call in row.get("toolCalls", ()) for key in call)


def test_an_unknown_column_names_the_nearest_one(folder: Path) -> None:
    """A column that does not exist is exit 2, in the words of the option, before anything is written; else all are listed."""
    for option in ("--columns", "--without"):
        wrong = f"exportstream: expected {option} to name columns that are written"
        done = run("convert", "session.json", "-o", "a.csv", option, "id,rolle", cwd=folder)
        assert (done.returncode, said(done)) == (2, [f"{wrong}, got 'rolle'; did you mean role?"])
        done = run("convert", "session.json", "-o", "a.csv", option, "id,zzz", cwd=folder)
        assert said(done)[0].startswith(f"{wrong}, got 'zzz'; messages: sessionId, ")
    done = run("convert", "session.json", "-o", "a.db", "--columns", "role", cwd=folder)
    assert done.returncode == 2
    assert "--columns leaves no column of tool-calls" in said(done)[0]
    assert "--table" in said(done)[0]
    done = run("convert", "session.json", "session.json", "-o", "rows/", "--columns", "rolle", cwd=folder)
    assert (done.returncode, names(folder)) == (2, ["session.json"])


def test_running_totals_that_no_column_shows(folder: Path) -> None:
    """--running-totals with columns that have none of them is refused; those that are named are written."""
    options = ["-o", "-", "--quiet", "--running-totals", "--columns"]
    done = run("convert", "session.json", *options, "id,cost", cwd=folder)
    assert (done.returncode, done.stdout) == (2, b"")
    assert "--columns leaves no column of --running-totals; name one, such as running_cost" in said(done)[0]
    done = run("convert", "session.json", *options, "id,runningMessages", cwd=folder)
    assert [row["runningMessages"] for row in lines(done.stdout)] == [1, 2, 3, 4, 5, 6]


def test_columns_of_several_tables_and_inputs(folder: Path) -> None:
    """TABLE.COLUMN counts for that table; several inputs get the columns too, in worker processes as well."""
    arguments = ["--columns", "file,sessions.title,id", "--without", "tool-calls.file", "--table", "all"]
    shutil.copy(folder / "session.json", folder / "b.json")
    done = run("convert", "session.json", "b.json", "-o", "rows/", *arguments, "--jobs", "2", cwd=folder)
    assert done.returncode == 0
    assert [list(rows(folder / "rows" / table / "b.ndjson.zst")[0]) for table in ("messages", "tool-calls", "sessions")] == [
        ["file", "id"],
        ["id"],
        ["file", "title", "id"],
    ]
    assert {row["file"] for row in rows(folder / "rows" / "messages" / "b.ndjson.zst")} == {"b.json"}


def test_flat_is_for_ndjson(folder: Path) -> None:
    """--flat writes every column; with another format it is exit 2."""
    done = run("convert", "session.json", "-o", "-", "--flat", "--quiet", cwd=folder)
    assert done.returncode == 0
    assert {len(row) for row in lines(done.stdout)} == {29}
    done = run("convert", "session.json", "-o", "a.csv", "--flat", cwd=folder)
    assert done.returncode == 2
    assert "--flat goes with NDJSON output only" in said(done)[0]


def test_joins_of_a_merge_are_safe(folder: Path) -> None:
    """The same session in two inputs: a join by file or number and index finds each message once, by its id twice."""
    shutil.copy(folder / "session.json", folder / "again.json")
    assert (
        run("convert", "session.json", "again.json", "--merge", "-o", "all.parquet", "--table", "all", cwd=folder).returncode
        == 0
    )
    join = "select count(*) from '{0}/all.messages.parquet' m join '{0}/all.tool-calls.parquet' c using ({1}, messageIndex)"
    found = [duckdb.sql(join.format(folder, key)).fetchall()[0] for key in ("sessionNumber", "file", "sessionId")]
    assert found == [(6,), (6,), (12,)]
    assert run("convert", "session.json", "again.json", "--merge", "-o", "all.db", cwd=folder).returncode == 0
    with closing(sqlite3.connect(folder / "all.db")) as connection:
        query = "select sessionNumber, file, count(*) from messages group by 1, 2 order by 1"
        assert connection.execute(query).fetchall() == [(0, "session.json", 6), (1, "again.json", 6)]


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an export whose keys come late: after row 25,000 each column has a value, of another type where it may."""
    folder = tmp_path_factory.mktemp("late")
    plain = [message(n, cost=0, toolCalls=[tool_call(0, inputJson={"a": 1})]) for n in range(25_000)]
    calls = [tool_call(0, inputJson=[1, "x"], result="r", isError=True, screenshotUrls=["u"], metadata="m", later=1)]
    more = {"model": "late", "reasoning": "why", "inputTokens": 7, "cost": 0.5, "thinkingBlocks": ["t"], "other": {"x": [1]}}
    (folder / "late.json").write_bytes(dump(session(*plain, message(25_000, toolCalls=calls, **more))))
    for name, options in (("flat.ndjson", ["--flat"]), ("late.parquet", [])):
        assert run("convert", "late.json", "-o", name, *options, cwd=folder).returncode == 0
    return folder


def test_keys_that_come_late_are_read_by_duckdb(late: Path) -> None:
    """The recipes for DuckDB, Parquet and flat NDJSON, find a value that comes after its sample, also in a tool call."""
    for source in ("'{0}/late.parquet'", "read_json('{0}/flat.ndjson', sample_size = -1)"):
        query = (
            "select model, reasoning, inputTokens, cost::double, thinkingBlocks, extra, toolCalls[1].result,"  # noqa: S608
            " toolCalls[1].inputJson, toolCalls[1].isError, toolCalls[1].extra, toolCalls[1].screenshotUrls"
            f" from {source.format(late)} where id = 'm25000'"
        )
        found = duckdb.sql(query).fetchall()
        assert found == [
            ("late", "why", 7, 0.5, ["t"], '{"other":{"x":[1]}}', "r", '[1,"x"]', True, '{"later":1}', ["u"])
        ], source
        sums = f"select sum(cost)::double, count(*) from {source.format(late)}"  # noqa: S608
        assert duckdb.sql(sums).fetchall() == [(0.5, 25_001)]


def test_keys_that_come_late_are_read_by_polars(late: Path) -> None:
    """The recipes for Polars, Parquet and flat NDJSON, find a value that comes after the rows that it infers from."""
    for frame in (
        pl.scan_parquet(late / "late.parquet"),
        pl.scan_ndjson(late / "flat.ndjson", infer_schema_length=None),
    ):
        found = frame.filter(pl.col("id") == "m25000").collect().to_dicts()[0]
        (call,) = found["toolCalls"]
        assert (found["model"], found["inputTokens"], float(found["cost"])) == ("late", 7, 0.5)
        assert (found["thinkingBlocks"], json.loads(found["extra"])) == (["t"], {"other": {"x": [1]}})
        assert (call["result"], call["isError"], json.loads(call["inputJson"])) == ("r", True, [1, "x"])
        assert json.loads(call["extra"]) == {"later": 1}
