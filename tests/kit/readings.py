"""Readings: everything the library gives for an input, as plain values that compare exactly."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple

from exportstream import ExportstreamError, ReadOptions, Reject, convert
from exportstream.models.structs import Message, Session, ToolCall
from exportstream.reading import run
from exportstream.reading.export import Export
from exportstream.reading.json import ahead, buffer, measure, sessions, stream
from exportstream.reading.json import blocks as blocks_module
from exportstream.reading.limits import DEFAULT_MAX_MESSAGE_SIZE
from exportstream.totals.groups import Grouping

_BLOCKS = "EXPORTSTREAM_BLOCKS"
# Modules and their sizes. They are set by hand, as `patch` looks for each module by its name, which takes longer than a reading.
_SIZES = (
    *((module, "BLOCK") for module in (blocks_module, stream, sessions, ahead, measure, run)),
    (blocks_module, "SMALLEST_BLOCK"),
    *((module, "CHUNK") for module in (stream, buffer)),
)
NOTES = ("null_dates", "replaced_surrogates", "repeated_ids", "rejected")


class Outcome(NamedTuple):
    """Everything a reading gave, as plain values."""

    messages: list[Any]
    sessions: list[Any]
    totals: Any
    notes: Any
    rejects: list[Any]
    error: tuple[type[ExportstreamError], str] | None


@contextmanager
def blocks(on: bool) -> Iterator[None]:
    """Whether blocks are taken out in front of ijson."""
    before = os.environ.pop(_BLOCKS, None)
    try:
        if not on:
            os.environ[_BLOCKS] = "0"
        yield
    finally:
        os.environ.pop(_BLOCKS, None)
        if before is not None:
            os.environ[_BLOCKS] = before


@contextmanager
def small_blocks(block: int, chunk: int) -> Iterator[None]:
    """Blocks and reads of a few bytes, so that their edges come everywhere."""
    sizes = {"BLOCK": block, "SMALLEST_BLOCK": max(16, block // 8), "CHUNK": chunk}
    before = [getattr(module, name) for module, name in _SIZES]
    try:
        for module, name in _SIZES:
            setattr(module, name, sizes[name])
        yield
    finally:
        for (module, name), size in zip(_SIZES, before, strict=True):
            setattr(module, name, size)


def exact(value: Any) -> Any:
    """The value with each number as its text, so that 1, 1.0 and true differ; one Python frame for each level."""
    kind = type(value)
    if kind is str or value is None:
        return value
    if isinstance(value, dict):
        return dict(zip(value, map(exact, value.values()), strict=True))
    if isinstance(value, (list, tuple)):
        return list(map(exact, value))
    if kind is bool:
        return ["bool", value]
    return f"#{value}" if isinstance(value, (int, float, Decimal)) else value


def plain(item: Message | Session | ToolCall) -> Any:
    """A struct as a dict of its public fields."""
    for kind in (Message, Session, ToolCall):
        if isinstance(item, kind):
            fields = {name: getattr(item, name) for name in kind.__struct_fields__}
    if fields.get("tool_calls"):
        fields["tool_calls"] = [plain(call) for call in fields["tool_calls"]]
    return exact(fields)


def read(source: Any, *, on: bool = True, on_error: str = "stop", **options: Any) -> Outcome:
    """Read a source to its end or its error."""
    messages: list[Any] = []
    sessions: list[Any] = []
    rejects: list[Reject] = []
    error = None
    how = ReadOptions(on_error=on_error, **options)
    with blocks(on), Export(source, how, rejects=rejects, session_totals=True) as export:
        try:
            for batch in export.batches():
                messages += map(plain, batch.messages)
                sessions += [(plain(end.session), exact(end.counted.to_dict())) for end in batch.ends if end.counted]
        except ExportstreamError as caught:
            error = type(caught), caught.what
        totals, notes = exact(export.totals.to_dict()), {name: getattr(export.notes, name) for name in NOTES}
    refused = [(r.session_id, r.index, r.path, r.reason, exact(r.message)) for r in rejects]
    return Outcome(messages, sessions, totals, notes, refused, error)


_BY = [("model", "day"), ("tool",), ("role", "finish-reason"), ("session",)]


def _figures(source: Any, how: ReadOptions, *, only: bool) -> Any:
    """All that totals make of a log or of chats, and the error that they end with."""
    grouping, rejects, error = Grouping(_BY), [], None
    places: list[Any] = []
    with Export(source, how, rejects=rejects.append, figures_only=only, positions=True) as export:
        try:
            for batch in export.batches():
                grouping.add(batch)
                positions = batch.positions or [None] * len(batch.messages)  # of logs
                places += zip(positions, [(one.session_id, one.index) for one in batch.messages], strict=True)
        except ExportstreamError as caught:
            error = str(caught)
        totals, notes = exact(export.totals.to_dict()), export.notes
    return totals, notes, grouping.tables, places, rejects, error


def assert_figures(source: Any, max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE) -> None:
    """A log, or an export of chats, gives the same figures, rejects and errors where only figures are wanted."""
    for on_error in ("stop", "skip"):
        how = ReadOptions(on_error=on_error, max_message_size=max_message_size)
        assert _figures(source, how, only=True) == _figures(source, how, only=False)


def converted(source: Any, **options: Any) -> bytes:
    """What `convert` writes."""
    target = io.BytesIO()
    convert(source, target, **options)
    return target.getvalue()
