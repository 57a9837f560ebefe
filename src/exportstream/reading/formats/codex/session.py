"""One session of a rollout: its records become rows.

Takes: records, decoded. Returns: rows, and at the end the `Session`.
Raises: `InvalidMessageError` for a record with a known field of another type.
Holds: one response, until its calls have their results or the next one begins, and up to 1 MiB of what users say meanwhile.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from exportstream.errors import InvalidMessageError, json_kind
from exportstream.models.structs import Message, Session
from exportstream.reading.formats.codex.recognise import PRODUCER
from exportstream.reading.formats.codex.records import Event, ShortItem, TurnContext
from exportstream.reading.formats.codex.replay import Replay
from exportstream.reading.formats.codex.response import Response, Turn, late_output, short_user_message, user_message
from exportstream.reading.formats.codex.usage import Info, Usage, Usages
from exportstream.reading.formats.content import leftover, text_of
from exportstream.reading.lines.session import LogSession
from exportstream.totals.seen import short_key

_TEXT_OR_NONE = frozenset({str, type(None)})
_ITEMS = frozenset({"message", "reasoning", "function_call"})  # the usual ones of a response
TURN_EVENTS = frozenset({"task_started", "turn_started", "task_complete", "turn_complete", "turn_aborted"})
_LARGEST_PENDING = 1 << 20  # bytes of messages that came while calls waited for their results
_META_KEYS = frozenset({"id", "timestamp", "cwd"})


class RolloutSession(LogSession):
    """The session of a rollout; see `LogSession`.

    Args:
        session_id: its id as long as no `session_meta` says it.
        known: keys of rows in inputs that were read before; None if there are no other inputs.
        keys: takes the keys of all rows if there are other inputs.

    Attributes:
        last_time: the time of the last line.
        has_ordinals: whether the ordinal of a line matters.
    """

    def __init__(self, session_id: str, known: Container[str | bytes] | None, keys: set[str | bytes]) -> None:
        super().__init__(Session(id=session_id, producer=PRODUCER))
        self.last_time: str | None = None
        self.has_ordinals = False
        self._known = known
        self._keys = keys
        self._copied: Usage | None = None  # tokens of rows that another input has; None if it has no row
        self._is_copy = True  # whether no other row has tokens
        self._has_meta = False
        self._agent: str | None = None
        self._replay = Replay({})
        self._usages = Usages()
        self._turn = Turn()
        self._response: Response | None = None
        self._response_line: int | None = None
        self._pending: list[tuple[Message, Turn, bool, int | None]] = []  # rows that come after the response
        self._pending_size = 0

    def finish(self) -> Session:
        """Complete the session."""
        self.flush()
        self.session.updated_at = self.last_time
        declared = self._usages.declared
        if self._copied is not None:  # the other input declared those
            declared = Usage() if self._is_copy else declared.minus(self._copied)
        self.session.prompt_tokens, self.session.completion_tokens = declared.input, declared.output
        return self.session

    def see_ordinal(self, ordinal: Any) -> None:
        """Take the ordinal of a line: it tells where the session's own lines begin."""
        if type(ordinal) is int:
            self._replay.see_line(ordinal)

    def add_meta(self, meta: dict[str, Any], time: str | None) -> bool:
        """Take a `session_meta`; False if it begins another session."""
        if self._has_meta:
            same = self._replay.see_meta(meta)
            self._usages.replaying = self._replay.running
            self._usages.inherits |= self._replay.running
            return same
        self._has_meta = True
        self._replay = replay = Replay(meta)
        self.has_ordinals = replay.first_ordinal is not None
        self._usages.inherits, self._usages.replaying = replay.parent is not None, replay.running
        session, extra = self.session, leftover(meta, _META_KEYS)
        found = {key: meta.get(key) for key in ("id", "timestamp", "cwd")}
        for key, value in found.items():
            if value is not None and not isinstance(value, str):
                raise InvalidMessageError(f"expected string, got {json_kind(value)}", path=f"$.payload.{key}")
        if found["id"] is not None and self.index == 0 and self._response is None:
            session.id = found["id"]
        elif found["id"] not in (None, session.id):
            extra["id"] = found["id"]
        session.created_at, session.project = found["timestamp"] or time, found["cwd"]
        session.parent_session_id = replay.parent
        self._agent = session.id if replay.is_sub_agent else None
        session.extra = extra or None
        return True

    def add_turn(self, context: TurnContext | Event) -> None:
        """Take a `turn_context`."""
        self._end_response()
        self._see_turn(context.turn_id)
        turn = self._turn
        model = context.model if isinstance(context.model, str) and context.model else turn.model
        effort = context.effort if isinstance(context.effort, str) else None
        if model != turn.model or effort != turn.effort:
            self._turn = Turn(turn.id, model, effort)

    def add_item(self, item: dict[str, Any], time: str | None, size: int) -> bool:
        """Take an item of a conversation; False if it becomes no row."""
        kind = item.get("type", "message")
        if not isinstance(kind, str):
            raise InvalidMessageError(f"expected string, got {json_kind(kind)}", path="$.payload.type")
        if kind == "message" and item.get("role") != "assistant":
            self._add_words(user_message(item, time, self._turn), size)
        elif kind not in _ITEMS and kind.endswith("_output"):
            if self._response is not None and self._response.add_output(item, time):
                self.held += size
            else:
                self._add(late_output(item, time, self._turn), self._turn, self.line, replayed=self._replay.running)
        elif kind in _ITEMS or kind.endswith("_call"):
            response = self._response
            if response is None or not response.takes_items:
                response = self._begin_response()
            response.add_item(item, time)
            self.held += size
        else:
            return False
        return True

    def add_short(self, item: ShortItem, line: bytes, time: str | None) -> bool:
        """Take an item of a conversation, of which only figures are wanted; return False if it has to be read in full."""
        kind, response = item.type, self._response
        if kind == "message" and item.role != "assistant":
            if item.role.__class__ not in _TEXT_OR_NONE:
                return False
            self._add_words(short_user_message(item, time), len(line))
            return True
        if kind not in _ITEMS:
            if kind.endswith("_output"):
                if response is None or not response.end_call(item, line, time):
                    return False
                self.held += len(line)
                return True
            if not kind.endswith("_call"):
                return False
        if item.name.__class__ not in _TEXT_OR_NONE or item.status.__class__ not in _TEXT_OR_NONE:
            return False
        if response is None or not response.takes_items:
            response = self._begin_response()
        response.add_short(item, time)
        self.held += len(line)
        return True

    def add_event(self, event: Event, time: str | None) -> None:
        """Take an event: the tokens so far, a turn that begins or ends, or how a call ended."""
        if event.type == "token_count":
            if event.info is not None:
                self.add_count(event.info, time)
        elif event.type in TURN_EVENTS:
            self._end_response()
            self._see_turn(event.turn_id)
        elif self._response is not None:
            ended = event.item if event.item is not None else event
            if type(ended.exit_code) is int:
                self._response.set_exit((ended.call_id, ended.id), failed=ended.exit_code != 0)

    def add_count(self, info: Info, time: str | None) -> None:
        """Take the tokens so far: they are of the response that has none, or are a row of their own."""
        usage = self._usages.count(info)
        if usage is not None:
            response = self._response
            if response is None or response.usage is not None:
                response = self._begin_response()
            response.end(usage, time)
        if info.model is not None and self._response is not None:
            self._response.model = info.model

    def add_usage_record(self, record: dict[str, Any], time: str | None) -> None:
        """Take a token usage record. A `token_count` before it told the same."""
        usage = self._usages.record(record)
        if usage is None:
            return
        response = self._response
        if response is None or response.is_recorded:
            response = self._begin_response()
        response.end(usage, time)
        response.is_recorded = True
        response.id = text_of(record, "response_id")

    def _add_words(self, row: Message, size: int) -> None:
        """Add the row of a message that no model wrote; while calls wait for their results, it comes after them."""
        if self._response is None or not self._response.is_waiting:
            self.flush()
        self._pending.append((row, self._turn, self._replay.running, self.line))
        self._pending_size += size
        if self._response is None or self._pending_size > _LARGEST_PENDING:
            self.flush()

    def flush(self) -> None:
        """Complete the response, and the messages that came while its calls waited."""
        response, self._response = self._response, None
        self.held = 0
        if response is not None:
            self._add(response.message(), response.turn, self._response_line, replayed=response.replayed)
        for row, turn, replayed, line in self._pending:
            self._add(row, turn, line, replayed=replayed)
        self._pending, self._pending_size = [], 0

    def _begin_response(self) -> Response:
        self.flush()
        self._response_line = self.line
        self._response = response = Response(self._turn, replayed=self._replay.running)
        return response

    def _end_response(self) -> None:
        if self._response is not None:
            self._response.takes_items = False

    def _see_turn(self, turn_id: Any) -> None:
        if self._replay.running:
            self._replay.see_turn(turn_id)
            self._usages.replaying = self._replay.running
        if isinstance(turn_id, str) and turn_id != self._turn.id:
            self._turn = Turn(turn_id, self._turn.model, self._turn.effort)

    def _add(self, row: Message, turn: Turn, line: int | None, *, replayed: bool) -> None:
        """Add a row, with what no item says of itself."""
        self.add_row(row, line)
        row.id = row.id or f"{turn.id if turn.id is not None else row.session_id}:{row.index}"
        row.agent_id = self._agent
        if replayed:
            row.usage_state = "replayed"
        elif self._known is not None:
            self._find_copy(row, self._known)

    def _find_copy(self, row: Message, known: Container[str | bytes]) -> None:
        """Mark a row that another input has, such as a packed or an archived copy of the rollout."""
        when = row.created_at or row.index  # an index alone differs in copies that begin later
        key = short_key(f"{row.session_id}:{when}:{row.role}:{row.input_tokens}:{row.output_tokens}")
        self._keys.add(key)
        if key in known:
            row.usage_state = "repeated"
            self._copied = (self._copied or Usage()).plus(Usage(row.input_tokens, output=row.output_tokens))
        elif row.usage_state is not None:
            self._is_copy = False
