"""What the files that tell a bank to pay or to collect are written from, in columns."""

from __future__ import annotations

from dataclasses import dataclass

from paysvc.core.columns import Columns
from paysvc.core.text_column import Int64, TextColumn


@dataclass(frozen=True, slots=True)
class PaymentColumns(Columns):
    """What a bank file is written from: one row a credit, in the order of the file.

    `citizen_id` is filled only for the cash channel, where the counter has to know whom it
    pays; it is the empty text elsewhere. `point_code` is the post office's paying point (the
    commune code). `remittance` is what the payee reads (at most 140 characters).
    """

    end_to_end_id: TextColumn
    amount_vnd: Int64
    creditor_bin: TextColumn
    creditor_account: TextColumn
    creditor_name: TextColumn
    citizen_id: TextColumn
    point_code: TextColumn
    remittance: TextColumn


@dataclass(frozen=True, slots=True)
class CollectionColumns(Columns):
    """What a file of direct debits is written from: one row a debit, in the order of the file.

    `mandate_signed_on` is ISO text. `remittance` is what the payer reads (at most 140 characters).
    """

    end_to_end_id: TextColumn
    amount_vnd: Int64
    mandate_id: TextColumn
    mandate_signed_on: TextColumn
    debtor_bin: TextColumn
    debtor_account: TextColumn
    debtor_name: TextColumn
    remittance: TextColumn
