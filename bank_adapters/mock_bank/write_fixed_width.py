"""Writes the post office's answers: result lists and statements of 200 characters a record."""

from __future__ import annotations

from bank_adapters.mock_bank.ledger import Ledger
from bank_adapters.mock_bank.papers import Statement, StatusReport
from bank_adapters.mock_bank.premises import Sheet

_RESULT = {"CPUC": "PAID", "RJCT": "NOCO"}


def write_result(sheet: Sheet, report: StatusReport) -> None:
    """H, one D a decided payment, T with the count and the sum of what was paid out."""
    sheet.write(_record(f"HPAYRSLT1{report.report_id:<35}{report.answers:<35}{_digits(report.day)}170000"))
    sheet.write_all(
        _record(
            f"D{line.line:09d}{line.end_to_end_id:<35}{_RESULT[line.status]}{line.reason:<4}{line.amount:015d}"
            f"{_digits(line.decided_on)}{line.bank_reference:<20}"
        )
        for line in report.lines
    )
    paid = sum(line.amount for line in report.lines if line.status == "CPUC")
    sheet.write(_record(f"T{len(report.lines):09d}{paid:018d}"))


def write_statement(sheet: Sheet, statement: Statement, ledger: Ledger) -> None:
    """H with both balances, one L a booking, T with count and sums."""
    day = _digits(statement.day)
    sheet.write(
        _record(
            f"HPAYSTMT1{statement.statement_id:<35}{statement.account:<20}{statement.sequence:09d}"
            f"{_digits(statement.from_day)}{day}{statement.opening:018d}{statement.closing:018d}"
        )
    )
    sheet.write_all(
        _record(
            f"L{number:09d}{'D' if line.is_debit else 'C'}{line.amount:015d}{line.reference:<35}{line.reason:<4}"
            f"{line.bank_reference:<20}{day}"
        )
        for number, line in enumerate(statement.lines(ledger), start=1)
    )
    sheet.write(_record(f"T{statement.line_count:09d}{statement.debits:018d}{statement.credits:018d}"))


def _record(text: str) -> str:
    return f"{text:<200}\r\n"


def _digits(day: str) -> str:
    return day.replace("-", "")
