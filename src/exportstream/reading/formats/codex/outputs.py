"""What outputs of tools say of how their calls ended.

Takes: outputs, decoded or not. Returns: whether a call failed. Raises, holds: nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from exportstream.errors import InputError
from exportstream.reading.json.decoder import REFUSALS
from exportstream.reading.lines.records import decode_value

_WRAPPED = '{"output":'  # an output of older versions: JSON with the text and the exit code
_WRAPPED_RAW = b'"{\\"output\\":'


class _Info(Struct, gc=False):
    """What a wrapped output says of how its call ended."""

    exit_code: Any = None


class _Wrapped(Struct, gc=False):
    metadata: _Info | None = None


_TEXT = msgspec.json.Decoder(str)
_OUTPUT = msgspec.json.Decoder(_Wrapped)


def has_failed(output: str) -> bool | None:
    """Whether a call failed, as its output says; None if it does not."""
    if not output.startswith(_WRAPPED):
        return None
    try:
        info: Any = _OUTPUT.decode(output).metadata
        code = info.exit_code if info is not None else None
    except REFUSALS:
        try:
            value = decode_value(output)[0]
        except InputError:
            return None
        info = value.get("metadata") if isinstance(value, dict) else None
        code = info.get("exit_code") if isinstance(info, dict) else None
    return code != 0 if type(code) is int else None


def has_failed_raw(output: Raw | UnsetType) -> bool | None:
    """Do the same for an output that was not decoded."""
    if output is UNSET or bytes(memoryview(output)[: len(_WRAPPED_RAW)]) != _WRAPPED_RAW:
        return None
    return has_failed(_TEXT.decode(output))


def is_plain(output: Raw | UnsetType) -> bool:
    """Whether an output that was not decoded is there, and no object, which says more."""
    return output is not UNSET and bytes(memoryview(output)[:1]) != b"{"
