"""The equation of what does not agree, asked of the rows (`store.book_checks` asks the others).

Everything that is noted is found again from the lines and statuses themselves. The database picks
the payments of which something is odd, and they are few; each is then gone through statement by
statement, in the order in which these were taken, which is that of their ids. That two payments of
the same dues are noted is what `resubmissions` says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, or_, select

from paysvc.domain.books import MOST_NAMED, Difference, Equation, Examined
from paysvc.domain.instructions import InstructionState
from paysvc.domain.money import VND
from paysvc.domain.reconciliation import DiscrepancyKind as Kind
from paysvc.store.state_checks import file_subject
from paysvc.store.tables import (
    bank_statement,
    discrepancy,
    inbound_file,
    instruction,
    payment_status,
    statement_line,
)

#: As wide as a line's column of the bank's own reference; what is noted may be longer.
_WIDTH = 35


@dataclass(slots=True)
class _Due:
    """What has to be noted: over one of these amounts, and open or closed by now."""

    amounts: set[int] = field(default_factory=set)
    is_open: bool = True


#: Kinds that are asked about another way.
_ELSEWHERE = (Kind.UNKNOWN_REFERENCE, Kind.PAID_AFTER_RESUBMISSION, Kind.DISPUTED)

#: Kind and EndToEndId.
_Key = tuple[str, str]


def discrepancies(connection: Connection) -> Examined:
    """Every odd line and status against what is noted, and every note against them."""
    found = [*_about_payments(connection), *_about_disputes(connection), *_about_strangers(connection)]
    count = 0
    for rows in (statement_line, payment_status):
        count += connection.execute(select(func.count()).select_from(rows)).scalar_one()
    return Examined(Equation.DISCREPANCIES, count, tuple(found[:MOST_NAMED]))


# ------------------------------------------------------------------------ about payments


def _about_payments(connection: Connection) -> Iterator[Difference]:
    due, noted = _due(connection), _noted(connection)
    for key in sorted(due.keys() | noted.keys()):
        subject = f"{key[0]} of payment {key[1]}"
        if key not in due or key not in noted:
            words = ("noted", "not so") if key in due else ("nothing to note", "noted")
            yield Difference(Equation.DISCREPANCIES, subject, *words)
            continue
        amount, is_open = noted[key]
        if amount not in due[key].amounts:
            expected = " or ".join(map(str, sorted(due[key].amounts)))
            yield Difference(Equation.DISCREPANCIES, subject, f"over {expected} đồng", f"over {amount} đồng")
        if is_open is not due[key].is_open:
            yield Difference(Equation.DISCREPANCIES, subject, *(("closed", "open") if is_open else ("open", "closed")))


def _noted(connection: Connection) -> dict[_Key, tuple[int, bool]]:
    """What the first note of each is over, and whether one of them is open."""
    note, one = discrepancy.c, instruction.c
    rows = connection.execute(
        select(note.kind, note.reference, one.end_to_end_id, note.amount_vnd, note.resolved_at)
        .outerjoin(instruction, one.id == note.instruction_id)
        .where(note.kind.not_in([one.value for one in _ELSEWHERE]))
        .order_by(note.id)
    )
    found: dict[_Key, tuple[int, bool]] = {}
    for kind, reference, name, amount, resolved_at in rows:
        key = (kind, reference if name == reference else f"{reference}, under another's name")
        first, is_open = found.get(key, (int(amount), False))
        found[key] = (first, is_open or resolved_at is None)
    return found


def _about_disputes(connection: Connection) -> Iterator[Difference]:
    """Whose state (`states` proves it) is DISPUTED has an open note, and nobody else."""
    note, one = discrepancy.c, instruction.c
    is_noted = and_(note.kind == Kind.DISPUTED.value, note.resolved_at.is_(None))
    is_disputed = func.coalesce(one.state, "") == InstructionState.DISPUTED.value
    open_notes = select(note.instruction_id).where(is_noted)
    rows = connection.execute(
        select(one.end_to_end_id, is_disputed.label("is_disputed"))
        .where(is_disputed != one.id.in_(open_notes), or_(is_disputed, one.id.in_(open_notes)))
        .order_by(one.end_to_end_id)
    )
    for name, disputed in rows:
        words = ("noted", "not so") if disputed else ("nothing to note", "noted")
        yield Difference(Equation.DISCREPANCIES, f"{Kind.DISPUTED.value} of payment {name}", *words)


def _due(connection: Connection) -> dict[_Key, _Due]:
    rows = _statements_of_odd_payments(connection)
    found: dict[_Key, _Due] = {}
    for name, of_payment in groupby(rows, key=lambda row: row.end_to_end_id):
        found.update({(kind.value, name): due for kind, due in _of_payment(of_payment).items()})
    return found


def _statements_of_odd_payments(connection: Connection) -> Iterable[Row[Any]]:
    """What each statement booked under payments of which not just one debit over their amount is booked."""
    line, one = statement_line.c, instruction.c
    is_home, is_debit = line.currency == VND, line.is_debit

    def total(value: Any, *where: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((and_(*where), value), else_=0))

    is_other = and_(one.debit_count > 0, one.debited_vnd != one.amount_vnd)
    is_odd = or_(one.credit_count > 0, one.debit_count > 1, is_other)
    return connection.execute(
        select(
            one.end_to_end_id,
            one.amount_vnd,
            total(1, is_debit).label("debits"),
            total(1, ~is_debit).label("credits"),
            total(line.amount_vnd, is_debit, is_home).label("out"),
            total(line.amount_vnd, ~is_debit, is_home).label("back"),
            total(1, ~is_home).label("foreign"),
            total(func.abs(line.amount_vnd - one.amount_vnd), is_home).label("differing"),
        )
        .join(statement_line, line.instruction_id == one.id)
        .where(is_odd, line.status == "BOOK")
        .group_by(one.end_to_end_id, one.amount_vnd, line.statement_id)
        .order_by(one.end_to_end_id, line.statement_id)
    )


def _of_payment(statements: Iterable[Row[Any]]) -> dict[Kind, _Due]:
    """What has to be noted about one payment, given what its statements booked, in their order."""
    found: dict[Kind, _Due] = defaultdict(_Due)
    debits = credits_ = out = back = foreign = 0
    differs = is_ahead = False
    for row in statements:
        debits, credits_, foreign = debits + int(row.debits), credits_ + int(row.credits), foreign + int(row.foreign)
        out, back, differing = out + int(row.out), back + int(row.back), int(row.differing)
        is_ahead = debits > 0 and back > out and not foreign
        differs = differs or differing > 0
        if differing:
            found[Kind.AMOUNT_MISMATCH].amounts.add(differing)
        elif is_ahead:
            found[Kind.AMOUNT_MISMATCH].amounts.add(back - out)
        if foreign:
            found[Kind.CURRENCY_MISMATCH].amounts.add(int(row.amount_vnd))
        if debits > 1 and Kind.DUPLICATE_SETTLEMENT not in found:
            found[Kind.DUPLICATE_SETTLEMENT].amounts.add(out - int(row.amount_vnd))
        if credits_ and not debits and Kind.RETURN_WITHOUT_SETTLEMENT not in found:
            found[Kind.RETURN_WITHOUT_SETTLEMENT].amounts.add(back)
    # What was only a matter of order is closed by the file that explains it; nothing else ever is.
    if Kind.AMOUNT_MISMATCH in found:
        found[Kind.AMOUNT_MISMATCH].is_open = differs or is_ahead
    if Kind.RETURN_WITHOUT_SETTLEMENT in found:
        found[Kind.RETURN_WITHOUT_SETTLEMENT].is_open = not debits
    return found


# ----------------------------------------------------------------------- about strangers


def _about_strangers(connection: Connection) -> Iterator[Difference]:
    """File by file: what banks call strangers by may be anything, so none of them is named."""
    due = _strange_lines(connection)
    for file_id, reference in _strange_statuses(connection):
        due[file_id].setdefault(reference, 0)
    noted = _noted_strangers(connection)
    one = inbound_file.c
    subjects = {
        row.id: file_subject(row.bank_code, row.sha256)
        for row in connection.execute(select(one.id, one.bank_code, one.sha256))
    }
    for file_id in sorted(due.keys() | noted.keys()):
        expected, found = due.get(file_id, {}), noted.get(file_id, {})
        if expected != found and _cut(expected) != _cut(found):
            subject = f"unknown references in {subjects.get(file_id, 'no file')}"
            yield Difference(Equation.DISCREPANCIES, subject, _figure(expected), _figure(found))


def _strange_lines(connection: Connection) -> dict[int, dict[str, int]]:
    """File -> name -> đồng, as the first of its statements that has the name adds them up."""
    line, head = statement_line.c, bank_statement.c
    rows = connection.execute(
        select(
            head.inbound_file_id, head.id, head.statement_id, line.position, line.reference, line.bank_reference,
            line.amount_vnd,
        )
        .join(bank_statement, head.id == line.statement_id)
        .where(line.verdict == Kind.UNKNOWN_REFERENCE.value, line.status == "BOOK")
        .order_by(head.id, line.position)
    )  # fmt: skip
    found: dict[int, dict[str, int]] = defaultdict(dict)
    first: dict[tuple[int, str], int] = {}
    for row in rows:
        name = (row.reference or row.bank_reference or f"{row.statement_id}:{row.position}")[:140]
        if first.setdefault((row.inbound_file_id, name), row.id) == row.id:
            of_file = found[row.inbound_file_id]
            of_file[name] = of_file.get(name, 0) + int(row.amount_vnd)
    return found


def _strange_statuses(connection: Connection) -> Iterable[tuple[int, str]]:
    status = payment_status.c
    rows = connection.execute(
        select(status.inbound_file_id, status.reference).where(status.instruction_id.is_(None)).distinct()
    )
    return [(row.inbound_file_id, row.reference) for row in rows]


def _noted_strangers(connection: Connection) -> dict[int, dict[str, int]]:
    note = discrepancy.c
    rows = connection.execute(
        select(note.inbound_file_id, note.reference, note.amount_vnd, note.instruction_id, note.resolved_at).where(
            note.kind == Kind.UNKNOWN_REFERENCE.value
        )
    )
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for row in rows:
        if row.resolved_at is None and row.instruction_id is None:
            found[row.inbound_file_id][row.reference] = int(row.amount_vnd)
    return found


def _cut(amounts: dict[str, int]) -> list[tuple[str, int]]:
    """As far as a line tells: a long reference of the bank's own is whole in what was noted only."""
    found: dict[str, int] = defaultdict(int)
    for name, amount in amounts.items():
        found[name[:_WIDTH]] += amount
    return sorted(found.items())


def _figure(amounts: dict[str, int]) -> str:
    return f"{len(amounts)} noted over {sum(amounts.values())} đồng"
