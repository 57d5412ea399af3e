"""Requests to take payments back: which are due, what left, and where each stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, insert, or_, select, update

from paysvc.domain.errors import Conflict
from paysvc.domain.instructions import BatchState, InstructionState
from paysvc.domain.recalling import RECALL_NEXT, RecallState
from paysvc.domain.reconciliation import DiscrepancyKind
from paysvc.store.attempts import Attempts
from paysvc.store.bulk import next_ids
from paysvc.store.tables import batch, discrepancy, instruction, recall, recall_attempt

#: Every try at handing a request over.
ATTEMPTS = Attempts(recall_attempt, recall_attempt.c.recall_id)

#: A request of such a state needs somebody, or something, to go on.
_UNFINISHED = (RecallState.BY_HAND, RecallState.SEALED, RecallState.SENDING, RecallState.UNKNOWN)
_OPEN_NOTE = (
    discrepancy.c.instruction_id == instruction.c.id,
    discrepancy.c.kind == DiscrepancyKind.PAID_AFTER_RESUBMISSION.value,
    discrepancy.c.resolved_at.is_(None),
)
_IS_OPEN = exists().where(*_OPEN_NOTE)
#: The same, from the few notes to their payments instead of through all payments.
_OF_OPEN_NOTES = instruction.c.id.in_(select(discrepancy.c.instruction_id).where(*_OPEN_NOTE[1:]))
#: A pair that ended and came to life again is noted anew: what was said of it before is of another life.
_NOTED_AT = select(func.max(discrepancy.c.found_at)).where(*_OPEN_NOTE).correlate(instruction).scalar_subquery()


@dataclass(frozen=True, slots=True)
class DuePayment:
    """A payment that has to be recalled and is not yet; by the file in which it was ordered. Amount in đồng."""

    instruction_id: int
    end_to_end_id: str
    bank_code: str
    amount_vnd: int
    message_id: str
    message_created_at: datetime
    value_date: date
    #: How many requests there were about it: of an earlier life of the pair, or withdrawn.
    requests_before: int


@dataclass(frozen=True, slots=True)
class UnaskedPayment:
    """A payment whose place was taken twice, and about which no bank is being asked."""

    end_to_end_id: str
    bank_code: str
    state: InstructionState


@dataclass(frozen=True, slots=True)
class Recall:
    """One request. `name`, `sha256` and `size` are None for one that a person has to make.

    `is_wanted`: the payment and another of the same dues are live still.
    """

    id: int
    instruction_id: int
    end_to_end_id: str
    amount_vnd: int
    bank_code: str
    case_id: str
    name: str | None
    sha256: bytes | None
    size: int | None
    written_by: str
    state: RecallState
    version: int
    answer_code: str
    is_wanted: bool


def find_due(connection: Connection) -> list[DuePayment]:
    """Every payment whose place was taken twice, that its bank has or has booked, and that nobody recalls yet.

    A withdrawn request is none, and one that the bank has answered or refused is none about a pair that came
    to life again since.
    """
    requests = select(func.count()).where(recall.c.instruction_id == instruction.c.id).scalar_subquery()
    state = instruction.c.state
    rows = connection.execute(
        select(
            instruction.c.id, instruction.c.end_to_end_id, instruction.c.bank_code, instruction.c.amount_vnd,
            batch.c.message_id, batch.c.created_at, batch.c.value_date, requests,
        )
        .join(batch, batch.c.id == instruction.c.batch_id)
        .where(
            _OF_OPEN_NOTES,
            ~_is_asked(
                (*_UNFINISHED, RecallState.SENT), (RecallState.ACCEPTED, RecallState.DECLINED, RecallState.REFUSED)
            ),
            # What is booked the bank has, whatever it said of the file; of a disputed one, what did not come back.
            or_(
                state == InstructionState.SETTLED.value,
                and_(state == InstructionState.SENT.value, batch.c.state == BatchState.SENT.value),
                and_(state == InstructionState.DISPUTED.value, instruction.c.debited_vnd > instruction.c.credited_vnd),
            ),
        )
        .order_by(instruction.c.id)
    )  # fmt: skip
    return [DuePayment(*row) for row in rows]


def find_unasked(connection: Connection) -> list[UnaskedPayment]:
    """Every payment whose place was taken twice and that no bank is asked, or was asked, to take back: it cannot
    be asked yet, it refused the request, or what it was asked before speaks of an earlier life of the pair."""
    is_asked = _is_asked(_UNFINISHED, (RecallState.SENT, RecallState.ACCEPTED, RecallState.DECLINED))
    rows = connection.execute(
        select(instruction.c.end_to_end_id, instruction.c.bank_code, instruction.c.state)
        .where(_OF_OPEN_NOTES, ~is_asked)
        .order_by(instruction.c.id)
    )
    return [UnaskedPayment(row.end_to_end_id, row.bank_code, InstructionState(row.state)) for row in rows]


def _is_asked(whenever: Sequence[RecallState], since_noted: Sequence[RecallState]) -> ColumnElement[bool]:
    """Whether the payment has a request of such a state, or of such a one made since the pair was noted."""
    mine = recall.c
    of_now = and_(mine.state.in_([one.value for one in since_noted]), mine.requested_at >= _NOTED_AT)
    return exists().where(
        mine.instruction_id == instruction.c.id, or_(mine.state.in_([one.value for one in whenever]), of_now)
    )


def insert_recall(
    connection: Connection,
    payment: DuePayment,
    case_id: str,
    state: RecallState,
    at: datetime,
    file: Mapping[str, Any] | None = None,
) -> Recall:
    """Note a request before anything of it leaves; `file` is name, sha256, size and written_by of its bytes."""
    recall_id = next_ids(connection, "recall", 1)[0]
    connection.execute(
        insert(recall).values(
            id=recall_id,
            instruction_id=payment.instruction_id,
            bank_code=payment.bank_code,
            case_id=case_id,
            state=state.value,
            version=1,
            requested_at=at,
            **(file or {}),
        )
    )
    return get_recall(connection, recall_id)


def list_unfinished(connection: Connection) -> list[Recall]:
    """Requests that have to be handed over, asked about or made by a person, oldest first."""
    return _recalls(connection, _selected().where(recall.c.state.in_([one.value for one in _UNFINISHED])))


def list_recalls(connection: Connection) -> list[Recall]:
    """All requests there ever were, oldest first."""
    return _recalls(connection, _selected())


def get_recall(connection: Connection, recall_id: int) -> Recall:
    return _recalls(connection, _selected().where(recall.c.id == recall_id))[0]


def find_by_case(connection: Connection, bank_code: str, case_id: str) -> Recall | None:
    """The request that this bank knows by this id, or None."""
    found = _recalls(connection, _selected().where(recall.c.bank_code == bank_code, recall.c.case_id == case_id))
    return found[0] if found else None


def move_recall(connection: Connection, one: Recall, after: RecallState, **answer: object) -> Recall:
    """The request moved on. Raises `Conflict` when it cannot, or somebody moved it since it was read."""
    if after not in RECALL_NEXT[one.state]:
        raise Conflict("recall_cannot_move", f"The recall {one.case_id} is {one.state} and cannot become {after}.")
    moved = connection.execute(
        update(recall)
        .where(recall.c.id == one.id, recall.c.version == one.version)
        .values(state=after.value, version=one.version + 1, **answer)
    )
    if moved.rowcount != 1:
        raise Conflict("recall_changed", f"The recall {one.case_id} changed while it was being worked on.")
    return get_recall(connection, one.id)


def _selected() -> Select[Any]:
    return (
        select(recall, instruction.c.end_to_end_id, instruction.c.amount_vnd, _IS_OPEN.label("is_wanted"))
        .join(instruction, instruction.c.id == recall.c.instruction_id)
        .order_by(recall.c.id)
    )


def _recalls(connection: Connection, statement: Select[Any]) -> list[Recall]:
    return [_recall(row) for row in connection.execute(statement)]


def _recall(row: Row[Any]) -> Recall:
    return Recall(
        id=row.id,
        instruction_id=row.instruction_id,
        end_to_end_id=row.end_to_end_id,
        amount_vnd=row.amount_vnd,
        bank_code=row.bank_code,
        case_id=row.case_id,
        name=row.name,
        sha256=row.sha256,
        size=row.size,
        written_by=row.written_by,
        state=RecallState(row.state),
        version=row.version,
        answer_code=row.answer_code,
        is_wanted=bool(row.is_wanted),
    )
