"""Limits of what is read, which docs and `--help` state."""

DEFAULT_MAX_MESSAGE_SIZE = 1 << 30  # bytes of a message, a conversation or a line of a log
MAX_DEPTH = 512  # levels of objects and arrays
MAX_DIGITS = 4300  # of an integer: Python refuses to write longer ones
