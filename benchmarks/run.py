"""Run one case once, in a process of its own: ``python -m benchmarks.run CASE SOURCE OUT [--check] [--limit=SECONDS]``.

Prints JSON: `seconds` (wall time of the case's whole process, since that is what its user waits for), `cpu` (the
seconds that it computed), `peak` (most memory that process held, in bytes), `output` (bytes written) and, with
``--check``, `messages` (how many its output has). Or `missing`: what is not installed. Or `failed`: the first line of
the error. This process is kept small, because a child starts with its parent's peak memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any

from benchmarks.cases import CASES

TIMEOUT = 900  # seconds


def count_messages(source: Path) -> int:
    """Count the messages of generated files; a key's quotes can't occur inside a JSON string."""
    if source.is_dir():
        return sum(map(count_messages, source.iterdir()))
    with source.open("rb") as file:
        return count_in(file)


def count_in(file: IO[bytes], key: bytes = b'"role":"') -> int:
    """Count the messages of a generated file that is open; the key is once in each."""
    count, rest = 0, b""
    while chunk := rest + file.read(1 << 20):
        if len(chunk) == len(rest):
            break
        count += chunk.count(key)
        rest = chunk[1 - len(key) :]
    return count


def run(name: str, source: str, out: str, *, check: bool = False, limit: float = TIMEOUT) -> dict[str, Any]:
    """Run a case and measure it; `out` is the output's name without suffix. It is killed after `limit` seconds."""
    case = CASES[name]
    missing = case.missing()
    if missing:
        return {"missing": missing}
    out += case.suffix
    with tempfile.TemporaryFile() as errors, Path(out if case.printed else os.devnull).open("wb") as printed:
        start = time.perf_counter()
        process = subprocess.Popen(case.argv(source, out), stdin=subprocess.DEVNULL, stdout=printed, stderr=errors)
        alarm = threading.Timer(limit, process.kill)
        alarm.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        alarm.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        lines = errors.read().decode(errors="replace").strip().splitlines()
    if process.returncode < 0:
        return {"failed": f"killed by signal {-process.returncode} after {seconds:.0f} s"}
    if process.returncode:
        # A traceback's own first line says nothing; its last one is the error.
        return {"failed": (lines or ["no message"])[-1 if lines and lines[0].startswith("Traceback") else 0]}
    result: dict[str, Any] = {"seconds": seconds, "peak": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)}
    result["cpu"] = usage.ru_utime + usage.ru_stime
    result["output"] = Path(out).stat().st_size if Path(out).is_file() else None
    if check and case.tokens:
        result["tokens"] = case.tokens(out)
    if check and case.counter:
        result["messages"] = case.counter(out)
    return result


def main() -> None:
    """Run the case that the command line names."""
    name, source, out, *options = sys.argv[1:]
    limits = [float(option.removeprefix("--limit=")) for option in options if option.startswith("--limit=")]
    print(json.dumps(run(name, source, out, check="--check" in options, limit=min([TIMEOUT, *limits]))))


if __name__ == "__main__":
    main()
