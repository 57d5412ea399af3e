"""A bank in this process that keeps books of its own; what is true is what stands in them.

It reads the bytes it is handed, decides about each payment, books, and writes status files and
statements. It knows nothing of how the service computes where a payment stands, and may lie
only in ways a bank does: a file cut short, a wrong total, a line left out. What it booked wrongly
(a debit twice, another amount, a stranger's money) is the truth about what it did.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from paysvc.bank_interface import (
    BankFile,
    BankRefused,
    BankUnreachable,
    Enquiry,
    FetchedFile,
    OutcomeUnknown,
    SeenFiles,
    SendState,
)
from paysvc.clock import FixedClock
from tests.payment_world import ACCOUNT, PractisingBank, statement_file, status_file

OPENING = 10**12
#: The account was opened; each statement is of one day from then on.
FIRST_DAY = date(2026, 11, 1)

#: Longer than this nothing stays under way on a line.
LINE_MEMORY = timedelta(hours=12)


class Killed(BaseException):
    """The process is no more; nothing in the service may catch this."""


@dataclass
class Order:
    """One payment as the bank took it. `told` are the statuses the bank has put out about it."""

    message: str
    reference: str
    amount: int
    refused: str = ""
    completed: bool = False


@dataclass(frozen=True)
class Booking:
    """One movement on the office's account; `reference` may be nobody's."""

    number: int
    reference: str
    amount: int
    is_debit: bool
    reason: str = ""


@dataclass(frozen=True)
class Leaving:
    """Bytes that left for this bank, whether they came or not; `problem` is what was wrong with that."""

    message: str
    name: str
    digest: str
    at: datetime
    problem: str = ""


@dataclass(frozen=True)
class Paper:
    """A file made for the office. Only what is true may ever be believed."""

    content: bytes
    is_true: bool
    what: str
    refused: tuple[str, ...] = ()
    completed: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    statement: int | None = None


@dataclass
class ModelBank:
    """The bank itself; it outlives every restart of the office. `watch` looks at each file that leaves."""

    code: str
    options: Mapping[str, str]
    clock: FixedClock
    watch: Callable[[BankFile], str] = lambda file: ""
    orders: list[Order] = field(default_factory=list)
    taken_at: dict[str, datetime] = field(default_factory=dict)
    refused_files: dict[str, str] = field(default_factory=dict)
    references_of: dict[str, tuple[str, ...]] = field(default_factory=dict)
    bookings: list[Booking] = field(default_factory=list)
    statements: list[dict[str, Any]] = field(default_factory=list)
    leavings: list[Leaving] = field(default_factory=list)
    #: Messages about which a yes or no was given, in whatever way.
    words: set[str] = field(default_factory=set)
    said_refused: set[str] = field(default_factory=set)
    said_completed: set[str] = field(default_factory=set)
    drawer: list[Paper] = field(default_factory=list)
    outbox: list[tuple[str, Paper]] = field(default_factory=list)
    #: What becomes of the next files that are handed over, one after the other.
    faults: list[str] = field(default_factory=list)
    while_asleep: Callable[[], None] = lambda: None
    under_way: list[tuple[datetime, BankFile]] = field(default_factory=list)
    mood: str = "well"
    gives: int = 99
    _papers: int = 0

    # ------------------------------------------------------------------------- the door

    def receive(self, file: BankFile) -> str:
        """What the office's call runs into."""
        fault = self.faults.pop(0) if self.faults else "well"
        if fault == "unreachable":
            raise BankUnreachable("no route")
        digest = hashlib.sha256(file.content).hexdigest()
        self.leavings.append(Leaving(file.message_id, file.name, digest, self.clock.now(), self.watch(file)))
        self.references_of[file.message_id] = tuple(row[0] for row in json.loads(file.content)[1])
        if fault == "lost":
            raise OutcomeUnknown("the line broke")
        if fault == "slow":
            self.under_way.append((self.clock.now(), file))
            raise TimeoutError("no answer in time")
        if fault == "killed before it came":
            raise Killed(fault)
        if fault == "asleep before it came":
            self.while_asleep()
        receipt = self._take(file, refuse=fault == "refused")
        if fault == "answer lost":
            raise TimeoutError("no answer in time")
        if fault == "answer garbled":
            raise ValueError("what the bank answered is no answer")
        if fault == "killed after it came":
            raise Killed(fault)
        if fault == "asleep after it came, answer lost":
            self.while_asleep()
            raise OutcomeUnknown("the line broke")
        if fault == "asleep after it came":
            self.while_asleep()
        self.words.add(file.message_id)
        return receipt

    def _take(self, file: BankFile, *, refuse: bool = False) -> str:
        message = file.message_id
        if message in self.refused_files:
            self._tell_refusal(message)
            raise BankRefused(self.refused_files[message], "as was said before")
        if message in self.taken_at and self._remembers(message):
            raise BankRefused("DUPL", "such a file is there")
        if refuse and message not in self.taken_at:
            self.refuse_file(message, "AM04")
            self._tell_refusal(message)
            raise BankRefused("AM04", "no cover")
        self.taken_at[message] = self.clock.now()
        self.orders += [Order(message, row[0], row[1]) for row in json.loads(file.content)[1]]
        return f"receipt of {message}"

    def refuse_file(self, message: str, code: str) -> None:
        self.refused_files[message] = code

    def _tell_refusal(self, message: str) -> None:
        self.words.add(message)
        self.said_refused.update(self.references_of[message])

    def _remembers(self, message: str) -> bool:
        days = int(self.options.get("duplicate_days", "7"))
        return self.clock.now() < self.taken_at[message] + timedelta(days=days)

    def arrive(self) -> None:
        """What was slow comes now; nobody hears the answer."""
        for at, file in self.under_way:
            if self.clock.now() - at < LINE_MEMORY and file.message_id not in self.refused_files:
                try:
                    self._take(file)
                except BankRefused:
                    continue  # it was there before
        self.under_way = []

    def answer(self, message: str) -> Enquiry:
        """Whether the bank has the file; it forgets when it no longer notices a second one."""
        if self.mood == "down":
            raise ConnectionError("nobody answers")
        if self.mood == "silent":
            return Enquiry(SendState.STILL_UNKNOWN)
        if message in self.refused_files:
            self._tell_refusal(message)
            return Enquiry(SendState.REFUSED, self.refused_files[message])
        if message in self.taken_at and self._remembers(message):
            self.words.add(message)
            return Enquiry(SendState.RECEIVED)
        if message not in self.taken_at:
            self.words.add(message)
        return Enquiry(SendState.NOT_RECEIVED)

    def give(self, seen: SeenFiles) -> Iterator[FetchedFile]:
        """The outbox; after `gives` files the line breaks."""
        for number, (name, paper) in enumerate([one for one in self.outbox if one[0] not in seen]):
            if number >= self.gives:
                raise BankUnreachable("no route")
            yield FetchedFile(name, paper.content)

    # ------------------------------------------------------------------------- the books

    def book(self, reference: str, amount: int, *, is_debit: bool, reason: str = "") -> None:
        self.bookings.append(Booking(len(self.bookings), reference, amount, is_debit, reason))

    def booked(self, reference: str, *, is_debit: bool) -> list[int]:
        return [one.amount for one in self.bookings if one.reference == reference and one.is_debit is is_debit]

    def do(self, deed: str, order: Order) -> None:
        """One piece of a day's work: pay, refuse, return, or one of a bank's mistakes."""
        debits, credits_ = (self.booked(order.reference, is_debit=way) for way in (True, False))
        if deed == "pay" and not debits and not order.refused:
            self.book(order.reference, order.amount, is_debit=True)
        elif deed == "pay another amount" and not debits and not order.refused:
            self.book(order.reference, order.amount - 1_000, is_debit=True)
        elif deed == "refuse" and not debits and not order.completed:
            order.refused = "AC04"
        elif deed == "book what was refused" and order.refused and not debits:
            self.book(order.reference, order.amount, is_debit=True)
        elif deed == "return" and len(debits) > len(credits_):
            self.book(order.reference, debits[len(credits_)], is_debit=False, reason="AC06")
        elif deed == "debit again" and len(debits) == 1 and not credits_:
            self.book(order.reference, order.amount, is_debit=True)
        elif deed == "credit without debit" and not debits and not credits_:
            self.book(order.reference, order.amount, is_debit=False, reason="MS03")
        elif deed == "complete and refuse" and not debits:
            order.completed, order.refused = True, "AC01"
        elif deed == "take a stranger's money":
            self.book(f"STRANGER{len(self.bookings)}", 7_000, is_debit=True)

    # ------------------------------------------------------------------------ its papers

    def report(self, message: str, kind: str) -> Paper:
        """A status file about a message. `kind`: "truth", "early" (only how far it came), "half"
        (of every second payment), "whole" (of the file as one), "wrong totals" or "cut"."""
        self._papers += 1
        orders = {one.reference: one for one in self.orders if one.message == message}
        rows, refused, completed = [], [], []
        for number, one in enumerate(orders.values()):
            if kind == "half" and number % 2:
                continue
            if kind == "early":
                rows.append((one.reference, ("RCVD", "ACTC", "ACSP")[self._papers % 3], "", ""))
                continue
            if one.completed or (self.booked(one.reference, is_debit=True) and not one.refused):
                rows.append((one.reference, "ACSC", "", f"B{one.reference[-6:]}"))
                completed.append(one.reference)
            if one.refused:
                rows.append((one.reference, "RJCT", one.refused, ""))
                refused.append(one.reference)
        count, total = len(orders), sum(one.amount for one in orders.values())
        groups: list[Any] = []
        if kind == "whole":
            rows, refused, completed = [], [], []
            groups = [(message, None, "ACSP", "", count, total)]
        elif kind == "wrong totals":
            groups = [(message, None, "RJCT", "AM04", count, total + 1)]
        content = status_file(f"S{self._papers}", message, rows, groups)
        if kind == "cut":
            content = content[: len(content) * 2 // 3]
        is_true = kind not in ("wrong totals", "cut")
        return Paper(content, is_true, f"a status file ({kind})", tuple(refused), tuple(completed), (message,))

    def disown(self, message: str) -> Paper:
        """A status file that refuses a whole file; the bank takes it no more."""
        self._papers += 1
        self.refuse_file(message, "NARR")
        content = status_file(f"S{self._papers}", message, [], [(message, None, "RJCT", "NARR")])
        return Paper(content, True, "a refusal of the whole file", self.references_of[message], (), (message,))

    def state(self) -> None:
        """Close the account for today: a statement of what was booked since the last one."""
        before = sum(len(one["bookings"]) for one in self.statements)
        opening = self.statements[-1]["closing"] if self.statements else OPENING
        new = self.bookings[before:]
        closing = opening + sum(-one.amount if one.is_debit else one.amount for one in new)
        self.statements.append({"opening": opening, "closing": closing, "bookings": new})

    def statement(self, number: int, kind: str) -> Paper:
        """Statement `number` (from 1) on paper. `kind`: "truth", "reissued" (another id, other order),
        "with the next" (two in a file), or a lie: "wrong total", "line missing", "cut"."""
        self._papers += 1
        whole = [self._of(number, f"{self.code}-{number}")]
        if kind == "reissued":
            again = self._of(number, f"{self.code}-{number}-{self._papers}")
            whole = [{**again, "entries": again["entries"][::-1]}]
        elif kind == "with the next" and number < len(self.statements):
            whole.append(self._of(number + 1, f"{self.code}-{number + 1}"))
        is_true = kind not in ("wrong total", "line missing", "cut")
        if kind == "wrong total":
            whole[0]["closing"] += 1
        elif kind == "line missing":
            is_true = not any(one[5] == "BOOK" for one in whole[0]["entries"])
            whole[0]["entries"] = [one for one in whole[0]["entries"] if one[5] != "BOOK"]
        content = statement_file(f"M{self._papers}", *whole)
        if kind == "cut":
            content = content[: len(content) * 2 // 3]
        references = {row[0] for one in whole for row in one["entries"]}
        messages = {one.message for one in self.orders if one.reference in references}
        return Paper(content, is_true, f"statement {number} ({kind})", (), (), tuple(sorted(messages)), number)

    def _of(self, number: int, name: str) -> dict[str, Any]:
        one = self.statements[number - 1]
        entries = [[row.reference, row.amount, row.is_debit, f"B{row.number}", row.reason] for row in one["bookings"]]
        full: list[list[Any]] = [[*entry, "BOOK", "VND"] for entry in entries]
        # What is only announced moves nothing, whoever it is about.
        full += [[row.reference, row.amount, True, f"P{number}", "", "PDNG", "VND"] for row in self.orders[:1]]
        day = (FIRST_DAY + timedelta(days=number)).isoformat()
        whole = {"id": name, "account": ACCOUNT, "sequence": number, "from": day, "to": day, "count": len(full)}
        return {**whole, "opening": one["opening"], "closing": one["closing"], "entries": full}

    def put_out(self, paper: Paper, padding: bytes = b"") -> None:
        """The office may fetch it from now on; what it says has been said."""
        if padding:
            paper = Paper(
                paper.content + padding, paper.is_true, paper.what + ", in other bytes", statement=paper.statement
            )
        self.outbox.append((f"{self.code}-{len(self.outbox)}", paper))
        if paper.is_true:
            self.words.update(paper.messages)
            self.said_refused.update(paper.refused)
            self.said_completed.update(paper.completed)

    def stated(self, numbers: Sequence[int]) -> list[Booking]:
        """What the statements of these numbers say."""
        return [one for number in numbers for one in self.statements[number - 1]["bookings"]]


class ModelAdapter(PractisingBank):
    """The office's side of the line: reads and writes the dialect, and carries to the bank."""

    def __init__(self, bank: ModelBank) -> None:
        super().__init__(bank.code, bank.options)
        self.at_bank = bank

    def send(self, file: BankFile) -> str:
        return self.at_bank.receive(file)

    def enquire(self, file_name: str, message_id: str) -> Enquiry:
        return self.at_bank.answer(message_id)

    def fetch(self, seen: SeenFiles) -> Iterator[FetchedFile]:
        return self.at_bank.give(seen)
