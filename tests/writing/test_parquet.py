"""Parquet: files that pyarrow, DuckDB, Polars and pandas read back as the NDJSON of the same input, with typed columns."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from benchmarks.generate import generate
from exportstream import LimitError, UsageError
from exportstream.models.dates import parse_instant
from exportstream.models.names import snake_types
from exportstream.models.structs import Message, ToolCall
from exportstream.reading.export import Export
from exportstream.writing.formats.ndjson import NDJSON
from exportstream.writing.formats.parquet import ROW_GROUP, Parquet
from exportstream.writing.selection import TABLES
from exportstream.writing.tables import Table
from tests.kit.columns import new_table
from tests.kit.command import peak
from tests.kit.documents import dump, message, session, sessions, tool_call
from tests.kit.files import DATA, SAMPLES
from tests.kit.readings import exact

DATES = {"createdAt", "updatedAt", "countedFirstDate", "countedLastDate"}
COSTS = {"cost", "countedCost", "runningCost", "runningDeclaredCost"}
ANY_JSON = {"inputJson", "extra"}
WAYS = [("camel", False), ("snake", True)]


def encoded(source: Any, encoder: Any, table: Table) -> bytes:
    """What an encoder makes of an export's rows."""
    out = [encoder.header()]
    with Export(source, session_totals=True) as export:
        for batch in export.batches():
            rows = table.rows(batch)
            out += [] if rows is None else [encoder.encode(rows)]
    return b"".join([*out, encoder.finish()])


def written(source: Any, name: str, **options: Any) -> bytes:
    """The Parquet file of an export's table."""
    table = new_table(name, **options)
    return encoded(source, Parquet(table), table)


def of_messages(rows: Iterable[Message], size: int = 1000) -> bytes:
    """The Parquet file of these messages, given in batches of `size`."""
    encoder, rows = Parquet(Table("messages")), list(rows)
    batches = [encoder.encode((rows[start : start + size],)) for start in range(0, len(rows), size)]
    return b"".join([encoder.header(), *batches, encoder.finish()])


def struct(number: int = 0, **fields: Any) -> Message:
    """A message as reading makes it."""
    given: dict[str, Any] = {"created_at": None, "updated_at": None, "role": "user", "content": "", **fields}
    return Message(session_id="s", index=number, id=f"m{number}", **given)


def read(data: bytes, **options: Any) -> Any:
    return parquet.read_table(pa.BufferReader(data), page_checksum_verification=True, **options)


def camel(name: str) -> str:
    return re.sub(r"_(.)", lambda found: found[1].upper(), name)


def instant(text: str) -> datetime:
    """The instant of a well-formed date-time, by the standard library."""
    return datetime.fromisoformat(text).astimezone(UTC)


def expected(row: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """An NDJSON row as the columns of a file should give it; dates of samples are all well-formed."""
    found: dict[str, Any] = {}
    for name in names:
        value, word = row.get(name), camel(name)
        if word.endswith(("Text", "Offset")):
            continue
        if word in DATES:
            found[name] = None if value is None else instant(value)
            found[f"{name}_text" if "_" in name else f"{name}Text"] = None
            offset = value and ("Z" if value.endswith("Z") else value[-6:])
            found[f"{name}_offset" if "_" in name else f"{name}Offset"] = offset
        elif word in COSTS:
            found[name] = None if value is None else Decimal(value)
            found[f"{name}_text" if "_" in name or "_" in "".join(names) else f"{name}Text"] = None
        elif word == "toolCalls" and value is not None:
            found[name] = [call_values(call, snake="_" in name) for call in value]
        else:
            found[name] = ("json", value) if word in ANY_JSON and value is not None else value
    return found


def call_values(call: dict[str, Any], *, snake: bool) -> dict[str, Any]:
    names = ["id", "name", "type", "finished", "is_error", "input", "input_json", "result", "metadata"]
    names += ["screenshot_urls", "extra"]
    return expected(call, names if snake else list(map(camel, names)))


def same(found: Any, wanted: Any) -> bool:
    """Whether a value is the wanted one; JSON text is compared as a value, digits and all."""
    if isinstance(wanted, tuple):
        return isinstance(found, str) and exact(json.loads(found, parse_float=Decimal)) == exact(wanted[1])
    if isinstance(wanted, dict):
        return list(found) == list(wanted) and all(same(found[name], wanted[name]) for name in wanted)
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    return type(found) is type(wanted) and found == wanted


def arrow_rows(data: bytes) -> list[dict[str, Any]]:
    return read(data).to_pylist()


def duckdb_rows(path: str) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        kinds = {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE FROM '{path}'").fetchall()}
        dates = {name for name, kind in kinds.items() if kind == "TIMESTAMP WITH TIME ZONE"}
        assert dates == {name for name in kinds if camel(name) in DATES}
        assert {name for name, kind in kinds.items() if kind == "DECIMAL(38,18)"} == {n for n in kinds if camel(n) in COSTS}
        assert {kind for kind in kinds.values() if kind.isalpha()} <= {"VARCHAR", "BIGINT", "BOOLEAN"}
        micros = ", ".join(f'epoch_us("{name}") AS "{name}"' for name in sorted(dates))  # its own datetimes need pytz
        rows = connection.execute(f"SELECT * REPLACE ({micros}) FROM '{path}'").fetchall()  # noqa: S608
    start = datetime(1970, 1, 1, tzinfo=UTC)
    made = [dict(zip(kinds, row, strict=True)) for row in rows]
    for row in made:
        row.update({n: start + timedelta(microseconds=row[n]) for n in dates if row[n] is not None})
    return made


def polars_rows(path: str) -> list[dict[str, Any]]:
    frame = pl.read_parquet(path)
    for name, kind in frame.schema.items():
        if camel(name) in DATES:
            assert kind == pl.Datetime("us", "UTC")
        elif camel(name) in COSTS:
            assert kind == pl.Decimal(38, 18)
        elif camel(name) == "toolCalls":
            assert isinstance(kind, pl.List)
            assert isinstance(kind.inner, pl.Struct)
        else:
            assert kind in (pl.String, pl.Int64, pl.Boolean, pl.List(pl.String))
    return frame.to_dicts()


def pandas_rows(path: str) -> list[dict[str, Any]]:
    frame = pd.read_parquet(path)
    for name in frame.columns:
        if camel(name) in DATES:
            assert str(frame[name].dtype) == "datetime64[us, UTC]"
    frame = pd.read_parquet(path, dtype_backend="pyarrow")  # by default a count that is absent makes them all floats
    assert all(str(frame[name].dtype) == "decimal128(38, 18)[pyarrow]" for name in frame.columns if camel(name) in COSTS)
    rows: list[dict[str, Any]] = [
        {name: None if value is pd.NA else value for name, value in row.items()} for row in frame.to_dict("records")
    ]
    for row in rows:
        for name, value in row.items():
            if isinstance(value, pd.Timestamp):
                row[name] = value.to_pydatetime().astimezone(UTC)
            elif type(value).__module__ == "numpy":
                row[name] = value.tolist()
    return rows


@pytest.mark.parametrize(("keys", "running"), WAYS)
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("sample", SAMPLES)
def test_every_reader_gives_the_rows_of_the_ndjson(sample: str, name: str, keys: str, running: bool, tmp_path: Path) -> None:
    """pyarrow, DuckDB, Polars and pandas read types and values of each sample that are those of its NDJSON."""
    table = new_table(name, keys=keys, running=running)
    lines = encoded(str(DATA / sample), NDJSON(), table).splitlines()
    data = written(str(DATA / sample), name, keys=keys, running=running)
    names = read(data).column_names
    rows = [expected(json.loads(line, parse_float=Decimal), names) for line in lines]
    assert rows or (name == "tool-calls" and "no-alias" in sample)  # where the SDK lost them
    assert all(list(row) == names for row in rows)
    path = tmp_path / "rows.parquet"
    path.write_bytes(data)
    for found in (arrow_rows(data), duckdb_rows(str(path)), polars_rows(str(path)), pandas_rows(str(path))):
        assert len(found) == len(rows)
        for one, row in zip(found, rows, strict=True):
            assert [column for column in names if not same(one[column], row[column])] == []


SCHEMA = """
sessionId: string not null | messageIndex: int64 not null | id: string not null | role: string not null
content: string not null | model: string | finishReason: string | reasoning: string | reasoningDuration: int64
toolCalls: list<element: struct<id: string not null, name: string not null, type: string not null, finished: bool not null,
 isError: bool, input: string not null, inputJson: string, result: string, metadata: string,
 screenshotUrls: list<element: string not null>, extra: string> not null>
createdAt: timestamp[us, tz=UTC] | createdAtText: string | createdAtOffset: string
updatedAt: timestamp[us, tz=UTC] | updatedAtText: string | updatedAtOffset: string
inputTokens: int64 | outputTokens: int64 | cacheCreationTokens: int64 | cacheReadTokens: int64
cost: decimal128(38, 18) | costText: string
thinkingBlocks: list<element: string not null> | redactedThinkingBlocks: list<element: string not null> | extra: string
producer: string | agentId: string | usageState: string | attachments: string | totalInputTokens: int64 | reasoningTokens: int64
parentId: string | active: bool | cacheCreation1hTokens: int64
"""
RUNNING_SCHEMA = """
running_messages: int64 not null | running_tool_calls: int64 not null | running_input_tokens: int64 not null
running_output_tokens: int64 not null | running_cost: decimal128(38, 18) | running_cost_text: string
running_prompt_tokens: int64 not null | running_completion_tokens: int64 not null
running_declared_cost: decimal128(38, 18) | running_declared_cost_text: string
"""


def fields(schema: Any) -> list[str]:
    return [f"{field.name}: {field.type}{'' if field.nullable else ' not null'}" for field in schema]


def listed(text: str) -> list[str]:
    return [item for line in text.strip().replace("\n ", " ").split("\n") for item in line.split(" | ")]


def test_the_schema_of_messages() -> None:
    """Every column is there in every file, typed, null only where it may be, and named as the table's columns are."""
    schema = read(written(dump(session()), "messages")).schema
    assert fields(schema) == listed(SCHEMA)
    schema = read(written(dump(session()), "messages", keys="snake", running=True)).schema
    assert fields(schema)[-10:] == listed(RUNNING_SCHEMA)
    assert [camel(name) for name in schema.names[:-10]] == [item.split(":")[0] for item in listed(SCHEMA)]
    assert [f.name for f in schema.field("tool_calls").type.value_type][4:7] == ["is_error", "input", "input_json"]
    assert {"created_at_text", "updated_at_text", "cost_text"} < set(schema.names)


def test_the_schema_says_what_is_json_and_what_is_money() -> None:
    """JSON text, US dollars and the text columns are marked in the fields' metadata, also inside tool calls."""
    schema = read(written(dump(session()), "messages", running=True)).schema
    marked = {field.name: field.metadata for field in schema if field.metadata}
    calls = schema.field("toolCalls").type.value_type
    marked |= {f"toolCalls.{field.name}": field.metadata for field in calls if field.metadata}
    json_text, usd = {b"mediaType": b"application/json"}, {b"unit": b"USD"}
    costs = ("cost", "runningCost", "runningDeclaredCost")
    assert marked == {
        **dict.fromkeys(("attachments", "extra", "toolCalls.extra", "toolCalls.inputJson"), json_text),
        **dict.fromkeys(costs, usd),
        **{f"{name}Text": {**usd, b"textOf": name.encode()} for name in costs},
        **{f"{name}Text": {b"textOf": name.encode()} for name in ("createdAt", "updatedAt")},
        **{f"{name}Offset": {b"offsetOf": name.encode()} for name in ("createdAt", "updatedAt")},
    }


@pytest.mark.parametrize("name", TABLES)
def test_the_schema_does_not_depend_on_the_input(name: str, tmp_path: Path) -> None:
    """A file without rows is a file with the schema of every other, and can be read with others in one go."""
    none, some = written(dump(session()), name), written(str(DATA / "sessions.ndjson"), name)
    if name == "sessions":
        table = Table(name)
        encoder = Parquet(table)
        none = encoder.header() + encoder.finish()
    assert read(none).num_rows == 0
    assert read(none).schema.equals(read(some).schema, check_metadata=True)
    (tmp_path / "a.parquet").write_bytes(none)
    (tmp_path / "b.parquet").write_bytes(some)
    ((count,),) = duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/*.parquet'").fetchall()  # noqa: S608
    assert count == read(some).num_rows == pl.read_parquet(tmp_path / "*.parquet").height > 0


@given(
    st.lists(sessions(max_messages=4), min_size=1, max_size=2),
    st.sampled_from(TABLES),
    *map(st.sampled_from, zip(*WAYS, strict=True)),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_session_reads_back(made: list[Any], name: str, keys: str, running: bool) -> None:
    """Sessions with any values and unknown keys give the values of their NDJSON."""
    source = b"\n".join(map(dump, made))
    lines = encoded(source, NDJSON(), new_table(name, keys=keys, running=running)).splitlines()
    table = read(written(source, name, keys=keys, running=running))
    found = table.to_pylist()
    assert len(found) == len(lines)
    for one, line in zip(found, lines, strict=True):
        row = expected(json.loads(line, parse_float=Decimal), table.column_names)
        assert [column for column in table.column_names if not same(one[column], row[column])] == []


# Costs ---------------------------------------------------------------------------------------------------------------

FITTING = ["0", "-0.0", "0.10", "0E-30", "0E+400", "0E-9999999", "1E+19", "1E-18", "99999999999999999999.999999999999999999"]
FITTING += ["-99999999999999999999.999999999999999999", "0.1000000000000000000000000", "1.50000E+3", "5E-18"]
TOO_LARGE = ["1E+400", "1E+20", "-1E+20", "1E-19", "123456789012345678901", "0.1234567890123456789", "1E-9999999"]
TOO_LARGE += ["1E+9999999", "1E+999999999999", "1E-999999999999", "99999999999999999999.9999999999999999991", "0.30E-400"]
COST_VALUES = st.one_of(
    st.sampled_from(FITTING + TOO_LARGE).map(Decimal),
    st.builds(
        lambda digits, exponent: Decimal(f"{digits}E{exponent}"), st.integers(-(10**40), 10**40), st.integers(-60, 25)
    ),
    st.decimals(-1000, 1000, allow_nan=False, places=6),
)


def fits(cost: Decimal) -> bool:
    """Whether a cost has at most 20 integral and 18 fractional digits, by counting them."""
    _, digits, exponent = cost.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    if not stripped:
        return True
    return len(text) + exponent <= 20 and exponent + len(text) - len(stripped) >= -18


def test_what_fits_is_what_we_think() -> None:
    """The test's own rule, on values that were thought about one by one."""
    assert all(fits(Decimal(text)) for text in FITTING)
    assert not any(fits(Decimal(text)) for text in TOO_LARGE)


@given(st.lists(st.none() | COST_VALUES, min_size=1, max_size=6))
@example([Decimal(text) for text in FITTING])
@example([*(Decimal(text) for text in TOO_LARGE), None])
@settings(max_examples=300, deadline=None)
def test_costs_are_exact_or_text(costs: list[Decimal | None]) -> None:
    """A cost that fits is a number of the same value; any other is null, and the text beside it has its digits."""
    found = read(of_messages(struct(n, cost=cost) for n, cost in enumerate(costs)), columns=["cost", "costText"]).to_pylist()
    for cost, row in zip(costs, found, strict=True):
        if cost is None or fits(cost):
            assert row == {"cost": cost, "costText": None}
        else:
            assert row == {"cost": None, "costText": str(cost)}


def test_costs_of_sessions_and_running_totals() -> None:
    """Every column of costs is exact or text: declared, counted and running ones."""
    made = session(message(0, cost=Decimal("0.25")), message(1, cost=Decimal("1E+30")), cost=Decimal("1E-30"))
    (row,) = read(written(dump(made), "sessions", running=True)).to_pylist()
    found = {name: value for name, value in row.items() if "ost" in name and value is not None}
    whole = "1000000000000000000000000000000.25"
    digits = {"costText": "1E-30", "countedCostText": whole, "runningCostText": whole, "runningDeclaredCostText": "1E-30"}
    assert found == digits
    first, _ = read(written(dump(made), "messages", running=True)).to_pylist()
    assert (first["runningCost"], first["runningCostText"]) == (Decimal("0.25"), None)


# Dates ---------------------------------------------------------------------------------------------------------------

ODD = """
2025-01-01T00:00:00Z|2025-01-01T00:00:00+00:00|2025-01-01T00:00:00-00:00|2025-01-01T00:00:00.1Z|2025-01-01T00:00:00.100000Z
2025-01-01T00:00:00.1234567Z|2025-01-01T00:00:00.0000000Z|2025-01-01T00:00:00.999999999+00:00|2025-01-01T00:00:00.Z
2025-01-01T00:00:00+05:30|2025-01-01T00:00:00-23:59|2025-01-01T00:00:00+24:00|2025-01-01T00:00:00+05:60
2025-01-01T00:00:00+0530|2025-01-01T00:00:00+05|2025-01-01T00:00Z|2025-01-01|2025-01-01T00:00:00|2025-01-01T00:00:00.5
2025-01-01 00:00:00Z|2025-01-01t00:00:00z|2025-01-01T00:00:00z|2025-01-01T00:00:00,5Z|2025-01-01T00:00:00 Z
2025-06-30T23:59:60Z|2025-01-01T24:00:00Z|2025-01-01T23:60:00Z|2025-02-29T00:00:00Z|2024-02-29T00:00:00Z|2025-02-30T00:00:00Z
2025-13-01T00:00:00Z|2025-00-10T00:00:00Z|1900-02-29T00:00:00Z|1600-02-29T00:00:00Z|1582-10-10T00:00:00Z
0000-01-01T00:00:00Z|0001-01-01T00:00:00Z|0001-01-01T00:00:00+05:00|0001-01-01T00:00:00-05:00|0999-12-31T23:59:59.999999Z
9999-12-31T23:59:59.999999Z|9999-12-31T23:59:59-05:00|9999-12-31T23:59:59.9999999Z|10000-01-01T00:00:00Z|-2025-01-01T00:00:00Z
1000-01-01T00:00:00+14:00|2999-12-31T23:59:59.999999-14:00|1969-12-31T23:59:59.999999Z|1677-09-21T00:12:43Z|2262-04-11T23:47:17Z
2025-01-01T00:00:00Z |null|0|1735689600|Wed, 01 Jan 2025 00:00:00 GMT|２025-01-01T00:00:00Z|2025-01-01T00:00:0٣Z
""".strip().replace("\n", "|").split("|")  # fmt: skip
ODD += [
    "",
    "2025-01-01T00:00:00Z\n",
    "\n2025-01-01T00:00:00Z",
    "2025-01-01T00:00:00Z\0",
    "2025-01-01T00:00:00Z\n2025-01-01T00:00:00Z",
]
PLAIN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
TWO = st.integers(0, 62).map("{:02}".format)
DATE_TEXTS = st.one_of(
    st.sampled_from(ODD),
    st.datetimes(
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=9))])
    ).map(datetime.isoformat),
    st.datetimes(timezones=st.just(UTC)).map(lambda date: date.isoformat().replace("+00:00", "Z")),
    st.builds(
        "{}-{}-{}{}{}:{}:{}{}{}".format,
        st.sampled_from(["0000", "0001", "0999", "1000", "1970", "2024", "2025", "2999", "9999"]),
        st.sampled_from(["00", "01", "02", "12", "13"]),
        st.sampled_from(["00", "01", "28", "29", "30", "31", "32"]),
        st.sampled_from("TTTTt "),
        *[TWO] * 3,
        st.sampled_from(["", "", ".", ".0", ".123456", ".1234565", ".999999999"]),
        st.sampled_from(["", "Z", "Z", "z", "+00:00", "-00:00", "+05:30", "+14:00", "-23:59", "+24:00", "+0530", " Z"]),
    ),
)


COLUMNS = ["createdAt", "createdAtText", "createdAtOffset"]


def check_dates(texts: list[str | None]) -> None:
    """The rule: an instant wherever datetimes can hold it, its offset, and the text unless these two say it exactly."""
    data = of_messages(struct(n, created_at=text) for n, text in enumerate(texts))
    for text, row in zip(texts, read(data, columns=COLUMNS).to_pylist(), strict=True):
        offset = (
            None if row["createdAtOffset"] is None else datetime.fromisoformat(f"2000-01-01T00:00{row['createdAtOffset']}")
        )
        wanted = parse_instant(text)
        assert (offset and offset.utcoffset()) == (wanted and wanted.utcoffset()), text
        if wanted is not None and wanted.tzinfo is not None:
            try:
                wanted = wanted.astimezone(UTC)
            except OverflowError:  # an hour before the year 1 or after 9999
                wanted = None
        else:
            wanted = None
        assert row["createdAt"] == wanted, text
        if row["createdAtText"] is None and text is not None:
            assert PLAIN.fullmatch(text)
            assert wanted is not None
            assert text.endswith(row["createdAtOffset"])
            assert parse_instant(text) == wanted
        else:
            assert row["createdAtText"] == text
            assert text is None or wanted is None or not PLAIN.fullmatch(text)


@given(st.lists(st.none() | DATE_TEXTS, min_size=1, max_size=5))
@example([*ODD, None])
@example(["2025-01-01T00:00:00Z", None, "2025-01-01T00:00:00+05:30", "1969-12-31T23:59:59.999999Z"])
@settings(max_examples=400, deadline=None)
def test_dates_are_instants_and_texts(texts: list[str | None]) -> None:
    """Timestamp and text together give the instant that `parse_instant` sees, and the text wherever it is not plain UTC."""
    check_dates(texts)


@pytest.mark.parametrize("text", ODD)
def test_a_date_by_itself(text: str) -> None:
    """The same for one odd date after the other, so that none hides behind the company it keeps."""
    check_dates([text])
    check_dates([text, "2025-01-01T00:00:00Z"])
    check_dates([text] * 3)


CLOCKS = ["2025-01-01T00:00:00", "1969-12-31T23:59:59", "2025-02-30T00:00:00", "0999-01-01T00:00:00", "2025-01-01T24:00:00"]
ODD_CLOCKS = [
    "2025-1 -01T00:00:00",
    "2025-01-01 00:00:00",
    "2025/01/01T00:00:00",
    "2025-01-01T00:00:60",
    "2025-01-01T+0:00:00",
]


@given(
    st.lists(st.sampled_from(CLOCKS[:2] * 4 + CLOCKS + ODD_CLOCKS), min_size=3, max_size=5),
    st.sampled_from(
        ["Z", "Z", "z", "+05:30", "-23:59", "+24:00", "+05:60", "+0530", ".5Z", ".123456+05:30", ".1234567Z", ""]
    ),
)
@settings(max_examples=300, deadline=None)
def test_dates_that_are_alike(clocks: list[str], rest: str) -> None:
    """The same for dates that end alike, which are looked at together."""
    check_dates([clock + rest for clock in clocks])


def test_dates_of_sessions() -> None:
    """The sessions' columns of dates follow the same rule; a time without a zone is no instant."""
    made = session(message(0, createdAt="2025-01-01T00:00:00"), message(1, createdAt="2025-01-02T00:00:00+01:00"))
    (row,) = read(written(dump({**made, "createdAt": "yesterday"}), "sessions")).to_pylist()
    assert (row["createdAt"], row["createdAtText"]) == (None, "yesterday")
    assert (row["countedFirstDate"], row["countedFirstDateText"]) == (None, "2025-01-01T00:00:00")
    assert row["countedLastDate"] == datetime(2025, 1, 1, 23, tzinfo=UTC)
    assert (row["countedLastDateText"], row["countedLastDateOffset"]) == (None, "+01:00")
    assert (row["createdAtOffset"], row["countedFirstDateOffset"]) == (None, None)


# Lists and JSON ------------------------------------------------------------------------------------------------------


def test_null_empty_and_absent_lists_differ(tmp_path: Path) -> None:
    """A list that is null, empty, or holds empty texts reads back as just that, in whichever row and reader."""
    urls: list[Any] = [None, [], [""], ["a", "", "b"]]
    lists: list[Any] = [None, [], *urls[2:]]
    calls = [
        ToolCall(id=str(n), name="", type="", finished=n > 1, input="", screenshot_urls=some) for n, some in enumerate(urls)
    ]
    nested = [None, [], calls[:1], calls]
    rows = [struct(n, thinking_blocks=lists[n], tool_calls=nested[n]) for n in range(4)]
    data = of_messages(rows, size=2)
    (tmp_path / "rows.parquet").write_bytes(data)
    for found in (
        read(data).to_pylist(),
        pl.read_parquet(tmp_path / "rows.parquet").to_dicts(),
        duckdb_rows(str(tmp_path / "rows.parquet")),
    ):
        assert [row["thinkingBlocks"] for row in found] == lists
        assert [row["toolCalls"] and [call["id"] for call in row["toolCalls"]] for row in found] == [
            None,
            [],
            ["0"],
            ["0", "1", "2", "3"],
        ]
        assert [call["screenshotUrls"] for call in found[3]["toolCalls"]] == urls
        assert found[3]["toolCalls"][0] == {**dict.fromkeys(found[3]["toolCalls"][0]), "id": "0", "name": "", "type": "", "finished": False, "input": ""}  # fmt: skip


@pytest.mark.parametrize("absent", [[None], []])
def test_json_keeps_its_digits(absent: list[None]) -> None:
    """Any JSON value is JSON text with the digits of the input; null is null, as in the structs."""
    values = [0, -1, Decimal("0.10"), True, "", "a\nb", [], {}, {"k": [None, Decimal("1E+400")]}, 10**30, "\u2028\0"]
    values[-1:-1] = absent
    made = session(
        message(0, toolCalls=[tool_call(n, inputJson=value) for n, value in enumerate(values)], odd=Decimal("1.50"))
    )
    (row,) = read(written(dump(made), "messages")).to_pylist()
    texts = [None if value is None else dump(value).decode() for value in values]
    found = [call["inputJson"] for call in row["toolCalls"]]
    assert found[:-1] == texts[:-1]
    assert json.loads(found[-1]) == values[-1]
    assert row["extra"] == '{"odd":1.50}'
    assert [one["inputJson"] for one in read(written(dump(made), "tool-calls")).to_pylist()] == found


def test_lists_without_a_tool_call_stay_empty_lists() -> None:
    """A batch may have lists of tool calls and no call."""
    (row,) = read(written(dump(session(message(0, toolCalls=[]))), "messages")).to_pylist()
    assert row["toolCalls"] == []


def test_snake_case_reaches_into_tool_calls() -> None:
    """With snake_case keys the structs of tool calls are named alike, and their values are the same."""
    rows = [
        snake_types().message(
            session_id="s", index=0, id="m", role="r", content="", created_at=None, updated_at=None, tool_calls=[]
        )
    ]
    rows[0].tool_calls = [ToolCall(id="c", name="n", type="t", finished=True, input="", is_error=False, input_json=[1])]
    encoder = Parquet(new_table("messages", keys="snake"))
    (row,) = read(encoder.header() + encoder.encode((rows,)) + encoder.finish()).to_pylist()
    assert row["tool_calls"][0]["input_json"] == "[1]"
    assert row["tool_calls"][0]["is_error"] is False


# The file ------------------------------------------------------------------------------------------------------------


def groups(data: bytes) -> list[Any]:
    file = parquet.ParquetFile(pa.BufferReader(data))
    return [file.read_row_group(number) for number in range(file.num_row_groups)]


def test_row_groups_are_bounded_by_bytes() -> None:
    """No row group is larger than 12 MiB unless it is one row, none is needlessly small, and bytes come as they are full."""
    sizes = [200_000] * 200 + [40_000_000, 10] + [6_000_000] * 4 + [1_000] * 300
    encoder = Parquet(Table("messages"))
    rows = [struct(number, content=chr(97 + number % 26) * size) for number, size in enumerate(sizes)]
    out = [encoder.encode((rows[start : start + 100],)) for start in range(0, len(rows), 100)]  # of 20, 20, 64 MB, …
    data = b"".join([*out, encoder.finish()])
    found = groups(data)
    assert all(group.nbytes <= ROW_GROUP or group.num_rows == 1 for group in found)
    assert len(found) <= 2 * sum(sizes) / ROW_GROUP
    assert [text for group in found for text in group["content"].to_pylist()] == [row.content for row in rows]
    assert sum(map(bool, out)) >= 2  # those of a row group come while the next one is gathered


@pytest.mark.parametrize("size", [1, 3, 63, 64, 65, 1000])
def test_batches_of_any_size_give_the_same_rows(size: int) -> None:
    """However the rows arrive, the file has the same ones in the same order, and few row groups."""
    rows = [struct(n, content="é" * n, cost=Decimal(n), thinking_blocks=["x"] * (n % 3)) for n in range(300)]
    data = of_messages(rows, size)
    assert read(data).equals(read(of_messages(rows)))
    assert read(data)["messageIndex"].to_pylist() == list(range(300))
    assert len(groups(data)) == 1


def test_few_rows_are_gathered_and_large_ones_are_not() -> None:
    """Rows that come one by one become columns together; one that is large does so at once, with those before it."""
    table = Table("sessions")
    encoder = Parquet(table)
    with Export(str(DATA / "session.json"), session_totals=True) as export:
        (rows,) = filter(None, map(table.rows, export.batches()))
    start = encoder.header()
    for _ in range(1500):
        assert encoder.encode(rows) == b""
    assert len(encoder._held) == 0
    assert encoder.encode(([msgspec.structs.replace(rows[0][0], title="x" * 2_000_000)],)) == b""
    assert (len(encoder._held), encoder._few) == (1, ([],))
    assert read(start + encoder.finish()).num_rows == 1501


def test_inside_a_file() -> None:
    """Compressed at the level asked for, version 2.6, statistics of short columns only, and a damaged page is noticed."""
    rows = [struct(n, content=f"{n * n * n:x} " * 40, cost=Decimal(n)) for n in range(2000)]
    table = Table("messages")
    files = {}
    for level in (-7, None, 3, 19):
        encoder = Parquet(table, level=level)
        files[level] = encoder.header() + encoder.encode((rows,)) + encoder.finish()
    assert len(files[19]) < len(files[3]) < len(files[-7])
    assert files[None] == files[3]
    meta = parquet.read_metadata(pa.BufferReader(files[3]))
    columns = [meta.row_group(0).column(number) for number in range(meta.num_columns)]
    statistics = {column.path_in_schema: column.statistics for column in columns}
    assert meta.format_version == "2.6"
    assert {column.compression for column in columns} == {"ZSTD"}
    assert "RLE_DICTIONARY" in columns[meta.schema.names.index("role")].encodings
    assert (statistics["cost"].min, statistics["cost"].max) == (0, 1999)
    assert {name for name, found in statistics.items() if found is None} >= {
        "content",
        "extra",
        "toolCalls.list.element.input",
    }
    assert read(files[3]).num_rows == 2000
    place = columns[meta.schema.names.index("content")].data_page_offset + 500
    damaged = bytearray(files[3])
    damaged[place] ^= 1
    with pytest.raises(OSError, match="CRC"):
        read(bytes(damaged))


@pytest.mark.parametrize("level", [0, 23, -8])
def test_levels_that_zstd_does_not_have(level: int) -> None:
    """A level that zstd does not have is refused before anything is read."""
    with pytest.raises(UsageError, match=f"level from -7 to 22 except 0 for zstd, got {level}"):
        Parquet(Table("messages"), level=level)


@pytest.mark.parametrize("name", ["messages", "sessions"])
def test_a_sum_beyond_64_bits(name: str) -> None:
    """Sums have no bound, a column has: that is an error which says what holds them, not a wrong number."""
    made = dump(session(message(0, inputTokens=2**63 - 1), message(1, inputTokens=1)))
    with pytest.raises(
        LimitError, match=r"a sum in (running|counted)InputTokens is beyond the 64 bits.*NDJSON and CSV hold"
    ):
        written(made, name, running=True)
    fine = dump(session(message(0, inputTokens=2**63 - 1), message(1, inputTokens=0), message(2, inputTokens=-(2**63))))
    assert read(written(fine, name, running=True))["runningInputTokens"].to_pylist()[-1] == -1


@pytest.mark.long
def test_a_text_that_no_column_holds() -> None:
    """2 GiB in one text is an error for people; a byte less than what Arrow holds is written."""
    assert read(of_messages([struct(content="x" * (2**31 - 100))]), columns=["content"]).nbytes > 2**31 - 100
    with pytest.raises(
        LimitError, match="a message has 2 GiB of text, too much for a column of a Parquet file; write NDJSON"
    ):
        of_messages([struct(content="x" * 2**31)])


def test_without_pyarrow() -> None:
    """Asking for Parquet without pyarrow is one line that says what to install; nothing else needs it."""
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from exportstream.writing.formats import FORMATS\nfrom exportstream.errors import MissingExtraError\n"
        "FORMATS['csv'].load()\n"
        "try: FORMATS['parquet'].load()\nexcept MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "Parquet needs pyarrow, which is not installed; pip install 'exportstream[parquet]'\n"


ENCODE = """
import sys
from exportstream.writing.formats.parquet import Parquet
from exportstream.reading.export import Export
from exportstream.writing.tables import Table
table = Table("messages")
encoder = Parquet(table)
with Export(sys.argv[1]) as export:
    for batch in export.batches():
        rows = table.rows(batch)
        if rows is not None:
            encoder.encode(rows)
encoder.finish()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    """Three times the input takes at most a tenth more memory, and one message of N bytes at most 6 N and the start."""
    for size in (40_000_000, 120_000_000):
        generate("long", size, tmp_path / f"{size}.json")
    small, large = (peak(ENCODE, tmp_path / f"{size}.json", files=False) for size in (40_000_000, 120_000_000))
    assert large <= 1.1 * small
    assert large < 185_000_000
    generate("huge", 40_000_000, tmp_path / "huge.json")
    assert peak(ENCODE, tmp_path / "huge.json", files=False) < 20_000_000 + 6 * 40_000_000


def test_an_encoder_that_is_given_up_is_quiet() -> None:
    """An encoder that is dropped in the middle of its work says nothing and raises nothing."""
    code = (
        "from exportstream.writing.formats.parquet import Parquet\nfrom exportstream.models.structs import Message\n"
        "from exportstream.writing.tables import Table\nencoder = Parquet(Table('messages'))\n"
        "row = Message(id='m', role='r', content='c', created_at=None, updated_at=None)\n"
        "encoder.encode(([row] * 100,))\ndel encoder\nother = Parquet(Table('messages'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", code], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
