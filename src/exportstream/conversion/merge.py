"""Many inputs: one output of them all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from exportstream.conversion.inputs import Input, find_inputs
from exportstream.conversion.manifest import manifest_of
from exportstream.conversion.manifest import options_of as recorded_options
from exportstream.conversion.one import convert_to
from exportstream.conversion.options import ConvertOptions, options_of
from exportstream.conversion.outcome import Outcome, leave_out, outcome_of
from exportstream.conversion.plan import is_current, old_rejects, refuse_existing, settle_rejects, total_size
from exportstream.conversion.progress import ReadProgress, Status, Watch, counting
from exportstream.conversion.recorded import made_of, was_made_of
from exportstream.conversion.report import ManyReport, Report, count_of_inputs, open_report
from exportstream.errors import ExportstreamError
from exportstream.models.notes import Duplicates, Notes
from exportstream.reading.export import Export
from exportstream.reading.limits import DEFAULT_MAX_MESSAGE_SIZE
from exportstream.reading.options import OnError, ReadOptions, Rejects
from exportstream.reading.price_lists import read_prices
from exportstream.storage.files import Writable
from exportstream.storage.names import Name, is_once
from exportstream.storage.transaction import Transaction
from exportstream.totals.sums import Totals
from exportstream.writing.formats import FormatName
from exportstream.writing.options import Keys, TableName
from exportstream.writing.outputs import Output, check_outputs, decide_outputs, refuse_same_files


def merge_many(  # noqa: D417 - the others are those of `convert`
    sources: Name | Iterable[Any],
    target: Name | Writable,
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
    exclude: str | Iterable[str] = (),
    update: bool = False,
    fail_fast: bool = False,
    report: Name | None = None,
    progress: Watch = None,
) -> ManyReport:
    """Convert many exports into one output, in the given order. Rows have the columns `file` and `sessionNumber`.

    A row that is written can't be taken back, so each input is read once before the first row is written, and left out if
    it fails; with `fail_fast`, and for ``-``, it is read once only, and a failure leaves no output at all.

    Args:
        sources: as of `convert_many`.
        target: the output, as of `convert`.
        exclude: see `convert_many`.
        update: replace outputs that exist, and write none if all are newer than every input and the manifest of their folder
            has each input, and these options. Inputs that failed are tried again.
        fail_fast: read each input once, and stop at the first that fails.
        report: a path for the report as JSON.
        progress: called with a `Status` now and then.

    The other options are those of `convert`.

    Returns:
        The outcome of each input, and the sums over those in the output. Where all inputs fail there is no output.

    Raises:
        InputError, ReadError: with `fail_fast`, or from ``-`` or a pipe, which can't be read twice.
        UsageError, WriteError: as of `convert`.
    """
    options = options_of(locals())
    return merge_all(sources, target, options, progress=progress)


def merge_all(sources: Name | Iterable[Any], target: Any, options: ConvertOptions, *, progress: Watch = None) -> ManyReport:
    """Convert many exports into one output as their options say; see `merge_many`."""
    started = time.monotonic()
    reading, report = options.reading, options.report
    writing = replace(options.writing, place=True, force=options.writing.force or options.update)
    outputs = decide_outputs("-", target, writing)
    written = [output.target for output in outputs]
    inputs = find_inputs(sources, without=[*written, report, options.rejects], exclude=options.exclude)
    _, named_rejects = settle_rejects(reading, options.rejects, written[0], inputs[0].source)
    rejects = named_rejects if reading.on_error == "skip" else options.rejects
    refuse_same_files(
        [
            *(("input", found.source) for found in inputs),
            *(("output", name) for name in written),
            ("file of rejects", named_rejects),
            ("report", report),
        ]
    )
    check_outputs(outputs, writing)
    if not writing.force:
        refuse_existing([*written, rejects], report)
    reading = read_prices(reading)
    status = Status(len(inputs), total_size(inputs))
    manifest = manifest_of(written[0], make=options.update)
    before = None
    if manifest is not None:
        before = was_made_of(manifest, written[0], recorded_options(outputs[0], reading, writing))
    fits = before is None or before.fits
    current = options.update and fits and all(is_current(one.source, outputs, one.parts) for one in inputs)
    outcomes = [Outcome(found.source, "skipped" if current else "converted") for found in inputs]
    first = _FirstReading(inputs, status, progress, reading)
    names = [manifest.name_of_input(one.source) for one in inputs] if manifest is not None else []
    gone = sorted({*before.inputs}.difference(names)) if before is not None else []
    if current and before is not None:
        for number in (number for number, name in enumerate(names) if name not in before.inputs):
            outcomes[number] = replace(outcomes[number], status="converted")  # it may be by now
        first.read(outcomes)
        if any(one.status == "converted" for one in outcomes):
            current = False
            outcomes = [replace(one, status="converted") if one.status == "skipped" else one for one in outcomes]
    if not (options.fail_fast or current):
        first.read(outcomes)
        leave_out(first.extreme, first.usual, outcomes)
    good = [found for found, outcome in zip(inputs, outcomes, strict=True) if outcome.status == "converted"]
    done = ManyReport(source=count_of_inputs(len(inputs)), outcomes=outcomes)
    if current:
        done.kept_inputs = gone
        done.merged_notes = before.notes if before is not None else done.merged_notes
        done.rejects = old_rejects(named_rejects, outputs, (one.source for one in inputs))
    with Transaction() as transaction:
        write_report = open_report(report, transaction, force=writing.force, words=options.words)
        if good:
            done.dropped_inputs = gone if options.update else []
            merging = ConvertOptions(reading=reading, writing=writing, rejects=rejects)  # the report is that of all inputs
            recording: dict[str, Any] = {}
            if manifest is not None:
                manifest.compact_if_stale()
                failed = [one.source for one in outcomes if one.status == "failed"]
                sources_now = [one.source for one in outcomes if one.status != "failed"]
                recording = {"manifest": manifest, "made_of": made_of(manifest, sources_now, failed)}
            merged, noticed, ignored = _merge(good, outputs, status, progress, merging, recording)
            done.outcomes = outcomes = [ignored.get(one.source, one) for one in outcomes]
            done.merge(merged)
            left = iter(noticed)
            for number, one in enumerate(outcomes):
                if one.status == "converted":
                    notes, dropped = next(left)
                    outcomes[number] = replace(one, notes=notes, duplicates=dropped if reading.dedupe else None)
            done.outputs, done.rejects = merged.outputs, merged.rejects
        done.seconds = time.monotonic() - started
        write_report(done)
    return done


class _FirstReading:
    """Reads inputs to their ends before anything is written, each of them once.

    Attributes:
        usual: the sum of the totals of all that were read, without extreme ones.
        extreme: totals of inputs with extreme costs, by their numbers.
    """

    def __init__(self, inputs: list[Input], status: Status, watch: Watch, reading: ReadOptions) -> None:
        self.usual, self.extreme = Totals(), dict[int, Totals]()
        self._inputs, self._status = inputs, status
        self._progress = ReadProgress(counting(status, watch))
        self._reading = replace(reading, dedupe=False, prices=None)  # what is counted here is thrown away
        self._read: set[int] = set()

    def read(self, outcomes: list[Outcome]) -> None:
        """Read those that are to be converted and were not read yet; of those that fail the outcome is replaced."""
        wanted = [
            number
            for number, (found, one) in enumerate(zip(self._inputs, outcomes, strict=True))
            if one.status == "converted" and number not in self._read and not is_once(found.source)
        ]
        self._read.update(wanted)
        self._expect(outcomes, sum(self._inputs[number].size or 0 for number in wanted))
        for number in wanted:
            found = self._inputs[number]
            try:
                self._add(number)
            except ExportstreamError as error:
                outcomes[number] = outcome_of(found.source, error, named=found.named)
                self._status.failed += outcomes[number].status == "failed"
                self._status.files_done += 1
        self._expect(outcomes, 0)  # what failed is not read again, nor to its end

    def _add(self, number: int) -> None:
        with Export(self._inputs[number].files, self._reading, figures_only=True) as export:
            for _ in export.batches():
                self._progress(export)
            self._progress(export)
            if (totals := export.totals).is_extreme:
                self.extreme[number] = totals
            else:
                self.usual.merge(totals)

    def _expect(self, outcomes: list[Outcome], more: int) -> None:
        """Expect so many bytes, and then those of all inputs that are to be converted."""
        if self._status.bytes_total is not None:
            good = [one.status == "converted" for one in outcomes]
            sizes = sum(found.size or 0 for found, is_good in zip(self._inputs, good, strict=True) if is_good)
            self._status.bytes_total = self._status.bytes_done + more + sizes


def _merge(
    inputs: list[Input],
    outputs: list[Output],
    status: Status,
    watch: Watch,
    options: ConvertOptions,
    recording: dict[str, Any],
) -> tuple[Report, list[tuple[Notes, Duplicates]], dict[str, Outcome]]:
    """Convert inputs into the outputs; return the report, what was noticed and dropped of each, and those ignored."""
    progress = ReadProgress(counting(status, watch))
    before = status.files_done
    noticed: list[tuple[Notes, Duplicates]] = []
    named = {found.source for found in inputs if found.named}
    ignored: dict[str, Outcome] = {}

    def ignore(files: Any, error: ExportstreamError) -> bool:
        source = os.fspath(files)
        outcome = outcome_of(source, error, named=source in named)
        if outcome.status == "ignored":
            ignored[source] = outcome
        return source in ignored

    def follow(export: Export) -> None:
        progress(export)
        status.files_done = before + progress.exports - 1
        if len(noticed) < progress.exports:
            noticed.append((export.notes, export.duplicates))  # which still grow

    sources = [found.files for found in inputs]
    done = convert_to(sources, outputs, options, progress=follow, ignore=ignore, **recording)
    status.files_done = status.files
    progress.up_to(done.bytes_read)
    return done, noticed, ignored
