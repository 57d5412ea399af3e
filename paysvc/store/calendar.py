"""The working calendar of Vietnam: computed holidays, overridden by what was decided."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select

from paysvc.domain.payment_dates import DecidedDay, WorkingCalendar
from paysvc.store.bulk import insert_columns
from paysvc.store.tables import calendar_override


def read_calendar(connection: Connection, first_year: int, last_year: int) -> WorkingCalendar:
    """Holidays of these years as the `holidays` library computes them, with the stored overrides."""
    # Takes a quarter of a second to load, which most commands need not wait for.
    import holidays

    years = range(first_year, last_year + 1)
    rows = connection.execute(select(calendar_override.c.day, calendar_override.c.is_working_day))
    return WorkingCalendar(
        holidays=frozenset(holidays.country_holidays("VN", years=years)),
        first_year=first_year,
        last_year=last_year,
        overrides={row.day: row.is_working_day for row in rows},
    )


def write_decided_days(connection: Connection, days: Sequence[DecidedDay]) -> int:
    """Set these overrides (a day decided before is decided anew); returns how many differ from before."""
    before = {
        row.day: DecidedDay(row.day, row.is_working_day, row.name, row.source)
        for row in connection.execute(select(calendar_override))
    }
    changed = [day for day in days if before.get(day.day) != day]
    if not changed:
        return 0
    connection.execute(delete(calendar_override).where(calendar_override.c.day.in_([day.day for day in changed])))
    insert_columns(
        connection,
        calendar_override,
        {
            "day": [day.day for day in changed],
            "is_working_day": [day.is_working_day for day in changed],
            "name": [day.name for day in changed],
            "source": [day.source for day in changed],
        },
    )
    return len(changed)
