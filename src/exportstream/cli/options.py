"""The options of convert, totals, check and verify."""

from __future__ import annotations

from collections.abc import Callable

import click

from exportstream.cli.help import Choices, Decorated, Size, option, together
from exportstream.totals.group_keys import DIMENSIONS
from exportstream.writing.options import FORMAT_NAMES
from exportstream.writing.selection import TABLES

_PATH = click.Path(readable=False, allow_dash=True)  # reading it will report the error
many_outputs = click.argument("outputs", metavar="OUTPUT...", type=_PATH, nargs=-1, required=True)
many_inputs = click.argument("inputs", metavar="INPUT...", type=_PATH, nargs=-1, required=True)

json_flag = option("Output", "--json", "as_json", is_flag=True, help="Print JSON.")
force_flag = option("Output", "-f", "--force", is_flag=True, help="Replace an output that exists.")
strict_flag = option("Bad input", "--strict", is_flag=True, help="End with exit code 3 for any finding.")
_on_error = option(
    "Bad input",
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    show_default="stop, in logs skip",
    help="Stop at a message that is not valid, at bytes that are not JSON, or where the input is cut; or skip: reject them "
    "and go on with the next whole message (exit code 5).",
)
_limits = (
    option(
        "Limits",
        "--max-message-size",
        type=Size(),
        default="1GiB",
        show_default=True,
        help="Refuse a larger message, or conversation of a chat export. Memory grows with the largest one.",
    ),
    option(
        "Limits",
        "--max-window",
        type=Size(),
        default="128MiB",
        show_default=True,
        help="Refuse input compressed with a larger zstd window. That much memory is used.",
    ),
)
debug_flag = option(
    "General", "--debug", is_flag=True, expose_value=False, help="Show the traceback of an error."
)  # read by `main`, before anything is parsed
_exclude = option(
    "Several inputs",
    "--exclude",
    metavar="GLOB",
    multiple=True,
    help="Leave out files and folders of these names; with a / in it, of these paths. Repeatable.",
)
_SHARE = (
    "Number of processes, 40 MB each on average. They also share one file of 32 MiB or more (8 MiB compressed; a pipe only "
    "if you give N)"
)


def _jobs(text: str, default: str = "one per core") -> Callable[[Decorated], Decorated]:
    return option("Several inputs", "-j", "--jobs", type=click.IntRange(min=1), show_default=default, help=text)


_quiet = option("General", "-q", "--quiet", is_flag=True, help="Show no progress and no summary; warnings and errors stay.")
_prices = option(
    "Rows",
    "--prices",
    metavar="genai|FILE",
    show_default="none",
    help="Price messages that have tokens but no cost, at the price of their date: by the package genai-prices (with the "
    "extra prices; takes half a second to load), or by a list in TOML.",
)
_csv_safe = option(
    "Rows",
    "--csv-safe",
    is_flag=True,
    help="Prefix cells that a spreadsheet would treat as formulas (= + - @) with '. Changes data.",
)
convert_options = together(
    option(
        "Output",
        "-o",
        "--output",
        type=_PATH,
        help="Write to this file, folder (DIR/) or URL. Default: NAME.ndjson.zst next to the input; standard output for "
        "standard input and --merge.",
    ),
    option(
        "Output",
        "--format",
        type=click.Choice(FORMAT_NAMES),
        metavar="SUFFIX",
        show_default="by OUTPUT's suffix",
        help="Write the format of this suffix, such as csv.gz: ndjson, jsonl or csv, then .zst, .gz or nothing; parquet "
        "(needs the extra of that name); db, sqlite or sqlite3. Default names end in it.",
    ),
    option(
        "Output",
        "--level",
        type=int,
        show_default="zstd 3, gzip 2",
        help="Compress at this level, zstd from 1 to 22, gzip from 1 to 9 (slow from 4 on).",
    ),
    force_flag,
    option("Output", "--report", type=_PATH, help="Write the summary as JSON to this file."),
    option(
        "Rows",
        "-t",
        "--table",
        type=Choices([*TABLES, "all"]),
        metavar="TABLES",
        multiple=True,
        callback=lambda _ctx, _param, given: tuple(name for names in given for name in names),
        show_default="messages; all in SQLite",
        help="Write a row for each of these: messages, tool-calls, sessions. Several with commas between them, or all, are "
        "an output each, NAME.TABLE.SUFFIX; in SQLite tables of one file.",
    ),
    option(
        "Rows",
        "--columns",
        metavar="NAME,...",
        multiple=True,
        show_default="*, the usual ones",
        help="Write these columns, in this order; TABLE.NAME for a column of one of several tables. "
        "In SQLite the primary key stays.",
    ),
    option(
        "Rows",
        "--without",
        metavar="NAME,...",
        multiple=True,
        show_default="none",
        help="Leave these columns out, or fields of tool calls, such as toolCalls.result.",
    ),
    option(
        "Rows",
        "--keys",
        type=click.Choice(["camel", "snake"]),
        default="camel",
        show_default=True,
        help="Write camelCase or snake_case names. snake costs speed in NDJSON.",
    ),
    option(
        "Rows",
        "--flat",
        is_flag=True,
        help="Give each column one type in NDJSON: null where absent, in tool calls too; inputJson and extra as text.",
    ),
    option("Rows", "--running-totals", is_flag=True, help="Add the totals after each row (slower)."),
    _csv_safe,
    option(
        "Rows",
        "--dedupe",
        is_flag=True,
        help="Drop messages and sessions whose ids came before in the input (with --merge, in all inputs). Memory grows by "
        "90 to 180 bytes per message.",
    ),
    _prices,
    option(
        "Several inputs",
        "--merge",
        is_flag=True,
        help="Write one output of all inputs, in their order, in one process. Each is read twice, to leave a "
        "bad one out before its first row; with --fail-fast once.",
    ),
    option(
        "Several inputs",
        "--update",
        is_flag=True,
        help="Skip inputs whose outputs were made of them as they are, with these options; replace the other outputs, that "
        "of --merge as a whole if one input is newer or new. Outputs under a URL, and a single one or that of --merge that "
        "has no record yet, since it was written without --update, go by times: options are not compared.",
    ),
    _exclude,
    option("Several inputs", "--fail-fast", is_flag=True, help="Stop at the first input that fails."),
    _jobs(
        f"{_SHARE}, for NDJSON and CSV without --running-totals, --dedupe and the columns file and sessionNumber. An output "
        "is then several zstd frames or gzip members. On two cores CSV, archives and chats take a fifth less time, NDJSON "
        "of one session as much as before: one process has both at work already.",
        "one per core, 1 for one input",
    ),
    option("Several inputs", "--dask", metavar="ADDRESS", help="Run on this Dask cluster instead (needs the extra dask)."),
    _on_error,
    option(
        "Bad input",
        "--rejects",
        type=_PATH,
        help="Write what --on-error skip rejects to this file, as NDJSON. Default: "
        "OUTPUT.rejects.ndjson, or INPUT.rejects.ndjson if OUTPUT is standard output.",
    ),
    *_limits,
    _quiet,
    debug_flag,
)


def _complete_words(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the last of several words with commas between them."""
    before, comma, last = incomplete.rpartition(",")
    return [before + comma + word for word in DIMENSIONS if word.startswith(last)]


totals_options = together(
    option(
        "Output",
        "-o",
        "--output",
        type=_PATH,
        help="Write to this file: .csv (one table), .md or .json, with every figure; or .html, a page with charts and "
        "tables of its own (needs the extra page); then .zst, .gz or nothing. - is standard output, as CSV.",
    ),
    force_flag,
    json_flag,
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
    _exclude,
    _csv_safe,
    option(
        "Rows",
        "--dedupe",
        is_flag=True,
        help="Drop messages and sessions whose ids came before. Memory grows by 90 to 180 bytes per message.",
    ),
    _prices,
    _jobs(f"{_SHARE}, unless --dedupe or --by message is given."),
    _on_error,
    *_limits,
    _quiet,
    debug_flag,
)
check_options = together(json_flag, _exclude, _jobs(f"{_SHARE}."), strict_flag, *_limits, _quiet, debug_flag)
