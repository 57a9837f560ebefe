"""What several processes make of one input is what one process makes of it: figures, notes, rejects and errors."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exportstream import ExportstreamError, check, convert
from exportstream.conversion.totals import total_one
from exportstream.reading.json.blocks import Blocks
from exportstream.reading.options import ReadOptions
from exportstream.totals.periods import Range
from exportstream.totals.table_options import GroupOptions
from tests.kit.documents import dump, message, messages, session, sessions, tool_call
from tests.kit.files import unpack
from tests.kit.helpers import Here, Never, small_runs
from tests.kit.readings import exact, small_blocks
from tests.properties.test_chunking import EDITS, FAULTS, SPOILED, STRUCTURE, edited, structure
from tests.properties.test_damage import DAMAGES, SHAPES

FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
RUNS = st.sampled_from([60, 300, 1000, 3000])
TABLES = (("day", "model"), ("session",), ("role", "finish-reason"), ("tool",), ("file",), ("field",), ())
BLOCK = 400, 300


RANGES = [
    Range(),
    Range(tz="America/New_York"),
    Range(since="2025-10-02", until="2025-10-05"),
    Range(until="2025-10-04T12:00:00Z", tz="UTC"),
]
COUNTS = ("messages", "rejected", "sessions", "bytes_read", "bytes_parsed", "partial", "cut", "notes")


def counted(
    path: Path,
    executor: Executor | None,
    on_error: Any,
    *,
    prices: Path | None = None,
    within: Range = RANGES[0],
) -> Any:
    """All figures of an input, or its error and how far it was read."""
    seen = [0]
    try:
        done = total_one(
            path,
            ReadOptions(on_error=on_error, prices=prices),
            GroupOptions(by=TABLES, range=within, priced=prices is not None),
            executor=executor,
            progress=lambda export: seen.append(export.bytes_read),
        )
    except ExportstreamError as error:
        return type(error), str(error)
    finally:
        assert seen == sorted(seen)
    return exact([[msgspec.to_builtins(getattr(done, name)) for name in COUNTS], done.totals.to_dict(), done.to_dict()])


def test_threads_do_not_share_what_changes(tmp_path: Path) -> None:
    """Threads of one process may be the executor, with unknown keys that each of them gets to know."""
    made = [message(number, **{f"unknown{number % 30}": number}) for number in range(3000)]
    path = tmp_path / "a.json"
    path.write_bytes(dump(session(*made)))
    alone, before = counted(path, None, "stop"), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with small_runs(3000), ThreadPoolExecutor(3) as executor:
            assert [counted(path, executor, "stop") for _ in range(5)] == [alone] * 5
    finally:
        sys.setswitchinterval(before)


def checked(path: Path, executor: Executor | None) -> Any:
    """All findings, in their order, and the error after them."""
    found: list[Any] = []
    try:
        found.extend(one.to_dict() for one in check(path, executor=executor))
    except ExportstreamError as error:
        found.append((type(error), str(error)))
    return exact(found)


def converted(path: Path, executor: Executor | None, on_error: Any, *, source: Any = None, **options: Any) -> Any:
    """The decompressed bytes of all outputs and of the rejects, the report, or the error and what is left then."""
    folder = path.with_name(f"{path.stem}-rows")
    folder.mkdir()
    try:
        target = folder / f"out.{options.get('format', 'csv')}"
        done = convert(source or path, target, on_error=on_error, executor=executor, **options)
    except ExportstreamError as error:
        return type(error), str(error), os.listdir(folder)
    else:
        plain = done.to_dict()
        assert plain["bytesWritten"] == sum(output["bytesWritten"] for output in plain["outputs"])
        for output in plain["outputs"]:
            assert output.pop("bytesWritten") == os.path.getsize(output["target"])
        return exact({name: value for name, value in plain.items() if name not in ("seconds", "bytesWritten", "shared")}), {
            one.name: unpack(one.read_bytes()) for one in folder.iterdir()
        }
    finally:
        shutil.rmtree(folder)


def assert_same(path: Path, data: bytes, run: int = 300, on_error: Any = None) -> Here:
    """One process, several that are ahead, and several that never begin: one result."""
    path.write_bytes(data)
    here = Here()
    with small_blocks(*BLOCK):
        wanted, findings = counted(path, None, on_error), checked(path, None)
        rows = converted(path, None, on_error, table="all")
        with small_runs(run):
            assert checked(path, Here()) == findings
            assert converted(path, here, on_error, table="all") == rows
            assert counted(path, here, on_error) == wanted
            assert counted(path, Never(), on_error) == wanted
        assert_same_packed(path, data, run, on_error)
    return here


def assert_same_packed(path: Path, data: bytes, run: int, on_error: Any) -> None:
    """The same of the compressed file, whose bytes come in pieces that end anywhere."""
    assert_same_stored(path, gzip.compress(data, 1), run, on_error)
    path.write_bytes(data)


def assert_same_stored(path: Path, stored: bytes, run: int, on_error: Any) -> Here:
    """One process and several: one result of a compressed file."""
    path.write_bytes(stored)
    return assert_same_held(path, run, on_error)


def assert_same_held(path: Path, run: int, on_error: Any) -> Here:
    """The same of a file whose bytes are handed on, that is there already."""
    here = Here()
    with patch("exportstream.storage.decompress._STEP", 170), small_blocks(*BLOCK), small_runs(4 * run):
        wanted, findings = counted(path, None, on_error), checked(path, None)
        rows = converted(path, None, on_error, table="all")
        assert checked(path, Here()) == findings
        assert converted(path, here, on_error, table="all") == rows
        assert counted(path, here, on_error) == wanted
    return here


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in.json"


@pytest.mark.parametrize("run", [100, 333, 1000, 5000])
@pytest.mark.parametrize("rest", [{}, {"cost": 1, "x": [{"id": "m", "role": "user"}]}])
def test_messages_of_one_session(path: Path, run: int, rest: dict[str, Any]) -> None:
    """Runs are read to their end wherever they are cut, and ids that come again in a later run are counted."""
    made = [message(n, id=f"m{n % 37}", toolCalls=[tool_call(inputJson={"messages": [message(2)]})]) for n in range(60)]
    data = dump({**session(*made, id="s"), **rest})
    here = assert_same(path, data, run)
    assert here.in_full == here.taken > 2
    assert len(counted(path, here, None)) == 3


@pytest.mark.parametrize("run", [100, 1000, 5000])
@pytest.mark.parametrize("form", [(b"", b"\n", b""), (b"[", b",", b"]"), (b" [\n", b" ,\n\t", b"\n]\n")], ids=str)
def test_whole_sessions(path: Path, run: int, form: tuple[bytes, bytes, bytes]) -> None:
    """Sessions in lines or an array are read apart, with the keys that nobody knows and ids that come again."""
    made = [session(*[message(n % 3) for n in range(which % 5)], id=f"s{which % 23}", x=which) for which in range(60)]
    here = assert_same(path, form[0] + form[1].join(map(dump, made)) + form[2], run)
    assert here.in_full == here.taken > 2


_ONE_OF_TAKEN = 2  # references: the list's, and that of the function that counts


def test_a_block_is_freed_before_the_next_one_is_decoded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that is still in the cache is twice as fast."""
    path.write_bytes(dump(session(*map(message, range(12_000)))))
    take, taken, others = Blocks.take, [], []

    def watched(*args: Any) -> Any:
        if taken:
            others.append(sys.getrefcount(taken[0]) - _ONE_OF_TAKEN)
            taken.clear()
        run = take(*args)
        if run is not None:
            taken.append(run)
        return run

    monkeypatch.setattr(Blocks, "take", watched)
    with small_runs(1_000_000):
        counted(path, Never(), None)
    assert others == [0] * len(others)
    assert len(others) > 5


@pytest.mark.parametrize("array", [True, False])
def test_runs_are_read_ahead_and_not_again(path: Path, array: bool) -> None:
    """Each run is given away once, in files that are larger than a read, with sessions in lines, in an array, or of one."""
    made = [dump(session(*map(message, range(40)), id=f"s{which}")) for which in range(150)]
    path.write_bytes(b"[" + b",".join(made) + b"]" if array else b"\n".join(made))
    here = Here()
    with small_runs(100_000):
        found = counted(path, here, None)
    assert found == counted(path, None, None)
    size = path.stat().st_size
    assert here.in_full == here.taken == here.given
    assert size // 100_000 - 4 < here.given <= size // 100_000


@pytest.mark.parametrize("form", [(b"", b"\n", b""), (b"[", b",", b"]")], ids=str)
@pytest.mark.parametrize("each", [20, 6000])
def test_runs_of_a_compressed_file_are_read_ahead_and_not_again(path: Path, form: Any, each: int) -> None:
    """Each run is given away once, with its bytes: of sessions in lines, in an array, and of few with many messages."""
    made = [dump(session(*map(message, range(each)), id=f"s{which}")) for which in range(6000 // each)]
    plain = form[0] + form[1].join(made) + form[2]
    path.write_bytes(gzip.compress(plain, 1))
    here = Here()
    with small_runs(4 * 20_000):
        found = counted(path, here, None)
        assert counted(path, Never(), None) == found
    assert found == counted(path, None, None)
    assert here.in_full == here.taken == here.given
    assert len(plain) // 20_000 * 3 // 5 < here.given <= len(plain) // 20_000


@pytest.mark.parametrize("keys", [["messages", "id", "title"], ["title", "messages", "id"], ["messages", "title"]])
@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_the_id_after_the_messages(path: Path, keys: list[str], on_error: str) -> None:
    """It is looked for once, and a session that has none is refused as by one process."""
    whole = session(*map(message, range(30)), id="late")
    here = assert_same(path, dump({key: whole[key] for key in keys}), on_error=on_error)
    assert (here.taken > 0) is ("id" in keys)


@FEW
@given(st.lists(sessions(max_messages=12), min_size=1, max_size=4), RUNS, st.sampled_from([None, 0, 1]), st.integers(0, 2))
def test_generated_sessions(tmp_path_factory: Any, made: list[Any], run: int, indent: int | None, form: int) -> None:
    """Nested look-alikes of messages, unknown keys and odd texts, in lines, an array, or one after the other."""
    parts = [dump(item, indent=indent, separators=(",", ":")) for item in made]
    data = [b"\n".join(parts), b"[" + b",\n".join(parts) + b"]", b"".join(parts)][form]
    assert_same(tmp_path_factory.getbasetemp() / "generated.json", data, run)


@FEW
@given(st.lists(messages() | SPOILED, min_size=1, max_size=20), RUNS, st.sampled_from(["stop", "skip"]))
def test_messages_that_are_not_valid(tmp_path_factory: Any, made: list[Any], run: int, on_error: str) -> None:
    """The same messages are refused, at the same place and with the same words."""
    data = dump(session(*map(message, range(5)), *made, *map(message, range(5, 9))))
    assert_same(tmp_path_factory.getbasetemp() / "spoiled.json", data, run, on_error)


@FEW
@given(st.lists(sessions(max_messages=8), min_size=1, max_size=3), EDITS, RUNS, st.sampled_from(["stop", "skip"]))
def test_edited_documents(tmp_path_factory: Any, made: Any, edits: Any, run: int, on_error: str) -> None:
    """What is damaged is refused, or passed over, in the same way."""
    data = edited(b"\n".join(map(dump, made)), edits)
    assert_same(tmp_path_factory.getbasetemp() / "edited.json", data, run, on_error)


@pytest.mark.parametrize("name", STRUCTURE)
@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_shapes_of_the_array(path: Path, name: str, on_error: str) -> None:
    """Commas, white space and brackets of the array itself."""
    for run in (20, 300):
        assert_same(path, structure(name), run, on_error)
        assert_same(path, dump(session(*map(message, range(9))))[:-2] + b"," + structure(name), run, on_error)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_faults_among_messages(path: Path, fault: str, on_error: str) -> None:
    """The first, a later and the last message is damaged, or refused."""
    whole = [dump(message(n)) for n in range(20)]
    for at in (0, 9, 20):
        array = b",".join([*whole[:at], FAULTS[fault], *whole[at:]])
        assert_same(path, b'{"id":"s","title":"t","messages":[' + array + b"]}", 300, on_error)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_of_one_stretch(path: Path, shape: str, damage: str) -> None:
    """Damage anywhere, and a cut anywhere, with skipping and without."""
    data = SHAPES[shape]
    places = random.Random(f"{shape} {damage}").sample(range(len(data)), 6)
    for at in places:
        assert_same(path, DAMAGES[damage](data, at), 500, "skip")
        assert_same(path, DAMAGES[damage](data, at), 900)
        assert_same(path, data[:at], 400, "skip")


@pytest.mark.parametrize("which", [0, 9, 29])
@pytest.mark.parametrize("lines", [True, False], ids=["sessions", "messages"])
def test_half_a_surrogate_pair_in_damaged_bytes(path: Path, which: int, lines: bool) -> None:
    """It became no row, so no message has it, whatever was read before the damage was met; one in a row is counted."""
    made = [dump(message(n)) for n in range(30)]
    made[20] = dump(message(20, content="\ud83d"))
    made[which] = b'{"id":"b","content":"\\ud83dx","role":!}'
    if lines:
        data = b"\n".join(b'{"id":"s%d","title":"t","messages":[%b]}' % one for one in enumerate(made))
    else:
        data = b'{"id":"s","title":"t","messages":[' + b",".join(made) + b"]}"
    assert_same(path, data, 300, "skip")
    done = convert(path, path.with_name("out.csv"), on_error="skip")
    assert (done.notes.damaged, done.notes.replaced_surrogates, done.rows) == (1, 1, 29)


@pytest.mark.parametrize("costs", [[10**20, 1], ["1e6000", "-1e6000", 1], ["1e-6000", 3], ["1e1500"]], ids=str)
def test_costs_that_are_out_of_all_proportion(path: Path, costs: list[Any]) -> None:
    """The sum of a part may have more digits than that of the whole: only the whole decides."""
    array = b",".join(
        dump(message(n)).replace(b'"id"', b'"cost":%s,"id"' % str(costs[n % len(costs)]).encode(), 1) for n in range(40)
    )
    assert_same(path, b'{"id":"s","title":"t","messages":[' + array + b"]}", 300)


def test_the_session_whose_cost_is_one_too_many(path: Path) -> None:
    """Two costs that are far apart, each of which could be added in its run, name the same session as in one process."""
    costs = {4: b"1e-9500", 20: b"1e900"}
    lines = [dump(session(*map(message, range(3)), id=f"s{n}")) for n in range(40)]
    for n, cost in costs.items():
        lines[n] = lines[n].replace(b'"id":"m1"', b'"cost":%s,"id":"m1"' % cost, 1)
        assert cost in lines[n]
    assert_same(path, b"\n".join(lines), 1000)


@pytest.mark.parametrize("run", [300, 5000])
def test_findings_of_every_kind(path: Path, run: int) -> None:
    """Those of a run have the numbers of the whole, and the first five are the first five of the session."""
    odd = [
        {"createdAt": None},
        {"createdAt": "2025-10-03T10:00:00"},
        {"updatedAt": "soon"},
        {"content": "\ud83d"},
        {"id": "same"},
        {"priority": 1, "toolCalls": [tool_call(color="red")]},
    ]
    made = [message(n, **(odd[n // 4 % 6] if n % 4 == 3 else {})) for n in range(150)]
    here = assert_same(path, dump(session(*made)), run, "skip")
    assert here.taken
    assert_same(path, b"\n".join(dump(session(*made[n : n + 9], id=f"s{n}", y=n)) for n in range(0, 150, 9)), run, "skip")
    path.write_bytes(dump(session(*made)))
    (found,) = check(path)
    assert len(found.findings) == 5


@pytest.mark.parametrize("keys", [99, 101, 150])
def test_more_unknown_keys_than_are_counted_by_name(path: Path, keys: int) -> None:
    """The first hundred of the session are, wherever runs are cut."""
    here = assert_same(path, dump(session(*[message(n, **{f"x{n % keys}": 1, "y": 1}) for n in range(300)])), 2000)
    assert here.taken


FORMS: dict[str, dict[str, Any]] = {
    "ndjson": {"format": "ndjson", "table": "messages"},
    "compressed": {"format": "csv.zst"},
    "gzip": {"format": "ndjson.gz"},
    "snake": {"format": "ndjson", "table": "all", "keys": "snake"},
    "flat": {"format": "jsonl", "table": "messages,tool-calls", "flat": True},
    "safe": {"csv_safe": True, "columns": "messageIndex,content"},
    "running": {"format": "ndjson", "running_totals": True},
    "place": {"columns": "*,file,sessionNumber", "table": "all"},
    "dedupe": {"dedupe": True},
    "database": {"format": "db"},
}
ALONE = {"running", "place", "dedupe", "database"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("lines", [True, False], ids=["sessions", "messages"])
def test_every_form_of_output(path: Path, form: str, lines: bool) -> None:
    """Outputs are the same to the byte; what depends on earlier rows is written by one process."""
    made = [message(n, id=f"m{n % 50}", content="=é\n", toolCalls=[tool_call(n)] * (n % 3)) for n in range(90)]
    parts = [session(*made[n : n + 9], id=f"s{n % 20}") for n in range(0, 90, 9)] if lines else [session(*made)]
    path.write_bytes(b"\n".join(map(dump, parts)))
    options = dict(FORMS[form])
    here = Here()
    with small_blocks(*BLOCK), small_runs(600):
        wanted = converted(path, None, None, **options)
        found = converted(path, here, None, **options)
    if form == "database":  # SQLite files of the same rows may differ
        found, wanted = found[0], wanted[0]
    assert found == wanted
    assert (here.taken > 0) is (form not in ALONE)


def test_columns_too_long_for_a_spreadsheet(tmp_path: Path) -> None:
    """Columns with long cells are found by helpers as well, and forgotten with the output that has them."""
    made = [message(n, content="x" * (70 if n == 10 else 9)) for n in range(90)]  # in an early run: the first that is read
    with small_blocks(*BLOCK), small_runs(600), patch("exportstream.writing.formats.csv._LARGEST_CELL", 60):
        for number, (messages, columns) in enumerate(((made, ("content",)), (made[11:], ()))):
            source = tmp_path / f"{number}.json"
            source.write_bytes(dump(session(*messages)))
            here = Here()
            done = convert(source, tmp_path / f"{number}.csv", csv_safe=True, executor=here)
            assert (done.outputs[0].large_columns, here.taken > 10) == (columns, True)


@pytest.mark.parametrize("every", [2, 9, 40])
def test_messages_that_can_t_be_counted_by_their_separators(path: Path, every: int) -> None:
    """Values that look like messages make a wrong count: the next runs are read again, with the right numbers."""
    looks = tool_call(inputJson=[message(n) for n in range(3)])
    made = [message(n, toolCalls=[looks] if n % every == 0 else []) for n in range(120)]
    here = assert_same(path, dump(session(*made)), 6000)
    assert here.taken


PRICES = b"""
[[price]]
model = "small"
input = 1
output = 2.5
"""


@pytest.mark.parametrize("within", RANGES, ids=str)
@pytest.mark.parametrize("lines", [True, False], ids=["sessions", "messages"])
def test_prices_and_ranges(path: Path, within: Range, lines: bool) -> None:
    """Prices, days and messages without a date are counted the same, and rows get the same prices."""
    dates = [None, "soon", "2025-10-03T23:30:00+05:30", "2025-10-04T01:00:00Z", "2025-10-07T00:00:00"]
    costs: list[dict[str, float]] = [{}, {"cost": 0.5}]
    made = [
        message(
            n, createdAt=dates[n % 5], model=["small", "large"][n % 2], inputTokens=n, outputTokens=1, **costs[n // 2 % 2]
        )
        for n in range(120)
    ]
    parts = [session(*made[n : n + 7], id=f"s{n % 30}") for n in range(0, 120, 7)] if lines else [session(*made)]
    path.write_bytes(b"\n".join(map(dump, parts)))
    prices = path.with_name("prices.toml")
    prices.write_bytes(PRICES)
    here = Here()
    with small_blocks(*BLOCK), small_runs(4000):
        wanted = counted(path, None, None, prices=prices, within=within)
        assert counted(path, here, None, prices=prices, within=within) == wanted
        rows = converted(path, None, None, prices=prices, table="all")
        assert converted(path, here, None, prices=prices, table="all") == rows
    assert here.taken > 4
    assert b',"priced"\n' in rows[1]["out.messages.csv"]
