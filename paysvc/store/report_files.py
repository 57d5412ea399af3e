"""The files of a cycle, sent and received, as they stood at a moment."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, or_, select

from paysvc.domain.report_lines import NOT_SENT, REFUSED, SENDING_UNKNOWN, SENT, shown_reason
from paysvc.domain.report_records import ReceivedFile, SentFile
from paysvc.store.tables import bank_file, batch, inbound_file, instant_text, ledger_transaction, send_attempt


@dataclass(frozen=True, slots=True)
class StoredReceived:
    """A file of a bank, with its row and the name under which the bank gave it."""

    id: int
    original_name: str
    digest: bytes
    shown: ReceivedFile


_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def read_sent_files(connection: Connection, cycle_id: int, as_of: datetime) -> dict[int, SentFile]:
    """The files made for the cycle by the moment: batch id -> file, in the order of the batches.

    One that was dissolved by then is none of them: nothing of it ever left, and whom it was to pay is in others.
    """
    sending = read_sending(connection, cycle_id, as_of)
    columns = bank_file.c
    rows = connection.execute(
        select(bank_file)
        .join(batch, batch.c.id == columns.batch_id)
        .where(batch.c.cycle_id == cycle_id, columns.created_at <= as_of)
        .where(or_(batch.c.dissolved_at.is_(None), batch.c.dissolved_at > as_of))
        .order_by(columns.batch_id)
    ).mappings()
    return {
        row["batch_id"]: SentFile(
            bank=row["bank_code"],
            name=_UNSAFE.sub("_", row["name"]),
            message_id=row["message_id"],
            sha256=row["sha256"].hex(),
            size=row["size"],
            payment_count=row["count"],
            sum_vnd=row["sum_vnd"],
            written_by=row["written_by"],
            sending=sending.get(row["batch_id"], NOT_SENT),
        )
        for row in rows
    }


def read_sending(connection: Connection, cycle_id: int, as_of: datetime) -> dict[int, str]:
    """How far each batch's file had come: batch id -> `NOT_SENT`, `SENT`, `REFUSED`, `SENDING_UNKNOWN`.

    A try that had begun and whose end was not known yet may have reached the bank. What an
    enquiry found out later is in the ledger, under the batch's message id.
    """
    states: dict[int, str] = {}
    attempts = select(
        bank_file.c.batch_id, send_attempt.c.started_at, send_attempt.c.finished_at, send_attempt.c.outcome
    ).join_from(send_attempt, bank_file, send_attempt.c.bank_file_id == bank_file.c.id)
    attempts = attempts.join(batch, batch.c.id == bank_file.c.batch_id).where(
        batch.c.cycle_id == cycle_id, send_attempt.c.started_at <= as_of
    )
    decided = {"sent": SENT, "refused": REFUSED, "not_sent": NOT_SENT}
    for row in connection.execute(attempts.order_by(bank_file.c.batch_id, send_attempt.c.number)):
        is_known = row.finished_at is not None and row.finished_at <= as_of
        states[row.batch_id] = decided.get(row.outcome, SENDING_UNKNOWN) if is_known else SENDING_UNKNOWN
    name = ":" + batch.c.bank_code + ":" + batch.c.message_id
    reference = ledger_transaction.c.reference
    is_about = or_(reference == "batch_sent" + name, reference == "batch_refused" + name)
    events = (
        select(batch.c.id, ledger_transaction.c.kind)
        .join_from(batch, ledger_transaction, is_about)
        .where(batch.c.cycle_id == cycle_id, ledger_transaction.c.at <= as_of)
        # A bank may take a file and refuse it afterwards without a word: the later one holds.
        .order_by(ledger_transaction.c.at, ledger_transaction.c.id)
    )
    for batch_id, kind in connection.execute(events):
        states[batch_id] = SENT if kind == "batch_sent" else REFUSED
    return states


def read_received_files(
    connection: Connection, cycle_id: int, as_of: datetime, banks: Iterable[str]
) -> list[StoredReceived]:
    """What these banks gave us from the cycle's first file to the moment, oldest first."""
    first = connection.execute(
        select(func.min(bank_file.c.created_at))
        .join(batch, batch.c.id == bank_file.c.batch_id)
        .where(batch.c.cycle_id == cycle_id)
    ).scalar()
    if first is None:
        return []
    columns = inbound_file.c
    rows = connection.execute(
        select(inbound_file)
        .where(columns.bank_code.in_(sorted(banks)), columns.received_at >= first, columns.received_at <= as_of)
        .order_by(columns.received_at, columns.id)
    )
    known = {"ACCEPTED": "accepted", "QUARANTINED": "quarantined", "REPEATED": "repeated"}
    found = []
    for row in rows:
        is_decided = row.decided_at is not None and row.decided_at <= as_of and row.state in known
        shown = ReceivedFile(
            bank=row.bank_code,
            name=_UNSAFE.sub("_", row.name),
            kind=row.kind if is_decided else "",
            sha256=row.sha256.hex(),
            size=row.size,
            received_at=instant_text(row.received_at),
            state=known[row.state] if is_decided else "waiting",
            reason=shown_reason(row.reason_code) if is_decided else "",
        )
        found.append(StoredReceived(row.id, row.name, row.sha256, shown))
    return found
