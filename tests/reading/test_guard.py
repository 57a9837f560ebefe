"""The guard in front of the parser, against a reference that looks at one byte after the other."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exportstream.errors import ExportstreamError, JSONSyntaxError, LimitError
from exportstream.reading.json.guard import Guard, replace_surrogates
from tests.kit.files import cuts

FAULTS = {"digits": (LimitError, "digits"), "space": (JSONSyntaxError, "form feed")}
HEX = b"0123456789abcdefABCDEF"


def four_hex(data: bytes, at: int) -> int:
    """The code unit escaped at this place, or -1."""
    digits = data[at + 2 : at + 6]
    good = data[at : at + 2] == b"\\u" and len(digits) == 4 and all(digit in HEX for digit in digits)
    return int(digits, 16) if good else -1


def reference(data: bytes) -> tuple[bytes, int, set[str]]:
    """The bytes with surrogates replaced, how many were, and the faults."""
    out, replaced, faults = bytearray(), 0, set()
    digits = at = 0
    in_string = False
    while at < len(data):
        byte = data[at : at + 1]
        step = 1
        if in_string and byte == b"\\":
            unit = four_hex(data, at)
            step = 2
            if 0xD800 <= unit < 0xDC00 and 0xDC00 <= four_hex(data, at + 6) < 0xE000:
                step = 12
            elif 0xD800 <= unit < 0xE000:
                out += rb"\ufffd"
                replaced += 1
                at += 6
                continue
        elif byte == b'"':
            in_string = not in_string
        elif not in_string and byte in (b"\x0b", b"\x0c"):
            faults.add("space")
        digits = digits + 1 if not in_string and byte.isdigit() else 0
        if digits > 4300:
            faults.add("digits")
        out += data[at : at + step]
        at += step
    return bytes(out), replaced, faults


def guarded(data: bytes, sizes: list[int]) -> tuple[bytes, int]:
    """The same from the guard, fed in pieces of these sizes."""
    guard = Guard()
    out, replaced = bytearray(), 0
    for chunk, last in [*((piece, False) for piece in cuts(data, sizes)), (b"", True)]:
        for piece, flag in guard.pieces(chunk, last=last):
            out += piece
            replaced += flag
            assert not flag or piece.endswith(rb"\ufffd")
    return bytes(out), replaced


def agree(data: bytes, sizes: list[int]) -> None:
    expected, replaced, faults = reference(data)
    if not faults:
        assert guarded(data, sizes) == (expected, replaced)
        return
    with pytest.raises(ExportstreamError) as caught:
        guarded(data, sizes)
    assert any(isinstance(caught.value, kind) and word in caught.value.what for kind, word in map(FAULTS.get, faults))


INSIDE = st.lists(
    st.sampled_from(
        [
            *[
                rb"\ud800",
                rb"\uDBFF",
                rb"\udc00",
                rb"\uDfff",
                rb"\ud83d\ude42",
                rb"\u0041",
                rb"\ufffd",
                rb"\ud7ff",
                rb"\ue000",
            ],
            *[
                rb"\\",
                rb"\"",
                rb"\n",
                rb"\\u",
                b"ud800",
                b"\\ud8",
                b"\\u",
                b"[",
                b"}",
                b"\x0c",
                b"\x0b",
                b"7",
                b"x",
                b"\xc3\xa9",
            ],
        ]
    ),
    max_size=8,
).map(b"".join)
STRINGS = INSIDE.map(lambda inside: b'"' + inside.replace(b'\\"', b'\\"') + b'",')
OUTSIDE = st.sampled_from([b"[", b"]", b"{", b"}", b":", b",", b" ", b"\n", b"-", b".", b"e", b"12", b"0", b"true"])
RARE = st.sampled_from(
    [b"\x0c", b"\x0b", b"[" * 255, b"{[" * 128, b"]" * 255, b"9" * 2149, b"9" * 2150, b"1." + b"9" * 4300]
)
UNCLOSED = st.one_of(st.just(b""), INSIDE.map(lambda inside: b'"' + inside))
TOKENS = st.lists(st.one_of(STRINGS, OUTSIDE, RARE), max_size=14)
SIZES = st.lists(st.one_of(st.integers(1, 14), st.integers(1, 5000)), min_size=1, max_size=4)


@given(TOKENS, UNCLOSED, SIZES)
@example([b"9" * 2150, b"9" * 2150], b"", [7])
@example([b"9" * 2150, b"9" * 2150, b"1"], b"", [4300, 1])
@example([b"[" * 255, b"{[" * 128, b"["], b"", [512, 1])
@example([b'"\\ud83d\\ude42",'], b'"\\ud83d\\', [1])
@settings(max_examples=250, deadline=None)
def test_the_guard_agrees_with_a_plain_reading(tokens: list[bytes], unclosed: bytes, sizes: list[int]) -> None:
    """Depth, digits, form feeds and surrogates are seen exactly where a plain reading sees them, in any split."""
    agree(b"".join(tokens) + unclosed, sizes)


@given(INSIDE, st.integers(1, 13))
@settings(max_examples=250, deadline=None)
def test_escapes_are_never_cut(inside: bytes, size: int) -> None:
    """No piece ends inside an escape or between the halves of a pair, whatever the chunks are."""
    data = b'"' + inside + b'"'
    guard = Guard()
    so_far = b""
    for chunk in cuts(data, [size]):
        for piece, _ in guard.pieces(chunk):
            so_far += piece
            whole = reference(so_far)[0]
            assert whole == so_far, "half a pair came out, and the other half came later"
            assert (len(so_far) - len(so_far.rstrip(b"\\"))) % 2 == 0


@pytest.mark.parametrize("size", [1 << 12, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, 1 << 20])
@pytest.mark.parametrize(
    "long",
    [b"x" * 65533, b"x" * 65534, b"\\\\" * 40_000, b"x" + b"\\\\" * 40_000, b"x" * 65534 + rb"\ud800", rb"\"" * 70_000],
    ids=["x, one less", "x", "backslashes", "backslashes, odd", "surrogate", "quotes"],
)
def test_long_strings(long: bytes, size: int) -> None:
    """A string longer than what is looked at at once is followed to its end."""
    agree(b'["' + long + b'",[12,"]"],{"a":"' + long + b'"', [size])
    agree(b'["' + long + b'"\x0c', [size])


def test_a_number_may_be_in_many_places() -> None:
    """Many numbers of 4,300 digits are taken, and digits in strings are not counted."""
    agree(b"[" + b",".join([b"1" * 4300] * 40) + b"]", [1000])
    agree(b'["' + b"1" * 200_000 + b'",1]', [4096])


@pytest.mark.parametrize("before", range(0, 14, 3))
@pytest.mark.parametrize("escape", [rb"\"", rb"\ud83d\ude42", rb"\ud83d"], ids=["quote", "pair", "half"])
@pytest.mark.parametrize("backslashes", [0, 70_000])
def test_an_escape_at_the_end_of_a_slice(escape: bytes, before: int, backslashes: int) -> None:
    """An escape stays whole where what is looked at at once ends, also when that end was moved by a run of backslashes."""
    slices = 2 if backslashes else 1
    start = b'["' + b"\\" * backslashes + b"x" * (slices * 65536 - backslashes - before)
    for more in range(3):
        agree(start + b"x" * more + escape + b'"]', [1 << 20])


HALVES = [r"\ud800", r"\uDBFF", r"\ud83d", r"\udc00", r"\uDFFF"]
OTHERS = [r"\\", r"\n", "x", r"\ue000", "ud800", r"\"", r"\u0041"]


@given(st.lists(st.sampled_from(HALVES) | st.sampled_from(OTHERS), max_size=12))
@example([r"\uDBFF", r"\ud83d", r"\uDFFF"])
@example([r"\ud800"] * 2500 + [r"\udc00"] * 2500)
@example([r"\ud800"] * 999 + [r"\udc00"])
@settings(max_examples=500, deadline=None)
def test_lone_surrogates_are_those_of_the_plain_way(parts: list[str]) -> None:
    """What is replaced is what Python finds when it pairs the halves of a decoded string; the length stays."""
    text = f'"{"".join(parts)}"'
    found, replaced = replace_surrogates(text.encode())
    wanted = json.loads(text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert json.loads(found) == wanted
    assert replaced == wanted.count("\ufffd")
    assert len(found) == len(text.encode())
