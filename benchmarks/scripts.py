"""The scripts among the contenders: ``python -m benchmarks.scripts NAME SOURCE OUT``.

Each takes the names of the export and of the output, and raises what its library raises.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


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


def orjson_chats(source: str, out: str) -> None:
    """Hold all conversations in memory, write their messages."""
    import orjson
    import zstandard

    with (
        Path(source).open("rb") as file,
        Path(out).open("wb") as target,
        zstandard.ZstdCompressor(level=3).stream_writer(target) as writer,
    ):
        for conversation in orjson.loads(file.read()):
            nodes = conversation.get("mapping", {}).values()
            messages = conversation.get("chat_messages") or conversation.get("messages") or []
            for message in [*(node["message"] for node in nodes), *messages]:
                if message is not None:
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


def msgspec_lines(source: str, out: str) -> None:
    """Decode a line, encode its messages."""
    import msgspec

    with Path(source).open("rb") as file:
        _write_messages(map(msgspec.json.Decoder().decode, file), out)


def msgspec_array(source: str, out: str) -> None:
    """Decode everything, encode the messages of each session."""
    import msgspec

    _write_messages(msgspec.json.decode(Path(source).read_bytes()), out)


def _write_messages(sessions: Iterable[dict[str, Any]], out: str) -> None:
    import msgspec
    import zstandard

    encoder = msgspec.json.Encoder()
    with Path(out).open("wb") as target, zstandard.ZstdCompressor(level=3).stream_writer(target) as writer:
        for session in sessions:
            writer.write(encoder.encode_lines(session["messages"]))


def duckdb_sessions(source: str, out: str) -> None:
    """Let SQL do it; DuckDB tells lines from an array by itself."""
    import duckdb

    query = "COPY (SELECT unnest(messages, max_depth := 2) FROM read_json($source)) TO $out (FORMAT json, COMPRESSION zstd)"
    duckdb.execute(query, {"source": source, "out": out})


def polars_sessions(source: str, out: str) -> None:
    """Let a lazy data frame do it."""
    import polars as pl

    frame = pl.scan_ndjson(source).select(pl.col("messages").explode()).unnest("messages")
    frame.sink_ndjson(out, compression="zstd")


SCRIPTS = {
    "floor": zstandard_file,
    "iter": iter_messages,
    "ijson": ijson_script,
    "ijson-loop": ijson_loop,
    "orjson": orjson_memory,
    "orjson-chats": orjson_chats,
    "flatterer": flatterer,
    "duckdb": duckdb,
    "polars": polars,
    "msgspec-lines": msgspec_lines,
    "msgspec-array": msgspec_array,
    "duckdb-sessions": duckdb_sessions,
    "polars-sessions": polars_sessions,
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
