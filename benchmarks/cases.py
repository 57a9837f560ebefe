"""The contenders: what each one runs, and how its answer is counted.

A case is one command line, started in a process of its own. Where people would write a script, the script is a
function here, and the command line is ``python -m benchmarks.cases NAME SOURCE OUT``. A function takes the names of the
export and of the output, and raises what its library raises.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

ZSTD_PROGRAM = shutil.which("zstd")
FLATTEN = 'fromstream(2 | truncate_stream(inputs | select(.[0][0] == "messages")))'


class Case(NamedTuple):
    """One contender."""

    label: str
    command: list[str]  # with SOURCE and OUT where the file names go
    needs: str  # the module, or "program NAME", that it can't run without
    counter: Callable[[str], int] | None  # the messages in its output
    suffix: str = ""
    printed: bool = False  # its output is what it prints
    archive: bool = False  # it takes a folder of files, and writes one

    def missing(self) -> str | None:
        """Name what has to be installed first, if anything."""
        program = self.needs.removeprefix("program ")
        if program != self.needs:
            return None if shutil.which(program) else program
        return None if find_spec(self.needs) else self.needs

    def argv(self, source: str, out: str) -> list[str]:
        """Fill in the names."""
        return [{"SOURCE": source, "OUT": out}.get(word, word) for word in self.command]


# Counting ------------------------------------------------------------------------------------------------------------


def open_output(name: str) -> IO[bytes]:
    """Open an output, decompressed if its name says that it is compressed."""
    if not name.endswith(".zst"):
        return Path(name).open("rb")
    import zstandard

    return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(Path(name).open("rb"), closefd=True))


def count_lines(name: str) -> int:
    """Count the records of NDJSON."""
    with open_output(name) as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def count_rows(name: str) -> int:
    """Count the rows of CSV, without its head."""
    csv.field_size_limit(sys.maxsize)
    with io.TextIOWrapper(open_output(name), "utf-8", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def count_flattened(name: str) -> int:
    """Count the rows of flatterer's main table."""
    return count_rows(str(Path(name, "csv", "messages.csv")))


def read_number(name: str) -> int:
    """Read the number of messages that was printed, by itself or in totals."""
    with open_output(name) as file:
        value = json.load(file)
    return int(value if isinstance(value, int) else find_messages(value))


def find_messages(value: Any) -> int:
    """Find the number under the key `messages`, however deep."""
    found = [value["messages"]] if "messages" in value and isinstance(value["messages"], int) else []
    found += [find_messages(part) for part in value.values() if isinstance(part, dict)]
    return max(found, default=0)


def count_folder(name: str) -> int:
    """Count the records of all files of a folder."""
    return sum(count_lines(str(path)) for path in Path(name).iterdir())


# Scripts -------------------------------------------------------------------------------------------------------------


def zstandard_file(source: str, out: str) -> None:
    """Compress the file alone, where the zstd program is missing."""
    import zstandard

    with Path(source).open("rb") as file, Path(out).open("wb") as target:
        zstandard.ZstdCompressor(level=3).copy_stream(file, target)


def iter_messages(source: str, _out: str) -> None:
    """Read all messages, one object each."""
    from exportstream import iter_messages

    print(sum(1 for _ in iter_messages(source)))


def ijson_loop(source: str, _out: str) -> None:
    """Read all messages, one dict each."""
    import ijson

    with Path(source).open("rb") as file:
        print(sum(1 for _ in ijson.items(file, "messages.item")))


def ijson_script(source: str, out: str) -> None:
    """Do what people write first."""
    import ijson
    import zstandard

    with (
        Path(source).open("rb") as file,
        Path(out).open("wb") as target,
        zstandard.ZstdCompressor(level=3).stream_writer(target) as writer,
    ):
        for message in ijson.items(file, "messages.item"):
            writer.write(json.dumps(message, default=float, ensure_ascii=False).encode() + b"\n")


def orjson_memory(source: str, out: str) -> None:
    """Hold everything in memory."""
    import orjson
    import zstandard

    with (
        Path(source).open("rb") as file,
        Path(out).open("wb") as target,
        zstandard.ZstdCompressor(level=3).stream_writer(target) as writer,
    ):
        for message in orjson.loads(file.read())["messages"]:
            writer.write(orjson.dumps(message) + b"\n")


def flatterer(source: str, out: str) -> None:
    """Write a folder of CSV tables."""
    import flatterer

    flatterer.flatten(source, out, path=["messages"], main_table_name="messages")


def duckdb(source: str, out: str) -> None:
    """Let SQL do it; the whole document has to fit the reader's buffer."""
    import duckdb

    query = (
        "COPY (SELECT unnest(messages, max_depth := 2) FROM read_json($source, maximum_object_size := $size)) "
        "TO $out (FORMAT json, COMPRESSION zstd)"
    )
    size = max(1 << 24, Path(source).stat().st_size + (1 << 20))
    duckdb.execute(query, {"source": source, "size": size, "out": out})


def polars(source: str, out: str) -> None:
    """Let a data frame do it."""
    import polars as pl

    frame = pl.read_json(source).select(pl.col("messages").explode()).unnest("messages")
    frame.write_ndjson(out, compression="zstd")


SCRIPTS = {
    "floor": zstandard_file,
    "iter": iter_messages,
    "ijson": ijson_script,
    "ijson-loop": ijson_loop,
    "orjson": orjson_memory,
    "flatterer": flatterer,
    "duckdb": duckdb,
    "polars": polars,
}


def _script(name: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.cases", name, "SOURCE", "OUT"]


def _exportstream(*words: str) -> list[str]:
    return [sys.executable, "-m", "exportstream", *words]


_CONVERT = _exportstream("convert", "SOURCE", "-o", "OUT", "--quiet", "--force")
_MANY = _exportstream("convert", "SOURCE", "-o", "OUT", "--quiet", "--jobs")

CASES = {
    "floor": Case(
        "`zstd -3` of the file alone",
        [ZSTD_PROGRAM, "-3", "-T1", "-q", "-f", "SOURCE", "-o", "OUT"],
        "program zstd",
        None,
        ".zst",
    )
    if ZSTD_PROGRAM
    else Case("python-zstandard level 3 of the file alone", _script("floor"), "zstandard", None, ".zst"),
    "ndjson": Case("**exportstream** to NDJSON, zstd", _CONVERT, "exportstream", count_lines, ".ndjson.zst"),
    "ndjson-plain": Case(
        "exportstream to NDJSON, uncompressed",
        [*_CONVERT, "--compression", "none"],
        "exportstream",
        count_lines,
        ".ndjson",
    ),
    "csv": Case("exportstream to CSV, zstd", _CONVERT, "exportstream", count_rows, ".csv.zst"),
    "totals": Case(
        "exportstream `totals`", _exportstream("totals", "SOURCE", "--json"), "exportstream", read_number, printed=True
    ),
    "iter": Case("exportstream `iter_messages`", _script("iter"), "exportstream", read_number, printed=True),
    "ijson": Case("script with ijson, json, zstd", _script("ijson"), "ijson", count_lines, ".ndjson.zst"),
    "ijson-loop": Case("`ijson.items`, nothing written", _script("ijson-loop"), "ijson", read_number, printed=True),
    "orjson": Case("orjson in memory, zstd", _script("orjson"), "orjson", count_lines, ".ndjson.zst"),
    "jq": Case("`jq -c`, uncompressed", ["jq", "-c", ".messages[]", "SOURCE"], "program jq", count_lines, printed=True),
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
    "jobs-1": Case("exportstream, `--jobs 1`", [*_MANY, "1"], "exportstream", count_folder, archive=True),
    "jobs-2": Case("exportstream, `--jobs 2`", [*_MANY, "2"], "exportstream", count_folder, archive=True),
}


def main() -> int:
    """Run one script in this process; a failure is one line."""
    name, source, out = sys.argv[1:]
    try:
        SCRIPTS[name](source, out)
    except Exception as error:  # noqa: BLE001  # whatever a contender raises is its result
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
