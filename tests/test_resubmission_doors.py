"""Paying again and recalling by command and by API: the same answers, roles and refusals."""

from __future__ import annotations

import json

import pytest
from flask.testing import FlaskClient

from paysvc.clock import FixedClock
from paysvc.domain.errors import PaysvcError
from paysvc.sealing import Sealer
from paysvc.store.engine import Database
from paysvc.store.vault import Vault
from tests.doors import Desk, by, let_in
from tests.paying_office import BTXH, PayingOffice
from tests.planned_province import Enrolled


@pytest.fixture
def office(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> PayingOffice:
    made = PayingOffice(database, sealer, vault, clock)
    made.enrol(*[Enrolled({"BTXH": "NANG"})] * 2)
    made.refuse(*made.pay("2026-12"))
    return let_in(made)


# ------------------------------------------------------------------------------------ API


def test_the_api_proposes_shows_and_approves(client: FlaskClient, office: PayingOffice) -> None:
    path = "/cycles/2026-12/resubmissions"
    maker, approver = by(office, "maker.lan", "k1"), by(office, "approver.minh")
    first, second = office.payments_of("2026-12")
    proposed = client.post(path, json={"end_to_end_ids": [first]}, headers=maker)
    assert proposed.status_code == 201
    again = client.post(path, json={"end_to_end_ids": [first]}, headers=maker)
    assert again.get_json() == proposed.get_json(), "a repeated key is answered as the first time"
    assert proposed.get_json()["added"] == 1

    shown = client.get(path, headers=by(office, "auditor.tuan")).get_json()
    assert (shown["figure"], shown["content_sha256"]) == (
        {"count": 1, "amount_vnd": BTXH},
        proposed.get_json()["content_sha256"],
    )
    (one,) = shown["proposals"]
    assert (one["end_to_end_id"], one["state"], one["reason_code"]) == (first, "REJECTED", "AC04")
    assert (one["evidence"].split(":")[0], one["proposed_by"]) == ("status", "maker.lan")

    wrong = client.post(f"{path}/approval", json={"content_sha256": "00" * 32}, headers=approver)
    assert (wrong.status_code, wrong.get_json()["code"]) == (409, "content_changed")
    for name in ("maker.lan", "auditor.tuan", "operator.binh"):
        refused = client.post(
            f"{path}/approval", json={"content_sha256": shown["content_sha256"]}, headers=by(office, name)
        )
        assert refused.status_code == 403
    done = client.post(f"{path}/approval", json={"content_sha256": shown["content_sha256"]}, headers=approver)
    assert (done.status_code, done.get_json()["figure"]["count"], done.get_json()["closed"]) == (200, 1, [])
    assert office.plan("2027-01").arrears.count == 1

    client.post(path, json={}, headers=by(office, "maker.lan"))
    declined = client.post(f"{path}/refusal", json={"reason": "Chờ xã"}, headers=approver)
    assert [one["end_to_end_id"] for one in declined.get_json()["closed"]] == [second]
    nothing = client.post(f"{path}/refusal", json={"reason": "Chờ xã"}, headers=approver)
    assert (nothing.status_code, nothing.get_json()["code"]) == (409, "nothing_proposed")


def test_the_api_recalls(client: FlaskClient, office: PayingOffice) -> None:
    first, _ = office.payments_of("2026-12")
    office.resubmit("2026-12", first)
    office.pay("2027-01", periods=["2026-12"])
    office.book((first, True))
    assert client.post("/recalls", headers=by(office, "maker.lan")).status_code == 403
    asked = client.post("/recalls", headers=by(office, "operator.binh")).get_json()
    assert [one["state"] for one in asked["recalls"]] == ["BY_HAND"]
    assert [one["code"] for one in asked["waiting"]] == ["recall_needs_a_person"]
    (listed,) = client.get("/recalls", headers=by(office, "auditor.tuan")).get_json()
    assert (listed["amount_vnd"], listed["sha256"]) == (BTXH, None)
    (found,) = client.get(
        "/returns/discrepancies?kind=paid_after_resubmission", headers=by(office, "auditor.tuan")
    ).get_json()
    assert found["reference"] == listed["end_to_end_id"]
    assert first in found["detail"]


# ------------------------------------------------------------------------------- commands


def test_the_commands_propose_show_and_approve(desk: Desk, office: PayingOffice) -> None:
    first, second = office.payments_of("2026-12")
    proposed = desk.run("maker.lan", "propose-resubmission", "2026-12", "--payment", first, "-o", "json")
    assert proposed.exit_code == 0, proposed.output
    assert [one["payment"] for one in json.loads(proposed.stdout)] == [first]
    told, digest = proposed.stderr.strip().rsplit(" --hash ", 1)
    assert told.endswith(f"paysvc approve-resubmission 2026-12 --payment {first}")
    shown = desk.run("auditor.tuan", "list-resubmissions", "2026-12", "-o", "json")
    assert json.loads(shown.stdout) == json.loads(proposed.stdout)
    approved = desk.run(
        "approver.minh", "approve-resubmission", "2026-12", "--payment", first, "--hash", digest, "-o", "json"
    )
    assert (approved.exit_code, json.loads(approved.stdout)[0]["decision"]) == (0, "approved")

    assert desk.run("maker.lan", "propose-resubmission", "2026-12", "--reason-code", "AC04").exit_code == 0
    taken_back = desk.run("maker.lan", "decline-resubmission", "2026-12", "--reason", "Chờ xã", "-o", "json")
    assert [one["payment"] for one in json.loads(taken_back.stdout)] == [second]
    for words, code in (
        (("approve-resubmission", "2026-12", "--hash", "no"), "hash_malformed"),
        (("approve-resubmission", "2026-12", "--hash", digest), "nothing_proposed"),
    ):
        failed = desk.run("approver.minh", *words).exception
        assert isinstance(failed, PaysvcError)
        assert failed.code == code


def test_a_proposal_that_was_overtaken_is_told_by_the_exit_code(desk: Desk, office: PayingOffice) -> None:
    first, second = office.payments_of("2026-12")
    proposed = desk.run("maker.lan", "propose-resubmission", "2026-12")
    digest = proposed.stderr.strip().rsplit(" --hash ", 1)[1]
    office.book((first, True))
    decided = desk.run("approver.minh", "approve-resubmission", "2026-12", "--hash", digest, "-o", "json")
    assert decided.exit_code == 5
    assert {one["payment"]: one["decision"] for one in json.loads(decided.stdout)} == {
        first: "not_unpaid",
        second: "approved",
    }


def test_nothing_to_recall_is_told_as_nothing(desk: Desk) -> None:
    done = desk.run("operator.binh", "recall-payments", "-o", "json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, [])
