"""Help with one input: executors that need no process, and runs of a few bytes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch


class Here(Executor):
    """Does its work at once; what goes in and comes out is pickled, as on the way to another process and back."""

    def __init__(self) -> None:
        self.given = self.taken = self.in_full = 0  # runs: all, those read to some part, and those to their end

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self.given += 1
        function, args = pickle.loads(pickle.dumps((function, args)))  # noqa: S301
        done = pickle.loads(pickle.dumps(function(*args, **kwargs)))  # noqa: S301
        self.taken += done.end > args[0].start
        self.in_full += done.end == args[0].end + 1
        future.set_result(done)
        return future


class Never(Executor):
    """Begins nothing: the process that waits for a run reads it itself."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        del function, args, kwargs
        return Future()


@contextmanager
def small_runs(size: int) -> Iterator[None]:
    """Runs of a few bytes, of inputs of any size."""
    with (
        patch("exportstream.reading.runs_ahead.SMALLEST_INPUT", 0),
        patch("exportstream.reading.runs_ahead.SMALLEST_PACKED", 0),
        patch("exportstream.reading.runs_ahead.LONGEST_RUN", size),
        patch("exportstream.reading.runs_ahead.SHORTEST_RUN", size),
        patch("exportstream.reading.runs_ahead.WINDOWS", (256, 4096)),
    ):
        yield
