"""Sink: the output appears whole or not at all, whatever fails and whatever it is."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import random
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from exportstream.cli.process import exit_code
from exportstream.errors import CutInputError, UsageError, WriteError
from exportstream.storage.compress import Frame, frames
from exportstream.storage.sink import Sink, open_sink
from exportstream.storage.source import open_source
from tests.kit.files import DATA, names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SAMPLE = (DATA / "session.json").read_bytes()
NOISE = random.Random(1).randbytes(700_000)
KINDS = ["zstd", "gzip", "none"]


def unpack(data: bytes) -> bytes:
    with open_source(data) as source:
        return b"".join(iter(lambda: source.read(1 << 20), b""))


def write_and_raise(sink: Sink, error: BaseException, times: int = 1) -> None:
    with sink:
        for _ in range(times):
            sink.write(NOISE)
        raise error


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", [b"", SAMPLE, NOISE], ids=["empty", "small", "large"])
def test_what_is_written_reads_back(tmp_path: Path, kind: str, data: bytes) -> None:
    """Every compression gives a file that reads back equal, also when nothing was written, and counts both sides."""
    path = tmp_path / "out"
    with open_sink(path, compression=kind) as sink:
        for at in range(0, len(data), 50_000):
            sink.write(data[at : at + 50_000])
        assert not path.exists()
    assert unpack(path.read_bytes()) == data
    assert (sink.name, sink.bytes_in, sink.bytes_out) == (str(path), len(data), path.stat().st_size)
    assert names(tmp_path) == ["out"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS), st.lists(st.integers(0, 150_000), max_size=12))
def test_any_split_into_writes_reads_back(kind: str, sizes: list[int]) -> None:
    """How the data is split into writes changes nothing of what is read back."""
    file = io.BytesIO()
    with open_sink(file, compression=kind) as sink:
        for size in sizes:
            sink.write(NOISE[:size])
    assert unpack(file.getvalue()) == b"".join(NOISE[:size] for size in sizes)


@pytest.mark.parametrize("kind", ["zstd", "gzip"])
def test_frames_from_elsewhere_come_first_where_nothing_came_before(tmp_path: Path, kind: str) -> None:
    """What is given whole stands alone, without an empty frame, or where it was given between other bytes."""
    begin = frames(kind, None)
    assert begin is not None
    frame = begin()
    data = frame.compress(b"rows\n") + frame.flush()
    with open_sink(tmp_path / "out", compression=kind) as sink:
        sink.write_compressed(data, 5)
    assert (tmp_path / "out").read_bytes() == data
    with open_sink(tmp_path / "mixed", compression=kind) as sink:
        sink.write(b"head\n")
        sink.write_compressed(data, 5)
        sink.write(b"tail\n")
    assert unpack((tmp_path / "mixed").read_bytes()) == b"head\nrows\ntail\n"
    assert sink.bytes_in == 15


@pytest.mark.parametrize("level", [None, 1, 9, 10, 22, -7])
def test_zstd_levels(level: int | None) -> None:
    """Every level gives a frame with a checksum, and none needs a window above 8 MiB to be read."""
    file = io.BytesIO()
    with open_sink(file, level=level) as sink:
        sink.write(SAMPLE * 10)
    frame = zstandard.get_frame_parameters(file.getvalue())
    assert frame.has_checksum
    assert frame.window_size <= 8 << 20
    assert unpack(file.getvalue()) == SAMPLE * 10


@pytest.mark.parametrize("level", [None, 1, 9])
def test_gzip_levels(level: int | None) -> None:
    """Every level gives one member that the standard library reads."""
    file = io.BytesIO()
    with open_sink(file, compression="gzip", level=level) as sink:
        sink.write(SAMPLE)
    assert gzip.decompress(file.getvalue()) == SAMPLE


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_data_gives_the_same_file(kind: str) -> None:
    """No time or chance goes into the output."""
    outputs = set()
    for _ in range(3):
        file = io.BytesIO()
        with open_sink(file, compression=kind) as sink:
            for at in range(0, len(NOISE), 90_000):
                sink.write(NOISE[at : at + 90_000])
        outputs.add(file.getvalue())
    assert len(outputs) == 1


@pytest.mark.parametrize(
    ("kind", "level"), [("zstd", 0), ("zstd", 23), ("zstd", -8), ("gzip", 0), ("gzip", 10), ("gzip", -1)]
)
def test_unknown_levels_are_refused(tmp_path: Path, kind: str, level: int) -> None:
    """A level that a compression does not have is a mistake in the call, noticed before a file is made."""
    with pytest.raises(UsageError, match=f"expected .*level.* for {kind}, got {level}"):
        open_sink(tmp_path / "out", compression=kind, level=level)
    assert names(tmp_path) == []


def test_unknown_compressions_are_refused(tmp_path: Path) -> None:
    """Only the compressions that can be written are known."""
    with pytest.raises(UsageError, match="got 'xz'"):
        open_sink(tmp_path / "out", compression="xz")


@pytest.mark.parametrize("wrong", [5, None, b"name", io.StringIO()])
def test_what_is_no_target_is_a_type_error(wrong: object) -> None:
    """Numbers, bytes and text files are mistakes in the call."""
    with pytest.raises(TypeError, match="expected a path"):
        open_sink(wrong)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("kind", KINDS)
def test_any_exception_leaves_nothing(tmp_path: Path, kind: str, error: type[BaseException]) -> None:
    """Whatever ends the block, the temporary file goes and the old content stays."""
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with pytest.raises(error):
        write_and_raise(open_sink(path, compression=kind, force=True), error())
    assert names(tmp_path) == ["out"]
    assert path.read_bytes() == b"old"


def test_abort_and_commit_may_be_repeated(tmp_path: Path) -> None:
    """A second commit or abort does nothing, and abort after commit keeps the file."""
    sink = open_sink(tmp_path / "out")
    sink.commit()
    sink.commit()
    sink.abort()
    assert names(tmp_path) == ["out"]
    sink = open_sink(tmp_path / "other")
    sink.abort()
    sink.abort()
    assert names(tmp_path) == ["out"]
    with pytest.raises(WriteError, match="other: the output is aborted"):
        sink.commit()
    with pytest.raises(WriteError, match="aborted"):
        sink.write(b"")


def test_existing_output_is_refused_without_force(tmp_path: Path) -> None:
    """An output that exists is replaced only where that is asked for."""
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with pytest.raises(UsageError, match=re.escape(f"{path}: the output exists; force=True replaces it")):
        open_sink(path)
    assert path.read_bytes() == b"old"
    with open_sink(path, compression="none", force=True) as sink:
        sink.write(b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("name", [".", "new/", ""])
def test_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    """A folder is no output, with or without force."""
    for force in (True, False):
        with pytest.raises(UsageError, match="the output is a folder"):
            open_sink(f"{tmp_path}/{name}", force=force)
    assert names(tmp_path) == []


@pytest.mark.parametrize("how", ["same", "symlink", "hard link", "other spelling"])
def test_the_input_is_never_the_output(tmp_path: Path, how: str) -> None:
    """The input is not overwritten, under whatever name and even with force."""
    path = tmp_path / "in"
    path.write_bytes(SAMPLE)
    target = {"same": path, "other spelling": f"{tmp_path}/../{tmp_path.name}/in"}.get(how, tmp_path / "out")
    if how == "symlink":
        target.symlink_to(path)
    if how == "hard link":
        target.hardlink_to(path)
    for force in (True, False):
        with pytest.raises(UsageError, match="the output is the input"):
            open_sink(target, force=force, source_path=str(path))
    assert path.read_bytes() == SAMPLE


def test_an_input_that_is_gone_is_no_hindrance(tmp_path: Path) -> None:
    """Only a file that is there can be the output."""
    with open_sink(tmp_path / "out", source_path=str(tmp_path / "none")) as sink:
        sink.write(SAMPLE)
    with open_sink(tmp_path / "out", force=True, source_path=str(tmp_path / "none")) as sink:
        sink.write(SAMPLE)
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("dangling", [True, False])
def test_of_a_symlink_the_target_is_replaced(tmp_path: Path, dangling: bool) -> None:
    """The link stays a link; its target gets the content, or is created; the temporary file is beside the target."""
    there = tmp_path / "there"
    there.mkdir()
    link = tmp_path / "link"
    link.symlink_to(Path("there") / "file")
    if not dangling:
        (there / "file").write_bytes(b"old")
        with pytest.raises(UsageError, match="exists"):
            open_sink(link)
    with open_sink(link, compression="none", force=not dangling) as sink:
        sink.write(b"new")
        assert names(tmp_path) == ["link", "there"]
        assert len(names(there)) == (1 if dangling else 2)
    assert link.is_symlink()
    assert (there / "file").read_bytes() == b"new"
    assert names(there) == ["file"]


def test_a_link_to_itself_is_a_write_error(tmp_path: Path) -> None:
    """What the system can't resolve is reported in its words."""
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(WriteError, match="Too many levels"):
        open_sink(tmp_path / "link")


def test_a_fifo_is_written_directly(tmp_path: Path) -> None:
    """A FIFO stays a FIFO, and its reader gets everything."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    with open_sink(path) as sink:
        sink.write(NOISE)
    reader.join()
    assert unpack(got[0]) == NOISE
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert names(tmp_path) == ["fifo"]


def test_a_broken_pipe_goes_through(tmp_path: Path) -> None:
    """A reader that goes away is not a failure of the system: its exception is not translated."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: path.open("rb").close())
    reader.start()
    sink = open_sink(path, compression="none")
    reader.join()
    with pytest.raises(BrokenPipeError), sink:
        sink.write(NOISE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_device_is_a_write_error(kind: str) -> None:
    """ENOSPC keeps the system's words and is exit code 4, also when it shows only at the end."""
    for data in (NOISE, b"x"):
        with pytest.raises(WriteError, match="/dev/full: No space left on device") as caught, open_sink("/dev/full", compression=kind) as sink:  # fmt: skip
            sink.write(data)
        assert exit_code(caught.value) == 4
        assert caught.value.__cause__.errno == errno.ENOSPC
    assert Path("/dev/full").is_char_device()


def test_a_device_that_can_not_sync_is_fine() -> None:
    """/dev/null has no disk behind it, and is not replaced."""
    with open_sink("/dev/null") as sink:
        sink.write(NOISE)
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_usual_permissions(tmp_path: Path, mask: int) -> None:
    """A new file gets 0666 without what the umask takes away."""
    before = os.umask(mask)
    try:
        with open_sink(tmp_path / "out"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666, 0o444, 0o755])
def test_a_replaced_file_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    """The new content is as open or as closed as the old was, already while it is written."""
    path = tmp_path / "out"
    path.write_bytes(b"old")
    path.chmod(mode)
    with open_sink(path, force=True):
        (temporary,) = set(names(tmp_path)) - {"out"}
        assert stat.S_IMODE((tmp_path / temporary).stat().st_mode) == mode
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_replaced_file_keeps_its_owner(tmp_path: Path) -> None:
    """Root does not take the file of somebody else."""
    path = tmp_path / "out"
    path.write_bytes(b"old")
    os.chown(path, 1234, 1235)
    with open_sink(path, force=True):
        pass
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "x" + "é" * 127, "日" * 85])
def test_names_as_long_as_they_can_be(tmp_path: Path, name: str) -> None:
    """The temporary name fits where the name itself does."""
    with open_sink(tmp_path / name) as sink:
        (temporary,) = names(tmp_path)
        assert temporary.startswith(".")
        assert temporary.endswith(".part")
        sink.write(SAMPLE)
    assert names(tmp_path) == [name]


def test_a_relative_name_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare name works, and the file lands where it was opened even if the current folder changes."""
    monkeypatch.chdir(tmp_path)
    sink = open_sink("out")
    monkeypatch.chdir("/")
    sink.commit()
    assert (sink.name, names(tmp_path)) == ("out", ["out"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("none/out", "its folder does not exist; make the folder first"),
        ("file/out", "Not a directory"),
        ("x" * 256, "too long"),
    ],
)
def test_what_can_not_be_created_is_a_write_error(tmp_path: Path, name: str, text: str) -> None:
    """The system's words are kept, with its own error as the cause."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match=text) as caught:
        open_sink(tmp_path / name)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.source == str(tmp_path / name)


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Without force somebody else's file stays, on file systems with and without hard links."""
    if not links:
        monkeypatch.setattr(os, "link", failing(os.link, 1, errno.EPERM))
    path = tmp_path / "out"
    sink = open_sink(path)
    sink.write(SAMPLE)
    path.write_bytes(b"theirs")
    with pytest.raises(UsageError, match="the output exists"):
        sink.commit()
    assert path.read_bytes() == b"theirs"
    assert names(tmp_path) == ["out"]


def test_file_systems_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where files have one name only, the output is renamed."""
    monkeypatch.setattr(os, "link", failing(os.link, None, errno.EPERM))
    for force in (False, True):
        with open_sink(tmp_path / "out", force=force) as sink:
            sink.write(SAMPLE)
        assert unpack((tmp_path / "out").read_bytes()) == SAMPLE
    assert names(tmp_path) == ["out"]


def failing(call: Callable[..., object], turn: int | None, code: int = errno.EIO) -> Callable[..., object]:
    """Wrap `call` so that its n-th call (every one, for None) fails; `calls` counts."""

    def wrapped(*args: object, **options: object) -> object:
        wrapped.calls += 1
        if turn is None or wrapped.calls == turn:
            raise OSError(code, os.strerror(code))
        return call(*args, **options)

    wrapped.calls = 0
    return wrapped


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("old", [b"old", None])
@pytest.mark.parametrize("name", ["write", "fsync", "replace", "link", "close", "fchmod", "open"])
def test_the_nth_call_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, old: bytes | None, name: str
) -> None:
    """Whichever call of the system fails: a write error, no temporary file, and the old content (or nothing) in place.

    A link that fails while a file is replaced costs only the way back, so there the output is complete instead; so it is where
    giving up the lock fails, after the file's own descriptor and that of the folder.
    """
    path = tmp_path / "out"
    if old is not None:
        path.write_bytes(old)
        path.chmod(0o640)
    real = getattr(os, name)
    for turn in range(1, 50):
        call = failing(real, turn)
        with monkeypatch.context() as patch:
            patch.setattr(os, name, call)
            try:
                with open_sink(path, compression=kind, force=old is not None) as sink:
                    for at in range(0, 300_000, 30_000):
                        sink.write(NOISE[at : at + 30_000])
            except WriteError as error:
                assert error.what == "Input/output error"  # noqa: PT017
                assert error.source == str(path)  # noqa: PT017
            else:
                assert call.calls < turn or (name, old) == ("link", b"old") or (name, turn) == ("close", 3)
                assert unpack(path.read_bytes()) == NOISE[:300_000]
                assert names(tmp_path) == ["out"]
                break
        assert names(tmp_path) == ([] if old is None else ["out"])
        if old is not None:
            assert path.read_bytes() == old
            assert stat.S_IMODE(path.stat().st_mode) == 0o640
    expected = {"write": 2, "fsync": 3, "close": 3, "open": 3}
    assert turn >= expected.get(name, 1)


def test_an_error_that_was_swallowed_is_not_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An output with a hole never gets its name, even if the caller went on after the error."""
    sink = open_sink(tmp_path / "out", compression="none")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", failing(os.write, 1))
        with pytest.raises(WriteError, match="Input/output error"):
            sink.write(NOISE)
    with pytest.raises(WriteError, match="aborted"), sink:
        pass
    assert names(tmp_path) == []


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that takes only a part is continued until everything is written."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:1000])))
    with open_sink(tmp_path / "out") as sink:
        sink.write(NOISE)
    assert unpack((tmp_path / "out").read_bytes()) == NOISE


class Slow(io.RawIOBase):
    """Takes at most 1,000 bytes at once, or none."""

    def __init__(self, count: int | None = 1000) -> None:
        self.count = count
        self.got = b""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int | None:
        self.got += bytes(data[: self.count or 0])
        return self.count if self.count is None else min(self.count, len(data))


def test_short_writes_of_a_file_object_are_continued() -> None:
    """The same holds for a raw file object; one that takes nothing is an error, not a loop."""
    file = Slow()
    with open_sink(file) as sink:
        sink.write(NOISE)
    assert unpack(file.got) == NOISE
    for count in (0, None):
        with pytest.raises(WriteError, match="temporarily unavailable"), open_sink(Slow(count)) as sink:
            sink.write(NOISE)


def test_a_file_object_is_written_directly_and_stays_open(tmp_path: Path) -> None:
    """A file object is the caller's: it is flushed but not closed."""
    with (tmp_path / "out").open("wb") as file:
        with open_sink(file) as sink:
            sink.write(SAMPLE)
        assert sink.name == str(tmp_path / "out")
        assert unpack((tmp_path / "out").read_bytes()) == SAMPLE
        assert not file.closed


@pytest.mark.parametrize("kind", ["zstd", "gzip"])
def test_a_given_up_direct_output_is_unfinished(kind: str) -> None:
    """What can't be removed is left without its end, so that whoever reads it sees that it is cut."""
    file = io.BytesIO()
    with pytest.raises(ValueError, match="stop"):
        write_and_raise(open_sink(file, compression=kind), ValueError("stop"), times=12)
    assert len(file.getvalue()) > 0
    with pytest.raises(CutInputError):
        unpack(file.getvalue())


def test_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """``-`` is standard output, and one that is closed is an error."""
    file = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(file))
    with open_sink("-") as sink:
        sink.write(SAMPLE)
    assert sink.name == "<stdout>"
    assert unpack(file.getvalue()) == SAMPLE
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(WriteError, match="standard output is closed"):
        open_sink("-")


WRITER = """
import sys
from exportstream.errors import WriteError
from exportstream.storage.sink import open_sink
try:
    with open_sink("-", compression="none") as sink:
        for _ in range(int(sys.argv[1])):
            sink.write(bytes(100_000))
except BrokenPipeError:
    sys.stderr.write("broken pipe")
    sys.stderr.flush()
    sys.stdout = None
    import os
    os._exit(0)
except WriteError as error:
    sys.stderr.write(str(error))
    sys.stderr.flush()
    os = __import__("os")
    os._exit(4)
"""


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("{} 20 | head -c 10 | wc -c", "broken pipe"),
        ("{} 2 > /dev/full", "<stdout>: No space left on device"),
        ("{} 2 >&-", "<stdout>: standard output is closed"),
        ("{} 2 > /dev/null", ""),
        ("{} 2 > file", ""),
    ],
)
def test_real_standard_output(tmp_path: Path, shell: str, said: str) -> None:
    """In a process of its own: a reader that stops early, a full disk, none at all, a device, and a file."""
    (tmp_path / "writer.py").write_text(WRITER)
    command = shell.format(f"{sys.executable} writer.py")
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S602
    assert done.stderr == said


def test_compression_errors_on_the_thread_reach_the_caller(tmp_path: Path) -> None:
    """What fails on gzip's own thread is raised in the caller, and nothing is left."""

    class Failing:
        def compress(self, data: bytes) -> bytes:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    sink = open_sink(tmp_path / "out", compression="gzip")
    sink._frame = Failing()
    with pytest.raises(WriteError, match="Cannot allocate memory"), sink:
        sink.write(NOISE)
    assert names(tmp_path) == []


@pytest.fixture
def threads() -> Iterator[None]:
    """Look that no thread is left behind."""
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.usefixtures("threads")
def test_the_thread_ends_with_the_output() -> None:
    """Neither a finished nor an aborted output leaves its thread."""

    def abort(sink: Sink) -> None:
        sink.write(NOISE)
        sink.abort()

    abort(open_sink(io.BytesIO(), compression="gzip"))
    with open_sink(io.BytesIO(), compression="gzip") as sink:
        sink.write(NOISE)


def test_nothing_is_left_open(tmp_path: Path) -> None:
    """Every descriptor is closed, whether the output was finished or aborted."""
    before = names(Path("/proc/self/fd"))
    for kind in KINDS:
        open_sink(tmp_path / "out", compression=kind, force=True).abort()
        open_sink(tmp_path / "out", compression=kind, force=True).commit()
        open_sink("/dev/null", compression=kind).abort()
    assert names(Path("/proc/self/fd")) == before


@pytest.mark.parametrize("kind", ["zstd", "gzip", "none"])
def test_digest_of_what_is_stored(tmp_path: Path, kind: str) -> None:
    """On request a sink knows the SHA-256 of the bytes that it wrote, compressed."""
    with open_sink(tmp_path / "out", compression=kind, digest=True) as sink:
        for number in range(50_000):
            sink.write(b"%d\n" % number)
    assert sink.sha256 == hashlib.sha256((tmp_path / "out").read_bytes()).hexdigest()
    with open_sink(tmp_path / "other") as sink:
        pass
    assert sink.sha256 is None


@pytest.mark.parametrize("level", [1, 3, 9])
def test_compressors_that_are_used_again(level: int) -> None:
    """Frames come out the same whether their compressor is new, made others before, was given up, or has others beside it."""
    texts = [b"a" * 5, b"", bytes(range(256)) * 900, b"{}\n" * 5_000]
    new = frames("zstd", level)
    assert new is not None
    first = [_whole(new(), text) for text in texts]
    assert [zstandard.decompress(data, max_output_size=1 << 20) for data in first] == texts
    new().compress(texts[2])  # and never ended
    assert [_whole(new(), text) for text in texts] == first
    beside = [(new(), text) for text in texts * 2]
    begun = [frame.compress(text) for frame, text in beside]
    assert [data + frame.flush() for data, (frame, _) in zip(begun, beside, strict=True)] == first * 2


def _whole(frame: Frame, text: bytes) -> bytes:
    return frame.compress(text) + frame.flush()
