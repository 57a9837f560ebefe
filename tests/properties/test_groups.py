"""Totals by group equal SQL over the rows of a merge, and what plain Python adds up over the whole document."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exportstream import GroupTable, merge_many, totals_many
from exportstream.totals.group_keys import DIMENSIONS
from tests.kit.documents import dump, message, session, tool_call

BY = [
    *(name for name in DIMENSIONS if name not in ("field", "message")),
    "day,model",
    "session,tool",
    "role,week,file",
    "model,finish-reason,tool",
    "file,session",
]
BERLIN = "Europe/Berlin"
FIGURES = {  # by column: its sum over the facts, in SQL
    "sessions": "count(DISTINCT session)",
    "messages": "sum(messages)",
    "toolCalls": "sum(calls)",
    "failed": "sum(failed)",
    "unfinished": "sum(unfinished)",
    "inputTokens": "sum(inputTokens)",
    "outputTokens": "sum(outputTokens)",
    "cacheCreationTokens": "sum(cacheCreationTokens)",
    "cacheReadTokens": "sum(cacheReadTokens)",
    "cost": "sum(CAST(cost AS DECIMAL(38, 9)))",
    "contentBytes": "sum(bytes)",
    "reasoningDuration": "sum(reasoningDuration)",
    "declaredPromptTokens": "sum(promptTokens)",
    "declaredCompletionTokens": "sum(completionTokens)",
    "declaredCost": "sum(CAST(declared AS DECIMAL(38, 9)))",
    "totalInputTokens": "sum(coalesce(inputTokens + cacheReadTokens, inputTokens, cacheReadTokens))",
}

TOKENS = st.none() | st.integers(0, 10**6)
COST = st.none() | st.decimals(0, 100, places=6)
DATES = st.sampled_from(
    [
        None,
        "yesterday",
        "2025-10-03T23:30:00-04:00",
        "2025-10-04T01:30:00+05:30",
        "2025-10-03T22:30:00.123456Z",
        "2025-12-31T23:30:00Z",
        "2026-01-01T00:10:00",
    ]
)
CALLS = st.builds(
    lambda name, failed, finished: tool_call(name=name, isError=failed, finished=finished),
    st.sampled_from(["Bash", "Grep", "é"]),
    st.none() | st.booleans(),
    st.booleans(),
)
FIELDS = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant", "critic"]),
        "content": st.sampled_from(["", "x", "naïve", "🙂"]),
        "createdAt": DATES,
    },
    optional={
        "model": st.sampled_from([None, "opus", "haiku"]),
        "finishReason": st.sampled_from([None, "end_turn"]),
        "reasoningDuration": TOKENS,
        "inputTokens": TOKENS,
        "outputTokens": TOKENS,
        "cacheCreationTokens": TOKENS,
        "cacheReadTokens": TOKENS,
        "cost": COST,
        "toolCalls": st.none() | st.lists(CALLS, max_size=3),
    },
)
DECLARED = st.fixed_dictionaries({}, optional={"promptTokens": TOKENS, "completionTokens": TOKENS, "cost": COST})
FILES = st.lists(st.lists(st.tuples(st.lists(FIELDS, max_size=4), DECLARED), min_size=1, max_size=3), min_size=1, max_size=3)


def write(folder: Path, files: list[list[tuple[list[dict[str, Any]], dict[str, Any]]]]) -> list[str]:
    """Write the files, and return their names. Each session has an id of its own."""
    names = []
    for number, made in enumerate(files):
        path = folder / f"f{number}.ndjson"
        lines = [
            dump(session(*(message(at, **fields) for at, fields in enumerate(some)), id=f"s{number}-{which}", **declared))
            for which, (some, declared) in enumerate(made)
        ]
        path.write_bytes(b"\n".join(lines))
        names.append(str(path))
    return names


def database(sources: list[str], folder: Path, zone: str | None) -> duckdb.DuckDBPyConnection:
    """The rows of a merge as a table of facts: a row for each message and each session, with the keys of all groups."""
    merge_many(sources, folder / "rows.ndjson", table="all")
    merged = duckdb.connect()
    merged.execute("SET TimeZone = 'UTC'")
    columns = {
        "messages": "sessionId messageIndex role content model finishReason createdAt cost",
        "tool-calls": "sessionId messageIndex name",
        "sessions": "id cost",
    }
    numbers = {
        "messages": "reasoningDuration inputTokens outputTokens cacheCreationTokens cacheReadTokens",
        "tool-calls": "",
        "sessions": "promptTokens completionTokens",
    }
    for table, texts in columns.items():
        types = {**dict.fromkeys(texts.split(), "VARCHAR"), **dict.fromkeys(numbers[table].split(), "BIGINT")}
        if table == "tool-calls":
            types |= {"isError": "BOOLEAN", "finished": "BOOLEAN"}
        path = folder / f"rows.{table}.ndjson"
        name = table.replace("-", "_")
        merged.execute(f"CREATE TABLE {name} AS FROM read_json('{path}', format='newline_delimited', columns={types})")
    instant = "TRY_CAST(createdAt AS TIMESTAMPTZ)"
    clock = "CAST(substr(createdAt, 1, 19) AS TIMESTAMP)" if zone is None else f"{instant} AT TIME ZONE '{zone}'"
    offset = "" if zone is None else f"|| '+0' || date_diff('hour', {instant} AT TIME ZONE 'UTC', clock) || ':00'"
    file = "'{0}/f' || regexp_extract({1}, 's(\\d+)-', 1) || '.ndjson'"
    merged.execute(f"""
        CREATE TABLE dated AS
        SELECT *, sessionId AS session, {file.format(folder, "sessionId")} AS file, strlen(content) AS bytes,
            strftime(clock, '%Y-%m-%d') AS day, strftime(clock, '%G-W%V') AS week, strftime(clock, '%Y-%m') AS month,
            strftime(clock, '%Y-%m-%dT%H') {offset} AS hour, finishReason AS "finish-reason", 'mix' AS producer,
            NULL::VARCHAR AS project
        FROM (SELECT *, CASE WHEN createdAt <> 'yesterday' THEN {clock} END AS clock FROM messages);
        CREATE TABLE calls AS
        SELECT *, name AS tool, 1 AS calls, CAST(coalesce(isError, FALSE) AS INT) AS failed,
            CAST(NOT finished AS INT) AS unfinished
        FROM tool_calls JOIN dated USING (sessionId, messageIndex);
        CREATE TABLE facts AS
        SELECT dated.*, 1 AS messages, coalesce(c, 0) AS calls, coalesce(f, 0) AS failed, coalesce(u, 0) AS unfinished
        FROM dated LEFT JOIN (
            SELECT sessionId, messageIndex, sum(calls) AS c, sum(failed) AS f, sum(unfinished) AS u
            FROM calls GROUP BY ALL
        ) USING (sessionId, messageIndex);
        CREATE TABLE declared AS
        FROM facts UNION ALL BY NAME
        SELECT id AS session, {file.format(folder, "id")} AS file, 'mix' AS producer, cost AS declared,
            promptTokens, completionTokens, 0 AS messages, 0 AS calls, 0 AS failed, 0 AS unfinished, 0 AS bytes
        FROM sessions
    """)  # noqa: S608 - names of our own
    return merged


def counted(merged: duckdb.DuckDBPyConnection, table: GroupTable, where: str) -> list[tuple[Any, ...]]:
    """The rows of a table, as SQL counts them."""
    declares = where == "TRUE" and {*table.by} <= {"session", "file", "producer"}
    facts = "calls" if "tool" in table.by else "declared" if declares else "facts"
    keys = [f'"{name}"' for name in table.by]
    sums = ["NULL" if name.startswith("declared") and not declares else FIGURES[name] for name in table.columns]
    query = f"SELECT {', '.join([*keys, *sums])} FROM {facts} WHERE {where} GROUP BY {', '.join(keys)}"  # noqa: S608
    return merged.execute(query).fetchall()


def rows_of(table: GroupTable) -> list[tuple[Any, ...]]:
    return [(*row.key, *row.figures.values()) for row in table.rows]


def in_order(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=lambda row: [(one is None, str(one)) for one in row])


RANGES: list[tuple[dict[str, str], str]] = [
    ({}, "TRUE"),
    ({"tz": BERLIN}, "TRUE"),
    ({"since": "2025-10-04"}, "clock >= TIMESTAMP '2025-10-04 00:00:00'"),
    (
        {"since": "2025-10-03T22:30:00Z", "until": "2026-01-01", "tz": BERLIN},
        f"clock >= TIMESTAMPTZ '2025-10-03 22:30:00Z' AT TIME ZONE '{BERLIN}' AND clock < TIMESTAMP '2026-01-01'",
    ),
]


@settings(max_examples=15, deadline=None)
@given(FILES, st.sampled_from(RANGES))
def test_groups_are_what_sql_counts_in_the_rows_of_a_merge(
    files: list[list[tuple[list[dict[str, Any]], dict[str, Any]]]], chosen: tuple[dict[str, str], str]
) -> None:
    """The law: every figure of every group equals SQL over the rows of `convert --merge`."""
    options, where = chosen
    with TemporaryDirectory() as name:
        folder = Path(name)
        sources = write(folder, files)
        done = totals_many(sources, by=BY, **options)  # type: ignore[arg-type]
        with database(sources, folder, options.get("tz")) as merged:
            for table in done.tables:
                assert in_order(rows_of(table)) == in_order(counted(merged, table, where)), table.by
            undated = merged.execute("SELECT count(*), sum(inputTokens) FROM dated WHERE clock IS NULL").fetchone()
    if where != "TRUE":
        found = done.tables[0].undated
        assert (None if found is None else (found.figures["messages"], found.figures["inputTokens"])) == (
            undated if undated and undated[0] else None
        )


# Against plain Python ---------------------------------------------------------------------------------------------------


def large(seed: int, messages: int = 10_000) -> bytes:
    """An export of many sessions with holes: no date, no model, no tokens, no cost, no calls; and zones of all kinds."""
    dice = random.Random(seed)
    start = datetime(2025, 10, 1, tzinfo=ZoneInfo("UTC"))
    made: list[list[dict[str, Any]]] = [[]]
    for number in range(messages):
        if dice.random() < 0.01:
            made.append([])
        zone = timezone(timedelta(minutes=dice.choice([-480, -210, 0, 60, 330, 840])))
        fields: dict[str, Any] = {
            "role": dice.choice(["user", "assistant", "tool"]),
            "content": dice.choice(["", "plain", "naïve", "🙂🙂"]) * dice.randrange(4),
            "createdAt": (start + timedelta(seconds=dice.randrange(100 * 86400))).astimezone(zone).isoformat(),
        }
        stated: dict[str, Any] = {
            "model": dice.choice(["opus", "sonnet", "haiku"]),
            "finishReason": dice.choice(["end_turn", "tool_use"]),
            "reasoningDuration": dice.randrange(9),
            "inputTokens": dice.randrange(10**5),
            "outputTokens": dice.randrange(10**4),
            "cacheCreationTokens": dice.randrange(10**4),
            "cacheReadTokens": dice.randrange(10**6),
            "cost": Decimal(dice.randrange(10**9)) / 10**9,
            "toolCalls": [tool_call(name=f"T{dice.randrange(4)}", isError=dice.choice([None, True, False]))]
            * dice.randrange(3),
        }
        fields |= {name: value for name, value in stated.items() if dice.random() < 0.6}
        if dice.random() < 0.05:
            fields["createdAt"] = dice.choice([None, "", "soon"])
        made[-1].append(message(number, **fields))
    return b"\n".join(
        dump(
            session(*some, id=f"s{number}", **({"cost": Decimal(number) / 8, "promptTokens": number} if number % 2 else {}))
        )
        for number, some in enumerate(made)
    )


def python_keys(one: dict[str, Any], session_id: str, zone: str | None) -> dict[str, str | None]:
    """The keys of a message by dimension."""
    try:
        clock = datetime.fromisoformat(one["createdAt"])
    except (TypeError, ValueError):
        clock = None
    if clock is not None and zone is not None:
        clock = clock.astimezone(ZoneInfo(zone))
    week = None if clock is None else clock.isocalendar()
    return {
        "session": session_id,
        "file": "in.ndjson",
        "model": one.get("model"),
        "role": one["role"],
        "finish-reason": one.get("finishReason"),
        "producer": "mix",
        "project": None,
        "day": None if clock is None else f"{clock:%Y-%m-%d}",
        "month": None if clock is None else f"{clock:%Y-%m}",
        "hour": None if clock is None else clock.isoformat(timespec="hours") if zone is not None else f"{clock:%Y-%m-%dT%H}",
        "week": None if week is None else f"{week[0]}-W{week[1]:02}",
    }


def added(found: dict[str, Any], name: str, value: Any) -> None:
    """Add a figure that may be absent."""
    if value is not None:
        found[name] = value + (found.get(name) or 0)


def python_rows(documents: list[dict[str, Any]], by: tuple[str, ...], zone: str | None) -> dict[Any, dict[str, Any]]:
    """Figures by key, added up one by one."""
    groups: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
    sessions: defaultdict[Any, set[str]] = defaultdict(set)
    for document in documents:
        keys = {"session": document["id"], "file": "in.ndjson", "producer": "mix"}
        if {*by} <= keys.keys():
            key = tuple(keys[name] for name in by)
            sessions[key].add(document["id"])
            added(groups[key], "declaredCost", document.get("cost"))
            added(groups[key], "declaredPromptTokens", document.get("promptTokens"))
        for one in document["messages"]:
            keys_of = python_keys(one, document["id"], zone)
            calls = one.get("toolCalls") or []
            if "tool" in by:
                for call in calls:
                    group = groups[tuple({**keys_of, "tool": call["name"]}[name] for name in by)]
                    added(group, "toolCalls", 1)
                    added(group, "failed", int(call.get("isError") is True))
                continue
            key = tuple(keys_of[name] for name in by)
            sessions[key].add(document["id"])
            group = groups[key]
            added(group, "messages", 1)
            added(group, "toolCalls", len(calls))
            added(group, "failed", sum(call.get("isError") is True for call in calls))
            added(group, "contentBytes", len(one["content"].encode()))
            for name in (
                "inputTokens",
                "outputTokens",
                "cacheCreationTokens",
                "cacheReadTokens",
                "reasoningDuration",
                "cost",
            ):
                added(group, name, one.get(name))
            stated = [one[name] for name in ("inputTokens", "cacheReadTokens") if one.get(name) is not None]
            added(group, "totalInputTokens", sum(stated) if stated else None)
    for key, ids in sessions.items():
        groups[key]["sessions"] = len(ids)
    return groups


@pytest.mark.parametrize("zone", [None, BERLIN])
def test_groups_are_what_plain_python_adds_up(zone: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 messages with holes: every figure of every group is what a loop over `json.loads` adds up."""
    monkeypatch.chdir(tmp_path)
    data = large(7)
    (tmp_path / "in.ndjson").write_bytes(data)
    documents = [json.loads(line, parse_float=Decimal) for line in data.splitlines()]
    for table in totals_many("in.ndjson", by=BY, tz=zone).tables:
        expected = python_rows(documents, table.by, zone)
        assert {row.key for row in table.rows} == expected.keys()
        for row in table.rows:
            wanted = expected[row.key]
            counts = {"toolCalls", "failed", "unfinished", "messages", "contentBytes"}
            assert row.figures == {name: wanted.get(name, 0 if name in counts else None) for name in table.columns}, row.key
