"""Names and lists members of zip archives; `zip_member` reads them.

Takes: names of archives and of members, ``ARCHIVE::MEMBER``. Returns: the names of members, and where they are.
Raises: `CompressionError` for archives that are cut, damaged or hostile, and for members that are encrypted or compressed in
another way than by deflate; `LimitError` for what looks like a bomb; `ReadError` if the system fails or there is no such
member. Holds: the lists of members of the last few archives, at most 16 MiB in an archive.
"""

from __future__ import annotations

import os
import stat
from contextlib import closing
from functools import lru_cache
from itertools import pairwise
from typing import Any, BinaryIO, NamedTuple, cast

from exportstream.errors import CompressionError, LimitError, ReadError, printable, shown
from exportstream.storage.file_state import identity
from exportstream.storage.remote.urls import has_scheme, is_remote, is_zip_url

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # of an archive with members, and of an empty one
SEPARATOR = "::"

HEADER = 30  # bytes before each member, at least
_STORED, DEFLATED = 0, 8
_ENCRYPTED = 1
_LARGEST_LIST = 16 << 20  # bytes; about 200,000 members
_LARGEST_RATIO = 250  # text that repeats itself a lot reaches 100
_SMALL = 64 << 20  # bytes; smaller members may have any ratio
_METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "zstd", 95: "xz", 98: "PPMd"}
AGAIN = "download it again, or test it with: unzip -t"


class Member(NamedTuple):
    """A member, as the list says."""

    offset: int  # of the header before it
    stored: int  # bytes in the archive
    size: int
    crc: int
    method: int
    flags: int


class _Archive(NamedTuple):
    """The members of an archive, and those that no name can stand for: by printable names, why they are refused."""

    members: dict[str, Member]
    refused: dict[str, str]


class _ListFile:
    """An archive whose list of members is read.

    Attributes:
        error: of a read that failed; zipfile takes such errors for the end of the file.
    """

    def __init__(self, path: str) -> None:
        self.error: OSError | None = None
        self._file = open_archive(path)
        self.seek, self.tell, self.close = self._file.seek, self._file.tell, self._file.close

    def read(self, size: int = -1) -> bytes:
        """Read bytes, fewer than asked for only at the end."""
        if size > _LARGEST_LIST:
            raise LimitError(
                f"expected a list of members of at most {_LARGEST_LIST:,} bytes, got {size:,}", hint="unpack it first"
            )
        try:
            data: bytes = self._file.read(size)
        except OSError as error:
            self.error = error
            raise
        return data


def is_zip(name: str) -> bool:
    """Whether a name is that of a regular file that begins like a zip archive, or a URL whose path ends in ``.zip``."""
    if has_scheme(name):
        return is_zip_url(name)
    try:
        if not stat.S_ISREG(os.stat(name).st_mode):
            return False
        with open(name, "rb", buffering=0) as file:
            return file.read(len(MAGIC[0])) in MAGIC
    except (OSError, ValueError):  # reading it will report the error
        return False


def split_member(name: str) -> tuple[str, str] | None:
    """Split ``ARCHIVE::MEMBER`` into the two; None for every other name, also of a file that has ``::`` in its own."""
    at = name.find(SEPARATOR)
    if at < 0:
        return None
    if is_remote(name):  # other URLs have the separator as well, between file systems
        archive, _, member = name.partition(SEPARATOR)
        return (archive, member) if member and is_zip_url(archive) and not has_scheme(member) else None
    if os.path.lexists(name):
        return None
    while at >= 0 and not os.path.isfile(name[:at]):
        at = name.find(SEPARATOR, at + 1)
    return (name[:at], name[at + len(SEPARATOR) :]) if at >= 0 else None


def zip_file_of(name: str) -> str:
    """Return the archive of a member, and every other name as it is: the file that has to be there."""
    found = split_member(name)
    return name if found is None else found[0]


def list_members(path: str) -> list[tuple[str, int]]:
    """Return the names and sizes of the members of an archive: of each folder the files before the folders, by name."""
    archive = _archive(path, identity_of(path))
    return sorted(((name, member.size) for name, member in archive.members.items()), key=_place)


def refused_members(path: str) -> list[str]:
    """Return the names of the members that are left out of `list_members`, as printable texts."""
    return sorted(_archive(path, identity_of(path)).refused)


def _place(member: tuple[str, int]) -> list[tuple[bool, str]]:
    *folders, name = member[0].split("/")
    return [*((True, folder) for folder in folders), (False, name)]


def identity_of(path: str) -> tuple[Any, ...]:
    """Return what changes if an archive is replaced or written to."""
    if is_remote(path):
        from exportstream.storage.remote.reader import version_at  # noqa: PLC0415 - only for URLs

        return version_at(path)
    try:
        return identity(os.stat(path))
    except OSError as error:
        raise ReadError.of(error, path) from error


def state_of_archive(path: str, version: tuple[Any, ...]) -> dict[str, Any] | None:
    """Return what `identity_of` said of an archive, as `names.state_of` does."""
    if is_remote(path):
        from exportstream.storage.remote.reader import state_of_version  # noqa: PLC0415 - only for URLs

        return state_of_version(version)
    return {"size": version[2], "modified": version[3]}


def open_archive(path: str) -> Any:
    """Open an archive, without a buffer."""
    if is_remote(path):
        from exportstream.storage.remote.reader import RemoteArchive  # noqa: PLC0415 - only for URLs

        return RemoteArchive(path)
    return open(path, "rb", buffering=0)


def find_member(path: str, state: tuple[Any, ...], name: str) -> Member:
    """Find a member of an archive that is as `identity_of` said, and refuse a member that can't be read."""
    archive = _archive(path, state)
    if name in archive.refused:
        raise CompressionError(archive.refused[name], hint="unpack it by hand, if you trust it")
    member = archive.members.get(name)
    if member is None:
        known = [other for other in sorted(archive.members) if other.lower().endswith(".json")]
        more = f" and {len(known) - 3:,} more" if len(known) > 3 else ""
        hint = f"it has {', '.join(map(printable, known[:3]))}{more}" if known else "list them with: unzip -l"
        raise ReadError("the zip archive has no such member", hint=hint)
    if member.flags & _ENCRYPTED:
        raise CompressionError("the member is encrypted", hint="unpack it first, with its password")
    if member.method not in (_STORED, DEFLATED):
        method = _METHODS.get(member.method, f"method {member.method}")
        raise CompressionError(f"expected a member that is deflated or stored, got {method}", hint="unpack it first")
    if member.size > _SMALL and member.size > _LARGEST_RATIO * member.stored:
        raise LimitError(
            f"expected a member of at most {_LARGEST_RATIO} times its stored size, got {member.size:,} bytes out of "
            f"{member.stored:,}: this may be a zip bomb",
            hint="unpack it first, if you trust it",
        )
    return member


@lru_cache(maxsize=4)
def _archive(path: str, _: tuple[Any, ...]) -> _Archive:
    """Read the list of an archive."""
    from zipfile import BadZipFile, ZipFile  # noqa: PLC0415 - slow to import

    file = None
    try:
        with closing(_ListFile(path)) as file, ZipFile(cast("BinaryIO", file)) as archive:
            infos, end = archive.infolist(), archive.start_dir
    except LimitError as error:
        error.source = shown(path)
        raise
    except OSError as error:
        raise _read_error(error, path) from error
    except (BadZipFile, NotImplementedError, ValueError, ArithmeticError, EOFError) as error:
        if file is not None and file.error is not None:
            raise _read_error(file.error, path) from file.error
        what = "the list of its members, at its end, is missing" if "not a zip" in str(error) else str(error)
        raise CompressionError(f"the zip archive is cut or damaged: {what}", source=path, hint=AGAIN) from error
    members: dict[str, Member] = {}
    refused: dict[str, str] = {}
    places: list[tuple[int, int]] = []
    for info in infos:
        name = info.filename
        if info.is_dir():
            continue
        if name in members:
            refused[_as_text(name)] = "two members of the zip archive have this name"
        elif "\0" in info.orig_filename or any(part in ("", ".", "..") for part in name.split("/")):
            refused[_as_text(info.orig_filename)] = "the member's name leads out of the zip archive, or is no name"
        places.append((info.header_offset, info.compress_size))
        members[name] = Member(
            info.header_offset, info.compress_size, info.file_size, info.CRC, info.compress_type, info.flag_bits
        )
    _refuse_overlaps(sorted(places), end, path)
    good = {name: member for name, member in members.items() if _as_text(name) not in refused} if refused else members
    return _Archive(good, refused)


def _read_error(error: OSError, path: str) -> ReadError:
    found = ReadError.of(error)
    found.source = shown(path)  # also of an error of a server
    return found


def _as_text(name: str) -> str:
    return printable(name, 4096)


def _refuse_overlaps(places: list[tuple[int, int]], end: int, path: str) -> None:
    """Refuse members that share bytes: a small archive could unpack to anything."""
    for (offset, stored), (following, _) in pairwise([*places, (end, 0)]):
        if offset + HEADER + stored > following:
            raise LimitError("expected members apart from each other, got some that share bytes", source=path, hint=AGAIN)
