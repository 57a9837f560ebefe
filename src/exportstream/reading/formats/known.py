"""Names the exports of other programs, which are JSON but not session exports.

Takes: the keys of an object that is no session. Returns: a name, or None. Raises, holds: nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_Keys = dict[str, Any]


def _is_gemini_batch(keys: _Keys) -> bool:
    response = keys.get("response")
    return isinstance(response, dict) and "candidates" in response


def _is_claude_code(keys: _Keys) -> bool:
    if not keys.keys().isdisjoint({"parentUuid", "leafUuid", "isSidechain", "isSnapshotUpdate"}):
        return True
    return "sessionId" in keys and "messageIndex" not in keys and ("type" in keys or isinstance(keys.get("message"), dict))


_KINDS: tuple[tuple[str, Callable[[_Keys], bool]], ...] = (
    ("a ChatGPT export", lambda keys: "mapping" in keys or {"conversation_id", "current_node"} <= keys.keys()),
    ("a claude.ai export", lambda keys: "chat_messages" in keys),
    ("OpenAI batch results", lambda keys: {"custom_id", "response"} <= keys.keys()),
    ("Anthropic batch results", lambda keys: {"custom_id", "result"} <= keys.keys()),
    ("Gemini batch results", _is_gemini_batch),
    ("a Gemini transcript", lambda keys: {"sessionId", "projectHash"} <= keys.keys()),
    ("an opencode export", lambda keys: isinstance(keys.get("info"), dict)),
    ("a Claude Code transcript", _is_claude_code),
)


def name_of(keys: _Keys) -> str | None:
    """Return the kind of export that an object with these keys looks like."""
    return next((name for name, fits in _KINDS if fits(keys)), None)
