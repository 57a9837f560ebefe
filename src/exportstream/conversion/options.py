"""What is asked of a conversion, beside its inputs and outputs: `ConvertOptions`, made once and passed on unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from exportstream.errors import check_flags
from exportstream.reading.options import ReadOptions
from exportstream.writing.options import WriteOptions, split_names, tables_of

_OTHERS = ("source", "sources", "target", "target_dir", "executor", "progress")  # keywords that are no options
_READING, _WRITING = ReadOptions.__struct_fields__, WriteOptions.__struct_fields__
_OF_RUN = ("rejects", "exclude", "update", "fail_fast", "report")


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


def options_of(given: Mapping[str, Any], words: Callable[[str], str] = str) -> ConvertOptions:
    """Return the options of a call of `convert`, `convert_many` or `merge_many`.

    Its keywords are given by name, as `locals()` has them first thing in a function; others than options have no effect.

    Raises:
        OptionError: a value is not possible.
        TypeError: a keyword is none of the three.
    """
    if unknown := given.keys() - {*_OTHERS, *_READING, *_WRITING, *_OF_RUN, "table"}:
        raise TypeError(f"expected options of a conversion, got {', '.join(sorted(unknown))}")
    return ConvertOptions(
        reading=ReadOptions(**_picked(_READING, given)),
        writing=WriteOptions(
            **_picked(_WRITING, given)
            | {
                "tables": tables_of(given["table"]),
                "columns": split_names(given["columns"], "columns"),
                "without": split_names(given["without"], "without") or (),
                "priced": given["prices"] is not None,
            }
        ),
        words=words,
        **_picked(_OF_RUN, given),
    )


def _picked(names: Iterable[str], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}
