"""Many inputs: one output each, in this process or through any executor.

Takes: the names of inputs, and a folder. Returns: a `ManyReport`. Raises: `UsageError` before any work; the error of one
input is in its `Outcome`. Holds: a job and an outcome for each input, and what one conversion holds.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from exportstream.conversion.encoding import can_share
from exportstream.conversion.inputs import find_inputs
from exportstream.conversion.jobs import ConvertJob, Jobs, RunJob
from exportstream.conversion.manifest import Manifest, Record, notes_of
from exportstream.conversion.one import convert_to
from exportstream.conversion.options import ConvertOptions, options_of
from exportstream.conversion.outcome import Outcome, add_up, outcome_of
from exportstream.conversion.plan import (
    is_current,
    make_folders,
    name_apart,
    names_of,
    old_rejects,
    plan_jobs,
    refuse_existing,
    refuse_shared,
    total_size,
)
from exportstream.conversion.progress import ReadProgress, Status, Watch
from exportstream.conversion.recorded import outputs_left, without_outputs
from exportstream.conversion.report import ManyReport, count_of_inputs, open_report
from exportstream.errors import ExportstreamError, UsageError
from exportstream.models.notes import Notes
from exportstream.reading.limits import DEFAULT_MAX_MESSAGE_SIZE
from exportstream.reading.open import open_export
from exportstream.reading.options import OnError, Rejects
from exportstream.reading.price_lists import read_prices
from exportstream.reading.runs_ahead import check_executor, suits_helpers
from exportstream.storage.names import Name, RealPaths, is_name, is_url
from exportstream.storage.remote.urls import local_path
from exportstream.storage.transaction import Transaction
from exportstream.writing.formats import FormatName
from exportstream.writing.options import Keys, TableName
from exportstream.writing.outputs import check_outputs, looks_like_file

if TYPE_CHECKING:
    from concurrent.futures import Executor


def convert_many(  # noqa: D417 - the others are those of `convert`
    sources: Name | Iterable[Any],
    target_dir: Name,
    *,
    executor: Executor | None = None,
    format: FormatName | None = None,  # noqa: A002 - the field's word
    table: TableName | Iterable[TableName] | None = None,
    level: int | None = None,
    keys: Keys = "camel",
    running_totals: bool = False,
    columns: str | Iterable[str] | None = None,
    without: str | Iterable[str] | None = None,
    flat: bool = False,
    csv_safe: bool = False,
    force: bool = False,
    on_error: OnError | None = None,
    rejects: Rejects = None,
    max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
    max_window: int | None = None,
    dedupe: bool = False,
    prices: Name | None = None,
    exclude: str | Iterable[str] = (),
    update: bool = False,
    fail_fast: bool = False,
    report: Name | None = None,
    progress: Watch = None,
) -> ManyReport:
    """Convert many exports, one output each, under the same relative names in a folder.

    Args:
        sources: files, folders, globs, URLs, ``-``; see `inputs.find_inputs`.
        target_dir: the folder (or URL) of the outputs: ``DIR/NAME.ndjson.zst``; with several tables
            ``DIR/TABLE/NAME.ndjson.zst``. Of inputs whose names differ in their suffixes only, all but the shortest keep
            them: ``DIR/x.json.gz.ndjson.zst``.
        executor: any `concurrent.futures.Executor`: a pool of processes, or ``client.get_executor()`` of Dask, whose
            workers have to see the same files. None for this process, one file after another. A single large
            file is read by this process, which shares the work with the workers; see `convert`.
        rejects: see `convert`; not a path here, since each output gets its own.
        exclude: a glob, or several, of inputs that are left out. One without ``/`` is compared with the names of files and
            folders; one with ``/`` with paths, as given or within the folder that is searched.
        update: skip inputs whose outputs were made of them as they are, with these options, and replace the other outputs.
            The folder's manifest tells, see ``docs/verify.md``; under a URL the times do, and options are not compared.
        fail_fast: after the first failure, cancel the inputs that have not begun; a cluster may finish more of them.
        report: a path for the report as JSON.
        progress: called with a `Status` now and then.

    The other options are those of `convert`.

    Returns:
        The outcome of each input, and the sums over the converted ones. An input that fails does not stop the others.

    Raises:
        UsageError: before any work: outputs that exist, that are inputs, or that two inputs would share.
        ReadError, WriteError: a folder that is named can't be read or made, or the report can't be written.
    """
    options = options_of(locals())
    return convert_all(sources, target_dir, options, executor=executor, progress=progress)


def convert_all(
    sources: Name | Iterable[Any],
    target_dir: Any,
    options: ConvertOptions,
    *,
    executor: Executor | None = None,
    progress: Watch = None,
) -> ManyReport:
    """Convert many exports as their options say; see `convert_many`."""
    started = time.monotonic()
    replaces = options.writing.force or options.update
    folder = _checked_folder(target_dir)
    _check_rejects(options.rejects, executor)
    check_executor(executor)
    options = replace(options, reading=read_prices(options.reading))
    inputs = find_inputs(sources, without=[folder, options.report], exclude=options.exclude)
    real_path = RealPaths()
    manifest = None if is_url(folder) else Manifest(folder)  # nothing can be appended to an object
    planned = plan_jobs(inputs, folder, options, real_path)
    jobs, strangers = _set_aside(without_outputs(planned, manifest) if manifest and os.path.isdir(folder) else planned)
    name_apart(jobs, folder, real_path)
    refuse_shared(jobs, options.report, real_path)
    del real_path
    check_outputs(jobs[0].outputs if jobs else [], options.writing)
    outcomes = _find_current(jobs, manifest) if options.update else {}
    todo = {number: job for number, job in enumerate(jobs) if number not in outcomes}
    if not replaces:
        refuse_existing([name for job in todo.values() for name in names_of(job)], options.report)
    for job in todo.values():
        # Existing outputs were refused above. With an executor, a job that is given to a second worker after the first
        # has died may meet its own output.
        job.writing = replace(options.writing, force=replaces or executor is not None)
        job.manifest = manifest
    make_folders(output for job in todo.values() for output in job.outputs)
    if manifest is not None and todo:
        manifest.compact_if_stale()
    done = ManyReport(source=count_of_inputs(len(jobs) + len(strangers)))
    if manifest is not None and options.update:
        done.without_input, done.not_updated = outputs_left(manifest, jobs)
    with Transaction() as transaction:
        write_report = open_report(options.report, transaction, force=replaces, words=options.words)
        status = Status(len(todo), total_size(job.input for job in todo.values()))
        run_one: RunJob = _run_job
        if executor is not None and len(todo) == 1 and _suits_helpers(*todo.values()):
            run_one, executor = partial(_run_job, executor=executor), None  # it helps with the one
        outcomes.update(Jobs(run_one, executor, status, progress, options.fail_fast).run(todo))
        done.outcomes = [outcomes.get(number) or Outcome(job.source, "cancelled") for number, job in enumerate(jobs)]
        done.outcomes += strangers
        add_up(done, done.outcomes, hint="its output is complete and stays; it is left out of all figures")
        done.seconds = time.monotonic() - started
        write_report(done)
    return done


def _checked_folder(target_dir: Any) -> str:
    """Return the folder of the outputs, also of a ``file://`` URL; refuse what can't be one."""
    folder = local_path(os.fsdecode(target_dir))
    if folder in ("", "-"):
        raise UsageError(f"expected a folder for the outputs, got {folder!r}", hint="name one, such as rows/")
    if looks_like_file(folder) and not os.path.isdir(folder):
        what = f"expected a folder for the outputs, got the name of a file: {folder}"
        raise UsageError(what, hint="end it in /, or use merge_many for one output")
    return folder


def _check_rejects(rejects: Any, executor: Executor | None) -> None:
    """Refuse a place for rejects that can't take those of all inputs."""
    if is_name(rejects):
        raise UsageError("a file for `rejects` goes with one output only", hint="leave it out: each output gets its own")
    if rejects is not None and executor is not None:
        raise UsageError("a list or function for rejects does not reach workers", hint="leave it out: they go to files")


def _run_job(job: ConvertJob, count: Callable[[int], None], executor: Executor | None = None) -> Outcome:
    """Convert one input; the executor helps with a large file."""
    reading = ReadProgress(count)
    try:
        done = convert_to(
            [job.input.files],
            job.outputs,
            ConvertOptions(reading=job.reading, writing=job.writing, rejects=job.rejects),
            executor=executor,
            progress=reading,
            manifest=job.manifest,
        )
    except ExportstreamError as error:
        return outcome_of(job.source, error, named=job.input.named)
    reading.up_to(done.bytes_read)
    return Outcome(job.source, "converted", report=done)


def _suits_helpers(job: ConvertJob) -> bool:
    return suits_helpers(job.source, job.reading) and can_share(job.outputs, job.reading, job.writing)


def _set_aside(jobs: list[ConvertJob]) -> tuple[list[ConvertJob], list[Outcome]]:
    """Of jobs for one output, set aside those whose input was found and is no export, such as rows written there before."""
    writers = Counter(name for job in jobs for name in names_of(job))
    strangers: list[Outcome] = []
    for job in jobs:
        if not job.input.named and any(writers[name] > 1 for name in names_of(job)):
            try:
                with open_export(job.source) as export:
                    next(export, None)
            except ExportstreamError as error:  # any other than that will be raised again when it is its turn
                outcome = outcome_of(job.source, error, named=False)
                strangers += [outcome] if outcome.status == "ignored" else []
    others = {one.source for one in strangers}
    return [job for job in jobs if job.source not in others], strangers


def _find_current(jobs: list[ConvertJob], manifest: Manifest | None) -> dict[int, Outcome]:
    """Return the outcomes of the jobs whose outputs are up to date, by their numbers, with what was rejected of them."""
    if manifest is None:
        return {
            number: Outcome(job.source, "skipped", rejects=old_rejects(None, job.outputs, [job.source]))
            for number, job in enumerate(jobs)
            if is_current(job.source, job.outputs, job.input.parts)
        }
    found: dict[int, Outcome] = {}
    with manifest.open() as records:
        for number, job in enumerate(jobs):
            if manifest.is_current(records, job.input.files, job.outputs, job.reading, job.writing):
                found[number] = _kept(job, records.get(manifest.name_of(job.outputs[0].target)))
    return found


def _kept(job: ConvertJob, record: Record | None) -> Outcome:
    notes = notes_of(record) if record is not None else Notes()
    if notes == Notes():
        return Outcome(job.source, "skipped")
    return Outcome(job.source, "skipped", notes=notes, rejects=old_rejects(None, job.outputs, [job.source]))
