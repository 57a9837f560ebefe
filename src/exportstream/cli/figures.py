"""Figures in words: the table of totals, the findings of check, and numbers in bounded length. Prints nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from exportstream.cli.terminal import show_lines
from exportstream.errors import printable, shown
from exportstream.models.notes import Duplicates, Notes
from exportstream.totals.priced import Priced, Unpriced
from exportstream.totals.sums import Totals
from exportstream.totals.text import GAP, WIDTH, aligned, figure, width_of, widths_of

FEW = 5  # names that are listed
_SHORT_NAME = 8  # columns
_FEWEST = 3  # columns of a table of what has no price: name, reason, messages
_WIDE = 10_000  # columns: lines that are not for a terminal are never folded
_HEADINGS = ("", "declared", "counted", "difference")
_SINGULAR = {
    "halves of surrogate pairs": "half of a surrogate pair",
    "messages have": "message has",
    "messages were": "message was",
    "messages repeat": "message repeats",
    "messages": "message",
    "damaged stretches": "damaged stretch",
    "sessions": "session",
    "inputs": "input",
    "outputs": "output",
    "rows": "row",
    "times": "time",
    "tool calls": "tool call",
    "files": "file",
    "others": "other",
}


def show_totals(totals: Totals, *, stderr: bool) -> None:
    """Print the totals as a table, on standard error or standard output."""
    differences = words_of_differences(totals)
    lines: list[list[str]] = []
    for label, declared, counted, name in rows_of_totals(totals):
        differs, kind = differences.get(name, ("", ""))
        lines.append([label, figure(declared), figure(counted), f"{differs} (rounding)" if kind == "rounding" else differs])
    show_lines(_fitted(lines, width_of_output(_WIDE, stderr=stderr)), err=stderr)


def words_of_differences(totals: Totals) -> dict[str, tuple[str, str]]:
    """Return how declared and counted figures differ, or why they can't be compared, and the kind of a difference."""
    found: dict[str, tuple[str, str]] = {
        name: ("differs" if one.exact is None else figure(one.exact, "+"), one.kind)
        for name, one in totals.differences().items()
    }
    for name, (declared, carrying) in totals.incomparable().items():
        some, verb = (declared, "declare") if declared < totals.sessions else (carrying, "count")
        found[name] = f"{some:,} of {totals.sessions:,} {verb} it", ""
    return found


def width_of_output(otherwise: int, *, stderr: bool = False) -> int:
    """Return how many columns an output has: COLUMNS if that is set, else those of its terminal, else what is given."""
    stated = os.environ.get("COLUMNS", "")
    if stated.isdecimal() and int(stated) > 0:
        return int(stated)
    stream = sys.stderr if stderr else sys.stdout
    if stream is None or not stream.isatty():
        return otherwise
    from shutil import get_terminal_size  # noqa: PLC0415 - slow to import

    return get_terminal_size().columns


def without_usage(messages: int) -> str:
    """Say that no tokens and no costs are stated for so many messages."""
    return f"{amount(messages, 'messages')} of producers that state no tokens and no costs"


def partial_tokens(messages: int) -> str:
    """Say that the tokens of so many messages may be too few."""
    their = "its" if messages == 1 else "their"
    return f"{amount(messages, 'messages')} may have used more tokens than counted here: {their} last usage was not written"


def copies(messages: int) -> str:
    """Say how many messages are rows of convert, and in no figure."""
    return f"copies in logs, which no total counts: {amount(messages, 'messages')}"


def dropped(duplicates: Duplicates) -> str:
    """Say how many messages and sessions came again, with ``--dedupe``; nothing if there were none."""
    counts = {"messages": duplicates.messages, "sessions": duplicates.sessions}
    repeats = [amount(count, words) for words, count in counts.items() if count]
    return f"repeated and dropped: {', '.join(repeats)}" if repeats else ""


def _fitted(lines: list[list[str]], width: int) -> list[str]:
    """Align the figures; those that take most of the width stand below their label, until the others fit.

    The first to go is the one that makes the table narrower by most for each line that it takes then.
    """
    below = [
        [f"    {name}  {cell}" for name, cell in zip(_HEADINGS[1:], cells[1:], strict=True) if cell not in ("", "-")]
        for cells in lines
    ]
    sizes = [[width_of(cell) for cell in cells] for cells in lines]
    whole = dict(enumerate(sizes))
    while len(whole) > 1:
        columns = [*zip(map(width_of, _HEADINGS), *whole.values(), strict=True)]
        if sum(map(max, columns)) + len(GAP) * (len(columns) - 1) <= width:
            break
        gains = [*map(_gain, columns)]
        by_line = {
            at: sum(gain.get(size, 0) for gain, size in zip(gains, cells, strict=True)) / (1 + len(below[at]))
            for at, cells in whole.items()
        }
        del whole[max(by_line, key=lambda at: (by_line[at], max(sizes[at])))]
    found = iter(_uncut([lines[at] for at in whole]))
    shown = [next(found)]
    for at, cells in enumerate(lines):
        if at in whole:
            shown.append(next(found))
        else:
            shown += [cells[0], *below[at]]
    return shown


def _gain(column: Sequence[int]) -> dict[int, float]:
    """Return how much narrower a column gets for each of its widest cells that goes, by the width of these cells."""
    widest = max(column)
    if column[0] == widest:  # the heading, which stays
        return {}
    return {widest: (widest - max(size for size in column if size < widest)) / column.count(widest)}


def _uncut(lines: list[list[str]]) -> list[str]:
    return aligned(_HEADINGS, lines, 1, widths_of(_HEADINGS, lines, 1, _WIDE, 0))


def rows_of_totals(totals: Totals) -> list[tuple[str, Any, Any, str]]:
    """Return the figures of all messages: words, declared and counted, and the name of their difference."""
    declared, counted, total = totals.declared, totals.counted, totals.counted.total_input_tokens
    rows: list[tuple[str, Any, Any, str]] = [
        ("sessions", None, totals.sessions, ""),
        ("messages", None, counted.messages, ""),
    ]
    named = {
        "user": ("userMessages", declared.user_messages.sum),
        "assistant": ("assistantMessages", declared.assistant_messages.sum),
    }
    for role, count in {**dict.fromkeys(named, 0), **dict(sorted(counted.roles.items()))}.items():
        name, stated = named.get(role, ("", None))
        rows.append((f"  {printable(role, 40)}", stated, count, name))
    if counted.other_roles:
        rows.append(("messages of other roles", None, counted.other_roles, ""))
    rows += [
        ("tool calls", declared.tool_calls.sum, counted.tool_calls, "toolCalls"),
        ("  with error", None, counted.tool_errors, ""),
        ("prompt / input tokens", declared.prompt_tokens.sum, counted.input_tokens.sum, "promptTokens"),
        ("completion / output tokens", declared.completion_tokens.sum, counted.output_tokens.sum, "completionTokens"),
        ("cache creation tokens", None, counted.cache_creation_tokens.sum, ""),
        ("cache read tokens", None, counted.cache_read_tokens.sum, ""),
        *([("all input tokens, computed", None, total.sum, "")] if total.sum != counted.input_tokens.sum else []),
        *([("messages, partial tokens", None, counted.partial_tokens, "")] if counted.partial_tokens else []),
        ("cost (USD)", declared.cost.sum, counted.cost.sum, "cost"),
        *_prices(totals),
        ("first message", None, counted.first_date, ""),
        ("last message", None, counted.last_date, ""),
    ]
    return rows


def _prices(totals: Totals) -> list[tuple[str, Any, Any, str]]:
    priced, recorded = totals.priced, totals.counted.cost.sum
    if priced is None:
        return []
    both = recorded is not None and priced.cost.sum is not None
    return [
        ("priced cost (USD)", None, priced.cost.sum, ""),
        ("  messages with a price", None, priced.cost.count, ""),
        ("  messages without one", None, sum(one.messages for one in priced.unpriced), ""),
        *([("all cost (USD)", None, totals.total_cost, "")] if both else []),
    ]


def show_prices(priced: Priced, *, unpriced: bool) -> None:
    """Print the price lists, and if asked for the messages without a price, on standard output."""
    show_lines(["", *(f"prices: {shown(str(one))}" for one in priced.lists)])
    if unpriced and priced.unpriced:
        show_lines(["", *_table_of_unpriced(priced.unpriced, width_of_output(WIDTH))])


def _table_of_unpriced(unpriced: list[Unpriced], width: int) -> list[str]:
    """Return a table of messages without a price; figures from the right are left out before names get shorter."""
    headings = ["without a price", "reason", "messages", "all input", "output", "cache write", "cache read"]
    lines = [_cells(one) for one in unpriced]
    for columns in range(len(headings), _FEWEST - 1, -1):
        names, cells = headings[:columns], [line[:columns] for line in lines]
        least = _SHORT_NAME if columns == _FEWEST else _WIDE
        table = aligned(names, cells, 2, widths_of(names, cells, 2, width, least, whole=(1,)))
        if max(map(width_of, table)) <= width:
            break
    return table


def _cells(one: Unpriced) -> list[str]:
    tokens = one.all_input_tokens, one.output_tokens, one.cache_creation_tokens, one.cache_read_tokens
    return ["-" if one.model is None else printable(one.model), one.reason, *map(figure, (one.messages, *tokens))]


def amount(count: int, words: str) -> str:
    """Write a count before words in the plural, which one of `_SINGULAR` makes singular: 2 rows, 1 row."""
    plural = next((plural for plural in _SINGULAR if plural in words), None) if count == 1 else None
    return f"{count:,} {words if plural is None else words.replace(plural, _SINGULAR[plural], 1)}"


def few(names: list[str], others: str) -> str:
    """Write the first few names, and how many others there are, in these words."""
    more = f" and {amount(len(names) - FEW, others)}" if len(names) > FEW else ""
    return f"{', '.join(map(shown, names[:FEW]))}{more}"


def damaged(notes: Notes) -> list[str]:
    """How much was damaged; what follows compressed data is not read, and has no size."""
    if not notes.damaged:
        return []
    return [amount(notes.damaged, "damaged stretches") + (f" ({size(notes.damaged_bytes)})" if notes.damaged_bytes else "")]


def size(count: float) -> str:
    """A number of bytes for people: 1.2 MB."""
    for unit in ("B", "kB", "MB"):
        digits = 0 if unit == "B" else 1
        if round(count, digits) < 1000:  # as it is written: 999,960 bytes are 1.0 MB
            return f"{count:.{digits}f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
