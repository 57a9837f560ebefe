"""Values of SQLite columns: the short ways give what the plain ones give."""

from __future__ import annotations

import sqlite3
from decimal import Decimal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from exportstream.models.dates import offsets_of
from exportstream.writing.formats.sqlite_tables import _nulls, _real, _shared_text

DIGITS = st.builds("{}{}.{}".format, st.sampled_from(["", "-"]), st.integers(0, 10**9), st.text("0123456789", min_size=1))


@settings(max_examples=500, deadline=None)
@example("0.100000000000001")
@example("1234567890123456")
@example("9007199254740993")
@example("0.30000000000000004")
@example("1e-7")
@example("0E-9999999")
@example("1e400")
@example("-0")
@given(DIGITS | st.decimals(allow_nan=False, allow_infinity=False).map(str))
def test_a_decimal_is_real_if_that_is_the_same_number(text: str) -> None:
    """A decimal becomes the double that prints as the same number, and otherwise its own text."""
    value = Decimal(text)
    found = _real(value)
    same = abs(value) < Decimal("1e308") and Decimal(repr(float(value))) == value
    assert found == (float(value) if same else str(value))
    assert type(found) is (float if same else str)


DATES = ["2025-10-03T10:00:00{}".format, "2025-10-03T10:00:59.5{}".format, "2025-13-03T10:00:00{}".format, "{}".format]
ZONES = ["Z", "+05:30", "-08:00", "+0530", "z", "", "2025"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.builds(lambda date, zone: date(zone), st.sampled_from(DATES), st.sampled_from(ZONES)) | st.none(), max_size=6
    )
    | st.builds(lambda date, zone: [date(zone)] * 4, st.sampled_from(DATES), st.sampled_from(ZONES))
)
def test_offsets_of_many_dates_are_those_of_each(dates: list[str | None]) -> None:
    """Dates that are alike have the offset that each has alone."""
    assert offsets_of(dates) == [offset for date in dates for offset in offsets_of([date])]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.none() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text("aé\0", max_size=3), min_size=1))
def test_what_stands_for_none_is_null(values: list[int | float | str | None]) -> None:
    """SQLite stores NULL for it in a column of any type, and everything else as it is."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a TEXT, b INTEGER, c)")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", zip(*[_nulls(values)] * 3, strict=True))
    found = connection.execute("SELECT a IS NULL, b IS NULL, c FROM t").fetchall()
    connection.close()
    assert found == [(value is None, value is None, value) for value in values]


@settings(max_examples=200, deadline=None)
@example("'")
@example("''\"`;--\\")
@example("?1 :a @b $c")
@example("x" * 64)
@example("")
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=70))
def test_a_text_that_many_rows_share_is_a_literal(text: str) -> None:
    """As SQL it is the same text, in whatever column; long ones, and those with a NUL, are none."""
    literal = _shared_text([text] * 64)
    assert (literal is None) == (len(text) > 64 or "\0" in text)
    if literal is not None:
        connection = sqlite3.connect(":memory:")
        connection.execute("CREATE TABLE t (a TEXT, b)")
        connection.execute(f"INSERT INTO t VALUES ({literal}, {literal})")  # noqa: S608
        assert connection.execute("SELECT a, b, typeof(a), typeof(b) FROM t").fetchall() == [(text, text, "text", "text")]
        connection.close()


def test_only_what_all_of_many_rows_share_is_a_literal() -> None:
    """A row that differs, an absent value, another type and few rows leave the values as they are."""
    assert _shared_text(["a"] * 63) is None
    assert _shared_text(["a"] * 64 + ["b"]) is None
    assert _shared_text(["a"] * 32 + ["b"] + ["a"] * 32) is None
    assert _shared_text(["a"] * 32 + [None] + ["a"] * 32) is None
    assert _shared_text([None] * 64) is None
    assert _shared_text([1] * 64) is None
    assert _shared_text(["a"] * 64) == "'a'"
