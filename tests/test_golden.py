"""Golden cases: a folder each with the arguments, what the command then says and ends with, and the files it makes.

``python -m tests.test_golden`` writes what the command says now; read the difference before keeping it.
"""

from __future__ import annotations

import re
import shlex
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.kit.command import run
from tests.kit.files import ROOT

GOLDEN = ROOT / "tests" / "golden"
INPUTS = GOLDEN / "inputs"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/cmd"))


def result(case: str, folder: Path) -> dict[str, str]:
    """What the command says for a case; times and rates, which differ each time, are written as T and R."""
    shutil.copytree(INPUTS, folder, dirs_exist_ok=True)
    arguments = shlex.split((GOLDEN / case / "cmd").read_text())
    done = run(*arguments, cwd=folder)
    stderr = re.sub(r"in \d+\.\d s \([\d.]+ [kMG]?B/s\)", "in T s (R/s)", done.stderr.decode())
    made = {path.name: path.read_bytes().decode() for path in folder.iterdir() if not (INPUTS / path.name).exists()}
    return {"stdout": done.stdout.decode(), "stderr": stderr, "code": f"{done.returncode}\n", **made}


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str, tmp_path: Path) -> None:
    """The command says what stands in the case's files, byte by byte."""
    expected = {path.name: path.read_bytes().decode() for path in (GOLDEN / case).iterdir() if path.name != "cmd"}
    assert result(case, tmp_path) == {"stdout": "", "stderr": "", **expected}


def test_golden_cases_can_be_read() -> None:
    """There are few cases, each short enough to read, and no file that belongs to none."""
    assert 8 <= len(CASES) <= 12
    for path in GOLDEN.rglob("*"):
        if path.is_file():
            assert path.parent.name in (*CASES, "inputs")
            assert path.stat().st_size < 2500, path


if __name__ == "__main__":
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in result(case, Path(folder)).items():
                (GOLDEN / case / name).write_bytes(text.encode())
                if not text:
                    (GOLDEN / case / name).unlink()
