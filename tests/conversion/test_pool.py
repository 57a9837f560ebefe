"""A pool whose worker is killed while it sends a result, or is told to end then: it ends, and says why."""

from __future__ import annotations

import gc
import os
import signal
import struct
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import pytest

from exportstream.conversion.pool import Workers

ROOT = Path(__file__).parents[2]
SCRIPT = """
import time
from exportstream.conversion.pool import Workers
from tests.conversion.test_pool import die_while_sending, send_half

if __name__ == "__main__":
    fork, job = {fork}, {job}
    with Workers(2, fork=fork) as workers:
        for one in [workers.submit(time.sleep, 0.5) for _ in range(2)]:  # both have started
            one.result()
        future = workers.submit(job)
        if job is send_half:
            time.sleep(0.5)
            raise KeyError
        print(type(future.exception()).__name__)
"""


def send_half() -> None:
    """Send the beginning of a result, and be busy."""
    (queue,) = (one for one in gc.get_objects() if type(one) is SimpleQueue)
    queue._writer._send(struct.pack("!i", 1000) + b"x")  # type: ignore[attr-defined]
    signal.pause()


def die_while_sending() -> None:
    """Send the beginning of a result, and no more."""
    (queue,) = (one for one in gc.get_objects() if type(one) is SimpleQueue)
    queue._writer._send(struct.pack("!i", 1000) + b"x")  # type: ignore[attr-defined]
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("fork", [False, True])
@pytest.mark.parametrize(("job", "says"), [("die_while_sending", "BrokenProcessPool\n"), ("send_half", "")])
def test_half_a_result_is_not_waited_for(fork: bool, job: str, says: str, tmp_path: Path) -> None:
    """The pool is broken when a worker dies, and an exception ends all workers, though the rest of a result never comes."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(fork=fork, job=job))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.stdout == says, done.stderr
    assert ("KeyError" in done.stderr, done.returncode) == ((True, 1) if job == "send_half" else (False, 0)), done.stderr


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no masks of signals here")
def test_a_worker_that_dies_ends_the_jobs_after_a_cancelled_one() -> None:
    """All jobs that wait for it fail, and nobody waits for them for ever."""
    with Workers(1, fork=True) as workers:
        worker = workers.submit(os.getpid).result()
        workers.submit(time.sleep, 60)
        waiting = [workers.submit(int) for _ in range(6)]
        assert waiting[3].cancel()
        os.kill(worker, signal.SIGKILL)
        assert type(waiting[5].exception(timeout=30)) is BrokenProcessPool


def test_a_signal_just_before_signals_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that comes while others are about to be blocked raises, and blocks none for good: it has to end the process."""
    mask = signal.pthread_sigmask

    def interrupted(how: int, signals: set[signal.Signals]) -> set[signal.Signals]:
        before = mask(how, signals)
        if how == signal.SIG_BLOCK and signals:
            raise KeyboardInterrupt
        return before

    monkeypatch.setattr(signal, "pthread_sigmask", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Workers(1)
    assert signal.SIGTERM not in mask(signal.SIG_BLOCK, ())
