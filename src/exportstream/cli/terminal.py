"""Prints: the only place that does, so that nothing from outside reaches a terminal raw.

Takes: text that may hold names of files, words of a server, anything. Writes: lines in which every control character and
every other character that isn't printable is escaped, of bounded length. Raises: `OSError` where the stream does.
"""

from __future__ import annotations

import click

from exportstream.errors import LONGEST_LINE, printable, shown

__all__ = ["show_json", "show_lines", "tell"]


def tell(text: str) -> None:
    """Print one line of the command's own on standard error."""
    show_lines([f"exportstream: {text}"], err=True)


def show_lines(lines: list[str], *, err: bool = False) -> None:
    """Print lines, on standard output or standard error; messages on standard error without secrets of URLs."""
    for line in lines:
        click.echo(printable(shown(line) if err else line, LONGEST_LINE), err=err)


def show_json(text: str, *, end: str = "\n") -> None:
    """Print JSON on standard output; its strings are escaped already."""
    click.echo(text + end, nl=False)
