"""`totals -o bill.html`: a page that loads nothing, opened in a browser, with the numbers of `--json`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from exportstream import Message, Session, Totals
from exportstream.cli.figures import words_of_differences
from tests.kit.chats import drawn as chats
from tests.kit.command import run, said
from tests.kit.documents import cut, dump, message, session, tool_call
from tests.kit.rollouts import Rollout
from tests.kit.transcripts import SESSION, Transcript, drawn

HOSTILE = "<script>document.title='owned'</script>\"><img src=x onerror=alert(1)>{{ 7*7 }}\u202e"


class Page(HTMLParser):
    """Reads the tables of a page: for each row its kind, its label, and the values of its figures by name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[tuple[str, str, dict[str, str]]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._names: list[str] = []
        self._rows: list[Any] = []
        self._in_label = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag == "table":
            self._rows = self.tables[str(found["id"])] = []
            self._names = []
        elif tag == "th" and "data-name" in found:
            self._names.append(str(found["data-name"]))
        elif tag == "tr" and "class" in found:
            self._rows.append((found["class"], "", {}))
        elif tag == "th" and found.get("scope") == "row" and self._rows:
            self._in_label = True
        elif tag == "data" and self._rows and len(self._rows[-1][2]) < len(self._names):
            figures = self._rows[-1][2]
            figures[self._names[len(figures)]] = found["value"]

    def handle_endtag(self, tag: str) -> None:
        self._in_label = self._in_label and tag != "th"

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_label:
            kind, label, figures = self._rows[-1]
            self._rows[-1] = (kind, label + data, figures)


def archive(folder: Path) -> Path:
    """A folder of sessions over three days, one of them without a date, with failed calls and a hostile name of each kind."""
    folder.mkdir()
    for number in range(3):
        some = [
            message(
                at,
                role="assistant",
                model=HOSTILE if at == 0 else f"model-{at % 2}",
                createdAt=None if at == 3 else f"2025-10-0{1 + 3 * number}T10:00:00Z",
                cost=Decimal("0.123456789") * at,
                inputTokens=1000 * at,
                outputTokens=at,
                toolCalls=[tool_call(at, name=HOSTILE if at == 1 else "Bash", isError=at == 2)],
            )
            for at in range(4)
        ]
        data = dump(session(*some, id=f"s{number}{HOSTILE}", title=HOSTILE, cost=Decimal("0.74"), promptTokens=6000))
        (folder / f"{number}.json").write_bytes(data)
    return folder


def opened(page: Path, *more: str) -> str:
    """The document that a browser made of a page, after it ran what there is to run."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium is not None, "the tests need chromium"
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page.parent / 'profile'}", "--dump-dom"]
    done = subprocess.run([chromium, *options, *more, page.as_uri()], capture_output=True, timeout=120, check=True)
    return done.stdout.decode()


def test_a_browser_shows_the_numbers_of_the_json(tmp_path: Path) -> None:
    """Every row of the page has the values of --json; names are text, and nothing of them runs."""
    folder = archive(tmp_path / "in")
    arguments = ["totals", folder, "--prices", "genai", "--top", "2"]
    assert run(*arguments, "-o", "bill.html", cwd=tmp_path).returncode == 0
    by = [word for name in ("model", "tool", "session") for word in ("--by", name)]
    found = json.loads(run(*arguments, *by, "--json", cwd=tmp_path).stdout, parse_float=str, parse_int=str)["tables"]
    days = json.loads(run(*arguments[:-2], "--by", "day", "--json", cwd=tmp_path).stdout, parse_float=str, parse_int=str)
    page = Page(opened(tmp_path / "bill.html"))
    for table in [*days["tables"], *found]:
        name = table["by"][0]
        shown = page.tables[f"by-{name}"]
        rows = [*table["rows"], *([table["others"]] if table["others"] else []), table["total"]]
        assert [kind for kind, _, _ in shown] == [
            *["group"] * len(table["rows"]),
            *["others"] * bool(table["others"]),
            "total",
        ]
        for (_, _, figures), row in zip(shown, rows, strict=True):
            assert figures == {key: row[key] or "" for key in figures}, name
            assert len(figures) >= 2
    assert [label for _, label, _ in page.tables["by-day"]] == ["2025-10-01", "2025-10-04", "2025-10-07", "none", "total"]
    assert "document.title='owned'" in page.text
    assert "Totals of 3 inputs" in page.text
    assert "49" not in {label for _, label, _ in page.tables["by-model"]}
    assert not [tag for tag, _ in page.tags if tag in ("script", "img", "iframe", "object")]
    assert not [value for _, found in page.tags for name, value in found.items() if name in ("src", "onerror", "onload")]


def test_a_page_loads_nothing(tmp_path: Path) -> None:
    """It has no address of anything outside, and forbids the browser to load any."""
    archive(tmp_path / "in")
    (tmp_path / "in" / "bad.json").write_bytes(cut("bad"))
    done = run("totals", "in", "--since", "2025-10-02", "-o", "bill.html", cwd=tmp_path)
    assert (done.returncode, "bad.json" in said(done)[-1]) == (3, True)
    text = (tmp_path / "bill.html").read_text()
    assert not re.search(r"https?:|//|@import|url\(", text)
    assert "default-src 'none'" in text
    page = Page(text)
    assert "bad.json: the input ends before the document is complete" in page.text
    assert [kind for kind, _, _ in page.tables["by-day"]] == ["group", "group", "total", "undated"]
    assert "reconciled" not in page.tables, "declared figures are not of a range"


def test_notes_of_the_figures(tmp_path: Path) -> None:
    """A page says which tokens may be too few, what are copies and which producers state no tokens, and has all input of those that differ."""
    transcript = drawn(1)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_bytes(transcript.data)
    (tmp_path / "in" / "copy.jsonl").write_bytes(transcript.data)
    (tmp_path / "in" / "b.json").write_bytes(dump(chats(1)))
    counted = json.loads(run("totals", "in", "--json", cwd=tmp_path).stdout)["counted"]
    assert run("totals", "in", "-o", "bill.html", cwd=tmp_path).returncode == 0
    page = Page((tmp_path / "bill.html").read_text())
    total = page.tables["by-day"][-1][2]
    assert total["totalInputTokens"] == str(
        sum(counted[name]["sum"] for name in ("inputTokens", "cacheReadTokens", "cacheCreationTokens"))
    )
    assert total["cacheCreationTokens"] == str(counted["cacheCreationTokens"]["sum"])
    assert counted["partialTokens"] > 0
    assert f"{counted['partialTokens']} messages may have used more tokens than counted here" in page.text
    assert counted["copies"] > 0
    assert f"copies in logs, which no total counts: {counted['copies']} messages" in page.text
    assert re.search(r"\d+ messages of producers that state no tokens and no costs", page.text)


def test_bars_of_tokens_add_up_to_all_input_and_output(tmp_path: Path) -> None:
    """Whether a producer's input has caches, all, some or none of them, each token is in one part of a bar."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "claude.jsonl").write_bytes(Transcript().user().say("m1", "Done.", 3, 9, 100, 50).data)
    (tmp_path / "in" / "codex.jsonl").write_bytes(Rollout().meta().user().turn().say().used(1000, 600, 10).data)
    ours = message(
        0, createdAt="2025-10-03T10:00:00Z", inputTokens=30, cacheCreationTokens=10, cacheReadTokens=70, outputTokens=5
    )
    (tmp_path / "in" / "ours.json").write_bytes(dump(session(ours)))
    assert run("totals", "in", "-o", "bill.html", cwd=tmp_path).returncode == 0
    text = (tmp_path / "bill.html").read_text()
    bars = [
        {words: int(number.replace(",", "")) for number, words in re.findall(r"([\d,]+) ([a-z ]+)", bar)}
        for bar in re.findall(r"<title>[\d-]+: (.*?)</title>", text)
    ]
    names = ["output tokens", "input outside caches", "input written to caches", "input read from caches"]
    assert sorted([tuple(bar[name] for name in names) for bar in bars]) == [
        (5, 20, 10, 70),
        (9, 3, 100, 50),
        (10, 400, 0, 600),
    ]
    assert re.search(r'all input tokens</dt><dd><data value="1253">', text)
    assert max(float(height) for height in re.findall(r'height="([\d.]+)"', text)) < 100
    totals = [row for kind, _, row in Page(text).tables["by-day"] if kind == "total"]
    assert totals[0]["totalInputTokens"] == "1253"


def test_projects_and_titles(tmp_path: Path) -> None:
    """Sessions have their titles; projects are a table where any is known, and names of both are text."""
    (tmp_path / "in.json").write_bytes(dump(session(message(0), id="s0", title=f"Fix {HOSTILE}")))
    assert run("totals", "in.json", "-o", "bill.html", cwd=tmp_path).returncode == 0
    page = Page((tmp_path / "bill.html").read_text())
    assert "by-project" not in page.tables
    ((_, label, _), _) = page.tables["by-session"]
    assert label.startswith("s0Fix <script>document.title=")
    (tmp_path / "log.jsonl").write_bytes(Transcript(cwd=HOSTILE).user().say("m1", "Done.").data)
    assert run("totals", "in.json", "log.jsonl", "-f", "-o", "bill.html", cwd=tmp_path).returncode == 0
    page = Page((tmp_path / "bill.html").read_text())
    rows = {label[:20]: figures["messages"] for _, label, figures in page.tables["by-project"]}
    assert rows == {HOSTILE[:20]: "2", "none": "1", "total": "3"}
    assert not [tag for tag, _ in page.tags if tag in ("script", "img")]


def test_sessions_of_two_producers_with_one_id(tmp_path: Path) -> None:
    """They are two rows, with their producers, and what not all sessions declare is not compared."""
    (tmp_path / "in.json").write_bytes(dump(session(message(0), id=SESSION, title="A", promptTokens=7, toolCalls=0)))
    (tmp_path / "log.jsonl").write_bytes(Transcript().user().say("m1", "Done.", 10, 5).data)
    assert run("totals", "in.json", "log.jsonl", "-o", "bill.html", cwd=tmp_path).returncode == 0
    page = Page((tmp_path / "bill.html").read_text())
    labels = [label for kind, label, _ in page.tables["by-session"] if kind == "group"]
    assert labels == [f"{SESSION}, claude-code", f"{SESSION}, mixA"]
    text = re.sub(r"<[^>]+>", " ", (tmp_path / "bill.html").read_text())
    assert re.search(r"prompt / input tokens\s+7\s+10\s+1 of 2 declare it", text)
    assert b"1 of 2 declare it" in run("totals", "in.json", "log.jsonl", cwd=tmp_path).stdout


def test_what_only_some_sessions_count() -> None:
    """What all sessions declare, and only some have in their messages, is not compared either."""
    totals = Totals()
    for name, tokens in (("a", 5), ("b", None)):
        totals.add(Message(id="m", role="user", content="", created_at=None, updated_at=None, input_tokens=tokens))
        totals.add(Session(id=name, title="t", prompt_tokens=7))
    assert words_of_differences(totals) == {"promptTokens": ("1 of 2 count it", "")}


@pytest.mark.parametrize("bounds", [[], ["--since", "2025-10-01"]])
def test_an_incomplete_cost_is_said(bounds: list[str], tmp_path: Path) -> None:
    """The tile of priced costs tells how many messages have none, also if none has; the notes tell which, and why."""
    dated = {"createdAt": "2025-10-03T10:00:00Z", "inputTokens": 4, "cacheReadTokens": 5}
    some = [message(at, model=name, **dated) for at, name in enumerate(("a<b", "a<b", "c"))]
    (tmp_path / "in.json").write_bytes(dump(session(*some)))
    for known, missing in (("none", "3 messages have no price"), ("a*", "1 message has no price")):
        (tmp_path / "list.toml").write_text(f'[[price]]\nmodel = "{known}"\ninput = 3\noutput = 15\n')
        arguments = ["totals", "in.json", "--prices", "list.toml", *bounds, "-f", "-o", "bill.html"]
        assert run(*arguments, cwd=tmp_path).returncode == 0
        page = Page((tmp_path / "bill.html").read_text())
        tiles, _, notes = page.text.partition("Not counted, or cut")
        assert re.search(rf"priced cost(-|[\d.]+){missing}", tiles)
        if bounds:
            assert missing in notes
        else:
            assert "c: 1 message has no price (unknown-model), with 9 tokens of all input and 0 of output" in notes
            assert ("a<b: 2 messages have no price (unknown-model)" in notes) == (known == "none")


def test_inputs_are_exports(tmp_path: Path) -> None:
    """Other files of an export's zip are no inputs: one line names the first of them."""
    others = [f"{name}.json" for name in ("group_chats", "message_feedback", "sharing", "user")]
    with ZipFile(tmp_path / "export.zip", "w") as archive_:
        archive_.writestr("conversations.json", dump(chats(1)))
        for name in others:
            archive_.writestr(name, b'[{"key":"value"}]')
    assert run("totals", "export.zip", "-o", "bill.html", cwd=tmp_path).returncode == 0
    page = Page((tmp_path / "bill.html").read_text())
    assert "Totals of 1 input\n" in page.text
    names = ", ".join(f"export.zip::{name}" for name in others[:3])
    assert f"4 inputs of other JSON ignored: {names} and 1 more" in page.text
    assert page.text.count("user.json") == 0


def test_numbers_are_not_broken(tmp_path: Path) -> None:
    """However narrow a window is, a tile shows its figure in one line."""
    some = message(
        0, createdAt="2025-10-03T10:00:00Z", cost=Decimal("108.182582"), inputTokens=10**14, cacheReadTokens=10**14
    )
    (tmp_path / "in.json").write_bytes(dump(session(some)))
    assert run("totals", "in.json", "-o", "bill.html", cwd=tmp_path).returncode == 0
    page = tmp_path / "bill.html"
    measure = (
        "<script>onload=()=>{document.title=[...document.querySelectorAll('.tiles dd data')]"
        ".map(one=>one.getClientRects().length+':'+(one.parentNode.scrollWidth>one.parentNode.clientWidth)).join()}</script>"
    )
    page.write_text(re.sub(r"<meta http-equiv[^>]*>", "", page.read_text()).replace("</main>", f"</main>{measure}"))
    for width in (320, 500, 760, 900, 1000, 1100, 1300):
        title = re.search(r"<title>(.*?)</title>", opened(page, f"--window-size={width},900"))
        assert title is not None
        assert set(title[1].split(",")) == {"1:false"}, width


def test_declared_figures_stand_beside_counted_ones(tmp_path: Path) -> None:
    """The differences are those of the totals."""
    archive(tmp_path / "in")
    run("totals", "in", "-o", "bill.html", cwd=tmp_path)
    text = re.sub(r"<[^>]+>", " ", (tmp_path / "bill.html").read_text())
    assert re.search(r"prompt / input tokens\s+18,000\s+18,000\s+\n", text)
    assert re.search(r"cost \(USD\)\s+2\.22\s+2\.222222202\s+\+0\.002222202\s", text)


def test_figures_of_any_size_are_drawn(tmp_path: Path) -> None:
    """Enormous, tiny and negative costs, dates far apart and messages without any figure make a page."""
    some = [
        message(at, createdAt=f"{year:04}-01-01T00:00:00Z", cost=Decimal(cost))
        for at, (year, cost) in enumerate([(1, "1E+9000"), (2025, "-5"), (9999, "1E-400")])
    ]
    for name, data in (("a.json", dump(session(*some))), ("b.json", dump(session(message())))):
        (tmp_path / name).write_bytes(data)
        assert run("totals", name, "-o", f"{name}.html", cwd=tmp_path).returncode == 0
    text = (tmp_path / "a.json.html").read_text()
    assert [float(part) for part in re.findall(r'height="([\d.]+)"/></g>', text)] == [100.0, 0.0]
    assert '<svg class="plot"' not in (tmp_path / "b.json.html").read_text()


@pytest.mark.parametrize("option", [["--by", "day"], ["--sort", "cost"]])
def test_a_page_has_tables_of_its_own(option: list[str], tmp_path: Path) -> None:
    """--by and --sort are refused, not ignored."""
    done = run("totals", "missing.json", *option, "-o", "bill.html", cwd=tmp_path)
    assert (done.returncode, "an HTML page has tables of its own" in said(done)[0]) == (2, True)


def test_a_page_needs_an_extra(tmp_path: Path) -> None:
    """Without Jinja2 the error names the extra, before any work."""
    code = "import sys; sys.modules['jinja2'] = None; from exportstream.cli.commands import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, "totals", "missing.json", "-o", "bill.html"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, b"pip install 'exportstream[page]'" in done.stderr) == (2, True)
