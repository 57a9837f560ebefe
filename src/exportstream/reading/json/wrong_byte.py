"""Finds the byte at which JSON goes wrong; ijson gives no positions.

Takes: where the parser was before the piece that it refused, and that piece. Returns: an index. Raises, holds: nothing.

How it works: a new parser is brought to where the old one was, by the shortest text that does it, and is given more and
more of the piece.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from exportstream.errors.patterns import late_pattern

TAIL = 64  # bytes before a piece that have to be known

_SPACE = b" \t\r\n"
_WORD = late_pattern(rb"[-+.\w]*\Z")  # a number or literal that goes on in the piece
_CUT_CHARACTER = late_pattern(rb"(?:[\xc0-\xff][\x80-\xbf]{0,2})?\Z")
_STRING = late_pattern(rb'(?<!\\)"(?:[^"\\]|\\.)*+"\Z', re.DOTALL)
_NUMBER = late_pattern(rb"[-+.\deE]{1,64}\Z")


def first_wrong_byte(
    refuses: Callable[[bytes], bool], kinds: list[bytes], tail: bytes, piece: bytes, *, in_string: bool, after_key: bool
) -> int | None:
    """Find the first byte that can't be there.

    Args:
        refuses: whether a new parser refuses a text, at its end or before.
        kinds: ``{`` or ``[`` for each object and array that is open before the piece.
        tail: the last bytes before it.
        piece: the bytes that were refused.
        in_string: whether it begins inside a string.
        after_key: whether the last complete string, number or bracket before it was the key of an object.

    Returns:
        The index in the piece, negative for a byte before it; None if it can't be found.
    """
    known = _end_of(_CUT_CHARACTER if in_string else _WORD, tail)
    before = tail[: len(tail) - len(known)].rstrip(_SPACE)
    opening = _opening(kinds, before, in_string=in_string, after_key=after_key)
    text = known + piece
    good, bad = 0, len(text) + 1
    while bad - good > 1:
        middle = (good + bad) // 2
        if refuses(opening + text[:middle]):
            bad = middle
        else:
            good = middle
    if bad > len(text):
        return None
    # A string is refused at its end and a number after it, where they can't be as well.
    string = _STRING.search(text, 0, bad)
    if string is not None and refuses(opening + text[: string.start()] + b'""'):
        return string.start() - len(known)
    number = _end_of(_NUMBER, text[: bad - 1])
    for end in range(bad - len(number), bad):
        if text[end - 1 : end].isdigit() and refuses(opening + text[:end] + b" "):
            return end - 1 - len(known)
    return bad - 1 - len(known)


def _opening(kinds: list[bytes], before: bytes, *, in_string: bool, after_key: bool) -> bytes:
    """The shortest text after which a parser is where it has to be: in these objects and arrays, after these bytes."""
    if not kinds:
        return b'"' if in_string else b""
    outer = b"".join(b'{"":' if kind == b"{" else kind for kind in kinds[:-1])
    kind = kinds[-1]
    if in_string:
        return outer + kind + (b'"":"' if kind == b"{" and after_key else b'"')
    if before.endswith(kind):
        return outer + kind
    if kind == b"[":
        return outer + (b"[0," if not before or before.endswith(b",") else b"[0 ")
    if not before or before.endswith(b":"):
        return outer + b'{"":'
    return outer + (b'{"":0,' if before.endswith(b",") else b'{"" ' if after_key else b'{"":0 ')


def _end_of(pattern: re.Pattern[bytes], text: bytes) -> bytes:
    found = pattern.search(text, max(0, len(text) - TAIL))
    return found[0] if found is not None else b""
