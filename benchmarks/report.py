"""Turn what was measured into Markdown: the table of cases, the table of targets.

Takes the report that ``python -m benchmarks --json`` writes; reads and writes nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.cases import CASES
from benchmarks.generate import SESSION_SIZES, SESSIONS
from benchmarks.hostile import HOSTILE, LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable

MB = 1_000_000
OURS = ("ndjson", "ndjson-plain", "ndjson-ijson", "csv", "csv-all", "gzip", "running-totals", "totals", "iter")
MAIN_SHAPES = ("long", "dense")
FORMS = {"": "NDJSON", "-array": "array"}  # how the name of a shape of many sessions ends
BUSY = 1.0  # load of the machine, from which on other programs disturb the measuring


class Ratio(NamedTuple):
    """A target: the time of one case over that of another; each is a prefix of the shape, and a case."""

    label: str
    over: tuple[str, str]
    under: tuple[str, str]
    limits: tuple[float, float]  # for long and for dense
    at_least: bool = False


RATIOS = (
    Ratio("NDJSON against `zstd -3 -T1`", ("", "ndjson"), ("", "floor"), (1.15, 1.45)),
    Ratio("faster than the ijson script", ("", "ijson"), ("", "ndjson"), (2.6, 5), at_least=True),
    Ratio("faster than orjson in memory", ("", "orjson"), ("", "ndjson"), (2.3, 4), at_least=True),
    Ratio("CSV against our NDJSON", ("", "csv"), ("", "ndjson"), (1.2, 1.35)),
    Ratio("gzip against our zstd", ("", "gzip"), ("", "ndjson"), (1.5, 1.5)),
    Ratio("running totals against none", ("", "running-totals"), ("", "ndjson"), (1.4, 1.4)),
    Ratio("`--dedupe` against none", ("", "dedupe"), ("", "ndjson"), (1.4, 1.4)),
    Ratio("Parquet against our NDJSON", ("", "parquet"), ("", "ndjson"), (2, 2)),
    Ratio("SQLite against our NDJSON", ("", "sqlite"), ("", "ndjson"), (3.7, 3.7)),
    Ratio("`check` against `totals`", ("", "check"), ("", "totals"), (1.3, 1.3)),
    Ratio("`iter_messages` faster than `ijson.items`", ("", "ijson-loop"), ("", "iter"), (1.8, 2.5), at_least=True),
    Ratio("unknown key in every message", ("unknown-", "ndjson"), ("", "ndjson"), (1.5, 1.5)),
    Ratio("SDK key order", ("sdk-", "ndjson"), ("", "ndjson"), (1.2, 1.2)),
    Ratio("ijson alone against the ijson script", ("", "ndjson-ijson"), ("", "ijson"), (1.3, 1.3)),
)
ARCHIVE_LIMITS = {1: 2.5, 5: 1.3, 50: 1.15}  # messages a session: times what the same messages take in one document
TOTALS_LIMIT = 1.3  # the same for `totals`, whatever the sessions' size
ARCHIVE_RIVALS = (  # what conversions of archives are to be faster than: the cases, by form, and ours; DuckDB uses all cores
    ("DuckDB", ("duckdb-sessions", "duckdb-sessions"), "ndjson"),
    ("DuckDB, with two processes", ("duckdb-sessions", "duckdb-sessions"), "ndjson-2"),
    ("jq", ("jq", "jq-array"), "ndjson"),
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
    lines = [
        *filter(None, [say_load(report)]),
        where,
        " · ".join(f"{name} {number}" for name, number in report["versions"].items()),
    ]
    for shape in MAIN_SHAPES:
        floor = ratio(report, (shape, "ndjson"), (shape, "floor"))
        script = ratio(report, (shape, "ijson"), (shape, "ndjson"))
        if floor and script:
            lines.append(
                f"{shape}: {floor:.2f} × the time of {CASES['floor'].label}; {script:.1f} × as fast as the ijson script"
            )
    return "\n\n".join(lines)


def cell(report: dict[str, Any], shape: str, case: str, base: str = "floor") -> str:
    """Write one result: seconds and their range, times what the case `base` takes, and peak memory."""
    result = find(report, shape, case)
    if "median" not in result:
        state = next((key for key in ("missing", "failed") if key in result), None)
        return f"{state}: {result[state][:60]}".replace("|", "\\|") + " | |" if state else "– | |"
    once = ", once" if len(result["seconds"]) < report["rounds"] else ""
    spread = f" ({result['min']:.2f}–{result['max']:.2f}{once})"
    times = ratio(report, (shape, case), (shape, base))
    return f"{result['median']:.2f}{spread} | {f'{times:.2f}' if times else ''} | {result['peak'] / MB:,.0f}"


def render_main(report: dict[str, Any], cases: Iterable[str] = CASES) -> list[str]:
    """Write the table of the cases that were measured, the main shapes side by side."""
    measured = [case for case in cases if any(find(report, shape, case) for shape in MAIN_SHAPES)]
    return [
        "| | long: s (min–max) | × floor | MB | dense: s (min–max) | × floor | MB |",
        "|---|---|---|---|---|---|---|",
        *(f"| {CASES[case].label} | {cell(report, 'long', case)} | {cell(report, 'dense', case)} |" for case in measured),
    ]


def render_archives(report: dict[str, Any]) -> list[str]:
    """Write a table for each form of an archive, the sizes of its sessions side by side."""
    lines = []
    for ending, form in FORMS.items():
        shapes = [f"sessions-{each}{ending}" for each in SESSION_SIZES]
        measured = [case for case in CASES if any(find(report, shape, case) for shape in shapes)]
        if measured:
            heads = (f"{describe(shape)}: s (min–max) | × ours | MB" for shape in shapes)
            lines += ["", f"| {form} | {' | '.join(heads)} |", f"|{'---|' * (3 * len(shapes) + 1)}"]
        for case in measured:
            cells = (cell(report, shape, case, base="ndjson") for shape in shapes)
            lines.append(f"| {CASES[case].label} | {' | '.join(cells)} |")
    return lines


def describe(shape: str) -> str:
    """Say in words how large the sessions of an archive are."""
    each = shape.split("-")[1]
    return f"{each} message{'' if each == '1' else 's'} a session"


def render_results(report: dict[str, Any]) -> str:
    """Write the tables of cases: the main shapes, the archives, and each other shape's cases below."""
    lines = [*render_main(report), *render_archives(report)]
    others = [result for result in report["results"] if result["shape"] not in (*MAIN_SHAPES, *SESSIONS, *HOSTILE)]
    if others:
        lines += ["", "| other shapes | s (min–max) | × floor | MB |", "|---|---|---|---|"]
        lines += [
            f"| {one['shape']}: {CASES[one['case']].label} | {cell(report, one['shape'], one['case'])} |" for one in others
        ]
    return "\n".join(lines)


def say_load(report: dict[str, Any]) -> str:
    """Say that the machine was busy before anything was measured, if it was."""
    load = report.get("load") or 0
    return f"The machine was busy with other work (load {load:.1f}), so the figures are too high" if load > BUSY else ""


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
    small = find(report, "small", "jobs-1")
    each = small["cpu"] / small["files"] * 1000 if "median" in small else None
    lines.append(
        f"| CPU for each of {small.get('files', 0):,} files of one small session, in one process "
        f"| {judge(each, 0.7, ' ms')} | |"
    )
    start = report["start"]
    shown = judge(start * 1000 if start is not None else None, 80, " ms")
    lines.append(f"| `--version` over `python -c pass` | {shown} | |")
    return "\n".join(lines)


def render_archive_targets(report: dict[str, Any]) -> str:
    """Write the table of the targets for archives; nothing if none was measured."""
    if not any(result["shape"] in SESSIONS for result in report["results"]):
        return ""
    lines = [f"| target for archives | {' | '.join(FORMS.values())} |", "|---|---|---|"]
    for each, limit in ARCHIVE_LIMITS.items():
        shapes, size = [f"sessions-{each}{ending}" for ending in FORMS], describe(f"sessions-{each}")
        against = {"NDJSON": ("ndjson", limit), "`totals`": ("totals", TOTALS_LIMIT)}
        for name, (case, most) in against.items():
            cells = [judge(ratio(report, (shape, case), ("dense", case)), most) for shape in shapes]
            lines.append(f"| {size}: {name} against one document | {' | '.join(cells)} |")
        for name, cases, ours in ARCHIVE_RIVALS:
            pairs = zip(shapes, cases, strict=True)
            cells = [judge(ratio(report, (shape, case), (shape, ours)), 1, at_least=True) for shape, case in pairs]
            lines.append(f"| {size}: faster than {name} | {' | '.join(cells)} |")
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
