"""Tells the line and column of a position, for errors."""

from __future__ import annotations

from exportstream.errors import ExportstreamError, JSONSyntaxError, NotAnExportError
from exportstream.storage.source import Source

_CHUNK = 1 << 20
_CONTINUATIONS = bytes(range(0x80, 0xC0))  # the bytes of a character after its first one, in UTF-8


def find_line(source: Source, position: int) -> tuple[int, int] | None:
    """Find the line and column of a byte, by reading a file once more up to there.

    Returns:
        Both counted from 1, the column in characters. None if the input has no lines before it, is no file, or can't be read
        again.
    """
    if not source.is_file:
        return None
    lines = column = 0
    left = position
    try:
        with source.reopen() as again:
            while left > 0 and (data := again.read(min(left, _CHUNK))):
                left -= len(data)
                lines += data.count(b"\n")
                last = data.rfind(b"\n") + 1
                column = len(data[last:].translate(None, _CONTINUATIONS)) + (0 if last else column)
    except ExportstreamError:
        return None
    return (lines + 1, column + 1) if lines and not left else None


def locate_line(error: ExportstreamError, source: Source) -> None:
    """Add the line and column to an error of which the byte is exact: it is no JSON, or no session."""
    if isinstance(error, (JSONSyntaxError, NotAnExportError)) and error.exact and error.position is not None:
        line, column = find_line(source, error.position) or (None, None)
        error.locate(line=line, column=column)
