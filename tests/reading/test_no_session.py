"""JSON among sessions that is none: it is left out as a whole, or the error tells where it is; all that is around it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exportstream import ExportstreamError, NotAnExportError, Reject
from exportstream.reading.export import Export
from exportstream.reading.options import ReadOptions
from tests.kit.command import run
from tests.kit.documents import dump, message, session
from tests.kit.files import cuts
from tests.kit.readings import blocks
from tests.kit.sharing import assert_same

GOOD = [
    dump(session(*(message(number, id=f"m{which}{number}") for number in range(2)), id=f"s{which}")) for which in range(4)
]
LATER = [dump({"messages": [message(0, id=f"m{which}")], "title": "t", "id": f"s{which}"}) for which in range(4)]
BAD = {
    "number": b"-7",
    "null": b"null",
    "string": b'"a, ]} \\" {"',
    "object": b"{}",
    "empty-array": b"[]",
    "error": b'{"error": {"code": 429, "message": "[later}"}}',
    "row": b'{"id":"m","messageIndex":3}',
    "no-messages": b'{"id":"x","title":"\\ud800","more":[{"messages":[]}]}',
    "messages": b'{"id":"x","title":"t","messages":{"y":[1]},"z":[2]}',
    "id": b'{"id":3,"title":"t","messages":[{"id":"m"}],"cost":1}',
    "title": b'{"id":"x","title":3,"messages":[]}',
    "cost": b'{"cost":"x","messages":[],"id":"z","title":"t"}',
    "result": b'{"id":"x","result":{"id":"y"}}',
    "twice": b'{"id":"x","id":"y","messages":[]}',
}


SHAPES = {
    "lines": (b"", b"\n", b"\n"),
    "array": (b" [ ", b" , ", b" ] "),
    "documents": (b"", b" ", b""),
}  # before, between, after


def read(
    source: Any, on_error: str = "skip"
) -> tuple[list[tuple[str, int, str]], list[Reject], Any, ExportstreamError | None]:
    """The messages, the rejects, the export, and the error."""
    messages: list[tuple[str, int, str]] = []
    rejects: list[Reject] = []
    with Export(source, ReadOptions(on_error=on_error), rejects=rejects) as export:
        try:
            for batch in export.batches():
                messages += [(one.session_id, one.index, one.id) for one in batch.messages]
        except ExportstreamError as error:
            return messages, rejects, export, error
        return messages, rejects, export, None


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", BAD)
def test_it_is_rejected_as_a_whole(kind: str, shape: str, tmp_path: Path) -> None:
    """Wherever it stands, also first, last and twice in a row, its bytes are one reject each, and no session is lost."""
    bad = BAD[kind]
    for sessions, size in ((GOOD, 0), (GOOD, 1), (GOOD, 50), (LATER, 0), (GOOD[:3] + LATER[3:], 0)):
        for places in ([1], [0], [4], [2, 2], [0, 0, 1, 3, 4, 4]):
            parts = list(sessions)
            for place in reversed(places):
                parts[place:place] = [bad]
            before, between, after = SHAPES[shape]
            data = before + between.join(parts) + after
            wanted = read(b"\n".join(sessions))[0]
            starts = [
                len(before) + len(between.join([*parts[:index], b""])) for index in range(len(parts)) if parts[index] is bad
            ]
            for on in (True, False):
                path = tmp_path / "in.json"
                path.write_bytes(data)
                with blocks(on):
                    messages, rejects, export, error = read(cuts(data, [size]) if size else path)
                assert (messages, error) == (wanted, None), (data, on)
                assert [(one.position, one.raw, one.session_id, one.damaged) for one in rejects] == [
                    (start, bad, None, True) for start in starts
                ], (data, on)
                assert (export.notes.damaged, export.partial) == (len(places), False)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", BAD)
def test_the_error_tells_where_it_is(kind: str, shape: str, tmp_path: Path) -> None:
    """Without skip the error has its line and byte, how many sessions came before, and the next step, however it is read."""
    before, between, after = SHAPES[shape]
    parts = [GOOD[0], GOOD[1], BAD[kind], GOOD[2]]
    path = tmp_path / "in.json"
    path.write_bytes(before + between.join(parts) + after)
    position = len(before + between.join(parts[:2]) + between)
    place = "line 3, column 1, byte" if shape == "lines" else "byte"
    for on in (True, False):
        with blocks(on):
            for source in (path, cuts(path.read_bytes(), [7])):
                messages, rejects, _, error = read(source, "stop")
                assert (len(messages), rejects, type(error)) == (4, [], NotAnExportError)
                assert str(error).endswith('; on_error="skip" goes on without it')
                assert ", after 2 sessions (" in str(error)
                assert f"{place if source is path else 'byte'} {position})" in str(error)


def test_what_is_no_export_stays_none() -> None:
    """Where no session comes there are no rejects but an error of the first value, and a large input is not read to its end."""
    for kind, bad in BAD.items():
        for data in (bad, bad * 2, b"[" + bad + b"]", bad + b"\n{oops\n", (bad + b"\n") * 30_000):
            _, rejects, export, error = read(data)
            assert isinstance(error, NotAnExportError)
            assert error.foreign == (kind not in ("error", "messages", "id", "title", "cost", "twice"))
            assert export.bytes_read < 1_000_000, kind
            assert sum(len(one.raw or b"") for one in rejects) < 70_000
        late = read(b"{}" + b" " * 70_000 + bad + b"\n" + GOOD[0])
        assert "an empty object" in str(late[3]), kind


def test_damage_within_it_and_around_it() -> None:
    """What is neither JSON nor a session is damage up to the next session; a session after damage may be followed by it."""
    hurt = GOOD[0].replace(b'"m01"', b'"m01')
    for lost in (b'{"messages":7,"x":oops}', b'{"messages":7,"x":', b"{}oops"):
        for on in (True, False):
            with blocks(on):
                messages, rejects, _, error = read(b"\n".join([GOOD[1], lost, GOOD[2], BAD["error"], GOOD[3]]))
                assert [one[2] for one in messages] == ["m10", "m11", "m20", "m21", "m30", "m31"], lost
                assert b"".join(one.raw or b"" for one in rejects).replace(b"\n", b"") == lost + BAD["error"]
                messages, rejects, _, error = read(b"\n".join([hurt, GOOD[2], BAD["number"], GOOD[3], BAD["null"]]))
                assert ([one[2] for one in messages], error) == (["m00", "m20", "m21", "m30", "m31"], None)
                assert [one.raw for one in rejects[1:]] == [BAD["number"], BAD["null"]]
    messages, rejects, export, error = read(GOOD[1] + b'\n{"messages":7,"x":')
    assert (len(messages), len(rejects), export.partial, error) == (2, 1, True, None)


def test_what_is_too_long_is_an_error() -> None:
    """More than 1 MiB is not held for a reject: the error tells where they are, or near which byte, and what to do."""
    long, begin = b'"x":"' + b"x" * 5_000_000 + b'"', len(GOOD[0]) + 1
    for value, place, hint in (
        (b'{"messages":7,' + long + b"}", f"byte {begin})", True),
        (b"{" + long + b"}", "near byte 5", False),
    ):
        error = str(read(b"\n".join([GOOD[0], value, GOOD[1]]))[3])
        assert place in error
        assert error.endswith("; it is too long to be left out: remove it") == hint


@pytest.mark.parametrize("shape", ["lines", "array"])
def test_processes_agree(shape: str, tmp_path: Path) -> None:
    """Convert, totals and check of several processes are those of one."""
    before, between, after = SHAPES[shape]
    many = [dump(session(*(message(0, id=f"m{which}"),) * 2, id=f"s{which}", cost=which)) for which in range(12)]
    for kind in ("error", "number", "no-messages"):
        for place in (0, 5, 12):
            parts = [*many[:place], BAD[kind], *many[place:]]
            data = before + between.join(parts) + after
            done = assert_same(tmp_path / f"{kind}{place}.json", data, on_error="skip")
            assert done.given or not place  # or it is read otherwise for a while
            assert_same(tmp_path / f"{kind}{place}-stop.json", data)


def test_the_commands_agree(tmp_path: Path) -> None:
    """It is rejected by convert, which ends with 5, and counted by totals and check; all say that a session was expected."""
    (tmp_path / "in.ndjson").write_bytes(b"\n".join([GOOD[0], BAD["error"], GOOD[1], BAD["number"]]))
    skip = ("--on-error", "skip")
    stopped, done = run("convert", "in.ndjson", cwd=tmp_path), run("convert", "in.ndjson", *skip, cwd=tmp_path)
    assert (stopped.returncode, done.returncode) == (3, 5)
    assert b"got an error response: 429" in stopped.stderr
    assert stopped.stderr.endswith(b"--on-error skip goes on without it\n")
    assert b"4 rows" in done.stderr
    assert b"2 damaged stretches" in done.stderr
    totals, check = run("totals", "in.ndjson", *skip, cwd=tmp_path), run("check", "in.ndjson", cwd=tmp_path)
    assert (totals.returncode, check.returncode) == (5, 3)
    assert b"2 damaged stretches" in totals.stderr
    assert b"got an error response: 429" in check.stdout
