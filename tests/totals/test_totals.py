"""Running totals: the same however the messages were split, exact, and honest about what was not there."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exportstream import Cost, Count, Counted, Difference, Duplicates, LimitError, Message, Session, ToolCall, Totals
from exportstream.totals.batch import Batch, SessionEnd
from exportstream.totals.figures import compare_costs
from exportstream.totals.seen import Dedupe, Seen
from exportstream.totals.sums import KNOWN_ROLES, MAX_ROLES

DATES = st.sampled_from(
    [
        None,
        "2025-10-03T10:00:00Z",
        "2025-10-03T10:00:00+05:30",
        "2025-10-03T05:30:00+01:00",
        "2025-10-03T10:00:00",
        "2025-10-03T10:00:00.5Z",
        "2025-10-03T10:00:00.25Z",
        "2025-10-03T1x:00:00Z",
        "2025-10-03T23:59:60Z",
        "2025-13-03T10:00:00Z",
        "2025-10-03T11:00:00Z",
        "2025-10-03T20:00:00Z",
        "2025-10-03",
        "",
        "yesterday",
    ]
)
COUNTS = st.none() | st.integers(0, 10**20)
COSTS = st.none() | st.decimals(0, 10**6, places=12)


def message(**fields: Any) -> Message:
    made = {"id": "m", "role": "user", "content": "", "created_at": None, "updated_at": None}
    return Message(**{**made, **fields})


def call(is_error: bool | None = None) -> ToolCall:
    return ToolCall(id="c", name="n", type="t", finished=True, input="", is_error=is_error)


MESSAGES = st.builds(
    message,
    role=st.sampled_from(["user", "assistant", "tool", "critic"]),
    created_at=DATES,
    input_tokens=COUNTS,
    output_tokens=COUNTS,
    cache_creation_tokens=COUNTS,
    cache_read_tokens=COUNTS,
    total_input_tokens=st.none() | COUNTS,
    cost=COSTS,
    tool_calls=st.none() | st.lists(st.builds(call, st.none() | st.booleans()), max_size=3),
)
SESSIONS = st.builds(
    Session, id=st.just("s"), prompt_tokens=COUNTS, completion_tokens=COUNTS, cost=COSTS, tool_call_count=COUNTS
)


def added(items: list[Any]) -> Totals:
    totals = Totals()
    for item in items:
        totals.add(item)
    return totals


def batched(messages: list[Message]) -> Totals:
    totals = Totals()
    totals.add_batch(messages)
    return totals


def merged(parts: list[Totals]) -> Totals:
    totals = Totals()
    for part in parts:
        totals.merge(part)
    return totals


@settings(max_examples=150, deadline=None)
@example([message(created_at=f"2025-10-03T{hour}:00:00Z") for hour in ("10", "1x", "20")], 0)
@example([message(created_at="2025-10-03T10:00:00+05:30"), message(created_at="2025-10-03T09:00:00Z")], 1)
@given(st.lists(MESSAGES, max_size=8), st.integers(0, 8))
def test_one_by_one_in_batches_and_merged_agree(messages: list[Message], cut: int) -> None:
    """add, add_batch, watch and merge give the same totals for the same messages."""
    wanted = added(messages)
    assert batched(messages) == wanted
    assert merged([batched(messages[:cut]), batched(messages[cut:])]) == wanted
    watched = Totals()
    assert list(watched.watch(messages)) == messages
    assert watched == wanted


def add_slice(totals: Totals, items: list[Any]) -> None:
    """Add messages and the sessions after them in one call."""
    messages, complete, ends = [], [], []
    for item in items:
        if isinstance(item, Session):
            complete.append(item)
            ends.append(len(messages))
        else:
            messages.append(item)
    totals.add_sessions(messages, complete, ends)


CARRYING = st.lists(MESSAGES, max_size=3) | st.lists(st.builds(message, input_tokens=st.just(1), cost=st.just(Decimal(1))))


@settings(max_examples=300, deadline=None)
@example([([message(cost=Decimal(1)), message()], Session(id="a")), ([message()], Session(id="b"))], [1])
@given(st.lists(st.tuples(CARRYING, SESSIONS), max_size=5), st.lists(st.integers(0, 20), max_size=2))
def test_several_sessions_at_once_are_as_one_by_one(parts: list[tuple[list[Message], Session]], cuts: list[int]) -> None:
    """Sessions that are added in one list give the same totals, also where the list is split inside a session."""
    items = [item for messages, session in parts for item in (*messages, session)]
    totals = Totals()
    for first, last in pairwise((0, *sorted(cuts), len(items))):
        add_slice(totals, items[first:last])
    assert totals == added(items)
    assert totals.carrying.cost == sum(any(one.cost is not None for one in messages) for messages, _ in parts)
    assert totals.carrying.input_tokens == sum(any(m.input_tokens is not None for m in part) for part, _ in parts)


ALIKE = [
    "2025-10-03T10:00:00Z",
    "2025-10-03T09:00:00Z",
    "2025-10-03t08:00:00Z",
    "2025-10-03 11:00:00Z",
    "2025-10-03T12:00:00z",
    "2025-10-03T07:00:00+",
    "2025-10-03T1x:00:00Z",
    "2025-10-03T06:00:00\n",
    "2025-10-03T05:00:00Z\n",
    "2025-10-03T13:00:00",
    "2025-10-03",
]


@settings(max_examples=300, deadline=None)
@example([""] * 3)
@example(["2025"] * 3)
@example(["2025-10-03T06:00:00Z"] * 2 + ["2025-10-03T05:00:00\n", "2025-10-03T06:00:00Z\n2025-10-03T04:00:00Z"])
@given(st.lists(st.sampled_from(ALIKE), min_size=3, max_size=7) | st.lists(st.sampled_from(ALIKE[:3]), min_size=3))
def test_dates_that_look_alike_are_found_as_one_by_one(dates: list[str]) -> None:
    """Looking at many dates at once gives the earliest and the latest of all kinds of almost equal forms."""
    messages = [message(created_at=date) for date in dates]
    assert batched(messages) == added(messages)


SECONDS = st.sampled_from(["2025-10-03T10:00:59", "2025-10-03T10:01:00", "2025-10-03T15:30:59", "2025-10-03T15:31:00"])
FRACTIONS = st.just("") | st.text("0149", min_size=1, max_size=10).map(".{}".format)
ZONES = st.sampled_from(["Z", "+00:00", "+05:30", ""])
EXACT_DATES = st.builds("{}{}{}".format, SECONDS, FRACTIONS, ZONES)


def fraction_of_time(text: str) -> Fraction:
    """The instant as an exact number of seconds, by other means than the product's."""
    whole, fraction, zone = re.fullmatch(r"(.{19})(?:\.(\d+))?(.*)", text).groups()  # type: ignore[union-attr]
    start = datetime.fromisoformat(whole + "+00:00") - timedelta(hours=5.5 * (zone == "+05:30"))
    return Fraction(int(start.timestamp())) + (Fraction(int(fraction), 10 ** len(fraction)) if fraction else 0)


@settings(max_examples=400, deadline=None)
@example(["2026-01-05T09:00:07.1234564Z", "2026-01-05T09:00:07.1234561Z"], [])
@example(["2026-01-05T09:00:07.1234561Z", "2026-01-05T09:00:07.1234564Z", "2026-01-05T09:00:07.1234561Z"], [1])
@example(["2026-01-05T09:00:59.9999999Z", "2026-01-05T09:01:00Z", "2026-01-05T09:00:59.9999998Z"], [2])
@example(["2026-01-05T14:30:07.1234567+05:30", "2026-01-05T09:00:07.12345669Z"], [1])
@given(
    st.lists(EXACT_DATES, min_size=1, max_size=8)
    | st.builds(lambda zone, whole: [text + zone for text in whole], ZONES, st.lists(SECONDS, min_size=3, max_size=9)),
    st.lists(st.integers(0, 9), max_size=3),
)
def test_first_and_last_date_are_exact(dates: list[str], cuts: list[int]) -> None:
    """In any order and split, the first and the last date are those of sorting by exact instants."""
    edges = [0, *sorted(cuts), len(dates)]
    parts = [batched([message(created_at=date) for date in dates[a:b]]) for a, b in pairwise(edges)]
    instants = sorted(map(fraction_of_time, dates))
    in_turn = Totals()
    for a, b in pairwise(edges):
        in_turn.add_batch([message(created_at=date) for date in dates[a:b]])
    for totals in (merged(parts), in_turn, batched([message(created_at=date) for date in dates])):
        assert totals.counted.first_date is not None
        assert totals.counted.last_date is not None
        assert fraction_of_time(totals.counted.first_date) == instants[0]
        assert fraction_of_time(totals.counted.last_date) == instants[-1]
        assert totals.counted.unparsed_dates == 0
    assert merged(parts) == in_turn == added([message(created_at=date) for date in dates])


@pytest.mark.parametrize("rest", [".", ".Z", ".5.5Z", ".5.Z", "..5Z", ".5,5Z", ".5ZZ", ".5 Z", ".٥Z", ",5Z", ".5e1Z"])
def test_odd_fractions_are_no_dates(rest: str) -> None:
    """Looking at the fraction apart accepts nothing that isn't a date-time."""
    assert batched([message(created_at=f"2025-10-03T10:00:59{rest}")]).counted.unparsed_dates == 1


def instant(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(
            (text or "").replace("Z", "+00:00").replace(".5+", ".500000+").replace(".25+", ".250000+")
        )
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@settings(max_examples=150, deadline=None)
@given(st.lists(MESSAGES, max_size=8))
def test_totals_are_plain_sums(messages: list[Message]) -> None:
    """Every figure is what Python's own sum, Counter, min and max give."""
    totals = batched(messages)
    calls = [call for item in messages for call in item.tool_calls or ()]
    costs = [item.cost for item in messages if item.cost is not None]
    assert totals.counted.messages == len(messages)
    assert totals.counted.roles == Counter(item.role for item in messages)
    assert totals.counted.tool_calls == len(calls)
    assert totals.counted.tool_errors == sum(call.is_error is True for call in calls)
    for name in ("input_tokens", "output_tokens", "cache_creation_tokens", "cache_read_tokens"):
        stated = [getattr(item, name) for item in messages if getattr(item, name) is not None]
        assert getattr(totals.counted, name) == Count(sum(stated) if stated else None, len(stated))
    names = ("input_tokens", "output_tokens", "cache_creation_tokens", "cache_read_tokens")
    used = [item for item in messages if any(getattr(item, name) is not None for name in names)]
    prompts = [
        (item.input_tokens or 0) + (item.cache_read_tokens or 0)
        if item.total_input_tokens is None
        else item.total_input_tokens
        for item in used
        if (item.total_input_tokens, item.input_tokens, item.cache_read_tokens) != (None, None, None)
    ]
    found = totals.counted.total_input_tokens
    assert (found.sum, found.count) == (sum(prompts) if prompts else None, len(prompts))
    assert totals.counted.with_tokens == sum(any(getattr(item, name) is not None for name in names) for item in messages)
    assert totals.counted.cost == Cost(sum(costs, Decimal(0)) if costs else None, len(costs))
    dates = [item.created_at for item in messages if item.created_at is not None and item.created_at != "2025-10-03"]
    known = sorted(filter(None, map(instant, dates)))
    if all(item.created_at != "2025-10-03" for item in messages):  # a date alone is no date-time here
        assert (instant(totals.counted.first_date), instant(totals.counted.last_date)) == (
            (known[0], known[-1]) if known else (None, None)
        )
        assert totals.counted.unparsed_dates == len(dates) - len(known)


@settings(max_examples=50, deadline=None)
@given(st.lists(SESSIONS, max_size=5))
def test_declared_figures_are_apart(sessions: list[Session]) -> None:
    """What sessions declare is summed under declared names, and never touches the per-message figures."""
    totals = added(sessions)
    costs = [item.cost for item in sessions if item.cost is not None]
    tokens = [item.prompt_tokens for item in sessions if item.prompt_tokens is not None]
    assert totals.declared.prompt_tokens == Count(sum(tokens) if tokens else None, len(tokens))
    assert totals.declared.cost == Cost(sum(costs, Decimal(0)) if costs else None, len(costs))
    assert (totals.sessions, totals.counted) == (len(sessions), Counted())


def test_sums_of_costs_are_exact() -> None:
    """Ten thousand tenths of a cent beside a huge cost lose no digit."""
    totals = batched([message(cost=Decimal("0.001"))] * 10_000 + [message(cost=Decimal("1e40"))])
    assert totals.counted.cost == Cost(Decimal(10**40 + 10), 10_001)
    assert str(batched([message(cost=Decimal("0.10")), message(cost=Decimal("0.20"))]).counted.cost.sum) == "0.30"


def test_a_sum_beyond_all_digits_is_our_error() -> None:
    """Costs whose exact sum would need more than 10,000 digits are refused by name."""
    with pytest.raises(LimitError, match="more than 10,000 digits"):
        batched([message(cost=Decimal("1e9999999")), message(cost=Decimal(1))])


@pytest.mark.parametrize("text", ["1e9999999", "1E+5", "1e9998", "1e999999999", "-1e-999999999", "1.50", "0e999999"])
def test_a_single_cost_stays_as_it_is(text: str) -> None:
    """A cost that is the only one is its own sum, digit for digit and in constant time."""
    cost = Decimal(text)
    one = batched([message(cost=cost)])
    one.add(Session(id="s", cost=cost))
    for totals in (one, merged([one]), merged([Totals(), one, Totals()])):
        assert (str(totals.counted.cost.sum), str(totals.declared.cost.sum)) == (str(cost), str(cost))


@pytest.mark.parametrize(
    ("costs", "wanted"),
    [
        (["1e9999999", "0"], "1E+9999999"),
        (["0", "1e9999999", "0.00"], "1E+9999999"),
        (["1e9999999", "2e9999999"], "3E+9999999"),
        (["1e9999999", "-1e9999999", "1"], "1"),
        (["1", "0e-9999999"], "1"),
        (["0.10", "0.20"], "0.30"),
        (["1e9999999", *["0"] * 30], "1E+9999999"),
        (["1e9999999", "1"], None),
        (["1e9999999", *["1"] * 30], None),
        (["1", "1e-10001"], None),
        (["1e999999999999", "0"], None),
        (["1e999999999999"], None),
        (["-1e-9999999999999"], None),
        (["0." + "1" * 10_001], None),
        (["9e999999999", "9e999999999"], None),
    ],
)
def test_sums_of_extreme_costs(costs: list[str], wanted: str | None) -> None:
    """A sum is exact and written short, or refused by name; it is never filled up with zeros."""
    messages = [message(cost=Decimal(cost)) for cost in costs]
    for count in (batched, added, lambda given: merged([batched([one]) for one in given])):
        if wanted is None:
            with pytest.raises(LimitError, match="more than 10,000 digits"):
                count(messages)
        else:
            assert str(count(messages).counted.cost.sum) == wanted


def test_differences_are_exact() -> None:
    """A difference has all its digits, and none where it would need more than 10,000."""
    declared, counted = Decimal("0.1"), Decimal("12345678901234567890.12345678901234567")
    assert str(Difference(declared, counted).exact) == "12345678901234567890.02345678901234567"
    assert str(Difference(counted, declared).exact) == "-12345678901234567890.02345678901234567"
    assert Difference(10**30, 1).exact == 1 - 10**30
    assert Difference(Decimal("1e9999999"), Decimal(1)).exact is None


def test_no_cost_is_not_free() -> None:
    """Without any cost the figure is None; with a cost of 0 it is 0."""
    assert batched([message()]).to_dict()["counted"]["cost"] == {"sum": None, "count": 0}
    assert batched([message(cost=Decimal(0))]).to_dict()["counted"]["cost"] == {"sum": 0, "count": 1}
    assert added([Session(id="s")]).to_dict()["declared"]["cost"] == {"sum": None, "count": 0}
    assert added([Session(id="s", cost=Decimal(0))]).to_dict()["declared"]["cost"] == {"sum": 0, "count": 1}


def test_cache_tokens_alone_are_reported() -> None:
    """A producer that writes cache tokens only does not have them reported as unknown."""
    assert batched([message(cache_read_tokens=5)]).to_dict()["counted"]["cacheReadTokens"] == {"sum": 5, "count": 1}


def test_roles_are_bounded() -> None:
    """However many roles come, constantly many are told apart and none is lost from the count."""
    messages = [message(role=f"r{number}") for number in range(500)]
    for totals in (batched(messages), added(messages), merged([batched(messages[:200]), batched(messages[200:])])):
        assert len(totals.counted.roles) == MAX_ROLES
        assert totals.counted.other_roles == 500 - MAX_ROLES
        assert sum(totals.counted.roles.values()) == MAX_ROLES


def test_the_known_roles_have_their_own_count() -> None:
    """After 64 other roles user and assistant are still counted, compared with what is declared, and merged."""
    others = [message(role=f"a{number}") for number in range(100)]
    known = [message(role=role) for role in sorted(KNOWN_ROLES) * 3]
    for totals in (batched(others + known), added(others + known), merged([batched(others), batched(known)])):
        totals.add(Session(id="s", user_message_count=3, assistant_message_count=4))
        assert {role: totals.counted.roles[role] for role in KNOWN_ROLES} == dict.fromkeys(KNOWN_ROLES, 3)
        assert totals.differences() == {"assistantMessages": Difference(4, 3)}


def test_a_role_may_be_called_like_the_rest() -> None:
    """A role that is named as the rest once was is a role like every other."""
    totals = batched([message(role=role) for role in ("(other roles)", *(f"a{number}" for number in range(70)))])
    assert totals.counted.roles["(other roles)"] == 1
    assert totals.counted.other_roles == 7
    assert totals.to_dict()["counted"]["otherRoles"] == 7


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([*sorted(KNOWN_ROLES), "(other roles)", *(f"r{n}" for n in range(12))]), max_size=60),
    st.lists(st.integers(0, 60), max_size=4),
)
def test_any_split_counts_the_same_roles(roles: list[str], cuts: list[int]) -> None:
    """Parts with more roles than are kept merge to the totals of the whole, wherever they were split."""
    edges = [0, *sorted(cuts), 60]
    with patch("exportstream.totals.sums.MAX_ROLES", 4):
        messages = [message(role=role) for role in roles]
        wanted = added(messages)
        assert merged([batched(messages[a:b]) for a, b in pairwise(edges)]) == wanted
    found = Counter(roles)
    kept = {*KNOWN_ROLES, *sorted(found.keys() - KNOWN_ROLES)[:4]}
    assert wanted.counted.roles == {role: count for role, count in found.items() if role in kept}
    assert wanted.counted.other_roles == sum(count for role, count in found.items() if role not in kept)


def test_dedupe_drops_what_came_before() -> None:
    """A message comes again if both ids do; ids that only look alike when joined are different."""
    dedupe, dropped = Dedupe(), Duplicates()
    pairs = [("s", "a"), ("s", "a"), ("t", "a"), ("s1:", "a"), ("s", "1:a"), ("s\0", "a"), ("s", "\0a")]
    messages = [message(session_id=session, id=own) for session, own in pairs]
    ends = [SessionEnd(Session(id=own), at) for at, own in enumerate(("s:0", "1", "s"), 1)]
    found = [dedupe.drop_repeats(Batch([one], []), dropped).messages for one in messages]
    assert found == [[messages[0]], [], *([one] for one in messages[2:])]
    assert dedupe.drop_repeats(Batch([], ends), dropped).ends == ends
    again = dedupe.drop_repeats(Batch([*messages[:2], message(session_id="s", id="b")], ends[2:]), dropped)
    assert ([one.id for one in again.messages], again.ends) == (["b"], [SessionEnd(ends[2].session, 1, repeated=True)])
    assert dropped == Duplicates(messages=3, sessions=1)


KEYS = st.text("ab", max_size=3) | st.sampled_from(["x" * 48, "x" * 49, "x" * 50, "\ud800" * 50])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(KEYS, max_size=6)))
def test_seen_finds_each_key_that_came_before(batches: list[list[str]]) -> None:
    """Keys of any length are told apart exactly, in batches as one by one."""
    seen, known = Seen(), set()
    for keys in batches:
        repeats = []
        for at, key in enumerate(keys):
            if key in known:
                repeats.append(at)
            known.add(key)
        assert seen.find_repeats(keys) == repeats


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(KEYS, max_size=9)), st.integers(1, 12))
def test_seen_forgets_at_the_same_keys_however_they_are_given(batches: list[list[str]], limit: int) -> None:
    """With a limit the same keys come again, whether they are given in batches or one by one."""
    seen, one_by_one = Seen(limit), Seen(limit)
    for keys in batches:
        assert seen.find_repeats(keys) == [at for at, key in enumerate(keys) if one_by_one.find_repeats([key])]


@pytest.mark.parametrize("size", [1, 3, 7])
def test_seen_remembers_the_latest_keys(size: int) -> None:
    """With a limit the latest keys are remembered, and the first are forgotten."""
    seen = Seen(limit=5)
    keys = [str(number) for number in range(50)]
    for first in range(0, 50, size):
        batch = keys[first : first + size]
        assert seen.find_repeats(batch) == []
        latest = keys[max(0, first + len(batch) - 5) : first + len(batch)]
        assert seen.find_repeats(latest) == list(range(len(latest)))
    assert seen.find_repeats(keys[:10]) == []


def test_differences_only_where_every_session_says_both() -> None:
    """A session whose messages carry no figure can't be compared, nor can the sum it is in."""
    told = Session(id="a", title="", prompt_tokens=10, completion_tokens=5, cost=Decimal(2))
    silent = Session(id="b", title="", prompt_tokens=10, completion_tokens=5, cost=Decimal(2))
    carrying = message(input_tokens=9, output_tokens=5, cost=Decimal(1))
    one, other = Totals(), Totals()
    one.add(carrying)
    one.add(told)
    assert one.differences() == {"promptTokens": Difference(10, 9), "cost": Difference(2, 1)}
    other.add(message())
    other.add(silent)
    assert other.differences() == {}
    together = Totals()
    for item in (carrying, told, message(), silent):
        together.add(item)
    one.merge(other)
    assert one == together
    assert one.differences() == {}
    again = Totals()
    for item in (carrying, told, carrying, told):
        again.add(item)
    assert again.differences() == {"promptTokens": Difference(20, 18), "cost": Difference(4, 2)}


SMALL_COSTS = st.lists(st.decimals(0, 100, places=6), min_size=1, max_size=50)


@given(SMALL_COSTS)
def test_the_error_of_adding_up_doubles_is_no_difference(costs: list[Decimal]) -> None:
    """A server that adds up doubles declares 0.30000000000000004 for 0.1 + 0.2: that is equal."""
    declared = Decimal(repr(sum(map(float, costs))))
    assert compare_costs(declared, sum(costs, Decimal()), len(costs)) is None


@given(SMALL_COSTS)
def test_rounding_each_cost_is_rounding(costs: list[Decimal]) -> None:
    """Costs that were cut to micro-dollars before they were added differ by rounding, and by more they differ."""
    counted = sum(costs, Decimal())
    exact = counted + len(costs) * Decimal("0.0000009")
    assert compare_costs(exact, counted, len(costs)) == Difference(exact, counted, "rounding")
    more = counted + len(costs) * Decimal("0.0000011")
    assert compare_costs(more, counted, len(costs)) == Difference(more, counted, "differs")


def test_enormous_costs_differ() -> None:
    """A difference that can't be written is one."""
    found = compare_costs(Decimal("1e9999999"), Decimal(1), 1)
    assert found is not None
    assert found.kind == "differs"
    assert compare_costs(Decimal("1e9999999"), Decimal("1e9999999"), 1) is None
