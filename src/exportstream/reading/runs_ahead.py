"""Several processes for one input: runs of its messages are read ahead by others, and come back in their order.

Takes: an open source, an executor, and what is done with messages. Returns: a `Done` for each run, in their order.
Raises: `WorkerError` if a worker died. Holds: what came of the runs that are read ahead.

This process only looks for the separators at which runs are cut, some megabytes apart; see `reading.run` for why a wrong cut
does no harm. While it waits for a run it reads one itself. What is refused goes the usual way, from there on: then runs that
were cut after it are dropped, and the longer nothing was taken, the later the next run is tried.
"""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from exportstream.errors import OptionError, ReadError, WorkerError, mask
from exportstream.reading.formats import HEAD
from exportstream.reading.formats.registry import recognise
from exportstream.reading.formats.session_runs import Done, RunReader
from exportstream.reading.limits import DEFAULT_MAX_MESSAGE_SIZE
from exportstream.reading.options import ReadOptions
from exportstream.reading.run import Later, MakeWork, Run, read_run
from exportstream.storage.lookahead import Lookahead
from exportstream.storage.names import has_name, is_piped
from exportstream.storage.source import Source
from exportstream.storage.stretch import Stretch, head_of_large_json

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

SMALLEST_INPUT = 32 * 1024 * 1024  # bytes: for less, processes are not worth their start
SMALLEST_PACKED = 8 * 1024 * 1024  # bytes of a compressed file: one of 4 MiB takes a quarter longer with two processes
LONGEST_RUN = 6 * 1024 * 1024
SHORTEST_RUN = 1024 * 1024  # near the end, so that all processes end at about the same time
WINDOWS = (64 * 1024, 1024 * 1024)  # bytes in which a separator is looked for
_MOST_MISCOUNTS = 3  # then messages are numbered by reading them one after the other
_LATEST = 6  # failures in a row that double the distance to the next try


class _Pending(Struct):
    """A run that was given away."""

    run: Run
    data: bytes | None  # of a run of a file that is compressed
    later: Later | None  # is counted by who reads it
    future: Future[Done]
    done: Done | None = None  # if it was read here


class RunsAhead:
    """Reads runs of one input ahead, with the help of an executor.

    Args:
        make: see `read_run`; of messages, and also of whole sessions unless `make_of_sessions` is given.
        make_of_sessions: the same of whole sessions.
        numbered: whether messages need their numbers where they are read. Then the messages of a run are counted by the
            bytes that most of them have once, before it is given away: by who reads an earlier one, except in the first
            ones and where its bytes are held here. If that was wrong, the runs after it are read again.
        shorter: runs are so many times shorter than usual, where what comes of them takes memory.
    """

    def __init__(
        self,
        executor: Executor,
        make: MakeWork,
        make_of_sessions: MakeWork | None = None,
        *,
        numbered: bool = False,
        shorter: int = 1,
    ) -> None:
        self._executor = executor
        self._make, self._make_of_sessions = make, make_of_sessions or make
        self._jobs = getattr(executor, "jobs", None) or os.cpu_count() or 1
        self._most = 4 * self._jobs + 4  # runs ahead
        self._pending: deque[_Pending] = deque()
        self._later: deque[Later] = deque()  # the next ones, which others count
        self._counted: dict[int, int] = {}  # messages of those that are counted, by the position of the first one
        self._file: Stretch | Lookahead | None = None
        self._size = self._next = 0
        self._numbered = numbered
        self._longest = LONGEST_RUN // shorter
        self._failures = self._miscounts = 0
        self._number = 0  # of the first message of the next run
        self._not_before = self._no_messages_before = 0  # positions

    def begin(
        self,
        source: Source,
        options: ReadOptions,
        reader: RunReader,
        producer: str | None = None,
        *,
        figures_only: bool = False,
    ) -> bool:
        """Begin with an input; return whether it is one whose runs can be read.

        Args:
            source: the input, of which some bytes were read.
            options: how it is read.
            reader: takes what is read of it.
            producer: of chats, which are read instead; None for sessions.
            figures_only: whether only figures of chats are wanted.
        """
        self._size = source.bytes_total or 0
        if (plain := source.plain) is not None:
            if self._size < SMALLEST_INPUT:
                return False
            try:
                self._file = Stretch(*plain)
            except ReadError:  # reading meets it again
                return False
        else:
            if source.bytes_total is None:  # of a pipe: it is large once so much of it was read
                self._not_before = SMALLEST_INPUT
            elif self._size < (SMALLEST_INPUT if source.compression == "none" else SMALLEST_PACKED):
                return False
            if (ahead := source.look_ahead()) is None:
                return False
            self._file, self._size, plain = ahead, sys.maxsize, (source.name, ())
            self._longest = min(self._longest, LONGEST_RUN // 6)
            # One in work and one waiting for each process, and all that a pool can't give back.
            self._most = 2 * self._jobs + 3
        path = os.path.abspath(plain[0])  # a cluster has a working folder of its own
        self._run = Run(
            path,
            plain[1],
            source.name,
            0,
            0,
            options,
            wants_ids=reader.watch_repeats,
            producer=producer,
            figures_only=figures_only,
        )
        self._reader = reader
        return True

    def give_up(self) -> None:
        """Read nothing more ahead."""
        self._drop()
        self._not_before = sys.maxsize

    def end(self) -> None:
        """End: nothing more of the input is wanted."""
        self._drop()
        if isinstance(self._file, Stretch):
            self._file.close()

    def messages(self, position: int, separator: re.Pattern[bytes] | None, depth: int) -> Done | None:
        """See `Ahead`."""
        if separator is None or position < max(self._not_before, self._no_messages_before):
            return None
        session_id = self._reader.known_id()
        if session_id is None:
            return None
        first = self._reader.index if self._numbered else 0
        return self._take(replace(self._run, start=position, session_id=session_id, depth=depth, first=first), separator)

    def sessions(self, position: int, separator: re.Pattern[bytes], *, in_array: bool) -> Done | None:
        """See `Ahead`."""
        if position < self._not_before:
            return None
        done = self._take(replace(self._run, start=position, in_array=in_array), separator)
        if done is not None:  # the next session is most likely as small
            self._no_messages_before = done.end + WINDOWS[-1]
        return done

    def _take(self, run: Run, separator: re.Pattern[bytes]) -> Done | None:
        """Return what was read of a run that begins where this one does, None for nothing."""
        if self._pending and replace(self._pending[0].run, end=0) != run:
            if self._pending[0].run.first != run.first:
                self._miscounts += 1
            self._drop()
        if self._miscounts > _MOST_MISCOUNTS:
            self._no_messages_before = self._size
            return None
        if not self._pending:
            self._drop()
            self._next, self._number = run.start, run.first
        self._cut(run, separator)
        if not self._pending:
            if run.session_id is not None:
                self._not_before = run.start + LONGEST_RUN
            return None
        first = self._pending.popleft()
        done = self._result(first)
        if first.later is not None:
            self._counted[first.later.start] = done.later
        wanted, got = first.run.end + 1 - run.start, done.end - run.start
        if got == wanted:
            self._failures = 0
        else:
            self._drop()
            self._failures = 0 if got > wanted // 2 else min(self._failures + 1, _LATEST)
            self._not_before = done.end + ((LONGEST_RUN << self._failures) if self._failures else 1)
        return done if got else None

    def _cut(self, run: Run, separator: re.Pattern[bytes]) -> None:
        """Give away more runs like this one."""
        assert self._file is not None
        numbered = self._numbered and run.session_id is not None
        ahead = self._most if numbered and isinstance(self._file, Stretch) else 0
        while len(self._pending) < self._most:
            while len(self._later) <= ahead and (found := self._next_cut(separator)) is not None:
                self._later.append(found)
                self._next = found.end + 1
            if not self._later:
                return
            cut, later = self._later[0], self._later[ahead] if 0 < ahead < len(self._later) else None
            one = replace(run, start=cut.start, end=cut.end, first=self._number)
            data = self._file.hold(cut.start, cut.end) if isinstance(self._file, Lookahead) else None
            if data == b"":  # they are held no longer: only this process has them
                return
            self._pending.append(_Pending(one, data, later, self._submit(one, data, later)))
            self._later.popleft()
            if numbered:
                count = self._counted.pop(cut.start, None)
                self._number += cut.count(data or self._file.read_at(cut.start, cut.size)) if count is None else count

    def _next_cut(self, separator: re.Pattern[bytes]) -> Later | None:
        size = min(self._longest, max(SHORTEST_RUN, (self._size - self._next) // self._most))
        found = self._find(separator, self._next + size)
        return None if found is None else Later(self._next, *found)

    def _find(self, separator: re.Pattern[bytes], position: int) -> tuple[int, bytes] | None:
        """Position of the first separator at or after one, and its bytes."""
        assert self._file is not None
        for window in WINDOWS if position < self._size else ():
            found = separator.search(self._file.read_at(position, window))
            if found is not None:
                return position + found.start(), found[0]
        return None

    def _submit(self, run: Run, data: bytes | None, later: Later | None) -> Future[Done]:
        try:
            return self._executor.submit(read_run, run, self._make_for(run), data, later)
        except RuntimeError as error:  # a pool whose worker has died refuses more
            raise _worker_error(run, error) from error

    def _make_for(self, run: Run) -> MakeWork:
        return self._make_of_sessions if run.session_id is None else self._make

    def _result(self, pending: _Pending) -> Done:
        """Wait for a run, and read others meanwhile, as long as nobody else has begun them."""
        while pending.done is None and not pending.future.done():
            free = next((one for one in (pending, *self._pending) if one.done is None and one.future.cancel()), None)
            if free is None:
                break
            free.done = read_run(free.run, self._make_for(free.run), free.data, free.later)
        if pending.done is not None:
            return pending.done
        try:
            return pending.future.result()
        except Exception as error:
            raise _worker_error(pending.run, error) from error

    def _drop(self) -> None:
        for one in self._pending:
            one.future.cancel()
        for one_of in (self._pending, self._later, self._counted):
            one_of.clear()


def check_executor(executor: object) -> None:
    """Raise `OptionError` for anything but None and what jobs can be submitted to."""
    if executor is not None and not callable(getattr(executor, "submit", None)):
        hint = "give one such as ProcessPoolExecutor(4)"
        raise OptionError(f"expected executor to be a concurrent.futures.Executor, got {executor!r}", hint=hint)


def suits_helpers(source: Any, options: ReadOptions) -> bool:
    """Whether others can help to read an input: a large file of sessions or chats, also compressed or in a zip.

    What comes through a pipe may be one of them.
    """
    if options.max_message_size < DEFAULT_MAX_MESSAGE_SIZE:
        return False
    if is_piped(source):
        return True
    if not has_name(source):
        return False
    head = head_of_large_json(os.fsdecode(source), SMALLEST_INPUT, SMALLEST_PACKED, HEAD)
    found = recognise(head)
    return head != b"" if found is None else not found.is_log


def _worker_error(run: Run, error: Exception) -> WorkerError:
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return WorkerError(f"a worker process failed: {mask(words, run.source)}", hint="use one process", source=run.source)
