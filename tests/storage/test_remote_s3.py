"""Remote: a real S3 protocol, spoken with moto's server in a process of its own. Runs where s3fs and moto are installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from exportstream import convert, iter_messages
from exportstream.errors import ReadError, UsageError, WriteError
from exportstream.storage.remote.listing import exists, list_urls, modified
from exportstream.storage.sink import open_sink
from exportstream.storage.source import open_source
from tests.kit.files import DATA

s3fs = pytest.importorskip("s3fs")
pytest.importorskip("moto.server")

SAMPLE = (DATA / "session.json").read_bytes()
BIG = os.urandom(1 << 20) * 17  # two parts of an upload, three of a read-ahead
SERVER = "import moto.server; moto.server.main(['-p', '0', '-H', '127.0.0.1'])"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", SERVER], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        lines = (line.decode() for line in process.stderr)
        found = next(match[0] for line in lines if (match := re.search(r"http://127\.0\.0\.1:\d+", line)))
        yield found
        process.kill()


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket named bucket."""
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem()
    system.mkdir("bucket")
    yield system
    for upload in uploads(system):
        system.call_s3("abort_multipart_upload", Bucket="bucket", Key=upload["Key"], UploadId=upload["UploadId"])
    system.rm("bucket", recursive=True)


def names(system: Any) -> list[str]:
    system.invalidate_cache()
    return sorted(system.find("bucket"))


def uploads(system: Any) -> list[dict[str, str]]:
    """Uploads that were begun and neither completed nor aborted."""
    found: list[dict[str, str]] = system.call_s3("list_multipart_uploads", Bucket="bucket").get("Uploads", [])
    return found


@pytest.mark.parametrize("size", [0, 1, len(BIG)])
def test_an_object_appears_whole(s3: Any, size: int) -> None:
    """Of any number of parts: nothing under the name before the commit, everything after it, no upload left."""
    with open_sink("s3://bucket/a/x", compression="none") as sink:
        for start in range(0, size, 1 << 20):
            sink.write(BIG[start : min(start + (1 << 20), size)])
            assert names(s3) == []
    assert names(s3) == ["bucket/a/x"]
    assert uploads(s3) == []
    with open_source("s3://bucket/a/x") as source:
        assert source.bytes_total == size
        assert b"".join(iter(lambda: source.read(1 << 20), b"")) == BIG[:size]
        with source.reopen() as second:
            assert second.read(10) == BIG[: min(size, 10)]


@pytest.mark.parametrize("size", [1, len(BIG)])
@pytest.mark.parametrize("old", [None, b"old"])
def test_what_is_given_up_leaves_nothing(s3: Any, size: int, old: bytes | None) -> None:
    """The parts are removed, and the old content stays."""
    if old is not None:
        s3.pipe("bucket/x", old)

    def give_up() -> None:
        with open_sink("s3://bucket/x", compression="none", force=True) as sink:
            sink.write(BIG[:size])
            assert len(uploads(s3)) == (size == len(BIG))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        give_up()
    assert uploads(s3) == []
    assert names(s3) == ([] if old is None else ["bucket/x"])
    assert old is None or s3.cat("bucket/x") == old


def test_an_upload_that_fails_is_an_error_and_leaves_nothing(s3: Any) -> None:
    """Exit 4, when a part is refused or when the bucket does not exist."""
    sink = open_sink("s3://bucket/x", compression="none")
    sink.write(BIG)
    (upload,) = uploads(s3)
    s3.call_s3("abort_multipart_upload", Bucket="bucket", Key="x", UploadId=upload["UploadId"])
    with pytest.raises(WriteError, match=r"^s3://bucket/x: Internal Server Error; check .* try again$"):
        sink.commit()
    assert (names(s3), uploads(s3)) == ([], [])
    with pytest.raises(WriteError, match=r"^s3://nobody/x.csv: The specified bucket does not exist; check the address$"):
        convert(SAMPLE, "s3://nobody/x.csv")


def test_an_export_goes_through_a_bucket(s3: Any) -> None:
    """Converted into it, listed, read back from it, and refused when it exists."""
    s3.pipe("bucket/in/session.json", SAMPLE)
    convert("s3://bucket/in/session.json", "s3://bucket/out/session.ndjson.zst")
    assert list(list_urls("s3://bucket/")) == [
        (f"s3://bucket/{name}", name) for name in ("in/session.json", "out/session.ndjson.zst")
    ]
    assert list(list_urls("s3://bucket/i*/*.json")) == [("s3://bucket/in/session.json", "in/session.json")]
    assert len(list(iter_messages("s3://bucket/in/session.json"))) > 1
    assert (exists("s3://bucket/in/session.json"), exists("s3://bucket/none")) == (True, False)
    assert modified("s3://bucket/in/session.json").tzinfo is not None
    with pytest.raises(UsageError, match="the output exists; force=True replaces it"):
        convert("s3://bucket/in/session.json", "s3://bucket/out/session.ndjson.zst")
    with pytest.raises(UsageError, match="the output is a folder"):
        convert("s3://bucket/in/session.json", "s3://bucket/out", format="csv")
    with pytest.raises(ReadError, match=r"^s3://bucket/none: there is nothing of that name; check the address$"):
        open_source("s3://bucket/none")
    with pytest.raises(ReadError, match=r"^s3://nobody/: The specified bucket does not exist"):
        list(list_urls("s3://nobody/"))


def test_an_object_that_is_replaced_while_it_is_read(s3: Any) -> None:
    """The second half of another object is never read, and the error says why."""
    s3.pipe("bucket/x", BIG)
    with open_source("s3://bucket/x") as source:
        begin = source.read(10)
        s3.pipe("bucket/x", BIG[::-1])
        with pytest.raises(ReadError, match=r"^s3://bucket/x: the file changed while it was read .*; convert it when"):
            list(iter(lambda: source.read(1 << 20), b""))
    assert begin == BIG[:10]
