"""The command convert: exports to rows."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any

import click
from msgspec.structs import replace

from exportstream.cli.display import ManyProgress, Progress
from exportstream.cli.executors import find_many, hint_at_update, open_executor, open_helpers, report_if_current
from exportstream.cli.help import Command
from exportstream.cli.options import convert_options, many_inputs
from exportstream.cli.process import ignore_signals
from exportstream.cli.summary import print_all_warnings, print_outcome, print_summary
from exportstream.cli.terminal import in_options, standard_output
from exportstream.conversion.encoding import can_share
from exportstream.conversion.inputs import Input
from exportstream.conversion.one import convert_one
from exportstream.conversion.options import ConvertOptions, options_of
from exportstream.conversion.report import ManyReport, Report
from exportstream.errors import UsageError
from exportstream.storage.remote.urls import local_path
from exportstream.writing.outputs import Output, check_outputs, decide_in_folder, decide_outputs


@click.command(
    "convert",
    cls=Command,
    examples=[
        ("exportstream convert session.json", "writes session.ndjson.zst"),
        ("exportstream convert session.json -o session.db", "SQLite: messages, tool calls, sessions"),
        ("exportstream convert exports/ -o rows/ --update", "each export in a folder; only new ones"),
        ("exportstream convert exports/ --merge -o all.parquet", "one output of all"),
        ("curl -s URL | exportstream convert - | jq .content", "from standard input to standard output"),
    ],
)
@many_inputs
@convert_options
def convert_command(
    *,
    inputs: tuple[str, ...],
    output: str | None,
    columns: tuple[str, ...],
    merge: bool,
    jobs: int | None,
    dask: str | None,
    quiet: bool,
    **given: Any,  # the other options, whose names are those of the library
) -> None:
    """Convert exports to NDJSON, CSV, Parquet or SQLite.

    INPUT is a file, a folder, a zip, a glob in quotes, a URL (with the extra remote), or - for standard input. The suffix of
    OUTPUT decides: .ndjson, .jsonl or .csv, then .zst, .gz or nothing; .parquet; .db, .sqlite or .sqlite3. Without one,
    devices and pipes get NDJSON. An output gets its name only when it is complete.

    Several inputs go into a folder, one output each, or with --merge into one output. Folders and zips are searched for
    .json, .ndjson and .jsonl files, also compressed (.zst, .gz, .bz2, .xz), folders also for .zip. Hidden files, links to
    folders and *.rejects.ndjson are left out. JSON files in them that are no exports are ignored, with a note.
    FILE.zip::NAME is one member of a zip. An input that is named twice is taken once. Memory grows with the number of
    inputs, and by 100 bytes per message of Claude Code.
    """
    options = options_of({**given, "columns": columns or None}, in_options)
    output = standard_output(output)
    done: Report
    if merge:
        if dask is not None:
            raise UsageError("--dask does not go with --merge", hint="leave one out")
        if jobs is not None and jobs > 1:
            raise UsageError("--jobs does not go with --merge, which is done by one process", hint="leave --jobs out")
        done = _merge(inputs, output, options, quiet=quiet)
    elif (many := find_many(inputs, output, options, dask=dask)) is not None:
        done = _convert_many(many, str(output), options, jobs=jobs, dask=dask, quiet=quiet)
    elif options.update and (kept := report_if_current(inputs[0], output, options)) is not None:
        done = kept
    else:
        done = _convert_one(inputs[0], output, options, jobs=jobs or 1, quiet=quiet)
    print_all_warnings(done, rejects=quiet)
    if not quiet:
        print_summary(done, jobs=jobs or 1)
    sys.exit(print_outcome(done, quiet=quiet))


def _merge(inputs: tuple[str, ...], output: str | None, options: ConvertOptions, *, quiet: bool) -> ManyReport:
    from exportstream.conversion.merge import merge_all  # noqa: PLC0415 - only here

    with ManyProgress(enabled=not quiet) as progress:
        done = merge_all(inputs, output, options, progress=progress.update)
        ignore_signals()
    return done


def _convert_many(
    inputs: list[Input], folder: str, options: ConvertOptions, *, jobs: int | None, dask: str | None, quiet: bool
) -> ManyReport:
    from exportstream.conversion.many import convert_all  # noqa: PLC0415 - only here

    if len(inputs) == 1 and dask is None:
        outputs = decide_in_folder(local_path(folder), inputs[0].relative, options.writing)
        opened = _open_helpers(inputs[0].source, outputs, options, jobs or 1)
    else:
        opened = open_executor(len(inputs), jobs, dask)
    with ManyProgress(enabled=not quiet) as progress, hint_at_update(), opened as executor:
        done = convert_all(inputs, folder, options, executor=executor, progress=progress.update)
        ignore_signals()
    return done


def _convert_one(source: str, output: str | None, options: ConvertOptions, *, jobs: int, quiet: bool) -> Report:
    writing = replace(options.writing, force=options.writing.force or options.update)
    outputs = decide_outputs(source, output, writing)
    check_outputs(outputs, writing)
    with _open_helpers(source, outputs, options, jobs) as executor, Progress(enabled=not quiet) as bar:
        done = convert_one(source, output, replace(options, writing=writing), executor=executor, progress=bar.update)
        ignore_signals()
    return done


def _open_helpers(source: str, outputs: list[Output], options: ConvertOptions, jobs: int) -> AbstractContextManager[Any]:
    """Open processes that help with one input, if they can share the work for its outputs."""
    share = can_share(outputs, options.reading, options.writing)
    return open_helpers(source, options.reading, jobs, share=share)
