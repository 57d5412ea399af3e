"""What the equations of kept files ask of the rows (`services.check_kept_files` reads the bytes)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from paysvc.core.columns import StatusColumns
from paysvc.domain.bank_returns import REFUSALS, STATUS_RANK
from paysvc.domain.books import MOST_NAMED, Difference, Equation
from paysvc.store.bulk import read_columns
from paysvc.store.returns import FileState
from paysvc.store.statements import fitting
from paysvc.store.tables import bank_file, batch, dissolved_payment, inbound_file, instruction, payment_status

#: Reference, status, reason code and the bank's own reference.
StatusRow = tuple[str, str, str, str]

#: Kinds of files that take no statuses.
_OTHER_KINDS = ("statement", "recall")


def payments_of(connection: Connection, batch_id: int) -> list[tuple[str, int]]:
    """EndToEndId and đồng of every payment in a batch, or that it held until it was dissolved, sorted."""
    payments = select(instruction.c.end_to_end_id, instruction.c.amount_vnd)
    held = payments.join(dissolved_payment, dissolved_payment.c.instruction_id == instruction.c.id)
    rows = [
        *connection.execute(payments.where(instruction.c.batch_id == batch_id)),
        *connection.execute(held.where(dissolved_payment.c.batch_id == batch_id)),
    ]
    return sorted((name, int(amount)) for name, amount in rows)


def sent_files(connection: Connection) -> list[Any]:
    """Every file that was written: bank_code, name, batch_id, sha256, size; oldest first."""
    file = bank_file.c
    return list(
        connection.execute(
            select(file.bank_code, file.name, file.message_id, file.batch_id, file.sha256, file.size).order_by(file.id)
        )
    )


def accepted_status_files(connection: Connection) -> list[Row[Any]]:
    """Every status file that was believed: id, bank_code, name, sha256; oldest first."""
    file = inbound_file.c
    statement = select(file.id, file.bank_code, file.name, file.sha256).order_by(file.id)
    accepted = file.state == FileState.ACCEPTED.value
    return list(connection.execute(statement.where(accepted, file.kind.not_in(_OTHER_KINDS))))


def statuses_without_a_file(connection: Connection) -> list[Difference]:
    """Rows of files that are not there, or were not accepted, or are no status files; by file."""
    status, file = payment_status.c, inbound_file.c
    number = func.count()
    rows = connection.execute(
        select(status.inbound_file_id, file.state, file.kind, number)
        .outerjoin(inbound_file, file.id == status.inbound_file_id)
        .where(or_(file.id.is_(None), file.state != FileState.ACCEPTED.value, file.kind.in_(_OTHER_KINDS)))
        .group_by(status.inbound_file_id, file.state, file.kind)
        .order_by(status.inbound_file_id)
        .limit(MOST_NAMED)
    )
    return [
        Difference(
            Equation.STATUS_FILES, f"{count} statuses of inbound file {row_id}", "a status file that was accepted",
            "no file" if state is None else f"{state} {kind}".rstrip(),
        )
        for row_id, state, kind, count in rows
    ]  # fmt: skip


def status_rows(connection: Connection, file_id: int) -> Iterable[StatusRow]:
    """What is kept of a file."""
    status = payment_status.c
    columns = read_columns(
        connection,
        select(status.reference, status.status, status.reason_code, status.bank_reference).where(
            status.inbound_file_id == file_id
        ),
    )
    return zip(*columns.values(), strict=True)


def named_rows(statuses: StatusColumns) -> Iterable[StatusRow]:
    """What is to be kept of the payments that a file names."""
    widths = (
        (statuses.reference, 140),
        (statuses.status, 8),
        (statuses.reason_code, 35),
        (statuses.bank_reference, 35),
    )
    return zip(*(fitting(column, width).to_list() for column, width in widths), strict=True)


def says_something(status: str) -> bool:
    """Whether a status of a whole file says something of each payment in it."""
    return status in STATUS_RANK or status in REFUSALS


def references_of(connection: Connection, bank_code: str, message_id: str) -> list[str]:
    """The payments in our file of this MsgId; a bank speaks of none that was dissolved."""
    rows = connection.execute(
        select(instruction.c.end_to_end_id)
        .join(batch, batch.c.id == instruction.c.batch_id)
        .where(batch.c.bank_code == bank_code, batch.c.message_id == message_id)
    )
    return list(rows.scalars())
