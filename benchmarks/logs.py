"""Write folders of agent logs: ``python -m benchmarks.generate codex 200MB FOLDER``.

=========== ============================================================================================
codex       rollouts of 25 MB in ``sessions/``: one response in three lines and its mirrors, 1.3 KB a line
compacted   one rollout, 95 % of whose bytes are histories that were compacted
transcripts sessions of Claude Code with sub-agents, see `transcripts`
=========== ============================================================================================
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.corpus import Text
from benchmarks.transcripts import generate_transcripts, is_row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOGS = ("codex", "compacted", "transcripts")
ROLLOUT = 25_000_000  # bytes
_HISTORY = 1_400_000  # bytes of a compacted history
_ROWS = (b'"type":"turn_context"', b'"role":"user"', b'"role":"developer"')  # each is one row of the generated files
_LIMITS = {"limit_id": "codex", "primary": {"used_percent": 1.0, "window_minutes": 300, "resets_at": 1771864831}}
_POLICY = {"type": "workspace-write", "writable_roots": ["/work"], "network_access": False}


class Rollout:
    """Makes the lines of one rollout as Codex writes them, one turn after the other."""

    def __init__(self, number: int, text: Text, *, compacted: bool) -> None:
        self.id = f"019c8a4c-ed82-79a1-aa28-{number:012x}"
        self._text = text
        self._compacted = compacted
        self._seconds = 0
        self._responses = 0
        self._total = dict.fromkeys(("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens"), 0)

    def lines(self, size: int) -> Iterator[bytes]:
        """Make about `size` bytes of lines."""
        yield self._line(
            "session_meta", {"id": self.id, "timestamp": self._time(), "cwd": "/work", "cli_version": "0.104.0"}
        )
        yield self._message("developer", 3000)
        written = 0
        while written < size:
            for line in self._turn():
                written += len(line)
                yield line

    def _turn(self) -> Iterator[bytes]:
        yield self._message("user", 400)
        yield self._event("user_message", message=self._text.code(100, 400), images=[])
        for _ in range(8):
            yield from self._response()
        if self._compacted:
            text = self._text.code(_HISTORY, _HISTORY)
            history = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}]
            yield self._line("compacted", {"message": "", "replacement_history": history})

    def _response(self) -> Iterator[bytes]:
        self._responses += 1
        call = f"call_{self._responses}"
        settings = {"sandbox_policy": _POLICY, "user_instructions": self._text.code(500, 500)}
        turn = {"turn_id": f"019c8a4d-0330-71a2-b22b-{self._responses:012x}", "cwd": "/work", "model": "gpt-5.3-codex"}
        yield self._line("turn_context", {**turn, **settings, "effort": "high"})
        thought, said = self._text.code(50, 300), self._text.code(20, 300)
        yield self._event("agent_reasoning", text=thought)
        summary = [{"type": "summary_text", "text": thought}]
        secret = self._text.image(1500)
        yield self._item("reasoning", summary=summary, content=None, encrypted_content=secret)
        yield self._event("agent_message", message=said)
        yield self._item("message", role="assistant", content=[{"type": "output_text", "text": said}])
        arguments = json.dumps({"command": ["bash", "-lc", self._text.code(20, 900)], "workdir": "/work"})
        yield self._item("function_call", name="shell", arguments=arguments, call_id=call)
        yield from self._usage()
        output = json.dumps({"output": self._text.code(20, 6000), "metadata": {"exit_code": 0, "duration_seconds": 0.1}})
        yield self._item("function_call_output", call_id=call, output=output)

    def _usage(self) -> Iterator[bytes]:
        figures = (self._text.between(5_000, 90_000), 4_000, self._text.between(20, 900), 10)
        last = dict(zip(self._total, figures, strict=True))
        self._total = {key: value + last[key] for key, value in self._total.items()}
        info = {"total_token_usage": self._total, "last_token_usage": last, "model_context_window": 258400}
        for _ in range(2):
            yield self._event("token_count", info=info, rate_limits=_LIMITS)

    def _message(self, role: str, size: int) -> bytes:
        return self._item("message", role=role, content=[{"type": "input_text", "text": self._text.code(size, size)}])

    def _item(self, kind: str, **fields: Any) -> bytes:
        return self._line("response_item", {"type": kind, **fields})

    def _event(self, kind: str, **fields: Any) -> bytes:
        return self._line("event_msg", {"type": kind, **fields})

    def _line(self, kind: str, payload: dict[str, Any]) -> bytes:
        self._seconds += 1
        record = {"timestamp": self._time(), "type": kind, "payload": payload}
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def _time(self) -> str:
        minutes, seconds = divmod(self._seconds, 60)
        hours, minutes = divmod(minutes, 60)
        return f"2026-02-{1 + hours // 24 % 28:02}T{hours % 24:02}:{minutes:02}:{seconds:02}.000Z"


def generate_logs(shape: str, size: int, folder: Path, seed: int = 0) -> None:
    """Write the files of one of `LOGS`."""
    text = Text(size, seed)
    if shape == "transcripts":
        generate_transcripts(size, folder, text)
        return
    each = size if shape == "compacted" else ROLLOUT
    for number in range(max(1, size // each)):
        rollout = Rollout(number, text, compacted=shape == "compacted")
        day = folder / "sessions" / "2026" / "02" / f"{1 + number % 28:02}"
        day.mkdir(parents=True, exist_ok=True)
        path = day / f"rollout-2026-02-01T00-00-00-{rollout.id}.jsonl"
        with path.open("wb", buffering=1 << 20) as file:
            file.writelines(rollout.lines(min(size, each)))


def count_rows(folder: Path) -> int:
    """Count the rows that the generated files have."""
    counts = is_row if (folder / "projects").exists() else _is_row
    total = 0
    for path in folder.rglob("*.jsonl"):
        with path.open("rb") as file:
            total += sum(map(counts, file))
    return total


def _is_row(line: bytes) -> bool:
    return b'"type":"compacted"' not in line[:200] and any(key in line for key in _ROWS)
