"""The README's part of what was measured: tables between two marks, and figures in other rows.

Takes the report that ``python -m benchmarks --json`` writes. Reads and writes the README.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from benchmarks.cases import CASES
from benchmarks.report import FORMS, MAIN_SHAPES, MB, describe, find, ratio, render_main, say_load

if TYPE_CHECKING:
    from pathlib import Path

MARKS = ("<!-- benchmarks -->", "<!-- /benchmarks -->")
_OURS = ("ndjson", "csv", "csv-2", "parquet", "sqlite", "totals")
README_CASES = ("floor", *_OURS, "ijson", "orjson", "jq", "duckdb", "polars")
README_SESSIONS = ("sessions-1", "sessions-5", "sessions-5-array")
README_COLUMNS = {  # in the table of archives: the cases, of which a shape has one
    "`--jobs 2`": ("ndjson-2",),
    "`totals`": ("totals",),
    "msgspec script": ("msgspec-lines", "msgspec-array"),
    "`jq -c`": ("jq", "jq-array"),
    "DuckDB": ("duckdb-sessions",),
    "Polars": ("polars-sessions",),
}
README_NOTE = (
    "The floor is the time to compress the file without reading it. MB are the peak memory of the largest process; with "
    "`--jobs 2` there is another one of 25 to 35 MB. Archives hold the messages of dense in small sessions. "
    "`python -m benchmarks` (extra `bench`) measures these and more cases."
)


def short_cell(report: dict[str, Any], shape: str, cases: tuple[str, ...]) -> str:
    """Write the result of the one case that was measured, if any: seconds and peak memory, or what became of it."""
    result = next(filter(None, (find(report, shape, case) for case in cases)), {})
    if "median" in result:
        return f"{result['median']:.2f} ({result['peak'] / MB:,.0f})"
    if "failed" in result:
        return "killed" if result["failed"].startswith("killed") else "refuses it"
    return "missing" if "missing" in result else "–"


def render_readme(report: dict[str, Any]) -> str:
    """Write the README's tables: the cases that most people ask about, and the archives that were measured."""
    lines = render_main(report, README_CASES)
    shapes = [shape for shape in README_SESSIONS if find(report, shape, "ndjson")]
    if shapes:
        heads = " | ".join(["**exportstream**", "× one document", *README_COLUMNS])
        lines += ["", f"| archive: s (peak MB) | {heads} |", f"|{'---|' * (len(README_COLUMNS) + 3)}"]
    for shape in shapes:
        times = ratio(report, (shape, "ndjson"), ("dense", "ndjson"))
        cells = [short_cell(report, shape, ("ndjson",)), f"{times:.2f}" if times else "–"]
        cells += [short_cell(report, shape, cases) for cases in README_COLUMNS.values()]
        form = FORMS["-array" if shape.endswith("-array") else ""]
        lines.append(f"| {form}, {describe(shape)} | {' | '.join(cells)} |")
    machine, versions = report["machine"], report["versions"]
    shown = ", ".join(f"{name.removesuffix(' (program)')} {versions[name]}" for name in versions)
    where = f"{machine['cpu']}, {machine['cores']} cores, {report['date'][:10]}"
    files = f"Files of {report['size'] / MB:g} MB, median of {report['rounds']}"
    busy = f" **{busy}.**" if (busy := say_load(report)) else ""
    return "\n".join([*lines, "", f"{README_NOTE} {files}; {where}; {shown}.{busy}"])


def short_rows(report: dict[str, Any]) -> dict[str, str]:
    """Write seconds and peak memory of each case that was measured on both main shapes, by label."""
    rows = {}
    for case in CASES:
        results = [find(report, shape, case) for shape in MAIN_SHAPES]
        if all("median" in one for one in results):
            figures = [f"{one['median']:.2f} | {one['peak'] / MB:,.0f}" for one in results]
            rows[CASES[case].label] = f"| {CASES[case].label} | {' | '.join(figures)} |"
    return rows


def update_readme(path: Path, table: str, rows: dict[str, str]) -> None:
    """Put the table between the two marks, and the rows in the place of older ones outside.

    Raises:
        ValueError: the file doesn't have both marks.
    """
    text = path.read_text(encoding="utf-8")
    before, start, rest = text.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not start or not end:
        raise ValueError(f"{path} has no {MARKS[0]} … {MARKS[1]} to put the table in")
    for label, row in rows.items():
        older = re.compile(rf"^\| {re.escape(label)} \|(?:[^|\n]*\|){{4}}$", re.MULTILINE)
        replacement = row.replace("\\", r"\\")
        before, after = older.sub(replacement, before), older.sub(replacement, after)
    path.write_text(f"{before}{start}\n{table}\n{end}{after}", encoding="utf-8")
