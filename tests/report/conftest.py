"""A payment cycle that was approved, sent and answered, with real bank files in the vault.

Its rows are written as the services of the other verbs write them; the bank files are real
pain.001, pain.002 and camt.053 bytes, and for the post office a tiny dialect of its own.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from sqlalchemy import insert, update

from paysvc.bank_interface import (
    BankFile,
    BankSettings,
    Capabilities,
    Channel,
    DuplicateKey,
    Enquiry,
    FetchedFile,
    SeenFiles,
    SendState,
)
from paysvc.bank_registry import Bank, BankRegistry
from paysvc.clock import FixedClock
from paysvc.core.columns import ENTRY_STATUS_CODES, EntryColumns, StatusColumns
from paysvc.core.emit_pain001 import write_pain001
from paysvc.core.messages import BankReturns, Debtor, PaymentBatch, Statement, StatementProof
from paysvc.core.order_columns import PaymentColumns
from paysvc.core.scan_camt import read_camt
from paysvc.core.scan_pain002 import read_pain002
from paysvc.core.scan_xml import message_name
from paysvc.core.text_column import TextColumn
from paysvc.domain.officers import Officer, Role
from paysvc.sealing import Sealer, open_or_create_sealer
from paysvc.services.publish_report import publish_report
from paysvc.signing import Signer, open_or_create_signer
from paysvc.store import audit_trail, ledger, tables
from paysvc.store.bulk import Same, insert_columns, next_ids, update_columns
from paysvc.store.engine import Database, open_database
from paysvc.store.vault import Vault

CREATED = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
APPROVED = CREATED + timedelta(days=1)
SENT = CREATED + timedelta(days=2)


class Due(NamedTuple):
    """One entitlement of the cycle; `bank` is "" unless it is planned."""

    programme: str = "BTXH"
    unit: str = "16681"
    amount: int = 500_000
    bank: str = "AGRI"
    channel: str = "account"
    disposition: str = "planned"
    reason: str = ""


class Booked(NamedTuple):
    """One entry of a statement: whose line (its number from 1), and what."""

    line: int
    amount: int = 0
    is_debit: bool = True
    reason: str = ""
    status: str = "BOOK"
    reference: str = ""
    currency: str = "VND"


class _Adapter:
    """What both test banks share: a door that no test opens."""

    dialect = "iso20022"
    channel = Channel.ACCOUNT

    def __init__(self, bank_code: str, options: Mapping[str, str]) -> None:
        self.capabilities = Capabilities(
            channel=self.channel,
            duplicate_key=DuplicateKey.MESSAGE_ID,
            duplicate_days=90,
            can_enquire=True,
            max_payments=100_000,
            max_amount_vnd=10**15,
        )

    def send(self, file: BankFile) -> str:
        raise NotImplementedError

    def enquire(self, file_name: str, message_id: str) -> Enquiry:
        return Enquiry(SendState.STILL_UNKNOWN)

    def fetch(self, seen: SeenFiles) -> Iterator[FetchedFile]:
        return iter(())


class IsoBank(_Adapter):
    def encode(self, batch: PaymentBatch) -> BankFile:
        return BankFile(f"{batch.message_id}.xml", write_pain001(batch), batch.message_id, batch.totals)

    def parse_returns(self, name: str, content: bytes) -> BankReturns:
        if message_name(content).startswith("pain.002."):
            return read_pain002(content)
        bank_message_id, statements = read_camt(content)
        return BankReturns("statement", bank_message_id, statements=statements)


class PostOffice(_Adapter):
    """`H|id|account|opening|closing` and `E|reference|D or C|amount|reason`; `R|reference|status|reason`."""

    dialect = "test_post"
    channel = Channel.CASH

    def encode(self, batch: PaymentBatch) -> BankFile:
        rows = zip(batch.payments.end_to_end_id, batch.payments.amount_vnd.tolist(), strict=True)
        content = "".join(f"{reference}|{amount}\n" for reference, amount in rows).encode()
        return BankFile(f"{batch.message_id}.txt", content, batch.message_id, batch.totals)

    def parse_returns(self, name: str, content: bytes) -> BankReturns:
        rows = [line.split("|") for line in content.decode().splitlines()]
        if rows[0][0] == "R":
            columns = [TextColumn.of(column) for column in list(zip(*rows, strict=True))[1:]]
            statuses = StatusColumns(columns[0], columns[1], columns[2], TextColumn.repeat("", len(rows)))
            return BankReturns("status", hashlib.sha256(content).hexdigest()[:20], statuses=statuses)
        _, statement_id, account, opening, closing = rows[0]
        entries = [Booked(0, int(row[3]), row[2] == "D", row[4], reference=row[1]) for row in rows[1:]]
        statement = Statement(
            statement_id, account, "VND", 1, date(2026, 11, 5), date(2026, 11, 5),
            StatementProof(int(opening), int(closing)), entry_columns(entries),
        )  # fmt: skip
        return BankReturns("statement", statement_id, statements=(statement,))


def entry_columns(entries: Sequence[Booked]) -> EntryColumns:
    return EntryColumns(
        reference=TextColumn.of([one.reference for one in entries]),
        amount_vnd=np.array([one.amount for one in entries], np.int64),
        currency=TextColumn.of([one.currency for one in entries]),
        is_debit=np.array([one.is_debit for one in entries], np.bool_),
        status=np.array([ENTRY_STATUS_CODES[one.status] for one in entries], np.uint8),
        reason_code=TextColumn.of([one.reason for one in entries]),
        bank_reference=TextColumn.of([f"FT{number:08d}" for number in range(len(entries))]),
        entry_number=np.arange(1, len(entries) + 1, dtype=np.int32),
        booking_date=TextColumn.repeat("2026-11-05", len(entries)),
    )


def camt053(statement_id: str, account: str, number: int, opening: int, entries: Sequence[Booked]) -> bytes:
    """A camt.053.001.08 whose closing balance follows from its booked entries in đồng."""
    booked = [one for one in entries if one.status == "BOOK" and one.currency == "VND"]
    closing = opening - sum(one.amount if one.is_debit else -one.amount for one in booked)

    def balance(kind: str, amount: int) -> str:
        sign = "CRDT" if amount >= 0 else "DBIT"
        return (
            f'<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy="VND">{abs(amount)}</Amt>'
            f"<CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>2026-11-05</Dt></Dt></Bal>"
        )

    rows = "".join(
        f'<Ntry><Amt Ccy="{one.currency}">{one.amount}</Amt><CdtDbtInd>{"DBIT" if one.is_debit else "CRDT"}</CdtDbtInd>'
        f"<Sts><Cd>{one.status}</Cd></Sts><BookgDt><Dt>2026-11-05</Dt></BookgDt><AcctSvcrRef>FT{position:08d}"
        f"</AcctSvcrRef><BkTxCd/><NtryDtls><TxDtls><Refs><EndToEndId>{one.reference}</EndToEndId></Refs>"
        + (f"<RtrInf><Rsn><Cd>{one.reason}</Cd></Rsn></RtrInf>" if one.reason else "")
        + "</TxDtls></NtryDtls></Ntry>\n"
        for position, one in enumerate(entries)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">'
        f"<BkToCstmrStmt><GrpHdr><MsgId>{statement_id}</MsgId><CreDtTm>2026-11-05T18:00:00+07:00</CreDtTm></GrpHdr>"
        f"<Stmt><Id>{statement_id}</Id><ElctrncSeqNb>{number}</ElctrncSeqNb><Acct><Id><Othr><Id>{account}</Id></Othr>"
        f"</Id><Ccy>VND</Ccy></Acct>{balance('OPBD', opening)}{balance('CLBD', closing)}{rows}</Stmt>"
        "</BkToCstmrStmt></Document>"
    ).encode()


def pain002(message_id: str, answers: str, words: Sequence[tuple[str, str, str]]) -> bytes:
    rows = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{reference}</OrgnlEndToEndId><TxSts>{status}</TxSts>"
        + (f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>" if reason else "")
        + "</TxInfAndSts>"
        for reference, status, reason in words
    )
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt><GrpHdr>'
        f"<MsgId>{message_id}</MsgId><CreDtTm>2026-11-05T10:00:00+07:00</CreDtTm></GrpHdr><OrgnlGrpInfAndSts>"
        f"<OrgnlMsgId>{answers}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId></OrgnlGrpInfAndSts>"
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{answers}-1</OrgnlPmtInfId>{rows}</OrgnlPmtInfAndSts>"
        "</CstmrPmtStsRpt></Document>"
    ).encode()


BANKS = {
    "AGRI": ("Ngân hàng Nông nghiệp", IsoBank, "3713010001", "970405"),
    "VIET": ("Ngân hàng Công thương", IsoBank, "3713010002", "970415"),
    "POST": ("Bưu điện tỉnh", PostOffice, "3713010003", "971025"),
}


def registry() -> BankRegistry:
    banks = []
    for code, (name, adapter, account, bank_bin) in BANKS.items():
        settings = BankSettings(
            code, name, adapter.dialect, Debtor("KHO BAC NGHE AN", account, bank_bin), frozenset({bank_bin})
        )
        banks.append(Bank(settings, adapter(code, {}), f"{adapter.dialect} of tests"))
    return BankRegistry(banks)


@dataclass
class PaidCycle:
    """The cycle, and what may still happen to it."""

    database: Database
    vault: Vault
    sealer: Sealer
    dues: Sequence[Due]
    code: str = "2026-11-BTXH"
    cycle_id: int = 0
    ids: list[str] = field(default_factory=list)
    instruction_ids: dict[str, int] = field(default_factory=dict)
    message_ids: dict[str, str] = field(default_factory=dict)
    closings: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    debited: set[int] = field(default_factory=set)

    def approve(self) -> None:
        """People, programmes, a fund with money in it, and the approved plan."""
        count = len(self.dues)
        maker, approver = Officer("maker.lan", Role.MAKER), Officer("approver.minh", Role.APPROVER)
        with self.database.write() as connection:
            self._insert_surroundings(connection)
            self.cycle_id = next_ids(connection, "payment_cycle", 1)[0]
            content = hashlib.sha256(self.code.encode()).digest()
            connection.execute(
                insert(tables.payment_cycle).values(
                    id=self.cycle_id, code=self.code, kind="regular", programmes="BTXH,HUU", periods="2026-11",
                    value_date=date(2026, 11, 5), state="DRAFT", version=1, maker_id=maker.officer_id,
                    created_at=CREATED,
                )
            )  # fmt: skip
            people = self._insert_people(connection, count)
            entitlements = next_ids(connection, "entitlement", count)
            insert_columns(
                connection,
                tables.entitlement,
                {
                    "id": entitlements,
                    "cycle_id": Same(self.cycle_id),
                    "programme_code": [due.programme for due in self.dues],
                    "beneficiary_id": people,
                    "unit_code": [due.unit for due in self.dues],
                    "amount_vnd": [due.amount for due in self.dues],
                    "disposition": [due.disposition for due in self.dues],
                    "reason": [due.reason for due in self.dues],
                },
            )
            planned = [place for place, due in enumerate(self.dues) if due.disposition == "planned"]
            self.ids = [f"P{place + 1:015d}" for place in range(count)]
            accounts = self._insert_accounts(connection, planned)
            batches = {bank: number for number, bank in enumerate(sorted({self.dues[one].bank for one in planned}), 1)}
            instructions = next_ids(connection, "instruction", len(planned))
            self.instruction_ids = {self.ids[one]: row for one, row in zip(planned, instructions, strict=True)}
            position: dict[str, int] = {}
            places = []
            for one in planned:
                places.append(position.get(self.dues[one].bank, 0))
                position[self.dues[one].bank] = places[-1] + 1
            insert_columns(
                connection,
                tables.instruction,
                {
                    "id": instructions,
                    "entitlement_id": [entitlements[one] for one in planned],
                    "cycle_id": Same(self.cycle_id),
                    "end_to_end_id": [self.ids[one] for one in planned],
                    "generation": Same(0),
                    "amount_vnd": [self.dues[one].amount for one in planned],
                    "channel": [self.dues[one].channel for one in planned],
                    "bank_code": [self.dues[one].bank for one in planned],
                    "account_id": accounts,
                    "creditor_bin": Same("970405"),
                    "creditor_name": Same("NGUYEN THI HOA"),
                    "unit_code": [self.dues[one].unit for one in planned],
                    "state": Same("PLANNED"),
                },
            )
            cycles = tables.payment_cycle
            moved = {"state": "SUBMITTED", "content_sha256": content, "submitted_by": "maker.lan"}
            connection.execute(update(cycles).values(**moved, submitted_at=CREATED + timedelta(hours=1)))
            connection.execute(
                insert(tables.approval).values(
                    id=1, cycle_id=self.cycle_id, content_sha256=content, maker_id=maker.officer_id,
                    approver_id=approver.officer_id, approved_at=APPROVED,
                )
            )  # fmt: skip
            connection.execute(update(cycles).values(state="APPROVED"))
            columns = {
                "id": instructions,
                "batch_id": [batches[self.dues[one].bank] for one in planned],
                "batch_position": places,
                "state": Same("BATCHED"),
            }
            update_columns(connection, tables.instruction, ["id"], columns)
            total = sum(self.dues[one].amount for one in planned)
            ledger.post(
                connection, APPROVED, "plan_approved", "plan_approved:1",
                [ledger.Posting("fund:NSNN", -total, count), ledger.Posting("reserved:NSNN", total, count)],
            )  # fmt: skip
            audit_trail.append(connection, APPROVED, approver, "approve-plan", f"cycle:{self.code}", {"lines": count})

    def _insert_surroundings(self, connection) -> None:  # type: ignore[no-untyped-def]
        connection.execute(insert(tables.fund).values(code="NSNN", name="Ngân sách", source="Quyết định 1"))
        for code, name in (("BTXH", "Trợ cấp bảo trợ xã hội"), ("HUU", "Trợ cấp hưu trí xã hội")):
            connection.execute(
                insert(tables.programme).values(
                    code=code, name=name, purpose="SSBE", fund_code="NSNN", stacking_group="",
                    legal_basis="Nghị định 20/2021/NĐ-CP", without_account="cash",
                )
            )  # fmt: skip
        units = (("40", "Nghệ An", "province", None), ("16681", "Trường Vinh", "commune", "40"))
        for number, (code, name, level, parent) in enumerate((*units, ("17329", "Kỳ Sơn", "commune", "40")), 1):
            connection.execute(
                insert(tables.unit).values(
                    id=number, code=code, name=name, level=level, parent_code=parent,
                    valid_from=date(2025, 7, 1), source="Nghị quyết 202/2025/QH15",
                )
            )  # fmt: skip
        money = [ledger.Posting("treasury", -(10**15), 1), ledger.Posting("fund:NSNN", 10**15, 1)]
        ledger.post(connection, CREATED, "deposit", "deposit:1", money)
        connection.execute(
            insert(tables.import_file).values(
                id=1, kind="beneficiaries", name="list.csv", sha256=bytes(32), size=1, imported_at=CREATED,
                actor="maker.lan", rows=1, added=1, changed=0, unchanged=0, refused=0, warned=0,
            )
        )  # fmt: skip

    def _insert_people(self, connection, count: int) -> range:  # type: ignore[no-untyped-def]
        people = next_ids(connection, "beneficiary", count)
        keys = [hashlib.sha256(b"person %d" % one).digest() for one in people]
        columns = {"id": people, "citizen_key": keys, "citizen_id_sealed": Same(b"sealed"), "created_at": Same(CREATED)}
        insert_columns(connection, tables.beneficiary, columns)
        return people

    def _insert_accounts(self, connection, planned: list[int]) -> list[int | None]:  # type: ignore[no-untyped-def]
        with_account = [one for one in planned if self.dues[one].channel == "account"]
        rows = next_ids(connection, "bank_account", len(with_account)) if with_account else range(0)
        if with_account:
            columns = {
                "id": rows,
                "bank_bin": Same("970405"),
                "account_key": [hashlib.sha256(b"account %d" % one).digest() for one in with_account],
                "account_sealed": Same(b"sealed"),
                "holder_key": Same(bytes(32)),
                "holder_id_kind": Same("citizen_id"),
                "holder_name": Same("NGUYEN THI HOA"),
                "status": Same("active"),
                "currency": Same("VND"),
                "registered_on": Same(""),
                "valid_from": Same(CREATED),
                "row_digest": Same(bytes(32)),
                "import_file_id": Same(1),
            }
            insert_columns(connection, tables.bank_account, columns)
        found = dict(zip(with_account, rows, strict=True))
        return [found.get(one) for one in planned]

    def send(
        self, outcome: str | None = "sent", at: datetime = SENT, only: Sequence[str] = (), asked_more: int = 0
    ) -> None:
        """The files of all banks (or of `only` some) are written and handed over; a faulty
        program asks for so many đồng more than was approved."""
        adapters = registry()
        with self.database.write() as connection:
            by_bank: dict[str, list[int]] = {}
            for place, due in enumerate(self.dues):
                if due.bank:
                    by_bank.setdefault(due.bank, []).append(place)
            for batch_id, bank in enumerate(sorted(by_bank), 1):
                if only and bank not in only:
                    continue
                self._send_one(connection, adapters.get(bank), batch_id, by_bank[bank], outcome, at, asked_more)

    def _send_one(self, connection, bank: Bank, batch_id: int, places: list[int], outcome, at, asked_more: int) -> None:  # type: ignore[no-untyped-def]
        code = bank.settings.code
        message_id = f"M20261105{batch_id:016d}"
        self.message_ids[code] = message_id
        amounts = np.array([self.dues[place].amount for place in places], np.int64)
        count = len(places)
        payments = PaymentColumns(
            end_to_end_id=TextColumn.of([self.ids[place] for place in places]),
            amount_vnd=amounts + asked_more,
            creditor_bin=TextColumn.repeat("970405", count),
            creditor_account=TextColumn.of([f"{100000 + place}" for place in places]),
            creditor_name=TextColumn.repeat("NGUYEN THI HOA", count),
            citizen_id=TextColumn.repeat("", count),
            point_code=TextColumn.of([self.dues[place].unit for place in places]),
            remittance=TextColumn.repeat("Tro cap 11/2026", count),
        )
        batch = PaymentBatch(message_id, at, date(2026, 11, 5), bank.settings.debtor, "SSBE", payments)
        file = bank.adapter.encode(batch)
        digest = self.vault.put(file.content)
        connection.execute(
            insert(tables.batch).values(
                id=batch_id, cycle_id=self.cycle_id, bank_code=code, part=1, value_date=date(2026, 11, 5),
                count=count, sum_vnd=int(amounts.sum()), content_sha256=digest, message_id=message_id, state="SEALED",
                version=1, created_at=at,
            )
        )  # fmt: skip
        for state in ("SENDING", "SENT"):
            connection.execute(update(tables.batch).where(tables.batch.c.id == batch_id).values(state=state))
        connection.execute(
            insert(tables.bank_file).values(
                id=batch_id, batch_id=batch_id, bank_code=code, name=file.name, message_id=message_id, sha256=digest,
                size=len(file.content), count=count, sum_vnd=int(amounts.sum()), written_by=bank.written_by,
                created_at=at,
            )
        )  # fmt: skip
        if outcome:
            finished = at + timedelta(minutes=1)
            connection.execute(
                insert(tables.send_attempt).values(
                    bank_file_id=batch_id, number=1, started_at=at, finished_at=finished, outcome=outcome
                )
            )

    def booked(self, line: int, is_debit: bool = True) -> Booked:
        return Booked(line, is_debit=is_debit)

    def books(
        self, bank: str, at: datetime, entries: Sequence[Booked], store_only: int | None = None, store_amount: int = 0
    ) -> None:
        """A statement of the bank arrives and is believed. A faulty store keeps `store_only` so
        many of its lines, or writes `store_amount` where the bank wrote another."""
        account = BANKS[bank][2]
        number = self.numbers[bank] = self.numbers.get(bank, 0) + 1
        opening = self.closings.get(bank, 10**12)
        filled = [
            one._replace(
                reference=one.reference or self.ids[one.line - 1], amount=one.amount or self.dues[one.line - 1].amount
            )
            for one in entries
        ]
        in_vnd = [one for one in filled if one.status == "BOOK" and one.currency == "VND"]
        debits = sum(one.amount for one in in_vnd if one.is_debit)
        credits_ = sum(one.amount for one in in_vnd if not one.is_debit)
        closing = self.closings[bank] = opening + credits_ - debits
        name = f"{bank}-STMT-{number}"
        if bank == "POST":
            rows = [f"E|{one.reference}|{'D' if one.is_debit else 'C'}|{one.amount}|{one.reason}\n" for one in filled]
            content = (f"H|{name}|{account}|{opening}|{closing}\n" + "".join(rows)).encode()
        else:
            content = camt053(name, account, number, opening, filled)
        filled = filled[:store_only]
        if store_amount:
            filled = [one._replace(amount=store_amount) for one in filled]
            debits = sum(one.amount for one in filled)
            closing = opening + credits_ - debits
        with self.database.write() as connection:
            file_id = self._receive(connection, bank, content, at, "statement", name)
            statement_id = next_ids(connection, "bank_statement", 1)[0]
            connection.execute(
                insert(tables.bank_statement).values(
                    id=statement_id, inbound_file_id=file_id, bank_code=bank, account=account, statement_id=name,
                    sequence=number, from_date=date(2026, 11, 5), to_date=date(2026, 11, 5), opening_vnd=opening,
                    closing_vnd=closing, debits_vnd=debits, credits_vnd=credits_, line_count=len(filled),
                    accepted_at=at,
                )
            )  # fmt: skip
            known = [self.instruction_ids.get(one.reference) for one in filled]
            verdicts = [self._verdict(one, row) for one, row in zip(filled, known, strict=True)]
            columns = {
                "statement_id": Same(statement_id),
                "position": range(len(filled)),
                "reference": [one.reference for one in filled],
                "amount_vnd": [one.amount for one in filled],
                "currency": [one.currency for one in filled],
                "is_debit": [one.is_debit for one in filled],
                "status": [one.status for one in filled],
                "reason_code": [one.reason for one in filled],
                "bank_reference": [f"FT{position:08d}" for position in range(len(filled))],
                "instruction_id": known,
                "verdict": verdicts,
            }
            if filled:
                insert_columns(connection, tables.statement_line, columns)

    def _verdict(self, one: Booked, row: int | None) -> str:
        if one.status != "BOOK":
            return "pending"
        if not row:
            return "unknown_reference"
        if not one.is_debit:
            return "return"
        is_first = row not in self.debited
        self.debited.add(row)
        return "settlement" if is_first else "repeated_settlement"

    def says(self, bank: str, at: datetime, words: Sequence[tuple[int, str, str]]) -> None:
        """A status file arrives and is accepted: (line, status, reason) each."""
        named = [(self.ids[line - 1], status, reason) for line, status, reason in words]
        if bank == "POST":
            content = "".join(f"R|{'|'.join(one)}\n" for one in named).encode()
        else:
            content = pain002(f"{bank}-STS-{at:%d%H}", self.message_ids[bank], named)
        with self.database.write() as connection:
            file_id = self._receive(connection, bank, content, at, "status", f"{bank}-STS-{at:%d%H}")
            columns = {
                "inbound_file_id": Same(file_id),
                "position": range(len(named)),
                "reference": [one[0] for one in named],
                "instruction_id": [self.instruction_ids[one[0]] for one in named],
                "status": [one[1] for one in named],
                "reason_code": [one[2] for one in named],
                "bank_reference": Same(""),
            }
            insert_columns(connection, tables.payment_status, columns)

    def _receive(self, connection, bank: str, content: bytes, at: datetime, kind: str, name: str) -> int:  # type: ignore[no-untyped-def]
        file_id = next_ids(connection, "inbound_file", 1)[0]
        connection.execute(
            insert(tables.inbound_file).values(
                id=file_id, bank_code=bank, name=f"{name}.xml", sha256=self.vault.put(content), size=len(content),
                received_at=at, state="STORED",
            )
        )  # fmt: skip
        decided = {"state": "ACCEPTED", "kind": kind, "bank_message_id": name, "decided_at": at}
        connection.execute(update(tables.inbound_file).where(tables.inbound_file.c.id == file_id).values(**decided))
        return int(file_id)


#: Lines 1 to 12 of the small cycle. 1 to 6 AGRI, 7 and 8 VIET, 9 and 10 POST (cash), 11 held, 12 excluded.
SMALL = [
    *(Due(amount=500_000 + line) for line in range(1, 5)),
    Due("HUU", "17329", 750_000),
    Due("HUU", "17329", 1_250_000),
    *(Due(bank="VIET", unit="17329") for _ in range(2)),
    *(Due(bank="POST", channel="cash") for _ in range(2)),
    Due(bank="", disposition="held", reason="several_accounts"),
    Due("HUU", bank="", disposition="excluded", reason="deceased"),
]

DAY = {number: SENT + timedelta(days=number) for number in range(15)}


@pytest.fixture
def days() -> dict[int, datetime]:
    """Moments: 0 is when the files leave, 1 a day later, and so on to 14."""
    return DAY


@pytest.fixture
def make_cycle(database: Database, vault: Vault, sealer: Sealer) -> Callable[..., PaidCycle]:
    def make(dues: Sequence[Due] = SMALL) -> PaidCycle:
        cycle = PaidCycle(database, vault, sealer, dues)
        cycle.approve()
        return cycle

    return make


def a_week_passes(cycle: PaidCycle) -> PaidCycle:
    """Of the small cycle: settled, returned, rejected, cash paid and not collected."""
    cycle.send()
    cycle.says("AGRI", DAY[1], [(1, "ACSP", ""), (2, "ACSP", ""), (4, "RJCT", "AC01")])
    cycle.says("POST", DAY[1], [(9, "CPUC", ""), (10, "RJCT", "CNPC")])
    cycle.books("AGRI", DAY[2], [Booked(1), Booked(2), Booked(3), Booked(5), Booked(6, status="PDNG")])
    cycle.books("VIET", DAY[2], [Booked(7)])
    cycle.books("POST", DAY[2], [Booked(9)])
    cycle.books("AGRI", DAY[4], [Booked(3, is_debit=False, reason="AC04")])
    return cycle


@pytest.fixture
def paid_cycle(make_cycle: Callable[..., PaidCycle]) -> PaidCycle:
    return a_week_passes(make_cycle())


@pytest.fixture(scope="session")
def published_once(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Signer]:
    """The report of the small cycle as of day 5, made once; tests work on copies of it."""
    home = tmp_path_factory.mktemp("published")
    shutil.copyfile(sqlite_template, home / "paysvc.db")
    database = open_database(f"sqlite:///{home / 'paysvc.db'}")
    sealer = open_or_create_sealer(home / "keys.json")
    vault, signer = Vault(home / "vault", sealer), open_or_create_signer(home / "signing-key.pem")
    cycle = PaidCycle(database, vault, sealer, SMALL)
    cycle.approve()
    a_week_passes(cycle)
    publish_report(
        database, vault, signer, registry(), FixedClock(DAY[14]), Officer("auditor.tuan", Role.AUDITOR),
        cycle_code=cycle.code, as_of=DAY[5], folder=home / "report",
    )  # fmt: skip
    database.close()
    return home / "report", signer


@pytest.fixture
def banks() -> BankRegistry:
    return registry()


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return open_or_create_signer(tmp_path / "signing-key.pem")


@pytest.fixture
def publish(database, vault, signer, banks, clock, auditor):  # type: ignore[no-untyped-def]
    """publish(folder, as_of, **more) of the small cycle, by an auditor."""

    def run(folder: Path, as_of: datetime, **more):  # type: ignore[no-untyped-def]
        more.setdefault("cycle_code", "2026-11-BTXH")
        return publish_report(database, vault, signer, banks, clock, auditor, as_of=as_of, folder=folder, **more)

    return run
