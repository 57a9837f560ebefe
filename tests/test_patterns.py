"""Patterns that are compiled late behave like those that `re` compiles."""

from __future__ import annotations

import re
from typing import Any

import pytest

from exportstream.errors.patterns import late_pattern


@pytest.mark.parametrize(("text", "flags", "subject"), [(r"(a)b", re.IGNORECASE, "xAB ab"), (rb"(a)b", 0, b"xab ab")])
def test_a_late_pattern_has_the_methods_of_a_pattern(text: Any, flags: int, subject: Any) -> None:
    """All that is asked of it is what `re.compile` gives; it is compiled with the first question, and only then."""
    compiled, late, calls = re.compile(text, flags), late_pattern(text, flags), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(re, "compile", lambda *made_of: calls.append(made_of) or compiled)
        late_pattern("(")
        for _ in range(3):
            assert late.findall(subject) == compiled.findall(subject)
        assert calls == [(text, flags)]
    found, wanted = late.search(subject, 2), compiled.search(subject, 2)
    assert found is not None
    assert wanted is not None
    assert found.span() == wanted.span()
    assert late.sub(subject[:1], subject) == compiled.sub(subject[:1], subject)
    assert (late.pattern, late.flags, late.fullmatch(subject)) == (text, compiled.flags, None)


def test_a_wrong_pattern_is_refused_when_it_is_used() -> None:
    """It raises what `re` raises, each time."""
    late = late_pattern("(")
    for _ in range(2):
        with pytest.raises(re.error, match="unterminated"):
            late.match("x")
