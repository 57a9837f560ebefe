"""What a name is: a path or a URL, whether it exists, and when it was changed."""

from __future__ import annotations

import os
from typing import Any

from exportstream.storage.remote.urls import is_remote


def is_url(name: Any) -> bool:
    """Whether a name is a URL that names no path."""
    return isinstance(name, str) and is_remote(name)


def modified(name: str) -> float | None:
    """When a file or an object was changed last, in nanoseconds since 1970; None where it does not exist or say so."""
    if is_url(name):
        from exportstream.storage.remote import listing  # noqa: PLC0415 - an extra

        instant = listing.modified(name)
        return None if instant is None else instant.timestamp() * 1e9
    try:
        return os.stat(name).st_mtime_ns
    except OSError:
        return None


def exists(name: str) -> bool:
    """Whether there is anything under a name."""
    if is_url(name):
        from exportstream.storage.remote import listing  # noqa: PLC0415 - an extra

        return listing.exists(name)
    return os.path.lexists(name)
