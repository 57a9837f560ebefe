"""Jobs: something to do with one input each, done here or by the workers of any executor.

Takes: jobs by number. Yields: the `Outcome` of each in the order in which they end, none for cancelled ones. Raises: nothing
if one input fails. Holds: a future for each job.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, ClassVar, Self

from msgspec import Struct, field
from msgspec.structs import replace

from exportstream.conversion.inputs import Input
from exportstream.conversion.manifest import Manifest
from exportstream.conversion.outcome import Outcome
from exportstream.conversion.progress import Status, Watch, counting
from exportstream.errors import shown, words_of_worker
from exportstream.reading.options import ReadOptions
from exportstream.storage.names import is_stream, is_url
from exportstream.writing.options import WriteOptions
from exportstream.writing.outputs import Output

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future


class Job(Struct):
    """Something to do with one input.

    Attributes:
        hint: what to do if the process that did it failed.
        input: what is read.
        reading: how.
        token: random, so that no two jobs are equal: Dask does not run a job again that it takes for the same.
    """

    hint: ClassVar[str] = ""

    input: Input
    reading: ReadOptions = ReadOptions()
    token: str = ""

    @property
    def source(self) -> str:
        """The input's name."""
        return self.input.source

    def elsewhere(self) -> Self:
        """Return the same job for a process with a working folder of its own."""
        one = self.input
        return replace(
            self,
            input=replace(one, source=_absolute(one.source), parts=tuple(map(_absolute, one.parts))),
            token=os.urandom(8).hex(),
        )


class ConvertJob(Job):
    """One input to convert.

    Attributes:
        outputs: where its rows go.
        writing: how rows are written.
        rejects: a list or a function that gets each `Reject`; it can't reach another process.
        manifest: records the outputs; None for none.
    """

    hint: ClassVar[str] = "update=True goes on where it was"

    outputs: list[Output] = field(default_factory=list)
    writing: WriteOptions = WriteOptions()
    rejects: Any = None
    manifest: Manifest | None = None

    def elsewhere(self) -> Self:
        """Return the same job for a process with a working folder of its own."""
        return replace(
            super().elsewhere(),
            outputs=[Output(_absolute(one.target), one.format, one.compression, one.tables) for one in self.outputs],
            manifest=None if self.manifest is None else Manifest(_absolute(self.manifest.folder)),
        )


def _absolute(name: str) -> str:
    return name if is_url(name) else os.path.abspath(name)


RunJob = Callable[[Any, Callable[[int], None]], Outcome]  # runs a job, and tells the bytes read since the last time
_POLL = 0.2  # seconds between two looks at the progress of the workers


class Jobs(Struct):
    """How jobs are run.

    Attributes:
        run_one: a function of a module that runs a job.
        executor: runs them; None for this process, one after another.
        status: updated as they go.
        watch: called with `status` now and then.
        fail_fast: after the first failure, cancel the jobs that have not begun and wait for those that have. A cluster does
            not tell the two apart: complete outputs may still appear there.
    """

    run_one: RunJob
    executor: Any
    status: Status
    watch: Watch = None
    fail_fast: bool = False

    def run(self, todo: Mapping[int, Job]) -> Iterator[tuple[int, Outcome]]:
        """Run some, and yield the outcome of each as soon as it is done."""
        for number, outcome in self._one_by_one(todo) if self.executor is None else self._through(self.executor, todo):
            self.status.files_done += 1
            self.status.failed += outcome.status == "failed"
            yield number, outcome
            self._show()

    def _show(self) -> None:
        if self.watch is not None:
            self.watch(self.status)

    def _ends(self, outcome: Outcome) -> bool:
        """Whether no further job is to begin."""
        return self.fail_fast and outcome.status == "failed"

    def _one_by_one(self, todo: Mapping[int, Job]) -> Iterator[tuple[int, Outcome]]:
        for number, job in todo.items():
            outcome = self.run_one(job, counting(self.status, self.watch))
            yield number, outcome
            if self._ends(outcome):
                return

    def _through(self, executor: Executor, todo: Mapping[int, Job]) -> Iterator[tuple[int, Outcome]]:
        from exportstream.conversion.pool import Workers  # noqa: PLC0415 - slow to import

        workers = executor if isinstance(executor, Workers) else None  # they count what they read, and end by themselves
        before = 0 if workers is None else workers.bytes_read
        futures: dict[Future[Outcome], int] = {}
        finished: SimpleQueue[Future[Outcome]] = SimpleQueue()  # waiting for a thousand futures looks at each, every time
        stopped = False
        try:
            futures.update(self._submitted(executor, todo))
            for future in futures:
                future.add_done_callback(finished.put)
            for number, job in todo.items():
                if is_stream(job.source) and not stopped:  # only this process has it
                    outcome = self.run_one(job, counting(self.status, self.watch))
                    stopped = self._ends(outcome) and _cancel(futures)
                    yield number, outcome
            here = self.status.bytes_done
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
                    stopped = stopped or (self._ends(outcome) and _cancel(futures))
                    yield futures[future], outcome
                self.status.bytes_done = here + (there if workers is None else workers.bytes_read - before)
                self._show()
        finally:
            if workers is None:
                _cancel(futures)

    def _submitted(self, executor: Executor, todo: Mapping[int, Job]) -> Iterator[tuple[Future[Outcome], int]]:
        """Submit the jobs that another process can do, each with its number."""
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor  # noqa: PLC0415 - slow to import

        task = partial(_run_elsewhere, self.run_one)
        elsewhere = not isinstance(executor, (ProcessPoolExecutor, ThreadPoolExecutor))  # with a working folder of its own
        given = [(number, job) for number, job in todo.items() if not is_stream(job.source)]
        if not self.fail_fast:  # which goes by the user's order
            given.sort(key=lambda numbered: numbered[1].input.size or 0, reverse=True)  # no large one comes last, alone
        for number, job in given:
            yield _submit(executor, task, job.elsewhere() if elsewhere else job), number


def _run_elsewhere(run: RunJob, job: Any) -> Outcome:
    """Run a job in another process; those of `Workers` count what they read."""
    from exportstream.conversion.pool import count_bytes  # noqa: PLC0415 - slow to import

    return run(job, count_bytes)


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
        hint = f"; {job.hint}" if job.hint else ""
        what = f"its worker {words_of_worker(error, job.source)}"
        return Outcome(job.source, "failed", error=f"{shown(job.source)}: {what}{hint}")
