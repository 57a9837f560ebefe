"""Finds outputs in a folder that a run leaves as they are. They stay, and are no inputs: nothing here removes an output.

Takes: the manifest of the folder. Returns: names of outputs, or jobs. Raises: nothing. Holds: those.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from exportstream.conversion.inputs import find_inputs
from exportstream.conversion.jobs import ConvertJob
from exportstream.conversion.log_files import folder_of_sub_agents, owner_of
from exportstream.conversion.manifest import Manifest, Record
from exportstream.conversion.merged import input_names
from exportstream.errors import ExportstreamError
from exportstream.storage.joined_files import with_parts
from exportstream.storage.names import is_stream, is_url, modified, state_of
from exportstream.storage.zip import SEPARATOR, list_members, split_member, zip_file_of


def outputs_left(manifest: Manifest, jobs: Iterable[ConvertJob]) -> tuple[list[str], list[str]]:
    """Return the outputs in a folder that were made of files which are no longer there, and those that jobs don't update.

    Args:
        manifest: of the folder.
        jobs: all of a run.

    Returns:
        Two lists of paths. Outputs in the second one have another name, format or table than those that the jobs make of
        the same inputs. Merges are in none while one of their inputs is there: they are updated by a run of their own.
    """
    folder = os.path.realpath(manifest.folder)
    made = {manifest.name_of(output.target) for job in jobs for output in job.outputs}
    given = {manifest.name_of_input(job.source) for job in jobs}
    without_input: list[str] = []
    not_updated: list[str] = []
    there = _Files()
    with manifest.open() as records:
        for output in sorted(records.positions):
            path = os.path.join(manifest.folder, output)
            record = None if output in made or not os.path.lexists(path) else records.get(output)
            names = [] if record is None else input_names(record)
            if len(names) == 1 and names[0] in given:
                not_updated.append(path)
            elif names and not any(is_stream(one) or is_url(one) or there.has(os.path.join(folder, one)) for one in names):
                without_input.append(path)
    return without_input, not_updated


def has_changed_input(manifest: Manifest, record: Record) -> bool:
    """Whether an input of an output is a file that is there and changed since, by the rules of `update`.

    It, or the files of sub-agents that were read with it, have another size or time; of a merge, one of them is newer than
    the output.
    """
    folder = os.path.realpath(manifest.folder)
    names = [one for one in input_names(record) if not (is_stream(one) or is_url(one))]
    paths = [path for path in (os.path.join(folder, one) for one in names) if os.path.lexists(zip_file_of(path))]
    if "inputs" in record.input:
        written = modified(os.path.join(folder, record.output))
        return written is not None and any(
            (modified(one) or 0) > written for path in paths for one in (path, *_parts_of(path))
        )
    if not paths or not {"size", "modified"} <= record.input.keys():
        return False
    parts = _parts_of(paths[0]) if "parts" in record.input else []
    state = with_parts(state_of(paths[0]) or {}, map(state_of, parts))
    return bool(state) and {"name": names[0], **state} != record.input


def _parts_of(path: str) -> list[str]:
    """Return the files of sub-agents that a search finds beside the log of a session."""
    folder = folder_of_sub_agents(path)
    if not os.path.isdir(folder):
        return []
    try:
        return [one.source for one in find_inputs([folder]) if owner_of(one.source, (path,)) is not None]
    except ExportstreamError:  # there is none any more, or it can't be read
        return []


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
