"""Recounts outputs: their rows, and the figures of messages, as they are in the file.

Takes: finished outputs, or the columns of their rows. Returns: `Recount`. Raises: `InputError` for what is no such output
(any more), `OSError` if the system fails. Holds: one block of rows, or one row if that is larger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from msgspec import Struct

from exportstream.errors import LimitError, NotAnExportError
from exportstream.models.names import camel
from exportstream.storage.decompress import read_output
from exportstream.totals.figures import Cost, Count

TOOL_CALLS = "tool_calls"
COST = "cost"
_FIGURES = ("input_tokens", "output_tokens", "cache_creation_tokens", "cache_read_tokens", COST)  # of `Counted`
SPELLINGS = {spelling: name for name in (*_FIGURES, TOOL_CALLS) for spelling in (name, camel(name))}  # in files
LARGEST = 2 << 30  # bytes of a row; the parser takes messages of 1 GiB unless told


class Nothing(Struct):
    """An object of which nothing is decoded."""


_CALLS = msgspec.json.Decoder(list[Nothing] | None)


class Recount:
    """Rows of each table, and the figures of messages.

    Attributes:
        rows: by table.
        figures: by name; a figure whose column is not there, or is empty in NDJSON, is missing.
        tool_calls: how many the messages have; None if their column is not there.
    """

    def __init__(self, tables: Iterable[str]) -> None:
        self.rows = dict.fromkeys(tables, 0)
        self.figures: dict[str, Count | Cost] = {}
        self.tool_calls: int | None = None

    def add(self, figure: str, values: Iterable[Any]) -> None:
        """Add the values of a column of messages; None is absent, and text is a number that the column can't hold."""
        if figure == TOOL_CALLS:
            self.tool_calls = (self.tool_calls or 0) + sum(values)
            return
        numbers = [value for value in values if value is not None]
        try:
            if figure == COST:
                cost: Any = self.figures.setdefault(figure, Cost())
                cost.add([value if isinstance(value, Decimal) else Decimal(str(value)) for value in numbers])
            else:
                count: Any = self.figures.setdefault(figure, Count())
                count.add([int(value) for value in numbers])
        except (ValueError, InvalidOperation) as error:
            raise NotAnExportError(f"{figure}: expected a number, got {next(map(repr, numbers))}") from error


def either_spelling(names: Iterable[str]) -> dict[str, str]:
    """Return those of the columns that hold figures: the name in the file, and the name of the figure."""
    return {name: SPELLINGS[name] for name in names if name in SPELLINGS}


def count_calls(text: str | bytes | None) -> int:
    """Return how many tool calls a list of them has, as JSON."""
    try:
        return len(_CALLS.decode(text) or ()) if text else 0
    except msgspec.MsgspecError as error:
        raise NotAnExportError(f"{TOOL_CALLS}: {error}") from error


def blocks_of_lines(path: str) -> Iterator[bytes]:
    """Yield the text of an output, decompressed, in blocks of whole lines."""
    rest: list[bytes] = []
    size = 0
    for piece in read_output(path):
        end = piece.rfind(b"\n") + 1
        if end:
            yield b"".join([*rest, piece[:end]])
            rest, size = [], 0
        rest.append(piece[end:])
        size += len(piece) - end
        if size > LARGEST:
            raise LimitError(f"a line is larger than {LARGEST:,} bytes")
    if size:
        raise NotAnExportError("it ends within a row")
