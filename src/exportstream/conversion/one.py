"""The whole way on one page: storage → reading (with totals) → writing → storage."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from exportstream.conversion.encoding import encoding_helpers
from exportstream.conversion.inputs import find_inputs
from exportstream.conversion.manifest import Manifest, Recording, describe, manifest_of
from exportstream.conversion.options import ConvertOptions, options_of
from exportstream.conversion.plan import make_folders, settle_rejects
from exportstream.conversion.report import Report, count_of_inputs, open_report
from exportstream.errors import ExportstreamError, NotAnExportError, UsageError
from exportstream.reading.export import Export
from exportstream.reading.limits import DEFAULT_MAX_MESSAGE_SIZE
from exportstream.reading.options import OnError, Rejects
from exportstream.reading.price_lists import read_prices
from exportstream.reading.runs_ahead import check_executor
from exportstream.storage.files import Writable
from exportstream.storage.input_file import ByteSource
from exportstream.storage.memory import explain_memory
from exportstream.storage.names import Name, is_name, is_stream, is_url, require_one
from exportstream.storage.remote.urls import local_path
from exportstream.storage.transaction import Transaction
from exportstream.storage.zip import zip_file_of
from exportstream.totals.seen import Dedupe
from exportstream.writing.formats import FormatName
from exportstream.writing.options import Keys, TableName
from exportstream.writing.outputs import (
    Output,
    check_outputs,
    decide_in_folder,
    decide_outputs,
    is_folder,
    refuse_same_files,
)
from exportstream.writing.rejects import HeldRejects, RejectsFile
from exportstream.writing.writers import Origin, Writers

if TYPE_CHECKING:
    from concurrent.futures import Executor


def convert(
    source: ByteSource,
    target: Name | Writable | None = None,
    *,
    format: FormatName | None = None,  # noqa: A002 - the field's word
    table: TableName | Iterable[TableName] | None = None,
    level: int | None = None,
    keys: Keys = "camel",
    running_totals: bool = False,
    columns: str | Iterable[str] | None = None,
    without: str | Iterable[str] | None = None,
    flat: bool = False,
    csv_safe: bool = False,
    force: bool = False,
    on_error: OnError | None = None,
    rejects: Name | Rejects = None,
    max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
    max_window: int | None = None,
    dedupe: bool = False,
    prices: Name | None = None,
    report: Name | None = None,
    executor: Executor | None = None,
    progress: Callable[[Export], None] | None = None,
) -> Report:
    """Convert an export into NDJSON, CSV, Parquet or SQLite in one pass and constant memory.

    Args:
        source: as of `open_export`.
        target: a path, a URL (with the extra ``remote``), ``-`` for standard output, or a binary file object.
            None: ``NAME.ndjson.zst`` next to the input; a folder that exists, or a name that ends in ``/``: in there.
        format: the text of a suffix, such as ``csv.gz``: ``ndjson``, ``jsonl`` or ``csv``, then ``.zst``, ``.gz`` or
            nothing; ``parquet`` (with the extra ``parquet``); ``db``, ``sqlite`` or ``sqlite3``. Otherwise the target's
            suffix decides. A default name ends in it: ``csv`` gives ``NAME.csv``, not compressed.
        table: ``messages``, ``tool-calls``, ``sessions``, several of them, also with commas, or ``all``: one reading
            writes them all, to ``NAME.TABLE.SUFFIX`` each. Default: messages; in SQLite all, as tables of one file.
        level: compression level, 3 for zstd and 2 for gzip by default.
        keys: ``camel``, the export's own names, or ``snake``. Keys inside ``inputJson`` and ``extra`` are data.
        running_totals: add to each row the totals after it.
        columns: names of columns to write, in this order, with commas or as several texts; ``*`` for the usual ones. A name
            counts for each table that has it, ``TABLE.COLUMN`` for one. In SQLite the columns of the primary key stay.
        without: names of columns to leave out, also fields of tool calls: ``toolCalls.result``.
        flat: NDJSON only: write every column in every row, null where absent, also in tool calls, and ``inputJson`` and
            ``extra`` as JSON text, so that each column has one type.
        csv_safe: prefix CSV cells that a spreadsheet would run with an apostrophe. This changes data.
        force: replace an output that exists.
        on_error: see `open_export`.
        rejects: with ``on_error="skip"``: a path for the rejected messages (default ``OUTPUT.rejects.ndjson``,
            next to it), or a list or a function that gets each `Reject`.
        max_message_size: see `open_export`.
        max_window: see `open_export`.
        dedupe: see `open_export`.
        prices: see `open_export`; rows of messages get their price as `cost`, and `costSource` says which were priced.
        report: a path for the report as JSON.
        executor: helps with a file of 32 MiB or more (8 MiB if it is compressed) and with a stream; see `convert_many`.
            Not with `running_totals`, `dedupe`, the columns `file` and `sessionNumber`, Parquet or SQLite. None for this
            process alone.
        progress: called with the open `Export` after each batch, and at the end.

    Returns:
        Figures of what was read and written, and the totals.

    Raises:
        UsageError: an option or the output is not possible; `MissingExtraError` names the package to install.
        InputError, ReadError, WriteError, OutOfMemoryError: the output is then as it was before, or not there.
        WorkerError: likewise; a process of the executor failed.
    """
    options = options_of(locals())
    check_executor(executor)
    return convert_one(source, target, options, executor=executor, progress=progress)


def convert_one(
    source: Any,
    target: Any,
    options: ConvertOptions,
    *,
    executor: Executor | None = None,
    progress: Callable[[Export], None] | None = None,
) -> Report:
    """Convert one export as its options say; see `convert`."""
    require_one(source, hint="convert_many or merge_many takes several")
    options = replace(options, reading=read_prices(options.reading))
    manifest, writing = None, options.writing
    if is_name(source) and is_folder(target):
        folder = local_path(os.fsdecode(target))
        outputs = decide_in_folder(folder, find_inputs(source)[0].relative, writing)
        check_outputs(outputs, writing)
        make_folders(outputs)
        manifest = None if is_url(folder) else Manifest(folder)  # nothing can be appended to an object
    else:
        outputs = decide_outputs(source, target, writing)
        manifest = manifest_of(outputs[0].target, make=options.update)
        if manifest is not None:
            manifest.compact_if_stale()
    return convert_to([source], outputs, options, executor=executor, progress=progress, manifest=manifest)


def convert_to(
    sources: Sequence[Any],
    outputs: Sequence[Output],
    options: ConvertOptions,
    *,
    executor: Executor | None = None,
    progress: Callable[[Export], None] | None = None,
    manifest: Manifest | None = None,
    made_of: dict[str, Any] | None = None,
    ignore: Callable[[Any, ExportstreamError], bool] = lambda *_: False,
) -> Report:
    """Convert exports, one after the other, into each of the outputs.

    Args:
        sources: each as of `open_export`.
        outputs: all are written from one reading.
        options: how they are converted; what says which inputs there are has no effect here.
        executor: as of `convert`; only for one source.
        progress: as of `convert`.
        manifest: of the folder of the outputs; it records them as made of the first source.
        made_of: recorded instead of the state of the first source.
        ignore: called with a source that is no export and its error; says whether to go on without it.

    Returns, Raises: as `convert`.
    """
    reading, writing, rejects, report = options.reading, options.writing, options.rejects, options.report
    check_outputs(outputs, writing)
    if reading.on_error != "skip" and is_name(rejects):
        raise UsageError('`rejects` goes with on_error="skip"', hint="add it, or leave `rejects` out")
    reading, rejects = settle_rejects(reading, rejects, outputs[0].target, sources[0])
    written_to = [("output", output.target) for output in outputs]
    inputs = [("input", source) for source in sources]
    named = [*inputs, *written_to, ("file of rejects", rejects), ("report", report)]
    refuse_same_files(named, manifest.real_path if manifest is not None else None)
    first = sources[0]
    path = zip_file_of(os.fspath(first)) if is_name(first) and not is_stream(first) else None
    size = os.path.getsize(path) if path is not None and len(sources) == 1 and os.path.isfile(path) else None
    started = time.monotonic()
    done = Report(source=count_of_inputs(len(sources)))
    rejects_file: RejectsFile | None = None
    # Rejects get their name first, then the outputs, then the report; then the outputs are recorded.
    with explain_memory(lambda: {"source": path}), Transaction() as transaction:
        recording = transaction.add(Recording(manifest.journal)) if manifest is not None else None
        write_report = open_report(report, transaction, force=writing.force, source_path=path)
        origin = Origin(path, size, reading.dedupe, digest=manifest is not None, outputs=len(outputs))
        writers = Writers(outputs, writing, transaction, origin)
        if is_name(rejects):
            rejects = rejects_file = RejectsFile(
                rejects, transaction, force=writing.force, is_asked_for=reading.on_error == "skip"
            )
        seen = Dedupe()  # one for all
        known: set[str | bytes] | None = set() if len(sources) > 1 else None  # keys of messages that other logs may repeat
        writes_messages = any("messages" in output.tables for output in outputs)
        session_totals = any("sessions" in output.tables for output in outputs)
        unchanged: list[Callable[[], None]] = []
        state = dict(made_of or {})
        foreign: NotAnExportError | None = None
        for source in sources:
            held = HeldRejects(rejects) if len(sources) > 1 and rejects is not None else None
            with (
                Export(
                    source,
                    reading,
                    rejects=held or rejects,
                    seen=seen,
                    session_totals=session_totals,
                    known=known,
                    helpers=encoding_helpers(executor if len(sources) == 1 else None, outputs, reading, writing),
                ) as export,
                export.explain_memory(),
            ):
                try:
                    for batch in export.batches():
                        if held is not None:
                            held.release()
                        if export.prices is not None and writes_messages:
                            batch.prices = export.prices.costs(batch.messages)
                        writers.add(batch)
                        done.shared |= batch.worked is not None
                        if progress is not None:
                            progress(export)
                        del batch  # its memory is taken by the next one
                except NotAnExportError as error:
                    if not ignore(source, error):
                        raise
                    foreign = foreign or error
                    continue
                if held is not None:
                    held.release()
                if progress is not None:
                    progress(export)
                done.add(export)
                unchanged.append(export.require_unchanged)
                if known is not None:
                    known |= export.keys
                state = state or export.state
                if len(sources) == 1:
                    done.source = export.name
        if foreign is not None and not unchanged:
            raise foreign  # there is nothing to write
        _require_unchanged(unchanged)  # before a stream gets the end of its compressed frame
        writers.finish(lambda output: describe(output, reading, writing, done.totals))
        _require_unchanged(unchanged)  # finishing may have taken minutes
        done.outputs = writers.written
        if manifest is not None and recording is not None:
            recording.records = [
                manifest.record(
                    written, os.fspath(first), state, describe(output, reading, writing, done.totals), done.notes
                )
                for output, written in zip(outputs, done.outputs, strict=True)
            ]
        done.seconds = time.monotonic() - started
        if rejects_file is not None and rejects_file.count:
            done.rejects = rejects_file.name
        write_report(done)
    if rejects_file is not None and reading.on_error == "skip":
        rejects_file.remove_old()
    return done


def _require_unchanged(inputs: Iterable[Callable[[], None]]) -> None:
    for require_unchanged in inputs:
        require_unchanged()
