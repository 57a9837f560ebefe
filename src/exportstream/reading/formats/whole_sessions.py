"""What a reader does with the messages of many whole sessions at once.

Takes: sessions, their messages, and for each session how many of the messages belong to it and to those before it.
Returns: counts. Raises, holds: nothing.
"""

from __future__ import annotations

from itertools import chain

from exportstream.models.structs import Message, Session


def number_messages(sessions: list[Session], messages: list[Message], ends: list[int]) -> None:
    """Give each message its session and its index in it."""
    if ends == list(range(1, len(sessions) + 1)):  # one message each: a slice for each would take longer than its message
        for session, message in zip(sessions, messages, strict=True):
            message.session_id = session.id or ""
            message.index = 0
        return
    start = 0
    for session, end in zip(sessions, ends, strict=True):
        session_id = session.id or ""
        for index, message in enumerate(messages[start:end]):
            message.session_id = session_id
            message.index = index
        start = end


def count_repeats(messages: list[Message], ends: list[int]) -> int:
    """Count ids that come again in their session."""
    ids = [message.id for message in messages]
    if len(set(ids)) == len(ids):
        return 0
    return sum([end - start - len(set(ids[start:end])) for start, end in zip(chain((0,), ends), ends, strict=False)])
