"""What the system says of a file, as far as it tells whether the file has changed."""

from __future__ import annotations

import io
import os
import stat
from typing import Any


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


def state_of_file(found: os.stat_result) -> dict[str, Any] | None:
    """Return the size of a file and when it was modified, as of `names.state_of`; None for anything but a regular file."""
    return {"size": found.st_size, "modified": found.st_mtime_ns} if stat.S_ISREG(found.st_mode) else None
