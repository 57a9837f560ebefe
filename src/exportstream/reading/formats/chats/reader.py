"""Reads exports of chats, whose conversations are sessions: one row for each message.

Takes: a `Reader` of decompressed bytes. Returns: what was read since the last time, as a `Batch`.
Raises: `InvalidMessageError` for a message or conversation that is none, and what `Elements` raises; with `reject`, it gets
such messages and damaged bytes instead, and the error of the damage is raised only if nothing else is there.
Holds: one conversation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec

from exportstream.errors import (
    CutInputError,
    ExportstreamError,
    InputError,
    InvalidMessageError,
    JSONSyntaxError,
    NotAnExportError,
)
from exportstream.models.notes import Notes, Records, Reject
from exportstream.models.structs import Message, Session
from exportstream.reading.formats.chats import ChatFormat, Conversation, Refused
from exportstream.reading.formats.session_runs import Done
from exportstream.reading.json.ahead import Ahead
from exportstream.reading.json.beyond_msgspec import value_is_deeper
from exportstream.reading.json.buffer import Reader
from exportstream.reading.json.elements import AheadElements, Element, Elements
from exportstream.reading.json.next_element import KnownElements
from exportstream.reading.limits import MAX_DEPTH, too_deep
from exportstream.storage.source import Source
from exportstream.totals.batch import Batch, SessionEnd

_ROWS = 1000  # of a batch
_BYTES = 1 << 18  # of conversations that are passed on together


class ChatReader:
    """Reads one input; see `ReaderOfRuns` for its attributes.

    Args:
        format_: of the input.
        source: name of the input.
        reject: takes messages that are refused; None stops at the first one.
        watch_repeats: whether ids that came before are counted.
        max_line: bytes of the largest conversation taken.
    """

    def __init__(
        self,
        format_: ChatFormat,
        source: str,
        reject: Callable[[Reject], None] | None,
        /,
        *,
        watch_repeats: bool,
        max_line: int,
    ) -> None:
        self.number = self.accepted = 0
        self.notes = Notes()
        self.is_cut = self.figures_only = False
        self.elements: KnownElements | None = None
        self.on_replaced: Callable[[int | None, int], None] | None = None
        self.session: Session | None = None
        self._format = format_
        self._source = source
        self._reject = reject
        self._watch_repeats = watch_repeats
        self._limit = max_line
        self._batch: Batch | None = None
        self._complete = 0  # conversations
        self._damage: InputError | None = None  # the last one
        self._file: Source | None = None
        self._ahead: Ahead | None = None
        self._pending = Batch([], [])  # small conversations, which are passed on together
        self._pending_bytes = 0

    def read(self, reader: Reader) -> Iterator[None]:
        """Read the input; after each step `take` has what it brought."""
        decode = partial(self._format.decode, figures_only=self.figures_only)
        limit, skip = self._limit, self._format.begins_with_lines
        if self._file is not None and self._ahead is not None:
            elements: Elements = AheadElements(self._file, self._ahead, limit=limit, skip=skip, decode=decode)
        else:
            elements = Elements(reader, limit=limit, skip=skip, decode=decode)
        if self._reject is not None:
            elements.go_on_after_damage(self._format.keys, self._format.is_conversation, self._reject_damage)
            self.elements = elements.known
        else:
            elements.known = self.elements
        try:
            for element in elements:
                run = element.value
                for batch in self._read_elsewhere(run) if isinstance(run, Done) else self._read_one(element):
                    self._batch = batch
                    yield
            self._batch = self._take_pending()
            yield
            if self._damage is not None and not self._complete:
                raise self._damage
            self.is_cut = self._damage is not None and not isinstance(self._damage, (JSONSyntaxError, NotAnExportError))
        except ExportstreamError as error:
            self._batch = self._take_pending()  # what came before the error
            error.locate(position=elements.position)
            self._tell_conversation(error, within=elements.within)
            raise
        finally:
            if elements.skipped:
                self.notes.add_records("lines before the JSON", Records(1, elements.skipped))

    def pass_over(self, file: Source, ahead: Ahead, /) -> None:
        """Pass over runs of conversations that are read ahead, in a file that is read from its beginning."""
        self._file, self._ahead = file, ahead

    def take(self) -> Batch | None:
        """Return what was read since the last time; None if that is nothing."""
        batch, self._batch = self._batch, None
        return batch

    def explain(self, error: ExportstreamError) -> ExportstreamError:
        """Add to an error what is known of the input."""
        error.locate(source=self._source)
        if isinstance(error, CutInputError):
            error.hint = error.hint or self._format.cut_hint or 'on_error="skip" keeps the complete conversations'
        elif isinstance(error, JSONSyntaxError) or (isinstance(error, NotAnExportError) and self.accepted):
            next_step = 'on_error="skip" goes on after the damage' if self._reject is None else "export it again"
            error.hint = error.hint or next_step
        return error

    def _tell_conversation(self, error: ExportstreamError, *, within: bool) -> None:
        """Add to the error of a cut input in which conversation it ends."""
        if isinstance(error, CutInputError) and within:
            error.what += f", inside conversation {self.number}"

    def _reject_damage(self, data: bytes, position: int, error: InputError, *, begins: bool, within: bool) -> None:
        """Pass on damaged bytes; see `NextElement`."""
        assert self._reject is not None
        if begins:
            self._tell_conversation(error, within=within)
            self._damage = error
            self.number += within
        self.notes.damaged += begins
        self.notes.damaged_bytes += len(data)
        self._reject(Reject(self._source, None, None, position, None, error.what, None, data, damaged=True))

    def _read_elsewhere(self, run: Done) -> Iterator[Batch]:
        """Take conversations that were read elsewhere."""
        if (batch := self._take_pending()) is not None:
            yield batch
        self.number += run.worked.sessions
        self._complete += run.worked.sessions
        self.accepted += run.messages
        self.notes.merge(run.notes)
        self.session = run.session
        if self.elements is not None and run.elements is not None:
            self.elements.merge(run.elements)
        yield Batch([], [], worked=run.worked)

    def _read_one(self, element: Element) -> Iterator[Batch]:
        """Make the rows of one conversation."""
        self.number += 1
        try:
            found = element.value if isinstance(element.value, Conversation) else self._format.read(element.value)
        except InvalidMessageError as error:
            self.session = None  # what is told of this one is not the last one's
            self.notes.replaced_surrogates += element.replaced
            if element.replaced and self.on_replaced is not None:
                self.on_replaced(None, element.replaced)
            self._refuse(error, element, None, 0, element.value)
            return
        self._complete += 1
        session = self.session = found.session
        session.producer = self._format.producer
        assert session.id is not None
        self.notes.replaced_surrogates += element.replaced
        _require_shallow([session.extra], element)
        rows: list[Message] = []
        ids: set[str] = set()
        session_id, producer, left, index = session.id, session.producer, element.replaced, 0
        for message in found.messages:
            if isinstance(message, list):
                rows += message
                index += len(message)
            elif isinstance(message, Refused):
                self._refuse(message.error, element, session_id, index, message.value)
                index += 1
            else:
                message.session_id, message.index, message.producer = session_id, index, producer
                rows.append(message)
                index += 1
            if len(rows) >= _ROWS:  # all rows of a large conversation are never held
                if (batch := self._take_pending()) is not None:
                    yield batch
                left = self._note(rows, ids, element, left, found.deep)
                yield Batch(rows, [])
                rows = []
        left = self._note(rows, ids, element, left, found.deep)
        records = {kind: Records(count, 0) for kind, count in found.records.items()}
        self.notes.merge(Notes(records=records))
        if left and self.on_replaced is not None:
            self.on_replaced(None, left)
        self._pending.messages += rows
        self._pending.ends.append(SessionEnd(session, len(self._pending.messages), records=records))
        self._pending_bytes += element.size
        is_alone = self.on_replaced is not None  # what is told meanwhile is of this session
        is_full = len(self._pending.messages) >= _ROWS or self._pending_bytes >= _BYTES
        if (is_alone or is_full) and (batch := self._take_pending()) is not None:
            yield batch

    def _note(self, rows: list[Message], ids: set[str], element: Element, replaced: int, deep: list[Any] | None) -> int:
        """Check some rows of a conversation, and note what they hold; their ids are added to those of the rows before.

        As many halves of surrogate pairs as `replaced` may be in these rows and those that follow; return how many are in
        those. Of `deep`, the values that may be deep, none is left; None if all may be.
        """
        _require_shallow([value for row in rows for value in held_by(row)] if deep is None else deep, element)
        if deep:
            deep.clear()
        self.accepted += len(rows)
        self.notes.without_usage += 0 if self._format.states_usage else len(rows)
        if self._watch_repeats:
            before = len(ids)
            ids.update([row.id for row in rows])
            self.notes.repeated_ids += len(rows) - (len(ids) - before)
        return self._tell_replaced(replaced, rows)

    def _take_pending(self) -> Batch | None:
        """Return the conversations that are complete and were not passed on; None if there are none."""
        batch, self._pending, self._pending_bytes = self._pending, Batch([], []), 0
        return batch if batch.ends else None

    def _tell_replaced(self, count: int, rows: list[Message]) -> int:
        """Tell which of some rows have halves of surrogate pairs that were replaced; return how many are in none of them."""
        if self.on_replaced is None:
            return count
        for row in rows if count else ():
            found = min(count, msgspec.json.encode(row).decode().count("\ufffd"))
            if found:
                self.on_replaced(row.index, found)
                count -= found
        return count

    def _refuse(self, error: InvalidMessageError, element: Element, session_id: str | None, index: int, value: Any) -> None:
        """Pass on a message that is refused, or stop."""
        error.locate(session_id=session_id, message_index=index, position=element.position)
        if self._reject is None:
            error.hint = error.hint or 'on_error="skip" goes on without it'
            raise error
        self.notes.rejected += 1
        # Nobody knows where in a conversation its messages are: they were decoded together.
        own, whole = (element.position, None) if session_id is None else (None, element.position)
        place = (self._source, session_id, index, own, error.path)
        self._reject(Reject(*place, error.what, value, conversation_position=whole))


def _require_shallow(held: list[Any], element: Element) -> None:
    """Raise `LimitError` if a value goes too deep."""
    if value_is_deeper(held, MAX_DEPTH):
        raise too_deep(position=element.position)


def held_by(row: Message) -> list[Any]:
    """The values of a row that may have many levels."""
    calls = [value for call in row.tool_calls for value in (call.input_json, call.extra)] if row.tool_calls else []
    return [row.extra, row.attachments, *calls]
