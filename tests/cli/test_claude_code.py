"""Claude Code transcripts through the command: convert, totals and check, sub-agents and copies across files."""

from __future__ import annotations

import json
import lzma
import shutil
from pathlib import Path

import pytest
import zstandard

from exportstream.conversion.inputs import find_inputs
from tests.kit.command import run, said, speak
from tests.kit.documents import export
from tests.kit.files import rows
from tests.kit.rollouts import drawn as drawn_rollout
from tests.kit.transcripts import OTHER, SESSION, Transcript, drawn

PACK = {".zst": zstandard.compress, ".xz": lzma.compress}


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
    assert "the last line is not complete (11 B)" in said(done)[0]
    (reject,) = rows(tmp_path / "out.ndjson.rejects.ndjson")
    assert (reject["position"], reject["bytes"]) == (len(transcript.data), '{"type":"user","mess\n')
    code, output, _ = speak("check", "t.jsonl", cwd=tmp_path)
    assert (code, "progress/hook_progress 1 (" in output) == (3, True)


@pytest.fixture
def projects(tmp_path: Path) -> Path:
    """A folder as Claude Code makes it: a session with a sub-agent that has a file, one that has none, and a fork of it."""
    folder = tmp_path / "projects" / "-work"
    (folder / SESSION / "subagents").mkdir(parents=True)
    filed = Transcript(SESSION, "a1").user("Look.").say("s1", "Here.", 1, 20)
    bare = Transcript(SESSION, "a2").say("s2", "There.", 1, 30)
    main = Transcript(SESSION).user("Go.").call("m1", "t1", name="Task").embed("a1", filed).embed("a2", bare).result("t1")
    (folder / SESSION / "subagents" / "agent-a1.jsonl").write_bytes(filed.say("s1", "More.", 1, 21).data)
    (folder / f"{SESSION}.jsonl").write_bytes(main.say("m2", "Done.").data)
    fork = Transcript(OTHER).user("Again.").say("m3", "Fork.", 1, 100)
    (folder / f"{OTHER}.jsonl").write_bytes(main.data.replace(SESSION.encode(), OTHER.encode()) + fork.data)
    return tmp_path


def summary(row: dict[str, object]) -> tuple[object, ...]:
    return row.get("agentId"), row["role"], row["content"], row.get("outputTokens"), row.get("usageState")


MAIN = [
    (None, "user", "Go.", None, None),
    (None, "assistant", "", 9, "partial"),
    (None, "assistant", "Done.", 9, "partial"),
    ("a2", "assistant", "There.", 30, "partial"),
]


def test_a_session_with_its_sub_agents(projects: Path) -> None:
    """In a folder a session is one output with its sub-agents, whose messages come once; a file named by hand is alone."""
    assert (
        run("convert", "projects", "-o", "out/", "--format", "ndjson", "-t", "all", "--quiet", cwd=projects).returncode == 0
    )
    outputs = sorted((projects / "out" / "messages").rglob("*.ndjson"))
    assert [path.name for path in outputs] == [f"{SESSION}.ndjson", f"{OTHER}.ndjson"]
    found = rows(outputs[0])
    assert [summary(row) for row in found] == [
        *MAIN,
        ("a1", "user", "Look.", None, None),
        ("a1", "assistant", "Here.\n\nMore.", 21, "partial"),
    ]
    assert [row["messageIndex"] for row in found] == list(range(6))
    (session,) = rows(projects / "out" / "sessions" / "-work" / f"{SESSION}.ndjson")
    assert (session["id"], session["countedOutputTokens"]) == (SESSION, 69)
    name = f"projects/-work/{SESSION}.jsonl"
    assert run("convert", name, "-o", "alone.ndjson", "--quiet", cwd=projects).returncode == 0
    assert sorted(map(str, map(summary, rows(projects / "alone.ndjson")))) == sorted(
        map(str, [*MAIN, ("a1", "user", "Look.", None, None), ("a1", "assistant", "Here.", 20, "partial")])
    )


@pytest.mark.parametrize("suffix", [".zst", ".xz", ".zip"])
def test_packed_sessions_with_their_sub_agents(projects: Path, suffix: str) -> None:
    """A session in an archive, or compressed in any way, is one input with its sub-agents, too."""
    plain = json.loads(speak("totals", "projects", "--json", "--by", "file", cwd=projects).stdout)
    if suffix == ".zip":
        name = shutil.make_archive(str(projects / "packed"), "zip", projects / "projects")
    else:
        name = "projects"
        for path in (projects / "projects").rglob("*.jsonl"):
            path.with_name(path.name + suffix).write_bytes(PACK[suffix](path.read_bytes()))
            path.unlink()
    packed = json.loads(speak("totals", name, "--json", "--by", "file", cwd=projects).stdout)
    figures = [[row | {"file": None} for row in found["tables"][0]["rows"]] for found in (plain, packed)]
    assert figures[0] == figures[1]
    assert run("convert", name, "-o", "out/", "--quiet", cwd=projects).returncode == 0
    assert len(list((projects / "out").rglob("*.zst"))) == 2


def test_copies_across_files_count_once(projects: Path) -> None:
    """Totals of a folder, in one process or several, are those of a merge: a fork's copies are repeated, and not counted."""
    assert run("convert", "projects", "--merge", "-o", "all.ndjson", "--quiet", cwd=projects).returncode == 0
    merged = rows(projects / "all.ndjson")
    copies = ["", "Done.", "Go.", "Here.", "Look.", "There."]
    assert sorted(str(row["content"]) for row in merged if row.get("usageState") == "repeated") == copies
    counted = [row for row in merged if row.get("usageState") != "repeated"]
    assert sum(row.get("outputTokens", 0) for row in counted) == 169  # type: ignore[misc]
    for jobs in "12":
        totals = json.loads(speak("totals", "projects", "--json", "--jobs", jobs, "--by", "file", cwd=projects).stdout)
        (table,) = totals["tables"]
        assert (table["total"]["outputTokens"], table["total"]["messages"]) == (169, len(counted))
        assert {row["file"][-7:]: row["outputTokens"] for row in table["rows"]} == {"1.jsonl": 69, "2.jsonl": 100}
    done = run("convert", "projects", "--merge", "-o", "once.ndjson", "--dedupe", "--quiet", cwd=projects)
    assert (done.returncode, len(rows(projects / "once.ndjson"))) == (0, len(counted))


@pytest.mark.parametrize("jobs", "12")
def test_copies_in_a_pipe(tmp_path: Path, jobs: str) -> None:
    """Of a log and a pipe that has all of it and more, each message counts once, though a pipe can be read only once."""
    whole, first = drawn(1, 6), drawn(1, 6)
    first.lines = first.lines[:6]
    (tmp_path / "first.jsonl").write_bytes(first.data)
    (tmp_path / "whole.jsonl").write_bytes(whole.data)
    files = json.loads(speak("totals", "first.jsonl", "whole.jsonl", "--jobs", "1", "--json", cwd=tmp_path).stdout)[
        "counted"
    ]
    done = run("totals", "first.jsonl", "-", "--jobs", jobs, "--json", cwd=tmp_path, data=whole.data)
    assert (done.returncode, json.loads(done.stdout)["counted"]) == (0, files)
    assert (
        files["messages"] == json.loads(speak("totals", "whole.jsonl", "--json", cwd=tmp_path).stdout)["counted"]["messages"]
    )


def test_update_sees_sub_agents(projects: Path) -> None:
    """With --update a session is converted again when a file of its sub-agents changed or came, and not otherwise."""
    command = ("convert", "projects", "-o", "out/", "--update")
    agent = projects / "projects" / "-work" / SESSION / "subagents" / "agent-a1.jsonl"
    assert "2 of 2 inputs converted" in said(run(*command, cwd=projects))[-1]
    assert "2 up to date" in said(run(*command, cwd=projects))[-1]
    agent.write_bytes(agent.read_bytes() + Transcript(SESSION, "a1").user("x", uuid="new").data)
    assert "1 up to date" in said(run(*command, cwd=projects))[-1]
    agent.with_name("agent-a3.jsonl").write_bytes(Transcript(SESSION, "a3").user("y").data)
    assert "1 up to date" in said(run(*command, cwd=projects))[-1]


def test_errors_and_rejects_name_the_sub_agents_file(projects: Path) -> None:
    """A broken line in the file of a sub-agent is told with that file and its line; check and workers read it too."""
    agent = projects / "projects" / "-work" / SESSION / "subagents" / "agent-a1.jsonl"
    good = agent.read_bytes()
    agent.write_bytes(good + b'{"type":"us\n' + good)
    done = run("convert", "projects", "-o", "out/", "--format", "ndjson", "--jobs", "2", cwd=projects)
    (reject,) = rows(projects / "out" / "-work" / f"{SESSION}.ndjson.rejects.ndjson")
    assert (done.returncode, reject["position"]) == (5, len(good))
    assert str(reject["source"]).endswith("agent-a1.jsonl")
    done = run("convert", "projects", "-o", "other/", "--on-error", "stop", "--jobs", "1", cwd=projects)
    assert done.returncode == 3
    assert any(
        "agent-a1.jsonl: not JSON: the line ends before its object" in line and "line 4" in line for line in said(done)
    )
    assert "the line ends before its object is complete" in speak("check", "projects", cwd=projects).stdout


def test_a_sub_agent_without_its_session(projects: Path) -> None:
    """The file of a sub-agent whose session's file is not there, or was named by hand, is an input of its own."""
    name = f"projects/-work/{SESSION}.jsonl"
    assert [one.parts for one in find_inputs([projects / name, projects / "projects"])] == [(), (), ()]
    (projects / name).unlink()
    assert [one.relative for one in find_inputs([projects / "projects"])] == [
        f"-work/{OTHER}.jsonl",
        f"-work/{SESSION}/subagents/agent-a1.jsonl",
    ]
    (projects / name).write_bytes(export("mix", 2))
    assert len(find_inputs([projects / "projects"])) == 3
