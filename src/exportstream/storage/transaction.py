"""Transaction: all outputs of a conversion appear under their names, or none does.

Takes: destinations as they are opened. Raises: as finishing and committing them. Holds: the destinations.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self, TypeVar

from exportstream.errors import ExportstreamError, WriteError


class Destination:
    """Something that is written, then finished, then committed; or aborted before that.

    What a subclass does not define does nothing: there is nothing to do, or nothing that can be taken back.
    """

    name: str

    def finish(self) -> None:
        """Bring everything to the disk; only the name is missing after it."""

    def commit(self) -> None:
        """Give it its name."""

    def undo_commit(self) -> None:
        """Remove it again, unless it replaced something; nothing happens before the commit. Never raises."""

    def abort(self) -> None:
        """Remove it before its commit, if it can be removed. Never raises."""


class ByteDestination(Destination):
    """A destination that takes bytes."""

    def write(self, data: bytes) -> None:
        """Write all of `data`."""


_Added = TypeVar("_Added", bound=Destination)


class Transaction:
    """Everything that one conversion writes; use it in a ``with``.

    At the end of the block it finishes all destinations, then commits them, the first one last. If the block, or one of
    these steps, raises anything at all, nothing new is left: a file that already has its name is removed again. A file that
    replaced an old one stays, since the old one is gone.
    """

    def __init__(self) -> None:
        self._destinations: list[Destination] = []

    def add(self, destination: _Added) -> _Added:
        """Take over a destination that was just opened, and return it."""
        self._destinations.append(destination)
        return destination

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with ExitStack() as undo:
            for destination in self._destinations:
                undo.callback(destination.abort)
                undo.callback(destination.undo_commit)
            if kind is None:
                for destination in reversed(self._destinations):
                    destination.finish()
                for destination in reversed(self._destinations):
                    destination.commit()
                undo.pop_all()


class StagedOutput(Destination):
    """An output on top of a destination; it alone knows its state: open, finished, committed or aborted.

    Subclasses write; they override `_complete`, `_close` and `_explain`. As a context manager it commits at the end of the
    block, and aborts if the block raises anything at all.

    Attributes:
        name: the path as given, or a stand-in such as ``<stdout>``.
    """

    def __init__(self, destination: Destination) -> None:
        self.name = destination.name
        self._destination = destination
        self._state = "open"

    def finish(self) -> None:
        """Write the rest, and bring it to the disk; nothing can be written after it. It may be repeated."""
        if self._state != "finished":
            self._require_open()
            with self._abort_on_error():
                self._complete()
                self._destination.finish()
            self._state = "finished"

    def commit(self) -> None:
        """Finish, and give the output its name. It may be repeated."""
        if self._state != "committed":
            self.finish()
            with self._abort_on_error():
                self._destination.commit()
            self._state = "committed"

    def undo_commit(self) -> None:
        """Remove an output that was committed, unless it replaced something. Never raises."""
        self._destination.undo_commit()

    def abort(self) -> None:
        """Remove an output that is not committed, or leave it incomplete if it can't be removed. Never raises."""
        if self._state in ("open", "finished"):
            self._state = "aborted"
            self._close()
            self._destination.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()

    def _complete(self) -> None:
        """Write the rest."""

    def _close(self) -> None:
        """Release the resources of an aborted output. Never raises."""

    def _explain(self, error: BaseException) -> Exception | None:
        """Return an error of ours for one that ended the output; None leaves it as it is."""
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            return WriteError.of(error, self.name)
        return None

    def _require_open(self) -> None:
        if self._state != "open":
            raise WriteError(f"the output is {self._state}", source=self.name)

    @contextmanager
    def _abort_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.abort()
            explained = None if isinstance(error, ExportstreamError) else self._explain(error)
            if explained is None:
                raise
            raise explained from error
