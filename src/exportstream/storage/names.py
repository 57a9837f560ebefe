"""Names of inputs and outputs: paths, URLs and ``-``; whether something has a name, and whether there is a file under it.

Takes: what a user gives as an input or output. Raises: `UsageError` for a source that can't be one, and what `remote.urls`
raises. Holds: nothing.
"""

from __future__ import annotations

import io
import os
import re
import stat
import sys
from typing import Any, TypeGuard

from exportstream.errors import UsageError
from exportstream.storage.remote.urls import is_remote, local_path

__all__ = [
    "exists",
    "identity",
    "is_direct",
    "is_name",
    "is_stream",
    "is_terminal",
    "is_url",
    "modified",
    "refuse_misuse",
    "stat_regular",
    "state_of",
    "state_of_file",
]

HINT_AT_SEVERAL = "convert_many or merge_many takes several"

_JSON_TEXT = re.compile(r"\s*(\{\s*[\"}]|\[\s*\{)")


def is_name(given: Any) -> TypeGuard[str | os.PathLike[str]]:
    """Whether an input or output was given by its name (``-`` included), not as bytes or a file object."""
    return isinstance(given, (str, os.PathLike))


def is_stream(given: Any) -> bool:
    """Whether it is ``-``: standard input or output."""
    return is_name(given) and os.fspath(given) == "-"


def is_direct(name: str) -> bool:
    """Whether a name is that of a device, a FIFO or a socket, which is written directly."""
    try:
        mode = os.stat(local_path(name)).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


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


def refuse_misuse(source: Any) -> None:
    """Raise `UsageError` for JSON as a string, and for several paths in place of one input."""
    if isinstance(source, str) and _JSON_TEXT.match(source):
        raise UsageError(
            f"expected a path, a URL, '-' or bytes, got JSON as a string: {source[:40]!r}",
            hint="encode it to bytes, or give - to read standard input",
        )
    if isinstance(source, (list, tuple, set, frozenset)) and any(map(is_name, source)):
        raise UsageError(f"expected one input, got a {type(source).__name__} of paths", hint=HINT_AT_SEVERAL)


def modified(name: str) -> float | None:
    """Return when a file or an object was last changed, in nanoseconds since 1970; None if that is not known."""
    if is_url(name):
        from exportstream.storage.remote import listing  # noqa: PLC0415 - an extra

        instant = listing.modified(name)
        return None if instant is None else instant.timestamp() * 1e9
    try:
        return os.stat(name).st_mtime_ns
    except OSError:
        return None


def state_of(name: str) -> dict[str, Any] | None:
    """Return what changes if an input is replaced or grows; None if that is not known.

    Returns:
        The `size` and the time it was `modified` (nanoseconds since 1970) of a file, the `version` of a URL.
    """
    if is_url(name):
        from exportstream.storage.remote import listing  # noqa: PLC0415 - an extra

        return listing.state_of(name)
    try:
        return state_of_file(os.stat(name))
    except OSError:
        return None


def state_of_file(found: os.stat_result) -> dict[str, Any] | None:
    """As `state_of`; None for anything but a regular file."""
    return {"size": found.st_size, "modified": found.st_mtime_ns} if stat.S_ISREG(found.st_mode) else None


def exists(name: str) -> bool:
    """Whether there is anything under a name."""
    if is_url(name):
        from exportstream.storage.remote import listing  # noqa: PLC0415 - an extra

        return listing.exists(name)
    return os.path.lexists(name)


def stat_regular(file: Any) -> os.stat_result | None:
    """What the system says of an open file; None for anything but a regular file."""
    raw = getattr(file, "file", file)  # tempfile's wrapper
    raw = getattr(raw, "raw", raw)
    if not isinstance(raw, io.FileIO):
        return None
    found = os.fstat(raw.fileno())
    return found if stat.S_ISREG(found.st_mode) else None


def identity(found: os.stat_result | None) -> tuple[int, ...]:
    """What changes if a file is replaced, grows or is written to."""
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns) if found else ()
