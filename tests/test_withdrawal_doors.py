"""Withdrawing and closing by command and by API: the same answers, roles and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from paysvc.cli.main import paysvc
from paysvc.clock import FixedClock
from paysvc.domain.errors import PaysvcError
from paysvc.sealing import Sealer
from paysvc.store.engine import Database
from paysvc.store.vault import Vault
from tests.doors import Desk, by, let_in
from tests.paying_office import BTXH, PayingOffice
from tests.planned_province import Enrolled

REASON = "Tên dài hơn tệp của ngân hàng"


@pytest.fixture
def office(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> PayingOffice:
    """A released month of two, of which nothing could be written."""
    made = PayingOffice(database, sealer, vault, clock)
    made.enrol(*[Enrolled({"BTXH": "NANG"})] * 2)
    made.approve(made.plan("2026-12"))
    made.bank().cannot_write = RuntimeError("broken")
    made.send("2026-12")
    made.bank().cannot_write = None
    return let_in(made)


def test_the_api_withdraws_and_closes(client: FlaskClient, office: PayingOffice) -> None:
    path = "/cycles/2026-12/withdrawals"
    first, second = office.payments_of("2026-12")
    wanted = {"end_to_end_ids": [first], "reason": REASON}
    for name in ("maker.lan", "auditor.tuan", "operator.binh"):
        assert client.post(path, json=wanted, headers=by(office, name)).status_code == 403
        assert client.post("/cycles/2026-12/closing", headers=by(office, name)).status_code == 403
    approver = by(office, "approver.minh", "k1")
    done = client.post(path, json=wanted, headers=approver)
    assert done.status_code == 200
    assert done.get_json()["figure"] == {"count": 1, "amount_vnd": BTXH}
    assert len(done.get_json()["dissolved"]) == 1
    again = client.post(path, json=wanted, headers=approver)
    assert again.get_json() == done.get_json(), "a repeated key is answered as the first time"
    anew = client.post(path, json=wanted, headers=by(office, "approver.minh"))
    assert [one["is_new"] for one in anew.get_json()["payments"]] == [False]

    still = client.post("/cycles/2026-12/closing", headers=by(office, "approver.minh"))
    assert (still.status_code, still.get_json()["code"]) == (409, "cycle_open")
    assert "1 payments PLANNED" in still.get_json()["title"]
    missing = client.post(path, json={"reason": REASON}, headers=by(office, "approver.minh"))
    assert (missing.status_code, missing.get_json()["code"]) == (422, "payment_missing")
    rest = client.post(path, json={"bank_code": "AGRI", "reason": REASON}, headers=by(office, "approver.minh"))
    assert [one["end_to_end_id"] for one in rest.get_json()["payments"]] == [second]
    closed = client.post("/cycles/2026-12/closing", headers=by(office, "approver.minh", "k2")).get_json()
    assert (closed["state"], closed["is_new"], closed["outcomes"]["withdrawn"]["count"]) == ("CLOSED", True, 2)
    shown = client.get("/cycles/2026-12/outcomes", headers=by(office, "auditor.tuan")).get_json()
    assert shown == closed["outcomes"]


def test_the_commands_withdraw_and_close(desk: Desk, office: PayingOffice) -> None:
    first, second = office.payments_of("2026-12")
    words = ("withdraw-payments", "2026-12", "--payment", first, "--reason", REASON, "-o", "json")
    done = desk.run("approver.minh", *words)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == [{"payment": first, "amount_vnd": BTXH, "withdrawn": "now"}]
    assert "submit-batches cuts the rest of it anew" in done.stderr
    assert json.loads(desk.run("approver.minh", *words).stdout)[0]["withdrawn"] == "before"
    for name, these, code in (
        ("maker.lan", words, "role_not_allowed"),
        ("approver.minh", ("withdraw-payments", "2026-12", "--reason", REASON), "payment_missing"),
        ("approver.minh", ("withdraw-payments", "2026-12", "--payment", "P1", "--reason", REASON), "payment_unknown"),
        ("approver.minh", ("close-cycle", "2026-12"), "cycle_open"),
        ("approver.minh", ("close-cycle", "2031-01"), "cycle_unknown"),
    ):
        failed = desk.run(name, *these).exception
        assert isinstance(failed, PaysvcError), failed
        assert failed.code == code
    rest = desk.run("approver.minh", "withdraw-payments", "2026-12", "--bank", "AGRI", "--reason", REASON, "-o", "json")
    assert [one["payment"] for one in json.loads(rest.stdout)] == [second]
    closed = desk.run("approver.minh", "close-cycle", "2026-12", "-o", "json")
    assert closed.exit_code == 0, closed.output
    assert {one["outcome"]: one["payments"] for one in json.loads(closed.stdout)} == {
        "settled": 0, "returned": 0, "rejected": 0, "withdrawn": 2,
    }  # fmt: skip
    shown = desk.run("auditor.tuan", "show-cycle", "2026-12", "-o", "json")
    assert {one["outcome"]: one["payments"] for one in json.loads(shown.stdout)}["withdrawn"] == 2


def test_the_help_shows_how(tmp_path: Path) -> None:
    for command in ("withdraw-payments", "close-cycle"):
        shown = CliRunner().invoke(paysvc, ["--home", str(tmp_path), command, "--help"])
        assert shown.exit_code == 0
        assert f"paysvc {command} 2026-12" in shown.output
