"""Codex rollouts through the command: convert, totals, check, merges, folders, and what it says of logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zstandard

from tests.kit.command import run, said, speak
from tests.kit.documents import export
from tests.kit.files import rows
from tests.kit.rollouts import OWN, Rollout, drawn, turn_id

OTHER = turn_id()
LATER = "2026-02-24T08:00:00.000Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as Codex makes it: a plain rollout, and one that is packed."""
    day = tmp_path / "sessions" / "2026" / "02" / "23"
    day.mkdir(parents=True)
    (day / f"rollout-2026-02-23T12-00-00-{OWN}.jsonl").write_bytes(drawn(1).data)
    packed = zstandard.compress(drawn(2).data.replace(OWN.encode(), OTHER.encode()))
    (day / f"rollout-2026-02-23T13-00-00-{OTHER}.jsonl.zst").write_bytes(packed)
    return tmp_path


def test_convert_a_folder(folder: Path) -> None:
    """A folder of rollouts is converted as it is, file by file or merged, into all tables."""
    assert run("convert", "sessions", "-o", "out/", "--format", "csv", "--quiet", cwd=folder).returncode == 0
    assert len(list((folder / "out").rglob("*.csv"))) == 2
    done = run("convert", "sessions", "-o", "all.ndjson", "--merge", "--table", "all", "--quiet", cwd=folder)
    assert (done.returncode, done.stderr) == (0, b"")
    messages, calls, sessions = (rows(folder / f"all.{name}.ndjson") for name in ("messages", "tool-calls", "sessions"))
    assert {row["sessionId"] for row in messages} == {OWN, OTHER}
    assert {row["producer"] for row in [*messages, *calls, *sessions]} == {"codex"}
    assert [(row["id"], row["countedInputTokens"], row["project"]) for row in sessions] == [
        (row["id"], row["promptTokens"], "/work") for row in sessions
    ]


def test_totals_are_those_of_the_rows(folder: Path) -> None:
    """Totals of a rollout are the sums over its rows."""
    name = f"sessions/2026/02/23/rollout-2026-02-23T12-00-00-{OWN}.jsonl"
    assert run("convert", name, "-o", "rows.ndjson", "--quiet", cwd=folder).returncode == 0
    messages = rows(folder / "rows.ndjson")
    counted = json.loads(speak("totals", name, "--json", cwd=folder).stdout)["counted"]
    for key in ("inputTokens", "outputTokens", "cacheReadTokens"):
        stated = [row[key] for row in messages if key in row]
        assert counted[key] == {"sum": sum(stated), "count": len(stated)}  # type: ignore[arg-type]
    assert counted["messages"] == len(messages)


def test_a_merge_with_a_session_export(folder: Path) -> None:
    """Rollouts and session exports go into one table with one set of columns; only rows of logs name their producer."""
    (folder / "mix.json").write_bytes(export("mix", 2))
    names = ["mix.json", "sessions"]
    assert run("convert", *names, "-o", "all.csv", "--merge", "--quiet", cwd=folder).returncode == 0
    assert run("convert", *names, "-o", "all.ndjson", "--merge", "--quiet", cwd=folder).returncode == 0
    assert {row.get("producer") for row in rows(folder / "all.ndjson")} == {None, "codex"}
    assert len((folder / "all.csv").read_bytes()) > 0


def test_check_lists_what_is_no_row(tmp_path: Path) -> None:
    """Check lists records that become no row, and a difference between declared and counted tokens as a finding."""
    rollout = Rollout().meta().turn().user().compact(5000).say().used()
    (tmp_path / "r.jsonl").write_bytes(rollout.data)
    code, output, errors = speak("check", "r.jsonl", "--strict", cwd=tmp_path)
    assert (code, errors) == (0, "")
    assert f"session {OWN}: 2 messages\n  no rows: " in output
    assert "compacted 1 (5." in output
    rollout.total["input_tokens"] += 7
    (tmp_path / "r.jsonl").write_bytes(rollout.say().used().data)
    code, output, _ = speak("check", "r.jsonl", "--strict", cwd=tmp_path)
    assert code == 3
    assert "  promptTokens: declared 207, counted 200\n" in output


def test_a_torn_last_line_is_a_warning(tmp_path: Path) -> None:
    """A log whose last line is not complete is converted, with a warning; the same from a pipe."""
    data = Rollout().meta().turn().user().data + b'{"timestamp":"2026'
    (tmp_path / "r.jsonl").write_bytes(data)
    done = run("convert", "r.jsonl", "-o", "-", cwd=tmp_path)
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 1)
    assert (
        said(done)[0] == "exportstream: r.jsonl: warning: the last line is not complete (18 B): it is left for the next time"
    )
    assert run("convert", "-", "-o", "-", "--quiet", cwd=tmp_path, data=data).stdout == done.stdout


def test_broken_lines_go_to_the_rejects(tmp_path: Path) -> None:
    """By default a broken line of a log goes to the rejects and the rest is converted; --on-error stop stops at it."""
    rollout = Rollout().meta().turn().user()
    data = rollout.data + b'{"timestamp":"2026\n' + Rollout().say().used().data
    (tmp_path / "r.jsonl").write_bytes(data)
    for command in (["convert", "r.jsonl", "-o", "out.ndjson"], ["totals", "r.jsonl"]):
        assert run(*command, cwd=tmp_path).returncode == 5
    (reject,) = rows(tmp_path / "out.ndjson.rejects.ndjson")
    assert (reject["position"], reject["bytes"]) == (len(rollout.data), '{"timestamp":"2026\n')
    assert len(rows(tmp_path / "out.ndjson")) == 2
    assert run("convert", "r.jsonl", "-o", "other.ndjson", "--on-error", "stop", cwd=tmp_path).returncode == 3
    assert run("convert", "r.jsonl", "-o", "out.ndjson", cwd=tmp_path).returncode == 2  # the outputs exist
    assert run("convert", "-", "-o", "-", cwd=tmp_path, data=data).returncode == 3  # rejects have no place to go
    assert run("convert", "r.jsonl", "-o", "m.ndjson", "--merge", cwd=tmp_path).returncode == 5
    assert len(rows(tmp_path / "m.ndjson.rejects.ndjson")) == 1


def test_rejects_are_named_beside_the_output(tmp_path: Path) -> None:
    """Rejects of logs lie beside the output, the last line names them, and as an input they say what to repair."""
    (tmp_path / "logs").mkdir()
    for name in ("a", "b"):
        bad = Rollout().meta().turn().user().data + b'{"timestamp":"2026\n' + Rollout().item("message", role=7).data
        (tmp_path / "logs" / f"{name}.jsonl").write_bytes(bad + Rollout().say().used().data)
    (tmp_path / "out").mkdir()
    one = run("convert", "logs/a.jsonl", "-o", "out/one.csv", cwd=tmp_path)
    assert said(one)[-1].endswith("; 1 of 3 messages and 1 damaged stretch (19 B) rejected into out/one.csv.rejects.ndjson")
    many = run("convert", "logs", "-o", "rows/", cwd=tmp_path)
    assert many.returncode == 5
    assert said(many)[-1].endswith("(38 B) rejected into rows/a.ndjson.zst.rejects.ndjson, rows/b.ndjson.zst.rejects.ndjson")
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["a.jsonl", "b.jsonl"]
    rejects = rows(tmp_path / "rows" / "a.ndjson.zst.rejects.ndjson")
    assert [(reject["producer"], "bytes" in reject) for reject in rejects] == [("codex", True), ("codex", False)]
    name = "rows/a.ndjson.zst.rejects.ndjson"
    for words in (["convert", name, "-o", "-"], ["check", name]):
        code, _, errors = speak(*words, cwd=tmp_path)
        assert code == 3
        assert (
            "expected rejects of session exports, got a line of a log of codex (byte 0); a line alone makes no row" in errors
        )


def _copies(tmp_path: Path, first: Rollout, second: Rollout) -> list[str]:
    """A rollout that lies in two places: packed, and as an archived copy."""
    name = f"rollout-2026-02-23T12-00-00-{OWN}.jsonl"
    for place in ("archived_sessions", "sessions"):
        (tmp_path / place).mkdir()
    (tmp_path / "archived_sessions" / name).write_bytes(first.data)
    (tmp_path / "sessions" / f"{name}.zst").write_bytes(zstandard.compress(second.data))
    return ["archived_sessions", "sessions"]


@pytest.mark.parametrize("longer", [None, 0, 1])
@pytest.mark.parametrize("has_times", [True, False])
def test_a_rollout_in_two_places_counts_once(tmp_path: Path, longer: int | None, has_times: bool) -> None:
    """A copy is rows marked as repeated, which no total counts; one that goes on counts with what it adds."""
    rollouts = [drawn(3), drawn(3)]
    if longer is not None:
        rollouts[longer].turn(turn_id(99)).user("Go on.", time=LATER).say(time=LATER).used(7, 5, 3, 1)
    if not has_times:
        for rollout in rollouts:
            rollout.lines = [line.replace(b'"timestamp":', b'"when":') for line in rollout.lines]
    names = _copies(tmp_path, *rollouts)
    done = run("convert", *names, "-o", "all.ndjson", "--merge", "-t", "messages,sessions", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    messages, sessions = rows(tmp_path / "all.messages.ndjson"), rows(tmp_path / "all.sessions.ndjson")
    (tmp_path / "alone.jsonl").write_bytes(rollouts[longer or 0].data)
    alone = json.loads(speak("totals", "alone.jsonl", "--json", cwd=tmp_path).stdout)
    own = [row for row in messages if row.get("usageState") != "repeated"]
    assert (
        len(own) == alone["counted"]["messages"] == len(messages) - alone["counted"]["messages"] + 2 * (longer is not None)
    )
    assert sum(row.get("promptTokens", 0) for row in sessions) == alone["declared"]["promptTokens"]["sum"]  # type: ignore[misc]
    assert sum(row.get("completionTokens", 0) for row in sessions) == alone["declared"]["completionTokens"]["sum"]  # type: ignore[misc]
    for jobs in ("1", "2"):
        found = json.loads(speak("totals", *names, "--json", "--jobs", jobs, cwd=tmp_path).stdout)
        assert found["counted"] == {**alone["counted"], "copies": len(messages) - len(own)}
        for key in ("promptTokens", "completionTokens"):
            assert found["declared"][key]["sum"] == alone["declared"][key]["sum"]
    copies = f"copies in logs, which no total counts: {len(messages) - len(own)} messages\n"
    assert done.stderr.decode().endswith(f"; {copies}")
    if longer is None and has_times:
        assert speak("totals", *names, cwd=tmp_path).stdout.endswith(f"\n\n{copies}")
    kept = run("convert", *names, "-o", "once.ndjson", "--merge", "--dedupe", "--quiet", cwd=tmp_path)
    assert (kept.returncode, len(rows(tmp_path / "once.ndjson"))) == (0, len(own))


def test_a_plain_and_a_packed_rollout_side_by_side(folder: Path) -> None:
    """A folder in which a rollout lies plain and packed is converted as it is; the packed one's output says so."""
    day = folder / "sessions" / "2026" / "02" / "23"
    (plain,) = day.glob("*.jsonl")
    (day / f"{plain.name}.zst").write_bytes(zstandard.compress(plain.read_bytes()))
    assert run("convert", "sessions", "-o", "out/", "--format", "ndjson", "--quiet", cwd=folder).returncode == 0
    names = sorted(path.name for path in (folder / "out").rglob("rollout*"))
    assert names == [f"{plain.name}.zst.ndjson", f"{plain.stem}.ndjson", names[-1]]
    assert OTHER in names[-1]


def test_each_output_stands_for_its_own_copy(tmp_path: Path) -> None:
    """Without --merge both copies are rows that count, each in its own output."""
    _copies(tmp_path, drawn(4), drawn(4))
    assert run("convert", ".", "-o", "out/", "--format", "ndjson", "--quiet", cwd=tmp_path).returncode == 0
    first, second = (path.read_bytes() for path in sorted((tmp_path / "out").rglob("rollout*.ndjson")))
    assert first == second
    assert b'"repeated"' not in first
