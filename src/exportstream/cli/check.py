"""The command `check`: the oddities of each session, as text or JSON."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod

import click

from exportstream.cli.display import name_of, print_failures
from exportstream.cli.executors import are_several, open_for_all, open_helpers
from exportstream.cli.figures import amount, size
from exportstream.cli.help import Command
from exportstream.cli.options import check_options, many_inputs
from exportstream.cli.process import Exit
from exportstream.cli.terminal import in_options, show_json, show_lines
from exportstream.conversion.checks import check_all, check_one
from exportstream.conversion.inputs import Input, find_inputs
from exportstream.conversion.outcome import Outcome, label_of
from exportstream.conversion.report import SCHEMA
from exportstream.errors import ExportstreamError, printable
from exportstream.reading.findings import KINDS, OF_SESSION, SessionCheck
from exportstream.reading.options import ReadOptions
from exportstream.totals.text import figure
from exportstream.writing.formats.json import to_printable_json


@click.command(
    "check",
    cls=Command,
    exit_codes=[code for code in Exit if code != Exit.PARTIAL],
    examples=[
        ("exportstream check session.json", "lists what is odd about each session"),
        ("exportstream check exports/", "of each export in a folder"),
        ("exportstream check session.json --strict", "for scripts: any finding is exit code 3"),
    ],
)
@many_inputs
@check_options
def check_command(
    *,
    inputs: tuple[str, ...],
    exclude: tuple[str, ...],
    jobs: int | None,
    strict: bool,
    as_json: bool,
    max_message_size: int,
    max_window: int,
    quiet: bool,
) -> None:
    """List the oddities of each session of all INPUTs; write nothing.

    INPUT is a file, a folder, a zip, a glob in quotes, a URL (with the extra remote), or - for standard input. Input that
    convert would refuse is exit code 3. Memory grows with the number of messages of the largest session, to find repeated
    ids, and with several processes with the findings of an input, which are printed in the order of the inputs.
    """
    several = are_several(inputs)
    found = find_inputs(inputs, exclude=exclude) if several or exclude else [Input(inputs[0], "", named=True)]
    options = ReadOptions(on_error="skip", max_message_size=max_message_size, max_window=max_window)
    printer = _JSONPrinter(several=several) if as_json else _TextPrinter(several=several)
    if several:
        with open_for_all(found, options, jobs) as executor:
            for source, one in check_all(found, options, executor=executor, all_sessions=as_json):
                printer.add(source, one)
    else:
        try:
            with open_helpers(found[0].source, options, jobs) as executor:
                for one in check_one(found[0].source, options, executor):
                    printer.add(found[0].source, one)
        except ExportstreamError as error:
            printer.end(str(error))
            raise
        printer.add(found[0].source, Outcome(found[0].source, "checked"))
    if as_json or not quiet:
        printer.end()
    failed = print_failures(printer.outcomes, quiet=quiet)
    if failed or not printer.is_valid or (strict and not printer.is_clean):
        sys.exit(failed or Exit.INPUT)


def _print_findings(found: SessionCheck) -> None:
    of_session = f"session {printable(str(found.session_id))}: {amount(found.messages, 'messages')}"
    lines = [of_session if found.session_id is not None else "in no session:"]
    for name, difference in found.differences.items():
        rounding = " (rounding)" if difference.kind == "rounding" else ""
        lines.append(f"  {name}: declared {figure(difference.declared)}, counted {figure(difference.counted)}{rounding}")
    for kind, finding in found.findings.items():
        first = "; the first: " if finding.count + finding.session > 1 else ": "
        reason = f"{first}{printable(finding.reason)}" if finding.reason else ""
        if finding.session:
            lines.append(f"  {amount(finding.session, OF_SESSION[kind])}{'' if finding.count else reason}")
        if not finding.count:
            continue
        numbers = ", ".join(map(str, finding.messages))
        more = finding.count - len(finding.messages)
        lines.append(
            f"  {amount(finding.count, KINDS[kind])} (message {numbers}"
            + (f" and {more:,} more" if more > 0 else "")
            + f"){reason}"
        )
    for name, count in found.unknown_keys.items():
        lines.append(f"  unknown key {printable(name)}: {amount(count, 'times')}, kept in extra")
    for kind, one in found.records.items():
        lines.append(f"  no rows: {printable(kind)} {one.count:,}" + (f" ({size(one.bytes)})" if one.bytes else ""))
    show_lines(lines)


class _Printer(ABC):
    """Prints the findings as they come, and counts sessions; several inputs are named."""

    def __init__(self, *, several: bool) -> None:
        self.sessions = self.odd = 0  # so far; those with findings
        self.is_clean = True  # nothing was found, also outside of sessions
        self.is_valid = True  # no invalid messages, and no damage
        self.outcomes: list[Outcome] = []
        self._several = several
        self._failed = [0, 0]  # of these sessions, and of those with findings, how many are of inputs that failed
        self._before = 0, 0  # the same two counts before this input

    def add(self, source: str, one: SessionCheck | Outcome) -> None:
        """Print a session of an input, or take how the input ended."""
        if isinstance(one, Outcome):
            self._end_input(one)
            return
        self._show(source, one)
        self.sessions += one.session_id is not None
        self.odd += one.session_id is not None and not one.clean
        self.is_clean &= one.clean
        self.is_valid &= one.findings.keys().isdisjoint(("invalid-message", "damage"))

    def _end_input(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        if outcome.report is not None:  # sessions without findings that a worker has only counted
            self.sessions = self._before[0] + outcome.report.sessions
        if outcome.status != "checked":
            self._failed[0] += self.sessions - self._before[0]
            self._failed[1] += self.odd - self._before[1]
        self._before = self.sessions, self.odd

    @abstractmethod
    def _show(self, source: str, one: SessionCheck) -> None:
        """Print what was found in a session."""

    @abstractmethod
    def end(self, error: str | None = None) -> None:
        """Print what comes after the last session; `error` is that of the only input."""


class _TextPrinter(_Printer):
    """Prints lines: sessions with findings below the name of their input, and a summary."""

    _named: str | None = None  # the input that was named last

    def _show(self, source: str, one: SessionCheck) -> None:
        if one.clean and not one.records:
            return
        if self._several and self._named != source:
            show_lines([f"{name_of(source)}:"])
            self._named = source
        _print_findings(one)

    def end(self, error: str | None = None) -> None:
        """Print how many sessions there are, unless all inputs failed."""
        read = [outcome for outcome in self.outcomes if outcome.status == "checked"]
        failed = sum(outcome.status == "failed" for outcome in self.outcomes)
        if error is not None or not read:
            return
        of_inputs = f" in {amount(len(read), 'inputs')}" if self._several else ""
        text = f"{amount(self.sessions - self._failed[0], 'sessions')}{of_inputs}"
        text += f", {self.odd - self._failed[1]:,} with findings"
        show_lines([text + (f"; {amount(failed, 'inputs')} failed" if failed else "")])


class _JSONPrinter(_Printer):
    """Prints one document of all sessions, which is complete, whatever fails."""

    def __init__(self, *, several: bool) -> None:
        super().__init__(several=several)
        self._separator = ""  # before the next session
        show_json(f'{{"schema":{SCHEMA},"sessions":[', end="")

    def _show(self, source: str, one: SessionCheck) -> None:
        of = {"source": label_of(source)} if self._several else {}
        show_json(self._separator + to_printable_json(of | one.to_dict()), end="")
        self._separator = ","

    def end(self, error: str | None = None) -> None:
        """Print the inputs that failed or are no exports, and the counts."""
        lists: dict[str, list[dict[str, str]]] = {"failed": [], "ignored": []}
        for one in self.outcomes:
            if one.status in lists:
                lists[one.status].append({"source": label_of(one.source), "error": in_options(str(one.error))})
        ended = "".join(f'"{name}":{to_printable_json(some)},' for name, some in lists.items()) if self._several else ""
        ended += f'"error":{to_printable_json(in_options(error))},' if error is not None else ""
        show_json(f'],{ended}"sessionCount":{self.sessions},"sessionsWithFindings":{self.odd}}}')
