"""Whether bytes are usual JSON, against Python's own decoder."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exportstream.reading.json import beyond_msgspec
from exportstream.reading.json.beyond_msgspec import is_usual, may_be_deep
from exportstream.reading.limits import MAX_DEPTH, MAX_DIGITS

PIECES = st.sampled_from([b"a", b"\n", "é".encode(), "€".encode(), "😀".encode(), b"\xf0\x9f", b"\x80", b"\xed\xa0\x80"])


def is_utf8(data: bytes) -> bool:
    """Whether Python decodes all at once."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(data=st.lists(PIECES, max_size=20).map(b"".join), size=st.integers(1, 9))
@example(data="€".encode() + b"\n" + "€".encode()[:2], size=2)
@example(data=b"a\n\xe2\x82\n\xac", size=9)
def test_usual_json_is_utf8_wherever_slices_and_lines_cut_it(data: bytes, size: int) -> None:
    """The answer is that of Python's decoder, for any size of slices, and with the lines known or not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beyond_msgspec, "_SLICE", size)
        assert is_usual(data) is is_utf8(data)
        assert is_usual(data, BytesIO(data).readlines()) is is_utf8(data)


@pytest.mark.parametrize(("digits", "usual"), [(MAX_DIGITS, True), (MAX_DIGITS + 1, False)])
def test_usual_json_has_no_number_beyond_the_limit(digits: int, usual: bool) -> None:
    """A number may have as many digits as Python takes, and none more."""
    data = b'{"a": %b}\n' % (b"1" * digits)
    assert is_usual(data) is usual
    assert is_usual(data, [data]) is usual


@given(
    begins=st.lists(st.sampled_from([b"[", b"{"]), max_size=3 * MAX_DEPTH),
    between=st.sampled_from([b"", b'"', b"]]", b"x" * 1000]),
    after=st.sampled_from([b"", b"]" * MAX_DEPTH, b"y" * 3 * MAX_DEPTH]),
)
@example(begins=[b"[", b"{"] * (MAX_DEPTH // 2), between=b"", after=b"]" * (MAX_DEPTH + 1))
@example(begins=[b"[", b"{"] * (MAX_DEPTH // 2) + [b"["], between=b"", after=b"]" * MAX_DEPTH)
@example(begins=[b"{"] * (MAX_DEPTH + 1), between=b"", after=b"]" * MAX_DEPTH)
def test_deep_json_has_more_begins_than_levels(begins: list[bytes], between: bytes, after: bytes) -> None:
    """What has levels beyond the limit has as many begins of arrays and objects, and as many ends."""
    data = between.join(begins) + after
    is_long = len(data) > 2 * MAX_DEPTH
    assert may_be_deep(data) is (is_long and data.count(b"[") + data.count(b"{") > MAX_DEPTH)
