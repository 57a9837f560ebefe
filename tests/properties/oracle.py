"""The rows each table must give for a document: written with the standard library alone, whole documents in memory.

It shares nothing with exportstream, not even names, so that the two can disagree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

MESSAGE = [
    "sessionId",
    "messageIndex",
    "id",
    "role",
    "content",
    "model",
    "finishReason",
    "reasoning",
    "reasoningDuration",
    "toolCalls",
    "createdAt",
    "updatedAt",
    "inputTokens",
    "outputTokens",
    "cacheCreationTokens",
    "cacheReadTokens",
    "cost",
    "thinkingBlocks",
    "redactedThinkingBlocks",
    "extra",
    "producer",
    "agentId",
    "usageState",
    "attachments",
    "totalInputTokens",
    "reasoningTokens",
    "parentId",
    "active",
    "cacheCreation1hTokens",
]
CALL = ["id", "name", "type", "finished", "isError", "input", "inputJson", "result", "metadata", "screenshotUrls", "extra"]
CALL_ROW = [
    "sessionId",
    "messageId",
    "messageIndex",
    "toolCallIndex",
    "id",
    "name",
    "type",
    "finished",
    "isError",
    "input",
    "inputJson",
    "result",
    "metadata",
    "screenshotUrls",
    "createdAt",
    "extra",
    "producer",
]
SESSION = [
    "id",
    "title",
    "userMessageCount",
    "assistantMessageCount",
    "toolCallCount",
    "promptTokens",
    "completionTokens",
    "cost",
    "createdAt",
    "updatedAt",
]
SESSION_ROW = [
    *SESSION,
    *[
        "countedMessages",
        "countedUserMessages",
        "countedAssistantMessages",
        "countedToolCalls",
        "countedToolErrors",
        "countedInputTokens",
        "countedOutputTokens",
        "countedCacheCreationTokens",
        "countedCacheReadTokens",
        "countedCost",
        "countedFirstDate",
        "countedLastDate",
    ],
    "extra",
    "producer",
    "parentSessionId",
    "project",
]
COLUMNS = {"messages": MESSAGE, "tool-calls": CALL_ROW, "sessions": SESSION_ROW}
INTEGERS = {name for name in (*MESSAGE, *SESSION) if name.endswith(("Tokens", "Count", "Duration"))}
NESTED = {"toolCalls", "inputJson", "screenshotUrls", "thinkingBlocks", "redactedThinkingBlocks", "extra"}


def snake(name: str) -> str:
    """``messageIndex`` → ``message_index``; a number is a word of its own."""
    return re.sub("[A-Z]|(?<=[a-z])[0-9]", lambda found: "_" + found.group().lower(), name)


def documents(data: bytes) -> Iterator[Any]:
    """Every JSON document of the bytes, one after the other."""
    text = data.decode()
    decoder = json.JSONDecoder(parse_float=Decimal)
    at = 0
    while at < len(text):
        if text[at] in " \t\r\n":
            at += 1
        else:
            value, at = decoder.raw_decode(text, at)
            yield value


def sessions(data: bytes) -> Iterator[dict[str, Any]]:
    """Every session of the bytes; what surrounds one in an SDK response is kept apart, under `response`."""
    for document in documents(data):
        for item in document if isinstance(document, list) else [document]:
            if "messages" not in item and "result" in item:
                around = {key: value for key, value in item.items() if key != "result"}
                yield {**item["result"], **({"response": around} if around else {})}
            else:
                yield item


def fields(item: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The known fields under their camelCase names, without nulls; the rest under ``extra``."""
    known = {spelling: name for name in names for spelling in (name, snake(name))}
    for ours in ("sessionId", "session_id", "messageIndex", "message_index", "extra"):
        known.pop(ours, None)
    found: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in item.items():
        if key not in known:
            extra[key] = value
        elif value is not None:
            found[known[key]] = int(value) if known[key] in INTEGERS else value
    if extra:
        found["extra"] = extra
    return found


def rows(data: bytes, table: str, *, keys: str = "camel") -> list[dict[str, Any]]:
    """The rows of a table; absent fields are not in them."""
    found = []
    for item in sessions(data):
        messages = list(message_rows(item))
        if table == "messages":
            found += messages
        elif table == "tool-calls":
            found += [row for message in messages for row in call_rows(message)]
        else:
            found.append(session_row(item, messages))
    if keys == "snake":
        for row in found:
            for call in row.get("toolCalls", []):
                _respell(call)
            _respell(row)
    return found


def distinct_rows(inputs: list[bytes], table: str) -> list[dict[str, Any]]:
    """The rows of inputs, one after the other, without messages and sessions whose ids came before."""
    found: list[dict[str, Any]] = []
    known: set[tuple[str, ...]] = set()
    for item in (item for data in inputs for item in sessions(data)):
        messages = []
        for row in message_rows(item):
            key = (row["sessionId"], row["id"])
            if key not in known:
                known.add(key)
                messages.append(row)
        if table == "messages":
            found += messages
        elif table == "tool-calls":
            found += [row for message in messages for row in call_rows(message)]
        elif (item["id"],) not in known:
            found.append(session_row(item, messages))
        known.add((item["id"],))
    return found


def cells(row: dict[str, Any], table: str, *, keys: str = "camel") -> list[Any]:
    """A row as CSV cells: texts, ``None`` where absent, JSON values as they are under ``("json", value)``."""
    made = []
    for column in COLUMNS[table]:
        name = snake(column) if keys == "snake" else column
        value = row.get(name)
        if value is None:
            made.append(None)
        elif column in NESTED:
            made.append(("json", value))
        elif isinstance(value, bool):
            made.append("true" if value else "false")
        else:
            made.append(str(value))
    return made


def _respell(row: dict[str, Any]) -> None:
    for name in list(row):
        row[snake(name)] = row.pop(name)


def message_rows(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of a session's messages."""
    for index, message in enumerate(item["messages"]):
        dates = {"createdAt": None, "updatedAt": None}  # a message always has them: null where the producer wrote null
        row = {"sessionId": item["id"], "messageIndex": index, **dates, **fields(message, MESSAGE)}
        if "toolCalls" in row:
            row["toolCalls"] = [fields(call, CALL) for call in row["toolCalls"]]
        yield row


def call_rows(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of a message row's tool calls."""
    for number, call in enumerate(message.get("toolCalls", [])):
        place = {
            "sessionId": message["sessionId"],
            "messageId": message["id"],
            "messageIndex": message["messageIndex"],
            "toolCallIndex": number,
            "createdAt": message["createdAt"],
        }
        yield {**place, **call}


def session_row(item: dict[str, Any], messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The row of a session and the rows of its messages."""
    without = {key: value for key, value in item.items() if key != "messages"}
    calls = [call for message in messages for call in message.get("toolCalls", [])]
    row = {
        **fields(without, SESSION),
        "countedMessages": len(messages),
        "countedUserMessages": sum(message["role"] == "user" for message in messages),
        "countedAssistantMessages": sum(message["role"] == "assistant" for message in messages),
        "countedToolCalls": len(calls),
        "countedToolErrors": sum(call.get("isError") is True for call in calls),
    }
    for name in ("inputTokens", "outputTokens", "cacheCreationTokens", "cacheReadTokens"):
        if any(name in message for message in messages):
            row[f"counted{name[0].upper()}{name[1:]}"] = sum(message.get(name, 0) for message in messages)
    costs = [Decimal(message["cost"]) for message in messages if "cost" in message]
    if costs:
        row["countedCost"] = sum(costs[1:], costs[0])
    dates = sorted(filter(None, map(_instant, messages)))
    if dates:
        row["countedFirstDate"], row["countedLastDate"] = dates[0][1], dates[-1][1]
    return row


def _instant(message: dict[str, Any]) -> tuple[datetime, str] | None:
    text = message.get("createdAt")
    try:
        instant = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)), text
