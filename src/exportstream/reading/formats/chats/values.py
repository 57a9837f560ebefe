"""Checks and changes the values of chat exports.

Takes: JSON values. Returns: fields of rows. Raises: `InvalidMessageError` for a value of another type. Holds: nothing.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from msgspec import Raw

from exportstream.errors import InvalidMessageError, json_kind
from exportstream.reading.json.any_value import decode_any

PLAIN = {str, bool, int, Decimal}  # also those that are false: 0 and an empty text hold something
_BASE_DATE = date(2001, 9, 9)  # with seconds since then Python's integers are small, and fast
_BASE = 1_000_000_000 - 6400  # seconds from 1970 to its beginning
_USUAL_DIGITS = 10  # from 2001 to 2286
_IN_HOUR = [minute + second for minute in [f"{n:02}:" for n in range(60)] for second in [f"{n:02}" for n in range(60)]]
_MILLIS = ["", *(f".{n:03}".rstrip("0") for n in range(1, 1000))]
_LATEST = 253_402_300_800  # the first second of the year 10000
_BASE_MILLI, _LATEST_MILLI = _BASE * 1000, _LATEST * 1000
_FEW_NAMES, _MOST_RESTS = 64, 1000
_LONGEST_POWER = 64
_REST: dict[tuple[Any, tuple[str, ...]], tuple[str, ...]] = {}


def expected(kind: str, value: Any, path: str) -> InvalidMessageError:
    """Return the error for a value of another type."""
    return InvalidMessageError(f"expected {kind}, got {json_kind(value)}", path=path)


def object_of(value: Any, path: str) -> dict[str, Any]:
    """Return an object, an empty one for null."""
    if value is None:
        return {}
    if type(value) is not dict:
        raise expected("object", value, path)
    return value


def list_of(value: Any, path: str) -> list[Any]:
    """Return an array, an empty one for null."""
    if value is None:
        return []
    if type(value) is not list:
        raise expected("array", value, path)
    return value


def text_of(value: Any, path: str) -> str | None:
    """Return a text, or None for null."""
    if value is not None and type(value) is not str:
        raise expected("string", value, path)
    return value


def required_text(value: Any, path: str) -> str:
    """Return a text."""
    if type(value) is not str:
        raise expected("string", value, path)
    return value


def kept(value: dict[str, Any], known: Hashable) -> dict[str, Any]:
    """Return the keys of an object that have no column, without those that hold nothing.

    Args:
        value: the object.
        known: the keys with a column, a tuple or frozenset.
    """
    names = tuple(value)
    rest = _REST.get((known, names))
    if rest is None:
        rest = _learn_rest(known, names)
    return {name: item for name in rest if (item := value[name]) or item.__class__ in PLAIN} if rest else {}


def usual_first(found: dict[str, Any], usual: tuple[str, ...]) -> dict[str, Any]:
    """Return the same keys, the usual ones first and in their order, which is that of structs."""
    return {name: found[name] for name in usual if name in found} | found


def _learn_rest(known: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    """Find the names that are not known, and remember them: objects of an export have few combinations of names."""
    rest = tuple(name for name in names if name not in known)
    if len(names) <= _FEW_NAMES and sum(map(len, names)) <= _FEW_NAMES * 32:
        if len(_REST) >= _MOST_RESTS:
            _REST.clear()
        _REST[known, names] = rest
    return rest


def time_of(value: Any, path: str, unit: int = 1) -> str | None:
    """Return a time in RFC 3339: a text as it is, a number of seconds with all its digits; None for null.

    Args:
        value: the time.
        path: of the value.
        unit: how many of its units are a second, 1 or 1000.
    """
    if value is None or type(value) is str:
        return value
    if type(value) not in (int, Decimal):
        raise expected("number or string", value, path)
    if unit == 1 and type(value) is int and 0 <= value < _LATEST:
        hours, second = divmod(value - _BASE, 3600)
        return f"{_hour(hours)}{_IN_HOUR[second]}Z"
    if unit != 1:
        value = Decimal(value) / unit
    if not 0 <= value < _LATEST:
        return str(value)  # as it is: no date can be made of it
    text = str(value)
    if "E" in text:
        if abs(value.adjusted()) > _LONGEST_POWER:
            return text  # written out it may have a billion zeros
        text = f"{value:f}"
    whole, point, fraction = text.partition(".")
    hours, second = divmod(int(whole) - _BASE, 3600)
    return f"{_hour(hours)}{_IN_HOUR[second]}{point}{fraction}Z"


def time_of_millis(value: Any, path: str) -> str | None:
    """The same for a number of milliseconds."""
    if value.__class__ is int and 0 <= value < _LATEST_MILLI:  # as usual
        hours, milli = divmod(value - _BASE_MILLI, 3_600_000)
        second, milli = divmod(milli, 1000)
        return f"{_hour(hours)}{_IN_HOUR[second]}{_MILLIS[milli]}Z"
    return time_of(value, path, 1000)


def time_of_raw(raw: Raw, path: str) -> str | None:
    """The same for the bytes of a number of seconds, or of any other value."""
    text = str(raw, "utf-8")
    whole, _, fraction = text.partition(".")
    try:
        since = int(whole) - _BASE
    except ValueError:
        since = -1
    if since >= 0 and len(whole) == _USUAL_DIGITS and fraction.isdigit():
        return f"{_hour(since // 3600)}{_IN_HOUR[since % 3600]}.{fraction}Z"
    return None if text == "null" else time_of(decode_any(raw), path)


@lru_cache(maxsize=4096)
def _hour(hours: int) -> str:
    """The date and time, up to the minutes, that is so many hours after `_BASE`."""
    days, hour = divmod(hours, 24)
    return f"{_BASE_DATE + timedelta(days)}T{hour:02}:"
