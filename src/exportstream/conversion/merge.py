"""Many inputs: one output of them all."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from exportstream.conversion.inputs import Input, find_inputs
from exportstream.conversion.one import convert_to
from exportstream.conversion.plan import (
    refuse_existing,
    total_size,
    try_options,
)
from exportstream.conversion.progress import Reading, Status, Watch, counting
from exportstream.conversion.report import ManyReport, Outcome, Report, open_report
from exportstream.errors import ExportstreamError
from exportstream.reading.export import Export
from exportstream.writing.outputs import Output, Wanted, decide_outputs, refuse_same_files, rejects_name


def merge_many(
    sources: Iterable[Any],
    target: Any,
    *,
    format: str | None = None,  # noqa: A002
    compression: str | None = None,
    table: str | Iterable[str] | None = None,
    fail_fast: bool = False,
    report: Any = None,
    progress: Watch = None,
    **options: Any,
) -> ManyReport:
    """Convert many exports into one output, in the given order.

    A row that is written can't be taken back, so each input is read once before the first row is written, and left out if
    it fails; with `fail_fast`, and for ``-``, it is read once only, and a failure leaves no output at all.

    Args:
        sources: as of `convert_many`.
        target: the output, as of `convert`; so are `format`, `compression` and `table`.
        format: see `convert`.
        compression: see `convert`.
        table: see `convert`.
        fail_fast: read each input once, and stop at the first that fails.
        report: a path for the report as JSON.
        progress: called with a `Status` now and then.
        **options: as of `convert`.

    Returns:
        The outcome of each input, and the sums over those in the output. Where all inputs fail there is no output.

    Raises:
        InputError, ReadError: with `fail_fast` or from ``-``.
        UsageError, WriteError: as of `convert`.
    """
    started = time.monotonic()
    outputs = decide_outputs("-", target, Wanted.of(format, compression, table))
    rejects, force = options.get("rejects"), bool(options.get("force"))
    inputs = find_inputs(sources, without=[*(output.target for output in outputs), report, rejects])
    if options.get("on_error") == "skip" and rejects is None:
        options["rejects"] = rejects = rejects_name(outputs[0].target, inputs[0].source)
    written = [output.target for output in outputs]
    refuse_same_files(
        [
            *(("input", found.source) for found in inputs),
            *(("output", name) for name in written),
            ("rejects", rejects),
            ("report", report),
        ]
    )
    try_options(outputs, options)
    if not force:
        refuse_existing([*written, rejects], report)
    status = Status(len(inputs), total_size(inputs))
    outcomes = [Outcome(found.source, "converted") for found in inputs]
    if not fail_fast:
        _read_first(inputs, outcomes, status, progress, options)
    good = [outcome.source for outcome in outcomes if outcome.status == "converted"]
    done = ManyReport(source=f"{len(inputs):,} inputs", outcomes=outcomes)
    with open_report(report, force=force) as write_report:
        if good:
            merged = _merge(good, outputs, status, progress, options)
            done.merge(merged)
            done.outputs, done.rejects = merged.outputs, merged.rejects
        done.seconds = time.monotonic() - started
        write_report(done)
    return done


def _read_first(inputs: list[Input], outcomes: list[Outcome], status: Status, watch: Watch, options: dict[str, Any]) -> None:
    """Read each input to its end, and take note of those that fail."""
    how = {name: options[name] for name in ("on_error", "keep_partial", "max_message_size", "max_window") if name in options}
    if status.bytes_total is not None:
        status.bytes_total *= 2
    reading = Reading(counting(status, watch))
    for number, found in enumerate(inputs):
        if found.source == "-":
            continue
        try:
            with Export(found.source, **how) as export:
                for _ in export.batches():
                    reading(export)
                reading(export)
        except ExportstreamError as error:
            outcomes[number] = Outcome(found.source, "failed", error=str(error))
            status.failed += 1
            status.files_done += 1
    if status.bytes_total is not None:  # what failed is not read again, nor to its end
        good = zip(inputs, outcomes, strict=True)
        status.bytes_total = status.bytes_done + sum(found.size or 0 for found, one in good if one.status == "converted")


def _merge(sources: list[str], outputs: list[Output], status: Status, watch: Watch, options: dict[str, Any]) -> Report:
    reading = Reading(counting(status, watch))
    before = status.files_done

    def follow(export: Export) -> None:
        reading(export)
        status.files_done = before + reading.exports - 1

    done = convert_to(sources, outputs, progress=follow, **options)
    status.files_done = status.files
    reading.up_to(done.bytes_read)
    return done
