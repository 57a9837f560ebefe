"""The decoder of zstd: what the library decodes, in pieces of bounded size, however the input is cut."""

from __future__ import annotations

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from exportstream.storage.decompress import ZstdDecoder

DECOMPRESSOR = zstandard.ZstdDecompressor()
BOUND = 256 << 10


def decode(stored: bytes, size: int) -> tuple[ZstdDecoder, list[bytes]]:
    """Decode a frame that comes in chunks of `size` bytes; the rest of the input is added to the decoder's unused data."""
    decoder = ZstdDecoder(DECOMPRESSOR)
    pieces = []
    chunks = iter([stored[start : start + size] for start in range(0, len(stored), size)])
    data = next(chunks, b"")
    while not decoder.eof and (data or not decoder.needs_input):
        pieces.append(decoder.decompress(data, 0))
        data = next(chunks, b"") if decoder.needs_input and not decoder.eof else b""
    decoder.unused_data += data + b"".join(chunks)
    return decoder, pieces


def frame(content: bytes, level: int, *, checksum: bool, known: bool, flushes: int = 0) -> bytes:
    how = zstandard.ZstdCompressionParameters.from_level(level, write_checksum=checksum, write_content_size=known)
    compressor = zstandard.ZstdCompressor(compression_params=how)
    if known:
        return compressor.compress(content)
    out = compressor.compressobj()
    step = len(content) // (flushes + 1) + 1
    parts = [
        out.compress(content[at : at + step]) + out.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        for at in range(0, len(content), step)
    ]
    return b"".join(parts) + out.flush()


@given(
    st.sampled_from(
        [b"", b"a", b"abc" * 7, bytes(300_000), bytes(range(256)) * 1200, b"x" * 200_000 + bytes(range(256)) * 900]
    ),
    st.sampled_from([-5, 1, 3, 19]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 3, 40]),
    st.sampled_from([1, 2, 3, 7, 100, 5000, 1 << 18]),
)
def test_pieces(content: bytes, level: int, checksum: bool, known: bool, flushes: int, size: int) -> None:
    """The pieces are the content, none is larger than the bound, and bytes after the frame are left."""
    stored = frame(content, level, checksum=checksum, known=known, flushes=flushes)
    decoder, pieces = decode(stored + b"after", size)
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= BOUND
    assert (decoder.eof, decoder.unused_data) == (True, b"after")


@pytest.mark.parametrize("size", [1, 1000, 1 << 18])
def test_bomb(size: int) -> None:
    """A chunk of blocks that repeat a byte 131,072 times is decoded step by step."""
    block = (128 << 10 << 3 | 1 << 1).to_bytes(3, "little") + b"x"
    last = (1).to_bytes(3, "little")
    decoder, pieces = decode(b"\x28\xb5\x2f\xfd\x00\x50" + 400 * block + last, size)  # a window of 1 MiB
    assert decoder.eof
    assert sum(map(len, pieces)) == 400 * 128 << 10
    assert max(map(len, pieces)) <= BOUND


@pytest.mark.parametrize("size", [1, 6, 1 << 18])
def test_cut(size: int) -> None:
    """A frame that is cut anywhere needs input, and gives nothing but the beginning of its content."""
    content = b"x" * 5000 + bytes(range(256)) * 2
    stored = frame(content, 3, checksum=True, known=False, flushes=3)
    for end in range(1, len(stored)):
        decoder, pieces = decode(stored[:end], size)
        assert (decoder.eof, decoder.needs_input) == (False, True)
        assert content.startswith(b"".join(pieces))


@given(st.binary(max_size=40), st.binary(max_size=40), st.sampled_from([1, 3, 1 << 18]))
def test_anything_after_the_magic(head: bytes, rest: bytes, size: int) -> None:
    """Anything gives what the library gives, or its error."""
    stored = b"\x28\xb5\x2f\xfd" + head + rest
    plain = DECOMPRESSOR.decompressobj()
    try:
        expected: bytes | None = plain.decompress(stored)
    except zstandard.ZstdError:
        expected = None
    try:
        decoder, pieces = decode(stored, size)
    except zstandard.ZstdError:
        assert expected is None or not plain.eof
        return
    if expected is not None:
        assert (b"".join(pieces), decoder.eof) == (expected, plain.eof)
    else:
        assert not decoder.eof
