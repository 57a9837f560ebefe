"""Columns of Parquet: the values of rows become typed Arrow arrays, and text if a type can't hold a value.

Takes: the columns of a table, and its rows. Returns: fields and arrays. Raises: `LimitError` for a sum beyond 64 bits;
`pyarrow.ArrowCapacityError` for 2 GiB of text. Holds: nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import partial
from itertools import accumulate, chain, repeat
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from exportstream.errors import LimitError
from exportstream.models.dates import offsets_of, parse_instant
from exportstream.writing.columns import Column, ColumnType, transposed
from exportstream.writing.formats.json import ENCODER, json_cells

_TEXT, _INTEGER, _BOOLEAN = pa.string(), pa.int64(), pa.bool_()
_TEXTS = pa.list_(pa.field("element", _TEXT, nullable=False))
_DECIMAL = pa.decimal128(38, 18)
_INSTANT = pa.timestamp("us", tz="UTC")
_JSON = {"mediaType": "application/json"}

_EXACT = Context(prec=38, traps=[Inexact, InvalidOperation])
_UNIT = Decimal("1E-18")

_CLOCK = r"-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_ZONE = r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_FAST = f"^[12][0-9]{{3}}{_CLOCK}{_ZONE}$"  # pyarrow and `parse_instant` read these alike, except the 30th of February
_FORM = re.compile(rb"0000-00-00T00:00:00(?:\.0{1,6})?(?:Z|[+-]00:00)")  # of those, each digit as 0
_LONGEST = 32
_AS_ZERO = bytes.maketrans(b"123456789", b"000000000")
_PLAIN = re.compile(f"[0-9]{{4}}{_CLOCK}{_ZONE}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = datetime.min.replace(tzinfo=UTC)  # beyond these, readers that make datetimes would fail
_LAST = datetime.max.replace(tzinfo=UTC)
_KEYS = {"id", "parent_id"}  # each has a text of its own

Values = Sequence[Any]
Make = Callable[[Values], list[Any]]  # the values of one attribute → one array for each of its columns


class Columns:
    """The columns of one list of rows (of structs): their Arrow fields, and how their arrays are made.

    Attributes:
        fields: of Arrow.
        short: names of those whose values are short.
        repetitive: names of those that usually repeat a few short texts, with the names around them.
    """

    def __init__(self, columns: Sequence[Column], *, is_snake: bool) -> None:
        self.fields: list[Any] = []
        self.short: list[str] = []
        self.repetitive: list[str] = []
        self._makers: list[tuple[list[Any], Make]] = []  # of each column: its fields, and what makes their arrays
        for column in columns:
            fields, make = _column(column, is_snake=is_snake)
            self.fields += fields
            if not (column.is_nested or column.is_long):
                self.short += [field.name for field in fields]
                if column.attribute not in _KEYS:
                    self.repetitive += [field.name for field in fields if field.type == _TEXT]
            elif column.fields:
                nested = Columns(column.fields, is_snake=is_snake).repetitive
                self.repetitive += [f"{column.name}.list.element.{name}" for name in nested]
            self._makers.append((fields, make))
        self._columns = columns

    def arrays(self, rows: list[Any]) -> list[Any]:
        """One array for each field."""
        arrays: list[Any] = []
        for values, (fields, make) in zip(transposed(rows, self._columns), self._makers, strict=True):
            if not values or (values[0] is None and values.count(None) == len(values)):
                arrays += [pa.nulls(len(values), field.type) for field in fields]
            else:
                arrays += make(values)
        return arrays


def _column(column: Column, *, is_snake: bool) -> tuple[list[Any], Make]:
    """The fields of a column (a second one holds text, a third one offsets), and the function that makes their arrays."""
    name, nullable = column.name, not column.required
    unit = {"unit": column.unit} if column.type is ColumnType.DECIMAL else {}
    as_text = pa.field(f"{name}_text" if is_snake else f"{name}Text", _TEXT, metadata={"textOf": name, **unit})
    match column.type:
        case ColumnType.DATE_TIME:
            offset = pa.field(f"{name}_offset" if is_snake else f"{name}Offset", _TEXT, metadata={"offsetOf": name})
            return [pa.field(name, _INSTANT), as_text, offset], _dates
        case ColumnType.DECIMAL:
            return [pa.field(name, _DECIMAL, metadata=unit), as_text], _decimals
        case ColumnType.INTEGER:
            return [pa.field(name, _INTEGER, nullable=nullable)], partial(_integers, name)
        case ColumnType.BOOLEAN:
            return [pa.field(name, _BOOLEAN, nullable=nullable)], partial(_plain, _BOOLEAN)
        case ColumnType.TEXT:
            return [pa.field(name, _TEXT, nullable=nullable)], partial(_plain, _TEXT)
        case ColumnType.TEXTS:
            return [pa.field(name, _TEXTS)], partial(_plain, _TEXTS)
        case ColumnType.TOOL_CALLS:
            calls = Columns(column.fields, is_snake=is_snake)
            element = pa.field("element", pa.struct(calls.fields), nullable=False)
            return [pa.field(name, pa.list_(element))], partial(_tool_calls, calls)
        case ColumnType.JSON:
            return [pa.field(name, _TEXT, metadata=_JSON)], _json


def _plain(kind: Any, values: Values) -> list[Any]:
    array = pa.array(values, kind)
    if isinstance(array, pa.ChunkedArray):  # pyarrow's own answer to 2 GiB of text
        raise pa.ArrowCapacityError
    return [array]


def _integers(name: str, values: Values) -> list[Any]:
    try:
        return [pa.array(values, _INTEGER)]
    except (OverflowError, pa.ArrowInvalid):
        hint = "NDJSON and CSV hold numbers of any size"
        raise LimitError(f"a sum in {name} is beyond the 64 bits of a Parquet column", hint=hint) from None


def _decimals(values: Values) -> list[Any]:
    """Decimals of at most 20 digits before the point and 18 after it, and the digits of the others as text.

    All are brought to 18 digits here: pyarrow crashes on exponents such as 1E-9999999.
    """
    given = [value for value in values if value is not None]
    try:
        exact: list[Decimal | None] = list(map(_EXACT.quantize, given, repeat(_UNIT)))
        texts = pa.nulls(len(values), _TEXT)
    except (Inexact, InvalidOperation):
        exact = list(map(_maybe_exact, given))
        kept = [str(value) if fits is None else None for value, fits in zip(given, exact, strict=True)]
        texts = pa.array(_spread(kept, values), _TEXT)
    return [pa.array(_spread(exact, values), _DECIMAL), texts]


def _maybe_exact(cost: Decimal) -> Decimal | None:
    with suppress(Inexact, InvalidOperation):
        return _EXACT.quantize(cost, _UNIT)
    return None


def _spread(given: Values, values: Values) -> list[Any]:
    """Put None between `given` at the positions of None in `values`."""
    if len(given) == len(values):
        return list(given)
    cells = iter(given)
    return [None if value is None else next(cells) for value in values]


def _dates(values: Values) -> list[Any]:
    """Instants; the texts that instant and offset do not say exactly; and the offsets."""
    texts = _plain(_TEXT, values)[0]
    if (offset := _common_offset(values)) is not None:
        with suppress(pa.ArrowInvalid):  # no such day or hour
            return [texts.cast(_INSTANT), pa.nulls(len(texts), _TEXT), pa.repeat(pa.scalar(offset, _TEXT), len(texts))]
    if pc.all(pc.match_substring_regex(texts, _FAST), min_count=0).as_py():
        with suppress(pa.ArrowInvalid):  # no such day
            instants = texts.cast(_INSTANT)
            offsets = pc.if_else(pc.ends_with(texts, "Z"), "Z", pc.utf8_slice_codeunits(texts, -6))
            return [instants, pa.nulls(len(texts), _TEXT), offsets]
    micros = list(map(_micros, values))
    kept = [
        None if text is None or (instant is not None and _PLAIN.fullmatch(text)) else text
        for text, instant in zip(values, micros, strict=True)
    ]
    return [pa.array(micros, _INSTANT), pa.array(kept, _TEXT), pa.array(offsets_of(values), _TEXT)]


def _common_offset(values: Values) -> str | None:
    """The offset of date-times that are as in `_FAST`, if all have one form and offset; None for others.

    It is a quarter of the work of looking at each: their bytes are looked at together.
    """
    first, count = values[0], len(values)
    try:
        if len(first) > _LONGEST or len(set(map(len, values))) > 1:
            return None
    except TypeError:  # one is absent
        return None
    data = "".join(values).encode()
    form = data[: len(first)].translate(_AS_ZERO)
    if not _FORM.fullmatch(form) or data.translate(_AS_ZERO) != form * count or data[:: len(form)].strip(b"12"):
        return None
    offset = first[-1:] if first.endswith("Z") else first[-6:]
    columns = range(len(form) - len(offset), len(form))
    return offset if all(data[at :: len(form)] == data[at : at + 1] * count for at in columns) else None


def _micros(text: str | None) -> int | None:
    """Microseconds since 1970 of a date-time with a zone, beyond microseconds rounded; None for every other text."""
    instant = parse_instant(text)
    if instant is None or instant.tzinfo is None or not _FIRST <= instant <= _LAST:
        return None
    return (instant - _EPOCH) // _MICROSECOND


def _json(values: Values) -> list[Any]:
    """JSON of each value. Where all have one, Arrow cuts it into lines: no object is made of each."""
    if None in values:
        return _plain(_TEXT, json_cells(values))
    lines = pc.split_pattern(_plain(_TEXT, [ENCODER.encode_lines(values)[:-1]])[0], "\n")
    return [lines.flatten()]


def _tool_calls(columns: Columns, values: Values) -> list[Any]:
    """Lists of tool calls: the calls of all rows by column, and the end of each row among them."""
    arrays = columns.arrays(list(chain.from_iterable(filter(None, values))))
    calls = pa.StructArray.from_arrays(arrays, fields=columns.fields)
    ends = pa.array([0, *accumulate(len(value) if value else 0 for value in values)], pa.int32())
    kind = pa.list_(pa.field("element", calls.type, nullable=False))
    return [pa.ListArray.from_arrays(ends, calls, type=kind, mask=pa.array([value is None for value in values]))]
