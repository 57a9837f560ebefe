"""Globs of inputs that are left out.

Takes: globs. Returns: whether one of them fits a path. Raises: `UsageError` for an empty glob,
an `OptionError` for what is none. Holds: the globs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from exportstream.errors import OptionError, UsageError


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
