"""Checks and changes the values of chat exports.

Takes: JSON values. Returns: fields of rows. Raises: `InvalidMessageError` for a value of another type. Holds: nothing.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw

from exportstream.errors import InvalidMessageError, json_kind
from exportstream.errors.patterns import late_pattern
from exportstream.reading.json.decoder import decode_any

PLAIN = {str, bool, int, Decimal}  # also those that are false: 0 and an empty text hold something
_BASE_DATE = date(2001, 9, 9)  # with seconds since then Python's integers are small, and fast
_BASE = 1_000_000_000 - 6400  # seconds from 1970 to its beginning
_IN_HOUR = [minute + second for minute in [f"{n:02}:" for n in range(60)] for second in [f"{n:02}" for n in range(60)]]
_MILLIS = ["", *(f".{n:03}".rstrip("0") for n in range(1, 1000))]
_LATEST = 253_402_300_800  # the first second of the year 10000
_BASE_MILLI, _LATEST_MILLI = _BASE * 1000, _LATEST * 1000
_LONGEST_POWER = 64
_USUAL_TIMES = late_pattern(r"(?:(?:[0-9]{10}\.[0-9]+|null),)+")  # from 2001 to 2286
_INSTANTS = msgspec.json.Decoder(list[datetime], strict=False)
_NULL, _ANY_TIME = Raw(b"null"), "1000000000.0"


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


def kept(value: dict[str, Any], known: Container[str]) -> dict[str, Any]:
    """Return the keys of an object other than the known ones, which have a column, without those that hold nothing."""
    return {name: item for name, item in value.items() if name not in known and (item or item.__class__ in PLAIN)}


def usual_first(found: dict[str, Any], usual: Iterable[str]) -> dict[str, Any]:
    """Return the same keys, the usual ones first and in their order, which is that of structs."""
    return {name: found[name] for name in usual if name in found} | found


def time_of(value: Any, path: str, unit: int = 1) -> str | None:
    """Return a time in RFC 3339: a text as it is, a number of seconds with all its digits; None for null.

    `unit` says how many of its units are a second, 1 or 1000.
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


def times_of_raw(values: list[Raw], path: str) -> list[str | None]:
    """The same for the bytes of many numbers of seconds, or of other values.

    Usual ones are all changed by msgspec, at twice the speed: their whole seconds to datetimes, and these to text.
    """
    joined = b",".join([*values, b""]).decode()
    if not _USUAL_TIMES.fullmatch(joined):
        return [time_of(decode_any(value), path) for value in values]
    parts = joined.replace("null", _ANY_TIME).replace(".", ",").split(",")
    instants = _INSTANTS.decode(f"[{','.join(parts[:-1:2])}]")
    seconds = msgspec.json.encode(instants)[2:-3].decode().split('Z","')
    times: list[str | None] = [f"{text}.{fraction}Z" for text, fraction in zip(seconds, parts[1::2], strict=True)]
    if "null" in joined:
        return [None if value == _NULL else time for value, time in zip(values, times, strict=True)]
    return times


@lru_cache(maxsize=4096)
def _hour(hours: int) -> str:
    """The date and time, up to the minutes, that is so many hours after `_BASE`."""
    days, hour = divmod(hours, 24)
    return f"{_BASE_DATE + timedelta(days)}T{hour:02}:"
