"""Prices in rows: cost is filled where none was recorded, costSource says so, and totals stay apart."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exportstream import convert, merge_many
from tests.kit.documents import dump, message, session
from tests.kit.files import cells, rows

MESSAGES = [
    message(0, role="user"),
    message(
        1,
        model="a",
        inputTokens=1000,
        cost=Decimal("0.10"),
        toolCalls=[{"id": "c", "name": "n", "input": "", "type": "t", "finished": True}],
    ),
    message(
        2,
        model="a",
        inputTokens=1000,
        outputTokens=500,
        toolCalls=[{"id": "d", "name": "n", "input": "", "type": "t", "finished": True}],
    ),
    message(3, model="b", inputTokens=1000),
]
EXPECTED = [(None, None), (Decimal("0.10"), "recorded"), (Decimal("0.002"), "priced"), (None, None)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with an export and a price list that has one of its two models."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prices.toml").write_text('[[price]]\nmodel = "a"\ninput = 1\noutput = 2\n')
    (tmp_path / "in.json").write_bytes(dump(session(*MESSAGES)))
    return tmp_path


def found(rows: list[dict[str, Any]], source: str = "costSource") -> list[tuple[Any, Any]]:
    return [(row.get("cost"), row.get(source)) for row in rows]


@pytest.mark.parametrize("options", [{}, {"running_totals": True}, {"flat": True}])
def test_rows_say_where_their_cost_is_from(folder: Path, options: dict[str, Any]) -> None:
    """A recorded cost keeps its digits, a price takes the place of none, and a model without a price has neither."""
    done = convert("in.json", "out.ndjson", prices="prices.toml", **options)
    assert found(rows(Path("out.ndjson"))) == EXPECTED
    assert (done.totals.counted.cost.sum, done.totals.priced.cost.sum) == (Decimal("0.10"), Decimal("0.002"))


def test_every_format_has_the_column(folder: Path) -> None:
    """CSV, Parquet and SQLite have the same costs; the rows add up to the totals by source."""
    import sqlite3  # noqa: PLC0415

    import duckdb  # noqa: PLC0415

    convert("in.json", "out.csv", prices="prices.toml", keys="snake")
    assert found(cells(Path("out.csv").read_bytes()), source="cost_source") == [
        ("", ""),
        ("0.10", "recorded"),
        ("0.002", "priced"),
        ("", ""),
    ]
    convert("in.json", "out.parquet", prices="prices.toml")
    sums = duckdb.sql(
        "select costSource, sum(cost) from 'out.parquet' where cost is not null group by 1 order by 1"
    ).fetchall()
    assert sums == [("priced", Decimal("0.002")), ("recorded", Decimal("0.10"))]
    convert("in.json", "out.db", prices="prices.toml")
    with closing(sqlite3.connect("out.db")) as connection:
        stored = connection.execute("select cost, costSource from messages").fetchall()
    assert stored == [(None, None), (0.1, "recorded"), (0.002, "priced"), (None, None)]


def test_running_totals_and_sessions_count_recorded_costs_only(folder: Path) -> None:
    """Prices are in no running total and in no row of a session, whatever tables are written beside the messages."""
    convert("in.json", "out.ndjson", prices="prices.toml", table="all", running_totals=True)
    assert found(rows(Path("out.messages.ndjson"))) == EXPECTED
    for table in ("messages", "tool-calls", "sessions"):
        assert rows(Path(f"out.{table}.ndjson"))[-1]["runningCost"] == Decimal("0.10")
    assert rows(Path("out.sessions.ndjson"))[0]["countedCost"] == Decimal("0.10")


def test_the_column_can_be_chosen_and_is_there_with_prices_only(folder: Path) -> None:
    """--columns takes costSource where prices are; without them rows are as before."""
    convert("in.json", "out.ndjson", prices="prices.toml", columns="costSource,cost")
    assert [list(row.values()) for row in rows(Path("out.ndjson"))] == [
        [],
        ["recorded", Decimal("0.10")],
        ["priced", Decimal("0.002")],
        [],
    ]
    with pytest.raises(ValueError, match="costSource"):
        convert("in.json", "none.ndjson", columns="costSource,cost")
    convert("in.json", "plain.ndjson")
    assert found(rows(Path("plain.ndjson"))) == [(None, None), (Decimal("0.10"), None), (None, None), (None, None)]


def test_merged_inputs_have_prices_too(folder: Path) -> None:
    """A merge prices each row, and its totals are the sums."""
    done = merge_many(["in.json", "in.json", "."], "all.ndjson", prices="prices.toml")
    assert found(rows(Path("all.ndjson"))) == EXPECTED
    assert done.totals.priced.cost.sum == Decimal("0.002")
