"""Jobs: conversions of one input each, run here or by the workers of any executor.

Takes: jobs by number. Yields: the `Outcome` of each as it comes. Raises: nothing for what is wrong with one input.
Holds: a future for each job.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from exportstream.convert import convert_to
from exportstream.errors import ExportstreamError
from exportstream.export import Export
from exportstream.inputs import is_url
from exportstream.outputs import Output
from exportstream.report import Outcome

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

_counter: Any = None  # in a worker process of ours: bytes that all of them have read
_POLL = 0.2  # seconds between two looks at how far the workers are


class Job(Struct):
    """One input and its outputs."""

    source: str
    outputs: list[Output]
    options: dict[str, Any]
    size: int | None = None


class Status(Struct):
    """How far many conversions are: files and bytes, done and in all (None where it is not known), and failures."""

    files: int
    bytes_total: int | None
    files_done: int = 0
    bytes_done: int = 0
    failed: int = 0


Watch = Callable[[Status], None] | None


def count_bytes_in(counter: Any) -> None:
    """Add the bytes that this process reads to a counter shared with others."""
    global _counter  # noqa: PLW0603 - what a pool's initializer can set
    _counter = counter


def _count_bytes(_export: Export, more: int) -> None:
    if _counter is not None:
        with _counter.get_lock():
            _counter.value += more


def run_job(job: Job) -> Outcome:
    """Convert one input; what an executor's worker does."""
    return _run_here(job, _count_bytes)


def _run_here(job: Job, follow: Callable[[Export, int], None]) -> Outcome:
    read = 0

    def progress(export: Export) -> None:
        nonlocal read
        follow(export, export.bytes_read - read)
        read = export.bytes_read

    try:
        done = convert_to([job.source], job.outputs, progress=progress, **job.options)
    except ExportstreamError as error:
        return Outcome(job.source, "failed", error=str(error))
    return Outcome(job.source, "converted", report=done)


class Follow:
    """Adds up the bytes of one export after the other."""

    def __init__(self, status: Status, watch: Watch) -> None:
        self._status = status
        self._watch = watch
        self._export: Export | None = None
        self._before = 0

    def __call__(self, export: Export, _more: int = 0) -> None:
        """Take note of how far the export is."""
        status = self._status
        if export is not self._export:
            self._export, self._before = export, status.bytes_done
        status.bytes_done = self._before + export.bytes_read
        if self._watch is not None:
            self._watch(status)


def run_jobs(
    todo: dict[int, Job], executor: Executor | None, status: Status, watch: Watch, *, fail_fast: bool
) -> Iterator[tuple[int, Outcome]]:
    """Run the jobs, and yield the outcome of each as it comes."""
    follow = Follow(status, watch)
    outcomes = _one_by_one(todo, follow) if executor is None else _through(executor, todo, status, watch)
    for number, outcome in outcomes:
        status.files_done += 1
        status.failed += outcome.status == "failed"
        yield number, outcome
        if watch is not None:
            watch(status)
        if fail_fast and outcome.status == "failed":
            return


def _one_by_one(todo: dict[int, Job], follow: Follow) -> Iterator[tuple[int, Outcome]]:
    for number, job in todo.items():
        yield number, _run_here(job, follow)


def _through(executor: Executor, todo: dict[int, Job], status: Status, watch: Watch) -> Iterator[tuple[int, Outcome]]:
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor  # noqa: PLC0415 - slow to import

    elsewhere = not isinstance(executor, (ProcessPoolExecutor, ThreadPoolExecutor))  # with a working folder of its own
    futures: dict[Future[Outcome], int] = {}
    finished: SimpleQueue[Future[Outcome]] = SimpleQueue()  # waiting for a thousand futures looks at each, every time
    try:
        for number, job in todo.items():
            if job.source != "-":
                future = executor.submit(run_job, _absolute(job) if elsewhere else job)
                futures[future] = number
                future.add_done_callback(finished.put)
        for number, job in todo.items():
            if job.source == "-":  # it is this process's
                yield number, run_job(job)
        left = len(futures)
        while left:
            with suppress(Empty):
                future = finished.get(timeout=_POLL)
                left -= 1
                outcome = _result(future, todo[futures[future]])
                if not hasattr(executor, "bytes_read") and outcome.report is not None:
                    status.bytes_done += outcome.report.bytes_read
                yield futures[future], outcome
            status.bytes_done = getattr(executor, "bytes_read", status.bytes_done)
            if watch is not None:
                watch(status)
    finally:
        for future in futures:
            future.cancel()


def _result(future: Future[Outcome], job: Job) -> Outcome:
    error = future.exception()
    if error is None:
        return future.result()
    # Not one of ours: the worker died, or the executor could not reach it.
    return Outcome(job.source, "failed", error=f"{job.source}: its worker failed: {type(error).__name__}: {error}")


def _absolute(job: Job) -> Job:
    outputs = [
        Output(_absolute_name(output.target), output.format, output.compression, output.tables) for output in job.outputs
    ]
    return Job(_absolute_name(job.source), outputs, job.options, job.size)


def _absolute_name(name: str) -> str:
    return name if is_url(name) else os.path.abspath(name)
