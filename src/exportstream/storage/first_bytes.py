"""Tells other kinds of files from JSON in UTF-8, by their first bytes."""

from __future__ import annotations

import re

from exportstream.errors import JSONSyntaxError, NotAnExportError
from exportstream.errors.patterns import late_pattern

# A byte order mark, the encoding that it says, and which bytes after it are not NUL: JSON begins with two ASCII characters.
_WIDE_MARKS = (
    (b"\xff\xfe\0\0", "UTF-32", (1, 0, 0, 0)),
    (b"\0\0\xfe\xff", "UTF-32", (0, 0, 0, 1)),
    (b"\xff\xfe", "UTF-16", (1, 0, 1, 0)),
    (b"\xfe\xff", "UTF-16", (0, 1, 0, 1)),
)
_OTHER_FILES = {b"PAR1": "a Parquet file", b"SQLi": "an SQLite database"}
_CSV = late_pattern(rb'(?:"?\w+"?,)+"?\w*"?(?:\r?\n.*)?', re.DOTALL)  # names of columns, as far as the first bytes go
_TAR = 257  # where an archive of tar has its magic number
LONGEST_HEAD = _TAR + len(b"ustar")
_WIDE_NULS: dict[tuple[int, ...], str] = {
    (1, 0, 0, 0): "UTF-32LE",
    (0, 0, 0, 1): "UTF-32BE",
    (1, 0, 1, 0): "UTF-16LE",
    (0, 1, 0, 1): "UTF-16BE",
}


def is_like_json(head: bytes) -> bool:
    """Whether an input of these first bytes can be a document of objects; all others deserve a longer look."""
    return head[:1] in b"{[ \t\r\n\xef"


def require_utf8_json(head: bytes) -> None:
    """Raise an error if an input of these first bytes is another encoding or another kind of file.

    Raises:
        JSONSyntaxError: it is UTF-16 or UTF-32.
        NotAnExportError: it is an archive, or an output.
    """
    encoding = _marked_encoding(head) or _WIDE_NULS.get(_nuls(head[:4]))
    if encoding is not None:
        hint = f"convert it: iconv -f {encoding} -t UTF-8 OLD > NEW"
        raise JSONSyntaxError(f"expected UTF-8, got {encoding}", hint=hint, position=0, exact=True)
    if (name := _OTHER_FILES.get(bytes(head[:4]))) is not None:
        raise NotAnExportError(f"expected JSON, got {name}", hint="give it the export itself")
    if _CSV.fullmatch(head):
        raise NotAnExportError("expected JSON, got CSV", hint="give it the export itself")
    if head.startswith(b"ustar", _TAR):
        raise NotAnExportError("expected JSON, got a tar archive", hint="unpack it: tar -xf FILE")


def _marked_encoding(head: bytes) -> str | None:
    """The encoding that a byte order mark says; None if the bytes after it are not like JSON in it, as in a damaged file."""
    for mark, encoding, nuls in _WIDE_MARKS:
        if head.startswith(mark):
            found = _nuls(head[len(mark) : len(mark) + len(nuls)])
            return encoding if found == nuls[: len(found)] else None
    return None


def _nuls(data: bytes) -> tuple[int, ...]:
    return tuple(int(byte != 0) for byte in data)
