"""Which runs are given to others: where they are cut, how many at once, and what follows after one that was refused."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from exportstream import check
from exportstream.reading.json.buffer import Buffer
from exportstream.reading.runs_ahead import RunsAhead
from tests.kit.documents import dump, message, session, tool_call
from tests.kit.helpers import Given, Here, Never, small_runs
from tests.kit.readings import small_blocks
from tests.kit.sharing import BLOCK, figures, findings, rows

ONLY_HERE = "\ud83d"  # half a surrogate pair: findings say where it is, so no other process takes it
NOT_VALID = message(id="x", cost="1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in.json"


@pytest.fixture(autouse=True)
def _small_reads() -> Iterator[None]:
    """An input is recognised by a few bytes, so that it is read on soon after."""
    with (
        patch("exportstream.storage.source._CHUNK", 300),
        patch("exportstream.reading.export.HEAD", 300),
        patch("exportstream.reading.session_input.HEAD", 300),
        patch("exportstream.reading.json.stream.LARGEST_BLOCK", 2000),
        patch("exportstream.reading.json.blocks.LARGEST_BLOCK", 2000),
        patch("exportstream.reading.run.LARGEST_BLOCK", 2000),
        small_blocks(*BLOCK),
    ):
        yield


def distances(here: Here, *, partly: bool = False) -> list[int]:
    """Bytes between the end of what was taken of a run and the next run, where one was refused, or read to some part."""
    found: list[int] = []
    refused: Given | None = None
    before = -1
    for given in here.runs:
        if refused is not None and given.run.start != before:  # others were cut after it, and dropped
            most = (refused.end - refused.run.start) * 2 > refused.run.end - refused.run.start
            found += [given.run.start - refused.end] if most is partly else []
            refused = None
        if refused is None and given.end != given.run.end + 1:
            refused = given
        before = given.run.end + 1
    return found


def test_the_more_runs_are_refused_the_later_the_next_is_tried(path: Path) -> None:
    """The distance doubles with each failure, up to 64 runs; after a run that was taken it begins again with two."""
    size = 100
    odd, usual = [[message(n, content=content) for n in range(count)] for content, count in ((ONLY_HERE, 190), ("x", 130))]
    path.write_bytes(dump(session(*odd, *usual, *odd[:9]), ensure_ascii=True))
    here = Here(jobs=1)
    with small_runs(size):
        findings(path, here)
    found = distances(here)
    for distance, runs in zip(found, (2, 4, 8, 16, 32, 64, 64), strict=False):
        assert runs * size <= distance < runs * size + sum(BLOCK)
    assert len(found) > 8
    assert 2 * size <= found[-1] < 4 * size + sum(BLOCK)
    assert here.in_full > 20


def test_runs_that_were_read_for_the_most_part_are_followed_by_others(path: Path) -> None:
    """The next one begins after the message that was refused, and it is not taken for one with a wrong number."""
    made = [NOT_VALID if n % 40 == 9 else message(n) for n in range(400)]
    path.write_bytes(dump(session(*made)))
    here = Here(jobs=1)
    with small_runs(6 * 1200):
        rows(path, here, "skip")
    found = distances(here, partly=True)
    assert len(found) > 5
    assert max(found) < sum(BLOCK)
    assert here.in_full > 50


def test_messages_that_are_miscounted_are_not_tried_for_ever(path: Path) -> None:
    """After the fourth wrong number one process reads the messages that need one; where they need none, nothing changes."""
    looks = tool_call(inputJson={"x": "m", "role": "user"})  # not where a message begins, but what each has once
    path.write_bytes(dump(session(*(message(n, toolCalls=[looks] * (n % 25 == 4)) for n in range(300)))))
    numbered, others = Here(jobs=1), Here(jobs=1)
    with small_runs(6 * 1500):
        rows(path, numbered, None)
    with small_runs(6000):
        figures(path, others, None)
    assert max(Counter(run.start for run, _ in numbered.runs).values()) == 4
    assert others.in_full == others.given > 5


class Miscounting(Here):
    """Tells one message more of each later run."""

    def submit(self, *args: Any) -> Future[Any]:
        future = super().submit(*args)
        future.result().later += 1
        return future


def test_messages_are_counted_by_others(path: Path) -> None:
    """Who reads a run, be it this process, counts a later one. A wrong count is noticed: the runs after it are read again."""
    path.write_bytes(dump(session(*map(message, range(300)))))
    here, never, wrong = Here(jobs=1), Never(jobs=1), Miscounting(jobs=1)
    with small_runs(6 * 1200):
        wanted = rows(path, None, None)
        assert [rows(path, one, None) for one in (here, never, wrong)] == [wanted] * 3
    assert here.in_full == here.given == len(never.futures) > 20
    assert len({run.start for run, _ in wrong.runs}) < wrong.given


@pytest.mark.parametrize("first", ["content", "cost"])
def test_messages_that_begin_with_another_key(path: Path, first: str) -> None:
    """They are counted by what they begin with, so that each has the number that was expected."""
    path.write_bytes(dump(session(*({first: 1, **message(n)} for n in range(200)))))
    here = Here(jobs=1)
    with small_runs(6 * 1500):
        rows(path, here, None)
    assert here.in_full == here.given == len({run.start for run, _ in here.runs}) > 9  # none is read again


@pytest.mark.parametrize("form", [(b"", b"\n", b""), (b"[", b",", b"]")], ids=str)
def test_messages_of_small_sessions_are_not_tried(path: Path, form: tuple[bytes, bytes, bytes]) -> None:
    """After a run of whole sessions the next session is most likely small as well, also where a run was refused."""
    made = [
        dump(session(*(message(m, content=ONLY_HERE if n % 9 == 8 else "x") for m in range(4)), id=f"s{n}"))
        for n in range(90)
    ]
    path.write_bytes(form[0] + form[1].join(made) + form[2])
    here = Here(jobs=1)
    with small_runs(1500):
        findings(path, here)
    assert here.in_full > 4
    assert {given.run.session_id for given in here.runs if given.end == given.run.end + 1} == {None}


def test_where_no_message_is_seen_to_begin_none_is_looked_for(path: Path) -> None:
    """It is tried once for each run, not once for each block."""
    path.write_bytes(dump(session(*map(message, range(400)))))
    find, found = RunsAhead._find, []

    def watched(*args: Any) -> Any:
        found.append(find(*args))
        return found[-1]

    with (
        small_runs(6000),
        patch("exportstream.reading.runs_ahead.WINDOWS", (9, 9)),  # fewer bytes than a message begins with
        patch.object(RunsAhead, "_find", watched),
    ):
        figures(path, Here(), None)
    assert found == [None] * len(found)
    assert 3 < len(found) <= path.stat().st_size // 6000 + 1


SIZES = {"figures": (figures, {}, 1), "plain": (rows, {}, 6), "packed": (rows, {"suffix": "csv.zst"}, 2)}


@pytest.mark.parametrize("stored", [bytes, gzip.compress])
@pytest.mark.parametrize("what", SIZES)
def test_how_long_runs_are(path: Path, what: str, stored: Any) -> None:
    """Of rows shorter than of figures, most of all of plain ones; of compressed inputs a sixth at most."""
    reading, options, shorter = SIZES[what]
    path.write_bytes(stored(dump(session(*map(message, range(200))))))
    here = Here(jobs=1)
    with small_runs(8000):
        reading(path, here, None, **options)
    size = 8000 // (shorter if stored is bytes else 6)
    one = len(dump(message(100))) + 1
    sizes = [run.end - run.start for run, _ in here.runs]
    assert all(size <= length < size + one for length in sizes)
    assert len(sizes) > 2


def test_runs_are_shorter_near_the_end(path: Path) -> None:
    """So all processes end at about the same time."""
    path.write_bytes(dump(session(*map(message, range(400)))))
    here = Here(jobs=1)
    with small_runs(3000, shortest=500):
        figures(path, here, None)
    sizes = [run.end - run.start for run, _ in here.runs]
    assert sizes[0] > 3000
    assert 500 <= min(sizes[-3:]) < 700
    assert here.in_full == here.given > 15


@pytest.mark.parametrize(("stored", "most"), [(bytes, (8, 16)), (gzip.compress, (5, 9))])
def test_how_many_runs_are_ahead(path: Path, stored: Any, most: tuple[int, int]) -> None:
    """A few for each process, of a compressed input fewer: their bytes take memory."""
    path.write_bytes(stored(dump(session(*map(message, range(300))))))
    with small_runs(1200):
        for jobs, wanted in zip((1, 3), most, strict=True):
            never = Never(jobs)
            figures(path, never, None)
            assert never.most_waiting == wanted


@pytest.mark.parametrize("way", ["refused", "left"])
def test_what_is_not_wanted_any_more_is_called_back(path: Path, way: str) -> None:
    """Nobody begins with a run after one that was refused, nor after a reading that was left before its end."""
    made = [session(*map(message, range(4)), id=f"s{n}") for n in range(60)]
    if way == "refused":
        made[30] = session(NOT_VALID, id="x")
    path.write_bytes(b"\n".join(map(dump, made)))
    never = Never(jobs=1)
    with small_runs(1000):
        found = iter(check(path, executor=never))
        next(found)
        assert never.waiting > 1
        if way == "refused":
            list(found)
        else:
            found.close()  # type: ignore[attr-defined]
    assert never.waiting == 0


class Busy(Here):
    """Has begun the first run, and ends it once somebody has taken another one back."""

    def __init__(self) -> None:
        super().__init__(jobs=1)
        self.waited = 0

    def submit(self, *args: Any) -> Future[Any]:
        if self.waited == 0:
            self.waited, self._first, self._args = 1, _Waited(), args
            self._first.set_running_or_notify_cancel()
            return self._first
        future: Future[Any] = Future()
        future.add_done_callback(self._end_first)
        return future

    def _end_first(self, _: Future[Any]) -> None:
        if not self._first.done():
            self._first.set_result(super().submit(*self._args).result())


class _Waited(Future[Any]):
    def result(self, timeout: float | None = None) -> Any:
        assert self.done(), "nothing was done while somebody else was busy"
        return super().result(timeout)


def test_another_run_is_read_while_the_next_one_is_not_ready(path: Path) -> None:
    """The process that waits for a run takes one back that nobody has begun."""
    path.write_bytes(dump(session(*map(message, range(100)))))
    with small_runs(1000):
        busy = Busy()
        assert figures(path, busy, None) == figures(path, None, None)
        assert busy.in_full == 1


@pytest.mark.parametrize(("stored", "limit"), [(bytes, "SMALLEST_INPUT"), (gzip.compress, "SMALLEST_PACKED")])
def test_the_smallest_input_that_is_shared(path: Path, stored: Any, limit: str) -> None:
    """An input of just that size is, one that is a byte shorter is not."""
    path.write_bytes(stored(dump(session(*map(message, range(100))))))
    for more in (0, 1):
        here = Here()
        with small_runs(1000), patch(f"exportstream.reading.runs_ahead.{limit}", path.stat().st_size + more):
            figures(path, here, None)
        assert (here.given > 0) is (more == 0)


def test_paths_are_those_of_any_working_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process elsewhere finds the file, and what it says has the name that was given."""
    path.write_bytes(dump(session(*map(message, range(100)))))
    monkeypatch.chdir(path.parent)
    here = Here()
    with small_runs(1000):
        assert figures(path.name, here, None) == figures(path.name, None, None)
    assert {(run.path, run.source) for run, _ in here.runs} == {(os.path.realpath(path), path.name)}


@pytest.mark.parametrize("reading", [rows, figures, findings])
def test_messages_that_are_longer_than_a_block(path: Path, reading: Any) -> None:
    """The next one is looked for in more than the first bytes after a run, and others read more than a block at once."""
    path.write_bytes(dump(session(*(message(n, content="x" * 1500) for n in range(30)))))
    here = Here(jobs=1)
    with small_runs(4000):
        reading(path, here, None)
    assert here.in_full == here.given > 5


def test_an_array_of_sessions_with_long_titles(path: Path) -> None:
    """What a session begins with is read before it is asked for, so the very first one is in a run."""
    made = [dump({"title": "t" * 330, **session(*map(message, range(2)), id=f"s{n}")}) for n in range(80)]
    path.write_bytes(b"[" + b",".join(made) + b"]")
    here = Here()
    with small_runs(3000):
        figures(path, here, None)
    assert here.runs[0].run.start == 1
    assert here.in_full == here.given > 3


def test_nothing_is_read_ahead_after_a_cost_out_of_all_proportion(path: Path) -> None:
    """Only the process that has the sum can say which cost is one too many."""
    lines = [dump(session(message(cost=1), id=f"s{n}")) for n in range(200)]
    lines[20] = lines[20].replace(b'"cost":1', b'"cost":1e5000')
    path.write_bytes(b"\n".join(lines))
    here = Here(jobs=1)
    with small_runs(1000):
        figures(path, here, None)
    assert here.in_full > 2
    assert max(run.start for run, _ in here.runs) < 20 * len(lines[0]) + 9 * 1200


@pytest.mark.parametrize("lines", [True, False], ids=["sessions", "messages"])
@pytest.mark.parametrize("helped", [True, False])
def test_what_was_dealt_with_is_let_go(path: Path, lines: bool, helped: bool) -> None:
    """Where damage may come, only bytes since the last complete value are held, also after runs that others have read."""
    made = [message(n, content=ONLY_HERE if n % 160 > 150 else "x") for n in range(400)]
    parts = [session(*made[n : n + 2], id=f"s{n}") for n in range(0, 400, 2)] if lines else [session(*made)]
    path.write_bytes(b"\n".join(dump(one, ensure_ascii=True) for one in parts))
    read, held, here = Buffer.read, [0], Here(jobs=1)

    def watched(buffer: Buffer, size: int = 300) -> None:
        read(buffer, size)
        held.append(len(buffer.data))

    with small_runs(1000), patch.object(Buffer, "read", watched):
        figures(path, here if helped else None, "skip")
    assert (here.taken > 5) is helped
    assert max(held) < 4 * sum(BLOCK)
