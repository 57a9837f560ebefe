"""Codex rollouts: a builder of lines, rollouts drawn from a seed, and a plain reader that says what their rows are."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Self

from tests.kit.documents import dump

OWN = "01990000-0000-7000-8000-000000000001"  # ids whose time is in their first twelve digits
PARENT = "01980000-0000-7000-8000-000000000002"
TIME = "2026-02-23T12:19:42.561Z"


def turn_id(milliseconds: int = 1, session: str = OWN) -> str:
    """The id of a turn that began so many milliseconds after a session."""
    made = int(session[:8] + session[9:13], 16) + milliseconds
    return f"{made >> 16:08x}-{made & 0xFFFF:04x}-7000-8000-00000000aaaa"


class Rollout:
    """Writes lines as Codex does; the figures of a response are added to the running total.

    Attributes:
        lines: the lines so far, without line feeds.
    """

    def __init__(self, *, ordinals: bool = False) -> None:
        self.lines: list[bytes] = []
        self.total = dict.fromkeys(("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens"), 0)
        self._ordinals = ordinals
        self._last = dict(self.total)

    @property
    def data(self) -> bytes:
        """The file."""
        return b"".join(line + b"\n" for line in self.lines)

    def line(self, kind: str, payload: dict[str, Any], time: str = TIME) -> Self:
        """Any record."""
        ordinal = {"ordinal": len(self.lines)} if self._ordinals else {}
        self.lines.append(dump({"timestamp": time, **ordinal, "type": kind, "payload": payload}))
        return self

    def meta(self, session_id: str = OWN, **fields: Any) -> Self:
        """What the session is."""
        return self.line("session_meta", {"id": session_id, "timestamp": TIME, "cwd": "/work", "cli_version": "1", **fields})

    def turn(self, given: str | None = None, model: str = "gpt-5", **fields: Any) -> Self:
        """A turn begins."""
        return self.line("turn_context", {"turn_id": given or turn_id(), "cwd": "/work", "model": model, **fields})

    def item(self, kind: str, time: str = TIME, **fields: Any) -> Self:
        """An item of the conversation."""
        return self.line("response_item", {"type": kind, **fields}, time)

    def event(self, kind: str, time: str = TIME, **fields: Any) -> Self:
        """An event."""
        return self.line("event_msg", {"type": kind, **fields}, time)

    def user(self, text: str = "Run it.", role: str = "user", **fields: Any) -> Self:
        """A message of a user or developer, and the event that mirrors it."""
        self.item("message", role=role, content=[{"type": "input_text", "text": text}], **fields)
        return self.event("user_message", message=text) if role == "user" else self

    def say(self, text: str = "Done.", **fields: Any) -> Self:
        """A message of the model, and the event that mirrors it."""
        self.event("agent_message", message=text)
        return self.item("message", role="assistant", content=[{"type": "output_text", "text": text}], **fields)

    def think(self, text: str = "Hm.") -> Self:
        """A summary of the model's reasoning, and the event that mirrors it."""
        self.event("agent_reasoning", text=text)
        return self.item(
            "reasoning", summary=[{"type": "summary_text", "text": text}], content=None, encrypted_content="gAAA"
        )

    def call(self, call_id: str = "c1", name: str = "exec", arguments: Any = '{"cmd":"ls"}') -> Self:
        """A call of a tool."""
        return self.item("function_call", name=name, arguments=arguments, call_id=call_id)

    def output(self, call_id: str = "c1", output: Any = "ok") -> Self:
        """The output of a tool."""
        return self.item("function_call_output", call_id=call_id, output=output)

    def used(self, given: int = 100, cached: int = 60, out: int = 10, reasoning: int = 4, *, times: int = 2) -> Self:
        """The tokens of a response, so many times."""
        self._last = dict(zip(self.total, (given, cached, out, reasoning), strict=True))
        self.total = {key: value + self._last[key] for key, value in self.total.items()}
        for _ in range(times):
            self.count()
        return self

    def count(self, **info: Any) -> Self:
        """The tokens so far, again."""
        figures = {"total_token_usage": self.total | {"total_tokens": 1}, "last_token_usage": self._last, **info}
        return self.event("token_count", info=figures, rate_limits={"primary": {"used_percent": 0.5}})

    def record(self, response_id: str, given: int = 100, cached: int = 60, out: int = 10, reasoning: int = 4) -> Self:
        """A token usage record of newer versions."""
        usage = dict(zip(self.total, (given, cached, out, reasoning), strict=True))
        return self.line("token_usage_record", {"response_id": response_id, "usage": usage})

    def compact(self, size: int = 100) -> Self:
        """A compacted history, with the whole context in it."""
        history = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "y" * size}]}]
        return self.line("compacted", {"message": "", "replacement_history": history})


def drawn(seed: int, turns: int = 5) -> Rollout:
    """A rollout drawn from a seed: turns of a few responses, with and without calls, repeated counts and compactions."""
    random = Random(seed)
    rollout = Rollout(ordinals=random.random() < 0.5).meta().user("Be brief.", role="developer")
    for turn in range(turns):
        rollout.event("task_started", turn_id=turn_id(turn + 1)).user(f"Do {turn} é {'z' * random.randrange(300)}")
        for response in range(random.randint(1, 4)):
            rollout.turn(turn_id(turn + 1), model=f"gpt-{turn % 2}")
            rollout.count() if response else rollout.event("token_count", info=None)
            if random.random() < 0.7:
                rollout.think(f"think {response}")
            if random.random() < 0.8:
                rollout.say(f"say {turn} {response}", phase="commentary")
            calls = [f"c{turn}-{response}-{number}" for number in range(random.choice([0, 0, 1, 2, 5]))]
            for call in calls:
                rollout.call(call)
            rollout.used(*(random.randrange(1000) for _ in range(4)), times=random.randint(1, 3))
            random.shuffle(calls)
            for call in calls:
                if random.random() < 0.9:
                    rollout.output(call, f"result of {call}")
                if random.random() < 0.1:
                    rollout.user("Wait.")
        if random.random() < 0.4:
            rollout.compact(random.randrange(3000))
        rollout.event("task_complete", turn_id=turn_id(turn + 1))
    return rollout


def expected(data: bytes) -> list[dict[str, Any]]:
    """The rows of a rollout without traps, with the json of the standard library, a line at a time, and all in memory.

    Each row has its role, its content, the names of its calls with their results, and its tokens as four figures.
    """
    rows: list[dict[str, Any]] = []
    waiting: dict[str, list[Any]] = {}
    response: dict[str, Any] | None = None
    before = None
    for line in data.splitlines():
        record = json.loads(line)
        payload, kind = record["payload"], record["payload"].get("type")
        if kind == "token_count" and payload["info"]:
            total = [payload["info"]["total_token_usage"][key] for key in Rollout().total]
            if total != (before or [0] * 4):
                figures = [payload["info"]["last_token_usage"][key] for key in Rollout().total]
                if response is None:
                    rows.append({"role": "assistant", "content": "", "calls": [], "tokens": figures})
                else:
                    response["tokens"], response = figures, None
            before = total
        if record["type"] != "response_item":
            continue
        if kind == "function_call_output":
            if payload["call_id"] in waiting:
                waiting.pop(payload["call_id"])[1] = payload["output"]
            else:
                rows.append({"role": "tool", "content": payload["output"], "calls": [], "tokens": None})
        elif kind == "message" and payload["role"] != "assistant":
            rows.append({"role": payload["role"], "content": payload["content"][0]["text"], "calls": [], "tokens": None})
        else:
            if response is None:
                waiting = {}
                response = {"role": "assistant", "content": "", "calls": [], "tokens": None}
                rows.append(response)
            if kind == "message":
                response["content"] += payload["content"][0]["text"]
            elif kind == "function_call":
                response["calls"].append([payload["call_id"], None])
                waiting[payload["call_id"]] = response["calls"][-1]
    return rows
