"""Payment cycles and their approvals; every change is asked for with the version expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from paysvc.domain.errors import Conflict, NotFound
from paysvc.domain.instructions import CYCLE_NEXT, BatchState, CycleState, InstructionState, may_follow
from paysvc.domain.programmes import ProgrammeKind
from paysvc.domain.withdrawing import ENDED, OPEN_BATCHES
from paysvc.store.batches import is_silent
from paysvc.store.bulk import Same, Values, insert_columns, next_ids
from paysvc.store.tables import approval, batch, instruction, payment_cycle


@dataclass(frozen=True, slots=True)
class Cycle:
    """One row of `payment_cycle`; `version` rises with every change of it."""

    id: int
    code: str
    kind: ProgrammeKind
    programmes: tuple[str, ...]
    periods: tuple[str, ...]
    value_date: date
    state: CycleState
    version: int
    maker_id: str
    content_sha256: bytes | None
    submitted_by: str | None

    def header(self) -> dict[str, object]:
        """What an approval binds to beside the instructions."""
        return {
            "code": self.code,
            "kind": self.kind.value,
            "programmes": list(self.programmes),
            "periods": list(self.periods),
            "value_date": self.value_date.isoformat(),
        }


def find_cycle(connection: Connection, code: str) -> Cycle | None:
    """The cycle of this code, locked until the transaction is over where it will write."""
    # Readers ask inside REPEATABLE READ, where a row lock is neither needed nor wanted.
    statement = select(payment_cycle).where(payment_cycle.c.code == code)
    if connection.get_execution_options().get("paysvc_write", False):
        statement = statement.with_for_update()
    row = connection.execute(statement).one_or_none()
    return None if row is None else _cycle(row)


def get_cycle_by_id(connection: Connection, cycle_id: int) -> Cycle:
    return _cycle(connection.execute(select(payment_cycle).where(payment_cycle.c.id == cycle_id)).one())


def _cycle(row: Row[Any]) -> Cycle:
    return Cycle(
        id=row.id,
        code=row.code,
        kind=ProgrammeKind(row.kind),
        programmes=tuple(row.programmes.split(",")),
        periods=tuple(row.periods.split(",")),
        value_date=row.value_date,
        state=CycleState(row.state),
        version=row.version,
        maker_id=row.maker_id,
        content_sha256=row.content_sha256,
        submitted_by=row.submitted_by,
    )


def get_cycle(connection: Connection, code: str) -> Cycle:
    """As `find_cycle`; raises `NotFound`."""
    cycle = find_cycle(connection, code)
    if cycle is None:
        raise NotFound("cycle_unknown", f"There is no payment cycle '{code}'.", next_step="Plan it first.")
    return cycle


def insert_cycle(
    connection: Connection,
    *,
    code: str,
    kind: ProgrammeKind,
    programmes: Sequence[str],
    periods: Sequence[str],
    value_date: date,
    maker_id: str,
    at: datetime,
) -> Cycle:
    """A new, empty draft. Raises `Conflict` when somebody else made one of this code meanwhile."""
    columns: dict[str, Values | Same] = {
        "id": next_ids(connection, "payment_cycle", 1),
        "code": Same(code),
        "kind": Same(kind.value),
        "programmes": Same(",".join(programmes)),
        "periods": Same(",".join(periods)),
        "value_date": Same(value_date),
        "state": Same(CycleState.DRAFT.value),
        "version": Same(1),
        "maker_id": Same(maker_id),
        "created_at": Same(at),
    }
    try:
        insert_columns(connection, payment_cycle, columns)
    except IntegrityError as failure:
        raise Conflict("cycle_changed", f"Cycle {code} was made meanwhile.", next_step="Look at it.") from failure
    return get_cycle(connection, code)


def change_cycle(connection: Connection, cycle: Cycle, **values: object) -> Cycle:
    """Set columns of the cycle as it was read. Raises `Conflict` when it changed since (U9).

    A change of `state` has to be one that the life cycle knows: anything else is a fault of
    the program and raises ValueError.
    """
    after = values.get("state")
    if after is not None and not may_follow(CYCLE_NEXT, cycle.state, CycleState(str(after))):
        raise ValueError(f"a cycle never goes from {cycle.state} to {after}")
    changed = connection.execute(
        update(payment_cycle)
        .where(
            payment_cycle.c.id == cycle.id,
            payment_cycle.c.state == cycle.state.value,
            payment_cycle.c.version == cycle.version,
        )
        .values(version=cycle.version + 1, **values)
    ).rowcount
    if changed != 1:
        raise Conflict("cycle_changed", f"Cycle {cycle.code} changed meanwhile.", next_step="Look at it again.")
    return get_cycle(connection, cycle.code)


def codes_to_send(connection: Connection, now: datetime) -> list[str]:
    """Cycles that are approved, or released with a batch whose way is not over or of which its bank says
    nothing, or with a payment that could not leave so far, oldest first.
    """
    under_way = exists().where(
        batch.c.cycle_id == payment_cycle.c.id,
        batch.c.state.in_([BatchState.SEALED.value, BatchState.SENDING.value, BatchState.UNKNOWN.value]),
    )
    silent = exists().where(batch.c.cycle_id == payment_cycle.c.id, is_silent(now))
    # By the index of the batches: a cycle's own rows would all be read, every few minutes.
    left_over = payment_cycle.c.id.in_(
        select(instruction.c.cycle_id).where(
            instruction.c.batch_id.is_(None), instruction.c.state == InstructionState.PLANNED.value
        )
    )
    released = and_(payment_cycle.c.state == CycleState.RELEASED.value, or_(under_way, silent, left_over))
    statement = (
        select(payment_cycle.c.code)
        .where(or_(payment_cycle.c.state == CycleState.APPROVED.value, released))
        .order_by(payment_cycle.c.id)
    )
    return list(connection.execute(statement).scalars())


def what_is_open(connection: Connection, cycle_id: int) -> dict[str, int]:
    """What keeps a cycle from being closed, in words -> how many: payments of which nobody knows yet what became
    of them, and batches on their way. Empty when it is over."""
    columns, amount = instruction.c, func.count()
    payments = connection.execute(
        select(columns.state, amount)
        .where(columns.cycle_id == cycle_id, columns.state.not_in([one.value for one in ENDED]))
        .group_by(columns.state)
        .order_by(columns.state)
    )
    found = {f"payments {state}": int(count) for state, count in payments}
    on_their_way = connection.execute(
        select(batch.c.state, amount)
        .where(batch.c.cycle_id == cycle_id, batch.c.state.in_([one.value for one in OPEN_BATCHES]))
        .group_by(batch.c.state)
        .order_by(batch.c.state)
    )
    return found | {f"batches {state}": int(count) for state, count in on_their_way}


def has_batches(connection: Connection, cycle_id: int) -> bool:
    return connection.execute(select(exists().where(batch.c.cycle_id == cycle_id))).scalar_one()


@dataclass(frozen=True, slots=True)
class Approval:
    """A standing approval: by whom, and of which content."""

    id: int
    approver_id: str
    content_sha256: bytes


def insert_approval(connection: Connection, cycle: Cycle, approver_id: str, at: datetime) -> int:
    """Record that this officer approves the cycle's content; returns the approval's id."""
    approval_id = next_ids(connection, "approval", 1)[0]
    insert_columns(
        connection,
        approval,
        {
            "id": [approval_id],
            "cycle_id": Same(cycle.id),
            "content_sha256": Same(cycle.content_sha256),
            "maker_id": Same(cycle.maker_id),
            "approver_id": Same(approver_id),
            "approved_at": Same(at),
        },
    )
    return approval_id


def standing_approvals(connection: Connection, cycle_id: int) -> list[Approval]:
    rows = connection.execute(
        select(approval)
        .where(approval.c.cycle_id == cycle_id, approval.c.cancelled_at.is_(None))
        .order_by(approval.c.id)
    )
    return [Approval(row.id, row.approver_id, row.content_sha256) for row in rows]


def cancel_approvals(connection: Connection, cycle_id: int, at: datetime, reason: str) -> list[Approval]:
    """Cancel what stands; returns what stood."""
    stood = standing_approvals(connection, cycle_id)
    connection.execute(
        update(approval)
        .where(approval.c.cycle_id == cycle_id, approval.c.cancelled_at.is_(None))
        .values(cancelled_at=at, cancel_reason=reason)
    )
    return stood
