"""The command: argv → one library call → exit code. The only place that prints, and that knows click and rich."""

from __future__ import annotations

import gc
import os
import sys
from typing import Any

import click

import exportstream
from exportstream.display import Progress, json_text, print_check, print_summary, print_totals, print_warnings
from exportstream.exits import PipeClosed, ignore_signals, raise_on_signals, run

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_EXIT_INPUT, _EXIT_REJECTED = 3, 5


class _Size(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer clicks only
    """A number of bytes, also as 64KiB, 2GiB, 200MB."""

    name = "size"
    _units = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}  # noqa: RUF012

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).strip().upper().removesuffix("B")
        digits = text.rstrip("KMGI")
        unit = text[len(digits) :]
        if not digits.strip().isdigit() or unit not in self._units:
            self.fail(f"{value!r} is not a number of bytes (examples: 1048576, 64KiB, 2GiB)", param, ctx)
        return int(digits) * self._units[unit]


_input = click.argument("input", type=click.Path(allow_dash=True))
_debug = click.option("--debug", is_flag=True, help="Show the traceback of an error.")
_max_message_size = click.option(
    "--max-message-size",
    type=_Size(),
    default="1GiB",
    show_default=True,
    help="Refuse a larger message; memory grows with the largest one.",
)
_max_window = click.option(
    "--max-window", type=_Size(), help="Take zstd windows up to this size (default 128MiB); that much memory is used."
)
_keep_partial = click.option(
    "--keep-partial", is_flag=True, help="Where the input is cut, keep the complete messages; exit 5."
)
_dedupe = click.option(
    "--dedupe",
    is_flag=True,
    help="Count a message or session id that comes again once in the totals; rows stay. "
    "Memory grows with the number of messages.",
)
_on_error = click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="What to do with a message that is JSON but not a valid message. skip rejects it and goes on; exit 5.",
)


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
@_input
@click.option("-o", "--output", type=click.Path(allow_dash=True), help="Default: NAME.ndjson.zst next to the input.")
@click.option("--format", "format_", type=click.Choice(["ndjson", "csv"]), help="Default: by OUTPUT's suffix.")
@click.option("--compression", type=click.Choice(["zstd", "gzip", "none"]), help="Default: by OUTPUT's suffix.")
@click.option("--level", type=int, help="Compression level: zstd 1 to 22 (default 3), gzip 1 to 9 (default 6).")
@click.option(
    "--table",
    type=click.Choice(["messages", "tool-calls", "sessions"]),
    default="messages",
    show_default=True,
    help="What a row is.",
)
@click.option(
    "--keys",
    type=click.Choice(["camel", "snake"]),
    default="camel",
    show_default=True,
    help="Names in the output. snake costs speed in NDJSON: each message is renamed first.",
)
@click.option("--running-totals", is_flag=True, help="Add to each row the totals after it (slower).")
@click.option("--csv-safe", is_flag=True, help="Prefix CSV cells a spreadsheet would run (= + - @) with '. Changes data.")
@_on_error
@click.option("--rejects", type=click.Path(), help="Where rejected messages go. Default: NAME.rejects.ndjson by OUTPUT.")
@_keep_partial
@_dedupe
@_max_message_size
@_max_window
@click.option("--force", is_flag=True, help="Replace an output that exists.")
@click.option("--quiet", is_flag=True, help="No progress and no summary; warnings and errors stay.")
@click.option("--report", type=click.Path(), help="Write the summary as JSON to this file.")
@_debug
def convert_command(
    input: str,  # noqa: A002 - the argument's name
    output: str | None,
    format_: str | None,
    on_error: str,
    quiet: bool,
    report: str | None,
    debug: bool,
    **options: Any,
) -> None:
    """Convert INPUT (a file, or - for standard input) into compressed NDJSON or CSV.

    OUTPUT's suffixes decide: .ndjson, .jsonl or .csv, then .zst or .gz. It appears under its name only when it is whole.

    \b
    exportstream convert session.json                      # writes session.ndjson.zst
    exportstream convert session.json -o session.csv.gz
    curl -s URL | exportstream convert - | jq .content
    """  # noqa: D301 - click's marker for lines to keep
    del debug
    with Progress(enabled=not quiet) as progress:
        done = exportstream.convert(
            input,
            output,
            format=format_,
            on_error="raise" if on_error == "stop" else on_error,
            report=report,
            progress=progress.update,
            **options,
        )
        ignore_signals()
    print_warnings(done.source, done.notes)
    if not quiet:
        print_summary(done)
    if done.rejected or done.partial:
        if done.partial:
            click.echo(
                f"exportstream: {done.source}: the input is cut; kept the {done.messages:,} complete messages", err=True
            )
        sys.exit(_EXIT_REJECTED)


@cli.command("totals")
@_input
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_on_error
@_keep_partial
@_dedupe
@_max_message_size
@_max_window
@_debug
def totals_command(input: str, as_json: bool, on_error: str, debug: bool, **options: Any) -> None:  # noqa: A002
    """Print the totals of INPUT: what its sessions declare, and what its messages add up to."""
    del debug
    options["on_error"] = "raise" if on_error == "stop" else on_error
    with exportstream.open_export(input, **options) as export:
        with Progress(enabled=True) as progress:
            for _ in export.batches():
                progress.update(export)
        totals, notes, partial = export.totals, export.notes, export.partial
    print_warnings(export.name, notes)
    if as_json:
        click.echo(json_text(totals.as_dict()))
    else:
        print_totals(totals)
    if partial or notes.rejected:
        sys.exit(_EXIT_REJECTED)


@cli.command("check")
@_input
@click.option("--strict", is_flag=True, help="Exit 3 for any finding.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_max_message_size
@_max_window
@_debug
def check_command(input: str, strict: bool, as_json: bool, debug: bool, **options: Any) -> None:  # noqa: A002
    """Read all of INPUT, write nothing, and say what is odd about each session.

    Exit 0, or 3 for input that convert would refuse; with --strict 3 for any finding.
    Memory grows with the number of messages of the largest session, for their repeated ids.
    """
    del debug
    sessions = odd = invalid = 0
    if as_json:
        click.echo('{"sessions":[', nl=False)
    for found in exportstream.check(input, **options):
        if as_json:
            click.echo(("," if sessions else "") + json_text(found.as_dict()), nl=False)
        else:
            print_check(found)
        sessions += 1
        odd += not found.clean
        invalid += "invalid-message" in found.findings
    if as_json:
        click.echo(f'],"sessionCount":{sessions},"sessionsWithFindings":{odd}}}')
    else:
        click.echo(f"{sessions:,} sessions, {odd:,} with findings")
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
