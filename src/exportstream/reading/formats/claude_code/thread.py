"""One agent of a session: the main one, or a sub-agent. Its records follow each other, whatever others do meanwhile.

Takes: records. Yields: rows, in their order. Raises: `InvalidMessageError` for a record with a known field of another type.
Holds: one response, until the next one begins, and up to 1 MiB of what came after its records meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exportstream.models.structs import Message
from exportstream.reading.formats.claude_code.blocks import Result, attachment, is_result, read_result, without_base64
from exportstream.reading.formats.claude_code.response import Entry, Response
from exportstream.reading.formats.claude_code.short import ShortEmbedded, ShortLine, ShortMessage
from exportstream.reading.formats.content import TEXT_TYPES, Block, Content, read_content

_LARGEST_PENDING = 1 << 20  # bytes of messages that wait for the end of a response


class Thread:
    """The records of one agent.

    Args:
        agent: its id, None for the main one.
        emit: takes each row, and the position of its first line.
        join: takes the id of a record whose results were joined to their calls.

    Attributes:
        agent: as given.
        last_id: id of the last row, None before the first.
        line: the position of the line that is being read.
    """

    def __init__(self, agent: str | None, emit: Callable[[Message, int | None], None], join: Callable[[str], None]) -> None:
        self.agent = agent
        self.last_id: str | None = None
        self.line: int | None = None
        self._emit = emit
        self._join = join
        self._response: Response | None = None
        self._response_line: int | None = None
        self._pending: list[tuple[Message, int | None]] = []  # rows that come after the response
        self._pending_size = 0

    @property
    def held(self) -> int:
        """Bytes of the response that is being read."""
        return self._response.held if self._response is not None else 0

    def add(self, entry: Entry, size: int) -> str | None:
        """Add a record; return the id of the row that it belongs to."""
        self.last_id = self._add(entry, size) or self.last_id
        return self.last_id

    def _add(self, entry: Entry, size: int) -> str | None:
        if entry.role != "assistant":
            return self._add_words(entry, size)
        response = self._response
        if response is None or entry.id is None or response.id != entry.id:
            response = Response(entry.id or entry.uuid or "", entry.role, entry.time, entry.parent)
            response.add(entry)
            self.flush()
            self._response, self._response_line = response, self.line
        else:
            response.add(entry)
        response.held += size
        return response.id

    def add_short(self, line: ShortLine | ShortEmbedded, message: ShortMessage, blocks: list[Block], size: int) -> int:
        """Add a record of a response, of which only figures are wanted; return the bytes that the response holds."""
        response = self._response
        if response is None or not message.id or response.id != message.id:
            self.flush()
            self._response = response = Response(message.id or line.uuid or "", "assistant", line.timestamp)
            response.is_short = True
            self._response_line = self.line
            self.last_id = response.id or self.last_id
        response.add_short(line, message, blocks)
        response.held += size
        return response.held

    def end_calls(self, line: ShortLine | ShortEmbedded, results: list[Block], size: int) -> bool:
        """Take results of tools, of which only figures are wanted; return False if not all of their calls wait for them."""
        response = self._response
        if response is None or not response.end_calls(results, line.timestamp):
            return False
        response.held += size
        if line.uuid is not None:
            self._join(line.uuid)
        return True

    def add_words(self, line: ShortLine | ShortEmbedded, role: str, content: str | list[Block] | None, size: int) -> None:
        """Add a message that no model wrote, of which only figures are wanted."""
        if isinstance(content, list):
            content = "\n".join([block.text for block in content if block.type in TEXT_TYPES and block.text is not None])
        time, row_id = line.timestamp, line.uuid or ""
        self.last_id = row_id or self.last_id
        self.add_row(Message(id=row_id, role=role, content=content or "", created_at=time, updated_at=time), size)

    def add_row(self, row: Message, size: int) -> None:
        """Add a row that comes after the response."""
        row.agent_id = self.agent
        if self._response is None:
            self._emit(row, self.line)
            return
        self._pending.append((row, self.line))
        self._pending_size += size
        if self._pending_size > _LARGEST_PENDING:
            self.flush()

    def flush(self) -> None:
        """Complete the response, and the rows that came meanwhile."""
        response, self._response = self._response, None
        if response is not None:
            row = response.message()
            row.agent_id = self.agent
            self._emit(row, self._response_line)
        pending, self._pending, self._pending_size = self._pending, [], 0
        for row, line in pending:
            self._emit(row, line)

    def _add_words(self, entry: Entry, size: int) -> str | None:
        """Add what a user says, and results of tools: they are joined to their calls if these wait for them."""
        blocks = entry.blocks
        given = [block for block in blocks if _is_result(block)]
        structured = entry.record.get("toolUseResult")
        results = [read_result(block, structured if len(given) == 1 else None) for block in given]
        response = self._response
        late = [
            _late_result(entry, result)
            for result in results
            if response is None or not response.add_result(result, entry.time)
        ]
        if response is not None and len(late) < len(results):
            response.held += size
        words = len(given) < len(blocks) or not given
        rows = [*late, _user_message(entry, blocks, structured if len(given) != 1 else None)] if words else late
        if not rows:
            if entry.uuid is not None:
                self._join(entry.uuid)
            return self._response.id if self._response is not None else None
        for number, row in enumerate(rows):
            row.id = "" if entry.uuid is None else f"{entry.uuid}:{number}" if number else entry.uuid
            self.add_row(row, 0 if number else size)
        return rows[0].id or None


def _late_result(entry: Entry, result: Result) -> Message:
    """Return the row of a result whose call is not known, or belongs to a response that is over."""
    known = {"tool_use_id": result.call_id, "is_error": result.is_error}
    extra = {key: value for key, value in known.items() if value is not None} | entry.extra | result.extra
    return _row(entry, "tool", result.content, extra)


def _user_message(entry: Entry, blocks: list[Any], structured: Any) -> Message:
    """Return the row of a message that no model wrote."""
    content = read_content([block for block in blocks if not _is_result(block)], attachment)
    extra = entry.extra
    if content.rest:
        extra["content"] = content.rest
    if structured is not None:
        extra["toolUseResult"] = without_base64(structured)
    return _row(entry, entry.role, content, extra)


def _row(entry: Entry, role: str, content: Content, extra: dict[str, Any]) -> Message:
    return Message(
        id="",
        role=role,
        content="\n".join(content.texts),
        created_at=entry.time,
        updated_at=entry.time,
        attachments=content.attachments or None,
        extra=extra or None,
        parent_id=entry.parent,
    )


def _is_result(block: Any) -> bool:
    return isinstance(block, dict) and is_result(block.get("type"))
