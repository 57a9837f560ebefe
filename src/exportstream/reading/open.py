"""`open_export` and `iter_messages`: an export from any source, its options as keywords."""

from __future__ import annotations

import os
from collections.abc import Iterator

from exportstream.models.structs import Message
from exportstream.reading.export import Export
from exportstream.reading.limits import DEFAULT_MAX_MESSAGE_SIZE
from exportstream.reading.options import OnError, ReadOptions, Rejects, check_rejects
from exportstream.storage.input_file import ByteSource
from exportstream.storage.names import require_one


def open_export(
    source: ByteSource,
    *,
    on_error: OnError | None = None,
    rejects: Rejects = None,
    max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
    max_window: int | None = None,
    dedupe: bool = False,
    prices: str | os.PathLike[str] | None = None,
) -> Export:
    """Open an export for reading; use it in a ``with`` and iterate over it.

    Args:
        source: a path, a URL (with the extra ``remote``), ``-`` for standard input, bytes, a binary file object, or an
            iterable of bytes (an HTTP body).
        on_error: ``stop`` stops at a message that is not valid, at bytes that are not JSON, or where the input is cut;
            ``skip`` rejects them and goes on with the next whole message, line or session. Default: stop; in logs skip,
            since real logs have broken lines (`Notes.rejected` counts them).
        rejects: with ``skip``, a list or a function that gets each `Reject`.
        max_message_size: bytes of the largest message taken (default 1 GiB); memory grows with the largest message.
        max_window: bytes of the largest zstd window taken (default 128 MiB).
        dedupe: drop messages whose session id and message id came before, and sessions whose id did: they are in no
            totals either, and `Export.duplicates` counts them. Memory grows by 90 to 180 bytes per message.
        prices: price messages that have tokens but no cost: ``genai`` (with the extra ``prices``), or a price list in TOML.
            The sums are in `Export.totals`, as ``priced``; `Message.cost` stays as it is.

    Returns:
        An iterator over `Message` with the state of the reading as attributes.

    Raises:
        UsageError, TypeError: the source is not one input, or an option has a value that it does not take.
        InputError: the input is not what it has to be; what kind, and where, is in the error.
        ReadError: the system failed to read.
    """
    require_one(source)
    options = ReadOptions(
        on_error=on_error, max_message_size=max_message_size, max_window=max_window, dedupe=dedupe, prices=prices
    )
    return Export(source, options, rejects=rejects)


def iter_messages(
    source: ByteSource,
    *,
    on_error: OnError | None = None,
    rejects: Rejects = None,
    max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
    max_window: int | None = None,
    dedupe: bool = False,
) -> Iterator[Message]:
    """Yield the messages of an export lazily, and close what was opened at the end.

    Args:
        source: as of `open_export`; so are all others.
        on_error: see `open_export`; here the default is to stop, also in logs.
        rejects: see `open_export`.
        max_message_size: see `open_export`.
        max_window: see `open_export`.
        dedupe: see `open_export`.

    Raises:
        UsageError, TypeError: at once; the source is not one input, or an option has a value that it does not take.
        InputError, ReadError: as `open_export`, when the first message is asked for.
    """
    require_one(source)
    options = ReadOptions(on_error=on_error, max_message_size=max_message_size, max_window=max_window, dedupe=dedupe)
    check_rejects(rejects)
    return _iter_messages(source, options, rejects)


def _iter_messages(source: ByteSource, options: ReadOptions, rejects: Rejects) -> Iterator[Message]:
    with Export(source, options, rejects=rejects, only_messages=True) as export:
        for batch in export.batches():
            yield from batch.messages
            del batch  # its memory is taken by the next one
