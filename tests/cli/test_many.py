"""Many inputs on the command line: names, exit codes, the report, --update, --merge, worker processes and signals."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exportstream.writing.outputs import MANIFEST
from tests.kit.command import ENVIRONMENT, children, in_session, kill, run, said, start, wait_until, workers
from tests.kit.documents import cut, dump, export, invalid, message, session
from tests.kit.files import contents, debris, everything, many, put, rows, unpack
from tests.kit.transcripts import Transcript

INTERRUPTED = b"exportstream: interrupted; the same with --update goes on where it was"


def report(path: Path) -> Any:
    return json.loads(path.read_bytes(), parse_float=Decimal)


# Names and exit codes ---------------------------------------------------------------------------------------------------


def test_a_folder_into_a_folder(tmp_path: Path) -> None:
    """A folder is converted into a folder, with one line about the whole."""
    many(tmp_path / "in", 5)
    done = run("convert", "in", "-o", "rows", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"")
    assert re.fullmatch(
        r"exportstream: 5 of 5 inputs converted: 15 rows \(\d.* kB, \d\.\dx smaller than the JSON\) in \d\.\d s \(.*\)\n",
        done.stderr.decode(),
    )
    assert sorted(contents(tmp_path / "rows")) == sorted(
        name.replace(".json", ".ndjson.zst") for name in contents(tmp_path / "in")
    )
    quiet = run("convert", "in", "-o", "again", "--quiet", cwd=tmp_path)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, b"", b"")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_files_globs_folders_and_standard_input_together(tmp_path: Path, jobs: str) -> None:
    """All kinds of inputs go together; standard input is called stdin."""
    put(tmp_path, "a.json", "in/b.json", "g/c1.json", "g/c2.json")
    done = run("convert", "a.json", "-", "in", "g/*.json", "-o", "rows/", "--jobs", jobs, cwd=tmp_path, data=export("s"))
    assert done.returncode == 0, done.stderr
    assert sorted(contents(tmp_path / "rows")) == [f"{name}.ndjson.zst" for name in ("a", "b", "c1", "c2", "stdin")]
    assert [row["id"] for row in rows(tmp_path / "rows/stdin.ndjson.zst")] == ["s-0", "s-1", "s-2"]


def test_standard_input_has_one_name_in_json(tmp_path: Path) -> None:
    """Reports and lists of inputs call it as messages do."""
    put(tmp_path, "a.json")
    for options in (["--merge", "-o", "all.csv"], ["-o", "rows/"]):
        run("convert", "-", "a.json", *options, "--report", "r.json", "--force", cwd=tmp_path, data=export("s"))
        assert [one["source"] for one in report(tmp_path / "r.json")["inputs"]] == ["<stdin>", "a.json"]
    failed = [run(name, "-", "a.json", "--json", cwd=tmp_path, data=b"no") for name in ("totals", "check")]
    assert [json.loads(done.stdout)["failed"][0]["source"] for done in failed] == ["<stdin>"] * 2
    checked = json.loads(run("check", "-", "a.json", "--json", cwd=tmp_path, data=export("s")).stdout)
    assert [one["source"] for one in checked["sessions"]] == ["<stdin>", "a.json"]


@pytest.mark.parametrize(
    "arguments", [["convert", "--merge", "--quiet"], ["totals", "--dedupe", "--json"], ["totals", "--jobs", "2", "--json"]]
)
def test_pipes_are_read_once(tmp_path: Path, arguments: list[str]) -> None:
    """Pipes among the inputs, such as `<(...)` of a shell, are read to their ends once, also if they have the same messages."""
    fds = []
    for _ in range(2):
        end, start = os.pipe()
        os.write(start, Transcript().user().say("m1").data)
        os.close(start)
        fds.append(end)
    done = run(*arguments, *(f"/dev/fd/{fd}" for fd in fds), cwd=tmp_path, process={"pass_fds": fds})
    for fd in fds:
        os.close(fd)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout.splitlines()) == 4 if "--merge" in arguments else b'"messages":2,' in done.stdout


def test_one_file_into_a_folder(tmp_path: Path) -> None:
    """A slash at the end makes a folder of the output also for one input."""
    put(tmp_path, "a.json")
    assert run("convert", "a.json", "-o", "rows/", cwd=tmp_path).returncode == 0
    assert run("convert", "-", "-o", "rows/", "--format", "csv", cwd=tmp_path, data=export("s")).returncode == 0
    assert sorted(contents(tmp_path / "rows")) == ["a.ndjson.zst", "stdin.csv"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_jobs_give_the_same(tmp_path: Path, jobs: str) -> None:
    """One process and several write the same, with the same report but for the time and the folder."""
    many(tmp_path / "in", 6, messages=30)
    (tmp_path / "in/bad.json").write_bytes(cut("bad"))
    options = ["--table", "all", "--running-totals", "--report"]
    assert run("convert", "in", "-o", "one", "--jobs", "1", *options, "1.json", cwd=tmp_path).returncode == 3
    assert run("convert", "in", "-o", "two", "--jobs", jobs, *options, "2.json", cwd=tmp_path).returncode == 3
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(contents(tmp_path / "one")) == 18

    def plain(name: str) -> str:
        return re.sub(r'"seconds": [\d.]+|(one|two)/', "", (tmp_path / name).read_text())

    assert plain("1.json") == plain("2.json")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["a.json", "b.json"], "expected a folder for the outputs of several inputs; give -o DIR/, or --merge and -o FILE"),
        (["a.json", "b.json", "-o", "x.ndjson"], "got the name of a file: x.ndjson"),
        (["a.json", "b.json", "-o", "x.xlsx"], "the name of a file: x.xlsx; give -o DIR/, or add --merge for one output"),
        (["a.json", "b.json", "-o", "-"], "expected a folder"),
        (["a.json", "b.json", "-o", ""], "expected a folder"),
        (["in", "-o", ""], "expected a folder"),
        (["in"], "expected a folder"),
        (["in/*.json"], "expected a folder"),
        (["empty", "-o", "rows"], "empty: no exports found"),
        (["*.xml", "-o", "rows/"], r"\*.xml: no exports found"),
        (["a.json", "in/a.json", "-o", "rows"], "rows/a.ndjson.zst: it would be written twice, for a.json and in/a.json"),
        (["a.ndjson", "b.json", "-o", ".", "--format", "ndjson", "--force"], "is an input"),
        (["in", "-o", "old"], r"old/a.ndjson.zst: the output exists; --force replaces it, --update goes on"),
        (["in", "-o", "rows", "--format", "csv", "--level", "3"], "expected no level, since the output is not compressed"),
        (["in", "-o", "rows", "--level", "99"], "a level from -7 to 22"),
        (["in", "-o", "rows", "--csv-safe"], "csv-safe"),
        (["in", "-o", "rows", "--rejects", "x"], "a file for --rejects goes with one output only"),
        (["in/a.json", "b.json", "-o", "rows", "--report", "in/a.json", "--force"], "is an input"),
        (["in", "-o", "rows", "--jobs", "0"], "jobs"),
        (["in", "--merge", "-o", "all"], "can't tell the format"),
        (["in", "--merge", "-o", "a.ndjson"], "a.ndjson: the output exists"),
        (["in", "--merge", "-o", "b.ndjson", "--dask", "x"], "--dask does not go with --merge"),
        (["in", "--merge", "-o", "b.ndjson", "-j", "2"], "--jobs does not go with --merge, which is done by one process"),
        (["in", "--merge", "--table", "all"], "several tables can't share one stream"),
        (["a.json", "--dask", "tcp://127.0.0.1:1"], "--dask goes with several inputs"),
    ],
)
def test_refused_before_any_work(tmp_path: Path, arguments: list[str], match: str) -> None:
    """What can't be carried out as asked is one line and exit code 2, and nothing is written."""
    put(tmp_path, "a.json", "a.json.gz", "b.json", "a.ndjson", "in/a.json", "old/a.ndjson.zst")
    (tmp_path / "empty").mkdir()
    before = contents(tmp_path)
    done = run("convert", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert re.search(match, said(done)[-1])
    assert (contents(tmp_path), debris(tmp_path), (tmp_path / "rows").exists()) == (before, [], False)
    if "--jobs" not in arguments:
        assert len(said(done)) == 1


@pytest.mark.parametrize("arguments", [["-o", "rows/"], [], ["a.json", "-o", "rows/"], ["--merge", "-o", "x.csv"]])
def test_a_folder_that_is_missing(tmp_path: Path, arguments: list[str]) -> None:
    """A missing folder is an error of the system, not of the name's format, before any work."""
    put(tmp_path, "a.json")
    done = run("convert", "missing/", *arguments, cwd=tmp_path)
    assert (done.returncode, said(done)) == (4, ["exportstream: missing/: No such file or directory"])
    assert everything(tmp_path) == ["a.json"]


@pytest.mark.parametrize("inputs", [["in"], ["in/*.json"], ["in", "c.json"]])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_inputs_are_listed_once(tmp_path: Path, inputs: list[str], jobs: str) -> None:
    """A folder or glob is searched once, however many inputs and workers there are."""
    put(tmp_path, "in/a.json", "in/b.json", "c.json")
    count = """
import os, sys
from exportstream.cli.commands import main
def count(event, arguments):
    if event in ("os.listdir", "os.scandir") and str(arguments[0]).rstrip("/") == "in":
        os.write(1, b"listed\\n")
sys.addaudithook(count)
main(sys.argv[1:])
"""
    command = [sys.executable, "-c", count, "convert", *inputs, "-o", "rows/", "--jobs", jobs, "--quiet"]
    assert subprocess.check_output(command, cwd=tmp_path, env=ENVIRONMENT) == b"listed\n"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_failures_are_listed_at_the_end(tmp_path: Path, jobs: str) -> None:
    """Inputs that fail do not stop the others; each is a line at the end, and in the report; exit code 3."""
    many(tmp_path / "in", 4)
    (tmp_path / "in/bad.json").write_bytes(cut("bad"))
    (tmp_path / "in/d1/worse.json").write_bytes(b"no")
    options = ["-o", "rows", "-j", jobs, "--report", "r.json"]
    done = run("convert", "in", "missing.json", *options, cwd=tmp_path)
    assert done.returncode == 3
    summary, *failed = said(done)
    assert summary.startswith("exportstream: 4 of 7 inputs converted, 3 failed: 12 rows (")
    assert [line.split(":")[1].strip() for line in failed] == ["in/bad.json", "in/d1/worse.json", "missing.json"]
    found = report(tmp_path / "r.json")
    assert (found["converted"], found["failed"]) == (4, 3)
    told = [f"exportstream: {one['error']}" for one in found["inputs"] if "error" in one]  # with hints for Python
    assert [line.partition(";")[0] for line in told] == [line.partition(";")[0] for line in failed]
    assert len(contents(tmp_path / "rows")) == 4


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_fail_fast(tmp_path: Path, jobs: str) -> None:
    """With --fail-fast the first failure ends it: exit code 3, and the rest is not begun."""
    many(tmp_path / "in", 40, messages=60)
    (tmp_path / "in/a.json").write_bytes(b"no")
    done = run("convert", "in", "-o", "rows", "--fail-fast", "--jobs", jobs, "--report", "r.json", cwd=tmp_path)
    assert done.returncode == 3
    assert re.search(r"1 failed, \d+ not begun", said(done)[0])
    found = report(tmp_path / "r.json")
    assert found["cancelled"] >= 20
    assert found["converted"] == len(contents(tmp_path / "rows"))
    assert found["converted"] + found["cancelled"] == 40
    assert debris(tmp_path) == []


def test_rejects_and_cut_inputs_are_exit_code_5(tmp_path: Path) -> None:
    """Where messages were rejected, or a cut input was kept, the exit code is 5; a failure is 3 all the same."""
    put(tmp_path / "in", "a.json", "b.json")
    (tmp_path / "in/i.json").write_bytes(invalid("i"))
    skip = run("convert", "in", "-o", "skip", "--on-error", "skip", cwd=tmp_path)
    assert (skip.returncode, b"1 of 9 messages rejected" in skip.stderr) == (5, True)
    assert "i.ndjson.zst.rejects.ndjson" in contents(tmp_path / "skip")
    merged = run("convert", "in", "--merge", "-o", "all.ndjson", "--on-error", "skip", cwd=tmp_path)
    assert (merged.returncode, b"rejected into all.ndjson.rejects.ndjson" in merged.stderr) == (5, True)
    (tmp_path / "in/i.json").write_bytes(cut("i"))
    assert run("convert", "in", "-o", "partial", "--on-error", "skip", cwd=tmp_path).returncode == 5
    assert run("convert", "in", "-o", "cut", cwd=tmp_path).returncode == 3


def test_odd_names(tmp_path: Path) -> None:
    """Names of any bytes are taken, and give outputs of the same names."""
    names = [b"\xff\xfe", b" a b ", b"new\nline", b"--x", "é🙂".encode()]
    (tmp_path / "in").mkdir()
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), b"in", name + b".json"))).write_bytes(export("x"))
    Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), b"in", b"bad\xff\n.json"))).write_bytes(b"no")
    for jobs in ("1", "2"):
        done = run("convert", "in", "-o", f"rows{jobs}", "--jobs", jobs, "--report", f"{jobs}.json", cwd=tmp_path)
        assert done.returncode == 3, done.stderr
        found = {os.fsencode(name) for name in contents(tmp_path / f"rows{jobs}")}
        assert found == {name + b".ndjson.zst" for name in names}
        assert b"Traceback" not in done.stderr
        assert len(report(tmp_path / f"{jobs}.json")["inputs"]) == 6


# Update -----------------------------------------------------------------------------------------------------------------


def test_update_into_the_same_folder(tmp_path: Path) -> None:
    """A folder can be converted into itself, and again with --update, which then does what is new."""
    many(tmp_path, 4)
    time.sleep(0.02)  # a clock of 4 ms
    assert run("convert", ".", "-o", ".", cwd=tmp_path).returncode == 0
    assert run("convert", ".", "-o", ".", cwd=tmp_path).returncode == 2
    before = everything(tmp_path)
    put(tmp_path, "d2/new.json")
    done = run("convert", ".", "-o", ".", "--update", cwd=tmp_path)
    assert (done.returncode, said(done)[0].startswith("exportstream: 1 of 5 inputs converted, 4 up to date: 3 rows (")) == (
        0,
        True,
    )
    assert everything(tmp_path) == sorted([*before, "d2/new.json", "d2/new.ndjson.zst"])


def test_outputs_of_another_format(tmp_path: Path) -> None:
    """--update names outputs that an earlier run made of the same inputs, which this one leaves as they are."""
    many(tmp_path / "in", 2)
    put(tmp_path, "other/new.json")
    run("convert", "in", "other", "-o", "rows", cwd=tmp_path)
    run("convert", "in", "--merge", "--update", "-o", "rows/all.csv", cwd=tmp_path)  # which has runs of its own
    nightly = ["convert", "in", "-o", "rows", "--update", "--report", "r.json"]
    assert said(run(*nightly, cwd=tmp_path)) == ["exportstream: 0 of 2 inputs converted, 2 up to date"]
    assert report(tmp_path / "r.json")["notUpdated"] == []
    left = [
        f"rows/{path.relative_to(tmp_path / 'in').with_suffix('')}.ndjson.zst" for path in (tmp_path / "in").rglob("*.json")
    ]
    done = run(*nightly, "--format", "csv", cwd=tmp_path)
    words = "2 outputs of these inputs with another name, format or table are not updated"
    assert said(done)[0] == f"exportstream: {words}: {', '.join(sorted(left))}"
    assert report(tmp_path / "r.json")["notUpdated"] == sorted(left)


def test_outputs_whose_inputs_were_removed(tmp_path: Path) -> None:
    """--update names the outputs that have no input any more, and leaves them where they are."""
    many(tmp_path / "in", 8)
    nightly = ["convert", "in", "-o", "rows", "--update", "--report", "r.json"]
    assert not [line for line in said(run(*nightly, cwd=tmp_path)) if "any more" in line]
    gone = sorted(path for path in (tmp_path / "in").rglob("*.json"))[:7]
    outputs = [f"rows/{path.relative_to(tmp_path / 'in').with_suffix('')}.ndjson.zst" for path in gone]
    gone[0].unlink()
    put(tmp_path, "other/new.json")
    run("convert", "other", "-o", "rows", "--quiet", cwd=tmp_path)  # whose input is there, though not in this run
    done = run(*nightly, cwd=tmp_path)
    assert (done.returncode, said(done)) == (
        0,
        [
            f"exportstream: 1 output has no input any more, and stays: {outputs[0]}",
            "exportstream: 0 of 7 inputs converted, 7 up to date",
        ],
    )
    for path in gone[1:]:
        path.unlink()
    assert said(run(*nightly, cwd=tmp_path))[0].endswith(f" stay: {', '.join(outputs[:5])} and 2 more")
    assert report(tmp_path / "r.json")["withoutInput"] == outputs
    assert run(*nightly, "--quiet", cwd=tmp_path).stderr == b""
    assert all((tmp_path / name).exists() for name in outputs)
    for members in ("ab", "b"):
        with zipfile.ZipFile(tmp_path / "chats.zip", "w") as archive:
            for name in members:
                archive.writestr(f"{name}.json", export(name))
        done = run("convert", "chats.zip", "-o", "unzipped", "--update", cwd=tmp_path)
    assert said(done)[0] == "exportstream: 1 output has no input any more, and stays: unzipped/a.ndjson.zst"


@pytest.mark.parametrize("format_", [[], ["--format", "ndjson"], ["--format", "csv"]])
def test_removed_inputs_beside_their_outputs(tmp_path: Path, format_: list[str]) -> None:
    """An output that has no input any more is no input of the next run."""
    put(tmp_path, "a.json", "b.json")
    nightly = ["convert", ".", "-o", ".", "--update", *format_]
    assert run(*nightly, cwd=tmp_path).returncode == 0
    (tmp_path / "b.json").unlink()
    put(tmp_path, "c.json")
    done = run(*nightly, cwd=tmp_path)
    assert (done.returncode, said(done)[0].startswith("exportstream: 1 output has no input any more, and stays: ./b.")) == (
        0,
        True,
    )
    assert said(done)[1].startswith("exportstream: 1 of 2 inputs converted, 1 up to date: 3 rows")


def test_reports_beside_the_inputs(tmp_path: Path) -> None:
    """Reports and totals that earlier runs wrote into a searched folder are ignored."""
    put(tmp_path, "in/a.json")
    run("convert", "in/a.json", "-o", "a.csv", "--report", "in/one.json", cwd=tmp_path)
    run("convert", "in", "-o", "out/", "--exclude", "one.json", "--report", "in/many.json", cwd=tmp_path)
    (tmp_path / "in/totals.json").write_bytes(run("totals", "in/a.json", "--json", cwd=tmp_path).stdout)
    done = run("totals", "in", cwd=tmp_path)
    assert done.returncode == 0
    assert [line.split(":")[2] for line in said(done)] == [" in/many.json", " in/one.json", " in/totals.json"]
    assert "it looks like a report of exportstream" in said(done)[0]


def test_update_of_one_input(tmp_path: Path) -> None:
    """--update works for one input as well."""
    put(tmp_path, "a.json")
    time.sleep(0.02)
    assert run("convert", "a.json", "-o", "a.csv", "--update", cwd=tmp_path).returncode == 0
    again = run("convert", "a.json", "-o", "a.csv", "--update", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, b"exportstream: a.json: up to date\n")
    assert run("verify", "a.csv", cwd=tmp_path).stdout == b"1 output, 0 with findings\n"
    put(tmp_path, "a.json", messages=5)
    os.utime(tmp_path / "a.csv", (1, 1))
    assert b"5 rows to a.csv" in run("convert", "a.json", "-o", "a.csv", "--update", cwd=tmp_path).stderr


@pytest.mark.parametrize("output", [["-o", "a.csv"], ["-o", "all.csv", "--merge"], ["-o", "a.csv", "-t", "all"]])
def test_update_of_one_output_with_other_options(tmp_path: Path, output: list[str]) -> None:
    """Options and an older input are seen by a single output that was written with --update; without, times decide."""
    put(tmp_path, "a.json")
    time.sleep(0.02)

    def is_done(*options: str) -> bool:
        return b" to a" in run("convert", "a.json", *output, *options, cwd=tmp_path).stderr

    assert is_done()
    assert [is_done("--update", *options) for options in ([], ["--keys", "snake"])] == [False, False]
    (tmp_path / "all.csv" if "--merge" in output else next(tmp_path.glob("a*.csv"))).unlink()
    assert [is_done("--update", *options) for options in ([], [], ["--keys", "snake"], ["--keys", "snake"], [], [])] == [
        True,
        False,
    ] * 3
    if "--merge" not in output:  # which goes by times for its inputs
        os.utime(tmp_path / "a.json", (1, 1))
        assert [is_done("--update"), is_done("--update")] == [True, False]
    for keys in ["snake", "camel"] * 3:
        assert is_done("--update", "--keys", keys)
    manifest = (tmp_path / MANIFEST).read_bytes().splitlines()
    assert len(manifest) <= 3 * len({json.loads(line)["output"] for line in manifest})


@pytest.mark.parametrize("output", ["rows/", "a.csv", "--merge"])
def test_rows_that_were_rejected_are_missing_every_night(tmp_path: Path, output: str) -> None:
    """What was rejected of an input that is up to date is said again, with the same exit code, until it is repaired."""
    (tmp_path / "a.json").write_bytes(invalid("s") + b"\n?oops")
    target = ["--merge", "-o", "a.csv"] if output == "--merge" else ["-o", output]
    nightly = ["convert", "a.json", *target, "--format", "csv", "--update", "--on-error", "skip", "--report", "r.json"]
    time.sleep(0.02)
    assert run(*nightly, cwd=tmp_path).returncode == 5
    lost = "messages or damaged bytes" if output == "a.csv" else "1 message and 1 damaged stretch (5 B)"
    file = "rows/a.csv.rejects.ndjson" if output == "rows/" else "a.csv.rejects.ndjson"
    for quiet in ([], ["--quiet"]):
        done = run(*nightly, *quiet, cwd=tmp_path)
        assert done.returncode == 5
        assert said(done)[0].endswith(f"{lost} rejected before into {file}")
        assert ("up to date" in said(done)[0]) == (not quiet)
        written = report(tmp_path / "r.json")
        if output == "a.csv":
            assert (written["status"], written["rejects"]) == ("skipped", file)
        else:
            assert (written["skipped"], written["rejected"]) == (1, 0)
            assert file in (written["rejects"], written["inputs"][0].get("rejects"))
    if output != "a.csv":
        assert (written["keptRejected"], written["keptDamaged"]) == (1, 1)
    if output == "rows/":
        assert written["inputs"][0]["notes"]["rejected"] == 1
    put(tmp_path, "a.json", messages=3)
    os.utime(tmp_path / "a.json", (time.time() + 1, time.time() + 1))
    assert run(*nightly, cwd=tmp_path).returncode == 0
    assert not (tmp_path / file).exists()
    os.utime(tmp_path / "a.json", (1, 1))
    assert run(*nightly, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("output", [["-o", "a.csv"], ["--merge", "-o", "a.csv"]])
def test_rejects_of_an_input_that_was_repaired(tmp_path: Path, output: list[str]) -> None:
    """A file of rejects that is older than the input says nothing of the output, nor does a device."""
    (tmp_path / "a.json").write_bytes(invalid("s"))
    nightly = ["convert", "a.json", *output, "--update"]
    time.sleep(0.02)
    assert run(*nightly, "--on-error", "skip", cwd=tmp_path).returncode == 5
    time.sleep(0.02)
    put(tmp_path, "a.json")
    time.sleep(0.02)
    assert [run(*nightly, cwd=tmp_path).returncode for _ in range(2)] == [0, 0]
    assert (tmp_path / "a.csv.rejects.ndjson").exists()
    (tmp_path / "a.json").write_bytes(invalid("s"))
    time.sleep(0.02)
    gone = [*nightly, "--on-error", "skip", "--rejects", os.devnull]
    again = 5 if "--merge" in output else 0  # the manifest knows it
    assert [run(*gone, cwd=tmp_path).returncode for _ in range(2)] == [5, again]


@pytest.mark.parametrize("before", ["", "file://"])
def test_outputs_in_the_folder_of_the_inputs_are_no_inputs(tmp_path: Path, before: str) -> None:
    """A folder of outputs inside that of the inputs is not searched, also if it is named by a URL."""
    put(tmp_path, "in/a.json")
    arguments = ["in", "-o", f"{before}{tmp_path}/in/rows/", "--format", "ndjson", "--force"]
    for _ in range(2):
        assert "in/a.json: 3 rows to " in said(run("convert", *arguments, cwd=tmp_path))[-1]
    assert everything(tmp_path / "in") == ["a.json", f"rows/{MANIFEST}", "rows/a.ndjson"]


def test_a_report_of_one_input_that_is_up_to_date(tmp_path: Path) -> None:
    """--update --report writes a report also where there is nothing to do, in the same shape."""
    put(tmp_path, "a.json")
    written = []
    for _ in range(2):
        time.sleep(0.02)
        assert run("convert", "a.json", "-o", "a.csv", "--update", "--report", "r.json", cwd=tmp_path).returncode == 0
        written.append(report(tmp_path / "r.json"))
    first, second = written
    assert [(one["status"], one["rows"]) for one in written] == [("converted", 3), ("skipped", 0)]
    assert first.keys() == second.keys()
    done = run("convert", "a.json", "-o", "a.csv", "--update", "--report", "a.csv", cwd=tmp_path)
    assert (done.returncode, b"the report is the output" in done.stderr) == (2, True)


@pytest.mark.parametrize("options", [["-o", "rows/"], ["--merge", "-o", "all.csv"]])
def test_a_report_hints_in_options(tmp_path: Path, options: list[str]) -> None:
    """Errors in the command's report have the words of its messages: options, not Python's keywords."""
    put(tmp_path, "a.json")
    (tmp_path / "cut.json").write_bytes(cut("c"))
    done = run("convert", "a.json", "cut.json", *options, "--report", "r.json", cwd=tmp_path)
    errors = [one["error"] for one in report(tmp_path / "r.json")["inputs"] if "error" in one]
    assert [f"exportstream: {error}" for error in errors] == said(done)[-1:]
    assert errors[0].endswith("--on-error skip keeps the complete messages")


@pytest.mark.parametrize("options", [["--jobs", "1"], ["--jobs", "2"], ["--jobs", "2", "--table", "all", "--format", "csv"]])
def test_killed_and_updated_is_as_if_it_had_not_been_killed(tmp_path: Path, options: list[str]) -> None:
    """Killed at any moments and run again with --update, the outputs are in the end those of an uninterrupted run."""
    many(tmp_path / "in", 30, messages=600)
    dice = random.Random(str(options))
    time.sleep(0.02)
    assert run("convert", "in", "-o", "whole", *options, cwd=tmp_path).returncode == 0
    whole = contents(tmp_path / "whole")
    for _ in range(4):
        before = len(contents(tmp_path / "rows"))
        command = start("convert", "in", "-o", "rows", "--update", "--quiet", *options, cwd=tmp_path)
        wanted = before + dice.randrange(1, 5)
        wait_until(lambda wanted=wanted: len(contents(tmp_path / "rows")) >= wanted or command.poll() is not None)  # noqa: B023
        time.sleep(dice.random() / 50)
        os.killpg(command.pid, signal.SIGKILL)
        command.communicate()
        wait_until(lambda: not in_session(command.pid))  # noqa: B023
        found = contents(tmp_path / "rows")
        assert {name: whole[name] for name in found} == found  # whatever has its name is whole
    assert 0 < len(contents(tmp_path / "rows")) < len(whole)
    done = run("convert", "in", "-o", "rows", "--update", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"up to date" in done.stderr
    assert contents(tmp_path / "rows") == whole
    assert all(os.path.basename(name).startswith(".") for name in debris(tmp_path))


# Merge ------------------------------------------------------------------------------------------------------------------


def test_merge(tmp_path: Path) -> None:
    """--merge writes one output in the given order; standard input may be one of them; failures are left out and listed."""
    put(tmp_path, "a.json", "b.json", "c.json")
    (tmp_path / "bad.json").write_bytes(cut("bad", 900))
    for name in "ab":
        run("convert", f"{name}.json", "-o", f"{name}.csv", "--columns", "*,file", cwd=tmp_path)
    run("convert", "-", "-o", "s.csv", "--columns", "*,file", cwd=tmp_path, data=export("s"))
    parts = [(tmp_path / f"{name}.csv").read_bytes() for name in ("b", "s", "a")]
    expected = parts[0] + b"".join(part.partition(b"\n")[2] for part in parts[1:])
    arguments = ["b.json", "bad.json", "-", "a.json", "--merge", "--without", "sessionNumber"]
    done = run("convert", *arguments, "-o", "all.csv.zst", "--report", "r.json", cwd=tmp_path, data=export("s"))
    assert done.returncode == 3
    assert unpack((tmp_path / "all.csv.zst").read_bytes()) == expected
    assert said(done)[0].startswith("exportstream: 3 of 4 inputs converted, 1 failed: 9 rows to all.csv.zst (")
    assert said(done)[1].startswith("exportstream: bad.json: ")
    assert report(tmp_path / "r.json")["failed"] == 1
    fast = run("convert", *arguments, "-o", "fast.csv", "--fail-fast", cwd=tmp_path, data=export("s"))
    assert (fast.returncode, len(said(fast))) == (3, 1)
    assert not (tmp_path / "fast.csv").exists()


def test_a_merge_with_bad_standard_input_has_no_output(tmp_path: Path) -> None:
    """Standard input can't be read twice: where it fails there is no output."""
    put(tmp_path, "a.json")
    done = run("convert", "a.json", "-", "--merge", "-o", "all.csv", cwd=tmp_path, data=cut("s"))
    assert (done.returncode, len(said(done)), everything(tmp_path)) == (3, 1, ["a.json"])


def test_a_merge_to_standard_output(tmp_path: Path) -> None:
    """Without -o a merge goes to standard output, and a merge of nothing but failures gives nothing."""
    put(tmp_path, "a.json", "b.json")
    done = run("convert", "b.json", "a.json", "--merge", cwd=tmp_path)
    assert done.returncode == 0
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["b-0", "b-1", "b-2", "a-0", "a-1", "a-2"]
    bad = run("convert", "missing", "gone", "--merge", "--quiet", cwd=tmp_path)
    assert (bad.returncode, bad.stdout, len(said(bad))) == (4, b"", 2)


# Signals ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of enough inputs for seconds of work."""
    folder, one = many(tmp_path_factory.mktemp("large") / "in", 60, messages=1), export("s000", messages=4000)
    for path in folder.rglob("*.json"):
        path.write_bytes(one.replace(b'"s000', f'"{path.stem}'.encode()))
    return folder


def begun(folder: Path, command: subprocess.Popen[bytes]) -> None:
    # More than one input's: of those whose last output is just getting its name, all are taken back.
    wait_until(lambda: len(contents(folder / "rows")) > 5 or command.poll() is not None)
    assert command.poll() is None, command.communicate()


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("group", [False, True], ids=["process", "group"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals(tmp_path: Path, large: Path, number: signal.Signals, group: bool, jobs: str) -> None:
    """A signal ends the command by that signal, soon, with one line; no worker is left, and nothing temporary."""
    (tmp_path / "tmp").mkdir()
    options = ["--jobs", jobs, "--table", "all"]
    command = start("convert", large, "-o", tmp_path / "rows", *options, cwd=tmp_path, TMPDIR=str(tmp_path / "tmp"))
    begun(tmp_path, command)
    (os.killpg if group else os.kill)(command.pid, number)
    _, text = command.communicate(timeout=10)
    assert command.returncode == -number
    assert text.strip() == INTERRUPTED
    wait_until(lambda: not in_session(command.pid), 2)
    assert debris(tmp_path) == []
    assert list((tmp_path / "tmp").iterdir()) == []
    assert contents(tmp_path / "rows")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_while_merging(tmp_path: Path, large: Path, number: signal.Signals) -> None:
    """A merge that is interrupted leaves nothing, whatever it is doing."""
    command = start("convert", large, "--merge", "-o", "all.csv.gz", "--table", "all", "--fail-fast", cwd=tmp_path)
    wait_until(lambda: len(debris(tmp_path)) == 3)
    os.kill(command.pid, number)
    _, text = command.communicate(timeout=10)
    assert (command.returncode, text, everything(tmp_path)) == (-number, b"exportstream: interrupted\n", [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_whose_exception_python_drops(tmp_path: Path, large: Path, number: signal.Signals) -> None:
    """What a signal raises inside a finalizer is dropped; the work ends all the same, and not at its own end."""
    code = (
        "import os\nfrom exportstream.cli import commands, display\n"
        f"class Final:\n    def __del__(self): os.kill(os.getpid(), {int(number)})\n"
        "update, calls = display.ManyProgress.update, []\n"
        "def once(self, status):\n    calls.append(1)\n    len(calls) == 2 and Final()\n    len(calls) > 2 and print('late')\n"
        "    update(self, status)\n"
        "display.ManyProgress.update = once\n"
        f"commands.main(['convert', {str(large)!r}, '--merge', '-o', 'all.csv'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, env=ENVIRONMENT, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, everything(tmp_path)) == (-number, b"", [])
    assert done.stderr == b"exportstream: interrupted\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_dropped_exception_while_a_pipe_is_awaited(number: signal.Signals) -> None:
    """The work ends though nothing comes out of the pipe, and so nothing goes on that could notice."""
    code = (
        "import os, sys\nfrom exportstream.cli import process\nprocess.raise_on_signals()\n"
        f"class Final:\n    def __del__(self): os.kill(os.getpid(), {int(number)})\n"
        "def wait():\n    Final()\n    os.read(0, 1)\n"
        "sys.exit(process.run(wait, debug=False))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as command:
        try:
            command.wait(20)
        finally:
            command.kill()
        assert command.stderr is not None
        assert (command.returncode, command.stderr.read()) == (-number, b"exportstream: interrupted\n")


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.25])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_while_workers_start(tmp_path: Path, large: Path, number: signal.Signals, delay: float) -> None:
    """Signals to all processes at any moment, also while workers start, give no traceback and leave nothing behind."""
    command = start("convert", large, "-o", tmp_path / "rows", "--jobs", "2", cwd=tmp_path)
    wait_until(lambda: children(command.pid))
    time.sleep(delay)
    os.killpg(command.pid, number)
    _, text = command.communicate(timeout=10)
    assert command.returncode == -number
    # Python itself drops, and prints, an exception that comes in a callback of its own; the signal counts all the same.
    assert text.strip() in (b"", INTERRUPTED) or text.lstrip().startswith(b"Exception ignored in")
    wait_until(lambda: not in_session(command.pid), 2)
    assert debris(tmp_path) == []


def test_nohup_reaches_the_workers(tmp_path: Path, large: Path) -> None:
    """A signal that the command was started to ignore does not end its workers either."""
    command = start("convert", large, "-o", tmp_path / "rows", "--jobs", "2", cwd=tmp_path, before=["nohup"])
    begun(tmp_path, command)
    os.killpg(command.pid, signal.SIGHUP)
    command.communicate(timeout=30)
    assert (command.returncode, len(contents(tmp_path / "rows"))) == (0, 60)


def test_a_killed_parent_leaves_no_workers(tmp_path: Path, large: Path) -> None:
    """Where the command itself is killed its workers end within seconds, without temporary files."""
    command = start("convert", large, "-o", tmp_path / "rows", "--jobs", "2", cwd=tmp_path)
    begun(tmp_path, command)
    assert len(workers(command.pid)) == 2
    command.kill()
    command.communicate()
    wait_until(lambda: not in_session(command.pid), 5)
    assert debris(tmp_path) == []


def test_a_killed_worker(tmp_path: Path, large: Path) -> None:
    """Where a worker is killed the inputs that are not done are listed, exit code 3; outputs are whole."""
    command = start("convert", large, "-o", tmp_path / "rows", "--jobs", "2", "--report", "r.json", cwd=tmp_path)
    begun(tmp_path, command)
    kill(workers(command.pid)[0])
    _, text = command.communicate(timeout=20)
    assert command.returncode == 3
    assert b"Traceback" not in text
    found = report(tmp_path / "r.json")
    assert found["failed"] >= 1
    assert found["failed"] + found["converted"] == 60
    assert len(re.findall(rb"its worker was killed", text)) == found["failed"]
    wait_until(lambda: not in_session(command.pid), 2)
    for path in (tmp_path / "rows").rglob("[!.]*.zst"):
        assert len(unpack(path.read_bytes()).splitlines()) == 4000
    assert run("convert", large, "-o", tmp_path / "rows", "--update", "--jobs", "2", cwd=tmp_path).returncode == 0
    assert len(contents(tmp_path / "rows")) == 60


# Dask that is not there -------------------------------------------------------------------------------------------------


def test_a_scheduler_that_can_not_be_reached(tmp_path: Path) -> None:
    """An address where nobody answers is one line and exit code 2, soon."""
    put(tmp_path, "in/a.json", "in/b.json")
    for address in ("tcp://127.0.0.1:9", "nonsense://x", "tcp://127.0.0.1:x", ""):
        began = time.monotonic()
        done = run("convert", "in", "-o", "rows", "--dask", address, cwd=tmp_path, PYTHONWARNINGS="default")
        assert done.returncode == 2, (address, done.stderr)
        assert len(said(done)) == 1, (address, done.stderr)
        assert "Dask" in said(done)[0]
        assert time.monotonic() - began < 15
        assert not (tmp_path / "rows").exists()


def test_distributed_that_is_not_installed(tmp_path: Path) -> None:
    """Without the library one line says what to install."""
    put(tmp_path, "in/a.json")
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "from exportstream.cli.commands import main; main(['convert', 'in', '-o', 'rows', '--dask', 'x:1'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, env=ENVIRONMENT, timeout=30, check=False
    )
    assert done.returncode == 2
    assert done.stderr.decode() == (
        "exportstream: --dask needs distributed, which is not installed; pip install 'exportstream[dask]'\n"
    )
    assert everything(tmp_path) == ["in/a.json"]


def test_cut_inputs_of_a_merge_are_named(tmp_path: Path) -> None:
    """What was kept of a cut input is not hidden among the others: the input is named, on standard error and in the report."""
    put(tmp_path, "a.json", "c.json")
    (tmp_path / "b.json").write_bytes(cut("b"))
    options = ["--on-error", "skip", "--report", "r.json"]
    done = run("convert", "a.json", "b.json", "c.json", "--merge", "-o", "all.csv", *options, cwd=tmp_path)
    assert done.returncode == 5
    assert [line for line in said(done) if "is cut" in line] == [
        "exportstream: b.json: the input is cut, or damaged up to its end; kept 2 complete messages"
    ]
    assert report(tmp_path / "r.json")["cut"] == {"b.json": 2}


def test_warnings_of_a_merge_name_the_input(tmp_path: Path) -> None:
    """What is noticed of an input of a merge is told with its name, and stands with it in the report."""
    put(tmp_path, "a.json")
    old = session(message(1) | {"createdAt": None}, id="old")
    (tmp_path / "old.json").write_bytes(dump(old))
    done = run("convert", "a.json", "old.json", "--merge", "-o", "all.csv", "--report", "r.json", cwd=tmp_path)
    warning, _ = said(done)
    assert warning.startswith("exportstream: old.json: warning: 1 message has null dates")
    assert [one["notes"]["nullDates"] for one in report(tmp_path / "r.json")["inputs"]] == [0, 1]
