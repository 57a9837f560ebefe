"""The formats of logs and chats, one on each line. What reads one is imported only for an input in it."""

from __future__ import annotations

from functools import partial
from importlib import import_module

from exportstream.reading.formats import HEAD, InputFormat, MakeReader
from exportstream.reading.formats.chats import recognise as chats
from exportstream.reading.formats.claude_code import recognise as claude_code
from exportstream.reading.formats.codex import recognise as codex


def _log_reader(of: str, name: str) -> MakeReader:
    make: MakeReader = getattr(import_module(f"{__package__}.{of}.reader"), name)
    return make


def _chat_reader(of: str) -> MakeReader:
    from exportstream.reading.formats.chats.reader import ChatReader  # noqa: PLC0415 - see above

    return partial(ChatReader, import_module(f"{__package__}.chats.{of}").FORMAT)


LOG_FORMATS = (
    InputFormat(codex.PRODUCER, codex.is_rollout, partial(_log_reader, "codex", "RolloutReader")),
    InputFormat(claude_code.PRODUCER, claude_code.is_transcript, partial(_log_reader, "claude_code", "TranscriptReader")),
    InputFormat(chats.CHATGPT, chats.is_chatgpt, partial(_chat_reader, "chatgpt"), is_log=False),
    InputFormat(chats.CLAUDE_AI, chats.is_claude_ai, partial(_chat_reader, "claude_ai"), is_log=False),
    InputFormat(chats.OPENCODE, chats.is_opencode, partial(_chat_reader, "opencode"), is_log=False),
)


def recognise(head: bytes) -> InputFormat | None:
    """The format of an input of these first bytes; None if it is none of these.

    Further bytes than `HEAD` say nothing: a pipe may not have them yet, and the same input has to be of the same format.
    """
    head = head[:HEAD]
    return next((one for one in LOG_FORMATS if one.recognise(head)), None)
