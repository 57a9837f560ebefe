"""The command: argv → one library call → exit code. Part of the only place that prints, and that knows click and rich."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import ExitStack
from typing import Any

import click

import exportstream
from exportstream.cli.display import (
    ManyProgress,
    Progress,
    json_text,
    print_all_warnings,
    print_check,
    print_outcome,
    print_summary,
    print_totals,
    print_warnings,
)
from exportstream.cli.executors import hint_at_update, open_executor
from exportstream.cli.options import (
    debug_flag,
    dedupe,
    keep_partial,
    many_inputs,
    max_message_size,
    max_window,
    on_error_choice,
    one_input,
    writing,
)
from exportstream.cli.process import PipeClosed, ignore_signals, raise_on_signals, run
from exportstream.cli.terminal import show_json, show_lines, tell
from exportstream.conversion.inputs import find_inputs
from exportstream.conversion.plan import is_current
from exportstream.conversion.report import ManyReport, Report
from exportstream.errors import ExportstreamError, UsageError, shown
from exportstream.writing.outputs import Wanted, decide_outputs, looks_like_file

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_EXIT_INPUT, _EXIT_REJECTED = 3, 5


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise PipeClosed from error


@click.group(cls=_Group, context_settings=_CONTEXT)
@click.version_option(exportstream.__version__, "--version", prog_name="exportstream", message="%(prog)s %(version)s")
def cli() -> None:
    """Convert AI-agent session exports that are larger than memory: one pass, constant memory."""


@cli.command("convert")
@many_inputs
@writing
@on_error_choice
@keep_partial
@dedupe
@max_message_size
@max_window
@debug_flag
def convert_command(
    inputs: tuple[str, ...],
    output: str | None,
    table: tuple[str, ...],
    on_error: str,
    quiet: bool,
    debug: bool,
    **options: Any,
) -> None:
    """Convert exports into compressed NDJSON, CSV, Parquet or SQLite.

    INPUT is a file, - for standard input, a folder, a glob in quotes, or a URL (with the extra remote). OUTPUT's suffixes
    decide: .ndjson, .jsonl or .csv, then .zst or .gz; .parquet; .db. It appears under its name only when it is whole.

    Several INPUTs, folders and globs go into a folder, one output each, or with --merge into one output. Folders are
    searched for .json, .ndjson and .jsonl files, also compressed (.zst, .gz, .bz2, .xz); hidden files, links to folders and
    NAME.rejects.ndjson are left out. An input that is named twice is taken once. Memory grows with the number of
    inputs.

    \b
    exportstream convert session.json                      # writes session.ndjson.zst
    exportstream convert session.json -o session.csv.gz
    exportstream convert session.json -o session.db        # SQLite: messages, tool calls, sessions
    exportstream convert exports/ -o rows/ --update        # each export in a folder; only what is new
    exportstream convert exports/ --merge -o all.parquet
    curl -s URL | exportstream convert - | jq .content
    """  # noqa: D301 - click's marker for lines to keep
    del debug
    options["on_error"] = "raise" if on_error == "stop" else on_error
    options["table"] = table or None
    done: Report
    many = {name: options.pop(name) for name in ("merge", "update", "fail_fast", "jobs", "dask")}
    if is_many(inputs, output, **many):
        done = convert_inputs(inputs, output, quiet=quiet, options=options, **many)
    else:
        if many["update"] and not refresh(inputs[0], output, options, quiet=quiet):
            return
        with Progress(enabled=not quiet) as progress:
            done = exportstream.convert(inputs[0], output, progress=progress.update, **options)
            ignore_signals()
    print_all_warnings(done)
    if not quiet:
        print_summary(done)
    sys.exit(print_outcome(done))


@cli.command("totals")
@one_input
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@on_error_choice
@keep_partial
@dedupe
@max_message_size
@max_window
@debug_flag
def totals_command(input: str, as_json: bool, on_error: str, debug: bool, **options: Any) -> None:  # noqa: A002
    """Print the totals of INPUT, declared and counted."""
    del debug
    options["on_error"] = "raise" if on_error == "stop" else on_error
    with exportstream.open_export(input, **options) as export:
        with Progress(enabled=True) as progress:
            for _ in export.batches():
                progress.update(export)
        totals, notes, partial = export.totals, export.notes, export.partial
    print_warnings(export.name, notes)
    if as_json:
        show_json(json_text(totals.as_dict()))
    else:
        print_totals(totals)
    if partial or notes.rejected:
        sys.exit(_EXIT_REJECTED)


@cli.command("check")
@one_input
@click.option("--strict", is_flag=True, help="Exit 3 for any finding.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@max_message_size
@max_window
@debug_flag
def check_command(input: str, strict: bool, as_json: bool, debug: bool, **options: Any) -> None:  # noqa: A002
    """Say what is odd about each session of INPUT.

    Reads everything and writes nothing. Exit 0, or 3 for input that convert would refuse; with --strict 3 for any finding.
    Memory grows with the number of messages of the largest session, for their repeated ids.
    """
    del debug
    sessions = odd = invalid = 0
    if as_json:
        show_json('{"sessions":[', end="")
    error: ExportstreamError | None = None
    try:
        for found in exportstream.check(input, **options):
            if as_json:
                show_json(("," if sessions else "") + json_text(found.as_dict()), end="")
            else:
                print_check(found)
            sessions += 1
            odd += not found.clean
            invalid += "invalid-message" in found.findings
    except ExportstreamError as stopped:
        error = stopped
    if as_json:  # also then a whole document
        ended = "" if error is None else f'"error":{json_text(str(error))},'
        show_json(f'],{ended}"sessionCount":{sessions},"sessionsWithFindings":{odd}}}')
    if error is not None:
        raise error
    if not as_json:
        show_lines([f"{sessions:,} sessions, {odd:,} with findings"])
    if invalid or (strict and odd):
        sys.exit(_EXIT_INPUT)


def main(argv: list[str] | None = None) -> None:
    """Run the command and exit with its code."""
    arguments = sys.argv[1:] if argv is None else argv
    debug = "--debug" in arguments or bool(os.environ.get("EXPORTSTREAM_DEBUG"))
    raise_on_signals()
    # Nothing here makes cycles, but hundreds of messages at once make the collector look for them all the time.
    gc.set_threshold(100_000, 50, 100)
    sys.exit(run(lambda: cli.main(arguments, prog_name="exportstream", standalone_mode=False), debug=debug))


if __name__ == "__main__":
    main()


def is_many(
    inputs: tuple[str, ...], output: str | None, *, merge: bool, update: bool, fail_fast: bool, jobs: int | None, dask: Any
) -> bool:
    """Whether outputs go into a folder (or are merged): several inputs, a folder, a glob, or `-o DIR/`."""
    del update, fail_fast, jobs
    if merge or (output is not None and output.endswith("/")):
        return True
    if len(inputs) > 1 or os.path.isdir(inputs[0]) or not all(found.named for found in find_inputs(inputs)):
        if output in (None, "-", "") or looks_like_file(output):
            found = "" if output is None else f", found the name of a file: {shown(output)}"
            hint = "give -o DIR/, or --merge and -o FILE"
            raise UsageError(f"expected a folder for the outputs of several inputs{found}", hint=hint)
        return True
    if dask is not None:
        raise UsageError("--dask goes with several inputs", hint="give -o DIR/")
    return False


def convert_inputs(
    inputs: tuple[str, ...],
    output: str | None,
    *,
    merge: bool,
    update: bool,
    fail_fast: bool,
    jobs: int | None,
    dask: str | None,
    quiet: bool,
    options: dict[str, Any],
) -> ManyReport:
    """Convert many inputs as the command's options say."""
    with ExitStack() as stack:
        progress = stack.enter_context(ManyProgress(enabled=not quiet))
        if merge:
            for option, given in (("--update", update), ("--dask", dask is not None)):
                if given:
                    raise UsageError(f"{option} does not go with --merge", hint="leave one out")
            done = exportstream.merge_many(inputs, output, fail_fast=fail_fast, progress=progress.update, **options)
        else:
            stack.enter_context(hint_at_update())
            executor = stack.enter_context(open_executor(inputs, jobs, dask))
            done = exportstream.convert_many(
                inputs, output, executor=executor, update=update, fail_fast=fail_fast, progress=progress.update, **options
            )
        ignore_signals()
    return done


def refresh(source: str, output: str | None, options: dict[str, Any], *, quiet: bool) -> bool:
    """Whether the one output has to be written (again), as of --update; an older one is replaced then."""
    outputs = decide_outputs(source, output, Wanted.of(options["format"], options["compression"], options["table"]))
    if all(isinstance(output.target, str) and output.target != "-" for output in outputs) and is_current(source, outputs):
        if not quiet:
            tell(f"{shown(source)}: up to date")
        return False
    options["force"] = True
    return True
