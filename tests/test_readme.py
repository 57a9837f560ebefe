"""The README's commands and code blocks do what they show."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.files import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.fixture
def clone(tmp_path):
    """A folder that looks like a clone to the commands."""
    shutil.copytree(ROOT / "tests" / "data", tmp_path / "tests" / "data")
    return tmp_path


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
    text = re.sub(r"to session.db \([\d.]+ \w+\)", "to session.db (SIZE)", text)
    text = re.sub(r"in [\d.]+ s \([\d.]+ \w+/s\)", "in TIME", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def test_convert_command_at_the_top(clone):
    """The first command, but for its install step, converts the sample into a whole zstd file."""
    install, command = next(text for kind, text in BLOCKS if kind == "sh").splitlines()[0].split(" && ")
    assert install == "pip install ."
    done = run(command + " && zstd -q -dc session.ndjson.zst | wc -l", clone)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "6"


def test_console_blocks(clone):
    """Every command of a transcript prints what the README shows."""
    for kind, text in BLOCKS:
        if kind != "console":
            continue
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            done = run(command + " 2>&1", clone)
            assert normal(done.stdout) == normal(expected), command


def test_python_blocks(clone):
    """Every Python block runs, and an error text that follows one is what it prints."""
    commands = [line for kind, text in BLOCKS if kind == "console" for line in text.splitlines() if line.startswith("$ ")]
    top = "exportstream convert tests/data/session-with-usage.json -o session.ndjson.zst"
    assert run(" && ".join([top, *(line[2:] for line in commands)]), clone).returncode == 0
    kinds = [kind for kind, _ in BLOCKS]
    for place, (kind, text) in enumerate(BLOCKS):
        if kind != "python":
            continue
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", text], cwd=clone, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        if kinds[place + 1 : place + 2] == ["text"]:
            assert done.stdout == BLOCKS[place + 1][1]


def test_it_is_short():
    """The README stays within 150 lines."""
    assert len(README.splitlines()) <= 150
