"""Leave secrets of URLs out of text: user info, query values and fragments, also of URLs that can't be parsed.

Passwords that should have been percent-encoded hold any character, and urllib would find a host in the middle of one. So
everything up to the last ``@`` is user info, unless the part before the first slash is clearly a host.
"""

from __future__ import annotations

import re

from exportstream.errors.patterns import late_pattern

_WEB = ("http", "https")
_URL = late_pattern(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_MEMBER = r"[^\s?#&;=:@]{1,500}\.(?:json|jsonl|ndjson)(?:\.\w{1,4})?(?![\w.])"  # of a zip archive
_CHAINED = late_pattern(rf"::(?=[a-z][a-z0-9+.-]{{0,40}}(?:://|::)|{_MEMBER})", re.IGNORECASE)
_IN_TEXT = late_pattern(r"[a-z][a-z0-9+.-]{0,40}://\S+", re.IGNORECASE)  # bounded, so that a long word takes linear time
_HOST = late_pattern(r"(?:localhost|[\w-]+(?:\.[\w-]+)+|\[[0-9a-f:.]+\])(?::\d{2,5})?", re.IGNORECASE)
_ENDS = "\"'`)]>,.:;"  # what may follow a URL in a text
_PIECE = late_pattern(r"[?#&;][^?#&;]*")
_KEY = late_pattern(r"[?&;][a-z0-9._-]{1,20}")  # of a query without a value; a token has capitals or is longer
_STARS = "***"
_SHORT = 6  # characters: a shorter secret is masked only where it stands alone


def shown(text: str) -> str:
    """Return a URL, or a text with URLs in it, without secrets. What is shown once may be shown again."""
    if "://" not in text:
        return text
    if _URL.match(text) and "\n" not in text:
        return "::".join(_shown_url(part) for part in _CHAINED.split(text))
    return _IN_TEXT.sub(lambda found: "::".join(_shown_url(part) for part in _CHAINED.split(found[0])), text)


def mask(text: str, url: str) -> str:
    """Return a library's text about a URL as one line, without the secrets of the URL, however it cuts or quotes them."""
    from urllib.parse import quote, unquote  # noqa: PLC0415 - slow to import, and only for errors

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
