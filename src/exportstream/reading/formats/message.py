"""The plain way from a JSON value to a `Message`, key by key.

Takes: a value as ijson or msgspec built it, its numbers int or Decimal. Returns: a `Message`; both spellings of a key are
taken, also within one object, and what no version of the format knows ends in `extra`. Raises: `InvalidMessageError`.
Holds: nothing. What msgspec's typed decoding takes in `json.blocks` gives the same structs, which the tests compare.
"""

from __future__ import annotations

from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from exportstream.errors import InvalidMessageError, json_kind
from exportstream.models.names import CAMEL_NAMES, OURS_OF_SESSION, fields_of
from exportstream.models.structs import OURS, Message, Session, ToolCall

FIELDS = {
    kind: {wire: name for name, camel in CAMEL_NAMES[kind].items() for wire in (camel, name)}
    for kind in (Message, ToolCall, Session)
}
# Ours to fill in, not the input's.
_OURS = {one.name for one in fields_of(Message) if one.type in OURS} | OURS_OF_SESSION
for _kind, _names in FIELDS.items():
    FIELDS[_kind] = {wire: name for wire, name in _names.items() if name not in _OURS}


def _kind_of(annotation: Any) -> Any:
    """Return a type without None, and without what else is said of it."""
    while get_origin(annotation) in (Annotated, Union, UnionType):
        annotation = get_args(annotation)[0]
    return annotation


_KINDS = {one.name: _kind_of(one.type) for kind in FIELDS for one in fields_of(kind)}  # of a name it is the same everywhere
_WORDS = {str: "string", bool: "boolean"}
_DATES = frozenset({"created_at", "updated_at"})
_REQUIRED = {
    Message: ("id", "role", "content", "created_at", "updated_at"),
    ToolCall: ("id", "name", "type", "finished", "input"),
}


def build_message(value: Any) -> Message:
    """Make a `Message` of a JSON value whose numbers are int or Decimal.

    Both spellings of a key are taken, also within one object; what no version of the format knows ends in `extra`.

    Raises:
        InvalidMessageError: with the path of the value that is wrong.
    """
    try:
        message = msgspec.convert(value, Message)
    except msgspec.ValidationError:
        return _build_by_key(value)
    cost: Any = message.cost  # what msgspec decoded, of any type
    if cost is None or cost.__class__ is Decimal:
        return message
    return _build_by_key(value)


def _build_by_key(value: Any) -> Message:
    """Make a `Message` of a value that is not simply one: other names, unknown keys, ``12.0``, or something wrong."""
    fields, extra = _fields(Message, value, "$")
    calls = fields.get("tool_calls")
    if calls is not None:
        if not isinstance(calls, list):
            raise _expected("array", calls, "$.toolCalls")
        built = []
        for number, call in enumerate(calls):
            path = f"$.toolCalls[{number}]"
            call_fields, call_extra = _fields(ToolCall, call, path)
            built.append(ToolCall(**call_fields, extra=call_extra))
        fields["tool_calls"] = built
    return Message(**fields, extra=extra)


def _fields(kind: Any, value: Any, path: str) -> tuple[dict[str, Any], Any]:
    """The known fields of an object, converted, and the unknown ones."""
    if not isinstance(value, dict):
        raise _expected("object", value, path)
    known = FIELDS[kind]
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    for key, item in value.items():
        name = known.get(key)
        if name is None:
            extra[key] = item
            continue
        if name in spelled:
            raise InvalidMessageError(f"expected one spelling of a key, got {spelled[name]!r} and {key!r}", path=path)
        spelled[name] = key
        if item is None and (name not in _REQUIRED[kind] or name in _DATES):
            fields[name] = None
        else:
            try:
                fields[name] = convert_field(name, item)
            except ValueError as error:
                raise InvalidMessageError(str(error), path=f"{path}.{key}") from None
    if missing := [CAMEL_NAMES[kind][name] for name in _REQUIRED[kind] if name not in fields]:
        raise InvalidMessageError(_missing(missing), path=path)
    return fields, dict(sorted(extra.items())) or None  # the same in any way of reading


def _missing(keys: list[str]) -> str:
    if len(keys) == 1:
        return f"expected the required key {keys[0]!r}, got none"
    return f"expected the required keys {', '.join(map(repr, keys[:-1]))} and {keys[-1]!r}, got none of them"


def convert_field(name: str, value: Any) -> Any:
    """Check the type of a field; raises ValueError with what was expected and got."""
    kind = _KINDS[name]
    if kind is int:
        return to_integer(value)
    if name == "cost":
        if type(value) not in (int, Decimal):
            raise ValueError(_found("number", value))
        return Decimal(value)
    if kind in _WORDS and type(value) is not kind:
        raise ValueError(_found(_WORDS[kind], value))
    if kind == list[str] and (not isinstance(value, list) or any(type(item) is not str for item in value)):
        raise ValueError(_found("array of strings", value))
    return value


def to_integer(value: Any) -> int:
    """An integer, also one written with a fraction of zeros (``12.0``); raises ValueError for everything else."""
    if type(value) is Decimal and value.is_finite() and value.adjusted() < 20 and value == value.to_integral():
        value = int(value)
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    raise ValueError(_found("integer of at most 64 bits" if type(value) is int else "integer", value))


def _found(expected: str, value: Any) -> str:
    found = json_kind(value)
    shown = f" {_shown_number(value)}" if found == "number" else ""
    return f"expected {expected}, got {found}{shown}"


def _shown_number(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:20]}… of {len(text):,} characters"


def _expected(expected: str, value: Any, path: str) -> InvalidMessageError:
    return InvalidMessageError(_found(expected, value), path=path)
