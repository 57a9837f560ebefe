"""What the manifest of a folder says of earlier runs: outputs that a run leaves as they are, and what a merge was made of.

Takes: the manifest, and jobs or names of inputs. Returns: names of outputs or inputs, or jobs. Raises: `ReadError`.
Holds: those. Nothing here removes an output.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from exportstream.conversion.input_names import folder_of_sub_agents, owner_of
from exportstream.conversion.inputs import find_inputs
from exportstream.conversion.jobs import ConvertJob
from exportstream.conversion.manifest import Manifest, Record, notes_of
from exportstream.errors import ExportstreamError
from exportstream.models.notes import Notes
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


class Before(Struct):
    """The last merge to an output.

    Attributes:
        inputs: names of those that were read, relative to the folder.
        notes: what was refused of them and is in no row, or may be wrong.
        fits: whether the output is the one that was recorded, and was made with the same options.
    """

    inputs: list[str]
    notes: Notes
    fits: bool


def made_of(manifest: Manifest, sources: Iterable[str], failed: Iterable[str]) -> dict[str, Any]:
    """Return the names of the inputs of a merge, relative to the folder: those that were read, and those that failed."""
    names = manifest.name_of_input
    return {"inputs": [*map(names, sources)], "failed": [*map(names, failed)]}


def was_made_of(manifest: Manifest, output: str, options: dict[str, Any]) -> Before | None:
    """Return what an output was made of; None if that is not recorded, as of a merge without ``update``.

    It does not fit if it was made with other options than these, as of `manifest.options_of`, or has another size.
    """
    with manifest.open() as records:
        record = records.get(manifest.name_of(output))
    if record is None:
        return None
    fits = record.options == options and (state_of(output) or {}).get("size") == record.bytes
    return Before(input_names(record), notes_of(record), fits)


def input_names(record: Record) -> list[str]:
    """Return the names of all inputs of an output."""
    return _texts(record.input.get("inputs")) or _texts([record.input.get("name")])


def _texts(names: Any) -> list[str]:
    """Return what is text: anybody may have written the manifest."""
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
