"""Remote: URLs as inputs and outputs, against a real web server, fsspec's memory and, where it is installed, S3."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest
import zstandard

from exportstream import convert, convert_many, iter_messages, open_export
from exportstream.cli.process import exit_code
from exportstream.conversion.inputs import find_inputs
from exportstream.errors import (
    CompressionError,
    CutInputError,
    MissingExtraError,
    NotAnExportError,
    ReadError,
    UsageError,
    WriteError,
    shown,
)
from exportstream.storage.remote import urls as backends
from exportstream.storage.remote.listing import exists, is_pattern, list_urls, modified
from exportstream.storage.remote.upload import open_output
from exportstream.storage.remote.urls import has_scheme, local_path
from exportstream.storage.sink import open_sink
from exportstream.storage.source import open_source
from tests.kit.documents import dump, message, session
from tests.kit.files import DATA, unpack, zipped

SAMPLE = (DATA / "session.json").read_bytes()
SAMPLE_ROWS = b"".join(json.dumps(m.id).encode() + b"\n" for m in iter_messages(SAMPLE))
LARGE = dump(session(*[message(number, content="x" * 900) for number in range(1000)]))
DATED = "Wed, 21 Oct 2015 07:28:00 GMT"


class Handler(BaseHTTPRequestHandler):
    """Answers /BODY?how: how says what kind of server it is, or how it fails."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.server.seen.append(f"HEAD {self.path}")
        self.send_error(405)

    def do_GET(self) -> None:
        self.server.seen.append(f"GET {self.path} {self.headers.get('Range', '')}".strip())
        name, _, how = self.path[1:].partition("?")
        body = self.server.bodies[name]
        if how.isdecimal():
            self.send_error(int(how)) if int(how) >= 400 else self.answer(b"", status=int(how))
        elif how == "redirect":
            self.send_response(302)
            self.send_header("Location", f"/{name}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif how == "loop":
            self.answer(b"", status=302, Location=self.path)
        elif how == "range":
            start, end = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "bytes=0-")).groups()
            body = body[int(start) : int(end) + 1 if end else None]
            if "Range" in self.headers:
                self.answer(body, status=206, **{"Content-Range": f"bytes {start}-{end}/*", "Accept-Ranges": "bytes"})
            else:
                self.answer(body, **{"Accept-Ranges": "bytes"})
        elif how in ("chunked", "chunked-cut"):
            self.head(**{"Transfer-Encoding": "chunked"})
            for start in range(0, len(body), 5000):
                if how == "chunked-cut" and start > len(body) // 2:
                    self.close_connection = True
                    return
                part = body[start : start + 5000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        elif how == "cut":
            self.head(**{"Content-Length": str(len(body))})
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif how == "stall":
            self.head(**{"Content-Length": str(len(body))})
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.server.ended.wait(20)
            self.close_connection = True
        elif how == "slow":
            self.head(**{"Content-Length": str(len(body))})
            for start in range(0, len(body), len(body) // 10):
                self.wfile.write(body[start : start + len(body) // 10])
                self.wfile.flush()
                time.sleep(0.05)
        elif how == "unsized":
            self.head(Connection="close")
            self.wfile.write(body)
            self.close_connection = True
        elif how.startswith("encoded-"):
            self.answer(body, **{"Content-Encoding": how.partition("-")[2]})
        elif how == "changing":
            self.answer(body, ETag=f'"{len(self.server.seen)}"')
        elif how == "secret":
            self.answer(body if self.headers.get("Authorization") == "Bearer t" else b"", status=200)
        else:
            self.answer(body, ETag='"one"', **{"Last-Modified": DATED})

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.head(status, **{"Content-Length": str(len(body))}, **headers)
        self.wfile.write(body)

    def head(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


class Server(ThreadingHTTPServer):
    """A web server with some files; `seen` are the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: dict[str, bytes] = {"session.json": SAMPLE, "large.json": LARGE}
        self.seen: list[str] = []
        self.ended = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the tests."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.ended.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def memory() -> Iterator[Any]:
    """The store in memory of fsspec, empty."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def drain(url: str, size: int = 1 << 16) -> bytes:
    with open_source(url) as source:
        return b"".join(iter(lambda: source.read(size), b""))


def same_rows(url: str) -> bool:
    return b"".join(json.dumps(m.id).encode() + b"\n" for m in iter_messages(url)) == SAMPLE_ROWS


# --- names ---


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("s3://b/k", True),
        ("HTTPS://h/x", True),
        ("git+ssh://h/x", True),
        ("file:///x", True),
        ("C://x", False),
        ("./s3://b/k", False),
        ("a/b://c", False),
        ("-", False),
        ("session.json", False),
        ("://x", False),
    ],
)
def test_a_scheme_of_two_letters_makes_a_url(text: str, url: bool) -> None:
    """scheme:// makes a URL, a drive letter does not, and ./ makes a path of anything."""
    assert has_scheme(text) is url


def test_a_path_may_look_like_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """./ in front of it opens the file s3:/x, and writes it as well."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:").mkdir()
    (tmp_path / "s3:" / "x.json").write_bytes(SAMPLE)
    assert drain("./s3://x.json") == SAMPLE
    convert("./s3://x.json", "./s3://out.ndjson")
    assert (tmp_path / "s3:" / "out.ndjson").read_bytes().count(b"\n") == SAMPLE_ROWS.count(b"\n")


@pytest.mark.parametrize(
    ("url", "pattern"),
    [
        ("s3://b/*.json", True),
        ("s3://b/a/", True),
        ("s3://b/a?.json", True),
        ("s3://b/a.json", False),
        ("https://h/a.json?x=*", False),
        ("https://h/export/", False),
        ("zip://*.json::s3://b/a.zip", True),
        ("zip://a.json::s3://b/*", False),
    ],
)
def test_what_is_a_pattern(url: str, pattern: bool) -> None:
    """*, ?, [ and a slash at the end stand for several, but not in a web address."""
    assert is_pattern(url) is pattern


# --- web: what works ---


@pytest.mark.parametrize("how", ["", "range", "chunked", "redirect", "unsized", "slow", "encoded-identity"])
def test_every_kind_of_server_gives_the_same_bytes(server: Server, how: str) -> None:
    """With or without ranges, lengths, chunks or redirects: one request, no HEAD, the same bytes."""
    url = f"{server.url}/large.json?{how}"
    with open_source(url) as source:
        assert source.name == url
        assert source.bytes_total == (None if how in ("chunked", "unsized") else len(LARGE))
        assert b"".join(iter(lambda: source.read(100_000), b"")) == LARGE
        assert (source.bytes_read, source.position, source.compression) == (len(LARGE), len(LARGE), "none")
    assert [seen.split("?")[0] for seen in server.seen] == ["GET /large.json"] * (2 if how == "redirect" else 1)


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.parametrize("how", ["", "chunked", "encoded"])
def test_compressed_bodies_are_decompressed_here(server: Server, kind: str, how: str) -> None:
    """A compressed file, or a server that compresses although nobody asked: counted as stored, decompressed once."""
    stored = gzip.compress(LARGE) + gzip.compress(b" ") if kind == "gzip" else zstandard.compress(LARGE + b" ")
    server.bodies["x"] = stored
    with open_source(f"{server.url}/x?{how and (how + '-' + kind if how == 'encoded' else how)}") as source:
        assert b"".join(iter(lambda: source.read(1 << 16), b"")) == LARGE + b" "
        assert (source.compression, source.bytes_read) == (kind, len(stored))


def test_messages_come_out_of_a_url(server: Server, tmp_path: Path) -> None:
    """iter_messages and convert take a URL; the output is that of the file itself."""
    assert same_rows(f"{server.url}/session.json")
    convert(f"{server.url}/large.json", tmp_path / "a.csv")
    convert(LARGE, tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_a_session_whose_id_comes_last_is_read_twice(server: Server) -> None:
    """The server is asked once more for the id, and both readings see the same."""
    doc = json.loads(SAMPLE)
    server.bodies["late"] = dump({"messages": doc.pop("messages"), **doc})
    with open_export(f"{server.url}/late") as export:
        rows = [row for batch in export.batches() for row in batch.messages]
        assert export.session.id == doc["id"]
    assert len(rows) == SAMPLE_ROWS.count(b"\n")
    with open_source(f"{server.url}/late") as source:
        assert source.reopenable
        source.read(10)
        with source.reopen() as second:
            assert second.read(1 << 20) == server.bodies["late"]


def test_a_url_that_changed_is_not_read_twice(server: Server) -> None:
    """Another ETag, or another length, is another file."""
    with open_source(f"{server.url}/session.json?changing") as source, pytest.raises(ReadError, match="the file changed"):
        source.reopen()
    with open_source(f"{server.url}/session.json") as source:
        server.bodies["session.json"] += b" "
        with pytest.raises(ReadError, match="the file changed while it was read"):
            source.reopen()


def test_what_the_user_configured_is_sent(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration of fsspec gives headers, for a token; ours are added to them."""
    monkeypatch.setitem(fsspec.config.conf, "http", {"client_kwargs": {"headers": {"Authorization": "Bearer t"}}})
    assert drain(f"{server.url}/session.json?secret") == SAMPLE


def test_when_and_whether(server: Server, memory: Any, tmp_path: Path) -> None:
    """Exists and modified, for every kind of URL."""
    assert exists(f"{server.url}/session.json")
    assert not exists(f"{server.url}/session.json?404")
    with pytest.raises(ReadError, match="the server answers 503"):
        exists(f"{server.url}/session.json?503")
    assert modified(f"{server.url}/session.json") == datetime(2015, 10, 21, 7, 28, tzinfo=UTC)
    assert modified(f"{server.url}/session.json?range") is None
    memory.pipe("/b/x", b"1")
    assert (exists("memory://b/x"), exists("memory://b"), exists("memory://b/y")) == (True, True, False)
    assert datetime.now(UTC) - modified("memory://b/x") < timedelta(minutes=1)
    assert modified("memory://b/y") is None
    path = tmp_path / "x"
    path.write_bytes(b"1")
    assert exists(f"file://{path}")
    assert not exists(f"file://{path}y")
    assert modified(f"file://{path}").timestamp() == pytest.approx(path.stat().st_mtime)


# --- web: what fails ---


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("404", "the server answers 404 Not Found; check the address"),
        ("403", "the server answers 403 Forbidden; check the address and the credentials"),
        ("500", "the server answers 500 Internal Server Error; try again later"),
        ("429", "the server answers 429 Too Many Requests; try again later"),
        ("410", "the server answers 410 Gone; check the address"),
        ("204", "the server answers 204 No Content; check the address"),
        ("encoded-br", "the server sends it encoded as br; download it first, with a program that decodes br"),
        ("loop", "the server redirects too often; check the address"),
    ],
)
def test_an_answer_that_is_no_file(server: Server, how: str, text: str) -> None:
    """The error names the URL, what the server said and the next step."""
    url = f"{server.url}/session.json?{how}"
    with pytest.raises(ReadError, match=f"^{re.escape(url)}: {text}$"):
        open_source(url)


def test_no_server() -> None:
    """Where nobody listens, and where there is no such host, the reason is said; a password is not."""
    with pytest.raises(ReadError, match=r"^http://\*\*\*@127.0.0.1:9/x: can't connect: Connection refused; check the addr"):
        open_source("http://me:secret@127.0.0.1:9/x")
    with pytest.raises(ReadError, match=r"^http://host.invalid/x: .*; check the address and the network, then try again$"):
        open_source("http://host.invalid/x")


@pytest.mark.parametrize("how", ["cut", "chunked-cut"])
def test_a_body_that_is_cut_is_never_taken_for_a_whole_one(server: Server, how: str) -> None:
    """An interrupted body is a ReadError with the position, whether its length or its chunks tell; not even cut is kept."""
    url = f"{server.url}/large.json?{how}"
    with open_export(url, on_error="skip") as export, pytest.raises(ReadError) as caught:
        list(export)
    assert exit_code(caught.value) == 4
    assert 0 <= caught.value.position <= len(LARGE) // 2 + 5000
    what = r"the connection broke, [\d,]+( of [\d,]+)? bytes were read \(.*near byte [\d,]+\); try again"
    assert re.fullmatch(f"{re.escape(url)}: {what}", str(caught.value))


def test_ndjson_that_is_cut_between_lines_is_an_error(server: Server) -> None:
    """What would be a valid, shorter file is not taken for one."""
    server.bodies["x"] = (dump(session(message())) + b"\n") * 1000
    assert len(server.bodies["x"]) % 2000 == 0
    with pytest.raises(ReadError, match="the connection broke"):
        list(iter_messages(f"{server.url}/x?cut"))


@pytest.mark.parametrize("how", ["encoded-gzip", "chunked", ""])
def test_a_gzip_that_is_cut_is_seen(server: Server, how: str) -> None:
    """A stored file that was cut before, sent whole: aiohttp itself would hand out the first half as everything."""
    server.bodies["x"] = gzip.compress(os.urandom(1000).hex().encode())[:500]
    with pytest.raises(CutInputError, match="the compressed input is cut after 500 bytes"):
        drain(f"{server.url}/x?{how}")


def test_a_compressed_file_that_the_server_compresses_again_is_an_error(server: Server) -> None:
    """Two layers are said to be two, never handed out as they are."""
    server.bodies["x"] = gzip.compress(zstandard.compress(SAMPLE))
    with pytest.raises(CompressionError, match="it is compressed twice, zstd inside gzip"):
        drain(f"{server.url}/x?encoded-gzip")


def test_a_server_that_stops_sending_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence has an end; the whole has none, however long it takes."""
    monkeypatch.setattr(backends, "_PATIENCE", 1)
    with open_source(f"{server.url}/large.json?stall") as source:
        with pytest.raises(
            ReadError, match=r"the connection broke, [\d,]+ of [\d,]+ bytes were read: there is no answer .*; try again"
        ):
            list(iter(lambda: source.read(10_000), b""))
        assert source.position == len(LARGE) // 2
    monkeypatch.setattr(backends, "_PATIENCE", 0.3)
    assert drain(f"{server.url}/large.json?slow") == LARGE  # 0.5 seconds


def test_a_web_page_is_not_an_export(server: Server) -> None:
    """A page that says "log in" with status 200 is refused for what it is."""
    server.bodies["x"] = b'{"error": "log in"}'
    with pytest.raises(NotAnExportError):
        list(iter_messages(f"{server.url}/x"))


def test_the_web_is_not_written(server: Server) -> None:
    """A web address as output is refused before any request."""
    url = f"{server.url}/out.ndjson"
    with pytest.raises(
        UsageError, match=r"http:// can't take an output whole or not at all; write a file \(-o FILE\) and copy it"
    ):
        convert(SAMPLE, url)
    assert server.seen == []


@pytest.mark.parametrize("url", ["ftp://h/x", "sftp://h/x", "az://c/x", "zip://x::memory://z"])
def test_backends_that_show_halves_are_refused(url: str) -> None:
    """So is every backend whose files do not wait for a commit, and nothing is opened."""
    with pytest.raises(UsageError, match="can't take an output whole or not at all"):
        open_sink(url)


# --- schemes and libraries ---


def test_schemes() -> None:
    """A scheme nobody knows is refused with examples, one whose package is missing with what to install."""
    for call in (open_source, open_sink, exists, modified, lambda url: list(list_urls(url + "*"))):
        with pytest.raises(UsageError, match=r"the scheme foo:// is not known; use one such as https://, s3://.*\./"):
            call("foo://x/y")
    for call in (open_source, exists, modified):
        with pytest.raises(MissingExtraError, match=r"oss:// needs ossfs, which is not installed; pip install ossfs$"):
            call("oss://x/y")


MISSING = """
import sys
sys.modules[{missing!r}] = None
from exportstream.cli.commands import main
main(["convert", {url!r}, "-o", {output!r}])
"""


@pytest.mark.parametrize(
    ("missing", "url", "output", "text"),
    [
        (
            "fsspec",
            "https://h/x.json",
            "-",
            "a URL needs fsspec, which is not installed; pip install 'exportstream[remote]'",
        ),
        (
            "fsspec",
            str(DATA / "session.json"),
            "s3://b/x.csv",
            "a URL needs fsspec, which is not installed; pip install 'exportstream[remote]'",
        ),
        (
            "aiohttp",
            "https://h/x.json",
            "-",
            "https:// needs aiohttp, which is not installed; pip install 'exportstream[remote]'",
        ),
        ("s3fs", "s3://b/x.json", "-", "s3:// needs s3fs, which is not installed; pip install 'exportstream[remote]'"),
        (
            "gcsfs",
            str(DATA / "session.json"),
            "gs://b/x.csv",
            "gs:// needs gcsfs, which is not installed; pip install 'exportstream[remote]'",
        ),
    ],
)
def test_a_missing_library_is_one_line(missing: str, url: str, output: str, text: str) -> None:
    """Exit 2 and one line that says what to install."""
    done = subprocess.run(
        [sys.executable, "-c", MISSING.format(missing=missing, url=url, output=output)], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert text in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_nothing_is_imported_without_a_url(tmp_path: Path) -> None:
    """fsspec, aiohttp and asyncio stay out of a run with paths."""
    code = (
        "import sys, exportstream.cli.commands\n"
        f"exportstream.convert({str(DATA / 'session.json')!r}, {str(tmp_path / 'x.csv')!r})\n"
        "print(sorted({'fsspec', 'aiohttp', 'asyncio', 'exportstream.storage.remote.reader', 'exportstream.storage.remote.upload'} & sys.modules.keys()))"
    )
    assert subprocess.check_output([sys.executable, "-c", code]).strip() == b"[]"


# --- other inputs ---


def test_file_urls_name_paths(tmp_path: Path) -> None:
    """file:// is the path, letter by letter: read, written and protected like it."""
    path = tmp_path / "a b%20.json"
    path.write_bytes(SAMPLE)
    assert local_path(f"FILE://{path}") == str(path)
    with open_source(f"file://{path}") as source:
        assert (source.name, source.bytes_total, source.reopenable) == (str(path), len(SAMPLE), True)
    out = tmp_path / "out.ndjson.zst"
    convert(f"file://{path}", f"file://{out}")
    assert unpack(out.read_bytes()).count(b"\n") == SAMPLE_ROWS.count(b"\n")
    assert sorted(os.listdir(tmp_path)) == [path.name, out.name]
    with pytest.raises(UsageError, match="the output exists; force=True replaces it"):
        convert(f"file://{path}", f"file://{out}")
    with pytest.raises(UsageError, match="the output is the input"):
        open_sink(str(path), source_path=f"file://{path}", force=True)
    with pytest.raises(ReadError, match=f"^{tmp_path}/none: No such file or directory$"):
        open_source(f"file://{tmp_path}/none")


def test_objects_that_exist_are_refused_before_any_work(memory: Any) -> None:
    """Where one output of many is an object already, none is written."""
    memory.pipe("/in/a.json", SAMPLE)
    memory.pipe("/in/b.json", SAMPLE)
    memory.pipe("/out/b.ndjson.zst", b"old")
    with pytest.raises(UsageError, match=r"memory://out/b\.ndjson\.zst: the output exists; "):
        convert_many("memory://in/", "memory://out/")
    assert memory.find("/out") == ["/out/b.ndjson.zst"]


def test_memory_is_read_like_a_file(memory: Any) -> None:
    """Two readers of one object do not disturb each other, and its size is known."""
    memory.pipe("/b/x.json", LARGE)
    with open_source("memory://b/x.json") as first, first.reopen() as second:
        assert first.bytes_total == second.bytes_total == len(LARGE)
        parts: tuple[list[bytes], list[bytes]] = ([], [])
        while True:
            parts[0].append(first.read(70_000))
            parts[1].append(second.read(30_000))
            if not parts[0][-1] and not parts[1][-1]:
                break
        assert b"".join(parts[0]) == b"".join(parts[1]) == LARGE
    with pytest.raises(ReadError, match=r"^memory://b/none: there is nothing of that name; check the address$"):
        open_source("memory://b/none")


def test_an_object_that_is_replaced_meanwhile_is_noticed(memory: Any) -> None:
    """The end of the old one is not taken for a good end, nor is the new one taken for a second reading."""
    memory.pipe("/b/x.json", SAMPLE)
    with open_source("memory://b/x.json") as source:
        source.read(100)
        memory.pipe("/b/x.json", SAMPLE.replace(b"a", b"b"))
        with pytest.raises(ReadError, match="the file changed while it was read"):
            source.reopen()
        with pytest.raises(ReadError, match=r"the file changed while it was read.*; convert it when it is complete"):
            list(iter(lambda: source.read(1 << 16), b""))


def test_chained_urls_are_inputs(memory: Any) -> None:
    """A member of an archive that lies elsewhere is fsspec's own syntax, and works."""
    with memory.open("/a.zip", "wb") as file, __import__("zipfile").ZipFile(file, "w") as archive:
        archive.writestr("in/session.json", SAMPLE)
        archive.writestr("in/other.json", SAMPLE)
    assert same_rows("zip://in/session.json::memory://a.zip")
    assert list(list_urls("zip://in/*.json::memory://a.zip")) == [
        ("zip://in/other.json::memory://a.zip", "other.json"),
        ("zip://in/session.json::memory://a.zip", "session.json"),
    ]


# --- lists ---


def test_lists(memory: Any, tmp_path: Path) -> None:
    """Folders with what is in their folders, patterns with what they match; sorted, each with its relative name."""
    for name in ("b/x.json", "b/a/z.json", "b/a/1.csv", "b/a/deep/y.json", "other/x.json"):
        memory.pipe(f"/{name}", b"1")
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    for root in ("memory://", "memory:///", f"file://{tmp_path}/"):
        assert list(list_urls(f"{root}b/")) == [
            (f"{root}b/{name}", name) for name in ("a/1.csv", "a/deep/y.json", "a/z.json", "x.json")
        ]
        assert list(list_urls(f"{root}b/*.json")) == [(f"{root}b/x.json", "x.json")]
        assert list(list_urls(f"{root}b/**/*.json")) == [
            (f"{root}b/{name}", name) for name in ("a/deep/y.json", "a/z.json", "x.json")
        ]
        assert list(list_urls(f"{root}?/a/[yz].json")) == [(f"{root}b/a/z.json", "b/a/z.json")]
        assert list(list_urls(f"{root}b/none*")) == []
        assert list(list_urls(f"{root}b/x.json")) == [(f"{root}b/x.json", "x.json")]
    assert list(list_urls("https://h/a/x.json?sig=1/2")) == [("https://h/a/x.json?sig=1/2", "x.json")]
    for url, _ in list_urls("memory://b/"):
        assert exists(url)


# --- outputs ---


def test_an_output_appears_whole(memory: Any, server: Server) -> None:
    """Nothing stands under the name while it is written; then everything does, and it is what a file would be."""
    out = "memory://bucket/deep/out.ndjson.zst"
    with open_export(f"{server.url}/large.json") as export, open_sink(out) as sink:
        for found in export:
            sink.write(found.content.encode())
            assert not exists(out)
        assert sink.name == out
    assert unpack(memory.cat("/bucket/deep/out.ndjson.zst")) == b"x" * 900_000
    done = convert(f"{server.url}/session.json", "memory://bucket/out.csv")
    assert done.outputs[0].target == "memory://bucket/out.csv"
    assert len(memory.cat("/bucket/out.csv")) == done.bytes_written
    assert memory.find("/") == ["/bucket/deep/out.ndjson.zst", "/bucket/out.csv"]
    with open_sink("memory://empty", compression="none"):
        pass
    assert memory.cat("/empty") == b""


def test_an_output_that_exists_is_refused_before_any_work(memory: Any, server: Server) -> None:
    """As a file is; so are folders and the input itself."""
    memory.pipe("/b/out.csv", b"old")
    memory.pipe("/b/in.ndjson", SAMPLE)
    for name, text in {
        "memory://b/out.csv": "^memory://b/out.csv: the output exists; force=True replaces it$",
        "memory://b": "the output is a folder; name a file in it",
    }.items():
        with pytest.raises(UsageError, match=text):
            convert(f"{server.url}/session.json", name, format="csv")
    with pytest.raises(UsageError, match=r"the output is the input|the input"):
        convert("memory://b/in.ndjson", "memory://b/in.ndjson", force=True)
    with pytest.raises(UsageError, match="the output is the input"):
        open_output("MEMORY:///b/in.ndjson", "memory://b/in.ndjson", force=True)
    assert server.seen == []
    assert (memory.cat("/b/out.csv"), memory.cat("/b/in.ndjson")) == (b"old", SAMPLE)


@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize("how", ["cut", "404", "encoded-br"])
def test_a_failure_leaves_what_was_there(memory: Any, server: Server, old: bytes | None, how: str) -> None:
    """An input that fails early or late leaves nothing, or the old content; a success replaces it."""
    if old is not None:
        memory.pipe("/b/out.csv", old)
    with pytest.raises(ReadError):
        convert(f"{server.url}/large.json?{how}", "memory://b/out.csv", force=True)
    assert memory.find("/b") == ([] if old is None else ["/b/out.csv"])
    assert old is None or memory.cat("/b/out.csv") == old
    convert(f"{server.url}/large.json", "memory://b/out.csv", force=True)
    assert len(memory.cat("/b/out.csv")) > len(LARGE) / 2


def test_an_object_that_appears_meanwhile_is_refused(memory: Any) -> None:
    """Without force what somebody else wrote stays, and ours goes."""
    sink = open_sink("memory://b/x", compression="none")
    sink.write(b"ours")
    memory.pipe("/b/x", b"theirs")
    with pytest.raises(UsageError, match="the output exists"):
        sink.commit()
    assert memory.cat("/b/x") == b"theirs"


def test_a_committed_output_can_be_undone(memory: Any) -> None:
    """Where nothing stood before; what was replaced can't come back, so the new one stays."""
    memory.pipe("/b/old", b"old")
    for name in ("new", "old"):
        with open_sink(f"memory://b/{name}", compression="none", force=True) as sink:
            sink.write(b"1")
        sink.undo_commit()
    assert memory.find("/b") == ["/b/old"]


def test_a_backend_that_fails_to_write_is_an_error_of_ours(memory: Any) -> None:
    """A name below a file can't be written: exit 4, and nothing there."""
    memory.pipe("/b/file", b"1")
    with pytest.raises(WriteError, match=r"^memory://b/file/x.csv: "):
        convert(SAMPLE, "memory://b/file/x.csv")
    assert memory.find("/b") == ["/b/file"]


def test_sqlite_is_not_written_to_a_url(memory: Any) -> None:
    """A format that needs a real file says so."""
    with pytest.raises(UsageError, match="this format can't be written to a URL; write a file, and copy it there"):
        convert(SAMPLE, "memory://b/x.db")
    assert memory.find("/") == []


# --- the command ---


ARCHIVE = {"a.json": SAMPLE, "d/b.json": LARGE, "user.json": b'{"id":"u"}', "../up.json": SAMPLE}


def test_a_zip_in_a_bucket(memory: Any, tmp_path: Path) -> None:
    """A zip under a URL is an input like a folder: its members, one member, patterns, and --update by what is under the URL."""
    data = zipped(tmp_path / "x.zip", ARCHIVE).read_bytes()
    memory.pipe("/in/x.zip", data)
    memory.pipe("/in/y.json", SAMPLE)
    assert [one.source.rpartition("::")[2] for one in find_inputs("memory://in/x.zip")] == [
        "a.json",
        "user.json",
        "d/b.json",
        "../up.json",
    ]
    assert [one.relative for one in find_inputs("memory://in/")][:2] == ["x/a.json", "x/user.json"]
    assert drain("memory://in/x.zip::d/b.json", 1000) == LARGE
    done = convert_many("memory://in/", tmp_path / "out")
    assert [(one.source.partition("in/")[2], one.status) for one in done.outcomes] == [
        ("x.zip::a.json", "converted"),
        ("x.zip::user.json", "ignored"),
        ("x.zip::d/b.json", "converted"),
        ("x.zip::../up.json", "failed"),
        ("y.json", "converted"),
    ]
    again = convert_many("memory://in/", tmp_path / "out", update=True, exclude=["user.json", "up.json"])
    assert {one.status for one in again.outcomes} == {"skipped"}
    memory.pipe("/in/x.zip", zipped(tmp_path / "x.zip", {"a.json": LARGE}).read_bytes())
    again = convert_many("memory://in/", tmp_path / "out", update=True)
    assert [one.status for one in again.outcomes] == ["converted", "skipped"]
    memory.pipe("/in/x.zip", data[:-30])
    with pytest.raises(UsageError, match=r"got a zip archive: memory://in/x.zip; name a member"):
        open_export("memory://in/x.zip")
    (failed,) = convert_many("memory://in/x.zip", tmp_path / "out", force=True).failed
    assert "memory://in/x.zip: the zip archive is cut or damaged" in (failed.error or "")
    with pytest.raises(CompressionError, match="cut or damaged"):
        open_export("memory://in/x.zip::a.json")


def test_a_zip_that_is_replaced_meanwhile_is_noticed(memory: Any, tmp_path: Path) -> None:
    """A zip under a URL that changes while a member is read is an error."""
    memory.pipe("/x.zip", zipped(tmp_path / "x.zip", ARCHIVE).read_bytes())
    with open_source("memory://x.zip::d/b.json") as source:
        source.read(10)
        memory.pipe("/x.zip", zipped(tmp_path / "x.zip", {"d/b.json": LARGE}).read_bytes())
        with pytest.raises((ReadError, CompressionError)):
            list(iter(lambda: source.read(1 << 20), b""))


def test_a_zip_on_a_web_server(server: Server, tmp_path: Path) -> None:
    """A web server that sends parts of files can have zips, also with a query; of others the error says to download it."""
    server.bodies["x.zip"] = zipped(tmp_path / "x.zip", ARCHIVE | {"big.json": os.urandom(3 << 20)}).read_bytes()
    url = f"{server.url}/x.zip?range"
    assert [one.source for one in find_inputs(url)][1] == f"{url}::big.json"
    assert drain(f"{url}::d/b.json") == LARGE
    for other in (f"{server.url}/x.zip", f"{server.url}/x.zip?chunked", f"{server.url}/x.zip?encoded-gzip"):
        with pytest.raises(ReadError, match=r"only from its start to its end.*; download it to a file"):
            open_export(f"{other}::d/b.json")
        (failed,) = convert_many(other, tmp_path / "out").failed
        assert "download it" in (failed.error or "")
    with pytest.raises(ReadError, match="404"):
        open_export(f"{server.url}/x.zip?404::a.json")
    assert shown(f"{server.url}/x.zip?sig=S3cret::d/a.json.zst") == f"{server.url}/x.zip?sig=***::d/a.json.zst"
    assert shown(f"{server.url}/x.zip?sig=S3cret::more") == f"{server.url}/x.zip?sig=***"
    with pytest.raises(ReadError, match=r"x.zip\?range::no.json: the zip archive has no such member; it has a.json"):
        open_export(f"{url}::no.json")


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a development-mode Python with every warning an error: what is not closed would be seen."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-m", "exportstream", *arguments]
    return subprocess.run(command, capture_output=True, timeout=60, check=False)


def test_the_command_takes_urls(server: Server, tmp_path: Path) -> None:
    """Convert, totals and check read a URL, and end without a word about what is still open."""
    out = tmp_path / "out.ndjson"
    done = run("convert", f"{server.url}/session.json?chunked", "-o", str(out), "--quiet")
    assert (done.returncode, done.stderr) == (0, b"")
    assert out.read_bytes().count(b"\n") == SAMPLE_ROWS.count(b"\n")
    assert run("totals", f"{server.url}/large.json").returncode == 0
    assert run("check", f"{server.url}/large.json").stderr == b""


@pytest.mark.parametrize(
    ("how", "code", "text"),
    [
        ("404", 4, "the server answers 404 Not Found; check the address\n"),
        ("cut", 4, "; try again\n"),
        ("chunked-cut", 4, "; try again\n"),
    ],
)
def test_the_command_ends_with_4(server: Server, tmp_path: Path, how: str, code: int, text: str) -> None:
    """What fails to be read is one line and exit 4, and no output stands."""
    done = run("convert", f"{server.url}/large.json?{how}", "-o", str(tmp_path / "out.csv"), "--quiet")
    assert done.returncode == code
    assert done.stderr.decode().endswith(text)
    assert done.stderr.count(b"\n") == 1
    assert os.listdir(tmp_path) == []


CONSTANT = """
import http.server, re, sys, threading
import exportstream
with exportstream.open_export({url!r}) as export:
    for _ in export.batches(): pass
    assert export.bytes_read == {size}, export.bytes_read
print(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_body(server: Server) -> None:
    """Ten times the body takes at most a tenth more memory: nothing is downloaded first."""
    peaks = []
    for count in (8, 80):
        name = f"{count}.ndjson"
        server.bodies[name] = (LARGE + b"\n") * count
        code = CONSTANT.format(url=f"{server.url}/{name}", size=len(server.bodies[name]))
        peaks.append(int(subprocess.check_output([sys.executable, "-c", code])) * 1024)
    assert peaks[1] <= 1.1 * peaks[0]
    assert peaks[1] < 100_000_000
