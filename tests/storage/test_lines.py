"""Lines and columns of positions."""

from __future__ import annotations

import gzip
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exportstream.storage.line_of import find_line
from exportstream.storage.source import open_source


@given(st.text("aé€🙂\n\r", max_size=40), st.data())
def test_lines_and_columns(text: str, data: st.DataObject) -> None:
    """Both are those of the text before the position, in characters; there are none in the first line."""
    index = data.draw(st.integers(0, len(text)))
    before = text[:index]
    expected = (before.count("\n") + 1, len(re.split("\n", before)[-1]) + 1)
    with open_source(text.encode()) as source:
        source.read(5)
        assert find_line(source, len(before.encode())) == (expected if "\n" in before else None)


def test_files_of_any_compression(tmp_path: Path) -> None:
    """Positions are those of the decompressed input; of a stream, or beyond the end, nothing is said."""
    text = b"x" * 3_000_000 + b"\n" + b"y" * 3_000_000
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(text))
    with open_source(path) as source:
        assert find_line(source, 3_000_011) == (2, 11)
        assert find_line(source, len(text) + 1) is None
        path.write_bytes(b"another file")
        assert find_line(source, 3_000_011) is None
    with open_source(io.BytesIO(text)) as stream:
        assert find_line(stream, 3_000_011) is None


@pytest.mark.parametrize("text", [b"", b"a"])
def test_one_line(text: bytes) -> None:
    """Without line feeds there is nothing to tell."""
    with open_source(text) as source:
        assert find_line(source, len(text)) is None
