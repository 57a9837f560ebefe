"""Sessions of opencode as its export has them, made of the text of `corpus`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.corpus import Text

_START = 1_704_629_915_775  # milliseconds since 1970


def session(text: Text, number: int) -> dict[str, Any]:
    """Make a session, whose messages are a question and answers in turns."""
    name = f"ses_{number:016x}"
    messages = []
    asked = ""
    for index in range(text.between(4, 40)):
        key = f"msg_{number:012x}{index:06}"
        if index % 4 == 0:
            asked = key
            messages.append(_question(text, name, key, _START + index * 1000))
        else:
            messages.append(_answer(text, name, key, _START + index * 1000, asked))
    info = {
        "id": name,
        "version": "1.0.150",
        "projectID": "global",
        "directory": "/home/ann/project",
        "title": text.code(10, 40),
        "time": {"created": _START, "updated": _START + 99_000},
    }
    return {"info": info, "messages": messages}


def _question(text: Text, name: str, key: str, at: int) -> dict[str, Any]:
    info = {
        "id": key,
        "sessionID": name,
        "role": "user",
        "time": {"created": at},
        "agent": "build",
        "model": {"providerID": "anthropic", "modelID": "claude-sonnet-4-5"},
    }
    return {"info": info, "parts": [_part(name, key, 0, "text", text=text.code(20, 1200))]}


def _answer(text: Text, name: str, key: str, at: int, asked: str) -> dict[str, Any]:
    tokens = {
        "input": text.between(1, 3000),
        "output": text.between(1, 900),
        "reasoning": 0,
        "cache": {"read": text.between(0, 90_000), "write": text.between(0, 3000)},
    }
    info = {
        "id": key,
        "sessionID": name,
        "role": "assistant",
        "time": {"created": at, "completed": at + 812},
        "parentID": asked,
        "modelID": "claude-sonnet-4-5",
        "providerID": "anthropic",
        "mode": "build",
        "agent": "build",
        "path": {"cwd": "/home/ann/project", "root": "/"},
        "cost": text.between(1, 90_000) / 1_000_000,
        "tokens": tokens,
        "finish": "tool-calls",
    }
    state = {
        "status": "completed",
        "input": {"command": text.code(20, 200), "description": text.code(10, 40)},
        "output": text.code(50, 900),
        "title": text.code(10, 40),
        "metadata": {"output": text.code(10, 100), "exit": 0, "truncated": False},
        "time": {"start": at + 500, "end": at + 600},
    }
    times = {"start": at + 100, "end": at + 200}
    parts = [
        _part(name, key, 0, "step-start", snapshot=key[-12:] * 3),
        _part(name, key, 1, "text", text=text.code(20, 400), time=times),
        _part(name, key, 2, "tool", callID=f"toolu_{key[-14:]}", tool="bash", state=state),
        _part(name, key, 3, "step-finish", reason="tool-calls", snapshot=key[-12:] * 3, cost=info["cost"], tokens=tokens),
    ]
    return {"info": info, "parts": parts}


def _part(name: str, key: str, number: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"id": f"prt_{key[4:]}{number}", "sessionID": name, "messageID": key, "type": kind} | fields
