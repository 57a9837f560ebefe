"""Prints. Nothing else does, so that nothing from outside reaches a terminal raw.

Takes: text that may hold names of files, words of a server, anything. Writes: lines of bounded length, in which control
characters and all others that aren't printable are escaped. Raises: `WriteError` of standard output, `OSError` of the other.
"""

from __future__ import annotations

import re
import sys

import click

from exportstream.errors import LONGEST_LINE, WriteError, printable, shown
from exportstream.errors.patterns import late_pattern

STDOUT = "<stdout>"
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
    for line in lines:
        if err:
            click.echo(printable(shown(line), LONGEST_LINE), err=True)
        else:
            _show(printable(line, LONGEST_LINE) + "\n")


def show_json(text: str, *, end: str = "\n") -> None:
    """Print JSON on standard output; its strings are escaped already."""
    _show(text + end)


def standard_output(output: str | None) -> str | None:
    """Return ``-`` for standard output under another name, or a file that it goes to would be replaced; else the name."""
    return "-" if output in ("/dev/stdout", "/dev/fd/1") else output


def _show(text: str) -> None:
    """Print on standard output. `click.echo` prints nowhere where the shell has closed it; here that is an error."""
    if sys.stdout is None:
        raise WriteError("standard output is closed", source=STDOUT)
    try:
        click.echo(text, nl=False)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise WriteError.of(error, STDOUT) from error
