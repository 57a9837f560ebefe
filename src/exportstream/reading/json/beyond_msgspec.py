"""Looks for what msgspec takes and ijson would not, or would read otherwise, so that both give the same.

Takes: JSON, or what was decoded. Raises: `LimitError` for what is nested too deeply, if asked to. Holds: nothing.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Iterable
from decimal import Decimal
from gc import is_tracked
from itertools import chain, filterfalse
from typing import Any

from exportstream.reading.json.guard import has_long_number
from exportstream.reading.limits import MAX_DEPTH, too_deep

_SLICE = 1 << 16
_LARGE = 1 << 20  # bytes
_HOLDERS = (dict, list)
_COST_TYPES = {type(None), int, Decimal}


def check_costs(items: list[Any]) -> bool:
    """Make integers Decimal; False where a cost is no number."""
    kinds = {type(item.cost) for item in items}
    if not kinds <= _COST_TYPES:
        return False
    if int in kinds:
        for item in items:
            if type(item.cost) is int:
                item.cost = Decimal(item.cost)
    return True


def any_deeper(messages: list[Any], depth: int, *, learned: bool) -> bool:
    """Whether a message holds a value that goes deeper than `depth` levels; `learned`: also in what is in `extra`.

    Nearly every tool input is an object of texts and numbers. Such an object can't be part of a cycle, so Python's garbage
    collector does not track it: it is passed over without a look inside.
    """
    held = [(depth - 3, [call.input_json for m in messages if m.tool_calls for call in m.tool_calls])]
    if learned:
        held.append((depth - 2, [call.extra for m in messages if m.tool_calls for call in m.tool_calls]))
        held.append((depth, [m.extra for m in messages]))
    return any(value_is_deeper(value, levels) for levels, values in held for value in filter(is_tracked, values))


def value_is_deeper(value: Any, depth: int) -> bool:
    """Whether a JSON value has more than `depth` levels of objects and arrays.

    Only those that hold others are followed down: Python's garbage collector tracks them; see `any_deeper`.
    Since Python 3.13 it tracks a Decimal, too.
    """
    if depth < 1:
        return value.__class__ in _HOLDERS
    level = [value] if value.__class__ in _HOLDERS and is_tracked(value) else []
    while level and depth > 1:
        depth -= 1
        inside = chain.from_iterable([item.values() if item.__class__ is dict else item for item in level])
        level = [inner for inner in filter(is_tracked, inside) if inner.__class__ in _HOLDERS]
    return any(
        inner.__class__ in _HOLDERS for item in level for inner in (item.values() if item.__class__ is dict else item)
    )


def may_be_deep(data: bytes) -> bool:
    """Whether JSON may have too many levels: msgspec does not count those of values that it passes over."""
    if len(data) <= 2 * MAX_DEPTH:
        return False
    if len(data) > _LARGE:  # two copies of it would be held
        return data.count(b"{") + data.count(b"[") > MAX_DEPTH
    most = MAX_DEPTH + 1
    rest = data.replace(b"{", b"", most).replace(b"[", b"", most)  # it searches and stops; `count` looks at each byte
    return len(data) - len(rest) > MAX_DEPTH


def refuse_deep(value: Any) -> None:
    """Raise `LimitError` for a value with too many levels."""
    if value_is_deeper(value, MAX_DEPTH):
        raise too_deep()


def is_usual(data: bytes, lines: Iterable[bytes] | None = None) -> bool:
    """Whether JSON is UTF-8 without very long numbers: msgspec does not look for these in values that it passes over.

    Args:
        data: JSON, or lines of it.
        lines: the lines of `data`, if it is known to have some; those that are ASCII are not decoded, which saves time.
    """
    if has_long_number(data, 0, len(data)):
        return False
    if lines is not None:
        others: Iterable[bytes] = filterfalse(bytes.isascii, lines)
        data = b"".join(others)
    if data.isascii():
        return True
    decoder = getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _SLICE):
            decoder.decode(data[start : start + _SLICE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
