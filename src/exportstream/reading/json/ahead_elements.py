"""Elements of a document that pass over runs of them which somebody else reads; see `json.ahead`.

Takes, raises: as `Elements`. Yields: as `Elements`; where a run was passed over, an `Element` of no bytes with the run.
Holds: as `Elements`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exportstream.reading.json.ahead import HEAD, NEXT_LINE, Ahead, Passed, is_plain
from exportstream.reading.json.blocks import separator_like
from exportstream.reading.json.elements import Element, Elements
from exportstream.storage.source import Source


class AheadElements(Elements):
    """Reads the objects of one input, of which some are read elsewhere."""

    def __init__(
        self, file: Source, ahead: Ahead, *, limit: int, skip: bool, decode: Callable[[bytes | memoryview], Any]
    ) -> None:
        super().__init__(file, limit=limit, skip=skip, decode=decode)
        self._file = file
        self._ahead = ahead

    def _take(self) -> Element:
        position = self.position
        if (run := self._run()) is None:
            return super()._take()
        buffer = self._buffer
        end = run.end - 1  # the comma or line feed that follows is looked at as usual
        if end - position <= buffer.left:
            buffer.start += end - position
        else:
            self._file.jump(end)
            buffer.jump(end)
        return Element(run, position, 0, 0)

    def _run(self) -> Passed | None:
        """The run that begins here, None if there is none."""
        buffer = self._buffer
        buffer.fill(HEAD)
        separator = separator_like(buffer.data, buffer.start) if self._in_array else NEXT_LINE
        if separator is None or not is_plain(self._file, buffer):
            return None
        return self._ahead.sessions(buffer.position, separator, in_array=self._in_array)
