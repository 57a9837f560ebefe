"""Compressors of outputs: zstd and gzip, a frame (a member) at a time.

Takes: the name of a compression and its level. Returns: a function that begins a frame. Raises: `OptionError`.
Holds: the compressor's own memory (zstd: 22 MB at level 3, half of it beside others; 130 MB at level 22); after it some of
zstd's without a thread, 4 MB each at level 3.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Protocol

import zstandard

from exportstream.errors import OptionError

_REUSED = 9  # the highest level of compressors that are kept: above it each takes up to 130 MB
_MOST_FREE = 4
_FREE: dict[int, list[zstandard.ZstdCompressor]] = {}  # compressors that start no thread and do nothing, by level
_LEVELS = {"zstd": range(-7, 23), "gzip": range(1, 10), "none": range(0)}


class Frame(Protocol):
    """One zstd frame, or gzip member; readers take several of them, one after the other, as one."""

    def compress(self, data: bytes, /) -> bytes:
        """Take bytes; return those that are compressed by now."""

    def flush(self) -> bytes:
        """End the frame; return the rest of it."""


def check_level(compression: str, level: int | None) -> None:
    """Raise `OptionError` for a compression that is not known, and for a level that it does not have."""
    if compression not in _LEVELS:
        raise OptionError(f"expected compression zstd, gzip or none, got {compression!r}")
    if level is not None and (level not in _LEVELS[compression] or level == 0):
        levels = _LEVELS[compression]
        if not levels:
            raise OptionError(f"expected no level, since the output is not compressed, got {level}")
        expected = f"a level from {levels[0]} to {levels[-1]}{' except 0' * (0 in levels)}"
        raise OptionError(f"expected {expected} for {compression}, got {level}")


def frames(
    compression: str, level: int | None, *, alone: bool = True, beside_others: bool = False
) -> Callable[[], Frame] | None:
    """Return a function that begins a frame, one at a time; None without compression.

    For levels see `open_sink`. Alone, zstd starts no thread; beside others it takes half of the memory where it does.
    """
    if compression == "zstd":
        level = level or 3
        if alone and level <= _REUSED:
            return partial(_ReusedFrame, level)
        return _zstd(level, alone=alone, beside_others=beside_others).compressobj
    return _gzip(level or 2) if compression == "gzip" else None


class _ReusedFrame:
    """A frame of a zstd compressor that makes others after it; a new compressor takes ten times as long as a small frame."""

    def __init__(self, level: int) -> None:
        self._free = _FREE.setdefault(level, [])
        try:
            self._compressor = self._free.pop()
        except IndexError:
            self._compressor = _zstd(level, alone=True, beside_others=False)
        self._frame = self._compressor.compressobj()

    def compress(self, data: bytes, /) -> bytes:
        """Take bytes."""
        return self._frame.compress(data)

    def flush(self) -> bytes:
        """End the frame, and let others have the compressor."""
        rest = self._frame.flush()
        if len(self._free) < _MOST_FREE:
            self._free.append(self._compressor)
        return rest


def _gzip(level: int) -> Callable[[], Frame]:
    # ISA-L's own levels: the third is twice as slow as the second. Neither library writes a time: the same in, the same out.
    if level <= 3:
        from isal import isal_zlib  # noqa: PLC0415 - only for gzip

        return partial(isal_zlib.compressobj, level, wbits=31)
    import zlib  # noqa: PLC0415 - likewise

    return partial(zlib.compressobj, level, wbits=31)


def _zstd(level: int, *, alone: bool, beside_others: bool) -> zstandard.ZstdCompressor:
    # zstd's own worker compresses while the caller goes on, one job at a time. Jobs of 4 MiB take 15 % less time than jobs
    # of 1 MiB; larger ones only take more memory: four times their size. Beside other outputs, jobs of 2 MiB take as long,
    # and 0.6 % more space. A second worker gains nothing, since parsing takes as long as compressing. An input smaller than
    # a job starts no thread: it would be compressed after all of it is parsed.
    # Above level 9 jobs would be large, and parsing is a small part of the time. The source size limits the window, which
    # would be 128 MiB at level 22.
    threads = 1 if level <= 9 and not alone and (os.cpu_count() or 1) > 1 else 0  # counting them reads a file
    how = zstandard.ZstdCompressionParameters.from_level(
        level,
        source_size=8 << 20 if level > 9 else 0,
        threads=threads,
        job_size=threads << (21 if beside_others else 22),
        write_checksum=True,
        write_content_size=False,
    )
    return zstandard.ZstdCompressor(compression_params=how)
