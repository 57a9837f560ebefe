"""The command: every way of starting it, and the processes it starts."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.kit.forks import Forks

COMMAND = [sys.executable, "-m", "exportstream"]
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("EXPORTSTREAM_", "PYTHON", "COLUMNS"))
}
ENVIRONMENT |= {"PYTHONWARNINGS": "error", "TERM": "xterm"}

# A program ends with this to say how much memory it took at most, in kilobytes. Linux knows it as VmHWM; its ru_maxrss would
# also count the process that started the program.
_SAY_PEAK = """
import re, resource, sys
if sys.platform == "linux":
    found = dict(re.findall(r"(\\w+):\\s*(\\d+) kB", open("/proc/self/status").read()))
    print(int(found["VmHWM"]) - LESS * int(found["RssFile"]))
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


FORKS = Forks(ENVIRONMENT)


def run(
    *arguments: object, cwd: Path, data: bytes | None = None, process: dict[str, Any] | None = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end; `process` holds what else `subprocess.run` is to be told."""
    given = [str(argument) for argument in arguments]
    if process is None:
        with open(os.devnull, "rb") as nothing:
            done = FORKS.run(given, str(cwd), environment, nothing.fileno() if data is None else data)
        if done is not None:
            return subprocess.CompletedProcess(given, *done)
    options = {"stdout": subprocess.PIPE, "stdin": None if data is not None else subprocess.DEVNULL} | (process or {})
    return subprocess.run(
        [*COMMAND, *given],
        cwd=cwd,
        input=data,
        stderr=subprocess.PIPE,
        timeout=60,
        env=ENVIRONMENT | environment,
        check=False,
        **options,
    )


def peak(program: str, *arguments: object, cwd: Path | None = None, files: bool = True, **environment: str) -> int:
    """Run a program of Python in a process of its own, and return the memory that it took at most, in bytes.

    Without `files`, what is mapped of libraries is left out: of a large one it is 30 MB more where the page cache holds it in
    large pieces, as after its installation.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, "-c", f"{program}\nLESS = {int(not files)}{_SAY_PEAK}", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, timeout=120, env=clean | environment, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return int(done.stdout.split()[-1]) * 1024


def said(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    """The lines on standard error."""
    return done.stderr.decode().splitlines()


class Spoken(NamedTuple):
    """How the command ended and what it said."""

    returncode: int
    stdout: str
    stderr: str


def speak(*arguments: object, cwd: Path, stdin: Any = None) -> Spoken:
    """Run the command, with blocks if the library here has them; what it says is text, and never a traceback."""
    given = stdin if isinstance(stdin, bytes) else None
    blocks = {name: value for name, value in os.environ.items() if name == "EXPORTSTREAM_BLOCKS"}
    process = None if stdin is None or given is not None else {"stdin": stdin}
    done = run(*arguments, cwd=cwd, data=given, process=process, **blocks)
    assert b"Traceback" not in done.stderr
    return Spoken(done.returncode, done.stdout.decode(), done.stderr.decode())


def run_on_terminal(*arguments: str, cwd: Path, columns: int = 160, stdout: bool = False) -> tuple[int, bytes, bytes]:
    """Run with a terminal as standard error, and as standard output or a pipe; return exit code, data, what was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=theirs if stdout else subprocess.PIPE,
        stderr=theirs,
        env=ENVIRONMENT | {"COLUMNS": str(columns)},
    )
    os.close(theirs)
    data, shown, open_ones = [], [], {ours}
    if process.stdout is not None:
        open_ones.add(process.stdout.fileno())
    while open_ones:
        for fd in select.select(list(open_ones), [], [], 60)[0]:
            try:
                piece = os.read(fd, 65536)
            except OSError:  # the terminal's other end is closed
                piece = b""
            (shown if fd == ours else data).append(piece)
            if not piece:
                open_ones.remove(fd)
    os.close(ours)
    if process.stdout is not None:
        process.stdout.close()
    return process.wait(60), b"".join(data), b"".join(shown)


def start(*arguments: object, cwd: Path, before: Sequence[str] = (), **options: str) -> subprocess.Popen[bytes]:
    """Start the command in a session and process group of its own; `before` is a command that starts it."""
    return subprocess.Popen(
        [*before, *COMMAND, *map(str, arguments)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Where a process is killed its files stay; a file that was just being opened when a signal came is not closed.
        env=ENVIRONMENT | {"TMPDIR": str(cwd.parent), "PYTHONWARNINGS": "error,ignore::ResourceWarning"} | options,
        start_new_session=True,
    )


def wait_until(true: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait for something, and return it."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)
    return found


def in_session(leader: int) -> list[int]:
    """The processes of a session that are not dead; `start` makes one for each command."""
    return [pid for pid, _, session_id, state in _processes() if session_id == leader and state not in "ZX"]


def children(parent: int) -> list[int]:
    """The processes that a process started."""
    return [pid for pid, above, _, state in _processes() if above == parent and state not in "ZX"]


def workers(leader: int) -> list[int]:
    """The worker processes of a command: copies of it, or what its fork server started where it has one."""
    return [pid for helper in children(leader) for pid in children(helper)] or children(leader)


def _processes() -> Iterator[tuple[int, int, int, str]]:
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                state, above, _, session_id = file.read().rpartition(")")[2].split()[:4]
        except OSError:  # it has ended meanwhile
            continue
        yield int(name), int(above), int(session_id), state


def kill(pid: int) -> None:
    """End a process at once, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
