"""A payment of which the bank says what excludes itself: in the list, in the report, in no second payment."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from paysvc.clock import FixedClock
from paysvc.domain.errors import Conflict
from paysvc.domain.officers import Officer, Role
from paysvc.sealing import Sealer
from paysvc.services.check_books import check_books
from paysvc.services.publish_report import publish_report
from paysvc.signing import open_or_create_signer
from paysvc.store import listings, outcomes
from paysvc.store.cycles import get_cycle
from paysvc.store.engine import Database
from paysvc.store.vault import Vault
from paysvc.verify_report import State, verify_report
from tests.paying_office import BTXH, SYSTEM, PayingOffice
from tests.payment_world import status_file

AUDITOR = Officer("auditor.tuan", Role.AUDITOR)


@pytest.fixture
def office(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> PayingOffice:
    made = PayingOffice(database, sealer, vault, clock)
    made.enrol()
    return made


def report(office: PayingOffice, folder: Path) -> dict[str, Any]:
    """The report: it is published only when rows and files agree about every figure and line."""
    office.clock.advance(timedelta(hours=1))
    signer = open_or_create_signer(folder.parent / "key.pem")
    publish_report(
        office.database, office.vault, signer, office.banks, office.clock, AUDITOR,
        cycle_code="2026-12", as_of=office.clock.now(), folder=folder,
    )  # fmt: skip
    # Files in the tests' own format are not read again by who verifies.
    states = {part.state for part in verify_report(folder, signer.public_pem).parts}
    assert states <= {State.HOLDS, State.NOT_CHECKED}
    content: dict[str, Any] = json.loads((folder / "report.json").read_bytes())
    return content


def outcome(office: PayingOffice, word: str) -> int:
    with office.database.read() as connection:
        found = outcomes.outcomes_of_cycle(connection, get_cycle(connection, "2026-12").id)
    return int(getattr(found, word).amount_vnd)


def shown(content: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["kind"], one["state"]) for one in content["discrepancies"]]


def test_said_to_be_paid_and_refused_in_one_file(office: PayingOffice, tmp_path: Path) -> None:
    (one,) = office.pay("2026-12")
    (batch,) = office.send("2026-12").batches
    office.receive(
        status_file("S1", batch.message_id, [(one, "ACSC", "", "")], [(batch.message_id, None, "RJCT", "AM04")])
    )
    assert (office.state_of(one), office.discrepancies()) == ("DISPUTED", [("disputed", one)])
    with pytest.raises(Conflict):
        office.resubmit("2026-12", one)
    with office.database.read() as connection:
        (listed,) = listings.list_discrepancies(connection, kind="disputed")
    assert (listed["reference"], listed["amount_vnd"], listed["resolved_at"]) == (one, BTXH, None)
    content = report(office, tmp_path / "disputed")
    # Refused and nothing booked: where it stands; that nobody may rest on it, stands beside it.
    assert content["totals"]["rejected"]["amount_vnd"] == outcome(office, "rejected") == BTXH
    assert shown(content) == [("disputed", "open")]

    office.book((one, True))
    assert (office.state_of(one), office.discrepancies()) == ("SETTLED", [])
    assert office.discrepancies(resolved=True) == [("disputed", one)]
    assert shown(report(office, tmp_path / "settled")) == [("disputed", "resolved")]
    check_books(office.database, office.vault, office.banks, office.clock, SYSTEM).require_agreement()


def test_a_part_that_came_back(office: PayingOffice, tmp_path: Path) -> None:
    (one,) = office.pay("2026-12")
    office.book((one, True))
    office.book((one, False), amount=BTXH - 250_000)
    assert office.state_of(one) == "DISPUTED"
    assert office.discrepancies() == [("amount_mismatch", one), ("disputed", one)]
    assert office.paid_vnd() == 250_000
    with pytest.raises(Conflict):
        office.resubmit("2026-12", one)
    check_books(office.database, office.vault, office.banks, office.clock, SYSTEM).require_agreement()
    content = report(office, tmp_path / "part")
    assert content["totals"]["settled"]["amount_vnd"] == outcome(office, "settled") == BTXH
    assert shown(content) == [("amount_mismatch", "open"), ("disputed", "open")]

    office.book((one, False), amount=250_000)
    assert office.state_of(one) == "RETURNED"
    assert ("disputed", one) not in office.discrepancies()
    assert shown(report(office, tmp_path / "rest")) == [("amount_mismatch", "open"), ("disputed", "resolved")]
    check_books(office.database, office.vault, office.banks, office.clock, SYSTEM).require_agreement()
