"""A transaction: all destinations are finished before the first is committed, and all are undone if anything fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from exportstream import WriteError
from exportstream.storage.sink import open_sink
from exportstream.storage.transaction import Transaction
from tests.kit.files import names

STEPS = ["finish 2", "finish 1", "finish 0", "commit 2", "commit 1", "commit 0"]


class Recorder:
    """A destination that writes down its steps in a list, and fails at one of them."""

    def __init__(self, name: str, steps: list[str], failing: str | None, error: BaseException) -> None:
        self.name = name
        self._steps = steps
        self._failing = failing
        self._error = error

    def _note(self, what: str) -> None:
        self._steps.append(f"{what} {self.name}")
        if self._steps[-1] == self._failing:
            raise self._error

    def finish(self) -> None:
        self._note("finish")

    def commit(self) -> None:
        self._note("commit")

    def undo_commit(self) -> None:
        self._note("undo")

    def abort(self) -> None:
        self._note("abort")


def test_all_are_finished_before_the_first_is_committed() -> None:
    """The first that was added gets its name last."""
    steps: list[str] = []
    with Transaction() as transaction:
        for number in range(3):
            transaction.add(Recorder(str(number), steps, None, OSError()))
    assert steps == STEPS


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("failing", [None, *STEPS])
def test_a_failure_at_any_step_undoes_all(failing: str | None, error: type[BaseException]) -> None:
    """Whatever fails, every destination is told to undo its commit, then to abort; the others go on if one of these fails."""
    steps: list[str] = []
    with pytest.raises(error), Transaction() as transaction:  # noqa: PT012
        for number in range(3):
            transaction.add(Recorder(str(number), steps, failing, error()))
        if failing is None:
            raise error
    done = STEPS[: STEPS.index(failing) + 1] if failing is not None else []
    assert steps == [*done, *(f"{what} {number}" for number in (2, 1, 0) for what in ("undo", "abort"))]


def test_an_interruption_while_undoing(tmp_path: Path) -> None:
    """Ctrl-C while one destination is undone does not keep the others from it."""
    steps: list[str] = []
    with pytest.raises(KeyboardInterrupt), Transaction() as transaction:  # noqa: PT012
        transaction.add(open_sink(tmp_path / "out"))
        transaction.add(Recorder("1", steps, "undo 1", KeyboardInterrupt()))
        raise ZeroDivisionError
    assert (steps, names(tmp_path)) == (["undo 1", "abort 1"], [])


def test_what_replaced_an_old_file_stays(tmp_path: Path) -> None:
    """Of the files that were committed before the failure, new ones are removed; one that replaced an old file stays."""
    (tmp_path / "old").write_bytes(b"old")
    with pytest.raises(WriteError, match="No space left"), Transaction() as transaction:  # noqa: PT012
        for name in ("new", "old"):
            transaction.add(open_sink(tmp_path / name, compression="none", force=True)).write(b"new")
        transaction.add(open_sink("/dev/full", compression="none")).write(b"x")
    assert (names(tmp_path), (tmp_path / "old").read_bytes()) == (["old"], b"old")
    with pytest.raises(OSError, match="late"), Transaction() as transaction:  # noqa: PT012
        transaction.add(Recorder("late", [], "commit late", OSError("late")))
        for name in ("new", "old"):
            transaction.add(open_sink(tmp_path / name, compression="none", force=True)).write(b"new")
    assert (names(tmp_path), (tmp_path / "old").read_bytes()) == (["old"], b"new")
