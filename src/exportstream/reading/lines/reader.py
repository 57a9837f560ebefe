"""Reads a log of JSON lines: what is the same for the logs of every program.

Takes: a `Reader` of decompressed bytes. Returns: what was read since the last time, as a `Batch`.
Raises: the errors of a line that is refused (or passes it to `reject`), `LimitError`, and those of the `Reader`.
Holds: one block of lines, what the session holds, and the last few thousand ids.

Records that become no row are counted with their bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from exportstream.errors import (
    CompressionError,
    CutInputError,
    ExportstreamError,
    InputError,
    InvalidMessageError,
    JSONSyntaxError,
    json_kind,
)
from exportstream.models.notes import Notes, Records, Reject
from exportstream.models.structs import Message, Session
from exportstream.reading.json.buffer import Reader
from exportstream.reading.json.damage import end_of_piece
from exportstream.reading.lines.records import Record, decode_run, decode_value, decode_whole_run, locate_exactly
from exportstream.reading.lines.runs import Lines, Run, Skip
from exportstream.reading.lines.session import LogSession, require_room
from exportstream.storage.source import Source
from exportstream.totals.batch import Batch, SessionEnd
from exportstream.totals.copies import counted
from exportstream.totals.seen import Seen

_REMEMBERED_IDS = 4096
_BATCH = 1 << 19  # bytes of lines: what comes of fewer is not worth the steps that each batch takes

_S = TypeVar("_S", bound=LogSession)


class LineReader(ABC, Generic[_S]):
    """Reads one log. A subclass knows the records of its program.

    Args:
        source: name of the input.
        reject: takes lines that are refused, and the incomplete one where the input is cut; None stops there.
        watch_repeats: whether ids that came before are counted.
        max_line: bytes of the longest line taken, and of the largest response.

    Attributes:
        producer: the name of the program.
        decoder: of one line, as far as it tells what to do with it.
        run_decoders: of the lines of a run, as far as usual ones need no second look; the first that takes all is used.
        short_decoder: of the lines of a run, where only figures are wanted; None for `run_decoders`.
        skip: lines that are passed over.
        payload: JSON path of what `_decode` decodes.
        within: whether the last session is not complete yet.
        All others are those of a `JoinedReader`.
    """

    producer: ClassVar[str]
    decoder: ClassVar[Any]
    run_decoders: ClassVar[Sequence[Any]] = ()
    short_decoder: ClassVar[Any] = None
    skip: ClassVar[Skip | None] = None
    payload: ClassVar[str] = "$"

    def __init__(self, source: str, reject: Callable[[Reject], None] | None, *, watch_repeats: bool, max_line: int) -> None:
        self.number = self.accepted = 0
        self.within = False
        self.notes = Notes()
        self.is_cut = False
        self.on_replaced: Callable[[int | None, int], None] | None = None
        self.figures_only = False
        self.known: Container[str | bytes] | None = None
        self.keys: set[str | bytes] = set()
        self.parts: Iterable[Source] = ()
        self._in_parts: set[str | None] = set()  # ids in further files, as far as `look` takes note of them
        self._source, self._reject = source, reject
        self._watch_repeats = watch_repeats
        self._ids = Seen(_REMEMBERED_IDS)
        self._limit = max_line
        self._current: _S | None = None
        self._counted: dict[str | None, Records] = {}  # records that become no row, since the last `take`
        self._replaced = 0  # halves of surrogate pairs in the line that is being read
        self._messages: list[Message] = []
        self._positions: list[int | None] = []  # of the messages
        self._position = 0  # of the line that is being read
        self._ends: list[SessionEnd] = []
        self._gathered = 0  # bytes of runs, since a batch was offered

    @abstractmethod
    def _new_session(self) -> _S:
        """Make a session."""

    @abstractmethod
    def _read_line(self, line: Any, raw: bytes) -> None:
        """Take a line: as `decoder` decoded it, and its bytes.

        Raises:
            InputError: it is refused.
        """

    def _take_usual(self, lines: Iterator[tuple[Any, bytes, int]]) -> Iterator[tuple[Any, bytes, int]]:
        """Take lines as far as it can be done in few steps, and yield the others."""
        return lines

    @property
    def session(self) -> Session | None:
        """The session being read, or the last one; None before the first."""
        return self._current.session if self._current is not None else None

    def look(self, part: Source) -> Iterator[None]:
        """Take note of what a further file of the input has, before all others are read."""
        del part
        yield

    def read(self, reader: Reader) -> Iterator[None]:
        """Read the input, and then its further files; after each step `take` has what it brought."""
        yield from self._read_lines(reader)
        for part in self.parts:
            self._source = part.name
            self._begin_part()
            yield from self._read_lines(part)
        self._end_session()
        yield

    def _begin_part(self) -> None:
        """Begin a further file of the input."""

    def take(self) -> Batch | None:
        """Return what was read since the last time; None if that is nothing."""
        self._collect()
        for kind, records in self._counted.items():
            self.notes.add_records(kind if kind is not None else "without a type", records)
        self._counted.clear()
        if not (self._messages or self._ends):
            return None
        batch = Batch(self._messages, self._ends, positions=self._positions)
        self._messages, self._ends, self._positions = [], [], []
        return batch

    def explain(self, error: ExportstreamError) -> ExportstreamError:
        """Add to an error what is known of the session."""
        error.locate(source=self._source, session_id=self.session.id if self.session is not None else None)
        return error

    def _read_lines(self, reader: Reader) -> Iterator[None]:
        """Read all lines of an input."""
        lines = Lines(reader, skip=self.skip, max_line=self._limit)
        try:
            for run in lines:
                if run is not None:
                    yield from self._read_run(run)
                    self._gathered += len(run.data)
                if run is None or self._gathered >= _BATCH:
                    self._gathered = 0
                    yield
        except ExportstreamError as error:
            error.locate(position=lines.position)
            cut = isinstance(error, (CutInputError, CompressionError))
            self.is_cut = cut and self._reject is not None and self.number > 0
            if not self.is_cut:
                if self._current is not None:
                    self._current.finish()
                raise
            self._reject_damage(lines.position, lines.take_rest(), error)
        finally:
            if self.skip is not None and lines.skipped.count:
                self.notes.add_records(self.skip.kind, lines.skipped)

    def _read_run(self, run: Run) -> Iterator[None]:
        short = self.short_decoder if self.figures_only else None
        found = decode_whole_run(run, self.run_decoders or (self.decoder,), self._limit, short)
        if found is None:
            yield from self._read_one_by_one(run)
            return
        for value, line, position in self._take_usual(found):
            self._position = position
            try:
                self._read_line(value, line)
                require_room(self._current, self._limit)
            except InputError as error:
                self._refuse(error, Record(value, line, position))
            if self._ends:
                yield

    def _read_one_by_one(self, run: Run) -> Iterator[None]:
        for record in decode_run(run, self.decoder, self._limit):
            if record.nuls:
                self.notes.add_records("NUL bytes", Records(1, record.nuls))
            self._replaced, self._position = record.replaced, record.position
            try:
                if record.error is not None:
                    raise record.error
                if record.value is not None:
                    self._read_line(record.value, record.line)
                    require_room(self._current, self._limit)
            except InputError as error:
                if run.is_torn and isinstance(error, JSONSyntaxError):
                    self.notes.torn += len(record.line)
                else:
                    self._refuse(error, record)
            self._replaced = 0
            if self._ends:
                yield

    def _refuse(self, error: InputError, record: Record) -> None:
        """Pass on a line that is refused, or stop."""
        current = self._current
        session_id, index = (current.session.id, current.index) if current is not None else (None, 0)
        error.locate(message_index=index, position=record.position)
        error.exact = True
        if current is not None and current.held > self._limit:
            raise error
        if self._reject is None:
            if isinstance(error, JSONSyntaxError):
                locate_exactly(error, record.line, record.position)
            error.hint = error.hint or 'on_error="skip" goes on without the line'
            raise error
        try:
            value = decode_value(record.line)[0]
        except JSONSyntaxError:
            self._reject_damage(record.position, record.line, error)
            return
        except InputError:
            value = record.line.removesuffix(b"\n").decode("utf-8", "replace")
        self.notes.rejected += 1
        place = self._source, session_id, index, record.position
        self._reject(Reject(*place, error.path, error.what, value, producer=self.producer))

    def _reject_damage(self, position: int, data: bytes, error: ExportstreamError) -> None:
        """Pass on bytes that are not JSON, in pieces."""
        self.notes.damaged += 1
        self.notes.damaged_bytes += len(data)
        current, start, end = self._current, 0, -1
        session_id, index = (current.session.id, current.index) if current is not None else (None, None)
        while self._reject is not None and end < len(data):
            end = end_of_piece(data, start, len(data))
            place = self._source, session_id, index, position + start
            self._reject(Reject(*place, None, error.what, None, data[start:end], damaged=True, producer=self.producer))
            start = end

    def _decode(self, data: Any) -> dict[str, Any]:
        """Decode a JSON object of the line being read.

        Raises:
            InvalidMessageError: it is another value.
        """
        value, more = decode_value(data)
        replaced = max(self._replaced, more)  # of the whole line, or of a part that had them
        if not isinstance(value, dict):
            raise InvalidMessageError(f"expected object, got {json_kind(value)}", path=self.payload)
        if replaced:
            self.notes.replaced_surrogates += replaced
            if self.on_replaced is not None:
                self.on_replaced(self._current.index if self._current is not None else None, replaced)
        return value

    def _count(self, kind: str | None, raw: bytes) -> None:
        """Count a record that becomes no row."""
        records = self._counted.setdefault(kind, Records())
        records.count += 1
        records.bytes += len(raw)

    def _begin(self) -> _S:
        """Return the session being read, and begin one if there is none."""
        if self._current is None or not self.within:
            self._current = self._new_session()
            self._ids = Seen(_REMEMBERED_IDS)
            self.within = True
            self.number += 1
        self._current.line = self._position
        return self._current

    def _end_session(self) -> None:
        if self._current is not None and self.within:
            session = self._current.finish()
            self._collect()
            self._ends.append(SessionEnd(session, len(self._messages)))
            self.within = False

    def _collect(self) -> None:
        """Take the complete rows of the session."""
        if self._current is not None and self._current.rows:
            rows, self._current.rows = self._current.rows, []
            self._positions += self._current.positions
            self._current.positions = []
            self.accepted += len(rows)
            if self._watch_repeats:
                self.notes.repeated_ids += len(self._ids.find_repeats([row.id for row in counted(rows)]))
            self._messages += rows
