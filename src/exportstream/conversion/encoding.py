"""Encodes and compresses the rows of a run for each output, as other processes do for a conversion.

Takes: batches. Returns: `Encoded` rows for each output. Raises: nothing of its own. Holds: the encoded rows of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from threading import local
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from exportstream.reading.options import ReadOptions
from exportstream.reading.runs_ahead import RunsAhead
from exportstream.storage.compress import Frame, frames
from exportstream.totals.batch import Batch
from exportstream.totals.prices import Prices
from exportstream.writing.formats import FORMATS
from exportstream.writing.options import WriteOptions
from exportstream.writing.outputs import Output
from exportstream.writing.tables import Table
from exportstream.writing.writers import Encoded, Encoder

if TYPE_CHECKING:
    from concurrent.futures import Executor


# How many times shorter runs are than usual: their rows take memory until they are written, plain ones the most.
# Frames of shorter runs are larger: of 1 MB by 3 %, of 2 MB by 1.5 %, of 3 MB by 1 % (level 3).
_SHORTER_IF_PACKED, _SHORTER_IF_PLAIN = 2, 6


class Kind(Struct, frozen=True):
    """One output, as a process that works for it sees it."""

    format: str
    table: str
    compression: str


def can_share(outputs: Sequence[Output], reading: ReadOptions, writing: WriteOptions) -> bool:
    """Whether processes can share the work: rows don't depend on those before them, and have bytes of their own."""
    if reading.dedupe or not all(FORMATS[one.format].apart for one in outputs):
        return False
    return all(Table(one.tables[0], writing).is_apart for one in outputs)


def encoding_helpers(
    executor: Executor | None, outputs: Sequence[Output], reading: ReadOptions, writing: WriteOptions
) -> RunsAhead | None:
    """Return what helps with a conversion; None if nothing can."""
    if executor is None or not can_share(outputs, reading, writing):
        return None
    kinds = tuple(Kind(one.format, one.tables[0], one.compression) for one in outputs)
    packed = all(kind.compression != "none" for kind in kinds)
    shorter = _SHORTER_IF_PACKED if packed else _SHORTER_IF_PLAIN
    return RunsAhead(executor, partial(EncodeWork, kinds, writing), numbered=True, shorter=shorter)


class EncodeWork:
    """The rows of a run, compressed; see `reading.run.Work`."""

    skips_replaced = True

    def __init__(self, kinds: tuple[Kind, ...], options: WriteOptions) -> None:
        self._encoders = [_RunEncoder(pipeline) for pipeline in _kept.pipelines_of(kinds, options)]
        self._prices_rows = any(kind.table == "messages" for kind in kinds)
        self.by_session = any(kind.table == "sessions" for kind in kinds)

    def add(self, batch: Batch, prices: Prices | None) -> None:
        """Encode the rows of a batch."""
        if prices is not None and self._prices_rows:
            batch.prices = prices.costs(batch.messages)
        for encoder in self._encoders:
            encoder.add(batch)

    def finish(self) -> list[Encoded]:
        """Return the rows of each output."""
        return [encoder.finish() for encoder in self._encoders]


class _Pipeline(NamedTuple):
    """The steps from batches to the bytes of one output: rows, their encoding, and frames if they are compressed."""

    table: Table
    encoder: Encoder
    frames: Callable[[], Frame] | None


def _new_pipeline(kind: Kind, options: WriteOptions) -> _Pipeline:
    table = Table(kind.table, options)
    encoder = FORMATS[kind.format].load().new_encoder(table, options)
    return _Pipeline(table, encoder, frames(kind.compression, options.level))


class _RunEncoder:
    """Encodes the rows of one run for one output, as a frame of their own if it is compressed.

    They are compressed all at once: after each block, zstd and the decoder would drive each other out of the processor's
    cache, which costs a third of the time of compressing.
    """

    def __init__(self, pipeline: _Pipeline) -> None:
        self._pipeline = pipeline
        pipeline.encoder.large_columns.clear()  # it is kept for the next run
        self._parts: list[bytes] = []
        self._rows = 0

    def add(self, batch: Batch) -> None:
        rows = self._pipeline.table.rows(batch)
        if rows is not None:
            self._parts.append(self._pipeline.encoder.encode(rows))
            self._rows += len(rows[0])

    def finish(self) -> Encoded:
        parts, size = self._parts, sum(map(len, self._parts))
        if self._pipeline.frames is not None and self._rows:
            frame = self._pipeline.frames()
            parts = [*map(frame.compress, parts), frame.flush()]
        data = b"".join(parts)
        return Encoded(data, self._rows, size, set(self._pipeline.encoder.large_columns))


class _Kept(local):
    """What each thread keeps from one run to the next: a pipeline for each output. They change while they work."""

    made_for: tuple[tuple[Kind, ...], WriteOptions] | None = None

    def pipelines_of(self, kinds: tuple[Kind, ...], options: WriteOptions) -> list[_Pipeline]:
        if self.made_for != (kinds, options):
            self._pipelines = [_new_pipeline(kind, options) for kind in kinds]
            self.made_for = kinds, options
        return self._pipelines


_kept = _Kept()
