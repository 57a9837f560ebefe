"""Damage anywhere, several times over: every word of the input is in a row, in a session or in a reject, or there is an error.

So is the beginning of every object of session exports. Each value of these inputs has a word of its own, and what is put in has some as well. A word that no row has of the
undamaged input (logs and chats hold more than rows do) may be missing; all others are looked for after the damage.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import count
from random import Random
from typing import Any

import msgspec
import pytest

from exportstream import ExportstreamError, Reject
from exportstream.reading.export import Export
from exportstream.reading.options import ReadOptions
from tests.kit.chats import Tree, claude_ai, opencode
from tests.kit.documents import dump, message, session, session_fields_last, tool_call
from tests.kit.readings import blocks
from tests.kit.rollouts import Rollout
from tests.kit.transcripts import Transcript
from tests.properties.test_damage import PRETTY

WORD = re.compile(rb"w\d+w")
STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
GARBAGE = [
    b"{oops W",
    b'{"W":"W",',
    b'{"title":"W","W":[W',
    b'{"id":"W","W":W',
    b'{"messages":[{"W',
    b"[W",
    b'\n{"W":\x02',
    b'"W',
    b"]}W",
    b'},{"W":"W"}W',
    b"\xffW",
    b'\n[{"W"W\n',
]
NO_SESSIONS = [b'\n7\n{"error":{"W":"W"}}\n[]', b',{"id":"W","title":"W"},null,', b'\n{"messages":"W"}\n']


def worded() -> Iterator[str]:
    """Words, each different from all others."""
    return (f"w{number}w" for number in count())


def calls(words: Iterator[str]) -> list[Any]:
    """Tool calls with objects and arrays in their values."""
    return [
        tool_call(
            id=next(words), input=next(words), inputJson={next(words): [{"x": next(words)}, "]},{"]}, other=next(words)
        )
    ]


def sessions(words: Iterator[str], make: Callable[..., Any], *, with_id: bool = True) -> list[Any]:
    """Three sessions whose keys and messages all have words."""
    return [
        make(
            *(
                message(id=next(words), content=next(words), toolCalls=calls(words), more={"y": next(words)})
                for _ in range(3)
            ),
            **{"a": next(words), next(words): {"b": next(words)}, "title": next(words), "id": next(words)},
        )
        for _ in range(3)
    ]


def before_id(*messages: Any, **keys: Any) -> dict[str, Any]:
    """A session whose id comes after other keys, and then its messages."""
    return {**{key: keys[key] for key in keys if key != "id"}, "id": keys["id"], "messages": list(messages)}


def response(*messages: Any, **keys: Any) -> dict[str, Any]:
    """A response around a session."""
    return {"headers": {"h": keys.pop("a")}, "result": session(*messages, **keys), "z": [keys["title"] + "z"]}


def chat(words: Iterator[str]) -> dict[str, Any]:
    """A conversation of ChatGPT."""
    tree = Tree(next(words)).say(text=next(words)).say("assistant", next(words)).say(text=next(words))
    return tree.conversation(title=next(words))


def claude(words: Iterator[str]) -> dict[str, Any]:
    """A conversation of claude.ai."""
    said = [{"text": next(words), "uuid": next(words)} for _ in range(3)]
    return claude_ai(*said, uuid=next(words), name=next(words))


def work(words: Iterator[str]) -> dict[str, Any]:
    """A session of opencode."""
    return opencode(
        *({"id": next(words), "parts": [{"type": "text", "text": next(words)}]} for _ in range(4)), title=next(words)
    )


def rollout(words: Iterator[str]) -> bytes:
    """A log of Codex, without the events that mirror messages: they make no row."""
    made = Rollout().meta(next(words)).user(next(words))
    for _ in range(4):
        call = next(words)
        made.turn().say(next(words)).think(next(words)).call(call, arguments=next(words)).output(call, next(words)).used()
    mirrors = (b'"user_message"', b'"agent_message"', b'"agent_reasoning"')
    return b"".join(line for line in made.data.splitlines(keepends=True) if not any(kind in line for kind in mirrors))


def transcript(words: Iterator[str]) -> bytes:
    """A log of Claude Code."""
    made = Transcript(next(words)).user(next(words))
    for _ in range(4):
        call, response = next(words), next(words)
        made.say(response, next(words)).call(response, call).result(call, next(words)).user(next(words))
    return made.data


def lines(values: list[Any]) -> bytes:
    """A line for each value."""
    return b"".join(dump(value) + b"\n" for value in values)


SHAPES: dict[str, Callable[[Iterator[str]], bytes]] = {
    "lines": lambda words: lines(sessions(words, session)),
    "lines-before-id": lambda words: lines(sessions(words, before_id)),
    "lines-fields-last": lambda words: lines(sessions(words, session_fields_last)),
    "documents": lambda words: b"".join(map(dump, sessions(words, before_id))),
    "indented": lambda words: b"\n".join(dump(one, **PRETTY) for one in sessions(words, before_id)),
    "array": lambda words: dump(sessions(words, before_id)),
    "indented-array": lambda words: dump(sessions(words, session), **PRETTY),
    "responses": lambda words: lines(sessions(words, response)),
    "chatgpt": lambda words: dump([chat(words) for _ in range(3)]),
    "chatgpt-indented": lambda words: dump([chat(words) for _ in range(3)], **PRETTY),
    "claude": lambda words: dump([claude(words) for _ in range(3)]),
    "claude-lines": lambda words: lines([claude(words) for _ in range(3)]),
    "opencode": lambda words: lines([work(words) for _ in range(3)]),
    "codex": rollout,
    "claude-code": transcript,
}


KEEP_ALL = list(SHAPES)[:8]  # session exports: keys that nobody knows are extra


def spoil(data: bytes, random: Random, words: Iterator[str], *, keeps_all: bool) -> bytes:
    """Damage some bytes anywhere, often where something begins or ends.

    Where a format does not keep all keys (`keeps_all` is false), whatever is put in is no JSON: a word in what is still JSON
    might be in a key that makes no row.
    """
    spots = [found.end() for found in re.finditer(rb"[\[\]{}\n,]", data)]
    for _ in range(random.randint(1, 3)):
        at = random.choice([*random.sample(spots, 2), random.randrange(len(data)), len(data)])
        garbage = re.sub(b"W", lambda _: next(words).encode(), random.choice(GARBAGE + NO_SESSIONS * keeps_all)) + b" "
        kind = random.randrange(5)
        if not keeps_all and kind:
            data = data[:at] + b"\x02" + garbage + data[at:]
        elif kind == 0:
            data = data[: max(at, len(data) // 3)] if keeps_all else data[: -random.randint(1, 40)]
        elif kind == 1:
            data = data[:at] + data[at + random.choice([1, 1, 9, 40]) :]
        else:
            data = data[:at] + garbage + data[at + random.choice([0, 0, 0, 30]) :]
    return data


def texts(values: Any) -> bytes:
    """Values as text, with all keys that have no field of their own."""
    return msgspec.json.encode(values, enc_hook=str)


def read(data: bytes) -> tuple[list[Any], list[Any], list[Reject], Any, ExportstreamError | None]:
    """The messages, the sessions, the rejects, the notes and the error of a reading that skips."""
    messages: list[Any] = []
    ended: list[Any] = []
    rejects: list[Reject] = []
    error = None
    with Export(data, ReadOptions(on_error="skip"), rejects=rejects) as export:
        try:
            for batch in export.batches():
                messages += batch.messages
                ended += [end.session for end in batch.ends]
        except ExportstreamError as caught:
            error = caught
        return messages, ended, rejects, export.notes, error


def found_in(messages: list[Any], ended: list[Any], rejects: list[Reject]) -> bytes:
    """All that a reading gave, as text."""
    raw = b" ".join(one.raw or b"" for one in rejects)
    return b" ".join([texts(messages), texts(ended), raw, texts([one.message for one in rejects])])


def objects(values: Any) -> int:
    """How many objects are in values; `extra` is none of the input."""
    if isinstance(values, dict):
        return 1 - (values.get("extra") is not None) + sum(map(objects, values.values()))
    return sum(map(objects, values)) if isinstance(values, list) else 0


def undamaged(data: bytes, rejects: list[Reject]) -> bytes:
    """The bytes of an input that are in no reject."""
    kept = bytearray(data)
    for one in reversed(rejects):
        if one.damaged:
            assert one.position is not None
            assert one.raw is not None
            assert data.startswith(one.raw, one.position)
            del kept[one.position : one.position + len(one.raw)]
    return bytes(kept)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_word_is_lost(shape: str) -> None:
    """Whatever is damaged, each word is in a row, in a session or in a reject, or the reading ends in an error."""
    check(shape, range(40))


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES)
def test_no_word_is_ever_lost(shape: str) -> None:
    """The same many times over."""
    check(shape, range(40, 2000))


def check(shape: str, seeds: range) -> None:
    """Damage a shape once for each seed, and look for its words."""
    words = worded()
    data = SHAPES[shape](words)
    messages, ended, rejects, _, error = read(data)
    assert (rejects, error) == ([], None)
    unseen = set(WORD.findall(data)) - set(WORD.findall(found_in(messages, ended, rejects)))
    assert len(unseen) < len(set(WORD.findall(data))) // 3
    skipped = 0
    for seed in seeds:
        hurt = spoil(data, Random(f"{shape} {seed}"), words, keeps_all=shape in KEEP_ALL)
        with blocks(on=seed % 2 == 0):
            messages, ended, rejects, notes, error = read(hurt)
        if error is not None:
            continue
        skipped += notes.damaged > 0
        wanted = set(WORD.findall(hurt[: len(hurt) - notes.torn])) - unseen
        lost = wanted - set(WORD.findall(found_in(messages, ended, rejects)))
        assert not lost, (seed, sorted(lost), hurt)
        if shape in KEEP_ALL:  # the brace of an object is lost as well where nothing comes of the object
            begun = STRING.sub(b"", undamaged(hurt, rejects)).count(b"{")
            assert begun <= objects(
                msgspec.to_builtins([messages, ended, [one.message for one in rejects]], enc_hook=str)
            ), seed
    assert skipped > len(seeds) // 3
