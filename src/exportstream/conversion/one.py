"""The whole way on one page: export (source, feed, messages, totals) → tables → encode → sink."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from exportstream.conversion.report import Report, open_report
from exportstream.errors import UsageError
from exportstream.reading.export import Export
from exportstream.storage.memory import explain_memory
from exportstream.totals.seen import Dedupe
from exportstream.writing.outputs import Output, Wanted, decide_outputs, refuse_same_files, rejects_name
from exportstream.writing.rejects import RejectsFile
from exportstream.writing.writers import How, Writers


def convert(
    source: Any,
    target: Any = None,
    *,
    format: str | None = None,  # noqa: A002 - the field's word
    compression: str | None = None,
    table: str | Iterable[str] | None = None,
    **options: Any,
) -> Report:
    """Convert an export into NDJSON, CSV, Parquet or SQLite in one pass and constant memory; what the command does.

    Args:
        source: as of `open_export`.
        target: a path, a URL (with the extra ``remote``), ``-`` for standard output, or a binary file object.
            None: ``NAME.ndjson.zst`` next to the input.
        format: ``ndjson``, ``csv``, ``parquet`` (with the extra ``parquet``) or ``sqlite``; otherwise the target's suffix
            decides.
        compression: ``zstd``, ``gzip`` or ``none``; otherwise the target's suffix decides.
        table: ``messages``, ``tool-calls``, ``sessions``, several of them, or ``all``: one reading writes them all, to
            ``NAME.TABLE.SUFFIX`` each. Default: messages; all in SQLite, where they are tables of one file.
        **options: as of `convert_to`: level, keys, running_totals, csv_safe, force, rejects, report, progress, and those of
            `open_export`.

    Returns:
        What was read and written, and the totals.

    Raises:
        UsageError: an option or the output can't be as asked; `MissingExtraError` names what to install.
        InputError, ReadError, WriteError, OutOfMemoryError: nothing stands under the output's name then, or what stood there
            before.
    """
    return convert_to([source], decide_outputs(source, target, Wanted.of(format, compression, table)), **options)


def convert_to(
    sources: Sequence[Any],
    outputs: Sequence[Output],
    *,
    level: int | None = None,
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
    """Convert exports, one after the other, into each of the outputs.

    Args:
        sources: each as of `open_export`.
        outputs: where to.
        level: compression level, 3 for zstd and 6 for gzip by default.
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

    Returns, Raises: as `convert`.
    """
    if keys not in ("camel", "snake"):
        raise UsageError(f"expected keys to be camel or snake, found {keys!r}")
    if csv_safe and any(output.format != "csv" for output in outputs):
        raise UsageError("--csv-safe goes with CSV output only")
    if on_error != "skip" and isinstance(rejects, (str, os.PathLike)):
        raise UsageError("--rejects goes with --on-error skip", hint="add it, or leave --rejects out")
    if on_error == "skip" and rejects is None:
        rejects = rejects_name(outputs[0].target, sources[0])
    written_to = [("output", output.target) for output in outputs]
    inputs = [("input", source) for source in sources]
    refuse_same_files([*inputs, *written_to, ("rejects", rejects), ("report", report)])
    first = sources[0]
    path = os.fspath(first) if isinstance(first, (str, os.PathLike)) and first != "-" else None
    size = os.path.getsize(path) if path is not None and len(sources) == 1 and os.path.isfile(path) else None
    how = How(keys, running_totals, csv_safe, level, force, path, size)
    started = time.monotonic()
    done = Report(source=f"{len(sources):,} inputs")
    rejects_file: RejectsFile | None = None
    with explain_memory(lambda: {"source": path}), ExitStack() as around:
        write_report = around.enter_context(open_report(report, force=force, source_path=path))
        with ExitStack() as stack:
            # Closed in reverse order: rejects are in place before the output gets its name, and go where that fails.
            stack.push(lambda kind, *_: rejects_file.withdraw() if kind is not None and rejects_file is not None else None)
            writers = stack.enter_context(Writers(outputs, how))
            if isinstance(rejects, (str, os.PathLike)):
                rejects = rejects_file = stack.enter_context(RejectsFile(rejects, force=force))
            if options.get("dedupe"):
                options["dedupe"] = Dedupe()  # one for all
            unchanged: list[Callable[[], None]] = []
            for number, source in enumerate(sources):
                with Export(source, on_error=on_error, rejects=rejects, **options) as export, export.explain_memory():
                    if number == 0:
                        writers.begin()
                    for part in export.batches():
                        writers.add(part)
                        if progress is not None:
                            progress(export)
                    done.add(export)
                    unchanged.append(export.require_unchanged)
                    if len(sources) == 1:
                        done.source = export.name
            _require_unchanged(unchanged)  # before a stream gets the end of its compressed frame
            writers.finish()
            _require_unchanged(unchanged)  # finishing may have taken minutes
        if rejects_file is not None:
            rejects_file.remove_old()
        done.outputs = writers.written
        done.seconds = time.monotonic() - started
        if rejects_file is not None and rejects_file.count:
            done.rejects = rejects_file.name
        write_report(done)
    return done


def _require_unchanged(inputs: Iterable[Callable[[], None]]) -> None:
    for require_unchanged in inputs:
        require_unchanged()
