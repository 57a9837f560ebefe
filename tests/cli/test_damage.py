"""Damage through the command: what is skipped, what is rejected, and repaired rejects as an input."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import zipfile
from pathlib import Path

import zstandard

from exportstream import convert, open_export
from tests.kit.chats import claude_ai
from tests.kit.command import run, said
from tests.kit.documents import dump, message, session
from tests.kit.files import DATA, lines, names
from tests.kit.rollouts import Rollout

SAMPLE = DATA / "session.json"


def test_skip_goes_on_after_damage(tmp_path: Path) -> None:
    """--on-error skip writes damaged bytes to the rejects with their position, goes on with the next message, and ends with 5."""
    text = SAMPLE.read_bytes()
    place = text.index(b'"7b0f3c1e-0002"') + 4
    (tmp_path / "damaged.json").write_bytes(text[:place] + b"\xff" + text[place + 1 :])
    stopped = run("convert", "damaged.json", "-o", "out.ndjson", cwd=tmp_path)
    assert (stopped.returncode, b"; --on-error skip goes on after the damage\n" in stopped.stderr) == (3, True)
    done = run("convert", "damaged.json", "-o", "out.ndjson", "--on-error", "skip", "--report", "r.json", cwd=tmp_path)
    assert done.returncode == 5
    assert b"1 damaged stretch (" in done.stderr
    rows = lines((tmp_path / "out.ndjson").read_bytes())
    assert [row["messageIndex"] for row in rows] == [0, 2, 3, 4, 5]
    (reject,) = lines((tmp_path / "out.ndjson.rejects.ndjson").read_bytes())
    assert (reject["messageIndex"], "message" in reject) == (1, False)
    damaged = base64.b64decode(reject["base64"])
    assert text[reject["position"] :].startswith(damaged[: damaged.index(b"\xff")])
    notes = json.loads((tmp_path / "r.json").read_bytes())["notes"]
    assert (notes["damaged"], notes["damagedBytes"]) == (1, len(damaged))


def test_damaged_compression_is_suspected(tmp_path: Path) -> None:
    """A checksum comes after what it covers: an error in the JSON before it says how to test the file, and so does its own."""
    text = SAMPLE.read_bytes()
    (tmp_path / "wrong.json.gz").write_bytes(gzip.compress(text[:-300] + b"\0" + text[-300:]))
    packed = bytearray(gzip.compress(text))
    packed[-8] ^= 1  # of the checksum
    (tmp_path / "flipped.json.gz").write_bytes(packed)
    wrong, flipped = (run("totals", f"{name}.json.gz", cwd=tmp_path) for name in ("wrong", "flipped"))
    assert (wrong.returncode, flipped.returncode) == (3, 3)
    assert b"not JSON" in wrong.stderr
    assert wrong.stderr.endswith(b"; the gzip data may be damaged: test it with gzip -t\n")
    assert b"the gzip data is damaged: its checksum differs (" in flipped.stderr
    assert flipped.stderr.endswith(b"; copy or download it again, or --on-error skip keeps the complete messages\n")
    kept = ("convert", "flipped.json.gz", "-o", "out/", "--on-error", "skip", "--update")
    done = run(*kept, "--report", "r.json", cwd=tmp_path)
    assert (done.returncode, json.loads((tmp_path / "r.json").read_bytes())["rows"]) == (5, 6)
    assert b"so that any row of this input may be wrong; kept 6 complete messages" in done.stderr
    assert json.loads((tmp_path / "r.json").read_bytes())["doubtful"] == ["flipped.json.gz"]
    assert b"any row of 1 input may be wrong: a checksum differed\n" in run(*kept, cwd=tmp_path).stderr
    merge = ("convert", "*.json.gz", "--merge", "-o", "all.ndjson", "--on-error", "skip", "--update")
    assert run(*merge, cwd=tmp_path).returncode == 5
    done = run(*merge, cwd=tmp_path)
    assert (done.returncode, b"2 up to date" in done.stderr) == (5, True)
    assert b"any row of 1 input may be wrong: a checksum differed\n" in done.stderr


def test_wrong_checksums_of_every_kind(tmp_path: Path) -> None:
    """Whatever decompressed before its checksum differed may be wrong, and is counted so; a cut is no such case."""
    text = b"".join(SAMPLE.read_bytes() for _ in range(2000))
    packed = {
        "gzip": (gzip.compress(text, 1), -8),
        "zstd": (zstandard.ZstdCompressor(1, write_checksum=True).compress(text), -1),
        "bzip2": (bz2.compress(text), -5),
        "xz": (lzma.compress(text, preset=0), -29),
    }
    for name, (data, place) in packed.items():
        changed = bytearray(data)
        changed[place] ^= 1
        for damaged, expected in ((bytes(changed), 1), (data[:place], 0)):
            with open_export(damaged, on_error="skip") as export:
                for _ in export.batches():
                    pass
            assert (name, export.partial, export.notes.doubtful) == (name, True, expected)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m.json", text)
    path = tmp_path / "x.zip"
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\1\2") + 16] ^= 1  # of the checksum
    path.write_bytes(data)
    assert convert(f"{path}::m.json", tmp_path / "m.ndjson", on_error="skip").doubtful == [f"{path}::m.json"]


def test_damage_in_a_session_without_messages_so_far(tmp_path: Path) -> None:
    """What is not UTF-8, or a control character, hints at --on-error skip also before the first message."""
    text = SAMPLE.read_bytes()
    place = text.index(b'"title"') + 9
    for byte in (b"\xff", b"\x01"):
        (tmp_path / "in.json").write_bytes(text[:place] + byte + text[place:])
        assert said(run("totals", "in.json", cwd=tmp_path))[-1].endswith("; --on-error skip goes on after the damage")


def test_damage_only_is_an_error(tmp_path: Path) -> None:
    """A file in which nothing can be recovered is refused, also with --on-error skip."""
    (tmp_path / "damaged.json").write_bytes(b'{"id":"s",]' * 1000)
    done = run("convert", "damaged.json", "-o", "out.ndjson", "--on-error", "skip", cwd=tmp_path)
    assert done.returncode == 3
    assert b"not JSON" in done.stderr
    assert "out.ndjson" not in names(tmp_path)


def test_a_cut_log_keeps_its_complete_lines(tmp_path: Path) -> None:
    """A compressed log that is cut gives the rows of its complete lines, and exit code 5; check reports the rest."""
    rollout = Rollout().meta().turn().user()
    packed = zstandard.compress(rollout.data) + zstandard.compress(Rollout().say().data)[:-5]
    (tmp_path / "log.jsonl.zst").write_bytes(packed)
    done = run("convert", "log.jsonl.zst", "-o", "out.ndjson", cwd=tmp_path)
    assert done.returncode == 5
    assert b"log.jsonl.zst: the input is cut, or damaged up to its end; kept 1 complete message" in done.stderr
    assert len(lines((tmp_path / "out.ndjson").read_bytes())) == 1
    (reject,) = lines((tmp_path / "out.ndjson.rejects.ndjson").read_bytes())
    assert (reject["position"], "is cut after" in reject["reason"]) == (len(rollout.data), True)
    assert run("convert", "log.jsonl.zst", "-o", "-", "--on-error", "stop", cwd=tmp_path).returncode == 3
    checked = run("check", "log.jsonl.zst", cwd=tmp_path)
    assert (checked.returncode, b"1 damaged stretch: " in checked.stdout) == (3, True)


def test_what_follows_a_compressed_log_has_a_place(tmp_path: Path) -> None:
    """The reject says after how many bytes of the file it comes; no size is told of what is not read."""
    packed = gzip.compress(Rollout().meta().turn().user().data)
    (tmp_path / "log.jsonl.gz").write_bytes(packed + b"more")
    done = run("convert", "log.jsonl.gz", "-o", "out.ndjson", cwd=tmp_path)
    assert (done.returncode, b"; 1 damaged stretch rejected into out.ndjson.rejects.ndjson\n" in done.stderr) == (5, True)
    (reject,) = lines((tmp_path / "out.ndjson.rejects.ndjson").read_bytes())
    assert reject["reason"] == f"something else follows the gzip data after {len(packed)} bytes"


def test_a_cut_before_anything_could_be_read_has_a_next_step(tmp_path: Path) -> None:
    """The first bytes of compressed data may bring nothing, so there is nothing to keep."""
    (tmp_path / "cut.json.bz2").write_bytes(bz2.compress(SAMPLE.read_bytes())[:-20])
    for more in ((), ("--on-error", "skip")):
        assert said(run("totals", "cut.json.bz2", *more, cwd=tmp_path))[-1].endswith("; copy or download it again")


def test_damage_in_the_first_chat_has_a_next_step(tmp_path: Path) -> None:
    """The hint is as after complete ones, since the next may be whole; where none was, it is another."""
    for name, texts in (("two", "bg"), ("one", "b")):
        text = dump([claude_ai({"text": text}) for text in texts])
        (tmp_path / f"{name}.json").write_bytes(text.replace(b'"b"', b'"\xff"'))
        assert said(run("totals", f"{name}.json", cwd=tmp_path))[-1].endswith("; --on-error skip goes on after the damage")
    skipped = {name: run("totals", f"{name}.json", "--on-error", "skip", cwd=tmp_path) for name in ("two", "one")}
    assert {name: done.returncode for name, done in skipped.items()} == {"two": 5, "one": 3}
    assert said(skipped["one"])[-1].endswith("; export it again")


def test_repaired_rejects_are_an_input(tmp_path: Path) -> None:
    """Rejects that were repaired give rows with their old session and index; those that were not are rejected again."""
    made = [message(number, id=f"m{number}", content=f"é {number}") for number in range(8)]
    text = dump(session(*made[:5], {"id": "m5", "role": "user"}, *made[6:], id="a")) + b"\n" + dump(session(*made, id="b"))
    damaged = text.replace(b'"m2","role":"user"', b'"m2","role":"us\n"', 1)
    second = damaged.rindex(b'"m4"')
    (tmp_path / "in.json").write_bytes(damaged[:second] + b"\0" + damaged[second + 1 :])
    assert run("convert", "in.json", "-o", "out.ndjson", "--on-error", "skip", cwd=tmp_path).returncode == 5
    rejects = lines((tmp_path / "out.ndjson.rejects.ndjson").read_bytes())
    assert [(one["sessionId"], one["messageIndex"]) for one in rejects] == [("a", 2), ("a", 5), ("b", 4)]
    rejects[0]["bytes"] = rejects[0]["bytes"].replace("us\n", "user")
    rejects[1]["message"] = made[5]
    (tmp_path / "repaired.ndjson").write_bytes(b"".join(dump(one) + b"\n" for one in rejects))
    stopped = run("convert", "repaired.ndjson", "-o", "fixed.ndjson", cwd=tmp_path)
    assert (stopped.returncode, b"not JSON" in stopped.stderr) == (3, True)
    done = run("convert", "repaired.ndjson", "-o", "fixed.ndjson", "--on-error", "skip", cwd=tmp_path)
    assert done.returncode == 5
    fixed = lines((tmp_path / "fixed.ndjson").read_bytes())
    assert [(row["sessionId"], row["messageIndex"], row["id"]) for row in fixed] == [("a", 2, "m2"), ("a", 5, "m5")]
    (again,) = lines((tmp_path / "fixed.ndjson.rejects.ndjson").read_bytes())
    assert again["base64"] == rejects[2]["base64"]
    (tmp_path / "in.ndjson.rejects.ndjson").write_bytes(b"".join(dump(one) + b"\n" for one in rejects[:2]))
    assert run("convert", "in.ndjson.rejects.ndjson", "-o", "in.ndjson", cwd=tmp_path).returncode == 0
    assert lines((tmp_path / "in.ndjson").read_bytes()) == fixed
    refused = run("convert", "in.ndjson.rejects.ndjson", "-o", "in.ndjson", "-f", "--on-error", "skip", cwd=tmp_path)
    assert said(refused)[0].endswith("the file of rejects is the input; give it a name of its own with --rejects")
