"""The only place that asks what time it is; everything else is told."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Protocol

#: Vietnam: UTC+7 all year, no daylight saving.
VIETNAM = timezone(timedelta(hours=7), "Asia/Ho_Chi_Minh")


class Clock(Protocol):
    """Tells the time; always aware."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands where it was put; for tests, practice and the demo's month."""

    def __init__(self, moment: datetime) -> None:
        if moment.tzinfo is None:
            raise ValueError("a clock needs a time with an offset")
        self._moment = moment

    def now(self) -> datetime:
        return self._moment

    def set(self, moment: datetime) -> None:
        self._moment = moment

    def advance(self, step: timedelta) -> None:
        self._moment += step


def vietnam_day(moment: datetime) -> date:
    """The day on which an officer in Vietnam sees this moment."""
    return moment.astimezone(VIETNAM).date()
