"""The decoder of gzip: headers with every optional field, wherever a read ends."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from itertools import product

import pytest

from exportstream.errors import CompressionError, CutInputError
from exportstream.storage.decompress import decompress

TEXT = b'{"id":"s","title":"t","messages":[]}\n' * 20
PLAIN = gzip.compress(TEXT, mtime=0)
FIELDS = {4: b"\x06\x00BC\x02\x00\x1b\x00", 8: b"name.json\0", 16: b"a comment\0"}


def member(*flags: int) -> bytes:
    """A member with optional fields; 2 is a checksum of the header."""
    header = PLAIN[:3] + bytes([sum(flags)]) + PLAIN[4:10] + b"".join(FIELDS.get(flag, b"") for flag in flags)
    return header + ((zlib.crc32(header) & 0xFFFF).to_bytes(2, "little") if 2 in flags else b"") + PLAIN[10:]


def unpacked(chunks: Iterable[bytes]) -> bytes:
    return b"".join(decompress(iter(chunks), 1 << 27)[1])


@pytest.mark.parametrize("extra", [(), (4,)])
@pytest.mark.parametrize("flags", [*product(*((0, flag) for flag in (8, 16, 2)))])
def test_a_read_may_end_at_every_byte(flags: tuple[int, ...], extra: tuple[int, ...]) -> None:
    """Members with any fields are read whole, split at each byte, and byte by byte."""
    packed = member(*extra, *filter(None, flags))
    assert gzip.decompress(packed) == TEXT
    both = packed * 2
    assert unpacked(both[at : at + 1] for at in range(len(both))) == TEXT * 2
    for at in range(1, len(both)):
        assert unpacked([both[:at], both[at:]]) == TEXT * 2, at


def test_data_whose_checksum_differs() -> None:
    """All data comes before the error, wherever a read ends; a wrong size, flag, method and checksum of a header, too."""
    wrong = {"its checksum differs": -8, "its size differs from the one it states": -4}
    for words, place in wrong.items():
        packed = bytearray(PLAIN)
        packed[place] ^= 1
        for at in range(1, len(packed)):
            pieces: list[bytes] = []
            with pytest.raises(CompressionError, match=f"damaged: {words}"):
                pieces.extend(piece for piece in decompress(iter([bytes(packed[:at]), bytes(packed[at:])]), 1 << 27)[1])
            assert b"".join(pieces) == TEXT
    headers = [b"\x1f\x8b\x07" + PLAIN[3:], PLAIN[:3] + b"\x20" + PLAIN[4:]]
    for packed, words in zip(headers, ["no method but deflate", "its header has an unknown flag"], strict=True):
        with pytest.raises(CompressionError, match=words):
            unpacked([packed])
    with pytest.raises(CompressionError, match="the checksum of its header differs"):
        unpacked([member(2)[:10] + b"??" + member(2)[12:]])


def test_a_header_that_is_cut_or_without_end() -> None:
    """A header that ends with the input is cut; one of more than 1 MiB is refused rather than held."""
    packed = member(4, 8, 16, 2)
    for at in range(1, len(packed)):
        with pytest.raises(CutInputError, match=f"cut after {len(packed) + at} bytes"):
            unpacked([packed, packed[:at]])
    with pytest.raises(CompressionError, match="header of the gzip data is longer than 1 MiB"):
        unpacked([member(8)[:12], *[b"x" * 65_536] * 20])
