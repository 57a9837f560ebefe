"""Jobs: conversions of one input each, run here or by the workers of any executor.

Takes: jobs by number. Yields: the `Outcome` of each in the order in which they end, none for cancelled ones. Raises: nothing
if one input fails. Holds: a future for each job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from exportstream.conversion.job import ConvertJob, Job
from exportstream.conversion.manifest import Manifest
from exportstream.conversion.one import convert_to
from exportstream.conversion.progress import Reading, Status, Watch, counting
from exportstream.conversion.report import Outcome, outcome_of
from exportstream.errors import ExportstreamError, mask, shown
from exportstream.storage.names import is_stream

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

RunJob = Callable[[Any, Callable[[int], None]], Outcome]  # runs a job, and tells the bytes read since the last time
_POLL = 0.2  # seconds between two looks at the progress of the workers


def run_job(job: ConvertJob, count: Callable[[int], None] = lambda _: None, *, executor: Executor | None = None) -> Outcome:
    """Convert one input.

    Args:
        job: the input and its outputs.
        count: called now and then with the bytes read since the last time, as stored.
        executor: helps with a large file; see `convert`.
    """
    reading = Reading(count)
    try:
        done = convert_to(
            [job.input.files],
            job.outputs,
            job.reading,
            job.writing,
            rejects=job.rejects,
            executor=executor,
            progress=reading,
            manifest=None if job.folder is None else Manifest(job.folder),
        )
    except ExportstreamError as error:
        return outcome_of(job.source, error, named=job.input.named)
    reading.up_to(done.bytes_read)
    return Outcome(job.source, "converted", report=done)


def _run_counted(run: RunJob, job: Any) -> Outcome:
    """Run a job in a process of `Workers`, which count what they read."""
    from exportstream.conversion.pool import count_bytes  # noqa: PLC0415 - slow to import

    return run(job, count_bytes)


def _run_uncounted(run: RunJob, job: Any) -> Outcome:
    """Run a job in another process."""
    return run(job, lambda _: None)


def run_jobs(
    todo: Mapping[int, Job],
    executor: Executor | None,
    status: Status,
    watch: Watch,
    *,
    fail_fast: bool,
    run: RunJob = run_job,
) -> Iterator[tuple[int, Outcome]]:
    """Run the jobs, and yield the outcome of each as soon as it is done.

    Args:
        todo: jobs by number.
        executor: runs them; None for this process, one after another.
        status: updated as they go.
        watch: called with `status` now and then.
        fail_fast: after the first failure, cancel the jobs that have not begun and wait for those that have. A cluster does
            not tell the two apart: complete outputs may still appear there.
        run: a function of a module that runs a job.
    """
    if executor is None:
        outcomes = _one_by_one(todo, status, watch, fail_fast=fail_fast, run=run)
    else:
        outcomes = _through(executor, todo, status, watch, fail_fast=fail_fast, run=run)
    for number, outcome in outcomes:
        status.files_done += 1
        status.failed += outcome.status == "failed"
        yield number, outcome
        if watch is not None:
            watch(status)


def _one_by_one(
    todo: Mapping[int, Job], status: Status, watch: Watch, *, fail_fast: bool, run: RunJob
) -> Iterator[tuple[int, Outcome]]:
    for number, job in todo.items():
        outcome = run(job, counting(status, watch))
        yield number, outcome
        if fail_fast and outcome.status == "failed":
            return


def _through(
    executor: Executor, todo: Mapping[int, Job], status: Status, watch: Watch, *, fail_fast: bool, run: RunJob
) -> Iterator[tuple[int, Outcome]]:
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor  # noqa: PLC0415 - slow to import

    from exportstream.conversion.pool import Workers  # noqa: PLC0415 - likewise

    workers = executor if isinstance(executor, Workers) else None  # they count what they read, and end by themselves
    task = partial(_run_uncounted if workers is None else _run_counted, run)
    before = 0 if workers is None else workers.bytes_read
    elsewhere = not isinstance(executor, (ProcessPoolExecutor, ThreadPoolExecutor))  # with a working folder of its own
    futures: dict[Future[Outcome], int] = {}
    finished: SimpleQueue[Future[Outcome]] = SimpleQueue()  # waiting for a thousand futures looks at each, every time
    stopped = False
    try:
        given = list(todo.items())
        if not fail_fast:  # which goes by the user's order
            given.sort(key=_size_of, reverse=True)  # no large one comes last, alone
        for number, job in given:
            if not is_stream(job.source):
                futures[_submit(executor, task, job.elsewhere() if elsewhere else job)] = number
        for future in futures:
            future.add_done_callback(finished.put)
        for number, job in todo.items():
            if is_stream(job.source) and not stopped:  # only this process has it
                outcome = run(job, counting(status, watch))
                stopped = fail_fast and outcome.status == "failed" and _cancel(futures)
                yield number, outcome
        here = status.bytes_done
        there = 0  # bytes of the inputs that are done
        left = len(futures)
        while left:
            with suppress(Empty):
                future = finished.get(timeout=_POLL)
                left -= 1
                if stopped and future.cancelled():
                    continue
                outcome = _result(future, todo[futures[future]])
                if outcome.report is not None:
                    there += outcome.report.bytes_read
                stopped = stopped or (fail_fast and outcome.status == "failed" and _cancel(futures))
                yield futures[future], outcome
            status.bytes_done = here + (there if workers is None else workers.bytes_read - before)
            if watch is not None:
                watch(status)
    finally:
        if workers is None:
            _cancel(futures)


def _size_of(numbered: tuple[int, Job]) -> int:
    return numbered[1].input.size or 0


def _submit(executor: Executor, task: Callable[[Any], Outcome], job: Job) -> Future[Outcome]:
    try:
        return executor.submit(task, job)
    except RuntimeError as error:  # a pool whose worker has died refuses jobs
        from concurrent.futures import Future  # noqa: PLC0415 - slow to import

        refused: Future[Outcome] = Future()
        refused.set_exception(error)
        return refused


def _cancel(futures: Iterable[Future[Outcome]]) -> bool:
    """Cancel the jobs that have not begun; return True."""
    for future in futures:
        future.cancel()
    return True


def _result(future: Future[Outcome], job: Job) -> Outcome:
    try:
        outcome = future.result()
        return replace(outcome, source=job.source)  # a cluster was given the absolute name
    except Exception as error:  # noqa: BLE001 - of the executor: a worker died, or can't be reached
        words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        hint = "; update=True goes on where it was" if isinstance(job, ConvertJob) else ""
        return Outcome(
            job.source, "failed", error=f"{shown(job.source)}: its worker failed: {mask(words, job.source)}{hint}"
        )
