"""The pages in docs/ do what they show, and their tables are those of the product."""

import bz2
import gzip
import lzma
import os
import re

import msgspec
import pytest
import zstandard

from exportstream import (
    ManyReport,
    Message,
    NotAnExportError,
    ReadError,
    Session,
    SessionCheck,
    ToolCall,
    Totals,
    convert,
    iter_messages,
)
from exportstream.cli.help import EXIT_CODES
from exportstream.cli.process import Exit
from exportstream.reading.findings import KINDS
from exportstream.writing.columns import ColumnType
from exportstream.writing.selection import TABLES
from tests.kit.columns import new_table, with_tables
from tests.test_readme import ROOT, check_blocks, make_clone, read_blocks, run

DOCS = ROOT / "docs"
PAGES = sorted(page.name for page in DOCS.glob("*.md"))


def sections(name):
    """The sections of a page by their titles."""
    parts = re.split(r"^## (.*)\n", (DOCS / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def table(text):
    """The cells of the first table of a text, without its head."""
    lines = re.search(r"^\|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)[1].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("name", PAGES)
def test_blocks(name, tmp_path):
    """The blocks of a page run in their order, and print what the page shows."""
    check_blocks(read_blocks(DOCS / name), make_clone(tmp_path))


@pytest.mark.parametrize("name", ["../README.md", *PAGES])
def test_links(name):
    """Links between the pages lead to a file, and to a section of it."""
    page = DOCS / name
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        file, _, section = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        assert found.is_file(), target
        titles = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
        assert not section or section in [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]


@pytest.mark.parametrize("name", ["../README.md", *PAGES])
def test_no_page_is_orphaned(name):
    """The README leads to every page."""
    assert name.startswith("..") or f"(docs/{name})" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_columns():
    """The tables of columns are those of the product; ``python -m tests.kit.columns`` writes them."""
    page = (DOCS / "columns.md").read_text(encoding="utf-8")
    assert with_tables(page) == page
    by_format = [row[0] for row in table(sections("columns.md")["Types by format"])]
    assert {kind.partition(" of ")[0] for kind in ColumnType} == {*by_format} - {"empty text", "absent"}


@pytest.mark.parametrize("name", TABLES)
def test_every_column_has_a_meaning(name):
    """Columns that hold sums or costs have a unit, and running totals are the same after every table."""
    columns = [column for part in new_table(name, running=True).columns for column in part]
    assert all(column.meaning for column in columns)
    assert all(column.unit for column in columns if column.is_sum or column.type is ColumnType.DECIMAL)
    assert new_table(name, running=True).columns[1] == new_table("messages", running=True).columns[1]


def test_kinds_of_findings():
    """Every kind of finding is listed, with the words of the command."""
    assert {row[0].strip("`"): row[1] for row in table(sections("check.md")["Kinds"])} == KINDS


MESSAGE = '{"id":"m","role":"user","content":"x","createdAt":"2025-01-01T00:00:00Z","updatedAt":"2025-01-01T00:00:00Z"}'


def session(message=MESSAGE, keys='"id":"s","title":"t",'):
    return f'{{{keys}"messages":[{message}]}}'


def totals_of(text, options=""):
    return f"printf '%s' '{text}' > in.json; exportstream totals {options} in.json"


SAMPLE = "tests/data/session.json"
ERRORS = {
    "expected a session object with `messages`": totals_of('[{"a":1}]'),
    "expected a session export, got what looks like": totals_of('[{"custom_id":"a","response":{}}]'),
    "expected a session with `id`": totals_of(session(keys="")),
    "expected JSON, got a zip archive": f"python -m zipfile -c in.zip {SAMPLE}; exportstream totals - < in.zip",
    "expected JSON, got a tar archive": f"tar -cf in.tar {SAMPLE}; exportstream totals in.tar",
    "expected JSON, got HTML or XML": totals_of("<html>"),
    "expected a session export, got an error response": totals_of('{"error":{"code":404,"message":"no session"}}'),
    "expected a session export, got an empty input": totals_of(""),
    "expected each key of a session once": totals_of(session(keys='"id":"s","id":"s","title":"t",')),
    "got what looks like an output of exportstream": f"exportstream convert {SAMPLE} -o o.ndjson; exportstream check o.ndjson",
    "the input ends before the document is complete": f"head -c 900 {SAMPLE} > in.json; exportstream totals in.json",
    "the compressed input is cut": f"gzip -c {SAMPLE} | head -c 300 > in.gz; exportstream totals in.gz",
    "data is damaged": f"(gzip -c {SAMPLE} | head -c 300; head -c 900 /dev/zero | tr '\\0' '\\377') > in.gz; exportstream totals in.gz",
    "something else follows the gzip data": f"(gzip -c {SAMPLE}; echo more) > in.gz; exportstream totals in.gz",
    "it is compressed twice": f"gzip -c {SAMPLE} | gzip > in.gz; exportstream totals in.gz",
    "not JSON:": totals_of(session() + "]"),
    "expected UTF-8, got UTF-16": f"iconv -t UTF-16 {SAMPLE} > in.json; exportstream totals in.json",
    "expected the required key": totals_of(session('{"id":"m","role":"user","content":"x"}')),
    "expected string, got number": totals_of(session(MESSAGE.replace('"x"', "5"))),
    "expected one spelling of a key": totals_of(session(MESSAGE.replace("{", '{"created_at":"x",'))),
    "messages have null dates": "exportstream totals tests/data/session.sdk-0.8.1-no-alias.json",
    "levels of objects and arrays": totals_of(session(keys=f'"id":"s","title":"t","x":{"[" * 600}{"]" * 600},')),
    "digits, got a longer one": totals_of(session(keys=f'"id":"s","title":"t","x":{"1" * 5000},')),
    "a number is out of range": totals_of(session(keys='"id":"s","title":"t","x":1e99999999999999999999,')),
    "expected a message of at most": f"exportstream totals --max-message-size 40 {SAMPLE}",
    "asks for a window of more than": f"zstd -q < {SAMPLE} > in.zst; exportstream totals --max-window 1KiB in.zst",
    "expected the session's `id` before its messages": f"echo '{{\"messages\":[{MESSAGE}]}}' | cat | exportstream totals -",
    "the output exists": f"touch out.csv; exportstream convert {SAMPLE} -o out.csv",
    "can't tell the format from the name": f"exportstream convert {SAMPLE} -o out.txt",
    "expected a folder for the outputs of several inputs": f"exportstream convert {SAMPLE} tests/data/*.json -o out.csv",
    "the output is a folder": f"mkdir rows; exportstream convert {SAMPLE} --merge -o rows",
    "its folder does not exist": f"exportstream convert {SAMPLE} -o rows/out.csv",
    "it would be written twice": f"mkdir x; cp {SAMPLE} x/session.json; exportstream convert {SAMPLE} x/session.json -o rows/",
    "several tables can't share one stream": f"exportstream convert {SAMPLE} --table all -o -",
    "contradicts the name": f"exportstream convert {SAMPLE} -o out.csv.zst --format csv.gz",
    "no exports found": "mkdir x; exportstream convert x -o rows/",
    "ignored:": f"mkdir x; cp {SAMPLE} x; echo '[]' > x/p.json; exportstream convert x -o rows/; false",
    "No such file or directory": "exportstream totals missing.json",
    "No space left on device": f"exportstream convert {SAMPLE} -o - > /dev/full",
    "can't connect": "exportstream totals http://name:secret@127.0.0.1:9/in.json",
    "the file changed while it was": None,  # see test_changed_input
}


def test_every_error_is_tried():
    """Each error of the page has a command here that provokes it."""
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    assert re.findall(r"^### (.*)$", text, re.MULTILINE) == list(ERRORS)


@pytest.mark.parametrize("words", list(ERRORS)[:-1])
def test_errors(words, tmp_path):
    """The command prints the words that the page is about, on one line."""
    if "/dev/full" in ERRORS[words] and not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    done = run(ERRORS[words], make_clone(tmp_path))
    assert words in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_changed_input(tmp_path):
    """An input that grows while it is read is an error that has the words of the page."""
    path = tmp_path / "in.json"
    path.write_text(session(), encoding="utf-8")
    with pytest.raises(ReadError, match=list(ERRORS)[-1]):
        convert(path, tmp_path / "out.csv", progress=lambda _: path.write_text(session() + " ", encoding="utf-8"))


def test_json_keys():
    """Every key of the reports is on the page of JSON shapes."""
    text = (DOCS / "json.md").read_text(encoding="utf-8")

    def keys(value):
        for name, inner in value.items():
            yield name
            if isinstance(inner, dict) and name not in ("roles", "cut", "findings"):
                yield from keys(inner)

    documents = [ManyReport().to_dict(), Totals().to_dict(), SessionCheck(None, None, 0, {}, {}, {}).to_dict()]
    assert [name for found in documents for name in keys(found) if f'"{name}"' not in text and f"`{name}`" not in text] == []


def test_exit_codes():
    """The README lists the exit codes of the command, in the words of its help."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = {int(code): meaning.replace("`", "") for code, meaning in table(text.partition("## Exit codes")[2])}
    assert listed == EXIT_CODES
    assert set(EXIT_CODES) == set(Exit)


def test_environment_variables():
    """The page of the command lists the environment variables that the code reads."""
    listed = re.findall(r"^\| `(EXPORTSTREAM_\w+)=1?0?`", (DOCS / "command.md").read_text(encoding="utf-8"), re.MULTILINE)
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    assert set(listed) == set(re.findall(r'environ\.get\("(EXPORTSTREAM_\w+)"', code))


def fields_of_logs():
    """The columns that only logs and chats fill, which their pages list."""
    rows = [row for page in ("logs.md", "chats.md") for row in table(sections(page)["Who fills which column"])]
    return {re.findall(r"`(\w+)`", row[0])[0] for row in rows}


@pytest.mark.parametrize("kind", [Message, ToolCall, Session])
def test_input_keys(kind):
    """The required and optional keys are those of the reader."""
    row = {Session: 0, Message: 1, ToolCall: 2}[kind]
    required, optional = (re.findall(r"`(\w+)`", cell) for cell in table(sections("input.md")["Keys"])[row][1:])
    known = {f.encode_name: f.required for f in msgspec.structs.fields(kind)}
    filled = fields_of_logs()
    ours = {"sessionId", "messageIndex", "extra", *filled}
    assert sorted([*required, *optional]) == sorted({*known, *(["messages"] if kind is Session else [])} - ours)
    if kind is not Session:
        assert set(required) == {name for name, is_required in known.items() if is_required}


SDK_RESPONSE = f'{{"headers":{{}},"result":{session()}}}'


@pytest.mark.parametrize(
    "text", [session(), SDK_RESPONSE, f"[{session()}]", f"{session()}\n{session()}", f"{SDK_RESPONSE}\n" * 2]
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_shapes(text, compress):
    """The shapes and compressions that the page of inputs lists are read."""
    assert len(list(iter_messages(compress(text.encode())))) == text.count("messages")


@pytest.mark.parametrize("text", [f"[{SDK_RESPONSE}]", "[]"])
def test_shapes_that_are_refused(text):
    """An array of SDK responses and an empty array are no exports."""
    with pytest.raises(NotAnExportError):
        list(iter_messages(text.encode()))
