"""The options of totals by group."""

from __future__ import annotations

import click

from exportstream.cli.help import option, together
from exportstream.cli.options import force_flag
from exportstream.totals.group_keys import DIMENSIONS


def _complete_words(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the last of several words with commas between them."""
    before, comma, last = incomplete.rpartition(",")
    return [before + comma + word for word in DIMENSIONS if word.startswith(last)]


grouping_options = together(
    option(
        "Output",
        "-o",
        "--output",
        type=click.Path(),
        help="Write to this file: .csv (one table), .md or .json, with every figure; or .html, a page with charts and "
        "tables of its own (needs the extra page); then .zst, .gz or nothing. - is standard output, as CSV.",
    ),
    force_flag,
    option(
        "Groups",
        "--by",
        multiple=True,
        metavar="WORDS",
        shell_complete=_complete_words,
        show_default="totals of everything",
        help=f"Count by {', '.join(DIMENSIONS[:-1])} or {DIMENSIONS[-1]}; by several with commas (day,model). Give it more "
        "than once for several tables. By tool, calls are counted; by field, bytes; by message, the largest are listed, as "
        "many as --top. Memory grows with the number of groups.",
    ),
    option(
        "Groups",
        "--since",
        metavar="TIME",
        show_default="the first",
        help="Count messages created at this date or date-time or later; 12h, 7d and 2w are so many hours, days and weeks "
        "before now. Messages without a date are a row of their own.",
    ),
    option("Groups", "--until", metavar="TIME", show_default="the last", help="Count messages created before this."),
    option(
        "Groups",
        "--tz",
        metavar="ZONE",
        show_default="the offset of each date",
        help="Take days and ranges in this zone, such as Europe/Berlin, or local.",
    ),
    option(
        "Groups",
        "--sort",
        metavar="WORD",
        show_default="dates in order, others by cost",
        help="Sort by this word of --by, or by a figure, the largest first: a heading (cost, calls, 'all input') or a column"
        " (output-tokens).",
    ),
    option(
        "Groups",
        "--top",
        type=click.IntRange(min=1),
        show_default="all",
        help="Show this many groups, and the others as one row.",
    ),
)
