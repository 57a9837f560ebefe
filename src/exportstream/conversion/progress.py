"""How far conversions are: files and bytes, here and in worker processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from exportstream.reading.export import Export

_counter: Any = None  # in a worker process of ours: bytes that all of them have read
_PATIENCE = 1.0  # seconds for the counter's lock: a worker that was killed may have held it


class Status(Struct):
    """How far many conversions are: files, and bytes read; both done and in all (None where that is not known); failures."""

    files: int
    bytes_total: int | None
    files_done: int = 0
    bytes_done: int = 0
    failed: int = 0


Watch = Callable[[Status], None] | None


class Reading:
    """Counts what is read of one export after the other; `count` gets the bytes since the last time, as stored.

    Attributes:
        exports: how many exports there were; `bytes_read` of all of them.
    """

    def __init__(self, count: Callable[[int], None]) -> None:
        self.exports = 0
        self.bytes_read = 0
        self._count = count
        self._export: Export | None = None
        self._before = 0

    def __call__(self, export: Export) -> None:
        """Take note of how far an export is."""
        if export is not self._export:
            self._export, self._before = export, self.bytes_read
            self.exports += 1
        self.up_to(self._before + export.bytes_read)

    def up_to(self, bytes_read: int) -> None:
        """Take note of how much was read of all of them."""
        more, self.bytes_read = bytes_read - self.bytes_read, bytes_read
        self._count(more)


def count_bytes_in(counter: Any) -> None:
    """Add the bytes that this process reads to a counter shared with others."""
    global _counter  # noqa: PLW0603 - what a pool's initializer can set
    _counter = counter


def count_bytes(more: int) -> None:
    """Add bytes to the counter that worker processes share, where there is one."""
    if _counter is not None and _counter.get_lock().acquire(timeout=_PATIENCE):
        try:
            _counter.get_obj().value += more
        finally:
            _counter.get_lock().release()


def counting(status: Status, watch: Watch) -> Callable[[int], None]:
    """A function that takes note of bytes read."""

    def count(more: int) -> None:
        status.bytes_done += more
        if watch is not None:
            watch(status)

    return count
