"""The law for sizes: bytes by field and the largest messages equal what stands in the rows of a merge, and in the input."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from exportstream import GroupTable, merge_many, totals_many
from tests.kit import rollouts, transcripts
from tests.kit.documents import dump, message, session, sessions

TEXTS = {"content", "reasoning", "input", "metadata", "result"}
BIG = ("content", "reasoning", "thinkingBlocks", "redactedThinkingBlocks", "attachments")
BIG_OF_CALL = ("input", "inputJson", "metadata", "screenshotUrls", "result")
COPY = re.compile(b'"usageState":"(repeated|replayed)"')
LAYOUTS = st.sampled_from([b"[%b]", b"%b"])

Raw = dict[str, msgspec.Raw]
Sizes = dict[tuple[str, str | None], int]


def size(name: str, value: Any) -> int:
    """Bytes of a field: a text as UTF-8, anything else as compact JSON."""
    return len(json.loads(bytes(value)).encode() if name in TEXTS else bytes(value))


def object_of(value: Any) -> Raw:
    return msgspec.json.decode(value or b"{}", type=Raw)


def sizes_of(row: bytes) -> Sizes:
    """Bytes of each field in a row of NDJSON, by name and tool."""
    keys = object_of(row)
    found = {(name, None): size(name, keys[name]) for name in BIG if name in keys}
    found |= {(f"extra.{key}", None): len(bytes(value)) for key, value in object_of(keys.get("extra")).items()}
    added: Counter[Any] = Counter(found)
    for raw in msgspec.json.decode(keys.get("toolCalls") or b"[]", type=list[Raw] | None) or ():
        tool = json.loads(bytes(raw["name"]))
        added.update({(f"toolCalls.{name}", tool): size(name, raw[name]) for name in BIG_OF_CALL if name in raw})
        extra = object_of(raw.get("extra"))
        added.update({(f"toolCalls.extra.{key}", tool): len(bytes(value)) for key, value in extra.items()})
    return dict(added)


def rows_of(source: Path) -> list[bytes]:
    """The rows of a merge that totals count."""
    target = source.with_name("rows.ndjson")
    merge_many(source, target, force=True)
    return [row for row in target.read_bytes().splitlines() if not COPY.search(row)]


def found_in(table: GroupTable) -> dict[Any, Any]:
    return {row.key: row.figures["bytes"] for row in table.rows if row.figures["bytes"]}


def check_law(source: Path) -> GroupTable:
    """Compare the tables with the rows; return that of messages."""
    rows = rows_of(source)
    by_field, by_tool, by_role, messages = totals_many(
        source, by=["field", "field,tool", "role,field", "message"], top=3
    ).tables
    sizes = [sizes_of(row) for row in rows]
    whole: Counter[Any] = sum(map(Counter, sizes), Counter())
    top = totals_many(source, by=["field", "field,tool", "role,field"]).tables
    assert found_in(top[1]) == {key: value for key, value in whole.items() if value}
    named: Counter[Any] = Counter()
    for (name, tool), value in whole.items():
        named[f"{name}.{tool}" if name == "toolCalls.result" else name,] += value
    assert found_in(top[0]) == {key: value for key, value in named.items() if value}
    of_roles = Counter(
        json.loads(row)["role"] for row, one in zip(rows, sizes, strict=True) for _ in range(sum(one.values()))
    )
    found: Counter[Any] = Counter()
    for key, value in found_in(top[2]).items():
        found[key[0]] += value
    assert found == of_roles
    for table in (by_field, by_tool, by_role, messages):
        assert table.total.figures["bytes"] == sum(whole.values())
    largest = sorted((sum(one.values()) for one in sizes), reverse=True)
    assert [row.figures["bytes"] for row in messages.rows] == largest[:3]
    assert messages.other_groups == max(len(largest) - 3, 0)
    if messages.others is not None:
        assert messages.others.figures["bytes"] == sum(largest[3:])
    return messages


@settings(max_examples=12, deadline=None)
@given(st.lists(sessions(), min_size=1, max_size=4), LAYOUTS)
def test_sizes_are_those_of_the_rows(made: list[dict[str, Any]], layout: bytes) -> None:
    """Bytes by field add up to the rows, and a position is where the input has that message."""
    documents = {f"s{number}": {**one, "id": f"s{number}"} for number, one in enumerate(made)}
    separator = b"," if layout == b"[%b]" else b"\n"
    data = layout % separator.join(map(dump, documents.values()))
    with TemporaryDirectory() as folder:
        source = Path(folder, "in.json")
        source.write_bytes(data)
        for row in check_law(source).rows:
            position, index = row.figures["position"], row.figures["messageIndex"]
            if position is not None:
                there, _ = json.JSONDecoder().raw_decode(data[int(position) :].decode())
                assert there == json.loads(dump(documents[str(row.key[1])]["messages"][int(index or 0)]))


def test_messages_in_usual_exports_have_positions(tmp_path: Path) -> None:
    """Sessions of an archive, messages of a large session, and one that is larger than a block are all found."""
    some = [message(number, content="x" * 40 * number) for number in range(300)]
    data = dump(session(*some, message(300, content="y" * 3_000_000), message(301), id="large"))
    data += b"\n" + b"\n".join(dump(session(message(), id=f"small{number}")) for number in range(50))
    source = tmp_path / "in.ndjson"
    source.write_bytes(data)
    (table,) = totals_many(source, by="message", top=2000).tables
    assert len(table.rows) == 352
    for row in table.rows:
        position = row.figures["position"]
        assert position is not None
        assert data[int(position) :].startswith(b'{"id":"m%d"' % row.figures["messageIndex"])


def test_a_row_of_a_log_begins_at_its_first_line(tmp_path: Path) -> None:
    """In a log the position is that of a line; of a rollout the lines come in the order of the rows."""
    for seed in range(3):
        for made in (rollouts.drawn(seed), transcripts.drawn(seed)):
            source = tmp_path / f"{seed}.jsonl"
            source.write_bytes(data := made.data)
            check_law(source)
            (table,) = totals_many(source, by="message", top=1000).tables
            places = sorted((int(row.figures["messageIndex"] or 0), int(row.figures["position"] or 0)) for row in table.rows)
            positions = [position for _, position in places]
            assert all(position == 0 or data[position - 1 : position] == b"\n" for position in positions)
            assert len({*positions}) > 3
            if isinstance(made, rollouts.Rollout):
                assert positions == sorted(positions)
