"""Decodes arrays of messages into structs, many in one call, and learns which names and unknown keys an input has.

`decode_any` decodes values of logs and chats, also where an exponent is so large that no Decimal can hold the number.

Takes: the bytes of an array. Returns: structs, or None if they don't fit; then the bytes are read in another way.
Raises: msgspec's `DecodeError` for what is no array. Holds: struct types with a slot for each unknown key met.

Two ways, from fast to slow: the struct types of the names in use, and the same with slots for unknown keys met before.
msgspec tells an unknown key in the text of its error only; `tests/reading/test_decoder.py` holds that it still does.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec

from exportstream.errors.patterns import late_pattern
from exportstream.models.names import CAMEL, CAMEL_NAMES, MessageTypes, respell, snake_types
from exportstream.models.structs import Message, ToolCall
from exportstream.reading.json.beyond_msgspec import any_deeper, check_costs

MAX_LEARNED = 32
ANY_VALUE = msgspec.json.Decoder(float_hook=Decimal)
REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError, ValueError)

_MESSAGE_NAMES = {name for pair in CAMEL_NAMES[Message].items() for name in pair}
_CALL_NAMES = {name for pair in CAMEL_NAMES[ToolCall].items() for name in pair}
_UNKNOWN = late_pattern(r"Object contains unknown field `(.*)` - at `\$(?:\[\d+\])+(\.\w+\[\d+\])?`\Z", re.DOTALL)


class MessageDecoder:
    """The decoder of one input."""

    def __init__(self) -> None:
        self._decoders: dict[MessageTypes, Any] = {}
        self._camel: MessageTypes = CAMEL  # with what was learned
        self._snake: MessageTypes | None = None  # None until one was met
        self._use(CAMEL)

    def decode(self, text: bytes | memoryview, max_depth: int) -> list[Any] | None:
        """Decode an array of messages; None if they don't fit the structs or a value has more than `max_depth` levels.

        Raises:
            msgspec.DecodeError: it is no array, or more follows.
        """
        messages = self._decode(text)
        return messages if messages is not None and self._finish([messages], max_depth) else None

    def decode_lines(self, text: bytes, max_depth: int) -> list[list[Any]] | None:
        """Decode arrays of messages, one on each line; None also if a line is none.

        As many arrays as lines are one on each: a value can't go on from `]` to `[` without a comma, nor in a string.
        """
        try:
            arrays = self._decode(text, lines=True)
        except REFUSALS:
            return None
        return arrays if arrays is not None and self._finish(arrays, max_depth) else None

    def _finish(self, arrays: list[list[Any]], max_depth: int) -> bool:
        """Give messages their final form: costs as Decimal, plain names, unknown keys in `extra`; False if that fails."""
        messages = list(chain.from_iterable(arrays)) if len(arrays) > 1 else arrays[0]
        if not check_costs(messages):
            return False
        types = self._types
        types.collect_extra(messages)
        if any_deeper(messages, max_depth, learned=bool(types.message_keys or types.call_keys)):
            return False
        if types.is_snake:
            for array in arrays:
                respell(array, CAMEL)
        return True

    def _decode(self, text: bytes | memoryview, *, lines: bool = False) -> list[Any] | None:
        respelled = False
        for _ in range(MAX_LEARNED + 2):
            try:
                decoder = self._decoders[self._types]
                return decoder.decode_lines(text) if lines else decoder.decode(text)  # type: ignore[no-any-return]
            except msgspec.ValidationError as error:
                learned, respelled = self._learn(str(error), respelled)
                if not learned:
                    return None
            except msgspec.DecodeError:
                raise
            except REFUSALS:
                return None
        return None

    def _learn(self, refusal: str, respelled: bool) -> tuple[bool, bool]:
        """Make a slot for the unknown key of a refusal, or try the other names: whether to decode again."""
        found = _UNKNOWN.match(refusal)
        if found is None:
            return False, respelled
        key, in_call = found.groups()
        types = self._types
        if key in (_CALL_NAMES if in_call else _MESSAGE_NAMES):
            if respelled:
                return False, True
            self._use(self._camel if types.is_snake else self._snake or snake_types())
            return True, True
        if len(types.message_keys) + len(types.call_keys) >= MAX_LEARNED:
            return False, respelled
        try:
            self._use(types.learned(call_key=key) if in_call else types.learned(message_key=key))
        except ValueError:  # a key that msgspec does not take as a name
            return False, respelled
        return True, respelled

    def _use(self, types: MessageTypes) -> None:
        self._types = types
        if types.is_snake:
            self._snake = types
        else:
            self._camel = types
        if types not in self._decoders:
            self._decoders[types] = _USUAL if types is CAMEL else _decoder_of(types)


def _decoder_of(types: MessageTypes) -> Any:
    kind: Any = list[types.message]  # type: ignore[name-defined]
    return msgspec.json.Decoder(kind, float_hook=Decimal)


_USUAL = _decoder_of(CAMEL)  # one for all inputs: it remembers nothing


def decode_any(data: Any, decoder: Any = ANY_VALUE) -> Any:
    """Decode JSON; the decoder is that of a type, if not of any value.

    Returns:
        A value; its numbers are int or Decimal, and those that no Decimal can hold are texts.

    Raises:
        one of `REFUSALS`: it is not JSON.
    """
    try:
        return decoder.decode(data)
    except ArithmeticError:
        return _with_texts(decoder).decode(data)


@lru_cache(64)  # there are fewer
def _with_texts(decoder: Any) -> Any:
    return msgspec.json.Decoder(decoder.type, float_hook=_number)


def _number(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except ArithmeticError:
        return text
