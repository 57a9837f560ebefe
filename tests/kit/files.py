"""Files: where the samples are, folders of exports, what conversions left in them, and bytes in pieces."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.kit.documents import export

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
SAMPLES = sorted(path.name for path in DATA.iterdir() if path.name.endswith((".json", ".ndjson")))


def put(folder: Path, *names: str, messages: int = 3) -> Path:
    """Write an export under each name, and return the folder."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = export(path.name.split(".")[0], messages)
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


def many(folder: Path, count: int, messages: int = 3) -> Path:
    """A folder of that many exports, some of them in folders of their own."""
    return put(folder, *(f"{f'd{n % 3}/' if n % 3 else ''}s{n:03}.json" for n in range(count)), messages=messages)


def repeat(source: Path, target: Path, times: int) -> None:
    """Write an export that `benchmarks.generate` has made with up to ten times its messages, each with ids of its own.

    That takes an eighth of the time in which so many are generated.
    """
    head, mark, rest = source.read_bytes().partition(b'"messages":[')
    body, end = rest[: rest.rindex(b"]}")], rest[rest.rindex(b"]}") :]
    assert body.count(b'{"id":"7b0f3c1e-') > 1000
    with target.open("wb") as file:
        file.write(head + mark)
        for number in range(times):
            copy = body.replace(b'{"id":"7b0f3c1e-', b'{"id":"7b0f3c1%d-' % number)
            file.write(b"," * (number > 0) + copy.replace(b'{"id":"toolu_', b'{"id":"toolu%d' % number))
        file.write(end)


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a zip archive, and return its path."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its relative name, hidden ones left out."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def everything(folder: Path) -> list[str]:
    """The name of every file below a folder, also of hidden ones."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def names(folder: Path) -> list[str]:
    """What stands in a folder, in order."""
    return sorted(os.listdir(folder))


def debris(folder: Path) -> list[str]:
    """Temporary files below a folder."""
    return [name for name in everything(folder) if ".part" in name]


def unpack(data: bytes) -> bytes:
    """The bytes behind any compression."""
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def lines(data: bytes) -> list[dict[str, Any]]:
    """The rows of NDJSON, numbers digit for digit."""
    return [json.loads(line, parse_float=Decimal) for line in data.splitlines()]


def cells(data: bytes) -> list[dict[str, str]]:
    """The rows of CSV."""
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of an NDJSON output."""
    return lines(unpack(path.read_bytes()))


class Shreds(io.RawIOBase):
    """A file object whose reads are short: the sizes come round and round."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        super().__init__()
        self._data, self._sizes, self._at, self._turn = data, sizes, 0, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        want = self._sizes[self._turn % len(self._sizes)]
        self._turn += 1
        want = want if size < 0 else min(want, size)
        piece = self._data[self._at : self._at + want]
        self._at += len(piece)
        return piece


def cuts(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """`data` in pieces of these sizes, round and round."""
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        yield data[at : at + size]
        at, turn = at + size, turn + 1


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of a size of its own."""
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        if os.geteuid() == 0 and b"permission denied" not in mounted.stderr.lower():
            raise AssertionError(mounted.stderr)
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
