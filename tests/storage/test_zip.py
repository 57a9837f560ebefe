"""Zip archives: members are read where they are, and everything that can be wrong with an archive is an error of its own."""

from __future__ import annotations

import gzip
import io
import os
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exportstream import CompressionError, CutInputError, LimitError, NotAnExportError, ReadError, UsageError, open_export
from exportstream.conversion.inputs import find_inputs
from exportstream.errors import ExportstreamError
from exportstream.storage.source import open_source
from exportstream.storage.zip import split_member
from tests.kit.documents import cut, export
from tests.kit.files import zipped
from tests.kit.readings import read

DATA = export("s", 40)
ENTRY, FLAGS, METHOD, CRC, STORED, SIZE, OFFSET = b"PK\x01\x02", 8, 10, 16, 20, 24, 42  # of the list of members


def changed(data: bytes, field: int, layout: str, value: int, entry: int = 0) -> bytes:
    """An archive with another number in its list of members."""
    at = -1
    for _ in range(entry + 1):
        at = data.index(ENTRY, at + 1)
    made = bytearray(data)
    struct.pack_into(layout, made, at + field, value)
    return bytes(made)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_is_read_like_a_file(tmp_path: Path, method: int) -> None:
    """A member gives the bytes, the size and the messages of its file, in reads of any size, twice."""
    path = zipped(tmp_path / "x", {"a.png": b"\0" * 100, "d/s.json": DATA, "e.json": b""}, method)
    with open_source(f"{path}::d/s.json") as source:
        pieces = iter(lambda: source.read(997), b"")
        assert b"".join(pieces) == DATA
        assert (source.bytes_total, source.bytes_read, source.position) == (len(DATA),) * 3
        with source.reopen() as again:
            assert again.read(1 << 20) == DATA
        source.require_unchanged()
        assert source.state == {"size": path.stat().st_size, "modified": path.stat().st_mtime_ns}
    assert read(f"{path}::d/s.json") == read(DATA)
    with open_source(f"{path}::e.json") as source:
        assert source.read(1) == b""


def test_compressed_members_and_errors_with_a_line(tmp_path: Path) -> None:
    """A member may be compressed by itself, and an error in one has its line."""
    path = zipped(tmp_path / "x.zip", {"s.json.gz": gzip.compress(DATA), "bad.json": b'{"id":"s",\n"title":"t",\n!'})
    assert read(f"{path}::s.json.gz") == read(DATA)
    with (
        pytest.raises(ExportstreamError, match=r"bad.json: not JSON.*line 3, column 1"),
        open_export(f"{path}::bad.json") as one,
    ):
        list(one)


def test_zip64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive with the fields of zip64, as those over 4 GiB have, is read."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    path = zipped(tmp_path / "x.zip", {"a.json": DATA, "b.json": DATA})
    monkeypatch.undo()
    assert b"PK\x06\x06" in path.read_bytes()
    assert [(one.source, one.size) for one in find_inputs(path)] == [(f"{path}::{n}.json", len(DATA)) for n in "ab"]
    assert read(f"{path}::b.json") == read(DATA)


def test_names(tmp_path: Path) -> None:
    """A file with :: in its own name is a file, and a member's name may have any characters of a glob."""
    own = tmp_path / "x.zip::a.json"
    zipped(tmp_path / "x.zip", {"a.json": export("other"), "[1]*.json": DATA})
    own.write_bytes(DATA)
    assert read(own) == read(DATA)
    assert [one.relative for one in find_inputs(f"{tmp_path}/x.zip::[1]*.json")] == ["[1]*.json"]
    assert split_member(f"{tmp_path}/y.zip::a.json") is None
    with pytest.raises(UsageError, match=r"got a zip archive.*name a member \(FILE.zip::NAME\)"):
        open_export(tmp_path / "x.zip")


def duplicates(path: Path) -> bytes:
    """An archive with a name twice."""
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path, "w") as archive:
        for _ in range(2):
            archive.writestr("s.json", DATA)
    return path.read_bytes()


def of(members: dict[str, bytes], **options: Any) -> Callable[[Path], bytes]:
    """A function that returns the bytes of an archive."""
    return lambda path: zipped(path, members, **options).read_bytes()


ONE = of({"s.json": DATA})
TWO = of({"s.json": DATA, "t.json": DATA})
NOT_TAKEN: dict[str, tuple[Callable[[Path], bytes], type[ExportstreamError], str]] = {
    "cut": (lambda path: ONE(path)[:-30], CompressionError, "the list of its members, at its end, is missing.*again"),
    "cut early": (lambda path: ONE(path)[:40], CompressionError, "cut or damaged"),
    "list damaged": (lambda path: ONE(path).replace(ENTRY, b"PK\x01\x07"), CompressionError, "cut or damaged"),
    "shared": (lambda path: changed(TWO(path), OFFSET, "<I", 0, entry=1), LimitError, "share bytes"),
}
MEMBER_NOT_TAKEN: dict[str, tuple[Callable[[Path], bytes], type[ExportstreamError], str]] = {
    "encrypted": (lambda path: changed(ONE(path), FLAGS, "<H", 1), CompressionError, "is encrypted; .*password"),
    "bzip2": (of({"s.json": DATA}, method=zipfile.ZIP_BZIP2), CompressionError, "got bzip2; unpack it"),
    "unknown": (lambda path: changed(ONE(path), METHOD, "<H", 77), CompressionError, "got method 77"),
    "checksum": (lambda path: changed(ONE(path), CRC, "<I", 5), CompressionError, "checksum"),
    "smaller": (lambda path: changed(ONE(path), SIZE, "<I", len(DATA) + 1), CutInputError, f"after {len(DATA):,} bytes"),
    "larger": (lambda path: changed(ONE(path), SIZE, "<I", 100), CompressionError, "expected 100 bytes, got more"),
    "short": (lambda path: changed(ONE(path), STORED, "<I", 99), CutInputError, "is cut after"),
    "not there": (lambda path: changed(ONE(path), OFFSET, "<I", 3), CompressionError, "not where it should be"),
    "no deflate": (lambda path: ONE(path)[:40] + b"\xff" * 20 + ONE(path)[60:], CompressionError, "damaged: Error"),
    "archive": (of({"s.json": b"PK\x05\x06" + bytes(18)}), NotAnExportError, "outer"),
}


REFUSED: dict[str, tuple[Callable[[Path], bytes], list[str], str]] = {
    "above": (of({"s.json": DATA, "../t.json": DATA}), ["s.json"], "../t.json"),
    "absolute": (of({"/t.json": DATA}), [], "/t.json"),
    "inside above": (of({"a/../t.json": DATA, "t.json": DATA}), ["t.json"], "a/../t.json"),
    "NUL": (lambda path: of({"a#.json": DATA})(path).replace(b"a#.json", b"a\0.json"), [], r"a\x00.json"),
    "twice": (duplicates, [], "s.json"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_member_whose_name_is_refused(tmp_path: Path, case: str) -> None:
    """Each member that no name can stand for is an input of its own, which is refused; the others are read."""
    make, good, bad = REFUSED[case]
    path = tmp_path / "x.zip"
    path.write_bytes(make(path))
    *others, last = find_inputs([path, *[tmp_path / "t.json" for _ in good]])[: len(good) + 1]
    assert ([one.source for one in others], last.source) == ([f"{path}::{name}" for name in good], f"{path}::{bad}")
    assert not {"..", ""} & set(last.relative.split("/"))
    for one in others:
        assert read(one.source) == read(DATA)
    with pytest.raises(CompressionError, match=r"leads out of|have this name.*unpack it by hand"):
        open_export(last.source)


@pytest.mark.parametrize("case", NOT_TAKEN)
def test_an_archive_that_is_not_taken(tmp_path: Path, case: str) -> None:
    """An archive that is cut, damaged or hostile is one input, and reading it says why it is refused."""
    make, kind, words = NOT_TAKEN[case]
    path = tmp_path / "x.zip"
    path.write_bytes(make(path))
    assert [one.source for one in find_inputs(path)] == [str(path)]
    with open_source(path) as source, pytest.raises(kind, match=words) as caught:
        source.read(1)
    assert caught.value.source == str(path)


@pytest.mark.parametrize("case", MEMBER_NOT_TAKEN)
def test_a_member_that_is_not_taken(tmp_path: Path, case: str) -> None:
    """A member that is encrypted, damaged or compressed in another way is an error that names it."""
    make, kind, words = MEMBER_NOT_TAKEN[case]
    path = tmp_path / "x.zip"
    path.write_bytes(make(path))
    (found,) = find_inputs(path)
    with pytest.raises(kind, match=words) as caught, open_export(found.source) as one:
        list(one)
    assert caught.value.source == f"{path}::s.json"


def test_members_of_a_refused_archive(tmp_path: Path) -> None:
    """A good member of an archive with bad names can be named; one whose name is there twice can't."""
    path = zipped(tmp_path / "x.zip", {"s.json": DATA, "../t.json": DATA})
    assert read(f"{path}::s.json") == read(DATA)
    duplicates(path)
    with pytest.raises(ReadError, match=r"no such member; list them with"):
        open_export(f"{path}::no.json")


@pytest.mark.parametrize(("count", "words"), [(3, "it has 0.json, 1.json, 2.json$"), (5, "it has .*2.json and 2 more$")])
def test_members_in_an_error(tmp_path: Path, count: int, words: str) -> None:
    """An error lists the first members of an archive, and says how many more there are."""
    path = zipped(tmp_path / "x.zip", {f"{number}.json": DATA for number in range(count)})
    with pytest.raises(ReadError, match=words):
        open_export(f"{path}::no.json")


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large member that is compressed far beyond what text can be is refused, and so is a list of too many members."""
    monkeypatch.setattr("exportstream.storage.zip._SMALL", 1 << 20)
    path = zipped(tmp_path / "x.zip", {"s.json": bytes(2 << 20)})
    with pytest.raises(LimitError, match=r"got 2,097,152 bytes out of 2,\d\d\d: this may be a zip bomb; unpack it"):
        open_source(f"{path}::s.json")
    monkeypatch.setattr("exportstream.storage.zip._LARGEST_LIST", 30)
    path = zipped(tmp_path / "y.zip", {"s.json": DATA})
    with pytest.raises(LimitError, match="a list of members of at most 30 bytes, got"):
        open_source(f"{path}::s.json")


def test_an_archive_that_changes(tmp_path: Path) -> None:
    """An archive that changes while a member is read, or before its output is finished, is an error."""
    path = zipped(tmp_path / "x.zip", {"s.json": DATA})
    with open_source(f"{path}::s.json") as source:
        source.read(10)
        os.utime(path, (1, 1))
        with pytest.raises(ReadError, match="changed while it was read"):
            list(iter(lambda: source.read(1000), b""))
        with pytest.raises(ReadError, match="changed while it was converted"):
            source.require_unchanged()


def test_an_archive_that_is_no_file(tmp_path: Path) -> None:
    """An archive from a pipe or in memory, or one that is compressed, is an error that says what to do."""
    data = zipped(tmp_path / "x.zip", {"s.json": DATA}).read_bytes()
    for given in (data, io.BytesIO(data), [data]):
        with pytest.raises(NotAnExportError, match=r"got a zip archive .*; save it to a file"), open_export(given) as one:
            list(one)
    (tmp_path / "x.zip.gz").write_bytes(gzip.compress(data))
    with pytest.raises(NotAnExportError, match="; decompress it first"), open_export(tmp_path / "x.zip.gz") as one:
        list(one)


def test_a_cut_export_in_an_archive(tmp_path: Path) -> None:
    """A cut export in an archive keeps its complete messages on request, as a file does."""
    path = zipped(tmp_path / "x.zip", {"s.json": cut("s")})
    assert read(f"{path}::s.json", on_error="skip").messages == read(cut("s"), on_error="skip").messages
