"""Convert AI-agent session exports that are larger than memory: one pass, constant memory, exact totals.

>>> from exportstream import iter_messages, open_export, convert
>>> for message in iter_messages("session.json.zst"):
...     print(message.role, len(message.content))
>>> report = convert("session.json", "session.ndjson.zst")

`iter_messages` and `open_export` read, `convert` writes NDJSON, CSV, Parquet or SQLite, `convert_many` does it for an
archive of files and `merge_many` makes one output of them, `totals_many` counts by day, model, tool and so on, `check` says
what is odd about a file, and `verify` whether outputs are what was written. Every error is an `ExportstreamError` that says
what was found, where, and what to do next.

Types, of which `help` tells more one by one, as in ``help(exportstream.Message)``:

- of exports: `Export`, `Session`, `Message`, `ToolCall`, `Notes`, `Reject`, `Duplicates`
- of conversions: `Report`, `ManyReport`, `Outcome`, `Written`, `Status`, `ReadOptions`, `WriteOptions`
- of totals: `TotalsReport`, `GroupTable`, `GroupRow`, `Totals`, `Declared`, `Counted`, `Carrying`, `Difference`, `Count`,
  `Cost`, `Priced`, `PriceList`, `Unpriced`
- of `check` and `verify`: `SessionCheck`, `Finding`, `Verified`
- errors: see ``help(exportstream.errors)``
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from exportstream.models.version import __version__ as __version__

if TYPE_CHECKING:
    from exportstream.conversion.checks import check as check
    from exportstream.conversion.many import convert_many as convert_many
    from exportstream.conversion.merge import merge_many as merge_many
    from exportstream.conversion.one import convert as convert
    from exportstream.conversion.outcome import Outcome as Outcome
    from exportstream.conversion.progress import Status as Status
    from exportstream.conversion.report import ManyReport as ManyReport
    from exportstream.conversion.report import Report as Report
    from exportstream.conversion.totals import TotalsReport as TotalsReport
    from exportstream.conversion.totals import totals_many as totals_many
    from exportstream.conversion.verify import Verified as Verified
    from exportstream.conversion.verify import verify as verify
    from exportstream.errors import CompressionError as CompressionError
    from exportstream.errors import CutInputError as CutInputError
    from exportstream.errors import ExportstreamError as ExportstreamError
    from exportstream.errors import InputError as InputError
    from exportstream.errors import InvalidMessageError as InvalidMessageError
    from exportstream.errors import JSONSyntaxError as JSONSyntaxError
    from exportstream.errors import LimitError as LimitError
    from exportstream.errors import MissingExtraError as MissingExtraError
    from exportstream.errors import NotAnExportError as NotAnExportError
    from exportstream.errors import OptionError as OptionError
    from exportstream.errors import OutOfMemoryError as OutOfMemoryError
    from exportstream.errors import ReadError as ReadError
    from exportstream.errors import TransferError as TransferError
    from exportstream.errors import UsageError as UsageError
    from exportstream.errors import WorkerError as WorkerError
    from exportstream.errors import WriteError as WriteError
    from exportstream.models.notes import Duplicates as Duplicates
    from exportstream.models.notes import Notes as Notes
    from exportstream.models.notes import Reject as Reject
    from exportstream.models.structs import Message as Message
    from exportstream.models.structs import Session as Session
    from exportstream.models.structs import ToolCall as ToolCall
    from exportstream.reading.export import Export as Export
    from exportstream.reading.findings import Finding as Finding
    from exportstream.reading.findings import SessionCheck as SessionCheck
    from exportstream.reading.open import iter_messages as iter_messages
    from exportstream.reading.open import open_export as open_export
    from exportstream.reading.options import ReadOptions as ReadOptions
    from exportstream.totals.figures import Carrying as Carrying
    from exportstream.totals.figures import Cost as Cost
    from exportstream.totals.figures import Count as Count
    from exportstream.totals.figures import Difference as Difference
    from exportstream.totals.priced import Priced as Priced
    from exportstream.totals.priced import PriceList as PriceList
    from exportstream.totals.priced import Unpriced as Unpriced
    from exportstream.totals.sums import Counted as Counted
    from exportstream.totals.sums import Declared as Declared
    from exportstream.totals.sums import Totals as Totals
    from exportstream.totals.tables import GroupRow as GroupRow
    from exportstream.totals.tables import GroupTable as GroupTable
    from exportstream.writing.options import WriteOptions as WriteOptions
    from exportstream.writing.writers import Written as Written

else:  # each is imported with its first use: all of them take a tenth of a second, and nobody needs them all
    _HOMES = {
        name: module
        for module, names in {
            "conversion.checks": "check",
            "conversion.many": "convert_many",
            "conversion.merge": "merge_many",
            "conversion.one": "convert",
            "conversion.progress": "Status",
            "conversion.outcome": "Outcome",
            "conversion.report": "ManyReport Report",
            "conversion.totals": "TotalsReport totals_many",
            "conversion.verify": "Verified verify",
            "errors": "CompressionError CutInputError ExportstreamError InputError InvalidMessageError JSONSyntaxError "
            "LimitError MissingExtraError NotAnExportError OptionError OutOfMemoryError ReadError TransferError UsageError "
            "WorkerError WriteError",
            "models.notes": "Duplicates Notes Reject",
            "models.structs": "Message Session ToolCall",
            "reading.findings": "Finding SessionCheck",
            "reading.export": "Export",
            "reading.open": "iter_messages open_export",
            "reading.options": "ReadOptions",
            "totals.figures": "Carrying Cost Count Difference",
            "totals.priced": "PriceList Priced Unpriced",
            "totals.sums": "Counted Declared Totals",
            "totals.tables": "GroupRow GroupTable",
            "writing.options": "WriteOptions",
            "writing.writers": "Written",
        }.items()
        for name in names.split()
    }
    # The functions only: `help` repeats all that is in here, which would be 5,000 lines with the types.
    __all__ = ("check", "convert", "convert_many", "iter_messages", "merge_many", "open_export", "totals_many", "verify")

    def __getattr__(name: str) -> Any:
        if name == "errors":  # `exportstream.errors.InputError`, as where all modules are imported at once
            return import_module(f"{__name__}.errors")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*_HOMES, "errors", *(name for name in globals() if name.startswith("__"))})
