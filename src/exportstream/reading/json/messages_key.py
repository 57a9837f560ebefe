"""Finds the strings "messages" in the bytes, however they are spelled.

Takes: a `Buffer`. Returns: indexes into it. Raises: nothing. Holds: how far it has looked.
"""

from __future__ import annotations

from exportstream.errors.patterns import late_pattern
from exportstream.reading.json.buffer import Buffer

_KEY = b'"messages"'
_ANY_ESCAPE = b"\\u00"
_ESCAPED_KEY = late_pattern(rb'"%b"' % b"".join(rb"(?:%c|\\u00(?i:%x))" % (char, char) for char in b"messages"))
_MAYBE_KEY = late_pattern(rb'"[\\\w]{0,48}\Z')  # of a key that has one more byte, its quote
_LONGEST_KEY = 50


class MessagesKeys:
    """The search for the strings "messages" of one input; no byte is looked at twice."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._none_before = 0  # bytes of the input

    def find(self, start: int) -> tuple[int, int]:
        """Find the next string "messages": its first index and the one after it; twice the end if there is none."""
        data = self._buffer.data
        end = len(data)
        dropped = self._buffer.position_of(0)
        start = max(start, self._none_before - dropped)
        index = data.find(_KEY, start)
        found = (index, index + len(_KEY)) if index >= 0 else (end, end)
        if data.find(_ANY_ESCAPE, start, found[0]) >= 0:  # it may be spelled with escapes
            escaped = _ESCAPED_KEY.search(data, start, found[1])
            found = escaped.span() if escaped is not None else found
        self._none_before = dropped + (found[0] if found[0] < end else max(start, end - _LONGEST_KEY))
        return found

    def safe_end(self) -> int:
        """The end of the buffer, or the index where a key may begin whose rest has not been read."""
        data, end = self._buffer.data, len(self._buffer.data)
        found = None if self._buffer.at_end else _MAYBE_KEY.search(data, max(self._buffer.start, end - _LONGEST_KEY))
        return found.start() if found is not None else end
