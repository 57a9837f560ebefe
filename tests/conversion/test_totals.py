"""Totals of many inputs: the same in one process and in several, without the inputs that fail."""

from __future__ import annotations

import json
import pickle
import re
from collections import defaultdict
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from exportstream import LimitError, Status, UsageError, convert, convert_many, merge_many, totals_many
from exportstream.conversion.pool import Workers
from tests.kit.documents import cut, dump, export, message, session
from tests.kit.files import lines, many, put
from tests.kit.rollouts import Rollout
from tests.kit.transcripts import Transcript
from tests.kit.transcripts import drawn as transcript


def test_groups_of_a_folder_are_those_of_its_files(tmp_path: Path) -> None:
    """The totals of a folder are the sums over its files, in the plain totals and in every table."""
    folder = many(tmp_path, 7)
    done = totals_many(folder, by=["file", "role"])
    single = [convert(path, tmp_path / f"{path.stem}.out.ndjson").totals for path in sorted(folder.rglob("s0*.json"))]
    assert done.totals.counted.messages == sum(one.counted.messages for one in single) == 21
    files, roles = done.tables
    costs = [row.figures["declaredCost"] for row in files.rows]
    assert sorted(costs, key=str) == sorted([one.declared.cost.sum for one in single], key=str)
    assert roles.total.figures["cost"] == done.totals.counted.cost.sum
    assert [outcome.status for outcome in done.outcomes] == ["counted"] * 7
    assert str(done) == f"{files}\n\n{roles}"
    assert str(files).splitlines()[0] in done._repr_html_()


@pytest.mark.parametrize("count", [1, 3])
def test_a_report_is_equal_to_its_pickled_copy(tmp_path: Path, count: int) -> None:
    """A report has values only: a copy from another process compares equal."""
    done = totals_many(many(tmp_path, count), by=["file", "role"], tz="Europe/Berlin")
    assert done == pickle.loads(pickle.dumps(done))  # noqa: S301


def test_processes_and_threads_give_the_same_totals(tmp_path: Path) -> None:
    """Any executor gives the tables that one process gives."""
    folder = many(tmp_path, 5)
    alone = totals_many(folder, by=["day,model", "file", "tool"])
    with Workers(2) as workers, ThreadPoolExecutor(2) as threads:
        for executor in (workers, threads):
            done = totals_many(folder, by=["day,model", "file", "tool"], executor=executor)
            assert (done.tables, done.totals) == (alone.tables, alone.totals)


def test_an_input_that_fails_counts_nowhere(tmp_path: Path) -> None:
    """The others are counted, and the failure is in its outcome and in the plain values."""
    many(tmp_path, 2)
    (tmp_path / "bad.json").write_bytes(cut("bad"))
    done = totals_many(tmp_path, by="session")
    (failed,) = done.failed
    assert failed.source.endswith("bad.json")
    assert {row.key[0] for row in done.tables[0].rows} == {"s000", "s001"}
    assert done.totals.counted.messages == done.tables[0].total.figures["messages"] == 6
    plain = done.to_dict()
    assert (plain["inputs"], [one["source"] for one in plain["failed"]]) == (3, [failed.source])
    kept = totals_many(tmp_path, by="session", on_error="skip")
    assert (kept.failed, kept.tables[0].total.figures["messages"]) == ([], 8)


def test_a_report_as_text(tmp_path: Path) -> None:
    """Without groups the text of a report is the totals in brief; inputs that failed are below them."""
    put(tmp_path, "a.json")
    whole, failed = totals_many(tmp_path / "a.json"), totals_many("~/none", by="day")
    assert (str(whole), repr(whole)) == (repr(whole.totals), "TotalsReport(inputs=1, failed=0, messages=3, tables=0)")
    assert str(failed).startswith(f"{failed.tables[0]}\n\nfailed: ~/none: No such file or directory; only a shell ")
    assert repr(failed) == "TotalsReport(inputs=1, failed=1, messages=0, tables=1)"


@pytest.mark.parametrize("order", [1, -1])
def test_costs_that_can_not_be_added_leave_their_input_out(tmp_path: Path, order: int) -> None:
    """The input with extreme costs fails, in any order and with any executor; the others are counted and converted."""
    costs = ["0.01", "1e99999999", "0.5"][::order]
    sources = []
    for number, cost in enumerate(costs):
        sources.append(str(tmp_path / f"{number}.json"))
        text = dump(session(message(0, cost="@"), id=f"s{number}")).replace(b'"@"', cost.encode())
        Path(sources[-1]).write_bytes(text)
    alone = totals_many(sources, by=["role", "file"])
    with ThreadPoolExecutor(2) as threads:
        shared = totals_many(sources, by=["role", "file"], executor=threads)
    assert (shared.tables, shared.totals) == (alone.tables, alone.totals)
    converted = convert_many(sources, tmp_path / "rows", report=tmp_path / "r.json")
    merged = merge_many(sources, tmp_path / "all.ndjson")
    for done in (alone, shared, converted, merged):
        (failed,) = done.failed
        assert failed.source == sources[1]
        assert re.search("can't be added .*10,000 digits; ", failed.error or "")
        assert (done.totals.counted.cost.sum, done.totals.counted.messages) == (Decimal("0.51"), 2)
    assert [row.figures["messages"] for table in alone.tables for row in table.rows] == [2, 1, 1]
    assert (converted.rows, merged.rows, len(lines((tmp_path / "all.ndjson").read_bytes()))) == (2, 2, 2)
    assert json.loads((tmp_path / "r.json").read_bytes())["failed"] == 1
    assert len(list((tmp_path / "rows").glob("*.zst"))) == 3
    with pytest.raises(LimitError, match=r"/[12].json: the exact sum of the costs .*; convert it by itself"):
        merge_many(sources, tmp_path / "fast.ndjson", fail_fast=True)


def test_costs_that_cancel_in_all_but_not_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An input whose groups can't be added to those of the others fails alone, and so in every order and with `top`."""
    monkeypatch.chdir(tmp_path)
    models = {"huge": {"x": "1e9990", "y": "-1e9990"}, "small": {"w": "1e-50", "x": "1e-50"}, "usual": {"z": "2"}}
    for name, costs in models.items():
        made = [message(n, model=model, cost=Decimal(cost)) for n, (model, cost) in enumerate(costs.items())]
        Path(f"{name}.json").write_bytes(dump(session(*made, id=name)))
    for order in permutations(f"{name}.json" for name in models):
        for top in (None, 1):
            done = totals_many(order, by=["model", "model,role"], top=top)
            assert [one.source for one in done.failed] == ["huge.json"]
            assert re.search("can't be added .*10,000 digits; count it by itself", done.failed[0].error or "")
            assert {table.total.figures["cost"] for table in done.tables} == {Decimal(f"2.{2:050}")}
        assert totals_many(order).failed == []
    assert totals_many(["huge.json", "usual.json"], by="model").failed == []
    (table,) = totals_many("huge.json", by="model").tables
    assert ([row.figures["cost"] for row in table.rows], table.total.figures["cost"]) == (
        [Decimal("1e9990"), Decimal("-1e9990")],
        Decimal(0),
    )


def test_a_range_is_given_as_text_or_date(tmp_path: Path) -> None:
    """A range without `by` is a table of one row; the plain totals have all messages."""
    path = tmp_path / "in.json"
    days = [message(day, createdAt=f"2025-01-0{day}T00:00:00Z", cost=Decimal("0.10")) for day in (1, 2, 3)]
    path.write_bytes(dump(session(*days)))
    for since in ("2025-01-02", date(2025, 1, 2)):
        done = totals_many(path, since=since, until="2025-01-03")
        (table,) = done.tables
        assert (table.rows, table.total.figures["messages"], table.total.figures["cost"]) == ([], 1, Decimal("0.10"))
        assert done.totals.counted.messages == 3
        assert done.to_dict()["since"] == "2025-01-02"
    assert totals_many(path).tables == []


def test_blanks_after_commas_are_no_part_of_words(tmp_path: Path) -> None:
    """Words of `by` are separated by commas, with blanks or without."""
    put(tmp_path, "a.json")
    assert totals_many(tmp_path, by="day, role").tables == totals_many(tmp_path, by="day,role").tables


def test_by_is_a_word_or_several(tmp_path: Path) -> None:
    """Words joined by commas, or a tuple in a list, are one table."""
    folder = many(tmp_path, 1)
    assert totals_many(folder, by="day,role").tables == totals_many(folder, by=[("day", "role")]).tables
    assert [table.by for table in totals_many(folder, by=["day", "role"]).tables] == [("day",), ("role",)]


def test_dedupe_is_over_all_inputs_and_in_one_process(tmp_path: Path) -> None:
    """A message that comes again in another input is counted once."""
    many(tmp_path, 1)
    (tmp_path / "zzz.json").write_bytes((tmp_path / "s000.json").read_bytes())
    done = totals_many(tmp_path, dedupe=True)
    assert (done.totals.counted.messages, done.totals.sessions) == (3, 1)
    (table,) = totals_many(tmp_path, by="session", dedupe=True).tables
    (row,) = table.rows
    assert (row.figures["messages"], row.figures["sessions"]) == (3, 1)
    assert row.figures["declaredCost"] == done.totals.declared.cost.sum
    with ThreadPoolExecutor(1) as threads, pytest.raises(UsageError, match="`dedupe` goes over all inputs"):
        totals_many(tmp_path, dedupe=True, executor=threads)


def test_dedupe_counts_a_session_once_in_each_group(tmp_path: Path) -> None:
    """A session that goes on in another input is one session, as SQL's count(DISTINCT) has it; a new group has it too."""
    other = "t" * 60
    monday, tuesday = ({"createdAt": f"2025-01-0{day}T00:00:00Z"} for day in (6, 7))
    first, second = message(1, **monday), message(2, **monday)
    (tmp_path / "a.json").write_bytes(dump(session(first, id="s")))
    (tmp_path / "b.json").write_bytes(dump(session(first, second, message(3, **tuesday), id="s")))
    (tmp_path / "c.json").write_bytes(dump(session(message(4, **tuesday), id=other)))
    expected = {
        "session": {("s",): 1, (other,): 1},
        "day": {("2025-01-06",): 1, ("2025-01-07",): 2},
        "day,role": {("2025-01-06", "user"): 1, ("2025-01-07", "user"): 2},
    }
    done = totals_many(tmp_path, by=list(expected), dedupe=True)
    for table, groups in zip(done.tables, expected.values(), strict=True):
        assert {row.key: row.figures["sessions"] for row in table.rows} == groups
        assert (table.total.figures["sessions"], table.total.figures["messages"]) == (2, 4)
    (twice,) = totals_many(tmp_path, by="session").tables
    assert [row.figures["sessions"] for row in twice.rows if row.key == ("s",)] == [2]


def test_dedupe_drops_no_copy_of_a_message_in_an_input_that_fails(tmp_path: Path) -> None:
    """A bad input counts nowhere, and the good copy after it counts."""
    (tmp_path / "a.json").write_bytes(cut("same"))
    (tmp_path / "b.json").write_bytes(export("same"))
    done = totals_many(tmp_path, dedupe=True, by="session")
    assert (len(done.failed), done.totals.counted.messages, done.tables[0].total.figures["messages"]) == (1, 3, 3)


def test_projects_are_those_of_the_sessions_in_the_rows(tmp_path: Path) -> None:
    """The law by project: figures equal those of the rows of a merge, joined with their sessions, in any number of processes.

    A transcript may name its folder after its first messages, and session exports name none.
    """
    folder = many(tmp_path / "in", 2)
    late = Transcript("late").user(cwd=None).say("m1", cwd=None).user().say("m2", "More.", 3, 9, 100, 50)
    (folder / "late.jsonl").write_bytes(late.data)
    for number, project in enumerate(("/work", "/work", "/other")):
        found = transcript(number, session=f"s{number}", agent=None)
        (folder / f"c{number}.jsonl").write_bytes(found.data.replace(b'"cwd":"/work"', f'"cwd":"{project}"'.encode()))
        rollout = Rollout().meta(f"01980000-0000-7000-8000-{number:012}", cwd=project).user().turn().say().used()
        (folder / f"rollout-{number}.jsonl").write_bytes(rollout.data)
    merge_many(folder, tmp_path / "rows.ndjson", table="all")
    rows = {
        name: [json.loads(line) for line in (tmp_path / f"rows.{name}.ndjson").read_bytes().splitlines()]
        for name in ("messages", "sessions")
    }
    project_of = {(row["file"], row["sessionNumber"]): row.get("project") for row in rows["sessions"]}
    expected: defaultdict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows["messages"]:
        if row.get("usageState") not in ("repeated", "replayed"):
            figures = expected[project_of[row["file"], row["sessionNumber"]],]
            figures[0] += 1
            figures[1] += row.get("outputTokens", 0)
    assert {*expected} == {("/work",), ("/other",), (None,)}
    with Workers(2) as workers:
        for executor in (None, workers):
            done = totals_many(folder, by=["project", "project,model"], executor=executor)
            projects, models = done.tables
            found = {row.key: [row.figures["messages"], row.figures["outputTokens"] or 0] for row in projects.rows}
            assert found == expected
            assert models.total.figures == projects.total.figures
    assert (
        totals_many(folder, by="project", dedupe=True).tables[0].total.figures["messages"]
        == projects.total.figures["messages"]
    )


def test_progress(tmp_path: Path) -> None:
    """The status tells the files that are done and the bytes that were read."""
    folder = many(tmp_path, 3)
    seen: list[Status] = []
    totals_many(folder, progress=seen.append)
    size = sum(path.stat().st_size for path in folder.rglob("*.json"))
    assert (seen[-1].files_done, seen[-1].bytes_done, seen[-1].bytes_total) == (3, size, size)


def test_wrong_words_are_refused_before_any_work(tmp_path: Path) -> None:
    """A word that is no dimension is an error before anything is read."""
    with pytest.raises(UsageError, match="expected `by`"):
        totals_many(tmp_path / "missing.json", by="color")
    for by in (5, [5]):
        with pytest.raises(UsageError, match="expected `by` to be a word or several, got 5"):
            totals_many(tmp_path / "missing.json", by=by)  # type: ignore[arg-type]


@pytest.mark.parametrize("convert_all", [totals_many, convert_many, merge_many])
def test_flags_are_true_or_false(convert_all: Any, tmp_path: Path) -> None:
    """A number is no flag: it is refused before any work."""
    targets = () if convert_all is totals_many else (tmp_path / "rows",)
    with pytest.raises(UsageError, match="expected fail_fast to be True or False, got 1"):
        convert_all(tmp_path / "missing.json", *targets, fail_fast=1)


def test_exclude_leaves_inputs_out(tmp_path: Path) -> None:
    """A glob leaves files out of the totals."""
    folder = many(tmp_path, 3)
    assert len(totals_many(folder, exclude="s000.json").outcomes) == 2


class _Removes(Executor):
    """Does its work at once; removes a file before its job number `when`, counted from 0."""

    def __init__(self, path: Path, when: int) -> None:
        self._path, self._left = path, when

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self._left == 0:
            self._path.unlink()
        self._left -= 1
        future: Future[Any] = Future()
        future.set_result(function(*args, **kwargs))
        return future


@pytest.mark.parametrize("fail_fast", [False, True])
def test_a_log_that_fails_when_it_is_counted_again(tmp_path: Path, fail_fast: bool) -> None:
    """Its messages count in the next log that has them, and the bytes that are read twice are expected to be."""
    whole = transcript(1, 6)
    data = [b"".join(line + b"\n" for line in whole.data.splitlines()[:count]) for count in (6, None, None)]
    paths = [tmp_path / name for name in ("a.jsonl", "b.jsonl", "c.jsonl")]
    for path, one in zip(paths, data, strict=True):
        path.write_bytes(one)
    seen: list[tuple[int, int | None]] = []
    done = totals_many(
        paths,
        executor=_Removes(paths[1], 3),
        fail_fast=fail_fast,
        progress=lambda status: seen.append((status.bytes_done, status.bytes_total)),
    )
    assert [one.status for one in done.outcomes] == ["counted", "failed", "cancelled" if fail_fast else "counted"]
    if not fail_fast:
        assert done.totals.counted.messages == totals_many([paths[2]]).totals.counted.messages
    assert all(total is not None and count <= total for count, total in seen)


def test_progress_of_logs_that_are_counted_again(tmp_path: Path) -> None:
    """It ends at all of the bytes and files, with those that are read a second time."""
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_bytes(transcript(1, 6).data)
    seen: list[Status] = []
    with Workers(2) as workers:
        totals_many([tmp_path], executor=workers, progress=seen.append)
    assert (
        (seen[-1].files_done, seen[-1].bytes_done)
        == (seen[-1].files, seen[-1].bytes_total)
        == (3, 3 * len(transcript(1, 6).data))
    )
