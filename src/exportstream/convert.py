"""The whole way on one page: export (source, feed, messages, totals) → tables → encode → sink."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from exportstream.encode import CSV, NDJSON, to_json
from exportstream.errors import UsageError
from exportstream.export import Export
from exportstream.feed import DEFAULT_MAX_MESSAGE_SIZE
from exportstream.messages import Reject
from exportstream.models import Message
from exportstream.outputs import decide_output, refuse_same_files, rejects_name
from exportstream.rejects import RejectsFile
from exportstream.report import Report
from exportstream.sink import open_sink
from exportstream.tables import TABLES, Table

Rejects = list[Reject] | Callable[[Reject], None] | None


def open_export(
    source: Any,
    *,
    on_error: str = "raise",
    rejects: Rejects = None,
    keep_partial: bool = False,
    max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
    max_window: int | None = None,
    dedupe: bool = False,
) -> Export:
    """Open an export for reading; use it in a ``with`` and iterate over it.

    Args:
        source: a path, ``-`` for standard input, bytes, a binary file object, or an iterable of bytes (an HTTP body).
        on_error: ``raise`` stops at a message that is JSON but not a valid message, ``skip`` rejects it and goes on.
        rejects: with ``skip``, a list or a function that gets each `Reject`.
        keep_partial: end quietly where the input is cut, after the last complete message; `Export.partial` says so.
        max_message_size: bytes of the largest message taken (default 1 GiB); memory grows with the largest message.
        max_window: bytes of the largest zstd window taken (default 128 MiB).
        dedupe: count a message or session that comes again once in the totals; memory grows with their number.

    Returns:
        An iterator over `Message` with the state of the reading as attributes.

    Raises:
        InputError: the input is not what it has to be; what kind, and where, is in the error.
        ReadError: the system failed to read.
    """
    return Export(
        source,
        on_error=on_error,
        rejects=rejects,
        keep_partial=keep_partial,
        max_message_size=max_message_size,
        max_window=max_window,
        dedupe=dedupe,
    )


def iter_messages(source: Any, **options: Any) -> Iterator[Message]:
    """Yield the messages of an export lazily, and close what was opened at the end.

    Args:
        source: as of `open_export`.
        **options: as of `open_export`.

    Raises:
        InputError, ReadError: as `open_export`.
    """
    with Export(source, only_messages=True, **options) as export:
        for part in export.batches():
            if isinstance(part, list):
                yield from part


def convert(
    source: Any,
    target: Any = None,
    *,
    format: str | None = None,  # noqa: A002 - the field's word
    compression: str | None = None,
    level: int | None = None,
    table: str = "messages",
    keys: str = "camel",
    running_totals: bool = False,
    csv_safe: bool = False,
    force: bool = False,
    on_error: str = "raise",
    rejects: Any = None,
    report: Any = None,
    progress: Callable[[Export], None] | None = None,
    **options: Any,
) -> Report:
    """Convert an export into NDJSON or CSV in one pass and constant memory; what the command does.

    Args:
        source: as of `open_export`.
        target: a path, ``-`` for standard output, or a binary file object. None: ``NAME.ndjson.zst`` next to the input.
        format: ``ndjson`` or ``csv``; otherwise the target's suffix decides.
        compression: ``zstd``, ``gzip`` or ``none``; otherwise the target's suffix decides.
        level: compression level, 3 for zstd and 6 for gzip by default.
        table: ``messages``, ``tool-calls`` or ``sessions``.
        keys: ``camel``, the export's own names, or ``snake``. Keys inside ``inputJson`` and ``extra`` are data.
        running_totals: add to each row the totals after it.
        csv_safe: prefix CSV cells that a spreadsheet would run with an apostrophe. This changes data.
        force: replace an output that exists.
        on_error: as of `open_export`.
        rejects: with ``on_error="skip"``: a path for the rejected messages (default ``NAME.rejects.ndjson`` next to the
            output), or a list or a function that gets each `Reject`.
        report: a path for the report as JSON.
        progress: called with the open `Export` after each batch.
        **options: as of `open_export`: keep_partial, max_message_size, max_window, dedupe.

    Returns:
        What was read and written, and the totals.

    Raises:
        UsageError: an option or the output can't be as asked.
        InputError, ReadError, WriteError: nothing stands under the output's name then, or what stood there before.
    """
    if table not in TABLES:
        raise UsageError(f"expected table to be one of {', '.join(TABLES)}, found {table!r}")
    if keys not in ("camel", "snake"):
        raise UsageError(f"expected keys to be camel or snake, found {keys!r}")
    output = decide_output(source, target, format=format, compression=compression)
    if csv_safe and output.format != "csv":
        raise UsageError("--csv-safe goes with CSV output only")
    if on_error == "skip" and rejects is None:
        rejects = rejects_name(output.target, source)
    refuse_same_files(input=source, output=output.target, rejects=rejects, report=report)
    source_path = os.fspath(source) if isinstance(source, (str, os.PathLike)) and source != "-" else None
    started = time.monotonic()
    rejects_file: RejectsFile | None = None
    with ExitStack() as around:
        # Opened first, so that a name that can't be written stops everything; written last, when all is known.
        report_sink = None
        if report is not None:
            report_sink = around.enter_context(open_sink(report, compression="none", force=force, source_path=source_path))
        with ExitStack() as stack:
            # Closed in reverse order: rejects are in place before the output gets its name, and go where that fails.
            stack.push(lambda kind, *_: rejects_file.withdraw() if kind is not None and rejects_file is not None else None)
            sink = stack.enter_context(
                open_sink(output.target, compression=output.compression, level=level, force=force, source_path=source_path)
            )
            if isinstance(rejects, (str, os.PathLike)):
                rejects = rejects_file = stack.enter_context(RejectsFile(rejects, force=force))
            export = stack.enter_context(Export(source, on_error=on_error, rejects=rejects, **options))
            rows_of = Table(table, keys=keys, running=running_totals)
            encoder: CSV | NDJSON = CSV(rows_of, safe=csv_safe) if output.format == "csv" else NDJSON()
            sink.write(encoder.header())
            written = 0
            for part in export.batches():
                rows = rows_of.batch(part) if isinstance(part, list) else rows_of.session(*part)
                if rows is not None:
                    sink.write(encoder.encode(rows))
                    written += len(rows[0])
                if progress is not None:
                    progress(export)
        done = Report.of(export, output, table=table, rows=written, sink=sink, rejects=rejects, started=started)
        if report_sink is not None:
            report_sink.write(to_json(done.as_dict(), indent=2) + b"\n")
    return done
