"""The equation of what was withdrawn and closed, asked of the rows, the ledger and the trail
(`store.book_checks` asks the others)."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, case, func, select

from paysvc.domain.books import MOST_NAMED, Difference, Equation, Examined
from paysvc.domain.instructions import CycleState
from paysvc.domain.withdrawing import content_sha256
from paysvc.store import withdrawals as stored
from paysvc.store.tables import (
    audit_event,
    instruction,
    ledger_transaction,
    payment_cycle,
    posting,
    withdrawal,
)

_CYCLES = select(func.count()).select_from(payment_cycle)


def withdrawals(connection: Connection) -> Examined:
    """Every withdrawal as its rows, its event and the ledger have it, and every cycle that was closed.

    That a withdrawn payment is CANCELLED, and no other is, `states` says; that its dues are free, `claims`.
    """
    rows = _rows(connection)
    count = sum(map(len, rows.values())) + connection.execute(_CYCLES).scalar_one()
    found = [*_told(connection, rows), *_closed(connection)]
    return Examined(Equation.WITHDRAWALS, count, tuple(found[:MOST_NAMED]))


def _rows(connection: Connection) -> dict[str, deque[Row[Any]]]:
    """Code of a cycle -> what was withdrawn of it, in order."""
    found: dict[str, deque[Row[Any]]] = defaultdict(deque)
    statement = (
        select(withdrawal, payment_cycle.c.code, instruction.c.end_to_end_id, instruction.c.amount_vnd)
        .join(instruction, instruction.c.id == withdrawal.c.instruction_id)
        .join(payment_cycle, payment_cycle.c.id == instruction.c.cycle_id)
        .order_by(withdrawal.c.id)
    )
    for row in connection.execute(statement):
        found[row.code].append(row)
    return found


def _told(connection: Connection, rows: dict[str, deque[Row[Any]]]) -> Iterator[Difference]:
    """Events that name other payments, or another officer, than the rows written with them; and rows of no event."""
    posted = _posted(connection)
    event = audit_event.c
    events = connection.execute(
        select(event.id, event.subject, event.actor, event.detail)
        .where(event.verb == "withdraw-payments", event.subject.startswith("cycle:"))
        .order_by(event.id)
    )
    for event_id, subject, actor, text in events:
        detail, code = json.loads(text), subject.removeprefix("cycle:")
        own = rows.get(code, deque())
        taken = [own.popleft() for _ in range(min(int(detail["count"]), len(own)))]
        listed = [(row.end_to_end_id, int(row.amount_vnd)) for row in taken]
        told = (actor, detail["reason"], detail["payments_sha256"])
        kept = {(row.withdrawn_by, row.reason, content_sha256(listed).hex()) for row in taken}
        what = f"withdrawal of event {event_id}, cycle {code}"
        if kept != {told}:
            yield Difference(Equation.WITHDRAWALS, what, f"payments {told[2][:16]} by {actor}", "others, or by others")
        paid_back = posted.pop(stored.reference(code, taken[0].id), 0) if taken else 0
        if paid_back != int(detail["sum_vnd"]):
            yield Difference(Equation.WITHDRAWALS, what, f"{detail['sum_vnd']} đồng given back", str(paid_back))
    for code, left in sorted(rows.items()):
        for row in left:
            what = f"payment {row.end_to_end_id} of {code}"
            yield Difference(Equation.WITHDRAWALS, what, "not withdrawn", "withdrawn")
    for name in sorted(posted):
        yield Difference(Equation.WITHDRAWALS, name, "nothing given back", str(posted[name]))


def _posted(connection: Connection) -> dict[str, int]:
    """Reference of every transaction by which money of withdrawn payments went back -> đồng."""
    columns = ledger_transaction.c
    total = func.sum(case((posting.c.amount_vnd > 0, posting.c.amount_vnd), else_=0))
    rows = connection.execute(
        select(columns.reference, total)
        .join(posting, posting.c.transaction_id == columns.id)
        .where(columns.kind == "withdraw", posting.c.account_code.startswith("fund:"))
        .group_by(columns.reference)
    )
    return {name: int(amount) for name, amount in rows}


def _closed(connection: Connection) -> Iterator[Difference]:
    """Cycles that are closed by their row and not by the trail, or the other way round."""
    event = audit_event.c
    told = set(connection.execute(select(event.subject).where(event.verb == "close-cycle")).scalars())
    rows = connection.execute(select(payment_cycle.c.code, payment_cycle.c.state).order_by(payment_cycle.c.id))
    for code, state in rows:
        is_told = f"cycle:{code}" in told
        if is_told != (state == CycleState.CLOSED.value):
            expected = CycleState.CLOSED.value if is_told else "not closed"
            yield Difference(Equation.WITHDRAWALS, f"cycle {code}", expected, state)
