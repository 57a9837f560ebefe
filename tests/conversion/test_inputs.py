"""Inputs: what is found by files, folders, globs and ``-``, in which order, and what is left out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from exportstream import convert, convert_many, iter_messages, verify
from exportstream.cli.process import exit_code
from exportstream.conversion.inputs import Input, find_inputs
from exportstream.errors import ReadError, UsageError
from exportstream.storage.names import RealPaths
from tests.kit.files import put


def found(*sources: object, without: object = ()) -> list[str]:
    return [one.relative for one in find_inputs(sources, without=without)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with exports in folders."""
    monkeypatch.chdir(tmp_path)
    return put(tmp_path, "b.json", "a.json", "c/z.ndjson", "c/d/y.jsonl", "B/x.json.gz")


def test_a_folder_is_searched_in_order(folder: Path) -> None:
    """A folder gives its own files first, then those of its folders, each in the order of their names."""
    assert found(".") == ["a.json", "b.json", "B/x.json.gz", "c/z.ndjson", "c/d/y.jsonl"]
    assert [one.source for one in find_inputs(["c"])] == ["c/z.ndjson", "c/d/y.jsonl"]
    assert found("c/") == found(folder / "c") == found(f"file://{folder}/c") == ["z.ndjson", "d/y.jsonl"]


def test_what_does_not_look_like_an_export_is_left_out(folder: Path) -> None:
    """Of a folder only export-looking files are taken, in any case; hidden ones and our own rejects are not."""
    before = found(".")
    for name in (
        "README.md", "x.csv", "x.txt", "json", ".hidden.json", ".json", ".h/x.json", "c/.x.json.zst", "a.rejects.ndjson",
        "A.Rejects.NDJSON.gz", ".a.ndjson.0123.part", "x.json.part", "x.parquet", "x.db", "x.zst",
    ):  # fmt: skip
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    assert found(".") == before
    for name in ("E.JSON", "f.Json.ZST", "g.jsonl.bz2", "h.ndjson.xz", "i.json.zstd", "k.rejects.json"):
        (folder / name).write_bytes(b"x")
        assert name in found("."), name


def test_what_is_named_is_taken(folder: Path) -> None:
    """A file that is named itself is an input whatever it is called, and where it does not exist; its folder is not kept."""
    for name in ("x.txt", ".hidden", "a.rejects.ndjson", "missing.json", "c/missing"):
        (one,) = find_inputs([name])
        assert (one.source, one.relative, one.named) == (name, os.path.basename(name), True)
    assert found("b.json", "-", "c/z.ndjson", "a.json") == ["b.json", "stdin", "z.ndjson", "a.json"]


def test_the_given_order_is_kept(folder: Path) -> None:
    """Sources come in the order they are given."""
    assert found("c", "a.json", "B") == ["z.ndjson", "d/y.jsonl", "a.json", "x.json.gz"]


def test_one_name_is_one_source(folder: Path) -> None:
    """A path alone is taken for a list of it, and not for its letters."""
    assert [one.source for one in find_inputs("c")] == ["c/z.ndjson", "c/d/y.jsonl"]
    assert [one.source for one in find_inputs(Path("a.json"))] == ["a.json"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.json", ["a.json", "b.json"]),
        ("?.json", ["a.json", "b.json"]),
        ("[!a].json", ["b.json"]),
        ("c/*.ndjson", ["z.ndjson"]),
        ("*/*.ndjson", ["c/z.ndjson"]),
        ("./*/*.ndjson", ["c/z.ndjson"]),
        ("*/d/*", ["c/d/y.jsonl"]),
        ("**/*.json", ["a.json", "b.json"]),
        ("**/*json*", ["B/x.json.gz", "a.json", "b.json", "c/d/y.jsonl", "c/z.ndjson"]),
        ("**", ["B/x.json.gz", "a.json", "b.json", "c/d/y.jsonl", "c/z.ndjson"]),
        ("c/**", ["d/y.jsonl", "z.ndjson"]),
        ("c/**/", ["d/y.jsonl", "z.ndjson"]),
        ("c/**/*.jsonl", ["d/y.jsonl"]),
        ("**/d/**/*.jsonl", ["c/d/y.jsonl"]),
        ("?/**/y.jsonl", ["c/d/y.jsonl"]),
        ("**/**/z.*", ["c/z.ndjson"]),
    ],
)
def test_globs(folder: Path, pattern: str, names: list[str]) -> None:
    """A glob gives what it matches, sorted, named below its part without special characters; ``**`` is any folders."""
    assert found(pattern) == names
    assert found(str(folder / pattern)) == names
    for one in find_inputs([pattern]):
        assert os.path.isfile(one.source)


def test_globs_leave_out_hidden_files_folders_and_rejects(folder: Path) -> None:
    """Also of a glob; but other suffixes are taken, since they were asked for."""
    put(folder, ".h/x.json", "c/.x.json", "a.rejects.ndjson", "notes.txt", "e.json/f.json")
    assert found("*") == ["a.json", "b.json", "notes.txt"]
    assert found("**/x.json*") == ["B/x.json.gz"]
    assert found("**/*.*json") == ["a.json", "b.json", "c/z.ndjson", "e.json/f.json"]


def test_a_file_may_be_called_like_a_glob(folder: Path) -> None:
    """A file whose name holds special characters is itself, and within folders it is as any other."""
    put(folder, "[a].json", "g*/x[1].json")
    assert found("[a].json") == ["[a].json"]
    assert found("g*") == ["x[1].json"]
    assert found("**/x*.json") == ["g*/x[1].json"]


def test_globs_that_go_up(folder: Path) -> None:
    """A pattern may go up before its first special character; names are below there."""
    os.chdir("c")
    assert found("../*.json") == ["a.json", "b.json"]
    assert found("../**/*.jsonl") == ["c/d/y.jsonl"]


@pytest.mark.parametrize("pattern", [".", "**/*", "**"])
def test_loops_of_links_end(folder: Path, pattern: str) -> None:
    """Links to folders are not followed, so that each file comes once; nor a file again by a link to it."""
    before = found(pattern)
    os.symlink("..", folder / "c" / "up")
    os.symlink(".", folder / "self")
    os.symlink(folder / "c", folder / "other")
    assert found(pattern) == before
    os.symlink("a.json", folder / "link.json")
    assert found(pattern) == before
    os.symlink(folder / "../outside.json", folder / "link2.json")
    put(folder, "../outside.json")
    assert set(found(pattern)) == {*before, "link2.json"}


@pytest.mark.parametrize("pattern", [".", "*.json"])
def test_a_link_to_nothing_is_an_input(folder: Path, pattern: str) -> None:
    """A link whose file is gone is not hidden: it is an input, which fails."""
    os.symlink("gone", folder / "gone.json")
    assert "gone.json" in found(pattern)


@pytest.mark.parametrize("pattern", [".", "*"])
def test_pipes_are_not_waited_for(folder: Path, pattern: str) -> None:
    """A FIFO that happens to be in a folder would be waited for without an end: it is left out, unless it is named."""
    os.mkfifo(folder / "pipe.json")
    assert "pipe.json" not in found(pattern)
    assert found("pipe.json") == ["pipe.json"]


def test_a_link_to_a_folder_can_be_named(folder: Path) -> None:
    """A folder that is itself a link is searched."""
    os.symlink("c", folder / "link")
    assert found("link") == ["z.ndjson", "d/y.jsonl"]


@pytest.mark.parametrize("pattern", [".", "**/*", "*/*", "*/**"])
@pytest.mark.parametrize("output", ["rows", "./rows/", "rows/../rows"])
def test_the_output_folder_is_left_out(folder: Path, pattern: str, output: str) -> None:
    """What stands in the output folder is no input where that is inside of what is searched."""
    before = found(pattern)
    put(folder, "rows/a.ndjson", "rows/deep/b.json", "rowsnot/c.json")
    assert set(found(pattern, without=[output, None])) == {*before, "rowsnot/c.json"}
    assert "rows/a.ndjson" in found(pattern)


@pytest.mark.parametrize("pattern", [".", "*.json", "**/*"])
def test_the_output_folder_may_be_the_one_that_is_searched(folder: Path, pattern: str) -> None:
    """Where outputs go beside the inputs, or above them, nothing is left out for that."""
    before = found(pattern)
    assert found(pattern, without=["."]) == before
    assert found(pattern, without=[folder.parent]) == before


@pytest.mark.parametrize("pattern", [".", "*.json"])
def test_single_files_are_left_out(folder: Path, pattern: str) -> None:
    """So is a file that will be written, such as a report or a merged output; not where it is named itself."""
    assert "a.json" not in found(pattern, without=[folder / "a.json"])
    assert found("a.json", without=["a.json"]) == ["a.json"]


@pytest.mark.parametrize("name", ["empty", "empty/", "*.xml", "**/*.xml", "nothing/**", "c/*.json", "[x]"])
def test_nothing_found_is_a_usage_error(folder: Path, name: str) -> None:
    """A folder or glob that holds no export is said, whatever else is given."""
    (folder / "empty").mkdir()
    (folder / "empty" / "notes.txt").touch()
    with pytest.raises(UsageError, match="no exports found") as error:
        find_inputs(["a.json", name])
    assert error.value.source == name
    assert exit_code(error.value) == 2


def test_a_home_folder_that_no_shell_wrote_out() -> None:
    """A name that begins with ~, as in quotes or in Python, is no folder of that name: the error says so."""
    with pytest.raises(UsageError, match="no exports found; only a shell replaces ~, and not in quotes"):
        find_inputs(["~/nothing-here/*.jsonl"])
    with pytest.raises(ReadError, match="No such file or directory; only a shell replaces ~"):
        list(iter_messages("~/nothing-here"))


@pytest.mark.parametrize(
    "use",
    [
        lambda: iter_messages(""),
        lambda: find_inputs(["a.json", ""]),
        lambda: convert("", "x.csv"),
        lambda: convert(b"[]", "x.csv", report=""),
        lambda: [*verify("")],
    ],
)
def test_an_empty_name(use: Callable[[], object], folder: Path) -> None:
    """An empty name, as of a variable that is not set, is refused as such, with nothing written."""
    with pytest.raises(UsageError, match=r"^expected a name, got an empty text; a variable that gives it may not be set"):
        use()
    assert not (folder / "x.csv").exists()


def test_no_sources_are_a_usage_error() -> None:
    """So is an empty list."""
    with pytest.raises(UsageError, match="at least one input"):
        find_inputs([])


@pytest.mark.parametrize("wrong", [3, None, b"{}", {"id": 1}])
def test_what_is_no_name_is_a_type_error(wrong: object) -> None:
    """Sources are names: data and file objects have no name to call an output after."""
    with pytest.raises(TypeError, match="expected a path"):
        find_inputs([wrong])


@pytest.mark.parametrize(
    "name", [b"\xff\xfe.json", b" a b .json", b"new\nline.json", b"-.json", b"--o.json", "é\u2028🙂.json".encode()]
)
def test_any_bytes_in_names(tmp_path: Path, name: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are bytes: any of them can be found, in a folder, by a glob, and named."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    path = os.path.join(b"in", name)
    with open(path, "wb") as file:
        file.write(b"12345")
    for source in ("in", "in/*", "**/*.json", os.fsdecode(path)):
        (one,) = find_inputs([source])
        assert os.fsencode(one.source) == path
        assert os.fsencode(os.path.basename(one.relative)) == name
        assert one.size == 5


def test_a_folder_that_can_not_be_read_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that can't be listed is not passed over in silence: reading it fails, and the others are read."""
    listing = os.scandir

    def refuse(path: str) -> object:
        if os.path.basename(path) == "d":
            raise PermissionError(13, "Permission denied", path)
        return listing(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", refuse)
        found = set(find_inputs(["."]))
    refused = Input("./c/d", "c/d.refused", unpacked=0)
    assert found == {*(one for one in find_inputs(["."]) if not one.source.startswith("./c/d/")), refused}
    done = convert_many(["a.json", refused], "rows")
    assert [(one.status, one.is_system) for one in done.outcomes] == [("converted", False), ("failed", True)]


def test_sizes(folder: Path) -> None:
    """The size is that of the file as stored; 0 where there is none, None where it can't be known."""
    assert find_inputs(["a.json"])[0].size == (folder / "a.json").stat().st_size
    assert find_inputs(["missing"])[0].size == 0
    assert find_inputs(["-"])[0].size is None
    os.mkfifo(folder / "pipe")
    assert find_inputs(["pipe"])[0].size is None


def test_what_is_named_twice_is_taken_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is found again under any of its names is one input, called as where it was named itself."""
    put(tmp_path, "in/a.json", "in/b.json", "in/sub/c.json")
    (tmp_path / "link.json").symlink_to("in/a.json")
    monkeypatch.chdir(tmp_path)
    found = find_inputs(["in", "in/sub", "./in", "in/a.json", "link.json", "in/*.json", "-", "-"])
    assert [(one.source, one.relative) for one in found] == [
        ("in/a.json", "a.json"),
        ("in/b.json", "b.json"),
        ("in/sub/c.json", "sub/c.json"),
        ("-", "stdin"),
    ]
    (tmp_path / "in/0-latest.json").symlink_to("sub/c.json")  # the output of a file has its name, whatever link comes first
    assert [one.source for one in find_inputs(["in"])] == ["in/sub/c.json", "in/a.json", "in/b.json"]
    assert find_inputs(["in/0-latest.json", "in"])[0].source == "in/0-latest.json"


def test_real_paths_are_those_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at each folder once gives what `os.path.realpath` gives, with links to files, folders and nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in/deep").mkdir(parents=True)
    (tmp_path / "in/deep/a.json").touch()
    links = {"link": "in/deep", "in/a.json": "deep/a.json", "in/deep/up": "..", "in/gone": "nowhere", "loop": "loop"}
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    names = ["in/deep/a.json", *links, "link/a.json", "link/up/gone", "link/up/a.json", "in/deep/..", "link/..", ".", "in/"]
    real_path = RealPaths()
    for name in [*names, *(str(tmp_path / name) for name in names), "no/where.json", "loop/a"]:
        assert real_path(name) == os.path.realpath(name)
