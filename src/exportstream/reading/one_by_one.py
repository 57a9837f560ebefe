"""Messages one by one, out of batches; only those that were yielded count.

Takes: batches. Yields: `Message`. Raises: what the batches raise, `UsageError` after `close`. Holds: one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from exportstream.errors import UsageError
from exportstream.models.structs import Message, Session
from exportstream.totals.batch import Batch, SessionEnd


class OneByOne:
    """The messages of batches.

    Args:
        batches: where they come from; closed with this.
        count: takes those that were yielded, and the sessions that ended among them, as a batch.
        name: of the input.

    Attributes:
        closed: whether nothing more may be read.
        session: that of the last message, while its batch lasts; otherwise None.
    """

    def __init__(self, batches: Generator[Batch, None, None], count: Callable[[Batch], None], name: str) -> None:
        self.closed = False
        self.session: Session | None = None
        self._batches = batches
        self._count: Callable[[Batch], None] | None = count
        self._name = name
        self._batch = Batch([], [])
        self._yielded = self._counted = (0, 0)  # how many messages and ends of the batch
        self.messages: Iterator[Message] = self._iterate()

    def _iterate(self) -> Iterator[Message]:
        self.require_open()
        for batch in self._batches:
            self._batch, self._yielded, self._counted = batch, (0, 0), (0, 0)
            start = 0
            for number, (messages, end) in enumerate(batch.by_session()):
                self.session = end.session if end is not None else None
                for count, message in enumerate(messages, start + 1):
                    self._yielded = count, number
                    yield message
                    if self.closed:
                        self.require_open()
                start += len(messages)
            self.session, self._yielded = None, (start, len(batch.ends))
            self.count_yielded()

    def require_open(self) -> None:
        """Raise `UsageError` after `close`."""
        if self.closed:
            raise UsageError("the export is closed", source=self._name)

    def count_yielded(self) -> None:
        """Count what was yielded since the last time."""
        if self._count is not None and self._counted < self._yielded:
            (start, first), (end, last) = self._counted, self._yielded
            self._counted = self._yielded
            ends = [SessionEnd(one.session, one.end - start, None, one.repeated) for one in self._batch.ends[first:last]]
            self._count(Batch(self._batch.messages[start:end], ends))

    def close(self) -> None:
        """Count what was yielded, and let go of the rest."""
        self.closed = True
        self.count_yielded()
        self._count = None  # who counts has this: without a cycle both go as soon as nobody needs them
        self._batch, self.messages = Batch([], []), iter(())  # what goes on reading holds a batch, too
        self._batches.close()
