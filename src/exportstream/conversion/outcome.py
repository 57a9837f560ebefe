"""What was read of an input, in figures, how the work on it ended, and the sums over many inputs.

Takes: exports that were read, and errors. Returns: `Counts` of one or of several, an `Outcome` for each of many.
Raises: nothing. Holds: what it says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from exportstream.errors import (
    LONGEST_LINE,
    ExportstreamError,
    LimitError,
    NotAnExportError,
    TransferError,
    label,
    printable,
)
from exportstream.models.names import fields_of
from exportstream.models.notes import Duplicates, Notes
from exportstream.reading.export import Export
from exportstream.reading.formats.not_exports import WHAT_IS_READ
from exportstream.storage.names import STDIN, is_stream
from exportstream.totals.sums import Totals

if TYPE_CHECKING:
    from exportstream.totals.groups import Grouping


class Counts(Struct, rename="camel"):
    """Figures of what was read, of one input or of several.

    Attributes:
        messages: how many were read and accepted.
        rejected: how many messages were refused and skipped.
        sessions: how many were read.
        bytes_read: bytes of the input as stored.
        bytes_parsed: bytes of JSON in it.
        partial: whether an input was cut or damaged, and its complete messages were kept.
        cut: names of the inputs that were cut, with the messages kept of each.
        doubtful: names of inputs any of whose rows may be wrong: a checksum differs, or compressed data is damaged.
        notes: counts of things that were noticed and are not errors.
        duplicates: counts of what `dedupe` dropped. Messages and sessions above include them; rows and totals do not.
        totals: totals at the end.
    """

    messages: int = 0
    rejected: int = 0
    sessions: int = 0
    bytes_read: int = 0
    bytes_parsed: int = 0
    partial: bool = False
    cut: dict[str, int] = field(default_factory=dict)
    doubtful: list[str] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    duplicates: Duplicates = field(default_factory=Duplicates)
    totals: Totals = field(default_factory=Totals)

    @property
    def is_extreme(self) -> bool:
        """Whether costs are so large or small that they may not be added to those of others."""
        return self.totals.is_extreme

    def add(self, export: Export) -> None:
        """Add an export that was read to its end."""
        self.messages += export.accepted
        self.rejected += export.notes.rejected
        self.sessions += export.sessions
        self.bytes_read += export.bytes_read
        self.bytes_parsed += export.position
        self.partial |= export.partial or export.notes.damaged > 0
        if export.partial:
            self.cut[export.name] = export.accepted
        if export.notes.doubtful:
            self.doubtful.append(export.name)
        self.notes.merge(export.notes)
        self.duplicates.merge(export.duplicates)
        try:
            self.totals.merge(export.totals)
        except LimitError as error:
            error.locate(source=export.name, hint="convert it by itself")
            raise

    def merge(self, other: Counts) -> None:
        """Add what was read of other inputs."""
        for name in ("messages", "rejected", "sessions", "bytes_read", "bytes_parsed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.partial |= other.partial
        self.cut |= other.cut
        self.doubtful += other.doubtful
        self.notes.merge(other.notes)
        self.duplicates.merge(other.duplicates)
        self.totals.merge(other.totals)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain values under the names of the JSON."""
        read = {f.encode_name: msgspec.to_builtins(getattr(self, f.name)) for f in fields_of(Counts) if f.name != "totals"}
        read["cut"] = {label(name): messages for name, messages in self.cut.items()}
        read["doubtful"] = list(map(label, self.doubtful))
        return read | {"totals": self.totals.to_dict()}


class Outcome(Struct, frozen=True):
    """How the conversion of one input among many ended.

    Attributes:
        source: the input's name.
        status: ``converted`` (of totals: ``counted``), ``skipped`` (it was up to date), ``ignored`` (it was found
            in a folder or by a glob, and is JSON, but no export), ``failed``, or ``cancelled`` (an earlier one failed).
        report: of an input that was counted, or converted to outputs of its own.
        error: why it failed or was ignored.
        duplicates: what `dedupe` dropped of it in a merge; None without.
        notes: what was noticed of it in a merge; what was rejected of one that was up to date; None otherwise.
        rejects: of one that was up to date: the file of what was rejected when it was converted.
        is_system: whether the system failed, rather than the input being bad.
    """

    source: str
    status: str
    report: Counts | None = None
    error: str | None = None
    duplicates: Duplicates | None = None
    notes: Notes | None = None
    rejects: str | None = None
    is_system: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain values: the source, the status, and the error, what is kept of a merge, or the report."""
        plain: dict[str, Any] = {"source": label_of(self.source), "status": self.status}
        if self.error is not None:
            plain["error"] = printable(self.error, LONGEST_LINE)
        if self.duplicates is not None:
            plain["duplicates"] = msgspec.to_builtins(self.duplicates)
        if self.notes is not None:
            plain["notes"] = msgspec.to_builtins(self.notes)
        if self.rejects is not None:
            plain["rejects"] = label(self.rejects)
        return plain | (self.report.to_dict() if self.report is not None else {})


def label_of(source: str) -> str:
    """Return the name of an input as data; standard input has the name that messages and reports of one input give it."""
    return STDIN if is_stream(source) else label(source)


def outcome_of(source: str, error: ExportstreamError, *, named: bool) -> Outcome:
    """Return the outcome of an input with an error; see `Input.named`."""
    ignored = isinstance(error, NotAnExportError) and error.foreign and not named
    is_system = isinstance(error, TransferError)
    if ignored:  # a folder has many of them, and nobody took them for exports, or looks for a place in them
        error = NotAnExportError(error.what, source=error.source, hint=None if error.hint == WHAT_IS_READ else error.hint)
    return Outcome(source, "ignored" if ignored else "failed", error=str(error), is_system=is_system)


class WithOutcomes:
    """A report of several inputs.

    Attributes:
        outcomes: one for each input, in their order.
    """

    __slots__ = ()
    outcomes: list[Outcome]

    @property
    def failed(self) -> list[Outcome]:
        """The inputs that failed."""
        return [outcome for outcome in self.outcomes if outcome.status == "failed"]

    @property
    def ignored(self) -> list[Outcome]:
        """The inputs that are no exports, found in folders and by globs."""
        return [outcome for outcome in self.outcomes if outcome.status == "ignored"]


def is_extreme(outcome: Outcome) -> bool:
    """Whether the costs of an input are so large or small that they may not be added to those of others."""
    return outcome.report is not None and outcome.report.is_extreme


def add_up(done: Counts, outcomes: list[Outcome], *, hint: str, grouping: Grouping | None = None) -> None:
    """Add what was read of each input, in their order.

    Those with extreme costs come last. The costs of all others can always be added, so the same inputs fail whichever way
    they were read, and none of them is a usual one. One whose costs can't be added becomes a failure, with `hint`. The
    `grouping` takes the groups of inputs with extreme costs; it has those of all others.
    """
    for number, outcome in sorted(enumerate(outcomes), key=lambda one: is_extreme(one[1])):
        if outcome.report is None:
            continue
        if is_extreme(outcome):
            counted: Any = outcome.report  # with its groups, where there are groups
            try:
                done.totals.require_addable(counted.totals)
                if grouping is not None:
                    grouping.require_addable(counted.grouping)
            except LimitError:
                outcomes[number] = _not_added(outcome, hint)
                continue
            if grouping is not None:
                grouping.merge(counted.grouping)
                outcomes[number] = replace(outcome, report=counted.alone())
        done.merge(outcome.report)


def leave_out(extreme: dict[int, Totals], done: Totals, outcomes: list[Outcome]) -> None:
    """Let inputs fail that `add_up` could not add, before anything of them is written.

    Those with `extreme` costs come by their numbers; `done` are the totals of all others.
    """
    for number, one in extreme.items():
        try:
            done.require_addable(one)
        except LimitError:
            outcomes[number] = _not_added(outcomes[number], "leave it out, or convert it by itself")
        else:
            done.merge(one)


def _not_added(outcome: Outcome, hint: str) -> Outcome:
    """Return the outcome of an input whose costs can't be added to those of the others."""
    what = "its costs can't be added to those of the others: the exact sum needs more than 10,000 digits"
    return outcome_of(outcome.source, LimitError(what, hint=hint, source=outcome.source), named=True)
