"""Values of options that click has no type for: sizes, and several words in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


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
