"""One large input and several processes, as a user meets them."""

from __future__ import annotations

import bz2
import fcntl
import gzip
import io
import lzma
import multiprocessing
import os
import signal
import sys
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import zstandard

from exportstream import LimitError, WorkerError, convert, convert_many, totals_many
from exportstream.cli import commands
from exportstream.cli import convert as convert_module
from exportstream.cli.executors import open_helpers
from exportstream.conversion import counting, encoding, pool
from exportstream.conversion.inputs import Input
from exportstream.conversion.plan import input_for_helpers
from exportstream.conversion.pool import Workers
from exportstream.conversion.report import Report
from exportstream.conversion.totals import total_one
from exportstream.reading.options import ReadOptions
from exportstream.reading.runs_ahead import SMALLEST_INPUT, SMALLEST_PACKED, suits_helpers
from exportstream.totals.table_options import GroupOptions
from tests.kit.command import children, in_session, kill, run, start, wait_until, workers
from tests.kit.documents import dump, message, session
from tests.kit.files import unpack, zipped
from tests.kit.helpers import Here, small_runs
from tests.kit.transcripts import Transcript

BY = ["--by", "day,model", "--by", "session"]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Just as large that several processes read it."""
    path = tmp_path_factory.mktemp("large") / "in.json"
    one = dump(message(1, content="x" * 900, model="m", cost=0.25))
    head, tail = dump(session(id="s")).split(b"[]")
    path.write_bytes(head + b"[" + b",".join([one] * (SMALLEST_INPUT // len(one) + 1)) + b"]" + tail)
    return path


@pytest.mark.parametrize("jobs", [2, 4])
@pytest.mark.parametrize("command", [["totals", *BY, "--quiet"], ["check"]], ids=str)
def test_several_processes_say_what_one_says(large: Path, command: list[str], jobs: int, tmp_path: Path) -> None:
    """Figures, findings and warnings are the same, and processes are started."""
    process = start(*command, large, "--json", "-j", jobs, cwd=tmp_path)
    wait_until(lambda: len(children(process.pid)) == jobs - 1 or process.poll() is not None)
    assert process.poll() is None
    found = process.communicate()
    wanted = run(*command, large, "--json", "-j", 1, cwd=tmp_path)
    assert (wanted.stdout, wanted.stderr) == found
    assert process.returncode == wanted.returncode == 0
    assert b"repeat an id of the session" in wanted.stderr or b'"repeated-id":{"count":' in wanted.stdout


@pytest.fixture(scope="module")
def packed(large: Path) -> dict[str, Path]:
    """A plain and two compressed files, all just as large that several processes read them."""
    block = b64encode(os.urandom(900_000))
    texts = [block[at : at + 1000].decode() for at in range(0, len(block), 1000)]
    data = dump(session(*(message(number, content=texts[number % len(texts)]) for number in range(30_000))))
    files = {"plain": large, "gzip": large.with_name("in.gz"), "zstd": large.with_name("in.zst")}
    files["gzip"].write_bytes(gzip.compress(data, 1))
    files["zstd"].write_bytes(zstandard.compress(data, 1))
    assert min(path.stat().st_size for path in files.values()) > SMALLEST_PACKED
    return files


KINDS = pytest.mark.parametrize("kind", ["plain", "gzip", "zstd"])


@KINDS
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_processes(packed: dict[str, Path], kind: str, number: int, tmp_path: Path) -> None:
    """Ctrl-C and a kill end the helpers, too; an output that was begun leaves nothing."""
    large = packed[kind]
    process = start("totals", large, *BY, "-o", "bill.json", "-j", 3, cwd=tmp_path)
    wait_until(lambda: len(children(process.pid)) == 2 or process.poll() is not None)
    os.killpg(process.pid, number)
    assert process.wait(30) == -number
    process.communicate()
    wait_until(lambda: not in_session(process.pid))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("arguments", [["-o", "x.csv.zst", "-t", "all"], ["-o", "x.ndjson.gz"]], ids=str)
def test_outputs_of_several_processes_are_those_of_one(large: Path, arguments: list[str], tmp_path: Path) -> None:
    """Each output is the same to the byte, but for the compression; one process is used unless more are asked for."""
    outputs = {}
    for jobs in ([], ["-j", 3]):
        folder = tmp_path / str(len(jobs))
        folder.mkdir()
        process = start("convert", large, *arguments, "--quiet", *jobs, cwd=folder)
        wait_until(lambda process=process: len(children(process.pid)) == 2 or process.poll() is not None)  # type: ignore[misc]
        assert (process.poll() is None) is bool(jobs)
        process.communicate()
        assert process.returncode == 0
        outputs[len(jobs)] = {name: unpack((folder / name).read_bytes()) for name in os.listdir(folder)}
    assert outputs[0] == outputs[2]
    assert outputs[0]


@KINDS
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_converting_leaves_nothing(packed: dict[str, Path], kind: str, number: int, tmp_path: Path) -> None:
    """All processes end, and neither outputs nor temporary files are left."""
    process = start("convert", packed[kind], "-o", "x.csv", "-t", "all", "-j", 3, cwd=tmp_path)
    wait_until(lambda: os.listdir(tmp_path) or process.poll() is not None)
    os.killpg(process.pid, number)
    assert process.wait(30) == -number
    process.communicate()
    wait_until(lambda: not in_session(process.pid))
    assert os.listdir(tmp_path) == []


@KINDS
def test_a_worker_that_is_killed_leaves_nothing(packed: dict[str, Path], kind: str, tmp_path: Path) -> None:
    """The command says so, all processes end, and neither outputs nor temporary files are left."""
    process = start("convert", packed[kind], "-o", "x.csv", "-t", "all", "-j", 3, cwd=tmp_path)
    wait_until(lambda: os.listdir(tmp_path) or process.poll() is not None)
    kill(workers(process.pid)[0])
    _, said = process.communicate(timeout=30)
    assert process.returncode == 4
    assert b"a worker process was killed" in said
    wait_until(lambda: not in_session(process.pid))
    assert os.listdir(tmp_path) == []


def test_small_inputs_start_no_process(tmp_path: Path) -> None:
    """A file below the limit for plain ones, or that for compressed ones, is read by this process alone."""
    small, packed = tmp_path / "small.json", tmp_path / "packed.json"
    small.write_bytes(b"{" * (SMALLEST_INPUT - 1))
    packed.write_bytes(gzip.compress(b"{" + os.urandom(SMALLEST_PACKED - 1000), 1)[: SMALLEST_PACKED - 1])
    usual = ReadOptions()
    assert [suits_helpers(name, usual) for name in (str(small), packed, "missing", str(tmp_path), b"{}")] == [False] * 5
    with open_helpers("-", usual, None) as executor:  # of a pipe nobody knows
        assert executor is None
    small.write_bytes(b"{" * SMALLEST_INPUT)
    packed.write_bytes(gzip.compress(b"{" + os.urandom(SMALLEST_PACKED), 1))
    assert suits_helpers(packed, usual)
    large = zipped(
        tmp_path / "a.zip",
        {"large": b"{" * SMALLEST_INPUT, "small": b"{" * (SMALLEST_INPUT - 1), "x.gz": packed.read_bytes()},
    )
    members = [f"{large}::{name}" for name in ("large", "x.gz", "small", "missing")]
    assert [suits_helpers(name, usual) for name in [*members, large]] == [True, True, False, False, False]
    assert [suits_helpers(small, one) for one in (usual, ReadOptions(max_message_size=10**8))] == [True, False]
    found = Input(str(small), "")
    others = [Input("x", "", unpacked=size) for size in (SMALLEST_INPUT // 8, SMALLEST_INPUT // 8 + 1)]
    assert [input_for_helpers([one, found], usual) for one in others] == [found, None]
    assert [input_for_helpers(some, usual) for some in ([], others, [Input("-", ""), found])] == [None] * 3


CLAUDE = Transcript().user("hello").data


@pytest.mark.parametrize(
    ("arguments", "shared"),
    [
        (["in.json", "-o", "x.csv.zst"], True),
        (["in.json", "-o", "rows/"], True),
        (["in.json", "-o", "-", "-t", "tool-calls"], True),
        (["in.json", "-o", "x.db"], False),
        (["in.json", "-o", "x.parquet", "--quiet"], False),
        (["in.json", "-o", "x.csv", "--running-totals"], False),
        (["in.json", "-o", "x.csv", "--dedupe"], False),
        (["in.json", "-o", "x.csv", "--columns", "*,file"], False),
        (["in.json", "-o", "x.csv", "--max-message-size", "9MB"], False),
        (["in.json.gz", "-o", "x.csv"], True),
        (["in.json.gz", "-o", "rows/"], True),
        (["claude.jsonl", "-o", "x.csv"], False),
        (["claude.jsonl", "-o", "rows/"], False),
        (["-", "-o", "x.csv"], True),
        (["-", "-o", "rows/"], True),
        (["-", "-o", "-", "--max-message-size", "9MB"], False),
        (["a.zip::in.json", "-o", "x.csv"], True),
        (["a.zip::in.json.gz", "-o", "x.csv"], True),
        (["one.zip", "-o", "rows/"], True),
    ],
    ids=str,
)
def test_processes_start_where_they_can_share(
    arguments: list[str], shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: Any
) -> None:
    """They are not started for what one process has to do; the summary says which it was, if several were asked for."""
    data = dump(session(*map(message, range(3000))))
    (tmp_path / "in.json").write_bytes(data)
    (tmp_path / "in.json.gz").write_bytes(gzip.compress(data))
    (tmp_path / "claude.jsonl").write_bytes(CLAUDE)
    zipped(tmp_path / "a.zip", {"in.json": data, "in.json.gz": gzip.compress(data)})
    zipped(tmp_path / "one.zip", {"in.json": data})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    started: list[Here] = []

    @contextmanager
    def pool_of(*_: object, **__: object) -> Iterator[Here]:
        started.append(Here())
        yield started[0]

    monkeypatch.setattr(pool, "Workers", pool_of)
    monkeypatch.setattr(convert_module, "ignore_signals", lambda: None)
    with small_runs(2000), pytest.raises(SystemExit) as end:
        commands.cli.main(["convert", *arguments, "-j", "2"], standalone_mode=False)
    assert end.value.code in (0, None)
    assert [here.taken > 0 for here in started] == [True] * shared
    said = capsysbinary.readouterr().err
    if "--quiet" in arguments:
        assert said == b""
    else:
        assert (b", by several processes\n" in said, b", by one process\n" in said) == (shared, not shared)


@pytest.mark.parametrize("count", [1, 2, 9])
@pytest.mark.parametrize("command", ["totals", "check"])
def test_one_large_input_among_small_ones_is_shared(
    command: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: Any
) -> None:
    """As that of a zip with chats; several large ones are read side by side. What is said is the same."""
    data = dump(session(*map(message, range(3000))))
    small = {"user.json": b'{"id":"x"}', "small.json": dump(session(*map(message, range(9)), id="small"))}
    zipped(tmp_path / "a.zip", {"large.json": data, **small} if count == 2 else {f"{n}.json": data for n in range(count)})
    monkeypatch.chdir(tmp_path)
    started: list[int] = []
    executor = Here()

    @contextmanager
    def pool_of(jobs: int, *_: object, **__: object) -> Iterator[Here | None]:
        started.append(jobs)
        yield executor if count < 9 else None

    monkeypatch.setattr(pool, "Workers", pool_of)
    said = []
    for jobs in ("1", "3"):
        with small_runs(2000), suppress(SystemExit):
            commands.cli.main([command, "a.zip", "-j", jobs, "--json"], standalone_mode=False)
        said.append(capsysbinary.readouterr())
    assert said[0] == said[1]
    messages = {1: 3000, 2: 3009, 9: 27_000}[count]
    assert (b'"messages":%d' % messages in said[0].out) or command == "check"
    assert started == ([3] if count == 9 else [2])
    assert (executor.given > 9) is (count < 9)


def test_the_report_says_whether_an_input_was_shared(tmp_path: Path) -> None:
    """In the library, too, also for the one input of a folder; a summary of one process that was asked for is as ever."""
    path = tmp_path / "in.json"
    path.write_bytes(dump(session(*map(message, range(3000)))))
    with small_runs(2000):
        assert [convert(path, tmp_path / "x.csv", executor=one, force=True).shared for one in (None, Here())] == [
            False,
            True,
        ]
        (done,) = convert_many([path], tmp_path / "rows", executor=Here()).outcomes
    assert isinstance(done.report, Report)
    assert done.report.shared
    assert done.report.to_dict()["shared"] is True
    assert b"process" not in run("convert", path, "-o", "y.csv", "-j", 1, cwd=tmp_path).stderr


@pytest.mark.skipif(sys.platform != "linux", reason="pipes have one size")
def test_results_fit_into_the_pipe() -> None:
    """Python still has the pipe where it is looked for, and it takes what comes of a run at once."""
    with Workers(1) as workers:
        reader = workers._result_queue._reader  # type: ignore[attr-defined]
        assert fcntl.fcntl(reader.fileno(), fcntl.F_GETPIPE_SZ) == 1 << 20


class Dies:
    """Work that kills the process that does it, unless it is the one that reads the input."""

    by_session = skips_replaced = True

    def __init__(self, *_: object) -> None:
        if multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGKILL)

    def add(self, *_: object) -> None:
        """Take messages."""

    def finish(self) -> None:
        """Return nothing."""


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress, bz2.compress, lzma.compress])
def test_a_worker_that_dies_is_an_error_of_its_own(pack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, with the input's name."""
    monkeypatch.setattr(counting, "_GroupWork", Dies)
    path = tmp_path / "in.json"
    path.write_bytes(pack(dump(session(*map(message, range(3000))))))
    with small_runs(300), Workers(1) as workers:
        found = totals_many([path], executor=_NoneHere(workers))
        (failed,) = found.failed
        assert failed.error is not None
        assert "in.json: a worker process was killed" in failed.error
        with pytest.raises(WorkerError, match=r"in\.json: a worker process was killed"):  # a pool that is broken
            total_one(str(path), ReadOptions(), GroupOptions(), executor=workers)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress, bz2.compress, lzma.compress])
def test_a_worker_that_dies_leaves_no_output(pack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is half written."""
    monkeypatch.setattr(encoding, "EncodeWork", Dies)
    path = tmp_path / "in.json"
    path.write_bytes(pack(dump(session(*map(message, range(3000))))))
    with small_runs(300), Workers(1) as workers, pytest.raises(WorkerError, match=r"in\.json: a worker process was killed"):
        convert(path, tmp_path / "out.csv", executor=_NoneHere(workers), table="all")  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == ["in.json"]


class _NoneHere:
    """An executor whose work can't be taken back."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def submit(self, *given: Any) -> Future[Any]:
        future = self._workers.submit(*given)
        future.cancel = lambda: False  # type: ignore[method-assign]
        return future


@pytest.mark.parametrize("declared", [True, False])
def test_a_cost_that_is_one_too_many_is_named_by_the_process_that_reads(tmp_path: Path, declared: bool) -> None:
    """After a cost that is huge nothing is read ahead, so the error has the session that it has with one process."""
    costs: dict[int, object] = {10: "@huge@", 3000: "@tiny@"}
    sessions = []
    for number in range(3200):
        cost = costs.get(number, 1)
        one = {"cost": cost} if declared else {}
        sessions.append(session(message(0, cost=1 if declared else cost), id=f"s{number}", **one))
    data = b"\n".join(map(dump, sessions)).replace(b'"@huge@"', b"1e9500").replace(b'"@tiny@"', b"1e-900")
    path = tmp_path / "in.ndjson"
    path.write_bytes(data)
    for jobs in (1, 2):
        with (
            small_runs(50_000),
            ThreadPoolExecutor(2) as threads,
            pytest.raises(LimitError, match=r"10,000 digits \(session s3000\)"),
        ):
            total_one(str(path), ReadOptions(), GroupOptions(), executor=threads if jobs > 1 else None)
