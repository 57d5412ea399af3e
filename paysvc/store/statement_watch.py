"""What is known of an account whose statements are waited for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from sqlalchemy import Connection, func, select

from paysvc.clock import vietnam_day
from paysvc.domain.instructions import BatchState, InstructionState
from paysvc.domain.statement_watch import WatchedAccount
from paysvc.store import ledger
from paysvc.store.returns import FileState
from paysvc.store.tables import bank_file, bank_statement, batch, inbound_file, instruction, send_attempt

#: Why a statement is PARKED: another one has to come between it and those believed, after them or before.
LATER_WAITS, EARLIER_WAITS = "statement_missing", "earlier_statement_missing"

#: Payments of which a statement has to show what became of them.
_OPEN = (InstructionState.SENT.value, InstructionState.DISPUTED.value)


def read_account(connection: Connection, bank_code: str, account: str) -> WatchedAccount:
    """How far the statements of this account reach, and what they have still to show."""
    columns = bank_statement.c
    days = [
        (row.from_date or row.to_date or vietnam_day(row.accepted_at), row.to_date or vietnam_day(row.accepted_at))
        for row in connection.execute(
            select(columns.from_date, columns.to_date, columns.accepted_at).where(
                columns.bank_code == bank_code, columns.account == account
            )
        )
    ]
    parked = set(
        connection.execute(
            select(inbound_file.c.reason_code).where(
                inbound_file.c.bank_code == bank_code, inbound_file.c.state == FileState.PARKED.value
            )
        ).scalars()
    )
    return WatchedAccount(
        covered_from=min((first for first, _ in days), default=None),
        covered_to=max((last for _, last in days), default=None),
        due_from=min(_due_days(connection, bank_code), default=None),
        waits_later=LATER_WAITS in parked,
        waits_earlier=EARLIER_WAITS in parked,
    )


def _due_days(connection: Connection, bank_code: str) -> Iterator[date]:
    """For each batch with payments that are not booked, the day on which they should have been: the day
    they were for, or the day they left when that was later.

    What is in transit says how much there is to find, and it is mostly in the last batches: looked
    for in all that ever left, it would take longer with every year.
    """
    accounts = (ledger.in_transit(bank_code), ledger.cash_in_transit(bank_code))
    to_find = sum(one.amount_vnd for one in ledger.balances(connection, accounts))
    if not to_find:
        return
    left = func.max(send_attempt.c.started_at)
    sent = connection.execute(
        select(batch.c.id, batch.c.value_date, left.label("left_at"))
        .outerjoin(bank_file, bank_file.c.batch_id == batch.c.id)
        .outerjoin(send_attempt, send_attempt.c.bank_file_id == bank_file.c.id)
        .where(batch.c.bank_code == bank_code, batch.c.state == BatchState.SENT.value)
        .group_by(batch.c.id, batch.c.value_date)
        .order_by(batch.c.id.desc())
    ).all()
    for one in sent:
        amount = int(
            connection.execute(
                select(func.coalesce(func.sum(instruction.c.amount_vnd), 0)).where(
                    instruction.c.batch_id == one.id, instruction.c.state.in_(_OPEN), instruction.c.debit_count == 0
                )
            ).scalar_one()
        )
        if amount:
            yield max(one.value_date, vietnam_day(one.left_at)) if one.left_at else one.value_date
            to_find -= amount
        if not to_find:
            return
