"""Reads the post office's lists of people to pay in cash (PAYCASH1, 200 characters a record)."""

from __future__ import annotations

from pathlib import Path

from bank_adapters.mock_bank.orders import FileRefused, Payment, PaymentFile, check_totals, is_number, iso_date

RECORD = 200


def read_fixed_width(path: Path) -> PaymentFile:
    """The payments of one PAYCASH1 file: H, D…, T, each 200 ASCII characters and CRLF.

    Raises FileRefused FF01 for anything that is no whole file of that shape, AM18 or AM10
    for control totals that lie, DT01 for an impossible value date.
    """
    records = _records(path.read_bytes())
    header, trailer = records[0], records[-1]
    if header[:9] != "HPAYCASH1" or trailer[0] != "T":
        raise FileRefused("FF01", "the file is not a PAYCASH1 list from H to T")
    message_id = header[9:44].rstrip()
    if not message_id:
        raise FileRefused("FF01", "the message id is missing")
    value_date = iso_date(header[44:52], message_id)
    payments = [_payment(record, position, value_date) for position, record in enumerate(records[1:-1], start=1)]
    total = sum(payment.amount for payment in payments)
    for count, stated in ((header[72:81], header[81:99]), (trailer[1:10], trailer[10:28])):
        check_totals(count, len(payments), stated, total, message_id, "the file")
    return PaymentFile(message_id, header[52:72].rstrip(), payments, total)


def _records(content: bytes) -> list[str]:
    whole, rest = divmod(len(content), RECORD + 2)
    if rest or whole < 2:
        raise FileRefused("FF01", "the file is not made of records of 200 characters and CRLF")
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        raise FileRefused("FF01", "the file is not plain ASCII") from None
    records = text.split("\r\n")
    if records.pop() or any(len(record) != RECORD for record in records):
        raise FileRefused("FF01", "a record is not 200 characters long")
    return records


def _payment(record: str, position: int, value_date: str) -> Payment:
    reference, amount = record[10:45].rstrip(), record[45:60]
    if record[0] != "D" or record[1:10] != f"{position:09d}" or not is_number(amount) or not reference:
        raise FileRefused("FF01", f"record {position + 1} is not payment {position} with an id and an amount")
    creditor = f"{record[60:70].rstrip()}/{record[70:82].rstrip()}"
    return Payment(position, reference, int(amount), creditor, "", value_date, "" if int(amount) else "AM01")
