"""Decides what outputs are: their names, formats, compressions and tables, from suffixes and options.

Takes: names and options. Returns: `Output`. Raises: `UsageError` where they contradict each other.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from exportstream.errors import UsageError, shown
from exportstream.writing.tables import TABLES

FORMATS = ("ndjson", "csv", "parquet", "sqlite")
COMPRESSIONS = ("zstd", "gzip", "none")
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


class Wanted(Struct, frozen=True):
    """What an output shall be, as far as options say: the rest is decided by suffixes.

    Attributes:
        format, compression: one of `FORMATS` and `COMPRESSIONS`, or None.
        tables: none for the default: messages, or all of them in SQLite.
    """

    format: str | None = None
    compression: str | None = None
    tables: tuple[str, ...] = ()

    @classmethod
    def of(cls, format: str | None, compression: str | None, table: str | Iterable[str] | None) -> Wanted:  # noqa: A002
        """Check the words; `table` is a name, several, or ``all``."""
        for what, value, known in (("format", format, FORMATS), ("compression", compression, COMPRESSIONS)):
            if value is not None and value not in known:
                raise UsageError(f"expected {what} to be one of {', '.join(known)}, found {value!r}")
        names = [table] if isinstance(table, str) else list(table or ())
        for name in names:
            if name not in (*TABLES, "all"):
                raise UsageError(f"expected table to be one of {', '.join(TABLES)} or all, found {name!r}")
        return cls(format, compression, TABLES if "all" in names else tuple(dict.fromkeys(names)))

    def suffix(self) -> str:
        """The suffix of an output that gets its name from us."""
        format_ = self.format or "ndjson"
        return {"sqlite": ".db", "parquet": ".parquet"}.get(format_) or f".{format_}{_SUFFIX_OF[self.compression or 'zstd']}"


def decide_outputs(source: Any, target: Any, wanted: Wanted) -> list[Output]:
    """Decide format and compression: options win over suffixes, and a suffix that says otherwise is refused.

    Without a target it is ``NAME.ndjson.zst`` next to the input, or standard output for standard input. With several
    tables the name of each gets the table's name in it, but for SQLite.
    """
    if target is None:
        target = _default_target(source, wanted)
    if not isinstance(target, (str, os.PathLike)) or os.fspath(target) == "-":
        format_ = wanted.format or "ndjson"
        tables = _tables(wanted, format_)
        if format_ == "sqlite":
            raise UsageError("SQLite can't be written to a stream", hint="name a file with -o")
        if len(tables) > 1:
            raise UsageError("several tables can't share one stream", hint="name a file with -o, or choose one --table")
        return [Output(target, format_, _INSIDE.get(format_) or wanted.compression or "none", tables)]
    path = os.fspath(target)
    stem, format_suffix, compression_suffix = _split(path)
    said_compression = _COMPRESSION_OF.get(compression_suffix.lower())
    said_format = _FORMAT_OF.get(format_suffix.lower())
    _agree(path, "format", wanted.format, said_format)
    _agree(path, "compression", wanted.compression, said_compression)
    format_ = wanted.format or said_format or ""
    if os.path.isdir(path) or path.endswith("/"):
        raise UsageError("the output is a folder", source=path, hint="name a file in it, or end it in / without --merge")
    if not format_:
        raise UsageError(
            f"can't tell the format from the name {shown(path)!r}",
            hint="end it in .ndjson, .jsonl or .csv (and .zst or .gz), .parquet or .db, or give --format",
        )
    if format_ in _INSIDE and (said_compression or wanted.compression not in (None, _INSIDE[format_])):
        raise UsageError(f"{format_} files are not compressed from outside", hint="leave --compression and its suffix out")
    compression = _INSIDE.get(format_) or wanted.compression or said_compression or "none"
    tables = _tables(wanted, format_)
    if format_ == "sqlite":
        return [Output(path, format_, compression, tables)]
    several = len(tables) > 1
    rest = format_suffix + compression_suffix
    return [Output(f"{stem}.{t}{rest}" if several else path, format_, compression, (t,)) for t in tables]


def decide_in_folder(folder: str, relative: str, wanted: Wanted) -> list[Output]:
    """The outputs of one input among many: ``FOLDER/NAME.ndjson.zst``, or ``FOLDER/TABLE/NAME.ndjson.zst`` for several."""
    name = strip_suffixes(relative) + wanted.suffix()
    tables = _tables(wanted, wanted.format or "ndjson")
    if len(tables) == 1 or wanted.format == "sqlite":
        return decide_outputs(None, f"{folder.rstrip('/')}/{name}", wanted)
    alone = [(table, Wanted(wanted.format, wanted.compression, (table,))) for table in tables]
    return [decide_outputs(None, f"{folder.rstrip('/')}/{table}/{name}", one)[0] for table, one in alone]


def looks_like_file(target: str) -> bool:
    """Whether a name without a slash at its end has a suffix that says a format."""
    return not target.endswith("/") and bool(_split(target)[1])


def _tables(wanted: Wanted, format: str) -> tuple[str, ...]:  # noqa: A002
    return wanted.tables or (TABLES if format == "sqlite" else ("messages",))


def _split(path: str) -> tuple[str, str, str]:
    """A name without the suffixes that mean something, that of the format, and that of the compression."""
    stem, compression = os.path.splitext(path)
    if compression.lower() not in _COMPRESSION_OF:
        stem, compression = path, ""
    rest, format_ = os.path.splitext(stem)
    return (rest, format_, compression) if format_.lower() in _FORMAT_OF else (stem, "", compression)


def _agree(path: str, what: str, option: str | None, said: str | None) -> None:
    if option is not None and said is not None and option != said:
        raise UsageError(f"--{what} {option} contradicts the name {shown(path)!r}", hint="change one of the two")


def _default_target(source: Any, wanted: Wanted) -> str:
    if not isinstance(source, (str, os.PathLike)) or os.fspath(source) == "-":
        return "-"
    return strip_suffixes(os.fspath(source)) + wanted.suffix()


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
    raise UsageError("neither input nor output has a name to call the rejects after", hint="give --rejects FILE")


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
