"""Names and lists members of zip archives; `zip_member` reads them.

Takes: names of archives and of members, ``ARCHIVE::MEMBER``. Returns: the names of members, and where they are.
Raises: `CompressionError` for archives that are cut, damaged or hostile, and for members that are encrypted or compressed in
another way than by deflate; `LimitError` for what looks like a bomb; `ReadError` if the system fails or there is no such
member. Holds: the lists of members of the last few archives, at most 16 MiB in an archive.
"""

from __future__ import annotations

import io
import os
import stat
from functools import lru_cache
from typing import NamedTuple

from exportstream.errors import CompressionError, ExportstreamError, LimitError, ReadError, printable

__all__ = [
    "AGAIN",
    "DEFLATED",
    "HEADER",
    "MAGIC",
    "SEPARATOR",
    "Member",
    "find_member",
    "identity_of",
    "is_zip",
    "list_members",
    "refused_members",
    "split_member",
    "zip_file_of",
]

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


class _ListFile(io.FileIO):
    """An archive whose list of members is read."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _LARGEST_LIST:
            raise LimitError(
                f"expected a list of members of at most {_LARGEST_LIST:,} bytes, got {size:,}", hint="unpack it first"
            )
        return super().read(size) or b""


def is_zip(name: str) -> bool:
    """Whether a name is that of a regular file that begins like a zip archive."""
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
    if at < 0 or os.path.lexists(name):
        return None
    while at >= 0 and not os.path.isfile(name[:at]):
        at = name.find(SEPARATOR, at + 1)
    return (name[:at], name[at + len(SEPARATOR) :]) if at >= 0 else None


def zip_file_of(name: str) -> str:
    """Return the archive of a member, and every other name as it is: the file that has to be there."""
    found = split_member(name)
    return name if found is None else found[0]


def list_members(path: str) -> list[tuple[str, int]]:
    """Return the names of the members of an archive, and their sizes: of each folder the files before the folders, by name.

    Raises:
        CompressionError, LimitError, ReadError: it can't be read.
    """
    archive = _archive(path, identity_of(path))
    return sorted(((name, member.size) for name, member in archive.members.items()), key=_place)


def refused_members(path: str) -> list[str]:
    """Return the names of the members that are left out of `list_members`, as printable texts."""
    return sorted(_archive(path, identity_of(path)).refused)


def _place(member: tuple[str, int]) -> list[tuple[bool, str]]:
    *folders, name = member[0].split("/")
    return [*((True, folder) for folder in folders), (False, name)]


def identity_of(path: str) -> tuple[int, ...]:
    """Return what changes if an archive is replaced or written to; its third and fourth parts are size and time."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise ReadError(error.strerror or str(error), source=path) from error
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def find_member(path: str, state: tuple[int, ...], name: str) -> Member:
    """Find a member of an archive that is as `identity_of` said, and refuse a member that can't be read."""
    archive = _archive(path, state)
    if name in archive.refused:
        raise CompressionError(archive.refused[name], hint="unpack it by hand, if you trust it")
    member = archive.members.get(name)
    if member is None:
        known = [other for other in sorted(archive.members) if other.lower().endswith(".json")]
        hint = f"it has {', '.join(printable(other) for other in known[:3])}" if known else "list them with: unzip -l"
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
def _archive(path: str, _: tuple[int, ...]) -> _Archive:
    """Read the list of an archive."""
    from zipfile import BadZipFile, ZipFile  # noqa: PLC0415 - slow to import

    try:
        with _ListFile(path) as file, ZipFile(file) as archive:
            infos, end = archive.infolist(), archive.start_dir
    except OSError as error:
        raise ReadError(error.strerror or str(error), source=path) from error
    except ExportstreamError as error:
        error.source = path
        raise
    except (BadZipFile, NotImplementedError, ValueError, ArithmeticError, EOFError) as error:
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


def _as_text(name: str) -> str:
    return printable(name, 4096)


def _refuse_overlaps(places: list[tuple[int, int]], end: int, path: str) -> None:
    """Refuse members that share bytes: a small archive could unpack to anything."""
    for (offset, stored), (following, _) in zip(places, [*places[1:], (end, 0)], strict=True):
        if offset + HEADER + stored > following:
            raise LimitError("expected members apart from each other, got some that share bytes", source=path, hint=AGAIN)
