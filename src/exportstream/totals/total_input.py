"""All tokens of prompts, by one rule for all producers: `input_tokens` includes those of caches in one, and not in another.

Takes: messages. Returns: whole numbers. Raises: nothing. Holds: nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import add

from exportstream.models.structs import Message


def total_inputs(messages: list[Message], inputs: list[int], reads: list[int]) -> list[int]:
    """Return all tokens of each prompt: as the producer's format gives them, else input and cache reads if any is stated.

    Args:
        messages: of any producer.
        inputs: their input tokens, without those that are not stated.
        reads: likewise, their cache read tokens.
    """
    stated = [m.total_input_tokens for m in messages]
    if stated.count(None) == len(stated):  # as in session exports, and faster
        if len(inputs) == len(reads) == len(stated):
            return list(map(add, inputs, reads))
        return [
            (m.input_tokens or 0) + (m.cache_read_tokens or 0)
            for m in messages
            if m.input_tokens is not None or m.cache_read_tokens is not None
        ]
    return _known(
        _sum(m.input_tokens, m.cache_read_tokens) if m.total_input_tokens is None else m.total_input_tokens for m in messages
    )


def _sum(given: int | None, read: int | None) -> int | None:
    return None if given is None and read is None else (given or 0) + (read or 0)


def _known(values: Iterable[int | None]) -> list[int]:
    return [value for value in values if value is not None]
