"""Messages on standard error: progress while the command runs, and what was odd or failed at the end."""

from __future__ import annotations

import sys
import time
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from exportstream.cli.figures import FEW, amount, damaged, few, size
from exportstream.cli.process import Exit, raise_dropped
from exportstream.cli.terminal import in_options, tell
from exportstream.conversion.outcome import Counts, Outcome
from exportstream.conversion.progress import Status
from exportstream.errors import printable, shown
from exportstream.models.notes import Notes
from exportstream.reading.export import Export
from exportstream.reading.json.no_session import AN_OUTPUT
from exportstream.storage.names import STDIN, is_stream
from exportstream.storage.zip import SEPARATOR, zip_file_of

_REFRESH = 0.2  # seconds
_NARROW, _BROAD = 10, 40  # columns of the bar
_FIGURES = 38  # columns: bytes, speed and time left, with a blank after each
_LONG_TEXT = 50  # columns: text that a wide terminal has room for


class _Bar:
    """A bar of bytes read with a text beside it, if standard error is a terminal. Cheap to update often.

    An update is also where a signal ends the work whose exception was dropped.
    """

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled and sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None
        self._room = 0  # columns for text
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def _is_due(self) -> bool:
        raise_dropped()
        now = time.monotonic()
        if not self._enabled or now < self._next:
            return False
        self._next = now + _REFRESH
        return True

    def _show(self, done: int, total: int | None, parts: list[str]) -> None:
        """Show the bar, and as many of the parts beside it as fit."""
        if self._bar is None:
            from rich import progress  # noqa: PLC0415 - only a terminal needs it, and it takes long to import
            from rich.console import Console  # noqa: PLC0415

            console = Console(stderr=True)
            bar = max(_NARROW, min(_BROAD, console.width - _FIGURES - _LONG_TEXT))
            self._room = max(console.width - _FIGURES - bar, 0)
            self._bar = progress.Progress(
                progress.BarColumn(bar),
                progress.DownloadColumn(),
                progress.TransferSpeedColumn(),
                progress.TimeRemainingColumn(),
                progress.TextColumn("{task.fields[text]}", markup=False),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=total, text="")
            self._bar.start()
        while parts and len(" · ".join(parts)) > self._room:
            parts = parts[:-1]
        self._bar.update(self._task, completed=done, text=" · ".join(parts))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()


class Progress(_Bar):
    """The progress of one export, with the running totals."""

    def update(self, export: Export) -> None:
        """Show the progress of the export."""
        if self._is_due():
            totals = export.totals
            counted = totals.counted
            cost = next((sum_ for sum_ in (counted.cost.sum, totals.declared.cost.sum) if sum_ is not None), Decimal(0))
            parts = [amount(counted.messages, "messages"), f"${_rounded(cost)}", amount(counted.tool_calls, "tool calls")]
            self._show(export.bytes_read, export.bytes_total, parts)


class ManyProgress(_Bar):
    """The progress of many exports."""

    def update(self, status: Status) -> None:
        """Show the progress of all exports."""
        if self._is_due():
            failed = [f"{status.failed:,} failed"] if status.failed else []
            parts = [f"{status.files_done:,} of {amount(status.files, 'files')}", *failed]
            self._show(status.bytes_done, status.bytes_total, parts)


def name_of(source: str) -> str:
    """Return the name of an input as errors have it, too."""
    return STDIN if is_stream(source) else shown(source)


def print_few_warnings(parts: list[tuple[str, Notes]], hint: str, *, rejects: bool = True) -> None:
    """Print the warnings of the first few inputs that have any, a line each, and how to see those of the others."""
    noticed = [(source, lines) for source, notes in parts if (lines := _warnings(notes, rejects=rejects))]
    for source, lines in noticed[:FEW]:
        for line in lines:
            tell(f"{name_of(source)}: warning: {line}")
    if more := noticed[FEW:]:
        tell(f"warnings for {amount(len(more), 'more inputs')}; {hint}")


def _warnings(notes: Notes, *, rejects: bool) -> list[str]:
    """Write the warnings of one input, those of its rejects only if they are asked for."""
    lines = []
    if notes.null_dates:
        lines.append(
            f"{amount(notes.null_dates, 'messages have')} null dates; if tool calls are missing too, "
            "dump again with by_alias=True"
        )
    if notes.replaced_surrogates:
        lines.append(
            f"{amount(notes.replaced_surrogates, 'halves of surrogate pairs')} became U+FFFD; "
            "exportstream check gives the messages"
        )
    if notes.repeated_ids:
        lines.append(f"at least {amount(notes.repeated_ids, 'messages repeat')} an id of the session; --dedupe drops them")
    if notes.rejected and rejects:
        lines.append(amount(notes.rejected, "messages were rejected"))
    if rejects:
        lines += damaged(notes)
    if notes.torn:
        lines.append(f"the last line is not complete ({size(notes.torn)}): it is left for the next time")
    if notes.grown:
        lines.append("the log has grown meanwhile: what was added is left for the next time")
    return lines


def print_cut(read: Counts) -> None:
    """Print the inputs that were cut, a line each, on standard error."""
    for name, messages in read.cut.items():
        what = "the input is cut, or damaged up to its end"
        if name in read.doubtful:
            what = "the checksum differs, or the compressed data is damaged, so that any row of this input may be wrong"
        tell(f"{shown(name)}: {what}; kept {amount(messages, 'complete messages')}")


def print_failures(outcomes: list[Outcome], *, quiet: bool) -> Exit | None:
    """Print the inputs that are no exports, of many the first few, unless `quiet`; and all that failed.

    Returns:
        The exit code if some failed or none is an export, else None. It is that of the system if it alone failed.
    """
    ignored = [outcome for outcome in outcomes if outcome.status == "ignored"]
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if not quiet:
        _print_ignored(ignored)
    for outcome in failed:
        tell(in_options(str(outcome.error)))
    if 0 < len(ignored) == len(outcomes):
        tell(f"expected at least one export, got {amount(len(ignored), 'inputs')} of other JSON")
        return Exit.INPUT
    if not failed:
        return None
    return Exit.SYSTEM if all(outcome.is_system for outcome in failed) else Exit.INPUT


def _print_ignored(ignored: list[Outcome]) -> None:
    """Print a line for each file, one for all members of an archive, and one for all outputs of exportstream."""
    ours = [outcome.source for outcome in ignored if AN_OUTPUT in str(outcome.error)]
    if ours:
        tell(f"ignored: {amount(len(ours), 'outputs')} of exportstream: {few(ours, 'more')}")
    groups: dict[str, list[Outcome]] = {}
    for outcome in (one for one in ignored if AN_OUTPUT not in str(one.error)):
        groups.setdefault(zip_file_of(outcome.source), []).append(outcome)
    for archive, group in list(groups.items())[:FEW]:
        if zip_file_of(group[0].source) == group[0].source or len(group) == 1:
            tell(f"ignored: {in_options(str(group[0].error))}")
        else:
            members = [printable(outcome.source[len(archive) :].removeprefix(SEPARATOR)) for outcome in group[:FEW]]
            more = f" and {len(group) - FEW:,} more" if len(group) > FEW else ""
            tell(f"ignored: {shown(archive)}: {len(group):,} members that are no exports: {', '.join(members)}{more}")
    if more_files := list(groups.values())[FEW:]:
        tell(f"{amount(sum(map(len, more_files)), 'more inputs')} ignored")


def _rounded(cost: Decimal) -> str:
    """Write a cost in cents; beyond 15 digits in scientific notation, since Decimal would write all zeros."""
    return f"{cost:.2f}" if cost.adjusted() < 15 else f"{cost:.3E}"
