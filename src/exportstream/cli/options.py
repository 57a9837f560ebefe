"""Options that commands share."""

from __future__ import annotations

from typing import Any

import click

from exportstream.writing.tables import TABLES


class Size(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer clicks only
    """A number of bytes, also as 64KiB, 2GiB, 200MB."""

    name = "size"
    _units = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}  # noqa: RUF012

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        text = str(value).strip().upper().removesuffix("B")
        digits = text.rstrip("KMGI")
        unit = text[len(digits) :]
        if not digits.strip().isdigit() or unit not in self._units:
            self.fail(f"{value!r} is not a number of bytes (examples: 1048576, 64KiB, 2GiB)", param, ctx)
        return int(digits) * self._units[unit]


one_input = click.argument("input", type=click.Path(allow_dash=True))
debug_flag = click.option("--debug", is_flag=True, help="Show the traceback of an error.")
max_message_size_option = click.option(
    "--max-message-size",
    type=Size(),
    default="1GiB",
    show_default=True,
    help="Refuse a larger message; memory grows with the largest one.",
)
max_window_option = click.option(
    "--max-window", type=Size(), help="Take zstd windows up to this size (default 128MiB); that much memory is used."
)
keep_partial_flag = click.option(
    "--keep-partial", is_flag=True, help="Where the input is cut, keep the complete messages; exit 5."
)
dedupe_flag = click.option(
    "--dedupe",
    is_flag=True,
    help="Count a message or session id that comes again once in the totals of an input (with --merge, of all); rows stay. "
    "Memory grows with the number of messages.",
)
on_error_choice = click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="What to do with a message that is JSON but not a valid message. skip rejects it and goes on; exit 5.",
)

many_inputs = click.argument("inputs", metavar="INPUT...", type=click.Path(allow_dash=True), nargs=-1, required=True)
_writing = [
    click.option(
        "-o",
        "--output",
        type=click.Path(allow_dash=True),
        help="Default: NAME.ndjson.zst next to the input; standard output for standard input and for --merge.",
    ),
    click.option(
        "--format",
        type=click.Choice(["ndjson", "csv", "parquet", "sqlite"]),
        help="Default: by OUTPUT's suffix. parquet needs the extra of that name.",
    ),
    click.option("--compression", type=click.Choice(["zstd", "gzip", "none"]), help="Default: by OUTPUT's suffix."),
    click.option("--level", type=int, help="Compression level: zstd 1 to 22 (default 3), gzip 1 to 9 (default 6)."),
    click.option(
        "--table",
        type=click.Choice([*TABLES, "all"]),
        multiple=True,
        help="What a row is; more than once, or all: an output for each, NAME.TABLE.SUFFIX. "
        "Default: messages; all in SQLite, where they are tables of one file.",
    ),
    click.option(
        "--keys",
        type=click.Choice(["camel", "snake"]),
        default="camel",
        show_default=True,
        help="Names in the output. snake costs speed in NDJSON: each message is renamed first.",
    ),
    click.option("--running-totals", is_flag=True, help="Add to each row the totals after it (slower)."),
    click.option(
        "--csv-safe", is_flag=True, help="Prefix CSV cells a spreadsheet would run (= + - @) with '. Changes data."
    ),
    click.option(
        "--rejects",
        type=click.Path(),
        help="Where messages rejected by --on-error skip go, as NDJSON. Default: NAME.rejects.ndjson next to OUTPUT, "
        "or next to INPUT where OUTPUT is standard output.",
    ),
    click.option("--force", is_flag=True, help="Replace an output that exists."),
    click.option("--quiet", is_flag=True, help="No progress and no summary; warnings and errors stay."),
    click.option("--report", type=click.Path(), help="Write the summary as JSON to this file."),
]
_many = [
    click.option(
        "--merge",
        is_flag=True,
        help="One output of all inputs, in their order. Each is read twice, so that one that fails can be left out "
        "before its first row is written; with --fail-fast once.",
    ),
    click.option(
        "--update",
        is_flag=True,
        help="Skip inputs whose outputs are newer than they are, and replace older outputs. Only times are compared, not "
        "options, and what was rejected or cut is not said again.",
    ),
    click.option("--fail-fast", is_flag=True, help="Stop at the first input that fails."),
    click.option("--jobs", type=click.IntRange(min=1), help="Worker processes for many inputs. Default: the cores."),
    click.option("--dask", metavar="ADDRESS", help="Run on this Dask cluster instead (needs the extra dask)."),
]


def writing_options(command: Any) -> Any:
    """Add the options that say what is written, and how many inputs are worked on."""
    for option in reversed([*_writing, *_many]):
        command = option(command)
    return command
