"""Copies: messages of other sessions that a producer repeats. They are rows, but no total counts them."""

from __future__ import annotations

from itertools import accumulate

from exportstream.models.structs import Message

COPIES = frozenset({"repeated", "replayed"})


def counted(messages: list[Message]) -> list[Message]:
    """Return the messages that are no copies."""
    states = [message.usage_state for message in messages]
    if not any(states):  # session exports have no such state
        return messages
    return [message for message in messages if message.usage_state not in COPIES]


def counted_ends(messages: list[Message], ends: list[int]) -> list[int]:
    """Return how many messages that are no copies come before each end."""
    before = list(accumulate([message.usage_state not in COPIES for message in messages], initial=0))
    return [before[end] for end in ends]
