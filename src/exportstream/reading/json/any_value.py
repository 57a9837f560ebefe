"""Decodes JSON values of logs and chats, also where an exponent is so large that no Decimal can hold the number.

Takes: JSON. Returns: a value; its numbers are int or Decimal, and those that no Decimal can hold are texts.
Raises: one of `REFUSALS` for what is not JSON. Holds: a decoder for each kind of value.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

ANY_VALUE = msgspec.json.Decoder(float_hook=Decimal)


def decode_any(data: Any, decoder: Any = ANY_VALUE) -> Any:
    """Decode JSON; the decoder is that of a type, if not of any value."""
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
