"""The time as Vietnamese bank files write it, in one word: 20261130091530."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

#: UTC+7 all year, no daylight saving.
_VIETNAM = timezone(timedelta(hours=7))


def compact_time(moment: datetime) -> str:
    """yyyymmddHHMMSS in Vietnam, of an aware moment."""
    return moment.astimezone(_VIETNAM).strftime("%Y%m%d%H%M%S")
