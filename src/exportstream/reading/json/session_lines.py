r"""Splits a block of whole sessions, and decodes sessions without their messages, a line for each.

Takes: bytes that begin with a session; then lines, each of which has to be an object by itself. Returns: `Lines`; `Session`
structs, or None where a line has an unknown key, a key twice, or a value that is not of its type. Raises: nothing.
Holds: names.

How most sessions are split, whose `messages` are the last key: the block is cut at each ``,"messages":[``, and each piece at
the last ``]}\n{"id":`` in it. Whether a piece is what it looks like is not known yet: each line of keys has to be an object
and each line of messages an array, both by themselves. No value can go on from one line to the next: not in a string, and
after the bracket or brace that ends a line a comma would have to come. So if there are as many values as lines, each line is
one value.

How a key that comes twice is found, of which msgspec takes the last: keys are counted, in the text and in what was decoded.
Most lines have the same keys: then a struct that requires all of them says how many there are.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from exportstream.models.names import session_keys
from exportstream.models.structs import Session
from exportstream.reading.json.beyond_msgspec import check_costs
from exportstream.reading.json.decoder import REFUSALS

_BLANK = b" \t\r\n"
_NAMES = Session.__struct_fields__


class Lines(NamedTuple):
    """Sessions in two parts.

    Attributes:
        keys: a line for each session, without `messages`.
        messages: a line for each array of messages.
        sessions: how many.
        size: bytes of them, with what is between each and the next.
    """

    keys: bytes
    messages: bytes
    sessions: int
    size: int


def split(block: bytes, opening: bytes, messages: bytes, *, in_array: bool, is_last: bool) -> Lines | None:
    """Split the sessions up to the first that is not as most are; None if that is the first of all.

    Args:
        block: begins with a session. Of one that no other follows in it nobody knows whether it ends.
        opening: how sessions begin, up to the colon after their first key.
        messages: how their key `messages` is spelled, up to the bracket after it.
        in_array: whether a comma is between them, not a line feed.
        is_last: whether the input ends with the block; then its last session is split off, too, if nothing is around it.
    """
    key = b"," + messages
    between = (b"]}," if in_array else b"]}\n") + opening
    first, *pieces = block.split(key)
    keys, arrays = [first.removeprefix(opening)], []
    for piece in pieces[:-1]:
        array, found, following = piece.rpartition(between)
        if not found:
            break
        arrays.append(array)
        keys.append(following)
    else:
        end = pieces[-1].rstrip(_BLANK) if is_last and pieces and not in_array else b""
        if end.endswith(b"]}"):
            arrays.append(end[:-2])
            return Lines(*_lines(keys, arrays, opening), len(arrays), len(block))
    if not arrays:
        return None
    beyond = len(opening) + len(keys.pop())
    size = len(first) + sum(map(len, pieces[: len(arrays)])) + len(key) * len(arrays) - beyond
    return Lines(*_lines(keys, arrays, opening), len(arrays), size)


def _lines(keys: list[bytes], arrays: list[bytes], opening: bytes) -> tuple[bytes, bytes]:
    return b"".join([opening, (b"}\n" + opening).join(keys), b"}\n"]), b"[%b]\n" % b"]\n[".join(arrays)


class SessionLines:
    """The sessions of one input."""

    def __init__(self) -> None:
        self._alike: tuple[tuple[str, ...], bool] | None = None  # the fields that a session had, and whether in snake_case

    def decode(self, lines: bytes, count: int) -> list[Session] | None:
        """Decode so many lines."""
        if self._alike is None and count > 1:  # looking at all of them takes three times as long
            first = lines[: lines.find(b"\n") + 1]
            if self._decode_any(first, 1, is_snake=False) is None:
                self._decode_any(first, 1, is_snake=True)
        sessions = self._decode_alike(lines, count)
        if sessions is None:
            sessions = self._decode_any(lines, count, is_snake=False)
        if sessions is None:
            sessions = self._decode_any(lines, count, is_snake=True)
        if sessions is None or not check_costs(sessions):
            return None
        for session in sessions:
            session.__class__ = Session
        return sessions

    def _decode_alike(self, lines: bytes, count: int) -> list[Any] | None:
        """Decode lines that have the keys of the last one that was looked at."""
        if self._alike is None:
            return None
        required, is_snake = self._alike
        sessions = _decode(lines, count, required, is_snake=is_snake)
        return sessions if sessions is not None and _has_keys(lines, count * len(required)) else None

    def _decode_any(self, lines: bytes, count: int, *, is_snake: bool) -> list[Any] | None:
        """Decode lines of any keys, and look at the first one."""
        sessions = _decode(lines, count, (), is_snake=is_snake)
        if not sessions:
            return None
        self._alike = tuple([name for name in _NAMES if getattr(sessions[0], name) is not UNSET]), is_snake
        keys = 0
        for name in _NAMES:
            values = list(map(attrgetter(name), sessions))
            absent = values.count(UNSET)
            keys += count - absent
            for session in sessions if absent else ():
                if getattr(session, name) is UNSET:
                    setattr(session, name, None)
        return sessions if _has_keys(lines, keys) else None


def _decode(lines: bytes, count: int, required: tuple[str, ...], *, is_snake: bool) -> list[Any] | None:
    try:
        sessions: list[Any] = _decoder(required, is_snake=is_snake).decode_lines(lines)
    except REFUSALS:
        return None
    return sessions if len(sessions) == count else None


@lru_cache(16)
def _decoder(required: tuple[str, ...], *, is_snake: bool) -> Any:
    return msgspec.json.Decoder(session_keys(required, is_snake=is_snake), float_hook=Decimal)


def _has_keys(lines: bytes, count: int) -> bool:
    r"""Whether objects of known keys and plain values have no more keys than so many.

    The quote at the end of a key comes before a colon, and a quote within a string after a backslash, which no key has.
    """
    text = lines
    for space in (b" ", b"\t", b"\r", b"\n"):
        text = text.replace(space, b"")  # where there is none this takes no time; translate takes its time for each byte
    found = text.count(b'":')
    return found == count or found - text.count(b'\\":') == count
