"""Reading from Python: an export as an iterator over its messages.

Takes: a source. Yields: `Message`. Raises, holds: as `export`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from exportstream.export import Export
from exportstream.feed import DEFAULT_MAX_MESSAGE_SIZE
from exportstream.messages import Reject
from exportstream.models import Message

Rejects = list[Reject] | Callable[[Reject], None] | None


def open_export(
    source: Any,
    *,
    on_error: str = "raise",
    rejects: Rejects = None,
    keep_partial: bool = False,
    max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
    max_window: int | None = None,
    dedupe: bool = False,
) -> Export:
    """Open an export for reading; use it in a ``with`` and iterate over it.

    Args:
        source: a path, a URL (with the extra ``remote``), ``-`` for standard input, bytes, a binary file object, or an
            iterable of bytes (an HTTP body).
        on_error: ``raise`` stops at a message that is JSON but not a valid message, ``skip`` rejects it and goes on.
        rejects: with ``skip``, a list or a function that gets each `Reject`.
        keep_partial: end quietly where the input is cut, after the last complete message; `Export.partial` says so.
        max_message_size: bytes of the largest message taken (default 1 GiB); memory grows with the largest message.
        max_window: bytes of the largest zstd window taken (default 128 MiB).
        dedupe: count a message or session that comes again once in the totals; memory grows with their number.

    Returns:
        An iterator over `Message` with the state of the reading as attributes.

    Raises:
        InputError: the input is not what it has to be; what kind, and where, is in the error.
        ReadError: the system failed to read.
    """
    return Export(
        source,
        on_error=on_error,
        rejects=rejects,
        keep_partial=keep_partial,
        max_message_size=max_message_size,
        max_window=max_window,
        dedupe=dedupe,
    )


def iter_messages(source: Any, **options: Any) -> Iterator[Message]:
    """Yield the messages of an export lazily, and close what was opened at the end.

    Args:
        source: as of `open_export`.
        **options: as of `open_export`.

    Raises:
        InputError, ReadError: as `open_export`.
    """
    with Export(source, only_messages=True, **options) as export:
        for part in export.batches():
            if isinstance(part, list):
                yield from part
