"""Names what is JSON but not a session export: error responses, and the exports of other programs.

Takes: the keys of an object that is no session. Returns: an error, or None. Raises, holds: nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exportstream.errors import NotAnExportError, printable

_LONGEST_WORDS = 200  # characters of the message of an error response

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


def explain_object(keys: _Keys, around: _Keys | None, source: str | None, *, first: bool) -> NotAnExportError | None:
    """Return the error that an object deserves which is no session; None if there is nothing special about it.

    Args:
        keys: its keys, as far as they are known.
        around: those of the object around it, if it is a `result`.
        source: the input's name.
        first: whether it is the first of the input.
    """
    inner = keys.get("result")
    value = keys.get("error", inner.get("error") if isinstance(inner, dict) else None)
    if isinstance(value, dict) and not isinstance(keys.get("id"), str):
        words = [printable(str(value[key]), _LONGEST_WORDS) for key in ("code", "message", "type") if key in value]
        what, hint = f"an error response: {' '.join(words)}", "export again when its cause is gone"
    else:
        keys = keys if around is None else around
        name = next((name for name, fits in _KINDS if fits(keys)), None) if first and keys else None
        if name is None:
            return None
        what, hint = f"what looks like {name}", "exportstream does not read these yet"
    return NotAnExportError(f"expected a session export, got {what}", source=source, hint=hint)
