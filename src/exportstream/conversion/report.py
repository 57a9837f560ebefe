"""What conversions did, in figures.

Takes: exports that were read and what was written of them. Returns: a `Report` for one output (or one set of tables), a
`ManyReport` for many inputs. Raises: where a report's own file can't be written.
Holds: one `Outcome` for each of many inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import Struct, field

from exportstream.errors import LONGEST_LINE, printable, shown
from exportstream.models.notes import Notes
from exportstream.reading.export import Export
from exportstream.storage.sink import open_sink
from exportstream.totals.sums import Totals
from exportstream.writing.formats import to_printable_json
from exportstream.writing.writers import Written

_LONG_NAME = 4096  # characters; a file name may hold what is not UTF-8


class Figures(Struct):
    """What was read, of one input or of several.

    Attributes:
        messages: messages read and accepted; `rejected` of them refused and skipped, besides.
        sessions: sessions read.
        bytes_read: bytes of the input as stored; bytes_parsed: bytes of JSON in it.
        partial: whether an input was cut and what was complete was kept; `cut` has the names of those
            inputs, with the messages kept of each.
        notes: what was noticed and is not an error.
        totals: totals at the end.
    """

    messages: int = 0
    rejected: int = 0
    sessions: int = 0
    bytes_read: int = 0
    bytes_parsed: int = 0
    partial: bool = False
    cut: dict[str, int] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)
    totals: Totals = field(default_factory=Totals)

    def add(self, export: Export) -> None:
        """Add an export that was read to its end."""
        self.merge(
            Figures(
                messages=export.accepted,
                rejected=export.notes.rejected,
                sessions=export.sessions,
                bytes_read=export.bytes_read,
                bytes_parsed=export.position,
                partial=export.partial,
                cut={export.name: export.accepted} if export.partial else {},
                notes=export.notes,
                totals=export.totals,
            )
        )

    def merge(self, other: Figures) -> None:
        """Add what was read elsewhere."""
        for name in ("messages", "rejected", "sessions", "bytes_read", "bytes_parsed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.partial |= other.partial
        self.cut |= other.cut
        self.notes.merge(other.notes)
        self.totals.merge(other.totals)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, named as in the report file."""
        return {
            "messages": self.messages,
            "rejected": self.rejected,
            "sessions": self.sessions,
            "partial": self.partial,
            "cut": {_label(name): messages for name, messages in self.cut.items()},
            "bytesRead": self.bytes_read,
            "bytesParsed": self.bytes_parsed,
            "notes": {
                "nullDates": self.notes.null_dates,
                "replacedSurrogates": self.notes.replaced_surrogates,
                "repeatedIds": self.notes.repeated_ids,
            },
            "totals": self.totals.as_dict(),
        }


class Report(Figures):
    """What `convert` returns: what was read (see `Figures`), and what was written.

    Attributes:
        source: the input's name.
        outputs: what was written, for each output.
        seconds: wall time.
        rejects: name of the file of rejected messages, None if there is none.
    """

    source: str = ""
    outputs: list[Written] = field(default_factory=list)
    seconds: float = 0.0
    rejects: str | None = None

    @property
    def rows(self) -> int:
        """Rows written, of all outputs."""
        return sum(output.rows for output in self.outputs)

    @property
    def bytes_encoded(self) -> int:
        """Bytes of rows before compression."""
        return sum(output.bytes_encoded for output in self.outputs)

    @property
    def bytes_written(self) -> int:
        """Bytes of the outputs as they are stored."""
        return sum(output.bytes_written for output in self.outputs)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, named as in the report file."""
        return {
            "source": _label(self.source),
            "outputs": [
                {
                    "target": _label(output.target),
                    "tables": list(output.tables),
                    "format": output.format,
                    "compression": output.compression,
                    "rows": output.rows,
                    "bytesEncoded": output.bytes_encoded,
                    "bytesWritten": output.bytes_written,
                }
                for output in self.outputs
            ],
            "rows": self.rows,
            "bytesEncoded": self.bytes_encoded,
            "bytesWritten": self.bytes_written,
            "seconds": round(self.seconds, 3),
            "rejects": None if self.rejects is None else _label(self.rejects),
            **Figures.as_dict(self),
        }


def _label(name: str) -> str:
    """Return the name of an input or output as it may be shown; the name itself may be a URL with a password."""
    return printable(shown(name), _LONG_NAME)


@contextmanager
def open_report(
    path: Any, *, force: bool, source_path: str | None = None, words: Callable[[str], str] = str
) -> Iterator[Callable[[Report], None]]:
    """Open a file for a report before any work, and return a function that writes the report as JSON.

    Args:
        path: the file, which gets its name at the end; None for no report.
        force: whether to replace a file that exists.
        source_path: the input, which is never replaced.
        words: changes the text of errors, whose hints are in Python's words.

    Raises:
        UsageError, WriteError: as `open_sink`.
    """
    if path is None:
        yield lambda _: None
        return
    with open_sink(path, compression="none", force=force, source_path=source_path) as sink:

        def write(done: Report) -> None:
            document = done.as_dict()
            for one in document.get("inputs", ()):
                if "error" in one:
                    one["error"] = words(one["error"])
            sink.write(to_printable_json(document, indent=2).encode() + b"\n")

        yield write


class Outcome(Struct, frozen=True):
    """What became of one input among many.

    Attributes:
        source: the input's name.
        status: ``converted``, ``skipped`` (it was up to date), ``failed``, or ``cancelled`` (an earlier one failed).
        report: of a converted input that has outputs of its own.
        error: why it failed.
    """

    source: str
    status: str
    report: Report | None = None
    error: str | None = None


class ManyReport(Report):
    """What `convert_many` returns: the sums over all converted inputs, and the outcome of each. Not in it: skipped ones.

    Attributes:
        outcomes: one for each input, in their order; memory grows with the number of inputs.
    """

    outcomes: list[Outcome] = field(default_factory=list)

    def count(self, status: str) -> int:
        """How many inputs had this outcome."""
        return sum(outcome.status == status for outcome in self.outcomes)

    @property
    def failed(self) -> list[Outcome]:
        """The inputs that failed."""
        return [outcome for outcome in self.outcomes if outcome.status == "failed"]

    @property
    def bytes_encoded(self) -> int:
        """Bytes of rows before compression."""
        return sum(report.bytes_encoded for report in self._reports()) + super().bytes_encoded

    @property
    def bytes_written(self) -> int:
        """Bytes of the outputs as they are stored."""
        return sum(report.bytes_written for report in self._reports()) + super().bytes_written

    @property
    def rows(self) -> int:
        """Rows written, of all outputs."""
        return sum(report.rows for report in self._reports()) + super().rows

    def _reports(self) -> list[Report]:
        return [outcome.report for outcome in self.outcomes if outcome.report is not None]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, named as in the report file."""
        inputs = []
        for outcome in self.outcomes:
            found: dict[str, Any] = {"source": _label(outcome.source), "status": outcome.status}
            if outcome.error is not None:
                found["error"] = printable(outcome.error, LONGEST_LINE)
            if outcome.report is not None:
                found |= outcome.report.as_dict()
            inputs.append(found)
        counts = {status: self.count(status) for status in ("converted", "skipped", "failed", "cancelled")}
        return {**Report.as_dict(self), **counts, "inputs": inputs}
