r"""What an input must give, decided from its bytes with the standard library alone.

`judge` returns the rows of all tables and the totals, or raises `Refused` (the input must give an error) or `NotJudged`
(the documentation leaves it open). It shares nothing with exportstream. Its rules, beyond JSON itself:

- A session is an object with `messages`, an array. Each of its keys occurs once. Documents are sessions, or arrays of them.
- A response is an object without `messages` whose `result` is a session; `id`, `title` or `messages` before `result` make
  it a session with an unknown key. Its own keys are kept as one object, `response`, in the session's `extra`.
- A half of a surrogate pair is read as U+FFFD. A key that comes twice in a message or deeper has its last value.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation, localcontext
from typing import Any, NamedTuple, NoReturn

from tests.properties import oracle

MAX_DEPTH = 512
MAX_DIGITS = 4300
MAX_ROLES = 64
ROLES = ("user", "assistant", "tool", "system")
EXACT = Context(prec=20_000, Emax=999_999_999, Emin=-999_999_999)

TEXT, OPTIONAL_TEXT, DATE, INTEGER, COST, BOOLEAN, OPTIONAL_BOOLEAN, TEXTS, ANY_VALUE, CALLS = range(10)
FIELDS: dict[str, dict[str, int]] = {
    "message": {
        **dict.fromkeys(("id", "role", "content"), TEXT),
        **dict.fromkeys(("createdAt", "updatedAt"), DATE),
        **dict.fromkeys(("model", "finishReason", "reasoning"), OPTIONAL_TEXT),
        **dict.fromkeys(
            ("reasoningDuration", "inputTokens", "outputTokens", "cacheCreationTokens", "cacheReadTokens"), INTEGER
        ),
        "cost": COST,
        **dict.fromkeys(("thinkingBlocks", "redactedThinkingBlocks"), TEXTS),
        "toolCalls": CALLS,
    },
    "call": {
        **dict.fromkeys(("id", "name", "type", "input"), TEXT),
        "finished": BOOLEAN,
        "isError": OPTIONAL_BOOLEAN,
        "inputJson": ANY_VALUE,
        **dict.fromkeys(("result", "metadata"), OPTIONAL_TEXT),
        "screenshotUrls": TEXTS,
    },
    "session": {
        **dict.fromkeys(("id", "title"), TEXT),
        **dict.fromkeys(
            ("userMessageCount", "assistantMessageCount", "toolCallCount", "promptTokens", "completionTokens"), INTEGER
        ),
        "cost": COST,
        **dict.fromkeys(("createdAt", "updatedAt"), OPTIONAL_TEXT),
    },
}
REQUIRED = {
    "message": ("id", "role", "content", "createdAt", "updatedAt"),
    "call": ("id", "name", "type", "input", "finished"),
    "session": ("id", "title"),
}
_NAMES = {kind: {way: name for name in names for way in (name, oracle.snake(name))} for kind, names in FIELDS.items()}
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_HALF = re.compile("[\ud800-\udfff]")
_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(?:Z|([+-])(\d\d):(\d\d))?")


class Refused(Exception):  # noqa: N818  # a verdict
    """The input must give an error."""


class NotJudged(Exception):  # noqa: N818  # a verdict
    """The documentation leaves it open what the input gives; the text is one of few reasons."""


class Pairs(list[tuple[str, Any]]):
    """A JSON object with all its keys, in order."""


class Sum(NamedTuple):
    """A number whose value counts, not its spelling."""

    value: Decimal


class OneOf(NamedTuple):
    """Any of these texts will do."""

    texts: frozenset[str]


ANYTHING = object()


class Wanted(NamedTuple):
    """What an accepted input gives."""

    rows: dict[str, list[dict[str, Any]]]
    totals: dict[str, Any]
    replaced: int


# JSON ----------------------------------------------------------------------------------------------------------------


def _decimal(text: str) -> Decimal:
    if max(map(len, re.findall(r"\d+", text))) > MAX_DIGITS:
        raise NotJudged("a number of more than 4,300 digits that is no integer")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise NotJudged("an exponent beyond Decimal") from None


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise Refused("an integer of more than 4,300 digits")
    return int(text)


def _constant(text: str) -> NoReturn:
    raise Refused(f"not JSON: {text}")


_DECODER = json.JSONDecoder(parse_float=_decimal, parse_int=_integer, parse_constant=_constant, object_pairs_hook=Pairs)


def _documents(data: bytes) -> tuple[list[Any], int]:
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError:
        raise Refused("not UTF-8") from None
    if text.count("[") + text.count("{") > MAX_DEPTH:
        depth = 0
        for bracket in re.findall(r"[\[\]{}]", _STRING.sub("", text)):
            depth += 1 if bracket in "[{" else -1
            if depth > MAX_DEPTH:
                raise NotJudged("nesting beyond 512 levels")
    found, at = [], 0
    while True:
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        if at == len(text):
            break
        try:
            value, at = _DECODER.raw_decode(text, at)
        except json.JSONDecodeError:
            raise Refused("not JSON") from None
        found.append(value)
    halves = sum(map(_count_halves, found)) if re.search(r"\\u[dD][89a-fA-F]", text) else 0
    return found, halves


def _count_halves(value: Any) -> int:
    if isinstance(value, str):
        return len(_HALF.findall(value))
    count = 0
    if isinstance(value, Pairs):
        for key, inner in value:
            count += len(_HALF.findall(key)) + _count_halves(inner)
    elif isinstance(value, list):
        for inner in value:
            count += _count_halves(inner)
    return count


def _plain(value: Any) -> Any:
    """A value with dicts for objects; one frame for each level."""
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, Pairs):
        made: dict[str, Any] = {}
        for key, inner in value:
            made[_HALF.sub("\ufffd", key)] = _plain(inner)
        if len(made) != len({key for key, _ in value}):
            raise NotJudged("keys alike once halves of surrogate pairs are replaced")
        return made
    if isinstance(value, list):
        items = []
        for inner in value:
            items.append(_plain(inner))  # noqa: PERF401  # a comprehension takes one more frame
        return items
    return value


# Sessions ------------------------------------------------------------------------------------------------------------


def _unique(pairs: Pairs, what: str) -> None:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise Refused(f"a key of {what} twice")


def _session(item: Any, *, in_array: bool, seekable: bool) -> dict[str, Any]:
    if not isinstance(item, Pairs):
        raise Refused("not an object")
    keys = [key for key, _ in item]
    at = keys.index("result") if "result" in keys else len(keys)
    before, after = item[:at], item[at + 1 :]
    inner = item[at][1] if at < len(keys) else None
    if (
        isinstance(inner, Pairs)
        and any(key == "messages" for key, _ in inner)
        and not {"id", "title", "messages"} & {key for key, _ in before}
    ):
        if in_array:
            raise NotJudged("a response in an array")
        around = Pairs([*before, *after])
        _unique(around, "a response")
        if any(key in ("messages", "result") for key, _ in after):
            raise Refused("a response with messages of its own, or with two results")
        session = _own_session(inner, seekable=seekable)
        if around:
            if "response" in session:
                raise NotJudged("a session with a key `response` of its own in a response")
            session["response"] = _plain(around)
        return session
    return _own_session(item, seekable=seekable)


def _own_session(item: Pairs, *, seekable: bool) -> dict[str, Any]:
    _unique(item, "a session")
    session = _plain(item)
    messages = session.get("messages")
    if not isinstance(messages, list):
        raise Refused("no array `messages`")
    _check({key: value for key, value in session.items() if key != "messages"}, "session")
    for message in messages:
        _check(message, "message")
    keys = list(session)
    if messages and not seekable and keys.index("id") > keys.index("messages"):
        raise Refused("the id comes after the messages, and the input can't be read twice")
    return session


def _check(item: Any, kind: str) -> None:
    if not isinstance(item, dict):
        raise Refused(f"a {kind} that is not an object")
    found: set[str] = set()
    for key, value in item.items():
        name = _NAMES[kind].get(key)
        if name is None:
            continue
        if name in found:
            raise Refused(f"{name} in both spellings")
        found.add(name)
        if value is None and name in REQUIRED[kind] and FIELDS[kind][name] != DATE:
            raise Refused(f"{name} is null")
        if value is not None:
            _check_value(name, FIELDS[kind][name], value)
    missing = [name for name in REQUIRED[kind] if name not in found]
    if missing:
        raise Refused(f"a {kind} without {missing}")


def _check_value(name: str, kind: int, value: Any) -> None:
    right = True
    if kind in (TEXT, OPTIONAL_TEXT, DATE):
        right = isinstance(value, str)
    elif kind in (BOOLEAN, OPTIONAL_BOOLEAN):
        right = isinstance(value, bool)
    elif kind == TEXTS:
        right = isinstance(value, list) and all(isinstance(text, str) for text in value)
    elif kind in (INTEGER, COST):
        right = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    elif kind == CALLS:
        right = isinstance(value, list)
    if not right:
        raise Refused(f"{name} has the wrong type")
    if kind == CALLS:
        for call in value:
            _check(call, "call")
    elif kind == INTEGER:
        if isinstance(value, Decimal) and value.adjusted() > 18:
            raise NotJudged("a count beyond 64 bits")
        if value != int(value):
            raise Refused(f"{name} has a fraction")
        if not -(2**63) <= value < 2**63:
            raise NotJudged("a count beyond 64 bits")
    elif kind == COST and isinstance(value, Decimal) and (abs(value.adjusted()) > 4000 or value.as_tuple().exponent < -5000):
        raise NotJudged("a cost whose sum may need more than 10,000 digits")


# Rows and totals -----------------------------------------------------------------------------------------------------


def judge(data: bytes, *, seekable: bool = True) -> Wanted:
    """Decide what `data` must give; `seekable` says whether the source can be read a second time.

    Raises:
        Refused: an error.
        NotJudged: anything but a crash.
    """
    documents, halves = _documents(data)
    sessions = []
    for document in documents:
        is_array = isinstance(document, list) and not isinstance(document, Pairs)
        if is_array and not document:
            raise Refused("an empty array")
        for item in document if is_array else [document]:
            sessions.append(_session(item, in_array=is_array, seekable=seekable))  # noqa: PERF401
    if not sessions:
        raise Refused("empty input")
    with localcontext(EXACT):
        return _results(sessions, halves)


def _results(sessions: list[dict[str, Any]], halves: int) -> Wanted:
    rows: dict[str, list[dict[str, Any]]] = {table: [] for table in oracle.COLUMNS}
    for session in sessions:
        messages = list(oracle.message_rows(session))
        rows["messages"] += messages
        rows["tool-calls"] += [call for message in messages for call in oracle.call_rows(message)]
        row = oracle.session_row(session, messages)
        if "countedCost" in row:
            row["countedCost"] = Sum(row["countedCost"])
        row.pop("countedFirstDate", None)
        row.pop("countedLastDate", None)
        dates = _dates(messages)
        row |= {f"counted{name}": date for name, date in zip(("FirstDate", "LastDate"), dates, strict=False) if date}
        rows["sessions"].append(row)
    return Wanted(rows, _totals(rows), halves)


def _totals(rows: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    sessions, messages, calls = rows["sessions"], rows["messages"], rows["tool-calls"]
    declared, counted = {}, {}
    for ours, name in (
        ("userMessages", "userMessageCount"),
        ("assistantMessages", "assistantMessageCount"),
        ("toolCalls", "toolCallCount"),
        ("promptTokens", "promptTokens"),
        ("completionTokens", "completionTokens"),
        ("cost", "cost"),
    ):
        declared[ours] = _figure([row[name] for row in sessions if name in row])
    tokens = ("inputTokens", "outputTokens", "cacheCreationTokens", "cacheReadTokens")
    for name in (*tokens, "cost"):
        counted[name] = _figure([row[name] for row in messages if name in row])
    counted["totalInputTokens"] = _figure([total for row in messages if (total := total_input(row)) is not None])
    first, last, unparsed = _dates(messages)
    return {
        "sessions": len(sessions),
        "declared": declared,
        "counted": {
            "messages": len(messages),
            "roles": dict(Counter(row["role"] for row in messages)),
            "toolCalls": len(calls),
            "toolErrors": sum(row.get("isError") is True for row in calls),
            **counted,
            "withTokens": sum(any(name in row for name in tokens) for row in messages),
            "partialTokens": sum(row.get("usageState") == "partial" for row in messages),
            "copies": 0,  # logs alone have them
            "firstDate": first,
            "lastDate": last,
            "unparsedDates": unparsed,
        },
    }


def total_input(row: dict[str, Any]) -> Any:
    """All tokens of the prompt of a message, None where nobody stated any."""
    if "totalInputTokens" in row:
        return row["totalInputTokens"]
    parts = [row[name] for name in ("inputTokens", "cacheReadTokens") if row.get(name) is not None]
    return sum(map(int, parts)) if parts else None


def _figure(values: list[Any]) -> dict[str, Any]:
    return {"sum": _sum(values), "count": len(values)}


def _sum(values: list[Any]) -> Sum | None:
    return Sum(sum(map(Decimal, values), Decimal(0))) if values else None


def _dates(messages: list[dict[str, Any]]) -> tuple[Any, Any, Any]:
    """The first and the last createdAt, and how many can't be parsed; `ANYTHING` where one is neither good nor bad."""
    found, unparsed = [], 0
    for text in [row["createdAt"] for row in messages if row["createdAt"] is not None]:
        if not re.search(r"\d", text):
            unparsed += 1
            continue
        try:
            found.append((_instant(text), text))
        except ValueError:
            return ANYTHING, ANYTHING, ANYTHING
    if not found:
        return None, None, unparsed
    first, last = min(found)[0], max(found)[0]
    ends = [OneOf(frozenset(text for instant, text in found if instant == end)) for end in (first, last)]
    return ends[0], ends[1], unparsed


def _instant(text: str) -> tuple[datetime, Decimal]:
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise ValueError(text)
    seconds, fraction, sign, hours, minutes = match.groups()
    instant = datetime.fromisoformat(seconds).replace(tzinfo=UTC)
    if not 1900 < instant.year < 9000 or int(hours or 0) > 23 or int(minutes or 0) > 59:
        raise ValueError(text)
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return instant - (offset if sign == "+" else -offset), Decimal(fraction or 0)


# Comparing -----------------------------------------------------------------------------------------------------------


def difference(found: Any, wanted: Any, path: str = "$") -> str | None:
    """Where what was found is not what is wanted, in words, or None; numbers are compared as text."""
    if wanted is ANYTHING:
        return None
    if isinstance(wanted, OneOf):
        return None if found in wanted.texts else f"{path}: {found!r} instead of one of {sorted(wanted.texts)}"
    if isinstance(wanted, Sum):
        same = isinstance(found, (int, Decimal)) and EXACT.compare(Decimal(found), wanted.value) == 0
        return None if same else f"{path}: {found} instead of {wanted.value}"
    if isinstance(wanted, dict) and isinstance(found, dict):
        optional = {key for key, value in wanted.items() if value is ANYTHING}
        if found.keys() - optional != wanted.keys() - optional:
            return f"{path}: keys {list(found)} instead of {list(wanted)}"
        if path.endswith(".extra.response") and list(found) != list(wanted):
            return f"{path}: keys in the order {list(found)} instead of {list(wanted)}"
        for key, value in wanted.items():
            if (text := difference(found.get(key), value, f"{path}.{key}")) is not None:
                return text
        return None
    if isinstance(wanted, list) and isinstance(found, list):
        if len(found) != len(wanted):
            return f"{path}: {len(found)} items instead of {len(wanted)}"
        for place, value in enumerate(wanted):
            if (text := difference(found[place], value, f"{path}[{place}]")) is not None:
                return text
        return None
    numbers = [isinstance(value, (int, Decimal)) and not isinstance(value, bool) for value in (found, wanted)]
    same = str(found) == str(wanted) if all(numbers) else type(found) is type(wanted) and found == wanted
    return None if same else f"{path}: {str(found)[:200]!r} instead of {str(wanted)[:200]!r}"


def roles_differ(found: dict[str, int], others: int, wanted: dict[str, int]) -> str | None:
    """As `difference`, for messages by role: the known roles and at least 64 others have a count of their own."""
    named = set(ROLES) | (set(wanted) if len(set(wanted) - set(ROLES)) <= MAX_ROLES else set(found))
    apart = {role: count for role, count in wanted.items() if role in named}
    return difference([found, others], [apart, sum(wanted.values()) - sum(apart.values())], "$.roles")
