"""Encodes the rows of a run for each output, as other processes do for a conversion.

Takes: batches. Returns: `Encoded` rows for each output. Raises: nothing of its own. Holds: the encoded rows of a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from threading import get_ident
from typing import TYPE_CHECKING, Any

from exportstream.reading.options import ReadOptions
from exportstream.reading.runs_ahead import RunsAhead
from exportstream.totals.batch import Batch
from exportstream.totals.prices import Prices
from exportstream.writing.formats import FORMATS
from exportstream.writing.options import WriteOptions, new_table
from exportstream.writing.outputs import Output
from exportstream.writing.tables import Table
from exportstream.writing.writers import Encoded, Encoder

if TYPE_CHECKING:
    from concurrent.futures import Executor

Kinds = tuple[tuple[str, str], ...]  # format and table of each output


def encoding_helpers(
    executor: Executor | None, outputs: Sequence[Output], reading: ReadOptions, writing: WriteOptions
) -> RunsAhead | None:
    """Return what helps with a conversion; None if rows depend on those before them, or have no bytes of their own."""
    if executor is None or reading.dedupe or not all(FORMATS[one.format].apart for one in outputs):
        return None
    if not all(new_table(one.tables[0], writing).is_apart for one in outputs):
        return None
    kinds = tuple((one.format, one.tables[0]) for one in outputs)
    return RunsAhead(executor, partial(EncodeWork, kinds, writing), numbered=True)


class EncodeWork:
    """The rows of a run; see `reading.run.Work`."""

    by_session = True
    skips_replaced = True

    def __init__(self, kinds: Kinds, options: WriteOptions, *, whole: bool) -> None:
        del whole
        self._encoders = _encoders(kinds, options, get_ident())
        self._prices_rows = any(table == "messages" for _, table in kinds)
        self._parts: list[list[bytes]] = [[] for _ in kinds]
        self._rows = [0 for _ in kinds]

    def add(self, batch: Batch, prices: Prices | None) -> None:
        """Encode the rows of a batch."""
        if prices is not None and self._prices_rows:
            batch.prices = prices.costs(batch.messages)
        for number, (table, encoder) in enumerate(self._encoders):
            rows = table.rows(batch)
            if rows is not None:
                self._parts[number].append(encoder.encode(rows))
                self._rows[number] += len(rows[0])

    def finish(self) -> list[Encoded]:
        """Return the rows of each output."""
        return [Encoded(b"".join(parts), rows) for parts, rows in zip(self._parts, self._rows, strict=True)]


@lru_cache(16)
def _encoders(kinds: Kinds, options: WriteOptions, thread: int) -> list[tuple[Table, Encoder]]:
    """Return the table and the encoder of each output; others for each thread, since they change while they work."""
    del thread
    tables = [new_table(table, options) for _, table in kinds]
    modules: list[Any] = [FORMATS[name].load() for name, _ in kinds]
    return [(table, module.new_encoder(table, options)) for table, module in zip(tables, modules, strict=True)]
