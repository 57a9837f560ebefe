"""The command: its options, names, streams, summaries and exit codes, through a process of its own."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import zstandard

import exportstream
from exportstream.cli.figures import amount, size
from exportstream.reading.findings import KINDS, OF_SESSION
from tests.kit import documents
from tests.kit.command import run, run_on_terminal, said
from tests.kit.files import DATA, cells, lines, names, unpack
from tests.properties.oracle import snake

SAMPLE = DATA / "session-with-usage.json"
SESSION = json.loads(SAMPLE.read_bytes(), parse_float=Decimal)
MANY = DATA / "sessions.ndjson"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds a session of six messages, as its server wrote it."""
    shutil.copy(SAMPLE, tmp_path / "session.json")
    return tmp_path


@pytest.fixture
def broken(folder: Path) -> Path:
    """The same, and a copy of which the second and third message are no valid ones."""
    messages = [dict(message) for message in SESSION["messages"]]
    del messages[1]["id"]
    messages[2]["role"] = 5
    text = json.dumps({**SESSION, "messages": messages}, default=float, ensure_ascii=False, separators=(",", ":"))
    (folder / "broken.json").write_text(text)
    return folder


def expected_rows() -> list[dict[str, Any]]:
    added = ({"sessionId": SESSION["id"], "messageIndex": n} for n in range(6))
    return [{**ours, **message} for ours, message in zip(added, SESSION["messages"], strict=True)]


# Names ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "starts"),
    [
        ("out.ndjson", [], b'{"sessionId"'),
        ("out.jsonl", [], b'{"sessionId"'),
        ("out.csv", [], b'"sessionId"'),
        ("out.ndjson.zst", [], b"\x28\xb5\x2f\xfd"),
        ("out.NDJSON.ZST", [], b"\x28\xb5\x2f\xfd"),
        ("out.csv.gz", [], b"\x1f\x8b"),
        ("out.csv.zst", [], b"\x28\xb5\x2f\xfd"),
        ("out", ["--format", "csv"], b'"sessionId"'),
        ("out.txt", ["--format", "ndjson.gz"], b"\x1f\x8b"),
        ("out.gz", ["--format", "ndjson.gz"], b"\x1f\x8b"),
        ("out", ["--format", "csv.zst"], b"\x28\xb5\x2f\xfd"),
        ("out.jsonl", ["--format", "ndjson"], b'{"sessionId"'),
    ],
)
def test_suffixes_and_options_decide_what_is_written(folder: Path, name: str, options: list[str], starts: bytes) -> None:
    """The output's suffixes say format and compression, and an option says it where they do not."""
    done = run("convert", "session.json", "-o", name, *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / name).read_bytes().startswith(starts)
    data = unpack((folder / name).read_bytes())
    ids = [row["id"] for row in (cells(data) if data.startswith(b'"') else lines(data))]
    assert ids == [message["id"] for message in SESSION["messages"]]


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("out.csv", ["--format", "ndjson"], "--format ndjson contradicts the name 'out.csv'"),
        ("out.ndjson.gz", ["--format", "csv"], "--format csv contradicts"),
        ("out.ndjson.gz", ["--format", "ndjson.zst"], "--format ndjson.zst contradicts the name 'out.ndjson.gz'"),
        ("out.ndjson.zst", ["--format", "ndjson"], "--format ndjson contradicts"),
        ("out.ndjson", ["--format", "ndjson.zst"], "--format ndjson.zst contradicts"),
        ("out.gz", ["--format", "csv"], "--format csv contradicts"),
        ("out", [], "can't tell the format"),
        ("out.orc", [], "can't tell the format"),
        ("out.parquet.zst", [], "parquet files are not compressed from outside"),
        ("out", ["--format", "parquet.gz"], "parquet.gz"),
        ("out.ndjson", ["--compression", "gzip"], "compression"),
        ("out.db.gz", [], "sqlite files are not compressed from outside"),
        ("-", ["--format", "sqlite"], "SQLite can't be written to a stream"),
        ("-", ["--table", "all"], "several tables can't share one stream"),
        ("out.zst", [], "can't tell the format"),
        ("out.ndjson", ["--level", "3"], "level"),
        ("out.ndjson.zst", ["--level", "23"], "got 23"),
        ("out.ndjson.zst", ["--level", "0"], "got 0"),
        ("out.ndjson.gz", ["--level", "10"], "got 10"),
        ("out.ndjson", ["--csv-safe"], "--csv-safe goes with CSV"),
        ("out.ndjson", ["--format", "xml"], "xml"),
        ("out.ndjson", ["--table", "calls"], "calls"),
        ("out.ndjson", ["--max-message-size", "many"], "number of bytes"),
        ("out.ndjson", ["--no-such-option"], "no-such-option"),
    ],
)
def test_contradictions_are_usage_errors(folder: Path, name: str, options: list[str], text: str) -> None:
    """What can't be carried out as asked ends with exit code 2, before anything is written."""
    done = run("convert", "session.json", "-o", name, *options, cwd=folder)
    assert done.returncode == 2, done.stderr
    assert text in done.stderr.decode()
    assert done.stdout == b""
    assert names(folder) == ["session.json"]


@pytest.mark.parametrize(("length", "columns"), [(32_767, ""), (32_768, "content,extra")])
@pytest.mark.parametrize("kind", ["some", "all"])
def test_cells_that_a_spreadsheet_can_not_hold(folder: Path, kind: str, length: int, columns: str) -> None:
    """--csv-safe names the columns with cells that are too long, and how to leave them out; they stay whole."""
    text = '"' * length
    odd = documents.message(0, content=text, x="y" * (length - 8))  # {"x":"…"} has 8 characters more
    made = [odd, *([{**odd, "id": "other"}] if kind == "all" else [documents.message(1)])]
    (folder / "long.json").write_bytes(documents.dump(documents.session(*made)))
    command = ["convert", "long.json", "-o", "long.csv", "--report", "r.json", "--force", "--quiet"]
    done = run(*command, "--csv-safe", cwd=folder)
    (found,) = json.loads((folder / "r.json").read_bytes())["outputs"]
    assert (done.returncode, ",".join(found["largeColumns"])) == (0, columns)
    assert (f"warning: cells of {columns} are longer" in done.stderr.decode()) == bool(columns)
    assert (f"--without {columns} leaves them out" in done.stderr.decode()) == bool(columns)
    assert cells((folder / "long.csv").read_bytes())[0]["content"] == text
    assert run(*command, cwd=folder).stderr == b""


def test_cells_that_a_spreadsheet_can_not_hold_in_many_outputs(folder: Path) -> None:
    """Five outputs have a line each, and the others one."""
    for number in range(8):
        made = documents.session(documents.message(0, content="x" * 40_000))
        (folder / f"in{number}.json").write_bytes(documents.dump(made))
    done = run("convert", ".", "-o", "rows/", "--format", "csv", "--csv-safe", "--exclude", "session.json", "-q", cwd=folder)
    lines = done.stderr.decode().splitlines()
    assert (len(lines), lines[-1]) == (6, "exportstream: such cells in 3 more outputs; --report FILE has them all")


@pytest.mark.parametrize(
    ("source", "options", "name"),
    [
        ("session.json", [], "session.ndjson.zst"),
        ("session.json", ["--format", "csv"], "session.csv"),
        ("session.json", ["--format", "csv.zst"], "session.csv.zst"),
        ("session.json", ["--format", "ndjson.gz"], "session.ndjson.gz"),
        ("session.json", ["--format", "jsonl"], "session.jsonl"),
        ("session.json.gz", [], "session.ndjson.zst"),
        ("deep/session.json", [], "deep/session.ndjson.zst"),
        ("a.session", [], "a.session.ndjson.zst"),
        (".json", [], ".json.ndjson.zst"),
    ],
)
def test_the_default_name_is_next_to_the_input(folder: Path, source: str, options: list[str], name: str) -> None:
    """Without -o the output is NAME.ndjson.zst in the input's folder; with --format its suffix is that one."""
    path = folder / source
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(SAMPLE.read_bytes()) if source.endswith(".gz") else SAMPLE.read_bytes())
    done = run("convert", source, *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert len(unpack((folder / name).read_bytes()).splitlines()) >= 6
    assert name in done.stderr.decode()


def test_the_default_name_is_never_the_input(folder: Path) -> None:
    """An input that already has the default name is refused as output, also with --force."""
    (folder / "a.ndjson.zst").write_bytes(zstandard.compress(SAMPLE.read_bytes()))
    for force in ([], ["--force"]):
        done = run("convert", "a.ndjson.zst", *force, cwd=folder)
        assert (done.returncode, "the output is the input" in done.stderr.decode()) == (2, True)
    assert unpack((folder / "a.ndjson.zst").read_bytes()) == SAMPLE.read_bytes()


def test_short_options(folder: Path) -> None:
    """-f, -q, -t and -V are --force, --quiet, --table and --version; -t takes tables with commas between them."""
    for _ in range(2):
        done = run("convert", "session.json", "-fqt", "messages,tool-calls", "-o", "out.csv", cwd=folder)
        assert (done.returncode, done.stderr) == (0, b"")
    assert names(folder) == ["out.messages.csv", "out.tool-calls.csv", "session.json"]
    refused = run("convert", "session.json", "-t", "messages,calls", "-o", "x.csv", cwd=folder)
    assert (refused.returncode, b"'calls' is not one of" in refused.stderr) == (2, True)
    assert run("-V", cwd=folder).stdout == run("--version", cwd=folder).stdout


# Streams ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["-o", "-"], ["--quiet"]])
def test_standard_input_goes_to_standard_output(tmp_path: Path, options: list[str]) -> None:
    """From standard input rows go to standard output, uncompressed, and nothing else does."""
    done = run("convert", "-", *options, cwd=tmp_path, data=SAMPLE.read_bytes())
    assert done.returncode == 0
    assert lines(done.stdout) == expected_rows()
    assert names(tmp_path) == []


def test_standard_output_takes_options(folder: Path) -> None:
    """Standard output has no suffix: --format says what is written there."""
    done = run("convert", "session.json", "-o", "-", "--format", "csv.gz", cwd=folder)
    assert [row["id"] for row in cells(gzip.decompress(done.stdout))] == [m["id"] for m in SESSION["messages"]]


@pytest.mark.parametrize(("name", "options"), [("p", []), ("p.csv", []), ("p", ["--format", "csv"]), ("p.gz", [])])
def test_devices_and_pipes(folder: Path, name: str, options: list[str]) -> None:
    """A device or a pipe gets NDJSON unless its suffix or --format says otherwise."""
    assert b" 6 rows to /dev/null (" in run("convert", "session.json", "-o", "/dev/null", cwd=folder).stderr
    os.mkfifo(folder / name)
    with subprocess.Popen(["cat", name], cwd=folder, stdout=subprocess.PIPE) as reader:
        done = run("convert", "session.json", "-o", name, *options, cwd=folder)
        assert reader.stdout is not None
        data = unpack(reader.stdout.read())
    assert done.returncode == 0, done.stderr
    assert len(cells(data) if options or name == "p.csv" else lines(data)) == 6


@pytest.mark.parametrize("options", [["-t", "all"], ["--format", "sqlite"]])
def test_one_table_in_a_device(folder: Path, options: list[str]) -> None:
    """Several tables and databases are refused for a device, as for standard output."""
    done = run("convert", "session.json", "-o", "/dev/null", *options, cwd=folder)
    assert (done.returncode, b"stream" in done.stderr) == (2, True)


def test_standard_input_goes_to_a_file(tmp_path: Path) -> None:
    """Standard input can be converted into a file, and is recognised by content when it is compressed."""
    done = run("convert", "-", "-o", "x.ndjson", cwd=tmp_path, data=gzip.compress(SAMPLE.read_bytes()))
    assert (done.returncode, done.stdout) == (0, b"")
    assert lines((tmp_path / "x.ndjson").read_bytes()) == expected_rows()


def test_one_summary_line_without_a_terminal(folder: Path) -> None:
    """Where standard error is no terminal there is one summary line, and no bar and no colours."""
    done = run("convert", "session.json", "-o", "out.ndjson", cwd=folder)
    assert done.stdout == b""
    assert re.fullmatch(
        r"exportstream: session\.json: 6 rows to out\.ndjson \(2\.6 kB\) "
        r"in \d+\.\d s \(\d+(\.\d)? [kMG]?B/s\)\n",
        done.stderr.decode(),
    )


def test_quiet_says_nothing_but_warnings_and_errors(folder: Path) -> None:
    """--quiet silences the summary; warnings and errors stay."""
    done = run("convert", "session.json", "-o", "out.ndjson", "--quiet", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    again = run("convert", "session.json", "-o", "out.ndjson", "--quiet", cwd=folder)
    assert (again.returncode, again.stderr) == (2, b"exportstream: out.ndjson: the output exists; --force replaces it\n")
    old = run("convert", DATA / "session.sdk-0.8.1-no-alias.json", "-o", "old.ndjson", "--quiet", cwd=folder)
    assert old.returncode == 0
    assert re.fullmatch(
        r"exportstream: \S+: warning: 6 messages have null dates; .* dump again with by_alias=True\n", old.stderr.decode()
    )


def test_an_error_is_one_line_with_its_place(folder: Path) -> None:
    """An error is one line on standard error: the file, what, where, and the next step."""
    (folder / "cut.json").write_bytes(SAMPLE.read_bytes()[:1500])
    done = run("convert", "cut.json", cwd=folder)
    assert done.returncode == 3
    assert re.fullmatch(
        r"exportstream: cut\.json: .*input ends.*inside a message \(session 5f9a2d10-0001, message 2, "
        r"last complete id 7b0f3c1e-0002, (near )?byte [\d,]+\); --on-error skip .*\n",
        done.stderr.decode(),
    )
    assert names(folder) == ["cut.json", "session.json"]


# Tables -----------------------------------------------------------------------------------------------------------------

RUNNING = [
    "runningMessages",
    "runningToolCalls",
    "runningInputTokens",
    "runningOutputTokens",
    "runningCost",
    "runningPromptTokens",
    "runningCompletionTokens",
    "runningDeclaredCost",
]


@pytest.mark.parametrize("sample", sorted(path.name for path in DATA.glob("*.json")))
def test_keys_snake_renames_our_keys_and_no_data(tmp_path: Path, sample: str) -> None:
    """--keys snake writes snake_case in every depth, but keys inside inputJson and extra stay as they are."""
    document = json.loads((DATA / sample).read_bytes())
    for session in document if isinstance(document, list) else [document.get("result", document)]:
        for message in session["messages"]:
            message["unKnown"] = {"aB": 1}
            for call in message.get("toolCalls") or message.get("tool_calls") or []:
                call["inputJson" if "finishReason" in message else "input_json"] = {"aB": {"createdAt": [1]}}
                call.pop("input_json" if "finishReason" in message else "inputJson", None)
    source = tmp_path / "in.json"
    source.write_text(json.dumps(document))
    camel = lines(run("convert", "in.json", "-o", "-", cwd=tmp_path).stdout)
    found = lines(run("convert", "in.json", "-o", "-", "--keys", "snake", cwd=tmp_path).stdout)

    def respell(value: Any) -> Any:
        if isinstance(value, list):
            return [respell(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            snake(key): item if key in ("inputJson", "extra") else respell(item)
            for key, item in value.items()
        }  # fmt: skip

    assert camel
    assert found == respell(camel)
    assert all(row["extra"] == {"unKnown": {"aB": 1}} for row in found)


# Running totals ---------------------------------------------------------------------------------------------------------


def running_rows() -> list[dict[str, Any]]:
    """What the running totals of sessions.ndjson have to be, added up by hand."""
    now: dict[str, Any] = dict.fromkeys(RUNNING, 0)
    seen = {"runningCost": False, "runningDeclaredCost": False}
    rows = []
    for session in (json.loads(line, parse_float=Decimal) for line in MANY.read_text().splitlines()):
        for message in session["messages"]:
            now["runningMessages"] += 1
            now["runningToolCalls"] += len(message.get("toolCalls") or [])
            now["runningInputTokens"] += message.get("inputTokens") or 0
            now["runningOutputTokens"] += message.get("outputTokens") or 0
            now["runningCost"] += message.get("cost") or 0
            seen["runningCost"] |= message.get("cost") is not None
            rows.append({name: value for name, value in now.items() if seen.get(name, True)})
        now["runningPromptTokens"] += session.get("promptTokens") or 0
        now["runningCompletionTokens"] += session.get("completionTokens") or 0
        now["runningDeclaredCost"] += session.get("cost") or 0
        seen["runningDeclaredCost"] |= session.get("cost") is not None
    return rows


def test_running_totals_are_those_after_each_row(tmp_path: Path) -> None:
    """Each row carries the sums up to and with it, and the declared ones of the sessions complete before it."""
    done = run("convert", MANY, "-o", "-", "--running-totals", cwd=tmp_path)
    rows = lines(done.stdout)
    assert [{name: value for name, value in row.items() if name in RUNNING} for row in rows] == running_rows()
    plain = lines(run("convert", MANY, "-o", "-", cwd=tmp_path).stdout)
    assert [{name: value for name, value in row.items() if name not in RUNNING} for row in rows] == plain
    assert rows[0]["runningPromptTokens"] == 0
    assert rows[-1]["runningPromptTokens"] > 0


# Report, level, force ---------------------------------------------------------------------------------------------------


def test_the_report_is_the_summary_as_json(folder: Path) -> None:
    """--report writes what was read and written, and the totals, as JSON; --quiet does not silence it."""
    done = run("convert", "session.json", "--report", "r.json", "--quiet", cwd=folder)
    assert (done.returncode, done.stderr) == (0, b"")
    report = json.loads((folder / "r.json").read_bytes(), parse_float=Decimal)
    size = (folder / "session.ndjson.zst").stat().st_size
    assert report["source"] == "session.json"
    (output,) = report["outputs"]
    assert (output["target"], output["tables"]) == ("session.ndjson.zst", ["messages"])
    assert (output["format"], output["compression"], output["rows"]) == ("ndjson", "zstd", 6)
    assert (output["bytesEncoded"], output["bytesWritten"]) == (report["bytesEncoded"], size)
    assert (report["rows"], report["messages"], report["rejected"], report["sessions"]) == (6, 6, 0, 1)
    assert (report["partial"], report["rejects"]) == (False, None)
    assert report["bytesRead"] == report["bytesParsed"] == SAMPLE.stat().st_size
    assert report["bytesEncoded"] == len(unpack((folder / "session.ndjson.zst").read_bytes()))
    assert report["bytesWritten"] == size
    assert {"schema": 1, **report["totals"]} == json.loads(
        run("totals", "session.json", "--json", cwd=folder).stdout, parse_float=Decimal
    )


@pytest.mark.parametrize("name", ["session.json", "link.json", "out.ndjson"])
def test_the_report_never_replaces_the_input_or_the_output(folder: Path, name: str) -> None:
    """A report under the name of the input or of the output is refused, and what stands there stays."""
    (folder / "link.json").symlink_to("session.json")
    done = run("convert", "session.json", "-o", "out.ndjson", "--report", name, cwd=folder)
    assert (folder / "session.json").read_bytes() == SAMPLE.read_bytes()
    assert done.returncode == 2
    assert not (folder / "out.ndjson").exists()


def test_a_report_that_exists_needs_force(folder: Path) -> None:
    """An existing file is refused as report too, before anything is written, unless --force is given."""
    (folder / "r.json").write_text("mine")
    done = run("convert", "session.json", "-o", "out.ndjson", "--report", "r.json", cwd=folder)
    assert (done.returncode, (folder / "r.json").read_text()) == (2, "mine")
    assert not (folder / "out.ndjson").exists()
    assert run("convert", "session.json", "-o", "out.ndjson", "--report", "r.json", "--force", cwd=folder).returncode == 0
    assert json.loads((folder / "r.json").read_text())["rows"] == 6


def test_a_report_that_can_not_be_written_leaves_no_output(folder: Path) -> None:
    """Where the report can't be written the exit code is 4, and then there is no output either."""
    done = run("convert", "session.json", "-o", "out.ndjson", "--report", "no/r.json", cwd=folder)
    assert done.returncode == 4
    assert names(folder) == ["session.json"]


def test_names_that_are_not_utf8(folder: Path) -> None:
    """A file name of any bytes can be converted, reported and have rejects."""
    name = os.fsdecode(b"s\xff.json")
    (folder / name).write_bytes(SAMPLE.read_bytes().replace(b'"role":"user"', b'"role":7'))
    done = run("convert", name, "--on-error", "skip", "--report", "r.json", cwd=folder)
    assert done.returncode == 5, done.stderr
    assert json.loads((folder / "r.json").read_bytes())["rows"] == 5


def test_the_level_is_the_compressor_s(tmp_path: Path) -> None:
    """A higher --level makes a smaller file of the same rows."""
    (tmp_path / "in.json").write_bytes(
        b"".join(SAMPLE.read_bytes().replace(b"0001", b"%04d" % n) + b"\n" for n in range(150))
    )
    sizes = {}
    for name, levels in {"a.ndjson.zst": (-7, 1, 19), "a.ndjson.gz": (1, 9)}.items():
        for level in levels:
            done = run("convert", "in.json", "-o", name, "--force", "--level", level, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            sizes[name, level] = (tmp_path / name).stat().st_size
            assert len(unpack((tmp_path / name).read_bytes()).splitlines()) == 900
    assert sizes["a.ndjson.zst", -7] > sizes["a.ndjson.zst", 1] > sizes["a.ndjson.zst", 19]
    assert sizes["a.ndjson.gz", 1] > sizes["a.ndjson.gz", 9]


def test_force_replaces_and_only_force(folder: Path) -> None:
    """An output that exists is refused, and replaced with --force."""
    (folder / "out.ndjson").write_text("old")
    assert run("convert", "session.json", "-o", "out.ndjson", cwd=folder).returncode == 2
    assert (folder / "out.ndjson").read_text() == "old"
    assert run("convert", "session.json", "-o", "out.ndjson", "--force", cwd=folder).returncode == 0
    assert lines((folder / "out.ndjson").read_bytes()) == expected_rows()


# Help, version, debug ---------------------------------------------------------------------------------------------------


def test_version(tmp_path: Path) -> None:
    """--version prints name and version on standard output, and imports neither rich nor a progress bar."""
    done = run("--version", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"exportstream {exportstream.__version__}\n"
    code = "import sys, exportstream.cli.convert, exportstream.cli.totals, exportstream.cli.check; print(sorted({'rich', 'duckdb', 'asyncio'} & sys.modules.keys()))"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path) == b"[]\n"


@pytest.mark.parametrize(("verb", "needed"), [("convert", set()), ("totals", set()), ("check", {"json"})])
def test_a_small_file_loads_no_module_that_it_does_not_need(tmp_path: Path, verb: str, needed: set[str]) -> None:
    """The start takes longer than a small file, so what few runs need is imported when it is needed."""
    shutil.copy(DATA / "session.json", tmp_path / "in.json")
    code = (
        "import sys; before = set(sys.modules); from exportstream.cli.commands import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print({'rich', 'asyncio', 'hashlib', 'json', 'base64', 'urllib.parse', 'concurrent.futures'} & (set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code, verb, "in.json"], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.decode().endswith(f"{needed}\n")


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", ["", "convert", "totals", "check"])
def test_help_everywhere(tmp_path: Path, command: str, option: str) -> None:
    """-h and --help work on the command and on each of its verbs, on standard output."""
    done = run(*filter(None, [command]), option, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    text = " ".join(done.stdout.decode().split())
    assert text.startswith(f"Usage: exportstream {command}".strip())
    for word in {
        "": ["convert", "totals", "check", "--version"],
        "convert": [
            *[
                "--output",
                "--format",
                "--level",
                "--table",
                "--keys",
                "--running-totals",
                "--csv-safe",
                "--on-error",
            ],
            *[
                "--rejects",
                "--dedupe",
                "--max-message-size",
                "--max-window",
                "--force",
                "--quiet",
                "--report",
            ],
            "costs speed",
            "Memory grows",
            "Changes data",
        ],
        "totals": ["--json"],
        "check": ["--strict", "--json", "Memory grows"],
    }[command]:
        assert word in text


@pytest.mark.parametrize("how", ["option", "environment"])
def test_debug_shows_the_traceback(folder: Path, how: str) -> None:
    """With --debug an error comes with its traceback; its exit code stays what it is."""
    (folder / "bad.json").write_text("[")
    without = run("convert", "bad.json", cwd=folder)
    assert (without.returncode, b"Traceback" in without.stderr) == (3, False)
    if how == "option":
        done = run("convert", "bad.json", "--debug", cwd=folder)
    else:
        done = run("convert", "bad.json", cwd=folder, EXPORTSTREAM_DEBUG="1")
    assert b"Traceback" in done.stderr
    assert b"exportstream" in done.stderr.splitlines()[-1]
    assert done.returncode == 3


def test_no_arguments_and_unknown_verbs_are_usage_errors(tmp_path: Path) -> None:
    """The command alone, a verb without its input, and an unknown verb end with exit code 2 and the usage."""
    for arguments in ([], ["convert"], ["totals"], ["check"], ["frobnicate"]):
        done = run(*arguments, cwd=tmp_path)
        assert (done.returncode, b"Usage:" in done.stderr) == (2, True)


# Terminal ---------------------------------------------------------------------------------------------------------------


def test_a_terminal_gets_a_bar_and_the_totals(folder: Path) -> None:
    """On a terminal a bar shows bytes and running totals, the summary ends with the totals, and data stays clean."""
    code, data, shown = run_on_terminal("convert", "session.json", "-o", "-", cwd=folder)
    assert code == 0
    assert lines(data) == expected_rows()
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert "━" in text
    assert re.search(r"2\.7/2\.7 kB", text)
    assert re.search(r"\d+ messages · \$0\.\d\d · \d+ tool calls", text)
    assert re.search(r"6 rows to <stdout>", text)
    assert re.search(r"prompt / input tokens +18,235 +18,006 +-229", text)
    assert text.rstrip().splitlines()[-1].startswith("last message")


def test_a_bar_of_compressed_input_counts_compressed_bytes(tmp_path: Path) -> None:
    """The bar of a compressed input goes by the bytes of the file as it is stored."""
    (tmp_path / "s.json.gz").write_bytes(packed := gzip.compress(SAMPLE.read_bytes()))
    _, _, shown = run_on_terminal("convert", "s.json.gz", cwd=tmp_path)
    assert re.search(
        rf"{len(packed) / 1000:.1f}/{len(packed) / 1000:.1f} kB|{len(packed)}/{len(packed)} bytes", shown.decode()
    )


def test_quiet_shows_nothing_on_a_terminal(folder: Path) -> None:
    """--quiet silences bar and summary on a terminal too."""
    assert run_on_terminal("convert", "session.json", "-o", "out.ndjson", "--quiet", cwd=folder) == (0, b"", b"")


def test_one_is_singular_and_nothing_is_not_smaller(folder: Path) -> None:
    """The summary says 1 row; of an export without valid messages it gives no ratio, since no row was written."""
    one = json.dumps({"id": "s", "title": "t" * 500, "messages": [SESSION["messages"][0]]}, default=float).encode()
    done = run("convert", "-", "-o", "one.ndjson", cwd=folder, data=one)
    assert b": 1 row to one.ndjson (" in done.stderr
    done = run(
        "convert",
        "-",
        "-o",
        "none.csv",
        "--on-error",
        "skip",
        cwd=folder,
        data=json.dumps({"id": "s", "title": "t" * 500, "messages": [{"id": "m"}]}).encode(),
    )
    assert re.search(rb": 0 rows to none\.csv \(\d+ B\) in .*; 1 of 1 message rejected into ", done.stderr)
    half = one.replace(b'"content": "', b'"content": "\\ud800', 1)
    text = run("check", "-", cwd=folder, data=half).stdout.decode()
    assert text.splitlines()[0] == "session s: 1 message"
    assert "  1 message with half of a surrogate pair (became U+FFFD) (message 0)" in text
    assert text.splitlines()[-1] == "1 session, 1 with findings"


@pytest.mark.parametrize(
    ("count", "words", "text"),
    [
        (1, "messages repeat", "1 message repeats"),
        (2, "messages repeat", "2 messages repeat"),
        (0, "rows", "0 rows"),
        (1_000, "rows", "1,000 rows"),
        (1, OF_SESSION["replaced-surrogate"], "1 half of a surrogate pair outside messages (became U+FFFD)"),
        (1, KINDS["invalid-message"], "1 invalid message"),
        (1, "more inputs", "1 more input"),
    ],
)
def test_amounts(count: int, words: str, text: str) -> None:
    """A count of one has its words in the singular."""
    assert amount(count, words) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (999, "999 B"),
        (999.6, "1.0 kB"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_960, "1.0 MB"),
        (10**9, "1.0 GB"),
        (10**13, "10000.0 GB"),
    ],
)
def test_sizes_in_words(count: int, text: str) -> None:
    """A size has the largest unit of which it is at least 1.0 as it is written."""
    assert size(count) == text


# totals and check -------------------------------------------------------------------------------------------------------


def test_totals_json(folder: Path) -> None:
    """Totals --json prints one object whose figures are exact, declared and counted ones apart."""
    done = run("totals", "session.json", "--json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, b"")
    totals = json.loads(done.stdout, parse_float=Decimal)
    messages = SESSION["messages"]
    declared, counted = totals["declared"], totals["counted"]
    assert next(iter(totals)) == "schema"
    assert (totals["schema"], totals["sessions"]) == (1, 1)
    assert (counted["messages"], counted["toolCalls"], counted["toolErrors"]) == (6, 3, 1)
    assert counted["roles"] == {"assistant": 3, "tool": 2, "user": 1}
    assert declared["promptTokens"] == {"sum": SESSION["promptTokens"], "count": 1}
    assert declared["cost"] == {"sum": SESSION["cost"], "count": 1}
    assert counted["inputTokens"] == {"sum": sum(m.get("inputTokens", 0) for m in messages), "count": 3}
    assert counted["cost"] == {"sum": sum(m.get("cost", 0) for m in messages), "count": 3}
    assert totals["differences"]["completionTokens"] == {"declared": 911, "counted": 906, "kind": "differs"}


def test_totals_as_a_table(folder: Path) -> None:
    """Totals prints a table on standard output, plain where that is no terminal."""
    done = run("totals", "session.json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert "\x1b" not in text
    assert re.search(r"cost \(USD\) +0\.068367 +0\.066 +-0\.002367", text)
    assert re.search(r"tool calls +3 +3 *\n", text)


def test_differences_in_the_table_are_exact(tmp_path: Path) -> None:
    """The difference column has all digits, also where there are more than 28."""
    text = SAMPLE.read_text().replace('"cost":0.068367', '"cost":0.1')
    text = text.replace('"cost":0.021', '"cost":12345678901234567890.12345678901234567')
    done = run("totals", "-", cwd=tmp_path, data=text.encode())
    counted, gap = "12,345,678,901,234,567,890.16845678901234567", r"\+12,345,678,901,234,567,890.06845678901234567"
    assert re.search(rf"cost \(USD\) +0\.1 +{counted} +{gap}\n", done.stdout.decode())


@pytest.mark.parametrize("cost", ["1e9999999", "1e999999999", "-1e999999999", "1e-999999999", "1" * 4000, "0." + "1" * 4000])
def test_an_extreme_cost_is_shown_in_little_space(tmp_path: Path, cost: str) -> None:
    """A cost with an exponent of millions, or thousands of digits, is passed on exactly and shown short, also on a terminal."""
    text = SAMPLE.read_text().replace('"cost":0.068367', '"cost":1').replace('"cost":0.021', f'"cost":{cost}')
    text = re.sub(r',"cost":0\.0\d+', "", text)
    (tmp_path / "in.json").write_text(text)
    for arguments in (["totals", "in.json"], ["check", "in.json"]):
        done = run(*arguments, cwd=tmp_path)
        assert (done.returncode, done.stderr, len(done.stdout) < 4000) == (0, b"", True)
        code, _, shown = run_on_terminal(*arguments, cwd=tmp_path)
        assert (code, len(shown) < 10000) == (0, True)
    code, _, shown = run_on_terminal("convert", "in.json", "-o", "out.ndjson", cwd=tmp_path)
    assert (code, len(shown) < 10000) == (0, True)
    assert re.search(rb"cost \(USD\)(?: +1 +|[^-\d]+declared  1\r\n +counted  )-?[\d.,\xe2\x80\xa6]+", shown)
    (found,) = [row["cost"] for row in lines((tmp_path / "out.ndjson").read_bytes()) if "cost" in row]
    assert str(found) == str(Decimal(cost))
    totals = json.loads(run("totals", "in.json", "--json", cwd=tmp_path).stdout, parse_float=Decimal)
    assert str(totals["counted"]["cost"]["sum"]) == str(Decimal(cost))


def test_a_sum_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    """Costs whose exact sum can't be held are refused by name, and nothing stands under the output's name."""
    (tmp_path / "in.json").write_text(SAMPLE.read_text().replace('"cost":0.022', '"cost":1e999999999'))
    for arguments in (["totals", "in.json"], ["convert", "in.json", "-o", "out.ndjson"]):
        code, _, shown = run_on_terminal(*arguments, cwd=tmp_path)
        assert code == 3
        assert b"the exact sum of the costs needs more than 10,000 digits" in shown
    assert names(tmp_path) == ["in.json"]


def test_totals_from_standard_input(tmp_path: Path) -> None:
    """Totals and check read standard input as well."""
    assert json.loads(run("totals", "-", "--json", cwd=tmp_path, data=MANY.read_bytes()).stdout)["sessions"] == 3
    assert json.loads(run("check", "-", "--json", cwd=tmp_path, data=MANY.read_bytes()).stdout)["sessionCount"] == 3


@pytest.mark.parametrize("role", ["[red]x[/red]", "[/x]", "\x1b[31mx", "[link=http://x]"])
def test_roles_from_the_input_are_no_markup(tmp_path: Path, role: str) -> None:
    """A role is text from outside: brackets and escape sequences in it are shown and not carried out."""
    text = SAMPLE.read_text().replace('"role":"tool"', f'"role":{json.dumps(role)}')
    done = run("totals", "-", cwd=tmp_path, data=text.encode())
    assert done.returncode == 0, done.stderr
    assert role.strip("\x1b") in done.stdout.decode()
    assert b"\x1b" not in done.stdout


def test_titles_and_ids_from_the_input_are_no_terminal_codes(tmp_path: Path) -> None:
    """Check shows ids and key names of the input without letting them control the terminal."""
    text = SAMPLE.read_text().replace("5f9a2d10-0001", "a\\u001b[2Jb\\nc").replace('"metadata"', '"x\\u001b[2Jy"')
    done = run("check", "-", cwd=tmp_path, data=text.encode())
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout


def check_findings(folder: Path) -> None:
    messages = [dict(message) for message in SESSION["messages"]]
    messages[1]["createdAt"] = "yesterday"
    messages[2]["updatedAt"] = "2025-10-03T10:00:09"
    messages[3]["id"] = messages[0]["id"]
    messages[4]["content"] = "\ud800"
    messages[5]["build"] = 1
    messages.append({"id": "x"})
    messages.append({**messages[0], "id": "y", "createdAt": None})
    text = json.dumps({**SESSION, "messages": messages, "region": "eu"}, default=float)
    (folder / "odd.json").write_text(text)


def test_check_names_every_kind_of_finding(folder: Path) -> None:
    """Check reports dates, repeated ids, surrogates, unknown keys, invalid messages and differences, by message number."""
    check_findings(folder)
    done = run("check", "odd.json", "--json", cwd=folder)
    assert done.returncode == 3
    (session,) = json.loads(done.stdout)["sessions"]
    assert {kind: found["messages"] for kind, found in session["findings"].items()} == {
        "unparsed-date": [1],
        "date-without-zone": [2],
        "repeated-id": [3],
        "replaced-surrogate": [4],
        "invalid-message": [6],
        "null-date": [7],
    }
    assert session["unknownKeys"] == {"message.build": 1, "session.region": 1}
    assert session["differences"]["userMessages"] == {"declared": 1, "counted": 2, "kind": "differs"}
    text = run("check", "odd.json", cwd=folder)
    assert text.returncode == 3
    assert b"1 invalid message (message 6): expected the required keys 'role'" in text.stdout
    assert b"1 session, 1 with findings" in text.stdout
    assert names(folder) == ["odd.json", "session.json"]


def test_check_shows_the_first_few_of_each_kind(folder: Path) -> None:
    """Of each kind the first few message numbers are shown, and how many more there are."""
    done = run("check", DATA / "session.sdk-0.8.1-no-alias.json", cwd=folder)
    assert b"6 messages whose createdAt or updatedAt is null (message 0, 1, 2, 3, 4 and 1 more)" in done.stdout


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--strict"], 3)])
def test_check_strict(folder: Path, options: list[str], code: int) -> None:
    """A finding alone is exit code 0, with --strict 3; a session without any is 0 either way."""
    assert run("check", "session.json", *options, cwd=folder).returncode == code
    text = re.sub(r'"(promptTokens|completionTokens)":\d+,', "", SAMPLE.read_text()).replace(
        '"cost":0.068367', '"cost":0.066'
    )
    clean = run("check", "-", *options, cwd=folder, data=text.encode())
    assert (clean.returncode, clean.stdout) == (0, b"1 session, 0 with findings\n")


def test_check_takes_a_count_that_is_not_declared_for_unknown(folder: Path) -> None:
    """A session that declares only some counts is compared in those alone."""
    text = SAMPLE.read_text().replace('"userMessageCount":1,', "").replace('"promptTokens":18235,', "")
    done = run("check", "-", "--json", cwd=folder, data=text.encode())
    assert not {"userMessages", "promptTokens"} & json.loads(done.stdout)["sessions"][0]["differences"].keys()


@pytest.mark.parametrize("verb", [["check"], ["check", "--json"], ["totals"], ["totals", "--json"]])
def test_bad_input_is_exit_code_3_for_every_verb(folder: Path, verb: list[str]) -> None:
    """Totals and check end with 3 and one line for input that is no export."""
    (folder / "bad.json").write_bytes(SAMPLE.read_text().encode("utf-16"))
    done = run(*verb, "bad.json", cwd=folder)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert run(*verb, "missing.json", cwd=folder).returncode == 4


@pytest.mark.parametrize("verb", [["check"], ["totals"], ["totals", "--json"]])
def test_standard_output_that_is_full_is_exit_code_4(folder: Path, verb: list[str]) -> None:
    """Where the results can't be written the exit code is 4, and it is not called a bug."""
    with open("/dev/full", "wb") as full:
        done = run(*verb, "session.json", cwd=folder, process={"stdout": full})
    assert (done.returncode, said(done)) == (4, ["exportstream: <stdout>: No space left on device"])


# Rejects and partial input ----------------------------------------------------------------------------------------------


def test_exit_codes(broken: Path) -> None:
    """0 done, 2 usage, 3 bad input, 4 the system, 5 done with rejects or a cut input accepted."""
    (broken / "cut.json").write_bytes(SAMPLE.read_bytes()[:1500])
    for wanted, arguments in [
        (0, ["session.json"]),
        (2, ["session.json", "-o", "."]),
        (2, ["session.json"]),
        (3, ["cut.json"]),
        (3, ["broken.json"]),
        (4, ["missing.json"]),
        (4, ["session.json", "-o", "missing/out.ndjson"]),
        (5, ["cut.json", "--on-error", "skip"]),
        (5, ["broken.json", "--on-error", "skip"]),
    ]:
        assert run("convert", *arguments, cwd=broken).returncode == wanted, arguments


def test_skip_writes_rejects(broken: Path) -> None:
    """--on-error skip goes on; each rejected message is a line with its place, the reason, and the message as it was."""
    done = run("convert", "broken.json", "--on-error", "skip", "-o", "out.csv.gz", cwd=broken)
    assert done.returncode == 5
    assert b"2 of 6 messages rejected into out.csv.gz.rejects.ndjson" in done.stderr
    rows = cells(unpack((broken / "out.csv.gz").read_bytes()))
    assert [int(row["messageIndex"]) for row in rows] == [0, 3, 4, 5]
    source = (broken / "broken.json").read_bytes()
    raw = (broken / "out.csv.gz.rejects.ndjson").read_bytes().splitlines()
    wrong = [m if n != 2 else {**m, "role": 5} for n, m in enumerate(SESSION["messages"])]
    wrong[1] = {key: value for key, value in wrong[1].items() if key != "id"}
    for line, index, path, reason in zip(
        raw,
        (1, 2),
        ("$", "$.role"),
        ("expected the required key 'id', got none", "expected string, got number 5"),
        strict=True,
    ):
        reject = json.loads(line, parse_float=Decimal)
        message = reject.pop("message")
        assert message == wrong[index]
        position = reject.pop("position")
        as_it_was = json.dumps(message, default=float, ensure_ascii=False, separators=(",", ":")).encode()
        assert line.endswith(b'"message":' + as_it_was + b"}")
        assert position is None or source[position:].startswith(as_it_was)
        assert reject == {
            "source": "broken.json", "sessionId": SESSION["id"], "messageIndex": index, "path": path, "reason": reason,
        }  # fmt: skip


@pytest.mark.parametrize("blocks", ["1", "0"])
def test_rejects_keep_the_digits_of_numbers(tmp_path: Path, blocks: str) -> None:
    """A rejected message keeps its numbers digit for digit, whichever way it was read."""
    digits = ["0.10", "1e400", "12345678901234567890123", "-0.0", "1E5"]
    text = SAMPLE.read_text().replace('"role":"user"', f'"role":1,"odd":[{",".join(digits)}]')
    done = run(
        "convert", "-", "-o", "o.ndjson", "--on-error", "skip", cwd=tmp_path, data=text.encode(), EXPORTSTREAM_BLOCKS=blocks
    )
    assert done.returncode == 5, done.stderr
    (line,) = (tmp_path / "o.ndjson.rejects.ndjson").read_text().splitlines()
    found = json.loads(line, parse_float=str, parse_int=str)["message"]["odd"]
    assert [Decimal(number) for number in found] == [Decimal(number) for number in digits]
    assert found[:3] in (digits[:3], ["0.10", "1E+400", digits[2]])


def test_rejects_file_is_named_by_option(broken: Path) -> None:
    """--rejects names the file; without rejects none is made; one that exists needs --force."""
    assert run("convert", "broken.json", "--on-error", "skip", "--rejects", "bad.txt", cwd=broken).returncode == 5
    assert len((broken / "bad.txt").read_bytes().splitlines()) == 2
    assert run("convert", "session.json", "--on-error", "skip", "--rejects", "none.txt", cwd=broken).returncode == 0
    assert not (broken / "none.txt").exists()
    again = run("convert", "broken.json", "--on-error", "skip", "-o", "b.ndjson", "--rejects", "bad.txt", cwd=broken)
    assert again.returncode == 2
    assert not (broken / "b.ndjson").exists()


def test_a_stream_without_a_name_needs_a_name_for_rejects(broken: Path) -> None:
    """From standard input to standard output --on-error skip asks for --rejects FILE."""
    data = (broken / "broken.json").read_bytes()
    done = run("convert", "-", "--on-error", "skip", cwd=broken, data=data)
    assert (done.returncode, b"name a file for --rejects" in done.stderr) == (2, True)
    named = run("convert", "-", "--on-error", "skip", "--rejects", "bad.txt", cwd=broken, data=data)
    assert (named.returncode, len(lines(named.stdout))) == (5, 4)


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("rejects", ["broken.json", "out.ndjson", "./out.ndjson"])
def test_rejects_never_replace_the_input_or_the_output(broken: Path, rejects: str, force: list[str]) -> None:
    """A rejects file under the name of the input or of the output is refused, and nothing is written."""
    before = (broken / "broken.json").read_bytes()
    options = ["--on-error", "skip", "-o", "out.ndjson", "--rejects", rejects, *force]
    done = run("convert", "broken.json", *options, cwd=broken)
    assert (broken / "broken.json").read_bytes() == before
    assert done.returncode == 2
    assert names(broken) == ["broken.json", "session.json"]


def test_default_rejects_never_replace_the_input(broken: Path) -> None:
    """An input that is itself called OUTPUT.rejects.ndjson is not replaced by its own rejects."""
    (broken / "broken.json").rename(broken / "a.ndjson.rejects.ndjson")
    before = (broken / "a.ndjson.rejects.ndjson").read_bytes()
    run("convert", "a.ndjson.rejects.ndjson", "--on-error", "skip", "-o", "a.ndjson", "--force", cwd=broken)
    assert (broken / "a.ndjson.rejects.ndjson").read_bytes() == before


def test_rejects_on_standard_output_do_not_mix_with_rows(broken: Path) -> None:
    """Rows and rejects can't both go to standard output."""
    done = run("convert", "broken.json", "-o", "-", "--on-error", "skip", "--rejects", "-", cwd=broken)
    assert (done.returncode, done.stdout) == (2, b"")
    done = run("convert", "broken.json", "-o", "a.ndjson", "--on-error", "skip", "--rejects", "-", cwd=broken)
    assert done.returncode == 5
    assert json.loads(done.stdout.splitlines()[0])["source"] == "broken.json"
    assert b" rejected into <stdout>" in done.stderr


@pytest.mark.parametrize("name", ["out.ndjson", "out.csv.zst"])
def test_skip_keeps_the_complete_messages(folder: Path, name: str) -> None:
    """--on-error skip finishes the output with exactly the complete messages of a cut input; exit 5, and it says so."""
    text = SAMPLE.read_bytes()
    cut = text.index(b'"7b0f3c1e-0004"') + 100
    done = run("convert", "-", "-o", name, "--on-error", "skip", cwd=folder, data=text[:cut])
    assert done.returncode == 5
    assert b"the input is cut, or damaged up to its end; kept 3 complete messages" in done.stderr
    data = unpack((folder / name).read_bytes())
    assert len(cells(data) if "csv" in name else lines(data)) == 3
    totals = run("totals", "-", "--json", "--on-error", "skip", cwd=folder, data=text[:cut])
    assert (totals.returncode, json.loads(totals.stdout)["counted"]["messages"]) == (5, 3)


def test_dedupe_drops_what_came_before(folder: Path) -> None:
    """--dedupe drops a session or message that comes again from totals and rows, and says how many."""
    twice = SAMPLE.read_bytes() * 2
    plain = json.loads(run("totals", "-", "--json", cwd=folder, data=twice).stdout)
    once = json.loads(run("totals", "-", "--json", "--dedupe", cwd=folder, data=twice).stdout)
    assert (plain["counted"]["messages"], plain["sessions"]) == (12, 2)
    assert (once["counted"]["messages"], once["sessions"]) == (6, 1)
    assert once["declared"]["promptTokens"] == {"sum": SESSION["promptTokens"], "count": 1}
    assert run("totals", "-", "--dedupe", cwd=folder, data=twice).stdout.endswith(
        b"\n\nrepeated and dropped: 6 messages, 1 session\n"
    )
    done = run("convert", "-", "--dedupe", "--report", "r.json", cwd=folder, data=twice)
    assert lines(done.stdout) == lines(run("convert", "-", cwd=folder, data=SAMPLE.read_bytes()).stdout)
    assert done.stderr.rstrip().endswith(b"; repeated and dropped: 6 messages, 1 session")
    report = json.loads((folder / "r.json").read_bytes())
    assert (report["messages"], report["rows"], report["duplicates"]) == (12, 6, {"messages": 6, "sessions": 1})
    repeated = SAMPLE.read_bytes().replace(b"7b0f3c1e-0002", b"7b0f3c1e-0001")
    warned = run("convert", "-", cwd=folder, data=repeated)
    assert re.search(rb"warning: at least 1 message repeats an id .*--dedupe drops them", warned.stderr)


def test_limits_are_options(folder: Path) -> None:
    """--max-message-size refuses a larger message with exit 3, in any unit; the default lets it through."""
    text = SAMPLE.read_text().replace("I'll look", "I'll look " + "x" * 3_000_000)
    for limit in ("1MB", "1MiB", "2097152", "1.0KB"):
        done = run("convert", "-", "--max-message-size", limit, cwd=folder, data=text.encode())
        assert done.returncode == (2 if limit == "1.0KB" else 3), (limit, done.stderr)
    assert b"--max-message-size" in run("convert", "-", "--max-message-size", "1MB", cwd=folder, data=text.encode()).stderr
    assert run("convert", "-", cwd=folder, data=text.encode()).returncode == 0


def test_a_window_that_is_too_large_is_an_option(folder: Path) -> None:
    """A zstd frame that needs a larger window is exit 3 and names --max-window, which then lets it through."""
    settings = zstandard.ZstdCompressionParameters(window_log=28, enable_ldm=False)
    packer = zstandard.ZstdCompressor(compression_params=settings).compressobj()
    data = packer.compress(SAMPLE.read_bytes()) + packer.flush()
    done = run("convert", "-", cwd=folder, data=data)
    assert (done.returncode, b"--max-window" in done.stderr) == (3, True)
    assert len(lines(run("convert", "-", "--max-window", "256MiB", cwd=folder, data=data).stdout)) == 6


@pytest.mark.parametrize("table", ["messages", "tool-calls", "sessions"])
@pytest.mark.parametrize("keys", ["camel", "snake"])
def test_our_own_output_is_told_from_an_export(folder: Path, table: str, keys: str) -> None:
    """Rows given as an input are refused with a hint at what they are."""
    run("convert", "session.json", "-o", "rows.ndjson", "--table", table, "--keys", keys, cwd=folder)
    done = run("convert", "rows.ndjson", "-o", "again.ndjson", cwd=folder)
    assert done.returncode == 3
    assert "got what looks like an output of exportstream" in done.stderr.decode()


def test_check_as_json_is_whole_also_where_the_input_is_not(folder: Path) -> None:
    """Standard output is a JSON document with the error in it."""
    (folder / "two.json").write_bytes(SAMPLE.read_bytes() + b'{"id":"x","x":' + b"[" * 600)
    done = run("check", "two.json", "--json", cwd=folder)
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert (found["sessionCount"], len(found["sessions"])) == (1, 1)
    assert "two.json: expected at most 512 levels" in found["error"]
    assert found["error"] in done.stderr.decode()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_check_as_json_after_damage_without_a_session(folder: Path, jobs: str) -> None:
    """An input whose only session is lost has an entry without an id, and a comma comes after it like after any other."""
    (folder / "lost.json").write_bytes(b'{"title":"t","messages":[\x01')
    done = run("check", "lost.json", "session.json", "--json", "--jobs", jobs, cwd=folder)
    found = json.loads(done.stdout)
    assert (done.returncode, found["sessionCount"], found["sessionsWithFindings"]) == (3, 1, 1)
    assert [(one["source"], one["sessionId"]) for one in found["sessions"]] == [
        ("lost.json", None),
        ("session.json", "5f9a2d10-0001"),
    ]


@pytest.mark.parametrize("columns", ["40", "200", "nonsense", "0"])
def test_columns_says_how_wide_tables_are(folder: Path, columns: str) -> None:
    """COLUMNS decides also where standard output is a pipe; what is no width is ignored."""
    by = "session,model,role,day,finish-reason"
    width = int(columns) if columns in ("40", "200") else 80
    found = run("totals", "session.json", "--by", by, cwd=folder, COLUMNS=columns).stdout.decode()
    assert found == f"{exportstream.totals_many(folder / 'session.json', by=by).to_text(width)}\n"


def test_rejects_of_an_earlier_run_go_with_the_output_they_belonged_to(folder: Path) -> None:
    """Replacing an output replaces its rejects, or removes them where there are none any more."""
    good = SAMPLE.read_bytes()
    (folder / "in.json").write_bytes(good.replace(b'"role":"user"', b'"role":5', 1))
    assert run("convert", "in.json", "-o", "out.csv", "--on-error", "skip", cwd=folder).returncode == 5
    assert len((folder / "out.csv.rejects.ndjson").read_bytes().splitlines()) == 1
    (folder / "in.json").write_bytes(good)
    assert run("convert", "in.json", "-o", "out.csv", "--on-error", "skip", "--force", cwd=folder).returncode == 0
    assert not (folder / "out.csv.rejects.ndjson").exists()


@pytest.mark.parametrize("columns", ["20", "60"])
def test_totals_are_never_cut(folder: Path, columns: str) -> None:
    """Where standard output is no terminal, figures and dates stand there in full, however narrow a terminal would be."""
    done = run("totals", "session.json", cwd=folder, COLUMNS=columns)
    assert done.returncode == 0
    assert "…" not in done.stdout.decode()
    assert done.stdout.count(b"2025-10-03T10:00") == 2


def test_as_few_figures_as_possible_stand_below_their_label(folder: Path) -> None:
    """Where the table is too wide, those go below their label whose place makes it so: here the dates."""
    lines = run("totals", "session.json", cwd=folder, COLUMNS="65").stdout.decode().splitlines()
    assert max(map(len, lines)) <= 65
    assert [line for line in lines if line.startswith("    ")][1:] == [
        "    counted  2025-10-03T10:00:01+05:30",
        "    counted  2025-10-03T10:00:15+05:30",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["-o", "no/out.csv"], 4, "no/out.csv: its folder does not exist; make the folder first"),
        (["-o", "~/no/out.csv"], 4, "~/no/out.csv: its folder does not exist; only a shell replaces ~"),
        (["-o", "a.db", "--level", "3"], 2, "expected no level, since the output is not compressed, got 3\n"),
        (["--merge", "-o", "sub"], 2, "sub: the output is a folder; name a file in it\n"),
        (["--merge", "-o", "new/"], 2, "new/: the output is a folder; name a file in it\n"),
        (["--rejects", "r.ndjson"], 2, "--rejects goes with --on-error skip"),
        (["--max-message-size", "10"], 3, "--max-message-size"),
    ],
)
def test_what_to_do_next_is_said(folder: Path, arguments: list[str], code: int, text: str) -> None:
    """Errors name the step that helps."""
    (folder / "sub").mkdir()
    done = run("convert", "session.json", *arguments, cwd=folder)
    assert (done.returncode, text in done.stderr.decode()) == (code, True), done.stderr
    assert sorted(os.listdir(folder)) == ["session.json", "sub"]
