"""Makes the tables of groups: sorted, with the smaller groups as one row if asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from exportstream.totals.figures import Cost, Count, rough_cost
from exportstream.totals.group_figures import Figures
from exportstream.totals.group_keys import FIELD, MESSAGE, TOOL, Key
from exportstream.totals.groups import Grouping, Groups
from exportstream.totals.periods import PERIODS
from exportstream.totals.priced import tidy
from exportstream.totals.sizes import Largest
from exportstream.totals.table_options import NAMES, OF_MESSAGE, GroupOptions, words_of
from exportstream.totals.tables import GroupRow, GroupTable, Value


def make_tables(grouping: Grouping, options: GroupOptions) -> list[GroupTable]:
    """Return the table of each of the groups."""
    undated = grouping.undated.figures.get(()) if options.range.is_bounded else None
    return [
        _table_of_messages(one, undated) if isinstance(one, Largest) else _make_table(one, by, undated, options)
        for one, by in zip(grouping.tables, options.by, strict=True)
    ]


def _make_table(groups: Groups, by: tuple[str, ...], undated: Figures | None, options: GroupOptions) -> GroupTable:
    words = words_of(groups.by, priced=options.priced)
    names = [word.replace("-", "_") for word in words]
    applies = options.sort is not None and options.sort in (*groups.by, *words)
    limit = None if by in options.whole else options.top
    order = _order_of(groups.by, options.sort if applies else None, by_size=limit is not None)
    found = sorted(groups.figures.items(), key=order) if groups.by else []  # one group of all is the total
    top = len(found) if limit is None else limit
    others = None
    if found[top:]:
        figures = Figures()
        for _, one in found[top:]:
            figures.merge(one)
        others = _row((), figures, names, without={"sessions"})
    # The producer, which `apart` adds, is shown where it is needed.
    keys = by if len({key[: len(by)] for key, _ in found}) == len(found) else groups.by
    return GroupTable(
        by=by,
        keys=keys,
        columns=tuple(NAMES[name] for name in names),
        rows=[replace(_row(key[: len(keys)], figures, names), title=groups.title_of(key)) for key, figures in found[:top]],
        others=others,
        other_groups=len(found[top:]),
        total=_row((), groups.total(), names),
        undated=None if undated is None else _row((), undated, names),
        sort=NAMES[str(options.sort).replace("-", "_")] if applies and options.sort in words else None,
    )


def _table_of_messages(largest: Largest, undated: Figures | None) -> GroupTable:
    columns = tuple(NAMES[name] for name in OF_MESSAGE)
    rows = [
        GroupRow(
            (one.source, one.session_id),
            dict(zip(columns, (one.index, one.position if one.position >= 0 else None, -one.less_bytes), strict=True)),
        )
        for one in largest.places
    ]
    more = largest.messages - len(rows)
    rest = largest.bytes + sum(one.less_bytes for one in largest.places)
    return GroupTable(
        by=(MESSAGE,),
        keys=("file", "session"),
        columns=columns,
        rows=rows,
        others=_of_bytes(columns, rest) if more else None,
        other_groups=more,
        total=_of_bytes(columns, largest.bytes),
        undated=None if undated is None else _of_bytes(columns, undated.bytes),
    )


def _of_bytes(columns: tuple[str, ...], count: int | None) -> GroupRow:
    """Return a row of several messages."""
    return GroupRow((), dict.fromkeys(columns) | {"bytes": count})


def _row(key: Key, figures: Figures, names: Sequence[str], without: set[str] | None = None) -> GroupRow:
    values: dict[str, Value] = {}
    for name in names:
        value = getattr(figures, name)
        value = value.sum if isinstance(value, (Count, Cost)) else value
        if name == "priced_cost" and isinstance(value, Decimal):
            value = tidy(value)  # however the input was split
        values[NAMES[name]] = None if name in (without or ()) else value
    return GroupRow(key, values)


def _order_of(by: tuple[str, ...], sort: str | None, *, by_size: bool) -> Callable[[tuple[Key, Figures]], Any]:
    """Return the sort key of groups. Equal ones come in the order of their keys, and absent values last."""
    if sort in by:
        at = by.index(str(sort))
        return lambda item: _absent_last((item[0][at], *item[0]))
    if sort is None and by and by[0] in PERIODS and not by_size:
        return lambda item: _absent_last(item[0])
    usual = ["bytes"] if FIELD in by else ["tool_calls"] if TOOL in by else ["total_cost", "messages"]
    names = usual if sort is None else [sort.replace("-", "_")]
    return lambda item: (*(_largest_first(_value(item[1], name)) for name in names), _absent_last(item[0]))


def _absent_last(key: Key) -> tuple[tuple[bool, str], ...]:
    return tuple((text is None, text or "") for text in key)


def _value(figures: Figures, name: str) -> Any:
    """Return a figure; in the place of a total cost of too many digits, which nobody writes down, about what it is."""
    found = getattr(figures, name)
    return rough_cost(figures.cost.sum, figures.priced_cost.sum) if name == "total_cost" and found is None else found


def _largest_first(value: Any) -> tuple[bool, Any]:
    value = value.sum if isinstance(value, (Count, Cost)) else value
    return (value is None, 0 if value is None else value.copy_negate() if isinstance(value, Decimal) else -value)
