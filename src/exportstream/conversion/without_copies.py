"""Counts a message once that stands in several logs, such as one of a session that was resumed or forked.

Takes: jobs, in the order of their inputs. Yields: the `Outcome` of each. Raises: nothing.
Holds: the keys of the messages of all logs, about 100 bytes each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from exportstream.conversion.jobs import Jobs
from exportstream.conversion.outcome import Outcome
from exportstream.conversion.plan import total_size
from exportstream.storage.names import is_once

Keys = set[str | bytes]


def run_without_copies(jobs: Jobs, given: Sequence[Any]) -> Iterator[tuple[int, Outcome]]:
    """Run jobs as `Jobs.run` does; a message counts in the first input that has it and does not fail.

    In other processes each input is counted by itself first. One that has copies of earlier ones is then counted again. A
    pipe can't be: where one is among the inputs, they are counted here, one after the other.

    Args:
        jobs: how they are run; the report of an outcome has the `keys` of its input.
        given: the jobs. They have a field `known`, for the keys of earlier inputs.
    """
    if len(given) < 2:
        yield from jobs.run(dict(enumerate(given)))
    elif jobs.executor is None or any(is_once(job.source) for job in given):
        yield from _one_by_one(replace(jobs, executor=None), given)
    else:
        yield from _again(jobs, given)


def _one_by_one(jobs: Jobs, given: Sequence[Any]) -> Iterator[tuple[int, Outcome]]:
    known: Keys = set()
    for number, outcome in jobs.run({number: replace(job, known=known) for number, job in enumerate(given)}):
        known |= _keys_of(outcome)
        yield number, outcome


def _again(jobs: Jobs, given: Sequence[Any]) -> Iterator[tuple[int, Outcome]]:
    held: dict[int, Outcome] = {}
    for number, outcome in jobs.run({number: replace(job, known=set()) for number, job in enumerate(given)}):
        if _keys_of(outcome):
            held[number] = outcome
        else:
            yield number, outcome
    keys = {number: _keys_of(outcome) for number, outcome in held.items()}
    told: dict[int, Keys] = {number: set() for number in keys}  # the copies that each has left out
    while again := {number: copies for number, copies in _copies(keys) if copies != told[number]}:
        if jobs.fail_fast and jobs.status.failed:
            held = {number: outcome for number, outcome in held.items() if number not in again}
            break
        jobs.status.files += len(again)
        if jobs.status.bytes_total is not None:
            jobs.status.bytes_total += total_size(given[number].input for number in again) or 0
        for number, outcome in jobs.run({number: replace(given[number], known=again[number]) for number in again}):
            told[number], held[number] = again[number], outcome
            if outcome.report is None:  # it failed this time: its messages count in a later input
                del keys[number]
    yield from held.items()


def _copies(keys: Mapping[int, Keys]) -> Iterator[tuple[int, Keys]]:
    """Yield what each input has of those before it."""
    known: Keys = set()
    for number in sorted(keys):
        yield number, known & keys[number]
        known |= keys[number]


def _keys_of(outcome: Outcome) -> Keys:
    keys: Keys = getattr(outcome.report, "keys", set())
    return keys
