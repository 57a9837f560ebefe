"""Exports of chats: builders of conversations, exports drawn from a seed, and plain readers that say what their rows are."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any, Self

from tests.kit.documents import dump

WORDS = ["Guten", "Tag", "naïve", "日本", "\N{ROCKET}", "a\nb", 'say "x"', "\\"]


class Tree:
    """Builds a conversation of ChatGPT.

    Args:
        name: of the conversation; its id.
        keys: further keys of it.

    Attributes:
        nodes: by their ids.
        last: the id of the last node.
    """

    def __init__(self, name: str = "c1", **keys: Any) -> None:
        self.name = name
        self.nodes: dict[str, Any] = {
            f"{name}-root": {"id": f"{name}-root", "message": None, "parent": None, "children": []}
        }
        self.last = f"{name}-root"
        self._keys = keys

    def say(self, role: str = "user", text: Any = "Hello", at: str | None = None, **fields: Any) -> Self:
        """Add a message below the last one, or below the node `at`; its content may be a text or an object."""
        parent = at or self.last
        key = fields.pop("key", f"{self.name}-{len(self.nodes)}")
        content = {"content_type": "text", "parts": [text]} if isinstance(text, str) else text
        message = {
            "id": key,
            "author": {"role": role, "name": None, "metadata": {}},
            "create_time": Decimal(f"1704629915.{len(self.nodes):06}"),
            "update_time": None,
            "content": content,
            "status": "finished_successfully",
            "weight": Decimal("1.0"),
            "metadata": {"model_slug": "gpt-5"} if role == "assistant" else {},
            "recipient": "all",
        }
        self.nodes[parent]["children"].append(key)
        self.nodes[key] = {"id": key, "message": message | fields, "parent": parent, "children": []}
        self.last = key
        return self

    def conversation(self, **keys: Any) -> dict[str, Any]:
        """The conversation as it is exported: a child is before its parent, and the current node after the mapping."""
        return {
            "title": f"About {self.name}",
            "create_time": Decimal("1704629915.775304"),
            "update_time": Decimal("1704717442.4"),
            "mapping": dict(reversed(self.nodes.items())),
            "moderation_results": [],
            "current_node": self.last,
            "conversation_id": self.name,
            "id": self.name,
            **self._keys,
            **keys,
        }

    @property
    def data(self) -> bytes:
        """An export of this conversation alone."""
        return dump([self.conversation()])


def drawn(seed: int, count: int = 4) -> list[dict[str, Any]]:
    """Conversations drawn from a seed: branches, calls with results, several kinds of content."""
    random = Random(seed)
    made = []
    for number in range(count):
        tree = Tree(f"s{seed}-{number}", default_model_slug=random.choice([None, "gpt-4o"]))
        for _ in range(random.randrange(12)):
            at = random.choice(list(tree.nodes)) if random.random() < 0.2 else None
            text = " ".join(random.choices(WORDS, k=random.randrange(9)))
            kind = random.randrange(6)
            if kind == 0:
                tree.say("assistant", {"content_type": "code", "language": "python", "text": text}, at, recipient="python")
                if random.random() < 0.8:
                    tree.say("tool", {"content_type": "execution_output", "text": f"out {text}"})
            elif kind == 1:
                pointer = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://f", "size_bytes": 7}
                tree.say("user", {"content_type": "multimodal_text", "parts": [text, pointer]}, at)
            elif kind == 2:
                tree.say(
                    "assistant",
                    text,
                    at,
                    metadata=random.choice([{}, {"model_slug": "o3", "finish_details": {"type": "stop"}}]),
                )
            elif kind == 3:
                tree.say("assistant", {"content_type": "thoughts", "thoughts": [{"summary": "s", "content": text}]}, at)
            else:
                tree.say("user", text, at)
        made.append(tree.conversation())
    return made


def instant(seconds: Any) -> str | None:
    """A time of ChatGPT with all its digits, by the standard library."""
    if seconds is None:
        return None
    whole, _, fraction = str(seconds).partition(".")
    return f"{datetime.fromtimestamp(int(whole), UTC):%Y-%m-%dT%H:%M:%S}.{fraction}Z"


def expected(data: bytes) -> list[dict[str, Any]]:
    """The rows of an export of ChatGPT whose links are sound, by recursion over plain JSON."""
    rows: list[dict[str, Any]] = []
    for one in json.loads(data, parse_float=Decimal):
        nodes = one["mapping"]
        shown: list[str] = []
        key = one["current_node"]
        while key:
            shown.insert(0, key)
            key = nodes[key]["parent"]

        def below(key: str, nodes: dict[str, Any] = nodes) -> list[str]:
            return [key, *(inner for child in nodes[key]["children"] for inner in below(child, nodes))]

        order = shown + [key for key in below(f"{one['id']}-root") if key not in shown]
        for key in order:
            if (message := nodes[key]["message"]) is None:
                continue
            content = message["content"]
            texts = [content[k] for k in ("text",) if k in content] + [
                p for p in content.get("parts", ()) if isinstance(p, str)
            ]
            answers = [nodes[child]["message"] for child in nodes[key]["children"]]
            answers = [answer for answer in answers if answer["author"]["role"] == "tool"]
            row = {
                "session": one["id"],
                "id": message["id"],
                "role": message["author"]["role"],
                "text": "\n".join(texts),
                "parent": None if nodes[nodes[key]["parent"]]["message"] is None else nodes[key]["parent"],
                "active": key in shown,
                "created": instant(message["create_time"]),
                "model": message["metadata"].get("model_slug")
                or (one["default_model_slug"] if message["author"]["role"] == "assistant" else None),
                "call": None,
            }
            if message["recipient"] != "all":
                shown_first = sorted(answers, key=lambda answer, shown=shown: answer["id"] not in shown)
                answer = shown_first[0] if shown_first else None
                row["call"] = [answer["id"] if answer else f"{key}:call", row["text"], answer and answer["content"]["text"]]
                row["text"] = ""
            rows.append(row)
    return rows


def claude_ai(*messages: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """A conversation of claude.ai."""
    time = "2024-10-17T03:28:33.480257Z"
    filled = []
    for number, message in enumerate(messages):
        plain = {"uuid": f"m{number}", "text": "", "sender": "human", "created_at": time, "updated_at": time}
        filled.append({**plain, "attachments": [], "files": [], **message})
    return {
        "uuid": "u1",
        "name": "A chat",
        "created_at": time,
        "updated_at": time,
        "account": {"uuid": "a"},
        "chat_messages": filled,
        **keys,
    }


def opencode(*messages: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """A session of opencode; each message is given as its `info`, with its `parts`."""
    filled = []
    for number, message in enumerate(messages):
        info = {"id": f"msg_{number}", "sessionID": "ses_1", "role": "user", "time": {"created": 1704629915775 + number}}
        parts = message.get("parts", [])
        filled.append({"info": info | {key: item for key, item in message.items() if key != "parts"}, "parts": parts})
    info = {
        "id": "ses_1",
        "title": "Work",
        "directory": "/work",
        "time": {"created": 1704629915775, "updated": 1704629915776},
    }
    return {"info": info | keys, "messages": filled}
