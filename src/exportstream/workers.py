"""Worker processes for many inputs: the standard library's pool, ended properly, with a count of bytes read.

Takes: a number of processes. Raises: nothing of its own. Holds: one process each, about 30 MB.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any

from exportstream.files import remove_temporary_files
from exportstream.jobs import count_bytes_in


class Workers(ProcessPoolExecutor):
    """A pool whose workers end, and clean up, when the process that started them is interrupted or killed."""

    def __init__(self, jobs: int) -> None:
        # Not fork: this process may have threads. A server that has imported everything once starts workers quickly.
        name = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        context: Any = multiprocessing.get_context(name)
        if name == "forkserver":
            context.set_forkserver_preload(["exportstream.cli", "exportstream.many"])
        self._counter = context.Value("Q", 0)
        super().__init__(jobs, mp_context=context, initializer=_begin, initargs=(self._counter,))

    @property
    def bytes_read(self) -> int:
        """Bytes of input read by all workers so far."""
        count: int = self._counter.value
        return count

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
        super().__exit__(kind, error, trace)


def _begin(counter: Any) -> None:
    count_bytes_in(counter)
    gc.set_threshold(100_000, 50, 100)  # as in the command
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to everyone; our parent decides
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, lambda number, _frame: _end(128 + number))
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
