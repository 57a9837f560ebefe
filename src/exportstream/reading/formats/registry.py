"""The formats of logs and chats, one on each line. What reads one is imported only for an input in it."""

from __future__ import annotations

from functools import partial

from exportstream.reading.formats import HEAD, InputFormat, MakeReader
from exportstream.reading.formats.chats import recognise as chats
from exportstream.reading.formats.claude_code import recognise as claude_code
from exportstream.reading.formats.codex import recognise as codex


def _load_codex() -> MakeReader:
    from exportstream.reading.formats.codex.reader import RolloutReader  # noqa: PLC0415 - see above

    return RolloutReader


def _load_claude_code() -> MakeReader:
    from exportstream.reading.formats.claude_code.reader import TranscriptReader  # noqa: PLC0415 - see above

    return TranscriptReader


def _load_chatgpt() -> MakeReader:
    from exportstream.reading.formats.chats.chatgpt import FORMAT  # noqa: PLC0415 - see above
    from exportstream.reading.formats.chats.reader import ChatReader  # noqa: PLC0415 - see above

    return partial(ChatReader, FORMAT)


def _load_claude_ai() -> MakeReader:
    from exportstream.reading.formats.chats.claude_ai import FORMAT  # noqa: PLC0415 - see above
    from exportstream.reading.formats.chats.reader import ChatReader  # noqa: PLC0415 - see above

    return partial(ChatReader, FORMAT)


def _load_opencode() -> MakeReader:
    from exportstream.reading.formats.chats.opencode import FORMAT  # noqa: PLC0415 - see above
    from exportstream.reading.formats.chats.reader import ChatReader  # noqa: PLC0415 - see above

    return partial(ChatReader, FORMAT)


LOG_FORMATS = (
    InputFormat(codex.PRODUCER, codex.is_rollout, _load_codex),
    InputFormat(claude_code.PRODUCER, claude_code.is_transcript, _load_claude_code),
    InputFormat(chats.CHATGPT, chats.is_chatgpt, _load_chatgpt, is_log=False, has_runs=True),
    InputFormat(chats.CLAUDE_AI, chats.is_claude_ai, _load_claude_ai, is_log=False, has_runs=True),
    InputFormat(chats.OPENCODE, chats.is_opencode, _load_opencode, is_log=False),
)


def recognise(head: bytes) -> InputFormat | None:
    """The format of an input of these first bytes; None if it is none of these.

    Further bytes than `HEAD` say nothing: a pipe may not have them yet, and the same input has to be of the same format.
    """
    head = head[:HEAD]
    return next((one for one in LOG_FORMATS if one.recognise(head)), None)
