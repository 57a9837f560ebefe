"""Decodes a member of gzip, whose header is given to the library as a whole.

Takes: stored bytes. Returns: decompressed pieces. Raises: `igzip_lib.error`, and `CompressionError` for an enormous header.
Holds: one chunk of input, or a header.

ISA-L reads a header wrong that has more than one optional field, or a checksum, and comes in two parts (RFC 1952, 2.3.1).
"""

from __future__ import annotations

from isal import igzip_lib

from exportstream.errors import CompressionError

LONGEST_HEADER = 1024 * 1024  # bytes; a name and a comment have no limit in the format

_MAGIC = b"\x1f\x8b\x08"
_FIXED = 10  # bytes of a header that are always there
_CHECKSUM, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16  # flags of optional fields


class GzipDecoder:
    """A decoder of one member with the interface of `bz2.BZ2Decompressor`.

    Attributes:
        eof: whether the member has ended.
        needs_input: whether nothing can be returned before there is more input.
        unused_data: the bytes after the end.
    """

    def __init__(self) -> None:
        self.eof = False
        self.needs_input = True
        self.unused_data = b""
        self._inner = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        self._header: bytes | None = b""  # as far as it came; None if it is complete

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return the next piece. It is empty at the end, and where it takes more input; give some only then."""
        if self._header is not None:
            data = self._header + data
            if not _has_header(data):
                if len(data) > LONGEST_HEADER:
                    raise CompressionError("the header of the gzip data is longer than 1 MiB")
                self._header = data
                return b""
            self._header = None
        piece = self._inner.decompress(data, max_length)
        self.eof, self.needs_input = self._inner.eof, self._inner.needs_input
        self.unused_data = self._inner.unused_data
        return piece


def _has_header(data: bytes) -> bool:
    """Return whether all of the header is there; what is none is left to the library."""
    if not data.startswith(_MAGIC):
        return not _MAGIC.startswith(data[: len(_MAGIC)])
    if len(data) < _FIXED:
        return False
    flags, end = data[3], _FIXED
    if flags & _EXTRA:
        end += 2 + int.from_bytes(data[end : end + 2], "little")
        if len(data) < max(end, _FIXED + 2):
            return False
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            end = data.find(b"\0", end) + 1
            if not end:
                return False
    return len(data) >= end + (2 if flags & _CHECKSUM else 0)
