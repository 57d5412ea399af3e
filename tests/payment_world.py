"""An approved cycle in a real database, and banks that do as they are told: fakes only at the bank."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from paysvc.bank_interface import (
    BankFile,
    BankSettings,
    BankUnreachable,
    Capabilities,
    Channel,
    DuplicateKey,
    Enquiry,
    FetchedFile,
    SeenFile,
    SeenFiles,
    SendState,
)
from paysvc.bank_registry import Bank, BankRegistry
from paysvc.clock import FixedClock
from paysvc.core.columns import ENTRY_STATUS_CODES, EntryColumns, StatusColumns
from paysvc.core.messages import (
    BankReturns,
    ControlTotals,
    Debtor,
    GroupStatus,
    PaymentBatch,
    Statement,
    StatementProof,
)
from paysvc.core.text_column import TextColumn
from paysvc.domain.errors import FileRefused
from paysvc.domain.instructions import CycleState, end_to_end_ids
from paysvc.domain.officers import Officer, Role
from paysvc.domain.programmes import ProgrammeKind
from paysvc.domain.submission import Submission
from paysvc.sealing import Sealer
from paysvc.services.collect_returns import Collection, collect_returns
from paysvc.services.reconcile_returns import Reconciliation, reconcile_returns
from paysvc.services.submit_batches import submit_batches
from paysvc.store import cycles, ledger, outcomes, plans
from paysvc.store.bulk import Same, insert_columns, next_ids
from paysvc.store.engine import Database
from paysvc.store.tables import (
    bank_account,
    beneficiary,
    discrepancy,
    entitlement,
    fund,
    import_file,
    instruction,
    obligation,
    obligation_claim,
    programme,
    statement_line,
)
from paysvc.store.vault import Vault

CYCLE = "2026-12"
SYSTEM = Officer("system", Role.SYSTEM)
ACCOUNT = "3713010001"

#: reference, amount, is_debit, bank_reference[, reason[, status[, currency]]]
Entry = Sequence[Any]


class PractisingBank:
    """A bank in this process. `script` says what the next sendings run into; then all goes well."""

    dialect = "practice"

    def __init__(self, bank_code: str, options: Mapping[str, str]) -> None:
        self.code = bank_code
        self.capabilities = Capabilities(
            channel=Channel.CASH if options.get("channel") == "cash" else Channel.ACCOUNT,
            duplicate_key=DuplicateKey(options.get("duplicate_key", "message_id")),
            duplicate_days=int(options.get("duplicate_days", "7")),
            can_enquire=options.get("can_enquire", "yes") == "yes",
            max_payments=int(options.get("max_payments", "1000000")),
            max_amount_vnd=int(options.get("max_amount_vnd", str(10**17))),
            name_length=int(options.get("name_length", "70")),
        )
        #: What the bank holds: file name -> bytes.
        self.has: dict[str, bytes] = {}
        self.refused: dict[str, str] = {}
        #: Every sending that reached the door, in order: (name, bytes).
        self.sendings: list[tuple[str, bytes]] = []
        self.script: list[Callable[[BankFile], str]] = []
        self.enquiries = 0
        self.answers: list[Enquiry | Exception] = []
        self.outbox: list[FetchedFile] = []
        self.is_reachable = True
        self.cannot_write: Exception | None = None

    def encode(self, batch: PaymentBatch) -> BankFile:
        if self.cannot_write:
            raise self.cannot_write
        payments = batch.payments
        rows = zip(
            payments.end_to_end_id, payments.amount_vnd.tolist(), payments.creditor_bin, payments.creditor_account,
            payments.creditor_name, payments.citizen_id, payments.point_code, payments.remittance, strict=True,
        )  # fmt: skip
        head = [batch.message_id, batch.created_at.isoformat(), batch.value_date.isoformat(), batch.purpose]
        content = json.dumps([head, list(rows)], ensure_ascii=False).encode()
        return BankFile(f"{batch.message_id}.json", content, batch.message_id, batch.totals)

    def send(self, file: BankFile) -> str:
        self.sendings.append((file.name, file.content))
        if self.script:
            return self.script.pop(0)(file)
        return self.accept(file)

    def accept(self, file: BankFile) -> str:
        assert self.has.get(file.name, file.content) == file.content, "other bytes under a name the bank has"
        self.has[file.name] = file.content
        return f"receipt of {file.name}"

    def enquire(self, file_name: str, message_id: str) -> Enquiry:
        self.enquiries += 1
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        if file_name in self.refused:
            return Enquiry(SendState.REFUSED, self.refused[file_name])
        return Enquiry(SendState.RECEIVED if file_name in self.has else SendState.NOT_RECEIVED)

    def fetch(self, seen: SeenFiles) -> Iterator[FetchedFile]:
        if not self.is_reachable:
            raise BankUnreachable("no route")
        for file in self.outbox:
            if seen.get(file.name) != SeenFile(len(file.content), hashlib.sha256(file.content).digest()):
                yield file

    def put_out(self, name: str, content: bytes) -> None:
        """Under a name that is out already, in its place."""
        self.outbox = [*(file for file in self.outbox if file.name != name), FetchedFile(name, content)]

    def parse_returns(self, name: str, content: bytes) -> BankReturns:
        if content == b"bug":
            raise RuntimeError("the adapter is wrong")
        try:
            said = json.loads(content)
        except ValueError:
            raise FileRefused("not_json", "This is not a file of this bank.", place=name) from None
        if said["kind"] == "status":
            return _status(said)
        return BankReturns("statement", said["id"], statements=tuple(map(_statement, said["statements"])))


def status_file(
    message: str, answers: str = "", statuses: Sequence[Sequence[str]] = (), groups: Sequence[Sequence[Any]] = ()
) -> bytes:
    """`statuses`: (reference, status, reason, bank reference); `groups`: (message id, block or None, status, reason
    [, count, sum])."""
    said = {"kind": "status", "id": message, "answers": answers, "statuses": statuses, "groups": groups}
    return json.dumps(said).encode()


def statement_of(
    statement_id: str, number: int | None, opening: int, entries: Sequence[Entry], **changed: Any
) -> dict[str, Any]:
    """One account statement; the closing balance is right unless `closing` is given."""
    full = [[*entry, *["", "BOOK", "VND"][len(entry) - 4 :]] for entry in entries]
    booked = sum(-one[1] if one[2] else one[1] for one in full if one[5] == "BOOK" and one[6] == "VND")
    day = date(2026, 12, 1 + (number or 1)).isoformat()
    whole = {"id": statement_id, "account": ACCOUNT, "sequence": number, "from": day, "to": day}
    return {**whole, "opening": opening, "closing": opening + booked, "entries": full, **changed}


def statement_file(message: str, *statements: dict[str, Any]) -> bytes:
    return json.dumps({"kind": "statement", "id": message, "statements": statements}).encode()


def _status(said: dict[str, Any]) -> BankReturns:
    columns = [TextColumn.of(values) for values in zip(*said["statuses"], strict=True)] or [TextColumn.of([])] * 4
    groups = tuple(
        GroupStatus(*one[:4], declared=ControlTotals(*one[4:]) if len(one) > 4 else None) for one in said["groups"]
    )
    return BankReturns("status", said["id"], said["answers"], StatusColumns(*columns), groups)


def _statement(said: dict[str, Any]) -> Statement:
    rows = said["entries"]
    return Statement(
        statement_id=said["id"],
        account=said["account"],
        currency="VND",
        sequence=said["sequence"],
        from_date=date.fromisoformat(said["from"]),
        to_date=date.fromisoformat(said["to"]),
        proof=StatementProof(said["opening"], said["closing"], said.get("count")),
        entries=EntryColumns(
            reference=TextColumn.of([row[0] for row in rows]),
            amount_vnd=np.array([row[1] for row in rows], dtype=np.int64),
            currency=TextColumn.of([row[6] for row in rows]),
            is_debit=np.array([row[2] for row in rows], dtype=np.bool_),
            status=np.array([ENTRY_STATUS_CODES[row[5]] for row in rows], dtype=np.uint8),
            reason_code=TextColumn.of([row[4] for row in rows]),
            bank_reference=TextColumn.of([row[3] for row in rows]),
            entry_number=np.arange(1, len(rows) + 1, dtype=np.int32),
            booking_date=TextColumn.repeat("", len(rows)),
        ),
    )


@dataclass
class World:
    """An office with one approved cycle, and its banks."""

    database: Database
    sealer: Sealer
    vault: Vault
    clock: FixedClock
    options: dict[str, dict[str, str]] = field(default_factory=lambda: {"AGRI": {}, "POST": {"channel": "cash"}})

    #: Other people than those of another plan have other numbers, and other ids.
    first_person: int = 0

    def __post_init__(self) -> None:
        self.banks = BankRegistry(
            [
                Bank(
                    BankSettings(
                        code, f"Bank {code}", "practice", Debtor("KHO BAC", ACCOUNT, "970405"), frozenset({"970405"}),
                        code != "POST",
                    ),
                    PractisingBank(code, options),
                    "practice of tests 1",
                )
                for code, options in self.options.items()
            ]
        )  # fmt: skip

    def bank(self, code: str = "AGRI") -> PractisingBank:
        adapter = self.banks.get(code).adapter
        assert isinstance(adapter, PractisingBank)
        return adapter

    # -------------------------------------------------------------------------- the verbs

    def submit(self) -> Submission:
        return submit_batches(self.database, self.sealer, self.vault, self.banks, self.clock, SYSTEM, cycle_code=CYCLE)

    def collect(self) -> Collection:
        return collect_returns(self.database, self.vault, self.banks, self.clock, SYSTEM)

    def reconcile(self) -> Reconciliation:
        return reconcile_returns(self.database, self.vault, self.banks, self.clock, SYSTEM)

    def receive(self, *contents: bytes, code: str = "AGRI") -> Reconciliation:
        """The bank puts these files out; we collect and reconcile."""
        for content in contents:
            self.bank(code).put_out(f"file-{len(self.bank(code).outbox)}", content)
        self.collect()
        return self.reconcile()

    # ------------------------------------------------------------------------ what is so

    def payments(self) -> dict[str, dict[str, Any]]:
        """EndToEndId -> the row of the instruction."""
        with self.database.read() as connection:
            rows = connection.execute(select(instruction).order_by(instruction.c.id)).mappings().all()
        return {row["end_to_end_id"]: dict(row) for row in rows}

    def references(self, code: str = "AGRI") -> list[str]:
        return [one for one, row in self.payments().items() if row["bank_code"] == code]

    def state_of(self, reference: str) -> str:
        return str(self.payments()[reference]["state"])

    def message_ids(self) -> list[str]:
        return [one.message_id for one in self.submit().batches]

    def outcomes(self) -> outcomes.CycleOutcomes:
        with self.database.read() as connection:
            return outcomes.outcomes_of_cycle(connection, self.cycle_id)

    def balances(self) -> dict[str, int]:
        """Account -> đồng, without the empty ones; the sum of all is 0."""
        with self.database.read() as connection:
            everything, total = ledger.trial_balance(connection)
        assert total == 0
        return {one.account: one.amount_vnd for one in everything if one.amount_vnd}

    def verdicts(self) -> list[str]:
        with self.database.read() as connection:
            columns = statement_line.c
            rows = connection.execute(select(columns.verdict).order_by(columns.statement_id, columns.position))
            return list(rows.scalars())

    def discrepancies(self) -> list[tuple[str, str, int]]:
        """Kind, reference and đồng of those that are open."""
        with self.database.read() as connection:
            columns = discrepancy.c
            rows = connection.execute(
                select(columns.kind, columns.reference, columns.amount_vnd).where(columns.resolved_at.is_(None))
            )
            return sorted(tuple(row) for row in rows)

    # --------------------------------------------------------------------- the cycle itself

    def approve(self, *people: tuple[str, int], names: Sequence[str] | None = None) -> World:
        """A cycle that pays each of `people` (bank code, đồng), approved and reserved."""
        with self.database.write() as connection:
            self._registry(connection, people)
            ids = next_ids(connection, "entitlement", len(people))
            cycle = cycles.insert_cycle(
                connection, code=CYCLE, kind=ProgrammeKind.REGULAR, programmes=["BTXH"], periods=["2026-12"],
                value_date=date(2026, 12, 4), maker_id="maker.lan", at=self.clock.now(),
            )  # fmt: skip
            self.cycle_id = cycle.id
            insert_columns(
                connection,
                entitlement,
                {
                    "id": ids,
                    "cycle_id": Same(cycle.id),
                    "programme_code": Same("BTXH"),
                    "beneficiary_id": self.persons,
                    "unit_code": Same("17329"),
                    "amount_vnd": [amount for _, amount in people],
                    "disposition": Same("planned"),
                    "reason": Same(""),
                },
            )
            self._claims(connection, ids, people)
            self._instructions(connection, cycle.id, ids, people, names)
            digest = plans.content_sha256(connection, cycle.id)
            cycle = cycles.change_cycle(
                connection, cycle, content_sha256=digest, state=CycleState.SUBMITTED.value, submitted_by="maker.lan",
                submitted_at=self.clock.now(),
            )  # fmt: skip
            cycles.insert_approval(connection, cycle, "approver.minh", self.clock.now())
            cycles.change_cycle(connection, cycle, state=CycleState.APPROVED.value)
            total = sum(amount for _, amount in people)
            for kind, source, target in (
                ("deposit", ledger.TREASURY, ledger.fund("NS")),
                ("reserve", ledger.fund("NS"), ledger.reserved("NS")),
            ):
                moved = [ledger.Posting(source, -total, 1), ledger.Posting(target, total, 1)]
                ledger.post(connection, self.clock.now(), kind, f"{kind}:NS:ORDER 7", moved)
        return self

    def _claims(self, connection: Any, lines: Sequence[int], people: Sequence[tuple[str, int]]) -> None:
        """What each line carries: the month."""
        ids = next_ids(connection, "obligation", len(people))
        insert_columns(
            connection,
            obligation,
            {
                "id": ids,
                "programme_code": Same("BTXH"),
                "period": Same("2026-12"),
                "beneficiary_id": self.persons,
                "component": Same("monthly"),
                "amount_vnd": [amount for _, amount in people],
                "created_at": Same(self.clock.now()),
            },
        )
        insert_columns(connection, obligation_claim, {"entitlement_id": lines, "obligation_id": ids})

    def _registry(self, connection: Any, people: Sequence[tuple[str, int]]) -> None:
        now, count = self.clock.now(), len(people)
        insert_columns(connection, fund, {"code": ["NS"], "name": Same("Ngân sách"), "source": Same("test")})
        insert_columns(
            connection,
            programme,
            {
                "code": ["BTXH"],
                "name": Same("Trợ cấp xã hội"),
                "purpose": Same("SSBE"),
                "fund_code": Same("NS"),
                "stacking_group": Same(""),
                "legal_basis": Same("Decree 20/2021"),
                "without_account": Same("cash"),
            },
        )
        insert_columns(
            connection,
            import_file,
            {
                "id": [1], "kind": Same("test"), "name": Same("test"), "sha256": Same(bytes(32)), "size": Same(0),
                "imported_at": Same(now), "actor": Same("maker.lan"), "rows": Same(0), "added": Same(0),
                "changed": Same(0), "unchanged": Same(0), "refused": Same(0), "warned": Same(0),
            },
        )  # fmt: skip
        self.persons = next_ids(connection, "beneficiary", count)
        numbers = [f"040{900000000 + self.first_person + row}" for row in range(count)]
        self.person_keys = self.sealer.blind_index("citizen_id", numbers)
        insert_columns(
            connection,
            beneficiary,
            {
                "id": self.persons,
                "citizen_key": self.person_keys,
                "citizen_id_sealed": self.sealer.seal_column("beneficiary", "citizen_id_sealed", self.persons, numbers),
                "created_at": Same(now),
            },
        )
        self.accounts = next_ids(connection, "bank_account", count)
        account_numbers = [f"1{row:09d}" for row in range(count)]
        insert_columns(
            connection,
            bank_account,
            {
                "id": self.accounts,
                "bank_bin": Same("970405"),
                "account_key": self.sealer.blind_index("account", account_numbers),
                "account_sealed": self.sealer.seal_column(
                    "bank_account", "account_sealed", self.accounts, account_numbers
                ),
                "holder_key": self.person_keys,
                "holder_id_kind": Same("citizen_id"),
                "holder_name": Same("NGUYEN VAN A"),
                "status": Same("active"),
                "currency": Same("VND"),
                "registered_on": Same(""),
                "valid_from": Same(now),
                "row_digest": Same(bytes(32)),
                "import_file_id": Same(1),
            },
        )

    def _instructions(
        self,
        connection: Any,
        cycle_id: int,
        ids: range,
        people: Sequence[tuple[str, int]],
        names: Sequence[str] | None,
    ) -> None:
        count = len(people)
        cash = {bank.settings.code for bank in self.banks if bank.adapter.capabilities.channel is Channel.CASH}
        references = end_to_end_ids(
            self.sealer.reference_key, ["BTXH"] * count, ["2026-12"] * count, self.person_keys, ["monthly"] * count,
            [0] * count,
        )  # fmt: skip
        plans.insert_instructions(
            connection,
            cycle_id,
            {
                "entitlement_id": ids,
                "end_to_end_id": references,
                "generation": Same(0),
                "amount_vnd": [amount for _, amount in people],
                "channel": ["cash" if code in cash else "account" for code, _ in people],
                "bank_code": [code for code, _ in people],
                "account_id": [
                    None if code in cash else one for (code, _), one in zip(people, self.accounts, strict=True)
                ],
                "creditor_bin": ["" if code in cash else "970405" for code, _ in people],
                "creditor_name": names or Same("NGUYEN VAN A"),
                "unit_code": Same("17329"),
            },
        )


def make_world(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock, **options: Any) -> World:
    return World(database, sealer, vault, clock, options) if options else World(database, sealer, vault, clock)


def fresh_folder(path: Path, name: str) -> Path:
    folder = path / name
    folder.mkdir()
    return folder
