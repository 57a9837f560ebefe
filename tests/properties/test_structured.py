"""Inputs drawn with structure give exactly what an oracle decides from their bytes: rows, totals, or an error."""

from __future__ import annotations

import ast
import itertools
import os
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.kit.documents import dump, message, session
from tests.kit.files import DATA, SAMPLES
from tests.properties import oracle, verdict
from tests.properties.structured import Run, compare, draw, run

PARTS = 4
FEATURES = {
    "unknown key", "snake_case", "null for an absent field", "message keys in any order", "session keys in any order",
    "messages before the title", "tool calls", "transcript in a value", "messages of one mould", "escaped key",
    "repeated key in a message or call", "half of a surrogate pair", "long text", "long number", "deep nesting",
    "long white space", "odd white space", "more than 64 roles", "many sessions", "unknown key `result`", "response",
    "response with keys before `result`", "response with keys after `result`", "id or title beside `result`",
    "required or known key missing", "wrong type", "both spellings", "session key twice", "message that is none",
    "byte order mark", "damage: tail", "damage: cut", "damage: insert", "damage: remove", "damage: byte", "damage: front",
    "damage: double", "damage: encoding", "damage: nothing", "one", "lines", "joined", "array", "arrays", "responses", "mixed",
    "plain", "gzip", "zstd", "zstd frames", "bytes", "file", "pipe", "pieces", "EXPORTSTREAM_BLOCKS=0",
}  # fmt: skip


def report(done: Run) -> str:
    lines = [
        f"{done.cases:,} cases: {dict(done.verdicts.most_common())}; slowest {done.slowest[0]:.1f} s: {done.slowest[1]}"
    ]
    for seed, failure in done.failures.values():
        lines.append(f"seed {seed}: {failure[:500]}\n    python -m tests.properties.structured {seed} --shrink")
    return "\n".join(lines)


def check(done: Run) -> None:
    assert not done.failures, report(done)
    assert done.cases >= 20, report(done)
    assert done.verdicts["accepted"] > 0.3 * done.cases, report(done)
    assert done.verdicts["refused"] > 0.15 * done.cases, report(done)


@pytest.mark.parametrize("part", range(PARTS))
def test_structured_inputs_give_what_the_oracle_decides(part: int) -> None:
    """EXPORTSTREAM_STRUCTURED_SECONDS (default 16, all parts together) of seeded inputs agree with the oracle."""
    seconds = float(os.environ.get("EXPORTSTREAM_STRUCTURED_SECONDS", "16"))
    check(run(itertools.count(part, PARTS), seconds / PARTS))


@pytest.mark.long
@pytest.mark.parametrize("part", range(2))
def test_structured_inputs_for_a_long_time(part: int, capsys: pytest.CaptureFixture[str]) -> None:
    """EXPORTSTREAM_STRUCTURED_SECONDS (default 1,800, both parts together), from EXPORTSTREAM_STRUCTURED_SEED or a new seed."""
    first = int(os.environ.get("EXPORTSTREAM_STRUCTURED_SEED", "0")) or random.SystemRandom().randrange(10**6, 10**12)
    with capsys.disabled():
        sys.stdout.write(f"\nfirst seed {first}, part {part}\n")
    done = run(itertools.count(first + part, 2), float(os.environ.get("EXPORTSTREAM_STRUCTURED_SECONDS", "1800")) / 2)
    with capsys.disabled():
        sys.stdout.write(f"{report(done)}\n")
    check(done)


def test_every_kind_of_input_is_drawn() -> None:
    """Among the first inputs each feature comes several times, and every verdict often."""
    features: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    sizes = []
    for seed in range(1000):
        case = draw(seed)
        assert seed > 200 or draw(seed) == case
        features.update(case.features)
        sizes.append(len(case.data))
        try:
            wanted = verdict.judge(case.data, seekable=case.how.source in ("bytes", "file"))
            verdicts["accepted"] += 1
            verdicts.update(table for table, rows in wanted.rows.items() if rows)
        except verdict.Refused as reason:
            verdicts["refused"] += 1
            reasons[str(reason)] += 1
        except verdict.NotJudged:
            verdicts["not judged"] += 1
    assert {name for name in FEATURES if features[name] < 3} == set()
    assert features["large"]
    assert min(sizes) < 10
    assert max(sizes) > 1_000_000
    assert sum(size > 100_000 for size in sizes) > 10
    assert verdicts["accepted"] > 450
    assert verdicts["refused"] > 250
    assert verdicts["not judged"] < 80
    assert verdicts["messages"] > 300
    assert verdicts["tool-calls"] > 150
    assert len(reasons) > 20


def test_the_oracle_shares_nothing_with_exportstream() -> None:
    """It imports the standard library and its own rows only."""
    found = set()
    for module in (oracle, verdict):
        for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add((node.module or "").partition(".")[0])
    assert found - sys.stdlib_module_names == {"tests"}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_oracle_accepts_the_samples(name: str) -> None:
    """Every file that a producer wrote is accepted, with rows."""
    wanted = verdict.judge((DATA / name).read_bytes())
    assert wanted.rows["messages"]
    assert wanted.totals["counted"]["messages"] == len(wanted.rows["messages"])


ONE = dump(session())


@pytest.mark.parametrize(
    "data",
    [
        b"", b" \n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf" + ONE, ONE[:-1], ONE + b'"abc', ONE + b"tru", ONE + b"-", ONE + b"1",
        ONE + b"[", ONE + b"\0", ONE + b"}", ONE + b",", ONE + b"[]", b"[" + ONE + b",]", b"[" + ONE, b"[[" + ONE + b"]]",
        ONE.replace(b'"id"', b'"id":"a","id"'), ONE.replace(b'"id":"s",', b""), ONE.replace(b'"s"', b"null"), ONE.replace(b'"s"', b"01"),
        ONE.replace(b"[]", b"null"), ONE.replace(b"[]", b"{}"), ONE.replace(b"[]", b"[1]"), ONE.replace(b"[]", b"[NaN]"),
        ONE.replace(b'"t"', b'"t\x01"'), ONE.replace(b'"t"', b'"t\xff"'), ONE.replace(b'"t"', b'"t","cost":"1"'),
        ONE.replace(b'"t"', b'"t","promptTokens":1,"prompt_tokens":1'), ONE.replace(b'"t"', b'"t","promptTokens":1.5'),
        dump({"result": session(), "messages": []}), dump({"result": 1, "messages": []}), dump({"id": "x", "result": session()}),
        dump(session(message(0, toolCalls=[{}]))), dump(session(message(0, role=None))), dump(session(message(0, role=1))),
    ],
)  # fmt: skip
def test_what_the_oracle_refuses(data: bytes) -> None:
    """Some of what must give an error."""
    with pytest.raises(verdict.Refused):
        verdict.judge(data)


def test_what_the_oracle_makes_of_responses() -> None:
    """Keys around a session are kept together, in order; nothing of the session is overwritten."""
    inner = session(message(0), x=2)
    around: dict[str, Any] = {"cost": 9.5, "x": 1, "result": inner, "title": "u", "createdAt": 5}
    (row,) = verdict.judge(dump(around)).rows["sessions"]
    assert row["extra"] == {"x": 2, "response": {"cost": verdict.Decimal("9.5"), "x": 1, "title": "u", "createdAt": 5}}
    assert list(row["extra"]["response"]) == ["cost", "x", "title", "createdAt"]
    assert (row["title"], "cost" in row) == ("t", False)
    (row,) = verdict.judge(dump({"result": session()})).rows["sessions"]
    assert "extra" not in row


def test_a_difference_is_seen() -> None:
    """A result that is not the one of the input's bytes is told, with where it differs."""
    rows = verdict.judge(dump(session(message(0), message(1), x=[1, {"a": 2}]))).rows["messages"]
    assert verdict.difference(rows, rows) is None
    assert verdict.difference(rows[:1], rows) == "$: 1 items instead of 2"
    assert verdict.difference(rows[::-1], rows) == "$[0].messageIndex: '1' instead of '0'"
    assert verdict.difference([1], [True], "rows") == "rows[0]: '1' instead of 'True'"
    assert verdict.difference({"a": 1}, {"a": 1, "b": 2}) == "$: keys ['a'] instead of ['a', 'b']"
    assert verdict.difference(verdict.Decimal("1.0"), 1) is not None
    assert verdict.difference(verdict.Decimal("1.0"), verdict.Sum(verdict.Decimal(1))) is None
    assert compare(ONE, draw(0).how).failure is None
