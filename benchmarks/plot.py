"""Draw the README's table: seconds of each case on the main shapes, as dots on a line from the fastest to the slowest run.

Takes the report that ``python -m benchmarks --json`` writes. Writes SVG: the same report gives the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.cases import CASES
from benchmarks.readme import README_CASES
from benchmarks.report import MAIN_SHAPES, MB, find, say_load

if TYPE_CHECKING:
    from pathlib import Path

TITLES = {"long": "long messages (4.5 KB)", "dense": "short messages (0.5 KB)"}
OURS, OTHERS, INK = "#b3261e", "#5f6b7a", "#222222"


def draw(report: dict[str, Any], path: Path) -> None:
    """Write the picture.

    Raises:
        ImportError: matplotlib is not installed (extra ``bench``).
        ValueError: nothing of the table was measured.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    cases = [case for case in README_CASES if any("median" in find(report, shape, case) for shape in MAIN_SHAPES)]
    if not cases:
        raise ValueError("nothing to draw: no case of the README's table was measured on long or dense")
    figure = Figure(figsize=(9, 1.3 + 0.3 * len(cases)), layout="constrained", facecolor="white")
    panels = figure.subplots(1, len(MAIN_SHAPES), sharex=True, sharey=True)
    for axes, shape in zip(panels, MAIN_SHAPES, strict=True):
        for row, case in enumerate(cases):
            one = find(report, shape, case)
            if "median" not in one:
                continue
            color = OURS if "exportstream" in CASES[case].label else OTHERS
            axes.plot([one["min"], one["max"]], [row, row], color=color, linewidth=3, alpha=0.4, solid_capstyle="round")
            axes.plot([one["median"]], [row], "o", color=color, markersize=6)
            axes.annotate(
                f"{one['median']:.2f}", (one["max"], row), (7, 0), textcoords="offset points", va="center", color=color
            )
        axes.set(xscale="log", title=TITLES[shape], xlabel="seconds, logarithmic")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.15)
        axes.grid(axis="x", alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(cases)), [CASES[case].label.translate(str.maketrans("", "", "`*")) for case in cases])
    panels[0].invert_yaxis()
    machine = report["machine"]
    said = (
        f"{report['size'] / MB:g} MB, median and range of {report['rounds']}; {machine['cpu']}, {machine['cores']} cores, "
    )
    figure.supxlabel(". ".join(filter(None, [said + report["date"][:10], say_load(report)])), fontsize=8, color=INK)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "exportstream"}):
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
