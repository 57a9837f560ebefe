"""Which files are taken for inputs, by their names, where folders, archives and globs are searched; which are left out.

Takes: names. Returns: whether they are. Raises: `UsageError` or `OptionError` for what is no glob. Holds: the globs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from exportstream.errors import OptionError, UsageError
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


class Exclude:
    """Globs for files and folders; a folder that fits is left out with everything in it.

    Args:
        globs: one, or several. One without ``/`` fits the name of a file or folder anywhere in a path, one with ``/`` a path
            from its start, one that begins with ``/`` the absolute path; ``**`` stands for any folders.
    """

    def __init__(self, globs: str | Iterable[str]) -> None:
        self._globs: list[tuple[bool, list[str]]] = []  # whether it is absolute, and its parts
        if not isinstance(globs, Iterable):
            raise OptionError(f"expected exclude to be a glob or several, got {globs!r}")
        for glob in [globs] if isinstance(globs, str) else globs:
            if not isinstance(glob, str):
                raise OptionError(f"expected exclude to be a glob or several, got {globs!r}")
            if not glob.strip("/"):
                raise UsageError(f"expected a glob for `exclude`, got {glob!r}", hint="give one such as '*.bak.json'")
            parts = _parts(glob)
            is_absolute = glob.startswith("/")
            self._globs.append((is_absolute, ["**", *parts] if len(parts) == 1 and not is_absolute else parts))

    def __bool__(self) -> bool:
        return bool(self._globs)

    def __call__(self, *paths: str) -> bool:
        """Whether a glob fits one of the paths of an input, or a folder in it; the first is its path from here."""
        return any(
            _fits(_parts(path), glob)
            for is_absolute, glob in self._globs
            for path in ([os.path.abspath(paths[0])] if is_absolute else paths)
        )


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _fits(parts: Sequence[str], glob: Sequence[str]) -> bool:
    if not glob:
        return True  # what is left of the path is in a folder that fits
    if glob[0] == "**":
        return any(_fits(parts[at:], glob[1:]) for at in range(len(parts) + (len(glob) > 1)))
    return bool(parts) and fnmatchcase(parts[0], glob[0]) and _fits(parts[1:], glob[1:])
