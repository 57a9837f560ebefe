"""Decides what outputs are: their names, formats, compressions and tables, from suffixes and options.

Takes: names and options. Returns: `Output`. Raises: `UsageError` if they contradict each other.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from exportstream.errors import UsageError, shown
from exportstream.storage.compress import check_level
from exportstream.storage.names import COMPRESSED, RealPaths, has_name, is_direct, is_name, is_stream, is_terminal
from exportstream.storage.remote.urls import local_path
from exportstream.storage.zip import split_member, zip_file_of
from exportstream.writing.formats import FORMATS, OutputFormat
from exportstream.writing.options import WriteOptions
from exportstream.writing.selection import TABLES
from exportstream.writing.tables import check_columns

_FORMAT_OF = {suffix: format_.name for format_ in FORMATS.values() for suffix in format_.suffixes}
_COMPRESSION_OF = {".zst": "zstd", ".zstd": "zstd", ".gz": "gzip"}
_DEFAULT = "ndjson.zst"
_INPUT_SUFFIXES = (*COMPRESSED, ".json", ".ndjson", ".jsonl")
REJECTS = ".rejects.ndjson"
MANIFEST = ".exportstream.manifest.ndjson"  # hidden, in a folder of outputs


class Output(Struct, frozen=True):
    """One output: its target (a path, a URL, ``-`` or a binary file object), and the tables in it, in most formats one."""

    target: Any
    format: str
    compression: str
    tables: tuple[str, ...]


def suffix_of(options: WriteOptions) -> str:
    """The suffix of an output that gets its name from us."""
    return f".{options.format or _DEFAULT}"


def decide_outputs(source: Any, target: Any, options: WriteOptions) -> list[Output]:
    """Decide format and compression by the option, or else by the suffix; a suffix that contradicts the option is refused.

    Without a target it is ``NAME.ndjson.zst`` next to the input, or standard output for standard input. Streams, devices
    and pipes get NDJSON unless the option or a suffix says otherwise. Each of several tables has its name in the name of
    its output, unless one file holds all of them.
    """
    if target is None:
        target = strip_suffixes(_beside(os.fspath(source))) + suffix_of(options) if has_name(source) else "-"
    if not has_name(target):
        return [_decide_stream(target, *_decide_format("", options.format or "ndjson"), options)]
    path = os.fspath(target)
    if is_folder(path):
        raise UsageError("the output is a folder", source=path, hint="name a file in it")
    direct = is_direct(path)
    name, compression = _decide_format(path, options.format, "ndjson" if direct else None)
    if direct:
        return [_decide_stream(path, name, compression, options)]
    tables = _tables(options, FORMATS[name])
    if FORMATS[name].all_tables:
        return [Output(path, name, compression, tables)]
    several = len(tables) > 1
    stem, *rest = _split(path)
    return [Output(f"{stem}.{t}{''.join(rest)}" if several else path, name, compression, (t,)) for t in tables]


def _decide_stream(target: Any, name: str, compression: str, options: WriteOptions) -> Output:
    format_ = FORMATS[name]
    tables = _tables(options, format_)
    if format_.all_tables:
        raise UsageError(f"{format_.title} can't be written to a stream", hint="name a file")
    if len(tables) > 1:
        raise UsageError("several tables can't share one stream", hint="name a file, or choose one `table`")
    return Output(target, name, compression, tables)


def _decide_format(path: str, asked: str | None, default: str | None = None) -> tuple[str, str]:
    """Return the format and the compression that the option or a name says, or else the default."""
    said_name, said_compression = _said(path)
    name, compression = _said(f"x.{asked}") if asked is not None else (said_name or default, said_compression)
    by_name = said_name is not None or said_compression != "none"
    if by_name and (said_name not in (None, name) or said_compression != compression):
        raise UsageError(f"format={asked!r} contradicts the name {shown(path)!r}", hint="change one of the two")
    if name is None:
        raise UsageError(f"can't tell the format from the name {shown(path)!r}", hint=_hint_at_suffixes())
    inside = FORMATS[name].compression
    if inside is not None and compression != "none":
        raise UsageError(f"{name} files are not compressed from outside", hint="leave the suffix of the compression out")
    return name, inside or compression


def check_outputs(outputs: Iterable[Output], options: WriteOptions) -> None:
    """Refuse options that do not fit the outputs, before anything is read or written.

    Raises:
        UsageError: an output can't be written with these options, or has no such column.
        MissingExtraError, OutOfMemoryError: a library that a format needs can't be loaded.
    """
    check_columns([name for output in outputs for name in output.tables], options)
    for output in outputs:
        format_ = FORMATS[output.format]
        if options.csv_safe and not format_.csv_safe:
            raise UsageError("csv_safe=True goes with CSV output only")
        if options.flat and not format_.flat:
            raise UsageError("flat=True goes with NDJSON output only", hint="other formats have every column in every row")
        what = (
            format_.title if format_.compression is not None else "compressed data" if output.compression != "none" else None
        )
        if what is not None and not options.force and is_terminal(output.target):
            raise UsageError(f"{what} is not written to a terminal", hint="name a file, or add force=True")
        check_level(output.compression, options.level)
        format_.load()


def is_folder(target: Any) -> bool:
    """Whether a target is a folder for outputs that get their names from the inputs: one that exists, or ends in ``/``."""
    return is_name(target) and (os.fsdecode(target).endswith("/") or os.path.isdir(local_path(os.fsdecode(target))))


def decide_in_folder(folder: str, relative: str, options: WriteOptions, *, whole: bool = False) -> list[Output]:
    """The outputs of one input among many: ``FOLDER/NAME.ndjson.zst``, or ``FOLDER/TABLE/NAME.ndjson.zst`` for several.

    `whole`: the name keeps the suffixes of the input.
    """
    name = (relative if whole else strip_suffixes(relative)) + suffix_of(options)
    format_ = FORMATS[_decide_format(name, None)[0]]
    tables = _tables(options, format_)
    if len(tables) == 1 or format_.all_tables:
        return decide_outputs(None, f"{folder.rstrip('/')}/{name}", options)
    alone = [(table, replace(options, tables=(table,))) for table in tables]
    return [decide_outputs(None, f"{folder.rstrip('/')}/{table}/{name}", one)[0] for table, one in alone]


def format_of(name: str) -> OutputFormat | None:
    """The format that the suffix of a name says, None if it says none."""
    return FORMATS.get(_FORMAT_OF.get(_split(name)[1].lower(), ""))


def looks_like_file(target: str) -> bool:
    """Whether a name without a slash at its end ends in the suffix of a format, or in one of letters, such as ``.xlsx``."""
    return not target.endswith("/") and (bool(_split(target)[1]) or os.path.splitext(target)[1][1:].isalpha())


def _tables(options: WriteOptions, format_: OutputFormat) -> tuple[str, ...]:
    return options.tables or (TABLES if format_.all_tables else ("messages",))


def _hint_at_suffixes() -> str:
    outside = [suffix for format_ in FORMATS.values() if format_.compression is None for suffix in format_.suffixes]
    others = [format_.suffixes[0] for format_ in FORMATS.values() if format_.compression is not None]
    return f"end it in {', '.join(outside[:-1])} or {outside[-1]} (and .zst or .gz), {' or '.join(others)}, or give `format`"


def _split(path: str) -> tuple[str, str, str]:
    """Split a name into its stem, the suffix of its format, and that of its compression."""
    stem, compression = os.path.splitext(path)
    if compression.lower() not in _COMPRESSION_OF:
        stem, compression = path, ""
    rest, format_ = os.path.splitext(stem)
    return (rest, format_, compression) if format_.lower() in _FORMAT_OF else (stem, "", compression)


def _said(path: str) -> tuple[str | None, str]:
    """Return the format that the suffixes of a name say, and the compression."""
    _, format_, compression = _split(path)
    return _FORMAT_OF.get(format_.lower()), _COMPRESSION_OF.get(compression.lower(), "none")


def _beside(source: str) -> str:
    """Return the name next to which outputs are written: of a member of an archive its own, next to the archive."""
    found = split_member(source)
    return source if found is None else os.path.join(os.path.dirname(found[0]), os.path.basename(found[1]))


def strip_suffixes(path: str) -> str:
    """A name without the suffixes of exports and of compressions."""
    folder, name = os.path.split(path)
    while os.path.splitext(name)[1].lower() in _INPUT_SUFFIXES:
        name = os.path.splitext(name)[0]
    return os.path.join(folder, name)


def rejects_name(target: Any, source: Any) -> str:
    """``OUTPUT.rejects.ndjson``, after all of the output's name, or of the input's if the output has none.

    Without its suffixes it would be that of several: ``a.csv`` and ``a.ndjson`` may be made of different inputs.
    """
    for named in (target, source):
        if has_name(named):
            return f"{_beside(os.fspath(named))}{REJECTS}"
    raise UsageError("neither input nor output has a name to call the rejects after", hint="name a file for `rejects`")


def refuse_same_files(named: Sequence[tuple[str, Any]], real_path: RealPaths | None = None) -> None:
    """Refuse two names for one file among inputs and outputs, each with its role; devices and pipes may be shared."""
    seen: dict[Any, str] = {}
    real_path = real_path or RealPaths()
    for what, name in named:
        if not is_name(name):
            continue
        path = zip_file_of(os.fspath(name))
        key = _file_of_stream(what) if is_stream(path) else _file_of(path, real_path)
        if key is not None and key in seen and not seen[key] == what == "input":
            hint = "give it a name of its own" + (" with `rejects`" if what == "file of rejects" else "")
            raise UsageError(f"the {what} is the {seen[key]}", source="<stdout>" if is_stream(path) else path, hint=hint)
        seen[key] = what


def _file_of_stream(what: str) -> object:
    """Return what tells the file that a shell opened as a standard stream from others; for anything else None or ``-``."""
    with suppress(OSError):  # a shell may have closed it
        found = os.fstat(0 if what == "input" else 1)
        if stat.S_ISREG(found.st_mode):
            return found.st_dev, found.st_ino
    return None if what == "input" else "-"


def is_same_file(name: str, other: str) -> bool:
    """Whether two names are those of one file."""
    found = _file_of(zip_file_of(name), RealPaths())
    return name == other or (found is not None and found == _file_of(zip_file_of(other), RealPaths()))


def _file_of(path: str, real_path: RealPaths) -> object:
    """Return what tells a file from others, links or not; the path of one that is not there; None for a device or pipe."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return real_path(path)
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None
