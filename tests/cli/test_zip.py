"""Zip archives through the command: they are inputs like folders."""

from __future__ import annotations

import json
from pathlib import Path
from warnings import catch_warnings
from zipfile import ZipFile

import pytest

from tests.kit.command import run, said, speak
from tests.kit.documents import export
from tests.kit.files import contents, put, rows, zipped

MEMBERS = {
    "one.json": export("one"),
    "d/two.json": export("two", 4),
    "user.json": b'{"id":"u"}',
    "chat.html": b"<p>",
    "in.zip": b"PK\x03\x04",
    ".x/hidden.json": export("hidden"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an archive, and the same exports as files."""
    zipped(tmp_path / "x.zip", MEMBERS)
    put(tmp_path / "files", "one.json")
    (tmp_path / "files/d").mkdir()
    (tmp_path / "files/d/two.json").write_bytes(MEMBERS["d/two.json"])
    return tmp_path


def test_convert_an_archive(folder: Path) -> None:
    """Each export in an archive gets an output named after it; --update goes by the archive, and the manifest names members."""
    done = run("convert", "x.zip", "-o", "out/", "-j2", cwd=folder)
    assert done.returncode == 0, done.stderr
    first, ignored = said(done)
    assert first.startswith("exportstream: 2 of 4 inputs converted, 2 ignored: 7 rows")
    assert ignored == "exportstream: ignored: x.zip: 2 members that are no exports: in.zip, user.json"
    assert list(contents(folder / "out")) == ["d/two.ndjson.zst", "one.ndjson.zst"]
    manifest = (folder / "out/.exportstream.manifest.ndjson").read_bytes()
    assert {json.loads(line)["input"]["name"] for line in manifest.splitlines()} == {
        f"../x.zip::{n}" for n in ("one.json", "d/two.json")
    }
    again = ["convert", "x.zip", "-o", "out/", "-j1", "--update", "--exclude", "in.zip", "--exclude", "x.zip/user.json"]
    assert said(run(*again, cwd=folder)) == ["exportstream: 0 of 2 inputs converted, 2 up to date"]
    zipped(folder / "x.zip", {"one.json": export("one", 9)})
    left, converted = said(run(*again, cwd=folder))
    assert left == "exportstream: 1 output has no input any more, and stays: out/d/two.ndjson.zst"
    assert converted.startswith("exportstream: x.zip::one.json: 9 rows to out/one.ndjson.zst")
    assert len(rows(folder / "out/one.ndjson.zst")) == 9


@pytest.mark.parametrize("command", [["totals"], ["check"], ["convert", "-o", "out/"]])
def test_an_archive_without_members(folder: Path, command: list[str]) -> None:
    """Alone it holds no export; among other inputs it is ignored."""
    zipped(folder / "files/empty.zip", {})
    done = run(*command, "files/empty.zip", cwd=folder)
    assert done.returncode == 2
    assert said(done)[0].startswith("exportstream: files/empty.zip: no exports found")
    done = run(*command, "files", cwd=folder)
    assert done.returncode == 0
    assert any(line.startswith("exportstream: ignored: files/empty.zip: ") for line in said(done))


def test_archives_with_the_same_names_inside(folder: Path) -> None:
    """Outputs of several archives are in folders named after them; of one they are not."""
    zipped(folder / "y.zip", {"one.json": export("other", 2)})
    done = run("convert", "x.zip", "y.zip", "-o", "out/", "-j1", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert list(contents(folder / "out")) == ["x/d/two.ndjson.zst", "x/one.ndjson.zst", "y/one.ndjson.zst"]
    assert run("convert", "x.zip", "./x.zip", "-o", "once/", "-j1", cwd=folder).returncode == 0
    assert list(contents(folder / "once")) == ["d/two.ndjson.zst", "one.ndjson.zst"]


def test_an_archive_is_as_its_files(folder: Path) -> None:
    """Merged rows, totals and findings of an archive are those of a folder with the same files."""
    for source in ("x.zip", "files"):
        done = run("convert", source, "--merge", "-o", f"{source}.ndjson", "-q", cwd=folder)
        assert done.returncode == 0, done.stderr
    inside, outside = rows(folder / "x.zip.ndjson"), rows(folder / "files.ndjson")
    assert [row.pop("file") for row in inside] == ["x.zip::one.json"] * 3 + ["x.zip::d/two.json"] * 4
    assert inside == [{key: value for key, value in row.items() if key != "file"} for row in outside]
    totals = [speak("totals", source, "--json", "-q", cwd=folder).stdout for source in ("x.zip", "files")]
    assert json.loads(totals[0])["counted"] == json.loads(totals[1])["counted"]
    checks = [speak("check", source, cwd=folder).stdout for source in ("x.zip", "files")]
    assert checks[0] == checks[1].replace("files/", "x.zip::")


def test_one_member(folder: Path) -> None:
    """A member is one input: its output is next to the archive, a missing one is exit code 4, and the archive is safe."""
    assert run("convert", "x.zip::d/two.json", cwd=folder).returncode == 0
    assert len(rows(folder / "two.ndjson.zst")) == 4
    done = run("convert", "x.zip::no.json", cwd=folder)
    known = ".x/hidden.json, d/two.json, one.json and 1 more"
    assert (done.returncode, said(done)) == (
        4,
        [f"exportstream: x.zip::no.json: the zip archive has no such member; it has {known}"],
    )
    (folder / "x.ndjson").write_bytes((folder / "x.zip").read_bytes())
    done = run("convert", "x.ndjson::one.json", "-o", "x.ndjson", "-f", cwd=folder)
    assert (done.returncode, b"the output is the input" in done.stderr) == (2, True)


def test_an_archive_for_one_output(folder: Path) -> None:
    """An archive may hold several exports, so one output is refused, and the error says how to name a member."""
    done = run("convert", "x.zip", "-o", "out.csv", cwd=folder)
    assert done.returncode == 2
    assert said(done)[0].endswith("give -o DIR/, or add --merge for one output, or name one member: ARCHIVE.zip::MEMBER")


def test_archives_of_a_glob(folder: Path) -> None:
    """Archives that a glob finds get a folder each for their outputs, and a damaged one is one failure among them."""
    (folder / "y.zip").write_bytes((folder / "x.zip").read_bytes()[:-30])
    done = run("convert", "*.zip", "-o", "out/", "-qj1", "--exclude", "*.zip/in.zip", cwd=folder)
    assert (done.returncode, said(done)[-1].split(" (")[0]) == (
        3,
        "exportstream: y.zip: the zip archive is cut or damaged: the list of its members, at its end, is missing",
    )
    assert list(contents(folder / "out")) == ["x/d/two.ndjson.zst", "x/one.ndjson.zst"]


def test_archives_in_a_folder(folder: Path) -> None:
    """Archives in a folder are read like the folders in it; one without exports is ignored with a note, named it is an error."""
    put(folder / "d", "z.json")
    zipped(folder / "d/pictures.zip", {"a.png": b"png"})
    (folder / "x.zip").rename(folder / "d/x.zip")
    zipped(folder / "d/.hidden.zip", {"h.json": export("h")})
    done = run("convert", "d", "-o", "out/", "-j1", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert list(contents(folder / "out")) == ["x/d/two.ndjson.zst", "x/one.ndjson.zst", "z.ndjson.zst"]
    assert said(done)[1:] == [
        "exportstream: ignored: d/pictures.zip: expected JSON, got a zip archive; it has no JSON in it",
        "exportstream: ignored: d/x.zip: 2 members that are no exports: in.zip, user.json",
    ]
    assert said(run("convert", "d", "--merge", "-o", "all.ndjson", "-q", cwd=folder)) == []
    counted = json.loads(speak("totals", "d", "--json", "-q", cwd=folder).stdout)["counted"]
    assert len(rows(folder / "all.ndjson")) == counted["messages"] == 10
    done = run("convert", "d", "--merge", "-o", "some.ndjson", "-q", "--exclude", "x.zip", cwd=folder)
    assert (done.returncode, len(rows(folder / "some.ndjson"))) == (0, 3)
    done = run("convert", "d/pictures.zip", "-o", "out2/", cwd=folder)
    assert (done.returncode, b"d/pictures.zip: no exports found" in done.stderr) == (2, True)


def test_a_hostile_member_is_one_failure(folder: Path) -> None:
    """Members whose names lead out of an archive, or come twice, fail by themselves; nothing is written outside."""
    members = {**MEMBERS, "../up.json": export("up"), "/root.json": export("root"), "../up.png": b"png"}
    path = zipped(folder / "x.zip", members)
    with catch_warnings(action="ignore"), ZipFile(path, "a") as archive:
        archive.writestr("one.json", b"{}")
    done = run("convert", "x.zip", "-o", "sub/out/", "-j1", cwd=folder)
    assert done.returncode == 3
    leads = "the member's name leads out of the zip archive, or is no name; unpack it by hand, if you trust it"
    assert said(done)[2:] == [
        f"exportstream: x.zip::../up.json: {leads}",
        f"exportstream: x.zip::/root.json: {leads}",
        "exportstream: x.zip::one.json: two members of the zip archive have this name; unpack it by hand, if you trust it",
    ]
    assert list(contents(folder / "sub")) == ["out/d/two.ndjson.zst"]
    assert run("convert", "x.zip", "--merge", "-o", "m.ndjson", "-q", cwd=folder).returncode == 3
    assert {row["file"] for row in rows(folder / "m.ndjson")} == {"x.zip::d/two.json"}
    assert run("check", "x.zip", cwd=folder).returncode == 3


def test_an_archive_from_a_pipe(folder: Path) -> None:
    """An archive on standard input is exit code 3, with a hint to save it."""
    done = run("totals", "-", cwd=folder, data=(folder / "x.zip").read_bytes())
    assert (done.returncode, b"; save it to a file" in done.stderr) == (3, True)
