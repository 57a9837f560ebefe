"""Finds outputs in a folder whose inputs were removed. They stay, and are no inputs: nothing here removes an output.

Takes: the manifest of the folder. Returns: names of outputs, or jobs. Raises: nothing. Holds: those.
"""

from __future__ import annotations

import os
from collections.abc import Container

from exportstream.conversion.job import ConvertJob
from exportstream.conversion.manifest import Manifest
from exportstream.storage.names import is_stream, is_url
from exportstream.storage.zip import SEPARATOR


def outputs_without_input(manifest: Manifest, others: Container[str]) -> list[str]:
    """Return the outputs in a folder that were made of files which are no longer there.

    Args:
        manifest: of the folder.
        others: names of outputs within the folder whose inputs are there.
    """
    folder = os.path.realpath(manifest.folder)
    found: list[str] = []
    with manifest.open() as records:
        for output in sorted(records.positions):
            path = os.path.join(manifest.folder, output)
            record = None if output in others or not os.path.lexists(path) else records.get(output)
            name = "" if record is None else str(record.input.get("name") or "")
            if name and not is_stream(name) and not is_url(name) and not _is_there(os.path.join(folder, name)):
                found.append(path)
    return found


def without_outputs(jobs: list[ConvertJob], manifest: Manifest) -> list[ConvertJob]:
    """Leave out inputs that were found in a folder and are outputs of inputs that are no longer there."""
    with manifest.open() as records:
        made = records.positions
        return [job for job in jobs if not made or job.input.named or manifest.name_of(job.source) not in made]


def _is_there(path: str) -> bool:
    """Whether there is a file, or the archive of a member, under a path."""
    return os.path.lexists(path) or (SEPARATOR in path and os.path.lexists(path.partition(SEPARATOR)[0]))
