"""Writes the answers of the bank with delimited files: RES01 status lists and MT940 statements."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from bank_adapters.mock_bank.ledger import Ledger
from bank_adapters.mock_bank.papers import Statement, StatementLine, StatusReport
from bank_adapters.mock_bank.premises import Sheet

_FREE_TEXT = {
    "debit": "CHI TRA AN SINH",
    "second_debit": "CHI TRA AN SINH",
    "return": "TRA LAI",
    "stray": "CHUYEN TIEN",
    "unsolicited": "NOP TIEN",
    "orphan": "TRA LAI",
}


def write_status(sheet: Sheet, report: StatusReport) -> None:
    """H, one D a payment, T with count, sum of amounts and the digest of the lines before it."""
    day = report.day.replace("-", "")
    sheet.write(f"H|RES01|{report.report_id}|{report.answers}|{report.group_status}|{report.code}|{day}093000\r\n")
    sheet.write_all(
        f"D|{line.line}|{line.end_to_end_id}|{line.status}|{line.reason}|{line.bank_reference}|{line.amount}\r\n"
        for line in report.lines
    )
    total = sum(line.amount for line in report.lines)
    sheet.write(f"T|{len(report.lines)}|{total}|{sheet.digest_so_far}\r\n")


def write_mt940(sheet: Sheet, statement: Statement, ledger: Ledger) -> None:
    """One statement: :20: to :60F:, a :61: with its :86: for each booking, :62F:."""
    sheet.write(
        f":20:{statement.statement_id}\r\n:25:{statement.account}\r\n:28C:{statement.sequence}/1\r\n"
        f":60F:{_balance(statement.opening, statement.from_day)}\r\n"
    )
    sheet.write_all(_lines(statement, ledger))
    sheet.write(f":62F:{_balance(statement.closing, statement.day)}\r\n")


def _balance(amount: int, day: str) -> str:
    return f"{'D' if amount < 0 else 'C'}{_short(day)}VND{abs(amount)},"


def _short(day: str) -> str:
    return date.fromisoformat(day).strftime("%y%m%d")


def _lines(statement: Statement, ledger: Ledger) -> Iterator[str]:
    booked_on = _short(statement.day)[2:]
    days: dict[str, str] = {}
    for line in statement.lines(ledger):
        value = days.get(line.value_date)
        if value is None:
            value = days[line.value_date] = _short(line.value_date)
        yield _line(line, value + booked_on)


def _line(line: StatementLine, dates: str) -> str:
    # Banks book a return as a reversed debit (RD) or as a new credit (C); this one does both.
    credit_mark = "RD" if line.kind == "return" and line.amount // 1000 % 2 == 0 else "C"
    mark = "D" if line.is_debit else credit_mark
    ours = "NONREF" if line.reference == "NOTPROVIDED" else line.reference[:16]
    reason = f"/RSN/{line.reason}" if line.reason else ""
    return (
        f":61:{dates}{mark}{line.amount},NTRF{ours}//{line.bank_reference}\r\n"
        f":86:/EREF/{line.reference}{reason}/TXT/{_FREE_TEXT[line.kind]}\r\n"
    )
