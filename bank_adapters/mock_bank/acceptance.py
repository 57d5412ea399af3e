"""Taking the payers' files: believed or refused whole, answered once for ever by their id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bank_adapters.mock_bank import banking_days
from bank_adapters.mock_bank.fate import NOT_COLLECTED
from bank_adapters.mock_bank.ledger import bank_reference
from bank_adapters.mock_bank.office import Office
from bank_adapters.mock_bank.orders import FileRefused, Payment, PaymentFile
from bank_adapters.mock_bank.papers import StatusLine, StatusReport
from bank_adapters.mock_bank.picks import Picks
from bank_adapters.mock_bank.premises import digest_of
from bank_adapters.mock_bank.read_camt056 import is_camt056
from bank_adapters.mock_bank.recalls import take_recalls

#: How far ahead a value date may lie (CH03, RequestedExecutionDateOrRequestedCollectionDateTooFarInFuture).
FARTHEST = timedelta(days=60)
#: Transactions of one batch booking, at most.
BATCH_SIZE = 25
#: Why a payment is rejected that the bank was told to reject, and that would have been paid (an account closed).
_REASON_OF_PICKED = "AC04"
#: Working days that cash lies ready at the counter.
COLLECTION_DAYS = 5


@dataclass(slots=True)
class Taken:
    """What taking the inbox came to."""

    files: int = 0
    refused: int = 0
    repeated: int = 0
    accepted: int = 0
    rejected: int = 0
    recalls: int = 0


def take_files(office: Office, day: date) -> Taken:
    """Take everything that waits, on `day`; one transaction a file."""
    taken = Taken()
    for name in office.premises.waiting():
        digest = digest_of(office.premises.inbox / name)
        path = office.premises.take(name, digest)
        is_recall = office.profile.takes_recalls and is_camt056(path)
        try:
            with office.committing():
                if is_recall:
                    is_new = take_recalls(office, name, digest, path, day)
                    taken.recalls += is_new
                    taken.repeated += not is_new
                else:
                    _take(office, name, digest, office.profile.read(path), day, taken)
        except FileRefused as refusal:
            if not is_recall:
                with office.committing():
                    _write_refusal(office, name, digest, refusal, day)
            office.premises.refuse(name, path, refusal.code, refusal.message)
            taken.refused += 1
        else:
            office.premises.let_go(name)
    return taken


def _take(office: Office, name: str, digest: str, file: PaymentFile, day: date, taken: Taken) -> None:
    known = office.ledger.rows("SELECT sha256, state, code, reason FROM message WHERE message_id = ?", file.message_id)
    if known:
        _answer_again(office, file.message_id, known[0], digest, day)
        taken.repeated += 1
        return
    if office.misbehaviour.once("refuse_files"):
        code = office.misbehaviour.value("refuse_code")
        raise FileRefused(code, "the bank does not take this file today", file.message_id)
    if file.debtor_account != office.ledger.fact("account"):
        raise FileRefused("AC02", "the account to be debited is not kept here", file.message_id)
    if any(date.fromisoformat(value_date) - day > FARTHEST for value_date in {one.value_date for one in file.payments}):
        raise FileRefused("CH03", "a value date lies more than 60 days ahead", file.message_id)
    message = _write_message(office, file.message_id, name, digest, day, file=file)
    plan = _accept(office, file, message, day)
    taken.files += 1
    taken.accepted += len(file.payments) - plan.rejected
    taken.rejected += plan.rejected
    if not office.profile.is_cash:
        _report(office, file, plan, day)


def _answer_again(office: Office, message_id: str, known: tuple[str, ...], digest: str, day: date) -> None:
    """A known id: the same bytes get the same answer, other bytes are refused and nothing else happens."""
    sha256, state, code, reason = known
    if sha256 != digest:
        raise FileRefused("DUPL", "another file was taken under this message id", message_id)
    if state == "refused":
        raise FileRefused(code, reason, message_id)
    answers = office.ledger.rows(
        "SELECT name FROM outbox WHERE message_id = ? GROUP BY sha256 ORDER BY MIN(number)", message_id
    )
    for (name,) in answers:
        office.keep_copy(name, office.profile.status_name, day.isoformat(), message_id=message_id)


def _accept(office: Office, file: PaymentFile, message: int, day: date) -> _Plan:
    """Write every payment down with what will become of it."""
    ledger = office.ledger
    blocks: dict[tuple[str, str], int] = {}
    for payment in file.payments:
        if (payment.block, payment.value_date) not in blocks:
            blocks[payment.block, payment.value_date] = ledger.next_number("block") + len(blocks)
    ledger.write_many(
        "INSERT INTO block VALUES (?, ?, ?, ?)",
        [(number, message, name, value_date) for (name, value_date), number in blocks.items()],
    )
    plan = _Plan(office, day)
    ledger.write_many(
        "INSERT INTO payment (id, block, line, end_to_end_id, amount, creditor, state, reason, due_day, batch) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        plan.rows(file.payments, blocks),
    )
    plan.picks.settle()
    ledger.write_many(
        "UPDATE payment SET will_reject = ?, return_after = ?, is_late = ?, decided_day = ? WHERE id = ?", plan.fated
    )
    return plan


class _Plan:
    """Decides payment by payment, in the file's order, while the money lasts."""

    def __init__(self, office: Office, day: date) -> None:
        ledger = office.ledger
        self.rejected = 0
        self.lines: list[StatusLine] = []
        #: What the ledger has to know of the few that will not simply be paid.
        self.fated: list[tuple[int, int | None, int, str | None, int]] = []
        self.picks = Picks(office.misbehaviour)
        self._fates = office.fates()
        self._first_id = ledger.next_number("payment")
        self._next_open = max(day, office.closed_day + banking_days.ONE_DAY)
        self._is_cash = office.profile.is_cash
        self._tells_all = office.reports_acceptances and not self._is_cash
        self._available = ledger.balance() - ledger.figure("SELECT SUM(amount) FROM payment WHERE state = 'accepted'")
        self._batch, self._batch_room = 0, 0
        self._due: dict[tuple[str, int], str] = {}

    def rows(self, payments: Sequence[Payment], blocks: dict[tuple[str, str], int]) -> Iterator[tuple[Any, ...]]:
        """The payments as rows of the ledger; counts the rejected and notes what to tell."""
        fate_of = self._fates.of
        refused_on = banking_days.on_or_after(self._next_open).isoformat()
        today = self._next_open.isoformat()
        picks_any = self.picks.any
        for number, payment in enumerate(payments, self._first_id):
            line, end_to_end_id, amount, creditor, block, value_date, problem = payment
            kind, reason, days, collected, is_grouped = fate_of(end_to_end_id)
            row = (number, blocks[block, value_date], line, end_to_end_id, amount, creditor)
            if not problem and amount > self._available:
                problem = "AM04"
            if not problem and not self._is_cash:
                if kind == "rejected":
                    problem = reason
                elif picks_any and self.picks.takes("reject", end_to_end_id, is_plain=kind == "paid"):
                    problem = _REASON_OF_PICKED
            if problem:
                self.rejected += 1
                self.lines.append(StatusLine(line, end_to_end_id, "RJCT", problem, "", amount, block, ""))
                self.fated.append((0, None, 0, refused_on, number))
                yield (*row, "rejected", problem, refused_on, None)
                continue
            self._available -= amount
            due = self._due_day(value_date, reason, collected)
            if self._tells_all:
                status = "ACSC" if due == today else "ACSP"
                reference = bank_reference("debit", number)
                self.lines.append(StatusLine(line, end_to_end_id, status, "", reference, amount, block, ""))
            if kind != "paid":
                is_rejected = kind == "rejected"
                self.fated.append((int(is_rejected), None if is_rejected else days, int(kind == "late"), None, number))
            batch = self._batch_of(number) if is_grouped and kind == "paid" else None
            yield (*row, "accepted", reason, due, batch)

    def _batch_of(self, number: int) -> int:
        """The number of the first payment of the batch booking that this one goes into."""
        if self._batch_room == 0:
            self._batch, self._batch_room = number, BATCH_SIZE
        self._batch_room -= 1
        return self._batch

    def _due_day(self, value_date: str, reason: str, collected: int) -> str:
        """When it is booked: on its value date, or cash when it is fetched (or never was)."""
        wait = 0
        if self._is_cash:
            wait = COLLECTION_DAYS if reason == NOT_COLLECTED else collected
        due = self._due.get((value_date, wait))
        if due is None:
            earliest = max(date.fromisoformat(value_date), self._next_open)
            due = self._due[value_date, wait] = banking_days.after(earliest, wait).isoformat()
        return due


def _report(office: Office, file: PaymentFile, plan: _Plan, day: date) -> None:
    number = office.paper_number(day.isoformat())
    count = len(file.payments)
    group_status = "ACCP" if not plan.rejected else "RJCT" if plan.rejected == count else "PART"
    sheet = office.sheet(office.profile.status_name, number)
    report = StatusReport(
        f"A{number}", day.isoformat(), file.message_id, group_status, "", "", count, file.total, plan.lines
    )
    office.profile.write_status(sheet, report)
    office.keep(sheet.finish(), message_id=file.message_id)


def _write_refusal(office: Office, name: str, digest: str, refusal: FileRefused, day: date) -> None:
    known = office.ledger.rows("SELECT 1 FROM message WHERE message_id = ?", refusal.message_id)
    if refusal.message_id and refusal.code != "FF01" and not known:
        _write_message(office, refusal.message_id, name, digest, day, refusal=refusal)
    if not office.profile.answers_refusals:
        return
    number = office.paper_number(day.isoformat())
    sheet = office.sheet(office.profile.status_name, number)
    report = StatusReport(
        f"A{number}", day.isoformat(), refusal.message_id, "RJCT", refusal.code, refusal.message, 0, 0, []
    )
    office.profile.write_status(sheet, report)
    # A refused repetition is no answer to the message that was taken under its id.
    office.keep(sheet.finish(), message_id="" if known else refusal.message_id)


def _write_message(
    office: Office, message_id: str, name: str, digest: str, day: date,
    *, file: PaymentFile | None = None, refusal: FileRefused | None = None,
) -> int:  # fmt: skip
    """Note the id for ever; the message's number in the books."""
    state, code, reason = ("refused", refusal.code, refusal.message) if refusal else ("taken", "", "")
    count, total = (len(file.payments), file.total) if file else (0, 0)
    number = office.ledger.next_number("message")
    office.ledger.write(
        "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        number, message_id, name, digest, day.isoformat(), state, code, reason, count, total,
    )  # fmt: skip
    return number
