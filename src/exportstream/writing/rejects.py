"""Writes rejected messages to a file of their own, one JSON object a line.

Takes: `Reject`. Writes: source, sessionId, messageIndex, position (bytes, if known), path, reason, message as it was.
Raises: `UsageError`, `WriteError`. Holds: one reject. The file appears only when there is something in it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import msgspec

from exportstream.errors import UsageError, printable, shown
from exportstream.models.notes import Reject
from exportstream.storage.sink import Sink, open_sink
from exportstream.writing.formats.json import ENCODER


class RejectsFile:
    """A function that takes rejects, and the file they go to; use it in a ``with``.

    Attributes:
        name: the file's name.
        count: how many were written.
    """

    def __init__(self, name: str | os.PathLike[str], *, force: bool) -> None:
        self.name = os.fspath(name)
        self.count = 0
        self._force = force
        self._sink: Sink | None = None
        if self.name != "-" and os.path.exists(self.name) and not force:
            raise UsageError("the file for rejects exists", source=self.name, hint="force=True replaces it")

    def __call__(self, reject: Reject) -> None:
        """Write one line."""
        if self._sink is None:
            self._sink = open_sink(self.name, compression="none", force=self._force)
        # The bytes as they came, if they are known and fit on a line: not even white space is lost then.
        raw = reject.raw is not None and b"\n" not in reject.raw and b"\r" not in reject.raw
        line: dict[str, Any] = {
            "source": None if reject.source is None else printable(shown(reject.source), 4096),
            "sessionId": reject.session_id,
            "messageIndex": reject.index,
            "position": reject.position,
            "path": reject.path,
            "reason": reject.reason,
            "message": msgspec.Raw(reject.raw) if raw and reject.raw is not None else reject.message,
        }
        self._sink.write(ENCODER.encode(line) + b"\n")
        self.count += 1

    def remove_old(self) -> None:
        """Remove the file of an earlier run where this one rejected nothing: it belonged to an output that was replaced."""
        if self._force and self.count == 0 and os.path.isfile(self.name):
            with suppress(OSError):
                os.unlink(self.name)

    def undo_commit(self) -> None:
        """Take a new file back: what it belongs to did not come into being."""
        if self._sink is not None:
            self._sink.undo_commit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._sink is not None:
            self._sink.__exit__(kind, error, trace)
