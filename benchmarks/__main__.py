"""Measure all cases on all shapes, print the tables: ``python -m benchmarks [--size 200MB] [--json FILE]``.

Every case runs in a process of its own. The rounds are interleaved: each case runs once before any runs a second time,
so that a change of the machine's mood meets all of them. A case slower than `SLOW` seconds is run once only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES
from benchmarks.chats import CHATS
from benchmarks.generate import (
    FOLDERS,
    SESSIONS,
    SHAPES,
    SUFFIXES,
    VERSION,
    count,
    kind_of,
    parse_size,
    write,
)
from benchmarks.hostile import HOSTILE, count_hostile, generate_hostile
from benchmarks.hostile import TIMEOUT as HOSTILE_TIMEOUT
from benchmarks.logs import LOGS
from benchmarks.machine import describe_machine, list_versions, measure_start
from benchmarks.readme import MARKS, render_readme, short_rows, update_readme
from benchmarks.report import (
    headline,
    render_archive_targets,
    render_hostile,
    render_results,
    render_targets,
)
from benchmarks.scaling import processes, render, scaling

ROOT = Path(__file__).parent.parent
SLOW = 60
MAIN_SHAPES = ("long", "dense")
EXTRA_CASES = {
    "small": ("jobs-1",),
    "huge": ("ndjson",),
    "tiny": ("floor", "ndjson", "ijson"),
    "escape": ("floor", "ndjson", "ijson"),
}
EXTRA_CASES |= dict.fromkeys(HOSTILE, ("ndjson-plain",))
GROUPS = {"archives": (*SESSIONS, "small"), "hostile": HOSTILE, "logs": LOGS, "chats": CHATS}
# What archives are measured against: the same messages in one document, and the script that ijson alone is held to.
BASELINES = [("dense", case) for case in ("ndjson", "totals", "ndjson-ijson", "ijson")]
BASELINES += [("long", case) for case in ("ndjson-ijson", "ijson")]


def prepare(shape: str, size: int, seed: int, folder: Path) -> Path:
    """Generate a file, or find it from a run before."""
    path = folder / f"{shape}-{size}-{seed}-v{VERSION}-py{platform.python_version()}{SUFFIXES.get(kind_of(shape), '')}"
    if not path.exists():
        print(f"generating {path.name}", file=sys.stderr)
        part = path.with_name(f"{path.name}.part")
        if shape in HOSTILE:
            generate_hostile(shape, size, part)
        else:
            write(shape, size, part, seed)
        part.replace(path)
    return path


def count_expected(shape: str, path: Path) -> int:
    """Count the messages of a generated file or folder."""
    return count_hostile(path) if shape in HOSTILE else count(shape, path)


def plan(shapes: list[str], cases: list[str] | None) -> list[tuple[str, str]]:
    """Pair shapes with cases: all for the main shapes and those of many sessions, for the others what they are there for.

    Named cases win. A group stands for its shapes. With shapes of many sessions, and of chats, come the cases on one
    document that they are measured against.
    """
    pairs = []
    shapes = [one for shape in shapes for one in GROUPS.get(shape, (shape,))]
    for shape in shapes:
        is_measured_in_all = shape in (*MAIN_SHAPES, *SESSIONS, *FOLDERS, *LOGS, *CHATS)
        default = EXTRA_CASES.get(shape, CASES if is_measured_in_all else ("ndjson",))
        pairs += [(shape, case) for case in (cases or default) if kind_of(shape) in CASES[case].takes]
    if any(shape in CHATS for shape in shapes):
        pairs += [("dense", case) for case in ("ndjson", "totals") if case in (cases or CASES)]
    if any(shape in SESSIONS for shape in shapes):
        pairs += [(shape, case) for shape, case in BASELINES if case in (cases or CASES)]
    return list(dict.fromkeys(pairs))


def run_case(case: str, source: Path, folder: Path, *, check: bool, limit: float | None = None) -> dict[str, Any]:
    """Run one case once, with an empty folder for its output; it is killed after `limit` seconds."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        words = [sys.executable, "-m", "benchmarks.run", case, str(source), str(Path(out, "out"))]
        words += [*(["--check"] if check else []), *([f"--limit={limit}"] if limit else [])]
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        ran = subprocess.run(
            words,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": path},
        )
    if ran.returncode:
        return {"failed": f"the benchmark itself: {ran.stderr.strip().splitlines()[-1]}"}
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


def measure(pairs: list[tuple[str, str]], files: dict[str, Path], folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Run all pairs in interleaved rounds; return one summary for each."""
    results: dict[tuple[str, str], dict[str, Any]] = {}
    expected = {shape: count_expected(shape, path) for shape, path in files.items()}
    started = time.monotonic()
    for number in range(rounds):
        for at, (shape, case) in enumerate(pairs):
            summary = results.setdefault(
                (shape, case), {"shape": shape, "case": case, "seconds": [], "cpus": [], "peaks": []}
            )
            if "missing" in summary or "failed" in summary or max(summary["seconds"], default=0) > SLOW:
                continue
            os.sync()  # no contender waits for the writes of another: exportstream flushes its output to the disk
            done = number * len(pairs) + at
            left = (time.monotonic() - started) / done * (rounds * len(pairs) - done) if number else None
            about = "" if left is None else f", about {left / 60:.0f} min left"
            print(f"round {number + 1}/{rounds}, {at + 1}/{len(pairs)}{about}: {shape} {case}", file=sys.stderr)
            limit = HOSTILE_TIMEOUT if shape in HOSTILE else None
            result = run_case(case, files[shape], folder, check=number == 0, limit=limit)
            if "seconds" in result:
                summary["seconds"].append(result.pop("seconds"))
                summary["cpus"].append(result.pop("cpu"))
                summary["peaks"].append(result.pop("peak"))
            summary |= {key: value for key, value in result.items() if value is not None}
            if summary.get("messages", expected[shape]) != expected[shape]:
                summary["failed"] = f"{summary['messages']:,} messages instead of {expected[shape]:,}"
    compare_tokens(results)
    for (shape, _), summary in results.items():
        source = files[shape]
        found = [source, *source.rglob("*")]
        sizes = [path.stat().st_size for path in found if path.is_file()]
        summary["input"], summary["files"] = sum(sizes), len(sizes)
        if summary["seconds"] and "failed" not in summary:
            seconds = summary["seconds"]
            summary |= {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds)}
            summary["cpu"] = statistics.median(summary["cpus"])
            summary["peak"] = max(summary["peaks"])
    return list(results.values())


def compare_tokens(results: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Mark the cases as failed whose sums of tokens are not those of the first case on the same shape."""
    first: dict[str, list[int]] = {}
    for (shape, _), summary in results.items():
        if "tokens" in summary and summary["tokens"] != (expected := first.setdefault(shape, summary["tokens"])):
            summary["failed"] = f"tokens {summary['tokens']} instead of {expected}"


def build_parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="How fast, and against what.")
    parser.add_argument("--size", type=parse_size, default=200_000_000, help="of each file (default: 200MB)")
    shapes = (*SHAPES, *FOLDERS, *SESSIONS, *LOGS, *CHATS, *GROUPS, *HOSTILE)
    words = (
        "only this one (archives: many small sessions, and what they are measured against; hostile: all of that name, "
        "which are measured on request only); may be repeated"
    )
    parser.add_argument("--shape", action="append", choices=shapes, help=words)
    parser.add_argument("--case", action="append", choices=list(CASES), help="only this one; may be repeated")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument(
        "--update-readme",
        type=Path,
        nargs="?",
        const=ROOT / "README.md",
        metavar="FILE",
        help=f"put the tables between {MARKS[0]} and {MARKS[1]}, and new figures in other rows (default: README.md)",
    )
    parser.add_argument("--scaling", action="store_true", help="measure one input in 1, 2, 4 … processes instead")
    parser.add_argument(
        "--plot",
        type=Path,
        nargs="?",
        const=ROOT / "benchmarks" / "results.svg",
        metavar="FILE",
        help="draw the README's table (extra `bench`; default: benchmarks/results.svg)",
    )
    parser.add_argument(
        "--from", dest="read", type=Path, metavar="FILE", help="a file of --json: measure nothing, report that"
    )
    parser.add_argument("--data", type=Path, default=ROOT / "benchmarks" / "data", help="where the files are kept")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Measure and report."""
    options = build_parser().parse_args(argv)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # with it every start would compile all modules again
    if options.scaling:
        options.data.mkdir(parents=True, exist_ok=True)
        for shape in options.shape or MAIN_SHAPES:
            large, small = (prepare(shape, size, options.seed, options.data) for size in (options.size, 1_000_000))
            found = scaling(large, small, options.data, options.rounds, processes())
            print(f"\n{shape}, {options.size / 1e6:.0f} MB, {os.cpu_count()} cores\n\n{render(found, options.size)}")
        return
    report = measure_all(options) if options.read is None else json.loads(options.read.read_text(encoding="utf-8"))
    tables = [headline(report)]
    if not all(one["shape"] in HOSTILE for one in report["results"]):
        tables += [render_results(report), render_targets(report)]
    print("\n\n".join([*tables, *filter(None, [render_archive_targets(report), render_hostile(report)])]))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if options.update_readme:
        update_readme(options.update_readme, render_readme(report), short_rows(report))
    if options.plot:
        from benchmarks.plot import draw

        draw(report, options.plot)


def measure_all(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what the options ask for, and return everything that is known of it."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    options.data.mkdir(parents=True, exist_ok=True)
    pairs = plan(options.shape or [*SHAPES, *FOLDERS, *SESSIONS], options.case)
    files = {shape: prepare(shape, options.size, options.seed, options.data) for shape, _ in pairs}
    results = measure(pairs, files, options.data, options.rounds)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "versions": list_versions(),
        "size": options.size,
        "seed": options.seed,
        "rounds": options.rounds,
        "load": load,
        "start": measure_start(),
        "results": results,
    }


if __name__ == "__main__":
    main()
