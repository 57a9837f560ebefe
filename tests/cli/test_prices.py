"""Prices through the command: apart from declared and recorded costs, in totals and in rows."""

from __future__ import annotations

import json
import os
import re
from decimal import Decimal
from pathlib import Path

import pytest

from tests.kit.command import run, said, speak
from tests.kit.documents import dump, message, session
from tests.kit.files import DATA

USED = DATA / "session-with-usage.json"
LIST = '[[price]]\nmodel = "claude-sonnet*"\ninput = 3\noutput = 15\n'


@pytest.fixture
def unpaid(tmp_path: Path) -> Path:
    """A folder with a price list, and with the session of the samples without its costs and one message with a cost."""
    (tmp_path / "prices.toml").write_text(LIST)
    sample = json.loads(USED.read_bytes(), parse_float=Decimal)
    for one in sample["messages"]:
        one.pop("cost", None)
    sample["messages"].append(message(9, model="claude-sonnet-4", inputTokens=1, cost=5))
    (tmp_path / "session.json").write_bytes(dump(sample))
    return tmp_path


def test_declared_recorded_and_priced_costs_are_apart(unpaid: Path) -> None:
    """Each has its own figure, in the table and in JSON, with the list and the messages that it has no price for."""
    arguments = ["totals", "session.json", "--prices", "prices.toml"]
    lines = run(*arguments, cwd=unpaid).stdout.decode().splitlines()
    costs = {line[:30].partition(" (USD)")[0]: line.split()[-2:] for line in lines if "cost (USD)" in line}
    assert costs.pop("cost")[0] != "-"
    assert costs == {"priced cost": ["-", "0.069054"], "all cost": ["-", "5.069054"]}
    assert [line.split()[2:4] for line in lines if line.startswith("cost (USD)")] == [["0.068367", "5"]]
    assert lines[-4].startswith("prices: prices.toml ")
    assert re.split(r"\s\s+", lines[-2]) == ["without a price", "reason", "messages", "all input", "output", "cache write"]
    assert lines[-1].split() == ["claude-opus-4", "unknown-model", "1", "10,003", "303", "300"]
    found = json.loads(run(*arguments, "--json", cwd=unpaid).stdout, parse_float=Decimal)
    assert found["declared"]["cost"]["sum"] == Decimal("0.068367")
    assert found["counted"]["cost"] == {"sum": 5, "count": 1}
    assert found["priced"]["cost"] == {"sum": Decimal("0.069054"), "count": 2}
    assert found["totalCost"] == Decimal("5.069054")
    assert found["priced"]["lists"][0]["name"] == "prices.toml"
    assert [(one["model"], one["messages"]) for one in found["priced"]["unpriced"]] == [("claude-opus-4", 1)]


def test_models_without_a_price_keep_their_names(tmp_path: Path) -> None:
    """Figures are left out before names get shorter; only names that do not fit at all are cut, in their middle."""
    models = ["gpt-5.2-codex", "gpt-5.3-codex", f"{'m' * 40}-fast"]
    used = {"inputTokens": 10**9, "outputTokens": 10**8, "cacheReadTokens": 10**9, "cacheCreationTokens": 10**8}
    (tmp_path / "in.json").write_bytes(dump(session(*(message(at, model=name, **used) for at, name in enumerate(models)))))
    (tmp_path / "prices.toml").write_text(LIST)
    for width, figures in (("200", 5), ("100", 3), ("70", 1), ("40", 1)):
        text = run("totals", "in.json", "--prices", "prices.toml", cwd=tmp_path, COLUMNS=width).stdout.decode()
        lines = text.splitlines()[-4:]
        assert max(map(len, lines)) <= int(width)
        names = [line.split()[0] for line in lines[1:]]
        assert names[:2] == sorted(models)[:2]
        assert ("…" in names[2], len(lines[1].split()) - 2) == (width == "40", figures)


def test_models_have_a_column_of_prices(unpaid: Path) -> None:
    """A model without a price has its tokens, no price, and its messages are counted."""
    arguments = ["totals", "session.json", "--prices", "prices.toml", "--by", "model"]
    lines = [line.split() for line in run(*arguments, cwd=unpaid).stdout.decode().splitlines()]
    assert lines[0][-5:] == ["cost", "priced", "all", "cost", "unpriced"]
    assert {line[0]: line[-4:] for line in lines[1:4]} == {
        "claude-sonnet-4": ["5.00", "0.069054", "5.069054", "0"],
        "claude-opus-4": ["-", "-", "-", "1"],
        "-": ["-", "-", "-", "0"],
    }
    run(*arguments, "-o", "bill.md", cwd=unpaid)
    assert (unpaid / "bill.md").read_text().splitlines()[-1].startswith("Prices: prices.toml ")


def test_messages_without_a_cost_lead_to_prices(unpaid: Path) -> None:
    """A table with costs says that some are missing, until it has prices; one of tools has no costs, and no prices below it."""
    hint = "\n\nsome messages have tokens and no cost: --prices genai tells what they cost\n"
    priced = ("--prices", "prices.toml")
    for more, expected in (((), True), (("--by", "day"), True), (("--by", "tool"), False), (priced, False)):
        assert (hint in speak("totals", "session.json", *more, cwd=unpaid).stdout) is expected, more
    assert "prices" not in speak("totals", "session.json", "--by", "tool", *priced, cwd=unpaid).stdout


def test_genai_prices_by_the_package(unpaid: Path) -> None:
    """--prices genai prices every model that the package knows, and names its version."""
    found = json.loads(run("totals", "session.json", "--prices", "genai", "--json", cwd=unpaid).stdout)
    assert found["priced"]["cost"]["count"] == 3
    assert found["priced"]["lists"][0]["name"] == "genai-prices"


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("none.toml", 4, "exportstream: none.toml: No such file or directory; name a file in TOML, or genai"),
        ("session.json", 2, "exportstream: session.json: expected a price list in TOML"),
        ("-", 2, "exportstream: prices can't come from standard input"),
    ],
)
def test_a_wrong_price_list_is_an_error(unpaid: Path, name: str, code: int, words: str) -> None:
    """A list that can't be read is exit code 4, one that is none exit code 2, with a line that says so."""
    done = run("totals", "session.json", "--prices", name, cwd=unpaid)
    assert (done.returncode, done.stdout) == (code, b"")
    assert len(said(done)) == 1
    assert said(done)[0].startswith(words)


def test_convert_fills_costs(unpaid: Path) -> None:
    """Convert with --prices writes the price of each message without a cost, and says which are recorded."""
    done = run("convert", "session.json", "-o", "-", "--prices", "prices.toml", "--quiet", cwd=unpaid)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line, parse_float=Decimal) for line in done.stdout.splitlines()]
    priced = {row["messageIndex"]: row["cost"] for row in rows if row.get("costSource") == "priced"}
    assert sum(priced.values()) == Decimal("0.069054")
    assert [row["cost"] for row in rows if row.get("costSource") == "recorded"] == [5]


def test_many_inputs_are_priced(unpaid: Path) -> None:
    """Each output has prices, and so does a merge; the report has the sum of each source."""
    (unpaid / "more.json").write_bytes((unpaid / "session.json").read_bytes())
    arguments = ["convert", "session.json", "more.json", "--prices", "prices.toml", "--report", "report.json"]
    for output in (["-o", "rows/", "--jobs", "2"], ["-o", "all.ndjson", "--merge", "--force"]):
        done = run(*arguments, *output, cwd=unpaid)
        assert done.returncode == 0, done.stderr
        totals = json.loads((unpaid / "report.json").read_text(), parse_float=Decimal)["totals"]
        assert (totals["counted"]["cost"]["sum"], totals["priced"]["cost"]["sum"]) == (10, Decimal("0.138108"))
    assert (unpaid / "all.ndjson").read_text().count('"costSource":"priced"') == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["totals", "session.json"],
        ["totals", "session.json", "more.json", "-j2"],
        ["convert", "session.json", "-o", "out.ndjson"],
        ["convert", "session.json", "-o", "rows/"],
        ["convert", "session.json", "more.json", "-o", "rows/", "-j2"],
        ["convert", "session.json", "more.json", "-o", "all.parquet", "--merge"],
    ],
)
def test_a_price_list_may_come_through_a_pipe(unpaid: Path, arguments: list[str]) -> None:
    """A list is read once a run, also where several parts of it need prices: a pipe can't be read again."""
    (unpaid / "more.json").write_bytes((unpaid / "session.json").read_bytes())
    end, start = os.pipe()
    os.write(start, LIST.encode())
    os.close(start)
    done = run(*arguments, "--prices", f"/dev/fd/{end}", cwd=unpaid, process={"pass_fds": [end]})
    os.close(end)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("suffix", ["ndjson", "csv.gz", "parquet", "sqlite"])
def test_verify_knows_prices(unpaid: Path, suffix: str) -> None:
    """An output with prices is what its record says; one that was written with another list is written again."""
    convert = ["convert", "session.json", "-o", "rows/", "--format", suffix, "--update", "--prices"]
    for prices in (LIST, LIST.replace("15", "16")):
        (unpaid / "prices.toml").write_text(prices)
        assert b" to rows/session." in run(*convert, "prices.toml", cwd=unpaid).stderr
        assert b"up to date" in run(*convert, "prices.toml", cwd=unpaid).stderr
        checked = run("verify", "rows", cwd=unpaid)
        assert checked.returncode == 0, checked.stdout
