"""On which days the bank works: Monday to Friday without Vietnam's public holidays."""

from __future__ import annotations

from datetime import date, timedelta

ONE_DAY = timedelta(days=1)

#: Labour Code art. 112 with the Government's swaps; 24 November is a holiday since 2026. For
#: years not listed only Saturdays and Sundays are free.
_HOLIDAYS = frozenset(
    date(year, month, day)
    for year, month, days in (
        (2026, 1, (1,)),
        (2026, 2, (16, 17, 18, 19, 20)),
        (2026, 4, (27, 30)),
        (2026, 5, (1,)),
        (2026, 8, (31,)),
        (2026, 9, (1, 2)),
        (2026, 11, (24,)),
        (2027, 1, (1,)),
        (2027, 2, (4, 5, 8, 9, 10)),
        (2027, 4, (16, 30)),
        (2027, 5, (3,)),
        (2027, 9, (2, 3)),
        (2027, 11, (24,)),
    )
    for day in days
)
#: Saturdays worked in exchange for a day off.
_WORKING_SATURDAYS = frozenset({date(2026, 8, 22)})


def is_banking_day(day: date) -> bool:
    """True when the bank books and writes a statement on `day`."""
    return day in _WORKING_SATURDAYS or (day.weekday() < 5 and day not in _HOLIDAYS)


def on_or_after(day: date) -> date:
    """The first banking day that is not before `day`."""
    while not is_banking_day(day):
        day += ONE_DAY
    return day


def after(day: date, count: int) -> date:
    """The `count`-th banking day after `day`; with 0 the first that is not before it."""
    day = on_or_after(day)
    for _ in range(count):
        day = on_or_after(day + ONE_DAY)
    return day
