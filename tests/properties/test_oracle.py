"""Every sample, in every order of keys and every form of collection, gives the rows an independent oracle gives."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kit.documents import dump, message, session, sessions, tool_call
from tests.kit.files import DATA, SAMPLES
from tests.kit.readings import blocks, converted, exact
from tests.properties import oracle

csv.field_size_limit(1 << 24)

SDK_ORDER = {
    "session": ["id", "messages", "title"],
    "message": ["content", "createdAt", "created_at", "id", "role", "updatedAt", "updated_at"],
    "call": ["finished", "id", "input", "name", "type"],
}


def sample(name: str) -> bytes:
    return (DATA / name).read_bytes()


def reorder(value: Any, order: Any) -> Any:
    """The same JSON value with the keys of every object in the order that `order` makes of them."""
    if isinstance(value, dict):
        return {key: reorder(value[key], order) for key in order(list(value))}
    if isinstance(value, list):
        return [reorder(item, order) for item in value]
    return value


def sdk_first(keys: list[str]) -> list[str]:
    for known in SDK_ORDER.values():
        if set(keys) >= {"id", known[-1]}:
            return sorted(keys, key=lambda key: known.index(key) if key in known else len(known))
    return keys


def shuffled(keys: list[str]) -> list[str]:
    return random.Random(",".join(sorted(keys))).sample(keys, len(keys))


def each(data: bytes, change: Any, **options: Any) -> bytes:
    return b"\n".join(dump(change(document), **options) for document in oracle.documents(data))


VARIANTS = {
    "as it is": lambda data: data,
    "pretty-printed": lambda data: each(data, lambda d: d, indent=2, separators=None),
    "one space after each comma": lambda data: each(data, lambda d: d, separators=(", ", ": ")),
    "sorted": lambda data: each(data, lambda d: reorder(d, sorted)),
    "sorted and pretty-printed": lambda data: each(data, lambda d: reorder(d, sorted), indent=2, separators=None),
    "reversed": lambda data: each(data, lambda d: reorder(d, lambda keys: keys[::-1])),
    "in the SDK's order": lambda data: each(data, lambda d: reorder(d, sdk_first)),
    "shuffled": lambda data: each(data, lambda d: reorder(d, shuffled)),
    "in ASCII": lambda data: each(data, lambda d: d, ensure_ascii=True),
    "twice without anything between": lambda data: data.strip() * 2,
    "twice as NDJSON": lambda data: each(data, lambda d: d) + b"\n" + each(data, lambda d: d) + b"\n",
    "as an array": lambda data: dump([d for d in oracle.documents(data) if isinstance(d, dict)] or json.loads(data)),
    "with a byte order mark and CRLF around": lambda data: b"\r\n" + data + b"\r\n",
}


def variant(name: str, change: str) -> bytes:
    return VARIANTS[change](sample(name))


def ndjson_rows(data: bytes) -> list[Any]:
    return [json.loads(line, parse_float=Decimal) for line in data.decode().split("\n")[:-1]]


def check_ndjson(data: bytes, table: str, keys: str) -> None:
    found = ndjson_rows(converted(data, format="ndjson", table=table, keys=keys))
    wanted = oracle.rows(data, table, keys=keys)
    assert exact(found) == exact(wanted)
    names = oracle.COLUMNS[table] if keys == "camel" else list(map(oracle.snake, oracle.COLUMNS[table]))
    for row in found:
        assert list(row) == [name for name in names if name in row]


def check_csv(data: bytes, table: str, keys: str) -> None:
    text = converted(data, format="csv", table=table, keys=keys).decode()
    if "\0" in text and sys.version_info < (3, 11):  # csv reads no NUL there; test_tables_encode looks at the bytes
        return
    header, *found = csv.reader(io.StringIO(text, newline=""))
    assert header == (oracle.COLUMNS[table] if keys == "camel" else list(map(oracle.snake, oracle.COLUMNS[table])))
    wanted = [oracle.cells(row, table, keys=keys) for row in oracle.rows(data, table, keys=keys)]
    assert len(found) == len(wanted)
    for cells, row in zip(found, wanted, strict=True):
        for cell, value in zip(cells, row, strict=True):
            if isinstance(value, tuple):
                assert exact(json.loads(cell, parse_float=Decimal)) == exact(value[1])
            else:
                assert cell == (value or "")


CASES = [
    pytest.param(name, change, id=f"{name}, {change}")
    for name, change in itertools.product(SAMPLES, VARIANTS)
    if change != "as an array" or not name.startswith("response")  # an array of SDK responses is no producer's shape
]


@pytest.mark.parametrize(("name", "change"), CASES)
@pytest.mark.parametrize("on", [True, False], ids=["blocks", "ijson"])
def test_samples_give_the_oracles_rows(name: str, change: str, on: bool) -> None:
    """All three tables, NDJSON and CSV, camel and snake, have exactly the rows of the oracle."""
    data = variant(name, change)
    with blocks(on):
        for table, keys in itertools.product(oracle.COLUMNS, ("camel", "snake")):
            check_ndjson(data, table, keys)
            check_csv(data, table, keys)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(sessions(), min_size=1, max_size=3), st.sampled_from([None, 1]), st.booleans(), st.booleans())
def test_generated_sessions_give_the_oracles_rows(
    made: list[Any], indent: int | None, array: bool, messages_first: bool
) -> None:
    """Sessions with any valid content, in any form of collection, have exactly the rows of the oracle."""
    if messages_first:
        made = [{"id": item["id"], "messages": item["messages"], **item} for item in made]
    separators = (",", ":") if indent is None else (", ", " : ")
    parts = [dump(item, indent=indent, separators=separators) for item in made]
    data = b"[" + b",".join(parts) + b"]" if array else b"\n".join(parts)
    for table in oracle.COLUMNS:
        check_ndjson(data, table, "camel")
        check_csv(data, table, "snake")


@pytest.mark.parametrize(
    "key", ["extra", "sessionId", "session_id", "messageIndex", "message_index", "index", "", 'a"b', "é"]
)
@pytest.mark.parametrize("value", [None, "", {}, [], 0, {"a": None}])
@pytest.mark.parametrize("place", ["message", "call", "session"])
def test_any_unknown_key_is_kept(key: str, value: Any, place: str) -> None:
    """A key of ours, an empty one or an odd one on the input's side is data: it ends in `extra` with its value."""
    of_message = {key: value} if place == "message" else {}
    of_call = {key: value} if place == "call" else {}
    of_session = {key: value} if place == "session" else {}
    made = [message(0), message(1, toolCalls=[tool_call(), tool_call(1, **of_call)]), message(2, **of_message), message(3)]
    made_session = session(*made, **of_session)
    data = dump(made_session)
    for table in oracle.COLUMNS:
        check_ndjson(data, table, "camel")
        check_csv(data, table, "camel")


def test_the_tables_have_the_columns_of_the_documentation() -> None:
    """An empty session still gives a CSV header, and no rows but its own."""
    data = dump(session())
    for table, columns in oracle.COLUMNS.items():
        lines = converted(data, format="csv", table=table).decode().splitlines()
        assert lines[0] == ",".join(f'"{name}"' for name in columns)
        assert len(lines) == (2 if table == "sessions" else 1)


@pytest.fixture(params=["session-with-usage.json", "session.sdk-0.7.3.json", "sessions.ndjson"])
def source(request: pytest.FixtureRequest) -> bytes:
    return sample(request.param)


def test_zstd_is_read_by_the_zstd_command(source: bytes) -> None:
    """`zstd -dc` gives the bytes that an uncompressed conversion gives."""
    packed = converted(source, format="ndjson.zst")
    done = subprocess.run(["zstd", "-q", "-dc"], input=packed, capture_output=True, check=True)
    assert done.stdout == converted(source, format="ndjson")


def test_gzip_is_read_by_the_gzip_module(source: bytes) -> None:
    """Python's gzip gives the bytes that an uncompressed conversion gives."""
    packed = converted(source, format="csv.gz")
    assert gzip.decompress(packed) == converted(source, format="csv")


def duck(query: str) -> list[tuple[Any, ...]]:
    return duckdb.connect().execute(query).fetchall()


@pytest.mark.parametrize("table", list(oracle.COLUMNS))
def test_duckdb_reads_the_ndjson(source: bytes, table: str, tmp_path: Any) -> None:
    """DuckDB's read_json finds every row and its texts."""
    path = tmp_path / "rows.ndjson"
    path.write_bytes(converted(source, format="ndjson", table=table))
    wanted = oracle.rows(source, table)
    columns = [name for name in ("id", "content", "input", "title") if any(name in row for row in wanted)]
    listed = ", ".join(f'"{name}"' for name in columns)
    spec = ", ".join(f"'{name}': 'VARCHAR'" for name in columns)
    found = duck(f"SELECT {listed} FROM read_json('{path}', format='newline_delimited', columns={{{spec}}})")  # noqa: S608
    assert found == [tuple(row.get(name) for name in columns) for row in wanted]


@pytest.mark.parametrize("table", list(oracle.COLUMNS))
def test_duckdb_tells_absent_from_empty_in_the_csv(source: bytes, table: str, tmp_path: Any) -> None:
    """DuckDB's read_csv gets every cell back, NULL where a value is absent and an empty text where it is empty."""
    path = tmp_path / "rows.csv"
    path.write_bytes(converted(source, format="csv", table=table))
    options = (
        "header=true, all_varchar=true, quote='\"', escape='\"', delim=',', allow_quoted_nulls=false, auto_detect=false"
    )
    spec = ", ".join(f"'{name}': 'VARCHAR'" for name in oracle.COLUMNS[table])
    found = duck(f"SELECT * FROM read_csv('{path}', {options}, columns={{{spec}}})")  # noqa: S608
    wanted = [oracle.cells(row, table) for row in oracle.rows(source, table)]
    assert [list(plain_cells(cells, row)) for cells, row in zip(found, wanted, strict=True)] == [
        [exact(cell[1]) if isinstance(cell, tuple) else cell for cell in row] for row in wanted
    ]


def plain_cells(cells: tuple[Any, ...], wanted: list[Any]) -> Iterator[Any]:
    for cell, value in zip(cells, wanted, strict=True):
        yield exact(json.loads(cell, parse_float=Decimal)) if isinstance(value, tuple) else cell


def test_jq_sorting_is_among_the_variants() -> None:
    """`jq -S` itself, where there is one, gives the same rows as the file it sorted."""
    try:
        done = subprocess.run(["jq", "-S", "."], input=sample("session.json"), capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip("no jq here")
    assert ndjson_rows(converted(done.stdout, format="ndjson")) == oracle.rows(sample("session.json"), "messages")
