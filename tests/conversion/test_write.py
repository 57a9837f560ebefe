"""Several tables in one pass: one reading, the same bytes as one by one, and all outputs or none."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from exportstream import convert, merge_many, verify
from exportstream.errors import InputError, UsageError, WriteError
from exportstream.reading.export import Export
from exportstream.storage.files import File
from exportstream.storage.transaction import Transaction
from exportstream.writing.options import WriteOptions
from exportstream.writing.outputs import Output
from exportstream.writing.selection import TABLES
from exportstream.writing.writers import Writers
from tests.kit.documents import cut, export
from tests.kit.files import everything, rows, unpack

OPTIONS: list[dict[str, Any]] = [
    {},
    {"keys": "snake"},
    {"running_totals": True},
    {"keys": "snake", "running_totals": True},
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with an export of several sessions."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.json").write_bytes(b"[" + b",".join(export(name, 30) for name in "abc") + b"]")
    return tmp_path


class Counted(io.BytesIO):
    """A file object that counts what is read of it."""

    given = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.given += len(data)
        return data

    read1 = read


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("suffix", [".ndjson", ".csv", ".ndjson.zst", ".csv.gz", ".parquet"])
def test_each_table_is_as_if_it_were_alone(folder: Path, suffix: str, options: dict[str, Any]) -> None:
    """One reading that writes all tables gives the same bytes as a reading for each."""
    done = convert("in.json", f"all{suffix}", table="all", **options)
    assert [output.target for output in done.outputs] == [f"all.{table}{suffix}" for table in TABLES]
    for table, output in zip(TABLES, done.outputs, strict=True):
        alone = convert("in.json", f"one{suffix}", table=table, force=True, **options)
        assert (folder / f"one{suffix}").read_bytes() == (folder / output.target).read_bytes()
        assert alone.outputs[0].rows == output.rows > 0
        assert alone.totals == done.totals
        assert output.tables == (table,)
        assert output.bytes_written == os.path.getsize(output.target)
    assert [output.rows for output in done.outputs] == [90, done.totals.counted.tool_calls, 3]
    assert done.rows == sum(output.rows for output in done.outputs)


def test_the_renaming_of_one_table_does_not_reach_another(folder: Path) -> None:
    """The messages table renames its rows in place: whatever the order of tables, the others see what was read."""
    for order in (["messages", "tool-calls"], ["tool-calls", "messages"], ["sessions", "messages", "tool-calls"]):
        convert("in.json", "x.ndjson", table=order, keys="snake", running_totals=True, force=True)
        for table in order:
            convert("in.json", "y.ndjson", table=table, keys="snake", running_totals=True, force=True)
            assert (folder / f"x.{table}.ndjson").read_bytes() == (folder / "y.ndjson").read_bytes()


@pytest.mark.parametrize("table", ["messages", "all"])
@pytest.mark.parametrize("format_", ["ndjson", "sqlite"])
def test_the_input_is_read_once(folder: Path, table: str, format_: str) -> None:
    """Every byte of a file object is read once, however many tables are written."""
    source = Counted((folder / "in.json").read_bytes())
    convert(source, "x.db" if format_ == "sqlite" else "x.ndjson", table=table)
    assert source.given == len(source.getvalue())


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (["messages", "sessions"], ["x.messages.ndjson", "x.sessions.ndjson"]),
        (["sessions", "messages"], ["x.messages.ndjson", "x.sessions.ndjson"]),
        (["sessions", "sessions"], ["x.ndjson"]),
        ("sessions", ["x.ndjson"]),
        (("all",), [f"x.{table}.ndjson" for table in sorted(TABLES)]),
        (["messages", "all"], [f"x.{table}.ndjson" for table in sorted(TABLES)]),
    ],
)
def test_names(folder: Path, table: Any, names: list[str]) -> None:
    """Where there are several tables the name of each gets the table's name in it."""
    convert("in.json", "x.ndjson", table=table)
    assert everything(folder) == ["in.json", *names]


def test_default_names(folder: Path) -> None:
    """So do default names, and those with dots in them."""
    convert("in.json", table="all")
    convert("in.json", "a.b.csv.gz", table=["messages", "sessions"])
    assert everything(folder) == sorted(
        ["in.json", *(f"in.{table}.ndjson.zst" for table in TABLES), "a.b.messages.csv.gz", "a.b.sessions.csv.gz"]
    )


@pytest.mark.parametrize("target", [None, "-", io.BytesIO()])
def test_a_stream_takes_one_table(target: Any) -> None:
    """Several tables can't go to one stream."""
    with pytest.raises(UsageError, match="several tables can't share one stream"):
        convert(b"[]", target, table="all")


# All or none ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("existing", TABLES)
def test_one_that_exists_stops_all(folder: Path, existing: str) -> None:
    """Where one of the outputs exists none is written; with force all are."""
    name = f"x.{existing}.ndjson"
    (folder / name).write_bytes(b"old")
    with pytest.raises(UsageError, match=f"{name}: the output exists"):
        convert("in.json", "x.ndjson", table="all")
    assert everything(folder) == ["in.json", name]
    assert (folder / name).read_bytes() == b"old"
    convert("in.json", "x.ndjson", table="all", force=True)
    assert {f"x.{table}.ndjson" for table in TABLES} < set(everything(folder))
    assert rows(folder / name)


def test_an_input_that_fails_leaves_none(folder: Path) -> None:
    """Where the input is cut no table is left, and nothing temporary."""
    (folder / "cut.json").write_bytes(cut("c", 900))
    with pytest.raises(InputError):
        convert("cut.json", "x.csv.gz", table="all")
    assert everything(folder) == ["cut.json", "in.json"]


@pytest.mark.parametrize("existing", TABLES)
def test_one_that_appears_meanwhile_leaves_none(folder: Path, existing: str) -> None:
    """Where a file appears under one of the names meanwhile, it stays, and none of the new ones does."""
    name = f"x.{existing}.ndjson"
    with pytest.raises(UsageError, match="the output exists"):
        convert("in.json", "x.ndjson", table="all", progress=lambda _: (folder / name).write_bytes(b"theirs"))
    assert everything(folder) == ["in.json", name]
    assert (folder / name).read_bytes() == b"theirs"


@pytest.mark.parametrize("step", ["write", "finish", "commit"])
@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_of_one_leaves_none(
    folder: Path, step: str, which: int, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk is full, or Ctrl-C comes, in the last step of any of the outputs, none of the new ones is left."""
    real = getattr(File, step)

    def fail(self: File, *arguments: Any) -> None:
        if f".{TABLES[which]}." in self.name:
            raise error
        real(self, *arguments)

    monkeypatch.setattr(File, step, fail)
    with pytest.raises(WriteError if isinstance(error, OSError) else KeyboardInterrupt):
        convert("in.json", "x.ndjson", table="all")
    assert everything(folder) == ["in.json"]


def test_rejects_and_the_report_go_with_the_outputs(folder: Path) -> None:
    """Where an output fails at the end, neither rejects nor a report are left of it."""
    bad = (folder / "in.json").read_bytes().replace(b'"id":"a-1"', b'"id":1')
    (folder / "in.json").write_bytes(bad)
    options: dict[str, Any] = {"table": "all", "on_error": "skip", "report": "r.json"}
    with pytest.raises(UsageError, match="the output exists"):
        convert("in.json", "x.ndjson", progress=lambda _: (folder / "x.sessions.ndjson").write_bytes(b"theirs"), **options)
    assert everything(folder) == ["in.json", "x.sessions.ndjson"]
    os.unlink("x.sessions.ndjson")
    done = convert("in.json", "x.ndjson", **options)
    assert (done.rejects, done.rejected) == ("x.messages.ndjson.rejects.ndjson", 1)


def test_writers_alone(folder: Path) -> None:
    """Writers take batches and sessions; if the block of their transaction raises, nothing is left."""
    outputs = [Output(f"{table}.ndjson.gz", "ndjson", "gzip", (table,)) for table in ("messages", "sessions")]
    with Export("in.json", session_totals=True) as export_, Transaction() as transaction:
        writers = Writers(outputs, WriteOptions(), transaction)
        for batch in export_.batches():
            writers.add(batch)
        writers.finish()
    assert [(one.target, one.rows, one.tables) for one in writers.written] == [
        ("messages.ndjson.gz", 90, ("messages",)),
        ("sessions.ndjson.gz", 3, ("sessions",)),
    ]
    for one in writers.written:
        assert one.bytes_encoded == len(unpack((folder / one.target).read_bytes()))
    before = everything(folder)
    again = [Output(f"{n}.csv", "csv", "none", ("messages",)) for n in range(3)]
    with pytest.raises(ZeroDivisionError), Transaction() as transaction:  # noqa: PT012
        Writers(again, WriteOptions(), transaction)
        raise ZeroDivisionError
    with pytest.raises(WriteError), Transaction() as transaction:
        Writers([*again, Output("no/such.csv", "csv", "none", ("messages",))], WriteOptions(), transaction)
    assert everything(folder) == before


def test_a_report_that_can_not_be_written_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the last of all, the report, does not get its name, the outputs and rejects that have theirs are removed again."""
    bad = (folder / "in.json").read_bytes().replace(b'"id":"a-1"', b'"id":1')
    (folder / "in.json").write_bytes(bad)
    real, committed = File.commit, []

    def commit(self: File) -> None:
        committed.append(self.name)
        if self.name == "r.json":
            raise OSError(28, "No space left on device")
        real(self)

    monkeypatch.setattr(File, "commit", commit)
    with pytest.raises(WriteError, match=r"r\.json: No space left on device"):
        convert("in.json", "x.ndjson", table=["messages", "sessions"], on_error="skip", report="r.json")
    assert committed == ["x.messages.ndjson.rejects.ndjson", "x.sessions.ndjson", "x.messages.ndjson", "r.json"]
    assert everything(folder) == ["in.json"]


@pytest.mark.parametrize("target", ["old", Path("old"), "old/", "new/", "link", "deep/er/"])
def test_a_folder_as_the_target(folder: Path, target: str | Path) -> None:
    """An input goes into a folder under its own name, as with the command, and is recorded in the manifest there."""
    (folder / "old").mkdir()
    (folder / "link").symlink_to("old")
    done = convert("in.json", target)
    assert [Path(one.target) for one in done.outputs] == [Path(target) / "in.ndjson.zst"]
    assert [found.ok for found in verify([target])] == [True]
    with pytest.raises(UsageError, match=r"in\.ndjson\.zst: the output exists"):
        convert("in.json", target)
    tables = convert("in.json", target, table="all", format="csv")
    assert [Path(one.target) for one in tables.outputs] == [Path(target) / table / "in.csv" for table in TABLES]


def test_a_folder_for_what_has_no_name(folder: Path) -> None:
    """Bytes and merged inputs have no name for a file in a folder: the error says that the user names it."""
    for call in (lambda: convert(export("a"), "new/"), lambda: merge_many(["in.json"], ".")):
        with pytest.raises(UsageError, match=r"the output is a folder; name a file in it$"):
            call()
    with pytest.raises(UsageError, match="level"):
        convert("in.json", "new/", level=99)
    assert everything(folder) == ["in.json"]
    assert not (folder / "new").exists()
