"""Outputs of several processes: a zstd frame or gzip member for each run of messages, which readers take as one."""

from __future__ import annotations

import shutil
import subprocess
import zlib
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest
import zstandard

from exportstream import convert
from exportstream.storage.compress import frames
from exportstream.storage.sink import open_sink
from tests.kit.documents import dump, message, session
from tests.kit.files import unpack
from tests.kit.helpers import Here, small_runs

ROWS = 4000
NAMES = ["out.csv.zst", "out.ndjson.zst", "out.csv.gz", "out.ndjson.gz"]
READERS = {
    "pandas": lambda path: len(pd.read_csv(path) if ".csv" in path else pd.read_json(path, lines=True)),
    "pandas, in parts": lambda path: sum(
        map(len, pd.read_csv(path, chunksize=99) if ".csv" in path else pd.read_json(path, lines=True, chunksize=99))
    ),
    "DuckDB": lambda path: duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()[0][0],  # noqa: S608
    "Polars": lambda path: pl.read_csv(path).height if ".csv" in path else pl.read_ndjson(path).height,
    "Polars, lazily": lambda path: (
        (pl.scan_csv(path) if ".csv" in path else pl.scan_ndjson(path)).select(pl.len()).collect().item()
    ),
    "zstandard, gzip": lambda path: _lines(unpack(Path(path).read_bytes())),
    "zstd -d": lambda path: _lines(
        subprocess.run(["zstd" if path.endswith("zst") else "gzip", "-dc", path], check=True, stdout=subprocess.PIPE).stdout
    ),
}


def _lines(data: bytes) -> int:
    return data.count(b"\n") - data.startswith(b'"')  # without the header of CSV


def _frames(data: bytes) -> int:
    count = 0
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        frame.decompress(data)
        data, count = frame.unused_data, count + 1
    return count


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs of several processes."""
    folder = tmp_path_factory.mktemp("frames")
    source = folder / "in.json"
    source.write_bytes(dump(session(*[message(n, content=f"text {n}" * 20) for n in range(ROWS)])))
    for name in NAMES:
        with small_runs(300_000):
            done = convert(source, folder / name, executor=Here())
        assert done.rows == ROWS
        assert done.bytes_written == (folder / name).stat().st_size
    return folder


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reader", READERS)
def test_readers_take_all_frames(outputs: Path, name: str, reader: str) -> None:
    """Readers that people use give the rows of all frames."""
    if reader == "zstd -d" and shutil.which("zstd") is None:
        pytest.skip("zstd is not installed")
    data = (outputs / name).read_bytes()
    assert name.endswith("gz") or _frames(data) > 3
    assert READERS[reader](str(outputs / name)) == ROWS


@pytest.mark.parametrize("name", NAMES)
def test_the_first_frame_has_no_rows(outputs: Path, name: str) -> None:
    """A reader that takes only the first frame gives none of the rows, which is seen at once, rather than some of them."""
    data = (outputs / name).read_bytes()
    first = zlib.decompressobj(wbits=31) if name.endswith("gz") else zstandard.ZstdDecompressor().decompressobj()
    text = first.decompress(data)
    assert first.unused_data
    assert text.count(b"\n") == text.startswith(b'"') == (".csv" in name)


def test_each_frame_has_a_checksum_and_no_size(outputs: Path) -> None:
    """What is damaged is noticed; a reader that expects one frame of known size fails rather than take the first alone."""
    data = (outputs / "out.ndjson.zst").read_bytes()
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        assert zstandard.get_frame_parameters(data).has_checksum
        assert zstandard.get_frame_parameters(data).content_size == zstandard.CONTENTSIZE_UNKNOWN
        frame.decompress(data)
        data = frame.unused_data


@pytest.mark.parametrize("kind", ["zstd", "gzip", "none"])
@pytest.mark.parametrize("order", ["w", "c", "wc", "cw", "wcw", "ccwwcc", "WcWc"])
def test_frames_from_elsewhere_stand_where_they_were_written(tmp_path: Path, kind: str, order: str) -> None:
    """Bytes and whole frames may take turns, of any size; all are counted as what they hold."""
    wanted = b""
    with open_sink(tmp_path / "out", compression=kind) as sink:
        for number, which in enumerate(order):
            data = b"%d\n" % number * (100_000 if which == "W" else 10)
            wanted += data
            if which == "c":
                begin = frames(kind, None)
                frame = None if begin is None else begin()
                sink.write_compressed(data if frame is None else frame.compress(data) + frame.flush(), len(data))
            else:
                sink.write(data)
    written = (tmp_path / "out").read_bytes()
    assert unpack(written) == wanted
    assert (sink.bytes_in, sink.bytes_out) == (len(wanted), len(written))


@pytest.mark.parametrize("kind", ["zstd", "gzip"])
def test_a_frame_that_was_not_ended_leaves_nothing_in_the_next(kind: str) -> None:
    """A run that is refused in its middle begins no frame of the next one."""
    begin = frames(kind, None)
    assert begin is not None
    begin().compress(b"refused" * 100_000)
    frame = begin()
    assert unpack(frame.compress(b"taken") + frame.flush()) == b"taken"
