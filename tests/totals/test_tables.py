"""Tables of groups: sorted, cut at the top with nothing lost, and as text that fits a terminal."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exportstream import GroupTable, Message, Session, ToolCall, UsageError
from exportstream.totals.batch import Batch, SessionEnd
from exportstream.totals.groups import Grouping
from exportstream.totals.make_tables import make_tables
from exportstream.totals.periods import Range
from exportstream.totals.table_options import GroupOptions
from exportstream.totals.tables import WIDTH
from exportstream.totals.text import aligned, width_of, widths_of


def message(model: str | None = None, cost: str | None = None, **fields: Any) -> Message:
    made = {"session_id": "s", "id": "m", "role": "user", "content": "", "created_at": None, "updated_at": None}
    return Message(**{**made, "model": model, "cost": None if cost is None else Decimal(cost), **fields})


def table(*messages: Message, by: tuple[str, ...] = ("model",), source: str = "f", **options: Any) -> GroupTable:
    chosen = GroupOptions(by=(by,), **options)
    grouping = Grouping(chosen.by, chosen.range, source)
    grouping.add(Batch(list(messages), [SessionEnd(Session(id="s"), len(messages))]))
    (made,) = make_tables(grouping, chosen)
    return made


def keys(made: GroupTable) -> list[Any]:
    return [row.key[0] for row in made.rows]


COSTS = (message("a", "0.5"), message("b"), message("c", "2"), message(None, "1"), message("d", "2"))


def test_groups_are_sorted_by_cost() -> None:
    """The largest cost comes first, equal ones in the order of their keys, and unknown ones last."""
    assert keys(table(*COSTS)) == ["c", "d", None, "a", "b"]


def test_dates_are_sorted_in_their_order() -> None:
    """Days come from the first to the last, messages without a date after them, whatever they cost."""
    days = [message(cost="1", created_at=f"2025-01-0{day}T00:00:00Z") for day in (3, 1, 2)]
    assert keys(table(message(cost="9"), *days, by=("day",))) == ["2025-01-01", "2025-01-02", "2025-01-03", None]
    assert keys(table(*days, by=("day",), sort="cost", top=1)) == ["2025-01-01"]


@pytest.mark.parametrize(
    ("sort", "expected"), [("model", ["a", "b", "c", "d", None]), ("messages", ["a", "b", "c", "d", None])]
)
def test_sort_by_a_word(sort: str, expected: list[Any]) -> None:
    """A dimension sorts from the first to the last, a figure from the largest."""
    assert keys(table(*COSTS, sort=sort)) == expected
    assert keys(table(*COSTS, message("d"), sort="messages"))[0] == "d"


def test_the_groups_after_the_top_are_one_row() -> None:
    """Nothing is lost: the row of the others adds up with the rest to the total; its sessions are unknown."""
    made = table(*COSTS, top=2)
    assert keys(made) == ["c", "d"]
    assert made.others is not None
    assert made.other_groups == 3
    assert (made.others.figures["messages"], made.others.figures["cost"]) == (3, Decimal("1.5"))
    assert made.others.figures["sessions"] is None
    assert (made.total.figures["messages"], made.total.figures["cost"]) == (5, Decimal("5.5"))
    assert (made.total.figures["sessions"], table(*COSTS, top=5).others) == (1, None)


def test_columns_are_those_that_make_sense() -> None:
    """By tool only figures of calls; declared figures by session, file and producer only."""
    assert table(by=("tool",)).columns == ("toolCalls", "failed", "unfinished")
    assert "declaredCost" in table(by=("session",)).columns
    assert not [name for name in table().columns if name.startswith("declared")]


def test_plain_values() -> None:
    """`to_dict` has rows whose keys are the dimensions and the figures, exact, for pandas or JSON."""
    made = table(message("a", "0.10", finish_reason="end_turn"), by=("finish-reason", "model")).to_dict()
    (row,) = made["rows"]
    assert (row["finishReason"], row["model"], row["messages"], str(row["cost"])) == ("end_turn", "a", 1, "0.10")
    assert row["inputTokens"] is None
    assert list(row) == ["finishReason", "model", *made["columns"]]
    assert (made["by"], made["others"], made["undated"], made["total"]["messages"]) == (
        ["finish-reason", "model"],
        None,
        None,
        1,
    )


def test_messages_without_a_date_have_a_row() -> None:
    """With a range, messages without a date are a row of their own, which the total does not include."""
    made = table(*COSTS, range=Range(since="2025-01-01"))
    assert made.undated is not None
    assert (made.rows, made.total.figures["messages"], made.undated.figures["messages"]) == ([], 0, 5)
    assert str(made).splitlines()[-1].startswith("undated")


def test_text() -> None:
    """Labels stand on the left, figures on the right with separators, and unknown ones are -."""
    made = table(message("opus", "1234.5", input_tokens=1234567), message("opus"), message(output_tokens=0))
    assert str(made).splitlines() == [
        "model  sessions  messages      input  output      cost",
        "opus          1         2  1,234,567       -  1,234.50",
        "-             1         1          -       0         -",
        "total         1         3  1,234,567       0  1,234.50",
    ]


def test_all_input_is_shown_where_producers_count_otherwise() -> None:
    """It is what the format gives, else input and cache reads; a text has it where it is not just these two together."""
    ours = message("a", input_tokens=10, cache_read_tokens=5)
    assert "all input" not in str(table(ours, message("b")))
    codex = message("b", input_tokens=10, cache_read_tokens=5, total_input_tokens=10)
    claude = message("c", input_tokens=10, cache_read_tokens=5, cache_creation_tokens=2, total_input_tokens=17)
    made = table(ours, codex, claude, message("d", cache_read_tokens=3), message("e", output_tokens=1))
    assert [row.figures["totalInputTokens"] for row in made.rows] == [15, 10, 17, 3, None]
    assert [line.split()[3:5] for line in str(made).splitlines()[1:]] == [
        ["10", "15"],
        ["10", "10"],
        ["10", "17"],
        ["-", "3"],
        ["-", "-"],
        ["30", "45"],
    ]


def test_all_input_stays_where_there_is_no_room_for_both() -> None:
    """Input that excludes caches never stands alone beside input that includes them, at any width."""
    used = {"output_tokens": 10**6, "cache_read_tokens": 10**7, "cost": Decimal(1), "created_at": "2025-10-03T10:00:00Z"}
    codex = message("gpt-5", input_tokens=26_066_524, total_input_tokens=26_066_524, **used)
    claude = message("claude-opus-4", input_tokens=1_944, total_input_tokens=10**7 + 1_944, **used)
    made = table(codex, claude, by=("day", "model"))
    seen = set()
    for width in range(20, 200):
        headings = re.split(r"\s\s+", made.to_text(width).splitlines()[0])
        assert "all input" in headings or "input" not in headings
        seen.add(("input" in headings, "all input" in headings))
    assert seen == {(True, True), (False, True), (False, False)}
    assert "input" in str(table(message("a", input_tokens=1, cache_read_tokens=2)))


def test_a_figure_that_was_sorted_by_is_shown() -> None:
    """Others are left out before it, at any width."""
    one = message("m" * 30, "1.5", input_tokens=10**6, output_tokens=10**6)
    for width in (30, 60, 80):
        assert "sessions" in table(one, sort="sessions").to_text(width)
    assert "sessions" not in table(one).to_text(60)


def test_a_wide_terminal_shows_more() -> None:
    """Names are cut and figures left out for the width that there is."""
    one = message("m" * 100, "1.5", input_tokens=1)
    made = table(one)
    assert "m" * 100 not in str(made)
    assert "m" * 100 in made.to_text(200)
    assert max(map(len, made.to_text(40).splitlines())) <= 40


def test_costs_are_exact_in_files_and_short_in_text() -> None:
    """A text rounds costs to micro-dollars, a CSV has all digits; an enormous cost does not make an enormous text."""
    made = table(message("a", "0.12345678"), message("b", "1E+400"))
    assert "0.123457" not in made.to_csv()
    assert "0.12345678" in made.to_csv()
    assert "0.123457" in str(made)
    assert max(map(len, str(made).splitlines())) < 1000


LABELS = st.text(max_size=60) | st.sampled_from(["模" * 40, "a" * 300, "\x1b[31m", "e\u0301" * 30, "|", "<b>"])


@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=3))
def test_text_fits_a_terminal(labels: list[tuple[str, str]]) -> None:
    """No line is wider than 80 columns, and none holds a control character, whatever names the input has."""
    calls = [ToolCall(id="c", name="n", type="t", finished=False, input="", is_error=True)]
    used = {"input_tokens": 10**9, "output_tokens": 10**9, "cache_read_tokens": 10**9, "tool_calls": calls}
    made = table(*(message(model, "1234567.123456", role=role, **used) for model, role in labels), by=("model", "role"))
    for line in str(made).split("\n"):
        assert width_of(line) <= WIDTH
        assert line.isprintable()


@pytest.mark.parametrize("files", [1, 2])
def test_figures_give_way_before_names_and_dates(files: int) -> None:
    """Files are named without their common folder, and dates are whole, where the figures would not fit beside them."""
    used = {"input_tokens": 10**6, "output_tokens": 10**6, "cache_read_tokens": 10**9, "created_at": "2025-10-03T10:00:00Z"}
    chosen = GroupOptions(by=(("file", "day"),))
    names = [f"/tmp/trial/session-with-a-long-name-{number}.json" for number in range(files)]
    grouping = Grouping(chosen.by, chosen.range)
    for name in names:
        one = Grouping(chosen.by, chosen.range, name)
        one.add(Batch([message(None, "12.123456", **used)], []))
        grouping.merge(one)
    (made,) = make_tables(grouping, chosen)
    assert [line.split()[:2] for line in str(made).splitlines()[1:-1]] == [
        [name.removeprefix("/tmp/trial/"), "2025-10-03"] for name in names
    ]


def test_names_are_told_apart_before_figures_are_shown() -> None:
    """Names that differ in their middle alone get more room, and fewer figures beside them."""
    used = {"input_tokens": 10**9, "output_tokens": 10**9, "cache_read_tokens": 10**9}
    names = [f"{'a' * 26}{letter}{'z' * 26}" for letter in "bc"]
    first, second = str(table(*(message(name, "12.123456", **used) for name in names))).splitlines()[1:3]
    assert first.split()[0] != second.split()[0]


def test_a_cost_above_zero_is_not_shown_as_zero() -> None:
    """A terminal shows a tiny cost in scientific notation; Markdown has all digits and every figure."""
    made = table(message("a", "1.2345E-9"), message("b", "0"))
    assert [line.split()[-1] for line in str(made).splitlines()] == ["cost", "1.23E-9", "0.000000", "1.23E-9"]
    headings, _, row, *_ = made.to_markdown().splitlines()
    assert headings == f"| model | {' | '.join(made.columns)} |"
    assert "| 1.2345E-9 |" in row


@pytest.mark.parametrize("word", ["output-tokens", "output_tokens", "outputTokens"])
def test_a_figure_is_named_as_in_options_keywords_or_columns(word: str) -> None:
    """`sort` takes the name of a figure in each of its spellings."""
    assert keys(table(message("a", output_tokens=1), message("b", output_tokens=2), sort=word)) == ["b", "a"]


@pytest.mark.parametrize(
    ("heading", "column"),
    [("priced", "priced-cost"), ("all input", "total-input-tokens"), ("calls", "tool-calls"), ("input", "input-tokens")],
)
def test_a_heading_names_its_figure(heading: str, column: str) -> None:
    """`sort` takes what the table shows above a figure; an error has the word as it was given."""
    assert GroupOptions(by=(("model",),), sort=heading, priced=True).sort == column
    with pytest.raises(UsageError, match=f"got '{heading}'"):
        GroupOptions(by=(("field",),), sort=heading)


def test_every_heading_of_a_text_sorts() -> None:
    """No heading is left out, those of two words included."""
    calls = [ToolCall(id="c", name="n", type="t", finished=False, input="", is_error=True)]
    used = {"input_tokens": 1, "output_tokens": 1, "cache_read_tokens": 1, "total_input_tokens": 1, "tool_calls": calls}
    first, *headings = re.split(r"\s\s+", table(message("a", "1", **used)).to_text(300).splitlines()[0])
    assert (first, {"all input", "cache read", "unfinished"} - {*headings}) == ("model", set())
    for heading in headings:
        expected = ["a", "b"] if heading == "sessions" else ["b", "a"]  # of sessions both have one
        assert keys(table(message("a"), message("b", "1", **used), message("b"), sort=heading)) == expected, heading


def test_labels_are_cut_in_their_middle() -> None:
    """Both ends of a name stay: files and models differ there."""
    headings, cells = ["a", "n"], [["claude-sonnet-4-5-20250929", "1"], ["x", "1,000"]]
    lines = aligned(headings, cells, 1, widths_of(headings, cells, 1, 24, 4))
    assert lines == ["a                      n", "claude-s…20250929      1", "x                  1,000"]
    assert all(width_of(line) <= 24 for line in lines)


def test_csv_and_markdown() -> None:
    """A CSV has every figure of each group and of the others, which have no key; names in Markdown can't break its table."""
    made = table(message("a|b"), message("c,d"), message("e"), top=2)
    read = list(csv.DictReader(io.StringIO(made.to_csv())))
    assert [(row["row"], row["model"]) for row in read] == [("group", "a|b"), ("group", "c,d"), ("others", "")]
    assert list(read[0]) == ["row", "model", *made.columns]
    assert "| a\\|b | 1 | 1 |" in made.to_markdown()


def test_rows_of_a_csv_that_are_no_groups_can_be_told_apart() -> None:
    """Messages without a date are marked in the column row, so that a model named like them is none of them."""
    dated = [message(model, created_at="2025-01-02T00:00:00Z") for model in ("undated", "undated", "x", "y")]
    made = table(message("z"), *dated, range=Range(since="2025-01-01"), by=("model", "role"), top=1)
    read = csv.DictReader(io.StringIO(made.to_csv()))
    assert [(row["row"], row["model"], row["role"], row["messages"]) for row in read] == [
        ("group", "undated", "user", "2"),
        ("others", "", "", "2"),
        ("undated", "", "", "1"),
    ]


def test_a_csv_without_groups_has_the_total() -> None:
    """Without a dimension the CSV has one row of all figures, and one of messages without a date where a range is given."""
    (row,) = csv.DictReader(io.StringIO(table(*COSTS, by=()).to_csv()))
    assert (row["row"], row["messages"], row["cost"]) == ("total", "5", "5.5")
    ranged = csv.DictReader(io.StringIO(table(*COSTS, by=(), range=Range(since="2025-01-01")).to_csv()))
    assert [(row["row"], row["messages"]) for row in ranged] == [("total", "0"), ("undated", "5")]


def test_sessions_have_their_titles() -> None:
    """JSON, CSV and Markdown have them; a text as far as there is room, without leaving out any figure for them."""
    chosen = GroupOptions(by=(("session",),), sort="session")
    grouping = Grouping(chosen.by, chosen.range)
    for name, title in (("s", "Fix the|build\n"), ("t", None), ("u", "u" * 100)):
        grouping.add(Batch([message(session_id=name)], [SessionEnd(Session(id=name, title=title), 1)]))
    (made,) = make_tables(grouping, chosen)
    assert [row["title"] for row in made.to_dict()["rows"]] == ["Fix the|build\n", None, "u" * 100]
    assert [row["title"] for row in csv.DictReader(io.StringIO(made.to_csv()))] == ["Fix the|build\n", "", "u" * 100]
    assert made.to_markdown().splitlines()[2].endswith(" | Fix the\\|build\\\\n |")
    assert str(made).splitlines()[:4] == [
        "session  sessions  messages  title",
        "s               1         1  Fix the|build\\n",
        "t               1         1",
        f"u               1         1  {'u' * 25}…{'u' * 25}",
    ]
    assert made.to_text(40).splitlines()[0] == "session  sessions  messages"


def test_secrets_of_urls_are_masked() -> None:
    """A file that is a URL is named without its password."""
    made = table(message(), by=("file",), source="https://me:secret@example.com/in.json")
    assert "secret" not in f"{made}{made.to_dict()}{made.to_csv()}{made.to_markdown()}"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"by": (("day",), ("tool",)), "sort": "color"}, "expected `sort` to be a column of a table (day, sessions"),
        ({"by": (("tool",),), "sort": "cost"}, "expected `sort`"),
        ({"by": (("tool",),), "sort": "priced"}, "(tool, tool-calls, failed, unfinished), got 'priced'"),
        ({"by": (("day",),), "sort": "priced"}, "to be a column of a table, got 'priced'; it goes with `prices`"),
        ({"by": (("day",),), "sort": "outputs"}, "got 'outputs'; did you mean output-tokens?"),
        ({"by": (("tool",),), "top": 0}, "expected `top` to be a positive number, got 0"),
        ({"by": (("tool",),), "top": "3"}, "expected `top` to be a positive number, got '3'"),
        ({"sort": "cost"}, "expected `sort` with groups, got none"),
        ({"by": (("message",),)}, "expected `top` with by='message', got none"),
        ({"by": (("message",),), "top": 3, "sort": "message"}, "expected `sort` to be a column of a table (bytes)"),
        ({"by": ((),), "top": 3}, "expected `top` with groups"),
        ({"range": Range(tz="UTC")}, "expected `tz` with groups"),
    ],
)
def test_words_that_are_no_columns_are_refused(options: dict[str, Any], words: str) -> None:
    """A wrong word is an error that lists the right ones."""
    with pytest.raises(UsageError) as found:
        GroupOptions(**options)
    assert words in str(found.value)
