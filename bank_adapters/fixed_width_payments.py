"""A batch as a cash list of the post office: fixed-width records (docs/for-banks.md, part C); and back."""

from __future__ import annotations

import re
from unicodedata import normalize

import numpy as np

from bank_adapters.compact_time import compact_time
from bank_adapters.fixed_width_records import RecordWriter, open_records
from bank_adapters.payment_checks import (
    ACCOUNT,
    DIGITS,
    REFERENCE,
    Complaints,
    rows_outside,
    rows_with_control_characters,
)
from paysvc.bank_interface import BankFile
from paysvc.core.columns import SentColumns
from paysvc.core.messages import PaymentBatch
from paysvc.core.proof import exact_sum
from paysvc.core.text_column import CategoryColumn, Int64, TextColumn
from paysvc.domain.errors import FileRefused
from paysvc.domain.money import MAX_PAYMENT_VND, VND

NAME_LENGTH = 70
REMITTANCE_LENGTH = 40
_MAX_COUNT = 10**9 - 1

_MARKS = re.compile("[\u0300-\u036f]")
#: What Unicode does not take apart: the barred d (and the Icelandic eth that passes for it), and apostrophes.
_PLAIN = str.maketrans("đĐðÐ’‘ʼ`´–—\u00a0\u202f", "dDdD'''''--  ")


def write_cash_list(batch: PaymentBatch) -> BankFile:
    """The file. Raises `EncodingImpossible` naming every payment that the dialect cannot carry."""
    complaints = Complaints(batch)
    _check(batch, complaints)
    names, no_names = _plain_texts(batch.payments.creditor_name, NAME_LENGTH, upper=True)
    remittances, no_remittances = _plain_texts(batch.payments.remittance, REMITTANCE_LENGTH, upper=False)
    nameless = {row: "The payee has no name." for row, name in enumerate(names) if not name}
    complaints.add_each("creditor_name", nameless | no_names)
    complaints.add_each("remittance", no_remittances)
    complaints.stop_if_any()
    content = _header(batch) + _details(batch, TextColumn.of(names), TextColumn.of(remittances)) + _trailer(batch)
    return BankFile(f"{batch.message_id}.lst", content, batch.message_id, batch.totals)


def read_cash_list(content: bytes) -> SentColumns:
    """What such a file orders. Raises `FileRefused` unless its records and its totals hold together."""
    _, header, details, trailer = open_records(content, {b"PAYCASH1": b"D"})
    message_id = header.text(35)[0]
    header.text(8 + 20)
    numbers, references, amounts = details.number(9), details.text(35), details.number(15)
    details.require(numbers == np.arange(1, len(details) + 1), "The records are not numbered from 1 on.")
    totals = (len(details), exact_sum(amounts))
    for one in (header, trailer):
        if (int(one.number(9)[0]), int(one.number(18)[0])) != totals:
            raise FileRefused("totals_differ", "Its totals are not those of its records.")
    return SentColumns(
        end_to_end_id=references,
        amount_vnd=amounts,
        currency=CategoryColumn.repeat(VND, len(details)),
        message_id=CategoryColumn.repeat(message_id, len(details)),
        payment_information_id=CategoryColumn.repeat(f"{message_id}-1", len(details)),
    )


def _check(batch: PaymentBatch, complaints: Complaints) -> None:
    complaints.require_characters("end_to_end_id", REFERENCE, 1, 35)
    # The counter has to know whom it pays and where; without either nobody can be paid.
    complaints.require_characters("citizen_id", DIGITS, 12, 12)
    complaints.require_characters("point_code", REFERENCE, 1, 10)
    complaints.require_amounts(MAX_PAYMENT_VND)
    complaints.require_batch(0 < len(batch.payments) <= _MAX_COUNT, "payments", "A file has 1 to 999999999 payments.")
    for field, value, allowed, most in (
        ("message_id", batch.message_id, REFERENCE, 35),
        ("debtor_account", batch.debtor.account, ACCOUNT, 20),
    ):
        fits = not rows_outside(TextColumn.of([value]), allowed, 1, most)
        complaints.require_batch(fits, field, "The field of the file's header does not fit this dialect.")


def _header(batch: PaymentBatch) -> bytes:
    writer, totals = RecordWriter(1, b"H"), batch.totals
    writer.text(TextColumn.of(["PAYCASH1"]), 8)
    writer.text(TextColumn.of([batch.message_id]), 35)
    writer.text(TextColumn.of([f"{batch.value_date:%Y%m%d}"]), 8)
    writer.text(TextColumn.of([batch.debtor.account]), 20)
    writer.number(_one(totals.count), 9)
    writer.number(_one(totals.sum_vnd), 18)
    writer.text(TextColumn.of([compact_time(batch.created_at)]), 14)
    return writer.content()


def _details(batch: PaymentBatch, names: TextColumn, remittances: TextColumn) -> bytes:
    payments = batch.payments
    writer = RecordWriter(len(payments), b"D")
    writer.number(np.arange(1, len(payments) + 1, dtype=np.int64), 9)
    writer.text(payments.end_to_end_id, 35)
    writer.number(payments.amount_vnd, 15)
    writer.text(payments.point_code, 10)
    writer.text(payments.citizen_id, 12)
    writer.text(names, NAME_LENGTH)
    writer.text(remittances, REMITTANCE_LENGTH)
    return writer.content()


def _trailer(batch: PaymentBatch) -> bytes:
    writer = RecordWriter(1, b"T")
    writer.number(_one(batch.totals.count), 9)
    writer.number(_one(batch.totals.sum_vnd), 18)
    return writer.content()


def _one(value: int) -> Int64:
    return np.array([value], dtype=np.int64)


def _plain_texts(column: TextColumn, length: int, *, upper: bool) -> tuple[list[str], dict[int, str]]:
    """The texts without marks, cut to their field; and, per row that ASCII cannot carry, why."""
    texts = list(column)
    plain = {text: _plain(text, upper=upper)[:length].rstrip() for text in set(texts)}
    wrong = {text for text, written in plain.items() if not written.isascii()}
    problems = dict.fromkeys(rows_with_control_characters(column), "The text holds a control character.")
    if wrong:
        reason = "The text holds a character that has no plain ASCII form."
        problems |= {row: reason for row, text in enumerate(texts) if text in wrong}
    return [plain[text] for text in texts], problems


def _plain(text: str, *, upper: bool) -> str:
    unmarked = _MARKS.sub("", normalize("NFD", text)).translate(_PLAIN).strip()
    return unmarked.upper() if upper else unmarked
