"""Memory: the peak of a fresh process does not grow with the input, and stays under 64 MB."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.generate import generate
from exportstream import convert
from tests.kit.command import peak
from tests.kit.documents import dump, message, session
from tests.kit.files import repeat

N = 16_000_000  # all buffers of zstd are in use by then
LIMIT = 64_000_000

CONVERT = "import exportstream; exportstream.convert({source!r}, {target!r}, force=True{options})"
PROGRAMS = {
    "ndjson-zstd": (CONVERT, "out.ndjson.zst", ""),
    "csv": (CONVERT, "out.csv", ""),
    "csv-gzip": (CONVERT, "out.csv.gz", ""),
    "all-tables": (CONVERT, "out.csv.zst", ", table='all'"),
    "tool-calls": (CONVERT, "out.ndjson", ", table='tool-calls', running_totals=True, keys='snake'"),
    "totals": (
        (
            "import exportstream\nwith exportstream.open_export({source!r}) as export:\n"
            "    for _ in export: pass\n    assert export.totals.counted.messages > 1000"
        ),
        "",
        "",
    ),
    "iter-messages": ("import exportstream\nassert sum(1 for _ in exportstream.iter_messages({source!r})) > 1000", "", ""),
    "command": (
        (
            "from exportstream.cli.commands import main\n"
            "try: main(['convert', {source!r}, '-o', {target!r}, '--force', '--quiet'])\nexcept SystemExit as end: assert not end.code"
        ),
        "out.ndjson.zst",
        "",
    ),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of N and 10 N bytes, of long and of dense messages."""
    folder = tmp_path_factory.mktemp("memory")
    for shape in ("long", "dense"):
        small = folder / f"{shape}-{N}.json"
        generate(shape, N, small)
        repeat(small, folder / f"{shape}-{10 * N}.json", 10)
    return folder


def peak_of(program: str, source: Path, *, blocks: str) -> int:
    code, target, options = PROGRAMS[program]
    code = code.format(source=str(source), target=str(source.parent / target), options=options)
    return peak(code, EXPORTSTREAM_BLOCKS=blocks)


@pytest.mark.parametrize(
    ("program", "shape", "blocks"),
    [
        ("ndjson-zstd", "long", "1"),
        ("ndjson-zstd", "dense", "1"),
        ("ndjson-zstd", "long", "0"),
        ("csv", "long", "1"),
        ("csv", "dense", "1"),
        ("csv-gzip", "long", "1"),
        ("all-tables", "long", "1"),
        ("all-tables", "dense", "1"),
        ("tool-calls", "long", "1"),
        ("totals", "dense", "1"),
        ("iter-messages", "long", "1"),
        ("iter-messages", "dense", "1"),
        ("command", "long", "1"),
    ],
)
def test_peak_memory_does_not_grow_with_the_input(files: Path, program: str, shape: str, blocks: str) -> None:
    """Ten times the input takes at most a tenth more memory, and under 64 MB in all."""
    small = peak_of(program, files / f"{shape}-{N}.json", blocks=blocks)
    large = peak_of(program, files / f"{shape}-{10 * N}.json", blocks=blocks)
    assert large < LIMIT
    assert large <= 1.1 * small


@pytest.mark.parametrize("program", ["ndjson-zstd", "csv"])
def test_one_long_text_takes_five_times_its_size(program: str, tmp_path: Path) -> None:
    """The only row of a batch is not copied more often than one of many."""
    text = 'a line of a log, with "quotes"\n' * 1_300_000
    (tmp_path / "in.json").write_bytes(dump(session(message(0, content=text))))
    assert peak_of(program, tmp_path / "in.json", blocks="1") < LIMIT + 5 * len(text)


DAMAGED = """
import exportstream
from tests.kit.documents import dump, message, session
before, _, after = dump(session(message(0), "@@", message(2))).partition(b'"@@"')
rejected = []
chunks = (before, *[b'{{"id":"x' + bytes(99_992)] * {count}, b"}},", after)
with exportstream.open_export(chunks, on_error="skip", rejects=lambda one: rejected.append(len(one.raw))) as export:
    assert [one.id for one in export] == ["m0", "m2"]
assert sum(rejected) >= {count} * 100_000
"""


@pytest.mark.parametrize("count", [400, pytest.param(2000, marks=pytest.mark.long)])
def test_peak_memory_of_damage(count: int) -> None:
    """Damage of 40 MB in the middle of an input takes no more memory than the input, nor does damage of 200 MB."""
    assert peak(DAMAGED.format(count=count)) < LIMIT


def test_a_batch_is_freed_before_the_next_one_is_read(tmp_path: Path) -> None:
    """While an input is read on, the messages that were written take no memory any more: the next ones take theirs."""
    generate("dense", 2_000_000, tmp_path / "in.json")
    data = (tmp_path / "in.json").read_bytes()
    held = []

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(data), 65_536):
            held.append(tracemalloc.get_traced_memory()[0])
            yield data[at : at + 65_536]

    tracemalloc.start()
    try:
        convert(pieces(), tmp_path / "out.ndjson")
    finally:
        tracemalloc.stop()
    assert max(held[-8:]) < 1_000_000  # with a batch it is more


def test_the_measure_can_see_memory_that_grows(files: Path) -> None:
    """A program that keeps every message is seen: its peak at ten times the input is far beyond a tenth more."""
    keep = "import exportstream\nkept = list(exportstream.iter_messages({source!r}))"
    peaks = [peak(keep.format(source=str(files / f"long-{size}.json"))) for size in (N, 10 * N)]
    assert peaks[1] > 1.5 * peaks[0]


def test_a_thousand_exports_leave_nothing(tmp_path: Path) -> None:
    """One process that converts file after file holds nothing of those that are done, also where no collector runs."""
    generate("dense", 300_000, tmp_path / "in.json")
    code = (
        "import gc, re, exportstream\ngc.disable()\nfor turn in range(120):\n"
        "    exportstream.convert({source!r}, {target!r}, force=True)\n"
        "    if turn == 20: early = int(re.search(r'VmRSS:\\s*(\\d+)', open('/proc/self/status').read())[1])\n"
        "late = int(re.search(r'VmRSS:\\s*(\\d+)', open('/proc/self/status').read())[1])\nprint(early, late)"
    ).format(source=str(tmp_path / "in.json"), target=str(tmp_path / "out.ndjson.zst"))
    early, late = map(int, subprocess.check_output([sys.executable, "-c", code]).split())
    assert late <= 1.1 * early
