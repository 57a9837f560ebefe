"""Errors of libraries that mean too little memory, or that a library can't be loaded, become our own."""

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
def explain_memory(where: Callable[[], dict[str, Any]] = dict) -> Iterator[None]:
    """Raise `OutOfMemoryError` if the block does not get enough memory; `where` returns that error's keywords."""
    try:
        yield
    except ExportstreamError:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(**where()) from error


def import_error(what: str, library: str, extra: str, error: ImportError) -> ExportstreamError:
    """Return our own error for a `library` that `what` needs and that can't be imported."""
    if isinstance(error, ModuleNotFoundError) and error.name == library:
        return MissingExtraError(what, library, extra)
    if is_out_of_memory(error):
        return OutOfMemoryError(f"{what} needs {library}, which does not fit into memory")
    return UsageError(
        f"{what} needs {library}, which can't be loaded: {printable(str(error), 1000)}", hint="install it again"
    )
