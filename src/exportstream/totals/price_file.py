"""Prices of a file in TOML.

Takes: its bytes. Returns: `Prices`. Raises: `UsageError` that names the line, the entry or the key. Holds: the entries.
"""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from msgspec import Struct

from exportstream.errors import UsageError
from exportstream.totals.priced import PriceList, Rates
from exportstream.totals.prices import History, Price, Prices

_RATES = ("input", "output", "cache-write", "cache-write-1h", "cache-read")
_KEYS = ("model", "from", *_RATES)
_HINT = 'write [[price]], then model = "NAME*", input = 3 and output = 15, in USD per million tokens'
_MOST = 10**9  # USD per million tokens
_DECIMALS = 18
_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*price[ \t]*\]\]", re.MULTILINE)


class _Entry(Struct):
    pattern: re.Pattern[str]
    start: date | None
    price: Price


def prices_of_file(data: bytes, name: str) -> Prices:
    """Read a price list."""
    try:
        text = data.decode()
        document = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:  # tomllib's own error is a ValueError and names the line
        raise UsageError(f"expected a price list in TOML: {error}", source=name, hint=_HINT) from error
    prices = document.get("price")
    if not isinstance(prices, list) or not prices or set(document) != {"price"}:
        found = ", ".join(document) or "nothing"
        raise UsageError(f"expected [[price]] and nothing else, got {found}", source=name, hint=_HINT)
    lines = [text.count("\n", 0, found.start()) + 1 for found in _HEADER.finditer(text)]
    entries: list[_Entry] = []
    places: dict[tuple[str, date | None], str] = {}
    for number, one in enumerate(prices):
        line = f", line {lines[number]}" if len(lines) == len(prices) else ""
        where = f"price {number + 1}{line}"
        entry = _entry(one, where, name)
        entries.append(entry)
        before = places.setdefault((entry.pattern.pattern, entry.start), where)
        if before != where:  # the first would count, silently
            when = "without `from`" if entry.start is None else f"from {entry.start}"
            what = f"expected one price of {one['model']!r} {when}, got two ({before}; {where})"
            raise UsageError(what, source=name, hint="remove one, or give the later one its first day: from = 2026-01-31")
    starts = [str(entry.start) for entry in entries if entry.start is not None]
    version = sha256(data).hexdigest()[:12]
    return Prices(PriceList(name, version, max(starts, default=None)), lambda model: _history(entries, model))


def _entry(one: Any, where: str, source: str) -> _Entry:
    def error(what: str) -> UsageError:
        return UsageError(f"{what} ({where})", source=source, hint=_HINT)

    if not isinstance(one, dict):
        raise error(f"expected a table, got {one!r}")
    for key in one:
        if key not in _KEYS:
            raise error(f"expected keys of {', '.join(_KEYS)}, got {key!r}")
    model = one.get("model")
    if not isinstance(model, str) or not model:
        raise error(f"expected `model` to be the name of a model or a pattern, got {model!r}")
    start = one.get("from")
    if start is not None and (not isinstance(start, date) or isinstance(start, datetime)):
        raise error(f"expected `from` to be a date such as 2026-01-31 without quotes, got {start!r}")
    rates: dict[str, Decimal] = {}
    for key in _RATES:
        value = one.get(key)
        if value is None and key not in ("input", "output"):
            continue
        rate = _rate(value)
        if rate is None:
            got = "none" if value is None else str(value) if isinstance(value, Decimal) else repr(value)
            raise error(f"expected `{key}` to be USD per million tokens, such as 3.75, got {got}")
        rates[key] = rate
    given = rates["input"]
    write, read = rates.get("cache-write", given), rates.get("cache-read", given)
    price = Price((), (Rates(given, rates["output"], write, read, rates.get("cache-write-1h", write)),))
    pattern = ".*".join(map(re.escape, model.lower().split("*")))
    return _Entry(re.compile(pattern, re.DOTALL), start, price)


def _rate(value: Any) -> Decimal | None:
    """Return a rate; None for anything but a number of a sensible size and with few decimals."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    rate = Decimal(value)
    exponent = rate.as_tuple().exponent
    if not isinstance(exponent, int) or not 0 <= rate <= _MOST or exponent < -_DECIMALS:  # no exponent: not a number
        return None
    return rate


def _history(entries: list[_Entry], model: str) -> History | None:
    """Return the history of a model: the first pattern that fits decides, with all of its entries."""
    fitting = next((entry.pattern for entry in entries if entry.pattern.fullmatch(model.lower())), None)
    if fitting is None:
        return None
    found = [entry for entry in entries if entry.pattern == fitting]
    dated = sorted((entry for entry in found if entry.start is not None), key=lambda entry: entry.start or date.min)
    undated = next((entry.price for entry in found if entry.start is None), None)

    def at(instant: datetime) -> Price | None:
        day = instant.astimezone(UTC).date()
        return next((entry.price for entry in reversed(dated) if entry.start is not None and entry.start <= day), undated)

    return History(at, None if dated else undated)
