"""Convert AI-agent session exports that are larger than memory: one pass, constant memory, exact totals.

>>> from exportstream import iter_messages, open_export, convert
>>> for message in iter_messages("session.json.zst"):
...     print(message.role, len(message.content))
>>> report = convert("session.json", "session.ndjson.zst")

`iter_messages` and `open_export` read, `convert` writes NDJSON, CSV, Parquet or SQLite, `convert_many` does it for an
archive of files and `merge_many` makes one output of them, `totals_many` counts by day, model, tool and so on, `check` says
what is odd about a file. Every error is an `ExportstreamError` that says what was found, where, and what to do next.
"""

from exportstream.conversion.checks import check
from exportstream.conversion.many import convert_many
from exportstream.conversion.merge import merge_many
from exportstream.conversion.one import convert
from exportstream.conversion.progress import Status
from exportstream.conversion.report import ManyReport, Outcome, Report
from exportstream.conversion.totals import TotalsReport, totals_many
from exportstream.conversion.verify import Verified, verify
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
from exportstream.models.notes import Duplicates, Notes, Reject
from exportstream.models.structs import Message, Session, ToolCall
from exportstream.models.version import __version__ as __version__
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
