"""What several processes make of one input is what one process makes of it: everything there is to compare."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec

from exportstream import ExportstreamError, UsageError, check, convert
from exportstream.conversion.totals import total_one
from exportstream.reading.options import ReadOptions
from exportstream.totals.periods import Range
from exportstream.totals.table_options import GroupOptions
from tests.kit.files import unpack
from tests.kit.helpers import Here, Never, small_runs
from tests.kit.readings import exact, small_blocks

BLOCK = 400, 300  # bytes of a block and of a read
_STEP = 170  # bytes of a compressed file that are decompressed at once
_TABLES = (("day", "model"), ("session",), ("role", "finish-reason"), ("tool",), ("file",), ("field",), ())
_COUNTS = ("messages", "rejected", "sessions", "bytes_read", "bytes_parsed", "partial", "cut", "notes")


def _said(error: ExportstreamError) -> Any:
    """An error with all that it knows of its place, also what its text leaves out."""
    assert not isinstance(error, UsageError), error  # nothing was read, so there is nothing to compare
    return type(error), str(error), vars(error)


def figures(
    path: Any, executor: Executor | None, on_error: Any, *, prices: Path | None = None, within: Range | None = None
) -> Any:
    """All figures of an input, or its error and how far it was read."""
    seen = [0]
    try:
        done = total_one(
            path,
            ReadOptions(on_error=on_error, prices=prices),
            GroupOptions(by=_TABLES, range=within or Range(), priced=prices is not None),
            executor=executor,
            progress=lambda export: seen.append(export.bytes_read),
        )
    except ExportstreamError as error:
        return _said(error)
    finally:
        assert seen == sorted(seen)
    return exact([[msgspec.to_builtins(getattr(done, name)) for name in _COUNTS], done.totals.to_dict(), done.to_dict()])


def findings(path: Any, executor: Executor | None, on_error: Any = None) -> Any:
    """All findings, in their order, and the error after them; `check` itself says what is done on errors."""
    del on_error
    found: list[Any] = []
    try:
        found.extend(one.to_dict() for one in check(path, executor=executor))
    except ExportstreamError as error:
        found.append(_said(error))
    return exact(found)


def rows(
    path: Path,
    executor: Executor | None,
    on_error: Any,
    *,
    source: Any = None,
    suffix: str = "csv",
    table: str = "all",
    **options: Any,
) -> Any:
    """The decompressed bytes of all outputs and of the rejects, the report, or the error and what is left then."""
    folder = path.with_name(f"{path.stem}-rows".replace("::", "-"))  # not within the archive that a member is in
    folder.mkdir()
    try:
        target = folder / f"out.{suffix}"
        with patch("os.fsync"):  # that outputs survive a power cut is for others to test, and takes most of the time
            done = convert(source or path, target, on_error=on_error, executor=executor, table=table, **options)
    except ExportstreamError as error:
        return _said(error), os.listdir(folder)
    else:
        plain = done.to_dict()
        assert plain["bytesWritten"] == sum(output["bytesWritten"] for output in plain["outputs"])
        for output in plain["outputs"]:
            assert output.pop("bytesWritten") == os.path.getsize(output["target"])
        return exact({name: value for name, value in plain.items() if name not in ("seconds", "bytesWritten", "shared")}), {
            one.name: unpack(one.read_bytes()) for one in folder.iterdir()
        }
    finally:
        shutil.rmtree(folder)


READINGS: tuple[Callable[..., Any], ...] = (rows, figures, findings)


def assert_same(path: Path, data: bytes, run: int = 300, on_error: Any = None, *, turn: int | None = None) -> Here:
    """One process, several that are ahead, and several that never begin: one result, also of the compressed file.

    Args:
        path: where the file is made.
        data: its bytes.
        run: how many of them a run has.
        on_error: as of `convert`.
        turn: of many inputs that are alike, the number of this one: each is read in another way, not in all of them.

    Returns:
        The executor that has read ahead in the plain file, or with `turn` in either.
    """
    which, packed = (None, True) if turn is None else (turn % len(READINGS), turn // len(READINGS) % 2 == 1)
    here = Here()
    if turn is None or not packed:
        path.write_bytes(data)
        with small_blocks(*BLOCK):
            here = _assert_same_read(path, run, on_error, which)
    if packed:
        found = assert_same_stored(path, gzip.compress(data, 1), run, on_error, which)
        here = here if turn is None else found
    return here


def assert_same_stored(path: Path, stored: bytes, run: int = 300, on_error: Any = None, which: int | None = None) -> Here:
    """The same of the bytes of a compressed file."""
    path.write_bytes(stored)
    return assert_same_held(path, run, on_error, which)


def assert_same_held(path: Path, run: int = 300, on_error: Any = None, which: int | None = None) -> Here:
    """The same of a file that is there already, whose bytes are handed on, and come in pieces that end anywhere."""
    with patch("exportstream.storage.decompress._STEP", _STEP), small_blocks(*BLOCK):
        return _assert_same_read(path, 6 * run, on_error, which)  # of what is not plain runs are shorter


def _assert_same_read(path: Path, run: int, on_error: Any, which: int | None) -> Here:
    here = Here()
    for reading in READINGS if which is None else READINGS[which : which + 1]:
        wanted = reading(path, None, on_error)
        with small_runs(run):
            assert reading(path, here, on_error) == wanted
            if reading is figures:
                assert reading(path, Never(), on_error) == wanted
    return here
