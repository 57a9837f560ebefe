"""Counts one input: its totals and groups, in this process or with the help of others.

Takes: a source. Returns: a `InputCount`. Raises: every `InputError` and `ReadError`, `WorkerError`. Holds: the groups.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import field

from exportstream.conversion.outcome import Counts
from exportstream.errors import ExportstreamError
from exportstream.reading.export import Export
from exportstream.reading.options import ReadOptions
from exportstream.reading.runs_ahead import RunsAhead
from exportstream.storage.names import STDIN, is_stream
from exportstream.totals.batch import Batch
from exportstream.totals.group_keys import MESSAGE
from exportstream.totals.groups import Grouping
from exportstream.totals.prices import Prices
from exportstream.totals.seen import Dedupe
from exportstream.totals.table_options import GroupOptions

if TYPE_CHECKING:
    from concurrent.futures import Executor


class InputCount(Counts):
    """What was read of one input, its groups, and the keys of its messages if it is a log."""

    grouping: Grouping = field(default_factory=lambda: Grouping(()))
    keys: set[str | bytes] = field(default_factory=set)

    @property
    def is_extreme(self) -> bool:
        """Whether costs are, or those of a group."""
        return super().is_extreme or self.grouping.is_extreme

    def alone(self) -> Counts:
        """Return what was read, without groups and keys."""
        return Counts(**{name: getattr(self, name) for name in Counts.__struct_fields__})


def count_one(
    source: Any,
    name: str,
    reading: ReadOptions,
    groups: GroupOptions,
    *,
    seen: Dedupe | None = None,
    known: Container[str | bytes] | None = None,
    executor: Executor | None = None,
    progress: Callable[[Export], None],
) -> InputCount:
    """Count one input.

    Args:
        source: as of `open_export`.
        name: the name of its groups by file.
        reading: how it is read.
        groups: which groups are made.
        seen: with `dedupe`, what came before.
        known: keys of messages of logs that came before.
        executor: see `total_one`.
        progress: called with the open `Export` after each batch.

    Raises:
        InputError, ReadError, WorkerError: as `total_one`.
    """
    positions, short = (MESSAGE,) in groups.by, not groups.is_by_size
    helpers, name = None, STDIN if is_stream(source) else name  # as `Source.name`
    if executor is not None and not (positions or reading.dedupe):  # these go by what came before
        helpers = RunsAhead(executor, partial(_GroupWork, groups, name))
    with Export(source, reading, seen=seen, known=known, positions=positions, helpers=helpers, figures_only=short) as export:
        done = InputCount(grouping=Grouping(groups.by, groups.range, name, distinct=reading.dedupe, top=groups.top))
        for batch in export.batches():
            if groups.by:
                try:
                    if batch.worked is None:
                        done.grouping.add(batch, export.prices)
                    elif batch.worked.sessions:
                        done.grouping.merge(batch.worked.made)
                    else:
                        done.grouping.merge_part(batch.worked.made)
                except ExportstreamError as error:  # of a sum
                    error.locate(source=export.name)
                    raise
            del batch  # its memory is taken by the next one
            progress(export)
        done.grouping.close()
        done.add(export)
        done.keys = export.keys
    return done


class _GroupWork:
    """Groups of the messages of a run; see `reading.run.Work`."""

    by_session = False
    skips_replaced = True

    def __init__(self, groups: GroupOptions, name: str) -> None:
        self._grouping = Grouping(groups.by, groups.range, name)

    def add(self, batch: Batch, prices: Prices | None) -> None:
        """Add messages, and the sessions that end among them."""
        if self._grouping.tables:
            self._grouping.add(batch, prices)

    def finish(self) -> Grouping:
        """Return the groups."""
        return self._grouping
