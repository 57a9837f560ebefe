"""Explains JSON that is no session export: exports of other programs, and error responses.

Takes: the keys of an object that is no session. Returns: an error, or None. Changes: an error. Raises, holds: nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exportstream.errors import NotAnExportError, printable
from exportstream.reading.formats.claude_code.recognise import is_record

_LONGEST_WORDS = 200  # characters of an error response

_CLAUDE_CODE = "a Claude Code transcript"

WHAT_IS_READ = "exportstream reads exports and logs of Mix, Claude Code, Codex, ChatGPT, claude.ai and opencode"

_Keys = dict[str, Any]


def _is_gemini_batch(keys: _Keys) -> bool:
    response = keys.get("response")
    return isinstance(response, dict) and "candidates" in response


_KINDS: tuple[tuple[str, Callable[[_Keys], bool]], ...] = (
    ("OpenAI batch results", lambda keys: {"custom_id", "response"} <= keys.keys()),
    ("Anthropic batch results", lambda keys: {"custom_id", "result"} <= keys.keys()),
    ("Gemini batch results", _is_gemini_batch),
    ("a Gemini transcript", lambda keys: {"sessionId", "projectHash"} <= keys.keys()),
    (_CLAUDE_CODE, is_record),
)


def another_export(keys: _Keys, source: str | None) -> NotAnExportError | None:
    """Return the error for an object of another program's export; None for everything else."""
    name = next((name for name, fits in _KINDS if fits(keys)), None)
    if name is None:
        return None
    hint = "write each of its records on a line" if name == _CLAUDE_CODE else "exportstream does not read these yet"
    return NotAnExportError(f"expected a session export, got what looks like {name}", source=source, hint=hint)


def locate_among_sessions(error: NotAnExportError, place: NotAnExportError, count: int) -> None:
    """Tell in an error after how many sessions its value comes, and what can be done; its place is that of another one."""
    error.what += f", after {count:,} session{'s' * (count > 1)}"
    error.hint = 'on_error="skip" goes on without it'
    error.locate(position=place.position, line=place.line, column=place.column)
    error.exact = place.exact


def server_error(keys: _Keys, source: str | None) -> NotAnExportError | None:
    """Return the error for a saved error response; None for everything else."""
    inner = keys.get("result")
    value = keys.get("error", inner.get("error") if isinstance(inner, dict) else None)
    if not isinstance(value, dict):
        return None
    words = [printable(str(value[key]), _LONGEST_WORDS) for key in ("code", "message", "type") if key in value]
    return NotAnExportError(
        f"expected a session export, got an error response: {' '.join(words)}",
        source=source,
        hint="export again when its cause is gone",
    )
