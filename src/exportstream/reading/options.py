"""How an export is read: `ReadOptions`, made and checked once, and passed on unchanged, also to workers."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from exportstream.errors import OptionError, check_flags, check_numbers
from exportstream.models.notes import Reject
from exportstream.reading.limits import DEFAULT_MAX_MESSAGE_SIZE

OnError = Literal["stop", "skip"]
Rejects = list[Reject] | Callable[[Reject], None] | None


class PriceFile(Struct, frozen=True):
    """A price list that has been read: a pipe can't be read twice, and workers may not reach the file."""

    name: str
    data: bytes


class ReadOptions(Struct, frozen=True, kw_only=True):
    """How an export is read.

    Attributes:
        on_error: ``stop`` at a message that is not valid, at damage or where the input is cut, or ``skip`` it; None to stop
            in session exports and to skip in logs.
        max_message_size: bytes of the largest message taken; memory grows with the largest message.
        max_window: bytes of the largest zstd window taken; None for 128 MiB.
        dedupe: drop messages and sessions whose ids came before.
        prices: ``genai`` or a price list in TOML, for messages that have tokens but no cost; see `read_prices`.

    Raises:
        OptionError: a value is not one of these.
    """

    on_error: OnError | None = None
    max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE
    max_window: int | None = None
    dedupe: bool = False
    prices: str | os.PathLike[str] | PriceFile | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if self.on_error not in ("stop", "skip", None):
            hint = 'give it as rejects, with on_error="skip"' if callable(self.on_error) else None
            raise OptionError(f"expected on_error to be 'stop' or 'skip', got {self.on_error!r}", hint=hint)
        if not isinstance(self.prices, (str, bytes, os.PathLike, PriceFile, type(None))):
            hint = "write them to a file in TOML: [[price]], then model, input and output"
            raise OptionError(f"expected prices to be 'genai' or the path of a price list, got {self.prices!r}", hint=hint)
        sizes = {"max_message_size": self.max_message_size, "max_window": self.max_window}
        check_flags(dedupe=self.dedupe)
        check_numbers(**sizes)
        for name, size in sizes.items():
            if size is not None and size < 1:
                raise OptionError(f"expected {name} to be a positive number of bytes, got {size}")


def check_rejects(rejects: object) -> None:
    """Raise `OptionError` for anything but a list, a function, and None."""
    if not (rejects is None or isinstance(rejects, list) or callable(rejects)):
        raise OptionError(f"expected rejects to be a list or a function, got {rejects!r}")
