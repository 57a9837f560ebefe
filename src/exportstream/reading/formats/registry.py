"""The formats of logs and chats, one on each line."""

from __future__ import annotations

from functools import partial

from exportstream.reading.formats import InputFormat
from exportstream.reading.formats.chats.chatgpt import CHATGPT
from exportstream.reading.formats.chats.claude_ai import CLAUDE_AI
from exportstream.reading.formats.chats.opencode import OPENCODE
from exportstream.reading.formats.chats.reader import ChatReader
from exportstream.reading.formats.chats.recognise import is_chatgpt, is_claude_ai, is_opencode
from exportstream.reading.formats.claude_code.reader import TranscriptReader
from exportstream.reading.formats.claude_code.recognise import is_transcript
from exportstream.reading.formats.claude_code.session import PRODUCER as CLAUDE_CODE
from exportstream.reading.formats.codex.reader import RolloutReader
from exportstream.reading.formats.codex.recognise import is_rollout
from exportstream.reading.formats.codex.session import PRODUCER as CODEX

LOG_FORMATS = (
    InputFormat(CODEX, is_rollout, RolloutReader),
    InputFormat(CLAUDE_CODE, is_transcript, TranscriptReader),
    InputFormat(CHATGPT.producer, is_chatgpt, partial(ChatReader, CHATGPT), is_log=False),
    InputFormat(CLAUDE_AI.producer, is_claude_ai, partial(ChatReader, CLAUDE_AI), is_log=False),
    InputFormat(OPENCODE.producer, is_opencode, partial(ChatReader, OPENCODE), is_log=False),
)


def recognise(head: bytes) -> InputFormat | None:
    """The format of an input of these first bytes; None if it is none of these."""
    return next((one for one in LOG_FORMATS if one.recognise(head)), None)
