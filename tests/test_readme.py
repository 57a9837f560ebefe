"""The README's commands and code blocks do what they show."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.files import ROOT

GENERATED = re.compile(r"^<!-- benchmarks -->.*^<!-- /benchmarks -->", re.DOTALL | re.MULTILINE)


def read_blocks(page):
    """The code blocks of a page, in order: (kind, text)."""
    return re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def make_clone(folder):
    """Make a folder look like a clone to the commands."""
    shutil.copytree(ROOT / "tests" / "data", folder / "tests" / "data")
    return folder


def run(command, folder):
    bin_folder = str(Path(sys.executable).parent)
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'export PATH="{bin_folder}:$PATH"; {command}'],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def normal(text):
    """Without what differs between runs: times, rates, compressed sizes, trailing space."""
    text = re.sub(r"\(\d[\d.]* \w+, [\d.]+x smaller", "(SIZE, RATIO smaller", text)
    text = re.sub(r"to (\S+\.(?:db|parquet)) \([\d.]+ \w+\)", r"to \1 (SIZE)", text)
    text = re.sub(r"in [\d.]+ s \([\d.]+ \w+/s\)", "in TIME", text)
    text = re.sub(r'"(seconds|bytesWritten)": [\d.]+', r'"\1": N', text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def check_blocks(blocks, folder):
    """Run the blocks of a page in their order, each after what the earlier ones left.

    A `console` block prints what it shows, `python` and `sh` end well, a `text` block is what the one before it printed,
    and a `json` block is the file `session.json` from then on.
    """
    printed = None
    for kind, text in blocks:
        if kind == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, expected = part.partition("\n")
                done = run(command + " 2>&1", folder)
                assert normal(done.stdout) == normal(expected), command
        elif kind in ("python", "sh"):
            arguments = [sys.executable, "-W", "error", "-c", text]
            done = (
                run(text, folder)
                if kind == "sh"
                else subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
            )
            assert done.returncode == 0, done.stderr
            printed = done.stdout
        elif kind == "text":
            assert printed == text
        elif kind == "json":
            (folder / "session.json").write_text(text, encoding="utf-8")


BLOCKS = read_blocks(ROOT / "README.md")


@pytest.fixture
def clone(tmp_path):
    return make_clone(tmp_path)


def test_convert_command_at_the_top(clone):
    """The first command, but for its install step, converts the sample into a whole zstd file."""
    install, command = next(text for kind, text in BLOCKS if kind == "sh").splitlines()[0].split(" && ")
    assert install == "pip install ."
    done = run(command + " && zstd -q -dc session.ndjson.zst | wc -l", clone)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "6"


def test_blocks(clone):
    """Every block but the installation does what the README shows."""
    check_blocks([(kind, text) for kind, text in BLOCKS if kind != "sh"], clone)


def test_four_rows_are_of_the_full_table():
    """The figures at the top are medians and peaks of the generated table."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    full = {
        row[0]: row for row in map(_cells, GENERATED.search(text)[0].splitlines()) if len(row) == 7 and row[1][:1].isdigit()
    }
    rows = [row for row in map(_cells, GENERATED.sub("", text).splitlines()) if len(row) == 5 and row[0] in full]
    assert len(rows) == 4
    for name, *figures in rows:
        long, _, long_peak, dense, _, dense_peak = full[name][1:]
        assert figures == [long.split()[0], long_peak, dense.split()[0], dense_peak], name


def _cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_it_is_short():
    """The README stays within 200 short lines; only the benchmarks' generator may write longer ones."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    assert [line for line in GENERATED.sub("", text).splitlines() if len(line) > 120] == []
