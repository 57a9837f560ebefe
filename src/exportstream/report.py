"""What a conversion did, in figures.

Takes: an export that was read and the sink it went to. Returns: a `Report`. Raises: nothing.
"""

from __future__ import annotations

import time
from typing import Any

from msgspec import Struct

from exportstream.errors import printable
from exportstream.export import Export
from exportstream.messages import Notes
from exportstream.outputs import Output
from exportstream.rejects import RejectsFile
from exportstream.sink import Sink
from exportstream.totals import Totals

_LONG_NAME = 4096  # characters; a file name may hold what is not UTF-8


class Report(Struct, frozen=True):
    """What `convert` returns.

    Attributes:
        source, target: names of the input and the output.
        format, compression, table: what was written.
        rows: rows written; messages: messages read and accepted; rejected: messages refused and skipped.
        sessions: sessions read.
        bytes_read: bytes of the input as stored; bytes_parsed: bytes of JSON in it.
        bytes_encoded: bytes of rows; bytes_written: bytes of the output as stored.
        seconds: wall time.
        partial: whether the input was cut and what was complete was kept.
        rejects: name of the file of rejected messages, None if there is none.
        notes: what was noticed and is not an error.
        totals: running totals at the end.
    """

    source: str
    target: str
    format: str
    compression: str
    table: str
    rows: int
    messages: int
    rejected: int
    sessions: int
    bytes_read: int
    bytes_parsed: int
    bytes_encoded: int
    bytes_written: int
    seconds: float
    partial: bool
    rejects: str | None
    notes: Notes
    totals: Totals

    @classmethod
    def of(
        cls, export: Export, output: Output, *, table: str, rows: int, sink: Sink, rejects: Any, started: float
    ) -> Report:
        """The report of a finished conversion; `started` is in seconds of `time.monotonic`."""
        totals = export.totals
        return cls(
            source=export.name,
            target=sink.name,
            format=output.format,
            compression=output.compression,
            table=table,
            rows=rows,
            messages=export.accepted,
            rejected=export.notes.rejected,
            sessions=export.sessions,
            bytes_read=export.bytes_read,
            bytes_parsed=export.position,
            bytes_encoded=sink.bytes_in,
            bytes_written=sink.bytes_out,
            seconds=time.monotonic() - started,
            partial=export.partial,
            rejects=rejects.name if isinstance(rejects, RejectsFile) and rejects.count else None,
            notes=export.notes,
            totals=totals,
        )

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, named as in the report file."""
        return {
            "source": printable(self.source, _LONG_NAME),
            "target": printable(self.target, _LONG_NAME),
            "format": self.format,
            "compression": self.compression,
            "table": self.table,
            "rows": self.rows,
            "messages": self.messages,
            "rejected": self.rejected,
            "rejects": None if self.rejects is None else printable(self.rejects, _LONG_NAME),
            "sessions": self.sessions,
            "partial": self.partial,
            "bytesRead": self.bytes_read,
            "bytesParsed": self.bytes_parsed,
            "bytesEncoded": self.bytes_encoded,
            "bytesWritten": self.bytes_written,
            "seconds": round(self.seconds, 3),
            "notes": {
                "nullDates": self.notes.null_dates,
                "replacedSurrogates": self.notes.replaced_surrogates,
                "repeatedIds": self.notes.repeated_ids,
            },
            "totals": self.totals.as_dict(),
        }
