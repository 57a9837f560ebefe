"""Finds inputs: files, folders, globs, URLs and ``-`` become a list of inputs, each with a name for its output.

Takes: what a user names. Returns: `Input`. Raises: `UsageError` where nothing is found, `ReadError` where a folder can't be
read. Holds: one `Input` for each file.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Collection, Iterator
from typing import Any

from msgspec import Struct

from exportstream.errors import ReadError, UsageError
from exportstream.storage.names import is_url
from exportstream.storage.remote.urls import local_path
from exportstream.writing.outputs import REJECTS

_MAGIC = re.compile(r"[*?\[]")
_ANY_FOLDERS = re.compile(r"(?:^|(?<=/))\*\*(?:/+|$)")


class Input(Struct, frozen=True):
    """One input.

    Attributes:
        source: a path, a URL, or ``-``.
        relative: the name its output is called after: within the folder or glob it was found by, else the file's own.
        named: whether it was named itself, not found in a folder or by a glob.
    """

    source: str
    relative: str
    named: bool = False

    @property
    def size(self) -> int | None:
        """Bytes as stored, None where that is not known."""
        try:
            found = None if self.source == "-" or is_url(self.source) else os.stat(self.source)
        except OSError:  # it is the reading's to say
            return 0
        return found.st_size if found is not None and stat.S_ISREG(found.st_mode) else None


def find_inputs(sources: Any, *, without: Collection[Any] = ()) -> list[Input]:
    """Find all inputs.

    Args:
        sources: files, folders (every file in them that looks like an export; hidden ones and links to folders are left
            out), globs (``**`` for any folders; hidden ones and our own rejects are left out), URLs (also with ``*`` or
            ending in ``/``), ``-``. One name alone is one source. What is found twice is taken once.
        without: folders and files that are left out where folders and globs are searched: what is written.

    Raises:
        UsageError: there is none, or a folder or glob holds no export.
        ReadError: a folder can't be read.
    """
    found: list[Input] = []
    left_out = {os.path.realpath(path) for path in without if isinstance(path, (str, os.PathLike)) and not is_url(path)}
    for source in [sources] if isinstance(sources, (str, os.PathLike)) else sources:
        if not isinstance(source, (str, os.PathLike)):
            raise TypeError(f"expected a path, a folder, a glob, a URL or '-', got {type(source).__name__}")
        name = local_path(os.fsdecode(source))
        before = len(found)
        found += _find(name, left_out)
        if len(found) == before:
            raise UsageError(
                "no exports found", source=name, hint="folders are searched for .json, .ndjson and .jsonl files"
            )
    if not found:
        raise UsageError("expected at least one input, found none")
    once: dict[str, Input] = {}
    for one in found:
        key = one.source if one.source == "-" or is_url(one.source) else os.path.realpath(one.source)
        if key not in once or (one.named and not once[key].named):
            once[key] = one
    return list(once.values())


def _find(name: str, without: set[str]) -> Iterator[Input]:
    if name == "-":
        yield Input("-", "stdin", named=True)
    elif is_url(name):
        from exportstream.storage.remote import listing  # noqa: PLC0415 - an extra

        named = not listing.is_pattern(name)
        for url, relative in listing.list_urls(name):
            if named or looks_like_export(relative):
                yield Input(url, relative, named)
    elif os.path.isdir(name):
        yield from _walk(name, without)
    elif _MAGIC.search(name) and not os.path.lexists(name):
        yield from _match(name, without)
    else:  # also where it is missing: that is the reading's to say
        yield Input(name, os.path.basename(name), named=True)


def _walk(folder: str, without: set[str]) -> Iterator[Input]:
    for place, files in _folders(folder, without):
        for name in sorted(filter(looks_like_export, files)):
            path = os.path.join(place, name)
            if _is_input(path) and os.path.realpath(path) not in without:
                yield Input(path, os.path.relpath(path, folder))


def _folders(folder: str, without: set[str]) -> Iterator[tuple[str, list[str]]]:
    """A folder and all folders in it with the names of their files, in order; hidden ones and links are not entered."""

    def fail(error: OSError) -> None:
        raise ReadError(error.strerror or str(error), source=error.filename) from error

    for place, folders, files in os.walk(folder, onerror=fail):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and os.path.realpath(os.path.join(place, name)) not in without
        )
        yield place, files


def _match(pattern: str, without: set[str]) -> Iterator[Input]:
    fixed = os.path.dirname(pattern[: _MAGIC.search(pattern).start()])  # type: ignore[union-attr]
    above = os.path.realpath(fixed)  # a folder left out counts below this one only, as where a folder is searched
    below = tuple(os.path.join(path, "") for path in without if path.startswith(os.path.join(above, "")))
    for path in sorted(set(_paths(pattern, without))):
        real = os.path.realpath(path)
        if _is_input(path) and real not in without and not real.startswith(below) and not is_rejects(path):
            yield Input(path, os.path.relpath(path, fixed or "."))


def _paths(pattern: str, without: set[str]) -> Iterator[str]:
    """What a glob matches; unlike that of `glob`, ``**`` does not follow links, so that a loop of them ends."""
    stars = _ANY_FOLDERS.search(pattern)
    if stars is None:
        yield from glob.iglob(pattern)
        return
    before, rest = pattern[: stars.start()], pattern[stars.end() :] or "*"
    for start in glob.iglob(before) if before else (".",):
        for place, _ in _folders(start, without):
            inner = os.path.normpath(place) if before else os.path.relpath(place)
            yield from _paths(os.path.join("" if inner == "." else glob.escape(inner), rest), without)


def _is_input(path: str) -> bool:
    """Whether what was found is to be read: not a folder, and nothing that waits for a writer; also a link to nothing."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return True


def looks_like_export(name: str) -> bool:
    """Whether a file found in a folder is taken for an export: by its suffixes, not hidden, and not our own rejects."""
    plain = _without_compression(name)
    return plain.endswith((".json", ".ndjson", ".jsonl")) and not plain.startswith(".") and not is_rejects(name)


def is_rejects(name: str) -> bool:
    """Whether a file is called as our own rejects are."""
    return _without_compression(name).endswith(REJECTS)


def _without_compression(name: str) -> str:
    plain = os.path.basename(name).lower()
    while os.path.splitext(plain)[1] in (".zst", ".zstd", ".gz", ".bz2", ".xz"):
        plain = os.path.splitext(plain)[0]
    return plain
