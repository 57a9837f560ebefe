"""What an export holds, as msgspec Structs: `Session`, `Message`, `ToolCall`.

Attributes are snake_case; the wire's names are camelCase, as the server's export endpoint writes them (its public model is
the SDK's ``ExportSession``; usage fields and thinking blocks are the server's own message model). Some SDK releases dump
snake_case instead: `SnakeMessage` and `SnakeToolCall` are the same objects under those names.

`MessageTypes` is a pair of struct types that decodes and encodes under one set of names; `learned` makes one that also
takes keys nobody knows in advance and keeps them in `extra`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, field
from msgspec.structs import fields as struct_fields

__all__ = ["Message", "Session", "ToolCall"]

# Values we fill in ourselves. A key of that name in the input is not ours: no JSON value meets these bounds, so the
# decoder refuses the message and the key ends in `extra` like every other unknown one.
OurStr = Annotated[str, Meta(min_length=1, max_length=0)]
OurInt = Annotated[int, Meta(ge=1, le=0)]
if TYPE_CHECKING:
    OurExtra = dict[str, Any] | None
else:  # not even null is taken
    OurExtra = Annotated[dict[str, Any], Meta(min_length=1, max_length=0)]


Count = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]  # 64 bits: sums of them stay far from any limit


def parse_instant(text: str | None) -> datetime | None:
    """The instant a date-time text names, or None where it can't be parsed (RFC 3339; beyond microseconds rounded)."""
    if text is None:
        return None
    try:
        return msgspec.convert(text, datetime)
    except (msgspec.ValidationError, ValueError, OverflowError):
        return None


def exact_instant(text: str | None) -> tuple[datetime, str] | None:
    """Parse a date-time without rounding: its whole second, and the digits of the fraction without zeros at the end.

    Pairs compare like the instants. A date-time without a zone is taken as UTC.
    """
    fraction = ""
    if text is not None and text[19:20] == ".":
        rest = text[20:].lstrip("0123456789")
        fraction = text[20 : len(text) - len(rest)]
        if fraction and not rest.startswith("."):  # otherwise there is something wrong with it
            text = text[:19] + rest
    instant = parse_instant(text)
    if instant is None:
        return None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=timezone.utc), fraction.rstrip("0")


class ToolCall(
    Struct,
    kw_only=True,
    omit_defaults=True,
    repr_omit_defaults=True,
    forbid_unknown_fields=True,
    gc=False,
    rename="camel",
):
    """One tool call of a message.

    Attributes:
        id, name, type: as the server wrote them; names are open (``Bash``, ``{server}_{tool}``, …).
        finished: whether the call ended.
        is_error: whether it failed, None where the producer does not say.
        input: the tool input as JSON text; may be empty or invalid JSON.
        input_json: the parsed input, any JSON value; its numbers are int or Decimal, so that no digit is lost.
        result, metadata, screenshot_urls: as written, None where absent.
        extra: keys that no version of the format is known to have, or None.
    """

    id: str
    name: str
    type: str
    finished: bool
    is_error: bool | None = None
    input: str
    input_json: Any = None
    result: str | None = None
    metadata: str | None = None
    screenshot_urls: list[str] | None = None
    extra: OurExtra = None


class Message(
    Struct,
    kw_only=True,
    omit_defaults=True,
    repr_omit_defaults=True,
    forbid_unknown_fields=True,
    gc=False,
    rename="camel",
):
    """One message of a session.

    Attributes:
        session_id: id of the session it belongs to.
        index: 0-based place within its session; a rejected message keeps its number.
        id, role, content: as written; role is open (``user``, ``assistant``, ``tool``, ``system``).
        model, finish_reason, reasoning: as written, None where absent.
        reasoning_duration: the server's integer, as written.
        tool_calls: list of `ToolCall`, or None.
        created_at, updated_at: the text as it came; None where the producer wrote null.
        input_tokens, output_tokens, cache_creation_tokens, cache_read_tokens: tokens of this message, or None.
        cost: USD as Decimal with the digits of the input, or None.
        thinking_blocks, redacted_thinking_blocks: lists of text, or None.
        extra: keys that no version of the format is known to have, or None.
    """

    session_id: OurStr = field(default_factory=str)  # a factory, so that even an empty id is written
    index: OurInt = field(default=-1, name="messageIndex")
    id: str
    role: str
    content: str
    model: str | None = None
    finish_reason: str | None = None
    reasoning: str | None = None
    reasoning_duration: Count | None = None
    tool_calls: list[ToolCall] | None = None
    created_at: str | None
    updated_at: str | None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_creation_tokens: Count | None = None
    cache_read_tokens: Count | None = None
    # Decoded as any value: msgspec's Decimal also takes text, which is not a number. `messages` looks at its type.
    cost: Any = None
    thinking_blocks: list[str] | None = None
    redacted_thinking_blocks: list[str] | None = None
    extra: OurExtra = None

    @property
    def created_datetime(self) -> datetime | None:
        """`created_at` as a datetime, None where it is absent or can't be parsed."""
        return parse_instant(self.created_at)

    @property
    def updated_datetime(self) -> datetime | None:
        """`updated_at` as a datetime, None where it is absent or can't be parsed."""
        return parse_instant(self.updated_at)


class Session(Struct, kw_only=True, omit_defaults=True, repr_omit_defaults=True, gc=False, rename="camel"):
    """What surrounds the messages of a session: the server's own word for it.

    Attributes:
        id, title: as written; None while they have not been read yet.
        user_message_count, assistant_message_count, tool_call_count: declared counts.
        prompt_tokens, completion_tokens: declared tokens of the whole session.
        cost: declared USD as Decimal with the digits of the input.
        created_at, updated_at: the text as it came.
        extra: unknown keys of the session object; `response` in it holds the keys of an SDK response object around it.
    """

    id: str | None = None
    title: str | None = None
    user_message_count: Count | None = None
    assistant_message_count: Count | None = None
    tool_call_count: Count | None = None
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    cost: Decimal | None = None
    created_at: str | None = None
    updated_at: str | None = None
    extra: dict[str, Any] | None = None

    @property
    def created_datetime(self) -> datetime | None:
        """`created_at` as a datetime, None where it is absent or can't be parsed."""
        return parse_instant(self.created_at)

    @property
    def updated_datetime(self) -> datetime | None:
        """`updated_at` as a datetime, None where it is absent or can't be parsed."""
        return parse_instant(self.updated_at)


def snake(name: str) -> str:
    """The snake_case wire name of a field; only `index` is written under a name that says of what."""
    return "message_index" if name == "index" else name


def derive(
    base: type[Struct], name: str, rename: Callable[[str], str], types: dict[str, Any], extra: Iterable[str] = ()
) -> Any:
    """A subclass of `base` with other wire names, other field types, and a slot for each extra key.

    Fields are listed anew because msgspec gives a wire name only to a class's own fields. Without extra keys no slot is
    added, so instances of the two classes have one layout, and assigning ``__class__`` is all it takes to rename them.
    """
    listed: list[Any] = []
    for f in struct_fields(base):
        kind = types.get(f.name, f.type)
        if f.required:
            listed.append((f.name, kind))
        elif f.default_factory is not msgspec.NODEFAULT:
            listed.append((f.name, kind, field(default_factory=f.default_factory)))
        else:
            listed.append((f.name, kind, f.default))
    wire_names = {f.name: rename(f.name) for f in struct_fields(base)}
    for number, key in enumerate(extra):
        slot = f"unknown_{number}"
        wire_names[slot] = key
        listed.append((slot, Any, UNSET))
    return msgspec.defstruct(name, listed, bases=(base,), module=__name__, kw_only=True, rename=wire_names.get)


def _maybe_list(kind: Any) -> Any:
    return list[kind] | None


SnakeToolCall: Any = derive(ToolCall, "SnakeToolCall", snake, {})
SnakeMessage: Any = derive(Message, "SnakeMessage", snake, {"tool_calls": _maybe_list(SnakeToolCall)})

CAMEL_NAMES: dict[type[Struct], dict[str, str]] = {
    kind: {f.name: f.encode_name for f in struct_fields(kind)} for kind in (ToolCall, Message, Session)
}


class MessageTypes:
    """A pair of struct types that decode under one set of names, with a slot for each learned unknown key."""

    def __init__(self, message: Any, tool_call: Any, message_keys: tuple[str, ...], call_keys: tuple[str, ...]) -> None:
        self.message = message
        self.tool_call = tool_call
        self.message_keys = message_keys
        self.call_keys = call_keys

    @property
    def is_snake(self) -> bool:
        """Whether the names are snake_case."""
        return issubclass(self.message, SnakeMessage)

    def learned(self, *, message_key: str | None = None, call_key: str | None = None) -> MessageTypes:
        """The same names, and one more unknown key taken by messages or by tool calls."""
        message_keys = self.message_keys + ((message_key,) if message_key is not None else ())
        call_keys = self.call_keys + ((call_key,) if call_key is not None else ())
        base_message, base_call = (SnakeMessage, SnakeToolCall) if self.is_snake else (Message, ToolCall)
        names = {f.name: f.encode_name for f in struct_fields(base_message)}
        call_names = {f.name: f.encode_name for f in struct_fields(base_call)}
        call = derive(base_call, base_call.__name__, call_names.__getitem__, {}, call_keys)
        message = derive(
            base_message, base_message.__name__, names.__getitem__, {"tool_calls": _maybe_list(call)}, message_keys
        )
        return MessageTypes(message, call, message_keys, call_keys)

    def collect_extra(self, messages: list[Any]) -> None:
        """Move learned keys into `extra`, in the order they were learned; absent ones leave no trace."""
        _collect(messages, self.message_keys)
        if self.call_keys:
            for message in messages:
                if message.tool_calls:
                    _collect(message.tool_calls, self.call_keys)


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


CAMEL = MessageTypes(Message, ToolCall, (), ())
SNAKE = MessageTypes(SnakeMessage, SnakeToolCall, (), ())


def respell(messages: list[Any], types: MessageTypes) -> list[Any]:
    """Give plain or snake messages the names of `types`; those with learned slots are built anew."""
    for place, message in enumerate(messages):
        for number, call in enumerate(message.tool_calls or ()):
            message.tool_calls[number] = _respell(call, types.tool_call, len(ToolCall.__struct_fields__))
        messages[place] = _respell(message, types.message, len(Message.__struct_fields__))
    return messages


def _respell(item: Any, kind: Any, width: int) -> Any:
    names = type(item).__struct_fields__
    if len(names) == width:
        item.__class__ = kind
        return item
    return kind(**{name: getattr(item, name) for name in names[:width]})
