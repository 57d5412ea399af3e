"""What the post office sends back: the result list of a cash list, and the account statement."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np

from bank_adapters.fixed_width_records import RecordReader, open_records
from bank_adapters.payment_checks import DIGITS, PRINTABLE, rows_outside
from paysvc.core.columns import BOOKED, EntryColumns, StatusColumns, TextColumn
from paysvc.core.messages import BankReturns, Statement, StatementProof
from paysvc.domain.money import VND

_PAID, _NOT_COLLECTED = "PAID", "NOCO"
#: The counter's words in ISO 20022, not paid and paid: refused; cash picked up by the payee.
_STATUSES = TextColumn.of(["RJCT", "CPUC"])
_RESULT, _STATEMENT = b"PAYRSLT1", b"PAYSTMT1"
_FORMATS = {_RESULT: b"D", _STATEMENT: b"L"}


def read_cash_returns(content: bytes) -> BankReturns:
    """A result list (kind "status") or a statement, whole and with totals that hold; else `FileRefused`."""
    name, header, details, trailer = open_records(content, _FORMATS)
    if name == _RESULT:
        return _result(header, details, trailer)
    statement = _statement(header, details, trailer)
    return BankReturns(kind="statement", bank_message_id=statement.statement_id, statements=(statement,))


def _result(header: RecordReader, details: RecordReader, trailer: RecordReader) -> BankReturns:
    bank_message_id, answers = _identifier(header, 35), _identifier(header, 35)
    header.number(14)
    header.filler()
    details.number(9)
    references = _references(details, 35, least=1)
    outcomes = details.text(4)
    paid = outcomes.is_equal(_PAID)
    details.require(paid | outcomes.is_equal(_NOT_COLLECTED), "The result is neither PAID nor NOCO.")
    reasons = _references(details, 4, least=0)
    amounts = details.number(15)
    details.text(8)
    bank_references = details.text(20)
    details.filler()
    _check_totals(trailer, len(details), [(18, int(amounts[paid].sum()))])
    return BankReturns(
        kind="status",
        bank_message_id=bank_message_id,
        answers_message_id=answers,
        statuses=StatusColumns(
            reference=references,
            status=_STATUSES.take(paid.astype(np.int64)),
            reason_code=reasons,
            bank_reference=bank_references,
        ),
    )


class _Claims(NamedTuple):
    statement_id: str
    account: str
    sequence: int
    from_date: date
    to_date: date
    opening_vnd: int
    closing_vnd: int


def _statement(header: RecordReader, lines: RecordReader, trailer: RecordReader) -> Statement:
    claims = _Claims(
        _identifier(header, 35),
        _identifier(header, 20),
        int(header.number(9)[0]),
        _day(header),
        _day(header),
        int(header.number(18)[0]),
        int(header.number(18)[0]),
    )
    header.filler()
    entries = _entries(lines)
    debit = int(entries.amount_vnd[entries.is_debit].sum())
    credit = int(entries.amount_vnd[~entries.is_debit].sum())
    _check_totals(trailer, len(lines), [(18, debit), (18, credit)])
    return Statement(
        statement_id=claims.statement_id,
        account=claims.account,
        currency=VND,
        sequence=claims.sequence,
        from_date=claims.from_date,
        to_date=claims.to_date,
        proof=StatementProof(
            claims.opening_vnd,
            claims.closing_vnd,
            entry_count=len(lines),
            credit_sum_vnd=credit,
            debit_sum_vnd=debit,
        ),
        entries=entries,
    )


def _entries(lines: RecordReader) -> EntryColumns:
    numbers = lines.number(9)
    lines.require(numbers == np.arange(1, len(lines) + 1), "The lines are not numbered from 1 without a gap.")
    marks = lines.text(1)
    is_debit = marks.is_equal("D")
    lines.require(is_debit | marks.is_equal("C"), "A line is neither debit (D) nor credit (C).")
    amounts = lines.number(15)
    references, reasons = _own_references(lines, 35), _references(lines, 4, least=0)
    bank_references, (days, codes) = lines.text(20), lines.text(8).categories()
    lines.filler()
    iso = [_iso(day) for day in days.to_bytes_list()]
    lines.require(np.array([day is not None for day in iso], np.bool_)[codes], "A date does not exist.")
    return EntryColumns(
        reference=references,
        amount_vnd=amounts,
        currency=TextColumn.repeat(VND, len(lines)),
        is_debit=is_debit,
        status=np.full(len(lines), BOOKED, dtype=np.uint8),
        reason_code=reasons,
        bank_reference=bank_references,
        entry_number=numbers.astype(np.int32),
        booking_date=TextColumn.of([day or "" for day in iso]).take(codes),
    )


def _check_totals(trailer: RecordReader, count: int, sums: list[tuple[int, int]]) -> None:
    if int(trailer.number(9)[0]) != count:
        trailer.refuse("control_totals_lie", "The trailer's count is not the number of lines.")
    for width, found in sums:
        if int(trailer.number(width)[0]) != found:
            trailer.refuse("control_totals_lie", "The trailer's sum is not the sum of the lines.")
    trailer.filler()


def _identifier(header: RecordReader, width: int) -> str:
    value = header.text(width)
    header.require(np.array([len(value[0]) > 0]), "An identification in the header is empty.")
    return value[0]


def _references(reader: RecordReader, width: int, least: int) -> TextColumn:
    """A field without spaces in it; a reference with one in the middle is two fields out of place."""
    values = reader.text(width)
    fits = np.ones(len(reader), dtype=np.bool_)
    fits[rows_outside(values, PRINTABLE, least, width)] = False
    reader.require(fits, "A reference or a reason is missing or holds a space.")
    return values


def _own_references(lines: RecordReader, width: int) -> TextColumn:
    """The references of a statement, where strangers' payments stand as well; none is the empty text."""
    values = lines.text(width)
    return values.pick(np.where(values.is_equal("NOTPROVIDED"), -1, np.arange(len(values))))


def _day(header: RecordReader) -> date:
    iso = _iso(header.text(8).to_bytes_list()[0])
    if iso is None:
        header.refuse("line_malformed", "A date does not exist.")
    return date.fromisoformat(iso)


def _iso(yyyymmdd: bytes) -> str | None:
    """`2026-12-01` for `20261201`; None where there is no such day."""
    if len(yyyymmdd) != 8 or yyyymmdd.strip(DIGITS):
        return None
    try:
        return date(int(yyyymmdd[:4]), int(yyyymmdd[4:6]), int(yyyymmdd[6:])).isoformat()
    except ValueError:
        return None
