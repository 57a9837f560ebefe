"""Claude Code transcripts through the command: convert, totals and check."""

from __future__ import annotations

import json
from pathlib import Path

from tests.kit.command import run, said, speak
from tests.kit.documents import export
from tests.kit.rollouts import drawn as drawn_rollout
from tests.kit.transcripts import SESSION, Transcript, drawn


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_totals_are_those_of_the_rows(tmp_path: Path) -> None:
    """Totals of a transcript, from a file or a pipe, are the sums over its rows without copies."""
    transcript = drawn(1)
    transcript.lines += transcript.lines[3:]
    (tmp_path / f"{SESSION}.jsonl").write_bytes(transcript.data)
    assert run("convert", f"{SESSION}.jsonl", "-o", "rows.ndjson", "--quiet", cwd=tmp_path).returncode == 0
    messages = [row for row in rows(tmp_path / "rows.ndjson") if row.get("usageState") != "repeated"]
    done = run("totals", "-", "--json", cwd=tmp_path, data=transcript.data)
    counted = json.loads(done.stdout)["counted"]
    for key in ("inputTokens", "outputTokens", "cacheCreationTokens", "cacheReadTokens"):
        stated = [row[key] for row in messages if key in row]
        assert counted[key] == {"sum": sum(stated), "count": len(stated)}  # type: ignore[arg-type]
    assert counted["messages"] == len(messages)
    assert done.stderr == b""


def test_totals_by_producer(tmp_path: Path) -> None:
    """Logs and session exports are counted in one table, apart by producer."""
    (tmp_path / "a.jsonl").write_bytes(drawn(1).data)
    (tmp_path / "b.jsonl").write_bytes(drawn_rollout(1).data)
    (tmp_path / "c.json").write_bytes(export("mix", 2))
    code, output, _ = speak("totals", ".", "--by", "producer", "--json", cwd=tmp_path)
    (table,) = json.loads(output)["tables"]
    assert (code, sorted(row["producer"] for row in table["rows"])) == (0, ["claude-code", "codex", "mix"])


def test_broken_lines_and_check(tmp_path: Path) -> None:
    """A broken line goes to the rejects, a torn last one is a warning, and check lists what is no row."""
    transcript = Transcript().user().progress()
    data = transcript.data + b'{"type":"user","mess\n' + Transcript().say("m1").data + b'{"type":"us'
    (tmp_path / "t.jsonl").write_bytes(data)
    done = run("convert", "t.jsonl", "-o", "out.ndjson", cwd=tmp_path)
    assert (done.returncode, len(rows(tmp_path / "out.ndjson"))) == (5, 2)
    assert "the last line is not complete (11 B)" in said(done)[1]
    (reject,) = rows(tmp_path / "out.rejects.ndjson")
    assert (reject["position"], reject["bytes"]) == (len(transcript.data), '{"type":"user","mess\n')
    code, output, _ = speak("check", "t.jsonl", cwd=tmp_path)
    assert (code, "progress/hook_progress 1 (" in output) == (3, True)
