"""Exports of chats: documents of conversations, each of which is held until it ends.

Here is what `reader` has to know of the exports of one program: how a conversation is told, decoded, and made to rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from exportstream.errors import InvalidMessageError
from exportstream.models.structs import Message, Session


class Refused(NamedTuple):
    """A message that is none: why, and what it was."""

    error: InvalidMessageError
    value: Any


class Conversation(NamedTuple):
    """One conversation.

    Attributes:
        session: its keys.
        messages: its messages, in the order of their rows; those of a list have their session, number and producer.
        records: what becomes no row, by kind, with their count; it is complete after the last message.
        deep: gets values of messages that may have many levels; None if all may.
    """

    session: Session
    messages: Iterator[list[Message] | Message | Refused]
    records: dict[str, int]
    deep: list[Any] | None = None


class ChatFormat(NamedTuple):
    """The exports of one program.

    Attributes:
        producer: the name of the program.
        keys: those of a conversation.
        is_conversation: whether an object with such keys is one.
        decode: makes a `Conversation` of bytes, or else a JSON value, which `read` takes; with `figures_only` one of what
            sums need. Raises one of `REFUSALS` for what is not JSON.
        read: makes a `Conversation` of a JSON value; raises `InvalidMessageError` for a value that is none.
        begins_with_lines: whether lines of text may come before the JSON.
        states_usage: whether it has tokens and costs.
        cut_hint: the next step where an input is cut.
    """

    producer: str
    keys: frozenset[str]
    is_conversation: Callable[[Collection[str]], bool]
    decode: Callable[..., Any]
    read: Callable[[Any], Conversation]
    begins_with_lines: bool = False
    states_usage: bool = False
    cut_hint: str | None = None
