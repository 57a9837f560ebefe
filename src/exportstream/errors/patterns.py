"""Regular expressions that are compiled when they are first used.

Compiling all of ours takes as long as it takes to convert a small file, which needs few of them.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


class _Late:
    """Stands for a pattern: has its methods from their first use on."""

    def __init__(self, text: Any, flags: int) -> None:
        self._made_of = text, flags

    def __getattr__(self, name: str) -> Any:
        value = getattr(re.compile(*self._made_of), name)
        setattr(self, name, value)  # is found without this method from now on
        return value


def late_pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return what has all methods of ``re.compile(text, flags)``."""
    return cast("re.Pattern[AnyStr]", _Late(text, flags))
