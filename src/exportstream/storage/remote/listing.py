"""Lists a URL's folder or pattern, and tells whether there is anything at a URL and when it was written.

Takes: a URL. Raises: what `urls` raises. Holds: the names of a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

from exportstream.errors import ReadError
from exportstream.storage.remote.reader import RemoteFile
from exportstream.storage.remote.urls import WEB, connect, kind_of, scheme_of, translate_errors


def is_pattern(url: str) -> bool:
    """Whether a URL stands for several files: a folder (it ends in ``/``) or a pattern (``*``, ``?``, ``[``).

    A web server lists nothing, and ``?`` begins a query there: a web address always stands for itself.
    """
    path = url.partition("::")[0]
    return scheme_of(url) not in WEB and (path.endswith("/") or re.search(r"[*?[]", path) is not None)


def list_urls(pattern: str) -> Iterator[tuple[str, str]]:
    """Yield the files of a folder or pattern, sorted: each URL, and its path below the part without a pattern.

    A folder is listed with all its folders. Any other URL (see `is_pattern`) yields itself and its last part.
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
        root = connect(f"{prefix}{chained}{container}")[1]
        names = sorted(name for name, info in found.items() if info["type"] == "file" and not name.endswith("/"))
    for name in names:
        relative = name[len(root) :].removeprefix("/")
        yield f"{prefix}{relative}{chained}{container}", relative


def exists(url: str) -> bool:
    """Whether there is a file or a folder at `url`; raise `ReadError` if the backend can't tell."""
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
    """Return when `url` was written, with its zone; None if the backend can't tell."""
    system, path = connect(url)
    with suppress(Exception):  # best effort, and each backend has errors of its own
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - likewise

        if scheme_of(url) in WEB:
            file = RemoteFile(url)
            file.close()
            return parsedate_to_datetime(file.version[-1])
        system.invalidate_cache()
        found: datetime = system.modified(path)
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return None
