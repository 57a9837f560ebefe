"""Streams that pass over runs of an input which somebody else reads: other processes, ahead of this one.

Takes, yields, raises: as `Stream`. Reports: also `AheadEvents.done`. Holds: as `Stream`.

Only a run that begins exactly where this reading is, at a message or session, is passed over. After it, or where there is
none, the reading goes on as usual. So whatever a run is refused for is met here, at its place.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from exportstream.errors.patterns import late_pattern
from exportstream.reading.json.blocks import BLOCK, separator_like
from exportstream.reading.json.buffer import Buffer
from exportstream.reading.json.events import Events
from exportstream.reading.json.stream import Stream
from exportstream.reading.limits import MAX_DEPTH
from exportstream.storage.source import Source

NEXT_LINE = late_pattern(rb"\n(?=\{)")
HEAD = 512  # bytes that hold the first two keys of a session


class Passed(Protocol):
    """A run that was read.

    Attributes:
        end: the position at which the reading goes on.
    """

    end: int


class Ahead(Protocol):
    """Reads runs of the input ahead."""

    def messages(self, position: int, separator: re.Pattern[bytes] | None, depth: int, /) -> Passed | None:
        """Return the run of messages that begins at a position, None if there is none.

        Args:
            position: of a message.
            separator: what comes before every further one; None if that is not known.
            depth: levels that a message may have.
        """

    def sessions(self, position: int, separator: re.Pattern[bytes], /, *, in_array: bool) -> Passed | None:
        """Return the run of whole sessions that begins at a position, None if there is none.

        Args:
            position: of a session.
            separator: what comes before every further one; its first byte is a line feed, or in an array a comma.
            in_array: whether they are elements of an array.
        """


class AheadEvents(Events):
    """Events of a reading that passes over runs."""

    def done(self, run: Any, /) -> None:
        """Messages or sessions, which come next, were read elsewhere."""


def is_plain(file: Source, buffer: Buffer) -> bool:
    """Whether positions are those of the file's own bytes: there was no byte order mark."""
    return file.position == buffer.position + buffer.left > 0


def go_on_at(position: int, file: Source, buffer: Buffer) -> None:
    """Pass over the bytes before a position, whether they have been read or not."""
    if position - buffer.position <= buffer.left:
        buffer.start += position - buffer.position
    else:
        file.jump(position)
        buffer.jump(position)


class AheadStream(Stream):
    """A `Stream` that passes over what was read ahead, once `pass_over` has told it who does that."""

    _ahead: Ahead | None = None

    def pass_over(self, reader: Source, events: AheadEvents, ahead: Ahead) -> None:
        """Pass over what is read ahead; reader and events are those of the stream."""
        self._file, self._told, self._ahead = reader, events, ahead

    def _take_messages(self) -> None:
        buffer, blocks = self._buffer, self._blocks
        if self._ahead is not None and blocks is not None and self._at_a_message():
            if self._begins:
                buffer.fill(BLOCK)
                blocks.begin(buffer.data, buffer.start, MAX_DEPTH - self._envelope.depth)
                self._begins = False
            if is_plain(self._file, buffer) and self._pass(
                self._ahead.messages(buffer.position, blocks.separator, blocks.max_depth)
            ):
                self._first = False
                return
        super()._take_messages()

    def _take_sessions(self) -> None:
        if self._ahead is not None:
            buffer, in_array = self._buffer, self._envelope.in_array
            buffer.fill(HEAD)
            separator = self._next_session() if is_plain(self._file, buffer) else None
            if separator is not None and self._pass(self._ahead.sessions(buffer.position, separator, in_array=in_array)):
                return
        super()._take_sessions()

    def _next_session(self) -> re.Pattern[bytes] | None:
        """What comes before each further session; None if no session follows here, or that is not known."""
        data, start = self._buffer.data, self._buffer.start
        if not data.startswith(b"{", start):
            return None
        return separator_like(data, start) if self._envelope.in_array else NEXT_LINE

    def _pass(self, run: Passed | None) -> bool:
        if run is None:
            return False
        self._told.done(run)
        go_on_at(run.end, self._file, self._buffer)
        return True
