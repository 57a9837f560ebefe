"""The base of everything that is counted apart and added up later."""

from __future__ import annotations

from typing import Any, Self

from msgspec import Struct


class Sums(Struct, rename="camel"):
    """Whole numbers, and other sums, which can be added to those of another struct of the same kind."""

    def merge(self, other: Self) -> None:
        """Add what another one counted: parts that were read apart give the same as the whole."""
        for name in self.__struct_fields__:
            theirs: Any = getattr(other, name)
            if theirs.__class__ is int:
                if theirs:
                    setattr(self, name, getattr(self, name) + theirs)
            elif isinstance(theirs, Sums):
                getattr(self, name).merge(theirs)
