"""A terminal that behaves: no binary, 80 columns, a word after Ctrl-C, and summaries in good English."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from exportstream.totals.text import width_of
from tests.kit.command import run, run_on_terminal, said, start, wait_until
from tests.kit.documents import dump, message, session, tool_call
from tests.kit.files import debris, everything, many, put

CODES = re.compile(r"\x1b\[[\d;?]*[a-zA-Z]")


def screen(shown: bytes) -> list[str]:
    """The lines that a terminal was sent, without codes; a bar that was drawn again is several."""
    return [line for line in re.split(r"[\r\n]+", CODES.sub("", shown.decode())) if line]


@pytest.fixture
def costly(tmp_path: Path) -> Path:
    """A folder with an export of long figures and dates, in which declared and counted ones differ."""
    parts = [
        message(n, cost=1.1234567890123, inputTokens=10**11, createdAt="2025-10-03T10:00:01.123456789+05:30")
        for n in range(40)
    ]
    fields: dict[str, Any] = {"cost": 0.1234567890123456, "promptTokens": 3, "assistantMessageCount": 2}
    (tmp_path / "in.json").write_bytes(dump(session(*parts, **fields)))
    return tmp_path


# Binary -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--format", "ndjson.zst"], "compressed data is not written to a terminal; name a file, or add --force"),
        (["--format", "csv.gz"], "compressed data is not written"),
        (["--format", "parquet"], "Parquet is not written to a terminal"),
        (["--format", "parquet", "--merge"], "Parquet is not written to a terminal"),
    ],
)
def test_no_binary_on_a_terminal(tmp_path: Path, options: list[str], words: str) -> None:
    """Compressed rows and Parquet are refused where standard output is a terminal, unless forced."""
    put(tmp_path, "a.json")
    code, _, shown = run_on_terminal("convert", "a.json", "-o", "-", *options, cwd=tmp_path, columns=80, stdout=True)
    assert (code, words in " ".join(screen(shown))) == (2, True)
    code, _, shown = run_on_terminal("convert", "a.json", "-o", "-", "-fq", *options, cwd=tmp_path, stdout=True)
    assert (code, b"not written" in shown) == (0, False)
    assert run("convert", "a.json", "-o", "-", "-q", *options, cwd=tmp_path).returncode == 0


def test_text_on_a_terminal(tmp_path: Path) -> None:
    """Rows that are text go to a terminal; a terminal by its name is one, too."""
    put(tmp_path, "a.json")
    code, _, shown = run_on_terminal("convert", "a.json", "-o", "-", "-q", cwd=tmp_path, stdout=True)
    assert (code, shown.count(b'"sessionId"')) == (0, 3)
    code, _, shown = run_on_terminal("convert", "a.json", "-o", "/dev/stderr", "--format", "csv.gz", cwd=tmp_path)
    assert (code, b"not written to a terminal" in shown) == (2, True)


# 80 columns -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [60, 80, 132])
@pytest.mark.parametrize(
    "arguments", [["convert", "in.json", "-o", "x.csv"], ["convert", "in.json", "-o", "rows/"], ["totals", "in.json"]]
)
def test_a_narrow_terminal(costly: Path, arguments: list[str], columns: int) -> None:
    """Bars and tables fit into the terminal, with every figure whole."""
    code, _, shown = run_on_terminal(*arguments, cwd=costly, columns=columns, stdout=True)
    assert code == 0
    lines = screen(shown)
    assert any("━" in line for line in lines)
    assert [line for line in lines if width_of(line.rstrip()) > columns and not line.startswith("exportstream:")] == []
    text = " ".join(lines)
    for figure in ("44.938271560492", "0.1234567890123456", "4,000,000,000,000", "2025-10-03T10:00:01.123456789+05:30"):
        assert figure in text


def test_no_trailing_blanks(costly: Path) -> None:
    """Tables have no blanks at the ends of their lines."""
    for arguments in (["totals", "in.json"], ["check", "in.json"]):
        lines = run(*arguments, cwd=costly).stdout.decode().splitlines()
        assert len(lines) > 2
        assert [line for line in lines if line != line.rstrip()] == []


# Ctrl-C -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert", "-", "-o", "x.csv"],
        ["convert", "-", "--merge", "--fail-fast", "-o", "x.csv"],
        ["totals", "-"],
        ["check", "-"],
    ],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_has_a_word(tmp_path: Path, arguments: list[str], number: signal.Signals) -> None:
    """Whatever is interrupted says so in one line, and leaves nothing."""
    os.mkfifo(tmp_path / "pipe")
    arguments = [str(tmp_path / "pipe") if word == "-" else word for word in arguments]
    (tmp_path / "work").mkdir()
    command = start(*arguments, cwd=tmp_path / "work")
    with open(tmp_path / "pipe", "wb") as pipe:
        pipe.write(dump(session(*(message(n) for n in range(3000))))[:-100])
        pipe.flush()
        if "-o" in arguments:
            wait_until(lambda: debris(tmp_path))
        os.kill(command.pid, number)
        _, text = command.communicate(timeout=20)
    assert (command.returncode, text) == (-number, b"exportstream: interrupted\n")
    assert everything(tmp_path / "work") == []


# Words ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-o", "x.csv"], "2 rows to x.csv ("),
        (
            ["-o", "x.csv", "-t", "messages,tool-calls"],
            "2 messages and 1 tool call to x.messages.csv and x.tool-calls.csv (",
        ),
        (["-o", "x.db"], "2 messages, 1 tool call and 1 session to x.db ("),
        (
            ["-o", "rows/", "-t", "all"],
            "in.json: 2 messages, 1 tool call and 1 session to rows/messages/in.ndjson.zst, rows/tool-calls/in",
        ),
        (["--merge", "-o", "x.csv"], "1 of 1 input converted: 2 rows to x.csv ("),
    ],
)
def test_rows_of_each_table(tmp_path: Path, options: list[str], words: str) -> None:
    """The summary counts the rows of each table if there are several, and one is singular."""
    (tmp_path / "in.json").write_bytes(dump(session(message(0), message(1, toolCalls=[tool_call()]))))
    done = run("convert", "in.json", *options, cwd=tmp_path)
    assert (done.returncode, words in said(done)[0]) == (0, True), done.stderr


@pytest.mark.parametrize(("table", "told"), [("messages", True), ("all", True), ("sessions", False), ("tool-calls", False)])
def test_how_much_smaller(tmp_path: Path, table: str, told: bool) -> None:
    """Only an output that has the messages is compared with the JSON."""
    many(tmp_path / "in", 2, messages=200)
    for options in (["in", "-o", "rows", "-j1"], ["in", "--merge", "-o", "x.ndjson.zst"], ["in/s000.json"]):
        done = run("convert", *options, "-t", table, cwd=tmp_path)
        assert (done.returncode, b"smaller" in done.stderr) == (0, told), done.stderr
