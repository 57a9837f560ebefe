"""Tells outputs without a record from other files in a folder: logs, exports, what other programs wrote.

Takes: the path of a file. Returns: whether it is an output, None if nothing in it can tell. Raises:
`MissingExtraError`. Holds: the beginning of the file, up to the end of its first line.
"""

from __future__ import annotations

from functools import cache

from exportstream.errors import ExportstreamError, MissingExtraError
from exportstream.storage.decompress import read_output
from exportstream.writing.options import WriteOptions
from exportstream.writing.outputs import format_of
from exportstream.writing.selection import TABLES
from exportstream.writing.tables import Table

_LONGEST = 1 << 20  # bytes of a first line that are looked at
# Each table has one of these unless `columns` leaves it out; files of others may have an `id`, a `model` and a `cost`.
_OURS = frozenset({"sessionId", "session_id", "sessionNumber", "session_number", "userMessageCount", "user_message_count"})


def is_output(path: str) -> bool | None:
    """Whether a file is an output: it describes itself, or all names in its first line are columns, one of them ours alone.

    Returns:
        None for a file that is empty, damaged, or can't be read.
    """
    format_ = format_of(path)
    if format_ is None:
        return False
    try:
        if format_.described:
            return format_.load().read_about(path) is not None
        line = _first_line(path)
        if not line:
            return None
        names = format_.load().names_in(line)
    except MissingExtraError:
        raise
    except (ExportstreamError, OSError):
        return None
    return not _OURS.isdisjoint(names) and any(columns.issuperset(names) for columns in _columns())


def is_described(path: str) -> bool:
    """Whether outputs of such a name describe themselves."""
    return (format_ := format_of(path)) is not None and format_.described


def _first_line(path: str) -> bytes:
    found = b""
    for piece in read_output(path):
        found += piece
        if b"\n" in piece or len(found) > _LONGEST:
            break
    return found.partition(b"\n")[0]


@cache
def _columns() -> list[frozenset[str]]:
    """Return the names of the columns of each table, in each spelling."""
    return [
        frozenset(column.name for column in Table(table, WriteOptions(keys=keys, priced=True, running_totals=True)).known)
        for table in TABLES
        for keys in ("camel", "snake")
    ]
