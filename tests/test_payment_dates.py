"""The calendar by which people are paid: holidays, swaps, cut-offs, Tết."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paysvc.clock import VIETNAM
from paysvc.domain.errors import InvalidInput
from paysvc.domain.payment_dates import (
    DecidedDay,
    WorkingCalendar,
    check_periods,
    earliest_value_date,
    month_number,
    next_working_day,
    paying_month,
    payment_date,
    period_from_number,
    periods_paid_in,
    shift_period,
    tet_payment,
)
from paysvc.store.calendar import read_calendar, write_decided_days
from paysvc.store.engine import Database

#: What the government decided on top of the computed holidays.
SWAP = {date(2026, 8, 22): True, date(2026, 8, 31): False}

SOME_HOLIDAYS = frozenset({date(2026, 9, 1), date(2026, 9, 2), date(2026, 11, 24)})

CALENDAR = WorkingCalendar(SOME_HOLIDAYS, 2026, 2027, SWAP)

WITH_TET = {"2027-01": ("2027-01", "2027-02")}


@pytest.fixture
def vietnam(database: Database) -> WorkingCalendar:
    """The calendar as it is read for planning, with the decided days of 2026 in the database."""
    with database.write() as connection:
        write_decided_days(
            connection,
            [DecidedDay(day, working, "Hoán đổi Quốc khánh", "Thông báo") for day, working in SWAP.items()],
        )
        return read_calendar(connection, 2025, 2028)


def test_the_5th_is_pay_day_when_it_is_worked() -> None:
    assert payment_date("2026-11", CALENDAR) == date(2026, 11, 5)


def test_a_weekend_moves_pay_day_to_monday() -> None:
    assert payment_date("2026-12", CALENDAR) == date(2026, 12, 7), "5 December 2026 is a Saturday"


HOLIDAYS = {
    date(2026, 1, 1): "New Year",
    date(2026, 2, 17): "Tết",
    date(2026, 4, 27): "Hùng Kings, moved from Sunday",
    date(2026, 4, 30): "Liberation Day",
    date(2026, 9, 2): "National Day",
    date(2026, 8, 31): "swapped for a Saturday",
    date(2026, 11, 24): "Vietnam Culture Day, for the first time",
    date(2027, 2, 5): "Tết of the year after",
    date(2027, 5, 3): "Labour Day, moved from Saturday",
    date(2027, 11, 24): "Vietnam Culture Day",
}


def test_nobody_is_paid_on_a_holiday(vietnam: WorkingCalendar) -> None:
    assert [what for day, what in HOLIDAYS.items() if vietnam.is_working_day(day)] == []


def test_a_swapped_saturday_is_worked(vietnam: WorkingCalendar) -> None:
    assert vietnam.is_working_day(date(2026, 8, 22))
    assert not vietnam.is_working_day(date(2026, 8, 29))
    assert next_working_day(date(2026, 8, 22), vietnam) == date(2026, 8, 22)


def test_over_national_day_pay_day_waits_for_the_first_worked_day(vietnam: WorkingCalendar) -> None:
    """31 August (swapped), 1 and 2 September are off."""
    assert next_working_day(date(2026, 8, 29), vietnam) == date(2026, 9, 3)


def test_tet_is_skipped_whole(vietnam: WorkingCalendar) -> None:
    assert payment_date("2027-02", vietnam) == date(2027, 2, 11)


def test_a_decided_day_may_be_decided_anew(database: Database) -> None:
    def decide(working: bool) -> int:
        with database.write() as connection:
            return write_decided_days(connection, [DecidedDay(date(2026, 8, 22), working, "Hoán đổi", "Thông báo")])

    assert (decide(True), decide(True), decide(False)) == (1, 0, 1)
    with database.read() as connection:
        assert not read_calendar(connection, 2026, 2026).is_working_day(date(2026, 8, 22))


def test_a_year_without_known_holidays_is_refused_and_not_guessed() -> None:
    with pytest.raises(ValueError, match="2030"):
        CALENDAR.is_working_day(date(2030, 1, 2))


def test_a_calendar_without_working_days_is_refused() -> None:
    shut = WorkingCalendar(frozenset(date(2026, 1, 1) + timedelta(days=n) for n in range(365)), 2026, 2027)
    with pytest.raises(ValueError, match="no working day"):
        next_working_day(date(2026, 3, 1), shut)


@pytest.mark.parametrize("pay_day", [0, 29, 31])
def test_a_pay_day_exists_in_every_month(pay_day: int) -> None:
    with pytest.raises(ValueError, match="1 to 28"):
        payment_date("2026-12", CALENDAR, pay_day)


@pytest.mark.parametrize(
    ("now", "first_day"),
    [
        (datetime(2026, 11, 5, 15, 59, 59, tzinfo=VIETNAM), date(2026, 11, 5)),
        (datetime(2026, 11, 5, 16, 0, tzinfo=VIETNAM), date(2026, 11, 6)),
        (datetime(2026, 11, 6, 16, 0, tzinfo=VIETNAM), date(2026, 11, 9)),
        (datetime(2026, 11, 7, 8, 0, tzinfo=VIETNAM), date(2026, 11, 9)),
        (datetime(2026, 11, 23, 17, 0, tzinfo=VIETNAM), date(2026, 11, 25)),
        # 18:00 UTC is one o'clock on the next day in Vietnam.
        (datetime(2026, 11, 5, 18, 0, tzinfo=UTC), date(2026, 11, 6)),
        (datetime(2026, 11, 5, 8, 59, tzinfo=UTC), date(2026, 11, 5)),
        (datetime(2026, 11, 5, 9, 0, tzinfo=UTC), date(2026, 11, 6)),
    ],
)
def test_what_comes_after_the_cut_off_waits_for_the_next_working_day(now: datetime, first_day: date) -> None:
    assert earliest_value_date(now, 16, CALENDAR) == first_day


def test_before_tet_two_months_are_paid_in_one() -> None:
    assert tet_payment(date(2027, 2, 6)) == ("2027-01", WITH_TET["2027-01"])
    assert tet_payment(date(2023, 1, 22)) == ("2023-01", ("2023-01", "2023-02"))
    assert periods_paid_in("2027-01", WITH_TET) == ("2027-01", "2027-02")
    assert periods_paid_in("2027-02", WITH_TET) == (), "it was paid in January"
    assert periods_paid_in("2027-03", WITH_TET) == ("2027-03",)


@pytest.mark.parametrize(
    ("periods", "month"),
    [
        (["2026-12"], "2026-12"),
        (["2027-01", "2027-02"], "2027-01"),
        (["2026-12", "2027-01", "2027-02"], "2027-01"),
        (["2026-10", "2026-11", "2026-12"], "2026-12"),
        (["2027-02"], "2027-02"),
    ],
)
def test_a_cycle_is_paid_in_its_last_month_unless_decided_otherwise(periods: list[str], month: str) -> None:
    assert paying_month(periods, WITH_TET) == month


@pytest.mark.parametrize("periods", [[], ["2026-13"], ["2026-1"], ["12/2026"], ["2026-12", "2026-12"], ["2026-12 "]])
def test_malformed_periods_are_refused(periods: list[str]) -> None:
    with pytest.raises(InvalidInput):
        check_periods(periods)


@given(st.dates(date(2026, 1, 1), date(2027, 9, 1)), st.frozensets(st.dates(date(2026, 1, 1), date(2027, 12, 31))))
def test_the_next_working_day_is_the_first_one(day: date, holidays: frozenset[date]) -> None:
    calendar = WorkingCalendar(holidays, 2026, 2027, SWAP)
    found = next_working_day(day, calendar)
    assert found >= day
    assert calendar.is_working_day(found)
    assert not any(calendar.is_working_day(day + timedelta(days=n)) for n in range((found - day).days))
    assert next_working_day(found, calendar) == found


@given(st.integers(0, 9999 * 12 + 11), st.integers(-24, 24))
def test_periods_count_as_months_do(number: int, step: int) -> None:
    period = period_from_number(number)
    assert month_number(period) == number
    if 0 <= number + step <= 9999 * 12 + 11:
        assert month_number(shift_period(period, step)) == number + step
        assert (shift_period(period, step) > period) == (step > 0), "text order is time order"
