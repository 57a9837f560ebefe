"""Write an export of any size: ``python -m benchmarks.generate SHAPE SIZE OUT [--seed N]``.

The file is written as it is made; what is held is the text it is cut from and `POOL_LIMIT` small
tool calls. The same shape, size, seed and Python give the same bytes.

========= ============================================================================================
long      about 4.5 KB a message: code, logs, some base64
dense     about 0.5 KB a message: several small tool calls
tiny      as small as a valid message gets
huge      one string of the whole size (a log in a tool result, ASCII)
escape    terminal output, Windows paths, markup and non-ASCII text
sdk-*     long and dense as the SDK writes them: its key order, totals at the end, no usage, empty ``inputJson``
unknown-* the same messages as long and dense, with one unknown key in each
archive   a folder of long and dense files of up to 1 MB, five times the size in all
empty     a folder of as many sessions without a message
========= ============================================================================================
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.corpus import Text

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = 1
SHAPES = ("long", "dense", "tiny", "huge", "escape", "sdk-long", "sdk-dense", "unknown-long", "unknown-dense")
ARCHIVES = ("archive", "empty")
ARCHIVE_FILE = 1_000_000  # bytes
DIFFERENT = 20  # files of an archive; the others are copies, so that 1 GB does not take minutes to make
POOL_LIMIT = 50_000  # times some 150 bytes: beyond the 2 MiB in which zstd -3 finds repetitions
HEAD_LENGTH = 400
UNKNOWN = b',"serverBuild":"2026.3.1"}'
MODELS = ("claude-sonnet-4", "claude-opus-4", "claude-haiku-4")
HUGE = "\0"  # stands where the huge string is to be written

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)
_START = datetime(2025, 10, 3, 10, 0, 0, tzinfo=timezone(timedelta(hours=5, minutes=30)))


class Call(NamedTuple):
    """A tool call that lacks only its id."""

    before: str
    after: str


def parse_size(text: str) -> int:
    """Turn ``200MB``, ``1GB`` or ``1`` into bytes (decimal units)."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(|K|M|G)B?", text.strip(), re.IGNORECASE)
    if not found:
        raise argparse.ArgumentTypeError(f"not a size: {text!r}; write it as 200MB or 1GB")
    return int(float(found[1]) * {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}[found[2].upper()])


def go_escape(encoded: str) -> str:
    """Add the escapes of Go's ``encoding/json`` to what is JSON already."""
    encoded = encoded.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return encoded.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def as_decimal(micros: int) -> str:
    """Write millionths of a dollar as the shortest JSON number."""
    return f"{micros // 10**6}.{micros % 10**6:06d}".rstrip("0").rstrip(".")


class Session:
    """Makes the messages of one session, and counts what its totals have to declare."""

    def __init__(self, shape: str, size: int, seed: int) -> None:
        self.sdk = shape.startswith("sdk-")
        self.text = Text(size, seed)
        self.random = self.text.random.random
        self.turn: Callable[[], list[str]] = getattr(self, f"{shape.rpartition('-')[2]}_turn")
        self.pool: list[Call] = []
        self.seconds = self.messages = self.calls = self.prompt = self.completion = self.micros = 0
        self.roles = {"user": 0, "assistant": 0, "tool": 0}

    # Turns: the user's message and what follows it -------------------------------------------------------------------

    def long_turn(self) -> list[str]:
        """Make four messages of 4.5 KB on average."""
        return [
            self.message("user", self.string(self.text.code(200, 2500))),
            self.asking(self.string(self.text.code(100, 2000)), [self.long_call() for _ in range(self.text.between(1, 3))]),
            self.message("tool", '""'),
            self.message("assistant", self.string(self.text.code(500, 5000)), finish="end_turn"),
        ]

    def dense_turn(self) -> list[str]:
        """Make ten messages of 0.5 KB on average."""
        turn = [self.message("user", self.string(self.text.code(30, 120)))]
        for _ in range(4):
            calls = [self.dense_call() for _ in range(self.text.between(2, 4))]
            turn += [self.asking(self.string(self.text.code(0, 40)), calls), self.message("tool", '""')]
        return [*turn, self.message("assistant", self.string(self.text.code(40, 200)), finish="end_turn")]

    def tiny_turn(self) -> list[str]:
        """Make two messages with nothing but what a message must have."""
        turn = []
        for role in ("user", "assistant"):
            self.messages += 1
            self.seconds += 1
            self.roles[role] += 1
            date = self.date()[:19] + "Z"
            turn.append(
                f'{{"id":"{self.messages:x}","role":"{role}","content":"ok","createdAt":"{date}","updatedAt":"{date}"}}'
            )
        return turn

    def escape_turn(self) -> list[str]:
        """Make four messages in which much is written as an escape or in several bytes."""
        kinds = (self.text.terminal, self.text.paths, self.text.markup, self.text.other_script)
        texts = [kind(self.text.between(300, 3000)) for kind in kinds]
        self.text.random.shuffle(texts)
        return [
            self.message("user", self.string(texts[0])),
            self.asking(self.string(texts[1]), [self.call("Bash", {"command": texts[2][:200]}, texts[2])]),
            self.message("tool", '""'),
            self.message("assistant", self.string(texts[3]), finish="end_turn"),
        ]

    def huge_turn(self) -> list[str]:
        """Make two messages, of which the second has the huge string's place in it."""
        call = self.call("Bash", {"command": "cat log"}, HUGE)
        return [self.message("user", '"Show me the log."'), self.asking('""', [call])]

    # Tool calls ------------------------------------------------------------------------------------------------------

    def long_call(self) -> Call:
        """Draw a file that is written, a log, a file that is read, or seldom a screenshot."""
        kind, text = self.random(), self.text
        path = f"src/{text.between(0, 999)}.py"
        if kind < 0.3:
            return self.call("Write", {"path": path, "content": text.code(500, 4000)}, "ok")
        if kind < 0.6:
            return self.call("Bash", {"command": f"pytest {path}", "timeout": 30000}, text.log(text.between(500, 6000)))
        if kind < 0.985:
            return self.call("ReadText", {"path": path}, text.code(1000, 8000))
        return self.call("ReadMedia", {"path": "screen.png"}, text.image(text.between(2000, 20000)))

    def dense_call(self) -> Call:
        """Draw a small call; from a pool, once that is full."""
        if len(self.pool) == POOL_LIMIT:
            return self.pool[int(self.random() * POOL_LIMIT)]
        name, key = (("Grep", "pattern"), ("Glob", "pattern"), ("Bash", "command"))[self.text.between(0, 2)]
        value = {key: self.text.code(5, 30).strip(), "limit": self.text.between(1, 100)}
        self.pool.append(self.call(name, value, self.text.code(0, 60)))
        return self.pool[-1]

    def call(self, name: str, value: dict[str, Any], result: str) -> Call:
        """Encode a tool call: `input` is the text that a model wrote, `inputJson` the server's reading of it."""
        text, answer = self.string(json.dumps(value, separators=(",", ":"))), self.string(result)
        if self.sdk:
            after = f'","input":{text},"name":"{name}","type":"tool_use","inputJson":{{}},"result":{answer}}}'
            return Call('{"finished":true,"id":"', after)
        start = f'","name":"{name}","input":{text},"inputJson":{go_escape(_JSON.encode(value))},"type":"tool_use"'
        failed = ',"isError":true' if "Error" in result else ""
        return Call('{"id":"', f'{start},"finished":true,"result":{answer}{failed}}}')

    # Messages --------------------------------------------------------------------------------------------------------

    def string(self, text: str) -> str:
        """Encode a string as Go does, or as the SDK, which leaves markup and line separators as they are."""
        return _JSON.encode(text) if self.sdk else go_escape(_JSON.encode(text))

    def asking(self, content: str, calls: list[Call]) -> str:
        """Make an assistant's message that calls tools."""
        start, self.calls = self.calls, self.calls + len(calls)
        made = [f"{call.before}toolu_{n:07x}{call.after}" for n, call in enumerate(calls, start)]
        return self.message("assistant", content, f'"toolCalls":[{",".join(made)}]', "tool_use")

    def message(self, role: str, content: str, calls: str = "", finish: str = "") -> str:
        """Make one message out of encoded parts, and count it."""
        self.messages += 1
        self.roles[role] += 1
        identity, created = f'"id":"7b0f3c1e-{self.messages:07x}","role":"{role}"', self.date()
        self.seconds += 1 + self.messages % 5
        updated = f'"updatedAt":"{self.date()}"'
        if self.sdk:
            start = f'{{"content":{content},"createdAt":"{created}",{identity},{updated}'
        else:
            start, updated = f'{{{identity},"content":{content},', f'"createdAt":"{created}",{updated}'
        if role != "assistant":
            return f"{start}}}" if self.sdk else f"{start}{updated}}}"
        model, (tokens, micros) = MODELS[int(self.random() * 3)], self.usage()
        thought = self.string(self.text.code(20, 80)) if self.random() < 0.2 else ""
        reasoning = f'"reasoning":{thought},"reasoningDuration":{self.messages % 9},' if thought else ""
        if self.sdk:
            return f'{start},"finishReason":"{finish}","model":"{model}",{reasoning}{calls}'.rstrip(",") + "}"
        thinking = f'{reasoning}"thinkingBlocks":[{thought}],' if thought else ""
        return (
            f'{start}{calls and calls + ","}{thinking}"model":"{model}","finishReason":"{finish}",{updated},'
            f'{tokens},"cost":{as_decimal(micros)}}}'
        )

    def usage(self) -> tuple[str, int]:
        """Draw what an assistant's message used, and add it to the totals."""
        text = self.text
        written, made, read = text.between(50, 3000), text.between(20, 1500), text.between(4000, 150000)
        given = written + text.between(1, 900)
        micros = 3 * given + 15 * made
        self.prompt += given
        self.completion += made
        self.micros += micros
        tokens = f'"inputTokens":{given},"outputTokens":{made},"cacheCreationTokens":{written},"cacheReadTokens":{read}'
        return tokens, micros

    def date(self) -> str:
        """Write the time that the session has reached."""
        return (_START + timedelta(seconds=self.seconds)).isoformat()

    # Envelope --------------------------------------------------------------------------------------------------------

    def head(self) -> bytes:
        """Write what stands before the messages: always as long, so that true totals can be put in at the end."""
        if self.sdk:
            return b'{"id":"5f9a2d10-0001","messages":['
        start = '{"id":"5f9a2d10-0001","title":"Benchmark '
        rest = (
            f'","userMessageCount":{self.roles["user"]},"assistantMessageCount":{self.roles["assistant"]},'
            f'"toolCallCount":{self.calls},"promptTokens":{self.prompt},"completionTokens":{self.completion},'
            f'"cost":{as_decimal(self.micros)},"createdAt":"{_START.isoformat()}","updatedAt":"{self.date()}","messages":['
        )
        return (start + "." * (HEAD_LENGTH - len(start) - len(rest)) + rest).encode()

    def tail(self) -> bytes:
        """Write what stands behind the messages."""
        if not self.sdk:
            return b"]}\n"
        return (
            f'],"title":"Benchmark","assistantMessageCount":{self.roles["assistant"]},'
            f'"completionTokens":{self.completion},"cost":{as_decimal(self.micros)},"createdAt":"{_START.isoformat()}",'
            f'"promptTokens":{self.prompt},"toolCallCount":{self.calls},"updatedAt":"{self.date()}",'
            f'"userMessageCount":{self.roles["user"]}}}'
        ).encode()


def generate(shape: str, size: int, out: Path, seed: int = 0) -> Session:
    """Write an export of about `size` bytes (one turn at least) to `out`; return the session with its counts."""
    session = Session(shape, size, seed)
    unknown = shape.startswith("unknown-")
    with out.open("wb", buffering=1 << 20) as file:
        file.write(session.head())
        written, comma = HEAD_LENGTH, b""
        while written <= HEAD_LENGTH or written < size:
            for text in session.turn():
                message = text.encode()
                if shape == "huge" and session.string(HUGE).encode() in message:
                    start, message = message.split(session.string(HUGE).encode()[1:-1])
                    written += file.write(comma + start)
                    comma = b""
                    while written < size:
                        line = session.string(session.text.log(20_000)).encode("ascii", "ignore")
                        written += file.write(line[1:-1])
                written += len(message) + 1  # without the unknown key, so that the messages are the same ones
                file.write(comma + (message[:-1] + UNKNOWN if unknown else message))
                comma = b","
        file.write(session.tail())
        file.seek(0)
        file.write(session.head())
    return session


def generate_archive(shape: str, size: int, folder: Path, seed: int = 0) -> None:
    """Write the files of one of `ARCHIVES` for a `size`: a thousand for the 200 MB that the other shapes have."""
    folder.mkdir(parents=True)
    count = max(2, size // (ARCHIVE_FILE // 5))
    for number in range(count):
        path = folder / f"{number:06}.json"
        if shape == "empty":
            path.write_text(f'{{"id":"{number}","title":"","messages":[]}}')
        elif number < DIFFERENT:
            generate(("long", "dense")[number % 2], min(size, ARCHIVE_FILE), path, seed + number)
        else:
            shutil.copyfile(folder / f"{number % DIFFERENT:06}.json", path)


def main() -> None:
    """Generate one file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description="Write an export of any size.")
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("size", type=parse_size, help="such as 200MB or 1GB")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    session = generate(options.shape, options.size, options.out, options.seed)
    print(f"{options.out}: {options.out.stat().st_size:,} bytes, {session.messages:,} messages")


if __name__ == "__main__":
    main()
