"""What several processes make of one input is what one process makes of it: figures, notes, rejects and errors."""

from __future__ import annotations

import gzip
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exportstream import check, convert
from exportstream.reading.json.blocks import Blocks
from exportstream.reading.limits import MAX_DEPTH
from exportstream.totals.periods import Range
from tests.kit.documents import dump, message, messages, session, sessions, tool_call
from tests.kit.helpers import Here, Never, small_runs
from tests.kit.readings import small_blocks
from tests.kit.sharing import BLOCK, assert_same, figures, rows
from tests.properties.test_chunking import EDITS, FAULTS, SPOILED, STRUCTURE, edited, structure
from tests.properties.test_damage import DAMAGES, SHAPES, spots

FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
RUNS = st.sampled_from([60, 300, 1000, 3000])
TURNS = st.integers(0, 5)
RANGES = [
    Range(),
    Range(tz="America/New_York"),
    Range(since="2025-10-02", until="2025-10-05"),
    Range(until="2025-10-04T12:00:00Z", tz="UTC"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in.json"


def test_threads_do_not_share_what_changes(tmp_path: Path) -> None:
    """Threads of one process may be the executor, with unknown keys that each of them gets to know."""
    made = [message(number, **{f"unknown{number % 30}": number}) for number in range(3000)]
    path = tmp_path / "a.json"
    path.write_bytes(dump(session(*made)))
    alone, before = figures(path, None, "stop"), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with small_runs(3000), ThreadPoolExecutor(3) as executor:
            assert [figures(path, executor, "stop") for _ in range(5)] == [alone] * 5
    finally:
        sys.setswitchinterval(before)


@pytest.mark.parametrize("run", [100, 333, 1000, 5000])
@pytest.mark.parametrize("rest", [{}, {"cost": 1, "x": [{"id": "m", "role": "user"}]}])
def test_messages_of_one_session(path: Path, run: int, rest: dict[str, Any]) -> None:
    """Runs are read to their end wherever they are cut, and ids that come again in a later run are counted."""
    made = [message(n, id=f"m{n % 37}", toolCalls=[tool_call(inputJson={"messages": [message(2)]})]) for n in range(60)]
    data = dump({**session(*made, id="s"), **rest})
    here = assert_same(path, data, run)
    assert here.in_full == here.taken > 2
    assert isinstance(figures(path, None, None), list)  # they are no error


@pytest.mark.parametrize("run", [100, 900, 2500])
@pytest.mark.parametrize("form", [(b"", b"\n", b""), (b"[", b",", b"]"), (b" [\n", b" ,\n\t", b"\n]\n")], ids=str)
def test_whole_sessions(path: Path, run: int, form: tuple[bytes, bytes, bytes]) -> None:
    """Sessions in lines or an array are read apart, with the keys that nobody knows and ids that come again."""
    made = [session(*[message(n % 3) for n in range(which % 5)], id=f"s{which % 23}", x=which) for which in range(36)]
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
        figures(path, Never(), None)
    assert others == [0] * len(others)
    assert len(others) > 5


@pytest.mark.parametrize("form", ["lines", "array", "one"])
def test_runs_are_read_ahead_and_not_again(path: Path, form: str) -> None:
    """Each run is given away once, in files that are larger than a read, with sessions in lines, in an array, or of one."""
    made = [dump(session(*map(message, range(40)), id=f"s{which}")) for which in range(150)]
    one = dump(session(*map(message, range(6000))))
    path.write_bytes({"lines": b"\n".join(made), "array": b"[" + b",".join(made) + b"]", "one": one}[form])
    here = Here()
    with small_runs(100_000):
        found = figures(path, here, None)
    assert found == figures(path, None, None)
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
    with small_runs(6 * 20_000):
        found = figures(path, here, None)
        assert figures(path, Never(), None) == found
    assert found == figures(path, None, None)
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
@given(
    st.lists(sessions(max_messages=12), min_size=1, max_size=4),
    RUNS,
    st.sampled_from([None, 0, 1]),
    st.integers(0, 2),
    TURNS,
)
def test_generated_sessions(
    tmp_path_factory: Any, made: list[Any], run: int, indent: int | None, form: int, turn: int
) -> None:
    """Nested look-alikes of messages, unknown keys and odd texts, in lines, an array, or one after the other."""
    parts = [dump(item, indent=indent, separators=(",", ":")) for item in made]
    data = [b"\n".join(parts), b"[" + b",\n".join(parts) + b"]", b"".join(parts)][form]
    assert_same(tmp_path_factory.getbasetemp() / "generated.json", data, run, turn=turn)


@FEW
@given(st.lists(messages() | SPOILED, min_size=1, max_size=20), RUNS, st.sampled_from(["stop", "skip"]), TURNS)
def test_messages_that_are_not_valid(tmp_path_factory: Any, made: list[Any], run: int, on_error: str, turn: int) -> None:
    """The same messages are refused, at the same place and with the same words."""
    data = dump(session(*map(message, range(5)), *made, *map(message, range(5, 9))))
    assert_same(tmp_path_factory.getbasetemp() / "spoiled.json", data, run, on_error, turn=turn)


@FEW
@given(st.lists(sessions(max_messages=8), min_size=1, max_size=3), EDITS, RUNS, st.sampled_from(["stop", "skip"]), TURNS)
def test_edited_documents(tmp_path_factory: Any, made: Any, edits: Any, run: int, on_error: str, turn: int) -> None:
    """What is damaged is refused, or passed over, in the same way."""
    data = edited(b"\n".join(map(dump, made)), edits)
    assert_same(tmp_path_factory.getbasetemp() / "edited.json", data, run, on_error, turn=turn)


@pytest.mark.parametrize("name", STRUCTURE)
@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_shapes_of_the_array(path: Path, name: str, on_error: str) -> None:
    """Commas, white space and brackets of the array itself, alone and after messages that others have read."""
    before = dump(session(*map(message, range(9))))[:-2] + b","
    for turn, (run, data) in enumerate(product((20, 100, 300), (b"", before))):
        assert_same(path, data + structure(name), run, on_error, turn=turn)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_faults_among_messages(path: Path, fault: str, on_error: str) -> None:
    """The first, a later and the last message is damaged, or refused."""
    whole = [dump(message(n)) for n in range(20)]
    for turn, at in enumerate((0, 20, 9, 14, 4, 19)):
        array = b",".join([*whole[:at], FAULTS[fault], *whole[at:]])
        assert_same(path, b'{"id":"s","title":"t","messages":[' + array + b"]}", 300, on_error, turn=turn)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_of_one_stretch(path: Path, shape: str, damage: str) -> None:
    """Damage anywhere, most of all around the ends of messages, and a cut there, with skipping and without."""
    data, dice = SHAPES[shape], random.Random(f"{shape} {damage}")
    at = [*dice.sample(range(len(data)), 4), *dice.sample(sorted(spots(data, len(data))), 4)]
    for turn, place in enumerate(at):
        assert_same(path, DAMAGES[damage](data, place), 500, "skip", turn=turn)
        assert_same(path, DAMAGES[damage](data, place), 900, turn=turn + 1)
        assert_same(path, data[:place], 400, "skip", turn=turn + 2)


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


@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("around", [(b"", b""), (b"[", b"]"), (b'{"result":', b"}")], ids=str)
def test_messages_that_are_as_deep_as_they_may_be(path: Path, around: tuple[bytes, bytes], more: int) -> None:
    """A level more is refused, also where others read the message: how deep it may be depends on what is around it."""
    before, after = around
    nested = MAX_DEPTH - 3 - (before != b"") + more  # the session, its messages, the message, and the array or the response
    made = [dump(message(n, x=0)) for n in range(30)]
    made[20] = made[20].replace(b'"x":0', b'"x":' + b"[" * nested + b"]" * nested)
    data = before + b'{"id":"s","title":"t","messages":[' + b",".join(made) + b"]}" + after
    for turn in range(6):
        assert_same(path, data, 400, "stop", turn=turn)
    assert isinstance(figures(path, None, None), list) is (more < 1)  # it is no error


def test_a_byte_order_mark(path: Path) -> None:
    """Positions are not those of the file then, so no runs are taken by them; the result is the same."""
    data = b"\xef\xbb\xbf" + dump(session(*map(message, range(30))))
    assert not any(assert_same(path, data, 300, turn=turn).taken for turn in range(6))
    assert assert_same(path, data[3:], 300).taken > 2


@pytest.mark.parametrize("at", range(8))
def test_what_is_noted_before_a_message_that_is_refused(path: Path, at: int) -> None:
    """It is counted once, wherever the block of both begins, in a run that was read to a part."""
    made = [message(n, x=0) for n in range(20)]
    made[4 + at], made[5 + at] = message(4 + at, content="\ud83d", createdAt=None), {"id": "x"}
    assert_same(path, dump(session(*made), ensure_ascii=True), 1500, "skip", turn=2 * (at % 3))


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize("tail", [b"{", b'{"id"', b'{"id":"x","title":"t"', b'{"id":"x","title":"t","messages":['])
@pytest.mark.parametrize("form", [(b"", b"\n"), (b"[", b",")], ids=str)
def test_a_cut_right_after_a_run(path: Path, form: tuple[bytes, bytes], tail: bytes, on_error: str) -> None:
    """What the error says of the last session is that of the run, or of the one that has just begun."""
    first, between = form
    made = [dump(session(*map(message, range(3)), id=f"s{n:02}")) for n in range(12)]
    data = first + between.join([*made, tail])
    run = 3 * len(made[0]) + 2  # up to the comma or line feed after the third session
    assert min(assert_same(path, data, run, on_error, turn=turn).in_full for turn in range(6)) > 1


@pytest.mark.parametrize("costs", [[10**20, 1], ["1e6000", "-1e6000", 1], ["1e-6000", 3], ["1e1500"], ["-1e6000"]], ids=str)
def test_costs_that_are_out_of_all_proportion(path: Path, costs: list[Any]) -> None:
    """The sum of a part may have more digits than that of the whole: only the whole decides."""
    array = b",".join(
        dump(message(n)).replace(b'"id"', b'"cost":%s,"id"' % str(costs[n % len(costs)]).encode(), 1) for n in range(40)
    )
    assert_same(path, b'{"id":"s","title":"t","messages":[' + array + b"]}", 300)


@pytest.mark.parametrize("costs", [{4: b"1e-9500", 20: b"1e900"}, {4: b"1e900", 20: b"1e-9500"}], ids=["small", "large"])
def test_the_session_whose_cost_is_one_too_many(path: Path, costs: dict[int, bytes]) -> None:
    """Two costs that are far apart, each of which could be added in its run, name the same session as in one process."""
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
    "ndjson": {"suffix": "ndjson", "table": "messages"},
    "compressed": {"suffix": "csv.zst"},
    "gzip": {"suffix": "ndjson.gz"},
    "snake": {"suffix": "ndjson", "table": "all", "keys": "snake"},
    "flat": {"suffix": "jsonl", "table": "messages,tool-calls", "flat": True},
    "safe": {"csv_safe": True, "columns": "messageIndex,content"},
    "running": {"suffix": "ndjson", "running_totals": True},
    "place": {"columns": "*,file,sessionNumber", "table": "all"},
    "dedupe": {"dedupe": True},
    "database": {"suffix": "db"},
}
ALONE = {"running", "place", "dedupe", "database"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("lines", [True, False], ids=["sessions", "messages"])
def test_every_form_of_output(path: Path, form: str, lines: bool) -> None:
    """Outputs are the same to the byte; what depends on earlier rows is written by one process."""
    made = [message(n, id=f"m{n % 50}", content="=é\n", toolCalls=[tool_call(n)] * (n % 3)) for n in range(90)]
    parts = [session(*made[n : n + 9], id=f"s{n % 20}") for n in range(0, 90, 9)] if lines else [session(*made)]
    path.write_bytes(b"\n".join(map(dump, parts)))
    options = {"table": "messages", **FORMS[form]}
    here = Here()
    with small_blocks(*BLOCK), small_runs(600):
        wanted = rows(path, None, None, **options)
        found = rows(path, here, None, **options)
    if form == "database":  # SQLite files of the same rows may differ
        found, wanted = found[0], wanted[0]
    assert found == wanted
    assert (here.taken > 0) is (form not in ALONE)


def test_outputs_of_another_shape_after_each_other(path: Path) -> None:
    """What is kept from one run to the next is that of the options and the kind of output, not of one of them alone."""
    path.write_bytes(dump(session(*map(message, range(60)))))
    for kind, columns in (("csv", "id,content"), ("csv", "content,id"), ("ndjson", "content,id")):
        options = {"suffix": kind, "table": "messages", "columns": columns}
        with small_blocks(*BLOCK), small_runs(2000):
            here = Here()
            assert rows(path, here, None, **options) == rows(path, None, None, **options)
            assert here.taken > 2


@pytest.mark.parametrize("name", ["csv.zst", "ndjson.gz"])
def test_runs_without_rows_add_nothing(path: Path, name: str) -> None:
    """An output that has no rows, or few, is as small as that of one process."""
    path.write_bytes(dump(session(*map(message, range(60)))))
    sizes = []
    for executor in (None, here := Here()):
        with small_blocks(*BLOCK), small_runs(2000):
            done = convert(path, path.with_name(f"out.{name}"), table="tool-calls", executor=executor, force=True)
        sizes.append([one.bytes_written for one in done.outputs])
    assert sizes[0] == sizes[1]
    assert here.taken > 2


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
    here = assert_same(path, dump(session(*made)), 9000)
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
        wanted = figures(path, None, None, prices=prices, within=within)
        assert figures(path, here, None, prices=prices, within=within) == wanted
        priced = rows(path, None, None, prices=prices)
        assert rows(path, here, None, prices=prices) == priced
    assert here.taken > 4
    assert b',"priced"\n' in priced[1]["out.messages.csv"]
