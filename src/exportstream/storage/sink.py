"""Sink: bytes become a compressed output that appears whole or not at all.

Takes: the bytes of the output. It compresses them while the caller goes on, and passes them to a destination (`files`).
Raises: `UsageError` for an output that may not be written, `WriteError` if the system fails; `BrokenPipeError` as it is.
Holds: some blocks of bytes and the compressor's own memory (zstd: 22 MB at level 3, 130 MB at level 22).
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from typing import IO, TYPE_CHECKING, Any

import zstandard

from exportstream.errors import OptionError
from exportstream.storage.files import ByteDestination, open_destination
from exportstream.storage.transaction import StagedOutput

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor


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
    digest: bool = False,
) -> Sink:
    """Open an output for bytes.

    Args:
        target: a path; ``-`` for standard output; or a binary file object, which is written directly and stays open.
        compression: ``zstd`` (with a checksum), ``gzip`` or ``none``.
        level: of the compression: 1 to 22 or -7 to -1 for zstd (default 3), 1 to 9 for gzip (default 2): up
            to 3 with ISA-L, several times faster, from 4 with zlib, up to a tenth smaller.
        force: replace a file that exists.
        source_path: the path of the input, which is never overwritten.
        source_size: bytes of the input, if they are known; a small input starts no thread.
        digest: compute the SHA-256 of what is written.

    Raises:
        UsageError: the output exists, is a folder or the input itself, or the compression or its level is not known.
        WriteError: it can't be created.
        TypeError: `target` is none of these, or is open as text.
    """
    check_level(compression, level)
    alone = source_size is not None and source_size < _LITTLE
    return Sink(open_destination(target, source_path, force=force), compression, level, alone=alone, digest=digest)


def check_level(compression: str, level: int | None) -> None:
    """Raise `OptionError` for a compression that is not known, and for a level that it does not have."""
    if compression not in _LEVELS:
        raise OptionError(f"expected compression zstd, gzip or none, got {compression!r}")
    if level is not None and (level not in _LEVELS[compression] or level == 0):
        levels = _LEVELS[compression]
        if not levels:
            raise OptionError(f"expected no level, since the output is not compressed, got {level}")
        expected = f"a level from {levels[0]} to {levels[-1]}{' except 0' * (0 in levels)}"
        raise OptionError(f"expected {expected} for {compression}, got {level}")


class Sink(StagedOutput):
    """A byte writer; get one from `open_sink`.

    As a context manager it commits at the end of the block, and aborts if the block raises anything at all.

    Attributes:
        name: the path as given, or a stand-in such as ``<stdout>``.
        bytes_in: bytes that were given to `write`.
        bytes_out: bytes that were written, compressed.
        sha256: of those, complete after `finish`; None if it was not asked for.
    """

    def __init__(
        self,
        destination: ByteDestination,
        compression: str,
        level: int | None,
        *,
        alone: bool = False,
        digest: bool = False,
    ) -> None:
        super().__init__(destination)
        self.bytes_in = 0
        self.bytes_out = 0
        self._write = destination.write
        self._hash = hashlib.sha256() if digest else None
        self._small: list[bytes] = []
        self._small_size = 0
        self._worker: ThreadPoolExecutor | None = None
        self._pending: deque[Future[bytes]] = deque()
        self._compressor: Any = None
        with self._abort_on_error():
            if compression == "zstd":
                self._compressor = _new_zstd(level or 3, alone=alone)
            elif compression == "gzip":
                self._compressor = _new_gzip(level or 2)
                from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - slow to import, and only for gzip

                self._worker = ThreadPoolExecutor(max_workers=1)

    @property
    def sha256(self) -> str | None:
        """SHA-256 of what was written, in hexadecimal digits."""
        return None if self._hash is None else self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Take `data`; if that fails, the whole output is aborted."""
        self._require_open()
        self.bytes_in += len(data)
        if len(data) < _BLOCK:
            self._small.append(bytes(data))
            self._small_size += len(data)
            if self._small_size < _BLOCK:
                return
        with self._abort_on_error():
            self._pass_on()
            if len(data) >= _BLOCK:  # as it is: a huge message is not copied once more
                self._compress(data)

    def _complete(self) -> None:
        self._pass_on()
        self._drain(0)
        if self._worker is not None:
            self._worker.shutdown()
        if self._compressor is not None:
            self._put(self._compressor.flush())

    def _close(self) -> None:
        self._small.clear()
        self._compressor = None
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)

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
            self._write(data)
            if self._hash is not None:
                self._hash.update(data)
            self.bytes_out += len(data)


def _new_gzip(level: int) -> Any:
    # ISA-L's own levels: the third is twice as slow as the second. Neither library writes a time: the same in, the same out.
    if level <= 3:
        from isal import isal_zlib  # noqa: PLC0415 - only for gzip

        return isal_zlib.compressobj(level, wbits=31)
    import zlib  # noqa: PLC0415 - likewise

    return zlib.compressobj(level, wbits=31)


def _new_zstd(level: int, *, alone: bool) -> zstandard.ZstdCompressionObj:
    # zstd's own worker compresses while the caller goes on, one job at a time. Jobs of 4 MiB take 15 % less time than jobs
    # of 1 MiB; larger ones only take more memory. A second worker gains nothing, since parsing takes as long as compressing.
    # An input smaller than a job starts no thread: it would be compressed after all of it is parsed.
    # Above level 9 jobs would be large, and parsing is a small part of the time. The source size limits the window, which
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
