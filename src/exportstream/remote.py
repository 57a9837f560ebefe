"""Remote: what a URL names becomes a reader, or a list of URLs; through fsspec.

Takes URLs: ``scheme://…``. Gives a `RemoteFile`, which is read from its start to its end and never stored, and what a folder
or pattern matches. Raises what `backends` raises, and `ReadError` where the input is cut or changes meanwhile.
Holds: what a web server sent ahead (128 KiB), or a read-ahead of 8 MiB of another input; the names of a list.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from exportstream.backends import (
    CHECK,
    WEB,
    connect,
    explain,
    is_url,
    kind_of,
    local_path,
    scheme_of,
    translate_errors,
)
from exportstream.errors import ReadError
from exportstream.masking import mask, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

__all__ = ["RemoteFile", "exists", "is_pattern", "is_url", "list_urls", "local_path", "modified"]

_READ_AHEAD = 8 << 20
_PLAIN_ENCODINGS = ("", "identity", "gzip", "x-gzip", "zstd")  # those that `decompress` recognises by itself
_VERSION = ("size", "ETag", "etag", "md5Hash", "generation", "LastModified", "last_modified", "updated", "mtime", "created")


def is_pattern(url: str) -> bool:
    """Whether a URL stands for several: a folder (it ends in ``/``) or a pattern (``*``, ``?``, ``[``).

    A web server lists nothing, and ``?`` begins a query there: a web address always stands for itself.
    """
    path = url.partition("::")[0]
    return scheme_of(url) not in WEB and (path.endswith("/") or re.search(r"[*?[]", path) is not None)


def list_urls(pattern: str) -> Iterator[tuple[str, str]]:
    """Yield what a folder or pattern matches, sorted: each URL, and its path below the part without a pattern.

    A folder is listed with all its folders. What is no pattern (`is_pattern`) yields itself and its last part.

    Raises:
        UsageError, MissingExtraError: it is not a URL that can be opened here.
        ReadError: it can't be listed.
    """
    if not is_pattern(pattern):
        yield pattern, pattern.partition("?")[0].rstrip("/").rpartition("/")[2]
        return
    path, chained, container = pattern.partition("::")
    prefix = re.split(r"[*?[]", path)[0].rpartition("/")[0] + "/"
    with translate_errors(ReadError, pattern):
        system, inner = connect(pattern)
        system.invalidate_cache()
        found = system.find(inner, detail=True) if path == prefix else system.glob(inner, detail=True)
        root = system._strip_protocol(prefix)  # noqa: SLF001 - the only way to a backend's own spelling
        names = sorted(name for name, info in found.items() if info["type"] == "file" and not name.endswith("/"))
    for name in names:
        relative = name[len(root) :].removeprefix("/")
        yield f"{prefix}{relative}{chained}{container}", relative


def exists(url: str) -> bool:
    """Whether there is a file or a folder at `url`.

    Raises:
        UsageError, MissingExtraError: it is not a URL that can be opened here.
        ReadError: the backend does not say.
    """
    with translate_errors(ReadError, url):
        if scheme_of(url) not in WEB:
            return kind_of(*connect(url)) is not None
        try:
            RemoteFile(url).close()
        except ReadError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return False
            raise
        return True


def modified(url: str) -> datetime | None:
    """Return when `url` was written, with its zone; None where the backend does not say.

    Raises:
        UsageError, MissingExtraError: it is not a URL that can be opened here.
    """
    system, path = connect(url)
    with suppress(Exception):  # best effort, and each backend has errors of its own
        from datetime import timezone  # noqa: PLC0415 - only here
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - likewise

        if scheme_of(url) in WEB:
            file = RemoteFile(url)
            file.close()
            return parsedate_to_datetime(file.version[-1])
        system.invalidate_cache()
        found: datetime = system.modified(path)
        return found if found.tzinfo is not None else found.replace(tzinfo=timezone.utc)
    return None


class RemoteFile:
    """What a URL names, as bytes from the start to the end; it never ends early without a `ReadError`.

    The exception is an answer of a web server that says no length and is not chunked: its end can't be told from a cut.

    Attributes:
        name: the URL, without secrets.
        size: bytes as stored, None where the backend does not say.
        version: what tells this content from another one under the same URL, as far as the backend says.
    """

    def __init__(self, url: str) -> None:
        self.name = shown(url)
        self._web = scheme_of(url) in WEB
        self._url = url
        self._position = 0
        with translate_errors(ReadError, url):
            self._system, self._path = connect(url)
            if self._web:
                # block_size 0 streams one answer; any size spares the question for it, which some servers refuse.
                self._file = self._system.open(self._path, "rb", block_size=0, size=1)
                self.size, self.version = self._read_head()
            else:
                self._system.invalidate_cache()
                self._file = self._system.open(self._path, "rb", block_size=_READ_AHEAD)
                # What it knew when it was opened: S3 and others then refuse to go on with another version.
                self.version = _version(getattr(self._file, "details", None) or self._system.info(self._path))
                self.size = self.version[0]

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, ``b""`` at the end.

        Raises:
            ReadError: the backend fails, the input is cut, or changed meanwhile. What a web server sent ahead before it
                broke off is lost: the position is that of what was read.
        """
        try:
            if self._file.tell() != self._position:  # readers of one memory:// object share its position
                self._file.seek(self._position)
            data: bytes = self._file.read(size)
        except Exception as error:
            what, hint = explain(error, self._url)
            if self._web:
                reason = "" if type(error).__name__ == "ClientPayloadError" else f": {what}"  # it says the same, at length
                what, hint = f"the connection broke, {self._so_far()} were read{reason}", "try again"
            raise ReadError(what, hint=hint, source=self.name) from error
        self._position += len(data)
        if not data:
            self._require_whole()
        return data

    def close(self) -> None:
        """Close it; a connection that is not at its end is given up."""
        with suppress(Exception):  # everything was read, or the reading has failed already
            self._file.close()

    def require_unchanged(self, done: str) -> None:
        """Raise `ReadError` if the URL names another version by now; a web server is not asked again.

        Args:
            done: what was done with it meanwhile, such as ``read``.
        """
        if self._web:
            return
        hint = "convert it when it is complete"
        changed = ReadError(f"the file changed while it was {done}", hint=hint, source=self.name)
        with translate_errors(ReadError, self._url):
            self._system.invalidate_cache()
            try:
                now = self._system.info(self._path)
            except FileNotFoundError as error:
                raise changed from error
            if _version(now) != self.version:
                raise changed

    def _read_head(self) -> tuple[int | None, tuple[Any, ...]]:
        answer = self._file.r
        if answer.status != 200:
            self.close()
            raise ReadError(
                f"the server answers {answer.status} {mask(str(answer.reason), self._url)}", hint=CHECK, source=self.name
            )
        encoding = answer.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _PLAIN_ENCODINGS:
            self.close()
            hint = f"download it first, with a program that decodes {encoding}"
            raise ReadError(f"the server sends it encoded as {encoding}", hint=hint, source=self.name)
        length = answer.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() and not answer.headers.get("Transfer-Encoding") else None
        return size, (size, answer.headers.get("ETag"), answer.headers.get("Last-Modified"))

    def _require_whole(self) -> None:
        if self.size is not None and self._position < self.size:
            raise ReadError(f"it ends after {self._so_far()}", hint="try again", source=self.name)
        self.require_unchanged("read")  # it came in several pieces, which may be of different versions

    def _so_far(self) -> str:
        return f"{self._position:,} bytes" if self.size is None else f"{self._position:,} of {self.size:,} bytes"


def _version(info: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(info.get(key) for key in _VERSION)
