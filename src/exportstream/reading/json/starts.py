"""Finds where the elements of an array begin, which decoding does not tell."""

from __future__ import annotations

import msgspec

from exportstream.errors.patterns import late_pattern

_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
_BETWEEN = late_pattern(rb"[ \t\r\n,]*")


def starts_of_elements(data: bytearray, begin: int, end: int) -> list[int]:
    """Return the indexes where the elements of an array begin, that of the first byte after its bracket being `begin`."""
    starts, text = [], b"".join((b"[", memoryview(data)[begin:end], b"]"))
    at = 1
    for element in _ELEMENTS.decode(text):
        found = _BETWEEN.match(text, at)
        at = at if found is None else found.end()
        starts.append(begin + at - 1)
        at += memoryview(element).nbytes
    return starts
