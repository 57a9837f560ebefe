"""Check: every kind of finding, --strict, --json, and what it does with input that convert would refuse."""

from __future__ import annotations

import json
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exportstream import Difference, InputError, SessionCheck, check
from exportstream.models.dates import all_have_zones, parse_instant
from tests.kit.command import speak
from tests.kit.documents import DATE, dump, message, session, session_fields_last, tool_call
from tests.kit.files import DATA

pytestmark = pytest.mark.usefixtures("blocks")


ODD = (None, "", "yesterday", "2025-10-03", "2025-10-03T10:00:01", "2025-02-30T10:00:01Z", "9999-12-31T23:59:60Z")


def one(*messages: Any, **fields: Any) -> SessionCheck:
    (found,) = check(dump(session_fields_last(*messages, **fields)))
    return found


# What each kind of finding is made of: three messages in which the one in the middle has it.
KINDS: dict[str, tuple[Any, str]] = {
    "invalid-message": ({"id": "m1"}, r"1 invalid message \(message 1\): expected the required keys .* at \$"),
    "null-date": (message(1, createdAt=None), r"1 message whose createdAt or updatedAt is null \(message 1\)"),
    "unparsed-date": (message(1, updatedAt="yesterday"), r"1 message with a date-time that can't be parsed \(message 1\)"),
    "date-without-zone": (
        message(1, createdAt="2025-01-02T03:04:05"),
        r"1 message with a date-time .* no zone \(message 1\)",
    ),
    "repeated-id": (message(0, content="again"), r"1 message whose id came before in the session \(message 1\)"),
    "replaced-surrogate": (message(1, content="\ud800"), r"1 message with half of a surrogate pair .*\(message 1\)"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_finding(tmp_path: Path, kind: str) -> None:
    """Each kind is found in the message that has it, and in no other, and is said in words."""
    odd, text = KINDS[kind]
    found = one(message(0), odd, message(2))
    assert list(found.findings) == [kind]
    assert (found.findings[kind].count, found.findings[kind].messages) == (1, [1])
    assert not found.clean
    assert (found.session_id, found.title, found.messages) == ("s", "t", 2 if kind == "invalid-message" else 3)
    (tmp_path / "in.json").write_bytes(dump(session(message(0), odd, message(2))))
    code, output, errors = speak("check", "in.json", cwd=tmp_path)
    assert (code, errors) == (3 if kind == "invalid-message" else 0, "")
    assert re.search(text, output), output
    assert output.endswith("1 session, 1 with findings\n")
    assert speak("check", "in.json", "--strict", cwd=tmp_path)[0] == 3


def test_the_reason_is_that_of_the_first(tmp_path: Path) -> None:
    """Of several invalid messages the first has the reason that is shown."""
    (tmp_path / "in.json").write_bytes(dump(session(message(0, content=5), {"id": "m1"})))
    _, output, _ = speak("check", "in.json", cwd=tmp_path)
    assert "  2 invalid messages (message 0, 1); the first: expected string, got number 5 at $.content\n" in output


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_few_and_how_many_more(kind: str) -> None:
    """Of each kind the first five message numbers are kept, and how many there are in all."""
    odd, _ = KINDS[kind]
    found = one(message(0), *([{**message(1), **odd} if kind != "invalid-message" else odd] * 1500))
    extra = 0 if kind == "repeated-id" else 1499  # the same id again and again
    assert found.findings[kind].count == 1500
    assert found.findings[kind].messages == [1, 2, 3, 4, 5]
    assert ("repeated-id" in found.findings) == (kind != "invalid-message")
    if kind not in ("repeated-id", "invalid-message"):
        assert found.findings["repeated-id"].count == extra


def test_numbers_of_invalid_messages_count_all_messages() -> None:
    """An invalid message keeps its number, and those behind it keep theirs; its reason names the value."""
    found = one(message(0), "x", message(2, inputTokens="1"), message(3, createdAt=""))
    assert found.findings["invalid-message"].messages == [1, 2]
    assert found.findings["unparsed-date"].messages == [3]
    assert found.findings["invalid-message"].reason is not None
    assert re.search("expected object, got string", found.findings["invalid-message"].reason)


def test_surrogates_count_each_half_and_name_each_message_once() -> None:
    """Several halves in one message are counted, and the message is named once."""
    found = one(message(0, content="\ud800 \ud801"), message(1), message(2, reasoning="\udc00"))
    assert found.findings["replaced-surrogate"].count == 3
    assert found.findings["replaced-surrogate"].messages == [0, 2]


def places(found: SessionCheck) -> dict[str, tuple[int, list[int], int]]:
    return {kind: (one.count, one.messages, one.session) for kind, one in found.findings.items()}


def test_dates_of_the_session_itself(tmp_path: Path) -> None:
    """The session's own createdAt and updatedAt are looked at, and said to be the session's."""
    found = one(message(0), createdAt="nonsense", updatedAt="2025-01-02T03:04:05")
    assert places(found) == {"unparsed-date": (0, [], 1), "date-without-zone": (0, [], 1)}
    assert one(message(0), createdAt=None, updatedAt=DATE).clean
    (tmp_path / "in.json").write_bytes(
        dump(session_fields_last(message(0), message(1, createdAt="x"), createdAt="nonsense"))
    )
    code, output, _ = speak("check", "in.json", cwd=tmp_path)
    assert code == 0
    assert "  1 createdAt or updatedAt of the session itself that can't be parsed\n" in output
    assert "  1 message with a date-time that can't be parsed (message 1)\n" in output
    (finding,) = json.loads(speak("check", "in.json", "--json", cwd=tmp_path)[1])["sessions"][0]["findings"].values()
    assert finding == {"count": 1, "messages": [1], "reason": None, "session": 1}
    assert speak("check", "in.json", "--strict", cwd=tmp_path)[0] == 3


@given(st.lists(st.sampled_from([DATE, "2025-10-03T10:00:01.123456789-09:00", "2025-10-03t10:00:01z", *ODD]), max_size=6))
def test_all_dates_at_once(dates: list[str | None]) -> None:
    """Dates that are looked at together are found right exactly if each of them is."""
    instants = [parse_instant(date) for date in dates]
    assert all_have_zones(dates) == all(instant is not None and instant.tzinfo is not None for instant in instants)


def test_a_message_with_two_odd_dates() -> None:
    """A message with a date that can't be parsed and one without a zone has both findings."""
    found = one(message(0), message(1, createdAt="x", updatedAt="2025-01-02T03:04:05"))
    assert places(found) == {"unparsed-date": (1, [1], 0), "date-without-zone": (1, [1], 0)}


OUTSIDE = {
    "title before the messages": b'{"id":"s","title":"t\\ud800","messages":[M,M]}',
    "key before the messages": b'{"id":"s","title":"t","a\\ud800":1,"messages":[M,M]}',
    "first key": b'{"a\\ud800":1,"id":"s","title":"t","messages":[M,M]}',
    "inside an unknown value": b'{"id":"s","title":"t","a":[{"messages":["\\ud800"]}],"messages":[M,M]}',
    "value after the messages": b'{"id":"s","messages":[M,M],"title":"t\\udc00"}',
    "key after the messages": b'{"id":"s","messages":[M,M],"a\\udc00":1,"title":"t"}',
    "after no messages": b'{"id":"s","messages":[],"title":"t\\udc00"}',
    "in an SDK response": b'{"a":"\\udc00","result":{"id":"s","messages":[M,M],"title":"t"}}',
    "in the session of an SDK response": b'{"result":{"id":"s","messages":[M,M],"title":"t\\udc00"},"b":1}',
    "after an SDK response": b'{"result":{"id":"s","messages":[M,M],"title":"t"},"b":"\\udc00"}',
    "in an array": b'[{"id":"s","messages":[M,M],"title":"t\\udc00"}]',
}


@pytest.mark.parametrize("place", OUTSIDE)
@pytest.mark.parametrize("pieces", [1, 7, 10**6])
def test_surrogates_outside_messages(place: str, pieces: int) -> None:
    """Half of a surrogate pair outside the messages is the session's, wherever it stands and however it is read."""
    data = OUTSIDE[place].replace(b"M", dump(message(0, role="user")), 1).replace(b"M", dump(message(1)))
    (found,) = check([data[at : at + pieces] for at in range(0, len(data), pieces)])
    assert places(found)["replaced-surrogate"] == (0, [], 1)


@pytest.mark.parametrize("pieces", [1, 7, 10**6])
def test_surrogates_inside_and_outside_of_several_sessions(pieces: int) -> None:
    """Each half is found where it stands: in which session, in which message, or outside."""
    first = session_fields_last(message(0), message(1, content="\ud800"), message(2), z="\udc00\udc00")
    second = session(message(0, role="\ud800"), {"id": "\udc00"}, message(2), id="s2", title="\ud800")
    for data in (dump([first, second]), dump(first) + b"\n" + dump(second), dump({"first\ud800": 1, **first})):
        found = list(check([data[at : at + pieces] for at in range(0, len(data), pieces)]))
        wanted = [(1, [1], 2), (2, [0, 1], 1)] if len(found) == 2 else [(1, [1], 3)]
        assert [places(one)["replaced-surrogate"] for one in found] == wanted


@pytest.mark.parametrize("text", [DATE, "2025-10-03T10:00:00+05:30", "2025-10-03T10:00:00.123456789Z"])
def test_dates_that_are_right(text: str) -> None:
    """Date-times of RFC 3339 are no finding."""
    assert one(message(0, createdAt=text, updatedAt=text)).clean


def test_declared_against_counted() -> None:
    """Every declared figure that differs from what was counted is there with both; those that agree are not."""
    item = message(0, role="assistant", inputTokens=10, outputTokens=2, cost=0.25, toolCalls=[tool_call()])
    found = one(
        item,
        userMessageCount=1,
        assistantMessageCount=2,
        toolCallCount=3,
        promptTokens=11,
        completionTokens=12,
        cost=0.5,
    )
    assert found.differences == {
        "userMessages": Difference(1, 0),
        "assistantMessages": Difference(2, 1),
        "toolCalls": Difference(3, 1),
        "promptTokens": Difference(11, 10),
        "completionTokens": Difference(12, 2),
        "cost": Difference(Decimal("0.5"), Decimal("0.25")),
    }
    assert one(item, assistantMessageCount=1, toolCallCount=1, promptTokens=10, completionTokens=2, cost=0.25).clean


def test_what_is_not_declared_or_not_counted_is_no_difference() -> None:
    """A figure that one side does not have can't differ."""
    assert one(message(0, inputTokens=10, cost=1)).clean
    assert one(message(0), promptTokens=5, completionTokens=5, cost=1).clean


def test_one_count_alone_is_compared_alone() -> None:
    """A session that declares only one of its counts is not taken to declare the others as 0."""
    assert one(message(0, toolCalls=[tool_call()]), userMessageCount=1).clean
    assert one(message(0, inputTokens=5, outputTokens=2), promptTokens=5).clean


def test_unknown_keys() -> None:
    """Unknown keys are listed by where and name, with how often; beyond a hundred names the rest is one number."""
    found = one(message(0, new=1), message(1, new=None, toolCalls=[tool_call(odd=1), tool_call(odd=2)]), top={})
    assert found.unknown_keys == {"message.new": 2, "toolCall.odd": 2, "session.top": 1}
    assert not found.clean
    found = one(*(message(n, **{f"key{n}": 1}) for n in range(150)))
    assert len(found.unknown_keys) == 101
    assert found.unknown_keys["…"] == 50


def test_an_sdk_response_has_no_unknown_key(tmp_path: Path) -> None:
    """The keys around the `result` of an SDK response are known, in either order; those of its session are not."""
    plain, own = session(message(0)), session(message(0), response={"a": 1})
    for around in ({"headers": {}, "result": plain}, {"result": plain, "headers": {}, "statusCode": 200}):
        (tmp_path / "in.json").write_bytes(dump(around))
        assert next(check(tmp_path / "in.json")).clean
        assert speak("check", "in.json", "--strict", cwd=tmp_path)[0] == 0
    for around in ({"headers": {}, "result": own}, {"result": own, "headers": {}}):
        assert next(check(dump(around))).unknown_keys == {"session.response": 1}
    assert one(message(0), response=5).unknown_keys == {"session.response": 1}
    assert one(message(0), response={"a": 1}, other=5).unknown_keys == {"session.response": 1, "session.other": 1}


def test_findings_stand_in_one_order() -> None:
    """The kinds are listed in the order of the documentation, wherever each was found first."""
    found = one(message(0, content="\ud800"), message(0, createdAt="x"), {"id": "m"}, message(3, updatedAt=None))
    assert list(found.findings) == ["invalid-message", "null-date", "unparsed-date", "repeated-id", "replaced-surrogate"]


def test_sessions_are_checked_apart() -> None:
    """What was found in one session, ids included, does not show in the next."""
    parts = [
        session(message(0, new=1), message(0)),
        session(message(0), id="s2"),
        session(message(1, createdAt="x"), id="s3"),
    ]
    found = list(check(dump(parts)))
    assert [one.session_id for one in found] == ["s", "s2", "s3"]
    assert [sorted(one.findings) for one in found] == [["repeated-id"], [], ["unparsed-date"]]
    assert [one.clean for one in found] == [False, True, False]
    assert found[2].unknown_keys == {}


def test_a_clean_session(tmp_path: Path) -> None:
    """Nothing is said of a session without findings but its count, and --strict lets it pass."""
    (tmp_path / "in.json").write_bytes(dump(session(message(0))))
    expected = "1 session, 0 with findings\n"
    assert speak("check", "in.json", "--strict", cwd=tmp_path) == (0, expected, "")
    assert os.listdir(tmp_path) == ["in.json"]


def test_json(tmp_path: Path) -> None:
    """--json is one document with all that was found."""
    parts = [session_fields_last(message(0, new=1), message(0, createdAt=None), toolCallCount=2, cost=1), session(id="s2")]
    (tmp_path / "in.json").write_bytes(dump(parts))
    code, output, errors = speak("check", "in.json", "--json", cwd=tmp_path)
    assert (code, errors) == (0, "")
    document = json.loads(output)
    assert list(document) == ["schema", "sessions", "sessionCount", "sessionsWithFindings"]
    assert (document["schema"], document["sessionCount"], document["sessionsWithFindings"]) == (1, 2, 1)
    first, second = document["sessions"]
    assert (first["sessionId"], first["title"], first["messages"]) == ("s", "t", 2)
    assert {kind: found["messages"] for kind, found in first["findings"].items()} == {"null-date": [1], "repeated-id": [1]}
    assert first["differences"]["toolCalls"] == {"declared": 2, "counted": 0, "kind": "differs"}
    assert first["unknownKeys"] == {"message.new": 1}
    assert (second["findings"], second["differences"], second["unknownKeys"]) == ({}, {}, {})
    assert speak("check", "in.json", "--json", "--strict", cwd=tmp_path)[0] == 3


def test_json_of_bad_input(tmp_path: Path) -> None:
    """Bad input is one line on standard error and exit 3, with --json as without."""
    (tmp_path / "in.json").write_bytes(b'{"id":"s"')
    for options in ((), ("--json",), ("--strict",)):
        code, _, errors = speak("check", "in.json", *options, cwd=tmp_path)
        assert code == 3
        assert re.fullmatch(r"exportstream: in\.json: .*input ends[^;]*; export it again\n", errors)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "empty input"),
        (b"[1]", "session object"),
        (b"x" + dump(session(message(0)))[1:], "not JSON"),
        (b'{"id":"s","title":"t","messages":null}', "array"),
    ],
)
def test_bad_input_is_an_error(data: bytes, match: str) -> None:
    """What convert refuses as a whole, check refuses as well."""
    with pytest.raises(InputError, match=match):
        list(check(data))


def test_damage(tmp_path: Path) -> None:
    """Stretches of damage are findings of the session they are in, and those in no session come last; the exit code is 3."""
    made = [session(*(message(number) for number in range(4)), id=name) for name in "abcd"]
    first = dump(made[0]).replace(b'"m2"', b'"m2"\0', 1)
    lost = dump(made[1]).replace(b'"id":"b"', b'"id":b', 1)
    data = b"\n".join([first, lost, dump(made[2]), dump(made[3])[:-30]])
    found = list(check(data))
    assert [(one.session_id, one.messages) for one in found] == [("a", 3), ("c", 4), ("d", 3), (None, 0)]
    assert found.pop(1).clean
    damage = [one.findings.pop("damage") for one in found]
    assert [(one.count, one.messages, one.session) for one in damage] == [(1, [2], 0), (1, [3], 0), (0, [], 1)]
    assert not any(one.findings for one in found)
    assert "input ends" in str(damage[1].reason)
    (tmp_path / "in.json").write_bytes(data)
    code, output, _ = speak("check", "in.json", cwd=tmp_path)
    assert code == 3
    assert "  1 damaged stretch: not JSON, or cut off (message 2): not JSON" in output
    assert re.search(
        r"in no session:\n  1 damaged stretch outside .* lost: not JSON.*\n3 sessions, 2 with findings\n", output
    )


def test_reads_everything_from_a_pipe(tmp_path: Path) -> None:
    """Standard input is checked like a file."""
    done = speak("check", "-", cwd=tmp_path, stdin=dump(session(message(0, new=1))))
    assert done.returncode == 0
    assert "unknown key message.new: 1 time," in done.stdout


def test_an_id_may_hold_anything(tmp_path: Path) -> None:
    """A session's id, a role or a key from the input can't send control characters to a terminal or forge a line."""
    (tmp_path / "in.json").write_bytes(dump(session(message(0, **{"a\nb\x1b[2J": 1}), id="x\ny\x1b]0;z")))
    code, output, _ = speak("check", "in.json", cwd=tmp_path)
    assert code == 0
    assert "\x1b" not in output
    assert len(output.splitlines()) == 3


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.iterdir()))
def test_samples(name: str) -> None:
    """The samples have no invalid message, repeated id or unknown key."""
    for found in check(DATA / name):
        assert not {"invalid-message", "repeated-id", "unparsed-date", "replaced-surrogate"} & set(found.findings)
        assert ("null-date" in found.findings) == ("no-alias" in name)
        assert found.unknown_keys == {}
