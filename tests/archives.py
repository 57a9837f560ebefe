"""Folders of exports, and what conversions of them wrote, for the tests of many inputs."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import zstandard

from tests.plain import call, dump, message, session

COMMAND = [sys.executable, "-m", "exportstream"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("EXPORTSTREAM_", "PYTHON"))}
ENVIRONMENT |= {"PYTHONWARNINGS": "error", "COLUMNS": "100"}


def export(name: str, messages: int = 3) -> bytes:
    """An export of one session; the same name and number give the same bytes."""
    dice = Random(name)
    made = [
        message(
            number,
            id=f"{name}-{number}",
            role=dice.choice(["user", "assistant", "tool"]),
            content=" ".join(str(dice.random()) for _ in range(dice.randrange(20))),
            createdAt=f"2025-01-{dice.randrange(10, 29)}T03:04:{dice.randrange(10, 60)}Z",
            cost=dice.randrange(1000) / 1000,
            inputTokens=dice.randrange(1000),
            toolCalls=[call(id=f"{name}-{number}-{which}") for which in range(dice.randrange(3))] or None,
        )
        for number in range(messages)
    ]
    return dump(session(*made, id=name, cost=dice.randrange(1000) / 100, promptTokens=dice.randrange(1000)))


def cut(name: str, messages: int = 3) -> bytes:
    """An export that ends within its last message."""
    data = export(name, messages)
    return data[: data.index(f'"{name}-{messages - 1}"'.encode()) + 9]


def invalid(name: str) -> bytes:
    """An export of three messages, of which the second is not valid."""
    return dump(session(message(0), {"id": "bad"}, message(2), id=name))


def put(folder: Path, *names: str, messages: int = 3) -> Path:
    """Write an export under each name, and return the folder."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = export(path.name.split(".")[0], messages)
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


def many(folder: Path, count: int, messages: int = 3) -> Path:
    """A folder of that many exports, some of them in folders of their own."""
    return put(folder, *(f"{f'd{n % 3}/' if n % 3 else ''}s{n:03}.json" for n in range(count)), messages=messages)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its relative name, hidden ones left out."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def everything(folder: Path) -> list[str]:
    """The name of every file below a folder, also of hidden ones."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def debris(folder: Path) -> list[str]:
    """Temporary files below a folder."""
    return [name for name in everything(folder) if ".part" in name]


def unpack(data: bytes) -> bytes:
    """The bytes behind any compression."""
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of an NDJSON output."""
    return [json.loads(line, parse_float=Decimal) for line in unpack(path.read_bytes()).splitlines()]


def cells(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV output."""
    return list(csv.DictReader(io.StringIO(unpack(path.read_bytes()).decode(), newline="")))


def run(*arguments: object, cwd: Path, data: bytes | None = None, **options: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end."""
    return subprocess.run(
        [*COMMAND, *map(os.fspath, map(str, arguments))],
        cwd=cwd,
        input=data,
        stdin=subprocess.DEVNULL if data is None else None,
        capture_output=True,
        timeout=60,
        env=ENVIRONMENT | options,
        check=False,
    )


def said(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    """The lines on standard error."""
    return done.stderr.decode().splitlines()


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
    """The worker processes of a command: what its fork server started."""
    return [pid for helper in children(leader) for pid in children(helper)]


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
