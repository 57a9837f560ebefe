"""Calls that a type checker has to take, and calls that it has to refuse; only mypy and pyright read this file.

Each refused call has an ignore with the code of its error; an ignore that is not needed is an error of its own.
"""

import sys
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

from exportstream import (
    Cost,
    Difference,
    Export,
    ManyReport,
    Message,
    Priced,
    ReadOptions,
    Report,
    Session,
    SessionCheck,
    Status,
    Totals,
    Verified,
    WriteOptions,
    Written,
    check,
    convert,
    convert_many,
    iter_messages,
    merge_many,
    open_export,
    totals_many,
    verify,
)


def watch(status: Status) -> None:
    """Look at the progress of many conversions."""
    print(status.files_done, status.bytes_done)  # noqa: T201


def right() -> None:
    """Calls that are right, and the types of what they return."""
    report: Report = convert("a", "b", keys="snake", level=3, table=["messages", "sessions"], on_error="skip", force=True)
    written: list[Written] = report.outputs
    totals: Totals = report.totals
    for source in (b"{}", Path("a"), BytesIO(), [b"{", b"}"], iter([b"{}"]), sys.stdin.buffer, urlopen("https://a.example")):
        iter_messages(source)
    iter_messages(bytearray(one) for one in [b"{", b"}"])
    iter_messages(memoryview(one) for one in [b"{", b"}"])
    cost: Cost = totals.counted.cost
    stated: Decimal | None = cost.sum
    tokens: int | None = totals.declared.prompt_tokens.sum
    messages: list[Message] = list(iter_messages("a", max_window=1, on_error="skip", dedupe=True))
    message_cost: Decimal | None = messages[0].cost
    plain: dict[str, object] = messages[0].to_dict() | totals.to_dict() | report.to_dict() | Session().to_dict()
    dropped: int = report.duplicates.messages
    gaps: dict[str, Difference] = totals.differences()
    totals.add_sessions([], [Session()], [0])
    priced: Priced | None = totals.priced
    many: ManyReport = convert_many([Path("a"), "b"], "c/", format="csv.gz", update=True, progress=watch)
    convert_many(Path("a/"), Path("c/"))  # one name alone is one source
    convert(Path("a"), BytesIO(), rejects=[], report=Path("r.json"))
    merged: ManyReport = merge_many("a/", "b.parquet", dedupe=True, fail_fast=True, prices="genai")
    found: list[SessionCheck] = list(check("a", max_message_size=1 << 20))
    with open_export("a", on_error="skip", rejects=[], prices=Path("p.toml")) as export:
        same: Export = export
    counted: int = totals_many(Path("a"), by="day").messages
    verified: list[Verified] = [*verify(["rows/", Path("a.db")]), *verify(Path("rows"))]
    print(counted, [one.findings for one in verified if not one.ok])  # noqa: T201
    options = ReadOptions(on_error="stop"), WriteOptions(format="ndjson", tables=("messages",))
    print(stated, tokens, dropped, gaps, message_cost, plain, priced)  # noqa: T201
    print(written, totals, many, merged, messages, found, same, options)  # noqa: T201


def wrong() -> None:
    """Calls with a typing error, each refused."""
    convert("a", "b", kyes="snake")  # type: ignore[call-arg]
    convert("a", "b", keys="snail")  # type: ignore[arg-type]
    convert("a", 5)  # type: ignore[arg-type]
    convert_many(["a"], "b", rejects="file.ndjson")  # type: ignore[arg-type]
    convert("a", "b", level="3")  # type: ignore[arg-type]
    convert("a", "b", table="message")  # type: ignore[arg-type]
    convert_many(["a"], "b", on_error="raise")  # type: ignore[arg-type]
    convert_many(["a"], "b", jobs=2)  # type: ignore[call-arg]
    merge_many(["a"], "b", format="zip")  # type: ignore[arg-type]
    iter_messages(3)  # type: ignore[arg-type]
    convert(["a", "b"])  # type: ignore[list-item]
    iter_messages("a", dedupe="yes")  # type: ignore[arg-type]
    open_export("a", keep_partial=True)  # type: ignore[call-arg]
    check("a", strict=True)  # type: ignore[call-arg]
    ReadOptions(on_error="raise")  # type: ignore[arg-type]
    WriteOptions(kyes="snake")  # type: ignore[call-arg]
    Totals().add("user")  # type: ignore[arg-type]
    Totals().counted.cost.sum + 1  # type: ignore[operator]
    next(iter_messages("a")).cost + 1  # type: ignore[operator]
    next(iter_messages("a")).cost.upper()  # type: ignore[union-attr]
    Totals().as_dict()  # type: ignore[attr-defined]
