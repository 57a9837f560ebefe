"""Count the messages, and the tokens, in what a contender wrote or printed."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import IO, Any

TOKENS = ("inputTokens", "outputTokens", "cacheCreationTokens", "cacheReadTokens")


def open_output(name: str) -> IO[bytes]:
    """Open an output, decompressed if its name says that it is compressed."""
    if name.endswith(".gz"):
        return io.BufferedReader(gzip.open(name))
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


def count_database(name: str) -> int:
    """Count the messages in a SQLite database."""
    with closing(sqlite3.connect(name)) as connection:
        (count,) = connection.execute("select count(*) from messages").fetchone()
    return int(count)


def count_parquet(name: str) -> int:
    """Count the rows of a Parquet file."""
    from pyarrow import parquet

    return int(parquet.read_metadata(name).num_rows)


def count_tables(name: str) -> int:
    """Count the rows of the table of messages among several."""
    return count_rows(name.replace(".csv", ".messages.csv"))


def count_checked(name: str) -> int:
    """Count the messages of all sessions that were checked."""
    with open_output(name) as file:
        return sum(session["messages"] for session in json.load(file)["sessions"])


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


def read_tokens(name: str) -> list[int]:
    """Read the sums of `TOKENS` that our totals print, 0 for those that nobody stated."""
    with open_output(name) as file:
        counted = json.load(file)["counted"]
    return [counted[key]["sum"] or 0 for key in TOKENS]


def read_ccusage_tokens(name: str) -> list[int]:
    """Read the same of what ccusage prints. Of Codex it takes what was read from the cache out of the input."""
    with open_output(name) as file:
        totals = json.load(file)["totals"]
    inside = totals["cacheReadTokens"] if "reasoningOutputTokens" in totals else 0
    return [totals[key] + (inside if key == "inputTokens" else 0) for key in TOKENS]


def count_folder(name: str) -> int:
    """Count the records of all files of a folder."""
    return sum(count_lines(str(path)) for path in Path(name).rglob("[!.]*.zst"))  # the hidden manifest has no rows
