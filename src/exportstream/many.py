"""Many inputs: one output each, in this process or through any executor; or one output of all.

Takes: what a user names as inputs, and a folder (or one output). Returns: a `ManyReport`. Raises: `UsageError` before any
work; what is wrong with one input is in its `Outcome`. Holds: a job and an outcome for each input, besides what one
conversion holds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from exportstream.backends import local_path
from exportstream.convert import convert_to
from exportstream.errors import ExportstreamError, UsageError
from exportstream.export import Export
from exportstream.inputs import Input, find_inputs
from exportstream.jobs import Job, Reading, Status, Watch, counting, run_jobs
from exportstream.outputs import Output, Wanted, decide_outputs, looks_like_file, refuse_same_files, rejects_name
from exportstream.plan import (
    is_current,
    make_folders,
    names_of,
    plan_jobs,
    refuse_existing,
    refuse_shared,
    total_size,
    try_options,
)
from exportstream.report import ManyReport, Outcome, Report, open_report

if TYPE_CHECKING:
    from concurrent.futures import Executor


def convert_many(
    sources: Iterable[Any],
    target_dir: Any,
    *,
    executor: Executor | None = None,
    format: str | None = None,  # noqa: A002 - the field's word
    compression: str | None = None,
    table: str | Iterable[str] | None = None,
    force: bool = False,
    update: bool = False,
    fail_fast: bool = False,
    report: Any = None,
    progress: Watch = None,
    **options: Any,
) -> ManyReport:
    """Convert many exports, one output each, with the same relative names under a folder.

    Args:
        sources: files, folders, globs, URLs, ``-``; see `inputs.find_inputs`.
        target_dir: the folder (or URL) of the outputs: ``DIR/NAME.ndjson.zst``; with several tables
            ``DIR/TABLE/NAME.ndjson.zst``.
        executor: any `concurrent.futures.Executor`: a pool of processes, or ``client.get_executor()`` of Dask, whose
            workers have to see the same files. Without one, files are converted one after the other in this process.
        format: as of `convert`; so are `compression` and `table`.
        compression: see `convert`.
        table: see `convert`.
        force: replace outputs that exist.
        update: skip inputs whose outputs are newer than they are, and replace older ones.
        fail_fast: after the first failure, cancel what has not begun; a cluster may still finish what it has begun.
        report: a path for the report as JSON.
        progress: called with a `Status` now and then.
        **options: as of `convert`.

    Returns:
        The outcome of each input, and the sums over those converted. An input that fails does not stop the others.

    Raises:
        UsageError: before any work: outputs that exist, that are inputs, or that two inputs would share.
        ReadError, WriteError: a folder can't be read or made, or the report can't be written.
    """
    started = time.monotonic()
    folder = local_path(os.fsdecode(target_dir))
    if folder in ("", "-"):
        raise UsageError(f"expected a folder for the outputs, found {folder!r}", hint="name one, such as rows/")
    if looks_like_file(folder) and not os.path.isdir(folder):
        raise UsageError(f"expected a folder for the outputs, found the name of a file: {folder}", hint="end it in /")
    wanted = Wanted.of(format, compression, table)
    rejects = options.get("rejects")
    if isinstance(rejects, (str, os.PathLike)):
        raise UsageError("--rejects FILE goes with one output only", hint="leave it out: each output gets its own")
    if rejects is not None and executor is not None:
        raise UsageError("a list or function for rejects does not reach workers", hint="leave it out: they go to files")
    jobs = plan_jobs(find_inputs(sources, without=[folder, report]), folder, wanted, options)
    refuse_shared(jobs, report)
    try_options(jobs[0].outputs if jobs else [], options)
    done = ManyReport(source=f"{len(jobs):,} inputs")
    outcomes: dict[int, Outcome] = {}
    todo: dict[int, Job] = {}
    for number, job in enumerate(jobs):
        if update and is_current(job.source, job.outputs):
            outcomes[number] = Outcome(job.source, "skipped")
        else:
            todo[number] = job
    if not force and not update:
        refuse_existing([name for job in todo.values() for name in names_of(job)], report)
    for job in todo.values():
        # What stands there now was looked at above; a job that an executor gives to a second worker, since the first one
        # died, may find its own output there.
        job.options = {**job.options, "force": force or update or executor is not None}
    make_folders(todo.values())
    with open_report(report, force=force or update) as write_report:
        status = Status(len(todo), total_size(todo.values()))
        outcomes.update(run_jobs(todo, executor, status, progress, fail_fast=fail_fast))
        done.outcomes = [outcomes.get(number) or Outcome(job.source, "cancelled") for number, job in enumerate(jobs)]
        for outcome in done.outcomes:  # in their order, whichever came first
            if outcome.report is not None:
                done.merge(outcome.report)
        done.seconds = time.monotonic() - started
        write_report(done)
    return done


def merge_many(
    sources: Iterable[Any],
    target: Any,
    *,
    format: str | None = None,  # noqa: A002
    compression: str | None = None,
    table: str | Iterable[str] | None = None,
    fail_fast: bool = False,
    report: Any = None,
    progress: Watch = None,
    **options: Any,
) -> ManyReport:
    """Convert many exports into one output, in the given order.

    A row that is written can't be taken back, so each input is read once before the first row is written, and left out if
    it fails; with `fail_fast`, and for ``-``, it is read once only, and a failure leaves no output at all.

    Args:
        sources: as of `convert_many`.
        target: the output, as of `convert`; so are `format`, `compression` and `table`.
        format: see `convert`.
        compression: see `convert`.
        table: see `convert`.
        fail_fast: read each input once, and stop at the first that fails.
        report: a path for the report as JSON.
        progress: called with a `Status` now and then.
        **options: as of `convert`.

    Returns:
        The outcome of each input, and the sums over those in the output. Where all inputs fail there is no output.

    Raises:
        InputError, ReadError: with `fail_fast` or from ``-``.
        UsageError, WriteError: as of `convert`.
    """
    started = time.monotonic()
    outputs = decide_outputs("-", target, Wanted.of(format, compression, table))
    rejects, force = options.get("rejects"), bool(options.get("force"))
    inputs = find_inputs(sources, without=[*(output.target for output in outputs), report, rejects])
    if options.get("on_error") == "skip" and rejects is None:
        options["rejects"] = rejects = rejects_name(outputs[0].target, inputs[0].source)
    written = [output.target for output in outputs]
    refuse_same_files(
        [
            *(("input", found.source) for found in inputs),
            *(("output", name) for name in written),
            ("rejects", rejects),
            ("report", report),
        ]
    )
    try_options(outputs, options)
    if not force:
        refuse_existing([*written, rejects], report)
    status = Status(len(inputs), total_size(inputs))
    outcomes = [Outcome(found.source, "converted") for found in inputs]
    if not fail_fast:
        _read_first(inputs, outcomes, status, progress, options)
    good = [outcome.source for outcome in outcomes if outcome.status == "converted"]
    done = ManyReport(source=f"{len(inputs):,} inputs", outcomes=outcomes)
    with open_report(report, force=force) as write_report:
        if good:
            merged = _merge(good, outputs, status, progress, options)
            done.merge(merged)
            done.outputs, done.rejects = merged.outputs, merged.rejects
        done.seconds = time.monotonic() - started
        write_report(done)
    return done


def _read_first(inputs: list[Input], outcomes: list[Outcome], status: Status, watch: Watch, options: dict[str, Any]) -> None:
    """Read each input to its end, and take note of those that fail."""
    how = {name: options[name] for name in ("on_error", "keep_partial", "max_message_size", "max_window") if name in options}
    if status.bytes_total is not None:
        status.bytes_total *= 2
    reading = Reading(counting(status, watch))
    for number, found in enumerate(inputs):
        if found.source == "-":
            continue
        try:
            with Export(found.source, **how) as export:
                for _ in export.batches():
                    reading(export)
                reading(export)
        except ExportstreamError as error:
            outcomes[number] = Outcome(found.source, "failed", error=str(error))
            status.failed += 1
            status.files_done += 1
    if status.bytes_total is not None:  # what failed is not read again, nor to its end
        good = zip(inputs, outcomes, strict=True)
        status.bytes_total = status.bytes_done + sum(found.size or 0 for found, one in good if one.status == "converted")


def _merge(sources: list[str], outputs: list[Output], status: Status, watch: Watch, options: dict[str, Any]) -> Report:
    reading = Reading(counting(status, watch))
    before = status.files_done

    def follow(export: Export) -> None:
        reading(export)
        status.files_done = before + reading.exports - 1

    done = convert_to(sources, outputs, progress=follow, **options)
    status.files_done = status.files
    reading.up_to(done.bytes_read)
    return done
