"""The formats of inputs. Logs and chats are recognised by their first bytes; everything else is read as a session export."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from exportstream.errors import ExportstreamError
from exportstream.models.notes import Notes
from exportstream.models.structs import Session
from exportstream.reading.json.buffer import Reader
from exportstream.storage.source import Source
from exportstream.totals.batch import Batch

if TYPE_CHECKING:
    from exportstream.reading.json.ahead import Ahead
    from exportstream.reading.json.next_element import KnownElements

HEAD = 64 * 1024  # bytes that a format is recognised by; a pipe may have less of them


class FormatReader(Protocol):
    """Reads inputs of one format; its attributes say how far it is.

    Attributes:
        number: how many sessions have begun.
        accepted: how many messages were accepted.
        notes: what was noticed.
        on_replaced: called where halves of surrogate pairs were replaced.
    """

    number: int
    accepted: int
    notes: Notes
    on_replaced: Callable[[int | None, int], None] | None

    @property
    def session(self) -> Session | None:
        """The session being read, or the last one; None before the first."""

    def take(self) -> Batch | None:
        """Return what was read since the last time; None if that is nothing."""

    def explain(self, error: ExportstreamError) -> ExportstreamError:
        """Add to an error what is known of the session; return the error that the reader of this input should get."""


class LogReader(FormatReader, Protocol):
    """Reads logs, or exports of chats, of one program.

    Attributes:
        is_cut: whether the input was cut, and what was complete was kept.
        figures_only: whether only figures of messages are wanted, names, and their texts.
    """

    is_cut: bool
    figures_only: bool

    def read(self, reader: Reader, /) -> Iterator[None]:
        """Read the input; after each step `take` has what it brought."""


@runtime_checkable
class ReaderOfRuns(LogReader, Protocol):
    """Reads chats, and passes over what others read.

    Attributes:
        elements: what is known of the conversations, for a search after damage; None if there won't be one.
    """

    elements: KnownElements | None

    def pass_over(self, file: Source, ahead: Ahead, /) -> None:
        """Pass over the runs of conversations that are read ahead."""


@runtime_checkable
class JoinedReader(LogReader, Protocol):
    """Reads logs whose messages may stand in several files.

    Attributes:
        known: keys of the messages of inputs that were read before: those that come again are copies. None if there are no
            other inputs.
        keys: of the messages that were read, as far as they may come again in other logs.
        parts: further files of the input, which are read after it.
    """

    known: Container[str | bytes] | None
    keys: set[str | bytes]
    parts: Iterable[Source]

    def look(self, part: Source, /) -> Iterator[None]:
        """Take note of what a further file of the input has, before all others are read."""


MakeReader = Callable[..., LogReader]  # of what `LineReader` is given


class InputFormat(NamedTuple):
    """The format of a program's logs, or of its exports of chats.

    Attributes:
        producer: the name of the program.
        recognise: whether an input of these first bytes is of this format.
        load: imports what reads it, and returns what makes a reader of one input.
        is_log: whether it is a log: a program may still write to it, and broken lines are usual.
    """

    producer: str
    recognise: Callable[[bytes], bool]
    load: Callable[[], MakeReader]
    is_log: bool = True
