"""A small province put into the database column by column, for tests of plans and approvals.

Import and matching have tests of their own; here people are written down as those two leave
them. The banks are the only fakes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

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
from paysvc.clock import Clock
from paysvc.core.messages import BankReturns, Debtor, PaymentBatch
from paysvc.domain.officers import Officer, Role
from paysvc.sealing import Sealer
from paysvc.services.deposit_fund import deposit_fund
from paysvc.services.set_rules import set_rules
from paysvc.store.bulk import Same, insert_columns, next_ids
from paysvc.store.engine import Database
from paysvc.store.tables import (
    account_match,
    bank_account,
    beneficiary,
    beneficiary_version,
    enrolment,
    import_file,
)

ADMINISTRATOR = Officer("administrator.an", Role.ADMINISTRATOR)

AGRIBANK, VIETCOMBANK = "970405", "970436"

RULES = """
[funds.NS]
name = "Ngân sách"
source = "Kho bạc"

[funds.TET]
name = "Quà Tết"
source = "Nghị quyết"

[programmes.BTXH]
name = "Trợ cấp xã hội"
purpose = "SSBE"
fund = "NS"
stacking_group = "THANG"
without_account = "cash"
legal_basis = "Nghị định 20/2021"

[[programmes.BTXH.rates]]
from_period = "2024-07"
standard_vnd = 500000
legal_basis = "Nghị định 76/2024"
coefficients_milli = { NANG = 1500, DON-THAN = 1000 }

[programmes.HTXH]
name = "Hưu trí xã hội"
purpose = "SSBE"
fund = "NS"
stacking_group = "THANG"
without_account = "cash"
legal_basis = "Nghị định 176/2025"

[[programmes.HTXH.rates]]
from_period = "2025-07"
standard_vnd = 500000
legal_basis = "Nghị định 176/2025"
coefficients_milli = { HTXH-75 = 1000 }

[programmes.NCC]
name = "Người có công"
purpose = "GOVT"
fund = "NS"
without_account = "worklist"
legal_basis = "Nghị định 75/2021"

[[programmes.NCC.rates]]
from_period = "2024-07"
standard_vnd = 2789000
legal_basis = "Nghị định 77/2024"
coefficients_milli = { LS1 = 1000 }

[programmes.QUA-TET]
name = "Quà Tết"
kind = "campaign"
purpose = "GOVT"
fund = "TET"
without_account = "cash"
legal_basis = "Nghị quyết 418"

[[programmes.QUA-TET.rates]]
from_period = "2027-01"
to_period = "2027-01"
standard_vnd = 400000
legal_basis = "Nghị quyết 418"
coefficients_milli = { NGUOI = 1000 }
"""


class QuietBank:
    """A bank with which plans are made and nothing is ever exchanged."""

    dialect = "quiet"

    def __init__(self, bank_code: str, options: Mapping[str, str]) -> None:
        self.capabilities = Capabilities(
            channel=Channel(options.get("channel", "account")),
            duplicate_key=DuplicateKey.MESSAGE_ID,
            duplicate_days=30,
            can_enquire=True,
            max_payments=100_000,
            max_amount_vnd=10**15,
        )

    def encode(self, batch: PaymentBatch) -> BankFile:
        raise NotImplementedError

    def parse_returns(self, name: str, content: bytes) -> BankReturns:
        raise NotImplementedError

    def send(self, file: BankFile) -> str:
        raise NotImplementedError

    def enquire(self, file_name: str, message_id: str) -> Enquiry:
        return Enquiry(SendState.STILL_UNKNOWN)

    def fetch(self, seen: SeenFiles) -> Iterator[FetchedFile]:
        return iter(())


def bank(code: str, serves: Sequence[str] = (), channel: str = "account", is_default: bool = False) -> Bank:
    options = {"channel": channel}
    settings = BankSettings(
        code=code,
        name=code,
        adapter="quiet",
        debtor=Debtor("KHO BAC", "3713010001", AGRIBANK),
        serves_bins=frozenset(serves),
        is_default_route=is_default,
        options=options,
    )
    return Bank(settings, QuietBank(code, options), "tests")


#: Agribank pays its own accounts, Vietcombank everybody else's, the post office at the counter.
BANKS = BankRegistry(
    [bank("AGRI", [AGRIBANK]), bank("VCB", [VIETCOMBANK], is_default=True), bank("POST", channel="cash")]
)


@dataclass(frozen=True)
class Enrolled:
    """One person in programmes: `programmes` maps a code to its category."""

    programmes: Mapping[str, str]
    outcome: str | None = "matched"
    bin: str = AGRIBANK
    channel: str = "account"
    from_period: str = "2026-01"
    to_period: str | None = None
    unit: str = "16681"
    name: str = "Nguyễn Thị Hoa"


class Province:
    """Writes people, rules and money, and remembers who is who."""

    def __init__(self, database: Database, sealer: Sealer, clock: Clock, *, fund_vnd: int = 10**12) -> None:
        self.database, self.sealer, self.clock = database, sealer, clock
        self._numbers = count(1)
        set_rules(database, clock, ADMINISTRATOR, name="rules.toml", content=RULES.encode())
        if fund_vnd:
            for fund in ("NS", "TET"):
                deposit_fund(
                    database, clock, ADMINISTRATOR, fund_code=fund, amount_vnd=fund_vnd, reference="Lệnh 1/2026"
                )
        with database.write() as connection:
            self._file_id = next_ids(connection, "import_file", 1)[0]
            zero = dict.fromkeys(("size", "rows", "added", "changed", "unchanged", "refused", "warned"), Same(0))
            insert_columns(
                connection,
                import_file,
                {
                    "id": [self._file_id],
                    "kind": Same("beneficiaries"),
                    "name": Same("danh-sach.csv"),
                    "sha256": Same(bytes(32)),
                    "imported_at": Same(clock.now()),
                    "actor": Same("maker.lan"),
                    **zero,
                },
            )

    def add(self, *people: Enrolled) -> list[int]:
        """Write these people down; returns their beneficiary ids."""
        if not people:
            return []
        now, n = self.clock.now(), len(people)
        numbers = [f"0402{next(self._numbers):08d}" for _ in people]
        origin = {"valid_from": Same(now), "row_digest": Same(bytes(32)), "import_file_id": Same(self._file_id)}
        with self.database.write() as connection:
            ids = list(next_ids(connection, "beneficiary", n))
            keys = self.sealer.blind_index("citizen_id", numbers)
            insert_columns(
                connection,
                beneficiary,
                {
                    "id": ids,
                    "citizen_key": keys,
                    "citizen_id_sealed": self.sealer.seal_column("beneficiary", "citizen_id_sealed", ids, numbers),
                    "created_at": Same(now),
                },
            )
            insert_columns(
                connection,
                beneficiary_version,
                {
                    "id": next_ids(connection, "beneficiary_version", n),
                    "beneficiary_id": ids,
                    "full_name": [person.name for person in people],
                    # Nobody is alike: people of one name, birth and commune wait for an officer.
                    "birth": [f"19{n // 28 % 99:02d}-01-{n % 28 + 1:02d}" for n in map(int, numbers)],
                    "sex": Same("female"),
                    "unit_code": [person.unit for person in people],
                    **origin,
                },
            )
            rows = [
                (i, person, *each) for i, person in zip(ids, people, strict=True) for each in person.programmes.items()
            ]
            insert_columns(
                connection,
                enrolment,
                {
                    "id": next_ids(connection, "enrolment", len(rows)),
                    "beneficiary_id": [row[0] for row in rows],
                    "programme_code": [row[2] for row in rows],
                    "category": [row[3] for row in rows],
                    "from_period": [row[1].from_period for row in rows],
                    "to_period": [row[1].to_period for row in rows],
                    "channel": [row[1].channel for row in rows],
                    "decision_number": Same("1/QĐ-UBND"),
                    **origin,
                },
            )
            account_ids = list(next_ids(connection, "bank_account", n))
            accounts = [f"{person.bin}:{number[-9:]}" for person, number in zip(people, numbers, strict=True)]
            insert_columns(
                connection,
                bank_account,
                {
                    "id": account_ids,
                    "bank_bin": [person.bin for person in people],
                    "account_key": self.sealer.blind_index("account", accounts),
                    "account_sealed": self.sealer.seal_column("bank_account", "account_sealed", account_ids, accounts),
                    "holder_key": keys,
                    "holder_id_kind": Same("citizen_id"),
                    "holder_name": Same("NGUYEN THI HOA"),
                    "status": Same("active"),
                    "currency": Same("VND"),
                    "registered_on": Same(""),
                    **origin,
                },
            )
            looked_at = [
                (i, person.outcome, account if person.outcome == "matched" else None)
                for i, person, account in zip(ids, people, account_ids, strict=True)
                if person.outcome is not None
            ]
            if looked_at:
                insert_columns(
                    connection,
                    account_match,
                    {
                        "id": next_ids(connection, "account_match", len(looked_at)),
                        "beneficiary_id": [row[0] for row in looked_at],
                        "outcome": [row[1] for row in looked_at],
                        "account_id": [row[2] for row in looked_at],
                        "name_level": Same("MATCH"),
                        "evidence": Same("{}"),
                        "facts_digest": Same(bytes(32)),
                        "decided_by": Same("match-accounts"),
                        "reason": Same(""),
                        "valid_from": Same(now),
                    },
                )
        return ids
