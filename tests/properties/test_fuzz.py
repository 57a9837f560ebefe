"""Any bytes give rows or an `ExportstreamError`: never another exception, never output that is not valid."""

from __future__ import annotations

import bz2
import gzip
import itertools
import json
import lzma
import os
import random
import sys
import time
from collections import Counter
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exportstream import CutInputError, ExportstreamError
from tests.kit.documents import dump, message, session, sessions, tool_call
from tests.kit.files import DATA, SAMPLES, Shreds
from tests.kit.readings import blocks, converted, small_blocks

PACKERS = {
    "plain": bytes,
    "gzip": lambda data: gzip.compress(data, 1, mtime=0),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
OPTIONS = [
    dict(zip(("format", "table", "keys", "running_totals", "on_error"), chosen, strict=True))
    for chosen in itertools.product(
        ("ndjson", "csv"),
        ("messages", "tool-calls", "sessions"),
        ("camel", "snake"),
        (False, True),
        ("stop", "skip"),
    )
]
TOKENS = [
    b"", b",", b":", b"{", b"}", b"[", b"]", b'"', b"\\", b"\\u", b"\\ud83d", b"\\udc00", b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80",
    b"\x0c", b"-", b"0", b"1e9", b"1e400", b"1e99999999999", b"-0", b"9" * 30, b"9" * 4300, b"9" * 4301, b"1" + b"0" * 4299,
    b"null", b"true", b"NaN", b"1.", b'"messages":[', b'"messages"', b',{"id":"x","role":"', b']}{"id":"', b'"":', b'"result":{',
    b'"toolCalls":[{', b'"extra":null', b'"inputTokens":', b'"cost":1e400,', b'"id":"a",', b"[" * 600, b'{"a":' * 600, b"]" * 3,
    b" " * 70, b"\n", b"\xef\xbb\xbf", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b'"createdAt":null,', b'"cost":"1"',
]  # fmt: skip
SEEDS = [(DATA / name).read_bytes() for name in SAMPLES] + [
    dump(session(*[message(n, toolCalls=[tool_call(inputJson=[message(n), {"messages": [n]}])]) for n in range(4)])),
    dump(session(*[message(n, inputTokens=12345, cost=2) for n in range(3)], cost=3, promptTokens=12345)),
    dump(session(*[message(n, future=n) for n in range(3)], other={"a": [1]})),
]


def mutated(data: bytes, dice: random.Random) -> bytes:
    """`data` with bytes changed, removed, doubled, swapped or cut, a few times."""
    for _ in range(dice.randint(1, 5)):
        if not data:
            return data
        at, end = sorted((dice.randrange(len(data) + 1), dice.randrange(len(data) + 1)))
        near = min(at + dice.randint(1, 12), len(data))
        kind = dice.randrange(9)
        if kind == 0:
            data = data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + data[near:]
        elif kind == 2:
            data = data[:at] + data[at:near] * 2 + data[near:]
        elif kind == 3:
            data = data[:at] + dice.choice(TOKENS) + data[at:]
        elif kind == 4:
            data = data[:at] + dice.choice(TOKENS) + data[near:]
        elif kind == 5:
            data = data[:at] + data[end:] + data[at:end]
        elif kind == 6:
            data = data[:at] if dice.random() < 0.2 else data[:at] + data[end:]
        elif kind == 7:
            data = number_replaced(data, dice)
        else:
            data = data[:at] + data[at:end] + data[at:]
        data = data[: 1 << 20]
    return data


def number_replaced(data: bytes, dice: random.Random) -> bytes:
    """Some number that stands behind a colon becomes an odd value."""
    places = [n for n in range(1, len(data)) if data[n - 1 : n] == b":" and data[n : n + 1].isdigit()]
    if not places:
        return data
    at = dice.choice(places)
    end = at
    while end < len(data) and data[end : end + 1] in b"0123456789.eE+-":
        end += 1
    return data[:at] + dice.choice(TOKENS) + data[end:]


def convert_any(data: bytes, dice: random.Random) -> str:
    """Convert in one of many ways; what comes is rows that can be read again, or the name of our error."""
    options = dice.choice(OPTIONS)
    source: Any = data if dice.random() < 0.5 else Shreds(data, [dice.randint(1, 5000) for _ in range(3)])
    rejects: list[Any] = []
    with blocks(dice.random() < 0.8):
        try:
            if dice.random() < 0.5:
                with small_blocks(dice.choice([100, 500, 2000]), dice.choice([64, 300])):
                    out = converted(source, rejects=rejects, **options)
            else:
                out = converted(source, rejects=rejects, **options)
        except ExportstreamError as error:
            assert str(error).isprintable()  # noqa: PT017 - one line
            return type(error).__name__
    text = out.decode()
    if options["format"] == "ndjson":
        for line in text.split("\n")[:-1]:
            assert isinstance(json.loads(line), dict)
    assert not text or text.endswith("\n")
    return "rows"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.sampled_from(SEEDS) | sessions(max_messages=3).map(dump), st.sampled_from(list(PACKERS)))
def test_mutations_give_rows_or_our_error(seed: int, data: bytes, packer: str) -> None:
    """A damaged sample, plain or compressed before the damage or after it, gives rows or an `ExportstreamError`."""
    dice = random.Random(seed)
    if dice.random() < 0.8:
        convert_any(PACKERS[packer](mutated(data, dice)), dice)
    else:
        convert_any(mutated(PACKERS[packer](data), dice), dice)


@pytest.mark.parametrize("tokens", ["9" * 4300, "1e4299", "1" + "0" * 4299], ids=["digits", "exponent", "zeros"])
@pytest.mark.parametrize("options", OPTIONS[:24], ids=lambda o: "-".join(map(str, o.values())))
def test_sums_of_the_largest_integers(tokens: str, options: dict[str, Any]) -> None:
    """Counts of the most digits allowed, whose sum has one more, give rows or our error in every table."""
    data = dump(session(*[message(n) for n in range(12)], promptTokens=7)).replace(
        b'"role"', b'"inputTokens":%b,"role"' % tokens.encode()
    )
    data = data.replace(b'"promptTokens":7', b'"promptTokens":' + tokens.encode())
    try:
        converted(data, rejects=[], **options)
    except ExportstreamError as error:
        assert not isinstance(error, CutInputError)  # noqa: PT017 - any other of ours will do


def run(seconds: float, seed: int) -> Counter[str]:
    """Fuzz for some time and count what came; raises at the first thing that must not come, with its seed."""
    results: Counter[str] = Counter()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        dice = random.Random(seed)
        data = dice.choice(SEEDS)
        packer = PACKERS[dice.choice(["plain"] * 4 + list(PACKERS))]
        data = packer(mutated(data, dice)) if dice.random() < 0.8 else mutated(packer(data), dice)
        try:
            results[convert_any(data, dice)] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}; input {data[:2000]!r}") from error
        seed += 1
    return results


@pytest.mark.long
def test_fuzz_for_a_long_time(capsys: pytest.CaptureFixture[str]) -> None:
    """EXPORTSTREAM_FUZZ_SECONDS (default 900) of seeded mutations give nothing but rows and our errors."""
    results = run(
        float(os.environ.get("EXPORTSTREAM_FUZZ_SECONDS", "900")), int(os.environ.get("EXPORTSTREAM_FUZZ_SEED", "0"))
    )
    with capsys.disabled():
        sys.stdout.write(f"\n{sum(results.values()):,} inputs: {dict(results.most_common())}\n")
    assert len(results) >= 5


if __name__ == "__main__":  # python -m tests.properties.test_fuzz SECONDS SEED
    sys.stdout.write(f"{run(float(sys.argv[1]), int(sys.argv[2]))}\n")
