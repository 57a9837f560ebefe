"""Chosen columns: the same values in every format, in the order that was asked for, and flat rows."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from exportstream import UsageError, WriteOptions, convert, merge_many
from exportstream.models.dates import offsets_of
from exportstream.writing.options import split_names
from exportstream.writing.selection import TABLES
from exportstream.writing.tables import Table, check_columns
from tests.kit.columns import new_table
from tests.kit.documents import dump, message, session, tool_call
from tests.kit.files import DATA, SAMPLES, cells, lines
from tests.kit.readings import converted

SAMPLE = DATA / "session-with-usage.json"


def names_of(table: str, **options: Any) -> list[str]:
    """The names of the columns of a table."""
    return [column.name for part in new_table(table, **options).columns for column in part]


def refused(tables: tuple[str, ...], **options: Any) -> str:
    """What is said of names that are refused."""
    chosen = {name: split_names(value, name) for name, value in options.items()}
    with pytest.raises(UsageError) as caught:
        check_columns(tables, WriteOptions(**chosen))
    return str(caught.value)


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("keys", ["camel", "snake"])
@pytest.mark.parametrize("form", ["ndjson", "csv"])
@pytest.mark.parametrize("running", [False, True], ids=["", "running"])
def test_all_columns_are_the_plain_output(sample: str, table: Any, keys: Any, form: Any, running: bool) -> None:
    """Rows made by choice of the usual columns are, byte by byte, those that are written without a choice."""
    options: dict[str, Any] = {"table": table, "keys": keys, "format": form, "running_totals": running}
    assert converted(DATA / sample, columns="*", **options) == converted(DATA / sample, **options)


@pytest.mark.parametrize("keys", ["camel", "snake"])
def test_every_format_has_the_chosen_columns_in_their_order(tmp_path: Path, keys: Any) -> None:
    """NDJSON, CSV and Parquet have just the chosen columns with their values; SQLite has its key before them."""
    chosen = ["role", "content", "sessionId"] if keys == "camel" else ["role", "content", "session_id"]
    plain = [{name: row[name] for name in chosen} for row in lines(converted(SAMPLE, keys=keys))]
    options: dict[str, Any] = {"columns": chosen, "keys": keys}
    rows = lines(converted(SAMPLE, **options))
    assert (rows, list(rows[0])) == (plain, chosen)
    rows = cells(converted(SAMPLE, format="csv", **options))
    assert (rows, list(rows[0])) == (plain, chosen)
    convert(SAMPLE, tmp_path / "a.parquet", **options)
    table = parquet.read_table(tmp_path / "a.parquet")
    assert (table.to_pylist(), table.column_names) == (plain, chosen)
    convert(SAMPLE, tmp_path / "a.db", table="messages", **options)
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        cursor = connection.execute("select * from messages")
        key = ["sessionNumber", "messageIndex"] if keys == "camel" else ["session_number", "message_index"]
        assert [column[0] for column in cursor.description] == [*key, *chosen]
        assert [row[2:] for row in cursor] == [tuple(row.values()) for row in plain]


@pytest.mark.parametrize("form", ["ndjson", "csv", "parquet", "db"])
@pytest.mark.parametrize("name", ["id", "toolCalls", "cost", "createdAt", "extra"])
def test_a_single_column(tmp_path: Path, form: str, name: str) -> None:
    """One column alone is written as it is among the others."""
    for columns, path in ((name, "one"), (None, "all")):
        convert(SAMPLE, tmp_path / f"{path}.{form}", table="messages", columns=columns)
    one, all_ = (tmp_path / f"{path}.{form}" for path in ("one", "all"))
    if form == "ndjson":
        assert lines(one.read_bytes()) == [{k: v for k, v in row.items() if k == name} for row in lines(all_.read_bytes())]
    elif form == "csv":
        assert [row[name] for row in cells(one.read_bytes())] == [row[name] for row in cells(all_.read_bytes())]
        assert one.read_bytes().startswith(f'"{name}"\n'.encode())
    elif form == "parquet":
        table = parquet.read_table(one)
        assert table.column_names[0] == name
        assert table == parquet.read_table(all_).select(table.column_names)
    else:
        found = []
        for path in (one, all_):
            with closing(sqlite3.connect(path)) as connection:
                found.append(connection.execute(f'select "{name}" from messages').fetchall())  # noqa: S608
        assert found[0] == found[1]


@pytest.mark.parametrize("keys", ["camel", "snake"])
@pytest.mark.parametrize("form", ["ndjson", "csv", "parquet", "db"])
def test_fields_of_tool_calls_are_left_out(tmp_path: Path, keys: Any, form: str) -> None:
    """Without some fields of tool calls the others stay as they are, in each format."""
    convert(SAMPLE, tmp_path / f"a.{form}", table="messages", keys=keys, without="toolCalls.result,tool_calls.inputJson")
    calls, gone = ("toolCalls", {"result", "inputJson"}) if keys == "camel" else ("tool_calls", {"result", "input_json"})
    plain = [row.get(calls) for row in lines(converted(SAMPLE, keys=keys))]
    assert any(gone <= call.keys() for row in plain for call in row or ())
    wanted = [row and [{k: v for k, v in call.items() if k not in gone} for call in row] for row in plain]
    path = tmp_path / f"a.{form}"
    if form == "ndjson":
        found = [row.get(calls) for row in lines(path.read_bytes())]
    elif form == "csv":
        found = [json.loads(row[calls]) if row[calls] else None for row in cells(path.read_bytes())]
    elif form == "parquet":
        found = parquet.read_table(path)[calls].to_pylist()
        found = [row and [{k: v for k, v in call.items() if v is not None} for call in row] for row in found]
    else:
        with closing(sqlite3.connect(path)) as connection:
            found = [text and json.loads(text) for (text,) in connection.execute(f"select {calls} from messages")]  # noqa: S608
    assert found == wanted


@pytest.mark.parametrize(
    ("columns", "without", "expected"),
    [
        ("id,role", (), ["id", "role"]),
        ("role,*", (), ["role", "sessionId", "messageIndex", "id", "content"]),
        ("*,file", ("cost", "extra"), [*(n for n in names_of("messages") if n not in ("cost", "extra")), "file"]),
        ("session_number, id", (), ["sessionNumber", "id"]),
        ("messages.id,tool-calls.name,sessions.*", (), ["id"]),
        ("id,id,role,id", (), ["id", "role"]),
        ("id,role", ("role", "sessions.id"), ["id"]),
    ],
)
def test_names(columns: str, without: tuple[str, ...], expected: list[str]) -> None:
    """Names are columns in either spelling or of one table; * is the usual ones, and each column comes once."""
    found = names_of("messages", columns=split_names(columns, "columns"), without=without)
    assert found[: len(expected)] == expected
    assert len(found) == len(set(found))
    if "*" not in columns:
        assert found == expected


def test_a_plain_name_counts_for_each_table_that_has_it() -> None:
    """With several tables a name without a table is taken in each that has it, and passed over in the others."""
    options: dict[str, Any] = {"columns": ("id", "messageId", "title")}
    assert [names_of(table, **options) for table in TABLES] == [["id"], ["id", "messageId"], ["id", "title"]]


def test_names_that_do_not_exist_list_those_that_do() -> None:
    """An unknown column is an error that names the nearest one, or lists the columns of each table that is written."""
    wrong = "expected `columns` to name columns that are written"
    assert f"{wrong}, got 'titel'; did you mean title?" in refused(("messages", "sessions"), columns="id,titel")
    said = refused(("messages", "sessions"), columns="id,zzz")
    assert f"{wrong}, got 'zzz'; messages: sessionId, messageIndex" in said
    assert "sessions: id, title" in said
    for name, option in (("costSource", "prices"), ("running_cost", "running_totals")):
        assert refused(("messages",), columns=name).endswith(f"got '{name}'; it goes with `{option}`")
    assert "file, sessionNumber" in said
    assert "got 'messageId'" in refused(("messages",), without="messageId")
    assert "got 'sessions.id'" in refused(("messages",), columns="sessions.id")
    assert "got 'extra.x'" in refused(("messages",), without="extra.x")
    assert "got '*'" in refused(("messages",), without="*")
    assert "got ''" in refused(("messages",), columns="id,")
    assert "runningCost" in refused(("messages",), columns="runningCost")


def test_choices_that_make_no_sense() -> None:
    """A choice that leaves a table without columns, or tool calls without fields, says which, and what to do."""
    said = refused(("messages", "tool-calls"), columns="role")
    assert "`columns` leaves no column of tool-calls; name one, such as tool-calls.*, or choose other tables" in said
    assert "`without` leaves no column of sessions" in refused(("sessions",), without=",".join(names_of("sessions")))
    fields = ",".join(f"toolCalls.{column.name}" for column in Table("messages").columns[0][9].fields)
    assert "leave toolCalls itself out" in refused(("messages",), without=fields)
    assert "its fields are id, name, type" in refused(("messages",), without="toolCalls.id,toolCalls.nme")
    assert "`without` takes fields" in refused(("messages",), columns="toolCalls.id")


def test_running_totals_can_be_chosen() -> None:
    """With running totals their columns are among those that can be chosen, and have the same values."""
    plain = lines(converted(SAMPLE, running_totals=True))
    rows = lines(converted(SAMPLE, running_totals=True, columns="runningMessages,id"))
    assert rows == [{"runningMessages": row["runningMessages"], "id": row["id"]} for row in plain]
    assert list(rows[0]) == ["runningMessages", "id"]


MANY = dump(session(message(0, toolCalls=[tool_call(0)]), message(1), id="same"))
OTHER = dump([session(message(0), id="x"), session(id="none"), session(message(0, toolCalls=[tool_call(0)]), id="same")])
PLACES = {
    "messages": [("a.json", 0)] * 2 + [("b.json", 1), ("b.json", 3)],
    "tool-calls": [("a.json", 0), ("b.json", 3)],
    "sessions": [("a.json", 0), ("b.json", 1), ("b.json", 2), ("b.json", 3)],
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("form", ["ndjson", "csv", "parquet", "db"])
@pytest.mark.parametrize("running", [False, True], ids=["", "running"])
def test_rows_of_a_merge_have_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: Any, form: str, running: bool
) -> None:
    """In a merge each row has its input's name and the number of its session, after the usual columns, in every format."""
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_bytes(MANY)
    Path("b.json").write_bytes(OTHER)
    merge_many(["a.json", "b.json"], f"all.{form}", table=table, running_totals=running)
    usual, more = names_of(table), names_of(table, running=running)[len(names_of(table)) :]
    data = Path(f"all.{form}").read_bytes()
    if form == "ndjson":
        rows: list[dict[str, Any]] = lines(data)
        assert all(list(row)[-2:] == ["file", "sessionNumber"] for row in rows if not running)
    elif form == "csv":
        rows = [row | {"sessionNumber": int(row["sessionNumber"])} for row in cells(data)]
        assert list(rows[0]) == [*usual, "file", "sessionNumber", *more]
    elif form == "parquet":
        found = parquet.read_table(io.BytesIO(data))
        rows = found.to_pylist()
        assert found.column_names.index("file") > found.column_names.index("extra")
    else:
        with closing(sqlite3.connect(f"all.{form}")) as connection:
            connection.row_factory = sqlite3.Row
            rows = list(map(dict, connection.execute(f"select * from {table.replace('-', '_')}")))  # noqa: S608
        assert next(iter(rows[0])) == "sessionNumber"
    assert [(row["file"], row["sessionNumber"]) for row in rows] == PLACES[table]


def test_the_name_of_a_file_is_data() -> None:
    """Secrets of a URL, and characters that no text can hold, are not in the column; bytes have a name too."""
    source = io.BytesIO(MANY)
    source.name = "https://me:secret@host/a.json?token=secret"
    assert {row["file"] for row in lines(converted(source, columns="file"))} == {"https://***@host/a.json?token=***"}
    source = io.BytesIO(MANY)
    source.name = "a\udcff.json"
    assert {row["file"] for row in lines(converted(source, columns="file"))} == {"a\\udcff.json"}
    assert {row["file"] for row in lines(converted(MANY, columns="file"))} == {"<bytes>"}


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("keys", ["camel", "snake"])
def test_flat_rows_hold_what_the_others_hold(sample: str, table: Any, keys: Any) -> None:
    """Flat rows have every column and field, and without their nulls and their JSON as text they are the plain rows."""
    plain = lines(converted(DATA / sample, table=table, keys=keys))
    flat = lines(converted(DATA / sample, table=table, keys=keys, flat=True))
    fields = [column.name for column in new_table("messages", keys=keys).columns[0][9].fields]
    texts = {"extra", "inputJson", "input_json"}

    def unflat(row: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, value in row.items():
            if name in texts and value is not None:
                assert isinstance(value, str)
                made[name] = lines(value.encode())[0]
            elif name in ("toolCalls", "tool_calls") and value is not None:
                assert all(list(call) == fields for call in value)
                made[name] = [unflat(call) for call in value]
            elif value is not None or (name in always):
                made[name] = value
        return made

    always = {"createdAt", "updatedAt", "created_at", "updated_at"} if table != "sessions" else {"title"}
    assert [list(row) for row in flat] == [names_of(table, keys=keys)] * len(plain)
    assert [unflat(row) for row in flat] == plain


def test_flat_goes_with_columns() -> None:
    """Flat rows may be of chosen columns and without some fields."""
    rows = lines(converted(SAMPLE, flat=True, columns="cost,toolCalls", without="toolCalls.input"))
    assert [list(row) for row in rows] == [["cost", "toolCalls"]] * 6
    assert next(call["inputJson"] for row in rows for call in row["toolCalls"] or ()) == '{"pattern":"data/**/*.csv"}'
    assert all("input" not in call for row in rows for call in row["toolCalls"] or ())


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("2025-10-03T10:00:01+05:30", "+05:30"),
        ("2025-10-03T10:00:01.123456789-09:00", "-09:00"),
        ("2025-10-03T10:00:01Z", "Z"),
        ("2025-10-03t10:00:01z", "Z"),
        ("2025-10-03T10:00:01+00:00", "+00:00"),
        ("2025-10-03T10:00:01+0530", "+05:30"),
        ("2025-10-03T10:00:01", None),
        ("2025-10-03", None),
        ("2025-02-30T10:00:01+05:30", None),
        ("yesterday+05:30", None),
        ("", None),
        (None, None),
    ],
)
def test_offsets(tmp_path: Path, text: str | None, offset: str | None) -> None:
    """Parquet and SQLite have the offset that a date-time is written with, alone and among others; null if it has none."""
    assert offsets_of([text]) == [offset]
    data = dump(session(message(0, createdAt=text), message(1, createdAt="2025-01-01T00:00:00-01:00")))
    convert(data, tmp_path / "a.parquet")
    assert parquet.read_table(tmp_path / "a.parquet")["createdAtOffset"].to_pylist() == [offset, "-01:00"]
    convert(data, tmp_path / "a.db")
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        found = connection.execute("select createdAt, createdAtOffset, updatedAtOffset from messages").fetchall()
    assert found == [(text, offset, "+05:30"), ("2025-01-01T00:00:00-01:00", "-01:00", "+05:30")]
