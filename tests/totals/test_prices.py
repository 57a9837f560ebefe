"""Prices: exact, at the price of the date and the tier, never zero for what is not known, and the same for any split."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data import providers
from genai_prices.types import ModelInfo
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exportstream import (
    Cost,
    Message,
    MissingExtraError,
    ReadError,
    Totals,
    UsageError,
    convert,
    convert_many,
    merge_many,
    open_export,
    totals_many,
)
from exportstream.reading.price_lists import _load_genai, load_prices
from exportstream.totals.batch import Batch
from exportstream.totals.figures import rough_cost, total_cost
from exportstream.totals.groups import Grouping
from exportstream.totals.make_tables import make_tables
from exportstream.totals.price_file import prices_of_file
from exportstream.totals.priced import MAX_UNPRICED, Priced, Unpriced
from exportstream.totals.prices import Prices
from exportstream.totals.table_options import GroupOptions
from tests.kit.documents import dump, session
from tests.kit.documents import message as document

FILE = b"""
[[price]]
model = "small"
input = 1
output = 2.5

[[price]]
model = "big-*"
from = 2025-03-01
input = 3
output = 15
cache-write = 3.75
cache-write-1h = 6
cache-read = 0.3

[[price]]
model = "big-*"
from = 2025-06-01
input = 0.000001
output = 0

[[price]]
model = "big-1"
input = 999
output = 999
"""
GENAI = load_prices("genai")


def message(**fields: Any) -> Message:
    made = {"id": "m", "role": "assistant", "content": "", "created_at": "2025-04-01T00:00:00Z", "updated_at": None}
    return Message(**{**made, "model": "small", **fields})


def priced(messages: list[Message], prices: Prices) -> Priced:
    found = Priced([prices.list])
    prices.add_to(found, messages)
    return found


def session_file(folder: Path, name: str, *ids: str) -> str:
    """A session with a priced message for each id, and one message with a cost."""
    made = [document(id=one, role="assistant", model="small", inputTokens=10**6, outputTokens=0) for one in ids]
    (folder / name).write_bytes(dump(session(*made, document(id="paid", model="small", inputTokens=1, cost=7), id="s")))
    return str(folder / name)


def reasons(*messages: Message, file: bytes = FILE) -> list[tuple[str | None, str, int]]:
    return [(one.model, one.reason, one.messages) for one in priced(list(messages), prices_of_file(file, "f")).unpriced]


def used(message: Message) -> dict[str, int]:
    """The usage that genai-prices takes, whose input includes what is read from a cache."""
    given, read = message.input_tokens or 0, message.cache_read_tokens or 0
    return {
        "input_tokens": given + read,
        "output_tokens": message.output_tokens or 0,
        "cache_write_tokens": message.cache_creation_tokens or 0,
        "cache_read_tokens": read,
    }


def known_models(wanted: Callable[[ModelInfo], bool] = lambda _: True) -> list[str]:
    """Ids that genai-prices finds, of models whose input and output have a price."""
    found = []
    for provider in providers:
        for model in provider.models:
            prices = model.prices if isinstance(model.prices, list) else [model]
            if all(one.prices.input_mtok is not None and one.prices.output_mtok is not None for one in prices):
                try:
                    used = calc_price(Usage(), model.id).model
                except LookupError:
                    continue
                if used is model and wanted(model):
                    found.append(model.id)
    return found


def by_time(model: ModelInfo) -> bool:
    return isinstance(model.prices, list) and any(hasattr(one.constraint, "start_time") for one in model.prices)


def drawn(dice: Random, models: list[str]) -> Message:
    """A message of one of the models, at any time and offset, often beyond the start of a tier."""
    given = dice.choice([dice.randrange(2000), dice.randrange(500_000)])
    at = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.randrange(5 * 365 * 86_400))
    zone = timezone(timedelta(minutes=dice.randrange(-1439, 1440)))
    return message(
        model=dice.choice(models),
        created_at=at.astimezone(zone).isoformat(),
        input_tokens=given,
        output_tokens=dice.randrange(10_000),
        cache_creation_tokens=dice.choice([None, 0, dice.randrange(given + 1)]),
        cache_read_tokens=dice.choice([None, 0, dice.randrange(300_000)]),
    )


# genai-prices -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wanted", "count"),
    [
        ("all", lambda _: True, 2000),
        ("dated", lambda model: isinstance(model.prices, list) and not by_time(model), 1000),
        ("by time of day", by_time, 100),
    ],
)
def test_prices_are_those_of_genai_prices(name: str, wanted: Callable[[ModelInfo], bool], count: int) -> None:
    """Each message costs what the package's own function says, to the last digit; so do all of them in sum."""
    dice = Random(name)
    models = known_models(wanted)
    messages = [drawn(dice, models) for _ in range(count)]
    expected = [
        calc_price(Usage(**used(m)), m.model, genai_request_timestamp=datetime.fromisoformat(m.created_at)).total_price
        for m in messages
    ]
    assert GENAI.costs(messages) == expected
    found = priced(messages, GENAI)
    assert (found.cost.sum, found.cost.count, found.unpriced) == (sum(expected), count, [])


def test_a_price_changes_at_midnight_in_utc() -> None:
    """On the day of a change, the instant decides, not the day that the text names."""
    dates = ["2025-06-10T01:00:00+02:00", "2025-06-09T23:00:00-02:00", "2025-06-10T00:00:00", "2025-06-10"]
    each = GENAI.costs([message(model="o3", created_at=date, input_tokens=10**6) for date in dates])
    assert each == [10, 2, 2, 2]


def test_the_list_is_named() -> None:
    """The version is that of the package, and the last change one of its dates."""
    import genai_prices  # noqa: PLC0415

    assert (GENAI.list.name, GENAI.list.version) == ("genai-prices", genai_prices.__version__)
    assert datetime.fromisoformat(GENAI.list.last_change) > datetime(2026, 1, 1)  # noqa: DTZ001


def test_tokens_without_a_price_in_genai_prices_are_not_free() -> None:
    """A model whose output has no price, such as one of embeddings, is priced for its input only, never at zero."""
    model = "@cf/baai/bge-m3"
    embedded, answered = (message(model=model, input_tokens=1000, output_tokens=count) for count in (0, 1))
    assert GENAI.costs([embedded, answered]) == [Decimal("0.000012"), None]
    found = priced([embedded, answered], GENAI)
    assert [(one.reason, one.messages) for one in found.unpriced] == [("no-price", 1)]


# A file -----------------------------------------------------------------------------------------------------------------


def oracle(m: Message) -> Fraction | None:
    """The price of a message by `FILE`, in plain words."""
    given, made, written, read = (
        m.input_tokens or 0,
        m.output_tokens or 0,
        m.cache_creation_tokens or 0,
        m.cache_read_tokens or 0,
    )
    if m.cost is not None or {m.input_tokens, m.output_tokens, m.cache_creation_tokens, m.cache_read_tokens} == {None}:
        return None
    if min(given, made, written, read) < 0 or written > given:
        return None
    if m.model == "small":
        rates = ("1", "2.5", "1", "1")
    elif m.model == "Big-1" and m.created_at is not None and m.created_at >= "2025-06-01":
        rates = ("0.000001", "0", "0.000001", "0.000001")
    elif m.model == "Big-1" and m.created_at is not None and m.created_at >= "2025-03-01":
        rates = ("3", "15", "3.75", "0.3")
    else:
        return None
    return (
        sum(Fraction(rate) * count for rate, count in zip(rates, (given - written, made, written, read), strict=True))
        / 10**6
    )


COUNTS = st.none() | st.integers(0, 1000) | st.integers(-1, 2**63 - 1)
MESSAGES = st.builds(
    message,
    model=st.sampled_from([None, "small", "Big-1", "tiny", ""]),
    created_at=st.sampled_from(
        [None, "2025-01-01T00:00:00Z", "2025-03-01T00:00:00Z", "2025-05-31T23:59:59Z", "2025-06-01T00:00:00Z", "2025-07-01"]
    ),
    input_tokens=COUNTS,
    output_tokens=COUNTS,
    cache_creation_tokens=COUNTS,
    cache_read_tokens=COUNTS,
    cost=st.none() | st.just(Decimal(5)),
)


@settings(max_examples=150, deadline=None)
@example([message(input_tokens=1, output_tokens=1), message(input_tokens=1, cache_creation_tokens=2)], [])
@given(st.lists(MESSAGES, max_size=12), st.lists(st.integers(0, 12), max_size=2))
def test_a_file_prices_as_plain_arithmetic_does_however_messages_are_split(messages: list[Message], cuts: list[int]) -> None:
    """Each message and the sum are exact, and any split, in any order, gives the same sums and the same unpriced rows."""
    prices = prices_of_file(FILE, "prices.toml")
    expected = [oracle(m) for m in messages]
    costs = prices.costs(messages)
    assert [None if cost is None else Fraction(cost) for cost in costs] == expected
    whole = priced(messages, prices)
    known = [cost for cost in expected if cost is not None]
    assert whole.cost.count == len(known)
    assert whole.cost.sum == (sum(known) if known else None)
    tokens = [
        m
        for m, cost in zip(messages, expected, strict=True)
        if cost is None
        and m.cost is None
        and any(
            count is not None for count in (m.input_tokens, m.output_tokens, m.cache_creation_tokens, m.cache_read_tokens)
        )
    ]
    assert sum(one.messages for one in whole.unpriced) == len(tokens)
    assert sum(one.input_tokens for one in whole.unpriced) == sum(m.input_tokens or 0 for m in tokens)
    parts = [priced(messages[first:last], prices) for first, last in pairwise((0, *sorted(cuts), len(messages)))]
    merged = Priced()
    for part in reversed(parts):
        merged.merge(pickle.loads(pickle.dumps(part)))  # noqa: S301 - as it comes from a worker
    assert merged == whole
    assert merged.to_dict() == whole.to_dict()


def test_a_cost_is_written_short() -> None:
    """A price has no zeros at its end, and no exponent."""
    prices = prices_of_file(FILE, "f")
    costs = prices.costs([message(input_tokens=count) for count in (1000, 10**6, 10**7, 0)])
    assert list(map(str, costs)) == ["0.001", "1", "10", "0"]
    assert str(priced([message(input_tokens=500_000)] * 2, prices).cost.sum) == "1"


def test_what_has_no_price_is_a_row_of_its_own_with_the_reason() -> None:
    """No message without a price is left out or counted as zero; those without tokens or with a cost have no row."""
    one = {"input_tokens": 1}
    assert reasons(
        message(**one, model=None),
        message(**one, model="unheard-of"),
        message(**one, model="unheard-of"),
        message(**one, model="big-1", created_at=None),
        message(**one, model="big-1", created_at="yesterday"),
        message(**one, model="big-1", created_at="2025-02-28T23:59:59Z"),
        message(input_tokens=-1),
        message(input_tokens=1, cache_creation_tokens=2),
        message(),
        message(**one, model="unheard-of", cost=Decimal(0)),
    ) == [
        (None, "no-model", 1),
        ("big-1", "no-date", 2),
        ("big-1", "no-price", 1),
        ("small", "odd-tokens", 2),
        ("unheard-of", "unknown-model", 2),
    ]


def test_a_model_with_one_price_needs_no_date() -> None:
    """A message without a date is priced if its model has one price for all times."""
    assert reasons(message(input_tokens=1, created_at=None)) == []


def test_the_rows_of_many_unknown_models_are_limited() -> None:
    """The first 64 in alphabetical order are kept, in whatever order they come, and the others are counted together."""
    messages = [message(model=f"m{number:03}", input_tokens=2) for number in range(100)]
    prices = prices_of_file(FILE, "f")
    forth, back = priced(messages, prices), Priced()
    for one in reversed(messages):
        back.merge(priced([one], prices))
    assert forth == back
    assert len(forth.unpriced) == MAX_UNPRICED + 1
    assert forth.unpriced[63].model == "m063"
    assert forth.unpriced[-1] == Unpriced(None, "others", 36, 72, 0, 0, 0)


def test_memory_is_limited_for_many_models_and_days() -> None:
    """Prices remember a few thousand look-ups, whatever an input names."""
    prices = prices_of_file(FILE, "f")
    prices.costs([message(model=f"m{number}", input_tokens=1) for number in range(10_000)])
    assert len(prices._days) <= 4096
    assert len(prices._histories) <= 4096


def test_totals_of_other_lists_add_up_and_name_both() -> None:
    """Merged totals name each list once."""
    one, other = (Totals(priced=priced([message(input_tokens=10**6)], prices_of_file(FILE + b"#" * n, "f"))) for n in (0, 1))
    whole = Totals()
    for part in (one, other, one, Totals()):
        whole.merge(part)
    assert whole.priced.cost.sum == 3
    assert [part.name for part in whole.priced.lists] == ["f", "f"]
    assert whole.to_dict()["priced"]["cost"] == {"sum": 3, "count": 3}
    assert "priced" not in Totals().to_dict()


ENTRY = '[[price]]\nmodel = "m"\ninput = 1\noutput = 1\n'


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", r"f: expected \[\[price\]\] and nothing else, got nothing; write \[\[price\]\], then model"),
        ("[price]\nmodel = 'm'", r"expected \[\[price\]\] and nothing else, got price"),
        (ENTRY + "[other]\n", r"expected \[\[price\]\] and nothing else, got price, other"),
        ("price = [1]", r"expected a table, got 1 \(price 1\)"),
        ("[[price]\n", r"expected a price list in TOML: .*\(at line 1, column 8\)"),
        (ENTRY + "from = 2025-13-01\n", r"expected a price list in TOML: .*line 5"),
        (
            ENTRY + "\n[[price]]\nmodel = 'n'\noutput = 1\n",
            r"expected `input` to be USD per .*, got none \(price 2, line 6\)",
        ),
        (ENTRY + "cache-reed = 1\n", r"expected keys of model, from, input, .*, got 'cache-reed' \(price 1, line 1\)"),
        (ENTRY.replace('"m"', "7"), r"expected `model` to be the name of a model or a pattern, got 7"),
        (ENTRY.replace('"m"', '""'), r"expected `model` to be the name of a model or a pattern, got ''"),
        (
            ENTRY + 'from = "2025-01-01"\n',
            r"expected `from` to be a date such as 2026-01-31 without quotes, got '2025-01-01'",
        ),
        (
            ENTRY + ENTRY.replace('"m"', '"M"'),
            r"expected one price of 'M' without `from`, got two \(price 1, line 1; price 2, line 5\); remove one",
        ),
        (ENTRY + "from = 2025-01-01T00:00:00Z\n", r"expected `from` to be a date such as"),
        *(
            (
                ENTRY + f"cache-write = {value}\n",
                rf"expected `cache-write` to be USD per million tokens.*, got {shown} \(price 1",
            )
            for value, shown in [
                ("-1", "-1"),
                ("true", "True"),
                ('"3"', "'3'"),
                ("nan", "NaN"),
                ("inf", "Infinity"),
                ("1e10", r"1E\+10"),
                ("1e-19", "1E-19"),
            ]
        ),
    ],
)
def test_errors_of_a_file_name_the_line_and_the_key(text: str, error: str) -> None:
    """A file that is no price list is an error that names the file, the entry, its line, and the key."""
    with pytest.raises(UsageError, match=error):
        prices_of_file(text.encode(), "f")


def test_bytes_that_are_no_text_are_an_error() -> None:
    """A file that is not UTF-8 is an error of ours."""
    with pytest.raises(UsageError, match=r"f: expected a price list in TOML: .*decode"):
        prices_of_file(b"\xff", "f")


def test_the_first_pattern_that_fits_decides() -> None:
    """A star stands for any characters, everything else for itself, in upper or lower case."""
    text = "".join(
        ENTRY.replace('"m"', f'"{name}"').replace("1", str(rate)) for rate, name in enumerate(["a[1]*", "a*z", "*", "A1"], 1)
    )
    prices = prices_of_file(text.encode(), "f")
    names = ["a[1]", "A[1]z", "a1", "az", "a\nz", ""]
    assert prices.costs([message(model=name, input_tokens=10**6) for name in names]) == [1, 1, 3, 2, 2, 3]


# Groups -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["model", "day", "session", "model,role"])
@settings(max_examples=50, deadline=None)
@given(st.lists(MESSAGES, max_size=12), st.lists(st.integers(0, 12), max_size=2))
def test_groups_are_priced_as_their_messages_are(by: str, messages: list[Message], cuts: list[int]) -> None:
    """Each group has the price of its messages, however they come, and all together that of the whole."""
    prices = prices_of_file(FILE, "f")
    options = GroupOptions(by=(tuple(by.split(",")),), priced=True)
    grouping = Grouping(options.by)
    for first, last in pairwise((0, *sorted(cuts), len(messages))):
        grouping.add(Batch(messages[first:last], []), prices)
    (table,) = make_tables(grouping, options)
    (one_batch,) = make_tables(_grouped(messages, options, prices), options)
    assert str(table) == str(one_batch)
    for row in table.rows:
        same = [m for m in messages if _key(m, options.by[0]) == row.key]
        assert row.figures["pricedCost"] == priced(same, prices).cost.sum
        assert row.figures["unpricedMessages"] == sum(one.messages for one in priced(same, prices).unpriced)
    assert table.total.figures["pricedCost"] == priced(messages, prices).cost.sum


def _grouped(messages: list[Message], options: GroupOptions, prices: Prices) -> Grouping:
    grouping = Grouping(options.by)
    grouping.add(Batch(messages, []), prices)
    return grouping


def _key(m: Message, by: tuple[str, ...]) -> tuple[str | None, ...]:
    values = {"model": m.model, "role": m.role, "session": m.session_id, "day": m.created_at and m.created_at[:10]}
    if values["day"] == m.created_at:  # a day alone is no date-time
        values["day"] = None
    return tuple(values[name] for name in by)


def test_groups_without_prices_have_no_columns_of_them() -> None:
    """The figures of prices are there only where prices are, and by tool never."""
    (with_them,), (without,), (tools,) = (
        make_tables(Grouping(options.by), options)
        for options in (
            GroupOptions(by=(("model",),), priced=True),
            GroupOptions(by=(("model",),)),
            GroupOptions(by=(("tool",),), priced=True),
        )
    )
    assert set(with_them.columns) - set(without.columns) == {"pricedCost", "unpricedMessages", "totalCost"}
    assert tools.columns == ("toolCalls", "failed", "unfinished")
    with pytest.raises(UsageError, match="expected `sort` to be a column"):
        GroupOptions(by=(("model",),), sort="priced-cost")


@pytest.mark.parametrize(
    ("recorded", "priced", "total"),
    [(None, None, None), ("1.50", None, "1.50"), (None, "0.2", "0.2"), ("1.50", "0.2", "1.70"), ("1e20000", "0.2", None)],
)
def test_the_sum_of_recorded_and_priced_costs(recorded: str | None, priced: str | None, total: str | None) -> None:
    """An unknown cost is not zero, and a sum with too many digits is not known."""
    given = [None if text is None else Decimal(text) for text in (recorded, priced)]
    found = total_cost(*given)
    assert (None if found is None else str(found)) == total
    assert (rough_cost(*given) is None) == (recorded is None and priced is None)


def test_groups_are_sorted_by_cost_and_price_together() -> None:
    """The most expensive group comes first, whether its cost was recorded or computed."""
    options = GroupOptions(by=(("role",),), priced=True)
    costs = [("a", None, 2), ("b", Decimal(3), None), ("c", None, 4), ("d", Decimal(1), None), ("e", None, None)]
    costs += [("f", Decimal(3), None), ("f", None, 2), ("g", Decimal("1e9998"), None), ("g", None, 2e-6)]
    messages = [message(role=role, cost=cost, input_tokens=tokens and int(tokens * 10**6)) for role, cost, tokens in costs]
    (table,) = make_tables(_grouped(messages, options, prices_of_file(FILE, "f")), options)
    assert [row.key[0] for row in table.rows] == ["g", "f", "c", "b", "a", "d", "e"]


# Readings ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a price list."""
    (tmp_path / "prices.toml").write_bytes(FILE)
    return tmp_path


def test_recorded_and_priced_are_apart(folder: Path) -> None:
    """A recorded cost is in the counted sum only, a price in the priced one only, and messages keep their cost."""
    with open_export(session_file(folder, "a.json", "1", "2"), prices=folder / "prices.toml") as export:
        costs = [message.cost for message in export]
        assert costs == [None, None, 7]
        assert export.totals.counted.cost == Cost(Decimal(7), 1)
        assert export.totals.priced.cost == Cost(Decimal(2), 2)


def test_without_prices_there_are_none(folder: Path) -> None:
    """Nothing is priced unless it is asked for."""
    with open_export(session_file(folder, "a.json", "1")) as export:
        assert len(list(export)) == 2
        assert export.totals.priced is None


def test_prices_of_many_inputs_are_those_of_their_merge(folder: Path) -> None:
    """Parts read apart, by worker processes too, add up to the prices of all in one."""
    files = [session_file(folder, f"{name}.json", name, "b") for name in "abc"]
    prices = folder / "prices.toml"
    parts = convert_many(files, folder / "rows", prices=prices).totals.priced
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        assert convert_many(files, folder / "more", prices=prices, executor=executor).totals.priced == parts
    assert merge_many(files, folder / "all.ndjson", prices=prices).totals.priced == parts
    assert merge_many(files, folder / "all.csv", prices=prices, table="sessions").totals.priced == parts
    assert parts.cost == Cost(Decimal(6), 6)


def test_a_repeated_message_is_priced_once_with_dedupe(folder: Path) -> None:
    """With dedupe, what is not counted is not priced."""
    files = [session_file(folder, name, "1", "2") for name in ("a.json", "b.json")]
    done = merge_many(files, folder / "all.ndjson", prices=folder / "prices.toml", dedupe=True)
    assert done.totals.priced.cost == Cost(Decimal(2), 2)


@pytest.mark.parametrize("both", [convert_many, merge_many, totals_many])
@pytest.mark.parametrize(
    ("name", "kind", "match"),
    [
        ("bad.toml", UsageError, r"bad\.toml: expected \[\[price\]\]"),
        ("none.toml", ReadError, r"none\.toml: No such file"),
        ("-", UsageError, "prices can't come from standard input; name a file in TOML, or genai"),
    ],
)
def test_a_wrong_list_is_an_error_before_any_work(folder: Path, both: Any, name: str, kind: type, match: str) -> None:
    """A list that can't be taken is one error, not one for each input, and nothing is written."""
    (folder / "bad.toml").write_bytes(b"")
    files = [session_file(folder, f"{one}.json", "1") for one in "ab"]
    targets = {convert_many: [folder / "rows"], merge_many: [folder / "out.ndjson"]}.get(both, [])
    with pytest.raises(kind, match=match):
        both(files, *targets, prices=name if name == "-" else folder / name)
    assert {path.suffix for path in folder.iterdir()} == {".json", ".toml"}


def test_a_missing_library_names_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package, the error says how to install it."""
    _load_genai.cache_clear()
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    with pytest.raises(MissingExtraError, match=r"needs genai_prices, which is not .*pip install 'exportstream\[prices\]'"):
        convert(session_file(folder, "a.json", "1"), folder / "a.csv", prices="genai")


def test_a_list_may_come_through_a_pipe(folder: Path) -> None:
    """A list of a pipe, as from a shell's <(...), is read to its end."""
    os.mkfifo(folder / "pipe")
    writer = Thread(target=lambda: (folder / "pipe").write_bytes(FILE + b"#" * 200_000))
    writer.start()
    prices = load_prices(folder / "pipe")
    writer.join()
    assert prices.costs([message(input_tokens=10**6)]) == [1]


@pytest.mark.parametrize("workers", [False, True])
def test_totals_of_many_inputs_are_priced(folder: Path, workers: bool) -> None:
    """totals_many prices all inputs and their groups, in worker processes too."""
    files = [session_file(folder, f"{name}.json", name, "b") for name in "abc"]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) if workers else nullcontext() as executor:
        done = totals_many(files, by="file", prices=folder / "prices.toml", executor=executor)
    assert [row.figures["pricedCost"] for row in done.tables[0].rows] == [2, 2, 2]
    assert [row.figures["cost"] for row in done.tables[0].rows] == [7, 7, 7]
    assert [row.figures["totalCost"] for row in done.tables[0].rows] == [9, 9, 9]
    assert done.totals.total_cost == done.totals.to_dict()["totalCost"] == done.tables[0].total.figures["totalCost"] == 27
    assert done.totals.priced.cost == Cost(Decimal(6), 6)
    assert done.to_dict()["prices"][0]["name"] == str(folder / "prices.toml")
