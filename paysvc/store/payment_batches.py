"""A batch with everything its bank has to be told, sealed numbers opened.

Here, in memory and on the way into the bank's file, is the only place where account numbers
are opened to be sent; citizen IDs are opened for the cash channel alone, where the counter
has to know whom it pays.
"""

from __future__ import annotations

import numpy as np
from sqlalchemy import Connection, select

from paysvc.bank_interface import Capabilities, Channel
from paysvc.core.messages import Debtor, PaymentBatch
from paysvc.core.order_columns import PaymentColumns
from paysvc.core.text_column import TextColumn
from paysvc.domain.batching import batch_sha256, remittance
from paysvc.domain.errors import Conflict
from paysvc.sealing import Sealer
from paysvc.store import batches, cycles
from paysvc.store.batches import Batch
from paysvc.store.packed import Packed, read_packed
from paysvc.store.tables import bank_account, beneficiary, entitlement, instruction, programme


def read_payment_batch(
    connection: Connection,
    sealer: Sealer,
    one: Batch,
    debtor: Debtor,
    able: Capabilities,
    periods: tuple[str, ...],
) -> tuple[PaymentBatch, int]:
    """The batch in the order of its file, and how many payee names were cut to the bank's field.

    Raises `Conflict` when the bank is not of the channel that was planned or the rows are not what
    the batch was made of, and `CannotUnseal`.
    """
    _refuse_if_changed(connection, one)
    stored = _read(connection, one.id)
    in_order = np.argsort(stored.numbers("batch_position"))
    if not stored.texts("channel").is_equal(able.channel).all():
        raise Conflict("channel_differs", f"The batch {one.message_id} is not of the channel of bank {one.bank_code}.")
    named = {row.code: row for row in connection.execute(select(programme))}
    codes, code_of = stored.texts("programme_code").categories()
    texts = TextColumn.of([remittance(named[code].name, periods) for code in codes])
    names, cut = _cut_names(stored.texts("creditor_name"), able.name_length)
    payments = PaymentColumns(
        end_to_end_id=stored.texts("end_to_end_id"),
        amount_vnd=stored.numbers("amount_vnd"),
        creditor_bin=stored.texts("creditor_bin"),
        creditor_name=names,
        remittance=texts.take(code_of),
        **_opened(sealer, able.channel, stored),
    )
    batch = PaymentBatch(
        message_id=one.message_id,
        created_at=one.created_at,
        value_date=one.value_date,
        debtor=debtor,
        purpose=named[codes[int(code_of[in_order[0]])]].purpose,
        payments=payments.take(in_order),
    )
    return batch, cut


def _refuse_if_changed(connection: Connection, one: Batch) -> None:
    """A batch is made of approved rows and says so by its digest; a program may have ended since, and
    somebody have changed the rows before their file was written."""
    cycle = cycles.get_cycle_by_id(connection, one.cycle_id)
    payments = batches.read_batched(connection, one.id)
    if batch_sha256(cycle.code, one.bank_code, one.value_date, payments) != one.content_sha256:
        raise Conflict(
            "batch_differs_from_approval",
            f"The payments of batch {one.message_id} are not those that were approved.",
            next_step="Find out who changed the database; nothing of it was sent.",
        )


def _cut_names(names: TextColumn, length: int) -> tuple[TextColumn, int]:
    """The names cut to so many characters, and how many of them were longer."""
    # No name has more characters than bytes.
    if not (names.lengths > length).any():
        return names, 0
    whole = names.to_list()
    return TextColumn.of([name[:length] for name in whole]), sum(len(name) > length for name in whole)


def _read(connection: Connection, batch_id: int) -> Packed:
    columns = instruction.c
    return read_packed(
        connection,
        select(
            columns.batch_position,
            columns.end_to_end_id,
            columns.amount_vnd,
            columns.channel,
            columns.creditor_bin,
            columns.creditor_name,
            columns.unit_code,
            columns.account_id,
            bank_account.c.account_sealed,
            entitlement.c.beneficiary_id,
            beneficiary.c.citizen_id_sealed,
            entitlement.c.programme_code,
        )
        .join(entitlement, entitlement.c.id == columns.entitlement_id)
        .outerjoin(bank_account, bank_account.c.id == columns.account_id)
        # The citizen ID of somebody paid by account is not even read.
        .outerjoin(beneficiary, (beneficiary.c.id == entitlement.c.beneficiary_id) & (columns.channel == "cash"))
        .where(columns.batch_id == batch_id),
    )


def _opened(sealer: Sealer, channel: Channel, stored: Packed) -> dict[str, TextColumn]:
    def opened(table: str, name: str, ids: str) -> TextColumn:
        numbers, sealed = stored.numbers(ids).tolist(), stored.texts(name).to_bytes_list()
        return TextColumn.of(sealer.open_column(table, name, numbers, sealed))

    nothing = TextColumn.repeat("", stored.count)
    if channel is Channel.ACCOUNT:
        accounts = opened("bank_account", "account_sealed", "account_id")
        return {"creditor_account": accounts, "citizen_id": nothing, "point_code": nothing}
    return {
        "creditor_account": nothing,
        "citizen_id": opened("beneficiary", "citizen_id_sealed", "beneficiary_id"),
        "point_code": stored.texts("unit_code"),
    }
