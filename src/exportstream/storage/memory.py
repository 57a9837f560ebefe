"""Tells where the machine's memory was not enough, in the many words that libraries have for it."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from exportstream.errors import ExportstreamError, MissingExtraError, OutOfMemoryError, UsageError, printable


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory; libraries have several ways to say so."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    text = str(error).lower()
    if isinstance(error, ImportError):  # the loader's words; of the second kind is also a fault that is none of memory
        return "failed to map segment" in text or ("cannot allocate memory" in text and "static tls" not in text)
    return type(error).__name__ in ("ZstdError", "OperationalError") and (
        "not enough memory" in text or text == "out of memory"
    )


@contextmanager
def explain_memory(place: Callable[[], dict[str, Any]] = dict) -> Iterator[None]:
    """Raise `OutOfMemoryError` where there is not enough memory for the block; `place` is what to say of it."""
    try:
        yield
    except ExportstreamError:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(**place()) from error


def import_error(what: str, library: str, extra: str, error: ImportError) -> ExportstreamError:
    """Return why `library`, which `what` needs, can't be imported, as our own error."""
    if isinstance(error, ModuleNotFoundError) and error.name == library:
        return MissingExtraError(what, library, extra)
    if is_out_of_memory(error):
        return OutOfMemoryError(f"{what} needs {library}, which does not fit into memory")
    return UsageError(
        f"{what} needs {library}, which can't be loaded: {printable(str(error), 1000)}", hint="install it again"
    )
