"""Finds inputs: files, folders, globs, URLs and ``-`` become a list of inputs, each with a name for its output.

Takes: what a user names. Returns: `Input`. Raises: `UsageError` where nothing is found, `ReadError` where a folder can't be
read. Holds: one `Input` for each file.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from msgspec import Struct

from exportstream.errors import ReadError, UsageError
from exportstream.outputs import looks_like_export

_MAGIC = re.compile(r"[*?\[]")


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
        found = self._stat()
        return None if found is None else found.st_size

    @property
    def modified(self) -> float | None:
        """When it was changed last, in nanoseconds since 1970, None where that is not known."""
        return modified(self.source)

    def _stat(self) -> os.stat_result | None:
        try:
            return None if self.source == "-" or is_url(self.source) else os.stat(self.source)
        except OSError:
            return None


def is_url(name: Any) -> bool:
    """Whether a name is a URL."""
    return isinstance(name, str) and "://" in name


def modified(name: str) -> float | None:
    """When a file or an object was changed last, in nanoseconds since 1970; None where it does not exist or say so."""
    if is_url(name):
        from exportstream import remote  # noqa: PLC0415 - an extra

        instant = remote.modified(name)
        return None if instant is None else instant.timestamp() * 1e9
    try:
        return os.stat(name).st_mtime_ns
    except OSError:
        return None


def find_inputs(sources: Iterable[Any], *, without: Collection[Any] = ()) -> list[Input]:
    """Find all inputs.

    Args:
        sources: files, folders (every file in them that looks like an export, hidden ones left out), globs (``**`` for
            any folders), URLs (also with ``*`` or ending in ``/``), ``-``.
        without: folders and files that are left out where folders and globs are searched: what is written.

    Raises:
        UsageError: a folder or glob holds no export.
        ReadError: a folder can't be read.
    """
    found: list[Input] = []
    left_out = {os.path.realpath(path) for path in without if isinstance(path, (str, os.PathLike)) and not is_url(path)}
    for source in sources:
        if not isinstance(source, (str, os.PathLike)):
            raise TypeError(f"expected a path, a folder, a glob, a URL or '-', got {type(source).__name__}")
        name = os.fspath(source)
        before = len(found)
        found += _find(name, left_out)
        if len(found) == before:
            raise UsageError(
                "no exports found", source=name, hint="folders are searched for .json, .ndjson and .jsonl files"
            )
    return found


def _find(name: str, without: set[str]) -> Iterator[Input]:
    if name == "-":
        yield Input("-", "stdin", named=True)
    elif is_url(name):
        if not _MAGIC.search(name) and not name.endswith("/"):
            yield Input(name, name.rsplit("/", 1)[1].partition("?")[0], named=True)
            return
        from exportstream import remote  # noqa: PLC0415 - an extra

        yield from (Input(url, relative) for url, relative in remote.list_urls(name) if looks_like_export(relative))
    elif os.path.isdir(name):
        yield from _walk(name, without)
    elif _MAGIC.search(name) and not os.path.lexists(name):
        fixed = _fixed_part(name)
        for path in sorted(glob.iglob(name, recursive=True)):
            if os.path.isfile(path) and os.path.realpath(path) not in without:
                yield Input(path, os.path.relpath(path, fixed) if fixed else path)
    else:  # also where it is missing: that is the reading's to say
        yield Input(name, os.path.basename(name), named=True)


def _walk(folder: str, without: set[str]) -> Iterator[Input]:
    def fail(error: OSError) -> None:
        raise ReadError(error.strerror or str(error), source=error.filename) from error

    for place, folders, files in os.walk(folder, onerror=fail):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and os.path.realpath(os.path.join(place, name)) not in without
        )
        for name in sorted(filter(looks_like_export, files)):
            path = os.path.join(place, name)
            if os.path.realpath(path) not in without:
                yield Input(path, os.path.relpath(path, folder))


def _fixed_part(pattern: str) -> str:
    """The folders of a glob before its first special character."""
    return os.path.dirname(pattern[: _MAGIC.search(pattern).start()])  # type: ignore[union-attr]
