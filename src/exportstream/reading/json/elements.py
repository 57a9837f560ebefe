"""Reads documents whose objects are held one at a time: the elements of an array, or objects one after another.

Takes: a `Reader` of decompressed bytes. Yields: an `Element` for each object.
Raises: `CutInputError`, `JSONSyntaxError`, `NotAnExportError`, `LimitError`, and the errors of the `Reader`; the first three
not after `go_on_after_damage`.
Holds: one object: its bytes and a half more, and what it decodes to.

How it works: `LikelyEnd` guesses where the object ends that begins here, and msgspec decodes it, which tells whether the
guess is right. If it is not, `measure` finds the end. ijson finds the wrong byte of an object that is not JSON.
`NextElement` finds where to go on after damage. `AheadElements` passes over runs that are read elsewhere; see `json.ahead`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from enum import Enum, auto
from typing import Any, NamedTuple

from exportstream.errors import CompressionError, CutInputError, InputError, JSONSyntaxError, NotAnExportError
from exportstream.reading.json.ahead import HEAD, NEXT_LINE, Ahead, Passed, go_on_at, is_plain
from exportstream.reading.json.blocks import separator_like
from exportstream.reading.json.buffer import Buffer, Reader
from exportstream.reading.json.decoder import REFUSALS
from exportstream.reading.json.guard import replace_surrogates
from exportstream.reading.json.measure import BLOCK, LikelyEnd, measure, refusal_of
from exportstream.reading.json.next_element import KnownElements, NextElement, TakesDamage
from exportstream.reading.json.syntax import find_error
from exportstream.storage.source import Source

_LARGE = 1 << 20  # bytes of objects that are let go as soon as they are decoded
_NOTHING = object()


class _At(Enum):
    TOP = auto()  # before or after an array or object
    FIRST = auto()  # after the bracket of an array
    AFTER = auto()  # after an element of an array
    NEXT = auto()  # after its comma


class Element(NamedTuple):
    """One object.

    Attributes:
        value: what the decoder made of it.
        position: of its first byte in the input.
        size: its bytes.
        replaced: how many halves of surrogate pairs were replaced in it.
    """

    value: Any
    position: int
    size: int
    replaced: int


class Elements:
    """One reading of one input.

    Args:
        limit: bytes of the largest object taken.
        skip: whether lines before the first object are passed over.
        decode: decodes an object; raises one of `REFUSALS` if it is not JSON.

    Attributes:
        skipped: bytes of those lines.
        within: whether an object has begun that is not complete.
        known: what is known of the objects; None if nobody asks.
    """

    def __init__(self, reader: Reader, *, limit: int, skip: bool, decode: Callable[[bytes | memoryview], Any]) -> None:
        self.skipped = 0
        self.within = False
        self.known: KnownElements | None = None
        self._buffer = Buffer(reader)
        self._limit = limit
        self._skip = skip
        self._decode = decode
        self._at = _At.TOP
        self._next: NextElement | None = None
        self._likely = LikelyEnd()
        self._size: int | None = None  # of the element that has begun
        self._opened = 0  # position of the bracket of the last array

    def go_on_after_damage(
        self, first_keys: Collection[str], is_element: Callable[[Collection[str]], bool], report: TakesDamage
    ) -> None:
        """Go on after damage with the next element that is whole; see `NextElement`."""
        self.known = KnownElements({key.encode() for key in first_keys})
        self._next = NextElement(self._buffer, self.known, is_element, report, self._limit)

    @property
    def _in_array(self) -> bool:
        return self._at is not _At.TOP

    @property
    def position(self) -> int:
        """Bytes of the input that have been dealt with."""
        return self._buffer.position

    def __iter__(self) -> Iterator[Element]:
        if self._skip:
            self._skip_lines()
        while True:
            try:
                yield from self._go_on()
            except (JSONSyntaxError, NotAnExportError, CutInputError, CompressionError) as error:
                error.locate(position=self.position)
                if self._next is None:
                    raise
                opened = self._opened if self._at is _At.FIRST else None
                found = self._next.find(error, in_array=self._in_array, opened=opened, within=self.within, size=self._size)
                if found is None:
                    return
                self.within = False
                self._at = _At.NEXT if found.in_array else _At.TOP
            else:
                return

    def _go_on(self) -> Iterator[Element]:
        buffer = self._buffer
        while True:
            buffer.skip_space()
            if not buffer.left:
                if (error := buffer.end_error()) is not None:
                    raise error
                if self._at is not _At.TOP:
                    raise CutInputError("the input ends before the document is complete")
                return
            first = buffer.next
            if first == b"{" and self._at is not _At.AFTER:
                yield self._take()
                self._at = _At.TOP if self._at is _At.TOP else _At.AFTER
            else:
                self._at = self._enter(first)
                buffer.start += 1

    def _skip_lines(self) -> None:
        buffer = self._buffer
        buffer.fill(BLOCK)
        while buffer.left:
            end = buffer.data.find(b"\n", buffer.start) + 1 or len(buffer.data)
            if buffer.data[buffer.start : end].lstrip().startswith((b"{", b"[")):
                return
            self.skipped += end - buffer.start
            buffer.start = end

    def _enter(self, first: bytes) -> _At:
        """Go on after a byte that begins no object."""
        if self._at is _At.TOP and first == b"[":
            self._opened = self.position
            return _At.FIRST
        if self._at is _At.AFTER and first == b",":
            return _At.NEXT
        if self._at in (_At.FIRST, _At.AFTER) and first == b"]":
            return _At.TOP
        got = repr(first.decode("ascii", "backslashreplace"))
        if self._at is _At.AFTER:
            what = f"not JSON: expected a comma or a bracket after a conversation, got {got}"
            raise JSONSyntaxError(what, position=self.position, exact=True)
        what = f"expected an object for each conversation, got a value that begins with {got}"
        raise NotAnExportError(what, position=self.position, exact=True)

    def _take(self) -> Element:
        """Decode the object that begins here."""
        buffer = self._buffer
        self.within, self._size = True, None
        position, size, replaced = buffer.position, self._likely.guess(buffer), 0
        value = self._decode_likely(size) if 0 < size <= self._limit else _NOTHING
        if is_guessed := value is not _NOTHING:
            self._size = size
        else:
            size, replaced, value = self._decode_measured(position)
        self._likely.know(buffer, size, guessed=is_guessed)
        if self.known is not None:
            self.known.know(buffer.data, buffer.start, size)
        buffer.start += size
        if size > _LARGE:
            buffer.drop()
        self.within = False
        return Element(value, position, size, replaced)

    def _decode_likely(self, size: int) -> Any:
        """Decode an object of a size that was guessed; `_NOTHING` if so many bytes are none."""
        buffer = self._buffer
        with memoryview(buffer.data)[buffer.start : buffer.start + size] as view:
            try:
                return self._decode(view)
            except REFUSALS:
                return _NOTHING

    def _decode_measured(self, position: int) -> tuple[int, int, Any]:
        """Find the end of the object that begins here, and decode it; return its size, what was replaced, and the value."""
        buffer = self._buffer
        try:
            size, is_odd = measure(buffer, self._limit)
        except JSONSyntaxError as error:
            raise self._exact(error, buffer.left) from None
        self._size, replaced = size, 0
        with memoryview(buffer.data)[buffer.start : buffer.start + size] as view:
            try:
                if is_odd:
                    data, replaced = replace_surrogates(bytes(view))
                    return size, replaced, self._decode(data)
                return size, replaced, self._decode(view)
            except REFUSALS as error:
                raise self._exact(refusal_of(error, position), size) from None

    def _exact(self, error: InputError, size: int) -> InputError:
        """Return the error with its byte, which is within so many bytes; the same error if the byte can't be found."""
        with memoryview(self._buffer.data)[self._buffer.start : self._buffer.start + size] as view:
            return find_error(view, self.position) or error


class AheadElements(Elements):
    """Elements of a file, of which some are read elsewhere: a run of them is yielded as an `Element` of no bytes."""

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
        go_on_at(run.end - 1, self._file, self._buffer)  # the comma or line feed that follows is looked at as usual
        return Element(run, position, 0, 0)

    def _run(self) -> Passed | None:
        """The run that begins here, None if there is none."""
        buffer = self._buffer
        buffer.fill(HEAD)
        separator = separator_like(buffer.data, buffer.start) if self._in_array else NEXT_LINE
        if separator is None or not is_plain(self._file, buffer):
            return None
        return self._ahead.sessions(buffer.position, separator, in_array=self._in_array)
