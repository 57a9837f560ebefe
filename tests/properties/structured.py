r"""Draw whole inputs with structure, and compare what they give with `verdict`: ``python -m tests.properties.structured SEED``.

The command prints the input of one seed, the verdict, and what exportstream gives; with ``--shrink`` for the shortest
input found that still differs. A seed decides the bytes and the way in which they are read. Most inputs are small
sessions in unusual spelling; some have wrong types, some are damaged after they were written, a few have megabytes.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from decimal import Decimal
from typing import Any, NamedTuple

import zstandard

from exportstream import InputError, convert
from tests.kit.files import Shreds, cuts
from tests.kit.readings import blocks, small_blocks
from tests.properties import oracle, verdict

TABLES = tuple(oracle.COLUMNS)
DIGITS = "1234567890"
DATES = [
    "2025-10-03T10:00:01+05:30", "2025-10-03T10:00:01Z", "2025-10-03T04:30:01.5Z", "2025-10-03T10:00:01.123456789-08:00",
    "2025-10-03T10:00:01.123456781-08:00", "2025-10-03T10:00:01", "2025-10-03 10:00:01Z", "2025-10-03", "nonsense", "",
    "2025-10-03T10:00:60Z", "0001-01-01T00:00:00+14:00",
]  # fmt: skip
ROLES = ["user", "assistant", "tool", "system", "critic", "(other roles)", "", "User"]
KEYS = [
    "x", "y", "futureKey", "index", "sessionId", "session_id", "messageIndex", "message_index", "extra", "error", "item",
    "messages.item", "result.messages", "item.messages", "Messages", "message", "a.b", ".", "é", "🙂", 'a"b', "a\\b", "\n",
    "\x00", "countedMessages", "response", "headers", "toolcalls", "toolCall", "result", "messages", "sessions", "k" * 300,
]  # fmt: skip
AROUND = [
    "headers", "cost", "promptTokens", "prompt_tokens", "x", "y", "createdAt", "created_at", "contentType", "statusCode",
    "rawResponse", "userMessageCount", "extra", "response", "messages.item", "Messages", "item", "error", "sessionId",
]  # fmt: skip
WORDS = [
    "a", "the quick brown fox", "user", "\\n", '\\"', "\\\\", "\\/", "/", "\\b\\f\\r\\t", "\\u0000", "\\u0041",
    "\\u001b[31m", "\\ud83d\\ude00", "\\uD83D\\uDE00", "\\u003c", "\\u2028", "\u2028", "é", "🙂", "\x7f", '\\\\\\"', "\\\\u0041",
    '{\\"id\\":\\"x\\",\\"role\\":\\"user\\"},{\\"id\\":\\"y\\",\\"role\\":\\"', '\\"messages\\":[', "]}", "[{",
    "},{", ",", "null", "-1", "=1+1", "\\\\\\\\", "\\udbff\\udfff", "日本語",
]  # fmt: skip
HALVES = ["\\ud800", "\\udc00", "\\ud83d\\u0020", "\\ud83dx", "\\uD83D\\uD83D\\uDE00", "\\ude00\\ud83d", "\\\\\\ud800"]
NUMBERS = [
    "0", "1", "-1", "12", "-0", "0.10", "-0.0", "1e400", "1E+5", "1e-7", "-1.5E-300", "123456789012345678901234567890",
    "0.1234567890123456789012345678901234567890", "1e2", "9223372036854775807", "9223372036854775808", "12.0", "0e5", "0.0e-9",
    DIGITS * 430, "0." + DIGITS * 400, "1" + "0" * 400,
]  # fmt: skip
COSTS = [
    "0",
    "1",
    "0.10",
    "2e-5",
    "-1.5",
    "1e400",
    "1E3",
    "0.0000001",
    "12345678901234567890.123456789",
    "7" * 900,
    "-0",
    "0.0",
]
COUNTS = ["0", "1", "12", "12.0", "1e2", "120e-1", "-3", "9223372036854775807", "1000000", "-0", "5.00"]
TAILS = [
    *['"', '"abc', '"{id:2, and more', '"\\ud83d'] * 2,
    '"', '"abc', '"{id:2, and more', '"a\\', '"\\u00', '"\\ud83d', "t", "tru", "true", "nul", "-", "1", "0.", "1e", "[", "{", "[[",
    '{"', '{"id', '{"id":', '{"id":"', '[{"id":1', "\0", "\0\0\0", "}", "]", ",", ":", "/", "\\", "x", "\x0c", "\ufeff", "[]", "{}", "\xa0",
]  # fmt: skip
TOKENS = [
    b"", b",", b":", b"{", b"}", b"[", b"]", b'"', b"\\", b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x0c", b"\x0b", b"\xef\xbb\xbf",
    b"NaN", b"Infinity", b"-", b"01", b"1.", b".5", b"+1", b"null", b"true", b"'", b"//", b'"messages":[', b'"messages":null,',
    b'"result":{', b'"id":"z",', b"]}", b"\r", b"\x1f", b"\t", b" ",
]  # fmt: skip
REQUIRED = {
    "message": ("id", "role", "content", "createdAt", "updatedAt"),
    "call": ("id", "name", "type", "input", "finished"),
}
OPTIONAL = {
    "message": [name for name in verdict.FIELDS["message"] if name not in REQUIRED["message"]],
    "call": [name for name in verdict.FIELDS["call"] if name not in REQUIRED["call"]],
    "session": [name for name in verdict.FIELDS["session"] if name not in ("id", "title")],
}


class How(NamedTuple):
    """The way an input is read."""

    packer: str
    source: str  # bytes, file, pipe or pieces
    sizes: list[int]
    small: tuple[int, int] | None  # block and chunk
    blocks: bool


class Case(NamedTuple):
    """One input."""

    seed: int
    data: bytes
    how: How
    features: frozenset[str]


class File(Shreds):
    """A file object with short reads that can be read a second time."""

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence]
        return self._at

    def tell(self) -> int:
        return self._at


# Writing JSON --------------------------------------------------------------------------------------------------------


class Writer:
    """Writes values as JSON text in the spelling that one case has."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.features: set[str] = set()
        self.mood = dice.choices(("good", "odd", "broken"), (55, 18, 27))[0]
        self.odd = 0.03 if self.mood == "odd" else 0.0
        self.halves = dice.random() < 0.1
        self.escapes = dice.choice([0, 0, 0, 0.02, 0.3])
        self.style = dice.choice(["compact"] * 5 + ["spaced", "pretty", "wild"])
        self.runs = dice.choices((0, 1, 3), (88, 9, 3))[0]
        self.run_length = int(10 ** dice.uniform(3, 4.5 if dice.random() < 0.8 else 5.5))
        self.many_roles = dice.random() < 0.04

    def once_in(self, times: int) -> bool:
        """Whether something rare comes now."""
        return self.dice.randrange(times) == 0

    def note(self, feature: str) -> None:
        self.features.add(feature)

    def gap(self, usual: str = "", pretty: str = "") -> str:
        """White space between two tokens."""
        if self.runs and self.once_in(15):
            self.runs -= 1
            self.note("long white space")
            return self.dice.choice([" ", "\n", "\t", "\r\n", " \n"]) * (self.run_length // 2)
        if self.style == "wild":
            self.note("odd white space")
            return self.dice.choice(["", "", "", " ", "\n", "\t", "\r", "\r\n   ", "  "])
        return {"compact": "", "spaced": usual, "pretty": usual + pretty}[self.style]

    def string(self, text: str, *, known: bool = False) -> str:
        """A text as a token, some of its characters as escapes."""
        made = json.dumps(text, ensure_ascii=False)[1:-1]
        if self.escapes and not known and self.dice.random() < self.escapes and made.isascii() and "\\" not in made:
            places = [self.dice.random() < 0.3 for _ in made]
            if made and not any(places):
                places[self.dice.randrange(len(made))] = True
            form = self.dice.choice(["\\u%04x", "\\u%04X"])
            made = "".join(form % ord(c) if escaped else c for c, escaped in zip(made, places, strict=True))
            self.note("escaped key")
        return f'"{made}"'

    def text(self) -> str:
        """Any text as a token."""
        words = self.dice.choices(WORDS, k=self.dice.choice([0, 1, 1, 2, 3]))
        if self.halves and self.once_in(4):
            words.append(self.dice.choice(HALVES))
            self.dice.shuffle(words)
            self.note("half of a surrogate pair")
        if self.once_in(300):
            words.append(self.dice.choice(["lorem ipsum \\n", "1"]) * self.dice.randrange(5000))
            self.note("long text")
        return f'"{"".join(words)}"'

    def items(self, items: list[str]) -> str:
        """An array of tokens."""
        comma = "," + self.gap(" ", "\n ") if self.style != "wild" and not self.runs else None
        if comma is not None:
            return f"[{self.gap('', chr(10))}{comma.join(items)}{self.gap('', chr(10))}]"
        made = "".join(f"{self.gap()}{item}{self.gap()}," for item in items)
        return f"[{made[:-1] or self.gap()}]"

    def object(self, pairs: list[tuple[str, str]]) -> str:
        """An object of key and value tokens."""
        made = [f"{key}{self.gap()}:{self.gap(' ')}{value}" for key, value in pairs]
        separator = "," + ("" if self.style == "wild" else self.gap(" ", "\n  "))
        if self.style == "wild":
            made = [self.gap() + part + self.gap() for part in made]
        return "{" + self.gap("", "\n") + separator.join(made) + self.gap("", "\n") + "}"

    # Values ----------------------------------------------------------------------------------------------------------

    def number(self) -> str:
        number = self.dice.choice(NUMBERS) if self.once_in(6) else str(self.dice.randrange(-1000, 10**6))
        if len(number) > 300:
            self.note("long number")
        return number

    def value(self, depth: int = 0) -> str:
        """Any JSON value."""
        kind = self.dice.randrange(9 if depth < 3 else 5)
        if kind == 0:
            return self.dice.choice(["null", "true", "false", "[]", "{}", '""'])
        if kind in (1, 2):
            return self.text()
        if kind in (3, 4):
            return self.number()
        if kind == 5:
            return self.items([self.value(depth + 1) for _ in range(self.dice.randrange(4))])
        if kind == 6:
            keys = self.dice.choices([*KEYS, "", "id", "role", "content"], k=self.dice.randrange(4))
            return self.object([(self.string(key), self.value(depth + 1)) for key in keys])
        if kind == 7:
            return self.lookalike(depth)
        if self.once_in(40):
            self.note("deep nesting")
            levels = self.dice.choice([50, 200, 480])
            start, end = self.dice.choice([("[", "]"), ('{"a":', "}"), ('[{"messages":', "}]")])
            levels //= len(end)
            return start * levels + "1" + end * levels
        return self.number()

    def lookalike(self, depth: int) -> str:
        """What looks like messages or a session, as in a transcript that some tool read."""
        self.note("transcript in a value")
        kind = self.dice.randrange(6)
        if kind == 0:
            return self.items(['{"messages":[]}'] * self.dice.randrange(1, 30))
        if kind == 1:
            return self.items([f'{{"id":"n{n}","role":"user"}}' for n in range(self.dice.randrange(1, 40))])
        if kind == 2:
            return self.items([self.message(n, depth + 2) for n in range(self.dice.randrange(1, 3))])
        if kind == 3:
            return self.object(
                [('"id"', '"s"'), ('"title"', '"t"'), ('"messages"', self.items([self.message(0, depth + 2)]))]
            )
        if kind == 4:
            return self.object([('"headers"', "{}"), ('"result"', '{"id":"s","title":"t","messages":[]}')])
        return self.items(['{"id":"a"}', '[{"id":"b","role":"user","content":"c"}]'])

    def fitting(self, kind: int, depth: int) -> str:
        """A value for a known field of a kind of `verdict`."""
        dice = self.dice
        if kind == verdict.DATE:
            return (
                "null" if self.once_in(20) else self.string(dice.choice(DATES[:2] if self.once_in(2) else DATES), known=True)
            )
        if kind in (
            verdict.OPTIONAL_TEXT,
            verdict.OPTIONAL_BOOLEAN,
            verdict.TEXTS,
            verdict.INTEGER,
            verdict.COST,
        ) and self.once_in(8):
            self.note("null for an absent field")
            return "null"
        if kind in (verdict.TEXT, verdict.OPTIONAL_TEXT):
            return self.text()
        if kind == verdict.INTEGER:
            return dice.choice(COUNTS)
        if kind == verdict.COST:
            return dice.choice(COSTS)
        if kind in (verdict.BOOLEAN, verdict.OPTIONAL_BOOLEAN):
            return dice.choice(["true", "false"])
        if kind == verdict.TEXTS:
            return self.items([self.text() for _ in range(dice.randrange(3))])
        if kind == verdict.CALLS:
            self.note("tool calls")
            return self.items([self.call(n, depth) for n in range(dice.choice([0, 1, 1, 2, 5]))])
        return self.value(depth)

    def pairs(self, kind: str, names: list[str], own: dict[str, str], depth: int) -> list[tuple[str, str]]:
        """The known fields of an object in one spelling or both, and a few unknown keys; `own` are values given."""
        dice = self.dice
        spelling = dice.choice(["camel", "camel", "camel", "snake", "mixed"])
        made = []
        for name in names:
            if self.odd and dice.random() < self.odd:
                self.note("required or known key missing")
                continue
            snake = spelling == "snake" or (spelling == "mixed" and self.once_in(2))
            if snake and oracle.snake(name) != name:
                self.note("snake_case")
            spelled = oracle.snake(name) if snake else name
            value = own.get(name) or self.fitting(verdict.FIELDS[kind][name], depth)
            if self.odd and dice.random() < self.odd:
                self.note("wrong type")
                value = self.value(2)
            made.append((self.string(spelled), value))
            if self.odd and dice.random() < self.odd:
                self.note("both spellings")
                made.append((self.string(dice.choice([name, oracle.snake(name)])), value))
        for _ in range(dice.choice([0, 0, 0, 1, 3])):
            unknown = dice.choice(KEYS)
            if unknown not in verdict._NAMES[kind]:
                self.note("unknown key")
                made.append((self.string(unknown), self.value(depth)))
        if kind != "session" and made and self.once_in(25):
            self.note("repeated key in a message or call")
            made.append((made[-1][0], self.value(2)))
            made.append(made[-2])
        return made

    def call(self, number: int, depth: int = 0) -> str:
        names = [*REQUIRED["call"], *self.dice.sample(OPTIONAL["call"], self.dice.randrange(len(OPTIONAL["call"]) + 1))]
        pairs = self.pairs("call", names, {"id": f'"c{number}"'}, depth + 1)
        if self.once_in(3):
            self.dice.shuffle(pairs)
        return self.object(pairs)

    def message(self, number: int, depth: int = 0) -> str:
        optional = self.dice.sample(OPTIONAL["message"], self.dice.choice([0, 0, 1, 3, len(OPTIONAL["message"])]))
        if depth > 1:
            optional = [name for name in optional if name != "toolCalls"]
        role = (
            f"r{self.dice.randrange(200)}"
            if self.many_roles and self.once_in(2)
            else self.dice.choice(ROLES[: 4 if self.once_in(2) else 8])
        )
        own = {"id": f'"m{number}"', "role": self.string(role, known=True)}
        pairs = self.pairs("message", [*REQUIRED["message"], *optional], own, depth)
        if self.once_in(3):
            self.dice.shuffle(pairs)
            self.note("message keys in any order")
        return self.object(pairs)

    def messages(self) -> str:
        """The array of a session: each message different, or all in one mould as a server writes them."""
        dice = self.dice
        count = dice.choice([90, 300]) if self.many_roles else dice.choice([0, 1, 1, 2, 3, 5, 8, 30])
        if self.many_roles:
            self.note("more than 64 roles")
        if count and (self.many_roles or self.once_in(3)):
            self.note("messages of one mould")
            mould = (
                self.message(0)
                if not self.many_roles
                else '{"id":"m0","role":"user","content":"x","createdAt":null,"updatedAt":null}'
            )
            made = [mould.replace('"m0"', f'"m{n}"', 1) for n in range(max(count, 10))]
            if self.many_roles:
                roles = [f"r{n}" if dice.randrange(10) else dice.choice(ROLES[:3]) for n in range(len(made))]
                made = [part.replace('"user"', f'"{role}"') for part, role in zip(made, roles, strict=True)]
            else:
                made += [self.message(n) for n in range(dice.randrange(2))]
            if made and self.once_in(2):
                dice.shuffle(made)
        else:
            made = [self.message(n) for n in range(count)]
        if self.odd and dice.random() < 5 * self.odd:
            self.note("message that is none")
            made.insert(dice.randrange(len(made) + 1), self.value(2))
        return self.items(made)

    def session(self, number: int) -> str:
        dice = self.dice
        names = ["id", "title", *dice.sample(OPTIONAL["session"], dice.choice([0, 0, 2, len(OPTIONAL["session"])]))]
        pairs = self.pairs("session", names, {"id": f'"s{number}"'}, 0)
        pairs = [pair for pair in pairs if json.loads(pair[0]) not in ("messages", "result")]
        if not self.odd:
            pairs = list({json.loads(key): (key, value) for key, value in pairs}.values())
        messages = (self.string("messages"), self.messages())
        order = dice.choice(["server", "server", "sdk", "any"])
        if order == "any":
            dice.shuffle(pairs)
            pairs.insert(dice.randrange(len(pairs) + 1), messages)
            self.note("session keys in any order")
        elif order == "sdk":
            pairs.insert(1, messages)
            self.note("messages before the title")
        else:
            pairs.append(messages)
        if self.once_in(12):
            self.note("unknown key `result`")
            value = dice.choice(["1", "null", '"x"', "[1]", "{}", '{"a":1}', '{"headers":{}}', '{"item":[{"messages":[]}]}'])
            pairs.insert(dice.randrange(len(pairs) + 1), (self.string("result"), value))
        if self.once_in(150):
            self.note("empty key of a session")
            pairs.append(('""', self.value()))
        if self.odd and dice.random() < 3 * self.odd:
            self.note("session key twice")
            pairs.insert(dice.randrange(len(pairs) + 1), dice.choice(pairs))
        return self.object(pairs)

    def response(self, number: int) -> str:
        """A session in an SDK response object with keys of its own."""
        self.note("response")
        dice = self.dice
        count = dice.choice([0, 1, 1, 2, 4])
        own = [(self.string(key), self.value()) for key in dice.sample(AROUND, count)]
        at = dice.randrange(count + 1)
        before, after = own[:at], own[at:]
        if self.once_in(6):
            self.note("id or title beside `result`")
            (before if self.once_in(3) else after).append((self.string(dice.choice(["id", "title"])), self.text()))
        if self.odd and dice.random() < 3 * self.odd:
            (before if self.once_in(2) else after).append((self.string("messages"), "[]"))
        if before:
            self.note("response with keys before `result`")
        if after:
            self.note("response with keys after `result`")
        return self.object([*before, (self.string("result"), self.session(number)), *after])

    def document(self) -> str:
        """All documents of an input."""
        dice = self.dice
        form = dice.choice(
            ["one", "one", "one", "lines", "lines", "joined", "array", "arrays", "response", "responses", "mixed"]
        )
        self.note(form)
        many = 1 if form in ("one", "response") else 40 if self.once_in(15) else dice.randrange(1, 5)
        if many == 40:
            self.note("many sessions")
            self.runs = 0
        if form in ("one", "lines", "joined", "array", "arrays"):
            parts = [self.session(n) for n in range(many)]
        elif form == "mixed":
            parts = [dice.choice([self.session, self.session, self.response])(n) for n in range(many)]
        else:
            parts = [self.response(n) for n in range(many)]
        if form == "array":
            made = self.items(parts)
        elif form == "arrays":
            made = self.gap().join(self.items(parts[at : at + 2]) for at in range(0, many, 2))
        elif form == "joined":
            made = self.gap().join(parts)
        else:
            made = "".join(part + dice.choice(["\n", "\n", "\r\n", " \n\n"]) for part in parts)
        return self.gap() + made + self.gap()


DAMAGES = ("tail", "cut", "insert", "remove", "byte", "double", "front", "encoding", "nothing")
WEIGHTS = (12, 8, 4, 4, 4, 3, 3, 1, 1)

# Cases ---------------------------------------------------------------------------------------------------------------


def damaged(data: bytes, writer: Writer) -> bytes:
    """The same bytes with one or two things wrong with them."""
    dice = writer.dice
    for _ in range(dice.choice([1, 1, 1, 2])):
        kind = dice.choices(DAMAGES, WEIGHTS)[0]
        writer.note(f"damage: {kind}")
        at, end = sorted((dice.randrange(len(data) + 1), dice.randrange(len(data) + 1)))
        if kind == "tail":
            data += (
                dice.choice([b"", b"\n", b" " * 50])
                + dice.choice(TAILS).encode()
                + dice.choice([b"", b"", b"\n", data[:at]])
            )
        elif kind == "cut":
            data = data[:at]
        elif kind == "insert":
            data = data[:at] + dice.choice(TOKENS) + data[at:]
        elif kind == "remove":
            data = data[:at] + data[min(end, at + dice.randrange(1, 30)) :]
        elif kind == "byte":
            data = data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
        elif kind == "double":
            data = data[:end] + data[at:]
        elif kind == "front":
            data = dice.choice(TOKENS) + data
        elif kind == "encoding":
            data = data.decode("utf-8", "replace").encode(dice.choice(["utf-16", "utf-16-le", "utf-32"]))
        elif kind == "nothing":
            data = dice.choice([b"", b" ", b"\n\t\r " * 20, b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
    return data


def large(writer: Writer) -> str:
    """A session of hundreds of kB up to 5 MB."""
    writer.note("large")
    size = 10 ** writer.dice.uniform(5.3, 6.7)
    moulds = [writer.message(n) for n in range(writer.dice.choice([1, 5, 30]))]
    made = []
    while size > 0:
        made.append(writer.dice.choice(moulds))
        size -= len(made[-1]) + 1
    fields = [
        f'"id":{writer.text()}',
        '"title":"t"',
        writer.string("messages") + ":" + writer.gap() + "[" + ",".join(made) + "]",
    ]
    if writer.once_in(3):
        writer.dice.shuffle(fields)
    return "{" + ",".join(fields) + "}"


def draw(seed: int) -> Case:
    """The case of a seed."""
    dice = random.Random(seed)
    writer = Writer(dice)
    data = (large(writer) if dice.randrange(300) == 0 else writer.document()).encode()
    if dice.randrange(12) == 0:
        writer.note("byte order mark")
        data = b"\xef\xbb\xbf" + data
    if writer.mood == "broken":
        data = damaged(data, writer)
    data = data[:5_000_000]
    least = len(data) // 300 + 1  # a whole process is not to be spent on single bytes
    sizes = [max(least, int(2 ** dice.uniform(0, 16))) for _ in range(dice.randrange(1, 4))]
    if dice.randrange(3) == 0:
        sizes = [least]
    small = None
    if dice.randrange(3):
        small = max(least, dice.choice([64, 100, 500, 2000])), max(least, dice.choice([1, 16, 64, 300, 4000]))
    how = How(
        dice.choice(["plain", "plain", "gzip", "zstd", "zstd frames"] if dice.randrange(3) else ["plain"]),
        dice.choice(["bytes", "file", "file", "pipe", "pieces"]),
        sizes,
        small,
        dice.randrange(4) > 0,
    )
    for name in (how.packer, how.source, *(["EXPORTSTREAM_BLOCKS=0"] if not how.blocks else [])):
        writer.note(name)
    return Case(seed, data, how, frozenset(writer.features))


def packed(data: bytes, how: How) -> bytes:
    """The data compressed as `how` says."""
    if how.packer == "gzip":
        return gzip.compress(data, 1, mtime=0)
    if how.packer == "zstd":
        return zstandard.ZstdCompressor(1, write_checksum=True).compress(data)
    if how.packer == "zstd frames":
        step = len(data) // 3 + 1
        return b"".join(
            zstandard.ZstdCompressor(1).compress(data[at : at + step]) for at in range(0, max(len(data), 1), step)
        )
    return data


def source(data: bytes, how: How) -> Any:
    """What exportstream is given."""
    stored = packed(data, how)
    if how.source == "bytes":
        return stored
    if how.source == "pieces":
        return cuts(stored, how.sizes)
    return (File if how.source == "file" else Shreds)(stored, how.sizes)


# Comparing -----------------------------------------------------------------------------------------------------------


class Result(NamedTuple):
    """What came of one case."""

    verdict: str  # accepted, refused, or not judged: why
    failure: str | None
    kind: str  # of the failure, alike for failures of one cause
    wanted: Any = None
    found: Any = None


def cause(text: str) -> str:
    """What failures of one cause have in common: the words without values, numbers and keys."""
    return re.sub(r"['\"`].*?['\"`]|\d+|: .* instead of .*|: keys .*", "", text)[:80]


def ours(data: bytes, how: How, table: str) -> tuple[list[Any], Any]:
    """The rows of a table and the report of exportstream."""
    target = io.BytesIO()
    with blocks(how.blocks), small_blocks(*how.small) if how.small else nullcontext():
        report = convert(source(data, how), target, table=table, format="ndjson")
    lines = target.getvalue().split(b"\n")
    assert lines.pop() == b""
    return [json.loads(line, parse_float=Decimal) for line in lines], report


def compare(data: bytes, how: How, tables: tuple[str, ...] = TABLES) -> Result:
    """Judge an input, convert it, and say whether the two agree."""
    wanted: Any
    try:
        wanted = verdict.judge(data, seekable=how.source in ("bytes", "file"))
        judged = "accepted"
    except verdict.Refused as refusal:
        wanted, judged = refusal, "refused"
    except verdict.NotJudged as reason:
        wanted, judged = reason, f"not judged: {reason}"
    for table in tables:
        try:
            rows, report = ours(data, how, table)
        except InputError as error:
            if judged == "accepted":
                return Result(
                    judged,
                    f"accepted by the oracle, refused by us: {error}",
                    cause(f"we refuse: {error.what}"),
                    wanted,
                    error,
                )
            continue
        except Exception as error:  # noqa: BLE001  # the very thing that is looked for
            kind = f"{type(error).__name__}: {error}"
            return Result(judged, f"no error of ours: {kind}", cause(kind), wanted, error)
        if judged == "refused":
            return Result(
                judged,
                f"refused by the oracle ({wanted}), accepted by us: {len(rows)} rows",
                f"we accept: {wanted}",
                wanted,
                rows,
            )
        if judged == "accepted":
            text = differences(rows, report.totals.to_dict(), wanted, table)
            if text is not None:
                return Result(judged, f"{table}: {text}", cause(f"{table}: {text}"), wanted, rows)
    return Result(judged, None, "", wanted)


def differences(rows: list[Any], totals: dict[str, Any], wanted: verdict.Wanted, table: str) -> str | None:
    """Where the rows and totals are not those wanted."""
    counted, expected = dict(totals["counted"]), dict(wanted.totals["counted"])
    roles, others, expected_roles = counted.pop("roles"), counted.pop("otherRoles"), expected.pop("roles")
    figures = {"sessions": totals["sessions"], "declared": totals["declared"], "counted": counted}
    return (
        verdict.difference(rows, wanted.rows[table], "rows")
        or verdict.difference(figures, {**wanted.totals, "counted": expected}, "totals")
        or verdict.roles_differ(roles, others, expected_roles)
    )


def shrink(data: bytes, fails: Callable[[bytes], bool], seconds: float = 20) -> bytes:
    """The shortest input found by leaving out bytes that still fails."""
    until = time.monotonic() + seconds
    size = len(data) // 2
    while size:
        at = 0
        while at < len(data) and time.monotonic() < until:
            shorter = data[:at] + data[at + size :]
            if fails(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data


class Run(NamedTuple):
    """What many cases gave."""

    verdicts: Counter[str]
    features: Counter[str]
    failures: dict[str, tuple[int, str]]  # by kind: the first seed and what was wrong
    slowest: tuple[float, int]

    @property
    def cases(self) -> int:
        return sum(self.verdicts.values())


def run(seeds: Iterator[int], seconds: float) -> Run:
    """Run cases for some time; failures of one kind are listed once."""
    done = Run(Counter(), Counter(), {}, (0.0, 0))
    slowest = done.slowest
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        seed = next(seeds)
        case = draw(seed)
        started = time.perf_counter()
        tables = TABLES if len(case.data) < 100_000 else TABLES[seed % 3 : seed % 3 + 1]
        result = compare(case.data, case.how, tables)
        slowest = max(slowest, (time.perf_counter() - started, seed))
        done.verdicts[result.verdict] += 1
        done.features.update(case.features)
        if result.failure is not None and len(done.failures) < 50:
            done.failures.setdefault(result.kind, (seed, result.failure))
    return done._replace(slowest=slowest)


def main() -> None:
    """Show one case."""
    parser = argparse.ArgumentParser(prog="python -m tests.properties.structured", description="Show the case of a seed.")
    parser.add_argument("seed", type=int)
    parser.add_argument("--shrink", action="store_true", help="look for a shorter input that fails alike")
    options = parser.parse_args()
    case = draw(options.seed)
    data, result = case.data, compare(case.data, case.how)
    if options.shrink and result.failure:
        data = shrink(data, lambda shorter: compare(shorter, case.how).kind == result.kind)
        result = compare(data, case.how)
    shown = [f"{case.how}", f"{sorted(case.features)}", f"input ({len(data):,} bytes): {data[:20_000]!r}"]
    shown += [f"oracle: {result.verdict} {str(result.wanted)[:5000]}", f"ours: {str(result.found)[:5000]}"]
    sys.stdout.write("\n".join([*shown, f"failure: {result.failure}"]) + "\n")


if __name__ == "__main__":
    main()
