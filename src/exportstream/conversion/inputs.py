"""Finds inputs: files, folders, zips, globs, URLs and ``-`` become a list of inputs, each with a name for its output.

Takes: what a user names. Returns: `Input`. Raises: `UsageError` if there is nothing, `ReadError` if a folder can't be read.
Holds: one `Input` per file.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from exportstream.conversion.input_names import (
    Exclude,
    files_of,
    is_export_name,
    is_rejects_name,
    is_searched_member,
    is_searched_name,
    is_transcript,
    owner_of,
    size_of,
)
from exportstream.errors import ExportstreamError, ReadError, UsageError, hint_of
from exportstream.errors.patterns import late_pattern
from exportstream.storage.names import (
    RealPaths,
    fixed_part,
    is_folder,
    is_glob,
    is_name,
    is_stream,
    is_url,
    refuse_empty,
    stands_for_several,
)
from exportstream.storage.remote.urls import local_path
from exportstream.storage.zip import is_zip, list_members, refused_members, split_member

_ANY_FOLDERS = late_pattern(r"(?:^|(?<=/))\*\*(?:/+|$)")


class Input(Struct, frozen=True):
    """One input.

    Attributes:
        source: a path, a member of a zip archive (``ARCHIVE::MEMBER``), a URL, or ``-``.
        relative: the name for its output: within the folder, archive or glob that it was found by, else the file's own.
        named: whether the user named it, rather than a folder, archive or glob that it was found by.
        unpacked: bytes of a member of an archive, where they are known.
        parts: files that are read with it: those of a session's sub-agents.
    """

    source: str
    relative: str
    named: bool = False
    unpacked: int | None = None
    parts: tuple[str, ...] = ()

    @property
    def files(self) -> Any:
        """The source with its parts, for reading."""
        return files_of(self.source, self.parts)

    @property
    def size(self) -> int | None:
        """Bytes as stored, None if that is not known; 0 for a file that can't be read, since reading will report it."""
        if self.unpacked is not None:
            return self.unpacked
        try:
            found = None if is_stream(self.source) or is_url(self.source) else os.stat(self.source)
        except OSError:
            return 0
        if found is None or not stat.S_ISREG(found.st_mode):
            return None
        return found.st_size + sum(size_of(part) for part in self.parts)


def find_inputs(sources: Any, *, without: Collection[Any] = (), exclude: str | Iterable[str] = ()) -> list[Input]:
    """Find all inputs.

    Args:
        sources: files, folders (every file in them that looks like an export, and zip archives, except hidden files and
            links to folders), zip archives (every member that looks like an export), globs (``**`` for any folders; except
            hidden files and our own rejects), URLs (also with ``*`` or a ``/`` at the end), ``-``. One name alone is one
            source; an `Input` is taken as it is. Each input is taken once, under another name than that of a link. Where
            several archives are named, the names for the outputs of their members begin with the archive's.
        without: outputs: folders and files that are left out when folders and globs are searched.
        exclude: globs of inputs that are left out; see `Exclude`.

    Raises:
        UsageError: there is none, or a folder or glob holds no export, or none that is not excluded.
        ReadError: a folder that is named can't be read, or is missing.
    """
    found: list[Input] = []
    real_path = RealPaths()
    excluded = Exclude(exclude)
    outputs = [local_path(os.fsdecode(name)) for name in without if is_name(name)]
    search = _Search({os.path.realpath(name) for name in outputs if not is_url(name)}, excluded, real_path)
    if not (is_name(sources) or hasattr(sources, "__iter__")) or isinstance(sources, (bytes, bytearray, memoryview)):
        raise TypeError(_expected(sources))
    sources = [sources] if is_name(sources) else list(sources)
    names = (local_path(os.fsdecode(source)) for source in sources if is_name(source))
    apart = len({*map(os.path.realpath, filter(is_zip, names))}) > 1
    for source in sources:
        if isinstance(source, Input):
            found.append(source)
            continue
        if not is_name(source):
            raise TypeError(_expected(source))
        refuse_empty(source)
        name = local_path(os.fsdecode(source))
        before = len(found)
        found += [one for one in search.find(name, apart=apart) if not excluded(_as_path(one.source), one.relative)]
        if len(found) == before and not (excluded and not stands_for_several(name)):
            hint = "folders are searched for .json, .ndjson, .jsonl and .zip" + (", without `exclude`" if excluded else "")
            raise UsageError("no exports found", source=name, hint=hint_of(name) or hint)
    if not found:
        raise UsageError("expected at least one input, got none", hint="`exclude` leaves them out" if excluded else None)
    once: dict[tuple[str, str], Input] = {}
    for one in found:
        key = real_path.of_file(one.source), (split_member(one.source) or ("", ""))[1]
        old = once.setdefault(key, one)
        if old is not one and (one.named, not os.path.islink(one.source)) > (old.named, not os.path.islink(old.source)):
            once[key] = one
    return _join_parts(list(once.values()))


def _expected(source: Any) -> str:
    what = f"expected a path, a folder, a glob, a URL or '-', or several of them, got {type(source).__name__}"
    return f"{what}; save it to a file, or give it alone to convert or open_export, which take bytes and open files"


def _join_parts(inputs: list[Input]) -> list[Input]:
    """Join the files of sub-agents to those of their sessions."""
    found = {one.source for one in inputs if not one.named}
    owners = {one.source: owner_of(one.source, found) for one in inputs if not one.named}
    transcripts = {owner for owner in set(owners.values()) if owner is not None and is_transcript(owner)}
    parts: dict[str | None, list[str]] = {}
    for source, owner in owners.items():
        parts.setdefault(owner, []).append(source)
    return [
        replace(one, parts=tuple(parts[one.source])) if one.source in transcripts else one
        for one in inputs
        if owners.get(one.source) not in transcripts
    ]


class _Search(Struct):
    """A search for inputs.

    Attributes:
        without: real paths of folders and files that are left out.
        exclude: tells what else is.
        real_path: finds paths without links.
    """

    without: set[str]
    exclude: Exclude
    real_path: RealPaths
    unread: list[str] = field(default_factory=list)  # folders that could not be listed

    def find(self, name: str, *, apart: bool) -> Iterator[Input]:
        """Yield the inputs that a name stands for; `apart`: names of outputs begin with an archive's."""
        if is_stream(name):
            yield Input("-", "stdin", named=True)
        elif (member := split_member(name)) is not None:
            yield Input(name, os.path.basename(member[1]), named=True, unpacked=_size_of(*member))
        elif is_zip(name):
            yield from _members(name, os.path.splitext(os.path.basename(name))[0] if apart else "", named=True)
        elif is_url(name):
            from exportstream.storage.remote import listing  # noqa: PLC0415 - an extra

            named = not listing.is_pattern(name)
            for url, relative in listing.list_urls(name):
                if named or is_export_name(relative):
                    yield Input(url, relative, named)
                elif is_zip(url):
                    yield from _members(url, os.path.splitext(relative)[0], named=False)
        elif is_glob(name):
            yield from self._match(name)
            yield from self._unread(fixed_part(name) or ".")
        elif is_folder(name):
            yield from self._walk(name)
            yield from self._unread(name)
        else:  # if it is missing, reading will report the error
            yield Input(name, os.path.basename(name), named=True)

    def _walk(self, folder: str) -> Iterator[Input]:
        for inner, files in self._folders(folder, is_named=True):
            for name in sorted(filter(is_searched_name, files)):
                path = os.path.join(inner, name)
                if _is_input(path) and self.real_path(path) not in self.without:
                    yield from _found(path, os.path.relpath(path, folder))

    def _unread(self, folder: str) -> Iterator[Input]:
        """Yield each folder that could not be listed as an input: reading it will report why. No output has such a name."""
        while self.unread:
            path = self.unread.pop(0)
            yield Input(path, f"{os.path.relpath(path, folder)}.refused", unpacked=0)

    def _folders(self, folder: str, *, is_named: bool = False) -> Iterator[tuple[str, list[str]]]:
        """Yield a folder and all folders in it, each with the names of its files, in order; no hidden ones, no links."""

        def fail(error: OSError) -> None:
            if is_named and error.filename == folder:
                raise ReadError.of(error, folder) from error
            self.unread.append(error.filename)

        for inner, folders, files in os.walk(folder, onerror=fail):
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(".")
                and os.path.realpath(os.path.join(inner, name)) not in self.without
                and not self.exclude(os.path.join(inner, name), os.path.relpath(os.path.join(inner, name), folder))
            )
            yield inner, files

    def _match(self, pattern: str) -> Iterator[Input]:
        fixed = fixed_part(pattern)
        above = os.path.realpath(fixed)  # a folder is left out only if it is below this one, as when a folder is searched
        below = tuple(os.path.join(path, "") for path in self.without if path.startswith(os.path.join(above, "")))
        for path in sorted(set(self._paths(pattern))):
            real = os.path.realpath(path)
            if _is_input(path) and real not in self.without and not real.startswith(below) and not is_rejects_name(path):
                yield from _found(path, os.path.relpath(path, fixed or "."))

    def _paths(self, pattern: str) -> Iterator[str]:
        """Yield the paths that a glob matches.

        Neither of Python's own ``**`` will do: that of `glob` follows links, which may be a loop, and that of `pathlib`
        passes over folders that can't be read, without a word, and enters hidden ones.
        """
        stars = _ANY_FOLDERS.search(pattern)
        if stars is None:
            yield from glob.iglob(pattern)
            return
        before, rest = pattern[: stars.start()], pattern[stars.end() :] or "*"
        for start in glob.iglob(before) if before else (".",):
            for folder, _ in self._folders(start):
                inner = os.path.normpath(folder) if before else os.path.relpath(folder)
                yield from self._paths(os.path.join("" if inner == "." else glob.escape(inner), rest))


def _members(archive: str, folder: str, *, named: bool) -> Iterator[Input]:
    """Yield the members of an archive that look like exports or archives; names of outputs begin with `folder`.

    An archive that was found and has none stands for itself, and so does one that can't be read: reading will report it.
    """
    whole = Input(archive, os.path.basename(archive), named)
    try:
        found, refused = list_members(archive), refused_members(archive)
    except ExportstreamError:
        yield whole
        return
    count = 0
    for name, size in found:
        if is_searched_member(name):
            count += 1
            yield Input(f"{archive}::{name}", os.path.join(folder, name), unpacked=size)
    # Reading will report each of those that are refused; no output has such a name.
    for number, name in enumerate(filter(is_searched_member, refused)):
        count += 1
        yield Input(f"{archive}::{name}", os.path.join(folder, f"{whole.relative}.{number}.refused"), unpacked=0)
    if not count and not named:
        yield whole


def _size_of(archive: str, member: str) -> int | None:
    try:
        return dict(list_members(archive)).get(member)
    except ExportstreamError:  # reading it will report the error
        return None


def _as_path(source: str) -> str:
    """Return a member of an archive as if the archive was a folder; every other name as it is."""
    return os.path.join(*(split_member(source) or (source,)))


def _found(path: str, relative: str) -> Iterator[Input]:
    """Yield a file that was found in a folder or by a glob, or the members of an archive."""
    if is_zip(path):
        yield from _members(path, os.path.splitext(relative)[0], named=False)
    else:
        yield Input(path, relative)


def _is_input(path: str) -> bool:
    """Whether a path that was found is to be read: a regular file, or a link to nothing, which reading will report."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return True
