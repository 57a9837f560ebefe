"""Finds outputs in a folder whose inputs were removed. They stay, and are no inputs: nothing here removes an output.

Takes: the manifest of the folder. Returns: names of outputs, or jobs. Raises: nothing. Holds: those.
"""

from __future__ import annotations

import os
from collections.abc import Container

from exportstream.conversion.job import ConvertJob
from exportstream.conversion.manifest import Manifest
from exportstream.conversion.merged import input_names
from exportstream.errors import ExportstreamError
from exportstream.storage.names import is_stream, is_url
from exportstream.storage.zip import SEPARATOR, list_members, split_member


def outputs_without_input(manifest: Manifest, others: Container[str]) -> list[str]:
    """Return the outputs in a folder that were made of files which are no longer there.

    Args:
        manifest: of the folder.
        others: names of outputs within the folder whose inputs are there.
    """
    folder = os.path.realpath(manifest.folder)
    found: list[str] = []
    there = _Files()
    with manifest.open() as records:
        for output in sorted(records.positions):
            path = os.path.join(manifest.folder, output)
            record = None if output in others or not os.path.lexists(path) else records.get(output)
            names = [] if record is None else input_names(record)
            if names and not any(is_stream(name) or is_url(name) or there.has(os.path.join(folder, name)) for name in names):
                found.append(path)
    return found


def without_outputs(jobs: list[ConvertJob], manifest: Manifest) -> list[ConvertJob]:
    """Leave out inputs that were found in a folder and are outputs of inputs that are no longer there."""
    with manifest.open() as records:
        made = records.positions
        return [job for job in jobs if not made or job.input.named or manifest.name_of(job.source) not in made]


class _Files:
    """Finds files, and members of archives, whose lists are read once."""

    def __init__(self) -> None:
        self._members: dict[str, set[str]] = {}

    def has(self, path: str) -> bool:
        """Whether there is a file or a member under a path; also where an archive can't be read, and so nobody can tell."""
        if SEPARATOR not in path or (found := split_member(path)) is None:
            return os.path.lexists(path)
        archive, member = found
        try:
            if archive not in self._members:
                self._members[archive] = {name for name, _ in list_members(archive)}
        except ExportstreamError:
            return True
        return member in self._members[archive]
