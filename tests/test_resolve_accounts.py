"""Accounts looked up by citizen ID through the API: who may, what is told, what is kept of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from werkzeug.test import TestResponse

from paysvc.clock import FixedClock
from paysvc.config import read_settings
from paysvc.domain.identifiers import malformed_citizen_ids
from paysvc.domain.officers import PERMISSIONS, Officer, Role
from paysvc.services.manage_officers import FIRST_START, add_officer, create_token
from paysvc.services.match_accounts import match_accounts
from paysvc.store import audit_trail
from paysvc.store.tables import audit_event
from paysvc.web.api.matching import ResolutionSchema
from paysvc.web.app import create_app
from paysvc.wiring import Wiring, wire

from .finished_month import Demo
from .listed_registry import AN_ID, BREH_ID, HOA_ID, MAI_ID, Registry

Ask = Callable[..., TestResponse]

UNMATCHED_ID, NOBODYS_ID = "040150000009", "040150999999"

#: What has to be said of each: outcome, BIN, masked number.
TOLD = {
    HOA_ID: ("matched", "970405", "••••0001"),
    AN_ID: ("name_close", "970405", "••••01"),
    MAI_ID: ("several_accounts", "", ""),
    BREH_ID: ("name_mismatch", "970405", "••••0004"),
    UNMATCHED_ID: ("not_matched", "", ""),
    NOBODYS_ID: ("not_registered", "", ""),
}


@pytest.fixture
def wired(tmp_path: Path, database_url: str, clock: FixedClock) -> Iterator[Wiring]:
    made = wire(read_settings(home=tmp_path / "home", database_url=database_url), clock)
    yield made
    made.close()


@pytest.fixture
def registry(wired: Wiring, clock: FixedClock, maker: Officer) -> Registry:
    """Four people of four outcomes, and one who came after the matching."""
    made = Registry(wired.database, wired.sealer, clock)
    made.add_people(
        (HOA_ID, "Nguyễn Thị Hoà", "1950-03-04", "female"),
        (AN_ID, "Trần Văn An", "1950", "male"),
        (MAI_ID, "Hồ Thị Mai", "1950-01-01", "female"),
        (BREH_ID, "K'Brể", "1950-01-01", "male"),
    )
    made.add_account(HOA_ID, "NGUYEN THI HOA", "0011000001")
    made.add_account(AN_ID, "TRAN AN", "0011001")
    made.add_account(MAI_ID, "HO THI MAI", "0011000003")
    made.add_account(MAI_ID, "LE VAN BA", "0011000033")
    made.add_account(BREH_ID, "LE VAN BON", "0011000004")
    match_accounts(wired.database, wired.sealer, clock, maker)
    made.add_people((UNMATCHED_ID, "Lê Thị Lan", "1950", "female"))
    return made


@pytest.fixture
def tokens(wired: Wiring) -> dict[Role, str]:
    chief = add_officer(wired.database, wired.clock, FIRST_START, officer_id="chief", role=Role.ADMINISTRATOR)
    for role in set(Role) - {Role.SYSTEM, Role.ADMINISTRATOR}:
        add_officer(wired.database, wired.clock, chief, officer_id=f"the-{role}", role=role)
    named = {role: f"the-{role}" for role in set(Role) - {Role.SYSTEM, Role.ADMINISTRATOR}}
    named[Role.ADMINISTRATOR] = "chief"
    return {role: create_token(wired.database, wired.clock, chief, officer_id=name) for role, name in named.items()}


@pytest.fixture
def ask(wired: Wiring, registry: Registry, tokens: dict[Role, str]) -> Ask:
    """Asks through the API, as a maker unless said otherwise."""
    app = create_app(wired)

    def resolve(citizen_ids: Any, role: Role = Role.MAKER) -> TestResponse:
        client: FlaskClient = app.test_client()
        headers = {"Authorization": f"Bearer {tokens[role]}"}
        return client.post("/accounts/resolve", json={"citizen_ids": citizen_ids}, headers=headers)

    return resolve


def told(answer: TestResponse) -> list[tuple[str, str, str]]:
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return [(one["outcome"], one["bank_bin"], one["account"]) for one in answer.get_json()]


def events(wired: Wiring) -> list[Any]:
    with wired.database.read() as connection:
        assert audit_trail.first_broken_event(connection) is None
        return list(connection.execute(select(audit_event).where(audit_event.c.verb == "resolve-accounts")))


def test_each_is_answered_in_its_place(ask: Ask) -> None:
    asked = [MAI_ID, NOBODYS_ID, HOA_ID, AN_ID, UNMATCHED_ID, HOA_ID, BREH_ID]
    assert told(ask(asked)) == [TOLD[one] for one in asked]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(st.sampled_from(list(TOLD)), min_size=1, max_size=40))
def test_any_selection_is_answered_like_one_at_a_time(ask: Ask, asked: list[str]) -> None:
    assert told(ask(asked)) == [TOLD[one] for one in asked]


def test_the_answer_is_what_its_schema_says(ask: Ask) -> None:
    schema = ResolutionSchema(many=True)
    answer = ask(list(TOLD)).get_json()
    assert schema.dump(schema.load(answer)) == answer


def test_a_thousand_are_answered_and_no_more(ask: Ask, wired: Wiring) -> None:
    assert told(ask([HOA_ID, NOBODYS_ID] * 500)) == [TOLD[HOA_ID], TOLD[NOBODYS_ID]] * 500
    refused = ask([HOA_ID] * 1_001)
    assert (refused.status_code, list(refused.get_json()["fields"]["json"])) == (422, ["citizen_ids"])
    assert ask([]).status_code == 422
    assert len(events(wired)) == 1


@pytest.mark.parametrize("wrong", ["", "40150000001", "0401500000011", "04015000000a", "०40150000001", f"{HOA_ID}\n"])
def test_a_malformed_id_is_named_by_its_place_and_nothing_is_looked_up(ask: Ask, wired: Wiring, wrong: str) -> None:
    refused = ask([HOA_ID, wrong, MAI_ID, wrong])
    problem = refused.get_json()
    assert (refused.status_code, problem["code"]) == (422, "citizen_id_malformed")
    assert problem["place"] == "citizen_ids[1], citizen_ids[3]"
    assert HOA_ID not in refused.get_data(as_text=True)
    assert events(wired) == []


@pytest.mark.parametrize("wrong", [None, 40150000001, [HOA_ID], True])
def test_what_is_no_text_is_named_by_its_place(ask: Ask, wrong: Any) -> None:
    refused = ask([HOA_ID, wrong])
    assert (refused.status_code, list(refused.get_json()["fields"]["json"]["citizen_ids"])) == (422, ["1"])


@pytest.mark.parametrize("wrong", [None, HOA_ID, {HOA_ID: HOA_ID}])
def test_what_is_no_list_is_refused(ask: Ask, wrong: Any) -> None:
    assert ask(wrong).status_code == 422


@given(texts=st.lists(st.one_of(st.from_regex(r"[0-9]{10,14}", fullmatch=True), st.text(max_size=26))))
def test_malformed_are_all_but_twelve_ascii_digits(texts: list[str]) -> None:
    well_formed = {n for n, text in enumerate(texts) if len(text) == 12 and text.isascii() and text.isdigit()}
    assert set(malformed_citizen_ids(texts)) == set(range(len(texts))) - well_formed


def test_only_some_roles_may_ask(ask: Ask, wired: Wiring, tokens: dict[Role, str]) -> None:
    may = {role for role in tokens if ask([HOA_ID], role).status_code == 200}
    assert may == {Role.MAKER, Role.APPROVER} == PERMISSIONS["resolve-accounts"]
    assert all(ask([HOA_ID], role).status_code == 403 for role in set(tokens) - may)
    stranger = create_app(wired).test_client()
    assert stranger.post("/accounts/resolve", json={"citizen_ids": [HOA_ID]}).status_code == 401
    assert stranger.get(f"/accounts/resolve?citizen_ids={HOA_ID}").status_code == 405
    assert {event.actor for event in events(wired)} == {"the-maker", "the-approver"}


def test_who_asked_for_how_many_is_kept_and_never_for_whom(
    ask: Ask, wired: Wiring, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = ask(list(TOLD))
    [event] = events(wired)
    assert (event.actor, event.subject) == ("the-maker", "registry")
    assert json.loads(event.detail) == {"asked": len(TOLD), "registered": len(TOLD) - 1}
    heard = "".join(capsys.readouterr())
    assert "/accounts/resolve" in heard
    assert not any(number in heard + event.detail + answer.get_data(as_text=True) for number in TOLD)


def test_an_outcome_of_the_past_is_not_told(
    ask: Ask, registry: Registry, wired: Wiring, clock: FixedClock, maker: Officer
) -> None:
    clock.advance(timedelta(hours=1))
    registry.add_account(HOA_ID, "NGUYEN THI HOA", "0011000001", status="closed")
    match_accounts(wired.database, wired.sealer, clock, maker)
    assert told(ask([HOA_ID])) == [("account_not_usable", "970405", "••••0001")]


def test_many_may_ask_at_once(ask: Ask, wired: Wiring) -> None:
    asked = [list(TOLD)[turn % len(TOLD) :] for turn in range(16)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, asked))
    assert [told(answer) for answer in answers] == [[TOLD[one] for one in some] for some in asked]
    assert len(events(wired)) == len(asked)


def test_on_the_command_line_numbers_come_from_a_file(copied: Demo, tmp_path: Path) -> None:
    known = tmp_path / "known.txt"
    known.write_text(f"{NOBODYS_ID}\n" * 2)
    shown = copied.run("resolve-accounts", str(known), "-o", "json", role="maker")
    assert shown.returncode == 0, shown.stderr
    assert [row["outcome"] for row in json.loads(shown.stdout)] == ["not_registered"] * 2
    known.write_text("123\n")
    assert copied.run("resolve-accounts", str(known), role="maker").returncode == 2
    known.write_text(f"{NOBODYS_ID}\n")
    assert copied.run("resolve-accounts", str(known), role="auditor").returncode == 4
