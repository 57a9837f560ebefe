"""Every error exportstream raises on purpose, in one tree.

::

    ExportstreamError                  the base: catch this one
    ├── UsageError (ValueError)        the call can't be carried out as asked
    │   ├── OptionError                an option has a value that it does not take
    │   └── MissingExtraError          it needs an optional library (ImportError)
    ├── InputError                     the input is not what it has to be
    │   ├── CutInputError              it ends too early
    │   ├── JSONSyntaxError            it is not JSON
    │   ├── NotAnExportError           it is JSON, but not a session export
    │   ├── InvalidMessageError        one message is not a valid message (can be skipped)
    │   ├── CompressionError           its compressed container is damaged
    │   └── LimitError                 it is beyond a limit that protects the reader
    └── TransferError (OSError)        the system failed to read or write
        ├── ReadError
        ├── WriteError
        ├── WorkerError                a process that was to help with the work failed
        └── OutOfMemoryError           something does not fit into memory (MemoryError)

What an error says may come from outside: `printable` makes one neutral line of it, `shown` and `mask` leave out the secrets
of URLs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from exportstream.errors.secrets import mask as mask
from exportstream.errors.secrets import shown as shown

LONGEST_LINE = 5 * 4096  # characters: a line may name a few files, and a name has up to 4,096
_IN_SHELLS = "only a shell replaces ~, and not in quotes: write the home folder out"
_JSON_KINDS = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}


class ExportstreamError(Exception):
    """The base of all errors; its text is one printable line without secrets: ``FILE: what (where); next step``.

    Attributes (each may be None where it is not known):
        what: what was expected and what was found.
        hint: the next step for the person who reads it.
        source: the name of the input or output.
        session_id: the session that was being read.
        message_index: 0-based index of the message within its session.
        last_id: id of the last complete message.
        path: JSON path of the value, from the message (``$.toolCalls[0].id``) or the document.
        position: bytes into the decompressed input (for a damaged container: into the compressed one).
        exact: whether `position` is exact; otherwise it is near.
        line, column: of `position`, counted from 1, the column in characters; for JSON of more than one line in a file.
    """

    def __init__(
        self,
        what: str,
        *,
        hint: str | None = None,
        source: str | None = None,
        session_id: str | None = None,
        message_index: int | None = None,
        last_id: str | None = None,
        path: str | None = None,
        position: int | None = None,
        exact: bool = False,
    ) -> None:
        super().__init__(what)
        self.what, self.hint, self.source = what, hint, source
        self.session_id, self.message_index, self.last_id = session_id, message_index, last_id
        self.path, self.position, self.exact = path, position, exact
        self.line: int | None = None
        self.column: int | None = None

    def locate(self, **place: object) -> None:
        """Fill in those parts of the place that are not known yet; what an inner stage said stays."""
        for name, value in place.items():
            if value is not None and getattr(self, name) is None:
                setattr(self, name, value)

    @property
    def where(self) -> str:
        """The place in words, empty when nothing of it is known."""
        parts = []
        if self.session_id:  # a log that came without a name may have none
            parts.append(f"session {printable(self.session_id)}")
        if self.message_index is not None:
            parts.append(f"message {self.message_index}")
        if self.last_id is not None:
            parts.append(f"last complete id {printable(self.last_id)}")
        if self.path is not None:
            parts.append(f"at {printable(self.path)}")
        if self.line is not None:
            parts.append(f"line {self.line}, column {self.column}")  # as a place is typed: without commas
        if self.position is not None:
            parts.append(f"{'byte' if self.exact else 'near byte'} {self.position}")
        return ", ".join(parts)

    def __str__(self) -> str:
        text = shown(self.what) if self.source is None else f"{shown(self.source)}: {shown(self.what)}"
        if where := self.where:
            text += f" ({where})"
        if self.hint is not None:
            text += f"; {shown(self.hint)}"
        return printable(text, LONGEST_LINE)

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling, so that a worker process can send its error home."""
        return (_rebuild, (type(self), self.what, dict(self.__dict__)))


def _rebuild(kind: type[ExportstreamError], what: str, state: dict[str, object]) -> ExportstreamError:
    error = kind(what)
    error.__dict__.update(state)
    return error


def json_kind(value: object) -> str:
    """Return what a value of JSON is called there, such as ``array``."""
    return _JSON_KINDS.get(type(value), "number")


def printable(text: str, limit: int = 120) -> str:
    r"""Return the first `limit` characters as one printable line: names, ids, roles and a server's words may hold anything.

    Control characters, line ends, characters that turn the direction of text, and bytes of file names that are not UTF-8
    become escapes such as ``\x1b``.
    """
    more = "…" if len(text) > limit else ""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:limit]) + more


def label(name: str) -> str:
    """Return the name of an input or output as data: printable, without secrets; the same wherever one is written."""
    return printable(shown(name), 4096)


class UsageError(ExportstreamError, ValueError):
    """The call can't be carried out as asked: an output that exists, options that contradict each other."""


class OptionError(UsageError):
    """An option has a value that it does not take."""


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a question that names the known word that is nearest to one with a typing error; None if none is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for an error

    near = get_close_matches(word, list(known), 1)
    return f"did you mean {near[0]}?" if near else None


def check_numbers(**numbers: object) -> None:
    """Raise `OptionError` for one that is neither a whole number nor None."""
    for name, value in numbers.items():
        if type(value) is not int and value is not None:
            raise OptionError(f"expected {name} to be a whole number, got {value!r}")


def check_flags(**flags: object) -> None:
    """Raise `OptionError` for one that is neither True nor False."""
    for name, value in flags.items():
        if type(value) is not bool:
            raise OptionError(f"expected {name} to be True or False, got {value!r}")


class MissingExtraError(UsageError, ImportError):
    """Something that was asked for needs a library that only some users need.

    Args:
        what: what needs it, such as ``Parquet``.
        library: the library's name.
        extra: the extra of this package that installs it.
    """

    def __init__(self, what: str, library: str = "", extra: str = "") -> None:
        if library:
            what = f"{what} needs {library}, which is not installed"
        super().__init__(what, hint=f"pip install 'exportstream[{extra}]'")


class InputError(ExportstreamError):
    """The input is not what it has to be."""


class CutInputError(InputError):
    """The input ends too early: in a compressed frame, or before the JSON document is complete.

    `inside_message` says whether a message had begun and was not complete.
    """

    inside_message = False


class JSONSyntaxError(InputError):
    """The input is not JSON, or not UTF-8."""


class NotAnExportError(InputError):
    """The input is JSON, but not a session export.

    `foreign` says whether it is something else from its first value on, rather than an export with a fault.
    """

    foreign = False


class InvalidMessageError(InputError):
    """A value in `messages` is JSON, but not a valid message. ``on_error="skip"`` rejects it and goes on."""


class CompressionError(InputError):
    """The compressed container is damaged, or needs more memory than allowed.

    Attributes:
        is_doubtful: whether what was decompressed before may be wrong: a checksum differs, or the data is damaged.
    """

    is_doubtful = False


class LimitError(InputError):
    """The input goes beyond a limit: nesting, digits of one integer, or the size of one message."""


def hint_of(missing: str | None) -> str | None:
    """Return what may be wrong with the name of a file or folder that does not exist; None if nothing is odd about it."""
    return _IN_SHELLS if (missing or "").startswith("~") else None


class TransferError(ExportstreamError, OSError):
    """The operating system failed; `__cause__` holds its own error, `what` its text."""

    @classmethod
    def of(cls, error: OSError, source: str | None = None) -> Self:
        """Return an error of the system about the input or output `source` as our own; one that is ours stays as it is."""
        if isinstance(error, cls):
            return error
        hint = hint_of(source) if isinstance(error, FileNotFoundError) else None
        return cls(error.strerror or str(error), source=source, hint=hint)


class ReadError(TransferError):
    """The input can't be opened, or a read failed."""


def changed_while(done: str, source: str | None = None) -> ReadError:
    """Return the error for an input that is no longer what it was when it was opened, before it was `done`, such as read."""
    return ReadError(f"the file changed while it was {done}", hint="convert it when it is complete", source=source)


class WriteError(TransferError):
    """The output can't be created, written, flushed or renamed."""


class WorkerError(TransferError):
    """A process that was to help with the work died, or can't be reached."""


def words_of_worker(error: Exception, source: str) -> str:
    """Return what an executor said when a worker could not do its part for an input."""
    from concurrent.futures import BrokenExecutor  # noqa: PLC0415 - slow to import

    if isinstance(error, BrokenExecutor):
        return "was killed or ended by itself (the system kills a large process when memory is full)"
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"failed: {mask(words, source)}"


class OutOfMemoryError(TransferError, MemoryError):
    """A value, or a library that is needed, does not fit into the memory that the process may have."""

    def __init__(self, what: str = "a value does not fit into memory", **place: Any) -> None:
        super().__init__(
            what, **{"hint": "give the process more memory (a larger machine or container, or ulimit -v)", **place}
        )
