"""Decides what outputs are: their names, formats, compressions and tables, from suffixes and options.

Takes: names and options. Returns: `Output`. Raises: `UsageError` where they contradict each other.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from exportstream.errors import UsageError, shown
from exportstream.writing.options import WriteOptions
from exportstream.writing.tables import TABLES

_FORMAT_OF = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".csv": "csv",
    ".parquet": "parquet",
    ".db": "sqlite",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
}
_COMPRESSION_OF = {".zst": "zstd", ".zstd": "zstd", ".gz": "gzip"}
_SUFFIX_OF = {"zstd": ".zst", "gzip": ".gz", "none": ""}
_INSIDE = {"parquet": "zstd", "sqlite": "none"}  # formats that are not compressed from outside
_INPUT_SUFFIXES = (".zst", ".zstd", ".gz", ".bz2", ".xz", ".json", ".ndjson", ".jsonl")
REJECTS = ".rejects.ndjson"


class Output(Struct, frozen=True):
    """Where rows go and as what: `target` is a path, a URL, ``-`` or a binary file object; all but SQLite have one table."""

    target: Any
    format: str
    compression: str
    tables: tuple[str, ...]


def suffix_of(options: WriteOptions) -> str:
    """The suffix of an output that gets its name from us."""
    name = options.format or "ndjson"
    return {"sqlite": ".db", "parquet": ".parquet"}.get(name) or f".{name}{_SUFFIX_OF[options.compression or 'zstd']}"


def decide_outputs(source: Any, target: Any, options: WriteOptions) -> list[Output]:
    """Decide format and compression: options win over suffixes, and a suffix that says otherwise is refused.

    Without a target it is ``NAME.ndjson.zst`` next to the input, or standard output for standard input. With several
    tables the name of each gets the table's name in it, but for SQLite.
    """
    if target is None:
        target = _default_target(source, options)
    if not isinstance(target, (str, os.PathLike)) or os.fspath(target) == "-":
        name = options.format or "ndjson"
        tables = _tables(options, name)
        if name == "sqlite":
            raise UsageError("SQLite can't be written to a stream", hint="name a file")
        if len(tables) > 1:
            raise UsageError("several tables can't share one stream", hint="name a file, or choose one `table`")
        return [Output(target, name, _INSIDE.get(name) or options.compression or "none", tables)]
    path = os.fspath(target)
    stem, format_suffix, compression_suffix = _split(path)
    said_compression = _COMPRESSION_OF.get(compression_suffix.lower())
    said_format = _FORMAT_OF.get(format_suffix.lower())
    _agree(path, "format", options.format, said_format)
    _agree(path, "compression", options.compression, said_compression)
    format_: str = options.format or said_format or ""
    if os.path.isdir(path) or path.endswith("/"):
        raise UsageError(
            "the output is a folder", source=path, hint="name a file in it, or end it in / for an output of each input"
        )
    if not format_:
        raise UsageError(
            f"can't tell the format from the name {shown(path)!r}",
            hint="end it in .ndjson, .jsonl or .csv (and .zst or .gz), .parquet or .db, or give `format`",
        )
    if format_ in _INSIDE and (said_compression or options.compression not in (None, _INSIDE[format_])):
        raise UsageError(f"{format_} files are not compressed from outside", hint="leave `compression` and its suffix out")
    compression = _INSIDE.get(format_) or options.compression or said_compression or "none"
    tables = _tables(options, format_)
    if format_ == "sqlite":
        return [Output(path, format_, compression, tables)]
    several = len(tables) > 1
    rest = format_suffix + compression_suffix
    return [Output(f"{stem}.{t}{rest}" if several else path, format_, compression, (t,)) for t in tables]


def decide_in_folder(folder: str, relative: str, options: WriteOptions) -> list[Output]:
    """The outputs of one input among many: ``FOLDER/NAME.ndjson.zst``, or ``FOLDER/TABLE/NAME.ndjson.zst`` for several."""
    name = strip_suffixes(relative) + suffix_of(options)
    tables = _tables(options, options.format or "ndjson")
    if len(tables) == 1 or options.format == "sqlite":
        return decide_outputs(None, f"{folder.rstrip('/')}/{name}", options)
    alone = [(table, replace(options, tables=(table,))) for table in tables]
    return [decide_outputs(None, f"{folder.rstrip('/')}/{table}/{name}", one)[0] for table, one in alone]


def looks_like_file(target: str) -> bool:
    """Whether a name without a slash at its end has a suffix that says a format."""
    return not target.endswith("/") and bool(_split(target)[1])


def _tables(options: WriteOptions, format: str) -> tuple[str, ...]:  # noqa: A002
    return options.tables or (TABLES if format == "sqlite" else ("messages",))


def _split(path: str) -> tuple[str, str, str]:
    """A name without the suffixes that mean something, that of the format, and that of the compression."""
    stem, compression = os.path.splitext(path)
    if compression.lower() not in _COMPRESSION_OF:
        stem, compression = path, ""
    rest, format_ = os.path.splitext(stem)
    return (rest, format_, compression) if format_.lower() in _FORMAT_OF else (stem, "", compression)


def _agree(path: str, what: str, option: str | None, said: str | None) -> None:
    if option is not None and said is not None and option != said:
        raise UsageError(f"{what}={option!r} contradicts the name {shown(path)!r}", hint="change one of the two")


def _default_target(source: Any, options: WriteOptions) -> str:
    if not isinstance(source, (str, os.PathLike)) or os.fspath(source) == "-":
        return "-"
    return strip_suffixes(os.fspath(source)) + suffix_of(options)


def strip_suffixes(path: str) -> str:
    """A name without the suffixes of exports and of compressions."""
    folder, name = os.path.split(path)
    while name.lower().endswith(_INPUT_SUFFIXES) and os.path.splitext(name)[1]:
        name = os.path.splitext(name)[0]
    return os.path.join(folder, name)


def rejects_name(target: Any, source: Any) -> str:
    """``NAME.rejects.ndjson`` next to the output, or next to the input where the output has no name."""
    for place in (target, source):
        if isinstance(place, (str, os.PathLike)) and os.fspath(place) != "-":
            folder, name = os.path.split(os.fspath(place))
            while os.path.splitext(name)[1].lower() in {*_FORMAT_OF, *_COMPRESSION_OF, ".json"}:
                name = os.path.splitext(name)[0]
            return os.path.join(folder, f"{name}{REJECTS}")
    raise UsageError("neither input nor output has a name to call the rejects after", hint="name a file for `rejects`")


def refuse_same_files(named: Sequence[tuple[str, Any]]) -> None:
    """Refuse two names for one file among inputs and what is written; devices and pipes may be shared.

    Args:
        named: what it is (``input``, ``output``, …) and its name.
    """
    seen: dict[Any, str] = {}
    for what, name in named:
        if not isinstance(name, (str, os.PathLike)):
            continue
        path = os.fspath(name)
        if path == "-":
            key: Any = "-" if what != "input" else None
        elif os.path.exists(path):
            found = os.stat(path)
            key = (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None
        else:
            key = os.path.realpath(path)
        if key is not None and key in seen and not seen[key] == what == "input":
            raise UsageError(f"the {what} is the {seen[key]}", source=path, hint="give it a name of its own")
        seen[key] = what
