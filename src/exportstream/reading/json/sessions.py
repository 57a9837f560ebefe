"""Takes runs of whole sessions out of the bytes: the elements of an array, lines, or any documents one after the other.

Takes: a buffer, and an index in it where a session begins. Reports: `Events.sessions`, or the events of a session one by one
if it has keys that nobody knows. Returns: the index after the run, or None; then the session goes the way of one document.
Raises: nothing by itself; what is refused here is refused, or accepted, in that other way.
Holds: the sessions of one block.

How it works: sessions of an archive are alike, so the bytes `"messages":[` and those before its first key (`{"id":`) are
looked for as the first session spelled them. Between two of the former, the last of the latter begins a session, and
the one before it has ended. Nothing is guessed: `messages` have to be an array by themselves, what is left has to be an
object of its own with each key once, and only white space (in an array, and a comma) may be in between. The last session
is taken only if it ends with the input; that of an array never is, so ijson sees the end of it. Bytes that only look like a
beginning fail one of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import accumulate, chain, islice
from typing import Any

import msgspec

from exportstream.errors import NotAnExportError
from exportstream.errors.patterns import late_pattern
from exportstream.reading.json.beyond_msgspec import value_is_deeper
from exportstream.reading.json.blocks import BLOCK, LARGEST_BLOCK, starts_of_elements
from exportstream.reading.json.decoder import REFUSALS, MessageDecoder
from exportstream.reading.json.events import Events
from exportstream.reading.json.guard import has_long_number
from exportstream.reading.json.session_lines import SessionLines, split
from exportstream.reading.limits import MAX_DEPTH

_OPENING = late_pattern(rb'\{[ \t\r\n]{0,64}"[^"\\]{1,40}"[ \t\r\n]{0,64}:')
_MESSAGES = late_pattern(rb'"messages"[ \t\r\n]{0,64}:[ \t\r\n]{0,64}\[')
_KEYS = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_SPACE = b" \t\r\n"
_BRACKET, _COMMA = ord("]"), ord(",")
_NOT_HERE = frozenset({"messages", "result"})  # a `result` may be the session of an SDK response
_OPENINGS = 4  # to look at before each key `messages`; objects in front of it may begin like a session
_TRIES = 2  # to decode the messages of one session
_LONGEST_GAP = 256  # bytes of white space between two sessions


class _Found(msgspec.Struct):
    """A session: indexes of its beginning, its key `messages`, their array, the ends of both, and the next session."""

    begin: int
    key: int
    array: int
    array_end: int
    end: int
    next: int
    messages: list[Any] = []


class Sessions:
    """Finds and decodes whole sessions.

    Attributes:
        wants_more: after a refusal, whether the first session may not end in the buffer.
        position_of: the position in the input of an index, where the beginnings of messages are wanted.
    """

    def __init__(self, decoder: MessageDecoder) -> None:
        self.wants_more = False
        self.position_of: Callable[[int], int] | None = None
        self._decoder = decoder
        self._opening = self._messages = b""  # as the last session that went another way spelled them
        self._one_by_one = 0  # how many sessions are to be decoded by themselves, since one of them is odd
        self._lines = SessionLines()

    def take(self, data: bytearray, start: int, events: Events, *, in_array: bool, at_end: bool = False) -> int | None:
        """Take the whole sessions that are in a block; `at_end`: the input ends with the buffer."""
        limit = min(len(data), start + BLOCK)
        self.wants_more = False
        if not self._learn(data, start, limit) or has_long_number(data, start, limit):
            return None
        depth = MAX_DEPTH - in_array
        found: list[_Found] = []
        if self._one_by_one <= 0:
            is_last = at_end and limit == len(data)
            if (end := self._take_usual(data, start, limit, events, in_array=in_array, is_last=is_last)) is not None:
                return end
            found = self._find_all(data, start, limit, in_array=in_array)
            self.wants_more = False  # the last one is no refusal
            if found and not self._decode_together(data, found, depth - 2):
                self._one_by_one, found = len(found), []
        while not found or self._one_by_one > 0:
            one = self._find_next(data, found[-1].next if found else start, limit, depth - 2, in_array=in_array)
            self._one_by_one -= 1
            if one is None:
                break
            found.append(one)
        return self._report(data, found, events, depth) if found else None

    def _learn(self, data: bytearray, start: int, limit: int) -> bool:
        """Remember how the session at `start` spells its beginning and that of its messages."""
        if self._opening and data.startswith(self._opening, start):
            return True
        opening = _OPENING.match(data, start)
        messages = _MESSAGES.search(data, start, limit) if opening is not None else None
        if opening is None or messages is None:
            return False
        self._opening, self._messages = opening[0], messages[0]
        return True

    def _take_usual(
        self, data: bytearray, start: int, limit: int, events: Events, *, in_array: bool, is_last: bool
    ) -> int | None:
        """Take the sessions from `start` on that are as most are, many in one call; None if there is none, or one is odd."""
        if self.position_of is not None:
            return None
        block = bytes(memoryview(data)[start:limit])
        lines = split(block, self._opening, self._messages, in_array=in_array, is_last=is_last)
        if lines is None or (sessions := self._lines.decode(lines.keys, lines.sessions)) is None:
            return None
        arrays = self._decoder.decode_lines(lines.messages, MAX_DEPTH - in_array - 2)
        if arrays is None or len(arrays) != lines.sessions:
            return None
        events.sessions(sessions, list(chain.from_iterable(arrays)), list(accumulate(map(len, arrays))))
        return start + lines.size

    def _find_all(self, data: bytearray, begin: int, limit: int, *, in_array: bool) -> list[_Found]:
        """Find the sessions from `begin` on, as far as each is followed by another; their messages are not decoded yet."""
        found: list[_Found] = []
        while (one := next(self._ends_of(data, begin, limit, in_array=in_array), None)) is not None and one.array_end > 0:
            found.append(one)
            begin = one.next
        return found

    def _decode_together(self, data: bytearray, found: list[_Found], depth: int) -> bool:
        """Decode the messages of all of them in one call; False if that fails."""
        arrays = self._decoder.decode_lines(b"\n".join([data[one.array : one.array_end] for one in found]), depth)
        if arrays is None or len(arrays) != len(found):
            return False
        for one, messages in zip(found, arrays, strict=True):
            one.messages = messages
        return True

    def _find_next(self, data: bytearray, begin: int, limit: int, depth: int, *, in_array: bool) -> _Found | None:
        """Find the session at `begin`, whatever else looks like its end, and decode its messages."""
        for one in islice(self._ends_of(data, begin, limit, in_array=in_array), _TRIES):
            if one.array_end > 0 and self._decode_together(data, [one], depth):
                return one
        return None

    def _ends_of(self, data: bytearray, begin: int, limit: int, *, in_array: bool) -> Iterator[_Found]:
        """Yield the session at `begin` with each end that it may have, the first of which usually is right."""
        opening, key = self._opening, self._messages
        at = data.find(key, begin, limit)
        array = beyond = at + len(key) - 1
        while at >= 0:
            searched, beyond = beyond, data.find(key, beyond + 1, limit)
            if beyond < 0:
                self.wants_more = limit < begin + LARGEST_BLOCK
                return
            following = beyond
            for _ in range(_OPENINGS):
                following = data.rfind(opening, searched, following)
                if following < 0:
                    break
                end = _end_before(data, following, array, in_array=in_array)
                if end >= 0:
                    yield _Found(begin, at, array, _array_end(data, array, end), end, following)
                    break

    def _report(self, data: bytearray, found: list[_Found], events: Events, depth: int) -> int | None:
        """Decode the keys of the sessions, and report them; return the index after those that were reported."""
        sessions = self._lines.decode(b"\n".join([*(_keys_alone(data, one) for one in found), b""]), len(found))
        if sessions is not None:
            messages = list(chain.from_iterable([one.messages for one in found]))
            self._tell_starts(data, found, events)
            events.sessions(sessions, messages, list(accumulate([len(one.messages) for one in found])))
            return found[-1].next
        reported = None
        for one in found:
            if not self._report_one(data, one, events, depth):
                break
            reported = one.next
        return reported

    def _report_one(self, data: bytearray, one: _Found, events: Events, depth: int) -> bool:
        """Report a session key by key; False if it is not taken."""
        before = bytes(data[one.begin : one.key]).rstrip(_SPACE)
        after = bytes(data[one.array_end : one.end]).lstrip(_SPACE)
        if not before.endswith(b",") or not (after == b"}" or after.startswith(b",")) or after[1:].lstrip(_SPACE) == b"}":
            return False
        from json import loads  # noqa: PLC0415 - few need it, and it slows the command's start

        texts = [before[:-1] + b"}", b"{" + after.removeprefix(b",")]
        try:
            first, last = map(_KEYS.decode, texts)
            if any(
                len(loads(text, object_pairs_hook=list)) > len(keys) for text, keys in zip(texts, (first, last), strict=True)
            ):
                return False  # a key comes twice
        except REFUSALS:
            return False
        odd = "id" not in first or not _NOT_HERE.isdisjoint(first.keys() | last.keys()) or not first.keys().isdisjoint(last)
        if odd or value_is_deeper([*first.values(), *last.values()], depth):
            return False
        events.begin_session()
        try:
            for name, value in first.items():
                events.key(name, value)
            events.begin_messages()
        except NotAnExportError as error:  # ijson meets it again, and tells its place
            events.no_session(error, again=True)
            return False
        self._tell_starts(data, [one], events)
        events.messages(one.messages)
        for name, value in last.items():
            events.key(name, value)
        events.end_session()
        return True

    def _tell_starts(self, data: bytearray, found: list[_Found], events: Events) -> None:
        if self.position_of is not None:
            starts = chain.from_iterable(starts_of_elements(data, one.array + 1, one.array_end - 1) for one in found)
            events.starts(list(map(self.position_of, starts)))


def _end_before(data: bytearray, following: int, array: int, *, in_array: bool) -> int:
    """Index after the session that ends before the one at `following`; -1 if none ends there."""
    if data.startswith(b"}," if in_array else b"}\n", following - 2):
        return following - 1
    start = max(array, following - _LONGEST_GAP)
    gap = data[start:following].rstrip(_SPACE)
    if in_array:
        if not gap.endswith(b","):
            return -1
        gap = gap[:-1].rstrip(_SPACE)
    return start + len(gap) if gap.endswith(b"}") else -1


def _array_end(data: bytearray, array: int, end: int) -> int:
    """Index after the messages of a session: they come last, or the last bracket that keys follow is theirs; -1 if not."""
    if data[end - 2] == _BRACKET:
        return end - 1
    bracket = data.rfind(b'],"', array, end)
    return (bracket if bracket >= 0 else data.rfind(b"]", array, end)) + 1 or -1


def _keys_alone(data: bytearray, one: _Found) -> bytes | bytearray:
    """The session without its `messages`; what is no object if the bytes around them are not as they have to be."""
    if one.array_end == one.end - 1 and data[one.key - 1] == _COMMA:
        return data[one.begin : one.key - 1] + b"}"
    before, after = data[one.begin : one.key].rstrip(_SPACE), data[one.array_end : one.end].lstrip(_SPACE)
    if after == b"}" and before.endswith(b","):
        del before[-1:]
    elif after.startswith(b",") and before.endswith((b",", b"{")):
        del after[:1]
    elif after != b"}" or before != b"{":
        return b"null"
    return before + after
