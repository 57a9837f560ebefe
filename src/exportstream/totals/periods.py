"""Periods: the day, week, month and hour of a message, and whether it is in a range of time.

Takes: date-times as written. Returns: texts such as ``2025-10-03``.
Raises: `OptionError` for a zone or a bound that is none. Holds: nothing.

Without a zone a day is that of the text's own offset. A date-time without an offset counts as UTC where instants are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from msgspec import Struct

from exportstream.errors import OptionError
from exportstream.models.dates import truncated_instants

LOCAL = "local"


class Range(Struct, frozen=True):
    """A half-open range of time, and the zone of its days.

    Attributes:
        since: the first instant, as ISO 8601: a date, or a date-time with or without an offset; None for no bound.
        until: the first instant after the range.
        tz: name of a zone, such as ``Europe/Berlin``, or ``local`` for the machine's; None for the offset of each text.

    Raises:
        OptionError: a value is none of these, or the range is empty.
    """

    since: str | None = None
    until: str | None = None
    tz: str | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        _zone(self.tz)
        bounds = [self._bound("since"), self._bound("until")]
        since, until = bounds
        if since and until and (since.tzinfo is None) == (until.tzinfo is None) and since >= until:
            hint = "swap them" if since > until else _later_than(str(self.until))
            raise OptionError(f"expected `since` before `until`, got {self.since} and {self.until}", hint=hint)

    @property
    def is_bounded(self) -> bool:
        """Whether it leaves anything out."""
        return self.since is not None or self.until is not None

    def contains(self, dates: list[str | None]) -> list[bool | None]:
        """Return for each date-time whether it is in the range; None if it is absent or can't be parsed."""
        since, until = self._bound("since"), self._bound("until")
        return [
            None if one is None else not ((since and _is_before(one, since)) or (until and not _is_before(one, until)))
            for one in truncated_instants(dates)
        ]

    def periods(self, name: str, dates: list[str | None]) -> list[str | None]:
        """Return the day, week, month or hour of each date-time; None if it is absent or can't be parsed."""
        write = _WRITTEN[name]
        # With a zone an hour keeps its offset: where clocks are put back there are two of the same name.
        in_zone = str if name == "hour" else write
        instants = truncated_instants(dates)
        if self.tz is None:  # the text begins with the clock of its own offset
            return [None if instant is None else write(text) for text, instant in zip(dates, instants, strict=True)]  # type: ignore[arg-type]
        zone = _zone(self.tz)
        return [None if instant is None else _in_zone(instant, zone, in_zone) for instant in instants]

    def _bound(self, name: str) -> datetime | None:
        text = getattr(self, name)
        if text is None:
            return None
        try:
            bound = datetime.fromisoformat(text)
            if bound.tzinfo is None and self.tz is not None:
                zone = _zone(self.tz)
                bound = bound.astimezone() if zone is None else bound.replace(tzinfo=zone)
        except (TypeError, ValueError, OverflowError):
            raise OptionError(
                f"expected `{name}` to be a date or date-time, got {text!r}",
                hint="write it as 2025-10-03, 2025-10-03T10:00, or 7d for seven days before now",
            ) from None
        return bound


def _later_than(until: str) -> str:
    """Return what to do about a range that ends where it begins: for a date, give the next day."""
    later = "a later time"
    with suppress(ValueError, OverflowError):  # a date-time, or the last day of the calendar
        later = str(date.fromisoformat(until) + timedelta(1))
    return f"`until` is not included: give {later}"


def _zone(name: str | None) -> tzinfo | None:
    """Return the zone of a name; None for the machine's own."""
    if name is None or name == LOCAL:
        return None
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - slow to import, and only for `tz`

    try:
        return ZoneInfo(name)
    except (TypeError, KeyError, ValueError, OSError):
        raise OptionError(
            f"expected `tz` to be a time zone, got {name!r}", hint="write it as Europe/Berlin, UTC or local"
        ) from None


def _is_before(instant: datetime, bound: datetime) -> bool:
    """Whether an instant is before a bound; one without a zone is compared with the clock of the instant's own."""
    return (instant.replace(tzinfo=None) if bound.tzinfo is None else _as_aware(instant)) < bound


def _as_aware(instant: datetime) -> datetime:
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def _in_zone(instant: datetime, zone: tzinfo | None, write: Callable[[str], str]) -> str | None:
    try:
        return write(_as_aware(instant).astimezone(zone).isoformat(timespec="hours"))
    except OverflowError:  # in the year 1 or 9999
        return None


@lru_cache(4096)
def _week(day: str) -> str:
    year, week, _ = date.fromisoformat(day).isocalendar()
    return f"{year:04}-W{week:02}"


_WRITTEN: dict[str, Callable[[str], str]] = {  # from the text of a date-time
    "day": lambda text: text[:10],
    "week": lambda text: _week(text[:10]),
    "month": lambda text: text[:7],
    "hour": lambda text: f"{text[:10]}T{text[11:13]}",
}
PERIODS = tuple(_WRITTEN)
