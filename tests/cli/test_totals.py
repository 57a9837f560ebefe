"""`totals` and `check` over many inputs, and `totals` by group, through the command."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from exportstream import totals_many
from tests.kit.command import run, said
from tests.kit.documents import cut, dump, message, session
from tests.kit.files import DATA, debris, many, unpack
from tests.kit.transcripts import Transcript

USED = DATA / "session-with-usage.json"
KEEPING = ["--on-error", "skip"]


def test_tables_are_those_of_the_library(tmp_path: Path) -> None:
    """--by prints a table for each, as the library's text; --json prints its plain values."""
    folder = many(tmp_path, 4)
    made = totals_many(folder, by=["role", "session"], sort="messages", top=2)
    arguments = ["totals", folder, "--by", "role", "--by", "session", "--sort", "messages", "--top", "2", "--jobs", "2"]
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"{made}\n"
    found = json.loads(run(*arguments, "--json", cwd=tmp_path).stdout, parse_float=Decimal)
    assert found == {"schema": 1, **made.to_dict()}


def test_a_day_of_a_model_costs(tmp_path: Path) -> None:
    """A table of days and models shows tokens, cost and calls."""
    lines = run("totals", USED, "--by", "day,model", cwd=tmp_path).stdout.decode().splitlines()
    assert lines[0].split() == ["day", "model", "messages", "calls", "failed", "input", "output", "cost"]
    assert lines[-1].split()[0] == "total"
    assert lines[-1].split()[-1] == "0.066"
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", ["bill.csv", "bill.md", "bill.json", "BILL.JSON"])
def test_the_suffix_decides_how_tables_are_written(name: str, tmp_path: Path) -> None:
    """-o writes CSV, Markdown or JSON and says where; an existing file is replaced with --force only."""
    arguments = ["totals", USED, "--by", "role", "-o", name]
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"")
    (line,) = said(done)
    assert line.startswith(f"exportstream: {USED}: 6 messages read in ")
    assert line.endswith(f"/s), totals to {name}")
    text = (tmp_path / name).read_text()
    (table,) = totals_many(USED, by="role").tables
    if name.endswith("csv"):
        assert [row["role"] for row in csv.DictReader(io.StringIO(text))] == [row.key[0] for row in table.rows]
        assert text == table.to_csv()
    elif name.endswith("md"):
        assert text == table.to_markdown()
    else:
        assert json.loads(text, parse_float=Decimal)["tables"] == [table.to_dict()]
        printed = [run(*arguments[:-2], "--json", *to, cwd=tmp_path).stdout.decode() for to in ([], ["-o", "-"])]
        assert printed == [text, text]
    again = run(*arguments, cwd=tmp_path)
    assert (again.returncode, "--force replaces it" in again.stderr.decode()) == (2, True)
    again = run(*arguments, "--force", "--quiet", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, b"")


@pytest.mark.parametrize("suffix", ["csv", "md", "json"])
def test_outputs_are_compressed_by_their_suffix(suffix: str, tmp_path: Path) -> None:
    """.zst or .gz after the suffix of a kind compresses it."""
    for end in ("", ".zst", ".gz"):
        assert run("totals", USED, "--by", "model", "-o", f"bill.{suffix}{end}", cwd=tmp_path).returncode == 0
    plain = (tmp_path / f"bill.{suffix}").read_bytes()
    for end in (".zst", ".gz"):
        packed = (tmp_path / f"bill.{suffix}{end}").read_bytes()
        assert (unpack(packed), packed != plain) == (plain, True)


def test_where_totals_of_several_inputs_go(tmp_path: Path) -> None:
    """The line that says where totals went counts the inputs that are in them."""
    many(tmp_path / "in", 2)
    (tmp_path / "in/bad.json").write_bytes(cut("bad"))
    done = run("totals", "in", "-o", "bill.json", cwd=tmp_path)
    assert done.returncode == 3
    assert said(done)[0].startswith("exportstream: 2 of 3 inputs counted: ")
    assert said(done)[0].endswith(", totals to bill.json")
    assert "in/bad.json" in said(done)[1]


def test_standard_input_has_one_name(tmp_path: Path) -> None:
    """Warnings, summaries and errors call standard input the same."""
    data = dump(session(message(0, createdAt=None), message(0)))
    done = run("totals", "-", "-o", "bill.json", cwd=tmp_path, data=data)
    assert len(said(done)) == 3
    assert all(line.startswith("exportstream: <stdin>: ") for line in said(done))
    (tmp_path / "a.json").write_bytes(data)
    done = run("check", "-", "a.json", cwd=tmp_path, data=data)
    assert [line for line in done.stdout.decode().splitlines() if line.endswith(":")] == ["<stdin>:", "a.json:"]


def test_tokens_that_may_be_partial_are_said_once(tmp_path: Path) -> None:
    """The table of everything counts messages with partial tokens; below tables of groups they are a line."""
    (tmp_path / "log.jsonl").write_bytes(Transcript("s").user("Go.").say("m1", "Done.").data)
    whole = run("totals", "log.jsonl", cwd=tmp_path).stdout.decode()
    grouped = run("totals", "log.jsonl", "--by", "role", cwd=tmp_path).stdout.decode()
    assert ["messages, partial tokens" in whole, "may have used more" in whole] == [True, False]
    assert ["partial tokens" in grouped, "may have used more" in grouped] == [False, True]


def test_names_in_a_csv_that_a_spreadsheet_would_run(tmp_path: Path) -> None:
    """--csv-safe prefixes names and titles, and changes no figure."""
    (tmp_path / "in.json").write_bytes(dump(session(message(cost=-1), id="=s", title="@t")))
    plain, safe = (
        run("totals", "in.json", "--by", "session", "-o", "-", *more, cwd=tmp_path).stdout for more in ([], ["--csv-safe"])
    )
    assert (b"group,=s," in plain, b",@t\n" in plain) == (True, True)
    assert safe == plain.replace(b"=s", b"'=s").replace(b"@t", b"'@t")


@pytest.mark.parametrize("by", [[], ["--by", "model"]])
@pytest.mark.parametrize("output", ["-", "/dev/stdout"])
def test_a_csv_on_standard_output(output: str, by: list[str], tmp_path: Path) -> None:
    """-o - prints the CSV that a file would have, also after what the file of standard output has already."""
    assert run("totals", USED, *by, "-o", "bill.csv", cwd=tmp_path).returncode == 0
    with (tmp_path / "out").open("wb") as out:
        out.write(b"before\n")
        out.flush()
        assert run("totals", USED, *by, "-o", output, cwd=tmp_path, process={"stdout": out}).returncode == 0
    assert (tmp_path / "out").read_bytes() == b"before\n" + (tmp_path / "bill.csv").read_bytes()


def test_a_time_before_now(tmp_path: Path) -> None:
    """--since 7d counts from seven days before now, and says which instant that is."""
    now = datetime.now(UTC)
    dates = [(now - timedelta(hours=hours)).isoformat() for hours in (1, 23, 25, 7 * 24 - 1, 7 * 24 + 1)]
    (tmp_path / "in.json").write_bytes(dump(session(*(message(at, createdAt=date) for at, date in enumerate(dates)))))
    for since, count in (("24h", 2), ("1d", 2), ("7d", 4), ("1w", 4), ("8d", 5)):
        done = json.loads(run("totals", "in.json", "--since", since, "--json", cwd=tmp_path).stdout)
        assert done["tables"][0]["total"]["messages"] == count
        assert totals_many(tmp_path / "in.json", since=since).tables[0].total.figures["messages"] == count
    assert abs(datetime.fromisoformat(done["since"]) - (now - timedelta(days=8))) < timedelta(minutes=9)
    done = json.loads(run("totals", "in.json", "--until", "7d", "--json", cwd=tmp_path).stdout)
    assert done["tables"][0]["total"]["messages"] == 1
    text = run("totals", "in.json", "--until", "7d", "--since", "2020-01-01", cwd=tmp_path).stdout.decode()
    assert text.splitlines()[-2:] == ["", f"until 7d: {text[-26:-1]}"]
    assert datetime.fromisoformat(text[-26:-1]) >= datetime.fromisoformat(done["until"])


def test_no_output_appears_for_input_that_fails(tmp_path: Path) -> None:
    """The only input is bad: exit code 3, and no file."""
    (tmp_path / "in.json").write_bytes(cut("in"))
    assert run("totals", "in.json", "-o", "out.json", cwd=tmp_path).returncode == 3
    assert not (tmp_path / "out.json").exists()
    assert debris(tmp_path) == []


@pytest.mark.parametrize("bounds", [[], ["--since", "2025-01-01"]])
def test_a_csv_without_by_has_all_figures(bounds: list[str], tmp_path: Path) -> None:
    """Without --by a CSV has the total as a row."""
    assert run("totals", USED, *bounds, "-o", "plain.csv", cwd=tmp_path).returncode == 0
    row = next(csv.DictReader(io.StringIO((tmp_path / "plain.csv").read_text())))
    assert (row["row"], row["messages"], row["cost"]) == ("total", "6", "0.066")


@pytest.mark.parametrize("groups", [[], ["--by", "role"]])
def test_a_cut_input_is_said(groups: list[str], tmp_path: Path) -> None:
    """Totals of an input that ends early say so on standard error, as convert does, and in the JSON."""
    (tmp_path / "in.json").write_bytes(cut("in"))
    for inputs in (["in.json"], ["in.json", USED]):
        done = run("totals", *inputs, *groups, "--json", *KEEPING, cwd=tmp_path)
        assert done.returncode == 5
        assert (
            said(done)[-1] == "exportstream: in.json: the input is cut, or damaged up to its end; kept 2 complete messages"
        )
        assert "damaged stretch" in said(done)[0]
        assert json.loads(done.stdout)["cut"] == {"in.json": 2}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["-o", "x.csv.xz"],
            "whose name ends in .csv, .md, .json, .html, got x.csv.xz; choose one, then .zst, .gz or nothing, or - for CSV",
        ),
        (["--by", "message"], "expected --top with --by message, got none; say how many, such as --top 10"),
        (["-o", "x.md", "--csv-safe"], "--csv-safe goes with CSV output only"),
        (["-o", "x.csv", "--by", "day", "--by", "model"], "a CSV holds one table, got 2 times --by"),
        (["-o", "x.json", "--json"], "--json prints, and does not go with --output"),
        (["--by", "color"], "expected --by to be of session, file, project, producer, model"),
        (["--by", "tool", "--sort", "cost"], "expected --sort to be a column of a table (tool, tool-calls"),
        (["--since", "soon"], "expected --since to be a date or date-time, got 'soon'"),
        (["--sort", "cost"], "expected --sort with groups, got none; it goes with --by, such as --by day"),
        (["--top", "3"], "expected --top with groups"),
        (["--tz", "UTC"], "expected --tz with groups"),
        (["--tz", "Mars"], "expected --tz to be a time zone, got 'Mars'"),
        (["--dedupe", "--jobs", "2", USED], "--jobs does not go with --dedupe"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], words: str, tmp_path: Path) -> None:
    """A word that is none is one line in the words of the command, before any work."""
    done = run("totals", USED, *arguments, cwd=tmp_path)
    assert (done.returncode, len(said(done))) == (2, 1)
    assert words in said(done)[0]


def test_totals_of_many_inputs(tmp_path: Path) -> None:
    """Without --by the totals of all inputs are one table; what failed is listed at the end, with exit code 3."""
    folder = many(tmp_path / "in", 3)
    (folder / "bad.json").write_bytes(cut("bad"))
    done = run("totals", folder, "--json", cwd=tmp_path)
    assert done.returncode == 3
    (line,) = said(done)
    assert "bad.json: the input ends before the document is complete" in line
    found = json.loads(done.stdout)
    assert (found["counted"]["messages"], found["inputs"], len(found["failed"])) == (9, 4, 1)
    text = run("totals", folder, cwd=tmp_path).stdout.decode()
    assert "declared" in text.splitlines()[0]


def test_a_range_without_groups_is_one_row(tmp_path: Path) -> None:
    """--since alone prints one row, and one for messages without a date."""
    days = [message(1, createdAt="2025-01-01T00:00:00Z"), message(2, createdAt="2025-01-02T00:00:00Z")]
    data = dump(session(*days, message(3, createdAt=None)))
    done = run("totals", "-", "--since", "2025-01-02", cwd=tmp_path, data=data)
    assert [line.split() for line in done.stdout.decode().splitlines()] == [
        ["sessions", "messages"],
        ["total", "1", "1"],
        ["undated", "1", "1"],
    ]


def test_what_makes_an_export_big(tmp_path: Path) -> None:
    """By field there are bytes, by message the largest ones with their place; text and CSV have the same."""
    arguments = ["totals", USED, "--by", "field", "--by", "message", "--top", "3"]
    fields, messages = run(*arguments, cwd=tmp_path).stdout.decode().split("\n\n")
    assert fields.splitlines()[1].split() == ["content", "6", "192"]
    assert [line.split()[-3:] for line in messages.splitlines()[:2]] == [["index", "position", "bytes"], ["1", "496", "312"]]
    assert run("totals", USED, "--by", "message", "--top", "1", "-o", "m.csv", cwd=tmp_path).returncode == 0
    assert (tmp_path / "m.csv").read_text().splitlines() == [
        "row,file,session,messageIndex,position,bytes",
        f"group,{USED},5f9a2d10-0001,1,496,312",
        "others,,,,,360",
    ]


def test_messages_without_tokens_have_no_zero(tmp_path: Path) -> None:
    """A figure that nobody stated is absent from the table, and null in JSON."""
    data = dump(session(message(1), message(2, inputTokens=0)))
    rows = json.loads(run("totals", "-", "--by", "model", "--json", cwd=tmp_path, data=data).stdout)["tables"][0]["rows"]
    assert (rows[0]["inputTokens"], rows[0]["outputTokens"], rows[0]["cost"]) == (0, None, None)


def test_hostile_names_are_printed_as_escapes(tmp_path: Path) -> None:
    """A model's name can't move the cursor."""
    data = dump(session(message(1, model="\x1b[2J\u202e")))
    done = run("totals", "-", "--by", "model", cwd=tmp_path, data=data)
    assert b"\\x1b[2J\\u202e" in done.stdout
    assert b"\x1b" not in done.stdout


@pytest.mark.parametrize("command", ["totals", "check"])
def test_a_folder_of_other_json_has_no_figures(command: str, tmp_path: Path) -> None:
    """Nothing is counted: exit code 3, a line that says why, and no zeros."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text('{"name": 1}')
    done = run(command, ".", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (3, b"")
    assert said(done)[-1] == "exportstream: expected at least one export, got 2 inputs of other JSON"
    found = json.loads(run(command, ".", "--json", cwd=tmp_path).stdout)
    assert [one["source"] for one in found["ignored"]] == ["./a.json", "./b.json"]


def test_the_exit_code_is_4_if_only_the_system_failed(tmp_path: Path) -> None:
    """Missing files are exit code 4, one or several; with one bad input among them it is 3."""
    for arguments in (["totals", "a", "b"], ["check", "a", "b"], ["convert", "a", "b", "-o", "rows/"]):
        assert run(*arguments, cwd=tmp_path).returncode == 4, arguments
    (tmp_path / "b").write_bytes(cut("b"))
    assert run("totals", "a", "b", cwd=tmp_path).returncode == 3


def test_check_of_many_inputs(tmp_path: Path) -> None:
    """Check names each input before its sessions with findings, goes on after one that fails, and lists it at the end."""
    folder = many(tmp_path / "in", 2)
    (folder / "bad.json").write_bytes("[]".encode("utf-16"))
    (folder / "cut.json").write_bytes(cut("cut"))
    done = run("check", folder, cwd=tmp_path)
    assert done.returncode == 3
    lines = done.stdout.decode().splitlines()
    assert [line for line in lines if line.endswith(".json:")] == [
        f"{folder}/{name}.json:" for name in ("cut", "s000", "d1/s001")
    ]
    assert lines[-1] == "3 sessions in 3 inputs, 3 with findings; 1 input failed"
    assert "bad.json: expected" in said(done)[0]
    alone = run("check", folder, "--jobs", "1", cwd=tmp_path)
    assert (alone.returncode, alone.stdout, alone.stderr) == (done.returncode, done.stdout, done.stderr)
    found = json.loads(run("check", folder, "--json", cwd=tmp_path).stdout)
    assert [one["source"][-9:] for one in found["sessions"]] == ["/cut.json", "s000.json", "s001.json"]
    assert (found["sessionCount"], [one["source"] for one in found["failed"]]) == (3, [f"{folder}/bad.json"])


@pytest.mark.parametrize(
    ("declared", "code", "words"),
    [
        ("0.3", 0, ""),
        ("0.30000000000000004", 0, ""),
        ("0.300001", 0, ""),
        ("0.31", 3, "declared 0.31, counted 0.3"),
    ],
)
def test_only_a_real_difference_fails_a_strict_check(declared: str, code: int, words: str, tmp_path: Path) -> None:
    """Check --strict ends with 3 for a cost that differs, not for one that was rounded or added up as doubles."""
    made = [message(number, cost=Decimal(cost)) for number, cost in enumerate(("0.1", "0.2"))]
    data = dump(session(*made, cost=Decimal(declared)))
    done = run("check", "-", "--strict", cwd=tmp_path, data=data)
    assert (done.returncode, words in done.stdout.decode()) == (code, True)
    assert (b"cost: declared" in done.stdout) == bool(words)
    assert (b"1 session, 0 with findings" in done.stdout) == (code == 0)
