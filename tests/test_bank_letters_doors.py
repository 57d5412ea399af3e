"""A bank's letter by command and by API: the same answers, roles and refusals; and the bytes that it becomes."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from click.testing import Result
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from paysvc import verify_bank_files
from paysvc.clock import FixedClock, vietnam_day
from paysvc.core.scan_letter import is_letter, letter_in, read_letter
from paysvc.domain.bank_letters import About, ApprovedLetter, LetterContent, Says
from paysvc.domain.errors import FileRefused, PaysvcError
from paysvc.sealing import Sealer
from paysvc.store.engine import Database
from paysvc.store.vault import Vault
from tests.doors import Desk, by, let_in
from tests.paying_office import PayingOffice
from tests.planned_province import Enrolled

SCAN = b"\x89PNG the bank's letter"


@pytest.fixture
def office(database: Database, sealer: Sealer, vault: Vault, clock: FixedClock) -> PayingOffice:
    made = PayingOffice(database, sealer, vault, clock)
    made.enrol(*[Enrolled({"BTXH": "NANG"})] * 2)
    made.pay("2026-12")
    return let_in(made)


@pytest.fixture
def desk(desk: Desk) -> Desk:
    (desk.home / "scan.png").write_bytes(SCAN)
    return desk


# ------------------------------------------------------------------------------------ API


def asked(office: PayingOffice, *names: str, **changes: Any) -> dict[str, Any]:
    wanted = {
        "bank_code": "AGRI", "number": "88/NHNo", "dated": vietnam_day(office.clock.now()).isoformat(),
        "scan_base64": base64.b64encode(SCAN).decode(), "says": "not_made", "about": "payments", "names": list(names),
    }  # fmt: skip
    return {**wanted, **changes}


def test_the_api_records_shows_approves_and_hands_out_the_scan(client: FlaskClient, office: PayingOffice) -> None:
    first, second = office.payments_of("2026-12")
    operator = by(office, "operator.binh", "k1")
    recorded = client.post("/letters", json=asked(office, first), headers=operator)
    assert recorded.status_code == 201, recorded.get_json()
    again = client.post("/letters", json=asked(office, first), headers=operator)
    assert again.get_json() == recorded.get_json(), "a repeated key is answered as the first time"
    (shown,) = client.get("/letters", headers=by(office, "auditor.tuan")).get_json()
    assert shown == recorded.get_json()
    assert (shown["state"], shown["names"], shown["recorded_by"]) == ("proposed", [first], "operator.binh")

    path, approver = f"/letters/{shown['id']}", by(office, "approver.minh", "k2")
    scan = client.get(f"{path}/scan", headers=by(office, "approver.minh"))
    assert (scan.get_data(), scan.headers["Content-Disposition"]) == (
        SCAN, f'attachment; filename="letter-{shown["id"]}.png"',
    )  # fmt: skip
    for name in ("maker.lan", "auditor.tuan", "operator.binh"):
        body = {"content_sha256": shown["content_sha256"]}
        assert client.post(f"{path}/approval", json=body, headers=by(office, name)).status_code == 403
    wrong = client.post(f"{path}/approval", json={"content_sha256": "00" * 32}, headers=by(office, "approver.minh"))
    assert (wrong.status_code, wrong.get_json()["code"]) == (409, "content_changed")
    approved = client.post(f"{path}/approval", json={"content_sha256": shown["content_sha256"]}, headers=approver)
    assert (approved.status_code, approved.get_json()["state"]) == (200, "stored")
    done = client.post("/returns/reconciliation", headers=by(office, "operator.binh")).get_json()
    assert [(file["kind"], file["state"]) for file in done["files"]] == [("letter", "ACCEPTED")]
    (listed,) = client.get("/returns/files", headers=by(office, "auditor.tuan")).get_json()
    assert (listed["kind"], listed["name"]) == ("letter", f"letter-{shown['id']}.json")
    assert (office.state_of(first), office.state_of(second)) == ("REJECTED", "SENT")
    assert client.get("/letters", headers=by(office, "auditor.tuan")).get_json() == []

    other = client.post("/letters", json=asked(office, second), headers=by(office, "maker.lan")).get_json()
    closed = client.post(f"/letters/{other['id']}/refusal", json={"reason": "sai số"}, headers=by(office, "maker.lan"))
    assert (closed.get_json()["state"], closed.get_json()["close_reason"]) == ("closed", "sai số")
    every = client.get("/letters?only_open=false", headers=by(office, "auditor.tuan")).get_json()
    assert [one["state"] for one in every] == ["accepted", "closed"]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"scan_base64": "no base64"}, 422, "scan_not_base64"),
        ({"scan_base64": ""}, 422, "scan_size"),
        ({"bank_code": "BIDV"}, 404, "bank_not_configured"),
        ({"says": "received"}, 422, "received_of_payments"),
        ({"names": ["PNOBODY"]}, 404, "letter_names_unknown"),
        ({"dated": "2026-11-01"}, 409, "letter_before_file"),
        ({"number": " 88"}, 422, "letter_number_malformed"),
    ],
)
def test_the_api_refuses_with_code_and_place(
    client: FlaskClient, office: PayingOffice, changes: dict[str, Any], status: int, code: str
) -> None:
    first, _ = office.payments_of("2026-12")
    answer = client.post("/letters", json=asked(office, first, **changes), headers=by(office, "maker.lan"))
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    if "names" in changes or "dated" in changes:
        assert "names[0]" in json.dumps(answer.get_json())


# ------------------------------------------------------------------------------- commands


def proposed(desk: Desk, *words: str, number: str = "88/NHNo") -> Result:
    head = ("propose-letter", "--bank", "AGRI", "--number", number, "--dated", "2026-11-21")
    return desk.run(
        "maker.lan", *head, "--scan", str(desk.home / "scan.png"), "--says", "not_made", *words, "-o", "json"
    )


def test_the_commands_record_show_approve_and_export(desk: Desk, office: PayingOffice) -> None:
    first, second = office.payments_of("2026-12")
    table = desk.home / "chua-chi.csv"
    table.write_text(f"stt,end_to_end_id\n1,{first}\n2,{second}\n")
    done = proposed(desk, "--payments", str(table))
    assert done.exit_code == 0, done.output
    (recorded,) = json.loads(done.stdout)
    told, digest = done.stderr.strip().rsplit(" --hash ", 1)
    assert told.endswith(f"paysvc approve-letter {recorded['id']}")
    assert (recorded["names"], recorded["content_sha256"]) == (sorted([first, second]), digest)
    assert json.loads(desk.run("auditor.tuan", "list-letters", "-o", "json").stdout) == [recorded]
    out = desk.home / "copy.png"
    exported = desk.run("approver.minh", "export-letter", str(recorded["id"]), "--out", str(out))
    assert (exported.exit_code, out.read_bytes()) == (0, SCAN)
    taken = desk.run("approver.minh", "export-letter", str(recorded["id"]), "--out", str(out)).exception
    assert isinstance(taken, PaysvcError)
    assert taken.code == "file_exists"
    for _ in range(2):
        approved = desk.run("approver.minh", "approve-letter", str(recorded["id"]), "--hash", digest, "-o", "json")
        assert (approved.exit_code, json.loads(approved.stdout)[0]["state"]) == (0, "stored")
    reconciled = desk.run("operator.binh", "reconcile-returns")
    assert reconciled.exit_code == 0, reconciled.output
    assert {office.state_of(one) for one in (first, second)} == {"REJECTED"}


def test_the_commands_refuse_with_the_row(desk: Desk, office: PayingOffice) -> None:
    first, second = office.payments_of("2026-12")
    table = desk.home / "list.csv"
    cases = [
        (
            ("--payments", str(table)),
            f"Danh sách\nend_to_end_id\n{first}\nPNOBODY\n",
            "letter_names_unknown",
            "list.csv, row 4",
        ),
        (("--payments", str(table)), f"name\n{first}\n", "column_missing", "list.csv, row 1"),
        (("--payments", str(table)), "end_to_end_id,x\n,1\n", "letter_name_malformed", "list.csv, row 2"),
        (("--payments", str(table)), "", "empty", "list.csv"),
        (("--payment", first, "--message-id", "M1"), "", "letter_about_what", ""),
        ((), "", "letter_about_what", ""),
        (("--message-id", "M1"), "", "letter_names_unknown", "--message-id M1"),
    ]
    for words, content, code, place in cases:
        table.write_text(content)
        failed = proposed(desk, *words).exception
        assert isinstance(failed, PaysvcError), words
        assert (failed.code, failed.place) == (code, place)
    (recorded,) = json.loads(proposed(desk, "--payment", second).stdout)
    closed = desk.run("approver.minh", "decline-letter", str(recorded["id"]), "--reason", "sai số", "-o", "json")
    assert json.loads(closed.stdout)[0]["state"] == "closed"
    malformed = desk.run("approver.minh", "approve-letter", str(recorded["id"]), "--hash", "no").exception
    assert isinstance(malformed, PaysvcError)
    assert malformed.code == "hash_malformed"


# ----------------------------------------------------------------------------- the dialect


def approved(**changes: Any) -> ApprovedLetter:
    wanted: dict[str, Any] = {
        "bank_code": "VCB", "number": "214/CV-VCB", "dated": date(2026, 12, 9), "scan_sha256": b"\x07" * 32,
        "scan_size": 9, "says": Says.NOT_MADE, "about": About.PAYMENTS, "names": ("P1", "P2"), "maker": "maker.lan",
        **changes,
    }  # fmt: skip
    at = datetime(2026, 12, 9, 3, 4, 5, 678901, tzinfo=UTC)
    return ApprovedLetter(7, LetterContent(**wanted), "approver.minh", at)


def test_a_letter_says_what_two_officers_recorded() -> None:
    one = approved()
    assert letter_in(one.file) == one
    said = read_letter("VCB", one.file)
    assert (said.kind, said.bank_message_id, said.groups) == ("letter", "letter-7", ())
    assert said.statuses is not None
    assert list(said.statuses.to_tuples()) == [("P1", "RJCT", "LETTER", ""), ("P2", "RJCT", "LETTER", "")]
    files = read_letter("VCB", approved(says=Says.RECEIVED, about=About.FILES, names=("M1",)).file)
    assert [(one.message_id, one.status, one.reason_code) for one in files.groups] == [("M1", "RCVD", "")]
    with pytest.raises(FileRefused, match="another bank"):
        read_letter("AGRI", one.file)


def test_who_verifies_a_report_reads_letters_without_the_bank() -> None:
    one = approved()
    read = verify_bank_files._read_returns("VCB", "a dialect that is nowhere installed", "any-name", one.file)
    assert read is not None
    assert read.kind == "letter"
    with pytest.raises(FileRefused):
        verify_bank_files._read_returns("AGRI", "iso20022", one.file_name, one.file)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"id":7', '"id":7.0'),
        ('"id":7', '"id":"7"'),
        ('"id":7', '"id":true'),
        ('["P1","P2"]', '["P2","P1"]'),
        ('["P1","P2"]', '["P1","P1"]'),
        ('["P1","P2"]', '"P1"'),
        ('["P1","P2"]', "[]"),
        ('["P1","P2"]', "[1]"),
        ("maker.lan", "approver.minh"),
        ('"number":', '"more":1,"number":'),
        ("bank letter 1", "bank letter 2"),
        ("2026-12-09", "2026-13-09"),
        ("+00:00", "+07:00"),
        ("not_made", "received"),
        ("not_made", "perhaps"),
        ("07" * 32, "7" * 63),
        ("VCB", "\\ud800"),
        ('"size":9', '"size":9 '),
    ],
)
def test_what_no_two_officers_recorded_is_no_letter(old: str, new: str) -> None:
    content = approved().file
    changed = content.replace(old.encode(), new.encode())
    assert changed != content
    with pytest.raises(FileRefused) as refusal:
        letter_in(changed)
    assert refusal.value.code == "letter_malformed"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 400), st.integers(0, 40))
def test_any_bytes_are_refused_or_a_letter(inserted: bytes, at: int, gone: int) -> None:
    content = approved().file
    changed = content[:at] + inserted + content[at + gone :]
    if is_letter(changed):
        try:
            assert letter_in(changed).file == changed
        except FileRefused as refusal:
            assert refusal.code == "letter_malformed"  # noqa: PT017  # either of two is right
