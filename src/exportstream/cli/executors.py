"""Many inputs on the command line: find them, and open what runs their conversions."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from exportstream.cli.process import Terminated, tune
from exportstream.cli.terminal import tell
from exportstream.conversion.inputs import Input, find_inputs
from exportstream.conversion.manifest import manifest_of
from exportstream.conversion.options import ConvertOptions
from exportstream.conversion.plan import input_for_helpers, is_current, old_rejects
from exportstream.conversion.report import Report, open_report
from exportstream.errors import UsageError, mask, shown
from exportstream.reading.options import ReadOptions
from exportstream.reading.runs_ahead import suits_helpers
from exportstream.storage.memory import import_error
from exportstream.storage.names import is_direct, is_piped, stands_for_several
from exportstream.storage.transaction import Transaction
from exportstream.storage.zip import is_zip
from exportstream.writing.outputs import Output, decide_outputs, is_folder, looks_like_file, refuse_same_files

_PATIENCE = "5s"  # for the answer of a Dask scheduler
_FILES = 32  # open in the command's process, besides those for workers; measured: 17
_FILES_OF_A_WORKER = 4  # measured: 2 to 3


def are_several(inputs: tuple[str, ...]) -> bool:
    """Whether arguments name several inputs, or a folder, zip archive or glob, which stands for several."""
    return len(inputs) > 1 or stands_for_several(inputs[0])


def find_many(
    inputs: tuple[str, ...], output: str | None, options: ConvertOptions, *, dask: str | None
) -> list[Input] | None:
    """Find the inputs of outputs that go into a folder: several, a folder, a glob, or one with `-o DIR/` or a folder.

    Returns:
        The inputs, which are listed once and here; None for one input with an output of its own.
    """
    into_folder = is_folder(output)
    if not into_folder and not are_several(inputs):
        if dask is not None:
            raise UsageError("--dask goes with several inputs", hint="give -o DIR/")
        find_inputs(inputs, exclude=options.exclude)  # the one may be excluded
        return None
    found = find_inputs(inputs, without=[output, options.report], exclude=options.exclude)
    if not into_folder and (output in (None, "-", "") or looks_like_file(str(output)) or is_direct(str(output))):
        got = "" if output is None else f", got the name of a file: {shown(output)}"
        merge = "--merge and -o FILE" if output is None else "add --merge for one output"
        one = any(is_zip(name) for name in inputs)
        hint = f"give -o DIR/, or {merge}" + (", or name one member: ARCHIVE.zip::MEMBER" if one else "")
        raise UsageError(f"expected a folder for the outputs of several inputs{got}", hint=hint)
    return found


def report_if_current(source: str, output: str | None, options: ConvertOptions) -> Report | None:
    """Return the report of one input whose output is up to date, and need not be converted, and write it; else None.

    The manifest tells, if an earlier run with ``--update`` recorded the output; else the times do.
    """
    outputs, report = decide_outputs(source, output, options.writing), options.report
    if not (is_current(source, outputs) and _is_as_recorded(source, outputs, options)):
        return None
    refuse_same_files([("input", source), *(("output", one.target) for one in outputs), ("report", report)])
    with Transaction() as transaction:
        write_report = open_report(report, transaction, force=True)
        done = Report(source=source, status="skipped", rejects=old_rejects(options.rejects, outputs, [source]))
        write_report(done)
    return done


def _is_as_recorded(source: str, outputs: list[Output], options: ConvertOptions) -> bool:
    """Whether outputs that have a record were made of the input as it is, with the same options."""
    manifest = manifest_of(outputs[0].target)
    if manifest is None:
        return True
    with manifest.open() as records:
        recorded = [one for one in outputs if records.get(manifest.name_of(one.target)) is not None]
        return not recorded or manifest.is_current(records, source, recorded, options.reading, options.writing)


@contextmanager
def hint_at_update() -> Iterator[None]:
    """Tell how to go on if a signal ends the work."""
    try:
        yield
    except (KeyboardInterrupt, Terminated) as end:
        number = end.number if isinstance(end, Terminated) else signal.SIGINT
        raise Terminated(number, "the same with --update goes on where it was") from end


@contextmanager
def open_executor(inputs: int, jobs: int | None, dask: str | None) -> Iterator[Any]:
    """Open what runs the jobs: a Dask cluster, worker processes (one per core unless told), or None for this process."""
    if dask is not None and jobs is not None:
        raise UsageError("--jobs does not go with --dask", hint="leave --jobs out: the cluster has its own workers")
    if dask is not None:
        with _client(dask) as client, client.get_executor(pure=False) as executor:
            yield executor
        return
    jobs = _as_open_files_allow(min(jobs or os.cpu_count() or 1, inputs))
    if jobs == 1:
        yield None
        return
    from exportstream.conversion.pool import Workers  # noqa: PLC0415 - slow to import

    with Workers(jobs, tune, fork=True) as workers:
        yield workers


@contextmanager
def open_helpers(source: str, reading: ReadOptions, jobs: int | None, *, share: bool = True) -> Iterator[Any]:
    """Open processes that help with one input, None where it is small, not a file, or they can't `share` the work.

    This process is one of the `jobs`; None is one per core.
    """
    wanted = jobs or os.cpu_count() or 1
    unasked = jobs is None and is_piped(source)  # most of what comes through pipes is small
    if wanted == 1 or unasked or not share or not suits_helpers(source, reading):
        yield None
        return
    from exportstream.conversion.pool import Workers  # noqa: PLC0415 - slow to import

    with Workers(_as_open_files_allow(wanted - 1), tune, fork=True) as workers:
        yield workers


def open_for_all(inputs: list[Input], reading: ReadOptions, jobs: int | None) -> AbstractContextManager[Any]:
    """Open processes that read many inputs, or that help with one of them if it is nearly all; see `open_helpers`."""
    one = input_for_helpers(inputs, reading)
    if one is not None:
        return open_helpers(one.source, reading, jobs)
    return open_executor(len(inputs), jobs, None)


def _as_open_files_allow(jobs: int) -> int:
    """Return how many workers the limit of open files allows, after raising it as far as needed and allowed."""
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return jobs
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _FILES + _FILES_OF_A_WORKER * jobs
    if jobs == 1 or soft == resource.RLIM_INFINITY or soft >= needed:
        return jobs
    limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        soft = limit
    possible = max((soft - _FILES) // _FILES_OF_A_WORKER, 1)
    if possible < jobs:
        tell(
            f"warning: {possible} of {jobs} processes, since only {soft} files may be open; "
            "raise the limit (ulimit -n) for more"
        )
    return min(jobs, possible)


def _client(address: str) -> Any:
    try:
        from distributed import Client  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise import_error("--dask", "distributed", "dask", error) from error
    try:
        return Client(address, timeout=_PATIENCE)  # type: ignore[no-untyped-call,unused-ignore]
    except (OSError, ValueError) as error:
        raise UsageError(
            f"can't reach the Dask scheduler at {shown(address)}: {mask(str(error), address)}", hint="check its address"
        ) from error
