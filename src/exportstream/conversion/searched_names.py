"""Which files are taken for inputs, by their names, where folders, archives and globs are searched.

Takes: names. Returns: whether they are. Raises, holds: nothing.
"""

from __future__ import annotations

import os

from exportstream.storage.names import COMPRESSED
from exportstream.writing.outputs import MANIFEST, REJECTS


def is_searched_name(name: str) -> bool:
    """Whether a file in a folder is looked at: its name is that of an export or a zip archive."""
    return is_export_name(name) or (name.lower().endswith(".zip") and not name.startswith("."))


def is_searched_member(member: str) -> bool:
    """The same for a member of an archive, with the folders in its name; none may be hidden."""
    parts = [part for part in member.split("/") if part not in ("", ".", "..")]
    return bool(parts) and not any(part.startswith(".") for part in parts) and is_searched_name(parts[-1])


def is_export_name(name: str) -> bool:
    """Whether a file in a folder is taken as an export: by its suffixes, not hidden, and not our own rejects."""
    plain = _without_compression(name)
    return plain.endswith((".json", ".ndjson", ".jsonl")) and not plain.startswith(".") and not is_rejects_name(name)


def is_rejects_name(name: str) -> bool:
    """Whether a file has the name of our own rejects, or of a manifest."""
    return _without_compression(name).endswith((REJECTS, MANIFEST))


def _without_compression(name: str) -> str:
    plain = os.path.basename(name).lower()
    while os.path.splitext(plain)[1] in COMPRESSED:
        plain = os.path.splitext(plain)[0]
    return plain
