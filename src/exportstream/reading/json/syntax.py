"""Finds the error of an object that msgspec has refused: ijson reads it again, up to the byte that is wrong.

Takes: the bytes from an object on. Returns: the error, with that byte. Raises: nothing.
Holds: the tokens of one piece, which is larger inside a long string.
"""

from __future__ import annotations

from typing import Any

from exportstream.errors import InputError, JSONSyntaxError, LimitError
from exportstream.reading.json.envelope import Envelope
from exportstream.reading.json.events import Events
from exportstream.reading.json.parser import Parser

_PIECE = 64 * 1024


class _ObjectEndedError(Exception):
    """The object has ended."""


class _Brackets(Envelope):
    """Follows only which objects and arrays are open; the first is an array around the object."""

    def __init__(self) -> None:
        super().__init__(Events())
        self._open = [b"["]

    @property
    def undecided(self) -> bool:
        """It is not asked whether it is a session."""
        return False

    @property
    def open(self) -> list[bytes]:
        """The bracket of each object and array that is open."""
        return self._open

    def follow(self, tokens: list[tuple[str, Any]]) -> None:
        """Follow some tokens, up to the end of the object."""
        opened = self._open
        for kind, _ in tokens:
            if kind == "start_map":
                opened.append(b"{")
            elif kind == "start_array":
                opened.append(b"[")
            elif kind in ("end_map", "end_array"):
                opened.pop()
                if len(opened) == 1:
                    raise _ObjectEndedError
        if tokens:
            self._after_key = tokens[-1][0] == "map_key"


def find_error(data: memoryview, position: int) -> InputError | None:
    """Find what is wrong with the object at the start of some bytes, which have a position in the input.

    Returns:
        The error, with the position of the first wrong byte; None if ijson finds no error.
    """
    brackets = _Brackets()
    parser = Parser(Events(), brackets)
    start, size = 0, _PIECE
    try:
        while start < len(data):
            piece = bytes(data[start : start + size])
            start += len(piece)
            tokens = parser.tokens
            parser.feed(piece)
            # yajl reads an unfinished string again from its beginning with every piece.
            size = _PIECE if parser.tokens != tokens else size * 2
    except (JSONSyntaxError, LimitError) as error:
        if parser.unread is not None:
            error.locate(position=position + start - parser.unread)
            error.exact = True
        return error
    except _ObjectEndedError:
        pass
    return None
