"""Adds up what was read of many inputs, where their costs may be too far apart for an exact sum.

Takes: the outcome of each input. Changes: the sums, and the outcome of an input that can't be added, which has failed.
Raises: nothing. Holds: nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from exportstream.conversion.outcome import Counts, Outcome, outcome_of
from exportstream.errors import LimitError
from exportstream.totals.sums import Totals

if TYPE_CHECKING:
    from exportstream.totals.groups import Grouping


def is_extreme(outcome: Outcome) -> bool:
    """Whether the costs of an input are so large or small that they may not be added to those of others."""
    return outcome.report is not None and outcome.report.is_extreme


def add_up(done: Counts, outcomes: list[Outcome], *, hint: str, grouping: Grouping | None = None) -> None:
    """Add what was read of each input, in their order.

    Those with extreme costs come last. The costs of all others can always be added, so the same inputs fail whichever way
    they were read, and none of them is a usual one.

    Args:
        done: takes the sums.
        outcomes: of the inputs, in their order. One whose costs can't be added is replaced by a failure.
        hint: of the error: what to do about such an input.
        grouping: takes the groups of inputs with extreme costs; it has those of all others.
    """
    for number, outcome in sorted(enumerate(outcomes), key=lambda one: is_extreme(one[1])):
        if outcome.report is None:
            continue
        if is_extreme(outcome):
            counted: Any = outcome.report  # with its groups, where there are groups
            try:
                done.totals.require_addable(counted.totals)
                if grouping is not None:
                    grouping.require_addable(counted.grouping)
            except LimitError:
                outcomes[number] = not_added(outcome, hint)
                continue
            if grouping is not None:
                grouping.merge(counted.grouping)
                outcomes[number] = replace(outcome, report=counted.alone())
        done.merge(outcome.report)


def leave_out(extreme: dict[int, Totals], done: Totals, outcomes: list[Outcome]) -> None:
    """Let inputs fail that `add_up` could not add, before anything of them is written.

    Args:
        extreme: the totals of inputs with extreme costs, by their numbers.
        done: those of all others.
        outcomes: of the inputs.
    """
    for number, one in extreme.items():
        try:
            done.require_addable(one)
        except LimitError:
            outcomes[number] = not_added(outcomes[number], "leave it out, or convert it by itself")
        else:
            done.merge(one)


def not_added(outcome: Outcome, hint: str) -> Outcome:
    """Return the outcome of an input whose costs can't be added to those of the others."""
    what = "its costs can't be added to those of the others: the exact sum needs more than 10,000 digits"
    return outcome_of(outcome.source, LimitError(what, hint=hint, source=outcome.source), named=True)
