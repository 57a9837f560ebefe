"""Every row of the table of bad and odd inputs: what the library and what the command do with each."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import json
import lzma
import os
import re
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import zstandard
from isal import isal_zlib

from exportstream import (
    CompressionError,
    Count,
    CutInputError,
    Difference,
    Duplicates,
    Export,
    ExportstreamError,
    InputError,
    InvalidMessageError,
    JSONSyntaxError,
    LimitError,
    Message,
    NotAnExportError,
    ReadError,
    ReadOptions,
    Reject,
    Totals,
    convert,
    iter_messages,
    open_export,
)
from exportstream.cli.process import exit_code
from tests.kit.command import speak
from tests.kit.documents import DATE, dump, message, session, session_fields_last, tool_call
from tests.kit.files import DATA, lines
from tests.kit.readings import blocks

NAMES = sorted(path.name for path in DATA.iterdir())


pytestmark = pytest.mark.usefixtures("blocks")


def put(document: Any, text: bytes | str) -> bytes:
    """The document as JSON, with `text` in the place of the string @@."""
    text = text.encode() if isinstance(text, str) else text
    assert dump(document).count(b'"@@"') == 1
    return dump(document).replace(b'"@@"', text)


def read(source: Any, **options: Any) -> tuple[list[Message], Export]:
    with open_export(source, **options) as export:
        return list(export), export


def contents(source: Any, **options: Any) -> list[str]:
    return [item.content for item in read(source, **options)[0]]


def rows(data: Any, folder: Path, **options: Any) -> list[Any]:
    """What convert writes, numbers as Decimal so that no digit is lost."""
    target = folder / "rows.ndjson"
    convert(data, target, force=True, **options)
    return lines(target.read_bytes())


def refuse(
    data: bytes,
    match: str,
    folder: Path,
    *,
    kind: Any = InputError,
    code: int = 3,
    options: tuple[str, ...] = (),
    **library: Any,
) -> None:
    """Library and command refuse `data` with `match` in the text, on one line, and leave no output behind."""
    with pytest.raises(kind, match=match) as caught:
        read(data, **library)
    assert exit_code(caught.value) == code
    assert str(caught.value).startswith("<bytes>: ")
    case = folder / f"case{len(list(folder.iterdir()))}"
    case.mkdir()
    (case / "in.json").write_bytes(data)
    ended, output, text = speak("convert", "in.json", "-o", "out.ndjson.zst", *options, cwd=case)
    assert ended == code, text
    assert re.fullmatch(r"exportstream: in\.json: .+\n", text), text
    assert re.search(match, text)
    assert output == ""
    assert os.listdir(case) == ["in.json"]


def damage_of(data: bytes) -> bytes:
    """The bytes that are rejected as damage; no message but m0 and m2 is read."""
    rejects: list[Reject] = []
    with open_export(data, on_error="skip", rejects=rejects) as export, suppress(JSONSyntaxError):  # if nothing is left
        assert {one.id for one in export} <= {"m0", "m2"}
    damage = b"".join(reject.raw or b"" for reject in rejects if reject.damaged)
    assert len(damage) == export.notes.damaged_bytes
    return damage


# --- cut anywhere ---------------------------------------------------------------------------------------------------


class Sample:
    """A sample and, by the standard library alone, where in it messages and documents end."""

    def __init__(self, name: str) -> None:
        self.data = (DATA / name).read_bytes()
        text = self.data.decode()
        decoder = json.JSONDecoder()
        self.message_ends: list[int] = []
        self.documents: list[int] = []
        self.ids: list[tuple[str, int, str]] = []
        at = 0
        while text[at:].strip():
            at += len(text[at:]) - len(text[at:].lstrip())
            document, end = decoder.raw_decode(text, at)
            sessions = document if isinstance(document, list) else [document.get("result", document)]
            for found in sessions:
                place = at = text.index('"messages":[', at) + len('"messages":[')
                for number, item in enumerate(found["messages"]):
                    assert decoder.raw_decode(text, place)[0] == item
                    place = decoder.raw_decode(text, place)[1]
                    self.message_ends.append(len(text[:place].encode()))
                    self.ids.append((found["id"], number, item["id"]))
                    place += 1
            self.documents.append(len(text[:end].encode()))
            at = end

    def complete(self, length: int) -> list[tuple[str, int, str]]:
        """Session id, index and id of the messages that are whole in the first `length` bytes."""
        return self.ids[: sum(end <= length for end in self.message_ends)]

    def whole(self, length: int) -> bool:
        """Whether the first `length` bytes are one or more whole documents and white space."""
        before = max((end for end in self.documents if end <= length), default=None)
        return before is not None and not self.data[before:length].strip()


SAMPLES = {name: Sample(name) for name in NAMES}


def keys_of(messages: list[Message]) -> list[tuple[str, int, str]]:
    return [(item.session_id, item.index, item.id) for item in messages]


def read_quietly(data: bytes, *, keep: bool) -> tuple[list[Message], ExportstreamError | None, bool]:
    found: list[Message] = []
    # Totals and repeated ids are all that is left out: it costs more than reading so small a file.
    with Export(data, ReadOptions(on_error="skip" if keep else "stop"), only_messages=True) as export:
        try:
            found.extend(export)
        except InputError as error:
            return found, error, export.partial
        return found, None, export.partial


def check_cut(data: bytes, complete: list[Any], *, keep: bool, readable: bool = True) -> None:
    """A cut input is refused or, with `keep`, gives the complete messages and says that it is partial."""
    found, error, partial = read_quietly(data, keep=keep)
    if error is None:
        assert keep, "a cut input was taken for a whole one"
        assert partial
    elif readable:
        assert isinstance(error, CutInputError) or "empty input" in str(error), error
        assert not (keep and complete), "complete messages were not kept"
    assert keys_of(found) == complete


def packed(kind: str, data: bytes) -> bytes:
    """Compress so that the stream is flushed every 300 bytes: what stands before a cut can then be read."""
    worker: Any = zlib.compressobj(wbits=31)
    flush = zlib.Z_SYNC_FLUSH
    if kind == "zstd":
        worker, flush = zstandard.ZstdCompressor(write_checksum=True).compressobj(), zstandard.COMPRESSOBJ_FLUSH_BLOCK
    parts = [worker.compress(data[at : at + 300]) + worker.flush(flush) for at in range(0, len(data), 300)]
    return b"".join([*parts, worker.flush()])


def unpacked(kind: str, data: bytes) -> bytes:
    # ISA-L may be a byte behind zlib where the data is cut.
    return (isal_zlib.decompressobj(31) if kind == "gzip" else zstandard.ZstdDecompressor().decompressobj()).decompress(data)


def check_plain(name: str, step: int, *, keep: bool) -> None:
    sample = SAMPLES[name]
    for length in range(0, len(sample.data), step):
        if sample.whole(length):
            found, error, partial = read_quietly(sample.data[:length], keep=keep)
            assert (error, partial) == (None, False)
            assert keys_of(found) == sample.complete(length)
        else:
            check_cut(sample.data[:length], sample.complete(length), keep=keep)


def check_packed(name: str, kind: str, step: int, *, keep: bool) -> None:
    sample = SAMPLES[name]
    data = packed(kind, sample.data)
    magic = 2 if kind == "gzip" else 4  # before that nobody can know that it is compressed
    for length in range(0, len(data), step):
        complete = sample.complete(len(unpacked(kind, data[:length]))) if length >= magic else []
        check_cut(data[:length], complete, keep=keep, readable=length == 0 or length >= magic)


@pytest.mark.parametrize("keep", [False, True], ids=["stop", "keep"])
@pytest.mark.parametrize("name", NAMES)
def test_cut_anywhere(name: str, keep: bool, blocks: bool) -> None:
    """A sample cut at any byte is refused, or gives exactly its complete messages on request."""
    check_plain(name, 1 if keep and blocks else 23, keep=keep)


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.parametrize("name", NAMES)
def test_cut_anywhere_compressed(name: str, kind: str, blocks: bool) -> None:
    """The same for a compressed sample cut at any byte; what was flushed before the cut is there to be kept."""
    check_packed(name, kind, 1 if blocks and name in NAMES[1:6:2] else 23, keep=blocks)


@pytest.mark.long
@pytest.mark.parametrize("keep", [False, True], ids=["stop", "keep"])
@pytest.mark.parametrize("name", NAMES)
def test_cut_anywhere_all_ways(name: str, keep: bool) -> None:
    """Every byte, every container, every way."""
    check_plain(name, 1, keep=keep)
    check_packed(name, "gzip", 1, keep=keep)
    check_packed(name, "zstd", 1, keep=keep)


CUTS = {
    "inside-a-string": dump(session(message(0), message(1, content="some text"))).partition(b"some te")[0] + b"some te",
    "inside-an-escape": dump(session(message(0), message(1, content="a\n"))).partition(b"a\\n")[0] + b"a\\",
    "inside-a-surrogate-pair": dump(session(message(0), message(1, content="@"))).partition(b"@")[0] + rb"\ud83d\ude",
    "inside-a-character": dump(session(message(0), message(1, content="é"))).partition("é".encode())[0] + b"\xc3",
    "between-messages": dump(session(message(0))).removesuffix(b"]}"),
    "after-a-comma": dump(session(message(0))).removesuffix(b"]}") + b", ",
    "before-the-brace": dump(session(message(0))).removesuffix(b"}"),
    "inside-true": dump(session(message(0), message(1, zz=True))).partition(b"true")[0] + b"tru",
    "inside-a-number": dump(session(message(0), message(1, zz=-17))).partition(b"-17")[0] + b"-",
    "inside-an-array-of-sessions": b"[" + dump(session(message(0))) + b",",
    "in-a-later-session": dump(session(message(0))) + dump(session(message(0), message(1)))[:-40],
    "behind-the-messages": dump(session_fields_last(message(0), cost=1.5)).partition(b"1.5")[0],
}


@pytest.mark.parametrize("name", CUTS)
def test_cut_anywhere_names_the_place(tmp_path: Path, name: str) -> None:
    """Wherever it is cut, the error says that the input ends, in which message, and how to keep what is complete."""
    refuse(
        CUTS[name],
        r"ends.*(inside a message \(.*message \d+,|after message \d+ \().*last complete id m0.*(--on-error skip|on_error=\"skip\")",
        tmp_path,
        kind=CutInputError,
    )


@pytest.mark.parametrize("name", CUTS)
def test_cut_anywhere_kept(tmp_path: Path, name: str) -> None:
    """With on_error="skip" the complete messages are written, and the report says that it is partial."""
    report = convert(CUTS[name], tmp_path / "out.ndjson", on_error="skip")
    lines = (tmp_path / "out.ndjson").read_text().splitlines()
    expected = ["m0", "m0"] if name == "in-a-later-session" else ["m0"]
    assert report.partial
    assert [json.loads(line)["id"] for line in lines] == expected
    assert report.rows == report.messages == len(expected)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_cut_anywhere_keeps_all_of_a_large_input(pack: Any) -> None:
    """A large input that is cut loses nothing before the cut, however it is read."""
    whole = dump(session(*(message(n, content="x" * 2000) for n in range(700))))
    data = whole[: whole.index(b'"id":"m650"')]
    if pack is not bytes:
        data = pack(data)[:-4]
        have = len(
            (zlib.decompressobj(31) if pack is gzip.compress else zstandard.ZstdDecompressor().decompressobj()).decompress(
                data
            )
        )
        assert have > 500_000
        count = sum(whole.index(b'"id":"m%d"' % n) <= have for n in range(1, 651))
    else:
        count = 650
    found, export = read(data, on_error="skip")
    assert export.partial
    assert [item.id for item in found] == [f"m{n}" for n in range(count)]


def test_cut_anywhere_command(tmp_path: Path) -> None:
    """--on-error skip finishes the output, says how many messages it kept, and exits with 5."""
    (tmp_path / "in.json").write_bytes(CUTS["inside-a-string"])
    done = speak("convert", "in.json", "-o", "out.ndjson.zst", "--on-error", "skip", cwd=tmp_path)
    assert done.returncode == 5
    assert "kept 1 complete message" in done.stderr
    data = zstandard.ZstdDecompressor().decompressobj().decompress((tmp_path / "out.ndjson.zst").read_bytes())
    assert [json.loads(line)["id"] for line in data.splitlines()] == ["m0"]
    assert speak("totals", "in.json", "--on-error", "skip", cwd=tmp_path).returncode == 5


@pytest.mark.parametrize("data", [b"{", b'{"id', b'{"id"', b"["])
def test_cut_anywhere_is_not_empty(tmp_path: Path, data: bytes) -> None:
    """An input that ends before its first value is cut, not empty."""
    refuse(data, "ends", tmp_path, kind=CutInputError)


# --- what is not an export ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b" \r\n\t ", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n", b"\n" * 200_000])
def test_empty(tmp_path: Path, data: bytes) -> None:
    """An input of nothing or of white space says so, and what to look at."""
    refuse(data, "expected a session export, got an empty input.*see whether its export failed", tmp_path)
    with pytest.raises(InputError, match="empty input"):
        read(data, on_error="skip")


@pytest.mark.parametrize(
    "tail",
    [
        *[b"x", b"\0", b"\0" * 4096, b"}", b"]", b",", b" }", b"\n\n\0", b"null", b"1", b'"a"', b"{}", b"[]", b'{"a":1}'],
        *[
            b'"',
            b'"a',
            b'"\\',
            b'"\\u12',
            b'\n"{id:2, and whatever',
            b"tru",
            b"n",
            b"-",
            b"1.",
            b"1e",
            b"{",
            b"[",
            b"/",
            b"\\",
        ],
    ],
)
def test_something_after_the_document(tmp_path: Path, tail: bytes) -> None:
    """Garbage behind the document is refused, also after its messages came out."""
    refuse(dump(session(message(0))) + tail, r"last complete id m0|got an object with the keys 'a'", tmp_path)


@pytest.mark.parametrize("between", [b"", b"\n", b" \r\n\t"])
def test_something_after_the_document_may_be_a_document(between: bytes) -> None:
    """Further documents are sessions, not garbage."""
    data = between.join(
        [dump(session(message(0))), dump(session(message(1), id="s2")), dump([session(message(2), id="s3")])]
    )
    assert keys_of(read(data)[0]) == [("s", 0, "m0"), ("s2", 0, "m1"), ("s3", 0, "m2")]


def test_utf8_bom(tmp_path: Path) -> None:
    """A byte order mark is stripped once, also inside a compressed file; a second one is not JSON."""
    data = b"\xef\xbb\xbf" + dump(session(message(0)))
    assert contents(data) == contents(gzip.compress(data)) == contents(iter([data[:1], data[1:]])) == ["x"]
    assert len(rows(data, tmp_path)) == 1
    refuse(b"\xef\xbb\xbf" + data, "not JSON", tmp_path, kind=JSONSyntaxError)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_utf16_and_utf32(tmp_path: Path, encoding: str) -> None:
    """Another encoding is named, with how to convert it."""
    name = encoding.upper()[:6] + encoding.upper()[6:].replace("-", "")
    refuse(dump(session(message(0))).decode().encode(encoding), rf"got {name}\b.*iconv -f {name} -t UTF-8", tmp_path)


@pytest.mark.parametrize(
    "data", [b"<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>", b"\n <html></html>", b"<?xml ?><a/>"]
)
def test_html_and_server_error_body_html(tmp_path: Path, data: bytes) -> None:
    """A web page instead of an export is refused, and called one."""
    refuse(data, r"(?i)html|web page", tmp_path)
    refuse(gzip.compress(data), r"(?i)html|web page", tmp_path)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b'{"error":{"code":404,"message":"session not found","type":"not_found"}}', "404 session not found not_found"),
        (b'{\n "error" : {"message": "boom"}}\n', "boom"),
        (b'{"headers":{},"result":{"error":{"code":500,"message":"m"}}}', "500 m"),
        (b'{"requestId":"r","error":{"code":503,"message":"busy"}}', "503 busy"),
    ],
)
def test_html_and_server_error_body(tmp_path: Path, data: bytes, match: str) -> None:
    """A saved error body is called one, with its code and message."""
    refuse(data, f"expected a session export, got an error response: {match}", tmp_path, kind=NotAnExportError)


@pytest.mark.parametrize("tail", [b'"error":"x"', b'"error":null', b'"error":{"code":500,"message":"m"}', b'"error":[]'])
def test_html_and_server_error_body_is_no_empty_session(tmp_path: Path, tail: bytes) -> None:
    """A session with an error in the place of its messages is not a session of zero messages."""
    refuse(b'{"id":"s","title":"t",' + tail + b"}", "messages|error response", tmp_path, kind=NotAnExportError)


@pytest.mark.parametrize(
    ("begin", "name"),
    [
        (b"PAR1", "a Parquet file"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b'"sessionId","messageIndex"\n"s","0"\n', "CSV"),
        (b"day,model,cost\r\n", "CSV"),
        (b",".join([b'"name"'] * 60) + b"\n", "CSV"),
    ],
)
def test_another_kind_of_file_is_named(tmp_path: Path, begin: bytes, name: str) -> None:
    """What is easily taken for an export, our own outputs among it, is refused by its name; also in single bytes."""
    data = begin + bytes(100)
    refuse(data, f"expected JSON, got {name}.*export itself", tmp_path, kind=NotAnExportError)
    with pytest.raises(NotAnExportError, match=name):
        read(bytes([byte]) for byte in data)


def test_all_missing_keys_are_named(tmp_path: Path) -> None:
    """One error names every required key that a message or a tool call does not have."""
    keys = "'id', 'role', 'content', 'createdAt' and 'updatedAt', got none of them"
    refuse(dump(session({"x": 1})), f"expected the required keys {keys}", tmp_path, kind=InvalidMessageError)
    call = {"id": "c", "input": "{}", "finished": True}
    refuse(
        dump(session(message(0, toolCalls=[call]))),
        r"expected the required keys 'name' and 'type', got none of them .*at \$.toolCalls\[0\]",
        tmp_path,
        kind=InvalidMessageError,
    )


OTHER_EXPORTS = {
    "a Claude Code transcript": [
        {"type": "file-history-snapshot", "messageId": "m", "snapshot": {}, "isSnapshotUpdate": False},
        {"type": "summary", "summary": "x", "leafUuid": "u"},
        {"parentUuid": None, "sessionId": "s", "type": "user", "message": {"role": "user", "content": "x"}},
        {"timestamp": DATE, "sessionId": "s", "message": {"role": "assistant", "id": "m"}, "costUSD": 0.1},
        {"type": "queue-operation", "operation": "enqueue", "sessionId": "s"},
    ],
    "a Gemini transcript": [
        {"sessionId": "s", "projectHash": "h", "startTime": DATE, "messages": [{"id": "m", "type": "user"}]},
        {"sessionId": "s", "projectHash": "h", "kind": "main"},
    ],
    "Gemini batch results": [{"key": "k", "response": {"candidates": []}}],
    "OpenAI batch results": [{"id": "b", "custom_id": "c", "response": {"status_code": 200}, "error": None}],
    "Anthropic batch results": [{"custom_id": "c", "result": {"type": "succeeded", "message": {"id": "m"}}}],
}


@pytest.mark.parametrize("shape", ["line", "array", "indented"])
@pytest.mark.parametrize("name", OTHER_EXPORTS)
def test_exports_of_other_programs_are_named(tmp_path: Path, name: str, shape: str) -> None:
    """The export of another program is refused by its name, from its first object on."""
    is_log = name == "a Claude Code transcript"  # which is read if each record is on a line
    hint = "each of its records on a line" if is_log else "does not read these yet"
    for first in OTHER_EXPORTS[name] if not (is_log and shape == "line") else ():
        document = [first, first] if shape == "array" else first
        data = dump(document, indent=1) if shape == "indented" else dump(document) + b"\n"
        words = f"expected a session export, got what looks like {name}.*{hint}"
        refuse(data, words, tmp_path, kind=NotAnExportError)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_tar_archive_is_named(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """An archive of tar is refused by its name, also compressed."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("exports/a.json"), io.BytesIO())
    refuse(pack(archive.getvalue()), "expected JSON, got a tar archive.*unpack", tmp_path, kind=NotAnExportError)


SKIPPABLE = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
CONTAINERS = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip-members": lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:]),
    "zstd": zstandard.compress,
    "zstd-frames": lambda data: zstandard.compress(data[:50]) + zstandard.compress(data[50:]),
    "zstd-skippable": lambda data: (
        SKIPPABLE + zstandard.compress(data[:50]) + SKIPPABLE + zstandard.compress(data[50:]) + SKIPPABLE
    ),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("name", ["a.json", "a.gz", "a.zst", "a.bz2", "a.txt", "noname"])
@pytest.mark.parametrize("container", CONTAINERS)
def test_compressed_under_any_name(tmp_path: Path, container: str, name: str) -> None:
    """The content says how it is compressed; the name never does."""
    path = tmp_path / name
    path.write_bytes(CONTAINERS[container](SAMPLES["session.json"].data))
    assert keys_of(read(path)[0]) == SAMPLES["session.json"].ids


def test_compressed_under_any_name_command(tmp_path: Path) -> None:
    """The command takes a zstd file that calls itself JSON."""
    (tmp_path / "a.json").write_bytes(zstandard.compress(SAMPLES["session.json"].data))
    done = speak("convert", "a.json", "-o", "-", "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [ids[2] for ids in SAMPLES["session.json"].ids]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("null", "null"),
        ("{}", "an object"),
        ('{"a":1}', "an object"),
        ("1", "a number"),
        ('"x"', "a string"),
        ("true", "a boolean"),
    ],
)
def test_messages_missing_null_object_twice_value(tmp_path: Path, value: str, found: str) -> None:
    """`messages` that is no array is refused, and what it is instead is said."""
    refuse(
        put(session_fields_last(messages="@@"), value),
        f"expected `messages` to be an array, got {found}",
        tmp_path,
        kind=NotAnExportError,
    )


@pytest.mark.parametrize("second", [b"[]", b"[{}]", b"null", b"{}", dump([message(1)])])
def test_messages_missing_null_object_twice(tmp_path: Path, second: bytes) -> None:
    """Two `messages` in one session are not merged but refused."""
    refuse(dump(session(message(0)))[:-1] + b',"messages":' + second + b"}", "got 'messages' twice", tmp_path)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (
            b'{"id":"s","title":"t"}',
            "expected a session object with `messages`, got an object with the keys 'id', 'title'",
        ),
        (b"{}", "got an empty object"),
        (b"[]", "an empty array"),
        (b"1", "got a number"),
        (b'"x"', "got a string"),
        (b"null", "got null"),
        (b"true", "got a boolean"),
        (b"[1]", "got a number"),
        (b"[[]]", "an array"),
        (b"[null]", "got null"),
        (b'["x"]', "got a string"),
        (b"[{}]", "got an empty object"),
        (b'[{"a":1}]', "the keys 'a'"),
        (b'[[{"id":"s","title":"t","messages":[]}]]', "an array"),
        (dump([session(message(0)), 1]), "got a number"),
        (dump([session(message(0)), []]), "an array"),
        (dump([session(message(0)), {}]), "got an empty object"),
        (dump([session(message(0)), {"a": 1}]), "the keys 'a'"),
        (b'{"result":1}', "the keys 'result'"),
        (b'{"result":[]}', "the keys 'result'"),
        (b'{"result":{}}', "the keys 'result'"),
        (b'{"headers":{}}', "the keys 'headers'"),
        (b'{"title":"t","messages":[]}', "expected a session with `id`, got none"),
        (b'{"id":"s","messages":[]}', "expected a session with `title`, got none"),
        (b'{"messages":[]}', "expected a session with `id` and `title`, got neither"),
        (dump({"messages": [message(0)]}), "expected a session with `id` and `title`, got neither"),
        (dump({"messages": [message(0)], "title": "t"}), "expected a session with `id`, got none"),
        (dump({"x": 1, "result": {"messages": [message(0)]}, "id": "r"}), "expected a session with `id` and `title`"),
    ],
)
def test_messages_missing_null_object_twice_root(tmp_path: Path, data: bytes, match: str) -> None:
    """JSON that is no session is refused, and what it is instead is said."""
    refuse(data, match, tmp_path, kind=NotAnExportError)


@pytest.mark.parametrize("item", ["null", "1", '"x"', "[]", "true"])
def test_messages_missing_null_object_twice_items(tmp_path: Path, item: str) -> None:
    """A message that is no object is an invalid message: refused, or rejected on request."""
    data = put(session(message(0), "@@", message(2)), item)
    refuse(data, "expected object, got", tmp_path, kind=InvalidMessageError)
    rejects: list[Any] = []
    assert keys_of(read(data, on_error="skip", rejects=rejects)[0]) == [("s", 0, "m0"), ("s", 2, "m2")]
    assert [reject.index for reject in rejects] == [1]


def test_messages_missing_null_object_twice_empty_array(tmp_path: Path) -> None:
    """An empty array is the one way to zero messages."""
    assert rows(dump(session()), tmp_path) == []
    assert [row["countedMessages"] for row in rows(dump(session()), tmp_path, table="sessions")] == [0]


def test_messages_missing_null_object_twice_wrapper(tmp_path: Path) -> None:
    """A second session in one SDK response is not swallowed."""
    inner = dump(session(message(0)))
    refuse(
        b'{"headers":{},"result":' + inner + b',"result":' + inner + b"}", "'result' twice", tmp_path, kind=NotAnExportError
    )


AROUND = {"cost": 9.5, "promptTokens": 77, "x": 1, "createdAt": 5, "headers": {"a": [1]}, "response": None}


@pytest.mark.parametrize("before", range(len(AROUND) + 1))
@pytest.mark.parametrize("inner", ["id first", "id last"])
def test_keys_around_the_result_of_an_sdk_response(tmp_path: Path, before: int, inner: str) -> None:
    """An SDK response's own keys are kept apart, as they are and in both orders; nothing of the session is replaced."""
    keys = list(AROUND)
    one = session_fields_last(message(0), x=2, cost=0.5)
    if inner == "id last":
        one["id"] = one.pop("id")
    response = {key: AROUND[key] for key in keys[:before]} | {"result": one} | {key: AROUND[key] for key in keys[before:]}
    (row,) = rows(dump(response), tmp_path, table="sessions")
    assert row["extra"] == {"x": 2, "response": AROUND}
    assert (row["id"], row["cost"], "promptTokens" in row) == ("s", 0.5, False)
    assert [found["sessionId"] for found in rows(dump(response), tmp_path)] == ["s"]


def test_an_id_after_the_result_is_the_responses_own(tmp_path: Path) -> None:
    """The id of a session is in its `result`, also where it comes after the messages or stands beside it as well."""
    one = session(message(0))
    one["id"] = one.pop("id")
    (row,) = rows(dump({"result": one, "id": "w", "title": 1}), tmp_path, table="sessions")
    assert (row["id"], row["title"], row["extra"]) == ("s", "t", {"response": {"id": "w", "title": 1}})
    assert [found["sessionId"] for found in rows(dump({"result": one, "id": "w"}), tmp_path)] == ["s"]
    refuse(dump({"result": {"title": "t", "messages": [message(0)]}, "id": "w"}), "session with `id`", tmp_path)


def test_a_result_that_is_no_session_is_an_unknown_key(tmp_path: Path) -> None:
    """An object `result` before the session's other keys is kept as it is, whatever is in it."""
    result = {"id": 5, "cost": "x", "title": None}
    one = {"result": result, **session(message(0))}
    assert rows(dump(one), tmp_path, table="sessions")[0]["extra"] == {"result": result}
    one["id"] = one.pop("id")
    one["result"] = {"id": "inner"}
    assert [row["sessionId"] for row in rows(dump(one), tmp_path)] == ["s"]


def test_an_sdk_response_whose_session_has_a_key_response(tmp_path: Path) -> None:
    """A key of that name in the session keeps its value; the response's keys get the next free one."""
    one = session_fields_last(response=3, response_=4)
    (row,) = rows(dump({"a": 1, "result": one}), tmp_path, table="sessions")
    assert row["extra"] == {"response": 3, "response_": 4, "response__": {"a": 1}}


def test_an_sdk_response_cut_inside_its_result(tmp_path: Path) -> None:
    """What is complete of a cut response is kept where that was asked for, also what stood before the `result`."""
    data = dump({"a": 1, "result": session(message(0), message(1))})
    (tmp_path / "in.json").write_bytes(data[: data.index(b'"m1"')])
    done = speak("convert", "in.json", "-o", "-", "--table", "sessions", "--on-error", "skip", "--quiet", cwd=tmp_path)
    assert done.returncode == 5
    assert json.loads(done.stdout)["extra"] == {"response": {"a": 1}}
    assert json.loads(done.stdout)["countedMessages"] == 1


# --- order and names of keys ----------------------------------------------------------------------------------------


def variants(name: str) -> Iterator[tuple[str, bytes]]:
    document = json.loads(SAMPLES[name].data, parse_float=Decimal)
    text = lambda value, **options: json.dumps(value, default=float, ensure_ascii=False, **options).encode()  # noqa: E731
    first = {"id": document["id"], "messages": document["messages"]}
    rest = {key: value for key, value in document.items() if key not in first}
    turned = [dict(reversed(item.items())) for item in document["messages"]]
    yield "totals after messages", text({**first, **rest})
    yield "sorted", text(document, sort_keys=True)
    yield "reversed", text({**dict(reversed(document.items())), "messages": turned})
    yield "messages first", text({"messages": document["messages"], **rest, "id": document["id"]})
    yield "pretty", text(document, indent=2)
    yield "pretty sorted with tabs", text(document, indent="\t", sort_keys=True)
    yield "carriage returns", text(document, indent=1).replace(b"\n", b"\r\n")
    yield "spaces", text(document, separators=(" , ", " : "))


@pytest.mark.parametrize("name", ["session.json", "session-with-usage.json", "session.sdk-0.7.3.json"])
@pytest.mark.parametrize("table", ["messages", "tool-calls", "sessions"])
def test_key_order(tmp_path: Path, name: str, table: str) -> None:
    """Whatever the order of keys and the white space, rows and totals are the same."""
    expected = rows(SAMPLES[name].data, tmp_path, table=table)
    totals = read(SAMPLES[name].data)[1].totals.to_dict()
    assert expected
    for what, data in variants(name):
        assert rows(data, tmp_path, table=table) == expected, what
        assert read(data)[1].totals.to_dict() == totals, what


LATE = b'{"title":"t","messages":[' + dump(message(0)) + b"," + dump(message(1)) + b'],"id":"late"}'
LATE_KEYS = [("late", 0, "m0"), ("late", 1, "m1")]


def test_id_after_messages(tmp_path: Path) -> None:
    """A seekable input whose id comes last is read once more for it: a path, bytes, a file object, compressed."""
    path = tmp_path / "in.json"
    path.write_bytes(LATE)
    assert keys_of(read(path)[0]) == keys_of(read(LATE)[0]) == keys_of(read(io.BytesIO(LATE))[0]) == LATE_KEYS
    assert keys_of(read(gzip.compress(LATE))[0]) == keys_of(read(zstandard.compress(LATE))[0]) == LATE_KEYS
    with path.open("rb") as file:
        assert keys_of(read(file)[0]) == LATE_KEYS


def test_id_after_messages_of_many_sessions() -> None:
    """Each session gets its own id, in arrays, concatenated, and mixed with sessions that have it first."""
    other = LATE.replace(b'"late"', b'"other"')
    plain = dump(session(message(5)))
    for data in (
        b"[" + LATE + b"," + plain + b"," + other + b"]",
        LATE + plain + other,
        b'{"result":' + LATE + b"}" + plain + other,
    ):
        assert keys_of(read(data)[0]) == [*LATE_KEYS, ("s", 0, "m5"), ("other", 0, "m0"), ("other", 1, "m1")]


def test_id_after_messages_of_a_large_session() -> None:
    """It does not matter how far behind the messages the id is."""
    big = (
        b'{"title":"t","messages":[' + b",".join(dump(message(n, content="x" * 2000)) for n in range(800)) + b'],"id":"big"}'
    )
    assert keys_of(read(big + LATE)[0]) == [("big", n, f"m{n}") for n in range(800)] + LATE_KEYS


def test_id_after_messages_in_a_pipe(tmp_path: Path) -> None:
    """A pipe can't be read once more: an error with that hint. A redirected file can."""
    with pytest.raises(NotAnExportError, match=r"`id` before its messages in a pipe, got the messages.*give a file"):
        read(iter([LATE]))
    done = speak("convert", "-", "-o", "out.ndjson", cwd=tmp_path, stdin=LATE)
    assert done.returncode == 3
    assert re.fullmatch(r"exportstream: <stdin>: .*`id` before its messages in a pipe.*; give a file.*\n", done.stderr)
    assert os.listdir(tmp_path) == []
    (tmp_path / "in.json").write_bytes(LATE)
    with (tmp_path / "in.json").open("rb") as file:
        done = speak("convert", "-", cwd=tmp_path, stdin=file)
    assert done.returncode == 0
    assert [json.loads(line)["sessionId"] for line in done.stdout.splitlines()] == ["late", "late"]


UNKNOWN: dict[str, Any] = {
    "new": 1.50,
    "null": None,
    "deep": {"toolCalls": [{"id": "x"}], "created_at": [], "": {}},
    "sessionId": "theirs",
    "messageIndex": 99,
    "index": 7,
    "extra": {"own": 1},
    "unknown_0": "slot",
    "a.b": True,
    'é\n"': "odd name",
    "session_id": "snake",
}


@pytest.mark.parametrize("count", [1, 40, 300])
def test_unknown_keys_kept(tmp_path: Path, count: int) -> None:
    """Unknown keys of session, message and tool call are all in `extra`, whatever they are called."""
    item = message(0, toolCalls=[tool_call(**UNKNOWN)], **UNKNOWN)
    data = dump(session_fields_last(*([item] * count), **UNKNOWN))
    expected = json.loads(dump(UNKNOWN), parse_float=Decimal)
    found, export = read(data)
    assert len(found) == count
    assert all(one.extra == expected for one in found)
    assert all(one.tool_calls is not None and one.tool_calls[0].extra == expected for one in found)
    assert export.session is not None
    assert export.session.extra == expected
    assert all(row["extra"] == expected for row in rows(data, tmp_path))
    assert all(row["extra"] == expected for row in rows(data, tmp_path, table="tool-calls"))
    assert [row["extra"] for row in rows(data, tmp_path, table="sessions")] == [expected]


def test_unknown_keys_kept_of_many_names() -> None:
    """Every message may bring other unknown keys, more than anyone can learn."""
    items = [message(n, **{f"key{n}": n}, toolCalls=[tool_call(**{f"call{n}": n})]) for n in range(120)]
    found = read(dump(session(*items)))[0]
    assert [one.extra for one in found] == [{f"key{n}": n} for n in range(120)]
    assert [one.tool_calls[0].extra for one in found if one.tool_calls] == [{f"call{n}": n} for n in range(120)]


@pytest.mark.parametrize("form", ["object", "array", "response"])
def test_unknown_keys_kept_also_without_a_name(form: str) -> None:
    """An empty key is a key as well, in a message and in a session."""
    one: Any = {"id": "s", "": 1, "title": "t", "messages": [message(0, **{"": 2}, toolCalls=[tool_call(**{"": 3})])]}
    found, export = read(dump({"object": one, "array": [one], "response": {"headers": {}, "result": one}}[form]))
    assert found[0].tool_calls is not None
    assert (found[0].extra, found[0].tool_calls[0].extra) == ({"": 2}, {"": 3})
    assert export.session is not None
    assert export.session.extra is not None
    assert export.session.extra[""] == 1


@pytest.mark.parametrize("value", [{"a": 1}, {"id": "x"}, {}, [], [{}], 1, None, "x"])
def test_unknown_keys_kept_also_when_called_result(value: Any) -> None:
    """A session may have an unknown key `result`, even as its first: it is kept as it was."""
    _, export = read(dump({"result": value, **session(message(0))}))
    assert export.session is not None
    assert (export.session.id, export.session.extra) == ("s", {"result": value})


SNAKE = {
    "id": "m1",
    "role": "assistant",
    "content": "x",
    "created_at": DATE,
    "updated_at": DATE,
    "finish_reason": "end_turn",
    "input_tokens": 5,
    "tool_calls": [tool_call(is_error=True, input_json={"camelCase": 1, "snake_case": 2})],
}
CAMEL = message(
    1,
    role="assistant",
    finishReason="end_turn",
    inputTokens=5,
    toolCalls=[tool_call(isError=True, inputJson={"camelCase": 1, "snake_case": 2})],
)


def test_both_spellings(tmp_path: Path) -> None:
    """snake_case and camelCase give the same rows, also mixed within one file and one message; inner keys stay."""
    expected = rows(dump(session_fields_last(CAMEL, CAMEL, CAMEL, toolCallCount=3)), tmp_path)
    assert expected[0]["toolCalls"][0]["inputJson"] == {"camelCase": 1, "snake_case": 2}
    half = {**CAMEL, "toolCalls": SNAKE["tool_calls"]}
    for items in (
        [SNAKE, SNAKE, SNAKE],
        [SNAKE, CAMEL, SNAKE],
        [CAMEL, SNAKE, CAMEL],
        [half, CAMEL, SNAKE],
        [CAMEL, half, half],
    ):
        data = dump(session_fields_last(*items, tool_call_count=3))
        assert rows(data, tmp_path) == expected
        assert read(data)[1].totals.declared.tool_calls == Count(3, 1)


@pytest.mark.parametrize(
    ("item", "names"),
    [
        (message(0, created_at=DATE), "'createdAt' and 'created_at'"),
        (message(0, inputTokens=1, input_tokens=None), "'inputTokens' and 'input_tokens'"),
        (message(0, toolCalls=[tool_call(isError=True, is_error=True)]), "'isError' and 'is_error'"),
    ],
)
def test_both_spellings_at_once(tmp_path: Path, item: Any, names: str) -> None:
    """The same field in both spellings in one object is refused, with both names."""
    refuse(dump(session(message(5), item)), f"got {names}", tmp_path, kind=InvalidMessageError)


def test_both_spellings_at_once_in_a_session(tmp_path: Path) -> None:
    """The same for the session's own fields."""
    refuse(
        dump(session_fields_last(message(0), toolCallCount=1, tool_call_count=1)),
        "'toolCallCount' and 'tool_call_count'",
        tmp_path,
    )


# --- values ---------------------------------------------------------------------------------------------------------

OPTIONAL = [
    "model",
    "finishReason",
    "reasoning",
    "reasoningDuration",
    "toolCalls",
    "inputTokens",
    "outputTokens",
    "cost",
    "thinkingBlocks",
]


def test_nulls(tmp_path: Path) -> None:
    """A null for an optional field is as if it were absent."""
    nulls = message(0, **dict.fromkeys(OPTIONAL))
    calls = message(
        1, toolCalls=[tool_call(**dict.fromkeys(["inputJson", "result", "isError", "metadata", "screenshotUrls"]))]
    )
    data = dump(session_fields_last(nulls, calls, cost=None, promptTokens=None, createdAt=None, toolCallCount=None))
    plain = dump(session(message(0), message(1, toolCalls=[tool_call()])))
    assert rows(data, tmp_path) == rows(plain, tmp_path)
    assert rows(data, tmp_path, table="sessions") == rows(plain, tmp_path, table="sessions")


@pytest.mark.parametrize(
    "item",
    [message(0, id=None), message(0, role=None), message(0, content=None)]
    + [message(0, toolCalls=[tool_call(**{name: None})]) for name in ("id", "name", "type", "input", "finished")],
    ids=["id", "role", "content", "call-id", "call-name", "call-type", "call-input", "call-finished"],
)
def test_nulls_for_required_fields(tmp_path: Path, item: Any) -> None:
    """A null for a required field is refused."""
    refuse(dump(session(message(5), item)), "expected (string|boolean), got null", tmp_path, kind=InvalidMessageError)


@pytest.mark.parametrize("name", ["id", "title"])
def test_nulls_for_required_session_fields(tmp_path: Path, name: str) -> None:
    """The same for the session's own required fields."""
    refuse(
        dump(session_fields_last(message(0), **{name: None})),
        f"got null for the session's '{name}'",
        tmp_path,
        kind=NotAnExportError,
    )


def test_nulls_for_dates(tmp_path: Path) -> None:
    """Null dates go through, with one warning that says what else may be missing and how to get it."""
    name = "session.sdk-0.8.1-no-alias.json"
    found, export = read(DATA / name)
    assert len(found) == export.notes.null_dates == 6
    assert all(one.created_at is None and one.updated_at is None for one in found)
    done = speak("convert", str(DATA / name), "-o", "-", "--quiet", cwd=tmp_path)
    assert done.returncode == 0
    assert re.fullmatch(r"exportstream: .*warning: 6 messages have null dates; if tool calls.*by_alias=True\n", done.stderr)


DATES = [
    "2025-10-03T10:00:00+05:30",
    "2025-10-03T10:00:00.123456789Z",
    "2025-10-03T10:00:00.10Z",
    "2025-10-03T10:00:00",
    "2025-10-03 10:00:00Z",
    "2025-10-03t10:00:00z",
    "2025-12-31T23:59:60Z",
    "2025-10-03",
    "yesterday",
    "",
]


def test_date_times(tmp_path: Path) -> None:
    """Date-times go through byte for byte, whatever they are; those that can't be parsed are counted."""
    data = dump(session(*(message(n, createdAt=text, updatedAt=text) for n, text in enumerate(DATES))))
    written = rows(data, tmp_path)
    assert [row["createdAt"] for row in written] == [row["updatedAt"] for row in written] == DATES
    found, export = read(data)
    parsed = [one.created_datetime is not None for one in found]
    assert parsed[0]
    assert not any(parsed[-3:])
    assert export.totals.counted.unparsed_dates == parsed.count(False)
    assert found[0].created_datetime is not None
    assert found[0].created_datetime.isoformat() == DATES[0]


@pytest.mark.parametrize("value", ["12", "null", "true", "[]"])
def test_date_times_that_are_no_text(tmp_path: Path, value: str) -> None:
    """A date that is no text is refused; only null is let through."""
    data = put(session(message(0, createdAt="@@")), value)
    if value == "null":
        assert contents(data) == ["x"]
    else:
        refuse(data, "expected string, got", tmp_path, kind=InvalidMessageError)


NUMBERS = [
    "0.10",
    "1.0",
    "-0.0",
    "0",
    "12345678901234567890",
    "0.1000000000000000000000000000000001",
    "1e400",
    "1E-400",
    "100",
    "1e2",
]


@pytest.mark.parametrize("number", NUMBERS)
def test_cost_and_numbers(tmp_path: Path, number: str) -> None:
    """Digits go through unchanged, as numbers: in cost, unknown keys and inputJson."""
    in_our_order = {"id": "c", "name": "Bash", "type": "tool_use", "finished": True, "input": ""}
    places = [
        message(0, cost="@@"),
        message(0, new="@@"),
        message(0, new={"a": ["@@"]}),
        message(0, toolCalls=[{**in_our_order, "inputJson": {"a": "@@"}}]),
    ]
    for item in places:
        data = put(session(item), number)
        exact = {"parse_float": Decimal, "parse_int": Decimal}
        given = json.loads(data, **exact)["messages"][0]
        target = tmp_path / "out.ndjson"
        convert(data, target, force=True)
        row = json.loads(target.read_bytes(), **exact)
        for one in (given, row):
            one.pop("id")
        found = repr(row.get("cost", row.get("extra", {}).get("new", row.get("toolCalls"))))
        assert found == repr(given.get("cost", given.get("new", given.get("toolCalls"))))
        if "e" not in number.lower():
            assert re.search(rf"[:\[]{re.escape(number)}[,}}\]]", target.read_text())


def test_cost_and_numbers_in_csv_and_sessions(tmp_path: Path) -> None:
    """The same in CSV and in the table of sessions."""
    data = put(session_fields_last(message(0), cost="@@"), "0.10")
    assert '"cost":0.10' in (rows(data, tmp_path, table="sessions"), (tmp_path / "rows.ndjson").read_text())[1]
    convert(put(session(message(0, cost="@@")), "0.10"), tmp_path / "out.csv")
    assert ",0.10," in (tmp_path / "out.csv").read_text()


def test_cost_and_numbers_sum_exactly() -> None:
    """Sums of costs are exact, however far apart the numbers are."""
    text = dump(session(*(message(n, cost="@@") for n in range(4)))).decode()
    for number in ("0.1", "1e400", "1e-400", "12345678901234567890"):
        text = text.replace('"@@"', number, 1)
    total = read(text.encode())[1].totals.counted.cost.sum
    assert total.as_tuple().exponent == -400
    assert total.adjusted() == 400
    assert len(total.as_tuple().digits) == 801


def test_cost_and_numbers_beyond_exact_sums(tmp_path: Path) -> None:
    """A cost whose exact sum nobody can write down is refused with its file's name, not silently rounded."""
    refuse(put(session(message(0, cost="@@")), "1e9999999999"), "digits|out of range", tmp_path)


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("session_totals", [True, False])
@pytest.mark.parametrize("declared", [True, False])
def test_cost_and_numbers_one_too_many(on: bool, session_totals: bool, declared: bool) -> None:
    """The error of a sum names the session with the cost that was one too many, not one that was read with it."""
    costs = {"s1": 1, "huge": "@1@", "s3": 2, "tiny": "@2@", "s5": 3}
    sessions = [
        session(message(0), message(1), id=name, cost=cost)
        if declared
        else session(message(0), message(1, cost=cost), id=name)
        for name, cost in costs.items()
    ]
    data = b"\n".join(map(dump, sessions)).replace(b'"@1@"', b"1e9000").replace(b'"@2@"', b"1e-9000")
    with (
        blocks(on),
        pytest.raises(LimitError, match=r"10,000 digits \(session tiny\)"),
        Export(data, session_totals=session_totals) as export,
    ):
        list(export.batches())


@pytest.mark.parametrize("value", ['"0.1"', "true", "[]", "{}", '""'])
def test_cost_and_numbers_of_another_type(tmp_path: Path, value: str) -> None:
    """A cost that is no number is refused, in a message and in a session."""
    refuse(put(session(message(0, cost="@@")), value), "expected number, got", tmp_path, kind=InvalidMessageError)
    refuse(put(session_fields_last(message(0), cost="@@"), value), "expected number, got", tmp_path, kind=NotAnExportError)


COUNTS = ["inputTokens", "outputTokens", "cacheCreationTokens", "cacheReadTokens", "reasoningDuration"]


@pytest.mark.parametrize("name", COUNTS)
def test_token_fields_given_other_numbers(tmp_path: Path, name: str) -> None:
    """12.0 is 12, written as 12; text, fractions and booleans are refused, or rejected on request."""
    for good in ("12.0", "12", "1.2e1"):
        data = put(session(message(0), message(1, **{name: "@@"})), good)
        assert repr(rows(data, tmp_path)[1][name]) == "12"
    for bad in ('"12"', "12.5", "true", "[12]"):
        data = put(session(message(0), message(1, **{name: "@@"}), message(2)), bad)
        with pytest.raises(InvalidMessageError, match="expected integer, got"):
            read(data)
        rejects: list[Any] = []
        assert keys_of(read(data, on_error="skip", rejects=rejects)[0]) == [("s", 0, "m0"), ("s", 2, "m2")]
        assert [(reject.index, reject.path) for reject in rejects] == [(1, f"$.{name}")]


@pytest.mark.parametrize("name", ["promptTokens", "completionTokens", "userMessageCount", "toolCallCount"])
def test_token_fields_given_other_numbers_in_a_session(tmp_path: Path, name: str) -> None:
    """The session's own counts: 12.0 is 12, the others are refused by the field's name."""
    assert (
        repr(rows(put(session_fields_last(message(0), **{name: "@@"}), "12.0"), tmp_path, table="sessions")[0][name]) == "12"
    )
    for bad in ('"12"', "12.5", "true"):
        with pytest.raises(NotAnExportError, match=f"{name}.*expected integer, got"):
            read(put(session_fields_last(message(0), **{name: "@@"}), bad))


def test_token_fields_given_other_numbers_command(tmp_path: Path) -> None:
    """The command stops with 3, or with --on-error skip writes the rejected message and exits with 5."""
    data = put(session(message(0), message(1, inputTokens="@@")), "true")
    refuse(data, "expected integer, got boolean", tmp_path, kind=InvalidMessageError)
    (tmp_path / "in.json").write_bytes(data)
    done = speak("convert", "in.json", "-o", "out.ndjson", "--on-error", "skip", "--force", cwd=tmp_path)
    assert done.returncode == 5
    assert "1 of 2 messages rejected" in done.stderr
    line = json.loads((tmp_path / "out.ndjson.rejects.ndjson").read_bytes())
    assert (line["source"], line["sessionId"], line["messageIndex"], line["path"]) == ("in.json", "s", 1, "$.inputTokens")
    assert line["message"] == message(1, inputTokens=True)


LONG = "9" * 4301


@pytest.mark.parametrize(
    "document",
    [
        session(message(0, cost="@@")),
        session(message(0, inputTokens="@@")),
        session(message(0, new="@@")),
        session_fields_last(message(0), new=["@@"]),
        session(message(0, toolCalls=[tool_call(inputJson={"a": "@@"})])),
        session_fields_last(message(0), cost="@@"),
        session("@@"),
        "@@",
    ],
)
def test_4300_digits(tmp_path: Path, document: Any) -> None:
    """An integer of more than 4,300 digits is refused wherever it stands and however it is cut into reads: no crash."""
    for number in (LONG, "-" + LONG, "9" * 100_000):
        data = put(document, number)
        for source in (data, iter([data[at : at + 1000] for at in range(0, len(data), 1000)])):
            with pytest.raises(LimitError, match="at most 4,300 digits"):
                read(source)
    refuse(put(document, LONG), "at most 4,300 digits", tmp_path, kind=LimitError)


def test_4300_digits_are_taken(tmp_path: Path) -> None:
    """4,300 digits are taken and written back, and a text of digits is only text."""
    data = put(session(message(0, content=LONG, new="@@")), LONG[1:])
    row = rows(data, tmp_path)[0]
    assert (row["content"], row["extra"]["new"]) == (LONG, int(LONG[1:]))


SURROGATES = {
    r"\ud800": "\ufffd",
    r"\udc00": "\ufffd",
    r"\ud83d\u0020": "\ufffd ",
    r"\uD83D\n": "\ufffd\n",
    r"\ud83dx": "\ufffdx",
    r"\ud83d\\ude42": "\ufffd\\ude42",
    r"\ud83d\ud83d\ude42": "\ufffd🙂",
    r"\ude42\ud83d": "\ufffd\ufffd",
    r"\ud83d\ude42": "🙂",
    r"\\ud800": r"\ud800",
    r"\\\ud800": "\\\ufffd",
}


@pytest.mark.parametrize("text", SURROGATES)
def test_lone_surrogates(tmp_path: Path, text: str) -> None:
    """Half of a surrogate pair becomes U+FFFD, never a wrong character, and each is counted; pairs stay."""
    expected = SURROGATES[text]
    data = put(session(message(0), message(1, content="@@"), message(2)), f'"{text}"')
    for source in (
        data,
        iter([data[at : at + 1] for at in range(len(data))]),
        iter([data[at : at + 3] for at in range(0, len(data), 3)]),
    ):
        found, export = read(source)
        assert [one.content for one in found] == ["x", expected, "x"]
        assert export.notes.replaced_surrogates == expected.count("\ufffd")
    assert rows(data, tmp_path)[1]["content"] == expected


def test_lone_surrogates_anywhere(tmp_path: Path) -> None:
    """They are replaced in keys, in nested values and in the session's own fields as well."""
    for document in (
        session(message(0, new={"@@": "@"})),
        session_fields_last(message(0), new=["@@"]),
        session(message(0), title="@@"),
    ):
        data = dump(document).replace(b'"@@"', rb'"\ud800"')
        found, export = read(data)
        assert export.notes.replaced_surrogates == 1
        assert "\ufffd" in f"{found[0].extra} {export.session}"
    (tmp_path / "in.json").write_bytes(data)
    done = speak("convert", "in.json", "-o", "-", "--quiet", cwd=tmp_path)
    assert done.returncode == 0
    assert re.fullmatch(
        r"exportstream: in\.json: warning: 1 half of a surrogate pair became U\+FFFD.*check.*\n", done.stderr
    )


BAD_UTF8 = [
    b"\xff",
    b"\x80",
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xed\xa0\x80",
    b"\xed\xa0\xbd\xed\xb9\x82",
    b"\xe2\x82",
    b"\xf4\x90\x80\x80",
]


@pytest.mark.parametrize("bad", BAD_UTF8)
def test_invalid_utf8(tmp_path: Path, bad: bytes) -> None:
    """Invalid UTF-8 is damage wherever it stands, also in a message that would be rejected for another reason."""
    documents: list[Any] = [
        session(message(0), message(1, content="@@")),
        session(message(0), message(1, new="@@")),
        session(message(0), {"content": "@@"}, message(2)),
        session(message(0), {"id": 1, "new": {"@@": 1}}, message(2)),
        session(message(0), message(1, **{"@@": 1})),
        session(message(0), message(1, toolCalls=[tool_call(inputJson={"@@": 1})])),
        session(message(0), title="@@"),
        session_fields_last(message(0), **{"@@": 1}),
    ]
    for document in documents:
        data = put(document, b'"' + bad + b'"')
        with pytest.raises(InputError, match=r"not JSON|UTF-8|UTF8") as caught:
            read(data)
        assert not isinstance(caught.value, InvalidMessageError)
        assert bad in damage_of(data)
    if bad == b"\xed\xa0\x80":
        refuse(data, "UTF-8|UTF8", tmp_path)


def test_nul_in_string(tmp_path: Path) -> None:
    """U+0000 in a string is kept, and escaped in NDJSON."""
    data = put(session(message(0, content="@@")), rb'"a\u0000b"')
    assert contents(data) == ["a\0b"]
    assert rows(data, tmp_path)[0]["content"] == "a\0b"
    assert rb"a\u0000b" in (tmp_path / "rows.ndjson").read_bytes()


NOT_JSON = [
    "NaN",
    "Infinity",
    "-Infinity",
    "nan",
    "01",
    "-01",
    "1.",
    ".5",
    "+1",
    "1e",
    "-",
    "--1",
    "0x10",
    "tru",
    "True",
    "None",
]
NOT_JSON += [
    "/*x*/1",
    "//x\n1",
    "1 /*x*/",
    "[1,]",
    '{"a":1,}',
    "[,1]",
    "[1 2]",
    "'a'",
    "{a:1}",
    '{"a"}',
    '{"a":1 "b":2}',
    "",
    "[1}",
]
NOT_JSON += [
    '"a\nb"',
    '"a\tb"',
    '"a\x00b"',
    '"a\x1fb"',
    r'"\x41"',
    r'"\u12"',
    r'"\u12g4"',
    r'"\ "',
    "\f1",
    "\v1",
    "\u00a01",
    "\ufeff1",
    "1\0",
]


@pytest.mark.parametrize("text", NOT_JSON)
def test_not_json_extras(text: str) -> None:
    """Text that is not JSON is refused in a message, deeper, and in the session; with skip it is damage."""
    documents: list[Any] = [
        session(message(0), message(1, new="@@"), message(2)),
        session(message(0, toolCalls=[tool_call(inputJson=["@@"])])),
    ]
    documents += [
        session_fields_last(message(0), new="@@"),
        session(message(0), "@@"),
        session(message(0), {"id": "@@"}, message(2)),
    ]
    for document in documents:
        if document is documents[1] and text == "":
            continue  # an empty array
        # A number that ends early is a message that is none, before what follows it is no JSON.
        early = document is documents[3]
        with pytest.raises(InputError if early else JSONSyntaxError, match="not JSON" + "|expected object" * early):
            read(put(document, text))
        damage = damage_of(put(document, text))
        assert damage
        assert early or text.encode() in damage


@pytest.mark.parametrize("inner", [b"%s,", b",%s", b"%s,,%s", b"%s %s", b"%s;%s", b"%s}", b"%s:%s"])
def test_not_json_extras_between_messages(tmp_path: Path, inner: bytes) -> None:
    """What stands between two messages has to be one comma."""
    data = b'{"id":"s","title":"t","messages":[' + inner.replace(b"%s", dump(message(0))) + b"]}"
    refuse(data, "not JSON", tmp_path, kind=JSONSyntaxError)


def test_not_json_extras_command(tmp_path: Path) -> None:
    """The command says where it is not JSON."""
    refuse(
        put(session(message(0), message(1, new="@@")), "NaN"),
        r"not JSON.*session s, message 1, last complete id m0, byte \d+",
        tmp_path,
    )


@pytest.mark.parametrize("name", ["id", "title", "cost", "new", "createdAt"])
def test_same_key_twice(tmp_path: Path, name: str) -> None:
    """The same key twice in a session is refused and named, before or behind the messages."""
    twice = f'"{name}":"{DATE}"'.encode() if name != "cost" else b'"cost":1'
    base = {"id": "s", "title": "t", "cost": 1, "new": 1, "createdAt": DATE}
    front = b"{" + twice + b"," + dump({**base, "messages": [message(0)]})[1:]
    back = dump({**base, "messages": [message(0)]})[:-1] + b"," + twice + b"}"
    split = dump({**base, "messages": [message(0)]}).replace(b'"messages"', twice + b',"messages"')
    for data in (front, back, split):
        with pytest.raises(NotAnExportError, match=f"each key of a session once, got '{name}' twice"):
            read(data)
    refuse(back, f"got '{name}' twice", tmp_path, kind=NotAnExportError)


@pytest.mark.parametrize(
    "text",
    [
        '"content":"first","content":"c"',
        '"content":5,"content":"c"',
        '"content":"c","inputTokens":1,"inputTokens":2',
        '"content":"c","inputTokens":"x","inputTokens":2',
        '"content":"c","new":1,"new":2',
        '"content":"c","new":{"a":1,"a":[2]}',
        '"content":"c","toolCalls":[],"toolCalls":[{"id":"c","id":"d","name":"n","type":"t","finished":true,"input":"","new":1,"new":2}]',
        '"content":"c","toolCalls":[{"id":"d","name":"n","type":"t","finished":true,"input":"","inputJson":{"a":1,"a":2}}]',
    ],
)
def test_same_key_twice_in_a_message(tmp_path: Path, text: str) -> None:
    """In a message and deeper the last one wins, as in every JSON reader."""
    data = b'{"id":"s","title":"t","messages":[' + dump(message(0)) + b',{"id":"m1","role":"user",' + text.encode()
    data += b',"createdAt":"","updatedAt":""},' + dump(message(2)) + b"]}"
    plain = dump(json.loads(data))
    assert plain != data
    assert rows(data, tmp_path) == rows(plain, tmp_path)


# --- sizes ----------------------------------------------------------------------------------------------------------

MEASURED = """
import re, resource, sys
from exportstream.cli.commands import main
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    main()
finally:
    with open("/proc/self/status") as file, open("peak", "w") as peak:
        peak.write(re.search(r"VmHWM:\\s+(\\d+) kB", file.read()).group(1))
"""
needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="measures memory in /proc")


def measure(*arguments: str, cwd: Path, limit: int) -> tuple[int, str, int]:
    """Run the command in a process of its own with that much memory: exit code, stderr, peak memory in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(limit), *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stderr.decode(), int((cwd / "peak").read_text()) * 1024


def nested(levels: int, kind: str) -> bytes:
    return {
        "arrays": b"[" * levels + b"]" * levels,
        "objects": b'{"a":' * levels + b"1" + b"}" * levels,
        "open": b"[" * levels,
    }[kind]


DEEP = {
    "message": session(message(0), message(1, new="@@")),
    "call": session(message(0, toolCalls=[tool_call(inputJson="@@")])),
    "session": session_fields_last(message(0), new="@@"),
    "messages": session("@@"),
    "root": "@@",
}


@needs_proc
@pytest.mark.parametrize("kind", ["arrays", "objects", "open"])
@pytest.mark.parametrize("place", DEEP)
def test_deep_nesting(tmp_path: Path, place: str, kind: str, blocks: bool) -> None:
    """40,000 levels are refused wherever they stand, within 200 MB of memory."""
    data = put(DEEP[place], nested(40_000, kind))
    with pytest.raises(InputError, match=r"at most 512 levels of objects and arrays|session object"):
        read(data)
    if blocks:
        (tmp_path / "in.json").write_bytes(data)
        code, text, peak = measure("convert", "in.json", "-o", "out.ndjson", cwd=tmp_path, limit=1 << 30)
        assert (code, text.count("\n")) == (3, 1), text
        assert peak < 200e6
        assert sorted(os.listdir(tmp_path)) == ["in.json", "peak"]


@pytest.mark.parametrize("kind", ["arrays", "objects"])
def test_deep_nesting_at_the_limit(tmp_path: Path, kind: str) -> None:
    """512 levels in all are taken, read and written; one more is not. Python's recursion limit stays what it was."""
    before = sys.getrecursionlimit()
    for document, around in ((DEEP["message"], 3), (DEEP["call"], 5), (DEEP["session"], 1)):
        for table in ("messages", "tool-calls", "sessions"):
            rows(put(document, nested(512 - around, kind)), tmp_path, table=table)
        with pytest.raises(LimitError, match="at most 512 levels"):
            read(put(document, nested(513 - around, kind)))
    assert sys.getrecursionlimit() == before


@needs_proc
def test_one_huge_string(tmp_path: Path) -> None:
    """A message of 50 MB takes at most five times its size."""
    text = b'"' + rb"some long text \"quoted\"\n" * 2_000_000 + b'"'
    (tmp_path / "in.json").write_bytes(put(session(message(0), message(1, content="@@"), message(2)), text))
    code, output, peak = measure("convert", "in.json", "-o", "out.ndjson", cwd=tmp_path, limit=1 << 30)
    assert code == 0, output
    assert peak < 5 * len(text)
    assert [json.loads(line)["id"] for line in (tmp_path / "out.ndjson").read_text().splitlines()] == ["m0", "m1", "m2"]


@pytest.mark.parametrize(
    ("limit", "length"), [(1000, 2000), (1000, 60_000), (100_000, 150_000), (1 << 20, 3 << 19), (2 << 20, 8 << 20)]
)
@pytest.mark.parametrize("place", ["first", "later"])
def test_one_huge_string_beyond_max_message_size(tmp_path: Path, limit: int, length: int, place: str) -> None:
    """A message larger than --max-message-size is refused with that hint, wherever it stands; others are taken."""
    items = [message(n) for n in range(10)]
    items.insert(0 if place == "first" else 5, message(99, content="x" * length))
    refuse(
        dump(session(*items)),
        f"at most {limit:,} bytes.*(--max-message-size|`max_message_size`)",
        tmp_path,
        kind=LimitError,
        options=("--max-message-size", str(limit)),
        max_message_size=limit,
    )


@pytest.mark.parametrize("limit", [1000, 100_000, 2 << 20])
def test_one_huge_string_within_max_message_size(limit: int) -> None:
    """Messages within the limit are taken, however many there are."""
    data = dump(session(*(message(n, content="x" * (limit * 8 // 10)) for n in range(7))))
    assert len(read(data, max_message_size=limit)[0]) == 7


# --- many sessions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["array", "lines", "concatenated", "mixed"])
def test_many_sessions_and_repeated_ids(tmp_path: Path, form: str) -> None:
    """Sessions come one after the other in any form; the same ids again count again, with a warning within a session."""
    parts = [
        session_fields_last(message(0), message(1), message(0), promptTokens=5),
        session(message(0), id="s2"),
        session(message(0)),
    ]
    data = {
        "array": dump(parts),
        "lines": b"\n".join(map(dump, parts)) + b"\n",
        "concatenated": b"".join(map(dump, parts)),
        "mixed": dump(parts[:1]) + dump({"headers": {}, "result": parts[1]}) + dump(parts[2]),
    }[form]
    found, export = read(data)
    assert keys_of(found) == [("s", 0, "m0"), ("s", 1, "m1"), ("s", 2, "m0"), ("s2", 0, "m0"), ("s", 0, "m0")]
    assert figures_of(export.totals) == (3, 5, 0, None, 5)
    assert (export.sessions, export.notes.repeated_ids) == (3, 1)
    (tmp_path / "in.json").write_bytes(data)
    if form == "lines":
        done = speak("convert", "in.json", "-o", "-", "--quiet", cwd=tmp_path)
        assert done.returncode == 0
        assert re.fullmatch(r"exportstream: in\.json: warning: at least 1 message repeats an id.*--dedupe.*\n", done.stderr)


def test_repeated_ids_are_remembered_for_thousands_of_messages() -> None:
    """An id that comes again within 4,000 messages is counted, however many came before; each time it comes."""
    numbers = [*range(20_000), *range(16_000, 20_000), 19_999, 19_999]
    _, export = read(dump(session(*(message(n) for n in numbers))))
    assert export.notes.repeated_ids == 4_002


def figures_of(totals: Totals) -> tuple[Any, ...]:
    """Sessions, messages, tool calls, counted cost and declared prompt tokens."""
    counted, declared = totals.counted, totals.declared
    return totals.sessions, counted.messages, counted.tool_calls, counted.cost.sum, declared.prompt_tokens.sum


def test_dedupe(tmp_path: Path) -> None:
    """--dedupe drops a message or session id that comes again, in the totals and in the rows."""
    twice = session_fields_last(
        message(0, cost=1, toolCalls=[tool_call()]),
        message(0, cost=1, toolCalls=[tool_call()]),
        message(1, cost=2),
        promptTokens=7,
        cost=3,
    )
    data = dump([twice, session_fields_last(message(0, cost=4), id="s2", promptTokens=1), twice])
    plain, once = read(data)[1].totals, read(data, dedupe=True)[1].totals
    assert figures_of(plain) == (3, 7, 4, 12, 15)
    assert figures_of(once) == (2, 3, 1, 7, 8)
    kept = [("s", 0), ("s", 2), ("s2", 0)]
    assert [(row["sessionId"], row["messageIndex"]) for row in rows(data, tmp_path, dedupe=True)] == kept
    assert [(one.session_id, one.index) for one in iter_messages(data, dedupe=True)] == kept
    with open_export(data, dedupe=True) as export:
        assert [(one.session_id, one.index) for one in export] == kept
        assert figures_of(export.totals) == figures_of(once)
        assert (export.accepted, export.duplicates, export.notes.repeated_ids) == (7, Duplicates(4, 1), 0)
    (tmp_path / "in.json").write_bytes(data)
    done = speak("totals", "in.json", "--json", "--dedupe", cwd=tmp_path)
    assert done.returncode == 0
    figures = json.loads(done.stdout)
    assert (figures["sessions"], figures["counted"]["messages"]) == (2, 3)
    assert figures["declared"]["promptTokens"] == {"sum": 8, "count": 2}


def test_declared_differs(tmp_path: Path) -> None:
    """Declared and counted figures are both shown, and the difference is marked."""
    item = message(0, inputTokens=10, outputTokens=2, cost=0.25)
    data = dump(
        session_fields_last(
            item, userMessageCount=2, assistantMessageCount=0, toolCallCount=0, promptTokens=11, completionTokens=2, cost=0.5
        )
    )
    totals = read(data)[1].totals
    assert totals.differences() == {
        "userMessages": Difference(2, 1),
        "promptTokens": Difference(11, 10),
        "cost": Difference(Decimal("0.5"), Decimal("0.25")),
    }
    (tmp_path / "in.json").write_bytes(data)
    done = speak("totals", "in.json", cwd=tmp_path)
    assert done.returncode == 0
    assert re.search(r"prompt / input tokens +11 +10 +-1\n", done.stdout)
    assert re.search(r"cost \(USD\) +0\.5 +0\.25 +-0\.25\n", done.stdout)
    assert speak("check", "in.json", cwd=tmp_path).returncode == 0
    strict = speak("check", "in.json", "--strict", cwd=tmp_path)
    assert strict.returncode == 3
    assert "promptTokens: declared 11, counted 10" in strict.stdout


# --- containers -----------------------------------------------------------------------------------------------------

PLAIN = dump(session(*(message(n, content=f"text {n * n}") for n in range(20))))
ZSTD = zstandard.ZstdCompressor(write_checksum=True).compress(PLAIN)


def raw_frame(data: bytes, window_log: int) -> bytes:
    """A zstd frame that asks for a window of 2**window_log bytes and holds one stored block."""
    return b"\x28\xb5\x2f\xfd\x00" + bytes([(window_log - 10) << 3]) + (len(data) << 3 | 1).to_bytes(3, "little") + data


def test_zstd_cut_corrupt_window_garbage(tmp_path: Path) -> None:
    """A zstd frame cut at any byte is called cut, with the number of bytes there were."""
    for length in range(4, len(ZSTD)):
        with pytest.raises(CutInputError, match=f"the compressed input is cut after {length:,} bytes"):
            read(ZSTD[:length])
    refuse(ZSTD[:-1], f"the compressed input is cut after {len(ZSTD) - 1} bytes", tmp_path, kind=CutInputError)
    refuse(ZSTD[:30], "the compressed input is cut after 30 bytes", tmp_path, kind=CutInputError)
    refuse(ZSTD + ZSTD[:9], f"the compressed input is cut after {len(ZSTD) + 9} bytes", tmp_path, kind=CutInputError)


def test_zstd_cut_corrupt_window_garbage_flipped() -> None:
    """A flipped bit anywhere is an error; the checksum sees what the decoder does not."""
    for place in range(4, len(ZSTD)):
        data = bytearray(ZSTD)
        data[place] ^= 0x10
        try:
            found = contents(bytes(data))
        except (CompressionError, CutInputError) as error:
            assert re.search("damaged|cut after|follows|window", str(error))  # noqa: PT017 - either way is right
        else:
            assert found == contents(PLAIN), place  # a bit without meaning


def test_zstd_cut_corrupt_window_garbage_dictionary(tmp_path: Path) -> None:
    """A frame that needs a dictionary is refused as such."""
    dictionary = zstandard.ZstdCompressionDict(b"some words " * 100, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    data = bytearray(zstandard.ZstdCompressor(dict_data=dictionary).compress(PLAIN))
    refuse(bytes(data[:4]) + b"\x03" + b"\x20\x07\x00\x00\x00" + bytes(data[5:]), "damaged", tmp_path, kind=CompressionError)


def test_zstd_cut_corrupt_window_garbage_window(tmp_path: Path) -> None:
    """A window above 128 MiB is refused with the hint; --max-window allows it, and can ask for less."""
    data = raw_frame(PLAIN, 28)
    assert contents(raw_frame(PLAIN, 27)) == contents(PLAIN)
    refuse(data, "window of more than 134,217,728 bytes.*(--max-window|`max_window`)", tmp_path, kind=CompressionError)
    assert contents(data, max_window=256 << 20) == contents(PLAIN)
    with pytest.raises(CompressionError, match="window of more than 1,048,576 bytes"):
        read(raw_frame(PLAIN, 21), max_window=1 << 20)
    (tmp_path / "in.zst").write_bytes(data)
    done = speak("convert", "in.zst", "-o", "-", "--quiet", "--max-window", "256MiB", cwd=tmp_path)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 20)
    assert speak("convert", "in.zst", "-o", "-", "--max-window", "huge", cwd=tmp_path).returncode == 2


@pytest.mark.parametrize("tail", [b"x", b"\0", b"\0" * 1000, b"{}", b"\n", gzip.compress(b"{}", mtime=0)])
def test_zstd_cut_corrupt_window_garbage_after_the_frame(tmp_path: Path, tail: bytes) -> None:
    """Whatever follows the last frame and is no frame is refused."""
    refuse(ZSTD + tail, f"something else follows the zstd data.*byte {len(ZSTD)}", tmp_path, kind=CompressionError)


@needs_proc
@pytest.mark.parametrize("kind", ["space", "string"])
def test_bomb(tmp_path: Path, kind: str) -> None:
    """A bomb that holds 50 MB of nothing does not take memory."""
    before, after = {
        "space": (b'{"id":"s",', b'"title":"t","messages":[]}'),
        "string": (b'{"id":"s","messages":[{"id":"', b'"}]}'),
    }[kind]
    worker = zstandard.ZstdCompressor(level=3).compressobj()
    parts = (
        [worker.compress(before)]
        + [worker.compress(b" " * 1_000_000) for _ in range(50)]
        + [worker.compress(after), worker.flush()]
    )
    (tmp_path / "in.zst").write_bytes(b"".join(parts))
    assert sum(map(len, parts)) < 8_000
    code, text, peak = measure(
        "convert", "in.zst", "-o", "out.ndjson", "--max-message-size", "2MB", cwd=tmp_path, limit=1 << 30
    )
    assert code == (0 if kind == "space" else 3), text
    assert peak < 64e6


def test_gzip_cut_checksum_empty(tmp_path: Path) -> None:
    """A gzip file that is cut at any byte, has a bad checksum or length, or holds nothing."""
    data = gzip.compress(PLAIN)
    for length in range(2, len(data)):
        with pytest.raises(CutInputError, match=f"the compressed input is cut after {length:,} bytes"):
            read(data[:length])
    refuse(data[:20], "the compressed input is cut after 20 bytes", tmp_path, kind=CutInputError)
    for place in (-1, -8):
        broken = bytearray(data)
        broken[place] ^= 1
        refuse(bytes(broken), "the gzip data is damaged", tmp_path, kind=CompressionError)
    refuse(gzip.compress(b""), "empty input", tmp_path)
    refuse(zstandard.compress(b""), "empty input", tmp_path)


# --- reading --------------------------------------------------------------------------------------------------------


class Failing(io.RawIOBase):
    """A file whose read fails after some bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        found = self.data.read(size)
        if not found:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return found


@pytest.mark.parametrize("length", [0, 10, 500, len(PLAIN) - 1, len(PLAIN)])
def test_read_fails(tmp_path: Path, length: int) -> None:
    """A read that fails is the system's error, in its words, never a cut input; nothing is written."""
    with pytest.raises(ReadError, match="Input/output error") as caught:
        convert(Failing(PLAIN[:length]), tmp_path / "out.ndjson", on_error="skip")
    assert exit_code(caught.value) == 4
    assert isinstance(caught.value.__cause__, OSError)
    assert os.listdir(tmp_path) == []


def test_read_fails_when_the_file_changes(tmp_path: Path) -> None:
    """A file that grows while it is read is refused."""
    path = tmp_path / "in.json"
    path.write_bytes(dump(session(*(message(n, content="x" * 3000) for n in range(1000)))))
    with open_export(path) as export:
        next(export)
        with path.open("ab") as file:
            file.write(b"\n")
        with pytest.raises(ReadError, match="the file changed while it was read"):
            list(export)


@pytest.mark.parametrize(("name", "text"), [("missing.json", "No such file"), ("/proc/self/mem", "Input/output error")])
def test_read_fails_command(tmp_path: Path, name: str, text: str) -> None:
    """The command exits with 4 and the system's words, and leaves nothing behind."""
    if name.startswith("/proc") and not os.path.exists(name):
        pytest.skip("no such file here")
    done = speak("convert", name, "-o", "out.ndjson", cwd=tmp_path)
    assert done.returncode == 4
    assert re.fullmatch(rf"exportstream: {re.escape(name)}: .*{text}.*\n", done.stderr)
    assert os.listdir(tmp_path) == []
