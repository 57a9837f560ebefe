"""The command's process: exit codes and shell completion."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import exportstream
from exportstream.cli.process import Exit, exit_code
from tests.kit.command import run

ERRORS = sorted(name for name in dir(exportstream) if name.endswith("Error"))


def complete(shell: str, words: str, tmp_path: Path) -> list[str]:
    """What a shell is offered after some words; the last one is unfinished."""
    wanted = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    if shell == "fish":
        wanted["COMP_CWORD"] = words.rsplit(" ", maxsplit=1)[-1]
    done = run(cwd=tmp_path, _EXPORTSTREAM_COMPLETE=f"{shell}_complete", **wanted)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().splitlines()


def test_no_cycles_are_looked_for_at_exit(tmp_path: Path) -> None:
    """What was imported ends with the process: the collector does not look through it once more."""
    cycle = "class Cycle:\n    def __del__(self): print('found')\ncycle = Cycle()\ncycle.own = cycle\ndel cycle\n"
    for begin, expected in (("", b"found\n"), ("from exportstream.cli.process import tune\ntune()\n", b"")):
        done = subprocess.run([sys.executable, "-c", begin + cycle], capture_output=True, cwd=tmp_path, check=True)
        assert done.stdout == expected


@pytest.mark.parametrize("name", ERRORS)
def test_errors_and_exit_codes(name: str) -> None:
    """Each error has its exit code: 2 for usage, 4 for the system, 3 for everything else, which is the input."""
    usage, system = (
        {"UsageError", "OptionError", "MissingExtraError"},
        {"TransferError", "ReadError", "WriteError", "WorkerError", "OutOfMemoryError"},
    )
    expected = Exit.USAGE if name in usage else Exit.SYSTEM if name in system else Exit.INPUT
    assert exit_code(getattr(exportstream, name)("x")) is expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell: str, tmp_path: Path) -> None:
    """The command prints what a shell has to run for completion, and bash takes it."""
    done = run(cwd=tmp_path, _EXPORTSTREAM_COMPLETE=f"{shell}_source")
    assert done.returncode == 0
    assert b"_EXPORTSTREAM_COMPLETE=%s_complete" % shell.encode() in done.stdout
    if shell == "bash":
        subprocess.run(["bash", "-euc", done.stdout], check=True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("exportstream ", ["convert", "totals", "check"]),
        ("exportstream convert --runn", ["--running-totals"]),
        ("exportstream convert --table tool", ["tool-calls"]),
        ("exportstream convert -t messages,tool", ["messages,tool-calls"]),
        ("exportstream totals --by day,mo", ["day,model", "day,month"]),
        ("exportstream convert --format csv.", ["csv.zst", "csv.gz"]),
    ],
)
def test_completion(shell: str, words: str, offered: list[str], tmp_path: Path) -> None:
    """Commands, options and the values of options are completed."""
    found = complete(shell, words, tmp_path)
    assert [word for word in offered if word in " ".join(found)] == offered


def test_completion_after_an_input(tmp_path: Path) -> None:
    """Where a command belongs, an input is no error while a shell completes."""
    (tmp_path / "in.json").touch()
    asked = {"COMP_WORDS": "exportstream in.json ", "COMP_CWORD": "2", "_EXPORTSTREAM_COMPLETE": "bash_complete"}
    done = run(cwd=tmp_path, **asked)
    assert (done.returncode, done.stderr) == (0, b"")
