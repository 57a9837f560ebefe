"""Loads prices: those of the package genai-prices, or of a file."""

from __future__ import annotations

import os
from functools import cache, lru_cache
from typing import Any

from msgspec.structs import replace

from exportstream.errors import ReadError, UsageError
from exportstream.reading.options import PriceFile, ReadOptions
from exportstream.storage.memory import import_error
from exportstream.storage.names import is_stream
from exportstream.storage.source import open_source
from exportstream.totals.prices import Prices

GENAI = "genai"
_LARGEST = 16 << 20  # bytes of a file


def read_prices(options: ReadOptions) -> ReadOptions:
    """Return options that hold their price list, if it is a file: a run reads it once, before any work.

    Raises:
        UsageError, ReadError: as `load_prices`.
    """
    name = options.prices
    if name is not None and not isinstance(name, PriceFile) and os.fsdecode(name) != GENAI:
        options = replace(options, prices=_read(os.fsdecode(name)))
    load_prices(options.prices)
    return options


def load_prices(name: str | os.PathLike[str] | PriceFile | None) -> Prices | None:
    """Load a price list.

    Args:
        name: ``genai`` (its package is imported now), or a file in TOML, also one that has been read; None for none.

    Raises:
        UsageError: the file is no price list; `MissingExtraError` names the package to install.
        ReadError: the file can't be read.
    """
    if name is None:
        return None
    if isinstance(name, PriceFile):
        return _parse(name)
    name = os.fsdecode(name)
    return _load_genai() if name == GENAI else _parse(_read(name))


def _read(name: str) -> PriceFile:
    if is_stream(name):
        raise UsageError("prices can't come from standard input", hint="name a file in TOML, or genai")
    data = b""
    try:
        source = open_source(name)
    except ReadError as error:
        error.hint = error.hint or "name a file in TOML, or genai"
        raise
    with source:
        while piece := source.read(_LARGEST):  # a pipe gives what is there
            data += piece
            if len(data) > _LARGEST:
                raise UsageError("expected a price list of at most 16 MiB, got more", source=name)
    return PriceFile(name, data)


@lru_cache(4)
def _parse(file: PriceFile) -> Prices:
    from exportstream.totals.price_file import prices_of_file  # noqa: PLC0415 - with tomllib, which few need

    return prices_of_file(file.data, file.name)


@cache
def _load_genai() -> Prices:
    try:
        import genai_prices as package  # noqa: PLC0415 - an extra, and it takes a third of a second
        from genai_prices.data import providers  # noqa: PLC0415
        from genai_prices.data_snapshot import DataSnapshot  # noqa: PLC0415

        from exportstream.totals.genai import genai_prices  # noqa: PLC0415
    except ImportError as error:
        raise import_error('prices="genai"', "genai_prices", "prices", error) from error

    def find(model: str) -> Any:
        """Return the package's model; a new snapshot each time, since it remembers every name it was asked for."""
        return DataSnapshot(providers=providers, from_auto_update=False).find_provider_model(model, None, None, None)[1]

    return genai_prices(providers, package.__version__, find)
