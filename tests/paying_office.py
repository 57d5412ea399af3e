"""A small province that is planned, approved and paid month by month, with banks that do as they are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from paysvc.bank_interface import BankSettings
from paysvc.bank_registry import Bank, BankRegistry
from paysvc.clock import FixedClock
from paysvc.core.messages import Debtor
from paysvc.domain.officers import Officer, Role
from paysvc.domain.submission import Submission
from paysvc.sealing import Sealer
from paysvc.services.approve_plan import approve_plan, submit_plan
from paysvc.services.collect_returns import collect_returns
from paysvc.services.plan_payments import PlanResult, plan_payments
from paysvc.services.reconcile_returns import Reconciliation, reconcile_returns
from paysvc.services.resubmit_payments import Decision, approve_resubmission, propose_resubmission
from paysvc.services.submit_batches import submit_batches
from paysvc.store import ledger
from paysvc.store.book_checks import OF_ROWS
from paysvc.store.engine import Database
from paysvc.store.tables import discrepancy, entitlement, instruction, payment_cycle, replacement
from paysvc.store.vault import Vault
from tests.payment_world import ACCOUNT, PractisingBank, statement_file, statement_of, status_file
from tests.planned_province import AGRIBANK, VIETCOMBANK, Enrolled, Province

MAKER, APPROVER = Officer("maker.lan", Role.MAKER), Officer("approver.minh", Role.APPROVER)
SYSTEM = Officer("system", Role.SYSTEM)
BTXH = 750_000


def practising(code: str, bin_: str, make: Callable[..., PractisingBank] = PractisingBank, **options: str) -> Bank:
    settings = BankSettings(
        code, f"Bank {code}", "practice", Debtor("KHO BAC", ACCOUNT, bin_), frozenset({bin_}), code == "VCB"
    )
    return Bank(settings, make(code, options), "practice of tests 1")


@dataclass
class PayingOffice:
    """Everything between the officers and the banks is real."""

    database: Database
    sealer: Sealer
    vault: Vault
    clock: FixedClock
    banks: BankRegistry = field(
        default_factory=lambda: BankRegistry([practising("AGRI", AGRIBANK), practising("VCB", VIETCOMBANK)])
    )

    def __post_init__(self) -> None:
        self.province = Province(self.database, self.sealer, self.clock)
        #: What is on the account at each bank, and how many statements it gave.
        self.balance = {bank.settings.code: 10**12 for bank in self.banks}
        self.days = dict.fromkeys(self.balance, 0)

    def bank(self, code: str = "AGRI") -> PractisingBank:
        adapter = self.banks.get(code).adapter
        assert isinstance(adapter, PractisingBank)
        return adapter

    def enrol(self, *people: Enrolled) -> list[int]:
        return self.province.add(*(people or [Enrolled({"BTXH": "NANG"})]))

    # -------------------------------------------------------------------------- the verbs

    def plan(self, month: str, **changes: Any) -> PlanResult:
        wanted: dict[str, Any] = {"cycle_code": month, "programme_codes": ["BTXH"], "periods": [month], **changes}
        return plan_payments(self.database, self.sealer, self.banks, self.clock, MAKER, **wanted)

    def approve(self, planned: PlanResult) -> None:
        submit_plan(self.database, self.clock, MAKER, cycle_code=planned.cycle_code)
        approve_plan(
            self.database, self.clock, APPROVER, cycle_code=planned.cycle_code, content_sha256=planned.content_sha256
        )

    def send(self, month: str) -> Submission:
        return submit_batches(self.database, self.sealer, self.vault, self.banks, self.clock, SYSTEM, cycle_code=month)

    def pay(self, month: str, **changes: Any) -> list[str]:
        """Plan, approve and send; returns the EndToEndIds of the month."""
        self.approve(self.plan(month, **changes))
        self.send(month)
        return self.payments_of(month)

    def receive(self, *contents: bytes, code: str = "AGRI") -> Reconciliation:
        for content in contents:
            self.bank(code).put_out(f"file-{len(self.bank(code).outbox)}", content)
        collect_returns(self.database, self.vault, self.banks, self.clock, SYSTEM)
        return reconcile_returns(self.database, self.vault, self.banks, self.clock, SYSTEM)

    def resubmit(self, month: str, *references: str) -> Decision:
        """Propose and approve, by two officers."""
        found = propose_resubmission(
            self.database, self.clock, MAKER, cycle_code=month, end_to_end_ids=references
        ).content_sha256
        return approve_resubmission(
            self.database, self.clock, APPROVER, cycle_code=month, content_sha256=found, end_to_end_ids=references
        )

    # ---------------------------------------------------------------------- the bank's words

    def refuse(self, *references: str, code: str = "AGRI", reason: str = "AC04") -> Reconciliation:
        """The bank's status file rejects these payments."""
        message = f"ST{len(self.bank(code).outbox)}"
        return self.receive(status_file(message, statuses=[(one, "RJCT", reason, "") for one in references]), code=code)

    def statement(self, *lines: tuple[str, bool], code: str = "AGRI", amount: int = BTXH) -> bytes:
        """The next statement: (reference, is_debit) each."""
        self.days[code] += 1
        number = self.days[code]
        entries = [(one, amount, is_debit, f"{code}-B{number}-{row}") for row, (one, is_debit) in enumerate(lines)]
        made = statement_of(f"{code}-{number}", number, self.balance[code], entries)
        self.balance[code] = made["closing"]
        return statement_file(f"{code}-M{number}", made)

    def book(self, *lines: tuple[str, bool], code: str = "AGRI", amount: int = BTXH) -> Reconciliation:
        return self.receive(self.statement(*lines, code=code, amount=amount), code=code)

    # ------------------------------------------------------------------------ what is so

    def payments(self) -> dict[str, Any]:
        with self.database.read() as connection:
            rows = connection.execute(
                select(instruction, entitlement.c.beneficiary_id, payment_cycle.c.code)
                .join(entitlement, entitlement.c.id == instruction.c.entitlement_id)
                .join(payment_cycle, payment_cycle.c.id == instruction.c.cycle_id)
                .order_by(instruction.c.id)
            ).all()
        return {row.end_to_end_id: row for row in rows}

    def payments_of(self, month: str) -> list[str]:
        return [one for one, row in self.payments().items() if row.code == month]

    def made_again(self, month: str) -> list[str]:
        """Those of the month's payments that take the place of earlier ones."""
        return [one for one, row in self.payments().items() if row.code == month and row.generation]

    def state_of(self, reference: str) -> str:
        return str(self.payments()[reference].state)

    def replaced(self) -> set[tuple[str, str]]:
        """(payment, the one whose place it takes)."""
        names = {row.id: name for name, row in self.payments().items()}
        with self.database.read() as connection:
            return {(names[a], names[b]) for a, b in connection.execute(select(replacement))}

    def discrepancies(self, *, resolved: bool = False) -> list[tuple[str, str]]:
        columns = discrepancy.c
        with self.database.read() as connection:
            is_resolved = columns.resolved_at.is_not(None) if resolved else columns.resolved_at.is_(None)
            rows = connection.execute(select(columns.kind, columns.reference).where(is_resolved))
            return sorted(tuple(row) for row in rows)

    def paid_vnd(self) -> int:
        """What people have, by the ledger."""
        with self.database.read() as connection:
            return ledger.balance(connection, ledger.paid("NS"))

    def differences(self) -> list[str]:
        """What `paysvc check` would find in the rows."""
        with self.database.read() as connection:
            return [str(one) for equation in OF_ROWS for one in equation(connection).differences]
