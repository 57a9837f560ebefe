"""Help with one input: executors that need no process, and runs of a few bytes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from exportstream.reading import runs_ahead
from exportstream.reading.run import Run


class Given(NamedTuple):
    """A run that was given away, and how far it was read."""

    run: Run
    end: int


class Here(Executor):
    """Does its work at once; what goes in and comes out is pickled, as on the way to another process and back."""

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs = jobs
        self.runs: list[Given] = []

    @property
    def given(self) -> int:
        """How many runs were given away."""
        return len(self.runs)

    @property
    def taken(self) -> int:
        """How many of them were read to some part."""
        return sum(end > run.start for run, end in self.runs)

    @property
    def in_full(self) -> int:
        """How many of them were read to their end."""
        return sum(end == run.end + 1 for run, end in self.runs)

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        function, args = pickle.loads(pickle.dumps((function, args)))  # noqa: S301
        done = pickle.loads(pickle.dumps(function(*args, **kwargs)))  # noqa: S301
        self.runs.append(Given(args[0], done.end))
        future.set_result(done)
        return future


class Never(Executor):
    """Begins nothing: the process that waits for a run reads it itself."""

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs = jobs
        self.futures: list[Future[Any]] = []
        self.most_waiting = 0  # runs that were given away and not called back, at the same time

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        del function, args, kwargs
        self.futures.append(Future())
        self.most_waiting = max(self.most_waiting, self.waiting)
        return self.futures[-1]

    @property
    def waiting(self) -> int:
        """How many runs were given away and neither read nor called back."""
        return sum(not one.cancelled() for one in self.futures)


@contextmanager
def small_runs(size: int, shortest: int | None = None) -> Iterator[None]:
    """Runs of a few bytes, of inputs of any size; near their end of as few as `shortest`."""
    sizes = {"LONGEST_RUN": size, "SHORTEST_RUN": shortest or size, "WINDOWS": (256, 4096)}
    with patch.multiple(runs_ahead, SMALLEST_INPUT=0, SMALLEST_PACKED=0, **sizes):
        yield
