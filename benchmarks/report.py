"""Turn what was measured into Markdown: the table of cases, the table of targets, the README's part.

Takes the report that ``python -m benchmarks --json`` writes; reads and writes nothing else but the README.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.cases import CASES
from benchmarks.hostile import HOSTILE, LIMIT

if TYPE_CHECKING:
    from pathlib import Path

MB = 1_000_000
MARKS = ("<!-- benchmarks -->", "<!-- /benchmarks -->")
OURS = ("ndjson", "ndjson-plain", "csv", "totals", "iter")
MAIN_SHAPES = ("long", "dense")


class Ratio(NamedTuple):
    """A target: the time of one case over that of another; each is a prefix of the shape, and a case."""

    label: str
    over: tuple[str, str]
    under: tuple[str, str]
    limits: tuple[float, float]  # for long and for dense
    at_least: bool = False


RATIOS = (
    Ratio("NDJSON against `zstd -3 -T1`", ("", "ndjson"), ("", "floor"), (1.15, 2.2)),
    Ratio("faster than the ijson script", ("", "ijson"), ("", "ndjson"), (2.6, 5), at_least=True),
    Ratio("faster than orjson in memory", ("", "orjson"), ("", "ndjson"), (2.3, 4), at_least=True),
    Ratio("CSV against our NDJSON", ("", "csv"), ("", "ndjson"), (1.2, 1.3)),
    Ratio("`iter_messages` faster than `ijson.items`", ("", "ijson-loop"), ("", "iter"), (1.8, 2.5), at_least=True),
    Ratio("unknown key in every message", ("unknown-", "ndjson"), ("", "ndjson"), (1.5, 1.5)),
    Ratio("SDK key order", ("sdk-", "ndjson"), ("", "ndjson"), (1.2, 1.2)),
)


def find(report: dict[str, Any], shape: str, case: str) -> dict[str, Any]:
    """Find a result; an empty one where it was not measured."""
    return next((one for one in report["results"] if (one["shape"], one["case"]) == (shape, case)), {})


def ratio(report: dict[str, Any], over: tuple[str, str], under: tuple[str, str]) -> float | None:
    """Divide one median by another."""
    top, bottom = find(report, *over).get("median"), find(report, *under).get("median")
    return top / bottom if top and bottom else None


def headline(report: dict[str, Any]) -> str:
    """Say what was measured where, and the two ratios that matter."""
    machine = report["machine"]
    where = (
        f"{report['date'][:10]} · {machine['cpu']}, {machine['cores']} cores, {machine['memory'] / 1e9:.0f} GB, "
        f"{machine['system']} · {report['size'] / MB:g} MB, seed {report['seed']}, median of {report['rounds']}"
    )
    lines = [where, " · ".join(f"{name} {number}" for name, number in report["versions"].items())]
    for shape in MAIN_SHAPES:
        floor = ratio(report, (shape, "ndjson"), (shape, "floor"))
        script = ratio(report, (shape, "ijson"), (shape, "ndjson"))
        if floor and script:
            lines.append(
                f"{shape}: {floor:.2f} × the time of {CASES['floor'].label}; {script:.1f} × as fast as the ijson script"
            )
    return "\n\n".join(lines)


def cell(report: dict[str, Any], shape: str, case: str) -> str:
    """Write one result: seconds and their range, and over what the floor takes, and peak memory."""
    result = find(report, shape, case)
    if "median" not in result:
        state = next((key for key in ("missing", "failed") if key in result), None)
        return f"{state}: {result[state][:60]}".replace("|", "\\|") + " | |" if state else "– | |"
    once = ", once" if len(result["seconds"]) < report["rounds"] else ""
    spread = f" ({result['min']:.2f}–{result['max']:.2f}{once})"
    floor = ratio(report, (shape, case), (shape, "floor"))
    return f"{result['median']:.2f}{spread} | {f'{floor:.2f}' if floor else ''} | {result['peak'] / MB:,.0f}"


def render_results(report: dict[str, Any], *, main_only: bool = False) -> str:
    """Write the table of cases: the main shapes side by side, each other shape's cases below."""
    cases = [case for case in CASES if any(find(report, shape, case) for shape in MAIN_SHAPES)]
    if main_only:
        cases = [case for case in cases if case != "ndjson-plain"]  # it has no floor to be compared with
    lines = [
        "| | long: s (min–max) | × floor | MB | dense: s (min–max) | × floor | MB |",
        "|---|---|---|---|---|---|---|",
        *(f"| {CASES[case].label} | {cell(report, 'long', case)} | {cell(report, 'dense', case)} |" for case in cases),
    ]
    if main_only:
        machine, versions = report["machine"], report["versions"]
        shown = ", ".join(f"{name.removesuffix(' (program)')} {versions[name]}" for name in versions)
        where = f"{machine['cpu']}, {machine['cores']} cores, {report['date'][:10]}"
        return "\n".join(
            [*lines, "", f"Files of {report['size'] / MB:g} MB, median of {report['rounds']}; {where}; {shown}."]
        )
    others = [result for result in report["results"] if result["shape"] not in (*MAIN_SHAPES, *HOSTILE)]
    if others:
        lines += ["", "| other shapes | s (min–max) | × floor | MB |", "|---|---|---|---|"]
        lines += [
            f"| {one['shape']}: {CASES[one['case']].label} | {cell(report, one['shape'], one['case'])} |" for one in others
        ]
    return "\n".join(lines)


def judge(value: float | None, limit: float, unit: str = " ×", *, at_least: bool = False) -> str:
    """Write a measured value beside its limit."""
    if value is None:
        return "not measured"
    held = value >= limit if at_least else value <= limit
    return f"{value:.2f}{unit} ({'≥' if at_least else '≤'} {limit:g}) {'ok' if held else 'MISSED'}"


def render_targets(report: dict[str, Any]) -> str:
    """Write the table of targets, each with what was measured."""
    lines = ["| target | long | dense |", "|---|---|---|"]
    for target in RATIOS:
        cells = []
        for shape, limit in zip(MAIN_SHAPES, target.limits, strict=True):
            over, under = ((prefix + shape, case) for prefix, case in (target.over, target.under))
            cells.append(judge(ratio(report, over, under), limit, at_least=target.at_least))
        lines.append(f"| {target.label} | {cells[0]} | {cells[1]} |")
    peaks = [
        max((find(report, shape, case).get("peak", 0) / MB for case in OURS), default=0) or None for shape in MAIN_SHAPES
    ]
    lines.append(f"| peak memory | {judge(peaks[0], 64, ' MB')} | {judge(peaks[1], 64, ' MB')} |")
    huge = find(report, "huge", "ndjson")
    if "median" in huge:
        size = huge["input"]
        seconds = judge(huge["median"], 8 * size / (200 * MB), " s")
        lines.append(
            f"| {size / MB:.0f} MB in one string | {seconds}; {judge(huge['peak'] / size, 5, ' × the message')} | |"
        )
    jobs = ratio(report, ("archive", "jobs-2"), ("archive", "jobs-1"))
    files = find(report, "archive", "jobs-1").get("files", 0)
    lines.append(f"| {files:,} files of up to 1 MB, `--jobs 2` against `--jobs 1` | {judge(jobs, 0.6)} | |")
    empty = find(report, "empty", "jobs-1")
    each = (empty["median"] - (report["start"] or 0)) / empty["files"] * 1000 if "median" in empty else None
    lines.append(f"| overhead of one file among {empty.get('files', 0):,}, in one process | {judge(each, 2, ' ms')} | |")
    start = report["start"]
    shown = judge(start * 1000 if start is not None else None, 80, " ms")
    lines.append(f"| `--version` over `python -c pass` | {shown} | |")
    return "\n".join(lines)


def render_hostile(report: dict[str, Any]) -> str:
    """Write the table of hostile shapes: CPU seconds without the start, per MB, and against the plain shape."""
    results = [result for result in report["results"] if result["shape"] in HOSTILE]
    start = find(report, "hostile-empty", "ndjson-plain").get("cpu")
    plain = find(report, "hostile-plain", "ndjson-plain")
    if not results:
        return ""
    if start is None or "cpu" not in plain:
        return "hostile shapes need hostile-empty and hostile-plain beside them: --shape hostile"
    per_mb = max(plain["cpu"] - start, 0.001) / (plain["input"] / MB)
    lines = ["| hostile shapes | MB | s | s/MB | × plain | peak, MB |", "|---|---|---|---|---|---|"]
    for result in results:
        name, size = result["shape"].removeprefix("hostile-"), result["input"] / MB
        if "cpu" not in result:
            failed = result.get("failed") or f"{result.get('missing')} is missing"
            lines.append(f"| {name} | {size:.2f} | {failed.replace('|', chr(92) + '|')} **SLOW or wrong** | | | |")
            continue
        seconds = max(result["cpu"] - start, 0)
        factor = seconds / size / per_mb
        factors = f"{factor:.1f} **SLOW**" if factor > LIMIT else f"{factor:.1f}"
        lines.append(
            f"| {name} | {size:.2f} | {seconds:.2f} | {seconds / size:.3f} | {factors} | {result['peak'] / MB:,.0f} |"
        )
    return "\n".join([*lines, "", f"CPU seconds without the start ({start:.2f} s); slow is more than {LIMIT} × plain."])


def update_readme(path: Path, table: str) -> None:
    """Put the table between the two marks.

    Raises:
        ValueError: the file doesn't have both.
    """
    text = path.read_text(encoding="utf-8")
    before, start, rest = text.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not start or not end:
        raise ValueError(f"{path} has no {MARKS[0]} … {MARKS[1]} to put the table in")
    path.write_text(f"{before}{start}\n{table}\n{end}{after}", encoding="utf-8")
