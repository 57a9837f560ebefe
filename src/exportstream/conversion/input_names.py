"""What names of inputs say: which files are taken for inputs where folders are searched, and which belong together.

Takes: names. Returns: whether they are. Raises: `UsageError` or `OptionError` for what is no glob. Holds: the globs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from exportstream.errors import ExportstreamError, OptionError, UsageError
from exportstream.errors.patterns import late_pattern
from exportstream.reading.formats import HEAD
from exportstream.reading.formats.claude_code.recognise import PRODUCER
from exportstream.reading.formats.registry import recognise
from exportstream.storage.joined_files import FileWithParts
from exportstream.storage.names import COMPRESSED
from exportstream.storage.source import open_source
from exportstream.storage.zip import split_member
from exportstream.writing.outputs import MANIFEST, REJECTS

_SUB_AGENT = late_pattern(r"(.*[^/])/subagents/(?:.*/)?agent-[^/]+\.jsonl(?:\.\w+)?", re.DOTALL)
_SUFFIXES = tuple(f".jsonl{suffix}" for suffix in ("", *COMPRESSED))


def files_of(source: str, parts: tuple[str, ...]) -> Any:
    """An input for reading, with its parts."""
    return FileWithParts(source, parts) if parts else source


def owner_of(source: str, others: Container[str]) -> str | None:
    """The file of the session that a file of a sub-agent belongs to, if it is among others; None for every other file."""
    found = _SUB_AGENT.fullmatch(source)
    if found is None:
        return None
    return next((found[1] + suffix for suffix in _SUFFIXES if found[1] + suffix in others), None)


def folder_of_sub_agents(source: str) -> str:
    """The folder that the files of sub-agents are in, if the file is that of a session."""
    stem = next((source.removesuffix(suffix) for suffix in _SUFFIXES if source.endswith(suffix)), source)
    return os.path.join(stem, "subagents")


def size_of(part: str) -> int:
    """Bytes of a part as stored; 0 if it can't be read, since reading will report it."""
    try:
        return os.stat(part).st_size
    except OSError:
        return 0


def is_transcript(path: str) -> bool:
    """Whether a file is a transcript, by its content."""
    if split_member(path) is None and not os.path.isfile(path):
        return False
    try:
        with open_source(path) as source:
            format_ = recognise(source.peek(HEAD))
    except ExportstreamError:  # reading will report it
        return True
    return format_ is not None and format_.producer == PRODUCER


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
