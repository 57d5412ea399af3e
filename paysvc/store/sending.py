"""What the bank's word, or its silence, does to a batch: its state, its payments, its money.

Money of a batch stays `reserved` in its funds until the bank is known to have the file. It
then is in transit, or back in the fund when the bank refused the file.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from paysvc.bank_interface import Channel
from paysvc.domain.instructions import BatchState, InstructionState
from paysvc.store import batches, ledger
from paysvc.store.batches import Batch


def record_sent(connection: Connection, one: Batch, at: datetime) -> Batch:
    """The bank has the file. A batch that is SENT already stays as it is.

    Evidence may come while we think that nothing has left (a restored backup, say): the
    batch then passes through SENDING. Raises `Conflict` when it changed since it was read.
    """
    if one.state is BatchState.SENT:
        return one
    if one.state is BatchState.SEALED:
        one = batches.move_batch(connection, one, BatchState.SENDING)
    moved = batches.move_batch(connection, one, BatchState.SENT)
    batches.move_instructions(connection, one.id, InstructionState.SENT, one.count)
    postings = []
    for share in batches.fund_shares(connection, one.id):
        postings.append(ledger.Posting(ledger.reserved(share.fund_code), -share.sum_vnd, share.count))
        postings.append(ledger.Posting(in_transit(one.bank_code, share.channel), share.sum_vnd, share.count))
    ledger.post(connection, at, "batch_sent", f"batch_sent:{one.bank_code}:{one.message_id}", postings)
    return moved


def record_refused(connection: Connection, one: Batch, at: datetime, reason_code: str) -> Batch:
    """The bank refused the file as a whole: its payments are rejected, their money is free.

    It may have taken the file first, and have refused it without a word: then the money comes back
    from transit. Raises `Conflict` when the batch changed since it was read.
    """
    was_sent = one.state is BatchState.SENT
    moved = batches.move_batch(connection, one, BatchState.REFUSED)
    batches.refuse_instructions(connection, one.id, reason_code)
    batches.move_instructions(connection, one.id, InstructionState.REJECTED, one.count)
    postings = []
    for share in batches.fund_shares(connection, one.id):
        source = in_transit(one.bank_code, share.channel) if was_sent else ledger.reserved(share.fund_code)
        postings.append(ledger.Posting(source, -share.sum_vnd, share.count))
        postings.append(ledger.Posting(ledger.fund(share.fund_code), share.sum_vnd, share.count))
    ledger.post(connection, at, "batch_refused", f"batch_refused:{one.bank_code}:{one.message_id}", postings)
    return moved


def record_unknown(connection: Connection, one: Batch) -> Batch:
    """The bank may have the file; only the bank can say. Raises `Conflict` as above.

    That it may, although we think that nothing has left, is what a restored backup teaches: the
    batch then passes through SENDING.
    """
    if one.state is BatchState.SEALED:
        one = batches.move_batch(connection, one, BatchState.SENDING)
    moved = batches.move_batch(connection, one, BatchState.UNKNOWN)
    batches.move_instructions(connection, one.id, InstructionState.UNKNOWN, one.count)
    return moved


def record_not_sent(connection: Connection, one: Batch) -> Batch:
    """The bank does not have the file: the same bytes may leave (again). Raises `Conflict` as above."""
    moved = batches.move_batch(connection, one, BatchState.SEALED)
    batches.move_instructions(connection, one.id, InstructionState.BATCHED, one.count)
    return moved


def in_transit(bank_code: str, channel: str) -> str:
    """The ledger account of money that this bank has been told to pay and has not booked."""
    return ledger.cash_in_transit(bank_code) if channel == Channel.CASH else ledger.in_transit(bank_code)
