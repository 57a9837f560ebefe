"""The command verify, and --update by the manifest, as a user meets them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exportstream.writing.outputs import MANIFEST
from tests.kit.command import run, said
from tests.kit.files import contents, many, put


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_outputs_of_a_folder(tmp_path: Path, jobs: str) -> None:
    """Outputs as they were written are one line, exit 0; each that is not is a line more, exit 3."""
    many(tmp_path / "in", 4)
    assert run("convert", "in", "-o", "rows", "--jobs", jobs, "--table", "all", cwd=tmp_path).returncode == 0
    done = run("verify", "rows", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"12 outputs, 0 with findings\n", b"")
    (tmp_path / "rows/messages/s000.ndjson.zst").write_bytes(b"x")
    (tmp_path / "rows/sessions/s003.ndjson.zst").unlink()
    done = run("verify", "rows", cwd=tmp_path)
    first, second, last = done.stdout.decode().splitlines()
    assert first.startswith("rows/messages/s000.ndjson.zst: expected ")
    assert first.endswith("bytes, got 1; it ends within a row")
    assert second == "rows/sessions/s003.ndjson.zst: it is missing"
    assert last == "12 outputs, 2 with findings"
    assert done.returncode == 3
    assert said(done) == [
        "exportstream: convert their inputs again with --force: --update goes by sizes and times, not by contents"
    ]


def test_files_by_their_names(tmp_path: Path) -> None:
    """Files of several formats are verified together; one without a record is exit 3."""
    put(tmp_path, "a.json")
    for name in ("a.db", "a.parquet", "a.csv"):
        assert run("convert", "a.json", "-o", name, cwd=tmp_path).returncode == 0
    done = run("verify", "a.db", "a.parquet", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"2 outputs, 0 with findings\n")
    done = run("verify", "a.csv", cwd=tmp_path)
    assert done.stdout == b"a.csv: expected a record in a manifest, got none\n1 output, 1 with findings\n"
    assert done.returncode == 3
    none = "exportstream: only Parquet and SQLite, and outputs written to a folder (-o DIR/) or with --update, have a record"
    assert said(done) == [none]
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    done = run("verify", "a.csv", "a.parquet", cwd=tmp_path)
    assert said(done) == [
        none,
        "exportstream: convert their inputs again with --force: --update goes by sizes and times, not by contents",
    ]


def test_a_file_that_does_not_exist(tmp_path: Path) -> None:
    """A name that no manifest has is no output that could be written again."""
    done = run("verify", "none.db", cwd=tmp_path)
    nothing = b"none.db: expected an output, got no such file, and no record of one\n1 output, 1 with findings\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, nothing, b"")


def test_outputs_of_inputs_that_changed(tmp_path: Path) -> None:
    """Outputs whose inputs changed since are named, whatever their format, and no finding."""
    put(tmp_path, "in/a.json")
    put(tmp_path, "in/b.json")
    for format_ in ("ndjson", "csv"):
        run("convert", "in", "-o", "rows", "--format", format_, "--update", cwd=tmp_path)
    put(tmp_path, "in/a.json", messages=7)
    run("convert", "in", "-o", "rows", "--format", "csv", "--update", cwd=tmp_path)
    done = run("verify", "rows", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"4 outputs, 0 with findings\n")
    assert said(done) == [
        "exportstream: 1 output made of inputs that changed since: rows/a.ndjson; run their convert again, with --update"
    ]


@pytest.mark.parametrize(("name", "words"), [("s3://b/x", "verify a copy of it"), ("in", "expected a folder of outputs")])
def test_what_is_no_output(tmp_path: Path, name: str, words: str) -> None:
    """URLs and folders without outputs are wrong usage."""
    (tmp_path / "in").mkdir()
    done = run("verify", name, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert words in said(done)[0]


def test_names_are_printable(tmp_path: Path) -> None:
    """A name of an output is printed without its control characters."""
    put(tmp_path, "in/a\x1b[31m.json")
    run("convert", "in", "-o", "rows", cwd=tmp_path)
    for name in contents(tmp_path / "rows"):
        (tmp_path / "rows" / name).unlink()
    done = run("verify", "rows", cwd=tmp_path)
    assert done.stdout.splitlines()[0] == rb"rows/a\x1b[31m.ndjson.zst: it is missing"


def test_update_with_other_options(tmp_path: Path) -> None:
    """--update makes outputs again if options or an input changed, also by worker processes, and nothing else."""
    many(tmp_path / "in", 3)
    command = ("convert", "in", "-o", "rows", "--update")
    for options, count in (((), 3), ((), 0), (("--keys", "snake"), 3), (("--keys", "snake", "--jobs", "2"), 0)):
        assert f"exportstream: {count} of 3 inputs converted" in run(*command, *options, cwd=tmp_path).stderr.decode()
    os.utime(tmp_path / "in/s000.json", (1, 1))
    assert "1 of 3 inputs converted" in said(run(*command, "--keys", "snake", "--jobs", "2", cwd=tmp_path))[-1]
    (tmp_path / "rows" / MANIFEST).unlink()
    assert "3 of 3 inputs converted" in said(run(*command, "--keys", "snake", cwd=tmp_path))[-1]


def test_outputs_repeat_byte_for_byte(tmp_path: Path) -> None:
    """One process and two write the same outputs, and the same records but for their order."""
    many(tmp_path / "in", 5, messages=30)
    for jobs in ("1", "2"):
        assert run("convert", "in", "-o", f"rows{jobs}", "--jobs", jobs, cwd=tmp_path).returncode == 0
    assert contents(tmp_path / "rows1") == contents(tmp_path / "rows2")
    one, two = (sorted((tmp_path / folder / MANIFEST).read_bytes().splitlines()) for folder in ("rows1", "rows2"))
    assert one == two
