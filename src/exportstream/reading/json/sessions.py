"""Takes runs of whole sessions out of the bytes: the elements of an array, lines, or any documents one after the other.

Takes: a buffer, and an index in it where a session begins. Reports: `Events.sessions`, or the events of a session one by one
if it has keys that nobody knows. Returns: the index after the run, or None; then the session goes the way of one document.
Raises: nothing by itself; what is refused here is refused, or accepted, in that other way.
Holds: the sessions of one block.

How it works: sessions of an archive are alike, so the bytes `"messages":[` and those before its first key (`{"id":`) are
looked for as the first session spelled them. Between two places of the former, the last of the latter begins a session, and
the one before it has ended. Nothing is guessed: `messages` have to be an array by themselves, what is left has to be an
object of its own with each key once, and only white space (in an array, and a comma) may be in between. The last session
is never taken, so ijson sees the end of an array or of the input. Bytes that only look like a beginning fail one of these.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import msgspec

from exportstream.models.names import SESSION_KEYS
from exportstream.models.structs import Session
from exportstream.reading.json.blocks import BLOCK, LARGEST_BLOCK, Blocks
from exportstream.reading.json.envelope import MAX_DEPTH
from exportstream.reading.json.events import Events
from exportstream.reading.json.exact import check_costs, value_is_deeper
from exportstream.reading.json.guard import has_long_number

_OPENING = re.compile(rb'\{[ \t\r\n]{0,64}"[^"\\]{1,40}"[ \t\r\n]{0,64}:')
_MESSAGES = re.compile(rb'"messages"[ \t\r\n]{0,64}:[ \t\r\n]{0,64}\[')
_KEYS = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"[ \t\r\n]*:', re.DOTALL)
_SPACE = b" \t\r\n"
_ANY_SPACE = rb"[ \t\r\n]*+"
_PLAIN = rb'(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|[-+.\w]++)'
_BRACKET = ord("]")
_NOT_HERE = frozenset({"messages", "result"})  # a `result` may be the session of an SDK response
_OPENINGS = 4  # to look at before each key `messages`; objects in front of it may begin like a session
_TRIES = 2  # to decode the messages of one session
_LONGEST_GAP = 256  # bytes of white space between two sessions
_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError, ValueError)


class _Found(msgspec.Struct):
    """A session: indexes of its beginning, its key `messages`, their end, its own end and the next session."""

    begin: int
    key: int
    array_end: int
    end: int
    next: int
    messages: list[Any]


class Sessions:
    """Finds and decodes whole sessions.

    Attributes:
        wants_more: after a refusal, whether the first session may not end in the buffer.
    """

    def __init__(self, blocks: Blocks) -> None:
        self.wants_more = False
        self._blocks = blocks
        self._opening = self._messages = b""  # as the last session that went another way spelled them
        self._shape: re.Pattern[bytes] | None = None  # of sessions without their messages
        self._decoders = [msgspec.json.Decoder(kind, float_hook=Decimal) for kind in SESSION_KEYS]
        self._values = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)

    def take(self, data: bytearray, start: int, events: Events, *, in_array: bool) -> int | None:
        """Take the whole sessions that are in a block."""
        limit = min(len(data), start + BLOCK)
        self.wants_more = False
        if not self._learn(data, start, limit) or has_long_number(data, start, limit):
            return None
        types = self._blocks.types
        found: list[_Found] = []
        messages: list[Any] = []
        ends: list[int] = []
        begin = start
        with memoryview(data) as view:
            while (one := self._find(data, view, begin, limit, in_array=in_array)) is not None:
                if self._blocks.types is not types:  # a key was learned, or other names
                    if found:
                        break  # decoded again with the next block
                    types = self._blocks.types
                found.append(one)
                messages += one.messages
                ends.append(len(messages))
                begin = one.next
        if not found:
            return None
        depth = MAX_DEPTH - in_array
        if not self._blocks.finish(messages, depth - 2, types):
            return None
        return self._report(data, found, messages, ends, events, depth)

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

    def _find(self, data: bytearray, view: memoryview, begin: int, limit: int, *, in_array: bool) -> _Found | None:
        """Find the end of the session at `begin`, and decode its messages."""
        opening, key = self._opening, self._messages
        array = data.find(key, begin, limit) + len(key) - 1
        if array < begin:
            return None
        beyond = array
        for _ in range(_TRIES):
            end = following = -1
            while end < 0:
                searched, beyond = beyond, data.find(key, beyond + 1, limit)
                if beyond < 0:
                    self.wants_more = limit < begin + LARGEST_BLOCK
                    return None
                following = beyond
                for _ in range(_OPENINGS):
                    following = data.rfind(opening, searched, following)
                    if following < 0:
                        break
                    end = _end_before(data, following, array, in_array=in_array)
                    if end >= 0:
                        break
            array_end = _array_end(data, array, end)
            messages = self._blocks.decode_array(view[array:array_end]) if array_end > 0 else None
            if messages is not None:
                return _Found(begin, array - len(key) + 1, array_end, end, following, messages)
        return None

    def _report(
        self, data: bytearray, found: list[_Found], messages: list[Any], ends: list[int], events: Events, depth: int
    ) -> int | None:
        """Decode the keys of the sessions, and report them; return the index after those that were reported."""
        sessions = self._decode([_keys_alone(data, one) for one in found])
        if sessions is not None:
            events.sessions(sessions, messages, ends)
            return found[-1].next
        start = 0
        reported = None
        for one, end in zip(found, ends, strict=True):
            one.messages, start = messages[start:end], end
            if not self._report_one(data, one, events, depth):
                break
            reported = one.next
        return reported

    def _decode(self, texts: list[bytes]) -> list[Any] | None:
        """Decode objects of known keys; None if there are other keys, a key comes twice, or a value is not of its type."""
        lines = b"\n".join([*texts, b""])
        if self._shape is None or not self._shape.fullmatch(lines):
            self._shape = _shape_of(texts[0])
            if self._shape is None or not self._shape.fullmatch(lines):
                return None
        for decoder in self._decoders:
            try:
                sessions = decoder.decode_lines(lines)
            except _REFUSALS:
                continue
            if len(sessions) != len(texts) or any(one.id is None or one.title is None for one in sessions):
                return None
            if not check_costs(sessions):
                return None
            for session in sessions:
                session.__class__ = Session
            return sessions
        return None

    def _report_one(self, data: bytearray, one: _Found, events: Events, depth: int) -> bool:
        """Report a session key by key; False if it is not taken."""
        before = bytes(data[one.begin : one.key]).rstrip(_SPACE)
        after = bytes(data[one.array_end : one.end]).lstrip(_SPACE)
        if not before.endswith(b",") or not (after == b"}" or after.startswith(b",")) or after[1:].lstrip(_SPACE) == b"}":
            return False
        texts = [before[:-1] + b"}", b"{" + after.removeprefix(b",")]
        try:
            first, last = map(self._values.decode, texts)
            if any(
                len(json.loads(text, object_pairs_hook=list)) > len(keys)
                for text, keys in zip(texts, (first, last), strict=True)
            ):
                return False  # a key comes twice
        except _REFUSALS:
            return False
        odd = "id" not in first or not _NOT_HERE.isdisjoint(first.keys() | last.keys()) or not first.keys().isdisjoint(last)
        if odd or value_is_deeper([*first.values(), *last.values()], depth):
            return False
        events.begin_session()
        for name, value in first.items():
            events.key(name, value)
        events.begin_messages()
        events.messages(one.messages)
        for name, value in last.items():
            events.key(name, value)
        events.end_session()
        return True


def _shape_of(text: bytes) -> re.Pattern[bytes] | None:
    """A pattern for lines with these keys in this order, and plain values; None if a key comes twice."""
    keys = _KEYS.findall(text)
    if len(set(keys)) < len(keys) or b"\\" in b"".join(keys):
        return None
    pairs = (_ANY_SPACE + b"," + _ANY_SPACE).join(
        b'"%b"%b:%b%b' % (re.escape(key), _ANY_SPACE, _ANY_SPACE, _PLAIN) for key in keys
    )
    return re.compile(rb"(?:\{%b%b%b\}\n)*+" % (_ANY_SPACE, pairs, _ANY_SPACE), re.DOTALL)


def _end_before(data: bytearray, following: int, array: int, *, in_array: bool) -> int:
    """Index after the session that ends before the one at `following`; -1 if none ends there."""
    gap = data[max(array, following - _LONGEST_GAP) : following].rstrip(_SPACE)
    if in_array:
        if not gap.endswith(b","):
            return -1
        gap = gap[:-1].rstrip(_SPACE)
    return max(array, following - _LONGEST_GAP) + len(gap) if gap.endswith(b"}") else -1


def _array_end(data: bytearray, array: int, end: int) -> int:
    """Index after the messages of a session: they come last, or the last bracket that keys follow is theirs; -1 if not."""
    if data[end - 2] == _BRACKET:
        return end - 1
    bracket = data.rfind(b'],"', array, end)
    return (bracket if bracket >= 0 else data.rfind(b"]", array, end)) + 1 or -1


def _keys_alone(data: bytearray, one: _Found) -> bytes:
    """The session without its `messages`; what is no object if the bytes around them are not as they have to be."""
    before, after = data[one.begin : one.key].rstrip(_SPACE), data[one.array_end : one.end].lstrip(_SPACE)
    if after == b"}" and before.endswith(b","):
        del before[-1:]
    elif after.startswith(b",") and before.endswith((b",", b"{")):
        del after[:1]
    elif after != b"}" or before != b"{":
        return b"null"
    return bytes(before + after)
