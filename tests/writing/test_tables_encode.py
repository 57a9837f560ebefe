"""Rows and their bytes: NDJSON and CSV of all three tables, read back with json, csv and a reader of our own."""

from __future__ import annotations

import csv
import io
import itertools
import json
import sys
from collections.abc import Iterator
from decimal import Context, Decimal, localcontext
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exportstream.models.structs import Message, Session
from exportstream.reading.formats.message import build_message
from exportstream.totals.batch import Batch, SessionEnd
from exportstream.totals.sums import Totals
from exportstream.writing.formats.csv import CSV, cells_of_json
from exportstream.writing.formats.json import to_json
from exportstream.writing.formats.ndjson import NDJSON
from exportstream.writing.selection import TABLES
from exportstream.writing.tables import Table
from tests.kit.columns import new_table
from tests.kit.documents import dump, message, session, sessions, tool_call
from tests.kit.readings import exact
from tests.properties import oracle

csv.field_size_limit(1 << 24)
EXACT = Context(prec=10_000)
RUNNING = [
    "Messages",
    "ToolCalls",
    "InputTokens",
    "OutputTokens",
    "Cost",
    "PromptTokens",
    "CompletionTokens",
    "DeclaredCost",
]


def struct_of(item: dict[str, Any]) -> Session:
    """A session's struct, as reading would make it."""
    fields = oracle.fields({key: value for key, value in item.items() if key != "messages"}, oracle.SESSION)
    fields = {oracle.snake(name): value for name, value in fields.items()}
    return Session(**{**fields, "cost": Decimal(fields["cost"])} if "cost" in fields else fields)


def encoded(made: list[Any], table: str, form: str, *, size: int, safe: bool = False, **options: Any) -> bytes:
    """The bytes of these sessions, in batches of `size` messages."""
    rows_of = new_table(table, **options)
    encoder: Any = CSV(rows_of, safe=safe) if form == "csv" else NDJSON()
    out = encoder.header()
    for item in made:
        built = [build_message(json.loads(dump(one), parse_float=Decimal)) for one in item["messages"]]
        counted = Totals()
        for index, one in enumerate(built):
            one.session_id, one.index = item["id"], index
        for start in range(0, len(built) or 1, size):
            part = built[start : start + size]
            counted.add_batch(part)
            is_last = start + size >= len(built)
            rows = rows_of.rows(Batch(part, [SessionEnd(struct_of(item), len(part), counted)] if is_last else []))
            out += encoder.encode(rows) if rows is not None else b""
    return out


def records(text: str) -> Iterator[list[str | None]]:
    """RFC 4180 with line feeds, strictly; an empty cell without quotes is None."""
    at, row = 0, []
    while at < len(text):
        if text[at] == '"':
            cell = ""
            while True:
                end = text.index('"', at + 1)
                cell += text[at + 1 : end]
                at = end + 1
                if text[at] != '"':
                    break
                cell += '"'
            row.append(cell)
        else:
            end = min(place for place in (text.find(",", at), text.find("\n", at)) if place >= 0)
            assert not set(text[at:end]) & set('"\r\0 ')
            row.append(text[at:end] or None)
            at = end
        assert text[at] in ",\n"
        if text[at] == "\n":
            yield row
            row = []
        elif text[at + 1] == "\n":
            row.append(None)
            at += 1
            yield row
            row = []
        at += 1
    assert not row


def same_cell(found: str | None, expected: Any) -> bool:
    """Whether a cell is the expected one; JSON is compared as values, numbers as text, and has to be compact."""
    if not isinstance(expected, tuple):
        return found == expected
    return found is not None and exact(json.loads(found, parse_float=Decimal)) == exact(expected[1])


def running(made: list[Any], table: str) -> Iterator[dict[str, Any]]:
    """The totals after each row, by adding one after the other."""
    now: dict[str, Any] = dict.fromkeys(RUNNING, 0)
    now["Cost"] = now["DeclaredCost"] = None

    def add(name: str, value: Any) -> None:
        if value is not None:
            if "Cost" in name:  # a single cost stays as it is
                now[name] = Decimal(value) if now[name] is None else EXACT.add(now[name], Decimal(value))
            else:
                now[name] += value

    for item in made:
        for one in oracle.rows(dump(item), "messages"):
            before = now["ToolCalls"]
            calls = len(one.get("toolCalls", ()))
            add("Messages", 1)
            add("ToolCalls", calls)
            add("InputTokens", one.get("inputTokens"))
            add("OutputTokens", one.get("outputTokens"))
            add("Cost", one.get("cost"))
            if table == "messages":
                yield dict(now)
            elif table == "tool-calls":
                yield from ({**now, "ToolCalls": before + number + 1} for number in range(calls))
        add("PromptTokens", item.get("promptTokens"))
        add("CompletionTokens", item.get("completionTokens"))
        add("DeclaredCost", item.get("cost"))
        if table == "sessions":
            yield dict(now)


def expected_rows(made: list[Any], table: str, keys: str) -> list[dict[str, Any]]:
    with localcontext(EXACT):  # the oracle's sums round where the context does
        return [row for item in made for row in oracle.rows(dump(item), table, keys=keys)]


def named(row: dict[str, Any], keys: str) -> dict[str, Any]:
    """Running totals under the names of the output, unknown ones left out."""
    given = {f"running{name}": value for name, value in row.items() if value is not None}
    return given if keys == "camel" else {oracle.snake(name): value for name, value in given.items()}


def with_input_tokens(item: dict[str, Any]) -> dict[str, Any]:
    """The oracle looks for input and output tokens only: messages with cache tokens alone are not its case."""
    for one in item["messages"]:
        if any(one.get(name) is not None for name in ("cacheCreationTokens", "cacheReadTokens")):
            one["inputTokens"] = one.get("inputTokens") or 0
    return item


MADE = st.lists(sessions(max_messages=4).map(with_input_tokens), min_size=1, max_size=2)
HARD = [
    session(
        message(0, content='a"b,c\r\nd\re\nf\0', model="", reasoning='"', toolCalls=[tool_call(inputJson=0, result="\0")]),
        message(1, content='"\0"', toolCalls=[tool_call(inputJson="=1"), tool_call(inputJson=[None, Decimal("0.10")])]),
        message(2, content="é🙂\u2028\ufeff", toolCalls=[], thinkingBlocks=['"', "\n"], cost=Decimal("1E+400")),
        message(3, content="x" * 600 + '"', extra={"a": None}, createdAt=None, toolCalls=[tool_call(inputJson=False)]),
        cost=Decimal("0.10"),
        promptTokens=7,
    )
]
OPTIONS = (st.sampled_from(TABLES), st.sampled_from(["camel", "snake"]), st.booleans(), st.integers(1, 5))


@given(MADE, *OPTIONS)
@example(HARD, "messages", "camel", True, 3)
@example(HARD, "tool-calls", "snake", True, 2)
@settings(max_examples=90, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_ndjson_reads_back(made: list[Any], table: str, keys: str, totals: bool, size: int) -> None:
    """Each line is one compact object that reads back as its row, absent fields left out, in the order of the columns."""
    data = encoded(made, table, "ndjson", size=size, keys=keys, running=totals)
    lines = data.split(b"\n")
    assert lines.pop() == b""
    found = [json.loads(line, parse_float=Decimal) for line in lines]
    expected = expected_rows(made, table, keys)
    if totals:
        expected = [{**row, **named(now, keys)} for row, now in zip(expected, running(made, table), strict=True)]
    assert exact(found) == exact(expected)
    names = [column.name for part in new_table(table, keys=keys, running=totals).columns for column in part]
    assert all(list(row) == [name for name in names if name in row] for row in found)


@given(MADE, *OPTIONS)
@example(HARD, "messages", "camel", True, 3)
@example(HARD, "tool-calls", "camel", False, 4)
@example(HARD, "sessions", "snake", True, 1)
@settings(max_examples=90, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_csv_reads_back(made: list[Any], table: str, keys: str, totals: bool, size: int) -> None:
    """Every cell reads back as what it was; absent, empty and null can be told apart; the csv module reads the same."""
    text = encoded(made, table, "csv", size=size, keys=keys, running=totals).decode()
    header, *found = records(text)
    names = [oracle.snake(name) if keys == "snake" else name for name in oracle.COLUMNS[table]]
    more = [f"running{name}" for name in RUNNING] if totals else []
    assert header == names + ([oracle.snake(name) for name in more] if keys == "snake" else more)
    expected = [oracle.cells(row, table, keys=keys) for row in expected_rows(made, table, keys)]
    if totals:
        after = [[None if value is None else str(value) for value in now.values()] for now in running(made, table)]
        expected = [row + now for row, now in zip(expected, after, strict=True)]
    assert len(found) == len(expected)
    for row, cells in zip(found, expected, strict=True):
        assert [name for name, *pair in zip(header, row, cells, strict=True) if not same_cell(*pair)] == []
    if sys.version_info >= (3, 11) or "\0" not in text:  # csv takes NUL since 3.11
        read = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        assert read == [[cell or "" for cell in row] for row in [header, *found]]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=6), st.integers(0, 3))
@example(["", '"', "\0", "\r", "\n", ","], 0)
@example(['"' * 300, "", '\0"'], 1)
@example(["x" * 2000, '"'], 0)
@settings(max_examples=200, deadline=None)
def test_a_column_of_texts(texts: list[str], absent: int) -> None:
    """Any texts in one column are cells of their own, whatever stands in the others and wherever cells are absent."""
    models: list[str | None] = [*texts, *[None] * absent]
    made = [session(*[message(number, content=text or "", model=text) for number, text in enumerate(models)])]
    _, *found = records(encoded(made, "messages", "csv", size=len(models)).decode())
    content, model = (oracle.MESSAGE.index(name) for name in ("content", "model"))
    assert [row[model] for row in found] == models
    assert [row[content] for row in found] == [text or "" for text in models]


# What may stand in neighbouring columns of short values; most of it can't be made at once.
SHORT = st.sampled_from(
    [
        "a",
        "null",
        "a,null",
        "nul",
        "é🙂",
        "",
        ",",
        "]",
        "[",
        '"',
        "\\",
        "\n",
        "]\n[",
        "\x7f",
        "\u2028",
        "2025-10-03T10:00:00Z",
    ]
)
COUNTS = st.none() | st.integers(0, 3)
COSTS = st.none() | st.sampled_from(["0.10", "1E+400", "-0", "0E-7"]).map(Decimal)
SHORT_ONES = st.fixed_dictionaries(
    {
        "id": SHORT,
        "role": SHORT,
        "created_at": st.none() | SHORT,
        "updated_at": SHORT,
        "input_tokens": COUNTS,
        "output_tokens": COUNTS,
        "cache_read_tokens": COUNTS,
        "cost": COSTS,
        "content": SHORT,
    }
)
USUAL = {"created_at": "2025-10-03T10:00:00Z", "updated_at": "2025-10-03T10:00:00Z", "role": "user", "content": ""}


@given(st.lists(SHORT_ONES, min_size=1, max_size=5), st.booleans())
@example([{"id": "a", **USUAL}, {"id": "b", "cost": Decimal(1), **USUAL}], False)
@example([{"id": "a", **USUAL}, {"id": "b", "input_tokens": 1, "cost": Decimal(1), **USUAL}, {"id": "null", **USUAL}], True)
@settings(max_examples=300, deadline=None)
def test_neighbours_are_made_at_once_as_they_are_one_by_one(fields: list[dict[str, Any]], running: bool) -> None:
    """Short values of neighbouring columns are the same bytes, however they are made."""

    def made() -> bytes:
        table = new_table("messages", running=running)
        rows = table.rows(Batch([Message(**one) for one in fields], []))
        assert rows is not None
        return CSV(table).encode(rows)

    at_once = made()
    with patch("exportstream.writing.formats.csv.cells_of_json", lambda _: None):
        assert made() == at_once


def test_neighbours_are_usually_made_at_once() -> None:
    """Dates, tokens and costs of usual messages are one piece, with nothing between commas where they are absent."""
    columns = {column.attribute: column for column in Table("messages").columns[0]}
    dates = [columns["created_at"], columns["updated_at"]]
    numbers = [columns["input_tokens"], columns["output_tokens"], columns["cost"]]
    date, other = "2025-10-03T10:00:00Z", "2025-10-03T10:00:01Z"
    values: list[list[Any]] = [
        [date, date, date],
        [date, other, date],
        [None, 1, None],
        [None, None, 2],
        [None, Decimal("0.10"), None],
    ]
    made = [f'"{date}","{date}",,,', f'"{date}","{other}",1,,0.10', f'"{date}","{date}",,2,']
    assert cells_of_json(list(zip(values, [*dates, *numbers], strict=True))) == [row.encode() for row in made]
    assert cells_of_json([(["a", None], dates[0]), ([1, 2], numbers[0])]) is None
    assert cells_of_json([(["a", "null"], dates[0]), ([1, 2], numbers[0])]) is None
    assert cells_of_json([(["null", "a"], columns["id"]), ([1, 2], columns["index"])]) == [b'"null",1', b'"a",2']


ANY = [0, -1, Decimal("-0.10"), True, False, "", "-", "=1", "a\n", [], {}, [-1], {"-": '"'}, Decimal("1E+400"), 10**30]


def test_a_column_of_any_json() -> None:
    """`inputJson` may be any value: its cell is its JSON, and only null is absent."""
    values = [*ANY, None]
    made = [session(message(0, toolCalls=[tool_call(number, inputJson=value) for number, value in enumerate(values)]))]
    _, *found = records(encoded(made, "tool-calls", "csv", size=1).decode())
    column = oracle.CALL_ROW.index("inputJson")
    assert [row[column] for row in found] == [*(dump(value).decode() for value in ANY), None]


RISKY = ["=1", "+1", "-1", "@x", "\tx", "\rx", "'=1", "1=", " =", "\n=", "", '"=']


@pytest.mark.parametrize("table", ["messages", "tool-calls"])
def test_cells_that_a_spreadsheet_would_run(table: str) -> None:
    """With `safe` an apostrophe stands before each text that begins riskily, whatever its column, and before no other."""
    calls = [
        tool_call(id=text, name=text, input=text, inputJson=value) for text, value in itertools.zip_longest(RISKY, ANY[:12])
    ]
    made = [session(*[message(0, content=text, model=text, toolCalls=calls) for text in RISKY], id="=s", title="-t")]
    for safe in (False, True):
        prefix = "'" if safe else ""
        header, *found = records(encoded(made, table, "csv", size=5, safe=safe).decode())
        are_texts = {column.name: column.is_text for part in Table(table).columns for column in part}
        expected = expected_rows(made, table, "camel")
        assert len(found) == len(expected)
        for row, values in zip(found, expected, strict=True):
            for name, cell in zip(header, row, strict=True):
                value = values.get(name)
                if value is not None and (are_texts[name] or name == "inputJson"):
                    plain = value if are_texts[name] else dump(value).decode()
                    assert cell == (prefix + plain if plain[:1] in tuple("=+-@\t\r") else plain)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])), st.lists))
@settings(max_examples=60, deadline=None)
def test_to_json(value: Any) -> None:
    """`to_json` writes what json reads, compact or indented, and Decimal digit for digit."""
    assert json.loads(to_json(value)) == value
    assert json.loads(to_json(value, indent=2)) == value
    assert to_json({"a": Decimal("0.10"), "b": Decimal("1E+400")}) == b'{"a":0.10,"b":1E+400}'


def test_no_rows() -> None:
    """Messages without tool calls give no tool-call rows, messages none of the sessions table; CSV still has its header."""
    made = [session(message(0), message(1, toolCalls=[]))]
    assert encoded(made, "tool-calls", "ndjson", size=9) == b""
    assert encoded([session()], "messages", "ndjson", size=9) == b""
    assert encoded(made, "tool-calls", "csv", size=9).count(b"\n") == 1
    assert encoded(made, "sessions", "ndjson", size=9).count(b"\n") == 1
