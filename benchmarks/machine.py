"""What the figures depend on: the machine, the versions of everything that takes part, and the time to start."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES

PACKAGES = ("exportstream", "ijson", "msgspec", "zstandard", "isal", "pyarrow", "orjson", "flatterer", "duckdb", "polars")


def describe_machine() -> dict[str, Any]:
    """Name the machine: processor, cores, memory, system."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        cpu = names[0] if names else cpu
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory": memory,
        "system": f"{platform.system()} {platform.release()}",
    }


def list_versions() -> dict[str, str]:
    """Name the version of everything that takes part; "missing" where it is not there."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "missing"
    for program in ("zstd", "jq"):
        path = shutil.which(program)
        shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout if path else ""
        words = shown.replace("jq-", "").replace(",", " ").split()
        versions[f"{program} (program)"] = next(
            (word for word in words if word.lstrip("v")[:1].isdigit()), "missing"
        ).removeprefix("v")
    return versions


def measure_start(times: int = 10) -> float | None:
    """Measure how much longer ``exportstream --version`` takes than ``python -c pass``, in seconds."""
    if CASES["ndjson"].missing():
        return None
    commands = {"pass": [sys.executable, "-c", "pass"], "version": [sys.executable, "-m", "exportstream", "--version"]}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(times):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - start)
    return statistics.median(seconds["version"]) - statistics.median(seconds["pass"])
