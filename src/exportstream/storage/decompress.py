"""Decompresses gzip, zstd, bzip2 and xz, which it recognises by their first bytes.

Takes: the chunks of the input as they are stored. Returns: their compression and the decompressed pieces, of all members and
frames in a row. Raises: `CutInputError` if a container is cut, `CompressionError` if it is damaged, is followed by something
else, asks for too much memory or holds compressed data again, `OutOfMemoryError`.
Holds: one chunk of input, one step of output (at most 256 KiB, however well the input is compressed), and the window that
the compressed data asks for, up to `limit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any

import zstandard

from exportstream.errors import CompressionError, CutInputError, OutOfMemoryError
from exportstream.errors.patterns import late_pattern
from exportstream.storage.memory import is_out_of_memory

_STEP = 256 << 10  # decompressed bytes per step
_CHUNK = 1 << 20  # stored bytes of an output
_WINDOW = 128 << 20  # bytes; outputs ask for 8 MiB at most
_ERROR_NUMBER = late_pattern(r"^Error -?\d+ ")  # of ISA-L
_HEAD = 6  # the longest magic number
_FRAME = b"\x28\xb5\x2f\xfd"  # of zstd
_BLOCKS = 2  # of zstd in a slice
_REPEATED = 1  # type of a block that is one byte, as often as its header says
_MAGIC = {
    "gzip": (b"\x1f\x8b",),
    "bzip2": (b"BZh",),
    "xz": (b"\xfd7zXZ\0",),
    "zstd": (_FRAME, *(bytes((first,)) + b"\x2a\x4d\x18" for first in range(0x50, 0x60))),  # skippable frames
}


def decompress(chunks: Iterator[bytes], limit: int) -> tuple[str, Iterator[bytes]]:
    """Return the compression of `chunks` (``none`` if they aren't compressed) and their decompressed pieces.

    Takes only the chunks needed to recognise the compression, and the others as the pieces are asked for. Pieces may be
    empty. `limit` is the memory in bytes that the compressed data may ask for.
    """
    head, chunks = peek(chunks, _HEAD)
    kind = _kind(head)
    return kind, chunks if kind == "none" else _iter_checked(chunks, kind, limit)


def read_output(path: str) -> Iterator[bytes]:
    """Yield the decompressed pieces of a file that was written here; the errors of the system stay as they are."""
    with open(path, "rb") as file:
        yield from decompress(iter(lambda: file.read(_CHUNK), b""), _WINDOW)[1]


def peek(pieces: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """Return at least `size` bytes if there are as many, and all pieces, which begin with those bytes."""
    head = b""
    while len(head) < size and (piece := next(pieces, None)) is not None:
        head += piece
    return head, chain((head,), pieces)


def _kind(head: bytes) -> str:
    return next((kind for kind, magic in _MAGIC.items() if head.startswith(magic)), "none")


def _iter_checked(chunks: Iterator[bytes], kind: str, limit: int) -> Iterator[bytes]:
    head, pieces = peek(_iter_unpacked(chunks, kind, limit), _HEAD)
    if (inner := _kind(head)) != "none":
        raise CompressionError(f"it is compressed twice, {inner} inside {kind}", hint="decompress it once")
    yield from pieces


def _iter_unpacked(chunks: Iterator[bytes], kind: str, limit: int) -> Iterator[bytes]:
    new, damage = _decoder(kind, limit)
    first_bytes = {magic[0] for magic in _MAGIC[kind]}
    used = 0
    data = b""
    while True:  # once per gzip member, zstd frame, bzip2 or xz stream
        while not (data := data if kind == "zstd" else data.lstrip(b"\0")):  # the others may be padded
            if not (data := next(chunks, b"")):
                return
            used += len(data)
        if data[0] not in first_bytes:
            end = used - len(data)
            raise CompressionError(f"something else follows the {kind} data after {end:,} bytes", position=end, exact=True)
        decoder = new()
        while not decoder.eof:
            if decoder.needs_input and not data:
                if not (data := next(chunks, b"")):
                    raise CutInputError(f"the compressed input is cut after {used:,} bytes", position=used, exact=True)
                used += len(data)
            try:
                piece = decoder.decompress(data, _STEP)
            except damage as error:
                if is_out_of_memory(error):
                    raise OutOfMemoryError(position=used) from error
                if "memory" not in str(error).lower():
                    what = _ERROR_NUMBER.sub("", str(error))
                    error_of_data = CompressionError(f"the {kind} data is damaged: {what}", position=used)
                    error_of_data.is_doubtful = True
                    raise error_of_data from error
                what = f"the {kind} data asks for a window of more than {limit:,} bytes"
                raise CompressionError(
                    what, hint="allow it: `max_window` of 2 GiB for zstd --long=31", position=used
                ) from error
            data = b""
            yield piece
        data = decoder.unused_data


def _decoder(kind: str, limit: int) -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    """Return a function that makes a decoder, with the interface of `bz2.BZ2Decompressor`, and its errors for damage."""
    if kind == "zstd":
        decompressor = zstandard.ZstdDecompressor(max_window_size=limit)
        return partial(ZstdDecoder, decompressor), (zstandard.ZstdError,)
    if kind == "gzip":
        from isal import igzip_lib  # noqa: PLC0415 - only for gzip

        from exportstream.storage.gzip_decoder import GzipDecoder  # noqa: PLC0415 - likewise

        damage: Any = igzip_lib.error  # its stub says that the class is an instance
        return GzipDecoder, (damage, ValueError)
    try:
        if kind == "bzip2":
            from bz2 import BZ2Decompressor  # noqa: PLC0415 - some Pythons are built without it

            return BZ2Decompressor, (OSError,)
        from lzma import FORMAT_XZ, LZMADecompressor, LZMAError  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise CompressionError(f"this Python can't read {kind} data", hint="decompress it first") from error
    return partial(LZMADecompressor, format=FORMAT_XZ, memlimit=limit), (LZMAError,)


class ZstdDecoder:
    """A decoder of one frame of zstd with the interface of `bz2.BZ2Decompressor`, and bounded output: at most 256 KiB.

    The library returns all that its input holds. So that is cut into slices of two blocks: a block has 128 KiB at most by
    the format. Without looking at blocks, slices of 256 bytes might return 8 MiB: 4 bytes can be a block. Anything wrong is
    left to the library.
    """

    def __init__(self, decompressor: zstandard.ZstdDecompressor) -> None:
        self.eof = False
        self.needs_input = True
        self.unused_data = b""
        self._inner = decompressor.decompressobj()
        self._view = memoryview(b"")
        self._next: int | None = None  # where in the view the next block begins; None before the header of the frame
        self._is_last = False  # no block begins after this

    def decompress(self, data: bytes, _max_length: int) -> bytes:
        """Return the next piece. It is empty at the end, and where it takes more input; give some only then."""
        if data:
            self._view = memoryview(bytes(self._view) + data if self._view else data)
        piece = b""
        while not piece and not self.eof and (size := self._cut()):
            piece = self._inner.decompress(self._view[:size])
            self._view = self._view[size:]
            self.eof = self._inner.eof
        if self.eof:
            self.unused_data = self._inner.unused_data + self._view
        self.needs_input = not piece
        return piece

    def _cut(self) -> int:
        """Return the size of the next slice, 0 if it takes more input to tell."""
        view = self._view
        if self._next is None:
            if len(view) < 5 and _FRAME.startswith(view[:4]):
                return 0
            self._is_last = view[:4] != _FRAME  # skippable, or no frame: it has no blocks
            self._next = 0 if self._is_last else _header_size(view[4])
        end, blocks = self._next, 0
        while not self._is_last and blocks < _BLOCKS and end + 3 <= len(view):
            header = int.from_bytes(view[end : end + 3], "little")
            end += 3 + (1 if header >> 1 & 3 == _REPEATED else header >> 3)
            self._is_last = bool(header & 1)
            blocks += 1
        size = len(view) if self._is_last else min(end, len(view))
        self._next = end - size
        return size


def _header_size(descriptor: int) -> int:
    """Return the size of a frame's header; its fifth byte tells."""
    single = descriptor >> 5 & 1
    return 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3] + (single, 2, 4, 8)[descriptor >> 6]
