"""Worker processes for many inputs: the standard library's pool, ended properly, with a count of bytes read.

Takes: a number of processes. Raises: nothing of its own. Holds: one process each, about 30 MB.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, TypeVar

from exportstream.conversion.progress import count_bytes_in
from exportstream.storage.temporary import remove_temporary_files

_T = TypeVar("_T")
_ENDING = {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}


class Workers(ProcessPoolExecutor):
    """A pool whose workers end, and clean up, when the process that started them is interrupted or killed."""

    def __init__(self, jobs: int) -> None:
        # Not fork: this process may have threads. A server that has imported everything once starts workers quickly.
        name = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        context: Any = multiprocessing.get_context(name)
        if name == "forkserver":
            context.set_forkserver_preload(["exportstream.cli.commands", "exportstream.conversion.many"])
            _start_forkserver()
        self._counter = context.Value("Q", 0)
        super().__init__(jobs, mp_context=context, initializer=_begin, initargs=(self._counter,))

    def submit(self, function: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        """Take a job; a signal waits meanwhile, so that no process is half started and then forgotten."""
        with _waiting(_ENDING):
            return super().submit(function, *args, **kwargs)

    @property
    def bytes_read(self) -> int:
        """Bytes of input read by all workers so far."""
        count: int = self._counter.get_obj().value  # without the lock: a worker that was killed may have held it
        return count

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            for process in multiprocessing.active_children():
                process.terminate()
            self.shutdown(cancel_futures=True)
        super().__exit__(kind, error, trace)


def _start_forkserver() -> None:
    """Start it, and with it all workers, deaf to SIGINT: a terminal sends that to everyone, our parent decides."""
    from multiprocessing import resource_tracker  # noqa: PLC0415 - not on every system
    from multiprocessing.forkserver import ensure_running  # noqa: PLC0415 - likewise

    with _waiting(_ENDING):
        resource_tracker.ensure_running()  # before the other one, which starts it too: it unblocks signals when it starts
    with _waiting({signal.SIGINT}):
        ensure_running()


@contextmanager
def _waiting(signals: set[signal.Signals]) -> Iterator[None]:
    """Let signals wait until the end of the block."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # here what waited is raised


def _begin(counter: Any) -> None:
    count_bytes_in(counter)
    gc.set_threshold(100_000, 50, 100)  # as in the command
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in _ENDING - {signal.SIGINT}:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup asks for
            signal.signal(number, lambda number, _frame: _end(128 + number))
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    threading.Thread(target=_watch_parent, daemon=True).start()


def _watch_parent() -> None:
    """End when the parent is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        _end(1)


def _end(code: int) -> None:
    remove_temporary_files()
    os._exit(code)
