"""What is JSON and what is not: inside a message we accept the documents that msgspec accepts, and read the same values."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from exportstream import ExportstreamError, InvalidMessageError, JSONSyntaxError, LimitError, Message, iter_messages
from tests.kit.readings import blocks, exact

MSGSPEC = msgspec.json.Decoder(float_hook=Decimal)
REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, ArithmeticError)

# One document each, as bytes; no document ends where it would complete the text around it.
DOCUMENTS: dict[str, bytes] = {
    # numbers
    "zero": b"0",
    "minus zero": b"-0",
    "minus zero point zero": b"-0.0",
    "integer": b"1234567890",
    "negative integer": b"-17",
    "largest signed": b"9223372036854775807",
    "beyond signed": b"9223372036854775808",
    "beyond unsigned": b"18446744073709551616",
    "far below": b"-98765432109876543210987654321",
    "trailing zeros": b"0.10",
    "many decimals": b"3.14159265358979323846264338327950288419",
    "exponent": b"1e5",
    "capital exponent with sign": b"2.50E+3",
    "negative exponent": b"25e-9",
    "exponent with zeros": b"7e007",
    "zero to the power": b"0e+1",
    "infinite as a double": b"1e400",
    "nothing as a double": b"1e-400",
    "exponent beyond Decimal": b"1e99999999999999999999",
    "4,300 digits": b"7" * 4300,
    "4,301 digits": b"7" * 4301,
    "negative, 4,300 digits": b"-" + b"7" * 4300,
    "4,301 decimals": b"0." + b"3" * 4301,
    "2,200 digits and 2,200 decimals": b"5" * 2200 + b"." + b"5" * 2200,
    "leading zero": b"012",
    "negative leading zero": b"-012",
    "double zero": b"00",
    "plus": b"+1",
    "minus alone": b"-",
    "two minuses": b"--1",
    "minus and space": b"- 1",
    "no integer part": b".5",
    "minus, no integer part": b"-.5",
    "no decimals": b"1.",
    "no decimals, exponent": b"1.e3",
    "no exponent digits": b"1e",
    "no exponent digits, sign": b"1e-",
    "exponent twice": b"1e2e3",
    "exponent with point": b"1e2.5",
    "two points": b"1.2.3",
    "hexadecimal": b"0x1F",
    "underscore": b"1_000",
    "suffix": b"12L",
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "minus Infinity": b"-Infinity",
    "full-width digit": "１".encode(),
    "digits in two parts": b"1 2",
    # literals
    "true": b"true",
    "false": b"false",
    "null": b"null",
    "capital True": b"True",
    "cut literal": b"tru",
    "longer literal": b"nulls",
    "two literals": b"truefalse",
    "bare word": b"word",
    "undefined": b"undefined",
    # strings and escapes
    "empty string": b'""',
    "every short escape": rb'"\" \\ \/ \b \f \n \r \t"',
    "escaped NUL": rb'"\u0000"',
    "escaped letter, capital digits": rb'"\u00E9\u00e9"',
    "escaped pair": rb'"\ud83d\ude42"',
    "escaped pair, capitals": rb'"\uD83D\uDE42"',
    "last code point": rb'"\udbff\udfff"',
    "escaped noncharacter": rb'"\uffff\ufdd0"',
    "escaped backslash before u": rb'"\\ud800"',
    "utf-8": '"é ก 🙂 \u2028 \u2029 \ufeff"'.encode(),
    "delete": b'"\x7f"',
    "last code point in utf-8": b'"\xf4\x8f\xbf\xbf"',
    "brackets in a string": b'"]}],[{,:"',
    "looks like a message": rb'",{\"id\":\"m1\",\"role\":\"user\"},"',
    "lone high": rb'"a\ud800b"',
    "lone low": rb'"a\udc00b"',
    "high twice and low": rb'"\ud83d\ud83d\ude42"',
    "low and high": rb'"\ude42\ud83d"',
    "high, then another escape": rb'"\ud83d\u0020"',
    "high, then a short escape": rb'"\uD83D\n"',
    "high at the end": rb'"\ud83d"',
    "lone high in a key": rb'{"\ud800":1}',
    "unknown escape": rb'"\x41"',
    "escaped quote only": rb'"\"',
    "escaped apostrophe": rb'"\'"',
    "capital U": rb'"\U0041"',
    "three hex digits": rb'"\u012"',
    "no hex digit": rb'"\u00g0"',
    "high and a broken escape": rb'"\ud83d\u12"',
    "raw NUL": b'"\x00"',
    "raw tab": b'"\t"',
    "raw line feed": b'"a\nb"',
    "raw unit separator": b'"\x1f"',
    "single quotes": b"'a'",
    "no closing quote": b'"abc',
    "two strings": b'"a" "b"',
    # encodings
    "lone continuation": b'"\x80"',
    "cut sequence": b'"\xe2\x82"',
    "overlong slash": b'"\xc0\xaf"',
    "overlong NUL": b'"\xe0\x80\x80"',
    "surrogate in utf-8": b'"\xed\xa0\x80"',
    "beyond the last code point": b'"\xf4\x90\x80\x80"',
    "byte FF": b'"\xff"',
    "latin-1": b'"caf\xe9"',
    "bad bytes in a key": b'{"\xff":1}',
    "bad bytes outside": b"\xff",
    "byte order mark": b"\xef\xbb\xbf[]",
    "utf-16": "[1]".encode("utf-16-le"),
    # white space
    "all white space": b" \t\r\n[ \t\r\n1 , 2 ] \r\n",
    "white space around a colon": b'{ "a" : 1 }',
    "form feed": b"[\x0c1]",
    "form feed in front": b"\x0c1",
    "vertical tab": b"[1\x0b]",
    "no-break space": b"[\xc2\xa01]",
    "line separator": b"[\xe2\x80\xa81]",
    "NUL behind": b"1\x00",
    "nothing": b"",
    "only spaces": b"  ",
    "line comment": b"[1 // one\n]",
    "block comment": b"[1 /* one */]",
    "hash comment": b"[1 # one\n]",
    # structure
    "empty array": b"[]",
    "empty object": b"{}",
    "mixed array": b'[1, "a", null, true, {}, [], 0.5]',
    "nested": b'{"a": {"b": [{"c": [[]]}]}}',
    "empty key": b'{"": 0}',
    "escaped key": rb'{"\u0061\n": 1}',
    "the same key twice": b'{"a": 1, "b": 2, "a": 3}',
    "the same key, spelled twice": rb'{"a": 1, "\u0061": 2}',
    "our own names as keys": b'{"messages": [{"id": "n", "role": "user"}], "id": 1, "item": {"extra": null}}',
    "trailing comma in an array": b"[1,]",
    "trailing comma in an object": b'{"a": 1,}',
    "leading comma": b"[,1]",
    "two commas": b"[1,,2]",
    "no comma": b"[1 2]",
    "no colon": b'{"a" 1}',
    "no value": b'{"a":}',
    "no key": b"{1}",
    "number as a key": b'{1: "a"}',
    "bare key": b"{a: 1}",
    "colon in an array": b'["a": 1]',
    "comma for a colon": b'{"a", 1}',
    "two colons": b'{"a":: 1}',
    "open array": b"[1",
    "open object": b'{"a": 1',
    "wrong bracket": b"[1}",
    "other wrong bracket": b'{"a": 1]',
    "closed twice": b"[1]]",
    "object closed twice": b"{}}",
    "two documents": b"[] []",
    "ellipsis": b"[1, ...]",
    # nesting
    "100 arrays": b"[" * 100 + b"]" * 100,
    "100 objects": b'{"a":' * 100 + b"0" + b"}" * 100,
    "100 open arrays": b"[" * 100,
    "507 arrays": b"[" * 507 + b"]" * 507,
    "507 objects": b'{"a":' * 507 + b"0" + b"}" * 507,
    "513 arrays": b"[" * 513 + b"]" * 513,
    "513 objects": b'{"a":' * 513 + b"0" + b"}" * 513,
    "100,000 open arrays": b"[" * 100_000,
}

# Where we differ from msgspec, and why: the value read instead, or the error.
SURROGATE = "half a surrogate pair is no character, but the rest of the message is good: it becomes U+FFFD and is counted"
DEPTH = "512 levels are the limit, so that a few bytes can't take gigabytes"
DIGITS = "a run of more than 4,300 digits is refused before it can hurt a parser; where it stands does not matter"
DIFFERENCES: dict[str, tuple[Any, str]] = {
    "lone high": ("a\ufffdb", SURROGATE),
    "lone low": ("a\ufffdb", SURROGATE),
    "high twice and low": ("\ufffd🙂", SURROGATE),
    "low and high": ("\ufffd\ufffd", SURROGATE),
    "high, then another escape": ("\ufffd ", SURROGATE),
    "high, then a short escape": ("\ufffd\n", SURROGATE),
    "high at the end": ("\ufffd", SURROGATE),
    "lone high in a key": ({"\ufffd": 1}, SURROGATE),
    "513 arrays": (LimitError, DEPTH),
    "513 objects": (LimitError, DEPTH),
    "negative, 4,300 digits": (-int("7" * 4300), "the limit is one of digits; msgspec counts the sign as one"),
    "4,301 decimals": (LimitError, DIGITS),
}

BEFORE = b'{"id":"s","title":"t","messages":[{"id":"m0","role":"user","content":"","createdAt":null,"updatedAt":null,'
PLACES = {
    "inputJson": (
        BEFORE + b'"toolCalls":[{"id":"c","name":"Bash","inputJson":',
        b',"input":"{}","type":"tool_use","finished":true}],"model":"x"}]}',
    ),
    "unknown key": (BEFORE + b'"futureKey":', b',"model":"x"}]}'),
}


def ours(document: bytes, place: str, *, on: bool) -> Any:
    """The value we read at this place, or the error we raise."""
    before, after = PLACES[place]
    with blocks(on):
        try:
            found: list[Message] = list(iter_messages(before + document + after))
        except ExportstreamError as error:
            return error
    assert [message.id for message in found] == ["m0"]
    assert found[0].model == "x"
    if place == "unknown key":
        assert found[0].extra is not None
        assert list(found[0].extra) == ["futureKey"]
        return found[0].extra["futureKey"]
    assert found[0].tool_calls is not None
    return found[0].tool_calls[0].input_json


def theirs(document: bytes) -> Any:
    """The value msgspec reads, or the error it raises."""
    try:
        return MSGSPEC.decode(document)
    except REFUSED as error:
        return error


@pytest.mark.parametrize("on", [True, False], ids=["blocks", "ijson"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_taken_as_msgspec_takes_it(name: str, place: str, on: bool) -> None:
    """A document inside a message is accepted or refused as msgspec does, with the same value, or differs as listed."""
    found = ours(DOCUMENTS[name], place, on=on)
    expected = DIFFERENCES[name][0] if name in DIFFERENCES else theirs(DOCUMENTS[name])
    if isinstance(expected, type):
        assert isinstance(found, expected), found
    elif isinstance(expected, Exception):
        assert isinstance(found, (JSONSyntaxError, LimitError, InvalidMessageError)), f"taken or another error: {found!r}"
    else:
        assert not isinstance(found, Exception), found
        assert exact(found) == exact(expected)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_differences_are_differences(name: str) -> None:
    """Each listed difference differs from what msgspec does; where it no longer does, the list is too long."""
    expected, reason = DIFFERENCES[name]
    assert isinstance(theirs(DOCUMENTS[name]), Exception) != isinstance(expected, type), reason


@pytest.mark.parametrize(("place", "levels"), [("inputJson", 507), ("unknown key", 509)])
@pytest.mark.parametrize("on", [True, False], ids=["blocks", "ijson"])
def test_the_last_level_that_is_taken(place: str, levels: int, on: bool) -> None:
    """512 levels of the whole input are taken, one more is refused."""
    assert not isinstance(ours(b"[" * levels + b"]" * levels, place, on=on), Exception)
    assert isinstance(ours(b"[" * (levels + 1) + b"]" * (levels + 1), place, on=on), LimitError)
