"""The whole story with a bank that shares no code with us: refused, paid again, booked after all, taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bank_adapters.iso20022 import Iso20022Adapter
from paysvc.bank_interface import BankSettings
from paysvc.bank_registry import Bank, BankRegistry
from paysvc.clock import FixedClock
from paysvc.core.messages import Debtor
from paysvc.domain.disbursement import Figure
from paysvc.domain.officers import Officer, Role
from paysvc.domain.recalling import RecallState
from paysvc.sealing import Sealer
from paysvc.services.check_books import check_books
from paysvc.services.collect_returns import collect_returns
from paysvc.services.publish_report import publish_report
from paysvc.services.recall_payments import recall_payments
from paysvc.services.reconcile_returns import reconcile_returns
from paysvc.signing import open_or_create_signer
from paysvc.store import recalls
from paysvc.store.engine import Database
from paysvc.store.vault import Vault
from paysvc.verify_report import State, verify_report
from tests.mock_bank_program import ACCOUNT, Program, running
from tests.paying_office import BTXH, SYSTEM, PayingOffice
from tests.planned_province import AGRIBANK

AUDITOR = Officer("auditor.tuan", Role.AUDITOR)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with running(tmp_path / "bank", "iso", "--date", "2026-11-23") as program:
        program.ask("misbehave", return_rate=0, late_rate=0, reject_rate=1, recall_decline_rate=0)
        yield program


@pytest.fixture
def office(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock, program: Program) -> PayingOffice:
    told = program.told
    door = {"host": "127.0.0.1", **{name: str(told[name]) for name in ("port", "user", "password", "host_key")}}
    settings = BankSettings(
        "AGRI", "Agribank", "iso20022", Debtor("KHO BAC", ACCOUNT, AGRIBANK), frozenset({AGRIBANK}), True
    )
    made = PayingOffice(
        database, sealer, vault, clock, BankRegistry([Bank(settings, Iso20022Adapter("AGRI", door), "tests")])
    )
    made.enrol()
    return made


def the_bank_works(office: PayingOffice, program: Program, day: datetime) -> dict[str, Any]:
    """Up to and including this day; then we fetch what it put out, and decide about it."""
    done = program.ask("day", date=day.date().isoformat())
    office.clock.set(day + timedelta(hours=12))
    collect_returns(office.database, office.vault, office.banks, office.clock, SYSTEM)
    decided = reconcile_returns(office.database, office.vault, office.banks, office.clock, SYSTEM)
    assert {file.state for file in decided.files} <= {"ACCEPTED"}, decided
    return done


def outcomes_at(program: Program) -> dict[str, str]:
    """End-to-end id -> what became of the payment, by the bank's own books."""
    rows = [line.split(",") for line in program.control.get("/control/payments.csv").text.splitlines()[1:]]
    return {row[0]: row[4] for row in rows}


def report(office: PayingOffice, cycle: str, folder: Path) -> dict[str, Any]:
    """The published report, after everybody could have verified it."""
    signer = open_or_create_signer(folder.parent / "key.pem")
    publish_report(
        office.database, office.vault, signer, office.banks, office.clock, AUDITOR,
        cycle_code=cycle, as_of=office.clock.now(), folder=folder,
    )  # fmt: skip
    judged = verify_report(folder, signer.public_pem)
    assert {part.state for part in judged.parts} == {State.HOLDS}, judged
    content: dict[str, Any] = json.loads((folder / "report.json").read_bytes())
    return content


def test_refused_paid_again_booked_after_all_and_taken_back(
    office: PayingOffice, program: Program, tmp_path: Path
) -> None:
    (first,) = office.pay("2026-12")
    the_bank_works(office, program, datetime(2026, 12, 7, tzinfo=UTC))
    assert office.state_of(first) == "REJECTED"

    assert office.resubmit("2026-12").figure == Figure(1, BTXH)
    program.ask("misbehave", reject_rate=0)
    (second,) = office.pay("2027-01", periods=["2026-12"])
    the_bank_works(office, program, datetime(2027, 1, 5, tzinfo=UTC))
    assert (office.state_of(second), office.discrepancies()) == ("SETTLED", [])
    before = report(office, "2026-12", tmp_path / "before")
    assert [one["replaced_by"] for one in before["resubmissions"]] == [second]
    assert before["recalls"] == []

    program.ask("misbehave", settle_rejected=[first])
    the_bank_works(office, program, datetime(2027, 1, 6, tzinfo=UTC))
    assert office.state_of(first) == "SETTLED"
    assert office.discrepancies() == [("paid_after_resubmission", second)]
    assert office.paid_vnd() == 2 * BTXH

    asked = recall_payments(office.database, office.vault, office.banks, office.clock, SYSTEM)
    assert ([one.state for one in asked.recalls], asked.waiting) == ([RecallState.SENT], ())
    midway = report(office, "2027-01", tmp_path / "midway")
    assert [(one["end_to_end_id"], one["state"]) for one in midway["recalls"]] == [(second, "sent")]
    done = the_bank_works(office, program, datetime(2027, 1, 7, tzinfo=UTC))
    assert (done["taken"]["recalls"], done["booked"]["return"]["count"]) == (1, 1)
    with office.database.read() as connection:
        (recalled,) = recalls.list_recalls(connection)
    assert recalled.state is RecallState.ACCEPTED
    assert (office.state_of(first), office.state_of(second)) == ("SETTLED", "RETURNED")
    assert (office.paid_vnd(), office.discrepancies()) == (BTXH, [])

    # Everybody's books: ours by every equation, with the files; the bank's own; the reports.
    check_books(office.database, office.vault, office.banks, office.clock, SYSTEM).require_agreement()
    assert outcomes_at(program) == {first: "paid", second: "returned"}
    assert program.ask("ledger")["integrity"] == "ok"
    for cycle, outcome in (("2026-12", "settled"), ("2027-01", "returned")):
        content = report(office, cycle, tmp_path / cycle)
        assert content["totals"][outcome] == {"count": 1, "amount_vnd": BTXH}
        (again,) = content["resubmissions"]
        assert (again["end_to_end_id"], again["replaced_by"], again["state"]) == (first, second, "approved")
        assert (again["proposed_by"], again["decided_by"]) == ("maker.lan", "approver.minh")
        assert (again["unpaid"], again["evidence"]) == ("rejected", "status")
        (taken_back,) = content["recalls"]
        assert (taken_back["end_to_end_id"], taken_back["state"]) == (second, "accepted")
        assert taken_back["file_sha256"] == (recalled.sha256 or b"").hex()
    # Nobody is owed anything now, and what was said at an earlier moment is said again to the byte.
    assert office.plan("2027-02").arrears == Figure(0, 0)
    office.clock.set(datetime(2027, 2, 1, tzinfo=UTC))
    signer = open_or_create_signer(tmp_path / "key.pem")
    again_folder = tmp_path / "midway-again"
    publish_report(
        office.database, office.vault, signer, office.banks, office.clock, AUDITOR,
        cycle_code="2027-01", as_of=datetime.fromisoformat(midway["as_of"]), folder=again_folder,
    )  # fmt: skip
    for name in ("report.json", "report.pdf"):
        assert (again_folder / name).read_bytes() == (tmp_path / "midway" / name).read_bytes()


def test_what_the_bank_has_not_booked_yet_is_cancelled(office: PayingOffice, program: Program) -> None:
    """Its CANC has the reason of our request, DUPL, and is no word about a second copy of the file."""
    (first,) = office.pay("2026-12")
    the_bank_works(office, program, datetime(2026, 12, 7, tzinfo=UTC))
    office.resubmit("2026-12")
    program.ask("misbehave", reject_rate=0, settle_rejected=[first])
    office.clock.set(datetime(2026, 12, 8, 11, 30, tzinfo=UTC))  # after the bank's hour: it is for the next day
    (second,) = office.pay("2027-01", periods=["2026-12"])
    the_bank_works(office, program, datetime(2026, 12, 8, tzinfo=UTC))
    assert (office.state_of(first), office.state_of(second)) == ("SETTLED", "SENT")
    recall_payments(office.database, office.vault, office.banks, office.clock, SYSTEM)
    the_bank_works(office, program, datetime(2026, 12, 9, tzinfo=UTC))
    with office.database.read() as connection:
        (recalled,) = recalls.list_recalls(connection)
    assert recalled.state is RecallState.ACCEPTED
    assert (office.state_of(first), office.state_of(second)) == ("SETTLED", "REJECTED")
    assert (office.paid_vnd(), office.discrepancies()) == (BTXH, [])
    check_books(office.database, office.vault, office.banks, office.clock, SYSTEM).require_agreement()
    assert outcomes_at(program) == {first: "paid", second: "rejected"}
    assert office.plan("2027-02").arrears == Figure(0, 0), "it is paid by the first"


def test_a_bank_that_refuses_to_give_it_back_leaves_it_to_people(office: PayingOffice, program: Program) -> None:
    (first,) = office.pay("2026-12")
    the_bank_works(office, program, datetime(2026, 12, 7, tzinfo=UTC))
    office.resubmit("2026-12")
    program.ask("misbehave", reject_rate=0, recall_decline_rate=1, settle_rejected=[first])
    (second,) = office.pay("2027-01", periods=["2026-12"])
    the_bank_works(office, program, datetime(2027, 1, 6, tzinfo=UTC))
    recall_payments(office.database, office.vault, office.banks, office.clock, SYSTEM)
    the_bank_works(office, program, datetime(2027, 1, 8, tzinfo=UTC))
    with office.database.read() as connection:
        (recalled,) = recalls.list_recalls(connection)
    assert (recalled.state, recalled.answer_code) == (RecallState.DECLINED, "CUST")
    assert office.discrepancies() == [("paid_after_resubmission", second)]
    check_books(office.database, office.vault, office.banks, office.clock, SYSTEM).require_agreement()
