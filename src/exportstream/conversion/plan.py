"""Plans many conversions: decides and checks their outputs before any work.

Takes: inputs, a folder, options. Returns: `ConvertJob`. Raises: `UsageError` for outputs that exist, that are inputs, or
that two inputs would share, and for options that do not fit; `WriteError` if a folder can't be made. Holds: a job for each
input.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

from msgspec.structs import replace

from exportstream.conversion.inputs import Input
from exportstream.conversion.jobs import ConvertJob
from exportstream.conversion.options import ConvertOptions
from exportstream.errors import UsageError, WriteError, shown
from exportstream.reading.options import ReadOptions
from exportstream.reading.runs_ahead import suits_helpers
from exportstream.storage.names import RealPaths, exists, has_name, is_direct, is_url, modified
from exportstream.storage.zip import split_member
from exportstream.writing.outputs import Output, decide_in_folder, is_same_file, rejects_name

_NEARLY_ALL = 1.125  # all bytes for each of the largest input


def is_current(source: str, outputs: Iterable[Output], parts: Iterable[str] = ()) -> bool:
    """Whether all outputs of an input exist, and so are complete, and are newer than the input and its parts."""
    changed = max(_modified(name, unknown=inf) for name in (source, *parts))
    return all(_modified(output.target, unknown=-inf) > changed for output in outputs)


def old_rejects(rejects: Any, outputs: Sequence[Output], sources: Iterable[str]) -> str | None:
    """Return the file of what was rejected when outputs that are up to date were written; None if there is none.

    It is newer than all inputs. An older one is of inputs that were repaired since, or is an input itself.
    """
    sources = list(sources)
    name = rejects if rejects is not None else rejects_name(outputs[0].target, sources[0])
    if not has_name(name) or is_direct(os.fsdecode(name)):
        return None
    changed = max(_modified(source, unknown=-inf) for source in sources)
    return os.fsdecode(name) if _modified(name, unknown=-inf) > changed else None


def _modified(name: Any, *, unknown: float) -> float:
    """Return when an input or output was last changed, and `unknown` where nobody can tell, as of any stream."""
    found = modified(os.fsdecode(name)) if has_name(name) else None
    return unknown if found is None else found


def total_size(inputs: Iterable[Input]) -> int | None:
    """Return the bytes of all of them as stored, None if the size of one is not known."""
    sizes = [one.size for one in inputs]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def input_for_helpers(inputs: Sequence[Input], reading: ReadOptions) -> Input | None:
    """Return the input that takes nearly all of the time, if processes can help to read it, as the chats in a zip."""
    largest = max(inputs, key=lambda one: one.size or 0, default=None)
    total = total_size(inputs)
    if largest is None or total is None or total > (largest.size or 0) * _NEARLY_ALL:
        return None
    return largest if suits_helpers(largest.source, reading) else None


def plan_jobs(inputs: list[Input], folder: str, options: ConvertOptions, real_path: RealPaths) -> list[ConvertJob]:
    """Return a job for each input, except inputs that were found in a folder and are outputs of others."""
    jobs = [
        ConvertJob(
            one,
            options.reading,
            outputs=decide_in_folder(folder, one.relative, options.writing),
            writing=options.writing,
            rejects=options.rejects,
        )
        for one in inputs
    ]
    writers: dict[str, set[str]] = {}
    for job in jobs:
        for output in job.outputs:
            writers.setdefault(real_path.of_file(output.target), set()).add(job.source)
    return [job for job in jobs if job.input.named or not writers.get(real_path.of_file(job.source), set()) - {job.source}]


def name_apart(jobs: list[ConvertJob], folder: str, real_path: RealPaths) -> None:
    """Let all but one of the inputs that would share an output keep their suffixes in its name, such as ``x.json.gz``.

    The shortest one, such as ``x.json``, has the name that it has alone: what lies beside it changes no other output.
    """
    sharing: dict[str, list[tuple[str, ConvertJob]]] = {}
    for job in jobs:
        sharing.setdefault(real_path.of_file(job.outputs[0].target), []).append((_whole_name(job.input), job))
    for found in sharing.values():
        first = min((name for name, _ in found), key=lambda name: (len(name), name))
        for name, job in found:
            if name != first:
                job.outputs = decide_in_folder(folder, name, job.writing, whole=True)


def _whole_name(found: Input) -> str:
    """Return the name of an input with all suffixes; of a member in a folder that has not the archive's name."""
    member = split_member(found.source)
    if member is None or not found.relative.endswith(member[1]):
        return found.relative
    above = os.path.dirname(found.relative.removesuffix(member[1]).rstrip("/"))
    return os.path.join(above, f"{os.path.splitext(os.path.basename(member[0]))[0]}-zip", member[1])


def settle_rejects(reading: ReadOptions, rejects: Any, target: Any, source: Any) -> tuple[ReadOptions, Any]:
    """Decide where rejects go, if none is named. A log whose rejects have no place to go is read up to the first one."""
    if rejects is not None or reading.on_error == "stop":
        return reading, rejects
    if reading.on_error is None and not any(map(has_name, (target, source))):
        return replace(reading, on_error="stop"), None
    name = rejects_name(target, source)
    if reading.on_error is None and has_name(source) and is_same_file(name, os.fsdecode(source)):
        return replace(reading, on_error="stop"), None  # these are rejects that were repaired, and no log
    return reading, name


def names_of(job: ConvertJob) -> list[str]:
    """Return the names that a job may write: its outputs, and its rejects."""
    names = [output.target for output in job.outputs]
    return [*names, rejects_name(names[0], job.source)] if job.reading.on_error == "skip" else names


def refuse_shared(jobs: list[ConvertJob], report: Any, real_path: RealPaths) -> None:
    """Refuse names that would be written twice, and those of inputs."""
    inputs = {real_path.of_file(name) for job in jobs for name in (job.source, *job.input.parts)}
    named = [(name, job.source) for job in jobs for name in names_of(job)]
    if has_name(report):
        named.append((os.fsdecode(report), "the report"))
    writers: dict[str, str] = {}
    for name, what in named:
        key = real_path.of_file(name)
        if key in writers:
            raise UsageError(
                f"it would be written twice, for {shown(writers[key])} and {shown(what)}",
                source=name,
                hint="name the folder above both, leave one out with `exclude`, or merge all into one output (merge_many)",
            )
        if key in inputs:
            raise UsageError("the output is an input", source=name, hint="choose another name")
        writers[key] = what


def refuse_existing(names: Iterable[Any], report: Any) -> None:
    """Refuse names that exist already."""
    names = list(filter(has_name, (*names, report)))
    found = [name for name in names if exists(os.fsdecode(name)) and not is_direct(os.fsdecode(name))]
    if found:
        more = f", and {len(found) - 1:,} more of the outputs" if len(found) > 1 else ""
        raise UsageError(
            f"the output exists{more}",
            source=os.fsdecode(found[0]),
            hint="force=True replaces it, update=True goes on where it was",
        )


def make_folders(outputs: Iterable[Output]) -> None:
    """Make the folders of all outputs."""
    for folder in {os.path.dirname(output.target) for output in outputs if not is_url(output.target)}:
        try:
            os.makedirs(folder or ".", exist_ok=True)
        except OSError as error:
            raise WriteError.of(error, folder) from error
