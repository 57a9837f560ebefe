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

from exportstream.convert import convert_to
from exportstream.encode import to_json
from exportstream.errors import ExportstreamError, UsageError
from exportstream.export import Export
from exportstream.inputs import Input, find_inputs, is_url, modified
from exportstream.jobs import Follow, Job, Status, Watch, run_jobs
from exportstream.outputs import Output, Wanted, decide_in_folder, decide_outputs
from exportstream.report import ManyReport, Outcome
from exportstream.sink import open_sink

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
        fail_fast: after the first failure, cancel what has not begun.
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
    folder = os.fspath(target_dir)
    wanted = Wanted.of(format, compression, table)
    rejects = options.get("rejects")
    if isinstance(rejects, (str, os.PathLike)):
        raise UsageError("--rejects FILE goes with one output only", hint="leave it out: each output gets its own")
    jobs = _plan(find_inputs(sources, without=[folder, report]), folder, wanted, options)
    _refuse_shared(jobs)
    done = ManyReport(source=f"{len(jobs):,} inputs")
    outcomes: dict[int, Outcome] = {}
    todo: dict[int, Job] = {}
    for number, job in enumerate(jobs):
        if update and is_current(job.source, job.outputs):
            outcomes[number] = Outcome(job.source, "skipped")
        else:
            todo[number] = job
    if not force and not update:
        _refuse_existing(list(todo.values()))
    for job in todo.values():
        # What stands there now was looked at above; a job that an executor gives to a second worker, since the first one
        # died, may find its own output there.
        job.options = {**job.options, "force": force or update or executor is not None}
    _make_folders(todo.values())
    report_sink = None if report is None else open_sink(report, compression="none", force=force or update)
    try:
        status = Status(len(todo), _total_size(todo.values()))
        for number, outcome in run_jobs(todo, executor, status, progress, fail_fast=fail_fast):
            outcomes[number] = outcome
            if outcome.report is not None:
                done.merge(outcome.report)
        done.outcomes = [outcomes.get(number) or Outcome(job.source, "cancelled") for number, job in enumerate(jobs)]
        done.seconds = time.monotonic() - started
        if report_sink is not None:
            report_sink.write(to_json(done.as_dict(), indent=2) + b"\n")
            report_sink.commit()
    finally:
        if report_sink is not None:
            report_sink.abort()
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

    A row that is written can't be taken back, so each input is read once before its first row is written, and left out if
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
        The outcome of each input, and the sums over those in the output.

    Raises:
        InputError, ReadError: with `fail_fast`, or where no input is left.
        UsageError, WriteError: as of `convert`.
    """
    started = time.monotonic()
    outputs = decide_outputs("-", target, Wanted.of(format, compression, table))
    inputs = find_inputs(sources, without=[*(output.target for output in outputs), report, options.get("rejects")])
    passes = 1 if fail_fast else 2
    total = _total_size(inputs)
    status = Status(len(inputs), None if total is None else total * passes)
    follow = Follow(status, progress)
    outcomes = []
    good = []
    reading = {
        name: options[name] for name in ("on_error", "keep_partial", "max_message_size", "max_window") if name in options
    }
    first_error: ExportstreamError | None = None
    for found in inputs:
        try:
            if not fail_fast and found.source != "-":
                with Export(found.source, **reading) as export:
                    for _ in export.batches():
                        follow(export)
        except ExportstreamError as error:
            first_error = first_error or error
            status.failed += 1
            outcomes.append(Outcome(found.source, "failed", error=str(error)))
        else:
            good.append(found.source)
            outcomes.append(Outcome(found.source, "converted"))
    if first_error is not None and not good:
        raise first_error
    done = ManyReport(source=f"{len(inputs):,} inputs", outcomes=outcomes)
    report_sink = None if report is None else open_sink(report, compression="none", force=bool(options.get("force")))
    try:
        merged = convert_to(good, outputs, progress=follow, **options)
        done.merge(merged)
        done.outputs, done.rejects = merged.outputs, merged.rejects
        done.seconds = time.monotonic() - started
        if report_sink is not None:
            report_sink.write(to_json(done.as_dict(), indent=2) + b"\n")
            report_sink.commit()
    finally:
        if report_sink is not None:
            report_sink.abort()
    return done


def is_current(source: str, outputs: Iterable[Output]) -> bool:
    """Whether all outputs of an input are there (so they are whole) and newer than the input."""
    changed = modified(source) if source != "-" else None
    written = [modified(output.target) for output in outputs]
    return changed is not None and all(when is not None and when > changed for when in written)


def _total_size(items: Iterable[Job | Input]) -> int | None:
    sizes = [item.size for item in items]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _plan(inputs: list[Input], folder: str, wanted: Wanted, options: dict[str, Any]) -> list[Job]:
    """A job for each input, but for those found among the inputs that are the outputs of others."""
    jobs = [(Job(one.source, decide_in_folder(folder, one.relative, wanted), options, one.size), one) for one in inputs]
    writers: dict[str, set[str]] = {}
    for job, _ in jobs:
        for output in job.outputs:
            writers.setdefault(_key(output.target), set()).add(job.source)
    return [job for job, one in jobs if one.named or not writers.get(_key(one.source), set()) - {one.source}]


def _refuse_shared(jobs: list[Job]) -> None:
    """Refuse two inputs that would write one output, and an output that is an input."""
    inputs = {_key(job.source): job.source for job in jobs}
    writers: dict[str, str] = {}
    for job in jobs:
        for output in job.outputs:
            key = _key(output.target)
            if key in writers:
                raise UsageError(
                    f"two inputs would write it: {writers[key]} and {job.source}",
                    source=output.target,
                    hint="convert them into different folders, or rename one",
                )
            if key in inputs:
                raise UsageError("the output is an input", source=output.target, hint="choose another folder")
            writers[key] = job.source


def _key(name: str) -> str:
    return name if name == "-" or is_url(name) else os.path.realpath(name)


def _refuse_existing(jobs: list[Job]) -> None:
    found = [output.target for job in jobs for output in job.outputs if _exists(output.target)]
    if found:
        more = f", and {len(found) - 1:,} more outputs" if len(found) > 1 else ""
        raise UsageError(
            f"the output exists{more}", source=found[0], hint="replace with --force, or go on where it was with --update"
        )


def _exists(name: str) -> bool:
    if is_url(name):
        from exportstream import remote  # noqa: PLC0415 - an extra

        return remote.exists(name)
    return os.path.lexists(name)


def _make_folders(jobs: Iterable[Job]) -> None:
    for folder in {os.path.dirname(output.target) for job in jobs for output in job.outputs if not is_url(output.target)}:
        try:
            os.makedirs(folder or ".", exist_ok=True)
        except OSError as error:
            from exportstream.files import write_error  # noqa: PLC0415

            raise write_error(error, folder) from error
