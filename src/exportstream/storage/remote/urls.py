"""URLs: a URL becomes a file system of fsspec and a path in it, and a backend's error becomes one for people.

Takes: URLs, ``scheme://…``. Raises: `UsageError` for an unknown scheme, `MissingExtraError` for a library that is not
installed, and `ReadError` or `WriteError` (see `translate_errors`) for any error of a backend: each has errors of its own.
fsspec is not imported before the first URL is opened.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from exportstream.errors import ExportstreamError, MissingExtraError, TransferError, UsageError, mask, shown
from exportstream.errors.patterns import late_pattern

WEB = ("http", "https")
CHECK = "check the address"

_PATIENCE = 60  # seconds without a byte
_URL = late_pattern(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)  # two letters, so that C:// is a drive
_LOCAL = ("file", "local")
_EXTRA = "remote"
_IN_EXTRA = (*WEB, "s3", "s3a", "gs", "gcs")  # schemes whose libraries it installs
_LATER, _CREDENTIALS = "try again later", "check the address and the credentials"
_NETWORK = "check the address and the network, then try again"
_HINTS = {401: _CREDENTIALS, 403: _CREDENTIALS, 408: _LATER, 429: _LATER}


def has_scheme(text: str) -> bool:
    """Whether `text` begins with ``scheme://``; a path that does is written ``./scheme://``."""
    return "://" in text and _URL.match(text) is not None


def is_remote(text: str) -> bool:
    """Whether `text` is a URL, and not a ``file://`` URL, which is a path."""
    return has_scheme(text) and scheme_of(text) not in _LOCAL


def is_zip_url(text: str) -> bool:
    """Whether `text` is a URL whose path ends in ``.zip``; what is under it is not looked at."""
    if not is_remote(text) or "::" in text:
        return False
    path = re.split(r"[?#]", text, maxsplit=1)[0] if scheme_of(text) in WEB else text
    return path.lower().endswith(".zip")


def local_path(text: str) -> str:
    """Return the path that a ``file://`` URL names; any other text as it is."""
    return text.partition("://")[2] if has_scheme(text) and not is_remote(text) else text


def scheme_of(url: str) -> str:
    """Return the scheme of a URL in small letters."""
    return url.partition("://")[0].lower()


def kind_of(system: Any, path: str) -> str | None:
    """Return ``file``, ``directory`` or None if there is nothing; unlike fsspec's `exists`, fail if that can't be told."""
    system.invalidate_cache()
    try:
        return str(system.info(path)["type"])
    except FileNotFoundError:
        return None


def require_known(scheme: str) -> None:
    """Raise `UsageError` if fsspec does not know `scheme`, `MissingExtraError` if there is no fsspec."""
    try:
        from fsspec.registry import known_implementations, registry  # noqa: PLC0415 - an extra, and slow
    except ImportError as error:
        raise MissingExtraError("a URL", "fsspec", _EXTRA) from error
    if scheme not in known_implementations and scheme not in registry:
        hint = "use one such as https://, s3://, gs:// or file://, or write ./ before a path"
        raise UsageError(f"the scheme {scheme}:// is not known", hint=hint)


def connect(url: str, *, new: bool = False) -> tuple[Any, str]:
    """Return the file system of `url`, one of its own if `new`, and the path in it."""
    scheme = scheme_of(url)
    require_known(scheme)
    from fsspec.core import url_to_fs  # noqa: PLC0415 - an extra, and slow
    from fsspec.registry import filesystem  # noqa: PLC0415 - likewise

    try:
        if scheme in WEB:  # url_to_fs would split an IPv6 address at its colons
            return filesystem(scheme, client_kwargs=_client_options(), skip_instance_cache=new), url
        system, path = url_to_fs(f"{scheme}{url[len(scheme) :]}", skip_instance_cache=new)
    except ImportError as error:
        raise _missing(scheme, error) from error
    return system, path


def _client_options() -> dict[str, Any]:
    """Return options for the web client: bytes as they are stored, and no limit on the total time."""
    from aiohttp import ClientTimeout  # noqa: PLC0415 - an extra, and slow
    from fsspec.config import conf  # noqa: PLC0415 - likewise

    given: dict[str, Any] = {}
    for scheme in WEB:  # the user's settings, such as a header with a token (FSSPEC_HTTP)
        given.update(conf.get(scheme, {}).get("client_kwargs", {}))
    return {
        "timeout": ClientTimeout(total=None, sock_connect=_PATIENCE, sock_read=_PATIENCE),
        "trust_env": True,  # proxies
        **given,
        "auto_decompress": False,  # aiohttp takes a cut gzip for a whole one
        "headers": {**given.get("headers", {}), "Accept-Encoding": "identity"},
    }


def _missing(scheme: str, error: ImportError) -> MissingExtraError:
    from fsspec.registry import known_implementations  # noqa: PLC0415 - an extra, and slow

    library = str(known_implementations[scheme]["class"]).partition(".")[0]
    cause = error if isinstance(error, ModuleNotFoundError) else error.__cause__
    name = (getattr(cause, "name", None) or library).partition(".")[0]
    missing = MissingExtraError(f"{scheme}://", name, _EXTRA)
    if scheme not in _IN_EXTRA and name != "aiohttp":
        # A module of fsspec may need one whose package has another name: fsspec's own message has the right one.
        missing.hint = f"pip install {library}" if library != "fsspec" else str(error)
    return missing


@contextmanager
def translate_errors(kind: type[TransferError], url: str) -> Iterator[None]:
    """Raise `kind` for any error of a backend in the block; an error of ours only gets the URL."""
    try:
        yield
    except ExportstreamError as error:
        error.locate(source=shown(url))
        raise
    except Exception as error:
        what, hint = explain(error, url)
        raise kind(what, hint=hint, source=shown(url)) from error


def explain(error: Exception, url: str) -> tuple[str, str]:
    """Return a backend's error as one line without the secrets of `url`, and the next step."""
    from asyncio import TimeoutError as AsyncTimeoutError  # noqa: PLC0415 - slow, and fsspec has imported it by now

    number = getattr(getattr(error, "os_error", None), "errno", None)
    if number is not None and number > 0:
        return f"can't connect: {os.strerror(number)}", _NETWORK
    said = str(getattr(error, "strerror", None) or error) or type(error).__name__
    text = mask(said, url)
    status = getattr(error, "status", None)
    if isinstance(error, FileNotFoundError):
        if scheme_of(url) in WEB:
            return "the server answers 404 Not Found", CHECK
        return ("there is nothing of that name" if said.strip("/") in url else text), CHECK
    if isinstance(status, int) and status > 0:
        hint = _HINTS.get(status, _LATER if status >= 500 else CHECK)
        return f"the server answers {status} {mask(str(getattr(error, 'message', '')), url)}".rstrip(), hint
    if type(error).__name__ == "FileExpired":
        return "the file changed while it was read", "convert it when it is complete"
    if type(error).__name__ == "TooManyRedirects":
        return "the server redirects too often", CHECK
    if isinstance(error, (TimeoutError, AsyncTimeoutError)):
        return "there is no answer", _LATER
    if isinstance(error, PermissionError) or "redential" in text:  # botocore has no class for all of its own
        return text, _CREDENTIALS
    return text, _NETWORK
