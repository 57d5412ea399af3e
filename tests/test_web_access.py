"""Access is denied by default: every route is tried as a stranger and as every role."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from paysvc.clock import FixedClock
from paysvc.config import read_settings
from paysvc.domain.officers import PERMISSIONS, Role
from paysvc.domain.statement_watch import MissingStatement
from paysvc.services.manage_officers import FIRST_START, add_officer, create_token
from paysvc.store import schema
from paysvc.web.access import public, verb_of
from paysvc.web.app import create_app
from paysvc.wiring import Wiring, wire

PUBLIC = {"/healthz", "/readyz", "/openapi.json"}
PEOPLE = [role for role in Role if role is not Role.SYSTEM]


@pytest.fixture
def wired(tmp_path: Path, database_url: str, clock: FixedClock) -> Iterator[Wiring]:
    made = wire(read_settings(home=tmp_path / "home", database_url=database_url), clock)
    yield made
    made.close()


@pytest.fixture
def app(wired: Wiring) -> Flask:
    return create_app(wired)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def tokens(wired: Wiring) -> dict[Role, str]:
    """A token of one officer per role."""
    chief = add_officer(wired.database, wired.clock, FIRST_START, officer_id="chief", role=Role.ADMINISTRATOR)
    made = {Role.ADMINISTRATOR: create_token(wired.database, wired.clock, chief, officer_id="chief")}
    for role in PEOPLE:
        if role is not Role.ADMINISTRATOR:
            add_officer(wired.database, wired.clock, chief, officer_id=f"the-{role}", role=role)
            made[role] = create_token(wired.database, wired.clock, chief, officer_id=f"the-{role}")
    return made


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def routes(app: Flask) -> list[tuple[str, str, str]]:
    """Every route: method, a path that fits its rule, endpoint."""
    found = []
    for rule in app.url_map.iter_rules():
        values = dict.fromkeys(rule.arguments, "7")
        with app.test_request_context():
            path = app.url_map.bind("localhost").build(rule.endpoint, values) if values else rule.rule
        found += [(method, path, rule.endpoint) for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}]
    return sorted(found)


def test_a_stranger_reaches_nothing_but_what_is_public(app: Flask, client: FlaskClient) -> None:
    tried = 0
    for method, path, _ in routes(app):
        answer = client.open(path, method=method)
        if path in PUBLIC:
            assert answer.status_code < 400, path
        else:
            assert answer.status_code == 401, (method, path)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        tried += 1
    assert tried > len(PUBLIC)


def test_every_route_names_a_verb_that_somebody_may(app: Flask) -> None:
    for method, path, endpoint in routes(app):
        verb = verb_of(app, endpoint)
        assert verb == "public" or PERMISSIONS.get(verb or ""), (method, path)
        assert (verb == "public") == (path in PUBLIC)


def test_every_role_reaches_only_what_it_may(app: Flask, client: FlaskClient, tokens: dict[Role, str]) -> None:
    for method, path, endpoint in routes(app):
        verb = verb_of(app, endpoint)
        if verb == "public":
            continue
        for role in PEOPLE:
            if role in PERMISSIONS[str(verb)]:
                continue
            answer = client.open(path, method=method, headers=bearer(tokens[role]))
            assert answer.status_code == 403, (role, method, path)
            assert answer.get_json()["code"] == "role_not_allowed"


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer x", "Basic abc", "bearer pst_" + "a" * 43])
def test_a_forged_token_is_no_token(client: FlaskClient, tokens: dict[Role, str], header: str) -> None:
    assert client.get("/officers", headers={"Authorization": header}).status_code == 401


def test_what_does_not_exist_says_so_as_a_problem(client: FlaskClient) -> None:
    answer = client.get("/nothing/here")
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["request_id"] == answer.headers["X-Request-Id"]
    assert client.post("/healthz").status_code == 405


def test_an_officer_is_added_once_however_often_it_is_asked(client: FlaskClient, tokens: dict[Role, str]) -> None:
    headers = {**bearer(tokens[Role.ADMINISTRATOR]), "Idempotency-Key": "k1"}
    body = {"officer_id": "lan", "role": "maker"}
    first = client.post("/officers", json=body, headers=headers)
    again = client.post(
        "/officers", data=json.dumps(dict(reversed(body.items()))), headers=headers, content_type="application/json"
    )
    assert first.status_code == again.status_code == 201
    assert first.get_json() == again.get_json() == body
    assert again.headers["Idempotent-Replayed"] == "true"
    other = client.post("/officers", json={**body, "role": "auditor"}, headers=headers)
    assert (other.status_code, other.get_json()["code"]) == (422, "idempotency_key_reused")
    without_key = client.post("/officers", json=body, headers=bearer(tokens[Role.ADMINISTRATOR]))
    assert (without_key.status_code, without_key.get_json()["code"]) == (409, "officer_exists")


def test_a_failed_request_does_not_use_its_key_up(client: FlaskClient, tokens: dict[Role, str]) -> None:
    headers = {**bearer(tokens[Role.ADMINISTRATOR]), "Idempotency-Key": "k1"}
    body = {"officer_id": "chief", "role": "maker"}
    assert client.post("/officers", json=body, headers=headers).status_code == 409
    assert client.post("/officers", json=body, headers=headers).status_code == 409


def test_a_body_that_does_not_fit_names_its_fields(client: FlaskClient, tokens: dict[Role, str]) -> None:
    answer = client.post("/officers", json={"role": "king"}, headers=bearer(tokens[Role.ADMINISTRATOR]))
    assert answer.status_code == 422
    assert set(answer.get_json()["fields"]["json"]) == {"officer_id", "role"}


def test_the_documentation_is_valid_and_names_every_route(app: Flask, client: FlaskClient) -> None:
    specification = client.get("/openapi.json").get_json()
    validate(specification)
    documented = {path.replace("{", "<").replace("}", ">") for path in specification["paths"]}
    undocumented = {re.sub(r"<\w+:", "<", rule.rule) for rule in app.url_map.iter_rules()} - documented
    assert undocumented == {"/healthz", "/readyz", "/metrics", "/openapi.json"}


def test_metrics_speak_of_routes_and_not_of_paths(client: FlaskClient, tokens: dict[Role, str]) -> None:
    client.delete("/officers/040150123456", headers=bearer(tokens[Role.ADMINISTRATOR]))
    text = client.get("/metrics", headers=bearer(tokens[Role.AUDITOR])).get_data(as_text=True)
    assert 'route="/officers/<officer_id>"' in text
    assert "040150123456" not in text


def test_metrics_count_the_banks_that_owe_us_a_statement(
    client: FlaskClient, tokens: dict[Role, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown() -> str:
        text = client.get("/metrics", headers=bearer(tokens[Role.AUDITOR])).get_data(as_text=True)
        return next(line for line in text.splitlines() if line.startswith("paysvc_banks_with_missing_statement "))

    assert shown() == "paysvc_banks_with_missing_statement 0.0"
    missing = [MissingStatement("AGRI", "••••0001", date(2026, 12, 4))]
    monkeypatch.setattr("paysvc.web.observing.find_missing_statements", lambda *_: missing)
    assert shown() == "paysvc_banks_with_missing_statement 1.0"


def test_an_unforeseen_error_shows_nothing(app: Flask) -> None:
    def broken() -> None:
        raise RuntimeError("040150123456")

    app.add_url_rule("/broken", "broken", public(broken))
    answer = app.test_client().get("/broken")
    assert (answer.status_code, answer.get_json()["code"]) == (500, "unforeseen")
    assert "040150123456" not in answer.get_data(as_text=True)


def test_ready_only_with_todays_schema(client: FlaskClient, wired: Wiring) -> None:
    assert client.get("/readyz").status_code == 200
    schema.downgrade(wired.database, "0001")
    assert client.get("/readyz").get_json()["reason"] == "schema_not_current"
