"""The names of fields: camelCase, snake_case, and unknown keys that were met before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType, field
from msgspec.structs import FieldInfo
from msgspec.structs import fields as struct_fields

from exportstream.models.structs import Message, OurExtra, OurText, Session, ToolCall


def snake(name: str) -> str:
    """The snake_case wire name of a field; only `index` is written under a name that says of what."""
    return "message_index" if name == "index" else name


def camel(name: str) -> str:
    """The camelCase spelling of a snake_case name."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


@cache
def fields_of(kind: type[Struct]) -> tuple[FieldInfo, ...]:
    """The fields of a kind of struct. msgspec evaluates its annotations anew each time, in half a millisecond."""
    return struct_fields(kind)


def derive(
    base: type[Struct],
    name: str,
    rename: Callable[[str], str] | None = None,
    types: Mapping[str, Any] = MappingProxyType({}),
    extra: Iterable[str] = (),
    *,
    kw_only: bool = True,
) -> Any:
    """A subclass of `base` with other wire names (None keeps them), other field types, and a slot for each extra key.

    Fields are listed anew because msgspec gives a wire name only to a class's own fields. Without extra keys no slot is
    added, so instances of the two classes have one layout, and assigning ``__class__`` is all it takes to rename them.
    """
    listed: list[Any] = []
    for f in fields_of(base):
        wire_name = f.encode_name if rename is None else rename(f.name)
        given: dict[str, Any] = {"default": f.default, "default_factory": f.default_factory, "name": wire_name}
        listed.append((f.name, types.get(f.name, f.type), field(**given)))
    listed += [(f"unknown_{number}", Any, field(default=UNSET, name=key)) for number, key in enumerate(extra)]
    return msgspec.defstruct(name, listed, bases=(base,), module=__name__, kw_only=kw_only)


def _maybe_list(kind: Any) -> Any:
    return list[kind] | None


OURS_OF_SESSION = {"producer", "parent_session_id", "project"}  # ours to fill in, as `structs.OURS` of a message


def session_keys(required: Collection[str], *, is_snake: bool) -> Any:
    """A session's keys as they are decoded: under one set of names, and nothing else.

    Args:
        required: fields that have to be there, besides id and title; others are None where they are absent. If there are no
            such fields, the others are UNSET instead.
        is_snake: whether the names are snake_case.
    """
    types = {"cost": Any, "id": str, "title": str, "extra": OurExtra, **dict.fromkeys(OURS_OF_SESSION, OurText)}
    listed: list[Any] = []
    for f in fields_of(Session):
        kind = types.get(f.name, f.type)
        if f.name in required or f.name in ("id", "title"):
            listed.append((f.name, kind))
        elif required:
            listed.append((f.name, kind, None))
        else:
            listed.append((f.name, Any if kind is Any else kind | UnsetType, UNSET))
    return msgspec.defstruct(
        "SessionKeys",
        listed,
        bases=(Session,),
        kw_only=True,
        forbid_unknown_fields=True,
        rename=snake if is_snake else "camel",  # None would be the names of `Session`
    )


CAMEL_NAMES: dict[type[Struct], dict[str, str]] = {
    kind: {f.name: f.encode_name for f in fields_of(kind)} for kind in (ToolCall, Message, Session)
}


class MessageTypes(Struct, frozen=True, eq=False):
    """A pair of struct types that decode under one set of names, with a slot for each learned unknown key.

    Attributes:
        message, tool_call: the types.
        message_keys, call_keys: the unknown keys that each of them has a slot for, in alphabetical order.
        is_snake: whether the names are snake_case.
    """

    message: Any
    tool_call: Any
    message_keys: tuple[str, ...] = ()
    call_keys: tuple[str, ...] = ()
    is_snake: bool = False

    def learned(self, *, message_key: str | None = None, call_key: str | None = None) -> MessageTypes:
        """The same names, and one more unknown key taken by messages or by tool calls."""
        message_keys = _with_key(self.message_keys, message_key)
        call_keys = _with_key(self.call_keys, call_key)
        base = snake_types() if self.is_snake else CAMEL
        call = derive(base.tool_call, base.tool_call.__name__, extra=call_keys)
        types = {"tool_calls": _maybe_list(call)}
        message = derive(base.message, base.message.__name__, types=types, extra=message_keys)
        return MessageTypes(message, call, message_keys, call_keys, is_snake=self.is_snake)

    def collect_extra(self, messages: list[Any]) -> None:
        """Move learned keys into `extra`, in alphabetical order, as `formats.message` does; absent ones leave no trace."""
        _collect(messages, self.message_keys)
        if self.call_keys:
            for message in messages:
                if message.tool_calls:
                    _collect(message.tool_calls, self.call_keys)


def _with_key(keys: tuple[str, ...], key: str | None) -> tuple[str, ...]:
    return keys if key is None else tuple(sorted((*keys, key)))


def _collect(items: list[Any], keys: tuple[str, ...]) -> None:
    for number, key in enumerate(keys):
        slot = f"unknown_{number}"
        for item in items:
            value = getattr(item, slot)
            if value is not UNSET:
                if item.extra is None:
                    item.extra = {key: value}
                else:
                    item.extra[key] = value
                setattr(item, slot, UNSET)


CAMEL = MessageTypes(Message, ToolCall)


@cache
def snake_types() -> MessageTypes:
    """The types of snake_case names, without learned keys. Few need them, and it takes a millisecond to make them."""
    call = derive(ToolCall, "SnakeToolCall", snake)
    message = derive(Message, "SnakeMessage", snake, {"tool_calls": _maybe_list(call)})
    return MessageTypes(message, call, is_snake=True)


def respell(messages: list[Any], types: MessageTypes) -> list[Any]:
    """Give plain or snake messages the names of `types`; those with learned slots are built anew."""
    for index, message in enumerate(messages):
        for number, call in enumerate(message.tool_calls or ()):
            message.tool_calls[number] = _respell(call, types.tool_call, len(ToolCall.__struct_fields__))
        messages[index] = _respell(message, types.message, len(Message.__struct_fields__))
    return messages


def _respell(item: Any, kind: Any, width: int) -> Any:
    names = type(item).__struct_fields__
    if len(names) == width:
        item.__class__ = kind
        return item
    return kind(**{name: getattr(item, name) for name in names[:width]})
