"""The command: argv, then one library call, then an exit code."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import Any

import click

from exportstream.cli.process import PipeClosed, Terminated, raise_on_signals, run, tune
from exportstream.errors import shown
from exportstream.models.version import __version__

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_VERBS = ("convert", "totals", "check", "verify")


class _Group(click.Group):
    """The command; its help lists the verbs in their order here, and a closed pipe ends it quietly.

    A verb is in the module of its name, which is imported when the verb is given: all of them take as long as a small file.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _VERBS:
            return None
        command: click.Command = getattr(import_module(f"exportstream.cli.{cmd_name}"), f"{cmd_name}_command")
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; in the place of one, an input is told what to do with it."""
        name = args[0]
        if not ctx.resilient_parsing and name not in _VERBS and ("://" in name or os.path.exists(name)):
            raise click.UsageError(f"expected a command, got an input: exportstream convert {shown(name)}", ctx)
        if not ctx.resilient_parsing and name not in _VERBS and not name.startswith("-"):
            from difflib import get_close_matches  # noqa: PLC0415 - only here

            if likely := get_close_matches(name, _VERBS, 1):
                raise click.UsageError(f"No such command '{shown(name)}'. Did you mean {likely[0]}?", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise PipeClosed from error
        except KeyboardInterrupt as error:  # which click would print an empty line for
            raise Terminated(signal.SIGINT) from error


@click.group(cls=_Group, context_settings=_CONTEXT)
@click.version_option(__version__, "-V", "--version", prog_name="exportstream", message="%(prog)s %(version)s")
def cli() -> None:
    """Convert AI-agent session exports of any size to NDJSON, CSV, Parquet or SQLite.

    One pass, constant memory, exact totals. See COMMAND --help for options, exit codes and examples.
    """


def main(argv: list[str] | None = None) -> None:
    """Run the command and exit with its code."""
    arguments = sys.argv[1:] if argv is None else argv
    debug = "--debug" in arguments or bool(os.environ.get("EXPORTSTREAM_DEBUG"))
    raise_on_signals()
    tune()
    sys.exit(run(lambda: cli.main(arguments, prog_name="exportstream", standalone_mode=False), debug=debug))
