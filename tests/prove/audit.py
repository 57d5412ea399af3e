"""The audit: the office's rows and the banks' ledgers, read side by side, past all code of the service.

The equations are those of an auditor who trusts neither side: nobody has two credits, nobody
due is without one or a reason, every đồng the banks booked is in our lines once, and
nothing left that was not approved before.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paysvc.domain.recalling import case_id
from paysvc.sealing import open_or_create_sealer

from .people import Person

Rows = Callable[..., list[Any]]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One credit as our rows have it."""

    reference: str
    cycle: str
    state: str
    amount_vnd: int
    bank: str
    person: str
    generation: int
    message: str
    debit_count: int
    debited_vnd: int
    credit_count: int
    credited_vnd: int
    months: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One credit as a bank has it; bookings in đồng."""

    bank: str
    message: str
    reference: str
    amount_vnd: int
    creditor: str
    state: str
    #: Why the bank rejected it, at some time, or returns it; it may have paid it after all.
    reason: str
    debits: tuple[int, ...]
    credits: tuple[int, ...]
    has_second_debit: bool
    has_orphan: bool


@dataclass(slots=True)
class Books:
    """Both sides' books at one moment."""

    instructions: dict[str, Instruction]
    orders: list[Order]
    #: (programme, month, person) -> standing claims.
    obligations: dict[tuple[str, str, str], int]
    #: bank -> message id -> digest and whether it was taken, and of ours the digest.
    bank_messages: dict[str, dict[str, tuple[str, bool]]]
    our_files: dict[str, dict[str, str]]
    #: Message ids of files whose sending was answered with no.
    turned_away: set[str]
    #: bank -> multiset of (reference, đồng, is debit).
    bank_bookings: dict[str, Counter[tuple[str, int, bool]]]
    our_lines: dict[str, Counter[tuple[str, int, bool]]]
    broken_banks: list[str]
    trial_balance: int
    early: list[str]
    log: str
    kinds: Counter[str]
    #: References of payments noted as paid beside the one whose place they took.
    paid_late: set[str]
    balances: dict[str, int]
    #: What happened -> how often the rows say so, and how often the trail does.
    events: dict[str, tuple[int, int]]
    #: (programme, month, person) that an officer held back.
    held: set[tuple[str, str, str]]


def read_books(ours: Rows, banks: Mapping[str, Rows], home: Path) -> Books:
    """`ours` and `banks` answer queries of the databases themselves."""
    persons = _persons(ours, home)
    months = defaultdict(list)
    obligations: dict[tuple[str, str, str], int] = {}
    for entitlement, programme, period, beneficiary, is_standing in ours(
        "SELECT c.entitlement_id, o.programme_code, o.period, o.beneficiary_id, c.released_at IS NULL"
        " FROM obligation o LEFT JOIN obligation_claim c ON c.obligation_id = o.id"
    ):
        months[entitlement].append((programme, period))
        key = (programme, period, persons[beneficiary])
        obligations[key] = obligations.get(key, 0) + bool(is_standing and entitlement is not None)
    instructions = {
        row[0]: Instruction(*row[:5], persons[row[5]], *row[6:-1], tuple(months[row[-1]]))
        for row in ours(
            "SELECT i.end_to_end_id, p.code, i.state, i.amount_vnd, i.bank_code, e.beneficiary_id, i.generation,"
            " b.message_id, i.debit_count, i.debited_vnd, i.credit_count, i.credited_vnd, e.id FROM instruction i"
            " JOIN entitlement e ON e.id = i.entitlement_id JOIN payment_cycle p ON p.id = i.cycle_id"
            " LEFT JOIN batch b ON b.id = i.batch_id"
        )
    }
    return Books(
        instructions=instructions,
        orders=[order for code, bank in banks.items() for order in _orders(code, bank)],
        obligations=obligations,
        bank_messages={
            code: {
                message: (digest, state == "taken")
                for message, digest, state in bank("SELECT message_id, sha256, state FROM message")
            }
            for code, bank in banks.items()
        },
        our_files={
            code: {
                message: bytes(digest).hex()
                for message, digest in ours(
                    "SELECT message_id, sha256 FROM bank_file WHERE bank_code = :code UNION"
                    " SELECT case_id, sha256 FROM recall WHERE bank_code = :code AND sha256 IS NOT NULL",
                    code=code,
                )
            }
            for code in banks
        },
        turned_away={
            message
            for (message,) in ours(
                "SELECT f.message_id FROM send_attempt a JOIN bank_file f ON f.id = a.bank_file_id"
                " WHERE a.outcome = 'refused'"
            )
        },
        bank_bookings={code: _bookings(bank) for code, bank in banks.items()},
        our_lines={
            code: Counter(
                (reference, amount, bool(is_debit))
                for reference, amount, is_debit in ours(
                    "SELECT l.reference, l.amount_vnd, l.is_debit FROM statement_line l"
                    " JOIN bank_statement s ON s.id = l.statement_id WHERE s.bank_code = :code AND l.status = 'BOOK'",
                    code=code,
                )
            )
            for code in banks
        },
        broken_banks=[
            code for code, bank in banks.items() if bank("SELECT COALESCE(SUM(amount), 0) FROM posting")[0][0]
        ],
        trial_balance=int(ours("SELECT COALESCE(SUM(amount_vnd), 0) FROM posting")[0][0]),
        early=[
            message
            for (message,) in ours(
                "SELECT f.message_id FROM send_attempt a JOIN bank_file f ON f.id = a.bank_file_id"
                " JOIN batch b ON b.id = f.batch_id WHERE NOT EXISTS (SELECT 1 FROM approval p"
                " WHERE p.cycle_id = b.cycle_id AND p.cancelled_at IS NULL AND p.approved_at <= a.started_at"
                " AND p.approver_id <> p.maker_id)"
            )
        ],
        log=(home / "office.log").read_text(errors="replace") if (home / "office.log").exists() else "",
        kinds=Counter(kind for (kind,) in ours("SELECT kind FROM discrepancy")),
        paid_late={
            reference
            for (reference,) in ours("SELECT reference FROM discrepancy WHERE kind = 'paid_after_resubmission'")
        },
        balances={
            code: int(vnd)
            for code, vnd in ours("SELECT account_code, SUM(amount_vnd) FROM posting GROUP BY account_code")
        },
        events={name: tuple(ours(f"SELECT ({rows}), ({noted})")[0]) for name, rows, noted in _EVENTS},
        held={
            (programme, period, persons[beneficiary])
            for programme, period, beneficiary in ours(
                "SELECT o.programme_code, o.period, o.beneficiary_id FROM entitlement e"
                " JOIN obligation_claim c ON c.entitlement_id = e.id JOIN obligation o ON o.id = c.obligation_id"
                " WHERE e.reason LIKE 'officer:%'"
            )
        },
    )


_NOTED = "SELECT count(*) FROM audit_event WHERE verb = "
_EVENTS = (
    ("approvals", "SELECT count(*) FROM approval", f"{_NOTED}'approve-plan'"),
    (
        "imports",
        "SELECT count(*) FROM import_file",
        "SELECT count(DISTINCT subject) FROM audit_event WHERE subject LIKE 'import_file:%'",
    ),
    (
        "written files",
        # Those that a database which was put back had to learn of are in the event of the recovery.
        "SELECT count(*) FROM bank_file WHERE message_id NOT IN (SELECT message_id FROM lost_file)",
        f"{_NOTED}'submit-batches' AND detail LIKE '%\"written\"%'",
    ),
    (
        "decided files",
        "SELECT count(*) FROM inbound_file WHERE state NOT IN ('STORED', 'PARKED')",
        (
            "SELECT count(DISTINCT subject) FROM audit_event"
            " WHERE verb = 'reconcile-returns' AND detail NOT LIKE '%PARKED%'"
        ),
    ),
    (
        "reports",
        "SELECT count(*) FROM report",
        "SELECT count(DISTINCT subject) FROM audit_event WHERE verb = 'publish-report'",
    ),
)


def _persons(ours: Rows, home: Path) -> dict[int, str]:
    """Row id -> citizen ID, unsealed: whom a payment is for has to be known from more than our word."""
    rows = ours("SELECT id, citizen_id_sealed FROM beneficiary")
    sealer = open_or_create_sealer(home / "keys.json")
    ids = [row[0] for row in rows]
    numbers = sealer.open_column("beneficiary", "citizen_id_sealed", ids, [bytes(row[1]) for row in rows])
    return dict(zip(ids, numbers, strict=True))


def _orders(code: str, bank: Rows) -> list[Order]:
    booked = defaultdict(list)
    for payment, kind, amount in bank("SELECT payment_id, kind, amount FROM booking WHERE payment_id IS NOT NULL"):
        booked[payment].append((kind, amount))
    found = []
    for number, message, reference, amount, creditor, state, reason in bank(
        "SELECT p.id, m.message_id, p.end_to_end_id, p.amount, p.creditor, p.state, p.reason FROM payment p"
        " JOIN block b ON b.number = p.block JOIN message m ON m.number = b.message"
    ):
        bookings = booked[number]
        found.append(
            Order(
                code, message, reference, amount, creditor, state, reason,
                tuple(vnd for kind, vnd in bookings if kind in ("debit", "second_debit")),
                tuple(vnd for kind, vnd in bookings if kind in ("return", "orphan")),
                any(kind == "second_debit" for kind, _ in bookings),
                any(kind == "orphan" for kind, _ in bookings),
            )
        )  # fmt: skip
    return found


def _bookings(bank: Rows) -> Counter[tuple[str, int, bool]]:
    """What the bank booked on our account, up to the last statement it made."""
    return Counter(
        (reference, amount, bool(is_debit))
        for reference, amount, is_debit in bank(
            "SELECT COALESCE(p.end_to_end_id, b.reference), b.amount, b.is_debit FROM booking b"
            " LEFT JOIN payment p ON p.id = b.payment_id WHERE b.kind <> 'opening'"
            " AND b.id <= (SELECT COALESCE(MAX(last_booking), 0) FROM statement)"
        )
    )


def audit(books: Books, people: list[Person], last_month: str) -> list[str]:
    """Everything that does not agree, as sentences; of nobody by name or number."""
    return [
        *_nobody_twice(books),
        *_nobody_lost(books, people, last_month),
        *_nobody_who_does_not_belong(books, people),
        *_same_states(books),
        *_same_money(books),
        *_only_what_was_approved(books, people),
        *_refused_by_a_bank(books),
        *_written_down(books),
        *_nothing_told(books, people),
    ]


def _nobody_twice(books: Books) -> list[str]:
    found = []
    orders: Counter[str] = Counter(one.reference for one in books.orders)
    found += [
        f"{reference} stands in {count} files that a bank took" for reference, count in orders.items() if count > 1
    ]
    live = _paid(books)
    # Two people approved that it be paid again, and then the bank paid the first one late: noted, and recalled.
    twice = {key for key, count in live.items() if count > 1}
    explained = {
        (programme, month, one.person)
        for one in books.instructions.values()
        if one.reference in books.paid_late
        for programme, month in one.months
    }
    found += [f"{live[key]} live credits for one month {key[0]} {key[1]}" for key in twice - explained]
    found += [f"{live[key]} live credits for one month" for key in twice if live[key] > 2]
    found += [f"{count} claims stand on one month" for count in books.obligations.values() if count > 1]
    return found


def paid_twice(ours: Rows, banks: Mapping[str, Rows]) -> list[str]:
    """Months that stand at the banks twice. It reads little, so that it can be asked at any moment: two may stand
    there only when the bank had refused one, and two people then approved another, as their rows say already."""
    live = [order for code, bank in banks.items() for order in _orders(code, bank) if _is_live(order)]
    carried = defaultdict(list)
    for reference, *month in ours(
        "SELECT i.end_to_end_id, o.programme_code, o.period, o.beneficiary_id FROM instruction i"
        " JOIN obligation_claim c ON c.entitlement_id = i.entitlement_id JOIN obligation o ON o.id = c.obligation_id"
    ):
        carried[reference].append(tuple(month))
    approved = {
        reference
        for (reference,) in ours(
            "SELECT i.end_to_end_id FROM resubmission r JOIN instruction i ON i.id = r.instruction_id"
            " WHERE r.approved_at IS NOT NULL"
        )
    }
    # In place of these, others were approved.
    firm = [order for order in live if not (order.reason and order.reference in approved)]
    paid = Counter(month for order in firm for month in carried[order.reference])
    return [f"{count} live credits for one month {month[0]} {month[1]}" for month, count in paid.items() if count > 1]


def _is_live(order: Order) -> bool:
    return order.state in ("accepted", "booked") and len(order.debits) >= len(order.credits)


def _paid(books: Books) -> Counter[tuple[str, str, str]]:
    """(programme, month, person) -> how many payments of it stand at the banks."""
    live: Counter[tuple[str, str, str]] = Counter()
    for order in books.orders:
        ours = books.instructions.get(order.reference)
        if ours is not None and _is_live(order):
            live.update((programme, month, ours.person) for programme, month in ours.months)
    return live


def _stays(one: Instruction, paid: Counter[tuple[str, str, str]]) -> bool:
    """Whether it is kept back because a bank paid all that it carries after all, as an earlier payment."""
    return (
        one.state == "PLANNED"
        and one.generation > 0
        and all(paid[programme, month, one.person] for programme, month in one.months)
    )


def _nobody_lost(books: Books, people: list[Person], last_month: str) -> list[str]:
    """Everybody due has exactly one obligation a month, and whoever can be paid a payment with an outcome."""
    found = []
    expected = {
        (one.programme, month, one.number): one for one in people for month in _months_between(one.since, last_month)
    }
    missing, strange = expected.keys() - books.obligations.keys(), books.obligations.keys() - expected.keys()
    if missing:
        found.append(f"{len(missing)} months due are recorded nowhere, one of {min(missing)[:2]}")
    if strange:
        found.append(f"{len(strange)} months are recorded that nobody is due, one of {min(strange)[:2]}")
    carried: dict[tuple[str, str, str], list[Instruction]] = defaultdict(list)
    for one in books.instructions.values():
        for programme, month in one.months:
            carried[programme, month, one.person].append(one)
    for key, person in expected.items():
        if not person.is_payable:
            continue
        carrying = carried.get(key, [])
        is_put_off = key in books.held if not carrying else {one.state for one in carrying} == {"CANCELLED"}
        if is_put_off and key[1] == last_month:
            continue  # it comes along in the next month
        if not carrying:
            found.append(f"a payable month has no payment: {key[:2]}")
        elif not any(one.state in ("SETTLED", "RETURNED", "REJECTED", "SENT", "DISPUTED") for one in carrying):
            found.append(f"a payable month was never sent: {key[:2]} {[one.state for one in carrying]}")
    at_bank, paid = {one.reference for one in books.orders}, _paid(books)
    for one in books.instructions.values():
        if one.state in ("SENT", "SETTLED", "RETURNED") and one.reference not in at_bank:
            found.append(f"{one.reference} is {one.state} and no bank has it")
        if one.state in ("PLANNED", "BATCHED", "UNKNOWN") and not _stays(one, paid):
            found.append(f"{one.reference} is still {one.state}")
    return found


def _nobody_who_does_not_belong(books: Books, people: list[Person]) -> list[str]:
    payable = {one.number for one in people if one.is_payable}
    strangers = [one for one in books.instructions.values() if one.person not in payable]
    return [f"{len(strangers)} payments for people who may not be paid"] if strangers else []


def _same_states(books: Books) -> list[str]:
    """What each payment is, by the bank's own ledger and by our rows."""
    found = []
    for order in books.orders:
        ours = books.instructions.get(order.reference)
        if ours is None:
            found.append(f"{order.bank} has {order.reference}, which we never planned")
            continue
        wanted = _state_by_the_bank(order)
        if ours.state not in wanted:
            found.append(f"{order.reference} is {ours.state}, by the bank {'/'.join(wanted)} ({order.state})")
        bookings = (ours.debit_count, ours.debited_vnd, ours.credit_count, ours.credited_vnd)
        theirs = (len(order.debits), sum(order.debits), len(order.credits), sum(order.credits))
        if bookings != theirs:
            found.append(f"{order.reference} has bookings {bookings}, at the bank {theirs}")
    twice = sum(one.has_second_debit for one in books.orders)
    if books.kinds["duplicate_settlement"] != twice:
        found.append(f"{twice} second debits, {books.kinds['duplicate_settlement']} noted")
    return found


def _state_by_the_bank(order: Order) -> tuple[str, ...]:
    if order.has_orphan:
        return ("REJECTED", "RETURNED", "DISPUTED")
    if not order.debits:
        return ("REJECTED",) if order.state == "rejected" else ("SENT",)
    if not order.credits:
        return ("SETTLED",)
    return ("RETURNED",) if len(order.debits) == len(order.credits) else ("SETTLED", "DISPUTED")


def _same_money(books: Books) -> list[str]:
    found = []
    for bank, bookings in books.bank_bookings.items():
        # What a format writes where there is no reference is its own affair.
        booked, lines = _named(bookings, books), _named(books.our_lines[bank], books)
        if booked != lines:
            few, many = sum((booked - lines).values()), sum((lines - booked).values())
            found.append(f"{bank}: {few} bookings are missing here, {many} are too many")
    states: Counter[str] = Counter()
    paid = _paid(books)
    for one in books.instructions.values():
        states[one.state if one.debit_count or one.state != "DISPUTED" else "SENT"] += one.amount_vnd
    # At rest only what an earlier payment overtook is reserved, and in transit is what the banks have not
    # booked yet; of what they said both yes and no (a refused one that came back) a person has to decide.
    stays = sum(one.amount_vnd for one in books.instructions.values() if _stays(one, paid))
    for name, wanted in (("reserved:", stays), ("in_transit:", states["SENT"])):
        held = sum(vnd for code, vnd in books.balances.items() if code.replace("cash_", "").startswith(name))
        if held != wanted:
            found.append(f"{held} đồng are {name} where {wanted} should be")
    if books.trial_balance:
        found.append(f"the ledger sums to {books.trial_balance}")
    found += [f"{bank}'s own ledger is broken" for bank in books.broken_banks]
    return found


def _named(bookings: Counter[tuple[str, int, bool]], books: Books) -> Counter[tuple[str, int, bool]]:
    """The same bookings, those without a reference of ours under ""."""
    found: Counter[tuple[str, int, bool]] = Counter()
    for (reference, amount, is_debit), count in bookings.items():
        found[reference if reference in books.instructions else "", amount, is_debit] += count
    return found


def _only_what_was_approved(books: Books, people: list[Person]) -> list[str]:
    found = [f"{message} left before it was approved" for message in books.early]
    for bank, theirs in books.bank_messages.items():
        ours = books.our_files[bank]
        # A request to take back a payment of ours may be forgotten with a database that was lost: it pays nobody.
        recalls = {case_id(reference) for reference in books.instructions}
        strangers = theirs.keys() - ours.keys() - recalls
        found += [f"{bank} took {message}, which is not ours" for message in strangers]
        found += [
            f"{bank} has other bytes of {one}" for one in theirs.keys() & ours.keys() if theirs[one][0] != ours[one]
        ]
    by_number = {one.number: one for one in people}
    for order in books.orders:
        one = books.instructions.get(order.reference)
        if one is None:
            continue
        person = by_number[one.person]
        if not (order.amount_vnd == one.amount_vnd == person.amount_vnd * len(one.months)):
            due = person.amount_vnd * len(one.months)
            found.append(f"{order.reference}: {order.amount_vnd} at the bank, {one.amount_vnd} here, {due} due")
        if person.account and person.account not in order.creditor:
            found.append(f"{order.reference} goes to another account than the person's")
        if one.bank != order.bank:
            found.append(f"{order.reference} is at {order.bank} and was for {one.bank}")
    return found


def _refused_by_a_bank(books: Books) -> list[str]:
    """Nobody is unpaid for any other reason than that a bank said so."""
    at_bank = {order.reference: order for order in books.orders}
    found = []
    for one in books.instructions.values():
        order = at_bank.get(one.reference)
        if one.state != "REJECTED" or (order is not None and order.state == "rejected"):
            continue
        is_taken = books.bank_messages[one.bank].get(one.message, ("", None))[1]
        # A file that the door turned away leaves no trace in the bank's books: our attempt has its word.
        if order is not None or is_taken or (is_taken is None and one.message not in books.turned_away):
            found.append(f"{one.reference} is REJECTED, and {one.bank} never refused it")
    return found


def _written_down(books: Books) -> list[str]:
    return [
        f"{rows} {name}, {noted} of them in the trail" for name, (rows, noted) in books.events.items() if rows != noted
    ]


def _nothing_told(books: Books, people: list[Person]) -> list[str]:
    found = ["a trace in the log"] if "Traceback" in books.log else []
    secrets = {text for one in people for text in (one.number, one.account) if text}
    if any(number in secrets for number in re.findall(r"[0-9]{12}", books.log)):
        found.append("somebody's number in the log")
    return found


def _months_between(first: str, last: str) -> list[str]:
    year, month = map(int, first.split("-"))
    found = []
    while (name := f"{year}-{month:02d}") <= last:
        found.append(name)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found
