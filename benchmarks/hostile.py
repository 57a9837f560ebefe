r"""Write small exports that make a careless reader slow: ``python -m benchmarks --shape hostile``.

Each shape is a valid export, of 1 to 4 MB (white space: 32 MB), or of the size asked for if that is less. No shape may
take more than `LIMIT` times the CPU seconds per MB of ``hostile-plain``. ``hostile-empty`` has no messages: its time is
that of the start, and is taken off all others.

============== =======================================================================================
plain          small messages, the measure of all others
surrogates     half surrogate pairs in the text of one message; ``-each``: one in every message
space-bracket  white space after the ``[`` of the messages; ``-key``: after the key ``"messages":``
session-keys   many unknown keys of one session
sessions       sessions of one message, one per line; ``-array``: as an array
backslashes    one text of escaped backslashes, after a quote that seems to be escaped
digits         a number of 4,300 digits in every message
transcript     a list of things that begin like messages in every message, as in a tool's input
escaped-key    one key of a session, all escapes
fake-messages  many objects ``{"messages":[]}`` in one message
============== =======================================================================================
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIMIT = 20  # times the seconds per MB of the plain shape
TIMEOUT = 60  # seconds
MB = 1_000_000

_DATES = '"createdAt":"2026-01-05T09:00:07Z","updatedAt":"2026-01-05T09:00:07Z"'


def _message(number: int, more: str = "", content: str = "c") -> str:
    return f'{{"id":"m{number}","role":"user","content":"{content}",{_DATES}{more}}}'


def _session(messages: str, number: int = 0, more: str = "") -> str:
    return f'{{"id":"s{number}","title":"t"{more},"messages":[{messages}]}}'


def _messages(size: int, more: str = "", content: str = "c") -> str:
    one = len(_message(0, more, content))
    return ",".join(_message(number, more, content) for number in range(max(1, size // one)))


def _one_message_each(size: int) -> list[str]:
    count = max(1, size // len(_session(_message(0))))
    return [_session(_message(0), number) for number in range(count)]


def _repeat(text: str, size: int, between: str = "") -> str:
    return between.join([text] * max(1, size // (len(text) + len(between))))


def _session_keys(size: int) -> str:
    return _session(_message(0), more="".join(f',"k{number}":1' for number in range(max(1, size // 11))))


def _transcript(size: int) -> str:
    likes = _repeat('{"id":"a","role":"b"}', 2200, ",")
    return _session(_messages(size, f',"x":[{likes}]'))


_HALF = "\\ud800"
_SHAPES: dict[str, tuple[int, Callable[[int], str]]] = {  # the most bytes, and what makes about as many
    "hostile-empty": (0, lambda _size: _session("")),
    "hostile-plain": (20 * MB, lambda size: _session(_messages(size))),
    "hostile-surrogates": (MB, lambda size: _session(_message(0, content=_repeat(_HALF, size)))),
    "hostile-surrogates-each": (2 * MB, lambda size: _session(_messages(size, content=_HALF))),
    "hostile-space-bracket": (32 * MB, lambda size: _session(" " * size + _message(0))),
    "hostile-space-key": (32 * MB, lambda size: _session(_message(0)).replace('"messages":', '"messages":' + " " * size)),
    "hostile-session-keys": (MB, _session_keys),
    "hostile-sessions": (2 * MB, lambda size: "\n".join(_one_message_each(size))),
    "hostile-sessions-array": (2 * MB, lambda size: f"[{','.join(_one_message_each(size))}]"),
    "hostile-backslashes": (4 * MB, lambda size: _session(_message(0, content='\\\\\\"' + _repeat("\\\\", size)))),
    "hostile-digits": (4 * MB, lambda size: _session(_messages(size, ',"x":' + "1" * 4300))),
    "hostile-transcript": (4 * MB, _transcript),
    "hostile-escaped-key": (4 * MB, lambda size: _session(_message(0), more=f',"{_repeat(chr(92) + "n", size)}":1')),
    "hostile-fake-messages": (2 * MB, lambda size: _session(_message(0, f',"x":[{_repeat(_FAKE, size, ",")}]'))),
}
_FAKE = '{"messages":[]}'
HOSTILE = tuple(_SHAPES)


def generate_hostile(shape: str, size: int, out: Path) -> None:
    """Write one of `HOSTILE` of about `size` bytes, or of its own size if that is less."""
    most, make = _SHAPES[shape]
    out.write_text(make(min(size, most)), encoding="utf-8")


def count_hostile(source: Path) -> int:
    """Count the messages of a file, which it holds in memory."""
    text, at, count = source.read_text(encoding="utf-8"), 0, 0
    decoder = json.JSONDecoder()
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        count += sum(len(session["messages"]) for session in (value if isinstance(value, list) else [value]))
        at += text[at : at + 1] == "\n"
    return count
