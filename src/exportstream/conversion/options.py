"""What is asked of a conversion, beside its inputs and outputs: `ConvertOptions`, made once and passed on unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from exportstream.errors import check_flags
from exportstream.reading.options import ReadOptions
from exportstream.writing.options import WriteOptions


class ConvertOptions(Struct, frozen=True, kw_only=True):
    """How inputs are converted.

    Attributes:
        reading: how they are read.
        writing: how rows are written.
        rejects: where rejected messages go; see `convert`.
        exclude: globs of inputs that are left out; see `Exclude`.
        update: skip what is up to date, and replace outputs that exist.
        fail_fast: stop at the first input that fails.
        report: a path for the report as JSON.
        words: changes the text of errors in the report, whose hints are in Python's words.

    Raises:
        OptionError: a flag is neither True nor False.
    """

    reading: ReadOptions = ReadOptions()
    writing: WriteOptions = WriteOptions()
    rejects: Any = None
    exclude: str | Iterable[str] = ()
    update: bool = False
    fail_fast: bool = False
    report: Any = None
    words: Callable[[str], str] = str

    def __post_init__(self) -> None:
        """Check the flags."""
        check_flags(update=self.update, fail_fast=self.fail_fast)
