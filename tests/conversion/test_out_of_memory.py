"""Too little memory: one error of our own, whichever library notices, and nothing left behind."""

from __future__ import annotations

import builtins
import os
import pickle
import resource
import signal
import sqlite3
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

import exportstream
from exportstream import (
    ExportstreamError,
    MissingExtraError,
    OutOfMemoryError,
    UsageError,
    convert,
    iter_messages,
    merge_many,
)
from exportstream.cli.process import exit_code
from exportstream.reading.json.parser import Parser
from exportstream.storage import compress
from exportstream.storage.source import Source
from exportstream.totals.sums import Totals
from exportstream.writing.formats.csv import CSV
from exportstream.writing.formats.ndjson import NDJSON
from exportstream.writing.formats.sqlite_tables import SQLTable
from tests.kit.command import ENVIRONMENT, run
from tests.kit.documents import dump, export, message, session
from tests.kit.files import everything, put

HINT = r"; give the process more memory \(a larger machine or container, or ulimit -v\)$"
NO_ROOM = "zstd decompressor error: Allocation error : not enough memory"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with an export."""
    monkeypatch.chdir(tmp_path)
    return put(tmp_path, "in.json")


def fails(error: BaseException) -> Callable[..., Any]:
    def call(*_: object, **__: object) -> Any:
        raise error

    return call


def test_it_is_an_error_of_ours_and_of_python() -> None:
    """It can be caught as either, and goes from a worker process to its parent."""
    error = pickle.loads(pickle.dumps(OutOfMemoryError(source="x")))  # noqa: S301
    assert all(isinstance(error, kind) for kind in (ExportstreamError, OSError, MemoryError))
    assert (exit_code(error), str(error)[:36]) == (4, "x: a value does not fit into memory;")
    assert exportstream.OutOfMemoryError is OutOfMemoryError


@pytest.mark.parametrize("name", ["out.csv", "out.db"])
def test_with_a_real_limit(tmp_path: Path, name: str) -> None:
    """A message that takes most of the memory the process may have ends in one line and exit code 4."""
    (tmp_path / "in.json").write_bytes(dump(session(message(0, content="x" * 100_000_000))))
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (350 << 20, 350 << 20))}
    done = run("convert", "in.json", "-o", name, cwd=tmp_path, process=limit, OPENBLAS_NUM_THREADS="1")
    if done.returncode == -signal.SIGSEGV:
        pytest.skip("a library crashed, which is not ours to prevent")
    assert done.returncode == 4
    assert b"does not fit into memory" in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert everything(tmp_path) == ["in.json"]


def test_the_parser(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ijson's error has the place that was reached."""
    monkeypatch.setenv("EXPORTSTREAM_BLOCKS", "0")
    init = Parser.__init__

    def new(self: Parser, events: Any) -> None:
        init(self, events)
        self._send = fails(MemoryError())

    monkeypatch.setattr(Parser, "__init__", new)
    with pytest.raises(OutOfMemoryError, match=rf"^in\.json: a value does not fit into memory \(near byte [\d,]+\){HINT}"):
        convert("in.json", "out.ndjson")
    with pytest.raises(OutOfMemoryError):
        list(iter_messages("in.json"))
    assert everything(folder) == ["in.json"]


@pytest.mark.parametrize(
    ("place", "name", "target"),
    [
        (NDJSON, "encode", "out.ndjson.zst"),
        (CSV, "encode", "out.csv"),
        (SQLTable, "insertions", "out.db"),
        (Totals, "add_sessions", "out.ndjson"),
        (Source, "read", "out.ndjson"),
        (Source, "read_into", "out.ndjson"),
    ],
    ids=["ndjson", "csv", "sqlite", "totals", "read", "read_into"],
)
def test_any_stage(folder: Path, monkeypatch: pytest.MonkeyPatch, place: Any, name: str, target: str) -> None:
    """Wherever Python itself says so, the input is named."""
    monkeypatch.setattr(place, name, fails(MemoryError()))
    with pytest.raises(OutOfMemoryError, match=rf"^(in\.json|out\.db): a value does not fit into memory( \(.*\))?{HINT}"):
        convert("in.json", target)
    assert everything(folder) == ["in.json"]


def test_compressing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zstd's words for it, as it begins or later."""
    monkeypatch.setattr(compress, "_FREE", {})  # none is kept from an earlier output
    monkeypatch.setattr(zstandard, "ZstdCompressor", fails(zstandard.ZstdError(NO_ROOM)))
    with pytest.raises(OutOfMemoryError, match=rf"^in\.json: a value does not fit into memory{HINT}"):
        convert("in.json", "out.ndjson.zst")
    assert everything(folder) == ["in.json"]


def test_decompressing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That there is not enough memory is not taken for a window that is not allowed."""
    (folder / "in.json.zst").write_bytes(zstandard.compress(export("in")))
    decoder = types.SimpleNamespace(decompress=fails(zstandard.ZstdError(NO_ROOM)), eof=False, unused_data=b"")
    new = types.SimpleNamespace(decompressobj=lambda: decoder)
    monkeypatch.setattr(zstandard, "ZstdDecompressor", lambda **_: new)
    with pytest.raises(
        OutOfMemoryError, match=rf"^in\.json\.zst: a value does not fit into memory \(near byte [\d,]+\){HINT}"
    ):
        convert("in.json.zst", "out.ndjson")
    assert everything(folder) == ["in.json", "in.json.zst"]


def test_a_window_that_is_not_allowed_is_still_that(folder: Path) -> None:
    """The limit of ours is another thing than the system's."""
    how = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=how).compressobj()
    (folder / "in.json.zst").write_bytes(compressor.compress(export("in")) + compressor.flush())
    with pytest.raises(exportstream.CompressionError, match="window of more than"):
        convert("in.json.zst", "out.ndjson", max_window=1 << 20)


@pytest.mark.parametrize("error", [sqlite3.OperationalError("out of memory"), MemoryError()])
def test_sqlite(folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """SQLite's own words."""
    monkeypatch.setattr("exportstream.writing.formats.sqlite._execute", fails(error))
    with pytest.raises(OutOfMemoryError, match=rf"^out\.db: a value does not fit into memory{HINT}"):
        convert("in.json", "out.db")
    assert everything(folder) == ["in.json"]


def test_parquet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrow's error, also while a row group is written, is not taken for 2 GiB of text."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(parquet.ParquetWriter, "write_table", fails(pa.ArrowMemoryError("malloc of size 64 failed")))
    with pytest.raises(OutOfMemoryError, match=rf"^in\.json: a value does not fit into memory{HINT}"):
        convert("in.json", "out.parquet")
    assert everything(folder) == ["in.json"]


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow"), MissingExtraError, "which is not installed; pip"),
        (
            ImportError("libarrow.so: failed to map segment from shared object"),
            OutOfMemoryError,
            "does not fit into memory; g",
        ),
        (ImportError("libarrow.so: cannot allocate memory"), OutOfMemoryError, "does not fit into memory; give"),
        (MemoryError(), OutOfMemoryError, "a value does not fit into memory; give"),
        (ImportError("libm.so: cannot allocate memory in static TLS block"), UsageError, "can't be loaded: libm.so: cannot"),
        (ImportError("undefined symbol: x\ny"), UsageError, r"can't be loaded: undefined symbol: x\\ny; install it again"),
        (
            ModuleNotFoundError("No module named 'numpy'", name="numpy"),
            UsageError,
            "can't be loaded: No module named 'numpy'",
        ),
    ],
)
def test_importing_pyarrow(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[Exception], text: str
) -> None:
    """That a library is not installed is said only where it is not."""
    real = builtins.__import__

    def load(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "pyarrow":
            raise error
        return real(name, *arguments, **options)

    monkeypatch.delitem(sys.modules, "exportstream.writing.formats.parquet", raising=False)
    monkeypatch.setattr(builtins, "__import__", load)
    with pytest.raises(kind, match=text) as caught:
        convert("in.json", "out.parquet")
    assert type(caught.value) is kind
    assert everything(folder) == ["in.json"]


def test_many_inputs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An input that does not fit is one that failed; the others go on."""
    put(folder, "other.json")
    real = Source.read

    def read(self: Any, size: int) -> bytes:
        if self.name == "in.json":
            raise MemoryError
        data: bytes = real(self, size)
        return data

    monkeypatch.setattr(Source, "read", read)
    done = merge_many(["in.json", "other.json"], "all.ndjson")
    assert [outcome.status for outcome in done.outcomes] == ["failed", "converted"]
    assert "does not fit into memory" in (done.failed[0].error or "")


def test_anywhere_else_in_the_command(folder: Path) -> None:
    """Where no stage is at work it is exit code 4 as well, and no bug."""
    script = """if True:
        import exportstream.cli.commands as commands, exportstream.cli.totals as totals
        def fail(*given, **options): raise MemoryError
        totals.total_one = fail
        commands.main(["totals", "in.json"])"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=ENVIRONMENT, check=False, text=True)
    assert (done.returncode, done.stderr[:46]) == (4, "exportstream: a value does not fit into memory")
    assert run("totals", "in.json", cwd=folder).returncode == 0
    assert os.listdir(folder) == ["in.json"]
