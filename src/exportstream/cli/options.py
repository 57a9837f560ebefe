"""Options that commands share, and the help that lists them in groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from exportstream.cli.process import Exit
from exportstream.writing.formats import FORMATS
from exportstream.writing.options import COMPRESSIONS
from exportstream.writing.tables import TABLES

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

GROUPS = ("Output", "Rows", "Several inputs", "Bad input", "Limits", "General")
_WIDE = 25  # characters: longer names of an option stand on a line of their own
EXIT_CODES = {
    Exit.DONE: "done",
    Exit.BUG: "a bug in exportstream: please report it",
    Exit.USAGE: "wrong usage: options that contradict each other, an output that exists",
    Exit.INPUT: "bad input (one of many is enough), or findings with check --strict",
    Exit.SYSTEM: "reading, writing, the network or the memory failed; an input changed",
    Exit.PARTIAL: "done, but messages or damaged bytes were rejected",
}


class Command(click.Command):
    """A command whose help has its options in groups, and ends with exit codes and examples."""

    def __init__(
        self, *args: Any, examples: Sequence[tuple[str, str]], exit_codes: Sequence[Exit] = tuple(Exit), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.exit_codes = exit_codes

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a section for each group."""
        found = [(group_of(param), param.get_help_record(ctx)) for param in self.get_params(ctx)]
        records = [(group, *record) for group, record in found if record is not None]
        width = min(_WIDE, max(len(names) for _, names, _ in records))
        for group in GROUPS:
            if rows := [(f"{names:{width}}", text) for of, names, text in records if of == group]:
                with formatter.section(group):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes and the examples; an example is never folded."""
        del ctx
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code.value), EXIT_CODES[code]) for code in self.exit_codes])
        with formatter.section("Examples"):
            width = max(len(example) for example, _ in self.examples)
            for example, meaning in self.examples:
                formatter.write(f"  {example:{width}}  # {meaning}\n")


class _Option(click.Option):
    """An option that belongs to a group of the help."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


def group_of(param: click.Parameter) -> str | None:
    """Return the group of an option, None for an argument."""
    if not isinstance(param, click.Option):
        return None
    return param.group if isinstance(param, _Option) else "General"  # --help is click's own


def option(group: str, *names: str, **kwargs: Any) -> Callable[[_Decorated], _Decorated]:
    """Add an option of a group to a command; the rest is as of `click.option`."""
    return click.option(*names, cls=_Option, group=group, **kwargs)


class Size(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer clicks only
    """A number of bytes, also as 64KiB, 2GiB, 200MB."""

    name = "size"
    _units = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}  # noqa: RUF012

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes."""
        text = str(value).strip().upper().removesuffix("B")
        digits = text.rstrip("KMGI")
        unit = text[len(digits) :]
        if not digits.strip().isdigit() or unit not in self._units:
            self.fail(f"{value!r} is not a number of bytes (examples: 1048576, 64KiB, 2GiB)", param, ctx)
        return int(digits) * self._units[unit]


one_input = click.argument("input", type=click.Path(allow_dash=True))
many_inputs = click.argument("inputs", metavar="INPUT...", type=click.Path(allow_dash=True), nargs=-1, required=True)

json_flag = option("Output", "--json", "as_json", is_flag=True, help="Print JSON.")
strict_flag = option("Bad input", "--strict", is_flag=True, help="End with exit code 3 for any finding.")
_on_error = option(
    "Bad input",
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
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
        help="Refuse a larger message. Memory grows with the largest one.",
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
_debug = option(
    "General", "--debug", is_flag=True, expose_value=False, help="Show the traceback of an error."
)  # read by `main`, before anything is parsed
_writing = (
    option(
        "Output",
        "-o",
        "--output",
        type=click.Path(allow_dash=True),
        help="Write to this file, folder (DIR/) or URL. Default: NAME.ndjson.zst next to the input; standard output for "
        "standard input and --merge.",
    ),
    option(
        "Output",
        "--format",
        type=click.Choice(list(FORMATS)),
        show_default="by OUTPUT's suffix",
        help="Write this format. parquet needs the extra of that name.",
    ),
    option(
        "Output",
        "--compression",
        type=click.Choice(COMPRESSIONS),
        show_default="by OUTPUT's suffix",
        help="Compress the output this way.",
    ),
    option(
        "Output",
        "--level",
        type=int,
        show_default="zstd 3, gzip 6",
        help="Compress at this level, zstd from 1 to 22, gzip from 1 to 9.",
    ),
    option("Output", "--force", is_flag=True, help="Replace an output that exists."),
    option("Output", "--report", type=click.Path(), help="Write the summary as JSON to this file."),
    option(
        "Rows",
        "--table",
        type=click.Choice([*TABLES, "all"]),
        multiple=True,
        show_default="messages; all in SQLite",
        help="Write a row for each of these. Give it more than once, or all, for several tables: an output each, "
        "NAME.TABLE.SUFFIX; in SQLite tables of one file.",
    ),
    option(
        "Rows",
        "--keys",
        type=click.Choice(["camel", "snake"]),
        default="camel",
        show_default=True,
        help="Write camelCase or snake_case names. snake costs speed in NDJSON.",
    ),
    option("Rows", "--running-totals", is_flag=True, help="Add the totals after each row (slower)."),
    option(
        "Rows",
        "--csv-safe",
        is_flag=True,
        help="Prefix cells that a spreadsheet would treat as formulas (= + - @) with '. Changes data.",
    ),
    option(
        "Rows",
        "--dedupe",
        is_flag=True,
        help="Count repeated ids only once in the totals of an input (with --merge, of all inputs). Rows are not removed. "
        "Memory grows with the number of messages.",
    ),
    option(
        "Several inputs",
        "--merge",
        is_flag=True,
        help="Write one output of all inputs, in their order. Each is read twice, to leave a bad one out before its first "
        "row; with --fail-fast once.",
    ),
    option(
        "Several inputs",
        "--update",
        is_flag=True,
        help="Skip inputs that are older than their outputs, and replace older outputs. Options are not compared, and "
        "earlier rejects are not reported again.",
    ),
    option("Several inputs", "--fail-fast", is_flag=True, help="Stop at the first input that fails."),
    option(
        "Several inputs",
        "--jobs",
        type=click.IntRange(min=1),
        show_default="one per core",
        help="Number of worker processes.",
    ),
    option("Several inputs", "--dask", metavar="ADDRESS", help="Run on this Dask cluster instead (needs the extra dask)."),
    _on_error,
    option(
        "Bad input",
        "--rejects",
        type=click.Path(),
        help="Write what --on-error skip rejects to this file, as NDJSON. Default: NAME.rejects.ndjson next to "
        "OUTPUT, or next to INPUT if OUTPUT is standard output.",
    ),
    *_limits,
    option("General", "--quiet", is_flag=True, help="Show no progress and no summary; warnings and errors stay."),
    _debug,
)
_adding = (
    option(
        "Rows",
        "--dedupe",
        is_flag=True,
        help="Count repeated ids only once. Memory grows with the number of messages.",
    ),
    _on_error,
    *_limits,
    _debug,
)
_checking = (*_limits, _debug)


def _add(options: Sequence[Callable[[Any], Any]], command: _Decorated) -> _Decorated:
    for one in reversed(options):
        command = one(command)
    return command


def convert_options(command: _Decorated) -> _Decorated:
    """Add the options of convert to a command."""
    return _add(_writing, command)


def totals_options(command: _Decorated) -> _Decorated:
    """Add the options of totals to a command."""
    return _add((json_flag, *_adding), command)


def check_options(command: _Decorated) -> _Decorated:
    """Add the options of check to a command."""
    return _add((json_flag, strict_flag, *_checking), command)
