"""Counts inputs: the totals and groups of each, and a message once that stands in several logs, as of a resumed session.

Takes: a source, or jobs in the order of their inputs. Returns: an `InputCount`, or the `Outcome` of each job.
Raises: every `InputError` and `ReadError`, `WorkerError` of one input. Holds: its groups; the keys of the messages of all
logs, about 100 bytes each.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import field
from msgspec.structs import replace

from exportstream.conversion.jobs import Jobs
from exportstream.conversion.outcome import Counts, Outcome
from exportstream.conversion.plan import total_size
from exportstream.errors import ExportstreamError
from exportstream.reading.export import Export
from exportstream.reading.options import ReadOptions
from exportstream.reading.runs_ahead import RunsAhead
from exportstream.storage.names import STDIN, is_once, is_stream
from exportstream.totals.batch import Batch
from exportstream.totals.group_keys import MESSAGE
from exportstream.totals.groups import Grouping
from exportstream.totals.prices import Prices
from exportstream.totals.seen import Dedupe
from exportstream.totals.table_options import GroupOptions

if TYPE_CHECKING:
    from concurrent.futures import Executor


class InputCount(Counts):
    """What was read of one input, its groups, and the keys of its messages if it is a log."""

    grouping: Grouping = field(default_factory=lambda: Grouping(()))
    keys: set[str | bytes] = field(default_factory=set)

    @property
    def is_extreme(self) -> bool:
        """Whether costs are, or those of a group."""
        return super().is_extreme or self.grouping.is_extreme

    def alone(self) -> Counts:
        """Return what was read, without groups and keys."""
        return Counts(**{name: getattr(self, name) for name in Counts.__struct_fields__})


def count_one(
    source: Any,
    name: str,
    reading: ReadOptions,
    groups: GroupOptions,
    *,
    seen: Dedupe | None = None,
    known: Container[str | bytes] | None = None,
    executor: Executor | None = None,
    progress: Callable[[Export], None],
) -> InputCount:
    """Count one input; see `total_one`.

    Args:
        source: as of `open_export`.
        name: the name of its groups by file.
        reading: how it is read.
        groups: which groups are made.
        seen: with `dedupe`, what came before.
        known: keys of messages of logs that came before.
        executor: helps with a large file of sessions or chats.
        progress: called with the open `Export` after each batch.
    """
    positions, short = (MESSAGE,) in groups.by, not groups.is_by_size
    helpers, name = None, STDIN if is_stream(source) else name  # as `Source.name`
    if executor is not None and not (positions or reading.dedupe):  # these go by what came before
        helpers = RunsAhead(executor, partial(_GroupWork, groups, name))
    with Export(source, reading, seen=seen, known=known, positions=positions, helpers=helpers, figures_only=short) as export:
        done = InputCount(grouping=Grouping(groups.by, groups.range, name, distinct=reading.dedupe, top=groups.top))
        for batch in export.batches():
            if groups.by:
                try:
                    if batch.worked is None:
                        done.grouping.add(batch, export.prices)
                    elif batch.worked.sessions:
                        done.grouping.merge(batch.worked.made)
                    else:
                        done.grouping.merge_part(batch.worked.made)
                except ExportstreamError as error:  # of a sum
                    error.locate(source=export.name)
                    raise
            del batch  # its memory is taken by the next one
            progress(export)
        done.grouping.close()
        done.add(export)
        done.keys = export.keys
    return done


class _GroupWork:
    """Groups of the messages of a run; see `reading.run.Work`."""

    by_session = False
    skips_replaced = True

    def __init__(self, groups: GroupOptions, name: str) -> None:
        self._grouping = Grouping(groups.by, groups.range, name)

    def add(self, batch: Batch, prices: Prices | None) -> None:
        """Add messages, and the sessions that end among them."""
        if self._grouping.tables:
            self._grouping.add(batch, prices)

    def finish(self) -> Grouping:
        """Return the groups."""
        return self._grouping


Keys = set[str | bytes]


def run_without_copies(jobs: Jobs, given: Sequence[Any]) -> Iterator[tuple[int, Outcome]]:
    """Run jobs as `Jobs.run` does; a message counts in the first input that has it and does not fail.

    In other processes each input is counted by itself first. One that has copies of earlier ones is then counted again. A
    pipe can't be: where one is among the inputs, they are counted here, one after the other. The report of an outcome has
    the `keys` of its input; a job's `known` are those of earlier ones.
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
