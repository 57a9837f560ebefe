"""Reads inputs of sessions: exports, damaged ones if that was asked for, and rejects that somebody repaired.

Takes: a `Source`. Reports: the events of `json.events`. Yields: None after each step.
Raises: what the readers raise, and the error of the damage if nothing else is there. Holds: what the readers hold.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from exportstream.errors import ExportstreamError
from exportstream.reading.formats import HEAD
from exportstream.reading.formats.message import build_message
from exportstream.reading.formats.repaired_rejects import RejectLines, is_rejects
from exportstream.reading.formats.session_ids import LaterIds
from exportstream.reading.formats.session_runs import RunReader
from exportstream.reading.json.ahead import AheadStream
from exportstream.reading.json.events import Events
from exportstream.reading.limits import DEFAULT_MAX_MESSAGE_SIZE
from exportstream.reading.options import ReadOptions
from exportstream.storage.source import Source

if TYPE_CHECKING:
    from exportstream.reading.runs_ahead import RunsAhead


class SessionInput:
    """One input of sessions, and how it is read.

    Args:
        source: the input, which stays open.
        options: how it is read; with ``skip`` reading goes on after damage.
        helpers: read runs ahead; None for none.

    Attributes:
        is_cut: whether the input was cut, and what was complete was kept.
    """

    def __init__(self, source: Source, options: ReadOptions, helpers: RunsAhead | None = None) -> None:
        self.is_cut = False
        self._source = source
        self._options = options
        self._skip = options.on_error == "skip"
        self._ids: LaterIds | None = None
        self._helpers = helpers

    def read(self, reader: RunReader) -> Iterator[None]:
        """Read the input, and tell a reader what is in it."""
        if self._are_rejects():
            yield from RejectLines(self._source, reader, limit=self._options.max_message_size, skip=self._skip)
            return
        stream = self._helped(reader)
        yield from stream
        if (damage := stream.damage) is not None:
            if not (reader.accepted or reader.complete):
                raise damage
            self.is_cut = stream.is_cut

    def find_id(self, number: int) -> str:
        """Return the id of a session, counted from 0, whose messages come before it: the input is read a second time."""
        if self._ids is None:
            self._ids = LaterIds(self._source, self._stream)
        return self._ids.find(number)

    def close(self) -> None:
        """Close the second reading, if there is one."""
        if self._ids is not None:
            self._ids.close()
            self._ids = None
        if self._helpers is not None:
            self._helpers.end()

    def _helped(self, reader: RunReader) -> AheadStream:
        """The stream of the input; it passes over what others read, if there are some, and this input is for them."""
        stream, helpers = self._stream(self._source, reader), self._helpers
        is_for_them = _use_blocks() and self._options.max_message_size >= DEFAULT_MAX_MESSAGE_SIZE
        if helpers is not None and is_for_them and helpers.begin(self._source, self._options, reader):
            stream.pass_over(self._source, reader, helpers)
        return stream

    def _stream(self, source: Source, events: Events) -> AheadStream:
        use_blocks, limit = _use_blocks(), self._options.max_message_size
        if self._skip:
            from exportstream.reading.json.recovering_stream import RecoveringStream  # noqa: PLC0415 - slow to import

            return RecoveringStream(source, events, build_message, use_blocks=use_blocks, max_message_size=limit)
        return AheadStream(source, events, use_blocks=use_blocks, max_message_size=limit)

    def _are_rejects(self) -> bool:
        try:
            return is_rejects(self._source.peek(HEAD))
        except ExportstreamError:  # reading meets it again
            return False


def _use_blocks() -> bool:
    return os.environ.get("EXPORTSTREAM_BLOCKS") != "0"
