"""Who may do what, and tokens that are shown once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from paysvc.clock import FixedClock
from paysvc.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from paysvc.domain.officers import PERMISSIONS, Officer, Role, require
from paysvc.services.manage_officers import FIRST_START, add_officer, create_token, disable_officer, sign_in
from paysvc.store.engine import Database
from paysvc.store.tables import officer_token


@pytest.fixture
def chief(database: Database, clock: FixedClock) -> Officer:
    return add_officer(database, clock, FIRST_START, officer_id="chief", role=Role.ADMINISTRATOR)


def test_no_role_both_makes_and_approves() -> None:
    for role in Role:
        assert not (role in PERMISSIONS["submit-plan"] and role in PERMISSIONS["approve-plan"])
    assert Role.ADMINISTRATOR not in PERMISSIONS["approve-plan"]
    assert Role.SYSTEM not in PERMISSIONS["approve-plan"]


def test_what_is_not_listed_nobody_may() -> None:
    for role in Role:
        with pytest.raises(NotAllowed):
            require(Officer("somebody", role), "print-money")


def test_the_first_start_makes_one_administrator_and_nothing_else(database: Database, clock: FixedClock) -> None:
    with pytest.raises(NotAllowed):
        add_officer(database, clock, FIRST_START, officer_id="lan", role=Role.MAKER)
    add_officer(database, clock, FIRST_START, officer_id="chief", role=Role.ADMINISTRATOR)
    with pytest.raises(NotAllowed):
        add_officer(database, clock, FIRST_START, officer_id="chief2", role=Role.ADMINISTRATOR)


def test_a_token_signs_in_until_it_ends(database: Database, clock: FixedClock, chief: Officer) -> None:
    token = create_token(database, clock, chief, officer_id="chief", days=1)
    assert sign_in(database, clock, token) == chief
    clock.advance(timedelta(days=1))
    with pytest.raises(NotAllowed):
        sign_in(database, clock, token)


def test_a_token_cannot_be_read_back(database: Database, clock: FixedClock, chief: Officer) -> None:
    token = create_token(database, clock, chief, officer_id="chief")
    with database.read() as connection:
        [row] = connection.execute(select(officer_token))
    assert token.encode() not in b"".join(str(value).encode() for value in row)


def test_disabling_ends_every_token_at_once(database: Database, clock: FixedClock, chief: Officer) -> None:
    add_officer(database, clock, chief, officer_id="lan", role=Role.MAKER)
    token = create_token(database, clock, chief, officer_id="lan")
    disable_officer(database, clock, chief, officer_id="lan")
    with pytest.raises(NotAllowed):
        sign_in(database, clock, token)
    with pytest.raises(NotFound):
        create_token(database, clock, chief, officer_id="lan")


def test_only_an_administrator_manages_officers(
    database: Database, clock: FixedClock, chief: Officer, maker: Officer
) -> None:
    with pytest.raises(NotAllowed):
        add_officer(database, clock, maker, officer_id="friend", role=Role.APPROVER)
    with pytest.raises(Conflict):
        add_officer(database, clock, chief, officer_id="chief", role=Role.MAKER)
    for wrong in ("", "A", "x y", "system", "-x"):
        with pytest.raises(InvalidInput):
            add_officer(database, clock, chief, officer_id=wrong, role=Role.MAKER)
    with pytest.raises(InvalidInput):
        add_officer(database, clock, chief, officer_id="robot", role=Role.SYSTEM)
