"""Text from outside: whatever ids, roles, names of files, servers and libraries say, each message is one neutral line."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from exportstream import ExportstreamError, UsageError
from exportstream.cli.process import run as run_and_explain
from exportstream.errors import LONGEST_LINE, printable
from tests.kit.command import run, run_on_terminal
from tests.kit.documents import dump, message, session, session_fields_last

FORGED = "exportstream: other.json: 10 rows to x"
ESCAPE = "\x1b[5;31;44m"  # rich never writes this one
EVIL = f"a{ESCAPE}\x07\r\n{FORGED}\n\x9b2J\x85\u2028\u202eb\u200f[red]c[/red][link=http://x]d\x7f"
EVIL_NAME = os.fsdecode(EVIL.replace("/", "").encode() + b"\xff\xc3")


def require_neutral(output: bytes, *, terminal: bool = False, json_indent: bool = False) -> str:
    """Every line is printable, none is forged, and what was in them is still told."""
    text = output.decode()  # also: always UTF-8
    if terminal:  # what rich and the terminal write themselves
        assert ESCAPE not in text
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "")
    for line in text.split("\n"):
        assert line.isprintable(), line
        assert not line.startswith(FORGED)
    assert json_indent or "\x1b" not in text
    return text


def checked(*arguments: object, cwd: Path, code: int | None = None, data: bytes | None = None) -> str:
    """Run the command, look at both streams, and return them."""
    done = run(*arguments, cwd=cwd, data=data)
    text = require_neutral(done.stdout) + require_neutral(done.stderr)
    assert "Traceback" not in text
    assert code is None or done.returncode == code, text
    return text


def evil_document(**more: Any) -> bytes:
    call = {"id": EVIL, "name": EVIL, "type": EVIL, "finished": True, "input": EVIL, EVIL: 1}
    odd = message(0, id=EVIL, role=EVIL, model=EVIL, createdAt=EVIL, updatedAt=EVIL, toolCalls=[call], **{EVIL: 1})
    return dump(
        session_fields_last(odd, odd, message(1, createdAt=None), id=EVIL, title=EVIL, createdAt=EVIL, **{EVIL: 1}, **more)
    )


@pytest.mark.parametrize(
    "error", [{"code": 404, "message": EVIL, "type": EVIL}, {"code": EVIL, "message": {EVIL: EVIL}}, {"type": EVIL * 10**4}]
)
def test_words_of_a_server_error(tmp_path: Path, error: dict[str, Any]) -> None:
    """A saved error body from a server is one bounded line."""
    (tmp_path / "b.json").write_bytes(dump({"error": error}))
    for arguments in (["convert", "b.json", "-o", "-"], ["totals", "b.json"], ["check", "b.json", "--json"]):
        text = checked(*arguments, cwd=tmp_path, code=3)
        assert "expected a session export, got an error response" in text
        assert len(text) < 5000
        require_neutral(run_on_terminal(*arguments, cwd=tmp_path)[2], terminal=True)


def test_ids_titles_roles_keys_models_and_dates(tmp_path: Path) -> None:
    """What an export holds is escaped in tables, findings, warnings, on a terminal, and in JSON on standard output."""
    (tmp_path / "in.json").write_bytes(evil_document(userMessageCount=9))
    text = checked("totals", "in.json", cwd=tmp_path, code=0)
    assert r"a\x1b[5;31;44m\x07\r\nexportstream" in text
    text = checked("check", "in.json", cwd=tmp_path, code=0)
    assert r"\u202eb\u200f[red]c[/red][link=http://x]d\x7f" in text
    for command in ("totals", "check"):
        found = json.loads(checked(command, "in.json", "--json", cwd=tmp_path, code=0).splitlines()[0])
        assert EVIL in (found["counted"]["roles"] if command == "totals" else found["sessions"][0]["title"])
        require_neutral(run_on_terminal(command, "in.json", cwd=tmp_path)[2], terminal=True)
    arguments = ("convert", "in.json", "-o", "out.ndjson", "--report", "report.json", "--force")
    checked(*arguments, cwd=tmp_path, code=0)
    require_neutral(run_on_terminal(*arguments, cwd=tmp_path)[2], terminal=True)
    require_neutral((tmp_path / "report.json").read_bytes())
    assert EVIL in json.loads((tmp_path / "report.json").read_bytes())["totals"]["counted"]["roles"]


def test_errors_inside_a_hostile_export(tmp_path: Path) -> None:
    """Errors and rejects name the session, the last id and the path, in one line each."""
    bad = [message(0, id=EVIL), message(1, content={EVIL: 1}, **{EVIL: 1})]
    good = dump(session(message(0, id=EVIL), message(1), id=EVIL, title="t"))
    documents = {
        "bad": dump(session(*bad, id=EVIL)),
        "cut": good[:-30],
        "odd": dump({EVIL: 1}),
        "null": dump({"id": EVIL, "title": None, "messages": []}),
        "twice": b'{"id":"s",' + dump({EVIL: 1})[1:-1] + b"," + dump({EVIL: 1})[1:-1] + b',"messages":[]}',
        "type": dump(session_fields_last(id="s", userMessageCount=EVIL)),
    }
    for name, data in documents.items():
        (tmp_path / f"{name}.json").write_bytes(data)
        text = checked("convert", f"{name}.json", "-o", "-", cwd=tmp_path, code=3)
        assert text.count("exportstream: ") <= 1 + data.count(b"exportstream: ")
    checked("convert", "bad.json", "-o", "out.ndjson", "--on-error", "skip", "--rejects", "r.ndjson", cwd=tmp_path, code=5)
    require_neutral(re.sub(rb"[\x80-\xff]", b"", (tmp_path / "r.ndjson").read_bytes().replace(b"\x7f", b"")))
    assert json.loads((tmp_path / "r.ndjson").read_bytes())["sessionId"] == EVIL


def test_names_of_inputs_and_outputs(tmp_path: Path) -> None:
    """Names of files, given or found, are escaped in summaries, errors, warnings, reports and rejects."""
    good, name = dump(session(message(0, createdAt=None), id="s")), f"{EVIL_NAME}.json"
    folder, output = tmp_path / "in", f"{EVIL_NAME}.ndjson"
    folder.mkdir()
    (folder / name).write_bytes(good)
    (folder / f"bad{name}").write_bytes(b"{")
    (folder / f"rejects{name}").write_bytes(dump(session({"id": 5}, message(1))))
    many = ("convert", "in", "-o", "out/", "--report", "report.json", "--on-error", "skip", "--force")
    for options in ([], ["--jobs", "1", "--update"]):
        text = checked(*many, *options, cwd=tmp_path)
        assert r"\x1b[5;31;44m" in text
        require_neutral((tmp_path / "report.json").read_bytes())
    require_neutral(run_on_terminal(*many, cwd=tmp_path)[2], terminal=True)
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert {one["status"] for one in report["inputs"]} == {"failed", "converted"}
    (rejects,) = (tmp_path / "out").glob("*.rejects.ndjson")
    require_neutral(rejects.read_bytes())
    (tmp_path / "merged").mkdir()
    checked("convert", "../in", "--merge", "-o", output, "--on-error", "skip", cwd=tmp_path / "merged", code=3)
    one = f"in/{name}"
    for arguments in (
        ["convert", one, "-o", output],
        ["convert", one, "-o", output],  # it exists
        ["convert", one, "-o", output, "--update"],  # up to date
        ["convert", one, "-o", output, "--format", "csv", "--force"],
        ["convert", one, "-o", EVIL_NAME],
        ["convert", one, f"in/bad{name}", "-o", output],
        ["convert", one, "-o", f"{EVIL_NAME}/x.ndjson"],
        ["convert", f"in/rejects{name}", "-o", "o.ndjson", "--on-error", "skip", "--rejects", EVIL_NAME],
        ["convert", one, "-o", "p.ndjson", "--report", output],
        ["convert", f"{EVIL_NAME}*/*.json", "-o", "x/"],
        ["convert", EVIL_NAME, "-o", "y.ndjson"],
        ["convert", one, "--format", EVIL_NAME],
        ["convert", one, f"--{EVIL_NAME}"],
        ["convert", one, "-o", "z/", "--dask", f"tcp://{EVIL_NAME}:1"],
        [EVIL_NAME],
        ["totals", one],
        ["check", f"in/bad{name}", "--json"],
    ):
        text = checked(*arguments, cwd=tmp_path)
        if "--json" not in arguments and arguments[0] != "totals":
            assert "\\x1b[5;31;44m" in text, text
    require_neutral(run_on_terminal("convert", one, "-o", output, "--update", cwd=tmp_path)[2], terminal=True)


def test_two_files_for_one_output_and_a_journal(tmp_path: Path) -> None:
    """Messages that name several files are one line too."""
    good = dump(session(message(0), id="s"))
    (tmp_path / "in").mkdir()
    for folder in (tmp_path, tmp_path / "in"):
        (folder / f"{EVIL_NAME}.json").write_bytes(good)
    text = checked("convert", f"{EVIL_NAME}.json", "in", "-o", "out/", cwd=tmp_path, code=2)
    assert "it would be written twice, for" in text
    (tmp_path / f"{EVIL_NAME}.db-wal").write_bytes(b"")
    text = checked("convert", f"{EVIL_NAME}.json", "-o", f"{EVIL_NAME}.db", cwd=tmp_path, code=2)
    assert "the journal of an old database" in text


@pytest.mark.parametrize("debug", [False, True])
def test_error_texts_of_libraries(capfd: pytest.CaptureFixture[str], debug: bool) -> None:
    """An exception that nobody expected is escaped as well, and so is its traceback."""

    def fail() -> None:
        raise RuntimeError(EVIL)

    assert run_and_explain(fail, debug=debug) == 1
    text = capfd.readouterr().err
    assert text.splitlines()[-1].startswith("exportstream: a bug in exportstream: RuntimeError: a\\x1b[5;31;44m")
    if not debug:
        assert require_neutral(text.encode()).count("\n") == 1
    assert all(line.isprintable() for line in text.split("\n"))


def test_the_text_of_an_error_is_one_line() -> None:
    """All parts of an error are neutral in its text, and stay as they are in its attributes."""
    error = ExportstreamError(EVIL, hint=EVIL, source=EVIL_NAME, session_id=EVIL, last_id=EVIL, path=EVIL)
    require_neutral(str(error).encode())
    assert (error.what, error.hint, error.source) == (EVIL, EVIL, EVIL_NAME)
    assert len(str(ExportstreamError("x" * 10**6))) <= LONGEST_LINE + 1


def test_long_names_are_shown_whole() -> None:
    """A name of 4,096 characters is not shortened, nor are two of them in one error."""
    first, second = "a" * 4096, "b" * 4096
    assert str(UsageError(f"it would be written twice, for {first}", source=second)).startswith(f"{second}: ")
    assert first in str(UsageError(f"it would be written twice, for {first}", source=second))
    assert printable("é" * 120) == "é" * 120
    assert printable("\x1b" * 120) == "\\x1b" * 120
    assert printable("x" * 121) == "x" * 120 + "…"


def test_any_character_is_neutral() -> None:
    """No character of Unicode gets through that isn't printable, and JSON of it reads back."""
    from exportstream.writing.formats.json import to_printable_json  # noqa: PLC0415 - only this test

    everything = [chr(number) for number in range(sys.maxunicode + 1)]
    assert printable("".join(everything), len(everything)).isprintable()
    valid = "".join(one for one in everything if not "\ud800" <= one <= "\udfff")
    assert to_printable_json(valid).isprintable()
    assert json.loads(to_printable_json(valid)) == valid
