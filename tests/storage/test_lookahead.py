"""Pieces of a compressed file that are looked at before they are read."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from exportstream.errors import CutInputError
from exportstream.storage import lookahead
from exportstream.storage.source import Source, open_source

DATA = os.urandom(3_000_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "in.gz"
    path.write_bytes(gzip.compress(DATA, 1))
    return path


def opened(path: Path) -> tuple[Source, lookahead.Lookahead]:
    source = open_source(path)
    source.peek(4)
    ahead = source.look_ahead()
    assert ahead is not None
    return source, ahead


def test_what_was_looked_at_is_read_later(path: Path) -> None:
    """Looking ahead neither takes bytes nor counts them."""
    source, ahead = opened(path)
    with source:
        before = source.bytes_read
        assert ahead.read_at(2_000_000, 500_000) == DATA[2_000_000:2_500_000]
        assert (source.position, source.bytes_read) == (0, before)
        assert source.read(700_000) == DATA[:700_000]
        assert before < source.bytes_read < 1_300_000
        assert ahead.read_at(600_000, 200_000) == DATA[600_000:800_000]
        assert ahead.read_at(2_900_000, 200_000) == DATA[2_900_000:]
        assert ahead.read_at(3_000_000, 5) == b""
        for position in (700_001, 700_001, 1_500_000, 2_000_000):
            source.jump(position)
            assert source.position == position
        assert source.bytes_read < 2_600_000
        assert source.read(10**7) == DATA[2_000_000:]
        assert source.read(1) == b""
        assert source.bytes_read == path.stat().st_size


def test_what_was_read_is_let_go(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of it stays for a while; what is no longer there is not returned in part."""
    monkeypatch.setattr(lookahead, "_KEPT", 500_000)
    source, ahead = opened(path)
    with source:
        source.read(2_000_000)
        assert ahead.read_at(1_600_000, 600_000) == DATA[1_600_000:2_200_000]
        assert ahead.read_at(1_000_000, 1_500_000) == b""
        assert source.read(10**7) == DATA[2_000_000:]


@pytest.mark.parametrize("taken", [0, 1, 300_000, 700_000, 10**6])
@pytest.mark.parametrize("size", [1, 100_000, 1_200_000])
def test_bytes_are_held_only_once(path: Path, taken: int, size: int) -> None:
    """What is given away is the very piece that is read later, and nothing is lost where runs end."""
    source, ahead = opened(path)
    with source:
        got = source.read(taken)
        runs = [(start, start + size) for start in range(1_100_000, 2_900_000 - size, size + 1)][:9]
        runs.insert(0, (max(taken - 200_000, 0), runs[0][0] - 1))
        held = [ahead.hold(*run) for run in runs]
        assert held == [DATA[start:end] for start, end in runs]
        assert ahead.hold(2_900_000, 3_000_001) == b""
        pieces = list(ahead)
        assert got + bytes(source._rest) + b"".join(pieces) == DATA
        assert {id(one) for one in held[1:]} <= set(map(id, pieces))
        assert source.bytes_read == path.stat().st_size


def test_what_a_jump_passes_over_is_let_go(path: Path) -> None:
    """Nothing reads it again."""
    source, ahead = opened(path)
    with source:
        source.read(700_000)
        for position in (1_000_000, 2_500_000):
            source.jump(position)
            assert ahead.read_at(position - 300_000, 300_000) == b""
            assert ahead.read_at(position, 300_000) == DATA[position : position + 300_000]
        assert source.read(10**7) == DATA[2_500_000:]


def test_errors_come_after_the_bytes_before_them(path: Path) -> None:
    """A cut is met ahead and reported when the reading comes to it."""
    path.write_bytes(path.read_bytes()[:-1_000_000])
    source, ahead = opened(path)
    with source:
        assert len(ahead.read_at(0, 10**7)) < 2_100_000
        assert len(got := source.read(10**7)) > 1_900_000
        assert DATA.startswith(got)
        with pytest.raises(CutInputError):
            source.read(1)


def test_an_input_is_looked_ahead_in_once(tmp_path: Path) -> None:
    """A plain file is read by its positions; what is not has one reader that looks ahead."""
    (tmp_path / "a").write_bytes(DATA)
    with open_source(tmp_path / "a") as source:
        source.peek(4)
        assert source.plain is not None
    with open_source(gzip.compress(DATA)) as source:
        source.peek(4)
        assert source.plain is None
        assert source.look_ahead() is not None
        assert source.look_ahead() is None
