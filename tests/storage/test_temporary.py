"""Temporary files: locked while they are in use, and removed by the next run if nobody locks them."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exportstream import convert
from exportstream.storage.sink import open_sink
from exportstream.storage.temporary import Temporary, remove_temporary_files
from tests.kit.command import COMMAND, ENVIRONMENT, run, wait_until
from tests.kit.documents import export
from tests.kit.files import debris, everything, put

NAMES = ["out.ndjson.zst", "out.csv", "out.parquet", "out.db"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an export."""
    return put(tmp_path, "in.json")


@contextmanager
def running(folder: Path, name: str, part: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run that waits for the rest of its input, and has this temporary file."""
    process = subprocess.Popen(
        [*COMMAND, "convert", "-", "-o", name, "--force", "--quiet"], cwd=folder, stdin=subprocess.PIPE
    )
    assert process.stdin is not None
    with process:
        process.stdin.write(export("in")[:500])
        process.stdin.flush()
        wait_until(lambda: (folder / part).exists() and not is_free(folder / part))
        yield process


def is_free(path: Path) -> bool:
    """Whether nobody has a lock on a file."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def finish(process: subprocess.Popen[bytes]) -> int:
    """Give a run the rest of its input."""
    process.communicate(export("in")[500:], timeout=30)
    return process.returncode


@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize("name", NAMES)
def test_the_next_run_removes_what_a_killed_one_left(folder: Path, name: str, old: bytes | None) -> None:
    """Of a run that was killed a hidden file is left, until the same output is written again."""
    before = [name, "in.json"] if old else ["in.json"]
    if old:
        (folder / name).write_bytes(old)
    with running(folder, name, f".{name}.part") as process:
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
    assert sorted(everything(folder)) == sorted([*before, f".{name}.part"])
    done = run("convert", "in.json", "-o", name, "--force", cwd=folder)
    assert (done.returncode, everything(folder)) == (0, sorted({*before, name}))
    if name.endswith(".db"):
        with sqlite3.connect(folder / name) as connection:
            assert connection.execute("select count(*) from messages").fetchone() == (3,)
        connection.close()


@pytest.mark.parametrize("name", NAMES)
def test_what_a_live_run_writes_is_left_alone(folder: Path, name: str) -> None:
    """Two runs on one output have a file each, and both end well."""
    with running(folder, name, f".{name}.part") as first, running(folder, name, f".{name}.2.part") as second:
        assert run("convert", "in.json", "-o", name, cwd=folder).returncode == 0
        assert debris(folder) == [f".{name}.2.part", f".{name}.part"]
        assert finish(second) == 0
        assert debris(folder) == [f".{name}.part"]
        assert finish(first) == 0
    assert everything(folder) == ["in.json", name]


def test_leftovers_of_several_runs(folder: Path) -> None:
    """All of them are removed, the old content that was kept as well, and nothing else."""
    left = [".out.ndjson.part", ".out.ndjson.part.old", ".out.ndjson.2.part", ".out.ndjson.8.part"]
    other = [".out.ndjson.9.part", ".out.ndjson.0123456789ab.part", ".other.ndjson.part"]
    for name in (*left, *other):
        (folder / name).write_bytes(b"left")
    convert(folder / "in.json", folder / "out.ndjson")
    assert everything(folder) == sorted(["in.json", "out.ndjson", *other])


@pytest.mark.parametrize("held", [True, False])
def test_old_content_kept_right_after_the_rename(folder: Path, held: bool) -> None:
    """Old content without a temporary file is removed unless the output itself is locked: then its run is in between."""
    out, kept = folder / "out.ndjson", folder / ".out.ndjson.part.old"
    out.write_bytes(b"new")
    kept.write_bytes(b"old")
    with out.open("rb") as file:
        if held:
            fcntl.flock(file, fcntl.LOCK_EX)
        sink = open_sink(out, force=True)
        assert debris(folder) == ([".out.ndjson.2.part", kept.name] if held else [".out.ndjson.part"])
        sink.commit()
    assert everything(folder) == ([kept.name] if held else []) + ["in.json", "out.ndjson"]


@pytest.mark.parametrize("target", ["in.json", "nothing"])
def test_a_link_under_the_name_is_not_followed(folder: Path, target: str) -> None:
    """Who puts a link there gains nothing: it stays, and so does what it names."""
    before = (folder / "in.json").read_bytes()
    os.symlink(folder / target, folder / ".out.ndjson.part")
    os.symlink(folder / target, folder / ".out.ndjson.2.part")
    sink = open_sink(folder / "out.ndjson")
    assert (folder / ".out.ndjson.3.part").is_file()
    sink.commit()
    assert (folder / "in.json").read_bytes() == before
    assert not (folder / "nothing").exists()
    assert os.readlink(folder / ".out.ndjson.part") == str(folder / target)


def test_what_is_no_file_stays(folder: Path) -> None:
    """A pipe or a folder of that name stays, and nothing waits for it."""
    os.mkfifo(folder / ".out.ndjson.part")
    os.mkdir(folder / ".out.ndjson.2.part")
    convert(folder / "in.json", folder / "out.ndjson")
    assert stat.S_ISFIFO(os.lstat(folder / ".out.ndjson.part").st_mode)
    assert os.path.isdir(folder / ".out.ndjson.2.part")


@pytest.mark.parametrize("code", [errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK])
@pytest.mark.parametrize("name", NAMES)
def test_without_locks(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    """Where a file system has no locks, names are random, and nothing is removed."""

    def flock(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    (folder / f".{name}.part").write_bytes(b"left")
    monkeypatch.setattr(fcntl, "flock", flock)
    found: list[str] = []
    convert(folder / "in.json", folder / name, progress=lambda _: found.extend(debris(folder)))
    random = [one for one in found if one not in (f".{name}.part", f".{name}.2.part")]
    assert random
    assert all(len(one) == len(f".{name}.0123456789ab.part") for one in random)
    assert everything(folder) == sorted([f".{name}.part", "in.json", name])


def test_where_one_lock_keeps_out_another(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite has locks of its own; where ours would keep those out, there is none."""

    def lockf(*_: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "")

    monkeypatch.setattr(fcntl, "lockf", lockf)
    found: list[str] = []
    convert(folder / "in.json", folder / "out.db", progress=lambda _: found.extend(debris(folder)))
    assert found[0] not in (".out.db.part", ".out.db.2.part")
    assert everything(folder) == ["in.json", "out.db"]


def test_the_lock_lasts_until_the_name_is_on_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is locked when it has its name and the folder is synced, and not inherited by other processes."""
    held: list[bool] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            held.append(not is_free(folder / "out.ndjson"))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    sink = open_sink(folder / "out.ndjson")
    part = sink._destination._part  # type: ignore[attr-defined]
    assert not any(os.get_inheritable(fd) for fd in (part.fd, part._lock))
    sink.commit()
    assert held == [True]
    assert is_free(folder / "out.ndjson")


def test_a_name_that_another_run_has_taken_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the rename the temporary name is free: what another run makes of it stays."""
    real = os.replace

    def replace(old: str, new: str) -> None:
        real(old, new)
        Path(old).write_bytes(b"another run's")

    monkeypatch.setattr(os, "replace", replace)
    convert(folder / "in.json", folder / "out.ndjson", force=True)
    assert (folder / ".out.ndjson.part").read_bytes() == b"another run's"


def test_a_file_taken_for_a_leftover_is_left_to_its_remover(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another run locks before its maker can is not removed by name: that could be a third run's by then."""
    real, turns = fcntl.flock, []

    def flock(fd: int, how: int) -> None:
        turns.append(fd)
        if len(turns) == 1:
            raise BlockingIOError(errno.EAGAIN, "")
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    part = Temporary(str(folder / "out"), 0o666)
    assert debris(folder) == [".out.2.part", ".out.part"]
    os.close(part.fd)
    part.remove()
    assert debris(folder) == [".out.part"]


def test_a_file_removed_before_it_was_locked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run may take the new file for a leftover: then there is a second try."""
    real, turns = fcntl.flock, []

    def flock(fd: int, how: int) -> None:
        real(fd, how)
        turns.append(fd)
        if len(turns) == 1:
            os.unlink(folder / ".out.part")

    monkeypatch.setattr(fcntl, "flock", flock)
    part = Temporary(str(folder / "out"), 0o666)
    assert debris(folder) == [".out.2.part"]
    os.close(part.fd)
    part.remove()
    assert everything(folder) == ["in.json"]


@pytest.mark.parametrize("held", [True, False])
def test_an_interruption_while_a_file_is_created(folder: Path, monkeypatch: pytest.MonkeyPatch, held: bool) -> None:
    """Whether the file under the name is ours can't be told then: the lock decides."""
    real = os.open

    def interrupt(path: str, flags: int, *arguments: Any) -> int:
        if flags & os.O_CREAT:
            monkeypatch.undo()
            if not held:
                os.close(real(path, flags, *arguments))
            raise KeyboardInterrupt
        return real(path, flags, *arguments)

    theirs = Temporary(str(folder / "out"), 0o666) if held else None
    monkeypatch.setattr(os, "open", interrupt)
    with pytest.raises(KeyboardInterrupt):
        open_sink(folder / "out")
    assert debris(folder) == ([".out.part"] if held else [])
    if theirs is not None:
        os.close(theirs.fd)
    remove_temporary_files()
    assert debris(folder) == []


def test_an_end_right_after_the_lock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that a signal ends between the lock and what follows removes its file all the same."""
    real = fcntl.flock

    def flock(fd: int, how: int) -> None:
        real(fd, how)
        monkeypatch.undo()
        remove_temporary_files()  # as the handler of the signal does, before the process ends
        assert debris(folder) == []
        raise KeyboardInterrupt

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(KeyboardInterrupt):
        open_sink(folder / "out")
    assert debris(folder) == []


def test_many_at_once(folder: Path) -> None:
    """However many write one output, each write succeeds, and nothing is left."""

    def write(number: int) -> None:
        with open_sink(folder / "out", compression="none", force=True) as sink:
            sink.write(b"%d" % number * 10)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(400)))
    assert len((folder / "out").read_bytes()) >= 10
    assert everything(folder) == ["in.json", "out"]


def test_many_processes_at_once(folder: Path) -> None:
    """The same with processes, of which some are killed."""
    script = (
        "from exportstream.storage.sink import open_sink\n"
        "for n in range(60):\n"
        "    with open_sink('out', compression='none', force=True) as sink: sink.write(b'x' * 10)\n"
        "print('done')"
    )
    processes = [
        subprocess.Popen([COMMAND[0], "-c", script], cwd=folder, stdout=subprocess.PIPE, env=ENVIRONMENT) for _ in range(4)
    ]
    wait_until(lambda: debris(folder))
    processes[0].kill()
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert said[1:] == [b"done\n"] * 3
    with open_sink(folder / "out", force=True):
        pass
    assert everything(folder) == ["in.json", "out"]


def test_a_copy_of_the_process_removes_nothing(folder: Path) -> None:
    """As workers are that `totals` forks: one that was ended while an output was open took it with it."""
    code = (
        "import os\n"
        "from exportstream.storage.temporary import Temporary, remove_temporary_files\n"
        "file = Temporary('out.csv', 0o600)\n"
        "if not (copy := os.fork()):\n"
        "    remove_temporary_files()\n"
        "    os._exit(0)\n"
        "os.waitpid(copy, 0)\n"
        "print(os.path.exists(file.name))\n"
        "file.remove()\n"
        "print(os.path.exists(file.name))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False"]
