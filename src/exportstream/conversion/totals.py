"""Totals of many inputs, also by group, in this process or through any executor.

Takes: the names of inputs. Returns: a `TotalsReport`. Raises: `UsageError` before any work; the error of one input is in its
`Outcome`. Holds: a job and an outcome for each input, and the groups.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import field
from msgspec.structs import replace

from exportstream.conversion.counting import InputCount, count_one, run_without_copies
from exportstream.conversion.inputs import find_inputs
from exportstream.conversion.jobs import Job, Jobs, RunJob
from exportstream.conversion.outcome import Counts, Outcome, WithOutcomes, add_up, is_extreme, outcome_of
from exportstream.conversion.plan import input_for_helpers, total_size
from exportstream.conversion.progress import ReadProgress, Status, Watch
from exportstream.errors import ExportstreamError, UsageError, check_flags, label
from exportstream.reading.export import Export
from exportstream.reading.limits import DEFAULT_MAX_MESSAGE_SIZE
from exportstream.reading.options import OnError, ReadOptions
from exportstream.reading.price_lists import read_prices
from exportstream.reading.runs_ahead import check_executor
from exportstream.storage.names import Name, is_once
from exportstream.totals.groups import Grouping
from exportstream.totals.make_tables import make_tables
from exportstream.totals.periods import Range
from exportstream.totals.seen import Dedupe
from exportstream.totals.table_options import GroupOptions, as_bound, split_words
from exportstream.totals.tables import GroupTable
from exportstream.totals.text import WIDTH

if TYPE_CHECKING:
    from concurrent.futures import Executor


class TotalsReport(Counts, WithOutcomes):
    """Returned by `totals_many`: what was read (see `Counts`), with the totals of all inputs, and the tables.

    Attributes:
        tables: one for each `by`.
        range: which messages are in the tables; `totals` has all of them.
        outcomes: one for each input, in their order; memory grows with the number of inputs. Failed inputs count nowhere.
        seconds: wall time.
    """

    tables: list[GroupTable] = field(default_factory=list)
    range: Range = Range()
    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain values: the tables, and the inputs that failed, are no exports, or were cut."""
        return {
            **msgspec.to_builtins(self.range),
            "tables": [table.to_dict() for table in self.tables],
            **({} if self.totals.priced is None else {"prices": msgspec.to_builtins(self.totals.priced.lists)}),
            "inputs": len(self.outcomes),
            "failed": [outcome.to_dict() for outcome in self.failed],
            "ignored": [outcome.to_dict() for outcome in self.ignored],
            "cut": {label(name): messages for name, messages in self.cut.items()},
            "doubtful": list(map(label, self.doubtful)),
        }

    def __str__(self) -> str:
        failed = "".join(f"\n{outcome.status}: {outcome.error}" for outcome in self.failed)
        return f"{self.to_text()}\n{failed}" if failed else self.to_text()

    def __repr__(self) -> str:
        counts = f"inputs={len(self.outcomes)}, failed={len(self.failed)}, messages={self.messages}"
        return f"TotalsReport({counts}, tables={len(self.tables)})"

    def to_text(self, width: int = WIDTH) -> str:
        """Return the tables as text of so many columns; without any the totals in brief."""
        if not self.tables:
            return repr(self.totals)
        return "\n\n".join(table.to_text(width) for table in self.tables)

    def _repr_html_(self) -> str:
        """Show the tables in a notebook."""
        import html  # noqa: PLC0415 - only for notebooks

        return f"<pre>{html.escape(str(self))}</pre>"


class TotalsJob(Job):
    """One input whose totals are asked for.

    Attributes:
        name: the name of its groups by file; `source` may be an absolute one, for a cluster.
        groups: which groups are made.
        seen: with `dedupe`, what came before; it can't reach another process.
        known: keys of messages of logs that came before; None if there are no other inputs.
    """

    name: str = ""
    groups: GroupOptions = GroupOptions()
    seen: Dedupe | None = None
    known: set[str | bytes] | None = None


def totals_many(
    sources: Name | Iterable[Any],
    *,
    by: str | Iterable[str | Iterable[str]] = (),
    since: str | date | None = None,
    until: str | date | None = None,
    tz: str | None = None,
    sort: str | None = None,
    top: int | None = None,
    executor: Executor | None = None,
    on_error: OnError | None = None,
    max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
    max_window: int | None = None,
    dedupe: bool = False,
    prices: Name | None = None,
    fail_fast: bool = False,
    exclude: str | Iterable[str] = (),
    progress: Watch = None,
) -> TotalsReport:
    """Count the totals of many exports, all together and by group.

    Memory grows with the number of groups and inputs, not with their size.

    Args:
        sources: as of `convert_many`.
        by: ``session``, ``file``, ``project``, ``producer``, ``model``, ``role``, ``tool``, ``day``, ``week``, ``month``,
            ``hour`` or ``finish-reason``; several joined by commas for a table of their combinations, such as
            ``"day,model"``; a list for several tables. The project of a message is that of its session. By ``tool`` calls
            are counted, and nothing else. ``field`` gives the bytes of each field of messages, of results by tool and of
            unknown keys by key; ``message`` alone lists the largest `top` messages.
        since: count only messages created at this time or later: a date or date-time, by the clock of each text unless it
            has an offset or `tz` is given; or hours, days or weeks before now, such as ``7d``. Messages without a date are
            counted apart.
        until: count only messages created before this time.
        tz: a time zone such as ``Europe/Berlin``, or ``local``, for days and ranges. None: the offset of each text.
        sort: a word of `by` or a figure, such as ``cost`` or ``output-tokens``. None: dates in their order, other groups
            from the largest cost.
        top: give only the first groups a row of their own, the others one together.
        executor: see `convert_many`. It helps with a file of 32 MiB or more (8 MiB if it is compressed) that is nearly all,
            unless `dedupe` or groups by message are asked for.
        on_error: see `open_export`; so are all up to `prices`.
        max_message_size: see `open_export`.
        max_window: see `open_export`.
        dedupe: see `open_export`; over all inputs, each of which is read twice, to leave a bad one out. Not with an
            executor.
        prices: see `open_export`; the tables get the figures ``pricedCost`` and ``unpricedMessages``.
        fail_fast: after the first failure, cancel the inputs that have not begun.
        exclude: see `convert_many`.
        progress: called with a `Status` now and then.

    Returns:
        The totals, a table for each of `by` (one of a single row for a range without `by`), and the outcome of each input.
        An input that fails does not stop the others, and is left out of all figures.

    Raises:
        UsageError: before any work: a word is none of these, or there is no input.
        ReadError: a folder that is named can't be read.
    """
    tables = split_words(by)
    groups = GroupOptions(
        by=tables or (((),) if since is not None or until is not None else ()),
        range=Range(since=as_bound(since), until=as_bound(until), tz=tz),
        sort=sort,
        top=top,
        priced=prices is not None,
    )
    reading = ReadOptions(
        on_error=on_error, max_message_size=max_message_size, max_window=max_window, dedupe=dedupe, prices=prices
    )
    found = find_inputs(sources, exclude=exclude)
    return total_all(found, reading, groups, executor=executor, fail_fast=fail_fast, progress=progress)


def total_all(
    sources: Name | Iterable[Any],
    reading: ReadOptions,
    groups: GroupOptions,
    *,
    executor: Executor | None = None,
    fail_fast: bool = False,
    progress: Watch = None,
) -> TotalsReport:
    """Count the totals of many exports as their options say; see `totals_many`."""
    started = time.monotonic()
    if reading.dedupe and executor is not None:
        raise UsageError("`dedupe` goes over all inputs, in one process", hint="leave the executor out")
    check_executor(executor)
    check_flags(fail_fast=fail_fast)
    reading = read_prices(reading)
    seen = Dedupe() if reading.dedupe else None
    inputs = find_inputs(sources)
    jobs = [TotalsJob(one, reading, name=one.source, groups=groups, seen=seen) for one in inputs]
    run_one: RunJob = _run_job
    if executor is not None and input_for_helpers(inputs, reading) is not None:
        run_one, executor = partial(_run_job, executor=executor), None  # it helps with the one
    status = Status(len(jobs), total_size(inputs))
    done = TotalsReport(range=groups.range)
    grouping = Grouping(groups.by, groups.range, distinct=reading.dedupe, top=groups.top)
    outcomes: dict[int, Outcome] = {}
    for number, outcome in run_without_copies(Jobs(run_one, executor, status, progress, fail_fast), jobs):
        outcomes[number] = outcome
        if isinstance(outcome.report, InputCount) and not is_extreme(outcome):
            grouping.merge(outcome.report.grouping)
            outcomes[number] = replace(outcome, report=outcome.report.alone())
    done.outcomes = [outcomes.get(number) or Outcome(job.source, "cancelled") for number, job in enumerate(jobs)]
    add_up(done, done.outcomes, hint="count it by itself", grouping=grouping)
    done.tables = make_tables(grouping, groups)
    done.seconds = time.monotonic() - started
    return done


def total_one(
    source: Any,
    reading: ReadOptions,
    groups: GroupOptions,
    *,
    executor: Executor | None = None,
    progress: Callable[[Export], None] = lambda _: None,
) -> TotalsReport:
    """Count the totals of one export as their options say; see `totals_many`.

    Raises:
        InputError, ReadError: as `open_export`.
        WorkerError: a process of the executor failed.
    """
    started = time.monotonic()
    reading = read_prices(reading)
    counted = count_one(source, str(source), reading, groups, executor=executor, progress=progress)
    done = TotalsReport(range=groups.range, outcomes=[Outcome(str(source), "counted", counted.alone())])
    done.merge(counted)
    done.tables = make_tables(counted.grouping, groups)
    done.seconds = time.monotonic() - started
    return done


def _run_job(job: TotalsJob, count: Callable[[int], None], executor: Executor | None = None) -> Outcome:
    reading = ReadProgress(count)
    try:
        if job.seen is not None and not is_once(job.source):  # what a bad input has must not drop a copy elsewhere
            with Export(job.input.files, replace(job.reading, dedupe=False), only_messages=True) as export:
                for _ in export.batches():
                    pass
        done = count_one(
            job.input.files,
            job.name,
            job.reading,
            job.groups,
            seen=job.seen,
            known=job.known,
            executor=executor,
            progress=reading,
        )
    except ExportstreamError as error:
        return outcome_of(job.source, error, named=job.input.named)
    reading.up_to(done.bytes_read)
    return Outcome(job.source, "counted", done)
