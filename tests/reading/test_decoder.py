"""Arrays of messages become structs; what msgspec says in words is what the decoder relies on."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from exportstream.models.structs import Message
from exportstream.reading.json import blocks
from exportstream.reading.json.decoder import MAX_LEARNED, MessageDecoder
from tests.kit.documents import dump, message, tool_call
from tests.properties.oracle import snake

DEPTH = 500


def test_msgspec_still_says_it_so() -> None:
    """An unknown key is told with its name and path, and what follows an array with its byte: nothing else tells them."""
    with pytest.raises(msgspec.ValidationError, match=r"^Object contains unknown field `a b` - at `\$\[0\]`$"):
        msgspec.json.decode(dump([message(**{"a b": 1})]), type=list[Message])
    call = message(toolCalls=[tool_call(), tool_call(x=1)])
    with pytest.raises(
        msgspec.ValidationError, match=r"^Object contains unknown field `x` - at `\$\[0\]\[1\].toolCalls\[1\]`$"
    ):
        msgspec.json.decode(dump([[message(), call]]), type=list[list[Message]])
    with pytest.raises(msgspec.DecodeError, match=re.escape("JSON is malformed: trailing characters (byte 5)")) as caught:
        msgspec.json.decode(b"[1] ,2", type=list[int])
    assert blocks._TRAILING.search(str(caught.value))


@pytest.mark.parametrize("nested", [False, True])
def test_names_and_unknown_keys_are_learned(nested: bool) -> None:
    """Snake case and unknown keys of messages and calls are taken, in one array or in many."""
    decoder = MessageDecoder()
    one: Any = message(toolCalls=[tool_call(later=[1])], other=1.50)
    for names in (lambda key: key, snake):
        spelled = {names(key): value for key, value in one.items()}
        spelled[names("toolCalls")] = [{names(key): value for key, value in one["toolCalls"][0].items()}]
        text = dump([spelled, spelled])
        found = decoder.decode_lines(text + b"\n" + text, DEPTH)[1] if nested else decoder.decode(text, DEPTH)  # type: ignore[index]
        assert found is not None
        assert [isinstance(item, Message) for item in found] == [True, True]
        assert found[0].extra == {"other": Decimal("1.5")}
        assert found[1].tool_calls[0].extra == {"later": [1]}


def test_what_does_not_fit_is_not_taken() -> None:
    """Other types, too many unknown keys, a cost that is no number and too much depth are left to another way."""
    decoder = MessageDecoder()
    many = [message(**{f"key{number}": 1}) for number in range(MAX_LEARNED + 1)]
    deep = message(toolCalls=[tool_call(inputJson=[[[[[]]]]])])
    for items in ([message(id=1)], many, [message(cost="1")]):
        assert decoder.decode(dump(items), DEPTH) is None
        assert decoder.decode_lines(dump(items), DEPTH) is None
    assert decoder.decode(dump([deep]), 8) is not None
    assert decoder.decode(dump([deep]), 7) is None
    with pytest.raises(msgspec.DecodeError):
        decoder.decode(b"[", DEPTH)
    assert decoder.decode_lines(b"[]\n[[1", DEPTH) is None
