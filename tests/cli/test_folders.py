"""Folders as they are: files that are no exports, --exclude, outputs in folders that exist, and merges that are up to date."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from pathlib import Path

import pytest

from exportstream import convert_many
from tests.kit.command import run, said
from tests.kit.documents import cut, dump, export
from tests.kit.files import contents, everything, put, rows

FOREIGN = {
    "package.json": b'{"name":"x","version":"1"}',
    "batch.jsonl": b'{"id":"b1","custom_id":"r1","response":{"status_code":200,"body":{}},"error":null}',
    "empty.json": b"[]",
    "number.json": b"5",
}


def with_foreign(folder: Path, *names: str) -> Path:
    """Write files that are JSON, but no exports, beside one export."""
    put(folder, "in/a.json")
    for name in names or FOREIGN:
        (folder / "in" / name).write_bytes(FOREIGN[name])
    return folder


@pytest.mark.parametrize("source", ["in", "in/*"])
@pytest.mark.parametrize("on_error", [[], ["--on-error", "skip"]], ids=["stop", "skip"])
@pytest.mark.parametrize(
    "options", [["-o", "rows/", "-j1"], ["-o", "rows/", "-j2"], ["--merge"], ["--merge", "--fail-fast"]]
)
def test_files_that_are_no_exports(tmp_path: Path, source: str, options: list[str], on_error: list[str]) -> None:
    """JSON files of another kind in a folder or glob are ignored: named, counted, no failure, and in no rejects."""
    with_foreign(tmp_path)
    target = ["-o", "all.ndjson"] if "--merge" in options else []
    done = run("convert", source, *options, *on_error, *target, "--report", "r.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not [name for name in everything(tmp_path) if "rejects" in name]
    assert said(done)[0].startswith("exportstream: 1 of 5 inputs converted, 4 ignored: 3 rows")
    assert [line.split(":")[2].strip() for line in said(done)[1:]] == [f"in/{name}" for name in sorted(FOREIGN)]
    assert not [line for line in said(done)[1:] if "byte" in line], "nobody looks for a place in them"
    written = json.loads((tmp_path / "r.json").read_bytes())
    assert (written["converted"], written["ignored"], written["failed"]) == (1, 4, 0)
    assert sum(one["status"] == "ignored" and "expected a session" in one["error"] for one in written["inputs"]) == 4
    assert len(rows(tmp_path / ("all.ndjson" if target else "rows/a.ndjson.zst"))) == 3


def test_outputs_beside_their_inputs_are_one_line(tmp_path: Path) -> None:
    """Outputs that a folder of inputs holds are ignored in one line, with the first few names."""
    names = [f"{letter}.json" for letter in "abcdefg"]
    put(tmp_path, *names)
    for name in names:
        run("convert", name, cwd=tmp_path)
    outputs = [f"./{letter}.ndjson.zst" for letter in "abcdefg"]
    for left, words in (
        (7, f"7 outputs of exportstream: {', '.join(outputs[:5])} and 2 more"),
        (1, f"1 output of exportstream: {outputs[0]}"),
    ):
        for name in outputs[left:]:
            (tmp_path / name).unlink(missing_ok=True)
        assert said(run("totals", ".", cwd=tmp_path)) == [f"exportstream: ignored: {words}"]
    loud, quiet = run("check", ".", cwd=tmp_path), run("check", ".", "--quiet", cwd=tmp_path)
    assert (loud.stdout, quiet.stderr) == (quiet.stdout + b"7 sessions in 7 inputs, 7 with findings\n", b"")
    assert json.loads(run("check", ".", "--quiet", "--json", cwd=tmp_path).stdout)["sessionCount"] == 7
    assert run("check", "b.ndjson.zst", "a.json", "--quiet", cwd=tmp_path).stderr != b""


def _obey_permissions() -> None:
    """Let root be as everybody else: without the capabilities to read and write what it may not."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability)  # PR_CAPBSET_DROP: gone when the command starts


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")
def test_folders_and_files_that_may_not_be_read(tmp_path: Path) -> None:
    """They are failures of reading, exit code 4, named or found, and stop no other input."""
    put(tmp_path, "in/a.json", "in/d/b.json", "in/e/c.json", "d.json")
    convert_many([tmp_path / "in/e"], tmp_path / "in/e", format="csv")
    closed = [tmp_path / name for name in ("in/d", "in/e", "d.json")]
    for path in closed:
        path.chmod(0)
    reasons = {"in/d": "in/d: Permission denied", "in/e": "in/e: Permission denied", "d.json": "d.json: Permission denied"}
    for name in ("in", "in/**/*.json"):
        for arguments in (["totals", name, "--json"], ["check", name], ["convert", name, "-o", "rows/", "--update"]):
            done = run(*arguments, cwd=tmp_path, process={"preexec_fn": _obey_permissions})
            assert (done.returncode, b'"messages":3' in done.stdout) == (4, arguments[0] == "totals")
            assert [line.removeprefix("exportstream: ") for line in said(done)[-2:]] == [reasons["in/d"], reasons["in/e"]]
    assert list(contents(tmp_path / "rows")) == ["a.ndjson.zst"]
    for name, why in reasons.items():
        for arguments in (["totals", name], ["convert", name, "-o", "x/"], ["verify", "in"]):
            done = run(*arguments, cwd=tmp_path, process={"preexec_fn": _obey_permissions})
            assert (done.returncode, said(done)[-1]) == (
                4,
                f"exportstream: {reasons['in/d'] if arguments[0] == 'verify' else why}",
            )
    for path in closed:
        path.chmod(0o755)


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_no_export_named_by_hand(tmp_path: Path, name: str) -> None:
    """A file that the user named has to be an export, alone or among others."""
    with_foreign(tmp_path)
    assert run("convert", f"in/{name}", "-o", "x.csv", cwd=tmp_path).returncode == 3
    done = run("convert", "in/a.json", f"in/{name}", "-o", "rows/", cwd=tmp_path)
    assert (done.returncode, b"1 of 2 inputs converted, 1 failed" in done.stderr) == (3, True)


@pytest.mark.parametrize(
    "data",
    [
        cut("c"),
        b"",
        b'{"name":',
        b'{"error":{"code":404,"message":"no session"}}',
        b'{"title":"t","messages":[]}',
        b'{"id":"s","title":"t","messages":null}',
        export("e") + b"\n" + FOREIGN["package.json"],
        dump({"id": "s", "title": "t", "messages": []}) + b"5",
    ],
)
def test_faults_are_failures(tmp_path: Path, data: bytes) -> None:
    """An export with a fault, an error response and damaged JSON in a folder are failures, never ignored."""
    put(tmp_path, "in/a.json")
    (tmp_path / "in/b.json").write_bytes(data)
    done = run("convert", "in", "-o", "rows", "-j1", cwd=tmp_path)
    assert (done.returncode, b"1 of 2 inputs converted, 1 failed" in done.stderr) == (3, True)


@pytest.mark.parametrize(
    "arguments", [["-o", "rows"], ["--merge", "-o", "x.csv"], ["--merge", "--fail-fast", "-o", "x.csv"]]
)
def test_a_folder_without_an_export(tmp_path: Path, arguments: list[str]) -> None:
    """Where no file is an export it is exit code 3, without an output."""
    with_foreign(tmp_path)
    (tmp_path / "in/a.json").unlink()
    done = run("convert", "in", *arguments, cwd=tmp_path)
    assert (done.returncode, b"in/batch.jsonl: expected a session" in done.stderr) == (3, True)
    assert everything(tmp_path) == sorted(f"in/{name}" for name in FOREIGN)


def test_totals_and_check_of_a_folder(tmp_path: Path) -> None:
    """Totals and check ignore such files, too, and take --exclude."""
    with_foreign(tmp_path)
    put(tmp_path, "in/old/b.json")
    for verb, words in (("totals", "sessions - 1"), ("check", "1 session in 1 input, 1 with findings")):
        done = run(verb, "in", "--exclude", "old", cwd=tmp_path)
        assert (done.returncode, len(said(done))) == (0, 4), done.stderr
        assert words in " ".join(done.stdout.decode().split())
        assert run(verb, "in/a.json", "--exclude", "a.json", cwd=tmp_path).returncode == 2


@pytest.mark.parametrize(
    ("globs", "names"),
    [
        (["b.json"], ["a", "d/c"]),
        (["*b.json", "a.*"], ["d/c"]),
        (["d"], ["a"]),
        (["d/"], ["a"]),
        (["d/*"], ["a"]),
        (["in/d/b.json"], ["a", "d/c"]),
        (["d/**/b.json"], ["a", "d/c"]),
        (["**/e"], ["a", "d/c"]),
        (["*/b.json"], ["a", "d/c", "d/e/b"]),
        (["e/b.json"], ["a", "d/c", "d/e/b"]),
        (["A.json"], ["a", "d/c", "d/e/b"]),
        (["{here}/in/d"], ["a"]),
        (["{here}/in/*.json"], ["d/c", "d/e/b"]),
        (["/in/d"], ["a", "d/c", "d/e/b"]),
    ],
)
@pytest.mark.parametrize("source", ["in", "in/**/*.json"])
def test_exclude(tmp_path: Path, source: str, globs: list[str], names: list[str]) -> None:
    """--exclude leaves out files and folders by name, with a / by path, and with a / in front by absolute path."""
    put(tmp_path, "in/a.json", "in/d/c.json", "in/d/e/b.json")
    options = [word for glob in globs for word in ("--exclude", glob.format(here=tmp_path))]
    if globs == ["in/d/b.json"]:
        os.rename(tmp_path / "in/d/e/b.json", tmp_path / "in/d/b.json")
    done = run("convert", source, "-o", "rows/", "-qj1", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(contents(tmp_path / "rows")) == [f"{name}.ndjson.zst" for name in names]


def test_exclude_of_named_inputs(tmp_path: Path) -> None:
    """--exclude holds for files that a shell's glob has named, and it is an error if nothing is left."""
    put(tmp_path, "a.json", "b.json")
    assert run("convert", "a.json", "b.json", "--exclude", "b*", "-o", "rows/", "-q", cwd=tmp_path).returncode == 0
    assert list(contents(tmp_path / "rows")) == ["a.ndjson.zst"]
    for arguments in (["a.json"], ["a.json", "b.json"], ["."]):
        done = run("convert", *arguments, "--exclude", "*json*", "-o", "more/", cwd=tmp_path)
        assert (done.returncode, b"--exclude" in done.stderr) == (2, True)
    assert run("convert", "a.json", "--exclude", "", cwd=tmp_path).returncode == 2


@pytest.mark.parametrize("target", ["old", "old/", "link", "new/"])
def test_an_output_that_is_a_folder(tmp_path: Path, target: str) -> None:
    """One input goes into a folder that exists under its own name, as with cp, and with a slash into a new one."""
    put(tmp_path, "in/a.json")
    (tmp_path / "old").mkdir()
    (tmp_path / "link").symlink_to("old")
    done = run("convert", "in/a.json", "-o", target, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(rows(tmp_path / target / "a.ndjson.zst")) == 3
    again = run("convert", "in/a.json", "-o", target, cwd=tmp_path)
    assert (again.returncode, b"a.ndjson.zst: the output exists" in again.stderr) == (2, True)


def test_several_inputs_into_a_device(tmp_path: Path) -> None:
    """A device is no folder for several outputs."""
    put(tmp_path, "in/a.json", "in/b.json")
    done = run("convert", "in", "-o", "/dev/null", cwd=tmp_path)
    assert (done.returncode, b"got the name of a file: /dev/null" in done.stderr) == (2, True)
    assert run("convert", "in", "--merge", "-o", "/dev/null", cwd=tmp_path).returncode == 0


def test_update_of_a_merge(tmp_path: Path) -> None:
    """--merge --update writes again if an input is newer than an output, or one is missing; otherwise nothing."""
    put(tmp_path, "in/a.json", "in/b.json")
    arguments = ["convert", "in", "--merge", "-o", "all.csv", "-t", "messages,sessions", "--update", "--report", "r.json"]
    time.sleep(0.02)  # a clock of 4 ms
    assert b"2 of 2 inputs converted" in run(*arguments, cwd=tmp_path).stderr
    before = contents(tmp_path)
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, said(done)) == (0, ["exportstream: 0 of 2 inputs converted, 2 up to date"])
    assert json.loads((tmp_path / "r.json").read_bytes())["skipped"] == 2
    assert {**contents(tmp_path), "r.json": b""} == {**before, "r.json": b""}
    (tmp_path / "all.sessions.csv").unlink()
    assert b"2 of 2 inputs converted" in run(*arguments, cwd=tmp_path).stderr
    put(tmp_path, "in/b.json", messages=5)
    os.utime(tmp_path / "all.messages.csv", (1, 1))
    assert b"2 of 2 inputs converted: 8 messages and 2 sessions" in run(*arguments, cwd=tmp_path).stderr
    (tmp_path / "in/a.json").unlink()
    done = run(*arguments, cwd=tmp_path)
    assert said(done)[0] == (
        "exportstream: the output keeps rows of 1 input not given any more: in/a.json; --force without --update writes it anew"
    )
    os.utime(tmp_path / "all.messages.csv", (1, 1))
    words = "exportstream: warning: the output no longer has rows of 1 input not given any more: in/a.json"
    assert said(run(*arguments, "--quiet", cwd=tmp_path)) == [words]
