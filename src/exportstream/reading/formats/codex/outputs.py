"""Outputs of tools: texts, what is attached to them and to other items, and how their calls ended.

Takes: outputs, decoded or not, and parts of contents. Returns: whether a call failed, texts, and descriptions of attachments
without their data. Raises: `InvalidMessageError`. Holds: nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from exportstream.errors import InputError
from exportstream.reading.formats.content import Content, leftover, read_content, size_of_base64
from exportstream.reading.json.decoder import REFUSALS
from exportstream.reading.lines.records import decode_value

_DATA_URL = re.compile(r"data:([^;,]{0,100})[^,]{0,200};base64,")
_WRAPPED = '{"output":'  # an output of older versions: JSON with the text and the exit code
# The end of one, from a comma on, where Q is a quote: one of the text itself would have a backslash before it.
_END = r"(?<=Q)(?<!\\Q), ?QmetadataQ: ?\{Qexit_codeQ: ?(-?\d{1,9})(?:, ?Qduration_secondsQ: ?\d{1,9}(?:\.\d{1,9})?)?\}\}"
_USUAL_END = re.compile(_END.replace("Q", '"') + r"\Z", re.ASCII)
_USUAL_RAW_END = re.compile((_END.replace("Q", r'\\"') + r'"\Z').encode())  # in JSON that was not decoded
_OUTPUT_KEYS = frozenset({"type", "call_id", "output", "tools"})
_WRAPPER_KEYS = frozenset({"content", "success"})
_LAST_KEY, _SPACE = b'\\"metadata\\"', b" "[0]
_LONGEST_END = 120  # bytes
_BEFORE = 3  # bytes before an end that say whether the text ends there
_QUOTE = b'"'[0]
_KEY, _AFTER = b',"output":', b"}}\n"
_KEY_AND_QUOTE = _KEY + b'"'
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
    at = output.rfind(",", 0, max(output.rfind('"metadata"', -_LONGEST_END), 0))
    code = _code_in(output[at - _BEFORE :]) if at >= max(len(output) - _LONGEST_END, _BEFORE) else None
    if code is not None:
        return code != 0
    try:
        info: Any = _OUTPUT.decode(output).metadata
        given: Any = info.exit_code if info is not None else None
    except REFUSALS:
        try:
            value = decode_value(output)[0]
        except InputError:
            return None
        info = value.get("metadata") if isinstance(value, dict) else None
        given = info.get("exit_code") if isinstance(info, dict) else None
    return given != 0 if type(given) is int else None


def has_failed_raw(output: Raw, line: bytes) -> bool | UnsetType | None:
    """Do the same for an output that was not decoded, the last value of its line as usual; UNSET if it is no text."""
    start = len(line) - len(output) - len(_AFTER)
    if line[start - len(_KEY) : start + 1] != _KEY_AND_QUOTE or not line.endswith(_AFTER):
        return UNSET if memoryview(output)[0] != _QUOTE else has_failed(_TEXT.decode(output))
    if line[start : start + len(_WRAPPED_RAW)] != _WRAPPED_RAW:
        return None
    at = line.rfind(_LAST_KEY, max(start, len(line) - _LONGEST_END))
    comma = at - 2 if line[at - 1] == _SPACE else at - 1
    code = _code_in(line[comma - _BEFORE : -len(_AFTER)]) if at >= 0 else None
    return code != 0 if code is not None else has_failed(_TEXT.decode(output))


@lru_cache(1024)
def _code_in(end: str | bytes) -> int | None:
    """The exit code in the usual end of an output, with what is before it; most ends are the same as an earlier one."""
    usual: re.Pattern[Any] = _USUAL_END if isinstance(end, str) else _USUAL_RAW_END
    found = usual.match(end, _BEFORE)
    return int(found[1]) if found is not None else None


def read_output(output: dict[str, Any]) -> tuple[Content, dict[str, Any], bool | None]:
    """Return what a tool's output holds, the keys that have no column, and whether it failed if it says so."""
    extra, failed = leftover(output, _OUTPUT_KEYS), None
    value = output.get("output", output.get("tools"))
    if isinstance(value, dict):
        extra |= leftover(value, _WRAPPER_KEYS)
        failed = not value["success"] if isinstance(value.get("success"), bool) else None
        value = value.get("content")
    elif isinstance(value, str):
        failed = has_failed(value)
    content = read_content(value, attachment)
    if content.rest:
        extra["content"] = content.rest
    return content, extra, failed


def attachment(part: dict[str, Any]) -> dict[str, Any] | None:
    """Describe what is attached: base64 data is left out, and its size is told instead."""
    for key in ("image_url", "file_data", "audio_url", "file_url"):
        given = part.get(key)
        if isinstance(given, str):
            break
    else:
        return None
    described = {"name": part["filename"]} if isinstance(part.get("filename"), str) else {}
    found = _DATA_URL.match(given)
    if found is None and key != "file_data":
        described |= {"type": str(part.get("type")), "url": given}
    else:
        kind, start = (found[1], found.end()) if found is not None else ("", 0)
        described |= {"type": kind or str(part.get("type")), "size": size_of_base64(given, start)}
    known = {"type", "filename", key}
    return described | {name: value for name, value in part.items() if name not in known and value is not None}
