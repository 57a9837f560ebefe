"""Write exports of chats: ``python -m benchmarks.generate chatgpt 200MB FILE``.

=========== ============================================================================================
chatgpt     an array of conversations of 4 to 40 messages, 0.9 KB a message with its node
chatgpt-zip the same file in a zip, as it is sent
claude-ai   an array of conversations of 4 to 40 messages, 1.8 KB a message
opencode    an array of sessions of 4 to 40 messages, 2.0 KB a message with its parts
=========== ============================================================================================
"""

from __future__ import annotations

import json
import zipfile
from typing import IO, TYPE_CHECKING, Any

from benchmarks import claude_ai, opencode
from benchmarks.corpus import Text
from benchmarks.run import count_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHATS = ("chatgpt", "chatgpt-zip", "claude-ai", "opencode")
MEMBER = "conversations.json"
_START = 1_704_629_915  # seconds since 1970


def generate_chats(shape: str, size: int, out: Path, seed: int = 0) -> None:
    """Write one of `CHATS`."""
    if not shape.endswith("-zip"):
        with out.open("wb", buffering=1 << 20) as file:
            _write(shape, size, file, seed)
        return
    member = zipfile.ZipInfo(MEMBER)  # with a fixed date
    member.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(out, "w") as archive, archive.open(member, "w", force_zip64=True) as file:
        _write(shape.removesuffix("-zip"), size, file, seed)


def count_rows(shape: str, path: Path) -> int:
    """Count the rows that a generated file has: one for each message."""
    if shape.endswith("-zip"):
        with zipfile.ZipFile(path) as archive, archive.open(MEMBER) as member:
            return count_in(member)
    with path.open("rb") as file:
        return count_in(file, claude_ai.KEY) if shape == "claude-ai" else count_in(file)


def _write(shape: str, size: int, file: IO[bytes], seed: int) -> None:
    make = {"chatgpt": _conversation, "claude-ai": claude_ai.conversation, "opencode": opencode.session}[shape]
    text, written, start = Text(size, seed), 0, b"["
    while written < size:
        data = json.dumps(make(text, written), ensure_ascii=False, separators=(",", ":")).encode()
        file.write(start + data)
        written += len(data)
        start = b","
    file.write(b"]\n")


def _conversation(text: Text, number: int) -> dict[str, Any]:
    """Make a conversation as ChatGPT exports it; one in ten messages is another answer to one before."""
    name = f"{number:08x}-5f9a-4d10-9c3e-1b2f7a6c8d90"
    root = f"{name}-root"
    mapping: dict[str, Any] = {root: {"id": root, "message": None, "parent": None, "children": []}}
    last, count = root, text.between(4, 40)
    while len(mapping) <= count:
        parent = text.random.choice(list(mapping)) if text.random.random() < 0.1 else last
        for message in _turn(text, f"{name}-{len(mapping)}", _START + len(mapping)):
            mapping[parent]["children"].append(message["id"])
            mapping[message["id"]] = {"id": message["id"], "message": message, "parent": parent, "children": []}
            last = parent = message["id"]
    return {
        "title": text.code(10, 40),
        "create_time": _START + 0.775304,
        "update_time": _START + 999.25,
        "mapping": mapping,
        "moderation_results": [],
        "current_node": last,
        "plugin_ids": None,
        "conversation_id": name,
        "conversation_template_id": None,
        "gizmo_id": None,
        "is_archived": False,
        "safe_urls": [],
        "default_model_slug": "gpt-4o",
        "id": name,
    }


def _turn(text: Text, key: str, at: int) -> Iterator[dict[str, Any]]:
    """Make a message, or a call with its result."""
    kind = text.between(0, 7)
    if kind == 0:
        code = {"content_type": "code", "language": "unknown", "response_format_name": None, "text": text.code(50, 900)}
        yield _message(f"{key}-c", "assistant", code, at, recipient="python", metadata={"model_slug": "gpt-4o"})
        yield _message(f"{key}-r", "tool", {"content_type": "execution_output", "text": text.code(10, 900)}, at)
        return
    said = {"content_type": "text", "parts": [text.code(20, 1200)]}
    if kind < 4:
        yield _message(key, "user", said, at, metadata={"request_id": key, "timestamp_": "absolute", "message_type": None})
        return
    metadata = {
        "finish_details": {"type": "stop", "stop_tokens": [100260]},
        "is_complete": True,
        "model_slug": "gpt-4o",
        "citations": [],
        "content_references": [],
        "request_id": key,
        "timestamp_": "absolute",
        "message_type": None,
    }
    yield _message(key, "assistant", said, at, metadata=metadata, end_turn=True)


def _message(key: str, role: str, content: dict[str, Any], at: int, **fields: Any) -> dict[str, Any]:
    message = {
        "id": key,
        "author": {"role": role, "name": None, "metadata": {}},
        "create_time": at + 0.123456,
        "update_time": None,
        "content": content,
        "status": "finished_successfully",
        "end_turn": None,
        "weight": 1.0,
        "metadata": {},
        "recipient": "all",
        "channel": None,
    }
    return message | fields
