"""Inputs that change after their end was read, and before the outputs have their names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exportstream import ReadError, convert, merge_many
from exportstream.cli.process import exit_code
from exportstream.conversion.plan import is_current
from exportstream.writing.outputs import Output
from exportstream.writing.writers import Writers
from tests.kit.command import ENVIRONMENT
from tests.kit.documents import export
from tests.kit.files import everything, put

FINISH = Writers.finish
CHANGED = "the file changed while it was converted; convert it when it is complete"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two exports."""
    monkeypatch.chdir(tmp_path)
    return put(tmp_path, "in.json", "other.json")


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'\n{"id":"late","title":"t","messages":[]}\n')


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def replace(path: Path) -> None:
    path.with_name("new").write_bytes(path.read_bytes())
    os.utime(path.with_name("new"), ns=(0, path.stat().st_mtime_ns))
    os.replace(path.with_name("new"), path)


CHANGES = [grow, touch, replace, os.unlink, lambda path: os.truncate(path, 10)]


def while_finished(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Make the change while outputs are finished: after the end of all inputs was read."""

    def finish(self: Writers, *given: Any) -> None:
        FINISH(self, *given)
        change()

    monkeypatch.setattr(Writers, "finish", finish)


@pytest.mark.parametrize("name", ["out.db", "out.ndjson.zst", "out.csv", "out.parquet"])
@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_while_the_output_is_finished(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, old: bytes | None, change: Callable[[Path], object]
) -> None:
    """Whatever changed or replaced the input, it is a read error, and the output is as it was."""
    if old is not None:
        (folder / name).write_bytes(old)
    while_finished(monkeypatch, lambda: change(folder / "in.json"))
    with pytest.raises(ReadError, match=f"^in.json: {CHANGED}$") as caught:
        convert("in.json", name, force=True)
    assert exit_code(caught.value) == 4
    assert ((folder / name).read_bytes() if (folder / name).exists() else None) == old
    assert set(everything(folder)) <= {"in.json", "other.json", *([name] if old else [])}


def test_rejects_are_not_replaced_either(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rejects of an earlier run stay with its output."""
    for name in ("out.ndjson", "out.ndjson.rejects.ndjson"):
        (folder / name).write_bytes(b"old")
    (folder / "in.json").write_bytes(b'{"id":"s","title":"t","messages":[5]}')
    while_finished(monkeypatch, lambda: grow(folder / "in.json"))
    with pytest.raises(ReadError, match=CHANGED):
        convert("in.json", "out.ndjson", force=True, on_error="skip")
    assert {(folder / name).read_bytes() for name in ("out.ndjson", "out.ndjson.rejects.ndjson")} == {b"old"}
    assert len(everything(folder)) == 4


@pytest.mark.parametrize("name", ["in.json", "other.json"])
@pytest.mark.parametrize("moment", ["finish", "second input"])
def test_every_input_of_a_merge(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, moment: str) -> None:
    """An input that changes after it was read, also while a later one is read, leaves no output."""
    if moment == "finish":
        while_finished(monkeypatch, lambda: grow(folder / name))
    changed: list[str] = []

    def progress(status: Any) -> None:
        if moment != "finish" and status.files_done == 1 and not changed:
            changed.append("in.json")
            grow(folder / "in.json")

    expected = name if moment == "finish" else "in.json"
    with pytest.raises(ReadError, match=f"^{expected}: {CHANGED}$"):
        merge_many(["in.json", "other.json"], "all.ndjson", fail_fast=True, progress=progress)
    assert everything(folder) == ["in.json", "other.json"]


def test_a_file_object(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A binary file object is looked at as long as it is open; who replaced its name does not matter."""
    with (folder / "in.json").open("rb") as file:
        while_finished(monkeypatch, lambda: replace(folder / "in.json"))
        convert(file, "out.ndjson")
    with (folder / "in.json").open("rb") as file:
        while_finished(monkeypatch, lambda: grow(folder / "in.json"))
        with pytest.raises(ReadError, match=CHANGED):
            convert(file, "no.ndjson")
    file = (folder / "in.json").open("rb")
    while_finished(monkeypatch, file.close)
    convert(file, "closed.ndjson")
    assert everything(folder) == ["closed.ndjson", "in.json", "other.json", "out.ndjson"]


@pytest.mark.parametrize("target", ["out.db", "out.ndjson.zst"])
def test_redirected_standard_input(folder: Path, target: str) -> None:
    """The command looks at the file standard input comes from, and exits with 4."""
    script = """if True:
        import sys
        from exportstream.cli.commands import main
        from exportstream.writing.writers import Writers
        real = Writers.finish
        def finish(self, *given):
            real(self, *given)
            with open("in.json", "ab") as file: file.write(b" ")
        Writers.finish = finish
        main(["convert", "-", "-o", sys.argv[1]])"""
    with (folder / "in.json").open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-c", script, target], stdin=file, capture_output=True, env=ENVIRONMENT, check=False
        )
    assert (done.returncode, done.stderr.decode()) == (4, f"exportstream: <stdin>: {CHANGED}\n")
    assert everything(folder) == ["in.json", "other.json"]


def test_a_frame_on_a_stream_is_left_unfinished(folder: Path) -> None:
    """What was seen to change before the end of the frame was written leaves a stream cut."""
    script = """if True:
        from exportstream import merge_many
        def progress(status):
            if status.files_done == 1:
                with open("in.json", "ab") as file: file.write(b" ")
        merge_many(["in.json", "other.json"], "-", format="ndjson.zst", fail_fast=True, progress=progress)"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=ENVIRONMENT, check=False)
    assert CHANGED in done.stderr.decode()
    assert subprocess.run(["zstd", "-tq"], input=done.stdout, capture_output=True, check=False).returncode != 0


def test_pipes_and_bytes_can_not_change(folder: Path) -> None:
    """What is no file is converted as ever."""
    reading, writing = os.pipe()
    os.write(writing, export("s"))
    os.close(writing)
    with open(reading, "rb", buffering=0) as file:
        assert convert(file, "a.ndjson").rows == 3
    assert convert(export("s"), "b.ndjson").rows == 3


@pytest.mark.parametrize("change", ["replaced", "removed"])
def test_an_object_of_a_url(folder: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """The version a URL names is asked for once more."""
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/changed/in.json", export("s"))
    assert convert("memory://changed/in.json", "a.ndjson").rows == 3
    if change == "removed":
        while_finished(monkeypatch, lambda: memory.rm("/changed/in.json"))
    else:
        while_finished(monkeypatch, lambda: memory.pipe("/changed/in.json", export("t")))
    with pytest.raises(ReadError, match=f"^memory://changed/in.json: {CHANGED}$"):
        convert("memory://changed/in.json", "b.ndjson")
    assert everything(folder) == ["a.ndjson", "in.json", "other.json"]


@pytest.mark.parametrize("name", ["out.db", "out.ndjson.zst", "out.parquet"])
def test_a_change_after_the_last_look_is_redone(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """What is appended while the output gets its name is not older than the output, so --update converts it again."""
    real = os.link

    def link(*arguments: Any) -> None:
        grow(folder / "in.json")
        real(*arguments)

    output = [Output(name, "", "", ())]
    convert("in.json", name)
    assert is_current("in.json", output)
    os.unlink(name)
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", link)
        convert("in.json", name)
    assert not is_current("in.json", output)
