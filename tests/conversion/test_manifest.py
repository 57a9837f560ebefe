"""The manifest of a folder of outputs: what it records, what --update makes of it, and that outputs repeat byte for byte."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
from contextlib import closing
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

import exportstream
from exportstream import convert, convert_many, merge_many, verify
from exportstream.conversion.inputs import find_inputs
from exportstream.conversion.manifest import Manifest
from exportstream.conversion.pool import Workers
from exportstream.errors import UsageError, WriteError
from exportstream.writing.outputs import MANIFEST
from tests.kit.command import run, said, start, wait_until
from tests.kit.documents import dump, export, message, session
from tests.kit.files import contents, everything, many, put, zipped

FORMATS = ["ndjson", "csv", "parquet", "sqlite"]


def lines(folder: str = "rows") -> list[dict[str, Any]]:
    """The lines of a manifest."""
    return [json.loads(line, parse_float=Decimal) for line in Path(folder, MANIFEST).read_bytes().splitlines()]


def update(**options: Any) -> list[str]:
    """Convert what is in `in` with update, and return the names of what was converted."""
    done = convert_many(["in"], "rows", update=True, **options)
    assert not done.failed
    return [os.path.basename(one.source) for one in done.outcomes if one.status == "converted"]


# What is recorded -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("table", [None, "all"])
def test_a_line_for_each_output(folder: Path, format_: Any, table: Any) -> None:
    """A line says what the output was made of, with which options, what is in it, and the SHA-256 of its bytes."""
    put(folder, "in/c/a.json")
    done = convert_many(["in"], "rows", format=format_, table=table, keys="snake", on_error="skip", force=True)
    found = sorted(lines(), key=lambda line: line["output"])
    assert [line["output"] for line in found] == sorted(contents(folder / "rows"))
    outputs = {output.target: output for outcome in done.outcomes if outcome.report for output in outcome.report.outputs}
    for line in found:
        data = (folder / "rows" / line["output"]).read_bytes()
        output = outputs[f"rows/{line['output']}"]
        when = os.stat("in/c/a.json")
        assert line == {
            "schema": 1,
            "output": line["output"],
            "input": {"name": "../in/c/a.json", "size": when.st_size, "modified": when.st_mtime_ns},
            "options": {
                "compression": output.compression,
                "format": format_,
                "keys": "snake",
                "onError": "skip",
                "tables": list(output.tables),
            },
            "version": exportstream.__version__,
            "rows": output.table_rows,
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "totals": json.loads(dump(done.totals.to_dict()), parse_float=Decimal),
            "rejected": 0,
            "damaged": 0,
            "damagedBytes": 0,
            "doubtful": 0,
        }
        assert output.sha256 == line["sha256"]
        assert sum(line["rows"].values()) == output.rows > 0


def test_parquet_and_sqlite_describe_themselves(folder: Path) -> None:
    """Options, version, rows and totals are in the file, and nothing that changes from run to run."""
    put(folder, "a.json")
    totals = json.loads(dump(convert("a.json", "a.parquet").totals.to_dict()), parse_float=Decimal)
    convert("a.json", "a.db", running_totals=True)
    inside = json.loads(parquet.read_metadata("a.parquet").metadata[b"exportstream"], parse_float=Decimal)
    assert inside == {
        "schema": 1,
        "version": exportstream.__version__,
        "options": {"compression": "zstd", "format": "parquet", "tables": ["messages"]},
        "totals": totals,
        "rows": {"messages": 3},
    }
    with closing(sqlite3.connect("a.db")) as connection:
        found = dict(connection.execute("select * from exportstream_info"))
    assert found.pop("version") == exportstream.__version__
    about = {key: json.loads(value, parse_float=Decimal) for key, value in found.items()}
    tables = ["messages", "tool-calls", "sessions"]
    assert about["options"] == {"compression": "none", "format": "sqlite", "runningTotals": True, "tables": tables}
    assert about["totals"] == totals
    assert about["rows"] == {table: about["rows"][table] for table in tables}
    assert about["rows"]["messages"] == 3


def test_only_folders_have_a_manifest(folder: Path) -> None:
    """A single output and a merged one leave no file beside them."""
    put(folder, "a.json")
    assert convert("a.json", "a.ndjson").outputs[0].sha256 is None
    merge_many("a.json", "b.ndjson")
    assert everything(folder) == ["a.json", "a.ndjson", "b.ndjson"]


def test_a_manifest_is_never_an_input(folder: Path) -> None:
    """Neither folders nor globs find it, not even a glob of hidden files."""
    put(folder, "a.json")
    convert_many(["."], ".")
    for source in (".", "**/*", ".*ndjson", "*.ndjson"):
        try:
            found = [one.source for one in find_inputs(source)]
        except UsageError:
            found = []
        assert not [name for name in found if MANIFEST in name]


def test_names_of_any_bytes(folder: Path) -> None:
    """Names that are not UTF-8 are recorded, found by --update and verified."""
    (folder / "in").mkdir()
    name = os.fsdecode(b'in/\xff"\xc3\xa9\n.json')
    Path(name).write_bytes(export("a"))
    assert len(update()) == 1
    assert update() == []
    assert [one.ok for one in exportstream.verify("rows")] == [True]


def test_a_url_and_standard_input(folder: Path) -> None:
    """A folder under a URL has no manifest; standard input has no size, and is converted again."""
    put(folder, "a.json")
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    system.pipe("/proof/a.json", export("a"))
    assert convert_many(["memory://proof/a.json"], "rows").count("converted") == 1
    (line,) = lines()
    assert line["input"]["name"] == "memory://proof/a.json"
    assert convert_many(["memory://proof/a.json"], "rows", update=True).count("skipped") == 1
    system.pipe("/proof/a.json", export("a"))
    assert convert_many(["memory://proof/a.json"], "rows", update=True).count("converted") == 1
    convert_many(["a.json"], "memory://proof/rows/")
    assert [os.path.basename(name) for name in system.find("/proof/rows")] == ["a.ndjson.zst"]
    for _ in range(2):
        done = run("convert", "-", "-o", "in/", "--update", cwd=folder, data=export("a"))
        assert "<stdin>: 3 rows to in/stdin.ndjson.zst" in said(done)[-1]
    assert lines("in")[0]["input"] == {"name": "-"}


def test_single_outputs_where_a_manifest_is(folder: Path) -> None:
    """An output or merge is recorded without `update`, too, in a folder with a manifest, and only there."""
    many(folder / "in", 1)
    convert("in/s000.json", "alone.csv")
    assert not Path(MANIFEST).exists()
    update()
    for columns in (None, "id"):  # a record of an output that was replaced would be wrong
        convert("in/s000.json", "rows/one.csv", columns=columns, force=True)
        merge_many(["in"], "rows/all.csv", columns=columns, force=True)
        assert [one.findings for one in verify("rows")] == [[]] * 3
    assert merge_many(["in"], "rows/all.csv", columns="id", update=True).count("skipped") == 1


# Update -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{"keys": "snake"}, {"running_totals": True}, {"level": 19}, {"dedupe": True}, {"on_error": "skip"}],
)
def test_update_sees_other_options(folder: Path, options: dict[str, Any]) -> None:
    """With other options the outputs are made again, once; options that shape no output change nothing."""
    many(folder / "in", 2)
    assert len(update()) == 2
    assert update(max_window=1 << 27, max_message_size=1 << 20, force=True) == []
    assert len(update(**options)) == 2
    assert update(**options) == []
    assert len(update()) == 2


def test_update_sees_other_prices(folder: Path) -> None:
    """Outputs are made again if the content of a price list changed, not if its name did."""
    many(folder / "in", 1)
    price = '[[price]]\nmodel = "x"\ninput = 1\noutput = {}\n'
    Path("a.toml").write_text(price.format(2))
    Path("b.toml").write_text(price.format(2))
    assert len(update(prices="a.toml")) == 1
    assert update(prices=Path("b.toml")) == []
    Path("b.toml").write_text(price.format(3))
    assert len(update(prices="b.toml")) == 1


def test_update_sees_every_change_of_an_input(folder: Path) -> None:
    """Growth, a replacement by an older file, and another input of the same name are seen; times of outputs are not."""
    many(folder / "in", 3)
    assert len(update()) == 3
    os.utime("in/s000.json", ns=(1, 1))
    assert update() == ["s000.json"]
    when = os.stat("in/s000.json")
    Path("in/s000.json").write_bytes(export("s000", 4))
    os.utime("in/s000.json", ns=(when.st_atime_ns, when.st_mtime_ns))
    assert update() == ["s000.json"]
    for name in contents(folder / "rows"):
        os.utime(folder / "rows" / name, ns=(1, 1))
    assert update() == []
    put(folder, "other/s000.json", messages=4)
    os.utime("other/s000.json", ns=(when.st_atime_ns, when.st_mtime_ns))
    assert convert_many(["other"], "rows", update=True).count("converted") == 1


def test_update_after_a_move(folder: Path) -> None:
    """Inputs and outputs that move together, or are reached from another folder, are still up to date."""
    many(folder / "one/in", 2)
    assert convert_many(["one/in"], "one/rows").count("converted") == 2
    os.rename("one", "two")
    os.chdir("two/rows")
    assert convert_many(["../in"], ".", update=True).count("skipped") == 2
    os.symlink("in", folder / "two/link")
    assert convert_many([str(folder / "two/link")], ".", update=True).count("skipped") == 2


def test_update_of_what_was_damaged(folder: Path) -> None:
    """The manifest records how much of an input was damaged, and what is up to date says so again."""
    Path("in").mkdir()
    Path("in/a.json").write_bytes(dump(session(message(0), id="s")) + b"\n?oops")
    done = convert_many(["in"], "rows", on_error="skip")
    assert (done.notes.damaged, done.notes.damaged_bytes) == (1, 5)
    assert [(line["damaged"], line["damagedBytes"]) for line in lines()] == [(1, 5)]
    (kept,) = convert_many(["in"], "rows", on_error="skip", update=True).outcomes
    assert (kept.status, kept.rejects) == ("skipped", "rows/a.ndjson.zst.rejects.ndjson")
    assert kept.notes is not None
    assert (kept.notes.rejected, kept.notes.damaged, kept.notes.damaged_bytes) == (0, 1, 5)


def test_outputs_of_members_whose_archive_was_removed(folder: Path) -> None:
    """Members of an archive that is there are there, also if it is no input of this run."""
    put(folder, "in/b.json")
    zipped(folder / "a.zip", {name: dump(session(message(0), id="s")) for name in ("x.json", "y.json")})
    convert_many(["a.zip", "in"], "rows")
    assert convert_many(["in"], "rows", update=True).without_input == []
    os.unlink("a.zip")
    done = convert_many(["in"], "rows", update=True)
    assert done.without_input == done.to_dict()["withoutInput"] == [f"rows/{name}.ndjson.zst" for name in "xy"]


def test_update_makes_outputs_without_a_record_again(folder: Path) -> None:
    """Outputs of older versions, without a manifest, and outputs that were replaced are made again."""
    many(folder / "in", 2)
    assert len(update()) == 2
    (folder / "rows" / MANIFEST).unlink()
    assert len(update()) == 2
    (folder / "rows/s000.ndjson.zst").write_bytes(b"")
    assert update() == ["s000.json"]


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_update_with_a_damaged_manifest(folder: Path, end: bytes) -> None:
    """A line that was cut, and lines that are no records, are left out; their outputs are made again."""
    many(folder / "in", 3)
    assert len(update()) == 3
    path = folder / "rows" / MANIFEST
    found = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(found[0] + b'[]\nnull\n{}\n{"output":5}\n\xff\n' + found[1] + found[2][: len(found[2]) // 2] + end)
    cut = os.path.basename(json.loads(found[2])["input"]["name"])
    assert update() == [cut]
    assert update() == []


def test_a_manifest_does_not_grow_for_ever(folder: Path) -> None:
    """Converted again and again, a manifest has at most about twice as many lines as outputs, and stays right."""
    many(folder / "in", 4)
    for _ in range(9):
        convert_many(["in"], "rows", force=True)
    assert len(lines()) <= 12
    assert update() == []
    assert all(one.ok for one in exportstream.verify("rows"))


def test_a_manifest_that_can_not_be_written(folder: Path) -> None:
    """If outputs can't be recorded none of them appears, and the error names the manifest."""
    put(folder, "in/a.json")
    (folder / "rows" / MANIFEST).mkdir(parents=True)
    with pytest.raises((WriteError, exportstream.ReadError), match=r"\.exportstream\.manifest\.ndjson"):
        convert_many(["in"], "rows")
    assert contents(folder / "rows") == {}


# Processes --------------------------------------------------------------------------------------------------------------


def test_workers_and_a_second_run_append_at_once(folder: Path) -> None:
    """Two commands with two workers each record all outputs, and no line is damaged."""
    many(folder / "in", 12)
    many(folder / "more", 12)
    runs = [start("convert", name, "-o", f"rows/{name}/..", "--jobs", "2", "--force", cwd=folder) for name in ("in", "more")]
    for one in runs:
        _, errors = one.communicate(timeout=120)
        assert one.returncode == 0, errors
    found = lines()
    assert len(found) == 24
    assert {line["output"] for line in found} == contents(folder / "rows").keys()


def test_a_run_that_is_killed(folder: Path) -> None:
    """Killed at any moment, the manifest has no output that is not there, and --update goes on with the others."""
    many(folder / "in", 30, messages=50)
    command = start("convert", "in", "-o", "rows", "--jobs", "1", cwd=folder)
    wait_until(lambda: (folder / "rows" / MANIFEST).exists() and len(contents(folder / "rows")) >= 5)
    os.killpg(command.pid, signal.SIGKILL)
    command.communicate()
    with Manifest("rows").open() as records:
        recorded = set(records.positions)
    there = contents(folder / "rows").keys()
    assert recorded <= there
    assert len(there - recorded) <= 1
    assert len(update()) == 30 - len(recorded)
    assert len(list(exportstream.verify("rows"))) == 30
    assert all(one.ok for one in exportstream.verify("rows"))


# Byte for byte ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", FORMATS)
def test_two_runs_write_the_same_bytes(folder: Path, format_: Any) -> None:
    """The same inputs give the same outputs, byte for byte, in one process and in several, and merged."""
    many(folder / "in", 3, messages=40)
    big = dump(session(*(message(number, content="x" * 1000 + str(number)) for number in range(3000)), id="big"))
    (folder / "in/big.json").write_bytes(big)
    convert_many(["in"], "one", format=format_)
    os.utime("in/big.json", ns=(1, 1))
    with Workers(2) as workers:
        convert_many(["in"], "two", format=format_, executor=workers)
    assert contents(folder / "one") == contents(folder / "two")
    suffix = {"sqlite": ".db", "ndjson": ".ndjson.gz", "csv": ".csv.zst"}.get(format_, f".{format_}")
    for name in ("m1", "m2"):
        merge_many(["in"], name + suffix)
    assert Path(f"m1{suffix}").read_bytes() == Path(f"m2{suffix}").read_bytes()


def test_names_within_a_folder_are_those_of_relpath(folder: Path) -> None:
    """However the folder and the path are spelled, asked twice."""
    (folder / "a" / "b").mkdir(parents=True)
    os.chdir(folder / "a")
    roots = ["", "/", "../", "./", f"{folder}/"]
    paths = [root + "/".join(names) for root in roots for names in product(["a", "b", "..", "x"], repeat=2)]
    for inside in [".", "../a", *paths[::3]]:
        manifest = Manifest(inside)
        for path in [*paths, ".", "..", "a", "a/", *paths]:
            assert manifest.name_of(path) == os.path.relpath(path, inside)
