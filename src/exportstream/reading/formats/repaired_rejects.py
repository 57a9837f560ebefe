"""Reads a file of rejects that somebody repaired: its messages get their old session and index.

Takes: a reader of bytes. Reports: the events of sessions that have nothing but an id and messages.
Yields: None after each line. Raises: `JSONSyntaxError`, `NotAnExportError`, `LimitError`, and what the events raise.
Holds: one line.

It is recognised by the keys with which each line begins. Each line is an object: `message` is a message. Damaged bytes,
`bytes` or `base64`, have been repaired if they are JSON now: one message, or several with commas in between.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import Any

from exportstream.errors import ExportstreamError, InputError, JSONSyntaxError, LimitError, NotAnExportError, printable
from exportstream.errors.patterns import late_pattern
from exportstream.reading.json.beyond_msgspec import refuse_deep
from exportstream.reading.json.buffer import CHUNK, Buffer, Reader
from exportstream.reading.json.decoder import ANY_VALUE, REFUSALS
from exportstream.reading.json.events import Events
from exportstream.reading.json.guard import has_long_number, replace_surrogates
from exportstream.reading.limits import too_many_digits

_TEXT = rb'(?:null|"[^"\\]*+(?:\\.[^"\\]*+)*+")'
_BEGINS = late_pattern(
    rb'\s*\{\s*"source"\s*:\s*%b\s*,\s*"sessionId"\s*:\s*%b\s*,\s*"messageIndex"\s*:' % (_TEXT, _TEXT), re.DOTALL
)
_LONGEST_PRODUCER = 40  # characters


def is_rejects(head: bytes) -> bool:
    """Whether an input of these first bytes is a file of rejects."""
    return b'"source"' in head and _BEGINS.match(head) is not None


class RejectLines:
    """One reading of a file of rejects.

    Args:
        limit: bytes of the largest line taken.
        skip: whether bytes that are still damaged are rejected again, or an error.
    """

    def __init__(self, reader: Reader, events: Events, *, limit: int, skip: bool) -> None:
        self._buffer = Buffer(reader)
        self._events = events
        self._limit = limit
        self._skip = skip
        self._session: str | None = None
        self._index = 0

    def __iter__(self) -> Iterator[None]:
        for line in self._lines():
            begin = self._buffer.position
            try:
                self._take(line)
            except ExportstreamError as error:
                error.locate(position=begin)
                error.exact = True
                raise
            yield
        self._events.break_session()
        yield

    def _lines(self) -> Iterator[bytes]:
        """Yield each line; the position is that of its beginning meanwhile."""
        buffer, searched = self._buffer, 0
        while True:
            end = buffer.data.find(b"\n", buffer.start + searched)
            if end < 0 and not buffer.at_end:
                searched = buffer.left
                if searched > self._limit:
                    hint = "allow more with `max_message_size`"
                    raise LimitError(f"expected a line of at most {self._limit:,} bytes, got a longer one", hint=hint)
                buffer.read(max(CHUNK, searched))
                continue
            end = end if end >= 0 else len(buffer.data)
            line = bytes(buffer.data[buffer.start : end])
            if line.strip():
                yield line
            buffer.start, searched = min(end + 1, len(buffer.data)), 0
            if buffer.at_end and not buffer.left:
                if (error := buffer.end_error()) is not None:
                    raise error
                return

    def _take(self, line: bytes) -> None:
        reject = self._decode(line)
        session_id, index = (
            (reject.get(key) for key in ("sessionId", "messageIndex")) if type(reject) is dict else (None, None)
        )
        if type(reject) is dict and isinstance(producer := reject.get("producer"), str):
            raise NotAnExportError(
                f"expected rejects of session exports, got a line of a log of {printable(producer, _LONGEST_PRODUCER)}",
                hint="a line alone makes no row: repair it in the log itself, or in a copy of it, and read that",
            )
        damaged = type(reject) is dict and "message" not in reject
        if damaged and (type(session_id) is not str or type(index) is not int):
            self._refuse(_bytes(reject), NotAnExportError("expected the damaged bytes of a session, got bytes of none"))
            return
        if type(session_id) is not str or type(index) is not int or index < 0:
            raise NotAnExportError("expected a line with `sessionId` and `messageIndex`, got one without them")
        if session_id != self._session or index < self._index:
            self._events.break_session()
            self._events.begin_session()
            self._events.key("id", session_id)
            self._events.begin_messages()
            self._session, self._index = session_id, 0
        self._events.lose_message(index - self._index)
        self._index = index
        values = [reject.get("message")]
        if damaged:
            data = _bytes(reject)
            try:
                values = self._decode(b"[%b]" % data.strip(b" \t\r\n,"))
            except InputError as error:
                self._refuse(data, error)
                return
        for value in values:
            self._events.message(value, None, self._buffer.position)
            self._index += 1

    def _refuse(self, data: bytes, error: InputError) -> None:
        """Reject bytes that are still damaged, or raise the error."""
        if not self._skip:
            error.hint = 'repair them, remove the line, or on_error="skip" rejects them again'
            raise error
        self._events.damage(data, self._buffer.position, error, begins=True)

    def _decode(self, text: bytes) -> Any:
        """Decode JSON, numbers as int or Decimal."""
        if has_long_number(text, 0, len(text)):
            raise too_many_digits()
        try:
            value = ANY_VALUE.decode(text)
        except REFUSALS as error:
            fixed, replaced = replace_surrogates(text)
            if not replaced:
                raise JSONSyntaxError(f"not JSON: {error}") from error
            try:
                value = ANY_VALUE.decode(fixed)
            except REFUSALS:
                raise JSONSyntaxError(f"not JSON: {error}") from error
            self._events.replaced(replaced)
        refuse_deep(value)
        return value


def _bytes(reject: dict[str, Any]) -> bytes:
    """The bytes of a damaged stretch."""
    text, encoded = reject.get("bytes"), reject.get("base64")
    if isinstance(text, str):
        return text.encode("utf-8", "replace")
    from base64 import b64decode  # noqa: PLC0415 - few need it, and it slows the command's start

    try:
        return b64decode(encoded, validate=True) if isinstance(encoded, str) else b""
    except binascii.Error as error:
        raise NotAnExportError(f"expected `base64`, got something else: {error}") from error
