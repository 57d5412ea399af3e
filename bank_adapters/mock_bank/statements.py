"""The papers at the end of a banking day: results of the counter, the statement, its copies."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import groupby

from bank_adapters.mock_bank.banking_days import ONE_DAY
from bank_adapters.mock_bank.ledger import bank_reference
from bank_adapters.mock_bank.office import Office
from bank_adapters.mock_bank.papers import StatusLine, StatusReport, draw_up

#: By how much a lying closing balance is too high, in đồng.
LIE = 1_000_000


def write_results(office: Office, day: date) -> None:
    """For cash: one result list per message, with the payments decided on that day."""
    today = day.isoformat()
    rows = office.ledger.rows(
        "SELECT m.message_id, p.line, p.end_to_end_id, p.state, p.reason, p.id, COALESCE(p.booked_amount, p.amount) "
        "FROM payment p JOIN block b ON b.number = p.block JOIN message m ON m.number = b.message "
        "WHERE p.decided_day = ? ORDER BY m.number, p.line",
        today,
    )
    for message_id, group in groupby(rows, key=lambda row: str(row[0])):
        lines = [
            StatusLine(line, name, "RJCT", reason, "", amount, "", today)
            if state == "rejected"
            else StatusLine(line, name, "CPUC", "", bank_reference("debit", number), amount, "", today)
            for _, line, name, state, reason, number, amount in group
        ]
        number = office.paper_number(today)
        sheet = office.sheet(office.profile.status_name, number)
        office.profile.write_status(
            sheet, StatusReport(f"A{number}", today, message_id, "PART", "", "", len(lines), 0, lines)
        )
        office.keep(sheet.finish(), message_id=message_id)


def close_statement(office: Office, day: date, first_booking: int) -> None:
    """Enter the day's statement (all bookings from the first on) into the books and write it,
    with the copies asked for."""
    ledger, today = office.ledger, day.isoformat()
    sequence = ledger.next_number("statement")
    before = ledger.rows("SELECT day, closing FROM statement WHERE sequence = ?", sequence - 1)
    if before:
        from_day, opening = (date.fromisoformat(before[0][0]) + ONE_DAY).isoformat(), before[0][1]
    else:
        from_day = ledger.fact("first_day") or today
        opening = ledger.figure("SELECT amount FROM booking WHERE kind = 'opening'")
    last_booking = ledger.next_number("booking") - 1
    ledger.write(
        "INSERT INTO statement VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
        sequence, today, from_day, opening, ledger.balance(), first_booking, last_booking,
    )  # fmt: skip
    lie, cut = office.misbehaviour.once("wrong_totals"), office.misbehaviour.once("truncated_statement")
    name = _write(office, today, lie=lie, cut=cut)
    copies = office.misbehaviour.value("duplicate_statement")
    if copies in {"copy", "both"}:
        office.keep_copy(name, office.profile.statement_name, today, statement_day=today)
    if copies in {"reissue", "both"}:
        reissue_statement(office, today)


def copy_statement(office: Office, day: str) -> None:
    """The statement file of a day again, byte for byte, under another name."""
    rows = office.ledger.rows("SELECT name FROM outbox WHERE statement_day = ? ORDER BY number LIMIT 1", day)
    if not rows:
        raise ValueError(f"there is no statement of {day}")
    office.keep_copy(rows[0][0], office.profile.statement_name, office.closed_day.isoformat(), statement_day=day)


def reissue_statement(office: Office, day: str) -> None:
    """The statement of a day made anew from the books, whole and true, under a new id.

    Raises ValueError for a day without a statement.
    """
    if not office.ledger.write("UPDATE statement SET reissues = reissues + 1 WHERE day = ?", day):
        raise ValueError(f"there is no statement of {day}")
    _write(office, day)


def _write(office: Office, day: str, *, lie: bool = False, cut: bool = False) -> str:
    sequence, reissues = office.ledger.rows("SELECT sequence, reissues FROM statement WHERE day = ?", day)[0]
    # Sixteen characters at most, which is what :20: of an MT940 holds.
    statement_id = f"S{day[2:].replace('-', '')}-{sequence:05d}" + (f"R{reissues:02d}" if reissues else "")
    sheet = office.sheet(office.profile.statement_name, office.paper_number(day))
    statement = draw_up(office.ledger, day, statement_id, lie=LIE if lie else 0)
    if office.misbehaviour.value("unnumbered_statements"):
        statement = replace(statement, sequence=None)
    office.profile.write_statement(sheet, statement, office.ledger)
    file = sheet.finish(cut=cut)
    office.keep(file, statement_day=day)
    return file.name
