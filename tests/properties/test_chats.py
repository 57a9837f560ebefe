"""The law for chats: totals are the sums over the rows of a merge, by every word."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exportstream import merge_many, totals_many
from tests.kit.chats import claude_ai, drawn, opencode
from tests.kit.documents import dump
from tests.kit.files import rows, zipped

ANSWER = {"role": "assistant", "modelID": "m", "cost": Decimal("0.1"), "tokens": {"input": 3, "output": 4, "reasoning": 1}}
USE = {"type": "tool_use", "id": "t", "name": "search", "input": {}}


@pytest.mark.parametrize("seed", range(3))
def test_totals_of_chats_are_those_of_their_rows(tmp_path: Path, seed: int) -> None:
    """Messages, calls, tokens and costs of all producers of chats, by several words, are those of the merged rows."""
    members = {
        "conversations.json": dump(drawn(seed)),
        "claude.json": dump([claude_ai({}, {"sender": "assistant", "content": [USE]})]),
        "opencode.json": dump(opencode({}, ANSWER, ANSWER)),
    }
    path = zipped(tmp_path / "export.zip", members)
    merge_many([path], tmp_path / "rows.ndjson")
    merged = rows(tmp_path / "rows.ndjson")
    words = {"producer": "producer", "role": "role", "model": "model", "session": "sessionId", "file": "file"}
    done = totals_many([path], by=list(words))
    for table, column in zip(done.tables, words.values(), strict=True):
        wanted: dict[Any, Counter[str]] = {}
        for row in merged:
            sums = wanted.setdefault(row.get(column), Counter())
            sums.update({"messages": 1, "toolCalls": len(row.get("toolCalls", ()))})
            sums.update({name: row[name] for name in ("inputTokens", "outputTokens", "cost") if name in row})
        found = {row.key[0]: row.figures for row in table.rows if row.figures["messages"]}  # a session may have none
        assert found.keys() == wanted.keys()
        for key, sums in wanted.items():
            assert {name: found[key].get(name) for name in sums} == dict(sums), (column, key)
            assert all(found[key].get(name) is None for name in ("inputTokens", "cost") if name not in sums)
