"""Names of inputs and outputs: paths, URLs and ``-``; whether something has a name, and whether there is a file under it.

Takes: what a user gives as an input or output. Raises: `UsageError` and `TypeError` for a source that can't be one,
and what `remote.urls` raises. Holds: nothing.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any, TypeGuard

from exportstream.errors import UsageError, shown
from exportstream.errors.patterns import late_pattern
from exportstream.storage.file_state import state_of_file
from exportstream.storage.remote.urls import is_remote, local_path
from exportstream.storage.zip import identity_of, is_zip, split_member, state_of_archive, zip_file_of

Name = str | os.PathLike[str]  # a path, a URL, or `-`
STDIN = "<stdin>"  # how standard input is called in messages
COMPRESSED = (".zst", ".zstd", ".gz", ".bz2", ".xz")  # suffixes of files that are decompressed
_HINT = "give them one by one"
_JSON_TEXT = late_pattern(r"\s*(\{\s*[\"}]|\[\s*(\{|\]\s*$))")
_MAGIC = late_pattern(r"[*?\[]")


class RealPaths:
    """`os.path.realpath` for many paths: it looks at each folder and path once. Keep it for a moment only."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}
        self._found: dict[str, str] = {}

    def __call__(self, path: str) -> str:
        """Return the path without links, from the root on."""
        if (known := self._found.get(path)) is not None:
            return known
        folder, name = os.path.split(path)
        if name in ("", ".", ".."):
            return os.path.realpath(path)
        real = self._folders.get(folder)
        if real is None:
            real = self._folders[folder] = os.path.realpath(folder)
        found = os.path.join(real, name)
        found = self._found[path] = os.path.realpath(found) if os.path.islink(found) else found
        return found

    def of_file(self, name: str) -> str:
        """Return a text that is the same for all names of a file; of a member its archive's, ``-`` and URLs as they are."""
        return name if is_stream(name) or is_url(name) else self(zip_file_of(name))


class RelativePaths:
    """`os.path.relpath` for many paths: it works out each folder once. Keep it for a moment only."""

    def __init__(self) -> None:
        self._folders: dict[tuple[str, str], str] = {}

    def __call__(self, path: str, start: str) -> str:
        """Return the path as seen from the folder `start`."""
        folder, name = os.path.split(path)
        if name in ("", ".", ".."):
            return os.path.relpath(path, start)
        inner = self._folders.get((folder, start))
        if inner is None:
            inner = self._folders[folder, start] = os.path.relpath(folder or ".", start)
        if os.path.basename(inner) == "..":  # the path may lead back down into `start`
            return os.path.relpath(path, start)
        return name if inner == "." else os.path.join(inner, name)


def is_name(given: Any) -> TypeGuard[Name]:
    """Whether an input or output was given by its name (``-`` included), not as bytes or a file object."""
    return isinstance(given, (str, os.PathLike))


def is_stream(given: Any) -> bool:
    """Whether it is ``-``: standard input or output."""
    return is_name(given) and os.fspath(given) == "-"


def has_name(given: Any) -> TypeGuard[Name]:
    """Whether an input or output was given by its name, and is not ``-``."""
    return is_name(given) and not is_stream(given)


def is_direct(name: str) -> bool:
    """Whether a name is that of a device, a FIFO or a socket, which is written directly."""
    try:
        mode = os.stat(local_path(name)).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_once(given: Any) -> bool:
    """Whether an input named so can be read once only: standard input, a FIFO or a device, as ``<(...)`` of a shell."""
    return is_stream(given) or (is_name(given) and is_direct(os.fsdecode(given)))


def is_piped(given: Any) -> bool:
    """Whether the bytes of an input named so come one after the other: it `is_once`, or a URL."""
    return is_once(given) or (is_name(given) and is_url(given))


def is_terminal(target: Any) -> bool:
    """Whether an output is standard output and that is a terminal, or a terminal by its name."""
    if is_stream(target):
        return sys.stdout is not None and sys.stdout.isatty()
    if not is_name(target) or not is_direct(os.fsdecode(target)):
        return False
    path = local_path(os.fsdecode(target))
    ours = [os.fstat(fd).st_rdev for fd in range(3) if os.isatty(fd)]
    return os.path.realpath(path) == "/dev/tty" or os.stat(path).st_rdev in ours


def is_url(name: Any) -> bool:
    """Whether a name is a URL; a ``file://`` URL is a path."""
    return isinstance(name, str) and is_remote(name)


def is_folder(name: str) -> bool:
    """Whether an input's name is that of a folder, also of one that is missing: a name that ends in ``/`` is no file."""
    return os.path.isdir(name) or name.endswith("/")


def is_glob(name: str) -> bool:
    """Whether an input's name is a glob; a file that exists is none, and neither is a member of a zip archive."""
    return _MAGIC.search(name) is not None and not os.path.lexists(name) and split_member(name) is None


def fixed_part(pattern: str) -> str:
    """Return the folder that everything is in that a glob can fit."""
    return os.path.dirname(pattern[: _MAGIC.search(pattern).start()])  # type: ignore[union-attr]


def stands_for_several(source: str) -> bool:
    """Whether a name is that of a folder, a zip archive or a glob; a folder or glob also as a URL. Nothing is listed."""
    name = local_path(source)
    if is_stream(name):
        return False
    if is_url(name):
        from exportstream.storage.remote import listing  # noqa: PLC0415 - an extra

        return listing.is_pattern(name) or is_zip(name)
    return is_folder(name) or is_glob(name) or is_zip(name)


def require_one(source: Any, *, hint: str = _HINT) -> None:
    """As `refuse_misuse`; raise `UsageError` for a folder, a zip archive and a pattern, too."""
    refuse_misuse(source, hint=hint)
    if not is_name(source) or not stands_for_several(os.fsdecode(source)):
        return
    name = local_path(os.fsdecode(source))
    if is_zip(name):
        hint = f"name a member (FILE.zip::NAME), or {hint}"
        raise UsageError(f"expected one input, got a zip archive: {shown(name)}", hint=hint)
    raise UsageError(f"expected one input, got a folder or a pattern: {shown(os.fsdecode(source))}", hint=hint)


def refuse_empty(name: Name) -> None:
    """Raise `UsageError` for an empty name, which the system would call a file that does not exist, without a name."""
    if not os.fspath(name):
        raise UsageError("expected a name, got an empty text", hint="a variable that gives it may not be set")


def refuse_misuse(source: Any, *, hint: str = _HINT) -> None:
    """Refuse what can't be one input.

    Raises:
        UsageError: it is an empty name, JSON as a string, or several paths, for which there is the hint.
        TypeError: it gives no bytes.
    """
    if isinstance(source, Mapping) or not (is_name(source) or hasattr(source, "read") or isinstance(source, Iterable)):
        what = "expected a path, '-', bytes, a binary file object or chunks of bytes"
        raise TypeError(f"{what}, got {type(source).__name__}")
    if is_name(source):
        refuse_empty(source)
    if isinstance(source, str) and _JSON_TEXT.match(source):
        raise UsageError(
            f"expected a path, a URL, '-' or bytes, got JSON as a string: {source[:40]!r}",
            hint="encode it to bytes, or give - to read standard input",
        )
    if isinstance(source, io.TextIOBase):
        raise TypeError("expected a file opened for bytes (mode 'rb'), got one opened for text")
    if isinstance(source, (list, tuple, set, frozenset)) and any(map(is_name, source)):
        raise UsageError(f"expected one input, got a {type(source).__name__} of paths", hint=hint)


def modified(name: str) -> float | None:
    """Return when a file or an object was last changed, in nanoseconds since 1970; None if that is not known."""
    if is_url(name):
        from exportstream.storage.remote import listing  # noqa: PLC0415 - an extra

        instant = listing.modified(zip_file_of(name))
        return None if instant is None else instant.timestamp() * 1e9
    try:
        return os.stat(zip_file_of(name)).st_mtime_ns
    except OSError:
        return None


def state_of(name: str) -> dict[str, Any] | None:
    """Return what changes if an input is replaced or grows; None if that is not known.

    Returns:
        The `size` and the time it was `modified` (nanoseconds since 1970) of a file, or of the zip archive that it is in;
        the `version` of a URL.
    """
    try:
        if (archive := zip_file_of(name)) != name:
            return state_of_archive(archive, identity_of(archive))
        if is_url(name):
            from exportstream.storage.remote.reader import RemoteFile  # noqa: PLC0415 - an extra

            with closing(RemoteFile(name)) as file:
                return file.state
        return state_of_file(os.stat(name))
    except OSError:  # reading it will report the error
        return None


def exists(name: str) -> bool:
    """Whether there is anything under a name."""
    if is_url(name):
        from exportstream.storage.remote import listing  # noqa: PLC0415 - an extra

        return listing.exists(name)
    return os.path.lexists(name)
