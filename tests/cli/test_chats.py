"""Chat exports through the command: convert, totals, check, and the zip that they come in."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from pathlib import Path

from tests.kit.chats import Tree, claude_ai, drawn, expected, opencode
from tests.kit.command import run, said, speak
from tests.kit.documents import dump, export
from tests.kit.files import rows, zipped


def test_a_zip_of_chatgpt(tmp_path: Path) -> None:
    """The shards of a zip are converted into all tables, and its other files are ignored, with a note for JSON."""
    shards = {f"conversations-{n:03}.json": dump(drawn(n)) for n in range(2)}
    others = {
        "user.json": b'{"id":"u"}',
        "chat.html": b"<html>",
        "shared_conversations.json": b'[{"id":"x","conversation_id":"x"}]',
    }
    zipped(tmp_path / "export.zip", {**shards, **others})
    done = run("convert", "export.zip", "--merge", "-o", "all.ndjson", "-t", "all", "-j1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert said(done)[1:] == [
        "exportstream: ignored: export.zip: 2 members that are no exports: shared_conversations.json, user.json"
    ]
    assert "messages of producers that state no tokens and no costs" in said(done)[0]
    messages, calls, sessions = (rows(tmp_path / f"all.{name}.ndjson") for name in ("messages", "tool-calls", "sessions"))
    wanted = [row for data in shards.values() for row in expected(data)]
    assert [(row["id"], row.get("parentId"), row["active"]) for row in messages] == [
        (row["id"], row["parent"], row["active"]) for row in wanted
    ]
    assert [row["id"] for row in calls] == [row["call"][0] for row in wanted if row["call"]]
    assert [(row["id"], row["title"], row.get("countedCost")) for row in sessions] == [
        (f"s{n}-{i}", f"About s{n}-{i}", None) for n in range(2) for i in range(4)
    ]
    assert {row["producer"] for row in [*messages, *calls, *sessions]} == {"chatgpt"}


def test_totals_without_tokens(tmp_path: Path) -> None:
    """Tokens and costs of ChatGPT are -, never 0, also beside a session export, and totals are those of the rows."""
    (tmp_path / "c.json").write_bytes(dump(drawn(3)))
    (tmp_path / "s.json").write_bytes(export("s"))
    code, text, errors = speak("totals", "c.json", "s.json", "--by", "producer", "-j1", "-q", cwd=tmp_path)
    assert (code, errors) == (0, "")
    (line,) = (line.split() for line in text.splitlines() if line.startswith("chatgpt"))
    messages = len(expected(dump(drawn(3))))
    assert (line[1:3], set(line[5:])) == (["4", str(messages)], {"-"})
    assert text.endswith(f"\n\n{messages} messages of producers that state no tokens and no costs\n")
    counted = json.loads(speak("totals", "c.json", "--json", "-q", cwd=tmp_path).stdout)["counted"]
    assert counted["messages"] == messages
    assert {counted[key]["sum"] for key in ("inputTokens", "outputTokens", "cacheReadTokens", "cost")} == {None}


def test_bad_messages_go_to_the_rejects(tmp_path: Path) -> None:
    """A message of another shape is exit code 3, and with --on-error skip a reject; a cut export is exit code 3."""
    data = Tree().say().say(author=None).say().data
    (tmp_path / "c.json").write_bytes(data)
    done = run("convert", "c.json", "-o", "c.ndjson", cwd=tmp_path)
    assert (done.returncode, b"message 1, at $.author.role, near byte 1); --on-error skip" in done.stderr) == (3, True)
    assert run("convert", "c.json", "-o", "c.ndjson", "--on-error", "skip", "-q", cwd=tmp_path).returncode == 5
    assert [row["messageIndex"] for row in rows(tmp_path / "c.ndjson")] == [0, 2]
    (reject,) = rows(tmp_path / "c.ndjson.rejects.ndjson")
    assert (reject["sessionId"], reject["messageIndex"], reject["message"]["id"]) == ("c1", 1, "c1-2")
    assert (reject["position"], reject["conversationPosition"]) == (None, 1)
    done = run("totals", "-", cwd=tmp_path, data=data[:-20])
    assert (done.returncode, b"inside conversation 0" in done.stderr) == (3, True)
    (tmp_path / "cut.json").write_bytes(data.replace(b'"author":null,', b"")[:-1] + b"," + Tree("c2").say().data[1:-20])
    assert run("convert", "cut.json", "-o", "cut.ndjson", "--on-error", "skip", "-q", cwd=tmp_path).returncode == 5
    assert (
        b"".join(row.get("bytes", "").encode() for row in rows(tmp_path / "cut.ndjson.rejects.ndjson"))
        == Tree("c2").say().data[1:-20]
    )


def test_damage_in_the_middle(tmp_path: Path) -> None:
    """Bytes that are not JSON are exit code 3 with their position; --on-error skip goes on with the next conversation."""
    good = [dump(Tree(name).say().say("assistant").conversation()) for name in ("c1", "c2", "c3")]
    hurt = good[1].replace(b"Hello", b"Hel\0o", 1)
    data = b"[" + b",\n".join([good[0], hurt, good[2]]) + b"]"
    (tmp_path / "c.json").write_bytes(data)
    done = run("convert", "c.json", "-o", "c.ndjson", cwd=tmp_path)
    at = data.index(b"\0")
    column = at - data.index(b"\n")
    place = f"(line 2, column {column}, byte {at}); --on-error skip goes on after the damage".encode()
    assert (done.returncode, place in done.stderr) == (3, True), done.stderr
    done = run("convert", "c.json", "-o", "c.ndjson", "--on-error", "skip", cwd=tmp_path)
    assert (done.returncode, b"1 damaged stretch (" in done.stderr) == (5, True)
    assert [row["sessionId"] for row in rows(tmp_path / "c.ndjson")] == ["c1", "c1", "c3", "c3"]
    (reject,) = rows(tmp_path / "c.ndjson.rejects.ndjson")
    assert (reject["position"], base64.b64decode(reject["base64"])) == (data.index(hurt), hurt + b",\n")
    code, text, _ = speak("check", "c.json", "--strict", cwd=tmp_path)
    assert (code, "1 damaged stretch outside sessions" in text) == (3, True), text
    (tmp_path / "c.json").write_bytes(hurt)
    done = run("convert", "c.json", "-o", "d.ndjson", "--on-error", "skip", cwd=tmp_path)
    assert (done.returncode, b"not JSON" in done.stderr) == (3, True)


def test_check_of_a_chat(tmp_path: Path) -> None:
    """A sound conversation has no findings; nodes without a message are listed, except for roots."""
    odd = Tree("c2").say()
    odd.nodes["c2-1"]["message"] = None
    (tmp_path / "c.json").write_bytes(dump([Tree().say().conversation(), odd.conversation()]))
    code, text, _ = speak("check", "c.json", "--strict", cwd=tmp_path)
    assert (code, text.splitlines()) == (
        0,
        ["session c2: 0 messages", "  no rows: nodes without a message 1", "2 sessions, 0 with findings"],
    )


def test_claude_ai_and_opencode(tmp_path: Path) -> None:
    """Exports of claude.ai and opencode go into one table with others; opencode states tokens and costs, also from a pipe."""
    tokens = {"input": 10, "output": 20, "reasoning": 5, "cache": {"read": 300, "write": 40}}
    answer = {"role": "assistant", "modelID": "m", "cost": 0.25, "tokens": tokens, "parts": [{"type": "text", "text": "x"}]}
    (tmp_path / "a.json").write_bytes(dump([claude_ai({"text": "Hi"})]))
    (tmp_path / "b.json").write_bytes(b"Exporting session\n" + dump(opencode(answer)))
    assert run("convert", "a.json", "b.json", "--merge", "-o", "all.ndjson", "-q", cwd=tmp_path).returncode == 0
    assert [(row["producer"], row.get("cost"), row.get("outputTokens")) for row in rows(tmp_path / "all.ndjson")] == [
        ("claude-ai", None, None),
        ("opencode", Decimal("0.25"), 25),
    ]
    done = run("totals", "-", "--json", cwd=tmp_path, data=(tmp_path / "b.json").read_bytes())
    assert json.loads(done.stdout)["counted"]["cost"] == {"sum": 0.25, "count": 1}
    done = run("check", "-", cwd=tmp_path, data=(tmp_path / "b.json").read_bytes()[:-9])
    assert (done.returncode, b"; opencode cuts what it writes to a pipe" in done.stderr) == (3, True)
