"""Decodes the lines of a run, many in one call, and each by itself where that fails.

Takes: a `Run`, and a msgspec decoder of one line. Yields: a `Record` for each line that is not blank.
Raises: `LimitError` for a line that is too long. Any other line that is refused is yielded with its error.
Holds: the lines of one run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import BytesIO
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec

from exportstream.errors import InputError, InvalidMessageError, JSONSyntaxError
from exportstream.errors.patterns import late_pattern
from exportstream.reading.json.beyond_msgspec import is_usual, may_be_deep, refuse_deep
from exportstream.reading.json.decoder import ANY_VALUE, REFUSALS, decode_any
from exportstream.reading.json.guard import replace_surrogates
from exportstream.reading.json.measure import refusal_of
from exportstream.reading.json.syntax import find_error
from exportstream.reading.limits import MAX_DEPTH
from exportstream.reading.lines.runs import Run, too_long

_BLANK = b" \t\r\n"
_AS_TEXTS = msgspec.json.Decoder(float_hook=str)  # a number of any size is no reason to take a log for something else
_OTHER_TYPE = late_pattern(r"Expected `(\w+)[^`]*`, got `(\w+)`(?: - at `(.+)`)?\Z", re.DOTALL)
_KINDS = {"str": "string", "int": "number", "float": "number", "bool": "boolean"}
_TORN = b" \t\r\n\0"  # a system that went down may leave NULs before or after a line


class Record(NamedTuple):
    """One line.

    Attributes:
        value: what the decoder made of it, None if it was refused.
        line: its bytes, with the line feed.
        position: the input's position of the first one.
        error: why it was refused.
        nuls: how many NUL bytes were around it. A line of nothing else has no value and no error.
        replaced: how many halves of surrogate pairs were replaced.
    """

    value: Any
    line: bytes
    position: int
    error: InputError | None = None
    nuls: int = 0
    replaced: int = 0


def first_line(head: bytes) -> tuple[bytes, bool]:
    """Return the first line of an input that begins so, or what is there of it, and whether it is all there."""
    line, ended, _ = head.lstrip(_TORN).partition(b"\n")
    return line, bool(ended)


def as_object(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a line is, fractions in it as texts; None if it is something else."""
    if not line.startswith(b"{"):
        return None
    for replace in (False, True):
        with suppress(*REFUSALS):
            value = _AS_TEXTS.decode(replace_surrogates(line)[0] if replace else line)
            return value if isinstance(value, dict) else None
    return None


def decode_run(run: Run, decoder: Any, max_line: int) -> Iterator[Record]:
    """Decode each line of a run.

    Raises:
        LimitError: a line has more than `max_line` bytes.
    """
    position = run.position
    for line in BytesIO(run.data):
        if len(line) - line.endswith(b"\n") > max_line:
            raise too_long(max_line, position)
        if line.strip(_BLANK):
            yield _decode_one(line, position, decoder)
        position += len(line)


def decode_whole_run(
    run: Run, decoders: Iterable[Any], max_line: int, short: Any = None
) -> Iterator[tuple[Any, bytes, int]] | None:
    """Decode all lines of a run in one call.

    Args:
        run: the lines.
        decoders: of one line; they are tried one after the other, each on all lines.
        max_line: bytes of the longest line taken.
        short: a decoder of one line that passes over more; it is used where all that it passes over is what it has to be.

    Returns:
        The value, the bytes and the position of each line; None if each has to be looked at by itself.
    """
    lines = BytesIO(run.data).readlines()  # much faster than `split`, which looks at one byte after the other
    tried = [short, *decoders] if short is not None and is_usual(run.data, lines) else decoders
    values = next((found for decoder in tried if (found := _decode_all(run.data, decoder)) is not None), None)
    if values is None or len(values) != len(lines) or (len(run.data) > max_line and max(map(len, lines)) > max_line):
        return None
    return zip(values, lines, accumulate(map(len, lines), initial=run.position), strict=False)


def _decode_all(data: bytes, decoder: Any) -> list[Any] | None:
    try:
        found: list[Any] = decoder.decode_lines(data)
    except REFUSALS:
        return None
    return found


def decode_value(data: bytes | str | msgspec.Raw, decoder: Any = ANY_VALUE, position: int | None = None) -> tuple[Any, int]:
    """Decode one value, and return it with the number of halves of surrogate pairs that became U+FFFD.

    Args:
        data: JSON.
        decoder: of its type; see `decode_any`.
        position: of the first byte, if that is known.

    Raises:
        JSONSyntaxError: it is not JSON, or not UTF-8; it has the position of the wrong byte, or of one near it.
        InvalidMessageError: it is not of that type.
        LimitError: it is nested too deeply.
    """
    try:
        value, replaced = decoder.decode(data), 0
    except REFUSALS as error:
        data, replaced = replace_surrogates(data.encode("utf-8", "replace") if isinstance(data, str) else bytes(data))
        try:
            value = decode_any(data, decoder)
        except REFUSALS as again:
            raise _refusal(again if replaced else error, data, position) from None
    if len(data) > 2 * MAX_DEPTH and (not isinstance(data, bytes) or may_be_deep(data)):
        refuse_deep(value)
    return value, replaced


def _decode_one(line: bytes, position: int, decoder: Any) -> Record:
    stripped = line.strip(_TORN)
    end = b"\n" if line.endswith(b"\n") else b""
    nuls = len(line) - len(stripped) - len(end) if b"\0" in line else 0
    if not stripped:
        return Record(None, line, position, nuls=nuls)
    try:
        value, replaced = decode_value(stripped, decoder, position + line.index(stripped))
    except InputError as error:
        return Record(None, line, position, error, nuls)
    return Record(value, stripped + end, position, None, nuls, replaced)


def _refusal(error: Exception, data: bytes, position: int | None) -> InputError:
    """Return our error for one of msgspec."""
    words = str(error)
    if (found := _OTHER_TYPE.match(words)) is not None:
        expected, got, path = found.groups()
        return InvalidMessageError(
            f"expected {_KINDS.get(expected, expected)}, got {_KINDS.get(got, got)}", path=path or "$"
        )
    if "truncated" in words:
        return JSONSyntaxError("not JSON: the line ends before its object is complete", position=position)
    try:
        data.decode()
    except UnicodeDecodeError as wrong:
        where = None if position is None else position + wrong.start
        return JSONSyntaxError("expected UTF-8, got other bytes", position=where)
    return refusal_of(error, position)


def locate_exactly(error: JSONSyntaxError, line: bytes, position: int) -> None:
    """Give an error that stops the reading the place of its wrong byte; msgspec tells one near it, in less time."""
    stripped = line.strip(_TORN)
    if error.what.startswith("not JSON"):
        data = replace_surrogates(stripped)[0]
        wrong = find_error(memoryview(data), position + line.index(stripped))
        error.position = wrong.position if wrong is not None else error.position
