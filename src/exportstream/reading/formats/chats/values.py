"""Checks and changes the values of chat exports.

Takes: JSON values. Returns: fields of rows. Raises: `InvalidMessageError` for a value of another type. Holds: nothing.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from exportstream.errors import InvalidMessageError, json_kind

_PLAIN = {str, bool, int, Decimal}  # also those that are false: 0 and an empty text hold something
_EPOCH = date(1970, 1, 1)
_LATEST = 253_402_300_800  # the first second of the year 10000


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
    """Return the keys of an object that have no column, without those that hold nothing."""
    return {key: item for key, item in value.items() if (item or type(item) in _PLAIN) and key not in known}


def time_of(value: Any, path: str, unit: int = 1) -> str | None:
    """Return a time in RFC 3339: a text as it is, a number of seconds with all its digits; None for null.

    Args:
        value: the time.
        path: of the value.
        unit: how many of its units are a second.
    """
    if value is None or type(value) is str:
        return value
    if type(value) not in (int, Decimal):
        raise expected("number or string", value, path)
    if unit != 1:
        value = Decimal(value) / unit
    if not 0 <= value < _LATEST:
        return str(value)  # as it is: no date can be made of it
    text = str(value)
    whole, _, fraction = (text if "E" not in text else f"{value:f}").partition(".")
    days, second = divmod(int(whole), 86_400)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    return f"{_date(days)}T{hour:02}:{minute:02}:{second:02}{'.' if fraction else ''}{fraction}Z"


@lru_cache(maxsize=1024)
def _date(days: int) -> str:
    """The date that is so many days after 1970-01-01."""
    return (_EPOCH + timedelta(days)).isoformat()
