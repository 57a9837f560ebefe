"""Decodes a frame of zstd step by step, with bounded output: the library returns all that its input holds.

Takes: stored bytes. Returns: decompressed pieces of 256 KiB at most, however well the input is compressed.
Raises: `zstandard.ZstdError`. Holds: one chunk of input, one piece of output, and the window of the frame.
"""

from __future__ import annotations

from zstandard import ZstdDecompressor

_MAGIC = b"\x28\xb5\x2f\xfd"
_BLOCKS = 2  # in a slice
_REPEATED = 1  # type of a block that is one byte, as often as its header says


class ZstdDecoder:
    """A decoder of one frame with the interface of `bz2.BZ2Decompressor`.

    The input is cut into slices of two blocks, since a block has 128 KiB at most by the format. Without looking at blocks
    slices of 256 bytes might return 8 MiB: 4 bytes can be a block. Anything wrong is left to the library.
    """

    def __init__(self, decompressor: ZstdDecompressor) -> None:
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
            if len(view) < 5 and _MAGIC.startswith(view[:4]):
                return 0
            self._is_last = view[:4] != _MAGIC  # skippable, or no frame: it has no blocks
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
