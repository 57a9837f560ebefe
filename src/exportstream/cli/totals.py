"""The command `totals`: a table of everything, or tables of groups, on standard output or in a file."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from functools import partial
from typing import Any

import click

from exportstream.cli.display import ManyProgress, Progress, name_of, print_cut, print_failures, print_few_warnings
from exportstream.cli.executors import are_several, open_for_all, open_helpers
from exportstream.cli.figures import (
    amount,
    copies,
    dropped,
    partial_tokens,
    show_prices,
    show_totals,
    size,
    width_of_output,
    without_usage,
)
from exportstream.cli.help import Command
from exportstream.cli.options import many_inputs, totals_options
from exportstream.cli.process import Exit
from exportstream.cli.terminal import in_options, show_json, show_lines, standard_output, tell
from exportstream.conversion.inputs import Input, find_inputs
from exportstream.conversion.report import SCHEMA, open_text
from exportstream.conversion.totals import TotalsReport, total_all, total_one
from exportstream.errors import UsageError, shown
from exportstream.reading.options import OnError, ReadOptions
from exportstream.storage.transaction import Transaction
from exportstream.totals.periods import Range
from exportstream.totals.sums import Counted
from exportstream.totals.table_options import GroupOptions, as_bound, split_words
from exportstream.totals.text import WIDTH
from exportstream.writing.formats.json import to_printable_json

_SUFFIXES = (".csv", ".md", ".json", ".html")
_COMPRESSIONS = {".zst": "zstd", ".gz": "gzip"}


@click.command(
    "totals",
    cls=Command,
    examples=[
        ("exportstream totals session.json", "declared and counted figures"),
        ("exportstream totals exports/ --by day,model", "cost and tokens of each day and model"),
        ("exportstream totals exports/ --by session --top 10", "the ten most expensive sessions"),
        ("exportstream totals exports/ --since 7d -o bill.html", "a page with charts, of the last seven days"),
        ("exportstream totals exports/ --by project --by tool --prices genai", "two tables, messages without a cost priced"),
    ],
)
@many_inputs
@totals_options
def totals_command(
    *,
    inputs: tuple[str, ...],
    output: str | None,
    force: bool,
    as_json: bool,
    by: tuple[str, ...],
    since: str | None,
    until: str | None,
    tz: str | None,
    sort: str | None,
    top: int | None,
    csv_safe: bool,
    dedupe: bool,
    prices: str | None,
    exclude: tuple[str, ...],
    jobs: int | None,
    on_error: OnError | None,
    max_message_size: int,
    max_window: int,
    quiet: bool,
) -> None:
    """Print the totals of all INPUTs together, or by group.

    INPUT is a file, a folder, a zip, a glob in quotes, a URL (with the extra remote), or - for standard input. Declared
    totals come from the sessions, counted totals from their messages. An unknown figure is -, never 0.

    A session counts in each group that it has messages in. Declared figures are by session, file and producer only. An input
    that fails counts nowhere, and is listed at the end. Costs are exact in files and JSON; a terminal shows 6 decimals.
    Memory grows by 100 bytes per message of Claude Code, to count copies once.
    """
    output = standard_output(output)
    output = None if as_json and output == "-" else output
    suffix, compression = _suffix_of(output)
    tables = split_words(by)
    if not tables and (since is not None or until is not None or suffix in (".csv", ".md")):
        tables = ((),)
    _check_output(output, suffix, as_json=as_json, tables=len(by), sort=sort)
    of_time = Range(since=as_bound(since), until=as_bound(until), tz=tz)
    if suffix == ".html":
        from exportstream.cli.page import load_page, page_groups  # noqa: PLC0415 - only here

        groups = page_groups(of_time, top=top, priced=prices is not None)
        text_of = load_page()
    else:
        groups = GroupOptions(by=tables, range=of_time, sort=sort, top=top, priced=prices is not None)
        text_of = partial(_text, suffix=suffix, csv_safe=csv_safe)
    if csv_safe and suffix != ".csv":
        raise UsageError("--csv-safe goes with CSV output only", hint="leave it out, or give -o FILE.csv")
    reading = ReadOptions(
        on_error=on_error,
        max_message_size=max_message_size,
        max_window=max_window,
        dedupe=dedupe,
        prices=prices,
    )
    found = find_inputs(inputs, exclude=exclude)
    several = are_several(inputs)
    helpers = nullcontext() if several else open_helpers(inputs[0], reading, 1 if dedupe else jobs)
    with helpers as executor, Transaction() as transaction:
        save = None
        if output is not None:
            source = None if several or inputs[0] == "-" else inputs[0]
            save = open_text(output, transaction, force=force, source_path=source, compression=compression)
        if several:
            done = _count_many(found, reading, groups, jobs, quiet=quiet)
        else:
            with Progress(enabled=not quiet) as bar:
                done = total_one(inputs[0], reading, groups, executor=executor, progress=bar.update)
        if not any(outcome.report for outcome in done.outcomes) and not as_json:  # nothing was counted: not even zeros
            sys.exit(print_failures(done.outcomes, quiet=quiet))
        if save is not None:
            save(text_of(done))
    print_few_warnings(
        [(outcome.source, outcome.report.notes) for outcome in done.outcomes if outcome.report is not None],
        "name them alone to see them",
    )
    if not quiet and output not in (None, "-"):
        _print_written(done, str(output))
    if output is None:
        _show(done, as_json=as_json)
        if not as_json:
            _show_instants(since, until, of_time)
    print_cut(done)
    failed = print_failures(done.outcomes, quiet=quiet)
    if failed or done.partial or done.rejected:
        sys.exit(failed or Exit.PARTIAL)


def _suffix_of(output: str | None) -> tuple[str, str]:
    """Return the suffix that says what is written, and the compression."""
    if output in (None, "-"):
        return ("" if output is None else ".csv"), "none"
    stem, suffix = os.path.splitext(str(output).lower())
    if suffix in _COMPRESSIONS:
        return os.path.splitext(stem)[1], _COMPRESSIONS[suffix]
    return suffix, "none"


def _check_output(output: str | None, suffix: str, *, as_json: bool, tables: int, sort: str | None) -> None:
    if output is None:
        return
    if as_json:
        raise UsageError("--json prints, and does not go with --output", hint="leave one out, or give -o FILE.json")
    if suffix not in _SUFFIXES:
        raise UsageError(
            f"expected an output whose name ends in {', '.join(_SUFFIXES)}, got {shown(output)}",
            hint="choose one, then .zst, .gz or nothing, or - for CSV",
        )
    if suffix == ".html" and (tables or sort is not None):
        raise UsageError("an HTML page has tables of its own", hint="leave out --by and --sort, or write .md or .json")
    if suffix == ".csv" and tables > 1:
        raise UsageError(f"a CSV holds one table, got {tables} times --by", hint="give one, or write .md or .json")


def _count_many(
    found: list[Input], reading: ReadOptions, groups: GroupOptions, jobs: int | None, *, quiet: bool
) -> TotalsReport:
    if reading.dedupe and jobs is not None and jobs > 1:
        raise UsageError("--jobs does not go with --dedupe, which goes over all inputs", hint="leave --jobs out")
    with (
        ManyProgress(enabled=not quiet) as progress,
        open_for_all(found, reading, 1 if reading.dedupe else jobs) as executor,
    ):
        return total_all(found, reading, groups, executor=executor, progress=progress.update)


def _document(done: TotalsReport) -> dict[str, Any]:
    """Return the JSON of totals: those of everything, or the tables; and what failed of several inputs."""
    tables = done.to_dict()
    for one in [*tables["failed"], *tables["ignored"]]:
        one["error"] = in_options(one["error"])
    if done.tables:
        return {"schema": SCHEMA, **tables}
    several = {name: tables[name] for name in ("inputs", "failed", "ignored")} if len(done.outcomes) > 1 else {}
    cut = {name: tables[name] for name in ("cut", "doubtful")} if done.cut or several else {}
    return {"schema": SCHEMA, **done.totals.to_dict(), **several, **cut}


def _text(done: TotalsReport, suffix: str, *, csv_safe: bool) -> str:
    """Return what a file of a suffix holds, but for a page."""
    if suffix == ".json":
        return to_printable_json(_document(done)) + "\n"
    if suffix == ".csv":
        return done.tables[0].to_csv(safe=csv_safe)
    lists = [] if done.totals.priced is None else done.totals.priced.lists
    return "\n".join([*(table.to_markdown() for table in done.tables), *(f"Prices: {shown(str(one))}\n" for one in lists)])


def _print_written(done: TotalsReport, output: str) -> None:
    """Print one line about what was read and where the totals went, as `convert` does of rows."""
    counted = sum(outcome.report is not None for outcome in done.outcomes)
    inputs = len(done.outcomes)
    what = name_of(done.outcomes[0].source) if inputs == 1 else f"{counted:,} of {amount(inputs, 'inputs')} counted"
    rate = done.bytes_parsed / done.seconds if done.seconds else 0
    read = f"{amount(done.messages, 'messages')} read in {done.seconds:.1f} s ({size(rate)}/s)"
    tell(f"{what}: {read}, totals to {shown(output)}")


def _show(done: TotalsReport, *, as_json: bool) -> None:
    if as_json:
        show_json(to_printable_json(_document(done)))
        return
    if done.tables:
        show_lines(done.to_text(width_of_output(WIDTH)).split("\n"))
    else:
        show_totals(done.totals, stderr=False)
    counted = Counted() if done.range.is_bounded else done.totals.counted  # it is of all messages
    has_costs = not done.tables or any("cost" in table.total.figures for table in done.tables)  # not by tool, for one
    if done.totals.priced is None and has_costs and counted.with_tokens > counted.cost.count:
        show_lines(["", "some messages have tokens and no cost: --prices genai tells what they cost"])
    for count, words in (
        (counted.partial_tokens if done.tables and has_costs else 0, partial_tokens),  # without tables it is a row
        (counted.copies, copies),
        (done.notes.without_usage, without_usage),
    ):
        if count:
            show_lines(["", words(count)])
    if repeats := dropped(done.duplicates):
        show_lines(["", repeats])
    if done.totals.priced is not None and has_costs:
        show_prices(done.totals.priced, unpriced=not done.range.is_bounded)  # they are of all messages


def _show_instants(since: str | None, until: str | None, found: Range) -> None:
    """Name the instants that spans before now, such as 7d, stand for."""
    bounds = (("since", since, found.since), ("until", until, found.until))
    if said := [f"{name} {given}: {instant}" for name, given, instant in bounds if given != instant]:
        show_lines(["", *said])
