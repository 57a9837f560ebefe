"""The records of a rollout, as far as they are needed.

An item of which only figures are wanted has what totals need, and the texts of messages. It gives the same figures as the
whole one, in less time; the tests compare both ways.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType

from exportstream.reading.formats.codex.usage import Info
from exportstream.reading.formats.content import TEXT_TYPES


class Part(Struct, gc=False):
    """A part of a content."""

    type: str | None = None
    text: str | None = None


class Exit(Struct, gc=False):
    """What an event says of how a call ended."""

    call_id: Any = None
    id: Any = None
    exit_code: Any = None


class TurnContext(Struct, gc=False):
    """What is needed of a `turn_context`."""

    turn_id: Any = None
    model: Any = None
    effort: Any = None


class Event(Struct, gc=False):
    """What is needed of an event or a `turn_context`, without the texts that they repeat."""

    type: str = "without a type"
    turn_id: Any = None
    model: Any = None
    effort: Any = None
    info: Info | None = None
    call_id: Any = None
    id: Any = None
    exit_code: Any = None
    item: Exit | None = None


class ShortItem(Event, gc=False):
    """An event or a `turn_context`, or an item of which only figures are wanted. One with other ids is read in full."""

    id: str | None = None
    role: Any = None
    name: Any = None
    content: str | list[Part] | None = None
    arguments: Raw | UnsetType = UNSET
    encrypted_content: Raw | UnsetType = UNSET
    call_id: str | None = None
    output: Raw | UnsetType = UNSET
    status: Any = None

    @property
    def texts(self) -> list[str]:
        """The texts of its content."""
        content = self.content
        if isinstance(content, str):
            return [content]
        return [part.text for part in content or () if part.type in TEXT_TYPES and part.text is not None]
