"""An open export: messages come out of it one by one or in batches, and its state can be looked at meanwhile.

Takes: a source. Yields: `Message`, or a `Batch` of them. Raises: every `InputError` and `ReadError`.
Holds: one batch, and the totals.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Iterator
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from exportstream.errors import CompressionError, CutInputError, ExportstreamError, JSONSyntaxError
from exportstream.models.notes import Duplicates, Notes
from exportstream.models.structs import MIX, Message, Session
from exportstream.reading.counter import Counter
from exportstream.reading.formats import HEAD, FormatReader, JoinedReader, LogReader, ReaderOfRuns
from exportstream.reading.formats.registry import recognise
from exportstream.reading.formats.session_runs import RunReader
from exportstream.reading.one_by_one import OneByOne
from exportstream.reading.options import ReadOptions, Rejects, check_rejects
from exportstream.reading.price_lists import load_prices
from exportstream.reading.session_input import SessionInput
from exportstream.storage.joined_files import Sources
from exportstream.storage.line_of import locate_line
from exportstream.storage.memory import explain_memory
from exportstream.totals.batch import Batch
from exportstream.totals.seen import Dedupe
from exportstream.totals.sums import Totals
from exportstream.totals.text import brief

if TYPE_CHECKING:
    from exportstream.reading.runs_ahead import RunsAhead

_DEFAULT = ReadOptions()


class Export:
    """An open export: an iterator over its messages, with its state in view. Close it, or use it in a ``with``.

    Args:
        source: as of `open_export`.
        options: how it is read.
        rejects: with ``on_error="skip"``, a list or a function that gets each `Reject`.
        seen: with ``dedupe``, what has come before in other exports.
        session_totals: give each `SessionEnd` the totals of its session, which cost time.
        only_messages: leave out totals and repeated ids.
        known: keys of messages in inputs that were read before: logs have copies of them; None if there are no others.
        figures_only: leave out of messages what no sum needs, everything but figures, names and content.
        positions: give each `Batch` the positions of its messages.
        helpers: other processes that read runs of sessions or chats, for a caller who takes `Batch.worked`.

    Attributes:
        duplicates: what `dedupe` dropped, as counts.
        prices: the price list in use, None without.
        partial: whether the input was cut, and what was complete was kept.
    """

    def __init__(
        self,
        source: Any,
        options: ReadOptions = _DEFAULT,
        *,
        rejects: Rejects = None,
        seen: Dedupe | None = None,
        session_totals: bool = False,
        only_messages: bool = False,
        known: Container[str | bytes] | None = None,
        positions: bool = False,
        figures_only: bool = False,
        helpers: RunsAhead | None = None,
    ) -> None:
        check_rejects(rejects)
        reject = rejects.append if isinstance(rejects, list) else rejects
        self.prices = load_prices(options.prices)
        self._files = Sources(source, max_window=options.max_window)
        self._source = self._files.main
        self._options = options
        self._reject = (reject or (lambda _: None)) if options.on_error == "skip" else None
        # By default a log goes on after a bad line, as far as somebody gets to know of it.
        skips_lines = options.on_error == "skip" or (options.on_error is None and not only_messages)
        self._reject_line = (reject or (lambda _: None)) if skips_lines else None
        self._watch_repeats = not (only_messages or options.dedupe)
        self._input = SessionInput(self._source, options, helpers)
        self._helpers = helpers
        self._sessions = RunReader(
            source=self._source.name,
            reject=self._reject,
            find_id=self._input.find_id,
            watch_repeats=self._watch_repeats,
            wants_starts=positions,
        )
        self._reader: FormatReader = self._sessions
        self._log: LogReader | None = None  # instead, for a log
        self._producer: str | None = None  # None until it was looked for
        self._dedupe = (seen or Dedupe()) if options.dedupe else None
        self._counter = Counter(by_session=session_totals, prices=self.prices)
        self._counting, self._known, self._figures_only = not only_messages, known, figures_only
        self._one_by_one = OneByOne(self._batches(), self._count, self.name)
        self.partial, self.duplicates = False, Duplicates()

    def __iter__(self) -> Iterator[Message]:
        self._one_by_one.require_open()
        return self._one_by_one.messages

    def __next__(self) -> Message:
        self._one_by_one.require_open()
        return next(self._one_by_one.messages)

    def __repr__(self) -> str:
        state = ", closed" if self._one_by_one.closed else ""
        return f"Export({brief(self.name)}, messages={self.accepted}, sessions={self.sessions}{state})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close what was opened here; a file object that was passed in stays open. The state stays in view."""
        self._one_by_one.close()
        self._files.close()
        self._input.close()

    @property
    def name(self) -> str:
        """The input's name."""
        return self._files.main.name

    @property
    def bytes_read(self) -> int:
        """Bytes read of the input as it is stored."""
        return self._files.bytes_read

    @property
    def bytes_total(self) -> int | None:
        """Size of the input as it is stored, None where it is not known."""
        return self._files.bytes_total

    @property
    def state(self) -> dict[str, Any]:
        """What changes if the input is replaced or grows, as it was opened; empty if that is not known."""
        return self._files.state

    @property
    def require_unchanged(self) -> Callable[[], None]:
        """A function that raises `ReadError` if the input is no longer what was read; works after `close` as well."""
        return self._files.require_unchanged

    @property
    def position(self) -> int:
        """Bytes of JSON read so far, after decompression."""
        return self._files.position

    @property
    def producer(self) -> str:
        """The program that the input came from: ``mix`` for session exports, otherwise the one that wrote the log."""
        if self._producer is None:
            self._recognise()
        return self._producer or MIX

    @property
    def session(self) -> Session | None:
        """The session being read, with what of it has been read so far; None before the first."""
        return self._one_by_one.session or self._reader.session

    @property
    def notes(self) -> Notes:
        """Counts of what was noticed so far."""
        return self._reader.notes

    @property
    def totals(self) -> Totals:
        """Totals of the messages yielded so far, and of the sessions that are complete."""
        self._one_by_one.count_yielded()
        return self._counter.totals

    def watch_replaced(self, watch: Callable[[int | None, int], None]) -> None:
        """Call `watch` where halves of surrogate pairs were replaced, with the message number (None outside) and a count."""
        self._reader.on_replaced = watch

    @property
    def sessions(self) -> int:
        """How many sessions have begun."""
        return self._reader.number

    @property
    def keys(self) -> set[str | bytes]:
        """Keys of the messages of a log that may come again in others."""
        return self._log.keys if isinstance(self._log, JoinedReader) else set()

    @property
    def accepted(self) -> int:
        """How many messages were read and accepted, also those that `dedupe` drops."""
        return self._reader.accepted

    def batches(self) -> Iterator[Batch]:
        """Yield what was read, in batches."""
        self._one_by_one.require_open()
        for batch in self._batches():
            self._count(batch)
            batch.source = self.name
            yield batch
            self._one_by_one.require_open()
            del batch  # before the next one is read, which then takes the same memory: it is in the processor's caches

    def explain_memory(self) -> AbstractContextManager[None]:
        """Raise `OutOfMemoryError`, with the place that is reached, where there is not enough memory for the block."""
        return explain_memory(lambda: {"source": self.name, "position": self.position, "session_id": self._session_id})

    @property
    def _session_id(self) -> str | None:
        return self.session.id if self.session is not None else None

    def _recognise(self) -> None:
        """Find out what the input is, and take the reader for it."""
        found = None
        with suppress(ExportstreamError):  # reading meets it again
            found = recognise(self._source.peek(HEAD))
        self._producer = found.producer if found is not None else MIX
        if found is not None:
            if found.is_log:
                self._source.stop_at_opening_size()
            reject, limit = self._reject_line if found.is_log else self._reject, self._options.max_message_size
            self._reader = self._log = found.load()(
                self._source.name, reject, watch_repeats=self._watch_repeats, max_line=limit
            )
            self._log.on_replaced = self._sessions.on_replaced
            self._log.figures_only = self._figures_only
            if isinstance(self._log, JoinedReader):
                self._log.known = self._known
            if self._helpers and isinstance(self._log, ReaderOfRuns):
                source, reader, short = self._source, self._sessions, self._figures_only
                if self._helpers.begin(source, self._options, reader, found.producer, figures_only=short):
                    self._log.pass_over(source, self._helpers)

    def _steps(self) -> Iterator[None]:
        """Read; after each step the reader has what it brought."""
        if self._log is None:
            yield from self._input.read(self._sessions)
            self.partial = self._input.is_cut
        else:
            if isinstance(self._log, JoinedReader):
                for part in self._files.look():
                    yield from self._log.look(part)
                self._log.parts = self._files.rest()
            yield from self._log.read(self._source)
            self.partial = self._log.is_cut
            self.notes.grown += self._files.grown
        self.notes.doubtful += self._files.doubtful

    def _batches(self) -> Generator[Batch, None, None]:
        with self.explain_memory():
            if self._producer is None:
                self._recognise()
            reader = self._reader
            try:
                for _ in self._steps():
                    if (batch := reader.take()) is not None:
                        yield self._without_repeats(batch)
                        del batch
            except ExportstreamError as error:
                if (batch := reader.take()) is not None:  # what came before the error
                    yield self._without_repeats(batch)
                locate_line(error, self._files.current)
                explained = self._with_next_step(reader.explain(error))
                raise explained from (error if explained is not error else error.__cause__)

    def _with_next_step(self, error: ExportstreamError) -> ExportstreamError:
        """Say what to do about compressed data that is damaged, or may be: its checksum comes after what was read."""
        kind = self._source.compression
        if isinstance(error, CompressionError):
            error.hint = error.hint or 'copy or download it again, or on_error="skip" keeps the complete messages'
        elif isinstance(error, JSONSyntaxError) and kind != "none":
            test = f"the {kind} data may be damaged: test it with {kind} -t"
            error.hint = test if error.hint is None else f"{error.hint}; {test}"
        elif isinstance(error, CutInputError):
            error.hint = error.hint or ("export it again" if kind == "none" else "copy or download it again")
        return error

    def _without_repeats(self, batch: Batch) -> Batch:
        return batch if self._dedupe is None else self._dedupe.drop_repeats(batch, self.duplicates)

    def _count(self, batch: Batch) -> None:
        """Add a batch to the totals."""
        if not self._counting:
            return
        try:
            self._counter.add(batch)
            if self._helpers is not None and self._counter.is_extreme:
                self._helpers.give_up()  # what comes next may be one too many, and only this process knows its place
        except ExportstreamError as error:
            error.locate(source=self.name, session_id=self._session_id)
            raise
