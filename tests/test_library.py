"""The library as a caller meets it: plain dicts, short reprs, and errors that name the option or the right function."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exportstream import (
    ExportstreamError,
    InvalidMessageError,
    ManyReport,
    OptionError,
    Totals,
    UsageError,
    check,
    convert,
    convert_many,
    iter_messages,
    merge_many,
    open_export,
    totals_many,
    verify,
)
from exportstream.writing.options import FORMAT_NAMES
from tests.kit.documents import dump, message, session, tool_call
from tests.kit.files import DATA, lines
from tests.kit.readings import converted

SAMPLE = DATA / "session-with-usage.json"
ODD_NAME = "\x1b\U000e0001" * 40 + ".json"


@pytest.mark.parametrize("name", ["session-with-usage.json", "session.sdk-0.8.1-no-alias.json", "session.sdk-0.8.1.json"])
def test_messages_and_sessions_are_plain_dicts_as_in_the_rows(name: str) -> None:
    """A message's dict is its NDJSON row, and a session's is what it declares, in whatever spelling the input had."""
    source = DATA / name
    messages = list(iter_messages(source))
    assert [one.to_dict() for one in messages] == lines(converted(source, format="ndjson"))
    calls = [call.to_dict() for one in messages for call in one.tool_calls or ()]
    assert calls == [call for one in messages for call in one.to_dict().get("toolCalls", ())]
    with open_export(source) as export:
        list(export)
        assert export.session is not None
        [row] = lines(converted(source, format="ndjson", table="sessions"))
        assert export.session.to_dict() == {key: value for key, value in row.items() if not key.startswith("counted")}


def test_dicts_keep_numbers_and_unknown_keys() -> None:
    """Costs are Decimal with their digits, also deep inside; an unknown key is under extra, and an absent one is absent."""
    data = dump(session(message(0, cost=Decimal("0.10"), new={"a": Decimal("1.50")}, toolCalls=[tool_call(inputJson=[1])])))
    [one] = iter_messages(data)
    plain = one.to_dict()
    assert str(plain["cost"]), str(plain["extra"]["new"]["a"]) == ("0.10", "1.50")
    assert plain["toolCalls"][0]["inputJson"] == [1]
    assert "model" not in plain
    assert one.cost is not None
    assert one.cost + 1 == Decimal("1.10")


def test_a_cost_written_as_a_string_is_refused() -> None:
    """Types say that a cost is a Decimal; text is none, though a decoder may take it for one."""
    with pytest.raises(InvalidMessageError, match=r"expected number, got string .*at \$.cost"):
        list(iter_messages(dump(session(message(0), message(1, cost="0.10")))))


def test_reprs_are_one_short_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Totals, reports and exports show a few figures, in bounded length, and nothing private."""
    monkeypatch.chdir(tmp_path)
    Path("in.json").write_bytes(SAMPLE.read_bytes())
    export = open_export("in.json")
    list(export)
    export.close()
    done = convert("in.json", "out.ndjson")
    many = convert_many(["in.json", "missing.json"], "rows")
    assert [repr(one) for one in (export, export.totals, done, many)] == [
        "Export('in.json', messages=6, sessions=1, closed)",
        "Totals(sessions=1, messages=6, tool_calls=3, cost=0.066)",
        "Report('in.json', messages=6, rejected=0, rows=6)",
        "ManyReport(converted=1, failed=1, messages=6, rows=6)",
    ]
    Path(ODD_NAME).write_bytes(dump(session(message(0, cost=Decimal("1." + "3" * 500)))))
    with open_export(ODD_NAME) as odd:
        list(odd)
        shown = [repr(odd), repr(odd.totals), repr(convert(ODD_NAME, "odd.csv")), repr(Totals()), repr(ManyReport())]
    assert all(len(text) < 120 and text.isprintable() and "_carried" not in text for text in shown), shown
    assert repr(convert(dump(session()), tmp_path / "b.csv")) == "Report('<bytes>', messages=0, rejected=0, rows=0)"
    assert repr(totals_many("in.json", by="role").tables) == "[GroupTable(by=('role',), rows=3)]"


def misused(call: Callable[[], Any]) -> str:
    """What a wrong call says; it is an error of ours, and a ValueError, raised at once."""
    with pytest.raises(UsageError) as caught:
        call()
    assert isinstance(caught.value, ExportstreamError)
    assert isinstance(caught.value, ValueError)
    return str(caught.value)


def test_errors_are_a_module_of_the_package() -> None:
    """Where nothing but the package itself was imported, too."""
    code = "import exportstream; print(exportstream.errors.InputError is exportstream.InputError)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"True\n"


def test_misuse_names_the_function_that_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, a pattern or a list in place of one input names the functions that take them; nothing is written."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Path("in/a.json").write_bytes(SAMPLE.read_bytes())
    meant = "; convert_many or merge_many takes several"
    for source in ("in", Path("in"), "in/", "in/*.json"):
        assert (
            misused(lambda source=source: convert(source))
            == f"expected one input, got a folder or a pattern: {source}{meant}"
        )
        for read in (open_export, iter_messages, check):
            found = misused(lambda source=source, read=read: read(source))
            assert found == f"expected one input, got a folder or a pattern: {source}; give them one by one"
    for call in (convert, open_export, iter_messages, check):
        hint = meant if call is convert else "; give them one by one"
        assert misused(lambda call=call: call(["in/a.json"])) == f"expected one input, got a list of paths{hint}"
        with pytest.raises(TypeError, match=r"^expected a path, .*, got dict$"):
            call({"id": 1})
        with (
            Path("in/a.json").open() as file,
            pytest.raises(TypeError, match=r"^expected a file opened for bytes \(mode 'rb'\)"),
        ):
            call(file)
        for text in ('{"id":"s","messages":[]}', ' [{"id":1}]', "{}", '{\n "id": "*"}', "[]", " [ ]\n"):
            found = misused(lambda call=call, text=text: call(text))
            assert found.startswith("expected a path, a URL, '-' or bytes, got JSON as a string: "), text
            assert found.endswith("; encode it to bytes, or give - to read standard input")
    assert "use merge_many for one output" in misused(lambda: convert_many(["in"], "all.ndjson"))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    Path("{}.json").write_bytes(SAMPLE.read_bytes())
    Path("[a].json").write_bytes(SAMPLE.read_bytes())
    assert convert("[a].json").rows == 6


OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("on_error to be 'stop' or 'skip', got 'raise'", {"on_error": "raise"}),
    ("max_message_size to be a positive number of bytes, got 0", {"max_message_size": 0}),
    ("max_message_size to be a whole number, got '1'", {"max_message_size": "1"}),
    ("max_window to be a whole number, got 1.5", {"max_window": 1.5}),
    ("max_window to be a whole number, got True", {"max_window": True}),
    ("dedupe to be True or False, got 'no'", {"dedupe": "no"}),
    ("dedupe to be True or False, got None", {"dedupe": None}),
]
OF_ROWS: list[tuple[str, dict[str, Any]]] = [
    (f"format to be one of {', '.join(FORMAT_NAMES)}, got 'xml'", {"format": "xml"}),
    ("keys to be one of camel, snake, got 5", {"keys": 5}),
    ("table to be one of messages, tool-calls, sessions or all, got 'message'", {"table": "message"}),
    ("table to be a name or several, got 5", {"table": 5}),
    ("columns to be a name or several, got [5]", {"columns": [5]}),
    ("columns to be a name or several, got 5", {"columns": 5}),
    ("without to be a name or several, got b'id'", {"without": b"id"}),
    ("level to be a whole number, got '3'", {"level": "3"}),
    ("a level from -7 to 22 except 0 for zstd, got 99", {"level": 99}),
    ("force to be True or False, got 'yes'", {"force": "yes"}),
    ("flat to be True or False, got 'no'", {"flat": "no"}),
]


@pytest.mark.parametrize(("expected", "options"), OPTIONS)
def test_wrong_options_are_told_at_the_call(expected: str, options: dict[str, Any], tmp_path: Path) -> None:
    """Every function refuses a wrong value when it is called, not when the first message is asked for."""
    calls: list[Callable[..., Any]] = [
        lambda **given: open_export(SAMPLE, **given),
        lambda **given: iter_messages(SAMPLE, **given),
        lambda **given: convert(SAMPLE, tmp_path / "a.csv", **given),
        lambda **given: convert_many([SAMPLE], tmp_path / "rows", **given),
        lambda **given: merge_many([SAMPLE], tmp_path / "b.csv", **given),
    ]
    if options.keys() & {"max_window", "max_message_size"}:
        calls.append(lambda **given: check(SAMPLE, **given))
    for call in calls:
        with pytest.raises(OptionError) as caught:
            call(**options)
        assert str(caught.value) == f"expected {expected}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("expected", "options"), OF_ROWS)
def test_wrong_options_of_rows(expected: str, options: dict[str, Any], tmp_path: Path) -> None:
    """Options of outputs are refused before anything is read or written."""
    for call in (convert, lambda *given, **more: merge_many([given[0]], given[1], **more)):
        with pytest.raises(OptionError) as caught:
            call(SAMPLE, tmp_path / "a.ndjson.zst", **options)
        assert str(caught.value) == f"expected {expected}"
    assert list(tmp_path.iterdir()) == []


def test_wrong_options_of_many(tmp_path: Path) -> None:
    """An executor that is none, and globs and names that are no texts, are refused before any work."""
    target = tmp_path / "rows"
    calls: dict[str, Callable[[], Any]] = {
        "executor to be a concurrent.futures.Executor, got 4": lambda: convert_many([SAMPLE], target, executor=4),  # type: ignore[arg-type]
        "executor to be a concurrent.futures.Executor, got 5": lambda: totals_many([SAMPLE], executor=5),  # type: ignore[arg-type]
        "exclude to be a glob or several, got 5": lambda: convert_many([SAMPLE], target, exclude=5),  # type: ignore[arg-type]
        "prices to be 'genai' or the path of a price list, got {'m': 1}": lambda: totals_many(SAMPLE, prices={"m": 1}),  # type: ignore[arg-type]
        "`since` to be a date or date-time, got datetime.timedelta(days=7)": lambda: totals_many(SAMPLE, since=timedelta(7)),  # type: ignore[arg-type]
        "`tz` to be a time zone, got 5": lambda: totals_many(SAMPLE, tz=5, by="day"),  # type: ignore[arg-type]
        "a status (converted, skipped, ignored, failed, cancelled), got 'typo'": lambda: ManyReport().count("typo"),
        "exclude to be a glob or several, got [6]": lambda: merge_many([SAMPLE], tmp_path / "b.csv", exclude=[6]),  # type: ignore[list-item]
    }
    for expected, call in calls.items():
        with pytest.raises(OptionError) as caught:
            call()
        assert str(caught.value).partition(";")[0] == f"expected {expected}"
    for wrong in ([SAMPLE, b"{}"], 5, b"{}", None):
        with pytest.raises(
            TypeError, match=r"^expected a path, .*, got (bytes|int|NoneType); save it to a file, or give it"
        ):
            totals_many(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a path of an output or a folder, got int"):
        list(verify(5))
    assert list(tmp_path.iterdir()) == []


def test_tables_with_commas(tmp_path: Path) -> None:
    """Several tables are named in one text with commas, as columns are."""
    done = convert(SAMPLE, tmp_path / "a.ndjson", table="messages, tool-calls")  # type: ignore[arg-type]
    assert [one.tables for one in done.outputs] == [("messages",), ("tool-calls",)]


@pytest.mark.parametrize("call", [open_export, iter_messages])
def test_rejects_are_a_list_or_a_function(call: Callable[..., Any]) -> None:
    """A name for rejects is no list, which is told at the call."""
    with pytest.raises(OptionError, match="expected rejects to be a list or a function"):
        call(SAMPLE, on_error="skip", rejects="bad.ndjson")


def test_a_function_for_on_error_is_told_where_it_belongs() -> None:
    """`on_error` is a word; what gets the rejects is `rejects`."""
    with pytest.raises(OptionError, match=r"""got <built-in.*; give it as rejects, with on_error="skip"$"""):
        open_export(SAMPLE, on_error=print)  # type: ignore[arg-type]


def test_a_closed_export_gives_nothing_more() -> None:
    """Each way of asking a closed export for messages raises, so that its end is not taken for that of the input."""
    with open_export(SAMPLE) as export:
        messages = iter(export)
        next(messages)
    with open_export(SAMPLE) as other:
        batches = other.batches()
        next(batches)
    for ask in (
        lambda: next(export),
        lambda: iter(export),
        lambda: list(export),
        lambda: list(export.batches()),
        lambda: next(messages),
        lambda: next(batches),
    ):
        assert misused(ask).endswith("session-with-usage.json: the export is closed")
    assert export.totals.counted.messages == 1
    export.close()


def test_reports_are_json_by_any_encoder(tmp_path: Path) -> None:
    """`to_dict` of reports and totals has plain values only, with the keys of the JSON report."""
    done = merge_many([SAMPLE], tmp_path / "a.csv", report=tmp_path / "r.json")
    said = json.loads((tmp_path / "r.json").read_bytes(), parse_float=Decimal)
    assert said == {"schema": 1, **json.loads(json.dumps(done.to_dict(), default=float), parse_float=Decimal)}
    assert done.totals.to_dict() == done.to_dict()["totals"]
