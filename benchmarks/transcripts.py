"""Write a folder of Claude Code transcripts: ``python -m benchmarks.generate transcripts 200MB FOLDER``.

A response is several records, whose tokens grow, between results of tools and progress records. A sub-agent has a file of
its own, and the main file embeds its messages. About a third of the bytes are progress, and a third
results a second time.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.corpus import Text

TRANSCRIPT = 20_000_000  # bytes, with the files of its sub-agents
_HEAD = 400  # bytes, in which a record tells its type
_PROGRESS = b'"type":"progress"'
_ROWS = (b'"role":"user","content":"', b'"content":[{"type":"thinking"')  # each begins one row of the generated files


class Transcript:
    """Makes the records of one agent, each the child of the one before.

    Args:
        session: id of the session.
        text: of the messages.
        agent: id of the sub-agent, None for the main one.
    """

    def __init__(self, session: str, text: Text, agent: str | None = None) -> None:
        self.session = session
        self._text = text
        self._agent = agent
        self._name = f"{session[-12:]}{agent or ''}"
        self._records = self._responses = 0
        self._last: str | None = None

    def turn(self, responses: int) -> Iterator[dict[str, Any]]:
        """What a user says, and what the model answers in so many responses."""
        yield self._record("user", message={"role": "user", "content": self._text.code(50, 600)})
        for _ in range(responses):
            yield from self._response()

    def embed(self, agent: str, record: dict[str, Any]) -> dict[str, Any]:
        """A progress record with a message of a sub-agent."""
        kept = {key: record[key] for key in ("type", "message", "uuid", "timestamp", "requestId") if key in record}
        return self._progress({"message": kept, "type": "agent_progress", "prompt": "", "agentId": agent})

    def _response(self) -> Iterator[dict[str, Any]]:
        self._responses += 1
        number, between = self._responses, self._text.between
        message_id, call = f"msg_{self._name}{number:08}", f"toolu_{self._name}{number:08}"
        figures = {"input_tokens": 3, "cache_creation_input_tokens": between(100, 9000)}
        figures |= {"cache_read_input_tokens": between(10_000, 150_000), "output_tokens": 1}
        blocks: list[dict[str, Any]] = [
            {"type": "thinking", "thinking": self._text.code(50, 300), "signature": self._text.code(300, 300)},
            {"type": "text", "text": self._text.code(20, 400)},
            {"type": "tool_use", "id": call, "name": "Bash", "input": {"command": self._text.code(20, 900)}},
        ]
        for block in blocks:
            figures = figures | {"output_tokens": figures["output_tokens"] + between(1, 200)}
            yield self._block(message_id, block, figures, "tool_use" if block is blocks[-1] and number % 2 else None)
        for _ in range(between(0, 4)):
            output = self._text.code(100, 1200)
            yield self._progress({"type": "bash_progress", "output": output, "fullOutput": output, "totalLines": 9})
        result = self._text.code(50, 6000)
        block = {"tool_use_id": call, "type": "tool_result", "content": result, "is_error": False}
        structured = {"stdout": result, "stderr": "", "interrupted": False, "isImage": False}
        yield self._record("user", message={"role": "user", "content": [block]}, toolUseResult=structured)

    def _block(self, message_id: str, block: Any, figures: dict[str, int], stop: str | None) -> dict[str, Any]:
        message: dict[str, Any] = {"model": "claude-opus-4-6", "id": message_id, "type": "message", "role": "assistant"}
        usage = {**figures, "cache_creation": {"ephemeral_5m_input_tokens": figures["cache_creation_input_tokens"]}}
        message |= {
            "content": [block],
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {**usage, "service_tier": "standard"},
        }
        return self._record("assistant", message=message, requestId=f"req_{message_id}")

    def _progress(self, data: dict[str, Any]) -> dict[str, Any]:
        return self._record("progress", data=data, parentToolUseID="toolu_1", toolUseID="agent_msg_1")

    def _record(self, kind: str, **fields: Any) -> dict[str, Any]:
        self._records += 1
        minutes, seconds = divmod(self._records, 60)
        hours, minutes = divmod(minutes, 60)
        uuid = f"{self.session[-8:]}-{(self._agent or '0000')[-4:]}-4000-8000-{self._records:012}"
        head: dict[str, Any] = {
            "parentUuid": self._last,
            "isSidechain": self._agent is not None,
            "userType": "external",
            "cwd": "/work",
        }
        head |= {"sessionId": self.session, "version": "2.1.39", "gitBranch": "main"}
        head |= {"agentId": self._agent} if self._agent is not None else {}
        time = f"2026-02-{1 + hours // 24 % 28:02}T{hours % 24:02}:{minutes:02}:{seconds:02}.000Z"
        self._last = uuid
        return {**head, "type": kind, **fields, "uuid": uuid, "timestamp": time}


def generate_transcripts(size: int, folder: Path, text: Text) -> None:
    """Write about `size` bytes, as sessions of at most `TRANSCRIPT` bytes."""
    place = folder / "projects" / "-work"
    place.mkdir(parents=True)
    for number in range(max(1, size // TRANSCRIPT)):
        session = f"4d5611e5-241a-462a-8d15-{number:012x}"
        _write_session(place, session, min(size, TRANSCRIPT), text)


def _write_session(place: Path, session: str, size: int, text: Text) -> None:
    """Write a session, every second turn of which has a sub-agent."""
    main, agents, written = Transcript(session, text), place / session / "subagents", 0
    with (place / f"{session}.jsonl").open("wb", buffering=1 << 20) as file:
        for turn in range(size):
            if written >= size:
                break
            for record in main.turn(8):
                written += file.write(_line(record))
            if turn % 2:
                agent = f"a{session[-4:]}{turn:06}"
                agents.mkdir(parents=True, exist_ok=True)
                with (agents / f"agent-{agent}.jsonl").open("wb") as other:
                    for record in Transcript(session, text, agent).turn(4):
                        written += other.write(_line(record))
                        if "message" in record:
                            written += file.write(_line(main.embed(agent, record)))


def is_row(line: bytes) -> bool:
    """Whether a line of the generated files begins a row."""
    return _PROGRESS not in line[:_HEAD] and any(key in line[: 2 * _HEAD] for key in _ROWS)


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
