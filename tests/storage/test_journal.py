"""The journal: a file of lines that processes append to at once, and that no death of one of them damages."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from exportstream.errors import ReadError, WriteError
from exportstream.storage.journal import Journal, complete_lines
from tests.kit.files import everything

APPEND = """
import sys
from exportstream.storage.journal import Journal
journal = Journal(sys.argv[1])
for number in range(200):
    journal.append([(sys.argv[2] * 3000 + str(number)).encode()] * 2)
    if number % 50 == 0:
        journal.compact(lambda file: [position for position, _ in complete_lines(file)])
""".replace("import Journal", "import Journal, complete_lines")


def lines(journal: Journal) -> list[bytes]:
    with journal.open() as file:
        return [] if file is None else [line for _, line in complete_lines(file)]


def test_processes_append_and_compact_at_once(tmp_path: Path) -> None:
    """Lines of several processes never mix, and none is lost, also while the file is written anew."""
    path = tmp_path / "journal"
    started = [subprocess.Popen([sys.executable, "-c", APPEND, path, letter]) for letter in "abc"]
    assert [process.wait(120) for process in started] == [0, 0, 0]
    expected = {f"{letter * 3000}{number}\n".encode() for letter in "abc" for number in range(200)}
    found = lines(Journal(str(path)))
    assert set(found) == expected
    assert len(found) == 2 * len(expected)
    assert everything(tmp_path) == ["journal"]


def test_a_cut_line_is_left_out_and_damages_no_other(tmp_path: Path) -> None:
    """A last line without a line feed is no line, and the next one does not continue it."""
    journal = Journal(str(tmp_path / "journal"))
    journal.append([b"one"])
    with open(journal.path, "ab") as file:
        file.write(b"tw")
    assert lines(journal) == [b"one\n"]
    journal.append([b"three"])
    assert lines(journal) == [b"one\n", b"tw\n", b"three\n"]


def test_a_reader_keeps_the_file_it_opened(tmp_path: Path) -> None:
    """Who has the file open reads the same lines while another compacts it."""
    journal = Journal(str(tmp_path / "journal"))
    journal.append([b"one", b"two", b"three"])
    os.chmod(journal.path, 0o640)
    with journal.open() as file:
        assert file is not None
        journal.compact(lambda inner: [position for position, line in complete_lines(inner) if line != b"two\n"])
        assert [position for position, _ in complete_lines(file)] == [0, 4, 8]
    assert lines(journal) == [b"one\n", b"three\n"]
    assert os.stat(journal.path).st_mode & 0o777 == 0o640


def test_nothing_to_read(tmp_path: Path) -> None:
    """A journal without a line has no file."""
    with Journal(str(tmp_path / "journal")).open() as file:
        assert file is None
    assert everything(tmp_path) == []


def test_errors_of_the_system(tmp_path: Path) -> None:
    """What the system refuses is an error of ours that names the file, and leaves the file as it was."""
    (tmp_path / "folder").mkdir()
    for name in ("folder", "none/journal"):
        with pytest.raises(WriteError, match=name):
            Journal(str(tmp_path / name)).append([b"x"])
    with pytest.raises(ReadError, match="folder"), Journal(str(tmp_path / "folder")).open():
        pass
    journal = Journal(str(tmp_path / "journal"))
    journal.append([b"one"])

    def fail(_: BinaryIO) -> list[int]:
        raise OSError(28, "No space left on device")

    with pytest.raises(WriteError, match="No space left"):
        journal.compact(fail)
    assert lines(journal) == [b"one\n"]
    assert everything(tmp_path) == ["journal"]


def test_a_file_that_is_removed_before_it_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines are not appended to what nobody can find any more: a new file has them."""
    journal = Journal(str(tmp_path / "journal"))
    journal.append([b"one"])
    monkeypatch.setattr(fcntl, "flock", lambda *_: (tmp_path / "journal").unlink() if lines(journal) else None)
    journal.append([b"two"])
    assert lines(journal) == [b"two\n"]
