"""A batch with everything its bank has to be told, sealed numbers opened.

Here, in memory and on the way into the bank's file, is the only place where account numbers
are opened to be sent; citizen IDs are opened for the cash channel alone, where the counter
has to know whom it pays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from paysvc.bank_interface import Capabilities, Channel
from paysvc.core.columns import PaymentColumns, TextColumn
from paysvc.core.messages import Debtor, PaymentBatch
from paysvc.domain.batching import remittance
from paysvc.domain.errors import Conflict
from paysvc.sealing import Sealer
from paysvc.store.batches import Batch
from paysvc.store.bulk import read_columns
from paysvc.store.tables import bank_account, beneficiary, entitlement, instruction, programme

Columns = dict[str, list[Any]]


def read_payment_batch(
    connection: Connection,
    sealer: Sealer,
    one: Batch,
    debtor: Debtor,
    able: Capabilities,
    periods: tuple[str, ...],
) -> tuple[PaymentBatch, int]:
    """The batch in the order of its file, and how many payee names were cut to the bank's field.

    Raises `Conflict` when the bank is not of the channel that was planned, and `CannotUnseal`.
    """
    stored = _read(connection, one.id)
    if any(channel != able.channel for channel in stored["channel"]):
        raise Conflict("channel_differs", f"The batch {one.message_id} is not of the channel of bank {one.bank_code}.")
    named = {row.code: row for row in connection.execute(select(programme))}
    texts = {code: remittance(named[code].name, periods) for code in set(stored["programme_code"])}
    names = [name[: able.name_length] for name in stored["creditor_name"]]
    batch = PaymentBatch(
        message_id=one.message_id,
        created_at=one.created_at,
        value_date=one.value_date,
        debtor=debtor,
        purpose=named[stored["programme_code"][0]].purpose,
        payments=PaymentColumns(
            end_to_end_id=TextColumn.of(stored["end_to_end_id"]),
            amount_vnd=np.array(stored["amount_vnd"], dtype=np.int64),
            creditor_bin=TextColumn.of(stored["creditor_bin"]),
            creditor_name=TextColumn.of(names),
            remittance=TextColumn.of([texts[code] for code in stored["programme_code"]]),
            **_opened(sealer, able.channel, stored),
        ),
    )
    return batch, sum(cut != name for cut, name in zip(names, stored["creditor_name"], strict=True))


def _read(connection: Connection, batch_id: int) -> Columns:
    columns = instruction.c
    return read_columns(
        connection,
        select(
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
        .where(columns.batch_id == batch_id)
        .order_by(columns.batch_position),
    )


def _opened(sealer: Sealer, channel: Channel, stored: Columns) -> dict[str, TextColumn]:
    nothing = TextColumn.repeat("", len(stored["end_to_end_id"]))
    if channel is Channel.ACCOUNT:
        accounts = sealer.open_column("bank_account", "account_sealed", stored["account_id"], stored["account_sealed"])
        return {"creditor_account": TextColumn.of(accounts), "citizen_id": nothing, "point_code": nothing}
    persons = sealer.open_column(
        "beneficiary", "citizen_id_sealed", stored["beneficiary_id"], stored["citizen_id_sealed"]
    )
    return {
        "creditor_account": nothing,
        "citizen_id": TextColumn.of(persons),
        "point_code": TextColumn.of(stored["unit_code"]),
    }
