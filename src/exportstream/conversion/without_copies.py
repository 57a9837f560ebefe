"""Counts a message once that stands in several logs, such as one of a session that was resumed or forked.

Takes: jobs, in the order of their inputs. Yields: the `Outcome` of each. Raises: nothing.
Holds: the keys of the messages of all logs, about 100 bytes each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from exportstream.conversion.jobs import Jobs
from exportstream.conversion.report import Outcome


def run_without_copies(jobs: Jobs, given: Sequence[Any]) -> Iterator[tuple[int, Outcome]]:
    """Run jobs as `Jobs.run` does; a message counts in the first input that has it and does not fail.

    In other processes each input is counted by itself first. One that has copies of earlier ones is then counted again.

    Args:
        jobs: how they are run; the report of an outcome has the `keys` of its input.
        given: the jobs. They have a field `known`, for the keys of earlier inputs.
    """
    if len(given) < 2:
        yield from jobs.run(dict(enumerate(given)))
        return
    known: set[str | bytes] = set()
    todo = {number: replace(job, known=known) for number, job in enumerate(given)}
    if jobs.executor is None:
        for number, outcome in jobs.run(todo):
            known |= _keys_of(outcome)
            yield number, outcome
        return
    held: dict[int, Outcome] = {}
    for number, outcome in jobs.run(todo):
        if _keys_of(outcome):
            held[number] = outcome
        else:
            yield number, outcome
    again = {}
    for number in sorted(held):
        keys = _keys_of(held[number])
        if copies := known & keys:
            again[number] = replace(given[number], known=copies)
        known |= keys
    jobs.status.files += len(again)
    yield from ((number, outcome) for number, outcome in held.items() if number not in again)
    yield from jobs.run(again)


def _keys_of(outcome: Outcome) -> set[str | bytes]:
    keys: set[str | bytes] = getattr(outcome.report, "keys", set())
    return keys
