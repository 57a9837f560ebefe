"""The tables of docs/columns.md, made of the columns; ``python -m tests.kit.columns`` writes them into the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from exportstream.writing.columns import Column
from exportstream.writing.options import WriteOptions
from exportstream.writing.selection import TABLES
from exportstream.writing.tables import Table

PAGE = Path(__file__).parents[2] / "docs" / "columns.md"


def documented(columns: list[Column]) -> str:
    """A table in Markdown."""
    lines = ["| column | type | always | unit | meaning |", "|---|---|---|---|---|"]
    for one in columns:
        always = "yes" if one.required else ""
        lines.append(f"| `{one.name}` | {one.type} | {always} | {one.unit} | {one.meaning} |")
    return "".join(f"{line}\n" for line in lines)


def new_table(name: str, *, running: bool = False, **options: Any) -> Table:
    """A table with options of writing."""
    return Table(name, WriteOptions(running_totals=running, **options))


def with_tables(page: str) -> str:
    """The page with the table of each section replaced by that of the columns."""
    columns = {name: Table(name).columns[0] for name in TABLES}
    _, *others = new_table("messages", place=True, priced=True, running=True).columns
    columns |= dict(zip(("file and sessionNumber", "prices", "running totals"), others, strict=True))
    for title, found in columns.items():
        pattern = re.compile(rf"(^## {title}\n(?:(?!##|\|).*\n)*)(?:\|.*\n)+", re.MULTILINE)
        page, count = pattern.subn(lambda match, found=found: match[1] + documented(found), page)
        assert count == 1, title
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
