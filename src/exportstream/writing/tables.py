"""Rows and columns of the tables: `messages`, `tool-calls`, `sessions`.

Takes: batches of messages and of complete sessions. Returns: a list of structs, one for each row, whose fields are the
columns in their order; further lists have the place of each row, and the totals after it, unless columns were chosen: then
there is one list. Raises: `UsageError` for a choice that leaves none, `LimitError` for a sum of costs that needs more than
10,000 digits. Holds: the rows of one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain, repeat
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from exportstream.errors import UsageError, label
from exportstream.models.names import CAMEL, derive, respell, snake, snake_types
from exportstream.models.structs import Message, Session
from exportstream.totals.batch import Batch, SessionEnd
from exportstream.writing.columns import columns_of
from exportstream.writing.options import WriteOptions
from exportstream.writing.rows import PlaceRow, PriceRow, SessionRow, ToolCallRow, price_rows, with_prices
from exportstream.writing.running import Running, RunningRow
from exportstream.writing.selection import Selection, choose, refuse_unknown

_PLACE, _PRICES, _RUNNING = "place", "prices", "running totals"
_NUMBER = "session_number"

Rows = tuple[list[Any], ...]
_USUAL = WriteOptions()


class Table:
    """Makes the rows of one table.

    Args:
        name: one of `TABLES`.
        options: of writing; see `selection.choose` for the columns that are chosen. A place that is not among the usual
            columns can be chosen, too.
        key: attributes of columns that stay whatever is chosen. With `session_number` among them the format writes that
            column by itself, first.

    Attributes:
        columns: for each list of rows its columns, in order.
        known: all columns that could be chosen.
        is_apart: whether a row depends on its session alone, and on no other row.

    Raises:
        UsageError: no columns are left.
    """

    def __init__(self, name: str, options: WriteOptions = _USUAL, key: Sequence[str] = ()) -> None:
        self.name = name
        self.is_snake = options.keys == "snake"
        self._types = snake_types() if self.is_snake else CAMEL
        self._sessions, sums = 0, Running()
        row: Any = {"messages": Message, "tool-calls": ToolCallRow, "sessions": SessionRow}[name]
        kinds = {name: row, _PLACE: PlaceRow}
        kinds |= {_PRICES: PriceRow} if options.priced and name == "messages" else {}
        kinds |= {_RUNNING: RunningRow} if options.running_totals else {}
        if self.is_snake:
            kinds = {title: _in_snake(kind) for title, kind in kinds.items()}
        self._kinds = kinds
        parts = {title: list(columns_of(kind, title)) for title, kind in kinds.items()}
        self.known = list(chain.from_iterable(parts.values()))
        if _NUMBER in key:
            parts[_PLACE] = [column for column in parts[_PLACE] if column.attribute != _NUMBER]
        usual = [column for title, part in parts.items() if options.place or title != _PLACE for column in part]
        is_chosen = options.columns is not None or bool(options.without) or options.flat
        chosen = usual
        if is_chosen:
            every = list(chain.from_iterable(parts.values()))
            chosen = choose(name, every, usual, columns=options.columns, without=options.without, key=key)
        used = {column.attribute for column in chosen}
        parts = {
            title: left
            for title, part in parts.items()
            if (left := [column for column in part if column.attribute in used]) or title == name
        }
        self.is_apart = parts.keys().isdisjoint((_PLACE, _RUNNING))
        makers: dict[str, Callable[[Batch], list[Any]]] = {
            _PLACE: self._places,
            _PRICES: lambda batch: price_rows(batch, kinds[_PRICES]),
            _RUNNING: lambda batch: sums.rows(batch, name, kinds[_RUNNING]),
        }
        self._others = [makers[title] for title in parts if title != name]
        self._selection: Selection | None = None
        self.columns = list(parts.values())
        if is_chosen:
            self._selection = Selection(
                chosen, [[one.attribute for one in part] for part in parts.values()], flat=options.flat
            )
            self.columns = [chosen]

    def rows(self, batch: Batch) -> Rows | None:
        """The rows of a batch, or None if there are none. The messages may be renamed in place."""
        others = [make(batch) for make in self._others]
        rows = self._rows(batch)
        self._sessions += len(batch.ends)
        if not rows:
            return None
        return (rows, *others) if self._selection is None else (self._selection.rows((rows, *others)),)

    def session_numbers(self, batch: Batch) -> Iterator[int]:
        """For each row of a batch that comes next, the number of its session in the output, from 0."""
        first = self._sessions  # `rows` may be called before these are used
        return chain.from_iterable(repeat(first + number, count) for number, count in self._counts(batch))

    def _counts(self, batch: Batch) -> list[tuple[int, int]]:
        """For each session of a batch its number in the batch, and how many rows it has there."""
        if self.name == "sessions":
            return [(number, 1) for number, end in enumerate(batch.ends) if not end.repeated]
        sessions = (messages for messages, _ in batch.by_session())
        if self.name == "messages":
            return list(enumerate(map(len, sessions)))
        return [(number, sum(len(one.tool_calls or ()) for one in messages)) for number, messages in enumerate(sessions)]

    def _places(self, batch: Batch) -> list[Any]:
        """The place of each row; rows of one session share one."""
        new, file, first = self._kinds[_PLACE], label(batch.source), self._sessions
        return [
            place
            for number, count in self._counts(batch)
            for place in repeat(new(file=file, session_number=first + number), count)
        ]

    def _rows(self, batch: Batch) -> list[Any]:
        if self.name == "sessions":
            return [self._session_row(end) for end in batch.ends if not end.repeated]
        if self.name == "messages":
            messages = with_prices(batch)
            return messages if self._types is CAMEL else respell(messages, self._types)
        kind = self._kinds[self.name]
        return [
            kind(
                message.session_id,
                message.id,
                message.index,
                number,
                call.id,
                call.name,
                call.type,
                call.finished,
                call.is_error,
                call.input,
                call.input_json,
                call.result,
                call.metadata,
                call.screenshot_urls,
                message.created_at,
                call.extra,
                message.producer,
            )
            for message in batch.messages
            if message.tool_calls
            for number, call in enumerate(message.tool_calls)
        ]

    def _session_row(self, end: SessionEnd) -> Any:
        assert end.counted is not None
        counted = end.counted.counted
        return self._kinds[self.name](
            **{name: getattr(end.session, name) for name in Session.__struct_fields__},
            counted_messages=counted.messages,
            counted_user_messages=counted.roles.get("user", 0),
            counted_assistant_messages=counted.roles.get("assistant", 0),
            counted_tool_calls=counted.tool_calls,
            counted_tool_errors=counted.tool_errors,
            counted_input_tokens=counted.input_tokens.sum,
            counted_output_tokens=counted.output_tokens.sum,
            counted_cache_creation_tokens=counted.cache_creation_tokens.sum,
            counted_cache_read_tokens=counted.cache_read_tokens.sum,
            counted_cost=counted.cost.sum,
            counted_first_date=counted.first_date,
            counted_last_date=counted.last_date,
        )


@cache
def _in_snake(kind: type[Struct]) -> Any:
    if kind is Message:
        return snake_types().message
    return derive(kind, kind.__name__, snake, kw_only=kind not in (ToolCallRow, RunningRow))


def check_columns(tables: Sequence[str], options: WriteOptions) -> None:
    """Refuse names of columns that none of these tables has, and choices that leave a table without columns."""
    if options.columns is not None or options.without:
        usual = replace(options, columns=None, without=(), flat=False)
        refuse_unknown({name: Table(name, usual).known for name in tables}, options.columns, options.without)
        chosen = [column for name in tables for part in Table(name, options).columns for column in part]
        if options.running_totals and not any(column.attribute.startswith("running_") for column in chosen):
            what = "columns" if options.columns is not None else "without"
            hint = "name one, such as running_cost, or leave `running_totals` out"
            raise UsageError(f"`{what}` leaves no column of running_totals=True", hint=hint)
