"""Limits of what is read, which docs and `--help` state, and the errors for what goes beyond them."""

from __future__ import annotations

from exportstream.errors import LimitError

DEFAULT_MAX_MESSAGE_SIZE = 1 << 30  # bytes of a message, a conversation or a line of a log
MAX_DEPTH = 512  # levels of objects and arrays
MAX_DIGITS = 4300  # of an integer: Python refuses to write longer ones


def too_deep(*, hint: str | None = None, position: int | None = None) -> LimitError:
    """Return the error for a value with more than `MAX_DEPTH` levels; `position` is that of what it is in."""
    return LimitError(f"expected at most {MAX_DEPTH} levels of objects and arrays, got more", hint=hint, position=position)


def too_many_digits() -> LimitError:
    """Return the error for an integer of more than `MAX_DIGITS` digits."""
    return LimitError(f"expected a number of at most {MAX_DIGITS:,} digits, got a longer one", hint="write it as a string")
