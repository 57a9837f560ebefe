"""Decodes a member of gzip (RFC 1952): its header, the deflate data through ISA-L, and its checksum.

Takes: stored bytes. Returns: decompressed pieces. Raises: `igzip_lib.error` or `ValueError` for data that is damaged,
also where its checksum differs, which comes after the data; `CompressionError` for an enormous header. Holds: one chunk of
input, or a header.

ISA-L reads a header wrong that has more than one optional field, or a checksum, and comes in two parts (RFC 1952, 2.3.1).
Where it checks the data itself, the last piece is lost if the checksum differs.
"""

from __future__ import annotations

from isal import igzip_lib, isal_zlib

from exportstream.errors import CompressionError

LONGEST_HEADER = 1024 * 1024  # bytes; a name and a comment have no limit in the format

_MAGIC = b"\x1f\x8b\x08"
_FIXED = 10  # bytes of a header that are always there
_CHECKSUM, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16  # flags of optional fields
_KNOWN = 0x1F  # all flags; the others are reserved
_TRAILER = 8  # bytes: the checksum, and the size


class GzipDecoder:
    """A decoder of one member with the interface of `bz2.BZ2Decompressor`."""

    def __init__(self) -> None:
        self.eof = False
        self.needs_input = True
        self.unused_data = b""
        self._inner = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)
        self._header: bytes | None = b""  # as far as it came; None if it is complete
        self._trailer: bytes | None = None  # the same, after the data
        self._checksum = self._size = 0

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return the next piece. It is empty at the end, and where it takes more input; give some only then."""
        if self._header is not None:
            data = self._header + data
            end = _end_of_header(data)
            if end is None:
                if len(data) > LONGEST_HEADER:
                    raise CompressionError("the header of the gzip data is longer than 1 MiB")
                self._header = data
                return b""
            self._header, data = None, data[end:]
        if self._trailer is not None:
            self._end(self._trailer + data)
            return b""
        piece: bytes = self._inner.decompress(data, max_length)
        self._checksum = isal_zlib.crc32(piece, self._checksum)
        self._size += len(piece)
        self.needs_input = self._inner.needs_input
        if self._inner.eof:
            self._trailer = self._inner.unused_data
            self.needs_input = len(self._trailer) < _TRAILER
        return piece

    def _end(self, data: bytes) -> None:
        """Check what was returned, once all of the trailer is there."""
        self._trailer = data
        self.needs_input = len(data) < _TRAILER
        if self.needs_input:
            return
        if int.from_bytes(data[:4], "little") != self._checksum:
            raise ValueError("its checksum differs")
        if int.from_bytes(data[4:_TRAILER], "little") != self._size & 0xFFFFFFFF:
            raise ValueError("its size differs from the one it states")
        self.eof, self.unused_data = True, data[_TRAILER:]


def _end_of_header(data: bytes) -> int | None:
    """Return how long the header is, None if some of it is still to come."""
    if not data.startswith(_MAGIC):
        if _MAGIC.startswith(data[: len(_MAGIC)]):
            return None
        raise ValueError("no method but deflate is known")
    if len(data) < _FIXED:
        return None
    flags, end = data[3], _FIXED
    if flags & ~_KNOWN:
        raise ValueError("its header has an unknown flag")
    if flags & _EXTRA:
        end += 2 + int.from_bytes(data[end : end + 2], "little")
        if len(data) < max(end, _FIXED + 2):
            return None
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            end = data.find(b"\0", end) + 1
            if not end:
                return None
    if flags & _CHECKSUM:
        if len(data) < end + 2:
            return None
        if int.from_bytes(data[end : end + 2], "little") != isal_zlib.crc32(data[:end]) & 0xFFFF:
            raise ValueError("the checksum of its header differs")
        end += 2
    return end
