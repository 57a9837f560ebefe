"""Write an export of any size: ``python -m benchmarks.generate SHAPE SIZE OUT [--seed N]``.

The file is written as it is made; what is held is the text it is cut from, `POOL_LIMIT` small tool calls, and the
messages of one session where there are many. The same shape, size, seed and Python give the same bytes.

============ =========================================================================================
long         about 4.5 KB a message: code, logs, some base64
dense        about 0.5 KB a message: several small tool calls
tiny         as small as a valid message gets
huge         one string of the whole size (a log in a tool result, ASCII)
escape       terminal output, Windows paths, markup and non-ASCII text
sdk-*        long and dense as the SDK writes them: its key order, totals at the end, no usage, empty ``inputJson``
unknown-*    the same messages as long and dense, with one unknown key in each
sessions-N   the same messages as dense, N in each session, a session per line; ``-array``: one array of them
archive      a folder of long and dense files of up to 1 MB, five times the size in all
empty        a folder of as many sessions without a message
codex        a folder of Codex rollouts of 25 MB: a response is eight lines of 1 KB on average
compacted    a folder of one rollout, 95 % of whose bytes are compacted histories
transcripts  a folder of Claude Code sessions of 20 MB with sub-agents: a response is about six lines of 2 KB
chatgpt      conversations of ChatGPT, 0.9 KB a message; ``-zip``: in a zip
claude-ai    conversations of claude.ai, 1.8 KB a message
opencode     sessions of opencode, 2.0 KB a message
small        a folder of four times as many files, each one session of 5 messages
============ =========================================================================================
"""

from __future__ import annotations

import argparse
import re
import shutil
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import chats, logs
from benchmarks.chats import CHATS, generate_chats
from benchmarks.logs import LOGS, generate_logs
from benchmarks.messages import HUGE, Session
from benchmarks.run import count_messages

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 1
SHAPES = ("long", "dense", "tiny", "huge", "escape", "sdk-long", "sdk-dense", "unknown-long", "unknown-dense")
SESSION_SIZES = (1, 5, 50)  # messages a session
SESSIONS = tuple(f"sessions-{each}{form}" for form in ("", "-array") for each in SESSION_SIZES)
FOLDERS = ("archive", "empty", "small")
FOLDER_FILE = 1_000_000  # bytes
DIFFERENT = 20  # files of an archive; the others are copies, so that 1 GB does not take minutes to make
UNKNOWN = b',"serverBuild":"2026.3.1"}'
SUFFIXES = {"document": ".json", "lines": ".ndjson", "array": ".json", "chats": ".json", "zip": ".zip"}


def kind_of(shape: str) -> str:
    """Name what a shape is: a `document`, sessions as `lines` or an `array`, a `folder`, `logs`, `chats`, a `zip`."""
    if shape in SESSIONS:
        return "array" if shape.endswith("-array") else "lines"
    if shape in CHATS:
        return "zip" if shape.endswith("-zip") else "chats"
    return "folder" if shape in FOLDERS else "logs" if shape in LOGS else "document"


def write(shape: str, size: int, out: Path, seed: int = 0) -> None:
    """Write one of all shapes."""
    if shape in LOGS:
        generate_logs(shape, size, out, seed)
    elif shape in CHATS:
        generate_chats(shape, size, out, seed)
    elif shape in FOLDERS:
        generate_folder(shape, size, out, seed)
    elif shape in SESSIONS:
        generate_sessions(shape, size, out, seed)
    else:
        generate(shape, size, out, seed)


def count(shape: str, path: Path) -> int:
    """Count the rows that a generated file or folder has."""
    if shape in CHATS:
        return chats.count_rows(shape, path)
    return logs.count_rows(path) if shape in LOGS else count_messages(path)


def parse_size(text: str) -> int:
    """Turn ``200MB``, ``1GB`` or ``1`` into bytes (decimal units)."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(|K|M|G)B?", text.strip(), re.IGNORECASE)
    if not found:
        raise argparse.ArgumentTypeError(f"not a size: {text!r}; write it as 200MB or 1GB")
    return int(float(found[1]) * {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}[found[2].upper()])


def generate(shape: str, size: int, out: Path, seed: int = 0) -> Session:
    """Write one document of about `size` bytes (one turn at least) to `out`; return the session with its counts."""
    session = Session(shape, size, seed)
    unknown, place = shape.startswith("unknown-"), session.string(HUGE).encode()[1:-1]
    with out.open("wb", buffering=1 << 20) as file:
        file.write(session.head())
        comma = b""
        for message in session.iter_messages(1 if shape == "huge" else size):
            rest = message
            if shape == "huge" and place in message:
                start, _, rest = message.partition(place)
                file.write(comma + start)
                comma = b""
                while file.tell() < size:
                    file.write(session.string(session.text.log(20_000)).encode("ascii", "ignore")[1:-1])
            file.write(comma + (rest[:-1] + UNKNOWN if unknown else rest))
            comma = b","
        file.write(session.tail())
        file.seek(0)
        file.write(session.head())
    return session


def iter_sessions(each: int, size: int, seed: int) -> Iterator[bytes]:
    """Make the messages that `generate` writes for ``dense``, as sessions of `each`; the last one may have fewer."""
    session = Session("dense", size, seed)
    messages = session.iter_messages(size)
    while some := list(islice(messages, each)):
        yield session.close(some)


def generate_sessions(shape: str, size: int, out: Path, seed: int = 0) -> None:
    """Write one of `SESSIONS`: with the messages' envelopes, the file is larger than `size`."""
    start, between, end = (b"[", b",", b"]\n") if kind_of(shape) == "array" else (b"", b"\n", b"\n")
    with out.open("wb", buffering=1 << 20) as file:
        for text in iter_sessions(int(shape.split("-")[1]), size, seed):
            file.write(start + text)
            start = between
        file.write(end)


def generate_folder(shape: str, size: int, folder: Path, seed: int = 0) -> None:
    """Write the files of one of `FOLDERS`: a thousand (small: 4,000) for the 200 MB that the other shapes have."""
    folder.mkdir(parents=True)
    if shape == "small":
        count = max(2, size // (FOLDER_FILE // 20))
        for number, text in enumerate(islice(iter_sessions(5, size, seed), count)):
            Path(folder, f"{number:06}.json").write_bytes(text + b"\n")
        return
    for number in range(max(2, size // (FOLDER_FILE // 5))):
        path = folder / f"{number:06}.json"
        if shape == "empty":
            path.write_text(f'{{"id":"{number}","title":"","messages":[]}}')
        elif number < DIFFERENT:
            generate(("long", "dense")[number % 2], min(size, FOLDER_FILE), path, seed + number)
        else:
            shutil.copyfile(folder / f"{number % DIFFERENT:06}.json", path)


def main() -> None:
    """Generate one file or folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description="Write an export of any size.")
    parser.add_argument("shape", choices=(*SHAPES, *SESSIONS, *FOLDERS, *LOGS, *CHATS))
    parser.add_argument("size", type=parse_size, help="such as 200MB or 1GB")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write(options.shape, options.size, options.out, options.seed)
    print(f"{options.out}: {count(options.shape, options.out):,} messages")


if __name__ == "__main__":
    main()
