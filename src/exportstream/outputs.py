"""Decides what an output is: its name, format and compression, from suffixes and options.

Takes: names and options. Returns: an `Output`. Raises: `UsageError` where they contradict each other.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from msgspec import Struct

from exportstream.encode import FORMATS
from exportstream.errors import UsageError

COMPRESSIONS = ("zstd", "gzip", "none")
_FORMAT_OF = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv"}
_COMPRESSION_OF = {".zst": "zstd", ".zstd": "zstd", ".gz": "gzip"}
_SUFFIX_OF = {"zstd": ".zst", "gzip": ".gz", "none": ""}
_INPUT_SUFFIXES = (".zst", ".zstd", ".gz", ".bz2", ".xz", ".json", ".ndjson", ".jsonl")


class Output(Struct, frozen=True):
    """Where rows go and as what: `target` is a path, ``-`` or a binary file object."""

    target: Any
    format: str
    compression: str


def decide_output(source: Any, target: Any, *, format: str | None, compression: str | None) -> Output:  # noqa: A002
    """Decide format and compression: options win over suffixes, and a suffix that says otherwise is refused.

    Without a target it is ``NAME.ndjson.zst`` next to the input, or standard output for standard input.
    """
    for what, value, known in (("format", format, FORMATS), ("compression", compression, COMPRESSIONS)):
        if value is not None and value not in known:
            raise UsageError(f"expected {what} to be one of {', '.join(known)}, found {value!r}")
    if target is None:
        target = _default_target(source, format or "ndjson", compression)
    if not isinstance(target, (str, os.PathLike)) or os.fspath(target) == "-":
        return Output(target, format or "ndjson", compression or "none")
    path = os.fspath(target)
    stem, suffix = os.path.splitext(os.path.basename(path))
    said_compression = _COMPRESSION_OF.get(suffix.lower())
    said_format = _FORMAT_OF.get(os.path.splitext(stem)[1].lower() if said_compression else suffix.lower())
    _agree(path, "format", format, said_format)
    _agree(path, "compression", compression, said_compression)
    if format is None and said_format is None:
        raise UsageError(
            f"can't tell the format from the name {path!r}",
            hint="end it in .ndjson, .jsonl or .csv (and .zst or .gz), or give --format",
        )
    return Output(path, format or said_format or "ndjson", compression or said_compression or "none")


def _agree(path: str, what: str, option: str | None, said: str | None) -> None:
    if option is not None and said is not None and option != said:
        raise UsageError(f"--{what} {option} contradicts the name {path!r}", hint="change one of the two")


def _default_target(source: Any, format: str, compression: str | None) -> str:  # noqa: A002
    if not isinstance(source, (str, os.PathLike)) or os.fspath(source) == "-":
        return "-"
    path = os.fspath(source)
    folder, name = os.path.split(path)
    while name.lower().endswith(_INPUT_SUFFIXES) and os.path.splitext(name)[1]:
        name = os.path.splitext(name)[0]
    return os.path.join(folder, f"{name}.{format}{_SUFFIX_OF[compression or 'zstd']}")


def rejects_name(target: Any, source: Any) -> str:
    """``NAME.rejects.ndjson`` next to the output, or next to the input where the output has no name."""
    for place in (target, source):
        if isinstance(place, (str, os.PathLike)) and os.fspath(place) != "-":
            folder, name = os.path.split(os.fspath(place))
            while os.path.splitext(name)[1].lower() in {*_FORMAT_OF, *_COMPRESSION_OF, ".json"}:
                name = os.path.splitext(name)[0]
            return os.path.join(folder, f"{name}.rejects.ndjson")
    raise UsageError("neither input nor output has a name to call the rejects after", hint="give --rejects FILE")


def refuse_same_files(**names: Any) -> None:
    """Refuse two names for one file among an input and what is written; devices and pipes may be shared."""
    seen: dict[Any, str] = {}
    for what, name in names.items():
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
        if key is not None and key in seen:
            raise UsageError(f"the {what} is the {seen[key]}", source=path, hint="give it a name of its own")
        seen[key] = what
