"""Prints. Nothing else does, so that nothing from outside reaches a terminal raw.

Takes: text that may hold names of files, words of a server, anything. Writes: lines of bounded length, in which control
characters and all others that aren't printable are escaped. Raises: `OSError` if the stream does.
"""

from __future__ import annotations

import re
import sys

import click

from exportstream.errors import LONGEST_LINE, WriteError, printable, shown
from exportstream.errors.patterns import late_pattern

_NAMES = (
    "by|columns|csv_safe|exclude|flat|force|format|max_message_size|max_window|on_error|"
    "prices|rejects|running_totals|since|sort|table|top|tz|until|update|without"
)
_KEYWORD = late_pattern(rf"`({_NAMES})`|\b({_NAMES})=(?:True|[\"']([\w.-]+)[\"']|([0-9]+)\b)")


def tell(text: str, *, over: bool = False) -> None:
    """Print one line of the command's own on standard error; `over` the ^C that a terminal shows."""
    if over and sys.stderr is not None and sys.stderr.isatty():
        click.echo("\r", nl=False, err=True)
    show_lines([f"exportstream: {text}"], err=True)


def in_options(text: str) -> str:
    """Turn the hints of the library's errors into the command's words, such as ``force=True`` into ``--force``."""

    def option(found: re.Match[str]) -> str:
        name, value = found[1] or found[2], found[3] or found[4]
        return f"--{name.replace('_', '-')}" + (f" {value}" if value else "")

    return _KEYWORD.sub(option, text.replace("(merge_many)", "(--merge)"))


def show_lines(lines: list[str], *, err: bool = False) -> None:
    """Print lines, on standard output or standard error; messages on standard error without secrets of URLs."""
    if not err:
        _require_stdout()
    for line in lines:
        click.echo(printable(shown(line) if err else line, LONGEST_LINE), err=err)


def show_json(text: str, *, end: str = "\n") -> None:
    """Print JSON on standard output; its strings are escaped already."""
    _require_stdout()
    click.echo(text + end, nl=False)


def standard_output(output: str | None) -> str | None:
    """Return ``-`` for standard output under another name, or a file that it goes to would be replaced; else the name."""
    return "-" if output in ("/dev/stdout", "/dev/fd/1") else output


def _require_stdout() -> None:
    """Raise an error instead of printing nowhere, as `click.echo` does where the shell has closed standard output."""
    if sys.stdout is None:
        raise WriteError("standard output is closed", source="<stdout>")
