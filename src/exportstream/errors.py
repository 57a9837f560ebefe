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
        └── OutOfMemoryError           something does not fit into memory (MemoryError)

What an error says may come from outside: `printable` makes one neutral line of it, `shown` and `mask` leave out the secrets
of URLs: user info, query values and fragments, also of URLs that can't be parsed. Passwords that should have been
percent-encoded hold any character, and urllib would find a host in the middle of one. So everything up to the last ``@`` is
user info, unless the part before the first slash is clearly a host.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, unquote

__all__ = [
    "CompressionError",
    "CutInputError",
    "ExportstreamError",
    "InputError",
    "InvalidMessageError",
    "JSONSyntaxError",
    "LimitError",
    "MissingExtraError",
    "NotAnExportError",
    "OptionError",
    "OutOfMemoryError",
    "ReadError",
    "TransferError",
    "UsageError",
    "WriteError",
]


LONGEST_LINE = 5 * 4096  # characters: a line may name a few files, and a name has up to 4,096
_WEB = ("http", "https")
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_CHAINED = re.compile(r"::(?=[a-z][a-z0-9+.-]{0,40}(?:://|::))", re.IGNORECASE)
_IN_TEXT = re.compile(r"[a-z][a-z0-9+.-]{0,40}://\S+", re.IGNORECASE)  # bounded, so that a long word takes linear time
_HOST = re.compile(r"(?:localhost|[\w-]+(?:\.[\w-]+)+|\[[0-9a-f:.]+\])(?::\d{2,5})?", re.IGNORECASE)
_ENDS = "\"'`)]>,.:;"  # what may follow a URL in a text
_PIECE = re.compile(r"[?#&;][^?#&;]*")
_KEY = re.compile(r"[?&;][a-z0-9._-]{1,20}")  # of a query without a value; a token has capitals or is longer
_STARS = "***"
_SHORT = 6  # characters: a shorter secret is masked only where it stands alone


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
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.source = source
        self.session_id = session_id
        self.message_index = message_index
        self.last_id = last_id
        self.path = path
        self.position = position
        self.exact = exact
        self.line = line
        self.column = column

    def locate(self, **place: object) -> None:
        """Fill in those parts of the place that are not known yet; what an inner stage said stays."""
        for name, value in place.items():
            if value is not None and getattr(self, name) is None:
                setattr(self, name, value)

    @property
    def where(self) -> str:
        """The place in words, empty when nothing of it is known."""
        parts = []
        if self.session_id is not None:
            parts.append(f"session {printable(self.session_id)}")
        if self.message_index is not None:
            parts.append(f"message {self.message_index}")
        if self.last_id is not None:
            parts.append(f"last complete id {printable(self.last_id)}")
        if self.path is not None:
            parts.append(f"at {printable(self.path)}")
        if self.line is not None:
            parts.append(f"line {self.line:,}, column {self.column:,}")
        if self.position is not None:
            parts.append(f"{'byte' if self.exact else 'near byte'} {self.position:,}")
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


def check_types(options: object, kind: type, *names: str) -> None:
    """Raise `OptionError` for one of these options whose value is of another type; a number may be None."""
    for name in names:
        value = getattr(options, name)
        if type(value) is not kind and not (value is None and kind is int):
            words = "True or False" if kind is bool else "a whole number"
            raise OptionError(f"expected {name} to be {words}, got {value!r}")


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
    """The compressed container is damaged, or needs more memory than allowed."""


class LimitError(InputError):
    """The input goes beyond a limit: nesting, digits of one integer, or the size of one message."""


class TransferError(ExportstreamError, OSError):
    """The operating system failed; `__cause__` holds its own error, `what` its text."""


class ReadError(TransferError):
    """The input can't be opened, or a read failed."""


class WriteError(TransferError):
    """The output can't be created, written, flushed or renamed."""


class OutOfMemoryError(TransferError, MemoryError):
    """A value, or a library that is needed, does not fit into the memory that the process may have."""

    def __init__(self, what: str = "a value does not fit into memory", **place: Any) -> None:
        super().__init__(
            what, **{"hint": "give the process more memory (a larger machine or container, or ulimit -v)", **place}
        )


def shown(text: str) -> str:
    """Return a URL, or a text with URLs in it, without secrets. What is shown once may be shown again."""
    if _URL.match(text) and "\n" not in text:
        return "::".join(_shown_url(part) for part in _CHAINED.split(text))
    return _IN_TEXT.sub(lambda found: "::".join(_shown_url(part) for part in _CHAINED.split(found[0])), text)


def mask(text: str, url: str) -> str:
    """Return a library's text about a URL as one line, without the secrets of the URL, however it cuts or quotes them."""
    text = " ".join(text.split())
    secrets: set[str] = set()
    for part in _CHAINED.split(url):
        user, _, rest = _split(part)[1:]
        values = [_secret(piece) for piece in _PIECE.findall(rest)]
        for secret in (user, *re.split(r"[:/@?#]", user), *values):
            secrets |= {secret, unquote(secret), *(quote(secret, safe, errors="replace") for safe in ("", "/"))}
    for secret in sorted(secrets - {"", _STARS}, key=len, reverse=True):
        pattern = re.escape(secret)
        text = re.sub(pattern if len(secret) >= _SHORT else rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])", _STARS, text)
    return shown(text)


def _split(url: str) -> tuple[str, str, str, str]:
    """Split a URL into its scheme with ``://``, its user info, the ``@``, and the rest."""
    found = _URL.match(url)
    if found is None:
        return "", "", "", url
    rest = url[found.end() :]
    first = re.split(r"[/?#]", rest, maxsplit=1)[0]
    is_host = _HOST.fullmatch(first) if found[1].lower() in _WEB else ":" not in first and "@" not in first
    user, at, host = ("", "", rest) if is_host else rest.rpartition("@")
    return found[0], user, at, host


def _secret(piece: str) -> str:
    """Return what has to be masked in a piece of a query or fragment that begins with its ``?``, ``&``, ``;`` or ``#``."""
    _, equals, value = piece.partition("=")
    return value if equals else "" if _KEY.fullmatch(piece) else piece[1:]


def _shown_url(url: str) -> str:
    scheme, user, at, rest = _split(url)
    body = rest.rstrip(_ENDS)
    found = re.search(r"[?#]", body)
    address, query = (body[: found.start()], body[found.start() :]) if found is not None else (body, "")
    if scheme.lower().startswith(_WEB) or "=" in query:  # s3://bucket/a?.json is a pattern
        query = _PIECE.sub(lambda piece: piece[0].removesuffix(_secret(piece[0])) + _STARS * bool(_secret(piece[0])), query)
    return f"{scheme}{_STARS if user else ''}{at}{address}{query}{rest[len(body) :]}"
