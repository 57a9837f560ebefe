"""Source: every container, every way of handing it in, every way of being cut or damaged."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import zlib
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exportstream.cli.process import exit_code
from exportstream.errors import CompressionError, CutInputError, InputError, JSONSyntaxError, ReadError, UsageError
from exportstream.storage.source import Source, open_source
from tests.kit.files import DATA, cuts

SAMPLE = (DATA / "session.json").read_bytes()


def zstd(data: bytes, **options: object) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True, **options).compress(data)


PACK = {
    "none": bytes,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "zstd": zstd,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
COMPRESSED = [kind for kind in PACK if kind != "none"]
SKIPPABLE = b"\x53\x2a\x4d\x18\x05\x00\x00\x00hello"
PACKED = {kind: pack(SAMPLE) for kind, pack in PACK.items()}


def drain(source: Source, size: int = 1 << 16) -> bytes:
    with source:
        return b"".join(iter(lambda: source.read(size), b""))


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("name", ["x.json", "x.gz", "x.zst"])
def test_container_is_recognised_by_its_content(tmp_path: Path, kind: str, name: str) -> None:
    """The magic number decides, whatever the suffix says, and both counts come out right."""
    path = tmp_path / name
    path.write_bytes(PACKED[kind])
    source = open_source(path)
    assert (source.name, source.bytes_total, source.bytes_read, source.position) == (
        str(path),
        len(PACKED[kind]),
        0,
        0,
    )
    assert drain(source) == SAMPLE
    assert source.compression == kind
    assert (source.bytes_read, source.position) == (len(PACKED[kind]), len(SAMPLE))


@pytest.mark.parametrize("kind", PACK)
def test_several_members_are_one_document(kind: str) -> None:
    """Concatenated gzip members, zstd frames, bzip2 and xz streams give the concatenated content."""
    pack = PACK[kind]
    assert drain(open_source(pack(b"[1,") + pack(b"") + pack(b"2]") + pack(b""))) == b"[1,2]"


def test_skippable_zstd_frames_are_skipped() -> None:
    """A skippable frame before, between and after frames holds no content."""
    data = SKIPPABLE + zstd(b"[1,") + SKIPPABLE * 2 + zstd(b"2]") + SKIPPABLE
    for chunks in (data, cuts(data, [1]), cuts(data, [7])):
        source = open_source(chunks)
        assert drain(source) == b"[1,2]"
        assert source.compression == "zstd"


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_padding_between_and_after_members_is_allowed(kind: str) -> None:
    """NULs after a member are padding, as tar and tape drives write it."""
    data = PACK[kind](b"[1,") + bytes(8) + PACK[kind](b"2]") + bytes(512)
    for chunks in (data, cuts(data, [1]), cuts(data, [100])):
        assert drain(open_source(chunks)) == b"[1,2]"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(PACK)), st.lists(st.integers(1, 700), min_size=1, max_size=8), st.integers(1, 5000))
def test_any_split_gives_the_same_bytes(kind: str, sizes: list[int], size: int) -> None:
    """How the input is split into chunks, and how much is asked for, changes nothing."""
    doubled = PACKED[kind] + PACK[kind](SAMPLE[:100])
    assert drain(open_source(cuts(doubled, sizes)), size) == SAMPLE + SAMPLE[:100]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(list(PACK)), mark=st.booleans(), turns=st.lists(st.tuples(st.booleans(), st.integers(1, 5000))))
def test_reading_into_a_buffer_gives_the_same_bytes(
    tmp_path: Path, kind: str, mark: bool, turns: list[tuple[bool, int]]
) -> None:
    """`read` and `read_into` in any order give the file's bytes, in the same places."""
    path = tmp_path / "in"
    path.write_bytes(PACK[kind](b"\xef\xbb\xbf" * mark + SAMPLE))
    buffer, done = bytearray(b"before"), False
    with open_source(path) as source:
        for into, size in [*turns, *[(True, 5000), (False, 5000)] * (len(SAMPLE) // 5000 + 1)]:
            length = len(buffer)
            if into:
                assert source.read_into(buffer, size) == len(buffer) - length
            else:
                buffer += source.read(size)
            assert length + size * (not done) >= len(buffer)
            done = len(buffer) == length
            assert source.position == len(buffer) - len(b"before") + 3 * mark
    assert done
    assert buffer == b"before" + SAMPLE


@pytest.mark.parametrize("size", [1, 1 << 16, (1 << 18) + 1, 1 << 20])
def test_a_file_gives_all_that_was_asked_for(tmp_path: Path, size: int) -> None:
    """However much is asked for: the parser needs large pieces, or a huge string takes it minutes."""
    path = tmp_path / "in"
    path.write_bytes(bytes(3 << 20))
    buffer = bytearray()
    with open_source(path) as source:
        assert [source.read_into(buffer, size) for _ in range(2)] == [size, size]


class Dying(io.FileIO):
    """A file on a disk that fails after some bytes."""

    error: BaseException = OSError(5, "Input/output error")

    def readinto(self, buffer: object) -> int:
        if self.tell() >= 300:
            raise self.error
        return super().readinto(buffer)

    def read(self, size: int = -1) -> bytes:
        if self.tell() >= 300:
            raise OSError(5, "Input/output error")
        return super().read(size)


def test_reading_into_a_buffer_fails_like_reading(tmp_path: Path) -> None:
    """An error of the system is told with its place, and leaves nothing in the buffer."""
    path = tmp_path / "in"
    path.write_bytes(SAMPLE)
    buffer = bytearray()
    with Source(Dying(path), "in", 1 << 20, path=str(path)) as source:
        assert [source.read_into(buffer, 200), source.read_into(buffer, 150)] == [200, 150]
        for _ in range(2):
            with pytest.raises(ReadError, match="in: Input/output error") as caught:
                source.read_into(buffer, 10)
            assert caught.value.position == 350
    assert buffer == SAMPLE[:350]


def test_reading_into_a_buffer_that_is_broken_off_leaves_no_gap(tmp_path: Path) -> None:
    """Ctrl-C may come when the bytes have been read: it goes through, and whoever reads on does not miss them unawares."""
    path = tmp_path / "in"
    path.write_bytes(SAMPLE)
    buffer = bytearray()
    file = Dying(path)
    file.error = KeyboardInterrupt()
    with Source(file, "in", 1 << 20, path=str(path)) as source:
        assert [source.read_into(buffer, 200), source.read_into(buffer, 150)] == [200, 150]
        with pytest.raises(KeyboardInterrupt):
            source.read_into(buffer, 10)
        for read in (lambda: source.read_into(buffer, 10), lambda: source.read(10)):
            with pytest.raises(ReadError, match="in: an earlier read of it was broken off"):
                read()
    assert buffer == SAMPLE[:350]


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_tiny_chunks_are_enough_to_recognise_the_container(kind: str, size: int) -> None:
    """A magic number that arrives byte by byte is still recognised."""
    source = open_source(cuts(PACKED[kind], [size]))
    assert drain(source, 1 + size) == SAMPLE
    assert source.compression == kind


@pytest.mark.parametrize("kind", PACK)
def test_no_read_gives_more_than_was_asked_for(kind: str) -> None:
    """The size bounds every read, and a regular file gives all of it until its end."""
    data = random.Random(1).randbytes(300_000) + bytes(700_000)
    source = open_source(PACK[kind](data))
    sizes = [len(source.read(70_000)) for _ in range(16)]
    assert sizes == [70_000] * 14 + [20_000, 0]
    assert source.read(10) == b""


def test_reading_nothing_reads_nothing() -> None:
    """A size of 0, with which ijson asks for the type, gives bytes and consumes none."""
    source = open_source(SAMPLE)
    assert source.read(0) == b""
    assert source.bytes_read == 0


@pytest.mark.parametrize("empty", [b"", PACK["gzip"](b""), zstd(b""), SKIPPABLE, bz2.compress(b""), lzma.compress(b"")])
def test_empty_input_is_simply_at_its_end(empty: bytes) -> None:
    """No bytes are no error here: the parser says what is missing."""
    assert drain(open_source(empty)) == b""


@pytest.mark.parametrize("kind", COMPRESSED)
def test_cut_at_every_byte_is_an_error(kind: str) -> None:
    """A container cut anywhere gives the bytes before the cut and then the error, never a plain end."""
    for end in range(len(PACKED[kind])):
        source = open_source(cuts(PACKED[kind][:end], [400]))
        got = b""
        if end == 0:
            assert drain(source) == b""
            continue
        try:
            while piece := source.read(1000):
                got += piece
        except CutInputError as error:
            assert error.what == f"the compressed input is cut after {end:,} bytes"  # noqa: PT017
            assert (error.position, error.source) == (end, "<chunks>")  # noqa: PT017
            assert SAMPLE.startswith(got)
            with pytest.raises(CutInputError):
                source.read(1)
        else:  # so few bytes that they are no magic number
            assert got == PACKED[kind][:end]
            assert end < 6


@pytest.mark.parametrize("kind", COMPRESSED)
def test_cut_gives_everything_before_the_cut(kind: str) -> None:
    """What could be decompressed is handed out before the error is raised, also when one read asks for all."""
    data = random.Random(2).randbytes(400_000)
    packed = PACK[kind](data[:200_000]) + PACK[kind](data[200_000:])
    source = open_source(packed[:-5])
    got = source.read(1 << 20)
    assert len(got) >= 200_000
    assert data.startswith(got)
    with pytest.raises(CutInputError, match="cut after"):
        source.read(1 << 20)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(COMPRESSED), st.data())
def test_flipped_bytes_never_give_a_wrong_result(kind: str, data: st.DataObject) -> None:
    """A damaged container gives our error, or what it held; never other bytes up to a plain end."""
    packed = bytearray(PACKED[kind])
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    source = open_source(bytes(packed))
    try:
        result = drain(source)
    except InputError as error:
        assert error.source == "<bytes>"  # noqa: PT017
    else:
        assert result == SAMPLE or source.compression == "none"


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.parametrize("tail", [b"garbage", b"{", b"\n"])
def test_something_after_the_container_is_an_error(kind: str, tail: bytes) -> None:
    """What follows the last member is not ignored, and the error tells where it stands."""
    for data in (PACKED[kind] + tail, cuts(PACKED[kind] + tail, [1])):
        with pytest.raises(CompressionError, match=f"something else follows the {kind} data") as caught:
            drain(open_source(data))
        assert caught.value.position == len(PACKED[kind])
        assert caught.value.exact


def test_padding_after_zstd_is_an_error() -> None:
    """The zstd format knows no padding."""
    with pytest.raises(CompressionError, match="something else follows"):
        drain(open_source(PACKED["zstd"] + bytes(4)))


@pytest.mark.parametrize("kind", COMPRESSED)
def test_bytes_that_start_a_member_are_not_garbage(kind: str) -> None:
    """One byte of the next member means that the input is cut."""
    with pytest.raises(CutInputError):
        drain(open_source(PACKED[kind] + PACKED[kind][:1]))


def test_bad_checksum_is_an_error() -> None:
    """The checksums of gzip and zstd are checked."""
    bad_gzip = PACKED["gzip"][:-8] + b"\0\0\0\0" + PACKED["gzip"][-4:]
    with pytest.raises(CompressionError, match=r"the gzip data is damaged: its checksum differs"):
        drain(open_source(bad_gzip))
    with pytest.raises(CompressionError, match=r"the zstd data is damaged.*checksum"):
        drain(open_source(PACKED["zstd"][:-4] + b"\0\0\0\0"))


def test_unknown_dictionary_is_an_error() -> None:
    """Data that needs a dictionary can't be read."""
    words = [bytes(random.Random(n).choices(b"abcdefgh", k=200)) for n in range(300)]
    dictionary = zstandard.train_dictionary(2000, words)
    with pytest.raises(CompressionError, match=r"the zstd data is damaged.*[Dd]ictionary"):
        drain(open_source(zstd(words[0], dict_data=dictionary)))


def test_window_above_the_limit_names_the_option() -> None:
    """A frame that asks for more memory than allowed is refused, and read once that is allowed."""
    how = zstandard.ZstdCompressionParameters.from_level(1, window_log=28, write_content_size=False)
    packer = zstandard.ZstdCompressor(compression_params=how).compressobj()
    packed = packer.compress(SAMPLE) + packer.flush()
    with pytest.raises(CompressionError, match=r"more than 134,217,728 bytes.*`max_window`"):
        drain(open_source(packed))
    assert drain(open_source(packed, max_window=1 << 28)) == SAMPLE
    assert drain(open_source(packed, max_window=1 << 40)) == SAMPLE


def test_xz_memory_limit_names_the_option() -> None:
    """The same limit holds for xz."""
    with pytest.raises(CompressionError, match="`max_window`"):
        drain(open_source(PACKED["xz"], max_window=1 << 20))


def test_window_has_to_be_positive() -> None:
    """A limit of nothing is a mistake in the call."""
    with pytest.raises(UsageError, match="positive"):
        open_source(b"", max_window=0)


def test_compressed_twice_is_an_error() -> None:
    """A container in a container is named."""
    with pytest.raises(CompressionError, match="compressed twice, gzip inside zstd"):
        drain(open_source(zstd(PACKED["gzip"])))


BOMB = """
import resource, sys
from exportstream.storage.source import open_source
open_source(b"[]").read(9)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
total = 0
with open_source(sys.argv[1]) as source:
    while piece := source.read(65536):
        total += len(piece)
print(total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("kind", COMPRESSED)
def test_bomb_does_not_take_memory(tmp_path: Path, kind: str) -> None:
    """400 MB out of a few KB pass through in constant memory, in a process of its own."""
    path = tmp_path / "bomb"
    with path.open("wb") as file:
        packer = {
            "gzip": lambda: zlib.compressobj(wbits=31),
            "zstd": lambda: zstandard.ZstdCompressor().compressobj(),
            "bzip2": bz2.BZ2Compressor,
            "xz": lambda: lzma.LZMACompressor(preset=0),
        }[kind]()
        block = bytes(1 << 20)
        for _ in range(60 if kind in {"bzip2", "xz"} else 400):
            file.write(packer.compress(block))
        file.write(packer.flush())
    done = subprocess.run([sys.executable, "-c", BOMB, path], capture_output=True, text=True, check=True)
    total, grown = map(int, done.stdout.split())
    assert total % (1 << 20) == 0
    assert total >= 60 << 20
    assert grown < 24 << 10  # KiB


@pytest.mark.parametrize("kind", PACK)
def test_byte_order_mark_is_stripped_once(kind: str) -> None:
    """A UTF-8 mark is dropped but counted, so that positions stay those of the input."""
    for mark, rest in ((b"\xef\xbb\xbf", b"{}"), (b"\xef\xbb\xbf", b""), (b"\xef\xbb\xbf", b"\xef\xbb\xbf{}")):
        for chunks in (PACK[kind](mark + rest), cuts(PACK[kind](mark + rest), [1])):
            source = open_source(chunks)
            assert drain(source) == rest
            assert source.position == len(mark + rest)


@pytest.mark.parametrize("encoding", ["UTF-16", "UTF-32", "UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE"])
@pytest.mark.parametrize("kind", PACK)
def test_wide_encodings_are_named(kind: str, encoding: str) -> None:
    """UTF-16 and UTF-32, with or without a mark, are refused by name, with the way to convert them."""
    data = '{"id":1}'.encode(encoding)
    with pytest.raises(JSONSyntaxError, match=f"expected UTF-8, got {encoding}.*iconv -f {encoding} -t UTF-8"):
        drain(open_source(cuts(PACK[kind](data), [1])))


def test_big_endian_marks_are_named() -> None:
    """Marks of the other byte order are recognised as well."""
    with pytest.raises(JSONSyntaxError, match=r"got UTF-16 "):
        drain(open_source(b"\xfe\xff" + "{}".encode("utf-16-be")))
    with pytest.raises(JSONSyntaxError, match=r"got UTF-32 "):
        drain(open_source(b"\0\0\xfe\xff" + "{}".encode("utf-32-be")))


def test_a_mark_in_other_bytes_is_no_encoding() -> None:
    """Damaged bytes that begin like a byte order mark are not called UTF-16; an empty file with one is."""
    for mark in (b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\0\0"):
        for rest in (b'{"id":1}', bytes(range(1, 60)), bytes(60)):
            assert drain(open_source(mark + rest)) == mark + rest
    with pytest.raises(JSONSyntaxError, match=r"got UTF-16 "):
        drain(open_source(b"\xff\xfe"))


@pytest.mark.parametrize("data", [b"\0\0\0\0\0\0", b"{\0", b"\xef\xbb", b"{}", b" \n", b"PK\x03", b"SQL", b"\x1f", b"("])
def test_other_bytes_are_left_to_the_parser(data: bytes) -> None:
    """What is no container and no wide encoding is handed out as it is."""
    assert drain(open_source(data)) == data


def test_a_path_can_be_read_twice(tmp_path: Path) -> None:
    """A second reader of a file is independent of the first."""
    path = tmp_path / "x"
    path.write_bytes(PACKED["zstd"])
    with open_source(str(path)) as first:
        assert first.reopenable
        head = first.read(100)
        with first.reopen() as second:
            assert drain(second) == SAMPLE
        assert head + drain(first) == SAMPLE


@pytest.mark.parametrize("kind", PACK)
def test_a_file_object_can_be_read_twice_from_where_it_stood(tmp_path: Path, kind: str) -> None:
    """Two readers share a seekable file object in turn, each from the place where the object stood, and leave it open."""
    path = tmp_path / "x"
    path.write_bytes(b"head" + PACKED[kind])
    with path.open("rb") as real:
        for file in (io.BytesIO(path.read_bytes()), real):
            file.seek(4)
            first = open_source(file)
            assert (first.bytes_total, first.reopenable) == (len(PACKED[kind]), True)
            second = first.reopen()
            got = [b"", b""]
            for _ in range(100):
                got[0] += first.read(50)
                got[1] += second.read(70)
            assert got == [SAMPLE, SAMPLE]
            first.close()
            assert not file.closed


def test_bytes_can_be_read_twice() -> None:
    """Bytes, bytearrays and memoryviews are sources, and can be read again."""
    for data in (SAMPLE, bytearray(SAMPLE), memoryview(SAMPLE)):
        source = open_source(data)
        assert (source.name, source.bytes_total) == ("<bytes>", len(SAMPLE))
        assert drain(source.reopen()) == drain(source) == SAMPLE


def test_chunks_can_not_be_read_twice() -> None:
    """An iterable is read once; empty chunks in it are not its end."""
    source = open_source(iter([b"", SAMPLE[:5], b"", SAMPLE[5:], b""]))
    assert (source.name, source.bytes_total, source.reopenable) == ("<chunks>", None, False)
    with pytest.raises(UsageError, match="second time"):
        source.reopen()
    assert drain(source) == SAMPLE


def test_a_path_that_was_replaced_is_not_read_again(tmp_path: Path) -> None:
    """Reading again means the same file, not another one under its name."""
    path = tmp_path / "x"
    path.write_bytes(SAMPLE)
    with open_source(path) as source:
        (tmp_path / "y").write_bytes(SAMPLE)
        (tmp_path / "y").replace(path)
        with pytest.raises(ReadError, match="changed"):
            source.reopen()


def test_an_unbuffered_size_is_not_asked_of_a_gzip_file(tmp_path: Path) -> None:
    """A file object that decompresses by itself has no cheap size, but can be read and read again."""
    path = tmp_path / "x.gz"
    path.write_bytes(PACKED["gzip"])
    with gzip.open(path) as file:
        source = open_source(file)
        assert (source.name, source.bytes_total) == (str(path), None)
        assert drain(source) == SAMPLE
        assert drain(source.reopen()) == SAMPLE


def test_temporary_files_have_a_size() -> None:
    """The wrapper that tempfile puts around a file is looked through."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(SAMPLE)
        file.seek(0)
        source = open_source(file)
        assert source.bytes_total == len(SAMPLE)
        assert drain(source) == SAMPLE


@pytest.mark.parametrize("kind", PACK)
def test_a_pipe_gives_what_there_is(kind: str) -> None:
    """A read from a pipe does not wait until it has all that was asked for."""
    data = bytes(random.Random(3).choices(b"abc", k=40_000))
    there, back = os.pipe()
    with os.fdopen(there, "rb") as file, os.fdopen(back, "wb", buffering=0) as writer:
        source = open_source(file)
        assert (source.name, source.bytes_total, source.reopenable) == ("<stream>", None, False)
        writer.write(PACK[kind](data))
        assert data.startswith(source.read(1 << 20)[:10])
        assert source.position > 0


def test_a_fifo_is_read_by_its_path(tmp_path: Path) -> None:
    """A FIFO can be read once, and has no size."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(PACKED["xz"],))
    writer.start()
    source = open_source(path)
    assert (source.bytes_total, source.reopenable) == (None, False)
    assert drain(source) == SAMPLE
    writer.join()


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """``-`` is standard input, and one that is closed is an error."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(PACKED["zstd"])))
    source = open_source("-")
    assert source.name == "<stdin>"
    assert drain(source) == SAMPLE
    assert not sys.stdin.closed
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(ReadError, match="closed"):
        open_source("-")


@pytest.mark.parametrize(("name", "text"), [("none", "No such file or directory"), ("", "Is a directory")])
def test_what_can_not_be_opened_is_a_read_error(tmp_path: Path, name: str, text: str) -> None:
    """The system's words are kept, with its own error as the cause."""
    path = tmp_path / name
    with pytest.raises(ReadError, match=re.escape(f"{path}: {text}")) as caught:
        open_source(path)
    assert isinstance(caught.value.__cause__, OSError)
    assert exit_code(caught.value) == 4


class Broken(io.RawIOBase):
    """Gives some bytes, then raises."""

    def __init__(self, error: BaseException, data: bytes = SAMPLE) -> None:
        self.error = error
        self.parts = list(cuts(data, [500]))[:2]

    def read(self, size: int = -1) -> bytes:
        if not self.parts:
            raise self.error
        return self.parts.pop(0)


@pytest.mark.parametrize("kind", PACK)
def test_a_failing_read_keeps_the_systems_text(kind: str) -> None:
    """EIO in the middle is a read error with the position, again and again, and never an end."""
    source = open_source(Broken(OSError(5, "Input/output error"), PACKED[kind]))
    for _ in range(2):
        with pytest.raises(ReadError, match="<stream>: Input/output error") as caught:
            drain(source)
    assert caught.value.position == source.position
    assert caught.value.__cause__.errno == 5


def test_a_failing_iterable_keeps_the_systems_text() -> None:
    """The same holds while chunks are fetched; what is not the system's goes through."""

    def chunks(error: BaseException) -> object:
        yield SAMPLE[:10]
        raise error

    with pytest.raises(ReadError, match="reset by peer"):
        drain(open_source(chunks(ConnectionResetError(104, "Connection reset by peer"))))
    with pytest.raises(LookupError):
        drain(open_source(chunks(LookupError())))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("theirs")])
def test_other_exceptions_pass_and_leave_no_end(error: BaseException) -> None:
    """Ctrl-C goes through unchanged, and whoever reads on does not take it for the end."""
    source = open_source(Broken(error))
    with pytest.raises(type(error)):
        drain(source)
    with pytest.raises(ReadError, match="broken off"):
        source.read(1)


@pytest.mark.parametrize("change", ["grown", "shrunk", "touched"])
@pytest.mark.parametrize("as_object", [True, False])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, change: str, as_object: bool) -> None:
    """Another size or time at the end than at the beginning is a read error."""
    path = tmp_path / "x"
    path.write_bytes(SAMPLE)
    with path.open("rb") as file, open_source(file if as_object else path) as source:
        source.read(10)
        if change == "touched":
            os.utime(path, ns=(1, 1))
        else:
            os.truncate(path, len(SAMPLE) + (50 if change == "grown" else -50))
        with pytest.raises(ReadError, match="the file changed while it was read"):
            drain(source)


@pytest.mark.parametrize("wrong", [5, None, {"id": 1}, io.StringIO("{}")])
def test_what_is_no_source_is_a_type_error(wrong: object) -> None:
    """Numbers, nothing, dicts and text files are mistakes in the call."""
    with pytest.raises(TypeError, match="expected"):
        open_source(wrong)


@pytest.mark.parametrize("wrong", [iter(["text"]), [None], [[1]]])
def test_what_gives_no_bytes_is_a_type_error(wrong: object) -> None:
    """Chunks have to be bytes, and so has what a file object's read gives."""
    with pytest.raises(TypeError, match="expected bytes from <chunks>"):
        drain(open_source(wrong))


def test_a_file_object_that_gives_text_is_a_type_error() -> None:
    """A text file that can't be told by its type is noticed at the first read."""
    with tempfile.NamedTemporaryFile("w+") as file:
        file.write("{}")
        file.seek(0)
        source = open_source(file)
        with pytest.raises(TypeError, match="got str"):
            source.read(1)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([b"", b"\x1f\x8b", b"\x1f\x8b\x08\0", b"(\xb5/\xfd", b"BZh9", b"\xfd7zXZ\0", SKIPPABLE]),
    st.binary(),
)
def test_any_bytes_give_bytes_or_our_error(magic: bytes, data: bytes) -> None:
    """Whatever comes after a magic number gives bytes or an error of ours, and no other exception."""
    try:
        drain(open_source(magic + data))
    except InputError as error:
        assert str(error).startswith("<bytes>: ")  # noqa: PT017
