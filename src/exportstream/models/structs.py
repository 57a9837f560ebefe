"""The contents of an export, as msgspec structs: `Session`, `Message`, `ToolCall`.

Attributes are snake_case; the wire's names are camelCase, as the server's export endpoint writes them (its public model is
the SDK's ``ExportSession``; usage fields and thinking blocks are the server's own message model). `models.names` has the
same structs under the names of some SDK releases, which dump snake_case, and with keys that nobody knows in advance.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from exportstream.models.dates import parse_instant

MIX = "mix"  # the producer of session exports, whose rows leave it out

# Values we fill in ourselves. A key of that name in the input is not ours: no JSON value meets these bounds, so the
# decoder refuses the message and the key ends in `extra` like every other unknown one.
OurStr = Annotated[str, Meta(min_length=1, max_length=0)]
OurInt = Annotated[int, Meta(ge=1, le=0)]
if TYPE_CHECKING:
    OurExtra = dict[str, Any] | None
    OurText = str | None
    OurCount = int | None
    OurList = list[Any] | None
    OurFlag = bool | None
else:  # not even null is taken
    OurExtra = Annotated[dict[str, Any], Meta(min_length=1, max_length=0)]
    OurText = OurStr
    OurCount = OurInt
    OurList = Annotated[list[Any], Meta(min_length=1, max_length=0, extra={"type": "JSON"})]
    OurFlag = Annotated[int, Meta(ge=1, le=0, extra={"type": "boolean"})]
OURS: tuple[Any, ...] = (OurStr, OurInt, OurExtra, OurText, OurCount, OurList, OurFlag)

Count = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]  # 64 bits: sums of them stay far from any limit

# The same to Python and to the decoder; outputs may write them in a way of their own.
DateTime = Annotated[str, Meta(extra={"type": "date-time"})]
LongText = Annotated[str, Meta(extra={"is_long": True})]
if TYPE_CHECKING:
    USD = Decimal | None
else:  # decoded as any value: msgspec's Decimal also takes text, which is not a number; reading looks at its type
    USD = Annotated[Any, Meta(extra={"type": "decimal"})]


class _Plain(Struct, omit_defaults=True, repr_omit_defaults=True, gc=False, rename="camel"):
    def to_dict(self) -> dict[str, Any]:
        """Return what is there as plain values, named as in the JSON, and of a message as in NDJSON rows."""
        plain: dict[str, Any] = msgspec.to_builtins(self, builtin_types=(Decimal,))
        return plain


class _Dated(_Plain):
    @property
    def created_datetime(self: Any) -> datetime | None:
        """`created_at` as a datetime, None if it is absent or can't be parsed."""
        return parse_instant(self.created_at)

    @property
    def updated_datetime(self: Any) -> datetime | None:
        """`updated_at` as a datetime, None if it is absent or can't be parsed."""
        return parse_instant(self.updated_at)


class ToolCall(_Plain, kw_only=True, forbid_unknown_fields=True):
    """One tool call of a message.

    Attributes:
        id, name, type: as the server wrote them; names are open (``Bash``, ``{server}_{tool}``, …).
        finished: whether the call ended.
        is_error: whether it failed, None if the producer does not say.
        input: the tool input as JSON text; may be empty or invalid JSON.
        input_json: the parsed input, any JSON value; its numbers are int or Decimal, so that no digit is lost.
        result, metadata, screenshot_urls: as written, None if absent.
        extra: keys that no version of the format is known to have, or None.
    """

    id: str
    name: str
    type: str
    finished: bool
    is_error: bool | None = None
    input: LongText
    input_json: Any = None
    result: LongText | None = None
    metadata: LongText | None = None
    screenshot_urls: list[str] | None = None
    extra: OurExtra = None


class Message(_Dated, kw_only=True, forbid_unknown_fields=True):
    """One message of a session.

    Attributes:
        session_id: id of the session it belongs to.
        index: position in its session, from 0; a rejected message keeps its number.
        id, role, content: as written; role is open (``user``, ``assistant``, ``tool``, ``system``).
        model, finish_reason, reasoning: as written, None if absent.
        reasoning_duration: the server's integer, as written.
        tool_calls: list of `ToolCall`, or None.
        created_at, updated_at: the text as it came; None if the producer wrote null.
        input_tokens, output_tokens, cache_creation_tokens, cache_read_tokens: tokens of this message, or None.
        cost: USD as Decimal with the digits of the input, or None.
        thinking_blocks, redacted_thinking_blocks: lists of text, or None.
        extra: keys that no version of the format is known to have, or None.
        producer: the program that the export came from, such as ``codex``; None for a session export.
        agent_id: the sub-agent that it belongs to; None for the main one.
        usage_state: ``final`` for tokens that will not change, ``partial`` where the export does not say so;
            ``repeated`` for a message that came before and ``replayed`` for one of another session, which no total counts;
            None if there are no tokens, and in session exports.
        attachments: what came with it, each with its type and size, or its address; without the data.
        total_input_tokens: all tokens of the prompt, whatever the producer counts as input.
        reasoning_tokens: output tokens that were spent on reasoning.
        parent_id: id of the message that it follows, where the export has a tree of messages.
        active: whether it is on the branch that is shown; None where there is no tree, or nobody says which is shown.
        cache_creation_1h_tokens: those of `cache_creation_tokens` that the cache keeps for an hour, which cost more.
    """

    session_id: OurStr = field(default_factory=str)  # a factory, so that even an empty id is written
    index: OurInt = field(default=-1, name="messageIndex")
    id: str
    role: str
    content: LongText
    model: str | None = None
    finish_reason: str | None = None
    reasoning: LongText | None = None
    reasoning_duration: Count | None = None
    tool_calls: list[ToolCall] | None = None
    created_at: DateTime | None
    updated_at: DateTime | None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_creation_tokens: Count | None = None
    cache_read_tokens: Count | None = None
    cost: USD = None
    thinking_blocks: list[str] | None = None
    redacted_thinking_blocks: list[str] | None = None
    extra: OurExtra = None
    producer: OurText = None
    agent_id: OurText = None
    usage_state: OurText = None
    attachments: OurList = None
    total_input_tokens: OurCount = None
    reasoning_tokens: OurCount = None
    parent_id: OurText = None
    active: OurFlag = None
    cache_creation_1h_tokens: OurCount = field(default=None, name="cacheCreation1hTokens")


class Session(_Dated, kw_only=True):
    """A session without its messages, as the server describes it.

    Attributes:
        id, title: as written; None while they have not been read yet.
        user_message_count, assistant_message_count, tool_call_count: declared counts.
        prompt_tokens, completion_tokens: declared tokens of the whole session.
        cost: declared USD as Decimal with the digits of the input.
        created_at, updated_at: the text as it came.
        extra: unknown keys of the session object; `response` in it holds the keys of an SDK response object around it.
        producer: the program that the export came from; None for a session export.
        parent_session_id: the session that it was forked from or spawned by.
        project: the folder it worked in.
    """

    id: str | None = None
    title: str | None = None
    user_message_count: Count | None = None
    assistant_message_count: Count | None = None
    tool_call_count: Count | None = None
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    cost: Decimal | None = None
    created_at: DateTime | None = None
    updated_at: DateTime | None = None
    extra: dict[str, Any] | None = None
    producer: str | None = None
    parent_session_id: str | None = None
    project: str | None = None
