"""Groups: the same however the messages were split, with sessions, days and ranges as the rules of counting say."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exportstream import Message, Session, ToolCall, UsageError
from exportstream.totals.batch import Batch, SessionEnd
from exportstream.totals.figures import Cost, Count
from exportstream.totals.group_figures import Figures
from exportstream.totals.group_keys import DIMENSIONS, FIELD, MESSAGE, PROJECT, TOOL, Key
from exportstream.totals.groups import Grouping, Groups
from exportstream.totals.make_tables import make_tables
from exportstream.totals.periods import Range
from exportstream.totals.sizes import Largest
from exportstream.totals.table_options import GroupOptions

NOON = "2025-10-03T12:00:00Z"
EACH = tuple((name,) for name in DIMENSIONS if name not in (FIELD, MESSAGE))
SIZES = ((FIELD,), ("role", FIELD, "tool"), (PROJECT, FIELD), (MESSAGE,))
COMBINED = (
    ("day", "model"),
    ("model", "project"),
    ("project", TOOL),
    ("session", "tool"),
    ("tool", "role", "file"),
    ("file", "session"),
    (),
)


def message(session_id: str = "s", created_at: str | None = NOON, **fields: Any) -> Message:
    made = {"id": "m", "role": "user", "content": "", "updated_at": None}
    return Message(**{**made, "session_id": session_id, "created_at": created_at, **fields})


def call(name: str = "Bash", **fields: Any) -> ToolCall:
    return ToolCall(**{"id": "c", "name": name, "type": "t", "finished": True, "input": "", **fields})


def batch(*sessions: tuple[list[Message], Session | None]) -> Batch:
    """A batch of sessions; None for one that goes on."""
    messages: list[Message] = []
    ends = []
    for some, session in sessions:
        messages += some
        if session is not None:
            ends.append(SessionEnd(session, len(messages)))
    return Batch(messages, ends)


def grouped(by: tuple[str, ...], *batches: Batch, range: Range = Range(), source: str = "") -> dict[Key, Figures]:  # noqa: A002, B008
    grouping = Grouping([by], range, source)
    for one in batches:
        grouping.add(one)
    (table,) = grouping.tables
    assert isinstance(table, Groups)
    return table.figures


def by_date(name: str, dates: Iterable[str | None], **zone: str) -> list[Key]:
    """The keys of messages with these dates, in the order they came."""
    return list(grouped((name,), batch(([message(created_at=date) for date in dates], None)), range=Range(**zone)))


MESSAGES = st.builds(
    message,
    created_at=st.sampled_from([None, "", NOON, "2025-10-04T01:00:00+05:30", "2025-12-31T23:59:59.9999999Z"]),
    role=st.sampled_from(["user", "assistant"]),
    model=st.sampled_from([None, "", "opus"]),
    finish_reason=st.sampled_from([None, "end_turn"]),
    content=st.text(max_size=3),
    input_tokens=st.none() | st.integers(0, 9),
    cost=st.none() | st.decimals(0, 9, places=12),
    tool_calls=st.none()
    | st.lists(
        st.builds(
            call, st.sampled_from(["Bash", "Grep"]), is_error=st.sampled_from([None, True, False]), finished=st.booleans()
        ),
        max_size=3,
    ),
)
SESSIONS = st.lists(st.tuples(st.lists(MESSAGES, max_size=5), st.sampled_from("ab")), max_size=5)


def whole(sessions: list[tuple[list[Message], str]]) -> Batch:
    """A batch of complete sessions."""
    for messages, name in sessions:
        for one in messages:
            one.session_id = name
    return batch(
        *(
            (messages, Session(id=name, prompt_tokens=1, cost=Decimal("0.1"), project={"a": "/x"}.get(name)))
            for messages, name in sessions
        )
    )


def counted(table: Groups | Largest) -> Any:
    """What a table has counted."""
    return table if isinstance(table, Largest) else (table.figures, table.sessions)


def split(one: Batch, cuts: Iterable[int]) -> list[Batch]:
    """The same messages and ends in several batches."""
    edges = [0, *sorted(cut % (len(one.messages) + 1) for cut in cuts), len(one.messages)]
    parts = []
    for number, (start, end) in enumerate(pairwise(edges)):
        last = number == len(edges) - 2
        ends = [SessionEnd(e.session, e.end - start) for e in one.ends if start <= e.end and (e.end < end or last)]
        parts.append(Batch(one.messages[start:end], ends))
    return parts


@given(SESSIONS, st.lists(st.integers(0, 30), max_size=4), st.sampled_from([Range(), Range(since="2025-10-04")]))
def test_any_split_into_batches_gives_the_same_groups(
    sessions: list[tuple[list[Message], str]],
    cuts: list[int],
    range: Range,  # noqa: A002
) -> None:
    """Groups don't depend on the batches that the messages came in."""
    one, many = (Grouping([*EACH, *COMBINED, *SIZES], range, "f", top=2) for _ in "12")
    one.add(whole(sessions))
    for part in split(whole(sessions), cuts):
        many.add(part)
    assert list(map(counted, one.tables)) == list(map(counted, many.tables))
    assert one.undated.figures == many.undated.figures


@given(SESSIONS, SESSIONS)
def test_groups_of_two_inputs_merge_to_those_of_both(
    first: list[tuple[list[Message], str]], second: list[tuple[list[Message], str]]
) -> None:
    """Inputs that were read apart, also in another process, give the groups of the whole."""
    both = Grouping([*EACH, *COMBINED, *SIZES], source="f", top=2)
    both.add(whole(first))
    both.add(whole(second))
    merged = Grouping([*EACH, *COMBINED, *SIZES], top=2)
    for sessions in (first, second):
        part = Grouping([*EACH, *COMBINED, *SIZES], source="f", top=2)
        part.add(whole(sessions))
        merged.merge(pickle.loads(pickle.dumps(part)))  # noqa: S301 - as from a worker
    assert list(map(counted, merged.tables)) == list(map(counted, both.tables))


@given(SESSIONS, st.sampled_from([*EACH, *COMBINED]))
def test_groups_add_up_to_the_whole(sessions: list[tuple[list[Message], str]], by: tuple[str, ...]) -> None:
    """The total of any table has the calls of one group of all, and the rest too unless the table counts calls."""
    grouping = Grouping([by, ()])
    grouping.add(whole(sessions))
    total, everything = (table.total() for table in grouping.tables)
    same = ["tool_calls", "failed", "unfinished"]
    if "tool" not in by:
        same += ["messages", "input_tokens", "cost", "content_bytes"]
    for name in same:
        assert getattr(total, name) == getattr(everything, name), name


def test_figures_that_nobody_stated_are_absent() -> None:
    """A group whose messages state no tokens and no cost has None, not 0; zeros that were stated are zeros."""
    found = grouped(("model",), batch(([message(), message(model="a", input_tokens=0, cost=Decimal(0))], None)))
    assert (found[None,].input_tokens, found[None,].cost) == (Count(), Cost())
    assert (found["a",].input_tokens, found["a",].cost) == (Count(0, 1), Cost(Decimal(0), 1))


def test_content_is_counted_in_bytes_of_utf8() -> None:
    """An umlaut counts two bytes."""
    assert grouped((), batch(([message(content="ü"), message(content="abc")], None)))[()].content_bytes == 5


def test_calls_are_counted_with_failed_and_unfinished_ones() -> None:
    """A call with isError true failed, one with finished false is unfinished; by tool there are no messages."""
    calls = [call(is_error=True), call(is_error=False), call(finished=False), call("Grep")]
    found = grouped(("role", "tool"), batch(([message(tool_calls=calls, input_tokens=7)], None)))
    assert list(found) == [("user", "Bash"), ("user", "Grep")]
    bash = found["user", "Bash"]
    assert (bash.tool_calls, bash.failed, bash.unfinished) == (3, 1, 1)
    assert (bash.messages, bash.sessions, bash.input_tokens.sum) == (0, 0, None)


def test_a_session_counts_once_in_each_group_that_it_touches() -> None:
    """Sessions are counted by group, across batches; those of one id twice if they stand there twice."""
    one, two = Session(id="s"), Session(id="t")
    user, model = message(), message(model="a")
    parts = batch(([user, model], None)), batch(([user], one), ([model], two), ([], Session(id="u")))
    grouping = Grouping([("model",), ("session",), ()])
    for part in parts:
        grouping.add(part)
    models, sessions, everything = grouping.tables
    assert {key: figures.sessions for key, figures in models.figures.items()} == {(None,): 1, ("a",): 2}
    assert (models.sessions, sessions.sessions, everything.sessions) == (2, 3, 3)
    assert "u" in {key[0] for key in sessions.figures}, "also without a message"


@pytest.mark.parametrize("by", [*EACH, *COMBINED])
def test_declared_figures_are_by_session_file_and_producer_only(by: tuple[str, ...]) -> None:
    """A session declares figures for all of itself, so that no other group has them."""
    session = Session(id="s", prompt_tokens=5, completion_tokens=6, cost=Decimal("0.70"))
    found = list(grouped(by, batch(([message(tool_calls=[call()])], session))).values())
    declared = [(f.declared_prompt_tokens.sum, f.declared_completion_tokens.sum, f.declared_cost.sum) for f in found]
    assert declared == [(5, 6, Decimal("0.70")) if {*by} <= {"session", "file", "producer"} else (None, None, None)]


def test_a_range_leaves_out_what_sessions_declare() -> None:
    """Declared figures of a session can't be split by date: with a range they are absent."""
    session = Session(id="s", prompt_tokens=5)
    found = grouped(("session",), batch(([message()], session)), range=Range(since="2025-10-01"))
    assert found["s",].declared_prompt_tokens.sum is None


DATES = ["2025-10-03T23:30:00-04:00", "2025-10-04T01:00:00+05:30", "2025-10-03T23:59:59", None, "yesterday"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("day", ["2025-10-03", "2025-10-04", None]),
        ("hour", ["2025-10-03T23", "2025-10-04T01", None]),
        ("week", ["2025-W40", None]),
        ("month", ["2025-10", None]),
    ],
)
def test_a_day_is_that_of_the_texts_own_offset(name: str, expected: list[str | None]) -> None:
    """Without a zone the text's own clock decides; dates that are absent or can't be parsed are one group."""
    assert by_date(name, DATES) == [(key,) for key in expected]


def test_a_zone_moves_days() -> None:
    """With a zone its clock decides, also in summer; a text without an offset counts as UTC."""
    dates = ["2025-10-03T23:30:00-04:00", "2025-10-03T22:30:00Z", "2025-10-03T21:30:00", "2025-12-31T22:59:00Z"]
    assert by_date("day", dates, tz="Europe/Berlin") == [("2025-10-04",), ("2025-10-03",), ("2025-12-31",)]
    assert by_date("hour", dates[1:2], tz="Europe/Berlin") == [("2025-10-04T00+02:00",)]


def test_an_hour_in_a_zone_has_its_offset() -> None:
    """At the end of summer time two hours have the same name; their offsets tell them apart."""
    dates = ["2025-10-26T00:30:00Z", "2025-10-26T01:30:00.5Z"]
    assert by_date("hour", dates, tz="Europe/Berlin") == [("2025-10-26T02+02:00",), ("2025-10-26T02+01:00",)]
    assert by_date("hour", dates) == [("2025-10-26T00",), ("2025-10-26T01",)]


def test_the_local_zone_is_that_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """`local` follows the machine's zone."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert by_date("hour", ["2025-10-03T12:00:00Z"], tz="local") == [("2025-10-03T21+09:00",)]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_weeks_are_iso_weeks() -> None:
    """The first days of a year may belong to the last week of the year before, and the last ones to the next."""
    dates = ["2021-01-03T00:00:00Z", "2024-12-30T00:00:00Z"]
    assert by_date("week", dates) == [("2020-W53",), ("2025-W01",)]


def test_no_date_is_rounded_into_the_next_day() -> None:
    """Digits beyond microseconds are cut off; rounding would change the day, also with a zone."""
    date = "2025-10-03T23:59:59.9999999999Z"
    assert by_date("day", [date]) == by_date("day", [date], tz="UTC") == [("2025-10-03",)]
    assert Range(until="2025-10-04").contains([date]) == [True]


def test_dates_beyond_the_calendar_are_dates_only_where_they_can_be_written() -> None:
    """A zone may shift an instant out of the years 1 to 9999: it has no day there."""
    assert by_date("day", ["9999-12-31T23:59:59Z"], tz="Asia/Tokyo") == [(None,)]
    assert Range(since="2025-10-03T00:00:00Z").contains(["0001-01-01T00:00:00+14:00"]) == [False]


@pytest.mark.parametrize(
    ("range", "expected"),
    [
        (Range(since="2025-10-03"), [True, True, True]),
        (Range(since="2025-10-04"), [False, True, False]),
        (Range(until="2025-10-04"), [True, False, True]),
        (Range(since="2025-10-03T23:30:00-04:00"), [True, False, False]),
        (Range(until="2025-10-03T23:30:00-04:00"), [False, True, True]),
        (Range(since="2025-10-04", tz="UTC"), [True, False, False]),
        (Range(since="2025-10-03T23:59:59", until="2025-10-04T00:00"), [False, False, True]),
    ],
)
def test_ranges_are_half_open(range: Range, expected: list[bool]) -> None:  # noqa: A002
    """A bound without an offset is by the text's own clock, or in the zone; one with an offset is an instant."""
    assert range.contains(DATES) == [*expected, None, None]


def test_messages_without_a_date_are_apart_from_a_range() -> None:
    """With a range they are in no group, and are counted by themselves."""
    grouping = Grouping([("day",)], Range(since="2025-10-03"))
    grouping.add(batch(([message(), message(created_at=None, input_tokens=3)], Session(id="s"))))
    assert list(grouping.tables[0].figures) == [("2025-10-03",)]
    undated = grouping.undated.figures[()]
    assert (undated.messages, undated.input_tokens.sum, undated.sessions) == (1, 3, 1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Grouping([("color",)]), "expected `by` to be of session, file"),
        (lambda: Grouping([("modle",)]), "^expected a word of `by`, got 'modle'; did you mean model\\?"),
        (lambda: Grouping([("date",)]), "got 'date'; did you mean day\\?"),
        (lambda: Grouping([("day", "day")]), "expected each word of `by` once, got day,day"),
        (lambda: Grouping([("message", "day")]), "expected `message` alone in `by`, got message,day"),
        (lambda: Range(tz="Mars/Base"), "expected `tz` to be a time zone, got 'Mars/Base'"),
        (lambda: Range(tz="../x"), "expected `tz`"),
        (lambda: Range(since="soon"), "expected `since` to be a date or date-time, got 'soon'"),
        (lambda: Range(since="2025-10-04", until="2025-10-03"), "expected `since` before `until`, .*; swap them"),
        (lambda: Range(since="2025-10-31", until="2025-10-31"), "`until` is not included: give 2025-11-01"),
        (lambda: Range(since="2025-10-04", until="2025-10-04T00:00"), "`until` is not included: give a later time"),
        (lambda: Range(since="9999-12-31", until="9999-12-31"), "`until` is not included: give a later time"),
    ],
)
def test_words_that_are_none_are_refused(make: Any, words: str) -> None:
    """A wrong word is an error that says what was expected."""
    with pytest.raises(UsageError, match=words):
        make()


def projects(
    *batches: Batch, distinct: bool = False, parts: bool = False, by: tuple[str, ...] = (PROJECT,)
) -> dict[Key, Any]:
    """Sessions and messages of each project; `parts`: each batch is grouped elsewhere, as another process does it."""
    grouping = Grouping([by], distinct=distinct)
    for one in batches:
        if parts:
            part = Grouping([by])
            part.add(one)
            (grouping.merge if one.ends else grouping.merge_part)(pickle.loads(pickle.dumps(part)))  # noqa: S301 - our own
        else:
            grouping.add(one)
    grouping.close()
    (table,) = grouping.tables
    assert isinstance(table, Groups)
    return {key: (figures.sessions, figures.messages) for key, figures in table.figures.items()}


@pytest.mark.parametrize("distinct", [False, True])
def test_the_project_of_a_message_is_that_of_its_session(distinct: bool) -> None:
    """It may be known only at the end of the session, batches later; without one, or without an end, it is None."""
    one, two, none, cut = ([message(name), message(name)] for name in ("one", "two", "none", "cut"))
    found = projects(
        batch((one[:1], None)),
        batch((one[1:], Session(id="one", project="/a")), (two[:1], None)),
        batch(([], Session(id="two", project="/a")), (none, Session(id="none")), (two, Session(id="three", project="/b"))),
        batch((cut, None)),
        distinct=distinct,
    )
    assert found == {("/a",): (2, 3), (None,): (2, 4), ("/b",): (1, 2)}


def test_projects_of_parts_that_were_counted_elsewhere() -> None:
    """Messages that another process counted go to the project of the session that they are of."""
    first, second, rest = [message(model="m")], [message(model="m"), message()], [message()]
    whole = batch((first + second + rest, Session(id="s", project="/a")))
    grouping = Grouping([("model", PROJECT)])
    for some in (first, second):
        part = Grouping([("model", PROJECT)])
        part.add(batch((some, None)))
        grouping.merge_part(pickle.loads(pickle.dumps(part)))  # noqa: S301 - our own
    grouping.add(batch((rest, Session(id="s", project="/a"))))
    expected = Grouping([("model", PROJECT)])
    expected.add(whole)
    assert counted(grouping.tables[0]) == counted(expected.tables[0])


def test_a_project_may_have_any_name() -> None:
    """No text is mistaken for a project that is not known yet."""
    names = ["", "-", "\0", "\udcff", "\ufffd"]
    ends = [([message(str(at))], Session(id=str(at), project=name)) for at, name in enumerate(names)]
    assert projects(batch(*ends), batch(([message("s")], None))) == {(name,): (1, 1) for name in [*names, None]}


@pytest.mark.parametrize("by", [("producer", "session"), ("session",)])
def test_sessions_of_two_producers_with_one_id(by: tuple[str, ...]) -> None:
    """They are apart, with their titles and what they declare; a producer that was not asked for is named only then."""
    grouping = Grouping([by])
    for producer, title, tokens in ((None, "a", 5), ("codex", "b", 7)):
        of = Session(id="s", title=title, prompt_tokens=tokens, producer=producer)
        grouping.add(batch(([message("s", producer=producer)], of)))
    (table,) = make_tables(grouping, GroupOptions(by=(by,)))
    assert (table.by, table.keys) == (by, by if "producer" in by else ("session", "producer"))
    assert [(sorted(row.key), row.title, row.figures["declaredPromptTokens"]) for row in table.rows] == [
        (["codex", "s"], "b", 7),
        (["mix", "s"], "a", 5),
    ]
    grouping = Grouping([by])
    grouping.add(batch(([message("s", producer="codex")], None)))
    (table,) = make_tables(grouping, GroupOptions(by=(by,)))
    assert (table.keys, len(table.rows[0].key)) == (by, len(by))


def test_titles_are_those_of_the_sessions_whatever_came_first() -> None:
    """A session that comes again with another title has the first by the alphabet; long ones are cut."""
    made = []
    for titles in (("b", "a"), ("a", "b")):
        grouping = Grouping([("session",), ("model",)])
        for title in titles:
            other = Grouping([("session",), ("model",)])
            other.add(batch(([message("s")], Session(id="s", title=title)), ([], Session(id="t", title="x" * 1000))))
            grouping.merge(other)
        made.append([table.titles for table in grouping.tables if isinstance(table, Groups)])
    assert made == [[{("s", "mix"): "a", ("t", "mix"): "x" * 200}, {}]] * 2
