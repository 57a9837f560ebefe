"""Recognises exports of chats by the keys of their first object, whatever their order.

Takes: the first bytes of an input. Returns: whether they are of a format. Raises: nothing. Holds: nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from exportstream.errors.patterns import late_pattern

CHATGPT, CLAUDE_AI, OPENCODE = "chatgpt", "claude-ai", "opencode"  # producers

_TOKEN = late_pattern(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)(?:"([ \t\r\n]*+:)?|\\?\Z)|([\[{])|[\]}]', re.DOTALL)
_LINES = late_pattern(rb"\A(?:[ \t\r]*+[^\s{\[<][^\n]{0,500}+\n|[ \t\r]*\n){1,20}")  # of text
_SPACE = b" \t\r\n"


def is_chatgpt(head: bytes) -> bool:
    """Whether an input of these first bytes is an export of ChatGPT."""
    if b'"mapping"' not in head and b'"current_node"' not in head:
        return False
    return is_chatgpt_conversation({key.decode("utf-8", "replace") for key in _first_keys(head)})


def is_chatgpt_conversation(keys: Collection[str]) -> bool:
    """Whether an object with these keys is a conversation of ChatGPT."""
    return "messages" not in keys and ("mapping" in keys or {"conversation_id", "current_node"} <= set(keys))


def is_claude_ai_conversation(keys: Collection[str]) -> bool:
    """Whether an object with these keys is a conversation of claude.ai."""
    return "chat_messages" in keys


def is_opencode_session(keys: Collection[str]) -> bool:
    """Whether an object with these keys is a session of opencode."""
    return {"info", "messages"} <= set(keys)


def is_claude_ai(head: bytes) -> bool:
    """Whether an input of these first bytes is an export of claude.ai."""
    return b'"chat_messages"' in head and b"chat_messages" in _first_keys(head)


def is_opencode(head: bytes) -> bool:
    """Whether an input of these first bytes is a session of opencode; a line of text may come before it."""
    if b'"info"' not in head:
        return False
    keys = _first_keys(_LINES.sub(b"", head, count=1))
    if b"messages" in keys and not keys.isdisjoint({b"messages.info", b"messages.parts"}):
        return True
    return b"info" in keys and keys <= {b"info", b"messages"}


def _first_keys(head: bytes) -> set[bytes]:
    """The keys of the first object, as far as they are there, and those of the first of its `messages`, after a point."""
    head = head.lstrip(_SPACE)
    base = int(head.startswith(b"["))
    keys: set[bytes] = set()
    around: list[bytes] = []  # of each bracket that is open, the last key in it
    if not head[base:].lstrip(_SPACE).startswith(b"{"):
        return keys
    for token in _TOKEN.finditer(head):
        text, is_key, opening = token.groups()
        if opening is not None:
            around.append(b"")
        elif text is None:
            around.pop()
            if len(around) <= base:
                break
        elif is_key is not None:
            around[-1] = text
            if len(around) == base + 1:
                keys.add(text)
            elif len(around) == base + 3 and around[base:-1] == [b"messages", b""]:
                keys.add(b"messages." + text)
    return keys
