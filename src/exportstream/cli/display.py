"""Shows progress, warnings, summaries and figures."""

from __future__ import annotations

import io
import shutil
import sys
import time
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from exportstream.cli.process import Exit
from exportstream.cli.terminal import in_options, show_lines, tell
from exportstream.conversion.progress import Status
from exportstream.conversion.report import ManyReport, Report
from exportstream.errors import printable, shown
from exportstream.models.notes import Notes
from exportstream.reading.check import KINDS, OF_SESSION, SessionCheck
from exportstream.reading.export import Export
from exportstream.totals.sums import Totals, difference
from exportstream.writing.formats import to_printable_json

_WIDE = 10_000  # columns: output to files and pipes is never folded
_FEW = 5  # inputs
_LONG_FIGURE = 100  # characters
_REFRESH = 0.2  # seconds


class _Bar:
    """A bar of bytes read with a text beside it, if standard error is a terminal. Cheap to update often."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled and sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def _is_due(self) -> bool:
        now = time.monotonic()
        if not self._enabled or now < self._next:
            return False
        self._next = now + _REFRESH
        return True

    def _show(self, done: int, total: int | None, text: str) -> None:
        if self._bar is None:
            from rich import progress  # noqa: PLC0415 - only a terminal needs it, and it takes long to import
            from rich.console import Console  # noqa: PLC0415

            self._bar = progress.Progress(
                progress.BarColumn(),
                progress.DownloadColumn(),
                progress.TransferSpeedColumn(),
                progress.TimeRemainingColumn(),
                progress.TextColumn("{task.fields[text]}", markup=False),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=total, text="")
            self._bar.start()
        self._bar.update(self._task, completed=done, text=text)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()


class Progress(_Bar):
    """The progress of one export, with the running totals."""

    def update(self, export: Export) -> None:
        """Show the progress of the export."""
        if self._is_due():
            totals = export.totals
            cost = totals.cost if totals.messages_with_cost else totals.declared_cost
            text = f"{totals.messages:,} messages · {totals.tool_calls:,} tool calls · ${_rounded(cost)}"
            self._show(export.bytes_read, export.bytes_total, text)


class ManyProgress(_Bar):
    """The progress of many exports."""

    def update(self, status: Status) -> None:
        """Show the progress of all exports."""
        if self._is_due():
            failed = f" · {status.failed:,} failed" if status.failed else ""
            self._show(status.bytes_done, status.bytes_total, f"{status.files_done:,} of {status.files:,} files{failed}")


def print_all_warnings(report: Report) -> None:
    """Print the warnings of a report, of the first few inputs if there are many."""
    parts = [outcome.report for outcome in report.outcomes if outcome.report] if isinstance(report, ManyReport) else []
    noticed = [part for part in parts or [report] if part.notes != Notes()]
    for part in noticed[:_FEW]:
        print_warnings(part.source, part.notes)
    if more := noticed[_FEW:]:
        tell(f"warnings for {len(more):,} more inputs; --report FILE has them all")


def print_warnings(source: str, notes: Notes) -> None:
    """Print the warnings of one input, a line each, on standard error."""
    lines = []
    if notes.null_dates:
        lines.append(
            f"{notes.null_dates:,} messages have null dates: this looks like an SDK 0.8 dump without by_alias=True, "
            "where tool calls were lost; export again"
        )
    if notes.replaced_surrogates:
        lines.append(
            f"{notes.replaced_surrogates:,} halves of surrogate pairs became U+FFFD; exportstream check gives the messages"
        )
    if notes.repeated_ids:
        lines.append(
            f"at least {notes.repeated_ids:,} messages repeat an id of their session and were counted as they are; "
            "--dedupe counts them once"
        )
    if notes.rejected:
        lines.append(f"{notes.rejected:,} messages were rejected")
    for line in lines:
        tell(f"{shown(source)}: warning: {line}")


def print_summary(report: Report) -> None:
    """Print one line about what was written, and on a terminal the totals as a table."""
    rate = report.bytes_parsed / report.seconds if report.seconds else 0
    smaller = report.bytes_parsed / report.bytes_written if report.bytes_written else 0
    ratio = f", {smaller:.1f}x smaller than the JSON" if smaller > 1 else ""
    rejected = (
        f"; {report.rejected:,} of {report.messages + report.rejected:,} messages rejected"
        + (f" into {shown(report.rejects)}" if report.rejects else "")
        if report.rejected
        else ""
    )
    targets = " and ".join(shown(output.target) for output in report.outputs)
    what = shown(report.source)
    if isinstance(report, ManyReport):
        others = {"skipped": "up to date", "failed": "failed", "cancelled": "not begun"}
        counts = [f"{report.count(status):,} {words}" for status, words in others.items() if report.count(status)]
        what = ", ".join([f"{report.count('converted'):,} of {report.source} converted", *counts])
    if isinstance(report, ManyReport) and not report.count("converted"):
        tell(what)
        return
    tell(
        f"{what}: {report.rows:,} rows{f' to {targets}' if targets else ''} "
        f"({size(report.bytes_written)}{ratio}) in {report.seconds:.1f} s ({size(rate)}/s){rejected}"
    )
    if sys.stderr.isatty():
        _show(report.totals, stderr=True)


def print_outcome(report: Report) -> int:
    """Print cut and failed inputs on standard error, and return the exit code."""
    for name, messages in report.cut.items():
        complete = f"{messages:,} complete message{'' if messages == 1 else 's'}"
        tell(f"{shown(name)}: the input is cut; kept {complete}")
    failed = report.failed if isinstance(report, ManyReport) else []
    for outcome in failed:
        tell(in_options(str(outcome.error)))
    return Exit.INPUT if failed else Exit.PARTIAL if report.rejected or report.partial else Exit.DONE


def print_totals(totals: Totals) -> None:
    """Print the totals as a table on standard output."""
    _show(totals, stderr=False)


def _show(totals: Totals, *, stderr: bool) -> None:
    from rich.console import Console  # noqa: PLC0415 - takes long to import
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table("", "declared", "counted", "difference", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
        column.overflow = "fold"  # no figure is cut
    differences = totals.differences()
    for label, declared, counted, name in _rows(totals):
        gap = difference(*differences[name]) if name in differences else None
        differs = "" if name not in differences else "differs" if gap is None else figure(gap, "+")
        table.add_row(*map(Text, (label, figure(declared), figure(counted), differs)))
    text = io.StringIO()  # rich would end the process by itself where the output is closed
    stream = sys.stderr if stderr else sys.stdout
    on_terminal = stream is not None and stream.isatty()
    width = shutil.get_terminal_size().columns if on_terminal else _WIDE
    Console(file=text, highlight=False, width=width).print(table)
    show_lines(text.getvalue().splitlines(), err=stderr)


def _rows(totals: Totals) -> list[tuple[str, Any, Any, str]]:
    figures = totals.as_dict()
    declared, counted = figures["declared"], figures["perMessage"]
    rows: list[tuple[str, Any, Any, str]] = [
        ("sessions", None, totals.sessions, ""),
        ("messages", None, totals.messages, ""),
    ]
    named = {"user": "userMessages", "assistant": "assistantMessages"}
    roles = {**dict.fromkeys(named, 0), **figures["messagesByRole"]}
    for role, count in roles.items():
        key = named.get(role, "")
        rows.append((f"  {printable(role, 40)}", declared.get(key), count, key))
    if totals.other_roles:
        rows.append(("messages of other roles", None, totals.other_roles, ""))
    rows += [
        ("tool calls", declared["toolCalls"], totals.tool_calls, "toolCalls"),
        ("  with error", None, totals.tool_errors, ""),
        ("prompt / input tokens", declared["promptTokens"], counted["inputTokens"], "promptTokens"),
        ("completion / output tokens", declared["completionTokens"], counted["outputTokens"], "completionTokens"),
        ("cache creation tokens", None, counted["cacheCreationTokens"], ""),
        ("cache read tokens", None, counted["cacheReadTokens"], ""),
        ("cost (USD)", declared["cost"], counted["cost"], "cost"),
        ("first message", None, totals.first_date, ""),
        ("last message", None, totals.last_date, ""),
    ]
    return rows


def _rounded(cost: Decimal) -> str:
    """Write a cost in cents; beyond 15 digits in scientific notation, since Decimal would write all zeros."""
    return f"{cost:.2f}" if cost.adjusted() < 15 else f"{cost:.3E}"


def figure(value: Any, sign: str = "-") -> str:
    """Write a figure in bounded length and time: a long number in scientific notation, and with … where digits are left out.

    Args:
        value: a number, None, or text, which stays as it is.
        sign: ``+`` writes the sign of positive numbers too.
    """
    if value is None or isinstance(value, str):
        return value or "-"
    text = f"{value:{sign},}"
    if len(text) <= _LONG_FIGURE:
        return text
    number = Decimal(value)
    digits = "".join(map(str, number.as_tuple().digits[:_LONG_FIGURE]))
    left_out = "…" if len(number.as_tuple().digits) > _LONG_FIGURE else ""
    mark = "-" if number.is_signed() else sign.strip("-")
    return f"{mark}{digits[0]}.{digits[1:]}{left_out}E{number.adjusted():+}"


def print_check(found: SessionCheck) -> None:
    """Print the findings of one session on standard output."""
    odd = ", nothing odd" if found.clean else ""
    lines = [f"session {printable(str(found.session_id))}: {found.messages:,} messages{odd}"]
    for name, (declared, counted) in found.differences.items():
        lines.append(f"  {name}: declared {figure(declared)}, counted {figure(counted)}")
    for kind, finding in found.findings.items():
        if finding.session:
            lines.append(f"  {finding.session:,} {OF_SESSION[kind]}")
        if not finding.count:
            continue
        numbers = ", ".join(map(str, finding.messages))
        more = finding.count - len(finding.messages)
        reason = f": {printable(finding.reason)}" if finding.reason else ""
        lines.append(
            f"  {finding.count:,} {KINDS[kind]} (message {numbers}"
            + (f" and {more:,} more" if more > 0 else "")
            + f"){reason}"
        )
    for name, count in found.unknown_keys.items():
        lines.append(f"  unknown key {printable(name)}: {count:,} times, kept in extra")
    show_lines(lines)


def json_text(value: Any) -> str:
    """A value as compact JSON."""
    return to_printable_json(value)


def size(count: float) -> str:
    """A number of bytes for people: 1.2 MB."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
