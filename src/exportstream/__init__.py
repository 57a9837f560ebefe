"""Convert AI-agent session exports that are larger than memory: one pass, constant memory, exact totals.

>>> from exportstream import iter_messages, open_export, convert
>>> for message in iter_messages("session.json.zst"):
...     print(message.role, len(message.content))
>>> report = convert("session.json", "session.ndjson.zst")

`iter_messages` and `open_export` read, `convert` writes NDJSON, CSV, Parquet or SQLite, `convert_many` does it for an
archive of files and `merge_many` makes one output of them, `totals_many` counts by day, model, tool and so on, `check` says
what is odd about a file. Every error is an `ExportstreamError` that says what was found, where, and what to do next.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from exportstream.errors import (
    CompressionError,
    CutInputError,
    ExportstreamError,
    InputError,
    InvalidMessageError,
    JSONSyntaxError,
    LimitError,
    MissingExtraError,
    NotAnExportError,
    OptionError,
    OutOfMemoryError,
    ReadError,
    TransferError,
    UsageError,
    WorkerError,
    WriteError,
)
from exportstream.models.version import __version__ as __version__

if TYPE_CHECKING:
    from exportstream.conversion.checks import check
    from exportstream.conversion.many import convert_many
    from exportstream.conversion.merge import merge_many
    from exportstream.conversion.one import convert
    from exportstream.conversion.progress import Status
    from exportstream.conversion.report import ManyReport, Outcome, Report
    from exportstream.conversion.totals import TotalsReport, totals_many
    from exportstream.conversion.verify import Verified, verify
    from exportstream.models.notes import Duplicates, Notes, Reject
    from exportstream.models.structs import Message, Session, ToolCall
    from exportstream.reading.check import Finding, SessionCheck
    from exportstream.reading.export import Export
    from exportstream.reading.open import iter_messages, open_export
    from exportstream.reading.options import ReadOptions
    from exportstream.totals.carrying import Carrying
    from exportstream.totals.figures import Cost, Count, Difference
    from exportstream.totals.priced import Priced, PriceList, Unpriced
    from exportstream.totals.sums import Counted, Declared, Totals
    from exportstream.totals.tables import GroupRow, GroupTable
    from exportstream.writing.options import WriteOptions
    from exportstream.writing.writers import Written

__all__ = [
    "Carrying",
    "CompressionError",
    "Cost",
    "Count",
    "Counted",
    "CutInputError",
    "Declared",
    "Difference",
    "Duplicates",
    "Export",
    "ExportstreamError",
    "Finding",
    "GroupRow",
    "GroupTable",
    "InputError",
    "InvalidMessageError",
    "JSONSyntaxError",
    "LimitError",
    "ManyReport",
    "Message",
    "MissingExtraError",
    "NotAnExportError",
    "Notes",
    "OptionError",
    "OutOfMemoryError",
    "Outcome",
    "PriceList",
    "Priced",
    "ReadError",
    "ReadOptions",
    "Reject",
    "Report",
    "Session",
    "SessionCheck",
    "Status",
    "ToolCall",
    "Totals",
    "TotalsReport",
    "TransferError",
    "Unpriced",
    "UsageError",
    "Verified",
    "WorkerError",
    "WriteError",
    "WriteOptions",
    "Written",
    "check",
    "convert",
    "convert_many",
    "iter_messages",
    "merge_many",
    "open_export",
    "totals_many",
    "verify",
]

# The module that has each name. It is imported with the first use of one: all of them take a tenth of a second, and nobody
# needs them all.
_HOMES = {
    name: module
    for module, names in {
        "conversion.checks": ["check"],
        "conversion.many": ["convert_many"],
        "conversion.merge": ["merge_many"],
        "conversion.one": ["convert"],
        "conversion.progress": ["Status"],
        "conversion.report": ["ManyReport", "Outcome", "Report"],
        "conversion.totals": ["TotalsReport", "totals_many"],
        "conversion.verify": ["Verified", "verify"],
        "models.notes": ["Duplicates", "Notes", "Reject"],
        "models.structs": ["Message", "Session", "ToolCall"],
        "reading.check": ["Finding", "SessionCheck"],
        "reading.export": ["Export"],
        "reading.open": ["iter_messages", "open_export"],
        "reading.options": ["ReadOptions"],
        "totals.carrying": ["Carrying"],
        "totals.figures": ["Cost", "Count", "Difference"],
        "totals.priced": ["PriceList", "Priced", "Unpriced"],
        "totals.sums": ["Counted", "Declared", "Totals"],
        "totals.tables": ["GroupRow", "GroupTable"],
        "writing.options": ["WriteOptions"],
        "writing.writers": ["Written"],
    }.items()
    for name in names
}

if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
