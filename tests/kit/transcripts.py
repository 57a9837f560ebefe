"""Claude Code transcripts: a builder of records, transcripts drawn from a seed, and a plain reader that says their rows."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Self

from tests.kit.documents import dump

SESSION = "4d000000-0000-4000-8000-000000000001"
OTHER = "4d000000-0000-4000-8000-000000000002"
MODEL = "claude-opus-4-6"
TIME = "2026-02-12T16:02:25.284Z"
TOKENS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class Transcript:
    """Writes records as Claude Code does, each the child of the one before.

    Args:
        session: id of the session.
        agent: of the sub-agent whose file it is.

    Attributes:
        lines: the records so far, without line feeds.
        last: uuid of the last record.
    """

    def __init__(self, session: str = SESSION, agent: str | None = None, **fields: Any) -> None:
        self.lines: list[bytes] = []
        self.last: str | None = None
        self._fields = {
            "isSidechain": agent is not None,
            "cwd": "/work",
            "sessionId": session,
            "version": "2.1.38",
            **fields,
        }
        if agent is not None:
            self._fields["agentId"] = agent
        self._name = f"{session[-4:]}{agent or ''}"

    @property
    def data(self) -> bytes:
        """The file."""
        return b"".join(line + b"\n" for line in self.lines)

    def line(self, **record: Any) -> Self:
        """Any record, as it is."""
        self.lines.append(dump(record))
        return self

    def record(self, kind: str, time: str = TIME, **fields: Any) -> Self:
        """A record of the tree."""
        uuid = fields.pop("uuid", f"u-{self._name}-{len(self.lines)}")
        self.line(**{"parentUuid": self.last, **self._fields, "type": kind, "uuid": uuid, "timestamp": time, **fields})
        self.last = uuid
        return self

    def user(self, content: Any = "Run it.", **fields: Any) -> Self:
        """A message of a user."""
        return self.record("user", message={"role": "user", "content": content}, **fields)

    def result(self, call: str = "t1", content: Any = "ok", *, is_error: bool | None = None, **fields: Any) -> Self:
        """The result of a tool."""
        block = {"tool_use_id": call, "type": "tool_result", "content": content}
        return self.user([block if is_error is None else block | {"is_error": is_error}], toolUseResult=content, **fields)

    def block(
        self, message_id: str | None, block: Any, *figures: int, stop: str | None = None, usage: Any = None, **fields: Any
    ) -> Self:
        """A record of a response: one block, and the tokens so far."""
        counts = dict(zip(TOKENS, figures or (3, 9, 100, 50), strict=False)) | {"service_tier": "standard"} | (usage or {})
        content = block if isinstance(block, list) else [block]
        message = {"model": MODEL, "id": message_id, "type": "message", "role": "assistant", "content": content}
        message |= {"stop_reason": stop, "stop_sequence": None, "usage": counts}
        request = fields.pop("request", f"req_{message_id}")
        return self.record("assistant", message=message, **({"requestId": request} if request else {}), **fields)

    def say(self, message_id: str | None, text: str = "Done.", *figures: int, **fields: Any) -> Self:
        """A text of a response."""
        return self.block(message_id, {"type": "text", "text": text}, *figures, **fields)

    def think(self, message_id: str, text: str = "Hm.", *figures: int) -> Self:
        """A thought of a response."""
        return self.block(message_id, {"type": "thinking", "thinking": text, "signature": "EqQB"}, *figures)

    def call(self, message_id: str, call: str = "t1", *figures: int, name: str = "Bash", **fields: Any) -> Self:
        """A call of a tool."""
        block = {"type": "tool_use", "id": call, "name": name, "input": {"command": "ls"}}
        return self.block(message_id, block, *figures, **fields)

    def progress(self, kind: str = "hook_progress", **data: Any) -> Self:
        """A progress record."""
        return self.record("progress", data={"type": kind, **data}, toolUseID="x", parentToolUseID="t1")

    def embed(self, agent: str, records: Transcript) -> Self:
        """Progress records that embed the messages of a sub-agent."""
        for line in records.lines:
            record = json.loads(line)
            kept = {key: record[key] for key in ("type", "message", "uuid", "timestamp", "requestId") if key in record}
            self.progress("agent_progress", message=kept, normalizedMessages=[kept], prompt="p", agentId=agent)
        return self


def drawn(seed: int, turns: int = 5, session: str = SESSION, agent: str | None = None) -> Transcript:
    """A transcript drawn from a seed: responses of several blocks, whose tokens grow, between results and progress records."""
    random = Random(f"{seed}{session}{agent}")
    transcript = Transcript(session, agent)
    transcript.line(type="file-history-snapshot", messageId="x", snapshot={}, isSnapshotUpdate=False)
    for turn in range(turns):
        transcript.user(f"Do {turn} é {'z' * random.randrange(300)}")
        for response in range(random.randint(1, 4)):
            message_id = f"msg_{transcript._name}{seed}_{turn}_{response}"
            figures = [3, 1, random.randrange(1000), random.randrange(1000)]
            calls = [f"t{seed}_{turn}_{response}_{number}" for number in range(random.choice([0, 0, 1, 2, 5]))]
            waiting: list[str] = []
            for number in range(random.randint(0, 2)):
                transcript.say(message_id, f"say {turn} {response} {number}", *figures)
            for call in calls:
                figures[1] += random.randrange(100)
                transcript.call(message_id, call, *figures, usage={"iterations": []} if random.random() < 0.3 else None)
                waiting.append(call)
                while waiting and random.random() < 0.6:
                    transcript.result(waiting.pop(random.randrange(len(waiting))), f"result of {call}")
                if random.random() < 0.3:
                    transcript.progress(hook="x" * random.randrange(300))
            for call in waiting:
                if random.random() < 0.8:
                    transcript.result(call, "late")
        if random.random() < 0.3:
            transcript.record("system", subtype="turn_duration", durationMs=5)
    return transcript


def expected(data: bytes) -> list[dict[str, Any]]:
    """The rows of a transcript without traps, with the json of the standard library, and all in memory.

    Each row has its role, its content, the names of its calls with their results, and its tokens as four figures.
    """
    rows: dict[str, dict[str, Any]] = {}
    calls: dict[str, list[Any]] = {}
    last = None
    for line in data.splitlines():
        record = json.loads(line)
        if record["type"] == "user" and isinstance(record["message"]["content"], str):
            rows[record["uuid"]] = {"role": "user", "content": record["message"]["content"], "calls": [], "tokens": None}
        elif record["type"] == "user":
            for block in record["message"]["content"]:
                calls[block["tool_use_id"]][1] = block["content"]
        elif record["type"] == "assistant":
            message = record["message"]
            last = rows.setdefault(message["id"], {"role": "assistant", "content": "", "calls": []})
            last["tokens"] = [message["usage"][key] for key in TOKENS]
            for block in message["content"]:
                if block["type"] == "text":
                    last["content"] += block["text"]
                else:
                    calls[block["id"]] = [block["id"], None]
                    last["calls"].append(calls[block["id"]])
    return list(rows.values())
