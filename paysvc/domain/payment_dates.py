"""When money is paid: periods, working days, the day of a cycle, cut-offs, and Tết.

A period is a month, `YYYY-MM`. Holidays and swapped working days come in as data, because
the government decides them year by year (Labour Code, Article 112). All times of day are
those of Asia/Ho_Chi_Minh (UTC+7, no daylight saving).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from types import MappingProxyType

from paysvc.domain.errors import InvalidInput

#: Paid from the 5th: inside the window of the 1st to the 10th in which allowances are paid out.
DEFAULT_PAY_DAY = 5

_PERIOD = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_SATURDAY = 5
_VIETNAM = timezone(timedelta(hours=7))

#: No calendar has so many days off in a row; beyond it the calendar itself is wrong.
_LONGEST_BREAK = 60


def is_period(text: str) -> bool:
    """True for `YYYY-MM`."""
    return _PERIOD.fullmatch(text) is not None


def period_of(day: date) -> str:
    return f"{day.year:04d}-{day.month:02d}"


def month_number(period: str) -> int:
    """Months since year 0, so that periods can be counted and compared as numbers."""
    return int(period[:4]) * 12 + int(period[5:7]) - 1


def period_from_number(number: int) -> str:
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def shift_period(period: str, months: int) -> str:
    """The period so many months later (earlier when negative)."""
    return period_from_number(month_number(period) + months)


@dataclass(frozen=True, slots=True)
class DecidedDay:
    """A day that differs from the computed calendar, and who decided so."""

    day: date
    is_working_day: bool
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class WorkingCalendar:
    """Holidays, and days that the government declared otherwise.

    `overrides` maps a day to whether it is worked: a swapped Saturday is True, a bridge day
    is False; an override wins over everything. `first_year` and `last_year` bound what the
    holidays are known for.
    """

    holidays: frozenset[date]
    first_year: int
    last_year: int
    overrides: Mapping[date, bool] = field(default_factory=lambda: MappingProxyType({}))

    def is_working_day(self, day: date) -> bool:
        """Raises ValueError for a year whose holidays are not known."""
        if not self.first_year <= day.year <= self.last_year:
            raise ValueError(f"no holidays are known for {day.year}")
        if day in self.overrides:
            return self.overrides[day]
        return day.weekday() < _SATURDAY and day not in self.holidays


def next_working_day(day: date, calendar: WorkingCalendar) -> date:
    """`day` itself when it is worked, else the first worked day after it.

    A payment that falls on a Saturday, Sunday or holiday moves to the next working day
    (Decision 166/QĐ-BHXH).
    """
    return _nearest_working_day(day, calendar, timedelta(days=1))


def previous_working_day(day: date, calendar: WorkingCalendar) -> date:
    """`day` itself when it is worked, else the last worked day before it."""
    return _nearest_working_day(day, calendar, timedelta(days=-1))


def _nearest_working_day(day: date, calendar: WorkingCalendar, step: timedelta) -> date:
    for number in range(_LONGEST_BREAK):
        candidate = day + number * step
        if calendar.is_working_day(candidate):
            return candidate
    raise ValueError(f"no working day within {_LONGEST_BREAK} days of {day}")


def payment_date(month: str, calendar: WorkingCalendar, pay_day: int = DEFAULT_PAY_DAY) -> date:
    """The value date of a cycle paid in `month`: its `pay_day`, or the next working day.

    `pay_day` is 1 to 28, so that every month has it; raises ValueError otherwise.
    """
    if not 1 <= pay_day <= 28:
        raise ValueError("a pay day is 1 to 28")
    number = month_number(month)
    return next_working_day(date(number // 12, number % 12 + 1, pay_day), calendar)


def periods_paid_in(month: str, joined: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The periods that are due in `month`: itself, or what was decided for it, or nothing.

    `joined` maps a month to the periods paid together in it (before Tết: this month and the
    next). A month that was paid ahead has nothing due of its own: ().
    """
    if month in joined:
        return tuple(joined[month])
    if any(month in periods for periods in joined.values()):
        return ()
    return (month,)


def paying_month(periods: Sequence[str], joined: Mapping[str, Sequence[str]]) -> str:
    """The month in which a cycle of these periods is paid.

    Months decided to be paid together are paid in the month decided for it; otherwise the
    last period's own month, in which arrears of earlier months are paid too.
    """
    for month, together in joined.items():
        if max(periods) in together and month in periods:
            return month
    return max(periods)


def tet_payment(tet: date) -> tuple[str, tuple[str, str]]:
    """What is usual before Tết (the lunar new year's day `tet`): the month before it and the
    month of it are paid together in the month before; in January when Tết falls in January.

    This is the proposal to start from. What counts is the decision of the year, as data.
    """
    first = f"{tet.year:04d}-01"
    return first, (first, f"{tet.year:04d}-02")


def earliest_value_date(moment: datetime, cut_off_hour: int, calendar: WorkingCalendar) -> date:
    """The first day on which a file handed over at `moment` (aware) can be executed.

    Up to the cut-off of a working day that is the day itself, afterwards the next working
    day. The cut-off hour itself is late.
    """
    local = moment.astimezone(_VIETNAM)
    day = local.date()
    if calendar.is_working_day(day) and local.time() < time(cut_off_hour):
        return day
    return next_working_day(day + timedelta(days=1), calendar)


def check_periods(periods: Sequence[str]) -> tuple[str, ...]:
    """The periods in order. Raises `InvalidInput` when there is none, or one is malformed or twice."""
    if not periods or not all(is_period(period) for period in periods):
        raise InvalidInput("period_malformed", "A period is a month written YYYY-MM, such as 2026-12.")
    if len(set(periods)) != len(periods):
        raise InvalidInput("period_twice", "A period is named twice.")
    return tuple(sorted(periods))
