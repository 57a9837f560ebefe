"""Errors for JSON that is no session, and where it begins.

Takes: what was found instead. Returns: a `NotAnExportError`. Raises, holds: nothing.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from exportstream.errors import NotAnExportError
from exportstream.errors.patterns import late_pattern
from exportstream.reading.json.guard import STRING_GOES_ON

AN_OUTPUT = "what looks like an output of exportstream"
_OF_A_ROW = frozenset({"messageIndex", "message_index", "countedMessages", "counted_messages"})
_OF_A_REPORT = frozenset({"schema", "source", "outputs", "bytesWritten"})  # of its keys before `messages`
_KINDS = {"start_map": "an object", "start_array": "an array", "string": "a string", "number": "a number", "null": "null"}
_TOKEN = late_pattern(rb'"(?:[^"\\]*+(?:\\.[^"\\]*+)*+")?|[][{}]|[^][{}",:\s]++', re.DOTALL)


def kind_of(token: str) -> str:
    """Return the kind of value that begins with a token of ijson, in words."""
    return _KINDS.get(token, "a boolean")


def no_session(got: str, *, foreign: bool = False, hint: str | None = None) -> NotAnExportError:
    """Return the error for what is no session; `foreign`: the input may be something else altogether."""
    error = NotAnExportError(f"expected a session object with `messages`, got {got}", hint=hint)
    error.foreign = foreign
    return error


def no_messages(token: str, keys: AbstractSet[str]) -> NotAnExportError:
    """Return the error for an object with such keys whose `messages` begin with another token than that of an array."""
    error = NotAnExportError(f"expected `messages` to be an array, got {kind_of(token)}")
    if keys >= _OF_A_REPORT:
        error.foreign, error.hint = True, "it looks like a report of exportstream"
    return error


def no_messages_among(keys: AbstractSet[str]) -> NotAnExportError:
    """Return the error for an object with such keys, without `messages`."""
    if not _OF_A_ROW.isdisjoint(keys):
        return no_session(AN_OUTPUT, foreign=True, hint="give it the export")
    return no_session(_listed(keys), foreign=True)


def _listed(keys: AbstractSet[str]) -> str:
    if not keys:
        return "an empty object"
    names = sorted(keys)
    text = ", ".join(repr(name[:40]) for name in names[:6])
    return f"an object with the keys {text}" + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def find_value(data: bytearray, number: int, brackets: list[bytes], *, in_string: bool) -> int | None:
    """Find where one of the values begins that have to be sessions, or an empty array of them.

    Args:
        data: bytes of the input, of which ijson has taken what comes before the value.
        number: which of the values that begin in them, from 1.
        brackets: of each object and array that is open before them.
        in_string: whether they begin inside a string.

    Returns:
        An index; None if so many do not begin.
    """
    depth, in_array, opened = len(brackets), brackets[:1] == [b"["], -1
    begun = STRING_GOES_ON.match(data) if in_string else None
    for token in _TOKEN.finditer(data, 0 if begun is None else begun.end()):
        index, text = token.start(), token.group()
        if text in b"]}":
            depth -= 1
            in_array = in_array and depth > 0
            if opened < 0 or in_array or number > 1:
                continue
            return opened
        if depth > in_array:
            pass
        elif text == b"[" and not in_array:
            in_array, opened = True, index
        elif number == 1:
            return index
        else:
            number, opened = number - 1, -1
        depth += text in b"[{"
    return None
