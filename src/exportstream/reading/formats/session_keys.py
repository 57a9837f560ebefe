"""Puts one session together from its keys, and from those of an SDK response that may be around it.

Takes: keys and values in the order of the file. Returns: its `Session`. Raises: `NotAnExportError`.
Holds: the keys that came before the `messages`.
"""

from __future__ import annotations

from typing import Any

from exportstream.errors import NotAnExportError
from exportstream.models.structs import Session
from exportstream.reading.formats.message import FIELDS, convert_field
from exportstream.reading.formats.not_exports import another_export, server_error


class SessionKeys:
    """The keys of one session.

    Args:
        session: one that was read as a whole.

    Attributes:
        session: what is known of it; its fields are set when the `messages` begin.
        has_messages: whether they have begun: only then is the object known to be a session.
    """

    def __init__(self, session: Session | None = None) -> None:
        self.session = session or Session()
        self._wire_names: dict[str, str] = {}
        # The keys as they are, until the messages begin.
        self._pending: dict[str, Any] | None = {} if session is None else None
        # The keys of the object around a `result`, which is an SDK response if the result turns out to be a session.
        self._around: dict[str, Any] | None = None
        self._in_result = False

    @property
    def has_messages(self) -> bool:
        """Whether the messages have begun."""
        return self._pending is None

    @property
    def id(self) -> str | None:
        """The session's id, as far as it is known."""
        found = (self._pending or {}).get("id") or self.session.id
        return found if isinstance(found, str) else None

    def take(self, name: str, value: Any) -> None:
        """Take a key of the session, or of the SDK response around it."""
        if self._pending is not None:
            self._pending[name] = value
        elif self._around is not None and not self._in_result:
            self._around[name] = value
        else:
            self._set(name, value)

    def begin_result(self) -> None:
        """Keep the keys so far: they may be those of an SDK response around the session."""
        self._around, self._pending, self._in_result = self._pending, {}, True

    def end_result(self, *, is_session: bool) -> None:
        """It was the session of an SDK response, or else just an unknown key of a session."""
        self._in_result = False
        if not is_session:
            result, self._pending, self._around = self._pending, self._around or {}, None
            self._pending["result"] = result

    def begin_messages(self) -> None:
        """Set the keys that came before the messages: the object is a session."""
        pending, self._pending = self._pending or {}, None
        known = FIELDS[Session]
        extra = {key: value for key, value in pending.items() if key not in known}
        if extra:
            self.session.extra = extra
        for key, value in pending.items():
            if key in known:
                self._set(key, value)

    def keep_broken(self) -> None:
        """Keep the keys of a session whose rest is lost, perhaps before its messages; values that don't fit are extra."""
        pending, self._pending = self._pending or {}, None
        for key, value in pending.items():
            try:
                self._set(key, value)
            except NotAnExportError:
                self.session.extra = (self.session.extra or {}) | {key: value}
        self.keep_response()

    def keep_response(self) -> None:
        """Keep the keys of an SDK response under a key of their own, so that none of the session is replaced."""
        around, self._around = self._around, None
        if around:
            self.session.extra = extra = self.session.extra or {}
            name = "response"
            while name in extra:
                name += "_"
            extra[name] = around

    def server_error(self, source: str | None) -> NotAnExportError | None:
        """The error for an error response; None for all else."""
        return server_error(self._pending or {}, source) if self.id is None else None

    def another_export(self, source: str | None) -> NotAnExportError | None:
        """The error for an object of another program's export; None for all else."""
        keys = self._pending if self._pending is not None else self.session.extra
        if self._in_result:
            keys = self._around
        return another_export(keys, source) if keys else None

    def _set(self, key: str, value: Any) -> None:
        """Set a field of the session; the same one in both spellings is refused."""
        session = self.session
        name = FIELDS[Session].get(key)
        if name is None:
            if session.extra is None:
                session.extra = {}
            session.extra[key] = value
            return
        if name in self._wire_names:
            raise NotAnExportError(f"expected each key of a session once, got {self._wire_names[name]!r} and {key!r}")
        self._wire_names[name] = key
        if value is None and name in ("id", "title"):
            raise NotAnExportError(f"expected a string, got null for the session's {key!r}", path=f"$.{key}")
        if value is not None:
            try:
                setattr(session, name, convert_field(name, value))
            except ValueError as error:
                raise NotAnExportError(f"the session's {key!r}: {error}", path=f"$.{key}") from None
