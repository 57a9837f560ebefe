"""The end of convert on standard error: what was written, what was rejected, and the exit code."""

from __future__ import annotations

import sys

from exportstream.cli.display import print_cut, print_failures, print_few_warnings
from exportstream.cli.figures import FEW, amount, copies, damaged, dropped, few, show_totals, size, without_usage
from exportstream.cli.process import Exit
from exportstream.cli.terminal import STDOUT, tell
from exportstream.conversion.report import ManyReport, Report
from exportstream.errors import shown
from exportstream.models.notes import Notes
from exportstream.storage.names import is_stream
from exportstream.writing.writers import Written

_SMALLER = 1.05  # times: less is the same size, and would be shown as 1.0x


def print_all_warnings(report: Report, *, rejects: bool) -> None:
    """Print the warnings of a report, of the first few inputs if there are many; of `rejects` unless the summary does."""
    outcomes = [one for one in report.outcomes if one.status != "skipped"] if isinstance(report, ManyReport) else []
    parts = [(one.source, notes) for one in outcomes if (notes := one.report.notes if one.report else one.notes) is not None]
    print_few_warnings(parts or [(report.source, report.notes)], "--report FILE has them all", rejects=rejects)
    large = [output for output in report.all_outputs if output.large_columns]
    for output in large[:FEW]:
        names = ",".join(output.large_columns)
        tell(
            f"{shown(output.target)}: warning: cells of {names} are longer than the 32,767 characters that a "
            f"spreadsheet holds; --without {names} leaves them out"
        )
    if more := large[FEW:]:
        tell(f"such cells in {amount(len(more), 'more outputs')}; --report FILE has them all")
    if isinstance(report, ManyReport) and (gone := report.dropped_inputs):
        inputs = f"{amount(len(gone), 'inputs')} not given any more: {few(gone, 'more')}"
        tell(f"warning: the output no longer has rows of {inputs}")
    if rejects and (before := _rejected_before(report)):
        tell(before)


def print_summary(report: Report, *, jobs: int) -> None:
    """Print one line about what was written, and on a terminal the totals as a table; so many `jobs` were asked for."""
    if isinstance(report, ManyReport):
        _print_left(report)
    if isinstance(report, ManyReport) and len(report.outcomes) == 1 and isinstance(report.outcomes[0].report, Report):
        report = report.outcomes[0].report
    what, several = shown(report.source), isinstance(report, ManyReport)
    if isinstance(report, ManyReport):
        what, is_new = _counts_of(report), report.count("converted") > 0
    else:
        is_new = report.status == "converted"
        what = what if is_new else f"{what}: up to date"
    before = f"; {found}" if (found := _rejected_before(report)) else ""
    if not is_new:
        tell(f"{what}{before}")
        return
    targets = _joined([shown(output.target) for output in report.outputs])
    rate = report.bytes_parsed / report.seconds if report.seconds else 0
    by = ", by several processes" if report.shared else ", by one process" if jobs > 1 and not several else ""
    counts = report.totals.counted.copies, report.notes.without_usage
    uncounted = [words(count) for words, count in zip((copies, without_usage), counts, strict=True) if count]
    others = "".join(f"; {words}" for words in (dropped(report.duplicates), *uncounted) if words)
    tell(
        f"{what}: {_rows_of(report.all_outputs)}{f' to {targets}' if targets else ''} "
        f"({size(report.bytes_written)}{_ratio(report)}) in {report.seconds:.1f} s ({size(rate)}/s){by}"
        f"{_rejected(report)}{others}{before}"
    )
    if sys.stderr.isatty():
        show_totals(report.totals, stderr=True)


def _print_left(report: ManyReport) -> None:
    """Print which outputs, or rows of one, ``--update`` leaves as they are."""
    if left := report.without_input:
        has, stay = ("has", "stays") if len(left) == 1 else ("have", "stay")
        tell(f"{amount(len(left), 'outputs')} {has} no input any more, and {stay}: {few(left, 'more')}")
    if left := report.not_updated:
        are = "is" if len(left) == 1 else "are"
        what = f"of these inputs with another name, format or table {are} not updated"
        tell(f"{amount(len(left), 'outputs')} {what}: {few(left, 'more')}")
    if left := report.kept_inputs:
        tell(
            f"the output keeps rows of {amount(len(left), 'inputs')} not given any more: {few(left, 'more')}; "
            "--force without --update writes it anew"
        )


def _counts_of(report: ManyReport) -> str:
    """Write how many inputs were converted, and what became of the others."""
    others = {"skipped": "up to date", "ignored": "ignored", "failed": "failed", "cancelled": "not begun"}
    counts = [f"{report.count(status):,} {words}" for status, words in others.items() if report.count(status)]
    return ", ".join([f"{report.count('converted'):,} of {amount(len(report.outcomes), 'inputs')} converted", *counts])


def _ratio(report: Report) -> str:
    """Write how much smaller outputs with messages are than the JSON; other tables are summaries."""
    whole = report.rows and any("messages" in output.tables for output in report.all_outputs)
    smaller = report.bytes_parsed / report.bytes_written if whole and report.bytes_written else 0
    return f", {smaller:.1f}x smaller than the JSON" if smaller >= _SMALLER else ""


def _rejected(report: Report) -> str:
    """Write how much was rejected, and into which files; nothing if there was none."""
    all_ = report.messages + report.rejected
    lost = [f"{report.rejected:,} of {amount(all_, 'messages')}"] if report.rejected else []
    lost += damaged(report.notes)
    parts = [report, *(one.report for one in report.outcomes)] if isinstance(report, ManyReport) else [report]
    into = _into([part.rejects for part in parts if isinstance(part, Report) and part.rejects])
    return f"; {' and '.join(lost)} rejected{into}" if lost else ""


def _rejected_before(report: Report) -> str:
    """Write how much was rejected of inputs that are up to date, when they were converted; nothing if there was none."""
    kept = [one for one in report.outcomes if one.status == "skipped"] if isinstance(report, ManyReport) else []
    notes = report.kept_notes if isinstance(report, ManyReport) else Notes()
    lost = [amount(notes.rejected, "messages")] if notes.rejected else []
    lost += damaged(notes)
    names = [one.rejects for one in kept if one.rejects]
    if not names and report.rejects and (kept or report.status == "skipped"):
        names = [report.rejects]
    if names and not lost:
        lost = ["messages or damaged bytes"]
    doubt = f"; any row of {amount(notes.doubtful, 'inputs')} may be wrong: a checksum differed" if notes.doubtful else ""
    return f"{' and '.join(lost)} rejected before{_into(names)}{doubt}" if lost else ""


def _into(names: list[str]) -> str:
    return f" into {few([STDOUT if is_stream(name) else name for name in names], 'more files')}" if names else ""


def _rows_of(outputs: list[Written]) -> str:
    """Write how many rows there are, of each table if there are several."""
    rows: dict[str, int] = {}
    for output in outputs:
        for table, count in output.table_rows.items():
            rows[table] = rows.get(table, 0) + count
    if len(rows) < 2:
        return amount(sum(rows.values()), "rows")
    return _joined([amount(count, table.replace("-", " ")) for table, count in rows.items()])


def _joined(words: list[str]) -> str:
    """Write words with commas, and the last one after ``and``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def print_outcome(report: Report, *, quiet: bool) -> int:
    """Print cut and failed inputs on standard error, and return the exit code; see `print_failures`."""
    print_cut(report)
    failed = print_failures(report.outcomes, quiet=quiet) if isinstance(report, ManyReport) else None
    return failed or (Exit.PARTIAL if report.rejected or report.partial or _rejected_before(report) else Exit.DONE)
