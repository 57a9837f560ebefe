"""Values as JSON for everything that is written; numbers keep their digits."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from io import BytesIO
from typing import Any

import msgspec

from exportstream.errors import NotAnExportError

ENCODER = msgspec.json.Encoder(decimal_format="number")


def json_cells(values: Sequence[Any]) -> list[Any]:
    """Return each value as JSON in bytes, and None as None.

    All are encoded at once. JSON has no line feed of its own, and a file finds those faster than `split`.
    """
    given = [value for value in values if value is not None]
    cells = [line[:-1] for line in BytesIO(ENCODER.encode_lines(given))]
    if len(cells) == len(values):
        return cells
    each = iter(cells)
    return [None if value is None else next(each) for value in values]


def json_texts(values: Sequence[Any]) -> list[str | None]:
    """Return each value as JSON in text, and None as None."""
    cells = json_cells(values)
    return [None if cell is None else cell.decode() for cell in cells]


def to_json(value: Any, *, indent: int = -1) -> bytes:
    """A value as JSON with its numbers as they are; `indent` below 0 is compact."""
    return msgspec.json.format(ENCODER.encode(value), indent=indent)


def read_json(data: bytes | str) -> Any:
    """Return the value of JSON, its numbers with all their digits; raise `NotAnExportError` for anything else."""
    from json import loads  # noqa: PLC0415 - few need it, and it slows the command's start

    try:
        return loads(data, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise NotAnExportError(f"expected JSON, got something else: {error}") from error


def to_printable_json(value: Any, *, indent: int = -1) -> str:
    """Encode like `to_json`, with escapes for all characters that a terminal might not print but carry out."""
    text = to_json(value, indent=indent).decode()
    return "".join(c if c.isprintable() or c == "\n" else _escape(c) for c in text)


def _escape(character: str) -> str:
    data = character.encode("utf-16-be")
    return "".join(f"\\u{data[at : at + 2].hex()}" for at in range(0, len(data), 2))
