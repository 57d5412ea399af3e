"""The same request again is one effect: at once, much later, by many, and with anything else about it changed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from paysvc.clock import FixedClock
from paysvc.config import read_settings
from paysvc.domain.officers import Role
from paysvc.services.manage_officers import FIRST_START, add_officer, create_token
from paysvc.store import ledger
from paysvc.store.tables import fund, ledger_transaction
from paysvc.web.app import create_app
from paysvc.wiring import Wiring, wire

DEPOSIT = {"amount_vnd": 5_000_000, "reference": "2026-12/KB-01"}


class Office:
    """An API with one fund, and administrators with a token each."""

    def __init__(self, wired: Wiring, clock: FixedClock) -> None:
        self.wired, self.clock = wired, clock
        self.app: Flask = create_app(wired)
        self.chief = add_officer(wired.database, clock, FIRST_START, officer_id="chief", role=Role.ADMINISTRATOR)
        add_officer(wired.database, clock, self.chief, officer_id="second", role=Role.ADMINISTRATOR)
        with wired.database.write() as connection:
            connection.execute(fund.insert(), [{"code": one, "name": one, "source": "test"} for one in ("NS", "TET")])

    def token(self, officer_id: str = "chief") -> str:
        return create_token(self.wired.database, self.clock, self.chief, officer_id=officer_id)

    def deposit(self, token: str, key: str = "k1", code: str = "NS", **changed: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
        body = {**DEPOSIT, **changed}
        return self.app.test_client().post(f"/funds/{code}/deposits", json=body, headers=headers)

    def deposits(self) -> int:
        with self.wired.database.read() as connection:
            of_kind = select(func.count()).where(ledger_transaction.c.kind == "deposit")
            return int(connection.execute(of_kind).scalar_one())

    def balance(self, code: str = "NS") -> int:
        with self.wired.database.read() as connection:
            found = {one.account: one.amount_vnd for one in ledger.trial_balance(connection)[0]}
        return found.get(ledger.fund(code), 0)


@pytest.fixture
def office(tmp_path: Path, database_url: str, clock: FixedClock) -> Iterator[Office]:
    made = wire(read_settings(home=tmp_path / "home", database_url=database_url), clock)
    yield Office(made, clock)
    made.close()


@pytest.mark.parametrize(
    "later", [timedelta(0), timedelta(hours=24, seconds=1), timedelta(days=31), timedelta(days=400)], ids=str
)
def test_a_replay_is_answered_as_the_first_time_however_late(office: Office, later: timedelta) -> None:
    first = office.deposit(office.token())
    office.clock.advance(later)
    # Tokens end, officers stay: the key is the officer's, not the token's.
    again = office.deposit(office.token())
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.get_json() == again.get_json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (office.deposits(), office.balance()) == (1, 5_000_000)


def test_a_hundred_at_once_are_one(office: Office) -> None:
    token = office.token()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: office.deposit(token), range(100)))
    codes = {answer.status_code for answer in answers}
    # Whoever came while the first was at work is told so, and may ask again.
    assert codes <= {201, 409}
    assert 201 in codes
    assert {one.get_json()["code"] for one in answers if one.status_code == 409} <= {"request_at_work"}
    assert len({one.get_data() for one in answers if one.status_code == 201}) == 1
    assert (office.deposits(), office.balance()) == (1, 5_000_000)
    assert office.deposit(token).status_code == 201


def test_a_hundred_at_once_by_two_officers_on_two_routes_with_two_bodies_are_two_deposits(office: Office) -> None:
    """Whatever comes first under a key on a route holds; everything else about it is refused or waits."""
    tokens, codes, amounts = [office.token(), office.token("second")], ("NS", "TET"), (5_000_000, 5_000_001)
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(
                lambda n: office.deposit(tokens[n % 2], code=codes[n // 2 % 2], amount_vnd=amounts[n // 4 % 2]),
                range(100),
            )
        )
    assert {one.status_code for one in answers} <= {201, 409, 422}
    # The other officer's key is another; that officer meets the reference, which was used for another amount.
    refusals = {one.get_json()["code"] for one in answers if one.status_code != 201}
    assert refusals <= {"request_at_work", "idempotency_key_reused", "ledger_reference_reused"}
    assert office.deposits() == 2
    assert {office.balance("NS"), office.balance("TET")} <= set(amounts)


def test_two_officers_with_one_key_are_two_requests_and_one_deposit(office: Office) -> None:
    """The key is each officer's own; that the money is booked once follows from the treasury's reference."""
    first, second = office.deposit(office.token()), office.deposit(office.token("second"))
    assert (first.get_json()["is_new"], second.get_json()["is_new"]) == (True, False)
    assert "Idempotent-Replayed" not in second.headers
    assert (office.deposits(), office.balance()) == (1, 5_000_000)


def test_one_key_on_two_routes_is_two_requests(office: Office) -> None:
    token = office.token()
    first, second = office.deposit(token), office.deposit(token, code="TET")
    assert (first.get_json()["fund_code"], second.get_json()["fund_code"]) == ("NS", "TET")
    assert (office.balance("NS"), office.balance("TET")) == (5_000_000, 5_000_000)


@pytest.mark.parametrize("changed", [{"amount_vnd": 5_000_001}, {"reference": "2026-12/KB-02"}])
@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=31)], ids=str)
def test_another_body_under_the_key_is_refused(office: Office, changed: dict[str, Any], later: timedelta) -> None:
    office.deposit(office.token())
    office.clock.advance(later)
    refused = office.deposit(office.token(), **changed)
    assert (refused.status_code, refused.get_json()["code"]) == (422, "idempotency_key_reused")
    assert (office.deposits(), office.balance()) == (1, 5_000_000)


def test_who_died_at_it_does_not_hold_the_key_for_ever(office: Office) -> None:
    """The key was taken and no answer kept, as after a kill; the effect may have been made or not."""
    token = office.token()
    office.deposit(token)
    with office.wired.database.write() as connection:
        connection.exec_driver_sql("UPDATE idempotency_key SET status = 0, response = ''")
    assert office.deposit(token).get_json()["code"] == "request_at_work"
    office.clock.advance(timedelta(minutes=31))
    assert office.deposit(token).get_json()["is_new"] is False
    assert (office.deposits(), office.balance()) == (1, 5_000_000)
