"""What click lacks: a help with options in groups, and values that are sizes or several words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from exportstream.cli.process import Exit

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

GROUPS = ("Output", "Rows", "Groups", "Several inputs", "Bad input", "Limits", "General")
_WIDE = 25  # characters: longer names of an option stand on a line of their own
EXIT_CODES = {
    Exit.DONE: "done",
    Exit.BUG: "a bug in exportstream: please report it",
    Exit.USAGE: "wrong usage: options that contradict each other, an output that exists",
    Exit.INPUT: "bad input (one of many is enough); findings of verify or check --strict",
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

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse arguments; an option that is unknown here names the commands that have it."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            owners = _owners(ctx, error.option_name)
            if not owners:
                raise
            has = "has" if len(owners) == 1 else "have"
            words = f"{ctx.command.name} has no option '{error.option_name}': {' and '.join(owners)} {has} it."
            raise click.NoSuchOption(error.option_name, words, ctx=ctx) from error

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
            for example, meaning in self.examples:
                formatter.write(f"  # {meaning}\n  {example}\n")


def _owners(ctx: click.Context, name: str) -> list[str]:
    """Return the commands beside this one that have an option."""
    group = ctx.parent.command if ctx.parent is not None else None
    if not isinstance(group, click.Group):
        return []
    commands = [(verb, group.get_command(ctx, verb)) for verb in group.list_commands(ctx)]
    return [verb for verb, one in commands if one is not None and any(name in param.opts for param in one.params)]


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


def option(group: str, *names: str, **kwargs: Any) -> Callable[[Decorated], Decorated]:
    """Add an option of a group to a command; the rest is as of `click.option`."""
    return click.option(*names, cls=_Option, group=group, **kwargs)


def together(*options: Callable[[Any], Any]) -> Callable[[Decorated], Decorated]:
    """Add options to a command, the first of them on top of the help."""

    def add(command: Decorated) -> Decorated:
        for one in reversed(options):
            command = one(command)
        return command

    return add


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


class Choices(click.Choice):  # type: ignore[type-arg,unused-ignore]  # as above
    """Some of several words, with commas between them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the words."""
        choose = super().convert
        return [choose(word, param, ctx) for word in str(value).split(",")]

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete the last word."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only for completion

        before, comma, last = incomplete.rpartition(",")
        found = super().shell_complete(ctx, param, last)
        return [CompletionItem(before + comma + str(item.value)) for item in found]
