"""The benchmarks run, and what they generate and count is true. No test here looks at a clock."""

from __future__ import annotations

import argparse
import json
import re

import pytest

from benchmarks.__main__ import BASELINES, compare_tokens, main, plan
from benchmarks.cases import CASES, Case
from benchmarks.counting import find_messages
from benchmarks.generate import (
    SESSIONS,
    SHAPES,
    UNKNOWN,
    generate,
    generate_folder,
    generate_sessions,
    kind_of,
    parse_size,
)
from benchmarks.hostile import HOSTILE, count_hostile, generate_hostile
from benchmarks.logs import LOGS
from benchmarks.messages import HEAD_LENGTH
from benchmarks.plot import draw
from benchmarks.readme import MARKS, README_CASES, render_readme, short_rows, update_readme
from benchmarks.report import (
    OURS,
    headline,
    render_archive_targets,
    render_hostile,
    render_results,
    render_targets,
)
from benchmarks.run import count_messages, run
from benchmarks.scaling import CASES as SCALING_CASES
from benchmarks.scaling import processes
from exportstream import open_export

SIZES = {"long": (3000, 6000), "dense": (480, 600), "tiny": (100, 120), "escape": (1500, 6000), "sdk-dense": (380, 560)}
RAW = re.compile(r"[<>&\u2028\u2029]")


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def assert_declared(session, *, usage=True):
    """The totals of a session are those of its messages, as far as its shape has them."""
    messages = session["messages"]
    assert session["userMessageCount"] == sum(message["role"] == "user" for message in messages)
    assert session["assistantMessageCount"] == sum(message["role"] == "assistant" for message in messages)
    assert session["toolCallCount"] == sum(len(message.get("toolCalls", [])) for message in messages)
    assert session["updatedAt"][:19] == messages[-1]["updatedAt"][:19]
    assert len({message["id"] for message in messages}) == len(messages)
    if usage:
        assert session["promptTokens"] == sum(message.get("inputTokens", 0) for message in messages)
        assert session["completionTokens"] == sum(message.get("outputTokens", 0) for message in messages)
        assert session["cost"] == pytest.approx(sum(message.get("cost", 0) for message in messages), abs=1e-9)


# Generated files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_declared_totals_are_true(tmp_path, shape):
    """A generated export is JSON of about the size asked for, and its totals are those of its messages."""
    path = tmp_path / "export.json"
    made = generate(shape, 150_000, path)
    session = load(path)
    messages = session["messages"]
    assert 150_000 <= path.stat().st_size < 240_000
    assert made.messages == len(messages) == count_messages(path)
    assert_declared(session, usage=not shape.startswith("sdk-"))
    low, high = SIZES.get(shape, (0, path.stat().st_size))
    assert low < path.stat().st_size / len(messages) < high


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    """A seed decides everything, and another one gives another file."""
    files = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    for path, seed in zip(files, (7, 7, 8), strict=True):
        generate("dense", 50_000, path, seed)
    first, again, other = (path.read_bytes() for path in files)
    assert first == again != other


def test_size_one_is_one_turn(tmp_path):
    """The smallest file has every role in it."""
    path = tmp_path / "export.json"
    generate("long", 1, path)
    assert [message["role"] for message in load(path)["messages"]] == ["user", "assistant", "tool", "assistant"]


@pytest.mark.parametrize("shape", ["long", "dense", "escape"])
def test_written_as_the_server_writes(tmp_path, shape):
    """One compact line in Go's spelling: totals first, markup escaped, UTF-8, sorted inputJson, local offset."""
    path = tmp_path / "export.json"
    generate(shape, 300_000, path)
    text = path.read_text(encoding="utf-8")
    session = json.loads(text)
    assert text.count("\n") == 1
    assert text.endswith("}\n")
    assert not RAW.search(text)
    assert text.index('"messages":[') + len('"messages":[') == HEAD_LENGTH
    assert list(session)[-1] == "messages"
    assert re.fullmatch(r"2025-10-\d\dT\d\d:\d\d:\d\d\+05:30", session["messages"][0]["createdAt"])
    for message in session["messages"]:
        assert None not in message.values()
        assert list(message)[:3] == ["id", "role", "content"]
        assert message["content"] == "" or message["role"] != "tool"
        for call in message.get("toolCalls", []):
            assert json.loads(call["input"]) == call["inputJson"]
            assert list(call["inputJson"]) == sorted(call["inputJson"])
    if shape == "escape":
        assert not text.isascii()
        assert "\\u001b" in text


@pytest.mark.parametrize("shape", ["sdk-long", "sdk-dense"])
def test_written_as_the_sdk_writes(tmp_path, shape):
    """The SDK's order of keys, totals at the end, `inputJson` emptied, markup as it is."""
    path = tmp_path / "export.json"
    generate(shape, 100_000, path)
    session = load(path)
    assert list(session)[:3] == ["id", "messages", "title"]
    assert RAW.search(path.read_text(encoding="utf-8"))
    order = ["content", "createdAt", "id", "role", "updatedAt", "finishReason", "model", "reasoning"]
    order += ["reasoningDuration", "toolCalls"]
    for message in session["messages"]:
        assert list(message) == [key for key in order if key in message]
        for call in message.get("toolCalls", []):
            assert list(call) == ["finished", "id", "input", "name", "type", "inputJson", "result"]
            assert call["inputJson"] == {}


@pytest.mark.parametrize("shape", ["long", "dense"])
def test_unknown_keys_are_the_only_difference(tmp_path, shape):
    """The file with unknown keys is the file without, and one key more in each message."""
    plain, unknown = tmp_path / "plain", tmp_path / "unknown"
    made = generate(shape, 100_000, plain)
    generate(f"unknown-{shape}", 100_000, unknown)
    assert unknown.read_bytes().count(UNKNOWN) == made.messages
    assert unknown.read_bytes().replace(UNKNOWN, b"}") == plain.read_bytes()


@pytest.mark.parametrize("shape", SESSIONS)
def test_sessions_have_the_messages_of_dense(tmp_path, shape):
    """The file has the bytes of the messages of one document, in sessions of the size asked for with true totals."""
    document, path = tmp_path / "dense", tmp_path / "sessions"
    made = generate("dense", 100_000, document, 3)
    generate_sessions(shape, 100_000, path, 3)
    text = path.read_text(encoding="utf-8")
    sessions = json.loads(text) if shape.endswith("-array") else [json.loads(line) for line in text.splitlines()]
    each = int(shape.split("-")[1])
    assert [len(session["messages"]) for session in sessions[:-1]] == [each] * (
        made.messages // each - (made.messages % each == 0)
    )
    assert len({session["id"] for session in sessions}) == len(sessions)
    for session in sessions:
        assert_declared(session)
    ends = r'\]\}(?:,|\n|\]\n)(?:\{"id":"[^"]+","title":.*?"messages":\[)?'
    joined = re.sub(ends, ",", text[text.index('"messages":[') :].removeprefix('"messages":['))
    assert f"{joined.removesuffix(',')}]}}\n" == document.read_text(encoding="utf-8")[HEAD_LENGTH:]


def test_small_files_are_sessions_of_five_messages(tmp_path):
    """Each file of the folder is a line of the archive with 5 messages a session."""
    folder, lines = tmp_path / "small", tmp_path / "lines"
    generate_folder("small", 200_000, folder, 3)
    generate_sessions("sessions-5", 200_000, lines, 3)
    files = sorted(folder.iterdir())
    assert len(files) == 4
    assert [path.read_bytes() for path in files] == lines.read_bytes().splitlines(keepends=True)[:4]


def test_huge_is_one_string(tmp_path):
    """Nearly the whole file is one tool result."""
    path = tmp_path / "export.json"
    generate("huge", 500_000, path)
    result = load(path)["messages"][1]["toolCalls"][0]["result"]
    assert result.isascii()
    assert len(json.dumps(result)) > 0.9 * 500_000


def test_messages_are_counted_over_read_borders(tmp_path):
    """Counting reads in pieces, and loses no key that lies on a border."""
    path = tmp_path / "export.json"
    for shift in range(10):
        path.write_bytes(b" " * ((1 << 20) - shift) + b'"role":""role":"')
        assert count_messages(path) == 2


@pytest.mark.parametrize(("text", "size"), [("1", 1), ("200MB", 200_000_000), ("1.5 gb", 1_500_000_000), ("7k", 7000)])
def test_sizes(text, size):
    """Sizes are written as people write them."""
    assert parse_size(text) == size


def test_bad_size():
    """Anything else is refused with an example."""
    with pytest.raises(argparse.ArgumentTypeError, match="write it as 200MB"):
        parse_size("big")


# Cases ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Run every case once at size 1."""
    folder = tmp_path_factory.mktemp("benchmarks")
    readme = folder / "README.md"
    readme.write_text(f"# Title\n\n{MARKS[0]}\nold\n{MARKS[1]}\n\nText.\n", encoding="utf-8")
    options = ["--size", "1", "--rounds", "1", "--data", str(folder), "--json", str(folder / "report.json")]
    shapes = [f"--shape={shape}" for shape in ("long", *RUN_SESSIONS, "small", "archive", "empty")]
    main([*options, *shapes, "--update-readme", str(readme)])
    return load(folder / "report.json") | {"readme": readme.read_text(encoding="utf-8")}


SINGLE = [name for name, case in CASES.items() if "document" in case.takes]
RUN_SESSIONS = ("sessions-5", "sessions-5-array")  # enough to run every case
OF_SESSIONS = [(shape, name) for shape in RUN_SESSIONS for name, case in CASES.items() if kind_of(shape) in case.takes]


def find_one(report, shape, case):
    (one,) = [one for one in report["results"] if (one["shape"], one["case"]) == (shape, case)]
    return one


@pytest.mark.parametrize(("shape", "messages"), [("archive", 14), ("empty", 0)])
@pytest.mark.parametrize("case", ["jobs-1", "jobs-2"])
def test_archives_run(report, shape, messages, case):
    """A folder of files is converted by one process and by two."""
    result = find_one(report, shape, case)
    assert result.get("messages") == messages, result
    assert (result["files"], result["median"] > 0) == (2, True)


def test_small_files_run(report):
    """A folder of files of one small session is converted by one process."""
    result = find_one(report, "small", "jobs-1")
    assert (result.get("messages"), result["files"]) == (10, 2), result
    assert result["cpu"] > 0


@pytest.mark.parametrize(
    ("shape", "case"),
    [("long", name) for name in SINGLE if name not in OURS] + [one for one in OF_SESSIONS if one[1] not in OURS],
)
def test_contender_runs(report, shape, case):
    """Every contender gives the right number of messages, or is named as missing; Polars reads no arrays this way."""
    result = find_one(report, shape, case)
    if "missing" in result:
        assert CASES[case].needs.endswith(result["missing"])
        return
    if case == "polars-sessions" and kind_of(shape) == "array":
        assert "expected to contain JSON object" in result["failed"]
        return
    assert "failed" not in result
    assert result["median"] > 0
    assert result["peak"] > 1_000_000
    if CASES[case].counter:
        assert result["messages"] == (4 if shape == "long" else 10)


@pytest.mark.parametrize(
    ("shape", "case"), [("long", name) for name in OURS] + [one for one in OF_SESSIONS if one[1] in OURS]
)
def test_exportstream_runs(report, shape, case):
    """Every case of ours gives the right number of messages."""
    result = find_one(report, shape, case)
    assert result.get("messages") == (4 if shape == "long" else 10), result


def test_ijson_alone_writes_the_same(tmp_path):
    """The case without blocks does what the case with them does."""
    source, outs = tmp_path / "sessions", {}
    generate_sessions("sessions-5", 1, source)
    for case in ("ndjson", "ndjson-ijson"):
        assert run(case, str(source), str(tmp_path / case), check=True)["messages"] == 10
        outs[case] = (tmp_path / f"{case}.ndjson.zst").read_bytes()
    assert outs["ndjson"] == outs["ndjson-ijson"]
    assert "EXPORTSTREAM_BLOCKS=0" in CASES["ndjson-ijson"].command


def test_picture(report, tmp_path, capsys):
    """The picture shows each case of the README's table that was measured, and is drawn without measuring again."""
    pytest.importorskip("matplotlib")
    (tmp_path / "in.json").write_text(json.dumps(report | {"load": 2.5}), encoding="utf-8")
    pictures = []
    for name in ("a.svg", "b.svg"):
        main(["--from", str(tmp_path / "in.json"), "--plot", str(tmp_path / name)])
        assert f"{report['results'][0]['median']:.2f}" in capsys.readouterr().out
        pictures.append((tmp_path / name).read_text(encoding="utf-8"))
    assert pictures[0] == pictures[1]
    for case in README_CASES:
        label = CASES[case].label.replace("`", "").replace("*", "")
        assert (f">{label}<" in pictures[0]) == ("median" in find_one(report, "long", case))
    assert "busy with other work (load 2.5)" in pictures[0]
    with pytest.raises(ValueError, match="nothing to draw"):
        draw(report | {"results": []}, tmp_path / "c.svg")


@pytest.mark.parametrize(("load", "is_busy"), [(0.4, False), (1.0, False), (1.1, True), (None, False)])
def test_a_busy_machine_is_named(report, load, is_busy):
    """The tables say if the machine had other work before anything was measured."""
    report = {key: value for key, value in report.items() if key != "load"} | ({} if load is None else {"load": load})
    assert ("busy" in headline(report), "busy" in render_readme(report)) == (is_busy, is_busy)


def test_readme_is_updated(report):
    """The table stands between the marks, and nothing else of the README is touched."""
    text = report["readme"]
    assert text.startswith(f"# Title\n\n{MARKS[0]}\n| |")
    assert text.endswith(f"\n{MARKS[1]}\n\nText.\n")
    assert "\nold\n" not in text
    assert all((f"| {CASES[case].label} |" in text) == (case in README_CASES) for case in SINGLE)
    assert all(f"| {name} |" in text for name in ("NDJSON, 5 messages a session", "array, 5 messages a session"))
    assert "| refuses it |" in text or "polars missing" in text
    assert len(text.splitlines()) < 30


def test_rows_outside_of_the_table_are_updated(tmp_path):
    """Rows of four figures get those of the table, in text before and after it; others stay as they are."""
    path = tmp_path / "README.md"
    label = CASES["ndjson"].label
    other = f"| {label} | words |\n| other | 1 | 2 | 3 | 4 |\n"
    path.write_text(
        f"| {label} | 1 | 2 | 3 | 4 |\n{other}{MARKS[0]}\n{MARKS[1]}\n| {label} | – | – | – | – |\n", encoding="utf-8"
    )
    report = {"results": [result("long", "ndjson", 0.9), result("dense", "ndjson", 1.5), result("dense", "jq", 8.0)]}
    row = f"| {label} | 0.90 | 20 | 1.50 | 20 |"
    rows = short_rows(report)
    assert rows == {label: row}
    update_readme(path, "table", rows)
    assert path.read_text(encoding="utf-8") == f"{row}\n{other}{MARKS[0]}\ntable\n{MARKS[1]}\n{row}\n"


def test_readme_without_marks(tmp_path):
    """A README that has no place for the table is left alone."""
    path = tmp_path / "README.md"
    path.write_text("# Title\n", encoding="utf-8")
    with pytest.raises(ValueError, match="to put the table in"):
        update_readme(path, "table", {})
    assert path.read_text(encoding="utf-8") == "# Title\n"


def test_missing_and_failing_contenders_are_named(tmp_path, monkeypatch):
    """A program that is not there is named; one that fails is shown with its error's first line."""
    source, out = str(tmp_path / "in"), str(tmp_path / "out")
    monkeypatch.setitem(CASES, "absent", Case("absent", ["no-such-program"], "program no-such-program", None))
    monkeypatch.setitem(CASES, "unknown", Case("unknown", ["no-such-program"], "no_such_module", None))
    monkeypatch.setitem(CASES, "failing", Case("failing", ["sh", "-c", "echo oh >&2; echo no >&2; exit 3"], "json", None))
    monkeypatch.setitem(CASES, "killed", Case("killed", ["sh", "-c", "kill -9 $$"], "json", None))
    assert run("absent", source, out) == {"missing": "no-such-program"}
    assert run("unknown", source, out) == {"missing": "no_such_module"}
    assert run("failing", source, out) == {"failed": "oh"}
    assert run("killed", source, out)["failed"].startswith("killed by signal 9")


@pytest.mark.parametrize("shape", LOGS)
def test_logs_run(tmp_path, capsys, shape):
    """Each case gives the rows and the tokens of generated logs; ccusage, where it is installed, gives the same tokens."""
    cases = ["jobs-1", "totals-1", "totals-2", "ccusage"]
    words = [f"--case={case}" for case in cases]
    main(["--size=100KB", f"--shape={shape}", *words, "--rounds=1", f"--data={tmp_path}", f"--json={tmp_path / 'report'}"])
    found = {one["case"]: one for one in load(tmp_path / "report")["results"]}
    assert "failed" not in str(found)
    assert found["jobs-1"]["messages"] == found["totals-1"]["messages"] > 5
    assert found["totals-1"]["tokens"] == found["totals-2"]["tokens"]
    assert all(found["totals-1"]["tokens"][:2])
    assert found["ccusage"].get("missing") == "ccusage" or found["ccusage"]["tokens"] == found["totals-1"]["tokens"]
    assert f"{shape}: " in capsys.readouterr().out


def test_chats_run(tmp_path):
    """Each case gives the rows of generated chats; the session export they are measured against is measured, too."""
    main(["--size=100KB", "--shape=chats", "--rounds=1", f"--data={tmp_path}", f"--json={tmp_path / 'report'}"])
    found = {(one["shape"], one["case"]): one for one in load(tmp_path / "report")["results"]}
    assert "failed" not in str(found)
    ours = [("chatgpt", "ndjson"), ("chatgpt", "totals"), ("chatgpt-zip", "ndjson-zip"), ("chatgpt-zip", "totals")]
    assert len({found[pair]["messages"] for pair in ours}) == 1
    for shape in ("chatgpt", "claude-ai", "opencode"):
        assert found[shape, "ndjson"]["messages"] == found[shape, "totals"]["messages"] > 20
    assert {("chatgpt", "orjson-chats"), ("chatgpt-zip", "unzip"), ("dense", "totals")} <= found.keys()


@pytest.mark.slow
def test_scaling_runs(tmp_path, capsys):
    """Each case is measured with each number of processes, and what the reader and its worker take of it."""
    main(["--scaling", "--shape", "dense", "--size", "3MB", "--rounds", "1", "--data", str(tmp_path)])
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0].startswith("dense, 3 MB, ")
    assert len(lines) == 4 + len(SCALING_CASES)
    for line in lines[4:]:
        cells = [float(cell) for cell in line.split(" | ")[1:-1]]
        assert len(cells) == len(processes()) + 2
        assert cells[-1] > cells[-2], line  # the worker does more than the reader


def test_other_tokens_are_a_failure():
    """A case whose sums of tokens are not those of the first case on the shape has failed."""
    results = {("codex", case): {"tokens": [1, 2, 3, four]} for case, four in (("a", 4), ("b", 4), ("c", 5))}
    compare_tokens(results)
    assert [one.get("failed") for one in results.values()] == [None, None, "tokens [1, 2, 3, 5] instead of [1, 2, 3, 4]"]


def test_plan():
    """The main shapes get every case, the others what they are there for, and named cases win."""
    assert plan(["long"], None) == [("long", case) for case in SINGLE]
    assert plan(["empty"], None) == [("empty", "jobs-1"), ("empty", "jobs-2")]
    assert plan(["small"], None) == [("small", "jobs-1")]
    assert plan(["huge", "sdk-long"], None) == [("huge", "ndjson"), ("sdk-long", "ndjson")]
    assert plan(["huge"], ["floor"]) == [("huge", "floor")]


def test_plan_of_archives():
    """Archives get the cases that can read them, and bring the cases that they are measured against, once."""
    lines = [(shape, case) for shape, case in OF_SESSIONS if shape == "sessions-5"]
    assert plan(["sessions-5"], None) == [*lines, *BASELINES]
    assert ("sessions-5", "jq-array") not in lines
    assert ("sessions-5", "csv") not in lines
    both = plan(["dense", "sessions-5"], None)
    assert len(both) == len(set(both)) == len(SINGLE) + len(lines) + 2
    whole = plan(["archives"], None)
    assert {shape for shape, _ in whole} == {*SESSIONS, "small", "dense", "long"}
    assert [one for one in whole if one[0] in ("dense", "long")] == BASELINES
    assert ("sessions-1", "polars-sessions") in whole
    assert plan(["sessions-5-array"], ["totals"]) == [("sessions-5-array", "totals"), ("dense", "totals")]


def test_printed_totals_are_found():
    """The number of messages is found in totals, wherever it stands."""
    assert find_messages({"sessions": 1, "messages": 4}) == 4
    assert find_messages({"totals": {"messages": 4, "messagesByRole": {"user": 1}}}) == 4


@pytest.mark.parametrize("shape", HOSTILE)
def test_hostile_shapes_are_exports(tmp_path, shape):
    """Each hostile shape has about the size asked for, and as many messages as are counted."""
    path = tmp_path / "export.json"
    generate_hostile(shape, 30_000, path)
    assert shape == "hostile-empty" or 20_000 < path.stat().st_size < 42_000
    with open_export(path) as export:
        assert sum(1 for _ in export) == count_hostile(path)
    assert (count_hostile(path) == 0) == (shape == "hostile-empty")


def test_hostile_shapes_run(tmp_path, capsys):
    """All hostile shapes run at size 1, with the right number of messages, and are shown in one table."""
    report = tmp_path / "report.json"
    main(["--shape", "hostile", "--size", "1", "--rounds", "1", "--data", str(tmp_path), "--json", str(report)])
    results = load(report)["results"]
    assert [(one["shape"], one["case"]) for one in results] == [(shape, "ndjson-plain") for shape in HOSTILE]
    for one in results:
        assert one.get("messages") == (one["shape"] != "hostile-empty"), one
        assert one["cpu"] > 0
    shown = capsys.readouterr().out
    assert all(f"| {shape.removeprefix('hostile-')} |" in shown for shape in HOSTILE)
    assert "| target |" not in shown


def test_a_case_is_killed_after_its_limit(tmp_path, monkeypatch):
    """What takes too long is ended, and that is its result."""
    monkeypatch.setitem(CASES, "endless", Case("endless", ["sleep", "30"], "json", None))
    assert run("endless", "in", str(tmp_path / "out"), limit=0.1)["failed"].startswith("killed by signal 9")


# Tables --------------------------------------------------------------------------------------------------------------


def result(shape, case, median, peak=20_000_000):
    return {"shape": shape, "case": case, "median": median, "min": median, "max": median, "peak": peak} | {
        "seconds": [median],
        "input": 200_000_000,
    }


def test_targets_are_judged():
    """Each target shows what was measured, its limit and whether it holds."""
    results = [
        result("long", "floor", 1.0),
        result("long", "ndjson", 1.1),
        result("long", "ijson", 2.2),
        result("dense", "ndjson", 1.0, peak=65_000_000),
        result("unknown-dense", "ndjson", 1.2),
        result("huge", "ndjson", 6.0, peak=900_000_000),
        result("archive", "jobs-1", 10.0) | {"files": 1000},
        result("archive", "jobs-2", 5.5) | {"files": 1000},
        result("empty", "jobs-1", 2.6) | {"files": 1000},
    ]
    results += [
        result("small", "jobs-1", 9.0) | {"files": 4000, "cpu": 3.2},
        result("long", "ndjson-ijson", 2.86),
        result("sessions-5", "ndjson", 1.3),
        result("sessions-5", "jq", 1.2),
        result("sessions-5", "ndjson-2", 1.1),
        result("sessions-50-array", "ndjson", 1.2),
        result("sessions-50-array", "ndjson-2", 8.0),
        result("sessions-50-array", "duckdb-sessions", 6.0),
    ]
    results.append({"shape": "dense", "case": "jq", "failed": "a | b", "seconds": []})
    machine = {"cpu": "x", "cores": 2, "memory": 8e9, "system": "Linux"}
    report = {"date": "2026-01-01", "size": 200_000_000, "seed": 0, "rounds": 1, "machine": machine}
    report |= {"versions": {"python": "3"}, "start": 0.1, "results": results}
    targets = render_targets(report)
    assert "1.10 × (≤ 1.15) ok | not measured" in targets
    assert "2.00 × (≥ 2.6) MISSED" in targets
    assert "not measured | 1.20 × (≤ 1.5) ok" in targets
    assert "20.00 MB (≤ 64) ok | 65.00 MB (≤ 64) MISSED" in targets
    assert "| 200 MB in one string | 6.00 s (≤ 8) ok; 4.50 × the message (≤ 5) ok |" in targets
    assert "100.00 ms (≤ 80) MISSED" in targets
    assert "| 1,000 files of up to 1 MB, `--jobs 2` against `--jobs 1` | 0.55 × (≤ 0.6) ok | |" in targets
    assert "| overhead of one file among 1,000, in one process | 2.50 ms (≤ 2) MISSED | |" in targets
    assert "| ijson alone against the ijson script | 1.30 × (≤ 1.3) ok | not measured |" in targets
    assert "CPU for each of 4,000 files of one small session, in one process | 0.80 ms (≤ 0.7) MISSED | |" in targets
    archives = render_archive_targets(report)
    assert "| 5 messages a session: NDJSON against one document | 1.30 × (≤ 1.3) ok | not measured |" in archives
    assert "| 5 messages a session: faster than jq | 0.92 × (≥ 1) MISSED | not measured |" in archives
    assert "| 50 messages a session: NDJSON against one document | not measured | 1.20 × (≤ 1.15) MISSED |" in archives
    assert "| 50 messages a session: faster than DuckDB | not measured | 5.00 × (≥ 1) ok |" in archives
    assert (
        "| 50 messages a session: faster than DuckDB, with two processes | not measured | 0.75 × (≥ 1) MISSED |" in archives
    )
    assert "| 1 message a session: `totals` against one document | not measured | not measured |" in archives
    assert render_archive_targets({"results": results[:9]}) == ""
    assert "long: 1.10 × the time of" in headline(report)
    assert "failed: a \\| b" in render_results(report)
    assert "| `jq -c`, uncompressed | – | | | 1.20 (1.20–1.20) | 0.92 | 20 | – | | |" in render_results(report)
    results += [
        {"shape": "sessions-5", "case": "duckdb-sessions", "missing": "duckdb", "seconds": []},
        {"shape": "sessions-5", "case": "polars-sessions", "failed": "killed by signal 9 after 900 s", "seconds": []},
    ]
    readme = render_readme(report)
    assert "| NDJSON, 5 messages a session | 1.30 (20) | 1.30 | 1.10 (20) | – | – | 1.20 (20) | missing | killed |" in readme
    assert "array" not in readme


def test_hostile_shapes_are_judged():
    """CPU seconds without the start, per MB, against the plain shape; slow ones and killed ones stand out."""
    results = [
        result("hostile-empty", "ndjson-plain", 1) | {"cpu": 0.1, "input": 50},
        result("hostile-plain", "ndjson-plain", 1) | {"cpu": 0.3, "input": 20_000_000},
        result("hostile-digits", "ndjson-plain", 1) | {"cpu": 0.48, "input": 2_000_000},
        result("hostile-sessions", "ndjson-plain", 1) | {"cpu": 0.52, "input": 2_000_000},
        {"shape": "hostile-surrogates", "case": "ndjson-plain", "failed": "killed | x", "input": 1_000_000},
        result("long", "ndjson", 1),
    ]
    text = render_hostile({"results": results})
    assert "| plain | 20.00 | 0.20 | 0.010 | 1.0 | 20 |" in text
    assert "| digits | 2.00 | 0.38 | 0.190 | 19.0 | 20 |" in text
    assert "| sessions | 2.00 | 0.42 | 0.210 | 21.0 **SLOW** | 20 |" in text
    assert "| surrogates | 1.00 | killed \\| x **SLOW or wrong** |" in text
    assert "long" not in text
    assert render_hostile({"results": results[-1:]}) == ""
    assert "need" in render_hostile({"results": results[2:]})
