r"""Finds the next element that is whole after damage: bytes that are not JSON, or an input that is cut.

Takes: the `Buffer` at the damage. Passes on: the damaged bytes, in pieces. Returns: whether an element begins at the
buffer's start now. Raises: `ReadError`. Holds: one element that is tried.

How it works: an object with an unescaped key, ``{"title":``, can't begin inside a string. It is taken if it is whole, has
the keys of an element, and is followed by what can follow an element: in an array a comma and further objects, for `WINDOW`
bytes, or the end of the array and nothing that contradicts. Elements inside the values of a damaged one are followed by the
rest of it, which contradicts. An object that is whole and not taken is passed over with all that is in it, so this takes
linear time. One that is not whole is read to its wrong byte; then all objects are known that are open there, and they are
not tried. A `Budget` limits how much is tried in vain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Protocol

import msgspec
from msgspec import Struct

from exportstream.errors import InputError, LimitError
from exportstream.reading.json.buffer import Buffer
from exportstream.reading.json.damage import COST_OF_LOOK, OBJECT, WINDOW, DamageSearch
from exportstream.reading.json.decoder import REFUSALS
from exportstream.reading.json.guard import replace_surrogates
from exportstream.reading.json.measure import measure

LONGEST = 16 * 1024 * 1024  # bytes of an element that is tried, if no larger one has come before

_PLACE = re.compile(OBJECT)
_TOKEN = re.compile(rb'"(?:[^"\\]*+(?:\\.[^"\\]*+)*+")?|[{}\[\]]', re.DOTALL)
_KEYS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class TakesDamage(Protocol):
    """Takes some damaged bytes."""

    def __call__(self, data: bytes, position: int, error: InputError, *, begins: bool, within: bool) -> None:
        """Take them; `begins`: they are the first ones of a damaged stretch, which is `within` an element."""


class KnownElements(Struct):
    """What is known of the elements of an input: those that come are like them.

    Attributes:
        first_keys: keys that they begin with.
        longest: bytes of the longest one.
    """

    first_keys: set[bytes]
    longest: int = 0

    def know(self, data: bytes | bytearray, index: int, size: int) -> None:
        """Get to know an element at an index of some bytes."""
        if (place := _PLACE.match(data, index)) is not None:
            self.first_keys.add(place[1])
        self.longest = max(self.longest, size)

    def merge(self, other: KnownElements) -> None:
        """Get to know those that another one knows."""
        self.first_keys |= other.first_keys
        self.longest = max(self.longest, other.longest)


class Found(Struct, frozen=True):
    """An element that was found.

    Attributes:
        in_array: whether it is that of an array.
    """

    in_array: bool


class NextElement(DamageSearch):
    """The search for elements in one input.

    Args:
        known: elements that came before; more may come to be known.
        is_element: whether an object with such keys is an element.
        limit: bytes of the largest element taken.
    """

    def __init__(
        self,
        buffer: Buffer,
        known: KnownElements,
        is_element: Callable[[Collection[str]], bool],
        report: TakesDamage,
        limit: int,
    ) -> None:
        super().__init__(buffer, _PLACE)
        self._known_elements = known
        self._is_element = is_element
        self._pass_on = report
        self._limit = limit
        self._error: InputError | None = None
        self._within = False
        self._open: set[int] = set()  # positions of objects that are not whole
        self._known = 0  # position up to which these are all

    def find(self, error: InputError, *, in_array: bool, opened: int | None, within: bool, size: int | None) -> Found | None:
        """Report what is damaged, and go to the next element; None if there is none.

        Args:
            error: of the damage.
            in_array: whether elements are those of an array.
            opened: position of its bracket, if the array has no element so far. If it gets none the bracket is damaged, too.
            within: whether the damaged bytes are those of an element that begins at the buffer's start.
            size: of that element, if its end is known.
        """
        buffer = self._buffer
        self._error, self._within, self._reported = error, within, 0
        after = 0
        if within:
            after = size or 1
            self._learn_open(len(buffer.data) if error.position is None else error.position - buffer.position_of(0))
        buffer.hold = buffer.position  # of the first byte that was not reported
        # In an array, too, lines may go on: its bracket was the beginning of a damaged one.
        found = self._search(buffer.position + after, (True, False) if in_array and opened is None else (False, in_array))
        if found is None:
            self._report_rest()
        self._report(buffer.start, always=not self._reported)
        if opened is not None and not (found is not None and found.in_array):
            self._tell(b"[", opened, begins=False)
        buffer.hold = None
        return found

    def _search(self, position: int, ways: tuple[bool, bool]) -> Found | None:
        """Find an element from a position on, in an array or not; the first way goes first."""
        buffer = self._buffer
        while True:
            place = self._next_place(position)
            if place is None:
                return None
            begin = buffer.position_of(place.start())
            position = begin + 1
            if place[1] not in self._known_elements.first_keys or begin in self._open or not self._budget.allows(begin):
                continue
            self._report(place.start(), whole=True)
            buffer.start = place.start()
            self._budget.spend(COST_OF_LOOK)
            try:
                size, is_odd = measure(buffer, min(max(LONGEST, self._known_elements.longest), self._limit))
            except InputError as error:
                self._pass_over(error)
                continue
            if self._is_element(self._keys(size, is_odd=is_odd)):
                for in_array in ways:
                    if self._fits(size, in_array=in_array):
                        return Found(in_array)
            position = begin + size

    def _pass_over(self, error: InputError) -> None:
        """Take note of an object at the buffer's start that is not whole."""
        buffer = self._buffer
        tried = buffer.left if error.position is None else max(error.position - buffer.position, 0)
        if buffer.position < self._known:
            self._budget.spend(tried)
        else:
            self._learn_open(buffer.start + tried)

    def _learn_open(self, end: int) -> None:
        """Find the objects from the buffer's start on that are open before an index."""
        buffer = self._buffer
        opened: list[int] = []
        for token in _TOKEN.finditer(buffer.data, buffer.start, end):
            kind = buffer.data[token.start()]
            if kind in b"{[":
                opened.append(token.start())
            elif kind in b"}]" and opened:
                opened.pop()
        self._open = set(map(buffer.position_of, opened))
        self._known = buffer.position_of(end)

    def _keys(self, size: int, *, is_odd: bool) -> list[str]:
        """The keys of the object at the buffer's start."""
        with memoryview(self._buffer.data)[self._buffer.start : self._buffer.start + size] as view:
            try:
                return list(_KEYS.decode(replace_surrogates(bytes(view))[0] if is_odd else view))
            except REFUSALS:
                return []

    def _fits(self, size: int, *, in_array: bool) -> bool:
        """Whether what comes after an object of this size can come after an element."""
        buffer = self._buffer
        position = before = buffer.position
        try:
            while True:
                position += size
                buffer.start = position - buffer.position_of(0)
                following = self._after_space()
                if in_array and following == b"]":
                    buffer.start += 1
                    return self._after_space() in (b"", b"{", b"[")
                if in_array and following == b",":
                    buffer.start += 1
                    following = self._after_space()
                    if following != b"{":
                        return False
                elif following != b"{" or in_array:
                    return following in ((b"",) if in_array else (b"", b"["))
                position = buffer.position
                if position - before - size > WINDOW:
                    return True
                try:
                    size, _ = measure(buffer, WINDOW)
                except LimitError:
                    return True
                except InputError:
                    return False
        finally:
            buffer.start = before - buffer.position_of(0)

    def _after_space(self) -> bytes:
        """The next byte that is no white space; at the end of the input it is empty."""
        self._buffer.skip_space()
        return self._buffer.next

    def _tell(self, data: bytes, position: int, *, begins: bool) -> None:
        assert self._error is not None
        self._pass_on(data, position, self._error, begins=begins, within=self._within)
