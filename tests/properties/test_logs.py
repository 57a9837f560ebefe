"""Logs that are cut or damaged anywhere: rows or one of our errors, and the same figures on both ways of reading."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exportstream import Reject, open_export
from tests.kit import readings, rollouts, transcripts
from tests.kit.files import Shreds, cuts
from tests.kit.readings import assert_figures

DRAWN: dict[str, Callable[[int], bytes]] = {
    "codex": lambda seed: rollouts.drawn(seed, turns=3).data,
    "claude-code": lambda seed: transcripts.drawn(seed, turns=3).data,
}
ODD = [b"\0", b"\xff", b'"', b"\\", b"{", b"[", b"]", b"}", b"\n", b"9" * 20, b"\\ud800", b"null", b"", "é🙂".encode()]


def read(data: bytes, rejects: list[Reject] | None = None) -> tuple[list[dict[str, Any]], int]:
    """The rows of a log as plain values, and the bytes of a last line that is not complete."""
    with open_export(data, rejects=rejects) as export:
        return [row.to_dict() for row in export], export.notes.torn


@pytest.mark.parametrize("producer", DRAWN)
@pytest.mark.parametrize("seed", range(4))
def test_a_log_cut_anywhere(producer: str, seed: int) -> None:
    """A log that ends at any byte has the rows of its whole lines; only the last response may get more after the cut."""
    data, random = DRAWN[producer](seed), Random(seed)
    whole, _ = read(data)
    first = data.index(b"\n") + 1
    for cut in random.sample(range(first, len(data)), 60):
        rows, torn = read(data[:cut])
        begin = data.rindex(b"\n", 0, cut) + 1
        assert rows == read(data[:begin])[0] or (torn == 0 and data[cut : cut + 1] == b"\n")
        assert torn in (0, cut - begin)
        assert [row["id"] for row in rows] == [row["id"] for row in whole[: len(rows)]]
        changed = {number for number, row in enumerate(rows) if row != whole[number]}
        assert not changed or changed == {max(number for number, row in enumerate(rows) if row["role"] == "assistant")}


@pytest.mark.parametrize("producer", DRAWN)
@pytest.mark.parametrize("seed", range(12))
def test_a_log_damaged_anywhere(producer: str, seed: int) -> None:
    """Any bytes in any place give rows and rejects, and each line that is not damaged is read; the figures are those of the rows."""
    data, random = DRAWN[producer](seed), Random(seed)
    lines = data.splitlines(keepends=True)
    for _ in range(random.randint(1, 6)):
        number = random.randrange(1, len(lines))
        at = random.randrange(len(lines[number]))
        lines[number] = lines[number][:at] + random.choice(ODD) + lines[number][at + random.choice([0, 1, 30]) :]
    damaged = b"".join(lines)
    rejects: list[Reject] = []
    with open_export(damaged, rejects=rejects) as export:
        rows = list(export)
        counted = sum(row.usage_state not in ("repeated", "replayed") for row in rows)
        assert export.totals.counted.messages == counted
        assert export.notes.damaged <= len(rejects)
        lost = sum(len(one.raw or b"") for one in rejects if one.damaged)
        assert lost == export.notes.damaged_bytes <= len(damaged)
    assert_figures(damaged)


@pytest.mark.parametrize("producer", DRAWN)
@settings(max_examples=60)
@given(st.integers(0, 1000), st.lists(st.integers(1, 400), min_size=1, max_size=5), st.sampled_from([64, 300, 5000]))
def test_any_split_gives_the_same(producer: str, seed: int, sizes: list[int], block: int) -> None:
    """However the bytes are split over reads and blocks, rows, totals, notes and the error are the same."""
    data = DRAWN[producer](seed)[: -(seed % 3) or None]
    wanted = readings.read(data)
    assert wanted.messages
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("exportstream.reading.lines.runs.BLOCK", block)
        assert readings.read(data) == wanted
        assert readings.read(Shreds(data, sizes)) == wanted
        assert readings.read(cuts(data, sizes)) == wanted
