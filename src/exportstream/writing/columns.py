"""What each column is: its name, its type, whether every row has it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from msgspec.structs import FieldInfo


class Column(NamedTuple):
    """One column.

    Attributes:
        attribute: the field of the row's struct; `name` the column's name in the output.
        kind: ``text``, ``bare`` (a number or a boolean) or ``json`` (any value, written as JSON).
        required: whether every row has a value.
    """

    attribute: str
    name: str
    kind: str
    required: bool


def column_of(field: FieldInfo) -> Column:
    """The column of a field of a row's struct, told by its annotation."""
    types = [get_args(kind)[0] if get_origin(kind) is Annotated else kind for kind in get_args(field.type) or (field.type,)]
    if get_origin(field.type) is Annotated:
        types = [get_args(field.type)[0]]
    maybe = type(None) in types
    kinds = {kind for kind in types if kind is not type(None)}
    is_bare = kinds <= {int, bool, Decimal} or field.name == "cost"
    kind = "text" if kinds == {str} else "bare" if is_bare else "json"
    return Column(field.name, field.encode_name, kind, not maybe and Any not in kinds and field.default is not None)
