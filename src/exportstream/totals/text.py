"""Figures and tables in words: numbers in bounded length, columns that fit a width. Prints nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any, TypeGuard

from exportstream.errors import printable, shown

WIDTH = 80  # columns of a terminal, where nobody says how many it has

_LONG_FIGURE = 100  # characters
_LEAST_ROOM = 12  # columns
GAP = "  "
_MICRO = -6  # the exponent of a micro-dollar
_LONG_COST = 30  # digits


def figure(value: Any, sign: str = "-") -> str:
    """Write a figure in bounded length and time: a long number in scientific notation, and with … where digits are left out.

    Text stays as it is; the sign ``+`` writes that of positive numbers too.
    """
    if value is None or isinstance(value, str):
        return value or "-"
    text = f"{value:{sign},}"
    if len(text) <= _LONG_FIGURE:
        return text
    number = Decimal(value)
    digits = "".join(map(str, number.as_tuple().digits[:_LONG_FIGURE]))
    left_out = "…" if len(number.as_tuple().digits) > _LONG_FIGURE else ""
    mark = "-" if number.is_signed() else sign.strip("-")
    return f"{mark}{digits[0]}.{digits[1:]}{left_out}E{number.adjusted():+}"


def texts_of(values: Sequence[int | Decimal | None], name: str) -> list[str]:
    """Write the figures of a column; costs with as many decimals as the longest has, but 6 at most."""
    if not name.endswith("cost"):
        return [figure(value) for value in values]
    decimals = min(max([2, *(-int(v.as_tuple().exponent) for v in values if _is_short(v))]), -_MICRO)
    return [_rounded(v, decimals) if _is_short(v) else figure(v) for v in values]


def _is_short(cost: int | Decimal | None) -> TypeGuard[Decimal]:
    return isinstance(cost, Decimal) and abs(cost.adjusted()) < _LONG_COST


def _rounded(cost: Decimal, decimals: int) -> str:
    text = f"{cost:,.{decimals}f}"
    return f"{cost:.2E}" if cost and not text.strip("-0.") else text  # it is little, but not nothing


def exact(value: int | Decimal | None) -> str:
    """Write a figure with all its digits."""
    return "-" if value is None else f"{value:,}"


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in ("W", "F") else 1 for c in text)


def widths_of(
    headings: Sequence[str],
    lines: Sequence[Sequence[str]],
    labels: int,
    width: int,
    least: int,
    *,
    whole: Collection[int] = (),
) -> list[int]:
    """Return the widths of the columns of a table that has labels on the left and figures on the right.

    Args:
        headings: of all columns.
        lines: cells, as many in each.
        labels: how many columns are labels. Labels are cut where the table is wider than `width`; figures never are.
        width: columns of a terminal.
        least: columns of a label that stay in any case.
        whole: positions of labels that are never cut.
    """
    widths = [max(map(width_of, column)) for column in zip(headings, *lines, strict=True)]
    too_wide = sum(widths) + len(GAP) * (len(widths) - 1) - width
    to_cut = [at for at in range(labels) if at not in whole]
    while too_wide > 0 and to_cut and widths[at := max(to_cut, key=widths.__getitem__)] > least:
        widths[at] -= 1
        too_wide -= 1
    return widths


def tell_apart(lines: Sequence[Sequence[str]], labels: int, widths: list[int]) -> bool:
    """Return whether lines with different labels look different in columns of these widths."""
    whole = {tuple(cells[:labels]) for cells in lines}
    return len({tuple(map(_cut, cells, widths)) for cells in whole}) == len(whole)


def aligned(headings: Sequence[str], lines: Sequence[Sequence[str]], labels: int, widths: list[int]) -> list[str]:
    """Align the cells of a table in columns of these widths; see `widths_of`."""
    return [
        GAP.join(_padded(_cut(cell, widths[at]), widths[at], right=at >= labels) for at, cell in enumerate(cells)).rstrip()
        for cells in (headings, *lines)
    ]


def beside(lines: Sequence[str], texts: Sequence[str], width: int) -> list[str]:
    """Add a text to the right of each line, as much of it as fits; none where there is hardly any room."""
    used = max(map(width_of, lines)) + len(GAP)
    if (room := width - used) < _LEAST_ROOM:
        return list(lines)
    return [
        f"{_padded(line, used, right=False)}{_cut(text, room)}".rstrip() for line, text in zip(lines, texts, strict=True)
    ]


def _padded(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - width_of(text))
    return space + text if right else text + space


def _cut(text: str, width: int) -> str:
    """Leave out the middle of a text that is too wide: names of files and models differ at both ends."""
    if width_of(text) <= width:
        return text
    start, end = text[: width // 2], text[len(text) - (width - 1) // 2 :]
    while width_of(start) + width_of(end) >= width:
        start, end = (start[:-1], end) if width_of(start) > width_of(end) else (start, end[1:])
    return f"{start}…{end}"


def brief(value: object) -> str:
    """Return the repr of a name or number in a few characters, for the repr of what holds it, without secrets of URLs."""
    return repr(printable(shown(value), 30)[:60]) if isinstance(value, str) else printable(str(value), 30)
