"""Requests to take payments back: answered once for ever, and the money booked back where the bank agrees."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

from bank_adapters.mock_bank import banking_days
from bank_adapters.mock_bank.fate import MILLION
from bank_adapters.mock_bank.office import Office
from bank_adapters.mock_bank.orders import FileRefused
from bank_adapters.mock_bank.papers import Resolution, StatusLine, StatusReport
from bank_adapters.mock_bank.read_camt056 import Recall, read_camt056
from bank_adapters.mock_bank.write_iso import write_camt029, write_pain002

ANSWER_NAME = "camt029-{}.xml"

#: Of a hundred creditors who are asked for their money back, so many do not give it.
_HABIT = 200_000
#: ISO 20022 ExternalPaymentCancellationRejection: asked creditor said no, returned already, no such payment.
_SAID_NO, _RETURNED, _NONE = "CUST", "ARDT", "NOOR"
#: ExternalReturnReason: following a request for cancellation; ExternalStatusReason: a duplicate.
_FOLLOWING, _DUPLICATE = "FOCR", "DUPL"


def take_recalls(office: Office, name: str, digest: str, path: Path, day: date) -> bool:
    """Take one file of requests and answer it; False when it had been taken before.

    The same bytes get the same answer again. Raises FileRefused, DUPL for other bytes under its id.
    """
    file = read_camt056(path)
    known = office.ledger.rows("SELECT sha256 FROM message WHERE message_id = ?", file.assignment_id)
    if known:
        if known[0][0] != digest:
            raise FileRefused("DUPL", "another file was taken under this id", file.assignment_id)
        for (answer,) in office.ledger.rows(
            "SELECT name FROM outbox WHERE message_id = ? GROUP BY sha256 ORDER BY MIN(number)", file.assignment_id
        ):
            office.keep_copy(answer, ANSWER_NAME, day.isoformat(), message_id=file.assignment_id)
        return False
    office.ledger.write(
        "INSERT INTO message VALUES (?, ?, ?, ?, ?, 'taken', '', '', ?, ?)",
        office.ledger.next_number("message"), file.assignment_id, name, digest, day.isoformat(),
        len(file.recalls), file.total,
    )  # fmt: skip
    codes = [(one, _decide(office, one, day)) for one in file.recalls]
    number = office.paper_number(day.isoformat())
    sheet = office.sheet(ANSWER_NAME, number)
    write_camt029(sheet, Resolution(f"A{number}", day.isoformat(), file.case_id or file.assignment_id, codes))
    office.keep(sheet.finish(), message_id=file.assignment_id)
    return True


def _decide(office: Office, one: Recall, day: date) -> str:
    """ "" when the payment is taken back, else why not."""
    rows = office.ledger.rows(
        "SELECT p.id, p.state, p.line, b.name FROM payment p JOIN block b ON b.number = p.block"
        " JOIN message m ON m.number = b.message WHERE m.message_id = ? AND p.end_to_end_id = ? AND p.amount = ?",
        one.message_id, one.end_to_end_id, one.amount,
    )  # fmt: skip
    if not rows or rows[0][1] == "rejected":
        return _NONE
    number, state, line, block = rows[0]
    today = max(day, office.closed_day + banking_days.ONE_DAY)
    if state == "returned":
        return _RETURNED
    if state == "booked":
        if _creditor_says_no(office, one.end_to_end_id):
            return _SAID_NO
        office.ledger.write(
            "UPDATE payment SET return_day = ?, reason = ? WHERE id = ?",
            banking_days.on_or_after(today).isoformat(), _FOLLOWING, number,
        )  # fmt: skip
        return ""
    # Not booked yet: it never will be, and the payer is told as of any payment that is not made.
    office.ledger.write(
        "UPDATE payment SET state = 'rejected', reason = ?, decided_day = ?, batch = NULL WHERE id = ?",
        _DUPLICATE, today.isoformat(), number,
    )  # fmt: skip
    _tell_cancelled(office, one, line, block, day)
    return ""


def _creditor_says_no(office: Office, end_to_end_id: str) -> bool:
    rate = office.misbehaviour.value("recall_decline_rate")
    below = _HABIT if rate is None else int(Decimal(str(rate)) * MILLION)
    draw = int.from_bytes(sha256(f"{office.seed}|recall|{end_to_end_id}".encode()).digest()[:8], "big")
    return draw % MILLION < below


def _tell_cancelled(office: Office, one: Recall, line: int, block: str, day: date) -> None:
    count, total = office.ledger.rows("SELECT payments, total FROM message WHERE message_id = ?", one.message_id)[0]
    number = office.paper_number(day.isoformat())
    sheet = office.sheet(office.profile.status_name, number)
    told = StatusLine(line, one.end_to_end_id, "CANC", _DUPLICATE, "", one.amount, block, "")
    report = StatusReport(f"A{number}", day.isoformat(), one.message_id, "PART", "", "", count, total, [told])
    write_pain002(sheet, report)
    office.keep(sheet.finish())
