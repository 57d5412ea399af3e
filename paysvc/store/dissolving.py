"""Batches that are taken apart again, so that what must not leave can be left out: nothing of them has left.

What a bank may have is never in a second file. So a batch is dissolved while it is SEALED, and, once its
file is written, only when every try at sending that ended `not_sent` (docs/decisions/0022). What it held
stays known: its payments go into other batches, under the same ids.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, literal, select, update

from paysvc.domain.errors import Conflict
from paysvc.domain.instructions import BatchState, InstructionState
from paysvc.domain.reconciliation import DiscrepancyKind
from paysvc.store import bank_files, batches, bookings, resubmissions
from paysvc.store.bank_files import ATTEMPTS
from paysvc.store.batches import Batch
from paysvc.store.bulk import in_chunks
from paysvc.store.tables import discrepancy, dissolved_payment, instruction


def find_overtaken(
    connection: Connection, cycle_id: int, batch_id: int | None = None
) -> list[tuple[Batch, dict[str, str]]]:
    """The batches of a cycle that may be dissolved and hold payments that must not leave, by bank and part;
    with each which those are: EndToEndId -> that of the payment that is made in its stead. With `batch_id`
    that batch is among them if it is one."""
    doubles = resubmissions.overtaken(connection, cycle_id, InstructionState.BATCHED, batch_id)
    if not doubles:
        return []
    held: dict[int, dict[str, str]] = {}
    columns = instruction.c
    for chunk in in_chunks(sorted(doubles)):
        found = select(columns.batch_id, columns.end_to_end_id).where(columns.end_to_end_id.in_(chunk))
        for of_batch, name in connection.execute(found):
            held.setdefault(of_batch, {})[name] = doubles[name]
    return [
        (one, held[one.id])
        for one in batches.list_batches(connection, cycle_id)
        if one.id in held and may_be_dissolved(connection, one)
    ]


def refuse_overtaken(connection: Connection, one: Batch) -> None:
    """Raise `Conflict` when a batch that may be dissolved is about to leave with a payment that must not: the
    bank's word on the other one came after the batches of this run were made. The next run dissolves it."""
    if any(found.id == one.id for found, _ in find_overtaken(connection, one.cycle_id, one.id)):
        raise Conflict("batch_overtaken", f"The batch {one.message_id} holds a payment that is paid after all.")


def may_be_dissolved(connection: Connection, one: Batch) -> bool:
    """Whether nothing of it can have left: no try at it is under way, and each ended with the certainty
    that not a byte of it went out. That a bank says later that it has nothing is no such certainty."""
    if one.state is not BatchState.SEALED:
        return False
    file = bank_files.find_file(connection, one.id)
    return file is None or ATTEMPTS.first_at(connection, file.id) is None


def dissolve(connection: Connection, one: Batch, at: datetime, by: str) -> None:
    """Write down what the batch held, and take its payments out of it again: BATCHED → PLANNED.

    What was noted as being paid twice because of it is not on its way any more; `by` is the verb that
    closes it. Raises `Conflict` when the batch changed since it was read, when it may have left, and when
    a payment of it is not where it should be.
    """
    if not may_be_dissolved(connection, one):
        raise Conflict("batch_may_have_left", f"The batch {one.message_id} may have left and stays as it is.")
    batches.move_batch(connection, one, BatchState.DISSOLVED, dissolved_at=at)
    columns = instruction.c
    held = select(literal(one.id), columns.batch_position, columns.id).where(columns.batch_id == one.id)
    connection.execute(
        insert(dissolved_payment).from_select(["batch_id", "position", "instruction_id"], held.order_by(columns.id))
    )
    freed = connection.execute(
        update(instruction)
        .where(columns.batch_id == one.id, columns.state == InstructionState.BATCHED.value)
        .values(state=InstructionState.PLANNED.value, batch_id=None, batch_position=None)
    )
    if freed.rowcount != one.count:
        raise Conflict("batch_torn", "A batch holds payments that cannot go where the batch goes.")
    note, out = discrepancy.c, dissolved_payment.c
    over = (
        select(note.id)
        .join(dissolved_payment, out.instruction_id == note.instruction_id)
        .where(out.batch_id == one.id, note.kind == DiscrepancyKind.PAID_AFTER_RESUBMISSION.value)
        .where(note.resolved_at.is_(None))
    )
    closed = list(connection.execute(over).scalars())
    bookings.resolve_discrepancies(connection, closed, at, by, "It was taken out of its batch, which never left.")
