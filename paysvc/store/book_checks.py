"""Each equation of `domain.books`, asked of the rows: one side beside the other.

None of it uses what the posting side computes with (`core.standing`, `store.money_moves`): a
check that shares its rule with what it checks shares the fault as well.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select

from paysvc.domain.books import MOST_NAMED, Difference, Equation, Examined
from paysvc.domain.instructions import BatchState, CycleState, InstructionState
from paysvc.domain.money import VND
from paysvc.store import audit_trail, ledger, plans
from paysvc.store.claim_checks import claims
from paysvc.store.discrepancy_checks import discrepancies
from paysvc.store.letter_checks import letters
from paysvc.store.resubmission_checks import resubmissions
from paysvc.store.sending import in_transit
from paysvc.store.state_checks import attempts, inbound_files, states
from paysvc.store.tables import (
    audit_event,
    bank_file,
    bank_statement,
    batch,
    entitlement,
    instruction,
    ledger_transaction,
    payment_cycle,
    programme,
    statement_line,
)
from paysvc.store.withdrawal_checks import withdrawals

_RESERVING = (CycleState.APPROVED.value, CycleState.RELEASED.value, CycleState.CLOSED.value)
_LINES_PAID = ("planned lines with a payment", "lines with a payment")
#: Payments of which no bank is known to have the file.
_WAITING = (InstructionState.PLANNED.value, InstructionState.BATCHED.value, InstructionState.UNKNOWN.value)
#: Those that no bank will make.
_FREE = (InstructionState.REJECTED.value, InstructionState.CANCELLED.value)


def trail(connection: Connection) -> Examined:
    """The chain of events, from the first."""
    broken = audit_trail.first_broken_event(connection)
    found = [] if broken is None else [Difference(Equation.TRAIL, f"event {broken}", "unbroken", "broken")]
    return _examined(Equation.TRAIL, _count(connection, select(func.count()).select_from(audit_event)), found)


def transactions(connection: Connection) -> Examined:
    """Every transaction of the ledger: posted, not empty, and zero together."""
    found = [
        Difference(
            Equation.TRANSACTIONS,
            one.reference,
            "posted, 0",
            f"{'posted' if one.is_posted else 'open'}, {one.amount_vnd}",
        )
        for one in ledger.unbalanced(connection, MOST_NAMED)
    ]
    return _examined(
        Equation.TRANSACTIONS, _count(connection, select(func.count()).select_from(ledger_transaction)), found
    )


def accounts(connection: Connection) -> Examined:
    """Every account of the ledger against what payments, deposits and statement lines say must be on it."""
    expected: Counter[str] = Counter()
    for part in (_deposited(connection), _placed(connection), _unknown_money(connection)):
        expected.update(part)
    posted = {one.account: one.amount_vnd for one in ledger.balances(connection)}
    names = sorted(expected.keys() | posted.keys())
    found = [
        Difference(Equation.ACCOUNTS, name, str(expected[name]), str(posted.get(name, 0)))
        for name in names
        if expected[name] != posted.get(name, 0)
    ]
    return _examined(Equation.ACCOUNTS, len(names), found)


def _deposited(connection: Connection) -> Counter[str]:
    """What was deposited, by the trail and not by the ledger that is being checked."""
    event = audit_event.c
    found: Counter[str] = Counter()
    rows = connection.execute(select(event.subject, event.detail).where(event.verb == "deposit-fund"))
    for account, detail in rows:  # the subject is the account: fund:F
        amount = int(json.loads(detail)["amount_vnd"])
        found[account] += amount
        found[ledger.TREASURY] -= amount
    return found


def _placed(connection: Connection) -> Counter[str]:
    """Where the money of every approved payment must be."""
    one = instruction.c
    is_waiting, is_free = one.state.in_(_WAITING), one.state.in_(_FREE)
    is_booked = one.debit_count > 0
    back = case((and_(is_booked, one.debited_vnd < one.credited_vnd), one.debited_vnd), (is_booked, one.credited_vnd))
    came_back = func.coalesce(back, 0)

    def total(value: Any, where: ColumnElement[bool] | None = None) -> ColumnElement[int]:
        return func.coalesce(func.sum(value if where is None else case((where, value), else_=0)), 0)

    rows = connection.execute(
        select(
            programme.c.fund_code,
            one.bank_code,
            one.channel,
            total(one.amount_vnd).label("approved"),
            total(one.amount_vnd, is_waiting).label("reserved"),
            total(one.amount_vnd, is_free).label("free"),
            total(one.amount_vnd, and_(~is_waiting, ~is_free, ~is_booked)).label("in_transit"),
            total(one.debited_vnd - came_back, is_booked).label("paid"),
            total(came_back).label("returned"),
            total(one.amount_vnd - one.debited_vnd, is_booked).label("unexplained"),
            total(one.credited_vnd - came_back).label("unannounced"),
        )
        .select_from(instruction)
        .join(entitlement, entitlement.c.id == one.entitlement_id)
        .join(programme, programme.c.code == entitlement.c.programme_code)
        .join(payment_cycle, payment_cycle.c.id == one.cycle_id)
        .where(payment_cycle.c.state.in_(_RESERVING))
        .group_by(programme.c.fund_code, one.bank_code, one.channel)
    )
    found: Counter[str] = Counter()
    for row in rows:
        found[ledger.fund(row.fund_code)] += int(row.free - row.approved)
        found[ledger.reserved(row.fund_code)] += int(row.reserved)
        found[in_transit(row.bank_code, row.channel)] += int(row.in_transit)
        found[ledger.paid(row.fund_code)] += int(row.paid)
        found[ledger.returned(row.fund_code)] += int(row.returned)
        found[ledger.suspense(row.bank_code)] += int(row.unexplained + row.unannounced)
        found[ledger.TREASURY] -= int(row.unannounced)
    return found


def _unknown_money(connection: Connection) -> Counter[str]:
    line = statement_line.c
    rows = connection.execute(
        select(
            bank_statement.c.bank_code,
            func.sum(case((line.is_debit, -line.amount_vnd), else_=line.amount_vnd)),
        )
        .join(bank_statement, bank_statement.c.id == line.statement_id)
        .where(line.verdict == "unknown_reference", line.status == "BOOK", line.currency == VND)
        .group_by(bank_statement.c.bank_code)
    )
    found: Counter[str] = Counter()
    for bank_code, net in rows:
        found[ledger.suspense(bank_code)] += int(net)
        found[ledger.TREASURY] -= int(net)
    return found


def plans_and_payments(connection: Connection) -> Examined:
    """Nobody who was planned is without a payment, nobody else has one (drafts may be in the making)."""
    is_planned = entitlement.c.disposition == "planned"
    lines = (
        select(payment_cycle.c.code, func.count(), func.sum(case((is_planned, 1), else_=0)))
        .select_from(entitlement)
        .join(payment_cycle, payment_cycle.c.id == entitlement.c.cycle_id)
        .where(payment_cycle.c.state != CycleState.DRAFT.value)
        .group_by(payment_cycle.c.code)
        .order_by(payment_cycle.c.code)
    )
    is_right = and_(is_planned, entitlement.c.amount_vnd == instruction.c.amount_vnd)
    line_id = instruction.c.entitlement_id
    made = (
        select(
            payment_cycle.c.code,
            func.count(line_id.distinct()),
            func.count(case((is_right, line_id)).distinct()),
        )
        .select_from(instruction)
        .join(payment_cycle, payment_cycle.c.id == instruction.c.cycle_id)
        .outerjoin(entitlement, and_(entitlement.c.id == line_id, entitlement.c.cycle_id == instruction.c.cycle_id))
        .group_by(payment_cycle.c.code)
    )
    payments = {code: (int(right), int(every)) for code, every, right in connection.execute(made)}
    count, found = 0, []
    for code, number, planned in connection.execute(lines):
        count += int(number)
        for subject, those in zip(_LINES_PAID, payments.get(code, (0, 0)), strict=True):
            if those != int(planned):
                found.append(Difference(Equation.PLANS, f"cycle {code}, {subject}", str(int(planned)), str(those)))
    return _examined(Equation.PLANS, count, found)


def approvals(connection: Connection) -> Examined:
    """The digest of a cycle's content as it was submitted, and as the rows give it today."""
    rows = connection.execute(
        select(payment_cycle.c.id, payment_cycle.c.code, payment_cycle.c.content_sha256)
        .where(payment_cycle.c.state != CycleState.DRAFT.value)
        .order_by(payment_cycle.c.id)
    ).all()
    found = []
    for cycle_id, code, submitted in rows:
        today = plans.content_sha256(connection, cycle_id)
        if today != submitted:
            found.append(Difference(Equation.APPROVALS, f"cycle {code}", submitted.hex()[:16], today.hex()[:16]))
    return _examined(Equation.APPROVALS, len(rows), found)


def batches(connection: Connection) -> Examined:
    """What a batch and its file say of themselves, and the payments in it."""
    total = func.coalesce(func.sum(instruction.c.amount_vnd), 0)
    number = func.count(instruction.c.id)
    rows = connection.execute(
        select(batch.c.message_id, batch.c["count"], batch.c.sum_vnd, bank_file.c["count"], bank_file.c.sum_vnd)
        .add_columns(number, total)
        .outerjoin(instruction, instruction.c.batch_id == batch.c.id)
        .outerjoin(bank_file, bank_file.c.batch_id == batch.c.id)
        .where(batch.c.state != BatchState.DISSOLVED.value)
        .group_by(batch.c.id, batch.c.message_id, batch.c["count"], batch.c.sum_vnd)
        .group_by(bank_file.c["count"], bank_file.c.sum_vnd)
        .order_by(batch.c.id)
    ).all()
    found = []
    for name, count, amount, file_count, file_amount, held, held_amount in rows:
        is_written = file_count is not None
        said = {(int(count), int(amount)), *([(int(file_count), int(file_amount))] if is_written else [])}
        for one in sorted(said - {(int(held), int(held_amount))}):
            found.append(
                Difference(Equation.BATCHES, f"batch {name}", _figure(*one), _figure(int(held), int(held_amount)))
            )
    return _examined(Equation.BATCHES, len(rows), found)


def bookings(connection: Connection) -> Examined:
    """What a payment's row says was booked, and the booked lines that name it."""
    line, one = statement_line.c, instruction.c
    is_debit = line.is_debit
    in_vnd = case((line.currency == VND, line.amount_vnd), else_=0)
    lines = (
        select(
            line.instruction_id,
            func.sum(case((is_debit, 1), else_=0)).label("debit_count"),
            func.sum(case((is_debit, in_vnd), else_=0)).label("debited_vnd"),
            func.sum(case((is_debit, 0), else_=1)).label("credit_count"),
            func.sum(case((is_debit, 0), else_=in_vnd)).label("credited_vnd"),
        )
        .where(line.instruction_id.is_not(None), line.status == "BOOK")
        .group_by(line.instruction_id)
        .subquery()
    )
    names = ("debit_count", "debited_vnd", "credit_count", "credited_vnd")
    booked = [func.coalesce(lines.c[name], 0) for name in names]
    rows = connection.execute(
        select(one.end_to_end_id, *(one[name] for name in names), *booked)
        .outerjoin(lines, lines.c.instruction_id == one.id)
        .where(or_(*(one[name] != value for name, value in zip(names, booked, strict=True))))
        .order_by(one.id)
        .limit(MOST_NAMED)
    )
    found = []
    for name, *values in rows:
        said, listed = (tuple(map(int, part)) for part in (values[:4], values[4:]))
        found.append(Difference(Equation.BOOKINGS, f"payment {name}", _booked(*listed), _booked(*said)))
    lost = connection.execute(
        select(line.reference)
        .outerjoin(instruction, one.id == line.instruction_id)
        .where(line.instruction_id.is_not(None), or_(one.id.is_(None), one.end_to_end_id != line.reference))
        .order_by(line.statement_id, line.position)
        .limit(MOST_NAMED)
    )
    for name in lost.scalars():
        found.append(Difference(Equation.BOOKINGS, f"line under {name}", "its payment", "none, or another"))
    return _examined(Equation.BOOKINGS, _count(connection, select(func.count()).select_from(instruction)), found)


def statements(connection: Connection) -> Examined:
    """Number and sums of lines. Sums only where all booked lines are in đồng: what a bank's own sums do
    with others is the bank's affair, and was proved when the statement was taken."""
    line, head = statement_line.c, bank_statement.c
    is_booked = line.status == "BOOK"
    foreign = func.sum(case((and_(is_booked, line.currency != VND), 1), else_=0))
    debits = func.sum(case((and_(is_booked, line.is_debit), line.amount_vnd), else_=0))
    credits_ = func.sum(case((and_(is_booked, ~line.is_debit), line.amount_vnd), else_=0))
    rows = connection.execute(
        select(head.bank_code, head.statement_id, head.line_count, head.debits_vnd, head.credits_vnd)
        .add_columns(func.count(line.position), foreign, debits, credits_)
        .outerjoin(statement_line, line.statement_id == head.id)
        .group_by(head.id, head.bank_code, head.statement_id, head.line_count, head.debits_vnd, head.credits_vnd)
        .order_by(head.id)
    ).all()
    found = []
    for bank_code, name, count, debited, credited, lines, strange, out, back in rows:
        said = (int(count), int(debited), int(credited))
        listed = (int(lines), int(out or 0), int(back or 0))
        if strange:
            said, listed = (said[0], 0, 0), (listed[0], 0, 0)
        if said != listed:
            found.append(
                Difference(Equation.STATEMENTS, f"statement {name} of {bank_code}", _lines(*said), _lines(*listed))
            )
    return _examined(Equation.STATEMENTS, len(rows), found)


def balances(connection: Connection) -> Examined:
    """The row of an account's statements, day by day: each day begins where the one before it ended.

    Within a day every balance is left as often as it is come to, but for the first and the last.
    """
    head = bank_statement.c
    rows = connection.execute(
        select(
            head.bank_code, head.account, head.statement_id, head.to_date, head.opening_vnd, head.closing_vnd
        ).order_by(head.bank_code, head.account, head.sequence, head.id)
    ).all()
    by_account: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        by_account.setdefault((row.bank_code, row.account), []).append(row)
    found = [
        Difference(Equation.BALANCES, f"statement {one.statement_id} of {one.bank_code}", expected, opening)
        for of_account in by_account.values()
        for one, expected, opening in _not_joined(of_account)
    ]
    return _examined(Equation.BALANCES, len(rows), found)


def _not_joined(of_account: list[Any]) -> Iterator[tuple[Any, str, str]]:
    """Statements that no other leads to, each with the balance before it and the one it opens with."""
    is_dated = all(one.to_date for one in of_account)

    def day_of(one: Any) -> str:
        return str(one.to_date) if is_dated else ""

    at: set[int] = set()
    for _, day in groupby(sorted(of_account, key=day_of), day_of):
        of_day = list(day)
        openings = [int(one.opening_vnd) for one in of_day]
        surplus = Counter(openings)
        surplus.subtract(int(one.closing_vnd) for one in of_day)
        left, come_to = +surplus, -surplus
        # A day that ends as it began may begin at any balance it passes.
        passed = at & set(openings) if at else set(openings)
        if left:
            begins = next((balance for balance in at if left[balance]), None) if at else min(left)
            wrong = left - Counter([] if begins is None else [begins])
            at, before = set(come_to), at
        else:
            wrong = Counter() if passed else Counter(openings[:1])
            at, before = passed or set(openings), at
        for one in of_day:
            if wrong[int(one.opening_vnd)] > 0:
                wrong[int(one.opening_vnd)] -= 1
                yield one, " or ".join(map(str, sorted(before or come_to))), str(int(one.opening_vnd))


def _examined(equation: Equation, count: int, found: list[Difference]) -> Examined:
    return Examined(equation, count, tuple(found))


def _count(connection: Connection, statement: Select[Any]) -> int:
    return int(connection.execute(statement).scalar_one())


def _figure(count: int, amount: int) -> str:
    return f"{count} payments of {amount} đồng"


def _booked(debits: int, debited: int, credits_: int, credited: int) -> str:
    return f"{debits} debits of {debited} and {credits_} credits of {credited} đồng"


def _lines(count: int, debited: int, credited: int) -> str:
    return f"{count} lines, {debited} out, {credited} back"


#: Every equation that is asked of rows alone, in the order in which they are.
OF_ROWS = (
    trail, transactions, accounts, plans_and_payments, approvals, batches, bookings, statements, balances,
    resubmissions, withdrawals, states, attempts, claims, discrepancies, inbound_files, letters,
)  # fmt: skip
