"""Decodes sessions without their messages, a line for each, and remembers which keys they have.

Takes: lines, each of which has to be an object by itself. Returns: `Session` structs, or None where a line has an unknown
key, a key twice, or a value that is not of its type. Raises: nothing. Holds: names.

How it works: msgspec takes the last of a key that comes twice. So keys are counted, in the text and in what was decoded.
Most lines have the same keys: then a struct that requires all of them says how many there are.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import UNSET

from exportstream.models.names import session_keys
from exportstream.models.structs import Session
from exportstream.reading.json.beyond_msgspec import check_costs
from exportstream.reading.json.decoder import REFUSALS

_SPACE = (b" ", b"\t", b"\r", b"\n")
_NAMES = Session.__struct_fields__


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
    for space in _SPACE:
        text = text.replace(space, b"")  # where there is none this takes no time; translate takes its time for each byte
    found = text.count(b'":')
    return found == count or found - text.count(b'\\":') == count
