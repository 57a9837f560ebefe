"""Few open files, and errors of the system that no stage has made its own."""

from __future__ import annotations

import errno
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.command import COMMAND, ENVIRONMENT
from tests.kit.files import contents, many


def run_with_files(soft: int, hard: int, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command where it may open that many files."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        env=ENVIRONMENT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
        check=False,
    )


@pytest.mark.parametrize(("files", "asked", "possible"), [(20, 2, 1), (42, 8, 2), (39, 8, 1)])
def test_fewer_workers_where_few_files_may_be_open(tmp_path: Path, files: int, asked: int, possible: int) -> None:
    """All inputs are converted, by as many processes as the limit allows, and one line says so and names the next step."""
    many(tmp_path / "in", 10)
    done = run_with_files(files, files, "convert", "in", "-o", "out/", "--jobs", str(asked), "--quiet", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == (
        f"exportstream: warning: {possible} of {asked} processes, since only {files} files may be open; "
        "raise the limit (ulimit -n) for more\n"
    )
    assert len(contents(tmp_path / "out")) == 10


@pytest.mark.parametrize("jobs", [2, 8])
def test_as_many_files_as_workers_need(tmp_path: Path, jobs: int) -> None:
    """A limit that can be raised is raised, and what it is raised to is enough, also for several outputs of each input."""
    many(tmp_path / "in", 20)
    options = ["--jobs", str(jobs), "--quiet", "--table", "all", "--format", "parquet"]
    done = run_with_files(20, 32 + 4 * jobs, "convert", "in", "-o", "out/", *options, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(contents(tmp_path / "out")) == 60


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.EMFILE, "Too many open files"),
            "Too many open files; raise the limit of open files (ulimit -n), or use ",
        ),
        (OSError(errno.EIO, "Input/output error"), "the system failed: Input/output error\n"),
        (OSError(errno.EIO, "Input/output error", "a\nb"), "a\\nb: Input/output error\n"),
        (OSError("words"), "the system failed: words\n"),
    ],
)
def test_other_errors_are_not_those_of_standard_output(tmp_path: Path, error: OSError, said: str) -> None:
    """An error that comes from elsewhere is exit code 4 and one line, and standard output is not blamed."""
    arguments = error.args if error.filename is None else (*error.args, error.filename)
    script = (
        "from exportstream.cli import commands, convert\n"
        f"def fail(*_, **__): raise OSError(*{arguments!r})\n"
        "convert.convert_one = fail\ncommands.main(['convert', 'in.json', '-o', 'out.ndjson'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 4
    assert done.stderr.startswith(f"exportstream: {said}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["totals"], ["totals", "--json"], ["check"], ["check", "--json"]])
def test_errors_of_standard_output_are_said_to_be(tmp_path: Path, arguments: list[str]) -> None:
    """What can't be printed is an error of standard output."""
    many(tmp_path, 1)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, *arguments, "s000.json"],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
            check=False,
        )
    assert (done.returncode, done.stderr) == (4, f"exportstream: <stdout>: {os.strerror(errno.ENOSPC)}\n")
    assert not re.search("Traceback", done.stderr)
