"""Measure one large input in 1, 2, 4 … processes, as far as there are cores: ``python -m benchmarks --scaling``.

The seconds are those of the whole command, the best of some rounds. What the process that reads costs, without the work that
it takes over while it waits, is measured once more with an executor whose work can't be taken back. It says how many
processes one can feed: as many as its part goes into theirs.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from pathlib import Path
from typing import Any

CASES = {
    "totals --by day,model": ["totals", "--by", "day,model", "--quiet"],
    "check": ["check"],
    "convert to CSV": ["convert", "--quiet", "--force", "-o", "OUT.csv.zst"],
    "convert to CSV, all tables": ["convert", "--quiet", "--force", "-t", "all", "-o", "OUT.csv.zst"],
    "convert to NDJSON": ["convert", "--quiet", "--force", "-o", "OUT.ndjson.zst"],
}


def processes() -> list[int]:
    """Return 1, 2, 4 and so on up to the number of cores, which is the last."""
    cores = os.cpu_count() or 1
    return [1, *(2**power for power in range(1, 10) if 2**power < cores), *([cores] if cores > 1 else [])]


def scaling(path: Path, small: Path, folder: Path, rounds: int, counts: list[int]) -> list[dict[str, Any]]:
    """Measure each case.

    Args:
        path: a large input.
        small: an input that takes no time; what it takes is the start of the processes.
        folder: for outputs.
        rounds: of which the best counts.
        counts: numbers of processes.

    Returns:
        For each case its name, the `seconds` by number of processes, and the CPU seconds of the `reader` and its `worker`.
    """
    found = []
    for name, arguments in CASES.items():
        command = [str(folder / one.replace("OUT", "scaling")) if "OUT" in one else one for one in arguments]
        seconds = {count: float("inf") for count in counts}
        for _ in range(rounds):
            for count in counts:
                start = time.perf_counter()
                argv = [sys.executable, "-m", "exportstream", *command, str(path), "--jobs", str(count)]
                subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
                seconds[count] = min(seconds[count], time.perf_counter() - start)
        large, start_only = (_apart([*command, str(one)]) for one in (path, small))
        found.append({"case": name, "seconds": seconds, **{who: large[who] - start_only[who] for who in large}})
    return found


def render(found: list[dict[str, Any]], size: int) -> str:
    """Write the table."""
    counts = list(found[0]["seconds"])
    lines = [f"| | {' | '.join(f'{count}: s' for count in counts)} | reader: ms/MB | workers: ms/MB | part |"]
    lines.append("|---" * (len(counts) + 4) + "|")
    for one in found:
        reader, worker = (one[name] * 1e9 / size for name in ("reader", "worker"))
        seconds = " | ".join(f"{one['seconds'][count]:.2f}" for count in counts)
        lines.append(f"| {one['case']} | {seconds} | {reader:.2f} | {worker:.2f} | 1/{worker / max(reader, 1e-3):.0f} |")
    return "\n".join(lines)


def _apart(arguments: list[str]) -> dict[str, float]:
    argv = [sys.executable, "-m", "benchmarks.scaling", *arguments]
    done = subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


class _Apart(Executor):
    """Runs everything in worker processes: nothing can be taken back."""

    def __init__(self, workers: Executor) -> None:
        self._workers = workers

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = self._workers.submit(function, *args, **kwargs)
        setattr(future, "cancel", lambda: False)  # noqa: B010 - mypy takes no assignment to a method
        return future


def _measure_apart(arguments: list[str]) -> dict[str, float]:
    """Run a command here, with one worker that does all the reading; return the CPU seconds of both."""
    from exportstream.cli import check, commands, convert, totals
    from exportstream.conversion.pool import Workers
    from exportstream.reading import runs_ahead

    runs_ahead.SMALLEST_INPUT = 0
    with Workers(1, fork=True) as workers:
        for module in (check, convert, totals):
            assert module.open_helpers
            setattr(module, "open_helpers", lambda *_, **__: nullcontext(_Apart(workers)))  # noqa: B010 - likewise
        before = _cpu(resource.RUSAGE_SELF)
        try:
            commands.cli.main(arguments, standalone_mode=False)
        except SystemExit as end:
            if end.code:
                raise
        reader = _cpu(resource.RUSAGE_SELF) - before
    return {"reader": reader, "worker": _cpu(resource.RUSAGE_CHILDREN)}


def _cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(json.dumps(_measure_apart(sys.argv[1:])))
