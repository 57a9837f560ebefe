"""The rows of the table of output faults, each through the command as a process, and where needed through the library."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import random
import re
import resource
import shlex
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import zstandard

from benchmarks.generate import generate
from exportstream import CutInputError, ReadError, UsageError, WriteError, convert
from exportstream.cli.process import exit_code
from tests.kit.command import COMMAND, ENVIRONMENT, run
from tests.kit.files import DATA, lines, names, small_disk

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE = (DATA / "session-with-usage.json").read_bytes()
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]


def zstd_accepts(path: Path) -> bool:
    """What ``zstd -t`` says; without that program, the same from the library."""
    try:
        return subprocess.run(["zstd", "-tq", path], stderr=subprocess.DEVNULL, check=False).returncode == 0
    except FileNotFoundError:
        return frame_is_complete(path.read_bytes())


def frame_is_complete(data: bytes) -> bool:
    decoder = zstandard.ZstdDecompressor().decompressobj()
    try:
        decoder.decompress(data)
    except zstandard.ZstdError:
        return False
    return bool(decoder.eof)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds one input, session.json."""
    (tmp_path / "session.json").write_bytes(SAMPLE)
    return tmp_path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of 20 MB."""
    path = tmp_path_factory.mktemp("large") / "large.json"
    generate("long", 20_000_000, path)
    return path


# any failure, exception or signal -----------------------------------------------------------------------------------------


def fed_slowly(process: subprocess.Popen[bytes], data: bytes, stop: threading.Event) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        for at in range(0, len(data), 4096):
            if stop.wait(0.001):
                return
            process.stdin.write(data[at : at + 4096])
            process.stdin.flush()


def wait_for_temporary(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the command has opened its output: before that there is nothing to leave behind."""
    for _ in range(6000):
        if any(name.endswith(".part") for name in names(folder)) or process.poll() is not None:
            return
        time.sleep(0.005)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("old", [None, b"old content"], ids=["new", "replaced"])
@pytest.mark.parametrize("name", ["out.ndjson.zst", "out.csv.gz"])
def test_any_failure_exception_or_signal_while_fed_slowly(
    tmp_path: Path, large: Path, number: signal.Signals, old: bytes | None, name: str
) -> None:
    """Killed while it converts a slow stream, the command leaves no output or the old one, and dies of that signal.

    A hidden temporary file is left only by SIGKILL, which nothing can answer.
    """
    moment = random.Random(f"{number}{name}{old}").random() * 0.15
    if old is not None:
        (tmp_path / name).write_bytes(old)
    process = subprocess.Popen(
        [*COMMAND, "convert", "-", "-o", name, "--force"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    stop = threading.Event()
    feeder = threading.Thread(target=fed_slowly, args=(process, large.read_bytes(), stop))
    feeder.start()
    wait_for_temporary(tmp_path, process)
    time.sleep(moment)
    process.send_signal(number)
    stop_at = process.wait(30)
    stop.set()
    feeder.join()
    assert process.stdin is not None
    assert process.stderr is not None
    with suppress(BrokenPipeError):
        process.stdin.close()
    said = process.stderr.read()
    process.stderr.close()
    assert stop_at == -number
    assert said == (b"" if number is signal.SIGKILL else b"exportstream: interrupted\n")
    assert ((tmp_path / name).read_bytes() if (tmp_path / name).exists() else None) == old
    left = [found for found in names(tmp_path) if found != name]
    if number is signal.SIGKILL:  # nothing can answer it
        assert all(found.startswith(f".{name}.") and found.endswith(".part") for found in left)
        assert not any(zstd_accepts(tmp_path / found) for found in left if "zst" in found)
    else:
        assert left == []


@pytest.mark.parametrize("number", SIGNALS[:3], ids=lambda number: number.name)
def test_any_failure_exception_or_signal_at_a_random_moment(tmp_path: Path, large: Path, number: signal.Signals) -> None:
    """Killed at any moment of converting a file, there is a whole output, or none and that signal.

    With a whole output the code may be either: the signal may come between the output's name and the end of the process.
    """
    moments = random.Random(int(number))
    ended = []
    for turn in range(5):
        folder = tmp_path / str(turn)
        folder.mkdir()
        process = subprocess.Popen(
            [*COMMAND, "convert", large, "-o", "out.ndjson.zst"], cwd=folder, stderr=subprocess.DEVNULL, env=ENVIRONMENT
        )
        wait_for_temporary(folder, process)
        time.sleep(moments.random() * 0.12)
        process.send_signal(number)
        code = process.wait(30)
        ended.append(code)
        assert code in (0, -number)
        assert names(folder) in ([], ["out.ndjson.zst"])
        whole = (folder / "out.ndjson.zst").exists()
        assert whole or code != 0
        if whole:
            assert zstd_accepts(folder / "out.ndjson.zst")
    assert -number in ended


def test_any_failure_exception_or_signal_right_at_the_start(tmp_path: Path) -> None:
    """Killed within 2 ms of the moment its temporary file appears, the command leaves nothing."""
    moments = random.Random(1)
    for turn in range(16):
        folder = tmp_path / str(turn)
        folder.mkdir()
        process = subprocess.Popen(
            [*COMMAND, "convert", "-", "-o", "out.ndjson.zst"], cwd=folder, stdin=subprocess.PIPE, env=ENVIRONMENT
        )
        while not names(folder):
            assert process.poll() is None
        time.sleep(moments.random() * 0.002)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
        assert process.stdin is not None
        process.stdin.close()  # a signal that comes just before a read is only seen when the read returns
        assert process.wait(30) == -signal.SIGTERM
        assert names(folder) == []


def test_a_signal_right_after_the_temporary_file_was_created(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interruption between the creation of the temporary file and the next step leaves nothing."""
    real = os.open

    def open_and_interrupt(path: str, flags: int, *arguments: Any, **options: Any) -> int:
        opened = real(path, flags, *arguments, **options)
        if flags & os.O_CREAT:
            os.close(opened)
            raise KeyboardInterrupt
        return opened

    monkeypatch.setattr(os, "open", open_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        convert(folder / "session.json", folder / "out.ndjson.zst")
    assert names(folder) == ["session.json"]


@pytest.mark.parametrize(("name", "code"), [("INT", 130), ("TERM", 143), ("HUP", 129)])
def test_signals_end_the_process_so_that_a_shell_sees_it(folder: Path, name: str, code: int) -> None:
    """The command restores the default handler and raises the signal again: a shell sees 130, 143 and 129."""
    os.mkfifo(folder / "pipe")
    # A shell without job control starts what runs in the background with SIGINT ignored; undo that.
    undo = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    command = shlex.join([sys.executable, "-c", undo, *COMMAND])
    script = f"""{command} convert - -o out.ndjson.zst <pipe & exec 3>pipe
    until ls -A | grep -q part; do sleep 0.02; done; sleep 0.2
    kill -{name} $!; wait $!; echo $?"""
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, timeout=60, env=ENVIRONMENT, check=False)
    assert int(done.stdout.split()[-1]) == code
    assert names(folder) == ["pipe", "session.json"]


def test_a_hangup_that_is_ignored_stays_ignored(folder: Path) -> None:
    """Under nohup SIGHUP does not end the command."""
    os.mkfifo(folder / "pipe")
    script = f"""trap '' HUP; {shlex.join(COMMAND)} convert - -o out.ndjson <pipe & exec 3>pipe
    until ls -A | grep -q part; do sleep 0.02; done; sleep 0.2
    kill -HUP $!; sleep 0.1; cat session.json >&3; exec 3>&-; wait $!; echo $?"""
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, timeout=60, env=ENVIRONMENT, check=False)
    assert done.stdout.split()[-1] == b"0"
    assert len((folder / "out.ndjson").read_bytes().splitlines()) == 6


@pytest.mark.parametrize("cut", [0, 1, 100, 700, len(SAMPLE) // 2, len(SAMPLE) - 3])
@pytest.mark.parametrize("old", [None, b"old"])
def test_any_failure_leaves_no_output(tmp_path: Path, cut: int, old: bytes | None) -> None:
    """Input that ends in an error leaves no output, or the old one; `zstd -t` passes if and only if the code is 0 or 5."""
    (tmp_path / "cut.json").write_bytes(SAMPLE[:cut])
    if old is not None:
        (tmp_path / "out.ndjson.zst").write_bytes(old)
    wanted = ["cut.json"] if old is None else ["cut.json", "out.ndjson.zst"]
    assert run("convert", "cut.json", "-o", "out.ndjson.zst", "--force", cwd=tmp_path).returncode == 3
    assert names(tmp_path) == wanted
    if old is not None:
        assert (tmp_path / "out.ndjson.zst").read_bytes() == old


def test_zstd_t_passes_if_and_only_if_the_exit_code_is_0_or_5(folder: Path) -> None:
    """Complete, and cut but accepted on request: both are whole frames with a checksum."""
    assert run("convert", "session.json", "-o", "a.ndjson.zst", cwd=folder).returncode == 0
    kept = run("convert", "-", "-o", "b.ndjson.zst", "--on-error", "skip", cwd=folder, data=SAMPLE[:1500])
    assert kept.returncode == 5
    skipped = run(
        "convert", "-", "-o", "c.ndjson.zst", "--on-error", "skip", cwd=folder, data=SAMPLE.replace(b'"user"', b"1")
    )
    assert skipped.returncode == 5
    for name in "abc":
        path = folder / f"{name}.ndjson.zst"
        assert zstd_accepts(path)
        assert zstandard.get_frame_parameters(path.read_bytes()).has_checksum


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError, SystemExit])
def test_any_exception_in_the_middle_leaves_no_output(folder: Path, error: type[BaseException]) -> None:
    """Whatever is raised while rows are written, also by the caller's own progress function, leaves nothing."""

    def progress(_: object) -> None:
        raise error

    for target in ("out.ndjson.zst", "out.csv", "out.ndjson.gz"):
        with pytest.raises(error):
            convert(folder / "session.json", folder / target, progress=progress)
    assert names(folder) == ["session.json"]


class Failing:
    """Wraps a function so that its n-th call fails with EIO."""

    def __init__(self, call: Callable[..., Any], turn: int) -> None:
        self.call, self.turn, self.calls = call, turn, 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        if self.calls == self.turn:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self.call(*arguments, **options)


MIXED = (  # long enough for several writes; every fortieth message is refused
    b'{"id":"s","title":"t","messages":['
    + b",".join(
        b'{"id":"%d","role":%b,"content":"%b","createdAt":"","updatedAt":""}'
        % (n, b"1" if n % 40 == 0 else b'"user"', random.Random(n).randbytes(2600).hex().encode())
        for n in range(400)
    )
    + b"]}"
)


@pytest.mark.parametrize("old", [None, b"old"], ids=["new", "replaced"])
@pytest.mark.parametrize("call", ["write", "fsync", "replace", "link", "close", "open"])
def test_the_nth_call_of_the_system_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, old: bytes | None
) -> None:
    """Whichever call fails, for every n, with rows and rejects to write: a write error, and the output as it was.

    The rejects are as they were or whole. Only a link that keeps the way back to old content may fail without an error, and
    what gives up the lock of a file that has its name.
    """
    source, out, rejects = tmp_path / "in.json", tmp_path / "out.ndjson.zst", tmp_path / "rejects.ndjson"
    source.write_bytes(MIXED)
    if old is not None:
        out.write_bytes(old)
        rejects.write_bytes(old)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    real, done, spared = getattr(os, call), 0, 0
    for turn in range(1, 100):
        failing = Failing(real, turn)
        try:
            with monkeypatch.context() as patch:
                patch.setattr(os, call, failing)
                report = convert(source, out, on_error="skip", rejects=rejects, force=old is not None)
        except WriteError as error:
            assert error.what == "Input/output error"  # noqa: PT017
            assert exit_code(error) == 4  # noqa: PT017
            after = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
            found = after.pop(rejects.name, None)
            assert found == old or len((found or b"").splitlines()) == 10
            assert after == {name: data for name, data in before.items() if name != rejects.name}, turn
        else:
            assert (report.rows, report.rejected) == (390, 10)
            assert zstd_accepts(out)
            assert len(rejects.read_bytes().splitlines()) == 10
            assert sorted({*before, "out.ndjson.zst", "rejects.ndjson"}) == names(tmp_path)
            if failing.calls < turn:
                done = turn
                break
            assert (call, old) == ("link", b"old") or call == "close"
            spared += 1
            for path in (out, rejects):
                if old is None:
                    path.unlink()
                else:
                    path.write_bytes(old)
    # zstd compresses in threads: on a busy machine it gives its bytes in one piece, so that two writes are certain.
    assert done > {"write": 2, "fsync": 4, "close": 4, "open": 4}.get(call, 0)
    assert spared <= 2


class FailingReader(io.RawIOBase):
    """A file whose n-th read fails."""

    def __init__(self, data: bytes, turn: int, size: int = 1000) -> None:
        self.data, self.turn, self.size, self.calls = io.BytesIO(data), turn, size, 0

    def read(self, size: int = -1, /) -> bytes:
        self.calls += 1
        if self.calls == self.turn:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self.data.read(min(size, self.size) if size >= 0 else self.size)


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_the_nth_read_fails(tmp_path: Path, on_error: Any) -> None:
    """Whichever read of the input fails: a read error with the system's text and no output, also with skip."""
    out, turn = tmp_path / "out.ndjson.zst", 0
    while not out.exists():
        turn += 1
        reader = FailingReader(SAMPLE, turn)
        try:
            convert(reader, out, on_error=on_error)
        except ReadError as error:
            assert error.what == "Input/output error"  # noqa: PT017
            assert exit_code(error) == 4  # noqa: PT017
            assert names(tmp_path) == []
        else:
            assert reader.calls < turn
    assert turn > 4
    assert names(tmp_path) == ["out.ndjson.zst"]


def test_a_file_that_can_not_be_read_is_exit_code_4(folder: Path) -> None:
    """A read that the system refuses ends with exit code 4 and the system's text."""
    done = run("convert", "/proc/self/mem", "-o", "out.ndjson", cwd=folder)
    assert (done.returncode, b"Input/output error" in done.stderr) == (4, True)
    assert names(folder) == ["session.json"]


# zstd checksum ------------------------------------------------------------------------------------------------------------


def test_zstd_checksum(folder: Path) -> None:
    """The checksum is on: no flipped bit of the output goes unnoticed."""
    assert run("convert", "session.json", "-o", "out.ndjson.zst", cwd=folder).returncode == 0
    data = (folder / "out.ndjson.zst").read_bytes()
    rows = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    for at in range(5, len(data)):
        flipped = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        decoder = zstandard.ZstdDecompressor().decompressobj()
        try:
            found = decoder.decompress(flipped)
        except zstandard.ZstdError:
            continue
        assert found == rows or not decoder.eof, at


# output exists / is the input / is a folder -------------------------------------------------------------------------------


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_output_exists_is_the_input_is_a_folder(folder: Path, force: list[str]) -> None:
    """An output that exists is exit 2 unless --force; the input under any of its names, always; in a folder it gets a name."""
    (folder / "old.ndjson").write_text("old")
    (folder / "sub.ndjson").mkdir()
    (folder / "in.ndjson").write_bytes(SAMPLE)
    (folder / "hard.ndjson").hardlink_to(folder / "in.ndjson")
    (folder / "soft.ndjson").symlink_to("in.ndjson")
    before = names(folder)
    for name, text in {
        "in.ndjson": "the output is the input",
        "hard.ndjson": "the output is the input",
        "soft.ndjson": "the output is the input",
        "sub.ndjson/../in.ndjson": "the output is the input",
    }.items():
        done = run("convert", "in.ndjson", "-o", name, "--format", "ndjson", *force, cwd=folder)
        assert (done.returncode, text in done.stderr.decode()) == (2, True), (name, done.stderr)
        assert names(folder) == before
        assert (folder / "in.ndjson").read_bytes() == SAMPLE
    done = run("convert", "in.ndjson", "-o", "old.ndjson", *force, cwd=folder)
    assert done.returncode == (0 if force else 2)
    assert ((folder / "old.ndjson").read_text() == "old") is (not force)


def test_a_file_that_a_shell_opened_is_the_input_too(folder: Path) -> None:
    """Rows are not added to the input as it is read, and don't replace it."""
    (folder / "in.ndjson").write_bytes(SAMPLE)
    with (folder / "in.ndjson").open("rb") as read, (folder / "in.ndjson").open("ab") as appended:
        for options, opened in (
            (["-", "-o", "in.ndjson", "--force"], {"stdin": read}),
            (["in.ndjson", "-o", "-"], {"stdout": appended}),
        ):
            done = run("convert", *options, cwd=folder, process=opened)
            assert (done.returncode, b": the output is the input; " in done.stderr) == (2, True), done.stderr
    assert (folder / "in.ndjson").read_bytes() == SAMPLE


def test_an_output_that_exists_is_refused_before_reading(folder: Path) -> None:
    """The refusal comes at once, not after the input has been read."""
    (folder / "old.ndjson").write_text("old")
    with pytest.raises(UsageError, match=r"old\.ndjson: the output exists; force=True replaces it"):
        convert(FailingReader(SAMPLE, 1), folder / "old.ndjson")


# symlink, FIFO, device, - -------------------------------------------------------------------------------------------------


def test_output_is_a_symlink(folder: Path) -> None:
    """Of a symlink the target is replaced, in its own folder; the link stays a link."""
    (folder / "deep").mkdir()
    (folder / "deep" / "real.ndjson").write_text("old")
    (folder / "out.ndjson").symlink_to("deep/real.ndjson")
    assert run("convert", "session.json", "-o", "out.ndjson", cwd=folder).returncode == 2
    assert run("convert", "session.json", "-o", "out.ndjson", "--force", cwd=folder).returncode == 0
    assert (folder / "out.ndjson").is_symlink()
    assert len((folder / "deep" / "real.ndjson").read_bytes().splitlines()) == 6
    (folder / "dangling.ndjson").symlink_to("deep/new.ndjson")
    assert run("convert", "session.json", "-o", "dangling.ndjson", cwd=folder).returncode == 0
    assert (folder / "dangling.ndjson").is_symlink()
    assert names(folder / "deep") == ["new.ndjson", "real.ndjson"]


def test_output_is_a_fifo(folder: Path) -> None:
    """A FIFO is written directly and stays one; no --force is needed and no temporary file is made."""
    os.mkfifo(folder / "out.ndjson")
    with subprocess.Popen(["cat", "out.ndjson"], cwd=folder, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        done = run("convert", "session.json", "-o", "out.ndjson", cwd=folder)
        assert len(reader.stdout.read().splitlines()) == 6
    assert done.returncode == 0
    assert stat.S_ISFIFO((folder / "out.ndjson").stat().st_mode)
    assert names(folder) == ["out.ndjson", "session.json"]


def test_output_is_a_device_or_standard_output(folder: Path) -> None:
    """A device is written directly, and - is standard output, never a file of that name."""
    assert run("convert", "session.json", "-o", "/dev/null", "--format", "ndjson", cwd=folder).returncode == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    for target in ("-", "/dev/stdout"):
        done = run("convert", "session.json", "-o", target, "--format", "ndjson", cwd=folder)
        assert (done.returncode, len(done.stdout.splitlines())) == (0, 6)
    with open(folder / "rows.ndjson", "wb") as file:
        assert run("convert", "session.json", "-o", "/dev/stdout", cwd=folder, process={"stdout": file}).returncode == 0
    assert len(lines((folder / "rows.ndjson").read_bytes())) == 6


# permissions --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o000])
def test_permissions_follow_the_umask(folder: Path, mask: int) -> None:
    """A new output has 0666 & ~umask, and the rejects and the report as well."""
    (folder / "bad.json").write_bytes(SAMPLE.replace(b'"user"', b"1"))
    options = ["-o", "out.ndjson.zst", "--on-error", "skip", "--report", "r.json"]
    done = run("convert", "bad.json", *options, cwd=folder, process={"umask": mask})
    assert done.returncode == 5
    for name in ("out.ndjson.zst", "out.ndjson.zst.rejects.ndjson", "r.json"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o666 & ~mask, name


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
def test_permissions_of_a_replaced_file_stay(folder: Path, mode: int) -> None:
    """A replaced output keeps the permissions of the old file, whatever the umask."""
    (folder / "out.ndjson").write_text("old")
    (folder / "out.ndjson").chmod(mode)
    assert (
        run("convert", "session.json", "-o", "out.ndjson", "--force", cwd=folder, process={"umask": 0o077}).returncode == 0
    )
    assert stat.S_IMODE((folder / "out.ndjson").stat().st_mode) == mode


# disk full ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["ndjson", "ndjson.zst", "ndjson.gz"])
@pytest.mark.parametrize("target", ["-", "/dev/full"])
def test_disk_full_on_a_device(folder: Path, large: Path, target: str, how: str) -> None:
    """A device that is full is exit code 4 with the system's text, whether early or at the end."""
    for source in ("session.json", large):
        options = ["-o", target, "--format", how]
        with open("/dev/full", "wb") as full:
            done = run("convert", source, *options, cwd=folder, process={"stdout": full})
        assert done.returncode == 4
        assert re.fullmatch(rb"exportstream: \S+: No space left on device\n", done.stderr)


@pytest.mark.parametrize("name", ["out.ndjson", "out.ndjson.zst", "out.csv", "out.ndjson.gz"])
def test_disk_full_on_a_file_system_of_1_mb(folder: Path, large: Path, name: str) -> None:
    """Where the disk is full the exit code is 4, the temporary file is gone, and an old output is still there."""
    (folder / "small").mkdir()
    with small_disk(folder / "small", "1m") as disk:
        done = run("convert", large, "-o", disk / name, cwd=folder)
        assert (done.returncode, b"No space left on device" in done.stderr) == (4, True)
        assert names(disk) == []
        (disk / name).write_bytes(b"old")
        assert run("convert", large, "-o", disk / name, "--force", cwd=folder).returncode == 4
        assert (names(disk), (disk / name).read_bytes()) == ([name], b"old")
        assert run("convert", "session.json", "-o", disk / name, "--force", cwd=folder).returncode == 0


def test_disk_full_for_the_rejects(folder: Path, large: Path) -> None:
    """Where the rejects do not fit on their disk, there is no output either."""
    (folder / "small").mkdir()
    (folder / "bad.json").write_bytes(large.read_bytes().replace(b'"role":"', b'"role":1,"was":"'))
    with small_disk(folder / "small", "1m") as disk:
        options = ["-o", "out.ndjson", "--on-error", "skip", "--rejects", disk / "rejects.ndjson"]
        assert run("convert", "bad.json", *options, cwd=folder).returncode == 4
        assert names(disk) == []
    assert names(folder) == ["bad.json", "session.json", "small"]


@pytest.mark.parametrize("name", ["out.ndjson", "out.csv.zst"])
def test_a_limit_on_file_size_is_a_write_error(folder: Path, large: Path, name: str) -> None:
    """A write that is cut short by the limit on file size ends like a full disk: 4, and nothing is left."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = run("convert", large, "-o", name, cwd=folder, process={"preexec_fn": limit})
    assert (done.returncode, b"File too large" in done.stderr) == (4, True)
    assert names(folder) == ["session.json"]


# stdout closed early ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        "convert {large} -o -",
        "convert - <{large}",
        "convert {large} -o - --format csv",
        "convert {large} -o - --format ndjson.zst",
        "convert {large} -o - --format ndjson.gz --on-error skip --rejects r",
        "convert {large} -o - --table tool-calls --running-totals",
        "check {large} --json",
        "totals {large}",
        "convert --help",
    ],
)
def test_stdout_closed_early(tmp_path: Path, large: Path, arguments: str) -> None:
    """A reader that has seen enough (``| head``) ends the command quietly, with exit code 0 and no file."""
    command = f"{shlex.join(COMMAND)} {arguments.format(large=shlex.quote(str(large)))}"
    script = f"{command} --quiet" if arguments.startswith("convert") and "help" not in arguments else command
    done = subprocess.run(
        ["bash", "-c", f"{script} | head -c 100 >/dev/null; echo ${{PIPESTATUS[0]}}"],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        env=ENVIRONMENT,
        check=False,
    )
    assert (done.stdout, done.stderr) == (b"0\n", b"")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "arguments", [["totals", "session.json"], ["check", "session.json"], ["convert", "session.json", "-o", "-"]]
)
def test_stdout_closed_before_the_start(folder: Path, arguments: list[str]) -> None:
    """A pipe that nobody reads from the start is as quiet as one that is closed early."""
    ours, theirs = os.pipe()
    os.close(ours)
    done = run(*arguments, cwd=folder, process={"stdout": theirs})
    os.close(theirs)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr
    assert b"bug" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("totals session.json", 4),
        ("totals session.json --json", 4),
        ("check session.json", 4),
        ("convert session.json -o -", 4),
        ("convert session.json -o /dev/null", 0),
        ("--version", 0),
    ],
)
def test_no_stdout_at_all_is_no_bug(folder: Path, arguments: str, code: int) -> None:
    """Without any standard output (``>&-``) what belongs there is an error of writing, never a traceback or a bug."""
    script = f"{shlex.join(COMMAND)} {arguments} >&-"
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, timeout=60, env=ENVIRONMENT, check=False)
    said = b"exportstream: <stdout>: standard output is closed\n" if code == 4 else b""
    assert (done.returncode, done.stderr.endswith(said)) == (code, True)
    assert b"Traceback" not in done.stderr
    assert b"bug" not in done.stderr
    assert names(folder) == ["session.json"]


# failure while writing to stdout ------------------------------------------------------------------------------------------


def test_failure_while_writing_to_stdout(tmp_path: Path, large: Path) -> None:
    """On failure the zstd frame on standard output is left unfinished, so that its reader sees it."""
    data = large.read_bytes()
    cut = run("convert", "-", "-o", "-", "--format", "ndjson.zst", cwd=tmp_path, data=data[: len(data) // 2])
    assert cut.returncode == 3
    assert cut.stdout
    assert not frame_is_complete(cut.stdout)
    options = ["--format", "ndjson.zst", "--on-error", "skip", "--rejects", "rejects.ndjson"]
    kept = run("convert", "-", "-o", "-", *options, cwd=tmp_path, data=data[: len(data) // 2])
    assert kept.returncode == 5
    assert frame_is_complete(kept.stdout)
    early = run("convert", "-", "-o", "-", "--format", "ndjson.zst", cwd=tmp_path, data=SAMPLE[:1000])
    assert (early.returncode, frame_is_complete(early.stdout)) == (3, False)


def test_failure_while_writing_to_a_file_object(tmp_path: Path) -> None:
    """The same for a file object that was given: what is aborted is no complete frame, and the object stays open."""
    target = io.BytesIO()
    with pytest.raises(CutInputError, match="input ends"):
        convert(SAMPLE[:1500], target, format="ndjson.zst")
    assert not frame_is_complete(target.getvalue())


# CSV text -----------------------------------------------------------------------------------------------------------------

NASTY = [
    "a,b", 'say "hi"', "cr\rcr", "lf\nlf", "crlf\r\ncrlf", "nul\0nul", "\ufeffbom", '"', '""', ",", "\r", "\n", "\r\n",
    "\0", "", " ", " padded ", "\t", "'", "=1+1", "+1", "-1", "@x", "\tx", "\rx", "NULL", "null", "\\N", "\\", "\\n", "é🙂\u2028",
    '"quoted"', 'a"\r\n,"b', "\ufffe", "#", "1e5", "true",
]  # fmt: skip


def nasty_session(texts: list[str]) -> bytes:
    messages = [
        {"id": f"{n}", "role": "user", "content": text, "model": text, "createdAt": "", "updatedAt": ""}
        for n, text in enumerate(texts)
    ]
    return json.dumps({"id": "s", "title": "t", "messages": messages}).encode()


def nasty_csv(folder: Path, texts: list[str], *options: str) -> Path:
    (folder / "nasty.json").write_bytes(nasty_session(texts))
    done = run("convert", "nasty.json", "-o", "out.csv", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "out.csv"


def read_with_python(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def test_csv_text_read_by_duckdb(tmp_path: Path) -> None:
    """DuckDB reads the same cells back, and tells an empty text from an absent one."""
    texts = [text for text in NASTY if "\0" not in text]
    path = nasty_csv(tmp_path, texts)
    query = """select content, model, reasoning, "messageIndex" from read_csv(?, header=true, all_varchar=true,
        delim=',', quote='"', escape='"', new_line='\\n', allow_quoted_nulls=false)"""
    with duckdb.connect() as database:
        found = database.execute(query, [str(path)]).fetchall()
    assert found == [(text, text, None, str(n)) for n, text in enumerate(texts)]


def test_csv_text_with_nul_read_by_duckdb(tmp_path: Path) -> None:
    """A NUL within a text survives the way through DuckDB."""
    path = nasty_csv(tmp_path, ["a\0b", "\0", "plain"])
    with duckdb.connect() as database:
        found = database.execute("select content from read_csv(?, header=true, all_varchar=true)", [str(path)]).fetchall()
    assert found == [("a\0b",), ("\0",), ("plain",)]


def test_csv_text_is_quoted_byte_by_byte(tmp_path: Path) -> None:
    """Every text cell is quoted with quotes doubled, absent is nothing, a record ends with one line feed, no mark is added."""
    data = nasty_csv(tmp_path, ['a"b', ""]).read_bytes()
    header, first, second, rest = data.split(b"\n")
    assert rest == b""
    assert header.startswith(b'"sessionId","messageIndex","id","role","content","model",')
    assert first.rstrip(b",") == b'"s",0,"0","user","a""b","a""b",,,,,"",""'
    assert second.rstrip(b",") == b'"s",1,"1","user","","",,,,,"",""'
    assert first.count(b",") == second.count(b",") == header.count(b",")
    data = nasty_csv(tmp_path, NASTY, "--force").read_bytes()
    assert all(b'"%b"' % text.replace('"', '""').encode() in data for text in NASTY)


# CSV cells that a spreadsheet runs ----------------------------------------------------------------------------------------


def test_csv_cells_that_a_spreadsheet_runs(tmp_path: Path) -> None:
    """By default no cell is changed; --csv-safe prefixes those that begin with = + - @, tab or CR, and says so in the help."""
    risky = [text for text in NASTY if text[:1] in {"=", "+", "-", "@", "\t", "\r"}]
    texts = [text for text in NASTY if "\0" not in text]
    assert len(risky) >= 8
    plain = read_with_python(nasty_csv(tmp_path, texts))
    safe = read_with_python(nasty_csv(tmp_path, texts, "--csv-safe", "--force"))
    assert [row["content"] for row in plain] == texts
    assert [row["content"] for row in safe] == ["'" + text if text in risky else text for text in texts]
    assert [row["model"] for row in safe] == ["'" + text if text in risky else text for text in texts]
    text = " ".join(run("convert", "-h", cwd=tmp_path).stdout.decode().split())
    assert "--csv-safe" in text
    assert "Changes data" in text


def test_csv_safe_covers_ids_and_leaves_numbers(tmp_path: Path) -> None:
    """--csv-safe looks at every text column, also ids and dates; numbers, negative ones too, stay numbers."""
    message = {
        "id": "=id",
        "role": "+r",
        "content": "",
        "createdAt": "-d",
        "updatedAt": "@d",
        "inputTokens": -5,
        "cost": -0.5,
    }
    (tmp_path / "in.json").write_text(json.dumps({"id": "=s", "title": "t", "messages": [message]}))
    assert run("convert", "in.json", "-o", "out.csv", "--csv-safe", cwd=tmp_path).returncode == 0
    (row,) = read_with_python(tmp_path / "out.csv")
    assert [row[name] for name in ("sessionId", "id", "role", "createdAt", "updatedAt")] == [
        "'=s",
        "'=id",
        "'+r",
        "'-d",
        "'@d",
    ]
    assert (row["inputTokens"], row["cost"]) == ("-5", "-0.5")


def test_csv_safe_covers_short_columns_of_many_rows(tmp_path: Path) -> None:
    """Also where neighbouring columns of short values differ from row to row, which are written together without it."""
    made = [
        {"id": f"=m{at}", "role": "=+@"[at % 3] + "r", "content": f"c{at}", "createdAt": f"-{at}", "updatedAt": f"@{at}"}
        for at in range(12)
    ]
    (tmp_path / "in.json").write_text(json.dumps({"id": "=s", "title": "t", "messages": made}))
    assert run("convert", "in.json", "-o", "out.csv", "--csv-safe", cwd=tmp_path).returncode == 0
    names = ("id", "role", "createdAt", "updatedAt")
    found = [[row[name] for name in names] for row in read_with_python(tmp_path / "out.csv")]
    assert found == [["'" + str(message[name]) for name in names] for message in made]


def test_a_signal_whose_exception_python_drops_counts_all_the_same() -> None:
    """An exception in a callback of Python's own is dropped; the command ends by the signal nevertheless, at its end."""
    code = """if True:
        import os, signal, sys, weakref
        from exportstream.cli import process as exits
        class Thing: pass
        def call():
            thing = Thing()
            watch = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGINT))
            del thing
            print("went on", flush=True)
        exits.raise_on_signals()
        sys.exit(exits.run(call, debug=False))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (-signal.SIGINT, b"went on\n")
