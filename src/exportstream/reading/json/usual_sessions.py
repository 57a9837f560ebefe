r"""Splits a block of whole sessions that are as most are: `messages` are the last key, and only a line feed is in between.

Takes: bytes that begin with a session. Returns: the sessions without their messages, and the messages, a line for each.
Raises, holds: nothing.

How it works: the block is cut at each ``,"messages":[``, and each piece at the last ``]}\n{"id":`` in it. Whether a piece is
what it looks like is not known yet: each line of keys has to be an object and each line of messages an array, both by
themselves. No value can go on from one line to the next: not in a string, and after the bracket or brace that ends a line a
comma would have to come. So if there are as many values as lines, each line is one value.
"""

from __future__ import annotations

from typing import NamedTuple

_SPACE = b" \t\r\n"


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
        end = pieces[-1].rstrip(_SPACE) if is_last and pieces and not in_array else b""
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
