"""Checks of many inputs, in this process or through any executor.

Takes: inputs. Yields: the findings of each session in the order of the inputs, and the `Outcome` of each input after them.
Raises: nothing if one input fails. Holds: nothing in this process; with an executor the findings of each input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from msgspec import field
from msgspec.structs import replace

from exportstream.conversion.inputs import Input
from exportstream.conversion.jobs import Job, Jobs
from exportstream.conversion.outcome import Counts, Outcome, outcome_of
from exportstream.conversion.plan import input_for_helpers, total_size
from exportstream.conversion.progress import Status
from exportstream.errors import ExportstreamError
from exportstream.reading.check import CheckFields, CheckSessions, check_export
from exportstream.reading.findings import SessionCheck
from exportstream.reading.limits import DEFAULT_MAX_MESSAGE_SIZE
from exportstream.reading.options import ReadOptions
from exportstream.reading.runs_ahead import RunsAhead, check_executor
from exportstream.storage.input_file import ByteSource
from exportstream.storage.names import require_one

if TYPE_CHECKING:
    from concurrent.futures import Executor


class CheckJob(Job):
    """One input to check; sessions without findings may be wanted, too."""

    all_sessions: bool = False


class _Checked(Counts):
    """The findings of one input."""

    checks: list[SessionCheck] = field(default_factory=list)


def check(
    source: ByteSource,
    *,
    max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
    max_window: int | None = None,
    executor: Executor | None = None,
) -> Iterator[SessionCheck]:
    """Read an export and yield the oddities of each of its sessions.

    Memory grows with the number of messages of the largest session, for their repeated ids.

    Args:
        source: as of `open_export`.
        max_message_size: see `open_export`.
        max_window: see `open_export`.
        executor: helps with a file of 32 MiB or more (8 MiB if it is compressed) and with a stream; see `convert_many`.
            None for this process alone.

    Raises:
        UsageError, TypeError: at once; the source is not one input, or an option has a value that it does not take.
        InputError, ReadError: as `open_export`, when the first session is asked for.
        WorkerError: a process of the executor failed.
    """
    require_one(source)
    check_executor(executor)
    options = ReadOptions(on_error="skip", max_message_size=max_message_size, max_window=max_window)
    return check_one(source, options, executor)


def check_one(source: Any, options: ReadOptions, executor: Executor | None = None) -> Iterator[SessionCheck]:
    """Yield the findings of each session of one input; see `check`."""
    return check_export(source, options, None if executor is None else RunsAhead(executor, CheckFields, CheckSessions))


def check_all(
    inputs: list[Input], options: ReadOptions, *, executor: Executor | None, all_sessions: bool
) -> Iterator[tuple[str, SessionCheck | Outcome]]:
    """Check many inputs: yield the name of each with the findings of a session, and after all of them with its outcome.

    The executor runs the checks, or helps with a large input that is nearly all. Where it runs them, sessions without
    findings are yielded with `all_sessions` only.
    """
    if executor is None or input_for_helpers(inputs, options) is not None:  # it helps with the one
        for one in inputs:
            yield from ((one.source, found) for found in _check_here(one, options, executor))
        return
    jobs = [CheckJob(one, options, all_sessions=all_sessions) for one in inputs]
    status = Status(len(jobs), total_size(inputs))
    waiting: dict[int, Outcome] = {}
    following = 0
    for number, outcome in Jobs(_run_job, executor, status).run(dict(enumerate(jobs))):
        waiting[number] = outcome
        while following in waiting:
            ended = waiting.pop(following)
            following += 1
            if isinstance(ended.report, _Checked):
                yield from ((ended.source, found) for found in ended.report.checks)
            yield ended.source, ended


def _check_here(one: Input, options: ReadOptions, executor: Executor | None = None) -> Iterator[SessionCheck | Outcome]:
    try:
        yield from check_one(one.files, options, executor)
    except ExportstreamError as error:
        yield outcome_of(one.source, error, named=one.named)
    else:
        yield Outcome(one.source, "checked")


def _run_job(job: CheckJob, count: Callable[[int], None]) -> Outcome:
    """Check one input; findings that came before an error are kept."""
    done = _Checked()
    outcome = Outcome(job.source, "checked")
    for found in _check_here(job.input, job.reading):
        if isinstance(found, Outcome):
            outcome = found
            continue
        done.sessions += found.session_id is not None
        if job.all_sessions or not found.clean or found.records:
            done.checks.append(found)
    count(job.input.size or 0)
    return replace(outcome, report=done)
