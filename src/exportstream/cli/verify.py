"""The command verify: outputs against what was recorded when they were written."""

from __future__ import annotations

import sys

import click

from exportstream.cli.figures import amount, few
from exportstream.cli.help import Command
from exportstream.cli.options import debug_flag, many_outputs
from exportstream.cli.process import Exit
from exportstream.cli.terminal import show_lines, tell
from exportstream.conversion.verify import NO_FILE, NO_RECORD, verify


@click.command(
    "verify",
    cls=Command,
    exit_codes=[code for code in Exit if code != Exit.PARTIAL],
    examples=[
        ("exportstream verify rows/", "all outputs of a folder"),
        ("exportstream verify all.parquet session.db", "these files, by what they say about themselves"),
    ],
)
@many_outputs
@debug_flag
def verify_command(*, outputs: tuple[str, ...]) -> None:
    """Compare outputs with what was recorded of them.

    OUTPUT is a file, or a folder that convert wrote several outputs to. The hidden manifest of that folder has the SHA-256,
    the rows and the totals of each. Parquet and SQLite files carry their rows and totals inside, so they can be verified
    anywhere. Each output that differs, is missing or has no record is a line, and exit code 3. Outputs whose inputs changed
    since are named, too.
    """
    count = odd = changed = unrecorded = 0
    outdated: list[str] = []
    for verified in verify(outputs):
        count += 1
        odd += not verified.ok
        unrecorded += verified.findings == [NO_RECORD]
        changed += verified.findings not in ([], [NO_RECORD], [NO_FILE])
        outdated += [verified.output] if verified.outdated else []
        if not verified.ok:
            show_lines([f"{verified.output}: {'; '.join(verified.findings)}"])
    show_lines([f"{amount(count, 'outputs')}, {odd:,} with findings"])
    if unrecorded:
        tell("only Parquet and SQLite, and outputs written to a folder (-o DIR/) or with --update, have a record")
    if changed:
        tell("convert their inputs again with --force: --update goes by sizes and times, not by contents")
    if outdated:
        those = amount(len(outdated), "outputs")
        tell(f"{those} made of inputs that changed since: {few(outdated, 'more')}; run their convert again, with --update")
    if odd:
        sys.exit(Exit.INPUT)
