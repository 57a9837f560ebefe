"""What an open export tells of its input, while it is read and after that.

Takes: the sources of an input. Returns: figures of them. Raises, holds: nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exportstream.storage.joined_files import Sources


class InputState:
    """An input that is being read."""

    _files: Sources

    @property
    def name(self) -> str:
        """The input's name."""
        return self._files.main.name

    @property
    def bytes_read(self) -> int:
        """Bytes read of the input as it is stored."""
        return self._files.bytes_read

    @property
    def bytes_total(self) -> int | None:
        """Size of the input as it is stored, None where it is not known."""
        return self._files.bytes_total

    @property
    def state(self) -> dict[str, Any]:
        """What changes if the input is replaced or grows, as it was opened; empty if that is not known."""
        return self._files.state

    @property
    def require_unchanged(self) -> Callable[[], None]:
        """A function that raises `ReadError` if the input is no longer what was read; works after `close` as well."""
        return self._files.require_unchanged

    @property
    def position(self) -> int:
        """Bytes of JSON read so far, after decompression."""
        return self._files.position
