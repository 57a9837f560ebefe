"""The bytes of the input that have been read and not yet dealt with.

Takes: a `Reader` of decompressed bytes. Raises: only what `require_more` does; an error of the reader comes when all bytes
before it have been dealt with. Holds: what `fill` was asked for, and one read.
"""

from __future__ import annotations

from typing import Protocol

from exportstream.errors import CutInputError, ExportstreamError, JSONSyntaxError, NotAnExportError
from exportstream.errors.patterns import late_pattern

CHUNK = 64 * 1024  # bytes of a read

_SPACE = late_pattern(rb"[ \t\r\n]*")


class Reader(Protocol):
    """A source of bytes."""

    def read_into(self, buffer: bytearray, size: int, /) -> int:
        """Append up to `size` bytes, none at the end; return how many."""


class Buffer:
    """A window on the input.

    Attributes:
        data: the bytes; `start` of them have been dealt with.
        at_end: whether all of the input has been read.
        hold: a position from which on bytes are kept, although they have been dealt with; None keeps none.
    """

    def __init__(self, reader: Reader) -> None:
        self.data = bytearray()
        self.start = 0
        self.at_end = False
        self.hold: int | None = None
        self._reader = reader
        self._dropped = 0  # bytes of the input that came before `data`
        self._blank = True  # nothing but white space so far
        self._error: ExportstreamError | None = None

    @property
    def position(self) -> int:
        """Bytes of the input that have been dealt with."""
        return self._dropped + self.start

    @property
    def left(self) -> int:
        """How many bytes are there."""
        return len(self.data) - self.start

    @property
    def next(self) -> bytes:
        """The next byte; empty where there is none yet."""
        return bytes(self.data[self.start : self.start + 1])

    def position_of(self, index: int) -> int:
        """Position in the input of a byte of `data`."""
        return self._dropped + index

    def read(self, size: int = CHUNK) -> None:
        """Read up to `size` more bytes. Indexes into `data` change."""
        self.drop()
        before = len(self.data)
        try:
            self.at_end = self._reader.read_into(self.data, size) == 0
        except ExportstreamError as error:  # what came before it is still good, and comes first
            self._error = error
            self.at_end = True
        if self._blank:
            self._look_at_first_byte(self.data[before:])

    def drop(self) -> None:
        """Let the bytes go that have been dealt with. Indexes into `data` change."""
        keep = max(0, self.start - 1)  # a block needs the byte before it
        if self.hold is not None:
            keep = max(0, min(keep, self.hold - self._dropped))
        if keep:
            del self.data[:keep]
            self._dropped += keep
            self.start -= keep

    def jump(self, position: int) -> None:
        """Go on at another position, which the reader is at: everything before it has been dealt with."""
        self.data, self.start, self._dropped = bytearray(b","), 1, position - 1  # a block needs a byte before it
        self._blank = self.at_end = False

    def fill(self, size: int) -> None:
        """Read until there are `size` bytes, or all there are."""
        while self.left < size and not self.at_end:
            self.read(max(CHUNK, size - self.left))

    def skip_space(self) -> None:
        """Go on to the next byte that is no white space, if there is one."""
        while True:
            self.start = self.after_space()
            if self.left or self.at_end:
                return
            self.read()

    def after_space(self) -> int:
        """Index of the next byte that is no white space; of the end where there is none yet."""
        found = _SPACE.match(self.data, self.start)
        return found.end() if found is not None else self.start

    def _look_at_first_byte(self, data: bytearray) -> None:
        first = data.lstrip(b" \t\r\n")[:1]
        self._blank = not first
        if first == b"<":
            raise NotAnExportError("expected JSON, got HTML or XML", hint="open it in a browser: it may be an error page")

    def end_error(self) -> ExportstreamError | None:
        """The error for input that could not be read on or is empty; None if the parser should report the end."""
        if self._error is not None:
            return self._error
        if self._blank:
            return NotAnExportError(
                "expected a session export, got an empty input", hint="see whether its export failed or still runs"
            )
        return None

    def require_more(self, what: str) -> None:
        """Raise `CutInputError` if the document ends here, `JSONSyntaxError` if something does; `what` was expected."""
        if not self.left:
            raise self.end_error() or CutInputError("the input ends before the document is complete")
        if self.next in b"],}:":
            raise JSONSyntaxError(
                f"not JSON: expected {what}, got {self.next.decode()!r}", position=self.position, exact=True
            )
