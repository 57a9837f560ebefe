"""Counts a message once that stands in several logs, such as one of a session that was resumed or forked.

Takes: jobs, in the order of their inputs. Yields: the `Outcome` of each. Raises: nothing.
Holds: the keys of the messages of all logs, about 100 bytes each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from exportstream.conversion.jobs import RunJob, run_jobs
from exportstream.conversion.progress import Status, Watch
from exportstream.conversion.report import Outcome

if TYPE_CHECKING:
    from concurrent.futures import Executor


def run_without_copies(
    jobs: Sequence[Any], executor: Executor | None, status: Status, watch: Watch, *, fail_fast: bool, run: RunJob
) -> Iterator[tuple[int, Outcome]]:
    """Run jobs as `run_jobs` does; a message counts in the first input that has it and does not fail.

    In other processes each input is counted by itself first. One that has copies of earlier ones is then counted again.

    Args:
        jobs: they have a field `known`, for the keys of earlier inputs.
        executor: as of `run_jobs`, as all others.
        status: see `executor`.
        watch: see `executor`.
        fail_fast: see `executor`.
        run: see `executor`; the report of an outcome has the `keys` of its input.
    """
    if len(jobs) < 2:
        yield from run_jobs(dict(enumerate(jobs)), executor, status, watch, fail_fast=fail_fast, run=run)
        return
    known: set[str | bytes] = set()
    todo = {number: replace(job, known=known) for number, job in enumerate(jobs)}
    if executor is None:
        for number, outcome in run_jobs(todo, executor, status, watch, fail_fast=fail_fast, run=run):
            known |= _keys_of(outcome)
            yield number, outcome
        return
    held: dict[int, Outcome] = {}
    for number, outcome in run_jobs(todo, executor, status, watch, fail_fast=fail_fast, run=run):
        if _keys_of(outcome):
            held[number] = outcome
        else:
            yield number, outcome
    again = {}
    for number in sorted(held):
        keys = _keys_of(held[number])
        if copies := known & keys:
            again[number] = replace(jobs[number], known=copies)
        known |= keys
    status.files += len(again)
    yield from ((number, outcome) for number, outcome in held.items() if number not in again)
    yield from run_jobs(again, executor, status, watch, fail_fast=fail_fast, run=run)


def _keys_of(outcome: Outcome) -> set[str | bytes]:
    keys: set[str | bytes] = getattr(outcome.report, "keys", set())
    return keys
