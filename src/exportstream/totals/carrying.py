"""Sessions whose messages carry a figure: only their declared figures can be compared with counted ones.

Takes: sessions with the messages that end with them. Returns: how many have one that carries each figure.
Raises: nothing. Holds: three numbers.
"""

from __future__ import annotations

from itertools import accumulate
from operator import attrgetter

from exportstream.models.structs import Message
from exportstream.models.sums import Sums


class Carrying(Sums):
    """How many sessions have a message that carries a figure: only such figures can be compared with declared ones.

    Attributes:
        input_tokens, output_tokens, cost: sessions with a message that carries them.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0


COMPARED = Carrying.__struct_fields__


def carried(ends: list[int], messages: list[Message], counts: list[int], pending: list[int]) -> list[tuple[int, int]]:
    """Return for each of the compared figures how many sessions have a message that carries it, and how many messages do.

    Args:
        ends: as of `Totals.add_sessions`; only messages before the last one count.
        messages: likewise.
        counts: how many of `messages` carry each figure. All or none is usual, and needs no look at the messages.
        pending: how many earlier messages of the first session carry it; they count, too.
    """
    if len(set(counts)) == len(set(pending)) == 1 and 0 < counts[0] < len(messages):  # most carry all figures or none
        flags = [m.cost is not None and m.input_tokens is not None and m.output_tokens is not None for m in messages]
        if flags.count(True) == counts[0]:
            return [_at_ends(ends, flags, pending[0])] * len(counts)
    return [
        (int(earlier > 0), earlier)
        if count == 0
        else _at_ends(ends, [value is not None for value in map(attrgetter(name), messages)], earlier)
        for name, count, earlier in zip(COMPARED, counts, pending, strict=True)
    ]


def _at_ends(ends: list[int], flags: list[bool], pending: int) -> tuple[int, int]:
    before = list(accumulate(flags, initial=pending))
    at_ends = [before[end] for end in ends]
    return len({0, *at_ends}) - 1, at_ends[-1]  # each session with one brings a number of its own, as they only grow
