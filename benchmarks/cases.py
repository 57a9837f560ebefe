"""The contenders: what each one runs; `counting` has how its answer is counted.

A case is one command line, started in a process of its own. Where people would write a script, that script is a function
of `benchmarks.scripts`.
"""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.counting import (
    count_checked,
    count_database,
    count_flattened,
    count_folder,
    count_lines,
    count_parquet,
    count_rows,
    count_tables,
    read_ccusage_tokens,
    read_number,
    read_tokens,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ZSTD_PROGRAM = shutil.which("zstd")
CCUSAGE = (
    'if [ -d "$0/projects" ]; then CLAUDE_CONFIG_DIR="$0" exec ccusage claude daily --offline --json; '
    'else CODEX_HOME="$0" exec ccusage codex daily --offline --json; fi'
)
FLATTEN = 'fromstream(2 | truncate_stream(inputs | select(.[0][0] == "messages")))'


class Case(NamedTuple):
    """One contender."""

    label: str
    command: list[str]  # with SOURCE and OUT where the file names go
    needs: str  # the module, or "program NAME", that it can't run without
    counter: Callable[[str], int] | None  # the messages in its output
    suffix: str = ""
    printed: bool = False  # its output is what it prints
    takes: tuple[str, ...] = ("document",)  # the kinds of shapes that it can be given, see `generate.kind_of`
    tokens: Callable[[str], list[int]] | None = None  # the sums of tokens in its output, which have to be those of others

    def missing(self) -> str | None:
        """Name what has to be installed first, if anything."""
        program = self.needs.removeprefix("program ")
        if program != self.needs:
            return None if shutil.which(program) else program
        return None if find_spec(self.needs) else self.needs

    def argv(self, source: str, out: str) -> list[str]:
        """Fill in the names."""
        return [word.replace("SOURCE", source, 1) if word != "OUT" else out for word in self.command]


def _script(name: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.scripts", name, "SOURCE", "OUT"]


def _exportstream(*words: str) -> list[str]:
    return [sys.executable, "-m", "exportstream", *words]


_DOCUMENT, _LINES, _ARRAY, _FOLDER, _LOGS = ("document",), ("lines",), ("array",), ("folder",), ("logs",)
_SESSIONS = (*_LINES, *_ARRAY)
_CHATS, _ZIP = ("chats",), ("zip",)
_ANY_FILE = (*_DOCUMENT, *_SESSIONS, *_CHATS)
_CONVERT = _exportstream("convert", "SOURCE", "-o", "OUT", "--quiet", "--force")
_MANY = _exportstream("convert", "SOURCE", "-o", "OUT", "--quiet", "--jobs")
_TOTALS = _exportstream("totals", "SOURCE", "--json", "--jobs")

CASES = {
    "floor": Case(
        "`zstd -3` of the file alone",
        [ZSTD_PROGRAM, "-3", "-T1", "-q", "-f", "SOURCE", "-o", "OUT"],
        "program zstd",
        None,
        ".zst",
        takes=(*_DOCUMENT, *_CHATS),
    )
    if ZSTD_PROGRAM
    else Case("python-zstandard level 3 of the file alone", _script("floor"), "zstandard", None, ".zst"),
    "ndjson": Case(
        "**exportstream** to NDJSON, zstd", _CONVERT, "exportstream", count_lines, ".ndjson.zst", takes=_ANY_FILE
    ),
    "ndjson-2": Case(
        "exportstream to NDJSON, zstd, `--jobs 2`",
        [*_CONVERT, "--jobs", "2"],
        "exportstream",
        count_lines,
        ".ndjson.zst",
        takes=_ANY_FILE,
    ),
    "ndjson-plain": Case(
        "exportstream to NDJSON, uncompressed",
        [*_CONVERT, "--format", "ndjson"],
        "exportstream",
        count_lines,
        ".ndjson",
    ),
    "csv": Case("exportstream to CSV, zstd", _CONVERT, "exportstream", count_rows, ".csv.zst"),
    "csv-2": Case(
        "exportstream to CSV, zstd, `--jobs 2`", [*_CONVERT, "--jobs", "2"], "exportstream", count_rows, ".csv.zst"
    ),
    "csv-all": Case(
        "exportstream to CSV, zstd, all tables",
        [*_CONVERT, "--table", "all"],
        "exportstream",
        count_tables,
        ".csv.zst",
    ),
    "gzip": Case("exportstream to NDJSON, gzip", _CONVERT, "exportstream", count_lines, ".ndjson.gz"),
    "running-totals": Case(
        "exportstream to NDJSON, zstd, `--running-totals`",
        [*_CONVERT, "--running-totals"],
        "exportstream",
        count_lines,
        ".ndjson.zst",
    ),
    "dedupe": Case(
        "exportstream to NDJSON, zstd, `--dedupe`", [*_CONVERT, "--dedupe"], "exportstream", count_lines, ".ndjson.zst"
    ),
    "parquet": Case("exportstream to Parquet", _CONVERT, "pyarrow", count_parquet, ".parquet"),
    "sqlite": Case("exportstream to SQLite, all tables", _CONVERT, "exportstream", count_database, ".db"),
    "check": Case(
        "exportstream `check`",
        _exportstream("check", "SOURCE", "--json"),
        "exportstream",
        count_checked,
        printed=True,
    ),
    "totals": Case(
        "exportstream `totals`",
        _exportstream("totals", "SOURCE", "--json"),
        "exportstream",
        read_number,
        printed=True,
        takes=(*_ANY_FILE, *_ZIP),
    ),
    "ndjson-ijson": Case(
        "exportstream to NDJSON, zstd; ijson alone (`EXPORTSTREAM_BLOCKS=0`)",
        ["env", "EXPORTSTREAM_BLOCKS=0", *_CONVERT],
        "exportstream",
        count_lines,
        ".ndjson.zst",
        takes=(*_DOCUMENT, *_SESSIONS),
    ),
    "iter": Case("exportstream `iter_messages`", _script("iter"), "exportstream", read_number, printed=True),
    "ijson": Case("script with ijson, json, zstd", _script("ijson"), "ijson", count_lines, ".ndjson.zst"),
    "ijson-loop": Case("`ijson.items`, nothing written", _script("ijson-loop"), "ijson", read_number, printed=True),
    "orjson": Case("orjson in memory, zstd", _script("orjson"), "orjson", count_lines, ".ndjson.zst"),
    "jq": Case(
        "`jq -c`, uncompressed",
        ["jq", "-c", ".messages[]", "SOURCE"],
        "program jq",
        count_lines,
        printed=True,
        takes=(*_DOCUMENT, *_LINES),
    ),
    "jq-array": Case(
        "`jq -c`, uncompressed",
        ["jq", "-c", ".[].messages[]", "SOURCE"],
        "program jq",
        count_lines,
        printed=True,
        takes=_ARRAY,
    ),
    "jq-stream": Case(
        "`jq --stream`, uncompressed",
        ["jq", "-cn", "--stream", FLATTEN, "SOURCE"],
        "program jq",
        count_lines,
        printed=True,
    ),
    "flatterer": Case("flatterer to CSV, uncompressed", _script("flatterer"), "flatterer", count_flattened),
    "duckdb": Case("DuckDB to NDJSON, zstd", _script("duckdb"), "duckdb", count_lines, ".ndjson.zst"),
    "polars": Case("Polars to NDJSON, zstd", _script("polars"), "polars", count_lines, ".ndjson.zst"),
    "msgspec-lines": Case(
        "script with msgspec, zstd", _script("msgspec-lines"), "msgspec", count_lines, ".ndjson.zst", takes=_LINES
    ),
    "msgspec-array": Case(
        "script with msgspec, zstd", _script("msgspec-array"), "msgspec", count_lines, ".ndjson.zst", takes=_ARRAY
    ),
    "duckdb-sessions": Case(
        "DuckDB to NDJSON, zstd", _script("duckdb-sessions"), "duckdb", count_lines, ".ndjson.zst", takes=_SESSIONS
    ),
    "polars-sessions": Case(
        "Polars to NDJSON, zstd", _script("polars-sessions"), "polars", count_lines, ".ndjson.zst", takes=_SESSIONS
    ),
    "orjson-chats": Case("orjson in memory, zstd", _script("orjson-chats"), "orjson", None, ".ndjson.zst", takes=_CHATS),
    "jq-chats": Case(
        "`jq -c`, uncompressed",
        ["jq", "-c", ".[] | .mapping[]?.message, .chat_messages[]?, .messages[]? | values", "SOURCE"],
        "program jq",
        None,
        printed=True,
        takes=_CHATS,
    ),
    "ndjson-zip": Case(
        "exportstream to NDJSON, zstd",
        _exportstream("convert", "SOURCE::conversations.json", "-o", "OUT", "--quiet", "--force"),
        "exportstream",
        count_lines,
        ".ndjson.zst",
        takes=_ZIP,
    ),
    "unzip": Case("`unzip -p`, nothing read", ["unzip", "-p", "SOURCE"], "program unzip", None, printed=True, takes=_ZIP),
    "jobs-1": Case("exportstream, `--jobs 1`", [*_MANY, "1"], "exportstream", count_folder, takes=(*_FOLDER, *_LOGS)),
    "jobs-2": Case("exportstream, `--jobs 2`", [*_MANY, "2"], "exportstream", count_folder, takes=(*_FOLDER, *_LOGS)),
    "totals-1": Case(
        "exportstream `totals --jobs 1`",
        [*_TOTALS, "1"],
        "exportstream",
        read_number,
        printed=True,
        takes=_LOGS,
        tokens=read_tokens,
    ),
    "totals-2": Case(
        "exportstream `totals --jobs 2`",
        [*_TOTALS, "2"],
        "exportstream",
        read_number,
        printed=True,
        takes=_LOGS,
        tokens=read_tokens,
    ),
    "ccusage": Case(
        "`ccusage daily`",
        ["sh", "-c", CCUSAGE, "SOURCE"],
        "program ccusage",
        None,
        printed=True,
        takes=_LOGS,
        tokens=read_ccusage_tokens,
    ),
}
