"""Reads the lists of payments that the bank with delimited files takes (PAY01, Windows-1258)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bank_adapters.mock_bank.orders import FileRefused, Payment, PaymentFile, check_totals, is_number, iso_date


def read_delimited(path: Path) -> PaymentFile:
    """The payments of one PAY01 file: H, D…, T; `|` between fields, CRLF after each line.

    Raises FileRefused FF01 for anything that is no whole file of that shape or whose digest
    differs, AM18 or AM10 for control totals that lie, DT01 for an impossible value date.
    """
    content = path.read_bytes()
    lines = _lines(content)
    header = _fields(lines[0], 11, "H", 1)
    trailer = _fields(lines[-1], 4, "T", len(lines))
    if header[1] != "PAY01":
        raise FileRefused("FF01", "the header is not that of a PAY01 file")
    message_id = header[2]
    if not 1 <= len(message_id) <= 35:
        raise FileRefused("FF01", "the message id is missing or too long")
    if hashlib.sha256(content[: content.rindex(b"\r\nT|") + 2]).hexdigest() != trailer[3].lower():
        raise FileRefused("FF01", "the digest in the last line is not that of the lines before it", message_id)
    value_date = iso_date(header[3], message_id)
    payments = [_payment(line, position, value_date) for position, line in enumerate(lines[1:-1], start=1)]
    total = sum(payment.amount for payment in payments)
    for count, stated in ((header[6], header[7]), (trailer[1], trailer[2])):
        check_totals(count, len(payments), stated, total, message_id, "the file")
    return PaymentFile(message_id, header[4], payments, total)


def _lines(content: bytes) -> list[str]:
    try:
        text = content.decode("cp1258")
    except UnicodeDecodeError:
        raise FileRefused("FF01", "the file is not in Windows-1258") from None
    lines = text.split("\r\n")
    if len(lines) < 3 or lines.pop() or not lines[-1].startswith("T|"):
        raise FileRefused("FF01", "the file does not end with a T line and CRLF")
    if text.count("\n") != len(lines) or text.count("\r") != len(lines):
        raise FileRefused("FF01", "a line does not end with CRLF")
    return lines


def _fields(line: str, count: int, kind: str, number: int) -> list[str]:
    fields = line.split("|")
    if len(fields) != count or fields[0] != kind:
        raise FileRefused("FF01", f"line {number} of the file is not a {kind} line of {count} fields")
    return fields


def _payment(line: str, position: int, value_date: str) -> Payment:
    fields = _fields(line, 8, "D", position + 1)
    if fields[1] != str(position) or not is_number(fields[3]) or not 1 <= len(fields[2]) <= 35:
        raise FileRefused("FF01", f"payment {position} has a wrong line number, id or amount")
    amount = int(fields[3])
    return Payment(position, fields[2], amount, f"{fields[4]}/{fields[5]}", "", value_date, "" if amount else "AM01")
