"""Which banks owe us a statement: asked at every collect-returns, and for the meters."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from paysvc.bank_registry import BankRegistry
from paysvc.clock import vietnam_day
from paysvc.domain.statement_watch import MissingStatement, missing_day
from paysvc.store.calendar import read_calendar
from paysvc.store.matching import masked_account
from paysvc.store.statement_watch import read_account


def find_missing_statements(connection: Connection, banks: BankRegistry, now: datetime) -> list[MissingStatement]:
    """The configured banks of which a statement did not come, in the order of the settings; one entry a bank."""
    today, found = vietnam_day(now), []
    for bank in banks:
        account = bank.settings.debtor.account
        watched = read_account(connection, bank.settings.code, account)
        if watched.is_quiet:
            continue
        days = [day for day in (watched.covered_from, watched.covered_to, watched.due_from, today) if day is not None]
        first, last = min(days) - timedelta(days=60), max(days) + timedelta(days=60)
        day = missing_day(watched, today, read_calendar(connection, first.year, last.year))
        if day is not None:
            found.append(MissingStatement(bank.settings.code, masked_account(account), day))
    return found
