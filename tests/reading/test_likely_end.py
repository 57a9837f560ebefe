"""Ends of conversations are guessed: most are right, and a wrong one changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any
from unittest.mock import patch

import pytest

from exportstream import iter_messages
from exportstream.reading.json import elements
from exportstream.reading.json.buffer import Buffer
from exportstream.reading.json.measure import LikelyEnd
from tests.kit.chats import Tree, claude_ai, drawn, opencode
from tests.kit.documents import dump
from tests.kit.readings import read, small_blocks

ANSWER = {"role": "assistant", "modelID": "m"}
MAKERS: dict[str, Callable[[str], Any]] = {
    "chatgpt": lambda name: Tree(name).say().say("assistant", text='},{"title":"x').conversation(),
    "claude.ai": lambda name: claude_ai({}, {"sender": "assistant"}, uuid=name),
    "opencode": lambda name: opencode({}, ANSWER, id=name),
}
COUNT = 20


def measured(data: bytes) -> int:
    """How many conversations are measured in a reading."""
    with patch.object(elements, "measure", wraps=elements.measure) as measure:
        for _ in iter_messages(data):
            pass
    return measure.call_count


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("between", [b",", b" ,\n ", b"\n"])
def test_only_the_first_and_last_conversations_are_measured(make: Callable[[str], Any], between: bytes) -> None:
    """The bytes between two conversations end all others."""
    data = between.join(dump(make(f"c{number}")) for number in range(COUNT))
    assert measured(b"[%b]" % data if b"," in between else data) == 2


def test_guesses_end_where_most_are_wrong() -> None:
    """Conversations that hold what is between others are measured after a few guesses."""
    inner = [{"title": "x"}, {"title": "y"}]
    made = [Tree(f"c{number}").say(metadata={"all": inner}).conversation(end={}) for number in range(3 * COUNT)]
    guessed: list[int] = []
    with patch.object(
        elements.Elements, "_decode_likely", side_effect=lambda size: guessed.append(size) or elements._NOTHING
    ):
        assert measured(dump(made)) == 3 * COUNT
    assert 0 < len(guessed) < COUNT


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("damage", [b"", b"\xff", b"}", b'{"a":1},', b'"\\ud800"'])
def test_wrong_guesses_change_nothing(seed: int, damage: bytes) -> None:
    """Rows, rejects, notes and errors are the same with guesses of any size, with none, and in small blocks."""
    random = Random(seed)
    data = dump(drawn(seed))
    place = random.randrange(len(data)) if damage else 0
    data = data[:place] + damage + data[place:]

    def guess(self: LikelyEnd, buffer: Buffer) -> int:
        del self
        buffer.fill(100)
        return random.randrange(buffer.left + 1)

    for skip in (False, True):
        with patch.object(LikelyEnd, "guess", return_value=0):
            wanted = read(data, on_error="skip" if skip else "stop")
        assert read(data, on_error="skip" if skip else "stop") == wanted
        with patch.object(LikelyEnd, "guess", guess):
            assert read(data, on_error="skip" if skip else "stop") == wanted
        with small_blocks(256, 100):
            assert read(data, on_error="skip" if skip else "stop") == wanted
