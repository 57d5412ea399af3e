"""Payments that are withdrawn before anything was written of them: what may be, and what follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select, update

from paysvc.domain.errors import Conflict
from paysvc.domain.instructions import BatchState, InstructionState
from paysvc.domain.withdrawing import WaitingPayment
from paysvc.store import batches, dissolving, ledger
from paysvc.store.batches import Batch
from paysvc.store.bulk import Same, Values, in_chunks, insert_columns, next_ids
from paysvc.store.cycles import Cycle
from paysvc.store.tables import (
    bank_file,
    batch,
    dissolved_payment,
    entitlement,
    instruction,
    lost_reference,
    obligation_claim,
    programme,
    withdrawal,
)


def find_payments(connection: Connection, cycle_id: int, end_to_end_ids: Sequence[str]) -> list[WaitingPayment]:
    """These payments of a cycle, whatever became of them, by EndToEndId; one that the cycle has not is left out."""
    return sorted(
        (
            found
            for chunk in in_chunks(end_to_end_ids)
            for found in _read(connection, cycle_id, instruction.c.end_to_end_id.in_(chunk))
        ),
        key=lambda one: one.end_to_end_id,
    )


def find_of_bank(connection: Connection, cycle_id: int, bank_code: str) -> list[WaitingPayment]:
    """The payments of a cycle through this bank that have not left, by EndToEndId."""
    waiting = [InstructionState.PLANNED.value, InstructionState.BATCHED.value]
    return _read(connection, cycle_id, and_(instruction.c.bank_code == bank_code, instruction.c.state.in_(waiting)))


def _read(connection: Connection, cycle_id: int, wanted: ColumnElement[bool]) -> list[WaitingPayment]:
    one = instruction.c
    # Also in a file that was dissolved: where rows before that are put back, it may leave after all.
    was_written = exists().where(
        dissolved_payment.c.instruction_id == one.id, bank_file.c.batch_id == dissolved_payment.c.batch_id
    )
    is_written = or_(exists().where(bank_file.c.batch_id == one.batch_id), was_written)
    is_lost = exists().where(lost_reference.c.reference == one.end_to_end_id)
    rows = connection.execute(
        select(
            one.id, one.entitlement_id, one.end_to_end_id, one.amount_vnd, programme.c.fund_code, one.state,
            one.batch_id, batch.c.state, is_written, is_lost,
        )
        .join(entitlement, entitlement.c.id == one.entitlement_id)
        .join(programme, programme.c.code == entitlement.c.programme_code)
        .outerjoin(batch, batch.c.id == one.batch_id)
        .where(one.cycle_id == cycle_id, wanted)
        .order_by(one.end_to_end_id)
    )  # fmt: skip
    return [
        WaitingPayment(
            instruction_id=row[0],
            entitlement_id=row[1],
            end_to_end_id=row[2],
            amount_vnd=row[3],
            fund_code=row[4],
            state=InstructionState(row[5]),
            batch_id=row[6],
            batch_state=None if row[7] is None else BatchState(row[7]),
            is_written=bool(row[8]),
            is_lost=bool(row[9]),
        )
        for row in rows
    ]


def dissolve_batches(connection: Connection, payments: Sequence[WaitingPayment], at: datetime, by: str) -> list[Batch]:
    """Take these payments, and whoever is in a batch with them, out of it: the rest is cut anew when it is
    sent. Returns the batches as they were; `by` is the verb. Raises `Conflict` when one changed since it was read."""
    found = [batches.get_batch(connection, one) for one in sorted({one.batch_id for one in payments if one.batch_id})]
    for one in found:
        dissolving.dissolve(connection, one, at, by)
    return found


def withdraw(
    connection: Connection, cycle: Cycle, payments: Sequence[WaitingPayment], reason: str, actor_id: str, at: datetime
) -> None:
    """PLANNED → CANCELLED: who withdrew them and why, their dues free for the next plan, their money back in the fund.

    They are in no batch, and in ascending order of their EndToEndIds. Raises `Conflict` when one changed since
    it was read.
    """
    ids = next_ids(connection, "withdrawal", len(payments))
    columns: dict[str, Values | Same] = {
        "id": ids,
        "instruction_id": [one.instruction_id for one in payments],
        "reason": Same(reason),
        "withdrawn_by": Same(actor_id),
        "withdrawn_at": Same(at),
    }
    insert_columns(connection, withdrawal, columns)
    moved = 0
    for chunk in in_chunks([one.instruction_id for one in payments]):
        planned = (instruction.c.id.in_(chunk), instruction.c.state == InstructionState.PLANNED.value)
        statement = update(instruction).where(*planned, instruction.c.batch_id.is_(None))
        moved += connection.execute(statement.values(state=InstructionState.CANCELLED.value, is_live=False)).rowcount
    if moved != len(payments):
        raise Conflict("instruction_changed", "A payment changed while it was withdrawn.")
    for chunk in in_chunks([one.entitlement_id for one in payments]):
        standing = (obligation_claim.c.entitlement_id.in_(chunk), obligation_claim.c.released_at.is_(None))
        connection.execute(update(obligation_claim).where(*standing).values(released_at=at))
    ledger.post(connection, at, "withdraw", reference(cycle.code, ids[0]), _back_to_funds(payments))


def reference(cycle_code: str, first_id: int) -> str:
    """Under which the ledger has what was withdrawn together, by the first of its rows."""
    return f"withdraw:{cycle_code}:{first_id}"


def _back_to_funds(payments: Sequence[WaitingPayment]) -> list[ledger.Posting]:
    sums: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for one in payments:
        sums[one.fund_code] += one.amount_vnd
        counts[one.fund_code] += 1
    return [
        posting
        for code in sorted(sums)
        for posting in (
            ledger.Posting(ledger.reserved(code), -sums[code], counts[code]),
            ledger.Posting(ledger.fund(code), sums[code], counts[code]),
        )
    ]
