"""Sink: bytes become a compressed output that appears whole or not at all.

Takes: the bytes of the output. It compresses them while the caller goes on, and passes them to a destination (`files`).
Raises: `UsageError` for an output that may not be written, `WriteError` if the system fails; `BrokenPipeError` as it is.
Holds: some blocks of bytes and the compressor's own memory (zstd: 22 MB at level 3, half of it beside others; 130 MB at
level 22).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

from exportstream.storage.compress import Frame, check_level, frames
from exportstream.storage.files import open_destination
from exportstream.storage.transaction import ByteDestination, StagedOutput

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor


_BLOCK = 64 << 10  # smaller writes are gathered
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
    beside_others: bool = False,
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
        beside_others: other outputs are written at the same time: then zstd takes half of the memory.

    Raises:
        UsageError: the output exists, is a folder or the input itself, or the compression or its level is not known.
        WriteError: it can't be created.
        TypeError: `target` is none of these, or is open as text.
    """
    check_level(compression, level)
    alone = source_size is not None and source_size < _LITTLE
    new_frame = frames(compression, level, alone=alone, beside_others=beside_others)
    worker = None
    if compression == "gzip":
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - slow to import, and only for gzip

        worker = ThreadPoolExecutor(max_workers=1)
    return Sink(open_destination(target, source_path, force=force), new_frame, worker, digest=digest)


class Sink(StagedOutput):
    """A byte writer; get one from `open_sink`.

    Attributes:
        name: the path as given, or a stand-in such as ``<stdout>``.
        bytes_in: bytes that were given to it, before compression.
        bytes_out: bytes that were written, compressed.
        sha256: of those, complete after `finish`; None if it was not asked for.
    """

    def __init__(
        self,
        destination: ByteDestination,
        new_frame: Callable[[], Frame] | None,
        worker: ThreadPoolExecutor | None,
        *,
        digest: bool,
    ) -> None:
        super().__init__(destination)
        self.bytes_in = 0
        self.bytes_out = 0
        self._write = destination.write
        self._hash: Any = None
        if digest:
            from hashlib import sha256  # noqa: PLC0415 - few need it, and it slows the command's start

            self._hash = sha256()
        self._small: list[bytes] = []
        self._small_size = 0
        self._worker = worker
        self._pending: deque[Future[bytes]] = deque()
        self._frame: Frame | None = None  # begun with its first byte
        self._new_frame = new_frame

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

    def write_compressed(self, data: bytes, size: int) -> None:
        """Take whole frames, as of `compress.frames`, that hold `size` bytes; without compression just those bytes."""
        self._require_open()
        with self._abort_on_error():
            self._end_frame()
            self._put(data)
        self.bytes_in += size

    def _end_frame(self) -> None:
        self._pass_on()
        self._drain(0)
        if self._frame is not None:
            self._put(self._frame.flush())
            self._frame = None

    def _complete(self) -> None:
        if self._new_frame is not None and self._frame is None and not (self._small or self.bytes_out):
            self._frame = self._new_frame()  # an output without a byte is an empty frame
        self._end_frame()
        if self._worker is not None:
            self._worker.shutdown()

    def _close(self) -> None:
        self._small.clear()
        self._frame = None
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)

    def _pass_on(self) -> None:
        if self._small:
            data = b"".join(self._small)
            self._small.clear()
            self._small_size = 0
            self._compress(data)

    def _compress(self, data: bytes) -> None:
        if self._new_frame is None:
            self._put(data)
            return
        if self._frame is None:
            self._frame = self._new_frame()
        if self._worker is None:
            self._put(self._frame.compress(data))
        else:
            self._pending.append(self._worker.submit(self._frame.compress, data))
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
