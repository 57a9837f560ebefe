"""Jobs: conversions of one input each, run here or by the workers of any executor.

Takes: jobs by number. Yields: the `Outcome` of each as it comes, none for those that were cancelled. Raises: nothing
for what is wrong with one input. Holds: a future for each job.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from msgspec.structs import replace

from exportstream.conversion.one import convert_to
from exportstream.conversion.plan import Job
from exportstream.conversion.progress import Reading, Status, Watch, count_bytes, counting
from exportstream.conversion.report import Outcome
from exportstream.errors import ExportstreamError, mask, shown
from exportstream.storage.names import is_url
from exportstream.writing.outputs import Output

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

_POLL = 0.2  # seconds between two looks at how far the workers are


def run_job(job: Job) -> Outcome:
    """Convert one input; what an executor's worker does."""
    return _run_here(job, count_bytes)


def _run_here(job: Job, count: Callable[[int], None]) -> Outcome:
    reading = Reading(count)
    try:
        done = convert_to([job.source], job.outputs, job.reading, job.writing, rejects=job.rejects, progress=reading)
    except ExportstreamError as error:
        return Outcome(job.source, "failed", error=str(error))
    reading.up_to(done.bytes_read)
    return Outcome(job.source, "converted", report=done)


def run_jobs(
    todo: dict[int, Job], executor: Executor | None, status: Status, watch: Watch, *, fail_fast: bool
) -> Iterator[tuple[int, Outcome]]:
    """Run the jobs, and yield the outcome of each as it comes.

    With `fail_fast` what has not begun is cancelled after the first failure; what has begun is waited for. A cluster does
    not tell the two apart: there an output may still appear, whole.
    """
    if executor is None:
        outcomes = _one_by_one(todo, status, watch, fail_fast=fail_fast)
    else:
        outcomes = _through(executor, todo, status, watch, fail_fast=fail_fast)
    for number, outcome in outcomes:
        status.files_done += 1
        status.failed += outcome.status == "failed"
        yield number, outcome
        if watch is not None:
            watch(status)


def _one_by_one(todo: dict[int, Job], status: Status, watch: Watch, *, fail_fast: bool) -> Iterator[tuple[int, Outcome]]:
    for number, job in todo.items():
        outcome = _run_here(job, counting(status, watch))
        yield number, outcome
        if fail_fast and outcome.status == "failed":
            return


def _through(
    executor: Executor, todo: dict[int, Job], status: Status, watch: Watch, *, fail_fast: bool
) -> Iterator[tuple[int, Outcome]]:
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor  # noqa: PLC0415 - slow to import

    elsewhere = not isinstance(executor, (ProcessPoolExecutor, ThreadPoolExecutor))  # with a working folder of its own
    futures: dict[Future[Outcome], int] = {}
    finished: SimpleQueue[Future[Outcome]] = SimpleQueue()  # waiting for a thousand futures looks at each, every time
    ours = hasattr(executor, "bytes_read")  # a pool that counts for itself, and ends by itself
    before = getattr(executor, "bytes_read", 0)
    stopped = False
    try:
        for number, job in todo.items():
            if job.source != "-":
                futures[_submit(executor, _absolute(job) if elsewhere else job)] = number
        for future in futures:
            future.add_done_callback(finished.put)
        for number, job in todo.items():
            if job.source == "-" and not stopped:  # it is this process's
                outcome = run_job(job)
                stopped = fail_fast and outcome.status == "failed" and _cancel(futures)
                yield number, outcome
        left = len(futures)
        while left:
            with suppress(Empty):
                future = finished.get(timeout=_POLL)
                left -= 1
                if stopped and future.cancelled():
                    continue
                outcome = _result(future, todo[futures[future]])
                if not ours and outcome.report is not None:
                    status.bytes_done += outcome.report.bytes_read
                stopped = stopped or (fail_fast and outcome.status == "failed" and _cancel(futures))
                yield futures[future], outcome
            status.bytes_done = getattr(executor, "bytes_read", before + status.bytes_done) - before
            if watch is not None:
                watch(status)
    finally:
        if not ours:
            _cancel(futures)


def _submit(executor: Executor, job: Job) -> Future[Outcome]:
    try:
        return executor.submit(run_job, job)
    except RuntimeError as error:  # a pool whose worker has died takes no more
        from concurrent.futures import Future  # noqa: PLC0415 - slow to import

        refused: Future[Outcome] = Future()
        refused.set_exception(error)
        return refused


def _cancel(futures: Iterable[Future[Outcome]]) -> bool:
    """Cancel what has not begun; always true."""
    for future in futures:
        future.cancel()
    return True


def _result(future: Future[Outcome], job: Job) -> Outcome:
    try:
        outcome = future.result()
        return Outcome(job.source, outcome.status, outcome.report, outcome.error)  # a cluster has the absolute name
    except Exception as error:  # noqa: BLE001 - not one of ours: the worker died, or can't be reached
        words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return Outcome(
            job.source,
            "failed",
            error=f"{shown(job.source)}: its worker failed: {mask(words, job.source)}; update=True goes on where it was",
        )


def _absolute(job: Job) -> Job:
    outputs = [
        Output(_absolute_name(output.target), output.format, output.compression, output.tables) for output in job.outputs
    ]
    return replace(job, source=_absolute_name(job.source), outputs=outputs, token=os.urandom(8).hex())


def _absolute_name(name: str) -> str:
    return name if is_url(name) else os.path.abspath(name)
