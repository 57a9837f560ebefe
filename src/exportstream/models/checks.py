"""Checks the types of options, for callers without a type checker.

Takes: a struct of options. Raises: `OptionError`.
"""

from __future__ import annotations

from msgspec import Struct

from exportstream.errors import OptionError

_WORDS = {bool: "True or False", int: "a whole number"}


def check_types(options: Struct, kind: type[bool | int], *names: str) -> None:
    """Raise `OptionError` if one of these options has a value of another type; None is taken by those that have it.

    Args:
        options: whose values are looked at.
        kind: the type they have to be of.
        names: of the options.
    """
    for name in names:
        value = getattr(options, name)
        if type(value) is not kind and not (value is None and kind is int):
            raise OptionError(f"expected {name} to be {_WORDS[kind]}, got {value!r}")
