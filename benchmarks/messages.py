"""The messages of generated exports, written as the server or an SDK writes them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.corpus import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POOL_LIMIT = 50_000  # times some 150 bytes: beyond the 2 MiB in which zstd -3 finds repetitions
HEAD_LENGTH = 400
MODELS = ("claude-sonnet-4", "claude-opus-4", "claude-haiku-4")
HUGE = "\0"  # stands where the huge string is to be written

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)
_START = datetime(2025, 10, 3, 10, 0, 0, tzinfo=timezone(timedelta(hours=5, minutes=30)))


class Call(NamedTuple):
    """A tool call that lacks only its id."""

    before: str
    after: str


def go_escape(encoded: str) -> str:
    """Add the escapes of Go's ``encoding/json`` to what is JSON already."""
    encoded = encoded.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return encoded.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def as_decimal(micros: int) -> str:
    """Write millionths of a dollar as the shortest JSON number."""
    return f"{micros // 10**6}.{micros % 10**6:06d}".rstrip("0").rstrip(".")


@dataclass
class Declared:
    """What a session declares about its messages."""

    created: str
    roles: dict[str, int] = field(default_factory=lambda: {"user": 0, "assistant": 0, "tool": 0})
    calls: int = 0
    prompt: int = 0  # tokens
    completion: int = 0  # tokens
    micros: int = 0  # millionths of a dollar


class Session:
    """Makes the messages of one session after the other, and counts what each has to declare."""

    def __init__(self, shape: str, size: int, seed: int) -> None:
        self.sdk = shape.startswith("sdk-")
        self.text = Text(size, seed)
        self.random = self.text.random.random
        self.turn: Callable[[], Iterator[str]] = getattr(self, f"{shape.rpartition('-')[2]}_turn")
        self.pool: list[Call] = []
        self.seconds = self.messages = self.calls = 0
        self.declared = Declared(self.date())

    def iter_messages(self, size: int) -> Iterator[bytes]:
        """Make turns until a document has `size` bytes, one turn at least; what is declared is right after each message."""
        written = HEAD_LENGTH
        while written <= HEAD_LENGTH or written < size:
            for text in self.turn():
                message = text.encode()
                written += len(message) + 1
                yield message

    # Turns: the user's message and what follows it -------------------------------------------------------------------

    def long_turn(self) -> Iterator[str]:
        """Make four messages of 4.5 KB on average."""
        yield self.message("user", self.string(self.text.code(200, 2500)))
        content = self.string(self.text.code(100, 2000))
        yield self.asking(content, [self.long_call() for _ in range(self.text.between(1, 3))])
        yield self.message("tool", '""')
        yield self.message("assistant", self.string(self.text.code(500, 5000)), finish="end_turn")

    def dense_turn(self) -> Iterator[str]:
        """Make ten messages of 0.5 KB on average."""
        yield self.message("user", self.string(self.text.code(30, 120)))
        for _ in range(4):
            calls = [self.dense_call() for _ in range(self.text.between(2, 4))]
            yield self.asking(self.string(self.text.code(0, 40)), calls)
            yield self.message("tool", '""')
        yield self.message("assistant", self.string(self.text.code(40, 200)), finish="end_turn")

    def tiny_turn(self) -> Iterator[str]:
        """Make two messages with nothing but what a message must have."""
        for role in ("user", "assistant"):
            self.messages += 1
            self.seconds += 1
            self.declared.roles[role] += 1
            date = self.date()[:19] + "Z"
            yield f'{{"id":"{self.messages:x}","role":"{role}","content":"ok","createdAt":"{date}","updatedAt":"{date}"}}'

    def escape_turn(self) -> Iterator[str]:
        """Make four messages in which much is written as an escape or in several bytes."""
        kinds = (self.text.terminal, self.text.paths, self.text.markup, self.text.other_script)
        texts = [kind(self.text.between(300, 3000)) for kind in kinds]
        self.text.random.shuffle(texts)
        yield self.message("user", self.string(texts[0]))
        yield self.asking(self.string(texts[1]), [self.call("Bash", {"command": texts[2][:200]}, texts[2])])
        yield self.message("tool", '""')
        yield self.message("assistant", self.string(texts[3]), finish="end_turn")

    def huge_turn(self) -> Iterator[str]:
        """Make two messages, of which the second has the huge string's place in it."""
        yield self.message("user", '"Show me the log."')
        yield self.asking('""', [self.call("Bash", {"command": "cat log"}, HUGE)])

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
        self.declared.calls += len(calls)
        made = [f"{call.before}toolu_{n:07x}{call.after}" for n, call in enumerate(calls, start)]
        return self.message("assistant", content, f'"toolCalls":[{",".join(made)}]', "tool_use")

    def message(self, role: str, content: str, calls: str = "", finish: str = "") -> str:
        """Make one message out of encoded parts, and count it."""
        self.messages += 1
        self.declared.roles[role] += 1
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
        self.declared.prompt += given
        self.declared.completion += made
        self.declared.micros += micros
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
        start, rest = '{"id":"5f9a2d10-0001","title":"Benchmark ', f'",{self.totals()},"messages":['
        return (start + "." * (HEAD_LENGTH - len(start) - len(rest)) + rest).encode()

    def totals(self) -> str:
        """Write what the session declares, in the server's order."""
        declared = self.declared
        return (
            f'"userMessageCount":{declared.roles["user"]},"assistantMessageCount":{declared.roles["assistant"]},'
            f'"toolCallCount":{declared.calls},"promptTokens":{declared.prompt},"completionTokens":{declared.completion},'
            f'"cost":{as_decimal(declared.micros)},"createdAt":"{declared.created}","updatedAt":"{self.date()}"'
        )

    def close(self, messages: list[bytes]) -> bytes:
        """Write a whole session of the last messages, and begin the next one."""
        head = f'{{"id":"5f9a2d10-{self.messages:07x}","title":"Benchmark",{self.totals()},"messages":['
        self.declared = Declared(self.date())
        return b"%b%b]}" % (head.encode(), b",".join(messages))

    def tail(self) -> bytes:
        """Write what stands after the messages."""
        if not self.sdk:
            return b"]}\n"
        declared = self.declared
        return (
            f'],"title":"Benchmark","assistantMessageCount":{declared.roles["assistant"]},'
            f'"completionTokens":{declared.completion},"cost":{as_decimal(declared.micros)},'
            f'"createdAt":"{declared.created}","promptTokens":{declared.prompt},"toolCallCount":{declared.calls},'
            f'"updatedAt":"{self.date()}","userMessageCount":{declared.roles["user"]}}}'
        ).encode()
