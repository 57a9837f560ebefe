"""Feeds bytes to ijson and tells what came out: one pass for the envelope and for the messages.

Takes: JSON bytes, pushed in pieces of any size. Returns: a list of events, in the order of the file.
Raises: `JSONSyntaxError`, `CutInputError`, `NotAnExportError`, `LimitError`, `OutOfMemoryError`.
Holds: the value that is being built (one message, or one value of the envelope).

Events are tuples, their first item says which:

- ``("session",)`` a session object begins; ``("end",)`` it is complete;
- ``("key", name, value)`` one of its fields other than ``messages``;
- ``("wrapper",)`` the value of a key `result` begins, which may be the session of an SDK response; ``("unwrap", whether)``
  it ended, and held messages or not;
- ``("messages",)`` its messages begin; ``("message", value)`` one of them, as ijson built it (numbers int or Decimal).
"""

from __future__ import annotations

import os
from decimal import InvalidOperation
from typing import Any

import ijson

from exportstream.errors import CutInputError, JSONSyntaxError, OutOfMemoryError
from exportstream.reading.json.envelope import INSIDE, MESSAGES, Envelope
from exportstream.reading.json.events import Event
from exportstream.reading.json.guard import Guard


class Parser:
    """One ijson parser for the whole input; `feed` returns what became complete."""

    def __init__(self) -> None:
        backend = _backend()
        self._values = ijson.utils.sendable_list()
        self._envelope = Envelope("exportstream")
        self._send = backend.items_coro(self._values, self._envelope, multiple_values=True).send
        self._guard = Guard()
        self.events: list[Event] = []

    @property
    def depth(self) -> int:
        """How many objects and arrays are open."""
        return self._guard.depth

    @property
    def in_messages(self) -> bool:
        """Whether the parser stands in a session's `messages` array (perhaps inside a message)."""
        return self._envelope.state == INSIDE

    @property
    def building(self) -> bool:
        """Whether a value that is wanted has begun and is not complete."""
        return bool(self._envelope.log)

    @property
    def in_string(self) -> bool:
        """Whether the parser stands inside a string, which it reads anew with every piece."""
        return self._guard.in_string

    def enter_messages(self) -> bool:
        """After a ``[`` was fed: say whether it opened a session's `messages`, and begin them."""
        if self._envelope.state != MESSAGES:
            return False
        self._envelope.begin_messages()
        self._drain()
        return True

    def feed(self, data: bytes, *, last: bool = False) -> None:
        """Parse more bytes (with `last`: all there are); what became complete stands in `events`, also after an error.

        ``("replaced", count)`` says how many surrogates were replaced in a string, before the message it is in.
        """
        try:
            for piece, replaced in self._guard.pieces(data, last=last):
                self._push(piece)
                if replaced:
                    self._drain()
                    self.events.append(("replaced", replaced))
            if last:
                self._push(b"")
        finally:
            self._drain()

    def _push(self, piece: bytes) -> None:
        try:
            self._send(piece)
        except StopIteration:
            if self._guard.in_string:  # ijson is at its start again after a document, and takes this for white space
                raise JSONSyntaxError("not JSON: a string that does not end") from None
            self._envelope.finish()
        except ijson.IncompleteJSONError as error:
            if not piece:
                raise CutInputError("the input ends before the document is complete") from error
            raise JSONSyntaxError(f"not JSON: {_reason(error)}") from error
        except ijson.JSONError as error:
            raise JSONSyntaxError(f"not JSON: {_reason(error)}") from error
        except UnicodeDecodeError as error:
            raise JSONSyntaxError("not JSON: a string is not valid UTF-8") from error
        except (InvalidOperation, ValueError, OverflowError) as error:
            raise JSONSyntaxError("not JSON: a number is out of range") from error
        except MemoryError as error:
            raise OutOfMemoryError from error

    def _drain(self) -> None:
        """Join the log with the values that are complete; what is being built stays in the log."""
        log, values = self._envelope.log, self._values
        taken = used = 0
        for event in log:
            kind = event[0]
            if kind in {"key", "message"}:
                if used == len(values):
                    break
                self.events.append((*event, values[used]))
                used += 1
            else:
                self.events.append(event)
            taken += 1
        del log[:taken]
        values.clear()


def _reason(error: Exception) -> str:
    raw = error.args[0] if error.args else ""
    text = (raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)).split("\n", 1)[0]
    for prefix in ("parse error: ", "lexical error: "):
        text = text.removeprefix(prefix)
    return text.rstrip(". ") or "syntax error"


def _backend() -> Any:
    try:
        return ijson.get_backend("yajl2_c")
    except ImportError:
        if os.environ.get("EXPORTSTREAM_SLOW_BACKEND") == "1":
            return ijson.get_backend("python")
        raise ImportError(
            "ijson's C backend (yajl2_c) is missing here; install an ijson wheel for this platform, "
            "or set EXPORTSTREAM_SLOW_BACKEND=1 to go on 8 to 50 times slower"
        ) from None
