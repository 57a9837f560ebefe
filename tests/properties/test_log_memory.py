"""Memory of logs: 64 MB, and 4 times the largest line that becomes a row, 8 times if it is not ASCII; other lines cost nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.command import peak

LIMIT = 64_000_000
SIZE = 24_000_000  # bytes of the long line
MANY = 400_000  # bytes of lines that are repeated

# Each program reads a log of one long line between usual ones: `line` is its begin, its text and its end.
CODEX = r"""
from tests.kit.rollouts import Rollout, drawn
usual = drawn(1).data
before, _, after = Rollout().{line}.data.partition(b"@@")
"""
CLAUDE = r"""
from tests.kit.transcripts import Transcript, drawn
usual = drawn(1).data
before, _, after = Transcript().{line}.data.partition(b"@@")
"""
PROGRAM = r"""
import exportstream
def chunks():
    yield usual
    yield before
    yield {mark!r}.encode()
    for _ in range({size} // 100_000):
        yield b"z" * 100_000
    yield after
    for _ in range({many} // len(usual)):
        yield usual
{read}
"""
READ = {
    "totals": "with exportstream.open_export(chunks()) as export:\n    for _ in export.batches(): pass",
    "convert": "exportstream.convert(chunks(), {target!r}, force=True)",
}
KEPT = {
    "codex-user": (CODEX, 'user("@@")'),
    "codex-output": (CODEX, 'call().output(output="@@")'),
    "claude-user": (CLAUDE, 'user("@@")'),
    "claude-result": (CLAUDE, 'call("m").result(content="@@")'),
}
SKIPPED = {"codex-compacted": (CODEX, 'line("compacted", {"message": "", "replacement_history": [{"text": "@@"}]})')}


def peak_of(kind: str, read: str, folder: Path, *, mark: str = "", size: int = SIZE, many: int = MANY) -> int:
    """The peak of a process that reads a log with one long line, in bytes."""
    build, line = (KEPT | SKIPPED)[kind]
    reading = READ[read].format(target=str(folder / "out.ndjson.zst"))
    code = build.replace("{line}", line) + PROGRAM.format(mark=mark, size=size, many=many, read=reading)
    return peak(code)


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("mark", ["", "🙂"])
@pytest.mark.parametrize("kind", KEPT)
def test_peak_memory_of_a_long_line(tmp_path: Path, kind: str, mark: str, read: str) -> None:
    """A line that becomes a row takes up to 4 times its size, and up to 8 times with a character beyond ASCII in it."""
    assert peak_of(kind, read, tmp_path, mark=mark) <= LIMIT + (8 if mark else 4) * SIZE


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("kind", SKIPPED)
def test_lines_that_are_passed_over_cost_nothing(tmp_path: Path, kind: str, read: str) -> None:
    """A compacted history of 95 MB takes no more memory than one of 1 MB, within a tenth."""
    small = peak_of(kind, read, tmp_path, size=1_000_000)
    large = peak_of(kind, read, tmp_path, size=95_000_000)
    assert large <= LIMIT
    assert large <= 1.1 * small


@pytest.mark.parametrize("kind", ["codex-user", "claude-user"])
def test_peak_memory_does_not_grow_with_the_log(tmp_path: Path, kind: str) -> None:
    """Ten times the lines take a tenth more memory at most. The rows of a session of Claude Code are known, as copies of one."""
    small, large = (peak_of(kind, "totals", tmp_path, size=100_000, many=many) for many in (4_000_000, 40_000_000))
    assert large <= LIMIT
    assert large <= 1.1 * small
