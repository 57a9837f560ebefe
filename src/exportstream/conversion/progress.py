"""The progress of conversions: files, and bytes of input."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from exportstream.reading.export import Export


class Status(Struct):
    """The progress of many conversions.

    Attributes:
        files: how many inputs there are.
        bytes_total: bytes of all inputs as stored, None if the size of one of them is not known.
        files_done: inputs that are done, failed ones included.
        bytes_done: bytes read so far.
        failed: inputs that failed.
    """

    files: int
    bytes_total: int | None
    files_done: int = 0
    bytes_done: int = 0
    failed: int = 0


Watch = Callable[[Status], None] | None


class ReadProgress:
    """Counts what is read of one export after another: calls `count` with the bytes read since the last time, as stored.

    Attributes:
        exports: how many exports were begun.
        bytes_read: bytes read of all of them.
    """

    def __init__(self, count: Callable[[int], None]) -> None:
        self.exports = 0
        self.bytes_read = 0
        self._count = count
        self._export: Export | None = None
        self._before = 0

    def __call__(self, export: Export) -> None:
        """Count what has been read of an export since the last time."""
        if export is not self._export:
            self._export, self._before = export, self.bytes_read
            self.exports += 1
        self.up_to(self._before + export.bytes_read)

    def up_to(self, bytes_read: int) -> None:
        """Count what has been read of all exports since the last time."""
        more, self.bytes_read = bytes_read - self.bytes_read, bytes_read
        self._count(more)


def counting(status: Status, watch: Watch) -> Callable[[int], None]:
    """Return a function that adds bytes to a status, and shows it."""

    def count(more: int) -> None:
        status.bytes_done += more
        if watch is not None:
            watch(status)

    return count
