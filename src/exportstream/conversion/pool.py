"""Worker processes for many inputs: the standard library's pool, ended properly, with a count of the bytes read.

Takes: a number of processes, and functions to run in them. Raises: nothing of its own. Holds: about 30 MB per process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, TypeVar

from exportstream.storage.temporary import remove_temporary_files

_T = TypeVar("_T")
_ENDING = {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}
_PIPE = 1 << 20  # bytes: the most that Linux gives to everybody
_PATIENCE = 1.0  # seconds to wait for the counter's lock, which a worker that was killed may hold, or for a thread to end

_counter: Any = None  # in a worker: shared by all of them; only a pool's initializer can pass it, hence a global


class _Job(Future[_T]):
    """A job that may be cancelled. Python 3.11 tells all jobs when a worker dies, but not those after a cancelled one."""

    def set_exception(self, exception: BaseException | None) -> None:
        with suppress(InvalidStateError):
            super().set_exception(exception)


class Workers(ProcessPoolExecutor):
    """A pool whose workers end, and clean up, when the process that started them is interrupted or killed.

    Args:
        jobs: how many processes.
        prepare: called once in each process before its first job; a function of a module.
        fork: copy this process, which takes milliseconds, and now. Only where it has no other thread, and the system
            is Linux; otherwise processes start in the usual way.

    Attributes:
        jobs: how many processes.
    """

    def __init__(self, jobs: int, prepare: Callable[[], None] | None = None, *, fork: bool = False) -> None:
        self.jobs = jobs
        self._watched = False
        # Not fork: this process may have threads. A server that has imported everything once starts workers quickly.
        name = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        fork = fork and sys.platform == "linux" and threading.active_count() == 1
        if fork:
            name = "fork"
        context: Any = multiprocessing.get_context(name)
        if name == "forkserver":
            first = [] if prepare is None else [prepare.__module__]
            context.set_forkserver_preload(["exportstream.conversion.many", *first])
        with _blocked(_ENDING):
            # The first lock starts Python's resource tracker, which unblocks signals once it runs. The fork server is
            # started later, by the first `submit`, with these signals blocked, and its workers inherit that: a Ctrl-C in
            # a terminal reaches all processes, but only this one decides.
            self._counter = context.Value("Q", 0)
        super().__init__(jobs, mp_context=context, initializer=_begin, initargs=(self._counter, prepare))
        _widen(self)
        if fork:
            self.submit(int)  # the first job starts all processes

    def submit(self, function: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        """Take a job. Signals wait until it is taken, so that no process is half started and then forgotten."""
        with _blocked(_ENDING):
            future = super().submit(function, *args, **kwargs)
        future.__class__ = _Job  # before anybody can cancel it
        if not self._watched:
            self._watched = _end_together(self)
        return future

    @property
    def bytes_read(self) -> int:
        """Bytes of input that all workers have read so far; see `count_bytes`."""
        count: int = self._counter.get_obj().value  # without the lock: a worker that was killed may have held it
        return count

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            for process in multiprocessing.active_children():
                process.terminate()
            self.shutdown(cancel_futures=True)
        super().__exit__(kind, error, trace)


def _widen(pool: ProcessPoolExecutor) -> None:
    """Let a worker's result fit into the pipe on which it goes back, where the system allows that.

    The thread that reads the pipe waits for Python's lock after every piece, for milliseconds while another one decodes. A
    worker would wait with it: 64 KiB are 5 to 20 pieces of what comes of a run. Nothing public leads to the pipe.
    """
    with suppress(AttributeError, OSError, ImportError):  # of another Python, a limit, another system
        import fcntl  # noqa: PLC0415 - not on every system

        queue: Any = pool._result_queue  # type: ignore[attr-defined,unused-ignore] # noqa: SLF001 - see above
        fcntl.fcntl(queue._reader.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)  # noqa: SLF001 - likewise


def _end_together(pool: ProcessPoolExecutor) -> bool:
    """Once all workers have started: see to it that one that is killed ends the others, and the pool.

    A worker may be killed while it sends a result. The pool would wait for the rest of it for ever, as long as any process
    has the pipe open to write: this one, and all other workers. Nothing public leads to the pipe.

    Returns:
        Whether all have started; where Python has no such pipe, that is for the pool to know.
    """
    inner: Any = pool
    try:
        processes, queue = list(inner._processes.values()), inner._result_queue  # noqa: SLF001 - see above
        if len(processes) < inner._max_workers:  # noqa: SLF001 - likewise
            return False
        queue._writer.close()  # noqa: SLF001 - likewise
    except AttributeError:  # of another Python
        return True
    threading.Thread(target=_terminate_after_first, args=(processes,), daemon=True).start()
    return True


def _terminate_after_first(processes: list[Any]) -> None:
    """Wait for processes to end, and terminate the others if one did not end by itself."""
    left = {process.sentinel: process for process in processes}
    while left:
        for sentinel in wait(list(left)):
            if left.pop(sentinel).exitcode != 0:
                for process in left.values():
                    process.terminate()


def count_bytes(more: int) -> None:
    """Add bytes to what this worker and the others have read."""
    if _counter is not None and _counter.get_lock().acquire(timeout=_PATIENCE):
        try:
            _counter.get_obj().value += more
        finally:
            _counter.get_lock().release()


@contextmanager
def _blocked(signals: set[signal.Signals]) -> Iterator[None]:
    """Let signals wait until the end of the block."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        # Inside, since it raises for a signal that came just before, and blocks these all the same.
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # waiting signals raise here


def _begin(counter: Any, prepare: Callable[[], None] | None) -> None:
    """Begin a worker: it ends at SIGTERM and SIGHUP, or when its parent is gone, and ignores SIGINT."""
    global _counter  # noqa: PLW0603 - see above
    _counter = counter
    if prepare is not None:
        prepare()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in _ENDING - {signal.SIGINT}:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores it
            signal.signal(number, lambda number, _frame: _end(128 + number))
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    threading.Thread(target=_watch_parent, daemon=True).start()


def _watch_parent() -> None:
    """End when the parent is gone, even if it was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        # First in the main thread: while this one removes files, that one may be about to create another.
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_PATIENCE)
        _end(1)


def _end(code: int) -> None:
    remove_temporary_files()
    os._exit(code)
