"""Reads a run of whole messages or sessions apart from the rest of its input, as another process does.

Takes: a `Run`, and what is done with its messages. Returns: a `Done`, which says how far it was read.
Raises: nothing for bad input: what is refused here is for the process that reads the input to meet again, and to report.
Holds: one block and what it decodes to, and the ids of the run's messages.

How it works: a run begins where a message (or session) is known or expected to begin, and a comma (or line feed) follows it.
Messages are decoded as by `json.blocks`, so what is accepted *is* a run of whole messages, and the next run begins where one
is expected to. Sessions are read as an input of their own: between two sessions a reading is in the same state as at its
beginning, so it goes the same way; those of an array are read as an array.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from threading import local
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from exportstream.errors import ExportstreamError, LimitError
from exportstream.reading.counter import Counter
from exportstream.reading.formats import FormatReader, ReaderOfRuns
from exportstream.reading.formats.registry import LOG_FORMATS
from exportstream.reading.formats.session_export import SessionReader
from exportstream.reading.formats.session_runs import Done
from exportstream.reading.json.blocks import BLOCK, LARGEST_BLOCK, Blocks
from exportstream.reading.json.buffer import Buffer, Reader
from exportstream.reading.json.decoder import MessageDecoder
from exportstream.reading.json.stream import Stream
from exportstream.reading.options import ReadOptions
from exportstream.reading.price_lists import load_prices
from exportstream.storage.stretch import HeldStretch, Stretch
from exportstream.totals.batch import Batch, Worked
from exportstream.totals.figures import HUGE
from exportstream.totals.prices import Prices
from exportstream.totals.seen import short_keys

_EXTREME = "a cost is so large or small that only the sum of all can tell whether it is one too many"


class Work(Protocol):
    """What is done with the messages of a run.

    Attributes:
        by_session: whether ends of whole sessions get the totals of their sessions.
        skips_replaced: whether messages with halves of surrogate pairs are taken like others.
    """

    by_session: bool
    skips_replaced: bool

    def add(self, batch: Batch, prices: Prices | None, /) -> None:
        """Take messages; those of a session that goes on are numbered from `Run.first` on."""

    def finish(self) -> Any:
        """Return what was made of them; it is sent to the process that reads the input."""


class Run(Struct, frozen=True):
    """A stretch of a file, decompressed, that seems to be whole messages of one session, or whole sessions.

    Attributes:
        path: of the file.
        identity: what it was when it was opened.
        source: the input's name.
        start: position of the first byte.
        end: position of the separator after the run: of a comma or of a line feed.
        options: how the input is read.
        session_id: the session of the messages; None for whole sessions.
        in_array: whether whole sessions are elements of an array.
        depth: levels that a message may have.
        first: the number that its first message gets.
        wants_ids: whether the ids of messages are wanted, for those that come again.
        producer: of the chats whose conversations they are; None for sessions.
        figures_only: of these, whether only figures are wanted.
    """

    path: str
    identity: tuple[int, ...]
    source: str
    start: int
    end: int
    options: ReadOptions
    session_id: str | None = None
    in_array: bool = False
    depth: int = 0
    first: int = 0
    wants_ids: bool = False
    producer: str | None = None
    figures_only: bool = False


class Later(Struct, frozen=True):
    """Where a later run is, which is counted before it is read.

    Attributes:
        start, end: see `Run`.
        separator: the bytes after it, as far as they tell that a message begins.
    """

    start: int
    end: int
    separator: bytes

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.end - self.start

    def count(self, data: bytes) -> int:
        """Count its messages by what stands between the first value and the second key, or by separators."""
        value = self.separator.find(b'"', self.separator.index(b":")) + 1
        mark = self.separator[self.separator.index(b'"', value) :] if value else self.separator
        return data.count(mark) + (not value)


MakeWork = Callable[[], Work]  # a function of a module, or a class, or such a one with arguments


def read_run(run: Run, make: MakeWork, data: bytes | None = None, later: Later | None = None) -> Done:
    """Read a run as far as it is what it seems to be.

    Args:
        run: where it is.
        make: returns what its messages are given to.
        data: its bytes; None if they are in the file as they are.
        later: is counted as well, in the same file.
    """
    try:
        reading = _RunReading(run, make())
        before, after = b"[" if run.in_array else b"", b"" if run.session_id is None and not run.in_array else b"]"
        if data is not None:
            return reading.read(HeldStretch(b"".join((before, data, after))))
        with closing(Stretch(run.path, run.identity, run.start, run.end, before=before, after=after)) as stretch:
            done = reading.read(stretch)
            if later is not None:
                done.later = later.count(stretch.read_at(later.start, later.size))
            return done
    except ExportstreamError:
        return Done(run.start)


class _RunReading:
    """The reading of one run."""

    def __init__(self, run: Run, work: Work) -> None:
        self._run = run
        self._work = work
        self._prices = load_prices(run.options.prices)
        self._counter = Counter(by_session=work.by_session and run.session_id is None, prices=self._prices)
        self._done = Done(run.start)
        self._ids: list[str | bytes] = []

    def read(self, stretch: Reader) -> Done:
        """Read what the run seems to be."""
        run = self._run
        if run.producer is not None:
            return self.chats(stretch, run.producer)
        return self.sessions(stretch) if run.session_id is None else self.messages(stretch, run.session_id)

    def messages(self, stretch: Reader, session_id: str) -> Done:
        """Read messages of one session, block by block."""
        run, done = self._run, self._done
        reader = _reader_of(run, session_id)
        buffer = Buffer(stretch)
        buffer.jump(run.start)
        buffer.fill(BLOCK)
        blocks = Blocks(_kept.decoder_of(run))
        blocks.begin(buffer.data, buffer.start, run.depth)
        while True:
            buffer.fill(BLOCK)
            taken = blocks.take(buffer.data, buffer.start)
            if taken is None and blocks.wants_more and not buffer.at_end:
                buffer.fill(LARGEST_BLOCK)
                taken = blocks.take(buffer.data, buffer.start)
            if taken is None or (taken.closed and buffer.position_of(taken.end) != run.end):
                break  # the messages end within the run, or it is no run
            if not self._work.skips_replaced and any(value.replaced for value in taken.values):
                break
            try:
                for value in taken.values:
                    if value.replaced:
                        reader.replaced(value.replaced)
                    reader.message(value.value, value.raw, buffer.position_of(value.start))
            except ExportstreamError:  # a message that is not valid
                break
            if taken.messages is not None:
                reader.messages(taken.messages)
            self._add(reader.take())
            buffer.start, closed = taken.end, taken.closed
            del taken  # its memory is taken by the next one, which is twice as fast
            done.end = buffer.position + closed  # after the separator
            done.messages, done.last_id = reader.index - run.first, reader.last_id
            done.notes = replace(reader.notes)
            if closed:
                break
        return self._finish(sessions=0)

    def sessions(self, stretch: Reader) -> Done:
        """Read whole sessions: all of the run, or an error is raised."""
        run, done = self._run, self._done
        reader = SessionReader(run.source, watch_repeats=run.wants_ids)
        for _ in Stream(stretch, reader, max_message_size=run.options.max_message_size):
            self._add(reader.take(), ids=False)
        done.last_id, done.last_index = reader.last_id, reader.index
        return self._finish_all(reader, sessions=reader.complete)

    def chats(self, stretch: Reader, producer: str) -> Done:
        """Read whole conversations of chats: all of the run, or an error is raised."""
        run = self._run
        make = next(one for one in LOG_FORMATS if one.producer == producer).load()
        reader = make(run.source, None, watch_repeats=run.wants_ids, max_line=run.options.max_message_size)
        reader.figures_only = run.figures_only
        if run.options.on_error == "skip" and isinstance(reader, ReaderOfRuns):
            from exportstream.reading.json.next_element import KnownElements  # noqa: PLC0415 - only for chats

            reader.elements = self._done.elements = KnownElements(set())
        for _ in reader.read(stretch):
            self._add(reader.take(), ids=False)
        return self._finish_all(reader, sessions=reader.number)

    def _finish_all(self, reader: FormatReader, *, sessions: int) -> Done:
        """Finish a run of whole sessions, all of which were read."""
        if reader.notes.replaced_surrogates and not self._work.skips_replaced:
            raise LimitError("halves of surrogate pairs were replaced: who reads the input has to know where")
        done = self._done
        done.end = self._run.end + 1
        done.messages, done.session, done.notes = reader.accepted, reader.session, reader.notes
        return self._finish(sessions=sessions)

    def _add(self, batch: Batch | None, *, ids: bool = True) -> None:
        if batch is None:
            return
        costs = [message.cost for message in batch.messages if message.cost is not None]
        costs += [end.session.cost for end in batch.ends if end.session.cost is not None]
        if costs and not (min(costs) > -HUGE and max(costs) < HUGE):
            raise LimitError(_EXTREME)
        if ids and self._run.wants_ids:
            self._ids += short_keys([message.id for message in batch.messages])
        self._counter.add(batch)
        self._work.add(batch, self._prices)

    def _finish(self, *, sessions: int) -> Done:
        if self._counter.is_extreme:
            raise LimitError(_EXTREME)
        self._done.worked = Worked(self._counter.totals, self._work.finish(), sessions, ids=self._ids)
        return self._done


def _reader_of(run: Run, session_id: str) -> SessionReader:
    """A reader in the messages of a session."""
    reader = SessionReader(run.source)
    reader.begin_session()
    reader.key("id", session_id)
    reader.begin_messages()
    reader.index = run.first
    return reader


class _Kept(local):
    """What each thread keeps from one run of an input to the next: its decoder, which remembers unknown keys."""

    input: tuple[str, tuple[int, ...]] | None = None

    def decoder_of(self, run: Run) -> MessageDecoder:
        if self.input != (run.path, run.identity):
            self.input = run.path, run.identity
            self._decoder = MessageDecoder()
        return self._decoder


_kept = _Kept()
