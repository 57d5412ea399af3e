"""A batch as a delimited file: `H|`, `D|`, `T|` lines in Windows-1258 (docs/for-banks.md, part B); and back."""

from __future__ import annotations

import hashlib

import numpy as np

from bank_adapters.compact_time import compact_time
from bank_adapters.delimited_windows1258 import to_windows_1258
from bank_adapters.payment_checks import (
    ACCOUNT,
    DIGITS,
    REFERENCE,
    Complaints,
    cut_texts,
    rows_outside,
    rows_with_control_characters,
)
from paysvc.bank_interface import BankFile
from paysvc.core.columns import SentColumns
from paysvc.core.messages import PaymentBatch
from paysvc.core.text_column import CategoryColumn, TextColumn
from paysvc.domain.errors import FileRefused
from paysvc.domain.money import MAX_PAYMENT_VND, VND

SEPARATOR = "|"
LINE_END = b"\r\n"
NAME_LENGTH = 70
REMITTANCE_LENGTH = 140

#: The statement's `:61:` gives 16 characters back; a longer id would come home as another.
REFERENCE_LENGTH = 16


def write_payments(batch: PaymentBatch) -> BankFile:
    """The file. Raises `EncodingImpossible` naming every payment that the dialect cannot carry."""
    complaints = Complaints(batch)
    _check_columns(batch, complaints)
    header = _header(batch, complaints)
    names, problems = _texts(batch.payments.creditor_name, NAME_LENGTH)
    nameless = {row: "The payee has no name." for row, name in enumerate(names) if not name}
    complaints.add_each("creditor_name", nameless | problems)
    remittances, problems = _texts(batch.payments.remittance, REMITTANCE_LENGTH)
    complaints.add_each("remittance", problems)
    complaints.stop_if_any()
    totals = batch.totals
    body = header + LINE_END + _details(batch, names, remittances)
    digest = hashlib.sha256(body).hexdigest()
    trailer = f"T|{totals.count}|{totals.sum_vnd}|{digest}".encode("ascii") + LINE_END
    return BankFile(f"{batch.message_id}.txt", body + trailer, batch.message_id, totals)


def read_payments(content: bytes) -> SentColumns:
    """What such a file orders. Raises `FileRefused` unless its lines, its totals and its digest hold together."""
    body = content[: content.rfind(b"\r\nT|") + len(LINE_END)]
    header, *details = [line.split(b"|") for line in body.split(LINE_END)[:-1]] or [[]]
    trailer = content[len(body) :].removesuffix(LINE_END).split(b"|")
    if header[:2] != [b"H", b"PAY01"] or len(header) != 11 or len(trailer) != 4:
        raise FileRefused("wrong_message", "It is not a whole file of payments in this dialect.")
    for number, fields in enumerate(details, 1):
        if len(fields) != 8 or fields[:2] != [b"D", b"%d" % number] or not fields[3].isdigit() or len(fields[3]) > 15:
            raise FileRefused("line_malformed", "A line is not that of a payment.", place=f"line {number + 1}")
    amounts = [int(fields[3]) for fields in details]
    totals = [b"%d" % len(details), b"%d" % sum(amounts)]
    if header[6:8] != totals or trailer[1:3] != totals or trailer[3] != hashlib.sha256(body).hexdigest().encode():
        raise FileRefused("totals_differ", "Its totals or its digest are not those of its lines.")
    message_id = header[2].decode("ascii", "replace")
    return SentColumns(
        end_to_end_id=TextColumn.of([fields[2].decode("ascii", "replace") for fields in details]),
        amount_vnd=np.array(amounts, dtype=np.int64),
        currency=CategoryColumn.repeat(VND, len(details)),
        message_id=CategoryColumn.repeat(message_id, len(details)),
        payment_information_id=CategoryColumn.repeat(f"{message_id}-1", len(details)),
    )


def _check_columns(batch: PaymentBatch, complaints: Complaints) -> None:
    complaints.require_characters("end_to_end_id", REFERENCE, 1, REFERENCE_LENGTH)
    complaints.require_characters("creditor_bin", DIGITS, 6, 6)
    complaints.require_characters("creditor_account", ACCOUNT, 4, 34)
    complaints.require_amounts(MAX_PAYMENT_VND)
    complaints.require_batch(len(batch.payments) > 0, "payments", "A file without a payment means nothing.")


def _header(batch: PaymentBatch, complaints: Complaints) -> bytes:
    debtor, totals = batch.debtor, batch.totals
    fields = {
        "message_id": (batch.message_id, REFERENCE, 35),
        "debtor_account": (debtor.account, ACCOUNT, 34),
        "debtor_bin": (debtor.bank_bin, DIGITS, 6),
        "purpose": (batch.purpose, REFERENCE, 4),
    }
    for name, (value, allowed, most) in fields.items():
        fits = not rows_outside(TextColumn.of([value]), allowed, 1, most)
        complaints.require_batch(fits, name, "The field of the file's header does not fit this dialect.")
    (payer,), problems = _texts(TextColumn.of([debtor.name]), NAME_LENGTH)
    complaints.require_batch(not problems and bool(payer), "debtor_name", "The payer's name cannot be written.")
    line = (
        f"H|PAY01|{batch.message_id}|{batch.value_date:%Y%m%d}|{debtor.account}|{debtor.bank_bin}|"
        f"{totals.count}|{totals.sum_vnd}|{compact_time(batch.created_at)}|{batch.purpose}|"
    )
    return line.encode("ascii", "replace") + payer


def _details(batch: PaymentBatch, names: list[bytes], remittances: list[bytes]) -> bytes:
    payments = batch.payments
    rows = zip(
        range(1, len(payments) + 1),
        payments.end_to_end_id.to_bytes_list(),
        payments.amount_vnd.tolist(),
        payments.creditor_bin.to_bytes_list(),
        payments.creditor_account.to_bytes_list(),
        names,
        remittances,
        strict=True,
    )
    return b"".join([b"D|%d|%b|%d|%b|%b|%b|%b\r\n" % row for row in rows])


def _texts(column: TextColumn, length: int) -> tuple[list[bytes], dict[int, str]]:
    """The texts cut to their field, in Windows-1258; and, per row that cannot be written, why."""
    texts = cut_texts(column, length)
    written = {text: _text(text) for text in set(texts)}
    problems = dict.fromkeys(rows_with_control_characters(column), "The text holds a control character.")
    problems |= {row: str(written[text]) for row, text in enumerate(texts) if isinstance(written[text], str)}
    return [value if isinstance(value := written[text], bytes) else b"" for text in texts], problems


def _text(text: str) -> bytes | str:
    """The bytes, or (as text) why there are none."""
    if SEPARATOR in text:
        return "The text holds the field separator '|'."
    try:
        return to_windows_1258(text)
    except UnicodeEncodeError:
        return "The text holds a character that Windows-1258 does not have."
