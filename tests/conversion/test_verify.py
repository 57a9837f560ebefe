"""Verify: every kind of tampering is found, and nothing is found where nothing changed."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from pyarrow import parquet

from exportstream import Verified, convert, convert_many, merge_many, verify
from exportstream.errors import UsageError
from exportstream.writing.outputs import MANIFEST
from tests.kit.documents import dump, export, message, messages, session, tool_call
from tests.kit.files import contents, many, put, unpack, zipped
from tests.kit.transcripts import SESSION, Transcript

FORMATS = ["ndjson", "csv", "parquet", "sqlite"]


def findings(*outputs: Any) -> dict[str, str]:
    """What is found, by output; outputs without a finding are left out."""
    return {one.output: "; ".join(one.findings) for one in verify(outputs) if not one.ok}


def one_output(folder: Path, **options: Any) -> Path:
    """Convert one export into a folder, and return its output."""
    put(folder, "in/a.json", messages=20)
    convert_many(["in"], "rows", **options)
    (name,) = contents(folder / "rows")
    return Path("rows", name)


# Nothing to find --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"table": "all"},
        {"keys": "snake", "table": "all"},
        {"running_totals": True, "table": "all"},
        {"dedupe": True},
        {"table": "tool-calls"},
    ],
)
def test_outputs_as_they_were_written(folder: Path, format_: Any, options: dict[str, Any]) -> None:
    """Outputs of all formats, tables and spellings are found as they were recorded, with their rows."""
    many(folder / "in", 3, messages=20)
    (folder / "in/empty.json").write_bytes(dump(session()))
    done = convert_many(["in"], "rows", format=format_, **options)
    found = list(verify("rows"))
    assert [one.findings for one in found] == [[]] * len(contents(folder / "rows"))
    assert sum(sum(one.rows.values()) for one in found) == done.rows
    assert findings(*(f"rows/{name}" for name in contents(folder / "rows"))) == {}


@pytest.mark.parametrize("name", ["all.parquet", "all.db"])
def test_files_that_describe_themselves(folder: Path, name: str) -> None:
    """Parquet and SQLite files are verified without a manifest, wherever they are."""
    many(folder / "in", 3)
    merge_many(["in"], name, running_totals=True)
    os.mkdir("elsewhere")
    os.rename(name, f"elsewhere/{name}")
    (found,) = verify(f"elsewhere/{name}")
    assert found.ok
    assert found.rows["messages"] == 9
    assert [one.output for one in verify(["elsewhere", Path("elsewhere")])] == [f"elsewhere/{name}"] * 2


@pytest.mark.parametrize("format_", FORMATS)
@given(made=messages())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_messages(tmp_path: Path, format_: Any, made: Any) -> None:
    """Rows of any texts and figures are counted as they were written."""
    source = tmp_path / "a.json"
    source.write_bytes(dump(session(made, message(1, content='a"b\n"",\r\n'))))
    convert_many([source], tmp_path / "rows", format=format_, force=True)
    assert findings(tmp_path / "rows") == {}


def test_costs_that_a_column_does_not_hold(folder: Path) -> None:
    """Costs that Parquet and SQLite keep as text are added up with their digits."""
    costs = [Decimal("0.1"), Decimal("1E-30"), Decimal("123456789012345678901234567890.5"), Decimal(7)]
    Path("a.json").write_bytes(dump(session(*(message(number, cost=cost) for number, cost in enumerate(costs)))))
    for format_ in FORMATS:
        convert_many(["a.json"], "rows", format=format_)  # type: ignore[arg-type]
    assert len(list(verify("rows"))) == 4
    assert findings("rows") == {}


def test_inputs_and_other_files_in_the_folder(folder: Path) -> None:
    """Inputs, rejects, hidden files and files of other kinds are no outputs; what looks like one has no record."""
    put(folder, "a.json", "b.ndjson", ".x.csv", "notes.txt", "a.rejects.ndjson")
    convert_many(["a.json", "b.ndjson"], ".")
    assert findings(".") == {}
    Path("new.csv").write_text("")
    assert findings(".") == {"./new.csv": "expected a record in a manifest, got none"}


LOGS = {
    "p/s.jsonl": b'{"parentUuid":null,"sessionId":"s","type":"user","uuid":"u"}\n',
    "p/s/subagents/agent-1.jsonl": b'{"agentId":"1","sessionId":"s","type":"user"}\n',
    "history.jsonl": b'{"display":"x","project":"/p"}\n',
    "export.ndjson": b'{"id":"s","title":"t","messages":[]}\n',
    "bill.csv": b"when,what\n1,2\n",
    "costs.csv": b"model,cost\ngpt,1\n",
    "index.jsonl": b'{"id":"1","title":"t","createdAt":"2025-10-03T10:00:00Z"}\n',
    "fine-tuning.jsonl": b'{"role":"user","content":"x"}\n',
    "nothing.ndjson": b"{}\n",
    "large.jsonl": b'{"payload":"' + b"x" * (2 << 20) + b'"}\n',
}


def test_logs_and_files_of_others_are_no_outputs(folder: Path) -> None:
    """Only what has the columns of a table, or describes itself, is an output, also where it lies among inputs."""
    for name, data in LOGS.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)
    with closing(sqlite3.connect("state.db")) as connection:
        connection.execute("create table logs (line)")
    with pytest.raises(UsageError, match="expected a folder of outputs, got one without any"):
        findings(".")
    put(folder, "a.json")
    convert("a.json", "b.csv", keys="snake", columns=["cost", "session_id", "file"])
    convert("a.json", "c.jsonl", table="tool-calls", without="result")
    convert("a.json", "d.db")
    convert_many(["a.json"], ".")
    none = "expected a record in a manifest, got none"
    assert findings(".") == {"./b.csv": none, "./c.jsonl": none}
    assert len(list(verify("."))) == 4
    Path(MANIFEST).unlink()
    Path("empty.csv").touch()
    Path("d.db").write_bytes(Path("d.db").read_bytes()[:3000])
    Path("e.parquet").write_bytes(b"PAR1")
    found = findings(".")
    assert found.keys() == {"./a.ndjson.zst", "./b.csv", "./c.jsonl", "./d.db", "./e.parquet"}
    assert [found[name] for name in ("./a.ndjson.zst", "./b.csv", "./c.jsonl")] == [none] * 3


def test_folders_with_manifests_of_their_own(folder: Path) -> None:
    """Verified above them, each folder goes by its own manifest, and an output of it that is missing is found."""
    many(folder / "in", 2, messages=3)
    for name in ("all/x", "all/y"):
        convert_many(["in"], name)
    assert (findings("all"), len(list(verify("all")))) == ({}, 4)
    missing = next(Path("all/y").glob("*.zst"))
    missing.unlink()
    assert findings("all") == {str(missing): "it is missing"}


def test_manifests_within_each_other(folder: Path) -> None:
    """An output goes by the nearest manifest that has it, from wherever it is verified, and is verified once."""
    put(folder, "in/sub/a.json", "b.json", "in2/a.json")
    convert_many(["in"], "rows")  # rows/sub/a
    convert_many(["b.json"], "rows/sub")
    for name, count in (("rows", 2), ("rows/sub", 2), ("rows/sub/a.ndjson.zst", 1), ("rows/sub/b.ndjson.zst", 1)):
        assert (findings(name), len(list(verify(name)))) == ({}, count)
    convert_many(["in2"], "rows/sub", force=True, on_error="stop", keys="snake")  # the outer record is out of date by now
    for name in ("rows", "rows/sub", "rows/sub/a.ndjson.zst"):
        assert findings(name) == {}


def test_inputs_of_other_outputs_in_a_folder(folder: Path) -> None:
    """Inputs beside some of the outputs are none where the others are verified alone."""
    put(folder, "rows/in/a.ndjson", "exports/in/b.json")
    convert_many(["rows/in/a.ndjson", "exports"], "rows")
    assert [one.output for one in verify("rows/in")] == ["rows/in/b.ndjson.zst"]
    assert findings("rows/in") == {}


# Tampering --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", FORMATS)
def test_a_flipped_byte_anywhere(folder: Path, format_: Any) -> None:
    """Any byte that is changed is found, and never ends the verification."""
    path = one_output(folder, format=format_)
    data = path.read_bytes()
    for position in random.Random(1).sample(range(len(data)), 40):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :])
        assert "expected SHA-256 " in findings("rows")[str(path)]
    path.write_bytes(data)
    assert findings("rows") == {}


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("part", [0, 0.5, 0.99])
def test_a_cut_output(folder: Path, format_: Any, part: float) -> None:
    """An output that was cut is found."""
    path = one_output(folder, format=format_)
    size = path.stat().st_size
    os.truncate(path, int(size * part))
    assert f"expected {size:,} bytes, got {int(size * part):,}" in findings("rows")[str(path)]


@pytest.mark.parametrize("compression", ["zst", "gz", ""])
@pytest.mark.parametrize("format_", ["ndjson", "csv"])
def test_a_removed_row(folder: Path, format_: Any, compression: Any) -> None:
    """A row that was removed, and the rest compressed again, is found with its figures."""
    path = one_output(folder, format=f"{format_}.{compression}".rstrip("."))
    kept = b"".join(unpack(path.read_bytes()).splitlines(keepends=True)[:-1])
    pack: Any = {"zst": zstandard.compress, "gz": gzip.compress, "": bytes}[compression]
    path.write_bytes(pack(kept))
    found = findings("rows")[str(path)]
    assert "expected 20 rows of messages, got 19" in found
    assert " as inputTokens, got " in found
    assert " as cost, got " in found


def test_an_output_of_an_older_run_with_the_same_time(folder: Path) -> None:
    """An output that was replaced by one of an older run is found, though its time is the same."""
    path = one_output(folder, format="ndjson")
    old, when = path.read_bytes(), path.stat()
    put(folder, "in/a.json", messages=21)
    convert_many(["in"], "rows", format="ndjson", update=True)
    path.write_bytes(old)
    os.utime(path, ns=(when.st_atime_ns, when.st_mtime_ns))
    assert "expected 21 rows of messages, got 20" in findings("rows")[str(path)]


def test_missing_outputs(folder: Path) -> None:
    """An output that is missing is a finding, in a folder and by its name."""
    path = one_output(folder)
    path.unlink()
    assert findings("rows") == findings(path) == {str(path): "it is missing"}


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("delete from messages where messageIndex = 3", "expected 20 rows of messages, got 19"),
        ("update messages set cost = cost + 1 where messageIndex = 3", "as cost, got"),
        ("update messages set inputTokens = null where messageIndex = 3", "as inputTokens, got"),
        ("update messages set toolCalls = null", "tool calls, got 0"),
        ("update messages set cost = 'x'", "cost: expected a number, got 'x'"),
        ("drop table tool_calls", "SQLite says: no such table: tool_calls"),
        (
            "update exportstream_info set value = '{}' where key = 'totals'",
            "expected a record that this version understands",
        ),
        ("update exportstream_info set value = '{' where key = 'rows'", "expected JSON"),
        ("drop table exportstream_info", "expected a record in a manifest, got none"),
    ],
)
def test_a_database_that_was_changed(folder: Path, statement: str, found: str) -> None:
    """Changes of a database are found by what it says about itself."""
    convert(export("a", 20), "a.db")
    with sqlite3.connect("a.db") as connection:
        connection.execute(statement)
    connection.close()
    assert found in findings("a.db")["a.db"]


def test_a_parquet_file_that_was_changed(folder: Path) -> None:
    """A Parquet file that lost a row, or whose pages were changed, is found by what it says about itself."""
    convert(export("a", 20), "a.parquet")
    table = parquet.read_table("a.parquet")
    about = parquet.read_metadata("a.parquet").metadata[b"exportstream"]
    data = Path("a.parquet").read_bytes()
    changed = table.slice(1).replace_schema_metadata({**(table.schema.metadata or {}), b"exportstream": about})
    parquet.write_table(changed, "b.parquet")
    assert "expected 20 rows of messages, got 19" in findings("b.parquet")["b.parquet"]
    parquet.write_table(pa.table({"x": [1]}), "c.parquet")
    Path("d.parquet").write_bytes(data[:1000] + bytes([data[1000] ^ 1]) + data[1001:])
    found = findings("c.parquet", "d.parquet")
    assert found["c.parquet"] == "expected a record in a manifest, got none"
    assert "expected a Parquet file, got one that can't be read" in found["d.parquet"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"id","cost"\n"a,5\n', "it ends within a row"),
        ('"id","cost"\n"a"b,5\n', "expected a comma"),
        ('"id","cost"\n"a"\n', "expected 2 cells in each row"),
        ('"id","cost"\n"a",x\n', "expected a number, got 'x'"),
        ('"id","cost"\n"a",5', "it ends within a row"),
        ("", "expected a header"),
    ],
)
def test_csv_that_is_none(folder: Path, text: str, found: str) -> None:
    """A file that is not our CSV any more is a finding that says why."""
    path = one_output(folder, format="csv")
    path.write_text(text)
    assert found in findings("rows")[str(path)]


@pytest.mark.parametrize("text", ["{}\n[]\n", '{"cost":"x"}\n', "{\n", '{"toolCalls":5}\n', "\xff\n"])
def test_ndjson_that_is_none(folder: Path, text: str) -> None:
    """A file that is not our NDJSON any more is a finding that says where."""
    path = one_output(folder, format="ndjson")
    path.write_text(text, encoding="latin-1")
    assert "a row after the first 0 is no row" in findings("rows")[str(path)]


def test_a_manifest_of_another_version(folder: Path) -> None:
    """A record that this version does not understand is a finding."""
    path = one_output(folder)
    manifest = Path("rows", MANIFEST)
    manifest.write_text(manifest.read_text().replace('"format":"ndjson"', '"format":"avro"'))
    assert "expected a record that this version understands" in findings("rows")[str(path)]
    manifest.write_text(manifest.read_text().replace('"rows":{', '"rows":5,"was":{'))
    assert findings("rows") == {str(path): "expected a record in a manifest, got none"}


def outdated(*outputs: Any) -> list[str]:
    """The outputs whose inputs changed since."""
    return [one.output for one in verify(outputs) if one.outdated]


def test_outputs_whose_inputs_changed(folder: Path) -> None:
    """A file or archive with another size or time makes its outputs outdated, seen from any folder; a removed one doesn't."""
    many(folder / "in", 6)
    zipped(folder / "a.zip", {"x.json": dump(session(message(0)))})
    convert_many(["in", "a.zip"], "rows")
    merge_many(["in"], "rows/all.csv", update=True)
    assert outdated("rows") == []
    for name in ("in/s000.json", "in/d1/s001.json", "a.zip"):
        os.utime(name, ns=(5, 5))
    Path("in/s003.json").unlink()
    found = ["rows/d1/s001.ndjson.zst", "rows/s000.ndjson.zst", "rows/x.ndjson.zst"]
    assert outdated("rows") == found
    assert outdated("rows/d1") == outdated(*found[:1]) == found[:1]
    os.utime("in/s000.json")  # newer than the merge
    assert sorted(outdated("rows")) == ["rows/all.csv", *found]
    assert findings("rows") == {}


def test_outputs_whose_sub_agents_changed(folder: Path) -> None:
    """Verify and update see the same: another size, time or number of the files of sub-agents, if they were read."""
    main, agents = Path("in", f"{SESSION}.jsonl"), Path("in", SESSION, "subagents")
    agents.mkdir(parents=True)
    main.write_bytes(Transcript().user().data)
    for name in ("a", "b"):
        (agents / f"agent-{name}.jsonl").write_bytes(Transcript(agent=name).user(name).data)
    convert_many([main], "alone")
    os.mkdir("merged")
    merge_many(["in"], "merged/all.csv", update=True)
    for change, merged in (
        (lambda: (agents / "agent-a.jsonl").write_bytes(Transcript(agent="a").user("longer").data), ["merged/all.csv"]),
        ((agents / "agent-b.jsonl").unlink, ["merged/all.csv"]),
        (lambda: shutil.rmtree(agents), []),
    ):
        assert convert_many(["in"], "rows", update=True).count("failed") == 0
        assert outdated("rows") == []
        change()
        assert outdated("rows", "merged", "alone") == [f"rows/{SESSION}.ndjson.zst", *merged]
        assert convert_many(["in"], "rows", update=True).count("converted") == 1


@pytest.mark.parametrize("name", ["5", "null", r'"\u0000"', r'"\ud800"', '"s3://x"', '"-"'])
def test_inputs_that_nobody_can_find(folder: Path, name: str) -> None:
    """A record whose input is no file that is there does not make an output outdated."""
    path = one_output(folder)
    manifest = Path("rows", MANIFEST)
    manifest.write_text(manifest.read_text().replace('"../in/a.json"', name).replace('"size":', '"size":1'))
    assert outdated(path) == []


# Names ------------------------------------------------------------------------------------------------------------------


def test_a_part_of_a_folder(folder: Path) -> None:
    """A folder within, and a file, are verified by the manifest above them, from any working folder."""
    many(folder / "in", 6)
    convert_many(["in"], "rows")
    assert [one.output for one in verify("rows/d1")] == ["rows/d1/s001.ndjson.zst", "rows/d1/s004.ndjson.zst"]
    os.chdir("rows/d1")
    assert [one.ok for one in verify(["s001.ndjson.zst", ".", "../d2"])] == [True] * 5


@pytest.mark.parametrize("name", ["-", "s3://bucket/rows/", "empty"])
def test_names_that_are_no_outputs(folder: Path, name: str) -> None:
    """Streams, URLs and folders without outputs are refused, by name."""
    (folder / "empty").mkdir()
    with pytest.raises(UsageError, match=name):
        list(verify(name))
    with pytest.raises(TypeError, match="expected a path"):
        list(verify([5]))


def test_verified_says_whether_it_is_right() -> None:
    """An output without findings is right."""
    assert Verified("a").ok
    assert not Verified("a", ["x"]).ok


def test_memory_does_not_grow_with_the_output(folder: Path) -> None:
    """Verifying an output takes no more memory for ten times the rows."""
    import tracemalloc  # noqa: PLC0415 - only here

    peaks = []
    for number, count in enumerate((1000, 10_000)):
        made = (message(one, content="x\n" * 300, toolCalls=[tool_call()]) for one in range(count))
        Path("a.json").write_bytes(dump(session(*made)))
        for format_ in FORMATS:
            convert_many(["a.json"], f"rows{number}", format=format_)  # type: ignore[arg-type]
        list(verify(f"rows{number}"))
        tracemalloc.start()
        assert findings(f"rows{number}") == {}
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + (6 << 20), peaks
