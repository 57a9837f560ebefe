"""Files of logs that belong together: those of a session's sub-agents.

Takes: names of inputs. Returns: which of them belong together. Raises: nothing. Holds: nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container
from typing import Any

from exportstream.errors import ExportstreamError
from exportstream.errors.patterns import late_pattern
from exportstream.reading.formats import HEAD
from exportstream.reading.formats.claude_code.recognise import PRODUCER
from exportstream.reading.formats.registry import recognise
from exportstream.storage.joined_files import FileWithParts
from exportstream.storage.names import COMPRESSED
from exportstream.storage.source import open_source
from exportstream.storage.zip import split_member

_SUB_AGENT = late_pattern(r"(.*[^/])/subagents/(?:.*/)?agent-[^/]+\.jsonl(?:\.\w+)?", re.DOTALL)
_SUFFIXES = tuple(f".jsonl{suffix}" for suffix in ("", *COMPRESSED))


def files_of(source: str, parts: tuple[str, ...]) -> Any:
    """An input for reading, with its parts."""
    return FileWithParts(source, parts) if parts else source


def owner_of(source: str, others: Container[str]) -> str | None:
    """The file of the session that a file of a sub-agent belongs to, if it is among others; None for every other file."""
    found = _SUB_AGENT.fullmatch(source)
    if found is None:
        return None
    return next((found[1] + suffix for suffix in _SUFFIXES if found[1] + suffix in others), None)


def folder_of_sub_agents(source: str) -> str:
    """The folder that the files of sub-agents are in, if the file is that of a session."""
    stem = next((source.removesuffix(suffix) for suffix in _SUFFIXES if source.endswith(suffix)), source)
    return os.path.join(stem, "subagents")


def size_of(part: str) -> int:
    """Bytes of a part as stored; 0 if it can't be read, since reading will report it."""
    try:
        return os.stat(part).st_size
    except OSError:
        return 0


def is_transcript(path: str) -> bool:
    """Whether a file is a transcript, by its content."""
    if split_member(path) is None and not os.path.isfile(path):
        return False
    try:
        with open_source(path) as source:
            format_ = recognise(source.peek(HEAD))
    except ExportstreamError:  # reading will report it
        return True
    return format_ is not None and format_.producer == PRODUCER
