"""What the database says at one moment, read past all code of the service."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from .model_office import raw

#: Where SQLite counts the transactions that changed the file.
_COUNTER = slice(24, 28)


def change_counter(home: Path) -> bytes:
    """What differs after every transaction that wrote."""
    with (home / "paysvc.db").open("rb") as file:
        return file.read(_COUNTER.stop)[_COUNTER]


class Instruction(NamedTuple):
    """One payment as the rows have it; `message` is "" while it is in no batch."""

    reference: str
    state: str
    amount: int
    bank: str
    cycle: str
    message: str
    debit_count: int
    debited: int
    credit_count: int
    credited: int


class Statement(NamedTuple):
    """One believed statement with its lines (reference, đồng, is debit) in the order of the bank."""

    bank: str
    number: int
    opening: int
    closing: int
    lines: tuple[tuple[str, int, bool], ...]


class Inbound(NamedTuple):
    """One file of a bank and what became of it."""

    id: int
    bank: str
    name: str
    sha256: str
    state: str


@dataclass
class Facts:
    """One snapshot. `events` are those since the snapshot before: (subject, verb, detail)."""

    instructions: dict[str, Instruction]
    batches: dict[str, tuple[str, str]]
    cycles: dict[str, str]
    approvals: list[tuple[str, str, str | None, str]]
    files: dict[str, tuple[str, str]]
    inbound: list[Inbound]
    statements: list[Statement]
    postings: dict[tuple[int, int], tuple[str, int, int]]
    events: list[tuple[str, str, dict[str, Any]]]
    last_event: int
    twice_claimed: int
    twice_live: int
    withdrawn_and_bound: int
    persons: dict[str, set[int]]
    due: dict[str, set[int]]
    unpaid_lines: int
    traces: list[str] = field(default_factory=list)

    @property
    def by_state(self) -> dict[str, int]:
        found: dict[str, int] = defaultdict(int)
        for one in self.instructions.values():
            found[one.state] += 1
        return dict(found)


def read_facts(home: Path, after_event: int) -> Facts:
    with raw(home) as rows:
        rows.execute("BEGIN")
        return _read(rows, after_event)


def _read(rows: sqlite3.Connection, after_event: int) -> Facts:
    def ask(query: str, *values: Any) -> list[Any]:
        return rows.execute(query, values).fetchall()

    lines = defaultdict(list)
    for statement, reference, amount, is_debit in ask(
        "SELECT statement_id, reference, amount_vnd, is_debit FROM statement_line WHERE status = 'BOOK'"
        " ORDER BY statement_id, position"
    ):
        lines[statement].append((reference, amount, bool(is_debit)))
    inbound = [
        Inbound(number, bank, name, sha.hex(), state)
        for number, bank, name, sha, state in ask("SELECT id, bank_code, name, sha256, state FROM inbound_file")
    ]
    events = ask("SELECT id, subject, verb, detail FROM audit_event WHERE id > ? ORDER BY id", after_event)
    due, persons = defaultdict(set), defaultdict(set)
    for period, person in ask("SELECT period, beneficiary_id FROM obligation"):
        due[period].add(person)
    for period, person in ask(
        "SELECT o.period, e.beneficiary_id FROM obligation o JOIN obligation_claim c ON c.obligation_id = o.id"
        " JOIN entitlement e ON e.id = c.entitlement_id"
    ):
        persons[period].add(person)
    return Facts(
        instructions={
            row[0]: Instruction(*row)
            for row in ask(
                "SELECT i.end_to_end_id, i.state, i.amount_vnd, i.bank_code, c.code, COALESCE(b.message_id, ''),"
                " i.debit_count, i.debited_vnd, i.credit_count, i.credited_vnd FROM instruction i"
                " JOIN payment_cycle c ON c.id = i.cycle_id LEFT JOIN batch b ON b.id = i.batch_id"
            )
        },
        batches={row[0]: (row[1], row[2]) for row in ask("SELECT message_id, bank_code, state FROM batch")},
        cycles=dict(ask("SELECT code, state FROM payment_cycle")),
        approvals=ask(
            "SELECT a.approver_id, c.maker_id, c.submitted_by, c.code FROM approval a"
            " JOIN payment_cycle c ON c.id = a.cycle_id WHERE a.cancelled_at IS NULL"
        ),
        files={row[0]: (row[1], row[2].hex()) for row in ask("SELECT message_id, name, sha256 FROM bank_file")},
        inbound=inbound,
        statements=[
            Statement(bank, number, opening, closing, tuple(lines[one]))
            for one, bank, number, opening, closing in ask(
                "SELECT id, bank_code, sequence, opening_vnd, closing_vnd FROM bank_statement"
                " ORDER BY bank_code, sequence"
            )
        ],
        postings={
            (row[0], row[1]): row[2:]
            for row in ask("SELECT transaction_id, number, account_code, amount_vnd, count FROM posting")
        },
        events=[(subject, verb, json.loads(detail)) for _, subject, verb, detail in events],
        last_event=events[-1][0] if events else after_event,
        twice_claimed=len(
            ask("SELECT 1 FROM obligation_claim WHERE released_at IS NULL GROUP BY obligation_id HAVING COUNT(*) > 1")
        ),
        twice_live=len(
            ask(
                "SELECT 1 FROM obligation_claim c JOIN instruction i ON i.entitlement_id = c.entitlement_id"
                " WHERE i.state NOT IN ('REJECTED', 'RETURNED', 'CANCELLED')"
                " GROUP BY c.obligation_id HAVING COUNT(*) > 1"
            )
        ),
        withdrawn_and_bound=ask(
            "SELECT COUNT(*) FROM obligation_claim c JOIN instruction i ON i.entitlement_id = c.entitlement_id"
            " WHERE i.state = 'CANCELLED' AND c.released_at IS NULL"
        )[0][0],
        persons=persons,
        due=due,
        unpaid_lines=ask(
            "SELECT COUNT(*) FROM entitlement e WHERE (e.disposition = 'planned') <>"
            " (EXISTS (SELECT 1 FROM instruction i WHERE i.entitlement_id = e.id AND i.amount_vnd = e.amount_vnd))"
        )[0][0],
        traces=_traces(ask, inbound),
    )


def _traces(ask: Any, inbound: list[Inbound]) -> list[str]:
    """What files that are not believed left in the books, in words."""
    ids = {one.id: one for one in inbound if one.state != "ACCEPTED"}
    found = []
    for table in ("bank_statement", "payment_status", "discrepancy"):
        for (number,) in ask(f"SELECT DISTINCT inbound_file_id FROM {table}"):
            if number in ids:
                found.append(f"{ids[number].name} is {ids[number].state} and has rows in {table}")
    digests = {one.sha256: one for one in ids.values()}
    for (reference,) in ask("SELECT reference FROM ledger_transaction"):
        for part in reference.split(":"):
            if part in digests:
                found.append(
                    f"{digests[part].name} is {digests[part].state} and moved money ({reference.split(':')[0]})"
                )
    return found
