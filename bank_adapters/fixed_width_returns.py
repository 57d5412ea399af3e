"""What the post office sends back: the result list of a cash list, and the account statement."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

import numpy as np

from bank_adapters.fixed_width_records import RECORD_LENGTH, WITH_LINE_END, RecordReader, open_records
from bank_adapters.payment_checks import DIGITS, PRINTABLE, rows_outside
from paysvc.core.columns import BOOKED, EntryColumns, StatusColumns
from paysvc.core.line_fields import CODE, NUMBER, TEXT, WORD, Field, code_number, code_text
from paysvc.core.messages import BankReturns, Statement, StatementProof
from paysvc.core.scan_xml import WORTH_SCANNING
from paysvc.core.text_column import Bool, Int64, TextColumn, UInt8, number_groups
from paysvc.domain.errors import FileRefused
from paysvc.domain.money import VND

_PAID, _NOT_COLLECTED = "PAID", "NOCO"
#: The counter's words in ISO 20022, not paid and paid: refused; cash picked up by the payee.
_STATUSES = TextColumn.of(["RJCT", "CPUC"])
_RESULT, _STATEMENT = b"PAYRSLT1", b"PAYSTMT1"
_FORMATS = {_RESULT: b"D", _STATEMENT: b"L"}

#: What was done with the payments, and the sum of what was paid out.
_Outcomes = tuple[StatusColumns, int]


#: Line number, reference, result, reason, amount, day, bank's reference.
_RESULT_FIELDS = (
    Field(NUMBER, 9, 9),
    Field(WORD, 1, 35),
    Field(CODE, 4, 4),
    Field(WORD, 0, 4),
    Field(NUMBER, 15, 15),
    Field(TEXT, 0, 8),
    Field(TEXT, 0, 20),
)
#: Line number, mark, amount, reference, reason, bank's reference, day.
_STATEMENT_FIELDS = (
    Field(NUMBER, 9, 9),
    Field(CODE, 1, 1),
    Field(NUMBER, 15, 15),
    Field(TEXT, 0, 35),
    Field(WORD, 0, 4),
    Field(TEXT, 0, 20),
    Field(CODE, 8, 8),
)


def read_cash_returns(content: bytes) -> BankReturns:
    """A result list (kind "status") or a statement, whole and with totals that hold; else `FileRefused`."""
    scanned = read_scanned(content) if len(content) >= WORTH_SCANNING else None
    return scanned or read_by_fields(content)


def read_by_fields(content: bytes) -> BankReturns:
    """`read_cash_returns` for any legal file and any fault: the reference that the scanner is held against."""
    name, header, details, trailer = open_records(content, _FORMATS)
    if name == _RESULT:
        return _result(header, trailer, lambda: _outcomes(details))
    return _statement(header, trailer, lambda: _entries(details))


def read_scanned(content: bytes) -> BankReturns | None:
    """`read_cash_returns` for a file of plain records; None where only `read_by_fields` can tell."""
    if len(content) < 2 * WITH_LINE_END:
        return None
    try:
        name, header, _, trailer = open_records(content[:WITH_LINE_END] + content[-WITH_LINE_END:], _FORMATS)
        if name == _RESULT:
            outcomes = _scanned_outcomes(content)
            return None if outcomes is None else _result(header, trailer, lambda: outcomes)
        entries = _scanned_entries(content)
        return None if entries is None else _statement(header, trailer, lambda: entries)
    except FileRefused:
        # Read again by fields, it is found again, with its place in the whole file.
        return None


def _scanned(content: bytes, kind: bytes, fields: tuple[Field, ...]) -> tuple[UInt8, Int64] | None:
    """The bytes, and what the kernel found in the fields of the records between header and trailer."""
    from paysvc.core.scan_fields import scan_records

    data = np.frombuffer(content, dtype=np.uint8)
    begin, end = WITH_LINE_END, len(content) - WITH_LINE_END
    found = scan_records(data, begin, end, mark=kind[0], width=RECORD_LENGTH, fields=fields)
    return None if found is None else (data, found)


def _result(header: RecordReader, trailer: RecordReader, outcomes: Callable[[], _Outcomes]) -> BankReturns:
    bank_message_id, answers = _identifier(header, 35), _identifier(header, 35)
    header.number(14)
    header.filler()
    statuses, paid_vnd = outcomes()
    _check_totals(trailer, len(statuses), [(18, paid_vnd)])
    return BankReturns(
        kind="status",
        bank_message_id=bank_message_id,
        answers_message_id=answers,
        statuses=statuses,
    )


def _outcomes(details: RecordReader) -> _Outcomes:
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
    status = _STATUSES.take(paid.astype(np.int64))
    return StatusColumns(references, status, reasons, bank_references), int(amounts[paid].sum())


def _scanned_outcomes(content: bytes) -> _Outcomes | None:
    """`_outcomes` of the whole file; None where its records are not plain."""
    from paysvc.core.spans import picked_texts, text_column

    scanned = _scanned(content, _FORMATS[_RESULT], _RESULT_FIELDS)
    if scanned is None:
        return None
    data, (_, references, outcomes, reasons, amounts, _, bank_references) = scanned
    paid = outcomes == code_number(_PAID.encode())
    if not (paid | (outcomes == code_number(_NOT_COLLECTED.encode()))).all():
        return None
    own, reasons_text, bank_text = (text_column(data, spans) for spans in (references, reasons, bank_references))
    status = picked_texts(_STATUSES, paid.astype(np.int64))
    return StatusColumns(own, status, reasons_text, bank_text), int(amounts[paid].sum())


class _Claims(NamedTuple):
    statement_id: str
    account: str
    sequence: int
    from_date: date
    to_date: date
    opening_vnd: int
    closing_vnd: int


def _statement(header: RecordReader, trailer: RecordReader, entries_of: Callable[[], EntryColumns]) -> BankReturns:
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
    entries = entries_of()
    debit = int(entries.amount_vnd[entries.is_debit].sum())
    credit = int(entries.amount_vnd[~entries.is_debit].sum())
    _check_totals(trailer, len(entries), [(18, debit), (18, credit)])
    statement = Statement(
        statement_id=claims.statement_id,
        account=claims.account,
        currency=VND,
        sequence=claims.sequence,
        from_date=claims.from_date,
        to_date=claims.to_date,
        proof=StatementProof(
            claims.opening_vnd,
            claims.closing_vnd,
            entry_count=len(entries),
            credit_sum_vnd=credit,
            debit_sum_vnd=debit,
        ),
        entries=entries,
    )
    return BankReturns(kind="statement", bank_message_id=statement.statement_id, statements=(statement,))


def _entries(lines: RecordReader) -> EntryColumns:
    numbers = lines.number(9)
    lines.require(numbers == np.arange(1, len(lines) + 1), "The lines are not numbered from 1 without a gap.")
    marks = lines.text(1)
    is_debit = marks.is_equal("D")
    lines.require(is_debit | marks.is_equal("C"), "A line is neither debit (D) nor credit (C).")
    amounts = lines.number(15)
    references, reasons = _without_none(lines.text(35)), _references(lines, 4, least=0)
    bank_references, (days, codes) = lines.text(20), lines.text(8).categories()
    lines.filler()
    iso = [_iso(day) for day in days.to_bytes_list()]
    lines.require(np.array([day is not None for day in iso], np.bool_)[codes], "A date does not exist.")
    days_text = TextColumn.of([day or "" for day in iso]).take(codes)
    return _entry_columns(numbers, is_debit, amounts, references, reasons, bank_references, days_text)


def _scanned_entries(content: bytes) -> EntryColumns | None:
    """`_entries` of the whole file; None where its records are not plain."""
    from paysvc.core.spans import picked_texts, text_column

    scanned = _scanned(content, _FORMATS[_STATEMENT], _STATEMENT_FIELDS)
    if scanned is None:
        return None
    data, (numbers, marks, amounts, references, reasons, bank_references, day_codes) = scanned
    is_debit = marks == code_number(b"D")
    if not (is_debit | (marks == code_number(b"C"))).all() or (numbers != np.arange(1, len(numbers) + 1)).any():
        return None
    days, codes = number_groups(day_codes)
    iso = [day for code in days.tolist() if (day := _iso(code_text(code, 8))) is not None]
    if len(iso) < len(days):
        return None
    own, reasons_text, bank_text = (text_column(data, spans) for spans in (references, reasons, bank_references))
    days_text = picked_texts(TextColumn.of(iso), codes)
    return _entry_columns(numbers, is_debit, amounts, _without_none(own), reasons_text, bank_text, days_text)


def _entry_columns(
    numbers: Int64,
    is_debit: Bool,
    amounts: Int64,
    references: TextColumn,
    reasons: TextColumn,
    bank_references: TextColumn,
    days: TextColumn,
) -> EntryColumns:
    return EntryColumns(
        reference=references,
        amount_vnd=amounts,
        currency=TextColumn.repeat(VND, len(numbers)),
        is_debit=is_debit,
        status=np.full(len(numbers), BOOKED, dtype=np.uint8),
        reason_code=reasons,
        bank_reference=bank_references,
        entry_number=numbers.astype(np.int32),
        booking_date=days,
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


def _without_none(references: TextColumn) -> TextColumn:
    """The references of a statement, where strangers' payments stand as well; none is the empty text."""
    is_none = references.is_equal("NOTPROVIDED")
    return references.pick(np.where(is_none, -1, np.arange(len(references)))) if is_none.any() else references


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
