"""Many inputs through the library: one output each, one output of all, and executors of any kind."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exportstream import Duplicates, convert, convert_many, merge_many, verify
from exportstream.cli.process import exit_code
from exportstream.conversion.pool import Workers
from exportstream.conversion.progress import Status
from exportstream.conversion.report import ManyReport
from exportstream.errors import InputError, MissingExtraError, ReadError, UsageError, WriteError
from exportstream.reading.export import Export
from exportstream.writing.formats.json import to_json
from tests.kit.documents import cut, dump, export, invalid, message, session
from tests.kit.files import cells, contents, debris, everything, lines, many, put, rows, unpack, zipped


def outcomes(done: ManyReport) -> dict[str, str]:
    return {outcome.source: outcome.status for outcome in done.outcomes}


class Seen(list[Status]):
    """Takes copies of every status, and looks whether they only grow."""

    def __call__(self, status: Status) -> None:
        copy = Status(status.files, status.bytes_total, status.files_done, status.bytes_done, status.failed)
        if self:
            before = self[-1]
            assert before.files == copy.files
            assert before.files_done <= copy.files_done <= copy.files
            assert before.bytes_done <= copy.bytes_done
            assert before.failed <= copy.failed
        self.append(copy)


# One output each --------------------------------------------------------------------------------------------------------


def test_one_output_for_each_input(folder: Path) -> None:
    """Each input gets an output of its relative name, which is what `convert` makes of it alone."""
    put(folder, "in/a.json", "in/c/b.json.gz", "in/c/d/a.jsonl", "x.json")
    done = convert_many(["in", "x.json"], "rows")
    names = ["a.ndjson.zst", "c/b.ndjson.zst", "c/d/a.ndjson.zst", "x.ndjson.zst"]
    assert sorted(contents(folder / "rows")) == names
    for outcome, name in zip(done.outcomes, names, strict=True):
        alone = convert(outcome.source, "one.ndjson.zst")
        assert Path("one.ndjson.zst").read_bytes() == (folder / "rows" / name).read_bytes()
        os.unlink("one.ndjson.zst")
        assert outcome.report is not None
        assert outcome.report.totals == alone.totals
        assert outcome.report.outputs[0].target == f"rows/{name}"
    assert debris(folder) == []


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"format": "csv"}, ["a.csv", "c/b.csv"]),
        ({"format": "ndjson"}, ["a.ndjson", "c/b.ndjson"]),
        ({"format": "csv.gz"}, ["a.csv.gz", "c/b.csv.gz"]),
        ({"format": "db"}, ["a.db", "c/b.db"]),
        ({"format": "parquet"}, ["a.parquet", "c/b.parquet"]),
        ({"table": "sessions"}, ["a.ndjson.zst", "c/b.ndjson.zst"]),
        (
            {"table": ["sessions", "messages"], "format": "ndjson"},
            ["messages/a.ndjson", "messages/c/b.ndjson", "sessions/a.ndjson", "sessions/c/b.ndjson"],
        ),
        (
            {"table": "all", "format": "csv"},
            [f"{table}/{name}.csv" for table in ("messages", "sessions", "tool-calls") for name in ("a", "c/b")],
        ),
    ],
)
def test_names_of_outputs(folder: Path, options: dict[str, Any], names: list[str]) -> None:
    """Formats, compressions and tables give suffixes and folders."""
    put(folder, "in/a.json", "in/c/b.json")
    done = convert_many(["in"], "rows/", **options)
    assert sorted(contents(folder / "rows")) == names
    assert sorted(output.target for outcome in done.outcomes for output in outcome.report.outputs) == [  # type: ignore[union-attr]
        f"rows/{name}" for name in names
    ]


def test_only_suffixes_of_formats_are_cut_off(folder: Path) -> None:
    """A folder may be called rows.2026, and the names of tables come after a suffix that is none of a format."""
    put(folder, "in/a.json")
    assert convert_many(["in"], "rows.2026").count("converted") == 1
    done = convert("in/a.json", "out.v1", format="csv", table="messages,sessions")  # type: ignore[arg-type]
    assert [output.target for output in done.outputs] == ["out.v1.messages", "out.v1.sessions"]


def test_sums_are_those_of_the_inputs(folder: Path) -> None:
    """The report's figures are the sums over the inputs, exactly."""
    many(folder / "in", 7)
    done = convert_many(["in"], "rows", format="ndjson")
    written = {name: rows(folder / "rows" / name) for name in contents(folder / "rows")}
    everyone = [row for some in written.values() for row in some]
    assert (done.rows, done.messages, done.sessions, done.rejected) == (len(everyone), 21, 7, 0)
    assert done.totals.counted.cost.sum == sum(row["cost"] for row in everyone)
    assert done.totals.counted.input_tokens.sum == sum(row["inputTokens"] for row in everyone)
    assert done.totals.counted.tool_calls == sum(len(row.get("toolCalls") or ()) for row in everyone)
    assert done.bytes_written == sum(map(len, contents(folder / "rows").values())) == done.bytes_encoded
    assert done.bytes_read == done.bytes_parsed == sum(map(len, contents(folder / "in").values()))
    assert done.count("converted") == 7
    assert done.failed == []


@pytest.mark.parametrize("target", ["", "-"])
def test_what_is_no_folder_is_refused(folder: Path, target: str) -> None:
    """An empty name (of a variable that is not set) would be the root of the file system, and ``-`` no folder."""
    put(folder, "a.json")
    with pytest.raises(UsageError, match="expected a folder"):
        convert_many(["a.json"], target)
    assert everything(folder) == ["a.json"]


def test_a_folder_that_can_not_be_made(folder: Path) -> None:
    """A folder that is a file is a write error, before any work."""
    put(folder, "a.json", "b.json")
    (folder / "rows").write_bytes(b"x")
    with pytest.raises(WriteError, match="rows"):
        convert_many(["a.json", "b.json"], "rows")
    assert everything(folder) == ["a.json", "b.json", "rows"]


def test_paths_and_urls_of_files(folder: Path) -> None:
    """Folders may be `Path` objects or file:// URLs."""
    put(folder, "in/a.json")
    convert_many([Path("in")], Path("one"), report=Path("r.json"))
    convert_many([f"file://{folder}/in"], f"file://{folder}/two")
    assert contents(folder / "one") == contents(folder / "two")


# Failures ---------------------------------------------------------------------------------------------------------------


def bad_ones(folder: Path) -> None:
    """Inputs of which all but two fail, each in its own way."""
    put(folder, "in/a.json", "in/z.json")
    (folder / "in/cut.json").write_bytes(cut("cut"))
    (folder / "in/invalid.json").write_bytes(invalid("i"))
    (folder / "in/no-json.json").write_bytes(b"nothing of the kind")
    (folder / "in/other.json").write_bytes(b'{"title":"t","messages":[]}')
    (folder / "in/packed.json.gz").write_bytes(b"\x1f\x8b\x08" + bytes(50))
    os.symlink("gone", folder / "in/gone.json")


BAD = ["cut.json", "gone.json", "invalid.json", "no-json.json", "other.json", "packed.json.gz"]


def test_a_failing_input_does_not_stop_the_others(folder: Path) -> None:
    """Each that fails is listed with its error and has no output; the others are converted."""
    bad_ones(folder)
    done = convert_many(["in", "missing.json"], "rows", report="r.json")
    assert outcomes(done) == {
        "in/a.json": "converted",
        **{f"in/{name}": "failed" for name in BAD},
        "in/z.json": "converted",
        "missing.json": "failed",
    }
    assert sorted(contents(folder / "rows")) == ["a.ndjson.zst", "z.ndjson.zst"]
    assert debris(folder) == []
    for outcome in done.failed:
        assert outcome.report is None
        assert outcome.error is not None
        assert outcome.error.startswith(f"{outcome.source}: ")
    assert (done.messages, done.sessions) == (6, 2)
    said = json.loads((folder / "r.json").read_bytes())
    assert (said["converted"], said["failed"], said["skipped"], said["cancelled"]) == (2, 7, 0, 0)
    assert [(one["source"], one["status"], one.get("error")) for one in said["inputs"]] == [
        (outcome.source, outcome.status, outcome.error) for outcome in done.outcomes
    ]


def test_fail_fast_begins_nothing_after_a_failure(folder: Path) -> None:
    """With fail_fast what comes after the first failure is cancelled, and the report says so."""
    bad_ones(folder)
    done = convert_many(["in"], "rows", fail_fast=True, report="r.json")
    assert list(outcomes(done).values()) == ["converted", "failed", *["cancelled"] * 6]
    assert sorted(contents(folder / "rows")) == ["a.ndjson.zst"]
    assert json.loads((folder / "r.json").read_bytes())["cancelled"] == 6


def test_a_failing_input_keeps_an_old_output(folder: Path) -> None:
    """What stood under an output's name stays where the input fails, also with force."""
    put(folder, "in/a.json", "in/b.json")
    convert_many(["in"], "rows")
    before = contents(folder / "rows")
    (folder / "in/a.json").write_bytes(export("a")[:-9])
    done = convert_many(["in"], "rows", force=True)
    assert outcomes(done) == {"in/a.json": "failed", "in/b.json": "converted"}
    assert contents(folder / "rows") == before


def test_rejects_and_partial_are_summed_up(folder: Path) -> None:
    """Rejected messages go to a file beside each output, and the sums say how many; so do cut inputs that were kept."""
    bad_ones(folder)
    done = convert_many(["in"], "rows", on_error="skip", format="ndjson")
    assert {name for name, status in outcomes(done).items() if status == "converted"} == {
        f"in/{name}" for name in ("a.json", "cut.json", "invalid.json", "z.json")
    }
    assert (done.rejected, done.partial, done.messages) == (1, True, 3 + 3 + 2 + 2)
    rejects = sorted(name for name in contents(folder / "rows") if "rejects" in name)
    assert rejects == ["cut.ndjson.rejects.ndjson", "invalid.ndjson.rejects.ndjson"]


def test_rejects_in_one_process_may_go_to_a_list(folder: Path) -> None:
    """Without an executor a list gets the rejects of all inputs; with one it would stay empty, which is refused."""
    put(folder, "a.json")
    for name in "bc":
        (folder / f"{name}.json").write_bytes(invalid(name))
    found: list[Any] = []
    convert_many(["."], "rows", on_error="skip", rejects=found)
    assert [(reject.source, reject.index) for reject in found] == [("./b.json", 1), ("./c.json", 1)]
    with ThreadPoolExecutor(1) as pool, pytest.raises(UsageError, match="rejects"):
        convert_many(["."], "two", executor=pool, on_error="skip", rejects=found)
    with pytest.raises(UsageError, match="a file for `rejects` goes with one output"):
        convert_many(["."], "two", on_error="skip", rejects="r.ndjson")
    assert not (folder / "two").exists()


# Refused before any work ------------------------------------------------------------------------------------------------


def refused(folder: Path, match: str, *arguments: Any, **options: Any) -> None:
    before = everything(folder), contents(folder)
    with pytest.raises(UsageError, match=match) as error:
        convert_many(*arguments, **options)
    assert exit_code(error.value) == 2
    assert (everything(folder), contents(folder)) == before
    assert not (folder / "rows").exists()


def test_two_inputs_for_one_output_are_refused(folder: Path) -> None:
    """Inputs that would write one output are refused before any work, whatever the options."""
    names = ["a/x.json", "b/x.json"]
    put(folder, *names, "other.json")
    for options in ({}, {"force": True}, {"update": True}, {"table": "all"}):
        refused(
            folder,
            "it would be written twice, for .*x.* and .*x.*name the folder above both, leave one out with `exclude`, or merge all into",
            ["other.json", *names],
            "rows",
            **options,
        )


def test_inputs_whose_names_differ_in_their_suffixes_only(folder: Path) -> None:
    """The shortest name has the output that it has alone; the others keep their suffixes."""
    put(folder, "in/x.json")
    assert convert_many(["in"], "rows", format="csv", table="all").count("converted") == 1
    put(folder, "in/x.json.gz", "in/x.ndjson", "in/d/c.json", "in/e/c.json")
    zipped(folder / "in/d.zip", {"c.json": export("z")})
    for found in (["in"], ["in/x.ndjson", "in"]):  # in whatever order they come
        done = convert_many(found, "rows", format="csv", table="all", update=True)
        assert (done.count("failed"), done.not_updated) == (0, [])
    outputs = ["d-zip/c.json.csv", "d/c.csv", "e/c.csv", "x.csv", "x.json.gz.csv", "x.ndjson.csv"]
    assert sorted(contents(folder / "rows/messages")) == outputs
    assert cells((folder / "rows/messages/d-zip/c.json.csv").read_bytes())[0]["sessionId"] == "z"
    assert convert_many(["in"], "rows", format="csv", table="all", update=True).count("skipped") == 6
    (folder / "in/x.json").unlink()
    done = convert_many(["in"], "rows", format="csv", table="all", update=True)
    assert [one.source for one in done.outcomes if one.status == "converted"] == ["in/x.ndjson"]
    convert_many(["in"], "in")  # the outputs beside the inputs are no inputs
    assert convert_many(["in"], "in", update=True).count("skipped") == 5


def test_old_outputs_beside_the_inputs_are_ignored(folder: Path) -> None:
    """Rows that an earlier run wrote into the folder of the inputs do not stop a run into another one."""
    put(folder, "in/a.json", "in/b.json")
    convert_many(["in"], "in")
    done = convert_many(["in"], "rows")
    assert (done.count("converted"), sorted(outcome.source for outcome in done.ignored)) == (
        2,
        ["in/a.ndjson.zst", "in/b.ndjson.zst"],
    )
    assert "got what looks like an output of exportstream" in str(done.ignored[0].error)
    (folder / "in" / "c.json").write_bytes(b"no")
    (folder / "in" / "c.ndjson").write_bytes(b"no")
    assert convert_many(["in"], "others").count("failed") == 2


def test_two_folders_with_the_same_names_are_refused(folder: Path) -> None:
    """So are two folders that hold the same relative name."""
    put(folder, "a/d/x.json", "b/d/x.json")
    refused(folder, r"rows/d/x.ndjson.zst: it would be written twice", ["a", "b"], "rows")


def test_two_inputs_for_one_file_of_rejects_are_refused(folder: Path) -> None:
    """Where rejects of one input would have the name of an output, one would replace the other."""
    put(folder, "in/a.json", "in/a.ndjson.rejects.json")
    refused(folder, "a.ndjson.rejects.ndjson: it would be written twice", ["in"], "rows", on_error="skip", format="ndjson")
    assert convert_many(["in"], "rows", format="ndjson").count("converted") == 2


def test_outputs_of_one_name_but_for_their_suffixes_have_rejects_of_their_own(folder: Path) -> None:
    """Rejects are those of one output: a good input beside it neither removes them nor is said to have any."""
    put(folder, "good.json")
    (folder / "bad.json").write_bytes(invalid("s"))
    options: dict[str, Any] = {"on_error": "skip", "force": True}
    (folder / "out").mkdir()
    kept = convert("bad.json", "out/a.csv", **options)
    assert kept.rejects == "out/a.csv.rejects.ndjson"
    before = (folder / "out/a.csv.rejects.ndjson").read_bytes()
    for name in ("a.ndjson", "a.csv.zst"):
        assert convert("good.json", f"out/{name}", **options).rejects is None
    assert (folder / "out/a.csv.rejects.ndjson").read_bytes() == before
    put(folder, "in/a.csv.json")
    (folder / "in/a.json").write_bytes(invalid("s"))
    assert convert_many(["in"], "rows", **options).rejected == 1
    again = convert_many(["in"], "rows", on_error="skip", update=True)
    assert [one.rejects for one in again.outcomes] == [None, "rows/a.ndjson.zst.rejects.ndjson"]


@pytest.mark.parametrize("options", [{}, {"force": True}, {"update": True}])
def test_an_output_that_is_an_input_is_refused(folder: Path, options: dict[str, Any]) -> None:
    """No input is ever replaced, by outputs or the report."""
    put(folder, "a.ndjson", "b.json")
    refused(folder, "is an input", ["b.json", "a.ndjson"], ".", format="ndjson", **options)
    os.symlink(".", folder / "here")
    refused(folder, "is an input", ["a.ndjson"], "here", format="ndjson", **options)
    refused(folder, "is an input", ["a.ndjson", "b.json"], "rows", report="./b.json", **options)


def test_a_report_that_is_an_output_is_refused(folder: Path) -> None:
    """Report and output can't have one name."""
    put(folder, "a.json")
    refused(folder, "written twice, for a.json and the report", ["a.json"], "rows", report="rows/a.ndjson.zst", force=True)


def test_existing_outputs_are_refused_before_any_work(folder: Path) -> None:
    """Where one output exists nothing is written; the number of others is said."""
    many(folder / "in", 5)
    put(folder / "out", "d1/s001.ndjson.zst", "d2/s002.ndjson.zst")
    before = contents(folder)
    with pytest.raises(UsageError, match=r"s001.ndjson.zst: the output exists, and 1 more .*force=True.*update=True"):
        convert_many(["in"], "out")
    assert contents(folder) == before
    os.unlink("out/d1/s001.ndjson.zst")
    with pytest.raises(UsageError, match=r"s002\.ndjson\.zst: the output exists; "):
        convert_many(["in"], "out")
    assert convert_many(["in"], "out", force=True).count("converted") == 5
    assert len(rows(folder / "out/d2/s002.ndjson.zst")) == 3


def test_existing_reports_and_rejects_are_refused_before_any_work(folder: Path) -> None:
    """So are a report and a file for rejects, which holds what was not written anywhere else."""
    put(folder, "in/a.json")
    (folder / "r.json").write_bytes(b"x")
    refused(folder, "r.json: the output exists", ["in"], "rows", report="r.json")
    os.makedirs("out")
    (folder / "out/a.ndjson.zst.rejects.ndjson").write_bytes(b"x")
    with ThreadPoolExecutor(1) as pool:
        for executor in (None, pool):
            with pytest.raises(UsageError, match=r"a\.ndjson\.zst\.rejects\.ndjson: the output exists"):
                convert_many(["in"], "out", on_error="skip", executor=executor)
    assert convert_many(["in"], "rows", report="r.json", force=True).messages == 3
    assert json.loads((folder / "r.json").read_bytes())["messages"] == 3


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"level": 99}, "expected a level from -7 to 22 except 0 for zstd, got 99"),
        ({"csv_safe": True}, "CSV output only"),
        ({"keys": "kebab"}, "camel, snake"),
        ({"format": "xml"}, "xml"),
        ({"table": "calls"}, "calls"),
        ({"max_window": 0}, "max_window"),
        ({"format": "sqlite.gz"}, "ndjson.zst"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_any_work(folder: Path, options: dict[str, Any], match: str) -> None:
    """An option that no output can be written with is said once, and not for each input."""
    put(folder, "a.json", "b.json")
    refused(folder, match, ["."], "rows", **options)
    with pytest.raises(UsageError, match=match):
        merge_many(["."], "all.db" if "sqlite" in options.values() else "all.ndjson.zst", **options)
    assert everything(folder) == ["a.json", "b.json"]


@pytest.mark.parametrize("both", [convert_many, merge_many])
def test_a_missing_library_is_said_before_any_work(folder: Path, both: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A format whose library is not installed is one error, and not one for each input."""
    import sys  # noqa: PLC0415

    put(folder, "a.json", "b.json")
    monkeypatch.delitem(sys.modules, "exportstream.writing.formats.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'exportstream\[parquet\]'"):
        both(["."], "rows" if both is convert_many else "all.parquet", format="parquet")
    assert everything(folder) == ["a.json", "b.json"]


# Update -----------------------------------------------------------------------------------------------------------------


def age(path: Path, seconds: float) -> None:
    when = path.stat().st_mtime - seconds
    os.utime(path, (when, when))


@pytest.mark.parametrize("table", [None, ["messages", "sessions"]])
def test_update_redoes_what_changed_or_is_missing(folder: Path, table: Any) -> None:
    """With update an input is skipped if its outputs were made of it as it is, whatever their times, else converted."""
    many(folder / "in", 6)
    first = convert_many(["in"], "rows", table=table, update=True)
    assert first.count("converted") == 6
    before = contents(folder / "rows")
    again = convert_many(["in"], "rows", table=table, update=True)
    assert (again.count("skipped"), again.messages, again.rows, again.bytes_written) == (6, 0, 0, 0)
    folders = ["rows"] if table is None else ["rows/messages", "rows/sessions"]
    os.unlink(f"{folders[-1]}/s000.ndjson.zst")  # missing
    age(folder / "in/d1/s001.json", 3600)  # replaced by an older one
    age(folder / folders[0] / "s003.ndjson.zst", 3600)  # an output that was copied
    put(folder, "in/d2/s005.json", messages=4)  # grown
    put(folder, "in/new.json")
    done = convert_many(["in"], "rows", table=table, update=True, report="r.json")
    assert {os.path.basename(name) for name, status in outcomes(done).items() if status == "converted"} == {
        "s000.json", "s001.json", "s005.json", "new.json",
    }  # fmt: skip
    assert (done.count("skipped"), done.messages) == (3, 3 + 3 + 4 + 3)
    after = contents(folder / "rows")
    assert {name for name in after if after[name] != before.get(name)} == {
        f"{place}{name}.ndjson.zst".removeprefix("rows/")
        for place in (f"{one}/" for one in folders)
        for name in ("d2/s005", "new")
    }
    assert json.loads((folder / "r.json").read_bytes())["skipped"] == 3


def test_update_tries_again_what_failed(folder: Path) -> None:
    """What failed has no output, so that it is tried again, and stays listed until it is repaired."""
    put(folder, "in/a.json", "in/b.json")
    (folder / "in/b.json").write_bytes(export("b")[:-9])
    assert convert_many(["in"], "rows", update=True).count("failed") == 1
    assert outcomes(convert_many(["in"], "rows", update=True)) == {"in/a.json": "skipped", "in/b.json": "failed"}
    (folder / "in/b.json").write_bytes(export("b"))
    assert outcomes(convert_many(["in"], "rows", update=True)) == {"in/a.json": "skipped", "in/b.json": "converted"}


def test_update_of_a_merge_knows_its_inputs(folder: Path) -> None:
    """What failed is tried again and stays listed; inputs that are gone are named; one with an old time is new all the same.

    An output that was written again without a record is written once more.
    """
    put(folder, "in/a.json", "in/b.json", "in/c.json")
    (folder / "in/b.json").write_bytes(export("b")[:-9])
    for name in "abc":
        age(folder / f"in/{name}.json", 9)

    def merge() -> ManyReport:
        return merge_many("in", "all.ndjson", update=True, report="r.json")

    assert merge().rows == 6
    again = merge()
    assert outcomes(again) == {"in/a.json": "skipped", "in/b.json": "failed", "in/c.json": "skipped"}
    (folder / "in/b.json").write_bytes(export("b"))
    age(folder / "in/b.json", 8)
    assert (merge().rows, merge().rows) == (9, 0)
    assert next(verify("all.ndjson")).ok
    (folder / "in/a.json").unlink()
    kept = merge()
    assert (kept.rows, kept.kept_inputs, kept.count("skipped")) == (0, ["in/a.json"], 2)
    assert json.loads((folder / "r.json").read_bytes())["keptInputs"] == ["in/a.json"]
    put(folder, "in/d.json")
    age(folder / "in/d.json", 7)
    again = merge()
    assert (again.rows, again.dropped_inputs, again.kept_inputs, merge().kept_inputs) == (9, ["in/a.json"], [], [])
    assert json.loads((folder / "r.json").read_bytes())["droppedInputs"] == []
    merge_many("in/d.json", "all.ndjson", force=True)
    assert (merge().rows, merge().rows) == (9, 0)


def test_update_of_a_merge_reads_each_input_once_before_it_writes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new input makes all be read, itself no more often than the others, and the status ends complete."""
    put(folder, "in/a.json", "in/b.json")
    for name in "ab":
        age(folder / f"in/{name}.json", 9)
    merge_many("in", "all.ndjson", update=True)
    put(folder, "in/c.json")
    (folder / "in/d.json").write_bytes(export("d")[:-9])
    opened: list[str] = []

    class Counted(Export):
        def __init__(self, source: Any, *arguments: Any, **options: Any) -> None:
            opened.append(os.path.basename(source))
            super().__init__(source, *arguments, **options)

    monkeypatch.setattr("exportstream.conversion.merge.Export", Counted)
    monkeypatch.setattr("exportstream.conversion.one.Export", Counted)
    seen = Seen()
    done = merge_many("in", "all.ndjson", update=True, progress=seen)
    assert (done.rows, done.count("converted"), done.count("failed")) == (9, 3, 1)
    assert Counter(opened) == {"a.json": 2, "b.json": 2, "c.json": 2, "d.json": 1}
    last = seen[-1]
    assert (last.bytes_done, last.files_done, last.failed) == (last.bytes_total, 4, 1)


@pytest.mark.parametrize("options", [{}, {"format": "ndjson"}, {"table": "all"}, {"format": "csv"}])
@pytest.mark.parametrize("source", [".", "**/*.*json*"])
def test_the_same_folder_again_and_again(folder: Path, source: str, options: dict[str, Any]) -> None:
    """Outputs beside their inputs are not taken for inputs the next time."""
    put(folder, "a.json", "c/b.json")
    age(folder / "a.json", 1)
    age(folder / "c/b.json", 1)
    assert convert_many([source], ".", **options).count("converted") == 2
    before = contents(folder)
    again = convert_many([source], ".", update=True, **options)
    assert outcomes(again) == dict.fromkeys(outcomes(again), "skipped")
    assert len(again.outcomes) == 2
    with pytest.raises(UsageError, match="the output exists"):
        convert_many([source], ".", **options)
    assert convert_many([source], ".", force=True, **options).count("converted") == 2
    assert contents(folder) == before


# Progress and report ----------------------------------------------------------------------------------------------------


def test_progress_only_grows_and_ends_complete(folder: Path) -> None:
    """The status grows, and ends with all files and all bytes, however the inputs end."""
    many(folder / "in", 5)
    put(folder / "in", "packed.json.gz")
    (folder / "in/empty.json").write_bytes(b'{"id":"e","title":"","messages":[]}' + b"\n" * 300_000)
    total = sum(map(len, contents(folder / "in").values()))
    seen = Seen()
    convert_many(["in"], "rows", progress=seen)
    assert (seen[-1].files, seen[-1].files_done, seen[-1].failed) == (7, 7, 0)
    assert seen[-1].bytes_done == seen[-1].bytes_total == total
    with ThreadPoolExecutor(2) as pool:
        convert_many(["in"], "two", progress=(seen := Seen()), executor=pool)
    assert (seen[-1].files_done, seen[-1].bytes_done, seen[-1].bytes_total) == (7, total, total)
    with Workers(2) as pool:
        convert_many(["in"], "three", progress=(seen := Seen()), executor=pool)
    assert (seen[-1].files_done, seen[-1].bytes_done, seen[-1].bytes_total) == (7, total, total)
    merge_many(["in"], "all.ndjson", progress=(seen := Seen()))
    assert (seen[-1].files_done, seen[-1].bytes_done, seen[-1].bytes_total) == (7, 2 * total, 2 * total)
    merge_many(["in"], "once.ndjson", progress=(seen := Seen()), fail_fast=True)
    assert (seen[-1].files_done, seen[-1].bytes_done, seen[-1].bytes_total) == (7, total, total)


@pytest.mark.parametrize("kind", ["threads", "workers"])
def test_progress_counts_standard_input(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes of standard input, which this process reads itself, are counted beside those of an executor's workers."""
    data = (put(folder, "in/a.json") / "in/a.json").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    with ThreadPoolExecutor(1) if kind == "threads" else Workers(1) as executor:
        convert_many(["in", "-"], "rows", executor=executor, progress=(seen := Seen()))
    assert (seen[-1].files_done, seen[-1].bytes_done, seen[-1].bytes_total) == (2, 2 * len(data), None)


def test_progress_counts_failures(folder: Path) -> None:
    """Failures are counted, and skipped inputs are no part of it."""
    bad_ones(folder)
    convert_many(["in"], "rows", progress=(seen := Seen()))
    assert (seen[-1].files, seen[-1].files_done, seen[-1].failed) == (8, 8, 6)
    convert_many(["in"], "rows", update=True, progress=(seen := Seen()))
    assert (seen[-1].files, seen[-1].files_done, seen[-1].failed) == (6, 6, 6)
    merge_many(["in"], "all.ndjson", progress=(seen := Seen()))
    assert (seen[-1].files, seen[-1].files_done, seen[-1].failed) == (8, 8, 6)
    assert seen[-1].bytes_done == seen[-1].bytes_total


def test_the_report_is_json_and_true(folder: Path) -> None:
    """The report holds for each input what it was alone, and sums that are those of its inputs."""
    many(folder / "in", 4)
    (folder / "in/cut.json").write_bytes(export("cut")[:-9])
    done = convert_many(["in"], "rows", report="r.json", table=["messages", "sessions"])
    said = json.loads((folder / "r.json").read_bytes(), parse_float=Decimal)
    assert said == {"schema": 1, **json.loads(to_json(done.to_dict()), parse_float=Decimal)}
    assert list(said)[:2] == ["schema", "source"]
    assert said["source"] == "5 inputs"
    for one in said["inputs"]:
        if one["status"] == "failed":
            assert (set(one), one["source"]) == ({"source", "status", "error"}, "in/cut.json")
            continue
        for output in one["outputs"]:
            data = (folder / output["target"]).read_bytes()
            assert output["bytesWritten"] == len(data)
            assert output["bytesEncoded"] == len(unpack(data))
            assert output["rows"] == len(rows(folder / output["target"]))
            assert output["target"].startswith(f"rows/{output['tables'][0]}/")
            assert (output["format"], output["compression"]) == ("ndjson", "zstd")
        assert one["bytesRead"] == os.path.getsize(one["source"])
    good = [one for one in said["inputs"] if one["status"] == "converted"]
    for key in ("messages", "sessions", "rejected", "bytesRead", "bytesParsed", "rows", "bytesWritten", "bytesEncoded"):
        assert said[key] == sum(one[key] for one in good), key
    costs = [one["totals"]["counted"]["cost"] for one in good]
    wanted = {"sum": sum(cost["sum"] for cost in costs), "count": sum(cost["count"] for cost in costs)}
    assert said["totals"]["counted"]["cost"] == wanted
    assert 0 < said["seconds"] < 60


def test_names_that_are_not_text_do_not_break_the_report(folder: Path) -> None:
    """File names are bytes; the report is written whatever they are, also for inputs that fail."""
    (folder / "in").mkdir()
    for name in (b"\xff.json", b"new\nline.json"):
        Path(os.fsdecode(b"in/" + name)).write_bytes(export("x"))
        Path(os.fsdecode(b"in/bad" + name)).write_bytes(b"{")
    for executor in (None, ThreadPoolExecutor(1), Workers(1)):
        with ExitStack() as stack:
            if executor is not None:
                stack.enter_context(executor)
            done = convert_many(["in"], "rows", report="r.json", executor=executor, force=True)
        assert [os.fsencode(name) for name in sorted(contents(folder / "rows"))] == [
            b"new\nline.ndjson.zst",
            b"\xff.ndjson.zst",
        ]
        assert (done.count("converted"), done.count("failed")) == (2, 2)
        said = json.loads((folder / "r.json").read_bytes())
        assert {one["source"] for one in said["inputs"]} == {
            "in/badnew\\nline.json", "in/bad\\udcff.json", "in/new\\nline.json", "in/\\udcff.json",
        }  # fmt: skip
        assert all("\n" not in one.get("error", "") for one in said["inputs"])
    merge_many(["in"], "all.ndjson", report="m.json")
    assert json.loads((folder / "m.json").read_bytes())["failed"] == 2


# Merge ------------------------------------------------------------------------------------------------------------------


def concatenated(folder: Path, *names: str, **options: Any) -> bytes:
    parts = []
    for name in names:
        target = io.BytesIO()
        convert(folder / name, target, **options)
        parts.append(target.getvalue())
    if options.get("format") == "csv":
        parts[1:] = [part.partition(b"\r\n" if b"\r\n" in part else b"\n")[2] for part in parts[1:]]
    return b"".join(parts)


@pytest.mark.parametrize("table", ["messages", "tool-calls", "sessions"])
@pytest.mark.parametrize("format_", ["ndjson", "csv"])
@pytest.mark.parametrize("keys", ["camel", "snake"])
def test_a_merge_is_the_concatenation(folder: Path, format_: str, table: str, keys: str) -> None:
    """Without its own columns, one output holds what single ones hold, in the given order; CSV has one header."""
    put(folder, "a.json", "b.json", "c.json.gz")
    names = ["c.json.gz", "a.json", "b.json"]
    done = merge_many(names, f"all.{format_}", table=table, keys=keys, without="file,sessionNumber")
    expected = concatenated(folder, *names, format=format_, table=table, keys=keys)
    assert (folder / f"all.{format_}").read_bytes() == expected
    totals = convert_many(names, "rows").totals
    assert done.totals == totals
    assert (done.messages, done.sessions, done.count("converted")) == (9, 3, 3)
    assert done.outputs[0].bytes_encoded == len(expected)
    if format_ == "csv":
        assert len(cells(unpack((folder / "all.csv").read_bytes()))) == done.rows


def test_a_merge_of_several_tables(folder: Path) -> None:
    """Each table gets one output of all inputs; in SQLite they are tables of one file."""
    import sqlite3  # noqa: PLC0415

    many(folder / "in", 4)
    done = merge_many(["in"], "all.csv.gz", table="all")
    assert [output.target for output in done.outputs] == [
        "all.messages.csv.gz",
        "all.tool-calls.csv.gz",
        "all.sessions.csv.gz",
    ]
    counts = [len(cells(unpack((folder / output.target).read_bytes()))) for output in done.outputs]
    assert counts == [output.rows for output in done.outputs]
    assert counts == [12, done.totals.counted.tool_calls, 4]
    merge_many(["in"], "all.db")
    database = sqlite3.connect("all.db")
    assert database.execute("SELECT count(*) FROM messages").fetchone() == (12,)
    assert database.execute("SELECT count(*) FROM sessions").fetchone() == (4,)
    database.close()


def cuts() -> Iterator[bytes]:
    whole = export("bad", 3000)
    for part in (0.0, 0.01, 0.5, 0.99):
        yield whole[: int(len(whole) * part)]
    yield whole[:-1]
    yield whole[:-20]
    yield whole + b"}"
    yield whole[:-2] + b",3]}"
    yield whole.replace(b'"bad-2999"', b"3")


@pytest.mark.parametrize(
    "bad", list(cuts()), ids=["empty", "head", "middle", "late", "one-byte", "in-a-message", "more", "a-number", "an-id"]
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_input_leaves_no_row_of_its_own(folder: Path, bad: bytes, place: int) -> None:
    """An input that fails anywhere, also at its very end, is left out of the merged output and listed."""
    put(folder, "a.json", "b.json")
    names = ["a.json", "b.json"]
    expected = concatenated(folder, *names)
    (folder / "bad.json").write_bytes(bad)
    names.insert(place, "bad.json")
    done = merge_many(names, "all.ndjson", without="file,sessionNumber", report="r.json")
    assert (folder / "all.ndjson").read_bytes() == expected
    assert [outcome.source for outcome in done.failed] == ["bad.json"]
    assert (done.messages, done.sessions, done.rows, done.totals.counted.messages) == (6, 2, 6, 6)
    assert [one["status"] for one in json.loads((folder / "r.json").read_bytes())["inputs"]].count("failed") == 1
    with pytest.raises(InputError):
        merge_many(names, "fast.ndjson", fail_fast=True, report="f.json")
    assert everything(folder) == ["a.json", "all.ndjson", "b.json", "bad.json", "r.json"]


def test_a_merge_of_bad_inputs_alone_has_no_output(folder: Path) -> None:
    """Where no input is left all are listed, and there is no output."""
    (folder / "a.json").write_bytes(b"{")
    done = merge_many(["a.json", "missing.json"], "all.ndjson", report="r.json")
    assert outcomes(done) == {"a.json": "failed", "missing.json": "failed"}
    assert (done.rows, done.outputs) == (0, [])
    assert everything(folder) == ["a.json", "r.json"]


def test_a_merge_refuses_before_it_reads(folder: Path) -> None:
    """Outputs, reports and rejects that exist, or that are inputs, are refused before hours of reading."""
    put(folder, "a.json", "b.json")
    for name in ("all.ndjson", "r.json", "j.ndjson"):
        (folder / name).write_bytes(b"x")
    before = contents(folder)
    seen = Seen()
    for match, target, options in [
        ("all.ndjson: the output exists", "all.ndjson", {}),
        ("r.json: the output exists", "new.ndjson", {"report": "r.json"}),
        ("j.ndjson: the output exists", "new.ndjson", {"on_error": "skip", "rejects": "j.ndjson"}),
        ("the output is the input", "a.json", {"format": "ndjson", "force": True}),
        ("the report is the input", "new.ndjson", {"report": "b.json", "force": True}),
        ("the file of rejects is the input", "new.ndjson", {"on_error": "skip", "rejects": "b.json", "force": True}),
        ("the report is the output", "new.ndjson", {"report": "new.ndjson"}),
    ]:
        with pytest.raises(UsageError, match=match):
            merge_many(["a.json", "b.json"], target, progress=seen, **options)
    assert contents(folder) == before
    assert seen == []


def test_the_merged_output_is_no_input(folder: Path) -> None:
    """A merged output in the folder that is searched is replaced, and not merged into itself."""
    put(folder, "in/a.json", "in/b.json")
    first = merge_many(["in"], "in/all.ndjson.zst", report="in/report.json")
    before = contents(folder)
    again = merge_many(["in"], "in/all.ndjson.zst", report="in/report.json", force=True)
    assert again.rows == first.rows == 6
    assert contents(folder)["in/all.ndjson.zst"] == before["in/all.ndjson.zst"]


def test_dedupe_drops_what_another_input_had(folder: Path) -> None:
    """A message or session that comes in two inputs of a merge is dropped from the second, which the report counts."""
    put(folder, "a.json", "c/a.json", "b.json")
    assert (folder / "a.json").read_bytes() == (folder / "c/a.json").read_bytes()
    done = merge_many(["a.json", "c/a.json", "b.json"], "all.ndjson", dedupe=True, without="sessionNumber", report="r.json")
    once = merge_many(["a.json", "b.json"], "two.ndjson", without="sessionNumber")
    assert done.totals == once.totals
    assert (done.rows, done.totals.counted.messages, done.totals.sessions) == (6, 6, 2)
    assert (done.messages, done.sessions, done.duplicates) == (9, 3, Duplicates(messages=3, sessions=1))
    said = json.loads((folder / "r.json").read_bytes())
    found = [(one["source"], *one["duplicates"].values()) for one in said["inputs"]]
    assert found == [("a.json", 0, 0), ("c/a.json", 3, 1), ("b.json", 0, 0)]
    assert said["duplicates"] == {"messages": 3, "sessions": 1}
    twice = merge_many(["a.json", "c/a.json", "b.json"], "three.ndjson")
    assert (twice.totals.counted.messages, twice.totals.sessions) == (9, 3)
    assert (folder / "all.ndjson").read_bytes() == (folder / "two.ndjson").read_bytes()


def test_dedupe_counts_for_the_input_that_repeats(folder: Path) -> None:
    """An input that fails has no count in a merge, nor do the ids it had count for later ones; each of many is by itself."""
    put(folder, "a.json", "c/a.json", "b.json")
    (folder / "bad.json").write_bytes((folder / "b.json").read_bytes()[:-5])
    (folder / "empty.json").write_bytes(dump(session(id="e")))
    done = merge_many(["bad.json", "a.json", "empty.json", "c/a.json", "b.json"], "all.ndjson", dedupe=True)
    assert [one.duplicates for one in done.outcomes] == [
        None,
        Duplicates(),
        Duplicates(),
        Duplicates(messages=3, sessions=1),
        Duplicates(),
    ]
    assert done.rows == 6
    (folder / "again.json").write_bytes((folder / "a.json").read_bytes())
    alone = convert_many(["a.json", "again.json"], "rows", dedupe=True)
    assert (alone.rows, alone.duplicates) == (6, Duplicates())


def test_running_totals_run_across_inputs(folder: Path) -> None:
    """In a merge the last row's running totals are those of all inputs; a bad one is not in them."""
    put(folder, "a.json", "b.json")
    (folder / "bad.json").write_bytes(export("bad")[:-5])
    done = merge_many(["a.json", "bad.json", "b.json"], "all.ndjson", running_totals=True)
    found = rows(folder / "all.ndjson")
    assert [row["runningMessages"] for row in found] == [1, 2, 3, 4, 5, 6]
    assert found[-1]["runningCost"] == done.totals.counted.cost.sum == sum(row["cost"] for row in found)
    assert found[-1]["runningInputTokens"] == done.totals.counted.input_tokens.sum


def test_rejects_of_all_inputs_are_in_one_file(folder: Path) -> None:
    """A merge writes the rejects of all inputs to one file, each with its source."""
    put(folder, "a.json")
    for name in "bc":
        (folder / f"{name}.json").write_bytes(invalid(name))
    done = merge_many(["c.json", "a.json", "b.json"], "all.ndjson", on_error="skip")
    assert (done.rejected, done.rejects, done.rows) == (2, "all.ndjson.rejects.ndjson", 7)
    found = rows(folder / "all.ndjson.rejects.ndjson")
    assert [(line["source"], line["messageIndex"]) for line in found] == [("c.json", 1), ("b.json", 1)]
    listed: list[Any] = []
    merge_many(["b.json"], "one.ndjson", on_error="skip", rejects=listed)
    assert [reject.source for reject in listed] == ["b.json"]


def test_cut_inputs_are_kept_in_a_merge_that_is_told_so(folder: Path) -> None:
    """With on_error="skip" a cut input gives its complete messages, and the inputs after it follow."""
    put(folder, "b.json")
    (folder / "a.json").write_bytes(cut("a"))
    done = merge_many(["a.json", "b.json"], "all.ndjson", on_error="skip")
    assert (done.partial, done.rows, done.sessions) == (True, 5, 2)


def test_a_merge_to_a_file_object(folder: Path) -> None:
    """A merged output may be a file object, like that of `convert`."""
    put(folder, "a.json", "b.json")
    target = io.BytesIO()
    assert merge_many(["a.json", "b.json"], target).rows == 6
    assert len(lines(target.getvalue())) == 6


# Executors --------------------------------------------------------------------------------------------------------------


EXECUTORS = {
    "threads": lambda: ThreadPoolExecutor(3),
    "spawn": lambda: ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")),
    "forkserver": lambda: ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("forkserver")),
    "workers-1": lambda: Workers(1),
    "workers-3": lambda: Workers(3),
}


@pytest.mark.parametrize("kind", EXECUTORS)
def test_executors_give_the_same(folder: Path, kind: str) -> None:
    """Any executor writes the same outputs byte for byte, with the same totals and outcomes, as one process does."""
    many(folder / "in", 12, messages=40)
    (folder / "in/bad.json").write_bytes(export("bad", 50).decode().encode("utf-16"))
    (folder / "in/invalid.json").write_bytes(invalid("i"))
    for date, name in (("2025-01-01T00:00:00Z", "x"), ("2025-01-01T01:00:00+01:00", "y")):  # one instant, two texts
        (folder / f"in/{name}.json").write_bytes(dump(session(message(0, createdAt=date), id=name)))
    options: dict[str, Any] = {"table": ["messages", "sessions"], "on_error": "skip", "running_totals": True}
    alone = convert_many(["in"], "alone", **options)
    with EXECUTORS[kind]() as executor:
        done = convert_many(["in"], "rows", executor=executor, **options)
    assert contents(folder / "rows") == contents(folder / "alone")
    assert done.totals == alone.totals
    assert outcomes(done) == outcomes(alone)
    assert (done.rejected, done.messages, done.count("failed")) == (alone.rejected, alone.messages, 1) == (1, 484, 1)
    assert [outcome.error for outcome in done.failed] == [outcome.error for outcome in alone.failed]
    assert debris(folder) == []


def test_an_executor_can_be_used_again(folder: Path) -> None:
    """The executor stays the caller's."""
    many(folder / "in", 3)
    with Workers(2) as executor:
        for target in ("one", "two"):
            done = convert_many(["in"], target, executor=executor, progress=(seen := Seen()))
            assert done.count("converted") == 3
            assert seen[-1].bytes_done == seen[-1].bytes_total
    assert contents(folder / "one") == contents(folder / "two")


def test_fail_fast_says_the_truth_of_what_had_begun(folder: Path) -> None:
    """With an executor what runs already is waited for: what is called cancelled has no output, the others have one."""
    many(folder / "in", 30, messages=100)
    (folder / "in/a.json").write_bytes(b"{")
    with ThreadPoolExecutor(3) as executor:
        done = convert_many(["in"], "rows", executor=executor, fail_fast=True)
    assert done.outcomes[0].status == "failed"
    assert done.count("cancelled") > 20
    written = {outcome.source for outcome in done.outcomes if outcome.status == "converted"}
    assert {f"in/{name.replace('.ndjson.zst', '.json')}" for name in contents(folder / "rows")} == written


class Broken(Executor):
    """An executor that takes two jobs, does one, and loses the other."""

    def __init__(self) -> None:
        self.taken = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.taken += 1
        future: Future[Any] = Future()
        if self.taken == 1:
            future.set_result(fn(*args, **kwargs))
        elif self.taken == 2:
            future.cancel()
        else:
            raise RuntimeError("cannot schedule new futures after shutdown")
        return future


def test_large_inputs_come_first(folder: Path) -> None:
    """An executor gets the largest inputs first, so that none is read alone at the end; outcomes keep their order."""
    sizes = {"a": 3, "b": 40, "c": 1, "d": 20}
    for name, messages in sizes.items():
        put(folder / "in", f"{name}.json", messages=messages)
    with ThreadPoolExecutor(1) as executor:
        order: list[str] = []
        submit = executor.submit
        executor.submit = lambda task, job: order.append(job.source) or submit(task, job)  # type: ignore[method-assign]
        done = convert_many(["in"], "rows", executor=executor)
    assert order == ["in/b.json", "in/d.json", "in/a.json", "in/c.json"]
    assert [outcome.source for outcome in done.outcomes] == sorted(order)


def test_an_executor_that_loses_jobs(folder: Path) -> None:
    """A job that an executor does not take, or cancels by itself, is listed as failed."""
    many(folder / "in", 4)
    done = convert_many(["in"], "rows", executor=Broken())
    assert sorted(outcomes(done).values()) == ["converted", "failed", "failed", "failed"]
    errors = sorted(str(outcome.error).partition(": its worker failed: ")[2] for outcome in done.failed)
    assert ["CancelledError" in error for error in errors] == [True, False, False]
    assert "cannot schedule new futures" in errors[1]


def test_a_killed_worker_is_listed(folder: Path) -> None:
    """Where a worker dies its inputs are listed as failed; no output is half there, and update goes on."""
    many(folder / "in", 20, messages=1500)
    alone = contents(folder / "alone") if convert_many(["in"], "alone") else {}

    with Workers(2) as executor:

        def kill_one() -> None:
            while not contents(folder / "rows"):
                time.sleep(0.002)
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)  # type: ignore[arg-type]

        killer = threading.Thread(target=kill_one)
        killer.start()
        done = convert_many(["in"], "rows", executor=executor)
        killer.join()
    assert done.count("failed") + done.count("converted") == 20
    assert done.failed
    for outcome in done.failed:
        assert re.match(rf"{outcome.source}: its worker was killed", str(outcome.error))
    written = contents(folder / "rows")
    assert {name: alone[name] for name in written} == written
    assert len(written) >= done.count("converted")
    convert_many(["in"], "rows", update=True)
    assert contents(folder / "rows") == alone


def test_relative_names_survive_a_change_of_folder(folder: Path) -> None:
    """Inputs that are missing fail in a worker as they do here."""
    put(folder, "a.json")
    with Workers(1) as executor:
        done = convert_many(["a.json", "missing.json"], "rows", executor=executor)
    assert outcomes(done) == {"a.json": "converted", "missing.json": "failed"}
    with pytest.raises(ReadError):
        merge_many(["missing.json"], "x.ndjson", fail_fast=True)


def test_a_file_name_is_no_folder(tmp_path: Path) -> None:
    """A name that says a format is not made a folder by mistake; with a slash at its end it is meant."""
    put(tmp_path, "in/a.json")
    with pytest.raises(UsageError, match=r"the name of a file: .*out\.csv"):
        convert_many(tmp_path / "in", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    assert convert_many(tmp_path / "in", f"{tmp_path}/out.csv/").count("converted") == 1
