"""Reports of conversions, in figures.

Takes: exports that were read, and the outputs written of them.
Returns: a `Report` for one input or one set of outputs, a `ManyReport` for many inputs.
Raises: `UsageError`, `WriteError` where the report's own file can't be written.
Holds: one `Outcome` for each of many inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
from msgspec import field

from exportstream.conversion.outcome import Counts, Outcome, WithOutcomes
from exportstream.errors import OptionError, label
from exportstream.models.names import camel
from exportstream.models.notes import Notes
from exportstream.storage.sink import open_sink
from exportstream.storage.transaction import Transaction
from exportstream.totals.text import brief
from exportstream.writing.formats.json import to_printable_json
from exportstream.writing.writers import Written

SCHEMA = 1  # of all JSON documents; it grows when a key is renamed or removed
STATUSES = ("converted", "skipped", "ignored", "failed", "cancelled")


class Report(Counts):
    """Returned by `convert`: what was read (see `Counts`), and what was written.

    Attributes:
        source: the input's name.
        outputs: one for each output: its name, its tables, and what was written to it.
        seconds: wall time.
        rejects: name of the file of rejected messages, None if there is none.
        shared: whether several processes shared the input.
        status: ``converted``, or ``skipped`` if the output was up to date; of several inputs see `ManyReport`.
    """

    source: str = ""
    outputs: list[Written] = field(default_factory=list)
    seconds: float = 0.0
    rejects: str | None = None
    shared: bool = False
    status: Literal["converted", "skipped"] = "converted"

    def __repr__(self) -> str:
        return f"Report({brief(self.source)}, messages={self.messages}, rejected={self.rejected}, rows={self.rows})"

    @property
    def all_outputs(self) -> list[Written]:
        """All outputs; of many inputs also those that belong to one of them."""
        return self.outputs

    @property
    def rows(self) -> int:
        """Rows written, of all outputs."""
        return sum(output.rows for output in self.all_outputs)

    @property
    def bytes_encoded(self) -> int:
        """Bytes of rows before compression."""
        return sum(output.bytes_encoded for output in self.all_outputs)

    @property
    def bytes_written(self) -> int:
        """Bytes of the outputs as they are stored."""
        return sum(output.bytes_written for output in self.all_outputs)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain values, named as in the report file."""
        written = {
            "source": label(self.source),
            "status": self.status,
            "outputs": [_plain(output) for output in self.outputs],
            "rows": self.rows,
            "bytesEncoded": self.bytes_encoded,
            "bytesWritten": self.bytes_written,
            "seconds": round(self.seconds, 3),
            "rejects": None if self.rejects is None else label(self.rejects),
            "shared": self.shared,
        }
        return written | super().to_dict()


def _plain(output: Written) -> dict[str, Any]:
    return {camel(name): value for name, value in msgspec.to_builtins(output).items()} | {"target": label(output.target)}


def count_of_inputs(count: int) -> str:
    """Return the source of a report of several inputs."""
    return f"{count:,} input{'' if count == 1 else 's'}"


def open_report(
    path: Any, transaction: Transaction, *, force: bool, source_path: str | None = None, words: Callable[[str], str] = str
) -> Callable[[Report], None]:
    """Open a file for a report before any work, and return a function that writes the report as JSON.

    There is no report without a path. `words` changes the text of errors, whose hints are in Python's words.
    """
    if path is None:
        return lambda _: None
    save = open_text(path, transaction, force=force, source_path=source_path)

    def write(done: Report) -> None:
        document = {"schema": SCHEMA, **done.to_dict()}
        for one in document.get("inputs", ()):
            if "error" in one:
                one["error"] = words(one["error"])
        save(to_printable_json(document, indent=2) + "\n")

    return write


def open_text(
    path: Any, transaction: Transaction, *, force: bool, source_path: str | None = None, compression: str = "none"
) -> Callable[[str], None]:
    """Open a file before any work, and return a function that writes a text to it; for the rest see `open_report`."""
    sink = transaction.add(open_sink(path, compression=compression, force=force, source_path=source_path))
    return lambda text: sink.write(text.encode())


class ManyReport(Report, WithOutcomes):
    """Returned by `convert_many`: the sums over all converted inputs, without skipped ones, and the outcome of each.

    Attributes:
        outcomes: one for each input, in their order; memory grows with the number of inputs.
        without_input: with `update`, outputs in the folder whose inputs were removed; they stay.
        not_updated: with `update`, outputs of the same inputs with another name, format or table; they stay.
        kept_inputs: of a merge that is up to date: inputs that are not among these any more, whose rows stay.
        dropped_inputs: of a merge that `update` wrote again: inputs that are not among these any more, whose rows
            it had.
        merged_notes: of a merge that is up to date: what was rejected of all of its inputs, or may be wrong.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    without_input: list[str] = field(default_factory=list)
    not_updated: list[str] = field(default_factory=list)
    kept_inputs: list[str] = field(default_factory=list)
    dropped_inputs: list[str] = field(default_factory=list)
    merged_notes: Notes = field(default_factory=Notes)

    def __repr__(self) -> str:
        counts = ", ".join(f"{status}={count}" for status in STATUSES if (count := self.count(status)))
        return f"ManyReport({counts}{', ' if counts else ''}messages={self.messages}, rows={self.rows})"

    def count(self, status: str) -> int:
        """How many inputs had this outcome, one of `STATUSES`."""
        if status not in STATUSES:
            raise OptionError(f"expected a status ({', '.join(STATUSES)}), got {status!r}")
        return sum(outcome.status == status for outcome in self.outcomes)

    @property
    def kept_notes(self) -> Notes:
        """What was rejected of inputs that are up to date when they were converted; `rejected` is of this run."""
        notes = Notes()
        notes.merge(self.merged_notes)
        for outcome in self.outcomes:
            if outcome.status == "skipped":
                notes.merge(outcome.notes or Notes())
        return notes

    @property
    def all_outputs(self) -> list[Written]:
        """All outputs, also those that belong to one of the inputs."""
        reports = [outcome.report for outcome in self.outcomes if isinstance(outcome.report, Report)]
        return [*self.outputs, *(output for report in reports for output in report.outputs)]

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain values, named as in the report file."""
        counts = {status: self.count(status) for status in STATUSES}
        sums = super().to_dict() | counts
        sums |= {"keptRejected": self.kept_notes.rejected, "keptDamaged": self.kept_notes.damaged}
        for name in ("without_input", "not_updated", "kept_inputs", "dropped_inputs"):
            sums[camel(name)] = list(map(label, getattr(self, name)))
        del sums["status"]  # each input has its own
        return sums | {"inputs": [outcome.to_dict() for outcome in self.outcomes]}
