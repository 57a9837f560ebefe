"""What several processes make of one compressed input is what one process makes of it; see `test_helpers`."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
import zstandard

from tests.kit.documents import dump, message, session
from tests.kit.files import cuts, zipped
from tests.kit.helpers import Here, small_runs
from tests.kit.readings import small_blocks
from tests.kit.sharing import BLOCK, READINGS, assert_same_held, assert_same_stored, figures, findings, rows


def zstd(data: bytes) -> bytes:
    """A frame with a checksum and blocks of 170 bytes."""
    compressor = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    pieces = [
        compressor.compress(piece) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) for piece in cuts(data, [170])
    ]
    return b"".join(pieces) + compressor.flush()


PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd, "bzip2": bz2.compress, "xz": lzma.compress}
SHAPES = ["messages", "lines", "array"]
WORDS = [f"{number:x}" for number in Random(1).sample(range(1 << 60), 9)]


def export(shape: str, count: int = 90) -> list[bytes]:
    """An export of 90 messages, in three parts."""
    made = [message(n, id=f"m{n % 37}", content=" ".join(Random(n).choices(WORDS, k=5))) for n in range(count)]
    if shape == "messages":
        data = dump(session(*made))
    else:
        parts = [dump(session(*made[n : n + 3], id=f"s{n}")) for n in range(0, count, 3)]
        data = b"\n".join(parts) if shape == "lines" else b"[" + b",".join(parts) + b"]"
    return list(cuts(data, [len(data) // 3 + 1]))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", PACK)
def test_every_compression(tmp_path: Path, kind: str, shape: str) -> None:
    """Runs are read elsewhere, also of a file of several members, frames or streams."""
    parts, turn = export(shape), SHAPES.index(shape) + list(PACK).index(kind)
    for which, stored in enumerate((PACK[kind](b"".join(parts)), b"".join(map(PACK[kind], parts))), turn):
        here = assert_same_stored(tmp_path / "in.json", stored, 200, "stop", which % len(READINGS))
        assert here.in_full > 3


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda part: part[: len(part) // 2],
    "cut-at-the-end": lambda part: part[:-1],
    "checksum": lambda part: part[:-5] + bytes(byte ^ 1 for byte in part[-5:]),
    "middle": lambda part: part[: len(part) // 2] + b"\xff" * 9 + part[len(part) // 2 + 9 :],
}


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", PACK)
def test_damaged_compressed_data(tmp_path: Path, kind: str, damage: str, on_error: str) -> None:
    """Data that is cut or damaged in the middle gives the same rows, rejects, error and position."""
    shape = SHAPES[(len(kind) + len(damage)) % len(SHAPES)]
    first, second, last = map(PACK[kind], export(shape))
    damaged = first + DAMAGES[damage](second)
    for which, stored in enumerate((damaged, damaged + last, damaged + last)):
        # The damage is met later than in the bytes by which an input is recognised.
        with patch("exportstream.reading.export.HEAD", 300), patch("exportstream.reading.session_input.HEAD", 300):
            here = assert_same_stored(tmp_path / "in.json", stored, 100, on_error, which)
        assert here.in_full > 3


class Pieces(io.RawIOBase):
    """Bytes as a pipe gives them: some, and never again."""

    def __init__(self, data: bytes) -> None:
        self._pieces = cuts(data, [170, 31])

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = next(self._pieces, b"")
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize("damage", [None, b"\xff" * 9])
@pytest.mark.parametrize("shape", SHAPES)
def test_standard_input(tmp_path: Path, shape: str, damage: bytes | None, on_error: Any) -> None:
    """What comes through a pipe is handed on, too, once it is known to be large; it can't be read a second time."""
    first, second, last = export(shape)
    data = first + second + (b"" if damage is None else damage) + last

    def piped(result: Callable[..., Any], *args: Any, **options: Any) -> Any:
        with patch("sys.stdin", io.TextIOWrapper(io.BufferedReader(Pieces(data), 512))):
            return result(*args, **options)

    path, here = tmp_path / "piped", Here()
    with small_blocks(*BLOCK), small_runs(400):
        wanted = [piped(figures, "-", None, on_error), piped(findings, "-", None)]
        assert [piped(figures, "-", here, on_error), piped(findings, "-", Here())] == wanted
        wanted = piped(rows, path, None, on_error, source="-")
        assert piped(rows, path, here, on_error, source="-") == wanted
    assert here.in_full > 3
    unused = Here()
    with small_blocks(*BLOCK), small_runs(400), patch("exportstream.reading.runs_ahead.SMALLEST_INPUT", len(data)):
        piped(figures, "-", unused, on_error)
    assert unused.given == 0


@pytest.mark.parametrize("kind", PACK)
def test_something_else_after_compressed_data(tmp_path: Path, kind: str) -> None:
    """Bytes that are no member, and another document."""
    for which, rest in enumerate((b"more", PACK[kind](b"{}"), os.urandom(99))):
        assert_same_stored(tmp_path / "in.json", PACK[kind](b"".join(export("messages"))) + rest, 200, "skip", which)


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize("damage", [None, b"\xff" * 9, b" "])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_of_zips(tmp_path: Path, method: int, damage: bytes | None, on_error: str) -> None:
    """They are shared, too, plain or compressed; data that is damaged in the middle is met by both in the same way."""
    data = b"".join(export("lines", 300))
    path = zipped(tmp_path / "a.zip", {"in.json": data, "in.xz": lzma.compress(data)}, method)
    if damage is not None:
        stored = path.read_bytes()
        middle = len(stored) // 3
        path.write_bytes(stored[:middle] + damage + stored[middle + len(damage) :])
    turn = len(damage or b"") + (on_error == "skip") + method
    for which, name in enumerate(("in.json", "in.xz"), turn):
        with (
            patch("exportstream.storage.zip_member._CHUNK", 170),
            patch("exportstream.reading.export.HEAD", 300),
            patch("exportstream.reading.session_input.HEAD", 300),
        ):
            here = assert_same_held(tmp_path / f"a.zip::{name}", 300, on_error, which % len(READINGS))
        assert here.in_full > 3
