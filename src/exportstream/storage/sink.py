"""Sink: bytes become a compressed output that appears whole or not at all.

Takes the bytes of the output, compresses them beside the caller's work, and gives them to the place where they end up
(`files`); what is given up is removed there, or stays an unfinished frame. Raises `UsageError` for an output that may not
be written, `WriteError` where the system fails; `BrokenPipeError` goes through.
Holds: some blocks of what is written and the compressor's own memory (zstd: 22 MB at level 3, 130 MB at level 22).
"""

from __future__ import annotations

import os
import zlib
from collections import deque
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Self

import zstandard

from exportstream.errors import UsageError, WriteError
from exportstream.storage.files import Place, open_place, write_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future, ThreadPoolExecutor


__all__ = ["Sink", "open_sink"]

_BLOCK = 64 << 10  # smaller writes are gathered
_LEVELS = {"zstd": range(-7, 23), "gzip": range(1, 10), "none": range(0)}
_LITTLE = 4 << 20  # bytes of input: one job of zstd's worker
_PENDING = 4  # blocks that wait for gzip


def open_sink(
    target: str | os.PathLike[str] | IO[bytes],
    *,
    compression: str = "zstd",
    level: int | None = None,
    force: bool = False,
    source_path: str | None = None,
    source_size: int | None = None,
) -> Sink:
    """Open an output for bytes.

    Args:
        target: a path; ``-`` for standard output; or a binary file object, which is written directly and stays open.
        compression: ``zstd`` (with a checksum), ``gzip`` or ``none``.
        level: of the compression: 1 to 22 or -7 to -1 for zstd (3 unless told), 1 to 9 for gzip (6 unless told).
        force: replace a file that exists.
        source_path: the path of the input, which is never overwritten.
        source_size: bytes of the input, where they are known; for little input no thread is started.

    Raises:
        UsageError: the output exists, is a folder or the input itself, or the compression is not known.
        WriteError: it can't be created.
        TypeError: `target` is none of these, or is open as text.
    """
    if compression not in _LEVELS:
        raise UsageError(f"expected compression zstd, gzip or none, got {compression!r}")
    if level is not None and (level not in _LEVELS[compression] or level == 0):
        raise UsageError(f"compression {compression} has no level {level}")
    alone = source_size is not None and source_size < _LITTLE
    return Sink(open_place(target, source_path, force=force), compression, level, alone=alone)


class Sink:
    """A byte writer; get one from `open_sink`.

    As a context manager it commits at the end of the block, and aborts when the block raises anything at all.

    Attributes:
        name: the path as given, or a stand-in such as ``<stdout>``.
        bytes_in: bytes that were given to `write`.
        bytes_out: bytes that were written, compressed.
    """

    def __init__(self, place: Place, compression: str, level: int | None, *, alone: bool = False) -> None:
        self.name = place.name
        self.bytes_in = 0
        self.bytes_out = 0
        self._place = place
        self._small: list[bytes] = []
        self._small_size = 0
        self._state = "open"
        self._worker: ThreadPoolExecutor | None = None
        self._pending: deque[Future[bytes]] = deque()
        self._compressor: Any = None
        with self._giving_up():
            if compression == "zstd":
                self._compressor = _new_zstd(level or 3, alone=alone)
            elif compression == "gzip":
                self._compressor = zlib.compressobj(level or 6, wbits=31)  # writes no time: the same in, the same out
                from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - slow to import, and only for gzip

                self._worker = ThreadPoolExecutor(max_workers=1)

    def write(self, data: bytes) -> None:
        """Take `data`; when that fails, the whole output is given up."""
        self._require_open()
        self.bytes_in += len(data)
        if len(data) < _BLOCK:
            self._small.append(bytes(data))
            self._small_size += len(data)
            if self._small_size < _BLOCK:
                return
        with self._giving_up():
            self._pass_on()
            if len(data) >= _BLOCK:  # as it is: a huge message is not copied once more
                self._compress(data)

    def finish(self) -> None:
        """Finish the compressed frame; nothing can be written after it."""
        self._require_open()
        with self._giving_up():
            self._pass_on()
            self._drain(0)
            if self._worker is not None:
                self._worker.shutdown()
            if self._compressor is not None:
                self._put(self._compressor.flush())
        self._state = "finished"

    def commit(self) -> None:
        """Finish, bring everything to the disk, and give the file its name."""
        if self._state == "committed":
            return
        if self._state != "finished":
            self.finish()
        with self._giving_up():
            self._place.commit()
        self._state = "committed"

    def withdraw(self) -> None:
        """Take back a file that was committed, where none stood under its name before. Never raises."""
        if self._state == "committed":
            self._place.withdraw()

    def abort(self) -> None:
        """Remove what was written, or leave an unfinished frame where that can't be done. Never raises."""
        if self._state in ("open", "finished"):
            self._state = "given up"
            self._small.clear()
            self._compressor = None
            if self._worker is not None:
                self._worker.shutdown(cancel_futures=True)
            self._place.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()

    def _require_open(self) -> None:
        if self._state != "open":
            raise WriteError(f"the output is {self._state}", source=self.name)

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.abort()
            if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
                raise write_error(error, self.name) from error
            raise

    def _pass_on(self) -> None:
        data = b"".join(self._small)
        self._small.clear()
        self._small_size = 0
        self._compress(data)

    def _compress(self, data: bytes) -> None:
        if self._compressor is None:
            self._put(data)
        elif self._worker is None:
            self._put(self._compressor.compress(data))
        else:
            self._pending.append(self._worker.submit(self._compressor.compress, data))
            self._drain(_PENDING)

    def _drain(self, most: int) -> None:
        while self._pending and (len(self._pending) > most or self._pending[0].done()):
            self._put(self._pending.popleft().result())

    def _put(self, data: bytes) -> None:
        if data:
            self._place.write(data)
            self.bytes_out += len(data)


def _new_zstd(level: int, *, alone: bool) -> zstandard.ZstdCompressionObj:
    # zstd's own worker compresses while the caller goes on, a job at a time: jobs of 4 MiB take 15 % less time than jobs of
    # 1 MiB, and larger ones only more memory; a second worker gains nothing, since parsing takes as long as compressing.
    # Input that is less than a job would be compressed only when all of it is parsed, and a thread started for that.
    # Above level 9 jobs would be large and parsing is a small part of the time. The source size bounds the window, which
    # would be 128 MiB at level 22.
    threads = 1 if level <= 9 and (os.cpu_count() or 1) > 1 and not alone else 0
    how = zstandard.ZstdCompressionParameters.from_level(
        level,
        source_size=8 << 20 if level > 9 else 0,
        threads=threads,
        job_size=threads << 22,
        write_checksum=True,
        write_content_size=False,
    )
    return zstandard.ZstdCompressor(compression_params=how).compressobj()
