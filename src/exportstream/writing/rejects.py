"""Rejected messages and damaged bytes go to a file of their own, one JSON object on each line.

Takes: `Reject`. Writes: source, sessionId, messageIndex, position (bytes, if known), path, reason, conversationPosition (of
chats), producer (of logs), and the message; in its place `bytes` for damaged bytes, as text, or `base64` if they are not
UTF-8 or hold NULs.
Raises: `UsageError`, `WriteError`. Holds: one reject. The file appears only if there is something in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from exportstream.errors import UsageError, label
from exportstream.models.notes import Reject
from exportstream.storage.names import is_stream
from exportstream.storage.sink import Sink, open_sink
from exportstream.storage.transaction import Transaction
from exportstream.writing.formats.json import ENCODER

_MOST_HELD = 200


class RejectsFile:
    """A function that takes rejects, and the file they go to, which is part of the transaction from the first reject on.

    A file that exists is refused at once if rejects are asked for, otherwise when the first one comes.

    Attributes:
        name: the file's name.
        count: how many rejects were written.
    """

    def __init__(self, name: str | os.PathLike[str], transaction: Transaction, *, force: bool, is_asked_for: bool) -> None:
        self.name = os.fspath(name)
        self.count = 0
        self._transaction = transaction
        self._force = force
        self._sink: Sink | None = None
        if is_asked_for:
            self._refuse_existing()

    def _refuse_existing(self) -> None:
        if not is_stream(self.name) and os.path.exists(self.name) and not self._force:
            raise UsageError("the file for rejects exists", source=self.name, hint="force=True replaces it")

    def __call__(self, reject: Reject) -> None:
        """Write one line."""
        if self._sink is None:
            self._refuse_existing()
            self._sink = self._transaction.add(open_sink(self.name, compression="none", force=self._force))
        # The message's own bytes, if they are known and fit on a line: then not even white space is lost.
        raw = reject.raw is not None and b"\n" not in reject.raw and b"\r" not in reject.raw
        line: dict[str, Any] = {
            "source": None if reject.source is None else label(reject.source),
            "sessionId": reject.session_id,
            "messageIndex": reject.index,
            "position": reject.position,
            "path": reject.path,
            "reason": reject.reason,
        }
        if reject.conversation_position is not None:
            line["conversationPosition"] = reject.conversation_position
        if reject.producer is not None:
            line["producer"] = reject.producer
        if reject.damaged:
            line |= _damaged(reject.raw or b"")
        else:
            line["message"] = msgspec.Raw(reject.raw) if raw and reject.raw is not None else reject.message
        self._sink.write(ENCODER.encode(line) + b"\n")
        self.count += 1

    def remove_old(self) -> None:
        """Remove the file of an earlier run if this run rejected nothing: it belonged to an output that was replaced."""
        if self._force and self.count == 0 and os.path.isfile(self.name):
            with suppress(OSError):
                os.unlink(self.name)


class HeldRejects:
    """Holds rejects until the input is known to be an export, or there are many: one that is ignored leaves none."""

    def __init__(self, rejects: list[Reject] | Callable[[Reject], object]) -> None:
        self._pass_on = rejects.append if isinstance(rejects, list) else rejects
        self._held: list[Reject] | None = []

    def __call__(self, reject: Reject) -> None:
        """Hold a reject, or pass it on."""
        if self._held is None:
            self._pass_on(reject)
            return
        self._held.append(reject)
        if len(self._held) > _MOST_HELD:
            self.release()

    def release(self) -> None:
        """Pass on those that are held, and all that come."""
        held, self._held = self._held or [], None
        for reject in held:
            self._pass_on(reject)


def _damaged(data: bytes) -> dict[str, str]:
    """Return damaged bytes as they can stand in JSON."""
    if b"\0" not in data:  # a lost block is often NULs, and each takes six bytes of JSON
        with suppress(UnicodeDecodeError):
            return {"bytes": data.decode()}
    from base64 import b64encode  # noqa: PLC0415 - few need it, and it slows the command's start

    return {"base64": b64encode(data).decode()}
